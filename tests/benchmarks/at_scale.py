"""A platform of so many events from nothing to evidence, each step a command of its own, and what each takes.

    python -m tests.benchmarks.at_scale FOLDER --events 10000000 --of 4 --report costs.json

A run that broke off goes on at the step where it stood. Wall and processor seconds, the most memory that a process
held, and what lies on the disk stand in the report, a step after another.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from domain.version import PROGRAM_VERSION
from replay.recording.placing import shard_of
from tests import ROOT
from tests.benchmarks.platform_events import Platform, chunk, openings, platform_of, subject_of

REPLAYS: Final = 1_000
_PROGRAM: Final = (sys.executable, "-m", "cli")
_RANDOM_REPLAYS: Final = (sys.executable, "-m", "tests.benchmarks.random_replays")
Report = dict[str, Any]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--events", type=click.IntRange(1_000), required=True)
@click.option("--every", type=click.IntRange(1_000), default=5_000_000, show_default=True, help="Events a chunk.")
@click.option("--of", "shards", type=click.Choice(["1", "2", "4", "8", "16"]), default="1", help="Ledgers of a set.")
@click.option("--report", type=click.Path(path_type=Path), required=True)
def main(folder: Path, events: int, every: int, shards: str, report: Path) -> None:
    """Measure it in FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    run(folder, events, every, int(shards), report)


def run(folder: Path, events: int, every: int, shards: int, report: Path) -> Report:
    """What is measured of so many events in a ledger, or in a set of them, written down after each step."""
    found = _Report(report, folder, events, shards)
    platform = Platform(events, datetime.fromisoformat(found.told["ends"]))
    ledger, stores = _made(folder, shards)
    for first in range(0, events, every):
        end = min(first + every, events)
        if not found.has("archived", end):
            files = _lines_of(platform, folder, first, end)
            found.step("ingest", ("ingest", "--store", ledger, *map(str, files)), upto=end)
            for lines in files:
                lines.unlink()
            if first == 0:
                found.step("key", *(("key", "new", "--store", store) for store in stores))
            found.step("checkpoint", *(("checkpoint", "--store", store) for store in stores), upto=end)
            found.step("seal", *(("seal", "--store", store) for store in stores), upto=end)
            found.size("recorded", end)
            found.step("archive", *(("archive", "--store", store) for store in stores), upto=end)
            found.size("archived", end)
    # At the end: what is recorded next takes the room that rows leave. One after the other, for each takes as much room
    # as its store once more.
    for store in stores:
        found.step("compact", ("archive", "--store", store, "--compact"), of=Path(store).name)
    found.size("archived")
    _looked_at(found, folder, platform, ledger, stores)
    return found.told


def _made(folder: Path, shards: int) -> tuple[str, list[str]]:
    """What is recorded into, and the stores that are one ledger each."""
    if shards == 1:
        return str(folder / "ledger.db"), [str(folder / "ledger.db")]
    ledger = folder / "ledger.shards"
    if not ledger.exists():
        subprocess.run([*_PROGRAM, "shard", "make", str(ledger), "--of", str(shards)], cwd=ROOT, check=True)
    return str(ledger), [str(folder / f"ledger-{number}.db") for number in range(shards)]


def _looked_at(found: "_Report", folder: Path, platform: Platform, ledger: str, stores: Sequence[str]) -> None:
    """Judge, verify, replay, and give evidence."""
    events, evidence = platform.events, str(folder / "evidence.jsonl.gz")
    largest, usual = subject_of(platform, events), subject_of(platform, 10_000)
    if len(stores) == 1:
        # The first one may have loops to compile, and keeps them.
        found.step("rebuild at first", _rebuild(ledger, folder / "levels", 1))
        found.step("rebuild", _rebuild(ledger, folder / "levels", 1))
        found.step("rebuild by two", _rebuild(ledger, folder / "levels-by-two", 2))
    else:
        found.step("rebuild", ("rebuild", "--store", ledger, "--sample", "0"))
    found.step("replay of the largest", ("replay", largest, "--store", _store_of(stores, largest)))
    found.step("replay of 10,000 events", ("replay", usual, "--store", _store_of(stores, usual)))
    words = (",".join(stores), str(events), str(REPLAYS))
    found.step(f"{REPLAYS} random replays", words, program=_RANDOM_REPLAYS)
    store = _store_of(stores, largest)
    found.step("checkpoint at the end", ("checkpoint", "--store", store))
    asked = (largest, "--as-of", platform.ends.isoformat(), "--store", store, "--gzip", "--out", evidence)
    found.step("evidence of the largest", ("evidence", *asked))
    found.size("evidence")
    trust = folder / "trust.txt"
    trust.write_bytes(subprocess.check_output([*_PROGRAM, "key", "show", "--store", store], cwd=ROOT))
    found.step("evidence of the largest checked", ("verify-evidence", evidence, "--trust", str(trust)))
    found.step("verify", *(("verify", "--store", store) for store in stores))


def _store_of(stores: Sequence[str], subject: str) -> str:
    return stores[shard_of(subject, len(stores)) or 0]


def _rebuild(store: str, into: Path, workers: int) -> tuple[str, ...]:
    # Proving a sample takes as long for few subjects as for many.
    return "rebuild", "--store", store, "--into", str(into), "--workers", str(workers), "--sample", "0"


class _Report:
    """What was measured, in a file."""

    def __init__(self, path: Path, folder: Path, events: int, shards: int) -> None:
        self._path, self._folder = path, folder
        self.told: Report = json.loads(path.read_text()) if path.exists() else _begun(events, shards)
        if (self.told["events"], self.told["ledgers"]) != (events, shards):
            raise click.UsageError(f"{path} is of {self.told['events']} events; name another report")

    def has(self, step: str, upto: int | None = None, of: str | None = None) -> bool:
        named = (step, upto, of)
        return any((taken["step"], taken.get("upto"), taken.get("of")) == named for taken in self.told["steps"])

    def step(
        self,
        name: str,
        *asked: Sequence[str],
        program: Sequence[str] = _PROGRAM,
        upto: int | None = None,
        of: str | None = None,
    ) -> None:
        """Run commands, as many at a time as there are cores, unless they were run; keep what one says as JSON."""
        if self.has(name, upto, of):
            return
        begin = time.perf_counter()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ended = list(pool.map(lambda words: _ended([*program, *words]), asked))
        self._add(
            step=name,
            **({} if upto is None else {"upto": upto}),
            **({} if of is None else {"of": of}),
            wall_s=round(time.perf_counter() - begin, 2),
            processor_s=round(sum(each.processor_s for each in ended), 2),
            peak_bytes=max(each.peak_bytes for each in ended),
            **({"said": json.loads(ended[0].said)} if program is not _PROGRAM else {}),
        )

    def size(self, name: str, upto: int | None = None) -> None:
        """What lies on the disk, by what it is."""
        if not self.has(name, upto):
            self._add(step=name, **({} if upto is None else {"upto": upto}), bytes=_sizes(self._folder))

    def _add(self, **taken: Any) -> None:
        self.told["steps"].append(taken)
        click.echo(json.dumps(taken))
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_text(json.dumps(self.told, indent=1) + "\n")
        draft.replace(self._path)


class _Ended(NamedTuple):
    """A process that ended well."""

    said: bytes
    processor_s: float
    peak_bytes: int


def _ended(words: Sequence[str]) -> _Ended:
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{' '.join(words)} ended with status {process.returncode}")
    return _Ended(said, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def _begun(events: int, shards: int) -> Report:
    return {
        "program": PROGRAM_VERSION,
        "python": ".".join(map(str, sys.version_info[:2])),
        "cores": os.cpu_count(),
        "date": datetime.now(UTC).date().isoformat(),
        "ends": platform_of(events).ends.isoformat(),
        "events": events,
        "ledgers": shards,
        "steps": [],
    }


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of stores, and of what lies beside them, by the suffix: of all ledgers together."""
    sizes = dict.fromkeys(("", ".records", ".segments", ".views", "others"), 0)
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).parts[0]
            kind = name.partition(".db")[2] if ".db" in name else "others"
            sizes[kind if kind in sizes else "others"] += path.stat().st_size
    return sizes


def _lines_of(platform: Platform, folder: Path, first: int, end: int) -> list[Path]:
    """Files of a chunk's events, as many as there are cores to make them."""
    files = os.cpu_count() or 1
    bounds = [first + (end - first) * part // files for part in range(files + 1)]
    paths = [folder / f"events-{part}.jsonl" for part in range(files)]
    with ProcessPoolExecutor(files) as pool:
        list(pool.map(_write, repeat(platform), paths, bounds, bounds[1:]))
    return paths


def _write(platform: Platform, path: Path, first: int, end: int) -> None:
    with path.open("wb") as file:
        file.writelines(openings(platform) if first == 0 else ())
        file.writelines(chunk(platform, first, end))


if __name__ == "__main__":
    main()
