"""What metrics tell of a ledger, its views and the checks that were made of it, on both databases."""

from pathlib import Path
from typing import Any

import pytest

from projections.http.settings import Settings
from projections.projector.rebuild import Asked, rebuild
from projections.schemes.merchant_reputation import running as reputation_running
from projections.schemes.merchant_reputation import view as reputation_view
from projections.views.database import FORMAT, open_views
from replay.integrity.kept import NONE, SOUND, UNSOUND, Check, keep
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events, paid
from tests.support.running import run
from tests.support.serving import serving

OPENED = event("merchant.onboarded", "open", category="fresh")


@pytest.fixture
def ledger(location: str, tmp_path: Path) -> str:
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        ingest_events(store, [OPENED, paid("o-1")], tmp_path)
        rebuild(views, Asked(sample=0))
    return location


def told(location: str) -> dict[str, float]:
    with serving(Settings(location)) as client:
        lines = client.get("/metrics").text.splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def broken(*_: Any) -> Any:
    raise TypeError("no such thing")


def test_what_is_set_aside_is_told_by_scheme(ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(ledger)
    assert found["levelbook_views_usable"] == 1 and not any("set_aside" in name for name in found)
    assert found[f'levelbook_build{{build="1",form="{FORMAT}",program="0.1.0"}}'] == 1
    with open_store(ledger) as store:
        ingest_events(store, [event("order.received", "got", "2022-11-05T10:00:00+08:00", order="o-1")], tmp_path)
    monkeypatch.setattr(reputation_view, "advance", broken)
    monkeypatch.setattr(reputation_running, "go_on_with", broken)
    run("follow", "--once", "--store", ledger, status=1)
    found = told(ledger)
    for name in ("set_aside", "set_aside_unexpected"):
        assert found[f'levelbook_{name}{{scheme="merchant-reputation"}}'] == 1


def test_the_last_check_is_told_by_part(ledger: str) -> None:
    assert not any("last_verify" in name for name in told(ledger))
    with open_store(ledger) as store:
        head = store.head()
        named = head.text(store.identity.id)
        at = "2026-01-02T00:00:00Z"
        keep(store, Check(at, store.identity.id, named, None, SOUND, NONE, UNSOUND, ["why"], "0.1.0", SOUND))
        store.keep_check("{")
    found = told(ledger)
    assert found["levelbook_last_verify_timestamp_seconds"] == 1_767_312_000
    assert found["levelbook_last_verify_position"] == head.position
    parts = {name: value for name, value in found.items() if "last_verify_sound" in name}
    assert parts == {
        f'levelbook_last_verify_sound{{part="{part}"}}': value
        for part, value in (("ledger", 1), ("views", 0), ("service", 1))
    }
    assert found["levelbook_kept_checks_damaged"] == 1


def test_without_views_the_ledger_is_told_and_that_there_are_none(location: str) -> None:
    create_store(location)
    found = told(location)
    assert found["levelbook_ledger_position"] == found["levelbook_views_usable"] == 0
    assert "levelbook_views_position" not in found


def test_a_rebuild_that_is_under_way_is_told(ledger: str) -> None:
    assert not any("rebuild" in name for name in told(ledger))
    run("rebuild", "--dry-run", "--sample", "0", "--store", ledger)
    found = told(ledger)
    assert found["levelbook_rebuild_done_events"] == found["levelbook_rebuild_total_events"] > 0
    assert found["levelbook_rebuild_idle_seconds"] >= 0
