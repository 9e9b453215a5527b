"""Sends the steps as spans to an OpenTelemetry collector. The home of opentelemetry, imported only where it is wanted.

`FOOTNOTE_TRACES=otlp` switches it on; where and how spans are sent is said by OpenTelemetry's own variables, such as
OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS and OTEL_TRACES_SAMPLER. The protocol is OTLP over HTTP, in
protobuf. The tracer provider is Footnote's own and not that of the process: what libraries trace, whose spans may quote
documents, is not sent, and Chroma's telemetry stays off. `traceparent` is taken over from callers and passed on.

Spans wait in a bounded queue and are sent by a thread of their own; what the collector does not take is dropped.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from rag.telemetry.steps import Attributes

log = logging.getLogger(__name__)

FLUSH_S = 3.0  # for what is not sent yet when the process ends
_PACKAGE, _SERVICE, _UNNAMED = "footnote-rag", "footnote", "unknown_service"
_CONTEXT = TraceContextTextMapPropagator()  # without baggage, which could be anything


@contextmanager
def open_tracer() -> Iterator[SpanSender]:
    """A sender of spans, and their ids on each record of the log; closed at the end, within FLUSH_S."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it repeats itself for each batch
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    try:
        provider.add_span_processor(BatchSpanProcessor(_SayingOnce(OTLPSpanExporter())))
    except ValueError as error:  # a number, or a compression, that is none
        log.error("No traces are sent: %s. Correct OpenTelemetry's variables (OTEL_EXPORTER_OTLP_*).", error)
    before = logging.getLogRecordFactory()

    def with_ids(*arguments: object, **named: object) -> logging.LogRecord:
        record = before(*arguments, **named)
        span = get_current_span().get_span_context()
        if span.is_valid:
            record.trace_id, record.span_id = format_trace_id(span.trace_id), format_span_id(span.span_id)
        return record

    logging.setLogRecordFactory(with_ids)
    try:
        yield SpanSender(provider.get_tracer(_PACKAGE))
    finally:
        logging.setLogRecordFactory(before)
        closing = threading.Thread(target=provider.shutdown, name="footnote-traces", daemon=True)
        closing.start()
        closing.join(FLUSH_S)


def _resource() -> Resource:
    """What OpenTelemetry's variables say of this process, and otherwise the product's name."""
    told = Resource.create({SERVICE_VERSION: importlib.metadata.version(_PACKAGE)})
    unnamed = str(told.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED)
    return told.merge(Resource({SERVICE_NAME: _SERVICE})) if unnamed else told


class _SayingOnce(SpanExporter):
    """Another exporter, whose failures are said once, until it works again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter, self._failed = exporter, False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failed:
            log.warning(
                "Traces cannot be sent to %s and are dropped until it takes them; all else goes on. Start the "
                "collector, correct OTEL_EXPORTER_OTLP_ENDPOINT, or unset FOOTNOTE_TRACES.", _collector(),
            )  # fmt: skip
        elif self._failed and not failed:
            log.info("Traces are sent again.")
        self._failed = failed
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _collector() -> str:
    """The address without what may be a secret in it."""
    given = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    parts = urlsplit(given or "http://localhost:4318")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class SpanSender:
    """A Watcher (rag/telemetry/steps.py) for which each step is a span."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(self, name: str, attributes: Attributes, caller: Mapping[str, str] | None) -> _SpanOfStep:
        kind, parent = SpanKind.INTERNAL, None
        if caller is not None:
            kind, parent = SpanKind.SERVER, _CONTEXT.extract(caller, Context())
        elif attributes.get("gen_ai.provider.name", _SERVICE) != _SERVICE:
            kind = SpanKind.CLIENT
        return _SpanOfStep(self._tracer.start_span(name, parent, kind))

    def cached(self, cache: str, hits: int, misses: int) -> None:
        return

    def headers(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        _CONTEXT.inject(found)
        return found


class _SpanOfStep:
    """A Watch. Exceptions leave their type only: a message may quote a document."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def enter(self) -> Callable[[], None]:
        token = attach(set_span_in_context(self._span))
        return lambda: detach(token)

    def end(self, name: str, attributes: Attributes, error: str) -> None:
        if name == attributes.get("gen_ai.operation.name"):  # the conventions name a request to a model after it
            name = f"{name} {attributes['gen_ai.request.model']}"
        self._span.update_name(name)
        self._span.set_attributes(attributes)
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
