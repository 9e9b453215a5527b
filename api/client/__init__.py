"""The Python client of a server: `Client`, and `AsyncClient` for asyncio.

    with Client("http://127.0.0.1:8000") as client:
        document = client.wait(client.upload(Path("handbook.pdf")).id)
        answer = client.ask("How many unused vacation days carry over?")

Both make the calls of `calls.py`, and return the bodies of `api/http/schemas/`. The command line uses them too.
"""

from api.client.awaiting import AsyncClient
from api.client.blocking import Client
from api.client.calls import (
    DEFAULT_URL,
    AskOptions,
    ListOptions,
    ScopeOptions,
    SearchOptions,
    StreamedEvent,
    UploadOptions,
)

__all__ = [
    "DEFAULT_URL",
    "AskOptions",
    "AsyncClient",
    "Client",
    "ListOptions",
    "ScopeOptions",
    "SearchOptions",
    "StreamedEvent",
    "UploadOptions",
]
