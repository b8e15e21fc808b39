"""From events and policies to what the rules of `merchant-reputation` read: facts, credits and bounds.

Nothing is judged here. Names become numbers, texts become integers, a receipt gets the instant at which
its default credit falls due.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, get_args

from domain.calendar import parse_instant
from domain.events import Event, OrderFlagged
from domain.fields import OrderKind
from domain.limits import HOUR_MICROS
from domain.merchant_reputation.rule import (
    BEFORE_ALL,
    CLOSED,
    NO_CAP,
    OPENED,
    PAID,
    RECEIVED,
    REVIEWED,
    Credit,
    Fact,
    History,
    Rules,
    Span,
)
from domain.merchant_reputation.running import span_at
from domain.policy import Policy, Term

KINDS: Final = get_args(OrderKind)
LIFE_TYPES: Final = ("merchant.onboarded", "merchant.closed")
ORDER_TYPES: Final = ("order.paid", "order.received", "review.posted")
FLAG_TYPES: Final = ("order.flagged", "order.cleared")
_KIND_NUMBERS: Final = {kind: number for number, kind in enumerate(KINDS)}


def rules_of(policy: Policy) -> Rules:
    """The rules that a policy sets."""
    value = {name: item.value for name, item in policy.parameters.items()}
    stars = {star: name for name, group in value["star_classes"].items() for star in group}
    return Rules(
        start=parse_instant(value["statistics_from"]),
        tenths_of_stars=(0, *(value["review_tenths"][stars[star]] for star in range(1, 6))),
        default_tenths=value["default_tenths"],
        window_micros=value["review_hours"] * HOUR_MICROS,
        amount_fen_min=value["amount_fen_min"],
        kind_counts=tuple(kind in value["counted_kinds"] for kind in KINDS),
        pair_cap_tenths=value["pair_cap_tenths"],
        level_bounds=tuple(level["from_tenths"] for level in value["levels"]),
        growth_caps=_caps_by_level(value["growth_caps"], ["", *codes_of(policy)]),
        publication_day=value["publication"]["day"],
        publication_hour=value["publication"]["hour"],
    )


def _caps_by_level(caps: Sequence[dict[str, int | str]], codes: Sequence[str]) -> tuple[int, ...]:
    by_code = {cap["from"]: int(cap.get("tenths", NO_CAP)) for cap in caps}
    result: list[int] = []
    for code in codes:
        result.append(by_code.get(code, result[-1] if result else NO_CAP))
    return tuple(result)


def spans_of(terms: Iterable[Term]) -> list[Span]:
    """The rules by month of each term."""
    return [Span(term.begins, rules_of(term.policy), codes_of(term.policy)) for term in terms]


def codes_of(policy: Policy) -> tuple[str, ...]:
    """The codes of a policy's levels, the lowest first."""
    return tuple(level["code"] for level in policy.parameters["levels"].value)


class Names(NamedTuple):
    """The numbers of a merchant's orders and buyers, from 0 as they appear."""

    orders: dict[str, int]
    buyers: dict[str, int]


def history_of(events: Iterable[Event], spans: Sequence[Span], as_of: int, names: Names | None = None) -> History:
    """The facts among a merchant's events, which are given by (`occurred_at`, position).

    With `names` the numbers are kept for `facts_of` to go on with.
    """
    names = names or Names({}, {})
    ordered = list(events)
    facts = facts_of(ordered, spans, names)
    flags = {
        names.orders.setdefault(event.data.order, len(names.orders)): isinstance(event.data, OrderFlagged)
        for event in ordered
        if event.type in FLAG_TYPES
    }
    flagged = [flags.get(order, False) for order in range(len(names.orders))]
    return History(facts, credits_of(facts, as_of), flagged, len(names.buyers))


def facts_of(events: Iterable[Event], spans: Sequence[Span], names: Names) -> list[Fact]:
    """The facts among events, in their order; new names get the next numbers."""
    orders, buyers = names
    facts: list[Fact] = []
    # The window is that of the receipt's own month, so that the calendar alone says when it ends.
    for event in events:
        what = _WHAT.get(event.type)
        if what is None:
            continue
        data, at, position = event.data, event.occurred_at, event.position
        if what == PAID:
            order, buyer = orders.setdefault(data.order, len(orders)), buyers.setdefault(data.buyer, len(buyers))
            facts.append(Fact(at, position, what, order, buyer, data.amount, _KIND_NUMBERS[data.kind]))
        elif what == RECEIVED:
            order, due = orders.setdefault(data.order, len(orders)), at + span_at(spans, at).rules.window_micros
            facts.append(Fact(at, position, what, order, due=due))
        elif what == REVIEWED:
            order = orders.setdefault(data.order, len(orders))
            facts.append(Fact(at, position, what, order, stars=data.quality))
        else:
            facts.append(Fact(at, position, what))
    return facts


def credits_of(facts: Iterable[Fact], as_of: int, after: int = BEFORE_ALL) -> list[Credit]:
    """The default credits that fall due up to an instant, and after another, in order."""
    return sorted(
        Credit(fact.due, fact.position, fact.order)
        for fact in facts
        if fact.what == RECEIVED and after < fact.due <= as_of
    )


_WHAT: Final = {
    "merchant.onboarded": OPENED,
    "merchant.closed": CLOSED,
    "order.paid": PAID,
    "order.received": RECEIVED,
    "review.posted": REVIEWED,
}
