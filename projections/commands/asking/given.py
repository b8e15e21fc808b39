"""What a command line gives."""

import click
from click.core import ParameterSource


def given(*names: str) -> list[str]:
    """Of some parameters of the command those that its line gives, as they are written there.

    What stands in the environment or a file is for other commands, too, and nobody asks this one for it.
    """
    context = click.get_current_context()
    asked = [found for found in context.command.params if found.name in names]
    return [
        _written(found) for found in asked if context.get_parameter_source(found.name) is ParameterSource.COMMANDLINE
    ]


def _written(found: click.Parameter) -> str:
    return max(found.opts, key=len) if isinstance(found, click.Option) else found.human_readable_name.strip("[.]")
