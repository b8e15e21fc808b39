"""The feed of changes as a file: every level that changed behind a number, once, as it stands."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from projections.exporting.columns import FileColumn, Kind, file_columns
from projections.exporting.parts import LEVELS
from projections.exporting.reading import ViewReader

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


def change_columns_of_files() -> tuple[FileColumn, ...]:
    """Of which level, by which number and at which moment; whether it is gone; and the level's own columns."""
    level = [item._replace(is_nullable=True) for item in file_columns(LEVELS) if item.name not in ("subject", "scheme")]
    return (*_OWN, *level)


def changes_behind(reader: ViewReader, build: int, number: int) -> Iterator["pa.Table"]:
    """What changed behind a number of the feed, in order."""
    levels, aside = (reader.named(f"b{build}_{name}") for name in ("levels", "set_aside"))
    columns = change_columns_of_files()
    shown = {"gone": "l.subject IS NULL", "stale": "CASE WHEN l.subject IS NOT NULL THEN a.reason IS NOT NULL END"}
    shown |= {item.name: f"c.{item.name}" for item in _OWN if item.name != "gone"}
    named = ", ".join(shown.get(item.name, f"l.{item.name}") for item in columns)
    same = "{0}.subject = c.subject AND {0}.scheme = c.scheme"
    sql = (
        f"SELECT {named} FROM {reader.named('changes')} AS c LEFT JOIN {levels} AS l ON {same.format('l')}"
        f" LEFT JOIN {aside} AS a ON {same.format('a')} WHERE c.number > {reader.sign} ORDER BY c.number"
    )
    yield from reader.asked(sql, [number], columns)


def subjects_behind(reader: ViewReader, number: int) -> Iterator[str]:
    """The subjects of which a level changed behind a number."""
    sql = f"SELECT DISTINCT subject FROM {reader.named('changes')} WHERE number > {reader.sign}"
    subject = FileColumn("subject", "subject", Kind.TEXT, False)
    for table in reader.asked(sql, [number], [subject]):
        yield from table["subject"].to_pylist()
