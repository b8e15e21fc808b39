"""Commands that keep a ledger sound: verify, seal, note its head, sign checkpoints of it, back it up, restore it."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from projections.commands.asking.given import given
from projections.commands.asking.options import (
    EXIT_NOT_ALL,
    clock_option,
    command,
    format_option,
    group,
    store_options,
)
from projections.configuration.settings import FilesPlaceParam, language_option, segments_option
from projections.terminal.progress import phases
from projections.terminal.progress import progress as progress_of
from projections.text import checks as checks_text
from projections.text.output import phases_in
from replay.store.base.store import RECORDS_VARIABLE

if TYPE_CHECKING:
    from replay.integrity.verify import Verified
from projections.commands.asking.asked import open_at
from replay.objects.naming import FilesPlace

POSITION_MAX: Final = 2**62
DAYS_MAX: Final = 36_500


@command("verify", "levelbook verify --head $(cat head-of-november.txt)")
@click.option("--head", "kept", metavar="N:HASH:LEDGER", help="A head that was noted down: was the tail cut?")
@click.option("--list", "list_kept", is_flag=True, help="Show the checks that were made and kept; check nothing.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="How many processes walk a ledger of 50,000 records or more.",
)
@language_option
@segments_option
@store_options
def verify(
    kept: str | None, list_kept: bool, workers: int, segments: FilesPlace | None, store: str, format_: str, lang: str
) -> None:
    """Walk the stored bytes, recompute every column, and name the first record that does not fit.

    A sound ledger is compared with what is derived from it: every file, row and name of sealed segments, and every
    definition and row of the views with some that are made from nothing. Nothing is changed in any of these; the
    verdicts are kept beside the store.

    Exit status: 1 the ledger is not sound; 5 segments, 6 views, 7 both do not fit a sound ledger; 8 the tables of
    the service are not defined as they must be; 3 something could not be looked at.
    """
    from projections.projector.verify import verify_all
    from replay.errors import UsageError
    from replay.integrity.kept import damaged_checks
    from replay.integrity.kept import kept as kept_checks
    from replay.integrity.verify import parse_head

    of_a_check = given("kept", "workers", "segments")
    if list_kept and of_a_check:
        raise UsageError(f"--list shows checks that were made, and makes none; leave out {' and '.join(of_a_check)}")
    noted = None if kept is None else parse_head(kept)
    as_json = format_ == "json"
    with open_at(store) as opened:
        if list_kept:
            listed = kept_checks(opened)
            checks_text.print_checks(listed.checks, lang, as_json=as_json)
            if listed.damaged:
                raise damaged_checks(opened, listed.damaged)
            return

        def told(result: "Verified") -> None:
            if not as_json:
                checks_text.print_ledger_verdict(result, lang)

        named = phases_in(lang)
        shown, rebuilding = partial(progress_of, named=named), partial(phases, "events", named)
        outcome = verify_all(opened, noted, segments, told, shown, rebuilding, workers)
    checks_text.print_verified(outcome, lang, as_json=as_json)
    if outcome.exit_status:
        sys.exit(outcome.exit_status)


@command("seal", "levelbook seal")
@click.option(
    "--into",
    type=FilesPlaceParam(),
    metavar="DIR|URL",
    help="The same as --segments: where they go, such as s3://BUCKET/PREFIX.",
)
@language_option
@segments_option
@store_options
def seal(into: FilesPlace | None, segments: FilesPlace | None, store: str, format_: str, lang: str) -> None:
    """Seal what the ledger holds into columnar segments, from which all levels are rebuilt fast.

    Only what is not sealed yet is added, also while others write. Segments are derived data: 'verify' compares
    them with the ledger, and when their folder is deleted, the next seal makes them again.
    """
    from replay.columnar.seal import seal as run
    from replay.columnar.seal import segments_place

    with open_at(store) as opened, progress_of("sealing", opened.head().position, phases_in(lang)) as progress:
        place = segments_place(opened, into or segments)
        result = run(opened, place, progress)
    checks_text.print_sealed(place, result, lang, as_json=format_ == "json")


@command("archive", "levelbook archive --older-than 400")
@click.option(
    "--below",
    type=click.IntRange(1, POSITION_MAX),
    metavar="POSITION",
    help="Only records below this position.",
)
@click.option(
    "--older-than",
    type=click.IntRange(0, DAYS_MAX),
    metavar="DAYS",
    help="Only records that were recorded so many days ago.",
)
@click.option(
    "--into",
    "named",
    type=FilesPlaceParam(),
    envvar=RECORDS_VARIABLE,
    show_envvar=True,
    metavar="DIR|URL",
    help="Where the segments go, such as s3://BUCKET/PREFIX. Default: beside an SQLite store, in STORE.records.",
)
@click.option("--dry-run", is_flag=True, help="Say what would leave, and change nothing.")
@click.option("--compact", is_flag=True, help="Then write the store anew, so that the disk gets back what is free.")
@language_option
@store_options
def archive(named: FilesPlace | None, store: str, format_: str, lang: str, **asked: Any) -> None:
    """Let sealed records leave the store for compressed segments in files, from which they are read as before.

    Only what the newest seal of 'levelbook checkpoint' is over leaves, while others read and write. A segment is on the
    disk and was read back before any byte goes from the store. Segments are no derived data: the records in them stand
    nowhere else. A backup holds these records, too.
    """
    from replay.archiving.archive import archive as run
    from replay.archiving.archive import records_place
    from replay.archiving.limit import archive_limit
    from replay.store.leaving.segments import count_leaving

    as_json = format_ == "json"
    with open_at(store) as opened:
        place = records_place(opened, named)
        limit = archive_limit(opened, asked["below"], asked["older_than"])
        if asked["dry_run"]:
            records, raw_bytes = count_leaving(opened, limit.last)
            checks_text.print_to_archive(place, limit, records, raw_bytes, lang, as_json=as_json)
            return
        with phases("records", phases_in(lang)) as progress:
            result = run(opened, place, limit, progress)
        if asked["compact"]:
            opened.compact()
        store_bytes = opened.size_bytes()
    checks_text.print_archived(place, limit, result, store_bytes, lang, compact=asked["compact"], as_json=as_json)


@command("head", "levelbook head >> heads.txt")
@store_options
def head(store: str, format_: str) -> None:
    """Print position and chain hash, to be kept elsewhere and given to 'verify --head'."""
    with open_at(store) as opened:
        checks_text.print_head(opened.head(), opened.identity.id, as_json=format_ == "json")


@command("backup", "levelbook backup --to /srv/backups --keep 14")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="In place of FILE: a folder of backups, each named by ledger, position and time, its hash beside it.",
)
@click.option(
    "--keep",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="With --to: remove those of this ledger that --to made there, but for the latest N. Default: remove none.",
)
@language_option
@store_options
def backup(file: Path | None, folder: Path | None, keep: int | None, store: str, format_: str, lang: str) -> None:
    """Copy the ledger into a new SQLite store at FILE, or in a folder, while others write, and verify the copy.

    The key for buyers is not copied: keep it elsewhere. Exit status 1 when the copy is sound, and something in the
    store itself could hide records from its readers: then none of a folder is removed; or when backups there hold more
    than the ledger does: these stay.
    """
    from projections.upkeep.left_out import left_out
    from replay.errors import UsageError
    from replay.integrity.backup import back_up
    from replay.integrity.backup_folder import back_up_into

    if (file is None) is (folder is None):
        raise UsageError("a backup goes to one place: name a FILE, or a folder of backups with --to")
    if keep is not None and folder is None:
        raise UsageError("--keep says how many backups of a folder stay; name the folder with --to")
    beyond: list[Path] = []
    with open_at(store) as opened, progress_of("copying", opened.head().position, phases_in(lang)) as progress:
        if folder is None:
            assert file is not None
            result = back_up(opened, file, progress)
            checks_text.print_backup(file, result, lang, as_json=format_ == "json")
        else:
            made = back_up_into(opened, folder, keep, progress)
            result, beyond = made.found, made.beyond
            checks_text.print_backup_in_folder(made, keep, left_out(opened), lang, as_json=format_ == "json")
    if result.source_problems or beyond:
        sys.exit(EXIT_NOT_ALL)


@command("restore", "levelbook restore /srv/backups --into restored.db")
@click.argument("backup", type=click.Path(path_type=Path))
@click.option(
    "--into",
    required=True,
    type=click.Path(readable=False),
    metavar="PATH|URL",
    help="A SQLite file that is not there yet, or the postgresql:// URL of a database without a ledger.",
)
@language_option
@format_option
def restore(backup: Path, into: str, format_: str, lang: str) -> None:
    """Bring the ledger of BACKUP, or of the latest of a folder of backups, into an empty place, and verify it.

    So a ledger also moves from one database to the other. It is there whole or not at all: whatever ends a restore,
    the same command begins again or finishes it. Keys are in no backup: bring them back from their copies.
    """
    from replay.integrity.restore import restore as run

    with phases(named=phases_in(lang)) as told:
        result = run(backup, into, told)
    checks_text.print_restored(into, result, lang, as_json=format_ == "json")


@command("upgrade", "levelbook upgrade --dry-run")
@click.option("--dry-run", is_flag=True, help="Tell what there is to do, and change nothing.")
@click.option("--ledger-only", is_flag=True, help="Leave the views: where on PostgreSQL another role owns them.")
@click.option("--sample", type=click.IntRange(0), default=100, show_default=True, help="Subjects of a kind to replay.")
@language_option
@segments_option
@store_options
def upgrade(
    dry_run: bool, ledger_only: bool, sample: int, segments: FilesPlace | None, store: str, format_: str, lang: str
) -> None:
    """Bring a ledger of an earlier version, and its views, up to this one; the same command goes on after a kill.

    No record changes: missing tables, indexes and chains of keys are added. Views of an earlier form are removed, and
    made and proved anew; meanwhile there are none. Stop 'follow' and 'serve' before, and make a backup.
    """
    from projections.projector.rebuild import Asked
    from projections.upkeep.upgrade import needed
    from projections.upkeep.upgrade import upgrade as run

    as_json = format_ == "json"
    with open_at(store) as opened:
        found = needed(opened, ledger_only=ledger_only)
        if not dry_run:
            with phases("events", phases_in(lang)) as told:
                run(opened, found, Asked(sample=sample, segments=segments), told)
        checks_text.print_needed(found, lang, done=not dry_run, as_json=as_json)


@command("checkpoint", "levelbook checkpoint > latest.checkpoint")
@clock_option
@language_option
@store_options
def checkpoint(clock_behind: bool, store: str, format_: str, lang: str) -> None:
    """Seal how many records each key has, sign that with the ledger's keys, and print the signed note.

    Where nothing was recorded since the last one, that is printed again. Only what is new is read, also while others
    record; a killed one is gone on with. Meant for cron, and made at the end of each 'decide' as well.
    """
    from replay.sealing.checkpoint import make_checkpoint

    with open_at(store) as opened, phases(named=phases_in(lang)) as told:
        made = make_checkpoint(opened, told, clock_behind=clock_behind)
    checks_text.print_checkpoint(made, lang, as_json=format_ == "json")


@group("key", "levelbook key show > trust.txt")
def key() -> None:
    """Make, show and rotate the keys by which the ledger signs its checkpoints."""


@command("new", "levelbook key new", of=key)
@store_options
def key_new(store: str, format_: str) -> None:
    """Make the ledger's first keys, keep their secret beside the store, and record the public ones.

    The secret is 64 hexadecimal digits, in the file STORE.signing (mode 0600) or in LEVELBOOK_SIGNING_KEY. No backup
    holds it: keep a copy elsewhere.
    """
    from replay.sealing.checkpoint import begin_keys
    from replay.sealing.keys import shown_keys

    with open_at(store) as opened:
        begin_keys(opened)
        checks_text.print_keys(shown_keys(opened), as_json=format_ == "json")


@command("show", "levelbook key show > trust.txt", of=key)
@store_options
def key_show(store: str, format_: str) -> None:
    """Print the ledger's public keys as a trust file, to be given to whoever checks its evidence."""
    from replay.sealing.keys import shown_keys

    with open_at(store) as opened:
        checks_text.print_keys(shown_keys(opened), as_json=format_ == "json")


@command("rotate", "levelbook key rotate --reason 'the yearly change'", of=key)
@click.option("--reason", required=True, help="Why; kept for ever.")
@click.option("--lost", is_flag=True, help="The keys before can sign no more, or others may have them.")
@store_options
def key_rotate(reason: str, lost: bool, store: str, format_: str) -> None:
    """Let other keys take the place of those in force, and record it; both sign the next checkpoint.

    Whoever trusts the keys before must be given the others. With --lost these alone sign.
    """
    from replay.sealing.checkpoint import replace_keys
    from replay.sealing.keys import shown_keys

    with open_at(store) as opened, phases() as told:
        done = replace_keys(opened, reason, told, lost=lost)
        shown = shown_keys(opened)
    checks_text.print_keys(shown, as_json=format_ == "json")
    if done.left_to_do is not None:
        click.echo(done.left_to_do, err=True)
