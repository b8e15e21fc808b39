"""One ledger on which every command is killed again and again, at any moment, and which is checked in between.

    python -m tests.support.kills STORE FOLDER KILLS SEED

Commands run in children that share what this process has imported, so that a kill falls into their work and not into
their start. This process opens no store itself: whatever it looks at, it looks at in a child. Prints what it did as
JSON; ends with 1 and a reason at the first thing that is not as it should be.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import psycopg

import cli
from projections.projector import check, fill, follow, many, rebuild, status
from replay.archiving import archive as archiving
from replay.columnar import archive, seal
from replay.columnar import check as archive_check
from replay.decisions import audit, outcomes
from replay.history import browse as look
from replay.intake import backfill, ingest
from replay.intake import parallel as decoding
from replay.integrity import backup
from replay.integrity.verify import verify
from replay.parsing import lines
from replay.sealing import checkpoint
from replay.store.location import is_postgres
from replay.store.opening import open_store
from replay.store.queries import plain_rows
from replay.store.reading.row import Row
from tests.support.making import write_lines
from tests.worlds.ledgers import World

EVENTS_A_ROUND: Final = 24
SECRET: Final = "5b" * 32
KILLS_A_CHECK: Final = 18
ATTEMPTS_A_KILL: Final = 20
CHILD_SECONDS_MAX: Final = 120
IMPORTED: Final = (
    *(archive, archive_check, archiving, audit, backup, check, checkpoint, follow, ingest, look, rebuild, status),
)
"""What the commands import when they begin, here once for all children."""
COMMANDS: Final = ("ingest", "follow", "rebuild", "seal", "decide", "checkpoint", "archive", "backup")
MONTHS: Final = ("2022-10", "2022-11", "2022-12", "2023-01", "2023-02", "2023-03", "2023-04", "2023-05")


class Ended(NamedTuple):
    """How a child ended; `status` is None where it was killed."""

    status: int | None
    out: str
    err: str


class Child:
    """A forked process with its output in files."""

    def __init__(self, folder: Path, work: Callable[[], object]) -> None:
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        self.began = time.monotonic()
        self._id = os.fork()
        if self._id == 0:
            self._work(work)

    def _work(self, work: Callable[[], object]) -> None:
        status = 70
        try:
            for number, path in ((1, self._out), (2, self._err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
            try:
                work()
                status = 0
            except SystemExit as error:
                status = error.code if isinstance(error.code, int) else 1
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def end(self, kill_after_seconds: float | None = None) -> Ended:
        """Wait for it; or kill it after so long, where it has not ended by then."""
        left = CHILD_SECONDS_MAX if kill_after_seconds is None else kill_after_seconds
        while True:
            done, status = os.waitpid(self._id, os.WNOHANG)
            if done:
                break
            if time.monotonic() - self.began >= left:
                os.kill(self._id, signal.SIGKILL)
                _, status = os.waitpid(self._id, 0)
                break
            time.sleep(0.001)
        killed = os.WIFSIGNALED(status)
        if killed and kill_after_seconds is None:
            raise AssertionError(f"a command hangs: {self._err.read_text()}")
        texts = (path.read_text() if path.exists() else "" for path in (self._out, self._err))
        return Ended(None if killed else os.waitstatus_to_exitcode(status), *texts)


class Life:
    """The ledger, what has happened to it, and what must be true of it."""

    def __init__(self, location: str, folder: Path, seed: int) -> None:
        self.location, self.folder = location, folder
        self.random, self.world = Random(seed), World(seed)
        self.kills: Counter[str] = Counter()
        self.in_vain: Counter[str] = Counter()
        self.checks = 0
        self._names = 0
        self._ids: list[str] = []
        self._file = ""
        self._acknowledged = 0
        self._periods = self._all_periods()
        self._period: tuple[str, ...] = next(self._periods)
        self._seconds: dict[str, float] = {}

    def live(self, kills: int) -> None:
        """Kill each command so many times, in turn by chance, and check every now and then."""
        self._more()
        self._finish("ingest")
        ended = self._run(("key", "new")).end()
        assert ended.status == 0, ended
        self.check()
        since = 0
        for number in range(kills):
            for command in self.random.sample(COMMANDS, len(COMMANDS)):
                self._kill(command)
                since += 1
                if since == KILLS_A_CHECK or (number + 1 == kills and command == COMMANDS[-1]):
                    self.check()
                    since = 0
        self.check()

    def check(self) -> None:
        """Let every command come to its end, and hold all that there is against what it rests on."""
        self._more()
        for command in COMMANDS:
            began = time.monotonic()
            self._finish(command)
            self._seconds[command] = time.monotonic() - began
        for words in (("verify",), ("status",)):
            ended = self._run(words).end()
            assert ended.status == 0, (words, ended)
        audited = self._run(("audit", "--format", "json")).end()
        found = json.loads(audited.out)
        assert found["audited"] == found["reproduced"] and audited.status == int(bool(found["announced"])), audited
        self.checks += 1

    def _kill(self, command: str) -> None:
        """Start a command until one of its runs is killed before its end; others record beside it."""
        for _ in range(ATTEMPTS_A_KILL):
            beside = self._prepare(command)
            second = None if beside is None else self._start(beside)
            after = self.random.uniform(0, self._seconds[command])
            ended = self._start(command).end(after)
            if beside is not None and second is not None:
                self._ended(beside, second.end())
            self._wait_for_backends()
            if ended.status is None:
                self.kills[command] += 1
                self._acknowledge(command, ended)
                self._look()
                return
            self.in_vain[command] += 1
            self._ended(command, ended)
        raise AssertionError(f"{command} always ends before it is killed")

    def _prepare(self, command: str) -> str | None:
        """Give a command something to do; the command that is to run beside it, if any is."""
        beside = self.random.choice((None, "follow" if command == "ingest" else "ingest"))
        if command in {"ingest", "follow", "seal", "checkpoint", "archive"}:
            self._more()
        if command in {"follow", "seal", "checkpoint", "archive"}:
            self._finish("ingest")
        if command == "archive":
            self._finish("checkpoint")
        if beside == "ingest":
            self._more()
        return beside

    def _more(self) -> None:
        """Write the next file of events, when what stands in the one before is recorded."""
        if self._file:
            self._finish("ingest")
        events = self.world.events(EVENTS_A_ROUND)
        self._ids += [made["id"] for made in events]
        self._file = write_lines(self._name("events", ".jsonl"), events)

    # --- the commands -------------------------------------------------------------------------------------------------

    def _start(self, command: str) -> Child:
        words: dict[str, tuple[str, ...]] = {
            "ingest": ("ingest", "--acknowledge", self._file),
            "follow": ("follow", "--once"),
            "rebuild": ("rebuild", "--sample", "5"),
            "seal": ("seal", "--segments", str(self.folder / "segments")),
            "decide": ("decide", *self._period),
            "checkpoint": ("checkpoint",),
            "archive": ("archive", "--into", str(self.folder / "records")),
            "backup": ("backup", str(self._name("backup", ".db"))),
        }
        return self._run(words[command])

    def _finish(self, command: str) -> None:
        self._ended(command, self._start(command).end())

    def _ended(self, command: str, ended: Ended) -> None:
        assert ended.status == 0, (command, ended)
        self._acknowledge(command, ended)
        if command == "decide":
            self._period = next(self._periods)

    def _acknowledge(self, command: str, ended: Ended) -> None:
        if command == "ingest":
            said = [int(line.rpartition(" ")[2]) for line in ended.out.splitlines() if line.startswith("recorded up")]
            self._acknowledged = max([self._acknowledged, *said])

    def _run(self, words: tuple[str, ...]) -> Child:
        def work() -> None:
            os.environ["LEVELBOOK_STORE"] = self.location
            os.environ["LEVELBOOK_SIGNING_KEY"] = SECRET
            os.environ["LEVELBOOK_SEGMENTS"] = str(self.folder / "segments")
            os.chdir(self.folder)
            cli.main([*words])

        (folder := self._name("run", "")).mkdir()
        return Child(folder, work)

    # --- what must be true --------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """After each kill: the ledger is sound, holds what was acknowledged, and each event once, in its order."""
        (folder := self._name("look", "")).mkdir()
        ended = Child(folder, self._print_ledger).end()
        assert ended.status == 0, ended
        found = json.loads(ended.out)
        assert found["problems"] == [], found["problems"]
        assert found["ids"] == self._ids[: len(found["ids"])], "events are missing, doubled, or out of order"
        assert found["position"] >= self._acknowledged, "what was acknowledged is lost"

    def _print_ledger(self) -> None:
        with open_store(self.location) as store:
            problems = verify(store).problems
            rows = map(Row._make, plain_rows(store, 0, store.head().position))
            ids = [row.event_id for row in rows if row.source == "urn:test"]
            print(json.dumps({"problems": problems, "ids": ids, "position": store.head().position}))

    def _wait_for_backends(self) -> None:
        """PostgreSQL notices a moment after a kill that the client is gone, and may still finish its last commit."""
        if not is_postgres(self.location):
            return
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        deadline = time.monotonic() + CHILD_SECONDS_MAX
        with psycopg.connect(self.location, autocommit=True) as connection:
            while connection.execute(sql).fetchone() != (0,):
                assert time.monotonic() < deadline, "the server still serves a client that was killed"
                time.sleep(0.002)

    # --- names and periods --------------------------------------------------------------------------------------------

    def _name(self, what: str, ending: str) -> Path:
        self._names += 1
        return self.folder / f"{what}-{self._names}{ending}"

    def _all_periods(self) -> Iterator[tuple[str, ...]]:
        for month in MONTHS:
            for scheme in ("merchant-reputation", "creator-level", "mcn-level"):
                yield (scheme, "--month", month)
            yield ("merchant-tier", "--day", f"{month}-20")
        number = 0
        while True:
            number += 1
            yield ("merchant-reputation", "--month", "2022-11", "--again", "--reason", f"asked again, {number}")


def in_small_parts() -> None:
    """Make batches, steps, parts and generations so small that a kill finds some done and some not."""
    small: tuple[tuple[Any, str, int], ...] = (
        (lines, "BLOCK_BYTES", 2_000),
        (backfill, "BATCH_LINES_MAX", 7),
        (many, "FEW_AT_ONCE", 6),
        (fill, "SUBJECTS_AT_ONCE", 1),
        (fill, "RECORDS_AT_ONCE", 40),
        (seal, "GENERATION_RECORDS", 100),
        (outcomes, "SUBJECTS_AT_ONCE", 1),
        (decoding, "BLOCKS_BEFORE_HELP", 1_000),  # a second process would be started anew each time
    )
    for module, name, value in small:
        assert hasattr(module, name), name
        setattr(module, name, value)


def main() -> None:
    location, folder, kills, seed = sys.argv[1:]
    in_small_parts()
    life = Life(location, Path(folder), int(seed))
    began = time.monotonic()
    life.live(int(kills))
    print(
        json.dumps(
            {
                "kills": dict(sorted(life.kills.items())),
                "ended_before_the_kill": dict(sorted(life.in_vain.items())),
                "checks": life.checks,
                "seconds": round(time.monotonic() - began),
            }
        )
    )


if __name__ == "__main__":
    main()
