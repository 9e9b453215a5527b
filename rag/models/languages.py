"""The language of a text, by py3langid: a naive Bayes classifier of 139 languages, with a model in its package."""

from __future__ import annotations

import re
import threading
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

ENGLISH = "en"
NO_LANGUAGE = "zxx"  # numbers, markup, identifiers

_HARDLY = 5e-4
"""Probability of a language below which a text is in another one, chosen on technical queries and message catalogs
(evals/notebook/2026-11-languages.md). The probability of the likeliest language says less: Spanish shares it with
Galician, Catalan and Portuguese."""
_FEWEST_WORDS = 4  # for a text to say enough of its language
_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{2,}(?![^\W_])")
_loading = threading.Lock()


def likeliest_language(text: str) -> tuple[str, float]:
    """The ISO 639 code of the most likely language, NO_LANGUAGE for identifiers, and its probability, 0 to 1."""
    code, probability = _identifier().classify(text)
    return str(code), float(probability)


def is_surely_not(text: str, language: str) -> bool:
    """Whether a text of four words or more is surely in another language than the one of this ISO 639 code."""
    if sum(1 for _ in _WORD.finditer(text)) < _FEWEST_WORDS:
        return False
    probabilities: dict[str, float] = dict(_identifier().rank(text))
    return probabilities.get(language, 0.0) < _HARDLY


def _identifier() -> LanguageIdentifier:
    with _loading:
        return _load()


@cache
def _load() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
