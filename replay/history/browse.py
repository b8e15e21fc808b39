"""Looking: events, subjects and the state of a ledger, as data for people and programs."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from domain.calendar import shanghai_text
from domain.events import CATALOGUE, CORRECTION_TYPES
from domain.fields import SUBJECT_KINDS
from replay.errors import UsageError, damaged
from replay.history.in_vain import retracting_nothing
from replay.history.readers import Reader
from replay.history.timeline import RETRACTED, Moment, has_subject, retracted_positions
from replay.store.alias_queries import waiting
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.queries import chain_at, link_at, rows_about, rows_of, rows_of_types, tally
from replay.store.reading.row import Row, leaf_hash, linked
from replay.store.searching.across import first_subject, row_named, subjects_between

_FLAGS: Final = ("order.flagged", "order.cleared")
CORRECTED_BY: Final = {
    "order.paid": _FLAGS,
    "order.received": _FLAGS,
    "review.posted": _FLAGS,
    "order.complained": ("complaint.dismissed",),
    "credit.deducted": ("credit.restored",),
}
"""By type, the corrections that speak of the same order or violation."""


class Chosen(NamedTuple):
    """Which of a subject's events to list."""

    order: str | None = None
    types: tuple[str, ...] = ()
    after: int = 0
    """Only those behind this position."""


def list_events(
    store: Store,
    subject: str,
    chosen: Chosen,
    moment: Moment,
    reader: Reader,
    made: Mapping[int, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """A subject's events that were known and had happened at a moment, in the order of the ledger.

    `made` is what a scheme made of them, by position; it is shown beside each, null where it made nothing of one.
    Decisions are left out for a reader who may not see them. Raises UsageError for an unknown subject or type, and
    HiddenError where decisions are what such a reader chose.
    """
    if not has_subject(store, subject):
        raise UsageError(f"the ledger knows no {subject}; 'levelbook subjects' lists the subjects")
    return _listed(store, subject, chosen, moment, reader, made)


def events_at(
    store: Store, subject: str, positions: Collection[int], moment: Moment, reader: Reader
) -> Iterator[dict[str, Any]]:
    """Those of the same events that stand at some positions, each in full; also of a subject of which a partial store
    holds these alone, with what corrects and retracts them.
    """
    listed = _listed(store, subject, Chosen(), moment, reader, None)
    return (item for item in listed if item["position"] in positions)


def _listed(
    store: Store, subject: str, chosen: Chosen, moment: Moment, reader: Reader, made: Mapping[int, Any] | None
) -> Iterator[dict[str, Any]]:
    for name in chosen.types:
        if name not in CATALOGUE:
            raise UsageError(f"there is no event type {name!r}; known are {', '.join(CATALOGUE)}")
        reader.check(name)
    bearing = _Bearing(store, subject, moment.position)
    for row in rows_of(store, subject, chosen.after, moment.position, chosen.order):
        if not reader.shows(row.type) or (chosen.types and row.type not in chosen.types):
            continue
        if chosen.order is not None and "order" not in CATALOGUE[row.type].refs:
            continue
        if row.occurred_at <= moment.as_of or row.type in CORRECTION_TYPES:
            beside = {} if made is None else {"made": made.get(row.position)}
            yield event_json(row) | {"hashes": _own_hashes(store, row)} | bearing.on(row) | beside


def find_event(store: Store, source: str, event_id: str) -> dict[str, Any]:
    """One event with its hashes and what corrects or retracts it; raises UsageError when unknown."""
    row = row_named(store, source, event_id)
    if row is None:
        raise UsageError(f"the ledger holds no event with source {source!r} and id {event_id!r}")
    return _told(store, row)


def event_told(store: Store, row: Row, reader: Reader) -> dict[str, Any]:
    """The same of a record. Raises HiddenError for a reader to whom it is not shown."""
    reader.check(row.type)
    return _told(store, row)


def _told(store: Store, row: Row) -> dict[str, Any]:
    return event_json(row) | {
        "hashes": _hashes(store, row),
        "neighbours": _neighbours(store, row.position),
        "corrects": [_naming(other) for other in _corrected(store, row)],
        "corrected_by": [_naming(other) for other in _corrections(store, row)],
        "retracted_by": [_naming(other) for other in _retractions(store, row)],
        "retracted_in_vain_by": [_naming(other) for other in _vain_retractions(store, row)],
        "retracts_nothing": row.type == RETRACTED and not _has_retracted(store, row),
        "retracted": is_retracted(store, row),
    }


def is_retracted(store: Store, row: Row) -> bool:
    """Whether a retraction of an event stands that is not itself retracted."""
    bearing, unseen = {row.position: row}, [row]
    while unseen:
        found = [other for other in _retractions(store, unseen.pop()) if other.position not in bearing]
        bearing.update((other.position, other) for other in found)
        unseen += found
    events = [read_record(other.type, other.record) for other in bearing.values()]
    return row.position in retracted_positions(events)


def event_json(row: Row) -> dict[str, Any]:
    """A record for people and programs: its place, both times in Shanghai time, the event itself."""
    try:
        record = msgspec.json.decode(row.record)
        times = {name: shanghai_text(getattr(row, name)) for name in ("occurred_at", "recorded_at")}
        return _event_json(row, record, times)
    except (msgspec.MsgspecError, KeyError, TypeError, RecursionError, OverflowError):
        raise damaged(f"the record at position {row.position}") from None


def _event_json(row: Row, record: dict[str, Any], times: dict[str, str]) -> dict[str, Any]:
    return {
        "position": row.position,
        "subject": row.stream,
        "version": row.version,
        **times,
        "backfill": record["backfill"],
        "event": record["event"],
        "extensions": record.get("extensions", {}),
    }


def list_subjects(store: Store, kind: str | None) -> Iterator[dict[str, Any]]:
    """The subjects in the order of their names, with the number of their events.

    Raises UsageError for an unknown kind. One step in the index a subject, however many events.
    """
    if kind is not None and kind not in SUBJECT_KINDS:
        raise UsageError(f"there is no kind of subject {kind!r}; known are {', '.join(SUBJECT_KINDS)}")
    # '0' is the character after '/', so that the range holds the kind's subjects and no others.
    first, after = (f"{kind}/", f"{kind}0") if kind else ("", "~")
    for stream, events in subjects_between(store, first, after):
        if store.holds(stream):
            yield {"subject": stream, "events": events}


def subjects_that_begin(store: Store, beginning: str, at_most: int) -> Iterator[str]:
    """The first subjects whose names begin so, in their order: one step in the index each."""
    name, behind = beginning, f"{beginning}\U0010ffff"
    for _ in range(at_most):
        found = first_subject(store, name, behind)
        if found is None:
            return
        if store.holds(found):
            yield found
        name = f"{found}\x01"  # no name holds a control character, so that this stands before the next


def status(store: Store) -> dict[str, Any]:
    """Where a ledger stands: identity, head, records by type, size on disk, erasures that were asked for."""
    head, waits = store.head(), waiting(store)
    types = tally(store)
    return {
        "store": store.name,
        "ledger": store.identity.id,
        "schema_version": store.identity.version,
        "position": head.position,
        "chain": head.chain.hex(),
        "recorded_at": shanghai_text(head.recorded_at) if head.position else None,
        "types": types,
        "retract_nothing": retracting_nothing(store, types.get(RETRACTED, 0)),
        "size_bytes": store.size_bytes(),
        "erasures_due": {
            "count": waits.kept,
            "earliest": None if waits.earliest_due is None else shanghai_text(waits.earliest_due),
            "overdue": waits.overdue,
        },
    }


def _hashes(store: Store, row: Row) -> dict[str, str]:
    chain_before = chain_at(store, row.position - 1) or bytes(32)
    found = _own_hashes(store, row)
    fits = linked(chain_before, leaf_hash(row.record)).hex() == found["chain"]
    return found | {"fits": "yes" if fits else "no: run 'levelbook verify'"}


def _own_hashes(store: Store, row: Row) -> dict[str, str]:
    """Of a partial store the ledger's chain is not known, and empty; of a row that left it is worked out."""
    chain = row.chain if row.chain or store.left is None else chain_at(store, row.position) or b""
    return {"content": row.content_hash.hex(), "leaf": leaf_hash(row.record).hex(), "chain": chain.hex()}


class _Bearing:
    """The corrections of one subject that are known at a position, by what they speak of."""

    def __init__(self, store: Store, subject: str, position: int) -> None:
        self._corrections: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self._retractions: dict[str, list[int]] = defaultdict(list)
        self._standing: set[int] = set()
        # The latest first: only a later one retracts.
        for row in rows_of_types(store, subject, CORRECTION_TYPES, position, latest_first=True):
            ref = row.ref or ""  # every correction names something
            if row.type != RETRACTED:
                self._corrections[ref].insert(0, (row.position, row.type))
                continue
            if not self._standing.intersection(self._retractions[f"{row.source} {row.event_id}"]):
                self._standing.add(row.position)
            self._retractions[ref].insert(0, row.position)

    def on(self, row: Row) -> dict[str, Any]:
        """Positions of what corrects and retracts an event, and whether a retraction of it stands."""
        types = CORRECTED_BY.get(row.type, ())
        key = f"{row.source} {row.event_id}"
        retracted_by = [at for at in self._retractions.get(key, ()) if at > row.position]
        return {
            "corrected_by": [at for at, name in self._corrections.get(row.ref or "", ()) if name in types],
            "retracted_by": retracted_by,
            "retracted": row.type != "level.decided" and bool(self._standing.intersection(retracted_by)),
        }


def _corrections(store: Store, row: Row) -> list[Row]:
    types = CORRECTED_BY.get(row.type, ())
    return [other for other in _with_ref(store, row.stream, row.ref) if other.type in types]


def _corrected(store: Store, row: Row) -> list[Row]:
    """The earlier and later events that a correction speaks of; a retraction the one that it takes out."""
    if row.type == RETRACTED:
        return [named for named in [_retracted_by(store, row)] if named is not None]
    corrects = [name for name, by in CORRECTED_BY.items() if row.type in by]
    return [other for other in _with_ref(store, row.stream, row.ref) if other.type in corrects]


def _neighbours(store: Store, position: int) -> dict[str, Any]:
    """The chain hashes before and behind a record; null at an end, and where a partial store holds none."""
    found = {name: link_at(store, at) for name, at in (("before", position - 1), ("behind", position + 1))}
    return {
        name: None if link is None else {"position": link.position, "chain": link.chain.hex()}
        for name, link in found.items()
    }


def _retractions(store: Store, row: Row) -> list[Row]:
    naming = _with_ref(store, row.stream, f"{row.source} {row.event_id}")
    return [other for other in naming if other.type == RETRACTED and other.position > row.position]


def _vain_retractions(store: Store, row: Row) -> list[Row]:
    """What named an event before it was recorded, and so does nothing."""
    naming = _with_ref(store, row.stream, f"{row.source} {row.event_id}")
    return [other for other in naming if other.type == RETRACTED and other.position < row.position]


def _has_retracted(store: Store, row: Row) -> bool:
    """Whether a retraction names an event of its subject that was recorded before it."""
    return _retracted_by(store, row) is not None


def _retracted_by(store: Store, row: Row) -> Row | None:
    """The event of its subject, recorded before it, that a retraction names."""
    source, _, event_id = (row.ref or "").partition(" ")
    named = row_named(store, source, event_id)
    if named is None or named.stream != row.stream or named.type == "level.decided":
        return None
    return named if named.position < row.position else None


def _with_ref(store: Store, stream: str, ref: str | None) -> list[Row]:
    return [] if ref is None else list(rows_about(store, stream, ref))


def _naming(row: Row) -> dict[str, Any]:
    return {
        "position": row.position,
        "type": row.type,
        "source": row.source,
        "id": row.event_id,
        "recorded_at": shanghai_text(row.recorded_at),
    }
