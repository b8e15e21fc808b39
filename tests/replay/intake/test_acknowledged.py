"""What is acknowledged is durable: every line up to it is recorded, known, or refused and kept, in every mode.

The command is killed (kill -9) at each of its acknowledgements in turn; then every line that it said is safe must be
in the ledger or in a rejects file.
"""

import gzip
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import cli
from projections.text import intake as intake_text
from replay.intake import backfill
from replay.intake import parallel as decoding
from replay.intake.ingest import Ingest
from replay.intake.rejects import Rejects
from replay.intake.targets import LedgerTarget
from replay.integrity.verify import verify
from replay.parsing import lines
from replay.recording.append import Appender
from replay.store.base.identity import Head
from replay.store.buyers import key_of
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.kills import Child, Ended
from tests.support.making import Event, Silent, ingest_events, line, paid

pytestmark = pytest.mark.kills

ACKNOWLEDGED = re.compile(r"^recorded up to (.+?)(?::element)?:(\d+), position (\d+)$", re.MULTILINE)
KILLS = 2 if SOAK == 1 else 40
LATEST = "2022-06-01T00:00:00Z"
"""When the ledger on which late lines are recorded was last written to, in a backfill."""


class Mode(NamedTuple):
    """How events are given: options, files of lines or elements, whether one comes over standard input."""

    options: tuple[str, ...]
    files: dict[str, list[bytes]]
    piped: str | None = None
    is_array: bool = False
    """Whether what comes over standard input is a JSON array; a file's name tells it by `.json`."""


def dated(number: int, day: int) -> bytes:
    return line(
        paid(f"o-{number}", "2022-01-01T00:00:00Z", recordedtime=f"2022-{1 + day // 28:02}-{1 + day % 28:02}T00:00:00Z")
    )


PLAIN = [line(paid(f"o-{n}")) for n in range(7)]
WITH_REFUSED = [b"{", *PLAIN[:3], b"", line(paid("-")), PLAIN[3], b"[]", b"{1", b"{2", b"{3", PLAIN[4], PLAIN[0], b"{"]
SORTED = [dated(n, n) for n in range(9)]
BACKWARDS = SORTED[::-1]
LATE = [dated(n, n * 37 % 250) for n in range(12)]
IN_ARRAYS = [PLAIN[0], b"{}", *PLAIN[1:4], b'"no event"', b"[]", b"1", PLAIN[4], PLAIN[0], line(paid("-")), PLAIN[5]]
UNDATED = [*SORTED[:4], line(paid("undated")), b"{", *SORTED[4:], b"]"]
MODES = {
    "plain": Mode((), {"a.jsonl": PLAIN}),
    "plain-refused": Mode((), {"a.jsonl": WITH_REFUSED, "b.jsonl": [b"{"]}),
    "several": Mode((), {"a.jsonl": PLAIN[:4], "b.jsonl.gz": WITH_REFUSED, "c.jsonl": PLAIN[2:]}),
    "piped": Mode((), {"-": WITH_REFUSED}, piped="-"),
    "array": Mode((), {"a.json": IN_ARRAYS, "b.jsonl": PLAIN[5:]}),
    "array-piped": Mode((), {"-": IN_ARRAYS}, piped="-", is_array=True),
    "backfill": Mode(("--backfill",), {"a.jsonl": SORTED}),
    "backfill-backwards": Mode(("--backfill",), {"a.jsonl": BACKWARDS, "b.jsonl": [*SORTED[2:4], b"", SORTED[4]]}),
    "backfill-late": Mode(("--backfill", "--late"), {"a.jsonl": LATE[:7], "b.jsonl": LATE[7:]}),
    "backfill-skip": Mode(("--backfill", "--late", "--skip-refused"), {"a.jsonl": UNDATED, "b.jsonl.gz": LATE}),
    "backfill-array": Mode(
        ("--backfill", "--late", "--skip-refused"), {"a.json": [b"{}", *LATE[:5]], "b.json": LATE[5:]}
    ),
    "backfill-piped": Mode(("--backfill", "--late"), {"-": LATE}, piped="-"),
}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 500)
    monkeypatch.setattr(backfill, "BATCH_LINES_MAX", 3)
    monkeypatch.setattr(decoding, "BLOCKS_BEFORE_HELP", 1_000)  # a second process would be started anew each time


def write(mode: Mode, folder: Path) -> list[str]:
    """The files of a mode, and how the command names them."""
    for name, texts in mode.files.items():
        is_array = name.endswith(".json") or (name == mode.piped and mode.is_array)
        whole = b"[" + b" ,\n".join(texts) + b"]" if is_array else b"\n".join(texts)
        (folder / ("piped" if name == mode.piped else name)).write_bytes(
            gzip.compress(whole) if name.endswith(".gz") else whole
        )
    return list(mode.files)


def run(location: str, folder: Path, mode: Mode, kill_at: int) -> Ended:
    """The command in a process of its own, killed right after it has printed that acknowledgement; 0 is never."""

    def work() -> None:
        os.chdir(folder)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        if mode.piped:
            os.dup2(os.open("piped", os.O_RDONLY), 0)
            sys.stdin = os.fdopen(0)
        patch_watch(kill_at)
        cli.main(["ingest", "--store", location, "--acknowledge", *mode.options, *mode.files])

    return Child(folder, work).end(60)


def patch_watch(kill_at: int) -> None:
    acknowledged: Callable[..., None] = intake_text.IngestWatch.acknowledged
    told = 0

    def watching(*arguments: Any) -> None:
        nonlocal told
        acknowledged(*arguments)
        told += 1
        if told == kill_at:
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    pytest.MonkeyPatch().setattr(intake_text.IngestWatch, "acknowledged", watching)


def check_kept(location: str, folder: Path, mode: Mode, said: str) -> dict[str, int]:
    """Every line that was said to be safe is in the ledger or in a rejects file; how far each file is safe."""
    upto: dict[str, int] = {}
    for name, number, _ in ACKNOWLEDGED.findall(said):
        assert int(number) > upto.get(name, 0), "acknowledgements of a file go on"
        upto[name] = int(number)
    with open_store(location) as store:
        assert verify(store).problems == []
        held = {event_id for (event_id,) in store._query("SELECT event_id FROM records")}
    kept = {text for file in folder.glob("rejects-*.jsonl*") for text in file.read_bytes().splitlines()}
    for name, number in upto.items():
        for text in mode.files[name][:number]:
            recorded = b"specversion" in text and json.loads(text)["id"] in held
            assert recorded or not text or text in kept, (name, number, text)
    return upto


def position_of(location: str) -> int:
    with open_store(location) as store:
        return store.head().position


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_what_is_acknowledged_survives_a_kill_at_each_acknowledgement(
    location: str, tmp_path: Path, mode: Mode
) -> None:
    create_store(location)
    if "--late" in mode.options:
        with open_store(location) as store:
            ingest_events(store, [json.loads(dated(99, 140))], tmp_path, backfill=True)
    write(mode, tmp_path)
    before = position_of(location)
    for kill_at in range(1, 1 + KILLS):
        ended = run(location, tmp_path, mode, kill_at)
        check_kept(location, tmp_path, mode, ended.out)
        if ended.status is not None:
            break
        assert len(ACKNOWLEDGED.findall(ended.out)) == kill_at
    ended = run(location, tmp_path, mode, 0)
    upto = check_kept(location, tmp_path, mode, ended.out)
    assert upto == {name: len(texts) for name, texts in mode.files.items()}, "each file to its end, also where refused"
    assert position_of(location) > before


@pytest.mark.parametrize("options", [(), ("--backfill", "--late", "--skip-refused")])
def test_a_dry_run_acknowledges_nothing(location: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    mode = Mode((*options, "--dry-run"), {"a.jsonl": UNDATED})
    write(mode, tmp_path)
    ended = run(location, tmp_path, mode, 0)
    assert ended.status == 1 and " would be recorded, 0 already known, " in ended.out
    assert ACKNOWLEDGED.findall(ended.out) == []


class OrderOfThings(Silent):
    def __init__(self, happened: list[str]) -> None:
        super().__init__()
        self.happened = happened

    def acknowledged(self, where: str, head: Head, counts: object) -> None:
        self.happened.append(f"acknowledged {where}")


@pytest.mark.parametrize("skipping", [False, True])
def test_refused_lines_are_on_the_disk_before_they_are_acknowledged(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skipping: bool
) -> None:
    """The rejects file is synced, file and folder, before an acknowledgement passes over a line in it."""
    happened: list[str] = []
    kept = os.fsync

    def fsync(handle: int) -> None:
        kept(handle)
        name = Path(f"/proc/self/fd/{handle}").readlink()
        if name == tmp_path:
            happened.append("folder")
        elif name.name.startswith("r.jsonl"):
            happened.append(f"rejects {name.read_bytes().count(b'# refused')}")

    create_store(location)
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\n".join([b"{", SORTED[0], b"[", SORTED[1]]))
    with open_store(location) as store:
        target = LedgerTarget(store, Appender(store.identity.id, key_of(store)))
        refused = Rejects(tmp_path / "r.jsonl")
        ingest = Ingest(target, refused, OrderOfThings(happened))
        monkeypatch.setattr(os, "fsync", fsync)
        if skipping:
            ingest.backfill([str(file)], late=False, skip_refused=True)
        else:
            ingest.run([str(file)])
        refused.close()
    first = next(number for number, name in enumerate(happened) if name.startswith("acknowledged"))
    assert "folder" in happened[:first]
    refused_before, last = 0, 0
    for name in happened:
        word, _, what = name.partition(" ")
        if word == "rejects":
            refused_before = int(what)
        elif word == "acknowledged":
            last = int(what.rpartition(":")[2])
            assert refused_before >= file.read_bytes().split(b"\n")[:last].count(b"{") + (last >= 3)
    assert last == 4


def test_a_rejects_file_that_fails_ends_the_run_before_the_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\n".join([PLAIN[0], b"{", PLAIN[1]]))
    mode = Mode((), {"a.jsonl": file.read_bytes().split(b"\n")})

    def work() -> None:
        os.chdir(tmp_path)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        cli.main(["ingest", "--store", location, "--acknowledge", *mode.files])

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    ended = Child(tmp_path, work).end(60)
    assert ended.status == 3
    assert " cannot be written: No space left on device; what was acknowledged is safe. Make space" in ended.err
    assert ACKNOWLEDGED.findall(ended.out) == []


def test_events_of_a_mode_are_as_the_tests_think() -> None:
    made: list[Event] = [json.loads(text) for text in LATE]
    assert sorted(item["recordedtime"] for item in made) != [item["recordedtime"] for item in made]
    assert any(item["recordedtime"] < LATEST for item in made) and any(item["recordedtime"] > LATEST for item in made)
