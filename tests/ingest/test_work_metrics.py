"""`footnote work --metrics`: what a worker tells of its steps, and to whom; and the traces that it sends."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
from builders import many_paragraphs, upload
from collector import collecting
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from serving import wait_for
from starlette.testclient import TestClient

from api.cli import main
from api.http.metrics import INGEST_STEPS, StepMetrics, WorkerMetrics
from api.http.worker import worker_app
from ingest.pipeline import accept_file, parse_claimed
from rag.errors import DependencyError
from rag.settings import Settings
from rag.store.catalog import Catalog
from rag.telemetry import watching

TESTS = Path(__file__).parents[1]

_WORKER = """
import sys
sys.path.insert(0, sys.argv[2])
import ingest.worker
from api.cli import main
from api.commands.context import Models
from conftest import WordHashEmbedder
ingest.worker.POLL_S = 0.1
sys.exit(main(["work", "--data-dir", sys.argv[1], *sys.argv[3:]], models=Models(WordHashEmbedder(), None)))
"""


@contextmanager
def working(settings: Settings, *options: str, **more: str) -> Iterator[str]:
    """A worker in a process of its own; yields the address that it tells."""
    words = [sys.executable, "-c", _WORKER, str(settings.data_dir), str(TESTS), "--metrics", "127.0.0.1:0", *options]
    environment = os.environ | {"FOOTNOTE_DATABASE_URL": settings.database_url} | more
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=TESTS.parent, env=environment) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if line.startswith("Metrics: "):
                    yield line.split()[1].removesuffix("/metrics")
                    break
        finally:
            process.terminate()
            process.stderr.read()
        assert process.wait(60) == 0


def values(text: str) -> dict[tuple[str, ...], float]:
    """Each value by its metric's name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.databases("postgres")
def test_a_worker_tells_how_long_its_steps_take_and_which_fail(catalog: Catalog, settings: Settings) -> None:
    with working(settings) as url, httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/livez").json() == {"status": "alive"}
        assert {
            values(client.get("/metrics").text)["footnote_ingest_step_seconds_count", step] for step in INGEST_STEPS
        } == {0}
        upload(catalog, many_paragraphs(3), "one.md")
        upload(catalog, "", "empty.md")
        wait_for(lambda: catalog.documents.totals().documents == {"indexing": 1, "failed": 1})
        upload(catalog, many_paragraphs(3), "one.md", collection="other")
        wait_for(lambda: catalog.documents.totals().documents == {"indexing": 2, "failed": 1})
        wait_for(lambda: values(client.get("/metrics").text)["footnote_ingest_step_seconds_count", "commit"] == 2)
        found = values(client.get("/metrics").text)
    counts = {step: found["footnote_ingest_step_seconds_count", step] for step in INGEST_STEPS}
    assert counts["claim"] >= 2
    assert {step: counts[step] for step in ("fetch", "parse", "chunk", "embed", "commit", "publish")} == {
        "fetch": 3, "parse": 3, "chunk": 2, "embed": 2, "commit": 2, "publish": 0,
    }  # fmt: skip
    assert {step: found["footnote_ingest_step_failed_total", step] for step in INGEST_STEPS} == {
        step: float(step == "parse") for step in INGEST_STEPS
    }
    chunks = len(catalog.chunks.of_document(catalog.documents.list_documents(status=("indexing",))[0][0].id))
    hit, miss = (found["footnote_cache_total", "chunk_vectors", result] for result in ("hit", "miss"))
    assert (hit, miss) == (chunks, chunks)


def test_an_original_that_cannot_be_fetched_is_no_fault_of_its_reader(catalog: Catalog, settings: Settings) -> None:
    """The alert on what preparing needs leaves `parse` out, which fails by the document."""
    upload(catalog, "words", "one.md")
    record = catalog.queue.claim_next()
    assert record is not None
    catalog.originals.delete(record.sha256)
    registry = CollectorRegistry()
    with watching(StepMetrics(registry)):
        assert parse_claimed(catalog, record, parsing=settings.parsing) is None
    found = values(generate_latest(registry).decode())
    assert {step: found["footnote_ingest_step_failed_total", step] for step in INGEST_STEPS} == {
        step: float(step == "fetch") for step in INGEST_STEPS
    }
    assert found["footnote_ingest_step_seconds_count", "parse"] == 0


def test_a_file_inside_that_cannot_be_stored_is_no_fault_of_the_reader(
    catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(content: IO[bytes]) -> tuple[str, int]:
        raise DependencyError("The bucket does not answer.")

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("gate.txt", "The gate opens at seven.")
    accept_file(catalog, packed, name="all.zip", source="all.zip", collection="default")
    record = catalog.queue.claim_next()
    assert record is not None
    monkeypatch.setattr(catalog.originals, "store", refuse)
    registry = CollectorRegistry()
    with watching(StepMetrics(registry)), pytest.raises(DependencyError, match="The bucket does not answer"):
        parse_claimed(catalog, record, parsing=settings.parsing)
    found = values(generate_latest(registry).decode())
    assert {step: found["footnote_ingest_step_failed_total", step] for step in INGEST_STEPS} == {
        step: float(step == "store") for step in INGEST_STEPS
    }
    assert found["footnote_ingest_step_seconds_count", "parse"] == 1
    assert catalog.documents.get(record.id).status == "queued"


@pytest.mark.databases("postgres")
def test_a_worker_sends_traces_too(catalog: Catalog, settings: Settings) -> None:
    with collecting() as collector:
        told = {"FOOTNOTE_TRACES": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "papers"}
        with working(settings, **told):
            document_id = upload(catalog, "The words of the gate.", "gate.md").record.id
            wait_for(lambda: catalog.documents.totals().documents == {"indexing": 1})
        spans = {span.name: span for span in collector.spans}  # the worker has ended: what it had is sent
    assert {"claim", "fetch", "parse", "chunk", "embed", "embeddings word-hash@1", "commit"} <= set(spans)
    assert spans["parse"].attributes["footnote.document.id"] == document_id
    assert {span.service for span in spans.values()} == {"papers"}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("loopback", "insecure", "scope", "status"),
    [
        (True, False, None, 401),
        (True, False, "read", 403),
        (False, False, "admin", 200),
        (False, False, None, 401),
        (False, True, None, 200),
    ],
)
def test_metrics_need_the_key_that_those_of_a_server_need(
    catalog: Catalog, loopback: bool, insecure: bool, scope: str | None, status: int
) -> None:
    _, other = catalog.keys.create("somebody", "read")
    client = TestClient(worker_app(WorkerMetrics(), catalog.keys, loopback=loopback, insecure=insecure))
    secret = {None: "", "read": other, "admin": catalog.keys.create("prometheus", "admin")[1]}[scope]
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {secret}"} if secret else {})
    assert answer.status_code == status, answer.text
    assert client.get("/livez").status_code == 200
    assert client.get("/elsewhere").status_code == 404


def test_on_this_machine_no_key_is_needed_while_there_is_none(catalog: Catalog) -> None:
    for loopback, status in ((True, 200), (False, 401)):
        client = TestClient(worker_app(WorkerMetrics(), catalog.keys, loopback=loopback, insecure=False))
        assert client.get("/metrics").status_code == status


@pytest.mark.parametrize("word", ["9100", "127.0.0.1:", "127.0.0.1:many", ":70000"])
def test_an_address_that_is_none_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["work", "--metrics", word]) == 2
    assert "argument --metrics: '" in capsys.readouterr().err
