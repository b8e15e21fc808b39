"""A part of a trial counted: the cells of the matrix, what moves by group, benefits, verdicts, the largest movers.

A cell is a subject at a moment that has a decision under either side. Tallies of parts add up to those of all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of
from domain.policy import Policy
from replay.lab.folding import JudgedSides
from replay.lab.judged import JudgedSide
from replay.lab.moves import MOVES, SAME, LevelMove, Rung, move_between
from replay.lab.traits import NEVER, Traits
from replay.lab.trial import PolicyTrial
from replay.policies.benefits import every_benefit
from replay.replaying.base import Replay
from replay.replaying.values import Standing

MOVERS_SHOWN: Final = 20
LIMIT_WAYS: Final = ("same", "higher", "lower", "gained", "lost")
"""What becomes of a limit: the last two where one side sets none, since it gives no level; no limit is the highest."""
NO_RANK: Final = -(2**31)
_TENS: Final = 10 ** np.arange(19)

Stand = tuple[str, str | None]
"""State, and level or none."""


class MatrixCell(NamedTuple):
    """From where to where, in which period."""

    period: int
    """Its place among the trial's."""
    before: Stand
    after: Stand
    way: str
    """One of MOVES."""


class FarMover(NamedTuple):
    """A subject that moves, at the period in which it moves farthest; of several the last."""

    subject: str
    period: int
    before: Stand
    after: Stand
    way: str
    ranks: int
    scores: tuple[int | None, int | None]

    @property
    def order(self) -> tuple[int, int, str]:
        """The farthest first; of those the ones whose score differs most."""
        before, after = self.scores
        return -self.ranks, -abs((after or 0) - (before or 0)), self.subject


@dataclass
class Tally:
    """What was counted, by what is known at each period."""

    cells: Counter[MatrixCell] = field(default_factory=Counter)
    verdicts: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    """By period, side ("baseline" or "candidate") and word."""
    benefits: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    """By period and code: "kept", "gained" or "lost"."""
    limits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Cells by daily limit and what becomes of it, one of LIMIT_WAYS."""
    groups: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Cells by grouping, group and way."""
    grouped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Subjects by grouping and group."""
    subjects: int = 0
    moving: int = 0
    """Subjects that do not stand the same in some period."""
    movers: list[FarMover] = field(default_factory=list)
    """The largest, in order."""

    def add(self, other: "Tally") -> None:
        for name in ("cells", "verdicts", "benefits", "limits", "groups", "grouped"):
            getattr(self, name).update(getattr(other, name))
        self.subjects += other.subjects
        self.moving += other.moving
        self.movers = nsmallest(MOVERS_SHOWN, [*self.movers, *other.movers], key=lambda mover: mover.order)


def tally_of(trial: PolicyTrial, names: Sequence[str], periods: Sequence[JudgedSides], by: Sequence[str]) -> Tally:
    """What a part comes to, period by period."""
    found = Tally()
    if not names:
        return found
    stands = _Stands(trial.scheme.replay, trial.scheme.undecided)
    before = np.stack([stands.numbers_of(item.baseline) for item in periods])
    after = np.stack([stands.numbers_of(item.candidate) for item in periods])
    moved = stands.moved(before, after)
    _count_cells(found, stands, before, after, moved)
    _count_limits(found, stands, before, after, moved)
    _count_groups(found, trial, by, periods, stands, before, moved)
    for period, sides in enumerate(periods):
        for side, judged in (("baseline", sides.baseline), ("candidate", sides.candidate)):
            found.verdicts.update({(period, side, word): count for word, count in judged.verdicts.items()})
        _count_benefits(found, period, stands, sides, before[period], after[period], moved.way[period] >= 0)
    found.movers = _movers(names, periods, stands, before, after, moved)
    return found


class Moved(NamedTuple):
    """By period and subject, how it moves."""

    way: NDArray[np.int8]
    """Index into MOVES; -1 where there is no cell."""
    ranks: NDArray[np.int64]


class _Stands:
    """Where subjects stand, by numbers."""

    def __init__(self, replay: type[Replay], undecided: frozenset[str]) -> None:
        self.replay = replay
        self.undecided = undecided
        self.numbers: dict[tuple[str, str | None, str], int] = {}
        self.places: list[Rung] = []
        self.ranks: list[int] = []
        """By number, the rank by which benefits are held; NO_RANK for none."""
        self.limits: list[Mapping[str, int | None]] = []
        """By number, the daily limits that stand there."""

    def numbers_of(self, side: JudgedSide) -> NDArray[np.int64]:
        found = [self._number(standing, policy) for standing, policy in zip(side.standings, side.policies, strict=True)]
        return np.array(found, np.int64)

    def _number(self, standing: Standing, policy: Policy) -> int:
        key = (standing.state, standing.level, policy.hash)
        if key not in self.numbers:
            self.numbers[key] = len(self.places)
            self.places.append(Rung(standing.state, standing.level, tuple(self.replay.level_codes(policy))))
            rank = self.replay.entitling_rank(policy, standing)
            self.ranks.append(NO_RANK if rank is None else rank)
            self.limits.append(self.replay.limits(policy, standing))
        return self.numbers[key]

    def stand(self, number: int) -> Stand:
        return self.places[number][:2]

    def moved(self, before: NDArray[np.int64], after: NDArray[np.int64]) -> Moved:
        pairs, inverse = np.unique(before * len(self.places) + after, return_inverse=True)
        moves = [self._move(*divmod(pair, len(self.places))) for pair in pairs.tolist()]
        way = np.array([-1 if move is None else MOVES.index(move.way) for move in moves], np.int8)
        ranks = np.array([0 if move is None else move.ranks for move in moves], np.int64)
        return Moved(way[inverse].reshape(before.shape), ranks[inverse].reshape(before.shape))

    def _move(self, before: int, after: int) -> LevelMove | None:
        """None where neither side has a decision."""
        one, other = self.places[before], self.places[after]
        return None if {one.state, other.state} <= self.undecided else move_between(one, other)


def _count_cells(
    found: Tally, stands: _Stands, before: NDArray[np.int64], after: NDArray[np.int64], moved: Moved
) -> None:
    size = len(stands.places)
    for period in range(len(before)):
        held = moved.way[period] >= 0
        pairs, first, counts = np.unique(
            (before[period] * size + after[period])[held], return_index=True, return_counts=True
        )
        ways = moved.way[period][held][first]
        for pair, way, count in zip(pairs.tolist(), ways.tolist(), counts.tolist(), strict=True):
            one, other = divmod(pair, size)
            found.cells[MatrixCell(period, stands.stand(one), stands.stand(other), MOVES[way])] += count
    found.subjects = int((moved.way >= 0).any(axis=0).sum())
    found.moving = int((moved.way > MOVES.index(SAME)).any(axis=0).sum())


# --- groups -----------------------------------------------------------------------------------------------------------


def _count_groups(
    found: Tally,
    trial: PolicyTrial,
    by: Sequence[str],
    periods: Sequence[JudgedSides],
    stands: _Stands,
    before: NDArray[np.int64],
    moved: Moved,
) -> None:
    held = moved.way >= 0
    traits = [item.traits for item in periods]
    instants = [period.then.moment.as_of for period in trial.periods]
    for grouping in by:
        texts, groups = _groups_of(grouping, traits, instants, stands, before)
        pairs, counts = np.unique(groups[held] * len(MOVES) + moved.way[held], return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            group, way = divmod(pair, len(MOVES))
            found.groups[grouping, texts[group], MOVES[way]] += count
        subjects = np.broadcast_to(np.arange(groups.shape[1]), groups.shape)
        members = np.unique(groups[held] * groups.shape[1] + subjects[held]) // groups.shape[1]
        for group, count in zip(*np.unique(members, return_counts=True), strict=True):
            found.grouped[grouping, texts[int(group)]] += int(count)


def _groups_of(
    grouping: str, traits: Sequence[Traits], instants: Sequence[int], stands: _Stands, before: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64]]:
    """The groups, and by period and subject which of them it is in."""
    if grouping == "level":
        numbers = _Numbers()
        groups = np.array([numbers[level or state] for state, level, _ in stands.places], np.int64)
        return list(numbers), groups[before]
    if grouping == "size":
        bands = np.stack([np.searchsorted(_TENS, item.records, side="right") for item in traits])
        return ["0", *(f"{10**digits}-{10 ** (digits + 1) - 1}" for digits in range(len(_TENS)))], bands
    if grouping == "tenure":
        years = np.stack([_years(item, instant) for item, instant in zip(traits, instants, strict=True)])
        return ["-", *map(str, range(int(years.max(initial=0)) + 1))], years + 1
    numbers = _Numbers()
    found = [[numbers[text or "-"] for text in item.categories] for item in traits]
    return list(numbers), np.array(found, np.int64)


class _Numbers(dict[str, int]):
    """Texts by the order in which they are first asked for."""

    def __missing__(self, text: str) -> int:
        return self.setdefault(text, len(self))


def _years(traits: Traits, instant: int) -> NDArray[np.int64]:
    """Whole years by calendar months since a subject began; -1 where it had not."""
    begun, now = np.unique(traits.begun, return_inverse=True), month_of(instant)
    years = [-1 if at == NEVER else (now - month_of(at)) // 12 for at in begun[0].tolist()]
    return np.array(years, np.int64)[begun[1]]


# --- benefits ---------------------------------------------------------------------------------------------------------


def _count_benefits(
    found: Tally,
    period: int,
    stands: _Stands,
    sides: JudgedSides,
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    decided: NDArray[np.bool_],
) -> None:
    """Of the subjects with a cell."""
    was, now = _held(stands, sides.baseline, before), _held(stands, sides.candidate, after)
    nobody = np.zeros(len(before), np.bool_)
    for code in was.keys() | now.keys():
        one, other = was.get(code, nobody), now.get(code, nobody)
        for what, held in (("kept", one & other), ("gained", other & ~one), ("lost", one & ~other)):
            found.benefits[period, code, what] += int((held & decided).sum())


def _held(stands: _Stands, side: JudgedSide, numbers: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    """By code, who holds a benefit: as `benefits.held_benefits` says of one."""
    ranks = np.array(stands.ranks, np.int64)[numbers]
    places = stands.replay.reputation_figures
    hashes = np.array([policy.hash for policy in side.policies])
    held: dict[str, NDArray[np.bool_]] = {}
    for policy in {policy.hash: policy for policy in side.policies}.values():
        judged = (hashes == policy.hash) & (ranks != NO_RANK)
        for item in every_benefit(policy):
            holds = judged & (ranks >= item["from_rank"])
            if "reputation_hundredths_min" in item:
                total, days = (side.figures[:, place] for place in places or ())
                holds &= (days > 0) & (total >= item["reputation_hundredths_min"] * days)
            held[item["code"]] = held.get(item["code"], False) | holds
    return held


def _count_limits(
    found: Tally, stands: _Stands, before: NDArray[np.int64], after: NDArray[np.int64], moved: Moved
) -> None:
    """What becomes of the daily limits of those with a cell."""
    size = len(stands.places)
    pairs, counts = np.unique((before * size + after)[moved.way >= 0], return_counts=True)
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        was, now = (stands.limits[number] for number in divmod(pair, size))
        for name in was.keys() | now.keys():
            found.limits[name, limit_way(name, was, now)] += count


def limit_way(name: str, was: Mapping[str, int | None], now: Mapping[str, int | None]) -> str:
    """What becomes of a limit that one side sets at least: one of LIMIT_WAYS."""
    if name not in was:
        return "gained"
    if name not in now:
        return "lost"
    one, other = was[name], now[name]
    if one == other:
        return "same"
    return "higher" if one is not None and (other is None or other > one) else "lower"


# --- movers -----------------------------------------------------------------------------------------------------------


def _movers(
    names: Sequence[str],
    periods: Sequence[JudgedSides],
    stands: _Stands,
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    moved: Moved,
) -> list[FarMover]:
    """The largest: of each subject its largest move, of equal ones the last."""
    last = len(periods) - 1
    farthest = last - np.argmax(moved.ranks[::-1], axis=0)
    ranks = moved.ranks[farthest, np.arange(len(names))]
    found = []
    for place in np.flatnonzero(ranks).tolist():
        period = int(farthest[place])
        scores = periods[period].baseline.scores[place], periods[period].candidate.scores[place]
        found.append(
            FarMover(
                names[place],
                period,
                stands.stand(int(before[period, place])),
                stands.stand(int(after[period, place])),
                MOVES[moved.way[period, place]],
                int(ranks[place]),
                scores,
            )
        )
    return nsmallest(MOVERS_SHOWN, found, key=lambda mover: mover.order)
