"""The fewest orders and reviews of one day by which a tier rises, in closed form from exact fractions.

New orders have no complaint; of some of them the review is the best. With `n` of them the complaint rate c / o becomes
c / (o + n), which is under its bound from n = ⌊c / bound⌋ + 1 − o on; with `r` such reviews a rate g / v becomes
(g + r) / (v + r), which is over its bound where r · (1 − bound) > bound · v − g.
"""

from typing import NamedTuple

from domain.limits import AMOUNT_FEN_MAX
from domain.merchant_tier.values import WHOLE, Bounds, Day, Rules, Tier


class Least(NamedTuple):
    """What it takes, on one day."""

    orders: int
    reviews: int
    """The best ones, of so many of the orders."""
    gmv_fen: int = 0
    """Of all the orders."""


class OfEach(NamedTuple):
    """What each indicator alone asks: so many orders without complaint, so many of the best reviews."""

    complaint: int
    product: int
    service: int


def of_each(figures: Day, up: Bounds) -> OfEach | None:
    """What each indicator asks to be better than its bound; None where no number does it."""
    if up.complaint == 0 or max(up.product, up.service) >= WHOLE:
        return None
    return OfEach(
        max(0, figures.complaints * WHOLE // up.complaint + 1 - figures.orders),
        _reviews_above(figures.product_good, figures.reviews, up.product),
        _reviews_above(figures.service_good, figures.service_rated, up.service),
    )


def _reviews_above(good: int, reviews: int, bound: int) -> int:
    """How many of the best reviews lift a rate over a bound under the whole."""
    return max(0, (bound * reviews - good * WHOLE) // (WHOLE - bound) + 1)


def least_in_window(window: Day, up: Bounds) -> Least | None:
    """What takes all three indicators over a window to better values than some."""
    each = of_each(window, up)
    if each is None:
        return None
    reviews = max(each.product, each.service)
    return Least(max(each.complaint, reviews), reviews)


def least_fast_day(day: Day, window: Day, tier: Tier, rules: Rules) -> Least | None:
    """What a day lacks to do all that a fast upgrade asks of it and of the window that ends with it: the fewest orders,
    with these the fewest reviews, and the least GMV.
    """
    found, own = least_in_window(window, tier.up), of_each(day, tier.up)
    if found is None or own is None:
        return None
    gmv_fen = max(0, _share(rules.limit_share_percent, tier.gmv_limit_fen) - day.gmv_fen)
    wanted = max(1, _share(rules.limit_share_percent, tier.orders_limit)) - day.orders
    reviews = max(found.reviews, own.product, own.service)
    orders = max(found.orders, wanted, reviews, -(-gmv_fen // AMOUNT_FEN_MAX))
    return _with_reviews_enough(Least(orders, reviews, gmv_fen), day, rules.reviews_share_percent)


def _share(percent: int, limit: int) -> int:
    """The least whole number that is not under a share of a limit."""
    return -(-percent * limit // 100)


def _with_reviews_enough(least: Least, day: Day, percent: int) -> Least | None:
    """The same with as many orders, and reviews of them, as make these the share of a day's orders that is asked."""
    missing, gained = percent * day.orders - 100 * day.reviews, 100 - percent
    orders = least.orders
    if missing > gained * orders:
        if gained <= 0:
            return None
        orders = -(-missing // gained)
    return Least(orders, max(least.reviews, _share(percent, day.orders + orders) - day.reviews), least.gmv_fen)
