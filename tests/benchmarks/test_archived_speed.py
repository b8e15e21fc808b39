"""Records that left the store against those that stand in it: what reading them takes, and what is at rest."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from replay.archiving.archive import archive, records_place
from replay.archiving.limit import archive_limit
from replay.sealing.checkpoint import begin_keys, make_checkpoint
from replay.store.base.store import Store
from replay.store.opening import open_store
from replay.store.queries import event_rows_of
from tests import ROOT
from tests.benchmarks.conftest import LINES, Compare

EVENTS_ABOUT = 10_000
"""Of the merchant whose records are read."""


@pytest.fixture(scope="module")
def both(lines_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    """A ledger of the whole file, and its twin from which all has left."""
    folder = tmp_path_factory.mktemp("archived")
    whole, cold = folder / "whole.db", folder / "cold.db"
    command = [sys.executable, "-m", "cli", "ingest", "--store", str(whole), str(lines_file)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with open_store(str(whole)) as store:
        begin_keys(store)
        make_checkpoint(store)
    with closing(sqlite3.connect(whole)) as source, closing(sqlite3.connect(cold)) as copy:
        source.backup(copy)
    with open_store(str(whole)) as store, open_store(str(cold)) as archived:
        archive(archived, records_place(archived, None), archive_limit(archived))
        archived.compact()
        yield store, archived


def about(store: Store) -> str:
    """The merchant with the most records, but no more than so many."""
    sql = "SELECT stream FROM records GROUP BY stream HAVING count(*) <= ? ORDER BY count(*) DESC LIMIT 1"
    return str(next(iter(store._query(sql, (EVENTS_ABOUT,))))[0])


def test_a_merchant_is_read_from_segments(both: tuple[Store, Store], compare: Compare) -> None:
    whole, cold = both
    merchant, last = about(whole), whole.head().position
    assert list(event_rows_of(cold, merchant, last)) == list(event_rows_of(whole, merchant, last))

    def again() -> None:
        with open_store(cold.location) as store:
            list(event_rows_of(store, merchant, last))

    def from_store() -> None:
        with open_store(whole.location) as store:
            list(event_rows_of(store, merchant, last))

    compare("a merchant of 10,000 events from segments, against the store", again, from_store, aim="1 s at most")


def test_what_is_at_rest(both: tuple[Store, Store], compare: Compare) -> None:
    """Bytes an event, told beside what verifying takes: the same walk, over bytes from segments and from the store."""
    from replay.integrity.verify import verify

    whole, cold = both
    segments = sum(segment.file_bytes for segment in cold.record_segments())
    print(
        f"\nbytes an event: {whole.size_bytes() / LINES:.0f} before,"
        f" {cold.size_bytes() / LINES:.0f} in SQLite and {segments / LINES:.0f} in segments after"
    )
    compare("verify over segments, against the store", lambda: verify(cold), lambda: verify(whole), aim="1.5 x")
