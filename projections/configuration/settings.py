"""The settings: each is an option, a variable and a key of `levelbook.toml`, described once.

A key is named as its option is, but for `language` (`--lang`); what only one work takes stands in a table of its own:
`service`, `kafka`, `deliver`.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from functools import cache, reduce
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from domain.languages import LANGUAGES
from replay.objects.cache import CACHE_VARIABLE, SIZE_VARIABLE
from replay.objects.naming import names_objects, place_of

DEFAULT_STORE: Final = "levelbook.db"
CACHE_MB: Final = "cache_mb"
SERVICE: Final = "service"
KAFKA: Final = "kafka"
DELIVER: Final = "deliver"
TABLES: Final = (SERVICE, KAFKA, DELIVER)
"""The tables of a file."""
SECONDS_MAX: Final = 3_600
"""The longest that anybody on a connection is waited for."""
LAG_SECONDS_MAX: Final = 31_536_000
"""A year."""
NAMED_FILE: Final = "levelbook.configuration.file"
"""Where a command's context keeps the file of settings that was named."""
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class FilesPlaceParam(click.Path):
    """A folder, or the URL of storage of objects."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and (not value or names_objects(value)):
            return place_of(value)
        return super().convert(value, param, ctx)


config_option: Final = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="LEVELBOOK_CONFIG",
    show_envvar=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, named: context.meta.__setitem__(NAMED_FILE, named),
    metavar="FILE",
    help="The only file of settings. Default: levelbook.toml beside the store, and in ~/.config/levelbook.",
)
store_option: Final = click.option(
    "--store",
    type=click.Path(readable=False),  # nothing is refused by that, but shells know that files may follow
    default=DEFAULT_STORE,
    envvar="LEVELBOOK_STORE",
    show_default=True,
    show_envvar=True,
    is_eager=True,  # the file beside it may set the others
    metavar="PATH|URL",
    help="The ledger: an SQLite file or a postgresql:// URL.",
)
segments_option: Final = click.option(
    "--segments",
    type=FilesPlaceParam(),
    envvar="LEVELBOOK_SEGMENTS",
    show_envvar=True,
    metavar="DIR|URL",
    help="Where sealed segments lie. Default: beside an SQLite store, in STORE.segments.",
)
candidates_option: Final = click.option(
    "--candidates",
    type=click.Path(path_type=Path),
    envvar="LEVELBOOK_CANDIDATES",
    show_envvar=True,
    metavar="DIR",
    help="Where candidate policies and reports of trials lie. Default: beside an SQLite store, in STORE.lab.",
)
SHEETS: Final = ("csv", "parquet")
"""Forms in which the rows of lists are had."""
FOR_PROGRAMS: Final = ("json", *SHEETS)
"""Forms of answers that are everywhere the same."""
LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Of these the first that is set names the language of the terminal."""


def language_of_locale(environment: Mapping[str, str]) -> str:
    """The language of ours that the environment names, as in `zh_CN.UTF-8`; English where it names none."""
    named = next((environment[name] for name in LOCALE_VARIABLES if environment.get(name)), "")
    language = re.split(r"[_.@-]", named)[0].lower()
    return language if language in LANGUAGES else "en"


def _language(context: click.Context, _: click.Parameter, given: str | None) -> str:
    """What was set; else people are answered in the language of the locale, and programs everywhere the same."""
    if given is not None:
        return given
    return "en" if context.params.get("format_") in FOR_PROGRAMS else language_of_locale(os.environ)


language_option: Final = click.option(
    "--lang",
    type=click.Choice([*LANGUAGES]),
    callback=_language,
    envvar="LEVELBOOK_LANGUAGE",
    show_default="that of the locale; of JSON en",
    show_envvar=True,
    help="Language of the answer.",
)


otel_option: Final = click.option(
    "--otel",
    is_flag=True,
    envvar="LEVELBOOK_OTEL",
    show_envvar=True,
    help="Export spans of the work by OpenTelemetry, whither the variables OTEL_… say.",
)


class Seconds(click.FloatRange):
    """A time within bounds. What is no number, `nan`, is neither below nor above any, and is refused by itself."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(click.FLOAT.convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(
                f"{found} is not a finite number; give seconds in the range {self._describe_range()}.", param, ctx
            )
        return float(super().convert(found, param, ctx))


def _service(flag: str, name: str | None = None, **described: Any) -> Decorator:
    name = name or flag.removeprefix("--").replace("-", "_")
    variable = f"LEVELBOOK_SERVICE_{name.upper()}"
    return click.option(flag, name, envvar=variable, show_envvar=True, **described)


_SERVICE_OPTIONS: Final = (
    _service("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen."),
    _service("--port", type=click.IntRange(1, 65535), default=8020, show_default=True, help="On which port."),
    _service("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes answer."),
    _service("--name", "names", multiple=True, metavar="NAME", help="A further name that requests may ask for."),
    _service("--token-required", is_flag=True, help="Ask for a token on 127.0.0.1, too; elsewhere it always is."),
    _service(
        "--ready-lag-seconds",
        type=click.IntRange(1, LAG_SECONDS_MAX),
        default=60,
        show_default=True,
        help="How far the views may lie behind before /readyz says so.",
    ),
    _service(
        "--connections",
        type=click.IntRange(1, 100_000),
        default=4_000,
        show_default=True,
        help="How many each process holds open at a time.",
    ),
    _service(
        "--head-seconds",
        type=Seconds(0.1, 60),
        default=15,
        show_default=True,
        help="How long the head of a request may take, and a connection lie idle.",
    ),
    _service(
        "--body-seconds",
        type=Seconds(0.1, SECONDS_MAX),
        default=10,
        show_default=True,
        help="How long a body may take.",
    ),
    _service(
        "--take-seconds",
        type=Seconds(0.1, SECONDS_MAX),
        default=60,
        show_default=True,
        help="How long a piece of a stream may wait to be taken.",
    ),
    _service(
        "--replay-events",
        type=click.IntRange(1, 1_000_000_000),
        default=1_000_000,
        show_default=True,
        help="On how many events the replays of a process may rest at a time, about 1 KB each.",
    ),
    _service(
        "--tls-certificate", type=click.Path(path_type=Path, exists=True), metavar="FILE", help="PEM; makes it https."
    ),
    _service("--tls-key", type=click.Path(path_type=Path, exists=True), metavar="FILE", help="PEM, PKCS#8."),
    _service("--tls-by-proxy", is_flag=True, help="A proxy before it ends TLS: cookies are for https alone."),
    _service("--prefix", default="", metavar="PATH", help="What a proxy puts before every path, such as /levels."),
)


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How `levelbook serve` is to run."""
    return reduce(lambda made, option: option(made), reversed(_SERVICE_OPTIONS), command)


def _kafka(flag: str, **described: Any) -> Decorator:
    name = f"{KAFKA}_{flag.removeprefix('--')}"
    return click.option(flag, name, envvar=f"LEVELBOOK_{name.upper()}", show_envvar=True, **described)


_KAFKA_OPTIONS: Final = (
    _kafka("--servers", metavar="HOST:PORT,…", help="Where brokers are asked for the others."),
    _kafka(
        "--group",
        metavar="NAME",
        help="Whose offsets count: one group a ledger. Default: levelbook-<id of the ledger>.",
    ),
    _kafka(
        "--properties",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="How to connect, NAME=VALUE a line, as librdkafka names it: security.protocol, sasl.username.",
    ),
)


def kafka_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """From where topics are consumed."""
    return reduce(lambda made, option: option(made), reversed(_KAFKA_OPTIONS), command)


deliver_options: Final = click.option(
    "--give-up-days",
    type=click.IntRange(1, 365),
    default=5,
    envvar="LEVELBOOK_DELIVER_GIVE_UP_DAYS",
    show_default=True,
    show_envvar=True,
    help="An endpoint that failed for so long is disabled.",
)
"""How changes are delivered."""


class Setting(NamedTuple):
    """One thing that can be set."""

    key: str
    """Its name in a file: `store`, `service.port`."""
    variable: str
    """The variable of the environment that sets it."""
    option: click.Option | None
    """None for what no option sets."""


@cache
def settings() -> dict[str, Setting]:
    """Every setting by its key, in the order in which they are shown."""

    @click.command()
    @store_option
    @segments_option
    @candidates_option
    @language_option
    @otel_option
    @service_options
    @kafka_options
    @deliver_options
    def whole(**_: Any) -> None:
        """Bears every option that sets something."""

    found = [
        Setting(_key(option), str(option.envvar), option) for option in whole.params if isinstance(option, click.Option)
    ]
    found[4:4] = [Setting("cache", CACHE_VARIABLE, None), Setting(CACHE_MB, SIZE_VARIABLE, None)]
    return {setting.key: setting for setting in found}


def _key(option: click.Option) -> str:
    name = str(option.name)
    general = {"store": "store", "segments": "segments", "candidates": "candidates", "lang": "language", "otel": "otel"}
    if name.startswith(f"{KAFKA}_"):
        return f"{KAFKA}.{name.removeprefix(f'{KAFKA}_')}"
    return general.get(name) or f"{DELIVER if name == 'give_up_days' else SERVICE}.{name}"
