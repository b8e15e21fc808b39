"""What is printed of an ingest: while it runs, and how it ended."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from projections.text.erasures import tell_due

if TYPE_CHECKING:
    from replay.intake.outcomes import Counts
    from replay.parsing.refusals import Listing, Refusal
    from replay.recording.erase import Due
    from replay.store.base import Head
from projections.terminal.progress import progress
from projections.text.checks import head_text
from projections.text.output import print_json


class Ended(NamedTuple):
    """How an ingest ended."""

    counts: "Counts"
    rejects: Path | None
    """Where refused lines went, if there were any."""
    left_out: int
    """How many of them are named there and not copied."""
    head: "Head | None"
    """Where the ledger stood at the last acknowledgement."""
    made: str | None
    """Where a new ledger was made, or in a dry run would be."""
    dry_run: bool
    due: "Due"
    """What became of the erasures of buyers that were due."""


def print_ended(ended: Ended, *, as_json: bool) -> None:
    counts, dry_run = ended.counts, ended.dry_run
    for problem in counts.broken_files:
        click.echo(f"Error: {problem}", err=True)
    if as_json:
        head = ended.head
        print_json(
            {
                "lines": counts.lines,
                "recorded": counts.recorded,
                "known": counts.known,
                "refused": counts.refused,
                "passed_over": counts.passed_over,
                "times_cut": counts.cut,
                "retract_nothing": counts.odd.retract_nothing,
                "effects_first": counts.odd.effects_first,
                "held_back": counts.held_back,
                "refused_whole": counts.refused_whole,
                "buyers_erased": len(ended.due.erased),
                "erasures_left": ended.due.left,
                "erased_scrubbed": ended.due.scrubbed,
                "rejects": str(ended.rejects) if ended.rejects else None,
                "new_ledger": ended.made,
                "head": head_text(head) if head and head.position and not dry_run else None,
                "dry_run": dry_run,
            }
        )
        return
    if dry_run and ended.made is not None:
        click.echo(f"a new ledger would be made at {ended.made}")
    verb = "would be recorded" if dry_run else "recorded"
    passed = f", {counts.passed_over} blank or reason lines passed over" if counts.passed_over else ""
    held = f", {counts.held_back} held back" if counts.held_back else ""
    click.echo(f"{counts.recorded} {verb}, {counts.known} already known, {counts.refused} refused{passed}{held}")
    if counts.cut:
        click.echo(
            f"{counts.cut} events had times with more than six decimals: what is beyond microseconds was cut off"
        )
    if counts.odd.retract_nothing:
        click.echo(
            f"{counts.odd.retract_nothing} retractions name no event of their subject that is recorded before them, and"
            " do nothing: record them again, under another id, once it is there"
        )
    if counts.odd.effects_first:
        click.echo(
            f"{counts.odd.effects_first} times an effect stands before its cause at the same instant, because it was"
            " recorded first (a review before the payment): give finer times, or send causes first"
        )
    if counts.refused_whole:
        click.echo(
            "nothing of this backfill was recorded: what it leaves out could never be recorded as learned then. Mend"
            " the lines named above where they stand and give all files again, or leave them out for good by"
            " --skip-refused"
        )
    tell_due(ended.due)
    if ended.rejects is not None:
        if counts.refused > ended.left_out:
            click.echo(f"refused lines are in {ended.rejects}: mend them there and ingest that file")
        if ended.left_out:
            click.echo(
                f"lines that are too long: {ended.left_out}, named in {ended.rejects} and not copied: mend them where"
                " they are"
            )


class IngestWatch:
    """Tells a watching person, and whoever asked for acknowledgements, how an ingest goes."""

    def __init__(self, files: tuple[str, ...], *, acknowledge: bool, answers_json: bool) -> None:
        sizes = {name: Path(name).stat().st_size for name in files if Path(name).is_file()}
        self._bar = progress("reading", sum(sizes.values()))
        self._acknowledge = acknowledge
        self._answers_json = answers_json
        self._done: dict[str, int] = {}
        self._told: set[Listing] = set()
        self.head: Head | None = None

    def __enter__(self) -> "IngestWatch":
        self._advance = self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)

    def made(self, where: str) -> None:
        with suppress(OSError):
            click.echo(f"a new ledger was made at {where}", err=True)

    def refused(self, where: str, refusal: "Refusal") -> None:
        with suppress(OSError):  # whoever read along has gone: the rejects file says the same
            click.echo(f"{where}: {refusal.shortened_after(self._told)}", err=True)

    def acknowledged(self, where: str, head: "Head", counts: "Counts") -> None:
        self.head = head
        if self._acknowledge:
            with suppress(OSError):
                click.echo(f"recorded up to {where}, position {head.position}", err=self._answers_json)

    def read(self, name: str, read_bytes: int) -> None:
        self._done[name] = max(read_bytes, self._done.get(name, 0))
        self._advance(sum(self._done.values()))
