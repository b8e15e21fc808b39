"""kill -9 at any moment while a shadow is filled and kept: nothing is skipped, nothing doubled, of neither build."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from domain.calendar import day_start
from domain.limits import DAY_MICROS
from projections.candidates.shadow import Keeper, start
from projections.projector import fill as filling
from projections.projector import many
from projections.projector.advance import advance
from projections.projector.prove import prove
from projections.projector.rebuild import Asked, rebuild
from projections.views.candidates import shadow
from projections.views.database import Views, open_views
from projections.views.definitions import views_differ
from replay.policies.catalog import Choice
from replay.store.opening import create_store, open_store
from tests.support.kills import Child
from tests.support.making import ingest_events
from tests.support.views import ALL, empty_live, proof_of
from tests.worlds.ledgers import World, revised

pytestmark = [pytest.mark.kills, pytest.mark.slow]

EVENTS = 90
CANDIDATE = revised("creator-firefly", 3)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps and parts so small that a kill finds one under way."""
    monkeypatch.setattr(many, "FEW_AT_ONCE", 6)
    monkeypatch.setattr(filling, "SUBJECTS_AT_ONCE", 1)
    monkeypatch.setattr(filling, "RECORDS_AT_ONCE", 40)


def opened(location: str, work: Callable[[Views], object]) -> Callable[[], None]:
    def run() -> None:
        with open_store(location) as store, open_views(store) as views:
            work(views)

    return run


def keep_on(views: Views) -> None:
    """Live steps of six events, a shadow after each, and a day that passes between them."""
    keeper = Keeper(views)
    with views.alone("follow"):
        with views.reading() as connection:
            live = views.live(connection)
        keeper.keep(live)
        while live.position < views.store.head().position:
            live = advance(views, live.build, live.as_of + DAY_MICROS, 6).build
            keeper.keep(live)


def where(views: Views) -> tuple[int, int]:
    """Where the live build and the shadow stand."""
    with views.reading() as connection:
        live, found = views.live(connection), shadow(views, connection)
        assert found is not None and found.problem is None
        assert found.build.position <= live.position and found.build.as_of <= live.as_of
        return live.position, found.build.position


def assert_sound(views: Views) -> tuple[int, int]:
    """Both builds are what replays give, each at its own moment, and drift is of days gone by; where both stand."""
    with views.reading() as connection:
        found = shadow(views, connection)
        assert found is not None
        tables, choice = views.tables(found.build.build), Choice(given=(CANDIDATE,))
        assert prove(views.store, connection, tables, found.build, Random(0), ALL, choice=choice).problems == []
        prefix = "" if views.schema is None else f"{views.schema}."
        noted = connection.execute(text(f"SELECT day, scheme, as_of FROM {prefix}v1_shadow_drift")).all()
        assert all(row.as_of <= found.build.as_of for row in noted)
        assert len({(row.day, row.scheme) for row in noted}) == len(noted)
    assert proof_of(views).problems == []
    return where(views)


def test_keeping_that_is_killed_leaves_both_consistent(location: str, tmp_path: Path) -> None:
    random = Random(7)
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        empty_live(views)
        advance(views, 1, day_start(19_240), 0)
        start(views, CANDIDATE)
        ingest_events(store, World(7).events(EVENTS), tmp_path)
    kills, stood, latest_ms = 0, [(0, 0)], 150
    while stood[-1] != (EVENTS, EVENTS):
        if stood[-2:-1] == stood[-1:]:
            latest_ms += 100  # a busy machine took no step before the kill: the next one comes later
        ended = Child(tmp_path, opened(location, keep_on)).end(random.randrange(20, latest_ms) / 1000)
        assert ended.status in (None, 0), ended
        kills += ended.status is None
        with open_store(location) as store, open_views(store) as views:
            stood.append(where(views) if len(stood) % 8 else assert_sound(views))
    with open_store(location) as store, open_views(store) as views:
        assert_sound(views)
    assert kills > 3 and stood == sorted(stood)
    assert [pair[1] for pair in stood] == sorted(pair[1] for pair in stood)


def test_a_start_that_is_killed_goes_on_and_is_shown_only_when_whole(location: str, tmp_path: Path) -> None:
    random, kills, done = Random(8), 0, [0]
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        ingest_events(store, World(8).events(EVENTS), tmp_path)
        rebuild(views, Asked(sample=0))
    while True:
        # A fast machine needs less than half a second, a busy one so much that kills have to come later and later.
        milliseconds = random.randrange(2, 500 + 100 * kills if kills > 1 else 40)
        ended = Child(tmp_path, opened(location, lambda views: start(views, CANDIDATE))).end(milliseconds / 1000)
        with open_store(location) as store, open_views(store) as views, views.reading() as connection:
            assert views_differ(views, connection) == []
            found = shadow(views, connection)
            done.append(0 if found is None else found.build.done)
        if ended.status is not None:
            break
        kills += 1
    assert ended.status == 0 and kills > 1 and done == sorted(done)
    with open_store(location) as store, open_views(store) as views:
        live, stood = assert_sound(views)
        assert live == stood
