"""What both sides of a trial come to, some subjects at a time: by plain replays where records are few, else folded.

Columns are read once: of each part every moment and side is folded, from a copy cut at the moment's position.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.buckets import BUCKETS
from domain.events import Event
from replay.columnar.columns import TYPES, Columns
from replay.columnar.ledger_columns import LedgerColumns
from replay.columnar.size import are_many
from replay.history.timeline import Moment
from replay.lab.judged import JudgedSide, side_of_folded, side_of_replays
from replay.lab.sensitivity import Hanging, Sensitivity, count_moving, count_near
from replay.lab.traits import Traits, traits_in, traits_of
from replay.lab.trial import PolicyTrial, Sides, TrialPeriod
from replay.objects.naming import FilesPlace
from replay.replaying.base import Policies, Replay
from replay.replaying.values import Instants
from replay.schemes.registry import fold_each_of, judging_subject, kinds_read, records_of
from replay.schemes.replaying import lent, replay_of
from replay.store.base.store import Store

SUBJECTS_AT_ONCE: Final = 200
"""So many are replayed before they are handed over; in bulk a part of the columns is."""
THREADS: Final = 2
"""Folds release the interpreter's lock."""


Made = TypeVar("Made")
Read = Columns | list[Columns]
"""The columns of some subjects, or a list of all."""


class JudgedSides(NamedTuple):
    """Both sides at one moment, of the same subjects in the same order, and what these are like."""

    baseline: JudgedSide
    candidate: JudgedSide
    traits: Traits


class JudgedPart(NamedTuple):
    """Some subjects at every moment of a trial; in numbers few enough to be held together."""

    names: Sequence[str]
    then: Sequence[JudgedSides]
    """By period."""
    now: Sequence[JudgedSides]
    """In the same way with hindsight; none where it was not asked for."""
    hanging: Hanging | None
    """What hangs on thresholds; None where that was not asked for."""


class JudgesPart(NamedTuple):
    """How the subjects of a part are judged at any moment."""

    names: Sequence[str]
    judge: Callable[[Moment, Sequence[Policies], Instants | None], list[JudgedSide]]
    """At a moment, under each of some policies; verdicts are counted in a while, or all of them."""
    traits: Callable[[Moment], Traits]
    of: Callable[[Sequence[str]], "JudgesPart"]
    """In the same way some of the subjects."""


def judged_parts(
    store: Store,
    trial: PolicyTrial,
    hanging: Sensitivity | None,
    made: Callable[[JudgedPart], Made],
    segments: FilesPlace | None = None,
) -> Iterator[Made]:
    """What is made of both sides of a trial, some subjects after others: each of which any rule reads a record once.

    `segments` is where sealed segments lie, if not beside the store. Raises the error of the first record that cannot
    be read, as a replay of its subject does.
    """
    return judging_parts(store, trial, lambda judging: made(_judged(trial, hanging, judging)), segments)


def judging_parts(
    store: Store, trial: PolicyTrial, judged: Callable[[JudgesPart], Made], segments: FilesPlace | None = None
) -> Iterator[Made]:
    """In the same way what is made of whatever judges a part."""
    if trial.scheme.in_bulk and are_many(records_of(store, trial.scheme)):
        return _in_bulk(LedgerColumns(store, trial.head.position, segments), trial, judged)
    return map(judged, _plain(store, trial))


def are_by_bucket(store: Store, trial: PolicyTrial) -> bool:
    """Whether records are many, and of subjects that are judged by their own alone: one bucket needs no other."""
    return trial.scheme.in_bulk and not trial.scheme.folds_all and are_many(records_of(store, trial.scheme))


def judged_columns(trial: PolicyTrial, hanging: Sensitivity | None, columns: Columns) -> JudgedPart:
    """Both sides of the subjects of some columns, which hold all of their records."""
    return _judged(trial, hanging, _of_part(trial, columns))


def _judged(trial: PolicyTrial, hanging: Sensitivity | None, judging: JudgesPart) -> JudgedPart:
    """A part at every moment."""

    def both(sides: Sides, period: TrialPeriod) -> JudgedSides:
        moment, baseline, candidate = sides
        policies = [baseline] if _judge_alike(baseline, candidate) else [baseline, candidate]
        judged = judging.judge(moment, policies, period.counted)
        return JudgedSides(judged[0], judged[-1], judging.traits(moment))

    then = [both(period.then, period) for period in trial.periods]
    now = [both(period.now, period) for period in trial.periods if period.now is not None]
    hangs = None if hanging is None else _hanging(trial, hanging, judging, then[-1])
    return JudgedPart(judging.names, then, now, hangs)


def _hanging(trial: PolicyTrial, asked: Sensitivity, judging: JudgesPart, last: JudgedSides) -> Hanging:
    """What hangs on the candidate's thresholds at the last moment."""
    found, period = Hanging(), trial.periods[-1]
    count_near(found, trial, asked.thresholds, last.candidate)
    names = [name for name in judging.names if name in asked.names]
    if names and asked.steps:
        policies = [period.then.candidate, *(step.policies for step in asked.steps)]
        candidate, *stepped = judging.of(names).judge(period.then.moment, policies, period.counted)
        count_moving(found, trial, asked.steps, candidate, stepped)
    return found


def _judge_alike(one: Policies, other: Policies) -> bool:
    """Whether the same revisions judge from the same instants on."""
    sides = (
        [(item.in_force_from, item.recalculates_from, item.hash) for item in (*of.own, *of.beside)]
        for of in (one, other)
    )
    return next(sides) == next(sides)


def both_replays(store: Store, trial: PolicyTrial, subject: str) -> tuple[Replay, Replay]:
    """The replays of one subject at the last period: by the baseline, and by the candidate.

    Raises UsageError for a subject that the scheme does not judge or the ledger does not know.
    """
    judging = judging_subject(store, subject, trial.scheme.code)
    moment, baseline, candidate = trial.periods[-1].then
    end = replay_of(lent(store), judging, subject, moment, candidate)
    return replay_of(lent(store), judging, subject, moment, baseline, end), end


# --- plain ------------------------------------------------------------------------------------------------------------


def _plain(store: Store, trial: PolicyTrial) -> Iterator[JudgesPart]:
    chosen = iter(sorted(trial.sample.names))
    while some := list(islice(chosen, SUBJECTS_AT_ONCE)):
        yield _by_replays(store, trial, some)


def _by_replays(store: Store, trial: PolicyTrial, names: Sequence[str]) -> JudgesPart:
    judging = trial.scheme.replay

    @lru_cache(1)
    def known(position: int) -> list[list[Event]]:
        return [judging.load(store, name, position) for name in names]

    def judge(moment: Moment, policies: Sequence[Policies], counted: Instants | None) -> list[JudgedSide]:
        told = list(zip(names, known(moment.position), strict=True))
        replays = ([judging(name, some, moment, each) for name, some in told] for each in policies)
        return [side_of_replays(some, counted) for some in replays]

    return JudgesPart(
        names,
        judge,
        lambda moment: traits_of(names, known(moment.position), moment.as_of),
        partial(_by_replays, store, trial),
    )


# --- by columns -------------------------------------------------------------------------------------------------------


def _in_bulk(source: LedgerColumns, trial: PolicyTrial, judged: Callable[[JudgesPart], Made]) -> Iterator[Made]:
    source.check_read(kinds_read(trial.scheme))
    if trial.scheme.folds_all:
        buckets = source.of_agencies()
        # The last of them are the records of the agencies themselves.
        yield judged(_by_columns(trial, buckets, itemgetter(-1), sorted(trial.sample.names)))
        return

    def of_bucket(bucket: int) -> list[Made]:
        return [judged(_of_part(trial, columns)) for columns in source.parts_of(bucket)]

    with ThreadPoolExecutor(THREADS) as pool:
        for some in pool.map(of_bucket, range(BUCKETS)):
            yield from some


def _of_part(trial: PolicyTrial, columns: Columns, names: Sequence[str] | None = None) -> JudgesPart:
    """Subjects that are judged by their own records alone."""
    tried = [name for name in columns.subjects if name in trial.sample.names] if names is None else names
    own = _of_subjects(columns, tried)
    return _by_columns(trial, own, lambda columns: columns, tried)._replace(of=partial(_of_part, trial, own))


def _by_columns(trial: PolicyTrial, read: Read, own_of: Callable[[Any], Columns], names: Sequence[str]) -> JudgesPart:
    """Subjects that are judged by what is read; `own_of` gives of this their own records."""
    fold, known = fold_each_of(trial.scheme), lru_cache(1)(partial(_upto, read))

    def judge(moment: Moment, policies: Sequence[Policies], counted: Instants | None) -> list[JudgedSide]:
        folded = fold(known(moment.position), policies, moment)
        both = zip(folded, policies, strict=True)
        return [side_of_folded(one, names, trial.scheme.replay, each, moment, counted) for one, each in both]

    return JudgesPart(
        names,
        judge,
        lambda moment: traits_in(own_of(known(moment.position)), names, moment.as_of),
        partial(_by_columns, trial, read, own_of),
    )


def _upto(read: Read, position: int) -> Read:
    """The records up to a position; subjects and names stay as they are numbered."""
    return _known(read, position) if isinstance(read, Columns) else [_known(columns, position) for columns in read]


def _known(columns: Columns, position: int) -> Columns:
    known = columns.position <= position
    return columns if known.all() else _rows(columns, known)


def _of_subjects(columns: Columns, names: Sequence[str]) -> Columns:
    """The records of some of the subjects, which are given in their order, numbered anew."""
    if len(names) == len(columns.subjects):
        return columns
    wanted = set(names)
    chosen = np.array([name in wanted for name in columns.subjects], np.bool_)
    found = _rows(columns, chosen[columns.subject])
    numbers = (np.cumsum(chosen) - 1).astype(np.int32)
    return found._replace(subject=numbers[found.subject], subjects=list(names))


def _rows(columns: Columns, rows: NDArray[np.bool_]) -> Columns:
    return columns._replace(**{name: getattr(columns, name)[rows] for name in TYPES})
