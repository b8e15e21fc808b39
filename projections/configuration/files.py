"""`levelbook.toml`: where it is looked for, and what in it can be used.

Which file stands beside the store is decided by what names the store: an option or the environment, else the file in
the usual place, else nobody; then it is the default store, in the working folder. So a file beside a store may name the
store only where nothing else does, or names the same.
"""

import math
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from projections.configuration.settings import CACHE_MB, DEFAULT_STORE, SERVICE, TABLES, Setting, settings
from replay.errors import UsageError
from replay.objects.naming import holds_key, names_objects, place_of
from replay.store.location import holds_password, is_postgres, masked, refuse_unknown_scheme

FILE_NAME: Final = "levelbook.toml"
NAMED: Final = "named"
BESIDE: Final = "beside the store"
USUAL: Final = "usual place"
MAY_BE_EMPTY: Final = ("cache", f"{SERVICE}.prefix")
_READ_BY_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH
_SECRET: Final = re.compile(r"key|token|password|passwd|secret", re.IGNORECASE)


class SettingsFile(NamedTuple):
    """A file that was read."""

    path: Path
    place: str
    values: Mapping[str, Any]
    """By key; paths are absolute."""


class Sources(NamedTuple):
    """The files that count for a command, the stronger one first."""

    files: tuple[SettingsFile, ...]
    absent: tuple[tuple[Path, str], ...]
    """Where there could be one and is none, with the place."""

    def find(self, key: str) -> tuple[Any, SettingsFile] | None:
        """What a key is set to, and by which file."""
        return next(((file.values[key], file) for file in self.files if key in file.values), None)

    def warnings(self) -> Iterator[str]:
        """What should be done about the files, although they can be used."""
        for file in self.files:
            places = [file.values[key] for key in ("segments",) if key in file.values]
            is_secret = holds_password(file.values.get("store", "")) or any(map(holds_key, places))
            if is_secret and file.path.stat().st_mode & _READ_BY_OTHERS:
                yield f"{file.path} holds a password and others can read it; run 'chmod 600 {file.path}'"


def find_sources(store: str | None, named: Path | None) -> Sources:
    """The files that count: the one that was named and no other; else the one beside the store and the usual one.

    `store` is the one that an option or the environment names. Raises UsageError for a file that cannot be used.
    """
    if named is not None:
        return Sources((_read(named.absolute(), NAMED),), ())
    places = []
    usual = _usual_path()
    found = [] if usual is None or not _is_there(usual) else [_read(usual, USUAL)]
    if usual is not None:
        places.append((usual, USUAL))
    by_usual = found[0].values.get("store") if found else None
    which = store or by_usual or DEFAULT_STORE
    beside = None if is_postgres(which) else Path(which).absolute().parent / FILE_NAME
    if beside is not None and beside != usual:
        places.insert(0, (beside, BESIDE))
        if _is_there(beside):
            found.insert(0, _read(beside, BESIDE))
            if store is None and by_usual is not None:
                _check_same_store(found[0], by_usual)
    read = {file.path for file in found}
    return Sources(tuple(found), tuple(place for place in places if place[0] not in read))


def _usual_path() -> Path | None:
    """As the XDG base directories say it: a folder that is not absolute is passed over."""
    named = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        folder = Path(named) if Path(named).is_absolute() else Path.home() / ".config"
    except RuntimeError:  # nobody's home
        return None
    return folder / "levelbook" / FILE_NAME


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def _check_same_store(file: SettingsFile, store: str) -> None:
    named = file.values.get("store")
    if named is not None and os.path.normpath(named) != os.path.normpath(store):
        raise UsageError(
            f"{file.path} names the store {masked(named)}, but lies beside {masked(store)}, which the file in the usual"
            " place names; take 'store' out of one of them, or name the store with --store"
        )


def _read(path: Path, place: str) -> SettingsFile:
    """Raises UsageError where there is no such file, or it holds anything that sets nothing."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"the settings {path} are not a file; name a file")
        text = path.read_bytes().decode()
    except OSError as error:
        raise UsageError(f"the settings {path} cannot be read: {error.strerror}; name a file that can") from None
    except ValueError:
        raise UsageError(f"the settings {path} are not valid UTF-8; mend the file") from None
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the settings {path} are not TOML: {error}; mend the file") from None
    values: dict[str, Any] = {}
    faults = []
    for key, value in _flat(tables):
        try:
            values[key] = _checked(key, value, path.parent)
        except _Fault as fault:
            faults.append(f"\n  {key if key.isprintable() else ascii(key)}: {fault}")
    if faults:
        raise UsageError(f"the settings {path} cannot be used; mend or take out:{''.join(faults)}")
    return SettingsFile(path, place, values)


def _flat(tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if name in TABLES and isinstance(value, dict):
            yield from ((f"{name}.{inner}", found) for inner, found in value.items())
        else:
            yield name, value


class _Fault(Exception):
    """What is wrong with a key, without what it holds: that may be a secret in the wrong place."""


def _checked(key: str, value: Any, folder: Path) -> Any:
    """A value as an option takes it."""
    setting = settings().get(key)
    if setting is None:
        raise _Fault(_unknown(key))
    wanted, takes = _form(setting)
    if not takes(value):
        raise _Fault(f"holds {_kind(value)}; give {wanted}")
    for text in [value] if isinstance(value, str) else value if isinstance(value, list) else []:
        _check_text(key, text)
    if setting.option is not None and isinstance(setting.option.type, click.IntRange | click.FloatRange | click.Choice):
        try:
            setting.option.type.convert(value, setting.option, None)
        except click.BadParameter as error:
            raise _Fault(error.message) from None
    return _placed(setting, value, folder)


def _unknown(key: str) -> str:
    if _SECRET.search(key):
        return (
            "a secret has no place in a file of settings; the key for buyers stands beside the store or in"
            " LEVELBOOK_BUYER_KEY, tokens with those who ask"
        )
    from difflib import get_close_matches

    named = {known.rpartition(".")[2]: known for known in settings()}
    near = get_close_matches(key.rpartition(".")[2], named, n=1)
    return f"sets nothing; {f'is {named[near[0]]} meant?' if near else 'known are ' + ', '.join(settings())}"


def _form(setting: Setting) -> tuple[str, Callable[[Any], bool]]:
    """What a setting takes, in words and as a test."""
    option = setting.option
    if setting.key == CACHE_MB:
        return "an integer that is not below 0", lambda value: type(value) is int and value >= 0
    if option is not None and option.multiple:
        return "a list of strings alone", _is_strings
    if option is not None and option.is_flag:
        return "true or false", lambda value: isinstance(value, bool)
    if option is not None and isinstance(option.type, click.IntRange):
        return "an integer", lambda value: type(value) is int
    if option is not None and isinstance(option.type, click.FloatRange):
        return "a finite number", lambda value: type(value) in (int, float) and math.isfinite(value)
    return "a string", lambda value: isinstance(value, str)


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "an integer", float: "a number", str: "a string", list: "a list"}
    return kinds.get(type(value)) or ("a table" if isinstance(value, dict) else "a date or time")


def _check_text(key: str, value: str) -> None:
    if not value and key not in MAY_BE_EMPTY:
        raise _Fault("is empty; give a value, or take it out")
    if not value.isprintable():
        raise _Fault("holds characters that are not printed; give a name without them")
    if key == "segments":
        try:
            place_of(value)
        except UsageError as error:
            raise _Fault(str(error)) from None
    if key == "store" and not is_postgres(value):
        try:
            refuse_unknown_scheme(value)
        except UsageError as error:
            raise _Fault(str(error)) from None


def _placed(setting: Setting, value: Any, folder: Path) -> Any:
    """Paths begin at the folder of the file that names them."""
    option = setting.option
    is_path = setting.key in ("store", "cache") or (option is not None and isinstance(option.type, click.Path))
    if not is_path or not value or is_postgres(value) or names_objects(value):
        return value
    return str(folder / value)
