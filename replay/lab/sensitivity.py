"""How much hangs on each threshold of a candidate: who moves with it by a step, and who stands within a step of it.

Each answer is that of a trial of its own: the candidate with that one threshold a step lower or higher, over the same
history, at the last moment. Of many records a sample of the subjects is judged so, the same one each time.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Final, NamedTuple

import numpy as np

from domain.buckets import bucket_of
from domain.policy import Policy
from replay.columnar.size import MANY_RECORDS_TO_COMPILE
from replay.lab.candidates import with_candidates
from replay.lab.judged import JudgedSide
from replay.lab.moves import SAME, Rung, move_between
from replay.lab.sampling import place_of
from replay.lab.thresholds import Threshold, thresholds_of, with_threshold
from replay.lab.trial import PolicyTrial
from replay.replaying.base import Policies, Replay
from replay.replaying.values import SCORE
from replay.schemes.registry import records_of
from replay.store.base.store import Store

PLAIN_RECORDS: Final = 300_000
"""So many records are judged, under all steps together, where that may be done by plain rules: whether compiled ones
are at hand changes no sample."""
BULK_RECORDS: Final = 10_000_000
"""In the same way of so many records that compiled ones always do it."""
LOWER: Final = "lower"
HIGHER: Final = "higher"


class ThresholdStep(NamedTuple):
    """A threshold a step lower or higher, and the policies that judge so."""

    place: int
    """Of the threshold."""
    way: str
    policies: Policies


class Sensitivity(NamedTuple):
    """What is tried of a candidate's thresholds."""

    thresholds: Sequence[Threshold]
    steps: Sequence[ThresholdStep]
    """Those that a policy can have."""
    names: frozenset[str]
    """The subjects that are judged under each."""


@dataclass
class Hanging:
    """What was counted."""

    subjects: int = 0
    """How many were judged under each step."""
    moving: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    """By threshold, step and way (one of MOVES), how many stand elsewhere than under the candidate."""
    tried: set[tuple[int, str]] = field(default_factory=set)
    """By threshold, the steps that were tried: not those that no policy can take."""
    near: Counter[tuple[int, str]] = field(default_factory=Counter)
    """By threshold, how many stand within a step "below" it, or "above" it, the threshold itself included."""

    def add(self, other: "Hanging") -> None:
        self.subjects += other.subjects
        self.moving.update(other.moving)
        self.tried |= other.tried
        self.near.update(other.near)


def sensitivity_of(store: Store, trial: PolicyTrial) -> Sensitivity:
    """The steps of a trial's own candidate, and of whom they are asked."""
    candidate = trial.candidates.get(trial.scheme.code)
    if candidate is None:
        return Sensitivity((), (), frozenset())
    thresholds = [item for item in thresholds_of(trial.scheme.replay, candidate) if _can_move(candidate, item)]
    steps = list(_steps(trial, candidate, thresholds))
    records = records_of(store, trial.scheme)
    room = BULK_RECORDS if records >= MANY_RECORDS_TO_COMPILE else PLAIN_RECORDS
    asked = trial.sample.size * room // max(1, records * len(steps))
    return Sensitivity(thresholds, steps, frozenset(nsmallest(max(1, asked), trial.sample.names, key=_place)))


def _place(name: str) -> tuple[int, bytes]:
    """Bucket by bucket, which is a hash of the name, too: a sample then lies in few parts of the columns."""
    return bucket_of(name) or 0, place_of(name)


def _can_move(candidate: Policy, threshold: Threshold) -> bool:
    """Not where the lowest band begins, which is at 0 in every policy."""
    return threshold.value > 0 or with_threshold(candidate, threshold, threshold.step) is not None


def _steps(trial: PolicyTrial, candidate: Policy, thresholds: Sequence[Threshold]) -> Iterator[ThresholdStep]:
    baseline = trial.periods[-1].then.baseline
    for place, threshold in enumerate(thresholds):
        for way, value in ((LOWER, threshold.value - threshold.step), (HIGHER, threshold.value + threshold.step)):
            other = with_threshold(candidate, threshold, value)
            if other is not None:
                candidates = {**trial.candidates, trial.scheme.code: other}
                yield ThresholdStep(
                    place, way, with_candidates(baseline, trial.scheme, candidates, trial.periods[0].begins)
                )


def count_moving(
    found: Hanging,
    trial: PolicyTrial,
    steps: Sequence[ThresholdStep],
    candidate: JudgedSide,
    stepped: Sequence[JudgedSide],
) -> None:
    """Count who stands elsewhere under each step than under the candidate."""
    replay, undecided = trial.scheme.replay, trial.scheme.undecided
    before = _rungs(replay, candidate)
    found.subjects += sum(rung.state not in undecided for rung in before)
    for step, side in zip(steps, stepped, strict=True):
        found.tried.add((step.place, step.way))
        for (one, other), count in Counter(zip(before, _rungs(replay, side), strict=True)).items():
            if (way := move_between(one, other).way) != SAME:
                found.moving[step.place, step.way, way] += count


def _rungs(replay: type[Replay], side: JudgedSide) -> list[Rung]:
    codes = {policy.hash: tuple(replay.level_codes(policy)) for policy in side.policies}
    return [
        Rung(standing.state, standing.level, codes[policy.hash])
        for standing, policy in zip(side.standings, side.policies, strict=True)
    ]


def count_near(found: Hanging, trial: PolicyTrial, thresholds: Sequence[Threshold], side: JudgedSide) -> None:
    """Count who stands within a step of each threshold: by exact fractions, those of whom there is such a figure."""
    out = trial.scheme.undecided | trial.scheme.replay.unmeasured
    measured = np.array([standing.state not in out for standing in side.standings], np.bool_)
    levels = np.array([standing.level or "" for standing in side.standings])
    scores = np.array([0 if score is None else score for score in side.scores], np.int64)
    has_score = np.array([score is not None for score in side.scores], np.bool_)
    for place, threshold in enumerate(thresholds):
        measure = threshold.measure
        if measure is None:
            continue
        of = np.ones(len(scores), np.int64) if measure.denominator is None else side.figures[:, measure.denominator]
        value = scores if measure.numerator == SCORE else side.figures[:, measure.numerator] * measure.scale
        counted = measured & (of > 0)
        if measure.numerator == SCORE:
            counted &= has_score
        if measure.of_level:
            counted &= levels == threshold.level
        apart = value - threshold.value * of
        found.near[place, "below"] += int((counted & (apart < 0) & (apart >= -threshold.step * of)).sum())
        found.near[place, "above"] += int((counted & (apart >= 0) & (apart <= threshold.step * of)).sum())
