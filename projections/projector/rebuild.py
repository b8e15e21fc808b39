"""Rebuilding the views beside the live ones, from nothing, and switching once the new ones are proved.

A rebuild is a row of `builds`, which says how far it has come, so that a killed one goes on from there, at its own
position and as_of: it is filled, caught up, proved, compared, and made live.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final, NamedTuple

from sqlalchemy import Connection, insert, select

from domain.version import PROGRAM_VERSION
from projections.projector.advance import advance
from projections.projector.compare import LevelDifference, differences
from projections.projector.fill import CATCHING_UP, FILLING, Progress, fill, first_cursor
from projections.projector.prove import SAMPLE, Proof, prove
from projections.projector.units import Units
from projections.schemes.registry import check_views_of_shard, check_views_whole, view_of
from projections.views.belonging import check_belongs, problems_of
from projections.views.database import BUILDING, FORMER, LIVE, READY, Build, Views
from projections.views.step import Step, build_step
from projections.views.tables import TABLE_NAMES
from replay.columnar.size import can_compile
from replay.decisions.adopt import adopt_used_by_views
from replay.errors import LevelbookError, StoreError, UsageError
from replay.history.browse import list_subjects
from replay.history.timeline import Moment
from replay.objects.naming import FilesPlace
from replay.policies.catalog import DEFAULT, Choice
from replay.schemes.registry import SCHEMES, kinds
from replay.tracing import span

PROVING: Final = "proving"
PROVED: Final = "proved"
"""The phases of a build after it is filled and caught up."""
TRIES: Final = 100
RECORDS_BEFORE_BULK: Final = 500_000
"""Fewer records are judged by plain rules: where compiled ones are not cached yet, making them takes up to a minute."""


class Asked(NamedTuple):
    """How a rebuild was asked for."""

    schemes: tuple[str, ...] = ()
    """Whose views; of all schemes where none is named. The rest is taken over from the live build."""
    dry_run: bool = False
    sample: int = SAMPLE
    """How many subjects of a kind are held against independent replays."""
    seed: int | None = None
    """Which ones: chosen at random where left out."""
    segments: FilesPlace | None = None
    """Where the sealed segments lie; beside a SQLite ledger where left out."""
    workers: int = 1
    """How many processes judge many records beside the one that writes; 1: that one alone."""


class Report(NamedTuple):
    """What a rebuild came to."""

    build: Build
    proof: Proof
    seed: int
    compared_with: Build | None
    """The live build whose levels were compared; None for the first build."""
    differences: list[LevelDifference]
    not_compared: list[str]
    """Why a live build could not be compared: it is of another history, or ahead of the clock."""
    switched: bool
    resumed: bool


def rebuild(views: Views, asked: Asked, progress: Progress = lambda *_: None) -> Report:
    """Build, catch up, prove, compare, and unless it is a dry run switch. A killed rebuild is resumed.

    Raises LevelbookError for a scheme whose view is not whole, before anything is begun; and where the proof fails: the
    live views stay, and so does the build, to be looked at.
    """
    check_views_whole()
    check_views_of_shard(views.store)
    views.store.index_later()
    with views.alone("rebuild"), span("rebuild") as tell:
        build, resumed = _begin(views, asked)
        if not asked.dry_run:
            adopt_used_by_views(views.store, views.store.now())
        fill(views, build, progress, asked.segments, asked.workers)
        _catch_up(views, build, progress)
        seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
        proof = prove_build(views, build, asked.sample, seed, progress)
        not_compared = _problems_of_live(views)
        compared_with, found = (None, []) if not_compared else _compare(views, build)
        if not asked.dry_run:
            _switch(views, build)
        with views.reading() as connection:
            done = views.build(connection, build)
        tell({"levelbook.build": done.build, "levelbook.position": done.position, "levelbook.resumed": resumed})
        return Report(done, proof, seed, compared_with, found, not_compared, not asked.dry_run, resumed)


def check_schemes(names: tuple[str, ...]) -> tuple[str, ...]:
    """Schemes as they were asked for, in order and once each. Raises UsageError for one that there is not."""
    for name in names:
        if name not in SCHEMES:
            raise UsageError(f"there is no view {name!r}; known are {', '.join(SCHEMES)}")
    return tuple(name for name in SCHEMES if name in names)


def switch_back(views: Views) -> Build:
    """Make the build that was live before the live one again, where it stood; following brings it on."""
    with views.alone("rebuild"), views.moving() as connection:
        former = [build for build in views.builds(connection) if build.role == FORMER]
        if not former:
            raise UsageError(f"the views of {views.store.name} have no former build to go back to")
        check_belongs(views.store, former[-1])
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
        if found is not None and found.program == PROGRAM_VERSION and not problems_of(views.store, found):
            if tuple(json.loads(found.parts)["schemes"]) != asked.schemes:
                raise UsageError(
                    "a rebuild of other views is under way; finish it by the same command, or 'rebuild --abort' it"
                )
            return found.build, True
        if found is not None:  # by another version of the program, of another history: its parts do not fit new ones
            views.drop_build(connection, found.build)
        number = max((build.build for build in views.builds(connection)), default=0) + 1
        build = new_build(views, connection, number, BUILDING, asked.schemes)
        views.add_build(connection, build)
        if asked.schemes:
            _take_over(views, connection, build, asked.schemes)
        return number, False


def new_build(
    views: Views,
    connection: Connection,
    number: int,
    role: str,
    schemes: tuple[str, ...] = (),
    choice: Choice = DEFAULT,
) -> Build:
    """A build still to be filled: at the ledger's head and now.

    Where it is of some views only, or by candidate policies, it is at the moment of the live one.
    """
    store, now = views.store, views.store.now()
    if schemes or choice.is_own_set:
        live = views.live(connection)
        check_belongs(store, live)
        position, as_of, chain = live.position, live.as_of, live.chain
    else:
        head = store.head()
        position, as_of, chain = head.position, now, head.chain.hex()
        if position == 0:
            raise UsageError(f"{store.name} holds no record; there is nothing to show")
    if schemes:
        policies = live.policies
    else:
        moment = Moment(as_of, 0, position)
        policies = Step(store, connection, views.tables(number), moment, moment, choice=choice).policies_json()
    cursor = first_cursor(schemes, in_bulk=position >= RECORDS_BEFORE_BULK and can_compile())
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
        chain=chain,
    )


def _events_total(views: Views) -> int:
    return sum(item["events"] for kind in kinds() for item in list_subjects(views.store, kind))


def _take_over(views: Views, connection: Connection, build: Build, schemes: tuple[str, ...]) -> None:
    """Copy the rows of the views that were not asked for from the live build, at whose moment the new one is filled."""
    live, made = views.tables(views.live(connection).build), views.tables(build.build)
    own = {name for scheme in schemes for name in view_of(scheme).tables}  # the others are kept of events
    for name in TABLE_NAMES:
        source, target = live[name], made[name]
        query = select(source)
        if "scheme" in source.c and name not in ("decisions", "announced"):
            query = query.where(source.c.scheme.not_in(schemes))
        elif name in own:
            continue
        connection.execute(insert(target).from_select([column.name for column in target.columns], query))


# --- to the switch ----------------------------------------------------------------------------------------------------


def _catch_up(views: Views, number: int, progress: Progress) -> None:
    """Move the new build on to the ledger's head."""
    with span("rebuild catching up"):
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


def prove_build(views: Views, number: int, sample: int, seed: int, progress: Progress) -> Proof:
    """Hold a build against independent replays under its own policies. Raises LevelbookError where it does not hold."""
    with span("rebuild proving"), views.reading() as connection:
        build = views.build(connection, number)
        proof = prove(
            views.store,
            connection,
            views.tables(number),
            build,
            Random(seed),
            sample,
            lambda done: progress(PROVING, done, 0),
            views.choice(connection, build),
        )
    with views.moving() as connection:
        units = Units(build_step(views, connection, build))
        for subject, scheme, error in proof.unread:
            units.put_aside(subject, scheme, build.position, error)
    if proof.problems:
        shown = "\n".join(proof.problems[:20])
        raise LevelbookError(
            f"the new views are not what independent replays give, the live ones stay (sample {seed}):\n{shown}"
        )
    _note_phase(views, number, PROVED)
    return proof


def _problems_of_live(views: Views) -> list[str]:
    """Why the live build belongs to this ledger and its present no more."""
    with views.reading() as connection:
        live = views.in_role(connection, LIVE)
    return [] if live is None else problems_of(views.store, live)


def _compare(views: Views, number: int) -> tuple[Build | None, list[LevelDifference]]:
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
    """Make the build live once it stands no earlier than the live one; then drop what was live before that.

    A live one that is of another history, or ahead of the clock, is waited for by none and kept for nobody.
    """
    for _ in range(TRIES):
        adopt_used_by_views(views.store, views.store.now())
        advance(views, number)
        with views.moving() as connection:
            made, live = views.build(connection, number), views.in_role(connection, LIVE)
            belongs = live is not None and not problems_of(views.store, live)
            if live is not None and belongs and (made.position < live.position or made.as_of < live.as_of):
                continue  # the live one has moved on meanwhile
            views.switch(connection, number)
            views.note(connection, number, phase=READY)
            break
    else:
        raise StoreError("the live views move on faster than the new ones; rebuild again: it resumes")
    with views.moving() as connection:
        former = [build for build in views.builds(connection) if build.role == FORMER]
        for build in former[:-1] if belongs else former:
            views.drop_build(connection, build.build)
