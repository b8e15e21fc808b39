"""Commands that record: events from files, and the erasure of a buyer."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from projections.commands.asking.asked import open_at
from projections.commands.asking.options import (
    EXIT_INTERRUPTED,
    EXIT_NOT_ALL,
    clock_option,
    command,
    existing_option,
    extensions_option,
    refusals_option,
    store_options,
    traced,
)
from projections.commands.mapping.options import map_option, query_options
from projections.configuration.settings import language_option
from projections.text import intake as intake_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from replay.intake.ingest import Ingest
    from replay.intake.rejects import Rejects
    from replay.intake.targets import Target
    from replay.parsing.lines import Block


@command("ingest", "levelbook ingest orders.jsonl reviews.jsonl.gz\n  levelbook ingest --map orders.toml orders.csv")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(readable=False))
@map_option
@query_options
@click.option(
    "--backfill", is_flag=True, help="Record each event as learned at its recordedtime, all files in that order."
)
@click.option(
    "--late", is_flag=True, help="With --backfill: record what is earlier than the last record as learned now."
)
@clock_option
@click.option("--dry-run", is_flag=True, help="Say what would be recorded, known and refused; record nothing.")
@click.option("--skip-refused", is_flag=True, help="With --backfill: record the rest of the run for good without them.")
@existing_option
@refusals_option
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where refused lines go. Default: rejects-<time>.jsonl beside the store (PostgreSQL: here), made when needed.",
)
@extensions_option
@click.option(
    "--receipts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Note the events down at the end of FILE, for 'receipts' to prove them once a checkpoint covers them.",
)
@click.option("--acknowledge", is_flag=True, help="Print FILE:LINE once all up to it is safe (stderr with json).")
@language_option
@store_options
@traced
def ingest(files: tuple[str, ...], mapping: Path | None, from_: str | None, query: str | None, **asked: Any) -> None:
    """Record events from FILEs of CloudEvents JSON Lines (folders, globs, packed, '-' for standard input).

    Makes the store when there is none, with the first line that is recorded, and says so. A refused line never stops
    the rest: it is reported, and written with its reason to the rejects file, which can be mended and ingested again.
    Only of a backfill all is recorded or nothing. The same file twice changes nothing. With --map, FILEs are tables
    (CSV, Parquet, Arrow, JSON Lines; folders, globs, packed), or the rows are those of --query.
    """
    what = ToIngest(*_sources(mapping, files, from_, query), mapping is not None, **asked)
    _check_asked(what)
    ended, stopped_by = _ingested(what)
    intake_text.print_ended(ended, what.lang, as_json=what.as_json)
    if isinstance(stopped_by, KeyboardInterrupt):
        intake_text.tell_interrupted(what.lang)
        sys.exit(EXIT_INTERRUPTED)
    if stopped_by is not None:
        raise stopped_by
    if ended.counts.refused or ended.counts.broken_files:
        sys.exit(EXIT_NOT_ALL)


class ToIngest(NamedTuple):
    """What was asked of `ingest`: an option each, by its name."""

    files: tuple[str, ...]
    read: "Callable[[str], Iterator[Block]]"
    """Makes blocks of a file."""
    is_mapped: bool
    """Whether it reads rows of tables, by a mapping."""
    backfill: bool
    late: bool
    skip_refused: bool
    clock_behind: bool
    dry_run: bool
    existing: bool
    refusals_max: int
    rejects: Path | None
    extensions: str
    receipts: Path | None
    acknowledge: bool
    store: str
    format_: str
    lang: str

    @property
    def as_json(self) -> bool:
        return self.format_ == "json"

    @property
    def is_set(self) -> bool:
        """Whether it is recorded into a set of ledgers."""
        from replay.store.location import names_set

        return names_set(self.store)


def _sources(
    mapping: Path | None, files: tuple[str, ...], url: str | None, query: str | None
) -> "tuple[tuple[str, ...], Callable[[str], Iterator[Block]]]":
    """Which files are read, and how. Raises UsageError where none is named, or what only a mapping reads."""
    from replay.errors import UsageError
    from replay.parsing.lines import blocks, check_files
    from replay.parsing.unpacking import files_of

    if mapping is not None:
        from replay.mapping.asking import to_read

        asked = to_read(mapping, files, url, query)
        return asked.names, asked.read
    if url is not None or query is not None:
        raise UsageError("--from and --query name rows, of which a mapping makes events; give --map MAPPING with them")
    if not files:
        raise UsageError("no FILE is named; name files of events, '-' for standard input, or tables with --map")
    names = files_of(files)
    check_files(names)
    return names, blocks


def _check_asked(what: ToIngest) -> None:
    """Raises UsageError for options that say what to do with what there will not be."""
    from replay.errors import UsageError

    if (what.late or what.skip_refused) and not what.backfill:
        option = "--late" if what.late else "--skip-refused"
        raise UsageError(f"{option} says what to do with such lines of a backfill; give --backfill with it")
    if what.receipts is not None and what.dry_run:
        raise UsageError("--dry-run records nothing that --receipts could note down; leave one of them out")


def _ingested(what: ToIngest) -> tuple[intake_text.Ended, BaseException | None]:
    """Record, or try, what was asked: how far it came, and what stopped it, if anything did."""
    from replay.intake.noting import noting
    from replay.intake.rejects import Rejects, rejects_beside

    acknowledge = what.acknowledge and not what.dry_run
    watching = intake_text.IngestWatch(what.files, what.lang, acknowledge=acknowledge, answers_json=what.as_json)
    with (
        watching as watch,
        _target(what, watch) as recording,
        noting(recording, what.receipts) as target,
    ):
        refused = Rejects(what.rejects or rejects_beside(what.store))
        run = _ingest_into(target, refused, watch, what)
        stopped_by = _run_to_its_end(run, refused, what)
        ended = intake_text.Ended(
            run.counts,
            refused.path,
            refused.left_out,
            None if what.is_set else watch.head,
            target.made,
            what.dry_run,
            run.due,
            what.is_mapped,
        )
    return ended, stopped_by


def _target(what: ToIngest, watch: intake_text.IngestWatch) -> "AbstractContextManager[Target]":
    """Where to record: a ledger, or a set of them."""
    if what.is_set:
        from replay.sharding.target import set_target

        return set_target(what.store, dry_run=what.dry_run)
    from replay.intake.targets import target_at

    return target_at(what.store, watch.made, dry_run=what.dry_run, existing=what.existing)


def _ingest_into(target: "Target", refused: "Rejects", watch: intake_text.IngestWatch, what: ToIngest) -> "Ingest":
    from replay.intake.ingest import Ingest
    from replay.parsing.envelope import Undocumented

    asked: dict[str, Any] = {
        "clock_behind": what.clock_behind,
        "refusals_max": what.refusals_max,
        "undocumented": Undocumented(what.extensions),
        "read": what.read,
    }
    # What is noted down or only tried goes through the target; so does a set then, a ledger after another.
    if not what.is_set or what.dry_run or what.receipts is not None:
        return Ingest(target, refused, watch, **asked)
    from replay.sharding.ingesting import SetIngest

    return SetIngest(target, refused, watch, what.store, **asked)


def _run_to_its_end(run: "Ingest", refused: "Rejects", what: ToIngest) -> BaseException | None:
    """Read all files, and close the rejects; what stopped it is returned, because the counts are printed first."""
    from replay.errors import LevelbookError

    try:
        try:
            if what.backfill:
                run.backfill(what.files, late=what.late, skip_refused=what.skip_refused)
            else:
                run.run(what.files)
        finally:
            refused.close()
    except (KeyboardInterrupt, LevelbookError, OSError) as error:
        return error
    return None


@command("erase-buyer", "levelbook erase-buyer b-9 --reason 'request 2291' --at-month-end")
@click.argument("buyer", required=False)
@click.option("--reason", help="Why; kept for ever, so name no one.")
@click.option("--now", "in_month", is_flag=True, help="At once, also where the month's pair caps begin anew by that.")
@click.option("--at-month-end", is_flag=True, help="Keep the request; it is carried out when the month is over.")
@click.option("--due", is_flag=True, help="Carry out the requests that are due (from cron); needs no key.")
@clock_option
@language_option
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
    lang: str,
) -> None:
    """Forget which alias is BUYER's ('-' reads the buyer from standard input). No record changes.

    Where something happened to the buyer's orders this month, the month's pair cap would begin anew: then --now or
    --at-month-end has to be given. Requests for the month's end are carried out by the first command that records
    after it, or by --due.
    """
    from projections.text import erasures as erasures_text
    from replay.errors import UsageError
    from replay.recording.erase import DueErasure, Erasure, erase_at_month_end, erase_due, erase_now

    as_json = format_ == "json"
    if due:
        if buyer is not None or reason is not None or in_month or at_month_end:
            raise UsageError("--due carries out all requests that are due, each for its own reason; give it alone")
        with open_at(store) as opened:
            carried = erase_due(opened, clock_behind=clock_behind)
        erasures_text.print_due(carried, lang, as_json=as_json)
        return
    if buyer is None or reason is None:
        raise UsageError("an erasure needs a BUYER and a --reason; or give --due alone, for the requests that are due")
    if in_month and at_month_end:
        raise UsageError("--now and --at-month-end each say when; give one of them")
    name = _line_of_standard_input() if buyer == "-" else buyer
    with open_at(store) as opened:
        found: DueErasure | Erasure
        if at_month_end:
            found = erase_at_month_end(opened, name, reason, clock_behind=clock_behind)
        else:
            found = erase_now(opened, name, reason, in_month=in_month, clock_behind=clock_behind)
    erasures_text.print_erasure(found, lang, as_json=as_json)


def _line_of_standard_input() -> str:
    from replay.errors import UsageError

    if sys.stdin is None:
        raise UsageError("standard input is closed; name the buyer")
    try:
        return sys.stdin.buffer.readline().decode().strip()
    except UnicodeDecodeError:
        raise UsageError("standard input is not valid UTF-8; mend it") from None
