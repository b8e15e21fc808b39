"""Hand-checked self tests of the oracle for `creator-level` (rulebook sections 0 and 3)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.oracles.creator_level import creator
from tests.oracles.ledger import DAY, Written, at, instant

SUBJECT = "creator/c-1"
YUAN = 100


def parameters(**changes: Any) -> dict[str, Any]:
    """The figures of section 3 for `2022-07-19`, written down anew from its text."""
    yuan = [0, 300, 2_000, 30_000, 100_000, 500_000, 5_000_000, 50_000_000]
    percent = [0, 5, 10, 15, 20, 30, 40, 50]
    base: dict[str, Any] = {
        "first_month": "2020-06",
        "sales_bands": [{"from_fen": y * YUAN, "score": s} for s, y in enumerate(yuan)],
        "behaviour_bands": [{"from_percent": p, "score": s} for s, p in enumerate(percent)],
        "weights": {"sales_percent": 80, "behaviour_percent": 20},
        "gates": {"days": 30, "reputation_hundredths_min": 420, "deducted_max": 4},
        "levels": ["L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7"],
    }
    return base | changes


def version(
    name: str, in_force_from: str | int, preview_from: str | int | None = None, /, **changes: Any
) -> dict[str, Any]:
    return {
        "id": name,
        "in_force_from": at(in_force_from) if isinstance(in_force_from, str) else in_force_from,
        "preview_from": at(preview_from) if isinstance(preview_from, str) else preview_from,
        "parameters": parameters(**changes),
    }


SALES_ALONE: dict[str, Any] = {"weights": {"sales_percent": 100, "behaviour_percent": 0}, "gates": {"days": 30}}
OLD = version("2021", "2021-01-01", **SALES_ALONE)
NEW = version("2022-07-19", "2022-07-19", "2022-04-11")
OPEN = version("open", "2020-01-01", gates={"days": 30})  # the new weights from the beginning, without a gate


class Ledger(Written):
    """A creator's events; registered on 2022-01-01 unless told."""

    subject = SUBJECT

    def __init__(self, registered: str | None = "2022-01-01") -> None:
        super().__init__()
        if registered is not None:
            self.register(registered)

    def register(self, when: str | int) -> str:
        return self.add("creator.registered", when)

    def sale(self, order: str, when: str | int, amount: int, good: bool = False, subject: str = SUBJECT) -> str:
        data: dict[str, Any] = {"order": order, "amount": amount, "good_goods": good}
        return self.add("sale.settled", when, subject, **data, channel="live", worry_free=False)

    def refund(self, order: str, when: str | int, amount: int) -> str:
        return self.add("sale.refunded", when, order=order, amount=amount)

    def score(self, when: str | int, value: str, score: str = "reputation", subject: str = SUBJECT) -> str:
        return self.add("creator.scored", when, subject, score=score, value=value)

    def deduct(self, violation: str, when: str | int, points: int, subject: str = SUBJECT) -> str:
        return self.add("credit.deducted", when, subject, violation=violation, points=points)

    def restore(self, violation: str, when: str | int, subject: str = SUBJECT) -> str:
        return self.add("credit.restored", when, subject, violation=violation)

    def ask(
        self, as_of: str | int, *versions: dict[str, Any], position: int | None = None, subject: str = SUBJECT
    ) -> dict[str, Any]:
        """Under the two versions of section 3, unless others are named."""
        return creator(
            self.events,
            as_of=instant(as_of),
            position=self.known(position),
            versions=list(versions) or [OLD, NEW],
            subject=subject,
        )


def months(result: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in ("month", *names)) for row in result["months"]]


def money(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    return months(result, "settled", "good")


def urn(*names: str) -> list[str]:
    return [f"urn:t {name}" for name in names]


# --- when evaluations are made, and what they take in ---------------------------------------------------------------


def test_evaluated_at_the_first_of_the_next_month_and_held_until_the_next_evaluation() -> None:
    ledger = Ledger("2022-01-05")
    ledger.sale("a", "2022-01-20", 300 * YUAN)
    ledger.sale("b", "2022-02-20", 2_000 * YUAN)
    before = ledger.ask(at("2022-02-01") - 1)
    assert (before["state"], before["level"], before["month"], before["months"]) == (
        "no_evaluation_yet",
        None,
        None,
        [],
    )
    for as_of in (at("2022-02-01"), at("2022-02-21"), at("2022-03-01") - 1):  # the sale of 20 February changes nothing
        held = ledger.ask(as_of)
        assert (held["state"], held["level"], held["month"], held["settled"]) == ("rated", "L1", "2022-01", 30_000)
        assert months(held, "level") == [("2022-01", "L1")]
    after = ledger.ask("2022-03-01")
    assert (after["level"], after["month"]) == ("L2", "2022-02")
    assert months(after, "level") == [("2022-01", "L1"), ("2022-02", "L2")]
    assert (ledger.ask("2022-04-01")["level"], ledger.ask("2022-04-01")["month"]) == ("L0", "2022-03")


def test_only_events_before_the_instant_are_taken_in() -> None:
    ledger = Ledger()
    ledger.sale("a", at("2022-01-31T23:59:59") + 999_999, 111)
    ledger.sale("b", "2022-02-01", 222)  # 00:00 of the 1st is in the new month
    assert money(ledger.ask("2022-02-01")) == [("2022-01", 111, 0)]
    assert money(ledger.ask("2022-03-01")) == [("2022-01", 111, 0), ("2022-02", 222, 0)]


def test_months_are_those_of_shanghai() -> None:
    ledger = Ledger()
    # 31 January 16:00 UTC is 1 February 00:00 in Shanghai.
    utc = (datetime(2022, 1, 31, 16, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    ledger.sale("a", utc - 1, 1)
    ledger.sale("b", utc, 2)
    assert money(ledger.ask("2022-03-01")) == [("2022-01", 1, 0), ("2022-02", 2, 0)]


@pytest.mark.parametrize(
    ("month", "last_day", "next_month"),
    [
        ("2022-02", 28, "2022-03"),
        ("2024-02", 29, "2024-03"),
        ("2022-04", 30, "2022-05"),
        ("2022-12", 31, "2023-01"),
    ],
)
def test_months_end_with_their_last_day(month: str, last_day: int, next_month: str) -> None:
    ledger = Ledger(f"{month}-01")
    ledger.sale("a", f"{month}-{last_day}T23:59:59.999999", 7)
    ledger.sale("b", f"{next_month}-01", 70)
    assert money(ledger.ask(f"{month}-{last_day}T23:59:59.999999")) == []
    assert money(ledger.ask(f"{next_month}-01")) == [(month, 7, 0)]


def test_known_at_is_a_prefix_and_restates_the_past() -> None:
    ledger = Ledger()
    ledger.sale("a", "2022-01-10", 300 * YUAN)
    ledger.sale("b", "2022-01-11", 1_700 * YUAN)  # recorded third
    assert ledger.ask("2022-02-01", position=2)["level"] == "L1"
    assert ledger.ask("2022-02-01", position=3)["level"] == "L2"
    assert ledger.ask("2022-02-01", position=0)["state"] == "not_registered"


def test_one_stream_alone_and_the_same_order_id_elsewhere() -> None:
    ledger = Ledger("2022-03-01")
    other = "creator/c-2"
    ledger.add("creator.registered", "2022-01-01", other)
    ledger.sale("a", "2022-03-02", 1_000_000, True, other)
    ledger.sale("a", "2022-03-03", 30_000)
    ledger.score("2022-03-03", "1", subject=other)
    ledger.score("2022-03-03", "5")
    ledger.deduct("v", "2022-03-03", 9, other)
    ledger.deduct("v", "2022-03-03", 2)
    ledger.restore("v", "2022-03-04", other)
    ledger.retract("e2", "2022-03-04")  # does nothing: it is another subject's event
    one, two = ledger.ask("2022-04-01", NEW), ledger.ask("2022-04-01", NEW, subject=other)
    assert (one["settled"], one["good"], one["credit_deducted"], one["reputation_mean"], one["verdicts"]) == (
        30_000,
        0,
        2,
        [500, 1],
        {},
    )
    assert (two["settled"], two["good"], two["credit_deducted"], two["reputation_mean"]) == (
        1_000_000,
        1_000_000,
        0,
        [100, 1],
    )
    assert [row["month"] for row in two["months"]] == ["2022-01", "2022-02", "2022-03"]


# --- the version that judges ----------------------------------------------------------------------------------------


def test_each_evaluation_under_the_version_in_force_at_its_instant_whatever_as_of() -> None:
    ledger = Ledger("2022-05-01")
    for month in (5, 6, 7, 8):
        ledger.sale(f"o{month}", f"2022-{month:02d}-10", 300 * YUAN)  # S 1, B 0: L1 under both, gated under the new
    assert months(ledger.ask("2022-08-31"), "policy", "state", "level") == [
        ("2022-05", "2021", "rated", "L1"),
        ("2022-06", "2021", "rated", "L1"),
        ("2022-07", "2022-07-19", "gated", None),
    ]
    july = ledger.ask("2022-07-25")  # the new version is in force, but the evaluation that holds is the old one's
    assert (july["policy"], july["state"], july["month"]) == ("2021", "rated", "2022-06")
    assert ledger.ask("2022-09-01")["months"][:3] == ledger.ask("2022-08-31")["months"]


@pytest.mark.parametrize(("beside", "policy"), [(-1, "new"), (0, "new"), (1, "old")])
def test_a_version_that_comes_into_force_at_the_very_instant_judges(beside: int, policy: str) -> None:
    ledger = Ledger()
    versions = [version("new", at("2022-02-01") + beside), version("old", "2021-01-01", **SALES_ALONE)]
    assert ledger.ask("2022-02-20", *versions)["policy"] == policy


def test_before_the_first_version_the_first_judges() -> None:
    ledger = Ledger("2020-11-20")
    assert months(ledger.ask("2021-02-01"), "policy") == [("2020-11", "2021"), ("2020-12", "2021"), ("2021-01", "2021")]
    assert months(ledger.ask("2021-02-01", NEW), "policy", "state")[0] == ("2020-11", "2022-07-19", "gated")


def test_no_version_or_two_at_once_is_an_error() -> None:
    ledger = Ledger()
    for versions in ([], [OLD, OLD]):
        with pytest.raises(AssertionError):
            creator(ledger.events, as_of=at("2022-02-01"), position=1, versions=versions, subject=SUBJECT)


# --- registration ---------------------------------------------------------------------------------------------------


def test_not_registered_and_no_evaluation_yet() -> None:
    nothing: dict[str, Any] = {
        "month": None,
        "policy": None,
        "level": None,
        "settled": None,
        "good": None,
        "sales_score": None,
        "behaviour_score": None,
        "reputation_mean": None,
        "credit_deducted": None,
        "gates": None,
        "preview": None,
        "diagnosis": None,
        "verdicts": {},
        "months": [],
    }
    ledger = Ledger(None)
    ledger.sale("a", "2022-05-02", 5_000)
    ledger.register("2022-05-20T12:00:00")
    assert ledger.ask(at("2022-05-20T12:00:00") - 1) == {"state": "not_registered", **nothing}
    assert ledger.ask("2022-05-20T12:00:00") == {"state": "no_evaluation_yet", **nothing}
    assert ledger.ask(at("2022-06-01") - 1) == {"state": "no_evaluation_yet", **nothing}
    assert ledger.ask("2022-06-01")["state"] == "rated"


def test_evaluated_from_the_month_of_the_first_registration_and_earlier_sales_of_that_month_count() -> None:
    ledger = Ledger(None)
    ledger.sale("before", "2022-04-30", 99_900)
    ledger.sale("early", "2022-05-01", 20_000)
    ledger.register("2022-05-31T23:59:59.999999")
    ledger.register("2022-06-10")  # a further one does nothing
    ledger.sale("later", "2022-06-20", 1)
    assert money(ledger.ask("2022-07-01")) == [("2022-05", 20_000, 0), ("2022-06", 1, 0)]


def test_at_the_earliest_june_2020() -> None:
    ledger = Ledger("2020-03-03")
    ledger.sale("m", "2020-05-31", 500)
    ledger.refund("m", "2020-06-30", 100)  # its order is known
    ledger.sale("j", "2020-06-01", 700)
    assert ledger.ask("2020-06-30")["state"] == "no_evaluation_yet"
    assert money(ledger.ask("2020-07-01")) == [("2020-06", 600, 0)]
    later = version("later", "2020-01-01", first_month="2020-08", **SALES_ALONE)
    assert money(ledger.ask("2020-08-31", later)) == []
    assert money(ledger.ask("2020-09-01", later)) == [("2020-08", 0, 0)]


def test_the_first_month_is_asked_of_each_months_own_version() -> None:
    ledger = Ledger("2021-01-01")
    late = version("late", "2021-03-15", first_month="2021-05")
    result = ledger.ask("2021-07-01", OLD, late)
    assert months(result, "policy") == [
        ("2021-01", "2021"),
        ("2021-02", "2021"),
        ("2021-05", "late"),
        ("2021-06", "late"),
    ]
    assert ledger.ask("2021-05-31", OLD, late)["month"] == "2021-02"  # it holds until the next evaluation


def test_retracted_registrations() -> None:
    ledger = Ledger("2022-01-10")
    again = ledger.register("2022-03-10")
    assert [row["month"] for row in ledger.ask("2022-05-01")["months"]] == ["2022-01", "2022-02", "2022-03", "2022-04"]
    gone = ledger.retract("e1", "2022-09-09")  # takes part also where it is later than as_of
    assert [row["month"] for row in ledger.ask("2022-05-01")["months"]] == ["2022-03", "2022-04"]
    assert ledger.ask("2022-02-15")["state"] == "not_registered"
    assert ledger.ask("2022-02-15", position=2)["month"] == "2022-01"
    ledger.retract(again, "2022-03-11")
    assert ledger.ask("2022-05-01")["state"] == "not_registered"
    ledger.retract(gone, "2022-03-12")  # a retraction may itself be retracted
    assert [row["month"] for row in ledger.ask("2022-03-01")["months"]] == ["2022-01", "2022-02"]


def test_a_registration_of_the_month_in_progress_waits_for_its_first_of_the_month() -> None:
    ledger = Ledger("2022-02-01")  # 00:00: not in January
    assert ledger.ask("2022-02-01")["state"] == "no_evaluation_yet"
    assert money(ledger.ask("2022-03-01")) == [("2022-02", 0, 0)]


# --- the figures of a month -----------------------------------------------------------------------------------------


def test_settled_is_sales_less_refunds_and_good_the_same_over_good_goods() -> None:
    ledger = Ledger()
    ledger.sale("a", "2022-01-02", 1_000, True)
    ledger.sale("b", "2022-01-03", 500)
    ledger.refund("a", "2022-01-04", 300)
    ledger.refund("a", "2022-01-05", 50)  # several refunds of one order
    ledger.refund("b", "2022-01-06", 100)
    assert money(ledger.ask("2022-02-01")) == [("2022-01", 1_050, 650)]


def test_a_refund_counts_in_its_own_month_with_the_attributes_of_its_orders_sale() -> None:
    ledger = Ledger()
    ledger.sale("a", "2022-01-31", 1_000, True)
    ledger.sale("b", "2022-02-01", 5_000, True)
    ledger.sale("c", "2022-02-02", 5_000)
    ledger.refund("a", "2022-02-03", 400)
    assert money(ledger.ask("2022-03-01")) == [("2022-01", 1_000, 1_000), ("2022-02", 9_600, 4_600)]


def test_a_refund_is_whole_even_beyond_the_sale_and_the_remainder_is_dropped() -> None:
    ledger = Ledger()
    ledger.sale("a", "2022-01-02", 100, True)
    ledger.sale("b", "2022-01-02", 1_000)
    ledger.refund("a", "2022-01-03", 700)  # settled 100 + 1000 - 700 = 400; good 100 - 700 is under 0
    ledger.sale("c", "2022-02-02", 50, True)
    ledger.refund("b", "2022-02-03", 10_000)  # settled 50 - 10000; good 50, but not over settled
    ledger.sale("d", "2022-03-02", 40, True)  # nothing is carried over into March
    assert money(ledger.ask("2022-04-01")) == [("2022-01", 400, 0), ("2022-02", 0, 0), ("2022-03", 40, 40)]


def test_first_settled_is_bounded_then_good_by_the_bounded_one() -> None:
    ledger = Ledger()
    ledger.sale("good", "2022-01-02", 1_000, True)
    ledger.sale("plain", "2022-01-02", 100)
    ledger.refund("plain", "2022-01-03", 700)  # settled 400; good 1000 is over it
    assert money(ledger.ask("2022-02-01")) == [("2022-01", 400, 400)]
    ledger.refund("plain", "2022-01-04", 900)  # settled 1100 - 1600 is under 0, so 0, and good then 0, not -500
    assert money(ledger.ask("2022-02-01")) == [("2022-01", 0, 0)]


def test_a_second_settlement_is_a_duplicate_and_ignored() -> None:
    ledger = Ledger()
    ledger.sale("a", "2022-01-02", 100)
    second = ledger.sale("a", "2022-01-03", 5_000, True)
    third = ledger.sale("a", "2022-02-03", 7_000, True)
    ledger.refund("a", "2022-02-04", 0)
    result = ledger.ask("2022-03-01")
    assert money(result) == [("2022-01", 100, 0), ("2022-02", 0, 0)]
    assert result["verdicts"] == dict.fromkeys(urn(second, third), "duplicate_order")


def test_first_is_by_occurrence_then_position_not_by_recording() -> None:
    ledger = Ledger()
    late = ledger.sale("a", "2022-02-03", 100)  # recorded first, happened later
    ledger.sale("a", "2022-01-03", 30, True)
    ledger.sale("b", "2022-01-05", 1)
    tied = ledger.sale("b", "2022-01-05", 2)  # the same instant: the position decides
    result = ledger.ask("2022-03-01")
    assert money(result) == [("2022-01", 31, 30), ("2022-02", 0, 0)]
    assert result["verdicts"] == dict.fromkeys(urn(late, tied), "duplicate_order")
    assert ledger.ask("2022-02-02")["verdicts"] == dict.fromkeys(urn(tied), "duplicate_order")


def test_a_refund_of_an_order_unknown_at_that_point_is_ignored_and_stays_so() -> None:
    ledger = Ledger()
    never = ledger.refund("x", "2022-01-02", 10)
    early = ledger.refund("a", at("2022-01-03") - 1, 10)
    same_instant = ledger.refund("a", "2022-01-03", 10)  # an earlier position at the sale's own instant
    ledger.sale("a", "2022-01-03", 1_000)
    ledger.refund("a", "2022-01-03", 1)  # a later position
    result = ledger.ask("2022-02-01")
    assert money(result) == [("2022-01", 999, 0)]
    assert result["verdicts"] == dict.fromkeys(urn(never, early, same_instant), "unknown_order")


def test_a_refund_has_the_attributes_of_the_first_sale_also_after_the_second() -> None:
    ledger = Ledger()
    first = ledger.sale("a", "2022-01-02", 1_000, True)
    refund = ledger.refund("a", "2022-01-03", 200)
    second = ledger.sale("a", "2022-01-04", 600)
    ledger.refund("a", "2022-01-05", 50)
    ledger.sale("b", "2022-01-06", 7)
    assert money(ledger.ask("2022-02-01")) == [("2022-01", 757, 750)]
    ledger.retract(first, "2022-01-06")  # now the second sale is the first, and the refund before it unknown
    result = ledger.ask("2022-02-01")
    assert money(result) == [("2022-01", 557, 0)]
    assert result["verdicts"] == dict.fromkeys(urn(refund), "unknown_order")
    ledger.retract(second, "2022-01-06")
    assert list(ledger.ask("2022-02-01")["verdicts"]) == urn("e3", "e5")


def test_verdicts_reach_to_as_of_and_need_no_registration() -> None:
    ledger = Ledger(None)
    sale = ledger.sale("a", "2022-01-02", 1)
    double = ledger.sale("a", "2022-01-10", 1)
    orphan = ledger.refund("b", "2022-01-20", 1)
    expected = {f"urn:t {double}": "duplicate_order", f"urn:t {orphan}": "unknown_order"}
    assert ledger.ask("2022-01-20")["verdicts"] == expected
    assert ledger.ask("2022-01-20")["state"] == "not_registered"
    assert list(ledger.ask(at("2022-01-20") - 1)["verdicts"]) == urn(double)
    ledger.retract(sale, "2022-12-12")
    ledger.retract(orphan, "2022-12-12")
    assert ledger.ask("2022-01-20")["verdicts"] == {}


# --- scores ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yuan", "score"),
    [(300, 1), (2_000, 2), (30_000, 3), (100_000, 4), (500_000, 5), (5_000_000, 6), (50_000_000, 7)],
)
def test_sales_score_one_fen_beside_each_bound(yuan: int, score: int) -> None:
    for beside, expected in ((-1, score - 1), (0, score), (1, score)):
        ledger = Ledger()
        ledger.sale("a", "2022-01-02", yuan * YUAN + beside)
        result = ledger.ask("2022-02-01")
        assert (result["sales_score"], result["level"]) == (expected, f"L{expected}")  # `2021`: level = S, no gate


@pytest.mark.parametrize(("percent", "score"), [(5, 1), (10, 2), (15, 3), (20, 4), (30, 5), (40, 6), (50, 7)])
def test_behaviour_score_one_fen_beside_each_bound(percent: int, score: int) -> None:
    for settled in (100, 1_000_000, 7_000_000_300):  # the bound is whole fen of each
        for beside, expected in ((-1, score - 1), (0, score), (1, score)):
            good = settled * percent // 100 + beside
            ledger = Ledger()
            ledger.sale("a", "2022-01-02", good, True)
            ledger.sale("b", "2022-01-02", settled - good)
            assert ledger.ask("2022-02-01")["behaviour_score"] == expected


def test_behaviour_score_at_the_ends() -> None:
    ledger = Ledger("2022-01-01")
    ledger.sale("a", "2022-02-02", 1)
    ledger.sale("b", "2022-03-02", 1, True)
    assert months(ledger.ask("2022-04-01"), "sales_score", "behaviour_score") == [
        ("2022-01", 0, 0),  # nothing settled
        ("2022-02", 0, 0),
        ("2022-03", 0, 7),
    ]
    odd = version(
        "odd", "2020-01-01", behaviour_bands=[{"from_percent": 0, "score": 2}, {"from_percent": 50, "score": 3}]
    )
    assert months(ledger.ask("2022-04-01", odd), "behaviour_score") == [("2022-01", 0), ("2022-02", 2), ("2022-03", 3)]


def test_every_number_is_read_from_the_version() -> None:
    small = version(
        "small",
        "2020-01-01",
        sales_bands=[{"from_fen": 30, "score": 2}, {"from_fen": 10, "score": 1}],  # unsorted, none from 0
        behaviour_bands=[{"from_percent": 25, "score": 2}],
        weights={"sales_percent": 50, "behaviour_percent": 50},
        gates={"days": 2, "reputation_hundredths_min": 100},
        levels=["low", "mid", "top"],
    )
    ledger = Ledger()
    ledger.score("2022-01-30", "1")
    ledger.score("2022-01-29", "5")
    ledger.sale("a", "2022-01-02", 9)
    assert (ledger.ask("2022-02-01", small)["sales_score"], ledger.ask("2022-02-01", small)["level"]) == (0, "low")
    ledger.sale("b", "2022-01-02", 3, True)  # 12, of it 25 %: (50 x 1 + 50 x 2 + 50) / 100 = 2
    result = ledger.ask("2022-02-01", small)
    assert (result["sales_score"], result["behaviour_score"], result["level"]) == (1, 2, "top")
    assert result["reputation_mean"] == [100, 1]


def test_an_index_beyond_the_levels_is_an_error() -> None:
    ledger = Ledger()
    ledger.sale("a", "2022-01-02", 300 * YUAN)
    with pytest.raises(AssertionError):
        ledger.ask("2022-02-01", version("bad", "2020-01-01", levels=["L0"], gates={"days": 30}))


# --- the level ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sales", "levels"),
    [  # round half up of 0.8 S + 0.2 B, for B = 0 … 7, each worked out by hand
        (0, [0, 0, 0, 1, 1, 1, 1, 1]),  # 0.0 0.2 0.4 0.6 0.8 1.0 1.2 1.4
        (1, [1, 1, 1, 1, 2, 2, 2, 2]),  # 0.8 1.0 1.2 1.4 1.6 1.8 2.0 2.2
        (2, [2, 2, 2, 2, 2, 3, 3, 3]),  # 1.6 1.8 2.0 2.2 2.4 2.6 2.8 3.0
        (3, [2, 3, 3, 3, 3, 3, 4, 4]),  # 2.4 2.6 2.8 3.0 3.2 3.4 3.6 3.8
        (4, [3, 3, 4, 4, 4, 4, 4, 5]),  # 3.2 3.4 3.6 3.8 4.0 4.2 4.4 4.6
        (5, [4, 4, 4, 5, 5, 5, 5, 5]),  # 4.0 4.2 4.4 4.6 4.8 5.0 5.2 5.4
        (6, [5, 5, 5, 5, 6, 6, 6, 6]),  # 4.8 5.0 5.2 5.4 5.6 5.8 6.0 6.2
        (7, [6, 6, 6, 6, 6, 7, 7, 7]),  # 5.6 5.8 6.0 6.2 6.4 6.6 6.8 7.0
    ],
)
def test_the_weights_are_80_and_20_percent(sales: int, levels: list[int]) -> None:
    settled = [100, 300, 2_000, 30_000, 100_000, 500_000, 5_000_000, 50_000_000][sales] * YUAN
    for behaviour, level in enumerate(levels):
        good = settled * [0, 5, 10, 15, 20, 30, 40, 50][behaviour] // 100
        ledger = Ledger()
        ledger.sale("a", "2022-01-02", good, True)
        ledger.sale("b", "2022-01-02", settled - good)
        result = ledger.ask("2022-02-01", OPEN)
        assert (result["sales_score"], result["behaviour_score"], result["level"]) == (sales, behaviour, f"L{level}")
        assert level == (4 * sales + behaviour + 2) // 5


def test_a_half_is_rounded_up() -> None:
    halves = version("halves", "2020-01-01", gates={"days": 1}, weights={"sales_percent": 50, "behaviour_percent": 50})
    ledger = Ledger()
    ledger.sale("a", "2022-01-02", 300 * YUAN)  # 0.5 x 1 + 0.5 x 0
    assert ledger.ask("2022-02-01", halves)["level"] == "L1"
    below = version("below", "2020-01-01", gates={"days": 1}, weights={"sales_percent": 49, "behaviour_percent": 51})
    assert ledger.ask("2022-02-01", below)["level"] == "L0"


def test_2021_is_the_sales_score_without_a_gate_and_shows_all_figures() -> None:
    ledger = Ledger()
    ledger.sale("a", "2022-01-02", 2_000 * YUAN, True)
    ledger.score("2022-01-03", "1.5")
    ledger.deduct("v", "2022-01-04", 900)
    result = ledger.ask("2022-02-01")
    assert result == {
        "state": "rated",
        "level": "L2",
        "month": "2022-01",
        "policy": "2021",
        "settled": 200_000,
        "good": 200_000,
        "sales_score": 2,
        "behaviour_score": 7,
        "reputation_mean": [150, 1],
        "credit_deducted": 900,
        "gates": {"reputation": True, "credit": True},
        "preview": None,
        "diagnosis": {"settled_missing": 2_800_000, "share_needed": "unreachable"},
        "verdicts": {},
        "months": [
            {
                "month": "2022-01",
                "policy": "2021",
                "state": "rated",
                "level": "L2",
                "settled": 200_000,
                "good": 200_000,
                "sales_score": 2,
                "behaviour_score": 7,
                "reputation_mean": [150, 1],
                "credit_deducted": 900,
            }
        ],
    }


def test_all_figures_are_given_when_gated() -> None:
    ledger = Ledger("2022-10-10")
    ledger.sale("a", "2022-10-02", 2_000 * YUAN, True)
    ledger.score("2022-10-03", "4.19")
    ledger.deduct("v", "2022-10-04", 5)
    result = ledger.ask("2022-11-01")
    assert (result["state"], result["level"], result["policy"]) == ("gated", None, "2022-07-19")
    assert (result["settled"], result["good"], result["sales_score"], result["behaviour_score"]) == (
        200_000,
        200_000,
        2,
        7,
    )
    assert (result["reputation_mean"], result["credit_deducted"]) == ([419, 1], 5)
    assert result["gates"] == {"reputation": False, "credit": False}
    assert result["months"][0]["level"] is None
    # Without the gate it is L3 (3.0); S 4 is needed for 0.8 x 4 + 1.4 = 4.6, S 3 gives 3.8, so L4 from 30,000 yuan.
    assert result["diagnosis"] == {"settled_missing": 2_800_000, "share_needed": "unreachable"}


# --- the gate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "mean", "met"),
    [
        ([], None, False),
        (["4.20"], [420, 1], True),
        (["4.2"], [420, 1], True),
        (["4.19"], [419, 1], False),
        (["4.21"], [421, 1], True),
        (["5", "3.4"], [840, 2], True),
        (["4.19", "4.21"], [840, 2], True),
        (["4.20", "4.20", "4.19"], [1259, 3], False),  # 4.1966…: would round to 4.20
        (["4.20", "4.20", "4.21"], [1261, 3], True),
        (["5", "5", "2.6"], [1260, 3], True),
        (["0", "0.00"], [0, 2], False),
    ],
)
def test_mean_reputation_is_an_exact_fraction_compared_with_the_threshold(
    values: list[str], mean: list[int] | None, met: bool
) -> None:
    ledger = Ledger("2022-10-01")
    for day, value in enumerate(values):
        ledger.score(at("2022-10-10") + day * DAY, value)
    result = ledger.ask("2022-11-01")
    assert (result["reputation_mean"], result["gates"]) == (mean, {"reputation": met, "credit": True})
    assert result["state"] == ("rated" if met else "gated")
    assert result["level"] == ("L0" if met else None)


def test_each_days_last_value_by_time_and_position() -> None:
    ledger = Ledger("2022-10-01")
    ledger.score("2022-10-10T20:00:00", "1")
    ledger.score("2022-10-10T08:00:00", "5")  # recorded later, happened earlier
    assert ledger.ask("2022-11-01")["reputation_mean"] == [100, 1]
    ledger.score("2022-10-10T20:00:00", "3.5")  # the same instant, a later position
    assert ledger.ask("2022-11-01")["reputation_mean"] == [350, 1]
    last = ledger.score("2022-10-10T23:59:59.999999", "4")
    ledger.score("2022-10-11", "2")  # 00:00: the next day
    assert ledger.ask("2022-11-01")["reputation_mean"] == [600, 2]
    ledger.retract(last, "2022-10-11")
    assert ledger.ask("2022-11-01")["reputation_mean"] == [550, 2]


def test_fulfilment_and_contents_are_used_by_no_version() -> None:
    ledger = Ledger("2022-10-01")
    ledger.score("2022-10-10T10:00:00", "4.5")
    plain = ledger.ask("2022-11-01")
    ledger.score("2022-10-10T11:00:00", "0", "fulfilment")
    ledger.score("2022-10-11", "0", "fulfilment")
    ledger.add("content.published", "2022-10-12", content="k", good=False)
    ledger.add("live.held", "2022-10-12", minutes=9)
    ledger.add("level.announced", "2022-10-12", scheme="creator-level", period="2022-10", level="L7")
    ledger.add("level.decided", "2022-11-01", scheme="creator-level", period="2022-10", level="L7")
    assert ledger.ask("2022-11-01") == plain


@pytest.mark.parametrize(
    ("first_day", "last_day"),
    [
        ("2021-01-30", "2021-02-28"),
        ("2023-01-30", "2023-02-28"),
        ("2024-01-31", "2024-02-29"),
        ("2023-03-02", "2023-03-31"),
        ("2022-04-01", "2022-04-30"),
        ("2022-12-02", "2022-12-31"),
    ],
)
def test_the_30_days_that_end_with_the_last_day_of_the_month(first_day: str, last_day: str) -> None:
    start, end = at(first_day), at(last_day) + DAY
    assert end - start == 30 * DAY
    ledger = Ledger(last_day)
    for name, when, points in (("a", start - 1, 1), ("b", start, 20), ("c", end - 1, 300), ("d", end, 4_000)):
        ledger.deduct(name, when, points)
    for when, value in ((start - 1, "0.01"), (start, "0.2"), (end - 1, "3"), (end, "5")):
        ledger.score(when, value)
    result = ledger.ask(end, NEW)
    assert (result["month"], result["credit_deducted"], result["reputation_mean"]) == (last_day[:7], 320, [320, 2])
    assert result["gates"] == {"reputation": False, "credit": False}


def test_the_window_reaches_before_the_registration() -> None:
    ledger = Ledger("2023-02-28")
    ledger.score("2023-01-30", "4.2")
    ledger.deduct("v", "2023-01-30", 5)
    result = ledger.ask("2023-03-01")
    assert (result["reputation_mean"], result["credit_deducted"]) == ([420, 1], 5)
    assert result["gates"] == {"reputation": True, "credit": False}


@pytest.mark.parametrize(
    ("points", "total", "met"),
    [([], 0, True), ([3], 3, True), ([4], 4, True), ([1, 1, 2], 4, True), ([3, 2], 5, False)],
)
def test_deducted_credit_is_at_most_the_threshold(points: list[int], total: int, met: bool) -> None:
    ledger = Ledger("2022-10-01")
    ledger.score("2022-10-31", "5.00")
    for i, deducted in enumerate(points):
        ledger.deduct(f"v{i}", "2022-10-20", deducted)
    result = ledger.ask("2022-11-01")
    assert (result["credit_deducted"], result["gates"]) == (total, {"reputation": True, "credit": met})
    assert result["state"] == ("rated" if met else "gated")


def test_a_known_restoration_lifts_every_deduction_of_its_violation_whenever_it_occurred() -> None:
    ledger = Ledger("2022-10-01")
    ledger.score("2022-10-31", "5")
    ledger.restore("v", "2022-09-01")  # recorded and occurred before the deduction
    ledger.deduct("v", "2022-10-10", 3)
    ledger.deduct("v", "2022-10-20", 4)  # a further deduction of the same violation
    ledger.deduct("w", "2022-10-20", 5)
    assert (ledger.ask("2022-11-01")["credit_deducted"], ledger.ask("2022-11-01")["state"]) == (5, "gated")
    appeal = ledger.restore("w", "2023-02-02")  # later than as_of
    assert (ledger.ask("2022-11-01")["credit_deducted"], ledger.ask("2022-11-01")["state"]) == (0, "rated")
    assert ledger.ask("2022-11-01", position=6)["state"] == "gated"  # as known before
    ledger.deduct("w", "2022-10-21", 6)  # recorded after the restoration
    assert ledger.ask("2022-11-01")["credit_deducted"] == 0
    ledger.retract(appeal, "2023-02-03")
    assert ledger.ask("2022-11-01")["credit_deducted"] == 11
    ledger.restore("w2", "2022-11-01")  # another violation
    assert ledger.ask("2022-11-01")["credit_deducted"] == 11


def test_deductions_of_one_violation_add_up() -> None:
    ledger = Ledger("2022-10-01")
    ledger.deduct("v", "2022-10-10", 3)
    ledger.deduct("v", "2022-10-10", 3)
    double = ledger.deduct("v", "2022-10-11", 1)
    assert ledger.ask("2022-11-01")["credit_deducted"] == 7
    ledger.retract(double, "2022-10-12")
    assert ledger.ask("2022-11-01")["credit_deducted"] == 6


def test_each_gate_stands_for_itself() -> None:
    ledger = Ledger()
    ledger.deduct("v", "2022-01-10", 5)
    for gates, met, state in (
        ({"days": 30}, (True, True), "rated"),
        ({"days": 30, "reputation_hundredths_min": 420}, (False, True), "gated"),
        ({"days": 30, "deducted_max": 4}, (True, False), "gated"),
        ({"days": 30, "deducted_max": 5}, (True, True), "rated"),
        ({"days": 21, "deducted_max": 4}, (True, True), "rated"),  # 11 to 31 January
        ({"days": 22, "deducted_max": 4}, (True, False), "gated"),
    ):
        result = ledger.ask("2022-02-01", version("one", "2020-01-01", gates=gates))
        assert (result["gates"], result["state"]) == (dict(zip(("reputation", "credit"), met, strict=True)), state)


# --- the preview ----------------------------------------------------------------------------------------------------


def test_the_preview_is_open_from_its_instant_until_the_version_is_in_force() -> None:
    ledger = Ledger("2022-03-01")
    ledger.sale("a", "2022-03-02", 100_000 * YUAN, True)  # S 4, B 7: L4 under the old, 4.6 = L5 under the new
    ledger.score("2022-03-20", "4.2")
    opened, closed = at("2022-04-11"), at("2022-07-19")
    assert ledger.ask(opened - 1)["preview"] is None
    april = ledger.ask(opened)  # the evaluation then holding is that of 1 April
    assert (april["month"], april["policy"], april["level"]) == ("2022-03", "2021", "L4")
    assert april["preview"] == {"state": "rated", "level": "L5"}
    last = ledger.ask(closed - 1)
    assert (last["month"], last["level"], last["preview"]) == ("2022-06", "L0", {"state": "gated", "level": None})
    after = ledger.ask(closed)
    assert (after["policy"], after["preview"]) == ("2021", None)


def test_the_preview_of_what_is_not_evaluated_is_none() -> None:
    ledger = Ledger("2022-05-01")
    assert (ledger.ask("2022-04-20")["state"], ledger.ask("2022-04-20")["preview"]) == ("not_registered", None)
    assert (ledger.ask("2022-05-20")["state"], ledger.ask("2022-05-20")["preview"]) == ("no_evaluation_yet", None)
    assert ledger.ask("2022-06-01")["preview"] == {"state": "gated", "level": None}


def test_the_preview_uses_the_new_versions_figures_and_the_next_of_several() -> None:
    ledger = Ledger("2022-05-01")
    ledger.deduct("v", "2022-05-10", 9)
    near = version("near", "2022-08-01", "2022-05-01", gates={"days": 5, "deducted_max": 0}, first_month="2030-01")
    far = version("far", "2022-09-01", "2022-04-01", gates={"days": 31, "deducted_max": 0})
    unannounced = version("unannounced", "2022-07-15")
    result = ledger.ask("2022-06-30", far, unannounced, OLD, near)
    assert (result["policy"], result["preview"]) == ("2021", {"state": "rated", "level": "L0"})
    assert ledger.ask("2022-06-30", far, OLD)["preview"] == {"state": "gated", "level": None}
    later = ledger.ask("2022-08-15", far, OLD, near)  # July's evaluation was near's on 1 August, but 2030 is far off
    assert (later["month"], later["policy"], later["preview"]) == ("2022-06", "2021", {"state": "rated", "level": "L0"})


def test_a_first_version_not_yet_in_force_has_a_preview_of_itself() -> None:
    ledger = Ledger("2022-04-01")
    result = ledger.ask("2022-05-02", NEW)
    assert (result["policy"], result["state"], result["preview"]) == (
        "2022-07-19",
        "gated",
        {"state": "gated", "level": None},
    )


# --- the diagnosis --------------------------------------------------------------------------------------------------


def diagnosed(settled: int, good: int, judge: dict[str, Any]) -> tuple[Any, Any]:
    ledger = Ledger()
    ledger.sale("a", "2022-01-02", good, True)
    ledger.sale("b", "2022-01-02", settled - good)
    told = ledger.ask("2022-02-01", judge)["diagnosis"]
    return told["settled_missing"], told["share_needed"]


@pytest.mark.parametrize(
    ("settled_yuan", "percent", "missing_yuan", "share"),
    [
        (0, 0, 300, 15),  # S 0: B 3 makes 0.6; or S 1 makes 0.8
        (299, 5, 1, 15),
        (299, 50, 1, "unreachable"),  # L1 (1.4): S 1 makes 2.2; B 7 is the most already
        (300, 0, 1_700, 20),  # L1 (0.8): S 2 makes 1.6, B 4 makes 1.6
        (2_000, 0, 98_000, 30),  # L2 (1.6): S 3 makes 2.4, S 4 makes 3.2; B 5 makes 2.6
        (2_000, 30, 98_000, "unreachable"),  # L3 (2.6): S 3 makes 3.4, S 4 makes 4.2; B 7 makes 3.0
        (30_000, 0, 70_000, 5),  # L2 (2.4): S 4 makes 3.2; B 1 makes 2.6
        (100_000, 5, 400_000, 10),  # L3 (3.4): S 5 makes 4.2; B 2 makes 3.6
        (100_000, 10, 4_900_000, 50),  # L4 (3.6): S 5 makes 4.4, S 6 makes 5.2; B 7 makes 4.6
        (500_000, 0, 4_500_000, 15),  # L4 (4.0): S 6 makes 4.8; B 3 makes 4.6
        (5_000_000, 0, 45_000_000, 20),  # L5 (4.8): S 7 makes 5.6; B 4 makes 5.6
        (5_000_000, 20, "unreachable", "unreachable"),  # L6 (5.6): S 7 makes 6.4; B 7 makes 6.2
        (5_000_000, 30, 45_000_000, "unreachable"),  # L6 (5.8): S 7 makes 6.6
        (50_000_000, 0, "unreachable", 30),  # L6 (5.6): B 5 makes 6.6
        (50_000_000, 30, None, None),  # L7
        (50_000_000, 50, None, None),
    ],
)
def test_the_least_single_move_to_the_next_level(
    settled_yuan: int, percent: int, missing_yuan: int | str | None, share: int | str | None
) -> None:
    settled = settled_yuan * YUAN
    missing = missing_yuan * YUAN if isinstance(missing_yuan, int) else missing_yuan
    assert diagnosed(settled, settled * percent // 100, OPEN) == (missing, share)


@pytest.mark.parametrize(
    ("settled", "missing"),
    [
        (0, 30_000),
        (29_999, 1),
        (30_000, 170_000),
        (199_999, 1),
        (200_000, 2_800_000),
        (3_000_000, 7_000_000),
        (10_000_000, 40_000_000),
        (50_000_000, 450_000_000),
        (500_000_000, 4_500_000_000),
        (4_999_999_999, 1),
    ],
)
def test_under_2021_the_settled_fen_missing_and_no_share(settled: int, missing: int) -> None:
    assert diagnosed(settled, 0, OLD) == (missing, "unreachable")


def test_under_2021_none_at_the_top() -> None:
    assert diagnosed(5_000_000_000, 0, OLD) == (None, None)


def test_settled_missing_holds_the_behaviour_score_though_the_share_would_fall() -> None:
    # 300 yuan, all of it good: S 1, B 7, 2.2 = L2. S 2 with B 7 makes 3.0 = L3, though 300 of 2,000 is only 15 %.
    assert diagnosed(30_000, 30_000, OPEN) == (170_000, "unreachable")


def test_the_diagnosis_is_reckoned_without_the_gate() -> None:
    ledger = Ledger()
    ledger.sale("a", "2022-01-02", 100_000 * YUAN)
    gated, free = ledger.ask("2022-02-01", NEW), ledger.ask("2022-02-01", OPEN)
    assert (gated["state"], free["state"], free["level"]) == ("gated", "rated", "L3")
    assert gated["diagnosis"] == free["diagnosis"] == {"settled_missing": 40_000_000, "share_needed": 10}
    top = Ledger()
    top.sale("a", "2022-01-02", 50_000_000 * YUAN, True)
    result = top.ask("2022-02-01", NEW)
    assert (result["state"], result["diagnosis"]) == ("gated", {"settled_missing": None, "share_needed": None})


def test_settled_missing_makes_up_for_refunds_beyond_the_sales_of_the_month() -> None:
    ledger = Ledger()
    ledger.sale("a", "2022-01-02", 100)
    ledger.refund("a", "2022-01-03", 5_000)
    result = ledger.ask("2022-02-01")
    assert (result["settled"], result["diagnosis"]["settled_missing"]) == (0, 34_900)
    ledger.sale("b", "2022-01-04", 34_899)
    assert ledger.ask("2022-02-01")["level"] == "L0"
    ledger.sale("c", "2022-01-04", 1)
    assert ledger.ask("2022-02-01")["level"] == "L1"


def test_a_move_may_go_beyond_the_next_level_and_of_equal_scores_the_lowest_bound_is_told() -> None:
    steep = version(
        "steep",
        "2020-01-01",
        sales_bands=[{"from_fen": 0, "score": 0}, {"from_fen": 100, "score": 3}, {"from_fen": 900, "score": 3}],
        behaviour_bands=[
            {"from_percent": 0, "score": 0},
            {"from_percent": 60, "score": 5},
            {"from_percent": 40, "score": 5},
            {"from_percent": 80, "score": 7},
        ],
        gates={"days": 30},
    )
    assert diagnosed(1, 0, steep) == (99, 40)  # S 3 makes 2.4: L2, with L1 the next; B 5 makes 1.0
    assert diagnosed(100, 0, steep) == ("unreachable", 40)  # L2 (2.4): B 5 makes 3.4
    bold = version(
        "bold",
        "2020-01-01",
        behaviour_bands=[{"from_percent": 0, "score": 0}, {"from_percent": 40, "score": 5}],
        weights={"sales_percent": 20, "behaviour_percent": 80},
        gates={"days": 30},
    )
    assert diagnosed(100, 0, bold) == (2_999_900, 40)  # L0: S 3 makes 0.6; B 5 makes 4.0


def test_the_diagnosis_uses_the_version_that_judged() -> None:
    ledger = Ledger("2022-06-01")
    ledger.sale("a", "2022-06-02", 300 * YUAN)
    ledger.sale("b", "2022-07-02", 300 * YUAN)
    assert ledger.ask("2022-07-20")["diagnosis"] == {"settled_missing": 170_000, "share_needed": "unreachable"}
    assert ledger.ask("2022-08-01")["diagnosis"] == {"settled_missing": 170_000, "share_needed": 20}


# --- laws -----------------------------------------------------------------------------------------------------------


def random_ledger(seed: int, size: int = 60) -> Ledger:
    chance = random.Random(seed)
    ledger = Ledger(None)
    start, end = at("2021-12-01"), at("2022-12-01")
    for _ in range(size):
        when = chance.choice([chance.randrange(start, end), start + DAY * chance.randrange(365)])
        order, violation = f"o{chance.randrange(12)}", f"v{chance.randrange(4)}"
        amount = chance.choice([0, 1, 29_999, 30_000, 200_000, 3_000_000, 10_000_000])
        choice = chance.random()
        if choice < 0.1 or not ledger.events:
            ledger.register(when)
        elif choice < 0.4:
            ledger.sale(order, when, amount, chance.random() < 0.5)
        elif choice < 0.55:
            ledger.refund(order, when, amount)
        elif choice < 0.75:
            ledger.score(when, chance.choice(["4.19", "4.2", "4.21", "5", "3"]))
        elif choice < 0.87:
            ledger.deduct(violation, when, chance.randrange(1, 5))
        elif choice < 0.93:
            ledger.restore(violation, when)
        else:
            ledger.retract(f"e{chance.randrange(1, len(ledger.events) + 1)}", when)
    return ledger


@pytest.mark.parametrize("seed", range(60))
def test_an_earlier_as_of_is_a_prefix_of_a_later_one_and_the_order_of_the_list_is_nothing(seed: int) -> None:
    ledger = random_ledger(seed)
    whole = ledger.ask("2023-01-01")
    reversed_ledger = Ledger(None)
    reversed_ledger.events = ledger.events[::-1]
    assert reversed_ledger.ask("2023-01-01", position=len(ledger.events)) == whole
    for number, row in enumerate(whole["months"], start=1):
        year, month = (int(part) for part in row["month"].split("-"))
        instant = at(f"{year + month // 12}-{month % 12 + 1:02d}-01")
        then = ledger.ask(instant)
        assert then["months"] == whole["months"][:number]
        assert {name: then[name] for name in row} == row
        assert then["verdicts"].items() <= whole["verdicts"].items()
        assert [r["month"] for r in ledger.ask(instant - 1)["months"]] == [
            r["month"] for r in whole["months"][: number - 1]
        ]


@pytest.mark.parametrize("seed", range(30))
def test_bounds_hold_whatever_happens(seed: int) -> None:
    for row in random_ledger(1_000 + seed).ask("2023-01-01")["months"]:
        assert 0 <= row["good"] <= row["settled"]
        assert (row["level"] is None) == (row["state"] == "gated")
        assert row["state"] == "rated" or row["policy"] == "2022-07-19"
