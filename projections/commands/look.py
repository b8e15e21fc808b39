"""Commands that look at what stands in a ledger."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projections.commands.completing import complete_kind, complete_scheme, complete_subject, complete_type
from projections.commands.options import (
    EXIT_NOT_ALL,
    command,
    moment_options,
    policies_option,
    policy_option,
    store_options,
)
from projections.text import ledger as ledger_text

if TYPE_CHECKING:
    pass
from projections.commands.asked import moment_asked, on_evidence, open_at


@command("events", "levelbook events merchant/tea-house --order ring-1 --scheme merchant-reputation")
@click.argument("subject", shell_complete=complete_subject)
@click.option("--order", metavar="ORDER", help="Only events that name this order.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    shell_complete=complete_type,
    help="Only this type; may be given several times.",
)
@click.option(
    "--scheme",
    metavar="SCHEME",
    shell_complete=complete_scheme,
    help="Show beside each event what this scheme made of it.",
)
@policy_option
@policies_option
@moment_options
@store_options
@on_evidence()
def events(
    subject: str,
    order: str | None,
    types: tuple[str, ...],
    scheme: str | None,
    policy: str | None,
    policies: Path | None,
    as_of: str | None,
    known_at: str | None,
    position: int | None,
    store: str,
    format_: str,
) -> None:
    """List the recorded events of SUBJECT in the order of the ledger."""
    from domain.calendar import shanghai_text
    from replay.answers.explain import made_beside
    from replay.history.browse import Chosen, list_events
    from replay.history.readers import EVERYTHING_SHOWN
    from replay.policies.catalog import Choice
    from replay.schemes.registry import replay_subject

    with open_at(store) as opened:
        moment = moment_asked(opened, as_of, known_at, position)
        made = None
        if scheme is not None:
            made = made_beside(replay_subject(opened, subject, moment, scheme, Choice(policy, policies)))
        found = list_events(opened, subject, Chosen(order, types), moment, EVERYTHING_SHOWN, made)
        if moment.asked_known_at is not None and format_ == "text":
            ledger_text.tell_open(shanghai_text(moment.asked_known_at), moment.position)
        ledger_text.print_events(found, as_json=format_ == "json")


@command("event", "levelbook event urn:demo:shop rev-ring-1")
@click.argument("source")
@click.argument("id_", metavar="ID")
@store_options
def event(source: str, id_: str, store: str, format_: str) -> None:
    """Show one event: both times, position, hashes, who caused it, what corrects or retracts it."""
    from replay.history.browse import find_event

    with open_at(store) as opened:
        ledger_text.print_event(find_event(opened, source, id_), as_json=format_ == "json")


@command("subjects", "levelbook subjects merchant")
@click.argument("kind", required=False, shell_complete=complete_kind)
@store_options
def subjects(kind: str | None, store: str, format_: str) -> None:
    """List the subjects, or those of one KIND, such as merchant."""
    from replay.history.browse import list_subjects

    with open_at(store) as opened:
        ledger_text.print_subjects(list_subjects(opened, kind), as_json=format_ == "json")


@command("status", "levelbook status --format json")
@store_options
def status(store: str, format_: str) -> None:
    """Show where the ledger stands, and its views: head, records by type, size; lag, what is set aside, a rebuild.

    Exit status 1 when a level could not be worked out and is set aside, and when the views cannot be used: they are of
    another history of the ledger, stand later than its clock, or are damaged.
    """
    from projections.views.location import has_views
    from replay.history.browse import status as look

    with open_at(store) as opened:
        found = look(opened)
        views = None
        if has_views(opened):
            from projections.projector.status import status_beside

            views = status_beside(opened)
    ledger_text.print_status(found, views, as_json=format_ == "json")
    if views is not None and (views["set_aside"] or views["problems"]):
        sys.exit(EXIT_NOT_ALL)
