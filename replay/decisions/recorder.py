"""The library's contract over a store: its recorder, its mapper and its subscription.

What others of its users know works here as there: notifications are read by position and waited for.
"""

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, RLock
from typing import Any, Final, cast

import msgspec
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Mapper,
    Notification,
    StoredEvent,
    Subscription,
)
from msgspec import UNSET

from domain import events
from domain.calendar import parse_instant
from domain.events import CATALOGUE, Envelope
from replay.errors import LevelbookError, StoreError, UsageError
from replay.recording.append import Appender, ledger_clock
from replay.recording.erase import scrubbed, take_due
from replay.recording.own import own_candidate
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.opening import open_store
from replay.store.queries import chain_at, notifications, versions_of
from replay.store.reading.asked import EVERYTHING
from replay.store.record import Candidate, candidate

OWN_ID_CHANCE_BYTES: Final = 16
POLL_SECONDS: Final = 0.2
"""How long a subscription waits before it asks again."""
READ_ROWS: Final = 500
_envelope_decoder: Final = msgspec.json.Decoder(Envelope)


@dataclass(frozen=True)
class OwnEvent(StoredEvent):
    """A decided event on its way into the ledger."""

    made: Candidate
    """The same, as it is appended."""


class RecordMapper(Mapper[str]):
    """Between domain events and the records of the ledger; the topic of an event is its type."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """A decided event as the recorder takes it: `state` is the event's canonical JSON.

        Its id ends in chance, so that nobody can record something under it before. That nothing is decided twice
        rests on what the streams hold and on the versions expected of them, never on ids.
        """
        event = cast(events.Event, domain_event)
        event_id = f"{event.id}-{secrets.token_hex(OWN_ID_CHANCE_BYTES)}"
        made = own_candidate(
            event.originator_id, event.type, event.source, event_id, event.occurred_at, event.data, event.causation
        )
        return OwnEvent(event.originator_id, event.originator_version, event.type, made.event, made)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The event that a record holds, lifted to the present form of its type."""
        return read_record(stored_event.topic, stored_event.state)


class LedgerRecorder(ApplicationRecorder):
    """The library's recorder interface over a store; the state of a stored event is its record."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, clock_behind: bool = False, **_: Any
    ) -> Sequence[int]:
        """Append decided events at their expected versions.

        Raises IntegrityError, having recorded nothing, when a stream has moved on.
        """
        items = [
            stored.made if isinstance(stored, OwnEvent) else _candidate_of_state(stored.state)
            for stored in stored_events
        ]
        # No buyer stands in what the ledger decides, so that no key is needed.
        appender = Appender(self._store.identity.id, b"")
        with self._store.append() as transaction:
            stamper = ledger_clock(transaction, clock_behind=clock_behind)
            due = take_due(transaction, appender, stamper)
            versions = transaction.versions(sorted({item.stream for item in items}))
            for item, stored in zip(items, stored_events, strict=True):
                versions[item.stream] += 1
                if versions[item.stream] != stored.originator_version:
                    raise IntegrityError(
                        f"{item.stream} stands at version {versions[item.stream] - 1}: read it again and decide again"
                    )
            done = appender.append(transaction, items, stamper)
            if done.refused:
                raise LevelbookError(f"a decision was not recorded: {done.refused[0][1].message}")
            if done.recorded != len(items):
                raise IntegrityError("an event with the same source and id is recorded already")
        scrubbed(self._store, due)
        first = done.head.position - len(items) + 1
        return list(range(first, done.head.position + 1))

    def select_events(
        self,
        originator_id: Any,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The records of one stream in order of version."""
        last, at_most = (EVERYTHING if given is None else given for given in (lte, limit))
        rows = versions_of(self._store, originator_id, gt or 0, last, at_most, latest_first=desc)
        return [StoredEvent(*event) for *event, _ in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The records of the whole ledger in order of position, from `start` on."""
        first = (start or 0) if inclusive_of_start else (start or 0) + 1
        rows = notifications(self._store, first, EVERYTHING if stop is None else stop, topics, limit)
        return [Notification(*row) for row in rows]

    def max_notification_id(self) -> int | None:
        return self._store.head().position or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> "LedgerSubscription":
        """The records behind a position, and then those that are recorded, of some types or of all.

        Raises UsageError for a position behind the ledger's last one.
        """
        return LedgerSubscription(self._store, gt, topics)


class LedgerSubscription(Subscription[LedgerRecorder]):
    """The library's subscription by asking again: a store tells nobody that something was recorded in it.

    It has a connection of its own, so that it may wait in one thread while others read and record; positions have no
    gap, so that it passes over nothing. Raises StoreError where the ledger is removed, replaced, or restored from an
    older backup meanwhile, however far it has grown since: the chain hash of the last position is remembered. Of what
    happened before it began it cannot tell: all that the library remembers between two runs is a position.
    """

    def __init__(self, store: Store, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        self._own = open_store(store.location)
        super().__init__(LedgerRecorder(self._own), gt, topics)
        self._found: deque[Notification] = deque()
        self._stopped = Event()
        self._reading = RLock()
        self._last = gt or 0
        head = self._own.head().position
        if self._last > head:
            self.stop()
            raise UsageError(
                f"what follows position {gt} was asked for, but {store.name} ends at position {head}: it was restored"
                " from an older backup, or is another ledger. Make what rests on it anew"
            )
        self._chain = self._chain_at(self._last)

    def stop(self) -> None:
        """End the iteration, also one that waits in another thread."""
        super().stop()
        self._stopped.set()
        with self._reading:
            self._own.close()

    def __next__(self) -> Notification:
        while not self._stopped.is_set():
            if self._found:
                return self._found.popleft()
            with self._reading:
                if not self._stopped.is_set():
                    self._found.extend(self._behind())
            if not self._found:
                self._stopped.wait(POLL_SECONDS)
        raise StopIteration

    def _behind(self) -> Sequence[Notification]:
        """The next ones; behind where the ledger stood when it was asked, nothing is looked at twice."""
        with self._own.snapshot():
            if self._chain_at(self._last) != self._chain:
                raise StoreError(
                    f"{self._own.name} bears another record at position {self._last} than the one that was given out:"
                    " it was restored from an older backup. Make what rests on it anew"
                )
            head = self._own.head().position
            found = self._recorder.select_notifications(
                self._last, READ_ROWS, head, self._topics, inclusive_of_start=False
            )
            self._last = found[-1].id if len(found) == READ_ROWS else head
            self._chain = self._chain_at(self._last)
        if not found and not self._own.is_current():
            raise StoreError(
                f"{self._own.name} was removed or replaced since it was opened, or its connection was lost; look which"
                " ledger stands there, then start again"
            )
        return found

    def _chain_at(self, position: int) -> bytes | None:
        return chain_at(self._own, position) if position else self._own.identity.chain_start


def _candidate_of_state(state: bytes) -> Candidate:
    envelope = _envelope_decoder.decode(state)
    assert envelope.data is not UNSET
    data = msgspec.json.decode(envelope.data, type=CATALOGUE[envelope.type].data)
    return candidate(envelope, data, parse_instant(envelope.time), None)
