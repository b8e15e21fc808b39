"""Segments in storage of objects, by a server of S3 on this machine: they say what those in a folder say."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from domain.buckets import BUCKETS
from replay.columnar import seal as sealing
from replay.columnar import size
from replay.columnar.archive import Archive, open_archive
from replay.columnar.check import check_archive
from replay.columnar.columns import TYPES
from replay.columnar.places.objects import READ_NS, ObjectSegments, manifest_name, object_segments
from replay.columnar.seal import seal
from replay.columnar.segments import remove_leftovers
from replay.errors import NotExaminedError
from replay.objects.cache import CACHE_VARIABLE, SIZE_VARIABLE, cache_of_this_machine
from replay.objects.creating import TRIED, Creating
from replay.objects.naming import ObjectsUrl
from replay.objects.storage import storage_at
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.conftest import SOAK
from tests.support.buckets import (
    Application,
    BucketServer,
    bucket_server,
    heeds_no_condition,
    keys_in_environment,
    kills_at,
)
from tests.support.making import ingest_events
from tests.support.running import run
from tests.worlds.ledgers import MERCHANTS, World


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    with bucket_server() as found:
        yield found


@pytest.fixture
def url(
    server: BucketServer, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ObjectsUrl:
    """A prefix of its own, keys in the environment, and an empty cache."""
    keys_in_environment(monkeypatch)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    server.instead = lambda _, application: application
    return ObjectsUrl(server.url("books", f"of/{abs(hash(request.node.name))}"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as opened:
        yield opened


def grown(store: Store, folder: Path, world: World, count: int) -> None:
    ingest_events(store, world.events(count), folder)


def rows_of(archive: Archive) -> list[Any]:
    """All that an archive holds, bucket by bucket."""
    found: list[Any] = []
    for bucket in range(BUCKETS + 1):
        columns = archive.read(bucket)
        found.append([getattr(columns, name).tolist() for name in TYPES] + [columns.subjects, columns.texts])
    return found


def names_there(url: ObjectsUrl) -> set[str]:
    return set(storage_at(url, NotExaminedError).listed())


def assert_whole(store: Store, url: ObjectsUrl, folder: Path) -> None:
    """What is sealed there says what a seal into a folder says, and every file fits the store."""
    seal(store, url)
    seal(store, folder)
    assert rows_of(open_archive(store, url)) == rows_of(open_archive(store, folder))
    assert check_archive(store, url) == (store.head().position, [])


def later(url: ObjectsUrl, days: int) -> ObjectSegments:
    """The place as it is seen so many days from now."""
    storage = storage_at(url, NotExaminedError)
    return ObjectSegments(
        storage, Creating(storage, url), cache_of_this_machine(), lambda: time.time_ns() + days * READ_NS
    )


def test_segments_there_say_what_those_in_a_folder_say_and_are_fetched_once(
    store: Store, url: ObjectsUrl, server: BucketServer, tmp_path: Path
) -> None:
    world = World(3)
    assert check_archive(store, url) is None and open_archive(store, url).position == 0
    for count in (60, 60, 20):
        grown(store, tmp_path, world, count)
        done = seal(store, url)
        assert done.keeps_apart and done.position == store.head().position
    assert_whole(store, url, tmp_path / "folder")
    server.asked.clear()
    rows = rows_of(open_archive(store, url))
    methods = Counter(line.partition(" ")[0] for line in server.asked)
    assert methods == {"GET": 2, "HEAD": 1}, "the listing of manifests, and the last one: all else is kept here"
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[::-1])
    assert rows_of(open_archive(store, url)) == rows, "what is wrong in the cache is fetched again"
    assert any(".columns." in line for line in server.asked)
    server.asked.clear()
    assert seal(store, url).before == store.head().position
    assert not any(line.startswith("PUT") for line in server.asked), "nothing was new"


def test_of_two_seals_at_once_one_is_first_and_the_other_goes_on_from_it(
    store: Store, url: ObjectsUrl, server: BucketServer, tmp_path: Path
) -> None:
    world = World(4)
    grown(store, tmp_path, world, 80)
    others: list[int] = []

    def other_first(environ: dict[str, Any], application: Application) -> Application:
        """Before the first manifest is put, another seal runs, and more is recorded before that."""
        is_manifest = environ["PATH_INFO"].endswith(manifest_name(1)) and environ["REQUEST_METHOD"] == "PUT"
        if is_manifest and not others:
            others.append(0)
            with open_store(str(tmp_path / "ledger.db")) as beside:
                grown(beside, tmp_path, world, 40)
                others.append(seal(beside, url).position)
        return application

    server.instead = other_first
    done = seal(store, url)
    assert others[1:] == [store.head().position] == [done.position]
    assert [item.number for item in open_archive(store, url).manifest.generations] == [1]
    assert_whole(store, url, tmp_path / "folder")
    left = names_there(url)
    remove_leftovers(later(url, 0))
    assert names_there(url) == left, "it may be of a seal that is at work"
    remove_leftovers(later(url, 2))
    files = [file for item in open_archive(store, url).manifest.generations for file in item.files]
    assert len(names_there(url)) == len(files) + 2 and len(left) > len(files) + 2
    assert {TRIED, manifest_name(1)} <= names_there(url)
    assert_whole(store, url, tmp_path / "folder")


@pytest.mark.slow
def test_seals_beside_one_another_and_beside_writers_leave_one_whole_archive(
    store: Store, url: ObjectsUrl, tmp_path: Path
) -> None:
    world, failed = World(5), list[BaseException]()

    def sealing() -> None:
        try:
            with open_store(str(tmp_path / "ledger.db")) as own:
                for _ in range(4):
                    seal(own, url)
        except BaseException as error:
            failed.append(error)

    grown(store, tmp_path, world, 50)
    threads = [Thread(target=sealing) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        grown(store, tmp_path, world, 20)
    for thread in threads:
        thread.join()
    assert failed == []
    assert_whole(store, url, tmp_path / "folder")


SEALS = """
import sys
from replay.columnar import seal
from replay.objects.naming import ObjectsUrl
from replay.store.opening import open_store
seal.GENERATION_RECORDS = 60
with open_store(sys.argv[1]) as store:
    seal.seal(store, ObjectsUrl(sys.argv[2]))
"""


def sealing_in_a_process(location: Path, url: ObjectsUrl) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SEALS, str(location), url.given], cwd=ROOT)


@pytest.mark.slow
@pytest.mark.kills
def test_a_seal_that_is_killed_leaves_whole_generations_and_rubbish_that_goes(
    store: Store, url: ObjectsUrl, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(store, tmp_path, World(6), 150)
    server.asked.clear()
    monkeypatch.setattr(sealing, "GENERATION_RECORDS", 60)
    monkeypatch.setenv(SIZE_VARIABLE, "0")  # each asks for as much
    seal(store, ObjectsUrl(url.given.replace("?", "-counted?")))
    requests, left, plain, kills = len(server.asked), list[int](), url.given, 2 * SOAK
    for part in range(kills):
        url = ObjectsUrl(plain.replace("?", f"-{part}?"))
        process = sealing_in_a_process(tmp_path / "ledger.db", url)
        kills_at(server, requests * (part + 1) // (kills + 1) - part % 2, process.kill)
        assert process.wait() == -signal.SIGKILL
        server.instead = lambda _, application: application
        archive = open_archive(store, url)
        for file in (file for item in archive.manifest.generations for file in item.files):
            archive.place.check(file)
        left.append(archive.position)
    assert left == sorted(left) and left[-1] > 0, left
    assert_whole(store, url, tmp_path / "folder")
    remove_leftovers(later(url, 2))
    files = {file.name for item in open_archive(store, url).manifest.generations for file in item.files}
    assert len(names_there(url)) == len(files) + 2
    assert_whole(store, url, tmp_path / "folder")


def test_a_server_that_heeds_no_condition_is_told_of_and_one_seal_at_a_time_is_right_there(
    store: Store, url: ObjectsUrl, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.instead = heeds_no_condition
    world = World(7)
    grown(store, tmp_path, world, 40)
    assert seal(store, url).keeps_apart is False
    grown(store, tmp_path, world, 40)
    told = run("seal", "--into", url.given, "--store", str(tmp_path / "ledger.db"))
    assert " cannot keep two seals apart, or its keys are not known here: let one process seal there at a ti" in told
    assert_whole(store, url, tmp_path / "folder")
    place = object_segments(url)
    newest = len(open_archive(store, url).manifest.generations)
    assert place.switch(newest, b"other") is False or not place.keeps_apart


def test_a_server_that_says_that_it_knows_no_conditions_is_sealed_into(
    store: Store, url: ObjectsUrl, server: BucketServer, tmp_path: Path
) -> None:
    def says_so(environ: dict[str, Any], application: Application) -> Application:
        def answer(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("501 Not Implemented", [])
            return [b"<Error><Code>NotImplemented</Code></Error>"]

        return answer if "HTTP_IF_NONE_MATCH" in environ else application

    server.instead = says_so
    grown(store, tmp_path, World(8), 40)
    assert seal(store, url).keeps_apart is False
    assert_whole(store, url, tmp_path / "folder")


def test_without_keys_that_are_known_here_nothing_is_signed(
    store: Store, url: ObjectsUrl, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.objects.creating.keys_for", lambda _: None)
    grown(store, tmp_path, World(9), 40)
    assert seal(store, url).keeps_apart is False
    assert not any(TRIED in line for line in server.asked if url.given.partition("?")[0][5:] in line)
    assert object_segments(url).switch(1, b"other") is False, "one is there"
    assert_whole(store, url, tmp_path / "folder")


def changed(url: ObjectsUrl, part: str, change: Callable[[bytes], bytes | None]) -> str:
    """Change an object whose name holds something; its name."""
    storage = storage_at(url, NotExaminedError)
    name = next(name for name in sorted(storage.listed()) if part in name)
    content = storage.read(name)
    assert content is not None
    other = change(content)
    storage.remove(name) if other is None else storage.put(name, other)
    return name


@pytest.mark.parametrize(
    ("part", "change", "found"),
    [
        (".columns.", lambda _: None, " is missing; delete all objects under s3://***@books/of/"),
        (".names.", lambda content: content + b"x", " bytes, the manifest says "),
        (".columns.", lambda content: content[:-1] + b"x", " was changed: its SHA-256 is not the one in the manifest"),
        ("manifests/", lambda _: b"{", "manifest.json"),
    ],
)
def test_what_does_not_fit_is_named(
    store: Store, url: ObjectsUrl, tmp_path: Path, part: str, change: Callable[[bytes], bytes | None], found: str
) -> None:
    secret = ObjectsUrl(url.given.replace("s3://", "s3://key:hush-hush@"))
    grown(store, tmp_path, World(10), 60)
    seal(store, secret)
    rows = rows_of(open_archive(store, secret))
    name = changed(url, part, change)
    checked = check_archive(store, secret)
    assert checked is not None and len(checked.problems) == 1
    (problem,) = checked.problems
    assert found in problem and "hush" not in problem
    assert (name if "manifest" not in part else "manifest") in problem
    if "manifest" not in part:
        assert rows_of(open_archive(store, secret)) == rows, "a copy that fits is kept here"


def test_storage_that_cannot_be_reached_says_nothing_against_the_segments(
    store: Store, url: ObjectsUrl, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown(store, tmp_path, World(11), 40)
    seal(store, url)

    def denied(_: dict[str, Any], __: Application) -> Application:
        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"]

        return answer

    server.instead = denied
    with pytest.raises(
        NotExaminedError, match=r"^the segments in s3://books/of/.* cannot be read or written: .*; what"
    ):
        open_archive(store, url)
    with pytest.raises(NotExaminedError, match=r" it answered 403 to the put of conditional-writes: <Error>"):
        object_segments(url).switch(9, b"x")
    told = run("verify", "--segments", url.given, "--store", str(tmp_path / "ledger.db"), status=3)
    assert "cannot be read or written" in told
    server.instead = lambda _, application: application
    monkeypatch.setattr("replay.objects.creating.Creating._server", lambda _: (True, "127.0.0.1:9", "us-east-1"))
    with pytest.raises(NotExaminedError, match="Connection refused"):
        object_segments(url).switch(9, b"x")


def test_a_bucket_that_is_not_there_is_told_by_whoever_reads(store: Store, url: ObjectsUrl, tmp_path: Path) -> None:
    grown(store, tmp_path, World(12), 40)
    missing = ObjectsUrl(url.given.replace("//books/", "//no-such-bucket/"))
    told = r"^the segments in s3://no-such-bucket/of/.* cannot be read or written: .*NO_SUCH_BUCKET"
    for use in (open_archive, check_archive, seal):
        with pytest.raises(NotExaminedError, match=told):
            use(store, missing)
    asked = ("--segments", missing.given, "--store", str(tmp_path / "ledger.db"))
    assert "\nsegments could not be compared\n" in run("verify", *asked, status=3)
    assert "fail  segments      the segments in s3://no-such-bucket/of/" in run("doctor", *asked, status=1)


def test_a_prefix_that_is_named_and_in_which_nothing_is_sealed_is_told_of(
    store: Store, url: ObjectsUrl, tmp_path: Path
) -> None:
    grown(store, tmp_path, World(12), 40)
    told = run("doctor", "--segments", url.given, "--store", str(tmp_path / "ledger.db"))
    assert f"nothing is sealed in {url}, which is named for segments: 40 records are read as they are\n" in told


def test_a_manifest_that_does_not_stay_is_told_of(url: ObjectsUrl, server: BucketServer) -> None:
    def takes_and_forgets(environ: dict[str, Any], application: Application) -> Application:
        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK" if TRIED not in environ["PATH_INFO"] else "412 Precondition Failed", [])
            return [b""]

        return answer if environ["REQUEST_METHOD"] == "PUT" else application

    server.instead = takes_and_forgets
    with pytest.raises(NotExaminedError, match=r"manifests/000000001.json was put and is not there"):
        object_segments(url).switch(1, b"x")


@pytest.mark.slow
def test_commands_read_them_from_there(
    url: ObjectsUrl, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = str(tmp_path / "ledger.db")
    monkeypatch.delenv(CACHE_VARIABLE)  # compiled loops lie in the usual one
    monkeypatch.setenv(SIZE_VARIABLE, "0")
    create_store(location)
    with open_store(location) as opened:
        grown(opened, tmp_path, World(12), 120)
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    told = run("seal", "--into", url.given)
    assert f" records sealed, up to position 120: {url} holds " in told and "apart" not in told
    monkeypatch.setenv("LEVELBOOK_SEGMENTS", url.given)
    for name in ("MANY_RECORDS", "MANY_RECORDS_TO_COMPILE"):
        monkeypatch.setattr(size, name, 0)
    monkeypatch.setattr("projections.projector.rebuild.RECORDS_BEFORE_BULK", 0)
    for words in (
        ("rebuild", "--sample", "5"),
        ("replay", MERCHANTS[0]),
    ):
        server.asked.clear()
        run(*words)
        assert any(".columns." in line for line in server.asked), words
    assert "\nsegments up to position 120 fit the ledger\n" in run("verify")
    assert not (tmp_path / "ledger.db.segments").exists()
    assert "segments" in run("doctor")
