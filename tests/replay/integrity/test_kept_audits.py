"""An audit that was made is kept beside the ledger, next to the checks, and neither hides the other."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from domain.calendar import parse_month
from replay.decisions.decide import decide, period_of
from replay.integrity.kept import kept
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events, paid


@pytest.mark.slow
def test_audits_and_checks_are_kept_side_by_side(location: str, tmp_path: Path) -> None:
    create_store(location)
    scheme = "merchant-reputation"
    announced = {"scheme": scheme, "period": "2022-11", "level": "bronze-2"}
    with open_store(location) as store:
        ingest_events(store, [event("merchant.onboarded", "open", category="fresh"), paid("o-1")], tmp_path)
        decide(store, scheme, period_of(store, scheme, parse_month("2022-11"), None))
    runner = CliRunner()
    assert runner.invoke(main, ["audit", "--store", location]).exit_code == 0
    assert runner.invoke(main, ["verify", "--store", location]).exit_code == 0
    with open_store(location) as store:
        ingest_events(store, [event("level.announced", "told", "2022-12-16T12:00:00+08:00", **announced)], tmp_path)
    runner.invoke(main, ["audit", "--store", location, "--scheme", scheme, "--period", "2022-11"])
    with open_store(location) as store:
        found = kept(store)
        first, second = found.audits
        assert (first.audited, first.reproduced, first.announced_otherwise, first.scheme) == (1, 1, 0, None)
        assert (second.scheme, second.period, second.announced_otherwise) == (scheme, "2022-11", 1)
        assert second.head == store.head().text(store.identity.id) != first.head
        assert len(found.checks) == 1 and found.damaged == []
    listed = json.loads(runner.invoke(main, ["verify", "--list", "--store", location, "--format", "json"]).stdout)
    assert [check["ledger_verdict"] for check in listed] == ["sound"]
