"""What the views hold of many subjects, as columns of integers to go on from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from projections.schemes.shared.bulk_rows import Where, owners_of, rows_of_subjects
from projections.schemes.shared.filling import LATEST
from projections.views.step import Step

Numbers = NDArray[np.int64]
Reads = Mapping[str, Callable[[Any], int]]
"""By column, how its values are read."""


def end_or_latest(at: int | None) -> int:
    """The end of what ends; of what goes on LATEST."""
    return LATEST if at is None else at


HISTORY: Final[Reads] = {"number": int, "from_at": int, "to_at": end_or_latest}
"""What is read of the history of levels."""


def stored_rows(step: Step, name: str, subjects: Sequence[str], columns: Reads, *where: Where) -> dict[str, Numbers]:
    """Columns of a table's rows of some subjects, which are numbered in the order given."""
    numbers = {subject: number for number, subject in enumerate(subjects)}
    found = rows_of_subjects(step.connection, step.tables[name], ("subject", *columns), subjects, *where)
    values: Any = [*zip(*found, strict=True)] or [()] * (len(columns) + 1)
    whose = np.fromiter(map(numbers.__getitem__, values[0]), np.int64, len(found))
    return {"subject": whose} | {
        column: np.fromiter(map(read, some), np.int64, len(found))
        for (column, read), some in zip(columns.items(), values[1:], strict=True)
    }


def count_before(starts: Numbers, instants: Numbers, ends: Numbers) -> Numbers:
    """By subject, how many of its instants or days, which rise, stand before one."""
    owners = owners_of(starts)
    return np.bincount(owners[instants < ends[owners]], minlength=len(starts) - 1)
