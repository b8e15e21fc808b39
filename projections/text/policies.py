"""What is printed of policies."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from projections.terminal.tables import LEFT, Column, print_table
from projections.text.output import print_json

if TYPE_CHECKING:
    from projections.text.words import Words
VALUE_CHARS_SHOWN = 60


def print_policies(found: list[dict[str, Any]], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from projections.text.words import Words

    words = Words(language, {})
    for policy in found:
        told = {
            "scheme": words.code_beside("scheme", policy["scheme"]),
            "policy": f"{policy['id']}@{policy['hash'][:12]}",
            "in_force_from": policy["in_force_from"],
            "adopted": "".join(words.policies("adopted", position=position) for position in policy["adopted"]),
            "unused": "" if policy["used"] else words.policies("unused"),
        }
        click.echo(words.policies("listed", **told))
        rows = [row for name, item in policy["parameters"].items() for row in _parameter_rows(name, item, words)]
        print_table((Column(least=16), Column(least=9), LEFT), rows, indent=2)


def _parameter_rows(name: str, item: dict[str, Any], words: "Words") -> Iterator[tuple[str, str, str]]:
    """A parameter with its value, and below that its source."""
    value = json.dumps(item["value"], ensure_ascii=False)
    is_short = len(value) <= VALUE_CHARS_SHOWN
    shown = value if is_short else words.policies("cut", value=value[:VALUE_CHARS_SHOWN])
    yield words.code_beside("parameter", name), words.status(item["status"]), shown
    yield "", "", words.code("source", item["source"])


def print_checked(policy: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(policy)
        return
    statuses = Counter(item["status"] for item in policy["parameters"].values())
    counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    click.echo(f"{policy['scheme']} {policy['id']}@{policy['hash']} can be used: {counts}")


def print_adopted(policy: dict[str, Any], position: int | None, *, as_json: bool) -> None:
    if as_json:
        print_json({name: policy[name] for name in ("scheme", "id", "hash")} | {"position": position})
        return
    outcome = "is the revision adopted last already" if position is None else f"adopted at position {position}"
    click.echo(f"{policy['scheme']} {policy['id']}@{policy['hash']}: {outcome}")
