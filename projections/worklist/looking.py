"""How the lists are asked for: which rows, where to go on, and the views that they are read from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from domain.calendar import day_start, month_start, parse_day, parse_month
from projections.http.parameters import wrong
from projections.reading.freshness import ViewsStanding
from projections.reading.reader import Snapshot
from projections.views.belonging import check_belongs
from projections.views.changes import last_number
from projections.views.database import open_views
from projections.views.definitions import check_definitions
from replay.store.base.store import Store

LOOKED_AT: Final = 100_000
"""Of decisions and announcements so many are looked at for one page, which may then hold few rows or none."""
Key = tuple[str | int, ...]


class Filters(NamedTuple):
    """Which rows are wanted: None for all."""

    scheme: str | None = None
    state: str | None = None
    level: str | None = None
    period: str | None = None
    """A month; or of schemes that are decided by the day a day, too."""


class ListPage(NamedTuple):
    """Some rows of a list, and where it goes on."""

    rows: Sequence[dict[str, Any]]
    next: Key | None
    """None at the end: then nothing was left out."""


def bounds_of(period: str) -> tuple[int, int]:
    """When a month, or a day, begins, and when it is over. Raises Problem for one that the calendar has not."""
    try:
        if len(period) > len("2022-11"):
            day = parse_day(period)
            return day_start(day), day_start(day + 1)
        month = parse_month(period)
    except ValueError as error:
        raise wrong("period", f"{period!r} {error}") from None
    return month_start(month), month_start(month + 1)


@contextmanager
def snapshot_beside(store: Store) -> Iterator[Snapshot]:
    """The live views beside a ledger at one moment. Raises UsageError where there are none, OtherHistory."""
    with open_views(store, only_read=True) as views:
        check_definitions(views)
        with views.reading() as connection:
            live = views.live(connection)
            check_belongs(store, live)
            number, head = last_number(connection, views.changes), store.head().position
            standing = ViewsStanding(live.build, live.position, live.as_of, live.chain, live.policies, number, head)
            yield Snapshot(connection, live, views.tables(live.build), standing, views.feed_in(connection))
