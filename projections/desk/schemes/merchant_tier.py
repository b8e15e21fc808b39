"""A merchant's tier on the pages: its days, its rank over time, its daily limits."""

from typing import Final

from domain.merchant_tier.facts import codes_of
from domain.policy import Policy
from projections.desk.schemes.facet import Band, Drawn, Periods, Point, SchemePages, Told

_DAYS: Final = "tier_days"
_MONTH_CHARS: Final = len("2022-11")


def _months(told: Told) -> list[str]:
    return sorted({row["day"][:_MONTH_CHARS] for row in told.rows[_DAYS]}, reverse=True)


def _points(told: Told, _: int) -> list[Point]:
    return [Point(row["from_at"], row["score"]) for row in told.rows["history"]]


def _bands(policy: Policy) -> list[Band]:
    return [Band(code, rank) for rank, code in enumerate(codes_of(policy))]


TIER: Final = SchemePages(
    Periods(_DAYS, "number", "schemes/merchant-tier/periods.html", _months),
    Drawn(
        _points,
        _bands,
        publications=None,
        publications_then=None,
        then_rows=None,
        corrections=("complaint.dismissed", "event.retracted"),
        is_stepped=True,
        is_ranked=True,
    ),
    rests_on="schemes/merchant-tier/day.html",
    opening=None,
)
