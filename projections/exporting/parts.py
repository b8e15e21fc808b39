"""Which rows of a view stand together in a file: those of a scheme and month, or of neighbouring subjects.

What is dated changes mostly at its end, so that an increment leaves the months before as they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.calendar import SHANGHAI_MICROS, month_of_day, month_text
from domain.limits import DAY_MICROS

if TYPE_CHECKING:
    import pyarrow as pa

LEVELS: Final = "v1_levels"
FILE_ROWS: Final = 500_000
"""A part of more rows is several files."""
ONE_FILE_ROWS: Final = 20_000
"""So few rows stand in one file, whatever their dates: hundreds of small files would be read slowly."""
RANGE_ROWS: Final = 100_000
"""So many levels stand together at most: more than a subject has."""
DATES: Final = ("from_at", "month", "day", "period")
"""Columns by whose month a view is parted: by the first of them that it has, and by scheme, where it tells of one."""


class FilePart(NamedTuple):
    """Rows that stand together in a file."""

    part: dict[str, str | None]
    """Which they are, as the manifest tells."""
    table: "pa.Table"


def whole_of(tables: Iterable["pa.Table"], schema: "pa.Schema") -> FilePart:
    """All rows in one part, however many they are."""
    import pyarrow as pa

    return FilePart({}, pa.concat_tables([schema.empty_table(), *tables]).combine_chunks())


def in_order(table: "pa.Table", order: Sequence[str]) -> "pa.Table":
    """Rows ordered by columns that no two have in common; texts by their bytes. Most tables lie so already."""
    return table if _is_in_order(table, order) else table.sort_by([(name, "ascending") for name in order])


def _is_in_order(table: "pa.Table", order: Sequence[str]) -> bool:
    import pyarrow.compute as pc

    if not order or table.num_rows < 2:
        return True
    columns = [(table[name].slice(0, table.num_rows - 1), table[name].slice(1)) for name in reversed(order)]
    rises = pc.less(*columns[0])
    for before, behind in columns[1:]:
        rises = pc.or_(pc.less(before, behind), pc.and_(pc.equal(before, behind), rises))
    return bool(pc.all(rises).as_py())


def parts_of(tables: Iterable["pa.Table"], schema: "pa.Schema", order: Sequence[str]) -> Iterator[FilePart]:
    """All rows of a view in parts, ordered; one without rows where there are none."""
    table = in_order(whole_of(tables, schema).table, order).combine_chunks()
    dated = next((name for name in DATES if name in schema.names), None)
    if dated is None or table.num_rows <= ONE_FILE_ROWS:
        yield from _cut({}, table)
        return
    keys = {name: table[name] for name in ("scheme",) if name in schema.names} | {"month": _months(table[dated])}
    for part, places in _grouped(keys):
        yield from _cut(part, table.take(places))


def _cut(part: dict[str, str | None], table: "pa.Table") -> Iterator[FilePart]:
    for begin in range(0, max(table.num_rows, 1), FILE_ROWS):
        yield FilePart(part, table.slice(begin, FILE_ROWS))


def _grouped(keys: dict[str, Any]) -> Iterator[tuple[dict[str, str | None], Any]]:
    """By their values in key columns, where rows stand, in the order in which they stood."""
    import numpy as np

    codes, values = np.zeros(0, np.int64), []
    for column in keys.values():
        encoded = column.combine_chunks().dictionary_encode()
        values.append(encoded.dictionary.to_pylist())
        own = encoded.indices.to_numpy().astype(np.int64)
        codes = own if not len(codes) else codes * len(values[-1]) + own
    order = np.argsort(codes, kind="stable")
    found, begins = np.unique(codes[order], return_index=True)
    ends = [*begins[1:], len(codes)]
    for code, begin, end in zip(found.tolist(), begins, ends, strict=True):
        part, rest = {}, code
        for name, known in zip(reversed(keys), reversed(values), strict=True):
            rest, place = divmod(rest, len(known))
            part[name] = known[place]
        yield dict(reversed(part.items())), order[begin:end]


def _months(column: Any) -> Any:
    """The Shanghai months of instants, days or texts that begin with one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        return pc.utf8_slice_codeunits(column, 0, len("2022-11"))
    if pa.types.is_timestamp(column.type):
        instants = column.combine_chunks().cast(pa.int64()).to_numpy()
        days = pa.array((instants + SHANGHAI_MICROS) // DAY_MICROS)
    else:
        days = column.combine_chunks().cast(pa.int32())
    encoded = days.dictionary_encode()
    texts = pa.array([month_text(month_of_day(day)) for day in encoded.dictionary.to_pylist()], pa.string())
    return pa.chunked_array([texts.take(encoded.indices)])


def ranges_of(
    tables: Iterable["pa.Table"], schema: "pa.Schema", order: Sequence[str], first: str, before: str | None
) -> Iterator[FilePart]:
    """Levels of subjects from one up to before another, in ranges that leave no gap between them.

    Subjects rise from table to table.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    held = schema.empty_table()
    for table in tables:
        held = pa.concat_tables([held, in_order(table, order)])
        while held.num_rows > RANGE_ROWS:
            end = held["subject"][RANGE_ROWS]
            cut = pc.index(held["subject"], end).as_py()
            yield FilePart(_range(first, end.as_py()), held.slice(0, cut))
            held, first = held.slice(cut), end.as_py()
    yield FilePart(_range(first, before), held)


def _range(first: str, before: str | None) -> dict[str, str | None]:
    return {"subjects_from": first, "subjects_before": before}
