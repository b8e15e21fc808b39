"""Where an ingest of a set records: each event in the ledger that takes its subject, one ledger after another."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from operator import add, itemgetter

from replay.intake.dry_run import DryRun, scratch_above
from replay.intake.targets import Check, Clock, DryRunTarget, LedgerTarget, Target, no_check
from replay.parsing.refusals import Refusal
from replay.recording.append import Appended, Appender, Elsewhere, KnownElsewhere
from replay.recording.erase import Due
from replay.recording.oddities import Oddities
from replay.recording.placing import shard_of
from replay.sharding.opened import LedgerSet, open_set, set_head
from replay.sharding.routing import rounds_of
from replay.store.base.identity import Head
from replay.store.buyers import key_of
from replay.store.evidence.shard import shard_made
from replay.store.record import Candidate


class SetTarget:
    """The ledgers of a set, as one target. Each batch is a transaction in each ledger that takes any of it."""

    made: str | None = None

    def __init__(self, opened: LedgerSet, parts: Sequence[Target]) -> None:
        self._opened = opened
        self._parts = parts

    @property
    def due(self) -> Due:
        found = Due()
        for part in self._parts:
            found = found.then(part.due)
        return found

    def record(self, candidates: Sequence[Candidate], clock: Clock, check: Check = no_check) -> Appended:
        numbers = [shard_of(item.stream, len(self._parts)) or 0 for item in candidates]
        names = [(item.source, item.event_id) for item in candidates]
        done, refused = list[Appended](), list[tuple[int, Refusal]]()
        for some in rounds_of(numbers, names, len(self._parts)):
            for part, chosen in zip(self._parts, some, strict=True):
                if chosen:
                    done.append(part.record([candidates[index] for index in chosen], clock, check))
                    refused += [(chosen[at], why) for at, why in done[-1].refused]
        return Appended(
            sum(item.recorded for item in done),
            sum(item.known for item in done),
            sorted(refused, key=itemgetter(0)),
            self.head(),
            together([item.odd for item in done]),
        )

    def head(self) -> Head:
        return set_head([part.head() for part in self._parts])

    @contextmanager
    def backfilling(self) -> Iterator[None]:
        with ExitStack() as stack:
            for part in self._parts:
                stack.enter_context(part.backfilling())
            yield

    def trial(self) -> AbstractContextManager[Target]:
        return _trial(self._opened)


def together(odd: Sequence[Oddities]) -> Oddities:
    """What is odd of several batches."""
    found = Oddities()
    for one in odd:
        found = Oddities(*map(add, found, one))
    return found


@contextmanager
def set_target(location: str, *, dry_run: bool) -> Iterator[Target]:
    """Where to record in a set. Raises UsageError where it is not whole; it is never made in passing."""
    with open_set(location) as opened:
        target = SetTarget(opened, [shard_target(opened, number) for number in range(opened.of)])
        if not dry_run:
            yield target
            return
        with target.trial() as trial:
            yield trial


def shard_target(opened: LedgerSet, number: int) -> LedgerTarget:
    """One ledger of a set, which looks into the others for ids."""
    store = opened.stores[number]
    return LedgerTarget(store, _appender(opened, number, opened.elsewhere(number)))


def _appender(opened: LedgerSet, number: int, elsewhere: Elsewhere) -> Appender:
    store = opened.stores[number]
    return Appender(store.identity.id, key_of(store), shard_made(store), elsewhere)


@contextmanager
def _trial(opened: LedgerSet) -> Iterator[Target]:
    """A dry run above each ledger; they see one another's."""
    with ExitStack() as stack:
        layers = [stack.enter_context(scratch_above(store)) for store in opened.stores]
        parts = [
            DryRunTarget(above, store, _appender(opened, number, _tried_elsewhere(layers, number)), None)
            for number, (above, store) in enumerate(zip(layers, opened.stores, strict=True))
        ]
        yield SetTarget(opened, parts)


def _tried_elsewhere(layers: Sequence[DryRun], number: int) -> Elsewhere:
    def find(keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], KnownElsewhere]:
        found: dict[tuple[str, str], KnownElsewhere] = {}
        for other, above in enumerate(layers):
            if other != number and keys:
                with above.append() as transaction:
                    there = transaction.find(keys)
                    found |= {key: KnownElsewhere(transaction.whole(known), other) for key, known in there.items()}
        return found

    return find
