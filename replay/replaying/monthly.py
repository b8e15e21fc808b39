"""What replays of schemes that evaluate month by month have in common: the evaluation that holds, changes, parts."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

from domain.policy import Policy, Term, term_at
from domain.rules.comparison import Trial
from domain.rules.contributions import FigureSum
from replay.replaying.base import Part, Replay
from replay.replaying.values import Effective, LevelChange, Standing

NO_EVALUATION_YET: Final = "no_evaluation_yet"
EVALUATION: Final = "evaluation"
"""What changes a level of these schemes."""


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

    @property
    def standing(self) -> Standing:
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

    def standing(self) -> Standing:
        if self.held is not None:
            return self.held.standing
        return Standing(NO_EVALUATION_YET if self.begun else self.not_begun, None)

    def effective(self) -> Effective:
        """The level itself, and the evaluation since which state and level are the same."""
        standing, since = self.standing(), None
        for month in reversed(self.months):
            if month.standing != standing:
                break
            since = month.at
        return Effective(standing.state, standing.level, since)

    def changes(self) -> Sequence[LevelChange]:
        """A change is an evaluation that comes to another state or level than the one before."""
        before = Standing(NO_EVALUATION_YET, None)
        changes = []
        for month in self.months:
            after = month.standing
            if after != before:
                changes.append(LevelChange(month.at, before, after, EVALUATION))
            before = after
        return changes

    def month_standing(self, month: int) -> Standing | None:
        """What the month's own evaluation came to, which holds from the next month on."""
        return next((found.standing for found in self.months if found.month == month), None)

    def rules_shown(self, part: Part) -> list[tuple[str, Policy]]:
        return [(trial.rule, month.policy) for month in self.months_in(part) for trial in month.trials]

    def sums(self, part: Part) -> Sequence[FigureSum]:
        return [item for month in self.months_in(part) for item in self.month_sums(month)]

    @abstractmethod
    def month_sums(self, month: Month) -> Sequence[FigureSum]:
        """How the figures of a month add up."""

    def months_in(self, part: Part) -> list[Month]:
        """The evaluations of a part."""
        return [month for month in self.months if part.month in (None, month.month)]
