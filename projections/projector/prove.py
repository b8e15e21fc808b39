"""The proof of a build at its own moment: a random sample against independent replays, and invariants over all."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, select

from domain.events import BINDING_TYPES
from projections.projector.expected_rows import rows_of
from projections.schemes.registry import VIEWS, view_of
from projections.views.database import Build
from projections.views.step import LIFE_TYPES
from projections.views.tables import Tables
from replay.errors import DamagedError
from replay.history.browse import list_subjects
from replay.history.timeline import Moment
from replay.policies.catalog import DEFAULT, Choice, beside
from replay.replaying.base import Origin
from replay.schemes.registry import choose_where_given, kinds, scheme_of, schemes_of
from replay.schemes.replaying import lent
from replay.store.base.store import Store
from replay.store.queries import counts_behind, counts_of, link_at, tally

SAMPLE: Final = 100
SHOWN_MAX: Final = 20


class Proof(NamedTuple):
    """What a proof looked at, and everything that it found wrong."""

    compared: int
    """Subjects of the sample, over all schemes."""
    rows: int
    """Rows of theirs that were compared."""
    invariants: int
    problems: list[str]
    unread: list[tuple[str, str, DamagedError]]
    """Subjects and schemes that no replay can be made of, because a record cannot be read."""


def prove(
    store: Store,
    connection: Connection,
    tables: Tables,
    build: Build,
    random: Random,
    sample: int = SAMPLE,
    progress: Callable[[int], None] = lambda _: None,
    choice: Choice = DEFAULT,
) -> Proof:
    """Hold a build against independent replays at its own (position, as_of), and its rows against one another.

    `choice`: what the build is judged by, where not by the ledger's policies.
    """
    proof = prove_sample(store, connection, tables, build, sample_of(store, random, sample), progress, choice)
    aside = {row.subject for row in connection.execute(select(tables["set_aside"]))}
    return with_laws(proof, invariants(store, connection, tables, build, aside))


def sample_of(store: Store, random: Random, sample: int) -> dict[str, list[str]]:
    """By kind, so many subjects of a ledger, or all."""
    found = {}
    for kind in kinds():
        subjects = [item["subject"] for item in list_subjects(store, kind)]
        found[kind] = sorted(random.sample(subjects, min(sample, len(subjects))))
    return found


def prove_sample(
    store: Store,
    connection: Connection,
    tables: Tables,
    build: Build,
    chosen: Mapping[str, Sequence[str]],
    progress: Callable[[int], None] = lambda _: None,
    choice: Choice = DEFAULT,
) -> Proof:
    """Hold the rows of some subjects, by kind, against independent replays."""
    link = link_at(store, build.position)
    moment = Moment(build.as_of, 0 if link is None else link.recorded_at, build.position)
    aside = {(row.subject, row.scheme) for row in connection.execute(select(tables["set_aside"]))}
    problems: list[str] = []
    unread: list[tuple[str, str, DamagedError]] = []
    compared = rows = 0
    for judging in [scheme.replay for kind in chosen for scheme in schemes_of(kind)]:
        policies = choose_where_given(store, judging, moment, choice)
        for subject in chosen[scheme_of(judging.scheme).kind]:
            if (subject, judging.scheme) in aside:
                continue
            try:
                known = judging.load(store, subject, moment.position)
            except DamagedError as error:
                unread.append((subject, judging.scheme, error))
                continue
            if not any(event.originator_id == subject for event in known):
                continue
            replay = judging(subject, known, moment, policies)
            replay.origin = Origin(lent(store), beside(choice, judging.scheme))
            expected = rows_of(replay) | view_of(judging.scheme).expected_then(replay)
            compared += 1
            rows += sum(map(len, expected.values()))
            problems += compare(connection, tables, subject, judging.scheme, expected)
            progress(compared)
    return Proof(compared, rows, 0, problems, unread)


def with_laws(proof: Proof, found: Sequence[str | None]) -> Proof:
    """A proof and what laws say: for each what is wrong, None where it holds."""
    problems = [*proof.problems, *(problem for problem in found if problem)]
    return proof._replace(invariants=proof.invariants + len(found), problems=problems)


def compare(
    connection: Connection, tables: Tables, subject: str, scheme: str, expected: dict[str, list[dict[str, Any]]]
) -> list[str]:
    """The rows of one subject and scheme against those that a replay gives; a line for the first that differs."""
    problems = []
    for name, rows in expected.items():
        table = tables[name]
        query = select(table).where(table.c.subject == subject)
        if "scheme" in table.c:
            query = query.where(table.c.scheme == scheme)
        order = "number" if "number" in table.c else "month" if "month" in table.c else "subject"
        found = [dict(row._mapping) for row in connection.execute(query.order_by(table.c[order]))]
        if len(found) != len(rows):
            problems.append(f"{subject}: {name} has {len(found)} rows of {scheme}, a replay gives {len(rows)}")
            continue
        for have, want in zip(found, rows, strict=True):
            wrong = [key for key, value in want.items() if have[key] != value]
            if wrong:
                told = ", ".join(f"{key} is {have[key]!r}, not {want[key]!r}" for key in wrong)
                problems.append(f"{subject}: a row of {name} differs from a replay of {scheme}: {told}")
                break
    return problems


def invariants(
    store: Store, connection: Connection, tables: Tables, build: Build, aside: Collection[str]
) -> list[str | None]:
    """What has to hold of all rows: for each law what is wrong, None where it holds."""
    return [*laws(connection, tables), *_counts(store, connection, tables, build, aside)]


def laws(connection: Connection, tables: Tables) -> list[str | None]:
    """The same of the rows of some subjects, each with all of its own."""
    return [
        *(law(connection, tables) for view in VIEWS.values() for law in view.laws),
        _histories_are_chains(connection, tables),
        _levels_end_histories(connection, tables),
    ]


def _histories_are_chains(connection: Connection, tables: Tables) -> str | None:
    past = tables["history"].c
    chain: Any = {"partition_by": (past.subject, past.scheme), "order_by": past.number}
    next_at = func.lead(past.from_at).over(**chain)
    place = func.row_number().over(**chain) - 1
    rows = select(past.subject, past.scheme, past.number, past.to_at, next_at.label("next_at"), place.label("place"))
    found = rows.subquery().c
    breaks = (found.number != found.place) | found.to_at.is_distinct_from(found.next_at)
    row = connection.execute(select(found.subject, found.scheme, found.place).where(breaks).limit(1)).first()
    return None if row is None else f"{row.subject}: the history of {row.scheme} breaks off at number {row.place}"


def _levels_end_histories(connection: Connection, tables: Tables) -> str | None:
    levels, past = tables["levels"].c, tables["history"].c
    query = (
        select(levels.subject, levels.scheme)
        .join(tables["history"], (past.subject == levels.subject) & (past.scheme == levels.scheme))
        .where(past.to_at.is_(None))
        .where((past.state != levels.state) | past.level.is_distinct_from(levels.level))
    )
    row = connection.execute(query.limit(1)).first()
    return (
        None if row is None else f"{row.subject}: its level of {row.scheme} is not the one that its history ends with"
    )


def _counts(
    store: Store, connection: Connection, tables: Tables, build: Build, aside: Collection[str]
) -> list[str | None]:
    """Totals of the views against the ledger's own tally, less what was recorded after the build's position.

    Subjects that are set aside are not counted: their rows lack what could not be read.
    """
    counted = Counter(tally(store))
    counted.subtract(counts_behind(store, build.position))
    for subject in aside:
        counted.subtract(counts_of(store, subject, build.position))
    kept = {
        "decisions": ("level.decided",),
        "announced": ("level.announced",),
        "bindings": BINDING_TYPES,
        "life": (*LIFE_TYPES, "credit.granted"),
    }
    found: list[str | None] = []
    for table, types in kept.items():
        columns = tables[table].c
        owner = columns.mcn if table == "bindings" else columns.subject
        query = select(owner, func.count()).group_by(owner)
        if table == "life":
            query = query.where(columns.type.in_(types))
        rows = sum(count for subject, count in connection.execute(query) if subject not in aside)
        expected = sum(counted[name] for name in types)
        found.append(None if rows == expected else f"{table} has {rows} rows, the ledger holds {expected} such events")
    return found
