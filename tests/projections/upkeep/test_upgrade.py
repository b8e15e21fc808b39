"""What every earlier version made is read, and brought up to this one: in place, whatever ends it, and once for all."""

import json
import os
import signal
import sqlite3
from contextlib import closing
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
import pytest

from projections.projector.rebuild import Asked
from projections.upkeep.older_views import clear_older, older_views
from projections.upkeep.upgrade import needed, upgrade
from projections.views.database import FORMAT, open_place
from replay.errors import StoreError, UsageError
from replay.integrity.backup import back_up
from replay.integrity.restore import restore
from replay.integrity.verify import verify
from replay.recording import chaining
from replay.recording.completing import lacking
from replay.store.buyers import KEY_VARIABLE
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from tests.support.earlier import EARLIER, KEY, put_back
from tests.support.making import ingest_events, paid, records
from tests.support.running import run

VERSION_1 = ("store-1-first", "views-1", "views-2", "views-3")
"""Those in which a buyer has one alias everywhere."""
SUBJECTS = ("merchant/tea-house", "merchant/tea-stall")
LEVELS = "SELECT subject, scheme, state, level, score FROM {}v1_levels ORDER BY subject, scheme"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def shown(location: str) -> list[tuple[Any, ...]]:
    """The levels that the views of whichever version show."""
    if is_postgres(location):
        with psycopg.connect(location) as connection:
            return connection.execute(LEVELS.format("levelbook_views.").encode()).fetchall()
    with closing(sqlite3.connect(location + ".views")) as raw:
        return raw.execute(LEVELS.format("")).fetchall()


def replayed(location: str) -> list[str]:
    """The first line of a replay of each subject, which says its level."""
    asked = (("replay", subject, "--as-of", "2023-01-20", "--store", location) for subject in SUBJECTS)
    return [run(*words).partition("\n")[0] for words in asked]


def test_there_is_a_ledger_of_each_version() -> None:
    assert {f"views-{form}" for form in range(1, FORMAT)} < set(EARLIER)


@pytest.mark.slow
@pytest.mark.parametrize("name", EARLIER)
def test_a_ledger_of_an_earlier_version_is_sound_and_upgraded_in_place(
    name: str, location: str, tmp_path: Path
) -> None:
    put_back(name, location)
    with open_store(location) as store:
        before, head = records(store), store.head()
        assert verify(store).problems == []
    levels, view = replayed(location), [] if name == "store-1-first" else shown(location)
    told = json.loads(run("upgrade", "--dry-run", "--format", "json", "--store", location))
    assert told["tables"] or told["unchained"] or told["indexes"] or told["views"]
    assert told["older_form"] == (int(name[-1]) if name.startswith("views-") else told["older_form"])
    run("upgrade", "--sample", "1", "--store", location)
    with open_store(location) as store:
        assert records(store)[: len(before)] == before and verify(store).problems == []
        assert store.definition_problems() == store.row_problems() == []
        older = name in VERSION_1
        assert (store.identity.version == 1) is older and (store.head() == head or not older)
        assert not needed(store).anything
    assert replayed(location) == levels
    if not older:
        assert [row for row in shown(location) if row[:2] in {old[:2] for old in view}] == view
        assert "views up to position" in run("verify", "--store", location)
        with open_store(location) as store:
            assert ingest_events(store, [paid("new", buyer="b-new")], tmp_path)[0].recorded == 1
    again = run("upgrade", "--store", location)
    assert ("nothing is recorded in it nor views" if older else "of this version: nothing to do") in again


@pytest.mark.slow
@pytest.mark.parametrize("name", ["store-1-first", "store-2-first", "views-6"])
def test_a_ledger_of_an_earlier_version_is_backed_up_and_restored(name: str, location: str, tmp_path: Path) -> None:
    put_back(name, location)
    told = run("status", "--store", location, status=0 if name == "store-1-first" else 1)
    assert "position " in told and ("'levelbook upgrade' makes them anew" in told) is (name != "store-1-first")
    with open_store(location) as store:
        back_up(store, tmp_path / "copy.db")
        head, identity = store.head(), store.identity
    restore(tmp_path / "copy.db", str(tmp_path / "new.db"))
    with open_store(str(tmp_path / "new.db")) as made:
        assert (made.head(), made.identity) == (head, identity) and verify(made).problems == []


def test_the_first_of_version_2_says_that_it_must_be_upgraded_before_anything_is_recorded(
    location: str, tmp_path: Path
) -> None:
    put_back("store-2-first", location)
    with open_store(location) as store:
        lacks = pytest.raises(StoreError, match=r"\): where an earlier version made it, 'levelbook upgrade' adds what")
        with lacks:
            ingest_events(store, [paid("new", buyer="b-new")], tmp_path)
        with store.writing() as transaction:
            transaction.make_later_tables()
        assert lacking(store).tables == [] and store.definition_problems() == []


def test_what_is_to_be_done_is_found_by_reading_alone(tmp_path: Path) -> None:
    """A place for views that was begun, in which there are none yet."""
    location, views = str(tmp_path / "ledger.db"), tmp_path / "ledger.db.views"
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
    views.touch(0o600)
    assert json.loads(run("upgrade", "--dry-run", "--format", "json", "--store", location))["views"]
    assert views.stat().st_size == 0 and not list(tmp_path.glob("ledger.db.views-*"))
    run("upgrade", "--store", location)
    assert views.stat().st_size > 0
    assert not json.loads(run("upgrade", "--dry-run", "--format", "json", "--store", location))["views"]


def test_views_of_a_later_version_are_left_alone(location: str) -> None:
    put_back("views-6", location)
    with open_store(location) as store:
        found = older_views(store)
        assert found is not None and (found.form, found.candidates) == (6, 0)
    about = "about" if not is_postgres(location) else "levelbook_views.about"
    with closing(psycopg.connect(location) if is_postgres(location) else sqlite3.connect(location + ".views")) as raw:
        raw.execute(f"UPDATE {about} SET format = 99")
        raw.commit()
    with open_store(location) as store:
        with pytest.raises(UsageError, match="have form 99, this levelbook moves form 7; use the levelbook that made"):
            needed(store)
        clear_older(store)
        assert len(shown(location)) > 0


@pytest.mark.slow
def test_views_are_not_removed_while_an_older_program_follows(location: str) -> None:
    put_back("views-6", location)
    before = shown(location)
    busy = pytest.raises(StoreError, match="another 'levelbook follow' is at work on the views of ")
    with open_store(location) as store, open_place(store) as views, views.alone("follow"), busy:
        bring_up(location)
    assert shown(location) == before


@pytest.mark.slow
def test_views_of_another_role_are_upgraded_by_that_role(postgres_location: str) -> None:
    put_back("store-2-first", postgres_location)
    before = shown(postgres_location)
    with psycopg.connect(postgres_location, autocommit=True) as connection:
        connection.execute("CREATE ROLE upgrade_follower; ALTER SCHEMA levelbook_views OWNER TO upgrade_follower")
        try:
            run("upgrade", "--ledger-only", "--store", postgres_location)
            with open_store(postgres_location) as store:
                assert not any(needed(store).ledger) and needed(store).older_form == 3
                with pytest.raises(StoreError, match=r"of the role upgrade_follower.* could not move them: nothing of"):
                    upgrade(store, needed(store), Asked(), lambda *_: None)
            assert shown(postgres_location) == before
        finally:
            connection.execute("REASSIGN OWNED BY upgrade_follower TO CURRENT_USER; DROP ROLE upgrade_follower")


def bring_up(location: str) -> None:
    with open_store(location) as store:
        upgrade(store, needed(store), Asked(sample=0), lambda *_: None)


def bring_up_so_far(location: str, steps: int) -> None:
    """Killed where it has told so many times how far it is, or as it ends."""
    told = count(1)

    def killing(*_: object) -> None:
        if next(told) == steps:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_store(location) as store:
        upgrade(store, needed(store), Asked(sample=0), killing)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.kills
def test_an_upgrade_that_is_killed_is_gone_on_with(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put_back("store-2-first", location)
    monkeypatch.setattr(chaining, "STRETCH_ROWS", 30)
    with open_store(location) as store:
        before = records(store)
    fork, seen = get_context("fork"), set[tuple[bool, bool, int | None, bool]]()
    for steps in (1, 2, 6, 7):
        child = fork.Process(target=bring_up_so_far, args=(location, steps))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        with open_store(location) as store:
            found = needed(store)
            seen.add((bool(found.ledger.tables), found.ledger.unchained > 0, found.older_form, found.without_live))
    assert {(False, True, 3, False), (False, False, None, True)} <= seen, seen
    bring_up(location)
    with open_store(location) as store:
        assert records(store)[: len(before)] == before and verify(store).problems == []
        assert not needed(store).anything
    assert shown(location)
