"""Tiers of many merchants gone on with from stored figures and days: their past is neither read nor stepped again.

What `view.advance` does for one of them with its events, this does for all with their columns.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import day_of, parse_day
from domain.merchant_tier.facts import end_of, last_closed_day
from domain.merchant_tier.values import NEVER, SCHEME
from projections.schemes.merchant_tier.bulk import figures_columns, folded_changes, folded_days, stand
from projections.schemes.merchant_tier.view import ACT_TYPES, WITHOUT_FIGURES, Judging, judging_of
from projections.schemes.shared.bulk_rows import JudgedBy, instants, lists, owners_of, starts_of
from projections.schemes.shared.changing import Rewriting, RowsGone, RowsMade, known_by
from projections.schemes.shared.filling import LATEST
from projections.schemes.shared.going_on import GoingOn
from projections.schemes.shared.stored import Numbers, Reads, count_before, stored_rows
from projections.views.step import SUBJECTS_AT_ONCE, Step
from projections.views.tables import DAY_FIGURES
from replay.columnar.columns import COMPLAINT_DISMISSED, ORDER_COMPLAINED, ORDER_PAID, REVIEW_POSTED
from replay.schemes.merchant_tier.fold import TierFolded, TierOpenings, fold_tier, no_accounts

_COUNTED: Final = (ORDER_PAID, ORDER_COMPLAINED, REVIEW_POSTED, COMPLAINT_DISMISSED)


def move(going: GoingOn) -> Rewriting | None:
    """What a step changes of many merchants; None where a record cannot be read."""
    step, last_day = going.step, last_closed_day(going.step.after.as_of)
    counted = [subject for subject in going.subjects if step.state(subject, SCHEME) not in WITHOUT_FIGURES]
    added = _added(going, counted)
    if going.unread():
        return None
    firsts = _firsts(going, added)
    concerned = np.flatnonzero(firsts <= last_day + 1)
    names = [going.subjects[number] for number in concerned.tolist()]
    firsts, added = firsts[concerned], added.renumbered(concerned, len(going.subjects))
    acting = {event.originator_id for _, event in going.bearing(ACT_TYPES)}
    rests = _rest(step, names, firsts, added) & np.array([name not in acting for name in names], np.bool_)
    stepped = np.flatnonzero(~rests)
    made = Rewriting(step, [names[number] for number in stepped.tolist()])
    back = np.where(rests, last_day + 1, firsts - judging_of(step).reach_days - 1)
    figures = _move_figures(made, names, back, added)
    figures = figures.chosen(~rests[figures.subject]).renumbered(stepped, len(names))
    _move_days(going, made, firsts[stepped], figures)
    return made


class _Days(NamedTuple):
    """Figures of some subjects' days, by subject and day."""

    subject: Numbers
    """Of subjects that are numbered somewhere."""
    day: Numbers
    figures: Numbers
    """A row for each; columns as in DAY_FIGURES."""

    def keys(self) -> Numbers:
        return self.subject << 32 | self.day + 2**31

    def chosen(self, rows: NDArray[Any]) -> "_Days":
        return _Days(*(column[rows] for column in self))

    def renumbered(self, some: Numbers, count: int) -> "_Days":
        """The same where of so many subjects only some are left, which are all that there are figures of."""
        numbers = np.zeros(count, np.int64)
        numbers[some] = np.arange(len(some))
        return self._replace(subject=numbers[self.subject])


def _summed(parts: Sequence[_Days]) -> _Days:
    """Figures of the same days added up, without those that come to nothing."""
    both = _Days(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    _, first, place = np.unique(both.keys(), return_index=True, return_inverse=True)
    figures = np.zeros((len(first), len(DAY_FIGURES)), np.int64)
    np.add.at(figures, place, both.figures)
    return both.chosen(first)._replace(figures=figures).chosen(np.flatnonzero(figures.any(axis=1)))


def _added(going: GoingOn, subjects: Sequence[str]) -> _Days:
    """By day, what the new events of some subjects add to its figures: what their orders count for now, less what they
    counted for before."""
    step, judging = going.step, judging_of(going.step)
    now = going.of_orders(subjects, _COUNTED)
    numbers = {subject: number for number, subject in enumerate(going.subjects)}
    whose, parts = np.array([numbers[subject] for subject in now.subjects], np.int64), []
    for known, sign in ((now, 1), (known_by(now, step.before.position), -1)):
        found = fold_tier(known, judging.terms, last_closed_day(step.after.as_of))
        parts.append(_Days(whose[found.figure_subjects], found.figure_days, sign * found.figures))
    return _summed(parts)


def _firsts(going: GoingOn, added: _Days) -> Numbers:
    """By subject, the day from which on its days are stepped, all that have closed since the last step at the least;
    NEVER where none is."""
    step, found = going.step, np.full(len(going.subjects), NEVER)
    np.minimum.at(found, added.subject, added.day)
    for subject, event in going.bearing(ACT_TYPES):  # one to come is looked at as its day closes
        found[subject] = min(found[subject], day_of(event.occurred_at), last_closed_day(step.after.as_of) + 1)
    due = going.due(SCHEME, LATEST)
    timed = np.flatnonzero(due < LATEST)
    found[timed] = np.minimum(found[timed], instants(due[timed], day_of))
    closed = min(last_closed_day(step.before.as_of), last_closed_day(step.after.as_of)) + 1
    return np.where(found < NEVER, np.minimum(found, closed), NEVER)


def _rest(step: Step, subjects: Sequence[str], firsts: Numbers, added: _Days) -> NDArray[np.bool_]:
    """Of which subjects nothing changes but figures of the day that has not closed yet: they are looked at as it closes
    anyway."""
    open_day = last_closed_day(step.after.as_of) + 1
    looked_at = ("scheme = {}", SCHEME), ("next_at = {}", end_of(open_day))
    rows = stored_rows(step, "calendar", subjects, {}, *looked_at)
    rests = np.zeros(len(subjects), np.bool_)
    rests[rows["subject"]] = True
    rests[added.subject[(added.day != open_day) | (added.figures < 0).any(axis=1)]] = False
    rests[firsts != open_day] = False
    return rests


# --- figures ----------------------------------------------------------------------------------------------------------


def _move_figures(made: Rewriting, subjects: list[str], back: Numbers, added: _Days) -> _Days:
    """What days come to with what is added to them, each subject's from a day of its own on; they are written."""
    stored = _stored_figures(made.step, subjects, back)
    figures = _summed([stored, added])
    gone = added.chosen(np.isin(added.keys(), stored.keys()))
    come = figures.chosen(np.isin(figures.keys(), added.keys()))
    keys = lists(figures_columns(subjects, *gone))
    made.gone.append(RowsGone("tier_figures", {name: keys[name] for name in ("subject", "day")}))
    made.come.append(RowsMade("tier_figures", lists(figures_columns(subjects, *come))))
    return figures


def _stored_figures(step: Step, subjects: Sequence[str], firsts: Numbers) -> _Days:
    """What is stored of some subjects' days, each from a day of its own on, or an earlier one."""
    order, parts = np.argsort(firsts, kind="stable"), []  # those that begin alike are read together
    for begin in range(0, max(len(order), 1), SUBJECTS_AT_ONCE):
        some = order[begin : begin + SUBJECTS_AT_ONCE]
        names = [subjects[number] for number in some.tolist()]
        first = int(firsts[some].min(initial=LATEST))
        rows = stored_rows(step, "tier_figures", names, _FIGURES, ("day >= {}", first))
        figures = np.stack([rows[name] for name in DAY_FIGURES], axis=1)
        parts.append(_Days(some[rows["subject"]], rows["day"], figures))
    return _Days(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


_FIGURES: Final[Reads] = dict.fromkeys(("day", *DAY_FIGURES), int)


# --- days and changes -------------------------------------------------------------------------------------------------


def _move_days(going: GoingOn, made: Rewriting, firsts: Numbers, figures: _Days) -> None:
    """Step the subjects from the accounts that stood before their first days, and write what comes out."""
    judging, names = judging_of(made.step), made.subjects
    stored = _stored_days(made.step, names)
    kept = count_before(stored.starts, stored.days, firsts)
    openings = _openings(stored, kept, firsts, figures)
    filling = going.filling_from(going.life(names))
    folded = fold_tier(filling.columns, judging.terms, last_closed_day(filling.as_of), openings=openings)
    judged = JudgedBy(judging.terms, judging.policies)
    _write_days(made, stored, kept, folded, judging, judged)
    stand(filling, folded, judging, judged, _last_kept(stored, kept))
    made.stand(SCHEME, filling)


class _Stored(NamedTuple):
    """The days that are stored of some subjects on which the tier changed."""

    starts: Numbers
    days: Numbers
    accounts: NDArray[np.void]
    """After each."""


def _stored_days(step: Step, subjects: Sequence[str]) -> _Stored:
    rows = stored_rows(step, "tier_days", subjects, {"number": int, "day": cache(parse_day), **_ACCOUNT})
    order = np.lexsort((rows["number"], rows["subject"]))
    accounts = no_accounts(len(order))
    for column, field in zip(_ACCOUNT, ("tier", "since", "lowest_since", "open", "cleared_out"), strict=True):
        accounts[field] = rows[column][order]
    return _Stored(starts_of(rows["subject"][order], len(subjects)), rows["day"][order], accounts)


_ACCOUNT: Final[Reads] = dict.fromkeys(("tier", "since_day", "lowest_since_day", "is_open", "cleared_out"), int)


def _openings(stored: _Stored, kept: Numbers, firsts: Numbers, figures: _Days) -> TierOpenings:
    """By subject, the account after the last change that is kept, and the figures from which it is stepped on."""
    accounts, some = no_accounts(len(kept)), np.flatnonzero(kept)
    accounts[some] = stored.accounts[stored.starts[some] + kept[some] - 1]
    return TierOpenings(firsts - 1, accounts, starts_of(figures.subject, len(kept)), figures.day, figures.figures)


def _last_kept(stored: _Stored, kept: Numbers) -> Numbers:
    """By subject, the day of the last change that is kept, or NEVER."""
    days, some = np.full(len(kept), NEVER), np.flatnonzero(kept)
    days[some] = stored.days[stored.starts[some] + kept[some] - 1]
    return days


def _write_days(
    made: Rewriting, stored: _Stored, kept: Numbers, folded: TierFolded, judging: Judging, judged: JudgedBy
) -> None:
    """The changes behind those that are kept; the last of these ends where they begin."""
    starts = starts_of(folded.moves["subject"], len(kept))
    fewer = np.flatnonzero(kept < np.diff(stored.starts))
    days = folded_days(made.subjects, folded, judging, judged)
    changes = folded_changes(days, folded)
    for table, keys, columns in (("tier_days", {}, days), ("history", {"scheme": SCHEME}, changes)):
        made.go(table, fewer, keys, ("number", kept[fewer].tolist()))
        made.come.append(RowsMade(table, lists({**columns, "number": columns["number"] + kept[owners_of(starts)]})))
    ended, begins = np.full(len(kept), LATEST), np.full(len(kept), LATEST)
    ended[fewer] = instants(stored.days[stored.starts[fewer] + kept[fewer]], end_of)
    more = np.flatnonzero(np.diff(starts))
    begins[more] = instants(folded.moves["day"][starts[more]], end_of)
    some = np.flatnonzero((kept > 0) & (ended != begins))
    made.end_rows(SCHEME, some, kept[some] - 1, begins[some])
