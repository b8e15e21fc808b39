"""A creator's Firefly level replayed: points earned and redeemed, the level reached, what decided each verdict."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar

from domain.creator_firefly import account
from domain.creator_firefly.contributions import contributed, sums_of
from domain.creator_firefly.facts import Finding, rules_of, run_of
from domain.creator_firefly.rule import NEVER, SCHEME, VERDICTS, State, Verdict
from domain.events import Event
from domain.policy import Policy, start_of_month, term_at, terms_of
from domain.rules.contributions import Contribution, FigureSum
from replay.history.timeline import Moment, taking_part
from replay.replaying.base import Part, Policies, Replay
from replay.replaying.values import (
    SCORE,
    Compared,
    DecidingEvent,
    Effective,
    Figure,
    Judged,
    LevelChange,
    Measure,
    Standing,
)


class FireflyReplay(Replay):
    """One replay of one creator."""

    scheme = SCHEME
    figures_decided = 2
    thresholds: ClassVar[Mapping[str, Measure | None]] = {"levels/*/from_points": Measure(SCORE)}
    words = tuple(map(str, VERDICTS))

    def __init__(self, subject: str, known: list[Event], moment: Moment, policies: Policies) -> None:
        super().__init__(subject, known, moment, policies)
        self.terms = terms_of(policies.own, start_of_month)
        self.took_part = taking_part(known, moment.as_of)
        self.spans = account.spans_of(self.terms)
        self.run = run_of(self.took_part)

    @property
    def policy(self) -> Policy:
        return self.policy_at(self.moment.as_of)

    def policy_at(self, instant: int) -> Policy:
        return term_at(self.terms, instant).policy

    @cached_property
    def judged(self) -> Sequence[Judged]:
        return [_judged(finding) for finding in self.run.findings]

    @property
    def score(self) -> int | None:
        return self.run.account.earned

    @property
    def decided_figures(self) -> Sequence[int]:
        """The points earned, and the balance."""
        return [self.run.account.earned, self.run.account.balance]

    @classmethod
    def level_codes(cls, policy: Policy) -> Sequence[str]:
        return rules_of(policy).codes

    @property
    def level(self) -> str | None:
        """The code of the level at `as_of`."""
        return account.level_of(self.run.account, account.rules_at(self.spans, self.moment.as_of))

    @cached_property
    def level_changes(self) -> list[account.Change]:
        return account.changes(self.run, self.spans, self.moment.as_of)

    @cached_property
    def months(self) -> list[account.Month]:
        """Every month in which points were judged since the registration."""
        return account.months(self.run, self.spans)

    def standing(self) -> Standing:
        return standing_of(self.level)

    def effective(self) -> Effective:
        """The level itself, since its last change."""
        since = self.level_changes[-1].at if self.level_changes else None
        return Effective(*standing_of(self.level)[:2], since)

    def changes(self) -> Sequence[LevelChange]:
        return [
            LevelChange(
                change.at,
                standing_of(change.before),
                standing_of(change.after),
                change.cause,
                change.position,
                _caused(change),
            )
            for change in self.level_changes
        ]

    def contribution(self, index: int) -> Sequence[Contribution]:
        return contributed(self.run.findings[index])

    def sums(self, part: Part) -> Sequence[FigureSum]:
        months = [month for month in self.months if part.month in (None, month.month)]
        return [item for month in months for item in sums_of(month)]

    def compared(self, index: int) -> Compared | None:
        finding = self.run.findings[index]
        if finding.verdict is Verdict.COUNTED:
            return self._earned(finding)
        if finding.verdict in (Verdict.REDEEMED, Verdict.OVERDRAWN):
            return Figure("balance", finding.before.balance, finding.points)
        if finding.verdict is Verdict.NOT_REGISTERED:
            at = self.run.account.registered_at
            return (
                Figure("never_registered", None, None) if at == NEVER else Figure("registered_at", at, None, "instant")
            )
        assert finding.decided_by is not None, "a duplicate or a cancelled redemption is so by an event"
        what = "cancellation" if finding.verdict is Verdict.CANCELLED else "first"
        return DecidingEvent(what, finding.decided_by)

    def _earned(self, finding: Finding) -> Figure:
        """What was earned in all, against the next level's bound."""
        earned, rules = finding.after.earned, account.rules_at(self.spans, finding.at)
        to_next = account.missing(finding.after, rules)
        if to_next is None:
            return Figure("earned_at_the_top", earned, None)
        return Figure("earned", earned, earned + to_next[1])


def _judged(finding: Finding) -> Judged:
    return Judged(finding.at, finding.position, str(finding.verdict))


def standing_of(level: str | None) -> Standing:
    return Standing(str(State.NOT_REGISTERED if level is None else State.RATED), level)


def _caused(change: account.Change) -> Judged | None:
    """The verdict that changed the level."""
    if change.position is None or change.cause != Verdict.COUNTED:
        return None
    return Judged(change.at, change.position, change.cause)
