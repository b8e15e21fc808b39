"""What a token's scopes show: no route and no page tells of decisions without the scope, and each explanation is noted.

Both are held over the tables of operations and pages: what is new there is walked, too.
"""

import re
from collections.abc import Iterator
from html import unescape
from itertools import chain, combinations
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
import pytest
from marshmallow import Schema
from starlette.routing import Route
from starlette.testclient import TestClient

from domain.calendar import parse_day, parse_month
from domain.events import LevelDecided
from fixtures.demo import story
from projections.api.operations import Operation
from projections.api.routes import OPERATIONS
from projections.desk.framing.page import Page
from projections.desk.pages import FILES, PAGES
from projections.http.scopes import DECISIONS, EVIDENCE, EXPLANATIONS, LEVELS, SCOPES, TRYING
from projections.http.settings import Settings
from projections.http.token_store import Keeping, NotedAccess, open_keeping
from projections.projector.rebuild import Asked, rebuild
from projections.views.database import open_views
from replay.answers.board import board_rows
from replay.decisions import decide
from replay.errors import StoreError
from replay.history.readers import EVERYTHING_SHOWN, HiddenError, Reader
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.making import ingest_events
from tests.support.serving import form_of, one_of_each_form, serving

LEVEL = "zz-decided-9"
SCORE = 987_654_321
SUBJECTS = {"merchant": "tea-house", "creator": "lin", "mcn": "harbour"}
DECIDED = {"merchant-reputation": "2022-11", "merchant-tier": "2022-11-05", "creator-level": "2023-04"}
DECIDED |= {"mcn-level": "2023-04", "leaderboard": "2023-04"}
SUBSETS = [*chain.from_iterable(combinations(SCOPES, size) for size in range(len(SCOPES) + 1))]
OPEN_ROUTES = {
    *("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs.css"),
    *("/login", "/logout", "/static/{name}"),
}
"""What tells of no subject."""


class Disputed(NamedTuple):
    """A ledger whose decisions are recognised wherever they are told."""

    location: str
    secrets: dict[str, list[bytes]]
    """By what is told of a decision, the ways in which it may be spelled."""
    runs: dict[str, str]
    positions: list[int]


Told = Operation | Page


@pytest.fixture(scope="module")
def disputed(tmp_path_factory: pytest.TempPathFactory) -> Disputed:
    folder = tmp_path_factory.mktemp("scopes")
    return disputed_at(str(folder / "ledger.db"), folder)


def disputed_at(location: str, folder: Path) -> Disputed:
    """The demo's story, with decisions of every scheme that no replay would give."""
    create_store(location)
    with open_store(location) as store, pytest.MonkeyPatch.context() as patched:
        ingest_events(store, story(), folder, backfill=True)
        _make_recognisable(patched)
        runs = {}
        for scheme, period in DECIDED.items():
            month, day = (None, parse_day(period)) if scheme == "merchant-tier" else (parse_month(period), None)
            found = decide.decide(store, scheme, decide.period_of(store, scheme, month, day))
            assert found.decided, scheme
            runs[scheme] = found.run.run
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
        decided: list[tuple[int, LevelDecided]] = [
            item
            for kind, name in SUBJECTS.items()
            for item in decide.decided_events(store, f"{kind}/{name}", EVERYTHING_SHOWN)
        ]
    secrets = {
        "level": [LEVEL.encode()],
        "score": [b"987654321", b"987,654,321", b"98765432.1", b"98,765,432.1"],
        "run": [run.encode() for run in runs.values()],
        "digest": [digest.encode() for _, item in decided for digest in (item.facts, item.findings)],
    }
    assert len(decided) == 4
    return Disputed(location, secrets, runs, [position for position, _ in decided])


def _make_recognisable(patched: pytest.MonkeyPatch) -> None:
    decision_of = decide.decision_of

    def recognisable(*asked: Any) -> LevelDecided:
        return msgspec.structs.replace(decision_of(*asked), state="rated", level=LEVEL, score=SCORE)

    def recognisable_board(*asked: Any) -> list[Any]:
        return [
            (code, policy, [msgspec.structs.replace(row, level=LEVEL, score=SCORE) for row in rows])
            for code, policy, rows in board_rows(*asked)
        ]

    patched.setattr(decide, "decision_of", recognisable)
    patched.setattr(decide, "board_rows", recognisable_board)


@pytest.fixture(scope="module")
def client(disputed: Disputed) -> Iterator[TestClient]:
    with serving(Settings(disputed.location, token_required=True)) as found:
        yield found


@pytest.fixture(scope="module")
def keeping(disputed: Disputed) -> Iterator[Keeping]:
    with open_store(disputed.location) as store, open_keeping(store) as found:
        yield found


def scopes_id(scopes: tuple[str, ...]) -> str:
    return "+".join(scope.partition(":")[0] for scope in scopes) or "none"


def bearer(keeping: Keeping, scopes: tuple[str, ...]) -> dict[str, str]:
    _, token = keeping.new_token("w", scopes, 10**6, 1)
    return {"Authorization": f"Bearer {token}"}


def name_of(told: Told) -> str:
    return told.name if isinstance(told, Operation) else told.path


def values(parameter: str, disputed: Disputed) -> list[str]:
    """What is asked for by a parameter; a new parameter needs an entry here."""
    first, last = str(disputed.positions[0]), str(disputed.positions[-1])
    clocks = {
        "as_of": ["2022-12-20", "2023-06-10"],
        "known_at": ["2022-12-20", "2999-01-01"],
        "position": [first, last],
        "policy": ["2022-10-26", "2022-09-09"],
        "against": ["2022-10-26", "2022-12-20"],
    }
    to = {f"to_{name}": found[-1:] for name, found in clocks.items()}
    return {
        **clocks,
        **to,
        "scheme": ["merchant-reputation", "merchant-tier", "creator-level", "mcn-level"],
        "month": ["2022-11", "2023-04"],
        "day": ["2022-11-05"],
        "report": ["ab" * 32],
        "event": ["rev-ring-1", "merchant/tea-house"],
        "verdict": ["counted"],
        "limit": ["1000"],
        "cursor": ["x"],
        "order": ["o-ring-1", "merchant-reputation 2022-11"],
        "type": ["level.decided", "board.decided", "decisions.run", "review.posted"],
        "min_position": ["1"],
        "level": [LEVEL],
        "changed_since": ["2020-06-01"],
        "after": ["merchant/tea-a"],
        "lang": ["zh"],
        "q": ["tea", "mcn/"],
        "kind": ["mcn"],
        "period": ["2022-11", "2022-11-05", "2023-04"],
        "run": [*disputed.runs.values()],
        "decision": [first, last],
        "page": ["1"],
        "format": ["csv"],
        "state": ["rated"],
        "list": ["differing", "announced", "changed", "totals"],
        "id": ["rev-ring-1", "merchant-reputation 2022-11"],
        "source": ["urn:demo:shop"],
        "about": ["ring-1", "merchant-reputation 2022-11"],
        "case": ["case-7"],
        "alias": ["x"],
        "subject": ["merchant/tea-house"],
        "before": ["1"],
        "suppose": ["good_reviews"],
        "count": ["2"],
        "to": ["2027-01-31", "2022-12-20"],
    }[parameter]


def places_of(told: Told, disputed: Disputed) -> Iterator[str]:
    """Every address of a route over the subjects that were decided."""
    schema: type[Schema] = told.path_schema if isinstance(told, Operation) else told.named
    names = set(schema().fields)
    for kind, subject in SUBJECTS.items() if "kind" in names else [("", "")]:
        judging = [scheme for scheme in values("scheme", disputed) if not kind or scheme.startswith(f"{kind}-")]
        for scheme in judging if "scheme" in names else [""]:
            for board in ("comprehensive", "growth") if "board" in names else [""]:
                for form in ("html", "json", "txt") if "form" in names else [""]:
                    parts = {"kind": kind, "id": subject, "scheme": scheme, "board": board, "report": "ab" * 32}
                    for recorded in ["1", *map(str, disputed.positions)] if "recorded" in names else [""]:
                        parts |= {"form": form, "month": "2023-04", "recorded": recorded}
                        yield told.path.format_map(parts)


def queries_of(told: Told, place: str, disputed: Disputed) -> Iterator[dict[str, str]]:
    """Nothing asked, each parameter by itself, and what only tells something together."""
    names = set(told.query().fields)
    yield {}
    for name in sorted(names) if "/creator/" not in place and "/mcn/" not in place else ():
        yield from ({name: value} for value in values(name, disputed))
    for scheme, period in DECIDED.items():
        if {"period", "scheme", "run"} <= names and f"/{scheme.partition('-')[0]}/" in place:
            yield {"scheme": scheme, "period": period}
            yield {"scheme": scheme, "period": period, "run": disputed.runs[scheme]}
    if {"as_of", "position"} <= names:
        yield {"as_of": "2023-06-10", "position": str(disputed.positions[-1])}
        yield {"as_of": "2022-12-20", "position": str(disputed.positions[0])}
    if {"limit", "type"} <= names:
        yield {"limit": "1000", "type": "level.decided"}


def asked_of(client: TestClient, told: Told, place: str, query: dict[str, str], headers: dict[str, str]) -> Any:
    if isinstance(told, Operation) and told.body is not None:
        sent = {"subjects": ["merchant/tea-house", "mcn/harbour"]} if "subjects" in told.sends else dict(told.sends)
        return client.post(f"{place}?{urlencode(query)}" if query else place, json=sent, headers=headers)
    people = {"Accept": "text/html"} if isinstance(told, Page) else {}
    return client.get(f"{place}?{urlencode(query)}" if query else place, headers=headers | people)


def told_in(content: bytes, asked: str, disputed: Disputed) -> list[str]:
    """What of a decision stands in an answer, but for what whoever asks has said himself."""
    said = asked.encode()
    return [
        what
        for what, spelled in disputed.secrets.items()
        if any(secret in content and quote(secret).encode() not in said for secret in spelled)
    ]


def names_period(told: Told) -> bool:
    """Whether a route is of one disputed level, and answers nothing without its period."""
    return "{form}" in told.path or name_of(told) == "readAppeal"


def last_noted(keeping: Keeping) -> int:
    """The number of the last access that was written down; 0: none was."""
    return next((item.number for item in keeping.latest_accesses(None, None, 1)), 0)


def noted_after(keeping: Keeping, number: int) -> list[NotedAccess]:
    """What one request wrote down: all of thousands would take longer to be read than the requests take."""
    latest = keeping.latest_accesses(None, None, NOTED_MAX)
    assert len(latest) < NOTED_MAX or latest[-1].number <= number
    return [item for item in reversed(latest) if item.number > number]


ALL: tuple[Told, ...] = (*OPERATIONS, *PAGES)
NOTED_MAX = 50


@pytest.mark.slow
def test_without_the_scope_no_route_and_no_page_tells_of_decisions(
    client: TestClient, keeping: Keeping, disputed: Disputed
) -> None:
    """Whatever is asked of them, by who may read all else."""
    headers, answered = bearer(keeping, (LEVELS, EXPLANATIONS)), set()
    for told in ALL:
        for place in places_of(told, disputed):
            for query in queries_of(told, place, disputed):
                answer = asked_of(client, told, place, query, headers)
                assert answer.status_code in (200, 303, 400, 403, 404), (place, query, answer.text)
                assert told_in(answer.content, str(answer.request.url), disputed) == [], (place, query)
                if answer.status_code == 200:
                    answered.add(name_of(told))
    client.cookies.clear()
    assert answered == {name_of(told) for told in ALL if told.scope not in (DECISIONS, EVIDENCE, TRYING)}


def test_with_the_scope_they_are_told_where_they_belong(
    client: TestClient, keeping: Keeping, disputed: Disputed
) -> None:
    headers, subject = bearer(keeping, SCOPES), "/subjects/{kind}/{id}"
    found = {
        *("readLevel", "readExplanation", "readEvents", "readDecisions", "readAppeal", "readLeaderboard"),
        *("readAllDecisions", "readDiffering", "readEvent", "searchEvents", "/worklist", "/boards/{board}"),
        *("/events", "/events/{recorded}"),
        *("/", f"{subject}/timeline", f"{subject}/differences", f"{subject}/appeal"),
        f"{subject}/appeal/file.{{form}}",
    }
    for told in [told for told in ALL if name_of(told) in found]:
        asked = ((place, query) for place in places_of(told, disputed) for query in queries_of(told, place, disputed))
        seen = (told_in(asked_of(client, told, *each, headers).content, "", disputed) for each in asked)
        assert any(seen), f"{told.path}: else the test above could not fail"
    client.cookies.clear()


@pytest.mark.parametrize("scopes", SUBSETS, ids=scopes_id)
def test_every_route_is_behind_its_scope(
    scopes: tuple[str, ...], client: TestClient, keeping: Keeping, disputed: Disputed
) -> None:
    headers = bearer(keeping, scopes)
    for told in ALL:
        place = next(places_of(told, disputed))
        query = {"period": "2022-11", "scheme": "merchant-reputation"} if names_period(told) else {}
        query |= {"id": "rev-ring-1"} if name_of(told) == "searchEvents" else {}
        found = asked_of(client, told, place, query, headers)
        needed = {told.scope, DECISIONS} if told.scope == EVIDENCE else {told.scope}
        # the ledger has signed no checkpoint, and keeps no report of a trial
        taken = 404 if told.scope == EVIDENCE or "{report}" in told.path else 200
        assert found.status_code == (taken if needed <= {*scopes} else 403), (place, scopes)
        assert DECISIONS in scopes or told_in(found.content, "", disputed) == [], (place, scopes)


@pytest.mark.slow
def test_a_table_as_a_file_is_under_the_scope_of_its_page_and_written_down(
    client: TestClient, keeping: Keeping, disputed: Disputed
) -> None:
    """Of each page with the same parameters once; `make soak` gives these every value."""
    headers, links, known = bearer(keeping, SCOPES), dict[str, Page](), set[tuple[str, ...]]()
    for told in PAGES:
        for place in places_of(told, disputed):
            for query in queries_of(told, place, disputed):
                form = form_of(f"{place}?{urlencode(query)}")
                if SOAK == 1 and form in known and "list" not in query:
                    continue
                known.add(form)
                text = asked_of(client, told, place, query, headers).text
                links |= {unescape(link): told for link in re.findall(r'href="([^"]*/table/[^"]+)"', text)}
    assert {told.path for told in links.values()} >= {"/", "/boards/{board}", "/subjects/{kind}/{id}/differences"}
    hidden = bearer(keeping, (LEVELS, EXPLANATIONS))
    without = {scope: bearer(keeping, tuple(other for other in SCOPES if other != scope)) for scope in SCOPES}
    for link in one_of_each_form(links) if SOAK == 1 else links:
        told = links[link]
        assert told_in(client.get(link, headers=hidden).content, link, disputed) == [], link
        assert client.get(link, headers=without[told.scope]).status_code == 403, link
        before = last_noted(keeping)
        assert client.get(link, headers=headers).status_code == 200, link
        noted = [item.what for item in noted_after(keeping, before)]
        if told.path == "/subjects/{kind}/{id}":  # the ways of each card are written down by the page itself
            assert noted and {*noted} == {"ways"}, link
        else:
            assert noted == ([] if told.access is None else [told.access.what]), link
    client.cookies.clear()


def test_a_reader_who_may_not_see_decisions_is_told_so_where_they_are_asked_for() -> None:
    EVERYTHING_SHOWN.check("level.decided")
    with pytest.raises(HiddenError, match=r"^decisions were asked for, which are not shown to this reader"):
        Reader(sees_decisions=False).check("level.decided")


def test_decisions_that_are_asked_for_by_name_need_the_scope(
    client: TestClient, keeping: Keeping, disputed: Disputed
) -> None:
    headers = bearer(keeping, (LEVELS, EXPLANATIONS))
    run = disputed.runs["merchant-reputation"]
    for path in (
        "/v1/subjects/merchant/tea-house/events?type=level.decided",
        "/subjects/merchant/tea-house/differences?period=2022-11",
        f"/subjects/merchant/tea-house/differences?period=2022-11&run={run}",
        f"/subjects/merchant/tea-house/appeal/file.json?period=2022-11&run={run}",
    ):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 403 and "scope decisions:read" in answer.json()["detail"]
    level = "/v1/subjects/merchant/tea-house/levels/merchant-reputation?as_of=2022-12-20"
    hidden, shown = client.get(level, headers=headers), client.get(level, headers=bearer(keeping, SCOPES))
    assert "decided" not in hidden.json()["published"] and shown.json()["published"]["decided"]["level"] == LEVEL
    again = client.get(level, headers=bearer(keeping, SCOPES) | {"If-None-Match": hidden.headers["ETag"]})
    assert again.status_code == 200, "an answer without decisions is not the one with them"
    file = "/subjects/merchant/tea-house/appeal/file.{}?period=2022-11"
    made = client.get(file.format("json"), headers=headers).json()
    assert not {"decided", "difference"} & made.keys()
    assert "decisions are left out" in client.get(file.format("txt"), headers=headers).text
    assert "未显示认定" in client.get(f"{file.format('html')}&lang=zh", headers=headers).text


@pytest.mark.slow
def test_events_leave_decisions_out_on_both_databases(location: str, tmp_path: Path) -> None:
    disputed = disputed_at(location, tmp_path)
    events = "/v1/subjects/merchant/tea-house/events?limit=1000"
    settings = Settings(location, token_required=True)
    with open_store(location) as store, open_keeping(store) as keeping, serving(settings) as client:
        hidden = client.get(events, headers=bearer(keeping, (EXPLANATIONS,)))
        shown = client.get(events, headers=bearer(keeping, (EXPLANATIONS, DECISIONS)))
    assert told_in(hidden.content, "", disputed) == [] and len(told_in(shown.content, "", disputed)) == 4
    left = [item for item in shown.json()["events"] if item["event"]["type"] != "level.decided"]
    assert hidden.json()["events"] == left and len(shown.json()["events"]) == len(left) + 2


# --- what is written down ---------------------------------------------------------------------------------------------


def test_every_route_of_the_service_is_classified(client: TestClient) -> None:
    routes: list[Route] = client.app.routes  # type: ignore[attr-defined]
    known = {told.path for told in (*ALL, *FILES)}
    assert {route.path for route in routes} == known | OPEN_ROUTES, "a new route belongs in a table"
    for told in ALL:
        assert told.scope in SCOPES
        assert (told.access is None) == (told.scope == LEVELS), f"{told.path}: what explains or decides is written down"


@pytest.mark.slow
@pytest.mark.parametrize("told", [told for told in ALL if told.access is not None], ids=name_of)
def test_every_explanation_is_written_down_before_it_is_answered(
    told: Told, client: TestClient, keeping: Keeping, disputed: Disputed, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bearer(keeping, SCOPES)
    assert told.access is not None
    for place in [*places_of(told, disputed)][:1]:
        for query in queries_of(told, place, disputed):
            before = last_noted(keeping)
            answer = asked_of(client, told, place, query, headers)
            noted = noted_after(keeping, before)
            if answer.status_code == 200:
                assert [item.what for item in noted] == [told.access.what], (place, query)
                is_of_all = "{id}" not in told.path
                assert noted[0].subject in place or is_of_all
                assert noted[0].scheme in (None, *DECIDED)
            else:
                assert answer.status_code in (400, 404) and len(noted) <= 1, (place, query)

    def fails(*_: object) -> None:
        raise StoreError("what the service keeps cannot be used: disk full")

    monkeypatch.setattr(Keeping, "note_access", fails)
    assert asked_of(client, told, next(places_of(told, disputed)), {}, headers).status_code == 503


def test_of_a_subject_that_there_is_not_nothing_is_written_down(client: TestClient, keeping: Keeping) -> None:
    before = last_noted(keeping)
    headers = bearer(keeping, SCOPES)
    assert client.get("/v1/subjects/merchant/nobody/explanation", headers=headers).status_code == 404
    assert client.get("/subjects/merchant/nobody/why", headers=headers).status_code == 404
    assert noted_after(keeping, before) == []
