"""Random merchants, their policies, and a plain way to judge them without a ledger."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from random import Random
from typing import Any, Final, NamedTuple

import msgspec
from hypothesis import strategies as st

from domain.calendar import LEDGER_START, parse_instant
from domain.events import (
    Data,
    Event,
    EventRetracted,
    LevelDecided,
    MerchantOnboarded,
    NoData,
    OrderCorrected,
    OrderFlagged,
    OrderNamed,
    OrderPaid,
    ReviewPosted,
)
from domain.fields import OrderKind
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.merchant_reputation.facts import KINDS, history_of, spans_of
from domain.merchant_reputation.rule import SCHEME, Finding, Standing, State, Verdict, standing
from domain.merchant_reputation.running import Run, run, span_at
from domain.policy import Policy, policy_of, start_of_month, terms_of
from replay.history.timeline import RETRACTED, taking_part
from replay.policies.catalog import shipped

SUBJECT: Final = "merchant/m-1"


OTHER: Final = "merchant/m-2"


def day(text: str) -> int:
    """00:00 of a day in Shanghai."""
    return parse_instant(f"{text}T00:00:00+08:00")


OCT, NOV, DEC = day("2022-10-01"), day("2022-11-01"), day("2022-12-01")


LONG_AFTER: Final = day("2023-06-01")


WINDOW: Final = 15 * DAY_MICROS


T: Final = NOV + 10 * HOUR_MICROS


def with_values(policy: Policy, **values: Any) -> Policy:
    """A policy with other values for some parameters, or another (None: no) `id` or date."""
    content = json.loads(policy.content)
    for name, value in values.items():
        if name in content["parameters"]:
            content["parameters"][name]["value"] = value
        elif value is None:
            content.pop(name, None)
        else:
            content[name] = value
    return policy_of(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def levels(*bounds: int) -> list[dict[str, Any]]:
    """Levels a, b, c … from bounds in tenths."""
    codes = [chr(ord("a") + rank) for rank in range(len(bounds))]
    return [{"code": code, "from_tenths": bound} for code, bound in zip(codes, bounds, strict=True)]


(SHIPPED,) = shipped(SCHEME)


SMALL: Final = with_values(
    SHIPPED,
    pair_cap_tenths=20,
    levels=levels(1, 7, 10, 14, 20, 27, 40),
    growth_caps=[{"from": "", "tenths": 20}, {"from": "c", "tenths": 24}, {"from": "e", "tenths": 37}, {"from": "g"}],
)
"""Every level and every cap within reach of a few orders."""


STRANGE: Final = with_values(
    SMALL,
    statistics_from="2022-11-10T00:00:00+08:00",
    star_classes={"good": [1], "neutral": [2, 5], "bad": [3, 4]},
    review_tenths={"good": 9, "neutral": 0, "bad": -4},
    default_tenths=-3,
    review_hours=24,
    amount_fen_min=501,
    counted_kinds=["gift", "normal"],
)
"""No parameter that the rules read is as it is shipped."""


class Told(NamedTuple):
    """An event before it has its place in a ledger."""

    type: str
    at: int
    data: Data


def name_of(number: int) -> tuple[str, str]:
    """Source and id of the event told as `number`; two sources share each id."""
    return ("urn:a", "urn:b")[number % 2], f"e-{number // 2}"


def opened(at: int) -> Told:
    return Told("merchant.onboarded", at, MerchantOnboarded(category="fresh"))


def closed(at: int) -> Told:
    return Told("merchant.closed", at, NoData())


def paid(order: str, at: int, buyer: str = "b-1", amount: int = 500, kind: OrderKind = "normal") -> Told:
    return Told("order.paid", at, OrderPaid(order=order, buyer=buyer, amount=amount, kind=kind))


def received(order: str, at: int) -> Told:
    return Told("order.received", at, OrderNamed(order=order))


def reviewed(order: str, at: int, stars: int = 5) -> Told:
    return Told("review.posted", at, ReviewPosted(order=order, quality=stars, service=6 - stars))


def flagged(order: str, at: int) -> Told:
    return Told("order.flagged", at, OrderFlagged(order=order, reason="fake_trade"))


def cleared(order: str, at: int) -> Told:
    return Told("order.cleared", at, OrderCorrected(order=order))


def retracted(number: int, at: int) -> Told:
    """Takes out the event told as `number`."""
    source, event_id = name_of(number)
    return Told(RETRACTED, at, EventRetracted(source=source, event=event_id, reason="wrong"))


def complained(order: str, at: int) -> Told:
    """Read by no rule of this scheme."""
    return Told("order.complained", at, OrderNamed(order=order))


def decided(at: int) -> Told:
    """Read by no rule, and beyond retraction."""
    texts = ("as_of", "chain", "facts", "findings", "known_at", "policy", "policy_hash", "run", "state")
    rest: Any = dict.fromkeys(texts, "x")
    return Told(
        "level.decided",
        at,
        LevelDecided(digest_v=1, level=None, period="2022-11", position=1, scheme=SCHEME, score=0, **rest),
    )


def recorded(numbered: Iterable[tuple[int, Told]], elsewhere: frozenset[int] = frozenset()) -> list[Event]:
    """A ledger of two merchants: at each position the event told as a number, some told of the other merchant."""
    versions: Counter[str] = Counter()
    ledger = []
    for position, (number, told) in enumerate(numbered, 1):
        subject = OTHER if number in elsewhere else SUBJECT
        versions[subject] += 1
        recorded_at = LONG_AFTER + position
        source, event_id = name_of(number)
        ledger.append(
            Event(
                subject,
                versions[subject],
                position,
                told.at,
                recorded_at,
                source,
                event_id,
                told.type,
                told.data,
            )
        )
    return ledger


def known_of(ledger: Iterable[Event], position: int) -> list[Event]:
    """The merchant's events up to a position, in the order of the ledger."""
    return [event for event in ledger if event.originator_id == SUBJECT and event.position <= position]


def run_of(policies: Iterable[Policy], known: list[Event], as_of: int) -> Run:
    """What the rules make of what is known of the merchant."""
    spans = spans_of(terms_of(policies, start_of_month))
    return run(history_of(taking_part(known, as_of), spans, as_of), spans)


def judge(policy: Policy, known: list[Event], as_of: int) -> tuple[Standing, list[Finding]]:
    """Where the merchant stands under one policy, and the findings that led there."""
    found = run_of([policy], known, as_of)
    return standing(found.account, span_at(spans_of(terms_of([policy], start_of_month)), as_of).rules), found.findings


def as_the_oracle_reads(event: Event) -> dict[str, Any]:
    return {
        "position": event.position,
        "occurred_at": event.occurred_at,
        "source": event.source,
        "id": event.id,
        "type": event.type,
        "subject": event.originator_id,
        "data": msgspec.to_builtins(event.data),
    }


class Case(NamedTuple):
    """Events in the order of the ledger, told as 0, 1, 2 …, and what must come of them."""

    told: list[Told]
    verdicts: list[tuple[Verdict, int]]
    state: State = State.RATED
    policy: Policy = SHIPPED
    as_of: int = LONG_AFTER


def orders(stars: Sequence[int], at: int = T, buyers: Sequence[str] = ("b-1",)) -> list[Told]:
    """An order for each rating, paid and reviewed one after another by each of the buyers in turn."""
    told = []
    for number, given_stars in enumerate(stars):
        order, when = f"o-{at}-{number}", at + number * HOUR_MICROS
        told += [paid(order, when, buyers[number % len(buyers)]), reviewed(order, when + 1, given_stars)]
    return told


START: Final = opened(OCT)


ANCHORS: Final = (NOV, DEC, NOV + 9 * DAY_MICROS, DEC - WINDOW, LEDGER_START, LEDGER_START - WINDOW)


OFFSETS: Final = (0, 0, 1, -1, HOUR_MICROS, DAY_MICROS, DAY_MICROS - 1, WINDOW, WINDOW - 1, WINDOW + 1)


EARLY: Final = LEDGER_START - 40 * DAY_MICROS


ENOUGH: Final = 501
"""An amount that counts under each policy."""


NUMBERS: Final = 48
"""Retractions name the event told as one of these numbers, which a short ledger does not reach."""


class World(NamedTuple):
    """A ledger and what a replay of it is asked at."""

    ledger: list[Event]
    as_of: int
    earlier: int
    """Another `as_of`, not after the first."""
    position: int


def whole(order: str, at: int, buyer: str, steps: tuple[int, int], stars: int) -> list[Told]:
    """An order from payment over receipt to review."""
    receipt = at + steps[0]
    return [paid(order, at, buyer, ENOUGH), received(order, receipt), reviewed(order, receipt + steps[1], stars)]


def spree(name: str, at: int, buyer: str, length: int, stars: int, waits: bool) -> list[Told]:
    """Orders of one buyer, all rated alike, or all received and waiting for their default credits."""
    names = [f"{name}-{number}" for number in range(length)]
    return list(
        chain.from_iterable(
            [paid(order, at, buyer, ENOUGH), received(order, at) if waits else reviewed(order, at, stars)]
            for order in names
        )
    )


ORDERS: Final = ("o-1", "o-2", "o-3")


BUYERS: Final = ("b-1", "b-2", "b-3")


AMOUNTS: Final = (12_900, 501, 500, 499)


MAKERS: Final[dict[Callable[[Random, str, int], list[Told]], int]] = {
    lambda pick, order, at: whole(
        order, at, pick.choice(BUYERS), (pick.choice((0, 1)), pick.choice(OFFSETS)), pick.randint(1, 5)
    ): 30,
    lambda pick, order, at: spree(
        f"s-{pick.randint(1, 9)}", at, pick.choice(BUYERS), pick.randint(1, 8), pick.choice((5, 1)), pick.random() < 0.3
    ): 40,
    lambda pick, order, at: [
        paid(order, at, pick.choice(BUYERS), pick.choice(AMOUNTS), pick.choice(("normal", "normal", *KINDS)))
    ]: 15,
    lambda _, order, at: [received(order, at)]: 15,
    lambda pick, order, at: [reviewed(order, at, pick.randint(1, 5))]: 15,
    lambda _, order, at: [flagged(order, at)]: 12,
    lambda _, order, at: [cleared(order, at)]: 12,
    lambda pick, _, at: [retracted(pick.randrange(NUMBERS), at)]: 12,
    lambda _, __, at: [closed(at)]: 12,
    lambda _, __, at: [opened(at)]: 12,
    lambda _, order, at: [complained(order, at)]: 2,
    lambda _, __, at: [decided(at)]: 2,
}
"""What may be told at a time, perhaps of an order, and how often."""


def piece_of(seed: int) -> list[Told]:
    """One piece of what is told of a merchant, in the order of its times; of one seed always the same."""
    pick = Random(seed)
    (make,) = pick.choices(list(MAKERS), list(MAKERS.values()))
    return make(pick, pick.choice(ORDERS), instant(pick.randrange(INSTANTS)))


def instant(number: int) -> int:
    """One of the instants about which things happen."""
    return ANCHORS[number % len(ANCHORS)] + OFFSETS[number // len(ANCHORS)]


INSTANTS: Final = len(ANCHORS) * len(OFFSETS)


PIECES: Final = st.integers(0, 14).flatmap(
    lambda count: st.lists(st.integers(0, 2**24 - 1).map(piece_of), min_size=count, max_size=count)
)


NUMBERED: Final = st.integers(0, NUMBERS - 1)


AS_OF: Final = st.one_of(st.just(LONG_AFTER), st.just(LONG_AFTER), st.integers(0, INSTANTS - 1).map(instant))


RETRACTIONS: Final = st.lists(
    st.tuples(st.one_of(st.integers(0, 4), NUMBERED), st.integers(0, INSTANTS - 1).map(instant)), max_size=4
)


LATE_BY: Final[st.SearchStrategy[dict[int, int]]] = st.one_of(
    st.just({}), st.dictionaries(NUMBERED, st.integers(1, 20), max_size=6)
)


ELSEWHERE: Final[st.SearchStrategy[frozenset[int]]] = st.one_of(
    st.just(frozenset()), st.frozensets(NUMBERED, max_size=3)
)


OPENINGS: Final = st.sampled_from((*[EARLY] * 6, OCT, NOV, None))


def taken_back(retractions: list[tuple[int, int]], told: int) -> list[Told]:
    """Retractions at the end of what is told, each naming an event by its number from there, 0 being a missing one."""
    end = told + len(retractions)
    return [retracted(max(end - back, 0), at) for back, at in retractions]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A short and crowded ledger: few orders and buyers, ties in time, and events that come late."""
    opening = draw(OPENINGS)
    told = [] if opening is None else [opened(opening)]
    told += chain.from_iterable(draw(PIECES))
    told += taken_back(draw(RETRACTIONS), len(told))
    numbered = list(enumerate(told))
    if draw(st.booleans()):
        numbered.sort(key=lambda pair: pair[1].at)
    late_by = draw(LATE_BY)
    places = {number: place + late_by.get(number, 0) for place, (number, _) in enumerate(numbered)}
    numbered.sort(key=lambda pair: places[pair[0]])
    ledger = recorded(numbered, draw(ELSEWHERE))
    earlier, as_of = sorted((draw(AS_OF), draw(AS_OF)))
    head = len(ledger)
    return World(ledger, as_of, earlier, draw(st.one_of(st.just(head), st.integers(0, head))))
