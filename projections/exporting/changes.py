"""The feed of changes as a file: every level that changed behind a number, once, as it stands."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from projections.exporting.columns import FileColumn, Kind, file_columns
from projections.exporting.parts import LEVELS, in_order
from projections.exporting.reading import RowsAsked, ViewReader

if TYPE_CHECKING:
    import pyarrow as pa

CHANGES: Final = "changes"
_OWN: Final = (
    FileColumn("number", "number", Kind.WHOLE, False),
    FileColumn("subject", "subject", Kind.TEXT, False),
    FileColumn("scheme", "scheme", Kind.TEXT, False),
    FileColumn("position", "position", Kind.WHOLE, False),
    FileColumn("as_of", "as_of", Kind.INSTANT, False),
    FileColumn("gone", "gone", Kind.TRUTH, False),
)
_ORDER: Final = ("number",)


def change_columns_of_files() -> tuple[FileColumn, ...]:
    """Of which level, by which number and at which moment; whether it is gone; and the level's own columns."""
    level = [item._replace(is_nullable=True) for item in file_columns(LEVELS) if item.name not in ("subject", "scheme")]
    return (*_OWN, *level)


def changes_behind(reader: ViewReader, number: int) -> Iterator["pa.Table"]:
    """What changed behind a number of the feed, in order."""
    columns = change_columns_of_files()
    shown = {"gone": "l.subject IS NULL", "stale": "CASE WHEN l.subject IS NOT NULL THEN a.reason IS NOT NULL END"}
    shown |= {item.name: f"c.{item.name}" for item in _OWN if item.name != "gone"}
    named = ", ".join(f"{shown.get(item.name, f'l.{item.name}')} AS {item.name}" for item in columns)
    same = "{0}.subject = c.subject AND {0}.scheme = c.scheme"
    sql = (
        f"(SELECT {named} FROM {reader.named('changes')} AS c"
        f" LEFT JOIN {reader.of_build('levels')} AS l ON {same.format('l')}"
        f" LEFT JOIN {reader.of_build('set_aside')} AS a ON {same.format('a')}) AS changed"
    )
    for table in reader.asked(RowsAsked(sql, columns, _ORDER, "number", number + 1), CHANGES):
        yield in_order(table, _ORDER)


def subjects_behind(reader: ViewReader, number: int) -> Iterator[str]:
    """The subjects of which a level changed behind a number, each as often as one did."""
    columns = [item for item in _OWN if item.name in ("number", "subject")]
    rows = RowsAsked(reader.named(CHANGES), columns, _ORDER, "number", number + 1)
    for table in reader.asked(rows, CHANGES):
        yield from table["subject"].to_pylist()
