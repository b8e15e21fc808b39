"""Hand-checked self tests of the oracle for `merchant-tier` (rulebook sections 0 and 2)."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.oracles.ledger import DAY, Written, at
from tests.oracles.merchant_tier import tier

SUBJECT = "merchant/m-1"

# The table of section 2: code, (complaint <, product >, service >), (complaint >, product <, service <), limits.
TABLE: list[tuple[str, tuple[int, int, int] | None, tuple[int, int, int] | None, tuple[int, int] | None]] = [
    ("LV0", (300, 8500, 8500), None, (50, 500_000)),
    ("LV1", (250, 8800, 8800), (400, 8000, 8000), (200, 2_000_000)),
    ("LV2", (200, 9000, 9000), (350, 8200, 8200), (500, 5_000_000)),
    ("LV3", (160, 9200, 9200), (300, 8400, 8400), (1_000, 10_000_000)),
    ("LV4", (120, 9400, 9400), (250, 8600, 8600), (3_000, 30_000_000)),
    ("LV5", (90, 9500, 9500), (200, 8800, 8800), (10_000, 100_000_000)),
    ("LV6", (60, 9600, 9600), (150, 9000, 9000), (30_000, 300_000_000)),
    ("LV7", None, (100, 9200, 9200), None),
]


def end(text: str) -> int:
    """The last microsecond of a day: what a bare date means."""
    return at(text) + DAY - 1


def later(text: str, days: int) -> str:
    return (date.fromisoformat(text) + timedelta(days=days)).isoformat()


def tiers(limits: tuple[int, int] | None = None) -> list[dict[str, Any]]:
    """The rulebook's table; with the same limits for every tier if they are given."""
    rows: list[dict[str, Any]] = []
    for code, up, down, own in TABLE:
        row: dict[str, Any] = {"code": code}
        if up is not None:
            row["up"] = dict(zip(("complaint_below", "product_above", "service_above"), up, strict=True))
        if down is not None:
            row["down"] = dict(zip(("complaint_above", "product_below", "service_below"), down, strict=True))
        if own is not None:
            row["orders_limit"], row["gmv_limit_fen"] = limits or own
        rows.append(row)
    return rows


def parameters(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "statistics_from": at("2020-06-01"),
        "scope": {"category": "fresh", "joined_before": at("2022-09-09")},
        "initial_tier": "LV1",
        "window_days": 30,
        "wait_days": 30,
        "fast_upgrade": {"limit_share_percent": 80, "reviews_share_percent": 10},
        "clear_out_days": 60,
        "good_stars": 4,
        "tiers": tiers(),
    }
    return base | changes


class Ledger(Written):
    """A merchant's events; opened on 2022-01-01 unless told."""

    subject = SUBJECT

    def __init__(self, opened: str | None = "2022-01-01T09:00") -> None:
        super().__init__()
        if opened is not None:
            self.opened(at(opened))

    def opened(self, when: int, category: str = "fresh") -> str:
        return self.add("merchant.onboarded", when, category=category)

    def closed(self, when: int) -> str:
        return self.add("merchant.closed", when)

    def notice(self, level: str, when: int) -> str:
        return self.add("merchant.tier_set", when, level=level)

    def paid(self, order: str, when: int, amount: int = 100, kind: str = "normal") -> str:
        return self.add("order.paid", when, order=order, buyer="b", amount=amount, kind=kind, payment="online")

    def complained(self, order: str, when: int) -> str:
        return self.add("order.complained", when, order=order)

    def dismissed(self, order: str, when: int) -> str:
        return self.add("complaint.dismissed", when, order=order)

    def review(self, order: str, when: int, quality: int, service: int | None = None) -> str:
        stars: dict[str, Any] = {"quality": quality} if service is None else {"quality": quality, "service": service}
        return self.add("review.posted", when, order=order, **stars)

    def figures(
        self,
        day: str,
        complaint: tuple[int, int] = (0, 1),
        product: tuple[int, int] = (1, 1),
        service: tuple[int, int] = (1, 1),
        amount: int = 100,
    ) -> None:
        """At noon of a day: orders, complaints and reviews that make these ratios.

        By default the best there can be. The complaints' and the reviews' orders are unknown ones (which is allowed).
        Only as many reviews as there are of service have service stars.
        """
        noon = at(day) + DAY // 2
        tag = len(self.events)
        for i in range(complaint[1]):
            self.paid(f"o{tag}-{i}", noon, amount)
        for i in range(complaint[0]):
            self.complained(f"c{tag}-{i}", noon)
        assert service[1] <= product[1]
        for i in range(product[1]):
            stars = None if i >= service[1] else 4 if i < service[0] else 3
            self.review(f"r{tag}-{i}", noon, 4 if i < product[0] else 3, stars)

    def ask(self, as_of: str | int, position: int | None = None, **changes: Any) -> dict[str, Any]:
        return tier(
            self.events,
            as_of=end(as_of) if isinstance(as_of, str) else as_of,
            position=self.known(position),
            parameters=parameters(**changes),
            subject=SUBJECT,
        )


def story(result: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    return [(row["day"], row["level"], row["cause"]) for row in result["history"]]


def standing(result: dict[str, Any]) -> tuple[str, str | None, str | None]:
    return result["state"], result["level"], result["since"]


OPENED = ("2022-01-01", "LV1", "opened")


# --- closed days, what is seen --------------------------------------------------------------------------------------


def test_a_day_is_closed_at_its_last_microsecond_and_the_open_day_is_not_seen() -> None:
    ledger = Ledger("2022-01-01T00:00")
    ledger.paid("o", at("2022-01-01"))
    before = ledger.ask(end("2022-01-01") - 1)
    assert before == {
        "state": "not_onboarded",
        "level": None,
        "since": None,
        "day": "2021-12-31",
        "indicators": {"complaint": [0, 0], "product": [0, 0], "service": [0, 0]},
        "history": [],
    }
    assert ledger.ask(at("2022-01-01")) == before
    assert ledger.ask(end("2022-01-01")) == {
        "state": "rated",
        "level": "LV1",
        "since": "2022-01-01",
        "day": "2022-01-01",
        "indicators": {"complaint": [0, 1], "product": [0, 0], "service": [0, 0]},
        "history": [{"day": "2022-01-01", "level": "LV1", "cause": "opened"}],
    }
    assert ledger.ask(end("2022-01-02") - 1)["day"] == "2022-01-01"


def test_days_are_those_of_shanghai() -> None:
    # 2022-01-01T15:59:59.999999Z and 16:00Z are the last instant of 1 January and the first of 2 January in Shanghai.
    border = (datetime(2022, 1, 1, 16, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert border == at("2022-01-02")
    ledger = Ledger(None)
    ledger.opened(border - 1)
    ledger.notice("LV3", border)
    assert story(ledger.ask(border - 1)) == [OPENED]
    assert ledger.ask(border - 2)["day"] == "2021-12-31"
    assert story(ledger.ask(border + DAY - 2)) == [OPENED]
    assert story(ledger.ask(border + DAY - 1)) == [OPENED, ("2022-01-02", "LV3", "notice")]


def test_ordinary_events_of_the_open_day_are_not_seen_but_corrections_are() -> None:
    ledger = Ledger()
    kept = ledger.paid("o", at("2022-01-02"))
    ledger.complained("o", at("2022-01-02"))
    ledger.paid("p", at("2022-01-03"))  # on the open day
    wrong = ledger.notice("LV5", at("2022-01-02"))
    noon = at("2022-01-03T12:00")
    assert ledger.ask(noon)["indicators"]["complaint"] == [1, 1]
    ledger.dismissed("o", at("2022-01-03T13:00"))  # after `as_of` even
    assert ledger.ask(noon)["indicators"]["complaint"] == [0, 1]
    assert standing(ledger.ask(noon)) == ("rated", "LV5", "2022-01-02")
    ledger.retract(wrong, at("2023-01-01"))
    ledger.retract(kept, at("2023-01-01"))
    assert standing(ledger.ask(noon)) == ("rated", "LV1", "2022-01-01")
    assert ledger.ask(noon)["indicators"]["complaint"] == [0, 0]


def test_only_what_is_recorded_up_to_the_position_is_known() -> None:
    ledger = Ledger()
    ledger.complained("o", at("2022-01-02"))
    ledger.dismissed("o", at("2022-01-02"))
    wrong = ledger.notice("LV5", at("2022-01-02"))
    back = ledger.retract(wrong, at("2022-01-02"))
    ledger.retract(back, at("2022-01-02"))  # a retraction may itself be retracted
    told = [ledger.ask("2022-01-05", position=position) for position in range(7)]
    assert [result["state"] for result in told] == ["not_onboarded"] + ["rated"] * 6
    assert [result["level"] for result in told] == [None, "LV1", "LV1", "LV1", "LV5", "LV1", "LV5"]
    assert [result["indicators"]["complaint"][0] for result in told] == [0, 0, 1, 0, 0, 0, 0]


def test_other_subjects_do_not_matter() -> None:
    ledger = Ledger()
    other = "merchant/m-2"
    ledger.add("merchant.closed", at("2022-01-02"), other)
    ledger.add("order.paid", at("2022-01-02"), other, order="o", buyer="b", amount=1, kind="normal", payment="online")
    ledger.add("review.posted", at("2022-01-02"), other, order="o", quality=5, service=5)
    ledger.paid("o", at("2022-01-03"))
    ledger.complained("o", at("2022-01-03"))
    ledger.add("complaint.dismissed", at("2022-01-03"), other, order="o")
    ledger.add("event.retracted", at("2022-01-03"), other, source="urn:t", event="e1", reason="")
    result = ledger.ask("2022-01-03")
    assert standing(result) == ("rated", "LV1", "2022-01-01")
    assert result["indicators"] == {"complaint": [1, 1], "product": [0, 0], "service": [0, 0]}


# --- scope and states -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "joined", "state"),
    [
        ("fresh", "2022-09-08T23:59:59.999999", "rated"),
        ("fresh", "2022-09-09", "out_of_scope"),
        ("fresh", "2022-09-09T00:00:00.000001", "out_of_scope"),
        ("fruit", "2022-01-01", "out_of_scope"),
    ],
)
def test_scope(category: str, joined: str, state: str) -> None:
    ledger = Ledger(None)
    ledger.opened(at(joined), category)
    result = ledger.ask("2022-09-10")
    assert result["state"] == state
    assert result["level"] == ("LV1" if state == "rated" else None)


def test_the_first_onboarding_alone_decides_on_the_scope() -> None:
    ledger = Ledger()
    ledger.closed(at("2022-02-01"))
    ledger.opened(at("2023-01-01"), "fruit")  # too late and of another kind, but a re-opening
    assert standing(ledger.ask("2023-01-01")) == ("rated", "LV1", "2023-01-01")
    out = Ledger(None)
    first = out.opened(at("2022-01-01"), "fruit")
    out.closed(at("2022-01-02"))
    out.opened(at("2022-01-03"), "fresh")
    out.figures("2022-01-03")
    result = out.ask("2022-01-03")
    assert (standing(result), result["history"]) == (("out_of_scope", None, None), [])
    assert result["indicators"] == {"complaint": [0, 1], "product": [1, 1], "service": [1, 1]}
    assert out.ask("2022-01-02")["state"] == "out_of_scope"  # not `closed`: that comes after
    out.retract(first, at("2022-01-04"))
    assert standing(out.ask("2022-01-03")) == ("rated", "LV1", "2022-01-03")
    assert out.ask("2022-01-02")["state"] == "not_onboarded"


def test_the_first_onboarding_is_told_by_time_then_by_position() -> None:
    ledger = Ledger(None)
    ledger.opened(at("2022-01-02"), "fruit")
    ledger.opened(at("2022-01-02"), "fresh")  # the same instant, a later position
    assert ledger.ask("2022-01-02")["state"] == "out_of_scope"
    ledger.opened(at("2022-01-01"), "fresh")  # a later position, but earlier
    assert ledger.ask("2022-01-02")["state"] == "rated"


def test_states_of_a_life() -> None:
    ledger = Ledger(None)
    ledger.closed(at("2021-12-31"))  # not open: nothing
    ledger.notice("LV4", at("2021-12-31"))  # nor does this do anything
    ledger.opened(at("2022-01-01"))
    ledger.opened(at("2022-01-05"), "fruit")  # open already: nothing
    ledger.closed(at("2022-01-10"))
    ledger.closed(at("2022-01-11"))  # nothing
    ledger.notice("LV5", at("2022-01-12"))  # nothing
    ledger.opened(at("2022-01-13"))
    assert standing(ledger.ask("2021-12-31")) == ("not_onboarded", None, None)
    assert standing(ledger.ask("2022-01-01")) == ("rated", "LV1", "2022-01-01")
    assert standing(ledger.ask("2022-01-09")) == ("rated", "LV1", "2022-01-01")
    assert standing(ledger.ask("2022-01-10")) == ("closed", None, None)
    assert standing(ledger.ask("2022-01-12")) == ("closed", None, None)
    assert standing(ledger.ask("2022-01-13")) == ("rated", "LV1", "2022-01-13")
    assert story(ledger.ask("2022-01-20")) == [
        ("2022-01-01", "LV1", "opened"),
        ("2022-01-10", None, "closed"),
        ("2022-01-13", "LV1", "opened"),
    ]
    assert story(ledger.ask("2022-01-01", initial_tier="LV2")) == [("2022-01-01", "LV2", "opened")]


# --- notices, c, events of one day ----------------------------------------------------------------------------------


def test_a_notice_sets_the_tier_and_c_also_to_the_same_tier() -> None:
    ledger = Ledger()
    ledger.notice("LV3", at("2022-01-20"))
    ledger.notice("LV3", at("2022-01-25"))
    assert standing(ledger.ask("2022-01-20")) == ("rated", "LV3", "2022-01-20")
    assert standing(ledger.ask("2022-01-25")) == ("rated", "LV3", "2022-01-25")
    # c is moved: without the second notice the evaluation would be on 19 February.
    ledger.figures("2022-02-19", complaint=(0, 1))
    assert standing(ledger.ask("2022-02-23"))[1] == "LV3"
    assert story(ledger.ask("2022-02-24"))[-1] == ("2022-02-24", "LV4", "upgrade")


def test_events_of_one_day_act_one_after_another_by_time_then_position() -> None:
    ledger = Ledger(None)
    ledger.notice("LV6", at("2022-01-01T12:00"))
    ledger.closed(at("2022-01-01T13:00"))
    ledger.opened(at("2022-01-01T08:00"))
    ledger.notice("LV2", at("2022-01-01T12:00"))  # the same instant, a later position
    ledger.notice("LV7", at("2022-01-01T13:00"))  # closed a position before
    assert story(ledger.ask("2022-01-01")) == [
        ("2022-01-01", "LV1", "opened"),
        ("2022-01-01", "LV6", "notice"),
        ("2022-01-01", "LV2", "notice"),
        ("2022-01-01", None, "closed"),
    ]
    assert ledger.ask("2022-01-01")["state"] == "closed"


def test_a_notice_at_the_instant_of_the_opening_needs_the_later_position() -> None:
    before = Ledger(None)
    before.notice("LV5", at("2022-01-01"))
    before.opened(at("2022-01-01"))
    assert before.ask("2022-01-01")["level"] == "LV1"
    after = Ledger("2022-01-01")
    after.notice("LV5", at("2022-01-01"))
    assert after.ask("2022-01-01")["level"] == "LV5"


# --- before 2020-06-01 ----------------------------------------------------------------------------------------------


def test_what_is_before_the_start_acts_in_order_at_its_start() -> None:
    ledger = Ledger(None)
    ledger.notice("LV0", at("2020-06-01"))  # at the very start, after all that was before
    ledger.notice("LV4", at("2020-05-31T23:59:59.999999"))
    ledger.closed(at("2019-02-01"))
    ledger.opened(at("2019-03-01"))
    ledger.opened(at("2019-01-01"))
    start = [
        ("2020-06-01", "LV1", "opened"),
        ("2020-06-01", None, "closed"),
        ("2020-06-01", "LV1", "opened"),
        ("2020-06-01", "LV4", "notice"),
        ("2020-06-01", "LV0", "notice"),
    ]
    assert story(ledger.ask("2020-06-01")) == start
    assert standing(ledger.ask("2020-06-01")) == ("rated", "LV0", "2020-06-01")
    # z is that day too: 31 July is 60 days on (29 days of June after the 1st, 31 of July).
    assert story(ledger.ask("2020-07-30")) == start
    assert story(ledger.ask("2020-07-31")) == [*start, ("2020-07-31", None, "cleared_out")]


def test_an_lv0_of_before_the_start_has_z_on_its_day() -> None:
    ledger = Ledger("2019-01-01")
    ledger.notice("LV0", at("2019-01-02"))
    ledger.notice("LV0", at("2019-06-02"))
    assert ledger.ask("2020-07-30")["state"] == "rated"
    assert ledger.ask("2020-07-31")["state"] == "cleared_out"


def test_before_the_first_day_is_closed_nothing_has_acted() -> None:
    ledger = Ledger("2019-01-01")
    for as_of in (at("2020-06-01"), end("2020-06-01") - 1):
        result = ledger.ask(as_of)
        assert (result["state"], result["day"], result["history"]) == ("not_onboarded", "2020-05-31", [])
    assert standing(ledger.ask("2020-06-01")) == ("rated", "LV1", "2020-06-01")
    # The start is a parameter.
    moved = {"statistics_from": at("2020-07-10")}
    assert ledger.ask("2020-07-09", **moved)["state"] == "not_onboarded"
    assert story(ledger.ask("2020-07-10", **moved)) == [("2020-07-10", "LV1", "opened")]


def test_days_before_the_start_and_before_the_opening_have_figures() -> None:
    ledger = Ledger("2019-01-01")
    ledger.figures("2020-05-20", complaint=(1, 50), product=(3, 4), service=(1, 2))
    # c is 1 June, c+30 is 1 July; but the window of 1 June takes in 3 May to 1 June.
    expected = {"complaint": [1, 50], "product": [3, 4], "service": [1, 2]}
    assert ledger.ask("2020-06-01")["indicators"] == expected
    assert ledger.ask("2020-06-18")["indicators"] == expected
    assert ledger.ask("2020-06-19")["indicators"]["complaint"] == [0, 0]
    never = Ledger(None)
    never.figures("2022-01-01")
    result = never.ask("2022-01-02")
    assert result["state"] == "not_onboarded"
    assert result["indicators"] == {"complaint": [0, 1], "product": [1, 1], "service": [1, 1]}
    # What was sold before the opening is evaluated too, where the window reaches back to it: c+30 is 3 March, and from
    # 31 January to 3 March it is 32 days.
    early = Ledger("2022-02-01")
    early.figures("2022-01-31")
    assert early.ask("2022-03-03", window_days=31)["level"] == "LV1"
    assert early.ask("2022-03-03", window_days=32)["level"] == "LV2"


# --- daily figures --------------------------------------------------------------------------------------------------


def test_orders_are_counted_once_on_the_day_of_the_first_payment_of_all_time() -> None:
    ledger = Ledger()
    ledger.paid("old", at("2021-06-01"))  # before the opening and long out of the window
    ledger.paid("old", at("2022-03-01"))
    ledger.paid("new", at("2022-03-01"))
    ledger.paid("new", at("2022-03-02"))
    for kind in ("lucky_bag", "sample", "gift", "prize", "auction_deposit"):
        ledger.paid(kind, at("2022-03-01"), 0, kind)
    ledger.add("order.flagged", at("2022-03-01"), order="new", reason="fake_trade")
    ledger.closed(at("2022-03-02"))
    ledger.paid("late", at("2022-03-03"))  # the life does not matter
    assert ledger.ask("2022-03-01")["indicators"]["complaint"] == [0, 6]
    assert ledger.ask("2022-03-02")["indicators"]["complaint"] == [0, 6]
    assert ledger.ask("2022-03-03")["indicators"]["complaint"] == [0, 7]
    assert ledger.ask("2022-03-30")["indicators"]["complaint"] == [0, 7]
    assert ledger.ask("2022-03-31")["indicators"]["complaint"] == [0, 1]
    assert ledger.ask("2022-04-02")["indicators"]["complaint"] == [0, 0]


def test_the_window_is_of_thirty_days() -> None:
    ledger = Ledger()
    ledger.paid("a", at("2022-02-01") - 1)
    ledger.paid("b", at("2022-02-01"))
    ledger.paid("c", end("2022-03-02"))
    ledger.paid("d", end("2022-03-02") + 1)
    # 2 March - 29 days = 1 February (28 days of February).
    assert ledger.ask("2022-03-02")["indicators"]["complaint"] == [0, 2]
    assert ledger.ask("2022-03-02", window_days=31)["indicators"]["complaint"] == [0, 3]
    assert ledger.ask("2022-03-02", window_days=1)["indicators"]["complaint"] == [0, 1]


def test_complaints_are_counted_once_an_order_on_their_own_day() -> None:
    ledger = Ledger()
    ledger.complained("unknown", at("2022-03-01"))  # of an order never paid
    ledger.complained("o", at("2022-03-03"))
    ledger.complained("o", at("2022-03-02"))  # recorded later, but the first
    ledger.complained("old", at("2020-01-01"))
    ledger.complained("old", at("2022-03-02"))  # not the first of all
    ledger.paid("o", at("2022-01-15"))
    counted = [ledger.ask(f"2022-03-{day:02d}")["indicators"]["complaint"] for day in (1, 2, 3, 30, 31)]
    assert counted == [[1, 0], [2, 0], [2, 0], [2, 0], [1, 0]]
    assert ledger.ask("2022-04-01")["indicators"]["complaint"] == [0, 0]  # from 3 March: o's was on the 2nd


def test_a_dismissal_removes_the_orders_complaint_whenever_it_occurred() -> None:
    ledger = Ledger()
    ledger.dismissed("a", at("2022-01-01"))  # before the complaint: a later one too
    ledger.complained("a", at("2022-03-01"))
    ledger.complained("a", at("2022-03-02"))
    ledger.complained("b", at("2022-03-01"))
    back = ledger.dismissed("b", at("2024-01-01"))
    ledger.complained("c", at("2022-03-01"))
    ledger.dismissed("d", at("2022-03-01"))  # has no complaint
    assert ledger.ask("2022-03-02")["indicators"]["complaint"] == [1, 0]
    ledger.retract(back, at("2024-01-02"))
    assert ledger.ask("2022-03-02")["indicators"]["complaint"] == [2, 0]


def test_reviews_are_the_first_of_each_order_with_their_own_stars() -> None:
    ledger = Ledger()
    first = ledger.review("o", at("2022-03-01"), 3)  # no service stars
    ledger.review("o", at("2022-03-02"), 5, 5)
    ledger.review("unknown", at("2022-03-02"), 4, 4)
    ledger.review("p", at("2022-03-02"), 3, 5)
    ledger.review("q", at("2022-03-02"), 5, 3)
    assert ledger.ask("2022-03-01")["indicators"] == {"complaint": [0, 0], "product": [0, 1], "service": [0, 0]}
    both = ledger.ask("2022-03-02")["indicators"]
    assert (both["product"], both["service"]) == ([2, 4], [2, 3])
    five = ledger.ask("2022-03-02", good_stars=5)["indicators"]
    assert (five["product"], five["service"]) == ([1, 4], [1, 3])
    three = ledger.ask("2022-03-02", good_stars=3)["indicators"]
    assert (three["product"], three["service"]) == ([4, 4], [3, 3])
    # On 31 March o's first review is out of the window, and its second is not in its place.
    out = ledger.ask("2022-03-31")["indicators"]
    assert (out["product"], out["service"]) == ([2, 3], [2, 3])
    ledger.retract(first, at("2022-03-03"))  # then the second is the first
    both = ledger.ask("2022-03-31")["indicators"]
    assert (both["product"], both["service"]) == ([3, 4], [3, 4])


def test_the_first_at_one_instant_is_told_by_position() -> None:
    ledger = Ledger()
    ledger.review("o", at("2022-03-01"), 1, 1)
    ledger.review("o", at("2022-03-01"), 5, 5)
    assert ledger.ask("2022-03-01")["indicators"]["product"] == [0, 1]


# --- the evaluation -------------------------------------------------------------------------------------------------


def set_and_evaluated(code: str, **figures: Any) -> list[tuple[str, str | None, str]]:
    """The history after a notice on 2022-01-01 and these figures on c+30, 2022-01-31, the only day with any."""
    ledger = Ledger()
    ledger.notice(code, at("2022-01-01T10:00"))
    ledger.figures("2022-01-31", **figures)
    before = story(ledger.ask("2022-01-30"))
    assert before == [OPENED, ("2022-01-01", code, "notice")]
    return story(ledger.ask("2022-01-31"))[2:]


UPGRADES = [  # the tier, its complaint value and its product and service value as fractions; the next tier
    ("LV0", (3, 100), (17, 20), "LV1"),
    ("LV1", (1, 40), (22, 25), "LV2"),
    ("LV2", (1, 50), (9, 10), "LV3"),
    ("LV3", (2, 125), (23, 25), "LV4"),
    ("LV4", (3, 250), (47, 50), "LV5"),
    ("LV5", (9, 1000), (19, 20), "LV6"),
    ("LV6", (3, 500), (24, 25), "LV7"),
]


@pytest.mark.parametrize(("code", "complaint", "good", "above"), UPGRADES)
def test_upgrade_values_are_strict(code: str, complaint: tuple[int, int], good: tuple[int, int], above: str) -> None:
    fewer = (complaint[0], complaint[1] + 1)  # one order more: just below the value
    more = (good[0] + 1, good[1] + 1)  # one good more: just above the value
    up = [("2022-01-31", above, "upgrade")]
    assert set_and_evaluated(code, complaint=fewer, product=more, service=more) == up
    assert set_and_evaluated(code, complaint=complaint, product=more, service=more) == []
    assert set_and_evaluated(code, complaint=fewer, product=good, service=(1, 1)) == []
    assert set_and_evaluated(code, complaint=fewer, product=more, service=good) == []


DOWNGRADES = [
    ("LV1", (1, 25), (4, 5), "LV0"),
    ("LV2", (7, 200), (41, 50), "LV1"),
    ("LV3", (3, 100), (21, 25), "LV2"),
    ("LV4", (1, 40), (43, 50), "LV3"),
    ("LV5", (1, 50), (22, 25), "LV4"),
    ("LV6", (3, 200), (9, 10), "LV5"),
    ("LV7", (1, 100), (23, 25), "LV6"),
]


@pytest.mark.parametrize(("code", "complaint", "good", "under"), DOWNGRADES)
def test_downgrade_values_are_strict(code: str, complaint: tuple[int, int], good: tuple[int, int], under: str) -> None:
    more = (complaint[0], complaint[1] - 1)  # one order less: just above the value
    fewer = (good[0] - 1, good[1] - 1)  # one good less: just below the value
    down = [("2022-01-31", under, "downgrade")]
    assert set_and_evaluated(code, complaint=complaint, product=good, service=good) == []
    assert set_and_evaluated(code, complaint=more, product=good, service=good) == down
    assert set_and_evaluated(code, complaint=complaint, product=fewer, service=(1, 1)) == down
    assert set_and_evaluated(code, complaint=complaint, product=good, service=fewer) == down


def test_lv0_and_lv7_are_the_ends() -> None:
    assert set_and_evaluated("LV0", complaint=(5, 5), product=(0, 1), service=(0, 1)) == []
    assert set_and_evaluated("LV7") == []  # the best there can be


@pytest.mark.parametrize(
    ("figures", "rates"),
    [
        ({"complaint": (0, 0)}, ([0, 0], [1, 1], [1, 1])),
        ({"product": (0, 0), "service": (0, 0)}, ([0, 1], [0, 0], [0, 0])),
        ({"service": (0, 0)}, ([0, 1], [1, 1], [0, 0])),
        ({"complaint": (3, 0)}, ([3, 0], [1, 1], [1, 1])),  # complaints, but no orders
    ],
)
def test_an_undefined_indicator_stops_an_upgrade_and_causes_no_downgrade(
    figures: dict[str, Any], rates: tuple[list[int], list[int], list[int]]
) -> None:
    assert set_and_evaluated("LV4", **figures) == []
    ledger = Ledger()
    ledger.figures("2022-01-02", **figures)
    assert tuple(ledger.ask("2022-01-02")["indicators"].values()) == rates


def test_one_defined_indicator_is_enough_for_a_downgrade() -> None:
    down = [("2022-01-31", "LV3", "downgrade")]
    assert set_and_evaluated("LV4", complaint=(1, 1), product=(0, 0), service=(0, 0)) == down
    assert set_and_evaluated("LV4", complaint=(0, 0), product=(0, 1), service=(0, 0)) == down
    assert set_and_evaluated("LV4", complaint=(0, 0), product=(1, 1), service=(0, 1)) == down


def test_nothing_at_all_changes_nothing() -> None:
    ledger = Ledger()
    assert story(ledger.ask("2023-12-31")) == [OPENED]


def test_the_first_evaluation_is_at_c_and_thirty_and_then_each_day_until_a_change() -> None:
    # Opened on 1 January: c+30 is 31 January. On 3 February the figures come, and one more day is enough.
    ledger = Ledger()
    ledger.figures("2022-01-30")
    assert story(ledger.ask("2022-01-30")) == [OPENED]
    assert story(ledger.ask("2022-01-31")) == [OPENED, ("2022-01-31", "LV2", "upgrade")]
    again = Ledger()
    again.figures("2022-02-03")
    assert story(again.ask("2022-02-02")) == [OPENED]
    first = [OPENED, ("2022-02-03", "LV2", "upgrade")]
    assert story(again.ask("2022-02-03")) == first
    # c is 3 February now, c+30 is 5 March (28 days of February). The window of 5 March is from 4 February: empty.
    again.figures("2022-03-05", product=(0, 1), service=(0, 0))
    assert story(again.ask("2022-03-04")) == first
    second = [*first, ("2022-03-05", "LV1", "downgrade")]
    assert story(again.ask("2022-03-05")) == second
    # And c+30 is 4 April, whose window is from 6 March: empty, and so for ever.
    assert story(again.ask("2022-12-31")) == second
    # With a window of 31 days 5 March is in it, and one more tier goes; each wait ends in an evaluation.
    wide = [
        OPENED,
        ("2022-02-03", "LV2", "upgrade"),
        ("2022-03-05", "LV1", "downgrade"),
        ("2022-04-04", "LV0", "downgrade"),
    ]
    assert story(again.ask("2022-03-04", window_days=31)) == first
    assert story(again.ask("2022-04-03", window_days=31)) == wide[:3]
    assert story(again.ask("2022-04-04", window_days=31)) == wide


def test_figures_of_the_day_c_and_thirty_count_to_its_last_microsecond() -> None:
    ledger = Ledger()
    ledger.paid("o", end("2022-01-31"))
    ledger.review("o", end("2022-01-31"), 5, 5)
    assert ledger.ask("2022-01-31")["level"] == "LV2"
    late = Ledger()
    late.paid("o", end("2022-01-31") + 1)
    late.review("o", end("2022-01-31"), 5, 5)
    assert story(late.ask("2022-02-01")) == [OPENED, ("2022-02-01", "LV2", "upgrade")]


def test_events_of_the_day_come_before_its_evaluation() -> None:
    ledger = Ledger()
    ledger.figures("2022-01-31")
    noticed = Ledger()
    noticed.figures("2022-01-31")
    noticed.notice("LV5", end("2022-01-31"))  # after the figures, yet the day's evaluation is of c = d: none
    assert ledger.ask("2022-01-31")["level"] == "LV2"
    assert story(noticed.ask("2022-01-31")) == [OPENED, ("2022-01-31", "LV5", "notice")]
    ledger.closed(end("2022-01-31"))  # and a closed merchant is not evaluated
    assert story(ledger.ask("2022-01-31")) == [OPENED, ("2022-01-31", None, "closed")]
    ledger.opened(end("2022-01-31"))
    assert story(ledger.ask("2022-03-01"))[-1] == ("2022-01-31", "LV1", "opened")
    # The notice moved on the next evaluation, to 2 March, when the figures of 31 January are out of the window.
    assert noticed.ask("2022-03-01")["level"] == "LV5"
    assert noticed.ask("2022-03-02")["level"] == "LV5"
    assert noticed.ask("2022-03-02", window_days=31)["level"] == "LV6"


def test_the_wait_starts_anew_after_a_re_opening() -> None:
    ledger = Ledger()
    ledger.closed(at("2022-01-10"))
    ledger.opened(at("2022-01-20"))
    ledger.figures("2022-02-18")
    assert story(ledger.ask("2022-02-18"))[2:] == [("2022-01-20", "LV1", "opened")]
    assert story(ledger.ask("2022-02-19"))[2:] == [("2022-01-20", "LV1", "opened"), ("2022-02-19", "LV2", "upgrade")]


def test_the_wait_and_the_window_are_two_parameters() -> None:
    ledger = Ledger()
    ledger.figures("2022-01-02")
    assert story(ledger.ask("2022-01-03", wait_days=3)) == [OPENED]
    assert story(ledger.ask("2022-01-04", wait_days=3)) == [OPENED, ("2022-01-04", "LV2", "upgrade")]
    assert story(ledger.ask("2022-01-04", wait_days=3, window_days=2)) == [OPENED]
    assert story(ledger.ask("2022-01-04", wait_days=3, window_days=3))[1:] == [("2022-01-04", "LV2", "upgrade")]
    # Every third day one up, at most LV7, as long as 2 January is in the window.
    climb = story(ledger.ask("2022-01-31", wait_days=3))
    assert [day for day, _, _ in climb[1:]] == [
        "2022-01-04",
        "2022-01-07",
        "2022-01-10",
        "2022-01-13",
        "2022-01-16",
        "2022-01-19",
    ]
    assert [level for _, level, _ in climb] == ["LV1", "LV2", "LV3", "LV4", "LV5", "LV6", "LV7"]
    # Down again from LV7 by a single bad review, 1 of 2: one each third day to LV0, not past it.
    ledger.figures("2022-01-20", product=(0, 1), service=(0, 0), complaint=(0, 0))
    fall = story(ledger.ask("2022-02-18", wait_days=3, clear_out_days=1000))[7:]
    assert fall == [
        ("2022-01-22", "LV6", "downgrade"),
        ("2022-01-25", "LV5", "downgrade"),
        ("2022-01-28", "LV4", "downgrade"),
        ("2022-01-31", "LV3", "downgrade"),
        ("2022-02-03", "LV2", "downgrade"),
        ("2022-02-06", "LV1", "downgrade"),
        ("2022-02-09", "LV0", "downgrade"),
    ]


def test_where_values_overlap_the_upgrade_is_tested_first() -> None:
    odd = tiers()
    odd[1]["down"]["complaint_above"] = 100  # LV1: up under 2.5 %, down over 1 %
    ledger = Ledger()
    ledger.figures("2022-01-31", complaint=(1, 50))  # 2 %
    assert ledger.ask("2022-01-31", tiers=odd)["level"] == "LV2"
    service = Ledger()
    service.figures("2022-01-31", complaint=(1, 50), product=(1, 1), service=(0, 0))  # no upgrade: undefined
    assert service.ask("2022-01-31", tiers=odd)["level"] == "LV0"


def test_a_dismissal_known_later_changes_the_past() -> None:
    ledger = Ledger()
    ledger.figures("2022-01-31", complaint=(0, 10))
    ledger.complained("o", at("2022-01-31"))  # 1 of 10: over 4 %
    position = len(ledger.events)
    ledger.dismissed("o", at("2022-06-01"))
    assert story(ledger.ask("2022-01-31", position)) == [OPENED, ("2022-01-31", "LV0", "downgrade")]
    assert story(ledger.ask("2022-01-31")) == [OPENED, ("2022-01-31", "LV2", "upgrade")]


# --- the fast upgrade -----------------------------------------------------------------------------------------------

LIMITS = (10, 1000)  # 80 %: 8 orders and 800 fen


def fast(**figures: Any) -> list[tuple[str, str | None, str]]:
    """The history at 2022-01-10 after one day with these figures, 2022-01-05; every tier's limits are 10 and 10.00."""
    ledger = Ledger()
    ledger.figures("2022-01-05", **({"complaint": (0, 8)} | figures))
    return story(ledger.ask("2022-01-10", tiers=tiers(LIMITS)))[1:]


FAST = [("2022-01-05", "LV2", "fast_upgrade")]


@pytest.mark.parametrize(
    ("figures", "happens"),
    [
        ({}, True),  # 8 orders of 100: exactly 80 % of both limits
        ({"complaint": (0, 7), "amount": 200}, False),  # 7 orders
        ({"complaint": (0, 9), "amount": 100}, True),
        ({"amount": 99}, False),  # 792 fen
        ({"complaint": (0, 10), "product": (1, 1)}, True),  # 1 review of 10 orders: exactly 10 %
        ({"complaint": (0, 11), "product": (1, 1)}, False),  # 1 of 11
        ({"complaint": (0, 11), "product": (2, 2)}, True),
        ({"product": (22, 25), "service": (1, 1)}, False),  # exactly 88 %
        ({"product": (23, 26), "service": (1, 1)}, True),
        ({"product": (25, 25), "service": (22, 25)}, False),
        ({"product": (26, 26), "service": (23, 26)}, True),
        ({"service": (0, 0)}, False),  # no service rate
        ({"complaint": (1, 40)}, False),  # exactly 2.5 %
        ({"complaint": (1, 41)}, False),  # but 1 review of 41 orders
        ({"complaint": (1, 41), "product": (5, 5)}, True),
        ({"complaint": (0, 40), "product": (4, 4)}, True),
        ({"complaint": (0, 40), "product": (3, 3)}, False),
    ],
)
def test_fast_upgrade_values(figures: dict[str, Any], happens: bool) -> None:
    assert fast(**figures) == (FAST if happens else [])


def test_fast_upgrade_with_the_rulebooks_own_limits() -> None:
    # LV1: 200 orders and 20,000 yuan, so 160 orders and 16,000 yuan; 16 reviews.
    for orders, amount, reviews, happens in (
        (160, 10_000, 16, True),
        (159, 20_000, 16, False),
        (160, 9_999, 16, False),
        (160, 10_000, 15, False),
    ):
        ledger = Ledger()
        ledger.figures("2022-01-02", (0, orders), (reviews, reviews), (reviews, reviews), amount)
        assert (ledger.ask("2022-01-02")["level"] == "LV2") == happens


def test_shares_are_not_rounded() -> None:
    # 80 % of 9 is 7.2: 8 orders are needed, 7 are not enough. 80 % of 999 is 799.2: 800 fen.
    for limits, orders, amount, happens in (
        ((9, 800), 7, 200, False),
        ((9, 800), 8, 200, True),
        ((1, 999), 1, 799, False),
        ((1, 999), 1, 800, True),
    ):
        ledger = Ledger()
        ledger.figures("2022-01-02", complaint=(0, orders), amount=amount)
        assert (ledger.ask("2022-01-02", tiers=tiers(limits))["level"] == "LV2") == happens
    # The shares are parameters.
    ledger = Ledger()
    ledger.figures("2022-01-02", complaint=(0, 5))
    low = {"limit_share_percent": 50, "reviews_share_percent": 20}
    assert ledger.ask("2022-01-02", tiers=tiers(LIMITS), fast_upgrade=low)["level"] == "LV2"
    for more in ({"limit_share_percent": 51}, {"reviews_share_percent": 21}):
        assert ledger.ask("2022-01-02", tiers=tiers(LIMITS), fast_upgrade=low | more)["level"] == "LV1"


def test_a_day_without_orders_is_no_strong_day_whatever_the_limits() -> None:
    ledger = Ledger()
    ledger.paid("early", at("2021-12-31"))  # for the complaint rate
    ledger.review("r", at("2022-01-02"), 5, 5)
    assert ledger.ask("2022-01-02", tiers=tiers((0, 0)))["level"] == "LV1"
    ledger.paid("o", at("2022-01-02"), 0)
    assert ledger.ask("2022-01-02", tiers=tiers((0, 0)))["level"] == "LV2"


def test_the_fast_upgrade_needs_a_day_strictly_between_c_and_c_and_thirty() -> None:
    limits = tiers(LIMITS)
    on_c = Ledger()
    on_c.figures("2022-01-01", complaint=(0, 8))  # d = c, and x = c
    assert story(on_c.ask("2022-01-30", tiers=limits)) == [OPENED]
    first = Ledger()
    first.figures("2022-01-02", complaint=(0, 8))  # c+1
    assert story(first.ask("2022-01-02", tiers=limits)) == [OPENED, ("2022-01-02", "LV2", "fast_upgrade")]
    last = Ledger()
    last.figures("2022-01-30", complaint=(0, 8))  # c+29
    assert story(last.ask("2022-01-30", tiers=limits)) == [OPENED, ("2022-01-30", "LV2", "fast_upgrade")]
    past = Ledger()
    past.figures("2022-01-31", complaint=(0, 8))  # c+30: an ordinary one
    assert story(past.ask("2022-01-31", tiers=limits)) == [OPENED, ("2022-01-31", "LV2", "upgrade")]


def test_the_strong_day_may_be_earlier_than_the_day_of_good_indicators() -> None:
    ledger = Ledger()
    # 2 January is strong, though its own complaint rate is 1 of 8: that is not asked.
    ledger.figures("2022-01-02", complaint=(1, 8))
    # 32 more orders by 4 January make 1 of 40, exactly 2.5 %; the 41st comes on 5 January.
    ledger.figures("2022-01-04", complaint=(0, 32), product=(0, 0), service=(0, 0), amount=0)
    ledger.figures("2022-01-05", complaint=(0, 1), product=(0, 0), service=(0, 0), amount=0)
    limits = tiers(LIMITS)
    assert story(ledger.ask("2022-01-04", tiers=limits)) == [OPENED]
    assert story(ledger.ask("2022-01-05", tiers=limits)) == [OPENED, ("2022-01-05", "LV2", "fast_upgrade")]


def test_the_strong_day_is_after_c_and_of_one_day_alone() -> None:
    limits = tiers(LIMITS)
    ledger = Ledger()
    ledger.figures("2022-01-02", complaint=(0, 4))
    ledger.figures("2022-01-03", complaint=(0, 4))  # 8 orders, but on two days
    assert story(ledger.ask("2022-01-03", tiers=limits)) == [OPENED]
    ledger.figures("2022-01-04", complaint=(0, 8))
    first = [OPENED, ("2022-01-04", "LV2", "fast_upgrade")]
    # c is 4 January now. The strong day is used up.
    assert story(ledger.ask("2022-01-20", tiers=limits)) == first
    ledger.figures("2022-01-06", complaint=(0, 8))
    assert story(ledger.ask("2022-01-20", tiers=limits)) == [*first, ("2022-01-06", "LV3", "fast_upgrade")]
    # A strong day before the notice on 3 January does not count, the one on its day neither.
    noticed = Ledger()
    noticed.figures("2022-01-02", complaint=(1, 8))  # bad complaints: no upgrade at once
    noticed.notice("LV1", at("2022-01-03"))
    noticed.figures("2022-01-03", complaint=(0, 8), amount=100)
    noticed.figures("2022-01-04", complaint=(0, 100), product=(0, 0), service=(0, 0), amount=0)
    assert story(noticed.ask("2022-01-20", tiers=limits)) == [OPENED, ("2022-01-03", "LV1", "notice")]


def test_the_strong_days_own_rates_are_asked() -> None:
    limits = tiers(LIMITS)
    # 2 January has 22 good of 25, exactly 88 %; 4 January more good ones: the window is good, but no strong day.
    ledger = Ledger()
    ledger.figures("2022-01-02", complaint=(0, 8), product=(22, 25), service=(1, 1))
    ledger.figures("2022-01-04", complaint=(0, 1), product=(5, 5), service=(5, 5))
    assert ledger.ask("2022-01-04", tiers=limits)["indicators"]["product"] == [27, 30]
    assert story(ledger.ask("2022-01-04", tiers=limits)) == [OPENED]
    # And a strong day within a window that is not good does nothing.
    other = Ledger()
    other.figures("2022-01-02", complaint=(0, 1), product=(0, 5), service=(0, 5))
    other.figures("2022-01-04", complaint=(0, 8))
    assert story(other.ask("2022-01-04", tiers=limits)) == [OPENED]
    # Its service rate must be defined on the day itself.
    third = Ledger()
    third.figures("2022-01-02", complaint=(0, 8), product=(5, 5), service=(0, 0))
    third.figures("2022-01-04", complaint=(0, 1))
    assert story(third.ask("2022-01-04", tiers=limits)) == [OPENED]


def test_the_limits_are_those_of_the_tier_of_the_day() -> None:
    # LV0: 50 orders and 5,000 yuan, so 40 orders of 10,000 fen; LV1's are four times that.
    ledger = Ledger()
    ledger.notice("LV0", at("2022-01-01T10:00"))
    ledger.figures("2022-01-02", (0, 40), (4, 4), (4, 4), 10_000)
    assert story(ledger.ask("2022-01-02"))[2:] == [("2022-01-02", "LV1", "fast_upgrade")]
    # Noticed to LV0 on 3 January with a strong day for LV0 on 4 January and none for LV1.
    again = Ledger()
    again.figures("2022-01-04", (0, 40), (4, 4), (4, 4), 10_000)
    assert story(again.ask("2022-01-10")) == [OPENED]
    again.notice("LV0", at("2022-01-03"))
    assert story(again.ask("2022-01-10"))[1:] == [
        ("2022-01-03", "LV0", "notice"),
        ("2022-01-04", "LV1", "fast_upgrade"),
    ]


def test_there_is_no_fast_upgrade_from_lv7_nor_when_closed_nor_a_fast_downgrade() -> None:
    limits = tiers(LIMITS)
    ledger = Ledger()
    ledger.notice("LV6", at("2022-01-01T10:00"))
    ledger.figures("2022-01-02", complaint=(0, 8))
    ledger.figures("2022-01-03", complaint=(0, 8))
    top = [OPENED, ("2022-01-01", "LV6", "notice"), ("2022-01-02", "LV7", "fast_upgrade")]
    assert story(ledger.ask("2022-01-20", tiers=limits)) == top
    shut = Ledger()
    shut.figures("2022-01-02", complaint=(0, 8))
    shut.closed(end("2022-01-02"))
    assert story(shut.ask("2022-01-20", tiers=limits)) == [OPENED, ("2022-01-02", None, "closed")]
    bad = Ledger()
    bad.figures("2022-01-02", complaint=(8, 8), product=(0, 1), service=(0, 1))
    assert story(bad.ask("2022-01-30", tiers=limits)) == [OPENED]
    assert story(bad.ask("2022-01-31", tiers=limits)) == [OPENED, ("2022-01-31", "LV0", "downgrade")]


def test_the_fast_upgrade_moves_c() -> None:
    ledger = Ledger()
    ledger.figures("2022-01-05", complaint=(0, 8))
    limits = tiers(LIMITS)
    assert standing(ledger.ask("2022-01-31", tiers=limits)) == ("rated", "LV2", "2022-01-05")
    # c+30 is 4 February; the window then begins on 6 January.
    ledger.figures("2022-02-03", complaint=(0, 1))
    assert ledger.ask("2022-02-03", tiers=limits)["level"] == "LV2"
    assert standing(ledger.ask("2022-02-04", tiers=limits)) == ("rated", "LV3", "2022-02-04")


def test_reviews_of_the_strong_day_are_the_first_ones_posted_on_it() -> None:
    limits = tiers(LIMITS)
    ledger = Ledger()
    ledger.review("r", at("2021-06-01"), 5, 5)
    for i in range(8):
        ledger.paid(f"o{i}", at("2022-01-05"))
    ledger.review("r", at("2022-01-05"), 5, 5)  # not the first of its order
    assert story(ledger.ask("2022-01-05", tiers=limits)) == [OPENED]
    ledger.review("unknown", at("2022-01-05"), 5, 5)
    assert story(ledger.ask("2022-01-05", tiers=limits))[1:] == FAST
    repaid = Ledger()
    repaid.figures("2022-01-05", complaint=(0, 7))
    repaid.paid("old", at("2021-06-01"))
    repaid.paid("old", at("2022-01-05"))  # not its first payment: neither order nor GMV
    assert story(repaid.ask("2022-01-05", tiers=limits)) == [OPENED]


# --- clearing out ---------------------------------------------------------------------------------------------------


def at_lv0(day: str = "2022-01-01") -> Ledger:
    """Noticed to LV0 on a day at 10:00; 2022-01-01 + 60 days is 2022-03-02 (30 + 28 + 2)."""
    ledger = Ledger()
    ledger.notice("LV0", at(day) + DAY * 10 // 24)
    return ledger


def test_cleared_out_at_z_and_sixty_for_good() -> None:
    ledger = at_lv0()
    ledger.closed(at("2022-03-03"))
    ledger.opened(at("2022-03-04"))
    ledger.notice("LV5", at("2022-03-05"))
    assert standing(ledger.ask("2022-03-01")) == ("rated", "LV0", "2022-01-01")
    told = [OPENED, ("2022-01-01", "LV0", "notice"), ("2022-03-02", None, "cleared_out")]
    for day in ("2022-03-02", "2022-03-03", "2022-03-04", "2022-03-05", "2022-12-31"):
        assert standing(ledger.ask(day)) == ("cleared_out", None, None)
        assert story(ledger.ask(day)) == told
    assert standing(ledger.ask("2022-01-04", clear_out_days=3)) == ("cleared_out", None, None)
    assert standing(ledger.ask("2022-01-03", clear_out_days=3)) == ("rated", "LV0", "2022-01-01")


def test_a_notice_of_lv0_at_lv0_moves_c_but_not_z() -> None:
    ledger = at_lv0()
    ledger.notice("LV0", at("2022-02-20"))
    ledger.notice("LV0", at("2022-03-02"))
    assert standing(ledger.ask("2022-03-01")) == ("rated", "LV0", "2022-02-20")
    assert story(ledger.ask("2022-03-02"))[1:] == [
        ("2022-01-01", "LV0", "notice"),
        ("2022-02-20", "LV0", "notice"),
        ("2022-03-02", "LV0", "notice"),
        ("2022-03-02", None, "cleared_out"),
    ]
    # c moved indeed: good figures on 1 March, before c+30, do not help.
    ledger.figures("2022-03-01")
    assert ledger.ask("2022-03-02")["state"] == "cleared_out"


def test_another_tier_in_between_begins_z_anew_even_on_one_day() -> None:
    ledger = at_lv0()
    ledger.notice("LV1", at("2022-03-01T10:00"))
    ledger.notice("LV0", at("2022-03-01T11:00"))
    # 1 March + 60 days is 30 April (30 days to 31 March, 30 in April).
    assert standing(ledger.ask("2022-04-29")) == ("rated", "LV0", "2022-03-01")
    assert standing(ledger.ask("2022-04-30")) == ("cleared_out", None, None)
    left = at_lv0()
    left.notice("LV2", end("2022-03-02"))  # no longer LV0 at the close
    assert standing(left.ask("2022-12-31")) == ("rated", "LV2", "2022-03-02")


def test_an_upgrade_at_z_and_sixty_comes_first() -> None:
    ledger = at_lv0()
    ledger.figures("2022-03-02")
    assert story(ledger.ask("2022-03-02"))[2:] == [("2022-03-02", "LV1", "upgrade")]
    late = at_lv0()
    late.figures("2022-03-03")
    assert late.ask("2022-03-03")["state"] == "cleared_out"
    # A fast one as well: c is 20 February by a notice, z stays, and 2 March is strong.
    fast_one = at_lv0()
    fast_one.notice("LV0", at("2022-02-20"))
    fast_one.figures("2022-03-02", complaint=(0, 8))
    assert story(fast_one.ask("2022-03-02", tiers=tiers(LIMITS)))[3:] == [("2022-03-02", "LV1", "fast_upgrade")]


def test_lv0_is_evaluated_each_day_until_it_is_cleared_out() -> None:
    ledger = at_lv0()
    ledger.figures("2022-02-15")  # after c+30
    assert story(ledger.ask("2022-02-15"))[2:] == [("2022-02-15", "LV1", "upgrade")]
    # Up, and nothing ends z now: 2 March does nothing.
    assert ledger.ask("2022-12-31")["state"] == "rated"


def test_z_is_the_day_of_the_downgrade() -> None:
    ledger = Ledger()
    ledger.figures("2022-01-31", product=(0, 1), service=(0, 0))
    # z = 31 January; + 60 days is 1 April (28 to 28 February, 31 to 31 March, 1).
    down = [OPENED, ("2022-01-31", "LV0", "downgrade")]
    assert story(ledger.ask("2022-03-31")) == down
    assert story(ledger.ask("2022-04-01")) == [*down, ("2022-04-01", None, "cleared_out")]


def test_a_closing_ends_z_and_a_re_opening_begins_with_lv1() -> None:
    ledger = at_lv0()
    ledger.closed(at("2022-03-02"))  # on z+60 itself, before its close
    assert standing(ledger.ask("2022-03-02")) == ("closed", None, None)
    assert standing(ledger.ask("2022-12-31")) == ("closed", None, None)
    ledger.opened(at("2022-03-02T12:00"))
    assert standing(ledger.ask("2022-12-31")) == ("rated", "LV1", "2022-03-02")
    ledger.notice("LV0", at("2022-04-01"))
    # z begins anew: 1 April + 60 days is 31 May.
    assert standing(ledger.ask("2022-05-30")) == ("rated", "LV0", "2022-04-01")
    assert standing(ledger.ask("2022-05-31")) == ("cleared_out", None, None)


def test_an_initial_tier_of_lv0_begins_z_at_the_opening() -> None:
    ledger = Ledger()
    ledger.notice("LV0", at("2022-02-01"))
    assert ledger.ask("2022-03-01", initial_tier="LV0")["state"] == "rated"
    assert ledger.ask("2022-03-02", initial_tier="LV0")["state"] == "cleared_out"
    ledger.closed(at("2022-02-10"))
    ledger.opened(at("2022-02-10T01:00"))
    # 10 February + 60 days is 11 April (18 + 31 + 11).
    assert ledger.ask("2022-04-10", initial_tier="LV0")["state"] == "rated"
    assert ledger.ask("2022-04-11", initial_tier="LV0")["state"] == "cleared_out"


# --- what must hold of any ledger -----------------------------------------------------------------------------------

FIRST_DAY = "2022-01-01"
RANDOM: dict[str, Any] = {"wait_days": 6, "window_days": 8, "clear_out_days": 12, "tiers": tiers((1, 100))}


def random_ledger(seed: int) -> Ledger:
    chance = random.Random(seed)
    ledger = Ledger(None)
    ledger.opened(at(FIRST_DAY) + chance.randrange(10) * DAY)
    for _ in range(60):
        when = at(FIRST_DAY) + chance.randrange(150 * 4) * DAY // 4
        order = f"o{chance.randrange(30)}"
        pick = chance.randrange(20)
        if pick < 7:
            ledger.paid(order, when, chance.choice([80, 100, 200]))
        elif pick < 14:
            ledger.review(order, when, chance.choice([3, 5, 5, 5]), chance.choice([None, 3, 5, 5, 5]))
        elif pick == 14:
            ledger.complained(order, when)
        elif pick == 15:
            ledger.dismissed(order, when)
        elif pick == 16:
            ledger.notice(f"LV{chance.randrange(8)}", when)
        elif pick == 17:
            chance.choice([ledger.opened, ledger.opened, ledger.closed])(when)
        else:
            ledger.retract(f"e{chance.randrange(1, 60)}", when)
    return ledger


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_an_earlier_replay_is_a_prefix_and_the_open_day_changes_nothing(seed: int) -> None:
    ledger = random_ledger(seed)
    full = ledger.ask("2022-06-30", **RANDOM)
    for days in range(0, 180, 11):
        day = later(FIRST_DAY, days)
        part = ledger.ask(day, **RANDOM)
        assert part["day"] == day
        assert part["state"] != "out_of_scope"
        assert part["history"] == [row for row in full["history"] if row["day"] <= day]
        open_day = at(later(day, 1))
        assert ledger.ask(open_day, **RANDOM) == part == ledger.ask(open_day + DAY - 2, **RANDOM)


@pytest.mark.parametrize("seed", range(25))
def test_the_order_of_the_list_and_the_time_of_corrections_do_not_matter(seed: int) -> None:
    ledger = random_ledger(seed)
    full = ledger.ask("2022-06-30", **RANDOM)
    chance = random.Random(seed)
    for event in ledger.events:
        if event["type"] in ("complaint.dismissed", "event.retracted"):
            event["occurred_at"] = chance.randrange(at("2019-01-01"), at("2025-01-01"))
    count = len(ledger.events)
    chance.shuffle(ledger.events)
    assert ledger.ask("2022-06-30", count, **RANDOM) == full


def test_the_random_ledgers_come_to_everything() -> None:
    causes = {row["cause"] for seed in range(100) for row in random_ledger(seed).ask("2022-06-30", **RANDOM)["history"]}
    assert causes == {"opened", "notice", "upgrade", "downgrade", "fast_upgrade", "closed", "cleared_out"}
