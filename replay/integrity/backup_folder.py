"""A folder of backups: each named by ledger, position and time, its hash beside it, the oldest removed by policy.

A backup stands under its name when it is whole, verified and on the disk, and its hash stands before it does; so a kill
at any moment leaves whole backups, and drafts that the next run removes. Nothing is removed that was not made here.
"""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Final, NamedTuple

from domain.limits import SECOND_MICROS
from replay.errors import StoreError, UsageError
from replay.integrity.backup import BackedUp, back_up
from replay.store.base.store import Store
from replay.store.beside import beside, locked, open_private, sync

LOCK: Final = ".levelbook-backups.lock"
HASH_SUFFIX: Final = ".sha256"
_NAME: Final = r"levelbook-([0-9a-f]{8})-(\d{12})-(\d{8}T\d{6}Z)\.db"
_FILE: Final = re.compile(_NAME)
_LEFT: Final = re.compile(rf"\.{{1,2}}{_NAME}(\.sha256)?\.new.*")
"""What a backup is called, or its hash, while it is made: by this room, and by what it calls for that."""


class BackupFile(NamedTuple):
    """A backup of a folder, by what its name says."""

    position: int
    made: str
    """When: in UTC, to the second."""
    ledger: str
    """The first eight digits of its ledger's id."""
    path: Path


class InFolder(NamedTuple):
    """A backup that was made in a folder."""

    file: BackupFile
    found: BackedUp
    hash: str
    """SHA-256 of the file, in hexadecimal digits."""
    kept: int
    """Backups of the ledger that are there now."""
    removed: list[Path]
    beyond: list[Path]
    """Backups of the ledger that end behind this one: they hold records that it does not, and stay."""


def back_up_into(
    store: Store, folder: Path, keep: int | None, progress: Callable[[int], None] = lambda _: None
) -> InFolder:
    """Make a backup in a folder, and remove those of the same ledger that are beyond the latest `keep`.

    The one just made stays whatever its time says, and so do those that end behind it: a ledger that lost its tail, or
    was restored from an older backup, has perhaps no other whole copy. Where the store that it was made from is not
    sound, none is removed.
    Raises UsageError where there is no such folder, StoreError where another backup is being made there.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder for backups; make it first, on a disk other than the ledger's")
    busy = StoreError(f"another backup is being made in {folder}: nothing was made by this one; wait for it")
    with locked(folder / LOCK, busy):
        _remove_left(folder)
        ledger, made = store.identity.id[:8], _made_at(store, folder)
        whole = folder / f".{_name(ledger, 0, made)}.new"
        found = back_up(store, whole, progress)
        position = found.head.position
        file = BackupFile(position, made, ledger, folder / _name(ledger, position, made))
        hashed = hash_of(whole)
        _write_hash(file.path, hashed)
        whole.rename(file.path)
        sync(folder)
        removed = [] if keep is None or found.source_problems else _remove_old(folder, file, keep)
        left = _of_ledger(folder, ledger)
        beyond = [backup.path for backup in left if backup.position > position]
        return InFolder(file, found, hashed, len(left), removed, beyond)


def backups_in(folder: Path) -> list[BackupFile]:
    """The backups of a folder that were made there and stand with their hashes, in the order of their positions.

    A clock that went wrong does not make an older ledger the latest: of equal positions alone the time decides.
    """
    found = []
    for path in folder.iterdir():
        named = _FILE.fullmatch(path.name)
        if named and beside(path, HASH_SUFFIX).is_file():
            found.append(BackupFile(int(named[2]), named[3], named[1], path))
    return sorted(found)


def latest_in(folder: Path) -> Path:
    """The latest backup of a folder. Raises UsageError where there is none, or where there are several ledgers'."""
    found = backups_in(folder)
    if not found:
        raise UsageError(f"{folder} holds no backup that 'levelbook backup --to' made there; name a file")
    ledgers = sorted({backup.ledger for backup in found})
    if len(ledgers) > 1:
        raise UsageError(f"{folder} holds backups of several ledgers ({', '.join(ledgers)}); name a file of it")
    return found[-1].path


def check_hash(path: Path) -> str | None:
    """The hash that is kept beside a backup; None where none is. Raises StoreError where the file bears another one."""
    kept = beside(path, HASH_SUFFIX)
    if not kept.exists():
        return None
    expected = kept.read_text("ascii", "replace").partition(" ")[0]
    if hash_of(path) != expected:
        raise StoreError(
            f"{path} is not the file that was backed up: its SHA-256 is not the one in {kept}. Nothing was restored;"
            " take another backup, or another copy of this one"
        )
    return expected


def hash_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _name(ledger: str, position: int, made: str) -> str:
    return f"levelbook-{ledger}-{position:012d}-{made}.db"


def _made_at(store: Store, folder: Path) -> str:
    """The second of a backup that is about to be made. Raises UsageError where the ledger has one of it."""
    made = datetime.fromtimestamp(store.now() // SECOND_MICROS, UTC).strftime("%Y%m%dT%H%M%SZ")
    for path in folder.glob(f"levelbook-{store.identity.id[:8]}-*-{made}.db"):
        raise UsageError(f"{path} exists; a backup never overwrites, make it again in a second")
    return made


def _write_hash(path: Path, hashed: str) -> None:
    """As sha256sum takes it: whole or not at all."""
    kept = beside(path, HASH_SUFFIX)
    draft = kept.with_name(f".{kept.name}.new")
    with open(draft, "w", encoding="ascii", opener=open_private) as file:
        file.write(f"{hashed}  {path.name}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(kept)


def _remove_left(folder: Path) -> None:
    """What a killed run has left: drafts, and hashes of backups that never came, or that were removed before them."""
    for path in folder.iterdir():
        backup = path.name.removesuffix(HASH_SUFFIX)
        if _LEFT.fullmatch(path.name) or (
            backup != path.name and _FILE.fullmatch(backup) and not (folder / backup).exists()
        ):
            path.unlink()


def _of_ledger(folder: Path, ledger: str) -> list[BackupFile]:
    return [backup for backup in backups_in(folder) if backup.ledger == ledger]


def _remove_old(folder: Path, made: BackupFile, keep: int) -> list[Path]:
    """The backup before its hash: what a kill leaves then is removed as a hash without one."""
    found = _of_ledger(folder, made.ledger)
    others = [backup for backup in found if backup != made and backup.position <= made.position]
    removed = [backup.path for backup in (others[: -(keep - 1)] if keep > 1 else others)]
    for path in removed:
        path.unlink()
        beside(path, HASH_SUFFIX).unlink()
    return removed
