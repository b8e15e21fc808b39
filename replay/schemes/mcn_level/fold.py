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
from domain.mcn_level.facts import (
    COUNTED,
    LIVE,
    READING,
    REFUNDED,
    SETTLED,
    Sums,
    add,
    outcome_of,
    outcome_of_binding,
    takes_effect,
)
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
from replay.columnar.rows import NOT_SORTED, Months, Rows, in_order, months_between, place_of, retracted_rows, rows_of
from replay.replaying.verdicts import WRITING, Room, room_for, write_verdict

NOBODY: Final = -1
NEVER: Final = 2**62
FIGURES: Final = len(Sums._fields)


class AgencyVerdicts(NamedTuple):
    """Verdicts in any order, each with the number of the agency that it is one of."""

    agencies: NDArray[np.int64]
    at: NDArray[np.int64]
    position: NDArray[np.int64]
    verdict: NDArray[np.int8]
    """A number of `domain.mcn_level.facts.VERDICTS`."""


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
    positions: NDArray[np.int64]
    """Of the bindings and unbindings that made it so."""
    told: AgencyVerdicts
    """What became of each binding and unbinding."""


class Parts(NamedTuple):
    """What creators add to their agencies' months, before anything is bounded: rows of many buckets can be joined."""

    creators: NDArray[np.int64]
    """A number of `Slots`."""
    agencies: NDArray[np.int64]
    months: NDArray[np.int64]
    figures: NDArray[np.int64]
    """FIGURES columns: the fields of `domain.mcn_level.facts.Sums`."""
    told: AgencyVerdicts | None = None
    """What became of each event for every agency that ever held its creator; None where it was not asked for."""


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
    # In one layout whether there are bindings or none: for another the loop would be compiled anew.
    table = np.ascontiguousarray(table[:, np.lexsort((table[2], table[1], table[0]))])
    outcomes, holders = compiled(_hold, takes_effect, outcome_of_binding)(table)
    kept = outcomes == COUNTED
    owners, at = table[0][kept], table[1][kept]
    begins = np.searchsorted(owners, np.arange(len(creators) + 1))
    told = AgencyVerdicts(table[3], table[1], table[2], outcomes)
    return Slots(list(agencies), list(creators), begins, at, holders[kept], table[2][kept], told)


def _hold(table: Any) -> Any:
    """Of bindings in order: what becomes of them, and who holds the creator after them."""
    rows = table.shape[1]
    outcomes, holders = np.empty(rows, np.int8), np.empty(rows, np.int64)
    holder = NOBODY
    for row in range(rows):
        if row == 0 or table[0, row] != table[0, row - 1]:
            holder = NOBODY
        agency, binds = table[3, row], table[4, row] == 1
        outcomes[row] = outcome_of_binding(binds, holder == agency)
        if outcomes[row] == COUNTED:
            holder = agency if binds else NOBODY
        holders[row] = holder
    return outcomes, holders


# --- what creators add ------------------------------------------------------------------------------------------------


def fold_parts(columns: Columns, slots: Slots, as_of: int, *, judges: bool = False) -> Parts:
    """What the creators of some columns add to their agencies' months.

    `judges`: with the verdict on every event.
    """
    numbers = {f"creator/{name}": number for number, name in enumerate(slots.creators)}
    slot_of = np.array([numbers.get(subject, NOBODY) for subject in columns.subjects], np.int64)
    months = months_between(min(as_of, int(columns.at.min(initial=as_of))), month_of(as_of))
    rows = rows_of(columns, "creator")
    rows_each, bindings_each = np.diff(rows.begins), np.append(np.diff(slots.begins), 0)[slot_of]
    table = np.empty((int(np.minimum(rows_each, bindings_each * len(months.begins)).sum()), 3 + FIGURES), np.int64)
    room = room_for(0, int((rows_each * _agencies_each(slots)[slot_of]).sum()) if judges else 0, wanted=judges)
    telling = Telling(np.empty(len(room.verdicts.at), np.int64), room)
    work = _buffers(rows, slots, len(months.begins))
    folding = compiled(_fold, *READING, *_PARTS, in_order, place_of, *WRITING, allocates=False)
    slots_read = (slots.begins, slots.at, slots.holders)
    filled, judged = folding(rows, slot_of, slots_read, months, as_of, work, table, telling)
    if filled < 0:
        raise ValueError(NOT_SORTED)
    table, told = table[:filled], AgencyVerdicts(telling.agencies, *room.verdicts[1:4])
    return Parts(
        *(table[:, 0], table[:, 1], table[:, 2], table[:, 3:]),
        AgencyVerdicts._make(column[:judged] for column in told) if judges else None,
    )


def _agencies_each(slots: Slots) -> NDArray[np.int64]:
    """By creator, and at the end for who was never bound: how many agencies ever held it."""
    bound = np.flatnonzero(slots.holders != NOBODY)
    creators = np.searchsorted(slots.begins, bound, side="right") - 1
    pairs = np.unique(creators * len(slots.agencies) + slots.holders[bound])
    return np.bincount(pairs // len(slots.agencies), minlength=len(slots.creators) + 1)


def _buffers(rows: Rows, slots: Slots, months: int) -> "CreatorBuffers":
    orders, bindings = int(rows.key.max(initial=0)) + 1, int(np.diff(slots.begins).max(initial=1))
    return CreatorBuffers(
        np.empty(bindings, np.int64),
        np.empty(bindings, np.int64),
        np.zeros(orders, np.int8),
        np.zeros(orders, np.int32),
        np.zeros((bindings, months, FIGURES), np.int64),
        np.zeros((bindings, months), np.bool_),
    )


_ORDER, _GOOD, _WORRY_FREE, _SHOWCASE = 1, 2, 4, 8
"""Bits of an order's flags."""
_IN_SHOWCASE: Final = 0


class CreatorBuffers(NamedTuple):
    """What one creator's rows are read into."""

    agencies: Any
    """By place, each agency that ever held it."""
    place_by_slot: Any
    """By binding, the place of the agency."""
    flags: Any
    """By order."""
    sold_by: Any
    """By order, the place of the agency that held the creator at the settlement; NOBODY for none."""
    sums: Any
    """By place of the agency and of the month."""
    touched: Any


class Telling(NamedTuple):
    """Where verdicts go, each with its agency."""

    agencies: Any
    room: Room


def _fold(
    rows: Rows,
    slot_of: Any,
    slots: Any,
    months: Months,
    as_of: int,
    work: CreatorBuffers,
    table: Any,
    telling: Telling,
) -> tuple[int, int]:
    """How many parts and verdicts were written; negative for rows that are not in order."""
    if not in_order(rows):
        return -1, 0
    begins, _, holders = slots
    filled = judged = 0
    for subject in range(len(rows.judged)):
        slot = slot_of[subject]
        if slot < 0:
            continue
        held = _agencies_of(holders[begins[slot] : begins[slot + 1]], work)
        first, last, judged = _read(rows, subject, slots, slot, held, months, as_of, work, telling, judged)
        for place in range(first, last + 1):
            for agency in range(held):
                if not work.touched[agency, place]:
                    continue
                table[filled, 0], table[filled, 1], table[filled, 2] = slot, work.agencies[agency], months.first + place
                for figure in range(FIGURES):
                    table[filled, 3 + figure] = work.sums[agency, place, figure]
                    work.sums[agency, place, figure] = 0
                work.touched[agency, place] = False
                filled += 1
    return filled, judged


def _agencies_of(holders: Any, work: CreatorBuffers) -> int:
    """Number the agencies that ever held a creator, and say which it is of each binding."""
    agencies, place_by_slot = work.agencies, work.place_by_slot
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
    held: int,
    months: Months,
    as_of: int,
    work: CreatorBuffers,
    telling: Telling,
    judged: int,
) -> tuple[int, int, int]:
    """Add a creator's rows to its agencies' months: the first and the last month that has any, and how many verdicts
    there are now.
    """
    begins, bound_at, _ = slots
    first_binding, next_binding, end = begins[slot], begins[slot], begins[slot + 1]
    place, month_end, first, keys, holder = 0, -NEVER, -1, 0, NOBODY
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
            holder = work.place_by_slot[next_binding - first_binding]
            next_binding += 1
        flags = 0
        agency = holder
        if kind != LIVE:
            keys = max(keys, key + 1)
            flags = work.flags[key]
            agency = work.sold_by[key] if flags & _ORDER else holder
        if kind == SETTLED and not flags & _ORDER:
            work.flags[key], work.sold_by[key] = _flags_of(rows.extra[row], rows.detail[row]), holder
        seen = flags & _ORDER != 0
        if telling.room.wanted:
            judged = _tell(telling, judged, work.agencies, held, kind, seen, agency, at, rows.position[row])
        if outcome_of(kind, seen, agency >= 0) != COUNTED:
            continue
        flags = work.flags[key] if kind != LIVE else 0
        showcase, good, worry_free = flags & _SHOWCASE != 0, flags & _GOOD != 0, flags & _WORRY_FREE != 0
        add(work.sums[agency, place], kind, rows.amount[row], showcase, good, worry_free)
        work.touched[agency, place] = True
    for key in range(keys):
        work.flags[key] = 0
    return max(first, 0), place, judged


def _tell(
    telling: Telling,
    judged: int,
    agencies: Any,
    held: int,
    kind: int,
    seen: bool,
    agency: int,
    at: int,
    position: int,
) -> int:
    """Write down what becomes of an event for every agency that ever held its creator; `agency` is the place of that
    which it may count for.
    """
    for place in range(held):
        telling.agencies[judged] = agencies[place]
        judged = write_verdict(telling.room.verdicts, judged, at, position, outcome_of(kind, seen, place == agency))
    return judged


def _flags_of(extra: int, channel: int) -> int:
    flags = _ORDER
    if extra & GOOD_GOODS:
        flags |= _GOOD
    if extra & WORRY_FREE:
        flags |= _WORRY_FREE
    return flags | _SHOWCASE if channel == _IN_SHOWCASE else flags


def _kind_of(what: int) -> int:
    """The kind of an event that adds to a month; negative for others."""
    if what == SALE_SETTLED:
        return SETTLED
    if what == SALE_REFUNDED:
        return REFUNDED
    return LIVE if what == LIVE_HELD else -1


_PARTS: Final = (_agencies_of, _read, _tell, _flags_of, _kind_of)
