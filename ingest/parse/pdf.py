"""Reader of PDF: pdfium for words, boxes, outline and rendered pages; pypdf for pages where pdfium finds no text.

    characters ─ _collect_words ─> words with boxes ─ compose ─> text, headings, tables, pages

Runs only inside the fence. The only home of pypdfium2 and pypdf.
"""

from __future__ import annotations

import ctypes
import io
import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse import layout
from ingest.parse.build import clean_text
from ingest.parse.lines import PageWord, PageWords
from rag.errors import NotFound, ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_MAX_PIXELS = 4_096
_MIN_DPI, _MAX_DPI = 10, 600
_SECOND_OPINIONS = 40
_OBJECTS_LOOKED_AT = 20_000
_WHITE = 243
_METADATA_BYTES = 1 << 16
_OUTLINE_ITEMS = 20_000
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
        pages, unread = [], 0
        for index in range(count):
            page = _read_page(pdf, index)
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
        hidden = sum(page.hidden for page in pages)
        empty = [page for page in pages if not page.words]
        if len(empty) == len(pages):
            what = f"its {count} pages have" if count > 1 else "its one page has"
            raise ParseError(
                "no_text",
                f"{name}: {what} no text layer; blank or scanned. "
                "Run OCR on it (for example `ocrmypdf in.pdf out.pdf`) and upload the result.",
            )
        metadata["pages"] = str(count)
        if empty:
            metadata["pages_without_text"] = str(len(empty))
        if hidden:
            metadata["hidden_characters"] = str(hidden)
        return layout.compose(
            pages, _read_outline(pdf), name=name, media_type=media_type, title=title, metadata=metadata
        )
    finally:
        pdfium.FPDF_CloseDocument(pdf)


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
        f"{name}: it begins like a PDF but cannot be opened (pdfium error {code}). Copy or download it again.",
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


def _wide(ask: Callable[[Any, int], int]) -> str:
    """A UTF-16 string of pdfium: the function returns the size without a buffer, and fills the buffer given one."""
    size = min(ask(None, 0), _METADATA_BYTES)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    ask(buffer, size)
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
    """What the words of one text object share.

    `doubt` says why they may be invisible, depending on what is behind them: `white`, `invisible` or an empty string.
    """

    __slots__ = ("angle", "bold", "doubt", "hidden", "size")

    def __init__(self, size: float, bold: bool, hidden: bool, doubt: str, angle: int) -> None:
        self.size = size
        self.bold = bold
        self.hidden = hidden
        self.doubt = doubt
        self.angle = angle


def _read_page(pdf: Any, index: int) -> PageWords | None:
    """The words of a page in pdfium's order; None when the page cannot be loaded."""
    import pypdfium2.raw as pdfium

    page = pdfium.FPDF_LoadPage(pdf, index)
    if not page:
        return None
    try:
        text_page = pdfium.FPDFText_LoadPage(page)
        if not text_page:
            return None
        try:
            return _collect_words(page, text_page, index + 1)
        finally:
            pdfium.FPDFText_ClosePage(text_page)
    finally:
        pdfium.FPDF_ClosePage(page)


def _collect_words(page: Any, text_page: Any, number: int) -> PageWords:
    import pypdfium2.raw as pdfium

    frame = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page, ctypes.byref(frame))
    turned = pdfium.FPDFPage_GetRotation(page) % 4
    left, right = min(frame.left, frame.right), max(frame.left, frame.right)
    bottom, top = min(frame.bottom, frame.top), max(frame.bottom, frame.top)
    width, height = (right - left, top - bottom) if turned % 2 == 0 else (top - bottom, right - left)
    words: list[PageWord] = []
    hidden = 0
    styles: dict[int, _TextStyle] = {}
    rect, rect_end = pdfium.FS_RECTF(), pdfium.FS_RECTF()
    get_unicode, get_box, get_object = (
        pdfium.FPDFText_GetUnicode,
        pdfium.FPDFText_GetLooseCharBox,
        pdfium.FPDFText_GetTextObject,
    )
    first_ref, last_ref = ctypes.byref(rect), ctypes.byref(rect_end)
    letters: list[str] = []
    first = last = 0
    doubtful: list[tuple[int, str, tuple[float, float]]] = []
    broken = True  # whether a line break precedes the next word

    def flush(hyphen: bool) -> None:
        nonlocal hidden, broken
        text = clean_text("".join(letters)).strip()
        letters.clear()
        if not text:
            return
        handle = get_object(text_page, first)
        key = ctypes.cast(handle, ctypes.c_void_p).value or 0
        style = styles.get(key)
        if style is None:
            style = styles[key] = _read_style(text_page, first, handle, turned)
        if not get_box(text_page, first, first_ref) or not get_box(text_page, last, last_ref):
            hidden += len(text)
            return
        x0, x1 = min(rect.left, rect_end.left), max(rect.right, rect_end.right)
        y0, y1 = min(rect.bottom, rect_end.bottom), max(rect.top, rect_end.top)
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        if turned == 0:
            x0, y0, x1, y1 = x0 - left, y0 - bottom, x1 - left, y1 - bottom
        elif turned == 1:
            x0, y0, x1, y1 = y0 - bottom, right - x1, y1 - bottom, right - x0
        elif turned == 2:
            x0, y0, x1, y1 = right - x1, top - y1, right - x0, top - y0
        else:
            x0, y0, x1, y1 = top - y1, x0 - left, top - y0, x1 - left
        outside = x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height
        if style.hidden or outside or not (math.isfinite(x0 + x1 + y0 + y1)):
            hidden += len(text)
            return
        x0, x1 = max(0.0, x0), min(width, x1)
        y0, y1 = max(0.0, y0), min(height, y1)
        word = PageWord(text, x0, y0, x1, y1, style.size, style.bold, style.angle, broken, hyphen)
        if style.doubt:
            doubtful.append((len(words), style.doubt, middle))
        words.append(word)
        broken = False

    for at in range(pdfium.FPDFText_CountChars(text_page)):
        code = get_unicode(text_page, at)
        if code in (32, 9, 160):
            if letters:
                flush(False)
        elif code in (13, 10):
            if letters:
                flush(False)
            broken = True
        elif code in (0xFFFE, 2):  # pdfium's mark of a hyphen at a line end
            if letters:
                flush(True)
            broken = True
        elif code:
            if not letters:
                first = at
            last = at
            letters.append(chr(code) if code < 0x110000 else "\ufffd")
    if letters:
        flush(False)
    if doubtful:
        unseen = _find_unseen(page, doubtful)
        hidden += sum(len(words[index].text) for index in unseen)
        words = _drop(words, unseen)
    blank = words or pdfium.FPDFPage_CountObjects(page) <= 0
    return PageWords(number, width, height, words, hidden, "text" if blank else "unreadable")


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


def _find_unseen(page: Any, doubtful: list[tuple[int, str, tuple[float, float]]]) -> set[int]:
    """The indexes of invisible words: white ones on a blank background, and transparent ones that cover no image.

    Transparent words over an image are the text layer that OCR adds to a scan.
    """
    import pypdfium2.raw as pdfium

    pictures, fills = [], []
    sides = [ctypes.c_float() for _ in range(4)]
    channels = [ctypes.c_uint() for _ in range(4)]
    for index in range(min(pdfium.FPDFPage_CountObjects(page), _OBJECTS_LOOKED_AT)):
        item = pdfium.FPDFPage_GetObject(page, index)
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_TEXT or not pdfium.FPDFPageObj_GetBounds(item, *map(ctypes.byref, sides)):
            continue
        bounds = (sides[0].value, sides[1].value, sides[2].value, sides[3].value)
        if kind in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM):
            pictures.append(bounds)
        elif kind == pdfium.FPDF_PAGEOBJ_PATH:
            white = pdfium.FPDFPageObj_GetFillColor(item, *map(ctypes.byref, channels)) and _is_white(channels)
            if not white:
                fills.append(bounds)
        else:
            fills.append(bounds)
    behind = {"invisible": pictures, "white": pictures + fills}
    return {
        index
        for index, doubt, (x, y) in doubtful
        if not any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in behind[doubt])
    }


def _is_white(channels: list[Any]) -> bool:
    return all(channel.value >= _WHITE for channel in channels[:3])


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
    doubt = ""
    if handle:
        mode = pdfium.FPDFTextObj_GetTextRenderMode(handle)
        if mode in (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP):
            doubt = "invisible"
        elif mode in (pdfium.FPDF_TEXTRENDERMODE_FILL, pdfium.FPDF_TEXTRENDERMODE_FILL_CLIP):
            channels = [ctypes.c_uint() for _ in range(4)]
            if pdfium.FPDFPageObj_GetFillColor(handle, *map(ctypes.byref, channels)):
                if channels[3].value == 0:
                    doubt = "invisible"
                elif _is_white(channels):
                    doubt = "white"
    return _TextStyle(size if math.isfinite(size) else 0.0, bold, hidden, doubt, angle)


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
            bitmap = pdfium.FPDFBitmap_CreateEx(across, down, pdfium.FPDFBitmap_BGRx, None, 0)
            if not bitmap:
                raise MemoryError
            try:
                pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, across, down, 0xFFFFFFFF)
                pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, across, down, 0, pdfium.FPDF_ANNOT)
                stride = pdfium.FPDFBitmap_GetStride(bitmap)
                pixels = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), stride * down)
            finally:
                pdfium.FPDFBitmap_Destroy(bitmap)
        finally:
            pdfium.FPDF_ClosePage(page)
    finally:
        pdfium.FPDF_CloseDocument(pdf)
    picture = io.BytesIO()
    Image.frombuffer("RGB", (across, down), pixels, "raw", "BGRX", stride, 1).save(picture, "PNG", compress_level=3)
    return picture.getvalue()
