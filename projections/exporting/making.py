"""The files of one export, made of what is read at one moment."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from projections.exporting.changes import CHANGES, change_columns_of_files, changes_behind, subjects_behind
from projections.exporting.columns import FileColumn, arrow_schema, file_columns, order_of
from projections.exporting.manifest import ExportedChanges, ExportedColumn, ExportedFile, ExportedView, ExportManifest
from projections.exporting.parts import LEVELS, FilePart, parts_of, ranges_of, whole_of
from projections.exporting.reading import ViewReader
from projections.exporting.writing import FileWriter

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[str, int, int], None]
PHASE: Final = "exporting"
MOVES_ALONE: Final = ("v1_set_aside", "v1_shadow_levels", "v1_shadow_drift")
"""Views that may change where the live build takes no step: a level that is taken up in vain, and shadows."""
Awaited = ExportedFile | Future[ExportedFile]


class FilesOfViews:
    """Makes the files of views, and leaves those that an earlier manifest tells of and that nothing has changed."""

    def __init__(
        self, reader: ViewReader, writer: FileWriter, base: ExportManifest | None, *, at_rest: bool, progress: Progress
    ) -> None:
        """`base`: the manifest that is gone on from; `at_rest`: the views have taken no step since."""
        self._reader, self._writer, self._base = reader, writer, base
        self._at_rest = at_rest
        self._told = progress
        self._total = 0 if base is None else sum(table.rows for table in base.tables)
        self._done = 0

    def view(self, view: str) -> Callable[[], ExportedView]:
        """Begin to write a view; what is given waits until its files are there."""
        before = self._before(view)
        files: list[Awaited]
        if before is not None and self._at_rest and view not in MOVES_ALONE:
            files = list(before.files)
        elif view == LEVELS:
            files = list(self._levels(before))
        else:
            rows = self._read(self._reader.rows(view))
            parts = parts_of(rows, arrow_schema(file_columns(view)), order_in_files(view))
            files = [self._writer.put(view, part) for part in parts]
        return lambda: _exported_view(view, [_file(item) for item in files])

    def changes(self, after: int, upto: int) -> Callable[[], ExportedChanges]:
        """Begin to write what the feed tells behind a number."""
        schema = arrow_schema(change_columns_of_files())
        file = self._writer.put(CHANGES, whole_of(changes_behind(self._reader, after), schema))
        return lambda: ExportedChanges(after, upto, file.result())

    def _before(self, view: str) -> ExportedView | None:
        if self._base is None:
            return None
        return next((table for table in self._base.tables if table.view == view), None)

    def _levels(self, before: ExportedView | None) -> Iterator[Awaited]:
        """Ranges of levels: read are those in which the feed tells of a change."""
        if before is None or self._base is None:
            for part in self._range("", None):
                yield self._writer.put(LEVELS, part)
            return
        touched = sorted({*subjects_behind(self._reader, self._base.feed.number)})
        for file in before.files:
            first, end = file.part["subjects_from"] or "", file.part["subjects_before"]
            place = bisect_left(touched, first)
            if place == len(touched) or (end is not None and touched[place] >= end):
                yield file
            else:
                for part in self._range(first, end):
                    yield self._writer.put(LEVELS, part)

    def _range(self, first: str, end: str | None) -> Iterator[FilePart]:
        rows = self._read(self._reader.rows(LEVELS, (first, end)))
        return ranges_of(rows, arrow_schema(file_columns(LEVELS)), order_in_files(LEVELS), first, end)

    def _read(self, tables: "Iterable[pa.Table]") -> "Iterator[pa.Table]":
        for table in tables:
            self._done += table.num_rows
            self._told(PHASE, self._done, max(self._total, self._done) if self._total else 0)
            yield table


def _file(awaited: Awaited) -> ExportedFile:
    return awaited if isinstance(awaited, ExportedFile) else awaited.result()


def _exported_view(view: str, files: Sequence[ExportedFile]) -> ExportedView:
    columns = told_columns(file_columns(view))
    return ExportedView(view, sum(file.rows for file in files), order_in_files(view), columns, list(files))


def order_in_files(view: str) -> list[str]:
    """By which columns of files the rows of a view are ordered."""
    shown = {item.name: item.shown for item in file_columns(view)}
    return [shown[name] for name in order_of(view)]


def told_columns(columns: Sequence[FileColumn]) -> list[ExportedColumn]:
    """Columns as a manifest tells of them."""
    return [ExportedColumn(field.name, str(field.type), field.nullable) for field in arrow_schema(columns)]
