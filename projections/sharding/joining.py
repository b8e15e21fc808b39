"""Rows of the builds of several ledgers brought together into one.

What a row says of a position is then said of the set: a ledger's position p of shard s of n is (p - 1) · n + s + 1, so
that no two records have one, and each says which it is.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, case, delete, insert, select

from projections.views.tables import TABLE_NAMES, Tables
from replay.history.timeline import RETRACTED

POSITIONS: Final = {
    "history": ("cause_position",),
    "tier_days": ("cause_position",),
    "reputation_months": ("closed_position",),
    "decisions": ("position", "decided_position"),
    "announced": ("position",),
    "set_aside": ("position",),
    "life": ("position",),
    "bindings": ("position",),
}
"""By table, the columns that say a position."""
FROM_CREATORS: Final = ("creator_months", "creator_figures", "mcn_parts")
"""What agencies are judged from beside their own records and bindings."""
JUDGED: Final = ("levels", "history", "calendar")
"""Tables of all kinds of subject that say what was judged."""
_OF_AGENCIES: Final = "mcn/%"


def position_in_set(position: Any, number: int, of: int) -> Any:
    """The position in a set of a position of one of its ledgers."""
    return (position - 1) * of + number + 1


def lend_bindings(connection: Connection, home: Tables, part: Tables) -> None:
    """Give a part the bindings of agencies, which the first ledger holds, with what retracts them: by these creators
    leave their figures to agencies.
    """
    take_back_bindings(connection, part)
    _copy(connection, home, part, "bindings")
    _copy(connection, home, part, "life", [home["life"].c.subject.like(_OF_AGENCIES)])


def take_back_bindings(connection: Connection, part: Tables) -> None:
    """Take them from a part that has no agencies of its own."""
    connection.execute(delete(part["bindings"]))
    connection.execute(delete(part["life"]).where(part["life"].c.subject.like(_OF_AGENCIES)))


def parts_joined(connection: Connection, parts: Sequence[Tables], made: Tables) -> None:
    """Bring the rows of all parts into one build, but for levels of agencies: these rest on all creators."""
    for number, part in enumerate(parts):
        for name in TABLE_NAMES:
            if name not in ("mcn_months", "leaderboards"):
                conditions = [part[name].c.subject.not_like(_OF_AGENCIES)] if name in JUDGED else []
                _copy(connection, part, made, name, conditions, (number, len(parts)))


def lend_creators(connection: Connection, parts: Sequence[Tables]) -> None:
    """Give the first part what the creators of all others leave to agencies, and say which of them are set aside."""
    for part in parts[1:]:
        for name in FROM_CREATORS:
            _copy(connection, part, parts[0], name)
        _copy(connection, part, parts[0], "set_aside")


def agencies_joined(connection: Connection, home: Tables, made: Tables, of: int) -> None:
    """Bring what was judged of agencies, and the boards, into the build of so many parts; the first one holds them."""
    for name in JUDGED:
        _copy(connection, home, made, name, [home[name].c.subject.like(_OF_AGENCIES)])
    for name in ("mcn_months", "leaderboards"):
        _copy(connection, home, made, name)
    aside = made["set_aside"]
    connection.execute(delete(aside).where(aside.c.subject.like(_OF_AGENCIES)))
    _copy(connection, home, made, "set_aside", [home["set_aside"].c.subject.like(_OF_AGENCIES)], (0, of))


def _copy(
    connection: Connection,
    source: Tables,
    target: Tables,
    name: str,
    conditions: Sequence[ColumnElement[bool]] = (),
    place: tuple[int, int] | None = None,
) -> None:
    """Copy rows of a table; `place` is the number of the shard whose positions become those of so many."""
    columns = [_placed(name, column, place) for column in source[name].columns]
    query = select(*columns).where(*conditions)
    connection.execute(insert(target[name]).from_select([column.name for column in target[name].columns], query))


def _placed(name: str, column: Column[Any], place: tuple[int, int] | None) -> ColumnElement[Any]:
    names_target = (name, column.name) == ("life", "value")  # of a retraction, where what it names stands
    if place is None or not (names_target or column.name in POSITIONS.get(name, ())):
        return column
    is_position = (column > 0) & (column.table.c.type == RETRACTED) if names_target else column > 0
    return case((is_position, position_in_set(column, *place)), else_=column)
