"""Following the ledger: one step after another, of new events and of what time alone changes."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import func, select

from domain.calendar import instant_text
from domain.limits import DAY_MICROS, SECOND_MICROS
from projections.projector.advance import StepReport, advance
from projections.projector.rebuild import Asked, rebuild
from projections.schemes.loading import loops_when_idle
from projections.schemes.registry import check_views_of_shard, check_views_whole
from projections.views.belonging import check_clock, check_history
from projections.views.database import Build, Views, has_live
from projections.views.definitions import check_definitions
from projections.views.readahead import Windows
from replay.decisions.adopt import adopt_used_by_views
from replay.errors import StoreError
from replay.store.base.store import Store
from replay.tracing import span

IDLE_SECONDS: Final = 0.05
"""How long to wait before looking again when nothing is new: a part of the time from append to visible."""
YOUNG_OBJECTS: Final = 200_000
"""How many new objects call for a look at the young ones; older ones are looked through after a hundred of these."""
FRESH_MICROS: Final = 1_000_000
"""The views' as_of moves on at least this often, also when nothing happens."""

JUMP_MICROS_MAX: Final = DAY_MICROS
"""How much further than time has passed on this machine the ledger's clock may move on between two looks at it."""


class ClockJumped(StoreError):
    """The ledger's clock jumped forward while it was looked at; only a person can tell whether it is right now."""

    exit_status = 4


class _Clock:
    """The ledger's clock, held against the time that passed: views never go back, so one wrong jump would stay."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._at, self._passed = store.now(), passed_micros()

    def now(self) -> int:
        now, passed = self._store.now(), passed_micros()
        if now - self._at > passed - self._passed + JUMP_MICROS_MAX:
            seconds = (passed - self._passed) // SECOND_MICROS
            raise ClockJumped(
                f"the clock of {self._store.name} went from {instant_text(self._at)} to {instant_text(now)} while"
                f" {seconds} s passed; the views were not moved. Set the clock right; where it is right, start"
                " 'levelbook follow' again"
            )
        self._at, self._passed = now, passed
        return now


def passed_micros() -> int:
    """Time as this machine has lived it, sleep included, whatever its clock is set to."""
    kind = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(kind) // 1_000


def follow(
    views: Views,
    *,
    stay: bool,
    told: Callable[[StepReport], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
    beside: Callable[[Build], None] = lambda _: None,
) -> None:
    """Move the live build on to the ledger's head, and with `stay` on and on until it is stopped.

    Makes the views where there are none, once the ledger holds anything. A rebuild may switch meanwhile: a step moves
    what is live then. `beside` is told where the live build stands, at the beginning and after each step, and moves
    what is kept beside it. Raises StoreError when another process follows and when a file was removed or replaced,
    LevelbookError for a scheme whose view is not whole,
    OtherHistory where the ledger is not the one that the views were moved by, AheadOfClock where its clock stands
    behind them, ClockJumped where it jumps forward.
    """
    check_views_whole()
    store = views.store
    check_views_of_shard(store)
    check_definitions(views)
    store.index_later()
    windows, clock = Windows(), _Clock(store)
    with views.alone("follow") as check_alone, _seldom_collected(), loops_when_idle() as idle:
        while store.head().position == 0 and not stopped():
            if not stay:
                return
            views.check_current()
            time.sleep(IDLE_SECONDS)
        if not has_live(views) and not stopped():
            rebuild(views, Asked())
        if not stopped():
            with views.reading() as connection:
                live = views.live(connection)
                check_history(store, live)
            beside(live)
        used_until = 0  # what is used up to here is adopted
        while not stopped():
            check_alone()
            views.check_current()
            with views.reading() as connection:
                live = views.live(connection)
                calendar = views.tables(live.build)["calendar"]
                next_at = connection.execute(select(func.min(calendar.c.next_at))).scalar_one()
            now, head = clock.now(), store.head().position
            check_clock(store, live.as_of, now)
            if now >= used_until:
                used_until = adopt_used_by_views(store, now)
                head = store.head().position
            due = next_at is not None and next_at <= now
            if head != live.position or due or now >= live.as_of + FRESH_MICROS:
                moved = _step(views, live, now, windows)
                told(moved)
                beside(moved.build)
                if moved.build.position >= head and not stay:
                    return
            elif not stay:
                return
            else:
                idle(head)
                time.sleep(IDLE_SECONDS)


def _step(views: Views, live: Build, now: int, windows: Windows) -> StepReport:
    with span("follow step", {"levelbook.build": live.build, "levelbook.from_position": live.position}) as tell:
        moved = advance(views, live.build, now, windows=windows)
        tell(
            {
                "levelbook.position": moved.build.position,
                "levelbook.events": moved.events,
                "levelbook.units": moved.units,
                "levelbook.set_aside": moved.set_aside,
            }
        )
    return moved


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Few cycles come about while following, and much is cached: looking through it often takes a fifth of the time."""
    usual = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
