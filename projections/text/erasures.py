"""What is said of erasures of buyers, for people as text, for programs as JSON."""

import json
from typing import TYPE_CHECKING, Any

import click

from domain.calendar import shanghai_text

if TYPE_CHECKING:
    from projections.text.words import Words
    from replay.recording.erase import Due, DueErasure, Erasure


def print_erasure(found: "Erasure | DueErasure", language: str, *, as_json: bool) -> None:
    """An erasure that was carried out, or the request that is stored for it."""
    from projections.text.words import Words
    from replay.recording.erase import DueErasure

    words = Words(language, {})
    if isinstance(found, DueErasure):
        _print_asked(found, words, as_json=as_json)
        return
    if as_json:
        _print_json({"erased": 1, **found._asdict()})
        return
    click.echo(words.erasures("erased", position=found.receipt_position))
    if found.merchants_this_month:
        click.echo(words.erasures("this_month", merchants=found.merchants_this_month, aliases=found.aliases))
    if not found.scrubbed:
        click.echo(words.erasures("not_scrubbed"))
    click.echo(words.erasures("in_backups"))


def _print_asked(asked: "DueErasure", words: "Words", *, as_json: bool) -> None:
    due_at, asked_at = shanghai_text(asked.due_at), shanghai_text(asked.asked_at)
    if as_json:
        said = {"due_at": due_at, "asked_at": asked_at, "reason": asked.reason, "asked_before": asked.asked_before}
        _print_json({"erased": 0, **said})
        return
    before = words.erasures("asked_before", asked_at=asked_at) if asked.asked_before else ""
    click.echo(words.erasures("will_be", before=before, due_at=due_at))


def print_due(due: "Due", language: str, *, as_json: bool) -> None:
    """What became of the erasures that were due, where that was all that was asked for."""
    if as_json:
        receipts = [one.receipt_position for one in due.erased]
        _print_json({"erased": len(receipts), "receipt_positions": receipts, "scrubbed": due.scrubbed})
        return
    from projections.text.words import Words

    words = Words(language, {})
    if not due.erased:
        click.echo(words.erasures("none_due"))
    tell_due(due, words)


def tell_due(due: "Due", words: "Words") -> None:
    """What became of erasures that were due, beside what a command was asked for."""
    for one in due.erased:
        click.echo(words.erasures("was_due", position=one.receipt_position))
    if not due.scrubbed:
        click.echo(words.erasures("not_scrubbed"))
    if due.left:
        click.echo(words.erasures("left", count=due.left))


def print_waiting(count: int, earliest: str, overdue: int, words: "Words") -> None:
    """The requests that wait, for `status`."""
    late = words.erasures("waiting_late", overdue=overdue) if overdue else ""
    click.echo(words.erasures("waiting", count=count, earliest=earliest, late=late))


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
