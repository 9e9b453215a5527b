"""How faithfully files are read: words of a folder with expected texts, cells of generated tables, generated scans."""

from evals.reading.words import compare, words_of

__all__ = ["compare", "words_of"]
