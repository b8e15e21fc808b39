"""What only the answers about a merchant's tier say: days, indicators, limits, and the rules tried at a day's close."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from domain.calendar import day_of, day_text, shanghai_text
from domain.merchant_tier.compared import fast_day_comparisons, indicators
from domain.merchant_tier.running import Change, Window, span_on
from domain.merchant_tier.values import NO_LIMIT, Account, Bounds, Cause, Day, Rules, Span, State, Tier
from domain.rules.comparison import Comparison
from replay.errors import UsageError
from replay.rendering.ahead import next_dates_json
from replay.rendering.comparisons import comparison_json, trial_json
from replay.rendering.facet import SchemeAnswer, standing_json
from replay.replaying.base import Part
from replay.schemes.merchant_tier.replay import TierReplay

INDICATORS: Final = ("complaint", "product", "service")
NOT_JUDGED: Final = (State.NOT_ONBOARDED, State.OUT_OF_SCOPE)
"""States of merchants that have no indicators: the scheme does not judge them."""


class TierShown(NamedTuple):
    """What is shown of a merchant, whether a replay gives it or the views do."""

    day: int
    """The last closed day."""
    state: State
    account: Account
    """At its close."""
    window: Window
    """The figures of the days that the indicators and a fast upgrade look at."""
    history: Sequence[tuple[int, Cause, int | None]]
    """Each day on which the tier was set or changed, by what, and to which rank; None for none."""
    spans: Sequence[Span]


class TierAnswer(SchemeAnswer[TierReplay]):
    """One replay of one merchant, as its answers show it."""

    figure_names = ("day", "since", "indicators")

    def period_text(self, period: int) -> str:
        return day_text(period)

    def when(self, instant: int) -> str:
        """The day: tiers change at its close."""
        return day_text(day_of(instant))

    def own_json(self) -> dict[str, Any]:
        replay = self.replay
        history = [(change.day, change.cause, _rank(change)) for change in replay.run.changes]
        return tier_json(TierShown(replay.day, replay.state, replay.account, replay.window, history, replay.spans))

    def check_part(self, part: Part) -> None:
        """Raises UsageError for a day before levels begin, and for one that has not closed."""
        day, begins = part.day, self.replay.spans[0].rules.start_day
        if day is not None and day < begins:
            raise UsageError(f"{day_text(day)} is before {day_text(begins)}, when levels begin; give a later day")
        if day is not None and day > self.replay.day:
            as_of = shanghai_text(self.replay.moment.as_of)
            raise UsageError(f"{day_text(day)} had not closed yet at {as_of}; give an earlier day, or a later as_of")

    def explained_json(self, part: Part, shown: Sequence[int]) -> dict[str, Any]:
        """Each day on which the tier changed, and the last closed one, with every rule that was tried."""
        return {"evaluations": [self._evaluation_json(day) for day in self.replay.days_in(part)]}

    def _lowest_json(self, day: int, rules: Rules) -> dict[str, Any] | None:
        """How long a merchant is in the lowest tier, of the days after which it is cleared out."""
        account = self.replay.after_evaluation(day)
        if not account.open or account.cleared_out or account.tier != 0:
            return None
        return {
            "level": self.replay.code_of(account),
            "since": day_text(account.lowest_since),
            "days": day - account.lowest_since,
            "limit": rules.clear_out_days,
        }

    def _evaluation_json(self, day: int) -> dict[str, Any]:
        """What stood before a day and after its close, and why: the window, its indicators against both bounds."""
        replay, account = self.replay, self.replay.evaluated(day)
        rules = span_on(replay.spans, day).rules
        is_judged = account.open and not account.cleared_out
        return {
            "at": day_text(day),
            "before": standing_json(replay.standing_after(day - 1)),
            "after": standing_json(replay.standing_after(day)),
            "decided": [str(change.cause) for change in replay.changes_on(day)],
            "since": day_text(account.since) if is_judged else None,
            "lowest": self._lowest_json(day, rules),
            "window": {"from": day_text(replay.window_of(day)), "to": day_text(day)},
            "indicators": _indicators_json(replay.window, day, rules, rules.tiers[account.tier] if is_judged else None),
            "unchanged": [
                {
                    "why": str(item.why),
                    "until": None if item.until is None else day_text(item.until),
                    "indicators": list(item.indicators),
                }
                for item in replay.unchanged(day)
            ],
            "rules": [trial_json(trial) for trial in replay.tried(day)],
        }


def tier_json(shown: TierShown) -> dict[str, Any]:
    """The keys that only the answers about a merchant's tier have."""
    _, rules, codes = span_on(shown.spans, shown.day)
    account, rated = shown.account, shown.state is State.RATED
    tier = rules.tiers[account.tier] if rated else None
    evaluation = day_text(max(shown.day + 1, account.since + rules.wait_days)) if rated else None
    return {
        "day": day_text(shown.day),
        "since": day_text(account.since) if rated else None,
        "indicators": None if shown.state in NOT_JUDGED else _indicators_json(shown.window, shown.day, rules, tier),
        "next_evaluation": evaluation,
        "next_level": codes[account.tier + 1] if tier is not None and tier.rises else None,
        "next_dates": next_dates_json(evaluation, update=day_text(shown.day + 1) if rated else None),
        "fast_upgrade": None if tier is None or not tier.rises else _fast_upgrade_json(shown, rules, tier),
        "clear_out": _clear_out_json(shown, rules) if rated and account.tier == 0 else None,
        "history": [
            {"day": day_text(day), "level": None if rank is None else codes[rank], "cause": str(cause)}
            for day, cause, rank in shown.history
        ],
        "limits": None
        if tier is None
        else {"orders": _limit(tier.orders_limit), "gmv_fen": _limit(tier.gmv_limit_fen)},
    }


def _rank(change: Change) -> int | None:
    return None if change.cause in (Cause.CLOSED, Cause.CLEARED_OUT) else change.after.tier


def _limit(limit: int) -> int | None:
    return None if limit == NO_LIMIT else limit


def _indicators_json(window: Window, day: int, rules: Rules, tier: Tier | None) -> dict[str, Any]:
    """The three indicators over the window that ends with a day, each against the values by which the tier rises and
    falls.
    """
    figures = window.over(day - rules.window_days + 1, day)
    up = _against(figures, tier.up) if tier is not None and tier.rises else [None] * len(INDICATORS)
    down = _down(figures, tier) if tier is not None and tier.falls else [None] * len(INDICATORS)
    found = {}
    for name, plain, better, worse in zip(INDICATORS, _against(figures, Bounds(0, 0, 0)), up, down, strict=True):
        value = comparison_json(plain)
        found[name] = {
            **{key: value[key] for key in ("numerator", "denominator", "value")},
            "up": None if better is None else _bound_json(better),
            "down": None if worse is None else _bound_json(worse),
        }
    return found


def _against(figures: Day, bounds: Bounds) -> list[Comparison]:
    return indicators(figures, ("<", ">", ">"), bounds)


def _down(figures: Day, tier: Tier) -> list[Comparison]:
    return indicators(figures, (">", "<", "<"), tier.down)


def _bound_json(compared: Comparison) -> dict[str, Any]:
    found = comparison_json(compared)
    return {name: found[name] for name in ("relation", "bound", "met")}


def _fast_upgrade_json(shown: TierShown, rules: Rules, tier: Tier) -> dict[str, Any]:
    """Until when one can come, and what it asks: of the window, and of one day since the last change: the first that
    did all of it, or else the last closed one.
    """
    day, account = shown.day, shown.account
    done = account.fast_day <= day
    looked_at = account.fast_day if done else day if day > account.since else None
    figures = Day(day) if looked_at is None else shown.window.over(looked_at, looked_at)
    better = _against(shown.window.over(day - rules.window_days + 1, day), tier.up)
    last = account.since + rules.wait_days - 1
    return {
        "open": day < last,
        "last_day": day_text(last),
        "day": None if looked_at is None else day_text(looked_at),
        "day_is_met": done,
        "compared": [comparison_json(item) for item in (*better, *fast_day_comparisons(figures, tier, rules))],
    }


def _clear_out_json(shown: TierShown, rules: Rules) -> dict[str, Any]:
    """Since when the tier is the lowest, at the close of which day it is cleared out, and how many days that leaves."""
    since = shown.account.lowest_since
    last = since + rules.clear_out_days
    return {"lowest_since": day_text(since), "on": day_text(last), "days_left": last - shown.day}
