"""A level over time: its points or score, the bands of its levels, and the marks of what was told and corrected."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from domain.calendar import month_start, parse_instant, parse_month
from domain.creator_level.facts import rules_of as creator_rules
from domain.events import Event
from domain.mcn_level.facts import evaluated_at
from domain.mcn_level.facts import rules_of as mcn_rules
from domain.merchant_reputation import account
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import NEVER, Account, Month, Run
from domain.merchant_tier.facts import codes_of
from domain.policy import Policy, start_of_month, terms_of
from projections.desk.moment import Sight, Told
from replay.decisions.decide import decided_events
from replay.history.timeline import retracted_positions
from replay.store.decode import read_record
from replay.store.queries import length_of, rows_of_types

SCANNED_EVENTS: Final = 20_000
"""Longer streams are not walked for announcements and corrections, for which there is no index."""
_CORRECTIONS: Final = {
    "merchant-reputation": ("order.flagged", "order.cleared", "event.retracted"),
    "merchant-tier": ("complaint.dismissed", "event.retracted"),
    "creator-level": ("credit.restored", "event.retracted"),
    "mcn-level": ("credit.restored", "event.retracted"),
}
"""By scheme, the corrections that can move its level."""


class Point(NamedTuple):
    """A score that held at an instant; None for no level at all, such as a closed merchant's tier."""

    at: int
    score: int | None


class Band(NamedTuple):
    """A level, and the least score that reaches it."""

    level: str
    begins: int


class Mark(NamedTuple):
    """Something that happened to the level, at an instant."""

    kind: str
    """published, announced, decided or corrected."""
    at: int
    level: str | None
    score: int | None
    """As published or decided; None where none was named."""
    about: str
    """The period; of a correction, its type."""
    event: str
    """Which event or run says so; empty for what the calendar brings."""


class Timeline(NamedTuple):
    """All that is drawn and tabulated."""

    points: list[Point]
    is_stepped: bool
    """Whether a score holds until the next; else it grew on the way there."""
    is_ranked: bool
    """Whether a score is the rank of the level itself."""
    bands: list[Band]
    marks: list[Mark]
    as_of: int
    are_marks_whole: bool
    """False where the stream is too long to be walked for announcements and corrections."""


def timeline_of(sight: Sight, subject: str, told: Told) -> Timeline:
    """The timeline of one subject in one scheme; without decisions for a reader who may not see them."""
    marks = news_of([*publications_of(told, sight.moment.as_of)])
    if sight.reader.sees_decisions:
        marks += _decisions(sight, subject, told.scheme)
    events = _told_events(sight, subject, told.scheme)
    marks += [_mark_of(event) for event in events or ()]
    return Timeline(
        points_of(told, sight.moment.as_of),
        told.scheme != "merchant-reputation",
        told.scheme == "merchant-tier",
        bands_of(told.policies.own[-1]),
        sorted(marks, key=lambda mark: (mark.at, mark.kind)),
        sight.moment.as_of,
        events is not None,
    )


def points_of(told: Told, as_of: int) -> list[Point]:
    """The scores that are known exactly, the earliest first."""
    if told.scheme == "merchant-reputation":
        return _reputation_points(told, as_of)
    if told.scheme == "merchant-tier":
        return [Point(row["from_at"], row["score"]) for row in told.rows["history"]]
    if told.scheme == "creator-level":
        return [Point(month_start(parse_month(row["month"]) + 1), row["score"]) for row in told.rows["creator_months"]]
    return [
        Point(evaluated_at(parse_month(row["month"]), mcn_rules(told.policy(row["policy_hash"]))), row["total"])
        for row in told.rows["mcn_months"]
    ]


def _reputation_points(told: Told, as_of: int) -> list[Point]:
    """The points at each change of level, and at the opening and close of each month in which something happened."""
    changes = [Point(row["from_at"], row["score"]) for row in told.rows["history"]]
    months = []
    for row in told.rows["reputation_months"]:
        month = parse_month(row["month"])
        if changes and month_start(month) > changes[0].at:
            months.append(Point(month_start(month), row["opening_tenths"]))
        months.append(Point(min(month_start(month + 1) - 1, as_of), row["closing_tenths"]))
    return sorted({*changes, *months}, key=lambda point: point.at)


def bands_of(policy: Policy) -> list[Band]:
    """The levels that a policy gives, the lowest first."""
    if policy.scheme == "merchant-reputation":
        levels = policy.parameters["levels"].value
        return [Band(level["code"], level["from_tenths"]) for level in levels]
    if policy.scheme == "merchant-tier":
        return [Band(code, rank) for rank, code in enumerate(codes_of(policy))]
    if policy.scheme == "creator-level":
        # The score counts twentieths of the weighted mean, which is rounded half up to the level.
        return [Band(code, max(5 * rank - 2, 0)) for rank, code in enumerate(creator_rules(policy).levels)]
    rules = mcn_rules(policy)
    return [Band(code, begins) for code, begins in zip(rules.level_codes, rules.level_bounds, strict=True)]


def publications_of(told: Told, as_of: int) -> Iterator[Mark]:
    """What each publication up to `as_of` showed, in the one scheme that has publications; the latest first."""
    if told.scheme != "merchant-reputation":
        return
    spans = spans_of(terms_of(told.policies.own, start_of_month))
    for found in account.publications(_run_of(told), spans, as_of):
        shown, month = found.shown, found.month
        yield Mark("published", found.at, shown.level, shown.points_tenths, f"{month // 12}-{month % 12 + 1:02d}", "")


def news_of(publications: list[Mark]) -> list[Mark]:
    """Of publications, the latest first, those that showed another level or score than the one before."""
    earlier = [*publications[1:], None]
    return [
        mark
        for mark, before in zip(publications, earlier, strict=False)
        if before is None or (mark.level, mark.score) != (before.level, before.score)
    ]


def _run_of(told: Told) -> Run:
    """As much of a run as publications read, from the rows of its months."""
    opened = next((row["from_at"] for row in told.rows["history"] if row["cause"] == "opened"), NEVER)
    months = []
    for row in told.rows["reputation_months"]:
        is_open = row["state"] in ("rated", "unrated")
        closing = Account(points=row["closing_tenths"], opened_at=opened, open=is_open)
        months.append(Month(parse_month(row["month"]), closing, closing, range(0)))
    return Run(Account(opened_at=opened), [], months)


def _decisions(sight: Sight, subject: str, scheme: str) -> Iterator[Mark]:
    """The decisions on a subject that were known; each stands where it was decided as of."""
    for position, decision in decided_events(sight.store, subject, sight.reader):
        at = parse_instant(decision.as_of)
        if decision.scheme == scheme and position <= sight.moment.position and at <= sight.moment.as_of:
            yield Mark("decided", at, decision.level, decision.score, decision.period, decision.run)


def _told_events(sight: Sight, subject: str, scheme: str) -> list[Event] | None:
    """The announcements and corrections of a level that were known and stand; None where the stream is too long."""
    if length_of(sight.store, subject) > SCANNED_EVENTS:
        return None
    types = ("level.announced", *_CORRECTIONS[scheme])
    rows = rows_of_types(sight.store, subject, types, sight.moment.position)
    events = [read_record(row.type, row.record) for row in rows]
    gone = retracted_positions(events)
    return [
        event
        for event in events
        if event.position not in gone and (event.type != "level.announced" or event.data.scheme == scheme)
    ]


def _mark_of(event: Event) -> Mark:
    """An announcement at its instant; a correction at the instant at which the ledger learned of it."""
    if event.type == "level.announced":
        return Mark("announced", event.occurred_at, event.data.level, None, event.data.period, event.id)
    return Mark("corrected", event.recorded_at, None, None, event.type, event.id)
