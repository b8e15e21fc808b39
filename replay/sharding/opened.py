"""A set that is open: its ledgers, each looked at whether it is the one that belongs there."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from domain.buckets import BUCKETS
from domain.events import ShardMade
from replay.errors import UsageError
from replay.recording.append import Elsewhere, KnownElsewhere
from replay.recording.placing import shard_of
from replay.sharding.document import SetDocument, location_of, read_set
from replay.store.base.identity import Head
from replay.store.base.store import Store
from replay.store.evidence.shard import shard_made
from replay.store.opening import open_store


class LedgerSet(NamedTuple):
    """The ledgers of a set, in order."""

    path: Path
    document: SetDocument
    stores: Sequence[Store]

    @property
    def of(self) -> int:
        """How many there are."""
        return len(self.stores)

    def number_of(self, subject: str) -> int:
        """The shard that takes a subject; the first for what is no subject."""
        return shard_of(subject, self.of) or 0

    def store_of(self, subject: str) -> Store:
        """The ledger of that shard."""
        return self.stores[self.number_of(subject)]

    @property
    def agencies(self) -> Store:
        """The ledger that takes every agency."""
        return self.store_of("mcn/")

    def head(self) -> Head:
        """Where the set stands, over all its ledgers."""
        return set_head([store.head() for store in self.stores])

    def elsewhere(self, number: int) -> Elsewhere:
        """What finds ids in the ledgers but one. What these have committed is found, and not what they write."""

        def find(keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], KnownElsewhere]:
            found: dict[tuple[str, str], KnownElsewhere] = {}
            for other, store in enumerate(self.stores):
                if other != number and keys:
                    reader = store.reader()
                    there = reader.find(keys)
                    found |= {key: KnownElsewhere(reader.whole(known), other) for key, known in there.items()}
            return found

        return find


@contextmanager
def open_set(location: str) -> Iterator[LedgerSet]:
    """Open the ledgers of a set. Raises UsageError where one of them is not there, or another one is in its place."""
    path = Path(location)
    document = read_set(path)
    with ExitStack() as stack:
        stores = []
        for number, place in enumerate(document.shards):
            store = stack.enter_context(open_store(location_of(path, place.store)))
            if store.identity.id != place.ledger:
                raise UsageError(
                    f"{path} names ledger {place.ledger} as shard {number}, and {store.name} holds {store.identity.id}:"
                    " stores were swapped or replaced; bring each back to its place"
                )
            check_is_shard(
                store, ShardMade(buckets=BUCKETS, number=number, of=len(document.shards), set_id=document.set_id)
            )
            stores.append(store)
        yield LedgerSet(path, document, stores)


def check_is_shard(store: Store, expected: ShardMade) -> None:
    """Raises UsageError where a ledger says of itself that it is another shard, or none."""
    made = shard_made(store)
    if made != expected:
        said = "no shard" if made is None else f"shard {made.number} of {made.of} of the set {made.set_id}"
        raise UsageError(
            f"{store.name} was made as {said}, and it is to be shard {expected.number} of {expected.of} of the set"
            f" {expected.set_id}; give each ledger its own place"
        )


def set_head(heads: Sequence[Head]) -> Head:
    """Heads of all ledgers of a set, as one: how many records, the last time, and a hash of all chain hashes."""
    chain = sha256(b"levelbook set\x00" + b"".join(head.chain for head in heads)).digest()
    return Head(sum(head.position for head in heads), max(head.recorded_at for head in heads), chain)
