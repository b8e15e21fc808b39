"""What only the answers about a creator's Firefly level say: points, what is missing, benefits, months."""

from typing import Any

from domain.calendar import month_start, month_text
from domain.creator_firefly.account import Change, Month, missing, rules_at
from domain.creator_firefly.rule import State
from replay.policies.benefits import benefits_json, held_benefits
from replay.rendering.facet import VerdictsAnswer
from replay.schemes.creator_firefly.replay import FireflyReplay


class FireflyAnswer(VerdictsAnswer[FireflyReplay]):
    """One replay of one creator, as its answers show it."""

    figure_names = ("score", "balance")

    def own_json(self) -> dict[str, Any]:
        return {
            "score": self.replay.run.account.earned,
            "balance": self.replay.run.account.balance,
            "to_next": self._to_next_json(),
            "benefits": self._benefits_json(),
            "months": [self._month_json(month) for month in self.replay.months],
        }

    def _to_next_json(self) -> dict[str, Any] | None:
        found = missing(self.replay.run.account, rules_at(self.replay.spans, self.replay.moment.as_of))
        return None if found is None else {"level": found[0], "points": found[1]}

    def _benefits_json(self) -> dict[str, Any]:
        """What the level brings, and what its last change won and lost."""
        changes = self.replay.level_changes
        before = self._held_before(changes[-1]) if changes else None
        return benefits_json(self.replay.policy, self._rank(self.replay.moment.as_of, self.replay.level), None, before)

    def _held_before(self, change: Change) -> list[str]:
        """Where the policy changed the level: by the policy before it."""
        instant = change.at if change.position is not None else change.at - 1
        held = held_benefits(self.replay.policy_at(instant), self._rank(instant, change.before))
        return [item["code"] for item in held]

    def _rank(self, instant: int, level: str | None) -> int | None:
        return None if level is None else rules_at(self.replay.spans, instant).codes.index(level)

    def _month_json(self, month: Month) -> dict[str, Any]:
        return {
            "month": month_text(month.month),
            "state": str(State.RATED),
            "level": month.level,
            "earned": month.earned,
            "redeemed": month.redeemed,
            "score": month.total,
            "balance": month.balance,
            "policy": self.replay.policy_at(month_start(month.month)).id,
        }
