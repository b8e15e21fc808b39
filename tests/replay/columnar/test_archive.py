"""Sealed segments: however often a ledger is sealed they say the same as the store, and what does not fit is named."""

import errno
import fcntl
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from cli import main
from domain.buckets import AGENCIES, BUCKETS, bucket_of
from domain.creator_level.facts import hundredths
from domain.events import Event as Recorded
from domain.events import LevelDecided
from domain.merchant_reputation.facts import KINDS
from replay.columnar import archive as archives
from replay.columnar import encoding, numbering, reading, segments
from replay.columnar import seal as sealing
from replay.columnar.archive import Archive, open_archive
from replay.columnar.check import check_archive
from replay.columnar.columns import CHANNELS, SCORES, TYPES, WHATS, Columns, first_out_of_order, no_rows
from replay.columnar.ledger_columns import LedgerColumns
from replay.columnar.numbering import BUYER, CREATOR, KEY, SUBJECT, TEXT, names_schema
from replay.columnar.parts import SortedRows, SubjectRange, parts_of
from replay.columnar.places.files import MANIFEST
from replay.columnar.places.folder import LOCK, READERS, FolderSegments
from replay.columnar.seal import seal, segments_place
from replay.columnar.segments import (
    COLUMNS_FILE,
    NAMES_FILE,
    SUBJECTS_FILE,
    columns_in,
    contents,
    names_in,
    read_manifest,
    switch_manifest,
)
from replay.decisions.application import Ledger
from replay.errors import DamagedError, NotExaminedError, NotSealedError, StoreError, UsageError
from replay.history.timeline import events_of
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.benchmarks.making_segments import LEDGER, make_segments
from tests.conftest import SOAK
from tests.support.disks import small_disk
from tests.support.making import Event, event, ingest_events, paid
from tests.support.running import run as run_command

SOURCES = ("urn:a", "urn:b")
Told = tuple[Any, ...]
"""A row with names in the place of numbers, and the numbers beside them."""


def world(seed: int, count: int) -> list[Event]:
    """Events of every type that has a row and of some that have none; few names, many retractions."""
    chance = Random(seed)
    events: list[Event] = []
    for number in range(count):
        kind = chance.choice(sorted([*WHATS, "level.announced", "content.published", "order.paid", "event.retracted"]))
        subject = f"{_kind_of(kind, chance)}/s-{chance.randrange(9)}"
        at = f"2022-{chance.randrange(1, 13):02d}-{chance.randrange(1, 20):02d}T10:00:0{chance.randrange(3)}+08:00"
        made = event(kind, f"e-{number}", at, subject=subject, source=chance.choice(SOURCES))
        made["data"] = _data(kind, chance, number)
        if kind == "event.retracted" and events and chance.random() < 0.5:
            named = chance.choice(events)
            made |= {"subject": named["subject"]}
            made["data"] |= {"source": named["source"], "event": named["id"]}
        events.append(made)
    return events


def _kind_of(kind: str, chance: Random) -> str:
    first = kind.partition(".")[0]
    if kind in ("creator.bound", "creator.unbound", "credit.granted", "mcn.onboarded"):
        return "mcn"
    if first in ("merchant", "order", "complaint", "review"):
        return "merchant"
    if kind in ("credit.deducted", "credit.restored"):
        return chance.choice(("creator", "mcn"))
    return chance.choice(("merchant", "creator", "mcn")) if first in ("event", "level") else "creator"


def _data(kind: str, chance: Random, number: int) -> dict[str, Any]:
    order, amount = f"o-{chance.randrange(12)}", chance.randrange(10**6)
    return {
        "merchant.onboarded": {"category": chance.choice(("fresh", "toys", "home"))},
        "merchant.tier_set": {"level": f"LV{chance.randrange(8)}"},
        "order.paid": {
            "order": order,
            "buyer": f"b-{chance.randrange(7)}",
            "amount": amount,
            "kind": chance.choice(KINDS),
        },
        "order.received": {"order": order},
        "order.flagged": {"order": order, "reason": "fake_trade"},
        "order.cleared": {"order": order},
        "order.complained": {"order": order},
        "complaint.dismissed": {"order": order},
        "review.posted": {"order": order, "quality": chance.randrange(1, 6)}
        | ({"service": chance.randrange(1, 6)} if chance.random() < 0.5 else {}),
        "creator.scored": {"score": chance.choice(SCORES), "value": chance.choice(("4", "4.5", "3.07", "0.9"))},
        "credit.deducted": {"violation": order, "points": chance.randrange(1, 9)},
        "credit.restored": {"violation": order},
        "credit.granted": {"points": chance.randrange(1, 9)},
        "sale.settled": {
            "order": order,
            "amount": amount,
            "channel": chance.choice(CHANNELS),
            "good_goods": chance.random() < 0.5,
            "worry_free": chance.random() < 0.5,
        },
        "sale.refunded": {"order": order, "amount": amount},
        "live.held": {"minutes": chance.randrange(1, 90)},
        "points.earned": {"task": order, "points": chance.randrange(1, 9)},
        "points.redeemed": {"redemption": order, "points": chance.randrange(1, 9)},
        "redemption.cancelled": {"redemption": order},
        "creator.bound": {"creator": f"s-{chance.randrange(9)}"},
        "creator.unbound": {"creator": f"s-{chance.randrange(9)}"},
        "content.published": {"content": order, "good": True},
        "level.announced": {"scheme": "mcn-level", "period": "2022-11", "level": None},
        # Of an earlier or later event of this or another subject, or of none.
        "event.retracted": {
            "source": chance.choice(SOURCES),
            "event": f"e-{max(0, number - chance.randrange(-3, 40))}",
            "reason": "r",
        },
    }.get(kind, {})


def expected_of(store: Store, subject: str) -> list[Told]:
    """What the columns have to say of a subject, made anew from its events, one by one."""
    events = list(events_of(store, subject, store.head().position))
    earlier: dict[tuple[str, str], int] = {}
    keys: dict[str, int] = {}
    buyers: dict[str, int] = {}
    rows = []
    for made in events:
        if made.type in WHATS:
            about = ("order", "violation", "task", "redemption")
            name = next((getattr(made.data, field) for field in about if hasattr(made.data, field)), None)
            key = None if name is None else (name, keys.setdefault(name, len(keys)))
            buyer = getattr(made.data, "buyer", None)
            alias = None if buyer is None else (buyer, buyers.setdefault(buyer, len(buyers)))
            values = _values(made, earlier)
            rows.append((made.occurred_at, made.position, made.type, key, alias, *values))
        earlier[made.source, made.id] = made.position
    return sorted(rows)


def _values(made: Recorded, earlier: dict[tuple[str, str], int]) -> tuple[Any, ...]:
    data = made.data
    match made.type:
        case "order.paid":
            return data.amount, KINDS.index(data.kind), 0, None
        case "review.posted":
            return 0, data.quality, data.service or 0, None
        case "merchant.onboarded":
            return 0, None, 0, data.category
        case "merchant.tier_set":
            return 0, int(data.level.removeprefix("LV")), 0, None
        case "creator.scored":
            return hundredths(data.value), SCORES.index(data.score), 0, None
        case "sale.settled":
            return data.amount, CHANNELS.index(data.channel), data.good_goods + 2 * data.worry_free, None
        case "event.retracted":
            return earlier.get((data.source, data.event), 0), 0, 0, None
        case "creator.bound" | "creator.unbound":
            return 0, 0, 0, data.creator
    return next((getattr(data, n) for n in ("amount", "points", "minutes") if hasattr(data, n)), 0), 0, 0, None


def told_by(archive: Archive, bucket: int, columns: Columns) -> dict[str, list[Told]]:
    """What the columns of a bucket say of each subject, with the names that the archive has for their numbers."""
    names = {
        (row["kind"], row["subject"], row["number"]): row["name"]
        for row in names_of_bucket(archive, bucket).to_pylist()
    }
    types = {number: name for name, number in WHATS.items()}
    told: dict[str, list[Told]] = {name: [] for name in columns.subjects}
    rows = zip(*(getattr(columns, name).tolist() for name in TYPES), strict=True)
    for subject, at, position, what, key, buyer, amount, detail, extra in rows:
        kind, who = types[what], columns.subjects[subject]
        assert names[SUBJECT, 0, subject] == who
        named, about, alias, shown = None, None, None, detail
        if kind in ("creator.bound", "creator.unbound"):
            about = columns.creators[key]
            assert names[CREATOR, 0, key] == about
        elif kind == "merchant.onboarded":
            about, shown = columns.texts[detail], None
            assert names[TEXT, 0, detail] == about
        elif key >= 0:
            named = (names[KEY, subject, key], key)
        if buyer >= 0:
            alias = (names[BUYER, subject, buyer], buyer)
        told[who].append((at, position, kind, named, alias, amount, shown, extra, about))
    return told


def names_of_bucket(archive: Archive, bucket: int) -> "pa.Table":
    """All sealed names of a bucket."""
    files = [
        file
        for generation in archive.manifest.generations
        for kind in (SUBJECTS_FILE, NAMES_FILE)
        if (file := generation.file(bucket, kind)) is not None
    ]
    tables = [names for file in files for names in names_in(archive.place, file)]
    return pa.concat_tables([names_schema().empty_table(), *tables])


def buckets() -> Iterator[int]:
    yield from range(BUCKETS)
    yield AGENCIES


def assert_equal(found: Columns, expected: Columns) -> None:
    for name in TYPES:
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        assert getattr(found, name).dtype == TYPES[name]
    assert found[len(TYPES) :] == expected[len(TYPES) :]


def folder_of(tmp_path: Path, name: str = "segments") -> Path:
    return tmp_path / name


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SOAK))
def test_segments_say_what_the_events_say_however_they_were_sealed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(reading, "READ_ROWS", 70)
    chance = Random(f"split {seed}")
    events, folder = world(seed, 500), folder_of(tmp_path)
    while events:
        some = chance.randrange(1, 200)
        ingest_events(store, events[:some], tmp_path)
        events = events[some:]
        if chance.random() < 0.7:
            monkeypatch.setattr(sealing, "GENERATION_RECORDS", chance.randrange(40, 200))
            assert seal(store, folder).position == store.head().position
    monkeypatch.setattr(sealing, "GENERATION_RECORDS", 10**6)
    seal(store, folder)
    parted = open_archive(store, folder)
    assert len(parted.manifest.generations) > 3
    assert seal(store, folder_of(tmp_path, "once")).generations == 1
    once = open_archive(store, folder_of(tmp_path, "once"))
    told: dict[str, list[Told]] = {}
    for bucket in buckets():
        columns = once.read(bucket)
        assert first_out_of_order(columns) is None
        assert_equal(parted.read(bucket), columns)
        assert (
            names_of_bucket(parted, bucket)
            .sort_by(_BY_NUMBER)
            .equals(names_of_bucket(once, bucket).sort_by(_BY_NUMBER))
        )
        told |= told_by(once, bucket, columns)
        assert all(bucket_of(subject) == bucket for subject in columns.subjects)
    streams = [stream for (stream,) in store._query("SELECT DISTINCT stream FROM records ORDER BY stream")]
    assert sorted(told) == streams
    for stream in streams:
        assert told[stream] == expected_of(store, stream)
    assert sum(row[2] == "event.retracted" and row[5] > 0 for rows in told.values() for row in rows) > 3


@pytest.mark.slow
def test_extension_attributes_change_no_row_of_a_segment(store: Store, tmp_path: Path) -> None:
    """Events that bear them are sealed as the same events without: rows, names, and what replays read."""
    plain = world(3, 300)
    beside = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "sequence": "7"}
    bearing = [made | beside if number % 2 else made for number, made in enumerate(plain)]
    create_store(str(tmp_path / "plain.db"))
    with open_store(str(tmp_path / "plain.db")) as other:
        ingest_events(other, plain, tmp_path)
        ingest_events(store, bearing, tmp_path)
        assert sum(b'"extensions":{' in record for (record,) in store._query("SELECT record FROM records")) == 150
        archives_of = []
        for number, each in enumerate((store, other)):
            folder = folder_of(tmp_path, str(number))
            seal(each, folder)
            archives_of.append(open_archive(each, folder))
        rows = 0
        for bucket in buckets():
            found, expected = (archive.read(bucket) for archive in archives_of)
            assert_equal(found, expected)
            told, without = (told_by(archive, bucket, archive.read(bucket)) for archive in archives_of)
            assert _without_buyers(told) == _without_buyers(without)
            rows += sum(map(len, told.values()))
        assert rows > 250


def _without_buyers(told: Any) -> Any:
    """The aliases of buyers are drawn by chance in each ledger; their numbers are not."""
    if isinstance(told, dict):
        return {subject: _without_buyers(rows) for subject, rows in told.items()}
    if isinstance(told, (list, tuple)):
        return [_without_buyers(part) for part in told]
    return "@" if isinstance(told, str) and re.fullmatch("[0-9a-f]{32}", told) else told


_BY_NUMBER = [("kind", "ascending"), ("subject", "ascending"), ("number", "ascending")]


@pytest.mark.slow
def test_a_tail_says_the_same_as_sealed_segments(store: Store, tmp_path: Path) -> None:
    events = world(1, 300)
    ingest_events(store, events[:200], tmp_path)
    folder = folder_of(tmp_path)
    seal(store, folder)
    archive = open_archive(store, folder)
    ingest_events(store, events[200:], tmp_path)
    position = store.head().position
    tail = archive.tail(store, position)
    whole = open_archive(store, None)
    assert whole.position == 0
    unsealed = whole.tail(store, position)
    seal(store, folder)
    for bucket in buckets():
        sealed = open_archive(store, folder).read(bucket)
        assert_equal(archive.read(bucket, tail), sealed)
        assert_equal(whole.read(bucket, unsealed), sealed)


def test_segments_read_up_to_an_earlier_position_say_what_was_known_then(store: Store, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    ingest_events(store, world(12, 200), tmp_path)
    seal(store, folder)
    archive, unsealed = open_archive(store, folder), open_archive(store, None)
    early, then = archive.tail(store, 120), unsealed.tail(store, 120)
    for bucket in buckets():
        found, expected = archive.read(bucket, early), unsealed.read(bucket, then)
        assert_equal(found._replace(**{name: getattr(expected, name) for name in LISTS}), expected)
        for name in LISTS:  # names that came later stand behind those of then
            assert getattr(found, name)[: len(getattr(expected, name))] == getattr(expected, name)


LISTS = Columns._fields[len(TYPES) :]


@pytest.mark.slow
@pytest.mark.parametrize("group_rows", [3, 1_000])
def test_parts_of_whole_subjects_say_together_what_the_bucket_says(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int
) -> None:
    """Several generations, a tail, positions cut off; files in groups of a few rows, and parts of a few."""
    monkeypatch.setattr(segments, "ROW_GROUP_ROWS", group_rows)
    monkeypatch.setattr(archives, "NAMES_AT_ONCE", 10)
    monkeypatch.setattr(sealing, "GENERATION_RECORDS", 150)
    events, folder = world(14, 700), folder_of(tmp_path)
    ingest_events(store, events[:600], tmp_path)
    seal(store, folder)
    archive = open_archive(store, folder)
    assert len(archive.manifest.generations) == 4
    ingest_events(store, events[600:], tmp_path)
    for tail in (None, archive.tail(store, 700), archive.tail(store, 333)):
        for bucket in buckets():
            whole = archive.read(bucket, tail)
            for rows in (1, 7, 40, 10**6):
                parts = list(archive.parts(bucket, tail, rows=rows))
                assert_parts_equal(parts, whole)
                for part in parts[:-1]:
                    subject = part.columns.subject
                    assert len(subject) >= rows > np.count_nonzero(subject < subject[-1])
            again = archive.parts(bucket, tail, first=2, rows=1)
            assert_parts_equal(again, whole, first=2)


def assert_parts_equal(parts: Iterable[SubjectRange], whole: Columns, first: int = 0) -> None:
    begin: int | None = first
    for part in parts:
        assert begin is not None and part.first == begin, "nothing follows the last part, and none is left out"
        end = len(whole.subjects) if part.end is None else part.end
        mine = (whole.subject >= part.first) & (whole.subject < end)
        columns = [getattr(whole, name)[mine] for name in TYPES]
        columns[0] = columns[0] - part.first
        subjects = whole.subjects[part.first : end]
        assert_equal(part.columns, Columns._make([*columns, subjects, whole.creators, whole.texts]))
        begin = part.end
    assert begin is None


def test_memory_holds_no_more_than_a_part_and_a_chunk_of_each_run() -> None:
    """Runs of very different lengths, one of them of few subjects with many rows."""

    def chunks(rows: list[int], size: int) -> Iterator[Columns]:
        for begin in range(0, len(rows), size):
            subject = np.array(rows[begin : begin + size], np.int32)
            given = [np.arange(begin, begin + len(subject)).astype(kind) for kind in TYPES.values()]
            yield Columns._make([subject, *given[1:], [], [], []])

    every = [[n // 3 for n in range(3_000)], [n // 100 for n in range(9_000)], [500] * 70]
    runs = [SortedRows(chunks(rows, 10)) for rows in every]
    found: list[int] = []
    for part in parts_of(runs, 200):
        found += part.columns.subject.tolist()
        assert len(part.columns.at) < 200 + 103
        assert sum(run.rows_before(10**6) for run in runs) <= 200 + 3 * 10 + 103
    assert found == sorted([subject for rows in every for subject in rows])


def test_records_of_an_older_form_are_lifted_before_they_are_encoded(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_events(store, world(13, 150), tmp_path)
    expected = unsealed(store)
    monkeypatch.setattr(encoding, "_PRESENT_V", frozenset({2}))
    lifted = 0

    def counted(event_type: str, record: bytes) -> Recorded:
        nonlocal lifted
        lifted += 1
        return read_record(event_type, record)

    monkeypatch.setattr(encoding, "read_record", counted)
    for found, columns in zip(unsealed(store), expected, strict=True):
        assert_equal(found, columns)
    assert lifted > 100


def unsealed(store: Store) -> list[Columns]:
    """Every bucket, straight from the store."""
    archive = open_archive(store, None)
    tail = archive.tail(store, store.head().position)
    assert not tail.unread
    return [archive.read(bucket, tail) for bucket in buckets()]


@pytest.mark.slow
def test_many_small_seals_leave_few_generations_and_no_file_of_the_others(store: Store, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    for number, made in enumerate(world(2, 16)):
        ingest_events(store, [made], tmp_path)
        sealed = seal(store, folder)
        assert (sealed.before, sealed.position) == (number, number + 1)
        assert sealed.generations <= 5
    assert_whole(store, folder)
    assert seal(store, folder)[:2] == (16, 16)


def test_files_that_are_replaced_stay_while_somebody_reads_them(store: Store, tmp_path: Path) -> None:
    folder, events = folder_of(tmp_path), world(3, 60)
    ingest_events(store, events[:30], tmp_path)
    seal(store, folder)
    reader = open_archive(store, folder)
    before = [reader.read(bucket) for bucket in buckets()]
    ingest_events(store, events[30:], tmp_path)
    assert seal(store, folder).generations == 1
    for bucket, columns in zip(buckets(), before, strict=True):
        assert_equal(reader.read(bucket), columns)
    files = len(list(folder.iterdir()))
    del reader
    assert seal(store, folder).before == 60
    assert len(list(folder.iterdir())) < files
    assert_whole(store, folder)


def assert_whole(store: Store, folder: Path, position: int | None = None) -> None:
    """What is sealed is all that the ledger held up to a position, and nothing else lies in the folder."""
    archive = open_archive(store, folder)
    assert archive.position == (store.head().position if position is None else position)
    unsealed = open_archive(store, None)
    tail = unsealed.tail(store, archive.position)
    for bucket in buckets():
        assert_equal(archive.read(bucket), unsealed.read(bucket, tail))
    if position is None:
        listed = {file.name for generation in archive.manifest.generations for file in generation.files}
        assert {path.name for path in folder.iterdir()} == listed | {MANIFEST, LOCK, READERS}


def test_the_command_seals_what_is_new_and_verify_compares_it(
    store: Store, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    monkeypatch.setenv("LEVELBOOK_SEGMENTS", str(tmp_path / "segments"))

    def run(*words: str) -> str:
        shown = CliRunner().invoke(main, words)
        assert shown.exit_code == 0, shown.output
        return shown.output

    (tmp_path / "segments").mkdir()
    assert json.loads(run("verify", "--format", "json"))["segments"] is None
    ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
    assert re.match("2 records sealed, up to position 2: .*/segments holds 2 rows in ", run("seal"))
    assert run("seal").startswith("nothing new to seal: ")
    ingest_events(store, [paid("o-3")], tmp_path)
    told = json.loads(run("seal", "--format", "json"))
    assert (told["sealed"], told["before"], told["position"], told["rows"]) == (1, 2, 3, 3)
    assert json.loads(run("seal", "--format", "json"))["sealed"] == 0
    assert json.loads(run("verify", "--format", "json"))["segments"] == {"position": 3, "problems": []}
    assert "\nsegments up to position 3 fit the ledger\nviews are not there: nothing to compare\n" in run("verify")


def test_a_retraction_names_no_decision(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    ledger = Ledger(store)
    subject = ledger.subject("merchant/m-1")
    decision = LevelDecided(
        **dict.fromkeys(("as_of", "chain", "facts", "findings", "known_at", "policy_hash", "state"), "x"),
        digest_v=1,
        level=None,
        period="2022-11",
        policy="p",
        position=1,
        run="r",
        scheme="merchant-reputation",
        score=None,
    )
    subject.decide_level(decision, source="urn:levelbook:run", decided_at=store.now())
    ledger.save(subject)
    ((source, decided),) = store._query("SELECT source, event_id FROM records WHERE type = 'level.decided'")
    about = {"source": source, "event": decided}
    ingest_events(store, [{**event("event.retracted", "r-1"), "data": {**about, "reason": "r"}}], tmp_path)
    found = [pair for of in unsealed(store) for pair in zip(of.what.tolist(), of.amount.tolist(), strict=True)]
    assert dict(found) == {
        WHATS["order.paid"]: 12_900,
        WHATS["event.retracted"]: 0,
    }


# --- kills, full disks, others at work

KILLED_AT_LINE = """
import os, signal, sys, threading
from pathlib import Path
from replay.columnar import archive, numbering, seal, segments
from replay.columnar.places import folder
from replay.store.opening import open_store
seal.GENERATION_RECORDS = 150
files = {module.__file__ for module in (archive, folder, numbering, seal, segments)}
left = int(sys.argv[1])
def on_line(frame, what, _):
    global left
    if frame.f_code.co_filename not in files:
        return None
    if what == "line":
        left -= 1
        if left == 0:
            signal.raise_signal(signal.SIGKILL)
    return on_line
with open_store(os.environ["LEVELBOOK_STORE"]) as opened:
    threading.settrace(on_line)
    sys.settrace(on_line)
    seal.seal(opened, Path(sys.argv[2]))
    sys.settrace(None)
print(int(sys.argv[1]) - left)
"""
"""Seals in several generations, and is killed at the n-th line of the program that is executed for it."""


def sealed_and_killed(location: str, folder: Path, line: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", KILLED_AT_LINE, str(line), str(folder)],
        cwd=ROOT,
        env={**os.environ, "LEVELBOOK_STORE": location},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_kill_at_any_step_leaves_whole_generations_and_the_next_seal_goes_on(
    store: Store, location: str, tmp_path: Path
) -> None:
    ingest_events(store, world(4, 500), tmp_path)
    steps = int(sealed_and_killed(location, tmp_path / "counted", 10**9).stdout)
    chance = Random("kills")
    left = []
    kills = (2 if is_postgres(location) else 3) * SOAK
    for part in range(kills):
        folder = tmp_path / f"killed-{part}"
        step = int(steps * (part + chance.random()) / kills) + 1
        assert sealed_and_killed(location, folder, step).returncode == -signal.SIGKILL
        left.append(open_archive(store, folder).position)
        assert_whole(store, folder, left[-1])
        assert seal(store, folder).before == left[-1]
        assert_whole(store, folder)
    assert left == sorted(left)
    assert any(0 < position < 500 for position in left), "no kill came in the middle, so nothing was tested"


@pytest.mark.slow
def test_a_full_disk_is_named_and_the_next_seal_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, small_disk(tmp_path / "small", "500k") as resize:
        ingest_events(store, world(5, 500), tmp_path)
        folder = tmp_path / "small" / "segments"
        monkeypatch.setattr(sealing, "GENERATION_RECORDS", 60)
        with pytest.raises(StoreError, match=" is full: what was sealed before is whole; make space and seal again"):
            seal(store, folder)
        assert_whole(store, folder, open_archive(store, folder).position)
        assert 0 < open_archive(store, folder).position < 500
        resize("16m")
        seal(store, folder)
        assert_whole(store, folder)


def test_what_cannot_be_sealed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        openings = [event("merchant.onboarded", f"e-{name}", category=name) for name in ("fresh", "toys")]
        ingest_events(store, openings, tmp_path)
        (tmp_path / "file").touch()
        with pytest.raises(StoreError, match=" cannot be written: File exists"):
            seal(store, tmp_path / "file")
        with pytest.raises(UsageError, match=" for the segments does not exist; make it first"):
            seal(store, tmp_path / "none" / "segments")
        monkeypatch.setattr(numbering, "TEXTS_MAX", 1)
        with pytest.raises(StoreError, match=" categories were named by the merchants of one bucket"):
            unsealed(store)


def test_a_folder_that_is_named_and_is_not_there_is_told_by_whoever_reads(
    store: Store, location: str, tmp_path: Path
) -> None:
    ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
    folder = tmp_path / "segmnets"
    told = f"the folder {folder}, which is named for sealed segments (--segments, LEVELBOOK_SEGMENTS), is not there:"
    for use in (open_archive, check_archive, lambda *given: LedgerColumns(given[0], 2, given[1]).archive):
        with pytest.raises(NotExaminedError, match=f"^{re.escape(told)}"):
            use(store, folder)
    asked = ("--segments", str(folder), "--store", location)
    for words, status in (("verify", 3), ("doctor", 1)):
        assert told in run_command(words, *asked, status=status)
    assert not folder.exists()
    folder.mkdir()
    assert open_archive(store, folder).position == 0 and check_archive(store, folder) is None
    folder.rmdir()
    assert seal(store, folder).position == 2 and open_archive(store, folder).position == 2


def test_a_folder_that_this_user_may_not_read_says_nothing_against_its_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
        folder = segments_place(store, None)
        seal(store, folder)
        access = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: path != folder and access(path, mode))
        with pytest.raises(
            NotExaminedError, match=r"/ledger.db.segments cannot be read here \(Permission denied\), which"
        ):
            check_archive(store, folder)
    assert "\nsegments could not be compared\n" in run_command("verify", "--store", location, status=3)
    assert "fail  segments      the folder of sealed segments " in run_command("doctor", "--store", location, status=1)


def test_a_folder_of_which_it_cannot_be_seen_whether_it_is_there_says_nothing_against_its_segments(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, loop, stat = tmp_path / "closed" / "segments", tmp_path / "loop", os.stat
    loop.symlink_to(loop)
    for folder, found in (
        (closed, errno.EACCES),
        (loop, errno.ELOOP),
        (tmp_path / ("s" * 300), errno.ENAMETOOLONG),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", lambda path, **how: refused(path) if path == closed else stat(path, **how))
            told = rf"^the folder of sealed segments {folder} cannot be read here \({os.strerror(found)}\), which says"
            for use in (open_archive, check_archive):
                with pytest.raises(NotExaminedError, match=told):
                    use(store, folder)


def test_a_folder_in_a_closed_one_cannot_be_sealed_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, stat = tmp_path / "closed" / "inner", os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: refused(path) if path == closed else stat(path, **how))
    with (
        pytest.raises(StoreError, match=r"/inner/segments cannot be written: Permission denied"),
        FolderSegments(closed / "segments").alone(),
    ):
        pass


def refused(path: object) -> os.stat_result:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def test_the_folder_beside_a_store_may_be_named_before_it_is_there(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        assert open_archive(store, store.segments_path()).position == 0
        assert check_archive(store, tmp_path / "ledger.db.segments") is None


def test_a_postgres_store_needs_a_folder(postgres_location: str) -> None:
    create_store(postgres_location)
    with open_store(postgres_location) as store:
        with pytest.raises(UsageError, match="the segments of a PostgreSQL store need a folder; name it by"):
            segments_place(store, None)
        assert segments_place(store, Path("here")) == Path("here")


def test_a_second_seal_says_that_one_is_running(store: Store, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    ingest_events(store, world(7, 30), tmp_path)
    seal(store, folder)
    with (folder / LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match=r"another seal is running on .*; wait for it, there is one at a time"):
            seal(store, folder)
    assert seal(store, folder).position == 30


@pytest.mark.slow
def test_a_ledger_can_be_sealed_while_others_write(store: Store, location: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    ingest_events(store, world(8, 50), tmp_path)
    (tmp_path / "writer").mkdir()

    enough = threading.Event()

    def write() -> None:
        part = 0
        with open_store(location) as writing:
            while not enough.is_set():
                part += 1
                events = [{**made, "id": f"{part}-{made['id']}"} for made in world(part, 30)]
                ingest_events(writing, events, tmp_path / "writer")

    writer = threading.Thread(target=write)
    writer.start()
    moments = []
    try:
        for _ in range(3):
            moments.append(seal(store, folder).position)
            assert_whole(store, folder, moments[-1])
    finally:
        enough.set()
        writer.join()
    assert len(set(moments)) > 1
    seal(store, folder)
    assert_whole(store, folder)


# --- what does not fit


def forged(folder: Path, kind: str, change: Callable[[Any], Any]) -> str:
    """Rewrite the first file of a kind with changed columns or names, and put its new hash into the manifest."""
    where = FolderSegments(folder)
    manifest = read_manifest(where)
    assert manifest is not None
    (generation,) = manifest.generations
    place, file = next((at, file) for at, file in enumerate(generation.files) if f".{kind}." in file.name)
    if kind == COLUMNS_FILE:
        (held,) = columns_in(where, file)
        made = dict(contents(change(held), names_schema().empty_table()))
    else:
        (names,) = names_in(where, file)
        made = dict(contents(no_rows(), change(names)))
    files = list(generation.files)
    files[place] = where.put(file.name, *made[kind])
    generations = [msgspec.structs.replace(generation, files=files)]
    switch_manifest(where, msgspec.structs.replace(manifest, generations=generations))
    return file.name


def one_fen_more(columns: Columns) -> Columns:
    amount = columns.amount.copy()
    amount[3] += 1
    return columns._replace(amount=amount)


def without_the_last(columns: Columns) -> Columns:
    return Columns._make([*(getattr(columns, name)[:-1] for name in TYPES), [], [], []])


def another_name(names: Any) -> Any:
    return names.set_column(3, names.schema.field("name"), pa.array(["other", *names["name"].to_pylist()[1:]]))


def flip(path: Path) -> str:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path.name


def in_manifest(folder: Path, before: str, after: str) -> str:
    text = (folder / MANIFEST).read_text()
    assert before in text
    (folder / MANIFEST).write_text(text.replace(before, after, 1))
    return MANIFEST


def some_file(folder: Path) -> Path:
    return next(path for path in sorted(folder.iterdir()) if f".{COLUMNS_FILE}." in path.name)


def removed(path: Path) -> str:
    path.unlink()
    return path.name


def cut(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-9])
    return path.name


def unlisted(folder: Path) -> str:
    where = FolderSegments(folder)
    manifest = read_manifest(where)
    assert manifest is not None
    generation = manifest.generations[0]
    generations = [msgspec.structs.replace(generation, files=generation.files[1:])]
    switch_manifest(where, msgspec.structs.replace(manifest, generations=generations))
    return generation.files[0].name


def more_rows(folder: Path) -> str:
    in_manifest(folder, '"rows": ', '"rows": 1')
    return some_file(folder).name


Damage = Callable[[Path], str]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "a flipped byte": (lambda folder: flip(some_file(folder)), "was changed: its SHA-256 is not"),
    "a missing file": (lambda folder: removed(some_file(folder)), "is missing"),
    "a file cut short": (lambda folder: cut(some_file(folder)), "bytes, the manifest says"),
    "another amount": (lambda folder: forged(folder, COLUMNS_FILE, one_fen_more), "holds amount .* in row 3, pos"),
    "a row less": (lambda folder: forged(folder, COLUMNS_FILE, without_the_last), "rows, the store says"),
    "another order": (lambda folder: forged(folder, NAMES_FILE, another_name), "holds name other in row 0, the"),
    "another subject": (lambda folder: forged(folder, SUBJECTS_FILE, another_name), "holds name other in row 0, the"),
    "a chain of others": (lambda folder: in_manifest(folder, '"chain": "', '"chain": "00'), "bears another chain hash"),
    "another end": (lambda folder: in_manifest(folder, '"last": 120', '"last": 150'), "beyond the end of"),
    "another beginning": (
        lambda folder: in_manifest(folder, '"first": 1', '"first": 2'),
        "has a gap behind position 0",
    ),
    "another format": (lambda folder: in_manifest(folder, '"format": 1', '"format": 2'), "has format 2, this level"),
    "other buckets": (lambda folder: in_manifest(folder, '"buckets": 16', '"buckets": 8'), "has 8 buckets, not 16"),
    "no JSON": (lambda folder: in_manifest(folder, "{", ""), "cannot be read"),
    "a file elsewhere": (lambda folder: in_manifest(folder, '"name": "0', '"name": "../0'), "which is none of a seg"),
    "other rows": (more_rows, "rows, the manifest says"),
    "a file not listed": (unlisted, "is not in the manifest, but the store has"),
}


def test_whatever_does_not_fit_the_store_is_named(tmp_path: Path) -> None:
    location, sound = str(tmp_path / "ledger.db"), tmp_path / "ledger.db.segments"
    create_store(location)
    with open_store(location) as store:
        assert check_archive(store, sound) is None
        ingest_events(store, world(9, 120), tmp_path)
        seal(store, sound)
        assert check_archive(store, sound) == (120, [])
        for name, (damage, text) in DAMAGES.items():
            folder = tmp_path / name
            shutil.copytree(sound, folder)
            file = damage(folder)
            checked = check_archive(store, folder)
            assert checked is not None
            assert re.match(rf"the segment file {re.escape(str(folder / file))} .*{text}", checked.problems[0]), name
            assert checked.problems[0].endswith(f"; delete the folder {folder} and run 'levelbook seal' again")
        with pytest.raises(DamagedError, match="SHA-256"):
            open_archive(store, tmp_path / "a flipped byte").read(read_bucket(some_file(sound)))
    shown = CliRunner().invoke(main, ["verify", "--store", location, "--segments", str(tmp_path / "another amount")])
    assert shown.exit_code == 5
    assert "the ledger is sound" in shown.output
    assert "segments up to position 120 do NOT fit the ledger" in shown.output


def read_bucket(path: Path) -> int:
    where = path.name.split(".")[0].partition("-")[2]
    return AGENCIES if where == "agencies" else int(where)


def test_segments_of_another_ledger_or_another_past_are_refused(store: Store, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    ingest_events(store, world(10, 60), tmp_path)
    seal(store, folder)
    create_store(str(tmp_path / "other.db"))
    with open_store(str(tmp_path / "other.db")) as other:
        checked = check_archive(other, folder)
        assert checked is not None
        assert re.search(
            "are of the ledger .*, not of .*: name another place for those of this ledger", checked.problems[0]
        )
        with pytest.raises(DamagedError, match="are of the ledger "):
            seal(other, folder)


def test_rows_out_of_order_are_refused_by_readers(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path)
    ingest_events(store, world(11, 200), tmp_path)
    seal(store, folder)

    def swapped(columns: Columns) -> Columns:
        at = columns.at.copy()
        at[[0, 1]] = at[[1, 0]] + (at[0] == at[1])
        return columns._replace(at=at)

    bucket = read_bucket(folder / forged(folder, COLUMNS_FILE, swapped))
    with pytest.raises(DamagedError, match="is not in order at row 1"):
        open_archive(store, folder).read(bucket)
    monkeypatch.setattr(segments, "ROW_GROUP_ROWS", 1)
    forged(folder, COLUMNS_FILE, lambda columns: columns)
    with pytest.raises(DamagedError, match="is not in order at row 1"):
        list(open_archive(store, folder).parts(bucket, rows=1))

    def of_nobody(columns: Columns) -> Columns:
        subject = np.sort(columns.subject)
        subject[-1] = 99
        return swapped(columns)._replace(subject=subject)

    forged(folder, COLUMNS_FILE, of_nobody)
    with pytest.raises(DamagedError, match="has no name for subject 99 of a bucket"):
        list(open_archive(store, folder).parts(bucket, rows=1))


Damaged = Callable[[bytes], bytes]
UNREADABLE: dict[str, tuple[Damaged, str]] = {
    "cut short": (lambda record: record[:-9], "order.paid"),
    "another name of a field": (lambda record: record.replace(b'"amount"', b'"amounts"'), "order.paid"),
    "no such kind": (lambda record: record.replace(b'"kind":"normal"', b'"kind":"strange"'), "order.paid"),
    "two records": (lambda record: record + b"," + record, "order.paid"),
    "no text": (lambda record: record.replace(b'"order":"o-4"', b'"order":"\xff"'), "order.paid"),
    "an unknown type": (lambda record: record, "order.lost"),
    "a later version": (lambda record: record.replace(b'"v":1', b'"v":9'), "order.paid"),
}


@pytest.mark.parametrize(("damage", "event_type"), UNREADABLE.values(), ids=list(UNREADABLE))
def test_a_record_that_cannot_be_read_is_told_apart_and_stops_a_seal(
    damage: Damaged, event_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, [paid(f"o-{number}") for number in range(9)], tmp_path)
        monkeypatch.setattr(sealing, "GENERATION_RECORDS", 3)
        (record,) = next(iter(store._query("SELECT record FROM records WHERE position = 5", ())))
        with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as raw:
            raw.execute("DROP TRIGGER records_never_updated")
            raw.execute("UPDATE records SET record = ?, type = ? WHERE position = 5", (damage(record), event_type))
        assert damage(record) != record or event_type != "order.paid"
        archive = open_archive(store, None)
        tail = archive.tail(store, 9)
        (unread,) = tail.unread
        assert (unread.stream, unread.position, unread.has_row) == ("merchant/m-1", 5, True)
        said = f"{unread.error}; until it is mended no record behind position 3 can be sealed"
        assert "position 5 is " in said
        assert archive.read(bucket_of("merchant/m-1") or 0, tail).position.tolist() == [1, 2, 3, 4, 6, 7, 8, 9]
        with pytest.raises(NotSealedError, match=re.escape(said)):
            seal(store, tmp_path / "segments")
        assert_whole(store, tmp_path / "segments", 3)


def test_a_record_without_a_row_stops_no_seal(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, [event("content.published", "c", subject="creator/c", content="x", good=True)], tmp_path)
        with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as raw:
            raw.execute("DROP TRIGGER records_never_updated")
            raw.execute("UPDATE records SET record = substr(record, 4)")
        (unread,) = open_archive(store, None).tail(store, 1).unread
        assert (unread.stream, unread.has_row) == ("creator/c", False)
        assert seal(store, tmp_path / "segments").position == 1


def test_segments_made_for_benchmarks_are_whole(tmp_path: Path) -> None:
    rows = make_segments(tmp_path / "made", 4_000, 40, 1)
    archive = Archive.open(FolderSegments(tmp_path / "made"), LEDGER)
    read = [archive.read(bucket) for bucket in buckets()]
    assert make_segments(tmp_path / "parted", 4_000, 40, 1, 700) == rows
    parted = Archive.open(FolderSegments(tmp_path / "parted"), LEDGER)
    assert len(parted.manifest.generations) > 5
    for bucket, columns in zip(buckets(), read, strict=True):
        assert_equal(parted.read(bucket), columns)
    assert sum(len(columns.at) for columns in read) == rows
    for columns in read:
        assert first_out_of_order(columns) is None
        order = np.argsort(columns.position)
        for kind in ("key", "buyer"):
            for subject in range(len(columns.subjects)):
                numbers = getattr(columns, kind)[order][columns.subject[order] == subject]
                met = list(dict.fromkeys(numbers[numbers >= 0].tolist()))
                assert met == list(range(len(met)))
