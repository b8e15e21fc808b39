"""The rejects file, a quarantine: refused lines with their reasons, to be mended and ingested again."""

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from replay.errors import StoreError, UsageError
from replay.parsing.lines import REFUSED_MARK
from replay.parsing.refusals import Reason, Refusal
from replay.store.beside import open_private, sync
from replay.store.location import is_postgres

NAMES_TRIED_MAX: Final = 10_000


def rejects_beside(location: str) -> Path:
    """Where refused lines go unless a file is named: beside an SQLite store, else in the working folder."""
    name = time.strftime("rejects-%Y%m%dT%H%M%SZ.jsonl", time.gmtime())
    return Path(name) if is_postgres(location) else Path(location).parent / name


class Rejects:
    """Made when the first line is refused, mode 0600, and never in the place of another file.

    Raises UsageError at once when no file can be made where it is wanted: a file is made there, and goes again.
    """

    def __init__(self, path: Path) -> None:
        self._wanted = path
        folder = path.parent
        if not path.name or (path.exists() and not path.is_file()):
            raise UsageError(f"the rejects file '{path}' is not the name of a file; name one with --rejects")
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            raise UsageError(
                f"the rejects file cannot be made in the folder {folder}; name another with --rejects"
            ) from None
        self._file: BinaryIO | None = None
        self._dirty = False
        self.path: Path | None = None
        self.left_out = 0
        """Lines that are named there and not copied."""

    def write(self, where: str, refusal: Refusal, line: bytes) -> None:
        """Add a refused line below its reason; a line over the limit is named, not copied."""
        reason = REFUSED_MARK + f"{where}: {refusal.message}\n".encode("utf-8", "backslashreplace")
        try:
            if self._file is None:
                self._file = self._create()
            self._dirty = True
            self._file.write(reason)
            if refusal.reason is Reason.LINE_TOO_LONG:
                self.left_out += 1
            else:
                self._file.write(line + b"\n")
        except OSError as error:
            raise self._failure(error) from error

    def sync(self) -> None:
        """Wait until what was written is on the disk. Raises StoreError when the disk does not take it."""
        if self._file is None or not self._dirty:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failure(error) from error
        self._dirty = False

    def close(self) -> None:
        """Bring to the disk what was written, and close the file. Raises StoreError like `sync`."""
        try:
            self.sync()
        finally:
            if self._file is not None:
                with suppress(OSError):  # what could not be written was said by `sync`
                    self._file.close()

    def _create(self) -> BinaryIO:
        path = self._wanted
        for number in range(2, NAMES_TRIED_MAX):
            try:
                handle = open_private(path, os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                path = self._wanted.with_name(f"{self._wanted.stem}-{number}{self._wanted.suffix}")
                continue
            self.path = path
            sync(path.parent)
            return os.fdopen(handle, "wb")
        raise StoreError(f"{NAMES_TRIED_MAX} rejects files stand beside {self._wanted}; take some away")

    def _failure(self, error: OSError) -> StoreError:
        return StoreError(
            f"the rejects file {self.path or self._wanted} cannot be written: {error.strerror or error}; what was"
            " acknowledged is safe. Make space, then ingest the same files again"
        )
