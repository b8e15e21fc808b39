"""Endpoints and how deliveries go, as the commands print them."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from domain.calendar import shanghai_text
from projections.terminal.tables import LEFT, print_table
from projections.text.output import print_json
from projections.text.words import Words

if TYPE_CHECKING:
    from projections.delivering.couriers import Happened
    from projections.delivering.endpoints import Endpoint


def print_added(made: "Endpoint", secret: str | None, language: str, *, as_json: bool) -> None:
    """The endpoint's id, and its secret where one was made; on standard error what to do with it."""
    if as_json:
        print_json({"endpoint": made.id, "secret": secret})
        return
    words = Words(language, {})
    click.echo(made.id if secret is None else secret)
    click.echo(words.deliveries("added", endpoint=made.id, place=made.place), err=True)
    if secret is not None:
        click.echo(words.deliveries("shown_once"), err=True)


def print_rotated(found: "Endpoint", secret: str | None, keep_hours: int, language: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"endpoint": found.id, "secret": secret})
        return
    words = Words(language, {})
    if secret is not None:
        click.echo(secret)
    click.echo(words.deliveries("rotated", endpoint=found.id, hours=keep_hours), err=True)
    if secret is not None:
        click.echo(words.deliveries("shown_once"), err=True)


def print_done(what: str, found: "Endpoint", language: str, *, as_json: bool) -> None:
    """That an endpoint was removed or enabled."""
    if as_json:
        print_json({what: found.id, "place": found.place})
        return
    click.echo(Words(language, {}).deliveries(what, endpoint=found.id, place=found.place))


def print_tried(found: "Endpoint", problem: str | None, language: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"endpoint": found.id, "arrived": problem is None, "problem": problem})
        return
    words = Words(language, {})
    if problem is None:
        click.echo(words.deliveries("tried", endpoint=found.id, place=found.place))
    else:
        click.echo(words.deliveries("not_arrived", endpoint=found.id, problem=problem))


def print_endpoints(found: Sequence["Endpoint"], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json([_endpoint_json(endpoint) for endpoint in found])
        return
    words = Words(language, {})
    if not found:
        click.echo(words.deliveries("none"))
    rows = [
        (endpoint.id, endpoint.url, _schemes(endpoint.schemes, words), words.deliveries("made_at", at=_day(endpoint)))
        for endpoint in found
    ]
    print_table((LEFT,) * 4, rows, is_copied=True)


def _day(endpoint: "Endpoint") -> str:
    return shanghai_text(endpoint.made_at)


def _endpoint_json(endpoint: "Endpoint") -> dict[str, Any]:
    told = {**endpoint._asdict(), "endpoint": endpoint.id, "schemes": list(endpoint.schemes)}
    del told["id"]
    return {"endpoint": told.pop("endpoint"), **told, "made_at": shanghai_text(endpoint.made_at)}


def print_status(found: Sequence[Mapping[str, Any]], language: str, *, as_json: bool) -> None:
    """Of each endpoint where it stands; below it, why it fails."""
    if as_json:
        print_json(found)
        return
    words = Words(language, {})
    if not found:
        click.echo(words.deliveries("none"))
    for item in found:
        click.echo(words.deliveries("stands", **_told(item, words)))
        if item["problem"] is not None:
            click.echo("  " + words.deliveries(_why(item), **item))


def _told(item: Mapping[str, Any], words: Words) -> dict[str, Any]:
    behind = words.deliveries("unknown" if item["behind"] is None else "behind", count=item["behind"])
    last = words.deliveries("never") if item["delivered_at"] is None else words.date(item["delivered_at"])
    state = words.deliveries(f"state_{item['state']}")
    return {**item, "state": state, "behind": behind, "last": last, "schemes": _schemes(item["schemes"], words)}


def _why(item: Mapping[str, Any]) -> str:
    return "disabled_since" if item["disabled_at"] is not None else "fails_since"


def _schemes(schemes: Sequence[str], words: Words) -> str:
    if not schemes:
        return words.deliveries("all_schemes")
    return words.deliveries("and").join(words.code_beside("scheme", scheme) for scheme in schemes)


def print_told(told: "Happened", language: str, *, as_json: bool) -> None:
    """What happens to an endpoint while others go on, on standard error."""
    if as_json:
        click.echo(json.dumps(told._asdict(), ensure_ascii=False), err=True)
        return
    click.echo(Words(language, {}).deliveries(f"now_{told.what}", **told._asdict()), err=True)


def print_turns(turns: Mapping[str, str], language: str, *, as_json: bool) -> None:
    """How each endpoint stood after its turn."""
    if as_json:
        print_json({"endpoints": [{"endpoint": name, "turn": str(turn)} for name, turn in sorted(turns.items())]})
        return
    words = Words(language, {})
    if not turns:
        click.echo(words.deliveries("none"))
    for name, turn in sorted(turns.items()):
        click.echo(words.deliveries(f"turn_{turn.replace(' ', '_')}", endpoint=name))
