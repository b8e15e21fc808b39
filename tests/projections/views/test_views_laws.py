"""Laws over all rows of a build name the row that breaks them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from projections.projector.prove import invariants
from projections.projector.rebuild import Asked, rebuild
from projections.views.database import Views, open_views
from replay.store.base.store import Store
from tests.support.making import ingest_events
from tests.worlds.ledgers import World


@pytest.fixture
def grown(store: Store, tmp_path: Path) -> Iterator[Views]:
    """Views of a small random ledger, live at its head."""
    ingest_events(store, World(3).events(250), tmp_path)
    with open_views(store, make=True) as views:
        rebuild(views, Asked(sample=0))
        yield views


def broken(views: Views) -> list[str]:
    with views.reading() as connection:
        found = invariants(views.store, connection, views.tables(1), views.build(connection, 1), ())
    return [problem for problem in found if problem]


def test_each_month_opens_with_what_the_one_before_closed_with(grown: Views) -> None:
    assert broken(grown) == []
    months = grown.tables(1)["reputation_months"]
    with grown.moving() as connection:
        several = select(months.c.subject).group_by(months.c.subject).having(func.count() > 2)
        subject = connection.execute(several.order_by(months.c.subject)).scalars().first()
        _, second, *_ = connection.execute(
            select(months.c.month).where(months.c.subject == subject).order_by(months.c.month)
        ).scalars()
        row = (months.c.subject == subject) & (months.c.month == second)
        opening = connection.execute(select(months.c.opening_tenths).where(row)).scalar_one()
        connection.execute(update(months).where(row).values(opening_tenths=opening + 7))
    assert broken(grown) == [f"{subject}: {second} opens with {opening + 7} tenths, not {opening}"]


def test_the_first_month_opens_with_nothing(grown: Views) -> None:
    months = grown.tables(1)["reputation_months"]
    with grown.moving() as connection:
        last = connection.execute(select(func.max(months.c.subject))).scalar_one()
        first = connection.execute(select(func.min(months.c.month)).where(months.c.subject == last)).scalar_one()
        row = (months.c.subject == last) & (months.c.month == first)
        connection.execute(update(months).where(row).values(opening_tenths=3))
    assert broken(grown) == [f"{last}: {first} opens with 3 tenths, not 0"]


@pytest.mark.parametrize("gone", ["end", "first", "middle"])
def test_histories_are_chains(grown: Views, gone: str) -> None:
    past = grown.tables(1)["history"]
    with grown.moving() as connection:
        several = select(past.c.subject, past.c.scheme).group_by(past.c.subject, past.c.scheme)
        subject, scheme = connection.execute(several.having(func.count() > 2)).first() or ("", "")
        rows = (past.c.subject == subject) & (past.c.scheme == scheme)
        last = connection.execute(select(func.max(past.c.number)).where(rows)).scalar_one()
        if gone == "end":
            connection.execute(update(past).where(rows & (past.c.number == last)).values(to_at=5))
        else:
            connection.execute(delete(past).where(rows & (past.c.number == (0 if gone == "first" else 1))))
    (problem,) = [found for found in broken(grown) if "breaks off" in found]
    number = {"end": str(last), "first": "0"}.get(gone)
    assert problem.startswith(f"{subject}: the history of {scheme} breaks off at number {number or ''}")
