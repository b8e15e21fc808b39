"""Erasing a buyer at the month's end: kept beside the buyers, carried out in time, and the month's pair cap holds."""

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from cli import main
from domain.calendar import month_start, parse_instant, parse_month, shanghai_text
from domain.limits import DAY_MICROS
from replay.answers.explain import explain_json
from replay.errors import StoreError, UsageError
from replay.history.timeline import Asked as AskedMoment
from replay.history.timeline import resolve
from replay.integrity.backup import back_up
from replay.integrity.verify import verify
from replay.policies.catalog import Choice
from replay.recording import erase as erasing
from replay.recording.erase import DueErasure, erase_at_month_end, erase_due, erase_now
from replay.replaying.base import Part
from replay.schemes.replaying import replay_subject
from replay.store.alias_queries import waiting
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.buyers import KEY_VARIABLE
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from replay.store.postgres import PostgresStore, PostgresTransaction
from replay.store.sqlite import SqliteStore
from replay.store.sqlite_transaction import SqliteTransaction
from tests import ROOT
from tests.support.aliases import aliases_in, change
from tests.support.making import Event, event, ingest_events, paid, write_lines
from tests.support.running import run

IN_NOVEMBER = parse_instant("2022-11-20T12:00:00+08:00")
DECEMBER = month_start(parse_month("2022-12"))
PAGE = (ROOT / "docs" / "how-to" / "postgresql.md").read_text("utf-8")


class Clock:
    """The ledger's clock."""

    def __init__(self) -> None:
        self.now = IN_NOVEMBER


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for kind in (SqliteStore, SqliteTransaction, PostgresStore, PostgresTransaction):
        monkeypatch.setattr(kind, "now", lambda _: made.now)
    return made


def traded(numbers: range, day: str, buyer: str = "b-1") -> list[Event]:
    """Orders of one buyer at one merchant, each with a good review."""
    made = []
    for number in numbers:
        order, at = f"o-{number}", f"{day}T10:{number:02d}"
        made += [
            paid(order, f"{at}:00+08:00", buyer=buyer),
            event("order.received", f"got-{order}", f"{at}:10+08:00", order=order),
            event("review.posted", f"r-{order}", f"{at}:20+08:00", order=order, quality=5),
        ]
    return made


def verdicts(store: Store) -> list[str]:
    """What became of the reviews of the merchant."""
    found = replay_subject(store, "merchant/m-1", resolve(store, AskedMoment()), "merchant-reputation", Choice())
    told = explain_json(found, Part(), "en")["verdicts"]
    return [item["verdict"] for item in told if item["event"].startswith("r-")]


def ask(store: Store, buyer: str = "b-1", reason: str = "request") -> DueErasure:
    asked = erase_at_month_end(store, buyer, reason)
    assert isinstance(asked, DueErasure)
    return asked


def count(store: Store, table: str) -> int:
    ((found,),) = store._query(f"SELECT count(*) FROM {table}")
    return int(found)


def test_the_pair_cap_holds_within_the_month_and_a_new_alias_comes_after_it(
    store: Store, clock: Clock, tmp_path: Path
) -> None:
    opened = event("merchant.onboarded", "opened", "2022-09-01T10:00:00+08:00", category="toys")
    ingest_events(store, [opened, *traded(range(6), "2022-11-10")], tmp_path)
    assert ask(store).due_at == DECEMBER
    clock.now = DECEMBER - 1
    ingest_events(store, traded(range(6, 7), "2022-11-28"), tmp_path)
    assert verdicts(store) == ["counted"] * 6 + ["pair_cap"]
    assert len(aliases_in(store)["merchant/m-1"]) == 1
    assert waiting(store) == (1, DECEMBER, 0)
    clock.now = DECEMBER
    assert waiting(store) == (1, DECEMBER, 1), "personal data is kept no longer than said: it is told that it is"
    clock.now += DAY_MICROS
    ingest_events(store, traded(range(7, 8), "2022-12-01")[:1], tmp_path)
    assert len(aliases_in(store)["merchant/m-1"]) == 2
    assert (count(store, "buyers"), waiting(store)) == (1, (0, None, 0))
    assert verify(store).problems == []


def test_erased_at_once_within_the_month_the_pair_cap_begins_anew(store: Store, clock: Clock, tmp_path: Path) -> None:
    opened = event("merchant.onboarded", "opened", "2022-09-01T10:00:00+08:00", category="toys")
    ingest_events(store, [opened, *traded(range(6), "2022-11-10")], tmp_path)
    with pytest.raises(UsageError) as refused:
        erase_now(store, "b-1", "request")
    assert str(refused.value).endswith("or --at-month-end to have it done at 2022-12-01T00:00:00+08:00")
    erase_now(store, "b-1", "request", in_month=True)
    ingest_events(store, traded(range(6, 7), "2022-11-15"), tmp_path)
    assert verdicts(store) == ["counted"] * 7, "as erase-buyer says before"


def test_a_request_is_kept_once_shown_and_goes_with_an_erasure(location: str, clock: Clock, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [*traded(range(1), "2022-11-10"), paid("o-9", buyer="b-2")], tmp_path)
    at = ["--store", location]
    result = CliRunner().invoke(main, ["erase-buyer", "b-1", "--reason", "r", *at])
    assert result.exit_code == 2 and "Give --now" in result.output and "--at-month-end" in result.output
    told = run("erase-buyer", "b-1", "--reason", "r", "--at-month-end", *at)
    assert told.startswith("the buyer will be erased at 2022-12-01T00:00:00+08:00, by the first command that records")
    clock.now += DAY_MICROS
    again = json.loads(run("erase-buyer", "b-1", "--reason", "s", "--at-month-end", "--format", "json", *at))
    asked_at = shanghai_text(IN_NOVEMBER)
    assert again == {
        "erased": 0,
        "due_at": "2022-12-01T00:00:00+08:00",
        "asked_at": asked_at,
        "reason": "r",
        "asked_before": True,
    }
    told = run("erase-buyer", "b-1", "--reason", "s", "--at-month-end", *at)
    assert told.startswith(f"asked for already at {asked_at}, and stays: the buyer will be erased at 2022-12-01")
    kept = {"count": 1, "earliest": "2022-12-01T00:00:00+08:00", "overdue": 0}
    assert json.loads(run("status", "--format", "json", *at))["erasures_due"] == kept
    assert "erasures due    1, the earliest at 2022-12-01T00:00:00+08:00\n" in run("status", *at)
    assert "no erasure is due" in run("erase-buyer", "--due", *at)
    assert "erased; the receipt stands at position 5" in run("erase-buyer", "b-1", "--reason", "r", "--now", *at)
    assert json.loads(run("status", "--format", "json", *at))["erasures_due"]["count"] == 0
    assert "erasures due" not in run("status", *at)
    assert "the ledger is sound" in run("verify", *at)


def test_a_request_by_a_clock_that_stood_ahead_is_made_anew(store: Store, clock: Clock, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    clock.now = DECEMBER + DAY_MICROS
    later = ask(store)
    clock.now = IN_NOVEMBER
    assert ask(store).due_at == DECEMBER < later.due_at
    assert count(store, "erasures_due") == 1


def test_each_command_that_records_carries_out_what_is_due(
    location: str, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it looks up any alias; where no buyer stands in what it records, without the key."""
    monkeypatch.chdir(tmp_path)
    create_store(location)
    buyers = [f"b-{n}" for n in range(5)]
    events = [*traded(range(3), "2022-10-10"), *(paid(f"o-{buyer}", buyer=buyer) for buyer in [*buyers, "b-x"])]
    with open_store(location) as store:
        ingest_events(
            store,
            [event("merchant.onboarded", "opened", "2022-09-01T10:00:00+08:00", category="toys"), *events],
            tmp_path,
        )
        key = os.environ.get(KEY_VARIABLE) or Path(f"{location}.key").read_text()
    more = write_lines(tmp_path / "more.jsonl", [paid("o-more", "2022-11-02T10:00:00+08:00", buyer="b-0")])
    ways = [
        (["ingest", more], "a buyer's erasure was due: erased; the receipt stands at position "),
        (["erase-buyer", "b-x", "--reason", "r"], "erased; the receipt stands at position "),
        (["policy", "adopt", "2022-10-26"], "adopted"),
        (["decide", "merchant-reputation", "--month", "2022-11"], ""),
        (["erase-buyer", "--due"], "a buyer's erasure was due: erased; the receipt stands at position "),
    ]
    for number, (words, says) in enumerate(ways):
        with monkeypatch.context() as patched:
            patched.setenv(KEY_VARIABLE, key.strip())
            with open_store(location) as store:
                ask(store, buyers[number])
                before = count(store, "buyers")
                clock.now = month_start(parse_month("2022-12") + number)
            if number > 1:
                patched.setenv(KEY_VARIABLE, "")
            assert says in run(*words, "--store", location)
        with open_store(location) as store:
            new, other = (1, 0) if number == 0 else (0, number == 1)
            assert count(store, "buyers") == before + new - other - 1, words
            assert count(store, "erasures_due") == 0
    monkeypatch.setenv(KEY_VARIABLE, key.strip())
    with open_store(location) as store:
        assert count(store, "records WHERE type = 'buyer.erased'") == 6
        assert verify(store).problems == []


def test_a_backfill_and_a_dry_run_leave_what_is_due(location: str, clock: Clock, tmp_path: Path) -> None:
    create_store(location)
    dated = [paid(f"o-{n}", recordedtime=f"2022-11-0{n}T12:00:00+08:00") for n in (1, 2, 3, 4)]
    first, second = (write_lines(tmp_path / f"{n}.jsonl", dated[n : n + 2]) for n in (0, 2))
    at = ["--store", location, "--rejects", str(tmp_path / "rejects")]
    run("ingest", "--backfill", first, *at)
    # The request is recorded nowhere but in its table, so that the ledger still ends in November.
    with open_store(location) as store:
        ask(store)
    clock.now = DECEMBER
    left = "1 erasures of buyers are due and left for the next command: a backfill, or a role that may not delete"
    told = run("ingest", "--backfill", "--late", second, *at)
    assert told.startswith("2 recorded, 0 already known, 0 refused\n") and left in told
    assert "erased" not in run("ingest", "--dry-run", first, *at)
    with open_store(location) as store:
        assert (waiting(store).overdue, store.head().position, len(aliases_in(store)["merchant/m-1"])) == (1, 4, 1)
    found = json.loads(run("ingest", first, "--format", "json", *at))
    assert (found["known"], found["buyers_erased"], found["erasures_left"], found["erased_scrubbed"]) == (2, 1, 0, True)


def test_a_backup_keeps_requests_and_its_ledger_carries_them_out(store: Store, clock: Clock, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    ask(store)
    back_up(store, tmp_path / "copy.db")
    clock.now = DECEMBER
    with open_store(str(tmp_path / "copy.db")) as copy:
        (erased,) = erase_due(copy).erased
        assert (erased.aliases, erased.receipt_position, waiting(copy).kept) == (1, 2, 0)
        assert verify(copy).problems == []


def kill_at(location: str, step: Callable[[pytest.MonkeyPatch], None]) -> None:
    """Carry out what is due in a child that is killed at a step."""
    child = os.fork()
    if child == 0:
        try:
            step(pytest.MonkeyPatch())
            with open_store(location) as store:
                erase_due(store)
        finally:
            os._exit(70)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_kill_leaves_a_request_and_its_rows_or_the_receipt(location: str, clock: Clock, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
        ask(store)
    clock.now = DECEMBER
    steps = [(Transaction, "delete_aliases"), (erasing, "_receipt"), (Transaction, "record"), (Transaction, "_counted")]
    for place, name in steps:
        kill_at(location, lambda patch, place=place, name=name: patch.setattr(place, name, die))  # type: ignore[misc]
        with open_store(location) as store:
            assert (count(store, "buyers"), waiting(store).overdue, store.head().position) == (1, 1, 1), name
    kill_at(location, lambda patch: patch.setattr(erasing, "scrubbed", die))
    with open_store(location) as store:
        assert (count(store, "buyers"), waiting(store).kept, store.head().position) == (0, 0, 2)
        assert erase_due(store).erased == ()
        assert verify(store).problems == []


def execute(location: str, script: str) -> None:
    """Run statements as who owns the tables can."""
    if is_postgres(location):
        with psycopg.connect(location, options="-c search_path=levelbook", autocommit=True) as owner:
            owner.execute(script.encode())
        return
    raw = sqlite3.connect(location)
    raw.executescript(script)
    raw.close()


def test_a_request_that_the_database_swallows_is_told(location: str, clock: Clock, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
    quiet, drop = "CREATE TRIGGER quiet BEFORE {} ON erasures_due BEGIN SELECT RAISE(IGNORE); END", "DROP TRIGGER quiet"
    if is_postgres(location):
        quiet = "CREATE TRIGGER quiet BEFORE {} ON erasures_due FOR EACH ROW EXECUTE FUNCTION quiet()"
        drop += " ON erasures_due"
        null = "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
        execute(location, null)
    execute(location, quiet.format("INSERT"))
    with open_store(location) as store:
        with pytest.raises(StoreError, match="a request to erase a buyer is not there, or another one"):
            ask(store)
        assert any("trigger quiet of erasures_due" in problem for problem in verify(store).problems)
        execute(location, drop)
        ask(store)
        execute(location, quiet.format("DELETE"))
        with pytest.raises(StoreError, match="a request to erase a buyer that was deleted is still there"):
            erase_now(store, "b-1", "request", in_month=True)
        assert (count(store, "buyers"), store.head().position) == (1, 1)


def test_a_request_for_nobody_is_found(store: Store, clock: Clock, location: str, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    put_in = "INSERT INTO erasures_due (key, due_at, asked_at, reason) VALUES (?, ?, ?, ?)"
    change(location, [(put_in, (b"k" * 32, DECEMBER, IN_NOVEMBER, "none"))])
    (problem,) = verify(store).problems
    asked_at = shanghai_text(IN_NOVEMBER)
    assert problem.startswith(
        f"an erasure asked for at {asked_at} is due for a buyer who has no alias: the request was"
    )
    clock.now = DECEMBER
    assert erase_due(store).erased == () and (store.head().position, waiting(store).kept) == (1, 0)


def test_a_role_that_may_not_delete_records_on_and_one_that_may_erases(
    postgres_location: str, clock: Clock, tmp_path: Path
) -> None:
    """The statements of docs/how-to/postgresql.md, word for word, those for the eraser too."""
    script = PAGE.split("```sql\n")[1].split("```")[0]
    erasing_roles = script.replace("levelbook_writer", "levelbook_eraser").replace("-- GRANT", "GRANT")
    create_store(postgres_location)
    with psycopg.connect(postgres_location, autocommit=True) as owner:
        try:
            owner.execute(script.encode())
            owner.execute(erasing_roles.encode())
            with open_store(postgres_location.replace("postgres:@", "levelbook_writer:@")) as store:
                ingest_events(store, [paid("o-1")], tmp_path)
                with pytest.raises(StoreError, match="permission denied"):
                    ask(store)
            with open_store(postgres_location.replace("postgres:@", "levelbook_eraser:@")) as store:
                ask(store)
            clock.now = DECEMBER
            with open_store(postgres_location.replace("postgres:@", "levelbook_writer:@")) as store:
                assert ingest_events(store, [paid("o-2")], tmp_path)[0].recorded == 1
                assert waiting(store).overdue == 1
                with pytest.raises(UsageError, match="1 erasures are overdue, and this role may not delete from"):
                    erase_due(store)
                assert "; 1 overdue: run 'levelbook erase-buyer --due' as a role that may delete" in run(
                    "status", "--store", store.location
                )
            with open_store(postgres_location.replace("postgres:@", "levelbook_eraser:@")) as store:
                assert len(erase_due(store).erased) == 1
                assert (count(store, "buyers"), waiting(store).kept) == (0, 0)
        finally:
            for role in ("levelbook_writer", "levelbook_eraser"):
                owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
