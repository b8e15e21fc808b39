"""The peer of a rebuild: the eventsourcing library's projection runner, as its manual shows it, into a SQLite table.

It does the points per merchant alone: no caps, closings, corrections, verdicts or months. Its events stand in memory,
since its SQLite recorder has no subscriptions.
"""

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.popo import POPOApplicationRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder

BATCH = 1_000
WINDOW = 15 * 86_400_000_000
PAID, RECEIVED, REVIEWED = 4, 5, 10
WORTH = (0, -10, -10, 0, 10, 10)


class Told(NamedTuple):
    """An event of a merchant, in the numbers of the columns."""

    merchant: int
    at: int
    what: int
    order: int
    amount: int
    detail: int


class Merchant(Aggregate):
    """A merchant that takes whatever happened to it as an event."""

    @event("Happened")
    def happen(self, merchant: int, at: int, what: int, order: int, amount: int, detail: int) -> None:
        pass


class Points(SQLiteTrackingRecorder):
    """The view: points of each merchant, moved in the transaction of the position that moved them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.create_table_statements.append(
            "CREATE TABLE IF NOT EXISTS points (merchant INTEGER PRIMARY KEY, tenths INTEGER)"
        )

    def move(self, moved: list[tuple[int, int]], tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            for merchant, tenths in moved:
                cursor.execute(_UPSERT, (merchant, tenths))


_UPSERT = "INSERT INTO points VALUES (?, ?) ON CONFLICT (merchant) DO UPDATE SET tenths = tenths + excluded.tenths"


class PointsProjection(Projection[Points]):
    """The points, orders held in memory."""

    name = "points"
    topics = ()

    def __init__(self, view: Points) -> None:
        super().__init__(view=view)
        self.paid: dict[tuple[int, int], bool] = {}
        self.reviewed: set[tuple[int, int]] = set()
        self.due: deque[tuple[int, tuple[int, int]]] = deque()

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        moved: list[tuple[int, int]] = []
        if isinstance(domain_event, Merchant.Happened):  # type: ignore[attr-defined]
            order = domain_event.merchant, domain_event.order
            while self.due and self.due[0][0] <= domain_event.at:
                _, received = self.due.popleft()
                if received not in self.reviewed:
                    moved.append((received[0], 7))
            if domain_event.what == PAID:
                self.paid[order] = domain_event.amount >= 500 and domain_event.detail == 0
            elif domain_event.what == RECEIVED and self.paid.get(order):
                self.due.append((domain_event.at + WINDOW, order))
            elif domain_event.what == REVIEWED and self.paid.get(order):
                self.reviewed.add(order)
                moved.append((order[0], WORTH[domain_event.detail]))
        self.view.move(moved, tracking)


class Ledger(Application[Any]):
    """An application whose events are all there when the runner makes it."""

    recorded = POPOApplicationRecorder()

    def construct_recorder(self) -> POPOApplicationRecorder:
        return self.recorded


def record(told: Iterable[Told]) -> int:
    """Save events through `Application.save`, aggregates in memory; the last notification id."""
    Ledger.recorded = POPOApplicationRecorder()
    application = Ledger()
    merchants: dict[int, Merchant] = {}
    changed: dict[int, Merchant] = {}
    for number, item in enumerate(told, 1):
        merchant = merchants.get(item.merchant) or merchants.setdefault(item.merchant, Merchant())
        merchant.happen(*item)
        changed[item.merchant] = merchant
        if number % BATCH == 0:
            application.save(*changed.values())
            changed.clear()
    application.save(*changed.values())
    last = application.recorder.max_notification_id()
    assert last is not None
    return last


def project(table: Path, last: int) -> None:
    """Run the projection over all that was recorded."""
    with ProjectionRunner(
        application_class=Ledger,
        projection_class=PointsProjection,
        view_class=Points,
        env={"POINTS_PERSISTENCE_MODULE": "eventsourcing.sqlite", "POINTS_SQLITE_DBNAME": str(table)},
    ) as runner:
        runner.wait(last, timeout=3_600)
