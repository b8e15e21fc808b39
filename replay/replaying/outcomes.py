"""What replays come to as far as decisions say it: of one subject, and of many as columns out of a compiled fold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from domain.policy import Policy
from replay.replaying.values import Standing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from replay.columnar.columns import Columns
    from replay.replaying.verdicts import Verdicts


UNDIGESTED: Final = "not_used"
"""The verdict on events that no version reads, which digests of findings leave out: columns need not hold these."""


class SubjectOutcome(NamedTuple):
    """What a replay of a subject comes to."""

    subject: str
    standing: Standing
    score: int | None
    policy: Policy
    """The version that judges the period of `as_of`."""
    findings: str
    """The digest of what led to it, in hex."""
    keys: Sequence[str]
    """The keys of all records that it read."""


class FoldedOutcomes(NamedTuple):
    """The same of many subjects, before anything is digested."""

    names: Sequence[str]
    """The streams of the subjects of the kind that is judged; what follows is by the place in this list."""
    numbers: Sequence[int]
    """By which their verdicts are found."""
    standings: Sequence[Standing]
    scores: Sequence[int | None]
    policies: Sequence[Policy]
    words: Sequence[str]
    """Of verdicts, by number."""
    verdicts: "Verdicts"
    """By number."""
    figure_starts: "NDArray[np.int64]"
    """By place, where a subject's figures begin; one more for the end."""
    figures: "NDArray[np.int64]"
    """The `decided_figures` of each replay."""


def subjects_of_kind(columns: "Columns", kind: str) -> list[int]:
    """The numbers of the subjects of a kind in some columns."""
    return [number for number, name in enumerate(columns.subjects) if name.startswith(f"{kind}/")]
