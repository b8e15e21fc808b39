"""The answers of replay, explain, history and diff through the commands: schemas, languages, decisions, memory."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from domain.calendar import parse_instant
from domain.events import LevelDecided
from fixtures.demo import DECIDED_ON, HARBOUR, LIN, MERCHANT, QUAY, RIVAL, WU, story
from projections.contract.answers import SCHEMAS
from replay.decisions.application import Ledger
from replay.schemes.registry import SCHEMES
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.making import event, ingest_events
from tests.support.running import run

WORDS = ROOT / "projections" / "text" / "words"
THEN = ("--as-of", DECIDED_ON, "--known-at", DECIDED_ON)
NOW = ("--as-of", DECIDED_ON)


def ask(*words: str) -> dict[str, Any]:
    """An answer in JSON, which its schema takes without a fault."""
    found: dict[str, Any] = json.loads(run(*words, "--format", "json"))
    _, schema = SCHEMAS[words[0], found["scheme"]]
    assert schema().validate(found) == {}
    return found


@pytest.fixture
def demo(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ledger of the demo's story, named by LEVELBOOK_STORE."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, story(), tmp_path, backfill=True)
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    return location


def decide(location: str, run_id: str, level: str, score: int) -> None:
    """Record a decision on November, as a run of decisions will."""
    with open_store(location) as store:
        ledger = Ledger(store)
        merchant = ledger.subject(MERCHANT)
        texts = dict.fromkeys(("as_of", "chain", "facts", "findings", "policy_hash"), "x")
        decision = LevelDecided(
            **texts,
            digest_v=1,
            known_at="2022-12-16T04:00:00.000000Z",
            level=level,
            period="2022-11",
            policy="2022-10-26",
            position=1,
            run=run_id,
            scheme="merchant-reputation",
            score=score,
            state="rated",
        )
        at = parse_instant("2022-12-16T12:00:00+08:00")
        merchant.decide_level(decision, source=f"urn:levelbook:test:{run_id}", decided_at=at)
        ledger.save(merchant)


def test_the_dispute_is_replayed_explained_and_split(demo: str) -> None:
    then, now = ask("replay", MERCHANT, *THEN), ask("replay", MERCHANT, *NOW)
    assert (then["level"], then["effective"]["level"], then["published"]["points"]) == ("bronze-2", "bronze-2", "55.7")
    assert (now["level"], now["effective"]["level"], now["published"]["points"]) == ("bronze-1", "bronze-1", "50.7")
    for asked in (THEN, NOW):
        found = ask("explain", MERCHANT, *asked)
        assert found["adds_up"]["closing"] == found["points"]
    found = ask("diff", MERCHANT, *THEN)
    assert (found["points"], [step["points"] for step in found["steps"]]) == ("-5.0", ["+0.0", "-5.0", "+0.0", "+0.0"])
    back = ask("diff", MERCHANT, *NOW, "--to-known-at", DECIDED_ON)
    assert (back["points"], back["from"], back["to"]) == ("+5.0", found["to"], found["from"])
    assert [step["step"] for step in back["steps"]] == [step["step"] for step in found["steps"]]
    later = ask("diff", MERCHANT, "--as-of", "2022-11-05", "--to-as-of", "2022-11-30")
    assert [item["event"] for item in later["steps"][2]["events"] if item["by_time"]] == ["rcv-slow-1"]


def test_a_shop_that_closes_and_reopens(demo: str) -> None:
    found = ask("history", RIVAL)["changes"]
    assert [(change["after"]["state"], change["cause"]["event"]) for change in found] == [
        ("unrated", "tea-stall-opens"),
        ("rated", "rev-stall-1"),
        ("closed", "tea-stall-closes"),
        ("unrated", "tea-stall-reopens"),
        ("rated", "rev-stall-4"),
    ]
    assert ask("explain", RIVAL)["verdicts"][3]["verdict"] == "wiped"


def test_what_was_decided_stands_beside_what_is_published(demo: str) -> None:
    assert ask("replay", MERCHANT, *NOW)["published"]["decided"] is None
    decide(demo, "run-1", "bronze-2", 557)
    asked = ("replay", MERCHANT, "--as-of", "2022-12-16", "--position", "419")
    found = ask(*asked)["published"]["decided"]
    assert (found["run"], found["points"], found["level"], found["restated"]) == ("run-1", "55.7", "bronze-2", True)
    assert "RESTATED" in run(*asked) and "已重述" in run(*asked, "--lang", "zh")
    decide(demo, "run-2", "bronze-1", 507)
    again = ask("replay", MERCHANT, *NOW)["published"]["decided"]
    assert (again["run"], again["restated"]) == ("run-2", False), "as decided is the latest run"
    assert ask(*asked)["published"]["decided"] == found, "the run before is what was known there"


@pytest.mark.slow
def test_an_old_replay_never_changes_as_the_ledger_grows(demo: str, tmp_path: Path) -> None:
    asked = [
        (*command, MERCHANT, "--position", str(position), "--as-of", as_of)
        for command in (["replay"], ["explain"], ["history"])
        for position in (1, 100, 219, 226)
        for as_of in ("2022-10-20", "2022-12-17", "2023-02-01")
    ]
    before = [ask(*words) for words in asked]
    with open_store(demo) as store:
        late = [
            event("order.flagged", f"late-{n}", "2023-01-10T00:00:00+08:00", subject=MERCHANT, order=f"honest-{n}")
            for n in range(1, 30)
        ]
        for item in late:
            item["data"]["reason"] = "fake_trade"
        gone = event("event.retracted", "gone", "2023-01-10T00:00:00+08:00", subject=MERCHANT)
        gone["data"] = {"source": "urn:demo:shop", "event": "tea-house-opens", "reason": "never opened"}
        ingest_events(store, [*late, gone], tmp_path)
    run("policy", "adopt", "2022-10-26")
    assert [ask(*words) for words in asked] == before
    assert ask("replay", MERCHANT, *NOW)["state"] == "not_onboarded"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["replay", "explain", "history", "diff"])
def test_text_says_what_the_json_says_in_both_languages(command: str, demo: str) -> None:
    found = ask(command, MERCHANT, *NOW)
    for language, level in (("en", "Bronze Lv1"), ("zh", "铜Lv1")):
        text = run(command, MERCHANT, *NOW, "--lang", language)
        assert level in text and "{" not in text
        for name in ("verdicts", "notes"):
            for item in found.get(name, ()):
                assert f"{item['source']} {item['event']}" in text
    for name in found.get("assumed", ()):
        assert name in text


def test_each_word_is_in_both_languages() -> None:
    words = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in WORDS.glob("*.toml")}
    assert set(words) == {"en", "zh"}
    english, chinese = (_shape(words[language]) for language in ("en", "zh"))
    assert english == chinese


def _shape(value: Any) -> Any:
    """Keys, and the names that are filled in."""
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return len(value)
    return sorted(re.findall(r"\{(\w+)", value))


def test_answers_describe_every_key(demo: str) -> None:
    described = json.loads(run("answers", "--format", "json"))
    assert len(described) == 7 * len(SCHEMES)
    keys = {item["key"] for item in described["explain merchant-reputation"]["keys"]}
    assert {
        "published.decided.restated",
        "verdicts[].balance",
        "notes[].compared.what",
        "clauses[].rests_on[].status",
    } <= keys
    assert all(item["description"] for answer in described.values() for item in answer["keys"])
    assert "effective.since" in run("answers", "replay", "--scheme", "mcn-level")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["replay", "explain", "history", "diff"])
@pytest.mark.parametrize(
    ("subject", "scheme"),
    [
        (MERCHANT, "merchant-tier"),
        (RIVAL, "merchant-tier"),
        (LIN, "creator-level"),
        (WU, "creator-level"),
        (HARBOUR, "mcn-level"),
        (QUAY, "mcn-level"),
    ],
)
def test_answers_of_every_scheme_are_what_their_schemas_say(subject: str, scheme: str, command: str, demo: str) -> None:
    for as_of in ("2022-06-01", "2022-12-16", "2023-03-02", "2023-05-05", "2023-06-20"):
        found = ask(command, subject, "--scheme", scheme, "--as-of", as_of)
        assert found["scheme"] == scheme
        for language in ("en", "zh"):
            text = run(command, subject, "--scheme", scheme, "--as-of", as_of, "--lang", language)
            assert subject in text and "{" not in text
