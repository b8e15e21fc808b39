"""A first mapping is proposed from a file, and a survey says what of a file is not mapped."""

import json
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from replay.errors import FaultyMapping
from replay.mapping.asking import ToRead
from replay.mapping.language.document import mapping_of
from replay.mapping.mapped import blocks_of
from replay.mapping.proposing import SAMPLE_BYTES, proposal
from replay.mapping.surveying import DISTINCT_MAX, UNMAPPED_MAX, SurveyedColumn, survey
from replay.mapping.tables import table_of
from replay.parsing.unpacking import BrokenInput
from tests.support.tables import mapping, rows_of, separated, write_arrow, write_table

HEADER = [
    "order_id",
    "seller_id",
    "customer_id",
    "paid_total",
    "paid_at",
    "carrier",
    "delivered_at",
    "score",
    "reviewed",
]
ROWS = [
    ["o-1", "m-1", "b-1", "129.90", "2022-11-01 10:00:00", "x", "2022-11-03 10:00:00", "5", "2022-11-04 10:00:00"],
    ["o-2", "m-1", "b-2", "7.00", "2022-11-01 11:00:00", "", "2022-11-03 12:00:00", "1", "2022-11-05 10:00:00"],
]
SAID = {
    "order.paid": {"order": "{order_id}", "buyer": "{customer_id}", "amount": "{paid_total|x100}"},
    "order.received": {"order": "{order_id}"},
    "review.posted": {"order": "{order_id}", "quality": "{score}"},
}


def written(folder: Path, form: str) -> Path:
    text = "\n".join(",".join(row) for row in [HEADER, *ROWS]) + "\n"
    objects = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
    contents = {
        "csv": text.encode(),
        "gb18030": text.replace("carrier", "承运").encode("gb18030"),
        "utf-16": text.encode("utf-16"),
        "tsv": text.replace(",", "\t").encode(),
        "jsonl": "".join(json.dumps(row) + "\n" for row in objects).encode(),
    }
    path = folder / "orders"
    if form in ("parquet", "arrow"):
        write_arrow(pa.Table.from_pylist(objects), str(path), form)
    else:
        path.write_bytes(contents[form])
    return path


@pytest.mark.parametrize("form", ["csv", "gb18030", "utf-16", "tsv", "jsonl", "parquet", "arrow"])
def test_a_proposal_reads_the_file_once_its_zone_is_said(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, form)
    found = tomllib.loads(proposal(str(path)))
    with pytest.raises(FaultyMapping, match="zone: is missing"):
        mapping_of(found, "m.toml")
    by = mapping_of(found | {"zone": "+08:00"}, "m.toml")
    assert {event["type"]: event["data"] for event in found["event"]} == SAID
    lines = [line for block in blocks_of(by, str(path)) for line in block.lines]
    assert len(lines) == 6 and all(lines)


def test_what_no_column_looks_like_has_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n", "utf-8")
    found: dict[str, Any] = tomllib.loads(proposal(str(tmp_path / "t.csv")))
    (event,) = found["event"]
    assert event["subject"] == "merchant/{?}" and found["columns"] == ["a", "b"]
    with pytest.raises(BrokenInput, match='has no column "\\?"'):
        list(blocks_of(mapping_of(found | {"zone": "Z"}, "m.toml"), str(tmp_path / "t.csv")))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b" \n", "is empty"),
        (b"\xff\xff\xff", "is no text that is known"),
        (b"PAR1x", "t cannot be read: "),
        (b"\xef\xbb\xbf", "has no whole line in its first 3 bytes; give a header and rows"),
        (b"\xff\xfe\n\0", "has no whole line in its first 4 bytes"),
        (b"a" * SAMPLE_BYTES, f"has no whole line in its first {SAMPLE_BYTES} bytes"),
        (b'a,b\n1,"' + b"2\n" * SAMPLE_BYTES, r"t:line:\d+ cannot be read: field larger than field limit"),
        (b'{"a": 1}\n{"a": ', "t:line:2 is no JSON object: "),
        (b'{"a": 1}\n\n[1]\n', "t:line:3 is no JSON object: "),
        (b'{"a": ' * 9_999, "t:line:1 is no JSON object: "),
    ],
)
def test_what_is_no_table_is_told(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(BrokenInput, match=told):
        proposal(str(tmp_path / "t"))


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_column_that_holds_no_texts_is_told(form: str, tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    for values in (pa.array([{"b": 1}]), pa.array(["甲".encode("gbk")]).view(pa.string())):
        write_arrow(pa.table({"a": values}), path, form)
        with pytest.raises(BrokenInput, match='t: column "a" holds '):
            proposal(path)


def test_lines_of_objects_end_at_line_feeds_alone(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('{"a": "x\u2028y\x85"}\r\n{"b": 1}\n', "utf-8")
    assert tomllib.loads(proposal(str(tmp_path / "t")))["columns"] == ["a", "b"]


def test_a_survey_counts_what_columns_hold_and_what_is_not_mapped(tmp_path: Path) -> None:
    rows = rows_of(40)
    for number in range(10):
        rows[number][4] = f"kind {number}"
    rows[11][3], rows[12][5] = "1.001", "today"
    path = write_table(tmp_path / "orders.csv", rows)
    (tmp_path / "orders.csv").write_text(separated(rows) + "o-99\n", "utf-8")
    asked = ToRead(mapping(), (path,), partial(blocks_of, mapping()), partial(table_of, mapping()))
    found = survey(asked, path)
    assert (found.rows, found.unreadable, found.fits) == (40, 1, False)
    for column, values in zip(found.columns, zip(*rows, strict=True), strict=True):
        assert (column.filled, column.distinct) == (sum(map(bool, values)), {value for value in values if value})
    unmapped = {column.name: column.unmapped for column in found.columns if column.unmapped}
    kinds = [f"kind {number}" for number in range(UNMAPPED_MAX)]
    assert unmapped == {"yuan": ["1.001"], "kind": kinds, "paid at": ["today"]}
    assert [column.name for column in found.columns if not column.uses] == ["note"]


def test_values_are_told_apart_within_bounds() -> None:
    column = SurveyedColumn("a", [], [])
    for number in range(DISTINCT_MAX + 10):
        column.take(str(number))
    assert (column.filled, len(column.distinct), column.has_more) == (DISTINCT_MAX + 10, DISTINCT_MAX, True)
