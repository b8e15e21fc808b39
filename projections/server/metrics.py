"""What is measured of the service, as Prometheus reads it: requests and how long they take, and what stands behind."""

import os
from functools import lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from projections.server.standing import Standing

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
    now.register(Standing(request.app.state.reading, len(request.app.state.streams)))
    text = generate_latest(summed) + generate_latest(now)
    return Response(text, 200, {"Cache-Control": "no-store"}, "text/plain; version=0.0.4; charset=utf-8")
