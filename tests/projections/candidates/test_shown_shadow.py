"""What is shown of builds by candidate policies: status, metrics, Operations and its files, in both languages."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from projections.candidates.shadow import start
from projections.http.settings import Settings
from projections.projector.rebuild import Asked, rebuild
from projections.views.candidates import note_problem, shadow
from projections.views.database import open_views
from replay.store.opening import create_store, open_store
from tests.support.making import ingest_events
from tests.support.running import run
from tests.support.serving import serving
from tests.worlds.ledgers import World, revised

CANDIDATE = revised("creator-firefly", 6)
SHORT = CANDIDATE.hash[:12]
HTML = {"Accept": "text/html"}


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """A ledger with live views and a shadow that moves somebody."""
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        ingest_events(store, World(8).events(300), tmp_path)
        rebuild(views, Asked(sample=0))
        start(views, CANDIDATE)
    return location


@pytest.fixture
def client(ledger: str) -> Iterator[TestClient]:
    with serving(Settings(ledger)) as found:
        yield found


def differing(ledger: str) -> int:
    told = json.loads(run("policy", "shadow", "status", "--format", "json", "--store", ledger))
    (row,) = [row for row in told["shadow"]["drift"] if row["scheme"] == "creator-firefly"]
    assert row["differ"] > 0
    return int(row["differ"])


def test_status_tells_of_the_shadow_and_of_its_drift(ledger: str) -> None:
    differ = differing(ledger)
    text = run("status", "--store", ledger)
    assert f"shadow          {SHORT} by creator-firefly {CANDIDATE.id}@{SHORT}, ready: " in text
    assert f": {differ} of 4 levels differ, creator-firefly" in text
    assert "个等级中" in run("status", "--lang", "zh", "--store", ledger)
    (found,) = json.loads(run("status", "--format", "json", "--store", ledger))["views"]["candidates"]
    assert found["hash"] == CANDIDATE.hash and found["kept"] and found["problem"] is None
    assert found["lag_events"] == 0


def test_a_shadow_that_stopped_is_told_everywhere(ledger: str, client: TestClient) -> None:
    assert "levelbook_shadow_stopped 0.0" in client.get("/metrics").text
    with open_store(ledger) as store, open_views(store) as views, views.moving() as connection:
        found = shadow(views, connection)
        assert found is not None
        note_problem(views, connection, found.build.build, "ZeroDivisionError: why")
    assert "shadow stopped  ZeroDivisionError: why; 'levelbook policy shadow start' takes" in run(
        "status", "--store", ledger
    )
    assert "levelbook_shadow_stopped 1.0" in client.get("/metrics").text
    page = client.get("/operations", headers=HTML).text
    assert "The shadow is not kept any more" in page and "ZeroDivisionError: why" in page


def test_metrics_and_operations_tell_of_the_drift(ledger: str, client: TestClient) -> None:
    differ = differing(ledger)
    told = client.get("/metrics").text
    assert f'levelbook_shadow_differing{{scheme="creator-firefly"}} {float(differ)}' in told
    assert "levelbook_shadow_lag_events 0.0" in told
    page = client.get("/operations", headers=HTML).text
    assert "Builds by candidate policies" in page and f"{CANDIDATE.id}@{SHORT}" in page
    assert "依据候选规则版本的构建" in client.get("/operations?lang=zh", headers=HTML).text
    (link,) = [unescape(link) for link in re.findall(r'href="([^"]+)"', page) if "drift" in link and "json" in link]
    rows = client.get(link).json()
    firefly = [row for row in rows["rows"] if row["scheme"] == "creator-firefly"]
    assert [row["differ"] for row in firefly] == [differ] and firefly[0]["hash"] == CANDIDATE.hash


def test_without_a_shadow_nothing_is_told(ledger: str, client: TestClient) -> None:
    run("policy", "shadow", "stop", "--store", ledger)
    assert "levelbook_shadow" not in client.get("/metrics").text
    assert "Builds by candidate policies" not in client.get("/operations", headers=HTML).text
    assert json.loads(run("policy", "shadow", "status", "--format", "json", "--store", ledger)) == {"shadow": None}
    assert run("policy", "shadow", "status", "--lang", "zh", "--store", ledger) == "没有影子。\n"
    assert run("policy", "shadow", "stop", "--store", ledger) == "There is no shadow.\n"


def test_builds_beside_are_listed_and_dropped(ledger: str, tmp_path: Path) -> None:
    text = Path("fixtures/errors/candidate.toml").read_text("utf-8")
    (folder := tmp_path / "candidates").mkdir()
    (folder / "candidate.toml").write_text(text, "utf-8")
    told = json.loads(run("rebuild", "--policies", str(folder), "--format", "json", "--store", ledger))
    assert not told["kept"] and told["levels_compared"] > 0
    assert f"beside          {told['hash'][:12]} by creator-firefly candidate@" in run("status", "--store", ledger)
    assert run("rebuild", "--drop", told["hash"][:6], "--store", ledger) == (
        f"The build {told['hash'][:12]} is removed.\n"
    )
    assert "beside " not in run("status", "--store", ledger)
