"""What is recorded as it came and may surprise later: retractions of nothing, and effects before their cause.

The rules judge by (`occurred_at`, position). A retraction before its event does nothing; a review that was taken in
before the payment of its order at the same instant has an unknown order. Both are counted as they come, in
the transaction: within the batch, and of the past by index, for those events alone that can be a cause or a retraction.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from replay.store.base.transaction import Transaction
from replay.store.record import Candidate
from replay.store.searching.across import Place, places_at_instant, places_of, places_with_refs

RETRACTION: Final = "event.retracted"
OPENING: Final = "merchant.onboarded"
EFFECTS: Final = {
    "order.paid": frozenset({"order.received", "review.posted", "order.complained"}),
    "sale.settled": frozenset({"sale.refunded"}),
    "creator.bound": frozenset({"creator.unbound"}),
    OPENING: frozenset({"order.paid", "order.received", "review.posted", "merchant.closed", "merchant.tier_set"}),
}
"""By type of a cause, what it has to stand before: of the same order or creator, of an opening of the merchant."""


class Oddities(NamedTuple):
    """How many there were in a batch."""

    retract_nothing: int = 0
    """Retractions that name no event of their subject that was recorded before them."""
    effects_first: int = 0
    """Pairs of one subject, one order and one instant, the effect recorded before its cause."""


def oddities(transaction: Transaction, new: Sequence[Candidate]) -> Oddities:
    """Those among new events, in their order, before they are inserted."""
    return Oddities(_retract_nothing(transaction, new), _effects_first(transaction, new))


def _retract_nothing(transaction: Transaction, new: Sequence[Candidate]) -> int:
    if all(item.type != RETRACTION for item in new):
        return 0
    there = set(places_of(transaction, {(item.stream, *_named(item)) for item in new if item.type == RETRACTION}))
    nothing = 0
    for item in new:
        if item.type == RETRACTION and (item.stream, *_named(item)) not in there:
            nothing += 1
        there.add((item.stream, item.source, item.event_id))
    return nothing


def _named(item: Candidate) -> tuple[str, str]:
    source, _, event_id = (item.ref or "").partition(" ")
    return source, event_id


def _effects_first(transaction: Transaction, new: Sequence[Candidate]) -> int:
    causes = [(number, item) for number, item in enumerate(new) if item.type in EFFECTS]
    if not causes:
        return 0
    past = _past_of(transaction, [item for _, item in causes])
    in_batch: dict[tuple[str, str | None], list[Place]] = {(item.stream, item.ref): [] for _, item in causes}
    for number, item in enumerate(new):  # the number in the batch stands for the position that it will get
        for ref in (None,) if item.ref is None else (item.ref, None):
            if (places := in_batch.get((item.stream, ref))) is not None:
                places.append(Place(number, item.occurred_at, item.type))
    found = 0
    for number, item in causes:
        key = (item.stream, item.ref)
        before = past.get(key, []) + [place for place in in_batch[key] if place.position < number]
        found += _effects_of(item, before)
    return found


def _effects_of(cause: Candidate, before: Sequence[Place]) -> int:
    """Of what was recorded before a cause, the effects at its instant that no earlier cause stands before."""
    found = 0
    for place in before:
        if place.type == cause.type and place.occurred_at <= cause.occurred_at:
            break
        found += place.occurred_at == cause.occurred_at and place.type in EFFECTS[cause.type]
    return found


def _past_of(transaction: Transaction, causes: Sequence[Candidate]) -> dict[tuple[str, str | None], list[Place]]:
    """What was recorded before of the same orders and creators; of openings, what happened at the same instant."""
    past: dict[tuple[str, str | None], list[Place]] = defaultdict(list)
    about = {(item.stream, item.ref) for item in causes if item.ref is not None}
    for key, place in places_with_refs(transaction, about):
        past[key].append(place)
    for item in causes:
        if item.type == OPENING:
            past[item.stream, None] = places_at_instant(transaction, item.stream, item.occurred_at)
    for places in past.values():
        places.sort()
    return past
