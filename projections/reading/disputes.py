"""Levels that are disputed by what is known: announced or decided as one, and another as known at a moment.

What holds at the moment comes from the history of the level, as the views hold it or a replay gives it: no claim is
replayed for this. Levels and states are compared, not scores: a restated score may leave a level what it was.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import select

from domain.calendar import parse_instant
from projections.reading.reader import Snapshot
from projections.views.step import standing_retractions
from replay.decisions.audit import as_of_announced, as_of_named
from replay.history.readers import Reader
from replay.history.timeline import RETRACTED, Moment, decisions_on, events_of_types, retracted_positions
from replay.store.base.store import Store
from replay.store.queries import length_of

SEARCHED_EVENTS: Final = 20_000
"""Announcements are looked for in streams of so many records: no index finds them."""
_SAID_BY: Final = ("level.announced", "event.retracted")
Rows = Sequence[Mapping[str, Any]]


class Claim(NamedTuple):
    """A level that was decided or announced of a period."""

    subject: str
    scheme: str
    period: str
    as_of: int
    """The moment that it is about."""
    kind: str
    """decided or announced."""
    state: str | None
    """None of an announcement, which names none."""
    level: str | None
    position: int
    """Of its record."""


class Dispute(NamedTuple):
    """A claim, and what is known of the same now."""

    claim: Claim
    state: str | None
    level: str | None


def disputed(claims: Iterable[Claim], history: Rows) -> list[Dispute]:
    """The claims about one subject in one scheme that its history does not bear out, the latest period first.

    `history` is its rows as `v1_history` holds them, the earliest first.
    """
    found = []
    for claim in claims:
        held = [row for row in history if row["from_at"] <= claim.as_of]
        state, level = (held[-1]["state"], held[-1]["level"]) if held else (None, None)
        if claim.level != level or (claim.level is None and claim.state not in (None, state)):
            found.append(Dispute(claim, state, level))
    return sorted(found, key=lambda item: (item.claim.as_of, item.claim.position), reverse=True)


def claims_on(store: Store, subject: str, scheme: str, moment: Moment, reader: Reader) -> list[Claim]:
    """What was announced of a subject in a scheme and stands, and the latest decision on each period, of all that was
    known at a moment and is about what had come by then; without decisions for a reader who may not see them.
    """
    claims = _announced(store, subject, scheme, moment.position)
    if reader.sees_decisions:
        events = decisions_on(store, subject, scheme, moment.position)
        decided = ((event.position, event.data) for event in events)
        claims += _latest(
            Claim(subject, scheme, item.period, parse_instant(item.as_of), "decided", item.state, item.level, position)
            for position, item in decided
        )
    return [claim for claim in claims if claim.as_of <= moment.as_of]


def disputes_in(views: Snapshot, store: Store, subjects: Sequence[str], reader: Reader) -> list[Dispute]:
    """The disputes about some subjects where the views stand, those of one level together."""
    claims = list[Claim]()
    if reader.sees_decisions:
        columns = views.tables["decisions"].c
        rows = views.connection.execute(
            select(views.tables["decisions"]).where(columns.subject.in_(subjects)).order_by(columns.position)
        )
        claims += _latest(
            Claim(row.subject, row.scheme, row.period, row.as_of, "decided", row.state, row.level, row.position)
            for row in rows
        )
    claims += _announced_in(views, store, subjects)
    by_level: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        if claim.as_of <= views.standing.as_of:
            by_level.setdefault((claim.subject, claim.scheme), []).append(claim)
    return [
        dispute
        for (subject, scheme), of_level in by_level.items()
        for dispute in disputed(of_level, _history(views, subject, scheme))
    ]


def _history(views: Snapshot, subject: str, scheme: str) -> Rows:
    table = views.tables["history"]
    query = select(table).where(table.c.subject == subject, table.c.scheme == scheme).order_by(table.c.number)
    return [dict(row._mapping) for row in views.connection.execute(query)]


def _latest(claims: Iterable[Claim]) -> list[Claim]:
    """The latest of each period, of claims in the order of the ledger."""
    return list({(claim.subject, claim.scheme, claim.period): claim for claim in claims}.values())


def _announced_in(views: Snapshot, store: Store, subjects: Sequence[str]) -> Iterator[Claim]:
    """The announcements on some subjects that stand, as the views hold them."""
    table, gone = views.tables["announced"], retracted_in(views, subjects)
    query = select(table).where(table.c.subject.in_(subjects)).order_by(table.c.position)
    for row in views.connection.execute(query):
        as_of = as_of_named(store, row.scheme, row.period)
        if row.position not in gone and as_of is not None:
            yield Claim(row.subject, row.scheme, row.period, as_of, "announced", None, row.level, row.position)


def retracted_in(views: Snapshot, subjects: Collection[str]) -> set[int]:
    """The positions of what known retractions take out of some subjects."""
    life = views.tables["life"].c
    query = select(life.subject, life.position, life.value).where(
        life.subject.in_(sorted(subjects)), life.type == RETRACTED
    )
    by_subject: dict[str, list[tuple[int, int]]] = {}
    for row in views.connection.execute(query):
        by_subject.setdefault(row.subject, []).append((row.position, row.value))
    return {target for found in by_subject.values() for target in standing_retractions(found)}


def _announced(store: Store, subject: str, scheme: str, position: int) -> list[Claim]:
    """The announcements of a scheme that stand; none of a stream that is too long to be searched."""
    if length_of(store, subject) > SEARCHED_EVENTS:
        return []
    events = list(events_of_types(store, subject, _SAID_BY, position))
    gone = retracted_positions(events)
    claims = []
    for event in events:
        if event.type != _SAID_BY[0] or event.position in gone or event.data.scheme != scheme:
            continue
        as_of = as_of_announced(store, event.data)
        if as_of is not None:
            told = event.data
            claims.append(
                Claim(subject, told.scheme, told.period, as_of, "announced", None, told.level, event.position)
            )
    return claims
