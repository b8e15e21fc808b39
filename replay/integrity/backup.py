"""A backup: the whole ledger as one SQLite store, from either database, verified before it is kept."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from replay.errors import StoreError, UsageError
from replay.integrity.aliases import buyer_problems
from replay.integrity.verify import Verified, verify
from replay.store.alias_queries import copied_tables, put_rows, table_rows
from replay.store.base.identity import Head
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.beside import draft_beside, sync
from replay.store.evidence.copies import COPIED, copied_rows
from replay.store.key_chains import record
from replay.store.queries import plain_rows
from replay.store.reading.asked import BEFORE_ALL
from replay.store.reading.row import Row, leaf_hash
from replay.store.sqlite import SqliteStore, copy_of, remove_draft, settle

COPY_ROWS: Final = 10_000
Writing = Callable[[], AbstractContextManager[Transaction]]
"""Gives the transaction for the next rows: one each, or the same for all."""


@dataclass
class BackedUp(Verified):
    """What was found of a copy, which is sound, and of the store that it was made from."""

    source_problems: list[str] = field(default_factory=list)
    """What could hide or change records of that store from its readers; the copy was made from the table alone."""


def back_up(store: Store, path: Path, progress: Callable[[int], None] = lambda _: None) -> BackedUp:
    """Copy the ledger as it stands to `path` while others write, and verify the copy.

    Raises UsageError when something stands at `path`, StoreError when the copy is not sound. The key
    for buyers is not copied.
    """
    if path.exists():
        raise UsageError(f"{path} exists; a backup never overwrites, name another file")
    draft = draft_beside(path)
    try:
        result = make_copy(store, draft, progress)
        os.link(draft, path)
        sync(path.parent)
    except FileExistsError:
        raise UsageError(f"{path} exists; a backup never overwrites, name another file") from None
    finally:
        remove_draft(draft)
    # The copy has no key beside it: only the store says whose each alias is.
    source_problems = store.definition_problems() + store.row_problems() + buyer_problems(store)
    return BackedUp(**vars(result), source_problems=source_problems)


def make_copy(store: Store, draft: Path, progress: Callable[[int], None]) -> Verified:
    """Copy a ledger as it stands into one new file, verify that, and wait until it is on the disk.

    Raises StoreError when the copy is not sound.
    """
    with copy_of(draft, store.identity) as copy, store.snapshot():
        head = copy_ledger(store, copy.writing, progress)
    with SqliteStore(draft) as copy:
        result = verify(copy)
    if not result.problems and result.head != head:
        result.problems.append(f"it ends at position {result.head.position}, the ledger stood at {head.position}")
    if result.problems:
        raise StoreError(f"the copy is not sound, and so perhaps {store.name} is not: {result.problems[0]}")
    settle(draft)
    sync(draft)
    return result


def copy_ledger(store: Store, writing: Writing, progress: Callable[[int], None]) -> Head:
    """Take a whole ledger over into an empty store, read in the caller's snapshot: its last record."""
    head = store.head()
    _copy_records(store, writing, head.position, progress)
    for table, columns in copied_tables(store.identity.version).items():
        _copy_rows(writing, table, columns, table_rows(store, table, columns))
    for table, columns in COPIED.items():
        _copy_rows(writing, table, columns, copied_rows(store, table))
    return head


def _copy_records(store: Store, writing: Writing, last: int, progress: Callable[[int], None]) -> None:
    for rows in _chunks(plain_rows(store, BEFORE_ALL, last)):
        with writing() as transaction:
            record(transaction, made := list(map(Row._make, rows)), [leaf_hash(row.record) for row in made])
        progress(rows[-1][0])


def _copy_rows(writing: Writing, table: str, columns: tuple[str, ...], found: Iterator[tuple[Any, ...]]) -> None:
    for rows in _chunks(found):
        with writing() as transaction:
            put_rows(transaction, table, columns, rows)


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == COPY_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
