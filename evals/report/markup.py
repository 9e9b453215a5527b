"""HTML and SVG as a tree of elements; every text and attribute is escaped when it is written."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

Content = Element | str | None
Attribute = str | float | None


def element(tag: str, *content: Content | Iterable[Content], **attributes: Attribute) -> Element:
    """An element. `class_` is the attribute `class`, `text_anchor` is `text-anchor`; None omits an attribute."""
    made = Element(
        tag, {name.rstrip("_").replace("_", "-"): _written(value) for name, value in attributes.items()
              if value is not None}
    )  # fmt: skip
    for part in content:
        for node in (part,) if part is None or isinstance(part, str | Element) else part:
            _append(made, node)
    return made


def _append(parent: Element, node: Content) -> None:
    if isinstance(node, Element):
        parent.append(node)
    elif node and len(parent):
        parent[-1].tail = (parent[-1].tail or "") + node
    elif node:
        parent.text = (parent.text or "") + node


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.5g}" if isinstance(value, float) else str(value)


def write_elements(elements: Iterable[Element]) -> str:
    """The elements as HTML."""
    return "\n".join(tostring(made, encoding="unicode", method="html") for made in elements)


def format_share(value: float) -> str:
    return f"{value:.3f}"


def format_count(value: float) -> str:
    return f"{value:,.0f}"


def format_ms(value_ms: float) -> str:
    """A time for readers: `0.4 ms`, `84 ms`, `1.84 s`, `2 min 5 s`."""
    if value_ms < 999.5:
        return f"{value_ms:.1f} ms" if value_ms < 9.95 else f"{value_ms:.0f} ms"
    seconds = value_ms / 1000
    if seconds < 99.5:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
