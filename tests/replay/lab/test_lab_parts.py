"""Parts of a trial that can be checked by hand: moves, samples, thresholds, what differs, which policies judge."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from domain.calendar import instant_text, month_start, parse_instant, parse_month
from replay.history.timeline import Moment
from replay.lab.candidates import judges_since, with_candidates
from replay.lab.moves import DOWN, GAINED, LOST, OTHER, SAME, UP, LevelMove, Rung, move_between
from replay.lab.parameters import differing
from replay.lab.running import run_trial
from replay.lab.sampling import sample_of
from replay.lab.thresholds import thresholds_of, with_threshold
from replay.lab.trial import AskedTrial, trial_of
from replay.policies.catalog import Choice, shipped
from replay.replaying.base import Policies
from replay.schemes.registry import SCHEMES, Scheme
from replay.schemes.replaying import replay_subject
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.trying import ALL, IDS, stand_of
from tests.worlds.merchant_reputation import SHIPPED, levels, with_values
from tests.worlds.trials import folder_of, late_ledger, version

REPUTATION = SCHEMES["merchant-reputation"]
ABC, WITH_NEW = ("a", "b", "c"), ("new", "a", "b", "c")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Store]:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as opened:
        late_ledger(opened, 3, tmp_path, 400)
        yield opened


@pytest.mark.parametrize(
    ("before", "after", "move"),
    [
        (Rung("rated", "b", ABC), Rung("rated", "b", WITH_NEW), LevelMove(SAME, 0)),
        (Rung("rated", "a", ABC), Rung("rated", "c", ABC), LevelMove(UP, 2)),
        (Rung("rated", "c", ABC), Rung("rated", "b", ABC), LevelMove(DOWN, 1)),
        # A level that came in below the lowest: by numbers alone it would be as high.
        (Rung("rated", "a", ABC), Rung("rated", "new", WITH_NEW), LevelMove(DOWN, 1)),
        # One that the candidate has no more: by the baseline's order.
        (Rung("rated", "new", WITH_NEW), Rung("rated", "a", ABC), LevelMove(UP, 1)),
        (Rung("rated", "x", ("x",)), Rung("rated", "b", ABC), LevelMove(UP, 1)),
        (Rung("rated", "x", ("x",)), Rung("rated", "a", ABC), LevelMove(OTHER, 0)),
        (Rung("unrated", None, ABC), Rung("rated", "a", ABC), LevelMove(GAINED, 1)),
        (Rung("rated", "c", ABC), Rung("unrated", None, ABC), LevelMove(LOST, 3)),
        (Rung("gated", None, ABC), Rung("closed", None, ABC), LevelMove(OTHER, 0)),
    ],
)
def test_moves(before: Rung, after: Rung, move: LevelMove) -> None:
    assert move_between(before, after) == move


def test_what_differs_is_told_leaf_by_leaf() -> None:
    bounds = with_values(SHIPPED, levels=levels(10, 20))
    other = with_values(bounds, levels=levels(10, 25, 40), default_tenths=5)
    assert [item[0:4] for item in differing(bounds, other)] == [
        ("default_tenths", "", 7, 5),
        ("levels", "b.from_tenths", 20, 25),
        ("levels", "c", None, {"code": "c", "from_tenths": 40}),
    ]
    assert differing(other, other) == []


def test_thresholds_are_moved_one_by_one_where_a_policy_can_have_that() -> None:
    policy = with_values(SHIPPED, levels=levels(10, 11, 900), growth_caps=[{"from": ""}])
    found = {(item.parameter, item.path): item for item in thresholds_of(REPUTATION.replay, policy)}
    assert {path for name, path in found if name == "levels"} == {"a.from_tenths", "b.from_tenths", "c.from_tenths"}
    assert [found["levels", f"{code}.from_tenths"].step for code in "abc"] == [1, 1, 9]
    lowest = found["levels", "a.from_tenths"]
    assert with_threshold(policy, lowest, 11) is None, "it would be as high as the next"
    moved = with_threshold(policy, lowest, 9)
    assert moved is not None and [item[:4] for item in differing(policy, moved)] == [("levels", "a.from_tenths", 10, 9)]


def test_every_pattern_of_thresholds_is_in_a_shipped_policy() -> None:
    for scheme in ALL:
        found = [item for policy in shipped(scheme.code) for item in thresholds_of(scheme.replay, policy)]
        for pattern in scheme.replay.thresholds:
            assert any(item.parameter == pattern.partition("/")[0] for item in found), pattern


def test_a_sample_is_the_same_each_time_and_grows_by_subjects(ledger: Store) -> None:
    some = [sample_of(ledger, "creator", size) for size in (1, 2, 3, 9)]
    assert [sample.size for sample in some] == [1, 2, 3, 4] and {sample.of for sample in some} == {4}
    assert set(some[0].names) < set(some[1].names) < set(some[2].names)
    assert sample_of(ledger, "creator", 2) == some[1]
    assert sample_of(ledger, "creator", None).names == some[3].names


def test_a_candidate_judges_from_the_earliest_of_its_dates_and_the_first_month() -> None:
    old = with_values(SHIPPED, id="old", in_force_from="2020-01-01T00:00:00+08:00", recalculates_from=None)
    mid = with_values(old, id="mid", in_force_from="2022-03-10T00:00:00+08:00")
    begins = month_start(parse_month("2022-06"))

    def judging(begins: int | None, **dates: str | None) -> list[tuple[str, str]]:
        told: dict[str, str | None] = {"in_force_from": "2024-01-01T00:00:00+08:00", **dates}
        candidate = with_values(old, id="new", **told)
        found = with_candidates(Policies([old, mid]), REPUTATION, {REPUTATION.code: candidate}, begins).own
        assert begins is None or found[-1].in_force_from == judges_since(candidate, REPUTATION, begins) + 1
        return [(policy.id, instant_text(policy.in_force_from)[:7]) for policy in found[1:]]

    # Instants are told in UTC, an instant into the month of Shanghai.
    assert judging(begins) == [("mid", "2022-02"), ("new", "2022-05")]
    assert judging(begins, in_force_from="2022-04-20T00:00:00+08:00") == [("mid", "2022-02"), ("new", "2022-03")]
    assert judging(begins, recalculates_from="2022-02-01T00:00:00+08:00") == [("new", "2022-01")]
    assert judging(None) == []


@pytest.mark.parametrize("scheme", ALL, ids=IDS)
def test_at_one_moment_a_candidate_judges_alone(scheme: Scheme, ledger: Store, tmp_path: Path) -> None:
    """As `replay --policy` has it, by what was known then."""
    codes = (scheme.code, *scheme.rests_on)
    before = Choice(folder=folder_of([version(code, Random(1), "before") for code in codes], tmp_path / "before"))
    tried = version(scheme.code, Random(8), "tried", "2024-01-01T00:00:00Z")
    beside = [version(code, Random(1), "before") for code in scheme.rests_on]
    alone = Choice("tried", folder_of([tried, *beside], tmp_path / "alone"))
    trial = trial_of(ledger, {scheme.code: tried}, AskedTrial(scheme.code, as_of="2023-02-10"), before)
    cells = run_trial(ledger, trial).then.cells
    at = parse_instant("2023-02-10T23:59:59.999999+08:00")
    known = int(next(iter(ledger._query("SELECT count(*) FROM records WHERE recorded_at <= ?", (at,))))[0])
    found = []
    for name in sample_of(ledger, scheme.kind, None).names:
        sides = [replay_subject(ledger, name, Moment(at, 0, known), scheme.code, choice) for choice in (before, alone)]
        found.append((stand_of(sides[0]), stand_of(sides[1])))
    decided = sorted(pair for pair in found if not {pair[0][0], pair[1][0]} <= scheme.undecided)
    assert sorted((cell.before, cell.after) for cell in cells.elements()) == decided != []
