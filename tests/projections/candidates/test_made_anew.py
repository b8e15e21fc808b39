"""Shadows and builds beside that do not fit any more, are gone, stand too late, or cannot be read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from projections.candidates import shadow as shadows
from projections.candidates.building import AskedBeside, begin, build_beside
from projections.candidates.shadow import Keeper, ShadowStopped, start, stop
from projections.projector.advance import advance
from projections.projector.follow import follow
from projections.projector.rebuild import Asked, rebuild
from projections.views.candidates import CandidateBuild, shadow
from projections.views.database import SHADOW, Build, Views, open_views
from projections.views.definitions import check_definitions, views_differ
from replay.errors import StoreError, UsageError
from replay.store.base.store import Store
from tests.support.making import ingest_events
from tests.support.views import empty_live
from tests.worlds.ledgers import World, revised

CANDIDATE = revised("merchant-reputation", 4)


@pytest.fixture
def views(store: Store, tmp_path: Path) -> Iterator[Views]:
    ingest_events(store, World(5).events(60), tmp_path)
    with open_views(store, make=True) as opened:
        rebuild(opened, Asked(sample=0))
        yield opened


def live_build(views: Views) -> Build:
    with views.reading() as connection:
        return views.live(connection)


def kept_shadow(views: Views) -> CandidateBuild | None:
    with views.reading() as connection:
        return shadow(views, connection)


def make_misfit(views: Views, number: int) -> None:
    """As another version of the program would have built it."""
    with views.moving() as connection:
        views.note(connection, number, program="another")


def test_a_shown_shadow_of_another_program_is_made_anew(views: Views) -> None:
    number = start(views, CANDIDATE).candidate.build.build
    make_misfit(views, number)
    made, resumed = begin(views, (CANDIDATE,), SHADOW)
    assert not resumed
    with views.reading() as connection:
        assert views.shown_shadow(connection) is None and views_differ(views, connection) == []
    check_definitions(views)
    again = start(views, CANDIDATE)
    assert again.resumed and again.candidate.build[2:4] == live_build(views)[2:4]
    with views.reading() as connection:
        assert views.shown_shadow(connection) == made and views_differ(views, connection) == []
    assert stop(views) is not None
    with views.reading() as connection:
        assert views_differ(views, connection) == []


def test_following_goes_on_while_it_cannot_be_read_which_shadow_is_kept(views: Views) -> None:
    number = start(views, CANDIDATE).candidate.build.build
    table = views.candidates
    with views.moving() as connection:
        kept = connection.execute(table.select()).one().policies
        connection.execute(update(table).where(table.c.build == number).values(policies="["))
    told: list[ShadowStopped] = []
    keeper = Keeper(views, told.append)
    for _ in range(2):
        follow(views, stay=False, beside=keeper.keep)
    assert [item.candidate for item in told] == [None], "told once"
    assert told[0].problem.startswith("JSONDecodeError: ")
    with views.moving() as connection:
        connection.execute(update(table).values(policies=kept))
    keeper.keep(live_build(views))
    found = kept_shadow(views)
    assert found is not None and found.problem is None and found.build[2:4] == live_build(views)[2:4]
    assert len(told) == 1


@pytest.mark.parametrize("then", ["stopped", "made anew"])
def test_a_shadow_that_is_gone_since_the_look_is_not_told_to_have_failed(
    views: Views, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    start(views, CANDIDATE)

    def gone(*_: object) -> Build:
        stop(views)
        if then == "made anew":
            start(views, revised("merchant-reputation", 5))
        raise StoreError("build 2 of the views is gone")

    told: list[ShadowStopped] = []
    monkeypatch.setattr(shadows, "bring_to", gone)
    Keeper(views, told.append).keep(live_build(views))
    found = kept_shadow(views)
    assert told == [] and (found is None if then == "stopped" else found is not None and found.problem is None)


def test_what_cannot_be_noted_is_told_by_the_step_that_notes_it(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    start(views, CANDIDATE)

    def failing(*_: object) -> None:
        raise StoreError("no space")

    told: list[ShadowStopped] = []
    keeper = Keeper(views, told.append)
    monkeypatch.setattr(shadows, "bring_to", lambda *_: 1 // 0)
    with monkeypatch.context() as patched:
        patched.setattr(shadows, "note_problem", failing)
        keeper.keep(live_build(views))
    assert told == []
    keeper.keep(live_build(views))
    keeper.keep(live_build(views))
    assert len(told) == 1 and told[0].problem.startswith("ZeroDivisionError: ")


def test_a_build_beside_that_stands_later_than_the_live_one_is_said_to(store: Store, tmp_path: Path) -> None:
    ingest_events(store, World(5).events(60), tmp_path)
    asked = AskedBeside((CANDIDATE,), sample=0)
    with open_views(store, make=True) as views:
        empty_live(views)
        rebuild(views, Asked(sample=0))
        build_beside(views, asked)
        with views.moving() as connection:
            views.switch(connection, 1)
        with pytest.raises(
            UsageError,
            match="the build by these policies stands later than the live views; 'levelbook follow' brings them on",
        ):
            build_beside(views, asked)
        advance(views, 1)
        built = build_beside(views, asked)
        assert built.resumed and built.candidate.build[2:4] == live_build(views)[2:4]
