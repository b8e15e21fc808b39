"""Simple events to suppose of a subject, by its kind: so many of one, at one instant; each by or of something new."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from domain.limits import AMOUNT_FEN_MAX, CREDIT_POINTS_MAX, POINTS_MAX
from replay.errors import UsageError
from replay.replaying.hypothetical import Hypothetical, in_parts, named

COUNT_MAX: Final = 100_000_000
"""So much is supposed at most."""
EVENTS_MAX: Final = 1_000
"""So many events of a name are supposed at most: of reviews, which bring an order each, half as many."""
_ORDER_FEN: Final = 10_000
_FEN_TO_A_YUAN: Final = 100
Simple = Callable[[str, int, int], Iterator[Hypothetical]]
"""A subject, how many, and when → the events."""


def _reviews(stars: int) -> Simple:
    """Reviews of the description and the service, each of an order of 100 yuan by somebody new."""

    def made(subject: str, count: int, at: int) -> Iterator[Hypothetical]:
        for name in _names(count, at):
            paid = {"order": name, "buyer": name, "amount": _ORDER_FEN}
            yield Hypothetical(at, subject, "order.paid", paid)
            yield Hypothetical(at, subject, "review.posted", {"order": name, "quality": stars, "service": stars})

    return made


def _complaints(subject: str, count: int, at: int) -> Iterator[Hypothetical]:
    for name in _names(count, at):
        yield Hypothetical(at, subject, "order.complained", {"order": name})


def _good_sales(subject: str, yuan: int, at: int) -> Iterator[Hypothetical]:
    """Sales of good goods by the showcase that come to so many yuan."""
    for number, amount in enumerate(in_parts(yuan * _FEN_TO_A_YUAN, AMOUNT_FEN_MAX), 1):
        sale = {"order": named(at, number), "amount": amount, "good_goods": True, "channel": "showcase"}
        yield Hypothetical(at, subject, "sale.settled", sale)


def _points(subject: str, points: int, at: int) -> Iterator[Hypothetical]:
    for number, part in enumerate(in_parts(points, POINTS_MAX), 1):
        yield Hypothetical(at, subject, "points.earned", {"task": named(at, number), "points": part})


def _credit(event_type: str) -> Simple:
    """Credit points, of new violations where they are deducted."""

    def made(subject: str, points: int, at: int) -> Iterator[Hypothetical]:
        for number, part in enumerate(in_parts(points, CREDIT_POINTS_MAX), 1):
            violation = {"violation": named(at, number)} if event_type == "credit.deducted" else {}
            yield Hypothetical(at, subject, event_type, violation | {"points": part})

    return made


def _names(count: int, at: int) -> Iterator[str]:
    return (named(at, number) for number in range(1, count + 1))


SIMPLE: Final[dict[str, dict[str, Simple]]] = {
    "merchant": {"good_reviews": _reviews(5), "bad_reviews": _reviews(1), "complaints": _complaints},
    "creator": {"good_sales": _good_sales, "points": _points, "credit_deducted": _credit("credit.deducted")},
    "mcn": {"credit_granted": _credit("credit.granted"), "credit_deducted": _credit("credit.deducted")},
}
"""By kind of subject, what can be supposed of it by its name alone."""
NAMES: Final = tuple(dict.fromkeys(name for simple in SIMPLE.values() for name in simple))


def simple_events(subject: str, name: str, count: int, at: int) -> list[Hypothetical]:
    """The events of a name; none where it is not one of the subject's kind. Raises UsageError for too many."""
    made = SIMPLE[subject.partition("/")[0]].get(name)
    if made is None:
        return []
    found = list(islice(made(subject, count, at), EVENTS_MAX + 1))
    if len(found) > EVENTS_MAX:
        raise UsageError(f"count {count} of {name} takes more than {EVENTS_MAX} events; suppose less at a time")
    return found
