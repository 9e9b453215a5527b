"""From an untrusted file to a Document, in a child process with limits, so that a bad file causes only a ParseError.

Read in this order: this module (the public functions), `fence.py` (the process and its limits), `child.py` (what runs
inside), `confine.py` (what the kernel keeps from it), `wire.py` (how the result is returned), `sniff.py` and
`readers.py` (the media type and its reader), `build.py` (clean text and its places), then one module for each family of
formats. PDF: `pdf.py`, `lines.py`, `tables.py`, `layout.py`. Office: `container.py`, `flat.py`, `office.py`, `word.py`,
`slides.py`, `sheets.py`, `opendocument.py`, `rtf.py`, and for the old ones `compound.py`, `legacy.py`. Words of
pictures: `ocr.py`, `pictures.py`, and for those inside documents `embedded.py`. Files that hold files: `mail.py`,
`outlook.py`, `tnef.py`, `archive.py`, all by `members.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.parse.members import Keep
    from rag.settings import Parsing
    from rag.types import Document

__all__ = ["end_readers", "parse_file", "render_page"]


def parse_file(path: Path, *, document_id: str, name: str, limits: Parsing, keep: Keep | None = None) -> Document:
    """Parse the file into a Document named `name`; the media type is detected from the content.

    With `keep` the files inside (attachments, members of an archive) are taken out: it stores the bytes of each, and
    the document names them (`inside`). Otherwise they are left alone.

    The caller's process never opens the file: a new child process does, within `limits` of memory, time and output, in
    a temporary folder that is removed afterwards. Safe to call from several threads. Raises ParseError, whose `code`
    gives the kind of failure and whose message names the file, the problem and the next step.
    """
    from ingest.parse import fence, wire
    from ingest.parse.members import take_inside

    unpack = {"unpack": int(keep is not None)}
    with fence.fenced("parse", path, name=name, limits=limits, details=unpack) as done:
        document, inside = wire.decode_document(done.result, document_id=document_id, name=name)
        return document if keep is None else replace(document, inside=take_inside(inside, done.folder, keep))


def render_page(path: Path, page_number: int, limits: Parsing, dpi: int = 110) -> bytes:
    """Render one page of a PDF (`page_number` is 1-based) as PNG bytes, at most 4,096 pixels wide or high.

    Runs in the same kind of child process as `parse_file`. Raises NotFound for a page that the file does not have, and
    ParseError for a file that cannot be rendered.
    """
    from ingest.parse import fence, wire

    result = fence.run_fenced(
        "render", path, name=path.name, limits=limits, details={"page_number": page_number, "dpi": dpi}
    )
    return wire.decode_picture(result, name=path.name)


def end_readers() -> None:
    """End every child process that reads files for this process, also those in use: `parse_file` and `render_page` in
    other threads raise DependencyError. The next call starts new ones. Where a system cannot fork, children in use end
    by their timeout.
    """
    from ingest.parse import fence

    fence.LAUNCHERS.end()
