"""Contributions and sums as JSON: whole numbers, each with its unit."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from domain.rules.contributions import Contribution, FigureSum

PeriodText = Callable[[int], str]
"""How a month or a day is written."""


def contribution_json(items: Sequence[Contribution], period_text: PeriodText) -> list[dict[str, Any]]:
    """What an event adds to figures."""
    return [
        {
            "figure": item.figure,
            "unit": item.unit,
            "amount": item.amount,
            "periods": list(map(period_text, item.periods)),
        }
        for item in items
    ]


def sums_json(sums: Sequence[FigureSum], period_text: PeriodText) -> list[dict[str, Any]]:
    """How the figures of each period add up."""
    return [
        {"period": period_text(period), "figures": list(map(_sum_json, figures))}
        for period, figures in groupby(sums, lambda item: item.period)
    ]


def _sum_json(item: FigureSum) -> dict[str, Any]:
    return {
        "figure": item.figure,
        "unit": item.unit,
        "lines": [{"what": line.what, "amount": line.amount} for line in item.lines],
        "value": item.value,
    }
