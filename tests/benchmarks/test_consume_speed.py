"""Events out of topics against the same events out of a file."""

import shutil
from itertools import islice
from pathlib import Path

from replay.store.opening import open_store
from tests.benchmarks.conftest import LINES, Compare
from tests.benchmarks.timed import command
from tests.support.brokers import cluster

PARTITIONS = 4
MESSAGES = min(LINES, 200_000)


def test_consume_against_ingest_of_the_same_lines(lines_file: Path, tmp_path: Path, compare: Compare) -> None:
    """Both begin a process; who consumes joins a group, too."""
    file, folder = tmp_path / "events.jsonl", tmp_path / "run"
    with lines_file.open("rb") as source:
        lines = list(islice(source, MESSAGES))
    file.write_bytes(b"".join(lines))
    runs = 0

    def clean() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def recorded() -> int:
        with open_store(str(folder / "ledger.db")) as store:
            return store.head().position

    with cluster() as brokers:
        brokers.topic("events", PARTITIONS)
        for number, line in enumerate(lines):
            brokers.send("events", line.rstrip(b"\n"), partition=number % PARTITIONS)
            if number % 10_000 == 0:
                brokers.sent()
        brokers.sent()

        def consume() -> None:
            nonlocal runs
            runs += 1
            asked = ("--servers", brokers.servers, "--topic", "events", "--group", f"run-{runs}", "--once")
            command("consume", *asked, "--batch", "10000", "--store", str(folder / "ledger.db"))
            assert recorded() == MESSAGES

        def ingest() -> None:
            command("ingest", "--store", str(folder / "ledger.db"), str(file))
            assert recorded() == MESSAGES

        compare(
            f"consume of {MESSAGES} messages against ingest of the same lines", consume, ingest, aim="2.0", before=clean
        )
