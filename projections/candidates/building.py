"""A build by candidate policies, made beside the live one at the moment where that stands, and proved.

It is a row of `builds`, which says how far it has come, so that a killed one goes on from there.
"""

import secrets
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from domain.policy import Policy
from domain.version import PROGRAM_VERSION
from projections.candidates.drift import note_drift
from projections.projector.advance import bring_to
from projections.projector.fill import Progress, fill
from projections.projector.prove import SAMPLE, Proof
from projections.projector.rebuild import new_build, prove_build
from projections.schemes.registry import check_views_whole
from projections.views.belonging import problems_of
from projections.views.candidates import (
    CandidateBuild,
    Counted,
    candidates,
    counted,
    hash_of,
    named,
    note_candidates,
    note_problem,
)
from projections.views.database import BESIDE, READY, SHADOW, Build, Views
from replay.errors import StoreError, UsageError
from replay.objects.naming import FilesPlace
from replay.policies.catalog import Choice
from replay.tracing import span

TRIES: Final = 100


class AskedBeside(NamedTuple):
    """How a build by candidate policies was asked for."""

    policies: tuple[Policy, ...]
    """What judges in the schemes that they are of; in all others the ledger's policies do."""
    sample: int = SAMPLE
    seed: int | None = None
    segments: FilesPlace | None = None
    workers: int = 1
    """How many processes judge many records beside the one that writes; 1: that one alone."""


class BuiltBeside(NamedTuple):
    """What a build by candidate policies came to."""

    candidate: CandidateBuild
    proof: Proof
    seed: int
    counted: list[Counted]
    """By scheme, how many levels differ from the live build's at that moment."""
    resumed: bool


def build_beside(views: Views, asked: AskedBeside, progress: Progress = lambda *_: None) -> BuiltBeside:
    """Build by candidate policies beside the live build, prove, and compare. Nothing is adopted, nothing switched.

    One of these policies that is there already is brought on to the present. Raises UsageError where there are no
    views yet, LevelbookError where the proof fails: the build stays, to be looked at.
    """
    check_views_whole()
    views.store.index_later()
    with views.alone("rebuild"), span("rebuild"):
        number, resumed = begin(views, asked.policies, BESIDE)
        fill(views, number, progress, asked.segments, asked.workers)
        seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
        proof = prove_build(views, number, asked.sample, seed, progress)
        candidate, found = bring_beside(views, number)
        return BuiltBeside(candidate, proof, seed, found, resumed)


def drop_beside(views: Views, name: str) -> CandidateBuild:
    """Remove a build by candidate policies, named by its hash. Raises UsageError for one that is kept as a shadow."""
    with views.alone("rebuild"), views.moving() as connection:
        found = named(candidates(views, connection), name)
        if found.build.role == SHADOW:
            raise UsageError(f"{name} is kept as a shadow; 'levelbook policy shadow stop' removes it")
        remove(views, connection, found.build.build)
        return found


def remove(views: Views, connection: Connection, number: int) -> None:
    """Remove a build by candidate policies; the `v1_…` views let go of its tables first where they show it."""
    if views.shown_shadow(connection) == number:
        views.note(connection, number, phase="")
        views.show(connection, views.live(connection).build)
    views.drop_build(connection, number)


def begin(views: Views, policies: Sequence[Policy], role: str) -> tuple[int, bool]:
    """The number of the build by these policies, and whether it was there; one that does not fit any more is made anew.

    Raises UsageError where these policies have another role than was asked for, and where there are no views yet.
    """
    with views.moving() as connection:
        found = next((item for item in candidates(views, connection) if item.hash == hash_of(policies)), None)
        if found is not None and found.build.role != role:
            kept = "as a shadow" if found.build.role == SHADOW else "beside the live views"
            raise UsageError(f"a build by these policies is kept {kept} already; remove that one first")
        if found is not None and found.build.program == PROGRAM_VERSION and not problems_of(views.store, found.build):
            return found.build.build, True
        if found is not None:  # by another version of the program, or of another history
            remove(views, connection, found.build.build)
        number = max((build.build for build in views.builds(connection)), default=0) + 1
        views.add_build(connection, new_build(views, connection, number, role, choice=Choice(given=tuple(policies))))
        note_candidates(views, connection, number, policies)
        return number, False


def bring_beside(views: Views, number: int) -> tuple[CandidateBuild, list[Counted]]:
    """The build at the moment of the live one, ready, and which levels differ; brought there as often as it takes.

    Raises UsageError where it stands later than the live one: 'levelbook rebuild --back' has made an earlier one live.
    """
    for _ in range(TRIES):
        with views.reading() as connection:
            live = views.live(connection)
        bring_to(views, number, live)
        with views.moving() as connection:
            made, live = views.build(connection, number), views.live(connection)
            if made[2:4] == live[2:4]:
                return _ready(views, connection, number, live), counted(views, connection, live.build, number)
            if made.position > live.position or made.as_of > live.as_of:
                raise UsageError(
                    "the build by these policies stands later than the live views; 'levelbook follow' brings them on,"
                    " then try again"
                )
    raise StoreError("the live views move on faster than another build can be brought to them; try again")


def _ready(views: Views, connection: Connection, number: int, live: Build) -> CandidateBuild:
    """Say that a build is whole; a shadow is shown from here on, and its drift begins."""
    views.note(connection, number, phase=READY)
    note_problem(views, connection, number, None)
    found = next(item for item in candidates(views, connection) if item.build.build == number)
    if found.build.role == SHADOW:
        views.show(connection, live.build)
        note_drift(views, connection, found, live)
    return found
