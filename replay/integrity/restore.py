"""A ledger brought back from a backup, or moved, into an empty SQLite file or PostgreSQL database: whole or not at all.

The backup is verified, copied byte for byte, and what was made of it is verified again. In a file that comes before it
stands under its name; in PostgreSQL the copy is one transaction.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from replay.errors import NoStoreError, StoreError, UsageError
from replay.integrity.backup import copy_ledger, make_copy
from replay.integrity.backup_folder import check_hash, latest_in
from replay.integrity.verify import Verified, verify
from replay.store.alias_queries import compared_rows, copied_tables
from replay.store.base.failures import not_kept
from replay.store.base.store import Store
from replay.store.beside import beside, locked, sync
from replay.store.location import is_postgres, refuse_broken_text, refuse_unknown_scheme
from replay.store.opening import open_store
from replay.store.sqlite import SqliteStore, check_folder, remove_draft

CHECKING: Final = "verifying the backup"
COPYING: Final = "copying"
VERIFYING: Final = "verifying"
_SIDES: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file: left by another one, it would be read into what is restored."""
Progress = Callable[[str, int, int], None]


@dataclass
class Restored(Verified):
    """What was found of the ledger that now stands at the target, which is sound."""

    backup: Path = Path()
    ledger: str = ""
    hash: str | None = None
    """SHA-256 of the backup, where it is kept beside it."""
    stood_there: bool = False
    """Whether a restore before, which was ended behind its last step, had brought it there."""


def restore(named: Path, into: str, progress: Progress = lambda *_: None) -> Restored:
    """Bring the ledger of a backup, or of the latest of a folder, into an empty place.

    Raises UsageError where something else stands there, StoreError where the backup or the copy is not sound. Ended at
    any moment it leaves nothing there, or the whole ledger, which the same restore then verifies.
    """
    refuse_broken_text(into)
    if not named.exists():
        raise UsageError(f"there is no backup at {named}; name a file that 'levelbook backup' made, or its folder")
    backup = latest_in(named) if named.is_dir() else named
    hashed = check_hash(backup)
    with SqliteStore(backup) as source:
        last = source.head().position
        stands = _stands_there(source, into)
        if not stands:
            _check(source, backup, lambda done: progress(CHECKING, done, last))
            bring = _into_postgres if is_postgres(into) else _into_sqlite
            bring(source, into, lambda done: progress(COPYING, done, last))
        found = _verified(source, into, lambda done: progress(VERIFYING, done, last))
        return Restored(**vars(found), backup=backup, ledger=source.identity.id, hash=hashed, stood_there=stands)


def _check(source: Store, backup: Path, progress: Callable[[int], None]) -> None:
    problems = verify(source, progress=progress).problems
    if problems:
        raise StoreError(f"{backup} is not sound, and nothing was restored: {problems[0]}; take another backup")


def _stands_there(source: Store, into: str) -> bool:
    """Whether the target holds the ledger of the backup already, up to the same record.

    Raises UsageError where something else stands there.
    """
    if not is_postgres(into):
        refuse_unknown_scheme(into)
        _refuse_left(Path(into).resolve())
    try:
        with open_store(into) as there:
            if (there.identity, there.head()) != (source.identity, source.head()):
                raise _taken(there.name)
            if other := _differing(source, there):
                raise UsageError(
                    f"{there.name} holds this ledger already, but other rows of {other} than the backup, which are no"
                    " part of its records; a restore never overwrites, name an empty place with --into"
                )
            return True
    except NoStoreError:
        return False


def _refuse_left(path: Path) -> None:
    """Raises UsageError for what another database left beside a place, which is no link, where no file stands."""
    for suffix in _SIDES:
        if not path.exists() and beside(path, suffix).exists():
            raise UsageError(
                f"{beside(path, suffix)} was left by another database, which would be read into what is"
                " restored; move it away, with the file that it is of, or name another place"
            )


def _differing(source: Store, there: Store) -> str | None:
    """Which of the tables outside the chain that a copy takes over holds other rows there."""
    for table, columns in copied_tables(source.identity.version).items():
        if _sum(compared_rows(source, table, columns)) != _sum(compared_rows(there, table, columns)):
            return table
    return None


def _sum(rows: Iterator[tuple[Any, ...]]) -> tuple[int, int]:
    """How many rows, and the sum of their hashes: the same in whichever order a database gives them."""
    count = total = 0
    for row in rows:
        plain = tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
        count += 1
        total += int.from_bytes(sha256(repr(plain).encode()).digest())
    return count, total


def _taken(name: str) -> UsageError:
    return UsageError(f"{name} holds a ledger already; a restore never overwrites, name an empty place with --into")


def _into_sqlite(source: Store, into: str, progress: Callable[[int], None]) -> None:
    path = Path(into).resolve()
    check_folder(path)
    draft = path.with_name(f".{path.name}.restoring")
    busy = StoreError(f"another restore into {path} is under way: nothing was done by this one; wait for it")
    with locked(beside(draft, ".lock"), busy):
        remove_draft(draft)  # of one that was killed
        try:
            make_copy(source, draft, progress)
            _refuse_left(path)  # meanwhile others may have made something
            os.link(draft, path)
            sync(path.parent)
        except FileExistsError:
            raise _taken(into) from None
        finally:
            remove_draft(draft)


def _into_postgres(source: Store, into: str, progress: Callable[[int], None]) -> None:
    from replay.store.postgres import made_in_postgres

    with source.snapshot(), made_in_postgres(into, lambda _: source.identity) as made:
        if made is None:
            raise _taken(into)
        head = copy_ledger(source, lambda: nullcontext(made), progress)
        if made.head() != head:
            raise not_kept(f"the copy does not end at position {head.position} as the backup does")


def _verified(source: Store, into: str, progress: Callable[[int], None]) -> Verified:
    with open_store(into) as there:
        found = verify(there, progress=progress)
        if not found.problems and found.head != source.head():
            found.problems.append(f"it ends at position {found.head.position}")
        if found.problems:
            raise StoreError(
                f"what stands at {there.name} is not what the backup holds: {found.problems[0]}; remove it, look at the"
                " database and its disk, and restore again"
            )
        return found
