"""What publications showed otherwise than they would now: kept however views are moved, and as replays at them say."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select, text

from domain.calendar import month_of, parse_instant, parse_month
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.merchant_reputation.account import published_months
from projections.projector import rebuild as building
from projections.projector.advance import advance
from projections.views.database import BUILDING, LIVE, Views, open_views
from projections.views.readahead import Windows
from replay.columnar import size
from replay.decisions.application import Ledger
from replay.history.timeline import Moment, events_of, last_known, last_known_each
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.registry import choose
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.making import event, ingest_events
from tests.support.views import assert_same_rows, beside, empty_live, filled, proof_of
from tests.worlds.ledgers import BEGIN, MERCHANTS, recorded_as_they_came, revised

NEVER = 10**9
SCHEME = "merchant-reputation"
Seen = tuple[int, str | None] | None
Differing = dict[tuple[str, int], Seen]


def by_law(store: Store, as_of: int, position: int) -> Differing:
    """By merchant and month, each replayed as it was known when it was published, where that differs from now."""
    found: Differing = {}
    for subject in MERCHANTS:
        now = replayed(store, subject, as_of, position)
        for month, at in published_months(now.spans, as_of, month_of(BEGIN) - 2):
            ((known,),) = store._query("SELECT count(*) FROM records WHERE recorded_at <= ?", (at,))
            then = seen_of(replayed(store, subject, at, min(known, position))).get(month)
            if then != seen_of(now).get(month):
                found[subject, month] = then
    return found


def replayed(store: Store, subject: str, as_of: int, position: int) -> ReputationReplay:
    moment = Moment(as_of, as_of, position)
    known = list(events_of(store, subject, position))
    return ReputationReplay(subject, known, moment, choose(store, ReputationReplay, moment))


def seen_of(replay: ReputationReplay) -> dict[int, Seen]:
    return {item.month: (item.shown.points_tenths, item.shown.level) for item in replay.publications()}


def held(views: Views, number: int) -> Differing:
    """The same out of a build's rows."""
    table = views.tables(number)["published_then"]
    with views.reading() as connection:
        rows = connection.execute(select(table)).all()
    return {
        (row.subject, month): None if row.points_tenths is None else (row.points_tenths, row.level)
        for row in rows
        for month in range(parse_month(row.month), parse_month(row.to_month) + 1)
    }


class Grown:
    """Two builds over a ledger that is recorded as things come: one moved at once, by large and small steps, the other
    seldom, so that its steps pass several publications."""

    def __init__(self, views: Views, seed: int, folder: Path, patched: pytest.MonkeyPatch) -> None:
        self.views, self.folder, self.random, self._patched = views, folder, Random(seed), patched
        self.lines = list(recorded_as_they_came(seed))
        self.windows: dict[int, Windows] = {1: Windows(), 2: Windows()}
        self.now, self.done = BEGIN, 0
        patched.setattr(size, "MANY_TO_COMPILE", 0)
        empty_live(views)
        beside(views, 2, BUILDING)

    def record(self) -> bool:
        """Some more of the ledger; whether there was any."""
        some = self.lines[self.done : self.done + self.random.randrange(5, 45)]
        if some:
            ingest_events(self.views.store, some, self.folder, backfill=True)
            self.now = max(self.now, parse_instant(some[-1]["recordedtime"]))
            self.now += self.random.choice((0, HOUR_MICROS, 2 * DAY_MICROS, 17 * DAY_MICROS))
        self.done += len(some)
        return bool(some)

    def move_by_a_clock_behind(self, number: int) -> None:
        """To what was recorded behind publications, as of an instant before them."""
        head, behind = self.views.store.head().position, self.now - 40 * DAY_MICROS
        while advance(self.views, number, behind, 1_000, self.windows[number]).build.position < head:
            pass

    def move(self, number: int) -> None:
        while True:
            is_large, reads_whole = self.random.random() < 0.5, self.random.random() < 0.5
            self._patched.setattr(size, "MANY_TO_MOVE", 0 if is_large else NEVER)
            self._patched.setattr(size, "MANY_TO_READ", 0 if reads_whole else NEVER)
            self._patched.setattr(size, "MANY_TO_JUDGE", 0 if self.random.random() < 0.5 else NEVER)
            self._patched.setattr(size, "is_at_hand", lambda: True)
            moved = advance(self.views, number, self.now, self.random.choice((7, 1_000)), self.windows[number])
            assert moved.recovered == [] and moved.set_aside == 0
            if moved.build.position == self.views.store.head().position and moved.build.as_of == self.now:
                return

    def check(self, number: int, seen: Counter[str]) -> None:
        found = held(self.views, number)
        with self.views.reading() as connection:
            build = self.views.build(connection, number)
        assert found == by_law(self.views.store, build.as_of, build.position)
        seen["unknown"] += None in found.values()
        seen["known"] += any(then is not None for then in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_views_keep_what_was_published_however_they_are_moved(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(str(tmp_path / "ledger.db"))
    seen: Counter[str] = Counter()
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        grown = Grown(views, seed, tmp_path, monkeypatch)
        while grown.record():
            grown.move(1)
            if grown.random.random() < 0.2:
                if grown.random.random() < 0.5:
                    grown.move_by_a_clock_behind(2)
                    grown.check(2, seen)
                grown.move(2)
                grown.check(2, seen)
        if seed:
            Ledger(store).adopt(revised(SCHEME, seed))
            grown.now = store.now()
        grown.move(1)
        grown.move(2)
        grown.check(1, seen)
        assert_same_rows(views)
        assert proof_of(views).problems == []
        for in_bulk, number in ((NEVER, 3), (0, 4)):
            monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", in_bulk)
            filled(views, number, BUILDING, grown.now)
            assert held(views, number) == held(views, 1)
    assert seen["known"] and seen["unknown"], seen


def test_readers_by_sql_see_what_was_published_then(store: Store, tmp_path: Path) -> None:
    """A closing that was learned of late; and another merchant, of whom nothing was known for two publications."""
    opened = event("merchant.onboarded", "open", "2022-09-01T00:00:00+08:00", category="fresh")
    reviewed = [
        event("order.paid", "p", "2022-09-02T00:00:00+08:00", order="o", buyer="b", amount=900),
        event("review.posted", "r", "2022-09-03T00:00:00+08:00", order="o", quality=5),
    ]
    early = [made | {"recordedtime": "2022-09-04T00:00:00+08:00"} for made in (opened, *reviewed)]
    closed = event("merchant.closed", "gone", "2022-09-20T00:00:00+08:00")
    other = event("merchant.onboarded", "open-2", "2022-09-01T00:00:00+08:00", subject="merchant/m-2", category="fresh")
    late = [made | {"recordedtime": "2022-11-20T00:00:00+08:00"} for made in (closed, other)]
    ingest_events(store, [*early, *late], tmp_path, backfill=True)
    with open_views(store, make=True) as views:
        filled(views, 1, LIVE, parse_instant("2022-12-01T00:00:00+08:00"))
        with views.moving() as connection:
            views.switch(connection, 1)
        prefix = "" if views.schema is None else f"{views.schema}."
        with views.reading() as connection:
            rows = connection.execute(text(f"SELECT * FROM {prefix}v1_published_then ORDER BY subject")).all()
    assert [tuple(row) for row in rows] == [
        ("merchant/m-1", "2022-09", "2022-10", 10, "bronze-1"),
        ("merchant/m-2", "2022-09", "2022-10", None, None),
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 40, 700])
def test_what_was_known_at_many_instants_is_found_together(store: Store, tmp_path: Path, count: int) -> None:
    begin = parse_instant("2022-10-01T00:00:00+08:00")
    times = [f"2022-10-01T00:{number // 60:02}:{number % 60:02}+08:00" for number in range(count)]
    lines = [event("mcn.onboarded", f"on-{time}", time, subject="mcn/a") | {"recordedtime": time} for time in times]
    ingest_events(store, lines, tmp_path, backfill=True)
    instants = [begin + n * 333_333 for n in range(-3, 3 * count + 9, 7)]
    for high in {count, count // 2}:
        found = last_known_each(store, instants, high)
        assert found == [last_known(store, at, 0, high) for at in instants]
        assert found == [min(high, max(0, (at - begin) // 1_000_000 + 1)) for at in instants]
