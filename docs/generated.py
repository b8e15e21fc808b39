"""The reference, made from the program: its pages by their place in the documents."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

import click

from docs.view_columns import about
from domain.events import CATALOGUE
from domain.languages import LANGUAGES
from projections.api.openapi import specification
from projections.contract.answers import describe
from projections.contract.events import EVENT_TYPES, event_schema
from projections.text.words import Words
from projections.views.tables import INTERNAL, columns_of, view_statements
from replay.answers.rules import AtHand, RulesAsked, rules_json
from replay.policies.catalog import revisions
from replay.schemes.registry import SCHEMES
from tests.support.commands import commands

MADE: Final = "Made from the program by `make docs`.\n"
_ABOUT_EVENTS: Final = """
An event is a CloudEvents 1.0 JSON object. `specversion`, `id`, `source`, `type`, `subject` and `time` are required;
`source` + `id` identify it. `levelbook answers events TYPE` gives the JSON Schema of the whole event; here is that of
`data`.
"""


@cache
def pages() -> dict[str, str]:
    """Markdown by path, such as `reference/commands.md`."""
    made = {
        "commands": _commands(),
        "events": _events(),
        "answers": _answers(),
        "view-columns": _view_columns(),
        "api": _api(),
    }
    for scheme in SCHEMES:
        made[f"rules-{scheme}"] = _rules(scheme, "en")
        made |= {f"rules-{scheme}.{code}": _rules(scheme, code) for code in LANGUAGES if code != "en"}
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


def _rules(scheme: str, language: str) -> Iterator[str]:
    """The rules of a scheme: each version that comes with the program, the last first."""
    words, known = Words(language, {}), revisions(None, None, scheme)
    yield from (
        f"# {words.rule('heading', scheme=words.code_beside('scheme', scheme))}",
        "",
        MADE if language == "en" else "",
        words.rule("about"),
        "",
    )
    for revision in reversed([item for item in known if item.used]):
        policy, at = revision.policy, AtHand(known, revision.policy.in_force_from)
        found = rules_json(at, RulesAsked(policy=f"{policy.id}@{policy.hash}"), language)
        yield from (f"## {policy.id}", "", f"`{policy.revision}`, `{policy.hash}`", "")
        dates = ("in_force_from", "preview_from", "recalculates_from")
        yield from (words.rule("between").join(words.rule(key, at=found[key]) for key in dates if found[key]), "")
        others = [item.policy for item in known if item.policy.id == policy.id and not item.used]
        yield from (f"{words.rule('force_unused')}: `{item.revision}`, `{item.hash}`\n" for item in others)
        bases = {basis["code"]: basis["shown"]["status"] for basis in found["bases"]}
        for section in found["sections"]:
            yield from (f"### {section['title']}", "", *([section["note"], ""] if section["note"] else []))
            yield from _section(section, bases, words)
        yield from (f"### {words.rule('sources')}", "")
        rows = [
            (basis["name"], words.status(basis["shown"]["status"]), _source(basis["shown"], words))
            for basis in found["bases"]
        ]
        yield from _table((words.rule("figure"), words.rule("status"), words.rule("sources")), rows)


def _section(section: dict[str, Any], bases: dict[str, str], words: Words) -> Iterator[str]:
    """A table of the rules; what its figures rest on stands in its head, or behind each row."""
    has_status = any(row["basis"] for row in section["rows"])
    heads = [
        f"{column['title']} ({words.status(bases[column['basis']])})" if column["basis"] else column["title"]
        for column in section["columns"]
    ]
    rows = []
    for row in section["rows"]:
        cells = [words.rule("between").join(cell["texts"]) for cell in row["cells"]]
        rows.append((*cells, *([words.status(bases[row["basis"]])] if has_status else [])))
    yield from _table((*heads, *([words.rule("status")] if has_status else [])), rows)


def _source(said: dict[str, Any], words: Words) -> str:
    later, source = said["later_text"], words.code("source", said["source"])
    return source if later is None else words.rule("later_text", source=source, day=later)


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
    for view, _ in view_statements(1, None):
        assert view.removeprefix("v1_") not in INTERNAL
        yield from (f"## {view}", "")
        rows = [(f"`{name}`", *_type(column), about(view, name)) for name, column in columns_of(view).items()]
        yield from _table(("column", "type", "may be null", "what it is"), rows)


def _type(column: Any) -> tuple[str, str]:
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
