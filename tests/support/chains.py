"""Ledgers as they were made before the chains of keys were kept with the records."""

from replay.schema.versions import LATER_TABLES
from tests.support.aliases import change


def make_older(location: str) -> None:
    """Leave a ledger without the tables for them."""
    change(location, [(f"DROP TABLE {table}", ()) for table in LATER_TABLES])
