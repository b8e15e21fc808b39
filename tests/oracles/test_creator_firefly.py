"""Hand-checked self tests of the oracle for `creator-firefly` (rulebook sections 0, 5 and 7)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.oracles.creator_firefly import decided, firefly
from tests.oracles.ledger import DAY, Written, at, instant

SUBJECT = "creator/c-1"
BOUNDS = [0, 100, 500, 2_000, 10_000]


def month(text: str) -> int:
    """A month as the oracle numbers it."""
    return int(text[:4]) * 12 + int(text[5:]) - 1


def levels(*bounds: int) -> list[dict[str, Any]]:
    return [{"code": f"firefly-{n}", "from_points": bound} for n, bound in enumerate(bounds, start=1)]


def version(name: str = "2022-01", in_force_from: str = "2022-01-01", /, **changes: Any) -> dict[str, Any]:
    """The figures of sections 5 and 7, written down anew from their text; or others."""
    recalculates = changes.pop("recalculates_from", None)
    base = {
        "levels": levels(*BOUNDS),
        "benefit_coupons": {"from_rank": 0},
        "benefit_invitation": {"from_rank": 3},
    }
    return {
        "id": name,
        "in_force_from": at(in_force_from),
        "recalculates_from": None if recalculates is None else at(recalculates),
        "parameters": base | changes,
    }


class Ledger(Written):
    """A creator's events; registered on 2022-03-01 unless told."""

    subject = SUBJECT

    def __init__(self, registered: str | None = "2022-03-01") -> None:
        super().__init__()
        if registered is not None:
            self.register(registered)

    def register(self, when: str | int, subject: str = SUBJECT) -> str:
        return self.add("creator.registered", when, subject)

    def earn(self, task: str, when: str | int, points: int, subject: str = SUBJECT) -> str:
        return self.add("points.earned", when, subject, task=task, points=points)

    def redeem(self, redemption: str, when: str | int, points: int, subject: str = SUBJECT) -> str:
        return self.add("points.redeemed", when, subject, redemption=redemption, points=points)

    def cancel(self, redemption: str, when: str | int, subject: str = SUBJECT) -> str:
        return self.add("redemption.cancelled", when, subject, redemption=redemption)

    def ask(
        self,
        as_of: str | int = "2022-12-31",
        *versions: dict[str, Any],
        position: int | None = None,
        subject: str = SUBJECT,
    ) -> dict[str, Any]:
        """Under the version of section 7, unless others are named."""
        return firefly(
            self.events,
            as_of=instant(as_of),
            position=self.known(position),
            versions=list(versions) or [version()],
            subject=subject,
        )

    def decide(self, text: str, *versions: dict[str, Any], position: int | None = None) -> dict[str, Any]:
        return decided(
            self.events,
            month=month(text),
            position=self.known(position),
            versions=list(versions) or [version()],
            subject=SUBJECT,
        )


def verdicts(result: dict[str, Any]) -> dict[int, str]:
    """By position."""
    return {row["position"]: row["verdict"] for row in result["verdicts"]}


def points(result: dict[str, Any]) -> tuple[int, int]:
    return result["score"], result["balance"]


def rows(result: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in ("month", *names)) for row in result["months"]]


def moves(result: dict[str, Any]) -> list[tuple[int | None, str | None]]:
    """Each change: the position of its cause, and the level that it brought."""
    return [(change["position"], change["after"]["level"]) for change in result["changes"]]


# --- registration ---------------------------------------------------------------------------------------------------


def test_not_registered() -> None:
    ledger = Ledger(None)
    ledger.earn("t", "2022-03-01", 700)
    ledger.redeem("r", "2022-03-02", 1)
    result = ledger.ask()
    assert (result["state"], result["level"], points(result)) == ("not_registered", None, (0, 0))
    assert verdicts(result) == {1: "not_registered", 2: "not_registered"}
    assert (result["to_next"], result["benefits"], result["changes"], result["months"]) == (None, [], [], [])
    assert result["effective"] == {"state": "not_registered", "level": None, "since": None}


def test_registration_is_the_first_level_at_its_instant() -> None:
    ledger = Ledger("2022-03-05T10:00:00")
    before, then = ledger.ask(at("2022-03-05T10:00:00") - 1), ledger.ask("2022-03-05T10:00:00")
    assert before["state"] == "not_registered"
    assert (then["state"], then["level"], points(then)) == ("rated", "firefly-1", (0, 0))
    assert then["changes"] == [
        {
            "at": at("2022-03-05T10:00:00"),
            "position": 1,
            "cause": "urn:t e1",
            "before": {"state": "not_registered", "level": None},
            "after": {"state": "rated", "level": "firefly-1"},
            "score": 0,
            "gained": ["coupons"],
            "lost": [],
        }
    ]
    assert then["effective"] == {"state": "rated", "level": "firefly-1", "since": at("2022-03-05T10:00:00")}


def test_what_is_earlier_is_not_the_first_of_its_task_or_redemption() -> None:
    ledger = Ledger(None)
    ledger.earn("t", "2022-03-01", 50)
    ledger.redeem("r", "2022-03-01", 5)
    ledger.register("2022-03-02")
    ledger.earn("t", "2022-03-03", 60)
    ledger.redeem("r", "2022-03-04", 20)
    ledger.earn("t", "2022-03-05", 70)
    ledger.redeem("r", "2022-03-06", 10)
    result = ledger.ask()
    assert verdicts(result) == {
        1: "not_registered",
        2: "not_registered",
        4: "counted",
        5: "redeemed",
        6: "duplicate_task",
        7: "duplicate_redemption",
    }
    assert points(result) == (60, 40)


def test_at_the_registrations_very_instant_the_position_decides() -> None:
    ledger = Ledger(None)
    ledger.earn("a", "2022-03-01", 1)
    ledger.register("2022-03-01")
    ledger.earn("b", "2022-03-01", 20)
    assert verdicts(ledger.ask()) == {1: "not_registered", 3: "counted"}
    assert points(ledger.ask()) == (20, 20)


def test_recorded_later_but_occurred_before_or_after_the_registration() -> None:
    ledger = Ledger("2022-03-10")
    ledger.earn("a", at("2022-03-10") - 1, 1)
    ledger.earn("b", "2022-03-10", 20)
    assert verdicts(ledger.ask()) == {2: "not_registered", 3: "counted"}


def test_further_registrations_do_nothing_and_a_retracted_first_gives_way_to_the_next() -> None:
    ledger = Ledger("2022-03-01")
    ledger.earn("a", "2022-03-05", 100)
    ledger.redeem("r", "2022-03-06", 30)
    again = ledger.register("2022-04-10")
    ledger.earn("a", "2022-04-20", 7)
    assert points(ledger.ask()) == (100, 70)
    assert moves(ledger.ask()) == [(1, "firefly-1"), (2, "firefly-2")]
    ledger.retract("e1", "2022-06-01")
    late = ledger.ask()
    assert verdicts(late) == {2: "not_registered", 3: "not_registered", 5: "counted"}
    assert (points(late), moves(late)) == ((7, 7), [(4, "firefly-1")])
    assert points(ledger.ask(position=5)) == (100, 70)  # as known before
    ledger.retract(again, "2022-06-02")
    gone = ledger.ask()
    assert (gone["state"], gone["months"]) == ("not_registered", [])
    assert verdicts(gone) == {2: "not_registered", 3: "not_registered", 5: "not_registered"}


# --- levels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "level", "missing"),
    [
        (1, 1, 99),
        (99, 1, 1),
        (100, 2, 400),
        (101, 2, 399),
        (499, 2, 1),
        (500, 3, 1_500),
        (1_999, 3, 1),
        (2_000, 4, 8_000),
        (9_999, 4, 1),
        (10_000, 5, None),
        (1_000_000, 5, None),
    ],
)
def test_every_level_from_its_bound_and_not_one_below(score: int, level: int, missing: int | None) -> None:
    ledger = Ledger()
    ledger.earn("t", "2022-03-02", score)
    result = ledger.ask()
    assert (result["state"], result["level"], result["score"]) == ("rated", f"firefly-{level}", score)
    assert result["to_next"] == (None if missing is None else {"level": f"firefly-{level + 1}", "points": missing})
    assert result["benefits"] == (["coupons", "invitation"] if level >= 4 else ["coupons"])


def test_no_points_are_the_lowest_level() -> None:
    result = Ledger().ask()
    assert (result["level"], result["to_next"]) == ("firefly-1", {"level": "firefly-2", "points": 100})


def test_levels_change_at_the_instants_of_the_events_that_reach_them() -> None:
    ledger = Ledger("2022-03-01")
    ledger.earn("a", "2022-03-02", 99)
    ledger.earn("b", "2022-03-03", 1)
    ledger.earn("c", "2022-03-04", 1_899)  # 1,999
    ledger.earn("d", "2022-03-05", 8_001)  # 10,000: two levels at once
    result = ledger.ask()
    assert moves(result) == [(1, "firefly-1"), (3, "firefly-2"), (4, "firefly-3"), (5, "firefly-5")]
    assert [change["at"] for change in result["changes"][1:]] == [at(f"2022-03-0{day}") for day in (3, 4, 5)]
    assert [change["score"] for change in result["changes"]] == [0, 100, 1_999, 10_000]
    assert [change["gained"] for change in result["changes"]] == [["coupons"], [], [], ["invitation"]]
    assert result["effective"]["since"] == at("2022-03-05")
    for day, level in ((2, 1), (3, 2), (4, 3), (5, 5)):
        assert ledger.ask(f"2022-03-0{day}")["level"] == f"firefly-{level}"
        assert ledger.ask(at(f"2022-03-0{day}") - 1)["level"] != f"firefly-{level}" or day == 2


def test_spending_never_lowers_a_level() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 2_000)
    ledger.redeem("r", "2022-03-03", 2_000)
    ledger.earn("b", "2022-03-04", 1)
    result = ledger.ask()
    assert (result["level"], points(result)) == ("firefly-4", (2_001, 1))
    assert moves(result) == [(1, "firefly-1"), (2, "firefly-4")]


def test_events_of_one_instant_change_the_level_one_after_another() -> None:
    ledger = Ledger("2022-03-01")
    ledger.earn("a", "2022-03-02", 100)
    ledger.earn("b", "2022-03-02", 400)
    assert moves(ledger.ask()) == [(1, "firefly-1"), (2, "firefly-2"), (3, "firefly-3")]
    assert ledger.ask("2022-03-02")["level"] == "firefly-3"


# --- tasks ----------------------------------------------------------------------------------------------------------


def test_the_first_of_a_task_is_first_by_time_then_position() -> None:
    ledger = Ledger()
    ledger.earn("t", "2022-03-20", 300)
    ledger.earn("t", "2022-03-10", 5)  # recorded later, occurred earlier: the first
    ledger.earn("t", "2022-03-10", 70)
    assert verdicts(ledger.ask()) == {2: "duplicate_task", 3: "counted", 4: "duplicate_task"}
    assert points(ledger.ask()) == (5, 5)
    assert points(ledger.ask(position=2)) == (300, 300)  # as known before


def test_a_retracted_first_task_makes_the_next_one_the_first() -> None:
    ledger = Ledger()
    first = ledger.earn("t", "2022-03-10", 500)
    ledger.earn("t", "2022-03-11", 120)
    ledger.earn("t", "2022-03-12", 9)
    mistake = ledger.retract(first, "2022-05-01")
    result = ledger.ask()
    assert verdicts(result) == {3: "counted", 4: "duplicate_task"}
    assert (points(result), moves(result)) == ((120, 120), [(1, "firefly-1"), (3, "firefly-2")])
    assert result["notes"] == {"urn:t e2": "retracted"}
    assert points(ledger.ask(position=4)) == (500, 500)
    ledger.retract(mistake, "2022-05-02")
    back = ledger.ask()
    assert (verdicts(back)[2], points(back)) == ("counted", (500, 500))
    assert back["notes"] == {"urn:t e5": "retracted"}


def test_a_retraction_of_nothing() -> None:
    ledger = Ledger()
    ledger.retract("e3", "2022-03-02")  # not there yet
    ledger.earn("t", "2022-03-03", 4)
    result = ledger.ask()
    assert (points(result), result["notes"]) == ((4, 4), {"urn:t e2": "retracts_nothing"})


# --- redemptions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "verdict", "left"), [(99, "redeemed", 1), (100, "redeemed", 0), (101, "overdrawn", 100)]
)
def test_a_redemption_needs_to_be_covered(spent: int, verdict: str, left: int) -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 100)
    ledger.redeem("r", "2022-03-03", spent)
    assert (verdicts(ledger.ask())[3], points(ledger.ask())) == (verdict, (100, left))
    moved = ledger.ask()["verdicts"][1]
    assert (moved["earned"], moved["balance"]) == (0, left - 100)


def test_overdrawn_moves_nothing_and_what_is_earned_later_does_not_cover_it() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 10)
    ledger.redeem("r", "2022-03-03", 11)
    ledger.earn("b", "2022-03-04", 5)
    ledger.redeem("r", "2022-03-05", 11)  # its id is used up
    ledger.redeem("s", "2022-03-05", 11)
    result = ledger.ask()
    assert verdicts(result) == {2: "counted", 3: "overdrawn", 4: "counted", 5: "duplicate_redemption", 6: "redeemed"}
    assert points(result) == (15, 4)


def test_an_overdrawn_one_is_covered_by_what_is_learned_later() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 10)
    ledger.redeem("r", "2022-03-05", 11)
    ledger.earn("b", "2022-03-05", 1)  # of the same instant, but after it
    assert verdicts(ledger.ask())[3] == "overdrawn"
    ledger.earn("c", "2022-03-04", 1)  # before it
    assert (verdicts(ledger.ask())[3], points(ledger.ask())) == ("redeemed", (12, 1))
    assert verdicts(ledger.ask(position=4))[3] == "overdrawn"


def test_a_duplicate_task_covers_nothing() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 10)
    ledger.earn("a", "2022-03-03", 10)
    ledger.redeem("r", "2022-03-04", 11)
    assert verdicts(ledger.ask()) == {2: "counted", 3: "duplicate_task", 4: "overdrawn"}


def test_a_task_and_a_redemption_of_one_name_are_two_things() -> None:
    ledger = Ledger()
    ledger.earn("x", "2022-03-02", 10)
    ledger.redeem("x", "2022-03-03", 4)
    ledger.cancel("x", "2022-03-04")
    assert verdicts(ledger.ask()) == {2: "counted", 3: "cancelled"}
    assert points(ledger.ask()) == (10, 10)


def test_of_two_at_one_instant_the_first_recorded_is_covered() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 10)
    ledger.redeem("r", "2022-03-03", 7)
    ledger.redeem("s", "2022-03-03", 7)
    assert verdicts(ledger.ask()) == {2: "counted", 3: "redeemed", 4: "overdrawn"}


def test_a_retraction_of_what_was_earned_makes_an_earlier_redemption_overdrawn() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 60)
    ledger.earn("b", "2022-03-03", 60)
    ledger.redeem("r", "2022-04-01", 100)
    ledger.redeem("s", "2022-04-02", 20)
    assert (points(ledger.ask()), ledger.ask()["level"]) == ((120, 0), "firefly-2")
    ledger.retract("e2", "2022-08-01")
    late = ledger.ask("2022-04-30")  # before the retraction occurred, which is a correction
    assert verdicts(late) == {3: "counted", 4: "overdrawn", 5: "redeemed"}
    assert (points(late), late["level"]) == ((60, 40), "firefly-1")
    assert rows(late, "score", "balance") == [("2022-03", 60, 60)]
    then = ledger.ask("2022-05-01", position=5)
    assert rows(then, "score", "balance") == [("2022-03", 120, 120), ("2022-04", 120, 0)]


def test_a_retracted_redemption_never_was() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 10)
    first = ledger.redeem("r", "2022-03-03", 8)
    ledger.redeem("r", "2022-03-04", 9)
    ledger.redeem("s", "2022-03-05", 3)
    assert verdicts(ledger.ask()) == {2: "counted", 3: "redeemed", 4: "duplicate_redemption", 5: "overdrawn"}
    ledger.retract(first, "2022-03-06")
    assert verdicts(ledger.ask()) == {2: "counted", 4: "redeemed", 5: "overdrawn"}
    assert points(ledger.ask()) == (10, 1)


# --- cancellations --------------------------------------------------------------------------------------------------


def test_a_cancellation_gives_the_points_back_at_the_redemptions_own_time() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 100)
    ledger.redeem("r", "2022-03-10", 80)
    ledger.redeem("s", "2022-03-20", 50)
    ledger.cancel("r", "2022-05-01")
    before, after = ledger.ask("2022-03-31", position=4), ledger.ask("2022-03-31")  # both before it occurred
    assert (verdicts(before), points(before)) == ({2: "counted", 3: "redeemed", 4: "overdrawn"}, (100, 20))
    assert (verdicts(after), points(after)) == ({2: "counted", 3: "cancelled", 4: "redeemed"}, (100, 50))
    assert ledger.ask("2022-04-01")["months"][0]["redeemed"] == 50


def test_a_redemption_is_cancelled_only_as_known_and_in_its_own_stream() -> None:
    ledger = Ledger()
    other = "creator/c-2"
    ledger.register("2022-03-01", other)
    ledger.earn("a", "2022-03-02", 100)
    ledger.earn("a", "2022-03-02", 30, other)
    ledger.redeem("r", "2022-03-03", 10)
    ledger.redeem("r", "2022-03-03", 10, other)
    ledger.cancel("r", "2022-03-04", other)
    one, two = ledger.ask(), ledger.ask(subject=other)
    assert (verdicts(one), points(one)) == ({3: "counted", 5: "redeemed"}, (100, 90))
    assert (verdicts(two), points(two)) == ({4: "counted", 6: "cancelled"}, (30, 30))
    assert points(ledger.ask(subject=other, position=6)) == (30, 20)


def test_a_redemption_after_a_cancellation_of_its_id() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 100)
    ledger.redeem("r", "2022-03-03", 10)
    ledger.cancel("r", "2022-03-04")
    ledger.redeem("r", "2022-03-05", 20)
    assert verdicts(ledger.ask()) == {2: "counted", 3: "cancelled", 5: "duplicate_redemption"}
    assert points(ledger.ask()) == (100, 100)


def test_cancelled_before_the_redemption_occurred_and_was_recorded() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 100)
    ledger.cancel("r", "2022-03-03")
    ledger.redeem("r", "2022-03-05", 20)
    ledger.redeem("r", "2022-03-06", 20)
    assert verdicts(ledger.ask()) == {2: "counted", 4: "cancelled", 5: "duplicate_redemption"}
    assert points(ledger.ask()) == (100, 100)


def test_cancelled_before_the_registration() -> None:
    ledger = Ledger(None)
    ledger.redeem("r", "2022-02-20", 5)
    ledger.cancel("r", "2022-02-21")
    ledger.register("2022-03-01")
    ledger.earn("a", "2022-03-02", 100)
    ledger.redeem("r", "2022-03-05", 20)
    assert verdicts(ledger.ask()) == {1: "not_registered", 4: "counted", 5: "cancelled"}


def test_cancelled_comes_before_overdrawn_and_after_the_others() -> None:
    ledger = Ledger(None)
    ledger.redeem("r", "2022-02-20", 5)
    ledger.register("2022-03-01")
    ledger.redeem("r", "2022-03-05", 20)  # not covered
    ledger.redeem("r", "2022-03-06", 20)
    assert verdicts(ledger.ask()) == {1: "not_registered", 3: "overdrawn", 4: "duplicate_redemption"}
    ledger.cancel("r", "2022-03-07")
    assert verdicts(ledger.ask()) == {1: "not_registered", 3: "cancelled", 4: "duplicate_redemption"}
    assert points(ledger.ask()) == (0, 0)


def test_only_the_retraction_of_every_cancellation_undoes_it() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 100)
    ledger.redeem("r", "2022-03-03", 60)
    first, second = ledger.cancel("r", "2022-03-04"), ledger.cancel("r", "2022-03-01")
    ledger.retract(first, "2022-03-06")
    assert (verdicts(ledger.ask())[3], points(ledger.ask())) == ("cancelled", (100, 100))
    ledger.retract(second, "2022-03-07")
    assert (verdicts(ledger.ask())[3], points(ledger.ask())) == ("redeemed", (100, 40))


def test_a_cancellation_of_nothing_does_nothing() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 100)
    without = ledger.ask()
    ledger.cancel("r", "2022-03-03")
    assert ledger.ask() == without


# --- the two clocks -------------------------------------------------------------------------------------------------


def test_one_as_of_at_every_position() -> None:
    ledger = Ledger("2022-03-01")
    ledger.earn("a", "2022-03-02", 100)
    ledger.redeem("r", "2022-03-10", 90)
    ledger.earn("b", "2022-03-09", 400)
    ledger.redeem("s", "2022-03-08", 20)  # learned late: leaves 80 for r, with b 480
    ledger.cancel("r", "2022-04-01")
    ledger.retract("e2", "2022-04-02")
    seen = [(points(told), told["level"]) for told in (ledger.ask("2022-03-31", position=n) for n in range(8))]
    assert seen == [
        ((0, 0), None),
        ((0, 0), "firefly-1"),
        ((100, 100), "firefly-2"),
        ((100, 10), "firefly-2"),
        ((500, 410), "firefly-3"),
        ((500, 390), "firefly-3"),
        ((500, 480), "firefly-3"),
        ((400, 400), "firefly-2"),  # s comes before b, and so is overdrawn
    ]
    assert verdicts(ledger.ask("2022-03-31")) == {3: "cancelled", 4: "counted", 5: "overdrawn"}


def test_what_is_later_than_as_of_has_no_verdict() -> None:
    ledger = Ledger("2022-03-01")
    ledger.earn("a", "2022-03-02", 100)
    ledger.redeem("r", "2022-03-02T00:00:01", 100)
    assert verdicts(ledger.ask("2022-03-02")) == {2: "counted"}
    assert verdicts(ledger.ask("2022-03-02T00:00:01")) == {2: "counted", 3: "redeemed"}
    assert verdicts(ledger.ask(at("2022-03-02") - 1)) == {}


def test_other_events_of_the_creator_take_no_part() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 100)
    plain = ledger.ask()
    ledger.add("creator.scored", "2022-03-02", score="reputation", value="1.00")
    ledger.add("sale.settled", "2022-03-02", order="a", amount=1, good_goods=True, channel="live", worry_free=False)
    ledger.add("credit.deducted", "2022-03-02", violation="a", points=9)
    ledger.add("credit.restored", "2022-03-02", violation="a")
    ledger.add("content.published", "2022-03-02", content="a", good=True)
    ledger.add("live.held", "2022-03-02", minutes=9)
    assert ledger.ask() == plain


# --- months and decisions -------------------------------------------------------------------------------------------


def test_a_row_for_every_month_that_is_over() -> None:
    ledger = Ledger("2022-03-31")
    ledger.earn("a", "2022-04-10", 120)
    ledger.redeem("r", "2022-04-11", 100)
    ledger.earn("a", "2022-06-10", 9)
    ledger.redeem("s", "2022-06-11", 5)
    ledger.earn("b", "2022-06-30T23:59:59.999999", 380)
    assert rows(ledger.ask("2022-07-01"), "level", "score", "balance", "earned", "redeemed") == [
        ("2022-03", "firefly-1", 0, 0, 0, 0),
        ("2022-04", "firefly-2", 120, 20, 120, 100),
        ("2022-05", "firefly-2", 120, 20, 0, 0),
        ("2022-06", "firefly-3", 500, 395, 380, 5),
    ]
    assert {row["state"] for row in ledger.ask("2022-07-01")["months"]} == {"rated"}
    assert [name for (name,) in rows(ledger.ask(at("2022-07-01") - 1))] == ["2022-03", "2022-04", "2022-05"]
    assert rows(ledger.ask("2022-03-31")) == []


def test_months_are_those_of_shanghai() -> None:
    ledger = Ledger()
    # 31 March 16:00 UTC is 1 April 00:00 in Shanghai.
    utc = (datetime(2022, 3, 31, 16, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    ledger.earn("a", utc - 1, 1)
    ledger.earn("b", utc, 20)
    assert rows(ledger.ask("2022-05-01"), "score") == [("2022-03", 1), ("2022-04", 21)]


def test_months_from_the_registration_and_at_the_earliest_june_2020() -> None:
    ledger = Ledger("2020-04-10")
    ledger.earn("a", "2020-05-10", 100)
    result = ledger.ask("2020-08-01")
    assert rows(result, "score", "earned") == [("2020-06", 100, 0), ("2020-07", 100, 0)]
    assert (result["in_force"], ledger.ask("2022-01-01")["in_force"]) == (False, True)


def test_a_decision_takes_in_the_very_instant_of_the_first_and_the_months_row_does_not() -> None:
    ledger = Ledger()
    ledger.earn("a", "2022-03-02", 99)
    ledger.earn("b", "2022-04-01", 1)
    ledger.earn("c", at("2022-04-01") + 1, 400)
    assert ledger.decide("2022-03") == {
        "state": "rated",
        "level": "firefly-2",
        "score": 100,
        "balance": 100,
        "policy": "2022-01",
    }
    assert rows(ledger.ask("2022-04-02"), "level", "score") == [("2022-03", "firefly-1", 99)]
    assert ledger.decide("2022-03", position=2)["level"] == "firefly-1"
    assert ledger.decide("2022-02")["state"] == "rated"  # registered at 00:00 of 1 March
    assert Ledger("2022-03-01T00:00:00.000001").decide("2022-02")["state"] == "not_registered"


# --- versions -------------------------------------------------------------------------------------------------------

HARDER = version("harder", "2022-05-01", levels=levels(0, 200, 600), benefit_invitation={"from_rank": 2})


def test_a_new_version_judges_from_its_month_on_and_carries_the_points() -> None:
    ledger = Ledger("2022-03-01")
    ledger.earn("a", "2022-03-02", 150)
    ledger.earn("b", "2022-05-20", 50)
    result = ledger.ask("2022-06-02", HARDER, version())
    assert rows(result, "policy", "level", "score") == [
        ("2022-03", "2022-01", "firefly-2", 150),
        ("2022-04", "2022-01", "firefly-2", 150),
        ("2022-05", "harder", "firefly-2", 200),
    ]
    assert moves(result) == [(1, "firefly-1"), (2, "firefly-2"), (None, "firefly-1"), (3, "firefly-2")]
    fallen = result["changes"][2]
    assert (fallen["at"], fallen["cause"], fallen["score"]) == (at("2022-05-01"), None, 150)
    assert ledger.ask(at("2022-05-01") - 1, HARDER, version())["policy"] == "2022-01"
    assert ledger.ask("2022-05-01", HARDER, version())["effective"] == {
        "state": "rated",
        "level": "firefly-1",
        "since": at("2022-05-01"),
    }
    assert ledger.decide("2022-04", HARDER, version())["policy"] == "harder"


def test_a_version_within_a_month_judges_the_whole_month_once_it_is_in_force() -> None:
    ledger = Ledger("2022-03-01")
    ledger.earn("a", "2022-03-02", 150)
    mid = HARDER | {"in_force_from": at("2022-03-15")}
    assert moves(ledger.ask("2022-03-14", mid, version())) == [(1, "firefly-1"), (2, "firefly-2")]
    assert moves(ledger.ask("2022-03-15", mid, version())) == [(1, "firefly-1")]


def test_a_version_that_recalculates_judges_the_past_too_once_it_is_in_force() -> None:
    ledger = Ledger("2022-03-01")
    ledger.earn("a", "2022-03-02", 150)
    again = version("again", "2022-05-10", levels=levels(0, 151), recalculates_from="2022-03-01")
    assert rows(ledger.ask("2022-05-09", version(), again), "level") == [
        ("2022-03", "firefly-2"),
        ("2022-04", "firefly-2"),
    ]
    assert rows(ledger.ask("2022-05-10", version(), again), "level") == [
        ("2022-03", "firefly-1"),
        ("2022-04", "firefly-1"),
    ]


def test_before_the_first_version_the_first_judges() -> None:
    ledger = Ledger("2021-03-01")
    ledger.earn("a", "2021-03-02", 100)
    result = ledger.ask("2021-04-01")
    assert (result["level"], result["policy"], result["in_force"]) == ("firefly-2", "2022-01", False)


def test_benefits_gained_and_lost_with_a_version() -> None:
    ledger = Ledger("2022-03-01")
    ledger.earn("a", "2022-03-02", 550)
    softer = version("softer", "2022-06-01", levels=levels(0, 1, 2, 3), benefit_coupons={"from_rank": 9})
    result = ledger.ask("2022-07-01", version(), HARDER, softer)
    assert [(move["gained"], move["lost"]) for move in result["changes"]] == [
        (["coupons"], []),
        ([], []),
        ([], []),  # firefly-3 falls to firefly-2
        (["invitation"], ["coupons"]),
    ]
    assert result["benefits"] == ["invitation"]


def test_below_the_lowest_bound_there_is_no_level() -> None:
    ledger = Ledger("2022-03-01")
    bounds = version("x", "2022-01-01", levels=levels(10, 20))
    low = ledger.ask("2022-03-02", bounds)
    assert (low["state"], low["level"], low["to_next"], low["benefits"]) == (
        "rated",
        None,
        {"level": "firefly-1", "points": 10},
        [],
    )
    ledger.earn("a", "2022-03-02", 10)
    assert ledger.ask("2022-03-02", bounds)["level"] == "firefly-1"


# --- laws -----------------------------------------------------------------------------------------------------------


def random_ledger(seed: int, size: int = 45) -> Ledger:
    chance = random.Random(seed)
    ledger = Ledger(None)
    start = at("2022-01-20")
    for _ in range(size):
        when = start + DAY * chance.randrange(130) + chance.choice((0, 0, 0, -1, 1))
        choice = chance.random()
        if choice < 0.06 or not ledger.events:
            ledger.register(min(when, start + DAY * chance.randrange(130)))
        elif choice < 0.45:
            ledger.earn(f"t{chance.randrange(15)}", when, chance.choice((1, 40, 99, 100, 400, 1_500)))
        elif choice < 0.8:
            ledger.redeem(f"r{chance.randrange(12)}", when, chance.choice((1, 40, 100, 101, 500)))
        elif choice < 0.9:
            ledger.cancel(f"r{chance.randrange(12)}", when)
        else:
            ledger.retract(f"e{chance.randrange(1, len(ledger.events) + 1)}", when)
    return ledger


@pytest.mark.parametrize("seed", range(40))
def test_an_earlier_as_of_is_a_prefix_of_a_later_one_and_the_order_of_the_list_is_nothing(seed: int) -> None:
    ledger = random_ledger(seed)
    whole = ledger.ask("2022-07-01")
    turned = Ledger(None)
    turned.events = ledger.events[::-1]
    assert turned.ask("2022-07-01", position=len(ledger.events)) == whole
    for row in whole["months"]:
        year, number = (int(part) for part in row["month"].split("-"))
        closed = at(f"{year + number // 12}-{number % 12 + 1:02d}-01")
        then = ledger.ask(closed - 1)
        assert {name: then[name] for name in ("state", "level", "score", "balance")} == {
            name: row[name] for name in ("state", "level", "score", "balance")
        }
        assert then["changes"] == [change for change in whole["changes"] if change["at"] < closed]
        assert then["verdicts"] == [verdict for verdict in whole["verdicts"] if verdict["at"] < closed]
        assert rows(then) == [(name,) for (name,) in rows(whole) if name < row["month"]]


@pytest.mark.parametrize("seed", range(40))
def test_bounds_hold_whatever_happens(seed: int) -> None:
    result = random_ledger(1_000 + seed).ask("2022-07-01")
    score = balance = 0
    for row in result["verdicts"]:
        score, balance = score + row["earned"], balance + row["balance"]
        assert 0 <= balance <= score
        assert (row["earned"] or row["balance"]) == 0 or row["verdict"] in ("counted", "redeemed")
    assert points(result) == (score, balance)
    reached = [change["after"]["level"] for change in result["changes"]]
    assert reached == sorted(set(reached))
