"""The reference, made from the program: its pages by their place in the documents."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

import click

from domain.events import CATALOGUE
from projections.api.openapi import specification
from projections.contract.answers import describe
from projections.contract.events import EVENT_TYPES, event_schema
from projections.views.tables import INTERNAL, tables_of, view_statements
from replay.policies.catalog import policy_json, shipped, shipped_revisions, shipped_schemes
from tests.support.commands import commands

MADE: Final = "Made from the program by `make docs`.\n"
_ABOUT_EVENTS: Final = """
An event is a CloudEvents 1.0 JSON object. `specversion`, `id`, `source`, `type`, `subject` and `time` are required;
`source` + `id` identify it. `levelbook answers events TYPE` gives the JSON Schema of the whole event; here is that of
`data`.
"""
_WIDEST_VALUE: Final = 300


@cache
def pages() -> dict[str, str]:
    """Markdown by path, such as `reference/commands.md`."""
    made = {
        "commands": _commands(),
        "events": _events(),
        "policies": _policies(),
        "answers": _answers(),
        "view-columns": _view_columns(),
        "api": _api(),
    }
    return {f"reference/{name}.md": "\n".join(lines) + "\n" for name, lines in made.items()}


def _commands() -> Iterator[str]:
    yield from ("# Commands", "", MADE)
    found = dict(commands())
    yield from _table(("command", "what it does"), [(_linked(name), _first(found[name])) for name in found])
    for name, command in found.items():
        context = click.Context(command, info_name=f"levelbook {name}", parent=None)
        yield from (f"## levelbook {name}", "", *_paragraphs(command.help or ""), "")
        yield from ("```", " ".join((f"levelbook {name}", *command.collect_usage_pieces(context))), "```", "")
        rows = [_option(item, context) for item in command.params if isinstance(item, click.Option)]
        yield from _table(("option", "what it does"), rows)
        example = re.search(r"Example:\n +(.*)", command.epilog or "", re.DOTALL)
        assert example is not None, name
        yield from ("For example:", "", "```", example[1].strip(), "```", "")


def _linked(name: str) -> str:
    return f"[`{name}`](#levelbook-{name.replace(' ', '-')})"


def _first(command: click.Command) -> str:
    """The first paragraph of a command's help."""
    return (command.help or "").split("\n\n")[0]


def _option(option: click.Option, context: click.Context) -> tuple[str, str]:
    names, about = option.get_help_record(context) or ("", "")
    return f"`{names}`", about


def _events() -> Iterator[str]:
    yield from ("# Events", "", MADE, _ABOUT_EVENTS)
    for name in EVENT_TYPES:
        row, data = CATALOGUE[name], event_schema(name)["properties"]["data"]
        data = data if "anyOf" not in data else data["anyOf"][0]
        yield from (f"## {name}", "", f"Subjects: {', '.join(f'`{kind}/…`' for kind in row.kinds)}.", "")
        if row.correction:
            yield from ("A correction: it takes part as soon as it is known, whatever its own time.", "")
        fields = data.get("properties", {})
        rows = [
            (f"`{key}`", "yes" if key in data.get("required", ()) else "", _form(item)) for key, item in fields.items()
        ]
        yield from _table(("field", "required", "form"), rows)
        yield from ("```json", json.dumps(data, indent=2, ensure_ascii=False), "```", "")


def _form(item: dict[str, Any]) -> str:
    found = item.get("anyOf", [item])[0]
    told = found.get("description") or ", ".join(f"`{name}`" for name in found.get("enum", ())) or found.get("type", "")
    return f"{told}; default `{found['default']}`" if "default" in found else str(told)


def _policies() -> Iterator[str]:
    yield from ("# Policies", "", MADE, "The numbers of the rules, with where each comes from. `assumed`: ours.", "")
    for policy in (item for scheme in shipped_schemes() for item in shipped(scheme)):
        found = policy_json(policy)
        yield from (f"## {policy.scheme} {policy.id}", "", f"Revision `{policy.revision}`, hash `{policy.hash}`.", "")
        dates = ((key, found[key]) for key in ("in_force_from", "preview_from", "recalculates_from"))
        yield from ("; ".join(f"{key} {at}" for key, at in dates if at is not None) + ".", "")
        replaced = [item for item in shipped_revisions(policy.scheme) if item.id == policy.id][:-1]
        yield from (f"It replaces `{item.revision}`, hash `{item.hash}`.\n" for item in replaced)
        rows = [
            (f"`{key}`", f"`{_value(item['value'])}`", item["status"], item["source"])
            for key, item in found["parameters"].items()
        ]
        yield from _table(("parameter", "value", "status", "source"), rows)


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST_VALUE else f"{text[:_WIDEST_VALUE]}…"


def _answers() -> Iterator[str]:
    yield from ("# Answers in JSON", "", MADE)
    for name, answer in describe(None, None).items():
        yield from (f"## {name}", "", f"Version {answer['version']}.", "")
        yield from _table(
            ("key", "type", "what it is"),
            [(f"`{item['key']}`", item["type"], item["description"]) for item in answer["keys"]],
        )


def _view_columns() -> Iterator[str]:
    yield from ("# Columns of the SQL views", "", MADE, "What a row is: see [the SQL views](sql-views.md).", "")
    tables = tables_of(1, None)
    for view, statement in view_statements(1, None):
        shown = re.findall(
            r"(?:\w+\.)?(\w+)(?:,|$)|AS (\w+)(?:,|$)", statement[len("SELECT ") : statement.index(" FROM ")]
        )
        name = view.removeprefix("v1_")
        known = {} if name == "standing" else {column.name: column for column in tables[name].columns}
        assert name not in INTERNAL
        yield from (f"## {view}", "")
        rows = [(f"`{column}`", *_type(known.get(column))) for column in (first or second for first, second in shown)]
        yield from _table(("column", "type", "may be null"), rows)


def _type(column: Any) -> tuple[str, str]:
    if column is None:
        return "", ""
    return type(column.type).__name__.replace("BigInteger", "integer").lower(), "yes" if column.nullable else ""


def _api() -> Iterator[str]:
    spec = specification()
    yield from ("# HTTP API", "", MADE, spec["info"]["description"], "")
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield from (f"## {method.upper()} {path}", "", f"{operation['summary']}.", "", operation["description"], "")
            rows = [
                (f"`{item['name']}`", item["in"], "yes" if item.get("required") else "", item.get("description", ""))
                for item in operation["parameters"]
            ]
            yield from _table(("parameter", "in", "required", "what it is"), rows)
    answers = next(iter(spec["paths"].values()))["get"]["responses"]
    yield from ("## Statuses", "")
    yield from _table(("status", "what it says"), [(status, item["description"]) for status, item in answers.items()])


def _paragraphs(text: str) -> Iterator[str]:
    for part in text.replace("\b", "").split("\n\n"):
        yield from (part.strip().replace("<", "&lt;"), "")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    cells = [tuple(_cell(text) for text in row) for row in rows]
    if not cells:
        return
    for row in (heads, ("---",) * len(heads), *cells):
        yield f"| {' | '.join(row)} |"
    yield ""


def _cell(text: str) -> str:
    plain = text.replace("|", "\\|").replace("\n", " ")
    return plain if plain.startswith("`") else plain.replace("<", "&lt;")
