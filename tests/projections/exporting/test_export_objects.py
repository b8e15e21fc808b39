"""Exports to the storage of objects, by a server of S3 on this machine."""

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.fs import FileSystem, LocalFileSystem

from projections.exporting.export import ExportAsked, export
from projections.exporting.naming import place_named
from projections.exporting.objects import YOUNG_NS, ObjectPlace
from projections.projector.advance import advance
from projections.spreading.into import AskedInto, rebuild_into
from projections.spreading.processes import helpers
from projections.views.database import Views, open_views
from replay.columnar.seal import seal
from replay.errors import StoreError, UsageError
from replay.objects.naming import ObjectsUrl
from replay.objects.storage import storage_at
from replay.store.opening import open_store
from tests.support.buckets import BucketServer, bucket_server, keys_in_environment
from tests.support.exports import held, shown
from tests.support.making import ingest_events
from tests.support.serving import demo_ledger
from tests.worlds.ledgers import World

LEFT = f"v1_levels/{'0' * 32}.parquet"
SOME = ("v1_levels", "v1_history", "v1_set_aside")


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    with bucket_server() as found:
        yield found


@pytest.fixture
def url(server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix of a bucket, with keys in the environment."""
    keys_in_environment(monkeypatch)
    return server.url("levels", "daily")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Views]:
    demo_ledger(str(tmp_path / "ledger.db"), tmp_path)
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store) as opened:
        yield opened


def copied(url: str, folder: Path) -> Path:
    """What lies below a prefix, as a folder."""
    files, prefix = FileSystem.from_uri(url)
    pa.fs.copy_files(prefix, str(folder), source_filesystem=files, destination_filesystem=LocalFileSystem())
    return folder


def contents(url: str, folder: Path) -> dict[str, bytes]:
    """What lies below a prefix, by name."""
    copied(url, folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_an_export_to_s3_is_the_export_to_a_folder(demo: Views, url: str, tmp_path: Path) -> None:
    place = place_named(url)
    expected = {view: rows for view, rows in shown(demo).items() if view in SOME}
    for number in (1, 2, 3):
        report = export(demo, place, ExportAsked(SOME, keep=2, full=True))
        found = copied(url, tmp_path / f"copy-{number}")
        assert held(found) == expected
        assert len(list((found / "manifests").iterdir())) == min(number, 2)
    assert export(demo, place, ExportAsked(SOME)).is_new is False
    place.put(LEFT, b"left by one that was killed")
    events = World(8).events(20)
    ingest_events(demo.store, events, tmp_path)
    while advance(demo, report.manifest.views.build).build.position < demo.store.head().position:
        pass
    assert export(demo, place, ExportAsked(SOME)).manifest.kind == "increment"
    found = copied(url, tmp_path / "last")
    assert held(found) == {view: rows for view, rows in shown(demo).items() if view in SOME}
    assert (found / LEFT).exists(), "it may be of an export that is at work"
    later = ObjectPlace(storage_at(ObjectsUrl(url), StoreError), lambda: time.time_ns() + 2 * YOUNG_NS)
    assert export(demo, later, ExportAsked(SOME, keep=1, full=True)).left is None
    found = copied(url, tmp_path / "later")
    assert held(found) == {view: rows for view, rows in shown(demo).items() if view in SOME}
    assert not (found / LEFT).exists() and len(list((found / "manifests").iterdir())) == 1


@pytest.mark.slow
def test_storage_that_cannot_be_used_is_named(demo: Views, url: str) -> None:
    with pytest.raises(
        StoreError, match=r" cannot be read or written: .*; the export that stood there stands: see to "
    ):
        export(demo, place_named(url.replace("//levels/", "//no-such-bucket/")), ExportAsked(SOME))


@pytest.mark.slow
def test_where_segments_lie_nothing_is_exported_and_they_stay(
    demo: Views, server: BucketServer, url: str, tmp_path: Path
) -> None:
    """Their manifests bear the names of an export's earlier ones."""
    place = server.url("levels", "segments")
    seal(demo.store, ObjectsUrl(place))
    before = contents(place, tmp_path / "a")
    assert before
    old = ObjectPlace(storage_at(ObjectsUrl(place), StoreError), lambda: time.time_ns() + 2 * YOUNG_NS)
    with pytest.raises(UsageError, match=r"manifests/000000001.json is no manifest .* nothing was written"):
        export(demo, old, ExportAsked(SOME))
    with helpers(0) as beside, pytest.raises(UsageError, match="name another place"):
        rebuild_into(demo.store, AskedInto(place), beside)
    assert contents(place, tmp_path / "b") == before
    seal(demo.store, ObjectsUrl(place))
