"""The command `levelbook`: arguments → one call → one printer. Heavy imports stand inside the commands."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projections import printing

if TYPE_CHECKING:
    from replay.append import Appender
    from replay.ingest import Target
    from replay.store import Store
    from replay.timeline import Moment

EXIT_NOT_ALL = 1
EXIT_FAILED = 3
EXIT_INTERRUPTED = 130


class Commands(click.Group):
    """Turns the errors of the ledger into one clear line and an exit status."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word in args:
            if not word.isascii() and any("\ud800" <= letter <= "\udfff" for letter in word):
                raise click.UsageError("an argument is not valid UTF-8; rename the file or mend the text")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        from replay.errors import LevelbookError

        try:
            return super().invoke(ctx)
        except LevelbookError as error:
            message, status = str(error), error.exit_status
        except BrokenPipeError:
            raise  # click ends quietly: whoever read the output has seen enough
        except OSError as error:
            message, status = f"{error.filename or 'the system'}: {error.strerror or error}", EXIT_FAILED
        except KeyboardInterrupt:
            message, status = "interrupted", EXIT_INTERRUPTED
        click.echo(f"Error: {message}", err=True)
        sys.exit(status)


def _command(name: str, example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command whose help ends with an example."""
    return main.command(name, epilog=f"\b\nExample:\n  {example}")


format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the answer.",
)


clock_option = click.option(
    "--clock-behind", is_flag=True, help="Go on although the clock stands over 5 s behind the last record."
)


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which ledger, and in which form to answer."""
    location = click.option(
        "--store",
        default="levelbook.db",
        envvar="LEVELBOOK_STORE",
        show_default=True,
        show_envvar=True,
        metavar="PATH|URL",
        help="The ledger: an SQLite file or a postgresql:// URL.",
    )
    return location(format_option(command))


def moment_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The two clocks of a replay."""
    for option in (
        click.option("--position", type=int, metavar="N", help="In place of --known-at: known up to position N."),
        click.option("--known-at", metavar="WHEN", help="As it was known then. Default: everything known."),
        click.option("--as-of", metavar="WHEN", help="As things stood then. Default: --known-at if given, else now."),
    ):
        command = option(command)
    return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="WHEN is a date (its last moment in Shanghai) or an instant such as 2022-11-30T12:00:00+08:00.\n\n"
    "\b\nExample:\n  levelbook demo",
)
@click.version_option(package_name="levelbook")
def main() -> None:
    """Record what happened once; replay any level as it was decided and as it is known now.

    Exit status: 0 done; 1 lines were refused, a file broke off, or a ledger is not sound; 2 wrong use; 3 the store, its
    disk or its clock failed; 130 interrupted.
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
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where refused lines go. Default: rejects-<time>.jsonl, made when needed.",
)
@click.option("--acknowledge", is_flag=True, help="Print a line for each batch once it is safe (stderr with json).")
@store_options
def ingest(
    files: tuple[str, ...],
    backfill: bool,
    late: bool,
    clock_behind: bool,
    dry_run: bool,
    rejects: Path | None,
    acknowledge: bool,
    store: str,
    format_: str,
) -> None:
    """Record events from FILEs of CloudEvents JSON Lines ('-' is standard input, .gz is unpacked).

    Makes the store when there is none. A refused line never stops the rest: it is reported, and written
    with its reason to the rejects file, which can be mended and ingested again. The same file twice
    changes nothing.
    """
    from replay.errors import LevelbookError, UsageError
    from replay.ingest import Ingest
    from replay.lines import check_files
    from replay.rejects import Rejects

    if late and not backfill:
        raise UsageError("--late says what to do with late lines of a backfill; give --backfill with it")
    check_files(files)
    refused = Rejects(rejects)
    interrupted = False
    failure = None
    watching = printing.Watch(files, acknowledge=acknowledge, answers_json=format_ == "json")
    with _ingest_target(store, dry_run) as (target, appender), watching as watch:
        run = Ingest(target, appender, refused, watch, clock_behind=clock_behind)
        try:
            run.backfill(files, late=late) if backfill else run.run(files)
        except KeyboardInterrupt:
            interrupted = True
        except (LevelbookError, OSError) as error:
            failure = error
        finally:
            refused.close()
    printing.print_counts(run.counts, refused.path, watch.head, dry_run=dry_run, as_json=format_ == "json")
    if failure is not None:
        raise failure
    if interrupted:
        click.echo("Interrupted: what was counted is recorded; ingest the same files again to go on.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if run.counts.refused or run.counts.broken_files:
        sys.exit(EXIT_NOT_ALL)


@_command("verify", "levelbook verify --head $(cat head-of-november.txt)")
@click.option("--head", "kept", metavar="N:HASH", help="A head that was noted down: tells whether the tail was cut.")
@store_options
def verify(kept: str | None, store: str, format_: str) -> None:
    """Walk the stored bytes, recompute every column, and name the first record that does not fit."""
    from replay.verify import parse_head
    from replay.verify import verify as walk

    noted = None if kept is None else parse_head(kept)
    with _open(store) as opened, printing.progress("verifying", opened.head().position) as progress:
        result = walk(opened, noted, progress)
    printing.print_verified(result, as_json=format_ == "json")
    if result.problems:
        sys.exit(EXIT_NOT_ALL)


@_command("head", "levelbook head >> heads.txt")
@store_options
def head(store: str, format_: str) -> None:
    """Print position and chain hash, to be kept elsewhere and given to 'verify --head'."""
    with _open(store) as opened:
        printing.print_head(opened.head(), as_json=format_ == "json")


@_command("backup", "levelbook backup ledger-2022-11-30.db")
@click.argument("file", type=click.Path(path_type=Path))
@store_options
def backup(file: Path, store: str, format_: str) -> None:
    """Copy the ledger into a new SQLite store at FILE while others write, and verify the copy.

    The key for buyers is not copied: keep it elsewhere.
    """
    from replay.backup import back_up

    with _open(store) as opened, printing.progress("copying", opened.head().position) as progress:
        result = back_up(opened, file, progress)
    printing.print_backup(file, result, as_json=format_ == "json")


@_command("erase-buyer", "levelbook erase-buyer b-9 --reason 'request 2291'")
@click.argument("buyer")
@click.option("--reason", required=True, help="Why; kept for ever, so name no one.")
@clock_option
@store_options
def erase_buyer(buyer: str, reason: str, clock_behind: bool, store: str, format_: str) -> None:
    """Forget which alias is BUYER's ('-' reads the buyer from standard input). No record changes."""
    from replay.ledger import Ledger

    name = _line_of_standard_input() if buyer == "-" else buyer
    with _open(store) as opened:
        erasure = Ledger(opened).erase_buyer(name, reason, clock_behind=clock_behind)
    printing.print_erasure(erasure, as_json=format_ == "json")


@_command("events", "levelbook events merchant/tea-house --order ring-1 --known-at 2022-12-01")
@click.argument("subject")
@click.option("--order", metavar="ORDER", help="Only events that name this order.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only this type; may be given several times.")
@moment_options
@store_options
def events(
    subject: str,
    order: str | None,
    types: tuple[str, ...],
    as_of: str | None,
    known_at: str | None,
    position: int | None,
    store: str,
    format_: str,
) -> None:
    """List the recorded events of SUBJECT in the order of the ledger."""
    from replay.look import Chosen, list_events

    with _open(store) as opened:
        moment = _resolve(opened, as_of, known_at, position)
        found = list_events(opened, subject, Chosen(order, types), moment)
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
    """Show where the ledger stands: head, records by type, size."""
    from replay.look import status as look

    with _open(store) as opened:
        printing.print_status(look(opened), as_json=format_ == "json")


@_command("replay", "levelbook replay merchant/tea-house --as-of 2022-11-30 --known-at 2022-12-01")
@click.argument("subject")
@moment_options
@click.option("--verdicts", is_flag=True, help="In text too, print the verdict on every entry.")
@store_options
def replay(
    subject: str,
    as_of: str | None,
    known_at: str | None,
    position: int | None,
    verdicts: bool,
    store: str,
    format_: str,
) -> None:
    """Replay the reputation of SUBJECT (merchant/<id>): level, points, and a verdict for every entry."""
    from replay.reputation_replay import replay_json, replay_reputation

    with _open(store) as opened:
        found = replay_reputation(opened, subject, _resolve(opened, as_of, known_at, position))
    printing.print_replay(replay_json(found), verdicts=verdicts, as_json=format_ == "json")


@_command("policies", "levelbook policies --format json")
@format_option
def policies(format_: str) -> None:
    """List the policies that replays use: each parameter with its value, status and source."""
    from replay.policies import policy_json, schemes, shipped

    found = [policy_json(policy) for scheme in schemes() for policy in shipped(scheme)]
    printing.print_policies(found, as_json=format_ == "json")


@_command("demo", "levelbook demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="levelbook-demo",
    show_default=True,
    help="Where the demo's events and ledger go.",
)
def demo(folder: Path) -> None:
    """Make a small ledger of a disputed level and replay it as known then and as known now."""
    from fixtures.demo import AS_OF, KNOWN_THEN, MERCHANT, story
    from replay.errors import UsageError
    from replay.reputation_replay import replay_reputation, why_they_differ

    lines, store = folder / "events.jsonl", str(folder / "ledger.db")
    text = "".join(json.dumps(item) + "\n" for item in story())
    if folder.exists() and any(folder.iterdir()) and not (lines.exists() and lines.read_text() == text):
        raise UsageError(f"the folder {folder} holds other things than this demo; name another with --folder")
    folder.mkdir(exist_ok=True)
    lines.write_text(text)
    click.echo(f"$ levelbook ingest --store {store} --backfill {lines}")
    ingest.main(["--store", store, "--backfill", str(lines)], standalone_mode=False)
    with _open(store) as opened:
        then = replay_reputation(opened, MERCHANT, _resolve(opened, AS_OF, KNOWN_THEN, None))
        now = replay_reputation(opened, MERCHANT, _resolve(opened, AS_OF, None, None))
    asked = f"--store {store} {MERCHANT} --as-of {AS_OF}"
    click.echo(f"\n$ levelbook replay {asked} --known-at {KNOWN_THEN}\n  {then.summary}")
    click.echo(f"\n$ levelbook replay {asked}\n  {now.summary}")
    click.echo(f"\nWhy they differ: {why_they_differ(then, now)}")
    click.echo(f"\nTry next:\n  levelbook replay {asked} --verdicts")
    click.echo(f"  levelbook events --store {store} {MERCHANT} --order ring-1")
    click.echo(f"  levelbook event --store {store} urn:demo:shop rev-mixed-up-1")
    click.echo(f"  levelbook verify --store {store}")


@contextmanager
def _ingest_target(store: str, dry_run: bool) -> Iterator[tuple["Target", "Appender"]]:
    """Where an ingest records, and with which key: the store, or a scratch store above it."""
    from replay.append import Appender
    from replay.buyers import key_of
    from replay.dryrun import dry_run_of
    from replay.store import create_store, open_store

    if dry_run:
        with dry_run_of(store) as found:
            yield found
        return
    create_store(store)
    with open_store(store) as opened:
        yield opened, Appender(opened.identity.id, key_of(opened))


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


if __name__ == "__main__":
    main()
