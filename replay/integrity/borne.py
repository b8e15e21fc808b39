"""The aliases that a walk found in records, twenty bytes a payment, held against the table of aliases.

Together, for all: what does not come out even is left to `aliases`, which looks at each and names what is wrong.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from domain.limits import ALIAS_HEX_CHARS
from replay.extras import missing_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALIAS_BYTES: Final = ALIAS_HEX_CHARS // 2


@dataclass
class BorneAliases:
    """Pairs of an alias and the stream that it was found in, in order and as often as they were met."""

    streams: dict[str, int] = field(default_factory=dict)
    """Each stream with its number, given as it is first met."""
    aliases: bytearray = field(default_factory=bytearray)
    of: "array[int]" = field(default_factory=lambda: array("i"))
    """The number of the stream of each alias."""
    are_usual: bool = True
    """Whether all are of the form that this ledger gives to aliases; others are not kept."""

    def add(self, streams: Iterable[str], aliases: Sequence[str]) -> None:
        """Add some, each with its stream."""
        text = "".join(aliases)
        try:
            found = bytes.fromhex(text)
        except ValueError:
            self.are_usual = False
            return
        if found.hex() != text or {*map(len, aliases)} - {ALIAS_HEX_CHARS}:
            self.are_usual = False
            return
        numbers = self.streams
        self.aliases += found
        self.of.extend([numbers.setdefault(stream, len(numbers)) for stream in streams])

    def then(self, other: "BorneAliases") -> "BorneAliases":
        """These, and those of a walk that went on."""
        streams = dict(self.streams)
        numbers = [streams.setdefault(stream, len(streams)) for stream in other.streams]
        of = self.of + array("i", map(numbers.__getitem__, other.of))
        return BorneAliases(streams, self.aliases + other.aliases, of, self.are_usual and other.are_usual)


def count_without_row(borne: BorneAliases, rows: BorneAliases) -> int | None:
    """How many aliases are borne by records and have no row of the table of aliases, where all else is as it should be:

    every alias stands under one stream and has at most one row, which is of that stream; and no row is without a
    record. None where it is not, or where that is not known.
    """
    if not (borne.are_usual and rows.are_usual) or missing_of(("numpy",)):
        return None
    import numpy as np

    both = borne.then(rows)
    is_row = np.arange(len(both.of)) >= len(borne.of)
    pairs = _sorted(both, is_row)
    same = (pairs["first"][1:] == pairs["first"][:-1]) & (pairs["second"][1:] == pairs["second"][:-1])
    if (pairs["of"][1:] != pairs["of"][:-1])[same].any():
        return None
    begins = np.flatnonzero(np.concatenate([[True], ~same])[: len(pairs)])
    rows_of_each = np.add.reduceat(pairs["is_row"].astype(np.int64), begins) if len(begins) else begins
    records_of_each = np.diff(begins, append=len(pairs)) - rows_of_each
    if (rows_of_each > 1).any() or (records_of_each == 0).any():
        return None
    return int(np.count_nonzero(rows_of_each == 0))


def _sorted(pairs: BorneAliases, is_row: "NDArray[np.bool_]") -> "NDArray[Any]":
    """Pairs in the order of their aliases."""
    import numpy as np

    halves = np.frombuffer(bytes(pairs.aliases), np.dtype([("first", np.uint64), ("second", np.uint64)]))
    order = np.lexsort((halves["second"], halves["first"]))
    found = np.empty(len(order), np.dtype([*halves.dtype.descr, ("of", np.int32), ("is_row", np.bool_)]))
    found["first"], found["second"] = halves["first"][order], halves["second"][order]
    found["of"], found["is_row"] = np.frombuffer(pairs.of, np.int32)[order], is_row[order]
    return found
