"""A hub of models on this machine: files that can be resumed, and lists of repositories with their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

from local_servers import Handler, handling


class Hub:
    """A hub at `url`: `files` by path; `cut_after` ends each answer after so many bytes of the rest asked for.

    `publish` makes a repository of files, which the hub then lists as Hugging Face's does. `asked` has every path.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut_after: int | None = None
        self.ranges: list[str | None] = []
        self.asked: list[str] = []
        self.url = ""

    def answer(self, request: Handler) -> None:
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        self.asked.append(request.path)
        body = self.files.get(request.path)
        if body is None:
            request.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        request.send_response(206 if wanted else 200)
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        request.wfile.write(body[start:][: self.cut_after])
        request.close_connection = True

    def publish(
        self, repo: str, files: dict[str, bytes], *, commit: str = "c0ffee" * 6 + "c0ff", large: int = 1_000
    ) -> str:
        """Serve a repository at `main` and its commit, which is returned. Files over `large` bytes have a SHA-256."""
        listed = [
            {
                "rfilename": path,
                "size": len(body),
                "blobId": hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest(),
                **(
                    {"lfs": {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}}
                    if len(body) > large
                    else {}
                ),
            }
            for path, body in files.items()
        ]
        told = json.dumps({"id": repo, "sha": commit, "siblings": listed}).encode()
        for revision in ("main", commit):
            self.files[f"/api/models/{repo}/revision/{revision}?blobs=true"] = told
            for path, body in files.items():
                self.files[f"/{repo}/resolve/{revision}/{path}"] = body
        return commit


@contextmanager
def serving_hub() -> Iterator[Hub]:
    """A hub without files, while it is used."""
    hub = Hub()

    class Answer(Handler):
        def do_GET(self) -> None:
            hub.answer(self)

    with handling(Answer) as hub.url:
        yield hub
