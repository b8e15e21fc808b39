"""What the commands share: errors as one clear line and an exit status, options, help that ends with an example."""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from projections.commands.asking.completing import complete_policy, complete_scheme
from projections.commands.asking.naming import NamingSchemes
from projections.configuration.settings import (
    FOR_PROGRAMS,
    Decorator,
    config_option,
    language_option,
    otel_option,
    segments_option,
    store_option,
)
from projections.terminal.streams import prepare_streams

NEW_OBJECTS_BEFORE_SEARCH: Final = 200_000
"""Cycles of references are looked for after so many: what a command loads and tells stays as long as it does, and to
look through that again and again takes a seventh of a short one's time, and a fifth of a long one's."""
USUAL_SEARCH: Final = gc.get_threshold()
COMPLETE_VARIABLE: Final = "_LEVELBOOK_COMPLETE"
"""The variable by which a shell asks for completions."""
EXIT_NOT_ALL: Final = 1
EXIT_FAILED: Final = 3
EXIT_INTERRUPTED: Final = 130
SECTIONS: Final = {
    "Which scheme, moment and policy": ("scheme", "as_of", "known_at", "position", "policy", "policies"),
    "Which ledger, and how to answer": ("store", "config", "segments", "evidence", "trust", "format_", "lang"),
}
"""Options that many commands take, by the heading under which help lists them."""
_LANGUAGE: Final = "levelbook.language"
"""Where the language of the answer stands, for whoever tells an error."""
_SECTION_OF: Final = {name: title for title, names in SECTIONS.items() for name in names}
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """A command that is imported when it is called."""

    group: str
    """Under which heading help lists it."""
    module: str
    summary: str
    """What the list of commands says of it: the first sentence of its help."""


class Commands(click.Group):
    """Imports a command when it is called, and turns the ledger's errors into one clear line and an exit status."""

    def __init__(self, *, entries: Mapping[str, Entry], **options: Any) -> None:
        super().__init__(**options)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.entries)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.entries:
            return None
        found: click.Command = getattr(import_module(self.entries[name].module), name.replace("-", "_"))
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """By what they are for: the groups in the order in which they were listed, commands likewise."""
        longest = max(map(len, self.entries))
        room = formatter.width - 6 - longest
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.entries.items():
            told = click.Command(name, help=entry.summary).get_short_help_str(room)
            groups.setdefault(entry.group, []).append((name.ljust(longest), told))
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows)

    def main(self, *args: Any, **options: Any) -> Any:
        prepare_streams()
        gc.set_threshold(NEW_OBJECTS_BEFORE_SEARCH)
        atexit.register(gc.freeze)  # all of it goes with the process: nobody need look through it for cycles
        if COMPLETE_VARIABLE in os.environ:
            from projections.terminal.shells import answer_in_time

            answer_in_time()
        return super().main(*args, **options)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """As click's own, but no command is imported to be named."""
        from click.shell_completion import CompletionItem

        found = [(name, self.entries[name]) for name in self.list_commands(ctx) if name.startswith(incomplete)]
        named = [CompletionItem(name, help=entry.summary) for name, entry in found]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word in args if not ctx.resilient_parsing else ():
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
        click.echo(_told(message, ctx.meta.get(_LANGUAGE)), err=True)
        sys.exit(status)


def _told(message: str, language: str | None) -> str:
    """An error in the language of the command that was called, where it has words in it; else in English."""
    if language is None or language == "en":
        return f"Error: {message}"
    from projections.text.output import words_in

    words = words_in(language)
    told = words.error(message)
    return f"Error: {message}" if told is None else words("error", told=told)


class Configurable(click.Command):
    """A command whose options can be set in files, too, where it works on a store."""

    def invoke(self, ctx: click.Context) -> Any:
        ctx.meta[_LANGUAGE] = ctx.params.get("lang")
        return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if all(option.name != "config" for option in self.params):
            return super().parse_args(ctx, args)
        from projections.configuration.defaults import Configured

        configured = Configured(ctx)
        ctx.default_map = configured  # type: ignore[assignment]  # click only reads it
        try:
            rest = super().parse_args(ctx, args)
        except click.BadParameter as error:
            raise configured.with_origin(error) from None
        if not ctx.resilient_parsing:
            configured.settle()
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What only this command takes, then what many take, by what it is for."""
        rows: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            told = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if told is not None:
                rows.setdefault(_SECTION_OF.get(option.name or "", "Options"), []).append(told)
        for title in ("Options", *SECTIONS):
            if title in rows:
                with formatter.section(title):
                    formatter.write_dl(rows[title])


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Whether the command was asked to stop: SIGTERM and SIGINT are heard of between two pieces of work."""
    asked = []
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: asked.append(True)) for number in signals]
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def command(name: str, line: str, *, of: click.Group | None = None) -> Callable[[Callable[..., Any]], click.Command]:
    """A command, by itself or of a group, whose help ends with an example."""
    if of is None:
        return click.command(name, cls=Configurable, epilog=example(line))
    return of.command(name, cls=Configurable, epilog=example(line))


def group(name: str, line: str) -> Callable[[Callable[..., Any]], click.Group]:
    """A group of commands whose help ends with an example."""
    return click.group(name, epilog=example(line))


def example(line: str) -> str:
    """The end of a help text."""
    return f"\b\nExample:\n  {line}"


format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the answer.",
)


def _for_a_file(context: click.Context, parameter: click.Parameter, form: str) -> str:
    """Raises BadParameter where bytes would be written to a terminal."""
    if form == "parquet" and sys.stdout.isatty():
        raise click.BadParameter("parquet is no text; write it to a file: --format parquet > rows.parquet")
    return form


listed_format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", *FOR_PROGRAMS]),
    default="text",
    show_default=True,
    callback=_for_a_file,
    help="Form of the answer; csv and parquet are of its rows.",
)
clock_option = click.option(
    "--clock-behind", is_flag=True, help="Go on although the clock stands over 5 s behind the last record."
)
existing_option = click.option(
    "--existing",
    is_flag=True,
    envvar="LEVELBOOK_EXISTING",
    show_envvar=True,
    help="Never make a new ledger.",
)
refusals_option = click.option(
    "--refusals-max",
    type=click.IntRange(0),
    default=1_000,
    show_default=True,
    metavar="N",
    help="Stop when N in a row are refused; 0 sets no bound.",
)
extensions_option = click.option(
    "--extensions",
    type=click.Choice(["refuse", "keep", "drop"]),
    default="refuse",
    show_default=True,
    help="Extension attributes that CloudEvents does not document.",
)


def _scheme(default: str) -> Decorator:
    return click.option(
        "--scheme",
        cls=NamingSchemes,
        metavar="SCHEME",
        shell_complete=complete_scheme,
        help=f"Which scheme: {{all}}. Default: {default}.",
    )


scheme_option = _scheme("the first of these that judges SUBJECT")
of_schemes_option = _scheme("all of them")
policies_option = click.option(
    "--policies",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Use the policies in DIR, not the program's own and the adopted ones.",
)


policy_option = click.option(
    "--policy",
    metavar="ID[@HASH]",
    shell_complete=complete_policy,
    help="Under this policy alone. Default: those in force at --as-of.",
)


def manifests_option(told: str) -> Decorator:
    """How many manifests stay where files are written: each run says it for itself."""
    return click.option("--keep", type=click.IntRange(1, 1_000), default=3, show_default=True, help=told)


exact_option = click.option(
    "--exact", is_flag=True, help="Show the exact fraction beside each rounded figure; JSON always has it."
)


def traced(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that exports spans of its work where it is asked to."""

    @otel_option
    @wraps(command)
    def run(*args: Any, otel: bool, **asked: Any) -> Any:
        from replay.tracing import exporting

        with exporting() if otel else nullcontext():
            return command(*args, **asked)

    return run


def location_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which ledger, and which settings."""
    return config_option(store_option(command))


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which ledger, and in which form to answer."""
    return location_option(format_option(command))


def listed_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which ledger, and in which form to answer: of a list also as a sheet."""
    return location_option(listed_format_option(command))


def moment_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The two clocks of a replay."""
    for option in (
        click.option("--position", type=int, metavar="N", help="In place of --known-at: known up to position N."),
        click.option("--known-at", metavar="WHEN", help="As it was known then. Default: everything known."),
        click.option(
            "--as-of",
            metavar="WHEN",
            help="As things stood then. Default: --known-at, or the moment of --position, if given; else now.",
        ),
    ):
        command = option(command)
    return command


def replay_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a replay is asked by: scheme, two clocks, policy; and in which language to answer."""
    return _replayed(store_options(command))


def listed_replay_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same of an answer that is a list, and can be had as a sheet, too."""
    return _replayed(listed_options(command))


def _replayed(command: Callable[..., Any]) -> Callable[..., Any]:
    answered = language_option(segments_option(command))
    return scheme_option(moment_options(policy_option(policies_option(answered))))


def supposing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a replay is asked by that something is laid over, where --policy names who judges that."""
    answered = language_option(segments_option(store_options(command)))
    return scheme_option(moment_options(policies_option(answered)))


def drawing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whether an answer is drawn, too: with letters below it, and as a file."""
    for option in (
        click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw it to a .svg or .png, too."),
        click.option(
            "--chart/--no-chart", default=None, help="Draw it below the text. Default: where a terminal is watched."
        ),
    ):
        command = option(command)
    return command
