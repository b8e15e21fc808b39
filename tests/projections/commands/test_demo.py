"""The demo: a dispute told from the announcement to the difference, in thirty lines, and shown on the desk."""

import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from threading import Event
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from projections.terminal.browser import has_browser, open_when_served
from replay.decisions.decide import decisions_json
from replay.history.readers import EVERYTHING_SHOWN
from replay.store.opening import open_store
from tests import ROOT
from tests.support.running import run

LEDGER = "levelbook-demo/ledger.db"
LINES_MAX = 30
STEPS = (
    "220 recorded, 0 already known, 0 refused",
    "merchant-reputation 2022-11: 2 decisions in run-",
    "199 recorded, 0 already known, 0 refused",
    "merchant-reputation 2022-11: rated, Bronze Lv2 (bronze-2), 55.7 points",
    "rated, Bronze Lv2 (bronze-2), 55.7 points",
    "rated, Bronze Lv1 (bronze-1), 50.7 points",
    "-5.0  corrections learned",
    "urn:demo:shop rev-ring-6  counted +1.0 -> flagged +0.0",
    "urn:demo:shop rev-mixed-up-1  counted -1.0 -> retracted",
)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_decides_before_the_corrections_come_and_tells_why_the_level_is_another_now() -> None:
    shown = run("demo")
    places = [shown.find(step) for step in STEPS]
    assert places == sorted(places) and places[0] > 0, dict(zip(STEPS, places, strict=True))
    assert len(shown.splitlines()) <= LINES_MAX and shown.rstrip().endswith("levelbook demo --serve")
    with open_store(LEDGER) as store:
        decision = decisions_json(store, "merchant/tea-house", None, EVERYTHING_SHOWN)[-1]
    assert (decision["level"], decision["position"]) == ("bronze-2", 221)
    assert "Bronze Lv2 (bronze-2)" in run("appeal", "--store", LEDGER, *DISPUTED).partition("== As decided")[0]
    assert "0 recorded, 220 already known" in run("demo")


DISPUTED = ("merchant/tea-house", "--scheme", "merchant-reputation", "--period", "2022-11")


def test_what_it_names_for_more_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run("demo").splitlines()
    monkeypatch.setenv("LEVELBOOK_STORE", LEDGER)
    assert lines[0] == f"$ export LEVELBOOK_STORE={LEDGER}"
    asked = [line.removeprefix("  levelbook ").split() for line in lines if line.startswith("  levelbook ")]
    assert len(asked) > 1
    for words in asked[:-1]:
        run(*words)


def test_it_speaks_the_language_of_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LC_ALL", ""), ("LC_MESSAGES", ""), ("LANG", "zh_CN.UTF-8")):
        monkeypatch.setenv(name, value)
    shown = run("demo")
    assert "新获知的更正：已定级，铜Lv2" in shown and "corrections" not in shown
    assert len(shown.splitlines()) <= LINES_MAX
    assert "corrections learned" in run("demo", "--lang", "en")


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "events.jsonl").write_text("precious")
    assert " holds other things than this demo; name another" in run("demo", "--folder", "mine", status=2)
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["events.jsonl"]
    assert (tmp_path / "mine" / "events.jsonl").read_text() == "precious"


def shown_at(address: str) -> str:
    """A page, once the processes that answer have come up."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(address, timeout=60) as answer:
                return str(answer.read().decode())
        except URLError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.slow
def test_it_ends_with_the_desk_on_the_dispute(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli", "demo", "--serve", "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            address = next(line for line in process.stdout if line.startswith("http")).strip()
            assert any(f"{LEDGER} at http://127.0.0.1:{port}/" in line for line in process.stderr)
            page = shown_at(address)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert "period=2022-11" in address and "Bronze Lv2" in page and "Bronze Lv1" in page and "rev-ring-6" in page


def test_a_browser_is_opened_only_at_a_watched_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    assert not has_browser()
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    assert has_browser()
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_browser()


def test_the_page_is_opened_once_it_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    done = Event()

    def note(address: str) -> None:
        opened.append(address)
        done.set()

    monkeypatch.setattr(webbrowser, "open", note)
    with socket.socket() as served:
        served.bind(("127.0.0.1", 0))
        open_when_served("http://here/", served.getsockname()[1])
        assert not done.wait(0.3)
        served.listen()
        assert done.wait(10) and opened == ["http://here/"]
