"""Periods that are alike are told as one: those that follow one another, and no others."""

from typing import Any

import pytest

from domain.calendar import month_text
from replay.rendering.folding import Fold, folded


def shown_level(row: dict[str, Any]) -> str:
    return str(row["level"])


@pytest.mark.parametrize(
    ("periods", "folds"),
    [
        ("2022-11 a", ["2022-11 2022-11 1 a"]),
        ("2022-11 a, 2022-12 a, 2023-01 a, 2023-02 b", ["2022-11 2023-01 3 a", "2023-02 2023-02 1 b"]),
        ("2022-11 a, 2023-01 a", ["2022-11 2022-11 1 a", "2023-01 2023-01 1 a"]),
        ("2022-11 a, 2022-12 b, 2023-01 a", ["2022-11 2022-11 1 a", "2022-12 2022-12 1 b", "2023-01 2023-01 1 a"]),
        ("2022-11-30 a, 2022-12-01 a, 2022-12-03 a", ["2022-11-30 2022-12-01 2 a", "2022-12-03 2022-12-03 1 a"]),
        ("2022-11-30 a, 2022-11-30 a", ["2022-11-30 2022-11-30 1 a", "2022-11-30 2022-11-30 1 a"]),
        ("", []),
    ],
)
def test_only_equal_periods_without_a_gap_are_one(periods: str, folds: list[str]) -> None:
    rows = [dict(zip(("period", "level"), item.split(), strict=True)) for item in periods.split(", ") if item]
    found = folded(rows, "period", shown_level)
    assert [f"{fold.first} {fold.last} {fold.periods} {fold.shown}" for fold in found] == folds


def test_nothing_is_lost_in_folds() -> None:
    rows = [{"month": month_text(24_000 + n), "level": "ab"[(n * n) % 7 > 2]} for n in range(60)]
    folds = folded(rows, "month", shown_level)
    assert len(folds) < len(rows) and sum(fold.periods for fold in folds) == len(rows)
    assert [fold.shown for fold in folds for _ in range(fold.periods)] == [row["level"] for row in rows]
    assert folds[0] == Fold("2000-01", "2000-02", 2, "a")
