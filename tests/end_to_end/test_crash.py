"""Kills, interrupts, full disks, wrong clocks and several writers at once: nothing acknowledged is ever lost.

The command runs as a process of its own, so that a kill is a real one. Moments are drawn from seeded chance
and spread over the measured length of a run that is left alone.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import psycopg
import pytest

from domain.calendar import instant_text, parse_instant
from domain.limits import CLOCK_BEHIND_MICROS_MAX, HOUR_MICROS, SECOND_MICROS
from replay.errors import NoStoreError, StoreError
from replay.intake.parallel import BLOCKS_BEFORE_HELP
from replay.integrity.verify import verify
from replay.parsing.parse import read_line
from replay.recording.append import Appender, Stamp
from replay.store.base.store import Store
from replay.store.buyers import key_of
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from replay.store.postgres import PostgresTransaction
from replay.store.sqlite_transaction import SqliteTransaction
from tests import ROOT
from tests.conftest import SOAK
from tests.support.disks import small_disk
from tests.support.making import Event, event, ingest_events, line, paid, write_lines

pytestmark = pytest.mark.kills

LINES = 10_000
BACKFILL_LINES = 20_000
TURNS_MAX = 10
PATIENCE = 60.0
"""Seconds after which a process that should have ended counts as hanging."""
SMALL_BLOCKS = """
from cli import main
from replay.intake import backfill
from replay.parsing import lines
lines.BLOCK_BYTES, backfill.BATCH_LINES_MAX = 1 << 20, 5_000
main()
"""
"""The command with smaller batches: what is broken off in the middle of a file has several."""
ACKNOWLEDGED = re.compile(r"^recorded up to (.+):(\d+), position (\d+)$", re.MULTILINE)
ANNOUNCED = re.compile(r"\Aa new ledger was made at .+\n")
COUNTED = re.compile(r"^(\d+) recorded, (\d+) already known, (\d+) refused$", re.MULTILINE)
CLOCKS = re.compile(r"^Error: the clock says (\S+), but the last record was made at (\S+?):? ")


class Lines(NamedTuple):
    """A file of events, and their ids in the order in which they are to be recorded."""

    path: str
    ids: list[str]


class Finished(NamedTuple):
    """How a run of the command ended; `err` is what it said but for the announcement of a new ledger."""

    status: int
    out: str
    err: str

    @property
    def counts(self) -> tuple[int, int, int]:
        """Recorded, known, refused."""
        found = COUNTED.search(self.out)
        assert found is not None, (self.status, self.out, self.err)
        return int(found[1]), int(found[2]), int(found[3])

    @property
    def positions(self) -> list[int]:
        """The positions that were acknowledged."""
        return [int(position) for _, _, position in ACKNOWLEDGED.findall(self.out)]


@dataclass
class Run:
    """A command that runs; whatever it started shares its process group and its standard error."""

    process: subprocess.Popen[str]
    out: Path

    def wait_for_acknowledgements(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(ACKNOWLEDGED.findall(self.out.read_text())) < count:
            assert self.process.poll() is None, "it ended before it acknowledged so much"
            assert time.monotonic() < deadline, "it acknowledges nothing"
            time.sleep(0.002)

    def finish(self) -> Finished:
        """Wait for its end, and for that of every process that it started: the last one closes standard error."""
        _, err = self.process.communicate(timeout=PATIENCE)
        return Finished(self.process.returncode, self.out.read_text(), ANNOUNCED.sub("", err))

    def kill(self) -> Finished:
        """kill -9 to the command alone, as from the kernel when memory is short; its helpers must end by themselves."""
        self.process.kill()
        return self.finish()


class Runs:
    """Starts commands, and ends them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[Run] = []

    def start(self, location: str, *arguments: str) -> Run:
        """`levelbook ingest` on a store."""
        rejects = str(self._folder / "rejects.jsonl")
        return self.python(location, "-c", SMALL_BLOCKS, "ingest", "--rejects", rejects, *arguments)

    def python(self, location: str, *arguments: str) -> Run:
        out = self._folder / f"out-{len(self._running)}.txt"
        with out.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, "LEVELBOOK_STORE": location},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        self._running.append(Run(process, out))
        return self._running[-1]

    def ingest(self, location: str, *arguments: str) -> Finished:
        return self.start(location, *arguments).finish()

    def end(self) -> None:
        for run in self._running:
            with suppress(ProcessLookupError):
                os.killpg(run.process.pid, signal.SIGKILL)
            run.process.wait()
            if run.process.stderr is not None:
                run.process.stderr.close()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    started = Runs(tmp_path)
    try:
        yield started
    finally:
        started.end()


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """A file of over six megabytes, so of as many batches, in three types and twenty streams."""
    events = [_story(number) for number in range(LINES)]
    path = write_lines(tmp_path_factory.mktemp("lines") / "events.jsonl", events)
    return Lines(path, [made["id"] for made in events])


@pytest.fixture(scope="module")
def backfill_lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """A file whose events were learned in another order than they stand in, some at the same moment."""
    chance = Random("backfill")
    moments = [_moment(chance.randrange(BACKFILL_LINES)) for _ in range(BACKFILL_LINES)]
    events = [paid(f"b-{n}", "2022-11-01T00:00:00Z", recordedtime=at) for n, at in enumerate(moments)]
    path = write_lines(tmp_path_factory.mktemp("backfill") / "events.jsonl", events)
    order = sorted(range(BACKFILL_LINES), key=lambda n: (moments[n], n))
    return Lines(path, [events[n]["id"] for n in order])


def _story(number: int) -> Event:
    subject, order, note = f"merchant/m-{number % 20}", f"o-{number // 3}", f"{number:0128}"
    who = {"subject": subject, "order": order, "actor": note, "correlationid": note, "causationid": note}
    if number % 3 == 0:
        return paid(buyer=f"b-{number % 700}", **who)
    if number % 3 == 1:
        return event("order.received", f"got-{order}", **who)
    return event("review.posted", f"rev-{order}", quality=5, **who)


def _moment(seconds: int) -> str:
    return instant_text(parse_instant("2022-11-02T00:00:00Z") + seconds * SECOND_MICROS)


def _held(location: str, ids: list[str]) -> int:
    """How many records a store holds; asserts that it is sound and holds the first of `ids`, each once.

    No store at all holds none.
    """
    _wait_for_backends(location)
    try:
        store = open_store(location)
    except NoStoreError:
        return 0
    with store:
        rows = list(store._query("SELECT position, event_id FROM records ORDER BY position"))
        assert verify(store).problems == []
    assert [position for position, _ in rows] == list(range(1, len(rows) + 1))
    assert [event_id for _, event_id in rows] == ids[: len(rows)]
    return len(rows)


def _wait_for_backends(location: str) -> None:
    """PostgreSQL notices a moment after a kill that the client is gone, and may still finish its last commit."""
    if not is_postgres(location):
        return
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'levelbook'"
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(location, autocommit=True) as connection:
        while connection.execute(sql).fetchone() != (0,):
            assert time.monotonic() < deadline, "the server still serves a client that was killed"
            time.sleep(0.005)


def _wipe(location: str) -> None:
    if is_postgres(location):
        _wait_for_backends(location)
        with psycopg.connect(location, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS levelbook CASCADE")
        return
    path = Path(location)
    for file in (*path.parent.glob(f"{path.name}*"), *path.parent.glob(f".{path.name}*")):
        file.unlink()


def _moments(name: str, parts: int, longest: float) -> list[float]:
    """Moments spread over a span: one by chance in each of so many equal parts of it."""
    chance = Random(name)
    return [longest * (number + chance.random()) / parts for number in range(parts)]


def _count(location: str) -> int:
    with open_store(location) as store:
        return store.head().position


# --- kills


class Killing(NamedTuple):
    """How often an ingest is killed, and with which options it runs."""

    lines: Lines
    options: tuple[str, ...]
    kills: int


def _killed_again_and_again(runs: Runs, location: str, plan: Killing) -> None:
    """Kill an ingest at moments all over its length, and one in three soon after its first acknowledgement."""
    arguments = ("--acknowledge", *plan.options, plan.lines.path)
    total = len(plan.lines.ids)
    began = time.monotonic()
    assert runs.ingest(location, *arguments).counts == (total, 0, 0)
    length = time.monotonic() - began
    in_the_middle = 0
    for number, moment in enumerate(_moments(f"kill {plan.options}", plan.kills, length)):
        _wipe(location)
        run = runs.start(location, *arguments)
        if number % 3 == 1:
            run.wait_for_acknowledgements(1)
            time.sleep(moment / 20)
        else:
            time.sleep(moment)
        in_the_middle += _left_by_a_kill(runs, run, location, plan)
    assert in_the_middle, "no kill came in the middle, so nothing was tested"


def _left_by_a_kill(runs: Runs, run: Run, location: str, plan: Killing) -> bool:
    """Kill a run, check what it left, ingest again, check that all is there; True when a part was left."""
    total = len(plan.lines.ids)
    killed = run.kill()
    held = _held(location, plan.lines.ids)
    assert killed.positions == sorted(set(killed.positions))
    assert held >= max(killed.positions, default=0), "what was acknowledged is lost"
    again = runs.ingest(location, *plan.options, plan.lines.path)
    assert (again.status, again.counts) == (0, (total - held, held, 0)), again.err
    assert _held(location, plan.lines.ids) == total
    return killed.status == -signal.SIGKILL and 0 < held < total


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(location: str, lines: Lines, runs: Runs) -> None:
    _killed_again_and_again(runs, location, Killing(lines, (), 4 * SOAK))


@pytest.mark.slow
def test_a_kill_of_a_backfill_loses_nothing_that_was_acknowledged(
    location: str, backfill_lines: Lines, runs: Runs
) -> None:
    _killed_again_and_again(runs, location, Killing(backfill_lines, ("--backfill",), 2 * SOAK))


@pytest.mark.slow
@pytest.mark.parametrize("milliseconds", [int(at) for at in _moments("start", 5 * SOAK, 400)])
def test_a_kill_right_after_the_start_leaves_a_whole_store_or_none(
    location: str, lines: Lines, runs: Runs, milliseconds: int
) -> None:
    run = runs.start(location, "--acknowledge", lines.path)
    time.sleep(milliseconds / 1000)
    run.kill()
    held = _held(location, lines.ids)
    create_store(location)
    assert _held(location, lines.ids) == held


KILLED_AT_LINE = """
import os, signal, sys
if len(sys.argv) > 2:
    os.getpid = lambda: int(sys.argv[2])
from replay.schema import tables, versions
from replay.store import beside, buyers, opening, postgres, sqlite
from replay.store.base import failures, identity, store, transaction
promised = failures, identity, store, transaction
files = {each.__file__ for each in (*promised, beside, buyers, opening, postgres, sqlite, tables, versions)}
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
sys.settrace(on_line)
opening.create_store(os.environ["LEVELBOOK_STORE"])
sys.settrace(None)
print(int(sys.argv[1]) - left)
"""
"""Makes a store and is killed at the n-th line of the program that is executed for it; may choose its process id."""


@pytest.mark.slow
def test_a_kill_at_any_step_of_making_a_store_leaves_a_whole_one_or_none(
    location: str, runs: Runs, tmp_path: Path
) -> None:
    steps = int(runs.python(location, "-c", KILLED_AT_LINE, str(10**9)).finish().out)
    chosen = sorted(Random("steps").sample(range(1, steps + 1), min(steps, 5 * SOAK)))
    whole = []
    for step in chosen:
        _wipe(location)
        assert runs.python(location, "-c", KILLED_AT_LINE, str(step)).finish().status == -signal.SIGKILL
        whole.append(_is_whole(location))
        create_store(location)
        with open_store(location) as store:
            counts, _ = ingest_events(store, [paid("o-1")], tmp_path)
            assert (counts.recorded, verify(store).problems) == (1, [])
    assert whole == sorted(whole), "once it is there, it stays"
    assert not whole[0]


@pytest.mark.slow
def test_a_killed_making_of_a_store_can_be_repeated_by_a_process_of_the_same_id(runs: Runs, tmp_path: Path) -> None:
    """In a container every run may have the same process id."""
    location = str(tmp_path / "ledger.db")
    steps = int(runs.python(location, "-c", KILLED_AT_LINE, str(10**9), "7").finish().out)
    for step in (int(at) for at in _moments("same id", 2, steps)):
        _wipe(location)
        assert runs.python(location, "-c", KILLED_AT_LINE, str(step + 1), "7").finish().status == -signal.SIGKILL
        again = runs.python(location, "-c", KILLED_AT_LINE, str(10**9), "7").finish()
        assert again.status == 0, again.err
        assert _is_whole(location)


def _is_whole(location: str) -> bool:
    """Whether a store is there; asserts that it is then empty and sound, and that its key is its own."""
    _wait_for_backends(location)
    try:
        with open_store(location) as store:
            assert verify(store).problems == []
            assert key_of(store)
            return True
    except NoStoreError:
        return False


# --- several writers and a reader


@pytest.mark.slow
@pytest.mark.parametrize("writers", [2, 3])
def test_ingests_at_once_of_overlapping_files_record_each_event_once(
    location: str, runs: Runs, tmp_path: Path, writers: int
) -> None:
    events = [_story(number) for number in range(12_000)]
    parts = [events[:8_000], events[4_000:], events[10_000:2_000:-1]][:writers]
    files = [write_lines(tmp_path / f"part-{number}.jsonl", part) for number, part in enumerate(parts)]
    for _ in range(TURNS_MAX):  # on a quick machine one may have ended before another has begun
        _wipe(location)
        if _ran_at_once(_recorded_at_once(location, runs, events, parts, files)):
            return
    pytest.fail("they ran one after another")


def _recorded_at_once(
    location: str, runs: Runs, events: Sequence[Event], parts: Sequence[Sequence[Event]], files: Sequence[str]
) -> list[Finished]:
    """What writers said that recorded parts of events from files at the same time; asserts that each is there once."""
    ended = [run.finish() for run in [runs.start(location, "--acknowledge", file) for file in files]]
    assert [run.status for run in ended] == [0] * len(files), [run.err for run in ended]
    assert sum(run.counts[0] for run in ended) == len(events)
    assert [sum(run.counts) for run in ended] == [len(part) for part in parts]
    with open_store(location) as store:
        rows = list(store._query("SELECT position, event_id FROM records ORDER BY position"))
        assert verify(store).problems == []
    assert [position for position, _ in rows] == list(range(1, len(events) + 1))
    assert {event_id for _, event_id in rows} == {made["id"] for made in events}
    return ended


def _ran_at_once(ended: Sequence[Finished]) -> bool:
    acknowledged = sorted((run.positions for run in ended), key=lambda positions: positions[0])
    return any(early[-1] > late[0] for early, late in pairwise(acknowledged))


@pytest.mark.slow
def test_a_second_backfill_is_refused_while_one_runs(location: str, runs: Runs, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.jsonl", [paid(f"o-{n}", recordedtime=_moment(n)) for n in range(10)])
    create_store(location)
    with open_store(location) as store, store.backfilling():
        refused = runs.ingest(location, "--backfill", file)
        assert _count(location) == 0
        message = f"Error: another backfill is running on {store.name}; wait for it, there is one at a time\n"
    assert refused == Finished(3, NOTHING, message)
    after = runs.ingest(location, "--backfill", file)
    assert (after.status, after.counts) == (0, (10, 0, 0))


@pytest.mark.slow
def test_a_reader_never_sees_a_hole(location: str, lines: Lines, runs: Runs) -> None:
    create_store(location)
    seen = []
    with open_store(location) as store:
        run = runs.start(location, lines.path)
        while run.process.poll() is None:
            ((count, last),) = store._query("SELECT count(*), coalesce(max(position), 0) FROM records")
            assert count == last
            seen.append(count)
        assert run.finish().counts == (LINES, 0, 0)
    assert seen == sorted(seen)
    assert len(set(seen) - {0, LINES}) >= 2, "the reader looked too seldom to see anything"


@pytest.mark.slow
def test_verifying_a_ledger_that_grows_finds_nothing_wrong(location: str, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store, open_store(location) as writer:
        ingest_events(store, [paid(f"o-{number}") for number in range(5_000)], tmp_path)
        problems = verify(store, None, lambda _: _ingest_one_more(writer, tmp_path)).problems
        assert store.head().position == 5_001, "it grew while it was verified"
        assert problems == []


def test_verifying_finds_nothing_wrong_when_a_record_comes_before_one_of_its_looks(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(location)
    for before in range(1, 6):
        with open_store(location) as store, open_store(location) as writer:
            ingest_events(store, [paid(f"o-{before}")], tmp_path)
            monkeypatch.setattr(store, "_query", _preceded(store._query, before, writer, tmp_path))
            assert verify(store).problems == []


Look = Callable[..., Iterator[tuple[Any, ...]]]


def _preceded(look: Look, before: int, writer: Store, folder: Path) -> Look:
    """Looks as `look` does, but before the look of that number another process records something."""
    numbers = count(1)

    def query(sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        if next(numbers) == before:
            ingest_events(writer, [paid(f"before-{before}")], folder)
        return look(sql, parameters)

    return query


def _ingest_one_more(store: Store, folder: Path) -> None:
    ingest_events(store, [paid("one-more")], folder)


# --- a full disk


FULL = "the disk of {} is full: the last batch was not recorded, everything before it was; make space and ingest"


@pytest.mark.slow
@pytest.mark.parametrize("size", ["3m", "5m", "9m"])
def test_a_full_disk_ends_an_ingest_with_one_clear_line(lines: Lines, runs: Runs, tmp_path: Path, size: str) -> None:
    disk = tmp_path / "small"
    with small_disk(disk, size) as resize:
        location = str(disk / "ledger.db")
        full = runs.ingest(location, "--acknowledge", lines.path)
        assert full.status == 3
        assert full.err.startswith(f"Error: {FULL.format(location)}")
        assert full.err.count("\n") == 1
        held = _held(location, lines.ids)
        assert held >= max(full.positions, default=0)
        assert size == "3m" or 0 < held < LINES
        resize("64m")
        after = runs.ingest(location, lines.path)
        assert (after.status, after.counts) == (0, (LINES - held, held, 0))
        assert _held(location, lines.ids) == LINES


def test_a_disk_that_is_full_while_a_store_is_made_leaves_a_whole_one_or_none(tmp_path: Path) -> None:
    made = []
    disk = tmp_path / "small"
    with small_disk(disk, "4k") as resize:
        for kilobytes in range(8, 200, 8):
            location = str(disk / f"{kilobytes}.db")
            resize(f"{kilobytes}k")
            with suppress(StoreError):
                create_store(location)
            made.append(_is_whole(location))
            resize("1m")
            create_store(location)
            assert _is_whole(location)
            for file in disk.iterdir():
                file.unlink()
    assert made == sorted(made)
    assert (made[0], made[-1]) == (False, True)


# --- clocks


def _record_ahead(location: str, micros: int) -> int:
    """Make a ledger whose one record was made that long after now, by a clock that was wrong."""
    create_store(location)
    with open_store(location) as store:
        at = store.now() + micros
        appender = Appender(store.identity.id, key_of(store))
        with store.append() as transaction:
            appender.append(transaction, [read_line(line(paid("first")))], lambda *_: Stamp(at, backfill=False))
    return at


def _recorded_times(location: str) -> list[int]:
    with open_store(location) as store:
        assert verify(store).problems == []
        return [at for (at,) in store._query("SELECT recorded_at FROM records ORDER BY position")]


def _two_files(folder: Path) -> list[str]:
    """Two files, which are two transactions, of two events each."""
    return [write_lines(folder / f"{name}.jsonl", [paid(f"{name}-1"), paid(f"{name}-2")]) for name in "ab"]


@pytest.mark.slow
def test_a_clock_far_behind_the_last_record_stops_an_ingest(location: str, runs: Runs, tmp_path: Path) -> None:
    last = _record_ahead(location, HOUR_MICROS)
    files = _two_files(tmp_path)
    with open_store(location) as store:
        before = store.now()
        stopped = runs.ingest(location, *files)
        after = store.now()
    assert (stopped.status, stopped.out, stopped.err.count("\n")) == (3, NOTHING, 1)
    clocks = CLOCKS.match(stopped.err)
    assert clocks is not None, stopped.err
    assert before <= parse_instant(clocks[1]) <= after
    assert parse_instant(clocks[2]) == last
    assert _recorded_times(location) == [last]
    declared = runs.ingest(location, "--clock-behind", *files)
    assert (declared.status, declared.counts) == (0, (4, 0, 0))
    assert _recorded_times(location) == [last, last + 1, last + 1, last + 2, last + 2]


def test_a_clock_a_little_behind_the_last_record_goes_on(location: str, runs: Runs, tmp_path: Path) -> None:
    last = _record_ahead(location, 4 * SECOND_MICROS)
    run = runs.ingest(location, *_two_files(tmp_path))
    assert (run.status, run.counts) == (0, (4, 0, 0))
    times = _recorded_times(location)
    assert times == sorted(times)
    assert len(set(times)) == 3, "a later time for each transaction"
    assert times[0] == last


def test_recorded_times_rise_whatever_the_clock_does(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = parse_instant("2024-01-01T00:00:00Z")
    clock = start
    for kind in (SqliteTransaction, PostgresTransaction):
        monkeypatch.setattr(kind, "now", lambda _: clock)
    chance = Random("clock")
    ingest_events(store, [paid("a"), paid("b")], tmp_path)
    assert store.head().recorded_at == start
    for number in range(30):
        last = store.head().recorded_at
        clock = last + chance.choice([0, 1, -1, 60 * SECOND_MICROS, -CLOCK_BEHIND_MICROS_MAX, -SECOND_MICROS])
        ingest_events(store, [paid(f"a-{number}"), paid(f"b-{number}")], tmp_path)
        assert store.head().recorded_at == max(clock, last + 1)
    clock = store.head().recorded_at - CLOCK_BEHIND_MICROS_MAX - 1
    with pytest.raises(StoreError, match="the clock says"):
        ingest_events(store, [paid("late")], tmp_path)
    assert store.head().position == 62
    assert ingest_events(store, [paid("a-3")], tmp_path)[0].known == 1, "what is known needs no clock"
    times = [at for (at,) in store._query("SELECT recorded_at FROM records ORDER BY position")]
    assert all(earlier < later for earlier, later in pairwise(times[::2]))
    assert times[::2] == times[1::2]


# --- interrupts

NOTHING = "0 recorded, 0 already known, 0 refused\n"
INTERRUPTED = "Interrupted: what was counted is recorded; ingest the same files again to go on.\n"


def _interrupt(run: Run) -> Finished:
    """Ctrl-C as a terminal does it: to every process of the command."""
    os.killpg(run.process.pid, signal.SIGINT)
    return run.finish()


@pytest.mark.slow
def test_an_interrupt_says_what_is_recorded_and_a_second_run_goes_on(location: str, lines: Lines, runs: Runs) -> None:
    began = time.monotonic()
    assert runs.ingest(location, lines.path).status == 0
    length = time.monotonic() - began
    for moment in _moments("interrupt", 3 * SOAK, length / 4):
        _wipe(location)
        run = runs.start(location, "--acknowledge", lines.path)
        run.wait_for_acknowledgements(1)
        time.sleep(moment)
        stopped = _interrupt(run)
        assert stopped.status == 130, stopped
        assert stopped.err == INTERRUPTED
        held = _held(location, lines.ids)
        assert 0 < stopped.counts[0] <= held < LINES
        assert stopped.positions[-1] <= held
        again = runs.ingest(location, lines.path)
        assert (again.status, again.counts) == (0, (LINES - held, held, 0))
        assert _held(location, lines.ids) == LINES


@pytest.mark.slow
def test_an_interrupt_while_a_second_process_starts_prints_one_line(lines: Lines, runs: Runs, tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    for delay in (0.04, 0.05, 0.055, 0.06, 0.065, 0.08):
        _wipe(location)
        run = runs.start(location, "--acknowledge", lines.path)
        run.wait_for_acknowledgements(BLOCKS_BEFORE_HELP)
        time.sleep(delay)
        stopped = _interrupt(run)
        assert (stopped.status, stopped.err) == (130, INTERRUPTED)


def _helper_of(run: Run) -> int:
    """The process id of the second process of an ingest."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                in_group = (folder / "stat").read_text().rpartition(")")[2].split()[2] == str(run.process.pid)
                if in_group and b"spawn_main" in (folder / "cmdline").read_bytes():
                    return int(folder.name)
        assert run.process.poll() is None, "it ended without a second process"
    raise AssertionError("it starts no second process")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the second process is found in /proc")
@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_an_ingest_whose_second_process_is_killed_says_so(tmp_path: Path, runs: Runs, delay: float) -> None:
    events = [_story(number) for number in range(16_000)]
    file, location = write_lines(tmp_path / "long.jsonl", events), str(tmp_path / "ledger.db")
    run = runs.start(location, "--acknowledge", file)
    helper = _helper_of(run)
    time.sleep(delay)
    os.kill(helper, signal.SIGKILL)
    ended = run.finish()
    assert ended.status == 3, ended
    assert ended.err == (
        f"Error: the process that decodes {file} was ended from outside; what was acknowledged is recorded,"
        " ingest the same file again\n"
    )
    held = _held(location, [made["id"] for made in events])
    assert ended.positions[-1] <= held
    assert runs.ingest(location, file).counts == (len(events) - held, held, 0)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["ingest", "verify"])
def test_an_interrupt_exits_as_one_wherever_the_command_stands(
    postgres_location: str, runs: Runs, tmp_path: Path, command: str
) -> None:
    create_store(postgres_location)
    file = write_lines(tmp_path / "a.jsonl", [paid("o-1")])
    with psycopg.connect(postgres_location) as connection:
        connection.execute("LOCK TABLE levelbook.ledger IN ACCESS EXCLUSIVE MODE")
        run = runs.python(postgres_location, "-m", "cli", command, *([file] if command == "ingest" else []))
        _wait_until_one_waits(postgres_location)
        stopped = _interrupt(run)
    assert stopped.status == 130, stopped
    assert "Traceback" not in stopped.err


def _wait_until_one_waits(location: str) -> None:
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(location, autocommit=True) as connection:
        while connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() != (1,):
            assert time.monotonic() < deadline, "the command does not wait for the lock"
            time.sleep(0.005)
