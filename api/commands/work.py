"""work: prepare the documents that wait in a Postgres catalog, beside its servers and other workers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from api.commands.context import CommandContext
from api.commands.models import fetch_missing_embedder
from rag.errors import ConfigurationError
from rag.logs import start_logging
from rag.models.hosts import is_loopback
from rag.store.keys import Keys
from rag.telemetry import tracing, watching

Address = tuple[str, int]


def work(context: CommandContext, *, once: bool, metrics: Address | None = None) -> int:
    """Prepare queued documents until SIGTERM or Ctrl-C, with `once` until none is left, then print how many were begun
    and return 0. `metrics` is the host and port at which /metrics and /livez answer meanwhile.

    What is in hand at the end is queued again for other workers at once. Raises ConfigurationError for a SQLite
    catalog, IndexMismatch where the documents were embedded by another model, DependencyError where the database or the
    embedding model cannot be had, or the port is taken.
    """
    from ingest.worker import work_on
    from rag.store.stamps import stamps_of

    settings = context.settings
    if not settings.database_url:
        raise ConfigurationError(
            f"A SQLite catalog has one owner: the server of {context.data_dir} prepares its documents itself. To share "
            "its queue with workers, name a Postgres database in FOOTNOTE_DATABASE_URL; `footnote migrate` carries the "
            "catalog there."
        )
    start_logging(context.settings.log_format)
    previous = signal.signal(signal.SIGTERM, _stop)
    documents = 0
    try:
        fetch_missing_embedder(context)
        with ExitStack() as open_parts:
            catalog = open_parts.enter_context(context.open_catalog())
            open_parts.enter_context(tracing(settings.traces))
            if metrics is not None:
                open_parts.enter_context(_measuring(context, metrics, catalog.keys))
            embedder = context.load_embedder()
            catalog.stamps.check(stamps_of(embedder, settings.chunking.version))
            context.say(f"Working for {catalog.name}, originals in {catalog.originals.name}.")
            documents = work_on(catalog, embedder, settings, once=once)
    except KeyboardInterrupt:
        pass  # before the work began
    finally:
        signal.signal(signal.SIGTERM, previous)
    if context.as_json:
        context.print_json({"documents": documents})
    else:
        context.console().print(f"Began {documents:,} documents.")
    return 0


@contextmanager
def _measuring(context: CommandContext, address: Address, keys: Keys) -> Iterator[None]:
    """Measure the work in the block, for who asks at the address. Raises DependencyError where the port is taken."""
    from api.commands.serve import listen, url_of
    from api.http.metrics import WorkerMetrics
    from api.http.worker import answering, worker_app

    metrics, server = WorkerMetrics(), context.settings.server
    with listen(*address) as listening:
        app = worker_app(metrics, keys, loopback=is_loopback(address[0]), insecure=server.insecure)
        context.say(f"Metrics: {url_of(listening)}/metrics")
        with answering(app, listening), watching(metrics.steps):
            yield


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
