"""A merchant's reputation replayed: points, level, months, publication, and what decided each verdict."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from domain.calendar import month_of, month_start, month_text, parse_instant, shanghai_text
from domain.events import Event
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.merchant_reputation import account
from domain.merchant_reputation.facts import FLAG_TYPES, history_of, spans_of
from domain.merchant_reputation.rule import NEW, NO_CAP, RECEIVED, SCHEME, Account, Finding, Month, Run, Verdict, run
from domain.policy import Policy, start_of_month, term_at, terms_of
from replay.history.same_instant import BEFORE_OPENING
from replay.history.timeline import Moment, taking_part
from replay.replaying.base import Judged, Part, Policies, Replay
from replay.replaying.clauses import points_text


def decided_at(month: int, policy: Policy) -> tuple[int, int]:
    """As of when a month is decided, and from when on: its close, once it is published."""
    timetable, end = policy.parameters["publication"].value, month_start(month + 1)
    return end - 1, end + (timetable["day"] - 1) * DAY_MICROS + timetable["hour"] * HOUR_MICROS


class ReputationReplay(Replay):
    """One replay of one merchant."""

    scheme = SCHEME
    has_points = True

    def __init__(
        self, subject: str, known: list[Event], moment: Moment, policies: Policies, opening: Account = NEW
    ) -> None:
        super().__init__(subject, known, moment, policies)
        self.opening = opening
        """The account that the replay begins from: a new one, or that of an earlier month's close."""
        self._terms = terms_of(policies.own, start_of_month)
        self.took_part = taking_part(known, moment.as_of)
        self.spans = spans_of(self._terms)
        self.history = history_of(self.took_part, self.spans, moment.as_of)
        self.run = run(self.history, self.spans, opening)

    @property
    def policy(self) -> Policy:
        return self.policy_at(self.moment.as_of)

    def policy_at(self, instant: int) -> Policy:
        return term_at(self._terms, instant).policy

    @classmethod
    def assumed_of(cls, policies: Policies) -> list[str]:
        terms = terms_of(policies.own, start_of_month)
        return sorted({name for term in terms for name in term.policy.assumed})

    @property
    def findings(self) -> list[Finding]:
        return self.run.findings

    @cached_property
    def judged(self) -> Sequence[Judged]:
        return [Judged(found.at, found.position, found.verdict.word, found.tenths) for found in self.findings]

    @property
    def score(self) -> int | None:
        return self.shown.points_tenths

    def figures_json(self) -> dict[str, Any]:
        return {"points": points_text(self.shown.points_tenths), "months": self.own_json()["months"]}

    def own_notes(self) -> dict[int, str]:
        wiped = {finding.position for finding in self.findings if finding.verdict is Verdict.WIPED}
        closings = [event for event in self.took_part if event.type == "merchant.closed"]
        early = [e.position for e in closings if e.position not in wiped and self.causes.opens_after(e)]
        return account.notes_of(self.took_part, self.history, self.settling) | dict.fromkeys(early, BEFORE_OPENING)

    @property
    def settling(self) -> Run:
        """The run that says which reviews and receipts are their orders' entries."""
        return self.run

    @cached_property
    def shown(self) -> account.Shown:
        """Where the merchant stands at `as_of`."""
        return account.shown(self.run.account, self.spans, self.moment.as_of)

    @cached_property
    def published(self) -> account.Publication | None:
        """The last publication at or before `as_of`."""
        return next(account.publications(self.run, self.spans, self.moment.as_of), None)

    @classmethod
    def level_names_of(cls, policies: Policies, language: str) -> dict[str, str]:
        levels = [level for policy in policies.own for level in policy.parameters["levels"].value]
        return {level["code"]: level[language] for level in levels}

    # --- answers ------------------------------------------------------------------------------------------------------

    def standing_json(self) -> dict[str, Any]:
        return _standing_json(self.shown)

    def effective_json(self) -> dict[str, Any]:
        found = account.effective_of(self.run, self.spans, self.moment.as_of)
        since = None if found.since is None else shanghai_text(found.since)
        return {"state": str(found.state), "level": found.level, "since": since}

    def own_json(self) -> dict[str, Any]:
        to_next = self.shown.to_next_tenths
        return {
            "to_next": None if to_next is None else points_text(to_next),
            "published": None if self.published is None else self._published_json(self.published),
            "months": [self._month_json(month) for month in self.run.months if month.findings],
        }

    def changes_json(self) -> list[dict[str, Any]]:
        found = account.changes(self.history, self.run, self.spans, self.moment.as_of)
        return [
            {
                "at": shanghai_text(change.at),
                "before": _standing_json(change.before),
                "after": _standing_json(change.after),
                "cause": self._cause_json(change),
            }
            for change in found
        ]

    def _published_json(self, found: account.Publication) -> dict[str, Any]:
        return {
            "month": month_text(found.month),
            "points": points_text(found.shown.points_tenths),
            "level": found.shown.level,
            "at": shanghai_text(found.at),
            **({"decided": self._decided_json(found)} if self.reader.sees_decisions else {}),
            "in_force": found.at >= self.policy_at(month_start(found.month)).in_force_from,
        }

    def _decided_json(self, found: account.Publication) -> dict[str, Any] | None:
        """What was decided of the published month, and whether it would come out otherwise now."""
        decision = self.decision(month_text(found.month))
        if decision is None:
            return None
        return {
            "run": decision.run,
            "points": points_text(decision.score or 0),
            "level": decision.level,
            "known_at": shanghai_text(parse_instant(decision.known_at)),
            "restated": (decision.score or 0, decision.level) != (found.shown.points_tenths, found.shown.level),
        }

    def _month_json(self, month: Month) -> dict[str, Any]:
        cap = month.closing.cap
        counts = Counter(self.findings[index].verdict for index in month.findings)
        return {
            "month": month_text(month.month),
            "opening": points_text(month.begun.points),
            "growth": points_text(month.closing.growth, signed=True),
            "cap": None if cap == NO_CAP else points_text(cap),
            "closing": points_text(month.closing.points),
            "level": account.shown(month.closing, self.spans, month.begun.month_end - 1).level,
            "verdicts": {verdict.word: counts[verdict] for verdict in sorted(counts)},
        }

    def _cause_json(self, change: account.Change) -> dict[str, Any]:
        """An event with its type and verdict, or the policy whose rules began to count."""
        if not change.position:
            policy = self.policy_at(change.at)
            return {"policy": policy.id, "policy_hash": policy.hash}
        cause = self.event_json(change.position) | {"type": self.events[change.position].type}
        if change.finding is None:
            return cause
        points = points_text(change.finding.tenths, signed=True)
        at = shanghai_text(change.finding.at)
        return cause | {"verdict": change.finding.verdict.word, "points": points, "at": at}

    # --- explanations -------------------------------------------------------------------------------------------------

    def explained_json(self, part: Part, shown: Sequence[int]) -> dict[str, Any]:
        """How the verdicts shown add up; for single events there is no balance to close."""
        moved = points_text(sum(self.findings[index].tenths for index in shown), signed=True)
        if part.event_id is not None:
            return {"adds_up": {"opening": None, "verdicts": moved, "closing": None}}
        first, last = (shown[0], shown[-1]) if shown else (0, -1)
        if not shown and part.month is not None:
            first = sum(1 for finding in self.findings if month_of(finding.at) < part.month)
            last = first - 1
        opening = self.balances[first - 1] if first > 0 else self.opening.points
        closing = self.balances[last] if last >= 0 else self.opening.points
        assert points_text(closing - opening, signed=True) == moved, "verdicts add up to the points"
        return {"adds_up": {"opening": points_text(opening), "verdicts": moved, "closing": points_text(closing)}}

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
    def balances(self) -> list[int]:
        """The points after each finding, in tenths."""
        return account.balances(self.run, self.opening)

    def balance_json(self, index: int) -> str | None:
        return points_text(self.balances[index])

    def compared(self, index: int) -> dict[str, Any] | None:
        finding = self.findings[index]
        verdict = finding.verdict
        if verdict is Verdict.LOW_AMOUNT:
            return {"what": "amount_fen", "found": finding.figure, "bound": finding.bound}
        if verdict in (Verdict.PAIR_CAP, Verdict.GROWTH_CAP):
            what = "pair_net" if verdict is Verdict.PAIR_CAP else "month_growth"
            found = points_text(finding.figure, signed=True)
            return {"what": what, "found": found, "bound": points_text(finding.bound)}
        if verdict is Verdict.LATE_REVIEW:
            return _instants("reviewed_at", finding.figure, finding.bound)
        if verdict is Verdict.BEFORE_START and finding.figure < finding.bound:
            return _instants("entered_at", finding.figure, finding.bound)
        if verdict is Verdict.BEFORE_START:
            return {"what": "opened_at", "found": None, "bound": None}
        if verdict is Verdict.CLOSED:
            return self.deciding("closing", finding.bound)
        if verdict is Verdict.FLAGGED:
            return self.deciding("flag", self._flags[self.events[finding.position].data.order])
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

    def _worth(self, finding: Finding) -> dict[str, Any]:
        """Why an entry is worth what it is: the stars and their class, or the receipt whose window has passed."""
        cause = self.events[finding.position]
        if cause.type == "order.received":
            return _instants("default_credit", cause.occurred_at, finding.at)
        stars = cause.data.quality
        classes = self.policy_at(finding.at).parameters["star_classes"].value
        return {"what": "stars", "found": stars, "bound": next(name for name in classes if stars in classes[name])}

    def compared_of_note(self, position: int) -> dict[str, Any] | None:
        note, data = self.notes[position], self.events[position].data
        if note == account.PENDING:
            return {"what": "due_at", "found": shanghai_text(self._dues[position]), "bound": None}
        if note == account.REVIEWED_NOTE:
            return self.deciding("review", self._reviews[data.order])
        if note == account.SUPERSEDED:
            return self.deciding("flag", self._flags[data.order])
        return super().compared_of_note(position)

    @cached_property
    def _receipts(self) -> dict[str, int]:
        """By order, the instant of the receipt from which its window runs."""
        no_receipt = (Verdict.UNKNOWN_ORDER, Verdict.DUPLICATE_RECEIPT)
        settled = {finding.position: finding.verdict for finding in self.settling.findings}
        return {
            event.data.order: event.occurred_at
            for event in self.took_part
            if event.type == "order.received" and settled.get(event.position) not in no_receipt
        }

    @cached_property
    def _dues(self) -> dict[int, int]:
        """By position of a receipt, the instant at which its default credit falls due."""
        return {fact.position: fact.due for fact in self.history.facts if fact.what == RECEIVED}

    @cached_property
    def _reviews(self) -> dict[str, int]:
        """By order, the position of the review that was its entry."""
        settled = {finding.position: finding.verdict for finding in self.settling.findings}
        return {
            event.data.order: event.position
            for event in self.took_part
            if event.type == "review.posted" and settled[event.position] not in account.NO_ENTRY
        }

    @cached_property
    def _flags(self) -> dict[str, int]:
        """By order, the position of the flag or clear that takes part and decides."""
        return {event.data.order: event.position for event in self.took_part if event.type in FLAG_TYPES}


def _standing_json(found: account.Shown) -> dict[str, Any]:
    return {"state": str(found.state), "level": found.level, "points": points_text(found.points_tenths)}


def _instants(what: str, found: int, bound: int) -> dict[str, Any]:
    return {"what": what, "found": shanghai_text(found), "bound": shanghai_text(bound)}
