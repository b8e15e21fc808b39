"""Decisions and their audit: runs, resumption, digests, and what the audit tells apart."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from eventsourcing.persistence import IntegrityError

from cli import main
from domain.calendar import parse_day, parse_month
from domain.events import DecisionsRun, LevelDecided
from domain.merchant_reputation.rule import take
from fixtures.demo import HARBOUR, LIN, MERCHANT, story
from replay.columnar import size
from replay.decisions import decide as deciding
from replay.decisions.adopt import adopt_all
from replay.decisions.application import Ledger
from replay.decisions.audit import as_decided
from replay.decisions.decide import decide, decided_events, decision_of, period_of
from replay.decisions.outcomes import SUBJECTS_AT_ONCE
from replay.errors import UsageError
from replay.history.readers import EVERYTHING_SHOWN
from replay.history.timeline import Moment
from replay.parsing.parse import read_line
from replay.recording.append import Appender, Stamp
from replay.replaying.outcomes import SubjectOutcome
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.registry import adopted_then, answer_of
from replay.store.base.store import Store
from replay.store.buyers import key_of
from replay.store.opening import create_store, open_store
from replay.store.queries import rows_of, tally
from tests import ROOT
from tests.conftest import SOAK
from tests.support.making import event, ingest_events, line, paid
from tests.support.running import run

MONTHS = {
    "merchant-reputation": "2022-11",
    "creator-level": "2023-04",
    "mcn-level": "2023-04",
    "leaderboard": "2023-04",
}


def ask(*words: str, status: int = 0) -> Any:
    return json.loads(run(*words, "--format", "json", status=status))


@pytest.fixture
def demo(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ledger of the demo's story, named by LEVELBOOK_STORE."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, story(), tmp_path, backfill=True)
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    return location


def decide_everything() -> None:
    for scheme, month in MONTHS.items():
        run("decide", scheme, "--month", month)
    run("decide", "merchant-tier", "--day", "2022-11-30")


def learn(location: str, folder: Path, *events: dict[str, Any]) -> None:
    with open_store(location) as store:
        ingest_events(store, events, folder)


@pytest.mark.slow
def test_every_scheme_is_decided_and_every_decision_is_reproduced(demo: str) -> None:
    decide_everything()
    found = ask("audit")
    assert (found["audited"], found["reproduced"], found["announced"]) == (9, 9, [])
    assert [(item["board"], item["outcome"]) for item in found["boards"]] == [
        ("comprehensive", "reproduced"),
        ("growth", "reproduced"),
    ]
    assert not any(item["restated"] for item in found["decisions"])
    (tier, reputation_) = sorted(ask("decided", MERCHANT), key=lambda item: str(item["level"]))
    assert (tier["scheme"], tier["period"], tier["level"], tier["score"]) == ("merchant-tier", "2022-11-30", "LV1", 1)
    assert (reputation_["level"], reputation_["score"]) == ("bronze-1", 507)
    assert reputation_["as_of"] == "2022-11-30T23:59:59.999999+08:00"
    (lin,) = ask("decided", LIN)
    assert (lin["level"], lin["score"], lin["as_of"]) == ("L5", 4 * 5 + 7, "2023-05-01T00:00:00+08:00")
    (harbour,) = ask("decided", HARBOUR)
    assert harbour["as_of"] == "2023-05-03T00:00:00+08:00"
    boards = ask("events", "board/comprehensive")
    assert [row["subject"] for row in boards[0]["event"]["data"]["rows"]] == [HARBOUR]
    assert "the ledger is sound" in run("verify")


def test_a_record_of_a_clock_that_was_wrong_blocks_no_decision(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    ahead = Stamp(store.now() + 3_600_000_000, backfill=False)
    with store.append() as transaction:
        appender = Appender(store.identity.id, key_of(store))
        appender.append(transaction, [read_line(line(paid("o-2")))], lambda _item, _last: ahead)
    month = ("decide", "merchant-reputation", "--month", "2022-12", "--store", store.location)
    assert "give --clock-behind" in run(*month, status=3)
    assert "merchant-reputation 2022-12: " in run(*month, "--clock-behind")
    assert "\nviews are not there: nothing to compare\n" in run("verify", "--store", store.location)


@pytest.mark.slow
def test_a_finished_run_is_reported_and_a_further_one_needs_a_reason(demo: str) -> None:
    first = ask("decide", "creator-level", "--month", "2023-04")
    again = ask("decide", "creator-level", "--month", "2023-04")
    assert (again["run"], again["already_finished"], again["decided"]) == (first["run"], True, first["decided"])
    run("decide", "creator-level", "--month", "2023-04", "--again", status=2)
    further = ask("decide", "creator-level", "--month", "2023-04", "--again", "--reason", "credit restored")
    assert further["run"] != first["run"] and further["position"] > first["position"]
    assert [item["as_decided"] for item in ask("decided", LIN)] == [False, True]
    assert ask("audit")["reproduced"] == 4


def test_a_period_that_is_not_due_or_of_the_wrong_kind_is_refused(demo: str) -> None:
    with open_store(demo) as store:
        for scheme, month, day, text in (
            ("creator-level", parse_month("2999-01"), None, "is not due before 2999-02-01T00:00:00"),
            ("mcn-level", parse_month("2999-01"), None, "is not due before 2999-02-03T00:00:00"),
            ("merchant-reputation", parse_month("2999-01"), None, "is not due before 2999-02-16T12:00:00"),
            ("merchant-tier", None, parse_day("2999-01-01"), "is not due before 2999-01-02T00:00:00"),
            ("merchant-tier", parse_month("2022-11"), None, " is decided by the day; give a period such as 2022-11-05"),
            ("creator-level", None, parse_day("2022-11-01"), " is decided by the month; give a period such as 2022-11"),
            ("luck", parse_month("2022-11"), None, "there is no scheme 'luck' of subjects; known are"),
        ):
            with pytest.raises(UsageError, match=text):
                period_of(store, scheme, month, day)
        period = period_of(store, "creator-level", parse_month("2023-04"), None)
        with pytest.raises(UsageError, match=r"--again asks for a further run, but .* has none before it"):
            decide(store, "creator-level", period, again="no reason")


def test_a_period_has_one_name_and_those_that_it_once_had(demo: str) -> None:
    named = [
        ask("decide", "merchant-reputation", option, "2022-11")["run"] for option in ("--period", "--month", "--period")
    ]
    assert len(set(named)) == 1
    assert ask("decide", "merchant-tier", "--period", "2022-11-30")["period"] == "2022-11-30"
    assert ask("decide", "merchant-tier", "--day", "2022-11-30")["already_finished"]
    wrong = run("decide", "merchant-tier", "--period", "2022-11-30", "--day", "2022-11-30", status=2)
    assert "--period and --day both name a period; give one of them" in wrong
    assert "give a month such as 2022-11" in run("decide", "creator-level", "--period", "2022", status=2)
    assert "give a day such as 2022-11-05" in run("audit", "--period", "2022-11-31", status=2)
    assert "--month" not in run("decide", "--help")


@pytest.mark.slow
def test_tiers_are_decided_where_they_differ_from_the_last_decision(demo: str, tmp_path: Path) -> None:
    assert ask("decide", "merchant-tier", "--day", "2022-11-30")["decided"] == 1
    assert ask("decide", "merchant-tier", "--day", "2022-12-01")["decided"] == 0
    notice = event("merchant.tier_set", "notice", "2022-12-02T09:00:00+08:00", subject=MERCHANT, level="LV3")
    learn(demo, tmp_path, notice)
    assert ask("decide", "merchant-tier", "--day", "2022-12-02")["decided"] == 1
    assert [item["level"] for item in ask("decided", MERCHANT)] == ["LV1", "LV3"]


@pytest.mark.slow
def test_what_is_learned_later_restates_a_level_and_leaves_its_decision_standing(demo: str, tmp_path: Path) -> None:
    decide_everything()
    flags = [
        event("order.flagged", f"late-{n}", "2023-06-01T00:00:00+08:00", subject=MERCHANT, order=f"honest-{n}")
        | {"data": {"order": f"honest-{n}", "reason": "fake_trade"}}
        for n in range(1, 60)
    ]
    learn(demo, tmp_path, *flags)
    found = ask("audit", "--subject", MERCHANT, "--scheme", "merchant-reputation")
    (item,) = found["decisions"]
    assert (item["outcome"], item["restated"], item["decided"]["level"]) == ("reproduced", True, "bronze-1")
    steps = {step["step"]: step for step in item["since"]}
    assert steps["corrections_learned"]["events"] > 0 and steps["events_learned"]["events"] == 0
    assert "as known now" in run("audit")
    shown = ask("replay", MERCHANT, "--as-of", "2022-12-16")["published"]["decided"]
    assert shown["restated"] is True


@pytest.mark.slow
def test_an_announced_level_that_is_neither_decided_nor_replayed_is_told(demo: str, tmp_path: Path) -> None:
    def announced(name: str, subject: str, scheme: str, period: str, level: str | None) -> dict[str, Any]:
        told = event("level.announced", name, "2023-06-01T00:00:00+08:00", subject=subject)
        return told | {"data": {"scheme": scheme, "period": period, "level": level}}

    learn(
        demo,
        tmp_path,
        announced("right", MERCHANT, "merchant-reputation", "2022-11", "bronze-1"),
        announced("wrong", MERCHANT, "merchant-reputation", "2022-10", "gold-1"),
        announced("day", MERCHANT, "merchant-tier", "2022-11-30", "LV1"),
        announced("creator", LIN, "creator-level", "2023-04", "L7"),
        announced("last-day", MERCHANT, "merchant-tier", "9999-12-31", "LV1"),
        announced("last-month", MERCHANT, "merchant-reputation", "9999-12", "gold-1"),
    )
    decide_everything()
    told = ask("audit", status=1)["announced"]
    assert [
        (item["subject"], item["period"], item["announced"], item["decided"], item["replayed"]) for item in told
    ] == [
        (MERCHANT, "2022-10", "gold-1", None, "bronze-1"),
        (MERCHANT, "9999-12-31", "LV1", None, None),
        (MERCHANT, "9999-12", "gold-1", None, None),
        (LIN, "2023-04", "L7", "L5", "L5"),
    ]


@pytest.mark.slow
def test_other_arithmetic_is_told_from_other_facts(demo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decide_everything()

    def generous(fact: Any, settled: int, account: Any, book: Any, rules: Any) -> Any:
        return take(fact, settled, account, book, rules._replace(pair_cap_tenths=rules.pair_cap_tenths + 10))

    monkeypatch.setattr("domain.merchant_reputation.running.take", generous)
    found = ask("audit", "--scheme", "merchant-reputation", status=1)
    by_subject = {item["subject"]: item for item in found["decisions"]}
    assert by_subject[MERCHANT]["outcome"] == "other_arithmetic"
    assert by_subject[MERCHANT]["replayed"]["score"] == 517
    digests = by_subject[MERCHANT]["digests"]
    assert digests["decided"]["facts"] == digests["replayed"]["facts"]
    assert digests["decided"]["findings"] != digests["replayed"]["findings"]
    assert by_subject["merchant/tea-stall"]["outcome"] == "reproduced"
    assert by_subject["merchant/tea-stall"]["digests"] is None


def test_other_facts_are_told_from_other_arithmetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, story(), tmp_path, backfill=True)
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    decide_everything()
    forger = sqlite3.connect(location)
    forger.execute("DROP TRIGGER records_never_updated")
    forger.execute(
        "UPDATE records SET record = CAST(replace(CAST(record AS TEXT), '\"quality\":5', '\"quality\":1') AS BLOB)"
        " WHERE event_id = 'rev-honest-1'"
    )
    forger.commit()
    forger.close()
    found = ask("audit", "--subject", MERCHANT, status=1)
    assert {item["scheme"]: item["outcome"] for item in found["decisions"]} == {
        "merchant-reputation": "other_facts",
        "merchant-tier": "other_facts",
    }
    assert all(
        item["digests"]["decided"]["facts"] != item["digests"]["replayed"]["facts"] for item in found["decisions"]
    )


@pytest.mark.parametrize("changed", [None, "facts", "findings"])
def test_digests_of_form_1_are_verified_for_ever(
    changed: str | None, demo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As earlier versions wrote them: over the leaf hashes of what took part, over verdicts and figures as JSON."""

    def as_before(run: DecisionsRun, outcome: SubjectOutcome, facts: str) -> LevelDecided:
        made = decision_of(run, outcome, facts)
        with open_store(demo) as store:
            replay = as_decided(store, outcome.subject, made)
            rows = {row.position: row.record for row in rows_of(store, outcome.subject)}
        leaves = [sha256(b"\0" + rows[event.position]).digest() for event in replay.took_part]
        verdicts = [
            [replay.events[item.position].source, replay.events[item.position].id, item.verdict, item.tenths]
            for item in replay.judged
        ]
        told = answer_of(replay)
        figures = {**told.standing_json(), **told.figures_json()}
        text = json.dumps([verdicts, figures], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digests = {"facts": sha256(b"".join(leaves)).hexdigest(), "findings": sha256(text.encode()).hexdigest()}
        return msgspec.structs.replace(made, digest_v=1, **digests | ({} if changed is None else {changed: 64 * "0"}))

    monkeypatch.setattr(deciding, "decision_of", as_before)
    run("decide", "creator-level", "--month", "2023-04")
    outcomes = {item["outcome"] for item in ask("audit", status=0 if changed is None else 1)["decisions"]}
    assert outcomes == {{None: "reproduced", "facts": "other_facts", "findings": "other_arithmetic"}[changed]}


# --- interrupted runs -------------------------------------------------------------------------------------------------


def many(folder: Path, subjects: int) -> str:
    """A ledger of many merchants, each rated."""
    location = str(folder / "many.db")
    create_store(location)
    events: list[dict[str, Any]] = []
    for n in range(subjects):
        subject = f"merchant/m-{n:05}"
        events.append(
            event("merchant.onboarded", f"on-{n}", "2022-10-01T00:00:00+08:00", subject=subject, category="tea")
        )
        events.append(paid(f"o-{n}", subject=subject))
        events.append(
            event("review.posted", f"rev-{n}", "2022-11-02T00:00:00+08:00", subject=subject, order=f"o-{n}", quality=5)
        )
    with open_store(location) as store:
        ingest_events(store, events, folder)
    return location


def runs_of(store: Store) -> dict[str, list[str]]:
    subjects = [f"merchant/m-{n:05}" for n in range(3 * SUBJECTS_AT_ONCE)]
    return {
        subject: [decision.run for _, decision in decided_events(store, subject, EVERYTHING_SHOWN)]
        for subject in subjects
    }


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(3 * SOAK))
def test_a_killed_run_is_resumed_with_its_own_values(attempt: int, tmp_path: Path) -> None:
    location = many(tmp_path, 3 * SUBJECTS_AT_ONCE)
    words = [sys.executable, "-m", "cli", "decide", "merchant-reputation", "--month", "2022-11", "--store", location]
    chance = random.Random(attempt)
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(chance.uniform(0.2, 0.8))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with open_store(location) as store:  # something is learned in between: the run does not see it
        late = paid("late", subject="merchant/m-00001")
        ingest_events(store, [late], tmp_path)
        begun = Ledger(store).decision_book().runs
    found = json.loads(CliRunner().invoke(main, [*words[3:], "--format", "json"]).output)
    assert found["decided"] == 3 * SUBJECTS_AT_ONCE
    if begun:
        assert (found["run"], found["position"]) == (begun[0].run, begun[0].position)
    with open_store(location) as store:
        assert set(map(tuple, runs_of(store).values())) == {(found["run"],)}, "each subject once"
    audited = json.loads(CliRunner().invoke(main, ["audit", "--store", location, "--format", "json"]).output)
    assert audited["reproduced"] == audited["audited"] == 3 * SUBJECTS_AT_ONCE


IN_BULK = (
    "from replay.columnar import size; from replay.decisions import decide; from cli import main;"
    "size.MANY_RECORDS = size.MANY_RECORDS_TO_COMPILE = 0; decide.DECISIONS_AT_ONCE = 20; main()"
)
"""A process in which every run is one of many records, and records few decisions at a time."""


@pytest.mark.slow
@pytest.mark.kills
def test_a_run_in_bulk_that_was_killed_is_resumed_with_its_own_values(tmp_path: Path) -> None:
    location = many(tmp_path, 3 * SUBJECTS_AT_ONCE)
    words = ["decide", "merchant-reputation", "--month", "2022-11", "--store", location]
    process = subprocess.Popen([sys.executable, "-c", IN_BULK, *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    with open_store(location) as store:
        while tally(store).get("level.decided", 0) == 0:
            assert process.poll() is None, "it has decided before it ends"
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert 0 < tally(store)["level.decided"] < 3 * SUBJECTS_AT_ONCE
        ingest_events(store, [paid("late", subject="merchant/m-00001")], tmp_path)
        (begun,) = Ledger(store).decision_book().runs
    resumed = subprocess.run(
        [sys.executable, "-c", IN_BULK, *words, "--format", "json"], cwd=ROOT, capture_output=True, check=True
    )
    found = json.loads(resumed.stdout)
    assert (found["run"], found["position"], found["resumed"]) == (begun.run, begun.position, True)
    assert found["decided"] == 3 * SUBJECTS_AT_ONCE
    with open_store(location) as store:
        assert set(map(tuple, runs_of(store).values())) == {(begun.run,)}, "each subject once"
    audited = ask("audit", "--store", location)
    assert audited["reproduced"] == audited["audited"] == 3 * SUBJECTS_AT_ONCE


def test_a_stream_that_moves_on_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = many(tmp_path, 3)
    saved = Ledger.save
    moved: list[bool] = []

    def save(self: Ledger, *objs: Any, **rest: Any) -> Any:
        if not moved and any(item.id == "merchant/m-00001" for item in objs):
            moved.append(True)
            with open_store(location) as other:
                ingest_events(other, [paid("between", subject="merchant/m-00001")], tmp_path)
        return saved(self, *objs, **rest)

    monkeypatch.setattr(Ledger, "save", save)
    assert ask("decide", "merchant-reputation", "--month", "2022-11", "--store", location)["decided"] == 3
    assert moved and ask("audit", "--store", location)["reproduced"] == 3


def test_an_empty_ledger_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create_store("levelbook.db")
    assert "holds no record; there is nothing to decide" in run(
        "decide", "creator-level", "--month", "2023-04", status=2
    )
    assert ask("audit") == {"audited": 0, "reproduced": 0, "decisions": [], "boards": [], "announced": []}


def test_streams_that_always_move_on_end_a_run_that_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = many(tmp_path, 2)
    saved = Ledger.save

    def save(self: Ledger, *objs: Any, **rest: Any) -> Any:
        if any(item.id.startswith("merchant/") for item in objs):
            raise IntegrityError("moved on")
        return saved(self, *objs, **rest)

    words = ("decide", "merchant-reputation", "--month", "2022-11", "--store", location)
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "save", save)
        assert " move on faster than they are decided" in run(*words, status=3)
    found = ask(*words)
    assert (found["resumed"], found["decided"]) == (True, 2)


def test_a_further_run_passes_one_that_cannot_be_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = many(tmp_path, 2)
    words = ("decide", "merchant-reputation", "--month", "2022-11", "--store", location)
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "subjects", lambda *_: (_ for _ in ()).throw(UsageError("broken")))
        run(*words, status=2)
    further = ask(*words, "--again", "--reason", "the first was broken")
    assert (further["resumed"], further["decided"]) == (False, 2)
    same = ask(*words, "--again", "--reason", "the first was broken")
    assert same["run"] != further["run"], "a finished one is asked for again"
    with open_store(location) as store:
        assert len(Ledger(store).decision_book().runs) == 3


def test_what_was_never_adopted_decides_nothing(tmp_path: Path) -> None:
    location = many(tmp_path, 1)
    with (
        open_store(location) as store,
        pytest.raises(UsageError, match="no policy of merchant-reputation was adopted up to position 3"),
    ):
        adopted_then(store, ReputationReplay, Moment(store.now(), store.now(), 3))


def test_two_runs_at_once_end_in_a_clear_line_and_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = many(tmp_path, 50)
    words = [sys.executable, "-m", "cli", "decide", "merchant-reputation", "--month", "2022-11", "--store", location]
    started = [
        subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in started:
        _, errors = process.communicate()
        assert process.returncode in (0, 3) and "Traceback" not in errors, errors
        assert process.returncode == 0 or "another run is deciding at the same time" in errors
    assert ask(*words[3:])["decided"] == 50
    found = ask("audit", "--store", location)
    assert found["reproduced"] == found["audited"] == 50
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "adopt_first", lambda *_, **__: (_ for _ in ()).throw(IntegrityError("moved on")))
        again = [*words[3:], "--again", "--reason", "once more"]
        assert "another run is deciding at the same time" in run(*again, status=3)


def test_a_run_that_another_process_has_begun_meanwhile_is_not_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("decide", "merchant-reputation", "--month", "2022-11", "--store", many(tmp_path, 2))
    others: list[str] = []

    def adopting(*asked: Any) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(deciding, "adopt_all", adopt_all)
            others.append(run(*words))
        adopt_all(*asked)

    monkeypatch.setattr(deciding, "adopt_all", adopting)
    assert "another run is deciding at the same time" in run(*words, status=3)
    assert "2 decisions" in others[0]
    assert ask("audit", "--store", words[-1])["audited"] == 2


def test_what_cannot_judge_begins_no_run(demo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise UsageError("cannot judge")

    with monkeypatch.context() as patched:
        patched.setattr(ReputationReplay, "load", fail)
        run("decide", "merchant-reputation", "--month", "2022-11", status=2)
    with open_store(demo) as store:
        assert Ledger(store).decision_book().runs == []


@pytest.mark.slow
def test_of_a_day_without_a_change_the_decision_before_it_stands(demo: str, tmp_path: Path) -> None:
    for day in ("2022-11-30", "2022-12-05"):
        run("decide", "merchant-tier", "--day", day)
    asked = ("appeal", MERCHANT, "--scheme", "merchant-tier", "--day", "2022-12-05")
    before = ask(*asked)["decided"]
    assert (before["level"], before["as_of"], before["outcome"]) == (
        "LV1",
        "2022-12-05T23:59:59.999999+08:00",
        "reproduced",
    )
    assert ask("appeal", MERCHANT, "--scheme", "merchant-tier", "--day", "2022-12-06")["decided"] is None
    told = event("level.announced", "told", "2022-12-06T09:00:00+08:00", subject=MERCHANT)
    told["data"] = {"scheme": "merchant-tier", "period": "2022-12-05", "level": "LV1"}
    notice = event("merchant.tier_set", "late", "2022-12-02T09:00:00+08:00", subject=MERCHANT, level="LV3")
    learn(demo, tmp_path, told, notice)
    assert ask("audit")["announced"] == [], "what was announced is what was decided"
    found = ask(*asked)
    assert (found["decided"]["level"], found["now"]["level"]) == ("LV1", "LV3")


@pytest.mark.slow
def test_of_a_day_without_a_change_what_stands_is_the_latest_decision_before_it_that_its_run_knew(
    demo: str, tmp_path: Path
) -> None:
    """The day before is decided again: the day's own run is held to it only once it is made again, too."""
    early, late = ("decide", "merchant-tier", "--day", "2022-11-30"), ("decide", "merchant-tier", "--day", "2022-12-05")
    told = event("level.announced", "told", "2022-12-06T09:00:00+08:00", subject=MERCHANT)
    told["data"] = {"scheme": "merchant-tier", "period": "2022-12-05", "level": "LV1"}
    notice = event("merchant.tier_set", "late", "2022-11-29T09:00:00+08:00", subject=MERCHANT, level="LV3")
    asked = ("appeal", MERCHANT, "--scheme", "merchant-tier", "--day", "2022-12-05")
    run(*early)
    run(*late)
    learn(demo, tmp_path, told, notice)
    run(*early, "--again", "--reason", "a notice came late")
    assert ask(*asked)["decided"]["level"] == "LV1" and ask("audit")["announced"] == []
    run(*late, "--again", "--reason", "a notice came late")
    found = ask(*asked)["decided"]
    assert (found["level"], found["as_of"], found["outcome"]) == (
        "LV3",
        "2022-12-05T23:59:59.999999+08:00",
        "reproduced",
    )
    (announced,) = ask("audit", status=1)["announced"]
    assert (announced["announced"], announced["decided"], announced["replayed"]) == ("LV1", "LV3", "LV3")


def test_a_retracted_announcement_was_never_made(demo: str, tmp_path: Path) -> None:
    told = event("level.announced", "typo", "2022-12-16T12:00:00+08:00", subject=MERCHANT)
    told["data"] = {"scheme": "merchant-reputation", "period": "2022-11", "level": "gold-1"}
    wrong = event("level.announced", "odd", "2022-12-16T12:00:00+08:00", subject=MERCHANT)
    wrong["data"] = {"scheme": "creator-level", "period": "2022-11", "level": None}
    learn(demo, tmp_path, told, wrong)
    first = ask("audit", status=1)["announced"]
    assert [(item["announced"], item["can_be_replayed"]) for item in first] == [("gold-1", True), (None, False)]
    assert [item["as_known_then"] and item["as_known_then"]["level"] for item in first] == ["bronze-1", None]
    gone = event("event.retracted", "gone", "2022-12-16T12:02:00+08:00", subject=MERCHANT)
    gone["data"] = {"source": "urn:test", "event": "typo", "reason": "typo"}
    learn(demo, tmp_path, gone)
    assert [item["announced"] for item in ask("audit", status=1)["announced"]] == [None]


def test_an_audit_tells_no_level_from_no_decision(demo: str, tmp_path: Path) -> None:
    """Gated is decided as no level; and an announced level that is neither decided nor replayed ends with 1."""
    told = event("level.announced", "told", "2023-06-02T12:00:00+08:00", subject=LIN)
    told["data"] = {"scheme": "creator-level", "period": "2023-05", "level": "L6"}
    learn(demo, tmp_path, told)
    asked = ("audit", "--subject", LIN)
    (before,) = ask(*asked, status=1)["announced"]
    assert (before["decided"], before["decided_state"]) == (None, None)
    assert "decided: nothing;" in run(*asked, status=1)
    run("decide", "creator-level", "--month", "2023-05")
    (after,) = ask(*asked, status=1)["announced"]
    assert (after["decided"], after["decided_state"], after["replayed_state"]) == (None, "gated", "gated")
    assert after["as_known_then"] == {"state": "gated", "level": None}
    line = run(*asked, status=1)
    assert "announced L6; as known when announced: gated, no level; decided: gated, no level;" in line
    assert "1 announced otherwise than decided and than replayed" in line


@pytest.mark.slow
def test_a_decided_board_stands_when_the_board_is_restated(demo: str, tmp_path: Path) -> None:
    run("decide", "leaderboard", "--month", "2023-04")
    asked = ("leaderboard", "comprehensive", "--month", "2023-04")
    assert ask(*asked)["decided"]["restated"] is False
    more = event("sale.settled", "more", "2023-04-29T09:00:00+08:00", subject=LIN, order="more", amount=10**9)
    more["data"] |= {"good_goods": True, "channel": "showcase"}
    learn(demo, tmp_path, more)
    found = ask(*asked)
    assert found["decided"]["restated"] is True and "RESTATED" in run(*asked)
    assert found["rows"][0]["settled"] == found["decided"]["rows"][0]["settled"] + 10**9
    assert ask("audit", "--scheme", "leaderboard")["reproduced"] == 2


@pytest.mark.slow
def test_a_board_of_many_records_is_read_from_the_segments_that_were_named(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("leaderboard", "comprehensive", "--month", "2023-04")
    plain, named = ask(*asked), tmp_path / "named"
    monkeypatch.setattr(size, "MANY_RECORDS", 0)
    monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
    run("seal", "--segments", str(named))
    assert ask(*asked, "--segments", str(named)) == plain
    (named / "manifest.json").write_text("none")
    assert f"the segment file {named / 'manifest.json'} cannot be read" in run(
        *asked, "--segments", str(named), status=3
    )


# --- in words ---------------------------------------------------------------------------------------------------------


def test_boards_decisions_and_audits_are_told_in_the_language_that_was_asked_for(
    demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide_everything()
    flag = event("order.flagged", "late", "2023-06-01T00:00:00+08:00", subject=MERCHANT)
    learn(demo, tmp_path, flag | {"data": {"order": "honest-1", "reason": "fake_trade"}})
    asked: dict[tuple[str, ...], tuple[str, str]] = {
        ("decided", MERCHANT): (
            "merchant-reputation 2022-11: rated, Bronze Lv1 (bronze-1), 50.7 points  ",
            "商家信誉等级（merchant-reputation） 2022-11：已定级，铜Lv1（bronze-1），50.7 分  ",
        ),
        ("decided", MERCHANT, "--scheme", "merchant-tier"): ("findings ", "判定摘要 "),
        ("audit",): (" of 9 decisions are reproduced\n", "9 项认定中有 "),
        ("audit", "--scheme", "merchant-reputation"): (
            "  as known now: rated, Bronze Lv1 (bronze-1)",
            "  按现在所知：已定级，铜Lv1（bronze-1）",
        ),
        ("leaderboard", "comprehensive", "--month", "2023-04"): (
            "comprehensive board of 2023-04, by ",
            "2023-04 综合榜，按",
        ),
        ("leaderboard", "growth", "--month", "2023-04"): (": the same\n", "所知：一致\n"),
    }
    for words, (english, chinese) in asked.items():
        assert english in run(*words), words
        told = run(*words, "--lang", "zh")
        assert chinese in told and english not in told, words
    words = ("decided", MERCHANT)
    assert ask(*words, "--lang", "zh") == ask(*words), "JSON is the same in every language"
    monkeypatch.setenv("LEVELBOOK_LANGUAGE", "zh")
    assert asked[words][1] in run(*words)
