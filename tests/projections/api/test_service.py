"""The service: its guard, each of its answers, its errors, its start and end."""

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from starlette.testclient import TestClient

from domain.calendar import day_of, day_text
from domain.version import PROGRAM_VERSION
from projections.api.routes import OPERATIONS
from projections.contract.answers import SCHEMAS
from projections.contract.api import LevelAnswer, explained_page, replayed_level, viewed_level
from projections.http.settings import Settings, check_settings
from projections.reading.reader import Reading
from projections.server.guard import HEADERS
from projections.server.serve import check_free
from projections.views.location import views_path
from replay.answers.board import board_json
from replay.errors import StoreError, UsageError
from replay.history.readers import EVERYTHING_SHOWN
from replay.policies.catalog import DEFAULT
from replay.store.opening import create_store, open_store
from replay.store.sqlite import SqliteStore
from tests import ROOT
from tests.support.making import event, ingest_events, paid
from tests.support.running import run
from tests.support.serving import demo_ledger, serving

TEA_HOUSE = "/v1/subjects/merchant/tea-house"
LEVEL = f"{TEA_HOUSE}/levels/merchant-reputation"
FIXED = "as_of=2022-11-30&position=400&policy=2022-10-26@"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("service")
    demo_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.fixture(scope="module")
def client(ledger: str) -> Iterator[TestClient]:
    with serving(Settings(ledger)) as found:
        yield found


def get(client: TestClient, path: str, status: int = 200, **headers: str) -> Any:
    answer = client.get(path, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def problem(client: TestClient, path: str, status: int, field: str | None, text: str) -> None:
    """What is asked is refused, by the name of what is wrong."""
    answer = client.get(path)
    found = answer.json()
    assert (answer.status_code, found.get("field")) == (status, field), found
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert text in found["detail"], found


# --- the guard --------------------------------------------------------------------------------------------------------


def test_every_answer_bears_the_guards_headers(client: TestClient) -> None:
    for path, status in (("/healthz", 200), ("/", 200), ("/docs", 200), ("/nothing", 404), (LEVEL, 200)):
        answer = client.get(path)
        assert answer.status_code == status
        for name, value in HEADERS:
            assert answer.headers[name.decode()] == value.decode()


def test_a_request_by_another_name_is_refused(client: TestClient) -> None:
    assert get(client, "/healthz", 421, Host="evil.example:8020")["field"] == "Host"
    for host in ("localhost", "127.0.0.1:1", "LOCALHOST:8020", "[::1]:8020"):
        get(client, "/healthz", Host=host)


def test_people_get_a_page_and_programs_problem_details(client: TestClient) -> None:
    page = client.get("/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404 and "There is no such page" in page.text
    answer = client.post("/healthz")
    assert answer.headers["Content-Type"] == "application/problem+json" and "GET" in answer.headers["Allow"]
    assert answer.json()["type"] == "urn:levelbook:problem:wrong-method"
    for operation in OPERATIONS:
        if operation.body is None:
            path = re.sub(r"{(\w+)}", lambda found: operation.example[found[1]], operation.path)  # noqa: B023
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                assert client.request(method, path).status_code == 405, "nothing is written over the network"


def test_what_breaks_is_told_to_the_log_and_not_to_whoever_asks(
    ledger: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: Any) -> None:
        raise ValueError("a secret of the inside")

    monkeypatch.setattr(Reading, "replay", breaks)
    with serving(Settings(ledger)) as client:
        answer = client.get(f"{TEA_HOUSE}/history")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "a secret of the inside" in caplog.text


def test_a_body_that_breaks_off_is_no_fault_of_the_service(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    for path in ("/v1/levels:read", "/login"):
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    assert [item["status"] for item in sent if item["type"] == "http.response.start"] == [400, 400]
    assert caplog.text == ""


def test_settings_that_are_not_safe_are_refused() -> None:
    with pytest.raises(UsageError, match=" listens everywhere, so that the name by which"):
        check_settings(Settings("ledger.db", host="0.0.0.0"))
    with pytest.raises(UsageError, match="--tls-certificate and --tls-key belong together"):
        check_settings(Settings("ledger.db", tls_key=Path("key.pem")))
    assert Settings("ledger.db", host="0.0.0.0", names=("levels.example",)).hosts == {"0.0.0.0", "levels.example"}
    assert Settings("ledger.db", host="0.0.0.0").needs_token and not Settings("ledger.db").needs_token


# --- levels -----------------------------------------------------------------------------------------------------------


def test_a_level_from_the_views_says_what_its_replay_says(client: TestClient) -> None:
    """The same keys, the same values, of every subject and scheme."""
    seen = 0
    for row in get(client, "/v1/levels?limit=1000")["levels"]:
        path = f"/v1/subjects/{row['subject']}/levels/{row['scheme']}"
        shown = get(client, path)
        LevelAnswer().load(shown)
        viewed_level(SCHEMAS["replay", row["scheme"]][1])().load(shown)
        replayed = get(client, f"{path}?as_of={shown['as_of'].replace('+', '%2B')}&position={shown['position']}")
        replayed_level(SCHEMAS["replay", row["scheme"]][1])().load(replayed)
        assert {key: value for key, value in shown.items() if key != "freshness"} == replayed
        assert {key: row[key] for key in ("state", "level", "score", "effective", "policy_hash")} == {
            key: shown[key] for key in ("state", "level", "score", "effective", "policy_hash")
        }
        assert shown["freshness"]["lag_events"] == 0 and shown["stale"] is False
        seen += 1
    assert seen == 10
    whole = get(client, f"{TEA_HOUSE}/levels")
    assert [level["scheme"] for level in whole["levels"]] == ["merchant-reputation", "merchant-tier"]
    assert whole["levels"][0] | {"freshness": 0} == get(client, LEVEL) | {"freshness": 0}


def test_a_moment_or_policy_asks_for_a_replay_as_the_command_does(client: TestClient, ledger: str) -> None:
    shown = get(client, f"{LEVEL}?as_of=2022-11-30&known_at=2022-12-17&lang=zh")
    asked = ("--as-of", "2022-11-30", "--known-at", "2022-12-17", "--lang", "zh", "--store", ledger)
    told = json.loads(run("replay", "merchant/tea-house", "--format", "json", *asked))
    assert shown == told | {"score": 557, "stale": False}
    named = get(client, f"{LEVEL}?policy=2022-10-26")
    assert (named["policy"], named["score"]) == ("2022-10-26", 507)


def test_pages_of_levels_go_on_by_subject(client: TestClient) -> None:
    whole = get(client, "/v1/levels")["levels"]
    found, cursor = [], ""
    while cursor is not None:
        page = get(client, f"/v1/levels?limit=3{cursor and f'&cursor={cursor}'}")
        found += page["levels"]
        cursor = page["next"]
        assert page["position"] == 424
    assert found == whole and len(found) == 10
    assert [row["subject"] for row in whole] == sorted(row["subject"] for row in whole)
    only = get(client, "/v1/levels?scheme=merchant-reputation&level=bronze-1")["levels"]
    assert {row["subject"] for row in only} >= {"merchant/tea-house"}
    assert all((row["scheme"], row["level"]) == ("merchant-reputation", "bronze-1") for row in only)
    assert get(client, "/v1/levels?changed_since=2022-11-30")["levels"] == whole
    assert get(client, "/v1/levels?changed_since=2199-01-01")["levels"] == []


def test_many_levels_are_read_at_one_moment(client: TestClient) -> None:
    def ask(body: Any) -> Any:
        return client.post("/v1/levels:read", content=body if isinstance(body, bytes) else json.dumps(body))

    found = ask({"subjects": ["merchant/tea-house", "creator/nobody", "merchant/tea-house"]}).json()
    assert [row["scheme"] for row in found["levels"]] == ["merchant-reputation", "merchant-tier"]
    assert found["missing"] == ["creator/nobody"] and found["position"] == 424
    some = ask({"subjects": ["merchant/tea-house"], "scheme": "merchant-tier"}).json()
    assert [row["scheme"] for row in some["levels"]] == ["merchant-tier"]
    for body, field in (
        (b"{", "body"),
        (b"\xff", "body"),
        ([], "body"),
        ({}, "subjects"),
        ({"subjects": ["buyer/b"]}, "subjects"),
        ({"subjects": ["merchant/m"] * 1001}, "subjects"),
        ({"subjects": [], "more": 1}, "more"),
    ):
        answer = ask(body)
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
    assert ask(b'"' + b"x" * 300_000).status_code == 413


# --- replays ----------------------------------------------------------------------------------------------------------


def test_an_explanation_is_paged_and_its_pages_are_of_one_moment(client: TestClient, ledger: str) -> None:
    asked = ("explain", "merchant/tea-house", "--position", "400", "--as-of", "2022-11-30", "--format", "json")
    whole = json.loads(run(*asked, "--store", ledger))
    path = f"{TEA_HOUSE}/explanation"
    page = get(client, f"{path}?position=400&as_of=2022-11-30&limit=40")
    verdicts, notes, pages = page["verdicts"], page["notes"], 1
    explained_page(SCHEMAS["explain", "merchant-reputation"][1])().load(page)
    while page["next"] is not None:
        page = get(client, f"{path}?limit=40&cursor={page['next']}")
        assert (page["position"], page["as_of"], page["adds_up"]) == (400, whole["as_of"], whole["adds_up"])
        verdicts += page["verdicts"]
        notes += page["notes"]
        pages += 1
    assert (verdicts, notes) == (whole["verdicts"], whole["notes"])
    assert pages == -(-page["listed"] // 40) and pages > 2
    late = get(client, f"{path}?month=2022-11&verdict=late_review")
    assert {item["verdict"] for item in late["verdicts"]} == {"late_review"} and late["notes"] == []
    one = get(client, f"{path}?event={late['verdicts'][0]['event']}")
    assert [item["position"] for item in one["verdicts"]] == [late["verdicts"][0]["position"]]


def test_an_explanation_without_a_moment_explains_the_level_that_is_shown(client: TestClient) -> None:
    shown, explained = get(client, LEVEL), get(client, f"{TEA_HOUSE}/explanation")
    for key in ("level", "points", "position", "as_of", "policy_hash"):
        assert shown[key] == explained[key]


def test_history_and_difference_are_those_of_the_commands(client: TestClient, ledger: str) -> None:
    moment = ("--as-of", "2022-11-30", "--store", ledger, "--format", "json")
    told = json.loads(run("history", "merchant/tea-house", *moment))
    assert get(client, f"{TEA_HOUSE}/history?as_of=2022-11-30") == told
    told = json.loads(run("diff", "merchant/tea-house", "--known-at", "2022-12-17", *moment))
    assert get(client, f"{TEA_HOUSE}/diff?as_of=2022-11-30&known_at=2022-12-17") == told
    tier = get(client, f"{TEA_HOUSE}/history?scheme=merchant-tier")
    assert tier["scheme"] == "merchant-tier"


def test_events_are_paged_and_name_no_buyer(client: TestClient) -> None:
    found, cursor = [], ""
    while cursor is not None:
        page = get(client, f"{TEA_HOUSE}/events?limit=150{cursor and f'&cursor={cursor}'}")
        found += page["events"]
        cursor = page["next"]
    positions = [item["position"] for item in found]
    assert positions == sorted(set(positions)) and len(found) > 200
    buyers = {item["event"]["data"]["buyer"] for item in found if "buyer" in item["event"]["data"]}
    assert buyers and all(re.fullmatch("[0-9a-f]{32}", buyer) for buyer in buyers)
    flags = get(client, f"{TEA_HOUSE}/events?type=order.flagged")["events"]
    order = flags[0]["event"]["data"]["order"]
    of_order = get(client, f"{TEA_HOUSE}/events?order={order}")["events"]
    assert flags[0] in of_order and all(item["event"]["data"]["order"] == order for item in of_order)


def test_decisions_are_those_of_the_command(tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path, with_views=False)
    run("decide", "merchant-reputation", "--month", "2022-10", "--store", location)
    told = json.loads(run("decided", "merchant/tea-house", "--store", location, "--format", "json"))
    with serving(Settings(location)) as client:
        assert len(told) == 1 and get(client, f"{TEA_HOUSE}/decisions")["decisions"] == told
        assert get(client, f"{TEA_HOUSE}/decisions?scheme=merchant-tier")["decisions"] == []
        problem(client, LEVEL, 503, None, "the ledger has no views yet; 'levelbook follow' makes")
        assert get(client, f"{LEVEL}?as_of=2022-11-30")["level"] == "bronze-1", "a replay needs no views"
        assert get(client, f"{TEA_HOUSE}/explanation?limit=1")["level"] == "bronze-1"
        assert "no views yet" in get(client, "/readyz", 503)["why"]


def test_a_board_is_that_of_the_command(client: TestClient, ledger: str) -> None:
    found = get(client, "/v1/leaderboards/comprehensive/2023-04")
    with open_store(ledger) as store:
        told = board_json(store, "comprehensive", 2023 * 12 + 3, (None, None), DEFAULT, EVERYTHING_SHOWN)
    same = set(told) - {"as_of", "asked_known_at"}
    board = ("leaderboard", "comprehensive", "--month", "2023-04", "--store", ledger)
    assert "position 424 names this for ever" in run(*board, "--known-at", "2999-01-01")
    assert "names this for ever" not in run(*board)
    assert {key: found[key] for key in same} == {key: told[key] for key in same}
    assert found["rows"]
    for path, field, text in (
        ("comprehensive/2199-01", "month", "is not evaluated yet: it is due at"),
        ("comprehensive/2019-01", "month", "is before 2020-06, when levels begin"),
        ("comprehensive/0000-01", "month", "has another form"),
        ("tallest/2023-05", "board", "there is no board 'tallest'; known are comprehensive, growth"),
    ):
        problem(client, f"/v1/leaderboards/{path}", 404, field, text)


def test_policies_are_those_of_the_command(client: TestClient, ledger: str) -> None:
    assert get(client, "/v1/policies")["policies"] == json.loads(run("policies", "--format", "json", "--store", ledger))


def test_rules_are_those_of_the_command(client: TestClient, ledger: str) -> None:
    for asked in ({}, {"as_of": "2022-05-01", "lang": "zh"}, {"policy": "2021", "against": "2022-07-19"}):
        found = get(client, f"/v1/rules/creator-level?{urlencode(asked)}")
        options = [word for name, value in asked.items() for word in (f"--{name.replace('_', '-')}", value)]
        told = json.loads(run("rules", "creator-level", *options, "--format", "json", "--store", ledger))
        moments = ("as_of",) if "as_of" not in asked else ()
        assert {**found, **dict.fromkeys(moments)} == {**told, **dict.fromkeys(moments)}
        assert SCHEMAS["rules", "creator-level"][1]().validate(found) == {}
    problem(client, "/v1/rules/luck", 404, "scheme", "is not one of merchant-reputation")
    for asked, field, text in (
        ({"policy": "2024"}, "policy", "there is no policy '2024'"),
        ({"against": "May"}, "against", "against 'May' names no version (2021, 2022-07-19)"),
        ({"as_of": "May"}, "as_of", "as_of 'May' is not of the form"),
        ({"as_of": "2022-05-01", "policy": "2021"}, "policy", "policy and as_of both say which version"),
    ):
        problem(client, f"/v1/rules/creator-level?{urlencode(asked)}", 400, field, text)


# --- what is asked wrongly --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "field", "text"),
    [
        (f"{LEVEL}?when=now", 400, "when", "is not known; known here are"),
        (f"{LEVEL}?lang=en&lang=zh", 400, "lang", "is given twice; give it once"),
        (f"{LEVEL}?lang=fr", 400, "lang", "is not one of en, zh"),
        (f"{LEVEL}?position=1.0", 400, "position", "is not a whole number in digits"),
        (f"{LEVEL}?position=0", 400, "position", "must be from 1 to"),
        (f"{LEVEL}?position=425", 400, "position", "is not in the ledger, whose positions go from 1 to 424"),
        (f"{LEVEL}?as_of=yesterday", 400, "as_of", "give a date such as 2022-11-30"),
        (f"{LEVEL}?as_of=2199-01-01", 400, "as_of", "is in the future"),
        (f"{LEVEL}?as_of=2019-01-01", 400, "as_of", "when levels begin"),
        (f"{LEVEL}?as_of=2022-12-01&known_at=2022-11-01", 400, "as_of", "give an earlier as_of, or a later known_at"),
        (f"{LEVEL}?known_at=2022-12-01&position=4", 400, "known_at", "known_at and position both say what was known"),
        (f"{LEVEL}?policy=2011", 400, "policy", "there is no policy '2011'; known are"),
        (f"{LEVEL}?policy=%00", 400, "policy", "holds a control character, such as NUL"),
        (f"{LEVEL}?min_position=425", 400, "min_position", "is behind the end of the ledger, which is at 424"),
        (f"{LEVEL}?min_position=1&as_of=2022-11-30", 400, "min_position", "is for what the views hold"),
        ("/v1/subjects/buyer/b-9/levels", 404, "kind", "is not one of merchant, creator, mcn"),
        ("/v1/subjects/merchant/no%20body/levels", 404, "id", "has another form"),
        ("/v1/subjects/merchant/nobody/levels", 404, "id", "the ledger knows no merchant/nobody"),
        ("/v1/subjects/merchant/nobody/explanation", 404, "id", "the ledger knows no merchant/nobody"),
        ("/v1/subjects/merchant/nobody/events", 404, "id", "the ledger knows no merchant/nobody"),
        (f"{TEA_HOUSE}/levels/creator-level", 404, "scheme", "ask for merchant-reputation or merchant-tier"),
        (f"{TEA_HOUSE}/levels/beauty", 404, "scheme", "is not one of"),
        (f"{TEA_HOUSE}/history?scheme=creator-level", 404, "scheme", "does not judge merchant/"),
        (f"{TEA_HOUSE}/explanation?month=2022-13", 400, "month", "has another form"),
        (f"{TEA_HOUSE}/explanation?verdict=lucky", 400, "verdict", "is not one of"),
        (f"{TEA_HOUSE}/explanation?event=nothing", 400, None, "has no event nothing"),
        (f"{TEA_HOUSE}/explanation?cursor=abc", 400, "cursor", "is none that this service gave"),
        (f"{TEA_HOUSE}/explanation?cursor=WzEsMiwzXQ&as_of=2022-11-30", 400, "cursor", "names the moment of its first"),
        (f"{TEA_HOUSE}/explanation?cursor=WzEsMzAwMDAsM10", 400, "cursor", "is none that this service gave"),
        (
            f"{TEA_HOUSE}/explanation?cursor=WzE2Njk4MDAwMDAwMDAwMDAsNDAwLC01XQ",
            400,
            "cursor",
            "is none that this service gave",
        ),  # from before the first
        (f"{TEA_HOUSE}/events?policy=2022-10-26", 400, "policy", "is not known; known here are"),
        (f"{TEA_HOUSE}/events?type=order.eaten", 400, None, "there is no event type 'order.eaten'"),
        (f"{TEA_HOUSE}/diff?to_position=9999", 400, "to_position", "is not in the ledger"),
        ("/v1/levels?limit=1001", 400, "limit", "must be from 1 to 1000"),
        ("/v1/levels?changed_since=soon", 400, "changed_since", "give a date or an instant"),
        ("/v1/levels?cursor=WzEsMiwzXQ", 400, "cursor", "is none that this service gave for such a page"),
        ("/v1/changes?after=then", 400, "after", "is no cursor of this feed"),
        ("/v1/changes?after=000000000000.1", 410, "after", "read /v1/levels again"),
    ],
)
def test_what_is_asked_wrongly_is_named(
    client: TestClient, path: str, status: int, field: str | None, text: str
) -> None:
    problem(client, path, status, field, text)


def test_views_of_another_form_are_not_read(tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path)
    path = views_file(location)
    change_by_hand(path, "UPDATE about SET format = 1")
    with serving(Settings(location)) as client:
        problem(client, LEVEL, 503, None, "have form 1")
        path.write_bytes(b"nothing of the kind" * 1000)
        assert client.get(LEVEL).status_code == 503


def views_file(location: str) -> Path:
    with closing(SqliteStore(Path(location))) as store:
        return views_path(store)


def change_by_hand(path: Path, statement: str) -> None:
    """As somebody with a database shell could."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.mark.slow
def test_views_that_are_removed_and_made_again_are_noticed(tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path)
    path = views_file(location)
    with serving(Settings(location)) as client:
        first = get(client, "/v1/levels")["feed"]
        get(client, LEVEL)
        for file in (path, *path.parent.glob("*.views-*")):
            file.unlink(missing_ok=True)
        time.sleep(0.06)
        problem(client, LEVEL, 503, None, "has no views yet")
        problem(client, "/v1/levels", 503, None, "has no views yet")
        run("follow", "--once", "--store", location)
        assert get(client, LEVEL)["level"] == "bronze-1"
        again = get(client, "/v1/levels")["feed"]
        assert again.partition(".")[0] != first.partition(".")[0]
        problem(client, f"/v1/changes?after={first}", 410, "after", "read /v1/levels again")
        change_by_hand(path, "DROP VIEW v1_levels")
        problem(client, LEVEL, 503, None, "the levels cannot be read from the views: no such table")


# --- caching and reading one's own writes -----------------------------------------------------------------------------


def test_an_answer_that_is_held_is_not_sent_again(client: TestClient) -> None:
    digest = get(client, LEVEL)["policy_hash"]
    paths = (
        LEVEL,
        f"{TEA_HOUSE}/levels",
        "/v1/levels",
        f"{TEA_HOUSE}/history?as_of=2022-11-30",
        f"{LEVEL}?{FIXED}{digest}",
    )
    for path in paths:
        answer = client.get(path)
        again = client.get(path, headers={"If-None-Match": f'"other", {answer.headers["ETag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == answer.headers["ETag"]
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get(f"{LEVEL}?lang=zh").headers["ETag"] != client.get(LEVEL).headers["ETag"]


def test_only_an_answer_that_never_changes_may_be_kept(client: TestClient) -> None:
    digest = get(client, LEVEL)["policy_hash"]
    for path in (f"{LEVEL}?{FIXED}{digest}", f"{TEA_HOUSE}/explanation?{FIXED}{digest}"):
        kept = client.get(path).headers
        assert kept["Cache-Control"] == "private, max-age=86400, immutable"
        assert kept["Vary"] == "authorization, cookie", "kept for who asked, and not for who signs in after him"
    for path in (LEVEL, f"{LEVEL}?{FIXED}{digest[:12]}", f"{LEVEL}?as_of=2022-11-30&position=400", "/v1/policies"):
        assert client.get(path).headers["Cache-Control"] == "private, no-cache"


def test_an_answer_of_today_or_of_an_open_policy_may_not_be_kept(client: TestClient) -> None:
    digest, fixed = get(client, LEVEL)["policy_hash"], "private, max-age=86400, immutable"
    today = day_text(day_of(time.time_ns() // 1_000))
    diff, events = f"{TEA_HOUSE}/diff?{FIXED}{digest}&to_position=410", f"{TEA_HOUSE}/events?position=400&as_of="
    for path in (diff, f"{events}2022-11-30", f"{events}2022-11-30T12:00:00%2B08:00"):
        assert client.get(path).headers["Cache-Control"] == fixed
    of_today = f"as_of={today}&position=400&policy=2022-10-26@{digest}"
    for path in (f"{LEVEL}?{of_today}", f"{events}{today}", f"{diff}&to_as_of={today}", f"{diff}&to_policy=2022-10-26"):
        assert client.get(path).headers["Cache-Control"] == "private, no-cache", path


def test_a_reader_can_wait_for_what_he_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from projections.projector.advance import advance
    from projections.reading import reader as reading
    from projections.views.database import open_views

    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path)
    monkeypatch.setattr(reading, "WAIT_SECONDS", 0.1)
    with serving(Settings(location)) as client, open_store(location) as store:
        assert get(client, f"{LEVEL}?min_position=424")["position"] == 424
        ingest_events(store, [paid("o-new", subject="merchant/tea-house")], tmp_path)
        answer = client.get(f"{LEVEL}?min_position=425")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "did not come to 425 in time" in answer.json()["detail"]
        assert get(client, LEVEL)["freshness"]["lag_events"] == 1
        with open_views(store) as views:
            advance(views, 1)
        assert get(client, f"{LEVEL}?min_position=425")["position"] == 425


def test_a_level_that_was_set_aside_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from projections.projector.advance import advance
    from projections.schemes.creator_level import view as creator_view
    from projections.views.database import open_views

    def fails(*_: Any, **__: Any) -> None:
        raise ValueError("a creator that cannot be worked out")

    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path)
    with serving(Settings(location)) as client, open_store(location) as store, open_views(store) as views:
        assert not any(level["stale"] for level in get(client, "/v1/subjects/creator/lin/levels")["levels"])
        heard = event("creator.scored", "late", subject="creator/lin", score="reputation", value="4.1")
        new = event("creator.registered", "new", subject="creator/new")
        ingest_events(store, [heard, new], tmp_path)
        monkeypatch.setattr(creator_view, "advance", fails)
        advance(views, 1)
        levels = get(client, "/v1/subjects/creator/lin/levels")["levels"]
        assert [level["scheme"] for level in levels if level["stale"]] == ["creator-level"]
        problem(client, "/v1/subjects/creator/new/levels/creator-level", 404, "scheme", "could not be worked out")


# --- probes, figures, documentation -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_ready_means_that_the_views_are_fresh(ledger: str) -> None:
    with serving(Settings(ledger, ready_lag_seconds=10**6)) as client:
        assert get(client, "/readyz") == {"status": "ready"}
        assert get(client, "/healthz") == {"status": "alive"}
    time.sleep(2)  # whole seconds: more than one
    with serving(Settings(ledger, ready_lag_seconds=1)) as client:
        assert "events behind" in get(client, "/readyz", 503)["why"]
    with serving(Settings("/nowhere/ledger.db")) as client:
        assert "there is no store at" in get(client, "/readyz", 503)["why"]


def test_what_is_measured(ledger: str) -> None:
    with serving(Settings(ledger)) as client:
        get(client, LEVEL)
        get(client, LEVEL, 421, Host="evil.example")
        told = client.get("/metrics").text
    assert 'levelbook_request_seconds_count{operation="readLevel",status="200"} 1.0' in told
    assert 'levelbook_refused_total{status="421"} 1.0' in told
    for line in ("levelbook_ledger_position 424.0", "levelbook_views_position 424.0", "levelbook_views_lag_events 0.0"):
        assert line in told
    assert "levelbook_views_lag_seconds" in told


def test_the_api_describes_itself_to_programs_and_people(client: TestClient) -> None:
    spec = get(client, "/openapi.json")
    assert spec["info"]["version"] == PROGRAM_VERSION and len(spec["paths"]) == len(OPERATIONS)
    page = client.get("/docs").text
    for operation in OPERATIONS:
        assert operation.path in page and operation.summary in page
    assert "<script" not in page and "style=" not in page
    assert client.get("/docs.css").headers["Content-Type"].startswith("text/css")


def test_every_example_of_the_description_has_an_answer(client: TestClient) -> None:
    for operation in OPERATIONS:
        if operation.body is None:
            rest = dict(operation.example)
            path = re.sub(r"{(\w+)}", lambda found: rest.pop(found[1]), operation.path)  # noqa: B023
            # The demo's ledger has signed no checkpoint, and no report of a trial is kept beside it.
            missing = operation.name in ("readEvidence", "readReport")
            assert client.get(path, params=rest).status_code == (404 if missing else 200), path


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_serves_says_where_and_ends_cleanly(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = tried.getsockname()[1]
    serve = [sys.executable, "-m", "cli", "serve", "--store", "ledger.db", "--port", str(port), "--workers", "2"]
    place = {"PYTHONPATH": str(ROOT)}
    told = f"Levelbook serves ledger.db at http://127.0.0.1:{port}/ (Ctrl-C ends it)\n"
    with subprocess.Popen(serve, cwd=tmp_path, env=os.environ | place, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert process.stderr.readline() == told
            deadline = time.monotonic() + 30
            while True:
                try:
                    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                        assert "levelbook_ledger_position 0.0" in answer.read().decode()
                    break
                except OSError:
                    assert time.monotonic() < deadline and process.poll() is None
                    time.sleep(0.05)
            taken = run("serve", "--port", str(port), "--store", str(tmp_path / "ledger.db"), status=3)
            assert (
                f"the service cannot listen on 127.0.0.1:{port}: Address already in use; give another --host or --port"
                in taken
            )
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_beyond_loopback_a_token_must_be_there(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    told = run("serve", "--host", "192.0.2.1", "--store", str(tmp_path / "ledger.db"), status=2)
    assert "whoever asks must show a token, beyond 127.0.0.1 always, and there is none" in told
    run("token", "new", "--name", "w", "--store", str(tmp_path / "ledger.db"))
    told = run("serve", "--host", "192.0.2.1", "--store", str(tmp_path / "ledger.db"), status=3)
    assert "the service cannot listen on 192.0.2.1:8020" in told
    with pytest.raises(StoreError, match="Cannot assign requested address"):
        check_free("192.0.2.1", 8020)
