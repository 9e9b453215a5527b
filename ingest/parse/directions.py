"""Right-to-left letters in reading order, whatever the order in which a file stores them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LAM, _ALEFS = "\u0644", "\u0622\u0623\u0625\u0627\u0671"
_FROM_THE_LEFT = ("L", "EN", "AN")


def runs_left(text: str) -> bool:
    """Whether the text has letters of a script that runs from right to left."""
    return not text.isascii() and _RIGHT_TO_LEFT.search(text) is not None


def read_from_right(characters: Sequence[tuple[str, float]]) -> str:
    """The characters of a word, each with its left edge on the page, as they are read.

    The rightmost is read first; numbers and Latin letters among them run from the left. A mark above or below a letter
    follows it.
    """
    order = list(characters)
    if order and order[0][1] < order[-1][1]:
        order.reverse()
    clusters: list[list[tuple[str, float]]] = []
    loose: list[tuple[str, float]] = []
    for character, x in order:
        if not unicodedata.combining(character):
            clusters.append([(character, x)])
        else:
            loose.append((character, x))
    for character, x in loose:
        if not clusters:
            return "".join(each for each, _x in order)
        # A mark stands over its letter, whose left edge is the nearest one at or before the mark's.
        min(clusters, key=lambda cluster: abs(cluster[0][1] - x) + (2.0 if cluster[0][1] > x + 1 else 0.0)).append(
            (character, x)
        )
    clusters.sort(key=lambda cluster: -cluster[0][1])
    for at in range(len(clusters) - 1):  # lam and alef share a glyph, whose letters pdfium may have turned round
        first, second = clusters[at], clusters[at + 1]
        if first[0][0] in _ALEFS and second[0][0] == _LAM and abs(first[0][1] - second[0][1]) < 0.01:
            clusters[at], clusters[at + 1] = second, first
    read: list[str] = []
    run: list[str] = []
    waiting: list[str] = []  # signs that belong to a number only where it goes on after them
    for cluster in clusters:
        text = "".join(character for character, _x in cluster)
        kind = unicodedata.bidirectional(text[0])
        if kind in _FROM_THE_LEFT:
            run += [*waiting, text]
            waiting = []
        elif run and kind in ("CS", "ES", "ET"):
            waiting.append(text)
        else:
            read += [*reversed(run), *waiting, text]
            run, waiting = [], []
    return "".join([*read, *reversed(run), *waiting])
