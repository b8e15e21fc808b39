"""What is printed of policies, and of the rules that they make: every section a table, then what figures rest on."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import click

from domain.policy import HASH_SHOWN
from projections.terminal.tables import LEFT, Column, print_table
from projections.text.output import print_json
from projections.text.words import Words
from replay.answers.rules import differs

_OF_OTHER: Final = "- "
_OF_SHOWN: Final = "+ "
_OF_BOTH: Final = "  "


def print_policies(found: list[dict[str, Any]], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    words = Words(language, {})
    for policy in found:
        told = {
            "scheme": words.code_beside("scheme", policy["scheme"]),
            "policy": f"{policy['id']}@{policy['hash'][:HASH_SHOWN]}",
            "in_force_from": policy["in_force_from"],
            "adopted": "".join(_adoptions(policy, words)),
            "unused": "" if policy["used"] else words.policies("unused"),
        }
        click.echo(words.policies("listed", **told))
        rows = [row for name, item in policy["parameters"].items() for row in _parameter_rows(name, item, words)]
        print_table((Column(least=16), Column(least=9), LEFT), rows, indent=2)


def _adoptions(policy: dict[str, Any], words: Words) -> Iterator[str]:
    reports = {item["position"]: item["report"] for item in policy["reports"]}
    for position in policy["adopted"]:
        yield words.policies("adopted", position=position)
        if position in reports:
            yield words.policies("adopted_on", report=reports[position][:HASH_SHOWN])


def _parameter_rows(name: str, item: dict[str, Any], words: Words) -> Iterator[tuple[str, str, str]]:
    """A parameter with its value, and below that its source."""
    shown = json.dumps(item["value"], ensure_ascii=False)
    yield words.code_beside("parameter", name), words.status(item["status"]), shown
    yield "", "", words.code("source", item["source"])


def print_checked(policy: dict[str, Any], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(policy)
        return
    statuses = Counter(item["status"] for item in policy["parameters"].values())
    words = Words(language, {})
    counts = words.listed(
        words.policies(f"checked_{status}", count=count) for status, count in sorted(statuses.items())
    )
    click.echo(words.policies("checked", **_named(policy, words), counts=counts))


def print_adopted(
    policy: dict[str, Any], position: int | None, report: str | None, language: str, *, as_json: bool
) -> None:
    """Where a revision was adopted, None where it is the one adopted last, and the report that was named for it."""
    on = None if position is None else report
    if as_json:
        print_json({name: policy[name] for name in ("scheme", "id", "hash")} | {"position": position, "report": on})
        return
    words = Words(language, {})
    key = "adopted_before" if position is None else "adopted_now"
    told = words.policies(key, **_named(policy, words), position=position)
    click.echo(told if on is None else told + words.policies("adopted_on", report=on))


def _named(policy: dict[str, Any], words: Words) -> dict[str, str]:
    """How a revision is named in a sentence."""
    return {"scheme": words.code_beside("scheme", policy["scheme"]), "id": policy["id"], "hash": policy["hash"]}


# --- the rules at a glance --------------------------------------------------------------------------------------------


def print_rules(found: list[dict[str, Any]], language: str, *, is_one: bool, as_json: bool) -> None:
    """The rules of one scheme, or of several one after another."""
    if as_json:
        print_json(found[0] if is_one else found)
        return
    words = Words(language, {})
    for place, rules in enumerate(found):
        if place:
            click.echo("\n")
        for line in _head_lines(rules, words):
            click.echo(line)
        bases = {basis["code"]: basis for basis in rules["bases"]}
        for section in rules["sections"]:
            _print_section(section, bases, words, compared=rules["against"] is not None)
        _print_bases(rules, words)


def _head_lines(rules: dict[str, Any], words: Words) -> Iterator[str]:
    """Which version is shown, beside which other, and which there are."""
    yield f"{words.code_beside('scheme', rules['scheme'])} {_version_text(rules, words)}"
    yield "  " + words.rule("as_of", as_of=rules["as_of"])
    if rules["against"] is not None:
        yield "  " + words.rule("against", other=_version_text(rules["against"], words), shown=_revision(rules))
        if not differs(rules):
            yield "  " + words.rule("nothing_differs")
    others = [item for item in rules["versions"] if item["policy_hash"] != rules["policy_hash"]]
    if others:
        yield "  " + words.rule("others")
    yield from (f"    {_version_text(item, words)}" for item in others)


def _version_text(item: dict[str, Any], words: Words) -> str:
    dates = [
        words.rule(name, at=item[name])
        for name in ("in_force_from", "preview_from", "recalculates_from")
        if item[name] is not None
    ]
    adopted = [words.rule("adopted", position=position) for position in item.get("adopted", ())]
    adopted += [words.rule("adopted_on", report=on["report"][:HASH_SHOWN]) for on in item.get("reports", ())]
    force = words.rule(f"force_{item['force']}")
    return words.rule("version", revision=_revision(item), said=words.rule("between").join([force, *dates, *adopted]))


def _revision(item: dict[str, Any]) -> str:
    return f"{item['policy']}@{item['policy_hash'][:HASH_SHOWN]}"


def _print_section(section: dict[str, Any], bases: dict[str, Any], words: Words, *, compared: bool) -> None:
    click.echo(f"\n{section['title']}")
    if section["note"] is not None:
        click.echo(f"  {section['note']}")
    if not section["rows"]:
        return
    titles = [column["title"] for column in section["columns"]]
    rests = [_status(column["basis"], "shown", bases, words) for column in section["columns"]]
    has_own = any(row["basis"] is not None for row in section["rows"])
    own = [words.rule("status")] if has_own else []
    rows = [["", *titles, *own], *([["", *rests, *([""] if has_own else [])]] if any(rests) else [])]
    for row in section["rows"]:
        for sign, version, cells in _lines_of(row, words):
            rows.append([sign, *cells, *([_status(row["basis"], version, bases, words)] if has_own else [])])
    kept = rows if compared else [row[1:] for row in rows]
    print_table([LEFT] * len(kept[0]), kept, indent=2)


def _lines_of(row: dict[str, Any], words: Words) -> Iterator[tuple[str, str, list[str]]]:
    """A row as it is shown; beside another version also as that has it, where it differs."""
    between = words.rule("between")
    if row["change"] in ("changed", "gone"):
        yield _OF_OTHER, "against", [between.join(cell["against"]) for cell in row["cells"]]
    if row["change"] != "gone":
        sign = _OF_BOTH if row["change"] == "same" else _OF_SHOWN
        yield sign, "shown", [between.join(cell["texts"]) for cell in row["cells"]]


def _status(code: str | None, version: str, bases: dict[str, Any], words: Words) -> str:
    """What a figure of a version rests on, in a word; of a column, as either says it."""
    if code is None:
        return ""
    said = bases[code][version] or bases[code]["against"]
    return words.rule("basis", status=words.status(said["status"]))


def _print_bases(rules: dict[str, Any], words: Words) -> None:
    click.echo(f"\n{words.rule('sources')}")
    rows = []
    for basis in rules["bases"]:
        sign = _OF_BOTH if basis["change"] == "same" else _OF_SHOWN
        if basis["change"] in ("changed", "gone"):
            rows.append([_OF_OTHER, *_basis_cells(basis, basis["against"], words)])
        if basis["change"] != "gone":
            rows.append([sign, *_basis_cells(basis, basis["shown"], words)])
    kept = rows if rules["against"] is not None else [row[1:] for row in rows]
    print_table([LEFT] * (len(kept[0]) - 2) + [Column(least=9), LEFT], kept, indent=2)


def _basis_cells(basis: dict[str, Any], said: dict[str, Any], words: Words) -> list[str]:
    later, source = said["later_text"], words.code("source", said["source"])
    source = source if later is None else words.rule("later_text", source=source, day=later)
    return [basis["name"], words.rule("basis", status=words.status(said["status"])), source]
