"""What a database says went wrong, in one form: whichever of both says it, and through whatever it was asked."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from replay.errors import LevelbookError


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
    """Raises what `named` makes of an error of either database, asked through SQLAlchemy or not."""
    import psycopg
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (DBAPIError, sqlite3.Error, psycopg.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        is_operational = isinstance(cause, sqlite3.OperationalError | psycopg.OperationalError)
        raise named(Failure(first_line(cause), getattr(cause, "sqlstate", None), is_operational)) from error
