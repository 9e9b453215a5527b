"""Reader of pictures (PNG, JPEG, TIFF, BMP, GIF, WebP): each frame is a page whose words are recognised.

Runs only inside the fence.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ingest.parse import layout
from rag.errors import NotFound, ParseError
from rag.types import Document

if TYPE_CHECKING:
    from PIL import Image

    from ingest.parse.limits import Limits

_MOST_PIXELS = 100_000_000
_MAX_SIDE = 4_096
_USUAL_DPI = 150.0  # of a picture that does not state its resolution
_DPI = (50.0, 2_400.0)
_PAGED = ("TIFF", "MPO")
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")  # Pillow would start Ghostscript for another


def read_picture(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the words that the picture shows, with boxes. Raises ParseError, `no_text` where none are recognised."""
    import numpy as np

    from ingest.parse.ocr import LONGEST_SIDE, OcrUnavailable, open_recogniser

    with open_picture(path, name) as image:
        count = getattr(image, "n_frames", 1) if image.format in _PAGED else 1
        if count > limits.max_pages:
            raise ParseError(
                "too_large",
                f"{name}: it has more than {limits.max_pages:,} pages. Split it, or raise FOOTNOTE_PARSING__MAX_PAGES.",
            )
        try:
            recogniser = open_recogniser(limits)
        except OcrUnavailable as error:
            raise ParseError(
                "no_text", f"{name}: it is a picture, and {error}. Upload a file with text, or install rapidocr."
            ) from error
        pages = []
        for number in range(count):
            frame, width, height = upright_frame(image, number, name)
            frame.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            pages.append(recogniser.read(np.asarray(frame)[:, :, ::-1].copy(), number + 1, width, height))
    if not any(page.words for page in pages):
        trouble = next((page.trouble for page in pages if page.trouble), "it is a picture without words")
        raise ParseError("no_text", f"{name}: {trouble}. Upload a sharper picture, or a file with text.")
    return layout.compose(pages, [], name=name, media_type=media_type, title="", metadata={"reader": "ocr"})


def render_picture(path: Path, name: str, page_number: int, dpi: int) -> bytes:
    """Render a page of the picture as PNG. Raises NotFound when it has no such page, ParseError when it is damaged."""
    with open_picture(path, name) as image:
        count = getattr(image, "n_frames", 1) if image.format in _PAGED else 1
        if not 1 <= page_number <= count:
            raise NotFound(f"{name} has no page {page_number}; it has {count}. Ask for a page from 1 to {count}.")
        frame, width, height = upright_frame(image, page_number - 1, name)
        side = min(_MAX_SIDE, max(1, round(max(width, height) * dpi / 72)))
        frame.thumbnail((side, side))
        target = io.BytesIO()
        frame.save(target, "PNG", compress_level=3)
    return target.getvalue()


@contextmanager
def open_picture(path: Path | IO[bytes], name: str) -> Iterator[Image.Image]:
    """The picture, not yet unpacked. Raises ParseError: `corrupt`, or `too_large` for its number of pixels."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # checked below, with a message
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ParseError(
                    "too_large",
                    f"{name}: it has {image.width} by {image.height} pixels, more than {_MOST_PIXELS:,}. "
                    "Scale it down.",
                )
            yield image
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        seen = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"  # that one tells only the file's path
        raise ParseError(
            "corrupt", f"{name}: it begins like a picture but cannot be opened{seen}. Copy or download it again."
        ) from error


def upright_frame(image: Image.Image, number: int, name: str) -> tuple[Image.Image, float, float]:
    """A page upright in RGB, on white where it is transparent, and its width and height in points."""
    from PIL import Image, ImageOps

    image.seek(number)
    if image.width * image.height > _MOST_PIXELS:
        raise ParseError(
            "too_large", f"{name}: page {number + 1} has more than {_MOST_PIXELS:,} pixels. Scale it down."
        )
    stated = image.info.get("dpi")
    try:
        dpi = float(stated[0]) if stated else 0.0
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        dpi = 0.0
    dpi = dpi if _DPI[0] <= dpi <= _DPI[1] else _USUAL_DPI
    upright = ImageOps.exif_transpose(image) or image
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(white, layer)
    elif upright.mode.startswith("I") or upright.mode == "F":  # 16 bits, which convert() would clip
        upright = ImageOps.autocontrast(_to_grey(upright))
    picture = upright.convert("RGB")
    return picture, picture.width * 72 / dpi, picture.height * 72 / dpi


def _to_grey(image: Image.Image) -> Image.Image:
    """A picture of 16 or 32 bits a pixel as grey of 8 bits, from its darkest to its lightest value."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255 / max(high - low, 1e-6))).astype(np.uint8))
