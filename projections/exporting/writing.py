"""Tables as the bytes of files, each named by its content, put into a place while others are read."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from projections.exporting.manifest import ExportedFile, FileForm
from projections.exporting.parts import FilePart
from projections.exporting.places import ExportPlace

if TYPE_CHECKING:
    import pyarrow as pa

WRITERS: Final = 2
WAITING_MAX: Final = 4
"""So many files wait at most to be written: memory is bounded."""
NAME_DIGITS: Final = 32
ROW_GROUP_ROWS: Final = 131_072
COMPRESSION: Final = "zstd"


def bytes_of(table: "pa.Table", form: FileForm) -> memoryview:
    """A table as a file holds it: the same for the same rows."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    if form == "csv":
        from pyarrow import csv

        csv.write_csv(table, sink)
    else:
        from pyarrow import parquet

        parquet.write_table(table, sink, compression=COMPRESSION, row_group_size=ROW_GROUP_ROWS)
    return memoryview(sink.getvalue())


class FileWriter:
    """Puts files into a place by threads of its own; a file that is known to be there is not put again."""

    def __init__(self, place: ExportPlace, form: FileForm, known: dict[str, ExportedFile]) -> None:
        self._place, self._form, self._known = place, form, known
        self._threads = ThreadPoolExecutor(WRITERS)
        self._waiting: deque[Future[ExportedFile]] = deque()
        self.written: list[ExportedFile] = []

    def put(self, folder: str, part: FilePart) -> "Future[ExportedFile]":
        """A file of some rows below a folder. What goes wrong is raised here, or where its result is asked for."""
        while len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft().result()
        found = self._threads.submit(self._put, folder, part)
        self._waiting.append(found)
        return found

    def _put(self, folder: str, part: FilePart) -> ExportedFile:
        content = bytes_of(part.table, self._form)
        digest = sha256(content).hexdigest()
        named = [folder, *(quote(value, safe="") for value in part.part.values() if _in_path(part) and value)]
        path = f"{'/'.join(named)}/{digest[:NAME_DIGITS]}.{self._form}"
        file = ExportedFile(path, part.table.num_rows, len(content), digest, part.part)
        known = self._known.get(path)
        if known is None or known.sha256 != digest:
            self._place.put(path, content)
            self.written.append(file)
        return file

    def __enter__(self) -> "FileWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._threads.shutdown(cancel_futures=kind is not None)


def _in_path(part: FilePart) -> bool:
    """Whether a part's values are short names, and no subjects."""
    return "month" in part.part
