"""The feed of changes: each level that the views show otherwise than before, as CloudEvents, resumed by a cursor.

Of each level the feed tells the last change, with the level as it stands: whoever takes over every event behind his
cursor holds what `/v1/levels` shows.
"""

from asyncio import sleep
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from domain.calendar import shanghai_text
from projections.changes import last_number
from projections.service.askers import Askers, shown_by
from projections.service.levels import row_json
from projections.service.operations import Answer, Asked, reading_of
from projections.service.parameters import wrong
from projections.service.points import Level
from projections.service.problems import Problem
from projections.service.reading import Reading
from projections.service.standing import standing_json

CHANGED: Final = "levelbook.level.changed"
GONE: Final = "levelbook.level.gone"
LOOK_SECONDS: Final = 0.2
"""How often a stream looks for changes."""
HEARTBEAT_SECONDS: Final = 15
STREAMS_MAX: Final = 200
"""Streams that one process serves at a time."""
EVENT_STREAM: Final = "text/event-stream"


class Page(NamedTuple):
    """Some changes, and where to go on."""

    standing: dict[str, Any]
    events: Sequence[dict[str, Any]]
    cursor: str
    is_last: bool


async def read_changes(request: Request, asked: Asked) -> Answer | Response:
    """A page of changes, or for who accepts an event stream all of them, then each as it comes."""
    reading = reading_of(request)
    streams = EVENT_STREAM in request.headers.get("accept", "")
    resumed = request.headers.get("last-event-id") if streams else None
    first = await run_in_threadpool(read_page, reading, resumed or asked.get("after"), asked)
    if not streams:
        body = {**first.standing, "changes": first.events, "next": first.cursor, "caught_up": first.is_last}
        return Answer(body)
    open_streams: set[object] = request.app.state.streams
    if len(open_streams) >= STREAMS_MAX:
        detail = f"this process serves {STREAMS_MAX} streams already; ask for pages, or later"
        raise Problem(503, "too-many-streams", "Too many streams", detail, headers={"Retry-After": "10"})
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(request, first, asked), media_type=EVENT_STREAM, headers=headers)


def read_page(reading: Reading, after: str | None, asked: Asked) -> Page:
    """The changes behind a cursor, in one moment of the views. Raises Problem for a cursor of another feed."""
    with reading.store() as store, reading.snapshot() as at:
        number = number_of(reading, after)
        last = last_number(at.connection, reading.changes)
        if number > last:
            raise _gone()
        changes, levels, aside = reading.changes, at.tables["levels"], at.tables["set_aside"]
        same = (levels.c.subject == changes.c.subject) & (levels.c.scheme == changes.c.scheme)
        is_aside = (aside.c.subject == changes.c.subject) & (aside.c.scheme == changes.c.scheme)
        query = (
            select(changes, levels, aside.c.subject.is_not(None))
            .select_from(changes.outerjoin(levels, same).outerjoin(aside, is_aside))
            .where(changes.c.number > number)
            .order_by(changes.c.number)
            .limit(asked["limit"])
        )
        if asked.get("scheme") is not None:
            query = query.where(changes.c.scheme == asked["scheme"])
        rows = at.connection.execute(query).all()
        feed, source = reading.views().feed, f"urn:levelbook:{store.identity.id}"
        is_last = len(rows) < asked["limit"]
        cursor = f"{feed}.{last if is_last else rows[-1][2]}"
        return Page(standing_json(at.standing, store), [_event(row, feed, source) for row in rows], cursor, is_last)


def number_of(reading: Reading, cursor: str | None) -> int:
    """The number that a cursor stands behind; 0 for the beginning."""
    if cursor is None:
        return 0
    feed, _, number = cursor.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise wrong("after", "is no cursor of this feed; leave it out to begin anew")
    if feed != reading.views().feed:
        raise _gone()
    return int(number)


def _event(row: Sequence[Any], feed: str, source: str) -> dict[str, Any]:
    """A change as a CloudEvent, with the level as it stands."""
    subject, scheme, number, position, as_of, *level = row
    there = level[0] is not None
    data = row_json(Level._make([*level, position])) if there else {"subject": subject, "scheme": scheme}
    return {
        "specversion": "1.0",
        "id": f"{feed}.{number}",
        "source": source,
        "type": CHANGED if there else GONE,
        "subject": subject,
        "time": shanghai_text(as_of),
        "datacontenttype": "application/json",
        "data": data | {"changed_position": position},
    }


async def _stream(request: Request, first: Page, asked: Asked) -> AsyncIterator[bytes]:
    """Every event behind the first page's cursor, for as long as somebody listens and the service is up."""
    open_streams: set[object] = request.app.state.streams
    me = object()
    open_streams.add(me)
    try:
        yield b"retry: 2000\n\n"
        page, heard = first, monotonic()
        while not request.app.state.is_stopping():
            if page.events:
                yield b"".join(_told(event) for event in page.events)
                heard = monotonic()
            elif monotonic() - heard >= HEARTBEAT_SECONDS:
                yield f": at position {page.standing['position']}, as of {page.standing['as_of']}\n\n".encode()
                heard = monotonic()
            if page.is_last:
                await sleep(LOOK_SECONDS)
            following = await run_in_threadpool(_following, request, page.cursor, asked)
            if following is None:
                return
            page = following
    finally:
        open_streams.discard(me)


def _following(request: Request, cursor: str, asked: Asked) -> Page | None:
    """The next page of a stream; None where the token or session that it was begun with has ended."""
    askers: Askers = request.app.state.askers
    return read_page(reading_of(request), cursor, asked) if askers.holds(shown_by(request.scope)) else None


def _told(event: dict[str, Any]) -> bytes:
    data = msgspec.json.encode(event).decode()
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {data}\n\n".encode()


def _gone() -> Problem:
    detail = "the views were made again from nothing since that cursor was given: read /v1/levels again, then its feed"
    return Problem(410, "feed-gone", "The feed begins anew", detail, field="after")
