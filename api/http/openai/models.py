"""`GET /v1/models`: `footnote` for all documents, `footnote/COLLECTION` for each collection."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from api.http.errors import openai_documented
from api.http.openai.requests import MODEL, scope_of_model
from api.http.state import IN_TURN, Reads

router = APIRouter(prefix="/v1/models", tags=["OpenAI's API"], dependencies=[IN_TURN])

_CREATED = 1_764_547_200  # the field is required; a model here is a set of documents, which changes all the time


class ModelBody(BaseModel):
    """A set of documents that can be asked as if it were a language model."""

    model_config = ConfigDict(title="Model")

    id: str
    object: Literal["model"] = "model"
    created: int = _CREATED
    owned_by: str = MODEL


class Models(BaseModel):
    """All models."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "object": "list",
                "data": [{"id": MODEL, "object": "model", "created": _CREATED, "owned_by": MODEL}],
            }
        }
    )

    object: Literal["list"] = "list"
    data: list[ModelBody]


@router.get("", summary="List models", responses=openai_documented())
def list_models(view: Reads) -> Models:
    """`footnote` answers from all documents, `footnote/COLLECTION` from one collection."""
    names = [MODEL, *(f"{MODEL}/{one}" for one in view.collections())]
    return Models(data=[ModelBody(id=name) for name in names])


@router.get("/{model:path}", summary="Get a model", responses=openai_documented(404))
def get_model(model: Annotated[str, Path(description="the model's id")], view: Reads) -> ModelBody:
    """One model."""
    scope = scope_of_model(model, view.collections())
    return ModelBody(id=MODEL if scope.collection is None else f"{MODEL}/{scope.collection}")
