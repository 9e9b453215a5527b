"""Reader of MathML (formulas of HTML, XML and OpenDocument). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

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
    write_row,
)

_NOT_SHOWN = frozenset({"annotation", "annotation-xml", "maligngroup", "malignmark", "script", "style"})
_NO_WIDTH = re.compile(r"[+-]?(?:0+\.?0*|\.0+)\s*[a-z%]*")


def read_mathml(element: Any, leaves_out: Callable[[Any], bool] = lambda _element: False) -> Formula:
    """The formula of a `math` element; what `leaves_out` is true for is no part of it (the page hides it)."""
    hidden = 0

    def is_out(one: Any) -> bool:
        nonlocal hidden
        if _kind(one) == "mphantom":
            hidden += count_words(one)
            return True
        return _kind(one) in _NOT_SHOWN or (one is not element and leaves_out(one))

    return Formula(write_row(read_tree(element, _read, is_out)), hidden)


def _kind(element: Any) -> str:
    return re.split("[}:]", element.tag)[-1].lower()


def _words(text: str | None) -> str:
    """The words of an element, which keep spaces that do not break."""
    return re.sub(r"[ \t\r\n]+", " ", text or "").strip(" ")


def _read(element: Any, parts: list[Row]) -> Row:
    """The row of an element from those of its children."""
    match _kind(element):
        case "mo":
            return make_sign(_words(element.text))
        case "mi":
            own = _words(element.text)
            return [Term(own, "name" if len(own) > 1 and own.isalpha() else "words")]
        case "mfrac" if len(parts) == 2:
            return [make_fraction(*parts, has_bar=not _NO_WIDTH.fullmatch(element.get("linethickness") or "medium"))]
        case "msqrt":
            return [make_root(_mixed(element, parts), [])]
        case "mroot" if len(parts) == 2:
            return [make_root(*parts)]
        case "msup" | "mover" if len(parts) == 2:
            return [make_scripts(parts[0], [], parts[1])]
        case "msub" | "munder" if len(parts) == 2:
            return [make_scripts(parts[0], parts[1], [])]
        case "msubsup" | "munderover" if len(parts) == 3:
            return [make_scripts(*parts)]
        case "mmultiscripts" if parts:
            return _scripts_around(element, parts)
        case "mfenced":
            separator = (element.get("separators", ",").strip() or " ")[0]
            shown = " " if separator == " " else f"{separator} "
            return [make_fence(parts, element.get("open", "("), element.get("close", ")"), shown)]
        case "mtr" | "mlabeledtr":
            return [make_table([parts])]
        case "mtable":
            return [make_table([[part] for part in parts])]
        case "semantics":
            return next((part for part in parts if part), [])
        case "maction":  # shows one of its children
            chosen = element.get("selection") or "1"
            return parts[int(chosen) - 1] if chosen.isdigit() and 0 < int(chosen) <= len(parts) else []
        case "mspace":
            return [Term("", "space")]
        case _:
            return _mixed(element, parts)


def _mixed(element: Any, parts: list[Row]) -> Row:
    """What stands in an element side by side: its own words, its children and the words between them."""
    inside = [one for one in element if isinstance(one.tag, str)]
    texts = [element.text or "", *(child.tail or "" for child in inside)]
    if not parts:
        return [Term(_words(element.text))]
    if len(parts) == 1 and not any(text.strip() for text in texts):
        return parts[0]
    row: Row = []
    for text, part in zip(texts, [*parts, []], strict=True):
        row += [Term(text), *part] if text.strip() else part
    return row


def _scripts_around(element: Any, parts: list[Row]) -> Row:
    """A base with pairs of index and power after it, and before it those that follow `mprescripts`."""
    kinds = [_kind(one) for one in element if isinstance(one.tag, str)]
    at = kinds.index("mprescripts") if "mprescripts" in kinds else len(parts)
    before, after = parts[at + 1 :], parts[1:at]
    left = [make_scripts([], *pair) for pair in zip(before[::2], before[1::2], strict=False)]
    base = parts[0]
    for pair in zip(after[::2], after[1::2], strict=False):
        base = [make_scripts(base, *pair)]
    return [Term("".join(one.text for one in left) + write_row(base), "raised")] if left else base
