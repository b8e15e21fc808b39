"""The law of changes: whoever takes over what changed behind the last number he saw, holds what the views show."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select, text, update

from domain.limits import DAY_MICROS
from projections.projector.advance import advance, retry
from projections.projector.rebuild import Asked, rebuild, switch_back
from projections.schemes.creator_level import view as creator_view
from projections.views.changes import StoodAt, number
from projections.views.database import Views, open_views
from replay.decisions.application import Ledger
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.making import event, ingest_events
from tests.support.views import empty_live, grown
from tests.worlds.ledgers import BEGIN, SCHEMES, World, revised

TURNS = 16


@pytest.fixture
def views(store: Store) -> Iterator[Views]:
    with open_views(store, make=True) as opened:
        yield opened


class Copy:
    """A copy of the levels, kept by changes alone."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[Any, ...]] = {}
        self.number = 0
        self.taken = 0

    def catch_up(self, views: Views) -> None:
        """Take over every level that changed behind the number, and hold the copy against the views."""
        changes = views.changes.c
        levels = text(f"SELECT * FROM {'' if views.schema is None else views.schema + '.'}v1_levels")
        with views.reading() as connection:
            shown = {(row.subject, row.scheme): tuple(row) for row in connection.execute(levels)}
            behind = select(views.changes).where(changes.number > self.number).order_by(changes.number)
            changed = connection.execute(behind).all()
        for row in changed:
            unit = (row.subject, row.scheme)
            self.rows.pop(unit, None)
            if unit in shown:
                self.rows[unit] = shown[unit]
            self.number = row.number
            self.taken += 1
        assert self.rows == shown


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_a_copy_kept_by_changes_holds_what_the_views_show(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events, late ones, the calendar, policies, rebuilds by another program, switching back, setting aside."""
    create_store(str(tmp_path / "ledger.db"))
    random, copy = Random(seed), Copy()
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        empty_live(views)
        for number, now in enumerate(grown_anywhere(views, tmp_path, seed)):
            copy.catch_up(views)
            chance = random.random()
            if chance < 0.3:
                Ledger(store).adopt(revised(SCHEMES[number % 4], number + seed))
            elif chance < 0.6:
                set_aside_and_retry(views, monkeypatch, tmp_path, now)
            elif number >= TURNS - 4:  # from here on as_of is the present, so that the calendar stands still
                rebuild_otherwise(views)
                if chance < 0.8:
                    switch_back(views)
            copy.catch_up(views)
    assert copy.taken > 40


@pytest.mark.slow
def test_the_same_on_both_databases(views: Views, tmp_path: Path) -> None:
    copy = Copy()
    empty_live(views)
    for _ in grown(views, tmp_path, 21, 120):
        copy.catch_up(views)
    rebuild_otherwise(views)
    copy.catch_up(views)
    before = copy.number
    switch_back(views)
    copy.catch_up(views)
    assert copy.number == before + 1, "of the whole build one level differs"


@pytest.mark.slow
def test_a_step_that_changes_no_level_announces_none(views: Views, tmp_path: Path) -> None:
    copy = Copy()
    empty_live(views)
    now = max(grown(views, tmp_path, 4, 60))
    copy.catch_up(views)
    taken = copy.taken
    advance(views, 1, now)
    rebuild(views, Asked(sample=0))
    copy.catch_up(views)
    assert copy.taken <= taken + len(copy.rows), "each level at most once"
    taken = copy.taken
    rebuild(views, Asked(sample=0))
    switch_back(views)
    copy.catch_up(views)
    assert copy.taken == taken, "builds that show the same announce nothing"


def grown_anywhere(views: Views, folder: Path, seed: int) -> Iterator[int]:
    """Let ledger and calendar grow as `grown` does, whatever build is live meanwhile."""
    random, world, now = Random(seed), World(seed), BEGIN
    for turn in range(TURNS):
        place = folder / f"events-{turn}"
        place.mkdir()
        ingest_events(views.store, world.events(random.randrange(1, 20)), place)
        now += random.choice((0, 1, 3, 11, 33)) * DAY_MICROS
        while advance(views, live_of(views), now, random.choice((3, 1_000))).build.position < head_of(views):
            pass
        yield now


def live_of(views: Views) -> int:
    with views.reading() as connection:
        return views.live(connection).build


def head_of(views: Views) -> int:
    return views.store.head().position


def rebuild_otherwise(views: Views) -> None:
    """Rebuild where one live level was changed by hand, as somebody with a database shell could, and switch."""
    rebuild(views, Asked(sample=0, dry_run=True))
    with views.moving() as connection:
        live = views.live(connection)
        levels = views.tables(live.build)["levels"]
        row = connection.execute(select(levels).order_by(levels.c.subject, levels.c.scheme).limit(1)).one()
        same = (levels.c.subject == row.subject) & (levels.c.scheme == row.scheme)
        connection.execute(update(levels).where(same).values(score=-77))
        number(connection, views.changes, [(row.subject, row.scheme)], StoodAt(live.position, live.as_of))
    assert len(rebuild(views, Asked(sample=0)).differences) == 1


def set_aside_and_retry(views: Views, monkeypatch: pytest.MonkeyPatch, folder: Path, now: int) -> None:
    """A step in which a creator cannot be worked out; then it is taken up again."""

    def fails(*_: Any, **__: Any) -> None:
        raise ValueError("a creator that cannot be worked out")

    copy = Copy()
    copy.catch_up(views)
    before = copy.number
    heard = event("creator.scored", f"t-{head_of(views)}", subject="creator/c-1", score="reputation", value="4.1")
    ingest_events(views.store, [heard], folder)
    with monkeypatch.context() as broken:
        broken.setattr(creator_view, "advance", fails)
        advance(views, live_of(views), now)
    copy.catch_up(views)
    assert copy.rows["creator/c-1", "creator-level"][-1] or before == 0, "it is shown as stale"
    retry(views)
    copy.catch_up(views)
