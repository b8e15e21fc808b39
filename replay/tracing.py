"""Spans of work for OpenTelemetry, where somebody asked for them; else nothing of it is imported, and a span is a look.

A span bears counts, positions, routes and kinds of errors: no subject, buyer, path of a file or text of an error.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Literal, Protocol

from domain.version import PROGRAM_VERSION
from replay.errors import UsageError
from replay.extras import OTEL, need

NAME: Final = "levelbook"
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
Carrier = Mapping[str, str]
"""`traceparent`, and `tracestate` where there is one, in the forms of W3C Trace Context."""
About = Mapping[str, str | int | bool]
"""Attributes of a span."""
Kind = Literal["internal", "server", "consumer"]
NOTHING: Final[About] = {}
CHOICES: Final = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
}
"""Variables of OpenTelemetry that may choose another way out, and the one that there is."""


class Tell(Protocol):
    """Says more of the span that is under way."""

    def __call__(self, about: About, *, name: str | None = None, failed: bool = False) -> None: ...


class _Exporter:
    """What makes spans, and sends them in a thread of its own."""

    def __init__(self) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(NAME, PROGRAM_VERSION)
        self._reader = TraceContextTextMapPropagator()
        self._outside = self._context_of({name: os.environ.get(name.upper(), "") for name in (TRACEPARENT, TRACESTATE)})

    @contextmanager
    def span(
        self, name: str, about: About, kind: Kind, links: Iterable[str], asked_by: Carrier | None
    ) -> Iterator[Tell]:
        from opentelemetry.trace import SpanKind, Status, StatusCode, get_current_span

        if asked_by is not None:
            context = self._context_of(asked_by)
        else:
            context = None if get_current_span().get_span_context().is_valid else self._outside
        with self._tracer.start_as_current_span(
            name,
            context,
            SpanKind[kind.upper()],
            about,
            self._links(links),
            record_exception=False,  # its text may name whom the work is about
            set_status_on_exception=False,
        ) as made:

            def tell(about: About, *, name: str | None = None, failed: bool = False) -> None:
                made.set_attributes(about)
                if name is not None:
                    made.update_name(name)
                if failed:
                    made.set_status(Status(StatusCode.ERROR))

            try:
                yield tell
            except BaseException as error:
                tell({"error.type": type(error).__qualname__}, failed=True)
                raise

    def end(self) -> None:
        """Send what is not sent yet; where nobody takes it, it is given up after some seconds."""
        self._provider.shutdown()

    def _context_of(self, carrier: Carrier) -> Any:
        from opentelemetry.context import Context

        return self._reader.extract(carrier, Context())

    def _links(self, parents: Iterable[str]) -> list[Any]:
        from opentelemetry.trace import Link, get_current_span

        contexts = (
            get_current_span(self._context_of({TRACEPARENT: parent})).get_span_context()
            for parent in dict.fromkeys(parents)
        )
        return [Link(context) for context in contexts if context.is_valid]


def _resource() -> Any:
    """What makes the spans: by the name that the environment gives it in either way, else by the program's own."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    said = OTELResourceDetector().detect().attributes
    name = str(os.environ.get("OTEL_SERVICE_NAME") or said.get("service.name") or NAME)
    return Resource.create({"service.name": name, "service.version": PROGRAM_VERSION})


_exporter: _Exporter | None = None


def _tell_nobody(about: About, *, name: str | None = None, failed: bool = False) -> None:
    """Where no spans are asked for."""


_NO_SPAN: Final[AbstractContextManager[Tell]] = nullcontext(_tell_nobody)


def span(
    name: str,
    about: About = NOTHING,
    *,
    kind: Kind = "internal",
    links: Iterable[str] = (),
    asked_by: Carrier | None = None,
) -> AbstractContextManager[Tell]:
    """A span around a block, below the one under way.

    `links` are the `traceparent`s of what the work is about, read only where spans are exported. `asked_by` is what a
    request bears, in place of the span under way.
    """
    return _NO_SPAN if _exporter is None else _exporter.span(name, about, kind, links, asked_by)


def begin() -> None:
    """Export spans of this process from now on, until `end`. Raises NotInstalled, UsageError."""
    global _exporter  # noqa: PLW0603 (spans are of a process, and whoever works knows nothing of who asked for them)
    check()
    _exporter = _Exporter()


def end() -> None:
    """Send what is left, and export no more."""
    global _exporter
    ended, _exporter = _exporter, None
    if ended is not None:
        ended.end()


@contextmanager
def exporting() -> Iterator[None]:
    """Export spans of what is done in the block. Raises NotInstalled, UsageError."""
    begin()
    try:
        yield
    finally:
        end()


def check() -> None:
    """Raises NotInstalled or UsageError where spans cannot be exported as the environment says."""
    need(OTEL, "exporting spans (--otel)")
    for name, only in CHOICES.items():
        chosen = os.environ.get(name) or only
        if chosen != only:
            raise UsageError(f"{name} is {chosen!r}, and spans are exported by {only} alone; set it so, or take it out")


def parents_in(extensions: Iterable[bytes | None]) -> Iterator[str]:
    """The `traceparent`s among the extension attributes of events, each as canonical JSON."""
    for kept in extensions:
        if kept is not None and b'"traceparent"' in kept and TRACEPARENT in (found := json.loads(kept)):
            yield found[TRACEPARENT]
