"""The readable cases of fixtures/cases: a clause, events, and what must come of them, through the commands.

Their events stand in the order in which the ledger learned of them; times are Shanghai's. A case is of
merchant-reputation and merchant/m-1 unless it names another scheme and subject; an event may name its own subject.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from domain.calendar import parse_instant, shanghai_text
from domain.creator_level import facts as creator_facts
from domain.creator_level import rule as creator_level
from domain.mcn_level import facts as mcn_facts
from domain.mcn_level import rule as mcn_level
from domain.merchant_reputation.account import NOTES
from domain.merchant_reputation.rule import Verdict
from domain.merchant_tier import facts as tier_facts
from domain.merchant_tier import rule as tier
from replay.history.same_instant import BEFORE_OPENING
from replay.rendering.clauses import clauses
from replay.replaying.base import COMMON_NOTES
from tests import ROOT
from tests.support.running import run

FOLDER = ROOT / "fixtures" / "cases"
FILES = sorted(FOLDER.glob("*.toml"))
CASES = {file.stem: tomllib.loads(file.read_text("utf-8")) for file in FILES}
SUBJECT = "merchant/m-1"


def cloud_events(lines: list[str], subject: str) -> list[dict[str, Any]]:
    """The events that a case's lines tell: time, type, id, then key=value."""
    events, learned = [], 0
    for line in lines:
        time, event_type, event_id, *pairs = line.split()
        data: dict[str, Any] = {key: _value(key, value) for key, value in map(_pair, pairs)}
        at = parse_instant(f"{time}+08:00")
        told = data.pop("learned", None)
        learned = max(at, learned) if told is None else parse_instant(f"{told}+08:00")
        events.append(
            {
                "specversion": "1.0",
                "id": event_id,
                "source": "urn:case",
                "type": event_type,
                "subject": data.pop("subject", subject),
                "time": shanghai_text(at),
                "recordedtime": shanghai_text(learned),
                "data": data,
            }
        )
    return events


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _value(key: str, value: str) -> Any:
    """Integers and truth values are told as such; scores are texts."""
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.isdigit() and key != "value" else value


def month_line(month: dict[str, Any]) -> str:
    figures = (month[name] or "none" for name in ("month", "opening", "growth", "cap", "closing", "level"))
    return " ".join(figures)


def published_line(published: dict[str, Any] | None) -> str:
    if published is None:
        return "none"
    return f"{published['month']} {published['points']} {published['level'] or 'none'}"


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_case_comes_out_as_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    monkeypatch.setenv("LEVELBOOK_STORE", str(tmp_path / "ledger.db"))
    lines = tmp_path / "events.jsonl"
    lines.write_text(
        "".join(json.dumps(event) + "\n" for event in cloud_events(case["events"], case.get("subject", SUBJECT)))
    )
    run("ingest", "--backfill", str(lines))
    policies = ["--policies", str(FOLDER / "policies")] if "policy" in case else []
    subject, scheme = case.get("subject", SUBJECT), case.get("scheme", "merchant-reputation")
    for replay in case["replays"]:
        known = ["--known-at", replay["known_at"]] if "known_at" in replay else []
        asked = [subject, "--scheme", scheme, "--as-of", replay["as_of"], *known, *policies, "--format", "json"]
        found = json.loads(run("explain", *asked))
        if scheme != "merchant-reputation":
            assert_comes_out(found, replay)
            continue
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
        assert_expected(found, replay)


def assert_comes_out(found: dict[str, Any], replay: dict[str, Any]) -> None:
    """A replay of a scheme of ratios and bands: state and level, verdicts and notes where told, and any keys named."""
    assert (found["state"], found["level"]) == (replay["state"], replay.get("level"))
    if "verdicts" in replay:
        assert [f"{verdict['event']} {verdict['verdict']}" for verdict in found["verdicts"]] == replay["verdicts"]
    if "notes" in replay:
        assert [f"{note['event']} {note['note']}" for note in found["notes"]] == replay["notes"]
    assert_expected(found, replay)


def assert_expected(found: dict[str, Any], replay: dict[str, Any]) -> None:
    """The keys that a case names by their paths."""
    for path, expected in replay.get("expect", {}).items():
        value: Any = found
        for step in path.split("."):
            value = value[int(step)] if step.lstrip("-").isdigit() else value[step]
        assert ("none" if value is None else value) == expected, path


@pytest.mark.parametrize("name", [*(verdict.word for verdict in Verdict), *NOTES, BEFORE_OPENING, *COMMON_NOTES])
def test_each_verdict_and_note_has_a_case_of_its_name(name: str) -> None:
    told = [line for replay in CASES[name]["replays"] for line in (*replay["verdicts"], *replay["notes"])]
    assert name in [line.split()[1] for line in told]
    assert CASES[name]["clause"]
    assert CASES[name]["story"]


@pytest.mark.parametrize(
    ("scheme", "verdicts"),
    [("merchant-tier", tier_facts.Verdict), ("creator-level", creator_facts.Verdict), ("mcn-level", mcn_facts.Verdict)],
)
def test_each_verdict_of_the_other_schemes_has_a_case(scheme: str, verdicts: Any) -> None:
    replays = [replay for case in CASES.values() if case.get("scheme") == scheme for replay in case["replays"]]
    shown = {line.split()[1] for replay in replays for line in replay.get("verdicts", ())}
    assert {str(verdict) for verdict in verdicts} <= shown
    states = {"merchant-tier": tier.State, "creator-level": creator_level.State, "mcn-level": mcn_level.State}[scheme]
    assert {str(state) for state in states} <= {replay["state"] for replay in replays}


def test_each_verdict_and_note_has_a_clause_in_both_languages() -> None:
    found = clauses("merchant-reputation")
    assert set(found) == {*(verdict.word for verdict in Verdict), *NOTES, BEFORE_OPENING, *COMMON_NOTES}
    for scheme, verdicts in (
        ("merchant-tier", tier_facts.Verdict),
        ("creator-level", creator_facts.Verdict),
        ("mcn-level", mcn_facts.Verdict),
    ):
        found = {**found, **{f"{scheme} {name}": clause for name, clause in clauses(scheme).items()}}
        assert {str(verdict) for verdict in verdicts} | set(COMMON_NOTES) <= clauses(scheme).keys()
    for name, clause in found.items():
        assert {"en", "zh", "short_en", "short_zh"} <= clause.keys(), name
        assert "parameters" in clause or {"source", "status"} <= clause.keys(), name
