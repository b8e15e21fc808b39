"""The levels of many agencies at once: additive parts of creators, bucket by bucket, and what they reduce to.

What `McnReplay` comes to for one agency from its events, this comes to for all: `slots_of` says who held whom from the
bindings of all agencies, `fold_parts` what each creator adds to its agencies' months (per bucket of creators, complete
in themselves), `fold_agencies` what agencies' own streams say, and `evaluate_agencies` adds up and judges.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of, month_start
from domain.mcn_facts import (
    COUNTED,
    LIVE,
    READING,
    REFUNDED,
    SETTLED,
    Sums,
    add,
    evaluated_at,
    outcome_of,
    rules_of,
    takes_effect,
)
from domain.mcn_level import Evaluation, Figures, Rules, credit_moved, evaluate
from domain.policy import Policy, Term, term_at
from replay.columns import (
    CREATOR_BOUND,
    CREATOR_SCORED,
    CREATOR_UNBOUND,
    CREDIT_DEDUCTED,
    CREDIT_GRANTED,
    CREDIT_RESTORED,
    GOOD_GOODS,
    LIVE_HELD,
    MCN_ONBOARDED,
    SALE_REFUNDED,
    SALE_SETTLED,
    SCORES,
    WORRY_FREE,
    Columns,
)
from replay.compiling import compiled
from replay.creator_fold import CreatorFolded
from replay.months import Months, months_between, place_of
from replay.rows import Rows, in_order, retracted_rows, rows_of

NOBODY: Final = -1
_NO_MONTH: Final = 2**62
_HELD, _TOP, _REPUTATION, _SCORED = range(len(Sums._fields), len(Sums._fields) + 4)
FIGURES: Final = len(Sums._fields) + 4
"""Of a creator's part: `Sums`, then of the month's close: held, of the level that counts, reputation, with a value."""


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
    """FIGURES columns, all of them additive."""


class Agencies(NamedTuple):
    """What agencies' own streams say, by the numbers of `Slots`."""

    onboarded_at: list[int | None]
    months: Months
    credit: NDArray[np.int64]
    """By agency and place of the month, the credit at its close by the version that judges it."""


class AgencyMonth(NamedTuple):
    """One evaluation of one agency."""

    agency: int
    policy: Policy
    found: Evaluation


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


class Tops(NamedTuple):
    """Which levels count as high, by place of the month."""

    least: NDArray[np.int64]
    """The place of the level among those of the creators' version; more than any where it has none of that name."""
    last: int
    """The first place of a month that is not closed."""


def fold_parts(
    columns: Columns,
    creators: CreatorFolded,
    slots: Slots,
    terms: Sequence[Term],
    creator_terms: Sequence[Term],
    as_of: int,
) -> Parts:
    """What the creators of some columns add to their agencies' months; `creators` is what these columns came to."""
    numbers = {f"creator/{name}": number for number, name in enumerate(slots.creators)}
    slot_of = np.array([numbers.get(subject, NOBODY) for subject in columns.subjects], np.int64)
    earliest = min([as_of, *(int(at.min()) for at in (columns.at, slots.at) if len(at))])
    months = months_between(earliest, month_of(as_of))
    least = np.array([_least_top(begins, terms, creator_terms) for begins in months.begins[:-1].tolist()])
    evaluated = creators.evaluations
    folding = compiled(_fold, *READING, *_PARTS, in_order, place_of)
    table = folding(
        rows_of(columns, "creator"),
        slot_of,
        (slots.begins, slots.at, slots.holders),
        months,
        Tops(least, month_of(as_of) - months.first),
        (
            np.searchsorted(evaluated["subject"], np.arange(len(columns.subjects) + 1)),
            np.ascontiguousarray(evaluated["month"]),
            np.where(evaluated["gated"], NOBODY, evaluated["level"]),
        ),
        as_of,
    )
    return Parts(table[:, 0], table[:, 1], table[:, 2], table[:, 3:])


def _least_top(begins: int, terms: Sequence[Term], creator_terms: Sequence[Term]) -> int:
    """The lowest level that counts as high in the month that begins at an instant."""
    name = term_at(terms, begins).policy.parameters["top_creators"].value["level"]
    levels = term_at(creator_terms, begins).policy.parameters["levels"].value
    return levels.index(name) if name in levels else len(levels)


_ORDER, _GOOD, _WORRY_FREE, _SHOWCASE = 1, 2, 4, 8
"""Bits of an order's flags."""
_IN_SHOWCASE: Final = 0
_SCORE: Final = SCORES.index("reputation")


class Work(NamedTuple):
    """What one creator's rows are read into."""

    flags: Any
    """By order."""
    sold_by: Any
    """By order, the place of the agency that held the creator at the settlement; NOBODY for none."""
    sums: Any
    """By place of the agency and of the month."""
    touched: Any
    scores: Any
    """By place of the month, the last reputation value in it; NOBODY for none."""


def _fold(rows: Rows, slot_of: Any, slots: Any, months: Months, tops: Tops, levels: Any, as_of: int) -> Any:
    assert in_order(rows)
    begins, _, holders = slots
    keys = slots_max = 1
    for row in range(len(rows.subject)):
        keys = max(keys, rows.key[row] + 1)
    for slot in range(len(begins) - 1):
        slots_max = max(slots_max, begins[slot + 1] - begins[slot])
    places = len(months.begins)
    work = Work(
        np.zeros(keys, np.int8),
        np.zeros(keys, np.int32),
        np.zeros((slots_max, places, FIGURES), np.int64),
        np.zeros((slots_max, places), np.bool_),
        np.full(places, NOBODY),
    )
    agencies, place_by_slot = np.empty(slots_max, np.int64), np.empty(slots_max, np.int64)
    table, filled = np.empty((1024, 3 + FIGURES), np.int64), 0
    for subject in range(len(rows.judged)):
        slot = slot_of[subject]
        if slot < 0:
            continue
        held = _agencies_of(holders[begins[slot] : begins[slot + 1]], agencies, place_by_slot)
        first, last = _read(rows, subject, slots, slot, place_by_slot, months, as_of, work)
        if begins[slot + 1] > begins[slot]:
            bound = place_of(months, slots[1][begins[slot]])
            first, last = min(first, bound), max(last, bound, tops.last - 1)
            _close(subject, slots, slot, place_by_slot, months, tops, levels, first, work)
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
            work.scores[place] = NOBODY
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
    rows: Rows, subject: int, slots: Any, slot: int, place_by_slot: Any, months: Months, as_of: int, work: Work
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
        if rows.retracted[row] or (kind < 0 and not (what == CREATOR_SCORED and rows.detail[row] == _SCORE)):
            continue
        if at >= month_end:
            place = place_of(months, at)
            month_end = months.begins[place + 1]
            first = place if first < 0 else first
        if kind < 0:
            work.scores[place] = rows.amount[row]
            continue
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


def _close(
    subject: int,
    slots: Any,
    slot: int,
    place_by_slot: Any,
    months: Months,
    tops: Tops,
    levels: Any,
    first: int,
    work: Work,
) -> None:
    """Add, to whom holds the creator at each month's close, that it does, and the creator's level and reputation."""
    begins, bound_at, _ = slots
    evaluated, level_months, level_numbers = levels
    binding, holder, score = begins[slot], NOBODY, NOBODY
    found, end = evaluated[subject], evaluated[subject + 1]
    for place in range(first, tops.last):
        if work.scores[place] != NOBODY:
            score = work.scores[place]
        while binding < begins[slot + 1] and bound_at[binding] < months.begins[place + 1]:
            holder = place_by_slot[binding - begins[slot]]
            binding += 1
        while found < end and level_months[found] < months.first + place:
            found += 1
        if holder == NOBODY:
            continue
        sums = work.sums[holder, place]
        sums[_HELD] = 1
        if found < end and level_months[found] == months.first + place and level_numbers[found] >= tops.least[place]:
            sums[_TOP] = 1
        if score != NOBODY:
            sums[_REPUTATION], sums[_SCORED] = score, 1
        work.touched[holder, place] = True


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


_PARTS: Final = (_agencies_of, _read, _flags_of, _close, _grown, _kind_of)


# --- agencies ---------------------------------------------------------------------------------------------------------


def fold_agencies(parts: Sequence[Columns], slots: Slots, terms: Sequence[Term], as_of: int) -> Agencies:
    """Read the agencies' own streams: when each was onboarded, and its credit at every month's close."""
    numbers = {name: number for number, name in enumerate(slots.agencies)}
    last = month_of(as_of)
    earliest = min([as_of, *(int(columns.at.min()) for columns in parts if len(columns.at))])
    months = months_between(earliest, last)
    rules = [rules_of(term.policy) for term in terms]
    by_month = [terms.index(term_at(terms, begins)) for begins in months.begins[:-1].tolist()]
    credit = np.zeros((len(slots.agencies), len(by_month)), np.int64)
    onboarded_at = np.full(len(slots.agencies), _NO_MONTH)
    folding = compiled(_move_credit, credit_moved, _restore, _keep, in_order)
    for columns in parts:
        own = np.array([numbers.get(subject, NOBODY) for subject in columns.subjects], np.int64)
        for version, judging in enumerate(rules):
            bounds = (judging.credit_start, judging.credit_max)
            judged = np.array(by_month) == version
            folding(rows_of(columns, "mcn"), own, months, bounds, judged, as_of, credit, onboarded_at)
    return Agencies([None if at == _NO_MONTH else at for at in onboarded_at.tolist()], months, credit)


def _move_credit(
    rows: Rows, own: Any, months: Months, bounds: Any, judged: Any, as_of: int, credit: Any, onboarded_at: Any
) -> None:
    """Write the credit at the close of each month that a version judges, and the first onboarding."""
    assert in_order(rows)
    keys = 1
    for row in range(len(rows.key)):
        keys = max(keys, rows.key[row] + 1)
    restored = np.zeros(keys, np.bool_)
    for subject in range(len(rows.judged)):
        if not rows.judged[subject]:
            continue
        _restore(rows, subject, True, restored)
        agency, found, place = own[subject], bounds[0], 0
        for row in range(rows.begins[subject], rows.begins[subject + 1]):
            at, what = rows.at[row], rows.what[row]
            if rows.retracted[row] or at > as_of:
                continue
            while months.begins[place + 1] <= at:
                _keep(credit, judged, agency, place, found)
                place += 1
            if what == CREDIT_GRANTED:
                found = credit_moved(found, rows.amount[row], bounds[1])
            elif what == CREDIT_DEDUCTED and not restored[rows.key[row]]:
                found = credit_moved(found, -rows.amount[row], bounds[1])
            elif what == MCN_ONBOARDED:
                onboarded_at[agency] = min(onboarded_at[agency], at)
        for later in range(place, len(judged)):
            _keep(credit, judged, agency, later, found)
        _restore(rows, subject, False, restored)


def _restore(rows: Rows, subject: int, is_restored: bool, restored: Any) -> None:
    """Mark an agency's violations that were restored, whenever that was, or clear the marks."""
    for row in range(rows.begins[subject], rows.begins[subject + 1]):
        if rows.what[row] == CREDIT_RESTORED and not rows.retracted[row]:
            restored[rows.key[row]] = is_restored


def _keep(credit: Any, judged: Any, agency: int, place: int, found: int) -> None:
    if judged[place]:
        credit[agency, place] = found


# --- evaluations ------------------------------------------------------------------------------------------------------


def evaluate_agencies(
    parts: Sequence[Parts], agencies: Agencies, terms: Sequence[Term], as_of: int
) -> Iterator[AgencyMonth]:
    """Every evaluation of every agency up to an instant, by agency and month."""
    rules = {term.policy.hash: rules_of(term.policy) for term in terms}
    sums = _sums_by_month(parts)
    nothing = (0,) * (FIGURES + 1)
    for agency, onboarded_at in enumerate(agencies.onboarded_at):
        if onboarded_at is None:
            continue
        for month in range(month_of(onboarded_at), month_of(as_of)):
            policy = term_at(terms, month_start(month)).policy
            judging: Rules = rules[policy.hash]
            if month < judging.first_month or evaluated_at(month, judging) > as_of:
                continue
            added = sums.get((agency, month), nothing)
            credit = int(agencies.credit[agency, month - agencies.months.first])
            figures = Figures(
                month=month,
                months_onboarded=month - month_of(onboarded_at) + 1,
                credit=credit,
                settled_sum_fen=added[0],
                showcase_sum_fen=added[1],
                good_sum_fen=added[2],
                orders=added[3],
                worry_free=added[4],
                showcase_creators=added[FIGURES],
                live_minutes=added[6],
                top_creators=added[_TOP],
                reputation_sum=added[_REPUTATION],
                reputation_creators=added[_SCORED],
            )
            yield AgencyMonth(agency, policy, evaluate(figures, judging))


def _sums_by_month(parts: Sequence[Parts]) -> dict[tuple[int, int], Sequence[int]]:
    """The parts of all creators added up by agency and month; last, how many had a showcase sale."""
    agencies, months = (np.concatenate([getattr(part, name) for part in parts]) for name in ("agencies", "months"))
    figures = np.concatenate([part.figures for part in parts])
    if not len(figures):
        return {}
    table = np.column_stack([figures, figures[:, 5] > 0])
    order = np.lexsort((months, agencies))
    agencies, months, table = agencies[order], months[order], table[order]
    starts = np.flatnonzero(np.r_[True, (agencies[1:] != agencies[:-1]) | (months[1:] != months[:-1])])
    added = np.add.reduceat(table, starts, axis=0).tolist()
    return dict(zip(zip(agencies[starts].tolist(), months[starts].tolist(), strict=True), added, strict=True))
