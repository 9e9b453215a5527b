"""Office files that are one XML file, as the containers that they stand for: Flat OPC, and the XML of Office 2003.

one XML file ─ pack_flat ─> the bytes of a DOCX, PPTX or XLSX container, for the readers of those
"""

from __future__ import annotations

import base64
import binascii
import datetime
import io
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from ingest.parse.container import broken, parse_xml

PACKAGE = "http://schemas.microsoft.com/office/2006/xmlPackage"
WORDML = "http://schemas.microsoft.com/office/word/2003/wordml"
SHEETS = "urn:schemas-microsoft-com:office:spreadsheet"
_W, _SS = f"{{{WORDML}}}", f"{{{SHEETS}}}"
_AUX = "{http://schemas.microsoft.com/office/word/2003/auxHint}"
_AML = "{http://schemas.microsoft.com/aml/2001/core}"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_R = f"{{{_KINDS}}}"
_TYPES_OF_PARTS = "{http://schemas.openxmlformats.org/package/2006/content-types}"
_NOTES = {"footnote": "footnotes", "endnote": "endnotes"}
_FORMATS = {
    **dict.fromkeys(("Long Date", "Medium Date", "Short Date"), "yyyy-mm-dd"), "General Date": "yyyy-mm-dd h:mm",
    **dict.fromkeys(("Long Time", "Medium Time"), "h:mm:ss"), "Short Time": "h:mm", "Percent": "0.00%",
    **dict.fromkeys(("Currency", "Standard", "Fixed"), "#,##0.00"), "Euro Currency": "[$€-2]#,##0.00",
    "Yes/No": '"Yes";"Yes";"No"', "True/False": '"True";"True";"False"', "On/Off": '"On";"On";"Off"',
    "Scientific": "0.00E+00", "General Number": "General",
}  # fmt: skip
"""Formats of Excel 2003 that have names, without the currency and the order of dates of the reader's country."""
_TYPES = {"Number": "n", "Boolean": "b", "Error": "e"}
_EPOCH = datetime.datetime(1899, 12, 30)
_NO_LEAP_DAY = 60.0  # the serial of 29 February 1900, which spreadsheets count and which never was
_MOST_AT, _MOST_COLUMNS = 1_048_576, 16_384
_Parts = dict[str, bytes]


def pack_flat(data: bytes, name: str) -> io.BytesIO:
    """The container of a flat file. Raises ParseError `corrupt` for XML that is none."""
    root = parse_xml(data, name)
    packers: dict[str, Callable[[Any], _Parts]] = {
        f"{{{PACKAGE}}}package": _pack_parts,
        f"{_W}wordDocument": _pack_word,
        f"{_SS}Workbook": _pack_workbook,
    }
    pack = packers.get(str(root.tag))
    if pack is None:
        raise broken(name, ValueError("it is no Office file"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for part, written in pack(root).items():
            archive.writestr(part, written)
    return packed


def _pack_parts(root: Any) -> _Parts:
    """The parts of Flat OPC, which are XML or base64."""
    from lxml import etree

    parts: _Parts = {}
    types = etree.Element(f"{_TYPES_OF_PARTS}Types")
    for part in root.iterfind("{*}part"):
        place, kind = part.get(f"{{{PACKAGE}}}name") or "", part.get(f"{{{PACKAGE}}}contentType") or ""
        tree, binary = part.find("{*}xmlData/*"), part.findtext("{*}binaryData")
        if tree is not None:
            parts[place.lstrip("/")] = etree.tostring(tree)
        elif binary:
            try:
                parts[place.lstrip("/")] = base64.b64decode(binary)
            except binascii.Error:  # a damaged picture says nothing about the words
                continue
        etree.SubElement(types, f"{_TYPES_OF_PARTS}Override", PartName=place, ContentType=kind)
    parts["[Content_Types].xml"] = etree.tostring(types)
    return parts


class _Package:
    """Parts in the making: `add` gives a part a relation from another one, and returns the part's name, its id."""

    def __init__(self, main: str) -> None:
        self.parts: _Parts = {}
        self._main = main
        self._relations: dict[str, list[tuple[str, str]]] = defaultdict(list)

    def add(self, kind: str, root: Any, source: str = "") -> str:
        """Write a part of this kind of relation, from the main part or from the one of the name `source`."""
        folder, _, main = self._main.rpartition("/")
        leaf = f"{kind}{len(self.parts) + 1}.xml"
        self._relations[f"{folder}/_rels/{source or main}.rels"].append((kind, leaf))
        self._write(f"{folder}/{leaf}", root)
        return leaf

    def close(self, root: Any) -> _Parts:
        """The parts, with the main one and the relations."""
        from lxml import etree

        self._write(self._main, root)
        self._relations["_rels/.rels"].append(("officeDocument", self._main))
        for part, related in self._relations.items():
            relations = etree.Element("Relationships")
            for kind, leaf in related:
                etree.SubElement(relations, "Relationship", Id=leaf, Type=f"{_KINDS}/{kind}", Target=leaf)
            self._write(part, relations)
        return self.parts

    def _write(self, part: str, root: Any) -> None:
        from lxml import etree

        self.parts[part] = etree.tostring(root).replace(WORDML.encode(), _WORD.encode())


def _pack_word(root: Any) -> _Parts:
    """Word 2003 has notes, comments and headers where they are referred to, and the printed numbers of lists."""
    from lxml import etree

    package = _Package("word/document.xml")
    for change in list(root.iter(f"{_AML}annotation")):
        kind = (change.get(f"{_W}type") or "").removeprefix("Word.")
        if kind == "Comment":
            change.tag = f"{_W}comment"
            change.set(f"{_W}author", change.get(f"{_AML}author") or "")
        else:
            change.tag = _W + {"Deletion": "del", "Insertion": "ins"}.get(kind, "annotation")
    etree.strip_tags(root, f"{_AUX}sect", f"{_AUX}sub-section", f"{_AML}content")
    for kind, plural in (*_NOTES.items(), ("comment", "comments")):
        notes = etree.Element(_W + plural)
        for number, note in enumerate(list(root.iterfind(f".//{_W}r/{_W}{kind}")), 1):
            reference = etree.Element(f"{_W}{kind}Reference", {f"{_W}id": str(number)})
            note.getparent().replace(note, reference)
            note.set(f"{_W}id", str(number))
            notes.append(note)
        if len(notes):
            package.add(plural, notes)
    for short, kind in (("hdr", "header"), ("ftr", "footer")):
        for margin in list(root.iterfind(f".//{_W}sectPr/{_W}{short}")):
            shown_on = margin.get(f"{_W}type") or "odd"
            section = margin.getparent()
            stated = {f"{_W}type": "default" if shown_on == "odd" else shown_on}
            section.remove(margin)
            etree.SubElement(section, f"{_W}{kind}Reference", {**stated, f"{_R}id": package.add(kind, margin)})
    for mark in root.iterfind(f".//{_W}listPr/{_AUX}t"):
        block = mark.getparent().getparent()
        run = etree.Element(f"{_W}r")
        etree.SubElement(run, f"{_W}t").text = f"{mark.get(f'{_AUX}val') or ''} "
        block.addnext(run)
    styles = root.find(f"{_W}styles")
    if styles is not None:
        package.add("styles", styles)
    return package.close(root)


def _pack_workbook(root: Any) -> _Parts:
    from lxml import etree

    package = _Package("xl/workbook.xml")
    styles, numbers = _workbook_styles(root)
    package.add("styles", styles)
    book = etree.Element(f"{{{_SHEET}}}workbook")
    sheets = etree.SubElement(book, "sheets")
    for sheet in root.iterfind(f"{_SS}Worksheet"):
        visible = next((one.text for one in sheet.iterfind("{*}WorksheetOptions/{*}Visible")), "") or ""
        state = "hidden" if visible.startswith("Sheet") and "Hidden" in visible else "visible"
        key = package.add("worksheet", _worksheet(sheet, numbers))
        comments = _comments(sheet)
        if len(comments):
            package.add("comments", comments, key)
        etree.SubElement(sheets, "sheet", {"name": sheet.get(f"{_SS}Name") or "", "state": state, f"{_R}id": key})
    return package.close(book)


def _workbook_styles(root: Any) -> tuple[Any, dict[str, int]]:
    """The styles of the workbook in the usual form, and the number of each by its id."""
    from lxml import etree

    styles = etree.Element(f"{{{_SHEET}}}styleSheet")
    formats, fonts, crossed = (etree.SubElement(styles, tag) for tag in ("numFmts", "fonts", "cellXfs"))
    numbers: dict[str, int] = {}
    stated = {one.get(f"{_SS}ID") or "": one for one in root.iterfind(f"{_SS}Styles/{_SS}Style")}
    for key in ("", *stated):
        number = numbers[key] = len(crossed)
        code, font = _stated(stated, key, "NumberFormat", "Format"), _stated(stated, key, "Font", "FontName")
        shape = etree.SubElement(fonts, "font")
        etree.SubElement(shape, f"{{{_SHEET}}}name", val=font)
        if _stated(stated, key, "Font", "StrikeThrough") == "1":
            etree.SubElement(shape, "strike")
        form = _FORMATS.get(code, code) or "General"
        etree.SubElement(formats, "numFmt", numFmtId=str(1_000 + number), formatCode=form)
        etree.SubElement(crossed, "xf", numFmtId=str(1_000 + number), fontId=str(number))
    return styles, numbers


def _stated(styles: dict[str, Any], style: str, part: str, key: str) -> str:
    """What a style states, or else those that it is made from."""
    seen = set()
    while style in styles and style not in seen:
        seen.add(style)
        found = styles[style].find(_SS + part)
        if found is not None and (value := found.get(_SS + key)):
            return str(value)
        style = styles[style].get(f"{_SS}Parent") or ""
    return ""


def _worksheet(sheet: Any, styles: dict[str, int]) -> Any:
    from lxml import etree

    written = etree.Element(f"{{{_SHEET}}}worksheet")
    columns, rows, merged = (etree.SubElement(written, tag) for tag in ("cols", "sheetData", "mergeCells"))
    named: dict[int, str] = {}
    for at, column in _placed(sheet.iterfind(f"{_SS}Table/{_SS}Column"), "Span"):
        last = min(at + _count(column, "Span"), _MOST_COLUMNS)
        named |= dict.fromkeys(range(at, last + 1), column.get(f"{_SS}StyleID") or "Default")
        if column.get(f"{_SS}Hidden") == "1":
            etree.SubElement(columns, "col", min=str(at), max=str(last), hidden="1")
    for number, row in _rows(sheet):
        line = etree.SubElement(rows, "row", r=str(number), hidden=row.get(f"{_SS}Hidden") or "0")
        for at, cell in _cells(row):
            place = f"{_letters(at)}{number}"
            key = cell.get(f"{_SS}StyleID") or row.get(f"{_SS}StyleID") or named.get(at, "Default")
            style = styles.get(key, 0)
            _add_cell(etree.SubElement(line, "c", r=place, s=str(style)), cell)
            right, below = at + _count(cell, "MergeAcross"), number + _count(cell, "MergeDown")
            if (right, below) != (at, number):
                etree.SubElement(merged, "mergeCell", ref=f"{place}:{_letters(right)}{below}")
    return written


def _comments(sheet: Any) -> Any:
    """The comments on the cells of a sheet, in the usual form."""
    from lxml import etree

    written = etree.Element(f"{{{_SHEET}}}comments")
    authors, comments = (etree.SubElement(written, tag) for tag in ("authors", "commentList"))
    for number, row in _rows(sheet):
        for at, cell in _cells(row):
            for remark in cell.iterfind(f"{_SS}Comment"):
                one = etree.SubElement(comments, "comment", ref=f"{_letters(at)}{number}", authorId=str(len(authors)))
                etree.SubElement(authors, "author").text = remark.get(f"{_SS}Author")
                etree.SubElement(etree.SubElement(one, "text"), "t").text = "".join(remark.itertext())
    return written


def _rows(sheet: Any) -> Iterator[tuple[int, Any]]:
    return _placed(sheet.iterfind(f"{_SS}Table/{_SS}Row"), "Span")


def _cells(row: Any) -> Iterator[tuple[int, Any]]:
    return _placed(row.iterfind(f"{_SS}Cell"), "MergeAcross")


def _add_cell(written: Any, cell: Any) -> None:
    from lxml import etree

    data = cell.find(f"{_SS}Data")
    value = "" if data is None else "".join(data.itertext())
    kind = "String" if data is None else data.get(f"{_SS}Type") or "String"
    moment = _serial(value) if kind == "DateTime" else None
    if kind == "String":
        written.set("t", "inlineStr")
        etree.SubElement(etree.SubElement(written, "is"), "t").text = value
        return
    written.set("t", _TYPES.get(kind, "n" if moment is not None else "d"))
    etree.SubElement(written, "v").text = value if moment is None else repr(moment)


def _serial(value: str) -> float | None:
    """The moment as spreadsheets count it: days since the end of 1899; None for what is no moment."""
    try:
        days = (datetime.datetime.fromisoformat(value) - _EPOCH) / datetime.timedelta(days=1)
        return days - (days <= _NO_LEAP_DAY)
    except (ValueError, TypeError):
        return None


def _placed(elements: Iterator[Any], span: str) -> Iterator[tuple[int, Any]]:
    """Each element with its 1-based place: the one that it states, or the next one."""
    at = 0
    for element in elements:
        at = _count(element, "Index") or at + 1
        if at > _MOST_AT:
            return
        yield at, element
        at += _count(element, span)


def _count(element: Any, key: str) -> int:
    stated = element.get(_SS + key) or ""
    return int(stated) if stated.isdigit() and len(stated) < 8 else 0


def _letters(column: int) -> str:
    name = ""
    while column:
        column, letter = divmod(column - 1, 26)
        name = chr(65 + letter) + name
    return name
