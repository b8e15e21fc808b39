"""A merchant's reputation replayed from the ledger: points, level, months, publication and findings."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from domain import reputation_account as account
from domain.calendar import month_text
from domain.events import Event, LevelDecided
from domain.policy import Policy, terms_of
from domain.reputation import RECEIVED, SCHEME, Finding, run
from domain.reputation_facts import FLAG_TYPES, history_of, spans_of
from replay.policies import DEFAULT, Choice, versions
from replay.store import Store
from replay.timeline import Moment, events_of, retracted_positions, taking_part

RETRACTED_NOTE: Final = "retracted"


class Replay:
    """One replay of one merchant: what was asked, by which policies, and what came out."""

    def __init__(self, subject: str, known: list[Event], moment: Moment, policies: Sequence[Policy]) -> None:
        self.subject = subject
        self.moment = moment
        self.policies = policies
        """The versions that took part, the earliest first."""
        self.known = known
        """The merchant's events that were known, in the order of the ledger."""
        terms = terms_of(policies)
        self.part = taking_part(known, moment.as_of)
        self.spans = spans_of(terms)
        self.history = history_of(self.part, self.spans, moment.as_of)
        self.run = run(self.history, self.spans)
        self._terms = terms
        self.policy = self.policy_at(moment.as_of)

    @cached_property
    def shown(self) -> account.Shown:
        """Where the merchant stands at `as_of`."""
        return account.shown(self.run.account, self.spans, self.moment.as_of)

    @property
    def findings(self) -> list[Finding]:
        return self.run.findings

    @cached_property
    def effective(self) -> account.Effective:
        return account.effective_of(self.run, self.spans, self.moment.as_of)

    @cached_property
    def published(self) -> account.Publication | None:
        """The last publication at or before `as_of`."""
        return next(account.publications(self.run, self.spans, self.moment.as_of), None)

    @cached_property
    def notes(self) -> dict[int, str]:
        """By position, why an event without a verdict has none."""
        return account.notes_of(self.part, self.history, self.run) | dict.fromkeys(self.retracted, RETRACTED_NOTE)

    @cached_property
    def retracted(self) -> dict[int, int]:
        """By position of a retracted event, that of the retraction."""
        return retracted_positions(self.known)

    @cached_property
    def dues(self) -> dict[int, int]:
        """By position of a receipt, the instant at which its default credit falls due."""
        return {fact.position: fact.due for fact in self.history.facts if fact.what == RECEIVED}

    @cached_property
    def reviews(self) -> dict[str, int]:
        """By order, the position of the review that was its entry."""
        settled = {finding.position: finding.verdict for finding in self.findings}
        return {
            event.data.order: event.position
            for event in self.part
            if event.type == "review.posted" and settled[event.position] not in account.NO_ENTRY
        }

    @cached_property
    def flags(self) -> dict[str, Event]:
        """By order, the flag or clear that takes part and decides."""
        return {event.data.order: event for event in self.part if event.type in FLAG_TYPES}

    def policy_at(self, instant: int) -> Policy:
        """The version that judges the month of an instant."""
        return next(term.policy for term in reversed(self._terms) if term.begins <= instant)

    @cached_property
    def events(self) -> dict[int, Event]:
        """The known events by position."""
        return {event.position: event for event in self.known}

    @cached_property
    def assumed(self) -> list[str]:
        """The parameters used that no rule text gives, in alphabetical order."""
        return sorted({name for term in self._terms for name in term.policy.assumed})

    @property
    def in_force(self) -> bool:
        return self.moment.as_of >= self.policy.in_force_from

    def decision(self, month: int) -> LevelDecided | None:
        """What was decided of a month, in the latest run that is known."""
        period = month_text(month)
        decided = [
            event.data
            for event in self.known
            if event.type == "level.decided" and event.data.scheme == SCHEME and event.data.period == period
        ]
        return decided[-1] if decided else None

    def level_names(self, language: str) -> dict[str, str]:
        """What the levels are called in a language, by code; the latest version names last."""
        levels = [level for policy in self.policies for level in policy.parameters["levels"].value]
        return {level["code"]: level[language] for level in levels}


def replay_reputation(store: Store, subject: str, moment: Moment, choice: Choice = DEFAULT) -> Replay:
    """Replay a merchant at a moment, under the policies in force at its `as_of` or the one that was chosen.

    Raises UsageError for a policy that is not there.
    """
    policies = versions(store, SCHEME, choice, moment.as_of, moment.position)
    return Replay(subject, list(events_of(store, subject, moment.position)), moment, policies)
