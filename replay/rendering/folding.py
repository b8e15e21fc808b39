"""Periods that follow one another and are alike in all that is shown of them, told as one."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from domain.calendar import parse_day, parse_month

_MONTH_CHARS = len("2022-11")


class Fold(NamedTuple):
    """A stretch of periods that are alike."""

    first: str
    last: str
    periods: int
    shown: Any
    """What is shown of each of them."""


def folded(rows: Iterable[Mapping[str, Any]], period: str, shown: Callable[[Any], Any]) -> list[Fold]:
    """Rows of periods, the earliest first; `period` is the key under which a row names its own."""
    folds: list[Fold] = []
    for row in rows:
        name, told = row[period], shown(row)
        before = folds[-1] if folds else None
        if before is not None and before.shown == told and _number(name) == _number(before.last) + 1:
            folds[-1] = before._replace(last=name, periods=before.periods + 1)
        else:
            folds.append(Fold(name, name, 1, told))
    return folds


def _number(period: str) -> int:
    return parse_month(period) if len(period) == _MONTH_CHARS else parse_day(period)
