"""What is printed of rows that are read by a mapping."""

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from projections.text.output import words_in

if TYPE_CHECKING:
    from replay.parsing.refusals import Listing, Refusal


class ConvertWatch:
    """Tells on standard error what does not become an event, since standard output holds the events."""

    def __init__(self, language: str) -> None:
        self._words = words_in(language)
        self._told: set[Listing] = set()
        self._events = self._refused = self._passed_over = self._broken = 0

    def refused(self, where: str, refusal: "Refusal") -> None:
        self._refused += 1
        with suppress(OSError):
            click.echo(f"{where}: {refusal.shortened_after(self._told)}", err=True)

    def broken(self, problem: str) -> None:
        self._broken += 1
        click.echo(f"Error: {problem}", err=True)

    def converted(self, events: int, passed_over: int) -> None:
        self._events += events
        self._passed_over += passed_over

    def tell(self) -> bool:
        """Say how it ended; whether anything was refused or broke off."""
        told = self._words.mapping("converted", events=self._events, refused=self._refused, passed=self._passed_over)
        click.echo(told, err=True)
        return bool(self._refused or self._broken)
