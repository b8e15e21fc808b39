"""Checking the chains of keys beside a walk through the records: each is computed again and held against what is kept.

Memory grows with the number of keys, not of records. A walk that begins later takes the chain that is kept at the first
record of each key as it stands; whether that goes on from where the walk before ended, `joined_keys` looks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined
from typing import Any, Final, NamedTuple

from domain.keys import key_beside_stream, stream_key
from replay.schema.versions import KEY_CHAINS, STREAM_CHAINS
from replay.store.base import Store
from replay.store.key_chains import (
    NO_RECORD,
    KeyState,
    chain_rows_around,
    chains_kept,
    has_chains,
    key_chain_rows,
    reach,
)
from replay.store.record import CHAIN_START, HASH_BYTES, key_linked


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
    """Follows a walk through the records behind a position, and writes down in `keys` what came of it."""

    def __init__(self, store: Store, keys: WalkedKeys, after: int) -> None:
        self._keys = keys
        kept = has_chains(store)
        self._links = _links(store, after) if kept else iter(())
        self._others = iter(key_chain_rows(store, after + 1) if kept else ())
        self._later, self._ended = after > 0, False

    def follow(self, rows: Sequence[tuple[Any, ...]], leaves: Sequence[bytes]) -> None:
        """Take the next records of the walk, the columns of a `Row` each, with their leaf hashes."""
        if self._ended:
            return
        chains, position = self._keys.chains, 0
        try:
            for row, leaf in zip(rows, leaves, strict=True):
                position, stream, version, event_type, _, _, ref, _, _, _, _, _ = row
                kept = next(self._links, None)
                if kept is None:
                    self._ended, self._keys.unkept = True, position
                    return
                before = chains.get(stream)
                if before is None and version > 1:
                    self._keys.begun[stream_key(stream)] = Begun(leaf, KeyState(version, kept, position))
                elif (link := key_linked(before or CHAIN_START, position, leaf)) != kept:
                    raise Misfit(
                        f"in {STREAM_CHAINS} the chain of {stream} is {kept.hex()}, but the records give {link.hex()}"
                    )
                chains[stream] = kept
                if (key := key_beside_stream(event_type, ref)) is not None:
                    self._other(key, position, leaf)
        except Misfit as misfit:
            self._ended, self._keys.problem = True, f"position {position}: {misfit}"

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
        kept, last = reach(store), store.head().position
        counted = chains_kept(store) if kept else 0
        further = next(key_chain_rows(store, kept + 1), None) if has_chains(store) else None
    problems = []
    if further is not None:
        problems.append(f"{KEY_CHAINS} holds {_shown(further)}, but chains are kept up to position {kept}")
    if counted != kept:
        problems.append(f"{STREAM_CHAINS} holds {counted} chains, but goes on to position {kept}")
    if kept > last:
        problems.append(f"{STREAM_CHAINS} goes on to position {kept}, but the ledger ends at {last}")
    return problems


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
