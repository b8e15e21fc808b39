"""Steps that move subjects in sets leave what steps that move them one by one leave, row for row."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from domain.calendar import instant_text
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.policy import Policy
from projections.projector import many
from projections.schemes.creator_level import view as creator_view
from projections.schemes.merchant_reputation import bulk as reputation_bulk
from projections.schemes.merchant_reputation import going_on
from projections.schemes.merchant_tier import going_on as tier_going_on
from projections.schemes.merchant_tier import view as tier_view
from projections.views import recent
from projections.views.database import open_views
from projections.views.readahead import Windows
from replay.columnar.seal import seal
from replay.decisions.application import Ledger
from replay.decisions.decide import decide, period_of
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_tier.fold import fold_tier
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from replay.store.queries import event_rows_behind
from tests.conftest import SOAK
from tests.support import both_ways
from tests.support.both_ways import BothWays
from tests.support.making import Event, event, ingest_events, paid
from tests.support.records import CUT, damage, some_of
from tests.support.views import proof_of, tables_of
from tests.worlds.ledgers import BEGIN, SCHEMES, World, revised
from tests.worlds.merchant_reputation import with_values


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3 * SOAK))
def test_steps_of_many_leave_what_steps_of_few_leave(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With retractions, corrections far back, events ahead, policies adopted, decisions, and units set aside."""
    if seed % 3 == 1:
        monkeypatch.setattr(recent, "ROWS_MAX", 150)  # what is cached is let go of again and again
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both, world = BothWays(views, seed, monkeypatch), World(seed)
        for step in range(50):
            if seed % 2 and step % 12 == 5:
                Ledger(store).adopt(revised(SCHEMES[step // 12 % len(SCHEMES)], step))
            if step == 30:
                decide(store, "merchant-reputation", period_of(store, "merchant-reputation", 2022 * 12 + 9, None))
            ingest_events(store, world.events(both.random.randrange(1, 25)), tmp_path)
            assert both.step().recovered == []
            if seed == 2 and step in (20, 30):
                one_is_set_aside(both, store, tmp_path, monkeypatch)
        assert both.larges > 10 and (seed == 2 or proof_of(views).problems == [])


def one_is_set_aside(both: BothWays, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a creator and of a merchant one scheme alone cannot be worked out."""

    def broken(real: Any, whose: str) -> Any:
        def fails(step: Any, subject: str, *rest: Any, **others: Any) -> Any:
            if subject == whose:
                raise ValueError("no such thing")
            return real(step, subject, *rest, **others)

        return fails

    name, before = f"o-{both.now}", len(tables_of(both.views, 1)["set_aside"])
    with monkeypatch.context() as patched:
        patched.setattr(creator_view, "advance", broken(creator_view.advance, "creator/c-2"))
        patched.setattr(tier_view, "advance", broken(tier_view.advance, "merchant/m-2"))
        live = event("live.held", f"l-{name}", "2022-09-02T00:00:00+08:00", subject="creator/c-2", minutes=5)
        ingest_events(store, [live, paid(name, "2022-09-02T00:00:00+08:00", subject="merchant/m-2")], folder)
        both.step(is_large=False)
    assert len(tables_of(both.views, 1)["set_aside"]) >= before


@pytest.mark.slow
def test_the_same_on_both_databases(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_views(store, make=True) as views:
        both, world = BothWays(views, 77, monkeypatch), World(77)
        for _ in range(25):
            ingest_events(store, world.events(both.random.randrange(1, 30)), tmp_path)
            assert both.step().recovered == []
        assert both.larges > 5 and proof_of(views).problems == []


@pytest.mark.slow
@pytest.mark.parametrize(("subject", "types", "change"), CUT.values(), ids=list(CUT))
def test_a_record_that_cannot_be_read_stops_its_subject_alone(
    subject: str,
    types: tuple[str, ...],
    change: tuple[bytes, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both, world = BothWays(views, 3, monkeypatch), World(71)
        ingest_events(store, world.events(150), tmp_path)
        both.step(is_large=True)
        ingest_events(store, world.events(350), tmp_path)
        position = some_of(store, subject, types, 150)
        with damage(tmp_path / "ledger.db", {position: change}):
            both.step(is_large=True)
            aside = {(row[0], row[2]) for row in tables_of(views, 1)["set_aside"]}
            assert (subject, position) in aside and len(aside) < 5, aside
            for _ in range(4):
                ingest_events(store, world.events(20), tmp_path)
                both.step()


@pytest.mark.slow
def test_what_fails_in_a_set_as_nobody_foresaw_goes_the_plain_way_and_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise TypeError("no such thing")

    with open_views(store, make=True) as views:
        both, world = BothWays(views, 4, monkeypatch), World(4)
        ingest_events(store, world.events(100), tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(reputation_bulk, "fold_reputation", broken)
            moved = both.step(is_large=True)
        assert moved.set_aside == 0 and len(moved.recovered) == 1
        assert "TypeError: no such thing" in moved.recovered[0].trace
        ingest_events(store, world.events(100), tmp_path)
        assert both.step(is_large=True).recovered == []


@pytest.mark.slow
def test_a_long_past_is_not_read_again_for_a_few_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = event_rows_behind

    def noted(store: Store, stream: str, *rest: Any) -> Any:
        read.append(stream)
        return real(store, stream, *rest)

    monkeypatch.setattr("projections.projector.many.event_rows_behind", noted)
    monkeypatch.setattr(many, "LONG_PAST", 20)
    monkeypatch.setattr(many, "NEW_SHARE", 3)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both, world = BothWays(views, 5, monkeypatch), World(5)
        for _ in range(12):
            ingest_events(store, world.events(60), tmp_path)
            both.step(is_large=True)
        assert {stream.partition("/")[0] for stream in read} == {"merchant", "creator", "mcn"}
        assert proof_of(views).problems == []


# --- versions that come into force ------------------------------------------------------------------------------------


def later_versions(scheme: str) -> list[Policy]:
    """Two that come into force by date: within a day, and as a year begins."""
    dates = ("2022-10-20T10:00:00+08:00", "2023-01-01T00:00:00+08:00")
    return [
        with_values(revised(scheme, number), id=f"later-{number}", in_force_from=at)
        for number, at in enumerate(dates, 1)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3 * SOAK))
def test_a_version_that_comes_into_force_by_date_judges_whoever_nothing_happens_to(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's events and no day of an evaluation need tell of it: each step leaves what a replay says."""
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both, world = BothWays(views, seed, monkeypatch), World(seed)
        for policy in (policy for scheme in SCHEMES for policy in later_versions(scheme)):
            Ledger(store).adopt(policy)
        ingest_events(store, world.events(120), tmp_path)
        both.now += 40 * DAY_MICROS
        seen = set[tuple[str, str]]()
        for step in range(40):
            if step % 4 == 0:
                ingest_events(store, world.events(4), tmp_path)
            both.step()
            problems = proof_of(views).problems
            assert problems == [], (instant_text(both.now), problems)
            with views.reading() as connection:
                levels = views.tables(1)["levels"].c
                seen |= {(row.scheme, row.policy) for row in connection.execute(select(levels.scheme, levels.policy))}
        assert {(scheme, f"later-{number}") for scheme in SCHEMES for number in (1, 2)} <= seen


# --- gone on with from what is stored ---------------------------------------------------------------------------------


class Settled(World):
    """Merchants out of the scope of tiers, whose openings, closings and retractions are rare."""

    CATEGORY = "toys"
    NAMES = tuple(f"merchant/m-{number}" for number in range(1, 7))

    def _one(self) -> Event:
        number = len(self._made)
        if number < len(self.NAMES):
            made = self._event("merchant.onboarded", self.NAMES[number], category=self.CATEGORY)
            made["time"] = instant_text(BEGIN + number * DAY_MICROS)
        elif self.random.random() < 0.01:
            made = self._retraction()
        else:
            made = self._of_merchant(self.random.choice(self.NAMES))
            while made["type"].startswith("merchant.") and self.random.random() < 0.95:
                made = self._of_merchant(self.random.choice(self.NAMES))
            if made["type"] == "merchant.onboarded":
                made["data"]["category"] = self.CATEGORY
        self._made.append(made)
        return made


class InScope(Settled):
    """The same within the scope of tiers."""

    CATEGORY = "fresh"


class Restless(InScope):
    """Merchants that close, open again, are set to tiers, and have what happened to them retracted, all of it often."""

    def _one(self) -> Event:
        if len(self._made) <= len(self.NAMES):
            return super()._one()
        chance, subject = self.random.random(), self.random.choice(self.NAMES)
        if chance < 0.2:
            made = self._retraction()
        elif chance < 0.25:
            made = self._event("merchant.closed", subject)
        elif chance < 0.3:
            made = self._event("merchant.tier_set", subject, level=f"LV{self.random.randrange(8)}")
        else:
            made = self._of_merchant(subject)
        self._made.append(made)
        return made


def openings_of(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From here on, how many merchants were gone on with from a stored month, and how many that have none, by turns."""
    found: list[int] = []
    real = fold_reputation

    def noted(columns: Any, spans: Any, as_of: int, openings: Any) -> Any:
        stored = int((openings[:, 3] > -(2**60)).sum())
        found.extend((stored, len(openings) - stored))
        return real(columns, spans, as_of, openings)

    monkeypatch.setattr(going_on, "fold_reputation", noted)
    return found


def follow_settled(both: BothWays, store: Store, folder: Path, seed: int, steps: int) -> None:
    world = Settled(seed)
    for step in range(steps):
        if seed % 4 == 3 and step % 15 == 7:
            Ledger(store).adopt(revised("merchant-reputation", step // 15))
        world.now = both.now if seed % 2 and both.now > BEGIN + 10 * DAY_MICROS else None
        ingest_events(store, world.events(both.random.randrange(1, 40)), folder)
        assert both.step().recovered == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3 * SOAK))
def test_merchants_gone_on_with_from_stored_months_stand_as_those_judged_one_by_one(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late events, flags, events ahead, retractions, policies adopted, credits and publications that fall due."""
    if seed % 2:
        monkeypatch.setattr(recent, "ROWS_MAX", 60)
        monkeypatch.setattr(recent, "PARTS_MAX", 3)
    openings = openings_of(monkeypatch)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both = BothWays(views, seed, monkeypatch)
        follow_settled(both, store, tmp_path, seed, 40)
        assert sum(openings[::2]) > 30 and sum(openings[1::2]) > 0, openings
        assert proof_of(views).problems == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_long_pasts_judged_again_from_columns_stand_as_those_judged_plainly(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In steps of few: each late event, flag and clearing by columns or plainly at random, gone on with in between."""
    gone_on: list[int] = []
    real = many.Many._go_on_chunk

    def noted(of: many.Many, kind: str, subjects: Any) -> None:
        gone_on.append(len(subjects))
        real(of, kind, subjects)

    monkeypatch.setattr(many.Many, "_go_on_chunk", noted)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both, world = BothWays(views, seed, monkeypatch), (Settled, InScope)[seed % 2](seed)
        for step in range(50):
            world.now = both.now if both.now > BEGIN + 10 * DAY_MICROS and step % 3 else None
            ingest_events(store, world.events(both.random.randrange(1, 12)), tmp_path)
            assert both.step(is_large=False).recovered == []
        assert sum(gone_on) > 20 and {*gone_on} == {1}, gone_on
        assert proof_of(views).problems == []
        both.windows, both.others = Windows(), Windows()
        position = some_of(store, "merchant/m-2", ("order.paid",), store.head().position - 60)
        with damage(tmp_path / "ledger.db", {position: CUT["a merchant's payment"][2]}):
            for _ in range(6):
                ingest_events(store, world.events(10), tmp_path)
                both.step(is_large=False)
            assert {row[0] for row in tables_of(views, 1)["set_aside"]} == {"merchant/m-2"}


class Taken:
    """Which ways merchants go of which a life event or a retraction is new."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gone_on: Counter[str] = Counter()
        self.whole = 0
        go_on, whole = many.Many._go_on_chunk, many.Many._move_whole

        def going_on(of: many.Many, kind: str, subjects: Any) -> None:
            go_on(of, kind, subjects)
            for subject in of.units.done & {*subjects} & of._rare.keys():
                self.gone_on.update({event.type for event in of._bearing_of(subject) or []})

        def moved_whole(of: many.Many, kind: str, subject: str) -> None:
            whole(of, kind, subject)
            self.whole += subject in of.units.done

        monkeypatch.setattr(many.Many, "_go_on_chunk", going_on)
        monkeypatch.setattr(many.Many, "_move_whole", moved_whole)


def follow_restless(both: BothWays, store: Store, folder: Path, seed: int, steps: int) -> None:
    """In steps of few and of many; sealed now and then, so that what is read whole comes out of segments, too."""
    world = Restless(seed)
    for step in range(steps):
        if step in (3, 24):
            Ledger(store).adopt(revised("merchant-tier", step))
        if step % 9 == 5:
            store.named_segments = folder / "segments"
            seal(store, store.named_segments)
        world.now = both.now if seed % 2 and both.now > BEGIN + 10 * DAY_MICROS else None
        ingest_events(store, world.events(both.random.randrange(1, 20)), folder)
        assert both.step().recovered == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4 * SOAK))
def test_life_events_and_retractions_are_gone_on_with_or_judged_from_columns_as_they_are_plainly(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Taken(monkeypatch)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both = BothWays(views, seed, monkeypatch)
        follow_restless(both, store, tmp_path, seed, 40)
        assert {"merchant.closed", "merchant.tier_set", "order.paid"} <= taken.gone_on.keys(), taken.gone_on
        assert "merchant.onboarded" not in taken.gone_on and taken.whole > 0
        assert proof_of(views).problems == []


@pytest.mark.slow
def test_life_events_and_retractions_are_on_both_databases(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Taken(monkeypatch)
    with open_views(store, make=True) as views:
        follow_restless(BothWays(views, 8, monkeypatch), store, tmp_path, 8, 20)
        assert taken.gone_on and taken.whole > 0 and proof_of(views).problems == []


@pytest.mark.slow
def test_segments_that_are_not_there_stop_nobody_who_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, whole = list[str](), many.Many._move_whole

    def noted(of: many.Many, kind: str, subject: str) -> None:
        asked.append(subject)
        whole(of, kind, subject)
        assert subject not in of.units.done, "it is left to the plain way"

    monkeypatch.setattr(many.Many, "_move_whole", noted)
    create_store(str(tmp_path / "ledger.db"))
    with (
        open_store(str(tmp_path / "ledger.db"), tmp_path / "not-there") as store,
        open_views(store, make=True) as views,
    ):
        both, world = BothWays(views, 8, monkeypatch), Restless(8)
        for _ in range(12):
            ingest_events(store, world.events(15), tmp_path)
            assert both.step().recovered == []
        assert asked and proof_of(views).problems == []


@pytest.mark.slow
def test_they_do_on_both_databases(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openings = openings_of(monkeypatch)
    with open_views(store, make=True) as views:
        follow_settled(BothWays(views, 5, monkeypatch), store, tmp_path, 5, 20)
        assert sum(openings[::2]) > 10 and proof_of(views).problems == []


@pytest.mark.slow
def test_a_failure_while_going_on_is_told_and_a_record_that_cannot_be_read_stops_its_subject_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise TypeError("no such thing")

    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both, world = BothWays(views, 6, monkeypatch), Settled(6, days=60)
        ingest_events(store, world.events(150), tmp_path)
        both.now += 40 * DAY_MICROS
        both.step(is_large=True)
        with monkeypatch.context() as patched:
            patched.setattr(going_on, "fold_reputation", broken)
            ingest_events(store, world.events(30), tmp_path)
            moved = both.step(is_large=True)
        assert moved.set_aside == 0 and len(moved.recovered) == 1
        assert "TypeError: no such thing" in moved.recovered[0].trace
        ingest_events(store, world.events(100), tmp_path)
        position = some_of(store, "merchant/m-2", ("order.paid",), 180)
        with damage(tmp_path / "ledger.db", {position: CUT["a merchant's payment"][2]}):
            both.step(is_large=True)
            assert {(row[0], row[2]) for row in tables_of(views, 1)["set_aside"]} == {("merchant/m-2", position)}
            ingest_events(store, world.events(50), tmp_path)
            both.step(is_large=True)


class FromStored:
    """What becomes of tiers that are gone on with: how many are stepped, change, or are left until their day closes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stepped = self.moves = self.left = 0
        resting = tier_going_on._rest

        def noted(columns: Any, terms: Any, last_day: int, openings: Any = None) -> Any:
            found = fold_tier(columns, terms, last_day, openings=openings)
            if openings is not None:
                self.stepped += int(openings.accounts["open"].sum())
                self.moves += len(found.moves)
            return found

        def rest(*of: Any) -> Any:
            found = resting(*of)
            self.left += int(found.sum())
            return found

        monkeypatch.setattr(tier_going_on, "fold_tier", noted)
        monkeypatch.setattr(tier_going_on, "_rest", rest)


def follow_in_scope(both: BothWays, store: Store, folder: Path, seed: int, steps: int) -> None:
    """Merchants in the scope of tiers, under policies of a few days."""
    world = InScope(seed)
    for step in range(steps):
        if step in (3, 24):
            Ledger(store).adopt(revised("merchant-tier", step))
        world.now = both.now if seed % 2 and both.now > BEGIN + 10 * DAY_MICROS else None
        ingest_events(store, world.events(both.random.randrange(1, 40)), folder)
        assert both.step().recovered == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3 * SOAK))
def test_tiers_gone_on_with_from_stored_figures_stand_as_those_stepped_one_by_one(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late events, complaints dismissed, events ahead, notices, policies adopted, days that close."""
    found = FromStored(monkeypatch)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        both = BothWays(views, seed, monkeypatch)
        follow_in_scope(both, store, tmp_path, seed, 45)
        assert found.stepped > 30 and found.moves > 5, vars(found)
        assert proof_of(views).problems == []


@pytest.mark.slow
def test_tiers_do_on_both_databases(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, hours = FromStored(monkeypatch), (0, HOUR_MICROS, HOUR_MICROS, 9 * HOUR_MICROS)
    monkeypatch.setattr(both_ways, "PAUSES", hours)  # so that a step finds a day open that another one has looked at
    with open_views(store, make=True) as views:
        both = BothWays(views, 7, monkeypatch)
        both.now += 50 * DAY_MICROS
        follow_in_scope(both, store, tmp_path, 7, 20)
        assert found.stepped > 5 and found.left > 5 and proof_of(views).problems == []
