"""A Qdrant for the tests: the server at FOOTNOTE_TEST_QDRANT_URL, else Qdrant's engine behind its REST calls.

No package index has the server's program. `qdrant-edge-py` has its engine as a library: segments, HNSW, payload
indexes, filters. `QdrantStandIn` answers from it the calls that Footnote makes, in the JSON of Qdrant's API. HNSW is
built from a few vectors on, and is used for a few, so that small tests search as large collections do.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from local_servers import ApplicationServer
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

VARIABLE = "FOOTNOTE_TEST_QDRANT_URL"
GIVEN = os.environ.get(VARIABLE, "")  # read before the tests' environment is cleaned
_FEW_KIB = 1  # of vectors, from which on HNSW is built and used

edge: Any = None  # the library, once a stand-in has needed it


@dataclass
class QdrantStandIn:
    """The stand-in server over a folder. Use it as a context manager; `url` is what FOOTNOTE_INDEX_URL names.

    With a `key`, calls without it are refused. Nothing is answered while it is `silent`. `failing` is a status that
    every call is answered with, `page` a text that is answered instead of JSON, `health` what is told of a collection,
    and `version` the one that the server says it has. `keys` keeps what calls sent as their key, `calls` their method,
    path and body.
    """

    folder: Path
    key: str = ""
    version: str = "1.19.1"
    silent: bool = False
    failing: int = 0
    page: str = ""
    health: dict[str, Any] = field(default_factory=dict)
    certificate: tuple[Path, Path] | None = None  # and its key: https
    keys: list[str] = field(default_factory=list)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)

    def __enter__(self) -> Self:
        global edge
        edge = pytest.importorskip("qdrant_edge", reason="qdrant-edge-py is not installed")
        self._shards: dict[str, Any] = {}
        self._fields: dict[str, set[str]] = {}
        self._turn = threading.Lock()
        at = "/collections/{name}"
        routes = {
            ("GET", "/"): self._root,
            ("GET", f"{at}/exists"): self._exists,
            ("GET", at): self._info,
            ("PUT", at): self._create,
            ("PUT", f"{at}/index"): self._index,
            ("PUT", f"{at}/points"): self._upsert,
            ("POST", f"{at}/points"): self._retrieve,
            ("POST", f"{at}/points/delete"): self._delete,
            ("POST", f"{at}/points/scroll"): self._scroll,
            ("POST", f"{at}/points/count"): self._count,
            ("POST", f"{at}/points/query"): self._query,
        }
        app = Starlette(
            routes=[Route(path, self._answering(call), methods=[method]) for (method, path), call in routes.items()]
        )
        certificate, key = self.certificate or (None, None)
        self._server = ApplicationServer(app, ssl_certfile=certificate, ssl_keyfile=key)
        self.port = self._server.port
        credentials = f":{self.key}@" if self.key else ""
        self.url = f"{'qdrants' if self.certificate else 'qdrant'}://{credentials}127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self.drop_collections()

    def drop_collections(self) -> None:
        """Remove what is stored, as a person may who has the key."""
        for name, shard in self._shards.items():
            shard.close()
            shutil.rmtree(self.folder / name)
        self._shards.clear()
        self._fields.clear()

    def _answering(self, call: Callable[[str, Any], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            self.keys.append(request.headers.get("api-key", ""))
            name, body = request.path_params.get("name", ""), await request.json() if await request.body() else {}
            self.calls.append((request.method, request.url.path, body))
            while self.silent:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # the test is in another thread
            if self.failing:
                return JSONResponse(
                    {"status": {"error": "Service internal error: no space"}, "time": 0.0}, self.failing
                )
            if self.page:
                return PlainTextResponse(self.page)
            if self.key and self.keys[-1] != self.key:
                return PlainTextResponse("Invalid API key or JWT", 401)
            creates = request.method == "PUT" and request.url.path.endswith(name)
            known = not name or name in self._shards or creates or request.url.path.endswith("/exists")
            if not known or (creates and name in self._shards):
                said = f"Collection `{name}` {'already exists' if known else 'does not exist'}!"
                return JSONResponse({"status": {"error": said}, "time": 0.0}, 409 if known else 404)
            try:
                result = await run_in_threadpool(self._call, call, name, body)
            except Exception as error:  # noqa: BLE001 - told to whoever called, as Qdrant does
                return JSONResponse({"status": {"error": f"{type(error).__name__}: {error}"}, "time": 0.0}, 500)
            return JSONResponse(result if not name else {"result": result, "status": "ok", "time": 0.0})

        return answer

    def _call(self, call: Callable[[str, Any], Any], name: str, body: Any) -> Any:
        with self._turn:
            return call(name, body)

    def _root(self, _: str, __: Any) -> Any:
        return {"title": "qdrant - vector search engine", "version": self.version}

    def _exists(self, name: str, _: Any) -> Any:
        return {"exists": name in self._shards}

    def _create(self, name: str, body: Any) -> Any:
        (self.folder / name).mkdir(parents=True)
        self._shards[name] = edge.EdgeShard.create(str(self.folder / name), self._config(body))
        self._fields[name] = set()
        return True

    def _config(self, body: Any) -> Any:
        hnsw = body.get("hnsw_config") or {}
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=body["vectors"]["size"], distance=getattr(edge.Distance, body["vectors"]["distance"])
            ),
            hnsw_config=edge.HnswIndexConfig(hnsw["m"], hnsw["ef_construct"], _FEW_KIB, max_indexing_threads=1),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_FEW_KIB, default_segment_number=1),
        )

    def _settle(self, name: str) -> None:
        """Bring what was written into the graph, before the call returns."""
        self._shards[name].optimize()

    def _info(self, name: str, _: Any) -> Any:
        from qdrant_client import QdrantClient, models

        sample = QdrantClient(":memory:")
        sample.create_collection("c", models.VectorParams(size=1, distance=models.Distance.COSINE))
        found = sample.get_collection("c").model_dump(mode="json", exclude_none=True)
        sample.close()
        return {**found, **self.health}

    def _index(self, name: str, body: Any) -> Any:
        assert body["field_schema"] == "keyword"
        field_name = body["field_name"]
        if field_name not in self._fields[name]:
            self._shards[name].update(
                edge.UpdateOperation.create_field_index(field_name, edge.PayloadSchemaType.Keyword)
            )
            self._fields[name].add(field_name)
        return _done()

    def _upsert(self, name: str, body: Any) -> Any:
        points = [edge.Point(point["id"], point["vector"], point["payload"]) for point in body["points"]]
        self._shards[name].update(edge.UpdateOperation.upsert_points(points))
        self._settle(name)
        return _done()

    def _delete(self, name: str, body: Any) -> Any:
        self._shards[name].update(edge.UpdateOperation.delete_points_by_filter(_filter_of(body["filter"])))
        return _done()

    def _retrieve(self, name: str, body: Any) -> Any:
        found = self._shards[name].retrieve(
            body["ids"], with_payload=body["with_payload"], with_vector=body["with_vector"]
        )
        return [_record(one) for one in found]

    def _scroll(self, name: str, body: Any) -> Any:
        request = edge.ScrollRequest(
            offset=body.get("offset"),
            limit=body["limit"],
            filter=_filter_of(body.get("filter")),
            with_payload=body["with_payload"],
            with_vector=body["with_vector"],
        )
        found, following = self._shards[name].scroll(request)
        return {"points": [_record(one) for one in found], "next_page_offset": following and str(following)}

    def _count(self, name: str, body: Any) -> Any:
        return {"count": self._shards[name].count(edge.CountRequest(exact=body["exact"]))}

    def _query(self, name: str, body: Any) -> Any:
        params = body.get("params") or {}
        acorn = params.get("acorn")
        request = edge.QueryRequest(
            limit=body["limit"],
            query=edge.Query.Nearest(body["query"]["nearest"]),
            filter=_filter_of(body.get("filter")),
            params=edge.SearchParams(hnsw_ef=params.get("hnsw_ef"), acorn=acorn and edge.AcornSearchParams(**acorn)),
            with_payload=body["with_payload"],
        )
        found = self._shards[name].query(request)
        return {"points": [{**_record(one), "score": one.score, "version": one.version} for one in found]}


def _done() -> dict[str, Any]:
    return {"operation_id": 0, "status": "completed"}


def _record(one: Any) -> dict[str, Any]:
    return {"id": str(one.id), "payload": one.payload, "vector": one.vector}


def _filter_of(body: Any) -> Any:
    """The filter of a request; a condition that Footnote does not use fails the test."""

    def condition(one: dict[str, Any]) -> Any:
        if "has_id" in one:
            return edge.HasIdCondition(set(one["has_id"]))
        return edge.FieldCondition(one["key"], match=edge.MatchAny(one["match"]["any"]))

    return body and edge.Filter(**{kind: [condition(one) for one in some] for kind, some in body.items() if some})


@contextmanager
def qdrant_server(folder: Path) -> Iterator[str]:
    """The URL of a Qdrant for one test; the collections that come meanwhile are removed."""
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed: pip install 'footnote-rag[qdrant]'")
    if not GIVEN:
        with QdrantStandIn(folder) as server:
            yield server.url
        return
    from rag.index.qdrant import connect, read_url

    client = connect(read_url(GIVEN))
    before = {one.name for one in client.get_collections().collections}
    try:
        yield GIVEN
    finally:
        for one in client.get_collections().collections:
            if one.name not in before:
                client.delete_collection(one.name)
        client.close()
