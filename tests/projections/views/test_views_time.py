"""The law of time: where nothing happens for a while, views still hold what replays and builds from nothing give."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from domain.calendar import day_of, day_start, month_of, month_start, parse_instant
from domain.limits import DAY_MICROS, HOUR_MICROS, SECOND_MICROS
from projections.projector.advance import advance
from projections.projector.fill import fill
from projections.projector.rebuild import new_build
from projections.views.database import BUILDING, Views, open_views
from projections.views.readahead import Windows
from replay.decisions.application import Ledger
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.making import Event, event, ingest_events, paid
from tests.support.views import empty_live, proof_of, tables_of
from tests.worlds.ledgers import BEGIN, SCHEMES, World, revised

NEAR = (-SECOND_MICROS, -1, 0, 1, SECOND_MICROS)
"""How far from an instant of the calendar a step may end, in microseconds."""


def calendar_after(views: Views, now: int) -> list[int]:
    """The next instants after one at which the calendar alone may change something, of every kind."""
    month = month_of(now)
    with views.reading() as connection:
        tables = views.tables(1)
        noted = [row.next_at for row in connection.execute(tables["calendar"].select())]
    of_months = [
        month_start(begun) + (day - 1) * DAY_MICROS + hours * HOUR_MICROS
        for begun in (month, month + 1)
        for day, hours in ((1, 0), (3, 0), (16, 12))
    ]
    days = [day_start(day_of(now) + 1), now + 15 * DAY_MICROS]
    return sorted({at for at in (*noted, *of_months, *days) if at > now})


def quiet_steps(views: Views, random: Random, now: int) -> Iterator[int]:
    """Instants to which time passes while nothing happens: near those of the calendar, mostly the next ones."""
    for _ in range(random.choice((0, 1, 1, 2, 3, 5))):
        at = random.choice(calendar_after(views, now)[: random.choice((1, 2, 5, 20))])
        now = max(now, at + random.choice(NEAR))
        yield now


def assert_as_from_nothing(views: Views) -> None:
    """Every row is that of a build filled from nothing at the same moment."""
    with views.moving() as connection:
        live = views.live(connection)
        made = new_build(views, connection, 2, BUILDING)._replace(position=live.position, as_of=live.as_of)
        views.add_build(connection, made)
    fill(views, 2)
    expected, found = tables_of(views, 2), tables_of(views, 1)
    for name, rows in expected.items():
        assert found[name] == rows, name
    with views.moving() as connection:
        views.drop_build(connection, 2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_views_hold_what_replays_give_while_time_passes_by_itself(seed: int, tmp_path: Path) -> None:
    """Months close, levels are published, credits fall due, days and observations end: with and without events."""
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        random, world, windows, now = Random(seed), World(seed), Windows(), BEGIN
        empty_live(views)
        quiet = 0
        for number in range(24):
            world.now = now
            ingest_events(store, world.events(random.choice((1, 2, 2, 5, 15))), tmp_path)
            if seed % 2 and random.random() < 0.2:  # the same two by turns, with runs kept under either
                Ledger(store).adopt(revised(random.choice(SCHEMES), random.randrange(2)))
            for at in (now, *quiet_steps(views, random, now)):
                moved, now = advance(views, 1, at, windows=windows), at
                quiet += moved.events == 0
                assert moved.set_aside == 0
                assert proof_of(views).problems == []
            if number % 8 == 7:
                assert_as_from_nothing(views)
        assert quiet > 20 and now - BEGIN > 60 * DAY_MICROS


def review(order: str, time: str) -> Event:
    return event("review.posted", f"review-{order}", time, order=order, quality=5)


@pytest.mark.parametrize(
    "pauses",
    [
        ("2023-02-16T11:59:50+08:00", "2023-02-16T12:00:00+08:00"),
        ("2023-02-16T11:59:59.999999+08:00", "2023-02-16T12:00:00.000001+08:00"),
        ("2023-02-01T00:00:00+08:00", "2023-02-16T12:00:00+08:00"),
        ("2023-02-16T12:00:00+08:00",),
        ("2023-02-20T12:00:00+08:00",),
    ],
)
def test_a_merchant_that_pauses_over_a_publication_goes_on(pauses: Sequence[str], tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        windows = Windows()
        empty_live(views)
        onboarded = event("merchant.onboarded", "on", "2023-01-05T10:00:00+08:00", category="toys")
        ingest_events(
            store,
            [onboarded, paid("o-1", "2023-01-06T10:00:00+08:00"), review("o-1", "2023-01-07T10:00:00+08:00")],
            tmp_path,
        )
        for at in ("2023-01-10T10:00:00+08:00", *pauses):
            advance(views, 1, parse_instant(at), windows=windows)
        (tmp_path / "later").mkdir()
        later = [paid("o-2", "2023-02-16T12:00:02+08:00"), review("o-2", "2023-02-16T12:00:03+08:00")]
        ingest_events(store, later, tmp_path / "later")
        moved = advance(views, 1, parse_instant("2023-02-20T12:00:30+08:00"), windows=windows)
        assert moved.set_aside == 0 and moved.events == 2
        assert proof_of(views).problems == []
