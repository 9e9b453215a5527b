"""Reader of XML of any vocabulary: documents in reading order with their headings and tables, records as named values.

A file with text and elements side by side (`the <b>fee</b> is`) is a document: its paragraphs are read, without names
and attributes of elements. Any other is data: each record is a block of lines `name: value`, as a JSON file's is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.container import parse_xml
from ingest.parse.grid import GridCell
from ingest.parse.html import add_html, add_page
from ingest.parse.marks import raise_text
from ingest.parse.mathml import read_mathml
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_ENTITY = re.compile(rb"<!ENTITY", re.IGNORECASE)
_TAGS = """
    a abbr acronym article aside b big blockquote body br caption center cite code col dd del details div dl dt em
    figcaption figure font footer h1 h2 h3 h4 h5 h6 head header hr html i iframe img ins kbd li main mark nav ol p pre q
    s samp script section small span strike strong style sub summary sup table tbody td tfoot th thead tr tt u ul var
"""
_EMBEDDED = re.compile(rf"</?(?:{'|'.join(_TAGS.split())})(?:\s[^<>]{{0,2000}})?/?>|<!--", re.IGNORECASE)
"""Markup of HTML in the text of an element; other words in angle brackets are text."""
_PACKED = re.compile(r"\s*(?:[A-Za-z0-9+/]{48,}\s+){2,}[A-Za-z0-9+/=\s]*|\s*[A-Za-z0-9+/]{400,}={0,2}\s*")
"""Bytes in base64: pictures of books, and other files."""
_HEADINGS = frozenset({"title", "head", "heading", "subtitle"})
_TABLES = frozenset({"table", "tgroup", "simpletable"})
_ROWS = frozenset({"tr", "row", "sthead", "strow"})
_CELLS = frozenset({"td", "th", "entry", "cell", "stentry"})
_LINE_BREAKS = frozenset({"br", "lb", "linebreak"})
_NOT_SHOWN = frozenset({"style", "script", "indexterm"})
_BLOCKS = frozenset({
    "p", "para", "simpara", "list", "itemizedlist", "orderedlist", "simplelist", "variablelist", "ul", "ol", "dl", "lg",
    "item", "li", "listitem", "dt", "dd", "member", "l", "cmd", "blockquote", *_ROWS, *_CELLS,
})  # fmt: skip
_NOTES = frozenset({"note", "footnote", "fn", "endnote"})
_LONGEST_HEADING = 300
_OF_XML = ("{http://www.w3.org/XML/1998/namespace}", "{http://www.w3.org/2001/XMLSchema-instance}")


def read_xml(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read a document in its order, or the records of data. Raises ParseError `too_large` or `corrupt`."""
    if path.stat().st_size > min(limits.max_text_bytes * 2, limits.memory_bytes // 16):
        raise ParseError(
            "too_large",
            f"{name}: it is too large to be read at once. Split it, or raise FOOTNOTE_PARSING__MAX_OUTPUT_MB.",
        )
    data = path.read_bytes()
    root = _resolve_entities(data, name) if _ENTITY.search(data[:65_536]) else parse_xml(data, name)
    builder = TextBuilder()
    packed = [one for one in root.iter() if isinstance(one.tag, str) and is_packed(one.text or "")]
    for one in packed:
        one.text = None
    if packed:
        builder.add_note("object_not_read", f"Files inside ({len(packed)} in base64) were not read. Upload them alone.")
    hidden = 0
    if _name(root) == "svg":
        hidden = add_page(builder, _as_html(root))[1]
    elif any(_is_mixed(element) or _is_grid(element) for element in root.iter() if isinstance(element.tag, str)):
        _add_document(builder, root, 1)
    else:
        _add_records(builder, root)
    title = next((_words(one) for one in root.iter("{*}title", "{*}article-title") if len(one) or one.text), "")
    metadata = {"hidden_characters": str(hidden)} if hidden else {}
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def _as_html(root: Any) -> str:
    """The markup of a drawing as pages of HTML have it inside."""
    from lxml import etree

    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = _name(element)
    etree.cleanup_namespaces(root)
    return str(etree.tostring(root, encoding="unicode", method="html"))


def _resolve_entities(data: bytes, name: str) -> Any:
    """Parse XML with the entities that it declares itself.

    Raises ParseError `corrupt`, also for entities of other files and those that would make it many times larger.
    """
    from lxml import etree

    parser = etree.XMLParser(resolve_entities="internal", no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ParseError(
            "corrupt",
            f"{name}: its XML entities cannot be resolved ({str(error)[:160]}). Remove the declarations and retry.",
        ) from error


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""


def _is_mixed(element: Any) -> bool:
    """Whether text and elements stand side by side in the element."""
    inside = any(isinstance(child.tag, str) for child in element)
    return inside and any(part and part.strip() for part in (element.text, *(child.tail for child in element)))


def is_packed(text: str) -> bool:
    """Whether the text is bytes in base64, with capitals, small letters and digits; a sequence of genes has not."""
    marks = (str.isdigit, str.islower, str.isupper)
    return bool(_PACKED.fullmatch(text)) and all(any(map(mark, text[:400])) for mark in marks)


def _is_grid(element: Any) -> bool:
    """Whether the element is a table of cells, and not of records whose values have names."""
    return _name(element) in _TABLES and any(
        _name(one) in _CELLS and _name(one.getparent()) in _ROWS for one in element.iter()
    )


def _words(element: Any) -> str:
    """The words of an element and all inside it, on one line."""
    from lxml import etree

    parts: list[str] = []
    walk = etree.iterwalk(element, events=("start", "end", "comment", "pi"))
    for event, inner in walk:
        if event in ("comment", "pi"):
            parts.append(inner.tail or "")
        elif event == "start" and _name(inner) == "math":
            parts.append(read_mathml(inner).text)
            walk.skip_subtree()
        elif event == "start" and _name(inner) in _LINE_BREAKS:
            parts.append("\n")
        elif event == "start" and _name(inner) in _NOT_SHOWN:
            walk.skip_subtree()
        elif event == "start":
            kind, text = _name(inner), inner.text or ""
            marked = kind in ("sup", "sub", "superscript", "subscript")
            before = "".join(parts[-4:])
            parts.append(_room(inner, element, " (", inner.getprevious()))
            parts.append(raise_text(text, before, lowered=kind.startswith("sub")) if marked and text else text)
        elif event == "end" and inner is not element:
            parts.append(_room(inner, element, ")", inner.getnext()) + (inner.tail or ""))
    return clean_line(_EMBEDDED.sub(" ", "".join(parts)))


def _room(inner: Any, element: Any, bracket: str, beside: Any) -> str:
    """What parts an element from the words before or after it: a bracket of a note, a space of a block."""
    if inner is element or (beside is None and _name(inner.getparent()) in _NOTES):
        return ""
    return bracket if _name(inner) in _NOTES else " " if _name(inner) in _BLOCKS else ""


def _add_document(builder: TextBuilder, element: Any, level: int) -> None:
    """Add the blocks of an element: its headings, tables and paragraphs, then those of the elements inside."""
    inside = [child for child in element if isinstance(child.tag, str)]
    kind = _name(element)
    if kind in _NOT_SHOWN:
        return
    if not inside or _is_mixed(element):
        words = _words(element)
        if kind in _HEADINGS and len(words) <= _LONGEST_HEADING:
            builder.add_heading(level, words)
        else:
            builder.add_paragraph(words)
        return
    if kind in _TABLES and any(_name(one) in _ROWS for one in element.iter()):
        _add_table(builder, element)
        return
    deeper = level + 1 if any(_name(child) in _HEADINGS for child in inside) else level
    for child in inside:
        _add_document(builder, child, level if _name(child) in _HEADINGS else deeper)


def _add_table(builder: TextBuilder, table: Any) -> None:
    """Add a table of HTML, CALS, TEI or DITA, or of named values; what stands beside its rows are paragraphs."""
    for child in table:
        if _name(child) in (*_HEADINGS, "caption"):
            builder.add_paragraph(_words(child))
    columns = [str(one.get("colname") or "") for one in table.iter("{*}colspec")]
    rows: list[list[GridCell]] = []
    named = 0
    kinds = set()
    for row in (one for one in table.iter() if _name(one) in _ROWS):
        inside = [one for one in row if isinstance(one.tag, str)]
        if any(_name(one) in _CELLS for one in inside):  # beside marks of pages and lines
            inside = [one for one in inside if _name(one) in _CELLS or _words(one)]
        cells = inside or [row]
        kinds.add(tuple(map(_name, cells)))
        rows.append([GridCell(_words(cell), _down(cell), _across(cell, columns)) for cell in cells])
        is_label = _name(row) == "sthead" or row.get("role") == "label"
        named += is_label or any(_name(above) == "thead" for above in row.iterancestors())
    names = kinds.pop() if len(kinds) == 1 else ()
    if len(set(names)) > 1 and _CELLS.isdisjoint(names):
        rows.insert(0, [GridCell(name) for name in names])
        named = 1
    builder.add_grid(rows, named if named < len(rows) else 0)


def _down(cell: Any) -> int:
    return _count(cell.get("rowspan"), 0) or _count(cell.get("morerows"), 1) or 1


def _across(cell: Any, columns: list[str]) -> int:
    first, last = cell.get("namest"), cell.get("nameend")
    if first in columns and last in columns:
        return max(1, columns.index(last) - columns.index(first) + 1)
    return _count(cell.get("colspan"), 0) or 1


def _count(stated: str | None, more: int) -> int:
    return int(stated) + more if stated and stated.isdigit() and len(stated) < 6 else 0


def _add_records(builder: TextBuilder, element: Any) -> None:
    """Add a record as a block of lines; elements that are there several times are records of their own, below it."""
    lines, records = [], []
    pending = [(child, _name(child)) for child in reversed(element) if isinstance(child.tag, str)]
    lines += list(_attributes(element, ""))
    if not pending:
        lines.append(_value(element))
    repeated = _repeated(element)
    while pending:
        child, key = pending.pop()
        inside = [one for one in child if isinstance(one.tag, str)]
        if child.getparent() is element and _name(child) in repeated and (inside or child.attrib):
            records.append(child)
            continue
        if inside and _repeated(child):
            records.append(child)
            continue
        value = _value(child)
        if value and not inside:
            lines.append(f"{key}: {value}")
        lines += _attributes(child, key)
        pending.extend((one, f"{key}.{_name(one)}") for one in reversed(inside))
    builder.add_paragraph("\n".join(line for line in lines if line))
    for record in records:
        _add_records(builder, record)


def _repeated(element: Any) -> set[str]:
    counts = Counter(_name(child) for child in element if isinstance(child.tag, str))
    return {name for name, count in counts.items() if count > 1}


def _attributes(element: Any, key: str) -> Iterator[str]:
    for name, value in element.attrib.items():
        local = str(name).rpartition("}")[2]
        words = clean_line(str(value))
        if words and not str(name).startswith(_OF_XML):
            yield f"{key}.{local}: {words}" if key else f"{local}: {words}"


def _value(element: Any) -> str:
    text = "".join(element.itertext()) if not len(element) else element.text or ""
    if _EMBEDDED.search(text):  # a page inside a feed
        page = TextBuilder()
        add_html(page, text)
        text = page.text
    return "\n".join(line for line in map(clean_line, clean_text(text).split("\n")) if line)
