"""What is known of a large subject: columns out of sealed segments and the store, and the records behind them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from replay.columnar.archive import open_archive
from replay.columnar.columns import TYPES, Columns
from replay.columnar.subject import subject_columns
from replay.replaying.records import Lend, Records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LargeKnown:
    """What is known of a subject."""

    columns: Columns
    records: Records

    def __len__(self) -> int:
        return len(self.columns.at)

    @cached_property
    def by_position(self) -> "tuple[NDArray[Any], NDArray[np.int64]]":
        """The places of the rows by rising position, and the positions."""
        from replay.replaying.in_columns import order_of

        order = order_of(self.columns.position)
        return order, self.columns.position[order]

    def upto(self, position: int) -> "LargeKnown":
        """What was known at an earlier position."""
        return LargeKnown(self.only(self.columns.position <= position).columns, self.records.upto(position))

    def only(self, kept: "NDArray[np.bool_]") -> "LargeKnown":
        """The same without some rows; where only the last ones go, nothing is copied."""
        count = int(kept.sum())
        if count == len(kept):
            return self
        rows = slice(count) if kept[:count].all() else kept
        arrays = [getattr(self.columns, name)[rows] for name in TYPES]
        return LargeKnown(Columns._make([*arrays, *self.columns[len(TYPES) :]]), self.records)


def known_of(lend: Lend, subject: str, position: int, meanwhile: Callable[[], None]) -> LargeKnown:
    """What a replay of a subject rests on; `meanwhile` is done where a second process reads, as in `read_streams`."""
    with lend() as store:
        archive = open_archive(store, store.segments_path())
        columns = subject_columns(store, archive, subject, position, meanwhile)
    return LargeKnown(columns, Records(lend, subject, position))
