"""What is asked of the records of a store, one by one: said once, for the database and for what has left it."""

from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

EVERYTHING: Final = 2**62
"""A position after every other, and an instant after every other."""
BEFORE_ALL: Final = -(2**62)
"""A position before every other, those too that stand before the first."""


class Asked(NamedTuple):
    """The records of which all this is true, each as it is wanted."""

    stream: str | None = None
    after: int = BEFORE_ALL
    last: int = EVERYTHING
    """Behind a position and up to another."""
    versions: tuple[int, int] | None = None
    """Behind a version and up to another."""
    types: Collection[str] | None = None
    times: tuple[int, int] | None = None
    """Occurred from an instant on and before another."""
    refs: Collection[str] | None = None
    name: tuple[str, str] | None = None
    """Source and id."""
    latest_first: bool = False
    limit: int | None = None

    @property
    def is_walk(self) -> bool:
        """Whether they are found by going through the ledger, position by position."""
        return self.stream is None and self.name is None

    @property
    def is_of_stream(self) -> bool:
        """Whether they are found by going through a stream."""
        return self.stream is not None and self.name is None and self.refs is None

    def sql(self) -> tuple[str, tuple[Any, ...]]:
        """What stands behind FROM records, and its parameters: each with the index that serves it.

        In a stream versions and positions rise together, and versions have the index.
        """
        text, values = self.conditions()
        text = f"WHERE {text}"
        if self.times is None:  # those of some time come in no order: else the index of versions would be read for it
            order = "version" if self.stream is not None and self.refs is None else "position"
            text += f" ORDER BY {order}{' DESC' if self.latest_first else ''}"
        if self.limit is None:
            return text, values
        return text + " LIMIT ?", (*values, self.limit)

    def conditions(self) -> tuple[str, tuple[Any, ...]]:
        """What stands behind WHERE, without an order."""
        parts = list(self._parts())
        return " AND ".join(part for part, _ in parts), tuple(value for _, some in parts for value in some)

    def _parts(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        if self.name is not None:
            yield "source = ? AND event_id = ?", self.name
        if self.stream is not None:
            yield "stream = ?", (self.stream,)
        if self.versions is not None:
            yield "version > ? AND version <= ?", self.versions
        if self.refs is not None:
            yield f"ref IN ({marks(self.refs)})", tuple(sorted(self.refs))
        if self.times is not None:
            # The plus keeps SQLite from reading the whole past by time, where each name is found by its own index.
            plus = "" if self.refs is None else "+"
            yield f"{plus}occurred_at >= ? AND {plus}occurred_at < ?", self.times
        # Where a stream or a name is given, its own index is the one to be read, and not that of positions.
        plus = "" if self.stream is None and self.name is None else "+"
        if self.after > BEFORE_ALL or (self.stream is None and self.name is None):
            yield f"{plus}position > ?", (self.after,)
        if self.last < EVERYTHING:
            yield f"{plus}position <= ?", (self.last,)
        if self.types is not None:
            yield f"type IN ({marks(self.types)})", tuple(sorted(self.types))


def marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))
