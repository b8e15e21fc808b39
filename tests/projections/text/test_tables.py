"""Tables and progress: in line whatever the characters, folded on a terminal alone, and silent in pipes."""

import pytest
from rich.cells import cell_len

from projections.terminal.tables import LEFT, RIGHT, Column, print_table
from tests import ROOT
from tests.support.terminals import Seen, on_terminal

ROWS = [
    ("店铺", "1", "short"),
    ("shop", "20", "one two three four five six seven eight nine"),
    ("e\u0301", "3", "客户服务"),
]


def test_columns_are_in_line_whatever_stands_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    print_table((LEFT, RIGHT, LEFT), ROWS, indent=1)
    shown = capsys.readouterr().out.splitlines()
    assert shown == [
        " 店铺   1  short",
        " shop  20  one two three four five six seven eight nine",
        " e\u0301      3  客户服务",
    ]
    behind = [cell_len(line[: line.index(row[2])]) for line, row in zip(shown, ROWS, strict=True)]
    assert len(set(behind)) == 1
    print_table((Column(least=6), LEFT), [("a", ""), ("b", "c")])
    assert capsys.readouterr().out == "a\nb       c\n", "nothing blank at the end"
    print_table((LEFT,), [])
    assert capsys.readouterr().out == ""


PRINT = f"from projections.terminal.tables import *; print_table((LEFT, RIGHT, LEFT), {ROWS!r}, indent=1"


def test_a_terminal_folds_under_the_column_and_a_pipe_never() -> None:
    piped = on_terminal(f"{PRINT})", stdout=False, stderr=True, PYTHONIOENCODING="utf-8").stdout
    assert piped.splitlines()[1] == " shop  20  one two three four five six seven eight nine"
    shown = on_terminal(f"{PRINT})", stdout=True, stderr=False, PYTHONIOENCODING="utf-8").stdout
    assert [line.rstrip() for line in shown.splitlines()] == [
        " 店铺   1  short",
        " shop  20  one two three four five six",
        "           seven eight nine",
        " e\u0301      3  客户服务",
    ]
    copied = on_terminal(f"{PRINT}, is_copied=True)", stdout=True, stderr=False, PYTHONIOENCODING="utf-8").stdout
    assert copied == piped


@pytest.mark.parametrize(("encoding", "terminal"), [("gbk", "xterm"), ("utf-8", "dumb")])
def test_a_terminal_of_another_kind_gets_plain_lines(encoding: str, terminal: str) -> None:
    program = f"import sys; {PRINT.replace('e' + chr(0x301), 'e')}); assert 'rich.table' not in sys.modules"
    shown = on_terminal(program, stdout=True, stderr=False, PYTHONIOENCODING=encoding, TERM=terminal).stdout
    assert " shop  20  one two three four five six seven eight nine\n" in shown and "店铺" in shown


WORK = """
import time
from projections.terminal.progress import phases, progress
with progress("reading", 10) as read:
    for done in (1, 5, 10):
        read(done)
        time.sleep(0.12)
with phases("events") as told:
    for done in (0, 400, 1000):
        told("filling", done, 1000)
        time.sleep(0.12)
    told("proving", 0, 0)
    time.sleep(0.12)
print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "gbk"])
def test_who_watches_sees_how_far_work_has_come(encoding: str) -> None:
    seen = on_terminal(WORK, stdout=False, stderr=True, width=100, PYTHONIOENCODING=encoding)
    assert seen.stdout == "done\n"
    for word in ("reading", "100%", "filling", "events/s", "proving"):
        assert word in seen.stderr
    assert encoding == "utf-8" or seen.stderr.isascii()


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_progress_is_told_in_the_language_of_the_answer(encoding: str) -> None:
    work = WORK.replace('("reading", 10)', '("reading", 10, named)').replace('("events")', '("events", named)')
    named = "from projections.terminal.streams import prepare_streams; prepare_streams()\n"
    named += "from projections.text.output import phases_in; named = phases_in('zh')"
    seen = on_terminal(f"{named}\n{work}", stdout=False, stderr=True, width=100, PYTHONIOENCODING=encoding)
    assert encoding == "ascii" or all(word in seen.stderr for word in ("读取", "填充", "事件/s", "证明中"))
    assert not any(word in seen.stderr for word in ("reading", "filling", "events", "proving"))


@pytest.mark.slow
@pytest.mark.parametrize(("stderr", "terminal"), [(False, "xterm"), (True, "dumb")])
def test_nobody_who_does_not_watch_is_told_of_progress(stderr: bool, terminal: str) -> None:
    program = f"{WORK}\nimport sys; assert 'rich' not in sys.modules"
    assert on_terminal(program, stdout=True, stderr=stderr, TERM=terminal) == Seen("done\n", "")


def test_there_is_one_mechanism_of_progress() -> None:
    users = {path for path in ROOT.glob("projections/**/*.py") if "rich.progress" in path.read_text("utf-8")}
    assert users == {ROOT / "projections" / "terminal" / "progress.py"}
