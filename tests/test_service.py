"""The service: its guard, its errors, its start."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from projections.service.app import application
from projections.service.guards import HEADERS
from projections.service.settings import Settings, check_names
from replay.errors import UsageError
from replay.store import create_store


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with TestClient(application(Settings(location)), base_url="http://127.0.0.1:8020") as found:
        yield found


def test_every_answer_bears_the_guards_headers(client: TestClient) -> None:
    for path, status in (("/healthz", 200), ("/", 200), ("/nothing", 404)):
        answer = client.get(path)
        assert answer.status_code == status
        for name, value in HEADERS:
            assert answer.headers[name.decode()] == value.decode()


def test_a_request_by_another_name_is_refused(client: TestClient) -> None:
    answer = client.get("/healthz", headers={"Host": "evil.example:8020"})
    assert (answer.status_code, answer.json()["field"]) == (421, "Host")
    for host in ("localhost", "127.0.0.1:1", "LOCALHOST:8020", "[::1]:8020"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_people_get_a_page_and_programs_problem_details(client: TestClient) -> None:
    page = client.get("/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404 and "There is no such page" in page.text
    answer = client.post("/healthz")
    assert answer.headers["Content-Type"] == "application/problem+json" and "GET" in answer.headers["Allow"]
    assert answer.json()["type"] == "urn:levelbook:problem:wrong-method"


def test_a_service_for_everywhere_must_be_told_its_name() -> None:
    with pytest.raises(UsageError, match=" listens everywhere, so that the name by which"):
        check_names(Settings("ledger.db", host="0.0.0.0"))
    assert Settings("ledger.db", host="0.0.0.0", names=("levels.example",)).hosts == {"0.0.0.0", "levels.example"}
    assert Settings("ledger.db", host="0.0.0.0").needs_token and not Settings("ledger.db").needs_token
