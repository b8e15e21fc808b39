"""The chains of streams in what has left a store: noted where stretches of the ledger end, folded from records between.

A stretch is what left together. Of each stream that has records in it, its chain at the last of these is noted.
"""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, Final

from replay.errors import DamagedError, damaged
from replay.schema.versions import LEFT_STREAMS
from replay.store.reading.asked import Asked, marks
from replay.store.reading.key_state import NO_RECORD, KeyState
from replay.store.reading.readable import Readable
from replay.store.reading.row import HASH_BYTES, leaf_hash

_AT_ONCE: Final = 500
_STATE: Final = "stream, first_version + count - 1, chain, last_position"


def last_states(readable: Readable, streams: Collection[str], up_to: int) -> dict[str, KeyState]:
    """By stream, of those that have records in stretches up to the end of one, the state there."""
    found: dict[str, KeyState] = {}
    last = f"(SELECT max(m.last) FROM {LEFT_STREAMS} AS m WHERE m.stream = l.stream AND m.last <= ?)"
    listed = sorted(streams)
    for start in range(0, len(listed), _AT_ONCE):
        some = listed[start : start + _AT_ONCE]
        sql = f"SELECT {_STATE} FROM {LEFT_STREAMS} AS l WHERE stream IN ({marks(some)}) AND last = {last}"
        found |= map(_noted, readable._query(sql, (*some, up_to)))
    return found


def states_at_ends(readable: Readable, after: int, last: int) -> dict[str, KeyState]:
    """The same of every stream that has records behind a position, in stretches up to the end of one."""
    sql = f"SELECT {_STATE} FROM {LEFT_STREAMS} WHERE last > ? AND last <= ? AND last_position > ? ORDER BY last"
    return dict(map(_noted, readable._query(sql, (after, last, after))))


def state_that_left(readable: Readable, stream: str, position: int, up_to: int) -> KeyState:
    """The state of a stream at a position up to which rows have left; amid a stretch from its records there."""
    sql = (
        f"SELECT first_version, first_position, {_STATE} FROM {LEFT_STREAMS}"
        " WHERE stream = ? AND last <= ? AND first_position <= ? ORDER BY last DESC LIMIT 2"
    )
    found = list(readable._query(sql, (stream, up_to, position)))
    if not found:
        return NO_RECORD
    (first_version, first, *noted), *before = found
    _, at_end = _noted(noted)
    if at_end.position <= position:
        return at_end
    state = _noted(before[0][2:])[1] if before else NO_RECORD
    if state.records + 1 != first_version:
        raise _missing(stream)
    for at, record in readable._records("position, record", Asked(stream, after=first - 1, last=position)):
        state = state.then(at, leaf_hash(record))
    return state


def stretch_end(readable: Readable, position: int) -> int:
    """Where the last stretch up to a position ends; 0 before the first."""
    sql = f"SELECT coalesce(max(last), 0) FROM {LEFT_STREAMS} WHERE last <= ?"
    ((end,),) = readable._query(sql, (position,))
    return int(end)


def chains_of_stretch(readable: Readable, end: int) -> Iterator[tuple[str, bytes]]:
    """(stream, chain) as it is noted at the end of a stretch."""
    return readable._query(f"SELECT stream, chain FROM {LEFT_STREAMS} WHERE last = ? ORDER BY stream", (end,))


class StreamFold:
    """The states of the streams that have records behind the end of a stretch, moved on over these.

    Memory grows with the number of such streams, not of records.
    """

    def __init__(self, readable: Readable, end: int) -> None:
        self._readable = readable
        self.end = self.position = end
        self.states: dict[str, KeyState] = {}

    def move(self, position: int) -> None:
        """Go on to a position. Raises DamagedError where a record cannot be read, or does not follow what is noted."""
        asked = Asked(after=self.position, last=position)
        rows = self._readable._records("position, stream, version, record", asked)
        while some := list(islice(rows, _AT_ONCE)):
            unknown = {stream for _, stream, version, _ in some if version > 1} - self.states.keys()
            self.states |= last_states(self._readable, unknown, self.end)
            for at, stream, version, record in some:
                state = self.states.get(stream, NO_RECORD)
                if state.records + 1 != version:
                    raise _missing(stream)
                self.states[stream] = state.then(at, leaf_hash(record))
        self.position = position


def _noted(row: Any) -> tuple[str, KeyState]:
    stream, records, chain, position = row
    if len(chain) != HASH_BYTES:
        raise _missing(stream)
    return stream, KeyState(int(records), bytes(chain), int(position))


def _missing(stream: str) -> DamagedError:
    return damaged(f"the table {LEFT_STREAMS}, where a chain of {stream} is missing,")
