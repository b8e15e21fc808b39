"""What creators add to the months of their agencies: `domain.mcn_level.facts` compiled over columns.

`slots_of` says who held whom from the bindings of all agencies, `fold_parts` what each creator adds to its agencies'
months. A creator's rows are all that its parts need, so that columns can be folded part by part; agencies are then few,
and judged from what their creators add by the plain rules.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of
from domain.mcn_level.facts import COUNTED, LIVE, READING, REFUNDED, SETTLED, Sums, add, outcome_of, takes_effect
from replay.columnar.columns import (
    CREATOR_BOUND,
    CREATOR_UNBOUND,
    GOOD_GOODS,
    LIVE_HELD,
    SALE_REFUNDED,
    SALE_SETTLED,
    WORRY_FREE,
    Columns,
)
from replay.columnar.jit import compiled
from replay.columnar.months import Months, months_between, place_of
from replay.columnar.rows import Rows, in_order, retracted_rows, rows_of

NOBODY: Final = -1
_NO_MONTH: Final = 2**62
FIGURES: Final = len(Sums._fields)


class Slots(NamedTuple):
    """Who holds each creator from each instant on, by all bindings of all agencies."""

    agencies: list[str]
    """Every agency's stream, by the number that stands for it here and in all that follows."""
    creators: list[str]
    """The ids of all creators that were ever bound, by number."""
    begins: NDArray[np.int64]
    """By creator, its first binding; one more for the end."""
    at: NDArray[np.int64]
    holders: NDArray[np.int64]
    """The agency from `at` on; NOBODY for none."""


class Parts(NamedTuple):
    """What creators add to their agencies' months, before anything is bounded: rows of many buckets can be joined."""

    creators: NDArray[np.int64]
    """A number of `Slots`."""
    agencies: NDArray[np.int64]
    months: NDArray[np.int64]
    figures: NDArray[np.int64]
    """FIGURES columns: the fields of `domain.mcn_level.facts.Sums`."""


# --- bindings ---------------------------------------------------------------------------------------------------------


def slots_of(parts: Sequence[Columns], as_of: int) -> Slots:
    """Read the bindings of all columns together, by creator and (`occurred_at`, position)."""
    agencies, creators = dict[str, int](), dict[str, int]()
    found: list[NDArray[np.int64]] = []
    for columns in parts:
        own = [
            agencies.setdefault(name, len(agencies)) if name.startswith("mcn/") else NOBODY for name in columns.subjects
        ]
        bound = [creators.setdefault(name, len(creators)) for name in columns.creators]
        rows = np.flatnonzero((columns.what == CREATOR_BOUND) | (columns.what == CREATOR_UNBOUND))
        rows = rows[(columns.at[rows] <= as_of) & ~retracted_rows(columns)[rows]]
        numbers = (np.array(bound)[columns.key[rows]], columns.at[rows], columns.position[rows])
        binds = columns.what[rows] == CREATOR_BOUND
        found.append(np.stack([*numbers, np.array(own)[columns.subject[rows]], binds]).astype(np.int64))
    table = np.concatenate(found, axis=1) if found else np.empty((5, 0), np.int64)
    table = table[:, np.lexsort((table[2], table[1], table[0]))]
    kept, holders = compiled(_hold, takes_effect)(table)
    owners, at = table[0][kept], table[1][kept]
    begins = np.searchsorted(owners, np.arange(len(creators) + 1))
    return Slots(list(agencies), list(creators), begins, at, holders[kept])


def _hold(table: Any) -> Any:
    """Of bindings in order: which take effect, and who holds the creator after them."""
    rows = table.shape[1]
    kept, holders = np.zeros(rows, np.bool_), np.empty(rows, np.int64)
    holder = NOBODY
    for row in range(rows):
        if row == 0 or table[0, row] != table[0, row - 1]:
            holder = NOBODY
        agency, binds = table[3, row], table[4, row] == 1
        kept[row] = takes_effect(binds, holder == agency)
        if kept[row]:
            holder = agency if binds else NOBODY
        holders[row] = holder
    return kept, holders


# --- what creators add ------------------------------------------------------------------------------------------------


def fold_parts(columns: Columns, slots: Slots, as_of: int) -> Parts:
    """What the creators of some columns add to their agencies' months."""
    numbers = {f"creator/{name}": number for number, name in enumerate(slots.creators)}
    slot_of = np.array([numbers.get(subject, NOBODY) for subject in columns.subjects], np.int64)
    months = months_between(min(as_of, int(columns.at.min(initial=as_of))), month_of(as_of))
    folding = compiled(_fold, *READING, *_PARTS, in_order, place_of)
    table = folding(rows_of(columns, "creator"), slot_of, (slots.begins, slots.at, slots.holders), months, as_of)
    return Parts(table[:, 0], table[:, 1], table[:, 2], table[:, 3:])


_ORDER, _GOOD, _WORRY_FREE, _SHOWCASE = 1, 2, 4, 8
"""Bits of an order's flags."""
_IN_SHOWCASE: Final = 0


class CreatorBuffers(NamedTuple):
    """What one creator's rows are read into."""

    flags: Any
    """By order."""
    sold_by: Any
    """By order, the place of the agency that held the creator at the settlement; NOBODY for none."""
    sums: Any
    """By place of the agency and of the month."""
    touched: Any


def _fold(rows: Rows, slot_of: Any, slots: Any, months: Months, as_of: int) -> Any:
    assert in_order(rows)
    begins, _, holders = slots
    keys = slots_max = 1
    for row in range(len(rows.subject)):
        keys = max(keys, rows.key[row] + 1)
    for slot in range(len(begins) - 1):
        slots_max = max(slots_max, begins[slot + 1] - begins[slot])
    places = len(months.begins)
    work = CreatorBuffers(
        np.zeros(keys, np.int8),
        np.zeros(keys, np.int32),
        np.zeros((slots_max, places, FIGURES), np.int64),
        np.zeros((slots_max, places), np.bool_),
    )
    agencies, place_by_slot = np.empty(slots_max, np.int64), np.empty(slots_max, np.int64)
    table, filled = np.empty((1024, 3 + FIGURES), np.int64), 0
    for subject in range(len(rows.judged)):
        slot = slot_of[subject]
        if slot < 0:
            continue
        held = _agencies_of(holders[begins[slot] : begins[slot + 1]], agencies, place_by_slot)
        first, last = _read(rows, subject, slots, slot, place_by_slot, months, as_of, work)
        for place in range(first, last + 1):
            for agency in range(held):
                if not work.touched[agency, place]:
                    continue
                if filled == len(table):
                    table = _grown(table)
                table[filled, 0], table[filled, 1], table[filled, 2] = slot, agencies[agency], months.first + place
                for figure in range(FIGURES):
                    table[filled, 3 + figure] = work.sums[agency, place, figure]
                    work.sums[agency, place, figure] = 0
                work.touched[agency, place] = False
                filled += 1
    return table[:filled]


def _agencies_of(holders: Any, agencies: Any, place_by_slot: Any) -> int:
    """Number the agencies that ever held a creator, and say which it is of each binding."""
    count = 0
    for slot in range(len(holders)):
        place_by_slot[slot] = NOBODY
        if holders[slot] == NOBODY:
            continue
        place = 0
        while place < count and agencies[place] != holders[slot]:
            place += 1
        if place == count:
            agencies[count] = holders[slot]
            count += 1
        place_by_slot[slot] = place
    return count


def _read(
    rows: Rows,
    subject: int,
    slots: Any,
    slot: int,
    place_by_slot: Any,
    months: Months,
    as_of: int,
    work: CreatorBuffers,
) -> tuple[int, int]:
    """Add a creator's rows to its agencies' months: the first and the last month that has any."""
    begins, bound_at, _ = slots
    first_binding, next_binding, end = begins[slot], begins[slot], begins[slot + 1]
    place, month_end, first, keys, holder = 0, -_NO_MONTH, -1, 0, NOBODY
    for row in range(rows.begins[subject], rows.begins[subject + 1]):
        at, what, key = rows.at[row], rows.what[row], rows.key[row]
        if at > as_of:
            break
        kind = _kind_of(what)
        if rows.retracted[row] or kind < 0:
            continue
        if at >= month_end:
            place = place_of(months, at)
            month_end = months.begins[place + 1]
            first = place if first < 0 else first
        while next_binding < end and bound_at[next_binding] <= at:
            holder = place_by_slot[next_binding - first_binding]
            next_binding += 1
        flags = 0
        agency = holder
        if kind != LIVE:
            keys = max(keys, key + 1)
            flags = work.flags[key]
            agency = work.sold_by[key] if flags & _ORDER else holder
        if kind == SETTLED and not flags & _ORDER:
            work.flags[key], work.sold_by[key] = _flags_of(rows.extra[row], rows.detail[row]), holder
        if outcome_of(kind, flags & _ORDER != 0, agency >= 0) != COUNTED:
            continue
        flags = work.flags[key] if kind != LIVE else 0
        showcase, good, worry_free = flags & _SHOWCASE != 0, flags & _GOOD != 0, flags & _WORRY_FREE != 0
        add(work.sums[agency, place], kind, rows.amount[row], showcase, good, worry_free)
        work.touched[agency, place] = True
    for key in range(keys):
        work.flags[key] = 0
    return max(first, 0), place


def _flags_of(extra: int, channel: int) -> int:
    flags = _ORDER
    if extra & GOOD_GOODS:
        flags |= _GOOD
    if extra & WORRY_FREE:
        flags |= _WORRY_FREE
    return flags | _SHOWCASE if channel == _IN_SHOWCASE else flags


def _grown(table: Any) -> Any:
    grown = np.empty((2 * len(table), table.shape[1]), np.int64)
    for row in range(len(table)):
        for column in range(table.shape[1]):
            grown[row, column] = table[row, column]
    return grown


def _kind_of(what: int) -> int:
    """The kind of an event that adds to a month; negative for others."""
    if what == SALE_SETTLED:
        return SETTLED
    if what == SALE_REFUNDED:
        return REFUNDED
    return LIVE if what == LIVE_HELD else -1


_PARTS: Final = (_agencies_of, _read, _flags_of, _grown, _kind_of)
