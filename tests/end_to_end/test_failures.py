"""What the gallery cannot show: failures of servers, disks, locks and helping processes, each in clear words."""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from cli import main
from replay.errors import StoreError, UsageError
from replay.intake import parallel as decoding
from replay.intake import rejects
from replay.parsing.lines import blocks, check_files
from replay.parsing.refusals import Reason, Refusal
from replay.store import postgres, postgres_sessions, sqlite
from replay.store.opening import create_store, open_store
from tests.support.making import ingest_events, ingest_files, paid, write_lines


def die(_: Connection) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_decoder_is_named_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_store(str(tmp_path / "ledger.db"))
    file = write_lines(tmp_path / "long.jsonl", (paid(f"o-{n}") for n in range(40_000)))
    with open_store(str(tmp_path / "ledger.db")) as store:
        with monkeypatch.context() as patch, pytest.raises(StoreError) as caught:
            patch.setattr(decoding, "_serve", die)
            ingest_files(store, [file], tmp_path / "rejects.jsonl")
        assert " was ended from outside; what was acknowledged is" in str(caught.value)
        before = store.head().position
        assert 0 < before < 40_000
        counts, _ = ingest_files(store, [file], tmp_path / "rejects.jsonl")
        assert (counts.known, counts.recorded) == (before, 40_000 - before)
    assert sum(len(block.lines) for block in blocks(file)) == 40_000


@pytest.mark.slow
def test_a_store_that_is_held_too_long_is_named(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 1)
    create_store(location)
    with open_store(location) as holder, open_store(location) as waiter, holder.append():
        with pytest.raises(StoreError, match=" was held by another process for ") as caught:
            ingest_events(waiter, [paid("o-1")], tmp_path)
        assert " s: nothing more was recorded; try again" in str(caught.value)
    with open_store(location) as store:
        assert store.head().position == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the driver's, of a lost cursor
@pytest.mark.parametrize(
    "words", [["replay", "merchant/m-1"], ["events", "merchant/m-1"], ["head"], ["verify"], ["backup", "b.db"]]
)
def test_a_connection_that_is_cut_is_an_error_and_never_a_shorter_answer(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    create_store(postgres_location)
    with open_store(postgres_location) as store:
        ingest_events(store, [paid(f"o-{n}") for n in range(300)], tmp_path)
    monkeypatch.setattr(postgres, "FETCH_ROWS", 50)
    plain = postgres.PostgresStore._query

    def cut_after(last: int) -> Callable[..., Iterator[tuple[Any, ...]]]:
        def query(self: postgres.PostgresStore, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
            for number, row in enumerate(plain(self, sql, parameters)):
                yield row
                if number == last:
                    with psycopg.connect(postgres_location, autocommit=True) as killer:
                        killer.execute("SELECT pg_terminate_backend(%s)", (self._reader.info.backend_pid,))

        return query

    for last in (0, 60, 120):
        with monkeypatch.context() as patch:
            patch.setattr(postgres.PostgresStore, "_query", cut_after(last))
            result = CliRunner().invoke(main, [*words, "--store", postgres_location])
        if words == ["head"] and result.exit_code == 0:
            continue  # its one row was read before the connection was cut
        assert result.exit_code == 3, result.output
        assert " cannot be used: " in result.output.splitlines()[-1]
    assert not (tmp_path / "b.db").exists()


def test_an_old_server_is_refused(postgres_location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_sessions, "SERVER_VERSION_MIN", 999_999)
    with pytest.raises(UsageError, match=" runs a PostgreSQL older than 15; use 15 or later"):
        create_store(postgres_location)


def test_a_full_disk_of_a_server_is_named(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(postgres_location)

    def full(*_: object) -> None:
        raise psycopg.errors.DiskFull("could not extend file: No space left on device")

    with open_store(postgres_location) as store:
        monkeypatch.setattr(postgres.PostgresTransaction, "insert", full)
        with pytest.raises(StoreError, match=" is full: the last batch was not recorded, everything before it was"):
            ingest_events(store, [paid("o-1")], tmp_path)
        assert store.head().position == 0


def test_a_database_without_a_ledger_is_no_store(postgres_location: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no Levelbook store at "):
        open_store(postgres_location)
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(UsageError, match=" is an SQLite file, but not a Levelbook store; nothing was"):
        open_store(str(tmp_path / "other.db"))


def test_a_store_without_its_identity_is_no_store(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    raw = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    raw.execute("DROP TRIGGER ledger_never_deleted")
    raw.execute("DELETE FROM ledger")
    raw.close()
    with pytest.raises(UsageError, match=" is not a Levelbook store: it names no ledger"):
        open_store(str(tmp_path / "ledger.db"))


def test_inputs_that_cannot_be_read_are_named_before_anything_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_lines(tmp_path / "e.jsonl", [paid("o-1")])
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match=" cannot be read: permission denied"):
        check_files((file,))
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="standard input is closed; name a file"):
        check_files(("-",))


def test_rejects_files_without_end_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "NAMES_TRIED_MAX", 2)
    (tmp_path / "r.jsonl").write_text("precious")
    made = rejects.Rejects(tmp_path / "r.jsonl")
    with pytest.raises(StoreError, match=" rejects files stand beside "):
        made.write("f:1", Refusal(Reason.NOT_JSON, "m"), b"{")


def test_a_store_may_not_be_named_by_broken_text() -> None:
    for make in (create_store, open_store):
        with pytest.raises(UsageError, match="the name of the store is not valid UTF-8; give it"):
            make("\udcff.db")


def test_a_password_with_a_bare_at_sign_is_refused_before_it_is_repeated() -> None:
    with pytest.raises(UsageError, match=" has more than one '@'; write %40 for one in a pass") as caught:
        open_store("postgresql://u:sec@ret@localhost/db")
    assert "ret" not in str(caught.value).replace("more", "")


def test_a_disk_that_fails_is_named() -> None:
    failure = sqlite._failure("ledger.db", sqlite3.OperationalError("disk I/O error"))
    assert str(failure).endswith("(disk I/O error): look at it, then ingest the same file again")


def test_a_folder_that_takes_no_file_is_named() -> None:
    with pytest.raises(StoreError, match=" cannot be made: "):
        create_store("/proc/ledger.db")


def test_the_clock_that_stands_behind_is_named_with_the_record(store: object, location: str, tmp_path: Path) -> None:
    from replay.parsing.parse import read_line
    from replay.recording.append import Appender, Stamp, ledger_clock
    from replay.store.buyers import key_of
    from tests.support.making import line

    with open_store(location) as opened:
        appender = Appender(opened.identity.id, key_of(opened))
        ahead = opened.now() + 3_600_000_000
        with opened.append() as transaction:
            appender.append(transaction, [read_line(line(paid("o-1")))], lambda _i, _l: Stamp(ahead, backfill=False))
        item = read_line(line(paid("o-2")))
        with pytest.raises(StoreError) as caught, opened.append() as transaction:
            appender.append(transaction, [item], ledger_clock(transaction, clock_behind=False))
        assert ": more than 5 s later. Set the clock right, or give --clock-behind" in str(caught.value)
        assert opened.head().position == 1
        with opened.append() as transaction:
            appender.append(transaction, [item], ledger_clock(transaction, clock_behind=True))
        assert opened.head()[:2] == (2, ahead + 1)
