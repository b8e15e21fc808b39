"""What only the answers about a creator's level say: figures, gates, what it would take to rise, benefits, preview."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from domain.calendar import month_of, month_start, month_text, shanghai_text
from domain.creator_level.rule import SCHEME, Moves, moves
from domain.rules.comparison import decimal_text
from replay.policies.benefits import (
    NOTHING_HELD,
    Entitled,
    benefits_json,
    beside_json,
    codes_of,
    held_benefits,
    next_benefits,
)
from replay.rendering.ahead import next_dates_json
from replay.rendering.comparisons import comparison_json
from replay.rendering.facet import standing_json
from replay.rendering.monthly import MonthlyAnswer
from replay.schemes.creator_level.replay import CreatorReplay, Month

FIGURES: Final = ("month", "settled", "good", "sales_score", "behaviour_score", "reputation_mean", "credit_deducted")
APPEAL: Final = "facts"
"""What an appeal may concern: the level itself is computed, and not appealed as such (CREP)."""


class CreatorShown(NamedTuple):
    """What is shown of a creator, whether a replay gives it or the views do."""

    months: Sequence[Month]
    """Every evaluation up to `as_of`, the earliest first."""
    previewed: Month | None
    """What the version that can be previewed makes of the last."""
    registered: bool
    as_of: int


class CreatorAnswer(MonthlyAnswer[CreatorReplay, Month]):
    """One replay of one creator, as its answers show it."""

    figure_names = FIGURES

    def own_json(self) -> dict[str, Any]:
        replay = self.replay
        return creator_json(CreatorShown(replay.months, replay.previewed(), replay.begun, replay.moment.as_of))


def creator_json(shown: CreatorShown) -> dict[str, Any]:
    """The keys that only the answers about a creator's level have."""
    months = shown.months
    held = months[-1] if months else None
    before = held_benefits(months[-2].policy, holding_of(months[-2])) if len(months) > 1 else None
    upcoming = None if held is None else next_rank(held)
    following = month_start(month_of(shown.as_of) + 1)
    return {
        **(dict.fromkeys((*FIGURES, "gates")) if held is None else _figures_json(held)),
        "next_level": None if held is None else _next_level(held),
        "next_dates": next_dates_json(shanghai_text(following) if shown.registered else None),
        "preview": None if held is None or shown.previewed is None else _preview_json(held, shown.previewed),
        "diagnosis": None if held is None else _diagnosis_json(held),
        "benefits": benefits_json(held and held.policy, holding_of(held), before, upcoming),
        "appeal": APPEAL,
        "months": [
            _figures_json(month) | standing_json(month.standing) | {"policy": month.policy.id} for month in months
        ],
    }


def holding_of(month: Month | None) -> Entitled:
    """By what benefits are held: the level's rank, none where it is gated, and the mean reputation."""
    if month is None:
        return NOTHING_HELD
    figures = month.found.figures
    rank = None if month.found.gated else month.found.level
    return Entitled(rank, (figures.reputation_sum, figures.reputation_days))


def next_rank(month: Month) -> int:
    """The rank that is reached next: where a gate is not met, that which holds once it is; at the top, its own."""
    return month.found.level if month.found.gated else min(month.found.level + 1, len(month.rules.levels) - 1)


def _next_level(month: Month) -> str | None:
    """The level of that rank; None at the top."""
    rank = next_rank(month)
    return month.rules.levels[rank] if month.found.gated or rank > month.found.level else None


def _preview_json(held: Month, seen: Month) -> dict[str, Any]:
    """The evaluation that holds under the version that can be previewed, beside the one in force."""
    benefits = held_benefits(seen.policy, holding_of(seen))
    upcoming = next_benefits(seen.policy, codes_of(benefits), next_rank(seen))
    return {
        **standing_json(seen.standing),
        "policy": seen.policy.id,
        "policy_hash": seen.policy.hash,
        "rules": f"/v1/rules/{SCHEME}?policy={seen.policy.id}@{seen.policy.hash}&against={held.policy.id}",
        "takes_effect": shanghai_text(seen.policy.in_force_from),
        "present": standing_json(held.standing) | {"policy": held.policy.id},
        "gates": _gates_json(seen),
        "diagnosis": _diagnosis_json(seen),
        "benefits": benefits,
        "benefits_beside": beside_json(held_benefits(held.policy, holding_of(held)), benefits) | {"next": upcoming},
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
        "gates": _gates_json(month),
    }


def _gates_json(month: Month) -> dict[str, Any]:
    return {gate.what: comparison_json(gate) for gate in month.found.gates}


def _diagnosis_json(month: Month) -> dict[str, Any]:
    """The gates that are not met, and each single move that reaches the next level."""
    found = moves(month.found, month.rules)
    return {
        "gates_not_met": [comparison_json(gate) for gate in month.found.gates if not gate.met],
        "level_without_gates": month.rules.levels[month.found.level],
        "next_level": None if found is None else month.rules.levels[month.found.level + 1],
        "settled_missing": _move(found, found and found.settled_missing_fen),
        "share_needed": _move(found, found and found.share_percent),
    }


def _move(found: Moves | None, move: int | None) -> int | str | None:
    return None if found is None else "unreachable" if move is None else move
