"""The rules of `merchant-reputation`: cases checked by hand, random histories against an oracle, and laws.

The oracle (tests/oracles/reputation.py) is slow and was written from RULEBOOK §0 and §1 alone.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from random import Random
from typing import Any, Final, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
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
    OrderKind,
    OrderNamed,
    OrderPaid,
    ReviewPosted,
)
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.merchant_reputation.facts import KINDS, history_of, spans_of
from domain.merchant_reputation.rule import SCHEME, Finding, Run, Standing, State, Verdict, run, span_at, standing
from domain.policy import Policy, policy_of, start_of_month, terms_of
from replay.history.timeline import RETRACTED, retracted_positions, taking_part
from replay.policies.catalog import shipped
from tests.conftest import SOAK
from tests.oracles.merchant_reputation import reputation

SUBJECT: Final = "merchant/m-1"
OTHER: Final = "merchant/m-2"


def day(text: str) -> int:
    """00:00 of a day in Shanghai."""
    return parse_instant(f"{text}T00:00:00+08:00")


OCT, NOV, DEC = day("2022-10-01"), day("2022-11-01"), day("2022-12-01")
LONG_AFTER: Final = day("2023-06-01")
WINDOW: Final = 15 * DAY_MICROS
T: Final = NOV + 10 * HOUR_MICROS


# --- policies ---------------------------------------------------------------------------------------------------------


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
    return [
        {"code": code, "zh": code, "en": code, "from_tenths": bound} for code, bound in zip(codes, bounds, strict=True)
    ]


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
POLICIES: Final = {"shipped": SHIPPED, "small": SMALL, "strange": STRANGE}


# --- what happens to a merchant ---------------------------------------------------------------------------------------


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


# --- the oracle -------------------------------------------------------------------------------------------------------


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


def by_the_oracle(policy: Policy, ledger: Iterable[Event], as_of: int, position: int) -> dict[str, Any]:
    parameters = {name: parameter.value for name, parameter in policy.parameters.items()}
    return reputation(
        [as_the_oracle_reads(event) for event in ledger],
        as_of=as_of,
        position=position,
        parameters=parameters | {"statistics_from": parse_instant(parameters["statistics_from"])},
        subject=SUBJECT,
    )


def assert_the_oracle_agrees(policy: Policy, ledger: list[Event], as_of: int, position: int) -> None:
    known = known_of(ledger, position)
    standing, findings = judge(policy, known, as_of)
    expected = by_the_oracle(policy, ledger, as_of, position)
    codes = [None, *(level["code"] for level in policy.parameters["levels"].value)]
    assert [(finding.position, finding.verdict.word, finding.tenths, finding.at) for finding in findings] == [
        (entry["position"], entry["verdict"], entry["tenths"], entry["at"]) for entry in expected["verdicts"]
    ]
    assert standing.state == expected["state"]
    assert codes[standing.level] == expected["level"]
    assert standing.points_tenths == expected["points_tenths"]
    assert standing.to_next_tenths == expected["to_next_tenths"]
    retractions = {name for name, note in expected["notes"].items() if note == "retracted"}
    gone = retracted_positions(known)
    assert {f"{event.source} {event.id}" for event in known if event.position in gone} == retractions


# --- cases checked by hand --------------------------------------------------------------------------------------------


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


GOOD, BAD, DEFAULT = (Verdict.COUNTED, 10), (Verdict.COUNTED, -10), (Verdict.COUNTED, 7)
LATE, WIPED_10 = (Verdict.LATE_REVIEW, 0), (Verdict.WIPED, -10)
START: Final = opened(OCT)
PAID: Final = [START, paid("o-1", T)]
RECEIVED: Final = [*PAID, received("o-1", T)]
DUE: Final = T + WINDOW

BY_VERDICT: Final = {
    Verdict.DUPLICATE_ORDER: Case(
        [*PAID, paid("o-1", T + 1, amount=1), reviewed("o-1", T + 2)], [(Verdict.DUPLICATE_ORDER, 0), GOOD]
    ),
    Verdict.UNKNOWN_ORDER: Case(
        [*PAID, received("o-1", T - 1), reviewed("o-1", T - 1, 1), reviewed("o-1", T + 1)],
        [(Verdict.UNKNOWN_ORDER, 0), (Verdict.UNKNOWN_ORDER, 0), GOOD],
    ),
    Verdict.DUPLICATE_RECEIPT: Case(
        [*RECEIVED, received("o-1", T + DAY_MICROS)], [(Verdict.DUPLICATE_RECEIPT, 0), DEFAULT], State.UNRATED
    ),
    Verdict.REPEAT_REVIEW: Case(
        [*PAID, reviewed("o-1", T + 1), reviewed("o-1", T + 2, 1)], [GOOD, (Verdict.REPEAT_REVIEW, 0)]
    ),
    Verdict.LATE_REVIEW: Case([*RECEIVED, reviewed("o-1", DUE + 1, 1)], [DEFAULT, LATE], State.UNRATED),
    Verdict.WIPED: Case([*PAID, reviewed("o-1", T + 1), closed(T + 2)], [GOOD, WIPED_10], State.CLOSED),
    Verdict.BEFORE_START: Case(
        [opened(LEDGER_START - DAY_MICROS), *orders([5, 5], LEDGER_START - HOUR_MICROS - 1)],
        [(Verdict.BEFORE_START, 0), GOOD],
    ),
    Verdict.CLOSED: Case(
        [*PAID, closed(T + 1), reviewed("o-1", T + 2)], [(Verdict.WIPED, 0), (Verdict.CLOSED, 0)], State.CLOSED
    ),
    Verdict.LOW_AMOUNT: Case(
        [START, paid("o-1", T, amount=499), reviewed("o-1", T), paid("o-2", T, amount=500), reviewed("o-2", T)],
        [(Verdict.LOW_AMOUNT, 0), GOOD],
    ),
    Verdict.ORDER_KIND: Case(
        [START, *(paid(kind, T, kind=kind) for kind in KINDS), *(reviewed(kind, T + 1) for kind in KINDS)],
        [GOOD, *[(Verdict.ORDER_KIND, 0)] * 5],
    ),
    Verdict.FLAGGED: Case([*RECEIVED, flagged("o-1", LONG_AFTER)], [(Verdict.FLAGGED, 0)], State.UNRATED),
    Verdict.NEUTRAL: Case([START, *orders([3, 4, 2, 1])], [(Verdict.NEUTRAL, 0), GOOD, BAD, BAD], State.UNRATED),
    Verdict.PAIR_CAP: Case([START, *orders([5] * 7)], [*[GOOD] * 6, (Verdict.PAIR_CAP, 0)]),
    Verdict.GROWTH_CAP: Case(
        [START, *orders([5, 5, 5, 1, 5], buyers=["b-1", "b-2", "b-3"])],
        [GOOD, GOOD, (Verdict.GROWTH_CAP, 0), BAD, GOOD],
        policy=SMALL,
    ),
    Verdict.COUNTED: Case([*PAID, reviewed("o-1", T)], [GOOD]),
}

BY_STATE: Final = {
    State.NOT_ONBOARDED: Case([closed(T), *orders([5])], [(Verdict.BEFORE_START, 0)], State.NOT_ONBOARDED),
    State.CLOSED: Case([START, *orders([1]), closed(DEC), closed(DEC + 1)], [BAD, (Verdict.WIPED, 10)], State.CLOSED),
    State.RATED: Case([START, *orders([5, 1, 5])], [GOOD, BAD, GOOD]),
    State.UNRATED: Case(RECEIVED, [DEFAULT], State.UNRATED),
}

FURTHER: Final = {
    "nothing at all": Case([], [], State.NOT_ONBOARDED),
    "six bad, one good, one bad": Case([START, *orders([1] * 6 + [5, 1])], [*[BAD] * 6, GOOD, BAD], State.UNRATED),
    "seven bad": Case([START, *orders([1] * 7)], [*[BAD] * 6, (Verdict.PAIR_CAP, 0)], State.UNRATED),
    "seven good over a month's end": Case([START, *orders([5] * 7, DEC - 6 * HOUR_MICROS)], [GOOD] * 7),
    "seven good of two buyers": Case([START, *orders([5] * 7, buyers=["b-1", "b-2"])], [GOOD] * 7),
    "a review just in time": Case([*RECEIVED, reviewed("o-1", DUE - 1)], [GOOD]),
    "a review just late": Case([*RECEIVED, reviewed("o-1", DUE)], [DEFAULT, LATE], State.UNRATED),
    "a review just late, recorded before the receipt": Case(
        [*PAID, reviewed("o-1", DUE, 1), received("o-1", T)], [LATE, DEFAULT], State.UNRATED
    ),
    "a late review makes the next one a repeat": Case(
        [*RECEIVED, reviewed("o-1", DUE), reviewed("o-1", DUE)],
        [DEFAULT, LATE, (Verdict.REPEAT_REVIEW, 0)],
        State.UNRATED,
    ),
    "a review before the receipt": Case([*PAID, reviewed("o-1", T + 1), received("o-1", T + 2)], [GOOD]),
    "what happens at the very instant": Case([*PAID, reviewed("o-1", T + 1)], [GOOD], as_of=T + 1),
    "what happens just after the instant": Case([*PAID, reviewed("o-1", T + 1)], [], State.UNRATED, as_of=T),
    "the first test that applies": Case(
        [
            *[paid("o-1", T, amount=499, kind="gift"), flagged("o-1", T), reviewed("o-1", T, 3), opened(T)],
            *[paid("o-2", T, amount=499, kind="gift"), flagged("o-2", T), reviewed("o-2", T, 3)],
            *[paid("o-3", T, amount=500, kind="gift"), flagged("o-3", T), reviewed("o-3", T, 3)],
            *[paid("o-4", T), flagged("o-4", T), reviewed("o-4", T, 3)],
            *[paid("o-5", T, amount=1), closed(T), reviewed("o-5", T, 3)],
        ],
        [
            *[(Verdict.BEFORE_START, 0), (Verdict.LOW_AMOUNT, 0), (Verdict.ORDER_KIND, 0), (Verdict.FLAGGED, 0)],
            *[(Verdict.WIPED, 0), (Verdict.CLOSED, 0)],
        ],
        State.CLOSED,
    ),
    "the pair's cap goes before the month's": Case(
        [START, *orders([5] * 3)], [GOOD, GOOD, (Verdict.PAIR_CAP, 0)], policy=SMALL
    ),
    "a default credit just not due": Case(RECEIVED, [], State.UNRATED, as_of=DUE - 1),
    "a default credit just due": Case(RECEIVED, [DEFAULT], State.UNRATED, as_of=DUE),
    "a default credit due as statistics begin, the opening recorded before": Case(
        [opened(LEDGER_START), paid("o-1", LEDGER_START - WINDOW), received("o-1", LEDGER_START - WINDOW)],
        [DEFAULT],
        State.UNRATED,
    ),
    "a default credit due as statistics begin, the opening recorded after": Case(
        [paid("o-1", LEDGER_START - WINDOW), received("o-1", LEDGER_START - WINDOW), opened(LEDGER_START)],
        [(Verdict.BEFORE_START, 0)],
        State.UNRATED,
    ),
    "a default credit due just before statistics begin": Case(
        [opened(OCT - 10**15), paid("o-1", LEDGER_START - WINDOW - 1), received("o-1", LEDGER_START - WINDOW - 1)],
        [(Verdict.BEFORE_START, 0)],
        State.UNRATED,
    ),
    "paid before closing, entering after reopening": Case(
        [*PAID, closed(T + 1), opened(T + 2), reviewed("o-1", T + 3), paid("o-2", T + 3), reviewed("o-2", T + 4)],
        [(Verdict.WIPED, 0), (Verdict.CLOSED, 0), GOOD],
    ),
    "paid while closed, entering after reopening": Case(
        [START, closed(T), paid("o-1", T + 1), opened(T + 2), reviewed("o-1", T + 3)], [(Verdict.WIPED, 0), GOOD]
    ),
    "paid before opening, entering after": Case([paid("o-1", OCT), opened(OCT + 1), reviewed("o-1", OCT + 2)], [GOOD]),
    "opening twice does nothing": Case([*PAID, opened(T + 1), reviewed("o-1", T + 2)], [GOOD]),
    "closing empties the pair's net": Case(
        [START, *orders([5] * 6), closed(T + DAY_MICROS), opened(T + DAY_MICROS), *orders([5], T + 2 * DAY_MICROS)],
        [*[GOOD] * 6, (Verdict.WIPED, -60), GOOD],
    ),
    "closed at the instant of a credit, recorded after": Case(
        [*RECEIVED, closed(DUE)], [DEFAULT, (Verdict.WIPED, -7)], State.CLOSED
    ),
    "closed at the instant of a credit, recorded before": Case(
        [*PAID, closed(DUE), received("o-1", T)], [(Verdict.WIPED, 0), (Verdict.CLOSED, 0)], State.CLOSED
    ),
    "a flag cleared later": Case(
        [*RECEIVED, flagged("o-1", T), cleared("o-1", LONG_AFTER + 1)], [DEFAULT], State.UNRATED
    ),
    "a clear older than the flag, recorded after": Case(
        [*RECEIVED, flagged("o-1", T + 1), cleared("o-1", T)], [(Verdict.FLAGGED, 0)], State.UNRATED
    ),
    "a flag retracted": Case([*RECEIVED, flagged("o-1", T), retracted(3, T)], [DEFAULT], State.UNRATED),
    "a retraction retracted": Case(
        [*RECEIVED, flagged("o-1", T), retracted(3, T), retracted(4, T)], [(Verdict.FLAGGED, 0)], State.UNRATED
    ),
    "a retraction of what is recorded later": Case([*PAID, retracted(3, T + 9), reviewed("o-1", T + 1)], [GOOD]),
    "a review retracted gives way to the default credit": Case(
        [*RECEIVED, reviewed("o-1", T, 1), retracted(3, LONG_AFTER + 1)], [DEFAULT], State.UNRATED
    ),
    "after a closing the month goes on under the cap of no level": Case(
        [
            *[START, *orders([5, 5]), *orders([5, 5], DEC, ["b-1", "b-2"])],
            *[closed(DEC + DAY_MICROS), opened(DEC + DAY_MICROS)],
            *orders([5, 5, 5], DEC + 2 * DAY_MICROS, ["b-1", "b-2", "b-3"]),
        ],
        [*[GOOD] * 4, (Verdict.WIPED, -40), GOOD, GOOD, (Verdict.GROWTH_CAP, 0)],
        policy=SMALL,
    ),
    "a higher level has a higher cap next month": Case(
        [START, *orders([5, 5]), *orders([5, 5, 5, 5], DEC, ["b-1", "b-2", "b-3"])],
        [*[GOOD] * 5, (Verdict.GROWTH_CAP, 0)],
        policy=SMALL,
    ),
    "another policy's own start, stars, default, window, amount and kinds": Case(
        [
            *[opened(NOV), *orders([1], NOV + 9 * DAY_MICROS - 2)],
            *[paid("o-0", DEC, amount=500), reviewed("o-0", DEC)],
            *[paid("o-1", DEC, amount=501, kind="gift"), received("o-1", DEC), reviewed("o-1", DEC + DAY_MICROS)],
            *[paid("o-2", DEC, amount=501), reviewed("o-2", DEC + 1, 4)],
            *[paid("o-3", DEC, amount=501), reviewed("o-3", DEC + 2, 1)],
            *[paid("o-4", DEC, amount=501), reviewed("o-4", DEC + 3, 5)],
        ],
        [
            *[(Verdict.BEFORE_START, 0), (Verdict.LOW_AMOUNT, 0), (Verdict.COUNTED, -4), (Verdict.COUNTED, 9)],
            *[(Verdict.NEUTRAL, 0), (Verdict.COUNTED, -3), LATE],
        ],
        State.RATED,
        policy=STRANGE,
    ),
}


def named_cases() -> list[Any]:
    """Every case, by the verdict or state that it shows or by what it tells."""
    named = [(f"verdict {shown}", case) for shown, case in BY_VERDICT.items()]
    named += [(f"state {shown}", case) for shown, case in BY_STATE.items()]
    return [pytest.param(case, id=name) for name, case in [*named, *FURTHER.items()]]


@pytest.mark.parametrize("case", named_cases())
def test_a_case_checked_by_hand(case: Case) -> None:
    ledger = recorded(enumerate(case.told))
    standing, findings = judge(case.policy, ledger, case.as_of)
    assert [(finding.verdict, finding.tenths) for finding in findings] == case.verdicts
    assert standing.state is case.state
    assert standing.points_tenths == sum(tenths for _, tenths in case.verdicts)
    assert_the_oracle_agrees(case.policy, ledger, case.as_of, len(ledger))


def test_every_verdict_and_state_has_a_case_that_shows_it() -> None:
    assert list(BY_VERDICT) == list(Verdict)
    assert list(BY_STATE) == list(State)
    for verdict, case in BY_VERDICT.items():
        assert verdict in [found for found, _ in case.verdicts]
    for state, case in BY_STATE.items():
        assert case.state is state


@pytest.mark.parametrize(
    ("stars", "default_credits", "level", "to_next"),
    [([], 0, 0, 10), ([], 1, 0, 3), ([5], 0, 1, 500), ([1, 1], 0, 0, 30), ([5] * 51, 0, 2, 1500)],
)
def test_a_level_is_reached_at_its_lower_bound(
    stars: list[int], default_credits: int, level: int, to_next: int
) -> None:
    told = [START, *orders(stars, buyers=[f"b-{number}" for number in range(51)])]
    told += RECEIVED[1:] if default_credits else []
    standing, _ = judge(SHIPPED, recorded(enumerate(told)), LONG_AFTER)
    assert (standing.level, standing.to_next_tenths) == (level, to_next)


def test_nothing_is_missing_at_the_top_nor_without_a_running_count() -> None:
    lowest = with_values(SHIPPED, levels=levels(10))
    for told, state in ([START, *orders([5])], State.RATED), ([START, closed(T)], State.CLOSED), ([], "not_onboarded"):
        standing, _ = judge(lowest, recorded(enumerate(told)), LONG_AFTER)
        assert (standing.state, standing.to_next_tenths) == (state, None)


def test_the_shipped_growth_caps_are_reached_and_rise_with_the_level() -> None:
    """5,001 points in the first month and not one more; from there, at silver-1, more than that in the next."""
    buyers = [f"b-{number}" for number in range(5_010)]
    first = [told._replace(at=NOV + place) for place, told in enumerate(orders([5] * 5_002, buyers=buyers))]
    second = [told._replace(at=DEC + place) for place, told in enumerate(orders([5] * 5_003, DEC, buyers))]
    standing, findings = judge(SHIPPED, recorded(enumerate([START, *first, *second])), LONG_AFTER)
    assert [finding.verdict for finding in findings if finding.at < DEC] == [
        *[Verdict.COUNTED] * 5_001,
        Verdict.GROWTH_CAP,
    ]
    assert {finding.verdict for finding in findings if finding.at >= DEC} == {Verdict.COUNTED}
    at_the_close, _ = judge(SHIPPED, recorded(enumerate([START, *first, *second])), DEC - 1)
    assert (at_the_close.level, at_the_close.points_tenths) == (6, 50_010)
    assert standing.points_tenths == 50_010 + 50_030


# --- random worlds ----------------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
@settings(max_examples=1_000 * SOAK)
@given(world=worlds())
def test_the_oracle_agrees(policy: Policy, world: World) -> None:
    assert_the_oracle_agrees(policy, world.ledger, world.as_of, world.position)
    assert_the_oracle_agrees(policy, world.ledger, world.earlier, len(world.ledger))


@settings(max_examples=300 * SOAK)
@given(world=worlds(), policy=st.sampled_from(tuple(POLICIES.values())))
def test_tenths_add_up_to_the_points(world: World, policy: Policy) -> None:
    standing, findings = judge(policy, known_of(world.ledger, world.position), world.as_of)
    assert standing.points_tenths == sum(finding.tenths for finding in findings)
    if standing.state in (State.NOT_ONBOARDED, State.CLOSED):
        assert standing == Standing(standing.state, 0, 0, None)


@settings(max_examples=300 * SOAK)
@given(world=worlds(), policy=st.sampled_from(tuple(POLICIES.values())))
def test_an_earlier_replay_is_a_prefix_of_a_later_one(world: World, policy: Policy) -> None:
    known = known_of(world.ledger, world.position)
    _, before = judge(policy, known, world.earlier)
    _, after = judge(policy, known, world.as_of)
    assert before == [finding for finding in after if finding.at <= world.earlier]
    assert before == after[: len(before)]


@settings(max_examples=300 * SOAK)
@given(world=worlds(), data=st.data())
def test_only_positions_and_times_order_the_events(world: World, data: st.DataObject) -> None:
    """Retractions alone must stand in the order of the ledger, in which a replay reads them."""
    known = known_of(world.ledger, world.position)
    others = data.draw(st.permutations([event for event in known if event.type != RETRACTED]))
    mixed = [*others, *(event for event in known if event.type == RETRACTED)]
    assert taking_part(mixed, world.as_of) == taking_part(known, world.as_of)
    assert judge(SMALL, mixed, world.as_of) == judge(SMALL, known, world.as_of)


class Reach(NamedTuple):
    """How often random worlds lead where the rules tell things apart."""

    verdicts: Counter[tuple[str, Verdict]]
    standings: Counter[tuple[str, State, int]]
    taken_out: Counter[str]


def reach_of_the_worlds() -> Reach:
    """What the same worlds, each time this is run, reach under each policy."""
    reach = Reach(Counter(), Counter(), Counter())

    @settings(max_examples=1_500, derandomize=True, database=None)
    @given(world=worlds())
    def collect(world: World) -> None:
        known = known_of(world.ledger, world.position)
        gone = retracted_positions(known)
        reach.taken_out.update(event.type for event in known if event.position in gone)
        for name, policy in POLICIES.items():
            standing, findings = judge(policy, known, world.as_of)
            reach.verdicts.update((name, finding.verdict) for finding in findings)
            reach.standings[name, standing.state, standing.level] += 1

    collect()
    return reach


def test_the_worlds_reach_every_verdict_state_and_level() -> None:
    reach = reach_of_the_worlds()
    out_of_reach = {("shipped", Verdict.GROWTH_CAP)}
    assert {(name, verdict) for name in POLICIES for verdict in Verdict} - set(reach.verdicts) == out_of_reach
    assert {(name, state) for name, state, _ in reach.standings} == {
        (name, state) for name in POLICIES for state in State
    }
    assert {level for name, _, level in reach.standings if name == "small"} == set(range(8))
    every_type = {told.type for seed in range(1_000) for told in piece_of(seed)}
    assert set(reach.taken_out) >= every_type - {"order.complained", "level.decided"}
    assert "level.decided" not in reach.taken_out
