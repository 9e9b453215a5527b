"""Which elements of a page of HTML a reader sees: the page's own style sheets, inline styles, attributes and panels.

elements, style sheets ─ Cascade.rules ─> declarations ─ hides, blanks ─> elements and words that are not seen

Selectors of names, ids, classes and attributes are matched, with `:not`, `:first-child`, `:last-child` and all four
combinators; media queries are those of a wide screen. A rule whose selector or condition is not understood hides
nothing, but leaves the colours of each element unknown that it may be for, and words of unknown contrast are kept.
Style sheets of other files and scripts are not evaluated.
"""

from __future__ import annotations

import colorsys
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from ingest.parse.build import clean_line

_Value = TypeVar("_Value")
_LENGTH = re.compile(r"(-?(?:\d+(?:\.\d*)?|\.\d+))\s*(px|pt|em|rem|ex|ch|vw|vh|%|cm|mm|in)?")
_LEAST_SIZE = {"px": 2.0, "pt": 1.5, "em": 0.1, "rem": 0.1, "%": 10.0}
_NO_SIZE = dict.fromkeys(_LEAST_SIZE, 1e-6)
_NO_LENGTH = {"px": 2.0, "pt": 1.5, "em": 0.1, "rem": 0.1, "%": 0.5, "vw": 0.2, "vh": 0.2}
_WIDE = {"px": 4.0, "pt": 3.0, "em": 0.3, "rem": 0.3, "ex": 0.5, "ch": 0.5, "%": 0.5, "mm": 1.0, "cm": 0.1}
_OFF_SCREEN = {"px": -500.0, "pt": -500.0, "em": -50.0, "rem": -50.0, "%": -100.0, "vw": -100.0, "vh": -100.0}
_OFF_PAGE = {"px": -1_500.0, "pt": -1_200.0, "em": -100.0, "rem": -100.0}  # layouts centre by margins of half a page
_NO_CLIP = re.compile(
    r"rect\(\s*[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?\s*\)|inset\(\s*(?:50|100)%"
)
_MOVED = re.compile(r"translate(?:x|y|3d)?\(([^)]*)\)")
_HEX = re.compile(r"#([0-9a-f]{3,8})")
_AMOUNT = r"(?:\d+(?:\.\d*)?|\.\d+)"
_STRENGTH = rf"(?:[\s,/]+({_AMOUNT})(%?))?\s*\)"
_RGB = re.compile(rf"rgba?\(\s*({_AMOUNT}%?)[\s,]+({_AMOUNT}%?)[\s,]+({_AMOUNT}%?){_STRENGTH}")
_HSL = re.compile(rf"hsla?\(\s*({_AMOUNT})(?:deg)?[\s,]+({_AMOUNT})%[\s,]+({_AMOUNT})%{_STRENGTH}")
_SCALED = re.compile(rf"scale(?:x|y|3d)?\(\s*({_AMOUNT})")
_LEAST_SCALE = 0.05
_FILTERED = re.compile(rf"opacity\(\s*({_AMOUNT}%?)\s*\)")
_COLOURS = {
    "white": (255, 255, 255),
    "snow": (255, 250, 250),
    "ghostwhite": (248, 248, 255),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
}
_SAME_COLOUR = 8  # of 255: text that differs from its background by at most this in each channel is invisible
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_SIGNS = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|url\([^)]*(?:\)|\Z)|[{};]")
_STRING = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
_OUTSIDE_STRINGS = re.compile(rf"({_STRING})|[^\"']+|.")
_DECLARATION = re.compile(rf"(?:{_STRING}|[^;])+")
_DRAWN = re.compile(r"::?(before|after|marker)\Z")
_MOST_RULES = 20_000
_MOST_SELECTOR = 1_000  # characters: nested rules repeat the selectors around them
_MOST_NESTED = 32
_MOST_STEPS = 2_000_000  # compounds of selectors compared with elements: a few seconds
_SIMPLE = re.compile(
    r"(?P<tag>[a-z][\w-]*|\*)|\#(?P<id>(?:\\.|[\w-])+)|\.(?P<class>(?:\\.|[\w-])+)"
    r"|\[\s*(?P<name>[\w:-]+)\s*(?:(?P<sign>[~|^$*]?=)\s*[\"']?(?P<value>[^\"'\]]*)[\"']?\s*)?\]|:(?P<pseudo>:?[\w-]+(?:\([^)]*\))?)",
    re.IGNORECASE,
)
_BY_THE_READER = frozenset({"checked", "target", "hover", "focus", "focus-within", "active"})
_TAGS = {"root": "html", "link": "a", "any-link": "a"}  # of states that elements of one name have
_SCREEN_WIDTH = 1280.0  # px
_HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
_UNKNOWN = "?"  # the value of a property that a rule which is not understood may set


class _Part(NamedTuple):
    """One compound of a selector (`p.note[hidden]`); `joined` is the combinator before it: a blank, `>`, `+` or `~`."""

    tests: tuple[tuple[str, str, str], ...]
    joined: str
    without: tuple[_Part, ...] = ()  # of `:not(…)`

    def matches(self, element: Any, names: frozenset[str]) -> bool:
        """Whether the element is one of the compound; `names` are its own (`_names_of`)."""
        for kind, name, value in self.tests:
            if kind == "tag":
                if name not in ("*", element.tag):
                    return False
            elif kind == "named":
                if name not in names:
                    return False
            elif kind == "place":
                if (element.getprevious() if name == "first-child" else element.getnext()) is not None:
                    return False
            else:
                stated = element.get(name)
                if stated is None or not _compare(kind, stated, value):
                    return False
        return not any(part.matches(element, names) for part in self.without)


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
    """A selector with its declarations; `by_reader`: it holds while a reader points at, ticks or targets something.

    Where the selector was not understood in full, it matches more elements than it should, and `certain` is false.
    `drawn` is what of an element it is for, `before`, `after` or `marker`; empty for the element itself.
    """

    parts: tuple[_Part, ...]
    weight: tuple[int, int, int, int]
    declared: dict[str, str]
    by_reader: bool
    certain: bool
    drawn: str = ""


def _key_of(rule: _Rule) -> str:
    """What an element must have that the rule is for: an id or a class, one around it, or the name of its tag."""
    for part, where in zip(rule.parts[:-3:-1], ("", "below "), strict=False):
        named = next((name for kind, name, _ in part.tests if kind == "named"), "")
        if named and (not where or rule.parts[-1].joined in " >"):
            return where + named
    kind, name, _value = rule.parts[-1].tests[0]
    return f"tag {name}" if kind == "tag" else "tag *"


def _names_of(element: Any) -> frozenset[str]:
    """The id and the classes of an element, as keys of rules."""
    own = (element.get("id") or "").lower()
    names = {f"class {name}" for name in (element.get("class") or "").lower().split()}
    return frozenset(names | {f"id {own}"} if own else names)


def _joined_to(places: list[Any], joined: str) -> Iterator[Any]:
    """The elements that a compound before the combinator may be, for those found after it, nearest first.

    All that are found lie beside or around one element. So the nearest has around it all that lies around the others,
    and of children of one element the last has before it all that lies before the others.
    """
    if joined == " ":
        yield from places[0].iterancestors()
        return
    done = set()
    for place in places:
        above = place.getparent()
        if joined == "+":
            found = place.getprevious()
            if found is not None:
                yield found
        elif above is not None and above not in done:
            done.add(above)
            if joined == ">":
                yield above
            else:
                yield from place.itersiblings(preceding=True)


class _Look(NamedTuple):
    """How words are drawn that stand in an element itself; an `ink` of None is unknown, or that of the browser."""

    ink: tuple[int, int, int, float] | None = None
    tiny: bool = False
    invisible: bool = False


class Cascade:
    """The declarations of each element of a page, and what they hide.

    `incomplete` says that the page's style sheets would have taken too long, so that not all rules were applied.
    """

    def __init__(self, root: Any, *, runs_scripts: bool = False) -> None:
        self._root = root
        self._revealing = runs_scripts and bool(root.xpath("boolean(//script)"))
        self._by_key: dict[str, list[_Rule]] = defaultdict(list)
        self._known: dict[Any, dict[str, str]] = {}
        self._names: dict[Any, frozenset[str]] = {}
        self._above: dict[Any, frozenset[str]] = {}
        self._matched: dict[Any, list[_Rule]] = {}
        self._looks: dict[Any, _Look] = {}
        self._lines: dict[Any, bool] = {}
        self._papers: dict[Any, tuple[int, int, int, float] | None] = {}
        self._rules = 0
        self._steps = _MOST_STEPS
        self._by_reader = False
        self.draws = False  # whether a style sheet adds words to the page
        self.incomplete = False
        self.has_sheets = False
        self.reveals = False  # whether a style sheet has what shows words of opacity 0
        self._linked = bool(root.xpath("boolean(//link[contains(@rel, 'stylesheet')])"))
        self._presented = {
            one: stated
            for one in root.xpath("//svg/descendant-or-self::*")
            if (stated := {name: one.get(name).lower() for name in _PRESENTED if one.get(name)})
        }
        for sheet in root.iter("style"):
            self.has_sheets = True
            if _is_on_screen(sheet.get("media") or "") is not False:
                self._add_sheet("".join(sheet.itertext()))

    def _add_sheet(self, text: str) -> None:
        text = _OUTSIDE_STRINGS.sub(lambda found: found[1] or found[0].lower(), _COMMENT.sub(" ", text))
        self._linked = self._linked or "@import" in text
        for block in _read_blocks(text):
            declared = read_declarations(";".join(block.declared))
            shown = "animation" in declared or ("opacity" in declared and not _is_faded(declared))
            self.reveals = self.reveals or shown
            for selector in block.selectors if _LOOKED_AT & declared.keys() else ():
                if self._rules >= _MOST_RULES:
                    self.incomplete = True
                    return
                for rule in _rules_of(selector, declared, block):
                    self._rules += 1
                    self._by_reader = self._by_reader or rule.by_reader
                    self.draws = self.draws or bool(rule.drawn)
                    self._by_key[_key_of(rule)].append(rule)

    def _is_revealed(self, element: Any, rules: dict[str, str]) -> bool:
        """Whether a script shows what a style sheet fades out: by a class that the style sheet has a rule for."""
        if not self._revealing or "opacity" in (element.get("style") or "").lower():
            return False
        names = (element.get("class") or "").lower().split()
        kept = (rule for name in names for rule in self._by_key.get(f"class {name}", ()))
        shown = (rule.declared for rule in kept if not rule.drawn)
        return "animation" in rules or any("opacity" in one and not _is_faded(one) for one in shown)

    def _matching(self, element: Any) -> list[_Rule]:
        """The rules for the element, in no order."""
        found = self._matched.get(element)
        if found is None:
            keys = [f"tag {element.tag}", "tag *", *self._own_names(element)]
            keys += [f"below {name}" for name in self._names_above(element.getparent())] if self._by_key else []
            rules = (rule for key in keys for rule in self._by_key.get(key, ()))
            found = self._matched[element] = [rule for rule in rules if self._matches(rule, element)]
        return found

    def _matches(self, rule: _Rule, element: Any) -> bool:
        """Whether the rule is for the element: from its last compound on, all elements at once that each may be."""
        places = [element] if self._is_one(rule.parts[-1], element) else []
        for part, after in zip(rule.parts[-2::-1], rule.parts[:0:-1], strict=True):
            if not places:
                return False
            places = [one for one in _joined_to(places, after.joined) if self._is_one(part, one)]
        return bool(places)

    def _is_one(self, part: _Part, element: Any) -> bool:
        self._steps -= 1
        if self._steps < 0:
            self.incomplete = True
            self._by_key.clear()
            return False
        return part.matches(element, self._own_names(element))

    def _own_names(self, element: Any) -> frozenset[str]:
        names = self._names.get(element)
        if names is None:
            names = self._names[element] = _names_of(element)
        return names

    def _names_above(self, element: Any) -> frozenset[str]:
        """The ids and classes of an element and all around it, of those that rules are kept under."""

        def add(one: Any, known: frozenset[str]) -> frozenset[str]:
            own = frozenset(name for name in self._own_names(one) if f"below {name}" in self._by_key)
            return known if own <= known else known | own

        return _inherit(self._above, element, frozenset(), add)

    def rules(self, element: Any) -> dict[str, str]:
        """The declarations that hold for the element, in lower case, shorthands taken apart."""
        if not self._by_key and not element.get("style"):
            return self._known.get(element) or self._presented.get(element, {})
        known = self._known.get(element)
        if known is None:
            known, urgent = self._declared(element, "")
            known = self._presented.get(element, {}) | known
            inline = read_declarations(_COMMENT.sub(" ", element.get("style") or "").lower())
            known.update({name: _bare(value) for name, value in inline.items()})
            known.update({name: value for name, value in urgent.items() if "!important" not in inline.get(name, "")})
            self._known[element] = known
        return known

    def drawn(self, element: Any, part: str) -> dict[str, str]:
        """The declarations of what is drawn before or after the words of an element, or as its marker."""
        known, urgent = self._declared(element, part)
        return known | urgent

    def _declared(self, element: Any, part: str) -> tuple[dict[str, str], dict[str, str]]:
        """What style sheets declare for an element or a part of it, without and with `!important`."""
        known: dict[str, str] = {}
        urgent: dict[str, str] = {}
        for rule in sorted(self._matching(element), key=lambda rule: rule.weight):
            if not rule.by_reader and rule.drawn == part:
                for name, value in rule.declared.items():
                    (urgent if "!important" in value else known)[name] = _bare(value)
        return known, urgent

    def state(self, element: Any, rules: dict[str, str]) -> None:
        """Give an element that was put into the page its declarations."""
        self._known[element] = rules

    def opens(self, element: Any) -> bool:
        """Whether a reader shows the element by ticking, pointing or following a link, without a script."""
        return self._by_reader and any(
            rule.by_reader
            and rule.certain
            and rule.declared.get("display", rule.declared.get("visibility", "none")) not in _NOT_SHOWN
            for rule in self._matching(element)
        )

    def hides(self, element: Any, *, keep_faded: bool, opened: bool = False) -> bool:
        """Whether the page hides the element with all in it; `opened`: a control shows what is only put away."""
        rules = self.rules(element)
        if (
            not opened and "display" not in rules
        ):  # a browser's own style sheet, which any display of the page overrules
            put_away = element.get("hidden") is not None or element.get("popover") is not None
            if put_away or (element.tag == "dialog" and element.get("open") is None):
                return True
        if not rules:
            return False
        if not keep_faded and _is_faded(rules) and not self._is_revealed(element, rules):
            return True
        return (rules.get("display") == "none" and not opened) or _is_away(rules)

    def keeps_lines(self, element: Any) -> bool:
        """Whether line breaks in the text of the element are shown as such."""

        def keep(one: Any, above: bool) -> bool:
            stated = self.rules(one).get("white-space", "")
            return one.tag == "textarea" or (stated.startswith(("pre", "break-spaces")) if stated else above)

        return _inherit(self._lines, element, False, keep)

    def shows(self, element: Any, *, keep_faded: bool = True) -> bool:
        """Whether neither the element nor one around it is hidden, and words in it would be seen."""
        if self.blanks(element):
            return False
        while element is not None:
            if self.hides(element, keep_faded=keep_faded):
                return False
            element = element.getparent()
        return True

    def blanks(self, element: Any) -> bool:
        """Whether words that stand in the element itself are not seen: what their visibility, size and colour leave.

        Elements inside may set these anew. The colour of words is compared with their background where both are known
        from the page's own styles.
        """
        look = _inherit(self._looks, element, _Look(), self._look)
        if look.invisible or look.tiny:
            return True
        if look.ink is None:
            return False
        if look.ink[3] < 0.05:
            return True
        paper = self._paper(element)
        return paper is not None and all(
            abs(one - other) <= _SAME_COLOUR for one, other in zip(look.ink[:3], paper[:3], strict=True)
        )

    def _look(self, element: Any, above: _Look) -> _Look:
        rules = self.rules(element)
        ink, tiny, invisible = above
        if element.tag in _OWN_LOOK or (element.tag == "a" and element.get("href") is not None):
            ink = None
            tiny = tiny and element.tag == "a"
        elif self._linked and self._own_names(element):  # a style sheet of another file may colour it
            ink = None
        colour = rules.get("color") or (element.get("color" if element.tag == "font" else "text") or "").lower()
        if colour and colour not in _AS_ABOVE and (rules.get("color") or element.tag in ("font", "body")):
            ink = _colour(colour)
        if any(rules.get(name, "none") != "none" for name in _RECOLOUR) or "text" in rules.get("background-clip", ""):
            ink = None
        size = rules.get("font-size", "inherit")
        if size not in _AS_ABOVE:
            length = _LENGTH.fullmatch(size)
            grows = size in ("smaller", "larger") or (length is not None and length[2] in ("em", "%", "ex", "ch"))
            small = _is_less(size, _LEAST_SIZE) and (_is_less(size, _NO_SIZE) or not _is_scaled(element))
            tiny = small or (tiny and grows)
        visibility = rules.get("visibility", "inherit")
        if visibility not in _AS_ABOVE:
            invisible = visibility in _NOT_SHOWN
        return _Look(ink, tiny, invisible)

    @cached_property
    def _layers(self) -> _Layers:
        return _find_layers(self._root, self)

    def _paper(self, element: Any) -> tuple[int, int, int, float] | None:
        """The background of the element, from the nearest one around it that sets one; None when it is unknown."""
        # a style sheet of another file may colour the background of the page
        return _inherit(self._papers, element, None if self._linked else (255, 255, 255, 1.0), self._own_paper)

    def _own_paper(self, element: Any, above: tuple[int, int, int, float] | None) -> tuple[int, int, int, float] | None:
        if self.incomplete or (not self.has_sheets and self._own_names(element)) or self._layers.leave(element, self):
            above = None
        own = ground_of(element, self.rules(element))
        if own:
            colour = _colour(own)
            above = colour if colour is not None and colour[3] == 1 else None
        return None if element in self._layers.covered else above


def _is_scaled(element: Any) -> bool:
    """Whether an element lies in a drawing, whose units may be of any size on the screen."""
    return element.tag == "svg" or next(element.iterancestors("svg"), None) is not None


def _inherit(known: dict[Any, _Value], element: Any, first: _Value, step: Callable[[Any, _Value], _Value]) -> _Value:
    """What an element has by its own declarations and those around it, kept in `known`; `first` is above the root."""
    path = []
    while element is not None and element not in known:
        path.append(element)
        element = element.getparent()
    value = known[element] if element is not None else first
    for one in reversed(path):
        value = known[one] = step(one, value)
    return value


def ground_of(element: Any, rules: dict[str, str]) -> str:
    """The background that an element sets for itself: a colour, `?` for a picture, or an empty string."""
    image = rules.get("background-image", "none")
    if image not in ("none", "initial", "unset") or element.get("background"):
        return _UNKNOWN
    colour = rules.get("background-color") or (element.get("bgcolor") or "").strip().lower()
    faint = _colour(colour)
    return "" if colour in _NO_GROUND or (faint is not None and not faint[3]) else colour


class _Layers(NamedTuple):
    """Where a page draws one thing over another.

    `covered` are the elements in which pictures or coloured boxes are taken from their places, `grounds` those that
    have any inside.
    """

    covered: set[Any]
    grounds: set[Any]

    def leave(self, element: Any, cascade: Cascade) -> bool:
        """Whether the element is taken from its place, so that it may lie on a picture or a coloured box."""
        return _field_of(element, cascade) in self.grounds


def _find_layers(root: Any, cascade: Cascade) -> _Layers:
    covered: set[Any] = set()
    grounds: set[Any] = set()
    fields: dict[Any, Any] = {}

    def field(one: Any, above: Any) -> Any:
        own = _field_of(one, cascade)
        return above if own is None else own

    for one in root.iter():
        if not isinstance(one.tag, str):
            continue
        coloured = one.tag not in ("html", "body") and ground_of(one, cascade.rules(one))
        if not coloured and one.tag not in _PICTURES:
            continue
        covering = _inherit(fields, one, None, field)
        if covering is not None:
            covered.add(covering)
        above = one.getparent()
        while above is not None and above not in grounds:
            grounds.add(above)
            above = above.getparent()
    return _Layers(covered, grounds)


def _field_of(element: Any, cascade: Cascade) -> Any:
    """The element whose area one can cover that is taken from its place by its styles; None where it is not."""
    above, rules = element.getparent(), cascade.rules(element)
    position = rules.get("position", "static")
    if above is not None and position in ("absolute", "fixed"):
        while above.getparent() is not None and (
            position == "fixed" or cascade.rules(above).get("position", "static") == "static"
        ):
            above = above.getparent()
        return above
    if position == "sticky":
        return above
    moved = _MOVED.search(rules.get("transform", "")) is not None or "translate" in rules
    moved = moved or any(rules.get(f"margin-{side}", "").startswith("-") for side in _SIDES)
    moved = moved or any(rules.get(name, "auto") != "auto" for name in ("grid-area", "grid-row", "grid-column"))
    moved = moved or (position == "relative" and any(rules.get(side, "auto") not in _IN_PLACE for side in _SIDES))
    return above if moved else None


_SIDES = ("top", "right", "bottom", "left")
_IN_PLACE = ("auto", "0", "0px")
_AS_ABOVE = ("inherit", "unset", "currentcolor")
_NO_GROUND = ("", "transparent", "none", "initial", "unset")
_NOT_SHOWN = ("none", "hidden", "collapse")
_OWN_LOOK = frozenset({"input", "select", "textarea", "button", "mark", "svg"})
_PICTURES = frozenset({"img", "picture", "video", "canvas", "svg", "object", "embed", "iframe"})
_RECOLOUR = ("text-shadow", "-webkit-text-stroke", "-webkit-text-fill-color", "filter", "mix-blend-mode")
_PRESENTED = ("display", "visibility", "opacity", "font-size")  # attributes of drawings that stand for declarations
_COLOURING = frozenset({"color", "background-color", "background-image"})
_THAT_HIDE = frozenset(
    {
        *("display", "visibility", "content-visibility", "opacity", "animation", "text-decoration-line"),
        *("font-size", "position", "text-indent", "clip", "clip-path", *_SIDES, *(f"margin-{side}" for side in _SIDES)),
        *(
            "height",
            "width",
            "max-height",
            "scale",
            "overflow",
            "transform",
            "translate",
            "grid-area",
            "grid-row",
            "grid-column",
        ),
        *(*_COLOURING, *_RECOLOUR, "background-clip"),
    }
)
_COUNTING = frozenset({"content", "quotes", "counter-reset", "counter-increment", "counter-set"})
_PLACING = frozenset({
    *("float", "padding-left", "padding-right", "order", "flex-direction", "flex-flow", "grid-template-columns"),
    *("direction", "unicode-bidi", "list-style-type", "vertical-align", "white-space"),
})  # fmt: skip
_LOOKED_AT = _THAT_HIDE | _COUNTING | _PLACING


class _Block(NamedTuple):
    """The selectors and declarations of one block of a style sheet; the empty selector stands for no block.

    `certain` is false in a block whose condition is not understood.
    """

    selectors: tuple[str, ...]
    certain: bool
    order: int
    declared: list[str]


def _read_blocks(text: str) -> Iterator[_Block]:
    """The blocks of a style sheet that hold on a wide screen, those inside others with the selectors of both."""
    blocks = [_Block(("",), True, 0, [])]
    at = skipped = order = 0
    for sign in _SIGNS.finditer(text):
        if sign[0] not in ("{", "}", ";"):
            continue
        piece = text[at : sign.start()].strip()
        at = sign.end()
        if sign[0] == "{":
            order += 1
            skipped += len(blocks) > _MOST_NESTED
            if not skipped:
                blocks.append(_open_block(piece, blocks[-1], order))
        elif skipped:
            skipped -= sign[0] == "}"
        else:
            if piece:
                blocks[-1].declared.append(piece)
            if sign[0] == "}" and len(blocks) > 1:
                yield blocks.pop()
    if not skipped:
        blocks[-1].declared.append(text[at:])
    yield from reversed(blocks[1:])


def _open_block(prelude: str, above: _Block, order: int) -> _Block:
    if not prelude.startswith("@"):
        own = _split_list(prelude)
        found = [
            one.replace("&", outer or ":root") if "&" in one else f"{outer} {one}".strip()
            for outer in above.selectors
            for one in (own if len(above.selectors) * len(own) <= _MOST_SELECTOR or above.selectors == ("",) else ())
        ]
        kept = tuple(one for one in found if len(one) <= _MOST_SELECTOR)
        return _Block(kept, above.certain, order, [])
    name, _, query = prelude[1:].replace("(", " (", 1).partition(" ")
    holds: bool | None = False
    if name == "media":
        holds = _is_on_screen(query)
    elif name in ("supports", "layer"):
        holds = not query.strip().startswith("not")
    elif name in ("container", "scope"):
        holds = None
    return _Block(above.selectors if holds is not False else (), above.certain and holds is True, order, [])


def _split_list(text: str) -> list[str]:
    """The parts of a list between its commas, those in parentheses left alone."""
    if "(" not in text:
        return [one.strip() for one in text.split(",")]
    parts, depth = [""], 0
    for piece in re.split(r"([(),])", text):
        depth = max(0, depth + {"(": 1, ")": -1}.get(piece, 0))
        if piece == "," and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    return [one.strip() for one in parts]


def _is_on_screen(query: str) -> bool | None:
    """Whether a media query holds for a wide screen; None where it is not understood."""
    found = [_holds(one.strip()) for one in query.lower().split(",")]
    return True if True in found else None if None in found else False


def _holds(query: str) -> bool | None:
    known = True
    for condition in re.split(r"\s+and\s+", query.removeprefix("only ")) if query else ():
        width = re.fullmatch(r"\(\s*(?:(min|max)-width\s*:|width\s*([<>])=?)\s*([\d.]+)(px|em|rem)\s*\)", condition)
        if width:
            size = float(width[3].strip(".") or 0) * (1 if width[4] == "px" else 16)
            if (size > _SCREEN_WIDTH) if (width[1] == "min" or width[2] == ">") else (size < _SCREEN_WIDTH):
                return False
        elif condition in ("print", "speech", "not all", "not screen", "(prefers-color-scheme: dark)"):
            return False
        elif condition.strip() not in ("all", "screen", "not print", "(prefers-color-scheme: light)"):
            known = False
    return True if known else None


def _rules_of(selector: str, declared: dict[str, str], block: _Block) -> Iterator[_Rule]:
    """The rules of one selector: of what it draws beside the words of an element, and of the element itself."""
    found = _DRAWN.search(selector)
    if found and block.certain:
        above = selector[: found.start()]
        drawn = _read_selector(above if above[-1:].strip(" >+~") else f"{above}*", declared, block.order)
        if drawn.certain and not drawn.by_reader:
            yield drawn._replace(drawn=found[1])
    rule = _read_selector(selector, declared, block.order, certain=block.certain)
    if rule.certain or rule.declared:
        yield rule


def _read_selector(text: str, declared: dict[str, str], order: int, *, certain: bool = True) -> _Rule:
    """The rule of one selector; of one that selects by what is not known here, a rule for all that it may select."""
    parts: list[_Part] = []
    weight = [0, 0, 0]
    by_reader = False
    joined = " "
    for piece in re.sub(r"\s*([>+~])(?!=)\s*", r" \1 ", text).split():
        if piece in (">", "+", "~"):
            joined = piece
            if piece != ">" and parts and by_reader:  # of what a reader ticks or follows, its place is not looked at
                parts.pop()
                joined = " "
            continue
        tests: list[tuple[str, str, str]] = []
        without: list[_Part] = []
        at = 0
        while at < len(piece):
            found = _SIMPLE.match(piece, at)
            if found is None:
                certain = False
                break
            at = found.end()
            pseudo = found["pseudo"] or ""
            listed = pseudo[4:-1].split(",") if re.fullmatch(r"not\([^()]+\)", pseudo) else []
            inner = [_read_selector(one, declared, order) for one in listed]
            if inner and all(len(one.parts) == 1 and one.certain and not one.by_reader for one in inner):
                without += [one.parts[0] for one in inner]
                most = max(one.weight for one in inner)
                weight = [one + other for one, other in zip(weight, most, strict=False)]
            elif pseudo in ("first-child", "last-child"):
                tests.append(("place", pseudo, ""))
                weight[1] += 1
            elif pseudo in _TAGS:
                tests.append(("tag", _TAGS[pseudo], ""))
                weight[1] += 1
            elif pseudo:
                weight[0 if "(" in pseudo else 1] += 1  # of `:is(…)` the weight may be that of an id
                by_reader = by_reader or pseudo in _BY_THE_READER
                certain = certain and pseudo in _BY_THE_READER
            elif found["name"]:
                tests.append((found["sign"] or "[]", found["name"], found["value"] or ""))
                weight[1] += 1
            else:
                kind = next(name for name in ("tag", "id", "class") if found[name])
                name = found[kind].replace("\\", "")
                tests.append(("tag", name, "") if kind == "tag" else ("named", f"{kind} {name}", ""))
                weight[{"id": 0, "class": 1, "tag": 2}[kind]] += name != "*"
        parts.append(_Part(tuple(tests) or (("tag", "*", ""),), joined, tuple(without)))
        joined = " "
    if not certain:
        behind = "::" in text or ":before" in text or ":after" in text  # what is drawn there has a colour of its own
        unsure = _COLOURING - {"color"} if behind else _COLOURING
        declared = {name: _UNKNOWN for name in declared if name in unsure}
    parts = parts or [_Part((("named", "", ""),), " ")]  # nothing has no name
    return _Rule(tuple(parts), (weight[0], weight[1], weight[2], order), declared, by_reader, certain)


def read_declarations(body: str) -> dict[str, str]:
    """The declarations of a style, by name; shorthands set what they stand for, as far as it is looked at here."""
    rules: dict[str, str] = {}
    for declaration in _DECLARATION.findall(body) if '"' in body or "'" in body else body.split(";"):
        key, colon, value = declaration.partition(":")
        if colon:
            name, value = key.strip(), value.strip()
            rules.update({name: value} if name not in _SHORTHANDS else _take_apart(name, value))
    return rules


_SHORTHANDS = frozenset(
    {"list-style", "font", "background", "margin", "padding", "inset", "text-decoration", "-webkit-background-clip"}
)


def _take_apart(name: str, value: str) -> dict[str, str]:
    """What a shorthand sets."""
    urgent = " !important" if "!important" in value else ""
    words = _bare(value).split()
    match name:
        case "font":
            sizes = (one.partition("/")[0] for one in words)
            lengths = (found for one in sizes if (found := _LENGTH.fullmatch(one)))
            size = next(
                (one[0] for one in lengths if one[2] or not float(one[1])), "inherit" if value in _AS_ABOVE else ""
            )
            return {"font-size": (size or "medium") + urgent}
        case "background":
            bare = _bare(value)
            if "(" in _RGB.sub("", bare) or _UNKNOWN in bare:
                return {"background-image": _UNKNOWN + urgent, "background-color": "transparent" + urgent}
            colour = _RGB.search(bare)
            stated = colour[0] if colour else next((one for one in words if _colour(one)), "")
            if not stated:  # a name of a colour that is not known here, or none
                plain = all(one in _NO_GROUND or one in _BACKGROUND_WORDS or _LENGTH.fullmatch(one) for one in words)
                stated = "transparent" if plain else _UNKNOWN
            return {"background-image": "none" + urgent, "background-color": stated + urgent}
        case "margin" | "padding" | "inset":
            sides = (words * 4)[:4] if len(words) == 1 else [*words, *words[:2], *words[1:2]][:4]
            if len(words) == 3:
                sides = [*words, words[1]]
            prefix = "" if name == "inset" else f"{name}-"
            return {prefix + side: one + urgent for side, one in zip(_SIDES, sides, strict=False)}
        case "list-style":
            kinds = [one for one in words if one not in ("inside", "outside") and not one.startswith("url(")]
            return {"list-style-type": (kinds[0] if kinds else "disc") + urgent}
        case "text-decoration":
            return {"text-decoration-line": value}
        case _:
            return {"background-clip": value}


_BACKGROUND_WORDS = frozenset(
    {"repeat", "repeat-x", "repeat-y", "no-repeat", "scroll", "fixed", "local", "center", *_SIDES}
)


def _bare(value: str) -> str:
    return value.replace("!important", "").strip()


def _is_away(rules: dict[str, str]) -> bool:
    """Whether the element is off the screen or clipped, or its content is not drawn."""
    if rules.get("content-visibility") == "hidden":
        return True
    placed = rules.get("position") in ("absolute", "fixed")
    sides = ["text-indent", *(_SIDES if placed else ())]
    if any(_is_less(rules.get(side, ""), _OFF_SCREEN) for side in sides):
        return True
    moved = [rules.get(f"margin-{side}", "") for side in ("left", "top")]
    for one in _MOVED.finditer(rules.get("transform", "")):
        moved += [part.strip() for part in one[1].split(",")]
    if any(_is_less(one, _OFF_PAGE) for one in (*moved, *rules.get("translate", "").split())):
        return True
    if placed and any(_NO_CLIP.search(rules.get(clip, "")) for clip in ("clip", "clip-path")):
        return True
    flat = any(_is_less(rules.get(side, ""), _NO_LENGTH) for side in ("height", "width", "max-height"))
    scaled = [*_SCALED.findall(rules.get("transform", "")), *rules.get("scale", "").split()]
    small = any(re.fullmatch(_AMOUNT, one) and float(one) < _LEAST_SCALE for one in scaled)
    return (flat and rules.get("overflow") in ("hidden", "clip")) or small


def _is_faded(rules: dict[str, str]) -> bool:
    filtered = _FILTERED.search(rules.get("filter", ""))
    opacity = _LENGTH.fullmatch(rules.get("opacity", "") or (filtered[1] if filtered else ""))
    return opacity is not None and float(opacity[1]) < (5.0 if opacity[2] else 0.05)


def is_wide(rules: dict[str, str], side: str) -> bool:
    """Whether the styles leave more room at a side of an element than a space does, or the parts of a number have."""
    for kind in ("margin", "padding"):
        length = _LENGTH.fullmatch(rules.get(f"{kind}-{side}", ""))
        if length and float(length[1]) >= _WIDE.get(length[2] or "px", 1.0):
            return True
    return False


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
    if value == "transparent":
        return 0, 0, 0, 0.0
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
        shares = [float(one.rstrip("%")) * (2.55 if one.endswith("%") else 1) for one in found.groups()[:3]]
        return round(shares[0]), round(shares[1]), round(shares[2]), _strength(found)
    if found := _HSL.fullmatch(value):
        hue, saturation, lightness = (min(1.0, float(found[at]) / most) for at, most in ((1, 360), (2, 100), (3, 100)))
        red, green, blue = (round(255 * share) for share in colorsys.hls_to_rgb(hue, lightness, saturation))
        return red, green, blue, _strength(found)
    return None


def _strength(colour: re.Match[str]) -> float:
    return float(colour[4] or 1) / (100 if colour[5] else 1)


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
    for panel in root.xpath("//*[@aria-labelledby]"):
        tab = by_id.get(panel.get("aria-labelledby"))
        if tab is not None and tab.get("role") == "tab" and cascade.shows(tab):
            panels.add(panel)
    panels |= {one for one in root.iter() if isinstance(one.tag, str) and cascade.opens(one)}
    if not root.xpath("boolean(//script | //*[@onclick])"):
        return frozenset(panels)
    for button in root.xpath(f"//button[{_WORDED}]"):
        above = button.getparent()
        alone = above is not None and (above.tag in _HEADINGS or above.tag == "dt")
        panel = above.getnext() if alone else button.getnext()
        if panel is not None and panel.tag in _PANEL_TAGS and cascade.shows(button):
            panels.add(panel)
    shown: dict[tuple[Any, str], list[Any]] = {}  # children of an element, by their first class
    for tab in root.xpath("//*[@role='tabpanel' or contains(@class, 'tab')]"):
        if tab.get("role") != "tabpanel" and not _PANEL.search(tab.get("class") or ""):
            continue
        above, name = tab.getparent(), _first_class(tab)
        if above is not None and (above, name) not in shown:
            shown |= {(above, _first_class(one)): [] for one in above}
            for one in above:
                if cascade.shows(one):
                    shown[above, _first_class(one)].append(one)
        if any(one is not tab for one in shown.get((above, name), [])[:2]):
            panels.add(tab)
    return frozenset(panels)


def _first_class(element: Any) -> str:
    return next(iter((element.get("class") or "").split()), "")


def is_opener(button: Any, cascade: Cascade) -> bool:
    """Whether a button opens a panel, so that its words are a heading and not the name of an action."""
    if button.get("role") == "tab" or any(button.get(name) is not None for name in (*_CONTROLS, "aria-expanded")):
        return True
    panel = button.getnext()
    words = clean_line("".join(button.itertext()))
    if panel is None or panel.tag not in _PANEL_TAGS or len(words) < 3:
        return False
    put_away = panel.get("hidden") is not None or "display" in cascade.rules(panel)
    return put_away or words.endswith("?") or bool(_PANEL.search(f"{panel.get('class')} {button.get('class')}"))
