"""README and the tutorials show what the commands print, in each language."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sessions import Shown, fits, run, shown_in

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("tutorials/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_what_the_commands_print(page: Path, tmp_path: Path) -> None:
    if "make demo" in page.read_text("utf-8"):
        levelbook = Path(sys.executable).parent / "levelbook"
        subprocess.run([levelbook, "demo"], cwd=tmp_path, capture_output=True, check=True)
    session = shown_in(page)
    assert len(session) >= 5
    printed = run(session, tmp_path)
    for (command, output), found in zip(session, printed, strict=True):
        assert fits(output, found), f"$ {command}\n{found}\n-- the page says --\n{output}"


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
