"""What is measured of the service, as Prometheus reads it: requests, how long they take, how fresh the views are."""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from projections.http.problems import Problem
from projections.projector.status import shadow_beside
from projections.reading.freshness import freshness
from projections.reading.reader import Reading
from replay.errors import LevelbookError

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where several processes of a service add up what they measure."""
SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


class Measures:
    """What one process measures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("operation", "status")
        self._seconds = Histogram(
            "levelbook_request_seconds", "How long requests took", labels, buckets=SECONDS, registry=self.registry
        )
        self._refused = Counter(
            "levelbook_refused",
            "Requests that came by another name, without a token, or too often",
            ("status",),
            registry=self.registry,
        )
        self._of = lru_cache(1_000)(self._seconds.labels)

    def answered(self, operation: str, status: int, seconds: float) -> None:
        self._of(operation, str(status)).observe(seconds)

    def refused(self, status: int) -> None:
        self._refused.labels(str(status)).inc()


class _ViewsLag(Collector):
    """Where the views stand, looked at when it is asked."""

    def __init__(self, reading: Reading, streams: int) -> None:
        self._reading = reading
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("levelbook_streams", "Open streams of changes of this process", self._streams)
        with self._reading.store() as store:
            position = store.head().position
            yield GaugeMetricFamily("levelbook_ledger_position", "Position of the ledger", position)
            try:
                with self._reading.snapshot() as at:
                    standing = at.standing
            except (Problem, LevelbookError):
                return
            lag = freshness(standing, store.now())
        yield GaugeMetricFamily("levelbook_views_position", "Position of the views", standing.position)
        yield GaugeMetricFamily("levelbook_views_lag_events", "Events not taken in yet", lag["lag_events"])
        yield GaugeMetricFamily("levelbook_views_lag_seconds", "Seconds from as_of to now", lag["lag_seconds"])
        with suppress(LevelbookError), self._reading.store() as store:
            yield from _of_shadow(shadow_beside(store), standing.position)


def _of_shadow(found: dict[str, Any] | None, position: int) -> Iterator[Metric]:
    """How a shadow is kept, and how many levels differed when that was last counted; nothing without one."""
    if found is None:
        return
    yield GaugeMetricFamily("levelbook_shadow_lag_events", "Events behind the views", position - found["position"])
    stopped = int(found["problem"] is not None)
    yield GaugeMetricFamily("levelbook_shadow_stopped", "Whether the shadow is set aside", stopped)
    differing = GaugeMetricFamily("levelbook_shadow_differing", "Levels that differ, by the day", labels=["scheme"])
    for row in found["drift"]:
        differing.add_metric([row["scheme"]], row["differ"])
    yield differing


def routes() -> list[Route]:
    return [Route("/metrics", _metrics)]


def _metrics(request: Request) -> Response:
    measures: Measures = request.app.state.measures
    if os.environ.get(SHARED_FOLDER):
        summed = CollectorRegistry()
        MultiProcessCollector(summed)  # type: ignore[no-untyped-call]
    else:
        summed = measures.registry
    now = CollectorRegistry()
    now.register(_ViewsLag(request.app.state.reading, len(request.app.state.streams)))
    text = generate_latest(summed) + generate_latest(now)
    return Response(text, 200, {"Cache-Control": "no-store"}, "text/plain; version=0.0.4; charset=utf-8")
