"""Words of the pictures inside documents: each picture is read once, by OCR, where it first stands.

    InnerPicture ─ TextBuilder.add_picture ─> Pictures.read ─> text and tables in the builder, and notes

Pictures that are too small for words (icons, logos) are passed over. What else is not read has a note with its reason:
a picture never fails the document that shows it. Runs only inside the fence.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import re
import urllib.parse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingest.parse.build import clean_line
from rag.errors import ParseError

if TYPE_CHECKING:
    from ingest.parse.limits import Limits
    from ingest.parse.lines import PageWords
    from ingest.parse.ocr import Recogniser
    from rag.types import Document

PIXELS_PER_INCH = 96
_SHORTEST_SIDE = 20
_FEWEST_PIXELS = 10_000
"""Of a picture that can show a line of words: one of 10 points takes 20 pixels with what is around it, and icons have
up to 96 a side. The size at which a document shows a picture must be as large, at 96 pixels an inch."""
_FEW_LETTERS, _DOUBTFUL = 20, 0.8
"""Fewer letters, recognised with less confidence, are shapes: in 18 files of other projects' tests icons gave 1 to 5
letters of .57 to .77, pictures with words .91 and more."""
_DAMAGED = "damaged, or drawings (EMF, WMF, SVG)"
_DATA_URL = re.compile(r"data:image/[\w.+-]+((?:;[^,;]*)*),", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class InnerPicture:
    """A picture as a document shows it.

    `load` gives the bytes of its file, None where that is no part of the document; it raises KeyError where the file
    is missing, and Unread. `inches` are the width and height at which it is shown, 0.0 where they are not stated. `cut`
    are the shares of it that are cut off at the left, top, right and bottom, 0 to 1.
    """

    load: Callable[[], bytes | None]
    inches: tuple[float, float] = (0.0, 0.0)
    cut: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


class Unread(Exception):
    """A picture is not read; the message says why, in a note."""


class Pictures:
    """Reads the pictures inside one document, within its limits: no more than `max_pages`, in the time of its OCR.

    `unread` counts those that were not read, by the reason.
    """

    def __init__(self, limits: Limits) -> None:
        self.unread: Counter[str] = Counter()
        self._limits = limits
        self._seen: set[bytes] = set()
        self._recogniser: Recogniser | None = None
        self._unavailable = ""
        self._read: list[PageWords] = []

    def read(self, picture: InnerPicture) -> Document | None:
        """The words of a picture; None where it shows none, was read before, or cannot be read, which is noted."""
        if all(picture.inches) and not is_legible(*(side * PIXELS_PER_INCH for side in picture.inches)):
            return None
        try:
            data = _load(picture)
            if data is None:
                return None
            digest = hashlib.sha256(data)
            digest.update(repr(picture.cut).encode())
            if digest.digest() in self._seen:
                return None
            self._seen.add(digest.digest())
            return self._read_words(data, picture.cut)
        except Unread as error:
            self.unread[str(error)] += 1
        except ParseError as error:
            self.unread["too many pixels" if error.code == "too_large" else _DAMAGED] += 1
        except MemoryError:
            self.unread["larger than FOOTNOTE_PARSING__MEMORY_MB allows"] += 1
        # As in `child.py`: libraries raise anything for damaged pictures, and the document is read.
        except Exception:  # noqa: BLE001
            self.unread[_DAMAGED] += 1
        return None

    def take_read(self) -> tuple[int, float]:
        """How many pictures with words were read since the last call, and the mean confidence of their words."""
        read, self._read = self._read, []
        letters = [_letters_of(page) for page in read]
        sure = sum((page.confidence or 0.0) * count for page, count in zip(read, letters, strict=True))
        return len(read), sure / max(1, sum(letters))

    def _read_words(self, data: bytes, cut: tuple[float, float, float, float]) -> Document | None:
        """The words of a picture, None where it has none. Raises Unread, ParseError and what libraries raise."""
        import numpy as np

        from ingest.parse import layout
        from ingest.parse.ocr import BLANK, LONGEST_SIDE, WORDLESS
        from ingest.parse.pictures import open_picture, upright_frame

        with open_picture(io.BytesIO(data), "picture") as image:
            if not is_legible(image.width * (1 - cut[0] - cut[2]), image.height * (1 - cut[1] - cut[3])):
                return None
            recogniser = self._open()
            if recogniser.is_late:
                raise Unread("the time for OCR ran out; raise FOOTNOTE_PARSING__OCR_TIMEOUT_S")
            image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a large JPEG need not be unpacked in full
            frame, width, height = upright_frame(image, 0, "picture")
        if any(cut):
            across, down = frame.size
            frame = frame.crop((cut[0] * across, cut[1] * down, (1 - cut[2]) * across, (1 - cut[3]) * down))
            width, height = width * frame.width / across, height * frame.height / down
        frame.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        page = recogniser.read(np.asarray(frame)[:, :, ::-1].copy(), 1, width, height)
        if page.trouble == BLANK:
            return None
        shapes = _letters_of(page) < _FEW_LETTERS and (page.confidence or 0.0) < _DOUBTFUL
        if page.trouble == WORDLESS or (page.words and shapes):
            raise Unread("no words were recognised")
        if not page.words:
            raise Unread(page.trouble)
        self._read.append(page)
        found = layout.compose([page], [], name="picture", media_type="", title="", metadata={})
        return replace(found, headings=(), notes=())  # what is large in a picture heads no part of the document

    def _open(self) -> Recogniser:
        from ingest.parse.ocr import OcrUnavailable, open_recogniser

        if len(self._seen) > self._limits.max_pages:
            raise Unread("there are too many; raise FOOTNOTE_PARSING__MAX_PAGES")
        if self._recogniser is None and not self._unavailable:
            try:
                self._recogniser = open_recogniser(self._limits)
            except OcrUnavailable as error:
                self._unavailable = str(error)
        if self._recogniser is None:
            raise Unread(self._unavailable)
        return self._recogniser


def _load(picture: InnerPicture) -> bytes | None:
    try:
        return picture.load()
    except KeyError as error:
        raise Unread("not in the file") from error


def _letters_of(page: PageWords) -> int:
    return sum(len(word.text) for word in page.words)


def is_legible(width: float, height: float) -> bool:
    """Whether a picture of this size in pixels can show a line of words."""
    return min(width, height) >= _SHORTEST_SIDE and width * height >= _FEWEST_PIXELS


def open_data_url(address: str) -> bytes | None:
    """The bytes of a picture that stands in its own address (RFC 2397); None for any other address.

    Raises ValueError for one that is damaged.
    """
    found = _DATA_URL.match(address.strip())
    if not found:
        return None
    data = urllib.parse.unquote_to_bytes(address.strip()[found.end() :])
    return binascii.a2b_base64(data) if found[1].lower().endswith(";base64") else data


def on_one_line(text: str) -> str:
    """The words of a picture as a part of a line, without the bars that part the columns of its tables."""
    return clean_line(text.replace(" | ", ", "))
