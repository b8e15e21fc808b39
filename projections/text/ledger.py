"""What stands in a ledger: its events, subjects and state."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import click

from projections.text.erasures import print_waiting

if TYPE_CHECKING:
    from projections.text.words import Words
from projections.terminal.tables import LEFT, Column, print_table
from projections.text.output import print_json, print_json_list


def tell_open(asked_known_at: str, position: int, language: str) -> None:
    """Says that what belongs to a known_at may still grow."""
    from projections.text.words import Words

    click.echo("  " + Words(language, {})("known_at_open", asked_known_at=asked_known_at, position=position))


def print_events(found: Iterable[dict[str, Any]], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json_list(found)
        return
    from projections.text.words import Words

    words = Words(language, {})
    for item in found:
        click.echo(_event_text(item, words) + _bearing_text(item, words) + _made_text(item, words))


def print_found(found: dict[str, Any], language: str, *, as_json: bool) -> None:
    """A page of the events that were sought, each under its subject, and whether it goes on."""
    if as_json:
        print_json(found)
        return
    from projections.text.words import Words

    words = Words(language, {})
    for subject, events in groupby(found["events"], key=itemgetter("subject")):
        click.echo(subject)
        for item in events:
            click.echo(_event_text(item, words))
    if not found["events"] and found["next"] is None:
        click.echo(words.worklist("no_event"))
    if found["next"] is not None:
        click.echo(words.worklist("goes_on", next=found["next"]))


def _event_text(item: dict[str, Any], words: "Words") -> str:
    """An event as a line."""
    from projections.text.words import padded

    event = item["event"]
    data = [f"{words.code('field', key)}={_datum(key, value, words)}" for key, value in event["data"].items()]
    told = {
        "position": f"{item['position']:>9}",
        "occurred_at": f"{item['occurred_at']:<25}",
        "recorded_at": f"{item['recorded_at']:<32}",
        "type": padded(words.code_beside("type", event["type"]), 18),
        "event": f"{event['source']} {event['id']}",
        "data": " ".join(data) + _extensions_text(item),
    }
    return words.ledger("event", **told)


def _extensions_text(item: dict[str, Any]) -> str:
    """The extension attributes of an event, where it bears any."""
    shown = " ".join(f"{key}={value}" for key, value in item["extensions"].items())
    return f"  [{shown}]" if shown else ""


def _bearing_text(item: dict[str, Any], words: "Words") -> str:
    """What corrects and retracts an event, by position."""
    corrected = "".join(f"  {words.ledger('corrected_by', position=position)}" for position in item["corrected_by"])
    key = "retracted_by" if item["retracted"] else "retracted_by_retracted"
    return corrected + "".join(f"  {words.ledger(key, position=position)}" for position in item["retracted_by"])


def _made_text(item: dict[str, Any], words: "Words") -> str:
    """What a scheme made of an event, where one was asked."""
    made = item.get("made")
    if made is None:
        return ""
    if "verdict" not in made:
        return f"  => {words.code('verdict', made['note'])}"
    return f"  => {words.code('verdict', made['verdict'])} {made['points']}"


def print_event(found: dict[str, Any], language: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from projections.text.words import Words

    words = Words(language, {})
    rows = ((_row_name(name, words), _row_value(name, value, words)) for name, value in _event_rows(found, words))
    print_table((Column(least=20), LEFT), list(rows), is_copied=True)


def _row_name(name: str, words: "Words") -> str:
    """What a row of an event is called: of what it says, by that; and the position of another event behind it."""
    own, blank, position = name.partition(" ")
    group, dot, within = own.partition(".")
    if dot:
        kind = "field" if group == "data" else "row"
        return f"{words.code('row', group)}.{words.code(kind, within)}"
    return words.code("row", own) + blank + position


def _row_value(name: str, value: Any, words: "Words") -> str:
    if name == "type":
        return words.code_beside("type", value)
    if words.language != "en" and (isinstance(value, bool) or (name, value) == ("hash.fits", "yes")):
        return words("true" if value else "false")
    return _datum(name.removeprefix("data."), value, words) if name.startswith("data.") else str(value)


def _datum(name: str, value: Any, words: "Words") -> str:
    """What an event says: in English as it was recorded."""
    return str(value) if words.language == "en" else words.datum(name, value)


def _event_rows(found: dict[str, Any], words: "Words") -> Iterator[tuple[str, Any]]:
    """Each row of an event by its name in the answer."""
    event = found["event"]
    rows = {key: value for key, value in found.items() if not isinstance(value, (dict, list))}
    rows |= {key: value for key, value in event.items() if key not in ("data", "subject", "time")}
    rows |= {f"data.{key}": value for key, value in event["data"].items()}
    rows |= {f"extensions.{key}": value for key, value in found["extensions"].items()}
    rows |= {f"hash.{key}": value for key, value in found["hashes"].items()}
    for name, link in found["neighbours"].items():
        rows[f"chain.{name}"] = words("none") if link is None else words.ledger("link", **link)
    for name in ("corrects", "corrected_by", "retracted_by", "retracted_in_vain_by"):
        for other in found[name]:
            rows[f"{name} {other['position']}"] = words.ledger(
                "other", **other | {"type": words.code("type", other["type"])}
            )
    yield from rows.items()


def print_subjects(found: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json_list(found)
        return
    for item in found:
        click.echo(f"{item['events']:>10}  {item['subject']}")


def print_status(
    found: dict[str, Any], views: dict[str, Any] | None, consumed: list[dict[str, Any]], language: str, *, as_json: bool
) -> None:
    """The state of a ledger, of its views, None where there are none, and how far topics are consumed."""
    if as_json:
        print_json(found | {"views": views, "consumed": consumed})
        return
    from projections.text.words import Words, padded

    words = Words(language, {})
    for name, value in found.items():
        if name not in ("types", "retract_nothing", "erasures_due"):
            told = words.ledger("no_record") if value is None else value
            click.echo(f"{padded(words.code('row', name), 16)}{told}")
    if found["erasures_due"]["count"]:
        print_waiting(**found["erasures_due"], words=words)
    for name, count in found["types"].items():
        click.echo(f"{count:>14}  {words.code_beside('type', name)}")
    for line in _retract_nothing_lines(found["retract_nothing"], words):
        click.echo(line)
    if views is not None:
        from projections.text.views import print_views

        print_views(views, words)
    for row in consumed:
        place = f"{row['topic']}/{row['partition']}:{row['next_offset']}"
        key = "noted_unknown" if row["behind"] is None else "noted"
        told = {"group": row["group"], "where": place, "count": row["behind"], "seconds": row["noted_seconds_ago"]}
        click.echo(words.consuming(key, **told))


def _retract_nothing_lines(found: dict[str, Any] | None, words: "Words") -> Iterator[str]:
    if found is None:
        yield words.ledger("no_index")
        return
    if not found["count"]:
        return
    yield words.ledger("retract_nothing", **found)
    for item in found["latest"]:
        named = item["names"]
        later = "" if named["position"] is None else words.ledger("retracts_later", position=named["position"])
        yield words.ledger("retracts", **item | {"named": f"{named['source']} {named['event']}", "later": later})
    if found["count"] > len(found["latest"]):
        yield words.ledger("retract_nothing_before", count=found["count"] - len(found["latest"]))
