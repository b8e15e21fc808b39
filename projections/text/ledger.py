"""What stands in a ledger: its events, subjects and state."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from projections.text.erasures import print_waiting

if TYPE_CHECKING:
    pass
from projections.terminal.tables import LEFT, Column, print_table
from projections.text.output import print_json, print_json_list


def tell_open(asked_known_at: str, position: int) -> None:
    """Says that what belongs to a known_at may still grow."""
    click.echo(
        f"  known at {asked_known_at} was asked for, which may still come to hold more;"
        f" position {position} names this for ever"
    )


def print_events(found: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json_list(found)
        return
    for item in found:
        event = item["event"]
        data = " ".join(f"{key}={value}" for key, value in event["data"].items()) + _extensions_text(item)
        click.echo(
            f"{item['position']:>9}  {item['occurred_at']:<25}  learned {item['recorded_at']:<32}"
            f"  {event['type']:<18}  {event['source']} {event['id']}  {data}{_bearing_text(item)}{_made_text(item)}"
        )


def _extensions_text(item: dict[str, Any]) -> str:
    """The extension attributes of an event, where it bears any."""
    shown = " ".join(f"{key}={value}" for key, value in item["extensions"].items())
    return f"  [{shown}]" if shown else ""


def _bearing_text(item: dict[str, Any]) -> str:
    """What corrects and retracts an event, by position."""
    corrected = "".join(f"  corrected by {position}" for position in item["corrected_by"])
    lifted = "" if item["retracted"] else " (retracted itself)"
    return corrected + "".join(f"  retracted by {position}{lifted}" for position in item["retracted_by"])


def _made_text(item: dict[str, Any]) -> str:
    """What a scheme made of an event, where one was asked."""
    made = item.get("made")
    if made is None:
        return ""
    return f"  => {made['verdict']} {made['points']}" if "verdict" in made else f"  => {made['note']}"


def print_event(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    event = found["event"]
    rows = {key: value for key, value in found.items() if not isinstance(value, (dict, list))}
    rows |= {key: value for key, value in event.items() if key not in ("data", "subject", "time")}
    rows |= {f"data.{key}": value for key, value in event["data"].items()}
    rows |= {f"extensions.{key}": value for key, value in found["extensions"].items()}
    rows |= {f"hash.{key}": value for key, value in found["hashes"].items()}
    for name, link in found["neighbours"].items():
        rows[f"chain.{name}"] = "none" if link is None else f"{link['chain']} (position {link['position']})"
    for name in ("corrects", "corrected_by", "retracted_by", "retracted_in_vain_by"):
        for other in found[name]:
            rows[f"{name} {other['position']}"] = (
                f"{other['type']} {other['source']} {other['id']}, learned {other['recorded_at']}"
            )
    print_table((Column(least=20), LEFT), [(key, str(value)) for key, value in rows.items()], is_copied=True)


def print_subjects(found: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json_list(found)
        return
    for item in found:
        click.echo(f"{item['events']:>10}  {item['subject']}")


def print_status(found: dict[str, Any], views: dict[str, Any] | None, *, as_json: bool) -> None:
    """The state of a ledger and of its views, None where there are none."""
    if as_json:
        print_json(found | {"views": views})
        return
    for name, value in found.items():
        if name not in ("types", "retract_nothing", "erasures_due"):
            click.echo(f"{name:<16}{value}")
    if found["erasures_due"]["count"]:
        print_waiting(**found["erasures_due"])
    for name, count in found["types"].items():
        click.echo(f"{count:>14}  {name}")
    for line in _retract_nothing_lines(found["retract_nothing"]):
        click.echo(line)
    if views is not None:
        from projections.text.views import print_views

        print_views(views)


def _retract_nothing_lines(found: dict[str, Any] | None) -> Iterator[str]:
    if found is None:
        yield "retractions that retract nothing are listed once 'levelbook rebuild' or 'follow' has made their index"
        return
    if not found["count"]:
        return
    yield (
        f"{found['count']} of the last {found['looked_at']} retractions retract nothing: they name no event of their"
        " subject that was recorded before them"
    )
    for item in found["latest"]:
        named = item["names"]
        later = "" if named["position"] is None else f", recorded later at position {named['position']}"
        yield (
            f"  position {item['position']}  {item['subject']}  {item['source']} {item['event']}, learned"
            f" {item['learned_at']}, names {named['source']} {named['event']}{later}"
        )
    if found["count"] > len(found["latest"]):
        yield f"  and {found['count'] - len(found['latest'])} before these"
