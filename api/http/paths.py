"""What a path is: below the prefix of a proxy, open to everyone, or one of OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Scope

from api.admission import Work

UPLOAD_PATH = "/v1/documents"
MCP_PATH = "/mcp"
LIVE_PATH = "/livez"
CROWDED_PATHS: Mapping[str, Work] = {
    "/v1/search": "search",
    "/v1/query": "answer",
    "/v1/chat/completions": "answer",
    "/v1/responses": "answer",
    "/v1/verify": "verify",
}
"""The calls whose work is known from the path, and which therefore can be refused before they are read."""
_OPEN_PATHS = frozenset({"/", "/docs", "/openapi.json", LIVE_PATH, "/readyz"})
_OPEN_FOLDER = "/page/"
_OPENAI_PATHS = ("/v1/chat/", "/v1/responses", "/v1/models")


def route_path(scope: Scope) -> str:
    """The path that the routes see: without `root_path`, whether the proxy has removed it or not."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if root and f"{path}/".startswith(f"{root}/") else path


def is_open(path: str) -> bool:
    """Whether a call needs no key: the page, the description of the API, and health."""
    return path in _OPEN_PATHS or path.startswith(_OPEN_FOLDER)


def is_openai(path: str) -> bool:
    """Whether a call is one of OpenAI's API, whose errors have another form."""
    return path.startswith(_OPENAI_PATHS)
