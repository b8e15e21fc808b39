"""Terminals and pipes of whatever encoding: a character that one lacks is written as its JSON escape."""

import codecs
import io
import os
import sys
from typing import Final, TextIO

_HANDLER: Final = "levelbook-shown"
_ASCII: Final = "levelbook_ascii"
"""ASCII under another name: click takes a stream that says ascii for a mistake, and writes UTF-8 to it."""
_BEYOND_PLANE_0: Final = 0x10000


def prepare_streams() -> None:
    """Set standard output and error, once at the entry, so that no text fails to be written.

    The escapes are those of JSON, so that JSON on such a stream is still the same JSON.
    """
    codecs.register_error(_HANDLER, _escaped)
    codecs.register(_ascii_by_name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(errors=_HANDLER, encoding=_ASCII if is_ascii else None)


def is_watched(stream: TextIO) -> bool:
    """Whether a stream ends on a terminal that can do more than print lines."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def as_page(page: str) -> str:
    """An HTML page for standard output: where that is not UTF-8, which the page says it is, in ASCII alone."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if codecs.lookup(encoding).name == "utf-8":
        return page
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _ascii_by_name(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII:
        return None
    found = codecs.lookup("ascii")
    return codecs.CodecInfo(
        found.encode,
        found.decode,
        found.streamreader,
        found.streamwriter,
        found.incrementalencoder,
        found.incrementaldecoder,
        name=_ASCII,
    )


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_escape, error.object[error.start : error.end])), error.end


def _escape(character: str) -> str:
    code = ord(character)
    if code < _BEYOND_PLANE_0:
        return f"\\u{code:04x}"
    code -= _BEYOND_PLANE_0
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
