"""A merchant's tier replayed: the tier after the last closed day, its indicators, and what changed it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from domain.calendar import day_start, day_text, month_of
from domain.events import Event
from domain.merchant_tier.facts import end_of, history_of, last_closed_day, spans_of
from domain.merchant_tier.rule import (
    NO_LIMIT,
    SCHEME,
    Account,
    Bounds,
    Cause,
    Change,
    Day,
    State,
    Window,
    indicators,
    run,
    span_on,
    state_of,
    trials,
)
from domain.policy import Policy, start_of_day, term_at, terms_of
from domain.rules.comparison import Trial
from replay.history.same_instant import BEFORE_OPENING
from replay.history.timeline import Moment, taking_part
from replay.replaying.base import Judged, Part, Policies, Replay
from replay.replaying.comparisons import comparison_json, trial_json


class TierReplay(Replay):
    """One replay of one merchant."""

    scheme = SCHEME
    figure_names = ("day", "since", "indicators")

    def __init__(self, subject: str, known: list[Event], moment: Moment, policies: Policies) -> None:
        super().__init__(subject, known, moment, policies)
        self._terms = terms_of(policies.own, start_of_day)
        self.day = last_closed_day(moment.as_of)
        """The last closed day."""
        self.took_part = taking_part(known, end_of(self.day))
        self.history, self._findings = history_of(self.took_part, self._terms, self.day)
        self.spans = spans_of(self._terms)
        self.run = run(self.history, self.spans, self.day)
        self.window = Window(self.history.days)

    @property
    def policy(self) -> Policy:
        return self.policy_at(day_start(self.day))

    def policy_at(self, instant: int) -> Policy:
        return term_at(self._terms, instant).policy

    @cached_property
    def judged(self) -> Sequence[Judged]:
        return [Judged(found.at, found.position, str(found.verdict)) for found in self._findings]

    @property
    def score(self) -> int | None:
        return self.account.tier if state_of(self.history, self.account) is State.RATED else None

    def own_notes(self) -> dict[int, str]:
        """A closing or a notice that did nothing because the opening of the same instant stands after it."""
        if self.account.cleared_out:
            return {}
        return dict.fromkeys(self.causes.acts_before_opening(self.took_part), BEFORE_OPENING)

    @property
    def account(self) -> Account:
        """Where the merchant stands after the last closed day."""
        return self.run.account

    @classmethod
    def level_names_of(cls, policies: Policies, language: str) -> dict[str, str]:
        spans = spans_of(terms_of(policies.own, start_of_day))
        return {code: code for span in spans for code in span.codes}

    # --- answers ------------------------------------------------------------------------------------------------------

    def standing_json(self) -> dict[str, Any]:
        state = state_of(self.history, self.account)
        return {"state": str(state), "level": self._code(self.account) if state is State.RATED else None}

    def effective_json(self) -> dict[str, Any]:
        return self.standing_json() | {"since": self._since()}

    def own_json(self) -> dict[str, Any]:
        rules = span_on(self.spans, self.day).rules
        rated = state_of(self.history, self.account) is State.RATED
        tier = rules.tiers[self.account.tier]
        figures = self.window.over(self.day - rules.window_days + 1, self.day)
        return {
            "day": day_text(self.day),
            "since": self._since(),
            "indicators": _indicators(figures),
            "next_evaluation": day_text(max(self.day + 1, self.account.since + rules.wait_days)) if rated else None,
            "history": [
                {"day": day_text(change.day), "level": self._level(change), "cause": str(change.cause)}
                for change in self.run.changes
            ],
            "limits": {"orders": _limit(tier.orders_limit), "gmv_fen": _limit(tier.gmv_limit_fen)} if rated else None,
        }

    def changes_json(self) -> list[dict[str, Any]]:
        return [
            {
                "at": day_text(change.day),
                "before": self._standing_of(change.before, opened=number > 0),
                "after": self._standing_of(change.after, opened=True),
                "cause": self._cause_json(change),
            }
            for number, change in enumerate(self.run.changes)
        ]

    def _cause_json(self, change: Change) -> dict[str, Any]:
        cause = {"rule": str(change.cause)}
        if not change.position:
            return cause
        return cause | self.event_json(change.position) | {"type": self.events[change.position].type}

    def _standing_of(self, account: Account, *, opened: bool) -> dict[str, Any]:
        """What an account means; `opened`: whether the merchant had been open by then."""
        if account.cleared_out:
            return {"state": str(State.CLEARED_OUT), "level": None}
        if not account.open:
            return {"state": str(State.CLOSED if opened else State.NOT_ONBOARDED), "level": None}
        return {"state": str(State.RATED), "level": self._code(account)}

    def _since(self) -> str | None:
        rated = state_of(self.history, self.account) is State.RATED
        return day_text(self.account.since) if rated else None

    def _code(self, account: Account) -> str:
        return span_on(self.spans, self.day).codes[account.tier]

    def _level(self, change: Change) -> str | None:
        gone = change.cause in (Cause.CLOSED, Cause.CLEARED_OUT)
        return None if gone else self._code(change.after)

    # --- explanations -------------------------------------------------------------------------------------------------

    def explained_json(self, part: Part, shown: Sequence[int]) -> dict[str, Any]:
        """Each day on which the tier changed, and the last closed one, with every rule that was tried."""
        return {"evaluations": [self._evaluation_json(day) for day in self._days_shown(part)]}

    def rules_shown(self, part: Part) -> list[tuple[str, Policy]]:
        days = self._days_shown(part)
        tried = [(str(trial.rule), self.policy_at(day_start(day))) for day in days for trial in self._tried(day)]
        gone = [change.day for change in self._changes_on(days) if change.cause is Cause.CLEARED_OUT]
        return tried + [(str(Cause.CLEARED_OUT), self.policy_at(day_start(day))) for day in gone]

    def _days_shown(self, part: Part) -> list[int]:
        days = {self.day, *(change.day for change in self.run.changes)}
        return sorted(day for day in days if part.month in (None, month_of(day_start(day))))

    def _changes_on(self, days: Sequence[int]) -> list[Change]:
        return [change for change in self.run.changes if change.day in days]

    def _evaluation_json(self, day: int) -> dict[str, Any]:
        before = self._evaluated(day)
        return {
            "at": day_text(day),
            "level": self._code(before) if before.open else None,
            "decided": [str(change.cause) for change in self._changes_on([day])],
            "rules": [trial_json(trial) for trial in self._tried(day)],
        }

    def _tried(self, day: int) -> list[Trial]:
        before = self._evaluated(day)
        rules = span_on(self.spans, day).rules
        return trials(day, before, self.window, rules) if before.open and not before.cleared_out else []

    def _evaluated(self, day: int) -> Account:
        """The account that was evaluated at a day's close."""
        evaluated = [change.before for change in self._changes_on([day]) if change.cause in _EVALUATIONS]
        earlier = [change.after for change in self.run.changes if change.day <= day]
        return evaluated[0] if evaluated else earlier[-1] if earlier else Account()


_EVALUATIONS: Final = (Cause.UPGRADE, Cause.DOWNGRADE, Cause.FAST_UPGRADE)


def _limit(limit: int) -> int | None:
    return None if limit == NO_LIMIT else limit


def _indicators(figures: Day) -> dict[str, Any]:
    """The three indicators over the window."""
    nothing = Bounds(0, 0, 0)
    found = indicators(figures, (">", ">", ">"), nothing)
    return {
        name: {
            key: value for key, value in comparison_json(item).items() if key in ("numerator", "denominator", "value")
        }
        for name, item in zip(("complaint", "product", "service"), found, strict=True)
    }
