"""What several benchmarks time: a command in this process, and reading the rows alone."""

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tests import ROOT

DECEMBER = datetime(2022, 12, 1, tzinfo=timezone(timedelta(hours=8)))


def command(*words: str) -> None:
    process(sys.executable, "-m", "cli", *words)


def process(*words: str) -> None:
    """A process that finds and keeps compiled modules, as an installed program does."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run(words, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def read_rows(store: Path, subject: str = "merchant/m-0") -> None:
    """The floor: a process that imports click and sqlite3 and reads a subject's rows."""
    script = (
        "import sqlite3, sys, click; c = sqlite3.connect(sys.argv[1]);"
        "rows = c.execute('SELECT position, version, type, source, event_id, occurred_at, recorded_at, record"
        " FROM records WHERE stream = ? ORDER BY version', (sys.argv[2],)).fetchall(); assert rows"
    )
    process(sys.executable, "-c", script, str(store), subject)
