"""Backfills are recorded whole or not at all; refusals are bounded; no ledger is made in vain or unannounced."""

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from replay.errors import LevelbookError
from replay.intake.targets import where_of
from replay.store.base.store import Store
from replay.store.location import is_postgres
from replay.store.opening import open_store
from tests.support.making import Event, ingest_events, ingest_files, line, paid, write_lines


def dated(order: str, day: int) -> Event:
    return paid(order, "2022-01-01T00:00:00Z", recordedtime=f"2022-01-{day:02}T00:00:00Z")


def ingest(location: str, *words: str) -> Result:
    return CliRunner().invoke(main, ["ingest", "--store", location, *words])


FAULTY = {
    "not_json": b"{",
    "byte_order_mark": b"\xef\xbb\xbf" + line(dated("x", 5)),
    "undated": line(paid("x", "2022-01-01T00:00:00Z")),
    "late": line(dated("x", 1)),
    "conflict": line({**dated("b", 5), "actor": "other"}),
    "ahead": line(paid("x", "2022-01-09T00:00:00Z", recordedtime="2022-01-05T00:00:00Z")),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTY.values(), ids=list(FAULTY))
def test_one_refused_line_refuses_the_whole_backfill_until_it_is_mended(
    store: Store, tmp_path: Path, fault: bytes
) -> None:
    ingest_events(store, [dated("first", 3)], tmp_path, backfill=True)
    file, rejects = tmp_path / "e.jsonl", tmp_path / "r.jsonl"
    good = [line(dated(order, day)) for order, day in (("a", 4), ("b", 5), ("c", 6))]
    file.write_bytes(b"\n".join([good[0], good[1], fault, good[2]]))
    counts, watch = ingest_files(store, [str(file)], rejects, backfill=True)
    assert (counts.recorded, counts.refused, counts.held_back, counts.lines) == (0, 1, 3, 4)
    assert counts.refused_whole and watch.refusals[0][0] == f"{file}:3" and watch.heads == []
    assert store.head().position == 1 and not rejects.exists()
    file.write_bytes(b"\n".join([good[0], good[1], line(dated("mended", 5)), good[2]]))
    counts, _ = ingest_files(store, [str(file)], rejects, backfill=True)
    assert (counts.recorded, counts.held_back, counts.refused_whole) == (4, 0, False)
    refs = [ref for (ref,) in store._query("SELECT ref FROM records ORDER BY position")]
    assert refs == ["first", "a", "b", "mended", "c"], "the mended line is learned when it was"


def test_skipping_records_the_rest_and_keeps_what_is_refused(store: Store, tmp_path: Path) -> None:
    file, rejects = tmp_path / "e.jsonl", tmp_path / "r.jsonl"
    file.write_bytes(b"\n".join([line(dated("a", 4)), b"{", line(dated("b", 5))]))
    counts, _ = ingest_files(store, [str(file)], rejects, backfill=True, skip_refused=True)
    assert (counts.recorded, counts.refused, counts.refused_whole) == (2, 1, False)
    assert rejects.read_bytes().endswith(b"\n{\n")


def test_a_file_that_breaks_off_refuses_the_whole_backfill(store: Store, tmp_path: Path) -> None:
    whole = gzip.compress(line(dated("a", 4)) + b"\n")
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[:-4])
    other = write_lines(tmp_path / "b.jsonl", [dated("b", 5)])
    counts, _ = ingest_files(store, [str(tmp_path / "cut.jsonl.gz"), other], tmp_path / "r.jsonl", backfill=True)
    assert (counts.recorded, counts.held_back, counts.refused_whole) == (0, 1, True)


def test_what_is_recorded_between_the_trial_and_the_run_stops_the_run(
    store: Store, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from replay.intake.backfill import Backfill

    tried = Backfill._tried

    def and_then(self: Backfill, *rest: object) -> None:
        tried(self, *rest)  # type: ignore[arg-type]
        with open_store(location) as other:
            ingest_events(other, [paid("meanwhile")], tmp_path)

    monkeypatch.setattr(Backfill, "_tried", and_then)
    file = write_lines(tmp_path / "b.jsonl", [dated("a", 4), dated("b", 5)])
    match = "another process has recorded since the lines were tried"
    with pytest.raises(LevelbookError, match=match):
        ingest_files(store, [file], tmp_path / "r.jsonl", backfill=True)
    assert [ref for (ref,) in store._query("SELECT ref FROM records")] == ["meanwhile"]
    assert not (tmp_path / "r.jsonl").exists()


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--backfill",), ("--backfill", "--skip-refused")])
def test_a_bomb_of_refused_lines_stops_after_the_bound(location: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    bomb = tmp_path / "bomb.jsonl.gz"
    bomb.write_bytes(gzip.compress(b"{\n" * 1_500_000))
    assert bomb.stat().st_size < 10_000
    rejects = tmp_path / "r.jsonl"
    done = ingest(location, "--rejects", str(rejects), *options, str(bomb))
    assert done.exit_code == 1
    assert "1000 lines in a row were refused, the last one " in done.output
    assert f"{bomb}:1000 (not_json): the run stops there, for the file may be another than was meant" in done.output
    assert "--refusals-max N sets another bound, 0 none" in done.output
    written = rejects.stat().st_size if rejects.exists() else 0
    assert written < 300_000 and rejects.exists() == (options != ("--backfill",))
    (tmp_path / "e.jsonl").write_bytes(b"{\n" * 5 + line(dated("a", 4)) + b"\n" + b"{\n" * 5)
    done = ingest(location, "--refusals-max", "6", "--rejects", str(rejects), str(tmp_path / "e.jsonl"))
    assert "1 recorded, 0 already known, 10 refused" in done.output, "a line that is taken begins the count anew"


def test_a_new_ledger_is_announced_and_never_made_for_nothing(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.jsonl").write_bytes(b"{\n\n")
    ahead = write_lines(tmp_path / "ahead.jsonl", [paid("o-1", "2999-01-01T00:00:00Z")])
    good = write_lines(tmp_path / "good.jsonl", [dated("a", 4)])
    nothing = write_lines(tmp_path / "none.jsonl", [])
    for words in (["bad.jsonl"], [ahead], [nothing], ["--backfill", "bad.jsonl"], ["--dry-run", good]):
        done = ingest(location, "--rejects", "r.jsonl", *words)
        assert "a new ledger was made" not in done.output
        assert "there is no " in CliRunner().invoke(main, ["head", "--store", location]).output
    assert not list(tmp_path.glob("ledger.db*"))
    forbidden = ingest(location, "--existing", good)
    assert forbidden.exit_code == 2 and f"there is no ledger at {where_of(location)}" in forbidden.output
    for words in (["policy", "adopt", "2022-10-26"], ["decide", "creator-level", "--month", "2023-04"], ["follow"]):
        assert CliRunner().invoke(main, [*words, "--store", location]).exit_code == 2
    made = ingest(location, "--backfill", "--acknowledge", good)
    assert made.output.splitlines()[0] == f"a new ledger was made at {where_of(location)}"
    assert is_postgres(location) or where_of(location).startswith("/")
    again = ingest(location, "--existing", good)
    assert again.exit_code == 0 and "a new ledger" not in again.output


def test_refused_lines_go_beside_the_store_and_a_place_that_takes_none_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    location, bad = str(tmp_path / "data" / "ledger.db"), str(tmp_path / "bad.jsonl")
    Path(bad).write_bytes(b"{\n")
    monkeypatch.chdir("/proc")
    assert ingest(location, bad).exit_code == 1
    assert len(list((tmp_path / "data").glob("rejects-*.jsonl"))) == 1
    refused = ingest(location, "--rejects", "/proc/r.jsonl", write_lines(tmp_path / "g.jsonl", [paid("o-1")]))
    assert refused.exit_code == 2 and "cannot be made in the folder /proc" in refused.output
    assert not Path(location).exists(), "nothing was read"
