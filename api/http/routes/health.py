"""Whether the server lives, whether it can be asked, and what it has done."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from api.http.errors import documented
from api.http.metrics import CONTENT_TYPE
from api.http.schemas import Alive, PartState, Ready
from api.http.state import DoorHere
from ingest.runtime import Runtime

router = APIRouter(tags=["health"])

_METRICS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format"}
}


@router.get("/livez", summary="Whether the process answers", responses=documented())
async def live() -> Alive:
    """200 from the first moment on."""
    return Alive()


@router.get("/readyz", summary="Whether questions can be asked", responses=documented())
async def ready(door: DoorHere) -> Ready:
    """200 once the data directory is open, with the state of each part; 503 with the reason until then.

    A model that is not reachable is reported and does not make this fail, since searches still work.
    """
    runtime = door.runtime()
    model, (catalog, index, worker) = await asyncio.gather(
        door.describe_model(), asyncio.to_thread(_look_around, runtime)
    )
    return Ready(catalog=catalog, index=index, worker=worker, model=model)


def _look_around(runtime: Runtime) -> tuple[PartState, PartState, PartState]:
    library = runtime.library
    totals = library.catalog.totals()
    vectors, rows = library.index.counts()
    unfinished = library.catalog.unfinished()
    catalog = f"{sum(totals.documents.values())} documents, {totals.chunks} chunks that can be found"
    if runtime.worker is None:
        worker = PartState(status="off", detail="nothing is prepared in the background")
    elif runtime.worker.alive():
        worker = PartState(status="ok", detail=f"{unfinished} documents on their way")
    else:
        worker = PartState(status="restarting", detail=f"it is being started; {unfinished} documents wait")
    return (
        PartState(status="ok", detail=catalog),
        PartState(status="ok", detail=f"{vectors} vectors, {rows} rows of words"),
        worker,
    )


@router.get(
    "/metrics",
    summary="Counts and times for Prometheus",
    response_class=Response,
    responses=_METRICS | documented(),
)
async def metrics(door: DoorHere) -> Response:
    """Requests, documents by status, chunks, answers, tokens and times."""
    return Response(await asyncio.to_thread(door.metrics.render), headers={"Content-Type": CONTENT_TYPE})
