"""Records that left for object storage, by a server of S3 on this machine, are the records that they were."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import FileSystem

from projections.doctor import ledger as doctor_ledger
from projections.doctor.examine import examine
from replay import extras
from replay.archiving import archive as archiving
from replay.archiving.archive import ArchivedRecords, archive
from replay.archiving.limit import archive_limit
from replay.blocks import files
from replay.blocks.files import records_storage
from replay.errors import DamagedError, NotExaminedError, StoreError
from replay.integrity.backup import back_up
from replay.integrity.restore import restore
from replay.integrity.verify import verify
from replay.objects.cache import CACHE_VARIABLE, SIZE_VARIABLE, cache_of_this_machine
from replay.objects.naming import ObjectsUrl
from replay.schema.versions import RECORD_SEGMENTS
from replay.store.base.store import RECORDS_VARIABLE, Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.leaving.segments import archived_up_to
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from replay.store.queries import event_rows, plain_rows
from tests import ROOT
from tests.conftest import KEY, SOAK
from tests.support.archived import sealed, small_segments
from tests.support.buckets import Application, BucketServer, bucket_server, keys_in_environment
from tests.support.making import ingest_events
from tests.support.running import run
from tests.worlds.ledgers import MERCHANTS, World

Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    with bucket_server() as found:
        yield found


@pytest.fixture
def url(
    server: BucketServer, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ObjectsUrl:
    """A prefix of its own, keys in the environment, small segments and an empty cache."""
    keys_in_environment(monkeypatch)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    small_segments(monkeypatch)
    server.instead = lambda _, application: application
    return ObjectsUrl(server.url("records", f"of/{abs(hash(request.node.name))}"))


@pytest.fixture
def ledger(location: str, url: ObjectsUrl, tmp_path: Path) -> str:
    """A ledger of a random world, all of it sealed."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, World(1).events(150), tmp_path)
        sealed(store)
    return location


def rows_of_all(store: Store) -> Rows:
    return list(plain_rows(store, 0, store.head().position))


def archived_to(store: Store, url: ObjectsUrl, below: int | None = None) -> ArchivedRecords:
    return archive(store, url, archive_limit(store, below))


def segments_there(url: ObjectsUrl) -> set[str]:
    return set(records_storage(url.given).listed())


def test_everything_is_answered_as_before_and_comes_back_in_a_backup(
    ledger: str, url: ObjectsUrl, server: BucketServer, tmp_path: Path
) -> None:
    asked = ("replay", MERCHANTS[0], "--as-of", "2023-05-20", "--format", "json", "--store", ledger)
    with open_store(ledger) as store:
        rows, before = rows_of_all(store), run(*asked, "--position", str(store.head().position))
        keyed = ObjectsUrl(url.given.replace("s3://", "s3://key:hush-hush@"))
        archived_to(store, keyed, 70)
        done = archived_to(store, url)
        assert done.segments > 2 and done.not_named == 0
        assert {segment.place for segment in store.record_segments()} == {url.given}, "no key is noted down"
        assert rows_of_all(store) == rows
        assert {item.file_name(store.identity.id) for item in store.record_segments()} == segments_there(url)
    with open_store(ledger) as store:
        assert rows_of_all(store) == rows and verify(store).problems == []
        assert run(*asked, "--position", str(store.head().position)) == before
        back_up(store, tmp_path / "backup.db")
    assert restore(tmp_path / "backup.db", str(tmp_path / "restored.db")).problems == []
    with open_store(str(tmp_path / "restored.db")) as store:
        assert rows_of_all(store) == rows and store.record_segments() == []


def test_single_records_are_fetched_by_ranges_and_once(ledger: str, url: ObjectsUrl, server: BucketServer) -> None:
    with open_store(ledger) as store:
        rows = list(event_rows(store, 0, store.head().position))
        archived_to(store, url)
    server.asked.clear()
    with open_store(ledger) as store:
        assert list(event_rows(store, 69, 70)) == rows[69:70]
    assert Counter(line.partition(" ")[0] for line in server.asked) == {"HEAD": 1, "GET": 2}, "directory and block"
    server.asked.clear()
    with open_store(ledger) as store:
        assert list(event_rows(store, 69, 70)) == rows[69:70]
    assert server.asked == []


def test_a_chain_is_worked_out_from_one_segment_and_once(ledger: str, url: ObjectsUrl, server: BucketServer) -> None:
    with open_store(ledger) as store:
        rows = rows_of_all(store)
        archived_to(store, url)
        segment = store.record_segments()[1]
    server.asked.clear()
    with open_store(ledger) as store:
        assert list(plain_rows(store, segment.first + 7, segment.first + 8)) == rows[segment.first + 7 :][:1]
    asked = Counter(line.partition(" ")[0] for line in server.asked)
    assert asked["HEAD"] == 1 and 2 < asked["GET"] <= 1 + segment.blocks, "all records up to the end of the segment"
    server.asked.clear()
    with open_store(ledger) as store:
        assert list(plain_rows(store, segment.last - 1, segment.last)) == rows[segment.last - 1 :][:1]
    assert server.asked == []


def test_who_goes_through_all_of_a_segment_is_given_it_whole(
    ledger: str, url: ObjectsUrl, server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "RANGES_MAX", 2)
    with open_store(ledger) as store:
        rows = rows_of_all(store)
        segments = archived_to(store, url).segments
    server.asked.clear()
    with open_store(ledger) as store:
        assert rows_of_all(store) == rows
    asked = Counter(line.partition(" ")[0] for line in server.asked)
    assert asked["HEAD"] == segments and segments * 2 < asked["GET"] <= segments * 4
    for _ in range(2):
        server.asked.clear()
        with open_store(ledger) as store, store.blocks.afresh():
            assert rows_of_all(store) == rows
        asked = Counter(line.partition(" ")[0] for line in server.asked)
        assert asked == {"HEAD": segments, "GET": segments * 2}, "nothing afresh comes out of the cache"


def test_what_is_wrong_in_the_cache_is_fetched_again(ledger: str, url: ObjectsUrl, tmp_path: Path) -> None:
    with open_store(ledger) as store:
        rows = rows_of_all(store)
        archived_to(store, url)
        assert rows_of_all(store) == rows
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(kept) > 3
    for path in kept:
        path.write_bytes(path.read_bytes()[::-1])
    with open_store(ledger) as store:
        assert rows_of_all(store) == rows


def test_an_object_that_is_lost_or_changed_is_named(
    ledger: str, url: ObjectsUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(ledger) as store:
        archived_to(store, url)
        assert rows_of_all(store)
    storage, name = records_storage(url.given), min(segments_there(url))
    content = storage.read(name)
    assert content is not None
    storage.put(name, content[:20] + bytes([content[20] ^ 1]) + content[21:])
    with open_store(ledger) as store:
        (problem, *_) = verify(store).problems
        assert f"{name}?" in problem and "was changed: the SHA-256 of its block 0" in problem
    storage.put(name, content[:-1])
    assert " bytes, the ledger says " in run("doctor", "--store", ledger, status=1)
    storage.remove(name)
    assert f"{name}?scheme=http" in run("doctor", "--store", ledger, status=1)
    with open_store(ledger) as store:
        assert f"{name}?" in verify(store).problems[0] and "is missing" in verify(store).problems[0]
    monkeypatch.setenv(SIZE_VARIABLE, "0")
    said = run("events", MERCHANTS[0], "--store", ledger, status=3)
    assert "the file of archived records s3://records/of/" in said and "is missing" in said
    with open_store(ledger) as store, pytest.raises(DamagedError, match="is missing"):
        archived_to(store, url)


def test_storage_that_cannot_be_reached_says_nothing_against_the_records(
    ledger: str, url: ObjectsUrl, server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(ledger) as store:
        archived_to(store, url, 70)

    def denied(_: object, __: object) -> Any:
        def answer(_: dict[str, Any], start: Any) -> list[bytes]:
            start("403 Forbidden", [])
            return [b""]

        return answer

    server.instead = denied
    said = run("verify", "--store", ledger, status=3)
    assert "the archived records in s3://records/of/" in said and "; nothing is said against them. See" in said
    with (
        open_store(ledger) as store,
        pytest.raises(NotExaminedError, match=r"cannot be read or written: .* See to network, bucket, region and keys"),
    ):
        archived_to(store, url)
    monkeypatch.setattr(extras, "_is_there", lambda _: False)
    records_storage.cache_clear()
    said = run("events", MERCHANTS[0], "--store", ledger, status=2)
    assert "storage of objects takes pyarrow, which this installation of Levelbook lacks: pip install" in said
    records_storage.cache_clear()


def test_a_bucket_that_is_not_there_says_nothing_against_the_records(
    ledger: str, url: ObjectsUrl, server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = ObjectsUrl(server.url("gone", "of"))
    monkeypatch.setenv(SIZE_VARIABLE, "0")
    with open_store(ledger) as store:
        archived_to(store, gone)
    files, _ = FileSystem.from_uri(f"{gone.given}&allow_bucket_deletion=true")
    files.delete_dir("gone")
    records_storage.cache_clear()
    with (
        open_store(ledger) as store,
        pytest.raises(NotExaminedError, match=r"^the archived records in s3://gone/of\?.* NO_SUCH_BUCKET"),
    ):
        rows_of_all(store)
    said = run("doctor", "--store", ledger, status=1)
    assert "fail  archived      the archived records in s3://gone/of?" in said and "NO_SUCH_BUCKET" in said


def test_doctor_and_the_next_run_list_the_bucket_once(
    ledger: str, url: ObjectsUrl, server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_ledger, "OBJECTS_OPENED", 1)
    with open_store(ledger) as store:
        segments = archived_to(store, url, 140).segments
        assert segments > 2
    server.asked.clear()
    found = [item.found for item in examine(ledger, None, lambda: 0) if item.check == "archived"]
    assert found == ["there"]
    assert Counter(line.partition(" ")[0] for line in server.asked) == {"GET": 1 + 1, "HEAD": 1}, "one is opened"
    with open_store(ledger) as store:
        server.asked.clear()
        archived_to(store, url, 140)
    assert not [line for line in server.asked if "list-type" not in line], "nothing was new"


def test_a_bucket_may_be_moved_and_folders_stand_beside_buckets(
    ledger: str, url: ObjectsUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ObjectsUrl(url.given.replace("?", "-other?"))
    with open_store(ledger) as store:
        rows = rows_of_all(store)
        archived_to(store, url, 70)
        archive(store, tmp_path / "folder", archive_limit(store, 140))
        monkeypatch.setenv(RECORDS_VARIABLE, other.given)
        run("archive", "--store", ledger)
    assert segments_there(other) and segments_there(url)
    monkeypatch.setenv(SIZE_VARIABLE, "0")
    for named in (other.given, url.given, str(tmp_path / "nowhere"), ""):
        monkeypatch.setenv(RECORDS_VARIABLE, named)
        with open_store(ledger) as store:
            assert rows_of_all(store) == rows and verify(store).problems == []
    here, there = records_storage(url.given), records_storage(other.given)
    for name in segments_there(url):
        content = here.read(name)
        assert content is not None
        there.put(name, content)
        here.remove(name)
    monkeypatch.setenv(RECORDS_VARIABLE, other.given)
    with open_store(ledger) as store:
        assert rows_of_all(store) == rows


def test_what_is_read_back_otherwise_leaves_nothing(
    ledger: str, url: ObjectsUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = archiving._read_back

    def spoil(file: Any, *given: Any) -> None:
        content = file._storage.read(file._name)
        file._storage.put(file._name, content[:9] + bytes([content[9] ^ 1]) + content[10:])
        whole(file, *given)

    with open_store(ledger) as store:
        rows = rows_of_all(store)
        with monkeypatch.context() as patch:
            patch.setattr(archiving, "_read_back", spoil)
            with pytest.raises(DamagedError, match="is not what is read back: nothing of it has left the store"):
                archived_to(store, url)
        assert archived_up_to(store) == 0 and rows_of_all(store) == rows
        archived_to(store, url)
        assert rows_of_all(store) == rows and verify(store).problems == []


def test_of_two_runs_into_one_bucket_the_store_lets_one_write_down(
    ledger: str, url: ObjectsUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_down = archiving._write_down

    def later(store: Store, segment: Any) -> None:
        monkeypatch.setattr(archiving, "_write_down", write_down)
        with open_store(ledger) as other:
            archived_to(other, url, 31)
        write_down(store, segment)

    monkeypatch.setattr(archiving, "_write_down", later)
    with open_store(ledger) as store:
        rows = rows_of_all(store)
        with pytest.raises(StoreError, match=r"another run archives .*: of what this one made nothing more counts"):
            archived_to(store, url)
        assert archived_to(store, url).not_named == 1
        assert rows_of_all(store) == rows and verify(store).problems == []


def test_the_command_says_where_records_went_without_a_key(ledger: str, url: ObjectsUrl) -> None:
    keyed = url.given.replace("s3://", "s3://key:hush-hush@")
    said = run("archive", "--dry-run", "--into", keyed, "--store", ledger)
    said += run("archive", "--into", keyed, "--store", ledger) + run("doctor", "--store", ledger)
    assert "s3://***@records/of/" in said and "hush" not in said
    for asked in ("archive", "seal"):
        assert "an empty text names no place" in run(asked, "--into", "", "--store", ledger, status=2)
    assert "is neither a folder nor known storage of objects" in run(
        "archive", "--into", "ftp://host/x", "--store", ledger, status=2
    )


def test_an_index_that_was_kept_while_its_object_was_changed_is_fetched_again(ledger: str, url: ObjectsUrl) -> None:
    with open_store(ledger) as store:
        rows = rows_of_all(store)
        archived_to(store, url)
        segment = store.record_segments()[0]
    storage, name = records_storage(url.given), min(segments_there(url))
    content = storage.read(name)
    assert content is not None
    at, end = segment.ranks_at, segment.directory_at
    turned = content[at:end][2:] + content[at:end][:2]
    storage.put(name, content[:at] + turned + content[end:])
    with open_store(ledger) as store, pytest.raises(DamagedError, match="it gives another record for position"):
        rows_of_all(store)
    storage.put(name, content)
    with open_store(ledger) as store:
        assert rows_of_all(store) == rows
    cache = cache_of_this_machine()
    key = sha256(f"index of {name}".encode()).hexdigest()
    wrong = turned + content[end:]
    cache.put(key, sha256(wrong).digest() + wrong)
    for _ in range(2):
        with open_store(ledger) as store:
            assert rows_of_all(store) == rows
    kept = cache.get(key)
    assert kept is not None and kept[32:] == content[at:]


def test_a_folder_that_is_gone_is_named_where_new_records_go_to_a_bucket(
    ledger: str, url: ObjectsUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "disk"
    with open_store(ledger) as store:
        archive(store, folder, archive_limit(store, 70))
        archived_to(store, url)
        rows = rows_of_all(store)
    folder.rename(tmp_path / "elsewhere")
    monkeypatch.setenv(RECORDS_VARIABLE, url.given)
    with open_store(ledger) as store:
        with pytest.raises(DamagedError, match=f"{folder}/.* is missing"):
            rows_of_all(store)
        here = records_storage(url.given)
        for path in (tmp_path / "elsewhere").glob("*.zst"):
            here.put(path.name, path.read_bytes())
        assert rows_of_all(store) == rows


def test_records_are_found_where_an_at_sign_stands_in_the_prefix(ledger: str, url: ObjectsUrl) -> None:
    there = url.given.replace("/of/", "/team@home/of/")
    with open_store(ledger) as store:
        rows = rows_of_all(store)
        archived_to(store, ObjectsUrl(there.replace("s3://", "s3://key:hush-hush@")))
        assert {segment.place for segment in store.record_segments()} == {there}
    with open_store(ledger) as store:
        assert rows_of_all(store) == rows and verify(store).problems == []


def test_a_bucket_that_takes_nothing_leaves_the_store_as_it_was(
    ledger: str, url: ObjectsUrl, server: BucketServer
) -> None:
    def refuses_puts(environ: dict[str, Any], application: Application) -> Application:
        def answer(_: dict[str, Any], start: Any) -> list[bytes]:
            start("403 Forbidden", [])
            return [b""]

        return answer if environ["REQUEST_METHOD"] in ("PUT", "POST") else application

    server.instead = refuses_puts
    with open_store(ledger) as store:
        with pytest.raises(NotExaminedError, match="cannot be read or written"):
            archived_to(store, url)
        assert store.left is None and not store.has_table(RECORD_SEGMENTS), "programs of earlier versions go on"
        assert archived_to(store, url, 1).segments == 0 and store.left is None, "nothing was to leave"


# --- kills ------------------------------------------------------------------------------------------------------------

ARCHIVES = """
import os, signal, sys
from replay.archiving import archive as archiving
from replay.archiving.limit import archive_limit
from replay.objects.naming import ObjectsUrl
from replay.objects.storage import Storage
from replay.store.leaving import rows
from replay.store.opening import open_store
from tests.support.archived import SMALL
location, url, step, behind = sys.argv[1:]
for module, name, value in SMALL:
    setattr(module, name, value)
place = next(place for place in (Storage, archiving, rows) if step in vars(place))
work = getattr(place, step)
def killed(*given):
    if behind == "True":
        work(*given)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(place, step, killed)
with open_store(location) as store:
    archiving.archive(store, ObjectsUrl(url), archive_limit(store))
"""
KILLED = [("packed", True), ("put", False), ("put", True), ("_read_back", True), ("add_segment", False)]
KILLED += [("add_segment", True), ("let_rows_go", False), ("_write_streams", True), ("_note", True), ("_go", True)]


@pytest.mark.slow
@pytest.mark.kills
def test_a_kill_at_any_step_loses_nothing_and_the_next_run_goes_on(ledger: str, url: ObjectsUrl) -> None:
    with open_store(ledger) as store:
        rows, limit = rows_of_all(store), archive_limit(store)
    for step, behind in KILLED[5:8] if is_postgres(ledger) and SOAK == 1 else KILLED:
        words = [sys.executable, "-c", ARCHIVES, ledger, url.given, step, str(behind)]
        assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
        with open_store(ledger) as store:
            assert rows_of_all(store) == rows, (step, behind)
            assert verify(store).problems == []
    with open_store(ledger) as store:
        archived_to(store, url)
        assert archived_up_to(store) == limit.last and rows_of_all(store) == rows and verify(store).problems == []
        assert {item.file_name(store.identity.id) for item in store.record_segments()} == segments_there(url)
