"""Hypothetical events as they would be recorded: read by the parser of the intake, at positions behind the ledger.

Nothing is written. A buyer whom the merchant knows is recognised where the key is given, so that caps on a pair of
buyer and merchant hold; every other name, and every name where it is not, is that of somebody new.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from domain.calendar import instant_text
from domain.events import Event
from replay.errors import UsageError
from replay.history.timeline import event_of_row
from replay.parsing.parse import read_line
from replay.parsing.refusals import RefusalError
from replay.replaying.hypothetical import Hypothetical
from replay.store.base.store import Store
from replay.store.buyers import hash_buyer, is_sealed
from replay.store.queries import length_of
from replay.store.reading.alias_form import AliasKey
from replay.store.reading.row import encode_json
from replay.store.record import Candidate, filled, record_template, with_alias

SOURCE: Final = "urn:what-if"
"""The source of events that a program supposes, as they are written."""
_UNRECORDED: Final = "urn:levelbook:hypothetical"
"""Stands for it in memory: no event from outside bears such a source."""

_Buyer = tuple[str, str]
"""A merchant's stream, and what a buyer is called."""


class Supposed(NamedTuple):
    """A well-formed event that did not happen, and where it was read, for messages."""

    event: Candidate
    where: str


class Laid(NamedTuple):
    """Hypothetical events in the order of their positions, and the same as rows of what segments are made of."""

    events: tuple[Event, ...]
    rows: tuple[tuple[Any, ...], ...]
    recognised: frozenset[str]
    """The aliases of buyers whom the ledger knows."""


def supposed(events: Iterable[Hypothetical]) -> list[Supposed]:
    """Hypothetical values as well-formed events. Raises UsageError for one that is not, naming its place."""
    found = []
    for number, event in enumerate(events, 1):
        read = read_supposed(line_of(event, number), f"event {number}")
        found.append(read._replace(event=read.event._replace(source=_UNRECORDED)))
    return found


def read_supposed(line: bytes, where: str) -> Supposed:
    """The event in a line. Raises UsageError that says where and why it is refused."""
    try:
        return Supposed(read_line(line), where)
    except RefusalError as error:
        raise UsageError(f"{where} holds no event that could happen: {error}") from None


def line_of(event: Hypothetical, number: int) -> bytes:
    """An event as a line of the interchange, its id from its instant and a number, so that it may be recorded."""
    return encode_json(
        {
            "specversion": "1.0",
            "id": f"what-if-{event.occurred_at}-{number}",
            "source": SOURCE,
            "type": event.type,
            "subject": event.subject,
            "time": instant_text(event.occurred_at),
            "data": dict(event.data),
        }
    )


def laid(store: Store, events: Sequence[Supposed], as_of: int, known_at: int, key: bytes | None) -> Laid:
    """Those up to an instant as they would be recorded, behind the ledger's head and in the order in which they come.

    With the key for buyers those are recognised whom the ledger knows. Raises UsageError for an event that is recorded,
    or named twice.
    """
    _check_new(store, events)
    some = [item.event for item in events if item.event.occurred_at <= as_of]
    buyers = dict.fromkeys((item.stream, item.buyer) for item in some if item.buyer is not None)
    known = _recognised(store, buyers, key)
    aliases = {buyer: f"{number:032x}" for number, buyer in enumerate(buyers)} | known
    template = record_template(ledger_id=store.identity.id, recorded_text=instant_text(known_at), backfill=False)
    versions = {stream: length_of(store, stream) for stream in {item.stream for item in some}}
    events_found, rows = [], []
    for position, item in enumerate(some, store.head().position + 1):
        versions[item.stream] += 1
        version = versions[item.stream]
        event = item.event if item.buyer is None else with_alias(item.event, aliases[item.stream, item.buyer])
        record = filled(template, event, item.extensions, position, item.stream, version)
        name = (item.type, item.source, item.event_id, item.occurred_at, known_at, record)
        events_found.append(event_of_row((item.stream, position, version, *name)))
        rows.append((position, item.stream, item.type, item.occurred_at, record))
    return Laid(tuple(events_found), tuple(rows), frozenset(known.values()))


def _check_new(store: Store, events: Sequence[Supposed]) -> None:
    names = [(item.event.source, item.event.event_id) for item in events]
    known = store.reader().find(list(dict.fromkeys(names)))
    met = set[tuple[str, str]]()
    for name, item in zip(names, events, strict=True):
        if name in known:
            raise UsageError(
                f"{item.where} bears the name of an event that is recorded at position {known[name].position}:"
                f" {name[0]} {name[1]}; what has happened needs no supposing, and what has not needs an id of its own"
            )
        if name in met:
            raise UsageError(
                f"{item.where} bears the name of an event before it: {name[0]} {name[1]}; give it another id"
            )
        met.add(name)


def _recognised(store: Store, buyers: Collection[_Buyer], key: bytes | None) -> dict[_Buyer, str]:
    """The aliases of those buyers whom the ledger knows at their merchants; of none without the key."""
    if key is None:
        return {}
    keys = {AliasKey(hash_buyer(key, name), stream): (stream, name) for stream, name in buyers}
    rows = store.reader().aliases(list(keys)) if keys else []
    return {keys[AliasKey(row.key, row.merchant)]: row.alias for row in rows if is_sealed(key, row)}
