"""The readable cases of fixtures/cases: a clause, events, and what must come of them, through the commands.

Their events are those of merchant/m-1, in the order in which the ledger learned of them; times are Shanghai's.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import main
from domain.calendar import parse_instant, shanghai_text
from domain.reputation import Verdict
from domain.reputation_account import NOTES
from replay.clauses import clauses
from replay.replays import RETRACTED_NOTE

FOLDER = Path(__file__).parent.parent / "fixtures" / "cases"
FILES = sorted(FOLDER.glob("*.toml"))
CASES = {file.stem: tomllib.loads(file.read_text("utf-8")) for file in FILES}
SUBJECT = "merchant/m-1"


def cloud_events(lines: list[str]) -> list[dict[str, Any]]:
    """The events that a case's lines tell: time, type, id, then key=value."""
    events, learned = [], 0
    for line in lines:
        time, event_type, event_id, *pairs = line.split()
        data: dict[str, Any] = {key: int(value) if value.isdigit() else value for key, value in map(_pair, pairs)}
        at = parse_instant(f"{time}+08:00")
        told = data.pop("learned", None)
        learned = max(at, learned) if told is None else parse_instant(f"{told}+08:00")
        events.append(
            {
                "specversion": "1.0",
                "id": event_id,
                "source": "urn:case",
                "type": event_type,
                "subject": SUBJECT,
                "time": shanghai_text(at),
                "recordedtime": shanghai_text(learned),
                "data": data,
            }
        )
    return events


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def run(*words: str) -> str:
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def month_line(month: dict[str, Any]) -> str:
    figures = (month[name] or "none" for name in ("month", "opening", "growth", "cap", "closing", "level"))
    return " ".join(figures)


def published_line(published: dict[str, Any] | None) -> str:
    if published is None:
        return "none"
    return f"{published['month']} {published['points']} {published['level'] or 'none'}"


@pytest.mark.parametrize("name", CASES)
def test_a_case_comes_out_as_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    monkeypatch.setenv("LEVELBOOK_STORE", str(tmp_path / "ledger.db"))
    lines = tmp_path / "events.jsonl"
    lines.write_text("".join(json.dumps(event) + "\n" for event in cloud_events(case["events"])))
    run("ingest", "--backfill", str(lines))
    policies = ["--policies", str(FOLDER / "policies")] if "policy" in case else []
    for replay in case["replays"]:
        known = ["--known-at", replay["known_at"]] if "known_at" in replay else []
        asked = [SUBJECT, "--as-of", replay["as_of"], *known, *policies, "--format", "json"]
        found = json.loads(run("explain", *asked))
        assert found["policy"] == case.get("policy", "2022-10-26")
        assert [f"{v['event']} {v['verdict']} {v['points']}" for v in found["verdicts"]] == replay["verdicts"]
        assert [f"{note['event']} {note['note']}" for note in found["notes"]] == replay["notes"]
        assert (found["state"], found["level"]) == (replay["state"], replay.get("level"))
        shown = {
            "points": found["points"],
            "to_next": found["to_next"],
            "published": published_line(found["published"]),
            "months": [month_line(month) for month in found["months"]],
        }
        assert {key: shown[key] for key in shown if key in replay} == {
            key: replay[key] for key in shown if key in replay
        }
        assert "points" in replay


@pytest.mark.parametrize("name", [*(verdict.word for verdict in Verdict), *NOTES, RETRACTED_NOTE])
def test_each_verdict_and_note_has_a_case_of_its_name(name: str) -> None:
    told = [line for replay in CASES[name]["replays"] for line in (*replay["verdicts"], *replay["notes"])]
    assert name in [line.split()[1] for line in told]
    assert CASES[name]["clause"]
    assert CASES[name]["story"]


def test_each_verdict_and_note_has_a_clause_in_both_languages() -> None:
    found = clauses("merchant-reputation")
    assert set(found) == {*(verdict.word for verdict in Verdict), *NOTES, RETRACTED_NOTE}
    for name, clause in found.items():
        assert {"en", "zh", "short_en", "short_zh"} <= clause.keys(), name
        assert "parameters" in clause or {"source", "status"} <= clause.keys(), name
