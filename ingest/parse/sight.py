"""Whether the words of a PDF page are seen where they are drawn: the page is drawn with and without them.

Only words with a reason for doubt are looked at: something else is drawn at their place, their colour is light or
transparent, they are cut off, or belong to a layer. Uses pdfium through the handles of `pdf.py`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ingest.parse.build import clean_text

MOST_OBJECTS = 20_000
_MOST_AREAS = 400
_LEAST_AREA = 3.0  # points on each side: thinner ones are lines
_LEAST_CONTRAST = 12  # of 255, of one colour at one point
_OF_A_SCAN = 0.5  # share of the page: a picture that large has its own words as a layer above or below it
_LIGHT = 200  # of 255
_FAINT = 64  # of 255
_MOST_SEGMENTS = 12
_LONGEST_SIDE = 1_600  # pixels
LEAST_ADVANCE = 0.6  # points from one letter to the next: what is closer cannot be read
_MOST_ACTUAL = 4_096  # characters
_LATIN_END = 0x250  # letters beyond need fonts that this machine may lack

Box = tuple[float, float, float, float]


class Doubt(NamedTuple):
    """Why the words of a text object may not be seen: always the same for all its words.

    `unpainted`: they are drawn without colour, as the layer of words over a scan is. `faint`: they are light, nearly
    transparent, or of a layer. `clips` are the boxes outside of which they are cut off. `trusted`: this machine may
    lack the font that draws them, so that their absence from its picture says nothing.
    """

    unpainted: bool = False
    faint: bool = False
    clips: tuple[Box, ...] = ()
    trusted: bool = False


class Areas(NamedTuple):
    """The boxes of what a page draws beside text, in the file's points: pictures, and everything."""

    pictures: list[Box]
    every: list[Box]


def read_doubt(handle: Any) -> Doubt:
    """The doubt of a text object, from its colour, its clip path, its layer and its font."""
    import pypdfium2.raw as pdfium

    mode = pdfium.FPDFTextObj_GetTextRenderMode(handle)
    if mode in (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP):
        return Doubt(unpainted=True)
    channels = [ctypes.c_uint() for _ in range(4)]
    faint = False
    if mode in (pdfium.FPDF_TEXTRENDERMODE_FILL, pdfium.FPDF_TEXTRENDERMODE_FILL_CLIP):
        if not pdfium.FPDFPageObj_GetFillColor(handle, *map(ctypes.byref, channels)):
            faint = True  # a pattern
        elif channels[3].value == 0:
            return Doubt(unpainted=True)
        else:
            faint = channels[3].value < _FAINT or all(channel.value >= _LIGHT for channel in channels[:3])
    font = pdfium.FPDFTextObj_GetFont(handle)
    trusted = bool(font) and pdfium.FPDFFont_GetIsEmbedded(font) == 0
    faint = faint or bool(pdfium.FPDFPageObj_HasTransparency(handle)) or _is_layered(handle)
    return Doubt(False, faint, tuple(_read_clips(handle)), trusted)


def _is_layered(handle: Any) -> bool:
    import pypdfium2.raw as pdfium

    buffer, size = (ctypes.c_ushort * 8)(), ctypes.c_ulong()
    for number in range(min(pdfium.FPDFPageObj_CountMarks(handle), 8)):
        mark = pdfium.FPDFPageObj_GetMark(handle, number)
        named = pdfium.FPDFPageObjMark_GetName(mark, buffer, 16, ctypes.byref(size)) and size.value == 6
        if named and bytes(buffer)[:4].decode("utf-16-le", "replace") == "OC":
            return True
    return False


def _read_clips(handle: Any) -> list[Box]:
    import pypdfium2.raw as pdfium

    clip = pdfium.FPDFPageObj_GetClipPath(handle)
    boxes: list[Box] = []
    x, y = ctypes.c_float(), ctypes.c_float()
    for number in range(min(pdfium.FPDFClipPath_CountPaths(clip), _MOST_SEGMENTS) if clip else 0):
        points = []
        for at in range(min(pdfium.FPDFClipPath_CountPathSegments(clip, number), _MOST_SEGMENTS)):
            segment = pdfium.FPDFClipPath_GetPathSegment(clip, number, at)
            if segment and pdfium.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y)):
                points.append((x.value, y.value))
        if points:
            across, down = [point[0] for point in points], [point[1] for point in points]
            boxes.append((min(across), min(down), max(across), max(down)))
    return boxes


def read_areas(page: Any) -> Areas:
    """What the page draws beside text and thin lines."""
    import pypdfium2.raw as pdfium

    pictures: list[Box] = []
    every: list[Box] = []
    sides = [ctypes.c_float() for _ in range(4)]
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    for index in range(min(pdfium.FPDFPage_CountObjects(page), MOST_OBJECTS)):
        item = pdfium.FPDFPage_GetObject(page, index)
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_TEXT or not pdfium.FPDFPageObj_GetBounds(item, *map(ctypes.byref, sides)):
            continue
        box = (sides[0].value, sides[1].value, sides[2].value, sides[3].value)
        if kind == pdfium.FPDF_PAGEOBJ_PATH:
            if min(box[2] - box[0], box[3] - box[1]) < _LEAST_AREA:
                continue
            if not pdfium.FPDFPath_GetDrawMode(item, ctypes.byref(fill), ctypes.byref(stroke)) or not fill.value:
                continue
        if kind in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM):
            pictures.append(box)
        every.append(box)
    return Areas(pictures, every)


def _within(point: tuple[float, float], box: Box) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def find_unseen(
    page: Any,
    words: Sequence[tuple[str, Box, tuple[float, float], Doubt]],
    size: tuple[float, float],
    draw: Callable[[Any, int, int], tuple[bytes, int]],
) -> set[int]:
    """The indexes of words that are not seen.

    Each word has its text, its box on the page as displayed, its middle in the file's points, and its doubt. `size` is
    that of the displayed page in points; `draw` makes a picture of it, four bytes a pixel, with the bytes of a row.
    Words without colour over a picture are the layer of a scan and count as seen.
    """
    areas = read_areas(page)
    whole = size[0] * size[1]
    scans = [box for box in areas.pictures if (box[2] - box[0]) * (box[3] - box[1]) >= _OF_A_SCAN * whole]
    unseen: set[int] = set()
    doubtful: list[int] = []
    for index, (text, _box, middle, doubt) in enumerate(words):
        if doubt.unpainted:
            if not any(_within(middle, box) for box in areas.pictures):
                unseen.add(index)
            continue
        if doubt.trusted and any(ord(character) >= _LATIN_END and character.isalpha() for character in text):
            continue
        covered = len(areas.every) > _MOST_AREAS or any(_within(middle, box) for box in areas.every)
        cut = not all(_within(middle, box) for box in doubt.clips)
        if (doubt.faint or covered or cut) and not any(_within(middle, box) for box in scans):
            doubtful.append(index)
    if not doubtful:
        return unseen
    scale = min(1.0, _LONGEST_SIDE / max(*size, 1.0))
    across, down = max(1, math.ceil(size[0] * scale)), max(1, math.ceil(size[1] * scale))
    with_words, stride = draw(page, across, down)
    _unpaint(page)
    without, _stride = draw(page, across, down)
    for index in doubtful:
        x0, y0, x1, y1 = (edge * scale for edge in words[index][1])
        rows = range(max(0, math.floor(down - y1)), min(down, math.ceil(down - y0) + 1))
        first, last = 4 * max(0, math.floor(x0)), 4 * min(across, math.ceil(x1) + 1)
        if not any(_differ(with_words, without, row * stride + first, row * stride + last) for row in rows):
            unseen.add(index)
    return unseen


def find_overwritten(page: Any) -> set[int]:
    """The addresses of text objects that the file gives another text for (`ActualText`), far too long to be seen there.

    Such a text stands for ligatures and hyphens; longer than what is drawn, it is one that nobody sees.
    """
    import pypdfium2.raw as pdfium

    runs: list[tuple[str, list[Any]]] = []
    for item in _text_objects(page):
        value = _actual_text(item)
        if runs and runs[-1][0] == value:
            runs[-1][1].append(item)
        else:
            runs.append((value, [item]))
    found: set[int] = set()
    sides = [ctypes.c_float() for _ in range(4)]
    for value, items in runs:
        boxes = [
            tuple(side.value for side in sides)
            for item in items
            if value and pdfium.FPDFPageObj_GetBounds(item, *map(ctypes.byref, sides))
        ]
        if boxes:
            across = max(box[2] for box in boxes) - min(box[0] for box in boxes)
            down = max(box[3] for box in boxes) - min(box[1] for box in boxes)
            if len(value) * LEAST_ADVANCE > max(across, down):
                found.update(ctypes.cast(item, ctypes.c_void_p).value or 0 for item in items)
    return found


def find_unmapped(page: Any, text_page: Any) -> list[tuple[str, Box]]:
    """The texts that the file gives for signs whose font has no letters for them, and where they are drawn, in the
    file's points: ligatures, which the text of the page lacks.
    """
    import pypdfium2.raw as pdfium

    found: list[tuple[str, Box]] = []
    before = ""
    sides = [ctypes.c_float() for _ in range(4)]
    for item in _text_objects(page):
        value, last = clean_text(_actual_text(item)).strip(), before
        before = value
        if not value or value == last or pdfium.FPDFTextObj_GetText(item, text_page, None, 0) > 2:
            continue
        if pdfium.FPDFPageObj_GetBounds(item, *map(ctypes.byref, sides)):
            found.append((value, (sides[0].value, sides[1].value, sides[2].value, sides[3].value)))
    return found


def _text_objects(page: Any) -> Iterator[Any]:
    """The text objects of a page in the order they are drawn, those in its forms too."""
    import pypdfium2.raw as pdfium

    pending = [pdfium.FPDFPage_GetObject(page, at) for at in range(pdfium.FPDFPage_CountObjects(page))][::-1]
    for _ in range(MOST_OBJECTS * 5):
        if not pending:
            return
        item = pending.pop()
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_FORM:
            inside = range(pdfium.FPDFFormObj_CountObjects(item))
            pending += [pdfium.FPDFFormObj_GetObject(item, at) for at in inside][::-1]
        elif kind == pdfium.FPDF_PAGEOBJ_TEXT:
            yield item


def _actual_text(handle: Any) -> str:
    import pypdfium2.raw as pdfium

    size = ctypes.c_ulong()
    for number in range(min(pdfium.FPDFPageObj_CountMarks(handle), 8)):
        mark = pdfium.FPDFPageObj_GetMark(handle, number)
        if not pdfium.FPDFPageObjMark_GetParamStringValue(mark, b"ActualText", None, 0, ctypes.byref(size)):
            continue
        buffer = (ctypes.c_ushort * _MOST_ACTUAL)()
        if pdfium.FPDFPageObjMark_GetParamStringValue(
            mark, b"ActualText", buffer, 2 * _MOST_ACTUAL, ctypes.byref(size)
        ):
            return bytes(buffer)[: max(0, min(size.value, 2 * _MOST_ACTUAL) - 2)].decode("utf-16-le", "replace")
    return ""


def _differ(one: bytes, other: bytes, start: int, end: int) -> bool:
    left, right = one[start:end], other[start:end]
    return left != right and any(abs(a - b) > _LEAST_CONTRAST for a, b in zip(left, right, strict=True))


def _unpaint(page: Any) -> None:
    """Make all text of a loaded page invisible, that in its forms too."""
    import pypdfium2.raw as pdfium

    for item in _text_objects(page):
        pdfium.FPDFTextObj_SetTextRenderMode(item, pdfium.FPDF_TEXTRENDERMODE_INVISIBLE)
