"""A set is planned and made; what is not whole, not in its place or not meant for it is refused."""

import shutil
from pathlib import Path

import psycopg
import pytest

from domain.buckets import AGENCIES, BUCKETS, bucket_of
from replay.errors import DamagedError, UsageError
from replay.recording.placing import shard_of
from replay.sealing.checkpoint import begin_keys
from replay.sealing.keys import SIGNING_VARIABLE
from replay.sharding import making
from replay.sharding.checking import check_set
from replay.sharding.document import read_set
from replay.sharding.holding import prove_shard
from replay.sharding.making import make, plan
from replay.sharding.opened import open_set
from replay.sharding.roots import roots_path
from replay.sharding.signing import begin_set_keys, make_root
from replay.store.base.store import Store
from replay.store.evidence.shard import shard_made
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events, paid
from tests.support.running import run
from tests.support.sets import ingest_into_set, lines_of, made_set, without_password

SUBJECTS = [f"{kind}/{name}" for kind in ("merchant", "creator", "mcn") for name in range(40)]
SAME_LEDGER = (
    r" lead to the same ledger [0-9a-f]{32} \(one store, a link, or a copy of it\): each ledger of a set has a file or"
    r" a database of its own; name another place for one of them$"
)


@pytest.mark.parametrize("of", [2, 4, 8, 16])
def test_each_bucket_lies_whole_in_one_shard_and_agencies_in_the_first(of: int) -> None:
    assert {shard_of(name, of) for name in SUBJECTS if name.startswith("mcn/")} == {0}
    for name in SUBJECTS:
        assert shard_of(name, of) == bucket_of(name) % of  # type: ignore[operator]
    assert {shard_of(name, of) for name in SUBJECTS} == set(range(of))
    assert shard_of("ledger/keys", of) is None and shard_of("policy/mcn-level", of) is None


def test_a_plan_counts_what_each_shard_would_take(store: Store, tmp_path: Path) -> None:
    events = [paid(f"o-{n}", subject=f"merchant/m-{n % 9}") for n in range(20)]
    ingest_events(store, [*events, event("mcn.onboarded", "h", subject="mcn/a")], tmp_path)
    planned = plan(store, 4)
    assert sum(item.subjects for item in planned) == 10 and sum(item.records for item in planned) == 21
    assert sorted(bucket for item in planned for bucket in item.buckets) == list(range(BUCKETS + 1))
    assert AGENCIES in planned[0].buckets
    for item in planned:
        mine = [f"merchant/m-{n}" for n in range(9) if shard_of(f"merchant/m-{n}", 4) == item.number]
        assert item.subjects == len(mine) + (item.number == 0)
    with pytest.raises(UsageError, match="a set cannot have 3 ledgers"):
        plan(store, 3)


def test_a_set_says_in_each_ledger_what_it_is(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one of them is on another database."""
    location = without_password(location, monkeypatch)
    path = made_set(tmp_path, 2, [location, "other.db"])
    with open_set(path) as opened:
        said = [shard_made(store) for store in opened.stores]
        assert [(item.number, item.of, item.buckets) for item in said if item] == [(0, 2, 16), (1, 2, 16)]
        assert {item.set_id for item in said if item} == {opened.document.set_id}
        assert [store.head().position for store in opened.stores] == [1, 1]
    before = Path(path).read_bytes()
    make(Path(path), 2, [location, "other.db"])
    assert Path(path).read_bytes() == before, "made again, it is the same"


def test_making_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each step in turn."""
    steps = 0

    class Killed(Exception):
        pass

    for left in range(12):
        path = tmp_path / "a.shards"
        with monkeypatch.context() as patched:
            steps = left

            def step(done: object) -> object:
                nonlocal steps
                steps -= 1
                if steps < 0:
                    raise Killed
                return done

            for name in ("create_store", "own_candidate", "write_set"):
                kept = getattr(making, name)
                patched.setattr(making, name, lambda *a, kept=kept, **b: step(kept(*a, **b)))
            try:
                make(path, 4)
            except Killed:
                continue
            break
    else:
        raise AssertionError("it never came to its end")
    assert left >= 5
    with open_set(str(path)) as opened:
        assert opened.of == 4 and {store.head().position for store in opened.stores} == {1}


def test_swapped_stores_are_not_opened(tmp_path: Path) -> None:
    path = made_set(tmp_path, 2)
    places = [tmp_path / "levels-0.db", tmp_path / "levels-1.db"]
    kept = tmp_path / "kept.db"
    places[0].rename(kept)
    places[1].rename(places[0])
    kept.rename(places[1])
    with pytest.raises(UsageError, match="stores were swapped or replaced"), open_set(path):
        pass


def test_a_file_that_names_ledgers_in_another_order_is_not_opened(tmp_path: Path) -> None:
    path = Path(made_set(tmp_path, 2))
    first, second = (place.store for place in read_set(path).shards)
    text = path.read_text()
    ledgers = [place.ledger for place in read_set(path).shards]
    for one, other in ((first, second), ledgers):
        text = text.replace(one, "#").replace(other, one).replace("#", other)
    path.write_text(text)
    with (
        pytest.raises(
            UsageError,
            match=r"was made as shard 1 of 2 of the set .*, and it is to be shard 0 .*; give each ledger its own place",
        ),
        open_set(str(path)),
    ):
        pass


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.shards"
    for text, told in (
        (None, "there is no set of ledgers at .*; 'levelbook shard make' makes one"),
        ("{}", r"is not the file of a set .*\); bring it back from its copy"),
        ('{"form":2,"set_id":"x","shards":[]}', "is of form 2, this levelbook reads form 1"),
        (
            '{"form":1,"set_id":"x","shards":[{"ledger":"a","store":"b"}]}',
            "names 1 ledgers, and a set has 2, 4, 8 or 16 different ones; bring it back from its copy",
        ),
        ('{"form":1,"set_id":"x","shards":[],"more":1}', "is not the file of a set"),
    ):
        if text is not None:
            path.write_text(text)
        with pytest.raises(UsageError, match=told), open_set(str(path)):
            pass
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="cannot be read"), open_set(str(path)):
        pass


def test_what_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the file of a set ends with \.shards"):
        make(tmp_path / "a.json", 2)
    with pytest.raises(UsageError, match="a set cannot have 6 ledgers, for 16 buckets must be divided evenly; give 2"):
        make(tmp_path / "a.shards", 6)
    with pytest.raises(UsageError, match="1 different stores are named for 2 ledgers; name one for each, or none"):
        make(tmp_path / "a.shards", 2, ["a.db", "a.db"])
    with pytest.raises(UsageError, match="a URL with a password would stand in the file"):
        make(tmp_path / "a.shards", 2, ["a.db", "postgresql://u:p@h/d"])
    made_set(tmp_path, 2)
    with pytest.raises(UsageError, match="was made as shard 0 of 2"):
        make(tmp_path / "b.shards", 4, [f"levels-{number}.db" for number in range(4)])
    with pytest.raises(UsageError, match="is there and names other ledgers"):
        make(tmp_path / "levels.shards", 2, ["c.db", "d.db"])


def test_a_copy_of_a_ledger_is_told_to_be_the_same_ledger(tmp_path: Path) -> None:
    """A file of its own, and yet no second ledger."""
    create_store(str(tmp_path / "a.db"))
    shutil.copy(tmp_path / "a.db", tmp_path / "copy.db")
    with pytest.raises(UsageError, match=SAME_LEDGER):
        make(tmp_path / "a.shards", 2, ["a.db", "copy.db"])


def test_two_names_of_one_store_are_refused_before_it_is_a_shard(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two URLs of one database; a path that is written otherwise, or a link. Named right, the set is made."""
    location = without_password(location, monkeypatch)
    path = tmp_path / "a.shards"
    for other in _other_names(location, tmp_path):
        with pytest.raises(UsageError, match=SAME_LEDGER):
            make(path, 2, [location, other])
        with open_store(location) as store:
            assert store.head().position == 0
    make(path, 2, [location, "c.db"])
    for other in _other_names(location, tmp_path):
        with pytest.raises(UsageError, match=SAME_LEDGER):
            make(tmp_path / "b.shards", 2, [location, other])


def _other_names(location: str, folder: Path) -> list[str]:
    if is_postgres(location):
        mark = "&" if "?" in location else "?"
        return [f"{location}{mark}connect_timeout=9", location.replace("postgresql://", "postgres://")]
    link = folder / "link.db"
    if not link.is_symlink():
        link.symlink_to(location)
    return [Path(location).name, f"./{Path(location).name}", str(link)]


@pytest.mark.postgres
@pytest.mark.slow
def test_two_databases_of_one_server_are_two_ledgers(
    postgres_location: str, postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is recorded into, and knows of the roots that it was under."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE second_of_a_set TEMPLATE template0")
    second = without_password(postgres_server.replace("/postgres?", "/second_of_a_set?"), monkeypatch)
    location = made_set(tmp_path, 2, [without_password(postgres_location, monkeypatch), second])
    (tmp_path / "e.jsonl").write_bytes(lines_of(paid(f"o-{n}", subject=name) for n, name in enumerate(SUBJECTS[:40])))
    assert ingest_into_set(location, [str(tmp_path / "e.jsonl")], tmp_path / "r.jsonl")[0].recorded == 40
    monkeypatch.setenv(SIGNING_VARIABLE, "7b" * 32)
    with open_set(location) as opened:
        assert all(store.head().position > 10 for store in opened.stores)
        for store in opened.stores:
            begin_keys(store)
        begin_set_keys(opened.path, opened.document.set_id)
        assert make_root(opened).is_new and check_set(opened).is_sound
        assert prove_shard(opened, 1).extra
        roots_path(opened.path).unlink()
        assert ["was under a root" in problem for problem in check_set(opened).root_problems] == [True, True]
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE second_of_a_set WITH (FORCE)")


def test_paths_are_meant_from_the_folder_of_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the command runs: so they are kept, and folders that are moved together stay a set."""
    for name in ("here", "sets", "disk"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run("shard", "make", "../sets/levels.shards", "--of", "2", "--at", "a.db", "--at", "../disk/b.db")
    assert (tmp_path / "sets" / "a.db").exists() and (tmp_path / "disk" / "b.db").exists()
    assert not [*(tmp_path / "here").iterdir()]
    assert [place.store for place in read_set(tmp_path / "sets" / "levels.shards").shards] == ["a.db", "../disk/b.db"]
    (tmp_path / "moved").mkdir()
    for name in ("sets", "disk"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    with open_set(str(tmp_path / "moved" / "sets" / "levels.shards")) as opened:
        assert opened.of == 2
    help_text = " ".join(run("shard", "make", "--help").split())
    assert "A path is meant from the folder of SET." in help_text


def test_no_empty_ledger_is_made_for_one_that_is_lost(tmp_path: Path) -> None:
    """A disk that is not there, or a name that is mistyped: neither while the file names it, nor without the file."""
    path = Path(made_set(tmp_path, 2))
    lost = tmp_path / "levels-1.db"
    lost.rename(tmp_path / "kept.db")
    with pytest.raises(UsageError, match=r"no ledger of the set is at levels-1\.db, and .*levels\.shards names it"):
        make(path, 2)
    with open_store(str(tmp_path / "levels-0.db")) as store:
        ingest_events(store, [paid("o-1", subject=next(name for name in SUBJECTS if shard_of(name, 2) == 0))], tmp_path)
    text = path.read_text()
    path.unlink()
    for name in ("levels-1.db", "mistyped.db"):
        with pytest.raises(
            UsageError,
            match=r"levels-0\.db holds records of the set: an empty one in its place would lack what was recorded",
        ):
            make(path, 2, ["levels-0.db", name])
    assert not lost.exists() and not path.exists() and not (tmp_path / "mistyped.db").exists()
    (tmp_path / "kept.db").rename(lost)
    make(path, 2)
    assert path.read_text() == text


def test_a_ledger_that_holds_records_becomes_no_shard(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = without_password(location, monkeypatch)
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
    with pytest.raises(UsageError, match="holds records, and a shard says in its first one"):
        make(tmp_path / "a.shards", 2, ["a.db", location])


def test_a_set_is_no_ledger(tmp_path: Path) -> None:
    path = made_set(tmp_path, 2)
    for use in (open_store, create_store):
        with pytest.raises(UsageError, match="names a set of ledgers, and this works on one ledger"):
            use(path)


def test_a_shard_takes_no_subject_of_another(tmp_path: Path) -> None:
    """Whoever records: also a program that does not know the file of the set."""
    path = made_set(tmp_path, 2)
    with open_set(path) as opened:
        for number, store in enumerate(opened.stores):
            mine, other = (next(name for name in SUBJECTS if shard_of(name, 2) == n) for n in (number, 1 - number))
            events = [paid("o-1", subject=mine), paid("o-2", subject=other)]
            counts, watch = ingest_events(store, events, tmp_path)
            assert (counts.recorded, counts.refused) == (1, 1)
            assert str(watch.refusals[0][1].reason) == "other_shard"
            assert f"found {other}, which shard {1 - number} of the set takes" in watch.refusals[0][1].message


def test_what_a_shard_says_of_itself_stands_in_its_first_record(tmp_path: Path) -> None:
    path = made_set(tmp_path, 2)
    shutil.copy(tmp_path / "levels-0.db", tmp_path / "copy.db")
    with open_store(str(tmp_path / "copy.db")) as store, store.writing() as transaction:
        transaction.execute("DROP TRIGGER records_never_updated")
        transaction.execute("UPDATE records SET position = 2")
        with pytest.raises(DamagedError, match="which shard the ledger is"):
            shard_made(transaction)
    assert path
