"""What a path is: below the prefix of a proxy, open to everyone, or one of OpenAI's API."""

from __future__ import annotations

from starlette.types import Scope

UPLOAD_PATH = "/v1/documents"
MCP_PATH = "/mcp"
LIVE_PATH = "/livez"
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
