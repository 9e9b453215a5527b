"""Health: liveness, readiness and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.access import Caller
from api.http.errors import documented
from api.http.metrics import CONTENT_TYPE
from api.http.schemas.health import Alive, PartState, Ready
from api.http.state import DESCRIBE_WAIT_S, Administers, DoorHere
from ingest.runtime import Runtime
from rag.errors import DependencyError
from rag.index.derived import Index

LOW_DISK_BYTES = 2 << 30
# Work occupies the threads that the routes share, and health must not wait for it.
_LOOKING = ThreadPoolExecutor(max_workers=2, thread_name_prefix="footnote-health")
# A shared index may not answer for long, and the other looks must not wait for it.
_ASKING = ThreadPoolExecutor(max_workers=1, thread_name_prefix="footnote-health-index")
_T = TypeVar("_T")

router = APIRouter(tags=["health"])

_METRICS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format"}
}


@router.get("/livez", summary="Check liveness", responses=documented())
async def live() -> Alive:
    """Returns 200 as soon as the process accepts connections."""
    return Alive()


@router.get("/readyz", summary="Check readiness", responses=documented())
async def ready(request: Request, door: DoorHere) -> Ready:
    """Returns 200 with the state of each part once the data directory is open, and 503 with the reason until then.

    An unreachable model or index of vectors is reported but is not a failure, since searches by words still work.
    Where keys are needed, a `detail` is empty unless the key may see what it says: models for every key, counts and
    folders for keys of all collections.
    """
    runtime = door.runtime()
    model, (catalog, worker), index, disk = await asyncio.gather(
        door.describe_model(),
        _apart(_look_around, runtime),
        _look_at_index(runtime),
        _apart(_look_at_disk, runtime),
    )
    embedder = runtime.library.embedder
    caller: Caller | None = request.state.caller
    known, all_known = caller is not None, caller is not None and caller.collections is None
    return Ready(
        catalog=_shown(catalog, all_known),
        index=_shown(index, all_known),
        worker=_shown(worker, all_known),
        model=_shown(model, known),
        embedder=_shown(
            PartState(status="ok", detail=f"{embedder.model}, {embedder.dimension} dimensions, {embedder.describe()}"),
            known,
        ),
        disk=_shown(disk, all_known),
    )


async def _apart(look: Callable[..., _T], *arguments: object) -> _T:
    """What a look at the parts returns, in a thread that no work occupies."""
    return await asyncio.get_running_loop().run_in_executor(_LOOKING, look, *arguments)


def _shown(part: PartState, in_detail: bool) -> PartState:
    return part if in_detail else PartState(status=part.status, detail="")


def _look_at_disk(runtime: Runtime) -> PartState:
    catalog = runtime.library.catalog
    free = catalog.free_bytes()
    detail = f"{free / 1e9:.1f} GB free in {catalog.disk}"
    return PartState(status="low" if free < LOW_DISK_BYTES else "ok", detail=detail)


def _look_around(runtime: Runtime) -> tuple[PartState, PartState]:
    library = runtime.library
    totals = library.catalog.documents.totals()
    unfinished = library.catalog.documents.unfinished()
    catalog = f"{sum(totals.documents.values())} documents, {totals.chunks} searchable chunks"
    if runtime.worker is None:
        worker = PartState(status="off", detail=f"this server prepares no documents; {unfinished} wait for others")
    elif runtime.worker.alive():
        worker = PartState(status="ok", detail=f"{unfinished} documents in progress")
    else:
        worker = PartState(status="restarting", detail=f"the worker is restarting; {unfinished} documents wait")
    return PartState(status="ok", detail=catalog), worker


async def _look_at_index(runtime: Runtime) -> PartState:
    """Its state. A shared index that does not answer is no reason to answer no request: the words still do. One of this
    process cannot be away: it writes, and searches wait for it too."""
    library = runtime.library
    try:
        async with asyncio.timeout(DESCRIBE_WAIT_S):
            return await asyncio.get_running_loop().run_in_executor(_ASKING, _index_state, library.index)
    except TimeoutError:
        waited = f"no answer within {DESCRIBE_WAIT_S:g} s"
        if not library.settings.index_url:
            return PartState(status="busy", detail=f"{waited}, since it writes; look again")
        detail = f"{waited}; check that what FOOTNOTE_INDEX_URL names runs"
        return PartState(status="unreachable", detail=detail)
    except DependencyError as error:
        return PartState(status="unreachable", detail=error.message)


def _index_state(index: Index) -> PartState:
    vectors, rows = index.counts()
    if not index.missing:
        return PartState(status="ok", detail=f"{vectors} vectors, {rows} keyword rows")
    done, total = index.healed
    missing = " and ".join(index.missing)
    return PartState(
        status="rebuilding", detail=f"the {missing} are built from the catalog, {done} of {total} documents are done"
    )


@router.get(
    "/metrics",
    summary="Get metrics for Prometheus",
    response_class=Response,
    responses=_METRICS | documented(),
)
async def metrics(door: DoorHere, view: Administers) -> Response:
    """Counts of requests, documents by status, chunks, answers and tokens; times of requests and first tokens.

    It needs the scope `admin` where keys are needed.
    """
    return Response(await _apart(door.metrics.render), headers={"Content-Type": CONTENT_TYPE})
