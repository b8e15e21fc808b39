"""README, the tutorials and the how-to pages show what the commands print, the first two in each language."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import ROOT
from tests.support.sessions import AHEAD_SECONDS, Shown, fits, run, shown_in

TUTORIALS = (ROOT / "docs" / "tutorials").glob("*.md")
HOW_TO = [page for page in sorted((ROOT / "docs" / "how-to").glob("*.md")) if shown_in(page)]
PAGES = [ROOT / "README.md", *sorted(page for page in TUTORIALS if not page.name.endswith(".zh.md"))]


def asked(command: str) -> str:
    """What a command asks, in whatever language, and however the answer is cut."""
    return command.partition(" | ")[0].replace(" --lang zh", "")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_what_the_commands_print_in_each_language(page: Path, tmp_path: Path) -> None:
    """Both languages are one session: a command that is the same in both is run once."""
    if "make demo" in page.read_text("utf-8"):
        levelbook = Path(sys.executable).parent / "levelbook"
        subprocess.run([levelbook, "demo"], cwd=tmp_path, capture_output=True, check=True)
    english, chinese = (shown_in(found) for found in (page, page.with_suffix(".zh.md")))
    assert [asked(item.command) for item in chinese] == [asked(item.command) for item in english]
    assert len(english) >= 5
    session = [item for pair in zip(english, chinese, strict=True) for item in _once(*pair)]
    printed = run(session, tmp_path)
    for (command, output), found in zip(session, printed, strict=True):
        assert fits(output, found), f"$ {command}\n{found}\n-- the page says --\n{output}"


def test_every_page_that_shows_a_session_is_run() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    shown = {page for page in documents if shown_in(page) and not page.name.endswith(".zh.md")}
    assert shown == {*PAGES, *HOW_TO} and len(HOW_TO) > 1


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.name)
def test_a_how_to_shows_what_the_commands_print(page: Path, tmp_path: Path) -> None:
    session = shown_in(page)
    for (command, output), found in zip(session, run(session, tmp_path), strict=True):
        assert fits(output, found), f"$ {command}\n{found}\n-- the page says --\n{output}"


def _once(english: Shown, chinese: Shown) -> list[Shown]:
    if english.command != chinese.command:
        return [english, chinese]
    assert english.output == chinese.output, f"{english.command} is shown otherwise in Chinese"
    return [english]


def test_the_clock_of_a_session_is_ahead(tmp_path: Path) -> None:
    (tmp_path / "now.py").write_text("import time\nprint(int(time.time()), time.time_ns() // 10**9)\n")
    (printed,) = run([Shown("python now.py", "")], tmp_path)
    assert all(abs(int(found) - AHEAD_SECONDS - int(time.time())) < 60 for found in printed.split())


def test_a_page_that_shows_something_else_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    shown = ("$ echo one; \\", "> echo two", "one", "two", "$ false", "$ echo $?", "0")
    page.write_text("As here:\n\n" + "".join(f"    {line}\n" for line in shown))
    session = shown_in(page)
    assert session == [Shown("echo one; \\\necho two", "one\ntwo\n"), Shown("false", ""), Shown("echo $?", "0\n")]
    assert [fits(item.output, found) for item, found in zip(session, run(session, tmp_path), strict=True)] == [
        True,
        True,
        False,
    ]
    assert fits("a …\n…\nz\n", "a b  \nc\nd\nz\n") and not fits("a …\n", "a b\nc\n") and not fits("a.c\n", "abc\n")
