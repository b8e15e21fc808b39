"""Trials of merchants' reputation against the oracle, which is written from the rulebook alone."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from domain.calendar import month_start, month_text
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.policy import Policy
from replay.history.browse import list_subjects
from replay.history.timeline import events_of
from replay.lab.running import run_trial
from replay.lab.tally import Stand
from replay.policies.reading import read_folder
from replay.schemes.registry import SCHEMES
from replay.store.opening import create_store, open_store
from replay.store.reading.asked import EVERYTHING
from tests.conftest import SOAK
from tests.oracles.merchant_reputation import reputation_by_versions
from tests.support.replays import for_the_oracle
from tests.support.trying import MONTHS, tried
from tests.worlds.merchant_reputation import as_the_oracle_reads
from tests.worlds.trials import late_ledger

REPUTATION = SCHEMES["merchant-reputation"]


@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_each_month_is_what_the_16th_shows_by_the_rulebook(seed: int, tmp_path: Path) -> None:
    """The publications of both sides, by the events that had been recorded by the 16th at 12:00, and no later ones."""
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        late_ledger(store, 11 + seed, tmp_path, 500)
        made = tried(store, REPUTATION, seed, tmp_path)
        tally = run_trial(store, made.trial).then
        subjects = [item["subject"] for item in list_subjects(store, "merchant")]
        ledger = [event for subject in subjects for event in events_of(store, subject, EVERYTHING)]
    told = [as_the_oracle_reads(event) for event in ledger]
    folders = [choice.folder for choice in (made.before, made.after) if choice.folder is not None]
    sides = [[policy for policy in read_folder(folder) if policy.scheme == REPUTATION.code] for folder in folders]

    def shown(subject: str, month: int, versions: list[Policy]) -> Stand:
        """State at the month's close, and the level that its publication shows."""
        at = month_start(month + 1) + 15 * DAY_MICROS + 12 * HOUR_MICROS
        position = max((event.position for event in ledger if event.recorded_at <= at), default=0)
        asked: dict[str, Any] = {
            "versions": [for_the_oracle(policy) for policy in versions],
            "subject": subject,
            "position": position,
        }
        published = reputation_by_versions(told, as_of=at, **asked)["published"]
        close = reputation_by_versions(told, as_of=month_start(month + 1) - 1, **asked)
        if published is not None and published["month"] == month_text(month):
            assert published["level"] == close["level"]
        return close["state"], close["level"]

    moving = 0
    for period, month in enumerate(MONTHS):
        pairs = [(shown(name, month, sides[0]), shown(name, month, sides[1])) for name in subjects]
        decided = Counter(pair for pair in pairs if {pair[0][0], pair[1][0]} != {"not_onboarded"})
        found: Counter[tuple[Stand, Stand]] = Counter()
        for cell, count in tally.cells.items():
            if cell.period == period:
                found[cell.before, cell.after] += count
        assert found == decided
        moving += sum(count for pair, count in decided.items() if pair[0] != pair[1])
    assert moving > 0
