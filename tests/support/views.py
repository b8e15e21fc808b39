"""What tests of views compare: what they hold, what a proof finds, views beside them built from nothing."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import select

from domain.limits import DAY_MICROS, HOUR_MICROS
from projections.projector.advance import advance
from projections.projector.fill import fill
from projections.projector.prove import Proof, prove
from projections.projector.rebuild import Asked, new_build, rebuild, switch_back
from projections.views.database import LIVE, READY, Build, Views
from projections.views.readahead import Windows
from projections.views.tables import TABLE_NAMES
from replay.decisions.application import Ledger
from tests.support.making import ingest_events
from tests.worlds.ledgers import BEGIN, END, SCHEMES, World, revised

ALL = 10**9
"""A sample of everything."""
TURNS = 14


def empty_live(views: Views, as_of: int = BEGIN) -> None:
    """A live build that has seen nothing."""
    beside(views, 1, LIVE, as_of)
    with views.moving() as connection:
        views.switch(connection, 1)


def beside(views: Views, number: int, role: str, as_of: int = BEGIN) -> None:
    """A build that has seen nothing."""
    start = views.store.identity.chain_start.hex()
    with views.moving() as connection:
        views.add_build(connection, Build(number, role, 0, as_of, "{}", "test", READY, 0, 0, 0, 0, "[]", start))


def proof_of(views: Views, role: str = LIVE) -> Proof:
    """The proof of a build over every subject."""
    with views.reading() as connection:
        build = views.in_role(connection, role)
        assert build is not None
        return prove(views.store, connection, views.tables(build.build), build, Random(0), ALL)


def tables_of(views: Views, number: int) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a build, by table."""
    found = {}
    with views.reading() as connection:
        for name in TABLE_NAMES:
            rows = [tuple(row) for row in connection.execute(select(views.tables(number)[name]))]
            found[name] = sorted(rows, key=repr)
    return found


def grown(views: Views, folder: Path, seed: int, count: int) -> Iterator[int]:
    """Let a ledger and its calendar grow by random steps of both; after each the views stand at its head."""
    random, world = Random(seed), World(seed)
    now, made, windows = BEGIN, 0, Windows() if seed % 3 else None
    while made < count:
        some = random.randrange(1, 20)
        place = folder / f"events-{made}"
        place.mkdir()
        ingest_events(views.store, world.events(some), place)
        made += some
        now += random.choice((0, HOUR_MICROS, DAY_MICROS, 3 * DAY_MICROS, 11 * DAY_MICROS, 33 * DAY_MICROS))
        while (
            advance(views, 1, now, random.choice((3, 10, 1_000)), windows).build.position < views.store.head().position
        ):
            pass
        yield now


def going_on(views: Views, folder: Path, seed: int) -> Iterator[None]:
    """A ledger and its calendar that go on, with policies adopted, and builds that are switched to and fro."""
    random, world, now = Random(seed), World(seed), BEGIN
    for turn in range(TURNS):
        place = folder / f"events-{turn}"
        place.mkdir()
        ingest_events(views.store, world.events(random.randrange(1, 25)), place)
        if random.random() < 0.2:
            Ledger(views.store).adopt(revised(SCHEMES[turn % 4], turn + seed))
        now += random.choice((0, 1, 11, 33)) * DAY_MICROS
        with views.reading() as connection:
            live = views.live(connection).build
        while advance(views, live, now).build.position < views.store.head().position:
            pass
        if turn >= TURNS - 3:
            rebuild(views, Asked(sample=0))
            if random.random() < 0.5:
                switch_back(views)
        yield


def assert_same_rows(views: Views) -> None:
    """The second build holds what the first does, in every table."""
    expected, found = tables_of(views, 1), tables_of(views, 2)
    for name, rows in expected.items():
        assert found[name] == rows, name


def filled(
    views: Views, number: int, role: str, as_of: int = END, progress: Any = lambda *_: None, **how: Any
) -> Build:
    """A build filled at the ledger's head and an instant; `how` is what else `fill` takes."""
    with views.moving() as connection:
        build = new_build(views, connection, number, role)._replace(as_of=as_of)
        views.add_build(connection, build)
    fill(views, number, progress, **how)
    return build
