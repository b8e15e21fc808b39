"""What is printed of an ingest: while it runs, and how it ended."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from projections.text.erasures import tell_due

if TYPE_CHECKING:
    from projections.text.words import Words
    from replay.intake.outcomes import Counts
    from replay.parsing.refusals import Listing, Refusal
    from replay.recording.erase import Due
    from replay.store.base.identity import Head
from projections.terminal.progress import progress
from projections.text.checks import head_text
from projections.text.output import phases_in, print_json, words_in


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
    is_mapped: bool = False
    """Whether rows of tables were read, by a mapping."""


def print_ended(ended: Ended, language: str, *, as_json: bool) -> None:
    for problem in ended.counts.broken_files:
        click.echo(f"Error: {problem}", err=True)
    if as_json:
        print_json(_ended_json(ended))
        return
    words = words_in(language)
    for line in _counted_lines(ended, words):
        click.echo(line)
    tell_due(ended.due, words)
    if ended.rejects is not None:
        if ended.counts.refused > ended.left_out:
            click.echo(words.intake("rejected_rows" if ended.is_mapped else "rejects", file=ended.rejects))
        if ended.left_out:
            click.echo(words.intake("too_long", count=ended.left_out, file=ended.rejects))


def _ended_json(ended: Ended) -> dict[str, Any]:
    counts, head = ended.counts, ended.head
    return {
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
        "head": head_text(head) if head and head.position and not ended.dry_run else None,
        "dry_run": ended.dry_run,
    }


def _counted_lines(ended: Ended, words: "Words") -> Iterator[str]:
    """How many lines became what, and what is odd about them."""
    counts = ended.counts
    if ended.dry_run and ended.made is not None:
        yield words.intake("would_make", where=ended.made)
    yield words.intake(
        "would_count" if ended.dry_run else "counted",
        recorded=counts.recorded,
        known=counts.known,
        refused=counts.refused,
        passed=words.intake("passed", count=counts.passed_over) if counts.passed_over else "",
        held=words.intake("held", count=counts.held_back) if counts.held_back else "",
    )
    odd = {
        "cut": counts.cut,
        "retract_nothing": counts.odd.retract_nothing,
        "effects_first": counts.odd.effects_first,
        "refused_whole": counts.refused_whole,
    }
    for key, count in odd.items():
        if count:
            yield words.intake(key, count=count)


def tell_interrupted(language: str) -> None:
    """On standard error, that what was counted stays."""
    click.echo(words_in(language).intake("interrupted"), err=True)


class IngestWatch:
    """Tells a watching person, and whoever asked for acknowledgements, how an ingest goes."""

    def __init__(self, files: tuple[str, ...], language: str, *, acknowledge: bool, answers_json: bool) -> None:
        sizes = {name: Path(name).stat().st_size for name in files if Path(name).is_file()}
        self._words = words_in(language)
        self._bar = progress("reading", sum(sizes.values()), phases_in(language))
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
            click.echo(self._words.intake("new_ledger", where=where), err=True)

    def refused(self, where: str, refusal: "Refusal") -> None:
        with suppress(OSError):  # whoever read along has gone: the rejects file says the same
            click.echo(f"{where}: {refusal.shortened_after(self._told)}", err=True)

    def acknowledged(self, where: str, head: "Head", counts: "Counts") -> None:
        self.head = head
        if self._acknowledge:
            with suppress(OSError):
                told = self._words.intake("safe", where=where, position=head.position)
                click.echo(told, err=self._answers_json)

    def read(self, name: str, read_bytes: int) -> None:
        self._done[name] = max(read_bytes, self._done.get(name, 0))
        self._advance(sum(self._done.values()))
