"""What is printed of policies."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import click

from projections.terminal.tables import LEFT, Column, print_table
from projections.text.output import print_json

VALUE_CHARS_SHOWN = 60


def print_policies(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for policy in found:
        adopted = "".join(f", adopted at position {position}" for position in policy["adopted"])
        unused = "" if policy["used"] else ", not used unless named"
        click.echo(
            f"{policy['scheme']} {policy['id']}@{policy['hash'][:12]}, in force from {policy['in_force_from']}"
            f"{adopted}{unused}"
        )
        rows = [row for name, item in policy["parameters"].items() for row in _parameter_rows(name, item)]
        print_table((Column(least=16), Column(least=9), LEFT), rows, indent=2)


def _parameter_rows(name: str, item: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """A parameter with its value, and below that its source."""
    value = json.dumps(item["value"], ensure_ascii=False)
    is_short = len(value) <= VALUE_CHARS_SHOWN
    yield name, item["status"], value if is_short else f"{value[:VALUE_CHARS_SHOWN]}… (--format json shows all)"
    yield "", "", item["source"]


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
