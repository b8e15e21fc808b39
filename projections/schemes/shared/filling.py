"""Some columns of a ledger, and the rows that the views of their subjects come to."""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.events import CATALOGUE
from projections.schemes.shared.bulk_rows import lists, named
from projections.views.step import LIFE_TYPES, Step
from replay.columnar.columns import EVENT_RETRACTED, MERCHANT_ONBOARDED, TIER_SET, TYPES, WHATS, Columns
from replay.columnar.rows import retracted_rows

if TYPE_CHECKING:
    from replay.schemes.mcn_level.fold import Slots

_CORRECTIONS: Final = [WHATS[name] for name, row in CATALOGUE.items() if row.correction]
_LIFE: Final = [WHATS[name] for name in sorted(LIFE_TYPES)]
_NAMES: Final = {number: name for name, number in WHATS.items()}
LATEST: Final = 2**62
"""An instant after all others: never."""
Prepared = list[tuple[str, dict[str, list[Any]]]]
"""Rows that are ready to be inserted: tables, and their columns by name."""


class Filling:
    """Some columns, and the rows that they come to."""

    def __init__(self, step: Step, columns: Columns, slots: "Callable[[], Slots]", as_of: int | None = None) -> None:
        """`as_of` is that of the step's end where left out."""
        self.step = step
        self.columns = columns
        self.slots = slots
        """Who holds each creator, of the whole ledger."""
        self.prepared: Prepared = []
        self.as_of = step.after.as_of if as_of is None else as_of
        self.retracted = retracted_rows(columns)
        self._numbers = self._by_kind()

    def _by_kind(self) -> dict[str, NDArray[np.int64]]:
        found: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(self.columns.subjects):
            found[name.partition("/")[0]].append(number)
        return {kind: np.array(numbers, np.int64) for kind, numbers in found.items()}

    def of_kind(self, kind: str) -> NDArray[np.int64]:
        """The numbers of the subjects of a kind, rising."""
        return self._numbers.get(kind, np.zeros(0, np.int64))

    def leave_out(self, aside: set[str]) -> None:
        """Leave out subjects that are set aside: nothing is worked out for them, or of them for agencies."""
        numbers = [number for number, name in enumerate(self.columns.subjects) if name in aside]
        if not numbers:
            return
        kept = ~np.isin(self.columns.subject, numbers)
        arrays = {name: getattr(self.columns, name)[kept] for name in TYPES}
        self.columns = self.columns._replace(**arrays)
        self.retracted = self.retracted[kept]
        for kind, found in self._numbers.items():
            self._numbers[kind] = found[~np.isin(found, numbers)]

    def insert(self, table: str, columns: dict[str, Any]) -> None:
        """Insert rows given as columns by name, whose values may stand in arrays yet."""
        self.prepared.append((table, lists(columns)))

    def life(self) -> dict[str, list[Any]]:
        """The rare events that are kept."""
        columns = self.columns
        rows = np.flatnonzero(np.isin(columns.what, _LIFE))
        whats, details = columns.what[rows].tolist(), columns.detail[rows].tolist()
        return {
            "subject": named(columns.subjects, columns.subject[rows]),
            "position": columns.position[rows].tolist(),
            "at": columns.at[rows].tolist(),
            "type": [_NAMES[what] for what in whats],
            "about": [self._about(what, detail) for what, detail in zip(whats, details, strict=True)],
            "value": np.where(columns.what[rows] == EVENT_RETRACTED, columns.amount[rows], 0).tolist(),
        }

    def _about(self, what: int, detail: int) -> str | None:
        if what == MERCHANT_ONBOARDED:
            return self.columns.texts[detail]
        return f"LV{detail}" if what == TIER_SET else None

    def ahead(self) -> NDArray[np.int64]:
        """By subject, the first instant after the step's end of something that is known already."""
        columns = self.columns
        rows = (columns.at > self.as_of) & ~self.retracted & ~np.isin(columns.what, _CORRECTIONS)
        return self.earliest(columns.subject[rows], columns.at[rows])

    def earliest(self, subjects: NDArray[np.int32], instants: NDArray[np.int64]) -> NDArray[np.int64]:
        found = np.full(len(self.columns.subjects), LATEST)
        np.minimum.at(found, subjects, instants)
        return found

    def calendar(self, scheme: str, subjects: NDArray[np.int64], next_at: NDArray[np.int64]) -> None:
        """The calendar's rows of some subjects from the next instant of each; none where that is LATEST."""
        kept = next_at < LATEST
        names = named(self.columns.subjects, subjects[kept])
        self.insert("calendar", {"subject": names, "scheme": [scheme] * len(names), "next_at": next_at[kept]})
