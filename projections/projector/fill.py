"""Filling a build from nothing: a part a transaction, behind a checkpoint that goes in with the part's rows.

A killed filling goes on behind its last finished part. Few records are filled subject by subject by plain rules, many
in bulk: merchants and creators in parts of what is sealed and what follows it, by compiled rules.
"""

import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Connection

from projections.projector.units import Units
from projections.schemes.registry import kinds_in_bulk
from projections.views.database import Build, Views
from projections.views.step import Step
from replay.errors import NotSealedError
from replay.extras import FAST, need
from replay.history.browse import list_subjects
from replay.history.timeline import Moment
from replay.schemes.registry import kinds
from replay.tracing import span

if TYPE_CHECKING:
    from projections.projector.bulk_source import BulkReader
    from replay.columnar.encoding import Unread

FILLING: Final = "filling"
CATCHING_UP: Final = "catching up"
"""The phases of a build while it is filled, and after it."""
SUBJECTS_AT_ONCE: Final = 200
RECORDS_AT_ONCE: Final = 20_000
KEPT: Final = "kept"
BOARDS: Final = "boards"
BUCKETS: Final = "buckets"
OTHERS: Final = "others"

Progress = Callable[[str, int, int], None]
"""Told a phase, how much is done, and of how much."""
Cursor = dict[str, Any]
"""Which schemes are filled, or all; the stage; behind what in the stage; and whether in bulk."""


def first_cursor(schemes: Sequence[str], *, in_bulk: bool) -> Cursor:
    return {"schemes": schemes, "stage": KEPT, "after": "", "bulk": in_bulk}


def fill(views: Views, number: int, progress: Progress = lambda *_: None, segments: Path | None = None) -> None:
    """Fill what is not filled yet of a build."""
    reader: BulkReader | None = None
    while True:
        with views.reading() as connection:
            build = views.build(connection, number)
        if build.phase != FILLING:
            return
        progress(FILLING, build.done, build.total)
        cursor: Cursor = json.loads(build.parts)
        with span("rebuild part", {"levelbook.stage": cursor["stage"]}) as tell:
            ready = Ready()
            if cursor["bulk"] and cursor["stage"] in (KEPT, BUCKETS):
                reader = reader or _reader(views, build, segments)
                with views.reading() as connection:
                    ready = _made_ready(build_step(views, connection, build), reader, cursor)
            tell({"levelbook.events": _move_on(views, build, cursor, ready)})


def _move_on(views: Views, build: Build, cursor: Cursor, ready: "Ready") -> int:
    """Fill the part that a cursor stands at, and note where the next one begins: how many events it rests on."""
    with views.moving() as connection:
        done, after = _fill_part(build_step(views, connection, build), cursor, ready)
        cursor |= _cursor_after(cursor, after)
        phase = CATCHING_UP if cursor["stage"] is None else FILLING
        views.note(
            connection,
            build.build,
            parts=json.dumps(cursor),
            done=build.done + done,
            phase=phase,
            moved_at=views.store.now(),
        )
    return done


def build_step(views: Views, connection: Connection, build: Build) -> Step:
    """A step that moves a build nowhere, for work at its moment."""
    moment = Moment(build.as_of, 0, build.position)
    choice = views.choice(connection, build)
    return Step(views.store, connection, views.tables(build.build), moment, moment, choice=choice)


def _cursor_after(cursor: Cursor, after: str | None) -> Cursor:
    """Where to go on: further in the stage, or at the beginning of the next; no stage at the end."""
    if after is not None:
        return {"after": after}
    stages = _stages(in_bulk=cursor["bulk"])
    following = stages.index(cursor["stage"]) + 1
    return {"stage": stages[following] if following < len(stages) else None, "after": ""}


def _stages(*, in_bulk: bool) -> tuple[str, ...]:
    """What is filled in which order: what is stored of rare events, then subjects by kind, then the boards.

    For many records, kinds in bulk by bucket; then the subjects of these kinds of which no rule reads anything.
    """
    if not in_bulk:
        return (KEPT, *kinds(), BOARDS)
    return (KEPT, BUCKETS, OTHERS, *_kinds_singly(), BOARDS)


def _kinds_singly() -> list[str]:
    in_bulk = kinds_in_bulk()
    return [kind for kind in kinds() if kind not in in_bulk]


# --- in bulk ----------------------------------------------------------------------------------------------------------


class Ready(NamedTuple):
    """What was worked out before the transaction of a part, which then only writes."""

    unread: "Sequence[Unread]" = ()
    """Records that cannot be read."""
    rows: "Sequence[tuple[str, dict[str, list[Any]]]]" = ()
    """By table, its columns by name."""
    records: int = 0
    """How many records the rows rest on."""
    following: str | None = None
    """Where the next part begins."""


def _reader(views: Views, build: Build, segments: Path | None) -> "BulkReader":
    need(FAST, "going on with a rebuild that was begun over columns ('levelbook rebuild --abort' removes it)")
    from projections.projector.bulk_source import BulkReader

    return BulkReader(views.store, build.position, build.as_of, segments)


def _made_ready(step: Step, reader: "BulkReader", cursor: Cursor) -> Ready:
    """The part that a cursor stands at.

    Where so many records must be sealed first and one of them cannot be read, the cursor turns to plain filling.
    """
    from projections.projector.bulk import rows_of_part

    if cursor["stage"] == KEPT:
        try:
            return Ready(unread=reader.unread())
        except NotSealedError:
            cursor["bulk"] = False
            return Ready()
    columns, following = reader.part(cursor["after"])
    rows = rows_of_part(step, columns, reader.slots, cursor["schemes"])
    return Ready((), rows, len(columns.at), following)


# --- a part -----------------------------------------------------------------------------------------------------------


def _fill_part(step: Step, cursor: Cursor, ready: Ready) -> tuple[int, str | None]:
    """Fill the part behind a cursor: how many events it rests on, and the cursor after it; None at the stage's end."""
    stage, after, schemes = cursor["stage"], cursor["after"], cursor["schemes"]
    if stage == KEPT:
        return 0, _keep_in_bulk(step, schemes, ready.unread) if cursor["bulk"] else _keep_part(step, after, schemes)
    if stage == BUCKETS:
        from projections.schemes.shared.bulk_rows import insert_rows

        for table, rows in ready.rows:
            insert_rows(step.connection, step.tables[table], rows)
        return ready.records, ready.following
    units = Units(step)
    if stage == BOARDS:
        units.fill_across()
        return 0, None
    if stage == OTHERS:
        for kind in kinds_in_bulk():
            for subject in units.not_filled(kind):
                units.fill(subject, schemes)
        return 0, None
    some = list(
        islice((item for item in list_subjects(step.store, stage) if item["subject"] > after), SUBJECTS_AT_ONCE)
    )
    for item in some:
        units.fill(item["subject"], schemes)
    return sum(item["events"] for item in some), some[-1]["subject"] if len(some) == SUBJECTS_AT_ONCE else None


def _keep_part(step: Step, after: str, schemes: Sequence[str]) -> str | None:
    """Keep the rare events behind a cursor."""
    if schemes:
        return None  # taken over from the live build
    first = int(after or 0)
    last = min(first + RECORDS_AT_ONCE, step.after.position)
    Units(step).keep(first, last)
    return None if last == step.after.position else str(last)


def _keep_in_bulk(step: Step, schemes: Sequence[str], unread: "Sequence[Unread]") -> str | None:
    """Set aside whose records cannot be read, and keep the rare events of kinds not filled in bulk."""
    units = Units(step)
    for record in unread:
        units.put_aside_subject(record.stream, record.position, record.error, schemes)
    if not schemes:
        for kind in _kinds_singly():
            for item in list_subjects(step.store, kind):
                units.keep_subject(item["subject"])
        units.keep_decisions(kinds_in_bulk())
        units.keep_announced(kinds_in_bulk())
    return None
