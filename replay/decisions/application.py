"""The ledger: the eventsourcing application over an append-only store.

The library gives the contract (stored events, mapper, recorder, topics, lifting of old versions);
facts from outside go through `replay.recording.append`, many in a transaction, and what the ledger decides
itself goes through the aggregates of `domain.aggregates` and `save`.
"""

import os
import re
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder, Mapper, Recording
from eventsourcing.utils import Environment, EnvType

from domain.aggregates import Board, DecisionBook, PolicyBook, Subject
from domain.events import Event, PolicyAdopted
from domain.policy import Policy
from domain.version import PROGRAM_VERSION
from replay.decisions.recorder import LedgerRecorder, RecordMapper
from replay.errors import UsageError
from replay.history.timeline import decisions_on, last_decisions
from replay.policies.catalog import REPORT_PREFIX, check_adoptable
from replay.recording.own import own_source
from replay.schemes.registry import scheme_of, schemes_of
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.opening import open_store
from replay.store.reading.asked import EVERYTHING

DECISIONS: Final = "ledger/decisions"
REPORT_HASH: Final = re.compile("[0-9a-f]{64}")
STORE_VARIABLE: Final = "LEVELBOOK_STORE"
Book = TypeVar("Book", PolicyBook, DecisionBook, Board)


class _Together:
    """Aggregates as one, whose events are saved in one transaction: the library looks at each of its objects longer
    than its events take to be recorded.
    """

    id = "together"
    version = 0

    def __init__(self, aggregates: Sequence[Any]) -> None:
        self._aggregates = aggregates

    def collect_events(self) -> list[Event]:
        return [event for aggregate in self._aggregates for event in aggregate.collect_events()]


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

    def subjects(self, streams: Sequence[str], scheme: str, period: str) -> list[Subject]:
        """The aggregates of many subjects of one kind: of their decisions the last of a scheme up to a period alone."""
        versions = self.store.reader().versions(streams)  # before their decisions: what comes between is then noticed
        schemes = tuple(found.code for found in schemes_of(scheme_of(scheme).kind))
        made = {stream: Subject(id=stream, version=versions[stream], schemes=schemes) for stream in streams}
        for event in last_decisions(self.store, streams, scheme, period):
            made[event.originator_id].evolve(event.data)
        return list(made.values())

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

    def adopt(self, policy: Policy, *, report: str | None = None, clock_behind: bool = False) -> int | None:
        """Record a policy revision with its whole content: its position, or None when it is the one adopted last.

        `report` is the hash of the report of a trial on which it is adopted. Raises UsageError for what is none.
        """
        if report is not None and not REPORT_HASH.fullmatch(report):
            raise UsageError(
                f"--report {report!r} is not the hash of a report: 64 digits of hexadecimal, in lower case"
            )
        book = self.policy_book(policy.scheme)
        return self._adopt(book, policy, clock_behind=clock_behind, causation=report and f"{REPORT_PREFIX}{report}")

    def adopt_first(self, policy: Policy) -> int | None:
        """Record a policy revision where none of its version is: its position, or None where one was adopted."""
        book = self.policy_book(policy.scheme)
        return None if policy.id in book.latest else self._adopt(book, policy, clock_behind=self._clock_behind)

    def _adopt(
        self, book: PolicyBook, policy: Policy, *, clock_behind: bool, causation: str | None = None
    ) -> int | None:
        check_adoptable(self.store, policy)
        adoption = PolicyAdopted(
            content=policy.content, hash=policy.hash, id=policy.id, program=PROGRAM_VERSION, scheme=policy.scheme
        )
        source, now = own_source(self.store), self.store.now()
        if not book.adopt(adoption, source=source, adopted_at=now, causation=causation):
            return None
        (recording,) = self.save(book, clock_behind=clock_behind)
        return int(recording.notification.id)

    def save(self, *objs: Any, **kwargs: Any) -> list[Recording[str]]:
        """Append what aggregates have decided. After a failure they must be read and decide again."""
        try:
            return super().save(_Together(objs), **{"clock_behind": self._clock_behind} | kwargs)
        except Exception:
            for subject in objs:
                subject.outdated = True
            raise


class OpenedLedger(Ledger):
    """A ledger that opens its store itself, as the library's runners make an application: by an environment alone."""

    name = Ledger.name

    def __init__(self, env: EnvType | None = None) -> None:
        """`env`, or else the process's environment, names the store in LEVELBOOK_STORE.

        Raises UsageError when neither does, or there is no store.
        """
        location = (env or {}).get(STORE_VARIABLE) or os.environ.get(STORE_VARIABLE)
        if not location:
            raise UsageError(f"which ledger is not said: put its path or URL into {STORE_VARIABLE}")
        super().__init__(open_store(location))

    def close(self) -> None:
        """The store too."""
        super().close()
        self.store.close()
