"""Records out of the store as columns: a stretch after another, and a long run of them by two processes.

Both processes take the next stretch whenever they are done with one; what comes out does not tell who has read it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing.connection import Connection
from operator import attrgetter
from threading import Thread
from typing import Any, Final, NamedTuple

from replay.columnar.encoding import Named, Numbers, Unread, named_of
from replay.errors import LevelbookError, damaged
from replay.processes import rare_cycle_search, second_core
from replay.store.base.store import Store
from replay.store.opening import open_store
from replay.store.queries import length_at, sealed_rows, sealed_rows_of

READ_ROWS: Final = 25_000
"""Rows that are read at a time: a stretch."""
DECODED_ROWS: Final = 2_000
"""Rows of a stretch that are decoded at a time: more do not stay in a processor's cache, and take longer each."""
STRETCHES_BEFORE_HELP: Final = 12
"""Fewer are read by this process alone: a second one takes half a second of one of them to start."""


class Stretch(NamedTuple):
    """The positions behind one up to another; where a stream is named, its versions."""

    after: int
    last: int
    stream: str | None = None


def read_named(
    store: Store, after: int, last: int, progress: Callable[[int], None] = lambda _: None
) -> tuple[Named, list[Unread]]:
    """The records of the positions behind `after` up to `last`, and those that cannot be read, which have no row.

    Raises DamagedError for a record that is missing.
    """
    return _read_all(store, _stretches(after, last), progress)


def read_streams(
    store: Store, streams: Sequence[str], after: int, last: int, meanwhile: Callable[[], None] = lambda: None
) -> Named:
    """The records of some streams behind a position and up to another, stream after stream.

    `meanwhile` is what this process has to do besides: done while a second one reads, and left out where none does.
    Raises DamagedError for a record that cannot be read or is missing.
    """
    stretches = [
        stretch
        for stream in streams
        for stretch in _stretches(length_at(store, stream, after), length_at(store, stream, last), stream)
    ]
    named, unread = _read_all(store, stretches, meanwhile=meanwhile)
    if unread:
        raise unread[0].error
    return named


def _stretches(after: int, last: int, stream: str | None = None) -> list[Stretch]:
    return [Stretch(begin, min(begin + READ_ROWS, last), stream) for begin in range(after, last, READ_ROWS)]


def _read_all(
    store: Store,
    stretches: Sequence[Stretch],
    progress: Callable[[int], None] = lambda _: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[Named, list[Unread]]:
    unread: list[Unread] = []
    with rare_cycle_search():
        if sum(stretch.last - stretch.after for stretch in stretches) <= READ_ROWS * (STRETCHES_BEFORE_HELP - 1):
            parts = list(_read(store, stretches, unread, progress))
        else:
            parts = _read_by_two(store, stretches, unread, progress, meanwhile)
    return joined(parts), sorted(unread, key=attrgetter("position"))


def read_rows(store: Store, rows: Sequence[tuple[Any, ...]]) -> tuple[Named, list[Unread]]:
    """The records of some rows of what segments are made of, in order of position, and those that cannot be read."""
    unread: list[Unread] = []
    with rare_cycle_search():
        return named_of(rows, store, unread), unread


def joined(parts: Sequence[Named]) -> Named:
    """Stretches that follow one another as one, their streams numbered as they are first met."""
    import numpy as np
    import pyarrow as pa

    if not parts:
        return named_of([], None, [])
    numbers = Numbers()
    places = [np.array([numbers[stream] for stream in part.streams], np.int32) for part in parts]
    stream = np.concatenate([place[part.stream] for place, part in zip(places, parts, strict=True)])
    arrays = [np.concatenate(columns) for columns in zip(*(part[1:7] for part in parts), strict=True)]
    texts = [pa.concat_arrays(columns) for columns in zip(*(part[7:9] for part in parts), strict=True)]
    return Named._make([stream, *arrays, *texts, list(numbers)])


def _read(
    store: Store, stretches: Sequence[Stretch], unread: list[Unread], progress: Callable[[int], None]
) -> Iterator[Named]:
    for stretch in stretches:
        yield _read_one(store, stretch, unread)
        progress(stretch.last)


def _read_one(store: Store, stretch: Stretch, unread: list[Unread]) -> Named:
    after, last, stream = stretch
    rows = sealed_rows(store, after, last) if stream is None else sealed_rows_of(store, stream, after, last)
    parts, count = [], 0
    while some := list(islice(rows, DECODED_ROWS)):
        parts.append(named_of(some, store, unread))
        count += len(some)
    if count != last - after:
        where = "positions" if stream is None else f"versions of {stream}"
        raise damaged(f"the ledger lacks records between {where} {after + 1} and {last}: it")
    return joined(parts)


# --- by two processes -------------------------------------------------------------------------------------------------


def _read_by_two(
    store: Store,
    stretches: Sequence[Stretch],
    unread: list[Unread],
    progress: Callable[[int], None],
    meanwhile: Callable[[], None],
) -> list[Named]:
    """The same by this process and a second one with a connection of its own: records never change.

    What the other does not give, because it was ended or found something that cannot be read, this one reads.
    """
    found: dict[Stretch, Named] = {}
    left = deque(stretches)
    with _helped(store, left, found):
        meanwhile()
        while left:
            try:
                stretch = left.popleft()
            except IndexError:
                break  # the other has taken the last
            found[stretch] = _read_one(store, stretch, unread)
            progress(stretches[len(found) - 1].last)
    for stretch in stretches:
        if stretch not in found:
            found[stretch] = _read_one(store, stretch, unread)
    progress(stretches[-1].last)
    return [found[stretch] for stretch in stretches]


@contextmanager
def _helped(store: Store, left: deque[Stretch], found: dict[Stretch, Named]) -> Iterator[None]:
    """While a second process reads stretches, too; one that it has begun is waited for."""
    with second_core(_serve) as helper:
        with suppress(OSError):  # it was ended, which is seen when a stretch is sent
            helper.send(store.location)
        # What the other has read is taken at once, so that it never waits for this process.
        taking = Thread(target=_take, args=(helper, left, found), daemon=True)
        taking.start()
        try:
            yield
        finally:
            left.clear()
            taking.join()


def _take(helper: Connection, left: deque[Stretch], found: dict[Stretch, Named]) -> None:
    try:
        while left:
            stretch = left.popleft()
            helper.send(stretch)
            named = helper.recv()
            if named is not None:
                found[stretch] = named
    except (IndexError, EOFError, OSError):
        return


def _serve(connection: Connection) -> None:
    """Read stretches of the store at a location; None for one that cannot be read whole."""
    location: Any = connection.recv()
    with open_store(location) as store:
        while True:
            stretch, unread = Stretch(*connection.recv()), list[Unread]()
            try:
                named = _read_one(store, stretch, unread)
            except LevelbookError:
                connection.send(None)
                continue
            connection.send(None if unread else named)
