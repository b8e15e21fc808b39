"""Arrow's reader of separated values gives what the standard library's strict reader gives, or nothing."""

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from replay.mapping.columnwise.separated import is_utf8, rows_within

CHARS_MAX = 1 << 17


def strictly(text: str, delimiter: str) -> list[list[str]] | None:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return None


PIECES = ['"', '""', ",", ",", "\n", "\n", "\r\n", "\r", "a", "b", "店", " ", "'", "\\", "\0", ";", "\t"]


@given(st.lists(st.sampled_from(PIECES)), st.integers(1, 3), st.sampled_from(",;\t|\"'a\\"))
@example(['a"b,c', "\n"], 2, ",")
@example(['"a"b,c', "\n"], 2, ",")
@example(['"a,c', "\n"], 2, ",")
@example(['"a""","\n\n"'], 2, ",")
@example(["\n", "a", "\n"], 1, ",")
@example(['""', "\n"], 1, ",")
def test_what_is_read_is_what_the_strict_reader_reads(pieces: list[str], width: int, delimiter: str) -> None:
    text = "".join(pieces)
    names = [f"c{number}" for number in range(width)]
    if delimiter == '"':
        assert rows_within(text.encode(), names, names, delimiter, CHARS_MAX) is None
        return
    found = rows_within(text.encode(), names, names, delimiter, CHARS_MAX)
    if found is not None:
        assert [list(row) for row in found] == strictly(text, delimiter)


def test_plain_rows_are_read() -> None:
    """Or the test above would say nothing."""
    text = 'a,"b, ""c""\n",d\r\n,"",\n店,2,3'
    found = rows_within(text.encode(), ["x", "y", "z"], ["z", "x"], ",", CHARS_MAX)
    assert found is not None
    assert [list(row) for row in found] == [["a", "", "d"], ["", "", ""], ["店", "", "3"]], "y is not wanted"
    assert found[2] == ["店", "", "3"] and [list(row) for row in found[1:]] == [["", "", ""], ["店", "", "3"]]


def test_a_value_as_long_as_is_refused_is_left_to_the_strict_reader() -> None:
    names = ["x", "y"]
    assert rows_within(b"a,b\n" * 9, names, names, ",", 10) is not None
    assert rows_within(b"a,b\n" * 9 + b"a," + b"b" * 10 + b"\n", names, names, ",", 10) is None


def test_what_is_utf8() -> None:
    assert is_utf8("a店".encode()) and is_utf8(b"")
    assert (
        not is_utf8(b"a\xff")
        and not is_utf8("店".encode()[:2])
        and not is_utf8("\ud800".encode("utf-8", "surrogatepass"))
    )
