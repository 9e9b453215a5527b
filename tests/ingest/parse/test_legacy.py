"""DOC, XLS and PPT: read through LibreOffice where it is installed, refused with advice where it is not."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import docx
import openpyxl
import pytest
from reading import headings, put, read, refusal

from ingest.parse import parse_file
from rag.errors import ParseError
from rag.settings import Parsing

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le")
unix = pytest.mark.skipif(os.name == "nt", reason="its stand-in for LibreOffice is a shell script")
office = pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")


def stand_in(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in place of LibreOffice: its last argument is the file, the one before it the folder to write to."""
    programs = folder / "programs"
    programs.mkdir()
    program = put(programs / "soffice", f'#!/bin/sh\nfor last; do :; done\nout="$(dirname "$last")"\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin")


@unix
def test_the_converted_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = docx.Document()
    source.add_heading("Terms", 1)
    source.add_paragraph("The deposit is 950 crowns.")
    made = io.BytesIO()
    source.save(made)
    checks = 'test "${last%.doc}" != "$last" && grep -q DisableMacros "$out/profile/user/registrymodifications.xcu" &&'
    stand_in(tmp_path, f'{checks} cp "{tmp_path}/programs/made.docx" "$out/source.docx"', monkeypatch)
    put(tmp_path / "programs" / "made.docx", made.getvalue())
    document = read(put(tmp_path / "old letter", OLE))
    assert document.media_type == "application/msword"
    assert document.text == "Terms\n\nThe deposit is 950 crowns."
    assert headings(document) == [(1, "Terms")]
    assert document.metadata["reader"] == "libreoffice"


@unix
def test_what_it_cannot_open_is_refused_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, 'echo "Error: source file could not be loaded" >&2', monkeypatch)
    with pytest.raises(ParseError, match="could not be loaded") as caught:
        read(put(tmp_path / "a.doc", OLE))
    assert caught.value.code == "corrupt"


@unix
def test_it_is_ended_with_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps = ("sleep", f"60.{os.getpid()}")
    stand_in(tmp_path, " ".join(sleeps), monkeypatch)
    codes: list[str] = []

    def one() -> None:
        with pytest.raises(ParseError) as caught:
            parse_file(put(tmp_path / "a.doc", OLE), document_id="x", name="a.doc", limits=Parsing(timeout_s=4))
        codes.append(caught.value.code)

    reader = threading.Thread(target=one)
    reader.start()
    while reader.is_alive() and not is_running(*sleeps):
        time.sleep(0.05)
    assert is_running(*sleeps)
    reader.join()
    assert codes == ["timeout"]
    for _ in range(50):
        if not is_running(*sleeps):
            return
        time.sleep(0.1)
    raise AssertionError("the program still runs")


def is_running(*command: str) -> bool:
    told = "\0".join(command).encode()
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if told in place.read_bytes():
                return True
    return False


def test_without_it_the_refusal_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if any(Path(place).exists() for place in ("/usr/lib/libreoffice/program/soffice", "/opt/libreoffice/program")):
        pytest.skip("LibreOffice is installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(put(tmp_path / "a.doc", OLE)) == "unsupported_type"
    with pytest.raises(ParseError, match="Install LibreOffice"):
        read(tmp_path / "a.doc")


@office
@pytest.mark.parametrize(("new", "old"), [("docx", "doc"), ("xlsx", "xls")])
def test_old_files_are_read_within_the_limits(tmp_path: Path, new: str, old: str) -> None:
    if new == "docx":
        source = docx.Document()
        source.add_heading("Terms", 1)
        table = source.add_table(2, 2)
        for cell, text in zip(table._cells, ("Boat", "Fee", "Petrel", "9"), strict=True):
            cell.text = text
        source.add_paragraph("After.")
        source.save(str(tmp_path / "a.docx"))
    else:
        book = openpyxl.Workbook()
        book.active.title = "Terms"
        for row in (("Boat", "Fee"), ("Petrel", 9), (), ("After.",)):
            book.active.append(row)
        book.save(tmp_path / "a.xlsx")
    profile = (tmp_path / "profile").as_uri()
    subprocess.run(
        ["soffice", "--headless", f"-env:UserInstallation={profile}", "--convert-to", old, f"a.{new}"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    document = read(tmp_path / f"a.{old}")
    assert document.text == "Terms\n\nBoat | Fee\nPetrel | 9\n\nAfter."
    assert headings(document) == [(1, "Terms")]
