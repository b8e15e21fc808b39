"""The ledger against what the machine must do anyway, and against the library used as its manual says."""

import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from replay.integrity.verify import verify
from replay.parsing.parse import read_line
from replay.recording.append import Appender, ledger_clock
from replay.schema.tables import sqlite_statements
from replay.schema.versions import SCHEMA_VERSION
from replay.store.base.store import Store
from replay.store.buyers import key_of
from replay.store.opening import create_store, open_store
from replay.store.reading.alias_form import AliasRow
from replay.store.reading.readable import ROW_COLUMNS
from replay.store.reading.row import Row
from tests import ROOT
from tests.benchmarks.conftest import LINES, Compare
from tests.support.making import line, paid

INSERT = f"INSERT INTO records ({ROW_COLUMNS}) VALUES ({', '.join('?' * len(Row._fields))})"
PEER_EVENTS = LINES


def command(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "cli", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def ingested(lines_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A ledger of the whole file."""
    location = str(tmp_path_factory.mktemp("ingested") / "ledger.db")
    command("ingest", "--store", location, str(lines_file))
    with open_store(location) as store:
        assert store.head().position == LINES
        yield store


def batches(store: Store, lines_file: Path) -> list[list[tuple[Any, ...]]]:
    """The rows of a ledger in batches like those of the ingest: a megabyte of lines each."""
    rows = list(store._query(f"SELECT {ROW_COLUMNS} FROM records ORDER BY position"))
    size = LINES * (1 << 20) // lines_file.stat().st_size
    return [rows[start : start + size] for start in range(0, len(rows), size)]


@pytest.mark.parametrize("guarded", [False, True], ids=["tables and indexes", "and guards"])
def test_ingest_on_sqlite_against_bare_inserts(
    ingested: Store, lines_file: Path, tmp_path: Path, compare: Compare, guarded: bool
) -> None:
    rows = batches(ingested, lines_file)
    buyers = list(ingested._query(f"SELECT {', '.join(AliasRow._fields)} FROM buyers"))

    def clean() -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        (tmp_path / "run").mkdir()

    def floor() -> None:
        connection = sqlite3.connect(tmp_path / "run" / "floor.db", isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536", "wal_autocheckpoint = 10000"):
            connection.execute(f"PRAGMA {pragma}")
        for statement in sqlite_statements(SCHEMA_VERSION):
            if guarded or "TRIGGER" not in statement:
                connection.execute(statement)
        each = len(buyers) // len(rows) + 1
        for number, batch in enumerate(rows):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, batch)
            connection.executemany(
                "INSERT INTO buyers VALUES (?, ?, ?, ?)", buyers[number * each : (number + 1) * each]
            )
            connection.execute("COMMIT")
        connection.close()

    def product() -> None:
        command("ingest", "--store", str(tmp_path / "run" / "ledger.db"), str(lines_file))

    compare(f"ingest of {LINES} lines, SQLite, against bare inserts", product, floor, aim="2.0", before=clean)


def test_ingest_on_postgres_against_bare_copy(
    ingested: Store, lines_file: Path, postgres_location: str, compare: Compare
) -> None:
    create_store(postgres_location)
    command("ingest", "--store", postgres_location, str(lines_file))
    with psycopg.connect(postgres_location, options="-c search_path=levelbook", autocommit=True) as connection:
        encoded = {}
        for table in ("records", "buyers"):
            buffer = io.BytesIO()
            with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT BINARY)".encode()) as copy:
                for data in copy:
                    buffer.write(data)
            encoded[table] = buffer.getvalue()

        def clean() -> None:
            connection.execute("DROP SCHEMA levelbook CASCADE")
            create_store(postgres_location)
            connection.execute("CHECKPOINT")

        def floor() -> None:
            for table, data in encoded.items():
                with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT BINARY)".encode()) as copy:
                    for start in range(0, len(data), 1 << 20):
                        copy.write(data[start : start + (1 << 20)])

        def product() -> None:
            command("ingest", "--store", postgres_location, str(lines_file))

        compare(f"ingest of {LINES} lines, PostgreSQL, against bare COPY", product, floor, aim="5.0", before=clean)


def test_ingest_against_the_library_used_idiomatically(lines_file: Path, tmp_path: Path, compare: Compare) -> None:
    """The peer saves the same events as its own, 1,000 a time; it neither validates, dedupes nor hashes."""
    from tests.benchmarks.peer import save_all

    some = tmp_path / "some.jsonl"
    with lines_file.open() as file, some.open("w") as out:
        out.writelines(next(file) for _ in range(PEER_EVENTS))

    def clean() -> None:
        for path in tmp_path.glob("*.db*"):
            path.unlink()

    ratio = compare(
        f"ingest of {PEER_EVENTS} lines, SQLite, against the library's own save",
        lambda: command("ingest", "--store", str(tmp_path / "ledger.db"), str(some)),
        lambda: save_all(some, tmp_path / "peer.db"),
        aim="1.0",
        before=clean,
    )
    print(f"  that is {1 / ratio:.2f} times its rate, starting the process included")


def test_append_to_a_long_stream_against_an_empty_one(location: str, tmp_path: Path, compare: Compare) -> None:
    long = tmp_path / "long.jsonl"
    with long.open("wb") as file:
        for n in range(LINES):
            file.write(line(paid(f"o-{n}", subject="merchant/long")) + b"\n")
    command("ingest", "--store", location, str(long))
    appends = 200
    numbers = iter(range(10**9))
    with open_store(location) as store:
        appender = Appender(store.identity.id, key_of(store))

        def append(subject: str) -> None:
            for _ in range(appends):
                n = next(numbers)
                name = subject.format(n)
                item = read_line(line(paid(f"new-{n}", subject=name)))
                with store.append() as transaction:
                    appender.append(transaction, [item], ledger_clock(transaction, clock_behind=False))

        where = "PostgreSQL" if location.startswith("postgresql") else "SQLite"
        compare(
            f"{appends} appends to a stream of {LINES} events, {where}, against empty streams",
            lambda: append("merchant/long"),
            lambda: append("merchant/empty-{}"),
            aim="1.2",
            rounds=9,
        )


def test_verify_against_reading_and_hashing(ingested: Store, compare: Compare) -> None:
    """Hashed are leaf, chain and the chain of the stream. Two processes and a thread share the verification."""

    def floor() -> None:
        chain, streams = bytes(32), dict[str, bytes]()
        rows = ingested._query("SELECT position, stream, record FROM records ORDER BY position")
        for position, stream, record in rows:
            leaf = sha256(b"\x00" + record).digest()
            chain = sha256(b"\x02" + chain + leaf).digest()
            before = streams.get(stream, bytes(32))
            streams[stream] = sha256(b"\x03" + before + position.to_bytes(8, "big") + leaf).digest()

    def product() -> None:
        assert verify(ingested).problems == []

    compare(f"verify of {LINES} records against reading and hashing them", product, floor, aim="2.0")


def test_help_against_importing_click(compare: Compare) -> None:
    script = Path(sys.executable).parent / "levelbook"
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}

    def run(*words: str | Path) -> None:
        for _ in range(10):
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment)

    compare(
        "levelbook --help against a process that imports click (ten times)",
        lambda: run(script, "--help"),
        lambda: run(sys.executable, "-c", "import click"),
        aim="2.5",
        rounds=5,
    )


def test_memory_of_an_ingest(lines_file: Path, tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    script = (
        f"import re, cli\ntry: cli.main(['ingest', '--store', {str(tmp_path / 'ledger.db')!r}, {str(lines_file)!r}])\n"
        "finally: print(re.search('VmHWM:.*?([0-9]+)', open('/proc/self/status').read())[1])"
    )

    def ingest() -> int:
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1])

    peak_mib = benchmark.pedantic(ingest, rounds=1) / 1024  # type: ignore[no-untyped-call]
    print(f"\ningest of {LINES} lines: peak {peak_mib:.0f} MiB, aim under 300 MB")
    assert peak_mib < 286
