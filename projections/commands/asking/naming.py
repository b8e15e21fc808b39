"""Options whose help names schemes: which there are is asked of their registry, and only when the help is shown."""

import click


class NamingSchemes(click.Option):
    """An option in whose help `{all}`, `{by_month}` and `{by_day}` stand for schemes, `{boards}` for runs of boards.

    The list of commands imports no command, and a command that runs shows no help: neither pays for the registry.
    """

    _written: str | None = None

    @property
    def help(self) -> str | None:
        return None if self._written is None else self._written.format_map(_names())

    @help.setter
    def help(self, written: str | None) -> None:
        self._written = written


def _names() -> dict[str, str]:
    from replay.schemes.registry import SCHEMES

    schemes = SCHEMES.values()
    by_unit = {unit: [item.code for item in schemes if item.periods.unit == unit] for unit in ("month", "day")}
    return {
        "all": ", ".join(SCHEMES),
        "by_month": ", ".join(by_unit["month"]),
        "by_day": ", ".join(by_unit["day"]),
        "boards": ", ".join(item.boards for item in schemes if item.boards is not None),
    }
