"""The feed of changes: each level that the views show otherwise than before, as CloudEvents, resumed by a cursor.

Of each level the feed tells the last change, with the level as it stands: whoever takes over every event behind his
cursor holds what `/v1/levels` shows.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from domain.calendar import shanghai_text
from projections.api.levels import row_json
from projections.api.operations import Asked, Reply, reading_of
from projections.http.authentication import Askers, ShownSecret, shown_by
from projections.http.parameters import wrong
from projections.http.problems import Problem
from projections.http.scopes import asker_of
from projections.http.streams import Look, OpenStream, Streams
from projections.reading.freshness import standing_json
from projections.reading.point_reads import Level
from projections.reading.reader import Reading
from projections.views.changes import last_number
from replay.errors import LevelbookError

CHANGED: Final = "levelbook.level.changed"
GONE: Final = "levelbook.level.gone"
HEARTBEAT_SECONDS: Final = 15
EVENT_STREAM: Final = "text/event-stream"


class FeedPage(NamedTuple):
    """Some changes, and where to go on."""

    standing: dict[str, Any]
    events: Sequence[dict[str, Any]]
    cursor: str
    is_last: bool
    behind: str
    """The cursor behind every change that there was, of whatever scheme."""
    source: str
    """The ledger, as events name it."""


async def read_changes(request: Request, asked: Asked) -> Reply | Response:
    """A page of changes, or for who accepts an event stream all of them, then each as it comes."""
    reading = reading_of(request)
    streams = EVENT_STREAM in request.headers.get("accept", "")
    resumed = request.headers.get("last-event-id") if streams else None
    first = await run_in_threadpool(read_page, reading, resumed or asked.get("after"), asked)
    if not streams:
        body = {**first.standing, "changes": first.events, "next": first.cursor, "caught_up": first.is_last}
        return Reply(body)
    return _Streaming(request, first, asked)


class _Streaming(Response):
    """An answer without end; it has a place among the open streams for as long as it is sent."""

    def __init__(self, request: Request, first: FeedPage, asked: Asked) -> None:
        self._request, self._first, self._asked = request, first, asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams: Streams = self._request.app.state.streams
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        with streams.opened(asker_of(self._request).token, shown_by(scope)) as stream:
            told = _stream(self._request, stream, self._first, self._asked)
            scope["levelbook.is_stream"] = True  # how long it lasts says nothing of how fast the service is
            await StreamingResponse(told, media_type=EVENT_STREAM, headers=headers)(scope, receive, send)


def read_page(reading: Reading, after: str | None, asked: Asked) -> FeedPage:
    """The changes behind a cursor that were asked for. Raises Problem for a cursor of another feed."""
    scheme = asked.get("scheme")
    return page_behind(reading, after, () if scheme is None else (scheme,), asked["limit"])


def page_behind(reading: Reading, after: str | None, schemes: Collection[str], limit: int) -> FeedPage:
    """The changes behind a cursor, of these schemes or of all, in one moment of the views.

    Raises Problem for a cursor of another feed.
    """
    with reading.store() as store, reading.snapshot() as at:
        number = number_of(at.feed, after)
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
            .limit(limit)
        )
        if schemes:
            query = query.where(changes.c.scheme.in_(schemes))
        rows = at.connection.execute(query).all()
        feed, source = at.feed, f"urn:levelbook:{store.identity.id}"
        is_last = len(rows) < limit
        cursor = f"{feed}.{last if is_last else rows[-1][2]}"
        return FeedPage(
            standing_json(at.standing, store),
            [_event(row, feed, source) for row in rows],
            cursor,
            is_last,
            f"{feed}.{last}",
            source,
        )


def number_of(feed: str, cursor: str | None) -> int:
    """The number that a cursor of a feed stands behind; 0 for the beginning."""
    if cursor is None:
        return 0
    name, _, number = cursor.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise wrong("after", "is no cursor of this feed; leave it out to begin anew")
    if name != feed:
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


async def _stream(request: Request, stream: OpenStream, first: FeedPage, asked: Asked) -> AsyncIterator[bytes]:
    """Every event behind the first page's cursor, for as long as somebody listens and the service is up."""
    streams: Streams = request.app.state.streams
    yield b"retry: 2000\n\n"
    page, heard = first, monotonic()
    while not streams.is_stopping():
        if page.events:
            yield b"".join(_told(event) for event in page.events)
            heard = monotonic()
        if page.is_last:
            seen = await streams.next(stream, page.behind, heard + HEARTBEAT_SECONDS - monotonic())
            if seen is None:
                return
            if monotonic() - heard >= HEARTBEAT_SECONDS:
                yield f": at position {seen.standing['position']}, as of {seen.standing['as_of']}\n\n".encode()
                page, heard = page._replace(events=()), monotonic()
                continue
        elif stream.is_ended:
            return
        try:
            page = await run_in_threadpool(read_page, reading_of(request), page.cursor, asked)
        except (Problem, LevelbookError):
            return  # the next request is answered with it


def look_for_streams(reading: Reading, askers: Askers, shown: Collection[ShownSecret | None]) -> Look:
    """What all open streams wait for: the last change, and whose token or session has ended."""
    with reading.store() as store, reading.snapshot() as at:
        standing = standing_json(at.standing, store)
        number = at.standing.number
    return Look(at.feed, number, standing, frozenset(item for item in shown if not askers.holds(item)))


def _told(event: dict[str, Any]) -> bytes:
    data = msgspec.json.encode(event).decode()
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {data}\n\n".encode()


def _gone() -> Problem:
    detail = "the views were made again from nothing since that cursor was given: read /v1/levels again, then its feed"
    return Problem(410, "feed-gone", "The feed begins anew", detail, field="after")
