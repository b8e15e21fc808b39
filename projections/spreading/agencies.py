"""Agencies judged apart from any ledger, in groups: by the rows of their creators and the rare events that are kept.

Every row that an agency is judged by is sent to the group of the agency; a creator's to that of each that ever bound
it. Of a group alone a passing build is made in memory, and its agencies are worked out there by the code of the views.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple
from zlib import crc32

import pyarrow as pa
from sqlalchemy import create_engine

from projections.projector.fill import kinds_singly
from projections.projector.units import Units
from projections.schemes.shared.bulk_rows import insert_rows
from projections.spreading.bucket import FOR_AGENCIES, Ground, GroundStep, rows_in
from projections.views.tables import tables_of

AGENCIES: Final = "agencies"
"""A table of a column, `subject`: whom the group judges, whether any row is of them or none."""
KEPT: Final = ("life", "bindings", "set_aside")
"""Tables of what is kept of rare events, which agencies are judged by."""
JUDGED: Final = ("levels", "history", "calendar", "mcn_months", "set_aside")
"""Tables of what agencies come to."""
CREATORS_EACH: Final = 1_000
"""Groups of fewer creators would cost more than they share out."""
GroupTables = dict[str, pa.Table]
"""By table of a build, rows as the views hold them; and AGENCIES."""


class Groups(NamedTuple):
    """Which groups rows are sent to."""

    number: int
    """How many there are."""
    of_creators: dict[str, tuple[int, ...]]
    """By id, those of every agency that ever bound or unbound it."""
    of_rivals: dict[str, tuple[int, ...]]
    """By agency, those of every agency that has a creator in common with it: what it retracts, it no longer holds."""

    def of(self, subject: str) -> tuple[int, ...]:
        """Those that a subject's rows are sent to: an agency's by its name alone, the same on every machine."""
        if is_agency(subject):
            return (crc32(subject.encode()) % self.number,)
        kind, _, name = subject.partition("/")
        return self.of_creators.get(name, ()) if kind == "creator" else ()

    def of_creator(self, name: str) -> tuple[int, ...]:
        return self.of_creators.get(name, ())

    def of_life(self, subject: str) -> tuple[int, ...]:
        """Those that an agency's rare events are sent to."""
        return self.of_rivals.get(subject) or self.of(subject)


def is_agency(subject: str) -> bool:
    """Whether a subject is judged by what is of others, and so from no bucket."""
    return subject.partition("/")[0] in kinds_singly()


def groups_needed(bindings: pa.Table, most: int) -> int:
    """In how many groups agencies are judged, at most in so many."""
    return max(1, min(most, len(bindings["creator"].unique()) // CREATORS_EACH))


def groups_of(bindings: pa.Table, number: int) -> Groups:
    """So many groups of agencies, by all bindings."""
    pairs = bindings.group_by(["creator", "mcn"]).aggregate([]).to_pydict()
    bound = list(zip(pairs["creator"], pairs["mcn"], strict=True))
    alone = Groups(number, {}, {})
    of_creators = _joined((creator, alone.of(agency)) for creator, agency in bound)
    return Groups(number, of_creators, _joined((agency, of_creators[creator]) for creator, agency in bound))


def _joined(found: Iterable[tuple[str, Collection[int]]]) -> dict[str, tuple[int, ...]]:
    """By name, all groups that were found of it, rising."""
    joined: dict[str, set[int]] = defaultdict(set)
    for name, groups in found:
        joined[name].update(groups)
    return {name: tuple(sorted(groups)) for name, groups in joined.items()}


class GroupRows(NamedTuple):
    """Rows of a table that a group needs."""

    group: int
    table: str
    rows: pa.Table


def creators_by_group(tables: Mapping[str, pa.Table], groups: Groups) -> Iterator[GroupRows]:
    """The rows that agencies are judged by (`of_agencies`), as each group needs them."""
    for name in FOR_AGENCIES:
        column = "mcn" if "mcn" in tables[name].column_names else "subject"
        yield from _split(name, column, tables[name], groups.of)


def kept_by_group(kept: Mapping[str, pa.Table], agencies: Collection[str], groups: Groups) -> Iterator[GroupRows]:
    """Whom each group judges, and what it needs of all kept rows (KEPT)."""
    listed = pa.table({"subject": pa.array(sorted(agencies), pa.string())})
    yield from _split(AGENCIES, "subject", listed, groups.of)
    # All bindings of a creator say who holds it, and what any agency retracts of them.
    yield from _split("life", "subject", kept["life"], groups.of_life)
    yield from _split("bindings", "creator", kept["bindings"], groups.of_creator)
    yield from _split("set_aside", "subject", kept["set_aside"], groups.of)


def _split(name: str, column: str, rows: pa.Table, groups: Callable[[str], Collection[int]]) -> Iterator[GroupRows]:
    """By group, the rows whose value in a column is of it."""
    encoded = rows[column].combine_chunks().dictionary_encode()
    wanted = [groups(value) for value in encoded.dictionary.to_pylist()]
    for group in sorted({group for some in wanted for group in some}):
        is_of_it = pa.array([group in some for some in wanted], pa.bool_())
        yield GroupRows(group, name, rows.filter(is_of_it.take(encoded.indices)))


def judged(ground: Ground, tables: GroupTables) -> GroupTables:
    """What the agencies of a group come to: rows of JUDGED, of `set_aside` those that judging set aside."""
    made = tables_of(0, None)
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            made.metadata.create_all(connection)
            for name in (*FOR_AGENCIES, *KEPT):
                if name in tables:
                    insert_rows(connection, made[name], tables[name].to_pydict())
            units = Units(GroundStep(ground, connection))
            agencies = sorted(tables[AGENCIES]["subject"].to_pylist()) if AGENCIES in tables else []
            for kind in kinds_singly():
                units.fill_together(kind, [name for name in agencies if name.startswith(f"{kind}/")])
            found = {name: rows_in(connection, made, name) for name in JUDGED}
    finally:
        engine.dispose()
    return found | {"set_aside": _not_in(ground.aside, found["set_aside"])}


def _not_in(aside: Collection[tuple[str, str]], rows: pa.Table) -> pa.Table:
    units = zip(rows["subject"].to_pylist(), rows["scheme"].to_pylist(), strict=True)
    return rows.filter(pa.array([unit not in aside for unit in units], pa.bool_()))
