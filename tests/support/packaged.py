"""The program as others install it: its wheel, in environments that hold what an extra asks for and nothing else.

Nothing is fetched: the packages are those of the environment that runs the tests, linked into the other one.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from email import message_from_bytes
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from packaging.requirements import Requirement

from tests import ROOT

OWN: Final = "levelbook"
SOURCES: Final = ("cli.py", "domain", "replay", "projections", "fixtures", "pyproject.toml", "README.md", "LICENSE")


def built(kind: str, sources: Path, folder: Path) -> Path:
    """The wheel or sdist of a tree of sources, made in `folder`."""
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(folder), str(sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    (made,) = folder.iterdir()
    return made


def copied_sources(folder: Path) -> Path:
    """What is built, apart from the place where it is worked on."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def environment_of(wheel: Path, folder: Path, extras: Sequence[str] = ()) -> Path:
    """An environment in which a wheel is installed with some extras: its folder of programs."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in sorted(needed_by(wheel, extras)):
        for part in _parts(distribution(name)):
            target = site / part.name
            if not target.exists():
                target.symlink_to(part)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--no-compile", str(wheel)], check=True, env=_outside())
    return folder / "bin"


def needed_by(wheel: Path, extras: Sequence[str]) -> set[str]:
    """The names of all packages that a wheel asks for, with some of its extras."""
    with ZipFile(wheel) as packed:
        (about,) = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        asked = message_from_bytes(packed.read(about)).get_all("Requires-Dist") or []
    found: set[str] = set()
    waiting = [(text, tuple(extras)) for text in asked]
    seen = set(waiting)
    while waiting:
        text, chosen = waiting.pop()
        requirement = Requirement(text)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": one}) for one in ("", *chosen)):
            continue
        is_own = requirement.name == OWN  # an extra that is made of others
        if not is_own:
            found.add(requirement.name)
        asks = asked if is_own else distribution(requirement.name).requires or []
        more = [(one, tuple(sorted(requirement.extras))) for one in asks]
        waiting += [item for item in more if item not in seen]
        seen.update(more)
    return found


def _parts(found: Distribution) -> set[Path]:
    """What a package has laid into its folder."""
    names = {Path(file).parts[0] for file in found.files or []}
    parts = {Path(str(found.locate_file(name))) for name in names if name not in ("..", "__pycache__")}
    return {part for part in parts if part.exists()}


def _outside() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LEVELBOOK", "PIP"))}
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def run_installed(programs: Path, folder: Path, *words: str, status: int = 0, **environment: str) -> str:
    """What an installed program prints on both streams, asked in a folder far from the sources."""
    done = subprocess.run(
        [programs / words[0], *words[1:]],
        cwd=folder,
        env=_outside() | {"XDG_CONFIG_HOME": str(folder / "none")} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == status, (words, done.returncode, done.stdout[-2_000:])
    return done.stdout
