"""Reader of DOCX: mammoth converts it to HTML. The only home of mammoth."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.container import broken, open_container, parse_xml, read_part
from ingest.parse.html import add_page
from ingest.parse.office import core_properties
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_NESTED = 1_000
_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='heading 7'] => h6:fresh
p[style-name='heading 8'] => h6:fresh
"""


def read_docx(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the headings, paragraphs, lists, tables and notes of a Word file, in their order."""
    import mammoth

    with open_container(path, name, limits) as archive:
        main = "word/document.xml"
        source: Any = path
        hidden = 0
        if main in archive.namelist():
            data = read_part(archive, main, name)
            _check_depth(data, name)
            changed, hidden = _prepare_parts(archive, main, data, name)
            if changed:
                source = _copy_with(archive, changed, name)
        metadata, title = core_properties(archive, name)
    opened = source if isinstance(source, io.BytesIO) else path.open("rb")
    try:
        with opened:
            result = mammoth.convert_to_html(
                opened, convert_image=mammoth.images.img_element(lambda _image: {"src": ""}), style_map=_STYLES
            )
    except (KeyError, ValueError, AttributeError, TypeError, IndexError, zipfile.BadZipFile, OSError) as error:
        raise broken(name, error) from error
    builder = TextBuilder()
    hidden += add_page(builder, result.value)[1]
    if hidden:
        metadata["hidden_characters"] = str(hidden)
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def _check_depth(data: bytes, name: str) -> None:
    """Raise ParseError for markup nested too deeply for the readers."""
    from lxml import etree

    depth = 0
    try:
        for event, element in etree.iterparse(
            io.BytesIO(data),
            events=("start", "end"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,
        ):
            depth += 1 if event == "start" else -1
            if event == "end":
                element.clear()
            if depth > _NESTED:
                raise ParseError(
                    "corrupt",
                    f"{name}: its markup is nested more than {_NESTED} deep. Save it again in its program.",
                )
    except etree.XMLSyntaxError as error:
        raise broken(name, error) from error


_BODIES = ("word/footnotes.xml", "word/endnotes.xml")
_HIDING_MARKS = re.compile(rb'vanish|w:val="[fF]{6}"|w:sz w:val="[0-2]"')
_NO_HALF_POINTS = 2


def _prepare_parts(archive: zipfile.ZipFile, main: str, data: bytes, name: str) -> tuple[dict[str, bytes], int]:
    """The parts to replace before mammoth reads the file, by name, and the number of hidden characters."""
    from lxml import etree

    changed: dict[str, bytes] = {}
    hidden = 0
    styles = _hidden_styles(archive, name)
    parts = {main: data, **{part: read_part(archive, part, name) for part in _BODIES if part in archive.namelist()}}
    for part, source in parts.items():
        formulas = b"oMath" in source
        if not (formulas or styles or _HIDING_MARKS.search(source)):
            continue
        root = parse_xml(source, name)
        left_out = _drop_hidden_runs(root, styles)
        if formulas:
            _spell_formulas(root)
        if formulas or left_out:
            changed[part] = etree.tostring(root)
        hidden += left_out
    return changed, hidden


def _hidden_styles(archive: zipfile.ZipFile, name: str) -> frozenset[str]:
    """The ids of the styles whose text Word hides, including styles based on them."""
    if "word/styles.xml" not in archive.namelist():
        return frozenset()
    data = read_part(archive, "word/styles.xml", name)
    if b"vanish" not in data:
        return frozenset()
    stated: dict[str, bool | None] = {}
    based_on: dict[str, str] = {}
    for style in parse_xml(data, name).iter(f"{_WORD}style"):
        key = style.get(f"{_WORD}styleId") or ""
        stated[key] = _switch(style.find(f"{_WORD}rPr"), "vanish")
        base = style.find(f"{_WORD}basedOn")
        if base is not None:
            based_on[key] = base.get(f"{_WORD}val") or ""
    hidden = set()
    for key in stated:
        at, seen = key, {key}
        while stated.get(at) is None and at in based_on and based_on[at] not in seen:
            at = based_on[at]
            seen.add(at)
        if stated.get(at):
            hidden.add(key)
    return frozenset(hidden)


def _switch(properties: Any, tag: str) -> bool | None:
    """The value of an on/off property; None when it is not set."""
    mark = None if properties is None else properties.find(f"{_WORD}{tag}")
    return None if mark is None else (mark.get(f"{_WORD}val") or "true").lower() not in ("0", "false", "off")


def _drop_hidden_runs(root: Any, styles: frozenset[str]) -> int:
    """Empty the runs that are invisible: hidden, of size 0, white on white. Returns the number of their characters."""
    hidden = 0
    for run in list(root.iter(f"{_WORD}r")):
        words = "".join(text.text or "" for text in run.iter(f"{_WORD}t"))
        if words and _is_hidden_run(run, styles):
            hidden += len(clean_line(words))
            for text in list(run.iter(f"{_WORD}t")):
                text.text = ""
    return hidden


def _is_hidden_run(run: Any, styles: frozenset[str]) -> bool:
    properties = run.find(f"{_WORD}rPr")
    stated = _switch(properties, "vanish")
    if stated is not None:
        return stated
    paragraph = next(run.iterancestors(f"{_WORD}p"), None)
    block = None if paragraph is None else paragraph.find(f"{_WORD}pPr")
    if styles and not styles.isdisjoint((_value(properties, "rStyle"), _value(block, "pStyle"))):
        return True
    if properties is None:
        return False
    size = _value(properties, "sz")
    if size.isdigit() and int(size) <= _NO_HALF_POINTS:
        return True
    if _value(properties, "color").upper() != "FFFFFF":
        return False
    # the background of a cell, a text box or a styled paragraph may be dark
    behind = (f"{_WORD}tc", f"{_WORD}txbxContent")
    shaded = any(
        part.find(f"{_WORD}{tag}") is not None
        for part in (properties, block)
        if part is not None
        for tag in ("shd", "highlight")
    )
    styled = bool(_value(block, "pStyle") or _value(properties, "rStyle"))
    return not (shaded or styled or any(True for _ in run.iterancestors(*behind)))


def _value(properties: Any, tag: str) -> str:
    mark = None if properties is None else properties.find(f"{_WORD}{tag}")
    return "" if mark is None else mark.get(f"{_WORD}val") or ""


def _spell_formulas(root: Any) -> None:
    """Add a run with the characters of each formula, since mammoth skips formulas."""
    from lxml import etree

    for formula in list(root.iter(f"{_MATH}oMath")):
        words = "".join(part.text or "" for part in formula.iter(f"{_MATH}t"))
        parent = formula.getparent()
        if parent is None:
            continue
        run = etree.Element(f"{_WORD}r")
        text = etree.SubElement(run, f"{_WORD}t")
        text.text = f" {words} "
        text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
        if parent.tag == f"{_MATH}oMathPara":
            outer = parent.getparent()
            if outer is None:
                continue
            parent.addprevious(run)
        else:
            formula.addprevious(run)


def _copy_with(archive: zipfile.ZipFile, changed: dict[str, bytes], name: str) -> io.BytesIO:
    """A copy of the container's XML parts, with the `changed` parts replaced."""
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as written:
        for entry in archive.infolist():
            if entry.filename in changed:
                written.writestr(entry.filename, changed[entry.filename])
            elif entry.filename.lower().endswith((".xml", ".rels")):
                written.writestr(entry.filename, read_part(archive, entry.filename, name))
    copy.seek(0)
    return copy
