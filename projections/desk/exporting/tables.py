"""The tables of each page as rows, by the template and the values that the page is made of.

A table that a page cuts, or in which it folds what is alike, is whole here. Instants are RFC 3339, figures whole
numbers in the unit that their column names.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from domain.calendar import day_text, shanghai_text
from projections.api.sheets import SheetRows
from projections.contract.answers import SCHEMAS
from projections.contract.parts.changes import DiffAnswer
from projections.desk.schemes.registry import pages_of
from projections.views.tables import HIDDEN

Row = dict[str, Any]
Values = Mapping[str, Any]
Found = dict[str, Iterable[Row]]
_INSTANTS: Final = ("at", "concerns", "as_of", "effective_since")
_INSTANT_END: Final = "_at"
_DAY_END: Final = "_day"
_NEVER: Final = 2**62
"""In views, a day or instant that does not come."""


def _told(row: Mapping[str, Any]) -> Row:
    """A row with its instants and days as texts."""
    return {name: _text(name, value) for name, value in row.items()}


def _text(name: str, value: Any) -> Any:
    is_day = name.endswith(_DAY_END)
    if not isinstance(value, int) or not (is_day or name in _INSTANTS or name.endswith(_INSTANT_END)):
        return value
    if value >= _NEVER:
        return None
    return day_text(value) if is_day else shanghai_text(value)


def _find(values: Values) -> Found:
    return {"decisions": [_told(row._mapping) for row in values["decisions"]]}


def _standing(values: Values) -> Found:
    """By scheme, what its card tabulates."""
    return {card.told.scheme: [row for section in card.sections for row in section.exact] for card in values["cards"]}


def _timeline(values: Values) -> Found:
    told = values["told"]
    return {
        "changes": [_told(row) for row in reversed(told.rows["history"])],
        "marks": [_mark(mark) for mark in reversed(values["timeline"].marks)],
        **_periods(values),
    }


def _mark(mark: Any) -> Row:
    said = {"then": mark.then, "now": mark.now}
    told = {name: None if found is None else found._asdict() for name, found in said.items()}
    return _told(mark._asdict()) | told | {"differs": mark.differs}


def _periods(values: Values) -> Found:
    """The columns of the view that stands under contract."""
    told = values["told"]
    table = pages_of(told.scheme).periods.table
    hidden = HIDDEN.get(table, ())
    shown = ({name: value for name, value in row.items() if name not in hidden} for row in told.rows[table])
    return {"periods": [_told(row) for row in shown][::-1]}


def _why(values: Values) -> Found:
    if values["why"] is None:
        return _periods(values)
    found = values["why"].found
    evaluations = found.get("evaluations", [])
    return {
        **_periods(values),
        "verdicts": found["verdicts"],
        "notes": found["notes"],
        "sums": [{"period": item["period"], **figure} for item in found["sums"] for figure in item["figures"]],
        "rules": [_of(evaluation) | rule for evaluation in evaluations for rule in evaluation["rules"]],
        "creators": [_of(each) | item for each in evaluations for item in each.get("creators") or ()],
        "indicators": [
            _of(each) | {"indicator": name} | item
            for each in evaluations
            for name, item in (each.get("indicators") or {}).items()
        ],
    }


def _of(evaluation: Row) -> Row:
    return {"evaluated_at": evaluation["at"]}


def _differences(values: Values) -> Found:
    """The steps and the events of each, of the difference and of what was learned since an announcement."""
    if values["found"] is None:
        return {}
    told = {"": values["found"].found, "announced-": values["found"].announced_difference}
    return {
        f"{place}{name}": list(rows(difference))
        for place, difference in told.items()
        if difference is not None
        for name, rows in (("steps", _steps), ("events", _moved))
    }


def _steps(difference: Row) -> Iterator[Row]:
    for step in difference["steps"]:
        yield step | {"events": len(step["events"])}


def _moved(difference: Row) -> Iterator[Row]:
    for step in difference["steps"]:
        for item in step["events"]:
            yield {"step": step["step"]} | item


def _rules(values: Values) -> Found:
    """The versions, and each section with its rows in the words of the page: of each the one version and the other."""
    rules = values["rules"]
    found: Found = {"versions": rules["versions"]}
    for section in rules["sections"]:
        codes = [column["code"] for column in section["columns"]]
        found[section["code"]] = [_rule(codes, line) for line in values["lines"][section["code"]]]
    return found


def _rule(codes: list[str], line: Any) -> Row:
    cells = {code: "; ".join(item.text for item in cell) for code, cell in zip(codes, line.cells, strict=True)}
    return {"version": line.version, **cells, "status": line.status, "basis": line.basis}


def _operations(values: Values) -> Found:
    views, ledger = values["views"], values["ledger"]
    vain = ledger["retract_nothing"]
    return {
        **({} if views is None else _of_views(views)),
        "deliveries": _deliveries(values["deliveries"]),
        "retract-nothing": vain["latest"] if vain else [],
        "types": [{"type": name, "records": count} for name, count in ledger["types"].items()],
    }


def _deliveries(deliveries: Row | None) -> list[Row]:
    found = [] if deliveries is None else deliveries["endpoints"]
    return [{**row, "schemes": " ".join(row["schemes"])} for row in found]


def _of_views(views: Row) -> Found:
    """Schemes, what is set aside, builds by candidate policies and their drift."""
    named = ("hash", "kept", "position", "as_of", "lag_events", "set_aside", "problem")
    return {
        "views": views["views"],
        "set-aside": _set_aside(views),
        "candidates": [
            {name: found[name] for name in named} | {"policies": " ".join(item["hash"] for item in found["policies"])}
            for found in views["candidates"]
        ],
        "drift": [{"hash": found["hash"]} | row for found in views["candidates"] for row in found["drift"]],
    }


def _set_aside(views: Row) -> list[Row]:
    return [{name: row[name] for name in ("subject", "scheme", "position", "reason")} for row in views["set_aside"]]


def _accesses(values: Values) -> Found:
    names = values["names"]
    return {"accesses": [_told(row._asdict()) | {"name": names.get(row.token)} for row in values["accesses"]]}


def _event(values: Values) -> Found:
    found = values["found"]
    return {
        "payload": [{"field": name, "value": value} for name, value in (found["event"]["data"] or {}).items()],
        "made": [{"scheme": item["scheme"], **(item["made"] or {})} for item in found["made"]],
    }


def _board(values: Values) -> Found:
    places = values["places"]
    return {"places": [place._asdict() | {"differs": place.differs} for place in places]}


def columns_of(name: str, values: Values) -> dict[str, str]:
    """The columns that a table has whatever stands in it, where its rows alone would not say so."""
    if name in _COLUMNS:
        return {column: "integer" if column in _WHOLE else "text" for column in _COLUMNS[name]}
    if name in _EXPLAINED:
        return SheetRows((name,)).columns(SCHEMAS["explain", values["told"].scheme][1])
    if name.endswith("events"):
        moved = SheetRows(("steps",), "events").columns(DiffAnswer)
        return {"step": "text"} | {
            column.removeprefix("events."): kind for column, kind in moved.items() if column.startswith("events.")
        }
    return {}


LONG: Final = ("verdicts", "notes", "events", "announced-events", "accesses")
"""Tables of many rows, which are had as Parquet, too: all of their columns are known beforehand."""
_EXPLAINED: Final = ("verdicts", "notes")
_WHOLE: Final = ("number", "token")
_PLACE: Final = ("rank", "subject", "score", "settled", "level")
_COLUMNS: Final = {
    "marks": (
        "kind",
        "at",
        "concerns",
        "about",
        "event",
        "then.level",
        "then.score",
        "then.state",
        "now.level",
        "now.score",
        "now.state",
    ),
    "places": ("rank", *(f"{side}.{name}" for side in ("decided", "now") for name in _PLACE)),
    "accesses": ("number", "at", "token", "what", "subject", "scheme", "name"),
    "made": ("scheme", "verdict", "points", "at", "note", "policy", "policy_hash"),
}


def _lab(values: Values) -> Found:
    return {"candidates": [item._asdict() for item in values["files"]], "reports": values["reports"]}


def _report(values: Values) -> Found:
    """The tables of a report of a trial."""
    found = values["report"]
    result = found["result"]
    shown = {name: result[name] for name in ("matrix", "months", "movers", "benefits")}
    groups = [{"by": item["by"]} | group for item in result["groups"] for group in item["groups"]]
    parameters = [item | {side: str(item[side]) for side in ("old", "new")} for item in found["parameters"]]
    return {**shown, "verdict-counts": result["verdicts"], "groups": groups, "parameters": parameters}


TABLES: Final[dict[str, Callable[[Values], Found]]] = {
    "find.html": _find,
    "standing.html": _standing,
    "timeline.html": _timeline,
    "why.html": _why,
    "differences.html": _differences,
    "rules_of.html": _rules,
    "operations.html": _operations,
    "lab.html": _lab,
    "lab_report.html": _report,
    "accesses.html": _accesses,
    "event.html": _event,
    "board.html": _board,
}
"""By the template of a page."""
