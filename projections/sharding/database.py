"""Where the views of a set lie: in one file beside that of the set, whichever databases its ledgers are in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from projections.views.database import BUSY_SECONDS, VIEWS_PRAGMAS, Views, check_views
from replay.errors import UsageError
from replay.sharding.opened import LedgerSet
from replay.store.beside import beside, make_private, sqlite_engine


class SetViews(NamedTuple):
    """The views of a set, and the same as seen from each of its ledgers."""

    whole: Views
    parts: Sequence[Views]
    """By shard: their builds hold the rows of its subjects alone, at its own positions."""


def set_views_path(opened: LedgerSet) -> Path:
    return beside(opened.path, ".views")


@contextmanager
def open_set_views(opened: LedgerSet, *, make: bool = False) -> Iterator[SetViews]:
    """The views of a set; `make` makes the place for them. Raises UsageError where there is none, or of another set."""
    path = set_views_path(opened)
    if make:
        make_private(path)
    elif not path.exists():
        raise UsageError(f"{opened.path} has no views yet; 'levelbook rebuild' makes them")
    of_set = (opened.document.set_id, str(opened.path))
    engine = sqlite_engine(path, busy_seconds=BUSY_SECONDS, pragmas=VIEWS_PRAGMAS)
    parts = [Views(store, engine, None, path, of_set=of_set) for store in opened.stores]
    whole = Views(opened.agencies, engine, None, path, of_set=of_set)
    try:
        check_views(whole, make=make)
        yield SetViews(whole, parts)
    finally:
        whole.close()
