"""A trial, run: everything that its report says, counted."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from replay.lab.folding import JudgedPart, judged_parts
from replay.lab.sensitivity import Hanging, sensitivity_of
from replay.lab.tally import Tally, tally_of
from replay.lab.thresholds import Threshold
from replay.lab.trial import GROUPINGS, PolicyTrial
from replay.objects.naming import FilesPlace
from replay.store.base import Store


class TrialResult(NamedTuple):
    """What was counted."""

    then: Tally
    """By what was known at the instants of each period."""
    now: Tally | None
    """By what is known now; None where that was not asked for."""
    thresholds: Sequence[Threshold] = ()
    hanging: Hanging | None = None
    """What hangs on these at the last period, by their places; None where that was not asked for."""


Progress = Callable[[int, int], None]
"""Called with how many of the subjects were judged, and of how many."""


def run_trial(
    store: Store,
    trial: PolicyTrial,
    by: Sequence[str] = GROUPINGS,
    segments: FilesPlace | None = None,
    progress: Progress = lambda *_: None,
    *,
    sensitivity: bool = False,
) -> TrialResult:
    """Judge both sides of a trial at all of its moments. Nothing is recorded.

    `by` says by what movements are grouped; `segments` where sealed segments lie, if not beside the store;
    `sensitivity` whether the candidate's thresholds are moved by a step, too.
    """
    asked = sensitivity_of(store, trial) if sensitivity else None

    def counted(part: JudgedPart) -> _Counted:
        now = tally_of(trial, part.names, part.now, by) if trial.asked.hindsight else None
        return _Counted(len(part.names), tally_of(trial, part.names, part.then, by), now, part.hanging)

    then, now, hanging = Tally(), Tally() if trial.asked.hindsight else None, None if asked is None else Hanging()
    done, total = 0, trial.sample.size
    for part in judged_parts(store, trial, asked, counted, segments):
        then.add(part.then)
        if now is not None and part.now is not None:
            now.add(part.now)
        if hanging is not None and part.hanging is not None:
            hanging.add(part.hanging)
        done += part.subjects
        progress(done, total)
    return TrialResult(then, now, () if asked is None else asked.thresholds, hanging)


class _Counted(NamedTuple):
    """A part of the subjects, counted."""

    subjects: int
    then: Tally
    now: Tally | None
    hanging: Hanging | None
