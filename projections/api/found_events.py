"""Single events, and events sought over the whole ledger."""

from typing import Any, Final

from marshmallow import Schema
from starlette.requests import Request

from domain.version import PROGRAM_VERSION
from projections.api.operations import Asked, Operation, Reply, reading_of
from projections.api.sheets import SheetRows
from projections.contract.lists import EventTold, FoundEventsPage
from projections.http.cursors import cursor_of, values_of
from projections.http.parameters import CursorQuery, FormQuery, Query, RecordPath, limit, text
from projections.http.problems import Problem
from projections.http.scopes import EXPLANATIONS, Access, asker_of
from replay.answers.explain import made_at
from replay.history.browse import event_told
from replay.history.readers import Reader
from replay.history.search import Sought, search_events
from replay.history.timeline import Asked as Present
from replay.history.timeline import resolve
from replay.schemes.registry import schemes_of
from replay.store.base.store import Store
from replay.store.queries import row_at

EVENT: Final = Access("event", of_scheme=False, of_subject=False)
EVENTS: Final = Access("events", of_scheme=False, of_subject=False)
FOUND_MAX: Final = 200


class FoundBy(Schema):
    """By what events are searched: by one of these, some with a source or a subject."""

    id = text("The id of an event.", longest=128)
    source = text("With an id: only of this source.", longest=128)
    run = text("In its place: the events of this run of decisions.", longest=64)
    about = text("In its place: what events are about, such as an order or a violation.", longest=300)
    case = text("In its place: the case that corrections name.", longest=128)
    alias = text("In its place: the alias of a buyer.", longest=64)
    subject = text("Only events of this subject, kind/id.", longest=80)


class SearchQuery(FoundBy, CursorQuery, FormQuery):
    limit = limit(FOUND_MAX, 50, "events")


def told_event(request: Request, position: int) -> dict[str, Any]:
    """One event with its hashes and neighbours, what bears on it, and what every scheme makes of it as known now."""
    reading, reader = reading_of(request), asker_of(request).reader
    with reading.store() as store:
        row = row_at(store, position)
        if row is None:
            raise _no_record(store, position)
        found = event_told(store, row, reader)
        moment = resolve(store, Present(), None, "")
    made = []
    for scheme in schemes_of(row.stream.partition("/")[0]):
        replay = reading.replay(row.stream, scheme.code, moment, reader)
        made.append({"scheme": scheme.code, "made": made_at(replay, position)})
    return {"program": PROGRAM_VERSION, "as_known_at": moment.position, **found, "made": made}


def found_events(store: Store, asked: Asked, reader: Reader) -> dict[str, Any]:
    """A page of the events that are sought."""
    after = None if asked.get("cursor") is None else values_of(asked["cursor"], str)[0]
    sought = Sought(*(asked.get(name) for name in Sought._fields))
    found = search_events(store, sought, reader, after, asked["limit"])
    following = None if found.next is None else cursor_of(found.next)
    return {
        "program": PROGRAM_VERSION,
        "position": store.head().position,
        "events": list(found.events),
        "next": following,
    }


def read_event(request: Request, asked: Asked) -> Reply:
    return Reply(told_event(request, int(asked["recorded"])))


def search(request: Request, asked: Asked) -> Reply:
    with reading_of(request).store() as store:
        return Reply(found_events(store, asked, asker_of(request).reader))


def _no_record(store: Store, position: int) -> Problem:
    detail = f"the ledger holds no record at position {position}; it ends at {store.head().position}"
    return Problem(404, "no-such-thing", "There is no such thing", detail, field="recorded")


OPERATIONS: Final = (
    Operation(
        "searchEvents",
        "/v1/events",
        search,
        EXPLANATIONS,
        EVENTS,
        "Events by id, by what they are about, by case, alias or run",
        FoundEventsPage,
        "An id and a run are found in the whole ledger. What an event is about means something within one subject:"
        " without one, 10,000 subjects are looked at for a page. For a case or an alias the subject's records are read,"
        " 100,000 for a page; without a subject those of the alias's merchant, and for a case, or an alias that was"
        " erased, 250,000 of the ledger. `next` is null only at the end, also where a page is short or empty.",
        query=SearchQuery,
        example={"id": "rev-ring-1", "limit": "2"},
        listed=SheetRows(("events",)),
    ),
    Operation(
        "readEvent",
        "/v1/events/{recorded}",
        read_event,
        EXPLANATIONS,
        EVENT,
        "One event: hashes, chain, what bears on it, what every scheme makes of it",
        EventTold,
        path_schema=RecordPath,
        query=Query,
        example={"recorded": "20"},
    ),
)
