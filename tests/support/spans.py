"""A collector of spans on loopback, and what of OpenTelemetry has been sent to it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

from tests.support.receiving import Answer, Receiver, receiving

FORM = "application/x-protobuf"
OPENTELEMETRY = ("OTEL_", "TRACEPARENT", "TRACESTATE")
"""How the names of variables begin by which a process exports spans."""


class Got(NamedTuple):
    """A span."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    """Empty where it has none."""
    about: Mapping[str, Any]
    links: list[str]
    """The traces and spans that it is linked to, as `traceparent` names them."""
    failed: bool


class Collector:
    def __init__(self, receiver: Receiver) -> None:
        self.endpoint = receiver.url.removesuffix("/levels")
        self._receiver = receiver

    @property
    def bytes(self) -> bytes:
        """All that was sent."""
        return b"".join(got.body for got in self._receiver.got)

    @property
    def resources(self) -> list[Mapping[str, Any]]:
        return [_values(part.resource.attributes) for request in self._requests() for part in request.resource_spans]

    @property
    def spans(self) -> list[Got]:
        """In the order in which they began."""
        found = [
            sent
            for request in self._requests()
            for part in request.resource_spans
            for scope in part.scope_spans
            for sent in scope.spans
        ]
        return [_got(sent) for sent in sorted(found, key=lambda sent: sent.start_time_unix_nano)]

    def named(self, name: str) -> list[Got]:
        return [span for span in self.spans if span.name == name]

    def _requests(self) -> Iterator[ExportTraceServiceRequest]:
        for got in self._receiver.got:
            assert got.path == "/v1/traces" and got.headers["content-type"] == FORM
            yield ExportTraceServiceRequest.FromString(got.body)


@contextmanager
def collecting() -> Iterator[Collector]:
    with receiving(lambda _: Answer(200, {"Content-Type": FORM})) as receiver:
        yield Collector(receiver)


def _got(sent: Sent) -> Got:
    return Got(
        sent.name,
        Sent.SpanKind.Name(sent.kind).removeprefix("SPAN_KIND_").lower(),
        sent.trace_id.hex(),
        sent.span_id.hex(),
        sent.parent_span_id.hex(),
        _values(sent.attributes),
        [f"00-{link.trace_id.hex()}-{link.span_id.hex()}-01" for link in sent.links],
        sent.status.code == 2,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}
