"""A creator's Firefly level on the pages: points over time, what is missing, its benefits."""

from typing import Any, Final

from domain.calendar import month_start, parse_month
from domain.creator_firefly.facts import rules_of
from domain.policy import Policy
from projections.desk.schemes.facet import (
    Band,
    Drawn,
    Facts,
    Periods,
    Point,
    SchemePages,
    Told,
    missing_to,
    months_of_rows,
)
from replay.policies.benefits import Entitled, held_benefits

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


def _to_next(told: Told, policy: Policy) -> int | None:
    return None if told.level["level"] is None else missing_to(rules_of(policy).bounds, told.level["score"])


def _benefits(told: Told, policy: Policy) -> list[dict[str, Any]]:
    """The benefits that the level brings, each with what of it is published."""
    level = told.level["level"]
    if level is None:
        return []
    return held_benefits(policy, Entitled(rules_of(policy).codes.index(level)))


FIREFLY: Final = SchemePages(
    Periods(_MONTHS, "month", "schemes/creator-firefly/periods.html", months_of_rows(_MONTHS)),
    Drawn(
        _points,
        _bands,
        publications=None,
        corrections=("redemption.cancelled", "event.retracted"),
        is_stepped=False,
        is_ranked=False,
    ),
    _to_next,
    facts=Facts("schemes/benefits.html", _benefits),
    rests_on=None,
    opening=None,
)
