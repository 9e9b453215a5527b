"""A foreign file to a Document, read in a fenced child process so that one bad file costs one clear error.

Read in this order: here (the door), `fence.py` (the process and its limits), `child.py` (what runs inside), `wire.py`
(how the result comes back), `build.py` (clean text and its places), then one module for each family of media types.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.settings import Parsing
    from rag.types import Document

__all__ = ["parse_file", "render_page"]


def parse_file(path: Path, *, document_id: str, name: str, limits: Parsing) -> Document:
    """The file as a Document named `name`; its media type is told by its content, never by its name.

    The caller's process never opens the file: a fresh child does, within `limits` of memory, time and output, in a
    temporary folder of its own that is gone afterwards. Safe to call from several threads. Raises ParseError, whose
    `code` says why and whose message names the file, what was seen and what to do.
    """
    from ingest.parse import fence, wire

    result = fence.run_fenced("parse", path, name=name, limits=limits)
    return wire.decode_document(result, document_id=document_id, name=name)


def render_page(path: Path, page_number: int, limits: Parsing, dpi: int = 110) -> bytes:
    """One page of a PDF (`page_number` is 1-based) as PNG bytes, at most 4,096 pixels wide or high.

    Rendered in the same kind of fenced child as `parse_file`. Raises NotFound for a page that the file does not have,
    and ParseError for a file that cannot be rendered.
    """
    from ingest.parse import fence, wire

    result = fence.run_fenced("render", path, name=path.name, limits=limits, page_number=page_number, dpi=dpi)
    return wire.decode_picture(result, name=path.name)
