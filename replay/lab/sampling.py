"""Samples of subjects that come out the same each time: by the hash of a name and a seed that is told, by no chance."""

from collections.abc import Collection
from hashlib import sha256
from heapq import nsmallest
from typing import Final, NamedTuple

from replay.history.browse import list_subjects
from replay.store.base.store import Store

SEED: Final = "levelbook-lab-1"


class Sample(NamedTuple):
    """Which subjects of a kind are looked at."""

    names: Collection[str]
    of: int
    """How many there are."""

    @property
    def size(self) -> int:
        return len(self.names)


def sample_of(store: Store, kind: str, size: int | None) -> Sample:
    """So many of the subjects that the ledger knows of a kind; all of them where they are no more."""
    names = [item["subject"] for item in list_subjects(store, kind)]
    taken = names if size is None else nsmallest(size, names, key=place_of)
    return Sample(frozenset(taken), len(names))


def place_of(name: str) -> bytes:
    """By which the subjects of a sample are taken: the smallest first."""
    return sha256(f"{SEED}/{name}".encode()).digest()
