"""What only the answers about a creator's level say: figures, gates, what it would take to rise, benefits."""

from typing import Any

from domain.calendar import month_text
from domain.creator_level.rule import Moves, moves
from domain.rules.comparison import decimal_text
from replay.policies.benefits import benefits_json, held_benefits
from replay.rendering.comparisons import comparison_json
from replay.rendering.facet import standing_json
from replay.rendering.monthly import MonthlyAnswer
from replay.schemes.creator_level.replay import CreatorReplay, Month


class CreatorAnswer(MonthlyAnswer[CreatorReplay, Month]):
    """One replay of one creator, as its answers show it."""

    figure_names = ("month", "settled", "good", "sales_score", "behaviour_score", "reputation_mean", "credit_deducted")

    def own_json(self) -> dict[str, Any]:
        held, months = self.replay.held, self.replay.months
        previous = months[-2] if len(months) > 1 else None
        return {
            **(dict.fromkeys((*self.figure_names, "gates")) if held is None else _figures_json(held)),
            "preview": self._preview_json(),
            "diagnosis": None if held is None else _diagnosis_json(held),
            "benefits": benefits_json(held and held.policy, *_benefit_terms(held), _held_before(previous)),
            "months": [
                _figures_json(month) | standing_json(month.standing) | {"policy": month.policy.id} for month in months
            ],
        }

    def _preview_json(self) -> dict[str, Any] | None:
        seen = self.replay.previewed()
        if seen is None:
            return None
        benefits = held_benefits(seen.policy, *_benefit_terms(seen))
        return standing_json(seen.standing) | {"policy": seen.policy.id, "benefits": benefits}


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
    return [item["code"] for item in held_benefits(month.policy, *_benefit_terms(month))]
