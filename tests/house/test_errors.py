"""The error gallery: every refusal and every error of a command, with an input that produces it.

`fixtures/errors/<name>.txt` is a session: commands after "$ ", what they print, and their exit status in
brackets where it is not 0. "…" stands for what differs between runs. Input files lie beside it.
"""

import ast
import re
import shlex
import shutil
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from replay.parsing.refusals import Reason
from tests import ROOT

GALLERY = ROOT / "fixtures" / "errors"
BEGINNING = 30
"""Characters of an error's text by which a test is known to expect it."""
SESSIONS = sorted(GALLERY.glob("*.txt"))


def run_command(line: str) -> str:
    """Run one `levelbook …` line and give what a terminal would show, with the exit status."""
    words = shlex.split(line)
    assert words[0] == "levelbook", line
    result = CliRunner().invoke(main, words[1:])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    status = f"[{result.exit_code}]\n" if result.exit_code else ""
    return result.output + status


@pytest.mark.slow
@pytest.mark.parametrize("session", SESSIONS, ids=lambda path: path.stem)
def test_each_error_says_what_the_gallery_shows(session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in (*GALLERY.glob("*.jsonl*"), *GALLERY.glob("*.toml")):
        shutil.copy(file, tmp_path)
    for folder in (path for path in GALLERY.iterdir() if path.is_dir()):
        shutil.copytree(folder, tmp_path / folder.name)
    monkeypatch.chdir(tmp_path)
    expected = session.read_text()
    commands = re.findall(r"^\$ (.*)$", expected, re.MULTILINE)
    shown = "".join(f"$ {command}\n{run_command(command)}" for command in commands)
    pattern = re.escape(expected).replace("…", ".*")
    assert re.fullmatch(pattern, shown), shown


@pytest.mark.parametrize("reason", Reason)
def test_each_refusal_is_in_the_gallery(reason: Reason) -> None:
    text = (GALLERY / f"{reason}.txt").read_text()
    assert " 0 refused" not in text.splitlines()[-3], "the last command refuses a line"
    assert text.endswith("[1]\n")


def product() -> list[Path]:
    """The sources of the packages that are built, and the command itself."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = [name.rstrip("*") for name in told["packages"]["find"]["include"]]
    modules = [ROOT / f"{name}.py" for name in told["py-modules"]]
    return sorted([*modules, *(path for folder in folders for path in ROOT.glob(f"{folder}/**/*.py"))])


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in product()}


def last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def descending_from(*names: str) -> set[str]:
    """The classes of the product that are these or are made of them."""
    classes = [node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {*names}
    while new := {node.name for node in classes if found & {last_name(base) for base in node.bases}} - found:
        found |= new
    return found


def raises() -> list[tuple[str, ast.Raise]]:
    """Every `raise` of the product, and where it stands."""
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno}", node)
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
    ]


def raised_fragments() -> list[tuple[str, str]]:
    """For every error that a command ends with: where, and the longest piece of its text that is fixed."""
    errors, found = descending_from("LevelbookError"), []
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and last_name(node.func) in errors:
                pieces = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
                if pieces:
                    found.append((f"{path.relative_to(ROOT)}:{node.lineno}", max(pieces, key=len)))
    return found


@pytest.mark.slow
def test_each_error_of_a_command_is_shown_somewhere() -> None:
    gallery = "".join(session.read_text() for session in SESSIONS)
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    fragments = raised_fragments()
    assert len(fragments) > 150
    unseen = [
        (where, text)
        for where, text in fragments
        if text not in gallery and text.strip(" ;,:")[:BEGINNING] not in tests
    ]
    assert unseen == []


NEVER_SEEN_BY_A_USER = {
    *("ValueError", "KeyError", "OverflowError", "AssertionError", "StopIteration", "DecodeError"),
    "FileNotFoundError",  # of a script beside the product
    *("ValidationError", "make_error", "IntegrityError", "ClientDisconnect"),
    *("RefusalError", "BrokenInput", "PolicyError", "Misfit", "MalformedError", "_Fault", "_PasswordNeeded"),
    "NotKept",  # of a compiled loop
    "CheckFailed",  # of a file of evidence
    *("Refused", "Untrusted"),  # of the checker beside evidence, which prints them
}
"""Each is caught by who calls, which says it in its own words: a refusal, a finding, a fault of a file or a field."""
CLICKS = ("UsageError", "BadParameter")
"""Of click, which shows them as it shows its own."""
ANSWERED = {"Problem"}
"""What the service answers with."""


def kind_of(node: ast.Raise, made_by: dict[str, set[str]], errors: set[str]) -> str:
    """What is raised: an error of a command, an answer of the service, what somebody catches, or one handed on."""
    if not isinstance(node.exc, ast.Call):
        name = "" if node.exc is None else last_name(node.exc)
        return "caught" if name in NEVER_SEEN_BY_A_USER else "handed on"
    name = last_name(node.exc.func)
    names = {name} if name in errors | ANSWERED | NEVER_SEEN_BY_A_USER else made_by.get(name, set())
    for kind, members in (("shown", errors), ("answered", ANSWERED), ("caught", NEVER_SEEN_BY_A_USER)):
        if names & members:
            return kind
    return "unknown"


def test_every_raise_of_the_product_is_looked_at() -> None:
    found = raises()
    text = [line for path in written() for line in path.read_text("utf-8").splitlines()]
    assert len(found) == sum(bool(re.match(r"\s*raise\b", line)) for line in text)
    errors = descending_from("LevelbookError", *CLICKS)
    made_by = makers(errors)
    kinds = Counter(kind_of(node, made_by, errors) for _, node in found)
    unknown = {where: ast.unparse(node) for where, node in found if kind_of(node, made_by, errors) == "unknown"}
    assert unknown == {}
    assert sum(kinds.values()) == len(found) and min(kinds.values()) > 20 and kinds["shown"] > 200, kinds


def written() -> list[Path]:
    """Every source in the repository but tests and what makes the documents: none is found by its folder's name."""
    aside = ("tests", "docs", "build")
    paths = [path.relative_to(ROOT) for path in ROOT.glob("**/*.py")]
    return [ROOT / path for path in paths if path.parts[0] not in aside and not path.parts[0].startswith(".")]


def makers(errors: set[str]) -> dict[str, set[str]]:
    """What gives an error to be raised, a function or an argument that is one → which, as it is annotated."""
    found: dict[str, set[str]] = {}
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.returns is not None:
                found.setdefault(node.name, set()).add(last_name(node.returns))
            elif isinstance(node, ast.arg) and isinstance(node.annotation, ast.Subscript):
                made = node.annotation.slice
                if isinstance(made, ast.Tuple) and last_name(node.annotation.value) == "Callable":
                    found.setdefault(node.arg, set()).add(last_name(made.elts[-1]))
    return {name: made & (errors | ANSWERED | NEVER_SEEN_BY_A_USER) for name, made in found.items()}
