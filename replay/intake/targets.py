"""Where an ingest records: a ledger that there is, one that is made with its first record, or a trial of either."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from replay.errors import NoStoreError, UsageError
from replay.intake.dry_run import DryRun, key_for_none, scratch_above
from replay.parsing.unpacking import printable
from replay.recording.append import Appended, Appender, Stamper
from replay.recording.erase import Due, scrubbed, take_due
from replay.store.base.identity import EMPTY, Head, refuse_one_alias_everywhere
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.buyers import key_of
from replay.store.evidence.shard import shard_made
from replay.store.location import is_postgres, masked
from replay.store.opening import create_store, open_store
from replay.store.record import Candidate
from replay.tracing import parents_in, span

Clock = Callable[[Transaction], Stamper]
"""What gives the records of a transaction their times."""
Check = Callable[[Appended], None]
"""Looks at what became of a batch before it is committed; what it raises leaves nothing of the batch."""


def no_check(_: Appended) -> None:
    """Whatever became of a batch is committed."""


class Target(Protocol):
    """Where an ingest records."""

    @property
    def made(self) -> str | None:
        """Where a new ledger was made, or in a trial would be: its absolute path, or its URL without password."""

    @property
    def due(self) -> Due:
        """What became of the erasures of buyers that were due, over the whole run."""

    def record(self, candidates: Sequence[Candidate], clock: Clock, check: Check = no_check) -> Appended:
        """Append a batch in a transaction of its own."""

    def head(self) -> Head: ...

    def backfilling(self) -> AbstractContextManager[None]: ...

    def trial(self) -> AbstractContextManager["Target"]:
        """The same ledger, in which batches are recorded for the length of the block alone."""


class LedgerTarget:
    """A ledger that there is."""

    made: str | None = None

    def __init__(self, store: Store, appender: Appender) -> None:
        self._store = store
        self._appender = appender
        self._backfilling = False
        self.due = Due()

    def record(self, candidates: Sequence[Candidate], clock: Clock, check: Check = no_check) -> Appended:
        with span("record batch", links=parents_in(each.extensions for each in candidates)) as tell:
            with self._store.append() as transaction:
                stamper = clock(transaction)
                # A receipt is learned now, and would make all later lines of a backfill late.
                due = take_due(transaction, self._appender, stamper, may_erase=not self._backfilling)
                done = self._appender.append(transaction, candidates, stamper)
                check(done)
            tell(
                {
                    "levelbook.recorded": done.recorded,
                    "levelbook.known": done.known,
                    "levelbook.refused": len(done.refused),
                    "levelbook.position": done.head.position,
                }
            )
        self.due = self.due.then(scrubbed(self._store, due))
        return done

    def head(self) -> Head:
        return self._store.head()

    @contextmanager
    def backfilling(self) -> Iterator[None]:
        with self._store.backfilling():
            self._backfilling = True
            yield
        self._backfilling = False

    def trial(self) -> AbstractContextManager[Target]:
        return _trial_above(self._store, self._appender, None)


class DryRunTarget:
    """Looks like a ledger, or where there is none like an empty one; nothing reaches the ledger itself."""

    due = Due()

    def __init__(self, layers: DryRun, store: Store | None, appender: Appender, new: str | None) -> None:
        self._layers = layers
        self._store = store
        self._appender = appender
        self._new = new
        self.made: str | None = None

    def record(self, candidates: Sequence[Candidate], clock: Clock, check: Check = no_check) -> Appended:
        with self._layers.append() as transaction:
            done = self._appender.append(transaction, candidates, clock(transaction))
            check(done)
        if done.recorded:
            self.made = self._new
        return done

    def head(self) -> Head:
        return EMPTY if self._store is None else self._store.head()

    @contextmanager
    def backfilling(self) -> Iterator[None]:
        yield

    def trial(self) -> AbstractContextManager[Target]:
        return _trial_above(self._store, self._appender, self._new)


class Future:
    """A ledger that is made, and announced, right before the first record that it will hold; else never."""

    def __init__(self, location: str, key: bytes, announce: Callable[[str], None], stack: ExitStack) -> None:
        self._location = location
        self._key = key
        self._announce = announce
        self._stack = stack
        self._backfill: ExitStack | None = None
        self._ledger: LedgerTarget | None = None
        self.made: str | None = None

    @property
    def due(self) -> Due:
        return Due() if self._ledger is None else self._ledger.due

    def record(self, candidates: Sequence[Candidate], clock: Clock, check: Check = no_check) -> Appended:
        if self._ledger is None:
            with self.trial() as trial:
                done = trial.record(candidates, clock, check)
            if not done.recorded:
                return done
            self._ledger = self._make()
        return self._ledger.record(candidates, clock, check)

    def head(self) -> Head:
        return EMPTY if self._ledger is None else self._ledger.head()

    @contextmanager
    def backfilling(self) -> Iterator[None]:
        """The right to backfill is taken as soon as there is a ledger."""
        with ExitStack() as self._backfill:
            yield
        self._backfill = None

    @contextmanager
    def trial(self) -> Iterator[Target]:
        if self._ledger is not None:
            with self._ledger.trial() as trial:
                yield trial
            return
        appender = Appender(secrets.token_hex(16), self._key)
        with _trial_above(None, appender, where_of(self._location)) as trial:
            yield trial

    def _make(self) -> LedgerTarget:
        if create_store(self._location):
            self.made = where_of(self._location)
            self._announce(self.made)
        ledger = _present(self._stack.enter_context(open_store(self._location)))
        if self._backfill is not None:
            self._backfill.enter_context(ledger.backfilling())
        return ledger


@contextmanager
def target_at(location: str, announce: Callable[[str], None], *, dry_run: bool, existing: bool) -> Iterator[Target]:
    """Where to record at a location; `announce` is called with where a new ledger was made.

    Nothing is made where a dry run is asked for. Raises UsageError where there is no ledger and `existing` is asked
    for, or where none could be made: before anything is read.
    """
    with ExitStack() as stack:
        try:
            store = stack.enter_context(open_store(location))
        except NoStoreError:
            if existing:
                raise UsageError(
                    f"there is no ledger at {where_of(location)}, and --existing forbids to make one; check --store and"
                    " LEVELBOOK_STORE"
                ) from None
            target: Target = Future(location, key_for_none(location), announce, stack)
        else:
            target = _present(store)
        yield stack.enter_context(target.trial()) if dry_run else target


def where_of(location: str) -> str:
    """A location in full, to be shown: an absolute path, or a URL without password."""
    return masked(location) if is_postgres(location) else printable(str(Path(location).resolve()))


def _present(store: Store) -> LedgerTarget:
    refuse_one_alias_everywhere(store.identity, store.name)
    return LedgerTarget(store, Appender(store.identity.id, key_of(store), shard_made(store)))


@contextmanager
def _trial_above(store: Store | None, appender: Appender, new: str | None) -> Iterator[Target]:
    with scratch_above(store) as layers:
        yield DryRunTarget(layers, store, appender, new)
