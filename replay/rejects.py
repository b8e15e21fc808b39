"""The rejects file: refused lines with their reasons, to be mended and ingested again."""

import os
import time
from pathlib import Path
from typing import BinaryIO

from replay.lines import REFUSED_MARK
from replay.refusals import Reason, Refusal


class Rejects:
    """Made when the first line is refused, mode 0600, and never in the place of another file."""

    def __init__(self, path: Path | None) -> None:
        self._wanted = path
        self._file: BinaryIO | None = None
        self.path: Path | None = None

    def write(self, where: str, refusal: Refusal, line: bytes) -> None:
        """Add a refused line below its reason; a line over the limit is named, not copied."""
        if self._file is None:
            self._file = self._create()
        self._file.write(REFUSED_MARK + f"{where}: {refusal.message}\n".encode("utf-8", "backslashreplace"))
        if refusal.reason is not Reason.LINE_TOO_LONG:
            self._file.write(line + b"\n")

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _create(self) -> BinaryIO:
        first = self._wanted or Path(time.strftime("rejects-%Y%m%dT%H%M%SZ.jsonl", time.gmtime()))
        path = first
        for number in range(2, 10_000):
            try:
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                break
            except FileExistsError:
                path = first.with_name(f"{first.stem}-{number}{first.suffix}")
        self.path = path
        return os.fdopen(handle, "wb")
