"""What only the answers about a merchant's tier say: days, indicators, limits, and the rules tried at a day's close."""

from collections.abc import Sequence
from typing import Any

from domain.calendar import day_of, day_text
from domain.merchant_tier.rule import NO_LIMIT, Bounds, Cause, Change, Day, indicators, span_on
from replay.rendering.comparisons import comparison_json, trial_json
from replay.rendering.facet import SchemeAnswer
from replay.replaying.base import Part
from replay.schemes.merchant_tier.replay import TierReplay


class TierAnswer(SchemeAnswer[TierReplay]):
    """One replay of one merchant, as its answers show it."""

    figure_names = ("day", "since", "indicators")

    def when(self, instant: int) -> str:
        """The day: tiers change at its close."""
        return day_text(day_of(instant))

    def own_json(self) -> dict[str, Any]:
        replay = self.replay
        rules, account = span_on(replay.spans, replay.day).rules, replay.account
        tier, rated = rules.tiers[account.tier], replay.is_rated
        return {
            "day": day_text(replay.day),
            "since": day_text(account.since) if rated else None,
            "indicators": _indicators_json(replay.window.over(replay.day - rules.window_days + 1, replay.day)),
            "next_evaluation": day_text(max(replay.day + 1, account.since + rules.wait_days)) if rated else None,
            "history": [
                {"day": day_text(change.day), "level": self._level(change), "cause": str(change.cause)}
                for change in replay.run.changes
            ],
            "limits": {"orders": _limit(tier.orders_limit), "gmv_fen": _limit(tier.gmv_limit_fen)} if rated else None,
        }

    def explained_json(self, part: Part, shown: Sequence[int]) -> dict[str, Any]:
        """Each day on which the tier changed, and the last closed one, with every rule that was tried."""
        return {"evaluations": [self._evaluation_json(day) for day in self.replay.days_in(part)]}

    def _level(self, change: Change) -> str | None:
        gone = change.cause in (Cause.CLOSED, Cause.CLEARED_OUT)
        return None if gone else self.replay.code_of(change.after)

    def _evaluation_json(self, day: int) -> dict[str, Any]:
        before = self.replay.evaluated(day)
        return {
            "at": day_text(day),
            "level": self.replay.code_of(before) if before.open else None,
            "decided": [str(change.cause) for change in self.replay.changes_on(day)],
            "rules": [trial_json(trial) for trial in self.replay.tried(day)],
        }


def _limit(limit: int) -> int | None:
    return None if limit == NO_LIMIT else limit


def _indicators_json(figures: Day) -> dict[str, Any]:
    """The three indicators over the window."""
    nothing = Bounds(0, 0, 0)
    found = indicators(figures, (">", ">", ">"), nothing)
    return {
        name: {
            key: value for key, value in comparison_json(item).items() if key in ("numerator", "denominator", "value")
        }
        for name, item in zip(("complaint", "product", "service"), found, strict=True)
    }
