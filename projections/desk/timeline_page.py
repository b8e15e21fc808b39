"""A level over time: its points or score, the bands of its levels, and what was announced and corrected."""

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from domain.calendar import parse_instant
from domain.events import Event
from projections.desk.drawing.timeline import SHADED, StateStretch, Timeline
from projections.desk.schemes.facet import Mark, Told
from projections.desk.schemes.registry import pages_of
from replay.decisions.decide import decided_events
from replay.history.readers import Reader
from replay.history.timeline import Moment, retracted_positions
from replay.store.base import Store
from replay.store.decode import read_record
from replay.store.queries import length_of, rows_of_types

SCANNED_EVENTS: Final = 20_000
"""Longer streams are not walked for announcements and corrections, for which there is no index."""


class Viewpoint(Protocol):
    """At which moment of a ledger a timeline is looked at, and by whom."""

    @property
    def store(self) -> Store: ...
    @property
    def reader(self) -> Reader: ...
    @property
    def moment(self) -> Moment: ...


class Glance(NamedTuple):
    """One beside the pages."""

    store: Store
    reader: Reader
    moment: Moment


def timeline_of(sight: Viewpoint, subject: str, told: Told) -> Timeline:
    """The timeline of one subject in one scheme; without decisions for a reader who may not see them."""
    own, as_of = pages_of(told.scheme).drawn, sight.moment.as_of
    marks = [] if own.publications is None else news_of([*own.publications(told, as_of)])
    if sight.reader.sees_decisions:
        marks += _decisions(sight, subject, told.scheme)
    events = _told_events(sight, subject, told.scheme, own.corrections)
    marks += [_mark_of(event) for event in events or ()]
    return Timeline(
        own.points(told, as_of),
        own.is_stepped,
        own.is_ranked,
        own.bands(told.policies.own[-1]),
        [*_stretches(told)],
        sorted(marks, key=lambda mark: (mark.at, mark.kind)),
        as_of,
        events is not None,
    )


def _stretches(told: Told) -> Iterator[StateStretch]:
    for row in told.rows["history"]:
        if row["state"] in SHADED:
            yield StateStretch(row["state"], row["from_at"], row["to_at"])


def news_of(publications: list[Mark]) -> list[Mark]:
    """Of publications, the latest first, those that showed another level or score than the one before."""
    earlier = [*publications[1:], None]
    return [
        mark
        for mark, before in zip(publications, earlier, strict=False)
        if before is None or (mark.level, mark.score) != (before.level, before.score)
    ]


def _decisions(sight: Viewpoint, subject: str, scheme: str) -> Iterator[Mark]:
    """The decisions on a subject that were known; each stands where it was decided as of."""
    for position, decision in decided_events(sight.store, subject, sight.reader):
        at = parse_instant(decision.as_of)
        if decision.scheme == scheme and position <= sight.moment.position and at <= sight.moment.as_of:
            yield Mark("decided", at, decision.level, decision.score, decision.period, decision.run)


def _told_events(sight: Viewpoint, subject: str, scheme: str, corrections: tuple[str, ...]) -> list[Event] | None:
    """The announcements and corrections of a level that were known and stand; None where the stream is too long."""
    if length_of(sight.store, subject) > SCANNED_EVENTS:
        return None
    rows = rows_of_types(sight.store, subject, ("level.announced", *corrections), sight.moment.position)
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
