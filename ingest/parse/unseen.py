"""Which elements of a page of HTML a reader sees: the page's own style sheets, inline styles, attributes and panels.

elements, style sheets ─ Cascade.rules ─> declarations ─ Cascade.hides ─> whether the element is hidden

Selectors of names, ids, classes and attributes are matched, with descendants and children; media queries are those of a
wide screen. Style sheets of other files and scripts are not evaluated.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from ingest.parse.build import clean_line

_LENGTH = re.compile(r"(-?(?:\d+(?:\.\d*)?|\.\d+))\s*(px|pt|em|rem|ex|ch|vw|vh|%|cm|mm|in)?")
_LEAST_SIZE = {"px": 2.0, "pt": 1.5, "em": 0.1, "rem": 0.1, "%": 10.0}
_NO_LENGTH = {"px": 2.0, "pt": 1.5, "em": 0.1, "rem": 0.1, "%": 0.5, "vw": 0.2, "vh": 0.2}
_OFF_SCREEN = {"px": -500.0, "pt": -500.0, "em": -50.0, "rem": -50.0, "%": -100.0, "vw": -100.0, "vh": -100.0}
_NO_CLIP = re.compile(
    r"rect\(\s*[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?\s*\)|inset\(\s*(?:50|100)%"
)
_HEX = re.compile(r"#([0-9a-f]{3,8})")
_RGB = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+)(%?))?\s*\)")
_COLOURS = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
}
_SAME_COLOUR = 8  # of 255: text that differs from its background by at most this in each channel is invisible
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_MOST_RULES = 20_000
_SIMPLE = re.compile(
    r"(?P<tag>[a-z][\w-]*|\*)|\#(?P<id>(?:\\.|[\w-])+)|\.(?P<class>(?:\\.|[\w-])+)"
    r"|\[\s*(?P<name>[\w:-]+)\s*(?:(?P<sign>[~|^$*]?=)\s*[\"']?(?P<value>[^\"'\]]*)[\"']?\s*)?\]|:(?P<pseudo>:?[\w-]+(?:\([^)]*\))?)",
    re.IGNORECASE,
)
_BY_THE_READER = frozenset({"checked", "target", "hover", "focus", "focus-within", "active"})
_ALWAYS = frozenset({"root", "link", "any-link", "enabled"})
_SCREEN_WIDTH = 1280.0  # px
_HEADINGS = frozenset(f"h{level}" for level in range(1, 7))


class _Part(NamedTuple):
    """One compound of a selector (`p.note[hidden]`); `child` says that it is a child of the part before."""

    tests: tuple[tuple[str, str, str], ...]
    child: bool
    without: tuple[_Part, ...] = ()  # of `:not(…)`

    def matches(self, element: Any) -> bool:
        for kind, name, value in self.tests:
            if kind == "tag":
                if name not in ("*", element.tag):
                    return False
            elif kind == "class":
                if name not in (element.get("class") or "").lower().split():
                    return False
            elif kind == "place":
                if (element.getprevious() if name == "first-child" else element.getnext()) is not None:
                    return False
            elif kind == "id":
                if (element.get("id") or "").lower() != name:
                    return False
            else:
                stated = element.get(name)
                if stated is None or not _compare(kind, stated, value):
                    return False
        return not any(part.matches(element) for part in self.without)


def _compare(sign: str, stated: str, value: str) -> bool:
    match sign:
        case "=":
            return stated == value
        case "~=":
            return value in stated.split()
        case "^=":
            return stated.startswith(value)
        case "$=":
            return stated.endswith(value)
        case "*=":
            return value in stated
        case "|=":
            return stated == value or stated.startswith(value + "-")
        case _:
            return True


class _Rule(NamedTuple):
    """A selector with its declarations; `by_reader`: it holds while a reader points at, ticks or targets something."""

    parts: tuple[_Part, ...]
    weight: tuple[int, int, int, int]
    declared: dict[str, str]
    by_reader: bool

    def matches(self, element: Any) -> bool:
        return self.parts[-1].matches(element) and _match_above(self.parts, element)


def _key_of(rule: _Rule) -> str:
    """What an element must have that the rule is for: an id or a class, one around it, or the name of its tag."""
    for part, where in zip(rule.parts[:-3:-1], ("", "below "), strict=False):
        named = next((f"{kind} {name}" for kind, name, _ in part.tests if kind in ("id", "class")), "")
        if named:
            return where + named
    kind, name, _value = rule.parts[-1].tests[0]
    return f"tag {name}" if kind == "tag" else "tag *"


def _names_of(element: Any) -> list[str]:
    """The id and the classes of an element, as keys of rules."""
    own = (element.get("id") or "").lower()
    names = [f"class {name}" for name in set((element.get("class") or "").lower().split())]
    return [*names, f"id {own}"] if own else names


def _match_above(parts: tuple[_Part, ...], element: Any) -> bool:
    if len(parts) == 1:
        return True
    above, child = element.getparent(), parts[-1].child
    while above is not None:
        if parts[-2].matches(above) and _match_above(parts[:-1], above):
            return True
        if child:
            return False
        above = above.getparent()
    return False


class Cascade:
    """The declarations of each element of a page, and what they hide."""

    def __init__(self, root: Any, *, runs_scripts: bool = False) -> None:
        self._revealing = runs_scripts and bool(root.xpath("boolean(//script)"))
        self._by_key: dict[str, list[_Rule]] = defaultdict(list)
        self._known: dict[Any, dict[str, str]] = {}
        self._above: dict[Any, frozenset[str]] = {}
        self._rules = 0
        self._by_reader = False
        self.has_sheets = False
        self.reveals = False  # whether a style sheet has what shows words of opacity 0
        for sheet in root.iter("style"):
            self.has_sheets = True
            if _is_on_screen(sheet.get("media") or ""):
                self._add_sheet("".join(sheet.itertext()))
        self._linked = bool(root.xpath("boolean(//link[contains(@rel, 'stylesheet')])"))

    def _add_sheet(self, text: str) -> None:
        for selectors, body in _read_blocks(_COMMENT.sub(" ", text).lower()):
            declared = read_declarations(body)
            shown = "animation" in declared or ("opacity" in declared and not _is_faded(declared))
            self.reveals = self.reveals or shown
            for selector in selectors.split(",") if _THAT_HIDE & declared.keys() else ():
                rule = _read_selector(selector.strip(), declared, self._rules)
                if rule is not None and self._rules < _MOST_RULES:
                    self._rules += 1
                    self._by_reader = self._by_reader or rule.by_reader
                    self._by_key[_key_of(rule)].append(rule)

    def _is_revealed(self, element: Any, rules: dict[str, str]) -> bool:
        """Whether a script shows what a style sheet fades out: by a class that the style sheet has a rule for."""
        if not self._revealing or "opacity" in (element.get("style") or "").lower():
            return False
        names = (element.get("class") or "").lower().split()
        shown = (rule.declared for name in names for rule in self._by_key.get(f"class {name}", ()))
        return "animation" in rules or any("opacity" in one and not _is_faded(one) for one in shown)

    def _matching(self, element: Any) -> Iterator[_Rule]:
        if not self._by_key:
            return
        keys = [f"tag {element.tag}", "tag *", *_names_of(element)]
        for key in (*keys, *(f"below {name}" for name in self._names_above(element.getparent()))):
            for rule in self._by_key.get(key, ()):
                if rule.matches(element):
                    yield rule

    def _names_above(self, element: Any) -> frozenset[str]:
        """The ids and classes of an element and all around it."""
        path = []
        while element is not None and element not in self._above:
            path.append(element)
            element = element.getparent()
        known = self._above[element] if element is not None else frozenset()
        for one in reversed(path):
            own = frozenset(_names_of(one))
            known = known if own <= known else known | own
            self._above[one] = known
        return known

    def rules(self, element: Any) -> dict[str, str]:
        """The declarations that hold for the element, in lower case."""
        if not self._by_key and not element.get("style"):
            return {}
        known = self._known.get(element)
        if known is None:
            known = {}
            urgent: dict[str, str] = {}
            for rule in sorted(self._matching(element), key=lambda rule: rule.weight):
                if not rule.by_reader:
                    for name, value in rule.declared.items():
                        (urgent if "!important" in value else known)[name] = _bare(value)
            inline = read_declarations((element.get("style") or "").lower())
            known.update({name: _bare(value) for name, value in inline.items()})
            known.update({name: value for name, value in urgent.items() if "!important" not in inline.get(name, "")})
            self._known[element] = known
        return known

    def opens(self, element: Any) -> bool:
        """Whether a reader shows the element by ticking, pointing or following a link, without a script."""
        return self._by_reader and any(
            rule.by_reader and rule.declared.get("display", rule.declared.get("visibility", "none")) not in _NOT_SHOWN
            for rule in self._matching(element)
        )

    def hides(self, element: Any, *, keep_faded: bool, opened: bool = False) -> bool:
        """Whether the page hides the element; `opened` says that a control shows what is only put away."""
        if not opened and (
            element.get("hidden") is not None
            or element.get("popover") is not None
            or (element.tag == "dialog" and element.get("open") is None)
        ):
            return True
        rules = self.rules(element)
        colour = rules.get("color") or (element.get("color") if element.tag == "font" else "")
        if not rules and not colour:
            return False
        if not keep_faded and _is_faded(rules) and not self._is_revealed(element, rules):
            return True
        if opened and rules.get("display") == "none":
            rules = {key: value for key, value in rules.items() if key != "display"}
        return _is_away(rules) or self._is_too_small(element, rules) or self._is_unseen(element, colour or "")

    def shows(self, element: Any) -> bool:
        """Whether neither the element nor one around it is hidden."""
        while element is not None:
            if self.hides(element, keep_faded=True):
                return False
            element = element.getparent()
        return True

    def _inside(self, element: Any, name: str) -> bool:
        """Whether an element inside has a declaration of such a name."""
        found = (one for one in element.iterdescendants() if isinstance(one.tag, str))
        return any(name in key for one in found for key in self.rules(one))

    def _is_too_small(self, element: Any, rules: dict[str, str]) -> bool:
        """Whether the font size is about 0, unless an element inside sets its own, as layouts of e-mail do."""
        return _is_less(rules.get("font-size", ""), _LEAST_SIZE) and not self._inside(element, "font")

    def _is_unseen(self, element: Any, colour: str) -> bool:
        """Whether the text has the colour of its background, as far as the page's own styles tell."""
        if not colour or element.xpath("boolean(.//a | .//font)") or self._inside(element, "color"):
            return False
        ink = _colour(colour)
        if colour == "transparent" or (ink and ink[3] < 0.05):
            return True
        paper = self._paper(element)
        if ink is None or paper is None or paper[3] < 1:
            return False
        return all(abs(one - other) <= _SAME_COLOUR for one, other in zip(ink[:3], paper[:3], strict=True))

    def _paper(self, element: Any) -> tuple[int, int, int, float] | None:
        """The background of the element, from the nearest one around it that sets one; None when it is unknown."""
        named = False
        while element is not None:
            rules = self.rules(element)
            stated = rules.get("background-color") or rules.get("background") or element.get("bgcolor")
            if stated:
                return _colour(stated)
            named = named or element.get("class") is not None or element.get("id") is not None
            element = element.getparent()
        # a style sheet of another file may colour the background
        return None if self._linked or (named and not self.has_sheets) else (255, 255, 255, 1.0)


_NOT_SHOWN = ("none", "hidden", "collapse")
_THAT_HIDE = frozenset(
    {
        *("display", "visibility", "content-visibility", "opacity", "color", "background", "background-color"),
        *("font-size", "position", "left", "top", "right", "bottom", "text-indent", "clip", "clip-path"),
        *("height", "width", "max-height", "overflow", "transform", "animation", "text-decoration"),
    }
)


def _read_blocks(text: str) -> Iterator[tuple[str, str]]:
    """The selectors and declarations of a style sheet, those of media queries for a wide screen among them."""
    at = 0
    while (opened := text.find("{", at)) >= 0:
        prelude = text[at:opened].rpartition(";")[2].strip().lstrip("}").strip()
        depth, end = 1, opened + 1
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        body = text[opened + 1 : end - 1] if not depth else text[opened + 1 :]
        if prelude.startswith("@"):
            name, _, query = prelude[1:].partition(" ")
            if name in ("supports", "layer", "scope") or (name == "media" and _is_on_screen(query)):
                yield from _read_blocks(body)
        elif prelude:
            yield prelude, body
        at = end


def _is_on_screen(query: str) -> bool:
    """Whether a media query holds for a wide screen."""
    return any(_holds(one.strip()) for one in query.lower().split(","))


def _holds(query: str) -> bool:
    if not query:
        return True
    for condition in re.split(r"\s+and\s+", query.removeprefix("only ")):
        width = re.fullmatch(r"\(\s*(min|max)-width\s*:\s*([\d.]+)(px|em|rem)\s*\)", condition)
        if width:
            size = float(width[2]) * (1 if width[3] == "px" else 16)
            if (size > _SCREEN_WIDTH) if width[1] == "min" else (size < _SCREEN_WIDTH):
                return False
        elif condition.strip() not in ("all", "screen", "not print"):
            return False
    return True


def _read_selector(text: str, declared: dict[str, str], order: int) -> _Rule | None:
    """The rule of one selector; None where it selects by what is not known here."""
    parts: list[_Part] = []
    weight = [0, 0, 0]
    by_reader = child = False
    for piece in re.sub(r"\s*([>+~])(?!=)\s*", r" \1 ", text).split():
        if piece == ">":
            child = True
            continue
        if piece in ("+", "~"):  # a sibling before: only what a reader ticks or follows is looked at
            if parts and by_reader:
                parts.pop()
                continue
            return None
        tests: list[tuple[str, str, str]] = []
        without: list[_Part] = []
        at = 0
        while at < len(piece):
            found = _SIMPLE.match(piece, at)
            if found is None:
                return None
            at = found.end()
            pseudo = found["pseudo"] or ""
            inner = _read_selector(pseudo[4:-1].strip(), declared, order) if pseudo.startswith("not(") else None
            if inner is not None and len(inner.parts) == 1:
                without.append(inner.parts[0])
                weight = [one + other for one, other in zip(weight, inner.weight, strict=False)]
            elif pseudo in ("first-child", "last-child"):
                tests.append(("place", pseudo, ""))
                weight[1] += 1
            elif pseudo:
                by_reader = by_reader or found["pseudo"] in _BY_THE_READER
                if found["pseudo"] not in _BY_THE_READER | _ALWAYS:
                    return None
            elif found["name"]:
                tests.append((found["sign"] or "[]", found["name"], found["value"] or ""))
                weight[1] += 1
            else:
                kind = next(name for name in ("tag", "id", "class") if found[name])
                tests.append((kind, found[kind].replace("\\", ""), ""))
                weight[{"id": 0, "class": 1, "tag": 2}[kind]] += found[kind] != "*"
        parts.append(_Part(tuple(tests) or (("tag", "*", ""),), child, tuple(without)))
        child = False
    return _Rule(tuple(parts), (weight[0], weight[1], weight[2], order), declared, by_reader) if parts else None


def read_declarations(body: str) -> dict[str, str]:
    """The declarations of a style, by name."""
    rules = {}
    for declaration in body.split(";"):
        key, colon, value = declaration.partition(":")
        if colon:
            rules[key.strip()] = value.strip()
    return rules


def _bare(value: str) -> str:
    return value.replace("!important", "").strip()


def _is_away(rules: dict[str, str]) -> bool:
    """Whether the element is not displayed, or is off the screen or clipped."""
    if rules.get("display") == "none" or rules.get("visibility") in ("hidden", "collapse"):
        return True
    if rules.get("content-visibility") == "hidden":
        return True
    placed = rules.get("position") in ("absolute", "fixed")
    sides = ["text-indent", *(("left", "top", "right", "bottom") if placed else ())]
    if any(_is_less(rules.get(side, ""), _OFF_SCREEN) for side in sides):
        return True
    if placed and any(_NO_CLIP.search(rules.get(clip, "")) for clip in ("clip", "clip-path")):
        return True
    flat = any(_is_less(rules.get(side, ""), _NO_LENGTH) for side in ("height", "width", "max-height"))
    return (flat and rules.get("overflow") == "hidden") or "scale(0)" in rules.get("transform", "").replace(" ", "")


def _is_faded(rules: dict[str, str]) -> bool:
    opacity = _LENGTH.fullmatch(rules.get("opacity", ""))
    return opacity is not None and float(opacity[1]) < (5.0 if opacity[2] else 0.05)


def _is_less(value: str, bounds: dict[str, float]) -> bool:
    """Whether a length is below the bound for its unit; a number without unit counts as px."""
    length = _LENGTH.fullmatch(value)
    if not length:
        return False
    bound = bounds.get(length[2] or "px")
    return bound is not None and float(length[1]) < bound


def _colour(value: str) -> tuple[int, int, int, float] | None:
    """Parse a CSS colour into (red, green, blue, opacity), 0 to 255 and 0 to 1; None for other notations."""
    value = value.strip().lower()
    if value in _COLOURS:
        return (*_COLOURS[value], 1.0)
    if found := _HEX.fullmatch(value):
        digits = found[1]
        if len(digits) in (3, 4):
            digits = "".join(sign * 2 for sign in digits)
        if len(digits) not in (6, 8):
            return None
        parts = [int(digits[at : at + 2], 16) for at in range(0, len(digits), 2)]
        return parts[0], parts[1], parts[2], parts[3] / 255 if len(parts) == 4 else 1.0
    if found := _RGB.fullmatch(value):
        opacity = float(found[4] or 1) / (100 if found[5] else 1)
        return int(found[1]), int(found[2]), int(found[3]), opacity
    return None


_CONTROLS = (*("aria-controls", "data-target", "data-bs-target", "data-toggle-target", "commandfor", "popovertarget"),)
_PANEL = re.compile(r"\b(?:tab|pane|panel|accordion|collapse|faq|answer|toggle)", re.IGNORECASE)
_PANEL_TAGS = ("div", "section", "p", "dd", "ul", "ol", "article", "table", "li")
_WORDED = "string-length(normalize-space(.)) > 1"


def find_panels(root: Any, cascade: Cascade) -> frozenset[Any]:
    """The elements that are put away until a reader uses a visible control of the page.

    A control names its panel by id, or stands right before it as a button; or the panel is one of several tabs of which
    another one is shown, or a style sheet shows it where a reader ticks or points. Only putting away counts (`hidden`,
    `display: none`): words of no size or contrast stay hidden, whatever controls stand beside them.
    """
    panels = set()
    by_id = {one.get("id"): one for one in root.iter() if isinstance(one.tag, str) and one.get("id")}
    for control in root.xpath(f"//*[{' or '.join('@' + name for name in _CONTROLS)}][{_WORDED}]"):
        if cascade.shows(control):
            stated = next(control.get(name) for name in _CONTROLS if control.get(name) is not None)
            panels |= {by_id[key] for key in stated.replace("#", " ").split() if key in by_id}
    for control in root.xpath("//a[starts-with(@href, '#')][@role='tab' or @data-toggle or @data-bs-toggle]"):
        key = control.get("href")[1:]
        if key in by_id and cascade.shows(control):
            panels.add(by_id[key])
    panels |= {one for one in root.iter() if isinstance(one.tag, str) and cascade.opens(one)}
    if not root.xpath("boolean(//script | //*[@onclick])"):
        return frozenset(panels)
    for button in root.xpath(f"//button[{_WORDED}]"):
        above = button.getparent()
        alone = above is not None and (above.tag in _HEADINGS or above.tag == "dt")
        panel = above.getnext() if alone else button.getnext()
        if panel is not None and panel.tag in _PANEL_TAGS and cascade.shows(button):
            panels.add(panel)
    for tab in root.xpath("//*[@role='tabpanel' or contains(@class, 'tab')]"):
        name = (tab.get("class") or "").split()[:1]
        beside = [one for one in tab.itersiblings() if (one.get("class") or "").split()[:1] == name]
        beside += [one for one in tab.itersiblings(preceding=True) if (one.get("class") or "").split()[:1] == name]
        marked = tab.get("role") == "tabpanel" or _PANEL.search(tab.get("class") or "")
        if marked and any(cascade.shows(one) for one in beside):
            panels.add(tab)
    return frozenset(panels)


def is_opener(button: Any, cascade: Cascade) -> bool:
    """Whether a button opens a panel, so that its words are a heading and not the name of an action."""
    if any(button.get(name) is not None for name in (*_CONTROLS, "aria-expanded")):
        return True
    panel = button.getnext()
    words = clean_line("".join(button.itertext()))
    if panel is None or panel.tag not in _PANEL_TAGS or len(words) < 3:
        return False
    put_away = panel.get("hidden") is not None or "display" in cascade.rules(panel)
    return put_away or words.endswith("?") or bool(_PANEL.search(f"{panel.get('class')} {button.get('class')}"))
