"""The appeal file by the API: as the command gives it, described, and for who may see decisions alone whole."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from projections.contract.api import AppealAnswer
from projections.http.settings import Settings
from tests.support.disputes import disputed_ledger
from tests.support.running import run
from tests.support.serving import serving

DISPUTED = (
    ("merchant/tea-house", "merchant-reputation", "2022-11"),
    ("merchant/tea-house", "merchant-tier", "2022-11-30"),
    ("creator/lin", "creator-level", "2023-04"),
    ("mcn/harbour", "mcn-level", "2023-04"),
)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("appeals")
    disputed_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.fixture(scope="module")
def client(ledger: str) -> Iterator[TestClient]:
    with serving(Settings(ledger)) as found:
        yield found


def asked(client: TestClient, subject: str, status: int = 200, **query: str) -> Any:
    answer = client.get(f"/v1/subjects/{subject}/appeal", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize(("subject", "scheme", "period"), DISPUTED)
def test_it_is_the_file_that_the_command_prints(
    subject: str, scheme: str, period: str, client: TestClient, ledger: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    found = asked(client, subject, scheme=scheme, period=period)
    words = ("appeal", "--store", ledger, subject, "--scheme", scheme, "--period", period, "--format", "json")
    assert found == json.loads(run(*words))
    AppealAnswer().load(found)


def test_what_cannot_be_asked_is_told(client: TestClient) -> None:
    subject = "merchant/tea-house"
    assert asked(client, subject, 400)["field"] == "period"
    assert asked(client, subject, 400, period="2022-13")["field"] == "period"
    assert asked(client, subject, 404, period="2022-11", scheme="mcn-level")["title"].startswith("The scheme does not")
    assert asked(client, "merchant/nobody", 404, period="2022-11")["field"] == "id"
    assert "decided nothing of" in asked(client, subject, 400, period="2022-11", run="run-0")["detail"]
