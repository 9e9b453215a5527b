"""Elements of HTML as a browser lays them out, whatever their names: a `span` of display `table-cell` is a cell.

page ─ open_shadows, join_ruby ─> page ─ Cascade ─> declarations ─ rename_elements ─> elements named by their layout
"""

from __future__ import annotations

import re
from typing import Any

from ingest.parse.directions import runs_left
from ingest.parse.grid import names_columns
from ingest.parse.unseen import Cascade, is_wide

_SHADOWS = ("open", "closed")
_BY_DISPLAY = {
    "table": "table", "inline-table": "table", "table-row": "tr", "table-cell": "td",
    "table-header-group": "thead", "table-row-group": "tbody", "table-footer-group": "tfoot",
}  # fmt: skip
_BY_ROLE = {
    "table": "table", "grid": "table", "treegrid": "table", "row": "tr", "rowgroup": "tbody",
    "cell": "td", "gridcell": "td", "columnheader": "th", "rowheader": "th",
}  # fmt: skip
_BLOCKS = frozenset({"block", "flex", "grid", "flow-root", "list-item", "table-caption"})
_FLEXIBLE = frozenset({"flex", "grid", "inline-flex", "inline-grid"})
_INLINE = frozenset({
    "span", "a", "b", "strong", "i", "em", "u", "small", "font", "label", "code", "time", "abbr", "cite", "mark",
})  # fmt: skip
_TABLE = frozenset({"table", "thead", "tbody", "tfoot", "tr", "td", "th"})
_ROWS, _CELLS = ("tr",), ("td", "th")
_STRUCTURE = ("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table")
_PLACES = ("grid-area", "grid-row", "grid-column")
_LONGEST_CELL = 80
_ARGUMENTS = r"\([^()]*\)"
_TRACK = re.compile(
    rf"repeat\(\s*(?P<times>[\w-]+)\s*,(?P<tracks>(?:[^()]|{_ARGUMENTS})*)\)|\[[^\]]*\]|[^\s()\[\]]+(?:{_ARGUMENTS})?"
)
""" A column of a grid, several equal ones, or the name of a line between two."""
_RAISED = {"super": "sup", "sub": "sub"}


def open_shadows(root: Any) -> None:
    """Put the contents of declarative shadow roots in the place of what their hosts hold, which goes into the slots."""
    for template in list(root.iter("template")):
        host = template.getparent()
        if template.get("shadowrootmode") not in _SHADOWS or host is None:
            continue
        slots = {slot.get("name") or "": slot for slot in reversed(list(template.iter("slot")))}
        given: dict[str, list[Any]] = {"": [host.text or ""]}
        for child in [one for one in host if one is not template]:
            given.setdefault(child.get("slot") or "", []).append(child)
            given[""].append(child.tail or "")
            host.remove(child)
            child.tail = None
        given[""].append(template.tail or "")
        host.text = template.tail = None
        for name, parts in given.items():
            if name in slots and any(part.strip() if isinstance(part, str) else True for part in parts):
                _fill(slots[name], parts)
        for sheet in list(template.iter("style")):  # holds in the shadow alone
            _take_out(sheet)
        template.tag = "div"


def _fill(slot: Any, parts: list[Any]) -> None:
    """Put elements and texts in the place of what a slot holds where nothing is given."""
    slot[:] = []
    slot.text = ""
    for part in parts:
        if not isinstance(part, str):
            slot.append(part)
        elif len(slot):
            slot[-1].tail = (slot[-1].tail or "") + part
        else:
            slot.text += part


def join_ruby(root: Any) -> None:
    """Put the readings of characters (`ruby`) in brackets behind the whole word, which stays in one piece."""
    waiting = ""
    for ruby in root.iter("ruby"):
        for part in list(ruby.iter("rt", "rp")):
            if part.tag == "rt":
                waiting += "".join(part.itertext()).strip()
            _take_out(part)
        after = ruby.getnext()
        if after is not None and after.tag == "ruby" and not (ruby.tail or "").strip():
            continue
        ruby.tail = (f"({waiting})" if waiting else "") + (ruby.tail or "")
        waiting = ""


def rename_elements(root: Any, cascade: Cascade) -> None:
    """Give elements the names of how they are laid out: tables by styles or roles, blocks, raised text.

    Tables that only frame other blocks become blocks, and what a flexible box holds is put in the order of its styles.
    Styles are looked up first, since selectors name elements and their places.
    """
    elements = [one for one in root.iter() if isinstance(one.tag, str)]
    styles = {one: cascade.rules(one) for one in elements}
    for one in elements:
        rules, tag = styles[one], one.tag
        if not len(one) and one.text and _runs_back(one, rules):
            one.text = one.text[::-1]
        if rules.get("display") in _FLEXIBLE and tag != "ol":  # whose numbers are those of the order in the page
            _put_in_order(one, rules, styles)
        if tag in _INLINE:
            _set_apart(one, rules, styles.get(one.getparent(), {}))
            raised = _RAISED.get(rules.get("vertical-align", ""))
            noted = one.get("role") == "doc-noteref" or "noteref" in (one.get("epub:type") or "").split()
            if raised or noted:
                one.tag = raised or "sup"
        elif tag == "table":
            _unframe(one)
    for one in elements:
        if one.tag in _TABLE:
            continue
        if _kind_of(one, styles[one]) == "table":
            _make_table(one, styles)
        elif rows := _rows_of_boxes(one, styles):
            _make_rows(one, rows)


def _put_in_order(box: Any, rules: dict[str, str], styles: dict[Any, dict[str, str]]) -> None:
    """Put the children of a flexible box in the order in which a browser shows them."""
    from lxml import etree

    stated = [styles.get(one, {}).get("order", "") for one in box]
    orders = [int(one) if re.fullmatch(r"-?\d{1,9}", one) else 0 for one in stated]
    direction = f"{rules.get('flex-direction', '')} {rules.get('flex-flow', '')}".split()
    turned = "flex" in rules["display"] and any(one in ("row-reverse", "column-reverse") for one in direction)
    if not turned and not any(orders):
        return
    items: list[tuple[int, Any]] = []
    for order, child, text in zip([0, *orders], [None, *box], [box.text, *(one.tail for one in box)], strict=True):
        if child is not None:
            child.tail = " "
            items.append((order, child))
        if text and text.strip():  # a child of its own
            items.append((0, etree.Element("span")))
            items[-1][1].text = f" {text} "
    box.text = None
    items.sort(key=lambda item: item[0])
    box[:] = [child for _order, child in (reversed(items) if turned else items)]


def _runs_back(element: Any, rules: dict[str, str]) -> bool:
    """Whether the letters of an element, which run from the left by themselves, are shown from the right."""
    stated = element.tag == "bdo" and (element.get("dir") or "").lower() == "rtl"
    styled = rules.get("direction") == "rtl" and rules.get("unicode-bidi", "").endswith("override")
    return (stated or styled) and not runs_left(element.text)


def _set_apart(element: Any, rules: dict[str, str], above: dict[str, str]) -> None:
    """Part the words of an inline element from those beside it, where its styles leave room between them."""
    display = rules.get("display", "")
    if display in _BLOCKS and element.tag == "span":
        element.tag = "div"
        return
    floats = rules.get("float") in ("left", "right")
    is_initial = rules.get("float") == "left" and _is_initial(element)
    placed = rules.get("position") in ("absolute", "fixed") or (floats and not is_initial)
    apart = placed or display in _BLOCKS or display.startswith("inline-") or above.get("display") in _FLEXIBLE
    if apart or is_wide(rules, "left"):
        element.text = " " + (element.text or "")
    tail = element.tail or ""
    goes_on = (tail or element.getnext() is not None) and tail[:1] not in tuple(".,;:!?)")
    if apart or (is_wide(rules, "right") and goes_on and not is_initial):
        element.tail = f" {tail}"


def _is_initial(element: Any) -> bool:
    """Whether the element is a large first letter, that the rest of its word stands beside."""
    letter = "".join(element.itertext()).strip()
    return len(letter) == 1 and letter.isalpha() and (element.tail or "")[:1].isalpha()


def _unframe(table: Any) -> None:
    """Make a table of one filled cell in each row, which holds headings, lists or tables, the blocks that it frames."""
    parts = [one for one in table.iter() if one.tag in _TABLE - {"table"} and _table_of(one) is table]
    cells = [one for one in parts if one.tag in _CELLS and "".join(one.itertext()).strip()]
    rows = [one.getparent() for one in cells]
    if len(set(rows)) < len(rows) or not any(True for cell in cells for _ in cell.iter(*_STRUCTURE)):
        return
    for one in (table, *parts):
        one.tag = "div"


def _table_of(element: Any) -> Any:
    return next(element.iterancestors("table"), None)


def _kind_of(element: Any, rules: dict[str, str]) -> str:
    """The name of a part of a table for an element that is one by its role or its styles, else an empty string."""
    return _BY_ROLE.get((element.get("role") or "").strip().lower()) or _BY_DISPLAY.get(rules.get("display", ""), "")


def _make_table(top: Any, styles: dict[Any, dict[str, str]]) -> None:
    """Name the parts of a table of values: of several rows of several cells, without headings and lists in them."""
    if any(True for _ in top.iter(*_STRUCTURE)):
        return
    inside = [one for one in top.iter() if one in styles and one is not top]
    kinds = {one: kind for one in inside if (kind := _kind_of(one, styles[one]))}
    widths: dict[Any, int] = {one: 0 for one, kind in kinds.items() if kind in _ROWS}
    for one, kind in kinds.items():
        row = next((above for above in one.iterancestors() if above in widths or above is top), None)
        if kind in _CELLS and row in widths:
            widths[row] += 1
    if "table" in kinds.values() or sum(width > 1 for width in widths.values()) < 2:
        return
    for one, kind in kinds.items():
        one.tag = kind
    top.tag = "table"


def _rows_of_boxes(top: Any, styles: dict[Any, dict[str, str]]) -> list[list[Any]]:
    """The cells of a table that is a grid of boxes, or one flexible box a row; none where it is no table of numbers."""
    inside = list(top)
    rows: list[list[Any]] = []
    if styles[top].get("display") in ("grid", "inline-grid"):
        width = _count_tracks(styles[top].get("grid-template-columns", ""))
        placed = any(styles.get(one, {}).get(name) for one in inside for name in _PLACES)
        if width > 1 and not placed and len(inside) % width == 0:
            rows = [inside[at : at + width] for at in range(0, len(inside), width)]
    elif len(inside) > 2 and all(styles.get(one, {}).get("display") == "flex" for one in inside):
        rows = [list(one) for one in inside]
    loose = [top.text, *(one.tail for one in inside), *(one.tail for row in rows for one in row)]
    if len(rows) < 3 or len(set(map(len, rows))) > 1 or any(text and text.strip() for text in loose):
        return []
    texts = [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in rows]
    short = all(len(text) <= _LONGEST_CELL for row in texts for text in row)
    plain = not any(True for row in rows for cell in row for _ in cell.iter(*_STRUCTURE))
    return rows if short and plain and len(rows[0]) > 1 and names_columns(texts) else []


def _count_tracks(template: str) -> int:
    """How many columns a template of a grid states; 0 where that depends on the room."""
    tracks = 0
    for found in _TRACK.finditer(template):
        if found["times"] is None:
            tracks += found[0][0] != "["
        elif not found["times"].isdigit():
            return 0
        else:
            tracks += int(found["times"]) * _count_tracks(found["tracks"])
    return tracks if template not in ("none", "subgrid") else 0


def _make_rows(top: Any, rows: list[list[Any]]) -> None:
    from lxml import etree

    flexible = rows[0][0].getparent() is not top
    top.tag = "table"
    for row in rows:
        line = row[0].getparent() if flexible else etree.SubElement(top, "tr")
        line.tag = "tr"
        for cell in row:
            cell.tag = "td"
            line.append(cell)


def _take_out(element: Any) -> None:
    """Remove an element, but not the text behind it."""
    above, before, tail = element.getparent(), element.getprevious(), element.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + tail
    elif above is not None:
        above.text = (above.text or "") + tail
    if above is not None:
        element.tail = None
        above.remove(element)
