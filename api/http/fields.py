"""Query parameters that a call does not have are refused, as unknown fields of a body are."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError


async def known_parameters(request: Request) -> None:
    """A dependency that raises RequestValidationError for a query parameter that the description does not list."""
    if not request.query_params:
        return
    path = getattr(request.scope.get("route"), "path", "")
    operation = request.app.openapi()["paths"].get(path, {}).get(request.method.lower(), {})
    known = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
    for name, value in request.query_params.items():
        if name not in known:
            raise RequestValidationError(
                [{"type": "extra_forbidden", "loc": ("query", name), "msg": "unknown", "input": value}]
            )
