"""Two connections read one snapshot of the views, or there is but one."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest
from sqlalchemy import Connection, insert, select, update

from projections.exporting import reading
from projections.views.database import Views, open_views
from replay.store.base.store import Store
from tests.support.exports import exported, held
from tests.support.views import empty_live

ROUNDS = 60
PATIENCE_SECONDS = 60
ROWS = 40
AT_FIRST = 0


@pytest.fixture
def views(store: Store) -> Iterator[Views]:
    """Views whose levels and changes all bear one number."""
    with open_views(store, make=True) as opened:
        empty_live(opened)
        level = {"scheme": "s", "state": "rated", "effective_state": "rated", "policy": "p", "policy_hash": "h"}
        with opened.moving() as connection:
            for place in range(ROWS):
                row = {**level, "subject": f"merchant/{place:02}", "score": AT_FIRST, "assumed": False}
                connection.execute(insert(opened.tables(1)["levels"]), row)
                figures = {"subject": row["subject"], "scheme": "s", "next_at": AT_FIRST}
                connection.execute(insert(opened.tables(1)["calendar"]), figures)
        yield opened


def bear(views: Views, number: int) -> None:
    """Give every row another number, in one transaction."""
    with views.moving() as connection:
        connection.execute(update(views.tables(1)["levels"]).values(score=number))
        connection.execute(update(views.tables(1)["calendar"]).values(next_at=number))


@contextmanager
def moving_on(views: Views) -> Iterator[None]:
    """While another thread gives all rows one number after another."""
    done = Event()

    def run() -> None:
        number = AT_FIRST
        while not done.is_set():
            number += 1
            bear(views, number)
            done.wait(0.002)

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def numbers(views: Views, connection: Connection) -> set[int]:
    levels, calendar = views.tables(1)["levels"], views.tables(1)["calendar"]
    return {*connection.scalars(select(levels.c.score)), *connection.scalars(select(calendar.c.next_at))}


def test_two_connections_are_of_one_moment_or_there_is_one(views: Views) -> None:
    by_two, found, until = 0, set[int](), monotonic() + PATIENCE_SECONDS
    with moving_on(views):
        for number in count():
            is_seen = len(found) > 3 and (by_two > 0 or views.schema is not None)
            if (number >= ROUNDS and is_seen) or monotonic() > until:  # a busy machine moves them seldom
                break
            with views.reading_by_two() as connections:
                seen = [numbers(views, connection) for connection in connections]
            assert len(seen[0]) == 1 and all(some == seen[0] for some in seen)
            by_two += len(connections) - 1
            found |= seen[0]
    assert len(found) > 3
    assert by_two > 0 if views.schema is None else by_two == 0


def test_there_is_one_where_the_views_moved_meanwhile(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Views.reading

    @contextmanager
    def moved(self: Views) -> Iterator[Connection]:
        bear(self, 7)
        with plain(self) as connection:
            yield connection

    with views.reading_by_two() as connections:
        assert len(connections) == (2 if views.schema is None else 1)
    monkeypatch.setattr(Views, "reading", moved)
    with views.reading_by_two() as connections:
        assert len(connections) == 1 and numbers(views, connections[0]) == {7}


@pytest.mark.slow
def test_an_export_is_of_one_moment_while_the_views_move(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK_ROWS", 3)
    found = set()
    with moving_on(views):
        for _ in range(8):
            exported(views, tmp_path / "out", ("v1_levels", "v1_calendar"), full=True)
            rows = held(tmp_path / "out")
            seen = {row[4] for row in rows["v1_levels"]} | {row[2] for row in rows["v1_calendar"]}
            assert len(seen) == 1 and len(rows["v1_levels"]) == len(rows["v1_calendar"]) == ROWS
            found |= seen
    assert len(found) > 1
