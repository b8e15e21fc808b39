"""A dry run: batches are recorded into a scratch store, which only looks into the real one."""

import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from replay.blocks.reading import Blocks
from replay.passing_folders import passing_folder
from replay.recording.conflicts import EARLIER
from replay.store.base.identity import KEY_BYTES, Head, Identity
from replay.store.base.store import Store
from replay.store.base.transaction import Known, Transaction
from replay.store.buyers import key_from_environment, no_key
from replay.store.location import is_postgres
from replay.store.reading.alias_form import AliasKey, AliasRow
from replay.store.reading.row import Row
from replay.store.sqlite import check_folder, passing_copy


class DryRun:
    """Looks like the store with the batches of this run in it; nothing reaches the store itself.

    Without a store (there is none yet) it looks like an empty one.
    """

    def __init__(self, store: Store | None, scratch: Store) -> None:
        self._store = store
        self._scratch = scratch

    @contextmanager
    def append(self) -> Iterator[Transaction]:
        with self._scratch.append() as scratch:
            yield _Tried(scratch) if self._store is None else _Layered(self._store.reader(), scratch)


@contextmanager
def scratch_above(store: Store | None) -> Iterator[DryRun]:
    """A dry run above a store, or above none; nothing is left of it.

    Raises NotExaminedError where the passing folder has no room, also within the block.
    """
    identity = Identity(secrets.token_hex(16), 0, b"")
    with passing_folder() as folder, passing_copy(folder / "scratch.db", identity) as scratch:
        yield DryRun(store, scratch)


def key_for_none(location: str) -> bytes:
    """A key where there is no store yet; refuses what making one would refuse."""
    key = key_from_environment()
    if is_postgres(location):
        return key or no_key()
    check_folder(Path(location))
    return key or secrets.token_bytes(KEY_BYTES)


class _Tried(Transaction):
    """The scratch transaction. What it holds was tried in this run and has no position."""

    def __init__(self, scratch: Transaction) -> None:
        self._scratch = scratch

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._scratch.execute(sql, parameters)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._scratch.execute_many(sql, rows)

    def now(self) -> int:
        return self._scratch.now()

    @property
    def has_table_sql(self) -> str:  # type: ignore[override]
        return self._scratch.has_table_sql

    @property
    def blocks(self) -> Blocks:  # type: ignore[override]
        return self._scratch.blocks

    def _make_tables(self, names: Sequence[str]) -> None:
        self._scratch._make_tables(names)

    def let_rows_leave(self) -> None:
        self._scratch.let_rows_leave()

    def run_deferred(self) -> None:
        self._scratch.run_deferred()

    def may_erase(self) -> bool:
        return False

    def head(self) -> Head:
        return self._scratch.head()

    def find(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        return {key: known._replace(position=EARLIER) for key, known in self._scratch.find(keys).items()}

    def _found_here(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        return self._scratch._found_here(keys)

    def _versions_here(self, streams: Sequence[str]) -> dict[str, int]:
        return self._scratch._versions_here(streams)

    def _aliases_here(self, keys: Sequence[AliasKey]) -> list[AliasRow]:
        return self._scratch._aliases_here(keys)

    def given(self, aliases: Collection[str]) -> set[str]:
        return self._scratch.given(aliases)

    def insert(self, rows: Sequence[Row]) -> None:
        self._scratch.insert(rows)


class _Layered(_Tried):
    """The scratch transaction above what the store holds."""

    def __init__(self, store: Transaction, scratch: Transaction) -> None:
        super().__init__(scratch)
        self._store = store

    def now(self) -> int:
        return self._store.now()

    def head(self) -> Head:
        """The scratch ledger's place with the later of both times; positions are not shown."""
        scratch = self._scratch.head()
        return scratch._replace(recorded_at=max(scratch.recorded_at, self._store.head().recorded_at))

    def find(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        return self._store.find(keys) | super().find(keys)

    def whole(self, known: Known) -> Known:
        return self._store.whole(known)

    def aliases(self, keys: Sequence[AliasKey]) -> list[AliasRow]:
        return [*super().aliases(keys), *self._store.aliases(keys)]

    def given(self, aliases: Collection[str]) -> set[str]:
        return self._store.given(aliases) | super().given(aliases)
