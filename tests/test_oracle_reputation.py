"""Hand-checked self tests of the oracle for `merchant-reputation` (rulebook sections 0 and 1)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.oracles.reputation import reputation

SUBJECT = "merchant/m-1"
SHANGHAI = timezone(timedelta(hours=8))
HOUR = 3_600_000_000
DAY = 24 * HOUR


def at(text: str) -> int:
    """Microseconds of a time told in Shanghai."""
    told = datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    return (told - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


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
            {"code": "a", "zh": "a", "en": "a", "from_tenths": 10},
            {"code": "b", "zh": "b", "en": "b", "from_tenths": 20},
            {"code": "c", "zh": "c", "en": "c", "from_tenths": 50},
        ],
        "publication": {"day": 16, "hour": 12},
    }
    return base | changes


class Ledger:
    """Writes events down at position 1, 2, 3 …, the id being `e<position>`."""

    def __init__(self, opened: str | None = "2022-10-01") -> None:
        self.events: list[dict[str, Any]] = []
        if opened is not None:
            self.add("merchant.onboarded", at(opened), category="fresh")

    def add(self, kind: str, when: int, /, subject: str = SUBJECT, **data: Any) -> str:
        position = len(self.events) + 1
        name = f"e{position}"
        self.events.append(
            {
                "position": position,
                "occurred_at": when,
                "recorded_at": at("2030-01-01") + position,
                "source": "urn:t",
                "id": name,
                "type": kind,
                "subject": subject,
                "data": data,
            }
        )
        return name

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

    def retract(self, name: str, when: int) -> str:
        return self.add("event.retracted", when, source="urn:t", event=name, reason="")

    def ask(self, as_of: str | int, position: int | None = None, **changes: Any) -> dict[str, Any]:
        return reputation(
            self.events,
            as_of=at(as_of) if isinstance(as_of, str) else as_of,
            position=len(self.events) if position is None else position,
            parameters=parameters(**changes),
            subject=SUBJECT,
        )


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
    ledger.retract("e4", at("2022-11-01"))  # e4 comes later
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
    ledger.retract(decided, at("2022-12-17"))
    result = ledger.ask("2022-12-31")
    assert (short(result), result["notes"]) == ([(review, "counted", 10)], {})


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
    assert tuple(result["months"][1].values()) == ("2022-12", 20, 20, 30, 20, "b")


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
    october = {"month": "2022-10", "points_tenths": 10, "level": "a", "at": noon}
    assert ledger.ask(noon)["published"] == october
    noon = at("2022-12-16T12:00")
    assert ledger.ask(noon - 1)["published"] == october
    november = {"month": "2022-11", "points_tenths": 20, "level": "b", "at": noon}
    assert ledger.ask(noon)["published"] == november  # closed since then, which does not matter
    assert ledger.ask(noon)["state"] == "closed"
    december = {
        "month": "2022-12",
        "points_tenths": 0,
        "level": None,
        "at": at("2023-01-16T12:00"),
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
    }
    assert ledger.ask("2020-07-20")["published"] == june


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
