"""A platform of so many events from nothing to evidence, each step a command of its own, and what each takes.

    python -m tests.benchmarks.at_scale FOLDER --events 10000000 --report costs.json

A run that broke off goes on at the step where it stood. Wall and processor seconds, the most memory that a process
held, and what lies on the disk stand in the report, a step after another.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import click

from domain.version import PROGRAM_VERSION
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
@click.option("--report", type=click.Path(path_type=Path), required=True)
def main(folder: Path, events: int, every: int, report: Path) -> None:
    """Measure it in FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    run(folder, events, every, report)


def run(folder: Path, events: int, every: int, report: Path) -> Report:
    """What is measured of so many events, written down after each step."""
    found = _Report(report, folder, events)
    platform = Platform(events, datetime.fromisoformat(found.told["ends"]))
    store = str(folder / "ledger.db")
    for first in range(0, events, every):
        end = min(first + every, events)
        lines = folder / "events.jsonl"
        if not found.has(f"compact {end}"):
            _write(lines, chain(openings(platform) if first == 0 else (), chunk(platform, first, end)))
            found.step(f"ingest {end}", "ingest", "--store", store, str(lines))
            lines.unlink()
            if first == 0:
                found.step("key", "key", "new", "--store", store)
            found.step(f"checkpoint {end}", "checkpoint", "--store", store)
            found.step(f"seal {end}", "seal", "--store", store)
            found.size(f"before archive {end}")
            found.step(f"archive {end}", "archive", "--store", store)
            found.step(f"compact {end}", "archive", "--store", store, "--compact")
            found.size(f"after archive {end}")
    evidence, as_of = str(folder / "evidence.jsonl.gz"), platform.ends.isoformat()
    found.step("rebuild", "rebuild", "--store", store)
    found.step("verify", "verify", "--store", store)
    found.step("replay of the largest", "replay", subject_of(platform, events), "--store", store)
    found.step("replay of 10,000 events", "replay", subject_of(platform, 10_000), "--store", store)
    found.step(f"{REPLAYS} random replays", store, str(events), str(REPLAYS), program=_RANDOM_REPLAYS, keep=True)
    found.step("checkpoint at the end", "checkpoint", "--store", store)
    asked = ("evidence", subject_of(platform, events), "--as-of", as_of, "--store", store, "--gzip", "--out", evidence)
    found.step("evidence of the largest", *asked)
    found.size("evidence")
    trust = folder / "trust.txt"
    trust.write_bytes(subprocess.check_output([*_PROGRAM, "key", "show", "--store", store], cwd=ROOT))
    found.step("evidence of the largest checked", "verify-evidence", evidence, "--trust", str(trust))
    return found.told


class _Report:
    """What was measured, in a file."""

    def __init__(self, path: Path, folder: Path, events: int) -> None:
        self._path, self._folder = path, folder
        self.told: Report = json.loads(path.read_text()) if path.exists() else _begun(events)
        if self.told["events"] != events:
            raise click.UsageError(f"{path} is of {self.told['events']} events; name another report")

    def has(self, step: str) -> bool:
        return any(taken["step"] == step for taken in self.told["steps"])

    def step(self, name: str, *words: str, program: Sequence[str] = _PROGRAM, keep: bool = False) -> None:
        """Run a command, unless it was run; keep what it says."""
        if self.has(name):
            return
        begin = time.perf_counter()
        with subprocess.Popen([*program, *words], cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            said = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise click.ClickException(f"{name}: {' '.join(words)} ended with status {process.returncode}")
        self._add(
            step=name,
            wall_s=round(time.perf_counter() - begin, 2),
            processor_s=round(used.ru_utime + used.ru_stime, 2),
            peak_bytes=used.ru_maxrss * 1024,
            **({"said": json.loads(said)} if keep else {}),
        )

    def size(self, name: str) -> None:
        """What lies on the disk, by what it is."""
        if not self.has(name):
            self._add(step=name, **dict(sorted(_sizes(self._folder).items())))

    def _add(self, **taken: Any) -> None:
        self.told["steps"].append(taken)
        click.echo(json.dumps(taken))
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_text(json.dumps(self.told, indent=1) + "\n")
        draft.replace(self._path)


def _begun(events: int) -> Report:
    return {
        "program": PROGRAM_VERSION,
        "python": ".".join(map(str, sys.version_info[:2])),
        "cores": os.cpu_count(),
        "date": datetime.now(UTC).date().isoformat(),
        "ends": platform_of(events).ends.isoformat(),
        "events": events,
        "steps": [],
    }


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of the store, of what lies beside it, and of records that have left it."""
    sizes: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            kind = path.relative_to(folder).parts[0]
            sizes[kind] = sizes.get(kind, 0) + path.stat().st_size
    return sizes


def _write(path: Path, lines: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(lines)


if __name__ == "__main__":
    main()
