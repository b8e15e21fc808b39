"""Hand-checked self tests of the oracle for `mcn-level` and its two boards (rulebook sections 0, 3 and 4)."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from tests.oracles.ledger import DAY, Written, at, instant
from tests.oracles.mcn_level import board, hundredths, mcn, points

HOUR = 3_600_000_000


def bands(*pairs: tuple[int, int]) -> list[dict[str, int]]:
    return [{"from": bound, "points": given} for bound, given in pairs]


def rungs(**bounds: int) -> list[dict[str, Any]]:
    return [{"code": code, "from": bound} for code, bound in bounds.items()]


# The table of section 4, copied by hand (money in fen, shares in percent, scores in hundredths).
TABLE: dict[str, list[tuple[int, int]]] = {
    "settled_bands": [
        (0, 0),
        (100_000_00, 50),
        (500_000_00, 100),
        (2_000_000_00, 150),
        (10_000_000_00, 200),
        (50_000_000_00, 250),
    ],
    "orders_bands": [(0, 0), (1_000, 20), (5_000, 40), (20_000, 60), (100_000, 80), (500_000, 100)],
    "top_creators": [(0, 0), (1, 20), (3, 40), (10, 60), (30, 80), (100, 100)],
    "live_minutes_bands": [(0, 0), (600, 10), (3_000, 20), (12_000, 30), (30_000, 40), (60_000, 50)],
    "showcase_share_bands": [(0, 0), (5, 24), (10, 48), (20, 72), (30, 96), (40, 120)],
    "showcase_creators_bands": [(0, 0), (1, 16), (5, 32), (20, 48), (50, 64), (100, 80)],
    "good_share_bands": [(0, 0), (5, 20), (10, 40), (20, 60), (30, 80), (50, 100)],
    "service_bands": [(0, 0), (300, 40), (360, 80), (400, 120), (420, 140), (440, 160), (460, 180), (480, 200)],
    "worry_free_bands": [(0, 0), (100, 10), (1_000, 30), (5_000, 50), (20_000, 75), (100_000, 100)],
}


def common() -> dict[str, Any]:
    return {
        "first_month": "2020-06",
        "evaluation_day": 3,
        "novice_months": 2,
        "observation": {"service_min": 140, "credit_min": 80},
        "credit": {"start": 120, "max": 150},
        "service_bands": bands(*TABLE["service_bands"]),
        "levels": rungs(V1=0, V2=300, V3=500, V4=700, V5=850),
        "boards": [
            {"code": "comprehensive", "ranks_by": "total"},
            {"code": "growth", "ranks_by": "growth"},
        ],
    }


def published() -> dict[str, Any]:
    """The values of the rulebook."""
    told = {name: bands(*pairs) for name, pairs in TABLE.items()}
    return common() | told | {"top_creators": {"level": "L5", "bands": bands(*TABLE["top_creators"])}}


def parameters(**changes: Any) -> dict[str, Any]:
    """Tiny bands, in which every row gives points of its own size, so that a total tells its rows."""
    small: dict[str, Any] = {
        "settled_bands": bands((0, 0), (1_000, 50), (5_000, 100)),
        "orders_bands": bands((0, 0), (2, 20), (4, 40)),
        "top_creators": {"level": "L5", "bands": bands((0, 0), (1, 20), (2, 40))},
        "live_minutes_bands": bands((0, 0), (60, 10), (120, 20)),
        "showcase_share_bands": bands((0, 0), (5, 24), (50, 48)),
        "showcase_creators_bands": bands((0, 0), (1, 16), (2, 32)),
        "good_share_bands": bands((0, 0), (10, 20), (30, 40)),
        "worry_free_bands": bands((0, 0), (2, 10), (3, 30)),
    }
    return common() | small | changes


class Ledger(Written):
    """Events of agencies a, b … and creators x, y …"""

    def __init__(self) -> None:
        super().__init__()
        self.levels: dict[tuple[str, str], str | None] = {}
        self.asked: list[tuple[str, str]] = []

    def onboard(self, agency: str, when: str | int) -> str:
        return self.add("mcn.onboarded", when, f"mcn/{agency}")

    def bind(self, agency: str, creator: str, when: str | int) -> str:
        return self.add("creator.bound", when, f"mcn/{agency}", creator=creator)

    def unbind(self, agency: str, creator: str, when: str | int) -> str:
        return self.add("creator.unbound", when, f"mcn/{agency}", creator=creator)

    def sale(
        self,
        creator: str,
        order: str,
        when: str | int,
        amount: int = 1_000,
        *,
        channel: str = "live",
        good: bool = False,
        **more: bool,
    ) -> str:
        subject = f"creator/{creator}"
        return self.add(
            "sale.settled", when, subject, order=order, amount=amount, good_goods=good, channel=channel, **more
        )

    def refund(self, creator: str, order: str, when: str | int, amount: int) -> str:
        return self.add("sale.refunded", when, f"creator/{creator}", order=order, amount=amount)

    def scored(self, creator: str, when: str | int, value: str, score: str = "reputation") -> str:
        return self.add("creator.scored", when, f"creator/{creator}", score=score, value=value)

    def live(self, creator: str, when: str | int, minutes: int) -> str:
        return self.add("live.held", when, f"creator/{creator}", minutes=minutes)

    def deduct(self, agency: str, when: str | int, points: int, violation: str = "v") -> str:
        return self.add("credit.deducted", when, f"mcn/{agency}", violation=violation, points=points)

    def grant(self, agency: str, when: str | int, points: int) -> str:
        return self.add("credit.granted", when, f"mcn/{agency}", points=points)

    def restore(self, subject: str, when: str | int, violation: str = "v") -> str:
        return self.add("credit.restored", when, subject, violation=violation)

    def level_of(self, creator: str, month: str) -> str | None:
        self.asked.append((creator, month))
        return self.levels.get((creator, month))

    def ask(
        self,
        as_of: str | int = "2023-06-03",
        agency: str = "a",
        position: int | None = None,
        values: dict[str, Any] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        return mcn(
            self.events,
            as_of=instant(as_of),
            position=self.known(position),
            parameters=parameters(**changes) if values is None else values,
            subject=f"mcn/{agency}",
            creator_level_of=self.level_of,
        )

    def figures(self, as_of: str | int = "2023-06-03", agency: str = "a", position: int | None = None) -> Any:
        return self.ask(as_of, agency, position)["figures"]

    def board(
        self, code: str, month: str = "2023-05", position: int | None = None, **changes: Any
    ) -> list[tuple[int, str, int, int]]:
        rows = board(
            self.events,
            month=month,
            position=self.known(position),
            parameters=parameters(**changes),
            board=code,
            creator_level_of=self.level_of,
        )
        return [(row["rank"], row["subject"], row["score"], row["settled"]) for row in rows]


def agencies(*names: str) -> Ledger:
    """Each onboarded in January 2023 (so February is its last novice month), with nothing else yet."""
    ledger = Ledger()
    for name in names:
        ledger.onboard(name, "2023-01-15")
    return ledger


def serving(*names: str, value: str = "4.20") -> Ledger:
    """The same, each holding since 2 January a creator of its own (s-<agency>) with a reputation of just enough."""
    ledger = agencies(*names)
    for name in names:
        ledger.bind(name, f"s-{name}", "2023-01-02")
        ledger.scored(f"s-{name}", "2023-01-02", value)
    return ledger


def states(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["month"], row["state"]) for row in result["months"]]


def money(figures: dict[str, Any]) -> tuple[int, int, int]:
    return figures["settled"], figures["showcase"], figures["good"]


def counts(figures: dict[str, Any]) -> tuple[int, int, int]:
    return figures["orders"], figures["showcase_creators"], figures["worry_free"]


NONE = {
    "level": None,
    "month": None,
    "credit": None,
    "figures": None,
    "operating": None,
    "growth": None,
    "service": None,
    "bonus": None,
    "total": None,
    "to_next": None,
}


# --- when it is evaluated, and from what ----------------------------------------------------------------------------


def test_a_month_is_evaluated_at_midnight_of_the_third_and_holds_until_the_next() -> None:
    ledger = serving("a")
    april = ledger.ask(at("2023-06-03") - 1)
    may = ledger.ask("2023-06-03")
    assert (april["month"], may["month"]) == ("2023-04", "2023-05")
    assert states(april) == [
        ("2023-01", "novice"),
        ("2023-02", "novice"),
        ("2023-03", "rated"),
        ("2023-04", "rated"),
    ]
    assert states(may) == [*states(april), ("2023-05", "rated")]
    assert ledger.ask(at("2023-07-03") - 1)["month"] == "2023-05"
    assert ledger.ask("2023-06-05", evaluation_day=6)["month"] == "2023-04"
    assert ledger.ask("2023-06-06", evaluation_day=6)["month"] == "2023-05"


def test_ordinary_events_before_the_first_of_the_next_month_are_seen_and_no_later_ones() -> None:
    ledger = serving("a")
    ledger.bind("a", "x", "2023-05-10")
    ledger.sale("x", "o1", at("2023-05-01") - 1, 1)  # April
    ledger.sale("x", "o2", "2023-05-10", 20)
    ledger.sale("x", "o3", at("2023-06-01") - 1, 300)
    ledger.sale("x", "o4", "2023-06-01", 4_000)  # June
    ledger.scored("x", "2023-06-01", "0")
    ledger.deduct("a", "2023-06-01", 100)
    ledger.bind("b", "s-a", "2023-06-01")
    may = ledger.ask("2023-06-30")
    assert money(may["figures"]) == (320, 0, 0)
    assert (may["figures"]["reputation_mean"], may["credit"], may["state"]) == ([420, 1], 120, "rated")
    # o1 was before the binding, and in April besides.
    assert ledger.figures("2023-05-31")["settled"] == 0
    june = ledger.ask("2023-07-03")
    assert (june["figures"]["settled"], june["credit"], june["state"]) == (4_000, 20, "observation")
    assert june["figures"]["reputation_mean"] == [0, 1]


def test_every_evaluation_is_under_the_replays_own_known_at() -> None:
    ledger = serving("a")
    ledger.bind("a", "x", "2023-04-01")
    ledger.sale("x", "o", "2023-04-10", 500)
    sale = ledger.sale("x", "p", "2023-05-10", 1_000)
    known = len(ledger.events)
    late = ledger.sale("x", "q", "2023-05-11", 30)  # heard of later, as all that follows
    ledger.retract(sale, "2023-08-01", "creator/x")
    ledger.retract(late, "2023-08-02", "creator/x")
    expected = [(known - 1, 0), (known, 1_000), (known + 1, 1_030), (known + 2, 30), (known + 3, 0)]
    for position, settled in expected:
        assert ledger.figures(position=position)["settled"] == settled
    assert ledger.ask(position=2)["figures"]["reputation_mean"] is None  # nobody scored yet
    assert ledger.ask(position=0)["state"] == "not_onboarded"


def test_from_the_month_of_the_first_onboarding_and_the_states_before() -> None:
    ledger = Ledger()
    ledger.bind("a", "x", "2023-01-01")
    stray = ledger.unbind("a", "y", "2023-01-02")
    first = ledger.onboard("a", "2023-01-31")
    second = ledger.onboard("a", "2023-03-05")  # does nothing
    for as_of, state in (
        (at("2023-01-31") - 1, "not_onboarded"),
        (at("2023-01-31"), "no_evaluation_yet"),
        (at("2023-02-03") - 1, "no_evaluation_yet"),
    ):
        assert ledger.ask(as_of) == {"state": state, **NONE, "not_bound": [f"urn:t {stray}"], "months": []}
    assert states(ledger.ask("2023-02-03")) == [("2023-01", "novice")]
    assert states(ledger.ask("2023-05-03")) == [
        ("2023-01", "novice"),
        ("2023-02", "novice"),
        ("2023-03", "observation"),
        ("2023-04", "observation"),
    ]
    # Without the first one the second is the first, in March: novice in March and April.
    ledger.retract(first, "2023-09-01", "mcn/a")
    assert ledger.ask("2023-02-03")["state"] == "not_onboarded"
    assert states(ledger.ask("2023-06-03")) == [
        ("2023-03", "novice"),
        ("2023-04", "novice"),
        ("2023-05", "observation"),
    ]
    ledger.retract(second, "2023-09-01", "mcn/a")
    assert ledger.ask("2024-01-01")["state"] == "not_onboarded"
    assert ledger.ask("2024-01-01", agency="nobody") == {
        "state": "not_onboarded",
        **NONE,
        "not_bound": [],
        "months": [],
    }


def test_at_the_earliest_2020_06() -> None:
    ledger = Ledger()
    ledger.onboard("old", "2019-03-01")
    ledger.onboard("may", "2020-05-31")
    ledger.onboard("june", "2020-06-01")
    for name in ("old", "may", "june"):
        assert ledger.ask(at("2020-07-03") - 1, name)["state"] == "no_evaluation_yet"
    months = {name: states(ledger.ask("2020-09-03", name)) for name in ("old", "may", "june")}
    assert [month for month, _ in months["old"]] == ["2020-06", "2020-07", "2020-08"]
    assert [state for _, state in months["old"]] == ["observation", "observation", "observation"]
    assert [state for _, state in months["may"]] == ["novice", "observation", "observation"]
    assert [state for _, state in months["june"]] == ["novice", "novice", "observation"]
    assert ledger.ask("2020-09-03", "old", first_month="2020-08")["months"][0]["month"] == "2020-08"


def test_what_came_before_the_onboarding_counts() -> None:
    ledger = Ledger()
    ledger.deduct("a", "2019-01-01", 15)
    ledger.bind("a", "x", "2022-12-01")
    ledger.sale("x", "o", "2022-12-02", 70)
    ledger.sale("x", "p", "2023-01-02", 500)
    ledger.live("x", "2023-01-03", 9)
    ledger.onboard("a", "2023-01-31")
    ledger.refund("x", "o", "2023-01-31", 20)
    first = ledger.ask("2023-02-03")
    assert (first["figures"]["settled"], first["figures"]["live_minutes"], first["credit"]) == (480, 9, 105)


# --- one slot a creator ---------------------------------------------------------------------------------------------


def test_a_binding_replaces_any_earlier_one_for_good_and_nothing_is_restored() -> None:
    ledger = serving("a", "b")
    ledger.bind("a", "x", "2023-05-01")
    ledger.sale("x", "o1", "2023-05-02", 1)
    ledger.bind("b", "x", "2023-05-03")
    ledger.sale("x", "o2", "2023-05-04", 20)
    stray = ledger.unbind("a", "x", "2023-05-05")  # a does not hold it any more
    ledger.sale("x", "o3", "2023-05-06", 300)
    ledger.unbind("b", "x", "2023-05-07")  # does not give it back to a
    ledger.sale("x", "o4", "2023-05-08", 4_000)
    again = ledger.unbind("b", "x", "2023-05-09")
    assert (ledger.figures()["settled"], ledger.figures(agency="b")["settled"]) == (1, 320)
    assert ledger.ask()["not_bound"] == [f"urn:t {stray}"]
    assert ledger.ask(agency="b")["not_bound"] == [f"urn:t {again}"]
    # What is not known, or not yet, or retracted, has no verdict.
    assert ledger.ask(at("2023-05-05") - 1)["not_bound"] == []
    assert ledger.ask("2023-05-05")["not_bound"] == [f"urn:t {stray}"]
    ledger.retract(stray, "2023-09-01", "mcn/a")
    assert ledger.ask()["not_bound"] == []


def test_binding_again_changes_nothing_and_an_unbinding_ends_it_once() -> None:
    ledger = serving("a")
    never = ledger.unbind("a", "x", "2023-04-30")
    ledger.bind("a", "x", "2023-05-01")
    ledger.bind("a", "x", "2023-05-02")
    ledger.sale("x", "o1", "2023-05-03", 1)
    ledger.unbind("a", "x", "2023-05-04")
    ledger.sale("x", "o2", "2023-05-05", 20)
    twice = ledger.unbind("a", "x", "2023-05-06")
    ledger.bind("a", "x", "2023-05-07")
    ledger.sale("x", "o3", "2023-05-08", 300)
    assert ledger.ask()["not_bound"] == [f"urn:t {never}", f"urn:t {twice}"]
    assert ledger.figures()["settled"] == 301


def test_bindings_are_processed_by_time_then_position_across_agencies() -> None:
    ledger = serving("a", "b")
    ledger.bind("b", "x", "2023-05-10")
    ledger.bind("a", "x", "2023-05-05")  # recorded later, happened before
    ledger.sale("x", "o1", at("2023-05-10") - 1, 1)
    ledger.sale("x", "o2", "2023-05-10", 20)
    ledger.bind("a", "y", "2023-05-10")  # at one instant: the later position has it
    ledger.bind("b", "y", "2023-05-10")
    ledger.sale("y", "o3", "2023-05-10", 300)
    early = ledger.unbind("b", "z", "2023-05-10")  # not bound yet, by position: the binding stands
    ledger.bind("b", "z", "2023-05-10")
    ledger.sale("z", "o4", "2023-05-10", 4_000)
    assert (ledger.figures()["settled"], ledger.figures(agency="b")["settled"]) == (1, 4_320)
    assert ledger.ask(agency="b")["not_bound"] == [f"urn:t {early}"]


def test_all_binding_events_at_or_before_an_instant_are_in_effect_at_it() -> None:
    ledger = serving("a", "b")
    ledger.sale("x", "o1", "2023-05-10", 1)  # a lower position than the binding of the same instant
    ledger.live("x", "2023-05-10", 5)
    ledger.bind("a", "x", "2023-05-10")
    ledger.sale("x", "o2", "2023-05-20", 20)
    ledger.live("x", "2023-05-20", 6)
    ledger.unbind("a", "x", "2023-05-20")
    ledger.sale("x", "o3", at("2023-05-10") - 1, 300)
    ledger.live("x", at("2023-05-20") - 1, 7)
    figures = ledger.figures()
    assert (figures["settled"], figures["live_minutes"]) == (1, 12)


def test_retracted_bindings_and_unbindings() -> None:
    ledger = serving("a", "b")
    ledger.bind("a", "x", "2023-05-01")
    taken = ledger.bind("b", "x", "2023-05-02")
    ledger.sale("x", "o", "2023-05-03", 100)
    left = ledger.unbind("b", "x", "2023-05-04")
    ledger.sale("x", "p", "2023-05-05", 20)

    def settled() -> tuple[int, int]:
        return ledger.figures()["settled"], ledger.figures(agency="b")["settled"]

    assert settled() == (0, 100)
    out = ledger.retract(taken, "2023-10-01", "mcn/b")
    assert settled() == (120, 0)
    assert ledger.ask(agency="b")["not_bound"] == [f"urn:t {left}"]
    ledger.retract(out, "2023-10-02", "mcn/a")  # another subject's: does nothing
    assert settled() == (120, 0)
    ledger.retract(out, "2023-10-02", "mcn/b")
    assert settled() == (0, 100)
    ledger.retract(left, "2023-10-03", "mcn/b")
    assert settled() == (0, 120)


# --- sales and refunds ----------------------------------------------------------------------------------------------


def test_refunds_belong_to_the_agency_of_the_sale_in_the_month_of_the_refund() -> None:
    ledger = serving("a", "b")
    ledger.bind("a", "x", "2023-03-01")
    ledger.sale("x", "o", "2023-04-10", 1_000, channel="showcase", good=True)
    ledger.refund("x", "o", "2023-04-11", 100)
    ledger.unbind("a", "x", "2023-04-20")
    ledger.refund("x", "o", "2023-04-21", 10)  # after an unbinding too
    ledger.bind("b", "x", "2023-04-25")
    ledger.sale("x", "p", "2023-05-01", 500)
    ledger.refund("x", "o", "2023-05-02", 300)  # b holds the creator now
    ledger.bind("a", "y", "2023-05-01")
    ledger.sale("y", "o", "2023-05-05", 700)  # another creator's order of the same id
    assert money(ledger.figures("2023-05-31")) == (890, 890, 890)
    # In May a has 700 settled and 300 refunded of a showcase sale of good goods: parts not under 0.
    assert money(ledger.figures()) == (400, 0, 0)
    assert money(ledger.figures(agency="b")) == (500, 0, 0)
    # Nothing is carried over into June.
    assert money(ledger.figures("2023-07-03")) == (0, 0, 0)


def test_money_is_summed_over_the_creators_first_and_bounded_then() -> None:
    ledger = serving("a")
    for creator in "xy":
        ledger.bind("a", creator, "2023-04-01")
    ledger.sale("x", "o", "2023-04-10", 100, channel="showcase", good=True)
    ledger.refund("x", "o", "2023-05-10", 900)  # whole, even beyond the amount
    ledger.sale("y", "p", "2023-05-11", 1_000, channel="showcase")
    # Creator by creator it would be 0 + 1,000.
    assert money(ledger.figures()) == (100, 100, 0)
    ledger.sale("y", "q", "2023-05-12", 5, channel="video", good=True)
    # Settled 105, of it showcase 100; good -900 + 5 is none.
    assert money(ledger.figures()) == (105, 100, 0)
    ledger.sale("y", "r", "2023-05-13", 2_000, channel="live", good=True)
    ledger.sale("y", "s", "2023-04-13", 1, channel="video")
    ledger.refund("y", "s", "2023-05-14", 1_500)  # neither showcase nor good
    # Settled 2,105 - 1,500 = 605; good 1,105 is bounded by it, and so is nothing of the showcase's 100.
    assert money(ledger.figures()) == (605, 100, 605)
    ledger.refund("y", "s", "2023-05-15", 700)
    assert money(ledger.figures()) == (0, 0, 0)
    ledger.sale("y", "t", "2023-05-16", 96)
    assert money(ledger.figures()) == (1, 1, 1)


def test_duplicates_and_refunds_of_unknown_orders_are_ignored() -> None:
    ledger = serving("a", "b")
    ledger.bind("a", "x", "2023-04-01")
    ledger.refund("x", "o", "2023-05-01", 7)  # before the sale: unknown, and stays so
    ledger.refund("x", "o", "2023-05-02", 7)  # at its instant, of an earlier position
    first = ledger.sale("x", "o", "2023-05-02", 1_000, channel="video")
    ledger.refund("x", "o", "2023-05-02", 20)  # at its instant, of a later position
    ledger.refund("x", "none", "2023-05-03", 7)
    ledger.refund("y", "o", "2023-05-03", 7)  # not this creator's order
    ledger.sale("x", "o", "2023-05-04", 90_000, channel="showcase", good=True, worry_free=True)
    ledger.bind("b", "x", "2023-05-05")
    ledger.sale("x", "o", "2023-05-06", 90_000, channel="showcase", good=True, worry_free=True)
    ledger.refund("x", "o", "2023-05-07", 300)  # still of a's sale
    assert money(ledger.figures()) == (680, 0, 0)
    assert counts(ledger.figures()) == (1, 0, 0)
    assert money(ledger.figures(agency="b")) == (0, 0, 0)
    assert counts(ledger.figures(agency="b")) == (0, 0, 0)
    # With the first settlement retracted the second is the first, of the 4th: all refunds up to there are unknown.
    ledger.retract(first, "2023-10-01", "creator/x")
    assert money(ledger.figures()) == (89_700, 89_700, 89_700)
    assert counts(ledger.figures()) == (1, 1, 1)


def test_an_order_first_settled_while_nobody_held_the_creator_is_nobodys() -> None:
    ledger = serving("a")
    ledger.sale("x", "o", "2023-05-01", 100)
    ledger.bind("a", "x", "2023-05-02")
    ledger.sale("x", "o", "2023-05-03", 100)
    ledger.sale("x", "p", "2023-05-03", 1_000)
    ledger.refund("x", "o", "2023-05-04", 40)
    assert money(ledger.figures()) == (1_000, 0, 0)
    assert counts(ledger.figures()) == (1, 0, 0)


def test_counts_are_of_first_settlements_and_are_not_lessened_by_refunds() -> None:
    ledger = serving("a", "b")
    for creator in "xyz":
        ledger.bind("a", creator, "2023-04-01")
    ledger.sale("x", "o1", "2023-05-01", 100, channel="showcase", worry_free=True)
    ledger.sale("x", "o2", "2023-05-02", 100, channel="showcase", worry_free=True)
    ledger.sale("y", "o1", "2023-05-03", 0, channel="showcase", worry_free=False)
    ledger.sale("z", "o1", "2023-05-04", 100, channel="live")
    ledger.sale("z", "o2", "2023-04-30", 100, channel="showcase", worry_free=True)  # another month
    for creator, order in (("x", "o1"), ("x", "o2"), ("y", "o1"), ("z", "o1"), ("z", "o2")):
        ledger.refund(creator, order, "2023-05-05", 100)
    ledger.unbind("a", "y", "2023-05-06")  # need not be held at the close
    assert counts(ledger.figures()) == (4, 2, 2)
    assert money(ledger.figures()) == (0, 0, 0)
    assert counts(ledger.figures("2023-05-31")) == (1, 1, 1)


def test_creators_need_not_be_registered_and_other_subjects_do_not_matter() -> None:
    ledger = serving("a")
    ledger.bind("a", "x", "2023-05-01")
    ledger.add("merchant.onboarded", "2023-05-01", "merchant/x", category="fresh")
    ledger.add("creator.registered", "2023-05-01", "creator/y")
    ledger.sale("x", "o", "2023-05-02", 10)
    ledger.add("content.published", "2023-05-02", "creator/x", content="c", good=True)
    ledger.sale("y", "o", "2023-05-02", 500)
    ledger.bind("a", "never-seen", "2023-05-02")
    ledger.levels["creator/never-seen", "2023-05"] = "L5"
    assert (ledger.figures()["settled"], ledger.figures()["top_creators"]) == (10, 1)


# --- the other figures ----------------------------------------------------------------------------------------------


def test_top_creators_are_those_held_at_the_close_of_a_level_at_or_above_the_parameters() -> None:
    ledger = agencies("a", "b")
    creators = ["gated", "l0", "l4", "l5", "l6", "l7"]
    codes = [None, "L0", "L4", "L5", "L6", "L7"]
    for creator, code in zip(creators, codes, strict=True):
        ledger.bind("a", creator, "2023-04-01")
        ledger.levels[f"creator/{creator}", "2023-05"] = code
        ledger.levels[f"creator/{creator}", "2023-04"] = "L7"
        ledger.levels[f"creator/{creator}", "2023-06"] = "L7"
    assert ledger.figures()["top_creators"] == 3
    assert ledger.figures("2023-05-31")["top_creators"] == 6
    four = {"level": "L4", "bands": bands((0, 0))}
    assert ledger.ask(top_creators=four)["figures"]["top_creators"] == 4
    ledger.unbind("a", "l5", at("2023-06-01") - 1)  # in effect at the close
    ledger.unbind("a", "l6", "2023-06-01")
    ledger.bind("b", "l7", "2023-05-31T20:00")
    assert (ledger.figures()["top_creators"], ledger.figures(agency="b")["top_creators"]) == (1, 1)
    ledger.asked.clear()
    ledger.ask("2023-02-03", "b")
    assert ledger.asked == []
    ledger.ask("2023-06-03", "b")
    assert ledger.asked == [("creator/l7", "2023-05")]


def test_live_minutes_are_of_creators_held_at_that_instant() -> None:
    ledger = agencies("a", "b")
    ledger.bind("a", "x", "2023-05-01")
    ledger.live("x", at("2023-05-01") - 1, 1)
    ledger.live("x", "2023-05-01", 20)
    ledger.live("x", "2023-05-01", 20)
    ledger.bind("b", "x", "2023-05-10")
    ledger.live("x", "2023-05-10", 300)
    ledger.unbind("b", "x", "2023-05-20")
    gone = ledger.live("x", "2023-05-11", 400)
    ledger.live("x", "2023-05-21", 1_000)
    ledger.live("x", "2023-06-01", 1_000)
    ledger.retract(gone, "2023-05-22", "creator/x")
    assert (ledger.figures()["live_minutes"], ledger.figures(agency="b")["live_minutes"]) == (40, 300)
    ledger.bind("b", "y", "2023-04-01")
    ledger.live("y", at("2023-05-01") - 1, 5)
    ledger.live("y", at("2023-06-01") - 1, 6)
    assert ledger.figures("2023-05-31", "b")["live_minutes"] == 5
    assert ledger.figures(agency="b")["live_minutes"] == 306
    assert ledger.figures("2023-07-03", "b")["live_minutes"] == 0


def test_service_is_the_mean_of_each_creators_last_reputation_up_to_the_close() -> None:
    ledger = agencies("a", "b")
    for creator in ("x", "y", "z", "w"):
        ledger.bind("a", creator, "2023-05-01")
    ledger.scored("x", "2021-01-01", "3.5")  # of any age, and before the binding
    ledger.scored("y", "2023-05-10", "5")
    ledger.scored("y", "2023-05-09", "1")  # recorded later, happened before
    ledger.scored("z", "2023-05-11", "4", "fulfilment")  # no reputation: left out, as w is
    ledger.scored("x", "2023-06-01", "0")  # after the close
    assert ledger.figures()["reputation_mean"] == [850, 2]
    assert ledger.ask()["service"] == 140  # 4.25
    ledger.scored("y", at("2023-06-01") - 1, "4.99")
    ledger.scored("y", at("2023-06-01") - 1, "4.01")  # at one instant: the later position
    assert ledger.figures()["reputation_mean"] == [751, 2]
    assert ledger.ask()["service"] == 80  # 3.755
    last = ledger.scored("w", "2023-05-12", "4.94")
    assert ledger.figures()["reputation_mean"] == [1_245, 3]
    ledger.bind("b", "y", "2023-05-31")
    assert ledger.figures()["reputation_mean"] == [844, 2]
    assert ledger.figures(agency="b")["reputation_mean"] == [401, 1]
    ledger.retract(last, "2023-12-01", "creator/w")
    assert ledger.figures()["reputation_mean"] == [350, 1]
    # Nobody held, or nobody with a value: none.
    assert (ledger.figures("2023-05-31")["reputation_mean"], ledger.ask("2023-05-31")["service"]) == (None, 0)


@pytest.mark.parametrize(
    ("values", "service"),
    [
        (["4.20", "4.20", "4.19"], 120),  # 4.1966…, which would be displayed as 4.20
        (["4.20", "4.20", "4.20"], 140),
        (["4.20", "4.21", "4.19"], 140),
        (["4.39", "4.40", "4.40"], 140),
        (["2.99"], 0),
        (["3"], 40),
        (["5.00", "4.60"], 200),
        ([], 0),
    ],
)
def test_the_mean_is_an_exact_fraction(values: list[str], service: int) -> None:
    ledger = agencies("a")
    ledger.bind("a", "w", "2023-05-01")
    for i, value in enumerate(values):
        ledger.bind("a", f"x{i}", "2023-05-01")
        ledger.scored(f"x{i}", "2023-05-01", value)
    assert ledger.ask()["service"] == service


def test_values_are_texts_of_up_to_two_places() -> None:
    assert [hundredths(v) for v in ("0", "5", "5.0", "4.2", "4.05", "4.50", "0.01")] == [0, 500, 500, 420, 405, 450, 1]


# --- credit and phase -----------------------------------------------------------------------------------------------


def test_credit_starts_at_120_and_is_capped_after_each_movement() -> None:
    ledger = serving("a", "b")
    assert ledger.ask()["credit"] == 120
    ledger.grant("a", "2023-05-01", 40)  # 150, not 160
    ledger.deduct("a", "2023-05-02", 20, "v")  # 130
    ledger.grant("a", "2023-05-03", 15)  # 145
    assert ledger.ask()["credit"] == 145
    ledger.grant("a", "2023-05-04", 5)  # 150: exactly the cap
    ledger.deduct("a", at("2023-06-01") - 1, 1, "w")  # 149
    ledger.deduct("a", "2023-06-01", 100, "w")  # June
    assert (ledger.ask()["credit"], ledger.ask(agency="b")["credit"]) == (149, 120)
    assert ledger.ask("2023-07-03")["credit"] == 49
    # Recorded last, but first in time: 120 - 10 = 110, + 40 = 150 all the same.
    ledger.deduct("a", "2023-04-30", 10, "u")
    assert ledger.ask()["credit"] == 149
    ledger.deduct("a", "2023-04-30", 11, "u")  # 99, 139, 119, 134, 139, 138
    assert ledger.ask()["credit"] == 138
    assert ledger.ask("2023-05-31")["credit"] == 99


def test_credit_may_go_under_0() -> None:
    ledger = serving("a")
    ledger.deduct("a", "2023-05-01", 1_000)
    assert (ledger.ask()["credit"], ledger.ask()["state"]) == (-880, "observation")
    ledger.grant("a", "2023-05-02", 1_000)
    assert ledger.ask()["credit"] == 120


def test_the_cap_holds_after_a_movement() -> None:
    ledger = serving("a")
    high = {"start": 200, "max": 150}
    assert ledger.ask(credit=high)["credit"] == 200
    ledger.deduct("a", "2023-05-01", 1)
    assert ledger.ask(credit=high)["credit"] == 150


def test_a_restored_deduction_is_left_out_of_the_sequence() -> None:
    ledger = serving("a", "b")
    ledger.deduct("a", "2023-05-01", 30, "v")  # 90
    ledger.grant("a", "2023-05-02", 50)  # 140
    ledger.deduct("a", "2023-05-03", 70, "v")  # 70
    ledger.deduct("a", "2023-05-04", 5, "w")  # 65
    known = len(ledger.events)
    ledger.restore("mcn/b", "2023-05-05")  # another agency's
    ledger.restore("creator/s-a", "2023-05-05")  # a creator's
    ledger.restore("mcn/a", "2023-05-05", "nothing")
    assert (ledger.ask()["credit"], ledger.ask()["state"]) == (65, "observation")
    back = ledger.restore("mcn/a", "2024-01-01")  # both of v, at their own time: 120, 150, 145
    assert (ledger.ask()["credit"], ledger.ask()["state"]) == (145, "rated")
    assert ledger.ask(position=known)["credit"] == 65
    ledger.deduct("a", "2023-05-06", 100, "v")  # of the same violation, and recorded after its restoration
    assert ledger.ask()["credit"] == 145
    ledger.retract(back, "2024-02-01", "mcn/a")
    assert ledger.ask()["credit"] == -35


def test_a_creators_credit_does_not_touch_its_agencys() -> None:
    ledger = serving("a")
    ledger.add("credit.deducted", "2023-05-01", "creator/s-a", violation="v", points=1_000)
    assert (ledger.ask()["credit"], ledger.ask()["state"]) == (120, "rated")


@pytest.mark.parametrize(("deducted", "state"), [(39, "rated"), (40, "rated"), (41, "observation")])
def test_credit_under_80_is_observation(deducted: int, state: str) -> None:
    ledger = serving("a")
    ledger.deduct("a", "2023-05-01", deducted)
    result = ledger.ask()
    assert (result["credit"], result["state"]) == (120 - deducted, state)
    # Every evaluation has its figures; only a rated one has a level and points missing.
    assert (result["service"], result["total"], result["figures"]["reputation_mean"]) == (140, 140, [420, 1])
    assert (result["level"], result["to_next"]) == (("V1", 160) if state == "rated" else (None, None))


@pytest.mark.parametrize(("service", "state"), [(139, "observation"), (140, "rated"), (141, "rated")])
def test_service_under_140_is_observation(service: int, state: str) -> None:
    result = serving("a").ask(service_bands=bands((0, 0), (420, service)))
    assert (result["service"], result["state"], result["level"] is None) == (service, state, state != "rated")


@pytest.mark.parametrize(
    ("value", "service", "state"), [("4.19", 120, "observation"), ("4.20", 140, "rated"), ("4.21", 140, "rated")]
)
def test_a_reputation_of_4_20_is_just_enough(value: str, service: int, state: str) -> None:
    result = serving("a", value=value).ask()
    assert (result["service"], result["state"]) == (service, state)


def test_novice_comes_before_observation_and_ends_with_the_second_natural_month() -> None:
    ledger = Ledger()
    ledger.onboard("a", at("2023-02-01") - 1)  # the last microsecond of January
    ledger.onboard("b", "2023-02-01")
    ledger.bind("a", "x", "2023-02-01")
    ledger.scored("x", "2023-02-01", "5")
    ledger.deduct("b", "2023-02-01", 100)
    assert states(ledger.ask("2023-05-03")) == [
        ("2023-01", "novice"),
        ("2023-02", "novice"),
        ("2023-03", "rated"),
        ("2023-04", "rated"),
    ]
    assert states(ledger.ask("2023-05-03", "b")) == [
        ("2023-02", "novice"),
        ("2023-03", "novice"),
        ("2023-04", "observation"),
    ]
    novice = ledger.ask("2023-03-03")
    assert (novice["state"], novice["level"], novice["to_next"]) == ("novice", None, None)
    assert (novice["service"], novice["total"], novice["credit"]) == (200, 200, 120)
    assert states(ledger.ask("2023-05-03", novice_months=3))[2] == ("2023-03", "novice")


# --- the score ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "bound", "given", "below"),
    [
        (row, bound, given, pairs[i - 1][1] if i else None)
        for row, pairs in TABLE.items()
        for i, (bound, given) in enumerate(pairs)
    ],
)
def test_every_band_of_the_table_at_above_and_one_below(row: str, bound: int, given: int, below: int | None) -> None:
    told = bands(*TABLE[row])
    for order in (told, told[::-1]):
        assert points(order, bound) == given
        assert points(order, bound + Fraction(1, 10**12)) == given
        if below is not None:
            assert points(order, bound - 1) == below
            assert points(order, bound - Fraction(1, 10**12)) == below


def test_the_totals_of_the_table() -> None:
    most = {row: pairs[-1][1] for row, pairs in TABLE.items()}
    assert sum(most[r] for r in ("settled_bands", "orders_bands", "top_creators", "live_minutes_bands")) == 500
    assert sum(most[r] for r in ("showcase_share_bands", "showcase_creators_bands", "good_share_bands")) == 300
    assert (most["service_bands"], most["worry_free_bands"]) == (200, 100)


def test_a_month_worked_out_by_hand_with_the_rulebooks_values() -> None:
    ledger = serving("a")
    ledger.bind("a", "x", "2023-05-01")
    ledger.sale("x", "o1", "2023-05-02", 90_000_00, channel="live", good=True, worry_free=True)
    ledger.sale("x", "o2", "2023-05-03", 30_000_00, channel="showcase")
    ledger.sale("x", "o3", "2023-05-04", 10_000_00, channel="video")
    ledger.refund("x", "o1", "2023-05-05", 30_000_00)
    ledger.live("x", "2023-05-02", 1_000)
    ledger.levels["creator/x", "2023-05"] = "L5"
    ledger.scored("x", "2023-05-31", "4.62")
    ledger.grant("a", "2023-05-02", 7)
    result = ledger.ask(values=published())
    assert result["figures"] == {
        "settled": 100_000_00,
        "orders": 3,
        "top_creators": 1,
        "live_minutes": 1_000,
        "showcase": 30_000_00,
        "showcase_creators": 1,
        "good": 60_000_00,
        "reputation_mean": [882, 2],
        "worry_free": 1,
    }
    row = {
        "month": "2023-05",
        "state": "rated",
        "level": "V2",
        "credit": 127,
        "operating": 80,  # 50 for 100k yuan, 0 for three orders, 20 for a creator of L5, 10 for 1,000 minutes
        "growth": 212,  # 96 for 30 %, 16 for one creator, 100 for 60 %
        "service": 160,  # 4.41
        "bonus": 0,
        "total": 452,
    }
    assert result["months"][-1] == row
    assert {name: result[name] for name in row} == row
    assert (result["to_next"], result["not_bound"]) == (48, [])
    assert set(result) == {*row, "figures", "to_next", "not_bound", "months"}
    # One fen less: 50 points less in the settled amount; 30 % is now a little over.
    ledger.refund("x", "o3", "2023-05-06", 1)
    less = ledger.ask(values=published())
    assert (less["operating"], less["growth"], less["total"], less["level"]) == (30, 212, 402, "V2")


@pytest.mark.parametrize(
    ("settled", "given"), [(0, 0), (999, 0), (1_000, 50), (1_001, 50), (4_999, 50), (5_000, 100), (5_001, 100)]
)
def test_settled_one_fen_below_at_and_above(settled: int, given: int) -> None:
    ledger = serving("a")
    ledger.sale("s-a", "o", "2023-05-01", settled)
    result = ledger.ask()
    assert (result["operating"], result["growth"], result["total"]) == (given, 0, 140 + given)


@pytest.mark.parametrize(("orders", "operating", "bonus"), [(1, 0, 0), (2, 20, 10), (3, 20, 30), (4, 40, 30)])
def test_orders_and_worry_free_orders(orders: int, operating: int, bonus: int) -> None:
    ledger = serving("a")
    for i in range(orders):
        ledger.sale("s-a", f"o{i}", "2023-05-01", 0, worry_free=True)
    result = ledger.ask()
    assert (result["operating"], result["bonus"], result["total"]) == (operating, bonus, 140 + operating + bonus)


@pytest.mark.parametrize(("minutes", "given"), [(59, 0), (60, 10), (61, 10), (119, 10), (120, 20)])
def test_live_minutes(minutes: int, given: int) -> None:
    ledger = serving("a")
    ledger.live("s-a", "2023-05-01", 1)
    ledger.live("s-a", "2023-05-31", minutes - 1)
    assert ledger.ask()["operating"] == given


@pytest.mark.parametrize(("codes", "given"), [([None], 0), (["L4"], 0), (["L5"], 20), (["L5", "L7", "L6"], 40)])
def test_top_creators(codes: list[str | None], given: int) -> None:
    ledger = serving("a")
    for i, code in enumerate(codes):
        ledger.bind("a", f"x{i}", "2023-05-01")
        ledger.levels[f"creator/x{i}", "2023-05"] = code
    assert ledger.ask()["operating"] == given


@pytest.mark.parametrize(
    ("showcase", "other", "given"),
    [(49, 951, 0), (50, 950, 24), (51, 949, 24), (499, 501, 24), (500, 500, 48), (1, 0, 48), (0, 1, 0)],
)
def test_showcase_share_and_creators(showcase: int, other: int, given: int) -> None:
    ledger = serving("a")
    ledger.sale("s-a", "o", "2023-05-01", showcase, channel="showcase")
    ledger.sale("s-a", "p", "2023-05-01", other)
    assert ledger.ask()["growth"] == given + 16  # one creator with a showcase sale, be it of 0 fen
    ledger.bind("a", "x", "2023-05-01")
    ledger.sale("x", "o", "2023-05-01", 0, channel="showcase")
    assert ledger.ask()["growth"] == given + 32


@pytest.mark.parametrize(
    ("good", "other", "given"), [(99, 901, 0), (100, 900, 20), (299, 701, 20), (300, 700, 40), (301, 699, 40)]
)
def test_good_share(good: int, other: int, given: int) -> None:
    ledger = serving("a")
    ledger.sale("s-a", "o", "2023-05-01", good, good=True)
    ledger.sale("s-a", "p", "2023-05-01", other)
    assert ledger.ask()["growth"] == given


def test_shares_are_exact_and_0_when_nothing_is_settled() -> None:
    ledger = serving("a")
    big = 10**10
    for i in range(100):
        ledger.sale("s-a", f"o{i}", "2023-05-01", big, channel="showcase" if i < 5 else "live", good=i < 10)
    assert ledger.ask()["growth"] == 24 + 16 + 20
    ledger.refund("s-a", "o0", "2023-05-02", 1)  # one fen of 10,000 million yuan
    assert ledger.ask()["growth"] == 0 + 16 + 0
    for i in range(100):
        ledger.refund("s-a", f"o{i}", "2023-05-03", big)
    result = ledger.ask()
    assert money(result["figures"]) == (0, 0, 0)
    assert (result["growth"], result["operating"]) == (16, 40)  # counts stand
    # With a band from 0 % its points are given then too.
    odd = bands((0, 7), (1, 9))
    assert ledger.ask(good_share_bands=odd)["growth"] == 23


def test_the_score_is_the_sum_of_its_parts_and_the_level_goes_by_the_sum_with_bonus() -> None:
    ledger = serving("a", value="5")
    for creator in ("x", "y"):
        ledger.bind("a", creator, "2023-05-01")
        ledger.levels[f"creator/{creator}", "2023-05"] = "L6"
        for i in range(2):
            ledger.sale(creator, f"o{i}", "2023-05-02", 2_000, channel="showcase", good=True, worry_free=True)
        ledger.live(creator, "2023-05-02", 60)
    result = ledger.ask()
    assert [result[name] for name in ("operating", "growth", "service", "bonus", "total")] == [200, 120, 200, 30, 550]
    assert (result["level"], result["to_next"]) == ("V3", 150)
    # Without the bonus of 30 it would be V2.
    at_bonus = ledger.ask(levels=rungs(V1=0, V2=520, V3=521))
    assert (at_bonus["level"], at_bonus["to_next"]) == ("V3", None)


@pytest.mark.parametrize(
    ("levels", "level", "missing"),
    [
        (rungs(V1=0, V2=139, V3=500), "V2", 360),
        (rungs(V1=0, V2=140, V3=500), "V2", 360),
        (rungs(V1=0, V2=141, V3=500), "V1", 1),
        (rungs(V3=500, V2=141, V1=0), "V1", 1),
        (rungs(V1=0, V2=100, V3=140), "V3", None),
        (rungs(V1=0, V2=100, V3=139), "V3", None),
    ],
)
def test_levels_one_below_at_and_above_each_bound(levels: Any, level: str, missing: int | None) -> None:
    result = serving("a").ask(levels=levels)
    assert (result["total"], result["level"], result["to_next"]) == (140, level, missing)


@pytest.mark.parametrize(
    ("total", "level", "missing"),
    [
        (0, "V1", 300),
        (299, "V1", 1),
        (300, "V2", 200),
        (499, "V2", 1),
        (500, "V3", 200),
        (699, "V3", 1),
        (700, "V4", 150),
        (849, "V4", 1),
        (850, "V5", None),
        (1_100, "V5", None),
    ],
)
def test_the_levels_of_the_rulebook(total: int, level: str, missing: int | None) -> None:
    ledger = serving("a")
    ledger.live("s-a", "2023-05-01", 1)
    result = ledger.ask(
        live_minutes_bands=bands((0, 0), (1, total)),
        service_bands=bands((0, 0)),
        observation={"service_min": 0, "credit_min": 80},
    )
    assert (result["total"], result["state"], result["level"], result["to_next"]) == (total, "rated", level, missing)


def test_a_level_may_rise_and_fall_several_at_once() -> None:
    ledger = serving("a")
    for month in ("03", "05"):
        ledger.sale("s-a", f"o{month}", f"2023-{month}-10", 5_000)
    steps = rungs(V1=0, V2=150, V3=180, V4=200, V5=240)
    rows = ledger.ask("2023-07-03", levels=steps)["months"]
    assert [row["level"] for row in rows] == [None, None, "V5", "V1", "V5", "V1"]


# --- leaderboards ---------------------------------------------------------------------------------------------------


def test_boards_rank_rated_agencies_by_their_own_score() -> None:
    ledger = serving("a", "b", "c", "d")
    ledger.onboard("novice", "2023-04-01")
    ledger.onboard("later", "2023-06-01")
    ledger.bind("no-agency", "x", "2023-05-01")
    ledger.sale("x", "o", "2023-05-01", 9_000, channel="showcase")
    ledger.sale("s-a", "o", "2023-05-01", 5_000)  # operating 100
    ledger.sale("s-b", "o", "2023-05-01", 1_000, channel="showcase")  # operating 50, growth 64
    ledger.sale("s-c", "o", "2023-05-01", 900, channel="showcase")  # growth 64
    ledger.sale("s-d", "o", "2023-05-01", 9_000, channel="showcase", good=True)
    ledger.deduct("d", "2023-05-01", 41)  # observation
    assert ledger.board("comprehensive") == [
        (1, "mcn/b", 254, 1_000),
        (2, "mcn/a", 240, 5_000),
        (3, "mcn/c", 204, 900),
    ]
    assert ledger.board("growth") == [
        (1, "mcn/b", 64, 1_000),
        (2, "mcn/c", 64, 900),
        (3, "mcn/a", 0, 5_000),
    ]
    assert [row[1] for row in ledger.board("growth", "2023-04")] == ["mcn/a", "mcn/b", "mcn/c", "mcn/d"]
    assert ledger.board("growth", "2023-02") == []  # all novices
    assert ledger.board("growth", "2022-12") == []
    # `later` and `novice` are rated in no month; nobody has a reputation there.
    assert [row[1] for row in ledger.board("comprehensive", "2023-12")] == ["mcn/a", "mcn/b", "mcn/c"]


def test_boards_go_by_the_sum_with_bonus() -> None:
    ledger = serving("a", "b")
    for i in range(3):
        ledger.sale("s-b", f"o{i}", "2023-05-01", 0, worry_free=True)  # orders 20, bonus 30
    ledger.sale("s-a", "o", "2023-05-01", 1_000)  # 50
    assert ledger.board("comprehensive") == [(1, "mcn/a", 190, 1_000), (2, "mcn/b", 190, 0)]
    ledger.sale("s-b", "p", "2023-05-01", 0)  # orders 40
    assert ledger.board("comprehensive") == [(1, "mcn/b", 210, 0), (2, "mcn/a", 190, 1_000)]


def test_ties_by_net_settled_then_by_id_by_code_point() -> None:
    ledger = serving("a", "B", "a-1", "a.1", "_", "10", "9")
    ledger.sale("s-9", "o", "2023-05-01", 10)
    ledger.sale("s-10", "o", "2023-05-01", 500)
    ledger.refund("s-10", "o", "2023-05-02", 491)
    ledger.sale("s-a", "o", "2023-04-01", 500)
    ledger.refund("s-a", "o", "2023-05-02", 400)  # nothing settled, as with the others
    assert [(row[1], row[3]) for row in ledger.board("comprehensive")] == [
        ("mcn/9", 10),
        ("mcn/10", 9),
        ("mcn/B", 0),
        ("mcn/_", 0),
        ("mcn/a", 0),
        ("mcn/a-1", 0),
        ("mcn/a.1", 0),
    ]
    assert [row[0] for row in ledger.board("comprehensive")] == [1, 2, 3, 4, 5, 6, 7]


def test_a_correction_known_later_changes_the_board_as_known_later() -> None:
    ledger = serving("a", "b")
    sale = ledger.sale("s-a", "o", "2023-05-01", 5_000)
    ledger.sale("s-b", "o", "2023-05-01", 1_000)
    known = len(ledger.events)
    ledger.retract(sale, "2023-09-01", "creator/s-a")
    ledger.deduct("b", "2023-05-31", 100)
    assert [row[1] for row in ledger.board("comprehensive", position=known)] == ["mcn/a", "mcn/b"]
    assert [row[1] for row in ledger.board("comprehensive", position=known + 1)] == ["mcn/b", "mcn/a"]
    assert [row[1] for row in ledger.board("comprehensive")] == ["mcn/a"]


# --- what must hold of any ledger -----------------------------------------------------------------------------------

AGENCIES = ("a", "b", "c")
CREATORS = ("w", "x", "y", "z")
MONTHS = ("2023-01", "2023-02", "2023-03", "2023-04", "2023-05", "2023-06")


def random_ledger(seed: int, size: int = 100) -> Ledger:
    chance = random.Random(seed)
    ledger = Ledger()
    for creator in CREATORS:
        for month in MONTHS:
            ledger.levels[f"creator/{creator}", month] = chance.choice([None, "L0", "L4", "L5", "L7"])
    for agency in AGENCIES:
        ledger.onboard(agency, at("2022-12-20") + chance.randrange(40) * DAY)
    while len(ledger.events) < size:
        when = at("2022-12-25") + chance.randrange(380) * 12 * HOUR
        if chance.random() < 0.45:
            of_an_agency(ledger, chance, chance.choice(AGENCIES), when)
        elif chance.random() < 0.9:
            of_a_creator(ledger, chance, chance.choice(CREATORS), when)
        else:
            named = chance.choice(ledger.events)
            ledger.retract(named["id"], when, named["subject"])
    return ledger


def of_an_agency(ledger: Ledger, chance: random.Random, agency: str, when: int) -> None:
    creator, violation = chance.choice(CREATORS), f"v{chance.randrange(4)}"
    pick = chance.randrange(10)
    if pick < 4:
        ledger.bind(agency, creator, when)
    elif pick < 7:
        ledger.unbind(agency, creator, when)
    elif pick == 7:
        ledger.deduct(agency, when, chance.randrange(1, 40), violation)
    elif pick == 8:
        ledger.grant(agency, when, chance.randrange(1, 40))
    else:
        ledger.restore(f"mcn/{agency}", when, violation)


def of_a_creator(ledger: Ledger, chance: random.Random, creator: str, when: int) -> None:
    order = f"o{chance.randrange(15)}"
    pick = chance.randrange(9)
    if pick < 4:
        channel = chance.choice(["showcase", "live", "video"])
        good, free = chance.random() < 0.5, chance.random() < 0.5
        ledger.sale(creator, order, when, chance.randrange(6_000), channel=channel, good=good, worry_free=free)
    elif pick < 6:
        ledger.refund(creator, order, when, chance.randrange(1_000))
    elif pick < 8:
        score = chance.choice(["reputation", "reputation", "fulfilment"])
        ledger.scored(creator, when, chance.choice(["4.1", "4.2", "4.6", "5"]), score)
    else:
        ledger.live(creator, when, chance.randrange(1, 100))


def streamed(ledger: Ledger, month_start: int, month_end: int) -> tuple[dict[str, int], dict[str, list[str]]]:
    """The other way round: orders of one month by agency, and `not_bound`, by one pass with a running slot table.

    Only for ledgers without retractions.
    """
    slots: dict[str, str] = {}
    orders = dict.fromkeys(AGENCIES, 0)
    stray: dict[str, list[str]] = {agency: [] for agency in AGENCIES}
    seen: set[tuple[str, str]] = set()
    # Bindings of an instant come before everything else of it.
    bindings = ("creator.bound", "creator.unbound")
    for e in sorted(ledger.events, key=lambda e: (e["occurred_at"], e["type"] not in bindings, e["position"])):
        name = e["subject"].partition("/")[2]
        if e["occurred_at"] >= month_end:
            break
        if e["type"] == "creator.bound":
            slots[e["data"]["creator"]] = name
        elif e["type"] == "creator.unbound" and slots.get(e["data"]["creator"]) == name:
            del slots[e["data"]["creator"]]
        elif e["type"] == "creator.unbound":
            stray[name].append(f"urn:t {e['id']}")
        elif e["type"] == "sale.settled" and (name, e["data"]["order"]) not in seen:
            seen.add((name, e["data"]["order"]))
            if e["occurred_at"] >= month_start and name in slots:
                orders[slots[name]] += 1
    return orders, stray


@pytest.mark.parametrize("seed", range(25))
def test_a_running_slot_table_says_the_same(seed: int) -> None:
    ledger = random_ledger(seed)
    ledger.events = [e for e in ledger.events if e["type"] != "event.retracted"]
    orders, stray = streamed(ledger, at("2023-04-01"), at("2023-05-01"))
    for agency in AGENCIES:
        assert ledger.ask("2023-05-03", agency, position=100)["figures"]["orders"] == orders[agency]
        assert ledger.ask(at("2023-05-01") - 1, agency, position=100)["not_bound"] == stray[agency]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_an_earlier_replay_is_a_prefix_and_its_last_evaluation_holds(seed: int) -> None:
    ledger = random_ledger(seed)
    for agency in AGENCIES:
        full = ledger.ask("2023-07-03", agency)
        for month in ("03", "04", "05", "06"):
            part = ledger.ask(f"2023-{month}-03", agency)
            assert part["months"] == full["months"][: len(part["months"])]
            assert part["not_bound"] == full["not_bound"][: len(part["not_bound"])]
            held = ledger.ask(f"2023-{month}-28", agency)
            del held["not_bound"], part["not_bound"]
            assert held == part
        for row in full["months"]:
            assert row["total"] == row["operating"] + row["growth"] + row["service"] + row["bonus"]
            assert (row["level"] is not None) == (row["state"] == "rated")


@pytest.mark.parametrize("seed", range(25))
def test_credit_is_the_least_of_what_follows_each_time_at_the_cap(seed: int) -> None:
    chance = random.Random(seed)
    ledger = agencies("a")
    moves = [chance.randrange(-30, 31) or 1 for _ in range(20)]
    for i, move in enumerate(moves):
        when = at("2023-05-01") + i * DAY
        if move > 0:
            ledger.grant("a", when, move)
        else:
            ledger.deduct("a", when, -move, f"v{i}")
    expected = min(120 + sum(moves), *(150 + sum(moves[i:]) for i in range(1, len(moves) + 1)))
    assert ledger.ask()["credit"] == expected


@pytest.mark.parametrize("seed", range(25))
def test_boards_are_what_the_agencies_say_one_by_one(seed: int) -> None:
    ledger = random_ledger(seed)
    for month, due in (("2023-03", "2023-04-03"), ("2023-05", "2023-06-03")):
        told = {f"mcn/{agency}": ledger.ask(due, agency) for agency in AGENCIES}
        rated = {subject: each for subject, each in told.items() if each["state"] == "rated"}
        for code, name in (("comprehensive", "total"), ("growth", "growth")):
            rows = ledger.board(code, month)
            assert [row[0] for row in rows] == list(range(1, len(rated) + 1))
            assert {row[1]: (row[2], row[3]) for row in rows} == {
                subject: (each[name], each["figures"]["settled"]) for subject, each in rated.items()
            }
            marks = [(-score, -settled, subject) for _, subject, score, settled in rows]
            assert marks == sorted(marks)
