"""The rejects file: refused lines with their reasons, to be mended and ingested again."""

import os
import time
from pathlib import Path
from typing import BinaryIO, Final

from replay.beside import open_private
from replay.errors import StoreError, UsageError
from replay.lines import REFUSED_MARK
from replay.refusals import Reason, Refusal

NAMES_TRIED_MAX: Final = 10_000


class Rejects:
    """Made when the first line is refused, mode 0600, and never in the place of another file.

    Raises UsageError at once when no file can be made where it is wanted.
    """

    def __init__(self, path: Path | None) -> None:
        self._wanted = path or Path(time.strftime("rejects-%Y%m%dT%H%M%SZ.jsonl", time.gmtime()))
        folder = self._wanted.parent
        if not self._wanted.name or (self._wanted.exists() and not self._wanted.is_file()):
            raise UsageError(f"the rejects file '{self._wanted}' is not the name of a file; name one with --rejects")
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UsageError(f"the rejects file cannot be made in the folder {folder}; name another with --rejects")
        self._file: BinaryIO | None = None
        self.path: Path | None = None
        self.left_out = 0
        """Lines that are named there and not copied."""

    def write(self, where: str, refusal: Refusal, line: bytes) -> None:
        """Add a refused line below its reason; a line over the limit is named, not copied."""
        if self._file is None:
            self._file = self._create()
        self._file.write(REFUSED_MARK + f"{where}: {refusal.message}\n".encode("utf-8", "backslashreplace"))
        if refusal.reason is Reason.LINE_TOO_LONG:
            self.left_out += 1
        else:
            self._file.write(line + b"\n")

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
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
            return os.fdopen(handle, "wb")
        raise StoreError(f"{NAMES_TRIED_MAX} rejects files stand beside {self._wanted}; take some away")
