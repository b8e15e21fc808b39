"""Which levels the live views show otherwise than before: each change has a number, in the transaction that made it.

Of each level (subject and scheme) only the last change is stored, so that a reader who asks for everything behind a
number gets each level that he has to take over once, as it stands now. Numbers only rise: whatever changed a level, an
event, the calendar, a policy, a level set aside or taken up, or a switch to another build.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, Table, func, literal, select, text, union_all

from projections.views.tables import Tables

SUBJECTS_AT_ONCE: Final = 500

Unit = tuple[str, str]
"""Subject and scheme."""


class StoodAt(NamedTuple):
    """Where the views stand when levels have changed."""

    position: int
    as_of: int


class LevelWatch:
    """Sees what one step of the live build writes, and notes which levels it changed."""

    def __init__(self, connection: Connection, changes: Table, tables: Tables) -> None:
        self._connection = connection
        self._changes = changes
        self._tables = tables
        self._aside: set[Unit] | None = None
        """What was set aside before the step."""
        self._before: dict[Unit, dict[str, Any] | None] = {}
        self._after: dict[Unit, dict[str, Any] | None] = {}

    def about_to_write(self, units: Collection[Unit]) -> None:
        """Remember how levels stood before the step first touches them."""
        if self._aside is None:
            self._aside = self._set_aside()
        new = {unit for unit in units if unit not in self._before}
        self._before |= dict.fromkeys(new)
        levels = self._tables["levels"]
        subjects = sorted({subject for subject, _ in new})
        for start in range(0, len(subjects), SUBJECTS_AT_ONCE):
            some = subjects[start : start + SUBJECTS_AT_ONCE]
            for row in self._connection.execute(select(levels).where(levels.c.subject.in_(some))):
                if (row.subject, row.scheme) in new:
                    self._before[row.subject, row.scheme] = dict(row._mapping)

    def written(self, unit: Unit, row: dict[str, Any] | None) -> None:
        """How a level stands now; None where there is none any more."""
        self._after[unit] = row

    def replaced(self, unit: Unit, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
        """A level that is written, how it stood before the step first touched it, and how it stands."""
        if self._aside is None:
            self._aside = self._set_aside()
        self._before.setdefault(unit, before)
        self._after[unit] = after

    def note(self, stood: StoodAt) -> int:
        """Number the levels that changed; how many there are."""
        if not self._before:
            return 0
        was, now = self._aside or set(), self._set_aside()
        changed = []
        for unit, before in self._before.items():
            after = self._after.get(unit, before)
            shown = before is not None or after is not None
            if shown and (before != after or (unit in was) != (unit in now)):
                changed.append(unit)
        return number(self._connection, self._changes, changed, stood)

    def _set_aside(self) -> set[Unit]:
        aside = self._tables["set_aside"].c
        return {(row.subject, row.scheme) for row in self._connection.execute(select(aside.subject, aside.scheme))}


def number(connection: Connection, changes: Table, units: Iterable[Unit], stood: StoodAt) -> int:
    """Give each of these levels the next number, in the order of their names."""
    first = last_number(connection, changes) + 1
    rows = [
        {"subject": subject, "scheme": scheme, "number": next_number, **stood._asdict()}
        for next_number, (subject, scheme) in enumerate(sorted(units), first)
    ]
    if rows:
        name = changes.name if changes.schema is None else f"{changes.schema}.{changes.name}"
        connection.execute(text(_NUMBERED.format(name)), rows)
    return len(rows)


def note_switch(connection: Connection, changes: Table, live: Tables | None, made: Tables, stood: StoodAt) -> int:
    """Number every level that another build shows otherwise than the live one did; all of them where none was live."""
    shown = _shown(made)
    if live is None:
        rows = connection.execute(shown)
    else:
        before = _shown(live)
        new, gone = select(shown.except_(before).subquery()), select(before.except_(shown).subquery())
        rows = connection.execute(union_all(new, gone))
    return number(connection, changes, {(row.subject, row.scheme) for row in rows}, stood)


def last_number(connection: Connection, changes: Table) -> int:
    """The number of the last change; 0 before the first."""
    found: int = connection.execute(select(func.coalesce(func.max(changes.c.number), literal(0)))).scalar_one()
    return found


def _shown(tables: Tables) -> Select[Any]:
    """Levels as `v1_levels` shows them."""
    levels, aside = tables["levels"], tables["set_aside"]
    same = (aside.c.subject == levels.c.subject) & (aside.c.scheme == levels.c.scheme)
    stale = aside.c.subject.is_not(None).label("stale")
    return select(*levels.c, stale).select_from(levels.outerjoin(aside, same))


def units_of(keys: dict[str, Any] | None, rows: Sequence[dict[str, Any]]) -> set[Unit]:
    """The levels that a rewrite of `levels` or `set_aside` is about."""
    named = rows if keys is None else [keys, *rows]
    return {(row["subject"], row["scheme"]) for row in named}


_NUMBERED: Final = (
    "INSERT INTO {} AS c (subject, scheme, number, position, as_of)"
    " VALUES (:subject, :scheme, :number, :position, :as_of)"
    " ON CONFLICT (subject, scheme) DO UPDATE"
    " SET number = excluded.number, position = excluded.position, as_of = excluded.as_of"
)
