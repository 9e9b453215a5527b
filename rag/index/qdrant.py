"""The vectors of the chunks in a collection of Qdrant (cosine, HNSW), which all replicas share. The only home of
qdrant_client.

The collection belongs to one catalog and one embedding model; another model gets another collection. The id of a point
is made from the id of its chunk. Every replica writes what it projects: points that are there already cost it a
comparison. Nothing is grown beside it: points that differ are corrected where they are. Filters are part of the search,
so that only points which match them are candidates.

    qdrant://:KEY@HOST:6333     a server over http; qdrants:// over https. The key may be left out
    qdrant:///PATH              the client's local mode: a folder of one process, which compares every vector

Local mode has no index of vectors or payloads and does not know the parameters of a search, so that it gets none. It
reads its points with pickle: the folder must be the user's own.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import numpy as np

from rag.errors import ConfigurationError, DependencyError
from rag.index.parts import Rows, name_vectors
from rag.models.hosts import http_options
from rag.store.records import Held

if TYPE_CHECKING:
    from qdrant_client import QdrantClient
    from qdrant_client.models import Filter, PointStruct, Record

SCHEMES = {"qdrant": "http", "qdrants": "https"}
EF_SEARCH = 200  # candidates of an HNSW search, as Chroma's
ACORN_SELECTIVITY = 0.7
"""The share of the points that match a filter up to which a search steps through those that do not (ACORN).

Recall at 10 of Qdrant's engine (20,000 clustered vectors of 96 numbers, 60 questions) without and with it: .977 and
1.000 where 10 % match, .983 and 1.000 at 50 %, 1.000 and 1.000 at 90 %, for 2 to 10 times the time of a search.
"""

LEAST_VERSION = (1, 18, 0)  # before, a deletion could leave a copy of a point behind (qdrant 8354)
FILTERED = ("document_id", "collection")  # fields of the payload that searches and deletions filter by
_OPTIONS = ("shard_number", "replication_factor")  # of the URL
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "footnote.chunks")
_PORT = 6333
_PAGE = 256  # points of one request, at most 21 MB of 4,096 dimensions as JSON; Qdrant refuses requests over 32 MB
_LISTED = 5_000  # points of one request without their vectors
_TIMEOUT_S = 20
_MOST_REASON = 300  # characters of a server's own words in a message
_UNCHANGED = 1e-5  # by which the numbers of a vector differ at most after Qdrant has scaled it to length 1
_FORM = (
    "Write qdrant://:KEY@HOST:6333 (https: qdrants://…; a server without a key: qdrant://HOST:6333), with the "
    "characters @ : / ? # % of the key as %40 %3A %2F %3F %23 %25."
)


@dataclass(frozen=True)
class Place:
    """Where a URL leads: to the `address` of a server, or to the `folder` of local mode."""

    name: str  # what messages call it: no key
    address: str = ""
    folder: str = ""
    key: str = field(default="", repr=False)
    shard_number: int | None = None  # of a collection that is created, as is the next; None: the server's default
    replication_factor: int | None = None


def read_url(url: str) -> Place:
    """The place of a URL. Raises ConfigurationError, which shows no part that may be the key."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORT
    except ValueError:
        raise ConfigurationError(f"FOOTNOTE_INDEX_URL is no URL. {_FORM}") from None  # its message may show the key
    if parts.scheme == "qdrant" and not parts.netloc and len(parts.path) > 1:
        return Place(f"the folder {unquote(parts.path)} of Qdrant", folder=unquote(parts.path))
    if not host:
        raise ConfigurationError(f"FOOTNOTE_INDEX_URL names no server. {_FORM}")
    if parts.username:
        raise ConfigurationError(
            f"FOOTNOTE_INDEX_URL names a user, and Qdrant knows none: the API key is the password. {_FORM}"
        )
    key = unquote(parts.password or "")
    if not re.fullmatch(r"[!-~]*", key):
        raise ConfigurationError(
            "The API key of FOOTNOTE_INDEX_URL has a character that no header can send. Copy the key again."
        )
    options = _read_options(parts.query)
    shown = f"[{host}]" if ":" in host else host
    return Place(
        f"Qdrant on {shown}:{port}",
        address=f"{SCHEMES[parts.scheme]}://{shown}:{port}{parts.path.rstrip('/')}",
        key=key,
        shard_number=options.get("shard_number"),
        replication_factor=options.get("replication_factor"),
    )


def _read_options(query: str) -> dict[str, int]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in options.items():
        if name not in _OPTIONS or not re.fullmatch(r"[1-9]\d{0,3}", value):
            shown = f"{name}={value}" if name in _OPTIONS else name  # the value of another one may be a key
            raise ConfigurationError(
                f"FOOTNOTE_INDEX_URL has the option {shown}. It takes {' and '.join(_OPTIONS)}, numbers from 1 to "
                f"9999 for a collection that is created. {_FORM}"
            )
    return {name: int(value) for name, value in options.items()}


class QdrantIndex:
    """The open collection. Searches and writes may run at the same time, here and in other processes."""

    in_place = True

    def __init__(self, url: str, origin: str, dimension: int) -> None:
        """Open the collection of the vectors of this `origin` and `dimension` at `url`, or create it.

        Raises ConfigurationError where the URL cannot be used, or qdrant-client is missing or the server too old;
        DependencyError where the server does not answer, or the folder is in use.
        """
        self._place = read_url(url)
        self._name = f"footnote_{name_vectors(origin, dimension)}"
        self._turn = threading.RLock()  # of local mode, whose arrays change under a search
        self._client = connect(self._place)
        try:
            self._create(dimension)
        except BaseException:
            self.close()
            raise

    def _create(self, dimension: int) -> None:
        from qdrant_client import models
        from qdrant_client.http.exceptions import UnexpectedResponse

        with self._asking() as client:
            if self._place.folder:
                if not client.collection_exists(self._name):
                    client.create_collection(
                        self._name, models.VectorParams(size=dimension, distance=models.Distance.COSINE)
                    )
                return
            self._check_version(client.info().version)
            if not client.collection_exists(self._name):
                try:
                    client.create_collection(
                        self._name,
                        models.VectorParams(size=dimension, distance=models.Distance.COSINE),
                        hnsw_config=models.HnswConfigDiff(m=32, ef_construct=128),
                        shard_number=self._place.shard_number,
                        replication_factor=self._place.replication_factor,
                    )
                except UnexpectedResponse:
                    if not client.collection_exists(self._name):  # else another replica was first
                        raise
            for name in FILTERED:  # before there are points, so that HNSW has links for them
                client.create_payload_index(self._name, name, models.PayloadSchemaType.KEYWORD, wait=True)

    def _check_version(self, version: str) -> None:
        found = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
        if found < LEAST_VERSION:
            raise ConfigurationError(
                f"FOOTNOTE_INDEX_URL names {self._place.name}, which has version {version}; "
                f"{'.'.join(str(part) for part in LEAST_VERSION)} is needed. Update it, or leave the variable empty "
                "for Chroma."
            )

    @contextmanager
    def _asking(self) -> Iterator[QdrantClient]:
        """The client. Its errors are raised as DependencyError that names the address and never the key."""
        from qdrant_client.common.client_exceptions import QdrantException
        from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

        name = f"{self._place.name[0].upper()}{self._place.name[1:]}"
        try:
            if self._place.folder:
                with self._turn:
                    yield self._client
            else:
                yield self._client
        except UnexpectedResponse as error:
            if error.status_code in (401, 403):
                raise DependencyError(
                    f"{name} refuses the API key ({error.status_code}). Write a key that may write to collections as "
                    "the password of FOOTNOTE_INDEX_URL: qdrant://:KEY@HOST:6333."
                ) from error
            missing = error.status_code == 404
            advice = (
                "Start Footnote again: it fills the collection anew" if missing else "Look into its log, then try again"
            )
            raise DependencyError(
                f"{name} answers {error.status_code}: {_reason_of(error.content)}. {advice}."
            ) from error
        except ResponseHandlingException as error:
            reason = " ".join(f"{type(error.source).__name__}: {error.source}".split())[:_MOST_REASON]
            raise DependencyError(
                f"{name} does not answer: {reason}. Check that it runs and that FOOTNOTE_INDEX_URL is right "
                "(qdrant:// is http, qdrants:// is https), then try again."
            ) from error
        except json.JSONDecodeError as error:
            raise DependencyError(
                f"{name} does not answer as Qdrant does. Check that FOOTNOTE_INDEX_URL names its REST port, 6333."
            ) from error
        except (ApiException, QdrantException, sqlite3.Error, OSError) as error:
            raise DependencyError(f"{name} does not answer: {error}. Try again later.") from error

    # Writing ---------------------------------------------------------------------------------------------------------

    def put(self, chunks: Rows) -> None:
        """Write all chunks of one or more documents, replacing what the collection holds of these documents."""
        from qdrant_client import models

        if not chunks:
            return
        points = [
            models.PointStruct(
                id=_point_id(stored.chunk.id),
                vector=np.asarray(vector, dtype=np.float32).tolist(),
                payload={
                    "chunk_id": stored.chunk.id,
                    "document_id": stored.chunk.span.document_id,
                    "collection": stored.collection,
                    "version": stored.version,
                },
            )
            for stored, vector in chunks
        ]
        own = _among("document_id", sorted({stored.chunk.span.document_id for stored, _ in chunks}))
        kept = models.HasIdCondition(has_id=[point.id for point in points])
        self._delete(models.Filter(must=[own], must_not=[kept]))
        for start in range(0, len(points), _PAGE):
            self._upsert(points[start : start + _PAGE])

    def _upsert(self, points: Sequence[PointStruct]) -> None:
        with self._asking() as client:
            ids = [point.id for point in points]
            found = client.retrieve(self._name, ids, with_payload=True, with_vectors=True)
            held = {one.id: one for one in found}
            changed = [point for point in points if not _is_held(point, held.get(point.id))]
            if changed:
                client.upsert(self._name, changed, wait=True)

    def remove(self, document_ids: Sequence[str]) -> None:
        """Delete every chunk of these documents; unknown ones are ignored."""
        from qdrant_client import models

        for start in range(0, len(document_ids), _LISTED):
            self._delete(models.Filter(must=[_among("document_id", document_ids[start : start + _LISTED])]))

    def _delete(self, chosen: Filter) -> None:
        from qdrant_client import models

        with self._asking() as client:
            client.delete(self._name, models.FilterSelector(filter=chosen), wait=True)

    # Reading ---------------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """The number of chunks."""
        with self._asking() as client:
            return client.count(self._name, exact=True).count

    def documents(self) -> dict[str, Held]:
        """What is held of each document."""
        found: dict[str, Held] = {}
        for payload in self._payloads("document_id", "version"):
            document_id, version = str(payload.get("document_id", "")), int(payload.get("version", -1))
            before = found.get(document_id, Held(0, version))
            found[document_id] = Held(before.chunks + 1, max(before.version, version))
        return found

    def chunk_ids(self) -> dict[str, int]:
        """How often each chunk is held, by chunk id: once each, since its point's id is made from it."""
        return {str(payload.get("chunk_id", "")): 1 for payload in self._payloads("chunk_id")}

    def _payloads(self, *fields: str) -> Iterator[Mapping[str, Any]]:
        """These fields of every point, without the vectors."""
        offset: Any = None
        while True:
            with self._asking() as client:
                points, offset = client.scroll(
                    self._name, limit=_LISTED, offset=offset, with_payload=list(fields), with_vectors=False
                )
            yield from (point.payload or {} for point in points)
            if offset is None:
                return

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors that are held (float32, shape (dim,), of length 1) by chunk id; unknown chunks are left out."""
        found: dict[str, np.ndarray] = {}
        for start in range(0, len(chunk_ids), _PAGE):
            by_point = {_point_id(chunk_id): chunk_id for chunk_id in chunk_ids[start : start + _PAGE]}
            with self._asking() as client:
                points = client.retrieve(self._name, list(by_point), with_payload=False, with_vectors=True)
            found.update((by_point[str(point.id)], np.asarray(point.vector, dtype=np.float32)) for point in points)
        return found

    def count_deleted(self) -> int:
        """None: Qdrant's optimizer frees what was deleted."""
        return 0

    def check_database(self) -> list[str]:
        """What Qdrant itself, asked for the collection, says is wrong with it."""
        from qdrant_client import models

        with self._asking() as client:
            found = client.get_collection(self._name)
        problems = []
        if found.status == models.CollectionStatus.RED:
            problems.append(f"the collection {self._name} has the status red; the log of {self._place.name} tells why")
        if isinstance(found.optimizer_status, models.OptimizersStatusOneOf1):
            problems.append(f"the optimizer of the collection {self._name} failed: {found.optimizer_status.error}")
        return problems

    def search(
        self, vector: np.ndarray, k: int, collections: Sequence[str] | None, document_ids: Sequence[str] | None
    ) -> list[tuple[str, float]]:
        """The `k` nearest chunks to a unit vector: (chunk id, cosine), best first."""
        from qdrant_client import models

        given = {"collection": collections, "document_id": document_ids}
        conditions = [_among(name, values) for name, values in given.items() if values is not None]
        acorn = models.AcornSearchParams(enable=True, max_selectivity=ACORN_SELECTIVITY) if conditions else None
        with self._asking() as client:
            found = client.query_points(
                self._name,
                query=np.asarray(vector, dtype=np.float32).tolist(),
                query_filter=models.Filter(must=list(conditions)) if conditions else None,
                limit=k,
                with_payload=["chunk_id"],
                search_params=None
                if self._place.folder
                else models.SearchParams(hnsw_ef=max(EF_SEARCH, int(k)), acorn=acorn),
            )
        return [(str((point.payload or {}).get("chunk_id", "")), float(point.score)) for point in found.points]

    def sync(self) -> None:
        """Nothing: a write returns once it is in Qdrant's log."""

    def close(self) -> None:
        """Close every connection, or the folder."""
        with self._turn:
            self._client.close()


def connect(place: Place) -> QdrantClient:
    try:
        from qdrant_client import QdrantClient
    except ImportError as error:
        raise ConfigurationError(
            "FOOTNOTE_INDEX_URL names Qdrant, whose client is not installed. Run pip install 'footnote-rag[qdrant]'."
        ) from error
    if place.folder:
        try:
            return QdrantClient(path=place.folder, force_disable_check_same_thread=True)
        except (RuntimeError, OSError, ValueError, sqlite3.Error) as error:
            raise DependencyError(
                f"{place.name[0].upper()}{place.name[1:]} cannot be opened: {error}. It is of one process at a time: "
                "end the other one, or name a Qdrant server in FOOTNOTE_INDEX_URL."
            ) from error
    options = http_options(place.address)  # without its headers: the client outlives the trace of a request
    return QdrantClient(
        url=place.address,
        headers={"api-key": place.key} if place.key else None,
        timeout=_TIMEOUT_S,
        check_compatibility=False,  # it would ask in a thread of its own; `_check_version` does
        trust_env=options["trust_env"],
        verify=options["verify"],
    )


def _point_id(chunk_id: str) -> str:
    """The id of a chunk's point, always the same: Qdrant takes no ids but numbers and UUIDs."""
    return str(uuid.uuid5(_NAMESPACE, chunk_id))


def _among(name: str, values: Sequence[str]) -> Any:
    """The condition that a field of the payload has one of these values."""
    from qdrant_client import models

    return models.FieldCondition(key=name, match=models.MatchAny(any=list(values)))


def _is_held(point: PointStruct, held: Record | None) -> bool:
    """Whether the collection has this point already, with the same payload and vector."""
    return (
        held is not None
        and held.payload == point.payload
        and bool(np.allclose(np.asarray(held.vector), np.asarray(point.vector), rtol=0, atol=_UNCHANGED))
    )


def _reason_of(content: bytes) -> str:
    """The server's own words in the body of an error."""
    with suppress(ValueError, KeyError, TypeError):
        return " ".join(str(json.loads(content)["status"]["error"]).split())[:_MOST_REASON]
    return "no reason given"
