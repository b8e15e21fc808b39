"""The error gallery: every refusal and every error of a command, with an input that produces it.

`fixtures/errors/<name>.txt` is a session: commands after "$ ", what they print, and their exit status in
brackets where it is not 0. "…" stands for what differs between runs. Input files lie beside it.
"""

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from replay.parsing.refusals import Reason

ROOT = Path(__file__).parent.parent
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


@pytest.mark.parametrize("session", SESSIONS, ids=lambda path: path.stem)
def test_each_error_says_what_the_gallery_shows(session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in (*GALLERY.glob("*.jsonl*"), *GALLERY.glob("*.toml")):
        shutil.copy(file, tmp_path)
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


def raised_fragments() -> list[tuple[str, str]]:
    """For every error that the program raises: where, and the longest piece of its text that is fixed."""
    found = []
    for path in sorted(
        [*ROOT.glob("replay/**/*.py"), *ROOT.glob("domain/**/*.py"), *ROOT.glob("projections/**/*.py"), ROOT / "cli.py"]
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith(
                ("UsageError", "StoreError", "LevelbookError")
            ):
                pieces = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
                if pieces:
                    found.append((f"{path.relative_to(ROOT)}:{node.lineno}", max(pieces, key=len)))
    return found


def test_each_error_of_a_command_is_shown_somewhere() -> None:
    gallery = "".join(session.read_text() for session in SESSIONS)
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    fragments = raised_fragments()
    assert len(fragments) > 30
    unseen = [
        (where, text)
        for where, text in fragments
        if text not in gallery and text.strip(" ;,:")[:BEGINNING] not in tests
    ]
    assert unseen == []
