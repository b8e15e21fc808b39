"""A trial, run: everything that its report says, counted."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from replay.lab.folding import JudgedPart, judged_parts
from replay.lab.tally import GROUPINGS, Tally, tally_of
from replay.lab.trial import PolicyTrial
from replay.store.base import Store


class TrialResult(NamedTuple):
    """What was counted."""

    then: Tally
    """By what was known at the instants of each period."""
    now: Tally | None
    """By what is known now; None where that was not asked for."""


Progress = Callable[[int, int], None]
"""Called with how many of the subjects were judged, and of how many."""


def run_trial(
    store: Store,
    trial: PolicyTrial,
    by: Sequence[str] = GROUPINGS,
    segments: Path | None = None,
    progress: Progress = lambda *_: None,
) -> TrialResult:
    """Judge both sides of a trial at all of its moments. Nothing is recorded.

    `by` says by what movements are grouped; `segments` where sealed segments lie, if not beside the store.
    """

    def counted(part: JudgedPart) -> tuple[int, Tally, Tally | None]:
        now = tally_of(trial, part.names, part.now, by) if trial.asked.hindsight else None
        return len(part.names), tally_of(trial, part.names, part.then, by), now

    found = TrialResult(Tally(), Tally() if trial.asked.hindsight else None)
    done, total = 0, trial.sample.size
    for subjects, then, now in judged_parts(store, trial, counted, segments):
        found.then.add(then)
        if found.now is not None and now is not None:
            found.now.add(now)
        done += subjects
        progress(done, total)
    return found
