"""The readable cases of fixtures/cases: a clause, events, and what must come of them, through the commands.

Their events stand in the order in which the ledger learned of them; times are Shanghai's. A case is of
merchant-reputation and merchant/m-1 unless it names another scheme and subject; an event may name its own subject.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.merchant_reputation.account import NOTES
from domain.merchant_reputation.rule import Verdict
from projections.contract.parts.vocabulary import VOCABULARIES
from replay.history.same_instant import BEFORE_OPENING
from replay.rendering.clauses import clauses
from replay.replaying.base import COMMON_NOTES
from tests.support.cases import CASES, FOLDER, assert_expected, cloud_events
from tests.support.running import run

SUBJECT = "merchant/m-1"


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


@pytest.mark.parametrize("name", [*(verdict.word for verdict in Verdict), *NOTES, BEFORE_OPENING, *COMMON_NOTES])
def test_each_verdict_and_note_has_a_case_of_its_name(name: str) -> None:
    told = [line for replay in CASES[name]["replays"] for line in (*replay["verdicts"], *replay["notes"])]
    assert name in [line.split()[1] for line in told]
    assert CASES[name]["clause"]
    assert CASES[name]["story"]


OTHERS = [scheme for scheme in VOCABULARIES if scheme != "merchant-reputation"]
"""Schemes whose cases are not named after a verdict each."""


@pytest.mark.parametrize("scheme", OTHERS)
def test_each_verdict_and_state_of_the_other_schemes_has_a_case(scheme: str) -> None:
    replays = [replay for case in CASES.values() if case.get("scheme") == scheme for replay in case["replays"]]
    shown = {line.split()[1] for replay in replays for line in replay.get("verdicts", ())}
    assert {*VOCABULARIES[scheme].verdicts} <= shown
    assert {str(state) for state in VOCABULARIES[scheme].states} <= {replay["state"] for replay in replays}


def test_each_verdict_and_note_has_a_clause_in_both_languages() -> None:
    found = clauses("merchant-reputation")
    assert set(found) == {*(verdict.word for verdict in Verdict), *NOTES, BEFORE_OPENING, *COMMON_NOTES}
    for scheme in OTHERS:
        found = {**found, **{f"{scheme} {name}": clause for name, clause in clauses(scheme).items()}}
        assert {*VOCABULARIES[scheme].verdicts, *COMMON_NOTES} <= clauses(scheme).keys()
    for name, clause in found.items():
        assert {"en", "zh", "short_en", "short_zh"} <= clause.keys(), name
        assert "parameters" in clause or {"source", "status"} <= clause.keys(), name
