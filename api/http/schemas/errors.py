"""The JSON of every error."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class ErrorDetail(BaseModel):
    """`code` is stable, for programs. `message` is for people: what happened, the value seen, and what to do."""

    code: str
    message: str


class ErrorBody(BaseModel):
    """The form of every error."""

    model_config = ConfigDict(
        title="Error",
        json_schema_extra={
            "example": {
                "error": {
                    "code": "not_found",
                    "message": "There is no collection 'handbuch'. There are: default, handbooks.",
                }
            }
        },
    )

    error: ErrorDetail


class OpenAIErrorDetail(ErrorDetail):
    """The error as clients of OpenAI's API read it: `param` names the parameter that is wrong, where one is."""

    type: Literal["invalid_request_error", "server_error"]
    param: str | None


class OpenAIErrorBody(BaseModel):
    """The form of every error of OpenAI's API."""

    model_config = ConfigDict(title="OpenAIError")

    error: OpenAIErrorDetail
