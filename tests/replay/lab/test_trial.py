"""Trials of policies against independent replays: cell by cell, at the position that was known, of every scheme."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from domain.calendar import month_start
from replay.columnar.seal import seal
from replay.lab import folding, running
from replay.lab.report import report_hash, report_json
from replay.lab.running import TrialResult, run_trial
from replay.lab.tally import Stand, Tally
from replay.lab.trial import AskedTrial, trial_of
from replay.policies.benefits import codes_of
from replay.policies.catalog import Choice
from replay.replaying.base import Replay
from replay.replaying.values import Instants
from replay.schemes.registry import SCHEMES, Scheme, answer_of
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.threads import ended_at_once, second_thread
from tests.support.trying import (
    ALL,
    FIRST,
    IDS,
    LAST,
    MONTHS,
    Tried,
    known_by,
    position_at,
    replays_of,
    stand_of,
    tried,
)
from tests.worlds.ledgers import World
from tests.worlds.merchant_reputation import with_values
from tests.worlds.trials import folder_of, late_ledger, learn, told_late, version


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Store]:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as opened:
        yield opened


def cells_of(tally: Tally, period: int) -> Counter[tuple[Stand, Stand]]:
    found: Counter[tuple[Stand, Stand]] = Counter()
    for cell, count in tally.cells.items():
        if cell.period == period:
            found[cell.before, cell.after] += count
    return found


def check_month(store: Store, made: Tried, tally: Tally, period: int, position: int) -> int:
    """Holds one month's cells, verdicts and benefits against single replays; how many subjects move in it."""
    month = MONTHS[period]
    before = replays_of(store, made.scheme, month, made.before, position)
    after = replays_of(store, made.scheme, month, made.after, position)
    pairs = [(stand_of(before[name]), stand_of(after[name])) for name in before]
    decided = [pair for pair in pairs if not {pair[0][0], pair[1][0]} <= made.scheme.undecided]
    assert cells_of(tally, period) == Counter(decided)
    counted = Instants(month_start(month), month_start(month + 1))
    for side, replays in (("baseline", before), ("candidate", after)):
        verdicts: Counter[str] = Counter()
        for replay in replays.values():
            verdicts.update(replay.verdict_counts(counted))
        del verdicts["not_used"]
        told = {word: count for (place, of, word), count in tally.verdicts.items() if (place, of) == (period, side)}
        assert told == {word: count for word, count in verdicts.items() if count}
    benefits: Counter[tuple[str, str]] = Counter()
    for name in before:
        was, now = held(before[name]), held(after[name])
        if {before[name].standing().state, after[name].standing().state} <= made.scheme.undecided:
            continue
        for what, codes in (("kept", was & now), ("gained", now - was), ("lost", was - now)):
            benefits.update((code, what) for code in codes)
    assert {key[1:]: n for key, n in tally.benefits.items() if key[0] == period and n} == dict(benefits)
    return sum(one != other for one, other in decided)


def held(replay: Replay) -> set[str]:
    """The benefits that its answer says are held."""
    found = answer_of(replay).own_json().get("benefits")
    return set(codes_of(found["held"])) if found else set()


def check(store: Store, made: Tried, result: TrialResult) -> int:
    moving = 0
    for period, month in enumerate(MONTHS):
        moving += check_month(store, made, result.then, period, position_at(store, known_by(made.scheme, month)))
        if result.now is not None:
            check_month(store, made, result.now, period, store.head().position)
    return moving


@pytest.mark.parametrize("scheme", ALL, ids=IDS)
def test_every_cell_is_that_of_independent_replays(scheme: Scheme, ledger: Store, tmp_path: Path) -> None:
    """Plain; of agencies the creators' candidate is tried, too. In some world somebody moves."""
    late_ledger(ledger, 3, tmp_path)
    moving = 0
    for seed in range(3 * SOAK):
        made = tried(ledger, scheme, seed, tmp_path, hindsight=True)
        moving += check(ledger, made, run_trial(ledger, made.trial))
    assert moving > 0


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ALL, ids=IDS)
def test_trials_in_bulk_are_plain_ones(
    scheme: Scheme, ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every cell of the report, of all subjects and of some; sealed or not. The head is where it was."""
    late_ledger(ledger, 5, tmp_path)
    for seed, sample in ((0, None), (1, 2), (2, None)):
        made = tried(ledger, scheme, seed, tmp_path, hindsight=True, sample=sample)
        head = ledger.head()
        plain = report_json(made.trial, run_trial(ledger, made.trial))
        with monkeypatch.context() as patched:
            patched.setattr(folding, "are_many", lambda _: True)
            patched.setattr(running, "second_core", second_thread)
            result = run_trial(ledger, made.trial)
            assert report_json(made.trial, run_trial(ledger, made.trial, workers=3)) == plain
        assert report_json(made.trial, result) == plain
        assert ledger.head() == head
        if seed == 1:
            seal(ledger, tmp_path / "ledger.db.segments")
        elif seed == 2:
            check(ledger, made, result)


@pytest.mark.slow
def test_processes_count_what_one_counts_and_what_one_of_them_leaves_the_first_counts(
    ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_ledger(ledger, 5, tmp_path)
    made = tried(ledger, SCHEMES["merchant-reputation"], 1, tmp_path, hindsight=True)
    plain = report_json(made.trial, run_trial(ledger, made.trial, sensitivity=True))
    monkeypatch.setattr(folding, "are_many", lambda _: True)
    assert report_json(made.trial, run_trial(ledger, made.trial, sensitivity=True, workers=2)) == plain
    own = running._counted_here
    counted = list[int]()

    def noted(source: Any, counting: Any, buckets: Any) -> Any:
        counted.extend(buckets)
        return own(source, counting, buckets)

    monkeypatch.setattr(running, "second_core", ended_at_once)
    monkeypatch.setattr(running, "_counted_here", noted)
    assert report_json(made.trial, run_trial(ledger, made.trial, sensitivity=True, workers=2)) == plain
    assert sorted(counted) == [*range(16)]


@pytest.mark.parametrize("scheme", ALL, ids=IDS)
def test_under_the_same_policy_nobody_moves(scheme: Scheme, ledger: Store, tmp_path: Path) -> None:
    late_ledger(ledger, 7, tmp_path)
    same = [version(code, Random(2), "same") for code in (scheme.code, *scheme.rests_on)]
    folder = Choice(folder=folder_of(same, tmp_path / "same"))
    for asked in (
        AskedTrial(scheme.code, FIRST, LAST),
        AskedTrial(scheme.code, as_of="2023-02-10"),
        AskedTrial(scheme.code),
    ):
        trial = trial_of(ledger, {policy.scheme: policy for policy in same}, asked, folder)
        # Another revision of the same content, so that both sides are judged.
        other = {code: with_values(policy, id="other") for code, policy in trial.candidates.items()}
        for candidates in (trial.candidates, other):
            report = report_json(trial, run_trial(ledger, trial_of(ledger, candidates, asked, folder)))
            found = report["result"]
            assert found["moves"]["same"] == found["cells"] > 0 == found["moving"] == found["subjects_moving"]
            assert all(item["baseline"] == item["candidate"] for item in found["verdicts"])
            assert not any(item["gained"] or item["lost"] for item in found["benefits"])
            assert found["movers"] == []


@pytest.mark.parametrize("scheme", ALL, ids=IDS)
def test_what_is_learned_later_changes_no_earlier_month(scheme: Scheme, ledger: Store, tmp_path: Path) -> None:
    """A ledger that goes on learning of all times: the cells of each month stay as they were."""
    pick, world = Random(4), World(4)
    told = told_late(world.events(700), pick)
    half = next(place for place, event in enumerate(told) if event["recordedtime"] > "2023-04-01")
    learn(ledger, told[:half], tmp_path)
    results = [run_trial(ledger, tried(ledger, scheme, 1, tmp_path / "one", hindsight=True).trial)]
    learn(ledger, told[half:], tmp_path)
    results.append(run_trial(ledger, tried(ledger, scheme, 1, tmp_path / "two", hindsight=True).trial))
    before, after = (result.then for result in results)
    assert before.cells == after.cells and before.verdicts == after.verdicts and before.benefits == after.benefits
    assert before.groups == after.groups and before.movers == after.movers
    hindsight = [result.now for result in results]
    assert hindsight[0] != hindsight[1], "what was learned later bears on these months"


def test_a_report_is_named_by_its_hash(ledger: Store, tmp_path: Path) -> None:
    late_ledger(ledger, 7, tmp_path)
    made = tried(ledger, SCHEMES["merchant-reputation"], 3, tmp_path)
    report = report_json(made.trial, run_trial(ledger, made.trial))
    again = report_json(made.trial, run_trial(ledger, made.trial))
    assert report == again and report["report"] == report_hash(report)
    assert report_hash(report | {"result": None}) != report["report"]
