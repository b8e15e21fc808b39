"""What replays of schemes that evaluate month by month have in common: the evaluation that holds, changes, parts."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

from domain.calendar import month_text, shanghai_text
from domain.policy import Policy, Term, term_at
from domain.rules.comparison import Trial
from replay.replaying.base import Part, Replay
from replay.replaying.comparisons import trial_json

NO_EVALUATION_YET = "no_evaluation_yet"


class Evaluated(Protocol):
    """One month's evaluation."""

    @property
    def month(self) -> int: ...

    @property
    def policy(self) -> Policy: ...

    @property
    def at(self) -> int:
        """The instant of the evaluation."""

    @property
    def trials(self) -> list[Trial]:
        """Every rule that was tried, in order."""

    def standing_json(self) -> dict[str, Any]:
        """State and level."""


Month = TypeVar("Month", bound=Evaluated)


class MonthlyReplay(Replay, Generic[Month]):
    """A replay whose level is that of the last evaluation at or before `as_of`."""

    months: Sequence[Month]
    """Every evaluation up to `as_of`, the earliest first."""
    terms: Sequence[Term]

    @property
    @abstractmethod
    def begun(self) -> bool:
        """Whether the subject was registered or onboarded by then."""

    @property
    @abstractmethod
    def not_begun(self) -> str:
        """The state of a subject that was not."""

    @property
    def held(self) -> Month | None:
        """The evaluation that holds at `as_of`."""
        return self.months[-1] if self.months else None

    @property
    def policy(self) -> Policy:
        return self.policy_at(self.moment.as_of) if self.held is None else self.held.policy

    def policy_at(self, instant: int) -> Policy:
        return term_at(self.terms, instant).policy

    def standing_json(self) -> dict[str, Any]:
        if self.held is not None:
            return self.held.standing_json()
        return {"state": NO_EVALUATION_YET if self.begun else self.not_begun, "level": None}

    def effective_json(self) -> dict[str, Any]:
        """The level itself, and the evaluation since which state and level are the same."""
        since = None
        for month in reversed(self.months):
            if month.standing_json() != self.standing_json():
                break
            since = shanghai_text(month.at)
        return self.standing_json() | {"since": since}

    def changes_json(self) -> list[dict[str, Any]]:
        """A change is an evaluation that comes to another state or level than the one before."""
        before: dict[str, Any] = {"state": NO_EVALUATION_YET, "level": None}
        changes = []
        for month in self.months:
            after = month.standing_json()
            if after != before:
                cause = {"rule": "evaluation", "month": month_text(month.month), "policy": month.policy.id}
                changes.append({"at": shanghai_text(month.at), "before": before, "after": after, "cause": cause})
            before = after
        return changes

    def rules_shown(self, part: Part) -> list[tuple[str, Policy]]:
        return [(trial.rule, month.policy) for month in self._in_part(part) for trial in month.trials]

    def explained_json(self, part: Part, shown: Sequence[int]) -> dict[str, Any]:
        """Every evaluation of the part, with every rule that was tried."""
        return {"evaluations": [self.evaluation_json(month) for month in self._in_part(part)]}

    def evaluation_json(self, month: Month) -> dict[str, Any]:
        """One evaluation of an explanation."""
        return {
            "at": shanghai_text(month.at),
            "month": month_text(month.month),
            "policy": month.policy.id,
            **month.standing_json(),
            "rules": [trial_json(trial) for trial in month.trials],
        }

    def _in_part(self, part: Part) -> list[Month]:
        return [month for month in self.months if part.month in (None, month.month)]
