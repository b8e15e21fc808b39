"""What is known of a large subject: columns out of sealed segments and the store, and the records behind them."""

from collections.abc import Callable
from dataclasses import dataclass

from replay.columnar.archive import open_archive
from replay.columnar.columns import Columns
from replay.columnar.subject import subject_columns
from replay.replaying.records import Lend, Records


@dataclass(frozen=True)
class LargeKnown:
    """What is known of a subject."""

    columns: Columns
    records: Records

    def __len__(self) -> int:
        return len(self.columns.at)


def known_of(lend: Lend, subject: str, position: int, meanwhile: Callable[[], None]) -> LargeKnown:
    """What a replay of a subject rests on; `meanwhile` is done where a second process reads it, as in `read_stream`."""
    with lend() as store:
        archive = open_archive(store, store.segments_path())
        columns = subject_columns(store, archive, subject, position, meanwhile)
    return LargeKnown(columns, Records(lend, subject, position))
