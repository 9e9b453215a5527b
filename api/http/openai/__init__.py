"""OpenAI's API over the same answers: `/v1/models`, `/v1/chat/completions`, `/v1/responses`.

Read in this order: `requests` (what clients send, as a Question), `text` (an answer as text with its sources),
`models`, `chat`, `responses` (the routes with the JSON of their responses). Errors take OpenAI's form in
`api/http/errors.py`. Only checked text is sent: a draft cannot be taken back from a client that has shown it.
"""

from typing import Any

from api.http.openai import chat, models, responses

ROUTERS = (models.router, chat.router, responses.router)

__all__ = ["ROUTERS", "without_422"]


def without_422(openapi: dict[str, Any]) -> None:
    """Take the status 422, which FastAPI adds by itself, from the description of these calls: they return 400."""
    prefixes = tuple(router.prefix for router in ROUTERS)
    for path, item in openapi["paths"].items():
        if path.startswith(prefixes):
            for operation in item.values():
                operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        openapi["components"]["schemas"].pop(name, None)
