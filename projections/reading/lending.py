"""A pool of stores of one ledger, each used by one thread at a time; what is lost or replaced is opened anew."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from projections.http.problems import Problem, unavailable
from replay.errors import StoreError, UsageError
from replay.objects.naming import FilesPlace
from replay.store.base.store import Store
from replay.store.opening import open_store
from replay.store.sqlite import SqliteStore

_log = logging.getLogger("levelbook.service")


class Lending:
    """Stores of a ledger for every thread of a process, opened as they are needed.

    `lost` is called whenever a connection was lost or the ledger's file replaced: nothing that was read before may be
    shown as what stands there now.
    """

    def __init__(
        self, location: str, lost: Callable[[], None] = lambda: None, segments: FilesPlace | None = None
    ) -> None:
        self.location, self._segments = location, segments
        self._lost = lost
        self._lock = Lock()
        self._free: list[Store] = []
        self._ledger: str | None = None
        """The id of the ledger that was opened first."""

    @contextmanager
    def lent(self) -> Iterator[Store]:
        """A store that no other thread uses meanwhile. One that fails is not given back to the pool."""
        store = self._living() or self.open()
        try:
            yield store
            store.check_unchanged()
        except (Problem, UsageError):  # about the request, not about the store
            self._give_back(store)
            raise
        except BaseException:
            store.close()
            raise
        self._give_back(store)

    def open(self) -> Store:
        """A store of the caller's own. Raises StoreError or Problem where it cannot be opened now."""
        try:
            store = open_store(self.location, self._segments)
        except UsageError as error:  # gone, or of another form: not the caller's fault
            raise unavailable(error) from None
        found = store.identity.id
        self._ledger = self._ledger or found
        if found != self._ledger:
            name = store.name
            store.close()
            raise StoreError(
                f"another ledger stands at {name} now: {found}, where {self._ledger} was served;"
                " put that one back, or restart the service"
            )
        return store

    def is_current(self, store: Store) -> bool:
        """Whether a store still reads what stands there; where it does not, the caches are emptied."""
        if store.is_current():
            return True
        lost = "the file was replaced or changed", "the connection or the ledger was lost"
        what = lost[0] if isinstance(store, SqliteStore) else lost[1]
        _log.warning("%s: %s; it is read anew", store.name, what)
        self._lost()
        return False

    def close(self) -> None:
        with self._lock:
            free, self._free = self._free, []
        for store in free:
            store.close()

    def _living(self) -> Store | None:
        """A store that is free and can be read; None where there is none."""
        while True:
            with self._lock:
                if not self._free:
                    return None
                store = self._free.pop()
            if self.is_current(store):
                return store
            store.close()

    def _give_back(self, store: Store) -> None:
        store.blocks.forget()  # of many that lie idle each would keep some tens of megabytes, and files open
        with self._lock:
            self._free.append(store)
