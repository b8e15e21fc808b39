"""Rows of the views from compiled folds: columns of values for many subjects at once, a tuple a row."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table

from domain.policy import Policy, Term
from projections.views.rows import JUDGED
from projections.views.step import SUBJECTS_AT_ONCE, batched, judged_by
from replay.schema.columns import BIG

Values = list[Any]
"""One column's values, a value a row."""
Where = tuple[str, Any]
"""A condition with {} in the place of a value, and the value."""


def insert_rows(connection: Connection, table: Table, columns: dict[str, Values]) -> int:
    """Insert rows that are given as columns by name; how many there are."""
    names = list(columns)
    rows = list(zip(*columns.values(), strict=True))
    if not rows:
        return 0
    target = table.name if table.schema is None else f"{table.schema}.{table.name}"
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {target} ({', '.join(names)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(names))
        connection.exec_driver_sql(f"INSERT INTO {target} ({', '.join(names)}) VALUES ({marks})", rows)
    return len(rows)


def rows_of_subjects(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    subjects: Sequence[str],
    *where: Where,
    column: str = "subject",
) -> list[tuple[Any, ...]]:
    """Some columns of the rows of some subjects, as the driver gives them: many, and none made an object of its own.

    Whose a row is, is told by `column`.
    """
    target = table.name if table.schema is None else f"{table.schema}.{table.name}"
    is_postgres = connection.dialect.name == "postgresql"
    mark, conditions = "%s" if is_postgres else "?", "".join(f" AND {condition}" for condition, _ in where)
    found: list[Any] = []
    for some in batched(subjects, SUBJECTS_AT_ONCE):
        whose = f"{column} = ANY({{}})" if is_postgres else f"{column} IN ({', '.join(['{}'] * len(some))})"
        sql = f"SELECT {', '.join(names)} FROM {target} WHERE {whose}{conditions}".replace("{}", mark)
        values = ([*some],) if is_postgres else tuple(some)
        found += connection.exec_driver_sql(sql, (*values, *(value for _, value in where))).all()
    return found


def delete_rows(connection: Connection, table: Table, columns: dict[str, Values], since: str | None = None) -> None:
    """Delete the rows that have the values of one of the rows given as columns by name; of the column named `since`
    also those with a greater value."""
    rows = list(zip(*columns.values(), strict=True))
    if not rows:
        return
    target = table.name if table.schema is None else f"{table.schema}.{table.name}"
    if connection.dialect.name == "postgresql":
        kinds = ", ".join(f"%s::{_array_of(table, name)}" for name in columns)
        same = " AND ".join(f"t.{name} {'>=' if name == since else '='} gone.{name}" for name in columns)
        sql = f"DELETE FROM {target} AS t USING unnest({kinds}) AS gone ({', '.join(columns)}) WHERE {same}"
        connection.exec_driver_sql(sql, tuple(columns.values()))
    else:
        same = " AND ".join(f"{name} {'>=' if name == since else '='} ?" for name in columns)
        connection.exec_driver_sql(f"DELETE FROM {target} WHERE {same}", rows)


def set_rows(connection: Connection, table: Table, keys: dict[str, Values], column: str, values: Values) -> None:
    """Give one column of some rows other values; `keys` has by column a value for each row."""
    if not values:
        return
    target = table.name if table.schema is None else f"{table.schema}.{table.name}"
    if connection.dialect.name == "postgresql":
        kinds = ", ".join(f"%s::{_array_of(table, name)}" for name in (*keys, column))
        same = " AND ".join(f"t.{name} = made.{name}" for name in keys)
        sql = f"UPDATE {target} AS t SET {column} = made.{column} FROM unnest({kinds})"
        sql += f" AS made ({', '.join((*keys, column))}) WHERE {same}"
        connection.exec_driver_sql(sql, (*keys.values(), values))
    else:
        same = " AND ".join(f"{name} = ?" for name in keys)
        sql = f"UPDATE {target} SET {column} = ? WHERE {same}"
        connection.exec_driver_sql(sql, list(zip(values, *keys.values(), strict=True)))


def _array_of(table: Table, name: str) -> str:
    return f"{'bigint' if table.c[name].type is BIG else 'text'}[]"


class JudgedBy:
    """By which policy rows were judged, as columns."""

    def __init__(self, terms: Sequence[Term], policies: Sequence[Policy]) -> None:
        self._begins = np.array([term.begins for term in terms], np.int64)
        rows = [judged_by(policies, term.policy) for term in terms]
        self._values = {name: [row[name] for row in rows] for name in JUDGED}

    def at(self, instants: NDArray[np.int64]) -> dict[str, Values]:
        """Of the periods that hold these instants."""
        places = np.searchsorted(self._begins, instants, side="right") - 1
        return {name: named(values, places) for name, values in self._values.items()}


def owners_of(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """By row, the number of the subject that it is of; `starts` says where each subject's rows begin."""
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def numbers_of(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """By row, its place among the rows of its subject."""
    return np.arange(starts[-1]) - np.repeat(starts[:-1], np.diff(starts))


def starts_of(owners: NDArray[Any], subjects: int) -> NDArray[np.int64]:
    """By subject, where its rows begin, one more for the end: from the subject that each row is of, rising."""
    return np.searchsorted(owners, np.arange(subjects + 1).astype(owners.dtype))


def named(names: Sequence[Any], numbers: NDArray[Any]) -> Values:
    """What numbers stand for."""
    if not len(numbers):
        return []
    values: Values = _objects(names)[numbers].tolist()
    return values


def named_in(ladders: Sequence[Sequence[Any]], places: NDArray[Any], numbers: NDArray[Any]) -> Values:
    """What numbers stand for where that depends on a place: names by place, of any count."""
    width = max(map(len, ladders))
    flat = [name for names in ladders for name in (*names, *[None] * (width - len(names)))]
    return named(flat, places * width + numbers)


def where(shown: NDArray[np.bool_], values: Values) -> Values:
    """Values that are shown, None in the place of others."""
    found = _objects(values)
    found[~shown] = None
    return list(found)


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    """As an array of just these objects: left to numpy, texts would become others of one length."""
    objects = np.empty(len(values), object)
    objects[:] = values
    return objects


def texts(numbers: NDArray[Any], text_of: Callable[[int], Any]) -> Values:
    """Days or months as texts, each worked out once."""
    known, places = np.unique(numbers, return_inverse=True)
    return named([text_of(number) for number in known.tolist()], places)


def instants(numbers: NDArray[Any], instant_of: Callable[[int], int]) -> NDArray[np.int64]:
    """Instants of days or months, each worked out once."""
    return np.array(texts(numbers, instant_of), np.int64)


def nullable(values: NDArray[np.int64], null: int) -> Values:
    """Values with None in the place of one that stands for none."""
    return where(values != null, values.tolist())


def lists(columns: dict[str, Any]) -> dict[str, Values]:
    """Columns whose values may stand in arrays yet."""
    return {name: values if isinstance(values, list) else values.tolist() for name, values in columns.items()}


def following(starts: NDArray[np.int64], from_at: NDArray[np.int64]) -> Values:
    """By row of a history, when the next row of the same subject begins; None for the last."""
    to_at: Values = [*from_at[1:].tolist(), None][: len(from_at)]
    for last in (starts[1:][np.diff(starts) > 0] - 1).tolist():
        to_at[last] = None
    return to_at
