"""Commands of decisions: fix them, list them, audit them, print the file of a dispute, show a board."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projections.commands.asking.completing import (
    complete_board,
    complete_decided,
    complete_month,
    complete_scheme,
    complete_subject,
)
from projections.commands.asking.options import (
    EXIT_NOT_ALL,
    clock_option,
    command,
    listed_options,
    location_option,
    policies_option,
    scheme_option,
    store_options,
)
from projections.configuration.settings import SHEETS, language_option, segments_option
from projections.terminal.progress import phases
from projections.terminal.progress import progress as progress_of
from projections.text import decisions as decisions_text
from projections.text.output import phases_in

if TYPE_CHECKING:
    from replay.store.base.store import Store
from projections.commands.asking.asked import AskedPeriod, month_asked, on_evidence, open_at, period_option
from replay.objects.naming import FilesPlace


@command("decide", "levelbook decide merchant-reputation --period 2022-11")
@click.argument("scheme", shell_complete=complete_decided)
@period_option("The month (YYYY-MM), of {by_month} and {boards}. The day (YYYY-MM-DD), of {by_day}.")
@click.option("--again", is_flag=True, help="A further run for a period that has a finished one; needs --reason.")
@click.option("--reason", help="Why there is a further run; kept for ever.")
@clock_option
@language_option
@segments_option
@store_options
def decide(
    scheme: str,
    period: AskedPeriod,
    again: bool,
    reason: str | None,
    clock_behind: bool,
    segments: FilesPlace | None,
    store: str,
    format_: str,
    lang: str,
) -> None:
    """Fix the levels of SCHEME for a period: one event a subject, with digests of what it rests on.

    A killed run is resumed with its own values; a finished one is reported, and nothing is done.
    """
    from replay.decisions.decide import decide as run_of
    from replay.decisions.decide import period_of, subjects_of
    from replay.errors import UsageError
    from replay.recording.chaining import chain_keys, unchained

    if again != (reason is not None):
        raise UsageError("a further run needs both --again and --reason")
    with open_at(store) as opened:
        wanted = period_of(opened, scheme, period.month, period.day)
        if (
            waiting := unchained(opened)
        ) > 0:  # recorded by a version that kept no chains of keys, on which digests rest
            with progress_of("chaining the keys of records", waiting, phases_in(lang)) as progress:
                chain_keys(opened, progress)
        with progress_of("deciding", subjects_of(opened, scheme), phases_in(lang)) as progress:
            found = run_of(opened, scheme, wanted, reason, progress, clock_behind=clock_behind, segments=segments)
        _sign(opened, lang, clock_behind=clock_behind)
    decisions_text.print_run(found, lang, as_json=format_ == "json")


def _sign(store: "Store", language: str, *, clock_behind: bool) -> None:
    """Make a checkpoint where the ledger has keys; what was decided stands, also where that fails."""
    from replay.errors import LevelbookError
    from replay.sealing.checkpoint import has_keys, make_checkpoint

    if not has_keys(store):
        return
    try:
        with phases(named=phases_in(language)) as told:
            make_checkpoint(store, told, clock_behind=clock_behind)
    except LevelbookError as error:
        click.echo(f"no checkpoint was made: {error}", err=True)


@command("decided", "levelbook decided merchant/tea-house")
@click.argument("subject", shell_complete=complete_subject)
@scheme_option
@language_option
@listed_options
def decided(subject: str, scheme: str | None, store: str, format_: str, lang: str) -> None:
    """List the decisions on SUBJECT: level, score, what was known, digests; which is the latest of its period."""
    from domain.version import PROGRAM_VERSION
    from projections.text.sheets import service
    from replay.decisions.decide import decisions_json
    from replay.history.readers import EVERYTHING_SHOWN

    with open_at(store) as opened:
        found = decisions_json(opened, subject, scheme, EVERYTHING_SHOWN)
        position = opened.head().position
    if format_ in SHEETS:
        body = {"subject": subject, "program": PROGRAM_VERSION, "position": position, "decisions": found}
        service.print_sheet(format_, "readDecisions", body)
        return
    decisions_text.print_decisions(found, lang, as_json=format_ == "json")


@command("audit", "levelbook audit --scheme merchant-reputation --period 2022-11")
@click.option("--scheme", metavar="SCHEME", shell_complete=complete_scheme, help="Only decisions of this scheme.")
@period_option("Only decisions of this month (YYYY-MM), or day (YYYY-MM-DD).")
@click.option("--subject", metavar="SUBJECT", shell_complete=complete_subject, help="Only decisions on this subject.")
@segments_option
@language_option
@listed_options
@on_evidence()
def audit(
    scheme: str | None,
    period: AskedPeriod,
    subject: str | None,
    segments: FilesPlace | None,
    store: str,
    format_: str,
    lang: str,
) -> None:
    """Replay each decision at its own as_of, position and policy, and say which do not come out.

    Exit status 0 only when all are reproduced, and every announced level is what was decided or what a replay gives.
    That it was made, and what came of it, is kept beside the store.
    """
    from projections.text.sheets import own
    from replay.decisions.audit import Selection, audit_json
    from replay.decisions.kept_audits import keep_audit

    with open_at(store) as opened, progress_of("auditing", 0, phases_in(lang)) as progress:
        selection = Selection(scheme, period.text, subject)
        found = audit_json(opened, selection, progress, segments)
        not_kept = keep_audit(opened, selection, found)
    if not_kept is not None:
        click.echo(f"this audit was not kept: {not_kept}", err=True)
    if format_ in SHEETS:
        own.print_audit(format_, found)
    else:
        decisions_text.print_audit(found, lang, as_json=format_ == "json")
    if found["reproduced"] < found["audited"] or found["announced"]:
        sys.exit(EXIT_NOT_ALL)


@command("appeal", "levelbook appeal merchant/tea-house --scheme merchant-reputation --period 2022-11 --format html")
@click.argument("subject", shell_complete=complete_subject)
@click.option(
    "--scheme",
    required=True,
    metavar="SCHEME",
    shell_complete=complete_scheme,
    help="The scheme whose level is disputed.",
)
@period_option("The month (YYYY-MM), of {by_month}. The day (YYYY-MM-DD), of {by_day}.")
@click.option("--run", metavar="RUN", help="As decided in this run. Default: the latest.")
@segments_option
@language_option
@location_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="Form of the answer; html is a document to print.",
)
@on_evidence()
def appeal(
    subject: str,
    scheme: str,
    period: AskedPeriod,
    run: str | None,
    lang: str,
    store: str,
    segments: FilesPlace | None,
    format_: str,
) -> None:
    """Print the file of one disputed level: as announced, as decided, as known now, the difference, the events."""
    from replay.decisions.appeal import appeal_of
    from replay.decisions.decide import period_of
    from replay.history.readers import EVERYTHING_SHOWN

    with open_at(store, segments) as opened:
        wanted = period_of(opened, scheme, period.month, period.day)
        file = appeal_of(opened, subject, scheme, wanted, run, lang, EVERYTHING_SHOWN)
        if format_ == "html":
            from projections.desk.appeal_document import document_of
            from projections.terminal.streams import as_page

            click.echo(as_page(document_of(opened, file, lang, EVERYTHING_SHOWN)))
            return
    decisions_text.print_appeal(file.found, lang, as_json=format_ == "json")


@command("leaderboard", "levelbook leaderboard comprehensive --month 2023-05 --top 10")
@click.argument("board", shell_complete=complete_board)
@click.option("--month", required=True, metavar="YYYY-MM", shell_complete=complete_month, help="The month.")
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the first N.")
@click.option("--known-at", metavar="WHEN", help="As it was known then. Default: everything known.")
@click.option("--position", type=int, metavar="N", help="In place of --known-at: known up to position N.")
@policies_option
@language_option
@segments_option
@listed_options
def leaderboard(
    board: str,
    month: str,
    top: int | None,
    known_at: str | None,
    position: int | None,
    policies: Path | None,
    segments: FilesPlace | None,
    store: str,
    format_: str,
    lang: str,
) -> None:
    """Show BOARD, such as comprehensive, of a month: who is rated, best first."""
    from projections.text.sheets import service
    from replay.answers.board import board_json
    from replay.history.readers import EVERYTHING_SHOWN
    from replay.policies.catalog import Choice

    with open_at(store, segments) as opened, progress_of("judging agencies", 0, phases_in(lang)) as progress:
        known, choice = (known_at, position), Choice(folder=policies)
        found = board_json(opened, board, month_asked(month), known, choice, EVERYTHING_SHOWN, progress)
    shown = found | {"rows": found["rows"][:top]}
    if format_ in SHEETS:
        service.print_sheet(format_, "readLeaderboard", shown)
        return
    decisions_text.print_board(shown, lang, as_json=format_ == "json")
