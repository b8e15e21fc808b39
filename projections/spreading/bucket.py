"""The rows of one bucket as Arrow tables, made of its columns and of what was worked out once for all buckets.

No ledger and no database is asked: a `Ground` can be sent to another process or machine, which needs beside it the
segments and the bucket's part of what is not sealed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, select

from projections.exporting.columns import (
    FileColumn,
    arrow_array,
    arrow_schema,
    file_columns,
    read_type,
    table_columns,
)
from projections.projector.bulk import fill_from_columns
from projections.schemes.shared.filling import Filling
from projections.views.step import Step
from projections.views.tables import CONTRACT, INTERNAL, TABLE_NAMES, Tables, tables_of
from replay.columnar.columns import Columns
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.schemes.mcn_level.fold import Slots

FOR_AGENCIES: Final = {"mcn_parts": "creator", "creator_months": "subject", "creator_figures": "subject"}
"""Tables of which agencies are judged, each with the column that says of which creator a row is."""
STALE: Final = "stale"
"""The column of `v1_levels` that says whether a subject is set aside."""


class Ground(NamedTuple):
    """What the rows of every bucket rest on beside its records."""

    position: int
    as_of: int
    policies: dict[str, Policies]
    """By scheme, what judges."""
    prepared: dict[str, Any]
    """What the schemes' views asked the ledger for."""
    slots: Slots
    """Who holds each creator."""
    aside: frozenset[tuple[str, str]]
    """Subjects and schemes of which nothing is worked out: a record cannot be read."""


class BucketPart(NamedTuple):
    """The rows of some subjects."""

    tables: dict[str, pa.Table]
    """By table of a build, its rows with all columns, as the views hold them: instants, days and points are numbers."""
    records: int
    """How many records they rest on."""


def rows_of_bucket(ground: Ground, parts: Iterable[Columns]) -> Iterator[BucketPart]:
    """The rows that a bucket comes to, part by part; `parts` are all records of whole subjects up to the position."""
    step = GroundStep(ground)
    for columns in parts:
        filling = _ArrowFilling(step, columns, lambda: ground.slots)
        fill_from_columns(filling, ground.aside)
        yield BucketPart(filling.tables(), len(columns.at))


def shown(view: str, rows: pa.Table) -> pa.Table:
    """Rows of a bucket's table as files show them in its `v1_…` view. No level is stale: who is set aside has none."""
    columns = file_columns(view)
    if any(item.name == STALE for item in columns):
        rows = rows.append_column(STALE, pa.array(np.zeros(rows.num_rows, np.bool_)))
    arrays = [arrow_array(item.kind, rows[item.name].combine_chunks()) for item in columns]
    return pa.table(arrays, schema=arrow_schema(columns))


def table_of(view: str) -> str | None:
    """The table of a build behind a `v1_…` view; None where it shows no single one."""
    name = view.removeprefix(f"{CONTRACT}_")
    return name if name in TABLE_NAMES and name not in INTERNAL else None


def of_agencies(part: BucketPart, slots: Slots) -> dict[str, pa.Table]:
    """The rows that agencies are judged by: those of creators that were ever bound."""
    bound = pa.array(slots.creators, pa.string())
    subjects = pc.binary_join_element_wise(pa.scalar("creator"), bound, "/")
    found = {}
    for name, column in FOR_AGENCIES.items():
        rows = part.tables[name]
        found[name] = rows.filter(pc.is_in(rows[column], bound if column == "creator" else subjects))
    return found


def subjects_in(levels: pa.Table) -> set[str]:
    """Who has a level."""
    return set(pc.unique(levels["subject"]).to_pylist())


def of_subjects(tables: Mapping[str, pa.Table], subjects: Iterable[str]) -> dict[str, pa.Table]:
    """The rows of some subjects alone, of tables that tell whose a row is by `subject`."""
    wanted = pa.array(sorted(subjects), pa.string())
    with_subject = {name: rows for name, rows in tables.items() if "subject" in rows.column_names}
    return {name: rows.filter(pc.is_in(rows["subject"], wanted)) for name, rows in with_subject.items()}


class GroundStep(Step):
    """A step that moves nothing, of which all that the ledger is asked for has been worked out."""

    def __init__(self, ground: Ground, connection: Connection | None = None) -> None:
        """`connection`: to a passing build, where rows of one are needed."""
        moment, nothing = Moment(ground.as_of, 0, ground.position), cast(Any, None)
        super().__init__(nothing, connection or nothing, tables_of(0, None), moment, moment)
        self.policies = ground.policies
        self.prepared = dict(ground.prepared)


class _ArrowFilling(Filling):
    """Rows as Arrow tables."""

    def insert(self, table: str, columns: dict[str, Any]) -> None:
        self.prepared.append((table, columns))

    def tables(self) -> dict[str, pa.Table]:
        """By table of a build, all rows; of every table that a `v1_…` view shows or agencies need."""
        made: dict[str, list[pa.Table]] = {name: [raw_schema(name).empty_table()] for name in TABLE_NAMES}
        for name, columns in self.prepared:
            made[name].append(_raw_table(name, columns))
        return {name: pa.concat_tables(tables) for name, tables in made.items()}


def raw_schema(table: str) -> pa.Schema:
    """The columns of a table of a build as the views hold them."""
    return pa.schema([pa.field(item.name, read_type(item.kind)) for item in table_columns(table)])


def rows_in(connection: Connection, tables: Tables, name: str) -> pa.Table:
    """The rows of a table of a build, which are few, in such columns."""
    rows = [dict(row._mapping) for row in connection.execute(select(tables[name]))]
    return pa.Table.from_pylist(rows, raw_schema(name))


def _raw_table(name: str, columns: Mapping[str, Any]) -> pa.Table:
    arrays = [_array(item, columns[item.name]) for item in table_columns(name)]
    return pa.table(arrays, schema=raw_schema(name))


def _array(column: FileColumn, values: Any) -> pa.Array:
    kind = read_type(column.kind)
    if isinstance(values, np.ndarray):
        return pa.array(np.ascontiguousarray(values)).cast(kind)
    return pa.array(values, kind)
