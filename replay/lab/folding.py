"""What both sides of a trial come to, some subjects at a time: by plain replays where records are few, else folded.

Columns are read once: of each part every moment and side is folded, from a copy cut at the moment's position.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.events import Event
from replay.columnar.columns import TYPES, Columns
from replay.columnar.ledger_columns import LedgerColumns
from replay.columnar.segments import BUCKETS
from replay.columnar.size import are_many
from replay.history.browse import list_subjects
from replay.history.timeline import Moment
from replay.lab.judged import JudgedSide, side_of_folded, side_of_replays
from replay.lab.traits import Traits, traits_in, traits_of
from replay.lab.trial import PolicyTrial, Sides, TrialPeriod
from replay.replaying.base import Policies
from replay.schemes.registry import fold_of, kinds_read, records_of
from replay.store.base import Store

SUBJECTS_AT_ONCE: Final = 200
"""So many are replayed before they are handed over; in bulk a part of the columns is."""
THREADS: Final = 2
"""Folds release the interpreter's lock."""


Made = TypeVar("Made")


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


class JudgesPart(NamedTuple):
    """How the subjects of a part are judged at any moment."""

    names: Sequence[str]
    judge: Callable[[Moment, Policies, int | None], JudgedSide]
    """At a moment, under some policies; verdicts are counted from an instant on."""
    traits: Callable[[Moment], Traits]


def judged_parts(
    store: Store, trial: PolicyTrial, made: Callable[[JudgedPart], Made], segments: Path | None = None
) -> Iterator[Made]:
    """What is made of both sides of a trial, some subjects after others: each of which any rule reads a record once.

    `segments` is where sealed segments lie, if not beside the store. Raises the error of the first record that cannot
    be read, as a replay of its subject does.
    """
    if trial.scheme.in_bulk and are_many(records_of(store, trial.scheme)):
        return _in_bulk(LedgerColumns(store, trial.head.position, segments), trial, made)
    return (made(_judged(trial, judging)) for judging in _plain(store, trial))


def _judged(trial: PolicyTrial, judging: JudgesPart) -> JudgedPart:
    """A part at every moment."""

    def both(sides: Sides, period: TrialPeriod) -> JudgedSides:
        moment, baseline, candidate = sides
        before = judging.judge(moment, baseline, period.begins)
        same = _judge_alike(baseline, candidate)
        after = before if same else judging.judge(moment, candidate, period.begins)
        return JudgedSides(before, after, judging.traits(moment))

    then = [both(period.then, period) for period in trial.periods]
    now = [both(period.now, period) for period in trial.periods if period.now is not None]
    return JudgedPart(judging.names, then, now)


def _judge_alike(one: Policies, other: Policies) -> bool:
    """Whether the same revisions judge from the same instants on."""
    sides = (
        [(item.in_force_from, item.recalculates_from, item.hash) for item in (*of.own, *of.beside)]
        for of in (one, other)
    )
    return next(sides) == next(sides)


# --- plain ------------------------------------------------------------------------------------------------------------


def _plain(store: Store, trial: PolicyTrial) -> Iterator[JudgesPart]:
    names = (item["subject"] for item in list_subjects(store, trial.scheme.kind))
    chosen = filter(trial.sample.holds, names)
    while some := list(islice(chosen, SUBJECTS_AT_ONCE)):
        yield _by_replays(store, trial, some)


def _by_replays(store: Store, trial: PolicyTrial, names: Sequence[str]) -> JudgesPart:
    judging = trial.scheme.replay

    @lru_cache(1)
    def known(position: int) -> list[list[Event]]:
        return [judging.load(store, name, position) for name in names]

    def judge(moment: Moment, policies: Policies, begins: int | None) -> JudgedSide:
        events = zip(names, known(moment.position), strict=True)
        return side_of_replays([judging(name, some, moment, policies) for name, some in events], begins)

    return JudgesPart(names, judge, lambda moment: traits_of(names, known(moment.position), moment.as_of))


# --- by columns -------------------------------------------------------------------------------------------------------


def _in_bulk(source: LedgerColumns, trial: PolicyTrial, made: Callable[[JudgedPart], Made]) -> Iterator[Made]:
    source.check_read(kinds_read(trial.scheme))
    if trial.scheme.folds_all:
        yield made(_judged(trial, _of_all(source, trial)))
        return

    def of_bucket(bucket: int) -> list[Made]:
        return [made(_judged(trial, _by_columns(columns, trial))) for columns in source.parts_of(bucket)]

    with ThreadPoolExecutor(THREADS) as pool:
        for some in pool.map(of_bucket, range(BUCKETS)):
            yield from some


def _by_columns(columns: Columns, trial: PolicyTrial) -> JudgesPart:
    """Subjects that are judged by their own records alone."""
    names = [name for name in columns.subjects if _is_tried(name, trial)]
    chosen = _of_subjects(columns, names)
    fold, known = fold_of(trial.scheme.code), lru_cache(1)(partial(_upto, chosen))

    def judge(moment: Moment, policies: Policies, begins: int | None) -> JudgedSide:
        folded = fold(known(moment.position), policies, moment)
        return side_of_folded(folded, names, trial.scheme.replay, policies, moment, begins)

    return JudgesPart(names, judge, lambda moment: traits_in(known(moment.position), names, moment.as_of))


def _is_tried(name: str, trial: PolicyTrial) -> bool:
    return name.startswith(f"{trial.scheme.kind}/") and trial.sample.holds(name)


def _of_all(source: LedgerColumns, trial: PolicyTrial) -> JudgesPart:
    """Subjects that are judged by others' records, too: all columns together, whichever of them are asked for."""
    listed = (item["subject"] for item in list_subjects(source.store, trial.scheme.kind))
    names = [name for name in listed if _is_tried(name, trial)]
    buckets = source.of_agencies()
    fold = fold_of(trial.scheme.code)

    @lru_cache(1)
    def known(position: int) -> list[Columns]:
        return [_upto(columns, position) for columns in buckets]

    def judge(moment: Moment, policies: Policies, begins: int | None) -> JudgedSide:
        folded = fold(known(moment.position), policies, moment)
        return side_of_folded(folded, names, trial.scheme.replay, policies, moment, begins)

    # The last of them are the records of the agencies themselves.
    return JudgesPart(names, judge, lambda moment: traits_in(known(moment.position)[-1], names, moment.as_of))


def _upto(columns: Columns, position: int) -> Columns:
    """The records up to a position; subjects and names stay as they are numbered."""
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
