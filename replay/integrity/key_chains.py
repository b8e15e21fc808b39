"""Checking the chains of keys beside a walk through the records: each is computed again and held against what is kept.

Chains of streams are kept by position behind what has left the store, and in it where stretches end: between, the walk
goes on by itself. Memory grows with the number of keys, not of records. A walk that begins later takes the chain that
is kept at the first record of each key as it stands; whether that goes on from where the walk before ended,
`joined_keys` looks. One that begins amid a stretch reads first what is before it there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined
from typing import Any, Final, NamedTuple

from domain.keys import key_beside_stream, stream_key
from replay.errors import DamagedError
from replay.integrity.left import MAKE_ANEW
from replay.schema.versions import KEY_CHAINS, LEFT_STREAMS, STREAM_CHAINS
from replay.store.base.store import Store
from replay.store.key_chains import chain_rows_around, chains_here, has_chains, key_chain_rows, reach
from replay.store.reading.key_state import NO_RECORD, KeyState
from replay.store.reading.left_chains import StreamFold, chains_of_stretch, last_states
from replay.store.reading.notes import stretch_ends
from replay.store.reading.row import CHAIN_START, HASH_BYTES, key_linked


class Begun(NamedTuple):
    """The first record of a key in a walk that begins later, and the state that is kept there."""

    leaf: bytes
    state: KeyState


@dataclass
class WalkedKeys:
    """The keys of a stretch of the ledger that was walked."""

    chains: dict[str, bytes] = field(default_factory=dict)
    """The last chain of each stream."""
    states: dict[str, KeyState] = field(default_factory=dict)
    """The last state of each other key."""
    begun: dict[str, Begun] = field(default_factory=dict)
    """By key, what was taken as it stands."""
    unkept: int | None = None
    """The first position of which no chain is kept; None where all are."""
    problem: str | None = None
    """The first that does not fit."""


class Misfit(Exception):
    """A record, or what is kept of it, does not fit: what was found against what belongs there."""


class KeyWalk:
    """Follows a walk through the records behind a position, and writes down in `keys` what came of it.

    A walk that begins later may know the streams before it from another one: `from_start` says so.
    """

    def __init__(self, store: Store, keys: WalkedKeys, after: int, *, from_start: bool) -> None:
        self._keys = keys
        self._links = _Links(store)
        self._left = _LeftChains(store, after, from_start=from_start)
        kept = has_chains(store) if store.left is None else store.has_table(KEY_CHAINS)
        self._others = iter(key_chain_rows(store, after + 1) if kept else ())
        self._later, self._ended = after > 0, False

    def follow(self, rows: Sequence[tuple[Any, ...]], leaves: Sequence[bytes]) -> None:
        """Take the next records of the walk, the columns of a `Row` each, with their leaf hashes."""
        if self._ended or not rows:
            return
        left, position = self._left, rows[0][0]
        try:
            left.prepare(rows, self._keys.chains)
            for row, leaf in zip(rows, leaves, strict=True):
                position, stream, version, event_type, _, _, ref, _, _, _, _, _ = row
                kept = None if position <= left.up_to else self._kept(position, rows)
                if kept is None and position > left.up_to:
                    self._ended, self._keys.unkept = True, position
                    return
                self._follow(stream, version, position, leaf, kept)
                if (key := key_beside_stream(event_type, ref)) is not None:
                    self._other(key, position, leaf)
                if position == left.next_end:
                    left.hold(self._keys.chains)
        except Misfit as misfit:
            self._ended, self._keys.problem = True, f"position {position}: {misfit}"

    def _follow(self, stream: str, version: int, position: int, leaf: bytes, kept: bytes | None) -> None:
        """Go on with the chain of a stream, which is kept by position but in what has left."""
        chains = self._keys.chains
        before = chains.get(stream, CHAIN_START if version == 1 else None)
        is_met = before is None
        if before is None and kept is None:
            before = self._left.before(stream, version)
        link = kept if before is None else key_linked(before, position, leaf)
        assert link is not None, "a chain is kept, or goes on from one before"
        if kept not in (None, link):
            raise Misfit(f"in {STREAM_CHAINS} the chain of {stream} is {kept.hex()}, but the records give {link.hex()}")
        if is_met:
            self._keys.begun[stream_key(stream)] = Begun(leaf, KeyState(version, link, position))
        chains[stream] = link

    def _kept(self, position: int, rows: Sequence[tuple[Any, ...]]) -> bytes | None:
        """The chain that is kept by position; None where the record has left meanwhile, or none is kept."""
        misfit = kept = None
        try:
            kept = self._links.at(position)
        except Misfit as found:
            misfit = found
        if kept is None and self._left.has_gone_on(position):
            self._left.prepare(rows, self._keys.chains)
            return None
        if misfit is not None:
            raise misfit
        return kept

    def end(self, last: int) -> None:
        """Say that the walk ended with the record at a position."""
        if self._keys.problem is None and (found := next(self._others, None)) is not None and found[2] <= last:
            self._keys.problem = f"position {found[2]}: {KEY_CHAINS} holds {_shown(found)}, which no record gives"

    def _other(self, key: str, position: int, leaf: bytes) -> None:
        found = next(self._others, None)
        state = self._keys.states.get(key)
        if state is None and self._later:
            if found is None or (found[0], found[2]) != (key, position):
                raise Misfit(f"{KEY_CHAINS} holds {_shown(found)}, but the record has the key {key!r}")
            self._keys.states[key] = state = KeyState(found[1], found[3], position)
            self._keys.begun[key] = Begun(leaf, state)
            return
        self._keys.states[key] = state = (state or NO_RECORD).then(position, leaf)
        expected = (key, state.records, position, state.chain)
        if found != expected:
            raise Misfit(f"{KEY_CHAINS} holds {_shown(found)}, but the records give {_shown(expected)}")


def joined_keys(first: WalkedKeys, second: WalkedKeys) -> WalkedKeys:
    """What was found in two walks that follow one another."""
    problem = first.problem or _join_problem(first, second) or second.problem
    return WalkedKeys(
        chains=first.chains | second.chains,
        states=first.states | second.states,
        unkept=first.unkept or second.unkept,
        problem=problem,
    )


def _join_problem(first: WalkedKeys, second: WalkedKeys) -> str | None:
    """What was taken as it stood in the second, and does not go on from where the first ended."""
    for key, (leaf, state) in sorted(second.begun.items(), key=lambda begun: begun[1].state.position):
        before = first.states.get(key, NO_RECORD)
        if key.startswith(_STREAM):  # its records are counted by their versions, which are looked at elsewhere
            before = KeyState(state.records - 1, first.chains.get(key.removeprefix(_STREAM), CHAIN_START), 0)
        if (expected := before.then(state.position, leaf)) != state:
            return f"position {state.position}: the chain kept of {key!r} is not {expected.chain.hex()}, which follows"
    return None


def chain_problems(store: Store, keys: WalkedKeys) -> list[str]:
    """What is wrong with the chains of keys of a ledger whose records are sound."""
    if keys.problem is not None:
        return [keys.problem]
    with store.snapshot():
        up_to = 0 if store.left is None else store.left.up_to()
        kept, last, chained = reach(store), store.head().position, has_chains(store)
        here = chains_here(store, up_to) if chained else None
        further = next(key_chain_rows(store, kept + 1), None) if chained else None
    problems = []
    if further is not None:
        problems.append(f"{KEY_CHAINS} holds {_shown(further)}, but chains are kept up to position {kept}")
    if here is not None and here.first > up_to + 1:
        problems.append(f"{STREAM_CHAINS} begins at position {here.first} where one from {up_to + 1} on belongs")
    elif here is not None and here.chains and here.chains != kept - here.first + 1:
        problems.append(f"{STREAM_CHAINS} holds {here.chains} chains, but goes on to position {kept}")
    if kept > last:
        problems.append(f"{STREAM_CHAINS} goes on to position {kept}, but the ledger ends at {last}")
    return problems


class _LeftChains:
    """What a walk needs to go on with chains of streams through what has left, and to hold them where stretches end."""

    def __init__(self, store: Store, after: int, *, from_start: bool) -> None:
        self._store, self._after = store, after
        self._from_start = from_start
        self._known: dict[str, KeyState] = {}
        self._ends: list[int] = []
        self._read_up = False
        self.up_to = -1
        """Up to which position rows have left, as far as that is known."""
        self.next_end: int | None = None
        """Where the stretch ends in which the walk is."""
        if store.left is not None:
            self._go_on(store.left.up_to(), after)

    def has_gone_on(self, position: int) -> bool:
        """Whether the record at a position has left since that was last asked."""
        up_to = -1 if self._store.left is None else self._store.left.up_to()
        if up_to < position:
            return False
        self._go_on(up_to, position - 1)
        return True

    def _go_on(self, up_to: int, walked: int) -> None:
        self.up_to = up_to
        self._ends = stretch_ends(self._store, up_to)
        self.next_end = next((end for end in self._ends if end > walked), None)

    def prepare(self, rows: Sequence[tuple[Any, ...]], chains: dict[str, bytes]) -> None:
        """Look up, of streams that are met for the first time in records that have left, how far they had come.

        Raises Misfit where that cannot be had.
        """
        if self._from_start or rows[0][0] > self.up_to:
            return
        begin = max((end for end in self._ends if end <= self._after), default=0)
        try:
            if not self._read_up and begin < self._after:
                self._read_up_from(begin, chains)
            self._read_up = True
            new = {row[1] for row in rows if row[2] > 1} - chains.keys()
            self._known = last_states(self._store, new, begin)
        except DamagedError as error:  # whoever walks what is before names it by its position
            raise Misfit(str(error)) from error

    def _read_up_from(self, end: int, chains: dict[str, bytes]) -> None:
        """Take the chains of streams that have records between the end of a stretch and the beginning of the walk."""
        fold = StreamFold(self._store, end)
        fold.move(self._after)
        for stream, state in fold.states.items():
            chains.setdefault(stream, state.chain)

    def before(self, stream: str, version: int) -> bytes:
        """The chain of a stream that the walk meets for the first time, before one of its records. Raises Misfit."""
        state = self._known.get(stream, NO_RECORD)
        if state.records + 1 != version:
            raise Misfit(f"in {LEFT_STREAMS} there is no chain of {stream} before its record {version}")
        return state.chain

    def hold(self, chains: dict[str, bytes]) -> None:
        """Hold the chains at the end of a stretch against what is noted. Raises Misfit."""
        end = self.next_end
        assert end is not None, "only where a stretch ends"
        for stream, noted in chains_of_stretch(self._store, end):
            found = chains.get(stream, CHAIN_START)
            if found != noted:
                raise Misfit(
                    f"in {LEFT_STREAMS} the chain of {stream} is {bytes(noted).hex()}, but the records give"
                    f" {found.hex()}; {MAKE_ANEW}"
                )
        self.next_end = next((later for later in self._ends if later > end), None)


class _Links:
    """The chains of streams that are kept by position."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: Iterator[bytes] = iter(())
        self._at: int | None = None

    def at(self, position: int) -> bytes | None:
        """That at a position, of which rising ones are asked for; None behind the last. Raises Misfit at a gap."""
        if self._at is None or position != self._at + 1:
            self._rows = self._from(position)
        self._at = position
        return next(self._rows, None)

    def _from(self, position: int) -> Iterator[bytes]:
        if has_chains(self._store):
            return _links(self._store, position - 1)
        if self._store.left is not None:
            raise Misfit(f"the table {STREAM_CHAINS} is missing, which was there when rows left")
        return iter(())


_STREAM: Final = stream_key("")


def _links(store: Store, after: int) -> Iterator[bytes]:
    """The chains of streams that are kept of the records behind a position, as far as there are any."""
    at = after + 1
    rows = chain_rows_around(store, at)
    first = next(rows, None)
    if first is None:
        return
    for position, chains in joined((first,), rows):
        skipped = max(at - position, 0) if (position, chains) == first else 0
        if position + skipped != at:
            raise Misfit(f"{STREAM_CHAINS} has a row from position {position} on where one from {at} on belongs")
        if not chains or len(chains) % HASH_BYTES:
            raise Misfit(f"{STREAM_CHAINS} has a row from position {position} on of {len(chains)} bytes")
        for start in range(skipped * HASH_BYTES, len(chains), HASH_BYTES):
            yield chains[start : start + HASH_BYTES]
        at = position + len(chains) // HASH_BYTES


def _shown(row: tuple[str, int, int, bytes] | None) -> str:
    if row is None:
        return "no more row"
    key, records, position, chain = row
    return f"{key!r}, number {records}, position {position}, chain {chain.hex()}"
