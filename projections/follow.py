"""Following the ledger: one step after another, of new events and of what time alone changes."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import func, select

from projections.advance import Moved, advance
from projections.rebuild import Asked, rebuild
from projections.views import Views, has_live
from projections.windows import Windows

IDLE_SECONDS: Final = 0.05
"""How long to wait before looking again when nothing is new: a part of the time from append to visible."""
YOUNG_OBJECTS: Final = 200_000
"""How many new objects call for a look at the young ones; older ones are looked through after a hundred of these."""
FRESH_MICROS: Final = 1_000_000
"""The views' as_of moves on at least this often, also when nothing happens."""


def follow(
    views: Views,
    *,
    stay: bool,
    told: Callable[[Moved], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Move the live build on to the ledger's head, and with `stay` on and on until it is stopped.

    Makes the views where there are none, once the ledger holds anything. A rebuild may switch meanwhile: a step moves
    what is live then. Raises StoreError when another process follows.
    """
    store = views.store
    store.index_by_time()
    windows = Windows()
    with views.alone("follow") as check_alone, _seldom_collected():
        while store.head().position == 0 and not stopped():
            if not stay:
                return
            time.sleep(IDLE_SECONDS)
        if not has_live(views) and not stopped():
            rebuild(views, Asked())
        while not stopped():
            check_alone()
            with views.reading() as connection:
                live = views.live(connection)
                calendar = views.tables(live.build)["calendar"]
                next_at = connection.execute(select(func.min(calendar.c.next_at))).scalar_one()
            now, head = store.now(), store.head().position
            due = next_at is not None and next_at <= now
            if head > live.position or due or now >= live.as_of + FRESH_MICROS:
                moved = advance(views, live.build, now, windows=windows)
                told(moved)
                if moved.build.position >= head and not stay:
                    return
            elif not stay:
                return
            else:
                time.sleep(IDLE_SECONDS)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Few cycles come about while following, and much is kept: looking through it often takes a fifth of the time."""
    usual = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
