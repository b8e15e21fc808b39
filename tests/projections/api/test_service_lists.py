"""Lists of the service: what an auditor looks at, subjects, single events; and every list as CSV."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from starlette.testclient import TestClient

from projections.api.operations import Operation
from projections.api.routes import OPERATIONS
from projections.api.sheets import cell, csv_of, prefers_csv
from projections.http.settings import Settings
from replay.store.opening import open_store
from replay.store.queries import sealed_rows
from tests.support.disputes import disputed_ledger
from tests.support.serving import serving

LISTED = [operation for operation in OPERATIONS if operation.listed is not None]


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("lists")
    disputed_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.fixture(scope="module")
def client(location: str) -> Iterator[TestClient]:
    with serving(Settings(location)) as found:
        yield found


def answer(client: TestClient, path: str, **asked: Any) -> dict[str, Any]:
    found = client.get(path, params=asked)
    assert found.status_code == 200, found.text
    body: dict[str, Any] = found.json()
    return body


def sheet(client: TestClient, path: str, **asked: Any) -> list[dict[str, str]]:
    found = client.get(path, params=asked)
    assert found.status_code == 200 and found.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(StringIO(found.text, newline="")))


def test_the_dispute_is_found_from_the_worklist_to_the_event(client: TestClient) -> None:
    (row,) = [
        row
        for row in answer(client, "/v1/worklist/differing", scheme="merchant-reputation")["rows"]
        if row["subject"] == "merchant/tea-house"
    ]
    assert row["decided"]["level"] == "bronze-2" and row["now"]["level"] == "bronze-1" and not row["stale"]
    event = answer(client, f"/v1/events/{row['position_of_decision']}")
    assert event["event"]["type"] == "level.decided" and event["event"]["data"]["run"] == row["run"]
    assert event["neighbours"]["before"]["position"] == row["position_of_decision"] - 1
    decided = answer(client, "/v1/decisions", period="2022-11")["rows"]
    assert row["position_of_decision"] in {item["position_of_decision"] for item in decided}
    found = answer(client, "/v1/events", run=row["run"])["events"]
    assert {item["position"] for item in found} == {item["position_of_decision"] for item in decided}


def test_an_event_tells_what_bears_on_it_and_what_is_made_of_it(client: TestClient) -> None:
    (found,) = answer(client, "/v1/events", id="rev-ring-1")["events"]
    event = answer(client, f"/v1/events/{found['position']}")
    (flag,) = event["corrected_by"]
    assert flag["type"] == "order.flagged" and not event["corrects"] and event["hashes"]["fits"] == "yes"
    made = {item["scheme"]: item["made"] for item in event["made"]}
    assert made["merchant-reputation"]["verdict"] == "flagged" and "policy_hash" in made["merchant-reputation"]
    correction = answer(client, f"/v1/events/{flag['position']}")
    assert found["position"] in {item["position"] for item in correction["corrects"]}
    first = answer(client, "/v1/events/1")
    assert first["neighbours"]["before"] is None
    missing = client.get("/v1/events/999999")
    assert missing.status_code == 404 and "the ledger holds no record at position 999999" in missing.json()["detail"]


@pytest.mark.slow
def test_an_event_of_each_type_and_each_thing_made_of_one_has_a_page(location: str, client: TestClient) -> None:
    with open_store(location) as store:
        types = {row[0]: row[2] for row in sealed_rows(store, 0, store.head().position)}
    seen: set[str] = set()
    for position, event_type in types.items():
        told = answer(client, f"/v1/events/{position}")
        kinds = {event_type, *(str((item["made"] or {}).get("note")) for item in told["made"])}
        kinds |= {str((item["made"] or {}).get("verdict")) for item in told["made"]}
        if kinds <= seen:
            continue
        seen |= kinds
        for lang in ("en", "zh"):
            page = client.get(f"/events/{position}?lang={lang}", headers={"Accept": "text/html"})
            assert page.status_code == 200 and told["hashes"]["leaf"] in page.text, position
    client.cookies.clear()
    assert {"retracted", "flagged", "counted", "event.retracted", "level.decided", "policy.adopted"} <= seen


def test_pages_go_on_where_the_one_before_ended(client: TestClient) -> None:
    for path, asked in (
        ("/v1/decisions", {}),
        ("/v1/worklist/changed", {"month": "2022-11"}),
        ("/v1/subjects", {}),
        ("/v1/events", {"about": "ring-1"}),
    ):
        listed = "events" if path == "/v1/events" else "rows"
        whole = answer(client, path, **asked, limit=200)
        assert whole["next"] is None and whole[listed], path
        page = answer(client, path, **asked, limit=1)
        rows = page[listed]
        while page["next"] is not None:
            page = answer(client, path, **asked, limit=1, cursor=page["next"])
            rows += page[listed]
        assert rows == whole[listed], path
    wrong = client.get("/v1/decisions", params={"cursor": "x"})
    assert wrong.status_code == 400 and "cursor is none that this service gave" in wrong.json()["detail"]


@pytest.mark.parametrize("operation", LISTED, ids=lambda operation: operation.name)
def test_every_list_is_had_as_csv(operation: Operation, client: TestClient) -> None:
    asked = {name: value for name, value in operation.example.items() if name in operation.query().fields}
    path = operation.path.format_map(operation.example)
    assert operation.listed is not None
    body = answer(client, path, **asked)
    by_parameter = client.get(path, params=asked | {"format": "csv"})
    by_header = client.get(path, params=asked, headers={"Accept": "text/csv"})
    assert by_parameter.text.splitlines()[0] == by_header.text.splitlines()[0]
    assert "accept" in by_header.headers["Vary"]
    assert by_parameter.text.split("\r\n")[0] and by_parameter.text.endswith("\r\n")
    rows = sheet(client, path, **asked, format="csv")
    assert len(rows) == len(body[operation.listed])
    for row, said in zip(rows, body[operation.listed], strict=True):
        assert row["answer.position"] == str(body["position"])
        for name, value in said.items():
            if not isinstance(value, dict):
                assert row.get(name, "") == cell(value), name
    assert ("Link" in by_parameter.headers) == (body.get("next") is not None)
    if "Link" in by_parameter.headers:
        following = by_parameter.headers["Link"].partition(">")[0].removeprefix("<")
        assert "format=csv" in following and client.get(following).status_code == 200


def test_cells_are_no_formulas_and_rows_are_as_rfc_4180_says() -> None:
    assert [cell(text) for text in ("=1+1", "+x", "-x", "@x", "\tx", "\rx")] == [
        *("'=1+1", "'+x", "'-x", "'@x", "'\tx", "'\rx")
    ]
    assert [cell(value) for value in (None, True, False, -3, "-0.7", "+1.0", "", [1, "a"])] == [
        *("", "true", "false", "-3", "-0.7", "+1.0", "", '[1,"a"]')
    ]
    body = {"position": 7, "rows": [{"a": 'say "x",\n店', "b": {"c": 1}}, {"a": None, "b": None}]}
    assert csv_of(body, "rows") == 'a,b.c,answer.position\r\n"say ""x"",\n店",1,7\r\n,,7\r\n'
    assert csv_of({"rows": []}, "rows", ["a", "b.c"]) == "a,b.c\r\n"
    assert prefers_csv("text/csv, application/json;q=0.5") and not prefers_csv("application/json, text/csv")
    assert not prefers_csv("text/html,*/*") and not prefers_csv("")


def test_the_command_gives_the_rows_of_the_service(location: str, client: TestClient) -> None:
    import json

    from click.testing import CliRunner

    from cli import main

    for name in ("differing", "announced", "changed", "set-aside"):
        asked = ["worklist", name, "--store", location, "--limit", "500", "--format", "json"]
        told = json.loads(CliRunner().invoke(main, asked).stdout)
        assert told["rows"] == answer(client, f"/v1/worklist/{name}")["rows"]
    totals = json.loads(
        CliRunner().invoke(main, ["worklist", "totals", "--store", location, "--format", "json"]).stdout
    )
    assert totals["rows"] == answer(client, "/v1/levels/distribution")["rows"]
    with open_store(location):
        wrong = CliRunner().invoke(main, ["worklist", "changed", "--store", location, "--cursor", "x"])
    assert wrong.exit_code == 2 and "--cursor is none that this service gave" in wrong.output
    wrong = CliRunner().invoke(main, ["worklist", "changed", "--store", location, "--period", "2022-11-05"])
    assert wrong.exit_code == 2 and "--period '2022-11-05'" in wrong.output
