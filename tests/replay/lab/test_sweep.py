"""Each cell of a sweep is what single replays give under its own candidate, whatever else is in the grid."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from domain.calendar import parse_instant
from domain.policy import Policy
from replay.errors import UsageError
from replay.history.timeline import Moment
from replay.lab import folding, sweep
from replay.lab.moves import Rung, move_between
from replay.lab.sweep import CellCount, SweepResult, axes_of, cells_of, check_count, run_sweep, sweep_json
from replay.lab.trial import AskedTrial, PolicyTrial, trial_of
from replay.policies.catalog import Choice, shipped
from replay.replaying.base import Replay
from replay.schemes.registry import SCHEMES, choose, choose_where_given
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.policies import toml_of
from tests.support.running import run
from tests.worlds.ledgers import SCHEMES as CODES
from tests.worlds.ledgers import revised
from tests.worlds.trials import late_ledger

AS_OF = "2023-05-20"
SETTINGS = {
    "merchant-reputation": ("default_tenths=1..7:3", "levels.b.from_tenths=9..15:3"),
    "merchant-tier": ("window_days=3..9:3",),
    "creator-level": ("gates.days=0..60:30",),
    "creator-firefly": ("levels.firefly-2.from_points=1..9:2", "levels.firefly-3.from_points=8..10:2"),
    "mcn-level": ("observation.service_min=0..90:30",),
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Store]:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as opened:
        late_ledger(opened, 3, tmp_path)
        yield opened


def made(store: Store, code: str, settings: tuple[str, ...]) -> tuple[PolicyTrial, SweepResult, list[Policy | None]]:
    policy = revised(code, 2)
    trial = trial_of(store, {code: policy}, AskedTrial(code, as_of=AS_OF))
    cells = list(cells_of(policy, axes_of(policy, settings)))
    return trial, run_sweep(store, trial, cells), [cell.policy for cell in cells]


def replays(store: Store, code: str, moment: Moment, given: tuple[Policy, ...]) -> dict[str, Replay]:
    scheme = SCHEMES[code]
    chosen = choose_where_given(store, scheme.replay, moment, Choice(given=given)) if given else None
    judging = chosen or choose(store, scheme.replay, moment)
    names = [
        row[0] for row in store._query("SELECT DISTINCT stream FROM records WHERE stream LIKE ?", (f"{scheme.kind}/%",))
    ]
    known = {name: scheme.replay.load(store, name, moment.position) for name in names}
    return {name: scheme.replay(name, events, moment, judging) for name, events in known.items()}


def rung(replay: Replay) -> Rung:
    return Rung(*replay.standing()[:2], tuple(replay.level_codes(replay.policy)))


@pytest.mark.parametrize("code", CODES)
def test_each_cell_is_what_replays_give_under_it(code: str, ledger: Store) -> None:
    trial, result, policies = made(ledger, code, SETTINGS[code])
    moment, seen = trial.periods[0].then.moment, set()
    assert moment.as_of == parse_instant(f"{AS_OF}T23:59:59.999999+08:00")
    before = {name: rung(found) for name, found in replays(ledger, code, moment, ()).items()}
    for policy, count in zip(policies, result.counts, strict=True):
        assert (policy is None) == (count is None)
        if policy is None or count is None:
            continue
        after = {name: rung(found) for name, found in replays(ledger, code, moment, (policy,)).items()}
        held = [name for name in before if not {before[name].state, after[name].state} <= SCHEMES[code].undecided]
        assert count.stands == Counter(after[name][:2] for name in held)
        assert count.moves == Counter(move_between(before[name], after[name]).way for name in held)
        seen.add(tuple(sorted(count.stands.items(), key=repr)))
    assert result.subjects == trial.sample.size and not result.interrupted
    assert len(seen) > 1 or code not in ("creator-firefly", "merchant-reputation"), "the grid must move somebody"


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_cells_in_bulk_are_plain_ones(code: str, ledger: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _, plain, _ = made(ledger, code, SETTINGS[code])
    with monkeypatch.context() as patched:
        patched.setattr(folding, "are_many", lambda _: True)
        _, bulk, _ = made(ledger, code, SETTINGS[code])
    assert bulk.counts == plain.counts and bulk.subjects > 0


def test_an_interrupted_sweep_tells_of_the_subjects_that_were_judged(
    ledger: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "SUBJECTS_AT_ONCE", 1)
    policy = revised("creator-firefly", 2)
    axes = axes_of(policy, SETTINGS["creator-firefly"])
    cells = list(cells_of(policy, axes))
    trial = trial_of(ledger, {policy.scheme: policy}, AskedTrial(as_of=AS_OF))

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    result = run_sweep(ledger, trial, cells, progress=stop)
    assert result.interrupted and result.subjects == 2
    told = sweep_json(trial, axes, cells, result)
    assert told["interrupted"] and (told["subjects"], told["of"]) == (2, trial.sample.size)
    names = sorted(trial.sample.names)[:2]
    for cell, count in zip(cells, result.counts, strict=True):
        if cell.policy is None or count is None:
            assert cell.policy is None and count is None
            continue
        after = replays(ledger, policy.scheme, trial.periods[0].then.moment, (cell.policy,))
        assert count.stands == Counter(
            rung(after[name])[:2]
            for name in names
            if after[name].standing().state not in SCHEMES[policy.scheme].undecided
        )


def test_an_interrupt_while_a_part_is_added_leaves_it_out_of_every_cell(
    ledger: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "SUBJECTS_AT_ONCE", 1)
    policy = revised("creator-firefly", 2)
    cells = list(cells_of(policy, axes_of(policy, SETTINGS["creator-firefly"])))
    trial = trial_of(ledger, {policy.scheme: policy}, AskedTrial(as_of=AS_OF))

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    expected = run_sweep(ledger, trial, cells, progress=stop)
    plain, added = sweep._sum, list[CellCount]()

    def add(one: CellCount, other: CellCount) -> CellCount:
        added.append(other)
        if len(added) == 3 * sum(cell.policy is not None for cell in cells) - 1:  # amid the third part
            raise KeyboardInterrupt
        return plain(one, other)

    monkeypatch.setattr(sweep, "_sum", add)
    assert run_sweep(ledger, trial, cells) == expected


def test_the_grid_is_every_combination_and_what_no_policy_can_have_is_told() -> None:
    policy = shipped("merchant-reputation")[-1]
    axes = axes_of(policy, ("default_tenths=5..9:2", "levels.bronze-2.from_tenths=0..40:40"))
    cells = list(cells_of(policy, axes))
    assert [cell.values for cell in cells] == list(product((5, 7, 9), (0, 40)))
    for cell in cells:
        if cell.values[1] == 0:
            assert cell.policy is None and cell.fault is not None and "from_tenths" in cell.fault
            continue
        assert cell.policy is not None and cell.policy.id == policy.id
        assert cell.policy.parameters["default_tenths"].value == cell.values[0]
        assert cell.policy.parameters["levels"].value[1]["from_tenths"] == 40
        changed = {name for name, item in cell.policy.parameters.items() if item != policy.parameters[name]}
        assert changed <= {"default_tenths", "levels"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("default_tenths",), "is not NAME=FROM..TO:STEP, whole numbers such as default_tenths=5..9:1"),
        (("default_tenths=1.5..2",), "is not NAME=FROM..TO:STEP"),
        (("default_tenths=9..5",), "holds no value: FROM is not after TO, and STEP is 1 or more"),
        (("default_tenths=5..9:0",), "holds no value"),
        (("default=5..9",), "has no whole number 'default'; it has "),
        (("levels=5..9",), "has no whole number 'levels'"),
        (("default_tenths=5..6", "default_tenths=7..8"), "is given 2 times; give it once, with a range"),
    ],
)
def test_settings_that_fit_nothing(settings: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        axes_of(shipped("merchant-reputation")[-1], settings)


def test_many_cells_are_judged_only_when_they_are_wanted() -> None:
    policy = shipped("merchant-reputation")[-1]
    axes = axes_of(policy, ("default_tenths=1..101",))
    with pytest.raises(UsageError, match="the grid has 101 cells, which may take long; --yes judges more than 100"):
        check_count(axes, wanted=False)
    assert check_count(axes, wanted=True) == 101
    with pytest.raises(UsageError, match=r"no more than 10,000 are judged: take longer steps"):
        check_count(axes_of(policy, ("default_tenths=1..1000", "pair_cap_tenths=1..1000")), wanted=True)


def test_the_command_tells_how_many_cells_there_are_and_gives_each_form(ledger: Store, tmp_path: Path) -> None:
    file = str(toml_of(revised("creator-firefly", 2), tmp_path / "candidate.toml"))
    asked = ("policy", "sweep", file, "--set", "levels.firefly-2.from_points=1..9:2", "--as-of", AS_OF)
    head = ledger.head()
    text = run(*asked, "--store", ledger.location)
    assert text.startswith("5 cells\n") and "levels.firefly-2.from_points" in text
    assert "种组合" in run(*asked, "--lang", "zh", "--store", ledger.location)
    told = run(*asked, "--format", "json", "--store", ledger.location)
    found = json.loads(told[told.index("{") :])
    assert [cell["values"]["levels.firefly-2.from_points"] for cell in found["cells"]] == [1, 3, 5, 7, 9]
    sheet = run(*asked, "--format", "csv", "--store", ledger.location).splitlines()[1:]
    assert len(sheet) == 6 and sheet[0].startswith("levels.firefly-2.from_points,hash,fault,moves.same,")
    for line, cell in zip(sheet[1:], found["cells"], strict=True):
        assert line.split(",")[:2] == [str(cell["values"]["levels.firefly-2.from_points"]), cell["hash"]]
    assert ledger.head() == head
    assert "--yes judges more than 100" in run(*asked[:4], "levels.firefly-2.from_points=1..900", status=2)
