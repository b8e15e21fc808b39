"""Comparisons and trials as JSON: exact fractions, and beside them decimals that are rounded half up."""

from typing import Any, Final

from domain.rules.comparison import Comparison, Trial, decimal_text

_PERCENT: Final = ("_rate", "_share", "_rate_of_day", "_share_of_day")


def comparison_json(item: Comparison) -> dict[str, Any]:
    """A figure, its value and what it was held against; rates and shares are shown in percent, rounded half up."""
    scale = 100 if item.what.endswith(_PERCENT) else 1
    return {
        "what": item.what,
        "numerator": item.numerator,
        "denominator": item.denominator,
        "value": decimal_text(item.numerator * scale, item.denominator),
        "unit": "percent" if scale == 100 else "number",
        "relation": item.relation,
        "bound": decimal_text(item.bound * scale, item.bound_denominator),
        "met": item.met,
    }


def trial_json(trial: Trial) -> dict[str, Any]:
    """A rule that was tried."""
    return {
        "rule": str(trial.rule),
        "fired": trial.fired,
        "points": trial.points,
        "compared": [comparison_json(item) for item in trial.comparisons],
    }
