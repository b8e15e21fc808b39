"""An agency's level on the pages: its months, the total over time, its benefits, the creators that it rests on."""

from typing import Any, Final

from domain.calendar import parse_month
from domain.mcn_level.facts import evaluated_at, rules_of
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

_MONTHS: Final = "mcn_months"


def _points(told: Told, _: int) -> list[Point]:
    return [
        Point(evaluated_at(parse_month(row["month"]), rules_of(told.policy(row["policy_hash"]))), row["total"])
        for row in told.rows[_MONTHS]
    ]


def _bands(policy: Policy) -> list[Band]:
    rules = rules_of(policy)
    return [Band(code, begins) for code, begins in zip(rules.level_codes, rules.level_bounds, strict=True)]


def _to_next(told: Told, policy: Policy) -> int | None:
    if told.level["state"] != "rated":
        return None
    return missing_to(rules_of(policy).level_bounds, told.level["score"])


def _benefits(told: Told, policy: Policy) -> list[dict[str, Any]]:
    """The benefits that the state and level bring, each with what of it is published."""
    if told.level["state"] == "not_onboarded":
        return []
    level = told.level["level"]
    rank = -1 if level is None else rules_of(policy).level_codes.index(level)
    return held_benefits(policy, Entitled(rank))


MCN: Final = SchemePages(
    Periods(_MONTHS, "month", "schemes/mcn-level/periods.html", months_of_rows(_MONTHS)),
    Drawn(
        _points,
        _bands,
        publications=None,
        corrections=("credit.restored", "event.retracted"),
        is_stepped=True,
        is_ranked=False,
    ),
    _to_next,
    facts=Facts("schemes/benefits.html", _benefits),
    rests_on="schemes/mcn-level/creators.html",
    opening=None,
)
