"""A creator's Firefly level on the pages: points over time, what is missing, its benefits."""

from typing import Final

from domain.calendar import month_start, parse_month
from domain.creator_firefly.facts import rules_of
from domain.policy import Policy
from projections.desk.schemes.facet import (
    Band,
    Drawn,
    Periods,
    Point,
    SchemePages,
    Told,
    months_of_rows,
)

_MONTHS: Final = "firefly_months"


def _points(told: Told, as_of: int) -> list[Point]:
    """What was earned at each change of level, and at the close of each month in which points were judged."""
    changes = [Point(row["from_at"], row["score"]) for row in told.rows["history"]]
    closes = [
        Point(min(month_start(parse_month(row["month"]) + 1) - 1, as_of), row["score"]) for row in told.rows[_MONTHS]
    ]
    return sorted({*changes, *closes}, key=lambda point: point.at)


def _bands(policy: Policy) -> list[Band]:
    rules = rules_of(policy)
    return [Band(code, begins) for code, begins in zip(rules.codes, rules.bounds, strict=True)]


FIREFLY: Final = SchemePages(
    Periods(_MONTHS, "month", "schemes/creator-firefly/periods.html", months_of_rows(_MONTHS)),
    Drawn(
        _points,
        _bands,
        publications=None,
        publications_then=None,
        then_rows=None,
        corrections=("redemption.cancelled", "event.retracted"),
        is_stepped=False,
        is_ranked=False,
    ),
    rests_on=None,
    opening=None,
)
