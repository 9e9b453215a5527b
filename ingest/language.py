"""The language of a document, by its words or else as its file states it."""

from __future__ import annotations

import re
from dataclasses import replace

from rag.models.languages import NO_LANGUAGE, likeliest_language
from rag.types import Document

KEY = "language"
"""The name of the language in a document's metadata."""

_LEAST = 0.8  # probability; varieties of Chinese and Arabic share theirs
_SAMPLE, _SAMPLES = 1_500, 3  # characters from as many places, spread over the text
_TAG = re.compile(r"\s*([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]+)*\s*")


def state_language(document: Document) -> Document:
    """The document with the ISO 639 code of its language in its metadata: `en`, `de`; without, where nothing tells it.

    The words count before what the file states, which is often that of a template, and then without its region.
    """
    stated = document.metadata.get(KEY, "")
    tag = _TAG.fullmatch(stated)
    found = find_language(document.text) or (tag[1].lower() if tag else stated)
    others = {key: value for key, value in document.metadata.items() if key != KEY}
    return replace(document, metadata={**others, KEY: found} if found else others)


def find_language(text: str) -> str:
    """The ISO 639 code of the language of most of a text, "" for one without words or of too few to be sure."""
    apart = max(0, len(text) - _SAMPLE) // (_SAMPLES - 1)
    starts = dict.fromkeys(n * apart for n in range(_SAMPLES))
    sample = " ".join(text[start : start + _SAMPLE] for start in starts)
    code, probability = likeliest_language(sample)
    return code if probability >= _LEAST and code != NO_LANGUAGE else ""
