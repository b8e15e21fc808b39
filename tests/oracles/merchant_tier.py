"""A slow, obviously-right oracle for the scheme `merchant-tier` (rulebook sections 0 and 2).

It is written from the rulebook alone and works by definition, not as a stream: it first fixes which events take part,
lists the facts that they are (orders, complaints, reviews, each with its day), and then goes through the days. A day's
figures and a window's are *sums over these lists*. Nothing is kept beside the history of the tier: the tier, *c* and
*z* are read off it whenever they are asked for.

Where the rulebook is silent or open to more than one reading, this file has chosen:

 1. At an `as_of` before the close of the first day of the statistics (2020-06-01) nothing has acted yet: what happened
    before acts on that day, which is open, and so is not seen. The state is `not_onboarded`, whatever was opened.
 2. Merchants out of scope have no tier at all: no history, whatever happens to them. The indicators are given in
    every state; they are the figures of the stream, also where nothing is evaluated by them.
 3. After a clearing out nothing acts any more: closings, openings and notices after it are not in the history.
 4. "The tier became LV0, by notice or evaluation": by an opening too, should the initial tier be LV0. *z* is the
    day of the first of the unbroken run of history rows that say LV0. So a notice of LV1 and one of LV0 on the same
    day, at LV0, make *z* that day: it became LV0 then; and an opening, which always follows a closing or nothing,
    never continues a run.
 5. The tiers are ranked as the policy lists them: "LV0" in the clearing out is the first, "LV7" the last.
 6. A tier without upgrade values is never risen from, one without downgrade values never fallen from. "Otherwise" is
    literal: where the upgrade values are met no downgrade is tested, also if values overlap, or if there is no tier
    above.
 7. `wait_days` is the 30 of *c*+30 in the evaluation and in the fast upgrade, `window_days` the 30 of the window, each
    by itself. With a wait of 0 the day of the change itself is evaluated.
 8. "Reviews posted on x" are the daily figure: the first ones per order id. All shares are compared as exact
    fractions; 80 % of a limit is not rounded.
 9. A retraction of the first order, complaint, review or onboarding makes the next one the first.
10. A dismissal of an order that has no complaint yet dismisses the one that comes later. A dismissal is undone by its
    retraction only.
11. The one set of parameters judges every day (the rulebook's dated versions are not in this oracle).
12. A notice of a tier that the policy does not list is an error, not a notice without effect.
13. "Before 2020-06-01" and "first" are told by day and by (instant, position): an event before the start acts before
    all events of the first day, in order with the others before the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from fractions import Fraction
from itertools import takewhile
from typing import Any

from tests.oracles.merchant_reputation import Event, grouped_by_order, known_events, retracted_names, taking_part

_SHANGHAI = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_ACTING_TYPES = ("merchant.onboarded", "merchant.closed", "merchant.tier_set")

Ratio = tuple[int, int]


@dataclass(frozen=True)
class Review:
    """The first review of an order: its day and its stars."""

    day: int
    quality: int
    service: int | None


@dataclass(frozen=True)
class Facts:
    """All that is counted: each order as (day, fen), each complaint's day, each review."""

    orders: list[tuple[int, int]]
    complaints: list[int]
    reviews: list[Review]


@dataclass(frozen=True)
class Row:
    """One row of the history: on `day` the tier was set or became `level` (None: there is none any more)."""

    day: int
    level: str | None
    cause: str


# --- the calendar (section 0: days of UTC+8, half open) -------------------------------------------------------------


def day_of(instant: int) -> int:
    """Section 0: the day in Asia/Shanghai, as a count of days; 00:00 belongs to the new day."""
    return (_EPOCH + instant * _MICROSECOND).astimezone(_SHANGHAI).date().toordinal()


def close_of(day: int) -> int:
    """Section 2: day d is closed from d 23:59:59.999999+08:00 on, the microsecond before the next begins."""
    next_begins = datetime.combine(date.fromordinal(day + 1), time(0), tzinfo=_SHANGHAI)
    return (next_begins - _EPOCH) // _MICROSECOND - 1


def last_closed_day(as_of: int) -> int:
    """Section 2: a result is the state after the last day that is closed at `as_of`."""
    day = day_of(as_of)
    return day if as_of >= close_of(day) else day - 1


def day_text(day: int) -> str:
    """A day written as in "2022-11-30"."""
    return date.fromordinal(day).isoformat()


# --- facts and daily figures (section 2, Daily figures) -------------------------------------------------------------


def firsts(part: list[Event], kind: str) -> list[Event]:
    """Section 2: the first of each order id (section 0: by time and position), of all that there are."""
    return [min(group, key=lambda e: e.key) for group in grouped_by_order(part, (kind,)).values()]


def facts_of(part: list[Event]) -> Facts:
    """Section 2: each order, complaint and review counts on its own day; a known dismissal removes the complaint."""
    dismissed = {e.data["order"] for e in part if e.type == "complaint.dismissed"}
    return Facts(
        [(day_of(e.occurred_at), e.data["amount"]) for e in firsts(part, "order.paid")],
        [day_of(e.occurred_at) for e in firsts(part, "order.complained") if e.data["order"] not in dismissed],
        [
            Review(day_of(e.occurred_at), e.data["quality"], e.data.get("service"))
            for e in firsts(part, "review.posted")
        ],
    )


def orders_in(facts: Facts, days: range) -> int:
    """Section 2: orders of some days."""
    return sum(1 for day, _ in facts.orders if day in days)


def gmv_in(facts: Facts, days: range) -> int:
    """Section 2: GMV is the sum of the orders' amounts."""
    return sum(amount for day, amount in facts.orders if day in days)


def complaints_in(facts: Facts, days: range) -> int:
    """Section 2: complaints of some days."""
    return sum(1 for day in facts.complaints if day in days)


def reviews_in(facts: Facts, days: range) -> list[Review]:
    """Section 2: reviews of some days."""
    return [review for review in facts.reviews if review.day in days]


# --- indicators (section 2, Indicators) -----------------------------------------------------------------------------


def window(day: int, parameters: dict[str, Any]) -> range:
    """Section 2: the indicators at the close of day d are over days d-29 to d."""
    return range(day - parameters["window_days"] + 1, day + 1)


def only(day: int) -> range:
    """One day by itself."""
    return range(day, day + 1)


def indicators(facts: Facts, days: range, parameters: dict[str, Any]) -> dict[str, Ratio]:
    """Section 2: complaints / orders; product-good / reviews; service-good / service-rated."""
    good: int = parameters["good_stars"]
    reviews = reviews_in(facts, days)
    rated = [review.service for review in reviews if review.service is not None]
    return {
        "complaint": (complaints_in(facts, days), orders_in(facts, days)),
        "product": (sum(1 for review in reviews if review.quality >= good), len(reviews)),
        "service": (sum(1 for stars in rated if stars >= good), len(rated)),
    }


def is_below(ratio: Ratio, bound: int) -> bool:
    """Section 2: defined, and strictly under a bound in hundredths of a percent."""
    numerator, denominator = ratio
    return denominator != 0 and Fraction(numerator, denominator) < Fraction(bound, 10_000)


def is_above(ratio: Ratio, bound: int) -> bool:
    """Section 2: defined, and strictly over a bound in hundredths of a percent."""
    numerator, denominator = ratio
    return denominator != 0 and Fraction(numerator, denominator) > Fraction(bound, 10_000)


def is_share(part: int, whole: int, percent: int) -> bool:
    """Section 2: at least so many percent of the whole (no division, so a whole of 0 is no trouble)."""
    return part * 100 >= percent * whole


def reviews_are_better(rates: dict[str, Ratio], up: dict[str, int]) -> bool:
    """Section 2: product and service rate defined and strictly better than the upgrade values."""
    return is_above(rates["product"], up["product_above"]) and is_above(rates["service"], up["service_above"])


def all_are_better(rates: dict[str, Ratio], up: dict[str, int]) -> bool:
    """Section 2: all three defined and strictly better than the upgrade values."""
    return is_below(rates["complaint"], up["complaint_below"]) and reviews_are_better(rates, up)


def any_is_worse(rates: dict[str, Ratio], down: dict[str, int]) -> bool:
    """Section 2: any defined indicator strictly worse than its downgrade value."""
    return (
        is_above(rates["complaint"], down["complaint_above"])
        or is_below(rates["product"], down["product_below"])
        or is_below(rates["service"], down["service_below"])
    )


# --- what is read off the history (section 2, Tier, Clearing out) ---------------------------------------------------


def current_tier(history: list[Row]) -> str | None:
    """Section 2: the tier is that of the last row; a closed merchant has none, nor has one never opened."""
    return history[-1].level if history else None


def is_cleared_out(history: list[Row]) -> bool:
    """Section 2: cleared out for good, whatever comes later."""
    return any(row.cause == "cleared_out" for row in history)


def c_of(history: list[Row]) -> int:
    """Section 2: openings, notices and changes all make c their day."""
    return history[-1].day


def z_of(history: list[Row], lowest: str) -> int | None:
    """Section 2: the day on which the tier became LV0; a notice of LV0 at LV0 does not move it; a closing ends it."""
    run = list(takewhile(lambda row: row.level == lowest, reversed(history)))
    return run[-1].day if run else None


# --- what happens on a day (section 2, Tier) ------------------------------------------------------------------------


def acting_day(event: Event, parameters: dict[str, Any]) -> int:
    """Section 2: openings, notices and closings before 2020-06-01 act at its start, the others on their own day."""
    return max(day_of(event.occurred_at), day_of(parameters["statistics_from"]))


def act(event: Event, day: int, history: list[Row], parameters: dict[str, Any]) -> list[Row]:
    """Section 2: what one opening, notice or closing adds to the history; nothing where it does nothing."""
    is_open = current_tier(history) is not None
    if is_cleared_out(history):
        return []
    if event.type == "merchant.onboarded" and not is_open:
        return [Row(day, parameters["initial_tier"], "opened")]
    if event.type == "merchant.tier_set" and is_open:
        assert event.data["level"] in codes(parameters), "a notice of a tier that the policy does not have"
        return [Row(day, event.data["level"], "notice")]
    if event.type == "merchant.closed" and is_open:
        return [Row(day, None, "closed")]
    return []


# --- what the close of a day brings (section 2, Evaluation, Fast upgrade, Clearing out) -----------------------------


def codes(parameters: dict[str, Any]) -> list[str]:
    """Section 2: the tiers from LV0 up."""
    return [tier["code"] for tier in parameters["tiers"]]


def tier_values(code: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Section 2: the row of a tier in the table of values."""
    [values] = [tier for tier in parameters["tiers"] if tier["code"] == code]
    return dict(values)


def moved(code: str, steps: int, parameters: dict[str, Any]) -> str:
    """Section 2: one tier up, at most LV7; one tier down, at least LV0."""
    ladder = codes(parameters)
    return ladder[min(max(ladder.index(code) + steps, 0), len(ladder) - 1)]


def evaluation(code: str, day: int, facts: Facts, parameters: dict[str, Any]) -> list[Row]:
    """Section 2: better in all three: up; otherwise worse in any: down; no change adds nothing."""
    values = tier_values(code, parameters)
    rates = indicators(facts, window(day, parameters), parameters)
    if "up" in values and all_are_better(rates, values["up"]):
        row = Row(day, moved(code, +1, parameters), "upgrade")
    elif "down" in values and any_is_worse(rates, values["down"]):
        row = Row(day, moved(code, -1, parameters), "downgrade")
    else:
        return []
    return [row] if row.level != code else []


def is_strong_day(day: int, values: dict[str, Any], facts: Facts, parameters: dict[str, Any]) -> bool:
    """Section 2, the day x: near both limits, reviewed enough, and its own product and service rates better."""
    shares: dict[str, int] = parameters["fast_upgrade"]
    orders = orders_in(facts, only(day))
    return (
        orders >= 1
        and is_share(orders, values["orders_limit"], shares["limit_share_percent"])
        and is_share(gmv_in(facts, only(day)), values["gmv_limit_fen"], shares["limit_share_percent"])
        and is_share(len(reviews_in(facts, only(day))), orders, shares["reviews_share_percent"])
        and reviews_are_better(indicators(facts, only(day), parameters), values["up"])
    )


def fast_upgrade(code: str, day: int, c: int, facts: Facts, parameters: dict[str, Any]) -> list[Row]:
    """Section 2: under LV7, all three better at d, and some day x with c < x <= d: one tier up."""
    values = tier_values(code, parameters)
    if code == codes(parameters)[-1] or "up" not in values:
        return []
    rates = indicators(facts, window(day, parameters), parameters)
    if not all_are_better(rates, values["up"]):
        return []
    if not any(is_strong_day(x, values, facts, parameters) for x in range(c + 1, day + 1)):
        return []
    return [Row(day, moved(code, +1, parameters), "fast_upgrade")]


def evaluated(day: int, history: list[Row], facts: Facts, parameters: dict[str, Any]) -> list[Row]:
    """Section 2: if open at the close of d: the evaluation if d >= c+30, the fast upgrade if c < d < c+30."""
    code = current_tier(history)
    if code is None:
        return []
    c = c_of(history)
    if day >= c + parameters["wait_days"]:
        return evaluation(code, day, facts, parameters)
    if c < day:
        return fast_upgrade(code, day, c, facts, parameters)
    return []


def clearing_out(day: int, history: list[Row], parameters: dict[str, Any]) -> list[Row]:
    """Section 2: open and still LV0 at the close of day z+60 (a run of LV0 rows is both: no closing is among them)."""
    z = z_of(history, codes(parameters)[0])
    return [Row(day, None, "cleared_out")] if z is not None and day == z + parameters["clear_out_days"] else []


def history_of(part: list[Event], facts: Facts, last: int, parameters: dict[str, Any]) -> list[Row]:
    """Section 2: the events of a day one after another, then the evaluation, then the clearing out; day after day."""
    in_order = sorted((e for e in part if e.type in _ACTING_TYPES), key=lambda e: e.key)
    acts = [(acting_day(e, parameters), e) for e in in_order]
    history: list[Row] = []
    for day in range(min((d for d, _ in acts), default=last + 1), last + 1):
        for event in [e for d, e in acts if d == day]:
            history += act(event, day, history, parameters)
        history += evaluated(day, history, facts, parameters)
        history += clearing_out(day, history, parameters)
    return history


# --- what is said about it (section 2, States) ----------------------------------------------------------------------


def openings_seen(part: list[Event], last: int, parameters: dict[str, Any]) -> list[Event]:
    """Section 2: an opening on the open day is not seen: what acts later than the last closed day is not either."""
    return [e for e in part if e.type == "merchant.onboarded" and acting_day(e, parameters) <= last]


def is_in_scope(openings: list[Event], parameters: dict[str, Any]) -> bool:
    """Section 2: the first `merchant.onboarded` has the category and is before the day; later ones do not matter."""
    scope: dict[str, Any] = parameters["scope"]
    first = min(openings, key=lambda e: e.key)
    return bool(first.data["category"] == scope["category"] and first.occurred_at < scope["joined_before"])


def state_of(openings: list[Event], history: list[Row], parameters: dict[str, Any]) -> str:
    """Section 2: the first that applies of not_onboarded, out_of_scope, cleared_out, closed, rated."""
    if not openings:
        return "not_onboarded"
    if not is_in_scope(openings, parameters):
        return "out_of_scope"
    if is_cleared_out(history):
        return "cleared_out"
    return "closed" if current_tier(history) is None else "rated"


def tier(
    events: list[dict[str, Any]],
    *,
    as_of: int,
    position: int,
    parameters: dict[str, Any],
    subject: str,
) -> dict[str, Any]:
    """Sections 0 and 2: the tier of one merchant after the last day closed at `as_of`, as known up to `position`."""
    last = last_closed_day(as_of)
    known = known_events(events, subject, position)
    part = taking_part(known, retracted_names(known), close_of(last))
    facts = facts_of(part)
    openings = openings_seen(part, last, parameters)
    applies = bool(openings) and is_in_scope(openings, parameters)
    history = history_of(part, facts, last, parameters) if applies else []
    level = current_tier(history)
    rates = indicators(facts, window(last, parameters), parameters)
    return {
        "state": state_of(openings, history, parameters),
        "level": level,
        "since": None if level is None else day_text(c_of(history)),
        "day": day_text(last),
        "indicators": {name: list(ratio) for name, ratio in rates.items()},
        "history": [{"day": day_text(row.day), "level": row.level, "cause": row.cause} for row in history],
    }
