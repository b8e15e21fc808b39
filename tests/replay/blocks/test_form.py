"""A segment gives every record that went into it, by position, and nothing else, whatever happened to its file."""

import errno
import os
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from replay.blocks import form, reading
from replay.blocks.files import SegmentOnDisk
from replay.blocks.form import Leaving, RecordSegment, packed
from replay.blocks.reading import Blocks, OpenSegment
from replay.errors import DamagedError, NotExaminedError

LEDGER = "0123456789abcdef" * 2


def of(position: int, stream: str, rest: str = "") -> Leaving:
    return Leaving(position, stream, f'{{"of":"{stream}{rest}","position":{position},"recorded_at":"then"}}'.encode())


def written(folder: Path, records: list[Leaving]) -> RecordSegment:
    segment, pieces = packed(records, "")
    (folder / segment.file_name(LEDGER)).write_bytes(b"".join(pieces))
    return segment


def opened(folder: Path, segment: RecordSegment) -> OpenSegment:
    return OpenSegment(SegmentOnDisk(folder / segment.file_name(LEDGER)), segment)


def blocks_of(folder: Path) -> Blocks:
    return Blocks(lambda segment, *_: SegmentOnDisk(folder / segment.file_name(LEDGER)))


RECORDS = st.lists(st.tuples(st.sampled_from("abc"), st.text("xyz'", max_size=60)), min_size=1, max_size=60)


@given(made=RECORDS, data=st.data())
def test_every_record_comes_back_in_whatever_order_it_is_asked_for(
    made: list[tuple[str, str]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, first = tmp_path_factory.mktemp("blocks"), data.draw(st.integers(1, 10**9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(form, "BLOCK_BYTES", data.draw(st.integers(1, 700)))
        patch.setattr(reading, "KEPT_BYTES", data.draw(st.integers(1, 700)))
        records = [of(first + number, *each) for number, each in enumerate(made)]
        segment = written(folder, records)
        found = blocks_of(folder)
        for item in data.draw(st.permutations(records)):
            assert found.record_at(item.position, lambda: [segment]) == item.record
        assert opened(folder, segment).records() == [item.record for item in records]


def test_a_file_can_be_read_by_whoever_knows_zstd_alone(tmp_path: Path) -> None:
    segment = written(tmp_path, records := [of(number, f"m-{number % 3}") for number in range(1, 40)])
    content = (tmp_path / segment.file_name(LEDGER)).read_bytes()
    reader = zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True)
    in_order = sorted(records, key=lambda item: (item.stream, item.position))
    assert reader.read() == b"".join(item.record + b"\n" for item in in_order)


def test_no_byte_of_a_file_can_change_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record is what it was, or is refused by the name of its file."""
    monkeypatch.setattr(form, "BLOCK_BYTES", 300)
    segment = written(tmp_path, records := [of(number, f"m-{number % 3}") for number in range(5, 25)])
    path = tmp_path / segment.file_name(LEDGER)
    content, refused = path.read_bytes(), 0
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        refusals = 0
        for item in records:
            try:
                assert blocks_of(tmp_path).record_at(item.position, lambda: [segment]) == item.record
            except DamagedError as error:
                assert str(error).startswith("the file of archived records") and str(path) in str(error)
                refusals += 1
        refused += bool(refusals)
        with pytest.raises(DamagedError, match="the file of archived records") if refusals else nullcontext():
            assert opened(tmp_path, segment).records() == [item.record for item in records]
    assert refused == len(content) - form._SKIPPABLE.size  # which only says how long what follows is
    for other, said in ((content[:-1], "bytes, the ledger says"), (content + b"x", "bytes, the ledger says")):
        path.write_bytes(other)
        with pytest.raises(DamagedError, match=said):
            blocks_of(tmp_path).record_at(5, lambda: [segment])
    path.unlink()
    with pytest.raises(DamagedError, match="is missing: these records stand nowhere else in this ledger"):
        blocks_of(tmp_path).record_at(5, lambda: [segment])


def test_records_that_stand_elsewhere_than_the_index_says_are_refused_all_together(tmp_path: Path) -> None:
    """Two blocks of two, of which the directory says that the first has one or three, and one with ranks of others."""
    records = [of(number, "m") for number in range(1, 5)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(form, "BLOCK_BYTES", 2 * len(records[0].record))
        segment, pieces = packed(records, "")
    *blocks, head, index = pieces
    assert len(blocks) == segment.blocks == 2

    def spoiled(first: int, ranks: bytes = index[: 2 * len(records)]) -> OpenSegment:
        entries = [*form.ENTRY.iter_unpack(index[2 * len(records) :])]
        directory = form.ENTRY.pack(*entries[0]) + form.ENTRY.pack(*entries[1][:2], first, entries[1][3])
        path = tmp_path / f"{first}{ranks.hex()}"
        path.write_bytes(b"".join([*blocks, head, ranks, directory]))
        return OpenSegment(SegmentOnDisk(path), segment._replace(hash=sha256(directory).digest()))

    assert spoiled(2).records() == [item.record for item in records]
    for first in (1, 3):
        with pytest.raises(DamagedError, match="was changed: its block 0 has other records than it should"):
            spoiled(first).records()
    for ranks in (b"\1\0\0\0\2\0\3\0", b"\4\0\1\0\2\0\3\0"):
        with pytest.raises(DamagedError, match="it gives another record for position 1"):
            spoiled(2, ranks).records()


def test_what_no_segment_holds_is_refused(tmp_path: Path) -> None:
    first = written(tmp_path, [of(number, "m") for number in (1, 2)])
    later = written(tmp_path, [of(number, "m") for number in (4, 5)])
    found = blocks_of(tmp_path)
    for position in (3, 6):
        with pytest.raises(DamagedError, match=f"the record at position {position}, which stands in no segment"):
            found.record_at(position, lambda: [first, later])
    assert found.record_at(4, lambda: [first, later]) == of(4, "m").record


def test_segments_are_asked_for_again_where_a_later_one_must_be(tmp_path: Path) -> None:
    first = written(tmp_path, [of(number, "m") for number in (1, 2)])
    found = blocks_of(tmp_path)
    assert found.record_at(2, lambda: [first]) == of(2, "m").record
    later = written(tmp_path, [of(number, "m") for number in (3, 4)])
    assert found.record_at(3, lambda: [first, later]) == of(3, "m").record


def test_a_record_that_is_no_line_is_refused() -> None:
    with pytest.raises(DamagedError, match="the record at position 7"):
        packed([Leaving(7, "m", b"one\ntwo")], "")


def test_blocks_that_were_read_last_are_kept_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "BLOCK_BYTES", 100)
    monkeypatch.setattr(reading, "OPEN_MAX", 2)
    segments = [written(tmp_path, [of(first + at, "m") for at in range(9)]) for first in (1, 10, 19, 28)]
    monkeypatch.setattr(reading, "KEPT_BYTES", 500)
    found = blocks_of(tmp_path)
    for position in (*range(1, 37), *range(36, 0, -1)):
        assert found.record_at(position, lambda: segments) == of(position, "m").record
        assert sum(len(record) for block in found._kept.values() for record in block) == found._kept_bytes <= 500
        assert len(found._open) <= 2


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE])
def test_what_this_user_or_process_may_not_read_is_not_accused(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment, found = written(tmp_path, [of(1, "m")]), blocks_of(tmp_path)

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    said = (
        rf"cannot be read here \({os.strerror(number)}\), which says nothing against its records, and nothing is said"
    )
    with monkeypatch.context() as patch, pytest.raises(NotExaminedError, match=said):
        patch.setattr(os, "open", refuse)
        found.record_at(1, lambda: [segment])
    assert found.record_at(1, lambda: [segment]) == of(1, "m").record


def test_a_disk_that_gives_no_bytes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment, found = written(tmp_path, [of(1, "m")]), blocks_of(tmp_path)
    found.record_at(1, lambda: [segment])
    found._kept.clear()

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch, pytest.raises(DamagedError, match=r"cannot be read \(Input/output error\)"):
        patch.setattr(os, "pread", fail)
        found.record_at(1, lambda: [segment])
