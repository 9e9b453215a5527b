"""Reader of CSV and TSV: one line for each row, the first row is the header."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parse.build import TextBuilder
from ingest.parse.plain import decode_text
from ingest.parse.sniff import find_delimiter
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits


def read_csv(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the rows as one table, cells separated by ` | `."""
    if path.stat().st_size > limits.max_text_bytes * 2:
        raise ParseError(
            "too_large",
            f"{name}: it is larger than {limits.max_text_bytes >> 20} MiB of text. "
            "Split the file, or raise FOOTNOTE_PARSING__MAX_OUTPUT_MB.",
        )
    text, encoding = decode_text(path.read_bytes())
    text = text.removeprefix("\ufeff").replace("\0", "")
    delimiter = "\t" if media_type == "text/tab-separated-values" else find_delimiter(text[:65_536], stated=True)
    csv.field_size_limit(limits.max_text_bytes)
    builder = TextBuilder()
    try:
        builder.add_table(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise ParseError("corrupt", f"{name}: its rows cannot be separated ({error}). Save it again as CSV.") from error
    return builder.to_document(name=name, media_type=media_type, metadata={"encoding": encoding})
