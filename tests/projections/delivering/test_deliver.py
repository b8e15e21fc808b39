"""The commands of deliveries, and where it is seen how they go: on the desk and in what is measured."""

import json
import sqlite3
import stat
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from projections.http.settings import Settings
from projections.projector.follow import follow
from projections.views.database import open_views
from replay.store.opening import open_store
from tests.support.making import event, ingest_events
from tests.support.receiving import Answer, receiving
from tests.support.running import run
from tests.support.serving import demo_ledger, serving, shown_levels

ALLOWED = ("--allow-private", "--allow-http")


@pytest.fixture
def ledger(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    demo_ledger(location, tmp_path)
    monkeypatch.setenv("LEVELBOOK_STORE", location)
    monkeypatch.chdir(tmp_path)
    return location


@pytest.mark.slow
def test_from_adding_to_removing(ledger: str, tmp_path: Path) -> None:
    refuses = False
    with receiving(lambda _: Answer(503 if refuses else 204)) as receiver:
        assert run("deliver", "list").startswith("There is no endpoint; 'levelbook deliver add' makes one.")
        made = json.loads(run("deliver", "add", receiver.url, *ALLOWED, "--format", "json"))
        name, secret = made["endpoint"], made["secret"]
        if not ledger.startswith("postgres"):
            assert stat.S_IMODE(Path(f"{ledger}.deliveries").stat().st_mode) == 0o600
        assert receiver.url in run("deliver", "list") and secret not in run("deliver", "list", "--format", "json")
        assert "it arrived" in run("deliver", "test", name) and receiver.got[0].id.startswith(f"{name}-0-tried-")
        assert json.loads(receiver.got[0].body)["type"] == "levelbook.delivery.tried"
        Webhook(secret).verify(receiver.got[0].body, dict(receiver.got[0].headers))
        receiver.accepted.clear()
        assert run("deliver", "run", "--once") == f"{name}: has all there is\n"
        with serving(Settings(ledger)) as client:
            assert receiver.levels == shown_levels(client) != {}
        (status,) = json.loads(run("deliver", "status", "--format", "json"))
        assert (status["state"], status["behind"], status["delivered"]) == ("delivering", 0, len(receiver.accepted))
        assert status["place"] == receiver.url.replace("levels", "…"), "what only the receiver should know is not shown"

        rotated = json.loads(run("deliver", "rotate", name, "--format", "json"))["secret"]
        run("deliver", "test", name)
        for one in (secret, rotated):
            Webhook(one).verify(receiver.got[-1].body, dict(receiver.got[-1].headers))

        refuses = True
        assert "it did not arrive: the endpoint answered 503" in run("deliver", "test", name, status=1)
        assert f"{name}: has all there is" in run("deliver", "run", "--once")
        more(ledger, tmp_path)
        assert f"{name}: failed; 'levelbook deliver status' says why" in run("deliver", "run", "--once", status=1)
        assert f"{name}: failed before, and waits" in run("deliver", "run", "--once", status=1)
        assert "1 failures since" in run("deliver", "status", status=1)
        assert "失败 1 次" in run("deliver", "status", "--lang", "zh", status=1)
        seen_by_others(ledger, name)
        refuses = False
        assert "is tried again from now on" in run("deliver", "enable", name)
        assert f"{name}: has all there is" in run("deliver", "run", "--once")
        assert "is removed" in run("deliver", "remove", name)
        gone = run("deliver", "test", name, status=2)
        assert f"there is no endpoint '{name}'; 'levelbook deliver list' shows them" in gone


def more(ledger: str, folder: Path) -> None:
    """Let a level change."""
    (folder / "more").mkdir()
    with open_store(ledger) as store, open_views(store) as views:
        made = event("merchant.onboarded", "new", subject="merchant/new", category="fresh")
        ingest_events(store, [made], folder / "more")
        follow(views, stay=False)


def seen_by_others(ledger: str, name: str) -> None:
    """On the desk in both languages, as a file, and in what is measured."""
    with serving(Settings(ledger)) as client:
        for language, words in (("en", "failing"), ("zh", "失败中")):
            page = client.get(f"/operations?lang={language}", headers={"Accept": "text/html"}).text
            assert name in page and words in page and "the endpoint answered 503" in page
        sheet = client.get("/operations/table/deliveries.csv", headers={"Accept": "text/html"}).text
        assert f"{name},webhook,http://127.0.0.1:" in sheet
        measured = client.get("/metrics").text
        assert f'levelbook_delivery_disabled{{endpoint="{name}",kind="webhook"}} 0.0' in measured
        assert f'levelbook_delivery_failing_seconds{{endpoint="{name}",kind="webhook"}}' in measured
        assert f'levelbook_delivery_behind{{endpoint="{name}",kind="webhook"}} ' in measured


def test_what_is_asked_wrongly_is_refused(ledger: str, tmp_path: Path) -> None:
    assert "there is no endpoint 'x'; 'levelbook deliver list' shows them" in run("deliver", "remove", "x", status=2)
    assert "there is no scheme 'x'" in run("deliver", "add", "https://x.example/", "--scheme", "x", status=2)
    (tmp_path / "secret").write_text("no secret\n")
    told = run("deliver", "add", "https://x.example/", "--secret-file", "secret", status=2)
    assert "secret holds no secret of a webhook: whsec_ and the base64 of" in told
    topic = ("deliver", "add", "kafka://127.0.0.1:1/t", "--scheme", "merchant-tier")
    told = run(*topic, "--secret-file", "secret", status=2)
    assert "--secret-file is of webhooks: records of a topic are not signed; leave it out" in told
    name = json.loads(run(*topic, "--format", "json"))["endpoint"]
    told = run("deliver", "rotate", name, status=2)
    assert f"endpoint {name} is a topic, whose records are not signed; it has no secret to rotate" in told


def test_no_more_endpoints_are_taken_than_may_be(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.delivering.deliveries.ENDPOINTS_MAX", 1)
    run("deliver", "add", "https://x.example/", "--from-now")
    told = run("deliver", "add", "https://y.example/", status=2)
    assert "there are 1 endpoints, as many as may be: remove one, or let the receiver hand on" in told


def test_an_endpoint_that_was_not_written_is_told(tmp_path: Path) -> None:
    """A trigger that swallows what is kept."""
    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path, with_views=False)
    run("deliver", "add", "https://x.example/", "--store", location)
    with sqlite3.connect(f"{location}.deliveries") as connection:
        connection.execute("CREATE TRIGGER swallow BEFORE INSERT ON progress BEGIN SELECT RAISE(IGNORE); END")
    connection.close()
    told = run("deliver", "add", "https://y.example/", "--store", location, status=3)
    assert "what is kept of deliveries beside" in told and "is not written as it was told; look for a trigger" in told
