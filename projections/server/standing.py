"""What metrics tell of the ledger and its views: where they stand, what waits, what checks found. Read when asked."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from domain.calendar import parse_instant
from domain.limits import SECOND_MICROS
from domain.version import PROGRAM_VERSION
from projections.delivering.status import deliveries_status
from projections.http.problems import Problem
from projections.projector.status import passing_beside
from projections.reading.freshness import freshness
from projections.reading.reader import Reading, Snapshot
from projections.upkeep.consumed import consumed_status
from projections.views.database import FORMAT
from replay.errors import LevelbookError
from replay.integrity.kept import SOUND, UNSOUND, Audit, Check, kept
from replay.store.base.store import Store

VERDICTS: Final = {SOUND: 1, UNSOUND: 0}
"""Of what was not there, or not looked at, nothing is said."""


def gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    """A figure without labels."""
    return GaugeMetricFamily(f"levelbook_{name}", about, value)


class Standing(Collector):
    """Where ledger and views stand, looked at when it is asked."""

    def __init__(self, reading: Reading, streams: int) -> None:
        self._reading = reading
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        yield gauge("streams", "Open streams of changes of this process", self._streams)
        with self._reading.store() as store:
            yield gauge("ledger_position", "Position of the ledger", store.head().position)
            with suppress(LevelbookError):
                yield from _of_checks(store)
            with suppress(LevelbookError):
                yield from _of_consuming(consumed_status(store))
            try:
                with self._reading.snapshot() as at:
                    shown = [*_of_views(at, store)]
            except (Problem, LevelbookError):
                yield gauge("views_usable", "Whether there are views of this ledger that can be read", 0)
                return
            yield gauge("views_usable", "Whether there are views of this ledger that can be read", 1)
            yield from shown
        with suppress(LevelbookError), self._reading.store() as store:
            yield from _of_passing(passing_beside(store), at.standing.position)
        with suppress(Problem, LevelbookError):
            yield from _of_deliveries(deliveries_status(self._reading) or [])


def _of_views(at: Snapshot, store: Store) -> Iterator[Metric]:
    """How the live build stands, and what of it is set aside."""
    lag = freshness(at.standing, store.now())
    yield gauge("views_position", "Position of the views", at.standing.position)
    yield gauge("views_lag_events", "Events not taken in yet", lag["lag_events"])
    yield gauge("views_lag_seconds", "Seconds from as_of to now", lag["lag_seconds"])
    build = GaugeMetricFamily("levelbook_build", "Which program and build answer", labels=["program", "build", "form"])
    build.add_metric([PROGRAM_VERSION, str(at.build.build), str(FORMAT)], 1)
    yield build
    aside = at.tables["set_aside"]
    query = select(aside.c.scheme, func.count(), func.count(aside.c.trace)).group_by(aside.c.scheme)
    told = GaugeMetricFamily("levelbook_set_aside", "Levels that could not be worked out", labels=["scheme"])
    faults = GaugeMetricFamily(
        "levelbook_set_aside_unexpected", "Of these, by faults of the program", labels=["scheme"]
    )
    for scheme, count, unexpected in at.connection.execute(query):
        told.add_metric([scheme], count)
        faults.add_metric([scheme], unexpected)
    yield from (told, faults)


def _of_deliveries(found: list[dict[str, Any]]) -> Iterator[Metric]:
    """How far each endpoint is, and whether it fails; nothing where there is none."""
    told: dict[str, tuple[str, Callable[[dict[str, Any]], int | None]]] = {
        "delivery_behind": ("Levels whose last change has not arrived", lambda row: row["behind"]),
        "delivery_arrived": ("Messages that arrived", lambda row: row["delivered"]),
        "delivery_failing_seconds": ("For how long it fails; 0 if it does not", lambda row: row["failing_seconds"]),
        "delivery_disabled": ("Whether it is tried no more", lambda row: int(row["state"] == "disabled")),
    }
    for name, (about, value_of) in told.items() if found else ():
        figures = GaugeMetricFamily(f"levelbook_{name}", about, labels=["endpoint", "kind"])
        for row in found:
            if (value := value_of(row)) is not None:
                figures.add_metric([row["endpoint"], row["kind"]], value)
        yield figures


def _of_consuming(found: list[dict[str, Any]]) -> Iterator[Metric]:
    """How far topics are consumed; nothing where none is."""
    labels = ("group", "topic", "partition")
    behind = GaugeMetricFamily("levelbook_consume_behind", "Offsets that lie behind what is recorded", labels=labels)
    noted = GaugeMetricFamily("levelbook_consume_noted_seconds", "Seconds since that was noted", labels=labels)
    for row in found:
        place = [str(row[label]) for label in labels]
        noted.add_metric(place, row["noted_seconds_ago"])
        if row["behind"] is not None:
            behind.add_metric(place, row["behind"])
    yield from (behind, noted) if found else ()


def _of_checks(store: Store) -> Iterator[Metric]:
    """The last check and the last audit of the ledger; nothing of what was never made."""
    made = kept(store)
    yield gauge("kept_checks_damaged", "Kept checks that cannot be read", len(made.damaged))
    if made.checks:
        yield from _of_check(made.checks[-1])
    if made.audits:
        yield from _of_audit(made.audits[-1])


def _of_check(check: Check) -> Iterator[Metric]:
    yield gauge("last_verify_timestamp_seconds", "When the ledger was last verified", _seconds(check.at))
    yield gauge("last_verify_position", "Up to which position it fitted", _position(check.head))
    sound = GaugeMetricFamily("levelbook_last_verify_sound", "Whether a part was sound, 0 or 1", labels=["part"])
    parts = {
        "ledger": check.ledger_verdict,
        "segments": check.segments_verdict,
        "views": check.views_verdict,
        "service": check.service_verdict,
    }
    for part, verdict in parts.items():
        if verdict in VERDICTS:
            sound.add_metric([part], VERDICTS[verdict])
    yield sound


def _of_audit(audit: Audit) -> Iterator[Metric]:
    yield gauge("last_audit_timestamp_seconds", "When decisions were last audited", _seconds(audit.at))
    yield gauge("last_audit_position", "Where the ledger stood", _position(audit.head))
    yield gauge("last_audit_decisions", "How many decisions were audited", audit.audited)
    yield gauge("last_audit_reproduced", "How many came out as they were recorded", audit.reproduced)
    yield gauge("last_audit_restated", "How many come out otherwise as known now", audit.restated)
    told = "How many announced levels are neither decided nor replayed so"
    yield gauge("last_audit_announced_otherwise", told, audit.announced_otherwise)


def _seconds(at: str) -> int:
    return parse_instant(at) // SECOND_MICROS


def _position(head: str) -> int:
    return int(head.partition(":")[0])


def _of_passing(found: dict[str, Any], position: int) -> Iterator[Metric]:
    """A rebuild that is under way, and the shadow; nothing of what is not there."""
    rebuild, shadow = found["rebuild"], found["shadow"]
    if rebuild is not None:
        yield gauge("rebuild_done_events", "Events that the rebuild has taken in", rebuild["done_events"])
        yield gauge("rebuild_total_events", "Events that it has to take in", rebuild["total_events"])
        yield gauge("rebuild_idle_seconds", "Seconds since it moved", rebuild["seconds_since_moved"])
    if shadow is not None:
        yield gauge("shadow_lag_events", "Events behind the views", position - shadow["position"])
        yield gauge("shadow_stopped", "Whether the shadow is set aside", int(shadow["problem"] is not None))
        differing = GaugeMetricFamily("levelbook_shadow_differing", "Levels that differ, by the day", labels=["scheme"])
        for row in shadow["drift"]:
            differing.add_metric([row["scheme"]], row["differ"])
        yield differing
