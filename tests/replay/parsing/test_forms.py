"""What a file is by its first bytes: read, or named once and refused whole; arrays are read by element."""

import bz2
import gzip
import io
import json
import lzma
import os
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import main
from domain.limits import LINE_BYTES_MAX
from replay.parsing.arrays import Elements
from replay.parsing.lines import blocks
from replay.parsing.unpacking import BrokenInput
from replay.store.base.store import Store
from tests import ROOT
from tests.conftest import SOAK
from tests.support.making import ingest_files, line, paid

EVENTS = [paid(f"o-{number}") for number in range(3)]
LINES = b"".join(line(made) + b"\n" for made in EVENTS)


def archived(mode: str) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as archive:  # type: ignore[call-overload]
        for name in ("a.jsonl", "b.jsonl"):
            member = tarfile.TarInfo(name)
            member.size = len(LINES)
            archive.addfile(member, io.BytesIO(LINES))
    return held.getvalue()


def old_tar() -> bytes:
    """A tar of before POSIX: no magic, only the sum of its header."""
    made = bytearray(archived("w:"))
    made[257:265] = bytes(8)
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\x00 " % sum(made[:512])
    return bytes(made)


def zipped(name: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:  # stored: its members can be read as they are
        archive.writestr(name, LINES)
    return held.getvalue()


def database() -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (x)")
        return connection.serialize()


def parquet() -> bytes:
    held = io.BytesIO()
    pq.write_table(pa.table({"id": ["a"]}), held)
    return held.getvalue()


def arrow(make: Callable[[io.BytesIO, pa.Schema], pa.ipc.RecordBatchStreamWriter]) -> bytes:
    held, table = io.BytesIO(), pa.table({"id": ["a"]})
    with make(held, table.schema) as writer:
        writer.write_table(table)
    return held.getvalue()


OTHERS: dict[str, tuple[bytes, str]] = {
    "tar": (archived("w:"), "is a tar archive; unpack it"),
    "old-tar": (old_tar(), "is a tar archive"),
    "zip": (zipped("a.jsonl"), "is a zip archive; unpack it"),
    "xlsx": (zipped("[Content_Types].xml"), "is a sheet or document of Office; export it as JSON Lines"),
    "parquet": (parquet(), "is a Parquet file; give --map MAPPING"),
    "arrow": (arrow(pa.ipc.new_file), "is an Arrow file"),
    "arrow-stream": (arrow(pa.ipc.new_stream), "is an Arrow stream"),
    "xz": (lzma.compress(LINES), "is packed with xz"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + LINES, "is a 7z archive"),
    "sqlite": (database(), "is an SQLite database"),
    "pdf": (b"%PDF-1.7\n" + LINES, "is a PDF"),
    "html": (b"<!DOCTYPE html>\n<html>" + LINES, "is an HTML page"),
    "xml": (b"<?xml version='1.0'?>\n<events/>\n" + LINES, "is XML"),
    "utf-16": (LINES.decode().encode("utf-16"), "is text in UTF-16; save it as UTF-8"),
    "utf-16-be": (LINES.decode().encode("utf-16-be"), "is text in UTF-16"),
    "utf-32": (LINES.decode().encode("utf-32"), "is text in UTF-32"),
    "csv": (b"id,source,type\npay-1,urn:a,order.paid\n", "is a table of separated values (CSV); give --map MAPPING"),
    "csv-quoted": (b'"id";"source"\r\n"pay-1";"urn:a"\r\n', "is a table of separated values"),
    "csv-names": (b"id,source,type", "is a table of separated values"),
    "pretty": (json.dumps(EVENTS[0], indent=2).encode(), "holds an object over several lines; write one event a line"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", OTHERS)
def test_a_file_that_is_something_else_is_named_once_and_refused_whole(name: str, packed: bool, tmp_path: Path) -> None:
    content, told = OTHERS[name]
    path = tmp_path / "given.jsonl"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(BrokenInput) as caught:
        list(blocks(str(path)))
    assert f"given.jsonl {'unpacked ' * packed}{told}" in str(caught.value)
    assert str(caught.value).endswith("; nothing of it was taken in")


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "zstd": lambda content: bytes(pa.compress(content, codec="zstd", asbytes=True)),
}


@pytest.mark.parametrize("name", PACKED)
def test_what_is_packed_is_unpacked_once_and_to_its_end_before_anything_is_given(name: str, tmp_path: Path) -> None:
    pack, path = PACKED[name], tmp_path / "given.jsonl"

    def read(content: bytes) -> list[bytes]:
        path.write_bytes(content)
        return [found for block in blocks(str(path)) for found in block.lines]

    assert read(pack(LINES)) == LINES.splitlines()
    assert read(pack(b"\xef\xbb\xbf" + json.dumps(EVENTS).encode())) == [line(made) for made in EVENTS]
    for other, packed in PACKED.items():
        with pytest.raises(BrokenInput, match=f"given.jsonl unpacked is packed with {other}; unpack it"):
            read(pack(packed(LINES)))
    with pytest.raises(BrokenInput, match=r"given.jsonl cannot be read to its end: .*; mend the file"):
        read(pack(LINES * 400)[:-9])
    with pytest.raises(BrokenInput, match=r"given.jsonl unpacked is a tar archive; unpack it"):
        read(pack(archived("w:")))


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_pipe_is_unpacked(name: str) -> None:
    reader, writer = os.pipe()
    os.write(writer, PACKED[name](LINES))
    os.close(writer)
    assert [found for block in blocks(f"/dev/fd/{reader}") for found in block.lines] == LINES.splitlines()
    os.close(reader)


def test_folders_and_globs_of_packed_lines_are_ingested(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    for number, (name, pack) in enumerate(PACKED.items()):
        (folder / f"{number}.jsonl.{name}").write_bytes(pack(line(EVENTS[number]) + b"\n"))
    (folder / ".hidden").write_bytes(b"x")
    for named, recorded, known in ((f"{folder}/[01]*", 2, 0), (str(folder), 1, 2)):
        done = CliRunner().invoke(main, ["ingest", named, "--store", location, "--format", "json"])
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert (found["recorded"], found["known"], found["refused"]) == (recorded, known, 0)
    done = CliRunner().invoke(main, ["ingest", f"{folder}/none*", "--store", location])
    assert done.exit_code == 2 and "names no file; check the path" in done.output


def test_what_is_refused_whole_stops_nothing_else(store: Store, tmp_path: Path) -> None:
    names = []
    for name, content in (("a.tar.gz", archived("w:gz")), ("b.zip", zipped("a")), ("c.jsonl", b"\xef\xbb\xbf" + LINES)):
        (tmp_path / name).write_bytes(content)
        names.append(str(tmp_path / name))
    counts, watch = ingest_files(store, names, tmp_path / "rejects.jsonl")
    assert (counts.recorded, counts.refused, len(counts.broken_files)) == (3, 0, 2)
    assert watch.refusals == []


@pytest.mark.slow
@pytest.mark.parametrize("form", ["mark", "gzip", "gzip-mark", "named-gz", "array", "array-mark-gzip", "pretty-array"])
@pytest.mark.parametrize("backfill", [False, True])
def test_what_can_be_read_is_read(form: str, backfill: bool, store: Store, tmp_path: Path) -> None:
    events = [made | {"recordedtime": "2022-11-02T00:00:00Z"} for made in EVENTS]
    lines = b"".join(line(made) + b"\n" for made in events)
    array = json.dumps(events).encode()
    content = {
        "mark": b"\xef\xbb\xbf" + lines,
        "gzip": gzip.compress(lines),
        "gzip-mark": gzip.compress(b"\xef\xbb\xbf" + lines),
        "named-gz": lines,
        "array": b"[\n" + b",\n".join(line(made) for made in events) + b"\n]\n",
        "array-mark-gzip": gzip.compress(b"\xef\xbb\xbf" + array),
        "pretty-array": json.dumps(events, indent=2).encode(),
    }[form]
    path = tmp_path / ("events.gz" if form == "named-gz" else "events.json")
    path.write_bytes(content)
    counts, _ = ingest_files(store, [str(path)], tmp_path / "rejects.jsonl", backfill=backfill)
    assert (counts.recorded, counts.refused, counts.broken_files) == (3, 0, [])


def test_a_refused_element_is_named_by_its_number_and_can_be_mended(store: Store, tmp_path: Path) -> None:
    bad = [EVENTS[0], EVENTS[1] | {"subject": "shop"}, 7, EVENTS[2]]
    (tmp_path / "batch.json").write_text(json.dumps(bad, indent=1))
    rejects = tmp_path / "rejects.jsonl"
    counts, watch = ingest_files(store, [str(tmp_path / "batch.json")], rejects)
    assert (counts.recorded, counts.refused) == (2, 2)
    assert [where.removeprefix(str(tmp_path)) for where, _ in watch.refusals] == [
        "/batch.json:element:2",
        "/batch.json:element:3",
    ]
    rejects.write_text(rejects.read_text().replace('"shop"', '"merchant/m-1"'))
    counts, _ = ingest_files(store, [str(rejects)], tmp_path / "rejects-2.jsonl")
    assert (counts.recorded, counts.refused, counts.passed_over) == (1, 1, 2)


@pytest.mark.parametrize("end", [b"", b"] {}"], ids=["broken", "beyond"])
@pytest.mark.parametrize("skip_refused", [False, True])
def test_an_array_that_does_not_end_as_it_should_refuses_a_backfill_whole(
    end: bytes, skip_refused: bool, store: Store, tmp_path: Path
) -> None:
    events = [made | {"recordedtime": "2022-11-02T00:00:00Z"} for made in EVENTS]
    path = tmp_path / "batch.json"
    path.write_bytes(b"[" + b",\n".join(line(made) for made in events) + (end or b","))
    counts, _ = ingest_files(store, [str(path)], tmp_path / "r.jsonl", backfill=True, skip_refused=skip_refused)
    assert (counts.recorded, counts.refused_whole) == ((3, False) if skip_refused else (0, True))
    assert len(counts.broken_files) == 1 and "behind element 3" in counts.broken_files[0]
    assert store.head().position == counts.recorded


def split(content: bytes, size: int) -> tuple[list[bytes], Elements]:
    elements = Elements()
    found = [element for at in range(0, len(content), size) for element in elements.feed(content[at : at + size])]
    return found, elements


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(["[", "]", "{", "}", ",", '"', "\\", '\\"']),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=150 * SOAK)
@given(
    values=st.lists(ANYTHING, max_size=5),
    size=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
    plain=st.booleans(),
)
def test_an_array_is_split_into_its_elements_wherever_it_is_cut(
    values: list[object], size: int, indent: int | None, plain: bool
) -> None:
    content = json.dumps(values, indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass") + b" \n"
    found, elements = split(content, size)
    assert elements.ended and not elements.beyond
    assert all(b"\n" not in element for element in found)
    assert [json.loads(element.decode("utf-8", "surrogatepass")) for element in found] == values


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"[]", []),
        (b"[1,]", [b"1", b","]),
        (b"[,1]", [b",", b"1"]),
        (b"[{}{}]", [b"{}{}"]),
        (b"[}1]", [b"}1"]),
        (b'["a\nb"]', [b'"a\tb"']),
    ],
)
def test_faults_of_an_array_are_elements_that_are_refused(content: bytes, found: list[bytes]) -> None:
    assert split(content, 1)[0] == found


def test_an_element_over_the_limit_is_held_no_further() -> None:
    found, _ = split(b'[{"a":"' + b"x" * (3 * LINE_BYTES_MAX) + b'"},{}]', 1 << 16)
    assert [len(element) for element in found] == [LINE_BYTES_MAX + 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "recorded"),
    [(gzip.compress(b"\xef\xbb\xbf" + LINES), 3), (b"\xef\xbb\xbf" + LINES, 3), (archived("w:gz"), 0)],
    ids=["gzip", "mark", "tar.gz"],
)
def test_standard_input_is_looked_at_alike(content: bytes, recorded: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "ingest", "-", "--store", str(tmp_path / "ledger.db"), "--format", "json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, input=content, capture_output=True, cwd=tmp_path, env=environment, timeout=60, check=False
    )
    assert json.loads(done.stdout)["recorded"] == recorded, done.stderr
    assert (b"- unpacked is a tar archive; unpack it" in done.stderr) == (recorded == 0)


def test_a_pipe_is_not_waited_for_when_its_first_line_is_an_event() -> None:
    reader, writer = os.pipe()
    name = f"/dev/fd/{reader}"
    os.write(writer, line(EVENTS[0]) + b"\n")
    stream = blocks(name)
    assert next(stream).lines == [line(EVENTS[0])]
    os.close(writer)
    assert list(stream) == []
    os.close(reader)
