"""Where the views of a PostgreSQL ledger stand, seen by one statement for all who wait to know it."""

from asyncio import Task, create_task, shield, wait
from time import monotonic
from typing import Final

import psycopg
from starlette.concurrency import run_in_threadpool

from projections.http.problems import no_views
from projections.reading.freshness import Seen, ViewsStanding
from projections.reading.lending import Lending
from projections.reading.point_reads import BUSY_SECONDS, HEAD_SECONDS, STANDING_SQL
from projections.views.belonging import SeenHistory
from projections.views.location import POSTGRES_SCHEMA
from replay.errors import StoreError
from replay.store.postgres import NOW_SQL
from replay.store.postgres_sessions import connected

_SEEN_SQL: Final = STANDING_SQL.replace(" FROM builds", f", {NOW_SQL} FROM builds")


class RemoteLook:
    """Looks by a connection of its own, in a thread, one look at a time; for one event loop."""

    def __init__(self, stores: Lending) -> None:
        self._stores = stores
        self._connection: psycopg.Connection | None = None
        self._under_way: Task[Seen] | None = None
        self._following: Task[Seen] | None = None
        self._history = SeenHistory()
        self._seen: tuple[int, str] | None = None
        self._head, self._head_until = 0, 0.0

    async def seen(self) -> Seen:
        """Where the views stand, seen no earlier than this was called. Raises Problem and StoreError."""
        if self._following is None:  # the one that is under way may have seen what stood there before
            self._following = create_task(self._after(self._under_way))
        return await shield(self._following)

    async def _after(self, before: "Task[Seen] | None") -> Seen:
        if before is not None:
            await wait([before])
        self._under_way, self._following = self._following, None
        return await run_in_threadpool(self._look)

    def _look(self) -> Seen:
        try:
            row = self._connected().execute(_SEEN_SQL).fetchone()
        except psycopg.Error as error:
            self.close()
            raise StoreError(f"where the views stand cannot be read: {error}") from error
        if row is None:
            raise no_views()
        *place, now = row
        standing = ViewsStanding._make((*place, 0))
        return Seen(standing._replace(head=self._seen_head(standing.position, standing.chain)), now)

    def _seen_head(self, position: int, chain: str) -> int:
        """The end of the ledger, as it was a moment ago. Raises OtherHistory where the views are of another one."""
        if (position, chain) != self._seen or monotonic() >= self._head_until:
            with self._stores.lent() as store:
                self._history.check(store, position, chain)
                self._head = store.head().position
            self._seen, self._head_until = (position, chain), monotonic() + HEAD_SECONDS
        return self._head

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = connected(
                self._stores.location,
                application="levelbook-views",
                lock_seconds=BUSY_SECONDS,
                search_path=POSTGRES_SCHEMA,
            )
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
