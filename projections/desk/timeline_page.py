"""A level over time: its points or score, the bands of its levels, and what was announced and corrected."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from domain.calendar import parse_instant, parse_month
from domain.events import Event, LevelDecided
from projections.desk.drawing.timeline import SHADED, StateStretch, Timeline
from projections.desk.schemes.facet import Mark, Said, Told
from projections.desk.schemes.registry import pages_of
from projections.schemes.registry import view_of
from replay.decisions.audit import as_of_announced
from replay.history.readers import Reader
from replay.history.timeline import Moment, decisions_on, retracted_positions
from replay.replaying.base import Replay
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.queries import length_of, rows_of_types

SCANNED_EVENTS: Final = 20_000
"""Longer streams are not walked for announcements and corrections, for which there is no index."""
REPLAYED_EVENTS: Final = 200_000
"""So many events are replayed again for publications on which something bears that was learned behind them."""


class MarkRow(NamedTuple):
    """Marks that are one row: publications of months that follow one another and say the same."""

    first: Mark
    last: Mark
    marks: int


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


def timeline_of(sight: Viewpoint, subject: str, told: Told, replayed: Callable[[], Replay] | None = None) -> Timeline:
    """The timeline of one subject in one scheme; without decisions for a reader who may not see them.

    Of what the views do not tell, `replayed` gives its replay at the same moment, from which is told what was published
    then; without it that is left unsaid.
    """
    own, as_of = pages_of(told.scheme).drawn, sight.moment.as_of
    is_searched = not is_long(sight.store, subject)
    published = _published(told, as_of, replayed)
    marks = news_of(published)
    now_of = {mark.about: mark.now for mark in published}
    if sight.reader.sees_decisions:
        marks += [_with_now(mark, told, now_of) for mark in _decisions(sight, subject, told.scheme)]
    if is_searched:
        told_events = _told_events(sight, subject, told.scheme, own.corrections)
        marks += [_with_now(_mark_of(sight.store, event), told, now_of) for event in told_events]
    return Timeline(
        own.points(told, as_of),
        own.is_stepped,
        own.is_ranked,
        own.bands(told.policies.own[-1]),
        [*_stretches(told)],
        sorted(marks, key=lambda mark: (mark.at, mark.kind)),
        as_of,
        is_searched,
    )


def is_long(store: Store, subject: str) -> bool:
    """Whether a stream is too long to be walked for announcements and corrections."""
    return length_of(store, subject) > SCANNED_EVENTS


def _stretches(told: Told) -> Iterator[StateStretch]:
    for row in told.rows["history"]:
        if row["state"] in SHADED:
            yield StateStretch(row["state"], row["from_at"], row["to_at"])


def _published(told: Told, as_of: int, replayed: Callable[[], Replay] | None) -> list[Mark]:
    """The publications, the latest first, each as known then beside as known at the moment of the page."""
    own = pages_of(told.scheme).drawn
    if own.publications is None or own.publications_then is None:
        return []
    marks = [*own.publications(told, as_of)]
    if told.set_aside is None and own.then_rows is not None and own.then_rows.table in told.rows:
        otherwise = own.then_rows.read(told.rows[own.then_rows.table])
        return [mark._replace(then=otherwise.get(mark.about, mark.now)) for mark in marks]
    if not marks or replayed is None or told.set_aside is not None:
        return [mark._replace(is_then_known=False) for mark in marks]
    replay = replayed()
    then = own.publications_then(replay, REPLAYED_EVENTS // max(replay.weight, 1))
    return [mark._replace(then=then.get(mark.about), is_then_known=mark.about in then) for mark in marks]


def mark_rows(marks: list[Mark]) -> list[MarkRow]:
    """The rows in which marks are tabulated, in their order."""
    rows: list[MarkRow] = []
    for mark in marks:
        if rows and _goes_on(rows[-1].last, mark):
            rows[-1] = rows[-1]._replace(last=mark, marks=rows[-1].marks + 1)
        else:
            rows.append(MarkRow(mark, mark, 1))
    return rows


def _goes_on(before: Mark, mark: Mark) -> bool:
    if not before.kind == mark.kind == "published" or parse_month(mark.about) != parse_month(before.about) + 1:
        return False
    return (before.then, before.now, before.is_then_known) == (mark.then, mark.now, mark.is_then_known)


def news_of(publications: list[Mark]) -> list[Mark]:
    """Of publications, the latest first, those that showed another level or score than the one before, then or as known
    now.
    """
    earlier = [*publications[1:], None]
    return [
        mark
        for mark, before in zip(publications, earlier, strict=False)
        if before is None or _shown(mark) != _shown(before)
    ]


def _shown(mark: Mark) -> tuple[bool, Said | None, Said | None]:
    return mark.is_then_known, mark.then, mark.now


def _decisions(sight: Viewpoint, subject: str, scheme: str) -> Iterator[Mark]:
    """The decisions on a subject that were known; each is about the moment that it was decided as of."""
    for event in decisions_on(sight.store, subject, scheme, sight.moment.position):
        decision: LevelDecided = event.data
        as_of = parse_instant(decision.as_of)
        if as_of <= sight.moment.as_of:
            said = Said.of(decision.state, decision.level, decision.score)
            yield Mark("decided", event.recorded_at, as_of, decision.period, decision.run, said)


def _told_events(sight: Viewpoint, subject: str, scheme: str, corrections: tuple[str, ...]) -> list[Event]:
    """The announcements and corrections of a level that were known and stand."""
    rows = rows_of_types(sight.store, subject, ("level.announced", *corrections), sight.moment.position)
    events = [read_record(row.type, row.record) for row in rows]
    gone = retracted_positions(events)
    return [
        event
        for event in events
        if event.position not in gone and (event.type != "level.announced" or event.data.scheme == scheme)
    ]


def _mark_of(store: Store, event: Event) -> Mark:
    """An announcement is about the moment that its period is decided as of; a correction about when it happened."""
    if event.type != "level.announced":
        return Mark("corrected", event.recorded_at, event.occurred_at, event.type, event.id)
    as_of = as_of_announced(store, event.data)
    concerns = event.occurred_at if as_of is None else as_of
    return Mark("announced", event.recorded_at, concerns, event.data.period, event.id, Said(event.data.level, None))


def _with_now(mark: Mark, told: Told, published: dict[str, Said | None]) -> Mark:
    """A decision or announcement with the same level as it is known at the moment of the page, and of what is evaluated
    by the month with its score."""
    if mark.kind == "corrected":
        return mark
    if mark.about in published:
        return mark._replace(now=published[mark.about])
    periods = view_of(told.scheme).period_rows
    of_period = [row for row in told.rows[periods.table] if periods.kept == "each" and row["month"] == mark.about]
    if of_period:
        row = of_period[0]
        return mark._replace(now=Said.of(row["state"], row["level"], row[periods.score]))
    held = [row for row in told.rows["history"] if row["from_at"] <= mark.concerns]
    return mark._replace(now=Said.of(held[-1]["state"], held[-1]["level"], None) if held else Said(None, None))
