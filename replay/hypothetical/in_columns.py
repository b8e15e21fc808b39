"""Hypothetical events among the columns of a large replay: one more tail, numbered as these are."""

from collections.abc import Collection, Mapping, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from replay.columnar.columns import (
    CREATOR_BOUND,
    CREATOR_UNBOUND,
    EVENT_RETRACTED,
    MERCHANT_ONBOARDED,
    NO_NUMBER,
    TYPES,
    Columns,
    in_order,
)
from replay.columnar.encoding import Named, Numbers, named_of
from replay.hypothetical.laid import Laid
from replay.store.alias_queries import first_payment
from replay.store.base.store import Store
from replay.store.queries import Name
from replay.store.searching.across import places_of, places_with_refs

_Pair = tuple[str, str]
"""A stream, and the name of an order, violation, task or redemption in it, or the alias of a buyer."""
_BINDINGS = (CREATOR_BOUND, CREATOR_UNBOUND)


def laid_into(store: Store, columns: Columns, laid: Laid, position: int) -> Columns:
    """Columns of what is known up to a position, and hypothetical events in their places among them."""
    named = named_of(laid.rows, None, [])
    subjects, creators, texts = _going_on(columns.subjects), _going_on(columns.creators), _going_on(columns.texts)
    subject = np.array([subjects[name] for name in named.streams], np.int32)[named.stream]
    names: list[str | None] = named.name.to_pylist()
    key = np.full(len(names), NO_NUMBER, np.int32)
    detail = named.detail.copy()
    within: dict[int, _Pair] = {}
    for row, (name, what) in enumerate(zip(names, named.what.tolist(), strict=True)):
        if name is None:
            continue
        if what == MERCHANT_ONBOARDED:
            detail[row] = texts[name]
        elif what in _BINDINGS:
            key[row] = creators[name]
        else:
            within[row] = (named.streams[named.stream[row]], name)
    _number(key, within, _known_keys(store, columns, {*within.values()}, position), columns.key)
    buyer = _buyers(store, columns, named, laid, position)
    amount = _retracting(store, named, laid, position)
    tail = (subject, named.at, named.position, named.what, key, buyer, amount, detail, named.extra)
    order = in_order(subject, named.at)
    arrays = _inserted(columns, [column[order] for column in tail])
    return Columns._make([*arrays, list(subjects), list(creators), list(texts)])


def _going_on(names: Sequence[str]) -> Numbers:
    numbers = Numbers()
    for name in names:
        numbers[name]
    return numbers


def _number(
    column: NDArray[np.int32], rows: Mapping[int, _Pair], known: Mapping[_Pair, int], taken: NDArray[np.int32]
) -> None:
    """Number what rows name: as it is known, and what is new behind all numbers that are taken."""
    new = count(int(taken.max(initial=NO_NUMBER)) + 1)
    numbers = dict(known)
    for row, pair in rows.items():
        if pair not in numbers:
            numbers[pair] = next(new)
        column[row] = numbers[pair]


def _known_keys(store: Store, columns: Columns, pairs: Collection[_Pair], position: int) -> dict[_Pair, int]:
    """The numbers of orders and the like that records name which have a row."""
    places = ((pair, place.position) for pair, place in places_with_refs(store.reader(), pairs))
    return _numbers_at(columns, columns.key, [(pair, at) for pair, at in places if at <= position])


def _buyers(store: Store, columns: Columns, named: Named, laid: Laid, position: int) -> NDArray[np.int32]:
    aliases = named.buyer.to_pylist()
    rows = {row: (named.streams[named.stream[row]], alias) for row, alias in enumerate(aliases) if alias is not None}
    wanted = {pair for pair in rows.values() if pair[1] in laid.recognised}
    places = [(pair, at) for pair in wanted if (at := first_payment(store, *pair)) is not None and at <= position]
    found = np.full(len(aliases), NO_NUMBER, np.int32)
    _number(found, rows, _numbers_at(columns, columns.buyer, places), columns.buyer)
    return found


def _numbers_at(columns: Columns, column: NDArray[np.int32], places: Sequence[tuple[_Pair, int]]) -> dict[_Pair, int]:
    """By pair, the number that a column has at one of its positions."""
    rows = np.flatnonzero(np.isin(columns.position, np.array([at for _, at in places], np.int64)))
    numbers = dict(zip(columns.position[rows].tolist(), column[rows].tolist(), strict=True))
    return {pair: numbers[at] for pair, at in places if numbers.get(at, NO_NUMBER) != NO_NUMBER}


def _retracting(store: Store, named: Named, laid: Laid, position: int) -> NDArray[np.int64]:
    """The amounts, of a retraction the position of what it names where it is earlier."""
    amount = named.amount.copy()
    retractions = np.flatnonzero(named.what == EVENT_RETRACTED).tolist()
    if not retractions:
        return amount
    events = {event.position: event for event in laid.events}
    naming: dict[int, Name] = {}
    for row in retractions:
        event = events[int(named.position[row])]
        naming[row] = (event.originator_id, event.data.source, event.data.event)
    places = {name: at for name, at in places_of(store, {*naming.values()}).items() if at <= position}
    places |= {(event.originator_id, event.source, event.id): event.position for event in laid.events}
    for row, name in naming.items():
        at = places.get(name, 0)
        amount[row] = at if at < named.position[row] else 0
    return amount


def _inserted(columns: Columns, tail: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    """Rows that are in order, each in its place among those of columns: behind what happened at the same instant."""
    places = []
    for subject, at in zip(tail[0].tolist(), tail[1].tolist(), strict=True):
        low, high = np.searchsorted(columns.subject, np.array((subject, subject + 1), columns.subject.dtype)).tolist()
        places.append(low + int(np.searchsorted(columns.at[low:high], at, "right")))
    return [np.insert(getattr(columns, name), places, rows) for name, rows in zip(TYPES, tail, strict=True)]
