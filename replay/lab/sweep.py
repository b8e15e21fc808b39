"""A sweep: a grid of candidates that differ in some whole numbers, each beside the same baseline at one moment.

Columns are read once: each part of the subjects is judged under every cell of the grid before the next one is read.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any, Final, NamedTuple

from domain.calendar import shanghai_text
from domain.policy import Policy, policy_of
from domain.version import PROGRAM_VERSION
from replay.errors import UsageError
from replay.lab.candidates import revision_json, with_candidates
from replay.lab.folding import JudgedSides, JudgesPart, judging_parts
from replay.lab.moves import MOVES
from replay.lab.running import Progress
from replay.lab.tally import Stand, tally_of
from replay.lab.thresholds import numbers_in, with_number
from replay.lab.trial import PolicyTrial
from replay.objects.naming import FilesPlace
from replay.store.base.store import Store

FORM: Final = 1
CELLS_UNASKED: Final = 100
"""More cells are judged only where that was said to be wanted."""
CELLS_MAX: Final = 10_000
CELLS_AT_ONCE: Final = 8
"""So many sides of a part are held together."""
KNOWN_SHOWN: Final = 12
_SETTING: Final = re.compile(r"([^=]+)=(-?[0-9]{1,15})\.\.(-?[0-9]{1,15})(?::([0-9]{1,15}))?")


class SweepAxis(NamedTuple):
    """A whole number of a policy, and the values that it takes."""

    name: str
    """Its parameter, and its place within that, such as "levels.bronze-2.from_tenths"."""
    keys: tuple[str | int, ...]
    """Where it stands in the policy's JSON."""
    values: range


class SweepCell(NamedTuple):
    """One candidate of the grid: a value a setting, in their order."""

    values: tuple[int, ...]
    policy: Policy | None
    """None where no policy can have these."""
    fault: str | None
    """The first reason for that."""


@dataclass
class CellCount:
    """What one cell comes to."""

    moves: Counter[str] = field(default_factory=Counter)
    stands: Counter[Stand] = field(default_factory=Counter)
    """How many stand where under the candidate."""


class SweepResult(NamedTuple):
    """What was counted, of as many subjects as were judged."""

    counts: Sequence[CellCount | None]
    """By cell; None of one that no policy can be."""
    subjects: int
    interrupted: bool


# --- what is asked ----------------------------------------------------------------------------------------------------


def axes_of(policy: Policy, texts: Sequence[str]) -> list[SweepAxis]:
    """Settings as they are given, NAME=FROM..TO:STEP. Raises UsageError for one that fits nothing, or comes twice."""
    known = {
        ".".join((name, *names)): ("parameters", name, "value", *keys)
        for name, item in policy.parameters.items()
        for keys, names, _ in numbers_in(item.value)
    }
    found = [_axis(policy, text, known) for text in texts]
    for name, count in Counter(axis.name for axis in found).items():
        if count > 1:
            raise UsageError(f"--set {name} is given {count} times; give it once, with a range")
    return found


def _axis(policy: Policy, text: str, known: dict[str, tuple[str | int, ...]]) -> SweepAxis:
    match = _SETTING.fullmatch(text)
    if match is None:
        raise UsageError(f"--set {text!r} is not NAME=FROM..TO:STEP, whole numbers such as default_tenths=5..9:1")
    name, first, last, step = match[1], int(match[2]), int(match[3]), int(match[4] or 1)
    if name not in known:
        names = ", ".join([*known][:KNOWN_SHOWN]) + (", …" if len(known) > KNOWN_SHOWN else "")
        raise UsageError(f"{policy.revision} has no whole number {name!r}; it has {names}")
    if first > last or step == 0:
        raise UsageError(f"--set {text!r} holds no value: FROM is not after TO, and STEP is 1 or more")
    return SweepAxis(name, known[name], range(first, last + 1, step))


def count_cells(axes: Sequence[SweepAxis]) -> int:
    """How many candidates the grid has."""
    return prod(len(axis.values) for axis in axes)


def check_count(axes: Sequence[SweepAxis], *, wanted: bool) -> int:
    """How many cells the grid has. Raises UsageError for more than are judged unless they are wanted, or at all."""
    cells = count_cells(axes)
    if cells > CELLS_MAX:
        raise UsageError(f"the grid has {cells:,} cells; no more than {CELLS_MAX:,} are judged: take longer steps")
    if cells > CELLS_UNASKED and not wanted:
        raise UsageError(f"the grid has {cells:,} cells, which may take long; --yes judges more than {CELLS_UNASKED}")
    return cells


def cells_of(policy: Policy, axes: Sequence[SweepAxis]) -> Iterator[SweepCell]:
    """Every candidate of the grid, the last setting changing first."""
    for values in product(*(axis.values for axis in axes)):
        content = json.loads(policy.content)
        for axis, value in zip(axes, values, strict=True):
            with_number(content, axis.keys, value)
        yield SweepCell(values, *_checked(content))


def _checked(content: dict[str, Any]) -> tuple[Policy | None, str | None]:
    from replay.policies.document import faults_of

    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    faults = faults_of(canonical)
    return (None, faults[0]) if faults else (policy_of(canonical), None)


# --- judged -----------------------------------------------------------------------------------------------------------


def run_sweep(
    store: Store,
    trial: PolicyTrial,
    cells: Sequence[SweepCell],
    segments: FilesPlace | None = None,
    progress: Progress = lambda *_: None,
) -> SweepResult:
    """Judge every cell at a trial's one moment, beside its baseline. Nothing is recorded.

    Where it is interrupted, what it gives is of the subjects that were judged by then, under every cell.
    """
    result = SweepResult([None if cell.policy is None else CellCount() for cell in cells], 0, interrupted=False)

    def counted(part: JudgesPart) -> tuple[int, list[CellCount]]:
        return len(part.names), _counted(trial, part, [cell.policy for cell in cells if cell.policy is not None])

    try:
        for subjects, found in judging_parts(store, trial, counted, segments):
            result = _with_part(result, subjects, found)  # at once: an interrupt may come anywhere
            progress(result.subjects, trial.sample.size)
    except KeyboardInterrupt:
        return result._replace(interrupted=True)
    return result


def _with_part(result: SweepResult, subjects: int, found: Sequence[CellCount]) -> SweepResult:
    """A result, and beside it that of a part of the subjects; the first stays as it is."""
    more = iter(found)
    counts = [None if count is None else _sum(count, next(more)) for count in result.counts]
    return result._replace(counts=counts, subjects=result.subjects + subjects)


def _sum(one: CellCount, other: CellCount) -> CellCount:
    return CellCount(one.moves + other.moves, one.stands + other.stands)


def _counted(trial: PolicyTrial, part: JudgesPart, policies: Sequence[Policy]) -> list[CellCount]:
    """A part of the subjects under every policy."""
    moment, baseline, _ = trial.periods[0].then
    (before,), traits, found = part.judge(moment, [baseline], None), part.traits(moment), []
    for start in range(0, len(policies), CELLS_AT_ONCE):
        some = [
            with_candidates(baseline, trial.scheme, {policy.scheme: policy}, None)
            for policy in policies[start : start + CELLS_AT_ONCE]
        ]
        for after in part.judge(moment, some, None):
            tally = tally_of(trial, part.names, [JudgedSides(before, after, traits)], ())
            count = CellCount()
            for cell, number in tally.cells.items():
                count.moves[cell.way] += number
                count.stands[cell.after] += number
            found.append(count)
    return found


# --- told -------------------------------------------------------------------------------------------------------------


def sweep_json(
    trial: PolicyTrial, axes: Sequence[SweepAxis], cells: Sequence[SweepCell], result: SweepResult
) -> dict[str, Any]:
    """Everything that a sweep came to, in no language."""
    (policy,), moment = trial.candidates.values(), trial.periods[0].then.moment
    own = trial.periods[0].then.baseline.own
    return {
        "form": FORM,
        "scheme": trial.scheme.code,
        "program": PROGRAM_VERSION,
        "as_of": shanghai_text(moment.as_of),
        "position": moment.position,
        "policy": revision_json(policy),
        "baseline": [revision_json(item) for item in own],
        "set": [
            {"name": axis.name, "from": axis.values[0], "to": axis.values[-1], "step": axis.values.step}
            for axis in axes
        ],
        "subjects": result.subjects,
        "of": trial.sample.size,
        "interrupted": result.interrupted,
        "cells": [_cell_json(axes, *both) for both in zip(cells, result.counts, strict=True)],
    }


def _cell_json(axes: Sequence[SweepAxis], cell: SweepCell, count: CellCount | None) -> dict[str, Any]:
    stands = [] if count is None else sorted(count.stands.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    return {
        "values": {axis.name: value for axis, value in zip(axes, cell.values, strict=True)},
        "hash": None if cell.policy is None else cell.policy.hash,
        "fault": cell.fault,
        "moves": None if count is None else {way: count.moves[way] for way in MOVES},
        "levels": [{"state": state, "level": level, "subjects": number} for (state, level), number in stands],
    }
