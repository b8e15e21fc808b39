"""The views of four ledgers are those of one, row for row; and an agency is replayed from all of them as from one."""

import json
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import update

from domain.calendar import parse_month
from projections.projector import rebuild as building_one
from projections.projector.follow import follow
from projections.projector.rebuild import Asked, rebuild
from projections.sharding import building, joining
from projections.sharding.building import AskedOfSet, rebuild_set
from projections.sharding.database import open_set_views
from projections.sharding.joining import POSITIONS
from projections.views.database import LIVE, open_views
from replay.answers.board import board_json
from replay.answers.explain import explain_json
from replay.answers.replay import replay_json
from replay.decisions.application import Ledger
from replay.decisions.decide import decide, period_of
from replay.errors import DamagedError, LevelbookError, NotExaminedError, UsageError
from replay.evidence.pointing import EvidenceAsked, pointed_at
from replay.history.browse import list_subjects
from replay.history.readers import EVERYTHING_SHOWN
from replay.history.timeline import Asked as AskedMoment
from replay.history.timeline import resolve
from replay.intake.ingest import Ingest
from replay.intake.rejects import Rejects
from replay.policies.catalog import DEFAULT
from replay.recording.placing import shard_of
from replay.replaying.base import Part
from replay.schemes.replaying import replay_subject
from replay.sharding import ingesting
from replay.sharding.checking import check_set
from replay.sharding.gathering import gathered
from replay.sharding.opened import LedgerSet, open_set
from replay.sharding.target import set_target
from replay.store.opening import create_store, open_store
from replay.store.sqlite import SqliteStore
from tests.conftest import SOAK
from tests.support.disks import small_disk
from tests.support.killing import killed
from tests.support.making import Silent, event, ingest_files
from tests.support.records import damage, some_of
from tests.support.sets import ingest_into_set, lines_of, made_set, without_password
from tests.support.views import tables_of
from tests.worlds import ledgers
from tests.worlds.ledgers import AGENCIES, END, SCHEMES, recorded_as_they_came, revised

ALL = 10**9
BEARS_POSITIONS = {**POSITIONS, "life": ("position", "value"), "set_aside": ("position", "at")}
"""What tells of positions, and so differs between one ledger and several."""


def without_positions(tables: dict[str, list[tuple[Any, ...]]], columns: Any) -> dict[str, list[str]]:
    """The rows of a build without what says of positions, in an order that is the same for all."""
    found = {}
    for name, rows in tables.items():
        kept = [n for n, column in enumerate(columns[name].columns) if column.name not in BEARS_POSITIONS.get(name, ())]
        found[name] = sorted(repr([row[n] for n in kept]) for row in rows)
    return found


def recorded(folder: Path, seed: int, of: int, *, adopts: bool = True) -> tuple[str, str]:
    """One random world in one ledger and in a set: learned of as it came, with the same policies."""
    events = list(recorded_as_they_came(seed))
    name = folder / "events.jsonl"
    name.write_bytes(lines_of(events))
    create_store(str(folder / "one.db"))
    location = made_set(folder, of)
    with open_store(str(folder / "one.db")) as store:
        one, _ = ingest_files(store, [str(name)], folder / "r.jsonl", backfill=True, skip_refused=True)
        refused = Rejects(folder / "set-r.jsonl")
        with set_target(location, dry_run=False) as target:
            counts = Ingest(target, refused, Silent()).backfill([str(name)], late=False, skip_refused=True)
        refused.close()
        assert counts == one and one.recorded > 300
        with open_set(location) as opened:
            for ledger in (store, *opened.stores) if adopts else ():
                for scheme in SCHEMES:
                    Ledger(ledger).adopt(revised(scheme, seed))
    return str(folder / "one.db"), location


def spread(kind: str) -> tuple[str, ...]:
    """The names of a subject of each of four shards."""
    names = [f"{kind}/{kind[0]}-{n}" for n in range(1, 99)]
    return tuple(next(name for name in names if shard_of(name, 4) == number) for number in range(4))


@pytest.fixture
def at_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ledger's clock stands where the worlds end, and these have subjects in every shard."""
    monkeypatch.setattr(SqliteStore, "now", lambda _: END)
    monkeypatch.setattr(ledgers, "MERCHANTS", spread("merchant"))
    monkeypatch.setattr(ledgers, "CREATORS", spread("creator"))


def rows_of_one(location: str) -> dict[str, list[str]]:
    with open_store(location) as store, open_views(store, make=True) as views:
        report = rebuild(views, Asked(sample=0))
        return without_positions(tables_of(views, report.build.build), views.tables(report.build.build))


def rows_of_set(opened: LedgerSet, number: int) -> dict[str, list[str]]:
    with open_set_views(opened) as views:
        return without_positions(tables_of(views.whole, number), views.whole.tables(number))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 3, *range(4, 4 * SOAK)])
@pytest.mark.parametrize("in_bulk", [False, True])
def test_views_of_four_ledgers_are_those_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_end: None, seed: int, in_bulk: bool
) -> None:
    one, location = recorded(tmp_path, seed, 4)
    expected = rows_of_one(one)
    assert sum(map(len, expected.values())) > 300
    judged = {"levels", "history", "published_then", "tier_days", "creator_months", "firefly_months", "mcn_months"}
    assert all(expected[name] for name in judged | {"mcn_parts", "leaderboards", "announced", "bindings", "life"})
    if in_bulk:
        monkeypatch.setattr(building_one, "RECORDS_BEFORE_BULK", 0)
    with open_set(location) as opened:
        report = rebuild_set(opened, AskedOfSet(sample=ALL, seed=seed))
        assert report.switched and report.proof.compared > 10
        found = rows_of_set(opened, report.build.build)
        again = rebuild_set(opened, AskedOfSet(sample=0))
        assert rows_of_set(opened, again.build.build) == found
    assert {name: rows for name, rows in found.items() if rows != expected[name]} == {}


@pytest.mark.slow
def test_positions_of_views_name_ledger_and_record(tmp_path: Path, at_end: None) -> None:
    _, location = recorded(tmp_path, 1, 4)
    with open_set(location) as opened:
        number = rebuild_set(opened, AskedOfSet(sample=0)).build.build
        with open_set_views(opened) as views, views.whole.reading() as connection:
            tables = views.whole.tables(number)
            seen = 0
            for name in ("life", "announced"):
                for row in connection.execute(tables[name].select()):
                    store = opened.stores[(row.position - 1) % 4]
                    sql = "SELECT stream FROM records WHERE position = ?"
                    assert list(store._query(sql, ((row.position - 1) // 4 + 1,))) == [(row.subject,)]
                    seen += 1
            assert seen > 10
            sql = "SELECT position FROM v1_standing"
            assert connection.exec_driver_sql(sql).scalar_one() == sum(store.head().position for store in opened.stores)


TOLD_OF_THE_LEDGER = ("position", "known_at")
"""Where a ledger stands, and when its last record came."""


def answers(store: Any, subject: str, asked: AskedMoment) -> Any:
    """What replays of an agency say, but for positions, which are a ledger's own."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items() if name not in TOLD_OF_THE_LEDGER}
        return [plain(item) for item in value] if isinstance(value, list) else value

    found = replay_subject(store, subject, resolve(store, asked))
    explained = explain_json(found, Part(), "en")
    lists = [explained.pop(name) for name in ("verdicts", "notes")]  # of one instant in the order of the ledger
    told = [sorted(json.dumps(plain(item), sort_keys=True) for item in some) for some in lists]
    return plain(replay_json(found, "en")), plain(explained), told


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_an_agency_is_replayed_across_ledgers_as_from_one(tmp_path: Path, at_end: None, seed: int) -> None:
    """At any time, by what was known at any other."""
    one, location = recorded(tmp_path, seed, 4)
    random = Random(seed)
    with open_store(one) as store, open_set(location) as opened:
        for subject in AGENCIES:
            with gathered(opened, subject) as across:
                known = sorted(random.choice(range(1, store.head().position + 1)) for _ in range(3))
                times = [None, *(_recorded_at(store, position) for position in known)]
                for known_at in times:
                    asked = AskedMoment(known_at=known_at)
                    assert answers(across, subject, asked) == answers(store, subject, asked), (subject, known_at)


def _recorded_at(store: Any, position: int) -> str:
    from domain.calendar import instant_text
    from replay.store.queries import link_at

    link = link_at(store, position)
    assert link is not None
    return instant_text(link.recorded_at)


def test_a_creator_whose_id_stands_twice_is_named(tmp_path: Path) -> None:
    location = made_set(tmp_path, 2)
    with open_set(location) as opened:
        creator = next(f"creator/{n}" for n in range(99) if opened.number_of(f"creator/{n}") == 1)
        bound = event("creator.bound", "e-1", subject="mcn/a", creator=creator.partition("/")[2])
        for number, made in enumerate((bound, event("creator.registered", "e-1", subject=creator))):
            (tmp_path / "e.jsonl").write_bytes(lines_of([made]))
            ingest_files(opened.stores[number], [str(tmp_path / "e.jsonl")], tmp_path / "r.jsonl")
        with (
            pytest.raises(LevelbookError, match=r"cannot be gathered .*' tells whether an id stands twice"),
            gathered(opened, "mcn/a"),
        ):
            pass


def test_a_temporary_folder_without_room_is_named_where_an_agency_is_gathered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever room ends, `shard check` can tell nothing of it."""
    location, done = made_set(tmp_path, 2), list[bool]()
    (tmp_path / "e.jsonl").write_bytes(lines_of([event("mcn.onboarded", "e-1", subject="mcn/a")]))
    ingest_into_set(location, [str(tmp_path / "e.jsonl")], tmp_path / "r")
    with open_set(location) as opened, small_disk(tmp_path / "small", "4k") as resize:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "small"))
        for kilobytes in range(8, 1000, 24):
            resize(f"{kilobytes}k")
            try:
                with gathered(opened, "mcn/a") as across:
                    done.append(across.head().position == 1)
            except NotExaminedError as error:
                assert "/small cannot be kept there (" in str(error)
                done.append(False)
    assert done == sorted(done) and len(set(done)) == 2


def test_a_damaged_ledger_is_named_where_an_agency_is_gathered(tmp_path: Path) -> None:
    location = made_set(tmp_path, 2)
    (tmp_path / "e.jsonl").write_bytes(lines_of([event("mcn.onboarded", "e-1", subject="mcn/a")]))
    ingest_into_set(location, [str(tmp_path / "e.jsonl")], tmp_path / "r")
    with open_set(location) as opened:
        last = opened.agencies.head().position
        with (
            damage(Path(opened.agencies.location), {last: (b'"position":', b'"Position":')}),
            pytest.raises(DamagedError, match=rf"^the record at position {last} is damaged"),
            gathered(opened, "mcn/a"),
        ):
            pass


@pytest.mark.slow
def test_an_id_of_two_creators_is_gathered_once_one_of_them_is_retracted(tmp_path: Path) -> None:
    """Not before; `shard check` asks for that retraction, and then a rebuild has to be possible again."""
    location = made_set(tmp_path, 2)
    path = tmp_path / "e.jsonl"
    with open_set(location) as opened:

        def record(*events: Any) -> None:
            for made in events:
                path.write_bytes(lines_of([made]))
                ingest_files(opened.store_of(made["subject"]), [str(path)], tmp_path / "r.jsonl")

        creators = [
            next(f"creator/{n}" for n in range(99) if opened.number_of(f"creator/{n}") == number) for number in (0, 1)
        ]
        record(
            event("mcn.onboarded", "a-1", subject="mcn/a"),
            *(
                event("creator.bound", f"b-{name}", subject="mcn/a", creator=name.partition("/")[2])
                for name in creators
            ),
            *(event("creator.registered", "e-1", subject=name) for name in creators),
        )
        with pytest.raises(LevelbookError, match="cannot be gathered"):
            rebuild_set(opened, AskedOfSet(sample=ALL))
        gone = event("event.retracted", "r-1", subject=creators[1], event="e-1", reason="a mistake")
        gone["data"]["source"] = "urn:test"
        record(gone)
        assert check_set(opened).is_sound
        with gathered(opened, "mcn/a") as across:
            assert replay_subject(across, "mcn/a", resolve(across, AskedMoment())).subject == "mcn/a"
            names = {(item["subject"], item["events"]) for item in list_subjects(across, "creator")}
            assert names == {(creators[0], 1)}
        assert rebuild_set(opened, AskedOfSet(sample=ALL)).switched
        again = event("event.retracted", "r-2", subject=creators[1], event="r-1", reason="it was none")
        again["data"]["source"] = "urn:test"
        record(again)
        assert not check_set(opened).is_sound
        with pytest.raises(LevelbookError, match="cannot be gathered"), gathered(opened, "mcn/a"):
            pass


def test_retractions_that_name_each_other_are_gathered(tmp_path: Path) -> None:
    """The later one takes out the earlier one, whose id another creator's record bears."""
    location = made_set(tmp_path, 2)
    path = tmp_path / "e.jsonl"
    with open_set(location) as opened:
        zero, one = (
            next(f"creator/{n}" for n in range(99) if opened.number_of(f"creator/{n}") == number) for number in (0, 1)
        )
        crossed = [
            event("event.retracted", name, subject=one, event=other, reason="a mistake")
            for name, other in (("r-1", "r-2"), ("r-2", "r-1"))
        ]
        for made in crossed:
            made["data"]["source"] = "urn:test"
        bound = [
            event("creator.bound", f"b-{name}", subject="mcn/a", creator=name.partition("/")[2]) for name in (zero, one)
        ]
        for made in [*bound, *crossed, event("creator.registered", "r-1", subject=zero)]:
            path.write_bytes(lines_of([made]))
            assert ingest_files(opened.store_of(made["subject"]), [str(path)], tmp_path / "r.jsonl")[0].recorded == 1
        with gathered(opened, "mcn/a") as across:
            assert {item["subject"] for item in list_subjects(across, "creator")} == {zero}


@pytest.mark.slow
def test_an_agency_that_is_set_aside_is_so_at_a_position_of_the_set(tmp_path: Path, at_end: None) -> None:
    _, location = recorded(tmp_path, 3, 4)
    with open_set(location) as opened:
        at = some_of(opened.agencies, "mcn/a-1", ("creator.bound",))
        with damage(tmp_path / "levels-0.db", {at: (b'"creator"', b'"nobody"')}):
            number = rebuild_set(opened, AskedOfSet(sample=ALL)).build.build
            with open_set_views(opened) as views, views.whole.reading() as connection:
                aside = views.whole.tables(number)["set_aside"]
                rows = {(row.subject, row.scheme): row.position for row in connection.execute(aside.select())}
    assert rows["mcn/a-1", "mcn-level"] == (at - 1) * 4 + 1, rows


def test_a_set_that_judges_by_different_policies_is_not_built(tmp_path: Path) -> None:
    _, location = recorded(tmp_path, 1, 2, adopts=False)
    with open_set(location) as opened:
        Ledger(opened.stores[1]).adopt(revised("merchant-tier", 1))
        with pytest.raises(UsageError, match="have adopted different policies"):
            rebuild_set(opened, AskedOfSet(sample=0))
        Ledger(opened.stores[0]).adopt(revised("merchant-tier", 1))
        assert rebuild_set(opened, AskedOfSet(sample=0)).switched


@pytest.mark.slow
@pytest.mark.parametrize("table", ["creator_months", "mcn_months"])
def test_what_replays_do_not_give_is_never_switched_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_end: None, table: str
) -> None:
    _, location = recorded(tmp_path, 2, 2)
    kept = joining.agencies_joined if table == "mcn_months" else joining.take_back_bindings

    def wrong(connection: Any, tables: Any, *rest: Any) -> None:
        connection.execute(update(tables[table]).values(level="none"))
        kept(connection, tables, *rest)

    monkeypatch.setattr(building, kept.__name__, wrong)
    with open_set(location) as opened:
        with pytest.raises(LevelbookError, match="the new views are not what independent replays give"):
            rebuild_set(opened, AskedOfSet(sample=ALL))
        with open_set_views(opened) as views, views.whole.reading() as connection:
            assert views.whole.in_role(connection, LIVE) is None


@pytest.mark.slow
def test_a_rebuild_that_is_killed_goes_on(tmp_path: Path, at_end: None) -> None:
    one, location = recorded(tmp_path, 3, 4)
    expected, kills = rows_of_one(one), 0

    def work() -> None:
        with open_set(location) as opened:
            rebuild_set(opened, AskedOfSet(sample=1))

    for after in (0.1, 0.3, 0.5, 0.7, 1.0):
        kills += killed(work, after)
    with open_set(location) as opened:
        report = rebuild_set(opened, AskedOfSet(sample=1))
        assert rows_of_set(opened, report.build.build) == expected
        with open_set_views(opened) as views, views.whole.reading() as connection:
            assert {build.role for build in views.whole.builds(connection)} <= {"live", "former"}
    assert kills > 1


@pytest.mark.slow
def test_a_dry_run_leaves_nothing(tmp_path: Path, at_end: None) -> None:
    _, location = recorded(tmp_path, 2, 2)
    with open_set(location) as opened:
        before = [store.head() for store in opened.stores]
        assert not rebuild_set(opened, AskedOfSet(dry_run=True)).switched
        assert [store.head() for store in opened.stores] == before
        with open_set_views(opened) as views, views.whole.reading() as connection:
            assert views.whole.builds(connection) == []


@pytest.mark.slow
def test_commands_answer_of_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.running import run

    one, location = recorded(tmp_path, 4, 4)
    monkeypatch.chdir(tmp_path)
    for subject in ("merchant/m-1", "creator/c-2", "mcn/a-1"):
        for asked in ("replay", "history"):
            words = (asked, subject, "--as-of", "2023-06-30", "--format", "json")
            told, expected = (json.loads(run(*words, "--store", store)) for store in (location, one))
            keys = ("state", "level", "score", "months") if asked == "replay" else ()
            assert [told[key] for key in keys if key in told] == [expected[key] for key in keys if key in expected]
    told = json.loads(run("rebuild", "--store", location, "--sample", "1", "--seed", "1", "--format", "json"))
    assert told["switched"] and told["proof"]["compared"] > 0 and len(told["heads"]) == 4
    for more in (["merchant-tier"], ["--engine", "spark"]):
        assert "of a set all views are built, by this process" in run("rebuild", *more, "--store", location, status=2)
    assert "--segments names those of one ledger" in run(
        "replay", "mcn/a-1", "--store", location, "--segments", "x", status=2
    )


@pytest.mark.slow
def test_a_shard_by_itself_does_not_judge_what_rests_on_others(tmp_path: Path) -> None:
    """An agency would have the level that the creators of its shard alone give it."""
    _, location = recorded(tmp_path, 1, 4)
    with open_set(location) as opened:
        home, other = opened.stores[0], opened.stores[3]
        told = "is shard 0 of a set of 4, and mcn-level judges by subjects of all shards"
        with pytest.raises(UsageError, match=told):
            replay_subject(home, "mcn/a-1", resolve(home, AskedMoment()))
        with pytest.raises(UsageError, match=told):
            pointed_at(home, "mcn/a-1", 1, EvidenceAsked(decision=1))
        with pytest.raises(UsageError, match=told):
            board_json(home, "comprehensive", parse_month("2023-05"), (None, None), DEFAULT, EVERYTHING_SHOWN)
        with pytest.raises(UsageError, match=told):
            decide(home, "mcn-level", period_of(home, "mcn-level", parse_month("2023-05"), None))
        for work in (lambda views: rebuild(views, Asked(sample=0)), lambda views: follow(views, stay=False)):
            with (
                open_views(home, make=True) as views,
                pytest.raises(
                    UsageError, match="which takes the subjects of mcn-level; their levels rest on all shards"
                ),
            ):
                work(views)
        with open_views(other, make=True) as views:
            assert rebuild(views, Asked(sample=ALL)).switched
        assert decide(other, "creator-level", period_of(other, "creator-level", parse_month("2023-05"), None)).decided


@pytest.mark.slow
def test_a_shard_on_another_database_is_recorded_into_and_read_as_any(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded by processes, with ids looked up across; the proof holds every subject against replays."""
    monkeypatch.setattr(ledgers, "CREATORS", spread("creator"))
    monkeypatch.setattr(ingesting, "_is_long", lambda _: True)
    path = made_set(tmp_path, 2, ["home.db", without_password(location, monkeypatch)])
    creators = [name for name in ledgers.CREATORS if shard_of(name, 2) == 1]
    again = event("creator.registered", "e-1", subject=creators[0])
    events = [*ledgers.World(5).events(300), again | {"subject": "mcn/a-1", "type": "mcn.onboarded"}, again]
    (tmp_path / "e.jsonl").write_bytes(lines_of(events))
    counts, watch = ingest_into_set(path, [str(tmp_path / "e.jsonl")], tmp_path / "r.jsonl")
    assert counts.recorded + counts.known == 300 and counts.refused == 2
    assert all("with other content" in why.message for _, why in watch.refusals)
    with open_set(path) as opened:
        assert check_set(opened).is_sound
        report = rebuild_set(opened, AskedOfSet(sample=ALL))
        assert report.switched and report.proof.compared > 15 and report.proof.rows > 200
        with gathered(opened, "mcn/a-1") as across:
            assert any(name in creators for name in (item["subject"] for item in list_subjects(across, "creator")))
        for store, name in zip(opened.stores, ("mcn/a-9", creators[0]), strict=True):
            kind = "mcn.onboarded" if name == "mcn/a-9" else "creator.registered"
            (tmp_path / "e.jsonl").write_bytes(lines_of([event(kind, "twice", subject=name)]))
            ingest_files(store, [str(tmp_path / "e.jsonl")], tmp_path / "r.jsonl")
        assert [item.subjects for item in check_set(opened).twice] == [("mcn/a-9", creators[0])]
