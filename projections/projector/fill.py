"""Filling a build from nothing: a part a transaction, behind a checkpoint that goes in with the part's rows.

A killed filling goes on behind its last finished part. Few records are filled subject by subject by plain rules, many
in bulk: merchants and creators in parts of what is sealed and what follows it, by compiled rules.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from projections.projector.units import Units
from projections.schemes.registry import kinds_in_bulk
from projections.views.database import Build, Views
from projections.views.step import Step, build_step
from replay.errors import NotSealedError
from replay.extras import FAST, need
from replay.history.browse import list_subjects
from replay.objects.naming import FilesPlace
from replay.schemes.registry import kinds
from replay.tracing import span

if TYPE_CHECKING:
    from projections.projector.bulk import BulkReader, Judges, Ready
    from replay.columnar.encoding import Unread
    from replay.schemes.mcn_level.fold import Slots

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
"""Which schemes are filled, or all; the stage; behind what in the stage, or which parts are left in it; and whether in
bulk."""


def first_cursor(schemes: Sequence[str], *, in_bulk: bool) -> Cursor:
    return {"schemes": schemes, "stage": KEPT, "after": "", "bulk": in_bulk}


def fill(
    views: Views,
    number: int,
    progress: Progress = lambda *_: None,
    segments: FilesPlace | None = None,
    workers: int = 1,
    slots: "Callable[[], Slots] | None" = None,
) -> None:
    """Fill what is not filled yet of a build, by this process, or where more `workers` judge with these beside it.

    `slots` says who holds each creator where the ledger itself does not: that of a shard.
    """
    reader: BulkReader | None = None
    judges: Judges | None = None
    with ExitStack() as held:
        while True:
            with views.reading() as connection:
                build = views.build(connection, number)
            if build.phase != FILLING:
                return
            progress(FILLING, build.done, build.total)
            cursor: Cursor = json.loads(build.parts)
            with span("rebuild part", {"levelbook.stage": cursor["stage"]}) as tell:
                unread: Sequence[Unread] = ()
                ready: Ready | None = None
                if cursor["bulk"] and cursor["stage"] in (KEPT, BUCKETS):
                    reader = reader or _reader(views, build, segments)
                    if cursor["stage"] == KEPT:
                        unread = _unread(reader, cursor)
                    else:
                        judges = judges or held.enter_context(_judging(views, number, reader, cursor, workers, slots))
                        with views.reading() as connection:
                            ready = judges(build_step(views, connection, build), _left(cursor))
                tell({"levelbook.events": _move_on(views, build, cursor, ready, unread)})


def _move_on(views: Views, build: Build, cursor: Cursor, ready: "Ready | None", unread: "Sequence[Unread]") -> int:
    """Fill the part that a cursor stands at, and note where the next one begins: how many events it rests on."""
    with views.moving() as connection:
        step = build_step(views, connection, build)
        done, further = _fill_part(step, cursor, unread) if ready is None else _write(step, cursor, ready)
        cursor |= _next_stage(cursor) if further is None else further
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


def _next_stage(cursor: Cursor) -> Cursor:
    """The beginning of the next stage; no stage at the end."""
    stages = _stages(in_bulk=cursor["bulk"])
    following = stages.index(cursor["stage"]) + 1
    return {"stage": stages[following] if following < len(stages) else None, "after": ""}


def _stages(*, in_bulk: bool) -> tuple[str, ...]:
    """What is filled in which order: what is stored of rare events, then subjects by kind, then the boards.

    For many records, kinds in bulk by bucket; then the subjects of these kinds of which no rule reads anything.
    """
    if not in_bulk:
        return (KEPT, *kinds(), BOARDS)
    return (KEPT, BUCKETS, OTHERS, *kinds_singly(), BOARDS)


def kinds_singly() -> list[str]:
    in_bulk = kinds_in_bulk()
    return [kind for kind in kinds() if kind not in in_bulk]


# --- in bulk ----------------------------------------------------------------------------------------------------------


def _reader(views: Views, build: Build, segments: FilesPlace | None) -> "BulkReader":
    need(FAST, "going on with a rebuild that was begun over columns ('levelbook rebuild --abort' removes it)")
    from projections.projector.bulk import BulkReader

    return BulkReader(views.store, build.position, build.as_of, segments)


def _unread(reader: "BulkReader", cursor: Cursor) -> "Sequence[Unread]":
    """The records that cannot be read.

    Where so many must be sealed first and one of them cannot be read, the cursor turns to plain filling.
    """
    try:
        return reader.unread()
    except NotSealedError:
        cursor["bulk"] = False
        return ()


def _judging(
    views: Views,
    number: int,
    reader: "BulkReader",
    cursor: Cursor,
    workers: int,
    slots: "Callable[[], Slots] | None",
) -> "AbstractContextManager[Judges]":
    """What judges the parts that are left of a build: this process, or some beside it."""
    from projections.projector.bulk import made_ready
    from projections.projector.workers import beside

    def here(step: Step, begins: Sequence[str]) -> "Ready":
        return made_ready(step, reader, slots or reader.slots, cursor["schemes"], begins[0])

    return nullcontext(here) if workers == 1 else beside(views, number, reader, cursor["schemes"], workers, here)


def _left(cursor: Cursor) -> list[str]:
    """Where the next part begins of each bucket that is not filled yet."""
    from replay.columnar.ledger_columns import BEGINS

    left: list[str] | None = cursor.get("left")
    if left is not None:
        return left
    # A build begun by an earlier program has filled all before one place.
    after: str = cursor["after"]
    return [after, *BEGINS[int(after.partition("/")[0]) + 1 :]] if after else BEGINS


def _write(step: Step, cursor: Cursor, ready: "Ready") -> tuple[int, Cursor | None]:
    """Write a part that was made ready: how many events it rests on, and which parts are left; None at the end."""
    from projections.schemes.shared.bulk_rows import insert_rows

    for table, rows in ready.rows:
        insert_rows(step.connection, step.tables[table], rows)
    following = [] if ready.following is None else [ready.following]
    left = _left(cursor)
    place = left.index(ready.begin)
    left = [*left[:place], *following, *left[place + 1 :]]
    return ready.records, {"left": left} if left else None


# --- a part -----------------------------------------------------------------------------------------------------------


def _fill_part(step: Step, cursor: Cursor, unread: "Sequence[Unread]") -> tuple[int, Cursor | None]:
    """Fill the part behind a cursor: how many events it rests on, and the place after it; None at the stage's end."""
    stage, after, schemes = cursor["stage"], cursor["after"], cursor["schemes"]
    if stage == KEPT and not cursor["bulk"]:
        return 0, _keep_part(step, after, schemes)
    if stage == KEPT:
        keep_in_bulk(step, schemes, unread)
        return 0, None
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
    further = {"after": some[-1]["subject"]} if len(some) == SUBJECTS_AT_ONCE else None
    return sum(item["events"] for item in some), further


def _keep_part(step: Step, after: str, schemes: Sequence[str]) -> Cursor | None:
    """Keep the rare events behind a place."""
    if schemes:
        return None  # taken over from the live build
    first = int(after or 0)
    last = min(first + RECORDS_AT_ONCE, step.after.position)
    Units(step).keep(first, last)
    return None if last == step.after.position else {"after": str(last)}


def keep_in_bulk(step: Step, schemes: Sequence[str], unread: "Sequence[Unread]") -> None:
    """Set aside whose records cannot be read, and keep the rare events of kinds not filled in bulk."""
    units = Units(step)
    for record in unread:
        units.put_aside_subject(record.stream, record.position, record.error, schemes)
    if not schemes:
        for kind in kinds_singly():
            for item in list_subjects(step.store, kind):
                units.keep_subject(item["subject"])
        units.keep_decisions(kinds_in_bulk())
        units.keep_announced(kinds_in_bulk())
