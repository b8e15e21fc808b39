"""Commands about the command itself: what it is set to, and what a shell completes of it."""

from typing import Any

import click

from projections.commands.asking.options import COMPLETE_VARIABLE, command, store_options
from projections.configuration.settings import (
    candidates_option,
    deliver_options,
    kafka_options,
    language_option,
    otel_option,
    segments_option,
    service_options,
)


@command("completion", "levelbook completion bash > ~/.local/share/bash-completion/completions/levelbook")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print the script by which SHELL completes commands, options and names; it says where it belongs."""
    from projections.terminal.shells import script_for

    click.echo(script_for(shell, context.find_root().command, COMPLETE_VARIABLE), nl=False)


@command("config", "levelbook config --format json")
@service_options
@kafka_options
@deliver_options
@language_option
@otel_option
@segments_option
@candidates_option
@store_options
@click.pass_context
def config(context: click.Context, /, format_: str, **_: Any) -> None:
    """Show each setting, its value and what set it: a flag, a variable, which file, or nothing (the default).

    The flags of 'serve', 'consume', 'deliver run' and the others are taken, to see what would count. Passwords are
    masked.
    """
    from projections.configuration.defaults import Configured
    from projections.text.configuration import print_configuration

    configured = context.default_map
    assert isinstance(configured, Configured)
    print_configuration(configured.in_force(), configured.sources, as_json=format_ == "json")
