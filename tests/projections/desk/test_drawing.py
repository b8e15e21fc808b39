"""Drawings beside the pages: letters on a terminal, and files."""

import re
import struct
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from domain.calendar import month_start, parse_month
from fixtures.demo import MERCHANT, WU
from projections.desk.drawing.letters import ASCII, ROWS, UNICODE, Letters, chart_lines, letters_for
from projections.desk.drawing.timeline import StateStretch, Timeline
from projections.desk.plots.asked import labels_of
from projections.desk.schemes.facet import Band, Mark, Point, Said, Told
from replay.replaying.base import Policies
from tests.support.running import run
from tests.support.serving import demo_ledger
from tests.support.terminals import on_terminal

DAY = 86_400_000_000
START = month_start(parse_month("2022-09"))
NAMES = {"bronze-1": "Bronze Lv1", "bronze-2": "Bronze Lv2"}
TOLD = Told("merchant-reputation", {}, Policies([], []), NAMES, [], None)
BANDS = [Band("bronze-1", 10), Band("bronze-2", 510)]


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path, with_views=False)
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    return location


def line_of(*points: tuple[int, int | None], **rest: Any) -> Timeline:
    found: dict[str, Any] = {"is_stepped": False, "is_ranked": False, "bands": BANDS, "stretches": [], "marks": []}
    values = found | {"as_of": START + 100 * DAY, "are_marks_whole": True} | rest
    return Timeline(points=[Point(START + at * DAY, score) for at, score in points], **values)


def letters_of(timeline: Timeline, letters: Letters = UNICODE, width: int = 70) -> list[str]:
    return chart_lines(timeline, labels_of(TOLD, "en"), letters, width)


@pytest.mark.parametrize("letters", [UNICODE, ASCII])
def test_a_line_of_letters_rises_falls_and_ends_where_the_score_does(letters: Letters) -> None:
    lines = letters_of(line_of((0, 0), (40, 600), (90, 200)), letters)
    plot = lines[:ROWS]
    assert all(len(line) <= 70 for line in lines)
    drawn = [re.sub("Bronze Lv.$", "", line) for line in plot]
    places = {column: row for row, line in enumerate(drawn) for column, sign in enumerate(line) if sign in letters[:6]}
    first, last = min(places), max(places)
    top = min(places.values())
    assert places[first] == ROWS - 1 and top < places[last] < ROWS - 1, "from the ground to the top, and half down"
    assert {line[-10:] for line in plot if "Bronze" in line} == {"Bronze Lv1", "Bronze Lv2"}
    assert re.findall(r"2022-\d\d", lines[ROWS + 1]) == ["2022-10", "2022-11", "2022-12"]


def test_the_two_alphabets_draw_the_same() -> None:
    marks = [Mark("decided", START + 50 * DAY, START + 50 * DAY, "2022-10", "run-1", Said("bronze-1", 400))]
    timeline = line_of(
        (0, 0), (40, 600), (90, 200), marks=marks, stretches=[StateStretch("closed", START + 95 * DAY, None)]
    )
    rich, plain = letters_of(timeline), letters_of(timeline, ASCII)
    assert len(rich) == len(plain) and all(line.isascii() for line in plain)
    assert [len(line) for line in rich] == [len(line) for line in plain]
    assert any(line.strip().startswith("Decided") and "◆" in line for line in rich) and rich[-1].endswith("░ closed")


def test_a_score_that_holds_is_drawn_level_until_the_next(tmp_path: Path) -> None:
    found = letters_of(line_of((0, 100), (50, 500), is_stepped=True))
    assert sum("╭" in line for line in found) == 1 and sum("╯" in line for line in found) == 1


def test_nothing_is_drawn_of_nothing_nor_without_room() -> None:
    assert letters_of(line_of((0, None))) == [] and letters_of(line_of((0, 5), (9, 50)), width=36) == []


@pytest.mark.parametrize(
    ("encoding", "letters"), [("utf-8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII), ("cp1252", ASCII)]
)
def test_letters_are_those_that_an_encoding_has(encoding: str, letters: Letters) -> None:
    assert letters_for(encoding) == letters


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_chart_is_drawn_for_who_watches_or_asks_and_never_beside_json(demo: str) -> None:
    asked = ("history", MERCHANT, "--as-of", "2023-06-01")
    text = run(*asked)
    assert "bronze-1" in text and "┬" not in text and "+---" not in text
    drawn = run(*asked, "--chart")
    assert drawn.startswith(text) and "┬" in drawn
    assert "--chart draws below the text; leave out --format json, or draw to a file" in run(
        *asked, "--chart", "--format", "json", status=2
    )
    words = f"import sys; sys.argv = ['levelbook', 'replay', {MERCHANT!r}, '--store', {demo!r}]; import cli; cli.main()"
    watched = on_terminal(words, stdout=True, stderr=False, width=100, PYTHONIOENCODING="utf-8").stdout
    assert "┬" in watched and "Bronze Lv2" in watched
    plain = on_terminal(words, stdout=True, stderr=False, width=100, PYTHONIOENCODING="latin-1").stdout
    assert "+---" in plain and "\\u25" not in plain
    assert "┬" not in on_terminal(words, stdout=False, stderr=True, width=100, PYTHONIOENCODING="utf-8").stdout


@pytest.mark.parametrize("command", ["history", "replay"])
def test_a_drawing_is_written_as_a_file_that_stands_alone(demo: str, tmp_path: Path, command: str) -> None:
    path = tmp_path / "timeline.svg"
    run(command, MERCHANT, "--plot", str(path), "--lang", "zh")
    text = path.read_text("utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and "var(" not in text and "href" not in text
    names = [item.text for item in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"铜Lv1", "铜Lv2", "2022-11"} <= set(names)
    assert " names no form of a drawing; end its name in .svg or .png" in run(
        command, MERCHANT, "--plot", "timeline.pdf", status=2
    )


def test_a_picture_is_made_where_its_library_is(demo: str, tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    for form in ("png", "svg"):
        run("replay", MERCHANT, "--plot", str(tmp_path / f"timeline.{form}"))
    (size,) = re.findall(r' width="(\d+)" height="(\d+)" role', (tmp_path / "timeline.svg").read_text("utf-8"))
    width, height = struct.unpack(">II", (tmp_path / "timeline.png").read_bytes()[16:24])
    assert [width, height] == [2 * int(pixels) for pixels in size], "two of its pixels for each of a screen's"


def test_a_picture_is_drawn_with_the_colours_of_the_pages(demo: str, tmp_path: Path) -> None:
    run("replay", MERCHANT, "--plot", str(tmp_path / "timeline.svg"))
    text = (tmp_path / "timeline.svg").read_text("utf-8")
    rules = dict(re.findall(r"\.chart \.([a-z]+) \{ (?:fill|stroke): (#[0-9a-f]{6})", text))
    assert rules["band"] != rules["grid"] and '"Noto Sans CJK SC"' in text, "with fonts of which most systems have one"


def test_without_its_library_a_picture_is_refused(demo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    told = run("replay", MERCHANT, "--plot", "timeline.png", status=2)
    assert "PNG needs a library that is not here; install it with 'pip install levelbook[png]', or name a .svg" in told


def test_nothing_is_written_where_there_is_nothing_to_draw(demo: str, tmp_path: Path) -> None:
    path = tmp_path / "timeline.svg"
    told = run("history", WU, "--as-of", "2022-01-01", "--plot", str(path), status=2)
    assert "there is nothing to draw of" in told and not path.exists()
