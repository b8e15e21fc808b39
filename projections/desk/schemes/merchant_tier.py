"""A merchant's tier on the pages: its days, its rank over time, its daily limits."""

from typing import Final

from domain.merchant_tier.facts import codes_of, rules_of
from domain.merchant_tier.rule import NO_LIMIT
from domain.policy import Policy
from projections.desk.schemes.facet import Band, Drawn, Facts, Periods, Point, SchemePages, Told

_DAYS: Final = "tier_days"
_MONTH_CHARS: Final = len("2022-11")


def _months(told: Told) -> list[str]:
    return sorted({row["day"][:_MONTH_CHARS] for row in told.rows[_DAYS]}, reverse=True)


def _points(told: Told, _: int) -> list[Point]:
    return [Point(row["from_at"], row["score"]) for row in told.rows["history"]]


def _bands(policy: Policy) -> list[Band]:
    return [Band(code, rank) for rank, code in enumerate(codes_of(policy))]


def _limits(told: Told, policy: Policy) -> tuple[int | None, int | None] | None:
    """The daily limits of orders and fen, None for no limit; None without a tier."""
    level = told.level["level"]
    if level is None:
        return None
    tier = rules_of(policy).tiers[codes_of(policy).index(level)]
    orders, gmv = tier.orders_limit, tier.gmv_limit_fen
    return (None if orders == NO_LIMIT else orders, None if gmv == NO_LIMIT else gmv)


TIER: Final = SchemePages(
    Periods(_DAYS, "number", "schemes/merchant-tier/periods.html", _months),
    Drawn(
        _points,
        _bands,
        publications=None,
        corrections=("complaint.dismissed", "event.retracted"),
        is_stepped=True,
        is_ranked=True,
    ),
    to_next=None,
    facts=Facts("schemes/merchant-tier/limits.html", _limits),
    rests_on=None,
    opening=None,
)
