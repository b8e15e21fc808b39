"""The least that takes a merchant's reputation to the next level: time alone, or reviews, of orders that wait too.

From where the merchant stands, with what comes of that by itself. What is done is done a minute later at the earliest;
the levels are running ones, and count towards the outside with the publication of the month at whose close they hold.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final, NamedTuple

from domain.calendar import month_of
from domain.limits import AMOUNT_FEN_MAX, MINUTE_MICROS
from domain.merchant_reputation.account import publication_of
from domain.merchant_reputation.facts import KINDS, credits_of, history_of
from domain.merchant_reputation.fewest import EntryTenths, Fewest, Placement, fewest_reviews
from domain.merchant_reputation.outlook import (
    Coming,
    Outlook,
    at_close,
    best_stars,
    bound_of,
    next_level,
    outlook,
    reached_alone,
    reaches,
)
from domain.merchant_reputation.rule import NEVER, Rules, Span, State
from domain.merchant_reputation.running import span_at
from domain.rules.contributions import REVIEWS
from replay.replaying.hypothetical import (
    LOOKED_AHEAD,
    PROVED_EVENTS_MAX,
    TIME,
    TOO_MANY_TO_PROVE,
    Hypothetical,
    Need,
    NoWay,
    Overlay,
    Way,
    Ways,
    named,
    rules_until,
)
from replay.schemes.merchant_reputation.replay import ReputationReplay

GOOD_REVIEWS: Final = "good_reviews"
REVIEWS_OF_WAITING: Final = "reviews_of_waiting_orders"
KINDS_OF_WAYS: Final = (TIME, GOOD_REVIEWS, REVIEWS_OF_WAITING)
_MONTHS_WATCHED: Final = 24
"""So long a level that is reached is awaited at a month's close: only credits that lower can take it away before."""


class _Question(NamedTuple):
    """What is asked of one merchant, and what answers it."""

    replay: ReputationReplay
    level: str
    found: Outlook
    alone: int | None
    """When the level is reached though nothing is done."""
    until: int
    """From when on other rules judge; what they make of it is not reckoned."""
    orders: dict[int, str]
    """By position of a receipt, its order."""

    @property
    def spans(self) -> Sequence[Span]:
        return self.replay.spans

    @property
    def span(self) -> Span:
        """That holds when something can be done."""
        return span_at(self.spans, self.found.begins)

    @property
    def worth(self) -> EntryTenths:
        rules = self.span.rules
        return EntryTenths(rules.tenths_of_stars[best_stars(rules)], rules.default_tenths)


def ways(replay: ReputationReplay, lay: Overlay[ReputationReplay]) -> Ways:
    """The ways from where a merchant stands at the replay's `as_of` to the next level; `lay` lays events over it."""
    shown = replay.shown
    if shown.state in (State.NOT_ONBOARDED, State.CLOSED):
        return Ways(None, (), tuple(NoWay(kind, str(shown.state)) for kind in KINDS_OF_WAYS))
    level = next_level(replay.run.account, span_at(replay.spans, replay.moment.as_of))
    if level is None:
        return Ways(None, (), ())
    asked = _question(replay, lay, level)
    tried = [_time_alone(asked), _good_reviews(asked), _reviews_of_waiting(asked)]
    found = tuple(item for item in tried if isinstance(item, Way))
    return Ways(level, found, tuple(item for item in tried if isinstance(item, NoWay)))


def _question(replay: ReputationReplay, lay: Overlay[ReputationReplay], level: str) -> _Question:
    as_of, spans = replay.moment.as_of, replay.spans
    events, opening = replay.bearing_ahead()
    history = history_of(events, spans, as_of)
    later = credits_of(history.facts, NEVER, as_of)
    found = outlook(history, later, spans, opening, (as_of, as_of + MINUTE_MICROS))
    orders = {event.position: event.data.order for event in events if event.type == "order.received"}
    until = rules_until(replay.policies.own, lay((), as_of + LOOKED_AHEAD).policies.own)
    alone = reached_alone(found, level, spans)
    return _Question(replay, level, found, alone if alone is not None and alone < until else None, until, orders)


def _time_alone(asked: _Question) -> Way | NoWay:
    if asked.alone is None:
        came = [credit.at for credit in (*asked.found.soon, *asked.found.coming)]
        if came and came[-1] >= asked.until:
            return NoWay(TIME, "rules_change")
        return NoWay(TIME, "too_little_comes" if came else "nothing_comes")
    effective_at = _effective(asked, asked.alone)
    return Way(TIME, (), asked.level, (), asked.alone, _told(effective_at), None)


def _effective(asked: _Question, reached_at: int, done: Sequence[Coming] = ()) -> int | None:
    """When the first month is published at whose close the level holds that is reached at an instant; NEVER where
    other rules judge by then, so that nothing can be said, and None where it does not hold.
    """
    begins = month_of(reached_at)
    for month in range(begins, begins + _MONTHS_WATCHED):
        publication = publication_of(month, asked.spans)
        if publication.at >= asked.until:
            return NEVER
        if reaches(at_close(asked.found, month, asked.spans, done), asked.level, publication.span):
            return publication.at
    return None


def _told(effective_at: int | None) -> int | None:
    """What a way says of it."""
    return None if effective_at == NEVER else effective_at


def _good_reviews(asked: _Question) -> Way | NoWay:
    why = _why_not(asked)
    if why is not None:
        return NoWay(GOOD_REVIEWS, why)
    found = fewest_reviews(asked.found, asked.level, asked.worth, asked.spans)
    if found is None:
        return NoWay(GOOD_REVIEWS, _why_never(asked))
    if found.reached_at >= asked.until:
        return NoWay(GOOD_REVIEWS, "rules_change")
    if found.reviews == 0:
        return NoWay(GOOD_REVIEWS, "comes_by_itself")
    needs = (Need(GOOD_REVIEWS, found.reviews, REVIEWS),)
    if 2 * found.reviews > PROVED_EVENTS_MAX:
        return NoWay(GOOD_REVIEWS, TOO_MANY_TO_PROVE, needs)
    done = [Coming(placement.at, placement.reviews * asked.worth.review) for placement in found.placements]
    effective_at = _effective(asked, found.reached_at, done)
    if effective_at is None:
        return NoWay(GOOD_REVIEWS, "credits_lower", needs)
    events = _reviewed_orders(asked, found)
    return Way(GOOD_REVIEWS, needs, asked.level, events, found.reached_at, _told(effective_at), events[:-2])


def _why_never(asked: _Question) -> str:
    """Why no number of reviews is enough, by what ends the look ahead."""
    if asked.found.coming and asked.worth.credit < 0:
        return "credits_lower"
    return "rules_change" if asked.span is not asked.spans[-1] else "growth_cap"


def _reviewed_orders(asked: _Question, found: Fewest) -> tuple[Hypothetical, ...]:
    """Orders that are paid and reviewed at once, each by somebody new."""
    rules, numbers = asked.span.rules, count(1)
    return tuple(
        event
        for placement in found.placements
        for number, _ in zip(numbers, range(placement.reviews), strict=False)
        for event in _reviewed_order(asked.replay.subject, placement, named(placement.at, number), rules)
    )


def _reviewed_order(subject: str, placement: Placement, name: str, rules: Rules) -> Iterable[Hypothetical]:
    paid = {"order": name, "buyer": name, "amount": rules.amount_fen_min, "kind": _kind_that_counts(rules)}
    yield Hypothetical(placement.at, subject, "order.paid", paid)
    yield _review(subject, placement.at, name, rules)


def _review(subject: str, at: int, order: str, rules: Rules) -> Hypothetical:
    return Hypothetical(at, subject, "review.posted", {"order": order, "quality": best_stars(rules)})


def _reviews_of_waiting(asked: _Question) -> Way | NoWay:
    """At once: reviews of orders whose default credits would come later."""
    found, worth = asked.found, asked.worth
    why = _why_not(asked) or ("none_wait" if not found.waiting else None)
    if why is not None:
        return NoWay(REVIEWS_OF_WAITING, why)
    bound = bound_of(asked.level, asked.span)
    assert bound is not None, "it is asked for no more where the rules do not know it"
    wanted = -(-(bound - found.account.points) // worth.review)
    needs = (Need(REVIEWS_OF_WAITING, wanted, REVIEWS),)
    if wanted > len(found.waiting):
        return NoWay(REVIEWS_OF_WAITING, "too_few_wait", needs)
    if wanted * worth.review > found.account.cap - found.account.growth:
        return NoWay(REVIEWS_OF_WAITING, "growth_cap", needs)
    if wanted > PROVED_EVENTS_MAX:
        return NoWay(REVIEWS_OF_WAITING, TOO_MANY_TO_PROVE, needs)
    done = [Coming(found.begins, worth.review, position) for position in found.waiting[:wanted]]
    effective_at = _effective(asked, found.begins, done)
    if effective_at is None:
        return NoWay(REVIEWS_OF_WAITING, "credits_lower", needs)
    names = [asked.orders[review.position] for review in done]
    events = tuple(_review(asked.replay.subject, found.begins, name, asked.span.rules) for name in names)
    return Way(REVIEWS_OF_WAITING, needs, asked.level, events, found.begins, _told(effective_at), events[:-1])


def _why_not(asked: _Question) -> str | None:
    """Why no review can help, whose ever it is."""
    found, worth, rules = asked.found, asked.worth, asked.span.rules
    if asked.alone is not None and asked.alone <= found.begins:
        return "comes_by_itself"
    if bound_of(asked.level, asked.span) is None or found.begins >= asked.until:
        return "rules_change"
    if worth.review <= 0:
        return "worth_nothing"
    if worth.review > rules.pair_cap_tenths:
        return "pair_cap"
    if found.begins < rules.start:
        return "before_start"
    if _kind_that_counts(rules) is None or rules.amount_fen_min > AMOUNT_FEN_MAX:
        return "no_order_counts"
    return None


def _kind_that_counts(rules: Rules) -> str | None:
    """A kind of orders that count: the plain one, where it does."""
    return next((kind for kind, counts in zip(KINDS, rules.kind_counts, strict=True) if counts), None)
