"""What could be, asked of the service: marked, bounded, recorded nowhere, and no way to look names up."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from fixtures.demo import DECIDED_ON
from projections.api.hypothetical import OPERATIONS
from projections.contract.parts.hypothetical import WaysAnswer, WhatIfAnswer
from projections.http.settings import Settings
from replay.history.timeline import Asked, resolve
from replay.hypothetical.laid import read_supposed
from replay.hypothetical.overlay import overlaid
from replay.schemes.replaying import replay_subject
from replay.store.buyers import key_of
from replay.store.opening import open_store
from tests.support.making import records
from tests.support.serving import demo_ledger, serving

TEA_HOUSE = "/v1/what-if/merchant/tea-house"
SENT = dict(OPERATIONS[0].sends)
THEN: dict[str, Any] = {"as_of": DECIDED_ON}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("supposing")
    demo_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.fixture(scope="module")
def client(ledger: str) -> Iterator[TestClient]:
    with serving(Settings(ledger)) as found:
        yield found


def post(client: TestClient, sent: Any, status: int = 200, **query: Any) -> dict[str, Any]:
    answer = client.post(TEA_HOUSE, json=sent, params=query)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_good_review_that_was_not_is_a_point(client: TestClient) -> None:
    found = post(client, SENT, **THEN)
    assert WhatIfAnswer().validate(found) == {}
    assert found["hypothetical"] is True and (found["events"], found["events_later"]) == (2, 0)
    assert float(found["then"]["points"]) - float(found["now"]["points"]) == 1.0
    earlier = post(client, SENT | {"to": DECIDED_ON}, **THEN)
    assert (earlier["events"], earlier["events_later"]) == (0, 2)
    assert earlier["then"] == earlier["now"] and earlier["changes"] == []


def test_the_policy_that_is_named_judges_what_would_be_alone(client: TestClient) -> None:
    found = post(client, {}, policy="2022-10-26", lang="zh", **THEN)
    assert found["now"]["policy_hash"] == found["then"]["policy_hash"]
    refused = post(client, {}, 400, policy="nowhere", **THEN)
    assert "there is no policy 'nowhere'" in refused["detail"]


def test_what_cannot_be_supposed_is_refused(client: TestClient) -> None:
    event = SENT["events"][0]
    for sent, told in (
        ({"events": [event | {"type": "order.payed"}]}, "event 1 holds no event that could happen: type: found"),
        ({"events": [event, event]}, "event 2 bears the name of an event before it"),
        ({"events": [event | {"subject": "merchant/m-2"}]}, "event 1 is of merchant/m-2"),
        ({"events": [event] * 1_001}, "events holds more than 1000 events"),
        ({"to": "2022-01-01"}, "to 2022-01-01 is before"),
        ({"events": [event | {"time": "9999-12-31T00:00:00Z"}]}, "event 1 is more than ten years ahead"),
        ({"to": "2999-01-01"}, "to 2999-01-01 is more than ten years ahead"),
        ({"surprise": 1}, "surprise is not known"),
        ([event], "body is not a JSON object"),
    ):
        assert told in post(client, sent, 400, **THEN)["detail"], told
    assert client.post("/v1/what-if/merchant/nobody", json={}).status_code == 404
    assert client.get(TEA_HOUSE).status_code == 405
    long = b'{"events": [' + b" " * 300_000 + b"]}"
    refused = client.post(TEA_HOUSE, content=long)
    assert refused.status_code == 413 and refused.json()["detail"].endswith("bytes; name fewer of what it lists")


def test_names_are_not_looked_up(ledger: str, client: TestClient) -> None:
    """A buyer had a review counted that October, so that a sixth more is over the cap: only the key tells."""
    sent = [
        event | {"id": f"{event['id']}-{n}", "time": "2022-10-20T10:00:00+08:00", "data": event["data"] | {"order": n}}
        for n in map(str, range(6))
        for event in SENT["events"]
    ]
    for made in sent[::2]:
        made["data"]["buyer"] = "buyer-30"
    found = post(client, {"events": sent}, **THEN)
    assert float(found["then"]["points"]) - float(found["now"]["points"]) == 6.0
    with open_store(ledger) as store:
        moment = resolve(store, Asked(DECIDED_ON))
        now = replay_subject(store, "merchant/tea-house", moment)
        events = [read_supposed(json.dumps(made).encode(), made["id"]) for made in sent]
        known = overlaid(now, events, moment.as_of, key_of(store))
        assert (known.standing().points_tenths or 0) - (now.standing().points_tenths or 0) == 50


def test_ways_are_proved_and_marked(client: TestClient) -> None:
    answer = client.get("/v1/ways/creator/lin", params=THEN)
    found = answer.json()
    assert answer.status_code == 200 and WaysAnswer().validate(found) == {}
    assert found["hypothetical"] is True and found["unproved"] == [] and found["ways"]
    assert "immutable" not in answer.headers["Cache-Control"]
    assert client.get("/v1/ways/creator/nobody").status_code == 404


def test_too_much_is_not_laid_over(ledger: str) -> None:
    with serving(Settings(ledger, replay_events=300)) as small:
        assert small.get("/v1/subjects/merchant/tea-house/history").status_code == 200
        assert small.post(TEA_HOUSE, json={}).status_code == 503, "the replay itself takes most of the room"


def test_nothing_of_it_is_recorded(ledger: str, client: TestClient) -> None:
    with open_store(ledger) as store:
        before, files = (store.head(), records(store)), bytes_beside(ledger)
        post(client, SENT, **THEN)
        client.get("/v1/ways/creator/lin", params=THEN)
        client.get("/v1/ways/merchant/tea-house")
        assert (store.head(), records(store)) == before and bytes_beside(ledger) == files


def bytes_beside(ledger: str) -> dict[str, bytes]:
    """The files of the ledger and of its views; those of the service note who asked, as of every replay."""
    path = Path(ledger)
    files = [file for file in path.parent.glob(f"{path.name}*") if ".service" not in file.name]
    assert len(files) > 2
    return {file.name: file.read_bytes() for file in files if not file.name.endswith("-shm")}
