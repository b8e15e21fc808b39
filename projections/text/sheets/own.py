"""Lists that commands alone give, as CSV or Parquet: their rows and columns."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.calendar import shanghai_text
from domain.version import PROGRAM_VERSION
from projections.text.output import write

if TYPE_CHECKING:
    from projections.http.token_store import NotedAccess

Row = dict[str, Any]
_SUBJECTS: Final = {"subject": "text", "events": "integer"}
_ACCESSES: Final = {
    "number": "integer",
    "at": "text",
    "token": "integer",
    **dict.fromkeys(("what", "subject", "scheme"), "text"),
}
_AUDITED: Final = {
    **dict.fromkeys(("audited", "subject", "scheme", "board", "period", "run"), "text"),
    "position_of_decision": "integer",
    "outcome": "text",
    "restated": "boolean",
    **{
        f"{side}.{name}": "integer" if name == "score" else "text"
        for side in ("decided", "replayed", "now", "as_known_then")
        for name in ("state", "level", "score")
    },
    "announced.level": "text",
}
_PARAMETERS: Final = dict.fromkeys(
    ("scheme", "policy", "policy_hash", "in_force_from", "parameter", "value", "status", "source"), "text"
)
_RULES: Final = {
    **dict.fromkeys(("scheme", "policy", "policy_hash", "version", "section", "row", "column"), "text"),
    **dict.fromkeys(("value", "status", "source"), "text"),
}


def print_sweep(form: str, found: Mapping[str, Any]) -> None:
    """A row for each cell: its values, what moves, and how many stand where."""
    named = [axis["name"] for axis in found["set"]]
    ways = list(dict.fromkeys(way for cell in found["cells"] for way in cell["moves"] or ()))
    stands = sorted({_place(item) for cell in found["cells"] for item in cell["levels"]})
    columns = {**dict.fromkeys(named, "integer"), "hash": "text", "fault": "text"}
    columns |= dict.fromkeys((*(f"moves.{way}" for way in ways), *(f"levels.{stand}" for stand in stands)), "integer")
    rows = [
        {
            **cell["values"],
            **{name: cell[name] for name in ("hash", "fault", "moves")},
            "levels": {_place(item): item["subjects"] for item in cell["levels"]},
        }
        for cell in found["cells"]
    ]
    _print(form, rows, columns)


def _place(item: Row) -> str:
    """The level, or the state where there is none."""
    return str(item["level"] or item["state"])


def print_subjects(form: str, found: list[Row]) -> None:
    """How many events each subject has."""
    _print(form, found, _SUBJECTS)


def print_accesses(form: str, found: "list[NotedAccess]") -> None:
    _print(form, [access._asdict() | {"at": shanghai_text(access.at)} for access in found], _ACCESSES)


def print_audit(form: str, found: Mapping[str, Any]) -> None:
    """A row for each decision, board and announced level that was held against what comes out."""
    _print(form, [*_audited(found)], _AUDITED)


def _audited(found: Mapping[str, Any]) -> Iterator[Row]:
    for item in found["decisions"]:
        sides = {side: _standing(item[side]) for side in ("decided", "replayed", "now")}
        yield {"audited": "decision"} | _kept(item) | sides
    for item in found["boards"]:
        yield {"audited": "board"} | _kept(item)
    for item in found["announced"]:
        sides = {side: {"state": item[f"{side}_state"], "level": item[side]} for side in ("decided", "replayed")}
        sides |= {"announced": {"level": item["announced"]}, "as_known_then": _standing(item["as_known_then"])}
        yield {"audited": "announcement"} | _kept(item) | sides


def _kept(item: Row) -> Row:
    """What stands in columns of its own of something audited."""
    return {name: value for name, value in item.items() if name in _AUDITED}


def _standing(found: Row | None) -> Row | None:
    """State, level and score of one side, where there are any."""
    return found and {name: found.get(name) for name in ("state", "level", "score")}


def print_policies(form: str, found: list[Row]) -> None:
    """A row for each parameter of each revision."""
    rows = [
        {name: policy[name] for name in ("scheme", "in_force_from")}
        | {"policy": policy["id"], "policy_hash": policy["hash"], "parameter": name}
        | {part: item[part] for part in ("status", "source")}
        | {"value": msgspec.json.encode(item["value"]).decode()}
        for policy in found
        for name, item in policy["parameters"].items()
    ]
    _print(form, rows, _PARAMETERS)


def print_rules(form: str, found: list[Row]) -> None:
    """A row for each cell of the tables, of either version."""
    _print(form, [row for rules in found for row in _cells(rules)], _RULES)


def _cells(rules: Row) -> Iterator[Row]:
    bases = {basis["code"]: basis for basis in rules["bases"]}
    for section in rules["sections"]:
        for row in section["rows"]:
            for column, cell in zip(section["columns"], row["cells"], strict=True):
                basis = bases.get(row["basis"] or column["basis"])
                for version, texts in (("shown", cell["texts"]), ("against", cell["against"])):
                    if texts is None or (version == "shown" and row["change"] == "gone"):
                        continue
                    of = rules if version == "shown" else rules["against"]
                    said = None if basis is None else basis[version]
                    yield {
                        "scheme": rules["scheme"],
                        "policy": of["policy"],
                        "policy_hash": of["policy_hash"],
                        "version": version,
                        "section": section["code"],
                        "row": row["code"],
                        "column": column["code"],
                        "value": "; ".join(texts),
                        "status": None if said is None else said["status"],
                        "source": None if said is None else said["source"],
                    }


def _print(form: str, rows: list[Row], columns: Mapping[str, str]) -> None:
    """Rows of a list that is the command's own."""
    from projections.api.sheets import csv_of, parquet_of

    told = {"answer.program": PROGRAM_VERSION}
    write(csv_of(rows, told, columns) if form == "csv" else parquet_of(rows, told, columns))
