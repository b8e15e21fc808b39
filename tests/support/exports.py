"""What an export holds, read by its manifest as a stranger would, in the form in which views hold it."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet
from sqlalchemy import text

from projections.exporting.changes import change_columns_of_files
from projections.exporting.columns import NEVER, FileColumn, Kind, arrow_schema, exported_views, file_columns
from projections.exporting.export import ExportAsked, ExportReport, export
from projections.exporting.places import FolderPlace
from projections.views.database import Views

EPOCH = date(1970, 1, 1).toordinal()
Rows = list[tuple[Any, ...]]


def exported(views: Views, folder: Path, only: tuple[str, ...] = exported_views(), **asked: Any) -> ExportReport:
    """Export all views, or those asked for, to a folder."""
    return export(views, FolderPlace(folder), ExportAsked(only, **asked))


def manifest_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return found


def table_of(folder: Path, file: Mapping[str, Any], columns: tuple[FileColumn, ...]) -> pa.Table:
    """A file, whose bytes are those that the manifest tells of."""
    schema, path = arrow_schema(columns), folder / file["path"]
    assert path.stat().st_size == file["bytes"]
    if path.suffix == ".parquet":
        table = parquet.read_table(path, partitioning=None)
        assert table.schema.equals(schema), path
    else:
        converted = csv.ConvertOptions(
            column_types=schema, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        )
        table = csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=converted)
    assert table.num_rows == file["rows"]
    return table


def rows_in(table: pa.Table, columns: tuple[FileColumn, ...]) -> Rows:
    """Rows as the views hold them: instants and points whole numbers, days as the view has them."""
    values = [_values(table[item.shown], item.kind) for item in columns]
    return list(zip(*values, strict=True))


def _values(column: pa.ChunkedArray, kind: Kind) -> list[Any]:
    match kind:
        case Kind.INSTANT:
            return list(column.cast(pa.int64()).to_pylist())
        case Kind.DAY:
            return [None if found is None else found.isoformat() for found in column.to_pylist()]
        case Kind.NUMBERED_DAY:
            return [NEVER if found is None else found.toordinal() - EPOCH for found in column.to_pylist()]
        case Kind.POINTS:
            return [None if found is None else int(found * 10) for found in column.to_pylist()]
    return list(column.to_pylist())


def held(folder: Path, manifest: Mapping[str, Any] | None = None) -> dict[str, Rows]:
    """By view, the rows of an export, sorted."""
    told = manifest_in(folder) if manifest is None else manifest
    return {
        table["view"]: sorted(
            (
                row
                for file in table["files"]
                for row in rows_in(table_of(folder, file, file_columns(table["view"])), file_columns(table["view"]))
            ),
            key=repr,
        )
        for table in told["tables"]
    }


def shown(views: Views) -> dict[str, Rows]:
    """By view, the rows that the `v1_…` views show, sorted."""
    prefix = "" if views.schema is None else f"{views.schema}."
    with views.reading() as connection:
        found = {}
        for view in exported_views():
            truths = [item.kind is Kind.TRUTH for item in file_columns(view)]
            rows = [tuple(row) for row in connection.execute(text(f"SELECT * FROM {prefix}{view}"))]
            found[view] = sorted(
                (
                    tuple(
                        bool(value) if is_truth and value is not None else value
                        for value, is_truth in zip(row, truths, strict=True)
                    )
                    for row in rows
                ),
                key=repr,
            )
    return found


class LevelsByFeed:
    """A copy of the levels that is begun with one manifest and kept by what later ones tell of changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        told = manifest_in(folder)
        self.number = told["feed"]["number"]
        self.rows = {row[:2]: row for row in held(folder, told)["v1_levels"]}

    def take_over(self) -> Rows:
        """Take over what the manifest tells behind the number; the levels then, sorted."""
        told = manifest_in(self._folder)
        columns = change_columns_of_files()
        for change in told["changes"]:
            if change["upto"] <= self.number:
                continue
            assert change["after"] <= self.number, "the feed has a gap"
            for row in rows_in(table_of(self._folder, change["file"], columns), columns):
                number, subject, scheme, _, _, gone, *level = row
                assert change["after"] < number <= change["upto"]
                self.rows.pop((subject, scheme), None)
                if not gone:
                    self.rows[subject, scheme] = (subject, scheme, *level)
            self.number = change["upto"]
        assert self.number == told["feed"]["number"]
        return sorted(self.rows.values(), key=repr)
