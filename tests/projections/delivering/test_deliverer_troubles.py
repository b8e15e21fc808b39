"""What goes wrong on the deliverer's own side: tables that cannot be written, clocks, commands given meanwhile."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.limits import DAY_MICROS, HOUR_MICROS, SECOND_MICROS
from projections.delivering.couriers import Courier, CourierTurn
from projections.delivering.deliveries import Deliveries, open_deliveries
from projections.delivering.endpoints import Progress
from projections.delivering.running import Deliverer
from projections.delivering.sending import Sender
from projections.delivering.signing import new_secret, signatures
from projections.http.problems import Problem
from projections.reading.reader import Reading
from projections.views.database import Views, open_views
from replay.errors import StoreError
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.delivering import BEGIN, Round, rounds
from tests.support.receiving import Answer, Got, receiving
from tests.support.views import empty_live, going_on


@pytest.fixture
def round_(store: Store) -> Iterator[tuple[Round, Views]]:
    with rounds(store) as found:
        yield found


def grown_once(views: Views, folder: Path) -> None:
    next(going_on(views, folder, 1))


def slow(_: Courier) -> CourierTurn:
    time.sleep(0.5)
    return CourierTurn.CAUGHT_UP


def refused(*_: object, **__: object) -> bool:
    raise StoreError("the disk is full")


@pytest.mark.parametrize("what", ["arrived", "failed"])
def test_what_cannot_be_written_down_is_not_sent_again(
    what: str, round_: tuple[Round, Views], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, views = round_
    grown_once(views, tmp_path)
    with receiving(lambda _: Answer(204 if what == "arrived" else 500)) as receiver:
        name = here.add(receiver)
        courier = here.courier(name)
        with monkeypatch.context() as patched:
            patched.setattr(Deliveries, "_update", refused)
            for _ in range(3):
                with pytest.raises(StoreError, match="the disk is full"):
                    courier.turn()
        assert len(receiver.got) == 1
        assert courier.turn() is (CourierTurn.CAUGHT_UP if what == "arrived" else CourierTurn.WAITS)
        progress = here.deliveries.named(name).progress
        assert (progress.delivered, progress.failures) == (len(receiver.accepted), what == "failed")
        assert len({got.id for got in receiver.got}) == len(receiver.got), "nothing came twice"


@pytest.mark.slow
def test_what_is_waited_for_is_told_again_after_it_came_to_an_end(
    round_: tuple[Round, Views], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, views = round_
    grown_once(views, tmp_path)
    monkeypatch.setattr("projections.delivering.running.AGAIN_SECONDS", 0.01)
    turns = iter([refused, refused, None, refused, refused])
    turn = Courier.turn

    def troubled(self: Courier) -> CourierTurn:
        trouble = next(turns, None)
        if trouble is not None:
            trouble()
        return turn(self)

    monkeypatch.setattr(Courier, "turn", troubled)
    with receiving() as receiver:
        here.add(receiver)
        running = Deliverer(here.deliveries, here.reading, once=False, give_up_days=5, told=here.told.append)
        until = time.monotonic() + 30
        running.run(lambda: (next(turns, None) is None and bool(receiver.got)) or time.monotonic() > until)
    waits = [told.problem for told in here.told]
    assert waits == ["the disk is full"] * 2


def test_an_endpoint_that_is_enabled_while_it_is_tried_stays_enabled(
    round_: tuple[Round, Views], tmp_path: Path
) -> None:
    here, views = round_
    grown_once(views, tmp_path)
    enables = False

    def answer(_: Got) -> Answer:
        if enables:
            here.deliveries.enable(name)
        return Answer(500)

    with receiving(answer) as receiver:
        name = here.add(receiver)
        courier = here.courier(name)
        assert courier.turn() is CourierTurn.FAILED and here.deliveries.named(name).progress.failures == 1
        here.now += HOUR_MICROS
        enables = True
        assert courier.turn() is CourierTurn.FAILED
        assert here.deliveries.named(name).progress == Progress(name)


def test_a_clock_that_was_ahead_holds_nobody(round_: tuple[Round, Views], tmp_path: Path) -> None:
    here, views = round_
    grown_once(views, tmp_path)
    answers = iter([Answer(500)])
    with receiving(lambda _: next(answers, Answer())) as receiver:
        name = here.add(receiver)
        here.now += 900 * DAY_MICROS
        assert here.courier(name).turn() is CourierTurn.FAILED
        assert here.courier(name).turn() is CourierTurn.WAITS
        here.now = BEGIN
        assert here.courier(name).turn() is CourierTurn.CAUGHT_UP and receiver.levels != {}


def test_a_secret_that_is_rotated_signs_the_next_message(round_: tuple[Round, Views], tmp_path: Path) -> None:
    here, views = round_
    grown_once(views, tmp_path)
    rotated = new_secret()

    def answer(_: Got) -> Answer:
        if len(receiver.got) == 1:
            here.deliveries.rotate(name, rotated, here.now)
        return Answer()

    with receiving(answer) as receiver:
        name = here.add(receiver)
        here.bring_all(name)
    first, second, *_ = [got.headers["webhook-signature"] for got in receiver.got]
    assert second in signatures([rotated], receiver.got[1].id, here.now // SECOND_MICROS, receiver.got[1].body)
    assert first not in signatures([rotated], receiver.got[0].id, here.now // SECOND_MICROS, receiver.got[0].body)


def test_a_sender_that_stumbles_is_a_failure_of_its_endpoint(round_: tuple[Round, Views], tmp_path: Path) -> None:
    here, views = round_
    grown_once(views, tmp_path)
    with receiving() as receiver:
        name = here.add(receiver)

        def broken(_: object) -> Sender:
            raise RuntimeError("no more threads")

        courier = here.courier(name, sender=broken)
        assert courier.turn() is CourierTurn.FAILED and receiver.got == []
        problem = here.deliveries.named(name).progress.problem
        assert problem == "nothing can be sent to it: RuntimeError: no more threads"


def test_once_says_when_nothing_was_sent(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No views yet, a busy database, or stopped before a turn was over: never as if everything had arrived."""
    create_store(location)
    with open_store(location) as store, open_deliveries(store) as deliveries, receiving() as receiver:
        here = Round(store, Reading(location), deliveries)
        name = here.add(receiver)

        def once() -> Deliverer:
            return Deliverer(deliveries, here.reading, once=True, give_up_days=5, told=here.told.append)

        with pytest.raises(Problem, match="views"):
            once().run(lambda: False)
        with open_views(store, make=True) as views:
            empty_live(views)
        with monkeypatch.context() as patched:
            patched.setattr(Deliveries, "all", refused)
            with pytest.raises(StoreError, match="the disk is full"):
                once().run(lambda: False)
        monkeypatch.setattr(Courier, "turn", slow)
        asked = iter([False])
        monkeypatch.setattr("projections.delivering.running.STOP_SECONDS", 0)
        assert once().run(lambda: next(asked, True)) == {name: CourierTurn.MORE}
        here.close()
