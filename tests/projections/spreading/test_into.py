"""A rebuild into files: what the views hold, by any number of processes, whatever ends it."""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import Pipe
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyarrow.fs import FileSystem, LocalFileSystem, copy_files

from projections.exporting.columns import exported_views
from projections.exporting.export import ExportAsked, export
from projections.exporting.naming import place_for
from projections.exporting.places import FolderPlace, is_ours
from projections.projector.check import check_views
from projections.projector.prove import Proof
from projections.spreading import bucket, files, into, processes
from projections.spreading.across import Across
from projections.spreading.files import Left, leave
from projections.spreading.into import AskedInto, IntoReport, rebuild_into
from projections.spreading.passing import is_first_to
from projections.spreading.processes import Helpers, ProcessAsked, helpers
from projections.views.database import CHECKING, LIVE, open_views, scratch_views
from projections.views.location import has_views
from replay.columnar import ledger_columns
from replay.columnar.jit import kept_in
from replay.columnar.seal import seal
from replay.errors import DamagedError, LevelbookError, NotExaminedError, StoreError, UsageError
from replay.objects.cache import CACHE_VARIABLE
from replay.objects.naming import place_of
from replay.passing_folders import PREFIX, passing_folder
from replay.schemes import warming
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.buckets import bucket_server, keys_in_environment
from tests.support.disks import small_disk
from tests.support.exports import held, manifest_in, shown
from tests.support.killing import killed
from tests.support.making import ingest_events
from tests.support.records import damage, some_of
from tests.support.running import run
from tests.support.threads import ended_at_once, second_thread
from tests.support.views import ALL, assert_same_rows, empty_live, filled
from tests.worlds.ledgers import END, World

pytestmark = pytest.mark.slow
KILLS = 3 * SOAK


def grown(store: Store, tmp_path: Path) -> Store:
    """A ledger most of whose records are sealed."""
    world = World(81)
    ingest_events(store, world.events(500), tmp_path)
    seal(store, tmp_path / "segments")
    (tmp_path / "more").mkdir()
    ingest_events(store, world.events(100), tmp_path / "more")
    return store


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Store]:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        yield grown(store, tmp_path)


def spread(store: Store, tmp_path: Path, to: str = "out", workers: int = 1, **asked: Any) -> IntoReport:
    told: dict[str, Any] = {"segments": tmp_path / "segments", "as_of": END, "sample": ALL, "seed": 1} | asked
    with helpers(workers - 1) as beside:
        return rebuild_into(store, AskedInto(str(tmp_path / to), **told), beside)


def shown_by_views(store: Store) -> dict[str, Any]:
    with open_views(store, make=True) as views:
        filled(views, 1, LIVE)
        with views.moving() as connection:
            views.show(connection, 1)
        return shown(views)


def test_two_processes_write_what_one_writes_which_is_what_views_hold(store: Store, tmp_path: Path) -> None:
    """All of it proved by replays; without any views."""
    ledger = grown(store, tmp_path)
    one, two = spread(ledger, tmp_path, "one"), spread(ledger, tmp_path, "two", workers=2)
    assert not has_views(ledger)
    assert one.manifest.tables == two.manifest.tables and one.digest == two.digest
    assert one.proof == two.proof and one.proof.compared > 10 and one.proof.problems == []
    expected = shown_by_views(ledger)
    for folder in ("one", "two"):
        assert held(tmp_path / folder) == expected


@pytest.mark.slow
def test_processes_read_segments_in_storage_of_objects(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each opens the place by itself: into files, and beside the process that writes views."""
    keys_in_environment(monkeypatch)
    kept_in()  # loops stay where they are kept
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    ledger = grown(store, tmp_path)
    with bucket_server() as server:
        place = place_of(server.url("levels", ledger.identity.id))
        seal(ledger, place)
        one, two = (spread(ledger, tmp_path, f"by-{count}", count, segments=place) for count in (1, 2))
        assert one.digest == two.digest
        with open_views(ledger, make=True) as views:
            filled(views, 1, LIVE, segments=place, workers=2)
            filled(views, 2, CHECKING, segments=place)
            assert_same_rows(views)
        assert any(f"GET /levels/{ledger.identity.id}/" in told for told in server.asked)


def test_a_view_of_many_rows_has_several_files_of_a_bucket_and_one_of_none_an_empty_one(
    ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_columns, "PART_ROWS", 1)
    monkeypatch.setattr(files, "FILE_ROWS", 1)
    spread(ledger, tmp_path)
    assert held(tmp_path / "out") == shown_by_views(ledger)
    tables = {table["view"]: table["files"] for table in manifest_in(tmp_path / "out")["tables"]}
    of_bucket = [file["part"]["bucket"] for file in tables["v1_levels"] if file["part"]["bucket"]]
    assert len(of_bucket) > len({*of_bucket}) > 1 and of_bucket == sorted(of_bucket, key=int)
    assert [(file["rows"], file["part"]) for file in tables["v1_shadow_levels"]] == [(0, {"bucket": None})]


def test_the_manifest_is_one_of_an_export_and_both_replace_one_another(ledger: Store, tmp_path: Path) -> None:
    assert spread(ledger, tmp_path).manifest.because == "first"
    with open_views(ledger, make=True) as views:
        empty_live(views)
        made = export(views, FolderPlace(tmp_path / "out"), ExportAsked(exported_views())).manifest
        assert (made.number, made.kind, made.changes) == (2, "full", [])
        assert held(tmp_path / "out") == shown(views)
    again = spread(ledger, tmp_path)
    assert (again.manifest.number, again.manifest.kind, again.manifest.because) == (3, "full", "asked")
    assert (again.manifest.views.build, again.manifest.feed.name) == (0, "")
    assert spread(ledger, tmp_path).written == 0  # the same files lie there


def test_so_many_manifests_stay_as_each_run_says(ledger: Store, tmp_path: Path) -> None:
    location, kept = str(tmp_path / "ledger.db"), tmp_path / "out" / "manifests"

    def rebuilt(*words: str) -> list[str]:
        sealed = ("--segments", str(tmp_path / "segments"), "--sample", "0")
        run("rebuild", "--into", str(tmp_path / "out"), *sealed, "--store", location, *words)
        return sorted(path.stem.lstrip("0") for path in kept.iterdir())

    assert [rebuilt("--keep", "5") for _ in range(5)][-1] == ["1", "2", "3", "4", "5"]
    assert rebuilt() == ["4", "5", "6"]
    assert rebuilt("--keep", "1") == ["7"]


def test_of_processes_that_are_killed_the_buckets_are_worked_out_again(
    ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = spread(ledger, tmp_path, "one")
    taken, left_of = list[int](), files.left_of

    def kill_one(folder: Path, number: int) -> Any:
        if not taken:
            multiprocessing.active_children()[0].kill()
        taken.append(number)
        return left_of(folder, number)

    monkeypatch.setattr(into, "left_of", kill_one)
    assert spread(ledger, tmp_path, workers=2).digest == expected.digest
    assert sorted(taken) == [*range(16)]


def test_a_process_that_has_begun_nothing_is_not_waited_for(ledger: Store, tmp_path: Path) -> None:
    """Where records are few it is not ready before all is done."""
    expected = spread(ledger, tmp_path, "one")
    ours, theirs = Pipe()
    (tmp_path / "left").mkdir()
    asked = AskedInto(str(tmp_path / "out"), ALL, 1, tmp_path / "segments", END)
    with ours, theirs:
        found = rebuild_into(ledger, asked, Helpers(tmp_path / "left", [ours]))
    assert found.digest == expected.digest


def test_several_processes_write_to_storage_of_objects(
    ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = spread(ledger, tmp_path, "one")
    keys_in_environment(monkeypatch)
    with bucket_server() as server, helpers(1) as beside:
        url = server.url("levels", "spread")
        asked = AskedInto(url, ALL, 1, tmp_path / "segments", END)
        assert rebuild_into(ledger, asked, beside).manifest.tables == expected.manifest.tables
        files, prefix = FileSystem.from_uri(url)
        copy_files(prefix, str(tmp_path / "copy"), source_filesystem=files, destination_filesystem=LocalFileSystem())
    assert held(tmp_path / "copy") == held(tmp_path / "one")


def test_what_every_process_refuses_the_first_one_says(
    ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> Any:
        raise LevelbookError("no bucket is worked out")

    spread(ledger, tmp_path)
    before = (tmp_path / "out" / "manifest.json").read_bytes()
    monkeypatch.setattr(processes, "second_core", second_thread)
    monkeypatch.setattr(files, "write_bucket", refused)
    monkeypatch.setattr(into, "write_bucket", refused)
    with pytest.raises(LevelbookError, match="no bucket is worked out"):
        spread(ledger, tmp_path, workers=2)
    assert (tmp_path / "out" / "manifest.json").read_bytes() == before


def test_what_is_not_proved_is_not_switched_to(ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spread(ledger, tmp_path)
    before = held(tmp_path / "out")
    monkeypatch.setattr(Across, "prove", lambda *_: Proof(1, 1, 0, ["merchant/m-1: otherwise"], []))
    with pytest.raises(
        LevelbookError,
        match="what was worked out is not what independent replays give, the manifest was left as it was",
    ):
        spread(ledger, tmp_path, as_of=END + 1)
    assert manifest_in(tmp_path / "out")["number"] == 1 and held(tmp_path / "out") == before


def test_a_wrong_row_is_found_by_replays(ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_subjects = bucket.of_subjects

    def wrong(tables: Any, subjects: Any) -> Any:
        found = of_subjects(tables, subjects)
        return found | {"levels": found["levels"].slice(0, 0)}

    monkeypatch.setattr(files, "of_subjects", wrong)
    with pytest.raises(LevelbookError, match="levels has 0 rows of merchant-reputation, a replay gives 1"):
        spread(ledger, tmp_path)


def test_a_sealed_record_that_cannot_be_read_is_found_where_the_sample_has_it(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, World(72).events(200), tmp_path)
        seal(store, tmp_path / "segments")
        payment = some_of(store, "merchant/m-2", ("order.paid",))
        with damage(tmp_path / "ledger.db", {payment: (b'"amount"', b'"amounts"')}):
            with pytest.raises(DamagedError, match=f"the record at position {payment} is damaged"):
                spread(store, tmp_path)
            assert spread(store, tmp_path, sample=0).manifest.number == 1


def test_an_empty_ledger_and_anothers_place_are_refused(tmp_path: Path) -> None:
    for name in ("ledger.db", "other.db"):
        create_store(str(tmp_path / name))
    with open_store(str(tmp_path / "ledger.db")) as store, open_store(str(tmp_path / "other.db")) as other:
        with pytest.raises(UsageError, match="holds no record; there is nothing to show"):
            spread(store, tmp_path)
        ingest_events(other, World(1).events(30), tmp_path)
        with helpers(0) as beside:
            rebuild_into(other, AskedInto(str(tmp_path / "out")), beside)
        with pytest.raises(UsageError, match="an export of another ledger lies in"):
            spread(store, tmp_path)


@pytest.mark.parametrize("named", [None, "segments", "to-be-sealed/../segments"])
def test_where_segments_are_looked_for_no_files_are_written(tmp_path: Path, named: str | None) -> None:
    """Also before anything is sealed: the ledger could not be sealed or read in bulk any more."""
    create_store(str(tmp_path / "ledger.db"))
    (tmp_path / "to-be-sealed").mkdir()
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        ingest_events(store, World(1).events(30), tmp_path)
        sealed, to = (None, "ledger.db.segments") if named is None else (tmp_path / "segments", named)
        with pytest.raises(UsageError, match=r"is where sealed segments of .* are looked for: nothing was written"):
            spread(store, tmp_path, to, segments=sealed)
        assert not (tmp_path / to).exists()
        with pytest.raises(UsageError, match="is where sealed segments of"):
            place_for(str(tmp_path / "ledger.db.segments"), views.store)


def test_no_more_processes_are_begun_than_buckets_are_left_for(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = list[Any]()

    def noted(serve: Any) -> Any:
        begun.append(serve)
        return ended_at_once(serve)

    monkeypatch.setattr(processes, "second_core", noted)
    with helpers(63):
        assert len(begun) == 15


def test_a_passing_folder_without_room_is_named(ledger: Store, tmp_path: Path) -> None:
    asked = AskedInto(str(tmp_path / "out"), 1, 1, tmp_path / "segments", END)
    with pytest.raises(StoreError, match=r"what processes pass on cannot be written to .*/gone \("):
        leave(tmp_path / "gone", 1, Left([], [], set()))
    with pytest.raises(StoreError, match=r"what processes pass on cannot be written to .*/gone \("):
        is_first_to(tmp_path / "gone" / "begun-1")
    with pytest.raises(NotExaminedError, match=r"cannot be kept there \(No such file or directory\): "):
        scratch_views(ledger, tmp_path / "gone" / "views")
    ours, theirs = Pipe()
    told = r"\), and the manifest was left as it was: make space there, or name another folder by TMPDIR"
    with ours, theirs, pytest.raises(StoreError, match=told):
        rebuild_into(ledger, asked, Helpers(tmp_path / "gone", [ours]))


def test_a_process_whose_folder_went_with_the_first_one_ends_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "load_kept", lambda: iter(()))
    (tmp_path / "left").mkdir()
    untold: Any = None
    for folder in (tmp_path / "gone", tmp_path / "left"):  # in the second nothing is left to take a bucket by
        ours, theirs = Pipe()
        with ours, theirs:
            ours.send(ProcessAsked(untold, untold, str(tmp_path / "out"), folder, [1]))
            processes._serve(theirs)
            assert ours.recv() is None


def test_a_temporary_folder_without_room_is_named_and_not_the_disk_of_the_views(
    ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "small", "128k") as resize:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "small"))
        told = r"worked out in the temporary folder .*/small cannot be kept there \(database or disk is full\): "
        with pytest.raises(NotExaminedError, match=told):
            spread(ledger, tmp_path)
        with open_views(ledger, make=True) as views:
            filled(views, 1, LIVE)
            with views.moving() as connection:
                views.show(connection, 1)
            with pytest.raises(NotExaminedError, match=told):
                check_views(views)
        assert not (tmp_path / "out" / "manifest.json").exists()
        resize("64m")
        assert spread(ledger, tmp_path).manifest.number == 1


@pytest.mark.kills
def test_a_rebuild_that_is_killed_leaves_the_manifest_before_or_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where what is killed leaves its passing files
    random, place, location = Random(4), tmp_path / "out", str(tmp_path / "ledger.db")
    create_store(location)
    (tmp_path / "segments").mkdir()
    with open_store(location) as store:
        ingest_events(store, World(5).events(150), tmp_path)
        standing = spread(store, tmp_path)
    kills = turn = 0
    # As many as it takes: how long a run lasts is the machine's business.
    while turn < KILLS or (kills <= KILLS // 3 and turn < 10 * KILLS):
        turn += 1
        number, as_of = manifest_in(place)["number"], END + turn * 40 * 86_400_000_000
        kills += killed(partial(_spread_at, location, tmp_path, as_of), random.uniform(0.1, 1.5 / (turn + 1 - kills)))
        held(place)  # every file that the manifest names is whole
        assert manifest_in(place)["number"] in (number, number + 1)
    assert kills > KILLS // 3
    with open_store(location) as store:
        again = spread(store, tmp_path)
        assert again.manifest.tables == standing.manifest.tables
    lying = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert not [name for name in lying if is_ours(name) and name.endswith(".new")]
    last = time.monotonic() + 20
    while left := list(tmp_path.glob(f"{PREFIX}*")):  # processes of the last one that was killed end by themselves
        assert time.monotonic() < last, left
        with passing_folder():
            time.sleep(0.1)


def _spread_at(location: str, tmp_path: Path, as_of: int) -> None:
    with open_store(location) as store:
        spread(store, tmp_path, workers=2, as_of=as_of)
