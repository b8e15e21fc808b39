"""Policies in files from outside, checked, with the names that stand beside them."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from domain.languages import LANGUAGES
from domain.limits import POLICY_BYTES_MAX
from domain.policy import Naming, Policy, PolicyError, canonical_of, policy_of
from replay.errors import FaultyPolicy, UsageError
from replay.policies.names import names_of

NAMES: Final = "names"
"""The folder beside policies that holds what their levels and benefits are called."""


def read_folder(folder: Path) -> list[Policy]:
    """The policies in the TOML files of a folder and of the folders in it, in the order of their names.

    Of several files of one version the last counts. Raises FaultyPolicy with every fault of every file, and
    UsageError where there is none.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; --policies names one that holds .toml files")
    found, faults = [], []
    files = [path for path in folder.rglob("*.toml") if path.relative_to(folder).parent.name != NAMES]
    for path in sorted(files, key=lambda path: [*map(by_number, path.parts)]):
        try:
            found.append(read_policy(path))
        except FaultyPolicy as error:
            faults.append(str(error))
    if faults:
        raise FaultyPolicy("\n".join(dict.fromkeys(faults)))
    if not found:
        raise UsageError(f"{folder} holds no .toml file; --policies names a folder that holds policies")
    return found


def read_policy(path: Path) -> Policy:
    """The policy in a TOML file.

    Raises FaultyPolicy with every fault that it has, and UsageError where it cannot be read.
    """
    from replay.policies.document import faults_of

    canonical = _checked(path, "policy", faults_of)
    return replace(policy_of(canonical), names=_names_beside(path))


def _names_beside(path: Path) -> dict[str, Naming]:
    """By language, the names in the folder `names` beside a policy's file, where there is one."""
    from replay.policies.document import faults_of_names

    found = {}
    for file in sorted((path.parent / NAMES).glob("*.toml")):
        if file.stem not in LANGUAGES:
            raise FaultyPolicy(
                f"{file}: there is no language {file.stem!r}; names of levels and benefits stand in a file a language:"
                f" {', '.join(f'{language}.toml' for language in LANGUAGES)}"
            )
        found[file.stem] = names_of(json.loads(_checked(file, "file of names", faults_of_names)))
    return found


def _checked(path: Path, what: str, faults_of: Callable[[str], list[str]]) -> str:
    """The canonical JSON of a TOML file in which nothing is found wrong.

    Raises FaultyPolicy with every fault that it has, and UsageError where it cannot be read.
    """
    try:
        canonical = canonical_of(_bounded_text(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not valid UTF-8"
        raise UsageError(f"the {what} {path} cannot be read: {reason}") from None
    except PolicyError as error:
        raise FaultyPolicy(f"{path}: {error}") from None
    faults = faults_of(canonical)
    if faults:
        raise FaultyPolicy("\n".join(f"{path}: {fault}" for fault in faults))
    return canonical


def _bounded_text(path: Path) -> str:
    """The text of a file, of which no more is read than a policy may have."""
    with path.open("rb") as file:
        raw = file.read(POLICY_BYTES_MAX + 1)
    if len(raw) > POLICY_BYTES_MAX:
        raise PolicyError(f"has more than {POLICY_BYTES_MAX} bytes, which no policy needs; is it the right file?")
    return raw.decode("utf-8")


def by_number(name: str) -> list[tuple[int, str]]:
    """Orders file names as people read them: revision 2 before 10, and after the file without a number."""
    pieces = re.split("([0-9]+)", name.removesuffix(".toml"))
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in pieces]
