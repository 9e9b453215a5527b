"""Words of slides that nobody sees: in the colour of what is behind them, transparent, or without size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.parse.container import parse_xml
from rag.errors import ParseError

_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SHOW = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_THEME = "/theme"
_FILLS = ("noFill", "solidFill", "gradFill", "blipFill", "pattFill", "grpFill")
_NAMED = {"white": "FFFFFF", "black": "000000"}
_PLAIN = "1001"  # the first fill of a theme's backgrounds
_NO_SIZE = 100  # hundredths of a point
_SEEN = 5_000  # thousandths of a percent of strength
_Box = tuple[int, int, int, int]


class Grounds:
    """The colours behind the shapes of a slide, as far as they are stated and nothing may lie between."""

    def __init__(self, slide: Any, name: str) -> None:
        layers = [slide]
        try:
            layers += [slide.slide_layout, slide.slide_layout.slide_master]
        except KeyError:  # a slide may do without
            layers = []
        self._named = _named_colours(layers, name)
        self._slide = self._behind_all(layers)
        self._coloured = list(_coloured_places(layers))

    def colour(self, fill: Any) -> str:
        """The colour of a fill as `RRGGBB`; an empty string for none, and for one that is mixed or changed."""
        stated = fill[0] if fill is not None and len(fill) else None
        if stated is None or len(stated):
            return ""
        value = (stated.get("lastClr") or stated.get("val") or "").strip()
        match str(stated.tag).rpartition("}")[2]:
            case "srgbClr" | "sysClr":
                return value.upper()
            case "schemeClr":
                return self._named.get(value, "")
            case "prstClr":
                return _NAMED.get(value, "")
        return ""

    def behind(self, shape: Any) -> str:
        """The colour behind the words of a shape; an empty string where it is not known."""
        own = _fill_of(shape._element)
        if own is not None and own.tag != f"{_DRAWING}noFill":
            return self.colour(own) if own.tag == f"{_DRAWING}solidFill" else ""
        if str(shape._element.getparent().tag).endswith("}grpSp"):
            return ""
        place = _box_of(shape)
        lies_on = (other for key, other in self._coloured if key is not shape._element)
        return "" if place is None or any(one is None or _meet(place, one) for one in lies_on) else self._slide

    def hide(self, properties: Any, ground: str) -> bool:
        """Whether words with these properties are not seen on a ground of this colour."""
        if properties is None:
            return False
        size = properties.get("sz") or ""
        if size.isdigit() and int(size) <= _NO_SIZE:
            return True
        line = properties.find(f"{_DRAWING}ln")
        drawn = line is not None and line.find(f"{_DRAWING}noFill") is None
        if drawn or any(properties.find(f"{_DRAWING}{tag}/*") is not None for tag in ("highlight", "effectLst")):
            return False
        fill = _fill_in(properties)
        if fill is None:
            return False
        strength = next((one.get("val") or "" for one in fill.iter(f"{_DRAWING}alpha")), "")
        faded = strength.isdigit() and int(strength) < _SEEN
        return fill.tag == f"{_DRAWING}noFill" or faded or bool(ground and self.colour(fill) == ground)

    def _behind_all(self, layers: list[Any]) -> str:
        if not layers or layers[0]._element.find(f"{_SHOW}clrMapOvr/{_DRAWING}overrideClrMapping") is not None:
            return ""
        stated = next((one for layer in layers for one in layer._element.iterfind(f"{_SHOW}cSld/{_SHOW}bg")), None)
        if stated is None:
            return "FFFFFF"
        reference = stated.find(f"{_SHOW}bgRef")
        if reference is not None:
            return self.colour(reference) if reference.get("idx") == _PLAIN else ""
        return self.colour(stated.find(f"{_SHOW}bgPr/{_DRAWING}solidFill"))


def _named_colours(layers: list[Any], name: str) -> dict[str, str]:
    """The colours of the theme by the names that slides call them."""
    if not layers:
        return {}
    part = layers[-1].part
    found = {}
    for related in part.rels.values():
        if not related.reltype.endswith(_THEME) or related.is_external:
            continue
        try:
            scheme = parse_xml(related.target_part.blob, name).iterfind(f".//{_DRAWING}clrScheme/*")
        except ParseError:  # a damaged theme says nothing about the words
            continue
        for one in scheme:
            stated = one[0].get("lastClr") or one[0].get("val") or "" if len(one) else ""
            found[one.tag.removeprefix(_DRAWING)] = stated.upper()
    mapped = layers[-1]._element.find(f"{_SHOW}clrMap")
    return found | {key: found.get(value, "") for key, value in (mapped.attrib.items() if mapped is not None else ())}


def _coloured_places(layers: list[Any]) -> Iterator[tuple[Any, _Box | None]]:
    """What a slide, its layout and its master draw with a ground of its own, and where; None where that is unknown."""
    for layer in layers:
        for shape in layer.shapes:
            kind = str(shape._element.tag).rpartition("}")[2]
            fill = _fill_of(shape._element)
            if kind == "cxnSp" or (kind == "sp" and (fill is None or fill.tag == f"{_DRAWING}noFill")):
                continue
            if layer is layers[0] or not shape.is_placeholder:
                yield shape._element, _box_of(shape)
            else:  # what is in a placeholder of a slide has its fill
                yield shape._element, None
        if layer._element.get("showMasterSp") == "0":
            return


def _fill_of(shape: Any) -> Any:
    """The fill of a shape, or what it has of its theme; None where nothing is stated."""
    properties = shape.find(f"{_SHOW}spPr")
    own = None if properties is None else _fill_in(properties)
    reference = shape.find(f"{_SHOW}style/{_DRAWING}fillRef")
    return reference if own is None and reference is not None and reference.get("idx") != "0" else own


def _fill_in(properties: Any) -> Any:
    return next((one for tag in _FILLS for one in properties.iterfind(f"{_DRAWING}{tag}")), None)


def _box_of(shape: Any) -> _Box | None:
    sides = (shape.left, shape.top, shape.width, shape.height)
    if None in sides or getattr(shape, "rotation", False):
        return None
    return sides[0], sides[1], sides[0] + sides[2], sides[1] + sides[3]


def _meet(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
