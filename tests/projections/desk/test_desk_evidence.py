"""The desk over evidence alone, without the ledger and without views."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from domain.calendar import parse_month
from fixtures.demo import MERCHANT, story
from projections.http.scopes import DECISIONS, EVIDENCE, SCOPES
from projections.http.settings import Settings
from projections.http.token_store import open_keeping
from replay.decisions.decide import decide, decided_events, period_of
from replay.evidence.checking import checked_evidence, failing_check
from replay.evidence.making import write_evidence
from replay.evidence.pointing import EvidenceAsked, pointed_at
from replay.evidence.under import sealed_ledger
from replay.history.readers import EVERYTHING_SHOWN
from replay.proving.trust import parse_trust
from replay.store.opening import create_store, open_store
from tests.support.making import ingest_events
from tests.support.seals import checkpointed, trust_text
from tests.support.serving import serving

SCHEME = "merchant-reputation"


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ledger that has decided a month of the demo's merchant, and is sealed."""
    folder = tmp_path_factory.mktemp("ledger")
    found = str(folder / "ledger.db")
    create_store(found)
    with open_store(found) as store:
        ingest_events(store, story(), folder, backfill=True)
        decide(store, SCHEME, period_of(store, SCHEME, parse_month("2022-11"), None))
        checkpointed(store)
    return found


@pytest.fixture(scope="module")
def client(location: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The service over evidence of the decision."""
    path = tmp_path_factory.mktemp("evidence") / "some.evidence"
    with open_store(location) as store:
        ((position, _),) = decided_events(store, MERCHANT, EVERYTHING_SHOWN)
        sealed = sealed_ledger(store)
        pointed = pointed_at(store, MERCHANT, sealed.size, EvidenceAsked(decision=position))
        write_evidence(store, path, pointed, sealed, compressed=True)
    with checked_evidence(path, None) as found, serving(Settings(found.location)) as asked:
        yield asked


def test_the_first_page_leads_to_the_subject_of_the_evidence(client: TestClient) -> None:
    found = client.get("/?lang=en")
    assert (found.status_code, found.headers["location"]) == (303, f"/subjects/{MERCHANT}?lang=en")


@pytest.mark.parametrize("place", ["", "/timeline", "/why?month=2022-11", "/differences?period=2022-11", "/appeal"])
def test_every_page_of_the_subject_is_shown_at_the_moment_of_the_evidence(client: TestClient, place: str) -> None:
    found = client.get(f"/subjects/{MERCHANT}{place}")
    assert found.status_code == 200
    assert "merchant-tier" not in found.text  # whose policies it does not hold
    assert place in ("/appeal", "/differences?period=2022-11") or "2022-11-30 23:59" in found.text


def test_the_appeal_file_and_the_interface_answer_as_the_ledger_does(location: str, client: TestClient) -> None:
    with serving(Settings(location)) as ledger:
        for place in (
            f"/subjects/{MERCHANT}/appeal/file.txt?scheme={SCHEME}&period=2022-11",
            f"/v1/subjects/{MERCHANT}/explanation?scheme={SCHEME}&as_of=2022-11-30&month=2022-11",
            f"/v1/subjects/{MERCHANT}/history?scheme={SCHEME}&as_of=2022-11-30",
        ):
            told, own = client.get(place), ledger.get(place)
            assert told.status_code == own.status_code == 200
            # the chain of the whole ledger is not known to evidence
            assert told.content == re.sub(rb"chain [0-9a-f]{64}", b"chain -", own.content)


def test_a_page_says_in_both_languages_what_evidence_shows_and_what_this_file_is(client: TestClient) -> None:
    english, chinese = client.get("/evidence?lang=en").text, client.get("/evidence?lang=zh").text
    assert "That what was never recorded did not happen." in english and MERCHANT in english
    assert "从未入账的事没有发生。" in chinese and MERCHANT in chinese


def test_evidence_of_what_is_shown_is_downloaded_and_accepted(location: str, tmp_path: Path) -> None:
    with open_store(location) as store:
        trust = parse_trust(trust_text(store.identity.id).encode())
    with serving(Settings(location)) as ledger:
        page = ledger.get(f"/subjects/{MERCHANT}/appeal?scheme={SCHEME}&period=2022-11&lang=en").text
        (link,) = re.findall(r'href="(/v1/[^"]*/evidence\?[^"]*)"', page)
        found = ledger.get(html.unescape(link))
        assert (found.status_code, found.headers["Content-Type"]) == (200, "application/gzip")
        assert re.search(
            r'filename="merchant-tea-house-merchant-reputation-decision-\d+\.evidence"', str(found.headers)
        )
        (tmp_path / "some.evidence").write_bytes(found.content)
        assert failing_check(tmp_path / "some.evidence", trust) is None
        replayed = ledger.get(f"/v1/subjects/{MERCHANT}/evidence?as_of=2022-11-30&scheme=merchant-tier")
        (tmp_path / "other.evidence").write_bytes(replayed.content)
        assert failing_check(tmp_path / "other.evidence", trust) is None
        for query, told in (
            ("", "evidence is of one thing: give period for what"),
            ("?period=2022-11-31", "period '2022-11-31' "),
            ("?decision=1", "no decision on merchant/tea-house stands at position 1"),
        ):
            refused = ledger.get(f"/v1/subjects/{MERCHANT}/evidence{query}")
            assert refused.status_code == 400 and told in refused.json()["detail"], query
        assert ledger.get("/v1/subjects/merchant/nobody/evidence?as_of=2022-11-30").status_code == 404


def test_evidence_takes_its_own_scope_and_that_of_decisions(location: str) -> None:
    path = f"/v1/subjects/{MERCHANT}/evidence?as_of=2022-11-30"
    with open_store(location) as store, open_keeping(store) as keeping:
        tokens = [keeping.new_token("w", scopes, 100, 1)[1] for scopes in ((EVIDENCE,), (DECISIONS,), SCOPES)]
    with serving(Settings(location, token_required=True)) as asked:
        for token, status, told in zip(tokens, (403, 403, 200), (DECISIONS, EVIDENCE, ""), strict=True):
            found = asked.get(path, headers={"Authorization": f"Bearer {token}"})
            assert found.status_code == status and told in (found.json()["detail"] if told else "")


def test_what_evidence_does_not_hold_is_refused(client: TestClient) -> None:
    for place in ("/subjects/merchant/other", f"/subjects/{MERCHANT}/why?scheme=merchant-tier"):
        found = client.get(place)
        assert found.status_code == 400 and "whole, so that nothing is said of it" in found.text
    board = client.get("/v1/leaderboards/comprehensive/2023-04")
    assert board.status_code == 503 and board.json()["type"].endswith("no-views")
