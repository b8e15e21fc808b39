"""Finding events: by id, by the run that decided, by order or violation, by case and by a buyer's alias.

An id and a run are found by an index in the whole ledger. What an event is about means something within one subject:
without one, subject after subject is looked at, so many for a page. Cases and aliases have no index: the records of
the subject that is named are read, so many for a page. Without one those of the merchant whose buyer the table of
aliases says it is; and for a case, or an alias that was erased, a stretch of the ledger, of which the database gives
the records that could bear it. Whatever a page leaves out, it says where to go on.
"""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from domain.events import CATALOGUE, CORRECTION_TYPES
from domain.fields import SUBJECT_KINDS
from replay.errors import UsageError
from replay.history.browse import event_json
from replay.history.readers import Reader
from replay.recording.own import own_source
from replay.store.alias_queries import merchant_of
from replay.store.base.store import Store
from replay.store.queries import row_at, rows_of
from replay.store.reading.asked import EVERYTHING
from replay.store.reading.row import Row
from replay.store.searching.across import event_rows_named, row_named
from replay.store.searching.records import rows_about_in, rows_bearing, rows_from, streams_behind_name

RECORDS_AT_ONCE: Final = 100_000
SUBJECTS_AT_ONCE: Final = 10_000
POSITIONS_AT_ONCE: Final = 250_000
"""So much is looked at for one page."""
_PAID: Final = "order.paid"


class Sought(NamedTuple):
    """What is sought; of `id`, `run`, `about`, `case` and `alias` exactly one."""

    id: str | None = None
    source: str | None = None
    """With an id: only of this source."""
    run: str | None = None
    """The events of a run of decisions."""
    about: str | None = None
    """An order, a violation, or whatever else events name that they are about."""
    case: str | None = None
    alias: str | None = None
    subject: str | None = None


class FoundEvents(NamedTuple):
    """A page of events."""

    events: Sequence[dict[str, Any]]
    next: str | None
    """Where to go on; None only at the end."""


def search_events(store: Store, sought: Sought, reader: Reader, after: str | None, limit: int) -> FoundEvents:
    """A page of the events that are sought. Raises UsageError where too little or too much is named, HiddenError."""
    named = [name for name in ("id", "run", "about", "case", "alias") if getattr(sought, name) is not None]
    if len(named) != 1:
        raise UsageError("name one thing to be sought: id, run, about (an order, say), case or alias")
    if sought.subject is not None and sought.subject.partition("/")[0] not in SUBJECT_KINDS:
        raise UsageError(f"there is no subject {sought.subject!r}; name it as kind/id, such as merchant/tea-house")
    if sought.run is not None:
        reader.check("level.decided")
        rows = rows_from(store, f"{own_source(store)}:{sought.run}", after or "", limit + 1)
        return _page(rows, limit, lambda row: row.event_id, reader)
    if sought.id is not None:
        return _page(_named(store, sought, _position(after)), limit, lambda row: str(row.position), reader)
    if sought.subject is None and sought.about is not None:
        return _over_subjects(store, sought.about, reader, after or "", limit)
    subject, behind = sought.subject, _position(after)
    if subject is None and sought.alias is not None:
        subject = merchant_of(store, sought.alias)
    if subject is None:
        return _over_ledger(store, sought, reader, behind, limit)
    return _in_subject(store, sought, subject, reader, behind, limit)


def _position(after: str | None) -> int:
    if after is not None and re.fullmatch("[0-9]{1,18}", after) is None:
        raise UsageError(f"this page does not go on behind {after!r}: that is a place in another search")
    return int(after or 0)


def _named(store: Store, sought: Sought, after: int) -> list[Row]:
    assert sought.id is not None
    if sought.source is not None:
        found = [row_named(store, sought.source, sought.id)]
    else:
        places = [row[1] for row in event_rows_named(store, sought.id, EVERYTHING)]
        found = [row_at(store, position) for position in places]
    rows = [row for row in found if row is not None and row.position > after]
    return [row for row in rows if sought.subject in (None, row.stream)]


def _page(rows: Sequence[Row], limit: int, place: Any, reader: Reader) -> FoundEvents:
    following = str(place(rows[limit - 1])) if len(rows) > limit else None
    return FoundEvents([event_json(row) for row in rows[:limit] if reader.shows(row.type)], following)


def _over_subjects(store: Store, about: str, reader: Reader, after: str, limit: int) -> FoundEvents:
    """Whole subjects at a time: a page ends with a subject, so that it may hold some more events than asked for."""
    streams = streams_behind_name(store, after, "~", SUBJECTS_AT_ONCE)
    found: list[Row] = []
    for row in rows_about_in(store, streams, about):
        if len(found) >= limit and row.stream != found[-1].stream:
            return FoundEvents(_shown(found, reader), found[-1].stream)
        found.append(row)
    return FoundEvents(_shown(found, reader), streams[-1] if len(streams) == SUBJECTS_AT_ONCE else None)


def _shown(rows: Sequence[Row], reader: Reader) -> list[dict[str, Any]]:
    return [event_json(row) for row in rows if reader.shows(row.type)]


def _in_subject(store: Store, sought: Sought, subject: str, reader: Reader, after: int, limit: int) -> FoundEvents:
    found: list[Row] = []
    looked = last = 0
    for row in islice(rows_of(store, subject, after, EVERYTHING, sought.about), RECORDS_AT_ONCE):
        looked, last = looked + 1, row.position
        if reader.shows(row.type) and _fits(row, sought):
            found.append(row)
            if len(found) == limit:
                break
    goes_on = looked == RECORDS_AT_ONCE or len(found) == limit
    return FoundEvents([event_json(row) for row in found], str(last) if goes_on else None)


def _over_ledger(store: Store, sought: Sought, reader: Reader, after: int, limit: int) -> FoundEvents:
    """Of a stretch of the ledger those that bear a case, or an alias of which nobody knows any more whose it was."""
    end, head = after + POSITIONS_AT_ONCE, store.head().position
    types = CORRECTION_TYPES if sought.case is not None else (_PAID,)
    found: list[Row] = []
    for row in rows_bearing(store, types, after, min(end, head)):
        if reader.shows(row.type) and _fits(row, sought):
            found.append(row)
            if len(found) == limit:
                return FoundEvents([event_json(row) for row in found], str(row.position))
    return FoundEvents([event_json(row) for row in found], str(end) if end < head else None)


def _fits(row: Row, sought: Sought) -> bool:
    """Whether a record's data bear the case or the alias; of the many that do not, only the bytes are looked at."""
    if sought.about is not None:
        return bool(CATALOGUE[row.type].refs)
    wanted, name = (sought.case, "case") if sought.case is not None else (sought.alias, "buyer")
    if msgspec.json.encode(wanted)[1:-1] not in row.record:
        return False
    data: dict[str, Any] = event_json(row)["event"]["data"]
    return data.get(name) == wanted
