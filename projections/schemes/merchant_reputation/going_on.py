"""Many merchants gone on with from the close of a stored month: their past before it is neither read nor judged again.

What `view.advance` does for one of them with its events, this does for all with their columns.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of, month_start, month_text, parse_month
from domain.merchant_reputation.facts import FLAG_TYPES, LIFE_TYPES, ORDER_TYPES
from domain.merchant_reputation.rule import NO_CAP, SCHEME, Account
from projections.schemes.merchant_reputation.bulk import folded_changes, folded_months, stand
from projections.schemes.merchant_reputation.rows import judging_of, published
from projections.schemes.merchant_reputation.then_bulk import go_on_then
from projections.schemes.shared.bulk_rows import JudgedBy, Where, lists, owners_of, starts_of
from projections.schemes.shared.changing import Rewriting, RowsMade
from projections.schemes.shared.filling import LATEST, Filling
from projections.schemes.shared.going_on import GoingOn
from projections.schemes.shared.histories import change_histories, kept_histories
from projections.schemes.shared.stored import Numbers, Reads, count_before, stored_rows
from projections.views.recent import orders_in
from projections.views.step import Step
from replay.columnar.columns import ORDER_CLEARED, ORDER_FLAGGED, ORDER_PAID, ORDER_RECEIVED, REVIEW_POSTED
from replay.schemes.merchant_reputation.fold import fold_reputation, new_accounts
from replay.schemes.merchant_reputation.folded import FoldedMonths
from replay.store.reading.asked import BEFORE_ALL

_ORDERED: Final = (ORDER_PAID, ORDER_RECEIVED, REVIEW_POSTED)
"""Types whose events come out as entries, or make others come out so, from when they occurred on."""
_FLAGS: Final = (ORDER_FLAGGED, ORDER_CLEARED)
"""Types whose events bear on every entry of their order."""
_MONTH_END: Final = Account._fields.index("month_end")


def move(going: GoingOn) -> Rewriting | None:
    """What a step changes of many merchants; None where a record cannot be read."""
    step, judging = going.step, judging_of(going.step)
    restarts = _restarts(going)
    if going.unread():
        return None
    concerned = np.flatnonzero(restarts < LATEST)
    made = Rewriting(step, [going.subjects[subject] for subject in concerned.tolist()])
    restarts = restarts[concerned]
    settled = _settled(step, made.subjects, restarts)
    stored = _stored(step, made.subjects, restarts, settled)
    kept = count_before(stored.starts, stored.closing[:, _MONTH_END], restarts + 1)
    openings = _openings(stored, kept)
    ends = openings[:, _MONTH_END]
    firsts = np.where(kept > 0, np.minimum(ends, step.after.as_of) - judging.window_micros, BEFORE_ALL)
    filling = going.filling(made.subjects, firsts, (*_ORDERED, *_FLAGS))
    if filling is None:
        return None
    folded = fold_reputation(filling.columns, judging.spans, filling.as_of, openings)
    judged = JudgedBy(judging.terms, judging.policies)
    fewer = np.flatnonzero(kept < np.diff(stored.starts))
    made.go("reputation_months", fewer, {}, ("month_end", (ends[fewer] + 1).tolist()))
    made.come.append(RowsMade("reputation_months", lists(folded_months(folded, judged))))
    kept_levels = kept_histories(made, SCHEME, ends)
    change_histories(made, SCHEME, kept_levels, folded_changes(folded, judged), folded.changes.starts)
    whole = _whole(stored, kept, folded.months)
    go_on_then(made, restarts, stored, whole, judging)
    stand(filling, folded._replace(months=whole), judging, judged)
    _keep_effective(filling, np.flatnonzero(settled))
    made.stand(SCHEME, filling)
    return made


def _restarts(going: GoingOn) -> Numbers:
    """By subject, the earliest instant at which an entry, old or new, may be another; LATEST where none is."""
    new, found = going.new, going.due(SCHEME, LATEST)
    rows = np.flatnonzero(np.isin(new.what, _ORDERED))
    np.minimum.at(found, new.stream[rows], new.at[rows])
    for subject, event in going.bearing((*ORDER_TYPES, *LIFE_TYPES)):
        found[subject] = min(found[subject], event.occurred_at)
    flagged = orders_in(new, np.flatnonzero(np.isin(new.what, _FLAGS)))
    flagged |= {(event.originator_id, event.data.order) for _, event in going.bearing(FLAG_TYPES)}
    going.reach(found, flagged, _ORDERED)
    return np.where(found < LATEST, np.minimum(found, going.step.after.as_of), LATEST)


# --- what is stored ---------------------------------------------------------------------------------------------------


def _settled(step: Step, subjects: Sequence[str], restarts: Numbers) -> NDArray[np.bool_]:
    """Of which subjects stays effective what is: nothing was published since, or is judged again from before then."""
    month, levels = published(step), [step.level(subject, SCHEME) for subject in subjects]
    if month is None:
        return np.zeros(len(subjects), np.bool_)
    is_known = [level is not None and level.effective_since is not None for level in levels]
    return np.array(is_known, np.bool_) & (restarts >= month_start(month + 1))


def _keep_effective(filling: Filling, settled: Numbers) -> None:
    columns, names = dict(filling.prepared)["levels"], filling.columns.subjects
    for number in settled.tolist():
        level = filling.step.level(names[number], SCHEME)
        for name in ("effective_state", "effective_level", "effective_since"):
            columns[name][number] = getattr(level, name)


class _Stored(NamedTuple):
    """The months that are stored of some subjects, as in FoldedMonths: as far back as they are asked for."""

    starts: Numbers
    month: Numbers
    closing: Numbers


def _stored(step: Step, subjects: Sequence[str], restarts: Numbers, settled: NDArray[np.bool_]) -> _Stored:
    """All months, but of settled subjects, if one closed shortly before they are judged again, none long before that.

    A publication may rest on any month; what is judged, on the last that closed.
    """
    first = month_of(int(restarts[settled].min(initial=step.after.as_of))) - _MONTHS_BEFORE
    late = _months_of(step, subjects, np.flatnonzero(settled), ("month >= {}", month_text(first)))
    found = np.zeros(len(subjects), np.bool_)
    found[late["subject"][late["month_end"] <= restarts[late["subject"]]]] = True
    rest = _months_of(step, subjects, np.flatnonzero(~found))
    some = found[late["subject"]]
    rows = {name: np.concatenate([column[some], rest[name]]) for name, column in late.items()}
    order = np.lexsort((rows["month"], rows["subject"]))
    account = (rows[name][order] for name in _ACCOUNT)
    return _Stored(starts_of(rows["subject"][order], len(subjects)), rows["month"][order], np.stack([*account], axis=1))


_MONTHS_BEFORE: Final = 2


def _months_of(step: Step, subjects: Sequence[str], some: Numbers, *where: Where) -> dict[str, Numbers]:
    """Of the subjects with these numbers."""
    columns: Reads = {"month": cache(parse_month), **_ACCOUNT}
    rows = stored_rows(step, "reputation_months", [subjects[number] for number in some.tolist()], columns, *where)
    return rows | {"subject": some[rows["subject"]]}


def _cap(value: int | None) -> int:
    return NO_CAP if value is None else value


_ACCOUNT: Final[Reads] = {
    **dict.fromkeys(("closing_tenths", "growth_tenths"), int),
    "cap_tenths": _cap,
    **dict.fromkeys(("month_end", "opened_at", "is_open", "closed_at", "closed_position", "netting"), int),
}
"""What the fields of the account at a month's close are called."""


def _openings(stored: _Stored, kept: Numbers) -> Numbers:
    """By subject, the account at the close of the last month that is kept."""
    openings, some = new_accounts(len(kept)), np.flatnonzero(kept)
    openings[some] = stored.closing[stored.starts[some] + kept[some] - 1]
    return openings


def _whole(stored: _Stored, kept: Numbers, made: FoldedMonths) -> FoldedMonths:
    """The months that are kept and those that were judged, as far as publications are drawn from them."""
    owners = owners_of(stored.starts)
    rows = np.flatnonzero(np.arange(len(owners)) - stored.starts[owners] < kept[owners])
    whose = np.concatenate([owners[rows], owners_of(made.starts)])
    order = np.argsort(whose, kind="stable")
    month = np.concatenate([stored.month[rows].astype(np.int32), made.month])[order]
    closing = np.concatenate([stored.closing[rows], made.closing])[order]
    return made._replace(starts=starts_of(whose[order], len(kept)), month=month, closing=closing)
