"""What hangs on thresholds, against trials of policies that differ in one, and against each subject's own figures."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from domain.policy import Policy
from replay.columnar import size
from replay.lab import folding, sensitivity, thresholds
from replay.lab.moves import SAME, Rung, move_between
from replay.lab.report import report_json
from replay.lab.running import run_trial
from replay.lab.sensitivity import HIGHER, LOWER, sensitivity_of
from replay.lab.thresholds import Threshold, with_threshold
from replay.lab.trial import AskedTrial, trial_of
from replay.policies.catalog import Choice, shipped
from replay.policies.reading import read_folder
from replay.replaying.base import Replay
from replay.replaying.values import SCORE
from replay.schemes.registry import SCHEMES, Scheme
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.making import event
from tests.support.trying import ALL, BEGINS, IDS, MONTHS, Tried, known_by, position_at, replays_of, tried
from tests.worlds.merchant_reputation import with_values
from tests.worlds.trials import folder_of, late_ledger, learn


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Store]:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as opened:
        yield opened


def value_of(replay: Replay, threshold: Threshold) -> Fraction | None:
    """What a subject has to hold against a threshold."""
    measure, standing = threshold.measure, replay.standing()
    if measure is None or (measure.of_level and standing.level != threshold.level):
        return None
    if measure.numerator == SCORE:
        return None if replay.score is None else Fraction(replay.score)
    figures = replay.decided_figures
    if not figures:
        return None
    of = 1 if measure.denominator is None else figures[measure.denominator]
    return Fraction(figures[measure.numerator] * measure.scale, of) if of else None


@pytest.mark.parametrize("scheme", ALL, ids=IDS)
def test_a_step_is_a_trial_of_its_own(
    scheme: Scheme, ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of some thresholds: who moves is who stands elsewhere when the changed policy judges in the candidate's place.

    Steps are so long that somebody is near.
    """
    monkeypatch.setattr(thresholds, "STEPS_IN_A_THRESHOLD", 1)
    late_ledger(ledger, 3, tmp_path)
    seen = Counter[str]()
    for seed in range(2):
        made = tried(ledger, scheme, seed, tmp_path)
        result = run_trial(ledger, made.trial, sensitivity=True)
        found, candidate = result.hanging, made.trial.candidates[scheme.code]
        assert found is not None and result.thresholds
        last, number = MONTHS[-1], 0
        position = position_at(ledger, known_by(scheme, last))
        replays = replays_of(ledger, scheme, last, made.after, position)
        out = scheme.undecided | scheme.replay.unmeasured
        judged = [replay for replay in replays.values() if replay.standing().state not in out]
        for place, threshold in enumerate(result.thresholds):
            values = [value for replay in judged if (value := value_of(replay, threshold)) is not None]
            low, high = threshold.value - threshold.step, threshold.value + threshold.step
            assert found.near[place, "below"] == sum(low <= value < threshold.value for value in values)
            assert found.near[place, "above"] == sum(threshold.value <= value <= high for value in values)
            seen["near"] += found.near[place, "below"] + found.near[place, "above"]
        for place in Random(seed).sample(range(len(result.thresholds)), min(4, len(result.thresholds))):
            threshold = result.thresholds[place]
            for way, sign in ((LOWER, -1), (HIGHER, 1)):
                other = with_threshold(candidate, threshold, threshold.value + sign * threshold.step)
                assert ((place, way) in found.tried) == (other is not None)
                if other is None:
                    continue
                number += 1
                choice = with_candidate(made, other, tmp_path / f"step-{seed}-{number}")
                stepped = replays_of(ledger, scheme, last, choice, position)
                ways = Counter(way_between(replays[name], stepped[name]) for name in replays)
                del ways[SAME]
                assert {move: n for (at, to, move), n in found.moving.items() if (at, to) == (place, way)} == ways
                seen["moving"] += ways.total()
    assert seen["near"] > 0


def way_between(one: Replay, other: Replay) -> str:
    rungs = [Rung(*of.standing()[:2], tuple(of.level_codes(of.policy))) for of in (one, other)]
    return move_between(*rungs).way


def with_candidate(made: Tried, candidate: Policy, folder: Path) -> Choice:
    """The choice by which single replays judge with another candidate."""
    assert made.after.folder is not None
    others = [
        item for item in read_folder(made.after.folder) if (item.scheme, item.id) != (candidate.scheme, candidate.id)
    ]
    return Choice(folder=folder_of([*others, with_values(candidate, in_force_from=BEGINS)], folder))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ALL, ids=IDS)
def test_in_bulk_the_same_hangs(scheme: Scheme, ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late_ledger(ledger, 3, tmp_path, 400)
    made = tried(ledger, scheme, 1, tmp_path)
    plain = report_json(made.trial, run_trial(ledger, made.trial, sensitivity=True))
    monkeypatch.setattr(folding, "are_many", lambda _: True)
    assert report_json(made.trial, run_trial(ledger, made.trial, sensitivity=True)) == plain


def test_of_many_records_some_subjects_are_asked(
    ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_ledger(ledger, 3, tmp_path, 400)
    made = tried(ledger, SCHEMES["creator-level"], 1, tmp_path)
    whole = sensitivity_of(ledger, made.trial)
    assert whole.names == made.trial.sample.names
    monkeypatch.setattr(sensitivity, "PLAIN_RECORDS", 400)
    some = sensitivity_of(ledger, made.trial)
    assert some.names < whole.names and some.steps and len(some.names) == 1
    report = report_json(made.trial, run_trial(ledger, made.trial, sensitivity=True))["sensitivity"]
    assert report["subjects"] <= 1 and report["of"] == len(whole.names)


def test_whether_loops_are_at_hand_changes_no_sample(
    ledger: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_ledger(ledger, 3, tmp_path, 400)
    made = tried(ledger, SCHEMES["creator-level"], 1, tmp_path)

    def asked(records: int, at_hand: bool) -> frozenset[str]:
        monkeypatch.setattr(sensitivity, "records_of", lambda *_: records)
        monkeypatch.setattr(size, "is_at_hand", lambda: at_hand)
        return sensitivity_of(ledger, made.trial).names

    for records in (size.MANY_RECORDS, size.MANY_RECORDS_TO_COMPILE):
        assert asked(records, False) == asked(records, True)
    assert asked(size.MANY_RECORDS, True) < asked(100, True) == made.trial.sample.names


def test_a_novice_is_near_no_threshold(ledger: Store, tmp_path: Path) -> None:
    """Onboarded in December, with the 80 points of credit that are needed: a novice until January, none in February."""
    known = {"subject": "mcn/a-1", "recordedtime": "2022-12-07T10:00:00+08:00"}
    joined = event("mcn.onboarded", "joined", "2022-12-05T10:00:00+08:00", **known)
    lost = event("credit.deducted", "lost", "2022-12-06T10:00:00+08:00", violation="v", points=40, **known)
    learn(ledger, [joined, lost], tmp_path)
    (candidate,) = shipped("mcn-level")

    def near(month: str) -> dict[str, int]:
        trial = trial_of(ledger, {"mcn-level": candidate}, AskedTrial("mcn-level", month, month))
        result = run_trial(ledger, trial, sensitivity=True)
        assert result.hanging is not None
        return {result.thresholds[place].path: count for (place, _), count in result.hanging.near.items() if count}

    assert near("2022-12") == near("2023-01") == {}
    assert near("2023-02")["credit_min"] == 1
