"""The elements of a JSON array, as they come: CloudEvents calls such a file a batch.

Each element is handed on as the bytes of one line. However long one is, no more of it than the limit is held.
"""

import re
from collections.abc import Iterator
from typing import Final

from domain.limits import LINE_BYTES_MAX

_OUTSIDE: Final = re.compile(rb'["{}\[\],\n\r]')
_INSIDE: Final = re.compile(rb'["\\\n\r]')
_BLANKS: Final = b" \t\n\r"


class Elements:
    """Splits an array into its elements, chunk by chunk."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_text = False
        self._escaped = False
        self._held = bytearray()
        self._after_comma = False
        self.ended = False
        """Whether the bracket that ends the array has come."""
        self.beyond = False
        """Whether anything but blanks came behind it."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The elements that are whole with this chunk."""
        at = 0
        while at < len(chunk):
            if self.ended:
                self.beyond = self.beyond or bool(chunk[at:].strip(_BLANKS))
                return
            if self._escaped:
                self._hold(chunk[at : at + 1])
                self._escaped, at = False, at + 1
                continue
            found = (_INSIDE if self._in_text else _OUTSIDE).search(chunk, at)
            end = len(chunk) if found is None else found.start()
            self._hold(chunk[at:end])
            if found is None:
                return
            at = end + 1
            yield from self._inside(found.group()) if self._in_text else self._outside(found.group())

    def _inside(self, mark: bytes) -> Iterator[bytes]:
        if mark in b"\n\r":
            mark = b"\t"  # a line end within text is refused as the control character that it is, and stays one line
        self._hold(mark)
        self._escaped = mark == b"\\"
        self._in_text = mark != b'"'
        return iter(())

    def _outside(self, mark: bytes) -> Iterator[bytes]:
        if mark in b"\n\r":
            self._hold(b" ")
            return
        if self._depth == 1 and mark == b",":
            yield self._taken() or mark  # nothing before a comma is a fault, to be refused as such
            self._after_comma = True
            return
        if mark == b"]" and self._depth == 1:
            self.ended = True
            last = self._taken()
            if last or self._after_comma:
                yield last or b","
            return
        self._in_text = mark == b'"'
        if self._depth or mark != b"[":
            self._hold(mark)
        self._depth = max(1, self._depth + (mark in b"[{") - (mark in b"]}"))

    def _hold(self, part: bytes) -> None:
        self._held += part[: max(0, LINE_BYTES_MAX + 1 - len(self._held))]

    def _taken(self) -> bytes:
        taken = bytes(self._held).strip(_BLANKS) if len(self._held) <= LINE_BYTES_MAX else bytes(self._held)
        self._held.clear()
        return taken
