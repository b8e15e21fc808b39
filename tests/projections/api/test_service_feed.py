"""The feed is complete, whatever happens meanwhile; and no answer mixes two builds."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, update
from starlette.applications import Starlette
from starlette.testclient import TestClient

from projections.api import feed
from projections.http import streams
from projections.http.problems import Problem
from projections.http.settings import Settings
from projections.projector.rebuild import Asked, rebuild, switch_back
from projections.views.database import open_views
from replay.errors import StoreError
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.making import event, ingest_events
from tests.support.serving import Copied, serving, shown_levels
from tests.support.views import empty_live, going_on
from tests.worlds.ledgers import World


def get(client: TestClient, path: str, **headers: str) -> Any:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def pages_of_levels(client: TestClient, between: Iterator[None]) -> tuple[Copied, str]:
    """A copy made page by page, while the world goes on between them; and where its feed begins."""
    copy: Copied = {}
    first, cursor = "", ""
    while cursor is not None:
        page = get(client, f"/v1/levels?limit=2{cursor and f'&cursor={cursor}'}")
        copy |= {(row["subject"], row["scheme"]): row for row in page["levels"]}
        first, cursor = first or page["feed"], page["next"]
        next(between, None)
    return copy, first


def take_over(client: TestClient, copy: Copied, cursor: str, limit: int = 3) -> str:
    """Apply every change behind a cursor; where to go on."""
    while True:
        page = get(client, f"/v1/changes?after={cursor}&limit={limit}")
        for changed in page["changes"]:
            data = changed["data"]
            copy.pop((data["subject"], data["scheme"]), None)
            if changed["type"] == feed.CHANGED:
                copy[data["subject"], data["scheme"]] = data
        cursor = page["next"]
        if page["caught_up"]:
            return cursor


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2 * SOAK))
def test_a_copy_by_pages_and_feed_equals_the_levels(seed: int, tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        empty_live(views)
        world = going_on(views, tmp_path, seed)
        with serving(Settings(store.location)) as client:
            from_feed: Copied = {}
            cursor = take_over(client, from_feed, get(client, "/v1/changes?limit=1")["next"])
            for _ in range(5):
                next(world)
                cursor = take_over(client, from_feed, cursor)
                assert from_feed == shown_levels(client)
            by_pages, feed_cursor = pages_of_levels(client, world)
            for _ in world:
                cursor = take_over(client, from_feed, cursor)
                assert from_feed == shown_levels(client)
            take_over(client, by_pages, feed_cursor, limit=1000)
            assert by_pages == shown_levels(client) == from_feed and len(by_pages) > 8


@pytest.mark.slow
def test_the_feed_is_the_same_on_both_databases(store: Store, tmp_path: Path) -> None:
    with open_views(store, make=True) as views:
        empty_live(views)
        world = going_on(views, tmp_path, 5)
        for _ in range(4):
            next(world)
        with serving(Settings(store.location)) as client:
            copy: Copied = {}
            page = get(client, "/v1/changes?limit=1")
            first = page["changes"][0]
            with views.reading() as connection:
                least = connection.execute(select(func.min(views.changes.c.number))).scalar_one()
            assert (first["specversion"], first["id"]) == ("1.0", f"{views.feed}.{least}") and not page["caught_up"]
            assert first["source"] == f"urn:levelbook:{store.identity.id}"
            assert first["subject"] == first["data"]["subject"]
            cursor = take_over(client, copy, f"{views.feed}.0")
            assert copy == shown_levels(client)
            only = get(client, "/v1/changes?scheme=merchant-tier")
            assert {item["data"]["scheme"] for item in only["changes"]} == {"merchant-tier"}
            assert only["next"] == cursor
            for _ in world:
                pass
            take_over(client, copy, cursor)
            assert copy == shown_levels(client)
            assert client.get(f"/v1/changes?after={views.feed}.99999").status_code == 410
            level = get(client, "/v1/levels?limit=1")["levels"][0]
            alone = get(client, f"/v1/subjects/{level['subject']}/levels/{level['scheme']}")
            assert {key: alone[key] for key in ("state", "level", "score", "effective")} == {
                key: level[key] for key in ("state", "level", "score", "effective")
            }
            assert alone["stale"] is level["stale"] is False


# --- streams ----------------------------------------------------------------------------------------------------------


def test_a_stream_tells_what_changed_and_then_what_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.01)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        empty_live(views)
        world = going_on(views, tmp_path, 9)
        for _ in range(3):
            next(world)
        with serving(Settings(store.location)) as client:
            app = client.app
            assert isinstance(app, Starlette)
            copy: Copied = {}
            cursor = take_over(client, copy, f"{views.feed}.0")

            async def listened() -> list[str]:
                found: list[str] = []
                first = feed.read_page(app.state.reading, None, {"limit": 2})
                request: Any = SimpleNamespace(app=app, scope={"headers": []})
                with app.state.streams.opened(None, None) as place:
                    stream = feed._stream(request, place, first, {"limit": 2})
                    assert await anext(stream) == b"retry: 2000\n\n"
                    while not found or f"id: {cursor}\n" not in found[-1]:
                        found.append((await anext(stream)).decode())
                    monkeypatch.setattr(feed, "HEARTBEAT_SECONDS", 0)
                    assert (await anext(stream)).decode().startswith(": at position ")
                    monkeypatch.setattr(feed, "HEARTBEAT_SECONDS", 60)
                    while take_over(client, copy, cursor) == cursor:
                        next(world)
                    found.append((await anext(stream)).decode())
                    assert len(app.state.streams) == 1
                    app.state.streams.is_stopping = lambda: True
                    assert [_ async for _ in stream] == []
                assert not app.state.streams
                return found

            told = "".join(asyncio.run(listened()))
    events = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: ")]
    assert [f"id: {item['id']}" for item in events] == [line for line in told.splitlines() if line.startswith("id: ")]
    assert {(item["data"]["subject"], item["data"]["scheme"]) for item in events} >= copy.keys()
    assert told.count("event: levelbook.level.changed") == len(events)


def test_a_stream_is_begun_where_it_broke_off_and_so_many_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(str(tmp_path / "ledger.db"))
    asked: list[str | None] = []
    read_page = feed.read_page

    def reading(reading: Any, after: str | None, rest: Any) -> feed.FeedPage:
        asked.append(after)
        return read_page(reading, after, rest)

    monkeypatch.setattr(feed, "read_page", reading)
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        empty_live(views)
        next(going_on(views, tmp_path, 9))
        with serving(Settings(store.location)) as client:
            assert isinstance(client.app, Starlette)
            client.app.state.streams.is_stopping = lambda: True  # each stream ends when it has begun
            resumed = {"Accept": "text/event-stream", "Last-Event-ID": f"{views.feed}.1"}
            answer = client.get(f"/v1/changes?after={views.feed}.0", headers=resumed)
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert (answer.headers["Cache-Control"], answer.text) == ("no-store", "retry: 2000\n\n")
            assert asked == [f"{views.feed}.1"]
            assert 'operation="readChanges"' not in client.get("/metrics").text, "how long it lasted is not measured"
            monkeypatch.setattr(streams, "STREAMS_MAX", 0)
            refused = client.get("/v1/changes", headers=resumed)
            assert refused.status_code == 503 and refused.json()["type"].endswith("too-many-streams")
            told = client.get("/metrics").text
            assert 'levelbook_request_seconds_count{operation="readChanges",status="503"} 1.0' in told
            assert "this process serves 0 streams already" in refused.json()["detail"]


def test_a_token_leaves_room_for_the_streams_of_others_and_one_look_serves_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.05)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        empty_live(views)
        next(going_on(views, tmp_path, 9))
        looks: list[int] = []
        with serving(Settings(store.location)) as client:
            app = client.app
            assert isinstance(app, Starlette)

            def looked(shown: Any) -> streams.Look:
                looks.append(len(shown))
                return feed.look_for_streams(app.state.reading, app.state.askers, shown)

            async def idle() -> None:
                own = streams.Streams(looked, lambda: False)
                app.state.streams = own
                first = feed.read_page(app.state.reading, f"{views.feed}.0", {"limit": 1000})
                read: list[str | None] = []
                monkeypatch.setattr(feed, "read_page", lambda _, after, __: read.append(after))
                request: Any = SimpleNamespace(app=app, scope={"headers": []})
                with ExitStack() as opened:
                    places = [opened.enter_context(own.opened(token, None)) for token in [7] * 20 + [None] * 180]
                    with pytest.raises(Problem, match="serves 200 streams already"), own.opened(8, None):
                        pass
                    listening = [feed._stream(request, place, first._replace(events=()), {}) for place in places]
                    assert {await anext(stream) for stream in listening} == {b"retry: 2000\n\n"}
                    waiting = [asyncio.ensure_future(anext(stream)) for stream in listening]
                    await asyncio.sleep(0.5)
                    for task in waiting:
                        task.cancel()
                    await asyncio.gather(*waiting, return_exceptions=True)
                assert 2 <= len(looks) <= 11 and read == [], "nothing is read for a stream to which nothing happens"
                with ExitStack() as opened:
                    for _ in range(20):
                        opened.enter_context(own.opened(7, None))
                    with pytest.raises(Problem, match="the token has 20 streams open"), own.opened(7, None):
                        pass
                    opened.enter_context(own.opened(8, None))

            asyncio.run(idle())


def test_a_stream_whose_database_is_lost_ends_and_tells_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.01)
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as views:
        empty_live(views)
        with serving(Settings(store.location)) as client:
            assert isinstance(client.app, Starlette)

            def lost(_: Any) -> streams.Look:
                raise StoreError("the database at db.example is gone")

            client.app.state.streams._look = lost
            answer = client.get("/v1/changes", headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.text) == (200, "retry: 2000\n\n") and "broke" not in caplog.text


# --- switching under load ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_answer_fails_or_mixes_builds_while_they_are_switched(store: Store, tmp_path: Path) -> None:
    """Each build bears its number in every level; an answer names its build in its ETag."""
    bindings = [
        event("mcn.onboarded", "on", "2023-01-05T00:00:00+08:00", subject="mcn/a"),
        event("creator.bound", "bind", "2023-01-06T00:00:00+08:00", subject="mcn/a", creator="c"),
        event("creator.scored", "s", "2023-03-06T00:00:00+08:00", subject="creator/c", score="reputation", value="4.9"),
    ]
    ingest_events(store, [*bindings, *World(3).events(80)], tmp_path)
    with open_views(store, make=True) as views:
        for _ in range(2):
            rebuild(views, Asked(sample=0))
        with views.moving() as connection:
            for build in views.builds(connection):
                for name in ("levels", "leaderboards"):
                    connection.execute(update(views.tables(build.build)[name]).values(score=build.build))
        with serving(Settings(store.location)) as client, ThreadPoolExecutor(4) as threads:
            done: list[int] = []
            rows = get(client, "/v1/levels")["levels"]
            point = f"/v1/subjects/{rows[0]['subject']}/levels/{rows[0]['scheme']}"
            names = json.dumps({"subjects": [row["subject"] for row in rows]})

            def ask(path: str) -> int:
                count = 0
                while not done or count < 20:
                    post = path.endswith(":read")
                    answer = client.post(path, content=names) if post else client.get(path)
                    assert answer.status_code == 200, answer.text
                    body = answer.json()
                    told = body.get("levels", body.get("rows", [body]))
                    scores = {row["score"] for row in told}
                    assert len(scores) == 1, (path, told)
                    assert post or answer.headers["ETag"].split(".")[3] == str(scores.pop())
                    count += 1
                return count

            asking = [
                threads.submit(ask, path)
                for path in (point, "/v1/levels", "/v1/levels:read", "/v1/leaderboards/comprehensive/2023-03")
            ]
            for _ in range(25):
                switch_back(views)
            done.append(1)
            assert sum(found.result() for found in asking) >= 80
