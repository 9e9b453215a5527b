"""Prepares documents on a Ray cluster, for a large first fill: `footnote ingest FOLDER --ray ADDRESS`. The home of ray.

    ids of queued documents ─ Ray Data, in batches ─> actors: claim ─ parse ─ chunk ─ embed ─ commit ─> catalog

An actor does with a batch what `footnote work` does with what it claims, so that leases and fencing hold, and workers
may work beside it. Ray gives the batch of an actor that was lost to another one, which finds its documents claimed and
leaves them: they are queued again once their leases are over, and the next round takes them. Servers index and publish
what is committed, as ever.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from ingest.conveyor import Claim, prepare_documents
from rag.errors import ConfigurationError, DependencyError
from rag.library import open_embedder
from rag.settings import Settings
from rag.store.catalog import Catalog
from rag.store.records import DocumentRecord
from rag.store.stamps import stamps_of
from rag.store.work_queue import MAX_ATTEMPTS
from rag.types import DocumentStatus, Embedder

BATCH_DOCUMENTS = 16
"""Documents that an actor takes together. One that was tried before is alone, for it may have stopped an actor."""
ACTOR_CPUS = 4  # each actor holds the embedding model once, and reads with as many processes
CONNECT_S = 10.0  # for the head of a cluster to answer
LOOK_EVERY_S = 2.0  # for documents that others have in hand
RETRY_S = 15.0  # after a round that prepared nothing
_UNPREPARED: tuple[DocumentStatus, ...] = ("queued", "parsing", "embedding")


class Preparer:
    """What an actor runs: it prepares batches of documents, given by their ids."""

    def __init__(self, settings: Settings, embedder: Embedder | None) -> None:
        """`embedder` replaces the model that the settings name.

        Raises IndexMismatch where the documents were embedded by another model, DependencyError, ConfigurationError.
        """
        self._settings = settings
        self._folder = tempfile.TemporaryDirectory(prefix="footnote-ray-")
        self._catalog = Catalog(Path(self._folder.name), *settings.store_place[1:])
        self._embedder = embedder or open_embedder(settings)
        self._catalog.stamps.check(stamps_of(self._embedder, settings.chunking.version))

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Prepare those of the documents that are queued. Returns the batch; the catalog says what became of each."""
        try:
            records = self._catalog.queue.claim_each(batch["id"].tolist())
            prepare_documents(self._catalog, map(_claimed, records), self._embedder, self._settings)
        except BaseException:
            self._catalog.queue.requeue_unfinished()
            raise
        return dict(batch)

    def close(self) -> None:
        """Close the catalog. An actor is ended without."""
        self._catalog.close()
        self._folder.cleanup()


def _claimed(record: DocumentRecord) -> Claim:
    return lambda: record


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Be connected to the Ray cluster at an address: `auto`, HOST:PORT of its head, or ray://HOST:PORT.

    Raises ConfigurationError where ray is not installed, DependencyError where the cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray.data
    except ImportError as error:
        raise ConfigurationError("Ray is not installed. Run pip install 'footnote-rag[ray]'.") from error
    with redirect_stdout(sys.stderr):  # where Ray tells of lost actors, to the end: stdout is the command's
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError) as error:
            raise DependencyError(
                f"The Ray cluster at {address} does not answer: {_last_line(error)}. Start it (`ray start --head`), or "
                "correct --ray: auto, HOST:6379 or ray://HOST:10001."
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


def _knock(address: str) -> None:
    """Connect once to a HOST:PORT, at which Ray itself tries for minutes. Raises OSError."""
    place = urlsplit(address if "://" in address else f"ray://{address}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=CONNECT_S).close()


def prepare_on_cluster(
    catalog: Catalog,
    document_ids: Sequence[str],
    settings: Settings,
    embedder: Embedder | None = None,
    prepared: Callable[[int], None] = lambda count: None,
) -> None:
    """Prepare queued documents and the files inside them on the connected cluster, until none is left to prepare.

    `prepared` is called with the number of documents of each finished batch. A document that cannot be read is recorded
    as failed, and one that stopped its actor too often is left to the workers' limit. Raises DependencyError where the
    cluster fails; a later call goes on.
    """
    ids = list(document_ids)
    before: set[str] = set()
    while True:
        catalog.queue.requeue_expired()
        ids = list(dict.fromkeys([*ids, *catalog.documents.inside(ids)]))
        left = _unprepared(catalog, ids)
        if not left:
            return
        queued = [record for record in left if record.status == "queued"]
        if not queued:
            time.sleep(LOOK_EVERY_S)
            continue
        if before == {record.id for record in queued}:
            time.sleep(RETRY_S)
        before = {record.id for record in queued}
        untried = [record.id for record in queued if not record.attempts]
        if untried:
            _run(untried, BATCH_DOCUMENTS, settings, embedder, prepared)
        else:
            _run([record.id for record in queued], 1, settings, embedder, prepared)


def _unprepared(catalog: Catalog, document_ids: Sequence[str]) -> list[DocumentRecord]:
    """Those of the documents that somebody has in hand, or that wait and were not tried too often."""
    records = {record.id: record for record in catalog.documents.list_documents(status=_UNPREPARED)[0]}
    found = [records[document_id] for document_id in document_ids if document_id in records]
    return [record for record in found if record.status != "queued" or record.attempts < MAX_ATTEMPTS]


def _run(
    document_ids: Sequence[str],
    batch: int,
    settings: Settings,
    embedder: Embedder | None,
    prepared: Callable[[int], None],
) -> None:
    import ray.data
    from ray.exceptions import RayError

    of_nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    cpus = max(1, min(ACTOR_CPUS, max(of_nodes, default=1)))
    parsing = settings.parsing.model_copy(update={"processes": settings.parsing.processes or cpus})
    given = settings.model_copy(update={"parsing": parsing})
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    batches = ray.data.from_items([{"id": document_id} for document_id in document_ids]).map_batches(
        Preparer,
        batch_size=batch,
        fn_constructor_args=(given, embedder),
        num_cpus=cpus,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, sum(each // cpus for each in of_nodes))),
    )
    try:
        for done in batches.iter_batches(batch_size=None):
            prepared(len(done["id"]))
    except RayError as error:
        raise DependencyError(
            f"The Ray cluster failed: {_last_line(error)}. What it committed is kept; correct that and run the command "
            "again."
        ) from error


def _last_line(error: BaseException) -> str:
    """The end of a message of Ray, which begins with the trace of an actor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
