"""Opening and making a store, of whichever database its name says."""

from pathlib import Path

from replay.errors import UsageError
from replay.objects.naming import FilesPlace
from replay.store.base.store import Store
from replay.store.location import PARTIAL_SUFFIX, is_postgres, names_set, refuse_broken_text, refuse_unknown_scheme


def open_store(location: str, segments: FilesPlace | None = None) -> Store:
    """Open an existing store: a path, or a postgresql:// URL. Raises UsageError when there is none.

    `segments` is where its sealed segments lie, if not beside it.
    """
    found = _opened(location)
    found.named_segments = segments
    return found


def _opened(location: str) -> Store:
    refuse_broken_text(location)
    if is_postgres(location):
        from replay.store.postgres import PostgresStore

        return PostgresStore(location)
    from replay.store.sqlite import SqliteStore

    refuse_unknown_scheme(location)
    _refuse_set(location)
    if location.endswith(PARTIAL_SUFFIX):
        from replay.store.partial import PartialStore

        return PartialStore(Path(location))
    return SqliteStore(Path(location))


def create_store(location: str) -> bool:
    """Make an empty store unless there is one; whether it was made. A kill at any moment leaves a whole one or none."""
    refuse_broken_text(location)
    if is_postgres(location):
        from replay.store.postgres import create_postgres

        return create_postgres(location)
    from replay.store.sqlite import create_sqlite

    refuse_unknown_scheme(location)
    _refuse_set(location)
    return create_sqlite(Path(location))


def _refuse_set(location: str) -> None:
    if names_set(location):
        raise UsageError(
            f"{location} names a set of ledgers, and this works on one ledger: name the store of a shard, as"
            f" 'levelbook shard check {location}' lists them"
        )
