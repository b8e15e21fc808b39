"""Sets of ledgers for tests."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from replay.intake.outcomes import Counts
from replay.intake.rejects import Rejects
from replay.sealing.checkpoint import begin_keys
from replay.sharding.ingesting import SetIngest
from replay.sharding.making import make
from replay.sharding.opened import open_set
from replay.sharding.signing import begin_set_keys
from replay.sharding.target import set_target
from replay.store.base.store import Store
from tests import ROOT
from tests.support.making import Event, Silent, paid


def made_set(folder: Path, of: int, stores: Sequence[str] = ()) -> str:
    """The location of a new set, without records but those that say what its ledgers are."""
    path = folder / "levels.shards"
    make(path, of, stores)
    return str(path)


def ingest_into_set(location: str, names: list[str], rejects: Path, **options: Any) -> tuple[Counts, Silent]:
    """Ingest files into a set as the command does."""
    watch, refused = Silent(), Rejects(rejects)
    with set_target(location, dry_run=False) as target:
        counts = SetIngest(target, refused, watch, location, **options).run(names)
    refused.close()
    return counts, watch


def set_with_keys(folder: Path) -> str:
    """The location of a set of four ledgers with keys, each of which holds something."""
    made = made_set(folder, 4)
    with open_set(made) as opened:
        for store in opened.stores:
            begin_keys(store)
        begin_set_keys(Path(made), opened.document.set_id)
    record_twelve(made, folder, 0)
    return made


def record_twelve(location: str, folder: Path, first: int) -> None:
    """Record a payment of each of twelve merchants into a set, named by numbers from one on."""
    path = folder / "events.jsonl"
    path.write_bytes(lines_of(paid(f"o-{n}", subject=f"merchant/{n}") for n in range(first, first + 12)))
    assert ingest_into_set(location, [str(path)], folder / "r.jsonl")[0].recorded == 12


def streams(stores: Iterable[Store]) -> dict[str, list[tuple[str, str]]]:
    """By subject, source and id of its records in their order."""
    found: dict[str, list[tuple[str, str]]] = {}
    sql = "SELECT stream, source, event_id FROM records WHERE type NOT IN ('shard.made') ORDER BY position"
    for store in stores:
        for stream, source, event_id in store._query(sql):
            found.setdefault(stream, []).append((source, event_id))
    return found


def streams_of_set(location: str) -> dict[str, list[tuple[str, str]]]:
    with open_set(location) as opened:
        return streams(opened.stores)


def of_other_shards(events: Iterable[Event], subject: str, chance: float, random: Any) -> list[Event]:
    """The events, some of them followed by one of another subject that bears the same id."""
    found = []
    for made in events:
        found.append(made)
        if random.random() < chance:
            found.append(made | {"type": "merchant.closed", "subject": subject, "data": {}})
    return found


def command(*words: str, cwd: Path) -> "subprocess.Popen[bytes]":
    """The command as a process of its own, in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "cli", *words], cwd=cwd, env=environment, stdout=subprocess.PIPE)


def lines_of(events: Iterable[Event]) -> bytes:
    return b"".join(json.dumps(made).encode() + b"\n" for made in events)


def without_password(location: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A location as it may stand in the file of a set; the password is where PostgreSQL's library looks for it."""
    user = re.match(r"(postgresql://[^:@/]*):([^@]*)(@.*)", location)
    if user is None:
        return location
    monkeypatch.setenv("PGPASSWORD", user[2])
    return user[1] + user[3]
