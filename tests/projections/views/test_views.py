"""The laws of views: however a ledger grows and time passes, views hold what replays give, row for row."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text, update

from cli import main
from domain.buckets import BUCKETS
from domain.limits import DAY_MICROS, HOUR_MICROS
from projections.projector import bulk as bulk_reader
from projections.projector import rebuild as building
from projections.projector.advance import advance, retry
from projections.projector.compare import DEFECT
from projections.projector.fill import fill
from projections.projector.follow import follow
from projections.projector.prove import prove
from projections.projector.rebuild import Asked, abort, rebuild, switch_back
from projections.schemes.creator_firefly import from_stored as firefly_from_stored
from projections.schemes.merchant_reputation import running as reputation_running
from projections.schemes.merchant_tier import view as tier_view
from projections.views import database as viewing
from projections.views.database import BUILDING, FORMER, LIVE, Views, open_views
from projections.views.readahead import Windows
from projections.views.tables import control_tables
from replay.columnar import ledger_columns, segments
from replay.columnar import seal as sealing
from replay.columnar.seal import seal
from replay.decisions.application import Ledger
from replay.decisions.decide import decide, period_of
from replay.errors import LevelbookError, NotExaminedError, StoreError, UsageError
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.making import event, ingest_events, paid
from tests.support.records import CUT, damage, some_of
from tests.support.views import ALL, assert_same_rows, empty_live, filled, grown, proof_of, tables_of
from tests.worlds.ledgers import BEGIN, SCHEMES, World, revised

SEEDS = range(4 * SOAK)


@pytest.fixture
def views(store: Store) -> Iterator[Views]:
    with open_views(store, make=True) as opened:
        yield opened


# --- the laws ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_views_hold_what_replays_give_however_the_ledger_grows(seed: int, tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        empty_live(views)
        for scheme in SCHEMES if seed % 2 else ():
            Ledger(store).adopt(revised(scheme, seed))
        rows = 0
        for _ in grown(views, tmp_path, seed, 240):
            found = proof_of(views)
            assert found.problems == []
            rows += found.rows
        assert rows > 400


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_views_hold_what_replays_give_when_events_come_as_they_occur(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs go on from step to step and figures are added to the open day, and a build from nothing is the same."""
    went_on: Counter[str] = Counter()
    ways = (
        (reputation_running, "go_on_with"),
        (tier_view, "add_to_open_day"),
        (firefly_from_stored, "go_on_from_stored"),
    )
    for module, name in ways:
        monkeypatch.setattr(module, name, counting(getattr(module, name), went_on))
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        random, world, windows, now = Random(seed), World(seed), Windows(), BEGIN
        for scheme in SCHEMES if seed % 2 else ():
            Ledger(store).adopt(revised(scheme, seed))
        empty_live(views)
        for step in range(150):
            world.now = now
            ingest_events(store, world.events(random.randrange(1, 5)), tmp_path)
            advance(views, 1, now, windows=windows)
            half_days = random.choice((0, 0, 0, 0, 1, 2)) if step % 20 else 30
            now += random.choice((0, 1, 1_000_000, HOUR_MICROS)) + half_days * DAY_MICROS // 2
            if step % 30 == 29:
                assert proof_of(views).problems == []
        report = rebuild(views, Asked(sample=ALL))
        with views.reading() as connection:
            made = views.live(connection)
        advance(views, 1, made.as_of, windows=windows)
        expected, found = tables_of(views, made.build), tables_of(views, 1)
        assert report.switched
        for name, rows in expected.items():
            assert found[name] == rows, name
    assert went_on["go_on_with"] > 20 and went_on["add_to_open_day"] > 0
    assert went_on["go_on_from_stored"] > 3


def counting(real: Callable[..., Any], went_on: Counter[str]) -> Callable[..., Any]:
    """The same function; how often it found a way is counted under its name."""

    def counted(*args: Any) -> Any:
        found = real(*args)
        went_on[real.__name__] += found is not None and found != []
        return found

    return counted


@pytest.mark.slow
def test_the_same_on_both_databases_and_rebuilt_from_nothing(views: Views, tmp_path: Path) -> None:
    """Advanced by any batches == rebuilt: every row of every table, also of those that no service reads."""
    empty_live(views)
    for _ in grown(views, tmp_path, 77, 300):
        pass
    assert proof_of(views).problems == []
    report = rebuild(views, Asked(sample=ALL))
    assert report.differences == [] and report.switched
    with views.reading() as connection:
        live, former = views.live(connection), views.in_role(connection, FORMER)
    assert former is not None
    advance(views, former.build, live.as_of)
    assert tables_of(views, live.build) == tables_of(views, former.build)


@pytest.mark.slow
def test_a_policy_adopted_meanwhile_judges_every_subject(views: Views, tmp_path: Path) -> None:
    empty_live(views)
    for number, now in enumerate(grown(views, tmp_path, 5, 260)):
        if number % 4 == 3:
            Ledger(views.store).adopt(revised(SCHEMES[number // 4 % 4], number))
            assert advance(views, 1, now).events == 1
            assert proof_of(views).problems == []


def test_decisions_and_boards_are_shown(views: Views, tmp_path: Path) -> None:
    create = [
        event("mcn.onboarded", "on", "2023-01-05T00:00:00+08:00", subject="mcn/a"),
        event("creator.bound", "bind", "2023-01-06T00:00:00+08:00", subject="mcn/a", creator="c"),
        event("creator.scored", "s", "2023-03-06T00:00:00+08:00", subject="creator/c", score="reputation", value="4.9"),
        event("merchant.onboarded", "m", "2022-11-01T00:00:00+08:00", category="fresh"),
    ]
    ingest_events(views.store, create, tmp_path)
    month = 2022 * 12 + 10
    decide(views.store, "merchant-reputation", period_of(views.store, "merchant-reputation", month, None))
    report = rebuild(views, Asked())
    assert report.compared_with is None
    with views.reading() as connection:
        decided = connection.execute(text(f"SELECT subject, period, state FROM {_named(views, 'v1_decisions')}")).all()
        boards = connection.execute(
            text(f"SELECT board, rank, subject FROM {_named(views, 'v1_leaderboards')} WHERE month = '2023-03'")
        ).all()
    assert [tuple(row) for row in decided] == [("merchant/m-1", "2022-11", "unrated")]
    assert [tuple(row) for row in sorted(boards)] == [("comprehensive", 1, "mcn/a"), ("growth", 1, "mcn/a")]


def _named(views: Views, name: str) -> str:
    return name if views.schema is None else f"{views.schema}.{name}"


# --- rebuilding, switching, comparing ---------------------------------------------------------------------------------


@pytest.fixture
def grown_views(views: Views, tmp_path: Path) -> Views:
    """Views of a small random ledger, live at its head."""
    folder = tmp_path / "world"
    folder.mkdir()
    ingest_events(views.store, World(3).events(150), folder)
    rebuild(views, Asked())
    return views


def in_roles(views: Views) -> dict[str, int]:
    with views.reading() as connection:
        return {build.role: build.build for build in views.builds(connection)}


def changed_by_hand(views: Views, table: str, **values: Any) -> Any:
    """Change a live row as somebody with a database shell could: its subject."""
    with views.moving() as connection:
        found = views.tables(views.live(connection).build)[table]
        row = connection.execute(select(found).order_by(*found.primary_key).limit(1)).one()
        where = [column == row._mapping[column.name] for column in found.primary_key]
        connection.execute(update(found).where(*where).values(**values))
        return row.subject


@pytest.mark.slow
def test_a_dry_run_proves_and_does_not_switch(grown_views: Views) -> None:
    report = rebuild(grown_views, Asked(dry_run=True))
    assert not report.switched and report.proof.compared > 5
    assert in_roles(grown_views) == {LIVE: 1, BUILDING: 2}
    assert rebuild(grown_views, Asked()).resumed
    assert in_roles(grown_views) == {FORMER: 1, LIVE: 2}
    assert switch_back(grown_views).build == 1
    assert in_roles(grown_views) == {LIVE: 1, FORMER: 2}
    rebuild(grown_views, Asked(dry_run=True))
    removed = abort(grown_views)
    assert removed is not None and removed.build == 3
    assert abort(grown_views) is None
    told = run(grown_views, "rebuild", "--back", "--abort", status=2)
    assert "--dry-run, --back, --abort, --policies, --drop and --into each say what to do; give one of them" in told


@pytest.mark.slow
def test_a_level_that_differs_is_reported_with_its_reason(grown_views: Views) -> None:
    subject = changed_by_hand(grown_views, "levels", level="gold-5", score=7)
    (found,) = rebuild(grown_views, Asked()).differences
    assert (found.subject, found.reason, found.before and found.before["level"]) == (subject, DEFECT, "gold-5")
    assert found.after is not None and found.after["level"] != "gold-5"


@pytest.mark.slow
def test_a_build_that_is_not_what_replays_give_is_never_switched(
    grown_views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    from projections.schemes.merchant_reputation import rows as reputation_rows
    from projections.schemes.merchant_reputation import view as reputation_view

    real = reputation_rows.level_row
    monkeypatch.setattr(reputation_view, "level_row", lambda *args: real(*args) | {"score": 1})
    with pytest.raises(LevelbookError, match="score is 1, not ") as caught:
        rebuild(grown_views, Asked())
    assert "the new views are not what independent replays give, the live ones stay (sample " in str(caught.value)
    assert in_roles(grown_views)[LIVE] == 1
    monkeypatch.undo()
    abort(grown_views)
    assert rebuild(grown_views, Asked()).switched


@pytest.mark.slow
def test_some_views_are_rebuilt_and_the_others_taken_over(grown_views: Views) -> None:
    changed_by_hand(grown_views, "mcn_months", total=999)
    report = rebuild(grown_views, Asked(schemes=("mcn-level",)))
    assert report.switched and proof_of(grown_views).problems == []
    assert "there is no view 'x'; known are merchant-reputation, " in run(grown_views, "rebuild", "x", status=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("levels", {"score": 12_345}),
        ("history", {"level": "gold-1"}),
        ("reputation_months", {"closing_tenths": 1}),
        ("tier_figures", {"orders": 99}),
        ("creator_figures", {"settled_sum_fen": 1}),
        ("life", {"at": 5}),
        ("bindings", {"at": 5}),
        ("calendar", {"next_at": 5_000_000_000_000_000}),
    ],
)
def test_a_row_changed_by_hand_is_named(grown_views: Views, table: str, values: dict[str, int | str]) -> None:
    if table == "bindings":
        with grown_views.moving() as connection:
            found = grown_views.tables(1)[table]
            connection.execute(update(found).values(**values))
        subject = "c-"
    else:
        subject = changed_by_hand(grown_views, table, **values)
    told = run(grown_views, "verify", status=6)
    (column,) = values
    assert f" of {table} is not what the ledger gives: {column} is {values[column]!r}, not " in told
    assert subject in told


def test_sound_views_are_found_sound_and_a_truncated_database_is_named(
    tmp_path: Path,
) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        ingest_events(store, World(3).events(60), tmp_path)
        rebuild(views, Asked())
        run(views, "verify")
    path = tmp_path / "ledger.db.views"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    done = CliRunner().invoke(main, ["verify", "--store", str(tmp_path / "ledger.db")])
    assert (
        done.exit_code == 6
        and "the ledger is sound" in done.output
        and "the views of " in done.output
        and " are damaged (" in done.output
        and "); remove them and rebuild: the ledger is whole" in done.output
    )
    path.write_bytes(b"")
    done = CliRunner().invoke(main, ["verify", "--store", str(tmp_path / "ledger.db")])
    assert done.exit_code == 6
    assert " were never made whole: " in done.output and " holds none; 'levelbook rebuild' makes them" in done.output


def run(views: Views, *words: str, status: int = 0) -> str:
    """A command on the ledger of these views."""
    done = CliRunner().invoke(main, [*words, "--store", views.store.location])
    assert done.exit_code == status, (done.output, done.exception)
    return done.output


# --- set aside --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_cannot_be_processed_is_set_aside_and_the_rest_goes_on(
    grown_views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from projections.schemes.creator_level import view as creator_view

    real = creator_view.advance

    def broken(step: Any, subject: str, *rest: Any, **others: Any) -> Any:
        if subject == "creator/c-2":
            raise ValueError("no such thing")
        return real(step, subject, *rest, **others)

    monkeypatch.setattr(creator_view, "advance", broken)
    more = [
        event("live.held", f"l-{name}", "2023-05-01T00:00:00+08:00", subject=f"creator/{name}", minutes=5)
        for name in ("c-1", "c-2")
    ]
    ingest_events(grown_views.store, more, tmp_path)
    follow(grown_views, stay=False)
    assert "it rests on creator/c-2, which is set aside itself" in run(grown_views, "status", status=1)
    head = grown_views.store.head().position
    told = f"set aside       creator/c-2 creator-level at position {head}"
    assert run(grown_views, "status", status=1).count(told) == 1
    with grown_views.reading() as connection:
        live = grown_views.live(connection)
        assert live.position == head
        rows = connection.execute(text(f"SELECT subject, stale FROM {_named(grown_views, 'v1_levels')}")).all()
    stale = {row.subject for row in rows if row.stale}
    assert "creator/c-2" in stale and "creator/c-1" not in stale
    assert stale <= {"creator/c-2", "mcn/a-1", "mcn/a-2"}
    assert run(grown_views, "retry", status=1).count("still set aside") >= 1
    monkeypatch.undo()
    found = retry(grown_views)
    assert not found.still_aside and ("creator/c-2", "creator-level") in found.taken_up
    assert proof_of(grown_views).problems == []
    run(grown_views, "verify")
    assert "Nothing is set aside." in run(grown_views, "retry")


def test_a_record_that_cannot_be_read_stops_its_subject_alone(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        ingest_events(store, [paid("o-1"), event("merchant.closed", "x", subject="merchant/m-2")], tmp_path)
        with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as raw:
            (guard,) = raw.execute("SELECT sql FROM sqlite_master WHERE name = 'records_never_updated'").fetchone()
            raw.execute("DROP TRIGGER records_never_updated")
            (whole,) = raw.execute("SELECT record FROM records WHERE position = 1").fetchone()
            raw.execute("UPDATE records SET record = ? WHERE position = 1", (whole.replace(b'"amount"', b'"amounts"'),))
        report = rebuild(views, Asked())
        assert report.switched
        told = run(views, "status", status=1)
        assert (
            "set aside       merchant/m-1 merchant-reputation at position 1: the record at position 1 is damaged"
            in told
        )
        assert "merchant/m-2 merchant" not in told
        with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as raw:
            raw.execute("UPDATE records SET record = ? WHERE position = 1", (whole,))
            raw.execute(guard)
        assert len(retry(views, ["merchant/m-1"]).taken_up) == 2
        assert proof_of(views).problems == []


# --- at once ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_of_a_kind_says_so(grown_views: Views) -> None:
    with open_store(grown_views.store.location) as store, open_views(store) as other:
        for work, command in (
            ("follow", lambda: follow(other, stay=False)),
            ("rebuild", lambda: rebuild(other, Asked())),
        ):
            with (
                grown_views.alone(work),
                pytest.raises(StoreError, match=f"another 'levelbook {work}' is at work on the views of "),
            ):
                command()
        follow(other, stay=False)


# --- in bulk ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_a_build_filled_in_bulk_holds_the_rows_of_one_filled_subject_by_subject(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """explain == advance == rebuild, compiled: with sealed segments, without, and with some records behind them."""
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        for scheme in SCHEMES if seed % 2 else ():
            Ledger(store).adopt(revised(scheme, seed))
        world = World(50 + seed)
        (tmp_path / "more").mkdir()
        ingest_events(store, world.events(500), tmp_path)
        if seed > 0:
            folder = store.segments_path()
            assert folder is not None
            seal(store, folder)
        ingest_events(store, world.events(100 if seed != 1 else 0), tmp_path / "more")
        build = filled(views, 1, LIVE)
        monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", 0)
        filled(views, 2, BUILDING, build.as_of)
        assert_same_rows(views)
        expected = tables_of(views, 1)
        assert len(expected["history"]) > 20 and len(expected["mcn_parts"]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("sealed", [500, 300, 0])
def test_small_parts_hold_the_same_rows_and_a_killed_rebuild_goes_on_behind_any_of_them(
    sealed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "ROW_GROUP_ROWS", 7)
    monkeypatch.setattr(sealing, "GENERATION_RECORDS", 200)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        world = World(60 + sealed)
        ingest_events(store, world.events(sealed or 1), tmp_path)
        folder = store.segments_path()
        assert folder is not None
        seal(store, folder)
        (tmp_path / "more").mkdir()
        ingest_events(store, world.events(501 - sealed), tmp_path / "more")
        build = filled(views, 1, LIVE)
        monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", 0)
        monkeypatch.setattr(ledger_columns, "PART_ROWS", 1)
        reader = bulk_reader.BulkReader(store, build.position, build.as_of, None)
        parts = [part for begin in ledger_columns.BEGINS for part in reader.parts(begin)]
        assert len(parts) > BUCKETS and parts[-1].following is None
        told = 0

        def killed(*_: Any) -> None:
            nonlocal told
            told += 1
            if told % 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            filled(views, 2, BUILDING, build.as_of, killed)
        for _ in range(100):
            with suppress(KeyboardInterrupt):
                fill(views, 2, killed)
                break
        assert told > 2 * len(parts), "no part was cut off"
        assert_same_rows(views)


@pytest.mark.slow
@pytest.mark.parametrize("sealed", [0, 150])
@pytest.mark.parametrize(("subject", "types", "change"), CUT.values(), ids=list(CUT))
def test_a_record_that_cannot_be_read_stops_its_subject_alone_in_bulk_too(
    subject: str,
    types: tuple[str, ...],
    change: tuple[bytes, bytes],
    sealed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        world = World(71)
        ingest_events(store, world.events(sealed or 1), tmp_path)
        folder = store.segments_path()
        if sealed and folder is not None:
            seal(store, folder)
        (tmp_path / "more").mkdir()
        ingest_events(store, world.events(501 - (sealed or 1)), tmp_path / "more")
        decide(store, "merchant-reputation", period_of(store, "merchant-reputation", 2022 * 12 + 10, None))
        position = some_of(store, subject, types, sealed)
        with damage(tmp_path / "ledger.db", {position: change}):
            build = filled(views, 1, LIVE)
            monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", 0)
            filled(views, 2, BUILDING, build.as_of)
            aside = {(row[0], row[2]) for row in tables_of(views, 1)["set_aside"]}
            assert (subject, position) in aside and len(aside) < 5, aside
            assert_same_rows(views)
            with views.reading() as connection:
                for number in (1, 2):
                    proof = prove(store, connection, views.tables(number), build, Random(0), ALL)
                    assert proof.problems == []
            # Some views alone: what is set aside of them is found again.
            with views.moving() as connection:
                views.drop_build(connection, 2)
                views.switch(connection, 1)
            for scheme in SCHEMES:
                rebuild(views, Asked(schemes=(scheme,), sample=0, dry_run=True))
                made = {row[0] for row in tables_of(views, 2)["set_aside"]}
                assert made == {row[0] for row in tables_of(views, 1)["set_aside"]}
                abort(views)


@pytest.mark.slow
def test_a_decision_and_a_sealed_record_that_cannot_be_read_stop_no_rebuild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", 0)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        ingest_events(store, World(72).events(300), tmp_path)
        decide(store, "merchant-reputation", period_of(store, "merchant-reputation", 2022 * 12 + 10, None))
        decision = some_of(store, "merchant/m-1", ("level.decided",))
        folder = store.segments_path()
        assert folder is not None
        seal(store, folder)
        payment = some_of(store, "merchant/m-2", ("order.paid",))
        changes = {decision: (b'"policy_hash"', b'"hash"'), payment: (b'"amount"', b'"amounts"')}
        with damage(tmp_path / "ledger.db", changes):
            assert rebuild(views, Asked(sample=ALL)).switched
            told = run(views, "status", status=1)
            assert f"merchant/m-1 merchant-reputation at position {decision}: the record at position {decision}" in told
            head = store.head().position
            assert f"merchant/m-2 merchant-tier at position {head}: the record at position {payment} is dam" in told
            assert told.count("set aside ") == 4
        assert len(retry(views).taken_up) == 4
        assert proof_of(views).problems == []


def test_where_sealing_is_refused_subjects_are_filled_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", 0)
    monkeypatch.setattr(ledger_columns, "TAIL_RECORDS_MAX", 10)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        ingest_events(store, World(73).events(200), tmp_path)
        payment = some_of(store, "merchant/m-2", ("order.paid",))
        with damage(tmp_path / "ledger.db", {payment: (b'"amount"', b'"amounts"')}):
            assert "cannot be sealed" in run(views, "seal", status=3).replace("can be", "cannot be")
            assert rebuild(views, Asked(sample=ALL)).switched
            assert {row[0] for row in tables_of(views, 1)["set_aside"]} == {"merchant/m-2"}
        retry(views)
        assert proof_of(views).problems == []


@pytest.mark.slow
def test_following_an_empty_ledger_waits_for_its_first_record(views: Views, tmp_path: Path) -> None:
    follow(views, stay=False)
    assert in_roles(views) == {}
    looks = iter(range(3))
    follow(views, stay=True, stopped=lambda: next(looks, None) is None)
    ingest_events(views.store, [paid("o-1")], tmp_path)
    follow(views, stay=False)
    assert in_roles(views) == {LIVE: 1} and proof_of(views).problems == []


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    ingest_events(store, World(3).events(40), tmp_path)
    for command in (["retry"], ["rebuild", "--back"], ["rebuild", "--abort"]):
        done = CliRunner().invoke(main, [*command, "--store", store.location])
        assert done.exit_code == 2 and " has no views yet; 'levelbook rebuild' makes them" in done.output
    with open_views(store, make=True) as views:
        with pytest.raises(UsageError, match=" has no views yet; 'levelbook rebuild' makes them"):
            retry(views)
        rebuild(views, Asked(sample=0))
        with pytest.raises(UsageError, match=" have no former build to go back to"):
            switch_back(views)
        rebuild(views, Asked(dry_run=True, sample=0))
        with pytest.raises(
            UsageError, match="a rebuild of other views is under way; finish it by the same command, or "
        ):
            rebuild(views, Asked(schemes=("mcn-level",)))


@pytest.mark.slow
def test_views_of_another_ledger_or_form_are_refused(grown_views: Views) -> None:
    about = control_tables(grown_views.schema).about
    for values, told in (
        ({"format": 99}, ", this levelbook moves form "),
        ({"ledger": "other"}, " are of another ledger; remove the "),
    ):
        with grown_views.moving() as connection:
            connection.execute(update(about).values(**values))
        with pytest.raises(UsageError, match=told):
            open_views(grown_views.store)


@pytest.mark.slow
def test_a_build_that_another_process_has_removed_is_named(grown_views: Views) -> None:
    with pytest.raises(StoreError, match=r"build 99 of the views of .* is gone: a rebuild has removed it; try again"):
        advance(grown_views, 99)


@pytest.mark.slow
def test_a_ledger_that_moves_on_too_fast_stops_nothing_but_the_rebuild(
    grown_views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "TRIES", 0)
    with pytest.raises(StoreError, match="the ledger moves on faster than two builds can be brought to one moment"):
        rebuild(grown_views, Asked(sample=0))
    monkeypatch.setattr(building, "_compare", lambda *_: (None, []))
    with pytest.raises(StoreError, match="the live views move on faster than the new ones; rebuild again: it resumes"):
        rebuild(grown_views, Asked(sample=0))
    monkeypatch.undo()
    assert rebuild(grown_views, Asked(sample=0)).resumed


@pytest.mark.slow
def test_views_that_are_held_too_long_are_named(grown_views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewing, "BUSY_SECONDS", 1)
    held = pytest.raises(StoreError, match=" were held by another process for 1 s; try again")
    with open_store(grown_views.store.location) as store, open_views(store) as other, grown_views.moving(), held:
        advance(other, 1)


@pytest.mark.slow
def test_a_long_unsealed_ledger_needs_a_folder_for_segments(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_columns, "TAIL_RECORDS_MAX", 10)
    monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", 0)
    create_store(postgres_location)
    with open_store(postgres_location) as store, open_views(store, make=True) as views:
        ingest_events(store, World(3).events(40), tmp_path)
        with pytest.raises(UsageError, match=" records and no sealed segments; make them by 'levelbook seal --into"):
            rebuild(views, Asked(sample=0))
        with pytest.raises(NotExaminedError, match=r"/segments, which is named for sealed segments .* is not there"):
            rebuild(views, Asked(sample=0, segments=tmp_path / "segments"))
        (tmp_path / "segments").mkdir()
        assert rebuild(views, Asked(sample=10, segments=tmp_path / "segments")).resumed
        assert proof_of(views).problems == []
