"""Formulas on one line: `(a + b)/2`, `1 1/2`, `10⁻⁴`, `5·³√(8)`, `|x|`, `(5 choose 2)`. Pure.

MathML ─ mathml.read_mathml ─┬─> Terms ─ write_row ─> Formula.text
OMML ───── omml.read_omml ───┘

Both readers give a row of Terms for each element, and only this module decides how a Term is written and what stands
between two of them, so that a formula reads the same from a page, a text document and a slide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from ingest.parse.build import clean_line
from ingest.parse.marks import small_characters

_SIGN = re.compile(r"(:=|(?<!\d[eE])[+−\-]|[=<>≤≥≠≈≡≪≫∝±∓×÷·⋅∗→⇒⇔∈∉∪∩])")  # the minus of 1E-3 is none
_OF_ONE = frozenset("+-−±∓")  # signs that also stand before a single number
_OPENING, _CLOSING, _BARS = frozenset("([{⟨⌊⌈"), frozenset(")]}⟩⌋⌉|‖,;/:!%°"), frozenset("|‖")
_LARGE = frozenset("∑∏∐∫∬∭∮⋃⋂⨁⨂")
_ATTACHED = {"′", "″", "‴", "*", "∗", "†", "¯", "→", "^", "~", "ˆ", "˜", "˙", "∘", "°"}
_PRODUCT = re.compile(r"[\w.,]+|[^\W\d]?\([^()]*\)|[⁰¹²³⁴-⁹]*√\([^()]*\)")
_FACTOR = re.compile(r"\d[\d.,]*[⁰¹²³⁴-⁹⁻]*|[^\W\d]+[⁰¹²³⁴-⁹⁻₀-₉]*|\([^()]*\)|[⁰¹²³⁴-⁹]*√\([^()]*\)")


class Formula(NamedTuple):
    """A formula on one line, and how many of its characters are phantoms: they take room and are not seen."""

    text: str
    hidden: int = 0


class Term(NamedTuple):
    """A part of a formula that is written as a whole; its kind decides what stands between it and its neighbours.

    `large` is a sign such as ∑ with its limits, `raised` begins with raised characters, `marked` ends with a power or
    an index behind `^` or `_`; `times` and `space` are written only where they part two Terms.
    """

    text: str
    kind: Literal[
        "words", "name", "sign", "unary", "open", "comma", "fraction", "factor", "raised", "marked", "large", "times",
        "space",
    ] = "words"  # fmt: skip


Row = list[Term]


def read_tree(element: Any, read: Callable[[Any, list[Row]], Row], leaves_out: Callable[[Any], bool]) -> Row:
    """The row of an element, at any depth of nesting: `read` gets each element and the rows of its children, in order.

    What `leaves_out` is true for is an empty row, and nothing in it is read.
    """
    from lxml import etree

    rows: list[list[Row]] = [[]]
    left_out = None
    walk = etree.iterwalk(element, events=("start", "end"))
    for event, one in walk:
        if not isinstance(one.tag, str):
            continue
        if event == "start":
            rows.append([])
            if leaves_out(one):
                left_out = one
                walk.skip_subtree()
            continue
        inner = rows.pop()
        rows[-1].append([] if one is left_out else read(one, inner))
    return rows[0][0]


def count_words(element: Any) -> int:
    """The number of characters of the words in an element."""
    return len(clean_line("".join(element.itertext())))


def split_words(text: str) -> Row:
    """Words that are written as one (`x+1`), with their signs apart."""
    return [Term(piece, "sign" if _SIGN.fullmatch(piece) else "words") for piece in _SIGN.split(text) if piece]


def make_sign(text: str) -> Row:
    """The Term of an operator."""
    if _SIGN.fullmatch(text):
        return [Term(text, "sign")]
    if text in _LARGE:
        return [Term(text, "large")]
    if text in (",", ";"):
        return [Term(text, "comma")]
    if text == "\u2062":  # invisible times
        return [Term("", "times")]
    if not text.strip("\u2061\u2063\u2064"):  # applied to, a separator and a plus that are not seen
        return []
    return [Term(text, "name" if len(text) > 1 and text.isalpha() else "words")]


def make_fraction(above: Row, below: Row, *, has_bar: bool = True) -> Term:
    """A fraction; without a bar the two are stacked as in a binomial coefficient."""
    top, bottom = write_row(above), write_row(below)
    if not has_bar:
        return Term(f"{top} choose {bottom}")
    if not (top or bottom):
        return Term("")
    top = top if _PRODUCT.fullmatch(top) else f"({top})"
    one = _FACTOR.fullmatch(bottom) and (len(below) == 1 or bottom.isdigit())
    return Term(f"{top}/{bottom if one else f'({bottom})'}", "fraction")


def make_root(inside: Row, degree: Row) -> Term:
    """A root; its degree is raised before it."""
    raised = _above(write_row(degree))
    return Term(f"{raised}√({write_row(inside)})", "raised" if raised else "words")


def make_scripts(base: Row, below: Row, above: Row) -> Term:
    """A base with its index and power, its limits or its accent."""
    text = write_row(base)
    kind = base[0].kind if len(base) == 1 else "words"
    if kind == "fraction":
        text = f"({text})"
    marks = _below(write_row(below)) + _above(write_row(above))
    if kind not in ("large", "name"):
        kind = "marked" if re.search(r"[\^_][^()]+$", marks) else "words"
    return Term(text + marks, "raised" if not text and marks else kind)


def make_fence(parts: Sequence[Row], opening: str, closing: str, separator: str) -> Term:
    """Parts in brackets or bars."""
    return Term(f"{opening}{separator.join(map(write_row, parts))}{closing}", "factor")


def make_table(rows: Sequence[Sequence[Row]]) -> Term:
    """A matrix, or the lines of an array."""
    return Term("; ".join(", ".join(map(write_row, row)) for row in rows))


def write_row(row: Row) -> str:
    """The Terms of a row from left to right."""
    pieces: list[str] = []
    bars: set[str] = set()
    before, gap = Term("", "open"), ""
    for one in row:
        if not one.text:
            gap = {"times": "·", "space": " "}.get(one.kind, gap)
            continue
        term = one
        if one.text in _BARS and one.kind == "words":
            term = one if one.text in bars else Term(one.text, "open")
            bars ^= {one.text}
        elif one.text[-1] in _OPENING:
            term = Term(one.text, "open")
        elif one.text in _OF_ONE and (
            before.kind in ("open", "sign", "comma") or before.text.rstrip()[-1:] in {",", ";"}
        ):
            term = Term(one.text, "unary")
        if before.kind == "fraction" and _multiplies(term):
            before = Term(f"({before.text})", "factor")
            pieces[-1] = before.text
        pieces += [_between(before, term, gap), term.text]
        before, gap = term, ""
    return clean_line("".join(pieces))


def _multiplies(term: Term) -> bool:
    """Whether a fraction before the Term has to stand in brackets, to be no part of what follows."""
    return (
        term.kind in ("fraction", "factor", "raised", "open") or term.text[0].isdigit() or term.text[0] in "√·⋅×∗/÷:(!"
    )


def _between(before: Term, term: Term, gap: str) -> str:
    """What parts two Terms: a space, a product that is meant but not written, or nothing."""
    if "sign" in (before.kind, term.kind) or before.kind in ("comma", "large"):
        return " "
    if (
        before.kind in ("open", "unary")
        or term.text[0] in _CLOSING - _BARS
        or (term.kind, term.text[0]) == ("words", "|")
    ):
        return ""
    ends, starts = before.text[-1], term.text[0]
    words = ends.isalnum() and starts.isalnum()
    if term.kind == "raised" or (before.kind == "factor" and _multiplies(term) and "/" in before.text):
        return "·"
    if ends in ")]|" and starts.isdigit() and term.kind != "fraction":
        return "·"
    if "fraction" in (before.kind, term.kind):
        return "·" if gap == "·" and ends.isdigit() else " "
    if words and gap == "·" and ends.isdigit() and starts.isdigit():
        return "·"
    if term.kind == "large" or gap == " " or (before.kind == "name" and starts == "√"):
        return " "
    apart = (before.kind == "name" and starts.isalnum()) or (words and (before.kind == "marked" or term.kind == "name"))
    return " " if apart else ""


def _above(text: str) -> str:
    if text in _ATTACHED or not text:
        return "°" if text == "∘" else text
    return small_characters(text.replace(" ", "")) or f"^{_bracketed(text)}"


def _below(text: str) -> str:
    return text and (small_characters(text.replace(" ", ""), lowered=True) or f"_{_bracketed(text)}")


def _bracketed(text: str) -> str:
    return text if text.isalnum() else f"({text})"
