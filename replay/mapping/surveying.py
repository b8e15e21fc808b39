"""What stands in the columns of a file, and what of it a mapping makes nothing of."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from replay.mapping.asking import ToRead
from replay.mapping.language.document import Mapping
from replay.mapping.language.texts import Placeholder, Template, scaled
from replay.mapping.language.zones import with_offset
from replay.mapping.rows import RowTable

ROWS: Final = 1_000
"""Rows that are looked at together."""
DISTINCT_MAX: Final = 100_000
"""Values of a column that are told apart; beyond them it has more."""
UNMAPPED_MAX: Final = 5

Fits = Callable[[str], bool]


@dataclass
class SurveyedColumn:
    """One column of a file."""

    name: str
    uses: list[str]
    """The events and fields that are made of it, as `order.paid data.amount`; none where it is left aside."""
    fits: list[Fits]
    filled: int = 0
    distinct: set[str] = field(default_factory=set)
    unmapped: list[str] = field(default_factory=list)
    """The first values of which nothing can be made."""

    @property
    def has_more(self) -> bool:
        """Whether it has more values than were told apart."""
        return len(self.distinct) >= DISTINCT_MAX

    def take(self, value: str) -> None:
        if not value:
            return
        self.filled += 1
        if value in self.distinct or self.has_more:
            return
        self.distinct.add(value)
        if len(self.unmapped) < UNMAPPED_MAX and not all(fits(value) for fits in self.fits):
            self.unmapped.append(value)


@dataclass
class Survey:
    """A file as a mapping sees it."""

    columns: list[SurveyedColumn]
    rows: int = 0
    unreadable: int = 0

    @property
    def fits(self) -> bool:
        """Whether every row can be read, and something be made of every value."""
        return not self.unreadable and not any(column.unmapped for column in self.columns)


def survey(asked: ToRead, name: str) -> Survey:
    """What the columns of a file hold. Raises BrokenInput where it cannot be read by the mapping."""
    with ExitStack() as stack:
        return _surveyed(asked.mapping, asked.table(name, ROWS, stack))


def _surveyed(mapping: Mapping, table: RowTable) -> Survey:
    found = Survey([_column(mapping, name) for name in table.columns])
    for batch in table.batches:
        found.unreadable += len(batch.unreadable)
        rows = [row for row in batch.rows if row is not None]
        found.rows += len(rows)
        for column, values in zip(found.columns, zip(*rows, strict=True), strict=False):
            for value in values:
                column.take(value)
    return found


def _column(mapping: Mapping, name: str) -> SurveyedColumn:
    uses: list[str] = []
    fits: list[Fits] = []
    for event in mapping.events:
        templates = [*event.attributes.items(), *((f"data.{key}", value) for key, value in event.data.items())]
        if event.when is not None and event.when.column == name:
            uses.append(f"{event.type} when")
        for key, template in templates:
            if isinstance(template, Template) and name in template.columns:
                uses.append(f"{event.type} {key}")
                fits += _fits(mapping, name, key, template)
    return SurveyedColumn(name, list(dict.fromkeys(uses)), fits)


def _fits(mapping: Mapping, name: str, key: str, template: Template) -> Iterator[Fits]:
    """What a value of a column must pass to become part of a field."""
    for placeholder in template.placeholders:
        if placeholder.column == name and placeholder.table is not None:
            yield mapping.values[placeholder.table].__contains__
        elif placeholder.column == name and placeholder.times is not None:
            yield _passes(scaled, placeholder.times)
    if key in ("time", "recordedtime") and template.parts == (Placeholder(name),):
        yield _passes(with_offset, mapping.zone)


def _passes(read: Callable[..., object], how: object) -> Fits:
    def passes(value: str) -> bool:
        try:
            read(value, how)
        except ValueError:
            return False
        return True

    return passes
