"""The least that takes a merchant to the next tier: time alone, orders and reviews by the next evaluation, a fast day.

From where the merchant stands, with what it did on the open day. What is done is done a minute later at the earliest.
The daily limits of a tier are information: no rule turns an order away that is beyond them, and no way heeds them.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from domain.calendar import day_of, day_start
from domain.limits import AMOUNT_FEN_MAX, MINUTE_MICROS
from domain.merchant_tier.facts import end_of
from domain.merchant_tier.least import Least, least_fast_day, least_in_window, of_each
from domain.merchant_tier.rule import acted, takes_effect
from domain.merchant_tier.running import Window, run, span_on
from domain.merchant_tier.unchanged import remembered
from domain.merchant_tier.values import Account, Bounds, Day, DayOpening, History, Rules, Span, Tier
from domain.rules.contributions import FEN, ORDERS, REVIEWS
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
from replay.schemes.merchant_tier.replay import TierReplay

ORDERS_AND_REVIEWS: Final = "orders_and_reviews"
FAST_UPGRADE: Final = "fast_upgrade"
KINDS_OF_WAYS: Final = (TIME, ORDERS_AND_REVIEWS, FAST_UPGRADE)
_PLAIN_AMOUNT: Final = 100
"""Of an order whose amount does not matter."""


class _Asked(NamedTuple):
    """What is asked of one merchant, and what is known of the days before it."""

    subject: str
    level: str
    history: History
    """Up to the instant that was asked from: of the open day, too."""
    window: Window
    spans: Sequence[Span]
    closed: DayOpening
    begins: int
    """The first instant at which something can be done."""
    until: int
    """From when on other rules judge; what they make of it is not reckoned."""
    alone: int | None
    """The day at whose close the tier is reached though nothing is done."""

    @property
    def first_day(self) -> int:
        return day_of(self.begins)

    def before_close(self, day: int) -> Account:
        """The account that is evaluated at a day's close, though nothing is done."""
        account = run(self.history, self.spans, day - 1, self.closed).account
        for act in self.history.acts:
            if act.day == day and day > self.closed.day and takes_effect(act.cause, account):
                account = acted(day, act.cause, act.tier, account, self.rules_on(day))
        return remembered(day, account, self.window, self.rules_on(day))

    def day_after_change(self, days: int) -> int:
        """The first day on which something can be done, so many days behind the last change, where there is one."""
        account = self.before_close(self.first_day)
        return max(self.first_day, account.since + days) if account.open else self.first_day

    def rules_on(self, day: int) -> Rules:
        return span_on(self.spans, day).rules

    def in_window(self, day: int) -> Day:
        """The figures of the window that ends with a day."""
        return self.window.over(day - self.rules_on(day).window_days + 1, day)

    def rises_to_it(self, day: int, account: Account) -> bool:
        """Whether the level is one step above an account, under the rules of a day."""
        codes = span_on(self.spans, day).codes
        return self.level in codes and codes.index(self.level) == account.tier + 1

    def instant_on(self, day: int) -> int:
        """The first instant of a day at which something can be done."""
        return max(self.begins, day_start(day))


def ways(replay: TierReplay, lay: Overlay[TierReplay]) -> Ways:
    """The ways from where a merchant stands at the replay's `as_of` to the next tier; `lay` lays events over it."""
    if not replay.is_rated:
        return Ways(None, (), tuple(NoWay(kind, str(replay.state)) for kind in KINDS_OF_WAYS))
    codes = span_on(replay.spans, replay.day).codes
    if replay.account.tier + 1 == len(codes):
        return Ways(None, (), ())
    asked = _asked(replay, lay, codes[replay.account.tier + 1])
    tried = [_time_alone(asked), _orders_and_reviews(asked), _fast_upgrade(asked)]
    found = tuple(item for item in tried if isinstance(item, Way))
    return Ways(asked.level, found, tuple(item for item in tried if isinstance(item, NoWay)))


def _asked(replay: TierReplay, lay: Overlay[TierReplay], level: str) -> _Asked:
    as_of, history = replay.moment.as_of, replay.bearing_ahead()
    until = rules_until(replay.policies.own, lay((), as_of + LOOKED_AHEAD).policies.own)
    closed = DayOpening(replay.day, replay.account)
    begins = as_of + MINUTE_MICROS
    asked = _Asked(replay.subject, level, history, Window(history.days), replay.spans, closed, begins, until, None)
    return asked._replace(alone=_day_alone(asked))


def _day_alone(asked: _Asked) -> int | None:
    """No tier rises once nothing is left in the window."""
    last = asked.first_day + max(span.rules.window_days for span in asked.spans)
    for change in run(asked.history, asked.spans, last, asked.closed).changes:
        codes, after = span_on(asked.spans, change.day).codes, change.after
        if after.open and not after.cleared_out and asked.level in codes[: after.tier + 1]:
            return change.day if end_of(change.day) < asked.until else None
    return None


def _time_alone(asked: _Asked) -> Way | NoWay:
    if asked.alone is None:
        return NoWay(TIME, "indicators_stay")
    return Way(TIME, (), asked.level, (), end_of(asked.alone), None, None)


def _orders_and_reviews(asked: _Asked) -> Way | NoWay:
    """By the close of the first day on which the tier is evaluated after its waiting time."""
    day = asked.day_after_change(asked.rules_on(asked.first_day).wait_days)
    account = asked.before_close(day)
    why = _why_not(asked, day, account)
    if why is not None:
        return NoWay(ORDERS_AND_REVIEWS, why)
    tier, window = asked.rules_on(day).tiers[account.tier], asked.in_window(day)
    return _way_of(asked, ORDERS_AND_REVIEWS, day, least_in_window(window, tier.up), _each_alone(window, tier.up))


def _fast_upgrade(asked: _Asked) -> Way | NoWay:
    """By one day within the waiting time: the first on which something can be done."""
    day = asked.day_after_change(1)
    account, rules = asked.before_close(day), asked.rules_on(day)
    why = _why_not(asked, day, account)
    if why is not None:
        return NoWay(FAST_UPGRADE, why)
    if day >= account.since + rules.wait_days:
        return NoWay(FAST_UPGRADE, "waiting_is_over")
    tier, window = rules.tiers[account.tier], asked.in_window(day)
    is_done = account.fast_day <= day
    least = least_in_window(window, tier.up) if is_done else _least_on(asked, day, tier)
    return _way_of(asked, FAST_UPGRADE, day, least, _each_alone(window, tier.up))


def _least_on(asked: _Asked, day: int, tier: Tier) -> Least | None:
    return least_fast_day(asked.window.over(day, day), asked.in_window(day), tier, asked.rules_on(day))


def _why_not(asked: _Asked, day: int, account: Account) -> str | None:
    """Why no orders or reviews of a day help, however many."""
    if asked.alone is not None and asked.alone <= day:
        return "comes_by_itself"
    if account.cleared_out:
        return "cleared_out_before"
    if end_of(day) >= asked.until or span_on(asked.spans, day) is not span_on(asked.spans, asked.closed.day):
        return "rules_change"
    if not account.open:
        return "closed"
    if not asked.rises_to_it(day, account):
        return "moves_before"
    return None


def _each_alone(window: Day, up: Bounds) -> tuple[Need, ...]:
    each = of_each(window, up)
    if each is None:
        return ()
    units = (ORDERS, REVIEWS, REVIEWS)
    needs = (Need(f"{name}_rate", amount, unit) for name, amount, unit in zip(each._fields, each, units, strict=True))
    return tuple(need for need in needs if need.amount)


def _way_of(asked: _Asked, kind: str, day: int, least: Least | None, each_alone: tuple[Need, ...]) -> Way | NoWay:
    if least is None:
        return NoWay(kind, "bound_out_of_reach")
    needs = (
        Need("new_orders", least.orders, ORDERS),
        Need("good_reviews_of_them", least.reviews, REVIEWS),
        Need("gmv_of_them", least.gmv_fen, FEN),
    )
    asks = tuple(need for need in needs if need.amount)
    if least.orders + least.reviews > PROVED_EVENTS_MAX:
        return NoWay(kind, TOO_MANY_TO_PROVE, asks)
    less = (
        least._replace(orders=least.orders - 1, reviews=min(least.reviews, least.orders - 1)),
        least._replace(reviews=least.reviews - 1),
        least._replace(gmv_fen=least.gmv_fen - 1),
    )
    plain = 0 if least.gmv_fen else _PLAIN_AMOUNT
    without = [_events(asked, day, one, plain) for one, need in zip(less, needs, strict=True) if need.amount]
    events = _events(asked, day, least, plain)
    reached_at = end_of(day)
    return Way(kind, asks, asked.level, events, reached_at, None, without[0], tuple(without[1:]), each_alone)


def _events(asked: _Asked, day: int, least: Least, plain: int) -> tuple[Hypothetical, ...]:
    """New orders, paid and the first of them reviewed at once; their amounts as alike as can be, or a plain one."""
    at, subject = asked.instant_on(day), asked.subject
    events = []
    for number in range(least.orders):
        name = named(at, number + 1)
        amount = min((least.gmv_fen + number) // least.orders or plain, AMOUNT_FEN_MAX)
        paid = {"order": name, "buyer": name, "amount": amount}
        events.append(Hypothetical(at, subject, "order.paid", paid))
        if number < least.reviews:
            review = {"order": name, "quality": 5, "service": 5}
            events.append(Hypothetical(at, subject, "review.posted", review))
    return tuple(events)
