"""Exports to the storage of objects, by a server of S3 on this machine."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow.fs import FileSystem, LocalFileSystem

from projections.exporting.export import ExportAsked, ExportReport, export
from projections.exporting.manifest import MANIFEST, ExportManifest, is_kept_name, kept_name, read_manifest
from projections.exporting.naming import place_named
from projections.exporting.objects import YOUNG_NS, ObjectPlace, object_place
from projections.projector.advance import advance
from projections.spreading.into import AskedInto, rebuild_into
from projections.spreading.processes import helpers
from projections.views.database import Views, open_views
from replay.columnar.seal import seal
from replay.errors import StoreError, UsageError
from replay.objects.naming import ObjectsUrl
from replay.objects.storage import Storage, storage_at
from replay.store.opening import create_store, open_store
from tests.support.buckets import Application, BucketServer, bucket_server, keys_in_environment
from tests.support.exports import held, shown
from tests.support.making import ingest_events
from tests.support.serving import demo_ledger
from tests.support.views import empty_live
from tests.worlds.ledgers import World

LEFT = f"v1_levels/{'0' * 32}.parquet"
SOME = ("v1_levels", "v1_history", "v1_set_aside")
OTHER = ExportAsked(SOME, "csv")
OVERTAKEN = "another export has put its manifest into s3://at-once/of/"


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
    later = object_place(ObjectsUrl(url), lambda: time.time_ns() + 2 * YOUNG_NS)
    assert export(demo, later, ExportAsked(SOME, keep=1, full=True)).left is None
    found = copied(url, tmp_path / "later")
    assert held(found) == {view: rows for view, rows in shown(demo).items() if view in SOME}
    assert not (found / LEFT).exists() and len(list((found / "manifests").iterdir())) == 1


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Views]:
    """Views of an empty ledger."""
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as opened:
        empty_live(opened)
        yield opened


@pytest.fixture
def prefix(server: BucketServer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One of its own, with a server that answers as it does."""
    keys_in_environment(monkeypatch)
    yield server.url("at-once", f"of/{abs(hash(request.node.name))}")
    server.instead = lambda _, application: application


def before_the_put_of(server: BucketServer, name: str, happens: Callable[[], object]) -> None:
    """Let something happen once, before an object is put."""
    waiting = [happens]

    def instead(environ: dict[str, Any], application: Application) -> Application:
        if waiting and environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith(f"/{name}"):
            waiting.pop()()
        return application

    server.instead = instead


def exported_beside(folder: Path, url: str, asked: ExportAsked = OTHER) -> ExportReport:
    """Another export of the same views to one place."""
    with open_store(str(folder / "ledger.db")) as store, open_views(store, only_read=True) as views:
        return export(views, place_named(url), asked)


def in_place(url: str) -> tuple[ExportManifest, list[str]]:
    """The manifest that readers open, every file of which lies there; and the names of those that are kept."""
    storage = storage_at(ObjectsUrl(url), StoreError)
    content, listed = storage.read(MANIFEST), storage.listed()
    assert content is not None
    found = read_manifest(content, MANIFEST)
    assert storage.read(kept_name(found.number)) == content
    assert all(listed[file.path].bytes == file.bytes for file in found.named_files())
    return found, sorted(filter(is_kept_name, listed))


def test_of_two_exports_that_put_their_manifests_at_once_one_counts(
    small: Views, server: BucketServer, prefix: str, tmp_path: Path
) -> None:
    before_the_put_of(server, kept_name(1), lambda: exported_beside(tmp_path, prefix))
    with pytest.raises(StoreError, match=OVERTAKEN):
        export(small, place_named(prefix), ExportAsked(SOME))
    found, kept = in_place(prefix)
    assert (found.number, found.files) == (1, "csv") and kept == [kept_name(1)]
    assert export(small, place_named(prefix), ExportAsked(SOME)).manifest.number == 2


def test_a_number_that_was_tidied_away_meanwhile_does_not_count_again(
    small: Views, server: BucketServer, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two others come in between, and the second keeps only its own: the number of the first is free again."""
    export(small, place_named(prefix), ExportAsked(SOME))
    read, missed = Storage.read, list[str]()

    def removed_meanwhile(self: Storage, name: str) -> bytes | None:
        if name != kept_name(3) or missed:
            return read(self, name)
        missed.append(name)
        exported_beside(tmp_path, prefix, alone)
        return read(self, name)

    def twice() -> None:
        for _ in range(2):
            exported_beside(tmp_path, prefix, alone)
        monkeypatch.setattr(Storage, "read", removed_meanwhile)

    alone = ExportAsked(SOME, "csv", full=True, keep=1)
    before_the_put_of(server, kept_name(2), twice)
    with pytest.raises(StoreError, match=OVERTAKEN):
        export(small, place_named(prefix), ExportAsked(SOME, full=True))
    found, _ = in_place(prefix)
    assert (found.number, found.files, missed) == (4, "csv", [kept_name(3)])
    assert exported_beside(tmp_path, prefix, alone).manifest.number == 5
    assert in_place(prefix)[1] == [kept_name(5)]


def test_a_manifest_that_is_shown_late_gives_way_to_one_that_came_after_it(
    small: Views, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others, show = list[ExportReport](), ObjectPlace.show

    def late(self: ObjectPlace, name: str, content: bytes) -> None:
        monkeypatch.setattr(ObjectPlace, "show", show)
        others.append(exported_beside(tmp_path, prefix))
        self.show(name, content)

    monkeypatch.setattr(ObjectPlace, "show", late)
    with pytest.raises(StoreError, match=OVERTAKEN):
        export(small, place_named(prefix), ExportAsked(SOME))
    found, kept = in_place(prefix)
    assert found == others[0].manifest and found.number == 2 and kept == [kept_name(1), kept_name(2)]


def test_a_manifest_that_was_put_and_not_shown_counts_from_the_next_export_on(
    small: Views, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (1, 2):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(ObjectPlace, "show", killed)
            export(small, place_named(prefix), ExportAsked(SOME, full=True))
        report = export(small, place_named(prefix), ExportAsked(SOME))
        assert (report.is_new, report.manifest.number) == (False, number)
        assert in_place(prefix)[0] == report.manifest
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ObjectPlace, "show", killed)
        export(small, place_named(prefix), ExportAsked(SOME, "csv"))
    storage = storage_at(ObjectsUrl(prefix), StoreError)
    storage.remove(next(name for name in storage.listed() if name.endswith(".csv")))
    report = export(small, place_named(prefix), ExportAsked(SOME, full=True))
    assert report.manifest.number == 3 and report.manifest.files == "parquet", "its files are not there"
    assert in_place(prefix)[0] == report.manifest


def failing_at(server: BucketServer, name: str, *, is_put: bool) -> None:
    """Answer the put of an object by a refusal, whether or not it is put."""

    def instead(environ: dict[str, Any], application: Application) -> Application:
        if environ["REQUEST_METHOD"] != "PUT" or not environ["PATH_INFO"].endswith(f"/{name}"):
            return application

        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if is_put:
                list(application(environ, lambda *_: lambda _: None))
            start("403 Forbidden", [])
            return [b""]

        return answer

    server.instead = instead


def test_a_manifest_whose_answer_was_lost_counts(small: Views, server: BucketServer, prefix: str) -> None:
    failing_at(server, kept_name(1), is_put=True)
    report = export(small, place_named(prefix), ExportAsked(SOME))
    assert report.is_new and in_place(prefix)[0] == report.manifest


def test_a_manifest_whose_answer_was_lost_is_anothers_where_that_lies_there(
    small: Views, server: BucketServer, prefix: str, tmp_path: Path
) -> None:
    def beaten() -> None:
        exported_beside(tmp_path, prefix)
        failing_at(server, kept_name(1), is_put=False)

    before_the_put_of(server, "conditional-writes", beaten)
    with pytest.raises(StoreError, match=OVERTAKEN):
        export(small, place_named(prefix), ExportAsked(SOME))
    assert in_place(prefix)[0].files == "csv"


@pytest.mark.parametrize(("name", "counts"), [(kept_name(1), False), (MANIFEST, True)])
def test_whether_an_export_counts_that_failed_at_its_manifest_the_next_one_tells(
    name: str, counts: bool, small: Views, server: BucketServer, prefix: str
) -> None:
    failing_at(server, name, is_put=False)
    told = (
        r"^the export to .* cannot be read or written: .*; whether the new one counts, the next export tells"
        ": see to bucket, region and keys, then export again"
    )
    with pytest.raises(StoreError, match=told):
        export(small, place_named(prefix), ExportAsked(SOME))
    server.instead = lambda _, application: application
    report = export(small, place_named(prefix), ExportAsked(SOME))
    assert report.is_new is not counts and in_place(prefix)[0] == report.manifest


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
    old = object_place(ObjectsUrl(place), lambda: time.time_ns() + 2 * YOUNG_NS)
    with pytest.raises(UsageError, match=r"manifests/000000001.json is no manifest .* nothing was written"):
        export(demo, old, ExportAsked(SOME))
    with helpers(0) as beside, pytest.raises(UsageError, match="name another place"):
        rebuild_into(demo.store, AskedInto(place), beside)
    assert contents(place, tmp_path / "b") == before
    seal(demo.store, ObjectsUrl(place))
