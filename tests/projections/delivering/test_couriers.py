"""Every endpoint ends with what `/v1/levels` shows, whatever its receiver does meanwhile, and gets changes in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select

from domain.limits import DAY_MICROS, HOUR_MICROS, SECOND_MICROS
from projections.delivering.couriers import CourierTurn
from projections.delivering.deliveries import find_deliveries
from projections.delivering.endpoints import Progress
from projections.delivering.running import Deliverer
from projections.delivering.status import deliveries_status, deliveries_told
from projections.http.settings import Settings
from projections.views.database import Views
from replay.errors import StoreError, UsageError
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.conftest import SOAK
from tests.support.delivering import BEGIN, Round, rounds
from tests.support.receiving import Answer, Got, Receiver, receiving
from tests.support.serving import serving, shown_levels
from tests.support.views import going_on


@pytest.fixture
def round_(store: Store) -> Iterator[tuple[Round, Views]]:
    with rounds(store) as found:
        yield found


def failing(random: Random, share: float = 0.3) -> Callable[[Got], Answer | None]:
    """Fails so often, in ways of all kinds; sometimes what it says it does not do, it did."""

    def answer(_: Got) -> Answer | None:
        if random.random() >= share:
            return Answer()
        return random.choice((Answer(500), Answer(429, {"Retry-After": "30"}), Answer(302, {"Location": "/"}), None))

    return answer


def in_order(receiver: Receiver) -> bool:
    """Whether numbers never fall; that one comes again is no fault."""
    numbers = [got.number for got in receiver.accepted]
    return numbers == sorted(numbers)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SOAK))
def test_a_receiver_that_fails_three_times_in_ten_ends_with_the_levels(
    seed: int, round_: tuple[Round, Views], tmp_path: Path
) -> None:
    """Also across rebuilds, switches of builds and to and fro; another that is behind all the time disturbs nobody."""
    here, views = round_
    with receiving(failing(Random(seed))) as receiver, receiving() as tiers, receiving(lambda _: Answer(500)) as never:
        name, of_tiers, held = here.add(receiver), here.add(tiers, "merchant-tier"), here.add(never)
        with serving(Settings(here.store.location)) as client:
            for turn, _ in enumerate(going_on(views, tmp_path, seed)):
                if turn % 3 == 2:
                    here.bring_all(name)
                    assert here.courier(held).turn() in (CourierTurn.FAILED, CourierTurn.WAITS)
                    assert receiver.levels == shown_levels(client)
            for one in (name, of_tiers):
                here.bring_all(one)
            levels = shown_levels(client)
        assert receiver.levels == levels and len(levels) > 8
        assert tiers.levels == {unit: row for unit, row in levels.items() if unit[1] == "merchant-tier"} != {}
        assert in_order(receiver) and in_order(tiers)
        assert len(receiver.got) > len(receiver.accepted) > len(levels)
        assert {got.id for got in receiver.got} == {got.id for got in receiver.accepted}, "an id is of one message"
        delivered = here.deliveries.named(name).progress.delivered
        assert delivered == len(receiver.accepted)
        assert never.accepted == [] and here.deliveries.named(held).progress.number == 0


def grown_once(views: Views, folder: Path, seed: int = 1) -> None:
    next(going_on(views, folder, seed))


def test_a_failing_endpoint_waits_longer_and_longer_and_is_then_disabled(
    round_: tuple[Round, Views], tmp_path: Path
) -> None:
    here, views = round_
    grown_once(views, tmp_path)
    with receiving(lambda _: Answer(500)) as receiver:
        name = here.add(receiver)
        courier = here.courier(name, give_up_days=1)
        assert courier.turn() is CourierTurn.FAILED and courier.turn() is CourierTurn.WAITS
        first = here.deliveries.named(name).progress
        assert (first.failures, first.failing_since, first.problem) == (1, BEGIN, "the endpoint answered 500")
        attempts = 1
        while (turn := courier.turn()) is not CourierTurn.DISABLED:
            due = here.deliveries.named(name).progress.due_at
            assert due is not None and turn in (CourierTurn.WAITS, CourierTurn.FAILED)
            attempts += turn is CourierTurn.FAILED
            here.now = due
        assert len(receiver.got) == attempts + 1 >= 10 and len({got.id for got in receiver.got}) == 1
        progress = here.deliveries.named(name).progress
        assert progress.disabled_at == here.now >= BEGIN + DAY_MICROS
        assert [told.what for told in here.told] == ["failing", "disabled"]
        (status,) = deliveries_status(here.reading) or []
        assert (status["state"], status["problem"], status["next_attempt_at"]) == ("disabled", progress.problem, None)
        assert status["behind"] > 0 and status["delivered"] == 0
        assert courier.turn() is CourierTurn.DISABLED and len(receiver.got) == attempts + 1
        assert here.deliveries.enable(name).progress == progress
        assert here.deliveries.named(name).progress == Progress(name)
        assert courier.turn() is CourierTurn.FAILED


def test_gone_disables_at_once_and_what_is_asked_for_is_waited_for(round_: tuple[Round, Views], tmp_path: Path) -> None:
    here, views = round_
    grown_once(views, tmp_path)
    answers = iter([Answer(), Answer(503, {"Retry-After": "7200"}), Answer(410)])
    with receiving(lambda _: next(answers)) as receiver:
        name = here.add(receiver)
        courier = here.courier(name)
        assert courier.turn() is CourierTurn.FAILED
        progress = here.deliveries.named(name).progress
        assert progress.due_at == BEGIN + 7_200 * SECOND_MICROS
        assert (progress.failures, progress.delivered, progress.number) == (1, 1, receiver.accepted[0].number)
        here.now += 7_200 * SECOND_MICROS
        assert courier.turn() is CourierTurn.DISABLED
        assert here.deliveries.named(name).progress.problem == "the endpoint answered 410"
        assert here.deliveries.named(name).progress.number == receiver.accepted[0].number


def test_views_that_were_made_again_from_nothing_begin_anew(store: Store, tmp_path: Path) -> None:
    """The receiver is told, so that it lets go of what is not sent again."""
    with rounds(store) as (here, views), receiving() as receiver:
        name = here.add(receiver)
        grown_once(views, tmp_path)
        here.bring_all(name)
        before, count = receiver.levels, len(receiver.accepted)
        with views.moving() as connection:  # as another process makes them again, under a feed of another name
            connection.execute(views.about.update().values(feed="another"))
        here.bring_all(name)
        again = receiver.accepted[count:]
        assert b'"levelbook.feed.began"' in again[0].body and receiver.levels == before
        assert len({got.id for got in receiver.accepted}) == len(receiver.accepted), "ids are not used again"
        assert here.deliveries.named(name).progress.begun == 1


def test_from_now_on_only_what_changes_is_sent(round_: tuple[Round, Views], tmp_path: Path) -> None:
    here, views = round_
    world = going_on(views, tmp_path, 4)
    next(world)
    with receiving() as receiver:
        with here.reading.snapshot() as at:
            name = here.add(receiver, feed=views.feed, number=at.standing.number)
        here.bring_all(name)
        assert receiver.got == []
        for _ in islice(world, 3):
            pass
        here.bring_all(name)
        assert min(got.number for got in receiver.accepted) > at.standing.number


def test_two_processes_do_not_deliver_at_once_and_what_is_kept_is_found(
    round_: tuple[Round, Views], tmp_path: Path
) -> None:
    here, _ = round_
    grown_once(round_[1], tmp_path)
    assert deliveries_told(here.reading) == {"endpoints": [], "problem": None}
    running = Deliverer(here.deliveries, here.reading, once=True, give_up_days=5, told=here.told.append)
    with here.deliveries.alone() as check:
        check()
        with pytest.raises(StoreError, match="another 'levelbook deliver run' delivers the changes of"):
            running.run(lambda: False)
    with receiving() as receiver:
        name = here.add(receiver)
        with pytest.raises(UsageError, match=f"endpoint {name} is of this URL already; 'levelbook deliver remove"):
            here.add(receiver)
        assert running.run(lambda: False) == {name: CourierTurn.CAUGHT_UP}
        assert receiver.levels != {}
        assert here.deliveries.remove(name).id == name and here.deliveries.all() == []
        assert here.courier(name).turn() is CourierTurn.REMOVED
        with pytest.raises(UsageError, match=f"there is no endpoint '{name}'; 'levelbook deliver list' shows them"):
            here.deliveries.remove(name)
    with find_deliveries(here.store) as found:  # type: ignore[union-attr]
        assert found.secrets(name, BEGIN) == []


def test_both_secrets_sign_until_the_old_one_ends(round_: tuple[Round, Views]) -> None:
    here, _ = round_
    with receiving() as receiver:
        name = here.add(receiver)
    (old,) = here.deliveries.secrets(name, BEGIN)
    here.deliveries.rotate(name, "whsec_second", BEGIN + HOUR_MICROS)
    assert here.deliveries.secrets(name, BEGIN) == ["whsec_second", old]
    here.deliveries.rotate(name, "whsec_third", BEGIN + 2 * HOUR_MICROS)
    assert here.deliveries.secrets(name, BEGIN) == ["whsec_third", "whsec_second", old]
    assert here.deliveries.secrets(name, BEGIN + HOUR_MICROS) == ["whsec_third", "whsec_second"]
    assert here.deliveries.secrets(name, BEGIN + 2 * HOUR_MICROS) == ["whsec_third"]


@pytest.mark.slow
def test_a_slow_receiver_keeps_nobody_waiting(round_: tuple[Round, Views], tmp_path: Path) -> None:
    here, views = round_
    grown_once(views, tmp_path)

    def slow(_: Got) -> Answer:
        time.sleep(1)
        return Answer()

    with receiving(slow) as receiver, receiving() as quick:
        here.add(receiver)
        name = here.add(quick)
        running = Deliverer(here.deliveries, here.reading, once=False, give_up_days=5, told=here.told.append)
        began = time.monotonic()

        def stopped() -> bool:
            (status,) = [item for item in deliveries_status(here.reading) or [] if item["endpoint"] == name]
            return status["behind"] == 0 or time.monotonic() > began + 20

        turns = running.run(stopped)
        assert turns[name] is CourierTurn.CAUGHT_UP and len(quick.accepted) > len(receiver.accepted) + 3


# --- kills ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("seed", range(7, 7 + SOAK))
def test_killed_at_any_moment_nothing_is_lost_and_no_cursor_is_ahead(
    location: str, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    random = Random(seed)
    command = [sys.executable, "-m", "cli", "deliver", "run", "--store", location]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    create_store(location)
    with open_store(location) as store, rounds(store) as (here, views), receiving(failing(random, 0.1)) as receiver:
        name, world = here.add(receiver), going_on(views, tmp_path, seed)
        kills = in_the_middle = 0
        for _ in islice(world, 4 if SOAK == 1 else None):
            if not not_ahead(here, views, receiver, name):
                continue  # nothing is to be sent
            here.deliveries.enable(name)  # so that it need not wait for its next attempt
            kills += 1
            had = len(receiver.got)
            process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)
            until = time.monotonic() + 60
            while len(receiver.got) == had:
                assert time.monotonic() < until
                time.sleep(0.001)
            time.sleep(random.uniform(0, 0.03))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            in_the_middle += not_ahead(here, views, receiver, name)
        assert in_the_middle > 0
        with capsys.disabled():
            print(f"\n{kills} kills, {in_the_middle} of them in the middle")
        for _ in world:
            pass
        here.now = store.now() + DAY_MICROS
        here.bring_all(name)
        assert in_order(receiver)
        with serving(Settings(location)) as client:
            assert receiver.levels == shown_levels(client) != {}


def not_ahead(here: Round, views: Views, receiver: Receiver, name: str) -> bool:
    """Every change up to the cursor has arrived; whether some behind it have not."""
    at = here.deliveries.named(name).progress.number
    with views.reading() as connection:
        numbers = set(connection.execute(select(views.changes.c.number)).scalars())
    arrived = {got.number for got in receiver.accepted}
    assert {number for number in numbers if number <= at} <= arrived
    return not numbers <= arrived
