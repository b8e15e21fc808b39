"""The least that reaches a level of agencies, in closed form: of money, counts, reputation and credit.

Points change only where a figure reaches a bound of a band, so that it is enough to look at these. What is done is done
by creators whom nothing else is told of, so that it moves no creator's own level: only what it is asked for, and what
comes with it, since a sale is an order and moves the shares. Money in fen, scores in hundredths, shares in percent.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

from domain.limits import AMOUNT_FEN_MAX, SCORE_MAX
from domain.mcn_level.rule import Figures, Rules, State, evaluate
from domain.rules.bands import Band

SALES: Final = "sales"
SHOWCASE_SALES: Final = "showcase_sales"
GOOD_SALES: Final = "good_sales"
GOOD_SHOWCASE_SALES: Final = "good_showcase_sales"
ORDERS: Final = "orders"
"""Of no amount: what they come to plays no part."""
WORRY_FREE: Final = "worry_free_orders"
SHOWCASE_CREATORS: Final = "showcase_creators"
"""Each with an order of no amount."""
LIVE_MINUTES: Final = "live_minutes"
REPUTATION: Final = "reputation"
"""Added up over the creators who have a value; where none has, the value of one."""
CREDIT: Final = "credit"
SOLD: Final[Mapping[str, tuple[bool, bool]]] = {
    SALES: (False, False),
    SHOWCASE_SALES: (True, False),
    GOOD_SALES: (False, True),
    GOOD_SHOWCASE_SALES: (True, True),
}
"""By kind of sales, whether they are the showcase's and of good goods."""
ROWS: Final = (*SOLD, ORDERS, WORRY_FREE, SHOWCASE_CREATORS, LIVE_MINUTES, REPUTATION)
"""What moves rows of the score, in their order."""
_RISING: Final = (GOOD_SHOWCASE_SALES, ORDERS, WORRY_FREE, SHOWCASE_CREATORS, LIVE_MINUTES, REPUTATION)
"""What lowers nothing: more of it never brings less."""
COUNTED: Final = (ORDERS, WORRY_FREE, SHOWCASE_CREATORS)
"""What takes an event each, or two."""
ANY: Final = 2**62
"""More than there can be of anything."""
Amounts = dict[str, int]
"""By kind, how much is done of it."""


def reaches(figures: Figures, rules: Rules, wanted: int) -> bool:
    """Whether a month comes to the level of a rank, or a higher one."""
    found = evaluate(figures, rules)
    return found.state is State.RATED and found.level > wanted


def with_amounts(figures: Figures, amounts: Mapping[str, int]) -> Figures:
    """A month's figures with what is done beside."""
    for kind, amount in amounts.items():
        figures = figures._replace(**_moved(figures, kind, amount)) if amount else figures
    return figures


def _moved(figures: Figures, kind: str, amount: int) -> dict[str, int]:
    """The figures that something moves, as they are then."""
    orders = figures.orders + (sales_of(amount) if kind in SOLD else amount)
    if kind in SOLD:
        in_showcase, good = SOLD[kind]
        return {
            "settled_sum_fen": figures.settled_sum_fen + amount,
            "showcase_sum_fen": figures.showcase_sum_fen + amount * in_showcase,
            "good_sum_fen": figures.good_sum_fen + amount * good,
            "orders": orders,
            "showcase_creators": figures.showcase_creators + in_showcase,
        }
    if kind == REPUTATION:
        sums = figures.reputation_sum + amount, max(figures.reputation_creators, 1)
        return dict(zip(("reputation_sum", "reputation_creators"), sums, strict=True))
    if kind in (ORDERS, LIVE_MINUTES, CREDIT):
        return {kind: getattr(figures, kind) + amount}
    figure = "worry_free" if kind == WORRY_FREE else SHOWCASE_CREATORS
    return {"orders": orders, figure: getattr(figures, figure) + amount}


def sales_of(fen: int) -> int:
    """The fewest sales that come to so many fen."""
    return -(-fen // AMOUNT_FEN_MAX)


def required(figures: Figures, rules: Rules) -> Amounts | None:
    """The least credit and reputation without which there is no level at all; None where no amount does it."""
    found, asked = evaluate(figures, rules), Amounts()
    if figures.credit < rules.credit_min:
        asked[CREDIT] = rules.credit_min - figures.credit
    if found.service < rules.service_min:
        bounds = [band.begins for band in rules.service_bands if band.score >= rules.service_min]
        asked[REPUTATION] = min(bounds, default=SCORE_MAX + 1) * max(figures.reputation_creators, 1)
        asked[REPUTATION] -= figures.reputation_sum
    is_out_of_reach = rules.credit_min > rules.credit_max or asked.get(REPUTATION, 0) > _most(figures, REPUTATION)
    return None if is_out_of_reach else asked


def least(kind: str, figures: Figures, rules: Rules, wanted: int) -> int | None:
    """The least of one thing with which a month reaches a level; None where no amount of it does.

    Between two bounds no more of it brings what the least did not: what else a sale moves it lowers.
    """
    amounts = sorted({amount for amount in _bounds(kind, figures, rules) if 0 < amount <= _most(figures, kind)})
    reaching = (amount for amount in amounts if reaches(with_amounts(figures, {kind: amount}), rules, wanted))
    return next(reaching, None)


def fewest(figures: Figures, rules: Rules, wanted: int, count_max: int = ANY) -> Amounts | None:
    """The fewest things that reach a level together, of these the first in the order of the rows, and of each the least
    with which the others suffice; None where all together do not.

    Only what lowers nothing is looked at, and of what is counted by events no more than `count_max`.
    """
    most = {
        kind: max(
            (amount for amount in _bounds(kind, figures, rules) if amount <= _most(figures, kind, count_max)), default=0
        )
        for kind in _RISING
    }
    for count in range(2, len(_RISING) + 1):
        for kinds in combinations(_RISING, count):
            asked = {kind: most[kind] for kind in kinds if most[kind] > 0}
            if len(asked) == count and reaches(with_amounts(figures, asked), rules, wanted):
                return _reduced(asked, figures, rules, wanted)
    return None


def _reduced(asked: Amounts, figures: Figures, rules: Rules, wanted: int) -> Amounts:
    """Of each the least that suffices with all others, one after another, and nothing of what these do without."""
    for kind in tuple(asked):
        rest = {name: amount for name, amount in asked.items() if name != kind}
        others = with_amounts(figures, rest)
        if reaches(others, rules, wanted):
            asked = rest
            continue
        found = least(kind, others, rules, wanted)
        assert found is not None, "as much of it as there was suffices"
        asked = {**asked, kind: found}
    return asked


def creators_missing(figures: Figures, rules: Rules, wanted: int) -> int | None:
    """How many more creators of a high level would reach a level alone; None where no number would."""
    bounds = (band.begins - figures.top_creators for band in rules.top_creators_bands)
    reaching = (
        bound
        for bound in bounds
        if bound > 0 and reaches(figures._replace(top_creators=figures.top_creators + bound), rules, wanted)
    )
    return min(reaching, default=None)


def _most(figures: Figures, kind: str, count_max: int = ANY) -> int:
    """As much of something as there can be."""
    if kind == REPUTATION:
        return SCORE_MAX * max(figures.reputation_creators, 1) - figures.reputation_sum
    return count_max if kind in COUNTED else ANY


def _bounds(kind: str, figures: Figures, rules: Rules) -> list[int]:
    """The amounts of something at which points may rise."""
    if kind in SOLD:
        return list(_bounds_of_sales(kind, figures, rules))
    if kind == REPUTATION:
        creators = max(figures.reputation_creators, 1)
        return [band.begins * creators - figures.reputation_sum for band in rules.service_bands]
    rows: dict[str, list[tuple[Sequence[Band], int]]] = {
        ORDERS: [(rules.orders_bands, figures.orders)],
        WORRY_FREE: [(rules.worry_free_bands, figures.worry_free), (rules.orders_bands, figures.orders)],
        SHOWCASE_CREATORS: [
            (rules.showcase_creators_bands, figures.showcase_creators),
            (rules.orders_bands, figures.orders),
        ],
        LIVE_MINUTES: [(rules.live_minutes_bands, figures.live_minutes)],
    }
    return [band.begins - reached for bands, reached in rows[kind] for band in bands]


def _bounds_of_sales(kind: str, figures: Figures, rules: Rules) -> Iterator[int]:
    """Of settled money, of the shares that it raises, and of the orders that it takes up to the last of these."""
    settled, (in_showcase, good) = figures.settled_sum_fen, SOLD[kind]
    bounds = [1, 1 - settled, *(band.begins - settled for band in rules.settled_bands)]
    if in_showcase:
        bounds += _bounds_of_share(rules.showcase_share_bands, figures.showcase_sum_fen, settled)
    if good:
        bounds += _bounds_of_share(rules.good_share_bands, figures.good_sum_fen, settled)
    orders = (AMOUNT_FEN_MAX * (band.begins - figures.orders - 1) + 1 for band in rules.orders_bands)
    yield from bounds
    yield from (bound for bound in orders if bound <= max(bounds))


def _bounds_of_share(bands: Sequence[Band], part: int, settled: int) -> list[int]:
    """Of further money that is all part of a share."""
    return [-((100 * part - band.begins * settled) // (100 - band.begins)) for band in bands if band.begins < 100]
