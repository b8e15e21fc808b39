"""The levels of many creators at once: `domain.creator_level.rule` compiled over columns.

What `CreatorReplay` comes to for one creator from its events, this comes to for every subject of the columns, by the
same functions: the sums of each month before they are bounded, every evaluation up to an instant, and the verdict on
every event that has a row. Published content has none, and the same verdict always: `not_used`.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import day_of, day_start, month_of
from domain.creator_level.facts import (
    COUNTED,
    DEDUCTED,
    READING,
    REFUNDED,
    SETTLED,
    add_money,
    outcome_of,
    outcome_of_score,
    rules_of,
)
from domain.creator_level.rule import DECIDING, Figures, Rules, decide
from domain.limits import DAY_MICROS
from domain.policy import Term, term_at
from domain.rules.bands import Band
from replay.columnar.columns import (
    CREATOR_REGISTERED,
    CREATOR_SCORED,
    CREDIT_DEDUCTED,
    CREDIT_RESTORED,
    GOOD_GOODS,
    SALE_REFUNDED,
    SALE_SETTLED,
    SCORES,
    Columns,
)
from replay.columnar.jit import compiled
from replay.columnar.rows import NOT_SORTED, Months, Rows, in_order, months_between, place_of, records_of, rows_of
from replay.replaying.verdicts import WRITING, Room, Verdicts, rewrite_wanted, room_for, write_wanted, written_in

NONE: Final = -1
UNREGISTERED: Final = 2**62
SUM_MAX: Final = 2**53
"""Sums up to it can be held against any band in 64 bits."""
_SETTLED, _GOOD, _REPUTATION_SUM, _REPUTATION_DAYS, _DEDUCTED, _LAST_REPUTATION, _TOUCHED = range(7)


class CreatorFolded(NamedTuple):
    """What every subject comes to; those that are no creators come to nothing."""

    subjects: NDArray[np.int32]
    months: NDArray[np.int64]
    figures: NDArray[np.int64]
    """A row for each creator and month that has any, in order: the fields of `domain.creator_level.Figures` after
    `month`, and the last reputation value of the month itself in hundredths, NONE where there is none."""
    registered_at: NDArray[np.int64]
    """By subject; UNREGISTERED for none."""
    evaluations: NDArray[np.void]
    """By subject and month, in order: records of `NumberedEvaluation`."""
    verdicts: Verdicts | None = None
    """None where they were not asked for."""


class NumberedEvaluation(NamedTuple):
    """An evaluation in numbers."""

    subject: int
    month: int
    settled_fen: int
    good_fen: int
    sales_score: int
    behaviour_score: int
    level: int
    gated: bool
    reputation_sum: int
    reputation_days: int
    deducted: int


class PolicyNumbers(NamedTuple):
    """What the rule reads of a policy, by the names of `domain.creator_level.Rules`."""

    first_month: int
    sales_bands: tuple[Band, ...]
    behaviour_bands: tuple[Band, ...]
    sales_percent: int
    behaviour_percent: int
    reputation_min: int
    deducted_max: int


def fold_creators(columns: Columns, terms: Sequence[Term], as_of: int, *, judges: bool = False) -> CreatorFolded:
    """Sum up and judge every creator's months, by what the columns know, up to an instant.

    `judges`: with the verdict on every event.
    """
    rules = [rules_of(term.policy) for term in terms]
    last = month_of(as_of)
    months = months_between(int(columns.at.min()) if len(columns.at) else as_of, last + _reach(rules))
    by_month = [terms.index(term_at(terms, begins)) for begins in months.begins[:-1].tolist()]
    gates = Gates(
        months.begins[1:] - np.array([rules[place].gate_days for place in by_month]) * DAY_MICROS, _reach(rules)
    )
    folding = compiled(_fold, *READING, *_PARTS, day_of, day_start, in_order, place_of, *WRITING)
    room = room_for(len(columns.subjects), len(columns.at), wanted=judges)
    *found, judged = folding(rows_of(columns, "creator"), months, gates, as_of, room)
    subjects, numbers, figures, registered_at = found
    if len(figures) and int(np.abs(figures).max()) > SUM_MAX:
        raise OverflowError(f"a creator's month adds up to more than {SUM_MAX} fen")
    evaluating = compiled(_evaluate, *DECIDING, place_of, _write)
    evaluations = evaluating(
        (subjects, numbers, figures, registered_at),
        months,
        records_of(_judging(rules)),
        np.array(by_month),
        last,
        records_of([NumberedEvaluation(*(0,) * 7, False, 0, 0, 0)])[:0],
    )
    return CreatorFolded(subjects, numbers, figures, registered_at, evaluations, written_in(room, judged))


class Gates(NamedTuple):
    """The days whose scores and deductions count for each month."""

    begins: NDArray[np.int64]
    """By place of the month, the instant at which they begin; they end with the month."""
    reach: int
    """For at most so many later months a day counts, too."""


def _reach(rules: Sequence[Rules]) -> int:
    return max(item.gate_days for item in rules) // 28 + 1


def _judging(rules: Sequence[Rules]) -> list[PolicyNumbers]:
    """Bands of one length, so that all policies are records of one form; what is repeated changes nothing."""
    sales, behaviour = (
        max(16, *(len(bands) for bands in lists))
        for lists in ([item.sales_bands for item in rules], [item.behaviour_bands for item in rules])
    )
    return [
        PolicyNumbers(
            item.first_month,
            item.sales_bands + item.sales_bands[-1:] * (sales - len(item.sales_bands)),
            item.behaviour_bands + item.behaviour_bands[-1:] * (behaviour - len(item.behaviour_bands)),
            item.sales_percent,
            item.behaviour_percent,
            item.reputation_min,
            item.deducted_max,
        )
        for item in rules
    ]


# --- the sums ---------------------------------------------------------------------------------------------------------

_ORDER, _GOOD_ORDER, _RESTORED = 1, 2, 4
"""Bits of the flags of an order or a violation."""


def _fold(rows: Rows, months: Months, gates: Gates, as_of: int, room: Room) -> Any:
    if not in_order(rows):
        raise ValueError(NOT_SORTED)
    rows_max, keys = _sizes(rows, months, gates)
    subjects, numbers = np.empty(rows_max, np.int32), np.empty(rows_max, np.int64)
    figures = np.empty((rows_max, _TOUCHED), np.int64)
    registered_at = np.full(len(rows.judged), UNREGISTERED)
    flags = np.zeros(keys, np.int8)
    sums = np.zeros((len(months.begins), _TOUCHED + 1), np.int64)
    _clear(sums, 0, len(sums) - 1)
    filled = judged = 0
    for subject in range(len(rows.judged)):
        if rows.judged[subject]:
            first, last, registered_at[subject], judged = _read(
                rows, subject, as_of, months, gates, flags, sums, room, judged
            )
        room.verdicts.starts[subject + 1] = judged
        if not rows.judged[subject]:
            continue
        for place in range(first, last + 1):
            if sums[place, _TOUCHED]:
                subjects[filled], numbers[filled] = subject, months.first + place
                for figure in range(_TOUCHED):
                    figures[filled, figure] = sums[place, figure]
                filled += 1
        _clear(sums, first, last)
    return subjects[:filled], numbers[:filled], figures[:filled], registered_at, judged


def _clear(sums: Any, first: int, last: int) -> None:
    """Set the sums of months back; loops compile in a fraction of the time that slices take."""
    for place in range(first, last + 1):
        for figure in range(_TOUCHED + 1):
            sums[place, figure] = 0
        sums[place, _LAST_REPUTATION] = NONE


def _read(
    rows: Rows,
    subject: int,
    as_of: int,
    months: Months,
    gates: Gates,
    flags: Any,
    sums: Any,
    room: Room,
    judged: int,
) -> tuple[int, int, int, int]:
    """Add a creator's rows to sums by month: the first and the last month that may have any, when it registered, and
    how many verdicts there are now.
    """
    low, high = rows.begins[subject], rows.begins[subject + 1]
    keys, registered_at = _flag(rows, subject, as_of, flags)
    place, month_end, first = 0, -UNREGISTERED, -1
    day_end, score, scored_at, scored_in, told_at = -UNREGISTERED, NONE, 0, 0, 0
    for row in range(low, high):
        at, what = rows.at[row], rows.what[row]
        if at > as_of:
            break
        if rows.retracted[row]:
            continue
        if at >= month_end:
            place = place_of(months, at)
            month_end = months.begins[place + 1]
            first = place if first < 0 else first
        kind = _kind_of(what)
        if kind >= 0:
            flag = flags[rows.key[row]]
            outcome = outcome_of(kind, flag & _ORDER != 0, flag & _RESTORED != 0)
            judged = write_wanted(room, judged, at, rows.position[row], outcome)
            if outcome != COUNTED:
                continue
            if kind == DEDUCTED:
                _add_day(sums, gates, place, at, _DEDUCTED, rows.amount[row])
                continue
            if kind == SETTLED:
                flag |= _ORDER | (_GOOD_ORDER if rows.extra[row] & GOOD_GOODS else 0)
                flags[rows.key[row]] = flag
            add_money(sums[place], kind, rows.amount[row], flag & _GOOD_ORDER != 0)
            sums[place, _TOUCHED] = 1
        elif what == CREATOR_SCORED:
            is_reputation = rows.detail[row] == _REPUTATION
            if is_reputation and at >= day_end:
                _add_score(sums, gates, scored_in, scored_at, score)
                day_end = day_start(day_of(at) + 1)
            elif is_reputation:
                rewrite_wanted(room, told_at, outcome_of_score(True, False))
            if is_reputation:
                score, scored_at, scored_in, told_at = rows.amount[row], at, place, judged
            judged = write_wanted(room, judged, at, rows.position[row], outcome_of_score(is_reputation, True))
    _add_score(sums, gates, scored_in, scored_at, score)
    _forget(flags, keys)
    return max(first, 0), min(place + gates.reach, len(gates.begins) - 1), registered_at, judged


def _flag(rows: Rows, subject: int, as_of: int, flags: Any) -> tuple[int, int]:
    """Flag what was restored, whenever that was: how many orders and violations there are, when it registered."""
    keys, registered_at = 0, UNREGISTERED
    for row in range(rows.begins[subject], rows.begins[subject + 1]):
        keys = max(keys, rows.key[row] + 1)
        if rows.retracted[row]:
            continue
        if rows.what[row] == CREDIT_RESTORED:
            flags[rows.key[row]] |= _RESTORED
        elif rows.what[row] == CREATOR_REGISTERED and rows.at[row] <= as_of:
            registered_at = min(registered_at, rows.at[row])
    return keys, registered_at


def _forget(flags: Any, keys: int) -> None:
    for key in range(keys):
        flags[key] = 0


_REPUTATION: Final = SCORES.index("reputation")


def _add_score(sums: Any, gates: Gates, place: int, at: int, score: int) -> None:
    """Add a day's last value to the months that it counts for; it is the last of its month, until a later day's."""
    if score == NONE:
        return
    _add_day(sums, gates, place, at, _REPUTATION_SUM, score)
    _add_day(sums, gates, place, at, _REPUTATION_DAYS, 1)
    sums[place, _LAST_REPUTATION] = score
    sums[place, _TOUCHED] = 1


def _add_day(sums: Any, gates: Gates, place: int, at: int, figure: int, value: int) -> None:
    """Add what belongs to a day of a month to every month for which that day counts."""
    for later in range(place, min(place + gates.reach + 1, len(gates.begins))):
        if at >= gates.begins[later]:
            sums[later, figure] += value
            sums[later, _TOUCHED] = 1


def _sizes(rows: Rows, months: Months, gates: Gates) -> tuple[int, int]:
    """At most so many months of all creators, and orders of one."""
    total = keys = 0
    for subject in range(len(rows.judged)):
        if not rows.judged[subject]:
            continue
        month_end, last_end = -UNREGISTERED, months.begins[-1]
        for row in range(rows.begins[subject], rows.begins[subject + 1]):
            keys = max(keys, rows.key[row] + 1)
            if month_end <= rows.at[row] < last_end:
                month_end = months.begins[place_of(months, rows.at[row]) + 1]
                total += 1 + gates.reach
    return total, keys


def _kind_of(what: int) -> int:
    """The kind of an event that adds to a month or a day; negative for others."""
    if what == SALE_SETTLED:
        return SETTLED
    if what == SALE_REFUNDED:
        return REFUNDED
    return DEDUCTED if what == CREDIT_DEDUCTED else -1


_PARTS: Final = (_clear, _read, _flag, _forget, _add_score, _add_day, _sizes, _kind_of)


# --- the evaluations --------------------------------------------------------------------------------------------------


def _evaluate(folded: Any, months: Months, rules: Any, by_month: Any, last: int, empty: Any) -> Any:
    """Judge every creator's months from that of its registration to the last that is closed."""
    subjects, numbers, figures, registered_at = folded
    begins = np.empty(len(registered_at), np.int64)
    total = 0
    for subject in range(len(registered_at)):
        begins[subject] = place_of(months, registered_at[subject])
        total += max(0, last - months.first - begins[subject])
    told = np.empty(total, empty.dtype)
    row = filled = 0
    for subject in range(len(registered_at)):
        while row < len(subjects) and subjects[row] < subject:
            row += 1
        for place in range(begins[subject], last - months.first):
            month, judging = months.first + place, rules[by_month[place]]
            while row < len(subjects) and subjects[row] == subject and numbers[row] < month:
                row += 1
            if month < judging.first_month:
                continue
            found = Figures(month, 0, 0, 0, 0, 0)
            if row < len(subjects) and subjects[row] == subject and numbers[row] == month:
                sums = figures[row]
                found = Figures(month, sums[0], sums[1], sums[2], sums[3], sums[4])
            _write(told[filled], subject, found, decide(found, judging))
            filled += 1
    return told[:filled]


def _write(record: Any, subject: int, figures: Any, decided: Any) -> None:
    record.subject, record.month = subject, figures.month
    record.settled_fen, record.good_fen = decided.settled_fen, decided.good_fen
    record.sales_score, record.behaviour_score = decided.sales_score, decided.behaviour_score
    record.level, record.gated = decided.level, decided.gated
    record.reputation_sum, record.reputation_days = figures.reputation_sum, figures.reputation_days
    record.deducted = figures.deducted
