"""A shadow holds what replays with its candidate give, and the live views are as if there were none."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from domain.calendar import day_of, day_start, day_text
from domain.policy import Policy
from projections.candidates import shadow as shadows
from projections.candidates.building import AskedBeside, build_beside, drop_beside
from projections.candidates.shadow import Keeper, start, stop
from projections.projector import advance as advancing
from projections.projector.advance import advance
from projections.projector.check import check_views
from projections.projector.follow import follow
from projections.projector.prove import prove
from projections.projector.rebuild import Asked, rebuild
from projections.views.candidates import CandidateBuild, candidates, counted, hash_of, shadow
from projections.views.database import SHADOW, Build, Views, open_views
from projections.views.definitions import views_differ
from replay.decisions.application import Ledger
from replay.errors import NotExaminedError, UsageError
from replay.history.browse import list_subjects
from replay.history.timeline import Moment
from replay.policies.catalog import Choice, adopted_policies
from replay.schemes.registry import SCHEMES as ALL_SCHEMES
from replay.schemes.registry import choose_where_given
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import by_turns
from tests.support.making import ingest_events
from tests.support.views import ALL, empty_live, grown, tables_of
from tests.worlds.ledgers import BEGIN, END, SCHEMES, World, revised

HOUR = 3_600_000_000


def live_of(views: Views) -> Build:
    with views.reading() as connection:
        return views.live(connection)


def kept(views: Views) -> CandidateBuild:
    with views.reading() as connection:
        found = shadow(views, connection)
    assert found is not None
    return found


def problems(views: Views, number: int, policies: tuple[Policy, ...]) -> list[str]:
    """What is wrong with a build by candidates, held against replays of every subject and the laws over all rows."""
    with views.reading() as connection:
        build = views.build(connection, number)
        found = prove(
            views.store,
            connection,
            views.tables(number),
            build,
            Random(0),
            ALL,
            choice=Choice(given=policies),
        )
        assert found.compared > 0
        return found.problems


def replayed_levels(store: Store, build: Build, policies: tuple[Policy, ...]) -> dict[tuple[str, str], Any]:
    """State and level of every subject in each scheme by replays: by candidates, or by the ledger's policies."""
    moment, found = Moment(build.as_of, 0, build.position), {}
    for code, scheme in ALL_SCHEMES.items():
        chosen = choose_where_given(store, scheme.replay, moment, Choice(given=policies))
        for item in list_subjects(store, scheme.kind):
            known = scheme.replay.load(store, item["subject"], moment.position)
            if any(event.originator_id == item["subject"] for event in known):
                standing = scheme.replay(item["subject"], known, moment, chosen).standing()
                found[item["subject"], code] = (standing.state, standing.level)
    return found


def shown(views: Views, name: str) -> list[dict[str, Any]]:
    prefix = "" if views.schema is None else f"{views.schema}."
    with views.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(text(f"SELECT * FROM {prefix}{name}"))]


@pytest.fixture
def world() -> World:
    return World(5)


@pytest.fixture
def views(store: Store, world: World, tmp_path: Path) -> Iterator[Views]:
    """Live views of a small random ledger."""
    ingest_events(store, world.events(220), tmp_path)
    with open_views(store, make=True) as opened:
        rebuild(opened, Asked(sample=0))
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns([1, 2, 3, 4, 5]), indirect=["location"])
def test_shadow_and_live_after_random_steps(store: Store, tmp_path: Path, seed: int) -> None:
    """Also across adoptions: what the candidate is not about follows the ledger."""
    scheme = ALL_SCHEMES[SCHEMES[seed % len(SCHEMES)]].code
    candidate = revised(scheme, 3 + seed)
    alone_path = tmp_path / "alone.db"
    create_store(str(alone_path))
    with ExitStack() as stack:
        alone_store = stack.enter_context(open_store(str(alone_path)))
        views, alone = (stack.enter_context(open_views(one, make=True)) for one in (store, alone_store))
        for one in (views, alone):
            empty_live(one)
        (one_place := tmp_path / "one").mkdir()
        (other_place := tmp_path / "other").mkdir()
        keeper, steps = Keeper(views), 0
        for now, _ in zip(grown(views, one_place, seed, 150), grown(alone, other_place, seed, 150), strict=True):
            if steps == 2:
                start(views, candidate)
            if steps == 5:
                for ledger in (views.store, alone.store):
                    Ledger(ledger).adopt(revised(SCHEMES[(seed + 1) % len(SCHEMES)], seed))
            steps += 1
            keeper.keep(live_of(views))
            if steps > 2:
                found = kept(views)
                assert found.build[2:4] == live_of(views)[2:4] and found.build.as_of == now
                assert found.problem is None
        assert steps > 5
        number = kept(views).build.build
        assert problems(views, number, (candidate,)) == []
        assert tables_of(views, 1) == tables_of(alone, 1), "live views are as they are without a shadow"
        assert check_views(views).problems == []
        live, other = (replayed_levels(store, live_of(views), some) for some in ((), (candidate,)))
        rows = {(row["subject"], row["scheme"]): row for row in shown(views, "v1_shadow_levels")}
        assert rows.keys() == live.keys()
        for unit, row in rows.items():
            assert (row["state"], row["level"]) == live[unit]
            assert (row["shadow_state"], row["shadow_level"]) == other[unit]
            assert bool(row["differs"]) == (live[unit] != other[unit])
            assert row["policy_hash"] == candidate.hash and row["position"] == store.head().position


def test_a_candidate_that_is_not_about_a_scheme_leaves_it_alone(views: Views) -> None:
    start(views, revised("merchant-tier", 3))
    rows = [row for row in shown(views, "v1_shadow_levels") if row["scheme"] != "merchant-tier"]
    assert rows and not any(row["differs"] for row in rows)


def test_agencies_rest_on_the_creators_of_the_candidate(views: Views) -> None:
    candidate = revised("creator-level", 2)
    start(views, candidate)
    assert problems(views, kept(views).build.build, (candidate,)) == []


def test_drift_is_noted_once_a_day_and_is_what_replays_differ_by(store: Store, tmp_path: Path) -> None:
    candidate = revised("creator-firefly", 6)
    ingest_events(store, World(8).events(500), tmp_path)
    with open_views(store, make=True) as views:
        empty_live(views)
        while advance(views, 1, BEGIN).build.position < store.head().position:
            pass
        start(views, candidate)
        keeper = Keeper(views)
        begin = day_start(day_of(END) - 10)
        for hours in (1, 5, 30, 31, 60):
            advance(views, 1, begin + hours * HOUR)
            keeper.keep(live_of(views))
        rows = shown(views, "v1_shadow_drift")
        days = [day_text(day_of(BEGIN)), *(day_text(day_of(begin) + number) for number in (0, 1, 2))]
        assert sorted({row["day"] for row in rows}) == days
        seen_first = {day_text(day_of(begin) + number): begin + hours * HOUR for number, hours in ((0, 1), (1, 30))}
        for day, as_of in seen_first.items():
            of_day = [row for row in rows if row["day"] == day]
            assert {row["as_of"] for row in of_day} == {as_of}
            build = live_of(views)._replace(as_of=as_of)
            live, other = (replayed_levels(store, build, some) for some in ((), (candidate,)))
            differ = Counter(scheme for (subject, scheme), level in live.items() if other[subject, scheme] != level)
            assert {row["scheme"]: row["differ"] for row in of_day} == {
                row["scheme"]: differ[row["scheme"]] for row in of_day
            }
            levels = Counter(scheme for _, scheme in live)
            assert {row["scheme"]: row["levels"] for row in of_day} == levels
        assert any(row["differ"] for row in rows), "the candidate must move somebody"


def test_while_a_shadow_is_behind_nothing_is_said_to_differ(views: Views) -> None:
    start(views, revised("merchant-reputation", 6))
    live = live_of(views)
    advance(views, live.build, live.as_of + HOUR)
    assert {row["differs"] for row in shown(views, "v1_shadow_levels")} == {None}
    Keeper(views).keep(live_of(views))
    assert None not in {row["differs"] for row in shown(views, "v1_shadow_levels")}


def test_following_keeps_the_shadow_and_one_that_cannot_move_stops_nothing(
    views: Views, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = revised("merchant-reputation", 4)
    number = start(views, candidate).candidate.build.build
    (more := tmp_path / "more").mkdir()
    ingest_events(views.store, world.events(30), more)
    keeper = Keeper(views)
    follow(views, stay=False, beside=keeper.keep)
    assert kept(views).build.position == live_of(views).position == views.store.head().position

    real = advancing.advance

    def failing(found: Views, build: int, *rest: Any, **named: Any) -> Any:
        if build == number:
            raise ZeroDivisionError("nobody foresaw this")
        return real(found, build, *rest, **named)

    told: list[shadows.ShadowStopped] = []
    with monkeypatch.context() as patched:
        patched.setattr(advancing, "advance", failing)
        (again := tmp_path / "again").mkdir()
        ingest_events(views.store, world.events(30), again)
        follow(views, stay=False, beside=Keeper(views, told.append).keep)
    assert [item.problem for item in told] == ["ZeroDivisionError: nobody foresaw this"]
    assert kept(views).problem == "ZeroDivisionError: nobody foresaw this"
    assert live_of(views).position == views.store.head().position > kept(views).build.position
    follow(views, stay=False, beside=keeper.keep)
    assert kept(views).build.position < live_of(views).position, "what is set aside is left alone"
    assert start(views, candidate).resumed
    assert kept(views).problem is None and kept(views).build[2:4] == live_of(views)[2:4]
    assert problems(views, number, (candidate,)) == []


def test_what_the_database_cannot_do_just_now_is_tried_again(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    start(views, revised("merchant-reputation", 4))
    live = live_of(views)
    advance(views, live.build, live.as_of + HOUR)

    def busy(*_: object) -> Build:
        raise NotExaminedError("held by another process")

    keeper = Keeper(views)
    with monkeypatch.context() as patched:
        patched.setattr(shadows, "bring_to", busy)
        keeper.keep(live_of(views))
    assert kept(views).problem is None
    keeper.keep(live_of(views))
    assert kept(views).build[2:4] == live_of(views)[2:4]


def test_a_shadow_of_another_history_is_set_aside(views: Views) -> None:
    number = start(views, revised("merchant-reputation", 4)).candidate.build.build
    with views.moving() as connection:
        views.note(connection, number, position=10**9)
    told: list[shadows.ShadowStopped] = []
    Keeper(views, told.append).keep(live_of(views))
    assert told[0].problem.startswith("OtherHistory: ") and kept(views).problem == told[0].problem


def test_a_switch_of_the_live_build_goes_on_showing_the_shadow(views: Views) -> None:
    candidate = revised("merchant-reputation", 6)
    start(views, candidate)
    before = shown(views, "v1_shadow_levels")
    rebuild(views, Asked(sample=0))
    Keeper(views).keep(live_of(views))
    after = shown(views, "v1_shadow_levels")
    assert [row["shadow_level"] for row in after] and len(after) == len(before)
    with views.reading() as connection:
        assert views_differ(views, connection) == []
    assert problems(views, kept(views).build.build, (candidate,)) == []


def test_one_shadow_at_a_time_and_stopping_leaves_nothing(views: Views) -> None:
    candidate, other = revised("merchant-reputation", 4), revised("merchant-reputation", 5)
    assert stop(views) is None and shown(views, "v1_shadow_levels") == []
    started = start(views, candidate)
    assert not started.resumed and start(views, candidate).resumed
    with pytest.raises(UsageError, match=r"a shadow by .* is kept; 'levelbook policy shadow stop' removes it"):
        start(views, other)
    with pytest.raises(UsageError, match="is kept as a shadow; 'levelbook policy shadow stop' removes it"):
        drop_beside(views, candidate.hash)
    with pytest.raises(UsageError, match="a build by these policies is kept as a shadow already"):
        build_beside(views, AskedBeside((candidate,)))
    stopped = stop(views)
    assert stopped is not None and stopped.hash == candidate.hash
    assert shown(views, "v1_shadow_levels") == shown(views, "v1_shadow_drift") == []
    with views.reading() as connection:
        assert views_differ(views, connection) == []
        assert views.in_role(connection, SHADOW) is None and candidates(views, connection) == []


def test_without_views_there_is_no_shadow(store: Store, tmp_path: Path) -> None:
    ingest_events(store, World(5).events(20), tmp_path)
    with open_views(store, make=True) as empty, pytest.raises(UsageError, match="has no views yet"):
        start(empty, revised("merchant-reputation", 4))


# --- builds that stand beside the live one ----------------------------------------------------------------------------


def test_a_build_beside_the_live_views_adopts_nothing_and_switches_nothing(views: Views) -> None:
    policies = (revised("creator-firefly", 1), revised("creator-level", 1))
    head, live, rows = views.store.head(), live_of(views), tables_of(views, 1)
    built = build_beside(views, AskedBeside(policies, sample=ALL, seed=0))
    assert built.candidate.hash == hash_of(policies) == hash_of(policies[::-1]) and not built.resumed
    assert views.store.head() == head and live_of(views) == live and tables_of(views, 1) == rows
    assert problems(views, built.candidate.build.build, policies) == []
    hashes = {policy.hash for policy in policies}
    assert not any(item.policy.hash in hashes for scheme in SCHEMES for item in adopted_policies(views.store, scheme))
    noted = json.loads(built.candidate.build.policies)
    assert noted["creator-firefly"] == [[policies[0].id, policies[0].hash]]
    assert noted["merchant-tier"] == json.loads(live.policies)["merchant-tier"]
    live_levels, other = (replayed_levels(views.store, live, some) for some in ((), policies))
    differ = Counter(scheme for (subject, scheme), level in live_levels.items() if other[subject, scheme] != level)
    assert {item.scheme: item.differ for item in built.counted} == {
        item.scheme: differ[item.scheme] for item in built.counted
    }
    assert sum(differ.values()) > 0
    assert check_views(views).problems == []
    again = build_beside(views, AskedBeside(policies, sample=1, seed=0))
    assert again.resumed and again.candidate.build.build == built.candidate.build.build
    with pytest.raises(UsageError, match="there is no build by candidate policies 'ffff'; known are "):
        drop_beside(views, "ffff")
    drop_beside(views, built.candidate.hash[:8])
    with views.reading() as connection:
        assert candidates(views, connection) == [] and views_differ(views, connection) == []
    assert tables_of(views, 1) == rows


def test_a_build_beside_is_brought_on_to_the_live_one_when_asked_again(
    views: Views, world: World, tmp_path: Path
) -> None:
    policies = (revised("merchant-reputation", 4),)
    build_beside(views, AskedBeside(policies, sample=0))
    (more := tmp_path / "more").mkdir()
    ingest_events(views.store, world.events(30), more)
    follow(views, stay=False)
    built = build_beside(views, AskedBeside(policies, sample=ALL, seed=0))
    assert built.candidate.build[2:4] == live_of(views)[2:4]


def test_two_hashes_that_begin_alike_are_not_told_apart(views: Views) -> None:
    for number in (4, 5):
        build_beside(views, AskedBeside((revised("merchant-reputation", number),), sample=0))
    with views.moving() as connection:
        for found in candidates(views, connection):
            table = views.candidates
            new = table.update().where(table.c.build == found.build.build).values(hash=f"ab{found.hash}")
            connection.execute(new)
    with pytest.raises(UsageError, match="ab fits 2 builds by candidate policies; give more of the hash"):
        drop_beside(views, "ab")


def test_what_one_of_both_has_set_aside_is_not_compared(views: Views) -> None:
    started = start(views, revised("creator-firefly", 6))
    live, number = live_of(views), started.candidate.build.build
    row = {"subject": "merchant/m-1", "scheme": "merchant-tier", "position": 1, "at": 0, "reason": "x", "trace": None}
    before = {item.scheme: item for item in started.counted}
    for build in (live.build, number):
        with views.moving() as connection:
            connection.execute(views.tables(build)["set_aside"].insert().values(**row))
        unknown = [row for row in shown(views, "v1_shadow_levels") if row["differs"] is None]
        assert [(row["subject"], row["scheme"]) for row in unknown] == [("merchant/m-1", "merchant-tier")]
        with views.reading() as connection:
            now = {item.scheme: item for item in counted(views, connection, live.build, number)}
        assert now["merchant-tier"].levels == before["merchant-tier"].levels - 1
        assert {**now, "merchant-tier": 0} == {**before, "merchant-tier": 0}
        with views.moving() as connection:
            connection.execute(views.tables(build)["set_aside"].delete())
