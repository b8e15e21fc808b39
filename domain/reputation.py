"""The scheme `merchant-reputation`: a merchant's orders and reviews → points, a grade and verdicts.

RULEBOOK §1. Facts of one merchant go in, in the order of their instants (ties: ledger position);
out come the state and a verdict for every entry that could have moved the points. Integers only:
points in tenths, money in fen, instants in microseconds.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, get_args

from domain.calendar import month_of, month_start, parse_instant
from domain.events import Event, OrderFlagged, OrderKind, OrderPaid, ReviewPosted
from domain.limits import HOUR_MICROS
from domain.policy import Policy

SCHEME: Final = "merchant-reputation"
KINDS: Final = get_args(OrderKind)
NO_CAP: Final = 2**62
_UNSEEN: Final = -1


class What(IntEnum):
    """What a fact says."""

    OPENED = 0
    CLOSED = 1
    PAID = 2
    RECEIVED = 3
    REVIEWED = 4


class Verdict(StrEnum):
    """What became of an entry. From BEFORE_START on in the order of precedence: the first that applies."""

    DUPLICATE_ORDER = "duplicate_order"
    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_RECEIPT = "duplicate_receipt"
    REPEAT_REVIEW = "repeat_review"
    LATE_REVIEW = "late_review"
    WIPED = "wiped"
    BEFORE_START = "before_start"
    CLOSED = "closed"
    LOW_AMOUNT = "low_amount"
    ORDER_KIND = "order_kind"
    FLAGGED = "flagged"
    NEUTRAL = "neutral"
    PAIR_CAP = "pair_cap"
    GROWTH_CAP = "growth_cap"
    COUNTED = "counted"


class State(StrEnum):
    """Whether there is a level."""

    NOT_ONBOARDED = "not_onboarded"
    CLOSED = "closed"
    RATED = "rated"
    UNRATED = "unrated"


class Fact(NamedTuple):
    """One event as the rules read it; orders and buyers are numbered from 0 as they appear."""

    at: int
    position: int
    what: int
    order: int = 0
    buyer: int = 0
    amount_fen: int = 0
    kind: int = 0
    stars: int = 0


class History(NamedTuple):
    """The facts of one merchant, in order, and what corrections say of its orders."""

    facts: list[Fact]
    flagged: list[bool]
    """By order number: whether the latest flag or clear known is a flag."""
    buyers: int
    """How many buyers there are."""


class Rules(NamedTuple):
    """A policy's parameters as the rules read them."""

    start: int
    tenths_of_stars: tuple[int, ...]
    default_tenths: int
    window_micros: int
    amount_fen_min: int
    kind_counts: tuple[bool, ...]
    pair_cap_tenths: int
    level_bounds: tuple[int, ...]
    """Lower bounds in tenths, rising."""
    growth_caps: tuple[int, ...]
    """In tenths, by the number of bounds reached; NO_CAP for none."""


class Finding(NamedTuple):
    """The verdict on the event at `position`, judged at `at`; `tenths` is what it moved the points by."""

    at: int
    position: int
    verdict: Verdict
    tenths: int


class Standing(NamedTuple):
    """Where a merchant stands at the end of a run."""

    state: State
    points_tenths: int
    level: int
    """Number of level bounds reached; 0 is no level."""
    to_next_tenths: int | None
    """Points missing to the next level; None at the top or without a running count."""


def rules_of(policy: Policy) -> Rules:
    """The rules that a policy sets."""
    value = {name: item.value for name, item in policy.parameters.items()}
    stars = {star: name for name, group in value["star_classes"].items() for star in group}
    bounds = [level["from_tenths"] for level in value["levels"]]
    codes = ["", *(level["code"] for level in value["levels"])]
    return Rules(
        start=parse_instant(value["statistics_from"]),
        tenths_of_stars=(0, *(value["review_tenths"][stars[star]] for star in range(1, 6))),
        default_tenths=value["default_tenths"],
        window_micros=value["review_hours"] * HOUR_MICROS,
        amount_fen_min=value["amount_fen_min"],
        kind_counts=tuple(kind in value["counted_kinds"] for kind in KINDS),
        pair_cap_tenths=value["pair_cap_tenths"],
        level_bounds=tuple(bounds),
        growth_caps=_caps_by_level(value["growth_caps"], codes),
    )


def _caps_by_level(caps: Sequence[dict[str, int | str]], codes: Sequence[str]) -> tuple[int, ...]:
    by_code = {cap["from"]: int(cap.get("tenths", NO_CAP)) for cap in caps}
    result: list[int] = []
    for code in codes:
        result.append(by_code.get(code, result[-1] if result else NO_CAP))
    return tuple(result)


def history_of(events: Iterable[Event]) -> History:
    """The facts among a merchant's events, which are given by (`occurred_at`, position)."""
    orders: dict[str, int] = {}
    buyers: dict[str, int] = {}
    facts: list[Fact] = []
    flags: dict[int, bool] = {}
    for event in events:
        data, what = event.data, _WHAT.get(event.type)
        if what is not None:
            order = orders.setdefault(data.order, len(orders)) if what >= What.PAID else 0
            if isinstance(data, OrderPaid):
                buyer = buyers.setdefault(data.buyer, len(buyers))
                kind = KINDS.index(data.kind)
                facts.append(Fact(event.occurred_at, event.position, what, order, buyer, data.amount, kind))
            else:
                stars = data.quality if isinstance(data, ReviewPosted) else 0
                facts.append(Fact(event.occurred_at, event.position, what, order, stars=stars))
        elif event.type in ("order.flagged", "order.cleared"):
            flags[orders.setdefault(data.order, len(orders))] = isinstance(data, OrderFlagged)
    return History(facts, [flags.get(order, False) for order in range(len(orders))], len(buyers))


_WHAT: Final = {
    "merchant.onboarded": What.OPENED,
    "merchant.closed": What.CLOSED,
    "order.paid": What.PAID,
    "order.received": What.RECEIVED,
    "review.posted": What.REVIEWED,
}
READS: Final = (*_WHAT, "order.flagged", "order.cleared")


def run(history: History, rules: Rules, as_of: int) -> tuple[Standing, list[Finding]]:
    """Judge a merchant's history up to `as_of`, from nothing.

    The findings stand in the order of judgement; the tenths of all of them add up to the points.
    """
    book = _Book(rules, history)
    for fact in history.facts:
        book.credit_defaults(fact.at, fact.position)
        book.take(fact)
    book.credit_defaults(as_of + 1, _UNSEEN)
    return book.standing(), book.findings


@dataclass(slots=True)
class _Order:
    """What is known of one order so far."""

    paid: bool = False
    buyer: int = 0
    amount_fen: int = 0
    kind: int = 0
    closings_when_paid: int = 0
    received_at: int | None = None
    reviewed: bool = False
    scored: bool = False
    """A review in time is the order's one entry; a late one leaves the default credit standing."""


@dataclass(slots=True)
class _Book:
    """The running account of one merchant."""

    rules: Rules
    history: History
    findings: list[Finding] = field(default_factory=list)
    points: int = 0
    month_end: int = 0
    growth: int = 0
    cap: int = NO_CAP
    nets: dict[int, int] = field(default_factory=dict)
    """This month's net by buyer."""
    opened: bool = False
    open: bool = False
    closings: int = 0
    orders: list[_Order] = field(init=False)
    awaiting: deque[tuple[int, int, int]] = field(default_factory=deque)
    """(due instant, position of the receipt, order): first received, first due."""

    def __post_init__(self) -> None:
        self.orders = [_Order() for _ in self.history.flagged]

    def take(self, fact: Fact) -> None:
        if fact.what == What.PAID:
            self._pay(fact)
        elif fact.what == What.RECEIVED:
            self._receive(fact)
        elif fact.what == What.REVIEWED:
            self._review(fact)
        elif fact.what == What.OPENED:
            self.opened = self.open = True
        elif self.open:
            self._close(fact)

    def credit_defaults(self, at: int, position: int) -> None:
        """Judge the default credits that fall due before (`at`, `position`)."""
        while self.awaiting and self.awaiting[0][:2] < (at, position):
            due, receipt, order = self.awaiting.popleft()
            if not self.orders[order].scored:
                self._enter(due, receipt, order, self.rules.default_tenths)

    def standing(self) -> Standing:
        level = bisect_right(self.rules.level_bounds, self.points)
        if not self.opened:
            return Standing(State.NOT_ONBOARDED, 0, 0, None)
        if not self.open:
            return Standing(State.CLOSED, 0, 0, None)
        bounds = self.rules.level_bounds
        to_next = bounds[level] - self.points if level < len(bounds) else None
        return Standing(State.RATED if level else State.UNRATED, self.points, level, to_next)

    def _pay(self, fact: Fact) -> None:
        order = self.orders[fact.order]
        if order.paid:
            self._find(fact, Verdict.DUPLICATE_ORDER)
            return
        order.paid = True
        order.buyer, order.amount_fen, order.kind = fact.buyer, fact.amount_fen, fact.kind
        order.closings_when_paid = self.closings

    def _receive(self, fact: Fact) -> None:
        order = self.orders[fact.order]
        if not order.paid:
            self._find(fact, Verdict.UNKNOWN_ORDER)
        elif order.received_at is not None:
            self._find(fact, Verdict.DUPLICATE_RECEIPT)
        else:
            order.received_at = fact.at
            self.awaiting.append((fact.at + self.rules.window_micros, fact.position, fact.order))

    def _review(self, fact: Fact) -> None:
        order = self.orders[fact.order]
        if not order.paid:
            self._find(fact, Verdict.UNKNOWN_ORDER)
            return
        if order.reviewed:
            self._find(fact, Verdict.REPEAT_REVIEW)
            return
        order.reviewed = True
        if order.received_at is not None and fact.at >= order.received_at + self.rules.window_micros:
            self._find(fact, Verdict.LATE_REVIEW)
            return
        order.scored = True
        self._enter(fact.at, fact.position, fact.order, self.rules.tenths_of_stars[fact.stars])

    def _close(self, fact: Fact) -> None:
        self._turn_month(fact.at)
        self.findings.append(Finding(fact.at, fact.position, Verdict.WIPED, -self.points))
        self.points = self.growth = 0
        self.nets.clear()
        self.cap = self.rules.growth_caps[0]
        self.open = False
        self.closings += 1

    def _enter(self, at: int, position: int, order_number: int, tenths: int) -> None:
        """Judge an entry: the first test that applies gives the verdict."""
        self._turn_month(at)
        order = self.orders[order_number]
        verdict = self._judge(at, order, self.history.flagged[order_number], tenths)
        if verdict is not Verdict.COUNTED:
            self.findings.append(Finding(at, position, verdict, 0))
            return
        self.points += tenths
        self.growth += tenths
        self.nets[order.buyer] = self.nets.get(order.buyer, 0) + tenths
        self.findings.append(Finding(at, position, verdict, tenths))

    def _judge(self, at: int, order: _Order, flagged: bool, tenths: int) -> Verdict:
        rules = self.rules
        if at < rules.start or not self.opened:
            return Verdict.BEFORE_START
        if not self.open or order.closings_when_paid != self.closings:
            return Verdict.CLOSED
        if order.amount_fen < rules.amount_fen_min:
            return Verdict.LOW_AMOUNT
        if not rules.kind_counts[order.kind]:
            return Verdict.ORDER_KIND
        if flagged:
            return Verdict.FLAGGED
        if tenths == 0:
            return Verdict.NEUTRAL
        if abs(self.nets.get(order.buyer, 0) + tenths) > rules.pair_cap_tenths:
            return Verdict.PAIR_CAP
        if tenths > 0 and self.growth + tenths > self.cap:
            return Verdict.GROWTH_CAP
        return Verdict.COUNTED

    def _turn_month(self, at: int) -> None:
        """Begin the month of `at`, if it is a new one, under the level at the close of the one before."""
        if at < self.month_end:
            return
        level = bisect_right(self.rules.level_bounds, self.points) if self.open else 0
        self.cap = self.rules.growth_caps[level]
        self.month_end = month_start(month_of(at) + 1)
        self.growth = 0
        self.nets.clear()

    def _find(self, fact: Fact, verdict: Verdict) -> None:
        self.findings.append(Finding(fact.at, fact.position, verdict, 0))
