"""The store keeps what it was given: gapless, guarded, with an identity, on both databases."""

import sqlite3
from pathlib import Path

import psycopg
import pytest

from replay.errors import UsageError
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.making import event, ingest_events, paid, records


def test_positions_are_gapless_and_versions_follow_each_stream(store: Store, tmp_path: Path) -> None:
    events = [paid(f"o-{n}", subject=f"merchant/m-{n % 3}") for n in range(10)]
    counts, watch = ingest_events(store, events, tmp_path)
    rows = list(store._query("SELECT position, stream, version FROM records ORDER BY position"))
    assert counts.recorded == 10
    assert [position for position, _, _ in rows] == list(range(1, 11))
    assert [version for _, stream, version in rows if stream == "merchant/m-1"] == [1, 2, 3]
    assert watch.heads[-1] == store.head()
    assert len(records(store)) == 10


STATEMENTS = {
    "update": "UPDATE records SET type = 'order.received' WHERE position = 1",
    "delete": "DELETE FROM records WHERE position = 1",
    "ledger update": "UPDATE ledger SET id = 'x'",
    "ledger delete": "DELETE FROM ledger",
}
SQLITE_STATEMENTS = STATEMENTS | {
    "replace by position": "INSERT OR REPLACE INTO records SELECT * FROM records WHERE position = 1",
    "replace by version": "INSERT OR REPLACE INTO records SELECT 3, stream, version, type, source, 'new', ref,"
    " occurred_at, recorded_at, content_hash, chain, record FROM records WHERE position = 1",
    "replace by key": "INSERT OR REPLACE INTO records SELECT 3, stream, 99, type, source, event_id, ref,"
    " occurred_at, recorded_at, content_hash, chain, record FROM records WHERE position = 1",
    "hole": "INSERT INTO records SELECT 4, stream, 99, type, source, 'new', ref,"
    " occurred_at, recorded_at, content_hash, chain, record FROM records WHERE position = 1",
    "second ledger": "INSERT OR REPLACE INTO ledger SELECT one, 'x', schema_version, created_at, key_check FROM ledger",
}
POSTGRES_STATEMENTS = STATEMENTS | {
    "truncate": "TRUNCATE records",
    "ledger truncate": "TRUNCATE ledger",
    "upsert": "INSERT INTO records SELECT * FROM records WHERE position = 1"
    " ON CONFLICT (position) DO UPDATE SET type = 'order.received'",
    "as a replica": "SET session_replication_role = replica; DELETE FROM records WHERE position = 1",
}


@pytest.mark.parametrize("name", SQLITE_STATEMENTS)
def test_sqlite_itself_refuses_to_change_records(tmp_path: Path, name: str) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
        before = records(store)
        connection = sqlite3.connect(location)
        with pytest.raises(sqlite3.IntegrityError, match=r"append only|identity|one ledger"):
            connection.execute(SQLITE_STATEMENTS[name])
        connection.close()
        assert records(store) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", POSTGRES_STATEMENTS)
def test_postgres_itself_refuses_to_change_records(postgres_location: str, tmp_path: Path, name: str) -> None:
    create_store(postgres_location)
    with open_store(postgres_location) as store:
        ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
        before = records(store)
        with psycopg.connect(postgres_location, options="-c search_path=levelbook") as connection:
            with pytest.raises(psycopg.errors.RaiseException, match="append only"):
                connection.execute(POSTGRES_STATEMENTS[name].encode())
            connection.rollback()
        assert records(store) == before


def test_opening_a_missing_store_makes_none(location: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no"):
        open_store(location)
    assert list(tmp_path.iterdir()) == []


def test_making_a_store_twice_keeps_the_first(location: str) -> None:
    create_store(location)
    with open_store(location) as first:
        create_store(location)
        with open_store(location) as second:
            assert second.identity == first.identity


def test_sqlite_store_and_key_are_for_their_owner_alone(tmp_path: Path) -> None:
    location = tmp_path / "ledger.db"
    create_store(str(location))
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "ledger.db": 0o600,
        "ledger.db.key": 0o600,
    }
    with open_store(str(location)) as store:
        ingest_events(store, [event("merchant.closed", "e-1")], tmp_path)
        assert {p.stat().st_mode & 0o777 for p in tmp_path.glob("ledger.db*")} == {0o600}


def test_another_schema_version_is_refused_by_name(location: str) -> None:
    create_store(location)
    change = "UPDATE ledger SET schema_version = 7"
    if location.startswith("postgresql"):
        with psycopg.connect(location, options="-c search_path=levelbook", autocommit=True) as connection:
            connection.execute("ALTER TABLE ledger DISABLE TRIGGER USER")
            connection.execute(change.encode())
    else:
        raw = sqlite3.connect(location)
        raw.execute("DROP TRIGGER ledger_never_updated")
        raw.execute(change)
        raw.commit()
        raw.close()
    with pytest.raises(
        UsageError,
        match="schema version 7, this levelbook reads versions 1 to 4; use the levelbook that made it or a newer one",
    ):
        open_store(location)


@pytest.mark.parametrize("content", [b"", b"no database at all", None])
def test_other_files_are_refused_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.db"
    if content is None:
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE t (x)")
        other.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="not a Levelbook store"):
        open_store(str(path))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["other.db"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="which files are open is read there")
def test_what_takes_a_statement_back_is_in_memory_and_what_is_sorted_is_not(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    rows = [(number.to_bytes(32, "big"), f"merchant/{number}", f"{number:032x}", bytes(32)) for number in range(3_000)]
    with open_store(str(tmp_path / "ledger.db")) as store, store.writing() as transaction:
        transaction.execute_many("INSERT INTO buyers (key, merchant, alias, seal) VALUES (?, ?, ?, ?)", rows)
        transaction.execute("UPDATE buyers SET merchant = merchant || '0', alias = 'a' || alias")
        opened = [str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
        assert not [name for name in opened if "etilqs" in name]
        assert transaction.execute("PRAGMA temp_store") == [(1,)]


def test_what_a_writer_in_sqlite_takes_is_what_the_documents_say(tmp_path: Path) -> None:
    """Each process that records has its own, so services and the writers of a set, too."""
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, store.writing() as transaction:
        ((cache,),) = transaction.execute("PRAGMA cache_size")
        ((pages,),) = transaction.execute("PRAGMA wal_autocheckpoint")
        ((page_bytes,),) = transaction.execute("PRAGMA page_size")
    assert (cache, pages * page_bytes) == (-131_072, 102_400_000)
    for name in ("sqlite", "shards"):
        text = " ".join((ROOT / "docs" / "how-to" / f"{name}.md").read_text("utf-8").split())
        assert "up to 128 MiB of memory" in text and "102 MB and what one batch touches" in text, name
