"""Commands that look at what stands in a ledger."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from projections.commands.asking.asked import moment_asked, on_evidence, open_at
from projections.commands.asking.completing import (
    complete_kind,
    complete_month,
    complete_scheme,
    complete_subject,
    complete_type,
)
from projections.commands.asking.options import (
    EXIT_NOT_ALL,
    command,
    listed_options,
    moment_options,
    policies_option,
    policy_option,
    store_options,
)
from projections.configuration.settings import SHEETS, language_option
from projections.text import ledger as ledger_text

if TYPE_CHECKING:
    from replay.store.base.store import Store

TOTALS: Final = "totals"
DISTRIBUTION: Final = "distribution"
WORKLISTS: Final = ("differing", "announced", "changed", "set-aside", TOTALS, DISTRIBUTION)


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
@language_option
@listed_options
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
    lang: str,
) -> None:
    """List the recorded events of SUBJECT in the order of the ledger."""
    from domain.calendar import shanghai_text
    from projections.text.sheets import service
    from replay.answers.explain import made_beside
    from replay.history.browse import Chosen, list_events
    from replay.history.readers import EVERYTHING_SHOWN
    from replay.policies.catalog import Choice
    from replay.schemes.replaying import replay_subject

    with open_at(store) as opened:
        moment = moment_asked(opened, as_of, known_at, position)
        made = None
        if scheme is not None:
            made = made_beside(replay_subject(opened, subject, moment, scheme, Choice(policy, policies)))
        found = list_events(opened, subject, Chosen(order, types), moment, EVERYTHING_SHOWN, made)
        if format_ in SHEETS:
            from projections.api.replays import moment_json

            body = {"subject": subject, **moment_json(moment), "events": list(found)}
            service.print_sheet(format_, "readEvents", body, {} if made is None else service.MADE)
            return
        if moment.asked_known_at is not None and format_ == "text":
            ledger_text.tell_open(shanghai_text(moment.asked_known_at), moment.position, lang)
        ledger_text.print_events(found, lang, as_json=format_ == "json")


@command("event", "levelbook event urn:demo:shop rev-ring-1")
@click.argument("source")
@click.argument("id_", metavar="ID")
@language_option
@store_options
def event(source: str, id_: str, store: str, format_: str, lang: str) -> None:
    """Show one event: both times, position, hashes, who caused it, what corrects or retracts it."""
    from replay.history.browse import find_event

    with open_at(store) as opened:
        ledger_text.print_event(find_event(opened, source, id_), lang, as_json=format_ == "json")


@command("find", "levelbook find --case case-17")
@click.option("--id", "id_", metavar="ID", help="Events with this id.")
@click.option("--source", metavar="SOURCE", help="With --id: only of this source.")
@click.option("--run", metavar="RUN", help="The events of this run of decisions.")
@click.option("--about", "--order", metavar="REF", help="Events about this order, violation, or whatever they name.")
@click.option("--case", metavar="CASE", help="Corrections that name this case.")
@click.option("--alias", metavar="ALIAS", help="Payments of the buyer who bears this alias.")
@click.option("--subject", metavar="SUBJECT", shell_complete=complete_subject, help="Only events of this subject.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many events.")
@click.option("--cursor", metavar="TEXT", help="Where to go on, as the page before says.")
@language_option
@listed_options
def find(store: str, format_: str, lang: str, id_: str | None, **asked: Any) -> None:
    """Find events of all subjects: by id, by what they are about, by case, buyer's alias or run of decisions.

    So much is looked at for a page, which may then hold few events or none, and says where to go on: cases have no
    index. With a subject only its own records are looked at.
    """
    from projections.api.found_events import found_events
    from projections.http.problems import Problem
    from projections.text.sheets import service
    from replay.errors import UsageError
    from replay.history.readers import EVERYTHING_SHOWN

    with open_at(store) as opened:
        try:
            found = found_events(opened, asked | {"id": id_}, EVERYTHING_SHOWN)
        except Problem as problem:
            raise UsageError(problem.detail.replace("cursor", "--cursor", 1)) from None
    if format_ in SHEETS:
        service.print_sheet(format_, "searchEvents", found)
        return
    ledger_text.print_found(found, lang, as_json=format_ == "json")


@command("subjects", "levelbook subjects merchant")
@click.argument("kind", required=False, shell_complete=complete_kind)
@listed_options
def subjects(kind: str | None, store: str, format_: str) -> None:
    """List the subjects, or those of one KIND, such as merchant."""
    from projections.text.sheets import own
    from replay.history.browse import list_subjects

    with open_at(store) as opened:
        found = list_subjects(opened, kind)
        if format_ in SHEETS:
            own.print_subjects(format_, list(found))
            return
        ledger_text.print_subjects(found, as_json=format_ == "json")


@command("worklist", "levelbook worklist differing --scheme merchant-reputation --period 2022-11")
@click.argument("list_", metavar="LIST", type=click.Choice(WORKLISTS))
@click.option("--scheme", metavar="SCHEME", shell_complete=complete_scheme, help="Only rows of this scheme.")
@click.option("--state", metavar="STATE", help="Only rows in which a subject is in this state, such as gated.")
@click.option("--level", metavar="LEVEL", help="Only rows in which this level stands, by its code.")
@click.option(
    "--period",
    metavar="PERIOD",
    shell_complete=complete_month,
    help="Only this month (or day, YYYY-MM-DD). Default: all; of what changed the month in which the views stand.",
)
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many rows.")
@click.option("--cursor", metavar="TEXT", help="Where to go on, as the page before says.")
@language_option
@listed_options
def worklist(list_: str, limit: int, cursor: str | None, store: str, format_: str, lang: str, **asked: Any) -> None:
    """List what an auditor has to look at, of all subjects, out of the views: LIST says what.

    \b
    differing     decisions that would come out otherwise now
    announced     announced levels that were not decided so
    changed       levels that changed in a month or on a day
    set-aside     levels that could not be worked out
    totals        how many are on each list; and the distribution, but in CSV and Parquet
    distribution  how many subjects stand in which state and level
    """
    from projections.commands.asking.asked import listed_period
    from projections.http.problems import Problem
    from projections.text import views as views_text
    from projections.text.sheets import service
    from projections.worklist.answers import distribution_json, totals_json, worklist_json
    from projections.worklist.looking import Filters, snapshot_beside
    from replay.errors import UsageError
    from replay.schemes.registry import scheme_of

    if asked["scheme"] is not None:
        scheme_of(asked["scheme"])
    if asked["period"] is not None:
        listed_period(asked["period"])
    with open_at(store) as opened, snapshot_beside(opened) as at:
        if list_ == TOTALS:
            found = counted = totals_json(at, opened, Filters(**asked), looked_at=None)
            if format_ not in SHEETS:
                counts = {"changed_in": counted["changed_in"], "counts": counted["rows"]}
                found = {**distribution_json(at, opened, Filters(**asked)), **counts}
        elif list_ == DISTRIBUTION:
            found = distribution_json(at, opened, Filters(**asked))
        else:
            try:
                found = worklist_json(at, opened, list_, Filters(**asked), cursor, limit)
            except Problem as problem:
                raise UsageError(problem.detail.replace("cursor", "--cursor", 1)) from None
    if format_ in SHEETS:
        service.print_sheet(format_, service.WORKLISTS[list_], found)
    elif list_ == TOTALS:
        views_text.print_totals(found, lang, as_json=format_ == "json")
    elif list_ == DISTRIBUTION:
        views_text.print_distribution(found, lang, as_json=format_ == "json")
    else:
        views_text.print_worklist(found, lang, as_json=format_ == "json")


@command("status", "levelbook status --format json")
@language_option
@store_options
def status(store: str, format_: str, lang: str) -> None:
    """Show where the ledger stands, and its views: head, records by type, size; lag, what is set aside, a rebuild.

    And how far topics of Kafka are consumed. Exit status 1 when a level could not be worked out and is set aside, and
    when the views cannot be used: they are of another history of the ledger, stand later than its clock, or are
    damaged.
    """
    from projections.views.location import has_views
    from replay.history.browse import status as look

    with open_at(store) as opened:
        found = look(opened)
        views = None
        if has_views(opened):
            from projections.projector.status import status_beside

            views = status_beside(opened)
        consumed = _consumed(opened)
    ledger_text.print_status(found, views, consumed, lang, as_json=format_ == "json")
    if views is not None and (views["set_aside"] or views["problems"]):
        sys.exit(EXIT_NOT_ALL)


def _consumed(opened: "Store") -> list[dict[str, Any]]:
    """How far topics are consumed; what cannot be read of that is told, and is no fault of the ledger."""
    from projections.upkeep.consumed import consumed_status
    from replay.errors import LevelbookError

    try:
        return consumed_status(opened)
    except LevelbookError as error:
        click.echo(f"Warning: {error}", err=True)
        return []
