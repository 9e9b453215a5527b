"""Tesseract as the engine of OCR: its table of words, how it is chosen, and a real picture where it is installed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from reading import put, read

from ingest.parse import fence, parse_file
from ingest.parse.tesseract import read_table
from rag.errors import ParseError
from rag.settings import Parsing

unix = pytest.mark.skipif(os.name == "nt", reason="its stand-in is a shell script")
installed = pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
NAMES = "level page_num block_num par_num line_num word_num left top width height conf text".split()  # noqa: SIM905
ROWS = [
    "1 1 0 0 0 0 0 0 700 300 -1 ",
    "5 1 1 1 1 1 30 40 80 20 96.5 Mooring",
    "5 1 1 1 1 2 120 40 40 20 90 fee",
    '5 1 1 1 2 1 30 80 30 20 91 "420"',
    "5 1 1 1 2 2 70 80 30 20 95  ",
]
TABLE = "\n".join(["\t".join(NAMES), *("\t".join(row.split(" ", 11)) for row in ROWS)]) + "\n"


def picture(path: Path) -> Path:
    image = Image.new("RGB", (900, 300), "white")
    for at, text in enumerate(("Mooring fee of the quay", "Boats pay 420 euros a season")):
        ImageDraw.Draw(image).text((40, 60 + 80 * at), text, font=ImageFont.load_default(40), fill="black")
    image.save(path, dpi=(100, 100))
    return path


def test_words_are_joined_into_lines() -> None:
    first, second = read_table(TABLE)
    assert [text for text, _quad in first.words] == ["Mooring", "fee"]
    assert first.score == pytest.approx(0.9325)
    assert first.quad.points == ((30.0, 40.0), (160.0, 40.0), (160.0, 60.0), (30.0, 60.0))
    assert [text for text, _quad in second.words] == ['"420"']
    assert read_table("") == []


@unix
@pytest.mark.parametrize(("engine", "missing"), [("tesseract", False), ("auto", True)])
def test_it_is_chosen_by_name_or_where_rapidocr_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, missing: bool
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    table = put(programs / "table.tsv", TABLE)
    script = f'#!/bin/sh\ncase "$1" in --list-langs) printf "List:\\ndeu\\neng\\nosd\\n";; *) cat {table};; esac\n'
    put(programs / "tesseract", script).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin")
    if missing:
        put(programs / "rapidocr.py", "raise ImportError('gone')")
        monkeypatch.setattr(sys, "path", [str(programs), *sys.path])
        fence.LAUNCHERS.close()  # one that has imported rapidocr keeps it
    limits = Parsing(ocr_engine=engine)
    document = parse_file(picture(tmp_path / "a.png"), document_id="x", name="a.png", limits=limits)
    fence.LAUNCHERS.close()  # another test wants the real one
    assert document.text.split() == ["Mooring", "fee", '"420"']
    assert document.pages[0].source == "ocr"
    word = document.pages[0].boxes.unpack()[0]
    assert document.text[word.start : word.end] == "Mooring"


@unix
def test_a_named_engine_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ParseError, match="OCR_ENGINE names Tesseract, which is missing"):
        parse_file(picture(tmp_path / "a.png"), document_id="x", name="a.png", limits=Parsing(ocr_engine="tesseract"))


@installed
def test_words_of_a_picture_are_read(tmp_path: Path) -> None:
    limits = Parsing(ocr_engine="tesseract")
    document = parse_file(picture(tmp_path / "a.png"), document_id="x", name="a.png", limits=limits)
    assert document.text.split("\n") == ["Mooring fee of the quay", "Boats pay 420 euros a season"] or (
        "Boats pay 420 euros a season" in document.text
    )
    assert read(tmp_path / "a.png").text  # by the engine of the default settings
