"""What the subjects of a scheme come to at one moment, all at once: compiled folds over the columns of the ledger."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from itertools import pairwise
from typing import Final

import numpy as np

from domain.buckets import BUCKETS
from domain.keys import stream_key
from replay.columnar.ledger_columns import LedgerColumns
from replay.decisions.digests import WORD_BYTES
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.outcomes import UNDIGESTED, FoldedOutcomes, SubjectOutcome
from replay.replaying.verdicts import Verdicts
from replay.schemes.registry import Scheme, fold_of, kinds_read

THREADS: Final = 2
"""Folds release the interpreter's lock; what stands between them holds more than this many back."""
_VERDICT: Final = np.dtype([("position", ">i8"), ("tenths", ">i8"), ("word", f"S{WORD_BYTES}")])
"""As `digests.findings_of` packs a verdict."""
_INTEGER: Final = np.dtype(">i8")


def outcomes_in_bulk(
    source: LedgerColumns, scheme: Scheme, moment: Moment, policies: Policies
) -> Iterator[list[SubjectOutcome]]:
    """What each subject comes to that some rule reads a record of, a bucket at a time.

    Raises the error of the first record that cannot be read, as a replay of its subject does.
    """
    source.check_read(kinds_read(scheme))
    if scheme.folds_all:
        yield _of_all(source, scheme, moment, policies)
        return
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(partial(_of_bucket, source, scheme, moment, policies), range(BUCKETS))


def _of_bucket(
    source: LedgerColumns, scheme: Scheme, moment: Moment, policies: Policies, bucket: int
) -> list[SubjectOutcome]:
    fold = fold_of(scheme.code)
    found: list[SubjectOutcome] = []
    for columns in source.parts_of(bucket):
        folded = fold(columns, policies, moment)
        found += _outcomes_of(folded, [[stream_key(name)] for name in folded.names])
    return found


def _of_all(source: LedgerColumns, scheme: Scheme, moment: Moment, policies: Policies) -> list[SubjectOutcome]:
    folded = fold_of(scheme.code)(source.of_agencies(), policies, moment)
    return _outcomes_of(folded, [scheme.replay.keys(source.store, name, moment.position) for name in folded.names])


def _outcomes_of(folded: FoldedOutcomes, keys: Sequence[Sequence[str]]) -> list[SubjectOutcome]:
    told = (folded.names, folded.standings, folded.scores, folded.policies, findings_digests(folded), keys)
    return [SubjectOutcome(*outcome) for outcome in zip(*told, strict=True)]


def findings_digests(folded: FoldedOutcomes) -> list[str]:
    """By place, what `digests.findings_of` gives of its replay."""
    verdicts = _digested(folded.verdicts, folded.words)
    told = np.zeros(len(verdicts.position), _VERDICT)
    told["position"], told["tenths"] = verdicts.position, verdicts.tenths
    told["word"] = np.array([word.encode() for word in folded.words], told.dtype["word"])[verdicts.verdict]
    judged, figures = memoryview(told.tobytes()), memoryview(folded.figures.astype(_INTEGER).tobytes())
    starts, figure_starts = verdicts.starts.tolist(), folded.figure_starts.tolist()
    found = []
    for number, (first, end) in zip(folded.numbers, pairwise(figure_starts), strict=True):
        low, high = starts[number], starts[number + 1]
        digest = sha256((high - low).to_bytes(_INTEGER.itemsize, "big"))
        digest.update(judged[low * _VERDICT.itemsize : high * _VERDICT.itemsize])
        digest.update((end - first).to_bytes(_INTEGER.itemsize, "big"))
        digest.update(figures[first * _INTEGER.itemsize : end * _INTEGER.itemsize])
        found.append(digest.hexdigest())
    return found


def _digested(verdicts: Verdicts, words: Sequence[str]) -> Verdicts:
    """Those that digests cover."""
    if UNDIGESTED not in words:
        return verdicts
    kept = verdicts.verdict != words.index(UNDIGESTED)
    before = np.concatenate(([0], np.cumsum(kept)))
    return Verdicts(before[verdicts.starts], *(column[kept] for column in verdicts[1:]))
