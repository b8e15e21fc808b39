"""Recomputing a ledger: log, heads and number of keys from the records alone, going on from what a witness keeps.

Every record's bytes are read anew; of what the ledger keeps beside them nothing is believed.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from domain.events import HeadsSealed
from domain.keys import MAP_VERSION, keys_of, stream_key
from replay.errors import LevelbookError
from replay.integrity.borne import BorneAliases
from replay.integrity.columns_fit import check_columns, which_fit
from replay.integrity.key_chains import Misfit
from replay.proving.growing_trie import GrowingTrie
from replay.proving.heads_trie import key_hash
from replay.proving.log_tree import WholeSubtree, root_of_whole, take_leaf
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.evidence.seals import HEADS_STREAM, SEALED, seals
from replay.store.queries import plain_rows
from replay.store.reading.key_state import KeyState
from replay.store.reading.row import Row, leaf_hash
from replay.witnessing.kept import Cosigned, WitnessState, leaf_of

ROWS_TOGETHER: Final = 200
STATES_TOGETHER: Final = 100_000
"""States of keys that are held in memory before they are written."""


class RecomputedSize(NamedTuple):
    """What the first records of a ledger come to."""

    tree: bytes
    heads: bytes
    keys: int


class RecomputedOtherwise(LevelbookError):
    """The records of a ledger do not come to what it has sealed or signed."""


def recompute(store: Store, keeping: WitnessState, origin: str, before: Cosigned, size: int) -> list[WholeSubtree]:
    """What the log tree over the first `size` records consists of, having checked every seal among the new ones.

    States of keys are kept on the way. Raises RecomputedOtherwise at the first thing that does not come out.
    """
    walk = _WitnessWalk(store, keeping, origin, before)
    walk.note_points(size)
    for row, fits in _rows(store, before.size, size):
        walk.take(row, fits=fits)
    if walk.size != size:
        raise RecomputedOtherwise(f"the ledger ends at position {walk.size}, but a checkpoint covers {size} records")
    walk.write()
    return walk.whole


def _rows(store: Store, after: int, last: int) -> Iterator[tuple[Row, bool]]:
    rows = map(Row._make, plain_rows(store, after, last))
    while some := list(islice(rows, ROWS_TOGETHER)):
        yield from zip(some, which_fit(some, store.identity.id, BorneAliases()), strict=True)


class _WitnessWalk:
    """A walk through new records."""

    def __init__(self, store: Store, keeping: WitnessState, origin: str, before: Cosigned) -> None:
        self._store, self._keeping, self._origin = store, keeping, origin
        self.size = before.size
        self.whole = list(before.whole)
        self._moved: dict[bytes, KeyState] = {}
        self._points: dict[int, RecomputedSize | None] = {}
        self._trie: GrowingTrie | None = None
        """Of all keys, once a point is reached: what moves from there to the next is all that is made anew."""

    def note_points(self, size: int) -> None:
        """Which sizes the new seals are over: there everything is computed. Their records are judged when met."""
        for seal in seals(self._store):
            if self.size < seal.position <= size:
                if seal.size < self.size:
                    raise RecomputedOtherwise(
                        f"the seal at position {seal.position} is over {seal.size} records, fewer than the {self.size}"
                        " that were cosigned: this witness can no longer recompute it; a new one can"
                    )
                self._points[seal.size] = None
        self._reach()

    def take(self, row: Row, *, fits: bool) -> None:
        """Go on by one record."""
        if row.position != self.size + 1:
            raise self._otherwise(f"the record is missing; the next one is at {row.position}")
        try:
            if not fits:
                check_columns(row, self._store.identity.id)
        except Misfit as misfit:
            raise self._otherwise(str(misfit)) from None
        leaf = leaf_hash(row.record)
        if row.stream == HEADS_STREAM and row.type == SEALED:
            self._check_seal(row)
        for key in keys_of(row.type, row.stream, row.ref):
            hashed = key_hash(key)
            self._moved[hashed] = state = self._state(hashed).then(row.position, leaf)
            if key == stream_key(row.stream) and state.records != row.version:
                raise self._otherwise(f"version {row.version} of {row.stream} stands where {state.records} comes next")
        take_leaf(self.whole, leaf)
        self.size = row.position
        if len(self._moved) > STATES_TOGETHER:
            self.write()
        self._reach()

    def write(self) -> None:
        """Keep the states of the keys that moved."""
        self._keeping.move(self._origin, self._moved)
        if self._trie is not None:
            for hashed, state in self._moved.items():
                self._trie.put(leaf_of(hashed, state))
        self._moved = {}

    def _state(self, hashed: bytes) -> KeyState:
        return self._moved.get(hashed) or self._keeping.state(self._origin, hashed)

    def _reach(self) -> None:
        if self.size not in self._points:
            return
        self.write()
        if self._trie is None:
            self._trie = GrowingTrie()
            for leaf in self._keeping.leaves(self._origin):
                self._trie.put(leaf)
        heads, keys = self._trie.whole() if self.size else (b"", 0)
        self._points[self.size] = RecomputedSize(root_of_whole(self.whole), heads, keys)

    def _check_seal(self, row: Row) -> None:
        said = read_record(row.type, row.record).data
        assert isinstance(said, HeadsSealed)
        found = self._points.get(said.size)
        if said.map != MAP_VERSION or found is None:
            raise self._otherwise(f"a seal of map {said.map} over {said.size} records, which cannot be checked here")
        for what, sealed, computed in (
            ("the root of the log", said.tree, found.tree.hex()),
            ("the root of the heads", said.heads, found.heads.hex()),
            ("the number of keys", said.keys, found.keys),
        ):
            if sealed != computed:
                raise self._otherwise(
                    f"{what} over {said.size} records is sealed as {sealed}, but the records come to {computed}"
                )

    def _otherwise(self, what: str) -> RecomputedOtherwise:
        return RecomputedOtherwise(f"position {self.size + 1}: {what}")
