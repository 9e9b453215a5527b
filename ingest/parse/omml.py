"""Reader of OMML, the formulas of Office files (ECMA-376, part 1, 22.1). Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ingest.parse.build import clean_text
from ingest.parse.formulas import (
    Formula,
    Row,
    Term,
    count_words,
    make_fence,
    make_fraction,
    make_root,
    make_scripts,
    make_sign,
    make_table,
    read_tree,
    split_words,
    write_row,
)

_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_OFF = ("0", "off", "false")
_DELETED = frozenset({"del", "moveFrom"})
_LETTERING = frozenset({"nor", "lit", "scr", "sty", "brk", "aln", "rPr"})


def is_formula(element: Any) -> bool:
    """Whether the element is a formula of an Office file."""
    return element.tag in (f"{_MATH}oMath", f"{_MATH}oMathPara")


def read_omml(element: Any, leaves_out: Callable[[Any], bool] = lambda _run: False) -> Formula:
    """The formula of an `oMath` element; runs that `leaves_out` is true for (hidden, struck out) are no part of it."""
    hidden = 0

    def is_out(one: Any) -> bool:
        nonlocal hidden
        if _tag(one) == "phant" and _stated(one, "phantPr", "show", "1") in _OFF:
            hidden += count_words(one)
            return True
        return _tag(one).endswith("Pr") or _tag(one) in _DELETED or (one.tag == f"{_MATH}r" and leaves_out(one))

    return Formula(write_row(read_tree(element, _read, is_out)), hidden)


def begin_formula() -> Any:
    """The element of a formula that is written part by part, as RTF has it (its `\\mnum` is the element `num`)."""
    from lxml import etree

    return etree.Element(f"{_MATH}oMath")


def begin_part(above: Any, name: str) -> Any:
    """The part of a formula with this name, inside another; how letters are drawn is no part."""
    from lxml import etree

    return above if name in _LETTERING else etree.SubElement(above, f"{_MATH}{name}")


def write_part(part: Any, text: str) -> None:
    """Write text into a run, or as the value of a property."""
    from lxml import etree

    if part.tag == f"{_MATH}r":
        etree.SubElement(part, f"{_MATH}t").text = clean_text(text)
    else:
        part.set(f"{_MATH}val", clean_text(part.get(f"{_MATH}val", "") + text).strip())


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""


def _stated(element: Any, properties: str, name: str, otherwise: str) -> str:
    """The value of a property, `otherwise` where it is not stated."""
    mark = element.find(f"{_MATH}{properties}/{_MATH}{name}")
    return otherwise if mark is None else str(mark.get(f"{_MATH}val", ""))


def _read(element: Any, parts: list[Row]) -> Row:
    """The row of an element from those of its children."""
    named = dict(zip((_tag(one) for one in element if isinstance(one.tag, str)), parts, strict=True))

    def part(name: str) -> Row:
        return named.get(name, [])

    match _tag(element):
        case "t":
            plain = element.getparent().find(f"{_MATH}rPr/{_MATH}nor") is not None
            text = (element.text or "").replace("\u2061", " ")  # the sign, not seen, after the name of a function
            return [Term(text)] if plain else split_words(text)
        case "f":
            return [make_fraction(part("num"), part("den"), has_bar=_stated(element, "fPr", "type", "bar") != "noBar")]
        case "rad":
            return [make_root(part("e"), part("deg"))]
        case "sSup" | "sSub" | "sSubSup":
            return [make_scripts(part("e"), part("sub"), part("sup"))]
        case "sPre":
            return [Term(make_scripts([], part("sub"), part("sup")).text + write_row(part("e")), "raised")]
        case "limLow":
            return [make_scripts(part("e"), part("lim"), [])]
        case "limUpp":
            return [make_scripts(part("e"), [], part("lim"))]
        case "nary":
            sign = make_sign(_stated(element, "naryPr", "chr", "∫"))
            return [make_scripts(sign, part("sub"), part("sup")), Term("", "space"), *part("e")]
        case "func":
            return [Term(write_row(part("fName")), "name"), *part("e")]
        case "acc":
            return [Term(write_row(part("e")) + _stated(element, "accPr", "chr", "\u0302"))]
        case "d":
            separator = _stated(element, "dPr", "sepChr", "|")
            shown = f"{separator} " if separator in (",", ";") else f" {separator} "
            inside = [row for one, row in zip(_children(element), parts, strict=True) if _tag(one) == "e"]
            opening, closing = _stated(element, "dPr", "begChr", "("), _stated(element, "dPr", "endChr", ")")
            return [make_fence(inside, opening, closing, shown)]
        case "mr":
            return [make_table([parts])]
        case "bar" if _stated(element, "barPr", "pos", "bot") == "top":
            return [make_scripts(part("e"), [], [Term("¯")])]
        case "m":
            return [
                make_table([[row] for one, row in zip(_children(element), parts, strict=True) if _tag(one) == "mr"])
            ]
        case "eqArr":  # in which `&` is where its lines are aligned
            lines = [row for one, row in zip(_children(element), parts, strict=True) if _tag(one) == "e"]
            return [make_table([[[term._replace(text=term.text.replace("&", "")) for term in row]] for row in lines])]
        case "oMathPara":
            return [term for row in parts for term in (*row, Term("", "space"))]
        case _:
            return parts[0] if len(parts) == 1 else [term for row in parts for term in row]


def _children(element: Any) -> list[Any]:
    return [one for one in element if isinstance(one.tag, str)]
