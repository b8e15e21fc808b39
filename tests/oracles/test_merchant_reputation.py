"""Hand-checked self tests of the oracle for `merchant-reputation` (rulebook sections 0 and 1)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.oracles.ledger import DAY, Written, at, instant
from tests.oracles.merchant_reputation import reputation, reputation_by_versions

SUBJECT = "merchant/m-1"
HOUR = 3_600_000_000


def parameters(**changes: Any) -> dict[str, Any]:
    """Tiny bounds: a from 1.0, b from 2.0, c from 5.0; wide caps unless changed."""
    base: dict[str, Any] = {
        "statistics_from": at("2020-06-01"),
        "star_classes": {"good": [4, 5], "neutral": [3], "bad": [1, 2]},
        "review_tenths": {"good": 10, "neutral": 0, "bad": -10},
        "default_tenths": 7,
        "review_hours": 360,
        "amount_fen_min": 500,
        "counted_kinds": ["normal"],
        "pair_cap_tenths": 60,
        "growth_caps": [{"from": "", "tenths": 50010}, {"from": "c"}],
        "levels": [
            {"code": "a", "from_tenths": 10},
            {"code": "b", "from_tenths": 20},
            {"code": "c", "from_tenths": 50},
        ],
        "publication": {"day": 16, "hour": 12},
    }
    return base | changes


class Ledger(Written):
    """A merchant's events; opened on 2022-10-01 unless told."""

    subject = SUBJECT

    def __init__(self, opened: str | None = "2022-10-01") -> None:
        super().__init__()
        if opened is not None:
            self.add("merchant.onboarded", at(opened), category="fresh")

    def paid(
        self,
        order: str,
        when: int,
        buyer: str = "",
        amount: int = 500,
        kind: str = "normal",
    ) -> str:
        data: dict[str, Any] = {
            "order": order,
            "buyer": buyer or f"buyer-of-{order}",
            "amount": amount,
            "kind": kind,
        }
        return self.add("order.paid", when, **data, payment="online")

    def received(self, order: str, when: int) -> str:
        return self.add("order.received", when, order=order)

    def review(self, order: str, when: int, quality: int) -> str:
        return self.add("review.posted", when, order=order, quality=quality)

    def bought_and_reviewed(self, order: str, when: int, quality: int, buyer: str = "") -> str:
        self.paid(order, when, buyer)
        return self.review(order, when + 1, quality)

    def ask(self, as_of: str | int, position: int | None = None, **changes: Any) -> dict[str, Any]:
        return reputation(
            self.events,
            as_of=instant(as_of),
            position=self.known(position),
            parameters=parameters(**changes),
            subject=SUBJECT,
        )

    def ask_by(self, as_of: str | int, *versions: dict[str, Any]) -> dict[str, Any]:
        return reputation_by_versions(
            self.events,
            as_of=instant(as_of),
            position=len(self.events),
            versions=list(versions),
            subject=SUBJECT,
        )


def version(name: str, in_force_from: str, /, recalculates_from: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "in_force_from": at(in_force_from),
        "recalculates_from": None if recalculates_from is None else at(recalculates_from),
        "parameters": parameters(**changes),
    }


def short(result: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(v["id"], v["verdict"], v["tenths"]) for v in result["verdicts"]]


def kinds(result: dict[str, Any]) -> list[str]:
    return [v["verdict"] for v in result["verdicts"]]


# --- TAO's official examples ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stars", "verdicts", "points"),
    [
        ([1] * 6 + [5] + [1], ["counted"] * 8, -60),
        ([5] * 7, ["counted"] * 6 + ["pair_cap"], 60),
        ([1] * 7, ["counted"] * 6 + ["pair_cap"], -60),
        ([5] * 7 + [2, 4], ["counted"] * 6 + ["pair_cap"] + ["counted"] * 2, 60),
    ],
)
def test_taobao_examples(stars: list[int], verdicts: list[str], points: int) -> None:
    ledger = Ledger()
    for day, quality in enumerate(stars, start=1):
        ledger.bought_and_reviewed(f"o{day}", at(f"2022-11-{day:02d}"), quality, buyer="b")
    result = ledger.ask("2022-11-30")
    assert kinds(result) == verdicts
    assert result["points_tenths"] == points


def test_pair_cap_is_of_one_buyer_and_of_one_month_and_rejects_whole_entries() -> None:
    ledger = Ledger()
    for i in range(6):
        ledger.bought_and_reviewed(f"o{i}", at("2022-11-01") + i * DAY, 5, buyer="b")
    other = ledger.bought_and_reviewed("x", at("2022-11-07"), 5, buyer="c")
    capped = ledger.bought_and_reviewed("y", at("2022-12-01") - 2, 5, buyer="b")  # the last microsecond of November
    fresh = ledger.bought_and_reviewed("z", at("2022-12-01") - 1, 5, buyer="b")  # 00:00 of 1 December
    result = ledger.ask("2022-12-02")
    assert short(result)[-3:] == [
        (other, "counted", 10),
        (capped, "pair_cap", 0),
        (fresh, "counted", 10),
    ]
    assert [(m["month"], m["growth_tenths"]) for m in result["months"]] == [
        ("2022-11", 70),
        ("2022-12", 10),
    ]
    # With a cap of 1.5: +1.0, then +0.7 would be 1.7, which is rejected whole.
    small = Ledger()
    small.paid("p", at("2022-11-01"), "b")
    small.paid("q", at("2022-11-01"), "b")
    small.review("p", at("2022-11-02"), 5)
    small.received("q", at("2022-11-03"))
    assert kinds(small.ask("2022-11-30", pair_cap_tenths=15)) == ["counted", "pair_cap"]


# --- reviews and the default credit ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("beside", "verdicts"), [(-1, ["counted"]), (0, ["counted", "late_review"])])
def test_review_one_microsecond_beside_fifteen_days(beside: int, verdicts: list[str]) -> None:
    ledger = Ledger()
    ledger.paid("o", at("2022-11-01"))
    receipt = ledger.received("o", at("2022-11-02T08:00:00.000001"))
    due = at("2022-11-17T08:00:00.000001")
    review = ledger.review("o", due + beside, 5)
    result = ledger.ask("2022-12-01")
    assert kinds(result) == verdicts
    if beside < 0:
        assert short(result) == [(review, "counted", 10)]
        assert result["notes"] == {f"urn:t {receipt}": "reviewed"}
    else:
        assert short(result) == [(receipt, "counted", 7), (review, "late_review", 0)]
        assert result["verdicts"][0]["at"] == due == result["verdicts"][1]["at"]
        assert result["notes"] == {}


def test_default_credit_falls_due_at_its_very_instant() -> None:
    ledger = Ledger()
    ledger.paid("o", at("2022-11-01"))
    receipt = ledger.received("o", at("2022-11-02"))
    due = at("2022-11-17")
    before = ledger.ask(due - 1)
    assert before["verdicts"] == []
    assert before["notes"] == {f"urn:t {receipt}": "pending"}
    assert (before["state"], before["to_next_tenths"]) == ("unrated", 10)
    after = ledger.ask(due)
    assert short(after) == [(receipt, "counted", 7)]
    assert after["to_next_tenths"] == 3


def test_the_first_review_is_the_entry_and_late_comes_before_repeat() -> None:
    ledger = Ledger()
    ledger.paid("o", at("2022-11-01"))
    neutral = ledger.review("o", at("2022-11-03"), 3)
    repeat = ledger.review("o", at("2022-11-04"), 1)
    assert short(ledger.ask("2022-12-31")) == [
        (neutral, "neutral", 0),
        (repeat, "repeat_review", 0),
    ]
    late = Ledger()
    late.paid("o", at("2022-11-01"))
    late.received("o", at("2022-11-01"))
    late.review("o", at("2022-11-20"), 1)
    late.review("o", at("2022-11-21"), 1)
    assert kinds(late.ask("2022-12-31")) == ["counted", "late_review", "repeat_review"]


def test_review_before_receipt() -> None:
    ledger = Ledger()
    ledger.paid("o", at("2022-11-01"))
    receipt = ledger.received("o", at("2022-11-10"))  # recorded first, happened after the review
    review = ledger.review("o", at("2022-11-05"), 1)
    result = ledger.ask("2022-12-31")
    assert short(result) == [(review, "counted", -10)]
    assert result["notes"] == {f"urn:t {receipt}": "reviewed"}


def test_receipt_and_review_before_payment_are_unknown_for_good() -> None:
    ledger = Ledger()
    early = ledger.received("o", at("2022-11-01"))
    early_review = ledger.review("o", at("2022-11-01"), 1)
    same_instant = ledger.received("o", at("2022-11-02"))  # an earlier position at the payment's own instant
    ledger.paid("o", at("2022-11-02"))
    second = ledger.paid("o", at("2022-11-03"), amount=1)  # does not make the order a low one
    first = ledger.received("o", at("2022-11-04"))
    again = ledger.received("o", at("2022-11-05"))
    result = ledger.ask("2022-11-30")
    assert short(result) == [
        (early, "unknown_order", 0),
        (early_review, "unknown_order", 0),
        (same_instant, "unknown_order", 0),
        (second, "duplicate_order", 0),
        (again, "duplicate_receipt", 0),
        (first, "counted", 7),
    ]
    assert result["verdicts"][-1]["at"] == at("2022-11-19")


@pytest.mark.parametrize(
    ("amount", "kind", "verdict"),
    [
        (500, "normal", "counted"),
        (499, "normal", "low_amount"),
        (499, "gift", "low_amount"),
        (500, "gift", "order_kind"),
    ],
)
def test_amount_and_kind(amount: int, kind: str, verdict: str) -> None:
    ledger = Ledger()
    ledger.paid("o", at("2022-11-01"), amount=amount, kind=kind)
    ledger.review("o", at("2022-11-02"), 5)
    assert kinds(ledger.ask("2022-11-30")) == [verdict]


# --- lives ----------------------------------------------------------------------------------------------------------


def test_closing_and_reopening() -> None:
    ledger = Ledger()
    ledger.bought_and_reviewed("o1", at("2022-11-01"), 5)
    ledger.bought_and_reviewed("o2", at("2022-11-02"), 5)
    ledger.paid("old", at("2022-11-03"))
    closed = ledger.add("merchant.closed", at("2022-11-04"))
    ledger.add("merchant.closed", at("2022-11-05"))  # does nothing
    ledger.paid("between", at("2022-11-06"))
    while_closed = ledger.bought_and_reviewed("o3", at("2022-11-07"), 5)
    ledger.add("merchant.onboarded", at("2022-11-08"), category="fresh")
    old = ledger.review("old", at("2022-11-09"), 5)
    between = ledger.review("between", at("2022-11-10"), 5)
    result = ledger.ask("2022-11-30")
    assert short(result)[2:] == [
        (closed, "wiped", -20),
        (while_closed, "closed", 0),
        (old, "closed", 0),
        (between, "counted", 10),
    ]
    assert (
        result["state"],
        result["level"],
        result["points_tenths"],
        result["to_next_tenths"],
    ) == ("rated", "a", 10, 10)
    shut = ledger.ask("2022-11-07")
    assert (
        shut["state"],
        shut["level"],
        shut["points_tenths"],
        shut["to_next_tenths"],
    ) == ("closed", None, 0, None)
    # The closing set the growth to zero: the 20 tenths before it are gone, 10 came since.
    assert result["months"] == [
        {
            "month": "2022-11",
            "opening_tenths": 0,
            "growth_tenths": 10,
            "cap_tenths": 50010,
            "closing_tenths": 10,
            "level": "a",
        }
    ]


def test_closing_frees_pair_and_growth_and_takes_negative_points_too() -> None:
    ledger = Ledger()
    for i in range(7):
        ledger.bought_and_reviewed(f"o{i}", at("2022-11-01") + i * HOUR, 1, buyer="b")
    ledger.add("merchant.closed", at("2022-11-02"))
    ledger.add("merchant.onboarded", at("2022-11-03"), category="x")
    ledger.bought_and_reviewed("p", at("2022-11-04"), 1, buyer="b")
    result = ledger.ask("2022-11-30")
    assert [v["tenths"] for v in result["verdicts"]] == [-10] * 6 + [0, 60, -10]
    assert kinds(result)[6:] == ["pair_cap", "wiped", "counted"]


def test_never_opened_and_before_start() -> None:
    ledger = Ledger(opened=None)
    ledger.add("merchant.closed", at("2022-10-01"))  # was never open: does nothing
    ledger.bought_and_reviewed("o", at("2022-11-01"), 5)
    result = ledger.ask("2022-12-31")
    assert (result["state"], kinds(result), result["published"]) == (
        "not_onboarded",
        ["before_start"],
        None,
    )
    assert result["to_next_tenths"] is None
    ledger.paid("q", at("2022-11-01"))
    ledger.add("merchant.onboarded", at("2022-11-02"), category="x")
    ledger.review("q", at("2022-11-03"), 5)  # paid before the first opening: counts
    assert kinds(ledger.ask("2022-12-31")) == ["before_start", "counted"]
    old = Ledger("2019-01-01")
    old.paid("a", at("2020-05-01"))
    old.paid("b", at("2020-05-01"))
    old.review("a", at("2020-06-01") - 1, 5)
    old.review("b", at("2020-06-01"), 5)
    assert kinds(old.ask("2020-07-01")) == ["before_start", "counted"]


def test_closing_at_the_instant_of_a_default_credit_goes_by_the_receipts_position() -> None:
    ledger = Ledger()
    ledger.paid("o", at("2022-11-01"))
    ledger.paid("p", at("2022-11-01"))
    ledger.received("o", at("2022-11-01"))
    ledger.add("merchant.closed", at("2022-11-16"))
    ledger.received("p", at("2022-11-01"))
    assert [(v["verdict"], v["tenths"]) for v in ledger.ask("2022-11-30")["verdicts"]] == [
        ("counted", 7),
        ("wiped", -7),
        ("closed", 0),
    ]


# --- corrections ----------------------------------------------------------------------------------------------------


def test_flag_later_cleared() -> None:
    ledger = Ledger()
    review = ledger.bought_and_reviewed("o", at("2022-11-01"), 5)
    flag = ledger.add("order.flagged", at("2023-03-01"), order="o", reason="fake_trade")
    clear = ledger.add("order.cleared", at("2023-04-01"), order="o")
    older = ledger.add("order.flagged", at("2023-02-01"), order="o", reason="abnormal_review")
    # All replays are at November: corrections reach back from after `as_of`, once they are known.
    assert short(ledger.ask("2022-11-30", position=3)) == [(review, "counted", 10)]
    flagged = ledger.ask("2022-11-30", position=4)
    assert (short(flagged), flagged["notes"]) == ([(review, "flagged", 0)], {})
    cleared = ledger.ask("2022-11-30", position=5)
    assert (short(cleared), cleared["notes"]) == (
        [(review, "counted", 10)],
        {f"urn:t {flag}": "superseded"},
    )
    last = ledger.ask("2022-11-30")
    assert short(last) == [(review, "counted", 10)]
    assert last["notes"] == {
        f"urn:t {flag}": "superseded",
        f"urn:t {older}": "superseded",
    }
    ledger.retract(clear, at("2023-05-01"))
    without = ledger.ask("2022-11-30")
    assert short(without) == [(review, "flagged", 0)]
    assert without["notes"] == {
        f"urn:t {clear}": "retracted",
        f"urn:t {older}": "superseded",
    }


def test_a_flag_voids_the_default_credit_and_gives_its_room_to_others() -> None:
    ledger = Ledger()
    ledger.paid("o", at("2022-11-01"), "b")
    ledger.received("o", at("2022-11-01"))
    ledger.bought_and_reviewed("p", at("2022-11-20"), 5, "b")
    assert kinds(ledger.ask("2022-11-30", pair_cap_tenths=10)) == [
        "counted",
        "pair_cap",
    ]
    ledger.add("order.flagged", at("2022-12-01"), order="o", reason="abnormal_review")
    assert kinds(ledger.ask("2022-11-30", pair_cap_tenths=10)) == ["flagged", "counted"]


def test_retraction_of_a_retraction() -> None:
    ledger = Ledger()
    ledger.paid("o", at("2022-11-01"))
    first = ledger.review("o", at("2022-11-02"), 1)
    second = ledger.review("o", at("2022-11-03"), 5)
    out = ledger.retract(first, at("2022-12-01"))
    back = ledger.retract(out, at("2022-12-02"))
    again = ledger.retract(back, at("2022-12-03"))
    both = [(first, "counted", -10), (second, "repeat_review", 0)]
    assert short(ledger.ask("2022-11-30", position=4)) == both
    known_5 = ledger.ask("2022-11-30", position=5)
    assert short(known_5) == [(second, "counted", 10)]
    assert known_5["notes"] == {f"urn:t {first}": "retracted"}
    known_6 = ledger.ask("2022-11-30", position=6)
    assert short(known_6) == both
    assert known_6["notes"] == {f"urn:t {out}": "retracted"}
    known_7 = ledger.ask("2022-11-30")
    assert short(known_7) == [(second, "counted", 10)]
    assert known_7["notes"] == {
        f"urn:t {first}": "retracted",
        f"urn:t {back}": "retracted",
    }
    assert again not in str(known_7["notes"])


def test_a_retraction_reaches_only_earlier_events_of_its_subject() -> None:
    ledger = Ledger()
    ledger.retract("e4", at("2022-11-01"))  # e2: e4 comes later
    ledger.paid("o", at("2022-11-01"))
    review = ledger.review("o", at("2022-11-02"), 5)
    ledger.add(
        "event.retracted",
        at("2022-11-03"),
        subject="merchant/m-2",
        source="urn:t",
        event=review,
        reason="",
    )
    decided = ledger.add("level.decided", at("2022-12-16"))
    ledger.retract(decided, at("2022-12-17"))  # e7
    result = ledger.ask("2022-12-31")
    assert short(result) == [(review, "counted", 10)]
    assert result["notes"] == {"urn:t e2": "retracts_nothing", "urn:t e7": "retracts_nothing"}


def test_retracted_payment_opening_and_closing() -> None:
    ledger = Ledger()
    ledger.bought_and_reviewed("o", at("2022-11-01"), 5)
    closed = ledger.add("merchant.closed", at("2022-11-02"))
    assert ledger.ask("2022-11-30")["state"] == "closed"
    ledger.retract(closed, at("2022-11-03"))
    assert (
        ledger.ask("2022-11-30")["state"],
        ledger.ask("2022-11-30")["points_tenths"],
    ) == ("rated", 10)
    ledger.retract("e2", at("2022-11-03"))
    assert kinds(ledger.ask("2022-11-30")) == ["unknown_order"]
    ledger.retract("e1", at("2022-11-03"))
    assert ledger.ask("2022-11-30")["state"] == "not_onboarded"


# --- growth cap, months, publication --------------------------------------------------------------------------------

SMALL_CAPS = [{"from": "", "tenths": 20}, {"from": "b", "tenths": 30}, {"from": "c"}]


def test_growth_cap_with_small_bounds() -> None:
    ledger = Ledger("2022-11-01")
    november = [
        5,
        5,
        5,
        1,
        5,
        5,
    ]  # 10, 20 (equal to the cap), over, back to 10, 20, over
    december = [
        5,
        5,
        5,
        5,
    ]  # b at the close of November: cap 30; the level c of the way does not matter
    january = [5, 5, 5, 5]  # c at the close of December: no cap
    for month, stars in (
        ("2022-11", november),
        ("2022-12", december),
        ("2023-01", january),
    ):
        for i, quality in enumerate(stars):
            ledger.bought_and_reviewed(f"{month}-{i}", at(f"{month}-02") + i * DAY, quality)
    result = ledger.ask("2023-01-31", growth_caps=SMALL_CAPS)
    assert kinds(result) == (
        ["counted", "counted", "growth_cap", "counted", "counted", "growth_cap"]
        + ["counted"] * 3
        + ["growth_cap"]
        + ["counted"] * 4
    )
    rows = [tuple(row.values()) for row in result["months"]]
    assert rows == [
        ("2022-11", 0, 20, 20, 20, "b"),
        ("2022-12", 20, 30, 30, 50, "c"),
        ("2023-01", 50, 40, None, 90, "c"),
    ]
    assert (result["state"], result["level"], result["to_next_tenths"]) == (
        "rated",
        "c",
        None,
    )


def test_after_a_closing_the_rest_of_the_month_has_the_cap_of_no_level() -> None:
    ledger = Ledger("2022-11-01")
    ledger.bought_and_reviewed("o1", at("2022-11-02"), 5)
    ledger.bought_and_reviewed("o2", at("2022-11-03"), 5)  # b at the close: December has the cap 30
    ledger.bought_and_reviewed("o3", at("2022-12-01"), 5)
    ledger.add("merchant.closed", at("2022-12-02"))
    ledger.add("merchant.onboarded", at("2022-12-03"), category="x")
    for i in range(3):
        ledger.bought_and_reviewed(f"p{i}", at("2022-12-04") + i * DAY, 5)
    result = ledger.ask("2022-12-31", growth_caps=SMALL_CAPS)
    assert [(v["verdict"], v["tenths"]) for v in result["verdicts"]][2:] == [
        ("counted", 10),
        ("wiped", -30),
        ("counted", 10),
        ("counted", 10),
        ("growth_cap", 0),
    ]
    assert tuple(result["months"][1].values()) == ("2022-12", 20, 20, 20, 20, "b")


def test_pair_cap_is_tested_before_growth_cap() -> None:
    ledger = Ledger("2022-11-01")
    for i in range(3):
        ledger.bought_and_reviewed(f"o{i}", at("2022-11-02") + i * DAY, 5, buyer="b")
    assert kinds(ledger.ask("2022-11-30", growth_caps=SMALL_CAPS, pair_cap_tenths=20))[-1] == "pair_cap"


def test_publication() -> None:
    ledger = Ledger("2022-10-20")
    ledger.bought_and_reviewed("o", at("2022-10-21"), 5)
    ledger.bought_and_reviewed("p", at("2022-11-01") - 1, 5)  # the review: 00:00 of 1 November
    ledger.add("merchant.closed", at("2022-12-05"))
    ledger.add("merchant.onboarded", at("2023-01-02"), category="x")
    noon = at("2022-11-16T12:00")
    assert ledger.ask(noon - 1)["published"] is None
    october = {"month": "2022-10", "points_tenths": 10, "level": "a", "at": noon, "in_force": True}
    assert ledger.ask(noon)["published"] == october
    noon = at("2022-12-16T12:00")
    assert ledger.ask(noon - 1)["published"] == october
    november = {"month": "2022-11", "points_tenths": 20, "level": "b", "at": noon, "in_force": True}
    assert ledger.ask(noon)["published"] == november  # closed since then, which does not matter
    assert ledger.ask(noon)["state"] == "closed"
    december = {
        "month": "2022-12",
        "points_tenths": 0,
        "level": None,
        "at": at("2023-01-16T12:00"),
        "in_force": True,
    }
    assert ledger.ask("2023-02-01")["published"] == december


def test_first_published_month_is_not_before_the_start() -> None:
    ledger = Ledger("2019-01-01")
    assert ledger.ask("2020-06-20")["published"] is None
    june = {
        "month": "2020-06",
        "points_tenths": 0,
        "level": None,
        "at": at("2020-07-16T12:00"),
        "in_force": True,
    }
    assert ledger.ask("2020-07-20")["published"] == june


# --- several versions: which one judges what -----------------------------------------------------------------------

GOOD_20: dict[str, Any] = {"review_tenths": {"good": 20, "neutral": 0, "bad": -20}}
GOOD_30: dict[str, Any] = {"review_tenths": {"good": 30, "neutral": 0, "bad": -30}}
V1 = version("v1", "2022-01-01")


def moves(result: dict[str, Any]) -> list[int]:
    return [v["tenths"] for v in result["verdicts"]]


def test_a_version_from_a_months_start_and_before_the_first_version() -> None:
    ledger = Ledger()
    december = version("v2", "2022-12-01", **GOOD_20)
    ledger.bought_and_reviewed("o", at("2022-12-01") - 2, 5)  # the last microsecond of November
    ledger.bought_and_reviewed("p", at("2022-12-01") - 1, 5)  # 00:00 of 1 December
    before = ledger.ask_by(at("2022-12-01") - 1, december, V1)
    assert (before["policy"], moves(before)) == ("v1", [10])
    after = ledger.ask_by("2022-12-01", december, V1)
    assert (after["policy"], moves(after)) == ("v2", [10, 20])  # November stays as it was, and is carried on
    assert [tuple(row.values()) for row in after["months"]] == [
        ("2022-11", 0, 10, 50010, 10, "a"),
        ("2022-12", 10, 20, 50010, 30, "b"),
    ]
    # Before the first version the first judges, and it alone: not the one that recalculates, which comes later.
    w2, w1 = version("w2", "2024-01-01", "2020-01-01", **GOOD_20), version("w1", "2023-01-01", **GOOD_30)
    reconstructed = ledger.ask_by("2022-12-02", w2, w1)
    assert (reconstructed["policy"], moves(reconstructed)) == ("w1", [30, 30])
    # Once both are candidates, months before either are the first's.
    both = ledger.ask_by("2023-02-01", version("w2", "2023-01-15", **GOOD_20), version("w1", "2022-12-31", **GOOD_30))
    assert (both["policy"], moves(both)) == ("w2", [30, 30])


def test_a_version_coming_into_force_within_a_month_judges_the_whole_of_it() -> None:
    ledger = Ledger()
    ledger.bought_and_reviewed("o1", at("2022-10-31"), 5)
    ledger.bought_and_reviewed("o2", at("2022-11-03"), 5)
    ledger.bought_and_reviewed("o3", at("2022-11-20"), 5)
    coming = version("v2", "2022-11-15", **GOOD_20)
    before = ledger.ask_by(at("2022-11-15") - 1, V1, coming)
    assert (before["policy"], moves(before), before["points_tenths"]) == ("v1", [10, 10], 20)
    after = ledger.ask_by("2022-11-15", V1, coming)
    assert (after["policy"], moves(after), after["points_tenths"]) == ("v2", [10, 20], 30)
    assert moves(ledger.ask_by("2022-11-30", V1, coming)) == [10, 20, 20]
    # The very close of November is still in it; the first microsecond after is not.
    last = coming | {"in_force_from": at("2022-12-01") - 1}
    assert moves(ledger.ask_by("2022-12-01", V1, last)) == [10, 20, 20]
    assert moves(ledger.ask_by("2022-12-01", V1, coming | {"in_force_from": at("2022-12-01")})) == [10, 10, 10]


def test_versions_must_be_told_apart_by_their_coming_into_force() -> None:
    for versions in ([], [V1, version("v2", "2022-01-01")]):
        with pytest.raises(AssertionError):
            Ledger().ask_by("2022-12-31", *versions)


def test_recalculates_from() -> None:
    ledger = Ledger()
    for month in ("2022-10", "2022-11", "2022-12", "2023-01"):
        ledger.bought_and_reviewed(month, at(f"{month}-02"), 5)
    back = version("v2", "2022-12-10", "2022-11-15", **GOOD_20)
    before = ledger.ask_by(at("2022-12-10") - 1, V1, back)
    assert (before["policy"], moves(before)) == ("v1", [10, 10, 10])
    after = ledger.ask_by("2022-12-10", V1, back)
    assert (after["policy"], moves(after)) == ("v2", [10, 20, 20])  # from November on, its 2nd too
    # What was published is told anew: in old terms November closed with 20 tenths.
    at_noon = at("2022-12-16T12:00")
    november = {"month": "2022-11", "points_tenths": 30, "level": "b", "at": at_noon, "in_force": True}
    assert ledger.ask_by("2022-12-31", V1, back)["published"] == november
    # A third version that does not reach back leaves the second what it had; one that does takes it from there on.
    third = version("v3", "2023-01-01", **GOOD_30)
    assert moves(ledger.ask_by("2023-01-31", V1, back, third)) == [10, 20, 20, 30]
    third["recalculates_from"] = at("2022-12-01")
    assert moves(ledger.ask_by("2023-01-31", V1, back, third)) == [10, 20, 30, 30]
    # The earlier version's reaching further back gives it no right over the later one's months.
    further = version("v1", "2022-01-01", "2020-06-01")
    assert moves(ledger.ask_by("2023-01-31", further, back, third)) == [10, 20, 30, 30]


def test_each_parameter_of_an_entry_is_that_of_the_entrys_month() -> None:
    ledger = Ledger()
    for order, kind, quality in (("o", "normal", 5), ("p", "gift", 5), ("q", "normal", 3)):
        for month in ("2022-11", "2022-12"):
            ledger.paid(order + month, at("2022-11-01"), amount=500, kind=kind)  # all paid in November
            ledger.review(order + month, at(f"{month}-20"), quality)
    now = version(
        "v2",
        "2022-12-01",
        counted_kinds=["gift"],
        star_classes={"good": [3, 4, 5], "neutral": [], "bad": [1, 2]},
    )
    by_order = {v["id"]: v["verdict"] for v in ledger.ask_by("2022-12-31", V1, now)["verdicts"]}
    assert by_order == {
        "e3": "counted",
        "e5": "order_kind",
        "e7": "order_kind",
        "e9": "counted",
        "e11": "neutral",
        "e13": "order_kind",
    }
    dear = version("v2", "2022-12-01", amount_fen_min=501)
    assert kinds(ledger.ask_by("2022-12-31", V1, dear)) == ["counted", "order_kind", "neutral"] + ["low_amount"] * 3


def test_pair_cap_of_the_months_version() -> None:
    ledger = Ledger()
    for i in range(3):
        ledger.bought_and_reviewed(f"o{i}", at("2022-11-10") + i * DAY, 5, buyer="b")
        ledger.bought_and_reviewed(f"p{i}", at("2022-12-10") + i * DAY, 5, buyer="b")
    narrow = version("v2", "2022-12-01", pair_cap_tenths=20)
    assert kinds(ledger.ask_by("2022-12-31", V1, narrow)) == ["counted"] * 5 + ["pair_cap"]
    wide = version("v1", "2022-01-01", pair_cap_tenths=20)
    later = version("v2", "2022-12-01")
    assert kinds(ledger.ask_by("2022-12-31", wide, later)) == ["counted"] * 2 + ["pair_cap"] + ["counted"] * 3


def test_a_later_start_of_the_statistics_takes_nothing_that_was_carried() -> None:
    ledger = Ledger()
    ledger.bought_and_reviewed("o1", at("2022-11-01"), 5)
    ledger.bought_and_reviewed("o2", at("2022-11-02"), 5)
    ledger.bought_and_reviewed("p", at("2022-12-05"), 5)
    for i in range(3):
        ledger.bought_and_reviewed(f"q{i}", at("2022-12-10") + i * DAY, 5)
    new = version("v2", "2022-12-01", statistics_from=at("2022-12-10"), growth_caps=SMALL_CAPS)
    result = ledger.ask_by("2023-01-15", V1, new)
    # December: 20 tenths are b by the close of November, so its cap is 30 and not 20.
    assert kinds(result) == ["counted", "counted", "before_start", "counted", "counted", "counted"]
    assert result["months"][1]["cap_tenths"] == 30
    # November's publication, by the version that judged it, stands.
    told = result["published"]
    assert (told["month"], told["points_tenths"], told["at"]) == ("2022-11", 20, at("2022-12-16T12:00"))
    assert ledger.ask_by("2023-01-16T12:00", V1, new)["published"]["month"] == "2022-12"


def test_the_first_month_in_the_statistics_has_no_level_to_go_by() -> None:
    ledger = Ledger()  # open since October, with 0 tenths, which is a here: the bound is 0
    for month in ("2022-11", "2022-12"):
        for i in range(3):
            ledger.bought_and_reviewed(f"{month}-{i}", at(f"{month}-02") + i * DAY, 5)
    caps: dict[str, Any] = {"growth_caps": [{"from": "", "tenths": 10}, {"from": "a", "tenths": 20}]}
    caps |= levels(a=0, b=100)
    november = version("v1", "2022-01-01", statistics_from=at("2022-11-01"), **caps)
    first, second = ["counted", "growth_cap", "growth_cap"], ["counted", "counted", "growth_cap"]
    assert kinds(ledger.ask_by("2022-12-31", november)) == first + second
    # A later start, in a version that judges December only, does not make December the first month;
    december = version("v2", "2022-12-01", statistics_from=at("2022-12-01"), **caps)
    assert kinds(ledger.ask_by("2022-12-31", november, december)) == first + second
    # in one that judges November too, it does.
    december["recalculates_from"] = at("2022-01-01")
    assert kinds(ledger.ask_by("2022-12-31", november, december)) == ["before_start"] * 3 + first


# --- several versions: the window of review -------------------------------------------------------------------------

FIFTEEN_DAYS = version("v1", "2022-01-01")
ONE_DAY = version("v2", "2022-12-01", review_hours=24, default_tenths=5)


def test_a_window_that_shrinks_credits_out_of_the_order_of_receipts() -> None:
    ledger = Ledger()
    receipts = {}
    for order, received in (
        ("o1", at("2022-11-01")),  # due on 16 November, by the old window and default
        ("o2", at("2022-11-20")),  # due on 5 December: old window, new default
        ("o3", at("2022-12-01") - 1),  # due just before 16 December, likewise
        ("o4", at("2022-12-01")),  # due on 2 December
    ):
        ledger.paid(order, at("2022-11-01"), buyer="b" if order in ("o3", "o4") else "")
        receipts[order] = ledger.received(order, received)
    result = ledger.ask_by("2022-12-31", FIFTEEN_DAYS, ONE_DAY)
    assert short(result) == [
        (receipts["o1"], "counted", 7),
        (receipts["o4"], "counted", 5),
        (receipts["o2"], "counted", 5),
        (receipts["o3"], "counted", 5),
    ]
    assert [v["at"] for v in result["verdicts"]] == [
        at("2022-11-16"),
        at("2022-12-02"),
        at("2022-12-05"),
        at("2022-12-16") - 1,
    ]
    # The later receipt's credit is first, also where there is room for one only: o3 and o4 are of one buyer.
    tight = version("v2", "2022-12-01", review_hours=24, default_tenths=5, pair_cap_tenths=9)
    assert short(ledger.ask_by("2022-12-31", FIFTEEN_DAYS, tight)) == [
        (receipts["o1"], "counted", 7),
        (receipts["o4"], "counted", 5),
        (receipts["o2"], "counted", 5),
        (receipts["o3"], "pair_cap", 0),
    ]
    part = ledger.ask_by("2022-12-04", FIFTEEN_DAYS, ONE_DAY)
    assert short(part) == [(receipts["o1"], "counted", 7), (receipts["o4"], "counted", 5)]
    assert part["notes"] == {f"urn:t {receipts[order]}": "pending" for order in ("o2", "o3")}


@pytest.mark.parametrize(
    ("received", "reviewed", "verdicts"),
    [
        # Received in November: 15 days, though the review comes in December.
        (at("2022-12-01") - 1, at("2022-12-16") - 2, [("review", "counted", 10, at("2022-12-16") - 2)]),
        (
            at("2022-12-01") - 1,
            at("2022-12-16") - 1,
            [
                ("receipt", "counted", 5, at("2022-12-16") - 1),
                ("review", "late_review", 0, at("2022-12-16") - 1),
            ],
        ),
        # Received in December: one day.
        (at("2022-12-01"), at("2022-12-02") - 1, [("review", "counted", 10, at("2022-12-02") - 1)]),
        (
            at("2022-12-01"),
            at("2022-12-02"),
            [
                ("receipt", "counted", 5, at("2022-12-02")),
                ("review", "late_review", 0, at("2022-12-02")),
            ],
        ),
    ],
)
def test_a_review_is_late_by_the_window_of_the_receipts_month(
    received: int, reviewed: int, verdicts: list[tuple[str, str, int, int]]
) -> None:
    ledger = Ledger()
    ledger.paid("o", at("2022-11-01"))
    names = {ledger.received("o", received): "receipt", ledger.review("o", reviewed, 5): "review"}
    result = ledger.ask_by("2022-12-31", FIFTEEN_DAYS, ONE_DAY)
    assert [(names[v["id"]], v["verdict"], v["tenths"], v["at"]) for v in result["verdicts"]] == verdicts


def test_a_window_that_grows() -> None:
    ledger = Ledger()
    one_day = version("v1", "2022-01-01", review_hours=24)
    fifteen_days = version("v2", "2022-12-01", default_tenths=5)
    receipts = {}
    for order, received in (
        ("o1", at("2022-11-10")),  # due on the 11th, by the old default
        ("o2", at("2022-11-30T12:00")),  # due on 1 December at noon: old window, new default
        ("o3", at("2022-12-01")),  # due on 16 December
        ("o4", at("2022-12-01")),  # reviewed on the 10th
    ):
        ledger.paid(order, at("2022-11-01"))
        receipts[order] = ledger.received(order, received)
    late = ledger.review("o2", at("2022-12-01T12:00"), 5)
    in_time = ledger.review("o4", at("2022-12-10"), 5)
    result = ledger.ask_by("2022-12-31", one_day, fifteen_days)
    assert [(v["id"], v["verdict"], v["tenths"], v["at"]) for v in result["verdicts"]] == [
        (receipts["o1"], "counted", 7, at("2022-11-11")),
        (receipts["o2"], "counted", 5, at("2022-12-01T12:00")),
        (late, "late_review", 0, at("2022-12-01T12:00")),
        (in_time, "counted", 10, at("2022-12-10")),
        (receipts["o3"], "counted", 5, at("2022-12-16")),
    ]
    assert result["notes"] == {f"urn:t {receipts['o4']}": "reviewed"}


def test_a_window_that_changes_within_the_month_of_the_receipt() -> None:
    ledger = Ledger()
    ledger.paid("o", at("2022-11-01"))
    receipt = ledger.received("o", at("2022-11-10"))
    review = ledger.review("o", at("2022-11-12"), 5)
    ledger.paid("p", at("2022-11-01"))
    pending = ledger.received("p", at("2022-11-11"))
    coming = version("v2", "2022-11-20", review_hours=24, default_tenths=5)
    before = ledger.ask_by(at("2022-11-20") - 1, V1, coming)
    assert short(before) == [(review, "counted", 10)]
    assert before["notes"] == {f"urn:t {receipt}": "reviewed", f"urn:t {pending}": "pending"}
    after = ledger.ask_by("2022-11-20", V1, coming)
    assert [(v["id"], v["verdict"], v["tenths"], v["at"]) for v in after["verdicts"]] == [
        (receipt, "counted", 5, at("2022-11-11")),
        (review, "late_review", 0, at("2022-11-12")),
        (pending, "counted", 5, at("2022-11-12")),
    ]
    assert after["notes"] == {}


# --- several versions: levels, growth caps, what counts towards the outside -----------------------------------------


def levels(**bounds: int) -> dict[str, Any]:
    return {"levels": [{"code": c, "from_tenths": bound} for c, bound in bounds.items()]}


def test_bounds_that_change_move_the_level_without_points() -> None:
    ledger = Ledger()
    ledger.bought_and_reviewed("o", at("2022-11-01"), 5)
    ledger.paid("p", at("2022-11-01"))
    ledger.received("p", at("2022-11-02"))
    lower = version("v2", "2022-12-01", **levels(a=10, b=17, c=50))
    november = ledger.ask_by(at("2022-12-01") - 1, V1, lower)
    december = ledger.ask_by("2022-12-01", V1, lower)
    for result, level, missing in ((november, "a", 3), (december, "b", 33)):
        assert (result["state"], result["level"], result["points_tenths"], result["to_next_tenths"]) == (
            "rated",
            level,
            17,
            missing,
        )
        assert [tuple(row.values()) for row in result["months"]] == [("2022-11", 0, 17, 50010, 17, "a")]
    higher = version("v3", "2023-02-01", **levels(a=18, b=30, c=50))
    below = ledger.ask_by("2023-02-01", V1, lower, higher)
    assert (below["policy"], below["state"], below["level"], below["to_next_tenths"]) == ("v3", "unrated", None, 1)
    # Published under each month's bounds: October nothing, November a, December and January b, February nothing.
    publications: list[tuple[str, str, str | None]] = [
        ("2022-11-16T12:00", "unrated", None),
        ("2022-12-16T12:00", "rated", "a"),
        ("2023-01-16T12:00", "rated", "b"),
        ("2023-03-16T12:00", "unrated", None),
    ]
    for noon, state, code in publications:
        shown = ledger.ask_by(noon, V1, lower, higher)
        assert shown["effective"] == {"state": state, "level": code, "since": at(noon)}
        assert shown["published"]["level"] == code
    still = ledger.ask_by(at("2023-03-16T12:00") - 1, V1, lower, higher)
    assert still["effective"] == {"state": "rated", "level": "b", "since": at("2023-01-16T12:00")}
    assert (still["state"], still["published"]["month"]) == ("unrated", "2023-01")


def test_the_growth_cap_is_read_from_the_months_own_version() -> None:
    ledger = Ledger()
    ledger.bought_and_reviewed("o1", at("2022-11-01"), 5)
    ledger.bought_and_reviewed("o2", at("2022-11-02"), 5)  # 20 tenths: b in old terms, a in new ones
    for i in range(4):
        ledger.bought_and_reviewed(f"p{i}", at("2022-12-01") + i * DAY, 5)
    ledger.add("merchant.closed", at("2022-12-10"))
    ledger.add("merchant.onboarded", at("2022-12-11"), category="x")
    for i in range(2):
        ledger.bought_and_reviewed(f"q{i}", at("2022-12-12") + i * DAY, 5)
    old = version("v1", "2022-01-01", growth_caps=SMALL_CAPS)  # none or a 20, b 30
    new_caps = [{"from": "", "tenths": 10}, {"from": "a", "tenths": 25}, {"from": "b", "tenths": 40}]
    new = version("v2", "2022-12-01", growth_caps=new_caps, **levels(a=15, b=40))
    result = ledger.ask_by("2022-12-31", old, new)
    assert [(v["verdict"], v["tenths"]) for v in result["verdicts"]] == [
        ("counted", 10),
        ("counted", 10),
        ("counted", 10),
        ("counted", 10),
        ("growth_cap", 0),
        ("growth_cap", 0),
        ("wiped", -40),
        ("counted", 10),
        ("growth_cap", 0),  # after the closing: the new cap of no level
    ]
    assert [row["cap_tenths"] for row in result["months"]] == [20, 10]
    # With old versions only: December has 30.
    assert kinds(ledger.ask_by("2022-12-05", old))[2:] == ["counted"] * 3 + ["growth_cap"]


def test_effective_before_and_after_publications_and_through_a_closing() -> None:
    ledger = Ledger(opened=None)
    ledger.add("merchant.onboarded", at("2022-10-20"), category="fresh")
    ledger.bought_and_reviewed("o", at("2022-10-21"), 5)
    ledger.add("merchant.closed", at("2022-12-05"))
    ledger.add("merchant.onboarded", at("2023-01-20"), category="x")
    ledger.bought_and_reviewed("p", at("2023-03-01"), 5)

    def shown(as_of: str | int) -> tuple[str, str | None, int | None]:
        effective = ledger.ask_by(as_of, V1)["effective"]
        return effective["state"], effective["level"], effective["since"]

    first = at("2022-11-16T12:00")
    assert shown("2022-10-19") == ("not_onboarded", None, None)
    assert shown("2022-10-20") == ("unrated", None, None)
    assert shown("2022-10-31") == ("unrated", None, None)  # though it is rated a by then
    assert shown(first - 1) == ("unrated", None, None)
    assert shown(first) == ("rated", "a", first)
    assert shown("2022-12-10") == ("rated", "a", first)  # closed, which nobody outside has been told
    assert shown("2022-12-16T12:00") == ("rated", "a", first)  # November, the same again
    assert shown(at("2023-01-16T12:00") - 1) == ("rated", "a", first)
    assert shown("2023-01-16T12:00") == ("closed", None, at("2023-01-16T12:00"))
    assert shown("2023-01-21") == ("closed", None, at("2023-01-16T12:00"))  # open again
    assert shown("2023-02-16T12:00") == ("unrated", None, at("2023-02-16T12:00"))  # not closed: another state
    assert shown("2023-04-16T11:00") == ("unrated", None, at("2023-02-16T12:00"))
    # The same level as long ago, but not without a break.
    assert shown("2023-04-16T12:00") == ("rated", "a", at("2023-04-16T12:00"))
    assert shown("2023-12-31") == ("rated", "a", at("2023-04-16T12:00"))
    # Closed before anything was published: the first publication says so.
    brief = Ledger("2022-11-01")
    brief.add("merchant.closed", at("2022-11-02"))
    assert brief.ask_by("2022-12-01", V1)["effective"] == {"state": "unrated", "level": None, "since": None}
    noon = at("2022-12-16T12:00")
    assert brief.ask_by(noon, V1)["effective"] == {"state": "closed", "level": None, "since": noon}
    never = Ledger(opened=None)
    assert never.ask_by("2024-01-01", V1)["effective"] == {"state": "not_onboarded", "level": None, "since": None}


def test_effective_is_told_anew_by_a_version_that_recalculates() -> None:
    ledger = Ledger()
    ledger.bought_and_reviewed("o", at("2022-10-05"), 5)
    ledger.bought_and_reviewed("p", at("2022-12-05"), 5)
    # In old terms October and November are a (10 tenths), December is b (20).
    back = version("v2", "2023-02-01", "2022-11-01", **levels(a=5, b=10, c=50))
    before = ledger.ask_by(at("2023-02-01") - 1, V1, back)
    assert before["effective"] == {"state": "rated", "level": "b", "since": at("2023-01-16T12:00")}
    # In new terms November is b already; October, which v2 does not reach, stays a.
    after = ledger.ask_by("2023-02-01", V1, back)
    assert after["effective"] == {"state": "rated", "level": "b", "since": at("2022-12-16T12:00")}


def test_the_timetable_is_that_of_the_published_month() -> None:
    ledger = Ledger()
    ledger.bought_and_reviewed("o", at("2022-10-05"), 5)
    sooner = version("v2", "2022-12-01", publication={"day": 10, "hour": 9})
    for as_of in (at("2022-12-01") - 1, at("2022-12-01"), at("2022-12-16T12:00") - 1):
        told = ledger.ask_by(as_of, V1, sooner)
        assert (told["published"]["month"], told["published"]["at"]) == ("2022-10", at("2022-11-16T12:00"))
        assert told["effective"]["since"] == at("2022-11-16T12:00")
    # November is judged by v1, December by v2.
    assert ledger.ask_by("2022-12-16T12:00", V1, sooner)["published"]["month"] == "2022-11"
    assert ledger.ask_by(at("2023-01-10T09:00") - 1, V1, sooner)["published"]["month"] == "2022-11"
    december = ledger.ask_by("2023-01-10T09:00", V1, sooner)["published"]
    assert (december["month"], december["at"]) == ("2022-12", at("2023-01-10T09:00"))


# --- what must hold of any ledger -----------------------------------------------------------------------------------


def random_ledger(seed: int) -> Ledger:
    chance = random.Random(seed)
    ledger = Ledger(opened=None)
    for _ in range(60):
        when = at("2022-10-25") + chance.randrange(50) * DAY
        order = f"o{chance.randrange(12)}"
        pick = chance.randrange(10)
        if pick < 3:
            ledger.paid(order, when, f"b{chance.randrange(2)}", chance.choice([499, 500]))
        elif pick < 5:
            ledger.received(order, when)
        elif pick < 7:
            ledger.review(order, when, chance.randrange(1, 6))
        elif pick == 7:
            ledger.add(
                chance.choice(["merchant.onboarded", "merchant.onboarded", "merchant.closed"]),
                when,
            )
        elif pick == 8:
            ledger.add(chance.choice(["order.flagged", "order.cleared"]), when, order=order)
        else:
            ledger.retract(f"e{chance.randrange(1, 60)}", when)
    return ledger


@pytest.mark.parametrize("seed", range(25))
def test_verdicts_add_up_and_an_earlier_replay_is_a_prefix(seed: int) -> None:
    ledger = random_ledger(seed)
    full = ledger.ask("2023-01-31", growth_caps=SMALL_CAPS, pair_cap_tenths=20)
    assert sum(v["tenths"] for v in full["verdicts"]) == full["points_tenths"]
    for days in range(0, 70, 3):
        as_of = at("2022-10-25") + days * DAY
        part = ledger.ask(as_of, growth_caps=SMALL_CAPS, pair_cap_tenths=20)
        assert part["verdicts"] == [v for v in full["verdicts"] if v["at"] <= as_of]


@pytest.mark.parametrize("seed", range(25))
def test_versions_that_say_the_same_change_nothing(seed: int) -> None:
    ledger = random_ledger(seed)
    changes: dict[str, Any] = {"growth_caps": SMALL_CAPS, "pair_cap_tenths": 20}
    versions = [
        version("v3", "2022-12-20", "2022-11-10", **changes),
        version("v1", "2022-10-28", **changes),
        version("v2", "2022-11-15", **changes),
    ]
    for as_of in ("2022-10-27", "2022-11-14", "2022-11-17", "2022-12-19", "2023-01-31"):
        result = ledger.ask_by(as_of, *versions)
        del result["policy"], result["effective"]
        assert result == ledger.ask(as_of, **changes)


@pytest.mark.parametrize("seed", range(25))
def test_what_must_hold_of_any_versions(seed: int) -> None:
    ledger = random_ledger(seed)
    versions = [
        version("v1", "2022-01-01", growth_caps=SMALL_CAPS, pair_cap_tenths=20),
        version("v2", "2022-11-01", review_hours=24, amount_fen_min=400, **GOOD_20),
        version("v3", "2022-12-01", review_hours=480, default_tenths=5, **levels(a=5, b=40, c=60)),
    ]
    full = ledger.ask_by("2023-01-31", *versions)
    assert sum(moves(full)) == full["points_tenths"]
    # No version reaches back here or comes in the middle of a month: so what is asked for earlier is a prefix still.
    for days in range(0, 70, 3):
        as_of = at("2022-10-25") + days * DAY
        part = ledger.ask_by(as_of, *versions)
        assert part["verdicts"] == [v for v in full["verdicts"] if v["at"] <= as_of]
    # And what counts towards the outside is what the closes of the months say, told one by one.
    said: list[tuple[str, str | None]] = []
    since = None
    for close, noon in (("2022-11-01", "2022-11-16T12:00"), ("2022-12-01", "2022-12-16T12:00")):
        then = ledger.ask_by(at(close) - 1, *versions)
        if then["state"] != "not_onboarded":
            since = since if said and said[-1] == (then["state"], then["level"]) else at(noon)
            said.append((then["state"], then["level"]))
        outside = ledger.ask_by(noon, *versions)
        if said:
            assert outside["effective"] == {"state": said[-1][0], "level": said[-1][1], "since": since}
        else:
            assert (outside["published"], outside["effective"]["since"]) == (None, None)
