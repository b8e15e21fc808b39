"""What the rules at a glance are made of: sections, their columns and rows, and what each figure rests on."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

Cell = tuple[str, ...]
"""What stands in one place of a table: mostly one text, of bands and benefits one each."""
NO_LEVEL: Final = ""
"""The code of the row of subjects that have no level."""


class RuleColumn(NamedTuple):
    """A column of a section."""

    code: str
    title: str
    basis: str | None = None
    """What its figures rest on; None where each row says so itself, or nothing does."""


class RuleRow(NamedTuple):
    """A row of a section: a cell for each column."""

    code: str
    cells: tuple[Cell, ...]
    basis: str | None = None
    """What it rests on; None where its columns say so."""


class RuleSection(NamedTuple):
    """A table of the rules; a section without rows says in `note` why."""

    code: str
    title: str
    columns: tuple[RuleColumn, ...]
    rows: tuple[RuleRow, ...]
    note: str | None = None

    def bases(self) -> list[str]:
        """What the figures rest on, in the order in which they stand."""
        named = [*(column.basis for column in self.columns), *(row.basis for row in self.rows)]
        return list(dict.fromkeys(basis for basis in named if basis is not None))


class RuleBasis(NamedTuple):
    """What a figure rests on: a parameter of the policy, or else a rule that none of them sets."""

    code: str
    name: str
    source: str
    status: str
    later_text: str | None = None
    """The day of the text that it rests on, where that came after the version was in force."""
    parameter: str | None = None
    """Its name; None for a rule that no parameter sets."""
    value: Any = None
    """Of a parameter, as the policy has it."""


class OwnRules(NamedTuple):
    """What only one scheme says of a policy: its tables, and the values with which its facts are filled."""

    tables: Sequence[RuleSection]
    values: Mapping[str, str]
