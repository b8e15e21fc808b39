"""Remembered answers: bounded, of one place, and never older than the request that they are given to."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from projections.http.scopes import DECISIONS, LEVELS
from projections.http.settings import Settings
from projections.http.token_store import open_keeping
from projections.projector.advance import advance
from projections.projector.rebuild import Asked, rebuild, switch_back
from projections.reading.freshness import Seen, ViewsStanding
from projections.reading.lending import Lending
from projections.reading.memory import BESIDE_BYTES, LATER, AnswerMemory, remembered
from projections.reading.points import Points
from projections.reading.remote_look import RemoteLook
from projections.views.database import Views, open_views
from replay.errors import StoreError
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK, by_turns
from tests.support.making import event, ingest_events
from tests.support.serving import serving
from tests.support.views import empty_live
from tests.worlds.ledgers import BEGIN, World

PLACE = (1, (1, 10, 20, "ab", "{}", 3))
TURNS = 12 * SOAK


def answer(body: bytes) -> Any:
    return remembered("readLevel", "W/1", {"is": body.decode(), "freshness": LATER})


# --- the memory itself ------------------------------------------------------------------------------------------------


def test_an_answer_is_its_json_with_its_freshness_wherever_that_belongs() -> None:
    found = remembered("readLevels", "W/1", {"name": "\x00\u0000", "freshness": LATER, "levels": [LATER, LATER]})
    fresh = b'{"lag_events":7}'
    assert len(found.pieces) == 4
    assert json.loads(found.body(fresh)) == {
        "name": "\x00\x00",
        "freshness": {"lag_events": 7},
        "levels": [{"lag_events": 7}] * 2,
    }


def test_answers_of_another_place_are_forgotten() -> None:
    memory = AnswerMemory()
    memory.keep(PLACE, ("/a", b""), answer(b"1"))
    memory.stand(PLACE)
    assert memory.find(("/a", b"")) is not None and memory.find(("/a", b"lang=zh")) is None
    for other in ((2, PLACE[1]), (1, (1, 10, 20, "ab", "{}", 4))):
        memory.keep(PLACE, ("/a", b""), answer(b"1"))
        memory.stand(other)
        assert memory.find(("/a", b"")) is None and memory.size_bytes == 0
        memory.keep(PLACE, ("/b", b""), answer(b"1"))
        assert len(memory) == 1, "what is kept of a place makes that the place"


def test_so_many_bytes_are_remembered_and_what_is_asked_for_stays() -> None:
    one = answer(b"x" * 1_000)
    memory = AnswerMemory(bytes_max=10 * one.size_bytes)
    assert one.size_bytes > 1_000 + BESIDE_BYTES
    for number in range(100):
        memory.keep(PLACE, (f"/{number}", b""), one)
        assert memory.find(("/0", b"")) is not None
        assert memory.size_bytes == len(memory) * one.size_bytes <= 10 * one.size_bytes
    assert len(memory) == 10 and memory.find(("/91", b"")) is not None and memory.find(("/90", b"")) is None
    memory.keep(PLACE, ("/91", b""), one)
    assert len(memory) == 10 and memory.size_bytes == 10 * one.size_bytes, "kept again it is counted once"
    memory.keep(PLACE, ("/too-large", b""), answer(b"x" * 20_000))
    assert len(memory) == 0 == memory.size_bytes


# --- a look serves those who were there before it ---------------------------------------------------------------------


def seen(number: int) -> Seen:
    return Seen(ViewsStanding(1, 10, 20, "ab", "{}", number, 10), 0)


def test_a_look_that_is_under_way_serves_nobody_who_came_after_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    began, may_end, looks = Event(), Event(), 0

    def look(_: RemoteLook) -> Seen:
        nonlocal looks
        looks += 1
        number = looks
        began.set()
        assert may_end.wait(10)
        return seen(number)

    async def asked() -> list[int]:
        remote = RemoteLook(Lending("nowhere"))
        first = [asyncio.create_task(remote.seen()) for _ in range(3)]
        while not began.is_set():
            await asyncio.sleep(0.001)
        late = [asyncio.create_task(remote.seen()) for _ in range(3)]
        await asyncio.sleep(0.01)
        may_end.set()
        found = [item.standing.number for item in await asyncio.gather(*first, *late)]
        return [*found, (await remote.seen()).standing.number]

    monkeypatch.setattr(RemoteLook, "_look", look)
    assert asyncio.run(asked()) == [1, 1, 1, 2, 2, 2, 3]


def test_a_look_that_fails_fails_for_all_who_wait_and_the_next_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look(_: RemoteLook) -> Seen:
        looks.append(1)
        if len(looks) == 1:
            raise StoreError("away")
        return seen(9)

    async def asked() -> list[object]:
        remote = RemoteLook(Lending("nowhere"))
        found = await asyncio.gather(remote.seen(), remote.seen(), return_exceptions=True)
        return [*map(str, found), (await remote.seen()).standing.number]

    monkeypatch.setattr(RemoteLook, "_look", look)
    assert asyncio.run(asked()) == ["away", "away", 9]


def test_one_look_in_the_event_loop_serves_all_who_wait_and_none_who_comes_later() -> None:
    class Own:
        version = looks = 0

        def look(self) -> Seen:
            self.looks += 1
            return seen(self.looks)

    async def asked() -> tuple[list[int], list[int]]:
        found, own = Points(Lending("nowhere"), lambda: None, _nobody), Own()
        found._own, found._look_again = (None, own), 10**12  # type: ignore[assignment]

        async def number() -> int:
            standing = await found._look()
            assert standing is not None
            return standing.standing.number

        together = await asyncio.gather(*(number() for _ in range(5)))
        return together, [await asyncio.create_task(number()) for _ in range(3)]

    assert asyncio.run(asked()) == ([1] * 5, [2, 3, 4])


def _nobody(subject: str, scheme: str | None, work: Any) -> Any:
    raise AssertionError("nothing is read")


def test_a_look_whose_connection_was_cut_says_so_and_the_next_has_another(
    postgres_location: str, tmp_path: Path
) -> None:
    create_store(postgres_location)
    with open_store(postgres_location) as store:
        ingest_events(store, [event("creator.registered", "r", subject="creator/a")], tmp_path)
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
        stores = Lending(postgres_location)
        remote = RemoteLook(stores)
        first = remote._look()
        remote._connected().close()
        with pytest.raises(StoreError, match="where the views stand cannot be read: "):
            remote._look()
        assert remote._look().standing == first.standing
        remote.close()
        stores.close()


# --- what is remembered is what would be read -------------------------------------------------------------------------


def get(client: TestClient, path: str) -> tuple[int, dict[str, Any], str | None]:
    found = client.get(path)
    body = found.json()
    for facet in (body, *body.get("levels", ())):
        facet.get("freshness", {}).pop("lag_seconds", None)  # the clock goes on
    return found.status_code, body, found.headers.get("ETag")


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Of whose levels were read, and not remembered."""
    found: list[str] = []
    read = Points.read

    async def noted(self: Points, subject: str, *rest: Any) -> Any:
        found.append(subject)
        return await read(self, subject, *rest)

    monkeypatch.setattr(Points, "read", noted)
    yield found


def going_on(views: Views, folder: Path, seed: int) -> Iterator[str]:
    """What moves views, and what only makes their ledger longer."""
    world, now = World(seed), BEGIN
    for turn in range(TURNS):
        place = folder / f"events-{turn}"
        place.mkdir()
        ingest_events(views.store, world.events(6), place)
        yield "recorded"
        with views.reading() as connection:
            live = views.live(connection).build
        now += 86_400_000_000
        while advance(views, live, now).build.position < views.store.head().position:
            pass
        yield "moved"
        if turn % 4 == 2:
            rebuild(views, Asked(sample=0))
            yield "rebuilt"
        if turn % 4 == 3:
            switch_back(views)
            yield "switched back"


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2 * SOAK)), indirect=["location"])
def test_what_is_remembered_is_what_is_read(
    seed: int, store: Store, tmp_path: Path, readings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that remembers tells after every move what one tells that was started after it, with the same ETag."""
    monkeypatch.setattr("projections.reading.point_reads.HEAD_SECONDS", 0)
    monkeypatch.setattr("projections.reading.remote_look.HEAD_SECONDS", 0)
    with open_views(store, make=True) as views:
        empty_live(views)
        world = going_on(views, tmp_path, seed)
        with serving(Settings(store.location)) as client:
            next(world)
            for what in world:
                with views.reading() as connection:
                    rows = connection.execute(views.tables(views.live(connection).build)["levels"].select()).all()
                paths = [f"/v1/subjects/{row.subject}/levels/{row.scheme}" for row in rows[:8]]
                paths += [f"/v1/subjects/{rows[0].subject}/levels", f"{paths[0]}?lang=zh"] if rows else []
                told = [get(client, path) for path in paths]
                before = len(readings)
                assert [get(client, path) for path in paths] == told, what
                assert len(readings) == before, f"{what}: what was told is remembered"
                with serving(Settings(store.location)) as fresh:
                    assert [get(fresh, path) for path in paths] == told, what
                for path, (_, _, etag) in zip(paths, told, strict=True):
                    held = client.get(path, headers={"If-None-Match": str(etag)})
                    assert (held.status_code, held.content) == (304, b"")


@pytest.mark.slow
def test_no_answer_is_older_than_its_question(store: Store, tmp_path: Path, readings: list[str]) -> None:
    """Levels are changed again and again; whoever asks after a commit is told what it made, or what came after."""
    ingest_events(store, [event("creator.registered", "r", subject="creator/a")], tmp_path)
    with open_views(store, make=True) as views:
        rebuild(views, Asked(sample=0))
        path, committed, turns = "/v1/subjects/creator/a/levels/creator-level", 0, 60 * SOAK
        with serving(Settings(store.location)) as client, ThreadPoolExecutor(4) as threads:

            def ask() -> int:
                asked = 0
                while committed < turns:
                    least = committed
                    found = client.get(path)
                    assert found.status_code == 200 and found.json()["score"] >= least
                    assert found.headers["ETag"].split(".")[4] == str(found.json()["position"])
                    asked += 1
                return asked

            with views.moving() as connection:
                _score(views, connection, 0)
            asking = [threads.submit(ask) for _ in range(4)]
            for turn in range(1, turns + 1):
                with views.moving() as connection:
                    _score(views, connection, turn)
                committed = turn
                assert client.get(path).json()["score"] == turn
            assert sum(item.result() for item in asking) > turns
            assert client.get(path).status_code == 200
            read = len(readings)
            assert client.get(path).json()["score"] == turns and len(readings) == read


def _score(views: Views, connection: Any, score: int) -> None:
    """Change a level as a step does: with a number of its own, in one transaction."""
    live = views.live(connection)
    connection.execute(update(views.tables(live.build)["levels"]).values(score=score))
    connection.execute(update(views.changes).values(number=views.changes.c.number + 1_000))


def test_where_the_look_fails_the_next_reading_tells_why(store: Store, tmp_path: Path, readings: list[str]) -> None:
    ingest_events(store, [event("creator.registered", "r", subject="creator/a")], tmp_path)
    path = "/v1/subjects/creator/a/levels/creator-level"
    with open_views(store, make=True) as views:
        rebuild(views, Asked(sample=0))
        with serving(Settings(store.location)) as client:
            assert [client.get(path).status_code for _ in range(3)] == [200] * 3 and len(readings) == 1
            with views.moving() as connection:
                views.note(connection, views.live(connection).build, role="former")
            assert " no views yet" in client.get(path).json()["detail"]
            with views.moving() as connection:
                views.note(connection, views.builds(connection)[0].build, role="live")
            assert [client.get(path).status_code for _ in range(2)] == [200] * 2


def test_what_is_remembered_is_told_to_nobody_who_may_not_read_levels(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [event("creator.registered", "r", subject="creator/a")], tmp_path)
    with open_views(store, make=True) as views, open_keeping(store) as keeping:
        rebuild(views, Asked(sample=0))
        _, may = keeping.new_token("may", (LEVELS,), 10_000, 1)
        _, may_not = keeping.new_token("may not", (DECISIONS,), 10_000, 1)
    path = "/v1/subjects/creator/a/levels/creator-level"
    with serving(Settings(store.location, token_required=True)) as client:
        for token, status in ((may, 200), (may, 200), (may_not, 403), ("levelbook_none", 401), (may, 200)):
            assert client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == status
        assert client.get(path).status_code == 401
        assert client.post(path, headers={"Authorization": f"Bearer {may}"}).status_code == 405


def test_what_is_remembered_shows_decisions_to_those_alone_who_may_see_them(store: Store, tmp_path: Path) -> None:
    opened = event("merchant.onboarded", "o", "2022-11-01T00:00:00+08:00", category="tea")
    ingest_events(store, [opened], tmp_path)
    with open_views(store, make=True) as views, open_keeping(store) as keeping:
        rebuild(views, Asked(sample=0))
        _, sees = keeping.new_token("sees", (LEVELS, DECISIONS), 10_000, 1)
        _, sees_not = keeping.new_token("sees not", (LEVELS,), 10_000, 1)
    path = "/v1/subjects/merchant/m-1/levels/merchant-reputation"
    with serving(Settings(store.location, token_required=True)) as client:
        for token, shown in ((sees, True), (sees_not, False), (sees, True), (sees_not, False)):
            published = client.get(path, headers={"Authorization": f"Bearer {token}"}).json()["published"]
            assert ("decided" in published) is shown
