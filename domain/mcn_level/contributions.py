"""What each event adds to an agency's months, and how a month's figures and scores add up."""

from collections.abc import Mapping
from typing import Any, Final

from domain.calendar import month_start
from domain.events import Event, SaleSettled
from domain.mcn_level.facts import ADDING, LIVE, History, Slot, Sums, add, held_at_close
from domain.mcn_level.rule import SCORES, Evaluation, Rules, credit_after
from domain.rules.contributions import (
    CREATORS,
    FEN,
    HUNDREDTHS,
    IN_PERIOD,
    MINUTES,
    OPENING,
    ORDERS,
    POINTS,
    Contribution,
    FigureSum,
    SumLine,
    money_summed,
    summed,
)

ADDED: Final[Mapping[str, str]] = {
    "settled": FEN,
    "showcase": FEN,
    "good": FEN,
    "orders": ORDERS,
    "worry_free": ORDERS,
    "showcase_orders": ORDERS,
    "live_minutes": MINUTES,
}
"""By figure, in the order of `Sums`."""
UNITS: Final[Mapping[str, str]] = {
    **ADDED,
    "showcase_creators": CREATORS,
    "creators": CREATORS,
    "top_creators": CREATORS,
    "reputation": HUNDREDTHS,
    "reputation_creators": CREATORS,
    "credit": POINTS,
    **dict.fromkeys((*SCORES, "total"), POINTS),
}
"""By figure that something adds to."""
CUMULATIVE: Final = ("creator.bound", "creator.unbound", "credit.granted", "credit.deducted")
"""Types of events that add to what goes on from month to month, from before the first that is evaluated."""
ONCE_A_CREATOR: Final = "once_a_creator"
CREDIT_MAX: Final = "credit_max"
TAKEN_BY_OTHERS: Final = "taken_by_others"
LEVEL_TOO_LOW: Final = "level_too_low"
WITHOUT_VALUE: Final = "without_value"
LAST_VALUES: Final = "last_values"
_ROWS: Final = (
    *("settled_fen", "orders", "top_creators", "live_minutes", "showcase_share", "showcase_creators", "good_share"),
    *("reputation_hundredths", "worry_free_orders"),
)
LINES: Final = (
    *(ONCE_A_CREATOR, CREDIT_MAX, TAKEN_BY_OTHERS, LEVEL_TOO_LOW, WITHOUT_VALUE, LAST_VALUES),
    *("showcase_orders", "creators", *_ROWS, *SCORES),
)
"""Of its sums, beside those of every scheme."""


def contributed(event: Event, sale: SaleSettled | None, joined: int, month: int) -> list[Contribution]:
    """What an event that counts adds to its month: a refund with the attributes of its sale; `joined` is how many
    creators more the agency holds after a binding.
    """
    data: Any = event.data
    if event.type in ("creator.bound", "creator.unbound"):
        return [Contribution("creators", CREATORS, joined, (month,))]
    if event.type in ("credit.granted", "credit.deducted"):
        points = data.points if event.type == "credit.granted" else -data.points
        return [Contribution("credit", POINTS, points, (month,))]
    added = [0] * len(Sums._fields)
    if sale is None:
        add(added, LIVE, data.minutes, False, False, False)
    else:
        add(added, ADDING[event.type], data.amount, sale.channel == "showcase", sale.good_goods, sale.worry_free)
    figures = zip(ADDED.items(), added, strict=True)
    return [Contribution(name, unit, amount, (month,)) for (name, unit), amount in figures if amount]


def joined_by(slot: Slot, position: int, agency: str) -> int:
    """How many creators more an agency holds after a binding or unbinding that took effect: 1, 0 or -1."""
    place = slot.positions.index(position)
    before = slot.holders[place - 1] if place else None
    return (slot.holders[place] == agency) - (before == agency)


def sums_of(found: Evaluation, history: History, rules: Rules) -> list[FigureSum]:
    """How the figures and scores of a month add up."""
    figures, month = found.figures, found.figures.month
    counts = {"orders": figures.orders, "worry_free": figures.worry_free, "live_minutes": figures.live_minutes}
    return [
        money_summed(month, "settled", figures.settled_sum_fen, found.settled_fen),
        money_summed(month, "showcase", figures.showcase_sum_fen, found.showcase_fen),
        money_summed(month, "good", figures.good_sum_fen, found.good_fen),
        *(summed(month, name, UNITS[name], count, SumLine(IN_PERIOD, count)) for name, count in counts.items()),
        *_showcase_sums(found, history),
        *_creator_sums(found, history),
        _credit_sum(found, history, rules),
        *(
            summed(
                month,
                score,
                POINTS,
                getattr(found, score),
                *(SumLine(row.what, row.points) for row in found.rows if row.score == score),
            )
            for score in SCORES
        ),
        summed(month, "total", POINTS, found.total, *(SumLine(score, int(getattr(found, score))) for score in SCORES)),
    ]


def _showcase_sums(found: Evaluation, history: History) -> list[FigureSum]:
    month, creators = found.figures.month, found.figures.showcase_creators
    orders = sum(sums.showcase_orders for (_, at), sums in history.sums.items() if at == month)
    lines = SumLine("showcase_orders", orders), SumLine(ONCE_A_CREATOR, creators - orders)
    return [
        summed(month, "showcase_orders", ORDERS, orders, SumLine(IN_PERIOD, orders)),
        summed(month, "showcase_creators", CREATORS, creators, *lines),
    ]


def _creator_sums(found: Evaluation, history: History) -> list[FigureSum]:
    """Who is held at the close of the month, how many of these have the level that counts, and their reputation."""
    figures, month = found.figures, found.figures.month
    opening, held = (len(held_at_close(history, at)) for at in (month - 1, month))
    taken = _taken_in(history, month)
    with_value = figures.reputation_creators
    of_held = SumLine("creators", held)
    return [
        summed(
            month,
            "creators",
            CREATORS,
            held,
            SumLine(OPENING, opening),
            SumLine(IN_PERIOD, held - opening + taken),
            SumLine(TAKEN_BY_OTHERS, -taken),
        ),
        summed(
            month,
            "top_creators",
            CREATORS,
            figures.top_creators,
            of_held,
            SumLine(LEVEL_TOO_LOW, figures.top_creators - held),
        ),
        summed(month, "reputation", HUNDREDTHS, figures.reputation_sum, SumLine(LAST_VALUES, figures.reputation_sum)),
        summed(month, "reputation_creators", CREATORS, with_value, of_held, SumLine(WITHOUT_VALUE, with_value - held)),
    ]


def _taken_in(history: History, month: int) -> int:
    """How many creators other agencies took from this one in a month, by binding them."""
    begins, ends = month_start(month), month_start(month + 1)
    return sum(
        before == history.subject and holder not in (None, history.subject) and begins <= at < ends
        for slot in history.slots.values()
        for at, holder, before in zip(slot.begins, slot.holders, [None, *slot.holders], strict=False)
    )


def _credit_sum(found: Evaluation, history: History, rules: Rules) -> FigureSum:
    month, credit = found.figures.month, found.figures.credit
    begins, ends = month_start(month), month_start(month + 1)
    opening = credit_after(history.credit, begins, rules)
    moved = sum(points for at, points in history.credit if begins <= at < ends)
    cut = credit - opening - moved
    return summed(
        month, "credit", POINTS, credit, SumLine(OPENING, opening), SumLine(IN_PERIOD, moved), SumLine(CREDIT_MAX, cut)
    )
