"""The short form of `python -m tests.fuzz`, and what it found."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import docx
import pptx
import pytest

from fuzz import readers, replies
from ingest.parse import parse_file
from rag.errors import ParseError

SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "documents"


def test_damaged_files_become_documents_or_failures_with_a_reason(tmp_path: Path) -> None:
    outcomes = list(islice(readers.read_damaged(readers.find_seeds([SAMPLE]), 7, tmp_path), 60))
    assert [(one.code, one.said) for one in outcomes if one.is_broken] == []
    assert {one.code for one in outcomes} >= {"", "corrupt"}, "nothing was damaged, or everything was beyond reading"
    assert all(one.said.endswith(".") for one in outcomes if one.code)


def test_what_holds_of_every_answer_holds_of_strange_replies() -> None:
    held = replies.passages()
    for text in islice(replies.write_replies(7), 60):
        replies.check(text, held)


def broken_slides(path: Path) -> Path:
    pptx.Presentation().save(str(path))
    with zipfile.ZipFile(path) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    members["ppt/slideLayouts/slideLayout1.xml"] = b"<?xml version='1.0' <p:sldLayout/>"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def broken_deflate(path: Path) -> Path:
    """A member whose compressed bytes cannot be unpacked."""
    docx.Document().save(str(path))
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("word/document.xml")
    data = bytearray(path.read_bytes())
    begins = info.header_offset + 30 + len(info.filename)
    data[begins : begins + 40] = b"\xff" * 40
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("make", [broken_slides, broken_deflate])
def test_damaged_parts_are_told_as_such(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path / ("a.pptx" if make is broken_slides else "a.docx"))
    with pytest.raises(ParseError, match=r"cannot be (?:read|unpacked)") as caught:
        parse_file(path, document_id="x", name=path.name, limits=readers.LIMITS)
    assert caught.value.code == "corrupt"


def test_a_date_beyond_all_calendars_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.eml"
    path.write_text("Subject: Fees\nDate: Mon, 1 Jan 99999999999999999999 10:00:00 +0000\n\nThe fee is 9 crowns.\n")
    assert "The fee is 9 crowns." in parse_file(path, document_id="x", name=path.name, limits=readers.LIMITS).text
