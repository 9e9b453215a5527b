"""Which cell of a table some words mean, the words of its label and its column, and the scale noted for it. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from rag.text.quantities import quantities
from rag.text.tables import name_cells, split_row
from rag.text.words import POLARITY, PREPOSITIONS, STOP_WORDS, is_verb, without_plural, word_set


class Cell(NamedTuple):
    """A cell with a figure: what its row is called, the name of its column, and its text."""

    label: str
    title: str
    text: str

    @property
    def name(self) -> str:
        """What it is called: `Oslo, 2023`."""
        return ", ".join(filter(None, (self.label, self.title)))


def find_cells(said: frozenset[str], row: str, header: str, above: str) -> Iterator[Cell]:
    """The cells of a row that these words, as `told_words` reads them, may mean; `above` is what stands above the row.

    They are words of the label, of the column's name and of `above`. Those of the label, outside brackets, are all
    among them, those that tell the column from the others, and any that turn its name round (`not paid`). Text between
    the label and the cell belongs to the label.
    """
    named = name_cells(row, header) if header else [("", cell) for cell in split_row(row)]
    if named is None or len(named) < 2 or (not header and len(named) > 2):
        return
    (_, label), *cells = named
    if not (about := told_words(_outside(label))) or not about <= said:
        return
    titles = [told_words(_outside(title)) for title, _ in cells]
    common = frozenset.intersection(*titles)
    topic = _topic(above).difference(*titles)
    for words, (title, cell) in zip(titles, cells, strict=True):
        own = told_words(f"{label} {title}")
        if not figures_of(cell):
            label = f"{label} {cell}" if told_words(cell) else label
        elif bool(title) == bool(header) and (
            told_words(_outside(label)) | (words - common) | (own & POLARITY) <= said <= own | topic
        ):
            yield Cell(label, title, cell)


class Piece(NamedTuple):
    """What a text says about one of its figures: around it, and the words of that which may mean its cell.

    With `moved` a verb was left out of the words: `rose to` may be right or wrong where the figure is right. Of several
    figures `shared` are the words before the first, else None.
    """

    before: str
    figure: str
    after: str
    words: frozenset[str]
    moved: bool
    shared: frozenset[str] | None = None

    def is_bounded(self, cells: Sequence[str]) -> bool:
        """Whether a sign bounds the figure or that of one of the cells: `<10`, `±10`."""
        return any(map(_BOUNDED.search, (self.before[-2:], self.after[:2], *cells)))

    def is_negative(self, cells: Sequence[str]) -> bool:
        """Whether the figure or that of one of the cells is below zero, or a range."""
        return any(map(_NEGATIVE.search, (f"{self.before[-2:]}0", *cells)))

    def may_mean(self, cell: Cell) -> bool:
        """Whether it can be about this cell: one of several figures has no subject but the row's, and its own column.

        In `Oslo had 480 in 2022 and the group 512 in 2023` the group is another. `to 512`, which names no column, may
        mean the cell with this figure alone.
        """
        if self.shared is None:
            return True
        title = told_words(cell.title)
        is_its = figures_of(cell.text) == figures_of(self.figure) or not title.isdisjoint(self.words)
        return is_its and self.words <= self.shared | told_words(cell.label) | title


def divide(text: str, figures: Sequence[tuple[int, int]], label: str) -> Iterator[list[Piece]]:
    """The text divided among its figures, given as (start, end), in each way in which it may be meant.

    What stands between two figures is about the earlier one (`512 in 2023 and 480 in 2022`) or the later one (`in 2023
    512, in 2022 480`). Several figures are about the label of the row, which the text has as it is before the first.
    """
    starts, ends = zip(*figures, strict=True)
    several, lead = len(figures) > 1, text[: starts[0]]
    if several and not _has_run(lead, _outside(label)):
        return
    for cuts in {starts[1:], ends[:-1]}:
        bounds = (0, *cuts, len(text))
        pieces = [
            _piece(text[first:start], text[start:end], text[end:last], (start > starts[0], end < ends[-1]))
            for (start, end), first, last in zip(figures, bounds, bounds[1:], strict=False)
        ]
        about, shared = (told_words(label), told_words(lead)) if several else (frozenset(), None)
        yield [one._replace(words=one.words | about, shared=shared) for one in pieces]


def _piece(before: str, figure: str, after: str, between: tuple[bool, bool]) -> Piece:
    """The piece of these texts, of which those `between` two figures may have words that only join the figures."""
    verbs = [verb for verb in _BEFORE_TO.findall(f"{before}0{after}".lower()) if is_verb(verb)]
    sides = [
        told_words(side) - (_BETWEEN if joins else frozenset())
        for side, joins in zip((before, after), between, strict=True)
    ]
    left_out = told_words(" ".join((*verbs, "from", "to"))) if verbs else frozenset()
    return Piece(before, figure, after, frozenset().union(*sides) - left_out, bool(verbs))


def agreed(ways: Sequence[Sequence[tuple[str, bool] | None]]) -> str | None:
    """What is wrong in a text that may be meant in these `ways`, "" where nothing is, None where they do not tell.

    Each piece has what is wrong with its figure, and whether all that it says is the cell's, or None without a cell.
    """
    found = [list(filter(None, way)) for way in ways if None not in way]
    wrong = {next((why for why, _ in way if why), "") for way in found}
    is_whole = any(all(whole for _, whole in way) for way in found)
    return (wrong.pop() or ("" if is_whole else None)) if len(wrong) == 1 else None


def is_called(cell: Cell, text: str, figure: str) -> bool:
    """Whether a text about the cell with this figure says the whole name of the column, and what else the cell says.

    A text that has words of the label alone (`The rent is 500`) need not. A name with a preposition must stand there as
    it is: `from Oslo to Bergen` is not `from Bergen to Oslo`.
    """
    title = _BRACKETS.sub(lambda found: " " if _is_measure(found[0]) else found[0], cell.title)
    return (
        (told_words(title) <= told_words(f"{text} {figure}") or told_words(text) <= told_words(cell.label))
        and {word for word in told_words(cell.text) if word[0].isalpha()} <= told_words(figure)
        and all(
            PREPOSITIONS.isdisjoint(name.lower().split()) or _has_run(text, name) or _has_run(text, _outside(name))
            for name in (cell.label, title)
        )
    )


def _is_measure(brackets: str) -> bool:
    """Whether brackets have a scale, a unit or a sign alone: `(in thousands)`, `(EUR)`, `(%)`."""
    inside = brackets.strip("() ")
    return (
        bool(all_scales(inside))
        or not told_words(inside)
        or any(one.unit and one.end == len(inside) + 2 for one in quantities(f"1 {inside}"))
    )


def scale_note(cell: Cell, header: str, above: str) -> str:
    """The text that tells the scale of the cell's figure: the name of its column or, if no column has one, `above`."""
    corner, *titles = split_row(header)
    return cell.title if scales_in(" . ".join(titles)) else f"{above} . {corner}"


def scales_in(text: str) -> list[Decimal]:
    """The scales of the last note of a text, main one first: [1000] of `(in thousands)`, [] without one."""
    noted = scale_brackets(text)
    return all_scales(noted[-1]) if noted else all_scales(text)[-1:]


def scale_brackets(text: str) -> list[str]:
    """The brackets of a text that say in which scale figures are printed: `(in thousands, except per share data)`."""
    return [one for one in _IN_BRACKETS.findall(text) if all_scales(one)]


def all_scales(text: str) -> list[Decimal]:
    """Each scale in which a text says that figures are printed, in order."""
    return [_scale_of("".join(filter(None, names))) for names in _SCALE_NOTE.findall(" ".join(text.lower().split()))]


def _scale_of(name: str) -> Decimal:
    return Decimal(10**9 if name[0] == "b" or name == "mrd" else 10**6 if name[0] == "m" else 10**3)


def told_words(text: str) -> frozenset[str]:
    """All words of a text but those that only join them, without a plural s: a stem would join lower and lowest."""
    return frozenset(_told(text))


def asked_words(question: str) -> frozenset[str]:
    """What a question asks about: its `told_words` without those that only ask."""
    return told_words(question) - _ASKING


def figures_of(text: str) -> frozenset[str]:
    """The numbers in figures, without the commas in them."""
    return frozenset(found.replace(",", "") for found in re.findall(r"\d[\d,]*(?:\.\d+)?", text))


@lru_cache(maxsize=16_384)
def _told(text: str) -> tuple[str, ...]:
    text = unicodedata.normalize("NFKC", text).replace("’", "'").lower()
    spelt = _NOT.sub(" not", _POSSESSIVE.sub("", _QUARTER.sub("three months", text)))
    words = (word.replace(".", "") if word[0].isalpha() else word for word in _WORD.findall(spelt))
    return tuple(word if word in STOP_WORDS else without_plural(word) for word in words if word not in _JOINING)


@lru_cache(maxsize=4_096)
def _topic(text: str) -> frozenset[str]:
    """What a text above a table is about: `costs` of `costs by office for 2022 and 2023`, which names no single one."""
    return told_words(_SEVERAL.sub(" ", text)) - STOP_WORDS - POLARITY


def _outside(text: str) -> str:
    return _BRACKETS.sub(" ", text)


def _has_run(text: str, words: str) -> bool:
    return f" {' '.join(_told(words))} " in f" {' '.join(_told(text))} "


_WORD = re.compile(r"\d+(?:[.,]\d+)*(?![^\W_])|[^\W_]+(?:['.][^\W_]+)*")
_QUARTER = re.compile(r"\bquarter\b")
_POSSESSIVE = re.compile(r"'s\b|(?<=s)'(?!\w)")
_NOT = re.compile(r"n't\b|(?<=can)not\b")
_BRACKETS = re.compile(r"\([^()]*\)")
_JOINING = word_set("a an the of in for on during was were is are be been has had have its their")
_BETWEEN = told_words("and but from to compared with against versus while")
_BEFORE_TO = re.compile(r"\b([a-z]+) (?=(?:from|to)\b)")
_NEGATIVE = re.compile(r"[-−–(][^\w,.;]*\d|\d\W*[-−–]\W*$")
_BOUNDED = re.compile(r"[<>≤≥~≈±+]")
_ASKING = word_set("what which how much many did does there it")
_SEVERAL = re.compile(
    r"\b\w+(?:, \w+){0,8}(?:,? (?:and|or|&|to|than|with|versus|vs\.?) (?:the )?| ?[–/] ?)\w+|\b(?:by|per) \w+",
    re.IGNORECASE,
)
_MONEY = r"(?:us\s?\$|u\.s\.\sdollars|[$€£¥₹]|usd|eur|gbp|chf|jpy|inr|cad|aud|dkk|nok|sek)"
_SIZE = r"thousands?|millions?|billions?|mio|mrd|tsd|mm|mn|bn|['’]?000s?"
_NO_FIGURE = r"(?:(?<![\d.,] )|(?<=\b(?:19|20)\d\d )|(?<=\b[qh][1-4] ))(?<![\d.,])(?<![^\W\d_])"
_SCALE_NOTE = re.compile(
    rf"\bin (?:{_MONEY} ?)?(thousands|millions|billions)\b"
    rf"|{_NO_FIGURE}{_MONEY} ?({_SIZE}|[mk])(?![\w.,]*\d)(?!\w)"
    rf"|(?<![\d.,] )(?<![\d.,])(?<!\w)({_SIZE})\.? ?{_MONEY}(?!\w)(?! ?\d)"
    rf"|{_NO_FIGURE}(?<![\w&/'’])([mkt]){_MONEY}(?!\w)(?! ?\d)"
    r"|\((thousands?|millions?|billions?|['’]000s?|000s)\)"
)
"""`in thousands`, `2023 £m`, `USD million`, `k€`, `('000)`; not the million of `$5 million`. The text is in small
letters, with one space between words."""
_IN_BRACKETS = re.compile(r"\([^()]*\)")
