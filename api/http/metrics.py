"""Metrics of servers and workers in Prometheus' text format. Each application has its own registry.

Rate, errors and duration are counted per door (`footnote_requests_total`, `footnote_request_seconds`), per class of
work (`footnote_work_ended_total`, `footnote_work_seconds`; these see an error in a stream too, whose status was 200),
per step of an answer (`footnote_step_seconds`), and per step of a document's preparation
(`footnote_ingest_step_seconds`, `footnote_ingest_step_failed_total`). Labels have few values and no words of a document
or a question.
`deploy/helm/files/` has the dashboard and the alerts that read them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.admission import OUTCOMES, WORK, Admission, Outcome, Work
from rag.store.catalog import Catalog
from rag.telemetry import Attributes
from rag.types import UNFINISHED, Answer, AnswerReason, AnswerStatus, DocumentStatus, Generator, Verdict

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_STATES: tuple[DocumentStatus, ...] = (*UNFINISHED, "ready", "failed")
_ANSWERS: tuple[AnswerStatus, ...] = get_args(AnswerStatus)
_REASONS: tuple[AnswerReason, ...] = get_args(AnswerReason)
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
STEPS = ("rewrite", "retrieve", "select", "pack", "generate", "verify", "judge")
"""The steps of an answer that `footnote_step_seconds` has; `timings_ms` names them."""
INGEST_STEPS = ("claim", "fetch", "parse", "store", "chunk", "embed", "commit", "publish")
"""The steps of a document's preparation, in order; servers publish, workers do the rest."""
CACHES = ("chunk_vectors", "sentence_vectors")
"""What is looked up before it is computed: the vectors of chunks that are embedded, and those of sentences that are
compared with a question."""
_REQUEST_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)
_WORK_S = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)
_STEP_S = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)
_INGEST_S = (0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1_800)
_TOKEN_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80, 160)


def known_method(method: str) -> str:
    """A request's method, or OTHER for one that HTTP does not name: clients can send any word."""
    return method if method in KNOWN_METHODS else "OTHER"


class Metrics:
    """The metrics that `/metrics` returns."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.steps = StepMetrics(self.registry)
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
        self._withheld = Counter(
            "footnote_answers_withheld",
            "Answers withheld or partial, by reason",
            ("reason",),
            registry=self.registry,
        )
        self._sentences = Counter(
            "footnote_sentences",
            "Sentences of the model's replies by verdict, those that are left out included",
            ("verdict",),
            registry=self.registry,
        )
        self._steps = Histogram(
            "footnote_step_seconds",
            "Seconds of each step of an answer; generate includes the time to the first token",
            ("step",),
            buckets=_STEP_S,
            registry=self.registry,
        )
        self._ended = Counter(
            "footnote_work_ended",
            "Pieces of work that ended, by outcome: done, rejected (a wrong request), failed, left (by the client)",
            ("work", "outcome"),
            registry=self.registry,
        )
        self._in_hand_s = Histogram(
            "footnote_work_seconds",
            "Seconds that work was in hand until it was done or failed",
            ("work",),
            buckets=_WORK_S,
            registry=self.registry,
        )
        # A series that appears with its first value hides that value from rate().
        for status in _ANSWERS:
            self._answers.labels(status)
        for reason in _REASONS:
            self._withheld.labels(reason)
        for verdict in _VERDICTS:
            self._sentences.labels(verdict)
        for step in STEPS:
            self._steps.labels(step)
        for work in WORK:
            self._in_hand_s.labels(work)
            for outcome in OUTCOMES:
                self._ended.labels(work, outcome)

    def watch_work(self, admission: Admission) -> None:
        """Add what is in hand, waiting, admitted and refused, and how it ends."""
        self.registry.register(_Loads(admission))
        admission.on_ended = self._work_ended

    def _work_ended(self, work: Work, outcome: Outcome, seconds: float) -> None:
        self._ended.labels(work, outcome).inc()
        if outcome in ("done", "failed"):
            self._in_hand_s.labels(work).observe(seconds)

    def watch(self, catalog: Catalog) -> None:
        """Add the counts of this catalog. They are read anew for each scrape."""
        self.registry.register(_CatalogCounts(catalog))

    def watch_model(self, generator: Generator) -> None:
        """Add the servers of the language model, where there are several."""
        self.registry.register(_Servers(generator))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is the route's template, never the path, so that there are few labels."""
        shown = known_method(method)
        self._requests.labels(shown, route, str(status)).inc()
        self._seconds.labels(shown, route).observe(seconds)

    def answer(self, answer: Answer) -> None:
        """Count an answer, its sentences, tokens and steps, and its time to the first token."""
        self._answers.labels(answer.status).inc()
        self._prompt.inc(answer.usage.prompt_tokens)
        self._completion.inc(answer.usage.completion_tokens)
        self._removed.inc(answer.usage.markers_removed)
        if answer.reason is not None:
            self._withheld.labels(answer.reason).inc()
        for sentence in (*answer.sentences, *answer.left_out):
            self._sentences.labels(sentence.verdict).inc()
        for step in STEPS:
            if step in answer.timings_ms:
                self._steps.labels(step).observe(answer.timings_ms[step] / 1000)
        if "first_token" in answer.timings_ms:
            self._first.observe(answer.timings_ms["first_token"] / 1000)

    def render(self) -> bytes:
        """All metrics as text. Reads the catalog."""
        return generate_latest(self.registry)


class StepMetrics:
    """A Watcher (rag/telemetry/steps.py) that counts the steps of ingestion and what is found in caches."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "footnote_ingest_step_seconds",
            "Seconds of each step of documents' preparation, failed ones included",
            ("step",),
            buckets=_INGEST_S,
            registry=registry,
        )
        self._failed = Counter(
            "footnote_ingest_step_failed",
            "Steps that failed; parse and chunk by the document, the others by something that they need",
            ("step",),
            registry=registry,
        )
        self._cache = Counter(
            "footnote_cache",
            "What was looked up before it was computed, by result",
            ("cache", "result"),
            registry=registry,
        )
        for step in INGEST_STEPS:
            self._seconds.labels(step)
            self._failed.labels(step)
        for cache in CACHES:
            self._cache.labels(cache, "hit")
            self._cache.labels(cache, "miss")

    def begin(self, name: str, attributes: Attributes, caller: Mapping[str, str] | None) -> _TimedStep | None:
        return _TimedStep(self._seconds, self._failed) if name in INGEST_STEPS else None

    def cached(self, cache: str, hits: int, misses: int) -> None:
        self._cache.labels(cache, "hit").inc(hits)
        self._cache.labels(cache, "miss").inc(misses)

    def headers(self) -> Mapping[str, str]:
        return {}


class _TimedStep:
    def __init__(self, seconds: Histogram, failed: Counter) -> None:
        self._seconds, self._failed, self._began = seconds, failed, time.perf_counter()

    def enter(self) -> Callable[[], None]:
        return lambda: None

    def end(self, name: str, attributes: Attributes, error: str) -> None:
        self._seconds.labels(name).observe(time.perf_counter() - self._began)
        if error:
            self._failed.labels(name).inc()


class WorkerMetrics:
    """The metrics of `footnote work`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.steps = StepMetrics(self.registry)

    def render(self) -> bytes:
        """All metrics as text."""
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


class _Servers(Collector):
    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def collect(self) -> Iterable[Metric]:
        asked = GaugeMetricFamily(
            "footnote_model_server_up", "Whether a server of the language model is asked", labels=["server"]
        )
        in_hand = GaugeMetricFamily(
            "footnote_model_server_in_hand", "Calls that a server of the language model answers", labels=["server"]
        )
        slots = GaugeMetricFamily(
            "footnote_model_server_slots",
            "Calls that a server of the model answers at once",
            labels=["server"],
        )
        ended = CounterMetricFamily(
            "footnote_model_server_calls", "Calls of a server that were done or failed", labels=["server", "outcome"]
        )
        for server in self._generator.servers:
            asked.add_metric([server.address], server.circuit in ("closed", "half-open"))
            in_hand.add_metric([server.address], server.in_hand)
            slots.add_metric([server.address], server.slots)
            ended.add_metric([server.address, "done"], server.done)
            ended.add_metric([server.address, "failed"], server.failed)
        return asked, in_hand, slots, ended


class _CatalogCounts(Collector):
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def describe(self) -> Iterable[Metric]:
        return []  # otherwise registering would read the catalog

    def collect(self) -> Iterable[Metric]:
        totals = self._catalog.documents.totals()
        documents = GaugeMetricFamily("footnote_documents", "Documents by status", labels=["status"])
        for status in _STATES:
            documents.add_metric([status], totals.documents.get(status, 0))
        yield documents
        yield GaugeMetricFamily("footnote_chunks", "Searchable chunks", value=totals.chunks)
        yield GaugeMetricFamily("footnote_pages", "Pages of searchable documents", value=totals.pages)
        yield GaugeMetricFamily(
            "footnote_queue_age_seconds",
            "Seconds since the upload of the oldest document that waits or is being prepared, and is not found yet",
            value=totals.oldest_wait_s,
        )
