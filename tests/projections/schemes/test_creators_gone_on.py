"""Creators that are moved in sets from what is stored stand as those moved one by one, and so do their agencies; and as
those filled from nothing.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.calendar import instant_text
from domain.limits import DAY_MICROS
from projections.schemes.creator_firefly import going_on as firefly_going_on
from projections.schemes.creator_level import bulk as creator_bulk
from projections.schemes.creator_level import going_on as creator_going_on
from projections.schemes.creator_level.bulk import CreatorOpenings
from projections.schemes.shared.filling import LATEST, Filling
from projections.views import recent
from projections.views.database import BUILDING, Views, open_views
from replay.decisions.application import Ledger
from replay.schemes.creator_firefly.fold import fold_firefly
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.both_ways import BothWays
from tests.support.making import Event, ingest_events
from tests.support.records import CUT, damage, some_of
from tests.support.views import filled, proof_of, tables_of
from tests.worlds.ledgers import AGENCIES, BEGIN, CREATORS, World, revised

REVISED = ("creator-level", "creator-firefly", "mcn-level")


class Registered(World):
    """Creators that register early, all but one of whom nothing tells before its day; agencies that hold them."""

    def _one(self) -> Event:
        number, chance = len(self._made), self.random.random()
        if number < len(CREATORS):
            made = self._event("creator.registered", CREATORS[number])
            made["time"] = instant_text(BEGIN + 25 * number * DAY_MICROS)
        elif chance < 0.05:
            made = self._retraction()
        elif chance < 0.88:
            made = self._of_creator(self.random.choice(CREATORS))
            while made["type"] == "creator.registered" and self.random.random() < 0.98:
                made = self._of_creator(self.random.choice(CREATORS))
            if made["type"] != "creator.registered" and self.points.random() < 0.35:
                made = self._points_in_place_of(made)
        else:
            made = self._of_agency(self.random.choice(AGENCIES))
        self._made.append(made)
        return made


class GoneOn:
    """From here on, how many creators were gone on with: of which some evaluations were kept, and some points."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.creators = self.behind_evaluations = self.behind_points = 0
        fill_from, fold = creator_bulk.fill_from, fold_firefly

        def filled_from(filling: Filling, slots: Any, openings: CreatorOpenings) -> Any:
            self.creators += len(openings.months)
            self.behind_evaluations += int((openings.since < LATEST).sum())
            return fill_from(filling, slots, openings)

        def folded_from(*of: Any, openings: Any) -> Any:
            self.behind_points += int(np.count_nonzero(openings.earned))
            return fold(*of, openings=openings)

        monkeypatch.setattr(creator_going_on, "fill_from", filled_from)
        monkeypatch.setattr(firefly_going_on, "fold_firefly", folded_from)


def follow_registered(both: BothWays, store: Store, folder: Path, seed: int, steps: int) -> None:
    """Most events as they occur in half of the ledgers, else all of them at any time."""
    world = Registered(seed)
    for step in range(steps):
        if step % 14 == 3:
            for scheme in REVISED:
                Ledger(store).adopt(revised(scheme, step // 14))
        world.now = both.now if seed % 2 and both.now > BEGIN + 10 * DAY_MICROS else None
        ingest_events(store, world.events(both.random.randrange(1, 30)), folder)
        assert both.step().recovered == []
        if step % 9 == 8:  # what agencies come to is worked out alike in both
            assert proof_of(both.views).problems == []


def assert_as_filled_from_nothing(views: Views, as_of: int) -> None:
    filled(views, 3, BUILDING, as_of)
    expected, found = tables_of(views, 3), tables_of(views, 1)
    for name, rows in expected.items():
        assert found[name] == rows, name


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6 * SOAK))
def test_creators_gone_on_with_stand_as_those_judged_one_by_one(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late sales, refunds and scores, restored credit, cancelled redemptions, retractions, bindings, policies adopted,
    registrations that fall due, months that close."""
    if seed % 3 == 2:
        monkeypatch.setattr(recent, "ROWS_MAX", 60)
        monkeypatch.setattr(recent, "PARTS_MAX", 3)
    found = GoneOn(monkeypatch)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both = BothWays(views, seed, monkeypatch)
        follow_registered(both, store, tmp_path, seed, 45)
        assert min(found.creators, found.behind_evaluations, found.behind_points) > 10, vars(found)
        assert proof_of(views).problems == []
        assert_as_filled_from_nothing(views, both.now)


@pytest.mark.slow
def test_they_do_on_both_databases(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = GoneOn(monkeypatch)
    with open_views(store, make=True) as views:
        both = BothWays(views, 8, monkeypatch)
        both.now += 120 * DAY_MICROS
        follow_registered(both, store, tmp_path, 8, 20)
        assert min(found.creators, found.behind_evaluations, found.behind_points) > 5, vars(found)
        assert proof_of(views).problems == []
        assert_as_filled_from_nothing(views, both.now)


@pytest.mark.slow
def test_a_failure_is_told_and_a_record_that_cannot_be_read_stops_its_creator_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise TypeError("no such thing")

    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both, world = BothWays(views, 6, monkeypatch), Registered(6, days=60)
        ingest_events(store, world.events(200), tmp_path)
        both.now += 90 * DAY_MICROS
        both.step(is_large=True)
        for module, name in ((creator_going_on, "fill_from"), (firefly_going_on, "fold_firefly")):
            with monkeypatch.context() as patched:
                patched.setattr(module, name, broken)
                ingest_events(store, world.events(40), tmp_path)
                moved = both.step(is_large=True)
            assert moved.set_aside == 0 and len(moved.recovered) == 1
            assert "TypeError: no such thing" in moved.recovered[0].trace
        ingest_events(store, world.events(100), tmp_path)
        position = some_of(store, "creator/c-2", ("sale.settled",), 280)
        with damage(tmp_path / "ledger.db", {position: CUT["a creator's sale"][2]}):
            both.step(is_large=True)
            aside = {(row[0], row[2]) for row in tables_of(views, 1)["set_aside"] if row[0].startswith("creator/")}
            assert aside == {("creator/c-2", position)}
            ingest_events(store, world.events(50), tmp_path)
            both.step(is_large=True)
