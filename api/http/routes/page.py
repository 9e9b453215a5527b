"""The browser page, the page of the API, and their files, all from inside the package.

The policy lets the page load nothing from elsewhere, run no inline script or style, and make no markup of text
(Trusted Types): what a document says is always shown as text.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parents[1] / "page"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",  # pictures of pages, which are fetched with the key
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",  # asks again each time, and is answered 304
}

router = APIRouter(include_in_schema=False)


class Assets(StaticFiles):
    """The files of the page, with the policy of the page."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        return response


assets = Assets(directory=FOLDER, follow_symlink=True)


@router.get("/")
def page() -> FileResponse:
    return FileResponse(FOLDER / "index.html", headers=_HEADERS)


@router.get("/docs")
def docs() -> FileResponse:
    return FileResponse(FOLDER / "docs.html", headers=_HEADERS)
