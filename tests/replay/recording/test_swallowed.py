"""What is acknowledged is what the database says it wrote, whatever triggers and rules swallow or alter."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from cli import main
from replay.errors import StoreError
from replay.recording.erase import erase_now
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events, paid, write_lines

FOUND = "the database does not do what it was told: "
CHAINS = "the chains of keys from position 2 on are not there, or others"
SQLITE_SWALLOWS = {
    "records": (
        "CREATE TRIGGER quiet BEFORE INSERT ON records BEGIN SELECT RAISE(IGNORE); END",
        "at position 2 no record is there",
    ),
    "records and tally": (
        (
            "CREATE TRIGGER quiet BEFORE INSERT ON records BEGIN SELECT RAISE(IGNORE); END;"
            "CREATE TRIGGER still BEFORE INSERT ON tally BEGIN SELECT RAISE(IGNORE); END;"
            "CREATE TRIGGER stiller BEFORE UPDATE ON tally BEGIN SELECT RAISE(IGNORE); END"
        ),
        "at position 2 no record is there",
    ),
    "tally": (
        "CREATE TRIGGER quiet BEFORE UPDATE ON tally BEGIN SELECT RAISE(IGNORE); END",
        "the tally does not count it",
    ),
    "one of many": (
        "CREATE TRIGGER quiet BEFORE INSERT ON records WHEN NEW.position = 3 BEGIN SELECT RAISE(IGNORE); END",
        "at position 3 no record is there",
    ),
    "aliases": (
        "CREATE TRIGGER quiet BEFORE INSERT ON buyers BEGIN SELECT RAISE(IGNORE); END",
        "an alias of a buyer is not there, or another one",
    ),
    "chains": ("CREATE TRIGGER quiet BEFORE INSERT ON stream_chains BEGIN SELECT RAISE(IGNORE); END", CHAINS),
}
_NULL = "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
_LATER = (
    "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN ALTER TABLE levelbook.records DISABLE TRIGGER records_never_changed;"
    " DELETE FROM levelbook.records WHERE position = 2; RETURN NULL; END $$;"
)
POSTGRES_SWALLOWS = {
    "trigger": (
        f"{_NULL} CREATE TRIGGER quiet BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION quiet()",
        "at position 2 no record is there",
    ),
    "altering trigger": (
        (
            "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.ref = 7; RETURN NEW; END $$;"
            "CREATE TRIGGER quiet BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION quiet()"
        ),
        "at position 2 another record is there",
    ),
    "rule on aliases": (
        "CREATE RULE quiet AS ON INSERT TO buyers DO INSTEAD NOTHING",
        "an alias of a buyer is not there, or another one",
    ),
    "tally": (
        f"{_NULL} CREATE TRIGGER quiet BEFORE INSERT OR UPDATE ON tally FOR EACH ROW EXECUTE FUNCTION quiet()",
        "the tally does not count it",
    ),
    "aliases": (
        f"{_NULL} CREATE TRIGGER quiet BEFORE INSERT ON buyers FOR EACH ROW EXECUTE FUNCTION quiet()",
        "an alias of a buyer is not there, or another one",
    ),
    "chains": (
        f"{_NULL} CREATE TRIGGER quiet BEFORE INSERT ON stream_chains FOR EACH ROW EXECUTE FUNCTION quiet()",
        CHAINS,
    ),
    "altered chains": (
        (
            "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.chains = decode(repeat('00', length(NEW.chains)), 'hex'); RETURN NEW; END $$;"
            "CREATE TRIGGER quiet BEFORE INSERT ON stream_chains FOR EACH ROW EXECUTE FUNCTION quiet()"
        ),
        CHAINS,
    ),
    "deferred": (
        (
            f"{_LATER} CREATE CONSTRAINT TRIGGER quiet AFTER INSERT OR UPDATE ON tally DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION quiet()"
        ),
        "at position 2 no record is there",
    ),
}


@pytest.fixture
def with_sql(location: str, tmp_path: Path) -> Callable[[str], Store]:
    """A ledger of one payment and one adoption's worth of room, in whose database somebody has run SQL."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)

    def run(script: str) -> Store:
        if location.startswith("postgresql"):
            with psycopg.connect(location, options="-c search_path=levelbook", autocommit=True) as connection:
                connection.execute(script.encode())
        else:
            raw = sqlite3.connect(location)
            raw.executescript(script)
            raw.close()
        return open_store(location)

    return run


def swallows(location: str) -> dict[str, tuple[str, str]]:
    return POSTGRES_SWALLOWS if location.startswith("postgresql") else SQLITE_SWALLOWS


CASES = [("sqlite", name) for name in SQLITE_SWALLOWS] + [("postgres", name) for name in POSTGRES_SWALLOWS]


@pytest.mark.parametrize(("location", "name"), CASES, indirect=["location"])
def test_a_batch_that_the_database_swallows_is_not_acknowledged(
    with_sql: Callable[[str], Store], location: str, tmp_path: Path, name: str
) -> None:
    script, found = swallows(location)[name]
    with with_sql(script) as store:
        with pytest.raises(StoreError, match=f"{FOUND}{found}"):
            ingest_events(store, [paid("o-2", buyer="b-2"), paid("o-3", buyer="b-3")], tmp_path)
        assert store.head().position == 1
        assert list(store._query("SELECT sum(count) FROM tally")) == [(1,)]
        assert list(store._query("SELECT count(*) FROM buyers")) == [(1,)]


QUIET_RECORDS = {
    "sqlite": "CREATE TRIGGER quiet BEFORE INSERT ON records BEGIN SELECT RAISE(IGNORE); END",
    "postgres": POSTGRES_SWALLOWS["trigger"][0],
}
QUIET_DELETE = {
    "sqlite": "CREATE TRIGGER quiet BEFORE DELETE ON buyers BEGIN SELECT RAISE(IGNORE); END",
    "postgres": f"{_NULL} CREATE TRIGGER quiet BEFORE DELETE ON buyers FOR EACH ROW EXECUTE FUNCTION quiet()",
}


def of_this(statements: dict[str, str], location: str) -> str:
    return statements["postgres" if location.startswith("postgresql") else "sqlite"]


WAYS = {
    "adopt": ["policy", "adopt", "2022-10-26"],
    "decide": ["decide", "merchant-reputation", "--month", "2022-11"],
    "erase": ["erase-buyer", "b-1", "--reason", "asked for"],
    "ingest": ["ingest", "--acknowledge", "more.jsonl"],
}


@pytest.mark.parametrize("way", WAYS)
def test_no_command_says_that_it_recorded_what_the_database_swallows(
    with_sql: Callable[[str], Store], location: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "more.jsonl", [event("review.posted", "r-1", order="o-1", quality=5)])
    with with_sql(of_this(QUIET_RECORDS, location)) as store:
        done = CliRunner().invoke(main, [*WAYS[way], "--store", location])
        assert done.exit_code == 3, done.output
        assert f"{FOUND}at position 2 no record is there" in done.output
        assert ". Nothing of this was recorded; a trigger or rule stands on a table" in done.output
        assert "recorded up to" not in done.output
        assert store.head().position == 1
        assert list(store._query("SELECT count(*) FROM buyers")) == [(1,)], "erased and recorded together or not"


def test_an_erasure_that_the_database_swallows_is_told(with_sql: Callable[[str], Store], location: str) -> None:
    with with_sql(of_this(QUIET_DELETE, location)) as store:
        with pytest.raises(StoreError, match=f"{FOUND}a row that was deleted is still there"):
            erase_now(store, "b-1", "asked for")
        assert store.head().position == 1
