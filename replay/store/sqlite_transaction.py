"""A transaction in an SQLite file: what it appends, and how rows leave it."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from replay.blocks.reading import Blocks
from replay.schema.versions import RECORD_SEGMENTS
from replay.store.base.transaction import Known, Transaction
from replay.store.reading.alias_form import AliasKey, AliasRow
from replay.store.reading.left import LeftRows
from replay.store.reading.readable import ROW_COLUMNS, here
from replay.store.reading.row import Row

HAS_TABLE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
_KEYS_AT_ONCE: Final = 500
INSERT: Final = f"INSERT INTO records ({ROW_COLUMNS}) VALUES ({', '.join('?' * len(Row._fields))})"


class SqliteTransaction(Transaction):
    """A write transaction; the file's write lock is held from its beginning.

    One for looking only has `failures_named`: it may look within a transaction of another store.
    """

    has_table_sql = HAS_TABLE

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Callable[[], int],
        blocks: Blocks,
        failures_named: Callable[[], AbstractContextManager[None]] = nullcontext,
        *,
        rows_left: bool,
    ) -> None:
        self._failures_named = failures_named
        self._connection = connection
        self._clock = clock
        self.blocks = blocks
        self.left = LeftRows(self) if rows_left else None

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._failures_named():
            return self._connection.execute(self._here(sql), parameters).fetchall()

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(self._here(sql), rows)

    def _here(self, sql: str) -> str:
        return sql if self.left is None else here(sql)

    def now(self) -> int:
        return self._clock()

    def run_deferred(self) -> None:
        """SQLite defers no triggers."""

    def _make_tables(self, names: Sequence[str]) -> None:
        from replay.schema.tables import later_sqlite_statements

        for statement in later_sqlite_statements(names):
            self._connection.execute(statement)

    def let_rows_leave(self) -> None:
        from replay.schema.left import left_sqlite_statements

        self.index_later()  # while the table has the name by which their definitions are compared
        for statement in left_sqlite_statements(archived=self.has_table(RECORD_SEGMENTS)):
            self._connection.execute(statement)
        self.left = LeftRows(self)

    def keep_rows_behind(self, position: int) -> bool:
        from replay.schema.left import fewer_sqlite_statements

        before, taken_over, behind = fewer_sqlite_statements()
        # Pages that go are not overwritten one by one: records name no buyer.
        self._connection.execute("PRAGMA secure_delete = OFF")
        try:
            for statement in before:
                self._connection.execute(statement)
            self._connection.execute(taken_over, (position,))
            for statement in behind:
                self._connection.execute(statement)
        finally:
            self._connection.execute("PRAGMA secure_delete = ON")
        return True

    def drop_alias_index(self) -> bool:
        from replay.schema.left import ALIAS_INDEX

        self._connection.execute(f"DROP INDEX {ALIAS_INDEX}")
        return True

    def make_alias_index(self) -> None:
        from replay.schema.left import alias_index_statement

        self._connection.execute(alias_index_statement())

    def may_erase(self) -> bool:
        return True  # whoever may write the file

    def _found_here(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        ids_by_source: dict[str, list[str]] = defaultdict(list)
        for source, event_id in keys:
            ids_by_source[source].append(event_id)
        # CROSS JOIN: SQLite keeps the order, one look-up in the index for each id.
        sql = (
            "SELECT ids.value, r.position, r.content_hash, r.record FROM json_each(?) AS ids"
            " CROSS JOIN records AS r ON r.source = ? AND r.event_id = ids.value"
        )
        return {
            (source, event_id): Known(*rest)
            for source, ids in ids_by_source.items()
            for event_id, *rest in self.execute(sql, (json.dumps(ids), source))
        }

    def _versions_here(self, streams: Sequence[str]) -> dict[str, int]:
        sql = (
            "SELECT s.value, coalesce((SELECT max(version) FROM records WHERE stream = s.value), 0)"
            " FROM json_each(?) AS s"
        )
        return dict(self.execute(sql, (json.dumps(streams),)))

    def _aliases_here(self, keys: Sequence[AliasKey]) -> list[AliasRow]:
        found: list[AliasRow] = []
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            # CROSS JOIN: SQLite keeps the order, one look-up in the primary key for each pair.
            sql = (
                f"WITH k (key, merchant) AS (VALUES {', '.join(['(?, ?)'] * len(some))})"
                " SELECT b.key, b.merchant, b.alias, b.seal FROM k"
                " CROSS JOIN buyers AS b ON b.key = k.key AND b.merchant = k.merchant"
            )
            found += map(AliasRow._make, self.execute(sql, [value for key in some for value in key]))
        return found

    def insert(self, rows: Sequence[Row]) -> None:
        self.execute_many(INSERT, rows)
