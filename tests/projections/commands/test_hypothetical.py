"""what-if and ways by command: what is beside what would be, marked, and not a byte of the ledger moved."""

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.demo import DECIDED_ON
from replay.hypothetical import proving
from replay.hypothetical.laid import SOURCE
from replay.store.opening import open_store
from tests.support.making import records
from tests.support.running import run
from tests.support.serving import demo_ledger

THEN = ("--as-of", DECIDED_ON)
SUBJECTS = (
    ("merchant/tea-house", "merchant-reputation"),
    ("merchant/tea-house", "merchant-tier"),
    ("creator/lin", "creator-level"),
    ("creator/lin", "creator-firefly"),
    ("mcn/harbour", "mcn-level"),
)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "ledger.db"
    demo_ledger(str(path), tmp_path)
    monkeypatch.setenv("LEVELBOOK_STORE", str(path))
    return path


def ask(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*words, "--format", "json"))
    return found


def beside(ledger: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(ledger.parent.glob(f"{ledger.name}*"))}


@pytest.mark.slow
@pytest.mark.parametrize(("subject", "scheme"), SUBJECTS, ids=lambda item: item.partition("/")[2] or item)
def test_each_way_reaches_its_level_by_its_own_events(subject: str, scheme: str, ledger: Path, tmp_path: Path) -> None:
    """A way's lines, laid over by the other command, bring the level when it says; nothing of the ledger moved."""
    with open_store(str(ledger)) as store:
        head, bodies = store.head(), records(store)
    files, asked = beside(ledger), (subject, "--scheme", scheme, "--as-of", "2023-05-05")
    found = ask("ways", *asked)
    assert found["hypothetical"] is True and found["unproved"] == [] and found["ways"], found
    for number, way in enumerate(found["ways"], 1):
        lines = run("ways", *asked, "--events-of", str(number))
        assert len(lines.splitlines()) == way["events"] and lines.count(SOURCE) == way["events"]
        (tmp_path / "way.jsonl").write_text(lines)
        then = ask("what-if", *asked, "--events", str(tmp_path / "way.jsonl"), "--to", way["reached_at"])
        assert then["hypothetical"] is True and then["then"]["level"] == way["level"] == found["next_level"]
        assert then["now"]["level"] == found["level"] and then["events"] == way["events"]
        assert then["changes"][-1]["after"]["level"] == way["level"]
    with open_store(str(ledger)) as store:
        assert (store.head(), records(store)) == (head, bodies)
    assert beside(ledger) == files


def test_what_would_be_is_told_in_words_and_marked(ledger: Path) -> None:
    told = run("what-if", "merchant/tea-house", *THEN, "--to", "2023-01-31")
    assert told.splitlines()[0].endswith("HYPOTHETICAL: nothing of this is recorded")
    assert "as it is: rated" in told and "as it would be: rated" in told and "next publication: 2023-02-16" in told
    chinese = run("ways", "creator/lin", "--as-of", "2023-05-05", "--lang", "zh")
    assert "假设：升至" in chinese.splitlines()[0]


def test_a_way_is_told_once_and_its_instants_to_the_minute(ledger: Path) -> None:
    """What it asks for is not said again where it is called by that."""
    asked = ("ways", "creator/lin", "--as-of", "2023-05-05")
    told = run(*asked, "--scheme", "creator-firefly", "--lang", "en")
    assert "way 1: 100 points of new tasks\n    reaches Firefly-2 (firefly-2) at 2023-05-06 00:00\n" in told
    assert "asks:" not in told
    several = run(*asked, "--lang", "en")
    assert "way 1: several things together\n    asks: a reputation of 4.21 on every day left, ¥" in several
    found = json.loads(run(*asked, "--format", "json"))
    assert found["ways"][0]["reached_at"] == "2023-06-01T00:00:00+08:00"


def test_what_is_not_proved_is_said_not_shown(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "proved", lambda *_: False)
    told = run("ways", "merchant/tea-house", "--as-of", "2023-05-05")
    assert "proposed and not proved, so not shown: good reviews" in told and "reaches" not in told
