"""Filling a build from columns: a part of the subjects at a time, by the compiled folds of the schemes.

What `Units.fill` does for one subject by plain rules, this does for many; a test holds both equal, row for row.
Agencies and boards are worked out from the parts that creators leave, as they are after every event.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of, month_start, month_text
from domain.creator_level import rule as creator_level
from domain.events import CATALOGUE
from domain.merchant_reputation import rule as reputation
from domain.merchant_reputation.account import effective_of, next_publication
from domain.merchant_reputation.rule import NO_CAP, Account, Month, Run, Verdict
from domain.merchant_reputation.rule import STATES as REPUTATION_STATES
from domain.merchant_tier import rule as tier
from domain.merchant_tier.facts import end_of, last_closed_day
from domain.merchant_tier.rule import CAUSES, Change
from domain.merchant_tier.rule import STATES as TIER_STATES
from domain.merchant_tier.rule import Account as TierAccount
from domain.policy import term_at
from projections.projector.bulk_rows import Judged, following, named, nullable, numbers_of, owners_of, texts
from projections.schemes.creator_level import view as creator_view
from projections.schemes.merchant_reputation import rows as reputation_rows
from projections.schemes.merchant_tier import view as tier_view
from projections.views.monthly_rows import Evaluated, changes_of
from projections.views.monthly_rows import history_row as monthly_history_row
from projections.views.monthly_rows import level_row as monthly_level_row
from projections.views.step import LIFE_TYPES, Step, judged_by, numbered
from projections.views.tables import DAY_FIGURES, SUMS
from replay.columnar.columns import EVENT_RETRACTED, MERCHANT_ONBOARDED, ORDER_RECEIVED, TIER_SET, TYPES, WHATS, Columns
from replay.columnar.rows import retracted_rows
from replay.schemes.creator_level.fold import NONE, UNREGISTERED, CreatorFolded, fold_creators
from replay.schemes.mcn_level.fold import Slots, fold_parts
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_reputation.folded import Folded, account_from, account_of
from replay.schemes.merchant_tier.fold import TierFolded, fold_tier

_CORRECTIONS: Final = [WHATS[name] for name, row in CATALOGUE.items() if row.correction]
_LIFE: Final = [WHATS[name] for name in sorted(LIFE_TYPES)]
_NAMES: Final = {number: name for name, number in WHATS.items()}
_LATEST: Final = 2**62


Prepared = list[tuple[str, dict[str, list[Any]]]]
"""Rows that are ready to be inserted: tables, and their columns by name."""


def rows_of_part(step: Step, columns: Columns, slots: Callable[[], Slots], schemes: Sequence[str]) -> Prepared:
    """The rows of every merchant and creator of some columns, in these schemes or all. Nothing is written."""
    filling = Filling(step, columns)
    wanted = schemes or (reputation.SCHEME, tier.SCHEME, creator_level.SCHEME)
    if not schemes:
        filling.insert("life", filling.life())
    filling.leave_out({row.subject for row in step.rows("set_aside") if row.scheme in wanted})
    # Loops over no subject are not even compiled.
    if filling.merchants and reputation.SCHEME in wanted:
        _fill_reputation(filling)
    if filling.merchants and tier.SCHEME in wanted:
        _fill_tier(filling)
    if filling.creators and creator_level.SCHEME in wanted:
        _fill_creators(filling, slots())
    return filling.prepared


class Filling:
    """Some columns, and the rows that they come to."""

    def __init__(self, step: Step, columns: Columns) -> None:
        self.step = step
        self.columns = columns
        self.prepared: Prepared = []
        self.as_of = step.after.as_of
        self.retracted = retracted_rows(columns)
        self.merchants = self._of_kind("merchant")
        self.creators = self._of_kind("creator")

    def _of_kind(self, kind: str) -> list[int]:
        """The numbers of the subjects of a kind."""
        return [number for number, name in enumerate(self.columns.subjects) if name.startswith(f"{kind}/")]

    def leave_out(self, aside: set[str]) -> None:
        """Leave out subjects that are set aside: nothing is worked out for them, or of them for agencies."""
        numbers = [number for number, name in enumerate(self.columns.subjects) if name in aside]
        if not numbers:
            return
        kept = ~np.isin(self.columns.subject, numbers)
        arrays = {name: getattr(self.columns, name)[kept] for name in TYPES}
        self.columns = self.columns._replace(**arrays)
        self.retracted = self.retracted[kept]
        self.merchants = [number for number in self.merchants if number not in numbers]
        self.creators = [number for number in self.creators if number not in numbers]

    def insert(self, table: str, rows: dict[str, list[Any]] | list[dict[str, Any]]) -> None:
        """Insert rows given as columns by name, or each by itself."""
        if isinstance(rows, list):
            rows = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
        if rows:
            self.prepared.append((table, rows))

    def life(self) -> dict[str, list[Any]]:
        """The rare events that are kept."""
        columns = self.columns
        rows = np.flatnonzero(np.isin(columns.what, _LIFE))
        whats, details = columns.what[rows].tolist(), columns.detail[rows].tolist()
        return {
            "subject": named(columns.subjects, columns.subject[rows]),
            "position": columns.position[rows].tolist(),
            "at": columns.at[rows].tolist(),
            "type": [_NAMES[what] for what in whats],
            "about": [self._about(what, detail) for what, detail in zip(whats, details, strict=True)],
            "value": np.where(columns.what[rows] == EVENT_RETRACTED, columns.amount[rows], 0).tolist(),
        }

    def _about(self, what: int, detail: int) -> str | None:
        if what == MERCHANT_ONBOARDED:
            return self.columns.texts[detail]
        return f"LV{detail}" if what == TIER_SET else None

    def ahead(self) -> NDArray[np.int64]:
        """By subject, the first instant after the step's end of something that is known already."""
        columns = self.columns
        rows = (columns.at > self.as_of) & ~self.retracted & ~np.isin(columns.what, _CORRECTIONS)
        return self.earliest(columns.subject[rows], columns.at[rows])

    def earliest(self, subjects: NDArray[np.int32], instants: NDArray[np.int64]) -> NDArray[np.int64]:
        found = np.full(len(self.columns.subjects), _LATEST)
        np.minimum.at(found, subjects, instants)
        return found

    def calendar(self, scheme: str, next_at: dict[int, int]) -> None:
        """The calendar's rows from the next instant by subject; none where there is none."""
        kept = {subject: at for subject, at in next_at.items() if at < _LATEST}
        rows: dict[str, list[Any]] = {
            "subject": [self.columns.subjects[subject] for subject in kept],
            "scheme": [scheme] * len(kept),
            "next_at": list(kept.values()),
        }
        self.insert("calendar", rows)


# --- merchant-reputation ----------------------------------------------------------------------------------------------


def _fill_reputation(filling: Filling) -> None:
    judging = reputation_rows.judging_of(filling.step)
    folded = fold_reputation(filling.columns, judging.spans, filling.as_of)
    judged = Judged(judging.terms, judging.policies)
    filling.insert("reputation_months", _month_columns(folded, judged))
    filling.insert("history", _change_columns(folded, judged))
    runs = {subject: _run_of(folded, subject) for subject in filling.merchants}
    filling.insert(
        "levels",
        [
            reputation_rows.level_row(
                filling.columns.subjects[subject],
                run.account,
                effective_of(run, judging.spans, filling.as_of),
                judging,
                filling.as_of,
            )
            for subject, run in runs.items()
        ],
    )
    waiting = _waiting(filling, judging).tolist()
    publications = {subject: next_publication(run, judging.spans, filling.as_of) for subject, run in runs.items()}
    filling.calendar(
        reputation.SCHEME,
        {subject: min(waiting[subject], _LATEST if at is None else at) for subject, at in publications.items()},
    )


def _month_columns(folded: Folded, judged: Judged) -> dict[str, list[Any]]:
    months = folded.months
    begun, closing = months.begun, months.closing
    field = {name: place for place, name in enumerate(Account._fields)}
    return {
        "subject": named(folded.subjects, owners_of(months.starts)),
        "month": texts(months.month, month_text),
        "opening_tenths": begun[:, field["points"]].tolist(),
        "growth_tenths": closing[:, field["growth"]].tolist(),
        "cap_tenths": nullable(closing[:, field["cap"]], NO_CAP),
        "closing_tenths": closing[:, field["points"]].tolist(),
        "state": named([str(state) for state in REPUTATION_STATES], months.state),
        "level": named(folded.codes, months.level),
        **{verdict.word: months.verdicts[:, verdict].tolist() for verdict in Verdict},
        **judged.at(np.array(texts(months.month, month_start), np.int64)),
        "month_end": closing[:, field["month_end"]].tolist(),
        "opened_at": closing[:, field["opened_at"]].tolist(),
        "is_open": (closing[:, field["open"]] == 1).tolist(),
        "closed_at": closing[:, field["closed_at"]].tolist(),
        "closed_position": closing[:, field["closed_position"]].tolist(),
        "netting": closing[:, field["netting"]].tolist(),
    }


def _change_columns(folded: Folded, judged: Judged) -> dict[str, list[Any]]:
    changes = folded.changes
    words = {verdict.value: verdict.word for verdict in Verdict}
    causes = [
        words[verdict] if verdict else "opened" if position else "policy"
        for verdict, position in zip(changes.verdict.tolist(), changes.position.tolist(), strict=True)
    ]
    return {
        "subject": named(folded.subjects, owners_of(changes.starts)),
        "scheme": [reputation.SCHEME] * len(causes),
        "number": numbers_of(changes.starts).tolist(),
        "from_at": changes.at.tolist(),
        "to_at": following(changes.starts, changes.at),
        "state": named([str(state) for state in REPUTATION_STATES], changes.state),
        "level": named(folded.codes, changes.level),
        "score": changes.points.tolist(),
        **judged.at(changes.at),
        "cause": causes,
        "cause_position": nullable(changes.position, 0),
    }


def _run_of(folded: Folded, subject: int) -> Run:
    """A subject's months and account, without findings: what publications are drawn from."""
    part = slice(folded.months.starts[subject], folded.months.starts[subject + 1])
    closings = [account_from(row) for row in folded.months.closing[part].tolist()]
    numbers = folded.months.month[part].tolist()
    months = [Month(month, closing, closing, range(0)) for month, closing in zip(numbers, closings, strict=True)]
    return Run(account_of(folded, subject), [], months)


def _waiting(filling: Filling, judging: reputation_rows.Judging) -> NDArray[np.int64]:
    """By subject, when the next default credit falls due or the next known event occurs."""
    columns = filling.columns
    rows = (columns.what == ORDER_RECEIVED) & ~filling.retracted & (columns.at <= filling.as_of)
    begins = np.array([span.begins for span in judging.spans], np.int64)
    windows = np.array([span.rules.window_micros for span in judging.spans], np.int64)
    due = columns.at[rows] + windows[np.searchsorted(begins, columns.at[rows], side="right") - 1]
    pending = due > filling.as_of
    return np.minimum(filling.ahead(), filling.earliest(columns.subject[rows][pending], due[pending]))


# --- merchant-tier ----------------------------------------------------------------------------------------------------


def _fill_tier(filling: Filling) -> None:
    judging = tier_view.judging_of(filling.step)
    folded = fold_tier(filling.columns, judging.terms, last_closed_day(filling.as_of))
    subjects = filling.columns.subjects
    states = [TIER_STATES[number] for number in folded.states.tolist()]
    kept = np.array([str(state) not in tier_view.WITHOUT_FIGURES for state in states], np.bool_)
    rows = kept[folded.figure_subjects] if len(folded.figure_subjects) else np.zeros(0, np.bool_)
    figures = folded.figures[rows]
    filling.insert(
        "tier_figures",
        {
            "subject": named(subjects, folded.figure_subjects[rows]),
            "day": folded.figure_days[rows].tolist(),
            **{name: figures[:, place].tolist() for place, name in enumerate(DAY_FIGURES)},
        },
    )
    days, history = [], []
    for subject, changes in _tier_changes(folded).items():
        of_subject = tier_view.day_rows(subjects[subject], changes, judging, 0)
        days += of_subject
        history += numbered([tier_view.history_row(row) for row in of_subject], None)
    filling.insert("tier_days", days)
    filling.insert("history", history)
    accounts = [TierAccount(*account) for account in folded.accounts.tolist()]
    filling.insert(
        "levels",
        [
            tier_view.level_row(filling.step, subjects[subject], states[subject], accounts[subject])
            for subject in filling.merchants
        ],
    )
    next_days = folded.next_days.tolist()
    filling.calendar(
        tier.SCHEME,
        {
            subject: end_of(next_days[subject]) if next_days[subject] != tier.NEVER else _LATEST
            for subject in filling.merchants
        },
    )


def _tier_changes(folded: TierFolded) -> dict[int, list[Change]]:
    """By subject, its changes in order."""
    found: dict[int, list[Change]] = defaultdict(list)
    for subject, day, cause, position, before, after in folded.moves.tolist():
        found[subject].append(Change(day, CAUSES[cause], TierAccount(*before), TierAccount(*after), position))
    return found


# --- creator-level ----------------------------------------------------------------------------------------------------


def _fill_creators(filling: Filling, slots: Slots) -> None:
    judging = creator_view.judging_of(filling.step)
    folded = fold_creators(filling.columns, judging.terms, filling.as_of)
    filling.insert("creator_figures", _figures_rows(filling, folded))
    filling.insert("mcn_parts", _parts_columns(filling, slots))
    evaluated = _evaluated(filling, folded, judging)
    months, history, levels = [], [], []
    nobody = judged_by(judging.policies, term_at(judging.terms, filling.as_of).policy)
    registered = (folded.registered_at != UNREGISTERED).tolist()
    for subject in filling.creators:
        name, rows = filling.columns.subjects[subject], evaluated.get(subject, [])
        standing = creator_view.standing_of(registered=registered[subject])
        months += [item.row for item in rows]
        history += numbered([monthly_history_row(name, standing, item) for item in changes_of(rows)], None)
        levels.append(monthly_level_row(name, standing, rows, nobody))
    filling.insert("creator_months", months)
    filling.insert("history", history)
    filling.insert("levels", levels)
    next_month, ahead = month_start(month_of(filling.as_of) + 1), _registered_ahead(filling)
    filling.calendar(creator_level.SCHEME, {subject: min(next_month, ahead[subject]) for subject in filling.creators})


def _registered_ahead(filling: Filling) -> list[int]:
    columns = filling.columns
    rows = (columns.at > filling.as_of) & ~filling.retracted & (columns.what == WHATS["creator.registered"])
    found: list[int] = filling.earliest(columns.subject[rows], columns.at[rows]).tolist()
    return found


def _figures_rows(filling: Filling, folded: CreatorFolded) -> list[dict[str, Any]]:
    """Figures of every closed month that has any, or in which anything took part."""
    end = month_of(filling.as_of)
    counts = _counts(filling, month_start(end))
    figures = {
        (subject, month): values
        for subject, month, values in zip(
            folded.subjects.tolist(), folded.months.tolist(), folded.figures.tolist(), strict=True
        )
        if month < end
    }
    empty = [0, 0, 0, 0, 0, NONE]
    rows = []
    for subject, month in sorted(counts.keys() | figures.keys()):
        events, values = counts.get((subject, month), 0), figures.get((subject, month), empty)
        if not events and not any(values[:5]):
            continue
        settled, good, reputation_sum, reputation_days, deducted, last = values
        rows.append(
            {
                "subject": filling.columns.subjects[subject],
                "month": month,
                "events": events,
                "settled_sum_fen": settled,
                "good_sum_fen": good,
                "reputation_sum": reputation_sum,
                "reputation_days": reputation_days,
                "deducted": deducted,
                "last_reputation": None if last == NONE else last,
            }
        )
    return rows


def _counts(filling: Filling, end: int) -> dict[tuple[int, int], int]:
    """By creator and month, how many of its records before an instant took part."""
    columns = filling.columns
    of_creator = np.zeros(len(columns.subjects), np.bool_)
    of_creator[filling.creators] = True
    rows = of_creator[columns.subject] & ~filling.retracted & (columns.what != EVENT_RETRACTED) & (columns.at < end)
    if not rows.any():
        return {}
    at = columns.at[rows]
    first = month_of(int(at.min()))
    begins = np.array([month_start(month) for month in range(first, month_of(end) + 1)], np.int64)
    places = np.searchsorted(begins, at, side="right") - 1
    keys, counts = np.unique(columns.subject[rows].astype(np.int64) * len(begins) + places, return_counts=True)
    return {
        (key // len(begins), first + key % len(begins)): count
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True)
    }


def _parts_columns(filling: Filling, slots: Slots) -> dict[str, list[Any]]:
    parts = fold_parts(filling.columns, slots, filling.as_of)
    rows = (parts.months < month_of(filling.as_of)) & parts.figures.any(axis=1)
    return {
        "mcn": named(slots.agencies, parts.agencies[rows]),
        "month": parts.months[rows].tolist(),
        "creator": named(slots.creators, parts.creators[rows]),
        **{name: parts.figures[rows, place].tolist() for place, name in enumerate(SUMS)},
    }


def _evaluated(filling: Filling, folded: CreatorFolded, judging: creator_view.Judging) -> dict[int, list[Evaluated]]:
    """By creator, the row of each evaluation."""
    found: dict[int, list[Evaluated]] = defaultdict(list)
    for values in folded.evaluations.tolist():
        subject, month, settled, good, sales, behaviour, level, gated, *figures = values
        policy, rules = judging.at(month)
        row = {
            "subject": filling.columns.subjects[subject],
            "month": month_text(month),
            "state": str(creator_level.State.GATED if gated else creator_level.State.RATED),
            "level": None if gated else rules.levels[level],
            "score": creator_level.ranking_score(sales, behaviour, rules),
            "settled_fen": settled,
            "good_fen": good,
            "sales_score": sales,
            "behaviour_score": behaviour,
            **dict(zip(("reputation_sum", "reputation_days", "deducted"), figures, strict=True)),
            **judged_by(judging.policies, policy),
        }
        found[subject].append(Evaluated(month_start(month + 1), row))
    return found
