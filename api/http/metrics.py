"""Metrics of the server in Prometheus' text format. Each application has its own registry."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.admission import Admission
from rag.store.catalog import Catalog
from rag.types import UNFINISHED, Answer, AnswerStatus, DocumentStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_STATES: tuple[DocumentStatus, ...] = (*UNFINISHED, "ready", "failed")
_ANSWERS: tuple[AnswerStatus, ...] = ("answered", "partial", "not_found")
_REQUEST_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)
_TOKEN_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80, 160)


class Metrics:
    """The metrics that `/metrics` returns."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("footnote_requests", "Requests answered", labels, registry=self.registry)
        self._seconds = Histogram(
            "footnote_request_seconds",
            "Seconds until the last byte of the response",
            ("method", "route"),
            buckets=_REQUEST_S,
            registry=self.registry,
        )
        self._answers = Counter("footnote_answers", "Answers by status", ("status",), registry=self.registry)
        self._prompt = Counter(
            "footnote_prompt_tokens", "Tokens in the prompts sent to the model", registry=self.registry
        )
        self._completion = Counter(
            "footnote_completion_tokens", "Tokens that the model generated", registry=self.registry
        )
        self._removed = Counter(
            "footnote_markers_removed", "Citation markers removed because they named no passage", registry=self.registry
        )
        self._first = Histogram(
            "footnote_first_token_seconds",
            "Seconds from the request to the model to its first token",
            buckets=_TOKEN_S,
            registry=self.registry,
        )
        for status in _ANSWERS:
            self._answers.labels(status)

    def watch_work(self, admission: Admission) -> None:
        """Add what is in hand, waiting, admitted and refused."""
        self.registry.register(_Loads(admission))

    def watch(self, catalog: Catalog) -> None:
        """Add the counts of this catalog. They are read anew for each scrape."""
        self.registry.register(_CatalogCounts(catalog))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is the route's template, never the path, so that there are few labels."""
        shown = method if method in KNOWN_METHODS else "OTHER"
        self._requests.labels(shown, route, str(status)).inc()
        self._seconds.labels(shown, route).observe(seconds)

    def answer(self, answer: Answer) -> None:
        """Count an answer, its tokens and its time to the first token."""
        self._answers.labels(answer.status).inc()
        self._prompt.inc(answer.usage.prompt_tokens)
        self._completion.inc(answer.usage.completion_tokens)
        self._removed.inc(answer.usage.markers_removed)
        if "first_token" in answer.timings_ms:
            self._first.observe(answer.timings_ms["first_token"] / 1000)

    def render(self) -> bytes:
        """All metrics as text. Reads the catalog."""
        return generate_latest(self.registry)


class _Loads(Collector):
    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def collect(self) -> Iterable[Metric]:
        places = GaugeMetricFamily("footnote_work_places", "Pieces of work that can be in hand", labels=["work"])
        in_hand = GaugeMetricFamily("footnote_work_in_hand", "Pieces of work in hand", labels=["work"])
        waiting = GaugeMetricFamily("footnote_work_waiting", "Requests that wait for their turn", labels=["work"])
        admitted = CounterMetricFamily("footnote_work_admitted", "Pieces of work begun", labels=["work"])
        refused = CounterMetricFamily("footnote_work_refused", "Requests refused because of the load", labels=["work"])
        for work, load in self._admission.loads.items():
            places.add_metric([work], load.places)
            in_hand.add_metric([work], load.in_hand)
            waiting.add_metric([work], load.waiting)
            admitted.add_metric([work], load.admitted)
            refused.add_metric([work], load.refused)
        return places, in_hand, waiting, admitted, refused


class _CatalogCounts(Collector):
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def describe(self) -> Iterable[Metric]:
        return []  # otherwise registering would read the catalog

    def collect(self) -> Iterable[Metric]:
        totals = self._catalog.totals()
        documents = GaugeMetricFamily("footnote_documents", "Documents by status", labels=["status"])
        for status in _STATES:
            documents.add_metric([status], totals.documents.get(status, 0))
        yield documents
        yield GaugeMetricFamily("footnote_chunks", "Searchable chunks", value=totals.chunks)
        yield GaugeMetricFamily("footnote_pages", "Pages of searchable documents", value=totals.pages)
