"""A creator's level on the pages: its months, the weighted score over time, its benefits."""

from typing import Final

from domain.calendar import month_start, parse_month
from domain.creator_level.facts import rules_of
from domain.policy import Policy
from projections.desk.schemes.facet import Band, Drawn, Periods, Point, SchemePages, Told, months_of_rows

_MONTHS: Final = "creator_months"


def _points(told: Told, _: int) -> list[Point]:
    return [Point(month_start(parse_month(row["month"]) + 1), row["score"]) for row in told.rows[_MONTHS]]


def _bands(policy: Policy) -> list[Band]:
    # The score counts twentieths of the weighted mean, which is rounded half up to the level.
    return [Band(code, max(5 * rank - 2, 0)) for rank, code in enumerate(rules_of(policy).levels)]


def _formula(policy: Policy) -> str:
    """As `ranking_score` reckons: twentieths of the weighted mean, so 4 S + B, or 5 S where sales alone weigh."""
    rules = rules_of(policy)
    weights = ((rules.sales_percent // 20, "S"), (rules.behaviour_percent // 20, "B"))
    return " + ".join(name if weight == 1 else f"{weight} {name}" for weight, name in weights if weight)


CREATOR: Final = SchemePages(
    Periods(_MONTHS, "month", "schemes/creator-level/periods.html", months_of_rows(_MONTHS)),
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
    rests_on=None,
    opening=None,
    formula=_formula,
)
