"""From events and policies to what the rules of `creator-firefly` read, and a creator's run through them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from domain.creator_firefly.rule import (
    NEW,
    NOT_REGISTERED,
    VERDICTS,
    Account,
    Verdict,
    decider_of,
    moved,
    outcome_of,
    registered,
)
from domain.events import Event
from domain.policy import Policy

EARNED: Final = "points.earned"
REDEEMED: Final = "points.redeemed"
CANCELLED: Final = "redemption.cancelled"
REGISTERED: Final = "creator.registered"
READ_TYPES: Final = (REGISTERED, EARNED, REDEEMED, CANCELLED)
"""The types that the rule reads, beside retractions."""


class Rules(NamedTuple):
    """What a policy sets."""

    bounds: tuple[int, ...]
    """By rank, the points from which it is reached."""
    codes: tuple[str, ...]


class Finding(NamedTuple):
    """The verdict on the event at `position`."""

    at: int
    position: int
    verdict: Verdict
    points: int
    """That the event names."""
    before: Account
    after: Account
    decided_by: int | None
    """The position of the event that decided: the first of its task or redemption, or its cancellation."""


class Run(NamedTuple):
    """What the events of one creator come to."""

    account: Account
    registered_by: int | None
    """The position of the registration that counts."""
    findings: Sequence[Finding]


def rules_of(policy: Policy) -> Rules:
    """The rules that a policy sets."""
    levels = policy.parameters["levels"].value
    return Rules(tuple(level["from_points"] for level in levels), tuple(level["code"] for level in levels))


def run_of(events: Iterable[Event]) -> Run:
    """Judge a creator's events, which are given by (`occurred_at`, position), corrections among them."""
    events = list(events)
    cancelled = {event.data.redemption: event.position for event in events if event.type == CANCELLED}
    account, registered_by = NEW, None
    first: dict[tuple[bool, str], int] = {}
    findings: list[Finding] = []
    for event in events:
        if event.type == REGISTERED:
            registered_by = event.position if registered_by is None else registered_by
            account = registered(account, event.occurred_at)
        elif event.type in (EARNED, REDEEMED):
            found = _judge(event, account, first, cancelled)
            account = found.after
            findings.append(found)
    return Run(account, registered_by, findings)


def go_on(account: Account, earlier: Iterable[Event], events: Iterable[Event]) -> Run:
    """Judge further points of a registered creator, which lie behind everything that was judged, in the same order.

    `earlier` are the events about the tasks and redemptions that these name since the registration, corrections among
    them. Findings are those of the further events alone.
    """
    earlier = list(earlier)
    cancelled = {event.data.redemption: event.position for event in earlier if event.type == CANCELLED}
    first: dict[tuple[bool, str], int] = {}
    for event in earlier:
        if event.type in (EARNED, REDEEMED):
            first.setdefault(_named(event), event.position)
    findings: list[Finding] = []
    for event in events:
        findings.append(_judge(event, account, first, cancelled))
        account = findings[-1].after
    return Run(account, None, findings)


def _named(event: Event) -> tuple[bool, str]:
    """The task or redemption, and which of the two."""
    return (True, event.data.redemption) if event.type == REDEEMED else (False, event.data.task)


def _judge(event: Event, account: Account, first: dict[tuple[bool, str], int], cancelled: dict[str, int]) -> Finding:
    data: Any = event.data
    is_redemption, _ = name = _named(event)
    cancelled_by = cancelled.get(data.redemption) if is_redemption else None
    seen_at = first.get(name)
    outcome = outcome_of(account, is_redemption, seen_at is not None, cancelled_by is not None, data.points)
    if outcome != NOT_REGISTERED:
        first.setdefault(name, event.position)
    decided_by = decider_of(outcome, seen_at or 0, cancelled_by or 0) or None
    after = moved(account, outcome, data.points)
    return Finding(event.occurred_at, event.position, VERDICTS[outcome], data.points, account, after, decided_by)
