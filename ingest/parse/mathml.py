"""Formulas (MathML) on one line: `(a + b)/2`, `r²`, `√(16)`, each part where it belongs. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ingest.parse.build import clean_line
from ingest.parse.marks import raise_text

_SPACED = re.compile(r"[=<>≤≥≠≈±×÷·+−∓→⇒∈∪∩]|:=")
_ONE = re.compile(r"[\w.,]+|\([^()]*\)|√\([^()]*\)", re.UNICODE)
_MOST_NESTED = 100


def write_formula(element: Any) -> str:
    """The formula of a `math` element as it is read from left to right, a fraction as `numerator/denominator`."""
    return clean_line(_write(element, 0))


def _write(element: Any, depth: int) -> str:
    """The text of an element, empty for comments, annotations and what is nested too deeply."""
    if not isinstance(element.tag, str) or depth > _MOST_NESTED:
        return ""
    kind = re.split("[}:]", element.tag)[-1].lower()
    if kind in ("annotation", "annotation-xml", "maligngroup", "malignmark"):
        return ""
    parts = [_write(one, depth + 1) for one in element if isinstance(one.tag, str)]
    own = clean_line(element.text or "")
    match kind:
        case "mo":
            return f" {own} " if _SPACED.fullmatch(own) else own + (" " if own in (",", ";") else "")
        case "mfrac" if len(parts) == 2:
            return f"{_grouped(parts[0])}/{_grouped(parts[1])}"
        case "msqrt":
            return f"√({''.join(parts).strip()})"
        case "mroot" if len(parts) == 2:
            return f"{raise_text(parts[1], '')}√({parts[0].strip()})"
        case "msup" | "mover" if len(parts) == 2:
            return parts[0] + _above(parts[1])
        case "msub" | "munder" if len(parts) == 2:
            return parts[0] + _below(parts[1])
        case "msubsup" | "munderover" if len(parts) == 3:
            return parts[0] + _below(parts[1]) + _above(parts[2])
        case "mfenced":
            inside = f"{(element.get('separators') or ',')[:1]} ".join(part.strip() for part in parts)
            return f"{element.get('open') or '('}{inside}{element.get('close') or ')'}"
        case "mtr" | "mlabeledtr":
            return ", ".join(part.strip() for part in parts)
        case "mtable":
            return "; ".join(parts)
        case "semantics":
            return next((part for part in parts if part), "")
        case "mspace":
            return " "
        case _:
            return own + _joined(parts)


def _joined(parts: Sequence[str]) -> str:
    """The parts side by side, fractions apart from what stands beside them."""
    text = ""
    for part in parts:
        apart = (text[-1:].isdigit() and re.match(r"\d+/\d", part)) or (
            re.search(r"/\S+$", text) and part[:1].isalnum()
        )
        text += f" {part}" if apart else part
    return text


def _grouped(part: str) -> str:
    words = part.strip()
    return words if _ONE.fullmatch(words) else f"({words})"


def _above(part: str) -> str:
    words = part.strip()
    raised = raise_text(words, "")
    return raised if raised != words or words in ("′", "″", "*", "¯", "→", "^", "~") else f"^{_grouped(words)}"


def _below(part: str) -> str:
    words = part.strip()
    lowered = raise_text(words, "", lowered=True)
    return lowered if lowered != words else f"_{_grouped(words)}"
