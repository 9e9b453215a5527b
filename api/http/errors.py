"""The one place where errors become HTTP responses, all in one form: `{"error": {"code", "message"}}`.

FootnoteError           its `status` and `code`                        rag/errors.py
RequestValidationError  422 `invalid_input`, 400 `invalid_json`        names the field and the value seen, abbreviated
HTTPException           404 `not_found`, 405 `method_not_allowed`      no such route, no such method on it
anything else           500 `internal`                                 logged with its traceback by `api/http/guards.py`
"""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.http.schemas import ErrorBody
from rag.errors import DependencyError, FootnoteError

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
CLIENT_LEFT = 499
"""The status of a response that nobody reads, as it appears in the metrics."""

_SHOWN_CHARS = 60
_DESCRIPTIONS = {
    400: "The body could not be read.",
    403: "The request comes from a web page of another site.",
    404: "Nothing has this name; the message says what there is.",
    406: "There is no such form of it.",
    409: "The documents changed meanwhile, or were built with other settings.",
    413: "More than the configured limit.",
    421: "The Host header names another machine.",
    422: "A field has a value that cannot be used; the message names both.",
    500: "A defect of the server, written to its log.",
    503: "Something that the server needs does not answer yet; try again.",
}
_CODES = {400: "invalid_json", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_EVERYWHERE = (403, 421, 500, 503)


class Starting(DependencyError):
    """The server accepts connections and has not opened its data directory yet."""

    code = "starting"


def error_response(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error in the common form. Lone surrogates in the message are escaped, since they cannot be sent."""
    shown = message.encode("utf-8", "backslashreplace").decode()
    extra = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    return JSONResponse({"error": {"code": code, "message": shown}}, status, {**extra, **(headers or {})})


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What `/openapi.json` says of errors: these statuses and those that every call can answer."""
    return {
        status: {"model": ErrorBody, "description": _DESCRIPTIONS[status]}
        for status in sorted({*statuses, *_EVERYWHERE})
    }


def abbreviate(value: object) -> str:
    """A value as it is shown in a message: at most about 60 characters, never all of a large one."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of about {round(value.bit_length() * 0.301)} digits"
    if isinstance(value, str):
        if len(value) <= _SHOWN_CHARS:
            return repr(value)
        return f"{value[:_SHOWN_CHARS]!r}... ({len(value)} characters)"
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = shortener.maxlong = _SHOWN_CHARS
    shortener.maxdict = shortener.maxlist = 3
    shortener.maxlevel = 2
    return shortener.repr(value)[: 4 * _SHOWN_CHARS]


def describe_problem(problems: Sequence[Mapping[str, Any]]) -> tuple[int, str, str]:
    """Status, code and message for what pydantic found wrong with a request; the first problem speaks for all."""
    problem = problems[0]
    kind, value = problem["type"], problem.get("input")
    place = [str(part) for part in problem["loc"][1:]]
    where = ".".join(place)
    more = f" ({len(problems) - 1} more like this.)" if len(problems) > 1 else ""
    if kind == "json_invalid":
        reason = problem.get("ctx", {}).get("error", "it ends too early")
        return 400, "invalid_json", f"The body is not JSON: {reason} at character {problem['loc'][-1]}. Correct it."
    if not place:
        seen = "It is empty" if value is None else f"It is {abbreviate(value)}"
        if isinstance(value, bytes):
            seen = f"It is {len(value)} bytes that are not declared as JSON"
        return (
            422,
            "invalid_input",
            f"The body must be a JSON object. {seen}. Send one, with the header Content-Type: application/json.",
        )
    if kind == "missing":
        return 422, "invalid_input", f"`{where}` is missing. Send it; /openapi.json shows an example.{more}"
    if kind == "extra_forbidden":
        name = abbreviate(where)
        return 422, "invalid_input", f"{name} is no field of this call. Leave it out; /openapi.json lists them.{more}"
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return 422, "invalid_input", f"`{where}` is {abbreviate(value)}: {reason}. Correct it and send it again.{more}"


async def _on_footnote_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FootnoteError)
    if error.status >= 500 and not isinstance(error, Starting):
        log.warning("%s %s: %s", request.method, request.url.path, error.message)
    return error_response(error.status, error.code, error.message)


async def _on_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(*describe_problem(error.errors()))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    path = request.url.path
    if error.status_code == 404:
        message = f"There is no {abbreviate(path)} here. /openapi.json lists what there is."
    elif error.status_code == 405:
        headers["Allow"] = ", ".join(_methods_at(request)) or headers.get("Allow", "GET")
        message = f"{abbreviate(path)} does not take {request.method}. It takes {headers['Allow']}."
    elif error.status_code == 400:  # FastAPI says only that it failed; what failed is the cause
        reason = str(error.__cause__ or error.detail)[:200]
        message = f"The body cannot be read as JSON: {reason}. Correct it and send it again."
    else:
        message = str(error.detail)
    code = _CODES.get(error.status_code, "invalid_request")
    return error_response(error.status_code, code, message, headers)


def _methods_at(request: Request) -> list[str]:
    """The methods of every route with the path of the one that was found."""
    template = getattr(request.scope.get("route"), "path", "")
    return sorted(method.upper() for method in request.app.openapi()["paths"].get(template, {}))


async def _on_client_left(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_LEFT)


def install_errors(app: FastAPI) -> None:
    """Let the application answer every error in the common form."""
    app.add_exception_handler(FootnoteError, _on_footnote_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientDisconnect, _on_client_left)
