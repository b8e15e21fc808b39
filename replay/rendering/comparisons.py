"""Comparisons and trials as JSON: exact fractions, and beside them decimals that are rounded half up."""

from typing import Any, Final

from domain.rules.comparison import Comparison, Trial, Worth, decimal_text

_PERCENT: Final = ("_rate", "_share", "_rate_of_day", "_share_of_day")


def comparison_json(item: Comparison) -> dict[str, Any]:
    """A figure, its value and what it was held against; rates and shares are shown in percent, rounded half up."""
    scale = _scale(item.what)
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
    figure = trial.comparisons[0].what if trial.comparisons else ""
    return {
        "rule": str(trial.rule),
        "kind": trial.kind,
        "fired": trial.fired,
        "points": trial.points,
        "compared": [comparison_json(item) for item in trial.comparisons],
        "reached": _worth_json(trial.reached, figure),
        "next": _worth_json(trial.next, figure),
        "withheld_by": list(trial.withheld_by),
    }


def _worth_json(band: Worth | None, figure: str) -> dict[str, Any] | None:
    if band is None:
        return None
    begins = decimal_text(band.begins * _scale(figure), band.denominator)
    return {"from": begins, "points": band.points, "level": band.level}


def _scale(figure: str) -> int:
    """What a figure is multiplied by to be shown."""
    return 100 if figure.endswith(_PERCENT) else 1
