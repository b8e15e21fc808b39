"""Nothing between readers and records can hide or change records unseen: indexes, triggers, rules, views, policies."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from fixtures.demo import MERCHANT, story
from replay.integrity.verify import verify
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events, paid, write_lines
from tests.support.running import run

HIDDEN = "(221, 222, 223, 224, 225, 226)"
POSTGRES_FORGED = {
    "a partial index": (
        (
            "DROP INDEX records_by_ref; CREATE INDEX records_by_ref ON records (stream, ref)"
            " WHERE ref IS NOT NULL AND position NOT IN (3)"
        ),
        "the index records_by_ref of records is ",
    ),
    "an index with a forged predicate": (
        (
            "DROP INDEX records_by_time;"
            "CREATE INDEX records_by_time ON records (stream, occurred_at) WHERE position <> 3;"
            "UPDATE pg_index SET indpred = NULL WHERE indexrelid = 'records_by_time'::regclass"
        ),
        "the index records_by_time gives 5 rows of records, a walk through it 6",
    ),
    "a primary key with a forged predicate": (
        (
            "UPDATE pg_index SET indpred = (SELECT indpred FROM pg_index WHERE indexrelid = 'records_by_ref'::regclass)"
            " WHERE indexrelid = 'records_by_stream'::regclass"
        ),
        "the index records_by_stream of records is ",
    ),
    "row security": (
        "ALTER TABLE records ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON records USING (position <> 3)",
        "the policy few of records is none that levelbook makes: it could hide or change what is read or written",
    ),
    "a rule": (
        "CREATE RULE quiet AS ON INSERT TO buyers DO INSTEAD NOTHING",
        "the rule quiet of buyers is none that levelbook makes: it could hide or change what is read or written",
    ),
    "a trigger": (
        "CREATE TRIGGER more BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "the trigger more of records is none that levelbook makes: it could hide or change what is read or written",
    ),
    "an heir": (
        "CREATE TABLE public.heir () INHERITS (tally)",
        "the heir heir of tally is none that levelbook makes: it could hide or change what is read or written",
    ),
    "a view": (
        "CREATE VIEW more AS SELECT 1",
        "the view more is none that levelbook makes: it could hide or change what is read or written",
    ),
    "a function": (
        "CREATE FUNCTION length(text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "the function length is none that levelbook makes: it could hide or change what is read or written",
    ),
    "a column's default": (
        "ALTER TABLE records ALTER COLUMN ref SET DEFAULT 'o-1'",
        "the column ref of records is ",
    ),
    "a constraint that is gone": (
        "ALTER TABLE records DROP CONSTRAINT records_version_check",
        "the constraint records_version_check of records is missing",
    ),
    "an index that is not valid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'records_by_time'::regclass",
        "the index records_by_time of records is ",
    ),
    "a guard that sleeps in a replica": (
        "ALTER TABLE records ENABLE TRIGGER records_never_changed",
        "the guard records_never_changed is missing or was changed: records could be changed",
    ),
}
SQLITE_FORGED = {
    "a trigger": (
        "CREATE TRIGGER quiet BEFORE INSERT ON records BEGIN SELECT RAISE(IGNORE); END",
        "the trigger quiet of records is none that levelbook makes: it could hide or change what is read or written",
    ),
    "a view": (
        "CREATE VIEW more AS SELECT 1",
        "the view more is none that levelbook makes: it could hide or change what is read or written",
    ),
    "a table in place of a function": (
        "CREATE TABLE json_each (value, key)",
        "the table json_each is none that levelbook makes: it could hide or change what is read or written",
    ),
    "an index": (
        "CREATE INDEX more ON records (occurred_at)",
        "the index more of records is none that levelbook makes: it could hide or change what is read or written",
    ),
    "a partial index": (
        "DROP INDEX records_by_creator; CREATE INDEX records_by_creator ON records (ref) WHERE position > 4",
        "the index records_by_creator of records is ",
    ),
    "a unique index that is gone": ("DROP INDEX records_by_key", "the index records_by_key of records is missing"),
}
CASES = [("sqlite", name) for name in SQLITE_FORGED] + [("postgres", name) for name in POSTGRES_FORGED]


def hide_in_indexes(path: str, hidden: str) -> None:
    """Fill every index of the records without some of them, and put the original texts back."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("PRAGMA writable_schema = ON")
    found = raw.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'records' AND sql IS NOT NULL"
    ).fetchall()
    for name, sql in found:
        raw.execute(f"DROP INDEX {name}")
        raw.execute(f"{sql}{' AND' if ' WHERE ' in sql else ' WHERE'} position NOT IN {hidden}")
        raw.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, name))
    raw.close()


@pytest.fixture
def demo_ledger(tmp_path: Path) -> str:
    write_lines(tmp_path / "events.jsonl", story())
    location = str(tmp_path / "ledger.db")
    run("ingest", "--backfill", str(tmp_path / "events.jsonl"), "--store", location)
    return location


def test_an_index_that_hides_events_is_named(demo_ledger: str, tmp_path: Path) -> None:
    head = run("head", "--store", demo_ledger).strip()
    replay = ("replay", MERCHANT, "--as-of", "2023-06-01", "--position", "418", "--store")
    before = run(*replay, demo_ledger)
    hide_in_indexes(demo_ledger, HIDDEN)
    assert run(*replay, demo_ledger) != before, "readers do see another past"
    told = run("verify", "--head", head, "--store", demo_ledger, status=1)
    assert "the database is damaged: row 221 missing from index records_by_" in told
    assert "the index records_by_time gives 412 rows of records, a walk through it 418" in told
    copied = run("backup", str(tmp_path / "copy.db"), "--store", demo_ledger, status=1)
    assert "of the store itself: the index records_by_time gives 412 rows of records" in copied
    assert run(*replay, str(tmp_path / "copy.db")) == before, "the copy is sound"
    told = run("backup", str(tmp_path / "again.db"), "--store", demo_ledger, "--format", "json", status=1)
    assert json.loads(told)["source_problems"]


@pytest.fixture
def forged(location: str, tmp_path: Path) -> Callable[[str], list[str]]:
    """Makes a ledger, runs SQL in its database, and says what is found then."""
    create_store(location)
    with open_store(location) as store:
        bound = event("creator.bound", "b-1", subject="mcn/a-1", creator="c-1")
        ingest_events(store, [*(paid(f"o-{n}") for n in range(5)), bound], tmp_path)
        assert verify(store).problems == []

    def problems(script: str) -> list[str]:
        if location.startswith("postgresql"):
            options = "-c search_path=levelbook -c allow_system_table_mods=on"
            with psycopg.connect(location, options=options, autocommit=True) as connection:
                connection.execute(script.encode())
        else:
            raw = sqlite3.connect(location)
            raw.executescript(script)
            raw.close()
        with open_store(location) as store:
            assert store.head().position == 6
            return verify(store).problems

    return problems


@pytest.mark.slow
@pytest.mark.parametrize(("location", "name"), CASES, indirect=["location"])
def test_what_could_hide_or_change_records_is_named(
    forged: Callable[[str], list[str]], location: str, name: str
) -> None:
    script, message = (POSTGRES_FORGED if location.startswith("postgresql") else SQLITE_FORGED)[name]
    assert [problem for problem in forged(script) if problem.startswith(message)]


@pytest.mark.parametrize("location", ["postgres"], indirect=True)
def test_amcheck_is_asked_where_it_is_there(forged: Callable[[str], list[str]]) -> None:
    script, _ = POSTGRES_FORGED["an index with a forged predicate"]
    assert "the index records_by_time is damaged: " in " ".join(forged(f"CREATE EXTENSION amcheck; {script}"))


def test_an_index_that_an_earlier_version_did_not_make_is_not_missed(forged: Callable[[str], list[str]]) -> None:
    assert forged("DROP INDEX records_by_time") == []


def test_statistics_that_the_database_gathers_are_no_finding(forged: Callable[[str], list[str]]) -> None:
    assert forged("ANALYZE") == []
