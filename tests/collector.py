"""A collector of traces on this machine: takes OTLP over HTTP in protobuf, as OpenTelemetry's specification says."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from local_servers import Handler, handling
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

Value = str | int | float | bool | list[str]


@dataclass(frozen=True)
class Received:
    """A span as it arrived; ids are hex, `parent` "" for none, times in seconds."""

    name: str
    trace: str
    id: str
    parent: str
    kind: str
    attributes: Mapping[str, Value]
    failed: bool
    said: str
    start_s: float
    end_s: float
    scope: str
    service: str


@dataclass
class Collector:
    """What arrived: `spans` with their `raw` bytes, in so many `posts`; the next are answered with `status`."""

    url: str = ""
    status: int = 200
    posts: int = 0
    spans: list[Received] = field(default_factory=list)
    raw: bytes = b""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, body: bytes) -> int:
        request = ExportTraceServiceRequest.FromString(body)
        with self.changed:
            self.posts += 1
            if self.status == 200:
                self.raw += body
                self.spans += _spans(request)
            self.changed.notify_all()
            return self.status

    def wait(self, condition: Callable[[], bool], within_s: float = 30) -> None:
        """Wait until the condition holds; fail where it never does."""
        deadline = time.monotonic() + within_s
        with self.changed:
            while not condition():
                assert self.changed.wait(deadline - time.monotonic()), [span.name for span in self.spans]

    def named(self, name: str) -> list[Received]:
        """The spans of this name, waited for until there is one."""
        self.wait(lambda: any(span.name == name for span in self.spans))
        return [span for span in self.spans if span.name == name]

    def within(self, root: Received) -> list[Received]:
        """The spans of the trace of a root that has arrived: all of them end, and are sent, before it."""
        return [span for span in self.spans if span.trace == root.trace]


def _spans(request: ExportTraceServiceRequest) -> Iterator[Received]:
    for resource in request.resource_spans:
        service = next(
            (one.value.string_value for one in resource.resource.attributes if one.key == "service.name"), ""
        )
        for scoped in resource.scope_spans:
            for span in scoped.spans:
                yield Received(
                    span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
                    Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                    {one.key: _value(one.value) for one in span.attributes},
                    span.status.code == Status.STATUS_CODE_ERROR, span.status.message,
                    span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9, scoped.scope.name, service,
                )  # fmt: skip


def _value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [one.string_value for one in value.array_value.values]
    found: Value = getattr(value, kind)
    return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens on a free port of this machine."""
    collector = Collector()

    class Take(Handler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            right = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            self.send_response(collector.take(body) if right else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with handling(Take) as collector.url:
        yield collector


def ends(spans: Sequence[Received], name: str) -> int:
    """How many of the spans have this name."""
    return sum(span.name == name for span in spans)
