"""The ledger: the eventsourcing application over an append-only store.

The library gives the contract (stored events, mapper, recorder, topics, lifting of old versions);
facts from outside go through `replay.recording.append`, many in a transaction, and what the ledger decides
itself goes through the aggregates of `domain.aggregates` and `save`.
"""

import secrets
from collections.abc import Sequence
from typing import Any, Final, TypeVar, cast

import msgspec
from eventsourcing.application import Application
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Mapper,
    Notification,
    Recording,
    StoredEvent,
    Subscription,
)
from eventsourcing.utils import Environment, EnvType
from msgspec import UNSET

from domain.aggregates import Board, DecisionBook, PolicyBook, Subject
from domain.calendar import parse_instant
from domain.events import CATALOGUE, Envelope, Event, PolicyAdopted
from domain.policy import Policy
from domain.version import PROGRAM_VERSION
from replay.errors import LevelbookError
from replay.history.timeline import decisions_on
from replay.policies.catalog import check_adoptable
from replay.recording.append import Appender, ledger_clock
from replay.recording.erase import scrubbed, take_due
from replay.recording.own import own_candidate, own_source
from replay.schemes.registry import schemes_of
from replay.store.base import Store
from replay.store.decode import read_record
from replay.store.queries import EVERYTHING, notifications, versions_of
from replay.store.record import Candidate, candidate

DECISIONS: Final = "ledger/decisions"
OWN_ID_CHANCE_BYTES: Final = 16
Book = TypeVar("Book", PolicyBook, DecisionBook, Board)
_envelope_decoder: Final = msgspec.json.Decoder(Envelope)


class RecordMapper(Mapper[str]):
    """Between domain events and the records of the ledger; the topic of an event is its type."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """A decided event as the recorder takes it: `state` is the event's canonical JSON.

        Its id ends in chance, so that nobody can record something under it before. That nothing is decided twice
        rests on what the streams hold and on the versions expected of them, never on ids.
        """
        event = cast(Event, domain_event)
        event_id = f"{event.id}-{secrets.token_hex(OWN_ID_CHANCE_BYTES)}"
        made = own_candidate(event.originator_id, event.type, event.source, event_id, event.occurred_at, event.data)
        return StoredEvent(event.originator_id, event.originator_version, event.type, made.event)

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
        items = [_candidate_of_state(stored.state) for stored in stored_events]
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
        return [StoredEvent(*row) for row in rows]

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

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Views read by position (`select_notifications`); there is no push."""
        raise NotImplementedError("read by position: a ledger does not push")


class Ledger(Application[str]):
    """The recorded past of one store."""

    name = "levelbook"

    def __init__(self, store: Store, *, clock_behind: bool = False) -> None:
        self.store = store
        self._clock_behind = clock_behind  # whether to go on although the last record bears a later time
        super().__init__()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """None of the library's environment variables may change how records are written."""
        return Environment(name, {})

    def construct_mapper(self) -> Mapper[str]:
        return RecordMapper(self.construct_transcoder())

    def construct_recorder(self) -> ApplicationRecorder:
        return LedgerRecorder(self.store)

    def subject(self, stream: str) -> Subject:
        """The aggregate of a subject, from its decisions alone: a stream is never loaded whole."""
        head = self.recorder.select_events(stream, desc=True, limit=1)
        schemes = tuple(scheme.code for scheme in schemes_of(stream.partition("/")[0]))
        made = Subject(id=stream, version=head[0].originator_version if head else 0, schemes=schemes)
        for scheme in schemes:
            for event in decisions_on(self.store, stream, scheme, EVERYTHING):
                made.evolve(event.data)
        return made

    def policy_book(self, scheme: str) -> PolicyBook:
        """The aggregate of the policies that a scheme has adopted."""
        return self._whole(PolicyBook(id=f"policy/{scheme}"))

    def decision_book(self) -> DecisionBook:
        """The aggregate of the runs of decisions."""
        return self._whole(DecisionBook(id=DECISIONS))

    def board(self, code: str) -> Board:
        """The aggregate of a monthly board."""
        return self._whole(Board(id=f"board/{code}"))

    def _whole(self, book: Book) -> Book:
        """An aggregate whose stream holds nothing but its own events."""
        for stored in self.recorder.select_events(book.id):
            event = read_record(stored.topic, stored.state)
            book.version = event.originator_version
            book.evolve(event.data)
        return book

    def adopt(self, policy: Policy, *, clock_behind: bool = False) -> int | None:
        """Record a policy revision with its whole content: its position, or None when it is the one adopted last."""
        return self._adopt(self.policy_book(policy.scheme), policy, clock_behind=clock_behind)

    def adopt_first(self, policy: Policy) -> int | None:
        """Record a policy revision where none of its version is: its position, or None where one was adopted."""
        book = self.policy_book(policy.scheme)
        return None if policy.id in book.latest else self._adopt(book, policy, clock_behind=self._clock_behind)

    def _adopt(self, book: PolicyBook, policy: Policy, *, clock_behind: bool) -> int | None:
        check_adoptable(self.store, policy)
        adoption = PolicyAdopted(
            content=policy.content, hash=policy.hash, id=policy.id, program=PROGRAM_VERSION, scheme=policy.scheme
        )
        if not book.adopt(adoption, source=own_source(self.store), adopted_at=self.store.now()):
            return None
        (recording,) = self.save(book, clock_behind=clock_behind)
        return int(recording.notification.id)

    def save(self, *objs: Any, **kwargs: Any) -> list[Recording[str]]:
        """Append what aggregates have decided. After a failure they must be read and decide again."""
        try:
            return super().save(*objs, **{"clock_behind": self._clock_behind} | kwargs)
        except Exception:
            for subject in objs:
                subject.outdated = True
            raise


def _candidate_of_state(state: bytes) -> Candidate:
    envelope = _envelope_decoder.decode(state)
    assert envelope.data is not UNSET
    data = msgspec.json.decode(envelope.data, type=CATALOGUE[envelope.type].data)
    return candidate(envelope, data, parse_instant(envelope.time), None)
