"""Which subjects' levels differ between two builds at the same moment: from what to what, and why."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, or_, select

from domain.policy import HASH_SHOWN
from projections.views.database import Build
from projections.views.tables import Tables

_COMPARED: Final = ("state", "level", "score", "effective_state", "effective_level", "effective_since")
POLICY: Final = "policy"
PROGRAM: Final = "program"
SET_ASIDE: Final = "set_aside"
DEFECT: Final = "defect"
"""Why a level differs."""


class LevelDifference(NamedTuple):
    """One level that differs: None where a build has no row of it."""

    subject: str
    scheme: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str
    told: str
    """The reason in words."""


def differences(
    connection: Connection, live: tuple[Build, Tables], made: tuple[Build, Tables]
) -> Iterator[LevelDifference]:
    """The levels that differ, by subject and scheme. Both builds must stand at the same moment."""
    assert live[0][2:5] == made[0][2:5], "levels are compared at one position, as_of and under the same policies"
    old, new = live[1]["levels"], made[1]["levels"]
    aside = {(row.subject, row.scheme) for row in connection.execute(select(live[1]["set_aside"]))}
    same = and_(old.c.subject == new.c.subject, old.c.scheme == new.c.scheme)
    differs = or_(*(old.c[name].is_distinct_from(new.c[name]) for name in (*_COMPARED, "policy_hash")))
    keys = select(new.c.subject, new.c.scheme).outerjoin(old, same).where(or_(old.c.subject.is_(None), differs))
    gone = select(old.c.subject, old.c.scheme).outerjoin(new, same).where(new.c.subject.is_(None))
    found = sorted({(row.subject, row.scheme) for query in (keys, gone) for row in connection.execute(query)})
    for subject, scheme in found:
        before, after = (_row(connection, tables, subject, scheme) for tables in (live[1], made[1]))
        reason, told = _reason(before, after, (subject, scheme) in aside, live[0].program, made[0].program)
        shown = [None if row is None else {name: row[name] for name in _COMPARED} for row in (before, after)]
        yield LevelDifference(subject, scheme, shown[0], shown[1], reason, told)


def _row(connection: Connection, tables: Tables, subject: str, scheme: str) -> dict[str, Any] | None:
    levels = tables["levels"]
    row = connection.execute(select(levels).where(levels.c.subject == subject, levels.c.scheme == scheme)).first()
    return None if row is None else dict(row._mapping)


def _reason(
    before: dict[str, Any] | None, after: dict[str, Any] | None, aside: bool, old_program: str, new_program: str
) -> tuple[str, str]:
    if aside:
        return SET_ASIDE, "the live view had set the subject aside"
    if before is not None and after is not None and before["policy_hash"] != after["policy_hash"]:
        names = [f"{row['policy']}@{row['policy_hash'][:HASH_SHOWN]}" for row in (before, after)]
        return POLICY, f"judged by {names[1]}, not {names[0]}"
    if old_program != new_program:
        return PROGRAM, f"worked out by levelbook {new_program}; the live view was begun by {old_program}"
    return DEFECT, "the live view was wrong: same events, same policies, same program"
