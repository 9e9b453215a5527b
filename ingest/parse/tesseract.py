"""Words recognised by Tesseract, where its program is installed: the other engine of `ocr.py`."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parse.build import clean_text
from ingest.parse.limits import extend_open_files
from ingest.parse.ocr import Line, Quad

if TYPE_CHECKING:
    import numpy as np

_MOST_LANGUAGES = 4
_NOT_LANGUAGES = ("osd", "equ", "snum")
_WORD_LEVEL = "5"


@dataclass(frozen=True, slots=True)
class Tesseract:
    """The program and the languages that it reads, as its options name them."""

    program: str
    languages: str
    fenced: bool

    def read_lines(self, picture: np.ndarray) -> list[Line]:
        """The lines of a picture (uint8, BGR). Raises RuntimeError where the program fails."""
        from PIL import Image

        if self.fenced:
            extend_open_files()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "page.png"
            Image.fromarray(picture[:, :, ::-1]).save(path, compress_level=1)
            said = _run(self.program, str(path), "stdout", "-l", self.languages, "--psm", "3", "tsv")
        return read_table(said)


def find_tesseract(*, fenced: bool) -> Tesseract | None:
    """The installed program with up to four of its languages, English first; None where there is none."""
    program = shutil.which("tesseract")
    if program is None:
        return None
    try:
        listed = _run(program, "--list-langs").split("\n")[1:]
    except RuntimeError:
        return None
    languages = [one.strip() for one in listed if one.strip() and not one.strip().startswith(_NOT_LANGUAGES)]
    chosen = sorted(languages, key=lambda one: (one != "eng", one))[:_MOST_LANGUAGES]
    return Tesseract(program, "+".join(chosen), fenced) if chosen else None


def read_table(said: str) -> list[Line]:
    """The lines of Tesseract's TSV: words with a box in pixels from the top left, and a confidence of 0 to 100."""
    rows = csv.DictReader(io.StringIO(said), delimiter="\t", quoting=csv.QUOTE_NONE)
    words = [row for row in rows if row["level"] == _WORD_LEVEL and clean_text(row["text"] or "").strip()]
    lines = []
    for _place, group in groupby(words, key=lambda row: (row["block_num"], row["par_num"], row["line_num"])):
        held = list(group)
        pieces = [(clean_text(row["text"]).strip(), _quad(row)) for row in held]
        score = sum(max(0.0, float(row["conf"])) for row in held) / len(held) / 100
        lines.append(Line(pieces, min(1.0, score), Quad.around([quad for _text, quad in pieces])))
    return lines


def _quad(row: dict[str, str]) -> Quad:
    left, top = float(row["left"]), float(row["top"])
    right, bottom = left + float(row["width"]), top + float(row["height"])
    return Quad(((left, top), (right, top), (right, bottom), (left, bottom)))


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise RuntimeError(f"tesseract could not be started ({error})") from error
    if done.returncode:
        raise RuntimeError(f"tesseract failed ({done.stderr.decode('utf-8', 'replace').strip()[:120]})")
    return done.stdout.decode("utf-8", "replace")
