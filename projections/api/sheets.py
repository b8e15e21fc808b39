"""Rows as CSV or Parquet, for people who go on with them elsewhere: a column a key of the answer, joined by dots.

CSV is RFC 4180 in UTF-8; a text that a spreadsheet would take for a formula has an apostrophe before it. In Parquet
whole numbers are int64, all else is text as it stands in the answer, instants as RFC 3339: they may have nine decimals.
Behind a row's own columns stands of what and of which moment it is: a file is taken from hand to hand.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO, StringIO
from typing import Any, Final, NamedTuple

import msgspec
from marshmallow import Schema, fields

from replay.extras import need

CSV_TYPE: Final = "text/csv; charset=utf-8; header=present"
PARQUET_TYPE: Final = "application/vnd.apache.parquet"
FORMS: Final = {"text/csv": "csv", PARQUET_TYPE: "parquet"}
"""By the media type that names it, the form in which rows are had beside JSON."""
MOMENT: Final = ("subject", "scheme", "policy", "policy_hash", "position", "as_of", "known_at", "program")
"""Of the whole answer, and of both sides of a comparison: columns behind those of each row, under `answer.`."""
SIDES: Final = ("from", "to", "against")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_FIGURE: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z")
_MISSING: Final[dict[str, Any]] = {}


class SheetRows(NamedTuple):
    """Which rows of an answer are had as a sheet."""

    lists: tuple[str, ...]
    """The keys of its lists, one behind the other."""
    within: str | None = None
    """A list in each of these rows, of which every item is a row; a row without any stands alone."""

    def of(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows, with objects in them."""
        rows: list[dict[str, Any]] = [msgspec.to_builtins(row) for name in self.lists for row in body[name]]
        if self.within is None:
            return rows
        return [row | {self.within: item} for row in rows for item in row[self.within] or [None]]

    def columns(self, schema: type[Schema]) -> dict[str, str]:
        """Their columns by the schema of the answer, each with its kind: integer, boolean, text or object."""
        found: dict[str, str] = {}
        for name in self.lists:
            rows = schema().fields[name]
            assert isinstance(rows, fields.List) and isinstance(rows.inner, fields.Nested)
            found |= dict(_columns(rows.inner.schema, "", self.within))
        return found


def _columns(schema: Schema, place: str, within: str | None) -> Iterator[tuple[str, str]]:
    for key, field in schema.fields.items():
        name = f"{place}{field.data_key or key}"
        inner = field.inner if isinstance(field, fields.List) and name == within else field
        if isinstance(inner, fields.Nested):
            yield from _columns(inner.schema, f"{name}.", None)
        else:
            yield name, _kind(inner)


def _kind(field: fields.Field[Any]) -> str:
    kinds = {fields.Integer: "integer", fields.Boolean: "boolean", fields.Dict: "object"}
    return next((kind for form, kind in kinds.items() if isinstance(field, form)), "text")


def moment_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the last columns say of an answer."""
    told = {"": body, **{f"{side}.": body[side] for side in SIDES if isinstance(body.get(side), dict)}}
    return {f"answer.{place}{name}": of[name] for place, of in told.items() for name in MOMENT if name in of}


def csv_of(rows: Iterable[Mapping[str, Any]], moment: Mapping[str, Any], columns: Mapping[str, str] = _MISSING) -> str:
    """Rows as CSV; `columns` stand first, also where there is no row."""
    flat = [dict(_flat(row, "")) for row in rows]
    first = [name for name, kind in columns.items() if kind != "object"]
    names = list(dict.fromkeys([*first, *(name for row in flat for name in row)]))
    names = [name for name in names if not any(other.startswith(f"{name}.") for other in names)]
    written = StringIO()
    sheet = csv.writer(written, lineterminator="\r\n")
    sheet.writerow([*names, *moment])
    for row in flat:
        sheet.writerow([cell(value) for value in (*(row.get(name) for name in names), *moment.values())])
    return written.getvalue()


def parquet_of(rows: Sequence[Mapping[str, Any]], moment: Mapping[str, Any], columns: Mapping[str, str]) -> bytes:
    """Rows as Parquet, with the same columns of the same types whatever stands in them; an object is JSON."""
    need(("pyarrow",), "Parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"integer": pa.int64(), "boolean": pa.bool_()}
    kinds = {**columns, **{name: "integer" if name.endswith(".position") else "text" for name in moment}}
    made = {}
    for name, kind in kinds.items():
        values = [moment[name] if name in moment else _within(row, name) for row in rows]
        if kind not in types:
            values = [None if value is None else _text(value) for value in values]
        made[name] = pa.array(values, types.get(kind, pa.string()))
    written = BytesIO()
    pq.write_table(pa.table(made), written, compression="zstd")
    return written.getvalue()


def _within(row: Any, name: str) -> Any:
    """What a row has at the place that a column names; None for nothing."""
    found = row
    for key in name.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _flat(row: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    """A row's keys with those of the objects in it; a list stands as JSON in its cell."""
    for name, value in row.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", value


def preferred(accept: str) -> str:
    """The form that a header Accept names before any other that it would do with: csv, parquet or json."""
    named = [item.partition(";")[0].strip().lower() for item in accept.split(",")]
    wanted = [name for name in named if name in (*FORMS, "application/json", "*/*", "application/*")]
    return FORMS.get(wanted[0], "json") if wanted else "json"


def cell(value: Any) -> str:
    """A value as it stands in a cell; nothing for null."""
    text = "" if value is None else _text(value)
    if isinstance(value, str) and text.startswith(_FORMULA) and not _FIGURE.match(text):
        return f"'{text}"
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return msgspec.json.encode(value).decode()
    return str(value)
