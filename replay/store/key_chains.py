"""The chains of the keys of records (docs/reference/key-chains.md): kept with the records, and asked at any position.

They are kept for a prefix of the ledger, up to the *reach*. What is recorded right behind it is chained in the same
transaction; in a ledger that is older than they are, the reach is behind until `replay.recording.chaining` has come to
the end, and readers fold what is missing from the records. Once rows have left the store, the chains of streams are
kept with them alone where a stretch of what left ends (`replay.store.reading.left_chains`).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain as joined
from typing import Any, Final, NamedTuple

from domain.keys import TYPES_OF_KEYS, key_beside_stream, stream_key
from replay.errors import DamagedError, damaged
from replay.schema.versions import KEY_CHAINS, STREAM_CHAINS
from replay.store.base.failures import not_kept
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.reading.asked import BEFORE_ALL, Asked
from replay.store.reading.key_state import NO_RECORD, KeyState
from replay.store.reading.left_chains import last_states, state_that_left
from replay.store.reading.readable import ROW_COLUMNS, Readable
from replay.store.reading.row import CHAIN_START, HASH_BYTES, Row, key_linked, leaf_hash

CHAINS_A_ROW: Final = 60
"""Of so many records the chains of their streams stand in one row: small enough for PostgreSQL to keep it in place."""
_ROWS_AT_ONCE: Final = 500
_ROWS_A_PAGE: Final = 1_000
_STREAM: Final = stream_key("")
_SLICE: Final = (
    f"(SELECT substr(c.chains, CAST({HASH_BYTES} * ({{0}} - c.position) + 1 AS INTEGER), {HASH_BYTES})"
    " FROM stream_chains AS c WHERE c.position <= {0} ORDER BY c.position DESC LIMIT 1)"
)
"""The chain that the stream of the record at a position has there."""
# What has left stands before all that has not: nobody asks here for positions among those.
_PLACE: Final = "coalesce((SELECT r.position FROM records AS r WHERE r.stream = {0}.stream AND r.version = {1}), 0)"
_MIDDLE: Final = "CASE WHEN n.place <= {position} THEN (n.middle + n.high + 1) / 2 ELSE (n.low + n.middle) / 2 END"
# The head of each stream is looked at first; of those that went on behind the position the place is searched by halves.
_STATES_AT: Final = (
    "WITH RECURSIVE k (stream) AS (VALUES {values}),"
    # Materialized: what is looked up is not looked up again wherever it is named.
    " ends (stream, head) AS MATERIALIZED (SELECT k.stream, CAST(coalesce((SELECT max(r.version)"
    " FROM records AS r WHERE r.stream = k.stream), 0) AS BIGINT) FROM k),"
    f" heads (stream, head, place) AS MATERIALIZED (SELECT h.stream, h.head, {_PLACE.format('h', 'h.head')}"
    " FROM ends AS h),"
    " narrowed (stream, low, high, middle, place) AS ("
    "SELECT h.stream, CASE WHEN h.place <= {position} THEN h.head ELSE 0 END, h.head, h.head, h.place FROM heads AS h"
    " UNION ALL SELECT n.stream, CASE WHEN n.place <= {position} THEN n.middle ELSE n.low END,"
    " CASE WHEN n.place <= {position} THEN n.high ELSE n.middle - 1 END,"
    f" {_MIDDLE}, {_PLACE.format('n', _MIDDLE)} FROM narrowed AS n WHERE n.low < n.high)"
    f" SELECT n.stream, n.high, n.place, {_SLICE.format('n.place')} FROM narrowed AS n"
    " WHERE n.low = n.high AND n.high > 0"
)
_OTHERS_AT: Final = (
    "WITH k (key) AS (VALUES {values}) SELECT c.key, c.count, c.chain, c.position FROM k JOIN key_chains AS c"
    " ON c.key = k.key AND c.count ="
    " (SELECT max(d.count) FROM key_chains AS d WHERE d.key = k.key AND d.position <= ?)"
)
_CHAINS_OF: Final = (
    "WITH k (stream, version) AS (VALUES {values})"
    f" SELECT f.stream, f.position, {_SLICE.format('f.position')}"
    " FROM (SELECT k.stream, (SELECT r.position FROM records AS r"
    " WHERE r.stream = k.stream AND r.version = k.version) AS position FROM k) AS f"
)


def key_states(store: Store, keys: Collection[str], position: int) -> dict[str, KeyState]:
    """Where the chains of some keys stand after the record at a position; NO_RECORD of a key that no record has yet.

    Some microseconds a key, wherever the ledger has kept them up to that position; what it has not kept is folded from
    the records themselves. Raises StoreError where what is kept cannot be right.
    """
    kept = reach(store)
    states = dict.fromkeys(keys, NO_RECORD)
    if kept:
        states |= _kept_states(store, states.keys(), min(position, kept))
    if kept < position:
        states = {key: _folded(store, key, state, kept, position) for key, state in states.items()}
    return states


def reach(readable: Readable) -> int:
    """Up to which position the chains of keys are kept; 0 where they are not, or not yet."""
    if not has_chains(readable):
        return 0
    sql = f"SELECT position + length(chains) / {HASH_BYTES} - 1 FROM stream_chains ORDER BY position DESC LIMIT 1"
    kept = next((int(last) for (last,) in readable._query(sql)), 0)
    return kept if readable.left is None else max(kept, readable.left.up_to())


class ChainsHere(NamedTuple):
    """The chains of streams that are kept by position, but for those of records that left alone."""

    first: int
    """The position of the first of them."""
    chains: int


def chains_here(readable: Readable, up_to: int) -> ChainsHere:
    """Those from the row on that holds what follows a position up to which rows have left, or the first one behind."""
    begin = "coalesce((SELECT max(position) FROM stream_chains WHERE position <= ?), 0)"
    sql = (
        f"SELECT coalesce(min(position), 0), CAST(coalesce(sum(length(chains)), 0) / {HASH_BYTES} AS BIGINT)"
        f" FROM stream_chains WHERE position >= {begin}"
    )
    ((first, count),) = readable._query(sql, (up_to + 1,))
    return ChainsHere(int(first), int(count))


def has_chains(readable: Readable) -> bool:
    """Whether the store has the tables for them, which earlier versions did not make."""
    return readable.has_table(STREAM_CHAINS)


def record(
    transaction: Transaction, rows: Sequence[Row], leaves: Sequence[bytes], chains: dict[str, bytes] | None = None
) -> None:
    """Append rows that follow the last record, each with its leaf hash, and what their keys chain to.

    This is the one way in which records come into a store. `chains` are those of streams that are known before, and
    are moved on. Raises StoreError where the database does not keep what it is told.
    """
    chains = {} if chains is None else chains
    transaction.record(rows)
    before = rows[0].position - 1
    kept = reach(transaction)
    if kept > before:
        raise damaged(f"the table {STREAM_CHAINS}, which goes on to position {kept} where records end at {before},")
    if kept == before and has_chains(transaction):
        extend(transaction, rows, leaves, chains)


def extend(transaction: Transaction, rows: Sequence[Row], leaves: Sequence[bytes], chains: dict[str, bytes]) -> None:
    """Keep the chains of records that follow the reach. Raises StoreError unless the database has kept them."""
    chains |= _chains_before(transaction, rows, chains.keys())
    linked: list[bytes] = []
    beside: list[tuple[str, int, bytes]] = []
    for row, leaf in zip(rows, leaves, strict=True):
        chains[row.stream] = link = key_linked(chains[row.stream], row.position, leaf)
        linked.append(link)
        if (key := key_beside_stream(row.type, row.ref)) is not None:
            beside.append((key, row.position, leaf))
    added = _states_beside(transaction, beside)
    first = rows[0].position
    kept = [
        (first + start, b"".join(linked[start : start + CHAINS_A_ROW])) for start in range(0, len(linked), CHAINS_A_ROW)
    ]
    transaction.execute_many(f"INSERT INTO {STREAM_CHAINS} (position, chains) VALUES (?, ?)", kept)
    if added:
        transaction.execute_many(f"INSERT INTO {KEY_CHAINS} (key, count, position, chain) VALUES (?, ?, ?, ?)", added)
    transaction.run_deferred()
    if list(stream_chain_rows(transaction, first)) != kept or list(key_chain_rows(transaction, first)) != added:
        raise not_kept(f"the chains of keys from position {first} on are not there, or others")


def unchained_rows(readable: Readable, after: int, at_most: int) -> list[Row]:
    """The records that follow a position, so many at most."""
    return list(map(Row._make, readable._records(ROW_COLUMNS, Asked(after=after, limit=at_most))))


def stream_chain_rows(readable: Readable, first: int) -> Iterator[tuple[int, bytes]]:
    """(position, chains) from a position on: of the records from there on, the chains of their streams."""
    return _paged(readable, "SELECT position, chains FROM stream_chains", first, 0)


def chain_rows_around(readable: Readable, position: int) -> Iterator[tuple[int, bytes]]:
    """The same from the row on that holds a position; where none does, from the first one behind it on."""
    begins = "SELECT max(position) FROM stream_chains WHERE position <= ?"
    ((begin,),) = readable._query(begins, (position,))
    return stream_chain_rows(readable, position if begin is None else begin)


def chains_behind(readable: Readable, position: int) -> Iterator[bytes]:
    """Of the records behind a position, in order, the chains of their streams: as far as they are kept by position."""
    at = position + 1
    for begin, chains in chain_rows_around(readable, at):
        if begin > at:
            return
        for start in range((at - begin) * HASH_BYTES, len(chains) - HASH_BYTES + 1, HASH_BYTES):
            yield bytes(chains[start : start + HASH_BYTES])
            at += 1


def key_chain_rows(readable: Readable, first: int) -> Iterator[tuple[str, int, int, bytes]]:
    """(key, count, position, chain) of the other keys, from a position on and in its order."""
    return _paged(readable, "SELECT key, count, position, chain FROM key_chains", first, 2)


def _paged(readable: Readable, sql: str, first: int, of_position: int) -> Iterator[tuple[Any, ...]]:
    """Rows in order of their position, no statement left open between them: others are read meanwhile."""
    while rows := list(readable._query(f"{sql} WHERE position >= ? ORDER BY position LIMIT ?", (first, _ROWS_A_PAGE))):
        yield from rows
        first = rows[-1][of_position] + 1


def _kept_states(readable: Readable, keys: Collection[str], position: int) -> Iterator[tuple[str, KeyState]]:
    streams = sorted(key.removeprefix(_STREAM) for key in keys if key.startswith(_STREAM))
    found, up_to = readable._behind_left(lambda up_to: list(_states_here(readable, streams, position, up_to)))
    for stream, count, at, link in found:
        yield stream_key(stream), KeyState(count, whole_chain(link, stream), at)
    if readable.left is not None:
        missing = sorted({*streams} - {stream for stream, *_ in found})
        yield from ((stream_key(stream), state) for stream, state in _states_left(readable, missing, position, up_to))
    others = sorted(key for key in keys if not key.startswith(_STREAM))
    for some, values in _stretches([(key,) for key in others], "TEXT"):
        for key, *state in readable._query(_OTHERS_AT.format(values=values), (*some, position)):
            yield key, KeyState._make(state)


def _states_here(
    readable: Readable, streams: Sequence[str], position: int, up_to: int
) -> Iterator[tuple[str, int, int, bytes | None]]:
    """(stream, version, position, chain) of the last record at a position, where it has not left, as all up to another
    have. No chain may be there that is looked for while rows leave.
    """
    if position <= up_to and readable.left is not None:
        return
    for some, values in _stretches([(stream,) for stream in streams], "TEXT"):
        for row in readable._query(_STATES_AT.format(values=values, position=int(position)), some):
            if row[2] > up_to or readable.left is None:
                yield row


def _states_left(
    readable: Readable, streams: Sequence[str], position: int, up_to: int
) -> Iterable[tuple[str, KeyState]]:
    """The states of streams at a position whose last record there has left, or that have none; sorted, so that those
    lie together that are read of a segment.
    """
    if position >= up_to:
        return last_states(readable, streams, up_to).items()
    return ((stream, state_that_left(readable, stream, position, up_to)) for stream in streams)


def _chains_before(transaction: Transaction, rows: Sequence[Row], known: Collection[str]) -> dict[str, bytes]:
    """By stream of some rows, but for those that are known, the chain that the first of them goes on from."""
    firsts: dict[str, int] = {}
    for row in rows:
        if row.stream not in known:
            firsts.setdefault(row.stream, row.version)
    chains = dict.fromkeys(firsts, CHAIN_START)
    begun = sorted((stream, version - 1) for stream, version in firsts.items() if version > 1)
    up_to = -1 if transaction.left is None else transaction.left.up_to()
    left: dict[str, int] = {}
    for some, values in _stretches(begun, "TEXT", "BIGINT"):
        for stream, position, link in transaction.execute(_CHAINS_OF.format(values=values), some):
            if transaction.left is not None and (position is None or position <= up_to):
                left[stream] = firsts[stream] - 1
            else:
                chains[stream] = whole_chain(link, stream)
    found = last_states(transaction, left.keys(), up_to)
    for stream, version in left.items():
        state = found.get(stream, NO_RECORD)
        chains[stream] = whole_chain(state.chain if state.records == version else None, stream)
    return chains


def _states_beside(
    transaction: Transaction, beside: Sequence[tuple[str, int, bytes]]
) -> list[tuple[str, int, int, bytes]]:
    """(key, count, position, chain) of keys beside those of streams, each with a record's position and leaf hash."""
    if not beside:
        return []
    keys, before = {key for key, _, _ in beside}, beside[0][1] - 1
    states = dict.fromkeys(keys, NO_RECORD) | dict(_kept_states(transaction, keys, before))
    added = []
    for key, position, leaf in beside:
        states[key] = state = states[key].then(position, leaf)
        added.append((key, state.records, position, state.chain))
    return added


def _folded(store: Store, key: str, state: KeyState, after: int, last: int) -> KeyState:
    """The state of a key, gone on with over its records behind a position and up to another."""
    for position, body in _records_of(store, key, after, last):
        state = state.then(position, leaf_hash(body))
    return state


def records_of_key(store: Store, key: str, last: int) -> Iterator[tuple[int, bytes]]:
    """(position, record) of the records up to a position that have a key, in its order."""
    return _records_of(store, key, BEFORE_ALL, last)


def _records_of(store: Store, key: str, after: int, last: int) -> Iterator[tuple[Any, ...]]:
    kind, _, rest = key.partition(" ")
    if kind == "stream":
        return store._records("position, record", Asked(rest, after, last))
    # Types as text, so that their indexes are used; the rows of these stay in the database.
    types = ", ".join(f"'{name}'" for name in TYPES_OF_KEYS[kind])
    condition = f"ref = ? AND type IN ({types}) AND position > ? AND position <= ? ORDER BY position"
    rows = store._query(f"SELECT position, record FROM records WHERE {condition}", (rest, after, last))
    return store._whole("position, record", rows)


def state_by_records(store: Store, key: str, last: int) -> KeyState:
    """The state of a key over its records up to a position, by the records alone: nothing that is kept is relied on."""
    count, chain, at = NO_RECORD
    for position, record in records_of_key(store, key, last):
        count, chain, at = count + 1, key_linked(chain, position, leaf_hash(record)), position
    return KeyState(count, chain, at)


def _stretches(rows: Sequence[tuple[Any, ...]], *types: str) -> Iterator[tuple[list[Any], str]]:
    """Rows in stretches of as many as one statement takes, each as its parameters and as a list of VALUES."""
    first = f"({', '.join(f'CAST(? AS {name})' for name in types)})"
    other = f"({', '.join('?' * len(types))})"
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        yield list(joined.from_iterable(some)), ", ".join([first] + [other] * (len(some) - 1))


def whole_chain(link: bytes | None, stream: str) -> bytes:
    """The chain of a stream that was looked up. Raises DamagedError where none is there, or a part of one."""
    if link is None or len(link) != HASH_BYTES:
        raise missing_chain(stream)
    return bytes(link)


def missing_chain(stream: str) -> DamagedError:
    return damaged(f"the table {STREAM_CHAINS}, where the chain of {stream} is missing,")
