"""A creator's level replayed: each month's evaluation, the one that holds, and what it would take to rise."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar, NamedTuple

from domain.calendar import month_of, month_start
from domain.creator_level.contributions import (
    DaysBefore,
    contributed,
    counts_for,
    days_before,
    last_month_of,
    sums_of,
)
from domain.creator_level.facts import (
    DAILY_TYPES,
    VERDICTS,
    Verdict,
    evaluation_period,
    figures_of,
    history_of,
    rules_of,
)
from domain.creator_level.rule import SCHEME, Evaluation, Figures, Rules, State, evaluate, ranking_score, trials
from domain.events import Event
from domain.limits import DAY_MICROS
from domain.policy import Policy, terms_of
from domain.rules.comparison import Trial
from domain.rules.contributions import Contribution, FigureSum
from replay.history.timeline import Moment, taking_part
from replay.replaying.base import Policies
from replay.replaying.monthly import MonthlyReplay
from replay.replaying.values import Instants, Judged, Measure, Standing


class Month(NamedTuple):
    """One month's evaluation, by which policy, and what it was made with."""

    policy: Policy
    rules: Rules
    found: Evaluation

    @property
    def month(self) -> int:
        return self.found.figures.month

    @property
    def level(self) -> str | None:
        """The level's code; None when gated."""
        return None if self.found.gated else self.rules.levels[self.found.level]

    @property
    def score(self) -> int:
        """What creators are ranked by."""
        return ranking_score(self.found.sales_score, self.found.behaviour_score, self.rules)

    @property
    def at(self) -> int:
        """00:00 of the 1st of the month after."""
        return month_start(self.month + 1)

    @property
    def trials(self) -> list[Trial]:
        return trials(self.found, self.rules)

    @property
    def standing(self) -> Standing:
        return Standing(str(self.found.state), self.level)


class CreatorReplay(MonthlyReplay[Month]):
    """One replay of one creator."""

    scheme = SCHEME
    words = tuple(map(str, VERDICTS))
    reputation_figures = (5, 6)
    period_start = staticmethod(evaluation_period)
    figures_decided = 8
    thresholds: ClassVar[Mapping[str, Measure | None]] = {
        "sales_bands/*/from_fen": Measure(1),
        "behaviour_bands/*/from_percent": Measure(2, 1, 100),
        "gates/reputation_hundredths_min": Measure(5, 6),
        "gates/deducted_max": Measure(7),
    }

    def __init__(self, subject: str, known: list[Event], moment: Moment, policies: Policies) -> None:
        super().__init__(subject, known, moment, policies)
        self.terms = terms_of(policies.own, evaluation_period)
        self._rules = {term.policy.hash: rules_of(term.policy) for term in self.terms}
        self.took_part = taking_part(known, moment.as_of)
        self.history, self._findings = history_of(self.took_part)
        self.registered_at = self.history.registered_at
        self.months = self._evaluated()

    @cached_property
    def judged(self) -> Sequence[Judged]:
        return [Judged(found.at, found.position, str(found.verdict)) for found in self._findings]

    @property
    def score(self) -> int | None:
        return None if self.held is None else self.held.score

    @property
    def decided_figures(self) -> Sequence[int]:
        """Of the evaluation that holds; none where there is none."""
        if self.held is None:
            return []
        found, figures = self.held.found, self.held.found.figures
        return [
            self.held.month,
            found.settled_fen,
            found.good_fen,
            found.sales_score,
            found.behaviour_score,
            figures.reputation_sum,
            figures.reputation_days,
            figures.deducted,
        ]

    @property
    def begun(self) -> bool:
        return self.registered_at is not None

    @property
    def not_begun(self) -> str:
        return str(State.NOT_REGISTERED)

    def previewed(self) -> Month | None:
        """What the next version, which can be previewed, makes of the evaluation that holds."""
        if self.held is None or not self.policies.previewed:
            return None
        policy = self.policies.previewed[0]
        rules = rules_of(policy)
        return Month(policy, rules, evaluate(self.figures(self.held.month, rules), rules))

    def figures(self, month: int, rules: Rules) -> Figures:
        """A month's figures as some rules count them."""
        return figures_of(self.history, month, rules.gate_days)

    @classmethod
    def level_codes(cls, policy: Policy) -> Sequence[str]:
        return rules_of(policy).levels

    # --- contributions ------------------------------------------------------------------------------------------------

    def contribution(self, index: int) -> Sequence[Contribution]:
        judged = self.judged[index]
        if judged.verdict != Verdict.COUNTED:
            return ()
        event = self.events[judged.position]
        order = getattr(event.data, "order", None)
        months = self._months_counting(event)
        return contributed(event, order is not None and self._good_orders[order], months) if months else ()

    def _months_counting(self, event: Event) -> tuple[int, ...]:
        """The months that are evaluated, or will be, and for which an event counts."""
        if self.registered_at is None:
            return ()
        at, own = event.occurred_at, month_of(event.occurred_at)
        is_daily = event.type in DAILY_TYPES
        last = max(last_month_of(at, rules) for rules in self._rules.values()) if is_daily else own
        return tuple(
            month
            for month in range(max(own, month_of(self.registered_at)), last + 1)
            if month >= self._rules_of(month).first_month
            and (not is_daily or counts_for(at, month, self._rules_of(month)))
        )

    def _rules_of(self, month: int) -> Rules:
        return self._rules[self.policy_at(month_start(month)).hash]

    @cached_property
    def _good_orders(self) -> dict[str, bool]:
        """By order, whether its first sale was of good goods."""
        sales = (event.data for event in reversed(self.took_part) if event.type == "sale.settled")
        return {sale.order: sale.good_goods for sale in sales}

    def month_sums(self, month: Month) -> Sequence[FigureSum]:
        return sums_of(month.found, self.days_before(month), month.rules)

    def days_before(self, month: Month) -> DaysBefore:
        """What the days before a month add to its evaluation."""
        return days_before(self.history, month.month, month.rules)

    def gating(self, month: Month) -> list[Event]:
        """The scores and deductions that count for a month's gates, in the order of judgement."""
        places = self.verdicts_in(self._gate_of(month), None, Verdict.COUNTED)
        counted = (self.events[self.judged[place].position] for place in places)
        return [event for event in counted if event.type in DAILY_TYPES]

    @staticmethod
    def _gate_of(month: Month) -> Instants:
        """The days that count for a month's gates."""
        return Instants(month.at - month.rules.gate_days * DAY_MICROS, month.at)

    def _evaluated(self) -> list[Month]:
        """Every month up to the last that is evaluated at `as_of`."""
        if self.registered_at is None:
            return []
        months = range(month_of(self.registered_at), month_of(self.moment.as_of))
        return [found for month in months if (found := self._evaluation(month)) is not None]

    def _evaluation(self, month: int) -> Month | None:
        policy = self.policy_at(month_start(month))
        rules = self._rules[policy.hash]
        if month < rules.first_month:
            return None
        return Month(policy, rules, evaluate(self.figures(month, rules), rules))
