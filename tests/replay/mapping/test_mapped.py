"""Rows by a mapping: the same events whatever file they lie in, and refusals that name row, column and value."""

import bz2
import gzip
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.limits import LINE_BYTES_MAX
from replay.intake.durable import Durable
from replay.intake.ingest import Ingest
from replay.intake.outcomes import Counts
from replay.intake.parallel import BLOCKS_BEFORE_HELP, decode_block
from replay.intake.rejects import Rejects
from replay.intake.targets import LedgerTarget
from replay.mapping import mapped
from replay.mapping.language.document import Mapping
from replay.mapping.mapped import blocks_of
from replay.parsing.parse import read_line
from replay.parsing.unpacking import BrokenInput
from replay.recording.append import Appender
from replay.store.base.store import Store
from replay.store.buyers import key_of
from tests.support.making import Silent, ingest_files, line, records
from tests.support.tables import (
    COLUMNS,
    DOCUMENT,
    Cells,
    mapping,
    plain_events,
    rows_of,
    separated,
    write_arrow,
    write_table,
)

ROWS = rows_of(60)


def lines_in(by: Mapping, path: Path) -> list[dict[str, Any]]:
    """The events of a file; none is refused."""
    blocks = list(blocks_of(by, str(path)))
    assert [decode_block(block).refused for block in blocks] == [[] for _ in blocks]
    return [msgspec.json.decode(found) for block in blocks for found in block.lines if found]


def refusals_in(by: Mapping, path: Path) -> list[tuple[str, str]]:
    return [
        (where.removeprefix(str(path)), f"{refusal.reason}: {refusal.message}")
        for block in blocks_of(by, str(path))
        for where, refusal, _ in decode_block(block).refused
    ]


def objects(rows: list[Cells]) -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def as_arrow(rows: list[Cells]) -> pa.Table:
    return pa.Table.from_pylist(objects(rows))


def parquet(rows: list[Cells]) -> bytes:
    held = pa.BufferOutputStream()
    pq.write_table(as_arrow(rows), held, row_group_size=7)
    return bytes(held.getvalue().to_pybytes())


def arrow(make: Callable[..., Any], rows: list[Cells]) -> bytes:
    held, table = pa.BufferOutputStream(), as_arrow(rows)
    with make(held, table.schema) as writer:
        writer.write_table(table, max_chunksize=11)
    return bytes(held.getvalue().to_pybytes())


def zstd(content: bytes) -> bytes:
    held = pa.BufferOutputStream()
    with pa.CompressedOutputStream(held, "zstd") as packed:
        packed.write(content)
    return bytes(held.getvalue().to_pybytes())


PLAIN = separated(ROWS).encode()
FORMS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "utf-8": (PLAIN, {}),
    "byte order mark": (b"\xef\xbb\xbf" + PLAIN, {}),
    "line ends of Windows": (separated(ROWS, end="\r\n").encode(), {}),
    "semicolons": (separated(ROWS, ";").encode(), {"delimiter": ";"}),
    "tabs": (separated(ROWS, "\t").encode(), {"format": "tsv"}),
    "gbk": (separated(ROWS).encode("gbk"), {"encoding": "gbk"}),
    "utf-16": (separated(ROWS).encode("utf-16"), {"encoding": "utf-16"}),
    "gzip": (gzip.compress(PLAIN), {}),
    "bzip2": (bz2.compress(PLAIN), {}),
    "zstd": (zstd(PLAIN), {}),
    "gbk in gzip": (gzip.compress(separated(ROWS).encode("gbk")), {"encoding": "gbk"}),
    "json lines": (b"".join(line(row) + b"\n" for row in objects(ROWS)), {"format": "jsonl"}),
    "json lines in zstd": (zstd(b"".join(line(row) + b"\n" for row in objects(ROWS))), {"format": "jsonl"}),
    "parquet": (parquet(ROWS), {"format": "parquet"}),
    "parquet in gzip": (gzip.compress(parquet(ROWS)), {"format": "parquet"}),
    "parquet in zstd": (zstd(parquet(ROWS)), {"format": "parquet"}),
    "arrow file": (arrow(pa.ipc.new_file, ROWS), {"format": "arrow"}),
    "arrow stream": (arrow(pa.ipc.new_stream, ROWS), {"format": "arrow"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_the_same_events_in_every_form(form: str, tmp_path: Path) -> None:
    content, changed = FORMS[form]
    (tmp_path / "orders").write_bytes(content)
    assert lines_in(mapping(**changed), tmp_path / "orders") == plain_events(ROWS)


def test_a_line_of_a_row_says_what_a_line_of_the_event_says() -> None:
    """In the ledger's own form they are one."""
    for event in plain_events(ROWS):
        assert read_line(line(event)) == read_line(msgspec.json.encode(event))


def test_typed_columns_mean_what_their_texts_mean(tmp_path: Path) -> None:
    """Money as a float, as a decimal or an integer; times with and without a zone; nothing where there is null."""
    moments = pa.array([1_667_268_131_000_000_000, None], pa.timestamp("ns"))
    table = pa.table(
        {
            "order": pa.array(["o-1", "o-2"]).dictionary_encode(),
            "shop": pa.array([17, 17]),
            "buyer": ["b-1", "b-2"],
            "yuan": pa.array([129.9, 0.07], pa.float64()),
            "kind": pa.array([None, "ordinary"]),
            "paid at": pa.array([1_667_268_131_120_000] * 2, pa.timestamp("us", "Asia/Shanghai")),
            "received at": moments,
        }
    )
    pq.write_table(table, tmp_path / "orders.parquet")
    first, received, second = lines_in(mapping(format="parquet"), tmp_path / "orders.parquet")
    assert (first["subject"], first["time"]) == ("merchant/17", "2022-11-01T02:02:11.12Z")
    assert first["data"] == {"order": "o-1", "buyer": "b-1", "amount": 12_990}
    assert received["time"] == "2022-11-01T02:02:11+08:00"
    assert second["data"] == {"order": "o-2", "buyer": "b-2", "amount": 7, "kind": "normal"}


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("yuan", "129.999", 'not_exact: data.amount: column yuan: found "129.999", which times 100 is no whole number'),
        ("yuan", "dear", 'not_exact: data.amount: column yuan: found "dear", which is no decimal number'),
        ("yuan", "-1", 'to 10000000000 (in the row: yuan = "-1")'),
        ("kind", "free", 'not_mapped: data.kind: column kind: found "free", which [values.kind] of'),
        ("buyer", "", 'column_empty: data.buyer: column buyer: found "", but the event needs a value'),
        ("buyer", "b 1", '(in the row: buyer = "b 1")'),
        ("shop", "", 'column_empty: subject: column shop: found ""'),
        ("paid at", "2022-02-30 10:00", 'impossible_time: time: column paid at: found "2022-02-30 10:00"'),
        ("paid at", "yesterday", 'malformed_time: time: column paid at: found "yesterday", which is not of the form'),
    ],
)  # fmt: skip
def test_a_refusal_names_row_column_and_value(column: str, value: str, told: str, tmp_path: Path) -> None:
    rows = rows_of(4)
    rows[2][COLUMNS.index(column)] = value
    write_table(tmp_path / "orders.csv", rows)
    (found,) = refusals_in(mapping(), tmp_path / "orders.csv")
    assert found[0] == ":row:3" and told in found[1], found


def test_rows_of_another_shape_are_refused_and_the_others_go_on(tmp_path: Path) -> None:
    first, second, third, fourth, fifth = separated(rows_of(4)[1:] + rows_of(8)[6:7]).splitlines()
    content = [first, second, "o-9,m-1", "", third + ",beyond", fourth.replace("m-", '"m"-'), fifth]
    (tmp_path / "orders.csv").write_text("\n".join(content), "utf-8")
    found = refusals_in(mapping(), tmp_path / "orders.csv")
    assert [where for where, _ in found] == [":row:2", ":row:4", ":row:5"]
    assert [text.partition(" (")[0] for _, text in found] == [
        "row_shape: found 2 values in a row of 8 columns",
        "row_shape: found 9 values in a row of 8 columns",
        "row_shape: line 6 cannot be read as separated values",
    ]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (
            "order,shop,buyer,yuan,kind,paid,received at",
            'no column "paid at", which orders.toml names; did you mean',
        ),
        ("a", 'its columns are: "a"'),
        (",".join(COLUMNS) + ",phone", 'of which orders.toml says nothing: "phone"'),
        (",".join(COLUMNS) + ",shop", 'has the column "shop" twice'),
        ("", "has no header"),
    ],
)
def test_other_columns_are_refused_before_a_row_is_read(header: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(header and header + "\no-1\n", "utf-8")
    with pytest.raises(BrokenInput) as refused:
        list(blocks_of(mapping(), str(tmp_path / "orders.csv")))
    assert told in str(refused.value)


def test_a_json_row_may_leave_columns_out_and_have_no_others(tmp_path: Path) -> None:
    rows = objects(rows_of(3))
    short = {key: value for key, value in rows[0].items() if value}
    long = rows[1] | {"note": "x" * LINE_BYTES_MAX}
    more: list[dict[str, Any]] = [rows[1] | {"phone": "1"}, rows[2] | {"yuan": 129.90}, rows[2] | {"shop": ["m"]}]
    more += [long, rows[1]]
    half = line(rows[2]).replace(b'"o-', b'"\\ud800o-')
    (tmp_path / "orders.jsonl").write_bytes(b"".join(line(row) + b"\n" for row in [short, *more]) + half + b"\n")
    found = refusals_in(mapping(format="jsonl"), tmp_path / "orders.jsonl")
    assert [(where, text[:40]) for where, text in found] == [
        (":row:2", 'row_shape: found a column "phone", of wh'),
        (":row:4", 'row_shape: column shop: found ["m"], whi'),
        (":row:5", "line_too_long: found a line of more than"),
        (":row:7", "lone_surrogate: found half a character ("),
    ]


@pytest.mark.parametrize("packed", [gzip.compress(PLAIN)[:-9], bz2.compress(PLAIN)[:-9], zstd(PLAIN)[:-9]])
def test_a_packed_file_that_is_cut_off_gives_nothing(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_bytes(packed)
    with pytest.raises(BrokenInput, match="cannot be read to its end"):
        next(blocks_of(mapping(), str(tmp_path / "orders.csv")))


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_what_is_no_such_file_is_named(form: str, tmp_path: Path) -> None:
    (tmp_path / "orders").write_bytes(PLAIN)
    with pytest.raises(BrokenInput, match=f"cannot be read as {form}"):
        next(blocks_of(mapping(format=form), str(tmp_path / "orders")))


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_texts_of_columns_that_are_no_texts_are_named(form: str, tmp_path: Path) -> None:
    path = str(tmp_path / "orders")
    gbk = pa.array(["甲".encode("gbk")] * len(ROWS)).view(pa.string())
    for column, values, told in (
        ("buyer", gbk, "texts that are not UTF-8; write the file with texts in UTF-8"),
        ("kind", pa.array([["a"]] * len(ROWS)), "string>, which are no texts"),
    ):
        table = pa.table(dict(zip(COLUMNS, zip(*ROWS, strict=True), strict=True)))
        at = COLUMNS.index(column)
        write_arrow(table.set_column(at, column, values), path, form)
        with pytest.raises(BrokenInput) as refused:
            list(blocks_of(mapping(format=form), path))
        assert str(refused.value).startswith(f'{path}: column "{column}" holds ') and told in str(refused.value)


def ingest_rows(store: Store, names: list[str], rejects: Path, **options: Any) -> tuple[Counts, Silent]:
    return ingest_files(store, names, rejects, read=partial(blocks_of, mapping()), **options)


def test_rows_are_recorded_as_their_events_are(store: Store, tmp_path: Path) -> None:
    counts, watch = ingest_rows(store, [write_table(tmp_path / "orders.csv", ROWS)], tmp_path / "rejects.jsonl")
    expected = plain_events(ROWS)
    assert (counts.recorded, counts.refused, counts.passed_over) == (len(expected), 0, 0)
    (tmp_path / "lines.jsonl").write_bytes(b"".join(line(event) + b"\n" for event in expected))
    again, _ = ingest_files(store, [str(tmp_path / "lines.jsonl")], tmp_path / "rejects.jsonl")
    assert (again.recorded, again.known) == (0, len(expected))
    assert len(watch.heads) == 1 and len(records(store)) == len(expected)


def test_refused_rows_are_kept_to_be_mended_and_read_by_the_same_mapping(store: Store, tmp_path: Path) -> None:
    rows = rows_of(9)
    rows[4][3], rows[5][0] = "cheap", "o 5"  # of the fifth its receipt is well formed
    counts, _ = ingest_rows(store, [write_table(tmp_path / "orders.csv", rows)], tmp_path / "rejects.jsonl")
    assert counts.refused == 3, "one payment, and both events of an order whose id is none"
    mended = (tmp_path / "rejects.jsonl").read_text("utf-8").replace("cheap", "4").replace("o 5", "o-5")
    (tmp_path / "mended.jsonl").write_text(mended, "utf-8")
    again, _ = ingest_rows(store, [str(tmp_path / "mended.jsonl")], tmp_path / "more.jsonl")
    assert (again.recorded, again.known, again.refused) == (3, 2, 0)
    assert counts.recorded + again.recorded == len(plain_events(rows_of(9)))


def test_a_refusal_of_the_ledger_names_columns_too(store: Store, tmp_path: Path) -> None:
    first, second = rows_of(2)
    twice = [first, [*second[:3], "1.2", *second[4:]], second]
    for number, backfill in enumerate((False, True)):
        by = mapping(event=[event | {"recordedtime": event["time"]} for event in DOCUMENT["event"]])
        path = write_table(tmp_path / f"{number}.csv", twice)
        found, watch = ingest_files(
            store, [path], tmp_path / "rejects.jsonl", read=partial(blocks_of, by), backfill=backfill
        )
        (where, refusal) = watch.refusals[-1]
        assert where == f"{path}:row:{2 + (not backfill)}" or found.refused
        assert 'yuan = "1' in refusal.message and 'order = "o-1"' in refusal.message


def report(store: Store, path: str, rejects: Path, *, dry_run: bool) -> tuple[Any, ...]:
    """What a run says: its counts, every refusal with its place, and the rejects file."""
    rejects.unlink(missing_ok=True)
    watch, refused = Silent(), Rejects(rejects)
    real = LedgerTarget(store, Appender(store.identity.id, key_of(store)))
    if dry_run:
        with real.trial() as target:
            counts = Ingest(target, refused, watch, read=partial(blocks_of, mapping())).run([path])
    else:
        counts = Ingest(real, refused, watch, read=partial(blocks_of, mapping())).run([path])
    refused.close()
    return counts, watch.refusals, rejects.read_bytes() if rejects.exists() else None


def mutated(chance: random.Random, content: bytes) -> bytes:
    """A file with up to four places changed: bytes put in, taken out, doubled, or of another row."""
    found = bytearray(content)
    for _ in range(chance.randrange(5)):
        at = chance.randrange(len(found))
        length = chance.choice([1, 1, 2, 9, 80])
        piece = chance.choice([b"", b",", b'"', b"\n", b"\xff", b"x", b"9", bytes(found[at : at + length]) * 2])
        found[at : at + length] = piece
    return bytes(found)


@pytest.mark.slow
@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_a_dry_run_reports_what_the_real_run_reports(store: Store, tmp_path: Path) -> None:
    """Of two hundred mutated files, one after another into one ledger."""
    chance = random.Random(18)
    refused = broken = 0
    for number in range(200):
        path = tmp_path / "orders.csv"
        path.write_bytes(mutated(chance, separated(rows_of(6 + number % 30)).encode()))
        dry, real = (report(store, str(path), tmp_path / "rejects.jsonl", dry_run=dry_run) for dry_run in (True, False))
        assert dry == real
        refused += real[0].refused
        broken += len(real[0].broken_files)
    assert refused > 100 and broken > 10


def test_a_row_is_durable_once_all_of_its_events_are() -> None:
    durable = Durable()
    durable.read(0, "f:row", 3, [0, 0, 2])
    assert list(durable.news()) == []
    durable.done(0, 1)
    assert list(durable.news()) == [], "one of its two events is recorded"
    durable.done(0, 1)
    assert list(durable.news()) == ["f:row:2"], "the second row gave none"
    durable.done(0, 3)
    assert list(durable.news()) == ["f:row:3"]


@pytest.mark.slow
@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_many_blocks_of_rows_are_backfilled_by_two_processes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "BATCH_LINES_MAX", 10)
    by = mapping(event=[event | {"recordedtime": event["time"]} for event in DOCUMENT["event"]])
    path = write_table(tmp_path / "orders.csv", ROWS)
    assert len(list(blocks_of(by, path))) == 12 > BLOCKS_BEFORE_HELP
    counts, watch = ingest_files(store, [path], tmp_path / "rejects.jsonl", read=partial(blocks_of, by), backfill=True)
    assert (counts.recorded, counts.refused, watch.refusals) == (len(plain_events(ROWS)), 0, [])
