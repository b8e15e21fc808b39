"""Ledgers from which records have left, in segments so small that a test has many; now, and as a former program did."""

from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import pytest

from domain.events import STAYING_TYPES
from replay.archiving import archive as archiving
from replay.archiving.archive import ArchivedRecords, archive
from replay.archiving.limit import archive_limit
from replay.archiving.places import records_at
from replay.blocks import form
from replay.recording.erase import erase_now
from replay.schema.archived import archived_postgres_statements, archived_sqlite_statements
from replay.schema.versions import ALIAS_BYTES, RECORD_SEGMENTS
from replay.sealing.checkpoint import begin_keys, make_checkpoint
from replay.sealing.keys import SIGNING_VARIABLE
from replay.store import key_chains
from replay.store.base.store import Store
from replay.store.evidence.announced import announcements
from replay.store.leaving import aliases, rows
from replay.store.leaving.segments import add_segment, archived_up_to
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from replay.store.queries import plain_rows
from replay.store.reading import alias_form
from replay.store.reading import form as notes_form
from replay.store.reading.asked import marks
from replay.store.reading.form import HASHED_BYTES, REST_BITS
from tests.support.making import ingest_events, paid
from tests.support.running import run
from tests.worlds.ledgers import AGENCIES, CREATORS, MERCHANTS, World

SECRET = "5b" * 32
AS_OF = "2023-05-20T12:00:00+08:00"
SMALL: Final = (
    (archiving, "RECORDS_MAX", 61),
    (rows, "GO_AT_ONCE", 23),
    (rows, "CHAIN_ROWS_AT_ONCE", 3),
    (key_chains, "CHAINS_A_ROW", 7),
    (rows, "STRETCH_ROWS", 97),
    (rows, "BUCKETS_AT_ONCE", 41),
    (rows, "STREAMS_AT_ONCE", 3),
    (aliases, "GO_AT_ONCE", 5),
    (aliases, "ENTRIES_AT_ONCE", 2),
    (aliases, "MERGED_FROM_PART", 10_000),
    (alias_form, "ENTRIES_BYTES_MAX", 400),
    (form, "BLOCK_BYTES", 3_000),
)
"""What is set so small that a small ledger has many of each: segments, blocks, and what goes at a time; and any alias
goes.
"""


def small_segments(monkeypatch: pytest.MonkeyPatch, records: int = 61) -> None:
    """Segments of so many records, blocks, and rows that go some at a time, as SMALL has them."""
    for module, name, value in SMALL:
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(archiving, "RECORDS_MAX", records)
    monkeypatch.setenv(SIGNING_VARIABLE, SECRET)


def alike_names(monkeypatch: pytest.MonkeyPatch, hashes: int) -> None:
    """Ids and refs have so many hashes in all, in two buckets: of few, each stands for many names."""

    class Few:
        def __init__(self, content: bytes) -> None:
            self._content = content

        def copy(self) -> "Few":
            return Few(self._content)

        def update(self, content: bytes) -> None:
            self._content += content

        def digest(self) -> bytes:
            hashed = int.from_bytes(sha256(self._content).digest()) % hashes
            return (hashed % 2 << REST_BITS | hashed).to_bytes(HASHED_BYTES)

    monkeypatch.setattr(notes_form, "_ID", Few(b"n"))
    monkeypatch.setattr(notes_form, "_REF", Few(b"r"))


def sealed(store: Store) -> int:
    """Seal what is recorded: up to which position."""
    if not announcements(store):
        begin_keys(store)
    return make_checkpoint(store).seal.size


def archived(store: Store, folder: Path, below: int | None = None) -> ArchivedRecords:
    """Let the records below a position leave, or all that are sealed, into a folder."""
    return archive(store, folder, archive_limit(store, below))


# --- as a former program did ------------------------------------------------------------------------------------------


def archived_as_bytes(store: Store, folder: Path, below: int | None = None, bytes_below: int | None = None) -> None:
    """The same as an earlier program did, which left the rows where they were and let their bytes go, but for the
    aliases of buyers; where it was killed, of the records below another position alone.
    """
    limit, place = archive_limit(store, below), records_at(folder, store.records_beside())
    with place.alone():
        while archived_up_to(store) < limit.last:
            segment = archiving._written(store, place, archiving._read(store, archived_up_to(store), limit.last))
            if not store.has_table(RECORD_SEGMENTS):
                _let_bytes_leave(store)
            with store.append() as transaction:
                add_segment(transaction, segment)
    last = limit.last if bytes_below is None else bytes_below - 1
    sql = f"SELECT position, type, record FROM records WHERE position <= ? AND length(record) > {ALIAS_BYTES}"
    left_behind = [(_stays(event_type, record), at) for at, event_type, record in list(store._query(sql, (last,)))]
    with store.append() as transaction:
        transaction.execute_many("UPDATE records SET record = ? WHERE position = ?", left_behind)


def _let_bytes_leave(store: Store) -> None:
    """Give a store the table of segments and the guards that let bytes go."""
    on_server = is_postgres(store.location)
    with store.append() as transaction:
        connection = cast(Any, transaction)._connection  # the statements have signs that stand for parameters elsewhere
        for statement in archived_postgres_statements() if on_server else archived_sqlite_statements():
            connection.execute(statement.encode() if on_server else statement)


def _stays(event_type: str, record: bytes) -> bytes:
    """What stays of a record in the store: of a payment the alias of its buyer."""
    if event_type != "order.paid":
        return b""
    return bytes.fromhex(msgspec.json.decode(record)["event"]["data"]["buyer"])


# --- a ledger, and all that is said of it -----------------------------------------------------------------------------


def made(location: str, tmp_path: Path, seed: int = 1, events: int = 250) -> World:
    """A ledger of a random world with decisions, an erased buyer, and a seal over all that."""
    create_store(location)
    world = World(seed)
    with open_store(location) as store:
        ingest_events(store, [*world.events(events), paid("gone", buyer="gone")], tmp_path)
    run("decide", "creator-level", "--month", "2022-11", "--store", location)
    with open_store(location) as store:
        erase_now(store, "gone", "request", in_month=True)
        sealed(store)
    return world


def contents(store: Store) -> list[tuple[Any, ...]]:
    """Every row of the ledger with its record, wherever that lies."""
    return list(plain_rows(store, 0, store.head().position))


def answers(location: str, tmp_path: Path) -> dict[tuple[str, ...], object]:
    """What commands say of every subject, as JSON; and files of evidence, by their bytes."""
    with open_store(location) as store:
        position = str(store.head().position)
    moment = ("--as-of", AS_OF, "--position", position)
    found: dict[tuple[str, ...], object] = {}
    for subject in (*MERCHANTS, *CREATORS, *AGENCIES):
        for words in (("replay", *moment), ("explain", *moment), ("history", *moment), ("events", *moment)):
            asked = (words[0], subject, *words[1:], "--format", "json")
            found[asked] = run(*asked, "--store", location)
        file = tmp_path / "of.evidence"
        run("evidence", subject, "--as-of", AS_OF, "--out", str(file), "--store", location)
        found["evidence", subject] = file.read_bytes()
        file.unlink()
    return found


def rows_to_go(location: str, last: int) -> int:
    """How many rows up to a position are in the database that need not be: all but those that stay, and the last."""
    with open_store(location) as store:
        sql = f"SELECT count(*) FROM records WHERE position <= ? AND type NOT IN ({marks(STAYING_TYPES)})"
        ((count,),) = store._query(sql, (min(last, store.head().position - 1), *sorted(STAYING_TYPES)))
        return int(count)
