"""What an evaluation of a tier tried, in order, with every figure that it compared."""

from domain.merchant_tier.rule import evaluate
from domain.merchant_tier.running import Window
from domain.merchant_tier.values import (
    DOWNGRADE,
    FAST_UPGRADE,
    UPGRADE,
    WHOLE,
    Account,
    Bounds,
    Cause,
    Day,
    Rules,
    Tier,
)
from domain.rules.comparison import Comparison, Trial


def trials(day: int, account: Account, window: Window, rules: Rules) -> list[Trial]:
    """What `evaluate` tried at the close of a day, in order, with every figure that it compared."""
    tier = rules.tiers[account.tier]
    figures = window.over(day - rules.window_days + 1, day)
    decided = evaluate(day, account, figures, rules)
    better = indicators(figures, ("<", ">", ">"), tier.up) if tier.rises else []
    waited = Comparison("days_since_change", day - account.since, 1, ">=", rules.wait_days)
    if not waited.met:
        fast = window.over(account.fast_day, account.fast_day) if account.fast_day <= day else window.over(day, day)
        asked = [*better, *fast_day_comparisons(fast, tier, rules)] if better else []
        since = Comparison("days_since_change", day - account.since, 1, ">", 0)
        return [Trial(Cause.FAST_UPGRADE, [since, *asked], decided == FAST_UPGRADE)]
    worse = indicators(figures, (">", "<", "<"), tier.down) if tier.falls else []
    upgrade = Trial(Cause.UPGRADE, [waited, *better], decided == UPGRADE)
    return [upgrade, Trial(Cause.DOWNGRADE, [waited, *worse], decided == DOWNGRADE)]


def clearing_trials(day: int, account: Account, rules: Rules) -> list[Trial]:
    """Whether a merchant in the lowest tier is cleared out at the close of a day, once that has moved its tier."""
    if not account.open or account.tier != 0:
        return []
    lowest = Comparison("days_in_lowest_tier", day - account.lowest_since, 1, ">=", rules.clear_out_days)
    return [Trial(Cause.CLEARED_OUT, [lowest], lowest.met)]


def indicators(figures: Day, relations: tuple[str, str, str], bounds: Bounds) -> list[Comparison]:
    """The three indicators held against the values of one direction."""
    fractions = (
        ("complaint_rate", figures.complaints, figures.orders),
        ("product_rate", figures.product_good, figures.reviews),
        ("service_rate", figures.service_good, figures.service_rated),
    )
    return [
        Comparison(what, numerator, denominator, relation, bound, WHOLE)
        for (what, numerator, denominator), relation, bound in zip(fractions, relations, bounds, strict=True)
    ]


def fast_day_comparisons(figures: Day, tier: Tier, rules: Rules) -> list[Comparison]:
    """What a fast upgrade asks of one day, held against the tier's limits."""
    _, product, service = indicators(figures, ("<", ">", ">"), tier.up)
    return [
        Comparison("orders_of_day", figures.orders, 1, ">=", rules.limit_share_percent * tier.orders_limit, 100),
        Comparison("gmv_fen_of_day", figures.gmv_fen, 1, ">=", rules.limit_share_percent * tier.gmv_limit_fen, 100),
        Comparison("reviews_share_of_day", figures.reviews, figures.orders, ">=", rules.reviews_share_percent, 100),
        product._replace(what="product_rate_of_day"),
        service._replace(what="service_rate_of_day"),
    ]
