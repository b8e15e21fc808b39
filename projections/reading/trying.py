"""A trial of a candidate on behalf of a reader of the service: small, one at a time, and in a process of its own.

Replays hold the interpreter; a trial makes thousands of them, and whoever reads a level meanwhile must not wait.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, NamedTuple

from projections.http.problems import Problem
from projections.reading.trial_reports import keep_report
from replay.errors import LevelbookError, StoreError
from replay.extras import FAST, need
from replay.lab.candidates import read_candidates
from replay.lab.trial import AskedTrial, PolicyTrial, trial_of
from replay.objects.naming import FilesPlace
from replay.processes import second_core
from replay.store.base.store import Store
from replay.store.beside import locked
from replay.store.opening import open_store

TOO_LARGE: Final = "trial-too-large"
UNDER_WAY: Final = "trial-under-way"
TOO_LONG: Final = "trial-too-long"
TRIAL_SECONDS: Final = 120
"""So long somebody waits for it; then it is ended, and nothing is kept."""
SENSITIVITY_WEIGHT: Final = 50
"""So many moments each record is judged at besides, about, where thresholds are moved, too."""
_LOCK: Final = ".trial"
_NICENESS: Final = 10
"""Whoever reads goes first."""


class WantedTrial(NamedTuple):
    """A trial as it was asked of the service."""

    location: str
    segments: FilesPlace | None
    folder: Path
    """The lab's: the candidate lies there, and there the report is kept."""
    candidate: str
    asked: AskedTrial
    by: Sequence[str]
    sensitivity: bool


def check_trial(store: Store, wanted: WantedTrial, at_most: int) -> None:
    """Raises Problem for a trial that judges more records than a service replays at a time, each at each moment; and
    what `trial_of` raises for one that cannot be.
    """
    records = store.head().position
    _check_weight(records, at_most)  # before subjects are counted, of which there may be very many
    trial = _trial_of(store, wanted)
    moments = len(trial.periods) * (2 if wanted.asked.hindsight else 1)
    _check_weight(records * (moments + (SENSITIVITY_WEIGHT if wanted.sensitivity else 0)), at_most)


def tried(wanted: WantedTrial) -> str:
    """Run a trial, keep its report, and give the hash by which that is named.

    Raises Problem where another is under way, and for one that takes too long; and what the trial raises.
    """
    with ExitStack() as held:
        _hold_alone(held, wanted.folder)
        ours = held.enter_context(second_core(serve_trial))
        try:
            ours.send(wanted)
            if not ours.poll(TRIAL_SECONDS):
                raise _too_long()
            found: str | LevelbookError = ours.recv()
        except (EOFError, OSError):
            raise StoreError("the process of the trial ended before it was done; nothing was kept: try again") from None
    if isinstance(found, LevelbookError):
        raise found
    return found


def serve_trial(connection: Connection) -> None:
    """What the second process does: it sends the hash of the report, or what was wrong."""
    wanted: WantedTrial = connection.recv()
    os.nice(_NICENESS)
    try:
        connection.send(_kept(wanted))
    except LevelbookError as error:
        connection.send(error)


def _kept(wanted: WantedTrial) -> str:
    with open_store(wanted.location, wanted.segments) as store:
        need(FAST, "a trial of policies")
        from replay.lab.report import report_json
        from replay.lab.running import run_trial

        trial = _trial_of(store, wanted)
        result = run_trial(store, trial, wanted.by, wanted.segments, sensitivity=wanted.sensitivity)
        report = report_json(trial, result, wanted.by)
    keep_report(wanted.folder, report)
    return str(report["report"])


def _trial_of(store: Store, wanted: WantedTrial) -> PolicyTrial:
    return trial_of(store, read_candidates([wanted.folder / wanted.candidate]), wanted.asked)


def _hold_alone(held: ExitStack, folder: Path) -> None:
    """Raises Problem where another trial runs, of whichever process of the service; StoreError where nothing can be
    written to the folder.
    """
    detail = "another trial is under way, and there is one at a time; try again when it is done"
    busy = Problem(503, UNDER_WAY, "A trial is under way", detail, headers={"Retry-After": "10"})
    try:
        held.enter_context(locked(folder / _LOCK, busy))
    except OSError as error:
        raise StoreError(f"the report cannot be kept in {folder}: {error.strerror}") from None


def _check_weight(weight: int, at_most: int) -> None:
    if weight > at_most:
        detail = (
            f"this trial judges {weight} records, counted once for each moment, and this service replays {at_most} at a"
            " time; run it as a command, ask for fewer months, or start the service with a larger --replay-events"
        )
        raise Problem(422, TOO_LARGE, "The trial is too large to run here", detail)


def _too_long() -> Problem:
    detail = (
        f"the trial took longer than {TRIAL_SECONDS} s and was ended, nothing was kept; run it as a command, or ask for"
        " fewer months"
    )
    return Problem(422, TOO_LONG, "The trial took too long", detail)
