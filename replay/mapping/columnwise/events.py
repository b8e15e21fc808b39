"""The events of a mapping as functions of columns, which give the lines that those of rows give."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from replay.mapping.columnwise.composed import Columns, Composed, composed
from replay.mapping.columnwise.instants import instants
from replay.mapping.columnwise.numbers import whole_column
from replay.mapping.columnwise.proofs import UNPROVEN, FieldProof, proof_of_attribute, proof_of_field
from replay.mapping.columnwise.values import (
    Doubts,
    Flags,
    Piece,
    TextColumn,
    by_value,
    joined,
    of_filled,
    of_values,
    replaced,
)
from replay.mapping.language.compiling import BEGINNING, FLAGS, INSTANTS, NEEDED, ORDERED, in_order
from replay.mapping.language.document import EventMapping, Mapping, Value
from replay.mapping.language.kinds import FLAG, NUMBER, FieldKind, fields_of
from replay.mapping.language.texts import Condition, Template
from replay.parsing.refusals import RefusalError

Rows = NDArray[np.int64]


class Written(NamedTuple):
    """What an attribute or a field is in JSON."""

    name: str
    pieces: list[Piece]
    absent: Flags | None
    """Rows in which it is left out; None where it is in none."""


Write = Callable[[Columns, int, Doubts], Written]
Keep = Callable[[Columns, Doubts], Flags]


class EventLines(NamedTuple):
    """Those of one event of a mapping, each with its line end."""

    rows: Rows | None
    """Which rows have it; None where all have."""
    lines: Any


class ColumnEvent(NamedTuple):
    """One event of a mapping as functions of columns."""

    type: str
    used: frozenset[str]
    """The columns it is made of."""
    when: Keep | None
    attributes: list[Write]
    data: list[Write]
    proving: bool

    def of(self, columns: Columns, count: int, doubts: Doubts) -> EventLines | None:
        """The lines of so many rows; None where none has the event. Of rows in doubt nothing is meant."""
        chosen: Flags | None = None
        if self.when is not None:
            chosen = self.when(columns, doubts)
            if not chosen.any():
                return None
        rows = None if chosen is None or chosen.all() else np.flatnonzero(chosen)
        if rows is not None and chosen is not None:
            columns = {name: columns[name].where(chosen) for name in self.used}
        inner = Doubts(count if rows is None else len(rows))
        if self.proving and self.type in UNPROVEN:
            inner.add_all()
        lines = self._lines(columns, count if rows is None else len(rows), inner)
        if inner.found is not None:
            doubtful = np.zeros(count, bool)
            doubtful[slice(None) if rows is None else rows] = inner.found
            doubts.add(doubtful)
        return EventLines(rows, lines.array)

    def _lines(self, columns: Columns, count: int, doubts: Doubts) -> TextColumn:
        begin = msgspec.json.encode(BEGINNING | {"type": self.type}).decode().removesuffix("}")
        pieces: list[Piece] = [begin]
        for write in self.attributes:
            pieces += _behind_a_comma(write(columns, count, doubts), count)
        pieces += [',"data":{', *_listed([write(columns, count, doubts) for write in self.data], count), "}}\n"]
        return joined(pieces, count)


def _named(found: Written) -> list[Piece]:
    return [f'"{found.name}":', *found.pieces]


def _behind_a_comma(found: Written, count: int) -> list[Piece]:
    return _where_present(found, [",", *_named(found)], count)


def _where_present(found: Written, pieces: list[Piece], count: int) -> list[Piece]:
    if found.absent is None:
        return pieces
    return [] if found.absent.all() else [replaced(joined(pieces, count), found.absent, "")]


def _listed(fields: list[Written], count: int) -> list[Piece]:
    """Fields with commas between those that are there: those before the first that always is have them behind."""
    always = next((at for at, field in enumerate(fields) if field.absent is None), None)
    if always is None:
        pieces = [piece for found in fields for piece in _where_present(found, [*_named(found), ","], count)]
        return [TextColumn(pc.utf8_rtrim(joined(pieces, count).array, ","))] if pieces else []
    before = [piece for found in fields[:always] for piece in _where_present(found, [*_named(found), ","], count)]
    behind = [piece for found in fields[always + 1 :] for piece in _behind_a_comma(found, count)]
    return [*before, *_named(fields[always]), *behind]


def column_events(mapping: Mapping, *, proving: bool) -> list[ColumnEvent]:
    """The events of a mapping; with `proving`, rows are in doubt whose lines the intake's reader might refuse."""
    return [_Maker(mapping, event, proving).event() for event in mapping.events]


class _Maker:
    """Turns what a mapping says of one event into functions of columns."""

    def __init__(self, mapping: Mapping, event: EventMapping, proving: bool) -> None:
        self._mapping = mapping
        self._event = event
        self._proving = proving

    def event(self) -> ColumnEvent:
        event = self._event
        kinds = fields_of(event.type)
        return ColumnEvent(
            event.type,
            frozenset(event.columns),
            None if event.when is None else _when(event.when),
            [self._attribute(name, template) for name, template in event.attributes.items()],
            [self._field(name, value, kinds[name]) for name, value in event.data.items()],
            self._proving,
        )

    def _attribute(self, name: str, template: Template) -> Write:
        if name in INSTANTS:
            return self._instant(name, template, required=name in NEEDED)
        proof = proof_of_attribute(name, self._event.type) if self._proving else None
        return self._text(name, template, FieldKind("text", name in NEEDED, False), proof)

    def _field(self, name: str, value: Value, kind: FieldKind) -> Write:
        proof = proof_of_field(name, self._event.type) if self._proving else None
        if not isinstance(value, Template):
            return _fixed(name, value, proof)
        if kind.kind == NUMBER:
            return self._other(name, value, kind, lambda found, doubts: _numbers(found, proof, doubts))
        if kind.kind == FLAG:
            return self._other(name, value, kind, _flags)
        return self._text(name, value, kind, proof)

    def _composed(self, template: Template, columns: Columns, count: int, doubts: Doubts) -> Composed:
        found = composed(template, columns, self._mapping.values, count, doubts)
        if found.fixed == "":
            return Composed(found.pieces, np.ones(count, bool), count)
        return found

    def _text(self, name: str, template: Template, kind: FieldKind, proof: FieldProof | None) -> Write:
        def write(columns: Columns, count: int, doubts: Doubts) -> Written:
            found = self._composed(template, columns, count, doubts)
            if proof is not None:
                proof.of_texts(found, doubts)
            return _ended(name, found.in_json(), found.empty, kind, doubts, count)

        return write

    def _instant(self, name: str, template: Template, *, required: bool) -> Write:
        kind = FieldKind("text", required, False)

        def make(found: TextColumn, doubts: Doubts) -> TextColumn:
            return instants(found, self._mapping.zone, doubts, proving=self._proving)

        def write(columns: Columns, count: int, doubts: Doubts) -> Written:
            found = self._composed(template, columns, count, doubts)
            made = of_filled(found.whole(), found.empty, make, doubts)
            return _ended(name, ['"', made, '"'], found.empty, kind, doubts, count)

        return write

    def _other(
        self, name: str, template: Template, kind: FieldKind, make: Callable[[TextColumn, Doubts], TextColumn]
    ) -> Write:
        """A field that is no text in JSON."""

        def write(columns: Columns, count: int, doubts: Doubts) -> Written:
            found = self._composed(template, columns, count, doubts)
            made = of_filled(found.whole(), found.empty, make, doubts)
            return _ended(name, [made], found.empty, kind, doubts, count)

        return write


def _ended(name: str, pieces: list[Piece], empty: Flags | None, kind: FieldKind, doubts: Doubts, count: int) -> Written:
    """A field with what is made of it where its columns are empty: null, nothing, or a refusal."""
    if empty is None:
        return Written(name, pieces, None)
    if kind.nullable:
        return Written(name, [replaced(joined(pieces, count), empty, "null")], None)
    if kind.required:
        doubts.add(empty)
        return Written(name, pieces, None)
    return Written(name, pieces, empty)


def _fixed(name: str, value: int | bool, proof: FieldProof | None) -> Write:
    text = msgspec.json.encode(value).decode()

    def write(columns: Columns, count: int, doubts: Doubts) -> Written:
        if proof is not None and not proof.of_one(value):
            doubts.add_all()
        return Written(name, [text], None)

    return write


def _numbers(found: TextColumn, proof: FieldProof | None, doubts: Doubts) -> TextColumn:
    made = whole_column(found, doubts)
    if proof is not None:
        proof.of_numbers(made, doubts)
    return made


def _flags(found: TextColumn, doubts: Doubts) -> TextColumn:
    def make(text: str) -> str | None:
        known = FLAGS.get(text.lower())
        return None if known is None else str(known).lower()

    return by_value(found, make, doubts)


def _when(when: Condition) -> Keep:
    if when.operator in ORDERED:
        hold = in_order(when, itemgetter(0))

        def holds(text: str) -> bool | None:
            try:
                return hold((text,))
            except RefusalError:
                return None

        return lambda columns, doubts: of_values(columns[when.column], holds, doubts)
    compare = pc.equal if when.operator == "==" else pc.not_equal

    def keep(columns: Columns, doubts: Doubts) -> Flags:
        found: Flags = compare(columns[when.column].array, pa.scalar(when.value)).to_numpy(zero_copy_only=False)
        return found

    return keep
