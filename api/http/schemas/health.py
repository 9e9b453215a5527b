"""The JSON of whether the server lives and is ready."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Alive(BaseModel):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class PartState(BaseModel):
    """The state of one part of the server, with details."""

    status: Literal["ok", "degraded", "rebuilding", "restarting", "busy", "off", "low", "unreachable", "unknown"]
    detail: str


class Ready(BaseModel):
    """The server is ready. Searches work even where the model is unreachable."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "ready",
                "catalog": {"status": "ok", "detail": "4 documents, 120 searchable chunks"},
                "index": {"status": "ok", "detail": "120 vectors, 120 keyword rows"},
                "worker": {"status": "ok", "detail": "1 documents in progress"},
                "model": {"status": "ok", "detail": "ollama/llama3.2: num_ctx 4096"},
                "embedder": {"status": "ok", "detail": "all-MiniLM-L6-v2@6d2f…, 384 dimensions"},
                "disk": {"status": "ok", "detail": "41.2 GB free in data/store"},
            }
        }
    )

    status: Literal["ready"] = "ready"
    catalog: PartState
    index: PartState
    worker: PartState
    model: PartState
    embedder: PartState
    disk: PartState
