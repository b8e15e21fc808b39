"""A policy at a glance as JSON: alone, or beside another version with what differs marked."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from replay.rendering.glance.form import Cell, RuleBasis, RuleColumn, RuleRow, RuleSection
from replay.rendering.glance.whole import RulesGlance

SAME = "same"
CHANGED = "changed"
ADDED = "added"
GONE = "gone"
CHANGES = (SAME, CHANGED, ADDED, GONE)
"""What became of a row or basis, from the other version to the one that is shown."""
Item = TypeVar("Item")


def sections_json(shown: RulesGlance, against: RulesGlance | None) -> list[dict[str, Any]]:
    """Every section; beside another version those that only it has, too."""
    if against is None:
        return [_section_json(section, None, section, None) for section in shown.sections]
    pairs = _paired(shown.sections, against.sections, lambda section: section.code)
    return [_section_json(pair.shown, pair.against, pair.either, against) for pair in pairs]


def bases_json(shown: RulesGlance, against: RulesGlance | None) -> list[dict[str, Any]]:
    """What the figures rest on, by code; beside another version with what that says of it."""
    pairs = _paired(shown.bases, shown.bases if against is None else against.bases, lambda basis: basis.code)
    found = []
    for pair in pairs:
        said = None if pair.shown is None else _said(pair.shown)
        other = None if pair.against is None or against is None else _said(pair.against)
        change = _change(pair.shown is not None, pair.against is not None, said != other and against is not None)
        found.append(
            {
                "code": pair.either.code,
                "name": pair.either.name,
                "parameter": pair.either.parameter,
                "shown": said,
                "against": other,
                "change": change,
            }
        )
    return found


class _Pair(NamedTuple):
    shown: Any
    against: Any

    @property
    def either(self) -> Any:
        return self.against if self.shown is None else self.shown


def _paired(shown: Sequence[Item], against: Sequence[Item], code: Callable[[Item], str]) -> list[_Pair]:
    """Items of the same code side by side: in the order of the version that is shown, and behind it what only the
    other has.
    """
    own, others = {code(item): item for item in shown}, {code(item): item for item in against}
    return [_Pair(own.get(name), others.get(name)) for name in dict.fromkeys([*own, *others])]


def _section_json(
    shown: RuleSection | None, other: RuleSection | None, either: RuleSection, against: RulesGlance | None
) -> dict[str, Any]:
    columns = _paired(_columns(shown), _columns(other), lambda column: column.code)
    rows = _paired(_rows(shown), _rows(other), lambda row: row.code)
    return {
        "code": either.code,
        "title": either.title,
        "note": either.note,
        "columns": [
            {"code": pair.either.code, "title": pair.either.title, "basis": pair.either.basis} for pair in columns
        ],
        "rows": [_row_json(pair, columns, shown, other, compared=against is not None) for pair in rows],
    }


def _row_json(
    pair: _Pair, columns: Sequence[_Pair], shown: RuleSection | None, other: RuleSection | None, *, compared: bool
) -> dict[str, Any]:
    cells = []
    for column in columns:
        mine = _cell(pair.shown, shown, column.either.code)
        theirs = _cell(pair.against, other, column.either.code)
        told = list(theirs) if compared and pair.against is not None else None
        cells.append({"texts": list(mine), "against": told, "differs": compared and mine != theirs})
    differs = any(cell["differs"] for cell in cells)
    change = _change(pair.shown is not None, pair.against is not None or not compared, differs)
    return {"code": pair.either.code, "basis": pair.either.basis, "change": change, "cells": cells}


def _change(is_shown: bool, is_other: bool, differs: bool) -> str:
    if not is_other:
        return ADDED
    return GONE if not is_shown else CHANGED if differs else SAME


def _cell(row: RuleRow | None, section: RuleSection | None, code: str) -> Cell:
    """What a row has in a column; nothing where there is no such row, or column."""
    if row is None or section is None:
        return ()
    places = [column.code for column in section.columns]
    return row.cells[places.index(code)] if code in places else ()


def _columns(section: RuleSection | None) -> tuple[RuleColumn, ...]:
    return () if section is None else section.columns


def _rows(section: RuleSection | None) -> tuple[RuleRow, ...]:
    return () if section is None else section.rows


def _said(basis: RuleBasis) -> dict[str, Any]:
    """What a version says of a basis."""
    return {
        "status": basis.status,
        "source": basis.source,
        "later_text": basis.later_text,
        "value": basis.value,
    }
