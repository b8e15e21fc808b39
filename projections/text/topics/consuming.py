"""What is printed of consuming topics: while it runs, and how it ended."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from projections.text.checks import head_text
from projections.text.erasures import tell_due
from projections.text.output import print_json, words_in

if TYPE_CHECKING:
    from replay.consuming.consume import Consumption
    from replay.consuming.messages import TopicMessage
    from replay.consuming.topics import Reached
    from replay.parsing.refusals import Listing, Refusal
    from replay.recording.erase import Due
    from replay.store.base.identity import Head


class Consumed(NamedTuple):
    """How a run ended."""

    run: "Consumption"
    reached: "list[Reached]"
    group: str
    letters: str
    """Where dead letters are kept."""
    head: "Head | None"
    made: str | None
    """Where a new ledger was made."""
    due: "Due"


def print_consumed(ended: Consumed, language: str, *, as_json: bool) -> None:
    counts = ended.run.counts
    if as_json:
        print_json(_consumed_json(ended))
        return
    words = words_in(language)
    click.echo(
        words.consuming(
            "counted",
            messages=ended.run.consumed,
            recorded=counts.recorded,
            known=counts.known,
            refused=counts.refused,
            passed=words.consuming("passed", count=counts.passed_over) if counts.passed_over else "",
        )
    )
    if counts.cut:
        click.echo(words.intake("cut", count=counts.cut))
    tell_due(ended.due, words)
    for found in ended.reached:
        behind = "unknown" if found.behind is None else "behind"
        place = f"{found.topic}/{found.partition}:{found.next_offset}"
        click.echo(words.consuming(behind, where=place, count=found.behind or 0))
    if ended.run.dead_letters:
        click.echo(words.consuming("dead_letters", count=ended.run.dead_letters, place=ended.letters))


def _consumed_json(ended: Consumed) -> dict[str, Any]:
    counts, head = ended.run.counts, ended.head
    return {
        "group": ended.group,
        "messages": ended.run.consumed,
        "recorded": counts.recorded,
        "known": counts.known,
        "refused": counts.refused,
        "passed_over": counts.passed_over,
        "times_cut": counts.cut,
        "retract_nothing": counts.odd.retract_nothing,
        "effects_first": counts.odd.effects_first,
        "buyers_erased": len(ended.due.erased),
        "erasures_left": ended.due.left,
        "dead_letters": ended.run.dead_letters,
        "dead_letters_in": ended.letters,
        "partitions": [found._asdict() for found in ended.reached],
        "new_ledger": ended.made,
        "head": head_text(head) if head and head.position else None,
    }


class ConsumeWatch:
    """Tells whoever watches what is refused, what is safe, and whether brokers are reached."""

    def __init__(self, language: str, *, acknowledge: bool, answers_json: bool) -> None:
        self._words = words_in(language)
        self._acknowledge = acknowledge
        self._answers_json = answers_json
        self._told: set[Listing] = set()
        self.head: Head | None = None

    def made(self, where: str) -> None:
        self._tell(self._words.intake("new_ledger", where=where))

    def refused(self, where: str, refusal: "Refusal") -> None:
        self._tell(f"{where}: {refusal.shortened_after(self._told)}")

    def away(self, problem: str) -> None:
        self._tell(self._words.consuming("away", problem=problem))

    def back(self) -> None:
        self._tell(self._words.consuming("back"))

    def late(self, problem: str) -> None:
        self._tell(self._words.consuming("late", problem=problem))

    def not_noted(self, problem: str) -> None:
        self._tell(self._words.consuming("not_noted", problem=problem))

    def acknowledged(self, messages: "Sequence[TopicMessage]", head: "Head") -> None:
        self.head = head
        if not self._acknowledge:
            return
        last = {(message.topic, message.partition): message.where for message in messages}
        for _, where in sorted(last.items()):
            with suppress(OSError):
                click.echo(self._words.intake("safe", where=where, position=head.position), err=self._answers_json)

    def _tell(self, text: str) -> None:
        with suppress(OSError):  # whoever read along has gone
            click.echo(text, err=True)
