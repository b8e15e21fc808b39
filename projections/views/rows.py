"""Rows that the views of all schemes have: one row by its columns, or many as columns, where values are lists."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Select, Table, bindparam, select

from projections.views.tables import Tables

JUDGED: Final = ("policy", "policy_hash", "assumed")
"""The columns that say by which policy a row was judged."""


def level_columns(
    whose: tuple[Any, Any],
    standing: tuple[Any, Any, Any],
    effective: tuple[Any, Any, Any],
    judged: Mapping[str, Any],
) -> dict[str, Any]:
    """A row of `levels`: whose and of which scheme; state, level, score; those effective, and since when."""
    subject, scheme = whose
    state, level, score = standing
    effective_state, effective_level, effective_since = effective
    return {
        "subject": subject,
        "scheme": scheme,
        "state": state,
        "level": level,
        "score": score,
        "effective_state": effective_state,
        "effective_level": effective_level,
        "effective_since": effective_since,
        **judged,
    }


def change_columns(
    whose: tuple[Any, Any], at: Any, after: tuple[Any, Any, Any], judged: Mapping[str, Any], cause: tuple[Any, Any]
) -> dict[str, Any]:
    """A row of `history` but for its number and end: since when; state, level, score; what caused it, and where."""
    subject, scheme = whose
    state, level, score = after
    word, position = cause
    return {
        "subject": subject,
        "scheme": scheme,
        "from_at": at,
        "state": state,
        "level": level,
        "score": score,
        **judged,
        "cause": word,
        "cause_position": position,
    }


class SubjectRows(Protocol):
    """Reads what the views hold of one subject in one scheme at one moment."""

    def __call__(self, table: str, since: tuple[str, int | str] | None = None) -> list[dict[str, Any]]:
        """The subject's rows of a table in order; with `since` those whose column has this value or a greater one."""


def rows_query(table: Table, since: str | None) -> Select[Any]:
    """What such a reader asks, its parameters being `subject`, `scheme` and `since`."""
    columns = table.c
    query = select(table).where(columns.subject == bindparam("subject"))
    if "scheme" in columns:
        query = query.where(columns.scheme == bindparam("scheme"))
    if since is not None:
        query = query.where(columns[since] >= bindparam("since"))
    return query.order_by(*table.primary_key.columns)


def rows_through(connection: Connection, tables: Tables, subject: str, scheme: str) -> SubjectRows:
    """What a connection reads of a subject in a scheme."""

    def read(table: str, since: tuple[str, int | str] | None = None) -> list[dict[str, Any]]:
        column, value = (None, None) if since is None else since
        asked = {"subject": subject, "scheme": scheme, "since": value}
        query = rows_query(tables[table], column)
        return [dict(row) for row in connection.execute(query, asked).mappings()]

    return read_once(read)


def read_once(read: SubjectRows) -> SubjectRows:
    """Such a reader that asks for nothing twice."""
    known: dict[tuple[str, Any], list[dict[str, Any]]] = {}

    def again(table: str, since: tuple[str, int | str] | None = None) -> list[dict[str, Any]]:
        if (table, since) not in known:
            known[table, since] = read(table, since)
        return known[table, since]

    return again
