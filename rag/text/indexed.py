"""The text that is embedded and searched for a chunk: its own, below what tells where it stands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_NAME_CHARS, _TITLE_CHARS = 60, 80
_SEPARATORS = re.compile(r"[\s_.\-]+")


def base_context(document_name: str, title: str) -> str:
    """The document's part of the indexed text of each of its chunks: its file name, then its title.

    The name loses folder and suffix, and `_`, `-` and `.` become spaces; a title without additional words is left out.
    """
    stem = document_name.rsplit("/", 1)[-1]
    stem = stem.rsplit(".", 1)[0] if "." in stem[1:] else stem
    name = _cut(" ".join(_SEPARATORS.split(stem)), _NAME_CHARS)
    title = _cut(" ".join(title.split()), _TITLE_CHARS)
    known = set(name.lower().split())
    return name if set(_SEPARATORS.split(title.lower())) <= known else f"{name}\n{title}"


def _cut(text: str, limit: int) -> str:
    """The beginning of the text, at most `limit` characters when decomposed (NFD), as some tokenizers read it.

    A Korean syllable then has up to three letters, each a token of the default model.
    """
    end = 0
    for character in text:
        limit -= len(unicodedata.normalize("NFD", character))
        if limit < 0:
            break
        end += 1
    return text[:end].strip()


def context_text(document_name: str, title: str, headings: Sequence[str]) -> str:
    """The text in front of a chunk's own text in the indexes: name, title and the headings above it, one a line."""
    lines = base_context(document_name, title).split("\n")
    lines.extend(heading for heading in headings if heading not in lines)
    return "\n".join(line for line in lines if line)


def index_text(document_name: str, title: str, headings: Sequence[str], text: str) -> str:
    """The text that is embedded and searched for a chunk. The chunk's Span covers `text` alone."""
    return f"{context_text(document_name, title, headings)}\n{text}"
