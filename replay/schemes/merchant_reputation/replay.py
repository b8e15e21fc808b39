"""A merchant's reputation replayed: points, level, months, publication, and what decided each verdict."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar

from domain.calendar import month_of, month_start
from domain.events import Event
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.merchant_reputation import account
from domain.merchant_reputation.contributions import contributed, sums_of
from domain.merchant_reputation.facts import FLAG_TYPES, codes_of, history_of, spans_of
from domain.merchant_reputation.rule import NEW, RECEIVED, SCHEME, WORDS, Account, Finding, Verdict
from domain.merchant_reputation.running import Month, run
from domain.policy import Policy, start_of_month, term_at, terms_of
from domain.rules.contributions import Contribution, FigureSum
from replay.history.same_instant import BEFORE_OPENING
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
from replay.schemes.merchant_reputation.late import Issue, bearings_of, touched


def decided_at(month: int, policy: Policy) -> tuple[int, int]:
    """As of when a month is decided, and from when on: its close, once it is published."""
    timetable, end = policy.parameters["publication"].value, month_start(month + 1)
    return end - 1, end + (timetable["day"] - 1) * DAY_MICROS + timetable["hour"] * HOUR_MICROS


class ReputationReplay(Replay):
    """One replay of one merchant."""

    scheme = SCHEME
    has_points = True
    words = WORDS
    thresholds: ClassVar[Mapping[str, Measure | None]] = {
        "levels/*/from_tenths": Measure(SCORE),
        "growth_caps/*/tenths": None,
        "pair_cap_tenths": None,
        "amount_fen_min": None,
        "review_hours": None,
    }
    unmeasured = frozenset({"closed"})

    def __init__(
        self, subject: str, known: list[Event], moment: Moment, policies: Policies, opening: Account = NEW
    ) -> None:
        super().__init__(subject, known, moment, policies)
        self.opening = opening
        """The account that the replay begins from: a new one, or that of an earlier month's close."""
        self.terms = terms_of(policies.own, start_of_month)
        self.took_part = taking_part(known, moment.as_of)
        self.spans = spans_of(self.terms)
        self.history = history_of(self.took_part, self.spans, moment.as_of)
        self.run = run(self.history, self.spans, opening)

    @property
    def policy(self) -> Policy:
        return self.policy_at(self.moment.as_of)

    def policy_at(self, instant: int) -> Policy:
        return term_at(self.terms, instant).policy

    @classmethod
    def assumed_of(cls, policies: Policies) -> list[str]:
        terms = terms_of(policies.own, start_of_month)
        return sorted({name for term in terms for name in term.policy.assumed})

    @property
    def findings(self) -> list[Finding]:
        return self.run.findings

    @cached_property
    def judged(self) -> Sequence[Judged]:
        return [_judged(found) for found in self.findings]

    def counts_of(self, month: Month) -> Counter[Verdict]:
        """How often each verdict was given in a month."""
        return Counter(self.findings[index].verdict for index in month.findings)

    @property
    def score(self) -> int | None:
        return self.shown.points_tenths

    @property
    def decided_figures(self) -> Sequence[int]:
        """Of each month with a verdict: its number, the points before it, growth and cap, the points at its close."""
        return [
            value
            for month in self.run.months
            if month.findings
            for value in (
                month.month,
                month.begun.points,
                month.closing.growth,
                month.closing.cap,
                month.closing.points,
            )
        ]

    def own_notes(self) -> dict[int, str]:
        wiped = {finding.position for finding in self.findings if finding.verdict is Verdict.WIPED}
        closings = [event for event in self.took_part if event.type == "merchant.closed"]
        early = [e.position for e in closings if e.position not in wiped and self.causes.opens_after(e)]
        return account.notes_of(self.took_part, self.history, self.settled) | dict.fromkeys(early, BEFORE_OPENING)

    @cached_property
    def settled(self) -> Mapping[int, Verdict]:
        """By position, the verdicts that say which reviews and receipts are their orders' entries."""
        return {finding.position: finding.verdict for finding in self.findings}

    @cached_property
    def shown(self) -> account.Shown:
        """Where the merchant stands at `as_of`."""
        return account.shown(self.run.account, self.spans, self.moment.as_of)

    def month_standing(self, month: int) -> Standing | None:
        closing = [found.closing for found in self.run.months if found.month <= month]
        instant = min(month_start(month + 1) - 1, self.moment.as_of)
        return _standing(account.shown(closing[-1], self.spans, instant)) if closing else None

    @cached_property
    def published(self) -> account.Publication | None:
        """The last publication at or before `as_of`."""
        return next(account.publications(self.run, self.spans, self.moment.as_of), None)

    def bearing_ahead(self) -> tuple[Sequence[Event], Account]:
        """What took part and bears on what comes, and the account that this opens from."""
        return self.took_part, self.opening

    def publications(self) -> list[account.Publication]:
        """Every publication at or before `as_of`, the earliest first."""
        return [*account.publications(self.run, self.spans, self.moment.as_of)][::-1]

    def published_by(self, moment: Moment, policies: Policies) -> list[account.Publication]:
        """Every publication as it was by what was known at an earlier moment, under the policies known then."""
        known = [event for event in self.known if event.position <= moment.position]
        return ReputationReplay(self.subject, known, moment, policies).publications()

    def judged_alike(self, policies: Policies, month: int) -> bool:
        """Whether others judge a month's close and all before it as this replay's policies do."""
        both = (terms_of(policies.own, start_of_month), self.terms)
        theirs, ours = ([term for term in terms if term.begins <= month_start(month)] for terms in both)
        return theirs == ours

    def known_by(self, position: int) -> int:
        """How many of the merchant's records were known up to a position."""
        return bisect_right(self.known, position, key=lambda event: event.position)

    def touched(self, issues: Sequence[Issue]) -> set[int]:
        """The places of the publications on whose months something bears that was recorded behind them."""
        return touched(issues, bearings_of(self.known))

    @classmethod
    def level_codes(cls, policy: Policy) -> Sequence[str]:
        return codes_of(policy)

    def standing(self) -> Standing:
        return _standing(self.shown)

    def effective(self) -> Effective:
        """What the publications make effective."""
        found = account.effective_of(self.run, self.spans, self.moment.as_of)
        return Effective(str(found.state), found.level, found.since)

    def changes(self) -> Sequence[LevelChange]:
        found = account.changes(self.history, self.run, self.spans, self.moment.as_of)
        return [
            LevelChange(change.at, _standing(change.before), _standing(change.after), *_cause(change))
            for change in found
        ]

    # --- explanations -------------------------------------------------------------------------------------------------

    def policy_of(self, index: int) -> Policy:
        """A late review is late by the window of its receipt's month."""
        judged = self.judged[index]
        if judged.verdict == Verdict.LATE_REVIEW.word:
            return self.policy_at(self._receipts[self.events[judged.position].data.order])
        return self.policy_at(judged.at)

    def policy_of_note(self, position: int) -> Policy:
        """A receipt waits, or is reviewed, within the window of its own month."""
        return self.policy_at(min(self.events[position].occurred_at, self.moment.as_of))

    @cached_property
    def _balances(self) -> list[int]:
        return account.balances(self.run, self.opening)

    def balance(self, index: int) -> int:
        return self._balances[index]

    def contribution(self, index: int) -> Sequence[Contribution]:
        judged = self.judged[index]
        return contributed(judged.tenths or 0, month_of(judged.at))

    def sums(self, part: Part) -> Sequence[FigureSum]:
        months = [item for item in self.run.months if item.findings and part.month in (None, item.month)]
        return [item for month in months for item in sums_of(month)]

    def compared(self, index: int) -> Compared | None:
        finding = self.findings[index]
        verdict = finding.verdict
        if verdict is Verdict.LOW_AMOUNT:
            return Figure("amount_fen", finding.figure, finding.bound)
        if verdict in (Verdict.PAIR_CAP, Verdict.GROWTH_CAP):
            what = "pair_net" if verdict is Verdict.PAIR_CAP else "month_growth"
            return Figure(what, finding.figure, finding.bound, "tenths")
        if verdict is Verdict.LATE_REVIEW:
            return Figure("reviewed_at", finding.figure, finding.bound, "instant")
        if verdict is Verdict.BEFORE_START and finding.figure < finding.bound:
            return Figure("entered_at", finding.figure, finding.bound, "instant")
        if verdict is Verdict.BEFORE_START:
            return Figure("opened_at", None, None)
        if verdict is Verdict.CLOSED:
            return DecidingEvent("closing", finding.bound)
        if verdict is Verdict.FLAGGED:
            return DecidingEvent("flag", self._flags[self.events[finding.position].data.order])
        if verdict in (Verdict.COUNTED, Verdict.NEUTRAL):
            return self._worth(finding)
        return None

    def same_instant(self, position: int, made: str, at: int) -> int | None:
        """As for every scheme; an opening would change nothing before the statistics begin, or of an order that a
        closing has wiped.
        """
        cause = super().same_instant(position, made, at)
        if cause is None or made not in (Verdict.BEFORE_START.word, Verdict.CLOSED.word):
            return cause
        finding = self._findings_by_position[position]
        if finding.verdict is Verdict.BEFORE_START:
            return cause if finding.figure >= finding.bound else None
        closing, paid = self.events[finding.bound], self._payments[self.events[position].data.order]
        return cause if (closing.occurred_at, closing.position) < (paid.occurred_at, paid.position) else None

    @cached_property
    def _findings_by_position(self) -> dict[int, Finding]:
        return {finding.position: finding for finding in self.findings}

    @cached_property
    def _payments(self) -> dict[str, Event]:
        """By order, its first payment."""
        return {event.data.order: event for event in reversed(self.took_part) if event.type == "order.paid"}

    def _worth(self, finding: Finding) -> Figure:
        """Why an entry is worth what it is: the stars and their class, or the receipt whose window has passed."""
        cause = self.events[finding.position]
        if cause.type == "order.received":
            return Figure("default_credit", cause.occurred_at, finding.at, "instant")
        stars = cause.data.quality
        classes = self.policy_at(finding.at).parameters["star_classes"].value
        return Figure("stars", stars, next(name for name in classes if stars in classes[name]))

    def compared_of_note(self, position: int) -> Compared | None:
        note, data = self.notes[position], self.events[position].data
        if note == account.PENDING:
            return Figure("due_at", self._dues[position], None, "instant")
        if note == account.REVIEWED_NOTE:
            return DecidingEvent("review", self._reviews[data.order])
        if note == account.SUPERSEDED:
            return DecidingEvent("flag", self._flags[data.order])
        return super().compared_of_note(position)

    @cached_property
    def _receipts(self) -> dict[str, int]:
        """By order, the instant of the receipt from which its window runs."""
        no_receipt = (Verdict.UNKNOWN_ORDER, Verdict.DUPLICATE_RECEIPT)
        return {
            event.data.order: event.occurred_at
            for event in self.took_part
            if event.type == "order.received" and self.settled.get(event.position) not in no_receipt
        }

    @cached_property
    def _dues(self) -> dict[int, int]:
        """By position of a receipt, the instant at which its default credit falls due."""
        return {fact.position: fact.due for fact in self.history.facts if fact.what == RECEIVED}

    @cached_property
    def _reviews(self) -> dict[str, int]:
        """By order, the position of the review that was its entry."""
        return {
            event.data.order: event.position
            for event in self.took_part
            if event.type == "review.posted" and self.settled[event.position] not in account.NO_ENTRY
        }

    @cached_property
    def _flags(self) -> dict[str, int]:
        """By order, the position of the flag or clear that takes part and decides."""
        return {event.data.order: event.position for event in self.took_part if event.type in FLAG_TYPES}


def _standing(found: account.Shown) -> Standing:
    return Standing(str(found.state), found.level, found.points_tenths)


def _cause(change: account.Change) -> tuple[str, int | None, Judged | None]:
    """The verdict on an event, an opening, or the policy whose rules began to count."""
    if not change.position:
        return "policy", None, None
    if change.finding is None:
        return "opened", change.position, None
    judged = _judged(change.finding)
    return judged.verdict, change.position, judged


def _judged(found: Finding) -> Judged:
    return Judged(found.at, found.position, found.verdict.word, found.tenths)
