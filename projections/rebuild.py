"""Rebuilding the views beside the live ones, from nothing, and switching once the new ones are proved.

A rebuild is a row of `builds` with a cursor: each part's rows and the cursor behind it go in with one transaction, so
that a killed rebuild goes on behind the last finished part, at its own position and as_of.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Connection, insert, select

from domain.version import PROGRAM_VERSION
from projections.advance import Units, advance
from projections.levels_differ import Difference, differences
from projections.prove import SAMPLE, Proof, prove
from projections.step import Step
from projections.view_tables import TABLE_NAMES
from projections.views import BUILDING, FORMER, LIVE, Build, Views
from replay.errors import LevelbookError, StoreError, UsageError
from replay.look import list_subjects
from replay.schemes import SCHEMES
from replay.timeline import Moment

if TYPE_CHECKING:
    from projections.bulk_fill import Prepared
    from projections.bulk_reader import BulkPart, BulkReader

FILLING: Final = "filling"
CATCHING_UP: Final = "catching up"
PROVING: Final = "proving"
PROVED: Final = "proved"
READY: Final = "ready"
"""The phases of a build; ready: it is or was live."""
SUBJECTS_AT_ONCE: Final = 200
RECORDS_AT_ONCE: Final = 20_000
TRIES: Final = 100
KEPT: Final = "kept"
BOARDS: Final = "boards"
BUCKETS: Final = "buckets"
OTHERS: Final = "others"
STAGES: Final = (KEPT, *SCHEMES, BOARDS)
"""What is filled in which order: what is kept of rare events, then subjects by kind, then the boards."""
STAGES_IN_BULK: Final = (KEPT, BUCKETS, OTHERS, "mcn", BOARDS)
"""The same for many records: merchants and creators by bucket; then those of whom no rule reads anything."""
RECORDS_BEFORE_BULK: Final = 500_000
"""Fewer records are judged by plain rules: where compiled ones are not kept yet, making them takes up to a minute."""

Progress = Callable[[str, int, int], None]
"""Told a phase, how much is done, and of how much."""


class Asked(NamedTuple):
    """How a rebuild was asked for."""

    schemes: tuple[str, ...] = ()
    """Whose views; of all schemes where none is named. The rest is taken over from the live build."""
    dry_run: bool = False
    sample: int = SAMPLE
    """How many subjects of a kind are held against independent replays."""
    seed: int | None = None
    """Which ones: chosen at random where left out."""
    segments: Path | None = None
    """Where the sealed segments lie; beside a SQLite ledger where left out."""


class Report(NamedTuple):
    """What a rebuild came to."""

    build: Build
    proof: Proof
    seed: int
    compared_with: Build | None
    """The live build whose levels were compared; None for the first build."""
    differences: list[Difference]
    switched: bool
    resumed: bool


def rebuild(views: Views, asked: Asked, progress: Progress = lambda *_: None) -> Report:
    """Build, catch up, prove, compare, and unless it is a dry run switch. A killed rebuild is resumed.

    Raises LevelbookError where the proof fails: the live views stay, and so does the build, to be looked at.
    """
    views.store.index_by_time()
    with views.alone("rebuild"):
        build, resumed = _begin(views, asked)
        fill(views, build, progress, asked.segments)
        _catch_up(views, build, progress)
        seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
        proof = _prove(views, build, asked.sample, seed, progress)
        compared_with, found = _compare(views, build)
        if not asked.dry_run:
            _switch(views, build)
        with views.reading() as connection:
            done = views.build(connection, build)
        return Report(done, proof, seed, compared_with, found, not asked.dry_run, resumed)


def check_schemes(names: tuple[str, ...]) -> tuple[str, ...]:
    """Schemes as they were asked for, in order and once each. Raises UsageError for one that there is not."""
    known = [judging.scheme for schemes in SCHEMES.values() for judging in schemes]
    for name in names:
        if name not in known:
            raise UsageError(f"there is no view {name!r}; known are {', '.join(known)}")
    return tuple(name for name in known if name in names)


def switch_back(views: Views) -> Build:
    """Make the build that was live before the live one again, where it stood; following brings it on."""
    with views.alone("rebuild"), views.moving() as connection:
        former = [build for build in views.builds(connection) if build.role == FORMER]
        if not former:
            raise UsageError(f"the views of {views.store.name} have no former build to go back to")
        views.switch(connection, former[-1].build)
        return former[-1]


def abort(views: Views) -> Build | None:
    """Remove a build that is under way; None when there is none."""
    with views.alone("rebuild"), views.moving() as connection:
        found = views.in_role(connection, BUILDING)
        if found is not None:
            views.drop_build(connection, found.build)
        return found


# --- beginning --------------------------------------------------------------------------------------------------------


def _begin(views: Views, asked: Asked) -> tuple[int, bool]:
    """The number of the build under way, begun now or before."""
    with views.moving() as connection:
        found = views.in_role(connection, BUILDING)
        if found is not None and found.program == PROGRAM_VERSION:
            if tuple(json.loads(found.parts)["schemes"]) != asked.schemes:
                raise UsageError(
                    "a rebuild of other views is under way; finish it by the same command, or 'rebuild --abort' it"
                )
            return found.build, True
        if found is not None:  # begun by another version of the program: its parts do not go together with new ones
            views.drop_build(connection, found.build)
        number = max((build.build for build in views.builds(connection)), default=0) + 1
        build = new_build(views, connection, number, BUILDING, asked.schemes)
        views.add_build(connection, build)
        if asked.schemes:
            _take_over(views, connection, build, asked.schemes)
        return number, False


def new_build(views: Views, connection: Connection, number: int, role: str, schemes: tuple[str, ...] = ()) -> Build:
    """A build still to be filled: at the ledger's head and now; where it is of some views only, like the live one."""
    store, now = views.store, views.store.now()
    if schemes:
        live = views.live(connection)
        position, as_of, policies = live.position, live.as_of, live.policies
    else:
        position, as_of, policies = store.head().position, now, ""
        if position == 0:
            raise UsageError(f"{store.name} holds no record; there is nothing to show")
        with_policies = Step(
            store, connection, views.tables(number), Moment(as_of, 0, position), Moment(as_of, 0, position)
        )
        policies = with_policies.policies_json()
    cursor = {"schemes": schemes, "stage": KEPT, "after": "", "bulk": position >= RECORDS_BEFORE_BULK}
    return Build(
        build=number,
        role=role,
        position=position,
        as_of=as_of,
        policies=policies,
        program=PROGRAM_VERSION,
        phase=FILLING,
        done=0,
        total=_events_total(views),
        started_at=now,
        moved_at=now,
        parts=json.dumps(cursor),
    )


def _events_total(views: Views) -> int:
    return sum(item["events"] for kind in SCHEMES for item in list_subjects(views.store, kind))


def _take_over(views: Views, connection: Connection, build: Build, schemes: tuple[str, ...]) -> None:
    """Copy the rows of the views that were not asked for from the live build, at whose moment the new one is filled."""
    live, made = views.tables(views.live(connection).build), views.tables(build.build)
    for name in TABLE_NAMES:
        source, target = live[name], made[name]
        query = select(source)
        if "scheme" in source.c and name != "decisions":
            query = query.where(source.c.scheme.not_in(schemes))
        elif _SCHEME_OF.get(name) in schemes:
            continue
        connection.execute(insert(target).from_select([column.name for column in target.columns], query))


_SCHEME_OF: Final = {
    "reputation_months": "merchant-reputation",
    "tier_days": "merchant-tier",
    "tier_figures": "merchant-tier",
    "creator_months": "creator-level",
    "creator_figures": "creator-level",
    "mcn_parts": "creator-level",
    "mcn_months": "mcn-level",
    "leaderboards": "mcn-level",
}
"""By table, the scheme whose unit fills it; the others are kept of events, whatever the scheme."""


# --- filling ----------------------------------------------------------------------------------------------------------


def fill(views: Views, number: int, progress: Progress = lambda *_: None, segments: Path | None = None) -> None:
    """Fill what is not filled yet of a build, a part a transaction."""
    reader: BulkReader | None = None
    parts: Iterator[BulkPart] = iter(())
    while True:
        with views.reading() as connection:
            build = views.build(connection, number)
            if build.phase != FILLING:
                return
            progress(FILLING, build.done, build.total)
            cursor = json.loads(build.parts)
            ready: Ready | None = None
            if cursor["stage"] == BUCKETS:  # worked out before the transaction, which then only writes
                if reader is None:
                    reader = _reader(views, build, segments)
                    parts = reader.parts(cursor["after"])
                ready = _made_ready(_step(views, connection, build), next(parts), reader, cursor["schemes"])
        with views.moving() as connection:
            step = _step(views, connection, build)
            done, after = _fill_part(step, cursor, ready)
            cursor |= _cursor_after(cursor, after)
            phase = CATCHING_UP if cursor["stage"] is None else FILLING
            views.note(
                connection,
                number,
                parts=json.dumps(cursor),
                done=build.done + done,
                phase=phase,
                moved_at=views.store.now(),
            )


def _reader(views: Views, build: Build, segments: Path | None) -> "BulkReader":
    from projections.bulk_reader import BulkReader

    return BulkReader(views.store, build.position, build.as_of, segments)


class Ready(NamedTuple):
    """A part in bulk that has been worked out, still to be written."""

    rows: "Prepared"
    records: int
    """How many records they rest on."""
    following: str | None
    """Where the next part begins."""


def _made_ready(step: Step, part: "BulkPart", reader: "BulkReader", schemes: Sequence[str]) -> Ready:
    from projections.bulk_fill import rows_of_part

    return Ready(rows_of_part(step, part.columns, reader.slots, schemes), len(part.columns.at), part.following)


def _step(views: Views, connection: Connection, build: Build) -> Step:
    moment = Moment(build.as_of, 0, build.position)
    return Step(views.store, connection, views.tables(build.build), moment, moment)


def _cursor_after(cursor: dict[str, Any], after: str | None) -> dict[str, Any]:
    """Where to go on: further in the stage, or at the beginning of the next; no stage at the end."""
    if after is not None:
        return {"after": after}
    stages = STAGES_IN_BULK if cursor["bulk"] else STAGES
    following = stages.index(cursor["stage"]) + 1
    return {"stage": stages[following] if following < len(stages) else None, "after": ""}


def _fill_part(step: Step, cursor: dict[str, Any], ready: Ready | None) -> tuple[int, str | None]:
    """Fill the part behind a cursor: how many events it rests on, and the cursor after it; None at the stage's end."""
    stage, after, schemes = cursor["stage"], cursor["after"], cursor["schemes"]
    if stage == KEPT:
        return 0, _keep_part(step, after, schemes, in_bulk=cursor["bulk"])
    if ready is not None:
        from projections.bulk_rows import insert_rows

        for table, rows in ready.rows:
            insert_rows(step.connection, step.tables[table], rows)
        return ready.records, ready.following
    units = Units(step)
    if stage == BOARDS:
        units.fill_boards()
        return 0, None
    if stage == OTHERS:
        for kind in ("merchant", "creator"):
            for item in list_subjects(step.store, kind):
                if not units.is_filled(item["subject"]):
                    units.fill(item["subject"], schemes)
        return 0, None
    some = list(
        islice((item for item in list_subjects(step.store, stage) if item["subject"] > after), SUBJECTS_AT_ONCE)
    )
    for item in some:
        units.fill(item["subject"], schemes)
    return sum(item["events"] for item in some), some[-1]["subject"] if len(some) == SUBJECTS_AT_ONCE else None


def _keep_part(step: Step, after: str, schemes: Sequence[str], *, in_bulk: bool) -> str | None:
    """Keep the rare events behind a cursor; in bulk those of agencies and decisions, buckets keep the others."""
    if schemes:
        return None  # taken over from the live build
    units = Units(step)
    if in_bulk:
        for item in list_subjects(step.store, "mcn"):
            units.keep_again(item["subject"])
        units.keep_decisions()
        return None
    first = int(after or 0)
    last = min(first + RECORDS_AT_ONCE, step.after.position)
    units.keep(first, last)
    return None if last == step.after.position else str(last)


# --- to the switch ----------------------------------------------------------------------------------------------------


def _catch_up(views: Views, number: int, progress: Progress) -> None:
    """Move the new build on to the ledger's head."""
    while True:
        moved = advance(views, number)
        head = views.store.head().position
        progress(CATCHING_UP, moved.build.position, head)
        if moved.build.position >= head:
            break
    _note_phase(views, number, PROVING)


def _note_phase(views: Views, number: int, phase: str) -> None:
    with views.moving() as connection:
        views.note(connection, number, phase=phase)


def _prove(views: Views, number: int, sample: int, seed: int, progress: Progress) -> Proof:
    with views.reading() as connection:
        build = views.build(connection, number)
        proof = prove(
            views.store,
            connection,
            views.tables(number),
            build,
            Random(seed),
            sample,
            lambda done: progress(PROVING, done, 0),
        )
    if proof.problems:
        shown = "\n".join(proof.problems[:20])
        raise LevelbookError(
            f"the new views are not what independent replays give, the live ones stay (sample {seed}):\n{shown}"
        )
    _note_phase(views, number, PROVED)
    return proof


def _compare(views: Views, number: int) -> tuple[Build | None, list[Difference]]:
    """Which levels differ from the live build at one moment."""
    with views.reading() as connection:
        if views.in_role(connection, LIVE) is None:
            return None, []
    with together(views, number) as (connection, live, made):
        pairs = [(build, views.tables(build.build)) for build in (live, made)]
        return live, list(differences(connection, pairs[0], pairs[1]))


@contextmanager
def together(views: Views, number: int) -> Iterator[tuple[Connection, Build, Build]]:
    """A snapshot in which the live build and another one stand at one moment: both are moved on until they do."""
    for _ in range(TRIES):
        with views.reading() as connection:
            live = views.live(connection)
        now = views.store.now()
        for build in (number, live.build):
            while advance(views, build, now).build.position < views.store.head().position:
                pass
        with views.reading() as connection:
            made, live = views.build(connection, number), views.live(connection)
            if (made.position, made.as_of) == (live.position, live.as_of):
                yield connection, live, made
                return
    raise StoreError("the ledger moves on faster than two builds can be brought to one moment; try again")


def _switch(views: Views, number: int) -> None:
    """Make the build live once it stands no earlier than the live one; then drop what was live before that."""
    for _ in range(TRIES):
        advance(views, number)
        with views.moving() as connection:
            made, live = views.build(connection, number), views.in_role(connection, LIVE)
            if live is not None and (made.position < live.position or made.as_of < live.as_of):
                continue  # the live one has moved on meanwhile
            views.switch(connection, number)
            views.note(connection, number, phase=READY)
            break
    else:
        raise StoreError("the live views move on faster than the new ones; rebuild again: it resumes")
    with views.moving() as connection:
        former = [build for build in views.builds(connection) if build.role == FORMER]
        for build in former[:-1]:
            views.drop_build(connection, build.build)
