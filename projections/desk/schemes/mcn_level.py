"""An agency's level on the pages: its months, the total over time, its benefits, the creators that it rests on."""

from typing import Final

from domain.calendar import parse_month
from domain.mcn_level.facts import evaluated_at, rules_of
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

_MONTHS: Final = "mcn_months"


def _points(told: Told, _: int) -> list[Point]:
    return [
        Point(evaluated_at(parse_month(row["month"]), rules_of(told.policy(row["policy_hash"]))), row["total"])
        for row in told.rows[_MONTHS]
    ]


def _bands(policy: Policy) -> list[Band]:
    rules = rules_of(policy)
    return [Band(code, begins) for code, begins in zip(rules.level_codes, rules.level_bounds, strict=True)]


MCN: Final = SchemePages(
    Periods(_MONTHS, "month", "schemes/mcn-level/periods.html", months_of_rows(_MONTHS)),
    Drawn(
        _points,
        _bands,
        publications=None,
        publications_then=None,
        then_rows=None,
        corrections=("credit.restored", "event.retracted"),
        is_stepped=True,
        is_ranked=False,
    ),
    rests_on="schemes/mcn-level/creators.html",
    opening=None,
)
