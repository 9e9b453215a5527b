"""Formulas of Office (OMML) and of OpenDocument (MathML) in one line. Pure."""

from __future__ import annotations

from typing import Any

from ingest.parse.marks import raise_text

_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"


def is_formula(element: Any) -> bool:
    """Whether the element is a formula of an Office file."""
    return element.tag in (f"{_MATH}oMath", f"{_MATH}oMathPara")


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""


def write_formula(element: Any) -> str:
    """A formula in one line: powers raised, fractions with a slash, roots and indices named by signs."""
    tag = _tag(element)

    def part(name: str) -> str:
        inner = element.find(f"{_MATH}{name}")
        return "" if inner is None else write_formula(inner).strip()

    if tag == "t":
        return element.text or ""
    if tag in ("sSup", "sSubSup"):
        return part("e") + (_index(part("sub")) if tag == "sSubSup" else "") + _power(part("sup"))
    if tag == "sSub":
        return part("e") + _index(part("sub"))
    if tag == "f":
        return f"{_grouped(part('num'))}/{_grouped(part('den'))}"
    if tag == "rad":
        return f"{part('deg')}√{_grouped(part('e'))}"
    if tag == "nary":
        sign = element.find(f"{_MATH}naryPr/{_MATH}chr")
        shown = "∫" if sign is None else sign.get(f"{_MATH}val") or "∑"
        return f"{shown}{_index(part('sub'))} {part('sup')} {part('e')}"
    if tag == "d":
        inner = ", ".join(write_formula(one).strip() for one in element.iterfind(f"{_MATH}e"))
        return f"({inner})"
    if tag == "mr":
        return ", ".join(write_formula(one).strip() for one in element) + "; "
    return "".join(write_formula(one) for one in element if isinstance(one.tag, str) and not one.tag.endswith("Pr"))


def write_mathml(element: Any) -> str:
    """A formula of MathML in one line, in the same form."""
    tag = _tag(element)
    inner = [one for one in element if _tag(one) and not _tag(one).startswith("annotation")]
    parts = [write_mathml(one).strip() for one in inner]
    if not inner:
        return element.text or ""
    if tag in ("msup", "mover") and len(parts) == 2:
        return parts[0] + _power(parts[1])
    if tag in ("msub", "munder") and len(parts) == 2:
        return parts[0] + _index(parts[1])
    if tag in ("msubsup", "munderover") and len(parts) == 3:
        return parts[0] + _index(parts[1]) + _power(parts[2])
    if tag == "mfrac" and len(parts) == 2:
        return f"{_grouped(parts[0])}/{_grouped(parts[1])}"
    if tag == "mroot" and len(parts) == 2:
        return f"{parts[1]}√{_grouped(parts[0])}"
    if tag == "msqrt":
        return f"√{_grouped(''.join(parts))}"
    if tag == "mfenced":
        return f"({', '.join(parts)})"
    return (", " if tag == "mtr" else "; " if tag == "mtable" else "").join(parts)


def _power(text: str) -> str:
    raised = raise_text(text, "1")
    return raised.strip() if raised != text and " " not in raised.strip() else f"^({text})"


def _index(text: str) -> str:
    lowered = raise_text(text, "1", lowered=True)
    return lowered if lowered != text or len(text) <= 1 else f"_({text})"


def _grouped(text: str) -> str:
    return text if text.isalnum() else f"({text})"
