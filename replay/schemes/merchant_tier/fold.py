"""The tiers of many merchants at once: `domain.merchant_tier.rule` compiled over columns.

What `TierReplay` comes to for one merchant from its events, this comes to for every subject of the columns, by the same
functions: figures by day, every move, the account and state after the last closed day, the next day to see, and the
verdict on every event.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import day_of, day_start
from domain.merchant_tier.facts import (
    COMPLAINED,
    COUNTED,
    FIGURES,
    PAID,
    READING,
    REVIEWED,
    count,
    in_scope,
    outcome_of,
    reading_at,
    readings_of,
    spans_of,
)
from domain.merchant_tier.rule import STEPPING, Move, fast_day_again, span_place, state_number, step
from domain.merchant_tier.values import CLOSED, NEVER, NOT_OPEN, NOTICE, OPENED, Account, Act, Rules
from domain.policy import Term
from replay.columnar.columns import (
    COMPLAINT_DISMISSED,
    MERCHANT_CLOSED,
    MERCHANT_ONBOARDED,
    ORDER_COMPLAINED,
    ORDER_PAID,
    REVIEW_POSTED,
    TIER_SET,
    Columns,
)
from replay.columnar.jit import compiled
from replay.columnar.rows import NOT_SORTED, Rows, in_order, records_of, rows_of
from replay.replaying.verdicts import WRITING, Room, Verdicts, room_for, write_wanted, written_in


class TierFolded(NamedTuple):
    """What every subject comes to; subjects that are no merchants are `not_onboarded`."""

    figure_subjects: NDArray[np.int32]
    figure_days: NDArray[np.int64]
    figures: NDArray[np.int64]
    """A row for each subject and day with figures, in order, days after the last one too; columns in the order of
    `domain.merchant_tier.values.Day`."""
    moves: NDArray[np.void]
    """By subject in order: records of `Moved`."""
    accounts: NDArray[np.void]
    """By subject: records of `domain.merchant_tier.values.Account` after the last day."""
    states: NDArray[np.int8]
    """By subject: the place in `domain.merchant_tier.values.STATES`."""
    next_days: NDArray[np.int64]
    """By subject: the first later day at whose close something can be different without anything new being recorded."""
    verdicts: Verdicts | None = None
    """Those up to the close of the last day; None where they were not asked for."""


class NumberedMove(NamedTuple):
    """A move, and by number whose it was."""

    subject: int
    day: int
    cause: int
    position: int
    state: int
    """After it: the place in `domain.merchant_tier.values.STATES`."""
    before: Account
    after: Account


class SpanNumbers(NamedTuple):
    """A span as the rule reads it."""

    begins: int
    rules: Rules


class TierOpenings(NamedTuple):
    """From where each subject is stepped."""

    days: NDArray[np.int64]
    """At whose close its account stands."""
    accounts: NDArray[np.void]
    """By subject: records of `domain.merchant_tier.values.Account`, of which `fast_day` is found again."""
    starts: NDArray[np.int64]
    """By subject, where its figures begin; one more for the end."""
    figure_days: Any
    figures: Any
    """A row for each subject and day, in order: as far back as windows and waiting reach, days after the last one too;
    columns as in TierFolded."""


def no_accounts(subjects: int) -> NDArray[np.void]:
    """The account of a merchant that never opened, for each of so many subjects."""
    return np.repeat(records_of([NOT_OPEN]), subjects)


def _from_nothing(subjects: int, start: int) -> TierOpenings:
    none = np.zeros(0, np.int64)
    days, starts = np.full(subjects, start - 1), np.zeros(subjects + 1, np.int64)
    return TierOpenings(days, no_accounts(subjects), starts, none, np.zeros((0, FIGURES), np.int64))


def fold_tier(
    columns: Columns,
    terms: Sequence[Term],
    last_day: int,
    *,
    judges: bool = False,
    openings: TierOpenings | None = None,
) -> TierFolded:
    """Step every merchant to the close of a day, by what the columns know; from nothing where `openings` are left out.

    Where these have figures of a subject, its columns need no more than what acts on its tier. `judges`: with the
    verdict on every event.
    """
    numbers = {text: number for number, text in enumerate(columns.texts)}
    readings: list[Any] = [item._replace(category=numbers.get(item.category, -1)) for item in readings_of(terms)]  # type: ignore[arg-type]
    spans = [SpanNumbers(span.begins, span.rules) for span in spans_of(terms)]
    acts, told = records_of([Act(0, 0, 0)])[:0], records_of([NumberedMove(0, 0, 0, 0, 0, NOT_OPEN, NOT_OPEN)])[:0]
    folding = compiled(_fold, *READING, *STEPPING, *_PARTS, day_of, day_start, in_order, *WRITING)
    rows = rows_of(columns, "merchant")
    room = room_for(len(columns.subjects), len(columns.at), wanted=judges)
    begun = openings or _from_nothing(len(columns.subjects), spans[0].rules.start_day)
    found: Any = folding(rows, begun, records_of(readings), records_of(spans), acts, told, last_day, room)
    return TierFolded._make([*found[:-1], written_in(room, found[-1])])


# --- the loop ---------------------------------------------------------------------------------------------------------

_DISMISSED: Final = 8
"""A bit of an order's flags, beside one for each kind that was seen of it."""


class MerchantBuffers(NamedTuple):
    """What a merchant's rows are read into; figures of all merchants stand one after another."""

    figure_subjects: Any
    figure_days: Any
    figures: Any
    acts: Any
    flags: Any
    """By order of the merchant at hand."""
    room: Room


class Read(NamedTuple):
    """What reading a merchant's rows came to."""

    filled: int
    judged: int
    acts: int
    opened: bool
    in_scope: bool
    next_day: int
    """The first day after the last one of which something is known already."""


def _fold(
    rows: Rows, begun: TierOpenings, readings: Any, spans: Any, acts: Any, told: Any, last_day: int, room: Room
) -> Any:
    if not in_order(rows):
        raise ValueError(NOT_SORTED)
    days_max, days_all, acts_max, keys = _sizes(rows, begun)
    work = MerchantBuffers(
        np.empty(days_all, np.int32),
        np.empty(days_all, np.int64),
        np.zeros((days_all, FIGURES), np.int64),
        np.empty(acts_max, acts.dtype),
        np.zeros(keys, np.int8),
        room,
    )
    subjects = len(rows.judged)
    accounts, states = np.empty(subjects, told.after.dtype), np.zeros(subjects, np.int8)
    next_days = np.full(subjects, NEVER)
    sums: Any = np.zeros((FIGURES, days_max + 1), np.int64)
    owners = [0 for _ in range(0)]
    moves = [Move(0, 0, NOT_OPEN, NOT_OPEN, 0) for _ in range(0)]
    start, filled, judged = spans[0].rules.start_day, 0, 0
    for subject in range(subjects):
        _write(accounts[subject], NOT_OPEN)
        room.verdicts.starts[subject + 1] = judged
        if not rows.judged[subject]:
            continue
        first, read = filled, _read(rows, subject, filled, judged, readings, last_day, work)
        filled, judged = read.filled, read.judged
        room.verdicts.starts[subject + 1] = judged
        account, next_day = NOT_OPEN, start if last_day < start else NEVER
        if read.in_scope:
            low, high = begun.starts[subject], begun.starts[subject + 1]
            days, counted = work.figure_days[first:filled], work.figures[first:filled]
            if low < high:
                days, counted = begun.figure_days[low:high], begun.figures[low:high]
            _sum(counted, sums)
            opened_at, opening = _opening(begun, subject, days, sums, spans)
            stepped = step(days, sums, work.acts[: read.acts], spans, last_day, opened_at, opening)
            account, next_day = stepped[0], stepped[2]
            for move in stepped[1]:
                owners.append(subject)
                moves.append(move)
        _write(accounts[subject], account)
        states[subject] = state_number(read.opened and last_day >= start, read.in_scope, account)
        next_days[subject] = min(next_day, read.next_day)
    told = np.empty(len(moves), told.dtype)
    for place, move in enumerate(moves):
        _write_move(told[place], owners[place], move)
    figures = (work.figure_subjects[:filled], work.figure_days[:filled], work.figures[:filled])
    return *figures, told, accounts, states, next_days, judged


def _read(
    rows: Rows, subject: int, filled: int, judged: int, readings: Any, last_day: int, work: MerchantBuffers
) -> Read:
    """Read a merchant's rows into figures by day, acts and, where they are asked for, verdicts."""
    low, high = rows.begins[subject], rows.begins[subject + 1]
    for row in range(low, high):
        if rows.what[row] == COMPLAINT_DISMISSED and not rows.retracted[row]:
            work.flags[rows.key[row]] |= _DISMISSED
    first, acts, keys = filled, 0, 0
    opened = scoped = False
    day, day_end, end, next_day = 0, -NEVER, day_start(last_day + 1), NEVER
    for row in range(low, high):
        at, kind, cause = rows.at[row], _kind_of(rows.what[row]), _cause_of(rows.what[row])
        keys = max(keys, rows.key[row] + 1)
        if rows.retracted[row] or (kind < 0 and cause < 0):
            continue
        if at >= day_end:
            day = day_of(at)
            day_end = day_start(day + 1)
        if cause >= 0 and at >= end:
            next_day = min(next_day, day)
            continue
        if cause >= 0:
            if cause == OPENED and not opened:
                opened, scoped = True, in_scope(at, rows.detail[row], reading_at(readings, at))
            act = work.acts[acts]
            act.day, act.position, act.cause, act.tier = day, rows.position[row], cause, rows.detail[row]
            acts += 1
            continue
        flags = work.flags[rows.key[row]]
        outcome = outcome_of(kind, flags & (1 << kind) != 0, flags & _DISMISSED != 0)
        if at < end:
            judged = write_wanted(work.room, judged, at, rows.position[row], outcome)
        if outcome != COUNTED:
            continue
        work.flags[rows.key[row]] = flags | (1 << kind)
        if filled == first or work.figure_days[filled - 1] != day:
            work.figure_subjects[filled], work.figure_days[filled] = subject, day
            filled += 1
        reading = reading_at(readings, at)
        count(work.figures[filled - 1], kind, rows.amount[row], rows.detail[row], rows.extra[row], reading)
    for order in range(keys):
        work.flags[order] = 0
    return Read(filled, judged, acts, opened, scoped, next_day)


def _opening(begun: TierOpenings, subject: int, days: Any, sums: Any, spans: Any) -> tuple[int, Account]:
    """The day from whose close on a merchant is stepped, and its account there."""
    opened_at, kept = begun.days[subject], begun.accounts[subject]
    account = Account(kept.tier, kept.since, kept.lowest_since, kept.fast_day, kept.open, kept.cleared_out)
    rules = spans[span_place(spans, opened_at)].rules
    return opened_at, fast_day_again(opened_at + 1, account, days, sums, rules)


def _sizes(rows: Rows, begun: TierOpenings) -> tuple[int, int, int, int]:
    """At most so many days with figures of one merchant, and of all that rows give; acts of one; orders of one."""
    days_max = days_all = acts_max = keys = 0
    for subject in range(len(rows.judged)):
        if not rows.judged[subject]:
            continue
        days, acts, day_end = 0, 0, -NEVER
        for row in range(rows.begins[subject], rows.begins[subject + 1]):
            keys = max(keys, rows.key[row] + 1)
            acts += _cause_of(rows.what[row]) >= 0
            if _kind_of(rows.what[row]) >= 0 and rows.at[row] >= day_end:
                day_end = day_start(day_of(rows.at[row]) + 1)
                days += 1
        days_all, acts_max = days_all + days, max(acts_max, acts)
        days_max = max(days_max, days, begun.starts[subject + 1] - begun.starts[subject])
    return days_max, days_all, acts_max, keys


def _kind_of(what: int) -> int:
    """The kind of an event that counts; negative for others."""
    if what == ORDER_PAID:
        return PAID
    if what == REVIEW_POSTED:
        return REVIEWED
    return COMPLAINED if what == ORDER_COMPLAINED else -1


def _cause_of(what: int) -> int:
    """The cause that an act is; negative for others."""
    if what == MERCHANT_ONBOARDED:
        return OPENED
    if what == TIER_SET:
        return NOTICE
    return CLOSED if what == MERCHANT_CLOSED else -1


def _sum(figures: Any, sums: Any) -> None:
    """Sum figures up as `domain.merchant_tier.running.Window` does."""
    for place in range(len(figures)):
        for figure in range(FIGURES):
            sums[figure, place + 1] = sums[figure, place] + figures[place, figure]


def _write_move(record: Any, subject: int, move: Move) -> None:
    record.subject, record.day, record.cause = subject, move.day, move.cause
    record.position, record.state = move.position, state_number(True, True, move.after)
    _write(record.before, move.before)
    _write(record.after, move.after)


def _write(record: Any, account: Account) -> None:
    record.tier, record.since, record.lowest_since = account.tier, account.since, account.lowest_since
    record.fast_day, record.open, record.cleared_out = account.fast_day, account.open, account.cleared_out


_PARTS: Final = (_read, _opening, _sizes, _kind_of, _cause_of, _sum, _write_move, _write)
