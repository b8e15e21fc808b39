"""What users of the eventsourcing library expect of a recorder: notifications, subscriptions, projections of theirs."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice, product
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import Notification, StoredEvent, Tracking
from eventsourcing.popo import POPOApplicationRecorder, POPOTrackingRecorder
from eventsourcing.projection import ApplicationSubscription, Projection, ProjectionRunner

from replay.decisions import recorder
from replay.decisions.application import STORE_VARIABLE, Ledger, OpenedLedger
from replay.errors import StoreError, UsageError
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.conftest import SOAK
from tests.support.copies import kept
from tests.support.making import Event, event, ingest_events, paid

PAGE = ROOT / "docs" / "how-to" / "projection-of-your-own.md"
WAIT_SECONDS = 60
GONE = r" was removed or replaced since it was opened, or its| cannot be used: "


def story(count: int) -> list[Event]:
    """Payments and receipts of three merchants."""
    merchants = ("merchant/m-1", "merchant/m-2", "merchant/m-3")
    some = ((number, merchants[number * number % 3 if number % 5 else 2]) for number in range(count))
    return [
        paid(f"o-{number}", subject=merchant)
        if number % 3
        else event("order.received", f"got-{number}", order=f"o-{number}", subject=merchant)
        for number, merchant in some
    ]


def ids(found: Iterator[Notification], count: int) -> list[int]:
    return [notification.id for notification in islice(found, count)]


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_notifications_and_events_are_chosen_as_by_the_library_s_own_recorder(store: Store, tmp_path: Path) -> None:
    ingest_events(store, story(12), tmp_path)
    ledger, plain = Ledger(store), POPOApplicationRecorder()
    for n in ledger.recorder.select_notifications(None, 100):
        plain.insert_events([StoredEvent(n.originator_id, n.originator_version, n.topic, n.state)])
    starts, stops, limits = (None, 0, 1, 4, 12, 13), (None, 1, 6, 40), (1, 3, 100)
    chosen_topics: tuple[tuple[str, ...], ...] = ((), ("order.paid",), ("order.received", "x"))
    for start, limit, stop, topics, inclusive in product(starts, limits, stops, chosen_topics, (True, False)):
        asked = (start, limit, stop, topics)
        found = ledger.recorder.select_notifications(*asked, inclusive_of_start=inclusive)
        assert found == plain.select_notifications(*asked, inclusive_of_start=inclusive), (asked, inclusive)
    for after, last, desc, at_most in product((None, 0, 2, 9), (None, 1, 3), (False, True), (None, 1, 2)):
        for stream in ("merchant/m-1", "merchant/m-2", "merchant/none"):
            chosen: dict[str, Any] = {"gt": after, "lte": last, "desc": desc, "limit": at_most}
            events = ledger.recorder.select_events(stream, **chosen)
            assert events == plain.select_events(stream, **chosen), (stream, chosen)
    assert ledger.recorder.max_notification_id() == plain.max_notification_id() == 12


@pytest.mark.slow
def test_a_subscription_gives_what_was_recorded_and_then_what_is(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "READ_ROWS", 4)
    ingest_events(store, story(10), tmp_path)
    ledger = Ledger(store)
    with ledger.recorder.subscribe() as all_of_them, ledger.recorder.subscribe(gt=7, topics=("order.paid",)) as some:
        assert ids(all_of_them, 10) == list(range(1, 11))
        assert ids(some, 2) == [8, 9]
        later = Thread(target=ingest_events, args=(store, story(14)[10:], tmp_path))
        later.start()
        assert ids(all_of_them, 4) == [11, 12, 13, 14]
        later.join()
        assert ids(some, 3) == [11, 12, 14]


def test_what_a_subscription_has_passed_over_is_not_looked_at_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_events(store, story(10), tmp_path)
    starts: list[int | None] = []
    select = recorder.LedgerRecorder.select_notifications

    def noted(self: recorder.LedgerRecorder, start: int | None, *rest: Any, **named: Any) -> Any:
        starts.append(start)
        return select(self, start, *rest, **named)

    monkeypatch.setattr(recorder, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(recorder.LedgerRecorder, "select_notifications", noted)
    with Ledger(store).recorder.subscribe(topics=("merchant.closed",)) as rare:
        waiting = Thread(target=lambda: list(rare))
        waiting.start()
        eventually(lambda: len(starts) > 2)
        rare.stop()
        waiting.join(WAIT_SECONDS)
        assert not waiting.is_alive() and starts[0] == 0 and set(starts[1:]) == {10}
        assert list(rare) == []


def test_the_library_s_subscription_gives_events_with_their_positions(store: Store, tmp_path: Path) -> None:
    ingest_events(store, story(6), tmp_path)
    with ApplicationSubscription(Ledger(store), gt=1, topics=("order.paid",)) as subscription:
        domain_event, tracking = next(subscription)
    found: Any = domain_event
    assert (found.position, found.type, found.data.amount) == (2, "order.paid", 12_900)
    assert tracking == Tracking("levelbook", 2)


def test_a_position_that_the_ledger_does_not_reach_is_refused(store: Store, tmp_path: Path) -> None:
    ingest_events(store, story(3), tmp_path)
    with Ledger(store).recorder.subscribe(gt=3):
        pass
    with pytest.raises(
        UsageError, match=r" 4 was asked for, but .* ends at position 3: it was restored from an older backup"
    ):
        Ledger(store).recorder.subscribe(gt=4)


def test_a_ledger_that_goes_away_ends_a_subscription(location: str, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, story(2), tmp_path)
        with Ledger(store).recorder.subscribe() as subscription:
            assert ids(subscription, 2) == [1, 2]
            go_away(location)
            with pytest.raises(StoreError, match=GONE):
                next(subscription)


@pytest.mark.parametrize("topics", [(), ("order.received",)])
def test_a_ledger_that_is_restored_and_grows_past_a_subscription_ends_it(
    location: str, topics: tuple[str, ...], tmp_path: Path
) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, story(4), tmp_path)
        restore = kept(location)
        ingest_events(store, [event("order.received", f"lost-{n}", order="o-1") for n in range(3)], tmp_path)
    with open_store(location) as store, Ledger(store).recorder.subscribe(topics=topics) as subscription:
        expected = [1, 4, 5, 6, 7] if topics else list(range(1, 8))
        assert ids(subscription, len(expected)) == expected
        restore()
        with open_store(location) as grown:
            ingest_events(grown, [event("order.received", f"new-{n}", order="o-1") for n in range(9)], tmp_path)
            assert grown.head().position == 13
        with pytest.raises(StoreError, match=rf" position 7 than the one that was given out: it was restored|{GONE}"):
            next(subscription)


def go_away(location: str) -> None:
    """A SQLite ledger's file is removed; a PostgreSQL server ends the connections of everybody else."""
    if not location.startswith("postgresql:"):
        Path(location).rename(f"{location}.away")
        return
    with psycopg.connect(location, autocommit=True) as other:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}".encode())


def test_a_ledger_of_the_environment_has_to_be_named(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="which ledger is not said: put its path or URL into LEVELBOOK_STORE"):
        OpenedLedger()
    create_store(location)
    monkeypatch.setenv(STORE_VARIABLE, location)
    with OpenedLedger() as ledger:
        assert ledger.recorder.max_notification_id() is None


# --- projections


class Latest(POPOTrackingRecorder):
    """Which order was paid last, in memory."""

    order = ""

    def put(self, order: str, tracking: Tracking) -> None:
        with self._database_lock:
            self._assert_tracking_uniqueness(tracking)
            self._insert_tracking(tracking)
            self.order = order


class LastPaid(Projection[Latest]):
    topics = ("order.paid",)

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.put(domain_event.data.order, tracking)


@pytest.mark.slow
def test_a_projection_in_memory_follows_what_is_recorded(store: Store, tmp_path: Path) -> None:
    ingest_events(store, story(9), tmp_path)
    env = {STORE_VARIABLE: store.location}
    with ProjectionRunner(
        application_class=OpenedLedger, projection_class=LastPaid, view_class=Latest, env=env
    ) as running:
        running.wait(9, timeout=WAIT_SECONDS)
        assert running.view.order == "o-8"
        ingest_events(store, [paid("o-last")], tmp_path)
        running.wait(running.app.recorder.max_notification_id(), timeout=WAIT_SECONDS)
        assert running.view.order == "o-last"


def example(tmp_path: Path) -> Path:
    """The program that the page shows."""
    (shown,) = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE.read_text("utf-8"))
    program = tmp_path / "payments.py"
    program.write_text(shown)
    return program


def loaded(program: Path) -> ModuleType:
    module = ModuleType("payments")
    exec(compile(program.read_text(), program, "exec"), vars(module))
    return module


@contextmanager
def started(program: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, program, *arguments], env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def counted(file: Path) -> int:
    """How many payments a file of the example counts."""
    import sqlite3

    if not file.exists():
        return 0
    connection = sqlite3.connect(file)
    try:
        ((total,),) = connection.execute("SELECT coalesce(sum(count), 0) FROM payments")
        return int(total)
    except sqlite3.OperationalError:
        return 0  # its table is not made yet
    finally:
        connection.close()


@pytest.mark.slow
def test_the_example_of_the_page_counts_each_payment_once_however_often_it_is_killed(
    location: str, tmp_path: Path
) -> None:
    create_store(location)
    program, file, chance = example(tmp_path), tmp_path / "payments.db", random.Random(5)
    told = story(2_000)  # so many that a killer who looks now and then comes before the end
    with open_store(location) as store:
        ingest_events(store, told, tmp_path)
        payments = [made for made in told if made["type"] == "order.paid"]
        kills = 1 + SOAK
        for number in range(kills):
            bound = len(payments) * (number + 1) // (kills + 4) - chance.randrange(20)
            with started(program, location, str(file)) as process:
                eventually(lambda bound=bound: counted(file) >= bound)  # type: ignore[misc]
                process.send_signal(signal.SIGKILL)
        assert 0 < counted(file) < len(payments)
        with loaded(program).runner(location, str(file)) as running:
            eventually(lambda: counted(file) == len(payments))
            ingest_events(store, [paid("o-new", subject="merchant/m-1")], tmp_path)
            running.wait(running.app.recorder.max_notification_id(), timeout=WAIT_SECONDS)
            found = running.view.counts()
    expected = [made["subject"] for made in [*payments, paid("o-new", subject="merchant/m-1")]]
    assert found == {subject: expected.count(subject) for subject in set(expected)}
