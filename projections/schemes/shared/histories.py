"""The histories of levels of many subjects, each written anew from an instant on; what began before is kept."""

from typing import Any, NamedTuple

import numpy as np

from projections.schemes.shared.bulk_rows import lists, owners_of
from projections.schemes.shared.changing import Rewriting, RowsMade
from projections.schemes.shared.filling import LATEST
from projections.schemes.shared.stored import HISTORY, Numbers, Reads, stored_rows


class KeptHistories(NamedTuple):
    """What is kept of some subjects' histories, all by subject."""

    counts: Numbers
    """How many rows."""
    last: dict[str, Numbers]
    """By column, the value in the last of them; LATEST where there is none."""
    is_less: Numbers
    """The numbers of the subjects of which some rows go."""


def kept_histories(made: Rewriting, scheme: str, begins: Numbers, columns: Reads | None = None) -> KeptHistories:
    """The rows that begin before an instant, each subject's before its own; `columns` are read besides."""
    still = "(to_at IS NULL OR to_at >= {})", int(begins.min(initial=LATEST))  # what ended before is kept
    reads = {**HISTORY, **(columns or {})}
    rows = stored_rows(made.step, "history", made.subjects, reads, ("scheme = {}", scheme), still)
    whose, is_kept = rows["subject"], rows["from_at"] < begins[rows["subject"]]
    counts = np.zeros(len(begins), np.int64)
    np.maximum.at(counts, whose[is_kept], rows["number"][is_kept] + 1)
    lasts = np.flatnonzero(is_kept & (rows["number"] == counts[whose] - 1))
    last = {name: np.full(len(begins), LATEST) for name in reads}
    for name, values in last.items():
        values[whose[lasts]] = rows[name][lasts]
    return KeptHistories(counts, last, np.unique(whose[~is_kept]))


def change_histories(
    made: Rewriting, scheme: str, kept: KeptHistories, columns: dict[str, Any], starts: Numbers
) -> None:
    """Behind the rows that are kept others come, numbered from 0 by subject; the last that is kept ends where they
    begin. `starts` says where each subject's rows begin among those that come; one more for the end."""
    made.go("history", kept.is_less, {"scheme": scheme}, ("number", kept.counts[kept.is_less].tolist()))
    columns = {**columns, "number": columns["number"] + kept.counts[owners_of(starts)]}
    made.come.append(RowsMade("history", lists(columns)))
    begins, some = np.full(len(kept.counts), LATEST), np.flatnonzero(np.diff(starts))
    begins[some] = np.asarray(columns["from_at"], np.int64)[starts[some]]
    ended = np.flatnonzero((kept.counts > 0) & (kept.last["to_at"] != begins))
    made.end_rows(scheme, ended, kept.counts[ended] - 1, begins[ended])
