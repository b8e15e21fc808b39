"""How far topics are consumed, as the processes that consume them note it beside the ledger: with SQLite in the file
`STORE.consuming`, with PostgreSQL in the schema `levelbook_consuming`.

It is for those who watch. Offsets are the brokers' to keep, and what is recorded stands in the ledger.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Integer, MetaData, Table, delete, insert, select

from domain.calendar import shanghai_text
from domain.limits import SECOND_MICROS
from projections.http.own_tables import Home, OwnTables, file_of, is_made, make_place
from projections.views.database import make_schema
from replay.schema.columns import BIG, TEXT
from replay.store.base.store import Store
from replay.store.beside import examining_mode
from replay.store.sqlite import SqliteStore

POSTGRES_SCHEMA: Final = "levelbook_consuming"
HOME: Final = Home("what is kept of consuming", ".consuming", POSTGRES_SCHEMA, "levelbook-consuming", "progress")
BUSY_SECONDS: Final = 1
"""Consuming does not wait long for whoever watches it."""


class PartitionNote(NamedTuple):
    """How far a group has recorded a partition, and when that was so."""

    group: str
    topic: str
    partition: int
    next_offset: int
    behind: int | None
    """How many offsets lay behind it; None where the brokers did not say."""
    noted_at: int
    """By the ledger's clock."""


@cache
def progress_table(schema: str | None) -> Table:
    """The table in a schema of PostgreSQL, or without one in a SQLite file: a row a group and partition."""
    return Table(
        "progress",
        MetaData(schema=schema),
        Column("consumer_group", TEXT, primary_key=True),
        Column("topic", TEXT, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("next_offset", BIG, nullable=False),
        Column("behind", BIG),
        Column("noted_at", BIG, nullable=False),
    )


class ConsumedTable(OwnTables):
    """What is noted of every group, open."""

    def __init__(self, store: Store, *, mode: str, pragmas: Sequence[str]) -> None:
        super().__init__(HOME, store, mode=mode, pragmas=pragmas, busy_seconds=BUSY_SECONDS)
        self._table = progress_table(self._schema)

    def make(self) -> None:
        """Make the table unless it is there. Raises StoreError where that may not be done."""
        if self.is_there():
            return
        with self._writing() as connection:
            if self._schema is not None:
                make_schema(connection, self._schema)
            self._table.metadata.create_all(connection)

    def note(self, found: Iterable[PartitionNote]) -> None:
        """Note how far partitions are, in place of what was noted of them before."""
        columns = self._table.c
        with self._writing() as connection:
            for row in found:
                mine = (columns.consumer_group == row.group) & (columns.topic == row.topic)
                connection.execute(delete(self._table).where(mine, columns.partition == row.partition))
                connection.execute(insert(self._table).values(row))

    def all(self) -> list[PartitionNote]:
        """By group, topic and partition."""
        columns = self._table.c
        query = select(self._table).order_by(columns.consumer_group, columns.topic, columns.partition)
        with self._reading() as connection:
            return [PartitionNote._make(row) for row in connection.execute(query)]


def open_consumed(store: Store) -> ConsumedTable:
    """What is noted of consuming; made where there is none. Raises StoreError where that may not be."""
    if isinstance(store, SqliteStore):
        make_place(HOME, store)
    found = ConsumedTable(store, mode="rw", pragmas=("journal_mode = WAL", "synchronous = NORMAL"))
    try:
        found.make()
    except BaseException:
        found.close()
        raise
    return found


def consumed_status(store: Store) -> list[dict[str, Any]]:
    """How far each partition of each group is, and for how many seconds that has stood; nothing where none was noted.

    Raises StoreError where it cannot be read. Makes nothing.
    """
    if not is_made(HOME, store):
        return []
    mode = examining_mode(file_of(HOME, store)) if isinstance(store, SqliteStore) else "rw"
    with ConsumedTable(store, mode=mode, pragmas=("query_only = ON",) if mode == "rw" else ()) as kept:
        found, now = kept.all() if kept.is_there() else [], store.now()
    return [_row_json(row, now) for row in found]


def _row_json(row: PartitionNote, now: int) -> dict[str, Any]:
    told = row._asdict()
    noted_at = told.pop("noted_at")
    return told | {"noted_at": shanghai_text(noted_at), "noted_seconds_ago": max(now - noted_at, 0) // SECOND_MICROS}
