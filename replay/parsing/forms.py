"""What a file is, by its first bytes: lines of JSON or a JSON array; or else named once and refused whole.

An archive whose members are read as lines loses the first event of each to the header before it, and in a backfill
that can never be mended: so the first bytes decide, before anything is recorded.
"""

import re
from enum import Enum
from typing import Final

HEAD_BYTES: Final = 4096
"""So much of a file is looked at, where it is there."""
UTF8_MARK: Final = b"\xef\xbb\xbf"
_TAR_BLOCK: Final = 512
_TAR_SUM: Final = slice(148, 156)


class Form(Enum):
    """What can be read."""

    LINES = "JSON Lines"
    ARRAY = "a JSON array"


_UNPACK: Final = "unpack it, and ingest what is in it"
_EXPORT: Final = "export it as JSON Lines, one event a line"
_MAP: Final = "give --map MAPPING, which says what its columns mean ('levelbook map new FILE' proposes one)"
_RECODE: Final = "save it as UTF-8"
_MAGIC: Final = (
    (b"PAR1", "a Parquet file", _MAP),
    (b"ARROW1", "an Arrow file", _MAP),
    (b"\xff\xff\xff\xff", "an Arrow stream", _MAP),
    (b"ORC", "an ORC file", _EXPORT),
    (b"Obj\x01", "an Avro file", _EXPORT),
    (b"SQLite format 3\x00", "an SQLite database", _EXPORT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file", _EXPORT),
    (b"%PDF-", "a PDF", _EXPORT),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK),
    (b"\x1f\x8b", "packed with gzip", _UNPACK),
    (b"BZh", "packed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "packed with xz", _UNPACK),
    (b"\x04\x22\x4d\x18", "packed with lz4", _UNPACK),
    (b"\xff\x06\x00\x00sNaPpY", "packed with snappy", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"!<arch>\n", "an ar archive", _UNPACK),
    (b"07070", "a cpio archive", _UNPACK),
    (b"\xff\xfe\x00\x00", "text in UTF-32", _RECODE),
    (b"\x00\x00\xfe\xff", "text in UTF-32", _RECODE),
    (b"\xff\xfe", "text in UTF-16", _RECODE),
    (b"\xfe\xff", "text in UTF-16", _RECODE),
)
_UNMARKED: Final = re.compile(rb"[\[{]\x00\x00\x00|\x00\x00\x00[\[{]|[\[{]\x00|\x00[\[{]")
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_SHEET: Final = re.compile(rb"\[Content_Types\]\.xml|xl/|word/|mimetype")
_SEPARATORS: Final = (b",", b";", b"\t", b"|")


def is_enough(head: bytes) -> bool:
    """Whether so much of a file tells what it is, so that a pipe is not waited for without need."""
    if len(head) >= HEAD_BYTES:
        return True
    first, *others = _lines(head)
    if not others:  # the first line is not whole
        return False
    is_array = first.startswith(b"[") and not first.endswith(b"]")
    return is_array or first.startswith(b"#") or _is_whole(first) or len(others) > 1


def form_of(head: bytes) -> Form | str:
    """What a file can be read as, or what else it is and what to do, for a message after the file's name."""
    if head.startswith(_ZIP):
        return f"is {'a sheet or document of Office' if _SHEET.search(head) else 'a zip archive'}; " + (
            _EXPORT if _SHEET.search(head) else _UNPACK
        )
    for mark, what, advice in _MAGIC:
        if head.startswith(mark):
            return f"is {what}; {advice}"
    if _is_tar(head):
        return f"is a tar archive; {_UNPACK}"
    if found := _UNMARKED.match(head):
        return f"is text in UTF-{16 if len(found.group()) == 2 else 32}; {_RECODE}"
    return _form_of_text(head.removeprefix(UTF8_MARK))


def _form_of_text(text: bytes) -> Form | str:
    first, *others = [*_lines(text), b""]
    if first.startswith(b"[") and not (first.endswith(b"]") and others[0].startswith(b"{")):
        return Form.ARRAY
    if first.startswith(b"<"):
        page = re.match(rb"<(?:!doctype\s+html|html|head|body)", first, re.IGNORECASE)
        return f"is {'an HTML page' if page else 'XML'}; {_EXPORT}"
    if first.startswith(b"{") and not _is_whole(first) and others[0].startswith((b'"', b"}")):
        return "holds an object over several lines; write one event a line, for example by: jq -c ."
    if _is_table(first, others[0]):
        return f"is a table of separated values (CSV); {_MAP}"
    return Form.LINES


def _lines(head: bytes) -> list[bytes]:
    """The lines that begin in a head, without blank ones; the last is what follows the last line end."""
    *lines, rest = head.removeprefix(UTF8_MARK).split(b"\n")
    return [line.strip() for line in lines if line.strip()] + [rest.strip()]


def _is_whole(line: bytes) -> bool:
    """Whether a line may be an object that ends where the line ends."""
    return line.startswith(b"{") and not line.endswith((b"{", b"[", b",", b":"))


def _is_table(first: bytes, second: bytes) -> bool:
    """Names or values with one and the same separator in the first two lines, and nothing of JSON."""
    if not first or first.startswith(b"#") or b"{" in first + second or b'":' in first:
        return False
    return any(first.count(mark) and first.count(mark) == second.count(mark) for mark in _SEPARATORS) or (
        not second and re.fullmatch(rb'"?[A-Za-z_ ]+"?(?:,"?[A-Za-z_ ]+"?)+', first) is not None
    )


def _is_tar(head: bytes) -> bool:
    """By the sum that each header bears of itself, which older forms of tar have, too."""
    block = head[:_TAR_BLOCK]
    if len(block) < _TAR_BLOCK:
        return False
    noted = re.fullmatch(rb"[ 0]*([0-7]{1,6})[\x00 ]*", block[_TAR_SUM])
    return noted is not None and int(noted[1], 8) == sum(block) - sum(block[_TAR_SUM]) + 8 * ord(" ")
