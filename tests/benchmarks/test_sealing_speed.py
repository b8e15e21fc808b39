"""Sealing what was recorded against reading and hashing it: a whole ledger, and a little more of one."""

import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from domain.keys import stream_key
from replay.sealing.proofs import head_paths, inclusion
from replay.sealing.seal import seal_heads
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from replay.store.queries import plain_rows
from replay.store.reading.row import leaf_hash
from tests.benchmarks.conftest import LINES, Compare
from tests.benchmarks.years import write, year_of
from tests.support.making import ingest_files

Run = Callable[[], None]
MERCHANTS = 10_000
LITTLE = 1_000
PROOFS = 100


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """LINES records of 10,000 merchants, of which nothing is sealed; and all but the last LITTLE are."""
    folder = tmp_path_factory.mktemp("sealing")
    events = year_of(LINES - MERCHANTS, MERCHANTS)
    write(folder / "first.jsonl", islice(events, LINES - LITTLE))
    write(folder / "last.jsonl", events)
    unsealed, sealed = (str(folder / name) for name in ("unsealed.db", "sealed.db"))
    for location in (unsealed, sealed):
        create_store(location)
        with open_store(location) as store:
            ingest_files(store, [str(folder / "first.jsonl")], folder / "rejects.jsonl")
            if location == sealed:
                seal_heads(store)
            ingest_files(store, [str(folder / "last.jsonl")], folder / "rejects.jsonl")
    return unsealed, sealed


def hashed(store: Store, after: int) -> None:
    for row in plain_rows(store, after, LINES):
        leaf_hash(row[-1])


def on_copies(ledger: str, folder: Path) -> tuple[Run, Callable[[Callable[[Store], object]], Run]]:
    """What copies a ledger anew, and what makes work on the copy out of work on a store."""

    def copy() -> None:
        for path in folder.glob("copy.db*"):
            path.unlink()
        for suffix in ("", ".key"):
            shutil.copy(ledger + suffix, folder / f"copy.db{suffix}")

    def opened(work: Callable[[Store], object]) -> Callable[[], None]:
        def run() -> None:
            with open_store(str(folder / "copy.db")) as store:
                work(store)

        return run

    return copy, opened


def test_sealing_a_ledger_against_reading_and_hashing_it(
    ledgers: tuple[str, str], compare: Compare, tmp_path: Path
) -> None:
    copy, opened = on_copies(ledgers[0], tmp_path)
    floor = opened(lambda store: hashed(store, 0))
    compare(f"sealing {LINES} records of {MERCHANTS} merchants", opened(seal_heads), floor, aim="2.0", before=copy)


def test_sealing_a_little_more_against_sealing_as_much_alone(
    ledgers: tuple[str, str], compare: Compare, tmp_path: Path
) -> None:
    """Each of them once: what a large ledger costs that is sealed often."""
    copy, opened = on_copies(ledgers[1], tmp_path)
    floor = opened(lambda store: hashed(store, LINES - LITTLE))
    what = f"sealing {LITTLE} more records of {LINES}, against reading and hashing these"
    compare(what, opened(seal_heads), floor, aim="none", before=copy)


def test_proofs_of_a_sealed_ledger(ledgers: tuple[str, str], compare: Compare, tmp_path: Path) -> None:
    copy, opened = on_copies(ledgers[1], tmp_path)
    copy()

    def prove(store: Store) -> None:
        seal = seal_heads(store)
        path_of = head_paths(store, seal.size)
        for number in range(PROOFS):
            path_of(stream_key(f"merchant/m-{number}"))
            inclusion(store, seal.position - number * 7, seal.position)

    what = f"{PROOFS} proofs of keys and {PROOFS} of records, against reading and hashing {LITTLE} records"
    compare(what, opened(prove), opened(lambda store: hashed(store, LINES - LITTLE)), aim="none")
