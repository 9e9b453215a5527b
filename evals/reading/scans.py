"""How many words of generated scans are right: pages of 150 dpi with noise and 2 degrees of tilt, from a fixed seed."""

from __future__ import annotations

import io
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
_DPI = 150
_TILT_DEGREES = 2.0
_NOISE = 14.0  # standard deviation of the grey of a pixel, of 255


def draw_scan(text: str, chance: random.Random) -> tuple[Any, str]:
    """A page of A4 as a scanner gives it, in grey, and the words that are on it."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    across, down = round(8.27 * _DPI), round(11.69 * _DPI)
    page = Image.new("L", (across, down), 250)
    size = chance.choice((20, 22, 24, 26))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size)
    x, y, shown = 110.0, 120.0, []
    for word in text.split():
        length = pen.textlength(word + " ", font=font)
        if x + length > across - 110:
            x, y = 110.0, y + size * 1.6
        if y > down - 140:
            break
        pen.text((x, y), word, font=font, fill=chance.randint(10, 60))
        shown.append(word)
        x += length
    page = page.rotate(chance.choice((-_TILT_DEGREES, _TILT_DEGREES)), resample=Image.Resampling.BICUBIC, fillcolor=250)
    grains = np.random.default_rng(chance.randint(0, 1 << 30)).normal(0, _NOISE, (down, across))
    return Image.fromarray((np.asarray(page) + grains).clip(0, 255).astype("uint8")), " ".join(shown)


def print_scans(pages: int) -> None:
    """Print the shares of the words of generated scans that are right, and the time of a page."""
    import pydoc_data.topics

    chance = random.Random(_SEED)
    words = re.sub(r"[*`_\\]+|[^\x20-\x7e]+", " ", " ".join(pydoc_data.topics.topics.values())).split()
    kept = in_order = total = 0.0
    spent_cpu_s = spent_s = 0.0
    for _ in range(pages):
        start = chance.randrange(len(words) - 600)
        picture, shown = draw_scan(" ".join(words[start : start + 600]), chance)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scan.png"
            target = io.BytesIO()
            picture.save(target, "PNG", dpi=(_DPI, _DPI))
            path.write_bytes(target.getvalue())
            began_cpu_s, began_s = time.process_time(), time.perf_counter()
            one = compare("scan", path.name, words_of(read_document(path, path.name, _LIMITS).text), words_of(shown))
            spent_cpu_s += time.process_time() - began_cpu_s
            spent_s += time.perf_counter() - began_s
        kept, in_order, total = kept + one.kept * one.words, in_order + one.in_order * one.words, total + one.words
    print(  # noqa: T201
        f"{pages} pages, {total:.0f} words  right {kept / total:.3f}  in order {in_order / total:.3f}  "
        f"{spent_cpu_s / pages:.2f} s of processor, {spent_s / pages:.2f} s a page, loading the models each time"
    )
