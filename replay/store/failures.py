"""What a database says went wrong, in one form: whichever of the two it is, through SQLAlchemy or not."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from replay.errors import BusyError, LevelbookError

ALL_IN_USE: Final = "every connection to it is in use, and none was given back in time; ask again in a moment"


class Failure(NamedTuple):
    """An error of a database."""

    text: str
    """The first line of what it says."""
    sqlstate: str | None
    """PostgreSQL's code of it."""
    is_operational: bool
    """Whether the database cannot be used now: the connection was lost, its disk fails."""


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its kind where it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


@contextmanager
def failures_named(named: Callable[[Failure], LevelbookError]) -> Iterator[None]:
    """Raises what `named` makes of an error of either database, through SQLAlchemy or not.

    Raises BusyError, in the same words, where every connection of an engine is in use and none is given back in time.
    """
    import psycopg
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.exc import TimeoutError as NoneGivenBack

    try:
        yield
    except NoneGivenBack as error:
        raise BusyError(str(named(Failure(ALL_IN_USE, None, True)))) from error
    except (DBAPIError, sqlite3.Error, psycopg.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        is_operational = isinstance(cause, sqlite3.OperationalError | psycopg.OperationalError)
        raise named(Failure(first_line(cause), getattr(cause, "sqlstate", None), is_operational)) from error
