"""The indexes derived from the catalog, in two parts: vectors (chroma.py) and words (words.py).

    INDEX_DIR/current.json        format, dimension, origin and the folders that answer
    INDEX_DIR/chroma-N/           vectors (cosine, HNSW), one record a chunk
    INDEX_DIR/words-N/, words-N.sqlite3   the words of the same chunks with their title and headings, for BM25

With a URL the vectors are in Postgres or Qdrant instead (pgvector.py, qdrant.py), in one place for all replicas of the
catalog.

The parts may contain chunks that are not visible yet, or no longer: the caller asks the catalog which hits count. They
can be deleted at any moment. A part that is missing, torn, of another format, of another catalog or built by another
model is never opened; `heal` grows it again from the catalog's vectors, in a new folder beside the old one, and lets it
answer once it is whole. Meanwhile the other part answers alone. A process that is killed while a part grows leaves
`current.json` as it was, so that the old part still answers at the next start.

`reconcile` repairs what a killed process left half done, since the parts are written one after another.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from rag.errors import DependencyError
from rag.index.chroma import VectorIndex, files_are_sound
from rag.index.outage import Outage
from rag.index.parts import Part, Rows, Slot, VectorPart
from rag.index.shared import open_shared
from rag.index.words import WordIndex, counts_file
from rag.store.catalog import Catalog
from rag.store.durable import replace_durably
from rag.store.records import Held

log = logging.getLogger(__name__)

INDEX_FORMAT = 3
CURRENT_FILE = "current.json"
Kind = Literal["words", "vectors"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # the order in which they are built: words take a tenth of the time
_FOLDERS: Mapping[Kind, str] = {"vectors": "chroma", "words": "words"}
WORN_LEAST = 1_000  # deleted chunks, some 2 MB, below which growing a part again is not worth it
_GROUP_CHUNKS = 2_000  # written while other writers wait
OUTAGE_S = 10.0  # after a failed search of a part that replicas share, during which it is not asked again
_ROUNDS = 5  # comparisons of a grown part with the catalog, which may change meanwhile
_OWN_FILES = re.compile(r"(?P<kind>chroma|keyword|words)-(?P<number>\d+)(?:\.sqlite3.*)?|document_scores\.sqlite3.*")

Progress = Callable[[int, int], None]


def origin_of(catalog: Catalog, model: str) -> str:
    """What an index is built from: the catalog, and the embedding model of its vectors."""
    return f"{catalog.identity()} {model}"


class Index:
    """Both parts, open. Writes are serialised; searches run from any thread."""

    def __init__(
        self,
        folder: Path,
        dimension: int,
        *,
        origin: str = "",
        chunks: int = 0,
        vectors_url: str = "",
        gives_way: bool = True,
    ) -> None:
        """Open the parts under `folder`, and with `vectors_url` the vectors there. Call `reconcile` or `heal` next.

        A part that cannot be opened starts empty; where the catalog has `chunks`, it does not answer until `heal` has
        filled it. `origin` (`origin_of`) is what the index must be built from; "" takes any. With `gives_way` False,
        writes do not pause for searches of this process. Raises DependencyError if the folder cannot be written.
        """
        self._folder = folder
        self._dimension = dimension
        self._origin = origin
        self._write_lock = threading.RLock()
        self._healing = threading.Lock()
        self._vectors_url, self._gives_way = vectors_url, gives_way
        self._vectors: Slot[VectorPart] = Slot()
        self._words: Slot[WordIndex] = Slot()
        self._growing: dict[Kind, Part] = {}
        self._written: set[str] = set()  # documents that came while a part grew
        self._done = (0, 0)
        self._closed = False
        self._interrupted = threading.Event()
        self._outage = Outage(OUTAGE_S)
        self._number = 0  # of the newest folder: none is named twice
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open(chunks)
        except (OSError, sqlite3.OperationalError) as error:
            self.close()
            raise DependencyError(
                f"The index folder {folder} cannot be used: {error}. Free some space or correct its permissions. "
                "The folder can be deleted at any time; `footnote rebuild` fills it again."
            ) from error

    # Opening and closing ---------------------------------------------------------------------------------------------

    def _open(self, chunks: int) -> None:
        current = self._read_current()
        self._number = max((int(match["number"] or 0) for _, match in self._own_files()), default=0)
        usable = (
            current.get("format") == INDEX_FORMAT
            and current.get("dimension") == self._dimension
            and (not self._origin or current.get("origin") in (self._origin, ""))
        )
        self._current = {
            "format": INDEX_FORMAT,
            "dimension": self._dimension,
            "origin": self._origin or str(current.get("origin", "")),
        }
        if self._vectors_url:
            self._vectors.swap(open_shared(self._vectors_url, self._origin, self._dimension))
        for kind in self.missing:
            opened = self._open_part(kind, str(current.get(kind, ""))) if usable else None
            if opened is not None:
                self._slot(kind).swap(opened)
                self._current[kind] = current[kind]
            elif current.get(kind) or current.get("format") not in (None, INDEX_FORMAT):
                log.warning("The %s in %s are damaged or of another origin and are built again.", kind, self._folder)
        if not chunks:
            for kind in self.missing:
                self._install(kind, *self._create(kind))
        self._sweep()

    def _read_current(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            loaded = json.loads((self._folder / CURRENT_FILE).read_text(encoding="utf-8"))
            if isinstance(loaded, dict):
                return loaded
        return {}

    def _open_part(self, kind: Kind, name: str) -> Any:
        """The existing part, or None where it is missing or damaged."""
        folder = self._folder / name
        try:
            if kind == "words":
                return WordIndex(folder) if name else None
            return (
                VectorIndex(folder, self._dimension, gives_way=self._gives_way)
                if name and files_are_sound(folder)
                else None
            )
        except DependencyError as error:
            log.warning("%s", error.message)
            return None

    def _create(self, kind: Kind) -> tuple[str, Any]:
        """A new empty part and its folder's name. Chroma keeps handles on every path that it has opened."""
        self._number += 1
        name = f"{_FOLDERS[kind]}-{self._number}"
        if kind == "words":
            return name, WordIndex(self._folder / name, create=True)
        return name, VectorIndex(self._folder / name, self._dimension, gives_way=self._gives_way)

    def _own_files(self) -> Iterator[tuple[Path, re.Match[str]]]:
        for path in self._folder.iterdir():
            if match := _OWN_FILES.fullmatch(path.name):
                yield path, match

    def _sweep(self) -> None:
        """Delete the files of parts that neither answer nor grow."""
        kept = {str(self._current.get(kind, "")) for kind in KINDS}
        for path, _ in list(self._own_files()):
            if path.name.partition(".sqlite3")[0] not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _install(self, kind: Kind, name: str, part: Any) -> None:
        """Let a part answer, name it in `current.json`, and delete the one that answered before."""
        part.sync()
        self._current[kind] = name
        staged = self._folder / f"{CURRENT_FILE}.part"
        with staged.open("w", encoding="utf-8") as file:
            json.dump(self._current, file)
            file.flush()
            os.fsync(file.fileno())
        replace_durably(staged, self._folder / CURRENT_FILE)
        before = self._slot(kind).swap(part)
        if before is not None:
            before.close()
        if not self._growing:
            self._sweep()

    def _slot(self, kind: Kind) -> Slot[Any]:
        return self._vectors if kind == "vectors" else self._words

    def _answering(self) -> dict[Kind, Any]:
        """The parts that answer now, by kind."""
        return {kind: part for kind in KINDS if (part := self._slot(kind).part) is not None}

    def interrupt(self) -> None:
        """End `heal` and `reconcile` in other threads soon, with a DependencyError. `close` is next."""
        self._interrupted.set()

    def close(self) -> None:
        """Close every file, once no search reads them any more."""
        self._closed = True
        with self._write_lock:
            growing, self._growing = list(self._growing.values()), {}
            for part in [*growing, self._words.swap(None), self._vectors.swap(None)]:
                if part is not None:
                    part.close()

    # Writing ---------------------------------------------------------------------------------------------------------

    def project(self, chunks: Rows) -> None:
        """Write all chunks of one or more documents, replacing rows of the same ids. Vectors: unit length, (dim,).

        Syncing to disk takes most of the time for a small document: pass many documents in one call.
        """
        with self._write_lock:
            parts = [*self._answering().values(), *self._growing.values()]
            if not parts:
                raise _unavailable("The index is closed or being built.")
            for part in parts:
                part.put(chunks)
            if self._growing:
                self._written.update(stored.chunk.span.document_id for stored, _ in chunks)

    def remove(self, *document_ids: str, back: Collection[str] = ()) -> None:
        """Delete every chunk of these documents; unknown ones are ignored. One call for many is cheaper.

        Those of them that are `back`, and wait for indexing, stay in a part that replicas share: another one may have
        written them anew.
        """
        if not document_ids:
            return
        with self._write_lock:
            for part in [*self._answering().values(), *self._growing.values()]:
                part.remove([one for one in document_ids if not (part.in_place and one in back)])
            self._written.difference_update(document_ids)

    def purge_removed(self, catalog: Catalog) -> int:
        """Delete removed and replaced documents, then their originals. Returns how many documents."""
        removals = catalog.removals.pending()
        if not removals:
            return 0
        removed = {document_id for _, document_id, _ in removals}
        with self._write_lock:  # an id may be back with the same bytes
            gone = removed - catalog.documents.indexed().keys()
            self.remove(*gone, back=gone & catalog.documents.indexed(waiting=True).keys())
        for seq, _, sha256 in removals:
            catalog.removals.finish(seq, sha256)
        catalog.removals.finish_shared()
        return len(removals)

    # Comparison with the catalog -------------------------------------------------------------------------------------

    def counts(self) -> tuple[int, int]:
        """The number of chunks in the vectors and in the words that answer; 0 while a part is being built."""
        with self._vectors.reading() as vectors, self._words.reading() as words:
            return vectors.count() if vectors else 0, words.count() if words else 0

    def parts(self) -> Mapping[Kind, Any]:
        """The parts that answer now, by kind, to be examined by the thread that writes."""
        return self._answering()

    @property
    def missing(self) -> tuple[Kind, ...]:
        """The parts that do not answer, and wait for `heal`."""
        return tuple(kind for kind in KINDS if self._slot(kind).part is None)

    @property
    def worn(self) -> tuple[Kind, ...]:
        """The parts that hold more deleted chunks than others, which only growing them again frees."""
        with self._vectors.reading() as vectors:
            if vectors is None or vectors.count_deleted() <= max(WORN_LEAST, vectors.count()):
                return ()
        return ("vectors",)

    @property
    def healed(self) -> tuple[int, int]:
        """How many documents the growing part has, and how many it will have."""
        return self._done

    def reconcile(self, catalog: Catalog, progress: Progress | None = None, *, heal: bool = True) -> int:
        """Make the parts that answer match the visible documents of the catalog: add what is missing, delete what is
        extra. With `heal`, a part that does not answer is grown first.

        Returns how many documents were written or deleted. If nothing differs, it only compares document by document.
        """
        grown = self.heal(catalog, progress) if heal and self.missing else 0
        touched: set[str] = set()
        for part in self._answering().values():
            touched |= self._match(part, catalog, progress)
        return max(grown, len(touched))

    def _match(self, part: Part, catalog: Catalog, progress: Progress | None = None) -> set[str]:
        """Make one part match the catalog. Returns the documents that were written or deleted."""
        held = part.documents()  # before the catalog is asked, so that what comes in between is not taken for extra
        wanted, waiting = catalog.documents.indexed(), catalog.documents.indexed(waiting=True)
        gone = held.keys() - waiting.keys()
        short = [document_id for document_id, own in wanted.items() if held.get(document_id) != own]
        if gone:
            with self._write_lock:
                part.remove(sorted(gone - catalog.documents.indexed(waiting=True).keys()))
        self._fill(part, catalog, short, held, progress)
        return gone | set(short)

    def _fill(
        self,
        part: Part,
        catalog: Catalog,
        document_ids: Sequence[str],
        held: Mapping[str, Held],
        progress: Progress | None,
    ) -> None:
        """Write documents into a part in groups; what the part `held` of them is deleted first."""
        for done, group in _groups(document_ids, catalog):
            with self._write_lock:
                if self._closed or self._interrupted.is_set():
                    raise _unavailable("The index is being closed.")
                if surplus := [document_id for document_id in group if document_id in held]:
                    part.remove(surplus)
                part.put([row for document_id in group for row in catalog.chunks.of_document(document_id)])
            if progress:
                progress(done, len(document_ids))

    def heal(self, catalog: Catalog, progress: Progress | None = None, *, kinds: Sequence[Kind] | None = None) -> int:
        """Grow parts from the catalog's vectors, without embedding, beside those that answer; each answers once whole.

        `kinds` are by default those that do not answer. Returns the documents. Documents that are published or removed
        meanwhile are written to both. Raises DependencyError if the disk fails or the index is closed; then the old
        parts still answer, and what has grown is deleted.
        """
        with self._healing:
            chosen = self.missing if kinds is None else kinds
            documents = 0
            for kind in chosen:
                part = self._slot(kind).part
                if part is not None and part.in_place:
                    documents = max(documents, self._correct(part, catalog, progress))
                else:
                    documents = max(documents, self._grow(kind, catalog, progress))
            return documents

    def _correct(self, part: Part, catalog: Catalog, progress: Progress | None) -> int:
        """Write every document into a part that is never grown beside, and delete what is extra. Returns how many."""
        wanted = catalog.documents.indexed(waiting=True)
        self._fill(part, catalog, list(wanted), {}, progress)
        self._match(part, catalog)
        return len(wanted)

    def _grow(self, kind: Kind, catalog: Catalog, progress: Progress | None) -> int:
        with self._write_lock:
            if self._closed:
                raise _unavailable("The index is closed.")
            name, part = self._create(kind)
            self._growing[kind] = part
            self._written.clear()
        try:
            with self._beside(kind, name, part):
                wanted = catalog.documents.indexed(waiting=True)

                def report(done: int, total: int) -> None:
                    self._done = (done, total)
                    if progress:
                        progress(done, total)

                self._fill(part, catalog, [one for one in wanted if one not in self._written], {}, report)
                for _ in range(_ROUNDS):
                    if not self._match(part, catalog):
                        break
                with self._write_lock:
                    self._match(part, catalog)
                    del self._growing[kind]
                    self._install(kind, name, part)
        finally:
            self._done = (0, 0)
        return len(wanted)

    @contextmanager
    def _beside(self, kind: Kind, name: str, part: Part) -> Iterator[None]:
        """Delete a part that failed to grow."""
        try:
            yield
        except BaseException:
            with self._write_lock:
                if self._growing.pop(kind, None) is not None:
                    part.close()
            if self._current.get(kind) != name:
                shutil.rmtree(self._folder / name, ignore_errors=True)
                for path in self._folder.glob(f"{counts_file(self._folder / name).name}*"):
                    path.unlink(missing_ok=True)
            raise

    def rebuild(self, catalog: Catalog, progress: Progress | None = None) -> int:
        """Grow both parts again beside the old ones, which answer meanwhile. Returns the documents."""
        return self.heal(catalog, progress, kinds=KINDS)

    def set_aside(self, kind: Kind) -> None:
        """Let a part that is found damaged answer no longer, until `heal` has grown it again."""
        with self._write_lock:
            part = self._slot(kind).swap(None)
            if part is not None:
                log.warning("The %s in %s are damaged and are built again.", kind, self._folder)
                part.close()
                self._current.pop(kind, None)

    # Searching -------------------------------------------------------------------------------------------------------

    def search_dense(
        self,
        vector: np.ndarray,
        k: int,
        collections: Sequence[str] | None = None,
        document_ids: Sequence[str] | None = None,
    ) -> list[tuple[str, float]]:
        """The `k` nearest chunks to a unit vector: (chunk id, cosine), best first; none while they are being built, or
        while the engine that replicas share does not answer.
        """
        for attempt in (1, 2):
            with self._vectors.reading() as vectors:
                if vectors is None:
                    self._need("words")
                    return []
                try:
                    with self._outage.sparing() if vectors.in_place else nullcontext():
                        return vectors.search(vector, k, collections, document_ids)
                except DependencyError:
                    if self._words.part is None and (attempt == 2 or vectors.in_place):
                        raise
                    if vectors.in_place:
                        return []
        self.set_aside("vectors")  # it has failed twice: the words answer until it is built again
        return []

    def search_keyword(
        self, question: str, k: int, collections: Sequence[str] | None = None, document_ids: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The `k` best chunks by BM25 over the question's words: (chunk id, score), best first, higher is better.

        A question of stop words alone has no results, nor has any while the words are being built.
        """
        with self._words.reading() as words:
            if words is None:
                self._need("vectors")
                return []
            return words.search(question, k, collections, document_ids)

    def score_documents(self, question: str, document_ids: Sequence[str]) -> dict[str, float]:
        """How well each of these documents as a whole matches the question's words, 0 to 1."""
        with self._words.reading() as words:
            if words is None:
                return dict.fromkeys(document_ids, 0.0)
            return words.score_documents(question, document_ids)

    def _need(self, kind: Kind) -> None:
        if self._slot(kind).part is None:
            done, total = self._done
            raise _unavailable(f"The index is being built from the catalog ({done:,} of {total:,} documents).")


def _unavailable(why: str) -> DependencyError:
    return DependencyError(f"{why} Try again later; the documents are safe in the catalog.")


def _groups(document_ids: Sequence[str], catalog: Catalog) -> Iterator[tuple[int, list[str]]]:
    """The documents in groups of about _GROUP_CHUNKS chunks, each with the number that are done with it."""
    sizes = catalog.documents.indexed(waiting=True) if document_ids else {}
    group: list[str] = []
    chunks = 0
    for done, document_id in enumerate(document_ids, 1):
        group.append(document_id)
        chunks += sizes[document_id].chunks if document_id in sizes else 0
        if chunks >= _GROUP_CHUNKS or done == len(document_ids):
            yield done, group
            group, chunks = [], 0
