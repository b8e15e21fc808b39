"""An export holds what the views show, goes on from what lies there, and never shows a torn set."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from sqlalchemy import update

from cli import main
from projections.exporting import export as exporting
from projections.exporting import making, parts
from projections.exporting.columns import exported_views, views_asked
from projections.exporting.manifest import MANIFEST, kept_name, manifest_schema
from projections.exporting.places import FolderPlace
from projections.projector.rebuild import Asked, rebuild
from projections.views import database
from projections.views.changes import StoodAt, number
from projections.views.database import Views, open_views
from replay.errors import StoreError, UsageError
from replay.store.base.store import Store
from replay.store.beside import locked
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.conftest import SOAK
from tests.support.disks import small_disk
from tests.support.exports import LevelsByFeed, exported, held, manifest_in, shown
from tests.support.running import run
from tests.support.serving import demo_ledger
from tests.support.views import empty_live, grown

BUSY = r"another export to .* is running; wait for it, there is one at a time"
SCHEMA = ROOT / "docs" / "reference" / "export-manifest.schema.json"


@pytest.fixture
def views(store: Store) -> Iterator[Views]:
    with open_views(store, make=True) as opened:
        yield opened


@pytest.fixture
def demo_on_sqlite(tmp_path: Path) -> Iterator[Views]:
    demo_ledger(str(tmp_path / "ledger.db"), tmp_path)
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store) as opened:
        yield opened


@pytest.fixture
def demo(location: str, tmp_path: Path) -> Iterator[Views]:
    """The views of the demo's ledger, on either database."""
    demo_ledger(location, tmp_path)
    with open_store(location) as store, open_views(store) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_an_export_holds_what_the_views_show(demo: Views, tmp_path: Path, form: Any) -> None:
    place = tmp_path / "out"
    report = exported(demo, place, form=form)
    assert held(place) == shown(demo)
    told = manifest_in(place)
    assert (told["kind"], told["because"], told["number"], told["files"]) == ("full", "first", 1, form)
    assert {table["view"] for table in told["tables"]} == {*exported_views()}
    assert len(report.written) == len([file for table in told["tables"] for file in table["files"]])
    with demo.reading() as connection:
        live = demo.live(connection)
    assert (told["position"], told["chain"], told["ledger"]) == (live.position, live.chain, demo.store.identity.id)
    assert told["views"]["policies"] == json.loads(live.policies)
    assert json.loads((place / kept_name(1)).read_text("utf-8")) == told
    Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(told)


def test_the_schema_of_the_manifest_is_that_of_the_program() -> None:
    assert json.loads(SCHEMA.read_text("utf-8")) == manifest_schema()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, *range(100, 100 + (SOAK - 1) * 8)])
def test_what_is_exported_in_steps_is_what_the_views_show(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Increments at random moments, and a copy that takes over what their manifests tell of changes."""
    monkeypatch.setattr(parts, "RANGE_ROWS", 4)
    monkeypatch.setattr(parts, "ONE_FILE_ROWS", 5)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as opened:
        _kept_up(opened, tmp_path, seed, 140 if SOAK == 1 else 1_000)


@pytest.mark.slow
def test_the_same_on_both_databases(views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ONE_FILE_ROWS", 0)
    _kept_up(views, tmp_path, 5, 50)


def _kept_up(views: Views, folder: Path, seed: int, events: int) -> None:
    empty_live(views)
    place = folder / "out"
    exported(views, place)
    copy, increments, stayed = LevelsByFeed(place), 0, 0
    for _ in grown(views, folder, seed, events):
        report = exported(views, place, keep=2)
        expected = shown(views)
        assert held(place) == expected
        assert copy.take_over() == expected["v1_levels"]
        increments += report.manifest.kind == "increment"
        stayed += len(report.written) < len(report.manifest.named_files())
    assert increments == report.manifest.number - 1 > 3 and stayed > 3


@pytest.mark.slow
def test_an_export_goes_on_where_the_views_took_no_step(demo_on_sqlite: Views, tmp_path: Path) -> None:
    place = tmp_path / "out"
    exported(demo_on_sqlite, place)
    before = (place / MANIFEST).read_bytes()
    report = exported(demo_on_sqlite, place)
    assert (report.is_new, report.written) == (False, [])
    assert (place / MANIFEST).read_bytes() == before
    exported(demo_on_sqlite, place, full=True)
    location = str(demo_on_sqlite.store.location)
    told = run("export", "--to", str(place), "--keep", "1", "--store", location)
    assert "nothing was written.\n0 files written, 0 bytes; " in told and told.endswith("; 1 old files removed.\n")
    assert [path.name for path in (place / "manifests").iterdir()] == ["000000002.json"]
    fewer = exported(demo_on_sqlite, place, ("v1_levels", "v1_calendar"))
    assert (fewer.is_new, fewer.manifest.kind, fewer.written) == (True, "increment", [])
    assert {*held(place)} == {"v1_levels", "v1_calendar"}


@pytest.mark.slow
def test_only_ranges_and_months_that_changed_are_written(
    demo: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "RANGE_ROWS", 3)
    monkeypatch.setattr(parts, "ONE_FILE_ROWS", 10)
    place = tmp_path / "out"
    exported(demo, place)
    with demo.moving() as connection:
        live = demo.live(connection)
        levels = demo.tables(live.build)["levels"]
        unit = ("creator/lin", "creator-level")
        same = (levels.c.subject == unit[0]) & (levels.c.scheme == unit[1])
        connection.execute(update(levels).where(same).values(score=77))
        number(connection, demo.changes, [unit], StoodAt(live.position, live.as_of))
    report = exported(demo, place)
    (change,) = report.manifest.changes
    (levels_file,) = [file for file in report.written if file.path.startswith("v1_levels/")]
    assert {file.path for file in report.written} == {levels_file.path, change.file.path}
    assert levels_file.part["subjects_from"] == "" and change.file.rows == 1
    assert held(place) == shown(demo)


@pytest.mark.slow
def test_what_the_feed_tells_is_one_file_however_long(
    demo_on_sqlite: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "FILE_ROWS", 2)
    place = tmp_path / "out"
    exported(demo_on_sqlite, place)
    units = [row[:2] for row in shown(demo_on_sqlite)["v1_levels"]][:5]
    with demo_on_sqlite.moving() as connection:
        live = demo_on_sqlite.live(connection)
        number(connection, demo_on_sqlite.changes, units, StoodAt(live.position, live.as_of))
    (change,) = exported(demo_on_sqlite, place).manifest.changes
    assert change.file.rows == len(units) == 5 and held(place) == shown(demo_on_sqlite)


@pytest.mark.slow
def test_an_export_begins_anew_and_says_why(
    demo_on_sqlite: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "out"
    assert exported(demo_on_sqlite, place).manifest.because == "first"
    assert exported(demo_on_sqlite, place, full=True).manifest.because == "asked"
    assert exported(demo_on_sqlite, place, form="csv").manifest.because == "files"
    file = place / manifest_in(place)["tables"][0]["files"][0]["path"]
    file.write_bytes(file.read_bytes() + b"\n")
    assert exported(demo_on_sqlite, place, form="csv").manifest.because == "damaged"
    file.unlink()
    assert exported(demo_on_sqlite, place, form="csv").manifest.because == "damaged"
    rebuild(demo_on_sqlite, Asked(sample=0))
    assert exported(demo_on_sqlite, place, form="csv").manifest.because == "build"
    monkeypatch.setattr(exporting, "FORMAT", database.FORMAT + 1)
    assert exported(demo_on_sqlite, place, form="csv").manifest.because == "form"
    monkeypatch.undo()
    exported(demo_on_sqlite, place, form="csv")
    for key, value, why in (
        ("chain", "00" * 32, "history"),
        ("as_of", "2099-01-01T00:00:00+08:00", "history"),
        ("feed", {"name": "another", "number": 0}, "feed"),
        ("feed", {"name": demo_on_sqlite.feed, "number": 10**6}, "feed"),
    ):
        (place / MANIFEST).write_text(json.dumps(manifest_in(place) | {key: value}), "utf-8")
        made = exported(demo_on_sqlite, place, form="csv").manifest
        assert (made.because, made.changes) == (why, [])
        assert held(place) == shown(demo_on_sqlite)


@pytest.mark.slow
def test_manifests_stay_with_their_files_and_nothing_else_is_taken_away(
    demo_on_sqlite: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "out"
    (place / "v1_levels").mkdir(parents=True)
    for name in ("v1_levels/notes.txt", "v1_levels/ab.parquet", "mine.parquet"):
        (place / name).write_text("mine")
    left = place / "v1_history" / "x" / f"{'0' * 32}.parquet"
    left.parent.mkdir(parents=True)
    for path in (left, left.with_name(f".{left.name}.0123abcd.new"), place / f".{MANIFEST}.0123abcd.new"):
        path.write_text("left by one that was killed")
    for number_, form in enumerate(("parquet", "csv", "parquet", "csv"), 1):
        report = exported(demo_on_sqlite, place, form=form, keep=2)
        assert report.manifest.number == number_
    assert not left.parent.exists() and not list(place.glob(".*.new"))
    assert {path.name for path in (place / "manifests").iterdir()} == {"000000003.json", "000000004.json"}
    for kept in (3, 4):
        assert held(place, json.loads((place / kept_name(kept)).read_text("utf-8"))) == shown(demo_on_sqlite)
    assert (place / "mine.parquet").exists() and (place / "v1_levels" / "ab.parquet").exists()
    exported(demo_on_sqlite, place, form="parquet", keep=1)
    assert {path.suffix for path in (place / "v1_calendar").iterdir()} == {".parquet"}


def test_views_are_named_with_and_without_their_beginning() -> None:
    assert views_asked(["levels", "v1_history", "levels"]) == ("v1_levels", "v1_history")
    assert views_asked([]) == exported_views()
    with pytest.raises(UsageError, match="there is no view 'v1_level' to export; there are v1_levels, "):
        views_asked(["level"])


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Views]:
    """Views of an empty SQLite ledger."""
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as opened:
        empty_live(opened)
        yield opened


def test_what_lies_there_and_is_no_export_of_this_ledger_stays(small: Views, tmp_path: Path) -> None:
    place = tmp_path / "out"
    exported(small, place)
    told = manifest_in(place)
    (place / MANIFEST).write_text(json.dumps(told | {"ledger": "another"}), "utf-8")
    with pytest.raises(UsageError, match="an export of another ledger lies in ") as found:
        exported(small, place)
    assert "): nothing was written; name another place" in str(found.value)
    for content in ("{", json.dumps(told | {"form": 2}), json.dumps({"packages": []})):
        (place / MANIFEST).write_text(content, "utf-8")
        with pytest.raises(UsageError, match=" is no manifest of an export that this levelbook reads ") as caught:
            exported(small, place)
        assert "): nothing was written; name another place, or remove what lies there" in str(caught.value)
    assert len(list(place.rglob("*.parquet"))) == len(told["tables"])


def test_a_place_that_cannot_be_used_is_named(small: Views, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=" for the export does not exist; make it first"):
        exported(small, tmp_path / "none" / "out")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=" cannot be written: File exists; see to the folder, then export again"):
        exported(small, tmp_path / "file")
    place = tmp_path / "out"
    exported(small, place)
    with locked(place / ".export.lock", AssertionError()), pytest.raises(StoreError, match=BUSY):
        exported(small, place)


def test_files_that_are_taken_away_meanwhile_stop_the_switch(
    small: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "out"

    def taken(self: FolderPlace) -> None:
        next(iter(sorted(place.rglob("*.parquet")))).unlink()

    monkeypatch.setattr(FolderPlace, "settle", taken)
    with pytest.raises(StoreError, match="1 files of the export to ") as found:
        exported(small, place)
    assert ": the manifest was left as it was; let nobody else write there, and export again" in str(found.value)
    assert not (place / MANIFEST).exists()


def test_an_export_that_was_put_meanwhile_stays(small: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "out"
    settle = FolderPlace.settle

    def switched(self: FolderPlace) -> None:
        settle(self)
        (place / MANIFEST).write_text("another")

    monkeypatch.setattr(FolderPlace, "settle", switched)
    with pytest.raises(StoreError, match="another export has put its manifest into ") as found:
        exported(small, place)
    assert " since this one began: that one counts; let only one export run there at a time" in str(found.value)
    assert (place / MANIFEST).read_text() == "another"


@pytest.mark.slow
def test_a_full_disk_leaves_the_export_that_stood_there(demo_on_sqlite: Views, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as resize:
        place = tmp_path / "disk" / "out"
        exported(demo_on_sqlite, place)
        expected = shown(demo_on_sqlite)
        used = sum(file.stat().st_blocks * 512 for file in place.rglob("*"))
        resize(f"{used // 1024 + 60}k")
        with pytest.raises(StoreError, match=" is full: the export that stood there stands; make space and export"):
            exported(demo_on_sqlite, place, form="csv")
        assert held(place) == expected
        assert not list(place.rglob("*.csv")), "what was written before is taken away"
        resize("8m")
        exported(demo_on_sqlite, place, form="csv")
        assert held(place) == expected


@pytest.mark.slow
def test_the_command_says_what_it_did_and_an_interruption_changes_nothing(
    demo_on_sqlite: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "out")
    asked = ["export", "--to", place, "--store", str(tmp_path / "ledger.db"), "--lang", "en"]
    first = CliRunner().invoke(main, asked)
    assert first.exit_code == 0 and f"Exported to {place}: " in first.output and "nothing lay there" in first.output
    again = CliRunner().invoke(main, asked)
    assert again.exit_code == 0 and again.output.startswith("Nothing has changed since manifest 1 of ")
    told = json.loads(CliRunner().invoke(main, [*asked, "--full", "--format", "json"]).output)
    assert (told["number"], told["kind"], told["because"]) == (2, "full", "asked")
    assert told["rows"]["v1_levels"] == 10
    before = (tmp_path / "out" / MANIFEST).read_bytes()

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "changes_behind", interrupted)
    monkeypatch.setattr(making, "order_of", interrupted)
    stopped = CliRunner().invoke(main, [*asked, "--files", "csv"])
    assert (stopped.exit_code, stopped.output) == (130, "Error: interrupted\n")
    assert (tmp_path / "out" / MANIFEST).read_bytes() == before
    assert not list((tmp_path / "out").rglob("*.csv"))
