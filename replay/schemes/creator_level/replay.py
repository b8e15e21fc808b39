"""A creator's level replayed: each month's evaluation, the one that holds, and what it would take to rise."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from domain.calendar import month_of, month_start, month_text
from domain.creator_level.facts import evaluation_period, figures_of, history_of, rules_of
from domain.creator_level.rule import SCHEME, Evaluation, Moves, Rules, State, evaluate, moves, ranking_score, trials
from domain.events import Event
from domain.policy import Policy, terms_of
from domain.rules.comparison import Trial, decimal_text
from replay.history.timeline import Moment, taking_part
from replay.policies.benefits import benefits_json
from replay.replaying.base import Judged, Policies
from replay.replaying.comparisons import comparison_json
from replay.replaying.monthly import MonthlyReplay


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

    def standing_json(self) -> dict[str, Any]:
        return {"state": str(self.found.state), "level": self.level}


def decided_at(month: int, policy: Policy) -> tuple[int, int]:
    """As of when a month is decided, and from when on: 00:00 of the 1st of the next."""
    end = month_start(month + 1)
    return end, end


class CreatorReplay(MonthlyReplay[Month]):
    """One replay of one creator."""

    scheme = SCHEME
    figure_names = ("month", "settled", "good", "sales_score", "behaviour_score", "reputation_mean", "credit_deducted")

    def __init__(self, subject: str, known: list[Event], moment: Moment, policies: Policies) -> None:
        super().__init__(subject, known, moment, policies)
        self.terms = terms_of(policies.own, evaluation_period)
        self._rules = {term.policy.hash: rules_of(term.policy) for term in self.terms}
        self.took_part = taking_part(known, moment.as_of)
        self.history, self._findings = history_of(self.took_part)
        self.months = self._evaluated()

    @cached_property
    def judged(self) -> Sequence[Judged]:
        return [Judged(found.at, found.position, str(found.verdict)) for found in self._findings]

    @property
    def score(self) -> int | None:
        return None if self.held is None else self.held.score

    @property
    def begun(self) -> bool:
        return self.history.registered_at is not None

    @property
    def not_begun(self) -> str:
        return str(State.NOT_REGISTERED)

    @classmethod
    def level_names_of(cls, policies: Policies, language: str) -> dict[str, str]:
        terms = terms_of(policies.own, evaluation_period)
        return {code: code for term in terms for code in rules_of(term.policy).levels}

    def _evaluated(self) -> list[Month]:
        """Every month up to the last that is evaluated at `as_of`."""
        if self.history.registered_at is None:
            return []
        months = range(month_of(self.history.registered_at), month_of(self.moment.as_of))
        return [found for month in months if (found := self._evaluation(month)) is not None]

    def _evaluation(self, month: int) -> Month | None:
        policy = self.policy_at(month_start(month))
        rules = self._rules[policy.hash]
        if month < rules.first_month:
            return None
        return Month(policy, rules, evaluate(figures_of(self.history, month, rules.gate_days), rules))

    # --- answers ------------------------------------------------------------------------------------------------------

    def own_json(self) -> dict[str, Any]:
        held = self.held
        previous = self.months[-2] if len(self.months) > 1 else None
        empty = dict.fromkeys(
            (
                "month",
                "settled",
                "good",
                "sales_score",
                "behaviour_score",
                "reputation_mean",
                "credit_deducted",
                "gates",
            )
        )
        figures = empty if held is None else _figures_json(held)
        return {
            **figures,
            "preview": self._preview_json(),
            "diagnosis": None if held is None else _diagnosis_json(held),
            "benefits": benefits_json(held and held.policy, *_benefit_terms(held), _held_before(previous)),
            "months": [
                _figures_json(month) | month.standing_json() | {"policy": month.policy.id} for month in self.months
            ],
        }

    def _preview_json(self) -> dict[str, Any] | None:
        """What the next version, which can be previewed, makes of the evaluation that holds."""
        if self.held is None or not self.policies.previewed:
            return None
        policy = self.policies.previewed[0]
        rules = rules_of(policy)
        found = evaluate(figures_of(self.history, self.held.month, rules.gate_days), rules)
        seen = Month(policy, rules, found)
        return seen.standing_json() | {
            "policy": policy.id,
            "benefits": benefits_json(policy, *_benefit_terms(seen), None)["held"],
        }


def _figures_json(month: Month) -> dict[str, Any]:
    found, figures = month.found, month.found.figures
    return {
        "month": month_text(month.month),
        "settled": found.settled_fen,
        "good": found.good_fen,
        "sales_score": found.sales_score,
        "behaviour_score": found.behaviour_score,
        "reputation_mean": decimal_text(figures.reputation_sum, figures.reputation_days * 100),
        "credit_deducted": figures.deducted,
        "gates": {gate.what: comparison_json(gate) for gate in found.gates},
    }


def _diagnosis_json(month: Month) -> dict[str, Any]:
    """The gates that are not met, and each single move that reaches the next level."""
    found = moves(month.found, month.rules)
    return {
        "gates_not_met": [comparison_json(gate) for gate in month.found.gates if not gate.met],
        "next_level": None if found is None else month.rules.levels[month.found.level + 1],
        "settled_missing": _move(found, found and found.settled_missing_fen),
        "share_needed": _move(found, found and found.share_percent),
    }


def _move(found: Moves | None, move: int | None) -> int | str | None:
    return None if found is None else "unreachable" if move is None else move


def _benefit_terms(month: Month | None) -> tuple[int | None, tuple[int, int] | None]:
    """The level's rank, and the mean reputation as sum and days: what benefits ask."""
    if month is None:
        return None, None
    figures = month.found.figures
    return None if month.found.gated else month.found.level, (figures.reputation_sum, figures.reputation_days)


def _held_before(month: Month | None) -> list[str] | None:
    if month is None:
        return None
    return [item["code"] for item in benefits_json(month.policy, *_benefit_terms(month), None)["held"]]
