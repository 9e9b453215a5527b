"""What the styles of a page add to its words: `::before`, `::after`, `::marker`, and the counters that number them.

page ─ Cascade ─> declarations ─ add_generated ─> a span for each, with the styles that draw it

As the spans are elements with styles of their own, what hides words hides these too (CSS Generated Content, CSS Lists).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container
from typing import Any

from ingest.parse.numbering import CSS_NUMBERS, spell
from ingest.parse.unseen import Cascade

_MOST_CHARACTERS = 5_000_000  # of what is written, and of declarations, once for each element: a few seconds
_MOST_LEVELS = 100  # of a counter, that `counters()` writes
_NOT_ENTERED = frozenset({
    *("head", "style", "script", "template", "noscript", "select", "textarea", "svg", "math", "iframe", "object"),
    *("img", "input", "br", "hr", "wbr", "colgroup", "video", "audio", "canvas"),
})  # fmt: skip
_NO_PLACE = frozenset({"html", "table", "thead", "tbody", "tfoot", "tr"})
_STRING = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_CONTENT = re.compile(
    rf"(?P<string>{_STRING})|(?P<function>counters?|attr)\((?P<stated>(?:{_STRING}|[^()\"'])*)\)|(?P<quote>open-quote|"
    r"close-quote)|(?P<spoken>/)|[\w-]+\([^)]*\)|[^\s\"'/]+",
    re.DOTALL,
)
_ARGUMENT = re.compile(rf"\s*({_STRING}|[^,\"']+)\s*(?:,|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(\n)|(.))", re.DOTALL)
_COUNT = re.compile(r"([a-z_-][\w-]*)(?:\s+(-?\d{1,9}))?(?=\s|\Z)")
_OF_ICONS = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")
_OF_QUOTES = {"before": "open-quote", "after": "close-quote"}  # by a browser's own style sheet
_BULLETS = {"disc": "•", "circle": "◦", "square": "▪", "none": ""}
_SET_APART = ("float", "margin-left", "margin-right", "margin", "padding", "padding-left", "padding-right", "width")


def add_generated(root: Any, cascade: Cascade, panels: Container[Any] = ()) -> frozenset[Any]:
    """Put what styles draw before and after the words of elements into the page; returns spans in place of their marks.

    Elements of no display are not counted, unless they are panels that a reader opens. What takes too long is left out,
    and the cascade is `incomplete`.
    """
    from lxml import etree

    if not cascade.draws and root.find(".//q") is None:
        return frozenset()
    counters = _Counters()
    found: list[tuple[Any, str, str, dict[str, str]]] = []
    walk = etree.iterwalk(root, events=("start", "end"))
    left = _MOST_CHARACTERS
    skipped = None
    for event, element in walk:
        if not isinstance(element.tag, str):
            continue
        if element is skipped:
            continue
        if event == "start":
            rules = cascade.rules(element)
            put_away = rules.get("display") == "none" or (element.get("hidden") is not None and "display" not in rules)
            if element.tag in _NOT_ENTERED or (put_away and element not in panels):
                walk.skip_subtree()
                skipped = element
                continue
            left -= _length(rules)
            if left < 0:
                break
            counters.count(element, rules, element.getparent())
        for part in ("marker", "before") if event == "start" else ("after",):
            drawn = {} if element.tag in _NO_PLACE else cascade.drawn(element, part)
            if element.tag == "q" and part in _OF_QUOTES:
                drawn = {"content": _OF_QUOTES[part]} | drawn
            if not drawn or drawn.get("display") == "none" or (part == "marker" and element.tag != "li"):
                continue
            left -= _length(drawn)
            if left < 0:
                break
            counters.count(None, drawn, element)
            text = _write(drawn.get("content", "none"), element, counters, cascade.rules(element).get("quotes", "auto"))
            left -= len(text)
            if text and left >= 0:
                found.append((element, part, text, drawn))
        if event == "end":
            counters.leave(element)
    cascade.incomplete = cascade.incomplete or left < 0
    numbers = set()
    for element, part, text, drawn in reversed(found):
        span = _put(element, part, text, drawn, cascade)
        if part == "marker":
            cascade.state(element, cascade.rules(element) | {"list-style-type": "none"})
        if part == "marker" or (part == "before" and "counter" in drawn["content"]):
            numbers.add(span)
    return frozenset(numbers)


def _put(element: Any, part: str, text: str, drawn: dict[str, str], cascade: Cascade) -> Any:
    """Put the text into the element as a span with its own styles, with a space where it stands apart."""
    from lxml import etree

    span = etree.Element("span")
    cascade.state(span, drawn)
    placed = drawn.get("position") in ("absolute", "fixed") or drawn.get("display", "inline") != "inline"
    apart = placed or "counter" in drawn["content"] or any(name in drawn for name in _SET_APART)
    span.text = f" {text}" if apart and part == "after" else text
    if part == "after":
        element.append(span)
    else:
        span.tail = f" {element.text or ''}" if apart else element.text
        element.text = None
        element.insert(0, span)
    return span


class _Counters:
    """The counters of a page at a place in it, each with its values by nesting (CSS Lists, 4)."""

    def __init__(self) -> None:
        self._values: dict[str, list[int]] = defaultdict(list)
        self._made: dict[Any, set[str]] = {}  # inside an element

    def count(self, element: Any, rules: dict[str, str], above: Any) -> None:
        """Reset and count as an element says, or what is drawn in the element `above`."""
        resets, steps = _counts(rules, "counter-reset", 0), _counts(rules, "counter-increment", 1)
        if element is not None and element.tag in ("ol", "ul", "menu"):
            start = element.get("start") or ""
            resets = [("list-item", int(start) - 1 if re.fullmatch(r"-?\d{1,9}", start) else 0), *resets]
        elif element is not None and element.tag == "li" and "list-item" not in dict(steps):
            value = element.get("value") or ""
            steps = [("list-item", 1), *steps]
            if re.fullmatch(r"-?\d{1,9}", value):
                self._set("list-item", int(value) - 1, above)
        for name, value in resets:
            made = self._made.setdefault(above, set())
            if name in made:
                self._values[name][-1] = value
            else:
                made.add(name)
                self._values[name].append(value)
        for name, step in steps:
            self._set(name, self.values(name)[-1] + step, above)
        for name, value in _counts(rules, "counter-set", 0):
            self._set(name, value, above)

    def _set(self, name: str, value: int, above: Any) -> None:
        if not self._values[name]:
            self._values[name].append(0)
            self._made.setdefault(above, set()).add(name)
        self._values[name][-1] = value

    def values(self, name: str) -> list[int]:
        """The values of a counter, from the outermost one to that in use; 0 where it was never set."""
        return self._values[name][-_MOST_LEVELS:] or [0]

    def leave(self, element: Any) -> None:
        """End the counters that were made by the children of an element, or by what is drawn in it."""
        for name in self._made.pop(element, ()):
            self._values[name].pop()


def _length(rules: dict[str, str]) -> int:
    return sum(len(rules.get(name, "")) for name in ("content", "counter-reset", "counter-increment", "counter-set"))


def _counts(rules: dict[str, str], name: str, usual: int) -> list[tuple[str, int]]:
    stated = rules.get(name, "none")
    if stated in ("none", "inherit", "initial", "unset"):
        return []
    return [(found[1], int(found[2] or usual)) for found in _COUNT.finditer(stated)]


def _quotation_mark(element: Any, kind: str, quotes: str) -> str:
    """The mark before or after a quotation, by how deeply it is nested in others, as `quotes` states it."""
    if quotes == "none":
        return ""
    stated = [_unquote(one) for one in re.findall(_STRING, quotes)]
    marks = stated if len(stated) > 1 else ["“", "”", "‘", "’"]
    depth = min(sum(1 for _ in element.iterancestors("q")), len(marks) // 2 - 1)
    return marks[2 * depth + (kind == "close-quote")]


def _write(content: str, element: Any, counters: _Counters, quotes: str) -> str:
    """The text of a `content`, without pictures and letters of icon fonts; none where it has what is not known here."""
    if content in ("none", "normal", "inherit") or "var(" in content:
        return ""
    text = ""
    for found in _CONTENT.finditer(content):
        stated = [one[1].strip() for one in _ARGUMENT.finditer(found["stated"] or "")]
        if found["spoken"]:  # what follows is read out in its place
            break
        if found["string"]:
            text += _unquote(found["string"])
        elif found["quote"]:
            text += _quotation_mark(element, found["quote"], quotes)
        elif found["function"] == "attr" and stated:
            fallback = _unquote(stated[1]) if len(stated) > 1 else ""
            text += str(element.get(stated[0].split()[0]) or fallback)
        elif found["function"] == "counter" and stated:
            text += _spell(counters.values(stated[0])[-1], stated[1:])
        elif found["function"] == "counters" and len(stated) > 1:
            text += _unquote(stated[1]).join(_spell(value, stated[2:]) for value in counters.values(stated[0]))
    text = _OF_ICONS.sub("", text)
    return text if text.strip() else ""


def _spell(value: int, style: list[str]) -> str:
    kind = style[0] if style else "decimal"
    return _BULLETS[kind] if kind in _BULLETS else spell(value, CSS_NUMBERS.get(kind, "decimal"))


def _unquote(string: str) -> str:
    """The characters of a string, its escapes resolved."""

    def resolve(found: re.Match[str]) -> str:
        code = int(found[1], 16) if found[1] else 0
        valid = 0 < code < 0x110000 and not 0xD800 <= code < 0xE000
        return (chr(code) if valid else "\ufffd") if found[1] else found[3] or ""

    return _ESCAPE.sub(resolve, string[1:-1]) if string[:1] in ("'", '"') else ""
