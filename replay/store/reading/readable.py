"""An open store as its questions see it: what the database has, and what has left it, as one.

A statement on `records` names that table, whatever it is called in a store from which rows have left.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain as joined
from itertools import islice
from typing import Any, Final, TypeVar

from domain.events import STAYING_TYPES
from replay.blocks.form import RecordSegment
from replay.blocks.reading import Blocks
from replay.errors import damaged
from replay.schema.versions import ALIAS_BYTES, RECORD_SEGMENTS, STILL_HERE
from replay.store.reading.asked import Asked, marks
from replay.store.reading.left import LeftRows, in_order
from replay.store.reading.row import Row

ROW_COLUMNS: Final = ", ".join(Row._fields)
PAID_MARK: Final = b'"type":"order.paid"'
"""Stands in the record of a payment, and of nothing else: what people write has its quotes escaped there."""
_AT_ONCE: Final = 500
T = TypeVar("T")


class Readable(ABC):
    """What `queries` asks: an open store, or a transaction, which sees what it has written."""

    has_table_sql: str
    """Asks for a row where the store has a table of a name."""
    blocks: Blocks
    """Where records lie that have left the store."""

    @abstractmethod
    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows as they are read. For this room alone: what others ask has a name in `queries`."""

    left: LeftRows | None = None
    """The rows that have left the store; None where none ever did."""

    @abstractmethod
    def chain_start(self) -> bytes:
        """What the first record of the ledger is linked to."""

    def _records(self, columns: str, asked: Asked) -> Iterator[tuple[Any, ...]]:
        """Columns of the records that are asked for, `position` among them if `record` is: of those, too, that have
        left.
        """
        if self.left is None or (asked.types is not None and STAYING_TYPES.issuperset(asked.types)):
            condition, parameters = asked.sql()
            return self._whole(columns, self._query(f"SELECT {columns} FROM records {condition}", parameters))
        return self._with_left(self.left, columns, asked)

    def _with_left(self, left: LeftRows, columns: str, asked: Asked) -> Iterator[tuple[Any, ...]]:
        """The same where rows have left: some of those that stay are found both here and there."""
        kept_limit = asked.limit if asked.latest_first else None
        condition, parameters = asked._replace(limit=kept_limit).sql()
        rows = self._query(f"SELECT position, {columns} FROM records {condition}", parameters)
        first = next(rows, None)  # from now on the database shows one moment, which is before the next one
        up_to = left.up_to()
        here = [] if first is None else joined((first,), rows)
        behind = self._whole(columns, (row[1:] for row in here if row[0] > up_to))
        found = in_order(left.rows(columns.split(", "), asked, up_to), behind, latest_first=asked.latest_first)
        yield from islice(found, asked.limit)

    def _records_at(self, columns: str, positions: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Columns of the records at some positions, in no order."""
        for start in range(0, len(positions), _AT_ONCE):
            some = positions[start : start + _AT_ONCE]
            sql = f"SELECT position, {columns} FROM records WHERE position IN ({marks(some)})"
            rows = list(self._query(sql, some))
            yield from self._whole(columns, (row[1:] for row in rows))
            if self.left is not None and len(rows) < len(some):
                up_to = self.left.up_to()
                missing = {*some} - {row[0] for row in rows}
                yield from self.left.at(columns.split(", "), sorted(at for at in missing if 0 < at <= up_to))

    def _behind_left(self, ask: Callable[[int], T]) -> tuple[T, int]:
        """What is found in the database behind the position up to which rows have left, and that position; 0 for none.

        `ask` reads whole what it finds behind a position.
        """
        if self.left is None:
            return ask(0), 0
        while True:
            up_to = self.left.up_to()
            found = ask(up_to)
            if self.left.up_to() == up_to:
                return found, up_to

    def _whole(self, columns: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Rows of such columns, each with its record, wherever that lies, where `record` is one of them.

        Raises DamagedError where a record has left the store and cannot be had.
        """
        names = [name.rpartition(".")[2] for name in columns.split(", ")]
        if "record" not in names:
            yield from rows
            return
        at, body = names.index("position"), names.index("record")
        for row in rows:
            if len(row[body]) > ALIAS_BYTES:
                yield row
            else:
                yield (*row[:body], self._fetched(row[at], row[body]), *row[body + 1 :])

    def _fetched(self, position: int, left: bytes) -> bytes:
        """A record that has left the store, given what it left behind."""
        record = self.blocks.record_at(position, self.record_segments)
        stays = b'"buyer":"%b"' % bytes(left).hex().encode() in record if left else PAID_MARK not in record
        if not stays:
            raise damaged(f"the record at position {position}, which bears another alias than the store says,")
        return record

    def record_segments(self) -> list[RecordSegment]:
        """The segments in which records lie that have left the store, in order; each goes on where one ends."""
        if not self.has_table(RECORD_SEGMENTS):
            return []
        sql = f"SELECT {', '.join(RecordSegment._fields)} FROM {RECORD_SEGMENTS} ORDER BY last"
        return list(map(RecordSegment._make, self._query(sql)))

    def has_table(self, name: str) -> bool:
        """Whether the store has a table, as those of earlier versions may not."""
        return bool(list(self._query(self.has_table_sql, (name,))))


@lru_cache(1_000)
def here(sql: str) -> str:
    """A statement as it is for a store from which rows have left, where those of the records that stay have another
    table.
    """
    return re.sub(r"\brecords\b", STILL_HERE, sql)
