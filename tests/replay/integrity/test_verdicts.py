"""One verdict each for ledger, segments and views, always told and kept; definitions of the views are looked at."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from projections.http.settings import Settings
from projections.projector.check import check_views
from projections.projector.fill import fill
from projections.projector.follow import follow
from projections.projector.rebuild import Asked, rebuild
from projections.server.serve import serve
from projections.views.database import DamagedViews, open_views
from projections.views.location import views_path
from replay.errors import DamagedError, StoreError
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.sqlite import SqliteStore
from tests.support.making import ingest_events
from tests.support.running import run
from tests.worlds.ledgers import World


@pytest.fixture
def viewed(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A ledger with segments and views."""
    monkeypatch.setenv("LEVELBOOK_STORE", store.location)
    monkeypatch.setenv("LEVELBOOK_SEGMENTS", str(tmp_path / "segments"))
    ingest_events(store, World(3).events(60), tmp_path)
    with open_views(store, make=True) as views:
        rebuild(views, Asked())
    run("seal")
    yield store


def verdicts(status: int) -> dict[str, str]:
    found: dict[str, str] = json.loads(run("verify", "--format", "json", status=status))["verdicts"]
    return found


def in_views(store: Store, script: str) -> None:
    """Run SQL where the views are; tables are named without their schema."""
    if isinstance(store, SqliteStore):
        raw = sqlite3.connect(views_path(store))
        raw.executescript(script)
        raw.close()
        return
    with psycopg.connect(store.location, options="-c search_path=levelbook_views", autocommit=True) as connection:
        connection.execute(script.encode())


@pytest.mark.slow
def test_each_part_has_a_verdict_and_a_status_of_its_own(viewed: Store, tmp_path: Path) -> None:
    sound = {"ledger": "sound", "segments": "sound", "views": "sound", "service": "none"}
    assert verdicts(0) == sound
    told = run("verify").splitlines()
    assert told[0].endswith(": the ledger is sound")
    assert told[1:3] == ["segments up to position 66 fit the ledger", "views up to position 66 fit the ledger"]
    in_views(viewed, "UPDATE b1_levels SET score = 12345 WHERE subject = (SELECT min(subject) FROM b1_levels)")
    assert verdicts(6) == {**sound, "views": "not sound"}
    told_lines = run("verify", status=6).splitlines()
    assert told_lines[0].endswith(": the ledger is sound"), "the ledger comes first, and nothing is said against it"
    segment = next(iter(sorted((tmp_path / "segments").glob("*.parquet"))))
    segment.write_bytes(segment.read_bytes()[:-1])
    assert verdicts(7) == {**sound, "segments": "not sound", "views": "not sound"}
    in_views(viewed, "UPDATE about SET format = 1")
    told_text = run("verify", status=7)
    assert "the ledger is sound" in told_text and "have form 1, this levelbook moves form" in told_text


@pytest.mark.slow
def test_checks_are_kept_and_listed(viewed: Store) -> None:
    head = run("head").strip()
    run("verify", "--head", head)
    in_views(viewed, "UPDATE b1_levels SET score = 12345 WHERE subject = (SELECT min(subject) FROM b1_levels)")
    run("verify", status=6)
    sound, unsound = json.loads(run("verify", "--list", "--format", "json"))
    assert (sound["head"], sound["noted"], sound["ledger"]) == (head, head, viewed.identity.id)
    assert [sound[f"{part}_verdict"] for part in ("ledger", "segments", "views")] == ["sound"] * 3
    assert (unsound["ledger_verdict"], unsound["views_verdict"]) == ("sound", "not sound")
    assert "score is 12345" in unsound["problems"][0]
    assert "ledger sound, segments sound, views not sound" in run("verify", "--list")
    if isinstance(viewed, SqliteStore):
        kept = Path(f"{viewed.location}.checks")
        assert kept.stat().st_mode & 0o777 == 0o600
        whole = kept.read_text()
        kept.write_text("{}\n" + whole + "[")
        told = run("verify", "--list", status=3)
        assert told.endswith(f"beside {viewed.name}, these are damaged and cannot be read: 1, 4\n")
        assert "ledger sound, segments sound, views not sound" in told, "the others are listed all the same"


@pytest.mark.slow
def test_that_nobody_looked_whose_each_alias_is_is_told(viewed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(run("verify", "--format", "json"))["seals_unchecked"] is None
    monkeypatch.setenv(KEY_VARIABLE, "ab" * 32)
    told = run("verify")
    assert "not checked, whose each alias of a buyer is: the key for buyers in the environment variable" in told
    assert "belongs to another ledger" in told


@pytest.mark.slow
def test_a_backup_tells_whose_aliases_changed_places(viewed: Store, tmp_path: Path) -> None:
    seal = "zeroblob(32)" if isinstance(viewed, SqliteStore) else "decode(repeat('00', 32), 'hex')"
    statement = f"UPDATE buyers SET seal = {seal}"
    if isinstance(viewed, SqliteStore):
        with sqlite3.connect(viewed.location) as raw:
            raw.execute(statement)
        raw.close()
    else:
        with psycopg.connect(viewed.location, options="-c search_path=levelbook", autocommit=True) as connection:
            connection.execute(statement)
    # A key in the environment is at hand for the copy, too, which then is not made.
    told = run("backup", str(tmp_path / "copy.db"), status=1 if isinstance(viewed, SqliteStore) else 3)
    assert "does not bear the seal of this ledger's key" in told


@pytest.mark.slow
def test_a_check_that_cannot_be_kept_is_told(viewed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(viewed), "keep_check", full)
    assert "this check was not kept: [Errno 28] No space left on device" in run("verify")


REDEFINED: dict[str, tuple[Callable[[], str], str]] = {
    "v1_levels": (lambda: _redefined("v1_levels", "levels"), "the view v1_levels is "),
    "v1_decisions": (lambda: _redefined("v1_decisions", "decisions"), "the view v1_decisions is "),
    "a table for a view": (
        lambda: "DROP VIEW v1_history; CREATE TABLE v1_history AS SELECT * FROM b1_history",
        "the view v1_history is missing",
    ),
    "another view": (lambda: "CREATE VIEW v1_more AS SELECT 1 AS one", "the view v1_more is none that levelbook makes"),
    "an index": (lambda: "CREATE INDEX more ON b1_levels (level)", "the index more of b1_levels is none that "),
}


def _redefined(view: str, table: str) -> str:
    return f"DROP VIEW {view}; CREATE VIEW {view} AS SELECT * FROM b1_{table} WHERE 1 = 1"


@pytest.mark.slow
@pytest.mark.parametrize("name", REDEFINED)
def test_views_that_are_defined_otherwise_are_named_and_not_served(viewed: Store, name: str) -> None:
    script, message = REDEFINED[name]
    in_views(viewed, script())
    assert f"views: {message}" in run("verify", status=6)
    for refused in (follow_once, serve_once):
        with pytest.raises(
            DamagedViews, match=f"are not defined as levelbook makes them, and could show anything: {message}"
        ):
            refused(viewed)


def follow_once(store: Store) -> None:
    with open_views(store) as views:
        follow(views, stay=False)


def serve_once(store: Store) -> None:
    serve(Settings(store.location))


HIDING = {
    "sqlite": """
        CREATE INDEX hiding ON b1_levels (scheme, level, state) WHERE subject < 'n';
        CREATE UNIQUE INDEX hiding_key ON b1_levels (subject, scheme) WHERE subject < 'merchant/m';
        PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'hiding')
          WHERE name = 'b1_levels_by_scheme_level_state';
        UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'hiding_key')
          WHERE name = 'sqlite_autoindex_b1_levels_1';
        DELETE FROM sqlite_master WHERE name IN ('hiding', 'hiding_key');
    """,
    "postgres": """
        CREATE INDEX hiding ON b1_levels (scheme, level, state) WHERE subject < 'creator/z';
        UPDATE pg_index SET indpred = NULL WHERE indexrelid = 'hiding'::regclass;
        DROP INDEX b1_levels_by_scheme_level_state;
        ALTER INDEX hiding RENAME TO b1_levels_by_scheme_level_state;
    """,
}
"""Indexes that leave levels out, under the definition that the views have."""


@pytest.mark.slow
def test_an_index_of_the_views_that_hides_levels_is_named(viewed: Store) -> None:
    sqlite = isinstance(viewed, SqliteStore)
    in_views(viewed, HIDING["sqlite" if sqlite else "postgres"])
    told = "views: the database is damaged: " if sqlite else "views: the index b1_levels_by_scheme_level_state gives "
    assert told in run("verify", status=6)


@pytest.mark.slow
def test_views_of_which_no_build_is_said_to_be_live_show_nothing(viewed: Store) -> None:
    in_views(viewed, "UPDATE b1_levels SET level = 'gold-5'; UPDATE builds SET role = 'former'")
    assert "views: the view v1_levels is none that levelbook makes" in run("verify", status=6)


@pytest.mark.slow
def test_a_subject_set_aside_for_nothing_is_named(viewed: Store) -> None:
    """Its rows are compared with nothing: a forged level would pass."""
    in_views(
        viewed,
        "UPDATE b1_levels SET level = 'gold-5' WHERE subject = 'merchant/m-1' AND scheme LIKE '%-reputation';"
        " INSERT INTO b1_set_aside (subject, scheme, position, at, reason)"
        " VALUES ('merchant/m-1', 'merchant-reputation', 1, 1, 'forged')",
    )
    assert "views: merchant/m-1 is set aside, and can be worked out now: 'levelbook retry'" in run("verify", status=6)
    assert "merchant/m-1" in run("retry")
    run("verify")


@pytest.mark.slow
def test_a_view_of_a_table_in_another_schema_is_named(viewed: Store) -> None:
    if isinstance(viewed, SqliteStore):
        pytest.skip("a file has no schemas")
    in_views(
        viewed,
        """
        CREATE SCHEMA b1_x; CREATE TABLE b1_x.b1_levels AS TABLE b1_levels;
        UPDATE b1_x.b1_levels SET level = 'gold-5';
        DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW v1_levels AS ' || regexp_replace(
            pg_get_viewdef('v1_levels'::regclass), 'FROM \\((levelbook_views.)?b1_levels', 'FROM (b1_x.b1_levels');
        END $$;
        """,
    )
    assert "reading b1_levels in the schema b1_x" in run("verify", status=6)


@pytest.mark.slow
def test_a_trigger_in_the_ledger_is_named_when_following_and_serving_begin(viewed: Store) -> None:
    statement = "CREATE VIEW more AS SELECT 1 AS one"
    if isinstance(viewed, SqliteStore):
        raw = sqlite3.connect(viewed.location)
        raw.execute(statement)
        raw.close()
    else:
        with psycopg.connect(viewed.location, options="-c search_path=levelbook", autocommit=True) as connection:
            connection.execute(statement.encode())
    for refused in (follow_once, serve_once):
        with pytest.raises(DamagedError, match=" is not defined as levelbook makes it, and could show anything: the v"):
            refused(viewed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("DELETE FROM changes WHERE number = 1", "changes has no row "),
        ("UPDATE builds SET policies = '{}'", "the live build notes the policies {}, the ledger gives "),
        ("DELETE FROM b1_levels", "levels has no row "),
    ],
)
def test_what_the_views_note_of_themselves_is_compared(viewed: Store, script: str, told: str) -> None:
    in_views(viewed, script)
    assert f"views: {told}" in run("verify", status=6)


@pytest.mark.slow
def test_verifying_changes_nothing_in_the_views(viewed: Store, tmp_path: Path) -> None:
    if isinstance(viewed, SqliteStore):
        before = views_path(viewed).read_bytes()
        run("verify")
        assert views_path(viewed).read_bytes() == before
        return
    with psycopg.connect(viewed.location, autocommit=True) as connection:
        connection.execute("ALTER ROLE CURRENT_USER SET default_transaction_read_only = on")
        try:
            told = run("verify")
        finally:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER ROLE CURRENT_USER RESET default_transaction_read_only")
    assert "views up to position 66 fit the ledger" in told
    assert "this check was not kept: " in told and "cannot execute CREATE SCHEMA in a read-only" in told


@pytest.mark.slow
def test_a_switch_back_while_views_are_checked_is_told(
    viewed: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build that was live when the check began stands later than the one that is live when it compares."""

    def switched_meanwhile(*given: Any) -> None:
        fill(*given)
        in_views(viewed, "UPDATE builds SET as_of = as_of - 1")

    monkeypatch.setattr("projections.projector.check.fill", switched_meanwhile)
    with open_views(viewed) as views, pytest.raises(StoreError, match="another build was switched to while the views"):
        check_views(views)


@pytest.mark.parametrize("location", ["sqlite"], indirect=True)
def test_files_in_a_folder_that_cannot_be_written_to_are_verified(
    viewed: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewed.close()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert "views up to position 66 fit the ledger" in run("verify")
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.suffix != ".checks"}
    assert after == before
