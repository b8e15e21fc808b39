"""What is kept of deliveries, beside the ledger and its views: with SQLite in the file `STORE.deliveries`, with
PostgreSQL in the schema `levelbook_deliveries`.

It outlives every rebuild of the views, whose feed goes on counting. Where they were made again from nothing the feed
has another name, and each endpoint begins anew.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update

from projections.delivering.endpoints import Delivery, Endpoint, Progress
from projections.delivering.tables import POSTGRES_SCHEMA, delivery_tables
from projections.http.own_tables import Home, OwnTables, file_of, is_made, make_place
from projections.views.database import make_schema
from replay.errors import StoreError, UsageError
from replay.store.base.store import Store
from replay.store.beside import advisory_lock, beside, examining_mode, locked
from replay.store.sqlite import SqliteStore

HOME: Final = Home("what is kept of deliveries", ".deliveries", POSTGRES_SCHEMA, "levelbook-deliveries", "endpoints")
ENDPOINTS_MAX: Final = 100
"""Each has a thread of its own."""
_LOCK: Final = 0x4C764205
"""Of PostgreSQL: held by the one process that delivers."""


class Deliveries(OwnTables):
    """Endpoints and how far each is, open; from any thread."""

    def __init__(self, store: Store, *, mode: str, pragmas: Sequence[str]) -> None:
        super().__init__(HOME, store, mode=mode, pragmas=pragmas)
        self._lock_file = beside(file_of(HOME, store), ".run") if isinstance(store, SqliteStore) else None
        self._endpoints, self._progress, self._secrets = delivery_tables(self._schema)

    def make(self) -> None:
        """Make the tables unless they are there. Raises StoreError where that may not be done."""
        if self.is_there():
            return
        with self._writing() as connection:
            if self._schema is not None:
                make_schema(connection, self._schema)
            self._endpoints.metadata.create_all(connection)

    @contextmanager
    def alone(self) -> Iterator[Callable[[], None]]:
        """Hold the right to deliver: two at a time would send everything twice, and out of order.

        Raises StoreError where another process holds it. What it gives raises StoreError once the right is lost.
        """
        busy = StoreError(
            f"another 'levelbook deliver run' delivers the changes of {self._name}; there is one at a time: end that"
            " one first"
        )
        if self._lock_file is None:
            with self._failures_named(), advisory_lock(self._engine, _LOCK, busy) as check:

                def check_named() -> None:
                    with self._failures_named():
                        check()

                yield check_named
            return
        with locked(self._lock_file, busy):
            yield lambda: None

    # --- for the commands ---------------------------------------------------------------------------------------------

    def add(self, endpoint: Endpoint, progress: Progress, secret: str | None) -> None:
        """Keep a new endpoint. Raises UsageError where there is one of its URL, or are as many as may be."""
        with self._writing() as connection:
            same = select(self._endpoints.c.id).where(self._endpoints.c.url == endpoint.url)
            if (other := connection.execute(same).scalar()) is not None:
                raise UsageError(
                    f"endpoint {other} is of this URL already; 'levelbook deliver remove {other}' removes it"
                )
            if connection.execute(select(func.count()).select_from(self._endpoints)).scalar_one() >= ENDPOINTS_MAX:
                raise UsageError(
                    f"there are {ENDPOINTS_MAX} endpoints, as many as may be: remove one, or let the receiver hand on"
                    " what it gets"
                )
            connection.execute(insert(self._endpoints).values(_row(endpoint)))
            connection.execute(insert(self._progress).values(progress._asdict()))
            if secret is not None:
                connection.execute(insert(self._secrets).values(endpoint=endpoint.id, number=1, secret=secret))
        if self.of(endpoint.id) != Delivery(endpoint, progress):
            raise StoreError(
                f"what is kept of deliveries beside {self._name} is not written as it was told; look for a trigger or"
                " rule on its tables, remove it, then try again"
            )

    def remove(self, name: str) -> Endpoint:
        """Forget an endpoint with its secrets. Raises UsageError for one that there is not."""
        found = self.named(name)
        with self._writing() as connection:
            connection.execute(delete(self._secrets).where(self._secrets.c.endpoint == name))
            connection.execute(delete(self._progress).where(self._progress.c.endpoint == name))
            connection.execute(delete(self._endpoints).where(self._endpoints.c.id == name))
        return found.endpoint

    def enable(self, name: str) -> Delivery:
        """Try an endpoint again from now on, and as if it had not failed. Gives how it stood."""
        found = self.named(name)
        self._update(name, failures=0, failing_since=None, due_at=None, problem=None, disabled_at=None)
        return found

    def rotate(self, name: str, secret: str, ends_at: int) -> None:
        """Sign with another secret, too, and with those before it until an instant."""
        self.named(name)
        mine = self._secrets.c.endpoint == name
        with self._writing() as connection:
            last = connection.execute(select(func.max(self._secrets.c.number)).where(mine)).scalar()
            if last is None:
                raise UsageError(
                    f"endpoint {name} is a topic, whose records are not signed; it has no secret to rotate"
                )
            still = or_(self._secrets.c.ends_at.is_(None), self._secrets.c.ends_at > ends_at)
            connection.execute(update(self._secrets).where(mine, still).values(ends_at=ends_at))
            connection.execute(insert(self._secrets).values(endpoint=name, number=last + 1, secret=secret))

    # --- looking ------------------------------------------------------------------------------------------------------

    def all(self) -> list[Delivery]:
        """Every endpoint, the oldest first."""
        return self._found()

    def of(self, name: str) -> Delivery | None:
        """An endpoint by its id; None where there is none."""
        return next(iter(self._found(name)), None)

    def named(self, name: str) -> Delivery:
        """The same. Raises UsageError where there is none."""
        found = self.of(name)
        if found is None:
            raise no_endpoint(name)
        return found

    def secrets(self, name: str, now: int) -> list[str]:
        """The secrets that hold at an instant, the latest first."""
        secrets = self._secrets.c
        holds = (secrets.endpoint == name) & or_(secrets.ends_at.is_(None), secrets.ends_at > now)
        with self._reading() as connection:
            query = select(secrets.secret).where(holds).order_by(secrets.number.desc())
            return list(connection.execute(query).scalars())

    # --- going on -----------------------------------------------------------------------------------------------------

    def arrived(self, name: str, feed: str, number: int, count: int, now: int) -> bool:
        """All up to a number has arrived, so many of it now. False where the endpoint was removed meanwhile."""
        delivered = self._progress.c.delivered + count
        cleared = {"failures": 0, "failing_since": None, "due_at": None, "problem": None}
        return self._update(name, feed=feed, number=number, delivered=delivered, delivered_at=now, **cleared)

    def looked(self, name: str, feed: str, number: int) -> bool:
        """Up to a number there is nothing more that concerns the endpoint."""
        return self._update(name, feed=feed, number=number)

    def begin_anew(self, name: str, feed: str) -> bool:
        """The feed of the views begins anew, under another name."""
        return self._update(name, feed=feed, number=-1, begun=self._progress.c.begun + 1)

    def failed(self, name: str, failures: int, since: int, due_at: int, problem: str, disabled_at: int | None) -> bool:
        """An attempt failed, after so many failures in a row; when the next one may be, or that there is none.

        False where there are not so many any more: the endpoint was enabled, or removed, meanwhile.
        """
        noted = {"failing_since": since, "due_at": due_at, "problem": problem, "disabled_at": disabled_at}
        return self._update(name, self._progress.c.failures == failures, failures=failures + 1, **noted)

    def _update(self, name: str, *where: ColumnElement[bool], **values: Any) -> bool:
        with self._writing() as connection:
            mine = update(self._progress).where(self._progress.c.endpoint == name, *where)
            return bool(connection.execute(mine.values(values)).rowcount)

    def _found(self, name: str | None = None) -> list[Delivery]:
        endpoints, progress = self._endpoints, self._progress
        query = select(endpoints, progress).join(progress, progress.c.endpoint == endpoints.c.id)
        query = query.order_by(endpoints.c.made_at, endpoints.c.id)
        if name is not None:
            query = query.where(endpoints.c.id == name)
        with self._reading() as connection:
            return [_delivery(row) for row in connection.execute(query)]


def open_deliveries(store: Store) -> Deliveries:
    """What is kept of deliveries; made where there is none. Raises StoreError where that may not be."""
    if isinstance(store, SqliteStore):
        make_place(HOME, store)
    found = Deliveries(store, mode="rw", pragmas=("journal_mode = WAL", "synchronous = FULL"))
    try:
        found.make()
    except BaseException:
        found.close()
        raise
    return found


def find_deliveries(store: Store) -> Deliveries | None:
    """The same, only to be read; None where there is none. Makes nothing, and changes nothing."""
    if not is_made(HOME, store):
        return None
    mode = examining_mode(file_of(HOME, store)) if isinstance(store, SqliteStore) else "rw"
    found = Deliveries(store, mode=mode, pragmas=("query_only = ON",) if mode == "rw" else ())
    try:
        is_there = found.is_there()
    except BaseException:
        found.close()
        raise
    if not is_there:
        found.close()
        return None
    return found


def no_endpoint(name: str) -> UsageError:
    return UsageError(f"there is no endpoint {name!r}; 'levelbook deliver list' shows them")


def _row(endpoint: Endpoint) -> dict[str, Any]:
    flags = {name: int(getattr(endpoint, name)) for name in ("allow_private", "allow_http")}
    return endpoint._asdict() | {"schemes": " ".join(endpoint.schemes)} | flags


def _delivery(row: Sequence[Any]) -> Delivery:
    made = Endpoint._make(row[: len(Endpoint._fields)])
    endpoint = made._replace(
        schemes=tuple(str(made.schemes).split()),
        allow_private=bool(made.allow_private),
        allow_http=bool(made.allow_http),
    )
    return Delivery(endpoint, Progress._make(row[len(Endpoint._fields) :]))
