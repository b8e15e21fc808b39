"""The law of the way of columns: lines and refusals are those of the way of rows, byte by byte, whatever rows hold."""

import codecs
import csv
import io
import random
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replay.errors import FaultyMapping
from replay.intake import parallel
from replay.intake.converting import converted
from replay.intake.parallel import decode_block
from replay.intake.rejects import Rejects
from replay.mapping import mapped, separated
from replay.mapping.language.document import Mapping, mapping_of
from replay.mapping.mapped import blocks_of
from replay.mapping.mapped_columns import MappedColumns
from replay.mapping.separated import separated_table
from replay.parsing.refusals import Refusal
from replay.parsing.unpacking import BrokenInput, Unpacked
from tests.conftest import SOAK
from tests.support.mappings import Chance, random_mapping, random_table
from tests.support.tables import COLUMNS, DOCUMENT, mapping, plain_events, rows_of, write_table
from tests.support.tables import separated as as_text

CASES = 40 * SOAK


@pytest.fixture(autouse=True)
def columns_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short a table is, in blocks of few rows, and in this process."""
    monkeypatch.setattr(parallel, "BLOCKS_BEFORE_HELP", 1_000)
    monkeypatch.setattr(separated, "BYTES_BEFORE_COLUMNS", 0)
    monkeypatch.setattr(mapped, "BATCHES_BEFORE_COLUMNS", 0)
    monkeypatch.setattr(mapped, "BATCH_LINES_MAX", 80)
    monkeypatch.setattr(mapped, "BATCHES_AT_ONCE", 1)


Line = tuple[str, bytes]


def lines_of(by: Mapping, path: Path, *, by_column: bool) -> tuple[list[Line], list[tuple[Any, ...]], str]:
    """Every line with its row and columns; every refusal with what is kept; and how a file broke off."""
    lines: list[Line] = []
    refusals: list[tuple[Any, ...]] = []
    try:
        for block in blocks_of(by, str(path), by_column=by_column):
            found = decode_block(block)
            lines += [(f"{block.number(at)} {block.columns(at)}", line) for at, line in enumerate(block.lines) if line]
            refusals += found.refused
            assert len(found.candidates) + len(found.refused) + found.passed_over == len(block.lines)
    except BrokenInput as error:
        return lines, refusals, str(error)
    return lines, refusals, ""


class Told:
    """What a conversion tells."""

    def __init__(self) -> None:
        self.lines: list[object] = []
        self.events = self.passed_over = 0

    def refused(self, where: str, refusal: Refusal) -> None:
        self.lines.append((where, refusal))

    def broken(self, problem: str) -> None:
        self.lines.append(problem)

    def converted(self, events: int, passed_over: int) -> None:
        self.events += events
        self.passed_over += passed_over


def conversion(by: Mapping, path: Path, *, by_column: bool) -> tuple[Any, ...]:
    rejects = Rejects(path.with_suffix(f".rejects-{by_column}"))
    told = Told()
    read = partial(blocks_of, by, proving=True, by_column=by_column)
    text = b"".join(converted([str(path)], read, told, rejects))
    rejects.close()
    kept = rejects.path.read_bytes() if rejects.path else b""
    if rejects.path:
        rejects.path.unlink()
    return text, told.lines, told.events, told.passed_over, kept


def in_columns(by: Mapping, path: Path) -> tuple[int, int]:
    """How many blocks went by columns, and how many there were."""
    found: list[bool] = []
    with suppress(BrokenInput):
        for block in blocks_of(by, str(path), proving=True):
            found.append(isinstance(block.origin, MappedColumns))
    return sum(found), len(found)


def compare(by: Mapping, path: Path) -> None:
    assert lines_of(by, path, by_column=True) == lines_of(by, path, by_column=False)
    assert conversion(by, path, by_column=True) == conversion(by, path, by_column=False)


def write_csv(chance: Chance, path: Path, names: list[str], rows: list[list[str]]) -> None:
    held = io.StringIO()
    end = chance.choice(["\n", "\n", "\r\n"])
    quoted = chance.random() < 0.3
    writer = csv.writer(held, lineterminator=end, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerows([names, *rows])
    text = held.getvalue()
    for _ in range(chance.choice([0, 0, 0, 2])):
        at = chance.randrange(len(",".join(names)), len(text))
        text = text[:at] + chance.choice(["\n", '"', ",", "\r", "\n\n", "x"]) + text[at:]
    content = text.encode()
    if chance.random() < 0.1:
        at = chance.randrange(len(content))
        content = content[:at] + b"\xff" + content[at:]
    path.write_bytes(content)


def worlds(seed: str, form: str) -> Iterator[tuple[Chance, Mapping, list[str], list[list[str]]]]:
    chance = random.Random(f"{seed} {form}")
    for _ in range(CASES):
        document, columns = random_mapping(chance, form)
        rows = random_table(chance, columns, chance.choice([1, 30, 120]))
        try:
            by = mapping_of(document, "m.toml")
        except FaultyMapping:
            continue
        by = by._replace(ignored=frozenset(columns) - set(by.columns))
        yield chance, by, list(columns), rows


@pytest.mark.slow
def test_separated_values_are_the_same_in_columns_and_in_rows(tmp_path: Path) -> None:
    went, blocks = 0, 0
    for chance, by, names, rows in worlds("law", "csv"):
        write_csv(chance, tmp_path / "t.csv", names, rows)
        compare(by, tmp_path / "t.csv")
        more, of = in_columns(by, tmp_path / "t.csv")
        went, blocks = went + more, blocks + of
    assert went > blocks // 3, f"{went} of {blocks} blocks went by columns"


@pytest.mark.slow
def test_rows_of_json_are_the_same_in_columns_and_in_rows(tmp_path: Path) -> None:
    for chance, by, names, rows in worlds("law", "jsonl"):
        lines = [msgspec.json.encode(dict(zip(names, row, strict=True))) for row in rows]
        for _ in range(chance.choice([0, 3])):
            lines[chance.randrange(len(lines))] = chance.choice(
                [b"", b"{}", b"[]", b'{"id 0":"\\ud800"}', b'{"id 0":[]}']
            )
        (tmp_path / "t.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        compare(by, tmp_path / "t.jsonl")


@pytest.mark.slow
def test_parquet_is_the_same_in_columns_and_in_rows(tmp_path: Path) -> None:
    for chance, by, names, rows in worlds("law", "parquet"):
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        made = {name: typed(chance, list(values)) for name, values in columns.items()}
        pq.write_table(pa.table(made), tmp_path / "t.parquet", row_group_size=chance.choice([33, 1_000]))
        compare(by, tmp_path / "t.parquet")


def typed(chance: Chance, values: list[str]) -> Any:
    """Values as they are, or as a type that all of them have; nothing in the place of what is empty."""
    found = pa.array([value or None if chance.random() < 0.9 else value for value in values], pa.string())
    if chance.random() < 0.4:
        return found.dictionary_encode()
    for kind in (pa.int64(), pa.float64(), pa.timestamp("us"), pa.timestamp("ms", "Asia/Shanghai")):
        try:
            return found.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    return found


def in_rows(tmp_path: Path, count: int, **odd: str) -> Path:
    """A file of orders; in the tenth row a column has another value."""
    rows = rows_of(count)
    for column, value in odd.items():
        rows[9][COLUMNS.index(column)] = value
    path = tmp_path / "orders.csv"
    write_table(path, rows)
    return path


def test_orders_go_by_columns_and_one_that_is_odd_alone_by_rows(tmp_path: Path) -> None:
    """A buyer that is no id is refused, a price of another form is not, and neither costs the others their way."""
    for odd, refused in (
        ({}, 0),
        ({"yuan": "1e1"}, 0),
        ({"yuan": "cheap"}, 1),
        ({"order": "o 9"}, 2),
        ({"buyer": "b 1"}, 1),
    ):
        path = in_rows(tmp_path, 60, **odd)
        compare(mapping(), path)
        assert in_columns(mapping(), path) == (2, 2)
        origins = [block.origin for block in blocks_of(mapping(), str(path), proving=True)]
        looked_at = [len(origin.row_by_row) for origin in origins if isinstance(origin, MappedColumns)]
        assert looked_at == [2 * bool(refused), 0], "of the tenth row both events"
        assert sum(len(block.refused) for block in map(decode_block, blocks_of(mapping(), str(path)))) == refused


def test_lines_that_are_proven_are_all_taken(tmp_path: Path) -> None:
    for block in blocks_of(mapping(), str(in_rows(tmp_path, 90)), proving=True):
        assert block.proven is not None and not block.proven.row_by_row
        text, events = block.proven.text_without(())
        assert len(decode_block(block).candidates) == events == len(bytes(text).splitlines())


def test_what_a_field_just_takes_and_just_refuses_is_told_apart(tmp_path: Path) -> None:
    """An id of so many characters, its first; a key with what stands before it; what a table of values gives."""
    rows = rows_of(90)
    odd = {
        "order": ["x" * 64, "x" * 65, "-x", "_x"],
        "shop": ["x" * 64, "x" * 65, ".x"],
        "kind": ["says", "long", "longer"],
    }
    for at, (column, value) in enumerate((column, value) for column, values in odd.items() for value in values):
        rows[at * 7][COLUMNS.index(column)] = value
    write_table(tmp_path / "orders.csv", rows)
    values = {"kind": {"ordinary": "normal", "福袋": "lucky", "says": '"\\', "long": "x" * 123, "longer": "x" * 124}}
    paid, received = DOCUMENT["event"]
    data = {name: field for name, field in paid["data"].items() if name != "kind"}
    event = [paid | {"data": data, "actor": "{kind|kind}", "id": "paid.{kind|kind}", "when": "kind != ''"}, received]
    for changed in ({}, {"event": event, "values": values}):
        compare(mapping(**changed), tmp_path / "orders.csv")
        assert in_columns(mapping(**changed), tmp_path / "orders.csv")[0] > 0


def test_a_period_that_does_not_exist_is_refused_of_columns_too(tmp_path: Path) -> None:
    data = {"level": "bronze-1", "scheme": "merchant-reputation", "period": "{kind}"}
    event = [DOCUMENT["event"][1] | {"type": "level.announced", "data": data}]
    rows = [[*row[:4], "2022-11-31" if at == 5 else "2022-11-30", *row[5:]] for at, row in enumerate(rows_of(40))]
    write_table(tmp_path / "orders.csv", rows)
    by = mapping(event=event)._replace(ignored=frozenset(COLUMNS))
    compare(by, tmp_path / "orders.csv")
    assert "does not exist in the calendar" in str(conversion(by, tmp_path / "orders.csv", by_column=True)[1])


def test_a_batch_of_which_most_rows_are_odd_goes_by_rows(tmp_path: Path) -> None:
    rows = [[*row[:3], "cheap", *row[4:]] if at % 3 else row for at, row in enumerate(rows_of(60))]
    write_table(tmp_path / "orders.csv", rows)
    compare(mapping(), tmp_path / "orders.csv")
    assert in_columns(mapping(), tmp_path / "orders.csv") == (0, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gbk"])
def test_rows_before_a_fault_of_the_encoding_are_given(encoding: str, tmp_path: Path) -> None:
    content = as_text(rows_of(60)).encode(encoding)
    at = content.index("o-41".encode(encoding).removeprefix(codecs.BOM_UTF16_LE))
    broken = {"utf-8": b"\xff", "utf-16": b"\x00\xd8\x00\x00", "gbk": b"\xff\xff"}[encoding]
    (tmp_path / "orders.csv").write_bytes(content[:at] + broken + content[at:])
    by = mapping(encoding=encoding)
    compare(by, tmp_path / "orders.csv")
    lines, _, told = lines_of(by, tmp_path / "orders.csv", by_column=True)
    assert f"cannot be read as {encoding} behind row 41: " in told and len(lines) == len(plain_events(rows_of(41)))


def test_a_short_file_and_the_beginning_of_a_pipe_go_by_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separated, "BYTES_BEFORE_COLUMNS", 1 << 20)
    monkeypatch.setattr(mapped, "BATCHES_BEFORE_COLUMNS", 2)
    path = in_rows(tmp_path, 60)
    assert in_columns(mapping(), path) == (0, 2)
    monkeypatch.setattr(separated, "BYTES_BEFORE_COLUMNS", 1_000)
    assert in_columns(mapping(), path) == (2, 2)
    monkeypatch.setattr(separated, "BLOCK_BYTES", 700)
    with path.open("rb") as stream:
        table = separated_table(mapping(), "pipe", Unpacked(stream, lambda: 0), 100, by_column=True)
        batches = list(table.batches)
    assert [batch.columns is None for batch in batches] == [True] + [False] * (len(batches) - 1)
    assert [row[0] for batch in batches for row in batch.rows if row] == [row[0] for row in rows_of(60)]


def test_an_installation_without_arrow_goes_by_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "missing_of", list)
    assert in_columns(mapping(), in_rows(tmp_path, 60)) == (0, 2)
