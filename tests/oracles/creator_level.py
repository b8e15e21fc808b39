"""A slow, obviously-right oracle for the scheme `creator-level` (rulebook sections 0 and 3).

It is written from the rulebook alone and works by definition, not as a stream: each month's evaluation picks out anew
which events take part in it, and sums over lists of them. There are no running figures to forget to bound or reset.
The selection (known prefix, retractions, corrections) and the calendar are those of the reputation oracle.

Where the rulebook is silent or open to more than one reading, this file has chosen:

 1. Retractions are read as in the reputation oracle (its choice 2): one that names nothing, a later event, itself or
    another subject's event does nothing.
 2. "In force at its instant" includes a version whose `in_force_from` is that very instant (section 3: "at that
    instant"; section 0's "in force at its close" would be the moment before).
 3. No two versions come into force at the same instant, and there is at least one: else an error.
 4. `first_month` ("at the earliest 2020-06") is asked of the version that judges the month, month by month.
 5. A registration counts from the whole of its month on: its day, its hour and its place among the month's other
    events do not matter. Further registrations do nothing. One after `as_of` is not there (`not_registered`).
 6. Orders have no beginning: a sale before the registration's month, or before 2020-06, makes its order known and
    later sales of it duplicates; its refund in an evaluated month counts there.
 7. A refund may come several times for one order: each counts. A second refund has no verdict of its own.
 8. Verdicts are given whatever the state: also where the creator is not registered, and in the month that is not yet
    evaluated. A retracted event has none.
 9. A retracted first sale never was: the next sale of the order is then its first, in its own month, with its own
    attributes; a refund that came before that one becomes `unknown_order`.
10. The score is that of the band with the highest bound that is reached; below every bound it is 0. B is 0 when
    settled is 0, also where the band from 0 % gives something else. Bands, by bound, have scores that never fall.
11. An index beyond the last level is an error, not the last level.
12. Each of the two gates stands for itself: a version may have one of them alone, and the one that it does not have is
    met. A version with neither can not be `gated`.
13. Several deductions of one violation all count, and a restoration lifts all of them, whenever they occurred and in
    whatever order they were recorded; only a retraction of the restoration brings them back.
14. A day is one of Asia/Shanghai. A day whose last `reputation` value was retracted has the one before it.
15. The settled fen missing are what further sales of *M* would have to come to, so that where refunds exceed the sales
    what they are over has to be made up for first: the figure shown, which is not under 0, is not where to begin.
16. "The least B with S held fixed" holds the score S, not the amount: where settled is 0, and B therefore too, the
    share that would be needed is told all the same.
17. A move "reaches" the next level also where it goes beyond it. Of several bands with the least score that is needed
    it is the lowest whose bound is told.
18. `preview` is of the next version to come into force after `as_of` whose preview is open; it uses that version's
    figures throughout (bands, days), but not its `first_month`. It is given also where that version is the first, and
    so has judged the evaluation itself. Without an evaluation there is none.
19. Without an evaluation `month`, `policy`, `gates`, `diagnosis`, and all figures are None; `months` is empty.
20. `not_registered` comes before `no_evaluation_yet`: the second is for the registered alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

from tests.oracles.merchant_reputation import (
    Event,
    Name,
    close_of,
    grouped_by_order,
    known_events,
    month_of,
    month_text,
    note_key,
    retracted_names,
    start_of,
    taking_part,
)

_SHANGHAI = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Version:
    """One dated version of the policy."""

    id: str
    in_force_from: int
    preview_from: int | None
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Movement:
    """A sale that counts, or a refund that does: an amount, in a month, of good goods or not."""

    month: int
    amount: int  # of a refund: negative
    good: bool


@dataclass(frozen=True)
class Evaluation:
    """One month's figures, with what one version makes of them."""

    month: int
    version: Version
    settled: int
    before_bounding: int  # sales less refunds, which may be negative
    good: int
    sales_score: int
    behaviour_score: int
    reputation: list[int]  # the last value of each day that has one, in hundredths
    deducted: int
    gates: dict[str, bool]
    index: int  # of the level without the gate

    @property
    def state(self) -> str:
        """Section 3: both gates are needed; failed: state `gated`."""
        return "rated" if all(self.gates.values()) else "gated"

    @property
    def level(self) -> str | None:
        """Section 3: gate failed: level null (section 0: null unless the state is `rated`)."""
        return str(self.version.parameters["levels"][self.index]) if self.state == "rated" else None


# --- days and months (section 0, Calendar) --------------------------------------------------------------------------


def day_of(instant: int) -> date:
    """Section 0: days are those of Asia/Shanghai (UTC+8), half open: 00:00 belongs to the new day."""
    return (_EPOCH + instant * _MICROSECOND).astimezone(_SHANGHAI).date()


def last_days(month: int, count: int) -> list[date]:
    """Section 3: the days that end with the last day of *M*; in February they reach back into January."""
    last = day_of(close_of(month))
    return [last - timedelta(days=back) for back in range(count)]


def month_number(text: str) -> int:
    """A month that is written as in "2020-06", numbered as by `month_of`."""
    year, month = text.split("-")
    return int(year) * 12 + int(month) - 1


# --- which version judges (section 0, Policies; section 3) ----------------------------------------------------------


def versions_of(versions: list[dict[str, Any]]) -> list[Version]:
    """Section 0: dated policy versions, in the order of their coming into force."""
    told = [Version(v["id"], v["in_force_from"], v["preview_from"], v["parameters"]) for v in versions]
    assert told, "no version of the policy"
    assert len({v.in_force_from for v in told}) == len(told), "two versions come into force at once"
    return sorted(told, key=lambda v: v.in_force_from)


def version_at(instant: int, versions: list[Version]) -> Version:
    """Section 0: the version in force at an instant; before the first version, the first."""
    in_force = [v for v in versions if v.in_force_from <= instant]
    return in_force[-1] if in_force else versions[0]


def evaluation_instant(month: int) -> int:
    """Section 3: *M* is evaluated at 00:00 on the 1st of *M*+1."""
    return start_of(month + 1)


# --- sales and refunds (section 3, Figures of a month) --------------------------------------------------------------


def first_sale_before(refund: Event, of_order: list[Event]) -> Event | None:
    """Sections 0 and 3: the order's first sale, if it comes before the refund in (`occurred_at`, position)."""
    sales = [e for e in of_order if e.type == "sale.settled" and e.key < refund.key]
    return min(sales, key=lambda e: e.key, default=None)


def is_first_sale(sale: Event, of_order: list[Event]) -> bool:
    """Section 0: "first" means first in the order of (`occurred_at`, position)."""
    return all(sale.key <= e.key for e in of_order if e.type == "sale.settled")


def orders_of(part: list[Event]) -> list[list[Event]]:
    """Section 0: an order id means something within one subject's stream, and here there is only one."""
    return list(grouped_by_order(part, ("sale.settled", "sale.refunded")).values())


def movements(part: list[Event]) -> list[Movement]:
    """Section 3: first sales, and refunds in their own month with the attributes of their order's sale, whole."""
    moved: list[Movement] = []
    for of_order in orders_of(part):
        for event in of_order:
            month, amount = month_of(event.occurred_at), int(event.data["amount"])
            if event.type == "sale.settled" and is_first_sale(event, of_order):
                moved.append(Movement(month, amount, event.data["good_goods"]))
            if event.type == "sale.refunded":
                sale = first_sale_before(event, of_order)
                if sale is not None:
                    moved.append(Movement(month, -amount, sale.data["good_goods"]))
    return moved


def verdicts_of(part: list[Event]) -> dict[str, str]:
    """Section 3: `unknown_order` for a refund with no sale before it, `duplicate_order` for a second settlement."""
    verdicts: dict[str, str] = {}
    for of_order in orders_of(part):
        for event in of_order:
            if event.type == "sale.settled" and not is_first_sale(event, of_order):
                verdicts[note_key(event)] = "duplicate_order"
            if event.type == "sale.refunded" and first_sale_before(event, of_order) is None:
                verdicts[note_key(event)] = "unknown_order"
    return verdicts


def settled_in(moved: list[Movement], month: int) -> int:
    """Section 3: sales of *M* less refunds of *M*, not under 0; a negative remainder is dropped."""
    return max(0, sales_less_refunds(moved, month))


def sales_less_refunds(moved: list[Movement], month: int) -> int:
    """Section 3: what is bounded to be the settled amount."""
    return sum(m.amount for m in moved if m.month == month)


def good_in(moved: list[Movement], month: int) -> int:
    """Section 3: the same over good goods, not under 0 and not over settled, which is bounded first."""
    raw = sum(m.amount for m in moved if m.month == month and m.good)
    return min(max(0, raw), settled_in(moved, month))


# --- scores and the level (section 3) -------------------------------------------------------------------------------


def sales_score(settled: int, parameters: dict[str, Any]) -> int:
    """Section 3: sales score S by settled money, from each bound on."""
    reached = [band for band in parameters["sales_bands"] if band["from_fen"] <= settled]
    return int(max(reached, key=lambda band: int(band["from_fen"]))["score"]) if reached else 0


def behaviour_score(good: int, settled: int, parameters: dict[str, Any]) -> int:
    """Section 3: behaviour score B by good/settled, an exact fraction; 0 when settled is 0."""
    if settled == 0:
        return 0
    percent = Fraction(100 * good, settled)
    reached = [band for band in parameters["behaviour_bands"] if band["from_percent"] <= percent]
    return int(max(reached, key=lambda band: int(band["from_percent"]))["score"]) if reached else 0


def level_index(sales: int, behaviour: int, parameters: dict[str, Any]) -> int:
    """Section 3: round half up of the weighted scores; with 80 % and 20 % that is ⌊(4S + B + 2)/5⌋, with 100 % S."""
    weights: dict[str, int] = parameters["weights"]
    index = (weights["sales_percent"] * sales + weights["behaviour_percent"] * behaviour + 50) // 100
    assert 0 <= index < len(parameters["levels"]), "no such level"
    return index


# --- the gate (section 3, `2022-07-19`) -----------------------------------------------------------------------------


def hundredths(value: str) -> int:
    """Section 0: single scores are whole hundredths ("4", "4.2" and "4.25" are 400, 420 and 425)."""
    exact = Fraction(value) * 100
    assert exact.denominator == 1, "more than two digits"
    return int(exact)


def reputation_in(part: list[Event], days: list[date]) -> list[int]:
    """Section 3: each day's last `reputation` value, days without one left out."""
    scores = [
        (day_of(e.occurred_at), e) for e in part if e.type == "creator.scored" and e.data["score"] == "reputation"
    ]
    values: list[int] = []
    for day in days:
        of_day = [e for scored_on, e in scores if scored_on == day]
        if of_day:
            values.append(hundredths(max(of_day, key=lambda e: e.key).data["value"]))
    return values


def deducted_in(part: list[Event], days: list[date]) -> int:
    """Section 3: the credit deducted in those days, without violations restored as known (whenever: a correction)."""
    restored = {e.data["violation"] for e in part if e.type == "credit.restored"}
    return sum(
        int(e.data["points"])
        for e in part
        if e.type == "credit.deducted" and e.data["violation"] not in restored and day_of(e.occurred_at) in days
    )


def is_reputation_met(values: list[int], gates: dict[str, int]) -> bool:
    """Section 3: the mean, an exact fraction, is at least the threshold; none at all fails."""
    if "reputation_hundredths_min" not in gates:
        return True
    return bool(values) and Fraction(sum(values), len(values)) >= gates["reputation_hundredths_min"]


def is_credit_met(deducted: int, gates: dict[str, int]) -> bool:
    """Section 3: the sum deducted is at most the threshold."""
    return "deducted_max" not in gates or deducted <= gates["deducted_max"]


# --- evaluations (section 3) ----------------------------------------------------------------------------------------


def evaluate(known: list[Event], gone: set[Name], month: int, version: Version) -> Evaluation:
    """Section 3: from ordinary events before 00:00 on the 1st of *M*+1, that is, up to the close of *M*."""
    parameters = version.parameters
    gates: dict[str, int] = parameters["gates"]
    part = taking_part(known, gone, close_of(month))
    moved = movements(part)
    days = last_days(month, gates["days"])
    settled, good = settled_in(moved, month), good_in(moved, month)
    sales, behaviour = sales_score(settled, parameters), behaviour_score(good, settled, parameters)
    values, deducted = reputation_in(part, days), deducted_in(part, days)
    return Evaluation(
        month=month,
        version=version,
        settled=settled,
        before_bounding=sales_less_refunds(moved, month),
        good=good,
        sales_score=sales,
        behaviour_score=behaviour,
        reputation=values,
        deducted=deducted,
        gates={"reputation": is_reputation_met(values, gates), "credit": is_credit_met(deducted, gates)},
        index=level_index(sales, behaviour, parameters),
    )


def registrations(known: list[Event], gone: set[Name], as_of: int) -> list[Event]:
    """Sections 0 and 3: a creator's registrations up to `as_of`, without those retracted."""
    return [e for e in taking_part(known, gone, as_of) if e.type == "creator.registered"]


def evaluated_months(registered: list[Event], as_of: int, versions: list[Version]) -> list[int]:
    """Section 3: the months from that of the first registration on, at the earliest 2020-06, evaluated by `as_of`."""
    if not registered:
        return []
    first = month_of(min(e.occurred_at for e in registered))
    return [
        month
        for month in range(first, month_of(as_of) + 1)
        if evaluation_instant(month) <= as_of
        and month_number(version_at(evaluation_instant(month), versions).parameters["first_month"]) <= month
    ]


def state_without_evaluation(registered: list[Event]) -> str:
    """Section 3: the states of a creator for whom no evaluation holds."""
    return "no_evaluation_yet" if registered else "not_registered"


# --- preview and diagnosis (section 3) ------------------------------------------------------------------------------


def previewed_at(as_of: int, versions: list[Version]) -> Version | None:
    """Section 3: a version is previewed from its `preview_from` until just before it comes into force."""
    open_then = [v for v in versions if v.preview_from is not None and v.preview_from <= as_of < v.in_force_from]
    return min(open_then, key=lambda v: v.in_force_from, default=None)


def preview(
    known: list[Event], gone: set[Name], held: Evaluation | None, as_of: int, versions: list[Version]
) -> dict[str, Any] | None:
    """Section 3: the evaluation then holding, as the new version would judge it."""
    new = previewed_at(as_of, versions)
    if new is None or held is None:
        return None
    under_new = evaluate(known, gone, held.month, new)
    return {"state": under_new.state, "level": under_new.level}


def settled_missing(held: Evaluation) -> int | str:
    """Section 3: the least settled fen missing to the next level up, with B held fixed.

    S changes only at the bounds of its bands, so the least amount that does it is one of these.
    """
    parameters = held.version.parameters
    more = [int(b["from_fen"]) for b in parameters["sales_bands"] if b["from_fen"] > held.settled]
    enough = [
        settled
        for settled in more
        if level_index(sales_score(settled, parameters), held.behaviour_score, parameters) > held.index
    ]
    return min(enough) - held.before_bounding if enough else _UNREACHABLE


def share_needed(held: Evaluation) -> int | str:
    """Section 3: the least B, as the share in % from which it is given, to the next level up, with S held fixed."""
    parameters = held.version.parameters
    enough = [
        (int(b["score"]), int(b["from_percent"]))
        for b in parameters["behaviour_bands"]
        if level_index(held.sales_score, b["score"], parameters) > held.index
    ]
    return min(enough)[1] if enough else _UNREACHABLE


def diagnosis(held: Evaluation) -> dict[str, Any]:
    """Section 3: each single move that reaches the next level up, reckoned without the gate; at the top level none."""
    if held.index == len(held.version.parameters["levels"]) - 1:
        return {"settled_missing": None, "share_needed": None}
    return {"settled_missing": settled_missing(held), "share_needed": share_needed(held)}


# --- the answer -----------------------------------------------------------------------------------------------------


def row(evaluation: Evaluation) -> dict[str, Any]:
    """Section 3: all figures are given under either version, and when gated."""
    values = evaluation.reputation
    return {
        "month": month_text(evaluation.month),
        "policy": evaluation.version.id,
        "state": evaluation.state,
        "level": evaluation.level,
        "settled": evaluation.settled,
        "good": evaluation.good,
        "sales_score": evaluation.sales_score,
        "behaviour_score": evaluation.behaviour_score,
        "reputation_mean": [sum(values), len(values)] if values else None,
        "credit_deducted": evaluation.deducted,
    }


def row_without_evaluation(state: str) -> dict[str, Any]:
    """Section 3: what is said where there is no evaluation yet."""
    return {
        "month": None,
        "policy": None,
        "state": state,
        "level": None,
        "settled": None,
        "good": None,
        "sales_score": None,
        "behaviour_score": None,
        "reputation_mean": None,
        "credit_deducted": None,
    }


def creator(
    events: list[dict[str, Any]],
    *,
    as_of: int,
    position: int,
    versions: list[dict[str, Any]],
    subject: str,
) -> dict[str, Any]:
    """Section 3: the level of one creator at `as_of`, as known from the ledger up to `position`.

    `as_of` only chooses which evaluation is the last; that one's level holds until the next evaluation.
    """
    dated = versions_of(versions)
    known = known_events(events, subject, position)
    gone = retracted_names(known)
    registered = registrations(known, gone, as_of)
    evaluations = [
        evaluate(known, gone, month, version_at(evaluation_instant(month), dated))
        for month in evaluated_months(registered, as_of, dated)
    ]
    held = evaluations[-1] if evaluations else None
    return {
        **(row_without_evaluation(state_without_evaluation(registered)) if held is None else row(held)),
        "gates": None if held is None else held.gates,
        "preview": preview(known, gone, held, as_of, dated),
        "diagnosis": None if held is None else diagnosis(held),
        "verdicts": verdicts_of(taking_part(known, gone, as_of)),
        "months": [row(evaluation) for evaluation in evaluations],
    }
