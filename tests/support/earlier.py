"""Ledgers that programs of earlier versions made, put back as they were."""

import lzma
import sqlite3
from pathlib import Path
from typing import Final

import psycopg

from replay.store.location import is_postgres
from tests import ROOT

FOLDER: Final = ROOT / "tests" / "earlier"
EARLIER: Final = sorted({path.name.partition(".")[0] for path in FOLDER.glob("*.xz")})
"""What each version is called by what was new in it."""
KEY: Final = "5a" * 32
"""The key for buyers of all of them."""


def put_back(name: str, location: str) -> None:
    """Make the ledger and the views of a version at an empty place."""
    if is_postgres(location):
        with psycopg.connect(location, autocommit=True) as connection:
            connection.execute(_text(f"{name}.postgres.sql.xz").encode())
        return
    for suffix in ("", ".views"):
        if (FOLDER / f"{name}.sqlite{suffix}.sql.xz").exists():
            raw = sqlite3.connect(location + suffix)
            raw.executescript(_text(f"{name}.sqlite{suffix}.sql.xz"))
            raw.close()
            Path(location + suffix).chmod(0o600)


def _text(name: str) -> str:
    return lzma.decompress((FOLDER / name).read_bytes()).decode()
