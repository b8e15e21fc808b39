"""Ledgers as they were made by earlier versions, which lacked some tables."""

from replay.schema.versions import LATER_TABLES
from tests.support.aliases import change


def make_older(location: str, *without: str) -> None:
    """Leave a ledger without some tables, or without all that were added."""
    change(location, [(f"DROP TABLE {table}", ()) for table in without or LATER_TABLES])
