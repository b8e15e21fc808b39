"""Ledgers from which records have left, in segments so small that a test has many."""

from pathlib import Path

import pytest

from replay.archiving import archive as archiving
from replay.archiving.archive import ArchivedRecords, archive
from replay.archiving.limit import archive_limit
from replay.blocks import form
from replay.sealing.checkpoint import begin_keys, make_checkpoint
from replay.sealing.keys import SIGNING_VARIABLE
from replay.store.base import Store
from replay.store.evidence.announced import announcements

SECRET = "5b" * 32


def small_segments(monkeypatch: pytest.MonkeyPatch, records: int = 61, block_bytes: int = 3_000) -> None:
    """Segments of so many records, blocks of so many bytes, and bytes that go some at a time."""
    monkeypatch.setattr(archiving, "RECORDS_MAX", records)
    monkeypatch.setattr(archiving, "GO_AT_ONCE", 23)
    monkeypatch.setattr(form, "BLOCK_BYTES", block_bytes)
    monkeypatch.setenv(SIGNING_VARIABLE, SECRET)


def sealed(store: Store) -> int:
    """Seal what is recorded: up to which position."""
    if not announcements(store):
        begin_keys(store)
    return make_checkpoint(store).seal.size


def archived(store: Store, folder: Path, below: int | None = None) -> ArchivedRecords:
    """Let the records below a position leave, or all that are sealed, into a folder."""
    return archive(store, folder, archive_limit(store, below))
