"""Two exports to one place of objects, which holds nobody back; and what is tidied behind an export, or left."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pyarrow.fs import LocalFileSystem

from cli import main
from domain.limits import DAY_MICROS
from projections.exporting import columns, making
from projections.exporting.export import ExportAsked, export
from projections.exporting.manifest import MANIFEST, kept_name
from projections.exporting.objects import ObjectPlace
from projections.exporting.places import FolderPlace, PlacedFile
from projections.views.database import Views, open_views
from replay.errors import StoreError
from replay.objects.creating import Creating
from replay.objects.naming import ObjectsUrl
from replay.objects.storage import Storage
from replay.store.opening import create_store, open_store
from tests.support.exports import exported, held, shown
from tests.support.views import empty_live

SOME = ("v1_levels", "v1_calendar")
LEFT = f"v1_levels/{'0' * 32}.parquet"


class InFolder(Storage):
    """What lies in a folder, which has folders where objects have slashes."""

    def put(self, name: str, content: bytes | memoryview) -> None:
        Path(self.path(name)).parent.mkdir(parents=True, exist_ok=True)
        super().put(name, content)


class Objects(ObjectPlace):
    """Objects as Arrow sees them, in a folder; `days` later than they were put."""

    def __init__(self, folder: Path, days: int = 0) -> None:
        storage = InFolder(LocalFileSystem(), str(folder), "objects", StoreError)
        creating = Creating(storage, ObjectsUrl("gs://bucket/objects"))
        super().__init__(storage, creating, lambda: time.time_ns() + days * DAY_MICROS * 1_000)
        self.before_listing: Callable[[], Any] = lambda: None

    def files(self) -> dict[str, PlacedFile]:
        before, self.before_listing = self.before_listing, lambda: None
        before()
        return super().files()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Views]:
    """Views of an empty SQLite ledger."""
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as opened:
        empty_live(opened)
        yield opened


def told(folder: Path) -> list[bytes]:
    """What each kept manifest says, the last of which must be the one that counts."""
    found = [path.read_bytes() for path in sorted((folder / "manifests").iterdir())]
    assert found[-1] == (folder / MANIFEST).read_bytes()
    return found


def test_a_run_that_starts_late_takes_away_nothing_of_a_newer_manifest(small: Views, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    export(small, Objects(folder), ExportAsked(SOME))
    late = Objects(folder, days=2)

    def overtakes() -> None:
        export(small, Objects(folder), ExportAsked(SOME, "csv"))

    late.before_listing = lambda: setattr(late, "before_listing", overtakes)  # first it looks what stands there
    with pytest.raises(StoreError, match="another export has put its manifest into objects since this one began"):
        export(small, late, ExportAsked(SOME, full=True))
    expected = {view: rows for view, rows in shown(small).items() if view in SOME}
    assert held(folder) == expected and len(told(folder)) == 2


@pytest.mark.parametrize("days", [0, 2])
def test_a_run_that_fails_takes_away_nothing_of_a_newer_manifest(
    days: int, small: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    export(small, Objects(folder), ExportAsked(SOME))
    order_of = columns.order_of

    def overtaken(view: str) -> Any:
        monkeypatch.setattr(making, "order_of", order_of)
        export(small, Objects(folder), ExportAsked(SOME, "csv"))
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "order_of", overtaken)
    with pytest.raises(KeyboardInterrupt):
        export(small, Objects(folder, days), ExportAsked(SOME, full=True))
    assert held(folder) == {view: rows for view, rows in shown(small).items() if view in SOME}
    assert len(told(folder)) == 2


def test_objects_of_an_export_that_may_be_at_work_stay_for_a_day(small: Views, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    Objects(folder).put(LEFT, b"put by another just now")
    for form in ("parquet", "csv", "parquet"):
        export(small, Objects(folder), ExportAsked(SOME, form, keep=2))
    assert (folder / LEFT).exists() and len(told(folder)) == 2
    assert export(small, Objects(folder, days=2), ExportAsked(SOME, keep=1, full=True)).left is None
    assert not (folder / LEFT).exists() and len(told(folder)) == 1
    assert not list(folder.rglob("*.csv")) and held(folder)


def test_what_is_gone_already_is_taken_away(tmp_path: Path) -> None:
    Objects(tmp_path / "out").remove(LEFT)


def test_a_kept_manifest_that_cannot_be_read_lets_everything_stay(small: Views, tmp_path: Path) -> None:
    place = tmp_path / "out"
    for form in ("parquet", "csv"):
        exported(small, place, form=form)
    before = {path for path in place.rglob("*") if path.is_file()}
    (place / kept_name(1)).write_text("{")
    left = exported(small, place, full=True, keep=3).left
    assert left is not None and left.startswith(f"{place}/{kept_name(1)} is no manifest that this levelbook reads, and")
    assert before <= {path for path in place.rglob("*") if path.is_file()}
    (place / kept_name(1)).unlink()
    assert exported(small, place, full=True, keep=1).left is None
    assert not list(place.rglob("*.csv"))


@pytest.mark.parametrize(("language", "says"), [("en", "The export counts; old files were left"), ("zh", "导出已生效")])
def test_an_export_counts_though_old_files_cannot_be_taken_away(
    language: str, says: str, small: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "out"
    exported(small, place)

    def refused(self: FolderPlace, name: str) -> None:
        raise StoreError("nobody may take away")

    monkeypatch.setattr(FolderPlace, "remove", refused)
    asked = ["export", "--to", str(place), "--store", str(tmp_path / "ledger.db"), "--full", "--files", "csv"]
    found = CliRunner().invoke(main, [*asked, "--keep", "1", "--lang", language])
    assert found.exit_code == 0 and says in found.output and "nobody may take away" in found.output
    assert held(place) == shown(small) and list(place.rglob("*.parquet"))
