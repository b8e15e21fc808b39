"""The Firefly levels of many creators at once: `domain.creator_firefly.rule` compiled over columns.

What `FireflyReplay` comes to for one creator from its events, this comes to for every subject of the columns, by the
same functions: the account at an instant, the close of each month in which points were judged, each change of level,
and the verdict on every event.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of
from domain.creator_firefly.facts import Rules, rules_of
from domain.creator_firefly.rule import (
    COUNTED,
    NEVER,
    NOT_REGISTERED,
    REDEEMED,
    RULE,
    Account,
    decider_of,
    moved,
    outcome_of,
    rank_of,
    registered,
)
from domain.policy import Term, term_at
from replay.columnar.columns import (
    CREATOR_REGISTERED,
    POINTS_EARNED,
    POINTS_REDEEMED,
    REDEMPTION_CANCELLED,
    Columns,
)
from replay.columnar.jit import compiled
from replay.columnar.rows import NOT_SORTED, Months, Rows, in_order, months_between, place_of, rows_of
from replay.replaying.verdicts import WRITING, Room, Verdicts, room_for, write_verdict, written_in
from replay.store.reading.asked import BEFORE_ALL

UNREACHED: Final = 2**62
"""A bound beyond all points, for levels that a version does not have."""
NO_LEVEL: Final = -1
BY_POLICY: Final = 0
"""In the place of a change's position: the month's version caused it."""


class Movements(NamedTuple):
    """What led to each verdict, and what it led to, by the places of the verdicts."""

    points: NDArray[np.int64]
    """That the event names."""
    earned: NDArray[np.int64]
    """In all, after it."""
    balance: NDArray[np.int64]
    """After it."""
    decided_by: NDArray[np.int64]
    """The position of the event that decided; 0 for none."""


class FireflyFolded(NamedTuple):
    """What every subject comes to; those that are no creators come to nothing. Levels are indices of their codes."""

    accounts: NDArray[np.int64]
    """By subject: registered_at (NEVER for none), earned and balance."""
    months: NDArray[np.int64]
    """By subject and month, in order: subject, then the fields of `domain.creator_firefly.account.Month`."""
    changes: NDArray[np.int64]
    """By subject and instant, in order: subject, at, level, earned, position (of the event, or BY_POLICY)."""
    codes: list[str]
    """Of the levels of all versions."""
    verdicts: Verdicts | None = None
    """None where they were not asked for."""
    movements: Movements | None = None
    """In the same way."""


class Ladders(NamedTuple):
    """The levels of each month's version, an array row a month."""

    bounds: NDArray[np.int64]
    levels: NDArray[np.int64]
    """By rank, the index of its code."""


class Telling(NamedTuple):
    """Where verdicts go, and what led to them."""

    room: Room
    movements: Movements


class FireflyOpenings(NamedTuple):
    """The accounts that points are judged from, by subject: as they stand when a month begins."""

    begins: NDArray[np.int64]
    """When that is. Of what occurred before, columns need know no more than the registration and whatever names a task
    or redemption that is named later, too; none of it is judged."""
    earned: NDArray[np.int64]
    balance: NDArray[np.int64]


def from_nothing(count: int) -> FireflyOpenings:
    """So many accounts of whom all is judged."""
    return FireflyOpenings(np.full(count, BEFORE_ALL), np.zeros(count, np.int64), np.zeros(count, np.int64))


def fold_firefly(
    columns: Columns,
    terms: Sequence[Term],
    as_of: int,
    *,
    judges: bool = False,
    openings: FireflyOpenings | None = None,
) -> FireflyFolded:
    """Judge every creator's points, by what the columns know, up to an instant.

    `judges`: with the verdict on every event. `openings`: from accounts that stood before, none of them after `as_of`;
    months and changes are those from there on.
    """
    openings = from_nothing(len(columns.subjects)) if openings is None else openings
    months = months_between(int(columns.at.min()) if len(columns.at) else as_of, month_of(as_of))
    rules = [rules_of(term_at(terms, begins).policy) for begins in months.begins[:-1].tolist()]
    codes = list(dict.fromkeys(code for item in rules for code in item.codes))
    rows, ladders = rows_of(columns, "creator"), _ladders(rules, codes)
    keys, month_rows, change_rows = compiled(_sizes, allocates=False)(rows, months)
    out = Out(
        np.zeros((len(columns.subjects), 3), np.int64),
        np.empty((month_rows, 9), np.int64),
        np.empty((change_rows, 5), np.int64),
    )
    room = room_for(len(columns.subjects), len(columns.at), wanted=judges)
    movements = Movements._make(np.empty(len(room.verdicts.at), np.int64) for _ in Movements._fields)
    told = keys if judges else 0
    names = Names(np.zeros(keys, np.int8), *(np.zeros(told, np.int64) for _ in Names._fields[1:]))
    folding = compiled(_fold, *RULE, *_PARTS, in_order, place_of, *WRITING, allocates=False)
    closed, changed, judged = folding(rows, openings, months, ladders, as_of, names, out, Telling(room, movements))
    if closed < 0:
        raise ValueError(NOT_SORTED)
    return FireflyFolded(
        out.accounts,
        out.closes[:closed],
        out.changes[:changed],
        codes,
        written_in(room, judged),
        Movements._make(column[:judged] for column in movements) if judges else None,
    )


def _ladders(rules: Sequence[Rules], codes: Sequence[str]) -> Ladders:
    most = max(len(item.bounds) for item in rules)
    return Ladders(
        np.array([item.bounds + (UNREACHED,) * (most - len(item.bounds)) for item in rules], np.int64),
        np.array([[*map(codes.index, item.codes)] + [0] * (most - len(item.codes)) for item in rules], np.int64),
    )


_READ: Final = (POINTS_EARNED, POINTS_REDEEMED, CREATOR_REGISTERED)
_TASK, _REDEMPTION, _CANCELLED = 1, 2, 4
"""Bits of the flags of a name: a task of it was met, a redemption, a cancellation is known."""


class Names(NamedTuple):
    """What is known of a creator's tasks and redemptions, by number; positions where verdicts are asked for."""

    flags: Any
    tasks: Any
    """The first event of each task that was judged."""
    redemptions: Any
    cancellations: Any
    """The last of each redemption."""


class Out(NamedTuple):
    """Room for what is found."""

    accounts: Any
    closes: Any
    changes: Any


def _fold(
    rows: Rows,
    openings: FireflyOpenings,
    months: Months,
    ladders: Ladders,
    as_of: int,
    names: Names,
    out: Out,
    telling: Telling,
) -> tuple[int, int, int]:
    """How many months, changes and verdicts were written; negative for rows that are not in order."""
    if not in_order(rows):
        return -1, 0, 0
    accounts, closes, changes = out.accounts, out.closes, out.changes
    closed = changed = judged = 0
    for subject in range(len(rows.judged)):
        accounts[subject, 0] = NEVER
        if rows.judged[subject]:
            account, closed, changed, judged = _judge(
                rows,
                subject,
                openings,
                months,
                ladders,
                as_of,
                names,
                closes,
                closed,
                changes,
                changed,
                telling,
                judged,
            )
            accounts[subject, 0], accounts[subject, 1] = account.registered_at, account.earned
            accounts[subject, 2] = account.balance
        telling.room.verdicts.starts[subject + 1] = judged
    return closed, changed, judged


def _sizes(rows: Rows, months: Months) -> tuple[int, int, int]:
    """How many names a subject has at most, and at most how many months and changes there can be in all."""
    keys, events, most = 1, 0, 0
    for subject in range(len(rows.judged)):
        here = 0
        if rows.judged[subject]:
            for row in range(rows.begins[subject], rows.begins[subject + 1]):
                keys = max(keys, rows.key[row] + 1)
                here += rows.what[row] in _READ
        events += here
        most += min(here, 1) * len(months.begins)
    return keys, events, events + most


def _judge(
    rows: Rows,
    subject: int,
    openings: FireflyOpenings,
    months: Months,
    ladders: Ladders,
    as_of: int,
    names: Names,
    closes: Any,
    closed: int,
    changes: Any,
    changed: int,
    telling: Telling,
    judged: int,
) -> tuple[Account, int, int, int]:
    """Judge a creator's rows: the account, and how many months, changes and verdicts are written now."""
    _read_cancellations(rows, subject, names)
    first, account = _read_before(rows, subject, openings, names)
    level, place = NO_LEVEL, 0
    if account.registered_at != NEVER:
        place = place_of(months, openings.begins[subject]) - 1
        level = _level(ladders, place, account.earned)
    for row in range(first, rows.begins[subject + 1]):
        at, what = rows.at[row], rows.what[row]
        if at > as_of:
            break
        is_redemption = what == POINTS_REDEEMED
        if rows.retracted[row] or what not in _READ:
            continue
        here = place_of(months, at)
        level, changed = _enter(subject, level, place, here, account, months, ladders, changes, changed)
        if what == CREATOR_REGISTERED:
            account = registered(account, at)
        else:
            earned = account.earned
            outcome, account = _take(account, is_redemption, rows.key[row], rows.amount[row], names.flags)
            if telling.room.wanted:
                judged = _tell(telling, judged, rows, row, outcome, account, names)
            if outcome != NOT_REGISTERED:
                closed = _begin_month(subject, months.first + here, earned, closes, closed)
                _add_to_month(closes[closed - 1], outcome, rows.amount[row])
                _close_month(closes[closed - 1], account, _level(ladders, here, account.earned))
                if at == months.begins[here]:
                    closes[closed - 1, 8] = account.earned
        place = here
        if account.registered_at != NEVER and level != _level(ladders, here, account.earned):
            level = _level(ladders, here, account.earned)
            changed = _write_change(subject, at, rows.position[row], level, account.earned, changes, changed)
    level, changed = _enter(subject, level, place, place_of(months, as_of), account, months, ladders, changes, changed)
    _forget(rows, subject, names)
    return account, closed, changed, judged


def _read_before(rows: Rows, subject: int, openings: FireflyOpenings, names: Names) -> tuple[int, Account]:
    """Mark what was met since the registration and before the opening: the first row behind that, and the account."""
    account, row = Account(NEVER, 0, 0), rows.begins[subject]
    while row < rows.begins[subject + 1] and rows.at[row] < openings.begins[subject]:
        what = rows.what[row]
        if what == CREATOR_REGISTERED and not rows.retracted[row]:
            account = registered(account, rows.at[row])
        elif what in _READ and account.registered_at != NEVER and not rows.retracted[row]:
            names.flags[rows.key[row]] |= _REDEMPTION if what == POINTS_REDEEMED else _TASK
        row += 1
    return row, Account(account.registered_at, openings.earned[subject], openings.balance[subject])


def _read_cancellations(rows: Rows, subject: int, names: Names) -> None:
    """Mark what was cancelled, whenever that was."""
    for row in range(rows.begins[subject], rows.begins[subject + 1]):
        if rows.what[row] == REDEMPTION_CANCELLED and not rows.retracted[row]:
            names.flags[rows.key[row]] |= _CANCELLED
            if len(names.cancellations):
                names.cancellations[rows.key[row]] = rows.position[row]


def _forget(rows: Rows, subject: int, names: Names) -> None:
    for row in range(rows.begins[subject], rows.begins[subject + 1]):
        key = rows.key[row]
        if key >= 0:
            names.flags[key] = 0
            if len(names.tasks):
                names.tasks[key] = names.redemptions[key] = names.cancellations[key] = 0


def _tell(telling: Telling, judged: int, rows: Rows, row: int, outcome: int, account: Account, names: Names) -> int:
    """Write down what became of a row, what the account is after it, and which event decided."""
    key, position, movements = rows.key[row], rows.position[row], telling.movements
    first = names.redemptions if rows.what[row] == POINTS_REDEEMED else names.tasks
    movements.points[judged] = rows.amount[row]
    movements.earned[judged] = account.earned
    movements.balance[judged] = account.balance
    movements.decided_by[judged] = decider_of(outcome, first[key], names.cancellations[key])
    if outcome != NOT_REGISTERED and first[key] == 0:
        first[key] = position
    return write_verdict(telling.room.verdicts, judged, rows.at[row], position, outcome)


def _take(account: Account, is_redemption: bool, key: int, points: int, flags: Any) -> tuple[int, Account]:
    """What becomes of points, and the account after them."""
    flag, mark = flags[key], _REDEMPTION if is_redemption else _TASK
    outcome = outcome_of(account, is_redemption, flag & mark != 0, flag & _CANCELLED != 0, points)
    if outcome != NOT_REGISTERED:
        flags[key] = flag | mark
    return outcome, moved(account, outcome, points)


def _enter(
    subject: int,
    level: int,
    place: int,
    here: int,
    account: Account,
    months: Months,
    ladders: Ladders,
    changes: Any,
    changed: int,
) -> tuple[int, int]:
    """Go on to a later month: where another version judges it, the level may change without an event."""
    if level == NO_LEVEL:
        return level, changed
    for month in range(place + 1, here + 1):
        if _level(ladders, month, account.earned) != level:
            level = _level(ladders, month, account.earned)
            changed = _write_change(subject, months.begins[month], BY_POLICY, level, account.earned, changes, changed)
    return level, changed


def _level(ladders: Ladders, place: int, earned: int) -> int:
    """The index of the code of the level that so many points reach in a month."""
    reached: int = ladders.levels[place, rank_of(ladders.bounds[place], earned)]
    return reached


def _begin_month(subject: int, month: int, earned: int, closes: Any, closed: int) -> int:
    """How many rows of months there are, with that of a subject's month the last; one that begins has so many points
    earned before.
    """
    if closed and closes[closed - 1, 0] == subject and closes[closed - 1, 1] == month:
        return closed
    closes[closed, 0], closes[closed, 1] = subject, month
    for place in range(2, 8):
        closes[closed, place] = 0
    closes[closed, 8] = earned
    return closed + 1


def _add_to_month(close: Any, outcome: int, points: int) -> None:
    close[5] += points if outcome == COUNTED else 0
    close[6] += points if outcome == REDEEMED else 0
    close[7] += 1


def _close_month(close: Any, account: Account, level: int) -> None:
    close[2], close[3], close[4] = level, account.earned, account.balance


def _write_change(subject: int, at: int, position: int, level: int, earned: int, changes: Any, changed: int) -> int:
    changes[changed, 0], changes[changed, 1], changes[changed, 2] = subject, at, level
    changes[changed, 3], changes[changed, 4] = earned, position
    return changed + 1


_PARTS: Final = (
    *(_judge, _read_before, _read_cancellations, _forget, _take, _tell, _enter, _level),
    *(_begin_month, _add_to_month, _close_month, _write_change),
)
