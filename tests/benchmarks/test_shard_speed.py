"""An ingest into a set of two ledgers against one that a single ledger has to take, and against a ledger by itself."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import count, islice
from pathlib import Path

import pytest

from replay.recording.placing import shard_of
from replay.sharding.making import make
from replay.sharding.opened import open_set
from tests import ROOT
from tests.benchmarks.conftest import LINES, Compare

SOME_LINES = LINES * 3 // 10


def command(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "cli", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@cache
def named(subject: str, number: int | None) -> str:
    """The subject, or where a shard is given a name like its own that this shard takes."""
    return next(
        name for name in (f"{subject}-{n:02d}" for n in count()) if number is None or shard_of(name, 2) == number
    )


def lines(path: Path, number: int | None) -> Iterator[str]:
    with path.open() as file:
        for text in islice(file, SOME_LINES):
            event = json.loads(text)
            event["subject"] = named(event["subject"], number)
            yield json.dumps(event, separators=(",", ":")) + "\n"


@pytest.mark.parametrize("against", ["one writer", "a ledger by itself"])
def test_two_writers_against_one(lines_file: Path, tmp_path: Path, compare: Compare, against: str) -> None:
    """One writer is the same ingest of subjects that all lie in one shard; a ledger by itself reads lines in a second
    process, too.
    """
    files = {name: tmp_path / f"{name}.jsonl" for name in ("both", "first")}
    for number, path in zip((None, 0), files.values(), strict=True):
        with path.open("w") as out:
            out.writelines(lines(lines_file, number))
    place = tmp_path / "run"

    def clean() -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        make(place / "two.shards", 2)
        make(place / "one.shards", 2)

    def two() -> None:
        command("ingest", "--store", str(place / "two.shards"), str(files["both"]))
        with open_set(str(place / "two.shards")) as opened:
            held = [store.head().position - 1 for store in opened.stores]
        assert sum(held) == SOME_LINES and min(held) > SOME_LINES // 4

    def one() -> None:
        if against == "one writer":
            command("ingest", "--store", str(place / "one.shards"), str(files["first"]))
        else:
            command("ingest", "--store", str(place / "ledger.db"), str(files["both"]))

    what = f"ingest of {SOME_LINES} lines by two writers against {against}"
    aim = "0.63 (1.6 x)" if against == "one writer" else "none: on two cores a ledger by itself uses both"
    ratio = compare(what, two, one, aim=aim, before=clean)
    print(f"  that is {1 / ratio:.2f} times its rate")
