"""The command `levelbook`: arguments → one call → one printer. Heavy imports stand inside the commands."""

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projections import printing
from projections.command_line import (
    EXIT_INTERRUPTED,
    EXIT_NOT_ALL,
    Commands,
    clock_option,
    example,
    format_option,
    location_option,
    moment_options,
    policies_option,
    policy_option,
    replay_options,
    scheme_option,
    segments_option,
    stopping,
    store_options,
)

if TYPE_CHECKING:
    from projections.advance import Moved
    from replay.replays import Replay
    from replay.store import Store
    from replay.timeline import Moment, Present
    from replay.verify import Verified


def _command(name: str, line: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command whose help ends with an example."""
    return main.command(name, epilog=example(line))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="WHEN is a date (its last moment in Shanghai) or an instant such as 2022-11-30T12:00:00+08:00.\n\n"
    "\b\nExample:\n  levelbook demo",
)
@click.version_option(package_name="levelbook")
def main() -> None:
    """Record what happened once; replay any level as it was decided and as it is known now.

    Exit status: 0 done; 1 lines were refused, a file broke off, a policy has faults, a decision is not reproduced, or a
    ledger is not sound; 2 wrong use; 3 the store, its disk or its clock failed; 4 the views are of another history of
    the ledger, or the clock jumped; 130 interrupted.
    """


@_command("ingest", "levelbook ingest orders.jsonl reviews.jsonl.gz")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--backfill", is_flag=True, help="Record each event as learned at its recordedtime, all files in that order."
)
@click.option(
    "--late", is_flag=True, help="With --backfill: record what is earlier than the last record as learned now."
)
@clock_option
@click.option("--dry-run", is_flag=True, help="Say what would be recorded, known and refused; record nothing.")
@click.option("--skip-refused", is_flag=True, help="With --backfill: record the rest of the run for good without them.")
@click.option(
    "--existing",
    is_flag=True,
    envvar="LEVELBOOK_EXISTING",
    show_envvar=True,
    help="Never make a new ledger.",
)
@click.option(
    "--refusals-max",
    type=click.IntRange(0),
    default=1_000,
    show_default=True,
    metavar="N",
    help="Stop when N lines in a row are refused; 0 sets no bound.",
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where refused lines go. Default: rejects-<time>.jsonl beside the store (PostgreSQL: here), made when needed.",
)
@click.option(
    "--extensions",
    type=click.Choice(["refuse", "keep", "drop"]),
    default="refuse",
    show_default=True,
    help="Extension attributes that CloudEvents does not document.",
)
@click.option("--acknowledge", is_flag=True, help="Print FILE:LINE once all up to it is safe (stderr with json).")
@store_options
def ingest(
    files: tuple[str, ...],
    backfill: bool,
    late: bool,
    skip_refused: bool,
    clock_behind: bool,
    dry_run: bool,
    existing: bool,
    refusals_max: int,
    rejects: Path | None,
    extensions: str,
    acknowledge: bool,
    store: str,
    format_: str,
) -> None:
    """Record events from FILEs of CloudEvents JSON Lines ('-' is standard input, gzip is unpacked).

    Makes the store when there is none, with the first line that is recorded, and says so. A refused line never stops
    the rest: it is reported, and written with its reason to the rejects file, which can be mended and ingested again.
    Only of a backfill all is recorded or nothing. The same file twice changes nothing.
    """
    from replay.errors import LevelbookError, UsageError
    from replay.ingest import Ingest
    from replay.lines import check_files
    from replay.received import Undocumented
    from replay.rejects import Rejects, rejects_beside
    from replay.targets import target_at

    if (late or skip_refused) and not backfill:
        option = "--late" if late else "--skip-refused"
        raise UsageError(f"{option} says what to do with such lines of a backfill; give --backfill with it")
    check_files(files)
    interrupted = False
    failure = None
    as_json = format_ == "json"
    watching = printing.Watch(files, acknowledge=acknowledge and not dry_run, answers_json=as_json)
    with watching as watch, target_at(store, watch.made, dry_run=dry_run, existing=existing) as target:
        refused = Rejects(rejects or rejects_beside(store))
        run = Ingest(
            target,
            refused,
            watch,
            clock_behind=clock_behind,
            refusals_max=refusals_max,
            undocumented=Undocumented(extensions),
        )
        try:
            try:
                run.backfill(files, late=late, skip_refused=skip_refused) if backfill else run.run(files)
            finally:
                refused.close()
        except KeyboardInterrupt:
            interrupted = True
        except (LevelbookError, OSError) as error:
            failure = error
        ended = printing.Ended(run.counts, refused.path, refused.left_out, watch.head, target.made, dry_run, target.due)
    printing.print_ended(ended, as_json=as_json)
    if failure is not None:
        raise failure
    if interrupted:
        click.echo("Interrupted: what was counted is recorded; ingest the same files again to go on.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if run.counts.refused or run.counts.broken_files:
        sys.exit(EXIT_NOT_ALL)


@_command("verify", "levelbook verify --head $(cat head-of-november.txt)")
@click.option("--head", "kept", metavar="N:HASH:LEDGER", help="A head that was noted down: was the tail cut?")
@click.option("--list", "list_kept", is_flag=True, help="Show the checks that were made and kept; check nothing.")
@segments_option
@store_options
def verify(kept: str | None, list_kept: bool, segments: Path | None, store: str, format_: str) -> None:
    """Walk the stored bytes, recompute every column, and name the first record that does not fit.

    A sound ledger is compared with what is derived from it: every file, row and name of sealed segments, and every
    definition and row of the views with some that are made from nothing. Nothing is changed in any of these; the
    verdicts are kept beside the store.

    Exit status: 1 the ledger is not sound; 5 segments, 6 views, 7 both do not fit a sound ledger; 8 the tables of
    the service are not defined as they must be; 3 something could not be looked at.
    """
    from projections.verifying import verify_all
    from replay.checks import kept as kept_checks
    from replay.verify import parse_head

    noted = None if kept is None else parse_head(kept)
    as_json = format_ == "json"
    with _open(store) as opened:
        if list_kept:
            printing.print_checks(kept_checks(opened), as_json=as_json)
            return

        def told(result: "Verified") -> None:
            if not as_json:
                printing.print_ledger_verdict(result)

        outcome = verify_all(opened, noted, segments, printing.progress, told)
    printing.print_verified(outcome, as_json=as_json)
    if outcome.exit_status:
        sys.exit(outcome.exit_status)


@_command("seal", "levelbook seal")
@segments_option
@store_options
def seal(segments: Path | None, store: str, format_: str) -> None:
    """Seal what the ledger holds into columnar segments, from which all levels are rebuilt fast.

    Only what is not sealed yet is added, also while others write. Segments are derived data: 'verify' compares
    them with the ledger, and when their folder is deleted, the next seal makes them again.
    """
    from replay.seal import seal as run
    from replay.seal import segments_folder

    with _open(store) as opened, printing.progress("sealing", opened.head().position) as progress:
        folder = segments_folder(opened, segments)
        result = run(opened, folder, progress)
    printing.print_sealed(folder, result, as_json=format_ == "json")


@_command("head", "levelbook head >> heads.txt")
@store_options
def head(store: str, format_: str) -> None:
    """Print position and chain hash, to be kept elsewhere and given to 'verify --head'."""
    with _open(store) as opened:
        printing.print_head(opened.head(), opened.identity.id, as_json=format_ == "json")


@_command("backup", "levelbook backup ledger-2022-11-30.db")
@click.argument("file", type=click.Path(path_type=Path))
@store_options
def backup(file: Path, store: str, format_: str) -> None:
    """Copy the ledger into a new SQLite store at FILE while others write, and verify the copy.

    The key for buyers is not copied: keep it elsewhere. Exit status 1 when the copy is sound, and something in the
    store itself could hide records from its readers.
    """
    from replay.backup import back_up

    with _open(store) as opened, printing.progress("copying", opened.head().position) as progress:
        result = back_up(opened, file, progress)
    printing.print_backup(file, result, as_json=format_ == "json")
    if result.source_problems:
        sys.exit(EXIT_NOT_ALL)


@_command("erase-buyer", "levelbook erase-buyer b-9 --reason 'request 2291' --at-month-end")
@click.argument("buyer", required=False)
@click.option("--reason", help="Why; kept for ever, so name no one.")
@click.option("--now", "in_month", is_flag=True, help="At once, also where the month's pair caps begin anew by that.")
@click.option("--at-month-end", is_flag=True, help="Keep the request; it is carried out when the month is over.")
@click.option("--due", is_flag=True, help="Carry out the requests that are due (from cron); needs no key.")
@clock_option
@store_options
def erase_buyer(
    buyer: str | None,
    reason: str | None,
    in_month: bool,
    at_month_end: bool,
    due: bool,
    clock_behind: bool,
    store: str,
    format_: str,
) -> None:
    """Forget which alias is BUYER's ('-' reads the buyer from standard input). No record changes.

    Where something happened to the buyer's orders this month, the month's pair cap would begin anew: then --now or
    --at-month-end has to be given. Requests for the month's end are carried out by the first command that records
    after it, or by --due.
    """
    from projections import erasures_text
    from replay.erasing import Asked, Erasure, erase_at_month_end, erase_due, erase_now
    from replay.errors import UsageError

    as_json = format_ == "json"
    if due:
        if buyer is not None or reason is not None or in_month or at_month_end:
            raise UsageError("--due carries out all requests that are due, each for its own reason; give it alone")
        with _open(store) as opened:
            carried = erase_due(opened, clock_behind=clock_behind)
        erasures_text.print_due(carried, as_json=as_json)
        return
    if buyer is None or reason is None:
        raise UsageError("an erasure needs a BUYER and a --reason; or give --due alone, for the requests that are due")
    if in_month and at_month_end:
        raise UsageError("--now and --at-month-end each say when; give one of them")
    name = _line_of_standard_input() if buyer == "-" else buyer
    with _open(store) as opened:
        found: Asked | Erasure
        if at_month_end:
            found = erase_at_month_end(opened, name, reason, clock_behind=clock_behind)
        else:
            found = erase_now(opened, name, reason, in_month=in_month, clock_behind=clock_behind)
    erasures_text.print_erasure(found, as_json=as_json)


@_command("events", "levelbook events merchant/tea-house --order ring-1 --scheme merchant-reputation")
@click.argument("subject")
@click.option("--order", metavar="ORDER", help="Only events that name this order.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this type; may be given several times.")
@click.option("--scheme", metavar="SCHEME", help="Show beside each event what this scheme made of it.")
@policy_option
@policies_option
@moment_options
@store_options
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
    from replay.explain import made_beside
    from replay.look import Chosen, list_events
    from replay.policies import Choice
    from replay.readers import EVERYTHING_SHOWN
    from replay.schemes import replay_subject

    with _open(store) as opened:
        moment = _resolve(opened, as_of, known_at, position)
        made = None
        if scheme is not None:
            made = made_beside(replay_subject(opened, subject, moment, scheme, Choice(policy, policies)))
        found = list_events(opened, subject, Chosen(order, types), moment, EVERYTHING_SHOWN, made)
        if moment.asked_known_at is not None and format_ == "text":
            printing.tell_open(shanghai_text(moment.asked_known_at), moment.position)
        printing.print_events(found, as_json=format_ == "json")


@_command("event", "levelbook event urn:demo:shop rev-ring-1")
@click.argument("source")
@click.argument("id_", metavar="ID")
@store_options
def event(source: str, id_: str, store: str, format_: str) -> None:
    """Show one event: both times, position, hashes, who caused it, what corrects or retracts it."""
    from replay.look import find_event

    with _open(store) as opened:
        printing.print_event(find_event(opened, source, id_), as_json=format_ == "json")


@_command("subjects", "levelbook subjects merchant")
@click.argument("kind", required=False)
@store_options
def subjects(kind: str | None, store: str, format_: str) -> None:
    """List the subjects, or those of one KIND: merchant, creator, mcn, policy, board, ledger."""
    from replay.look import list_subjects

    with _open(store) as opened:
        printing.print_subjects(list_subjects(opened, kind), as_json=format_ == "json")


@_command("status", "levelbook status --format json")
@store_options
def status(store: str, format_: str) -> None:
    """Show where the ledger stands, and its views: head, records by type, size; lag, what is set aside, a rebuild.

    Exit status 1 when a level could not be worked out and is set aside, and when the views cannot be used: they are of
    another history of the ledger, stand later than its clock, or are damaged.
    """
    from projections.place import has_views
    from replay.look import status as look

    with _open(store) as opened:
        found = look(opened)
        views = None
        if has_views(opened):
            from projections.status import status_beside

            views = status_beside(opened)
    printing.print_status(found, views, as_json=format_ == "json")
    if views is not None and (views["set_aside"] or views["problems"]):
        sys.exit(EXIT_NOT_ALL)


@_command("rebuild", "levelbook rebuild --dry-run")
@click.argument("schemes", nargs=-1, metavar="[SCHEME]...")
@click.option("--dry-run", is_flag=True, help="Build, prove and compare, but do not switch.")
@click.option("--back", is_flag=True, help="Switch back to the build that was live before.")
@click.option("--abort", is_flag=True, help="Remove a rebuild that is under way.")
@click.option("--sample", type=click.IntRange(0), default=100, show_default=True, help="Subjects of a kind to replay.")
@click.option("--seed", type=click.IntRange(0), help="Which sample. Default: a random one, which the report names.")
@segments_option
@store_options
def rebuild(
    schemes: tuple[str, ...],
    dry_run: bool,
    back: bool,
    abort: bool,
    sample: int,
    seed: int | None,
    segments: Path | None,
    store: str,
    format_: str,
) -> None:
    """Build the views of all SCHEMEs, or of those named, anew; prove them against replays; then switch.

    The live views are served meanwhile. A killed rebuild goes on from its last finished part. Exit status 1 when the
    proof fails: the live views stay.
    """
    from projections import rebuild as building
    from projections import views_text
    from projections.views import open_views
    from replay.errors import UsageError

    if back + abort + dry_run > 1:
        raise UsageError("--dry-run, --back and --abort each say what to do; give one of them")
    as_json = format_ == "json"
    with _open(store) as opened, open_views(opened, make=not (back or abort)) as views:
        if back:
            views_text.print_switched_back(building.switch_back(views), as_json=as_json)
        elif abort:
            views_text.print_aborted(building.abort(views), as_json=as_json)
        else:
            asked = building.Asked(building.check_schemes(schemes), dry_run, sample, seed, segments)
            with views_text.rebuild_progress() as progress:
                report = building.rebuild(views, asked, progress)
            views_text.print_rebuilt(report, as_json=as_json)


@_command("follow", "levelbook follow --once")
@click.option("--once", is_flag=True, help="Stop at the ledger's head. Default: stay up until stopped.")
@store_options
def follow(once: bool, store: str, format_: str) -> None:
    """Move the views on by new events, and with the calendar. Makes them when there are none yet.

    Stopped by SIGTERM or SIGINT at any moment, also by kill -9, it neither skips nor doubles. Exit status 1 with --once
    when a level is set aside.
    """
    from projections import views_text
    from projections.follow import follow as run
    from projections.status import views_status
    from projections.views import open_views

    def told(moved: "Moved") -> None:
        if moved.events or moved.units:
            views_text.print_step(moved, as_json=format_ == "json")

    with _open(store) as opened, open_views(opened, make=True) as views, stopping() as stopped:
        run(views, stay=not once, told=told, stopped=stopped)
        if once and views_status(views)["set_aside"]:
            sys.exit(EXIT_NOT_ALL)


@_command("serve", "levelbook serve --port 8020")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(1, 65535), default=8020, show_default=True, help="On which port.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes answer.")
@click.option("--name", "names", multiple=True, metavar="NAME", help="A further name that requests may ask for.")
@click.option("--token-required", is_flag=True, help="Ask for a token on 127.0.0.1, too; elsewhere it always is.")
@click.option(
    "--ready-lag-seconds",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    help="How far the views may lie behind before /readyz says so.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 100_000),
    default=4_000,
    show_default=True,
    help="How many each process holds open at a time.",
)
@click.option(
    "--head-seconds",
    type=click.FloatRange(0.1, 60),
    default=15,
    show_default=True,
    help="How long the head of a request may take, and a connection lie idle.",
)
@click.option(
    "--body-seconds", type=click.FloatRange(0.1), default=10, show_default=True, help="How long a body may take."
)
@click.option(
    "--take-seconds",
    type=click.FloatRange(0.1),
    default=60,
    show_default=True,
    help="How long a piece of a stream may wait to be taken.",
)
@click.option(
    "--replay-events",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    help="On how many events the replays of a process may rest at a time, about 1 KB each.",
)
@click.option(
    "--tls-certificate", type=click.Path(path_type=Path, exists=True), metavar="FILE", help="PEM; makes it https."
)
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True), metavar="FILE", help="PEM, PKCS#8.")
@click.option("--tls-by-proxy", is_flag=True, help="A proxy before it ends TLS: cookies are for https alone.")
@click.option("--prefix", default="", metavar="PATH", help="What a proxy puts before every path, such as /levels.")
@location_option
def serve(store: str, **asked: Any) -> None:
    """Answer over HTTP what the ledger and its views hold: levels, explanations, changes. It only reads.

    Ends with status 0 on SIGTERM or SIGINT. Beyond this machine whoever asks must show a token.
    """
    from projections.service.serve import serve as run
    from projections.service.settings import Settings

    run(Settings(store, **asked))


@main.group("token", epilog=example("levelbook token new --name warehouse --scope levels:read"))
def token() -> None:
    """Make, list and revoke the tokens by which others may ask the service."""


@token.command("new", epilog=example("levelbook token new --name warehouse --scope levels:read"))
@click.option("--name", required=True, metavar="NAME", help="Whose it is; name no buyer.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["levels:read", "explanations:read", "decisions:read"]),
    help="What it may read; may be given several times. Default: all.",
)
@click.option(
    "--per-minute", type=click.IntRange(1, 10_000_000), default=6_000, show_default=True, help="Requests a minute."
)
@store_options
def token_new(name: str, scopes: tuple[str, ...], per_minute: int, store: str, format_: str) -> None:
    """Make a token and print it, this once: only its hash is kept."""
    from projections.service import tokens_text
    from projections.service.asking import SCOPES
    from projections.service.keeping import open_keeping

    tokens_text.check_name(name)
    with _open(store) as opened, open_keeping(opened) as keeping:
        number, secret = keeping.new_token(name, scopes or SCOPES, per_minute, opened.now())
    tokens_text.print_token(number, secret, as_json=format_ == "json")


@token.command("list", epilog=example("levelbook token list"))
@store_options
def token_list(store: str, format_: str) -> None:
    """List the tokens, also those that were revoked; never the tokens themselves."""
    from projections.service import tokens_text
    from projections.service.keeping import find_keeping

    with _open(store) as opened, find_keeping(opened) or nullcontext() as keeping:
        found = [] if keeping is None else keeping.tokens()
    tokens_text.print_tokens(found, as_json=format_ == "json")


@token.command("revoke", epilog=example("levelbook token revoke 1"))
@click.argument("number", type=int)
@store_options
def token_revoke(number: int, store: str, format_: str) -> None:
    """Let token NUMBER and every session begun with it end; it holds for a second more at most."""
    from projections.service import tokens_text
    from projections.service.keeping import is_kept, no_token, open_keeping

    with _open(store) as opened:
        if not is_kept(opened):
            raise no_token(number)
        with open_keeping(opened) as keeping:
            found = keeping.revoke(number, opened.now())
    tokens_text.print_revoked(found, as_json=format_ == "json")


@_command("accesses", "levelbook accesses merchant/tea-house")
@click.argument("subject", required=False)
@store_options
def accesses(subject: str | None, store: str, format_: str) -> None:
    """List who asked the service for explanations, of SUBJECT or all: when, by which token, for what."""
    from projections.service import tokens_text
    from projections.service.keeping import find_keeping

    with _open(store) as opened, find_keeping(opened) or nullcontext() as keeping:
        found = [] if keeping is None else keeping.accesses(subject)
    tokens_text.print_accesses(found, as_json=format_ == "json")


@_command("retry", "levelbook retry merchant/tea-house")
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...")
@store_options
def retry(subjects: tuple[str, ...], store: str, format_: str) -> None:
    """Take up again what is set aside, of SUBJECTs or all. Exit status 1 when something stays aside."""
    from projections import views_text
    from projections.advance import retry as take_up
    from projections.views import open_views

    with _open(store) as opened, open_views(opened) as views:
        found = take_up(views, subjects)
    views_text.print_retried(found, as_json=format_ == "json")
    if found.still_aside:
        sys.exit(EXIT_NOT_ALL)


@_command("replay", "levelbook replay merchant/tea-house --as-of 2022-11-30 --known-at 2022-12-17")
@click.argument("subject")
@replay_options
def replay(subject: str, store: str, format_: str, lang: str, **asked: Any) -> None:
    """Replay the level of SUBJECT: state, level, what is effective, points, months, last publication."""
    from replay.answers import replay_json

    with _open(store) as opened:
        found = _replay(opened, subject, **asked)
    printing.print_answer("replay", replay_json(found, lang), found, lang, as_json=format_ == "json")


@_command("explain", "levelbook explain merchant/tea-house --month 2022-11")
@click.argument("subject")
@click.option("--month", metavar="YYYY-MM", help="Only what was judged in this month.")
@click.option("--event", "event_id", metavar="ID", help="Only this event; of a payment or flag, its whole order.")
@replay_options
def explain(
    subject: str, month: str | None, event_id: str | None, store: str, format_: str, lang: str, **asked: Any
) -> None:
    """Explain the level of SUBJECT: a verdict or note for every event that bears on it, with its clause.

    Verdicts add up to the points, and the answer says so.
    """
    from replay.explain import explain_json
    from replay.replays import Part

    part = Part(None if month is None else _month(month), event_id)
    with _open(store) as opened:
        found = _replay(opened, subject, **asked)
    printing.print_answer("explain", explain_json(found, part, lang), found, lang, as_json=format_ == "json")


@_command("history", "levelbook history merchant/tea-house")
@click.argument("subject")
@replay_options
def history(subject: str, store: str, format_: str, lang: str, **asked: Any) -> None:
    """Show each change of the level of SUBJECT with its cause."""
    from replay.history import history_json

    with _open(store) as opened:
        found = _replay(opened, subject, **asked)
    printing.print_answer("history", history_json(found), found, lang, as_json=format_ == "json")


@_command("diff", "levelbook diff merchant/tea-house --as-of 2022-11-30 --known-at 2022-12-17")
@click.argument("subject")
@click.option("--to-as-of", metavar="WHEN", help="The other replay's --as-of. Default: that of the first if given.")
@click.option("--to-known-at", metavar="WHEN", help="The other replay's --known-at. Default: everything known.")
@click.option("--to-position", type=int, metavar="N", help="In place of --to-known-at.")
@click.option("--to-policy", metavar="ID[@HASH]", help="The other replay's --policy. Default: that of the first.")
@replay_options
def diff(
    subject: str,
    to_as_of: str | None,
    to_known_at: str | None,
    to_position: int | None,
    to_policy: str | None,
    store: str,
    format_: str,
    lang: str,
    **asked: Any,
) -> None:
    """Split the difference of two replays of SUBJECT by cause: what was learned, time, policy.

    The first replay is named as for 'replay', the other by the options that begin with --to-. Each step is a run of
    the scheme, and they add up exactly.
    """
    from replay.diff import diff_json
    from replay.timeline import present_of

    other = asked | {"known_at": to_known_at, "position": to_position}
    other |= {} if to_as_of is None else {"as_of": to_as_of}
    other |= {} if to_policy is None else {"policy": to_policy}
    with _open(store) as opened:
        present = present_of(opened)
        start = _replay(opened, subject, present=present, **asked)
        end = _replay(opened, subject, present=present, option="--to-" if to_as_of or to_known_at else "--", **other)
    printing.print_answer("diff", diff_json(start, end), end, lang, as_json=format_ == "json")


@_command("decide", "levelbook decide merchant-reputation --month 2022-11")
@click.argument("scheme")
@click.option("--month", metavar="YYYY-MM", help="The month, of monthly schemes and 'leaderboard'.")
@click.option("--day", metavar="YYYY-MM-DD", help="The day, of merchant-tier.")
@click.option("--again", is_flag=True, help="A further run for a period that has a finished one; needs --reason.")
@click.option("--reason", help="Why there is a further run; kept for ever.")
@clock_option
@store_options
def decide(
    scheme: str,
    month: str | None,
    day: str | None,
    again: bool,
    reason: str | None,
    clock_behind: bool,
    store: str,
    format_: str,
) -> None:
    """Fix the levels of SCHEME for a period: one event a subject, with digests of what it rests on.

    A killed run is resumed with its own values; a finished one is reported, and nothing is done.
    """
    from replay.decide import decide as run_of
    from replay.decide import period_of, subjects_of
    from replay.errors import UsageError

    if again != (reason is not None):
        raise UsageError("a further run needs both --again and --reason")
    with _open(store) as opened:
        period = period_of(opened, scheme, None if month is None else _month(month), None if day is None else _day(day))
        with printing.progress("deciding", subjects_of(opened, scheme)) as progress:
            found = run_of(opened, scheme, period, reason, progress, clock_behind=clock_behind)
    printing.print_run(found, as_json=format_ == "json")


@_command("decided", "levelbook decided merchant/tea-house")
@click.argument("subject")
@scheme_option
@store_options
def decided(subject: str, scheme: str | None, store: str, format_: str) -> None:
    """List the decisions on SUBJECT: level, score, what was known, digests; which is the latest of its period."""
    from replay.decide import decisions_json
    from replay.readers import EVERYTHING_SHOWN

    with _open(store) as opened:
        found = decisions_json(opened, subject, scheme, EVERYTHING_SHOWN)
    printing.print_decisions(found, as_json=format_ == "json")


@_command("audit", "levelbook audit --scheme merchant-reputation --month 2022-11")
@click.option("--scheme", metavar="SCHEME", help="Only decisions of this scheme.")
@click.option("--month", metavar="PERIOD", help="Only decisions of this month (or day, YYYY-MM-DD).")
@click.option("--subject", metavar="SUBJECT", help="Only decisions on this subject.")
@store_options
def audit(scheme: str | None, month: str | None, subject: str | None, store: str, format_: str) -> None:
    """Replay each decision at its own as_of, position and policy, and say which do not come out.

    Exit status 0 only when all are reproduced.
    """
    from replay.audit import Selection, audit_json

    if month is not None:
        _day(month) if len(month) > len("2022-11") else _month(month)
    with _open(store) as opened, printing.progress("auditing", 0) as progress:
        found = audit_json(opened, Selection(scheme, month, subject), progress)
    printing.print_audit(found, as_json=format_ == "json")
    if found["reproduced"] < found["audited"]:
        sys.exit(EXIT_NOT_ALL)


@_command("appeal", "levelbook appeal merchant/tea-house --scheme merchant-reputation --month 2022-11 --format html")
@click.argument("subject")
@click.option("--scheme", required=True, metavar="SCHEME", help="The scheme whose level is disputed.")
@click.option("--month", metavar="YYYY-MM", help="The month, of monthly schemes.")
@click.option("--day", metavar="YYYY-MM-DD", help="The day, of merchant-tier.")
@click.option("--run", metavar="RUN", help="As decided in this run. Default: the latest.")
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of the answer."
)
@location_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="Form of the answer; html is one printable page.",
)
def appeal(
    subject: str,
    scheme: str,
    month: str | None,
    day: str | None,
    run: str | None,
    lang: str,
    store: str,
    format_: str,
) -> None:
    """Print the file of one disputed level: as announced, as decided, as known now, the difference, the events."""
    from replay.appeal import appeal_json
    from replay.decide import period_of
    from replay.readers import EVERYTHING_SHOWN

    with _open(store) as opened:
        period = period_of(opened, scheme, None if month is None else _month(month), None if day is None else _day(day))
        found = appeal_json(opened, subject, scheme, period, run, lang, EVERYTHING_SHOWN)
    printing.print_appeal(found, lang, format_)


@_command("policies", "levelbook policies --scheme merchant-reputation --format json")
@scheme_option
@policies_option
@store_options
@click.pass_context
def policies(context: click.Context, scheme: str | None, policies: Path | None, store: str, format_: str) -> None:
    """List the policies that replays use: versions, revisions, each parameter with its value, status and source."""
    from replay.errors import NoStoreError
    from replay.policies import list_policies

    try:
        with _open(store) as opened:
            found = list_policies(opened, policies, scheme)
    except NoStoreError:
        if context.get_parameter_source("store") is not click.core.ParameterSource.DEFAULT:
            raise
        found = list_policies(None, policies, scheme)
    printing.print_policies(found, as_json=format_ == "json")


@main.group("policy", epilog=example("levelbook policy check 2022-10-26.toml"))
def policy() -> None:
    """Check a policy file; adopt a revision, so that it can be used again for ever."""


@policy.command("check", epilog=example("levelbook policy check 2022-10-26.toml"))
@click.argument("file", type=click.Path(path_type=Path))
@format_option
def policy_check(file: Path, format_: str) -> None:
    """Say whether FILE holds a policy that can be used, with every fault at once."""
    from replay.policies import policy_json, read_policy

    printing.print_checked(policy_json(read_policy(file)), as_json=format_ == "json")


@policy.command("adopt", epilog=example("levelbook policy adopt 2022-10-26"))
@click.argument("policy_name", metavar="ID[@HASH]|FILE")
@policies_option
@clock_option
@store_options
def policy_adopt(policy_name: str, policies: Path | None, clock_behind: bool, store: str, format_: str) -> None:
    """Record a policy revision with its whole content, so that replays use it from here on.

    It is named by its id in the files, or by a .toml file.
    """
    from replay.ledger import Ledger
    from replay.policies import policy_json, policy_to_adopt

    found = policy_to_adopt(policy_name, policies)
    with _open(store) as opened:
        position = Ledger(opened).adopt(found, clock_behind=clock_behind)
    printing.print_adopted(policy_json(found), position, as_json=format_ == "json")


@_command("leaderboard", "levelbook leaderboard comprehensive --month 2023-05 --top 10")
@click.argument("board")
@click.option("--month", required=True, metavar="YYYY-MM", help="The month.")
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the first N.")
@click.option("--known-at", metavar="WHEN", help="As it was known then. Default: everything known.")
@click.option("--position", type=int, metavar="N", help="In place of --known-at: known up to position N.")
@policies_option
@store_options
def leaderboard(
    board: str,
    month: str,
    top: int | None,
    known_at: str | None,
    position: int | None,
    policies: Path | None,
    store: str,
    format_: str,
) -> None:
    """Show BOARD (comprehensive or growth) of a month: rated agencies, best first."""
    from replay.leaderboard import board_json
    from replay.policies import Choice
    from replay.readers import EVERYTHING_SHOWN

    with _open(store) as opened, printing.progress("judging agencies", 0) as progress:
        known, choice = (known_at, position), Choice(folder=policies)
        found = board_json(opened, board, _month(month), known, choice, EVERYTHING_SHOWN, progress)
    printing.print_board(found | {"rows": found["rows"][:top]}, as_json=format_ == "json")


@_command("answers", "levelbook answers explain --scheme merchant-reputation")
@click.argument("name", required=False, type=click.Choice(["replay", "explain", "history", "diff", "events"]))
@click.argument("event_type", required=False, metavar="[TYPE]")
@scheme_option
@format_option
def answers(name: str | None, event_type: str | None, scheme: str | None, format_: str) -> None:
    """Describe the keys of the JSON answers: those of NAME, or all of them.

    'levelbook answers events' gives JSON Schemas (2020-12) of the events that 'ingest' takes, or that of one TYPE.
    """
    from projections.answer_schemas import describe
    from projections.event_schemas import event_schemas
    from replay.errors import UsageError

    if event_type is not None and name != "events":
        raise UsageError("a type of events is described by 'levelbook answers events TYPE'")
    if name == "events":
        printing.print_json(event_schemas(event_type))
        return
    printing.print_described(describe(name, scheme), as_json=format_ == "json")


@_command("demo", "levelbook demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="levelbook-demo",
    show_default=True,
    help="Where the demo's events and ledger go.",
)
def demo(folder: Path) -> None:
    """Make a small ledger of a disputed level; replay it as decided and as known now, explain both, split why."""
    from fixtures.demo import EVENTS_FILE, NEXT, commands, story
    from replay.errors import UsageError

    lines = folder / EVENTS_FILE
    text = "".join(json.dumps(item) + "\n" for item in story())
    if folder.exists() and any(folder.iterdir()) and not (lines.exists() and lines.read_text("utf-8") == text):
        raise UsageError(f"the folder {folder} holds other things than this demo; name another with --folder")
    folder.mkdir(exist_ok=True)
    lines.write_text(text, "utf-8")
    for words in commands(folder):
        click.echo(f"\n$ levelbook {' '.join(words)}")
        main.main(words, standalone_mode=False)
    click.echo(f"\nTry next, after 'export LEVELBOOK_STORE={folder / 'ledger.db'}':")
    for line in NEXT:
        click.echo(f"  {line}")


def _line_of_standard_input() -> str:
    from replay.errors import UsageError

    if sys.stdin is None:
        raise UsageError("standard input is closed; name the buyer")
    try:
        return sys.stdin.buffer.readline().decode().strip()
    except UnicodeDecodeError:
        raise UsageError("standard input is not valid UTF-8; mend it") from None


def _open(store: str) -> "Store":
    from replay.store import open_store

    return open_store(store)


def _resolve(store: "Store", as_of: str | None, known_at: str | None, position: int | None) -> "Moment":
    from replay.timeline import Asked, resolve

    return resolve(store, Asked(as_of, known_at, position))


def _replay(
    store: "Store",
    subject: str,
    *,
    scheme: str | None,
    as_of: str | None,
    known_at: str | None,
    position: int | None,
    policy: str | None,
    policies: Path | None,
    present: "Present | None" = None,
    option: str = "--",
) -> "Replay":
    from replay.policies import Choice
    from replay.schemes import replay_subject
    from replay.timeline import Asked, resolve

    moment = resolve(store, Asked(as_of, known_at, position), present, option)
    return replay_subject(store, subject, moment, scheme, Choice(policy, policies))


def _month(text: str) -> int:
    from domain.calendar import parse_month
    from replay.errors import UsageError

    try:
        return parse_month(text)
    except ValueError as error:
        raise UsageError(f"--month {text!r} {error}; give a month such as 2022-11") from None


def _day(text: str) -> int:
    from domain.calendar import parse_day
    from replay.errors import UsageError

    try:
        return parse_day(text)
    except ValueError as error:
        raise UsageError(f"--day {text!r} {error}; give a day such as 2022-11-05") from None


if __name__ == "__main__":
    main()
