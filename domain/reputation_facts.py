"""From events and policies to what the rules of `merchant-reputation` read: facts, credits and bounds.

Nothing is judged here. Names become numbers, texts become integers, a receipt gets the instant at which
its default credit falls due.
"""

from collections.abc import Iterable, Sequence
from typing import Final, get_args

from domain.calendar import parse_instant
from domain.events import Event, OrderFlagged, OrderKind
from domain.limits import HOUR_MICROS
from domain.policy import Policy, Term
from domain.reputation import (
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
    span_at,
)

KINDS: Final = get_args(OrderKind)
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


def history_of(events: Iterable[Event], spans: Sequence[Span], as_of: int) -> History:
    """The facts among a merchant's events, which are given by (`occurred_at`, position)."""
    orders: dict[str, int] = {}
    buyers: dict[str, int] = {}
    facts: list[Fact] = []
    credits: list[Credit] = []
    flags: dict[int, bool] = {}
    # The window is that of the receipt's own month, so that the calendar alone says when it ends.
    for event in events:
        data, what = event.data, _WHAT.get(event.type)
        at, position = event.occurred_at, event.position
        if what is None:
            if event.type in FLAG_TYPES:
                flags[orders.setdefault(data.order, len(orders))] = isinstance(data, OrderFlagged)
        elif what == PAID:
            order, buyer = orders.setdefault(data.order, len(orders)), buyers.setdefault(data.buyer, len(buyers))
            facts.append(Fact(at, position, what, order, buyer, data.amount, _KIND_NUMBERS[data.kind]))
        elif what == RECEIVED:
            order, due = orders.setdefault(data.order, len(orders)), at + span_at(spans, at).rules.window_micros
            facts.append(Fact(at, position, what, order, due=due))
            if due <= as_of:
                credits.append(Credit(due, position, order))
        elif what == REVIEWED:
            order = orders.setdefault(data.order, len(orders))
            facts.append(Fact(at, position, what, order, stars=data.quality))
        else:
            facts.append(Fact(at, position, what))
    credits.sort()
    return History(facts, credits, [flags.get(order, False) for order in range(len(orders))], len(buyers))


_WHAT: Final = {
    "merchant.onboarded": OPENED,
    "merchant.closed": CLOSED,
    "order.paid": PAID,
    "order.received": RECEIVED,
    "review.posted": REVIEWED,
}
