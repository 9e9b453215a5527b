"""All errors become HTTP responses here, in one form: `{"error": {"code", "message"}}`.

FootnoteError           its `status` and `code`                        rag/errors.py
RequestValidationError  422 `invalid_input`, 400 `invalid_json`        names the field and its value, abbreviated
KeyRefused, Forbidden   401 `key_required`…, 403 `scope_lacking`       api/http/keys.py, api/http/state.py
HTTPException           404 `not_found`, 405 `method_not_allowed`      unknown route, unsupported method
anything else           500 `internal`                                 logged with its traceback by `api/http/guards.py`

The calls of OpenAI's API return its form, which has two more fields: `{"error": {"code", "message", "type", "param"}}`.
There a wrong parameter is 400, and `param` names it. What the guards refuse has the form of the call too.
"""

from __future__ import annotations

import logging
import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from api.admission import TooBusy
from api.http.paths import is_openai, route_path
from api.http.schemas.errors import ErrorBody, OpenAIErrorBody
from api.http.streams import Event
from rag.errors import DependencyError, FootnoteError

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
CLIENT_LEFT = 499
"""The status that the metrics count where the client left before the response."""

_SHOWN_CHARS = 60
_DESCRIPTIONS = {
    400: "The body cannot be parsed.",
    401: "The server needs a key, and the request has none that is valid.",
    403: "The key lacks the scope of the call, or the request comes from a web page of another site.",
    404: "The document, page, collection or thread does not exist.",
    406: "The page is not available in a media type that the request accepts.",
    409: "The documents changed during the call, or were indexed with other settings.",
    413: "The body or a file exceeds a configured limit.",
    421: "The Host header names another machine.",
    416: "The file has none of the bytes that Range asks for.",
    422: "A field has an invalid value; the message names the field and the value.",
    429: "The key made more calls in a minute than it may; `Retry-After` says when to try again.",
    500: "An unexpected failure of the server; its log has the details.",
    503: "The server is starting or busy, or something it needs is unavailable; `Retry-After` says when to try again.",
}
_CODES = {400: "invalid_json", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_EVERYWHERE = (401, 403, 421, 429, 500, 503)
_MORE_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_AFTER_S)}}
_OPENAI_CODES = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}


class Starting(DependencyError):
    """The server accepts connections but has not opened its data directory."""

    code = "starting"


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None, **more: str | None
) -> JSONResponse:
    """An error response in the common form, with `more` fields of the error.

    Lone surrogates, which UTF-8 cannot encode, are escaped in the message.
    """
    shown = message.encode("utf-8", "backslashreplace").decode()
    error = {"code": code, "message": shown, **more}
    return JSONResponse({"error": error}, status, {**_MORE_HEADERS.get(status, {}), **(headers or {})})


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses that `/openapi.json` lists: the given statuses and those that every call can return."""
    return {
        status: {"model": ErrorBody, "description": _DESCRIPTIONS[status]}
        for status in sorted({*statuses, *_EVERYWHERE})
    }


def openai_documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a call of OpenAI's API that `/openapi.json` lists."""
    return {status: described | {"model": OpenAIErrorBody} for status, described in documented(*statuses).items()}


def openai_error(error: FootnoteError) -> Event:
    """The event for an error after a stream of OpenAI's API has begun; its clients raise it."""
    fields = {"type": _openai_type(error.status), "param": _param_of(error)}
    return Event.of("", {"error": {"code": error.code, "message": error.message, **fields}})


def _openai_type(status: int) -> str:
    return "server_error" if status >= 500 else "invalid_request_error"


def _param_of(error: FootnoteError) -> str | None:
    """The parameter that an error of OpenAI's API is about, where it names one."""
    param: str | None = getattr(error, "param", None)
    return param


def refusal_of(scope: Scope, error: FootnoteError) -> Response:
    """The response for an error in the form of the call."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    answer = (error.status, error.code, error.message)
    return refusal(scope, answer, param=_param_of(error), headers=headers)


def refusal(
    scope: Scope,
    answer: tuple[int, str, str],
    *,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response for a status, code and message in the form of the call: the common one, or OpenAI's."""
    status, code, message = answer
    if not is_openai(route_path(scope)):
        return error_response(status, code, message, headers)
    status = 400 if status == 422 else status
    return error_response(status, code, message, headers, type=_openai_type(status), param=param)


def abbreviate(value: object) -> str:
    """A value as it is shown in a message: texts are cut to 60 characters, large containers to 240."""
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
    """The status, code and message for pydantic's errors in a request. The message describes the first error."""
    problem = problems[0]
    kind, value = problem["type"], problem.get("input")
    place = [str(part) for part in problem["loc"][1:]]
    where = ".".join(place)
    more = f" ({len(problems) - 1} more errors.)" if len(problems) > 1 else ""
    if kind == "json_invalid":
        reason = problem.get("ctx", {}).get("error", "it ends too early")
        return (
            400,
            "invalid_json",
            f"The body is not valid JSON: {reason} at character {problem['loc'][-1]}. Correct it.",
        )
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
        return (
            422,
            "invalid_input",
            f"{name} is not a field of this call. Leave it out; /openapi.json lists the fields.{more}",
        )
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return 422, "invalid_input", f"`{where}` is {abbreviate(value)}: {reason}. Correct it and send it again.{more}"


async def _on_footnote_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FootnoteError)
    if error.status >= 500 and not isinstance(error, Starting | TooBusy):  # the metrics count what is refused
        log.warning("%s %s: %s", request.method, request.url.path, error.message)
    return refusal_of(request.scope, error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    if not is_openai(route_path(request.scope)):
        return error_response(*describe_problem(problems))
    problem = max(problems, key=lambda one: len(one["loc"]))  # of a union, the branch that fits best
    place = _fields_of(problem["loc"])
    status, code, message = describe_problem([{**problem, "loc": place}])
    if code == "invalid_input":
        code = _OPENAI_CODES.get(problem["type"], "invalid_value")
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place[1:])
    return refusal(request.scope, (status, code, message), param=shown.removeprefix(".") or None)


def _fields_of(place: Sequence[str | int]) -> list[str | int]:
    """A place in the body without the branches of unions, which pydantic names like fields: `str`, `list[Part]`."""
    return [part for part in place if isinstance(part, int) or not (part == "str" or re.search(r"\W", part))]


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    path = request.url.path
    if error.status_code == 404:
        message = f"There is no route {abbreviate(path)}. /openapi.json lists the routes."
    elif error.status_code == 405:
        headers["Allow"] = ", ".join(_methods_at(request)) or headers.get("Allow", "GET")
        message = f"{abbreviate(path)} does not support {request.method}. Use {headers['Allow']}."
    elif error.status_code == 400:  # FastAPI says only that parsing failed; the cause says why
        reason = str(error.__cause__ or error.detail)[:200]
        message = f"The body cannot be read as JSON: {reason}. Correct it and send it again."
    else:
        message = str(error.detail)
    code = _CODES.get(error.status_code, "invalid_request")
    return refusal(request.scope, (error.status_code, code, message), headers=headers)


def _methods_at(request: Request) -> list[str]:
    """The methods of all routes that have the same path as the matched route."""
    template = getattr(request.scope.get("route"), "path", "")
    return sorted(method.upper() for method in request.app.openapi()["paths"].get(template, {}))


async def _on_client_left(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_LEFT)


def install_errors(app: FastAPI) -> None:
    """Make the application return every error in the common form."""
    app.add_exception_handler(FootnoteError, _on_footnote_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientDisconnect, _on_client_left)
