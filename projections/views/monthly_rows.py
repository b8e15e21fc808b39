"""Rows that the views of monthly schemes have in common: a level's history and the level, from its evaluations."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from projections.views.rows import JUDGED, change_columns, level_columns
from projections.views.step import Rewrite, level_rewrite, numbered
from replay.replaying.monthly import NO_EVALUATION_YET

EVALUATION: Final = "evaluation"
"""What causes each change of these levels."""


class EvaluatedRow(NamedTuple):
    """A row of an evaluation's month, and the instant of the evaluation."""

    at: int
    row: dict[str, Any]

    @property
    def standing(self) -> tuple[str, str | None]:
        return self.row["state"], self.row["level"]


class UnevaluatedStanding(NamedTuple):
    """Of which scheme, and what the state is where nothing was evaluated."""

    scheme: str
    not_evaluated: str
    score: str = "score"
    """The column of what the scheme ranks by."""


def monthly_rewrites(
    subject: str, standing: UnevaluatedStanding, evaluated: Sequence[EvaluatedRow], judged: dict[str, Any]
) -> list[Rewrite]:
    """History and level from all evaluations, the earliest first; `judged` says by which policy where there is none."""
    rows = [history_row(subject, standing, item) for item in changes_of(evaluated)]
    return [
        Rewrite("history", {"subject": subject, "scheme": standing.scheme}, numbered(rows, None)),
        level_rewrite(level_row(subject, standing, evaluated, judged)),
    ]


def changes_of(evaluated: Sequence[EvaluatedRow]) -> list[EvaluatedRow]:
    """The evaluations that came to another state or level than the one before."""
    before: tuple[str, str | None] = (NO_EVALUATION_YET, None)
    changes = []
    for item in evaluated:
        if item.standing != before:
            changes.append(item)
        before = item.standing
    return changes


def history_row(subject: str, standing: UnevaluatedStanding, item: EvaluatedRow) -> dict[str, Any]:
    row = item.row
    after = row["state"], row["level"], row[standing.score]
    judged = {name: row[name] for name in JUDGED}
    return change_columns((subject, standing.scheme), item.at, after, judged, (EVALUATION, None))


def level_row(
    subject: str, standing: UnevaluatedStanding, evaluated: Sequence[EvaluatedRow], judged: dict[str, Any]
) -> dict[str, Any]:
    if not evaluated:
        state, level, score, since = standing.not_evaluated, None, None, None
    else:
        state, level = evaluated[-1].standing
        score = evaluated[-1].row[standing.score]
        judged = {name: evaluated[-1].row[name] for name in JUDGED}
        since = _since(evaluated)
    return level_columns((subject, standing.scheme), (state, level, score), (state, level, since), judged)


def _since(evaluated: Sequence[EvaluatedRow]) -> int:
    """The evaluation since which state and level are the same."""
    since = evaluated[-1].at
    for item in reversed(evaluated):
        if item.standing != evaluated[-1].standing:
            break
        since = item.at
    return since
