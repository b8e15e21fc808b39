"""What counts for one command: its options, then the environment, then the files, then the defaults."""

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from projections.configuration.files import Sources, find_sources
from projections.configuration.settings import NAMED_FILE, Setting, settings
from replay.objects.naming import FilesPlace
from replay.store.location import masked


class InForce(NamedTuple):
    """A setting as it counts."""

    key: str
    value: Any
    """None where nothing is set: help says what is done then. No password is in it."""
    origin: str
    """`flag`, `environment`, `file` or `default`."""
    by: str | None
    """Which flag, variable or file; None for a default."""


_ORIGINS: Final = {
    ParameterSource.COMMANDLINE: "flag",
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "file",
}


class Configured(Mapping[str, Any]):
    """What files set for the options of one command, as click's `default_map`; they are read when first asked.

    No warning while help is shown or a shell completes: help must show no password, and names its own defaults.
    """

    def __init__(self, context: click.Context) -> None:
        self._context = context
        self._environment = dict(os.environ)
        names = {option.name for option in context.command.params}
        options = [(setting.option, key) for key, setting in settings().items() if setting.option is not None]
        self._keys = {str(option.name): key for option, key in options if option.name in names}

    @cached_property
    def sources(self) -> Sources:
        """Raises UsageError for a file that cannot be used."""
        given = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
        is_given = self._context.get_parameter_source("store") in given
        store = self._context.params.get("store") if is_given else None
        return find_sources(store, self._context.meta.get(NAMED_FILE))

    def store(self) -> str:
        """The store that counts, also while a shell completes."""
        found = self.sources.find("store")
        source = self._context.get_parameter_source("store")
        if found is None or source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT):
            return str(self._context.params["store"])
        return str(found[0])

    def __contains__(self, name: object) -> bool:
        if self._context.resilient_parsing or name not in self._keys:
            return False
        return self.sources.find(self._keys[str(name)]) is not None

    def __getitem__(self, name: str) -> Any:
        found = self.sources.find(self._keys[name]) if name in self else None
        if found is None:
            raise KeyError(name)
        return found[0]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._keys if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def in_force(self) -> list[InForce]:
        """Every setting of a command that has an option for each."""
        return [self._in_force(setting) for setting in settings().values()]

    def _in_force(self, setting: Setting) -> InForce:
        found = self.sources.find(setting.key)
        in_file = None if found is None else str(found[1].path)
        if setting.option is None:
            given = self._environment.get(setting.variable)
            if given is not None:
                return InForce(setting.key, given, "environment", setting.variable)
            origin, value = ("default", None) if found is None else ("file", found[0])
            return InForce(setting.key, value, origin, in_file)
        name = str(setting.option.name)
        source = self._context.get_parameter_source(name) or ParameterSource.DEFAULT
        origin = _ORIGINS.get(source, "default")
        by = {"flag": setting.option.opts[0], "environment": setting.variable, "file": in_file}.get(origin)
        return InForce(setting.key, _shown(self._context.params[name]), origin, by)

    def settle(self) -> None:
        """Set what no option sets, and tell what should be done about the files."""
        for setting in settings().values():
            found = None if setting.option is not None else self.sources.find(setting.key)
            if found is not None and setting.variable not in os.environ:
                os.environ[setting.variable] = str(found[0])
        for warning in self.sources.warnings():
            click.echo(f"Warning: {warning}", err=True)

    def with_origin(self, error: click.BadParameter) -> click.BadParameter:
        """The error about a value, which says, if it stands in a file, in which."""
        name = None if error.param is None else error.param.name
        if name is None or self._context.get_parameter_source(name) is not ParameterSource.DEFAULT_MAP:
            return error
        key, found = self._keys[name], self.sources.find(self._keys[name])
        where = "" if found is None else f" It stands in {found[1].path}, as {key}."
        return click.BadParameter(error.message + where, error.ctx, error.param, error.param_hint)


def _shown(value: Any) -> Any:
    if isinstance(value, FilesPlace):
        return str(value)
    return masked(value) if isinstance(value, str) else list(value) if isinstance(value, tuple) else value
