"""A slow, obviously-right oracle for the scheme `mcn-level` and its two boards (rulebook sections 0, 3 and 4).

It is written from the rulebook alone and works by definition, not as a stream. What takes part is fixed first; who
holds a creator at an instant is told anew from the list of all bindings each time that it is asked; a month's figures
are sums over the list of all sales. Nothing is carried from one month's evaluation to the next. (Which events take
part and the calendar are common to every scheme: they come from the oracle of merchants' reputation.)

Where the rulebook is silent or open to more than one reading, this file has chosen:

 1. `creator_level_of` is asked with the creator's whole subject ("creator/c-1") and the month as text ("2023-05"), and
    only for creators held at that month's close. It answers for the same `position`; a code or None is all that counts.
 2. `not_onboarded` and `no_evaluation_yet` are told from the ordinary events up to `as_of` itself, not up to the close
    of a month: an agency onboarded this minute has `no_evaluation_yet`.
 3. Only the first `mcn.onboarded` matters; further ones do nothing. Its natural month is counted as it is for the
    novice phase, also when it is before 2020-06 (onboarded in 2020-05: 2020-06 is its second, still `novice` month).
 4. An agency need not be onboarded to hold a creator, or to take one from another. What came before its onboarding
    counts: sales and live minutes of that month, bindings, and credit movements however old (before 2020-06 too).
 5. A verdict goes by (`occurred_at`, position), what is in effect at an instant by the instant alone: a sale at the
    very microsecond of a binding belongs to the new holder, at that of an unbinding to nobody, whatever the positions.
 6. Binding a creator that the agency holds already changes nothing. A second unbinding is `not_bound`.
 7. `not_bound` lists the unbindings of the agency up to `as_of` (not up to the evaluation's month), in the order of
    processing, in every state. A retracted unbinding has no verdict; where the binding is retracted the unbinding is
    `not_bound`.
 8. A refund at the instant of its order's settlement goes by position. A refund of a sale that belongs to no agency
    belongs to none. A refund after a duplicate settlement is the first settlement's.
 9. The duplicate of an order is told within its creator's stream and over all time: an order first settled under
    another agency, or long ago, is no settlement of this one.
10. A sale of 0 fen is an order, may be worry-free and makes a creator one with a showcase sale. Creators with a
    showcase sale are those whose sale belongs to the agency: they need not be held at the month's close.
11. A known `credit.restored` leaves out every deduction of that violation in the same agency's stream, whichever of
    them came first in time or in the ledger. Violations mean something within one stream only.
12. The cap holds after a movement only: a start above it would stand until the first one.
13. Where no band is reached, or there is no reputation, a row gives 0 points. Bands and levels may stand in any order.
14. The totals (500, 300, 200, 100, 1000) follow from the bands; nothing is cut to them beside.
15. A rated agency under the lowest level's bound (not so in the file: V1 is from 0) has level None and is told the
    points missing to the lowest.
16. A creator's last reputation value is the last by (`occurred_at`, position), whoever held the creator then and
    whether or not it was registered.
17. `credit` is that of the evaluation (at the close of its month), not that of `as_of`.
18. Levels of creators stand in the order L0 to L7; a code that is none of these is an error.
19. A board is that of the month's evaluation on the 3rd. Ties are parted by the `settled` figure, so by net amounts not
    under 0: two agencies of negative net are equal there. No two agencies share a rank. It lists agencies that have
    any event in the ledger up to `position`.
20. Retractions are read as in the reputation oracle (its choice 2). Benefits (section 5) and `effective` (section 0)
    follow from state and level alone and are not told here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from tests.oracles.merchant_reputation import (
    Event,
    Key,
    close_of,
    grouped_by_order,
    instant_in,
    known_events,
    month_of,
    month_text,
    note_key,
    retracted_names,
    taking_part,
)

Streams = dict[str, list[Event]]
CreatorLevelOf = Callable[[str, str], str | None]

_CREATOR_LEVELS = ("L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7")


@dataclass(frozen=True)
class Binding:
    """One `creator.bound` (`binds`) or `creator.unbound` of an agency; both subjects with their prefix."""

    agency: str
    creator: str
    binds: bool
    event: Event

    @property
    def key(self) -> Key:
        """Section 4: binding events are processed by (`occurred_at`, position) across agencies."""
        return self.event.key


@dataclass(frozen=True)
class Sale:
    """The first settlement of one order, the agency that it belongs to (None: nobody), and its refunds."""

    creator: str
    agency: str | None
    settlement: Event
    refunds: list[Event]


@dataclass(frozen=True)
class Figures:
    """The left column of section 4's table, for one agency and month."""

    settled: int
    orders: int
    top_creators: int
    live_minutes: int
    showcase: int
    showcase_creators: int
    good: int
    reputation_mean: list[int] | None  # sum of hundredths, number of creators
    worry_free: int


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation gives."""

    month: str
    state: str
    level: str | None
    credit: int
    figures: Figures
    operating: int
    growth: int
    service: int
    bonus: int
    total: int


# --- which events take part (section 0) -----------------------------------------------------------------------------


def streams_known(events: list[dict[str, Any]], position: int) -> Streams:
    """Section 0: every subject's stream in the prefix up to `position`, without what is retracted, in order."""
    streams: Streams = {}
    for subject in sorted({e["subject"] for e in events}):
        known = known_events(events, subject, position)
        gone = retracted_names(known)
        streams[subject] = sorted((e for e in known if e.name not in gone), key=lambda e: e.key)
    return streams


def streams_at(known: Streams, as_of: int) -> Streams:
    """Section 0: an ordinary event takes part if its time is not after `as_of`; a correction whatever its time."""
    return {subject: taking_part(stream, set(), as_of) for subject, stream in known.items()}


def of_type(stream: list[Event], kind: str) -> list[Event]:
    """The events of one type."""
    return [e for e in stream if e.type == kind]


# --- who holds whom (section 4, first paragraph) --------------------------------------------------------------------


def bindings_in(streams: Streams) -> list[Binding]:
    """Sections 0 and 4: the binding events of all agencies, in order; they name the creator without its prefix."""
    found = [
        Binding(subject, f"creator/{event.data['creator']}", event.type == "creator.bound", event)
        for subject, stream in streams.items()
        for event in stream
        if event.type in ("creator.bound", "creator.unbound")
    ]
    return sorted(found, key=lambda b: b.key)


def holder(processed: list[Binding], creator: str) -> str | None:
    """Section 4: one slot a creator; a binding replaces any earlier one for good; nothing is restored.

    So only the last binding counts, and it stands until its own agency unbinds after it.
    """
    own = [b for b in processed if b.creator == creator]
    binds = [b for b in own if b.binds]
    if not binds:
        return None
    last = max(binds, key=lambda b: b.key)
    ended = any(not b.binds and b.agency == last.agency and b.key > last.key for b in own)
    return None if ended else last.agency


def holder_at(bindings: list[Binding], creator: str, instant: int) -> str | None:
    """Section 4: all binding events at or before an instant are in effect at it."""
    return holder([b for b in bindings if b.event.occurred_at <= instant], creator)


def not_bound(bindings: list[Binding], agency: str) -> list[str]:
    """Section 4: an unbinding by an agency that does not hold the creator has the verdict `not_bound`."""
    return [note_key(b.event) for b in bindings if b.agency == agency and not b.binds and not holds_before(bindings, b)]


def holds_before(bindings: list[Binding], unbinding: Binding) -> bool:
    """Section 0: an event is judged by what stands before it in the order of (`occurred_at`, position)."""
    before = [b for b in bindings if b.key < unbinding.key]
    return holder(before, unbinding.creator) == unbinding.agency


def held_at(bindings: list[Binding], agency: str, instant: int) -> list[str]:
    """Section 4: the creators that an agency holds at an instant (they need not be registered)."""
    return [c for c in sorted({b.creator for b in bindings}) if holder_at(bindings, c, instant) == agency]


# --- sales (sections 3 and 4) ---------------------------------------------------------------------------------------


def sales_in(streams: Streams, bindings: list[Binding]) -> list[Sale]:
    """Sections 0, 3 and 4: of each creator and order the first settlement, and the refunds after it.

    A second settlement is a duplicate; a refund before the first has an unknown order, and stays so. The sale belongs
    to the agency that holds the creator at the instant of settlement, its refunds to the same.
    """
    sales = []
    for subject, stream in streams.items():
        for group in grouped_by_order(stream, ("sale.settled", "sale.refunded")).values():
            settlements = of_type(group, "sale.settled")
            if settlements:
                first = min(settlements, key=lambda e: e.key)
                refunds = [e for e in of_type(group, "sale.refunded") if e.key > first.key]
                sales.append(Sale(subject, holder_at(bindings, subject, first.occurred_at), first, refunds))
    return sales


def net_amount(sales: list[Sale], month: int) -> int:
    """Section 4: money of a month is what was settled in it, less what was refunded in it, may be negative here."""
    settled: list[int] = [s.settlement.data["amount"] for s in sales if month_of(s.settlement.occurred_at) == month]
    refunded: list[int] = [r.data["amount"] for s in sales for r in s.refunds if month_of(r.occurred_at) == month]
    return sum(settled) - sum(refunded)


# --- the figures of a month (section 4, table) ----------------------------------------------------------------------


def hundredths(value: str) -> int:
    """Section 0, catalogue: a score is a digit, optionally "." and one or two digits; as whole hundredths."""
    whole, _, part = value.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0"))


def last_reputation(stream: list[Event], instant: int) -> int | None:
    """Section 4: a creator's last reputation value up to an instant, of any age; None: it has none."""
    scores = [
        e for e in of_type(stream, "creator.scored") if e.data["score"] == "reputation" and e.occurred_at <= instant
    ]
    return hundredths(max(scores, key=lambda e: e.key).data["value"]) if scores else None


def reputation_mean(streams: Streams, creators: list[str], instant: int) -> list[int] | None:
    """Section 4: over the creators held at the close, those without a value left out, as [sum, number]; None: none."""
    values = [last_reputation(streams.get(creator, []), instant) for creator in creators]
    told = [value for value in values if value is not None]
    return [sum(told), len(told)] if told else None


def is_top(level: str | None, least: str) -> bool:
    """Section 4: the creator's level is the parameter's or above; a creator without a level (gated) is not."""
    return level is not None and _CREATOR_LEVELS.index(level) >= _CREATOR_LEVELS.index(least)


def live_minutes(streams: Streams, bindings: list[Binding], agency: str, month: int) -> int:
    """Section 4: the minutes of lives in the month of creators held at the live's own instant."""
    return sum(
        live.data["minutes"]
        for subject, stream in streams.items()
        for live in of_type(stream, "live.held")
        if month_of(live.occurred_at) == month and holder_at(bindings, subject, live.occurred_at) == agency
    )


def figures_of(
    streams: Streams,
    agency: str,
    month: int,
    parameters: dict[str, Any],
    creator_level_of: CreatorLevelOf,
) -> Figures:
    """Section 4: one agency's figures of a month; `streams` is what takes part at the month's close."""
    bindings = bindings_in(streams)
    own = [sale for sale in sales_in(streams, bindings) if sale.agency == agency]
    firsts = [sale for sale in own if month_of(sale.settlement.occurred_at) == month]
    held = held_at(bindings, agency, close_of(month))
    # "Money is summed over the creators, refunds subtracted, then settled >= 0 and its parts within [0, settled]."
    settled = max(0, net_amount(own, month))
    showcase = net_amount([sale for sale in own if sale.settlement.data["channel"] == "showcase"], month)
    good = net_amount([sale for sale in own if sale.settlement.data["good_goods"]], month)
    levels = [creator_level_of(creator, month_text(month)) for creator in held]
    return Figures(
        settled=settled,
        # "Counts (orders, creators, worry-free) are of first settlements and are not lessened by refunds."
        orders=len(firsts),
        top_creators=sum(is_top(level, parameters["top_creators"]["level"]) for level in levels),
        live_minutes=live_minutes(streams, bindings, agency, month),
        showcase=min(max(0, showcase), settled),
        showcase_creators=len({s.creator for s in firsts if s.settlement.data["channel"] == "showcase"}),
        good=min(max(0, good), settled),
        reputation_mean=reputation_mean(streams, held, close_of(month)),
        worry_free=sum(bool(s.settlement.data.get("worry_free", False)) for s in firsts),
    )


# --- credit (section 4, Phase) --------------------------------------------------------------------------------------


def movements_of(stream: list[Event]) -> list[int]:
    """Section 4: + granted, - deducted, in order; a restored deduction is left out of the sequence."""
    restored = {e.data["violation"] for e in of_type(stream, "credit.restored")}
    return [
        e.data["points"] if e.type == "credit.granted" else -e.data["points"]
        for e in sorted(stream, key=lambda e: e.key)
        if e.type == "credit.granted" or (e.type == "credit.deducted" and e.data["violation"] not in restored)
    ]


def credit_of(stream: list[Event], parameters: dict[str, Any]) -> int:
    """Section 4: credit starts at 120 and is never over 150 after any movement; it may go under 0."""
    credit = int(parameters["credit"]["start"])
    for movement in movements_of(stream):
        credit = min(credit + movement, int(parameters["credit"]["max"]))
    return credit


# --- the score (section 4, Score, Level) ----------------------------------------------------------------------------


def points(bands: list[dict[str, Any]], figure: int | Fraction | None) -> int:
    """Section 4: the points of a row are those of the highest band reached."""
    reached = [band for band in bands if figure is not None and band["from"] <= figure]
    return int(max(reached, key=lambda band: int(band["from"]))["points"]) if reached else 0


def share(part: int, settled: int) -> Fraction:
    """Section 4: a part of the settled amount in percent, exactly; 0 when settled is 0."""
    return Fraction(100 * part, settled) if settled else Fraction(0)


def operating_score(figures: Figures, parameters: dict[str, Any]) -> int:
    """Section 4: the four rows of operating."""
    return (
        points(parameters["settled_bands"], figures.settled)
        + points(parameters["orders_bands"], figures.orders)
        + points(parameters["top_creators"]["bands"], figures.top_creators)
        + points(parameters["live_minutes_bands"], figures.live_minutes)
    )


def growth_score(figures: Figures, parameters: dict[str, Any]) -> int:
    """Section 4: the three rows of growth."""
    return (
        points(parameters["showcase_share_bands"], share(figures.showcase, figures.settled))
        + points(parameters["showcase_creators_bands"], figures.showcase_creators)
        + points(parameters["good_share_bands"], share(figures.good, figures.settled))
    )


def service_score(figures: Figures, parameters: dict[str, Any]) -> int:
    """Section 4: the row of service, by the exact mean in hundredths; none gives 0."""
    mean = None if figures.reputation_mean is None else Fraction(*figures.reputation_mean)
    return points(parameters["service_bands"], mean)


def level_for(total: int, parameters: dict[str, Any]) -> str | None:
    """Section 4: the level by the sum with bonus, wherever the month before left it: the highest bound reached."""
    reached = [level for level in parameters["levels"] if level["from"] <= total]
    return str(max(reached, key=lambda level: int(level["from"]))["code"]) if reached else None


def to_next(total: int, parameters: dict[str, Any]) -> int | None:
    """Section 4: how much is missing to the next level; None at the top."""
    missing = [int(level["from"]) - total for level in parameters["levels"] if level["from"] > total]
    return min(missing) if missing else None


# --- evaluations (section 4, first paragraph and Phase) -------------------------------------------------------------


def month_named(text: str) -> int:
    """The number of a month written as in "2023-05"."""
    year, month = text.split("-")
    return int(year) * 12 + int(month) - 1


def onboarding_month(stream: list[Event]) -> int | None:
    """Section 4: the natural month of the first `mcn.onboarded`; None: never onboarded."""
    onboardings = [e.occurred_at for e in of_type(stream, "mcn.onboarded")]
    return month_of(min(onboardings)) if onboardings else None


def evaluation_instant(month: int, parameters: dict[str, Any]) -> int:
    """Section 4: a month is evaluated at 00:00 on the 3rd of the month after it."""
    return instant_in(month + 1, int(parameters["evaluation_day"]), 0)


def evaluated_months(onboarded: int | None, as_of: int, parameters: dict[str, Any]) -> list[int]:
    """Section 4: from the month of the first onboarding on, at the earliest 2020-06; those evaluated by `as_of`."""
    if onboarded is None:
        return []
    first = max(onboarded, month_named(parameters["first_month"]))
    return [m for m in range(first, month_of(as_of)) if evaluation_instant(m, parameters) <= as_of]


def state_for(months_onboarded: int, service: int, credit: int, parameters: dict[str, Any]) -> str:
    """Section 4, Phase: novice up to and including the second month; else observation; else rated."""
    if months_onboarded <= parameters["novice_months"]:
        return "novice"
    if service < parameters["observation"]["service_min"] or credit < parameters["observation"]["credit_min"]:
        return "observation"
    return "rated"


def evaluation(
    known: Streams,
    agency: str,
    month: int,
    parameters: dict[str, Any],
    creator_level_of: CreatorLevelOf,
) -> Evaluation:
    """Section 4: evaluated from ordinary events before the 1st of the next month, and under the replay's known_at."""
    streams = streams_at(known, close_of(month))
    onboarded = onboarding_month(streams[agency])
    assert onboarded is not None
    figures = figures_of(streams, agency, month, parameters, creator_level_of)
    credit = credit_of(streams[agency], parameters)
    operating = operating_score(figures, parameters)
    growth = growth_score(figures, parameters)
    service = service_score(figures, parameters)
    bonus = points(parameters["worry_free_bands"], figures.worry_free)
    total = operating + growth + service + bonus
    # "The month of onboarding is the first."
    state = state_for(month - onboarded + 1, service, credit, parameters)
    # Section 0: the level is null unless the state is `rated`.
    level = level_for(total, parameters) if state == "rated" else None
    return Evaluation(month_text(month), state, level, credit, figures, operating, growth, service, bonus, total)


def month_row(told: Evaluation) -> dict[str, Any]:
    """One evaluation as a row of `months`."""
    return {
        "month": told.month,
        "state": told.state,
        "level": told.level,
        "credit": told.credit,
        "operating": told.operating,
        "growth": told.growth,
        "service": told.service,
        "bonus": told.bonus,
        "total": told.total,
    }


_NOTHING: dict[str, Any] = dict.fromkeys(
    ("level", "month", "credit", "figures", "operating", "growth", "service", "bonus", "total", "to_next")
)


def mcn(
    events: list[dict[str, Any]],
    *,
    as_of: int,
    position: int,
    parameters: dict[str, Any],
    subject: str,
    creator_level_of: CreatorLevelOf,
) -> dict[str, Any]:
    """Section 4: one agency at `as_of`, as known from the ledger up to `position`: its last evaluation holds."""
    known = streams_known(events, position)
    streams = streams_at(known, as_of)
    onboarded = onboarding_month(streams.get(subject, []))
    told = [
        evaluation(known, subject, month, parameters, creator_level_of)
        for month in evaluated_months(onboarded, as_of, parameters)
    ]
    beside = {"not_bound": not_bound(bindings_in(streams), subject), "months": [month_row(each) for each in told]}
    if not told:
        return {"state": "not_onboarded" if onboarded is None else "no_evaluation_yet", **_NOTHING, **beside}
    last = told[-1]
    missing = to_next(last.total, parameters) if last.state == "rated" else None
    return {**month_row(last), "figures": asdict(last.figures), "to_next": missing, **beside}


# --- leaderboards (section 4) ---------------------------------------------------------------------------------------


def board(
    events: list[dict[str, Any]],
    *,
    month: str,
    position: int,
    parameters: dict[str, Any],
    board: str,
    creator_level_of: CreatorLevelOf,
) -> list[dict[str, Any]]:
    """Section 4: a month's board, rated agencies only, by what it ranks by; ties: larger settled first, then id."""
    [ranks_by] = [each["ranks_by"] for each in parameters["boards"] if each["code"] == board]
    due = evaluation_instant(month_named(month), parameters)
    known = streams_known(events, position)
    found = []
    for agency in (subject for subject in known if subject.startswith("mcn/")):
        onboarded = onboarding_month(streams_at(known, due)[agency])
        if month_named(month) in evaluated_months(onboarded, due, parameters):
            told = evaluation(known, agency, month_named(month), parameters, creator_level_of)
            if told.state == "rated":
                found.append((-int(month_row(told)[ranks_by]), -told.figures.settled, agency))
    return [
        {"rank": rank, "subject": agency, "score": -score, "settled": -settled}
        for rank, (score, settled, agency) in enumerate(sorted(found), start=1)
    ]
