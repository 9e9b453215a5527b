"""Opens a data directory and everything in it from the Settings. This is the one composition root.

The HTTP server and commands that run without a server open the same parts and therefore behave alike. `ingest.runtime`
adds the worker that prepares documents in the background.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rag.generation import make_generator
from rag.index.derived import Index, origin_of
from rag.index.following import Follower
from rag.models.embedding import load_embedder, locate_embedder
from rag.models.endpoint import Endpoint, EndpointEmbedder
from rag.models.weights import DEFAULT_EMBEDDING, installed
from rag.retrieval.search import Searcher
from rag.service import Service
from rag.settings import NO_JUDGE, Settings
from rag.store.backup import settle_restore
from rag.store.catalog import Catalog
from rag.store.exchange import sweep_imports
from rag.store.lock import DataDirectory, Owner, claim_directory
from rag.store.stamps import stamps_of
from rag.types import Embedder, Generator, Judge, Reader, Reranker

log = logging.getLogger(__name__)

INDEX_FOLDER = "index"


class Library:
    """The open parts, as a context manager: leaving it closes them in reverse order."""

    def __init__(
        self,
        settings: Settings,
        command: str,
        *,
        embedder: Embedder | None = None,
        generator: Generator | None = None,
        asks: bool = True,
        heals: bool = True,
    ) -> None:
        """Own the data directory and open everything in it, repairing the indexes where they differ from the catalog.

        A restore that was interrupted is finished first, and documents whose preparation was interrupted are queued
        again. `embedder` and `generator` replace those of the settings. With `asks` False, the optional models that
        only questions need are not opened, and the index does not pause for searches. With `heals` False, an index part
        that cannot be opened is left to `Index.heal`, and the other answers alone.

        Raises DataDirectoryInUse, IndexMismatch, DependencyError, ConfigurationError.
        """
        self.settings = settings
        data_dir = Path(settings.data_dir)
        self._directory: DataDirectory = claim_directory(data_dir, command)
        self._closers: list[Callable[[], None]] = [self._directory.release]
        try:
            if settle_restore(data_dir):
                log.warning("A restore of %s was interrupted and is finished now.", data_dir)
            self.catalog = Catalog(*settings.store_place)
            self._closers.append(self.catalog.close)
            self.embedder: Embedder = embedder or open_embedder(settings)
            # its word embeddings are the embedding model's, which a stand-in has none of
            self.reader = open_reader(settings) if asks and embedder is None else None
            self.generator: Generator = generator or make_generator(
                settings.generation, settings.resolved_model_dir(), self.reader
            )
            self.reranker = _open_reranker(settings) if asks else None
            self.judge = open_judge(settings, self.generator, self.reader) if asks else None
            self.catalog.stamps.check(stamps_of(self.embedder, settings.chunking.version))
            self.catalog.queue.requeue_unfinished(forgive=True)
            if not self.catalog.shared:  # others may be uploading; `footnote compact` sweeps theirs
                self.catalog.removals.sweep_originals()
            sweep_imports(data_dir)
            model, dimension = self.embedder.model, self.embedder.dimension
            self.index = open_index(self.catalog, model, dimension, settings.index_url, gives_way=asks)
            self._closers.append(self.index.close)
            self.follower = Follower(self.catalog, self.index, name_of_process(command))
            self._closers.append(self.follower.leave)
            self.follower.compare(heal=heals)
            self.searcher = Searcher(
                self.catalog, self.index, self.embedder, self.reranker, reranked=settings.retrieval.rerank
            )
            self.service = Service(settings, self.catalog, self.searcher, self.generator, self.judge, self.reader)
        except BaseException:
            self.close()
            raise

    def announce(self, command: str, url: str, key: str = "", certificate: str = "") -> None:
        """Record where this server listens, for commands that look for it, and how they are let in (`Owner`)."""
        self._directory.announce(Owner(os.getpid(), command, url, key, certificate))

    def close(self) -> None:
        """Close everything in reverse order of opening. Safe to repeat."""
        while self._closers:
            self._closers.pop()()

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def name_of_process(command: str) -> str:
    """What other processes call this one, on whichever machine they are."""
    return f"{command} on {socket.gethostname()}, process {os.getpid()}"


def open_index(catalog: Catalog, model: str, dimension: int, vectors_url: str = "", *, gives_way: bool = True) -> Index:
    """The indexes of a catalog, whose vectors are of this embedding model, in Chroma or at the URL of the settings.

    With `gives_way` False, writes do not pause for searches of this process. Raises DependencyError,
    ConfigurationError.
    """
    return Index(
        catalog.data_dir / INDEX_FOLDER,
        dimension,
        origin=origin_of(catalog, model),
        chunks=catalog.documents.totals().chunks,
        vectors_url=vectors_url,
        gives_way=gives_way,
    )


def open_own_index(catalog: Catalog, vectors_url: str) -> Index:
    """The indexes of a catalog that has chunks, for the model that made their vectors. Raises as `open_index` does."""
    stamps = catalog.stamps.stored()
    return open_index(catalog, stamps["embedding_model"], int(stamps["dimension"]), vectors_url)


def open_embedder(settings: Settings) -> Embedder:
    """The embedding model of the settings.

    Raises DependencyError if it is not installed or its server does not answer, ConfigurationError for an address that
    is none.
    """
    embedding = settings.embedding
    if embedding.on_server():
        return EndpointEmbedder(
            Endpoint(
                "ollama" if embedding.backend == "ollama" else "openai",
                embedding.model,
                base_url=embedding.base_url,
                api_key=embedding.api_key.get_secret_value(),
                timeout_s=embedding.timeout_s,
                batch_size=embedding.batch_size,
                max_tokens=embedding.max_tokens,
                query_prefix=embedding.query_prefix,
                passage_prefix=embedding.passage_prefix,
                any_language=embedding.languages == "any",
            )
        )
    return load_embedder(
        embedding.model,
        settings.resolved_model_dir(),
        batch_size=embedding.batch_size,
        threads=embedding.threads,
        query_prefix=embedding.query_prefix,
        passage_prefix=embedding.passage_prefix,
        any_language=embedding.languages == "any",
    )


def open_reader(settings: Settings) -> Reader | None:
    """The reader that ships with the package; None, with a warning, where it cannot be opened.

    Its word embeddings are those of the default embedding model, which is looked for whatever model embeds. Raises
    DependencyError where neither has been fetched.
    """
    from rag.models import encoder

    embedding, model_dir = settings.embedding, settings.resolved_model_dir()
    folders = [folder] if (folder := installed(DEFAULT_EMBEDDING, model_dir)) is not None else []
    if embedding.backend == "local" and (embedding.model != DEFAULT_EMBEDDING or not folders):
        folders.append(locate_embedder(embedding.model, model_dir)[0])
    problem = f"{DEFAULT_EMBEDDING} is not in {model_dir} (`footnote models pull {DEFAULT_EMBEDDING}`)"
    for folder in folders:
        try:
            return encoder.open_reader(folder, threads=embedding.threads)
        except encoder.EncoderError as error:
            problem = str(error)
    log.warning("Passages are not read to tell what they answer, because %s. Answers do without it.", problem)
    return None


def _open_reranker(settings: Settings) -> Reranker | None:
    if not settings.retrieval.reranker:
        return None
    from rag.models.cross_encoder import load_reranker

    return load_reranker(settings.retrieval.reranker)


def open_judge(settings: Settings, generator: Generator, reader: Reader | None) -> Judge | None:
    """The judge that the settings name, None where there is none. Raises ConfigurationError."""
    if settings.answers.judge in NO_JUDGE:
        return None
    from rag.generation.judges import make_judge

    return make_judge(settings.answers.judge, settings.answers.judge_budget_s, generator, reader)
