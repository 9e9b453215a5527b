"""How many words of generated screenshots in a Word file are right: text of 10 to 14 points at 96 dpi, dark, tables."""

from __future__ import annotations

import io
import pydoc_data.topics
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from evals.reading.words import compare, words_of
from ingest.parse.child import read_document
from ingest.parse.limits import Limits

_LIMITS = Limits(memory_bytes=4 << 30, max_text_bytes=64 << 20, max_pages=5_000)
_SEED = 15
_SIZE = (900, 520)
_KINDS = (
    *(("light", points) for points in (10, 11, 12, 13, 14)),
    *(("dark", points) for points in (10, 12, 14)),
    *(("table", points) for points in (10, 12)),
)
_COLOURS = {"light": ("white", "#202020"), "dark": ("#1e1e1e", "#d4d4d4"), "table": ("#fafafa", "#111111")}


def draw_screen(kind: str, points: int, chance: random.Random) -> tuple[Any, str]:
    """A screenshot, and the words that are on it."""
    from PIL import Image, ImageDraw, ImageFont

    behind, colour = _COLOURS[kind]
    image = Image.new("RGB", _SIZE, behind)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(points * 96 / 72)
    pitch = round(points * 96 / 72 * 1.5)
    shown = []
    words = _some_words(chance)
    for y in range(16, _SIZE[1] - pitch, pitch):
        if kind == "table":
            row = [words.pop(), *(f"{chance.uniform(1, 9_999):,.2f}" for _ in range(4))]
            for x, cell in zip(range(16, 900, 180), row, strict=True):
                pen.text((x, y), cell, font=font, fill=colour)
            pen.line((10, y - 3, _SIZE[0] - 10, y - 3), fill="#c8c8c8")
            shown += row
            continue
        line = words.pop()
        while pen.textlength(f"{line} {words[-1]}", font=font) < _SIZE[0] - 32:
            line += f" {words.pop()}"
        pen.text((16, y), line, font=font, fill=colour)
        shown.append(line)
    return image, " ".join(shown)


def _some_words(chance: random.Random) -> list[str]:
    words = re.sub(r"[*`_\\]+|[^\x20-\x7e]+", " ", " ".join(pydoc_data.topics.topics.values())).split()
    start = chance.randrange(len(words) - 2_000)
    return [word for word in words[start : start + 2_000] if word.isalpha() or word[:-1].isalpha()][::-1]


def print_screens() -> None:
    """Print the shares of the words of each screenshot that are right, alone and in their order, and its time."""
    import docx

    chance = random.Random(_SEED)
    kept = in_order = total = 0.0
    for kind, points in _KINDS:
        picture, shown = draw_screen(kind, points, chance)
        with tempfile.TemporaryDirectory() as folder:
            path, target = Path(folder) / "a.docx", io.BytesIO()
            picture.save(target, "PNG")
            book = docx.Document()
            book.add_picture(target)
            book.save(str(path))
            began_s = time.perf_counter()
            text = read_document(path, path.name, _LIMITS).text
            one = compare(kind, path.name, words_of(text), words_of(shown))
            spent_s = time.perf_counter() - began_s
        print(  # noqa: T201
            f"{kind} {points} pt: {one.words} words  right {one.kept:.3f}  in order {one.in_order:.3f}  {spent_s:.1f} s"
        )
        kept, in_order, total = kept + one.kept * one.words, in_order + one.in_order * one.words, total + one.words
    print(f"all: {total:.0f} words  right {kept / total:.3f}  in order {in_order / total:.3f}")  # noqa: T201
