"""The tables of what is delivered: endpoints, how far each of them is, and the secrets by which requests are signed.

Secrets stand by themselves, so that who shows how deliveries go can be kept from reading them.
"""

from functools import cache
from typing import Final, NamedTuple

from sqlalchemy import Column, Integer, MetaData, Table

from replay.schema.columns import BIG, TEXT

POSTGRES_SCHEMA: Final = "levelbook_deliveries"


class DeliveryTables(NamedTuple):
    """Endpoints, the progress of each, and its secrets."""

    endpoints: Table
    progress: Table
    secrets: Table


@cache
def delivery_tables(schema: str | None) -> DeliveryTables:
    """The tables in a schema of PostgreSQL, or without one in a SQLite file. Instants are microseconds since 1970."""
    metadata = MetaData(schema=schema)
    endpoints = Table(
        "endpoints",
        metadata,
        Column("id", TEXT, primary_key=True),
        Column("kind", TEXT, nullable=False),
        Column("url", TEXT, nullable=False, unique=True),
        Column("schemes", TEXT, nullable=False),
        Column("allow_private", Integer, nullable=False),
        Column("allow_http", Integer, nullable=False),
        Column("ca_file", TEXT),
        Column("properties", TEXT),
        Column("made_at", BIG, nullable=False),
    )
    progress = Table(
        "progress",
        metadata,
        Column("endpoint", TEXT, primary_key=True),
        Column("begun", Integer, nullable=False),
        Column("feed", TEXT),
        Column("number", BIG, nullable=False),
        Column("delivered", BIG, nullable=False),
        Column("delivered_at", BIG),
        Column("failures", BIG, nullable=False),
        Column("failing_since", BIG),
        Column("due_at", BIG),
        Column("problem", TEXT),
        Column("disabled_at", BIG),
    )
    secrets = Table(
        "secrets",
        metadata,
        Column("endpoint", TEXT, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("secret", TEXT, nullable=False),
        Column("ends_at", BIG),
    )
    return DeliveryTables(endpoints, progress, secrets)
