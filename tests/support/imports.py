"""Who imports whom, read from the sources."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests import ROOT

TOPS = ("domain", "projections", "replay")


Graph = dict[str, set[str]]


def sources() -> dict[str, Path]:
    """The modules of the product by their dotted names; a package under its own."""
    files = [path for top in TOPS for path in ROOT.glob(f"{top}/**/*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imported(path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in modules else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def graph_of_modules() -> Graph:
    modules = sources()
    return {name: {to for to in imported(path, modules) if to in modules} for name, path in modules.items()}
