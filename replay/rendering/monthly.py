"""How replays of schemes that evaluate month by month are written in answers: changes and evaluations."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from domain.calendar import month_text, shanghai_text
from replay.rendering.comparisons import trial_json
from replay.rendering.facet import SchemeAnswer, standing_json
from replay.replaying.base import Part
from replay.replaying.monthly import Evaluated, MonthlyReplay
from replay.replaying.values import LevelChange

ToldMonthly = TypeVar("ToldMonthly", bound=MonthlyReplay[Any])
Month = TypeVar("Month", bound=Evaluated)


class MonthlyAnswer(SchemeAnswer[ToldMonthly], Generic[ToldMonthly, Month]):
    """One such replay, as its answers show it."""

    def cause_json(self, change: LevelChange) -> dict[str, Any]:
        month = next(month for month in self.replay.months if month.at == change.at)
        return {"rule": change.cause, "month": month_text(month.month), "policy": month.policy.id}

    def explained_json(self, part: Part, shown: Sequence[int]) -> dict[str, Any]:
        """Every evaluation of the part, with every rule that was tried."""
        return {"evaluations": [self.evaluation_json(month) for month in self.replay.months_in(part)]}

    def evaluation_json(self, month: Month) -> dict[str, Any]:
        """One evaluation of an explanation."""
        return {
            "at": shanghai_text(month.at),
            "month": month_text(month.month),
            "policy": month.policy.id,
            **standing_json(month.standing),
            "rules": [trial_json(trial) for trial in month.trials],
        }
