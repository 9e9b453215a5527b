"""Reader of PDF: pdfium for words, boxes, outline and rendered pages; pypdf for pages where pdfium finds no text.

    characters ─ _collect_words ─> words with boxes ─ compose ─> text, headings, tables, pages

Runs only inside the fence. The only home of pypdfium2 and pypdf, with `sight.py`.
"""

from __future__ import annotations

import ctypes
import io
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.files import clean_name
from ingest.parse import layout
from ingest.parse.build import TextBuilder, clean_text
from ingest.parse.directions import read_from_right, runs_left
from ingest.parse.limits import MOST_FILES
from ingest.parse.lines import PageWord, PageWords
from ingest.parse.marks import raise_text
from ingest.parse.members import Members, TooMuch
from ingest.parse.ruled import Rule
from ingest.parse.sight import (
    LEAST_ADVANCE,
    MOST_OBJECTS,
    Doubt,
    find_overwritten,
    find_unmapped,
    find_unseen,
    read_doubt,
)
from ingest.parse.strokes import insert_signs, read_strokes
from ingest.parse.ticks import LARGEST, SMALLEST, Box, Point, Shape, find_ticks
from rag.errors import NotFound, ParseError
from rag.types import Document, Note, PageSource

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_MAX_PIXELS = 4_096
_MIN_DPI, _MAX_DPI = 10, 600
_SECOND_OPINIONS = 40
_LOOKED_AT = 3  # pages, for signs without letters: looking takes up to 10 ms a page
_METADATA_BYTES = 1 << 16
_OUTLINE_ITEMS = 20_000
_ANNOTATIONS = 2_000  # of a page
_OPTIONS = 1_000  # of a field of choice
_SEGMENTS = 4_000  # of a path
_RULE_WIDTH, _RULE_LENGTH = 3.0, 5.0  # points
_PASSWORD_FLAG = 1 << 13
_SCANNED = 0.3  # share of a page that a picture covers where few words stand beside it
_FEW_LETTERS = 200
_GARBLED = 0.3
_SAME = 0.3  # points
_MARKS = frozenset("0123456789+-−(*†")  # what marks of notes and exponents begin or follow
_BESIDE = 24.0  # points between a box to tick and the label behind it
_SMALLEST_PICTURE = 36.0  # points of a side: half an inch, as in Office files
_WORDS_OVER = 3
_WORD_GAP = 0.12  # heights of a line
_buffers: list[Any] = []
"""Buffers that must outlive the documents pdfium reads from them; the process ends after one file."""


def read_pdf(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the text of the PDF in reading order, with word boxes, headings and tables. Raises ParseError."""
    import pypdfium2.raw as pdfium

    try:
        pdf = _open(path, name)
    except ParseError as error:
        if error.code != "corrupt":
            raise
        return _read_without_pdfium(path, name, media_type, limits, error)
    try:
        count = pdfium.FPDF_GetPageCount(pdf)
        if count > limits.max_pages:
            count = _count_real_pages(pdf, limits.max_pages, name)
        if count < 1:
            raise ParseError("corrupt", f"{name}: it has no pages. Save it again in its program and retry.")
        pages: list[PageWords] = []
        unread = 0
        form = _open_form(pdf)
        for index in range(count):
            lacks = index < _LOOKED_AT or any(page.mended for page in pages[:_LOOKED_AT])
            page = _read_page(pdf, index, form, lacks=lacks)
            if page is None:
                unread += 1
                page = PageWords(index + 1, 0.0, 0.0, [], 0, "unreadable")
            pages.append(page)
        if unread == count:
            raise ParseError(
                "corrupt",
                f"{name}: none of its {count} pages can be loaded. Save it again in its program and retry.",
            )
        title, metadata = _read_metadata(pdf)
        opinions = _ask_pypdf(path, [page.number for page in pages if not page.words and not page.hidden])
        pages = [_take_opinion(page, opinions.get(page.number, "")) for page in pages]
        pages = _recognise_pictures(pdf, pages, limits)
        hidden = sum(page.hidden for page in pages)
        empty = [page for page in pages if not page.words]
        told = TextBuilder()
        attached = _take_attachments(pdf, told, limits)
        if len(empty) == len(pages) and attached:  # a portfolio: its one page asks for another program, or is blank
            pages[0] = _take_opinion(pages[0], f"Attachments: {', '.join(attached)}")
        elif len(empty) == len(pages):
            what = f"its {count} pages have" if count > 1 else "its one page has"
            raise ParseError(
                "no_text",
                f"{name}: {what} no text layer; blank or scanned"
                + next((f" ({page.trouble})" for page in empty if page.trouble), "")
                + ". Run OCR on it (for example `ocrmypdf in.pdf out.pdf`) and upload the result.",
            )
        metadata["pages"] = str(count)
        if empty:
            metadata["pages_without_text"] = str(len(empty))
        if hidden:
            metadata["hidden_characters"] = str(hidden)
        document = layout.compose(
            pages, _read_outline(pdf), name=name, media_type=media_type, title=title, metadata=metadata
        )
        if pdfium.FPDF_GetFormType(pdf) == pdfium.FORMTYPE_XFA_FULL:
            told.add_note(
                "part_left_out", "Its pages are a form (XFA) that only Adobe's programs show. Print it to PDF."
            )
        return replace(document, notes=(*document.notes, *told.notes))
    finally:
        pdfium.FPDF_CloseDocument(pdf)


def read_attachments(path: Path, name: str, limits: Limits) -> tuple[Note, ...]:
    """Take out the files that are attached to a PDF, without reading it; returns notes on those that were not."""
    import pypdfium2.raw as pdfium

    pdf = _open(path, name)
    try:
        told = TextBuilder()
        _take_attachments(pdf, told, limits)
        return told.notes
    finally:
        pdfium.FPDF_CloseDocument(pdf)


def _take_attachments(pdf: Any, told: TextBuilder, limits: Limits) -> list[str]:
    """Take out the files that are attached; returns their names."""
    import pypdfium2.raw as pdfium

    members = Members(told, limits, "attachment")
    names = []
    for index in range(min(pdfium.FPDFDoc_GetAttachmentCount(pdf), MOST_FILES)):
        held = pdfium.FPDFDoc_GetAttachment(pdf, index)
        name = clean_name(_wide(partial(pdfium.FPDFAttachment_GetName, held), pdfium.FPDF_WCHAR) or "attachment")
        members.add(name, _content_of(held, limits.memory_bytes // 8))
        names.append(name)
    return names


def _content_of(attachment: Any, most: int) -> Iterator[bytes]:
    """The bytes of an attached file. Raises TooMuch for more than `most`."""
    import pypdfium2.raw as pdfium

    size = ctypes.c_ulong()
    pdfium.FPDFAttachment_GetFile(attachment, None, 0, ctypes.byref(size))
    if size.value > most:
        raise TooMuch(f"it is larger than {most >> 20} MiB")
    content = ctypes.create_string_buffer(max(1, size.value))
    pdfium.FPDFAttachment_GetFile(attachment, content, size.value, ctypes.byref(size))
    yield content.raw[: size.value]


def _recognise_pictures(pdf: Any, pages: list[PageWords], limits: Limits) -> list[PageWords]:
    """The pages, with recognised words for those without usable text of their own."""
    wanted = [index for index, page in enumerate(pages) if page.width > 0 and _needs_ocr(page)]
    if not wanted:
        return pages
    import pypdfium2.raw as pdfium

    from ingest.parse.ocr import LONGEST_SIDE, OcrUnavailable, open_recogniser

    read = list(pages)
    try:
        recogniser = open_recogniser(limits)
    except OcrUnavailable as error:
        for index in wanted:
            if not pages[index].words:
                read[index] = pages[index]._replace(trouble=f"it is a picture without a text layer, and {error}")
        return read
    import numpy as np

    for index in wanted:
        own = pages[index]
        page = pdfium.FPDF_LoadPage(pdf, index)
        if not page:
            continue
        try:
            scale = LONGEST_SIDE / max(own.width, own.height)
            across, down = max(1, round(own.width * scale)), max(1, round(own.height * scale))
            pixels, stride = _draw(page, across, down)
        finally:
            pdfium.FPDF_ClosePage(page)
        picture = np.frombuffer(pixels, np.uint8).reshape(down, stride // 4, 4)[:, :across, :3]
        found = recogniser.read(np.ascontiguousarray(picture), own.number, own.width, own.height)
        letters = _count_letters(own.words)
        if not own.words or (found.words and (_count_letters(found.words) > 1.5 * letters or _is_garbled(own.words))):
            read[index] = found._replace(hidden=own.hidden)
    return read


def _needs_ocr(page: PageWords) -> bool:
    """Whether a page may show words that its text lacks: it is a picture without text, with few or garbled words."""
    if not page.words:
        return page.source == "unreadable"
    return page.pictured >= _SCANNED or _is_garbled(page.words)


def _count_letters(words: list[PageWord]) -> int:
    return sum(map(str.isalnum, "".join(word.text for word in words)))


def _is_garbled(words: list[PageWord]) -> bool:
    """Whether the font gives no characters for its shapes: replacement characters and private ones."""
    text = "".join(word.text for word in words)
    private = sum(1 for character in text if character == "\ufffd" or "\ue000" <= character <= "\uf8ff")
    return len(text) > 20 and private > _GARBLED * len(text)


def _find_pictures(page: Any, frame: _Frame) -> list[Box]:
    """The visible parts of the page's pictures."""
    import pypdfium2.raw as pdfium

    sides = [ctypes.c_float() for _ in range(4)]
    found = []
    for index in range(min(pdfium.FPDFPage_CountObjects(page), MOST_OBJECTS)):
        item = pdfium.FPDFPage_GetObject(page, index)
        if pdfium.FPDFPageObj_GetType(item) == pdfium.FPDF_PAGEOBJ_IMAGE and pdfium.FPDFPageObj_GetBounds(
            item, *map(ctypes.byref, sides)
        ):
            found.append(frame.cut(*frame.turn(*(side.value for side in sides))))
    return [box for box in found if box]


def _is_unread(picture: Box, words: list[Point]) -> bool:
    """Whether a picture is large enough to show words, and has none over it, as a searchable scan has."""
    x0, y0, x1, y1 = picture
    if min(x1 - x0, y1 - y0) < _SMALLEST_PICTURE:
        return False
    return sum(x0 <= x <= x1 and y0 <= y <= y1 for x, y in words) < _WORDS_OVER


def _open(path: Path, name: str) -> Any:
    """Open the file with pdfium and return its handle. Raises ParseError `encrypted` or `corrupt`."""
    import pypdfium2  # noqa: F401  (initialises pdfium)
    import pypdfium2.raw as pdfium

    pdf = pdfium.FPDF_LoadDocument(os.fsencode(path) + b"\0", None)
    if pdf:
        return pdf
    code = pdfium.FPDF_GetLastError()
    if code == pdfium.FPDF_ERR_FORMAT:
        # pdfium looks for the header only in the first 1,024 bytes; mail gateways and old servers may prepend more.
        data = path.read_bytes()
        start = data.find(b"%PDF-")
        if start > 0:
            kept = ctypes.create_string_buffer(data[start:], len(data) - start)
            pdf = pdfium.FPDF_LoadMemDocument64(kept, len(data) - start, None)
            if pdf:
                _buffers.append(kept)
                return pdf
    if code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
        raise ParseError(
            "encrypted", f"{name}: it needs a password to be opened. Save it without one and upload it again."
        )
    raise ParseError(
        "corrupt",
        f"{name}: it begins like a PDF but is damaged or cut off, so it cannot be opened. Copy or download it again.",
    )


def _count_real_pages(pdf: Any, most: int, name: str) -> int:
    """Count the pages that exist, when the file states more than `most`. Raises ParseError `too_large`."""
    import pypdfium2.raw as pdfium

    stated = pdfium.FPDF_GetPageCount(pdf)
    probe = pdfium.FPDF_LoadPage(pdf, most)
    if probe:
        pdfium.FPDF_ClosePage(probe)
        raise ParseError(
            "too_large",
            f"{name}: it has {stated} pages, more than {most}. Split it, or raise FOOTNOTE_PARSING__MAX_PAGES.",
        )
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        page = pdfium.FPDF_LoadPage(pdf, middle)
        if page:
            pdfium.FPDF_ClosePage(page)
            low = middle + 1
        else:
            high = middle
    return low


def _read_without_pdfium(path: Path, name: str, media_type: str, limits: Limits, refusal: ParseError) -> Document:
    """Read a file that pdfium refuses with pypdf, without word boxes; raises `refusal` when pypdf finds no text."""
    opinions = _ask_pypdf(path, list(range(1, limits.max_pages + 1)), every=True)
    if not opinions:
        raise refusal
    last = max(opinions)
    pages = [
        _take_opinion(PageWords(number, 0.0, 0.0, [], 0), opinions.get(number, "")) for number in range(1, last + 1)
    ]
    return layout.compose(pages, [], name=name, media_type=media_type, title="", metadata={"reader": "pypdf"})


def _take_opinion(page: PageWords, text: str) -> PageWords:
    """The page with the words of pypdf's text, in boxes without width; unchanged when the text is blank."""
    words = []
    for number, line in enumerate(clean_text(text).split("\n")):
        for position, word in enumerate(line.split()):
            y = max(0.0, page.height - 14.0 * (number + 5))
            words.append(PageWord(word, 0.0, y, 0.0, y + 10, 10.0, False, 0, position == 0, False))
    return page._replace(words=words, source="text") if words else page


def _ask_pypdf(path: Path, empty: list[int], *, every: bool = False) -> dict[int, str]:
    """The text that pypdf reads on the `empty` pages, by page number.

    Stops after _SECOND_OPINIONS pages, or after five without text, unless `every` is set.
    """
    if not empty:
        return {}
    import logging

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    # An error of pypdf must not lose what pdfium read; on damaged files pypdf raises more than its own errors.
    failures = (
        *(PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError),
        *(RecursionError, NotImplementedError, OSError),
    )
    opinions: dict[int, str] = {}
    try:
        reader = PdfReader(path)
        if reader.is_encrypted:
            reader.decrypt("")
        empty = [number for number in empty if number <= len(reader.pages)]
    except failures:
        return opinions
    for tried, number in enumerate(empty if every else empty[:_SECOND_OPINIONS]):
        if not every and tried >= 5 and not opinions:  # scanned throughout
            break
        try:
            page = reader.pages[number - 1]
            resources = page.get("/Resources")
            # A page without a font holds only images.
            if resources is not None and "/Font" in resources.get_object():
                text = page.extract_text()
                if text.strip():
                    opinions[number] = text
        except failures:
            continue
    return opinions


def _read_metadata(pdf: Any) -> tuple[str, dict[str, str]]:
    """The title and the other metadata of the file."""
    import pypdfium2.raw as pdfium

    stated = {}
    for key in ("Title", "Author", "Subject", "Creator", "Producer", "CreationDate"):
        tag = key.encode("ascii")
        value = _wide(partial(pdfium.FPDF_GetMetaText, pdf, tag))
        if value.strip():
            stated[key] = clean_text(value)
    title = stated.pop("Title", "")
    return title, {"created" if key == "CreationDate" else key.lower(): value for key, value in stated.items()}


def _wide(ask: Callable[[Any, int], int], kind: Any = None) -> str:
    """A UTF-16 string of pdfium: the function returns the size without a buffer, and fills the buffer given one.

    `kind` is the type of the buffer's elements, where the function does not take any buffer.
    """
    size = min(ask(None, 0), _METADATA_BYTES)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    ask(buffer if kind is None else ctypes.cast(buffer, ctypes.POINTER(kind)), size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")


def _read_outline(pdf: Any) -> list[layout.OutlineItem]:
    """The file's outline in its order; each entry is visited once, since a damaged outline may have cycles."""
    import pypdfium2.raw as pdfium

    items: list[layout.OutlineItem] = []
    seen: set[int] = set()
    pending = [(pdfium.FPDFBookmark_GetFirstChild(pdf, None), 1)]
    while pending and len(items) < _OUTLINE_ITEMS:
        mark, level = pending.pop()
        address = ctypes.cast(mark, ctypes.c_void_p).value if mark else None
        if address is None or address in seen:
            continue
        seen.add(address)
        title = _wide(partial(pdfium.FPDFBookmark_GetTitle, mark))
        target = pdfium.FPDFBookmark_GetDest(pdf, mark)
        if not target:
            action = pdfium.FPDFBookmark_GetAction(mark)
            target = pdfium.FPDFAction_GetDest(pdf, action) if action else None
        page = pdfium.FPDFDest_GetDestPageIndex(pdf, target) if target else -1
        items.append(layout.OutlineItem(level, clean_text(title), page + 1 if page >= 0 else -1))
        pending.append((pdfium.FPDFBookmark_GetNextSibling(pdf, mark), level))
        if level < 20:
            pending.append((pdfium.FPDFBookmark_GetFirstChild(pdf, mark), level + 1))
    return items


class _TextStyle:
    """What the words of one text object share; `doubt` says why they may not be seen."""

    __slots__ = ("angle", "bold", "doubt", "hidden", "size")

    def __init__(self, size: float, bold: bool, hidden: bool, doubt: Doubt, angle: int) -> None:
        self.size = size
        self.bold = bold
        self.hidden = hidden
        self.doubt = doubt
        self.angle = angle


class _Frame:
    """The visible part of a page; turns rectangles of the file into those of the page as displayed."""

    __slots__ = ("bottom", "height", "left", "right", "top", "turned", "width")

    def __init__(self, page: Any) -> None:
        import pypdfium2.raw as pdfium

        frame = pdfium.FS_RECTF()
        pdfium.FPDF_GetPageBoundingBox(page, ctypes.byref(frame))
        self.turned = pdfium.FPDFPage_GetRotation(page) % 4
        self.left, self.right = min(frame.left, frame.right), max(frame.left, frame.right)
        self.bottom, self.top = min(frame.bottom, frame.top), max(frame.bottom, frame.top)
        across, down = self.right - self.left, self.top - self.bottom
        self.width, self.height = (across, down) if self.turned % 2 == 0 else (down, across)

    def turn(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        """The rectangle in points from the bottom left of the page as displayed."""
        if self.turned == 0:
            return x0 - self.left, y0 - self.bottom, x1 - self.left, y1 - self.bottom
        if self.turned == 1:
            return y0 - self.bottom, self.right - x1, y1 - self.bottom, self.right - x0
        if self.turned == 2:
            return self.right - x1, self.top - y1, self.right - x0, self.top - y0
        return self.top - y1, x0 - self.left, self.top - y0, x1 - self.left

    def cut(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float] | None:
        """The part of a turned rectangle that is visible, None if there is none."""
        if not math.isfinite(x0 + x1 + y0 + y1) or x1 <= 0 or y1 <= 0 or x0 >= self.width or y0 >= self.height:
            return None
        return max(0.0, x0), max(0.0, y0), min(self.width, x1), min(self.height, y1)


class _Drawn(NamedTuple):
    """An annotation that shows words: its rectangle in the file's points.

    `value` is what it shows where the file has no picture of it, `mark` that of a box to tick.
    """

    rect: tuple[float, float, float, float]
    value: str
    mark: str


def _read_page(pdf: Any, index: int, form: Any, *, lacks: bool) -> PageWords | None:
    """The words of a page in pdfium's order; None when the page cannot be loaded.

    `form` is the handle of the file's form, None without one. `lacks`: its words may lack ligatures. Fields
    and drawn notes are made part of the page first.
    """
    import pypdfium2.raw as pdfium

    page = pdfium.FPDF_LoadPage(pdf, index)
    if not page:
        return None
    try:
        drawn, comments = _read_annotations(page, form), _count_comments(page)
        if drawn:
            pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)
            pdfium.FPDF_ClosePage(page)
            page = pdfium.FPDF_LoadPage(pdf, index)
            if not page:
                return None
        text_page = pdfium.FPDFText_LoadPage(page)
        if not text_page:
            return None
        try:
            unmapped = find_unmapped(page, text_page) if lacks else []
            return _collect_words(page, text_page, index + 1, drawn, unmapped)._replace(comments=comments)
        finally:
            pdfium.FPDFText_ClosePage(text_page)
    finally:
        if page:
            pdfium.FPDF_ClosePage(page)


def _open_form(pdf: Any) -> Any:
    """The handle of the file's form, which its fields are asked with; None without a form."""
    import pypdfium2.raw as pdfium

    if pdfium.FPDF_GetFormType(pdf) == pdfium.FORMTYPE_NONE:
        return None
    settings = pdfium.FPDF_FORMFILLINFO(version=2)
    _buffers.append(settings)
    return pdfium.FPDFDOC_InitFormFillEnvironment(pdf, ctypes.byref(settings)) or None


def _read_annotations(page: Any, form: Any) -> list[_Drawn]:
    """The visible form fields, text boxes and stamps of a page."""
    import pypdfium2.raw as pdfium

    drawn: list[_Drawn] = []
    rect = pdfium.FS_RECTF()
    unseen = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW
    for number in range(min(pdfium.FPDFPage_GetAnnotCount(page), _ANNOTATIONS)):
        note = pdfium.FPDFPage_GetAnnot(page, number)
        if not note:
            continue
        try:
            kind = pdfium.FPDFAnnot_GetSubtype(note)
            if kind not in (pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_STAMP, pdfium.FPDF_ANNOT_WIDGET):
                continue
            if pdfium.FPDFAnnot_GetFlags(note) & unseen or not pdfium.FPDFAnnot_GetRect(note, ctypes.byref(rect)):
                continue
            value = mark = ""
            if kind == pdfium.FPDF_ANNOT_FREETEXT:
                value = _wide(partial(pdfium.FPDFAnnot_GetStringValue, note, b"Contents\0"), pdfium.FPDF_WCHAR)
            elif kind == pdfium.FPDF_ANNOT_WIDGET and form:
                value, mark = _read_field(form, note)
            place = (
                min(rect.left, rect.right),
                min(rect.bottom, rect.top),
                max(rect.left, rect.right),
                max(rect.bottom, rect.top),
            )
            drawn.append(_Drawn(place, clean_text(value), mark))
        finally:
            pdfium.FPDFPage_CloseAnnot(note)
    return drawn


def _count_comments(page: Any) -> int:
    """How many comments a viewer shows only in a bubble, beside words that they mark or alone."""
    import pypdfium2.raw as pdfium

    kinds = {
        *(pdfium.FPDF_ANNOT_TEXT, pdfium.FPDF_ANNOT_HIGHLIGHT, pdfium.FPDF_ANNOT_UNDERLINE),
        *(pdfium.FPDF_ANNOT_SQUIGGLY, pdfium.FPDF_ANNOT_STRIKEOUT),
    }
    count = 0
    for number in range(min(pdfium.FPDFPage_GetAnnotCount(page), _ANNOTATIONS)):
        note = pdfium.FPDFPage_GetAnnot(page, number)
        if not note:
            continue
        try:
            if pdfium.FPDFAnnot_GetSubtype(note) in kinds:
                said = _wide(partial(pdfium.FPDFAnnot_GetStringValue, note, b"Contents\0"), pdfium.FPDF_WCHAR)
                count += bool(said.strip())
        finally:
            pdfium.FPDFPage_CloseAnnot(note)
    return count


def _read_field(form: Any, note: Any) -> tuple[str, str]:
    """The value of a field of text or choice, and the mark of a box to tick; a password's value is not read."""
    import pypdfium2.raw as pdfium

    kind = pdfium.FPDFAnnot_GetFormFieldType(form, note)
    if kind in (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON):
        # pdfium's own answer compares export values, which some programs write differently in each place.
        state = _wide(partial(pdfium.FPDFAnnot_GetStringValue, note, b"AS\0"), pdfium.FPDF_WCHAR)
        checked = state != "Off" if state else pdfium.FPDFAnnot_IsChecked(form, note)
        return "", "☒" if checked else "☐"
    secret = pdfium.FPDFAnnot_GetFormFieldFlags(form, note) & _PASSWORD_FLAG
    if kind not in (
        pdfium.FPDF_FORMFIELD_TEXTFIELD,
        pdfium.FPDF_FORMFIELD_COMBOBOX,
        pdfium.FPDF_FORMFIELD_LISTBOX,
    ) or (secret and kind == pdfium.FPDF_FORMFIELD_TEXTFIELD):
        return "", ""
    chosen = [
        _wide(partial(pdfium.FPDFAnnot_GetOptionLabel, form, note, at), pdfium.FPDF_WCHAR)
        for at in range(min(max(0, pdfium.FPDFAnnot_GetOptionCount(form, note)), _OPTIONS))
        if pdfium.FPDFAnnot_IsOptionSelected(form, note, at)
    ]  # the value is how the file names it, the label what is shown
    return ", ".join(chosen) or _wide(partial(pdfium.FPDFAnnot_GetFormFieldValue, form, note), pdfium.FPDF_WCHAR), ""


def _place_drawn(
    words: list[PageWord], drawn: list[_Drawn], frame: _Frame, signs: Iterable[tuple[Box, str]]
) -> list[PageWord]:
    """The words with those of annotations beside the labels before them, instead of at the end of the page, and with
    the signs that are drawn with lines.
    """
    groups = [[PageWord(sign, *box, box[3] - box[1], False, 0, True, False)] for box, sign in signs]
    taken: set[int] = set()
    for item in drawn:
        rect = frame.cut(*frame.turn(*item.rect))
        if rect is None:
            continue
        x0, y0, x1, y1 = rect
        inside = [
            index
            for index, word in enumerate(words)
            if index not in taken and x0 <= (word.x0 + word.x1) / 2 <= x1 and y0 <= (word.y0 + word.y1) / 2 <= y1
        ]
        size = min(max(y1 - y0, 4.0), 10.0)
        if item.mark:
            taken.update(inside)
            groups.append([PageWord(item.mark, x0, y0, x1, y1, size, False, 0, True, False)])
        elif inside:
            taken.update(inside)
            groups.append([words[index] for index in inside])
        elif item.value.strip():
            groups.append(_spread(item.value, rect, size))
    placed = [word for index, word in enumerate(words) if index not in taken]
    of_fields: set[int] = set()
    for group in sorted(groups, key=lambda each: (-each[0].y0, each[0].x0)):
        first = group[0]
        label = behind = None
        for index, word in enumerate(placed):
            overlap = min(word.y1, first.y1) - max(word.y0, first.y0)
            if overlap <= 0.4 * min(word.y1 - word.y0, first.y1 - first.y0):
                continue
            if word.x1 <= first.x0 + 4 and (label is None or word.x1 > placed[label].x1):
                label = index
            elif -4 <= word.x0 - group[-1].x1 < _BESIDE and (behind is None or word.x0 < placed[behind].x0):
                behind = index
        nearer = behind is not None and (
            label is None or placed[behind].x0 - group[-1].x1 < first.x0 - placed[label].x1
        )
        if label is not None and not nearer:
            own = label not in of_fields
            of_fields = {at + len(group) if at > label else at for at in of_fields}
            of_fields.update(range(label + 1, label + 1 + len(group)))
            placed[label + 1 : label + 1] = [first._replace(broken=False, field=own), *group[1:]]
            continue
        if behind is not None and nearer:
            of_fields = {at + len(group) if at >= behind else at for at in of_fields}
            of_fields.update(range(behind, behind + len(group)))
            word = placed[behind]
            placed[behind : behind + 1] = [first._replace(broken=word.broken), *group[1:], word._replace(broken=False)]
            continue
        below = next(
            (at for at, word in enumerate(placed) if word.broken and word.y1 <= (first.y0 + first.y1) / 2), len(placed)
        )
        of_fields = {at + len(group) if at >= below else at for at in of_fields}
        of_fields.update(range(below, below + len(group)))
        placed[below:below] = [first._replace(broken=True), *group[1:]]
        if below + len(group) < len(placed):
            placed[below + len(group)] = placed[below + len(group)]._replace(broken=True)
    return placed


def _find_drawn(drawn: list[_Drawn], x: float, y: float) -> int:
    """The index of the annotation at a point, -1 where there is none."""
    for index, item in enumerate(drawn):
        x0, y0, x1, y1 = item.rect
        if x0 <= x <= x1 and y0 <= y <= y1:
            return index
    return -1


def _spread(text: str, rect: tuple[float, float, float, float], size: float) -> list[PageWord]:
    """The words of a text in its rectangle, line by line, at about the places where a viewer draws them."""
    x0, y0, x1, y1 = rect
    lines = [line.split() for line in text.split("\n") if line.split()]
    step = (y1 - y0) / max(1, len(lines))
    words = []
    for number, line in enumerate(lines):
        letters = sum(map(len, line)) + len(line)
        at = x0
        for position, word in enumerate(line):
            width = min((len(word) + 1) * size * 0.5, (x1 - x0) * (len(word) + 1) / letters)
            bottom = y1 - step * (number + 1)
            words.append(PageWord(word, at, bottom, at + width, bottom + step, size, False, 0, position == 0, False))
            at += width
    return words


def _place_of(text_page: Any, at: int) -> tuple[float, float, float, float, float]:
    """The size of a character, its origin (x, y) and the direction upwards of its line, in the file's points."""
    import pypdfium2.raw as pdfium

    size = pdfium.FPDFText_GetFontSize(text_page, at)
    matrix = pdfium.FS_MATRIX()
    up_x, up_y = 0.0, 1.0
    if pdfium.FPDFText_GetMatrix(text_page, at, ctypes.byref(matrix)):
        length = math.hypot(matrix.c, matrix.d)
        if math.isfinite(length) and length > 0:
            size *= length
            up_x, up_y = matrix.c / length, matrix.d / length
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharOrigin(text_page, at, ctypes.byref(x), ctypes.byref(y))
    return size, x.value, y.value, up_x, up_y


def _distance(word: PageWord, box: tuple[float, float, float, float]) -> float:
    """The distance between a word and a box beside, above or below it, in points; negative where they overlap."""
    return max(box[0] - word.x1, word.x0 - box[2], box[1] - word.y1, word.y0 - box[3])


def _is_stacked(text_page: Any, first: int, second: int) -> bool:
    """Whether one character stands above the other."""
    import pypdfium2.raw as pdfium

    one, other = pdfium.FS_RECTF(), pdfium.FS_RECTF()
    get_box = pdfium.FPDFText_GetLooseCharBox
    if not get_box(text_page, first, one) or not get_box(text_page, second, other):
        return False
    shared = min(one.right, other.right) - max(one.left, other.left)
    height = max(one.top - one.bottom, other.top - other.bottom)
    apart = abs(one.top + one.bottom - other.top - other.bottom) / 2
    above = shared > 0.5 * min(one.right - one.left, other.right - other.left) and apart > 0.6 * height > 0
    return above and abs(_place_of(text_page, first)[4]) > 0.7  # writing that is turned runs from one to the other


def _rise(text_page: Any, base: int, mark: int) -> int:
    """1 if the character at `mark` is raised above the line of the one at `base`, -1 if it is lowered, else 0."""
    import pypdfium2.raw as pdfium

    first, second = pdfium.FS_RECTF(), pdfium.FS_RECTF()
    get_box = pdfium.FPDFText_GetLooseCharBox
    if get_box(text_page, base, first) and get_box(text_page, mark, second):  # most are on one line and of one size
        if abs(first.bottom - second.bottom) < _SAME and abs(first.top - second.top) < _SAME:
            return 0
        if abs(first.left - second.left) < _SAME and abs(first.right - second.right) < _SAME:
            return 0
    size, x, y, up_x, up_y = _place_of(text_page, base)
    own, mark_x, mark_y, _x, _y = _place_of(text_page, mark)
    if not size > 0 or not math.isfinite(own + mark_x + mark_y):
        return 0
    rise = ((mark_x - x) * up_x + (mark_y - y) * up_y) / size
    if abs(rise) > 1.2 or own > 1.05 * size:
        return 0
    if rise > 0.18 and (own < 0.87 * size or rise > 0.25):
        return 1
    return -1 if rise < -0.08 and own < 0.87 * size else 0


def _split_right_to_left(text_page: Any, text: str, at: list[int]) -> Iterator[tuple[str, list[int]]]:
    """The words of right-to-left characters and their places, from the right.

    pdfium sees no spaces between letters that are drawn one by one to the left, so gaps part words here.
    """
    import pypdfium2.raw as pdfium

    rect = pdfium.FS_RECTF()
    placed = []
    for character, place in zip(text, at, strict=True):
        pdfium.FPDFText_GetLooseCharBox(text_page, place, ctypes.byref(rect))
        placed.append((rect.left, rect.right, rect.top - rect.bottom, character, place))
    order = sorted(range(len(placed)), key=lambda index: -placed[index][0])
    groups: list[set[int]] = [set()]
    reach = placed[order[0]][0]
    for index in order:
        left, right, height, *_ = placed[index]
        if groups[-1] and reach - right > _WORD_GAP * height:
            groups.append(set())
        groups[-1].add(index)
        reach = min(reach, left)
    for group in groups:
        kept = [each for index, each in enumerate(placed) if index in group]
        yield read_from_right([(each[3], each[0]) for each in kept]), [each[4] for each in kept]


class _Word:
    """The characters of a word while it is collected: `at` are their places in pdfium's text.

    `base` is the place of the last character on the line while raised (or lowered, `rise` -1) ones follow, from
    index `start` of the letters.
    """

    __slots__ = ("at", "base", "letters", "rise", "start")

    def __init__(self) -> None:
        self.letters: list[str] = []
        self.at: list[int] = []
        self.base = self.start = -1
        self.rise = 0

    def settle(self) -> bool:
        """Write the raised characters at the end as such; False if they are a word of their own, from `start` on."""
        before, raised = "".join(self.letters[: self.start]), "".join(self.letters[self.start :])
        marked = raise_text(raised, before, lowered=self.rise < 0)
        self.letters[self.start :] = [marked.strip()]
        if marked.startswith(" "):
            return False
        self.rise = 0
        return True


def _collect_words(
    page: Any, text_page: Any, number: int, drawn: list[_Drawn], unmapped: list[tuple[str, Box]]
) -> PageWords:
    import pypdfium2.raw as pdfium

    frame = _Frame(page)
    words: list[PageWord] = []
    places: list[tuple[int, int]] = []  # the first and last character of each word
    hidden = 0
    styles: dict[int, _TextStyle] = {}
    rect, rect_end = pdfium.FS_RECTF(), pdfium.FS_RECTF()
    get_unicode, get_box, get_object = (
        pdfium.FPDFText_GetUnicode,
        pdfium.FPDFText_GetLooseCharBox,
        pdfium.FPDFText_GetTextObject,
    )
    first_ref, last_ref = ctypes.byref(rect), ctypes.byref(rect_end)
    current = _Word()
    doubts: list[tuple[tuple[float, float], Doubt]] = []  # the middle and the doubt of each word
    broken = True  # whether a line break precedes the next word
    inside = -1  # the annotation that the last character belongs to
    overwritten: set[int] | None = None  # text objects in whose place a text stands that nobody sees

    def flush(hyphen: bool) -> None:
        nonlocal current
        done, current = current, _Word()
        if not done.letters:
            return
        if done.rise and not done.settle():
            add("".join(done.letters[: done.start]), done.at[: done.start], False)
            add("".join(done.letters[done.start :]), done.at[done.start :], hyphen)
            return
        text = "".join(done.letters)
        if frame.turned == 0 and len(done.at) > 1 and len(done.at) == len(text) and runs_left(text):
            for part, at in _split_right_to_left(text_page, text, done.at):
                add(part, at, False)
            return
        add(text, done.at, hyphen)

    def add(text: str, at: list[int], hyphen: bool) -> None:
        nonlocal hidden, broken, overwritten
        text = clean_text(text).strip()
        if not text:
            return
        first, last = at[0], at[-1]
        handle = get_object(text_page, first)
        key = ctypes.cast(handle, ctypes.c_void_p).value or 0
        style = styles.get(key)
        if style is None:
            style = styles[key] = _read_style(text_page, first, handle, frame.turned)
        if not get_box(text_page, first, first_ref) or not get_box(text_page, last, last_ref):
            hidden += len(text)
            return
        x0, x1 = min(rect.left, rect_end.left), max(rect.right, rect_end.right)
        y0, y1 = min(rect.bottom, rect_end.bottom), max(rect.top, rect_end.top)
        if (y1 - y0 if style.angle in (90, 270) else x1 - x0) < len(text) * LEAST_ADVANCE:
            overwritten = find_overwritten(page) if overwritten is None else overwritten
            if key in overwritten:
                hidden += len(text)
                return
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        box = frame.cut(*frame.turn(x0, y0, x1, y1))
        if style.hidden or box is None:
            hidden += len(text)
            return
        if not broken and words and not hyphen:
            before, (_first, before_last) = words[-1], places[-1]
            near = _distance(before, box) < 0.8 * style.size
            if near and text.isdigit() and len(text) < 4 and _rise(text_page, before_last, first) > 0:
                text = raise_text(text, "")
            elif near and before.text.isdigit() and len(before.text) < 4 and _rise(text_page, first, before_last) > 0:
                words[-1] = before._replace(text=raise_text(before.text, ""))
        word = PageWord(text, *box, style.size, style.bold, style.angle, broken, hyphen)
        doubts.append((middle, style.doubt))
        words.append(word)
        places.append((first, last))
        broken = False

    for at in range(pdfium.FPDFText_CountChars(text_page)):
        code = get_unicode(text_page, at)
        if code in (32, 9, 160):
            if current.letters:
                flush(False)
        elif code in (13, 10):
            if current.letters:
                flush(False)
            broken = True
        elif code in (0xFFFE, 2):  # pdfium's mark of a hyphen at a line end
            if current.letters:
                flush(True)
            broken = True
        elif code:
            character = chr(code) if code < 0x110000 else "\ufffd"
            if "\udc00" <= character <= "\udfff" and "\ud800" <= "".join(current.letters[-1:]) < "\udc00":
                pair = current.letters.pop() + character  # pdfium gives the two halves of a character of UTF-16
                current.letters.append(pair.encode("utf-16-le", "surrogatepass").decode("utf-16-le"))
                continue
            if drawn and get_box(text_page, at, first_ref):
                here = _find_drawn(drawn, (rect.left + rect.right) / 2, (rect.bottom + rect.top) / 2)
                if here != inside:  # pdfium joins the values of neighbouring fields
                    flush(False)
                    inside = here
            marked = current.letters and (character in _MARKS or current.letters[-1] in _MARKS)
            if current.rise:
                if _rise(text_page, current.base, at) != current.rise and not current.settle():
                    flush(False)
            elif marked and _is_stacked(text_page, current.at[-1], at):  # a fraction
                flush(False)
            elif marked:
                rise = _rise(text_page, current.at[-1], at)
                if rise:
                    current.base, current.start, current.rise = current.at[-1], len(current.letters), rise
                elif current.letters[-1] in _MARKS and _rise(text_page, at, current.at[-1]) > 0:
                    current.letters[:] = [raise_text("".join(current.letters), "")]
                    flush(False)
            current.letters.append(character)
            current.at.append(at)
    if current.letters:
        flush(False)
    mended = [(text, box) for text, sides in unmapped if (box := frame.cut(*frame.turn(*sides)))]
    kept = insert_signs(words, mended) if mended else list(enumerate(words))
    words, doubts = [word for _, word in kept], [doubts[index] for index, _ in kept]
    placed = [(word.text, word[1:5], *doubt) for word, doubt in zip(words, doubts, strict=True)]
    if unseen := find_unseen(page, placed, (frame.width, frame.height), _draw):
        hidden += sum(len(words[index].text) for index in unseen)
        words = _drop(words, unseen)
    middles = [((word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2) for word in words]
    signs = find_ticks(_read_shapes(page, frame), middles) if words else []
    if drawn or signs:
        words = _place_drawn(words, drawn, frame, signs)
    blank = words or pdfium.FPDFPage_CountObjects(page) <= 0
    rules = tuple(_read_rules(page, frame)) if words else ()
    few = 0 < _count_letters(words) < _FEW_LETTERS
    source: PageSource = "text" if blank else "unreadable"
    pictures = _find_pictures(page, frame) if words else []
    largest = max(((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in pictures), default=0.0)
    return read_strokes(
        PageWords(
            *(number, frame.width, frame.height, words, hidden, source),
            rules=rules,
            pictured=largest / max(1.0, frame.width * frame.height) if few else 0.0,
            pictures=tuple(box for box in pictures if _is_unread(box, middles)),
            mended=len(mended),
        )
    )


def _read_rules(page: Any, frame: _Frame) -> Iterator[Rule]:
    """The level and upright lines drawn on a page, and the sides of drawn boxes."""
    for item, (x0, y0, x1, y1), is_filled, is_stroked in _paths_of(page):
        if min(x1 - x0, y1 - y0) <= _RULE_WIDTH and (is_filled or is_stroked):
            yield from _as_rule(frame, x0, y0, x1, y1)
        elif is_stroked:
            yield from _read_segments(item, frame)


def _read_shapes(page: Any, frame: _Frame) -> Iterator[Shape]:
    """The small paths of straight lines on a page, each of their pieces."""
    for item, (x0, y0, x1, y1), is_filled, is_stroked in _paths_of(page):
        if not (SMALLEST <= x1 - x0 <= LARGEST and SMALLEST <= y1 - y0 <= LARGEST):
            continue
        solid = is_filled and not (is_stroked and _is_white(item))
        if is_stroked or solid:
            yield from _read_pieces(item, frame, solid)


def _paths_of(page: Any) -> Iterator[tuple[Any, tuple[float, ...], bool, bool]]:
    """The paths among the first MOST_OBJECTS of a page: the sides of each, whether it is filled, whether stroked."""
    import pypdfium2.raw as pdfium

    sides = [ctypes.c_float() for _ in range(4)]
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    for index in range(min(pdfium.FPDFPage_CountObjects(page), MOST_OBJECTS)):
        item = pdfium.FPDFPage_GetObject(page, index)
        if pdfium.FPDFPageObj_GetType(item) != pdfium.FPDF_PAGEOBJ_PATH:
            continue
        if pdfium.FPDFPageObj_GetBounds(item, *map(ctypes.byref, sides)):
            pdfium.FPDFPath_GetDrawMode(item, ctypes.byref(fill), ctypes.byref(stroke))
            yield item, tuple(side.value for side in sides), bool(fill.value), bool(stroke.value)


def _is_white(item: Any) -> bool:
    import pypdfium2.raw as pdfium

    parts = [ctypes.c_uint() for _ in range(4)]
    return bool(pdfium.FPDFPageObj_GetFillColor(item, *map(ctypes.byref, parts))) and all(
        part.value == 255 for part in parts[:3]
    )


def _read_pieces(item: Any, frame: _Frame, solid: bool) -> Iterator[Shape]:
    points: list[Point] = []
    straight = closed = True
    for kind, point, closes in _read_path(item):
        x, y = frame.turn(*point, *point)[:2]
        if kind == "move":
            if straight and len(points) > 1:
                yield Shape(points, closed, solid)
            points, straight, closed = [], True, False
        straight = straight and kind != "curve"
        closed = closed or closes
        points.append((x, y))
    if straight and len(points) > 1:
        yield Shape(points, closed, solid)


def _as_rule(frame: _Frame, x0: float, y0: float, x1: float, y1: float) -> Iterator[Rule]:
    """The line along the middle of a thin rectangle, if it is long enough."""
    x0, y0, x1, y1 = frame.turn(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    if not math.isfinite(x0 + x1 + y0 + y1):
        return
    if x1 - x0 >= _RULE_LENGTH and y1 - y0 <= _RULE_WIDTH:
        yield Rule(x0, (y0 + y1) / 2, x1, (y0 + y1) / 2)
    elif y1 - y0 >= _RULE_LENGTH and x1 - x0 <= _RULE_WIDTH:
        yield Rule((x0 + x1) / 2, y0, (x0 + x1) / 2, y1)


def _read_segments(item: Any, frame: _Frame) -> Iterator[Rule]:
    """The level and upright lines of a path."""
    start = last = (0.0, 0.0)
    for kind, point, closes in _read_path(item):
        if kind == "move":
            start = point
        elif kind == "line":
            yield from _as_rule(frame, *last, *point)
        if closes:
            yield from _as_rule(frame, *point, *start)
        last = point


def _read_path(item: Any) -> Iterator[tuple[str, Point, bool]]:
    """The segments of a path: `move`, `line` or `curve`, where each ends, and whether it closes the path."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, ctypes.byref(matrix)):
        return
    kinds = {pdfium.FPDF_SEGMENT_MOVETO: "move", pdfium.FPDF_SEGMENT_LINETO: "line"}
    x, y = ctypes.c_float(), ctypes.c_float()
    for number in range(min(pdfium.FPDFPath_CountSegments(item), _SEGMENTS)):
        segment = pdfium.FPDFPath_GetPathSegment(item, number)
        kind = kinds.get(pdfium.FPDFPathSegment_GetType(segment), "curve")
        if not pdfium.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y)):
            continue
        point = (
            matrix.a * x.value + matrix.c * y.value + matrix.e,
            matrix.b * x.value + matrix.d * y.value + matrix.f,
        )
        yield kind, point, bool(pdfium.FPDFPathSegment_GetClose(segment))


def _drop(words: list[PageWord], unseen: set[int]) -> list[PageWord]:
    """The words without those at the indexes `unseen`; a line break before a dropped word is kept."""
    kept: list[PageWord] = []
    broken = False
    for index, word in enumerate(words):
        broken = broken or word.broken
        if index not in unseen:
            kept.append(word._replace(broken=broken))
            broken = False
    return kept


def _read_style(text_page: Any, at: int, handle: Any, turned: int) -> _TextStyle:
    import pypdfium2.raw as pdfium

    size = pdfium.FPDFText_GetFontSize(text_page, at)
    matrix = pdfium.FS_MATRIX()
    angle = 0
    if pdfium.FPDFText_GetMatrix(text_page, at, ctypes.byref(matrix)):
        size *= math.hypot(matrix.c, matrix.d)
        if math.isfinite(matrix.a) and math.isfinite(matrix.b):
            degrees = math.degrees(math.atan2(matrix.b, matrix.a)) - 90 * turned
            angle = round(degrees / 90) * 90 % 360 if abs(degrees / 90 - round(degrees / 90)) < 0.12 else 45
    bold = pdfium.FPDFText_GetFontWeight(text_page, at) >= 600
    hidden = not math.isfinite(size) or size < 0.5
    doubt = read_doubt(handle) if handle else Doubt()
    return _TextStyle(size if math.isfinite(size) else 0.0, bold, hidden, doubt, angle)


def _draw(page: Any, across: int, down: int) -> tuple[bytes, int]:
    """The page as pixels of four bytes (blue, green, red, unused), and the bytes of a row."""
    import pypdfium2.raw as pdfium

    bitmap = pdfium.FPDFBitmap_CreateEx(across, down, pdfium.FPDFBitmap_BGRx, None, 0)
    if not bitmap:
        raise MemoryError
    try:
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, across, down, 0xFFFFFFFF)
        pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, across, down, 0, pdfium.FPDF_ANNOT)
        stride = pdfium.FPDFBitmap_GetStride(bitmap)
        return ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), stride * down), stride
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)


def render_pdf_page(path: Path, name: str, page_number: int, dpi: int) -> bytes:
    """Render the page as PNG. Raises NotFound when the file has no such page, ParseError when it is no readable PDF."""
    import pypdfium2.raw as pdfium
    from PIL import Image

    from ingest.files import identify

    if (media_type := identify(path, name)) != "application/pdf":
        raise ParseError(
            "unsupported_type", f"{name}: it is {media_type}, which has no pages to show. Ask for its text."
        )
    pdf = _open(path, name)
    try:
        count = pdfium.FPDF_GetPageCount(pdf)
        page = pdfium.FPDF_LoadPage(pdf, page_number - 1) if 1 <= page_number <= count else None
        if not page:
            raise NotFound(f"{name} has no page {page_number}; it has {count}. Ask for a page from 1 to {count}.")
        try:
            width, height = pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page)
            scale = min(max(dpi, _MIN_DPI), _MAX_DPI) / 72
            longest = max(width, height, 1e-6)
            scale = min(scale, _MAX_PIXELS / longest)
            across, down = max(1, round(width * scale)), max(1, round(height * scale))
            pixels, stride = _draw(page, across, down)
        finally:
            pdfium.FPDF_ClosePage(page)
    finally:
        pdfium.FPDF_CloseDocument(pdf)
    picture = io.BytesIO()
    Image.frombuffer("RGB", (across, down), pixels, "raw", "BGRX", stride, 1).save(picture, "PNG", compress_level=3)
    return picture.getvalue()
