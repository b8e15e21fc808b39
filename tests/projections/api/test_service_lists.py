"""Lists of the service: what an auditor looks at, subjects, single events; and every list as CSV."""

import csv
from collections.abc import Iterator
from io import BytesIO, StringIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from projections.api.operations import Operation, answered_as
from projections.api.routes import OPERATIONS
from projections.api.sheets import PARQUET_TYPE, SheetRows, cell, csv_of, moment_of, parquet_of, preferred
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
        ("/v1/worklist/changed", {"period": "2022-11"}),
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
    listed = operation.listed.of(body)
    assert len(rows) == len(listed) >= max(len(body[name]) for name in operation.listed.lists)
    for row, said in zip(rows, listed, strict=True):
        for name, at in moment_of(body).items():  # without views, as_of is the moment of asking
            assert row[name] == cell(at) or (name == "answer.as_of" and operation.name == "readEvents")
        assert "answer.position" in row or "answer.from.position" in row
        for name, value in said.items():
            if not isinstance(value, dict):
                assert row.get(name, "") == cell(value), name
    assert ("Link" in by_parameter.headers) == (body.get("next") is not None)
    if "Link" in by_parameter.headers:
        following = by_parameter.headers["Link"].partition(">")[0].removeprefix("<")
        assert "format=csv" in following and client.get(following).status_code == 200


@pytest.mark.parametrize("operation", LISTED, ids=lambda operation: operation.name)
def test_every_list_is_had_as_parquet_of_the_same_columns(operation: Operation, client: TestClient) -> None:
    asked = {name: value for name, value in operation.example.items() if name in operation.query().fields}
    path = operation.path.format_map(operation.example)
    assert operation.listed is not None
    body = answer(client, path, **asked)
    found = client.get(path, params=asked, headers={"Accept": PARQUET_TYPE})
    assert found.status_code == 200 and found.headers["Content-Type"] == PARQUET_TYPE
    by_parameter = client.get(path, params=asked | {"format": "parquet"})
    table, again = (pq.read_table(BytesIO(each.content)) for each in (found, by_parameter))
    assert table.schema == again.schema and table.num_rows == again.num_rows
    listed, columns = operation.listed.of(body), operation.listed.columns(answered_as(operation, body))
    assert table.num_rows == len(listed) and table.schema.names == [*columns, *moment_of(body)]
    kinds = {"integer": pa.int64(), "boolean": pa.bool_()}
    assert [table.schema.field(name).type for name in columns] == [
        kinds.get(kind, pa.string()) for kind in columns.values()
    ]
    for row, said in zip(table.to_pylist(), listed, strict=True):
        for name, value in said.items():
            if not isinstance(value, dict | list):
                assert row.get(name) == value, name


def test_parquet_has_its_columns_and_types_whatever_stands_in_them() -> None:
    columns = {"a": "integer", "b.c": "text", "b.d": "boolean", "e": "object"}
    rows: list[dict[str, Any]] = [
        {"a": 2**62, "b": {"c": "=1", "d": False}, "e": {"z": [1]}},
        {"a": None, "b": None, "e": None},
    ]
    whole, empty = (pq.read_table(BytesIO(parquet_of(found, {"answer.position": 7}, columns))) for found in (rows, []))
    assert whole.schema == empty.schema and empty.num_rows == 0
    assert whole.to_pylist() == [
        {"a": 2**62, "b.c": "=1", "b.d": False, "e": '{"z":[1]}', "answer.position": 7},
        {"a": None, "b.c": None, "b.d": None, "e": None, "answer.position": 7},
    ]


def test_an_explanation_and_a_difference_are_rows(client: TestClient) -> None:
    tea_house = "/v1/subjects/merchant/tea-house"
    told = answer(client, f"{tea_house}/explanation", month="2022-11")
    rows = sheet(client, f"{tea_house}/explanation", month="2022-11", format="csv")
    assert [row["verdict"] or row["note"] for row in rows] == [
        *(item["verdict"] for item in told["verdicts"]),
        *(item["note"] for item in told["notes"]),
    ]
    assert {row["answer.subject"] for row in rows} == {"merchant/tea-house"}
    asked = {"as_of": "2022-11-30", "known_at": "2022-12-17"}
    moved = answer(client, f"{tea_house}/diff", **asked)
    steps = sheet(client, f"{tea_house}/diff", **asked, format="csv")
    assert [(row["step"], row["events.event"], row["events.points"]) for row in steps] == [
        (step["step"], *((item["event"], item["points"]) if item else ("", "")))
        for step in moved["steps"]
        for item in step["events"] or [None]
    ]
    assert steps[0]["answer.to.position"] == str(moved["to"]["position"])


def test_cells_are_no_formulas_and_rows_are_as_rfc_4180_says() -> None:
    assert [cell(text) for text in ("=1+1", "+x", "-x", "@x", "\tx", "\rx")] == [
        *("'=1+1", "'+x", "'-x", "'@x", "'\tx", "'\rx")
    ]
    assert [cell(value) for value in (None, True, False, -3, "-0.7", "+1.0", "", [1, "a"])] == [
        *("", "true", "false", "-3", "-0.7", "+1.0", "", '[1,"a"]')
    ]
    body = {"position": 7, "rows": [{"a": 'say "x",\n店', "b": {"c": 1}}, {"a": None, "b": None}]}
    rows, moment = SheetRows(("rows",)).of(body), moment_of(body)
    assert csv_of(rows, moment) == 'a,b.c,answer.position\r\n"say ""x"",\n店",1,7\r\n,,7\r\n'
    assert csv_of([], {}, {"a": "integer", "b.c": "text", "d": "object"}) == "a,b.c\r\n"
    assert preferred("text/csv, application/json;q=0.5") == "csv" and preferred("application/json, text/csv") == "json"
    assert preferred("text/html,*/*") == preferred("") == "json" and preferred(f"{PARQUET_TYPE}, */*") == "parquet"


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
    for words in (["totals"], ["distribution"]):
        text = CliRunner().invoke(main, ["worklist", *words, "--store", location]).stdout
        assert f"{totals['rows'][0]['subjects']:,}" in text, words
    with open_store(location):
        wrong = CliRunner().invoke(main, ["worklist", "changed", "--store", location, "--cursor", "x"])
    assert wrong.exit_code == 2 and "--cursor is none that this service gave" in wrong.output
    wrong = CliRunner().invoke(main, ["worklist", "changed", "--store", location, "--period", "2022-11-31"])
    assert wrong.exit_code == 2 and "--period '2022-11-31' does not exist" in wrong.output


@pytest.mark.parametrize(
    "path", ["/v1/worklist/totals", "/v1/levels/distribution", "/v1/worklist/changed", "/worklist"]
)
def test_a_day_that_the_calendar_has_not_is_said_to_be_none(client: TestClient, path: str) -> None:
    asked = {"list": "totals"} if path == "/worklist" else {}
    found = client.get(path, params=asked | {"period": "2022-02-30"})
    assert found.status_code == 400
    said = "period '2022-02-30' does not exist in the calendar (day is out of range for month)"
    assert found.json()["detail"] == said
    assert client.get(path, params=asked | {"period": "2022-02-28"}).status_code == 200
