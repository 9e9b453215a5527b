"""What a path is: below the prefix of a proxy, open to everyone, or one of OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Scope

from api.admission import Work

UPLOAD_PATH = "/v1/documents"
MCP_PATH = "/mcp"
LIVE_PATH = "/livez"
_WORK_OF_POSTS: Mapping[str, Work | None] = {
    "/v1/search": "search",
    "/v1/query": "answer",
    "/v1/chat/completions": "answer",
    "/v1/responses": "answer",
    "/v1/verify": "verify",
    UPLOAD_PATH: None,  # what the client sends of a body must be read before it is refused
}
CROWDED_PATHS = frozenset({*_WORK_OF_POSTS, "/v1/collections", "/v1/threads", "/v1/models"})
"""The paths of `work_of` without an id, which metrics can name."""
_API = "/v1/"
_OPEN_PATHS = frozenset({"/", "/docs", "/openapi.json", LIVE_PATH, "/readyz"})
_OPEN_FOLDER = "/page/"
_OPENAI_PATHS = ("/v1/chat/", "/v1/responses", "/v1/models")


def route_path(scope: Scope) -> str:
    """The path that the routes see: without `root_path`, whether the proxy has removed it or not."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if root and f"{path}/".startswith(f"{root}/") else path


def work_of(method: str, path: str) -> Work | None:
    """The class of work of a call that can be refused before its key is looked up and its body is read; None of one
    that cannot, or needs no place."""
    if method == "POST" and path in _WORK_OF_POSTS:
        return _WORK_OF_POSTS[path]
    return "catalog" if path.startswith(_API) else None


def is_open(path: str) -> bool:
    """Whether a call needs no key: the page, the description of the API, and health."""
    return path in _OPEN_PATHS or path.startswith(_OPEN_FOLDER)


def is_openai(path: str) -> bool:
    """Whether a call is one of OpenAI's API, whose errors have another form."""
    return path.startswith(_OPENAI_PATHS)
