"""Rows as CSV, for people who go on with them in a spreadsheet: RFC 4180, UTF-8, a column a key of the answer.

A text that a spreadsheet would take for a formula has an apostrophe before it. Behind a row's own columns stands at
which moment it is: a file is taken from hand to hand.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any, Final

import msgspec
from marshmallow import Schema, fields

CSV_TYPE: Final = "text/csv; charset=utf-8; header=present"
MOMENT: Final = ("position", "as_of", "known_at", "program")
"""Of the whole answer: its keys are columns behind those of each row, under `answer.`."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_FIGURE: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z")


def csv_of(body: dict[str, Any], listed: str, columns: Sequence[str] = ()) -> str:
    """The rows of an answer; `columns` stand first, also where there is no row."""
    flat = [dict(_flat(msgspec.to_builtins(row), "")) for row in body[listed]]
    names = list(dict.fromkeys([*columns, *(name for row in flat for name in row)]))
    names = [name for name in names if not any(other.startswith(f"{name}.") for other in names)]
    moment = {f"answer.{name}": body[name] for name in MOMENT if name in body}
    written = StringIO()
    sheet = csv.writer(written, lineterminator="\r\n")
    sheet.writerow([*names, *moment])
    for row in flat:
        sheet.writerow([cell(value) for value in (*(row.get(name) for name in names), *moment.values())])
    return written.getvalue()


def _flat(row: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    """A row's keys with those of the objects in it; a list stands as JSON in its cell."""
    for name, value in row.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", value


def columns_of(schema: type[Schema], listed: str) -> list[str]:
    """The columns that rows of an answer have by its schema."""
    rows = schema().fields[listed]
    assert isinstance(rows, fields.List) and isinstance(rows.inner, fields.Nested)
    return list(_names(rows.inner.schema, ""))


def _names(schema: Schema, place: str) -> Iterator[str]:
    for name, field in schema.fields.items():
        if isinstance(field, fields.Nested):
            yield from _names(field.schema, f"{place}{name}.")
        elif not isinstance(field, fields.Dict):
            yield f"{place}{name}"


def prefers_csv(accept: str) -> bool:
    """Whether a header Accept names CSV, and nothing before it that JSON would do for."""
    named = [item.partition(";")[0].strip().lower() for item in accept.split(",")]
    wanted = [name for name in named if name in ("text/csv", "application/json", "*/*", "application/*")]
    return wanted[:1] == ["text/csv"]


def cell(value: Any) -> str:
    """A value as it stands in a cell; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return msgspec.json.encode(value).decode()
    text = str(value)
    if isinstance(value, str) and text.startswith(_FORMULA) and not _FIGURE.match(text):
        return f"'{text}"
    return text
