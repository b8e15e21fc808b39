"""What one side of a trial comes to for some subjects, out of plain replays or a compiled fold: the same values."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.policy import Policy
from replay.history.timeline import Moment
from replay.replaying.base import Policies, Replay
from replay.replaying.outcomes import UNDIGESTED, FoldedOutcomes
from replay.replaying.values import Instants, Standing


class JudgedSide(NamedTuple):
    """Some subjects at one moment under some policies, each in its place."""

    standings: Sequence[Standing]
    scores: Sequence[int | None]
    policies: Sequence[Policy]
    """The version that judges each one's period."""
    figures: NDArray[np.int64]
    """A row a subject: the figures of its decision, where there is one and schemes always have as many; else zeros."""
    verdicts: Mapping[str, int]
    """How often each verdict was given in the period, on the events of them all."""


def side_of_replays(replays: Sequence[Replay], counted: Instants | None) -> JudgedSide:
    """Out of plain replays at one moment; verdicts are counted in a while, or all of them."""
    verdicts: Counter[str] = Counter()
    for replay in replays:
        verdicts.update(replay.verdict_counts(counted))
    return JudgedSide(
        [replay.standing() for replay in replays],
        [replay.score for replay in replays],
        [replay.policy for replay in replays],
        np.array([_figures(replay) for replay in replays], np.int64).reshape(len(replays), -1),
        _shown(verdicts),
    )


def _figures(replay: Replay) -> Sequence[int]:
    count = replay.figures_decided
    return (count and replay.decided_figures) or [0] * count


def _shown(verdicts: Mapping[str, int]) -> dict[str, int]:
    """Those on events that some version reads: columns do not hold the others."""
    return {word: count for word, count in verdicts.items() if count and word != UNDIGESTED}


def side_of_folded(
    folded: FoldedOutcomes,
    names: Sequence[str],
    judging: type[Replay],
    policies: Policies,
    moment: Moment,
    counted: Instants | None,
) -> JudgedSide:
    """Out of a compiled fold, of some subjects in their order; of one that it does not know, nothing is known."""
    known = {name: place for place, name in enumerate(folded.names)}
    places = [known[name] for name in names if name in known]
    side = JudgedSide(
        [folded.standings[place] for place in places],
        [folded.scores[place] for place in places],
        [folded.policies[place] for place in places],
        _folded_figures(folded, judging.figures_decided)[places],
        _counted(folded, places, counted),
    )
    if len(places) == len(names):
        return side
    return _with_unknown(side, [name in known for name in names], judging("", [], moment, policies))


def _with_unknown(side: JudgedSide, is_known: Sequence[bool], nothing: Replay) -> JudgedSide:
    """With those in their places of which nothing is known."""
    lacking = (nothing.standing(), nothing.score, nothing.policy, np.zeros(nothing.figures_decided, np.int64))
    rows = zip(*side[:4], strict=True)
    standings, scores, policies, figures = zip(*(next(rows) if known else lacking for known in is_known), strict=True)
    return JudgedSide(standings, scores, policies, np.array(figures, np.int64), side.verdicts)


def _folded_figures(folded: FoldedOutcomes, count: int) -> NDArray[np.int64]:
    """By place."""
    found = np.zeros((len(folded.names), count), np.int64)
    starts = folded.figure_starts
    held = np.flatnonzero(starts[1:] > starts[:-1])
    for figure in range(count):
        found[held, figure] = folded.figures[starts[held] + figure]
    return found


def _counted(folded: FoldedOutcomes, places: Sequence[int], counted: Instants | None) -> dict[str, int]:
    """How often each verdict was given on the events of some subjects."""
    verdicts, masks = folded.verdicts, []
    if counted is not None:
        masks.append((verdicts.at >= counted.begins) & (verdicts.at < counted.ends))
    if len(places) < len(verdicts.starts) - 1:  # not of all whose records were folded
        wanted = np.zeros(len(verdicts.starts) - 1, np.bool_)
        wanted[np.array(folded.numbers, np.int64)[places]] = True
        masks.append(np.repeat(wanted, np.diff(verdicts.starts)))
    told = verdicts.verdict[np.logical_and.reduce(masks)] if masks else verdicts.verdict
    counts = np.bincount(told, minlength=len(folded.words)).tolist()
    return _shown(dict(zip(folded.words, counts, strict=True)))
