"""Which builds are by candidate policies, and how their levels differ from those of the live build."""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, case, func, insert, or_, select, update

from domain.calendar import shanghai_text
from domain.policy import Policy, policy_of
from projections.views.database import BESIDE, SHADOW, Build, Views
from replay.errors import UsageError

SHORT: Final = 12
"""So many digits of a hash name a build to people."""


class CandidateBuild(NamedTuple):
    """A build by candidate policies."""

    build: Build
    hash: str
    policies: tuple[Policy, ...]
    problem: str | None
    """Why a shadow is not kept any more."""


class Counted(NamedTuple):
    """Of one scheme, how many levels the live build has, and how many of them another build shows otherwise."""

    scheme: str
    levels: int
    differ: int


def hash_of(policies: Sequence[Policy]) -> str:
    """The name of a set of candidates: of one its own hash; of several the SHA-256 over their hashes, in order."""
    hashes = sorted({policy.hash for policy in policies})
    return hashes[0] if len(hashes) == 1 else sha256("\n".join(hashes).encode()).hexdigest()


def candidates(views: Views, connection: Connection) -> list[CandidateBuild]:
    """Every build by candidate policies, the oldest first."""
    table = views.candidates
    kept = {row.build: row for row in connection.execute(select(table))}
    return [
        _candidate(build, kept[build.build]) for build in views.builds(connection) if build.role in (BESIDE, SHADOW)
    ]


def _candidate(build: Build, row: Any) -> CandidateBuild:
    return CandidateBuild(build, row.hash, tuple(map(policy_of, json.loads(row.policies))), row.problem)


def shadow(views: Views, connection: Connection) -> CandidateBuild | None:
    """The one that is kept beside the live build, whole or still being filled; None where there is none."""
    return next((found for found in candidates(views, connection) if found.build.role == SHADOW), None)


def named(found: Sequence[CandidateBuild], name: str) -> CandidateBuild:
    """The build that a hash, which may be shortened, names. Raises UsageError where none or several fit."""
    fitting = [item for item in found if name and item.hash.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UsageError(f"{name} fits {len(fitting)} builds by candidate policies; give more of the hash")
    known = ", ".join(item.hash[:SHORT] for item in found) or "none"
    raise UsageError(f"there is no build by candidate policies {name!r}; known are {known}")


def note_candidates(views: Views, connection: Connection, build: int, policies: Sequence[Policy]) -> None:
    """Keep by which policies a build is judged, whole: the files may be gone tomorrow."""
    texts = json.dumps([policy.content for policy in policies], ensure_ascii=False)
    row = {"build": build, "hash": hash_of(policies), "policies": texts, "problem": None}
    connection.execute(insert(views.candidates).values(**row))


def note_problem(views: Views, connection: Connection, build: int, problem: str | None) -> None:
    table = views.candidates
    connection.execute(update(table).where(table.c.build == build).values(problem=problem))


def candidate_json(found: CandidateBuild) -> dict[str, Any]:
    """By which policies a build is, and whether it is kept."""
    return {
        "hash": found.hash,
        "kept": found.build.role == SHADOW,
        "policies": [{name: getattr(policy, name) for name in ("scheme", "id", "hash")} for policy in found.policies],
        "phase": found.build.phase,
        "problem": found.problem,
    }


def drift(views: Views, connection: Connection, policy_hash: str) -> list[dict[str, Any]]:
    """By day and scheme, how many levels a shadow showed otherwise than the live build, the earliest day first."""
    table = views.drift.c
    names = (table.day, table.scheme, table.levels, table.differ, table.position, table.as_of)
    rows = connection.execute(select(*names).where(table.policy_hash == policy_hash).order_by(table.day, table.scheme))
    return [dict(row._mapping) | {"as_of": shanghai_text(row.as_of)} for row in rows]


def counted(views: Views, connection: Connection, live: int, made: int) -> list[Counted]:
    """By scheme, how many levels differ in state or level, of those that neither has set aside.

    Both builds must stand at one moment to mean anything.
    """
    tables = [views.tables(build)[name] for name in ("levels", "set_aside") for build in (live, made)]
    old, new, *aside = tables
    differs = or_(old.c.state.is_distinct_from(new.c.state), old.c.level.is_distinct_from(new.c.level))
    joined = old.outerjoin(new, _same_unit(old, new))
    for table in aside:
        joined = joined.outerjoin(table, _same_unit(old, table))
    query = select(old.c.scheme, func.count(), func.sum(case((differs, 1), else_=0))).select_from(joined)
    query = query.where(*(table.c.subject.is_(None) for table in aside))
    rows = connection.execute(query.group_by(old.c.scheme).order_by(old.c.scheme))
    return [Counted(scheme, levels, int(differ)) for scheme, levels, differ in rows]


def _same_unit(one: Table, other: Table) -> ColumnElement[bool]:
    return (one.c.subject == other.c.subject) & (one.c.scheme == other.c.scheme)
