"""Commands for who is new: what answers, events and the API look like, and a demo."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from projections.commands.asking.completing import complete_type
from projections.commands.asking.options import (
    Commands,
    command,
    format_option,
    of_schemes_option,
)
from projections.configuration.settings import language_option
from projections.text import answers as answers_text
from projections.text import output as output_text

if TYPE_CHECKING:
    from fixtures.demo import Step
    from projections.text.words import Words


@command("answers", "levelbook answers explain --scheme merchant-reputation")
@click.argument("name", required=False, type=click.Choice(["replay", "explain", "history", "diff", "rules", "events"]))
@click.argument("event_type", required=False, metavar="[TYPE]", shell_complete=complete_type)
@of_schemes_option
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


@command("openapi", "levelbook openapi > levelbook.json")
def openapi() -> None:
    """Print the OpenAPI document of the service as JSON, as '/openapi.json' of a running one gives it."""
    from projections.api.openapi import specification

    output_text.print_json(specification())


@command("asyncapi", "levelbook asyncapi > events.json")
def asyncapi() -> None:
    """Print the AsyncAPI document of the events that are recorded, with JSON Schemas, for those who send them."""
    from projections.contract.asyncapi import asyncapi_document

    output_text.print_json(asyncapi_document())


@command("demo", "levelbook demo --serve")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="levelbook-demo",
    show_default=True,
    help="Where the demo's events and ledger go.",
)
@click.option("--serve", "serving", is_flag=True, help="Open the audit desk on the dispute, on this machine alone.")
@click.option("--port", type=click.IntRange(1, 65535), default=8020, show_default=True, help="With --serve: the port.")
@language_option
def demo(folder: Path, serving: bool, port: int, lang: str) -> None:
    """Make a small ledger of a disputed level: announced, decided, corrected; show both levels and why they differ.

    With --serve it ends with the audit desk: its address is printed, and opened where a terminal has a browser.
    """
    from fixtures.demo import LEDGER_FILE, NEXT, steps
    from projections.text.words import Words

    _make_files(folder)
    words = Words(lang, {})
    ledger = folder / LEDGER_FILE
    click.echo(f"$ export LEVELBOOK_STORE={ledger}")
    for step in steps(folder):
        _take(step, ledger, words)
    if serving:
        _serve(str(ledger), port, lang)
        return
    click.echo(words.demo("next"))
    for line in (*NEXT, f"levelbook demo --serve{'' if folder.name == 'levelbook-demo' else f' --folder {folder}'}"):
        click.echo(f"  {line}")


def _make_files(folder: Path) -> None:
    """Raises UsageError where there are other things than this demo, which are left alone."""
    from fixtures.demo import EVENTS_FILE, LATER_FILE, told
    from replay.errors import UsageError

    texts = {
        folder / name: "".join(json.dumps(item) + "\n" for item in some)
        for name, some in zip((EVENTS_FILE, LATER_FILE), told(), strict=True)
    }
    is_demo = all(file.exists() and file.read_text("utf-8") == text for file, text in texts.items())
    if folder.exists() and any(folder.iterdir()) and not is_demo:
        raise UsageError(f"the folder {folder} holds other things than this demo; name another with --folder")
    folder.mkdir(exist_ok=True)
    for file, text in texts.items():
        file.write_text(text, "utf-8")


def _take(step: "Step", ledger: Path, words: "Words") -> None:
    """Run a command of the demo; print it with the lines of its answer that tell most, as a shell would cut them."""
    if step.about:
        click.echo(f"# {words.demo(step.about)}")
    levelbook = click.get_current_context().find_root().command
    assert isinstance(levelbook, Commands)
    name, *arguments = step.words
    called = levelbook.get_command(click.get_current_context(), name)
    takes = {option.name for option in called.params} if called is not None else set()
    language = ["--lang", words.language] if "lang" in takes else []
    shown = [*step.words, *(language if words.language != "en" else [])]
    since = words.step(step.since) if step.since else ""
    with redirect_stdout(StringIO()) as printed:
        levelbook.main([name, "--store", str(ledger), *arguments, *language], standalone_mode=False)
    lines = printed.getvalue().splitlines()
    first = next(number for number, line in enumerate(lines) if since in line)
    cut = f" | grep -A {step.shown - 1} '{since}'" if since else f" | head -{step.shown}"
    click.echo(f"$ levelbook {' '.join(shown)}{cut if len(lines) > step.shown else ''}")
    click.echo("\n".join(lines[first : first + step.shown]))


def _serve(ledger: str, port: int, language: str) -> None:
    """The views are brought to the ledger's head, then the desk is served until it is stopped."""
    from fixtures.demo import MERCHANT, PERIOD, SCHEME
    from projections.desk.framing.links import Address, subject_path
    from projections.http.settings import Settings
    from projections.projector.follow import follow
    from projections.server.serve import serve
    from projections.terminal.browser import has_browser, open_when_served
    from projections.views.database import open_views
    from replay.store.opening import open_store

    with open_store(ledger) as store, open_views(store, make=True) as views:
        follow(views, stay=False)
    asked = {"scheme": SCHEME, "period": PERIOD, "lang": language}
    address = f"http://127.0.0.1:{port}{Address(subject_path(MERCHANT, 'differences'), asked).to()}"
    click.echo(address)
    if has_browser():
        open_when_served(address, port)
    serve(Settings(ledger, port=port))
