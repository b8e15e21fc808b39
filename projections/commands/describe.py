"""Commands for who is new: what answers and events look like, and a demo."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projections.commands.completing import complete_type
from projections.commands.options import (
    command,
    format_option,
    scheme_option,
)
from projections.text import answers as answers_text
from projections.text import output as output_text

if TYPE_CHECKING:
    pass


@command("answers", "levelbook answers explain --scheme merchant-reputation")
@click.argument("name", required=False, type=click.Choice(["replay", "explain", "history", "diff", "events"]))
@click.argument("event_type", required=False, metavar="[TYPE]", shell_complete=complete_type)
@scheme_option
@format_option
def answers(name: str | None, event_type: str | None, scheme: str | None, format_: str) -> None:
    """Describe the keys of the JSON answers: those of NAME, or all of them.

    'levelbook answers events' gives JSON Schemas (2020-12) of the events that 'ingest' takes, or that of one TYPE.
    """
    from projections.contract.answers import describe
    from projections.contract.events import event_schemas
    from replay.errors import UsageError

    if event_type is not None and name != "events":
        raise UsageError("a type of events is described by 'levelbook answers events TYPE'")
    if name == "events":
        output_text.print_json(event_schemas(event_type))
        return
    answers_text.print_described(describe(name, scheme), as_json=format_ == "json")


@command("demo", "levelbook demo")
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
    levelbook = click.get_current_context().find_root().command
    for words in commands(folder):
        click.echo(f"\n$ levelbook {' '.join(words)}")
        levelbook.main(words, standalone_mode=False)
    click.echo(f"\nTry next, after 'export LEVELBOOK_STORE={folder / 'ledger.db'}':")
    for line in NEXT:
        click.echo(f"  {line}")
