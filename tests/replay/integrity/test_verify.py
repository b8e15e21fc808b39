"""Verify names the first record that does not fit, whatever was changed; backups are whole and sound."""

import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from cli import main
from replay.errors import StoreError, UsageError
from replay.integrity import backup
from replay.integrity.backup import back_up
from replay.integrity.verify import Kept, _ends, verify
from replay.parsing.parse import read_line
from replay.processes import Serve, second_core
from replay.recording.append import Appender, Stamp, Stamper
from replay.recording.erase import erase_now
from replay.store.base.store import Store
from replay.store.buyers import key_of
from replay.store.opening import create_store, open_store
from replay.store.reading.row import leaf_hash, linked
from tests.support.making import event, ingest_events, line, paid, records, write_lines
from tests.support.threads import ended_at_once


@pytest.fixture
def tampered(tmp_path: Path) -> Callable[[str], Store]:
    """Makes a ledger of six records, runs SQL on it behind its guards, and opens it."""

    def make(script: str) -> Store:
        location = str(tmp_path / "ledger.db")
        create_store(location)
        with open_store(location) as store:
            events = [paid(f"o-{n}", subject=f"merchant/m-{n % 2}", actor="a" if n % 2 else "b") for n in range(5)]
            ingest_events(store, [*events, event("merchant.closed", "c", subject="merchant/m-0")], tmp_path)
        raw = sqlite3.connect(location)
        guards = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            raw.execute(f"DROP TRIGGER {name}")
        raw.executescript(script)
        for _, sql in guards:
            raw.execute(sql)
        raw.commit()
        raw.close()
        return open_store(location)

    return make


CHANGES = {
    "type": ("'order.received'", "column type holds 'order.received', but the record says 'order.paid'"),
    "stream": ("'merchant/m-9'", "column stream"),
    "version": ("77", "column version"),
    "source": ("'urn:other'", "column source"),
    "event_id": ("'other'", "column event_id"),
    "ref": ("'o-9'", "column ref"),
    "occurred_at": ("occurred_at + 1", "column occurred_at"),
    "recorded_at": ("recorded_at + 1", "column recorded_at"),
    "content_hash": ("zeroblob(32)", "column content_hash"),
    "chain": ("zeroblob(32)", "chain does not fit"),
    "record": ("CAST(replace(CAST(record AS TEXT), '12900', '12901') AS BLOB)", "chain does not fit"),
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_column_is_named_at_its_position(tampered: Callable[[str], Store], column: str) -> None:
    value, message = CHANGES[column]
    with tampered(f"UPDATE records SET {column} = {value} WHERE position = 3") as store:
        result = verify(store)
    assert result.records == 2
    assert result.problems[0].startswith("position 3: ")
    assert message in result.problems[0]


def test_a_hole_is_named(tampered: Callable[[str], Store]) -> None:
    with tampered("DELETE FROM records WHERE position = 4") as store:
        assert verify(store).problems[0] == "position 4: is missing; the next record is at 5"


def test_a_swapped_pair_is_named(tampered: Callable[[str], Store]) -> None:
    with tampered(
        "UPDATE records SET position = 99 WHERE position = 3; UPDATE records SET position = 3 WHERE position = 4;"
        "UPDATE records SET position = 4 WHERE position = 99"
    ) as store:
        assert verify(store).problems[0].startswith("position 3: the chain does not fit")


def test_a_record_before_the_first_is_named(tampered: Callable[[str], Store]) -> None:
    with tampered(
        "PRAGMA ignore_check_constraints = ON; INSERT INTO records SELECT -1, stream, 99, type, source, 'x', ref,"
        " occurred_at, recorded_at, content_hash, chain, record FROM records WHERE position = 3"
    ) as store:
        result = verify(store)
    assert result.problems[0] == "position 1: comes first, but a record stands at position -1, where none can be"


def test_a_damaged_page_is_a_problem_with_a_position(tampered: Callable[[str], Store]) -> None:
    with tampered("UPDATE records SET source = CAST(x'ff' AS TEXT) WHERE position = 4") as store:
        assert verify(store).problems[0].startswith("position 4: cannot be read: ")


def test_a_cut_tail_is_seen_by_whoever_noted_the_head(tampered: Callable[[str], Store]) -> None:
    script = (
        "DELETE FROM records WHERE position > 4;"
        "UPDATE tally SET count = 4 WHERE type = 'order.paid'; DELETE FROM tally WHERE type = 'merchant.closed';"
        "UPDATE stream_chains SET chains = substr(chains, 1, 4 * 32)"
    )
    with tampered(script) as store:
        assert verify(store).problems == [], "a shorter ledger is sound in itself"
        assert verify(store, Kept(6, "00" * 32)).problems == [
            "position 6 was noted down, but the ledger ends at 4: its tail was cut"
        ]
        assert verify(store, Kept(4, store.head().chain.hex())).problems == []
        assert "the past was rewritten" in verify(store, Kept(3, "00" * 32)).problems[0]


@pytest.mark.parametrize("instant", ["9000000000000000000", "-9000000000000000000"])
def test_an_instant_beyond_the_calendar_is_named(tampered: Callable[[str], Store], instant: str) -> None:
    with tampered(f"UPDATE records SET recorded_at = {instant} WHERE position = 3") as store:
        assert verify(store).problems[0] == "position 3: recorded_at lies outside the calendar"


@pytest.mark.parametrize("value", ["x''", "x'ff00'", "CAST('{\"event\":3}' AS BLOB)"])
def test_a_damaged_record_is_one_clear_line_for_every_command(
    tampered: Callable[[str], Store], tmp_path: Path, value: str
) -> None:
    with tampered(f"UPDATE records SET record = {value} WHERE position = 3") as store:
        location = store.name
    again = write_lines(tmp_path / "again.jsonl", [paid("o-2", subject="merchant/m-0", actor="b")])
    for words in (
        ["events", "merchant/m-0"],
        ["event", "urn:test", "pay-o-2"],
        ["replay", "merchant/m-0"],
        ["ingest", again],
    ):
        result = CliRunner().invoke(main, [*words, "--store", location])
        assert result.exit_code == 3, result.output
        assert "is damaged and cannot be read; run 'levelbook verify'" in result.output.splitlines()[-1]
    result = CliRunner().invoke(main, ["verify", "--store", location])
    assert result.exit_code == 1 and result.output.startswith("position 3: ")


def test_a_wrong_tally_and_a_missing_guard_are_named(tampered: Callable[[str], Store]) -> None:
    with tampered("UPDATE tally SET count = 9 WHERE type = 'order.paid'") as store:
        assert verify(store).problems == ["the tally counts 9 records of order.paid, the ledger holds 5"]
        raw = sqlite3.connect(store.name)
        raw.execute("DROP TRIGGER records_never_deleted")
        raw.close()
        missing = "the guard records_never_deleted is missing or was changed: records could be changed"
        assert verify(store).problems[1:] == [missing]
        raw = sqlite3.connect(store.name)
        raw.execute("CREATE TRIGGER records_never_deleted BEFORE DELETE ON tally BEGIN SELECT 1; END")
        raw.close()
        assert verify(store).problems[1:] == [missing], "a guard of the same name that guards nothing"


def rechained(store: Store, position: int, change: Callable[[bytes], bytes]) -> str:
    """SQL of a forger who changes a record and then forges every later link of the chain."""
    chain, script = store.identity.chain_start, []
    for at, record in enumerate(records(store), 1):
        forged = change(record) if at == position else record
        chain = linked(chain, leaf_hash(forged))
        script.append(f"UPDATE records SET record = x'{forged.hex()}', chain = x'{chain.hex()}' WHERE position = {at};")
    return "".join(script)


@pytest.mark.parametrize("script", ["", "DELETE FROM buyers"])
def test_a_long_ledger_is_walked_by_several_with_the_same_outcome(
    tampered: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr("replay.integrity.verify.RECORDS_BEFORE_HELP", 1)
    with tampered(script) as store:
        alone = verify(store, workers=1)
        for workers in (2, 4):
            assert verify(store, workers=workers) == alone and (alone.problems == []) is (script == "")


@pytest.mark.parametrize(
    ("workers", "last", "aliases", "stretches", "ends"),
    [
        (2, 100, 0, (), [50, 100]),
        (2, 100, 40, (), [40, 100]),  # the first one reads the aliases, too
        (4, 100, 40, (), [10, 40, 70, 100]),
        (4, 100, 200, (), [1, 34, 67, 100]),
        (4, 2, 0, (), [1, 2]),
        (2, 1, 9, (), [1]),
        (2, 100, 0, (20, 44, 55, 80), [55, 100]),  # a stretch that left ends nearby
        (2, 100, 0, (43, 57), [50, 100]),  # and here none does
        (4, 100, 40, (38, 73), [10, 38, 73, 100]),
        (4, 20, 0, (12,), [5, 10, 15, 20]),
        (2, 100, 0, (97,), [50, 100]),
    ],
)
def test_each_process_walks_a_part_that_takes_about_as_long(
    workers: int, last: int, aliases: int, stretches: tuple[int, ...], ends: list[int]
) -> None:
    assert _ends(workers, last, aliases, stretches) == ends


@pytest.mark.slow
@pytest.mark.parametrize("position", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("change", ["version = 9", "type = 'order.received'", "chain = zeroblob(32)"])
def test_several_name_the_same_record_as_one(
    tampered: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch, position: int, change: str
) -> None:
    monkeypatch.setattr("replay.integrity.verify.RECORDS_BEFORE_HELP", 1)
    with tampered(f"UPDATE records SET {change} WHERE position = {position}") as store:
        alone = verify(store, workers=1)
        assert verify(store) == alone and verify(store, workers=3) == alone
        assert alone.problems[0].startswith(f"position {position}: ")


def test_a_stream_that_skips_a_version_between_the_halves_is_named(
    tampered: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forger who leaves out version 4 of a stream and numbers on in the second half."""
    with tampered("") as store:
        script = rechained(store, 6, lambda record: record.replace(b'"version":4', b'"version":5'))
        location = store.name
    raw = sqlite3.connect(location)
    raw.execute("DROP TRIGGER records_never_updated")
    raw.executescript(script + "UPDATE records SET version = 5 WHERE position = 6")
    raw.close()
    monkeypatch.setattr("replay.integrity.verify.RECORDS_BEFORE_HELP", 1)
    with open_store(location) as store:
        for workers in (2, 6):
            found = verify(store, workers=workers)
            assert found.problems[0] == "position 6: is version 5 of merchant/m-0, but version 4 comes next"


@contextmanager
def ended_once_told(serve: Serve) -> Iterator[Any]:
    """As `second_core`, of a process that is killed before it has read what it was told."""
    with second_core(serve) as ours:

        def send(asked: Any) -> None:
            ours.send(asked)
            (process,) = multiprocessing.active_children()
            process.kill()
            process.join()

        yield SimpleNamespace(send=send, recv=ours.recv)


@pytest.mark.parametrize("ends", [ended_at_once, ended_once_told])
def test_a_process_that_was_ended_from_outside_is_told_of(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: Any
) -> None:
    ingest_events(store, [paid(f"o-{number}") for number in range(8)], tmp_path)
    monkeypatch.setattr("replay.integrity.verify.RECORDS_BEFORE_HELP", 1)
    monkeypatch.setattr("replay.integrity.verify.second_core", ends)
    with pytest.raises(StoreError, match="a process that verifies a part of the ledger was ended from outside"):
        verify(store)


FORGERIES = {
    "amount": (lambda record: record.replace(b"12900", b"12901"), "column content_hash"),
    "not canonical": (lambda record: record.replace(b'{"backfill"', b'{ "backfill"'), "not in canonical form"),
    "unknown field": (lambda record: record.replace(b'"amount"', b'"amounts"'), "cannot be read"),
    "no json": (lambda record: record[:-1], "cannot be read"),
    "other ledger": (lambda record: record.replace(b'"ledger":"', b'"ledger":"f'), "column ledger"),
    "other position": (lambda record: record.replace(b'"position":3', b'"position":2'), "column position"),
    "other subject": (lambda record: record.replace(b'"subject":"merchant/m-0', b'"subject":"merchant/m-7'), "subject"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_chain_does_not_hide_a_changed_record(tampered: Callable[[str], Store], name: str) -> None:
    change, message = FORGERIES[name]
    with tampered("") as store:
        script = rechained(store, 3, change)
        location = store.name
    raw = sqlite3.connect(location)
    raw.execute("DROP TRIGGER records_never_updated")
    raw.executescript(script)
    raw.close()
    with open_store(location) as store:
        result = verify(store)
    assert result.problems[0].startswith("position 3: ") and message in result.problems[0]


def stamped(at: int) -> Stamper:
    return lambda _item, _last: Stamp(at, backfill=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER records_never_changed ON records",
        "ALTER TABLE records DISABLE TRIGGER records_never_truncated",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$",
    ],
)
def test_a_guard_of_postgres_that_was_removed_or_changed_is_named(postgres_location: str, statement: str) -> None:
    create_store(postgres_location)
    with psycopg.connect(postgres_location, options="-c search_path=levelbook", autocommit=True) as connection:
        with open_store(postgres_location) as store:
            assert verify(store).problems == []
        connection.execute(statement.encode())
    with open_store(postgres_location) as store:
        assert verify(store).problems[0].endswith("is missing or was changed: records could be changed")


def test_falling_times_are_named(store: Store) -> None:
    appender = Appender(store.identity.id, key_of(store))
    for order, at in (("o-1", 1_700_000_000_000_000), ("o-2", 1_600_000_000_000_000)):
        item = read_line(line(paid(order, "2020-01-01T00:00:00Z")))
        with store.append() as transaction:
            appender.append(transaction, [item], stamped(at))
    assert verify(store).problems[0] == "position 2: recorded_at falls behind the record before"


def test_the_hashes_are_those_that_the_text_defines(store: Store, tmp_path: Path) -> None:
    """Leaf SHA-256(0x00 ‖ record), chain SHA-256(0x02 ‖ chain before ‖ leaf), from the hash of the identity."""
    ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
    ((ledger, created_at, check),) = store._query("SELECT id, created_at, key_check FROM ledger")
    said = f'{{"created_at":{created_at},"id":"{ledger}","key_check":"{check.hex()}","schema_version":2}}'
    chain = sha256(b"levelbook ledger\x00" + said.encode()).digest()
    for record in records(store):
        chain = sha256(b"\x02" + chain + sha256(b"\x00" + record).digest()).digest()
    assert store.head().chain == chain


def test_a_backup_is_whole_sound_and_usable(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid(f"o-{n}") for n in range(30)], tmp_path)
    erase_now(store, "b-1", "request")
    target = tmp_path / "backup.db"
    result = back_up(store, target)
    assert result.problems == [] and result.records == 31
    assert target.stat().st_mode & 0o777 == 0o600
    with open_store(str(target)) as copy:
        assert copy.identity == store.identity
        assert copy.head() == store.head()
        assert records(copy) == records(store)
        assert verify(copy).problems == []
    assert not list(tmp_path.glob(".backup*"))


@pytest.mark.slow
def test_a_backup_is_consistent_while_a_writer_runs(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is a prefix of the ledger, taken in many chunks while another connection records."""
    monkeypatch.setattr(backup, "COPY_ROWS", 7)
    monkeypatch.setattr("replay.integrity.verify.RECORDS_BEFORE_HELP", 10)
    create_store(location)
    with open_store(location) as store, open_store(location) as writer:
        ingest_events(writer, [paid(f"o-{n}") for n in range(100)], tmp_path)
        numbers = iter(range(100, 10_000))

        def write(_: int) -> None:
            ingest_events(writer, [paid(f"o-{next(numbers)}")], tmp_path)

        result = back_up(store, tmp_path / "copy.db", write)
        assert result.records == 100 and result.problems == []
        with open_store(str(tmp_path / "copy.db")) as copy:
            assert records(copy) == records(store)[:100]
            assert len(records(store)) > 110


def test_a_backup_can_be_read_where_nothing_can_be_written_and_be_written_to_again(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
        back_up(store, tmp_path / "copy.db")
    raw = sqlite3.connect(tmp_path / "copy.db")
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    raw.close()
    assert not list(tmp_path.glob("copy.db-*"))
    (tmp_path / "ledger.db.key").rename(tmp_path / "copy.db.key")
    with open_store(str(tmp_path / "copy.db")) as store:
        counts, _ = ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
    assert (counts.known, counts.recorded) == (1, 1)


def test_a_backup_of_a_damaged_ledger_is_not_kept(tampered: Callable[[str], Store], tmp_path: Path) -> None:
    with tampered("UPDATE records SET type = 'order.received' WHERE position = 3") as store:
        with pytest.raises(StoreError, match="the copy is not sound, and so perhaps "):
            back_up(store, tmp_path / "backup.db")
        with pytest.raises(UsageError, match=" cannot be written: "):
            back_up(store, tmp_path / "nowhere" / "backup.db")
    assert not list(tmp_path.glob("*backup*"))
