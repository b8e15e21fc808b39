"""What `levelbook doctor` finds, each brought about in a real installation, on both databases where it is of both."""

import json
import os
import shutil
import sqlite3
import sys
import time
import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.calendar import instant_text
from domain.limits import DAY_MICROS, SECOND_MICROS
from domain.version import PROGRAM_VERSION
from projections.candidates.shadow import start
from projections.delivering.deliveries import open_deliveries
from projections.doctor import derived, machine
from projections.doctor.derived import segments_found
from projections.doctor.examine import examine
from projections.doctor.machine import SPARE_BYTES
from projections.doctor.observations import BROKE, FAIL, OK, WARN, Observation, looked
from projections.doctor.telling import SAYING_IT, advice, says
from projections.projector.rebuild import Asked, rebuild
from projections.schemes.merchant_reputation import running as reputation_running
from projections.schemes.merchant_reputation import view as reputation_view
from projections.text.output import words_in
from projections.upkeep.consumed import PartitionNote, open_consumed
from projections.views.candidates import note_problem, shadow
from projections.views.database import open_views
from replay.columnar.jit import place_of_kept
from replay.columnar.places.folder import FolderSegments
from replay.columnar.seal import seal, segments_place
from replay.errors import StoreError
from replay.integrity.kept import SOUND, UNSOUND, Audit, Check, keep
from replay.integrity.verify import verify
from replay.recording.completing import complete
from replay.store import postgres
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.opening import create_store, open_store
from replay.store.running.rights import files_held, sees_all_processes
from replay.store.sqlite import SqliteStore
from tests.support.archived import archived, sealed, small_segments
from tests.support.disks import small_disk
from tests.support.earlier import KEY, put_back
from tests.support.making import event, ingest_events, paid
from tests.support.running import run
from tests.worlds.ledgers import revised

OPENED = event("merchant.onboarded", "open", category="fresh")


def clock() -> int:
    return time.time_ns() // 1000


def examined(location: str, segments: Path | None = None, at: Callable[[], int] = clock) -> dict[tuple[str, str], str]:
    """The status of each finding, by what was looked at and what was found; each can be said in every language."""
    found = examine(location, segments, at)
    for item in found:
        assert_told(item)
    return {(item.check, item.found): item.status for item in found}


def assert_told(item: Observation) -> None:
    for language in ("en", "zh"):
        words = words_in(language)
        told = advice(item, words)
        assert says(item, words) and (told is None) is (item.status == OK or item.found in SAYING_IT)


@pytest.fixture
def ledger(location: str, tmp_path: Path) -> str:
    """A ledger of two events."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [OPENED, paid("o-1")], tmp_path)
    return location


@pytest.fixture
def shown(ledger: str) -> str:
    """The same with views."""
    with open_store(ledger) as store, open_views(store, make=True) as views:
        rebuild(views, Asked(sample=0))
    return ledger


@pytest.fixture
def on_file(tmp_path: Path) -> str:
    """A ledger in a file."""
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [OPENED, paid("o-1")], tmp_path)
    return location


def execute(location: str, *statements: str) -> None:
    """What somebody does to the database, past the program."""
    if location.startswith("postgres"):
        with psycopg.connect(location, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
    else:
        with closing(sqlite3.connect(location, isolation_level=None)) as raw:
            for statement in statements:
                raw.execute(statement)


# --- the whole --------------------------------------------------------------------------------------------------------


def test_a_sound_installation_has_nothing_to_be_mended(shown: str) -> None:
    found = examined(shown)
    assert FAIL not in found.values()
    for check, what in (("store", "fits"), ("clock", "right"), ("policies", "adopted"), ("views", "stand")):
        assert found[check, what] == OK
    assert found["checks", "never"] == found["working", "nobody_follows"] == WARN
    run("verify", "--store", shown)
    assert examined(shown)["checks", "verified"] == OK


def test_the_command_says_what_to_do_and_by_its_status_whether_something_fails(on_file: str) -> None:
    text = run("doctor", "--store", on_file)
    assert f"ok    store         {on_file}: 2 records, " in text and text.endswith(
        "0 to be mended, 1 to be looked at\n"
    )
    assert "warn  checks        the ledger was never verified\n" + " " * 20 + "do: 'levelbook verify', from" in text
    body = json.loads(run("doctor", "--store", on_file, "--format", "json"))
    assert body["status"] == "warn"
    (never,) = [item for item in body["findings"] if item["status"] == "warn"]
    assert never == {
        "check": "checks",
        "status": "warn",
        "found": "never",
        "figures": {},
        "says": "the ledger was never verified",
        "do": "'levelbook verify', from time to time",
    }
    assert f"levelbook {PROGRAM_VERSION}，Python" in run("doctor", "--store", on_file, "--lang", "zh")
    Path(f"{on_file}.key").unlink()
    broken = run("doctor", "--store", on_file, status=1)
    assert f"fail  buyer key     the key for buyers is missing: {on_file}.key; bring it back from its copy" in broken


def test_without_a_store_the_machine_is_looked_at_all_the_same(tmp_path: Path) -> None:
    text = run("doctor", "--store", str(tmp_path / "none.db"), status=1)
    assert (
        "fail  store         there is no store at" in text
        and "warn  views         not looked at, for the store" in text
    )
    found = examined(str(tmp_path / "none.db"))
    assert found["store", "error"] == FAIL and found["segments", "not_looked"] == WARN
    assert found["disk", "room"] == found["versions", "run"] == OK
    (tmp_path / "text.db").write_text("no database at all, and long enough to be taken for one" * 40)
    assert examined(str(tmp_path / "text.db"))["store", "error"] == FAIL


def test_one_look_that_breaks_leaves_the_others_alone(on_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def divides(*_: Any) -> list[Any]:
        raise ZeroDivisionError("nobody foresaw it")

    monkeypatch.setattr("projections.doctor.ledger.not_adopted", divides)
    found = examined(on_file)
    assert found["policies", "broke"] == FAIL and found["segments", "none"] == found["views", "none"] == OK

    def look() -> Iterator[Observation]:
        yield Observation("a", OK, "b", {})
        raise OSError(5, "Input/output error")

    assert [item.found for item in looked("a", look)] == ["b", "broke"]


def test_nothing_is_written(shown: str, tmp_path: Path) -> None:
    def state() -> dict[str, tuple[int, bytes]]:
        files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))]
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    examined(shown)
    before = state()
    examined(shown)
    assert state() == before


# --- the ledger -------------------------------------------------------------------------------------------------------


def test_a_guard_that_was_removed_is_named(ledger: str) -> None:
    on = " ON levelbook.records" if ledger.startswith("postgres") else ""
    name = "records_never_changed" if on else "records_never_updated"
    execute(ledger, f"DROP TRIGGER {name}{on}")
    assert examined(ledger)["store", "altered"] == FAIL
    assert name in run("doctor", "--store", ledger, status=1)


def test_a_store_of_an_earlier_version_lacks_tables(ledger: str) -> None:
    schema = "levelbook." if ledger.startswith("postgres") else ""
    execute(ledger, f"DROP TABLE {schema}cosignatures")
    assert examined(ledger)["store", "of_earlier"] == WARN
    assert "'levelbook upgrade' as who may make tables" in run("doctor", "--store", ledger)


def test_a_ledger_in_which_nothing_can_be_recorded_until_it_is_upgraded_fails(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    put_back("store-2-first", location)
    found = examined(location)
    assert found["store", "of_earlier"] == FAIL and ("store", "fits") not in found
    assert "'levelbook upgrade' as who may make tables" in run("doctor", "--store", location, status=1)


def test_requests_to_erase_that_were_removed_are_no_earlier_version(ledger: str) -> None:
    """One table alone is missing: verify names it, the doctor fails, and no upgrade makes an empty one."""
    schema = "levelbook." if ledger.startswith("postgres") else ""
    execute(ledger, f"DROP TABLE {schema}erasures_due")
    found = examined(ledger)
    assert found["store", "altered"] == FAIL and ("store", "of_earlier") not in found
    with open_store(ledger) as store:
        assert "the table erasures_due is missing" in verify(store).problems
        with pytest.raises(StoreError, match="lacks the table erasures_due and no other: no version made it so, some"):
            complete(store)
    assert "the table erasures_due is missing" in run("verify", "--store", ledger, status=1)
    run("upgrade", "--store", ledger, status=3)


def test_a_clock_behind_the_last_record_is_named(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(location)
    with open_store(location) as store, monkeypatch.context() as patched:
        patched.setattr(SqliteStore, "now", lambda _: clock() + DAY_MICROS)
        patched.setattr(postgres, "NOW_SQL", f"({postgres.NOW_SQL} + {DAY_MICROS})")
        ingest_events(store, [OPENED], tmp_path)
    assert examined(location)["clock", "behind"] == FAIL


def test_two_clocks_that_differ_are_named(ledger: str) -> None:
    assert examined(ledger, at=lambda: clock() - DAY_MICROS)["clock", "two_clocks"] == WARN
    assert examined(ledger)["clock", "right"] == OK


def test_policies_that_views_use_and_the_ledger_lacks_are_named(shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(shown) as store:
        assert store.head().position > 2, "the policies are adopted by the rebuild"
    monkeypatch.setattr("replay.decisions.adopt._used", lambda *_: [revised("creator-firefly", 6)])
    monkeypatch.setattr("replay.decisions.application.Ledger.policy_book", lambda *_: type("Book", (), {"latest": {}}))
    assert examined(shown)["policies", "not_adopted"] == WARN


def test_before_there_are_views_policies_are_yet_to_be_adopted(ledger: str) -> None:
    assert examined(ledger)["policies", "to_adopt"] == OK


def check_at(store: Store, at: int, verdict: str) -> Check:
    head = store.head().text(store.identity.id)
    return Check(instant_text(at), store.identity.id, head, None, verdict, SOUND, SOUND, [], PROGRAM_VERSION)


def test_an_old_check_and_one_that_found_something_are_named(ledger: str) -> None:
    with open_store(ledger) as store:
        keep(store, check_at(store, store.now() - 40 * DAY_MICROS, SOUND))
        assert examined(ledger)["checks", "long_ago"] == WARN
        keep(store, check_at(store, store.now(), UNSOUND))
        assert examined(ledger)["checks", "unsound"] == FAIL
        store.keep_check("{")
        assert examined(ledger)["checks", "damaged"] == WARN


def test_an_audit_that_did_not_come_out_is_named(ledger: str) -> None:
    with open_store(ledger) as store:
        head, at = store.head().text(store.identity.id), instant_text(store.now())
        made = Audit(at, store.identity.id, head, None, None, None, 3, 3, 0, 0, PROGRAM_VERSION)
        keep(store, made)
        assert examined(ledger)["checks", "audited"] == OK
        keep(store, Audit(at, store.identity.id, head, None, None, None, 3, 2, 0, 0, PROGRAM_VERSION))
    assert examined(ledger)["checks", "audit_differs"] == FAIL


# --- its secrets ------------------------------------------------------------------------------------------------------


def test_a_key_for_buyers_that_is_gone_or_of_another_ledger_is_named(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {found for check, found in examined(ledger) if check == "buyer_key"} <= {"kept", "given"}
    monkeypatch.setenv(KEY_VARIABLE, "77" * 32)
    assert examined(ledger)["buyer_key", "error"] == FAIL
    assert "belongs to another ledger; give the one of" in run("doctor", "--store", ledger, status=1)
    monkeypatch.delenv(KEY_VARIABLE)
    if ledger.startswith("postgres"):
        assert examined(ledger)["buyer_key", "error"] == FAIL


def test_secrets_that_others_may_read_are_named(on_file: str) -> None:
    assert examined(on_file)["signing_key", "no_keys"] == OK
    run("key", "new", "--store", on_file)
    assert examined(on_file)["signing_key", "kept"] == examined(on_file)["buyer_key", "kept"] == OK
    for suffix in (".key", ".signing"):
        Path(f"{on_file}{suffix}").chmod(0o644)
    found = examined(on_file)
    assert found["buyer_key", "open"] == found["signing_key", "open"] == WARN
    assert f"do: chmod 600 '{on_file}.key'" in run("doctor", "--store", on_file)
    Path(f"{on_file}.signing").unlink()
    assert examined(on_file)["signing_key", "error"] == FAIL


def test_secrets_out_of_the_environment_are_told(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVELBOOK_SIGNING_KEY", "31" * 32)
    run("key", "new", "--store", ledger)
    found = examined(ledger)
    assert found["signing_key", "given"] == OK
    assert "31" * 32 not in run("doctor", "--store", ledger)


# --- what is derived --------------------------------------------------------------------------------------------------


def sealed_at(location: str, folder: Path) -> Path:
    with open_store(location, folder) as store:
        seal(store, segments_place(store, folder))
    return folder


def test_messages_that_wait_while_nobody_consumes_are_named(shown: str) -> None:
    assert examined(shown)["consuming", "none"] == OK
    minutes_ago = 2 * 60 * SECOND_MICROS
    with open_store(shown) as store, open_consumed(store) as kept:
        now = store.now()
        kept.note(
            [PartitionNote("g", "orders", 0, 10, 0, now - minutes_ago), PartitionNote("g", "orders", 1, 9, 5, now)]
        )
    assert examined(shown)["consuming", "go"] == OK, "one is at its end, the other is being consumed"
    with open_store(shown) as store, open_consumed(store) as kept:
        kept.note([PartitionNote("g", "orders", 1, 9, 5, now - minutes_ago)])
    found = examined(shown)
    assert found["consuming", "silent"] == WARN and ("consuming", "go") not in found
    assert "5 messages wait, and for over a minute nobody noted that they are consumed: g orders/1\n" in run(
        "doctor", "--store", shown
    )


def test_deliveries_that_fail_or_ended_are_named_and_their_secrets_hidden(shown: str) -> None:
    assert examined(shown)["deliveries", "none"] == OK
    options = ("--allow-private", "--allow-http", "--store", shown, "--format", "json")
    names = [json.loads(run("deliver", "add", f"http://127.0.0.1:{port}/", *options))["endpoint"] for port in (1, 2)]
    assert examined(shown)["deliveries", "go"] == OK
    with open_store(shown) as store, open_deliveries(store) as kept:
        kept.failed(names[0], 0, 1, 2, "away", None)
        kept.failed(names[1], 0, 1, 2, "gone", 3)
    found = examined(shown)
    assert (
        found["deliveries", "failing"] == found["deliveries", "disabled"] == WARN and ("deliveries", "go") not in found
    )
    told = run("doctor", "--store", shown)
    assert f"endpoints that fail: {names[0]}\n" in told and f"endpoints that are tried no more: {names[1]}\n" in told
    if not shown.startswith("postgres"):
        Path(f"{shown}.deliveries").chmod(0o644)
        assert examined(shown)["deliveries", "open"] == WARN


def test_segments_are_held_against_their_hashes_and_their_ledger(
    ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "segments"
    assert examined(ledger)["segments", "none"] == OK
    assert examined(ledger, folder)["segments", "error"] == FAIL, "it is not there"
    unseen = examined(ledger, tmp_path / ("s" * 300))
    assert (unseen["segments", "error"], unseen.get(("disk", BROKE))) == (FAIL, None), "nobody can tell"
    folder.mkdir()
    assert examined(ledger, folder)["segments", "none_there"] == WARN
    sealed_at(ledger, folder)
    assert examined(ledger, folder)["segments", "fit"] == OK
    (file, *_) = sorted(folder.glob("*.columns.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert examined(ledger, folder)["segments", "error"] == FAIL
    assert "was changed: its SHA-256 is not" in run("doctor", "--store", ledger, "--segments", str(folder), status=1)
    file.write_bytes(whole)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"ledger": "', '"ledger": "another-'))
    assert examined(ledger, folder)["segments", "error"] == FAIL


def test_files_of_records_that_left_are_looked_for(
    ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch, 2)
    assert examined(ledger)["archived", "none"] == OK
    with open_store(ledger) as store:
        sealed(store)
        archived(store, tmp_path / "records")
        path = Path(store.blocks.file_of(store.record_segments()[0], True).shown)
    assert examined(ledger)["archived", "there"] == OK
    path.unlink()
    assert examined(ledger)["archived", "error"] == FAIL
    assert f"the file of archived records {path} is missing" in run("doctor", "--store", ledger, status=1)


def test_each_day_other_files_are_held_against_their_hashes(
    ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, looked_at = tmp_path / "segments", list[str]()
    monkeypatch.setattr(FolderSegments, "check", lambda _, file: looked_at.append(file.name))
    monkeypatch.setattr(derived, "FILES_LOOKED_AT", 1)
    for number in range(4):
        with open_store(ledger) as store:
            ingest_events(store, [paid(f"sealed-{number}")], tmp_path)
            seal(store, folder, lambda _: None)
    looked_at.clear()
    for days in range(9):
        for _ in range(2):
            with open_store(ledger, folder) as store:
                assert [item.status for item in segments_found(store, partial(int, days * DAY_MICROS))] == [OK]
    assert looked_at[::2] == looked_at[1::2] and len(set(looked_at)) > 1, looked_at


def test_many_records_that_are_not_sealed_are_named(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "MANY_RECORDS", 2)
    assert examined(ledger)["segments", "unsealed"] == WARN


def test_views_that_lie_behind_are_named(shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteStore, "now", lambda _: clock() + 120_000_000)
    monkeypatch.setattr(postgres, "NOW_SQL", f"({postgres.NOW_SQL} + 120000000)")
    assert examined(shown, at=lambda: clock() + 120_000_000)["views", "late"] == WARN


def views_table(location: str, name: str) -> tuple[str, str]:
    """Where a table of the views lies, and what it is called there."""
    return (location, f"levelbook_views.{name}") if location.startswith("postgres") else (f"{location}.views", name)


def test_views_of_another_form_or_altered_are_named(shown: str) -> None:
    place, about = views_table(shown, "about")
    execute(place, f"UPDATE {about} SET format = format - 1")
    assert examined(shown)["views", "unfit"] == FAIL
    assert ", this levelbook moves form " in run("doctor", "--store", shown, status=1)
    _, levels = views_table(shown, "v1_levels")
    execute(place, f"UPDATE {about} SET format = format + 1", f"DROP VIEW {levels}")
    assert examined(shown)["views", "error"] == FAIL


def test_views_of_another_history_are_named(shown: str) -> None:
    place, builds = views_table(shown, "builds")
    execute(place, f"UPDATE {builds} SET chain = '{'ab' * 32}'")
    assert examined(shown)["views", "unfit"] == FAIL


def broken(*_: Any) -> Any:
    raise TypeError("no such thing")


def test_levels_that_failed_are_named(shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(shown) as store:
        ingest_events(store, [event("order.received", "got", "2022-11-05T10:00:00+08:00", order="o-1")], tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(reputation_view, "advance", broken)
        patched.setattr(reputation_running, "go_on_with", broken)
        run("follow", "--once", "--store", shown, status=1)
    assert examined(shown)["views", "unexpected"] == FAIL
    place, aside = views_table(shown, "b1_set_aside")
    execute(place, f"UPDATE {aside} SET trace = NULL")
    assert examined(shown)["views", "aside"] == WARN


def test_a_rebuild_that_was_left_is_named(shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("rebuild", "--dry-run", "--sample", "0", "--store", shown)
    assert examined(shown)["views", "rebuilding"] == OK
    monkeypatch.setattr(derived, "STALLED_SECONDS", -1)
    assert examined(shown)["views", "unfinished"] == WARN


def test_views_of_which_none_is_live_are_named(ledger: str) -> None:
    with open_store(ledger) as store:
        open_views(store, make=True).close()
    assert examined(ledger)["views", "none_live"] == WARN


def test_a_shadow_that_stopped_is_named(shown: str) -> None:
    with open_store(shown) as store, open_views(store) as views:
        start(views, revised("creator-firefly", 6))
        with views.moving() as connection:
            found = shadow(views, connection)
            assert found is not None
            note_problem(views, connection, found.build.build, "ZeroDivisionError: why")
    assert examined(shown)["views", "stopped"] == WARN


# --- who is at work ---------------------------------------------------------------------------------------------------


def test_who_holds_a_right_is_told_and_not_disturbed(shown: str) -> None:
    with open_store(shown) as store, open_views(store) as views, views.alone("follow") as check:
        assert examined(shown)["working", "held"] == OK
        assert "ok    at work       follow\n" in run("doctor", "--store", shown)
        check()
    assert examined(shown)["working", "nobody_follows"] == WARN


def test_without_views_nobody_need_follow(ledger: str) -> None:
    assert examined(ledger)["working", "nobody"] == OK
    with open_store(ledger) as store, store.backfilling():
        assert "ok    at work       backfill\n" in run("doctor", "--store", ledger)


def test_a_system_that_lists_no_locks_says_nothing(tmp_path: Path, on_file: str, monkeypatch: Any) -> None:
    assert files_held({"a": tmp_path}, tmp_path / "none") is None
    monkeypatch.setattr("projections.doctor.working.files_held", lambda paths: files_held(paths, tmp_path / "none"))
    assert examined(on_file)["working", "unknown"] == OK


def test_in_a_container_nobody_is_not_said_of_others(
    shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not sees_all_processes(tmp_path) and not sees_all_processes(tmp_path / "none")
    monkeypatch.setattr("projections.doctor.working.sees_all_processes", lambda: sees_all_processes(tmp_path))
    of_server = shown.startswith("postgres")
    assert examined(shown)["working", "nobody_follows" if of_server else "unseen"] == (WARN if of_server else OK)
    with open_store(shown) as store, open_views(store) as views, views.alone("follow"):
        assert examined(shown)["working", "held"] == OK


# --- the machine ------------------------------------------------------------------------------------------------------


def test_a_disk_that_is_full_soon_is_named(on_file: str, tmp_path: Path) -> None:
    room = SPARE_BYTES + Path(on_file).stat().st_size * 3 // 2  # less than the ledger, once it lies there
    with small_disk(tmp_path / "disk", f"{room // 1024}k") as resize:
        shutil.copy(on_file, tmp_path / "disk" / "ledger.db")
        shutil.copy(f"{on_file}.key", tmp_path / "disk" / "ledger.db.key")
        location = str(tmp_path / "disk" / "ledger.db")
        assert examined(location)["disk", "short"] == WARN
        resize("16m")
        assert examined(location)["disk", "full"] == FAIL


def test_the_disk_of_a_server_is_its_own_matter(ledger: str) -> None:
    assert (("disk", "of_server") in examined(ledger)) is ledger.startswith("postgres")


def test_a_machine_that_knows_no_time_zones_is_named(on_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert examined(on_file)["zones", "known"] == OK
    before = zoneinfo.TZPATH
    monkeypatch.setitem(sys.modules, "tzdata", None)
    try:
        zoneinfo.reset_tzpath(to=[])
        zoneinfo.ZoneInfo.clear_cache()
        assert examined(on_file)["zones", "none"] == WARN
    finally:
        zoneinfo.reset_tzpath(to=before)


def test_what_is_missing_for_many_records_is_named(on_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    found = examined(on_file)
    assert found["versions", "plain"] == OK and not any(check == "loops" for check, _ in found)
    monkeypatch.setattr(machine, "MANY_RECORDS", 2)
    assert examined(on_file)["versions", "slow"] == WARN


def test_where_compiled_rules_are_kept_is_told(on_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVELBOOK_CACHE", "")
    assert examined(on_file)["loops", "nowhere"] == OK
    monkeypatch.setenv("LEVELBOOK_CACHE", str(tmp_path / "cache"))
    assert examined(on_file)["loops", "to_compile"] == OK
    assert not (tmp_path / "cache").exists(), "it is looked at, and not made"
    place = place_of_kept()
    assert place is not None
    place.mkdir(parents=True)
    (place / "loop.nbi").touch()
    assert examined(on_file)["loops", "kept"] == OK
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (place / "loop.nbi").unlink()
    assert examined(on_file)["loops", "unwritable"] == WARN


def test_a_ledger_that_can_only_be_read_is_named(on_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.doctor.ledger.reading_mode", lambda _: "ro")  # root may write everywhere
    assert examined(on_file)["store", "only_read"] == WARN


def test_every_finding_has_words_and_every_word_a_finding() -> None:
    texts = {path.name: path.read_text("utf-8") for path in (Path(machine.__file__).parent).glob("*.py")}
    source = "".join(texts.values())
    words = words_in("en")._words["doctor"]
    checks = [key.removeprefix("check_") for key in words if key.startswith("check_")]
    for key in words:
        check = next((name for name in checks if key.startswith(f"{name}_")), None)
        if check is not None:
            found = key.removeprefix(f"{check}_").removesuffix("_do")
            assert f'"{found}"' in source, key
