"""A merchant's tier replayed: the tier after the last closed day, its indicators, and what changed it."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Final

from domain.calendar import day_of, day_start, month_of
from domain.events import Event
from domain.merchant_tier.compared import clearing_trials, trials
from domain.merchant_tier.contributions import contributed, sums_of
from domain.merchant_tier.facts import (
    VERDICTS,
    ReadingTerm,
    Verdict,
    codes_of,
    end_of,
    history_of,
    last_closed_day,
    reading_at,
    readings_of,
    spans_of,
)
from domain.merchant_tier.rule import state_of
from domain.merchant_tier.running import Change, Window, run, span_on
from domain.merchant_tier.unchanged import Unchanged, reasons, remembered
from domain.merchant_tier.values import NOT_OPEN, OPENED, SCHEME, WHOLE, Account, Cause, History, State
from domain.policy import Policy, start_of_day, term_at, terms_of
from domain.rules.comparison import Trial
from domain.rules.contributions import Contribution, FigureSum
from replay.history.same_instant import ACT_TYPES, BEFORE_OPENING, LifeAct, acts_before_opening
from replay.history.timeline import Moment, taking_part
from replay.replaying.base import Part, Policies, Replay
from replay.replaying.values import Effective, Instants, Judged, LevelChange, Measure, Standing

_LIMITS: Final = {"orders": "orders_limit", "gmv_fen": "gmv_limit_fen"}
"""By the names that answers give them, the daily limits of a tier."""


class TierReplay(Replay):
    """One replay of one merchant."""

    scheme = SCHEME
    words = tuple(map(str, VERDICTS))
    period_start = staticmethod(start_of_day)
    figures_decided = 9
    thresholds: ClassVar[Mapping[str, Measure | None]] = {
        "tiers/*/up/complaint_below": Measure(4, 2, WHOLE, of_level=True),
        "tiers/*/up/product_above": Measure(6, 5, WHOLE, of_level=True),
        "tiers/*/up/service_above": Measure(8, 7, WHOLE, of_level=True),
        "tiers/*/down/complaint_above": Measure(4, 2, WHOLE, of_level=True),
        "tiers/*/down/product_below": Measure(6, 5, WHOLE, of_level=True),
        "tiers/*/down/service_below": Measure(8, 7, WHOLE, of_level=True),
        "tiers/*/orders_limit": None,
        "tiers/*/gmv_limit_fen": None,
        "fast_upgrade/*": None,
        "wait_days": None,
        "clear_out_days": None,
    }

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
        self.state = state_of(self.history, self.run.account)

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
        return self.account.tier if self.is_rated else None

    @property
    def decided_figures(self) -> Sequence[int]:
        """The last closed day, since when the tier is held (0 unless rated), the sums over the days of its window."""
        window_days = span_on(self.spans, self.day).rules.window_days
        sums = self.window.over(self.day - window_days + 1, self.day)
        return [self.day, self.account.since if self.is_rated else 0, *sums[1:]]

    def bearing_ahead(self) -> History:
        """Days and acts up to `as_of`, those of the open day, too."""
        as_of = self.moment.as_of
        return history_of(taking_part(self.known, as_of), self._terms, day_of(as_of))[0]

    def own_notes(self) -> dict[int, str]:
        """A closing or a notice that did nothing because the opening of the same instant stands after it."""
        if self.cleared_out:
            return {}
        acts = [LifeAct(e.type, e.occurred_at, e.position) for e in self.took_part if e.type in ACT_TYPES]
        return dict.fromkeys(acts_before_opening(acts), BEFORE_OPENING)

    @property
    def cleared_out(self) -> bool:
        return self.account.cleared_out

    @property
    def account(self) -> Account:
        """Where the merchant stands after the last closed day."""
        return self.run.account

    @classmethod
    def level_codes(cls, policy: Policy) -> Sequence[str]:
        return codes_of(policy)

    @classmethod
    def limits(cls, policy: Policy, standing: Standing) -> Mapping[str, int | None]:
        found = (tier for tier in policy.parameters["tiers"].value if tier["code"] == standing.level)
        return {name: tier.get(limit) for tier in found for name, limit in _LIMITS.items()}

    @property
    def is_rated(self) -> bool:
        return self.state is State.RATED

    def standing(self) -> Standing:
        return Standing(str(self.state), self.code_of(self.account) if self.is_rated else None)

    def effective(self) -> Effective:
        """The tier itself, since the day of the last notice or change; without one, the state since it came."""
        standing = self.standing()
        last = [change.day for change in self.run.changes[-1:]]
        since = self.account.since if self.is_rated else next(iter(last), None)
        return Effective(standing.state, standing.level, None if since is None else day_start(since))

    def changes(self) -> Sequence[LevelChange]:
        """At the close of the days on which the tier changed."""
        return [
            LevelChange(
                end_of(change.day),
                self._standing_of(change.before, opened=number > 0),
                self._standing_of(change.after, opened=True),
                str(change.cause),
                change.position or None,
            )
            for number, change in enumerate(self.run.changes)
        ]

    def _standing_of(self, account: Account, *, opened: bool) -> Standing:
        """What an account means; `opened`: whether the merchant had been open by then."""
        if account.cleared_out:
            return Standing(str(State.CLEARED_OUT), None)
        if not account.open:
            return Standing(str(State.CLOSED if opened else State.NOT_ONBOARDED), None)
        return Standing(str(State.RATED), self.code_of(account))

    def code_of(self, account: Account) -> str:
        """The code of an account's tier."""
        return span_on(self.spans, self.day).codes[account.tier]

    # --- explanations -------------------------------------------------------------------------------------------------

    def contribution(self, index: int) -> Sequence[Contribution]:
        judged = self.judged[index]
        if judged.verdict != Verdict.COUNTED:
            return ()
        return contributed(self.events[judged.position], reading_at(self._readings, judged.at))

    @cached_property
    def _readings(self) -> Sequence[ReadingTerm]:
        return readings_of(self._terms)

    def sums(self, part: Part) -> Sequence[FigureSum]:
        days = self.days_in(part)
        return [item for day in days for item in sums_of(day, self.window, span_on(self.spans, day).rules)]

    def instants_of(self, part: Part) -> Instants | None:
        """For a day the window that ends with it: what its indicators rest on."""
        if part.day is None:
            return super().instants_of(part)
        return Instants(day_start(self.window_of(part.day)), day_start(part.day + 1))

    def window_of(self, day: int) -> int:
        """The first day of the window that ends with a day."""
        return day - span_on(self.spans, day).rules.window_days + 1

    def rules_shown(self, part: Part) -> list[tuple[str, Policy]]:
        return [
            (str(trial.rule), self.policy_at(day_start(day))) for day in self.days_in(part) for trial in self.tried(day)
        ]

    def days_in(self, part: Part) -> list[int]:
        """Of a part, the day that was asked for; else each day on which the tier changed, and the last closed one."""
        if part.day is not None:
            return [part.day]
        days = {self.day, *(change.day for change in self.run.changes)}
        return sorted(day for day in days if part.month in (None, month_of(day_start(day))))

    def changes_on(self, day: int) -> list[Change]:
        return [change for change in self.run.changes if change.day == day]

    def tried(self, day: int) -> list[Trial]:
        """Every rule that was tried at a day's close."""
        before = self.evaluated(day)
        rules = span_on(self.spans, day).rules
        if not before.open or before.cleared_out:
            return []
        return [*trials(day, before, self.window, rules), *clearing_trials(day, self.after_evaluation(day), rules)]

    def evaluated(self, day: int) -> Account:
        """The account that was evaluated at a day's close."""
        moved = [change.before for change in self.changes_on(day) if change.cause in _AT_CLOSE]
        before = moved[0] if moved else self._account_after(day)
        return remembered(day, before, self.window, span_on(self.spans, day).rules)

    def after_evaluation(self, day: int) -> Account:
        """The account that may be cleared out at a day's close."""
        cleared = [change.before for change in self.changes_on(day) if change.cause is Cause.CLEARED_OUT]
        return cleared[0] if cleared else self._account_after(day)

    def _account_after(self, day: int) -> Account:
        """The account after a day's last change, or an earlier day's."""
        earlier = [change.after for change in self.run.changes if change.day <= day]
        return earlier[-1] if earlier else NOT_OPEN

    def standing_after(self, day: int) -> Standing:
        """State and tier after a day's close."""
        earlier = [change for change in self.run.changes if change.day <= day]
        if earlier:
            return self._standing_of(earlier[-1].after, opened=True)
        is_out = not self.run.changes and self.first_opened is not None and self.first_opened <= day
        return self.standing() if is_out else Standing(str(State.NOT_ONBOARDED), None)

    @cached_property
    def first_opened(self) -> int | None:
        """The day of the first opening."""
        return next((act.day for act in self.history.acts if act.cause == OPENED), None)

    def unchanged(self, day: int) -> list[Unchanged]:
        """Why a day left the tier as it was; nothing where it did not."""
        rules = span_on(self.spans, day).rules
        return [] if self.changes_on(day) else reasons(day, self.evaluated(day), self.window, rules)


_AT_CLOSE: Final = (Cause.UPGRADE, Cause.DOWNGRADE, Cause.FAST_UPGRADE, Cause.CLEARED_OUT)
"""What moves a tier at the close of a day; events have moved it before."""
