"""The commands that there are, found as the shell finds them: by their names, each imported then."""

from collections.abc import Iterator

import click

from cli import main


def commands(group: click.Group = main, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name, groups too, each before what is in it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None, name
        yield before + name, found
        if isinstance(found, click.Group):
            yield from commands(found, f"{before}{name} ")
