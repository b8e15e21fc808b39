"""What is said of erasures of buyers, for people as text, for programs as JSON."""

import json
from typing import TYPE_CHECKING, Any, Final

import click

from domain.calendar import shanghai_text

if TYPE_CHECKING:
    from replay.recording.erase import Due, DueErasure, Erasure

_NOT_SCRUBBED: Final = "the files of the store still hold the deleted row until the database next tidies up (VACUUM)"


def print_erasure(found: "Erasure | DueErasure", *, as_json: bool) -> None:
    """An erasure that was carried out, or the request that is stored for it."""
    from replay.recording.erase import DueErasure

    if isinstance(found, DueErasure):
        _print_asked(found, as_json=as_json)
        return
    if as_json:
        _print_json({"erased": 1, **found._asdict()})
        return
    click.echo(f"erased; the receipt stands at position {found.receipt_position}")
    if found.merchants_this_month:
        click.echo(
            f"at {found.merchants_this_month} of {found.aliases} merchants something happened to the buyer's orders"
            " this month: what they do there from now on is another buyer's, and the month's pair cap begins anew"
        )
    if not found.scrubbed:
        click.echo(_NOT_SCRUBBED)
    click.echo("backups made before still hold the row")


def _print_asked(asked: "DueErasure", *, as_json: bool) -> None:
    due_at, asked_at = shanghai_text(asked.due_at), shanghai_text(asked.asked_at)
    if as_json:
        said = {"due_at": due_at, "asked_at": asked_at, "reason": asked.reason, "asked_before": asked.asked_before}
        _print_json({"erased": 0, **said})
        return
    before = f"asked for already at {asked_at}, and stays: " if asked.asked_before else ""
    click.echo(
        f"{before}the buyer will be erased at {due_at}, by the first command that records after that, or by"
        " 'levelbook erase-buyer --due'"
    )


def print_due(due: "Due", *, as_json: bool) -> None:
    """What became of the erasures that were due, where that was all that was asked for."""
    if as_json:
        receipts = [one.receipt_position for one in due.erased]
        _print_json({"erased": len(receipts), "receipt_positions": receipts, "scrubbed": due.scrubbed})
        return
    if not due.erased:
        click.echo("no erasure is due")
    tell_due(due)


def tell_due(due: "Due") -> None:
    """What became of erasures that were due, beside what a command was asked for."""
    for one in due.erased:
        click.echo(f"a buyer's erasure was due: erased; the receipt stands at position {one.receipt_position}")
    if not due.scrubbed:
        click.echo(_NOT_SCRUBBED)
    if due.left:
        click.echo(
            f"{due.left} erasures of buyers are due and left for the next command: a backfill, or a role that may not"
            " delete, carries out none; run 'levelbook erase-buyer --due'"
        )


def print_waiting(count: int, earliest: str, overdue: int) -> None:
    """The requests that wait, for `status`."""
    late = f"; {overdue} overdue: run 'levelbook erase-buyer --due' as a role that may delete" if overdue else ""
    click.echo(f"{'erasures due':<16}{count}, the earliest at {earliest}{late}")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
