"""Finding, naming, comparing and identifying files."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.files import FoundFile, FoundFiles, KnownFile, clean_name, compare, find_files, identify
from rag.errors import ParseError


def put(path: Path, data: str | bytes = "words\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_walk_is_sorted_skips_hidden_and_names_files_from_the_folder(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/b/c.md", ".hidden.txt", ".git/config"):
        put(tmp_path / name)
    found = find_files([tmp_path])
    assert [file.name for file in found.files] == ["b.txt", "a/z.txt", "a/b/c.md"]
    assert found.problems == ()
    assert found.files[0].source == (tmp_path / "b.txt").resolve().as_uri()
    assert found.files[0].size_bytes == 6
    assert found.files[0].modified_ns == (tmp_path / "b.txt").stat().st_mtime_ns


def test_single_file_goes_by_its_base_name_and_is_found_once(tmp_path: Path) -> None:
    file = put(tmp_path / "deep" / "report.txt")
    found = find_files([file, tmp_path, file])
    assert [one.name for one in found.files] == ["report.txt"]


def test_link_that_leads_in_a_circle_ends(tmp_path: Path) -> None:
    put(tmp_path / "a" / "x.txt")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    found = find_files([tmp_path])
    assert [file.name for file in found.files] == ["a/x.txt"]
    assert [problem.path.name for problem in found.problems] == ["dangling"]


def test_missing_path_is_a_problem_and_not_an_exception(tmp_path: Path) -> None:
    found = find_files([tmp_path / "nope", put(tmp_path / "a.txt")])
    assert [file.name for file in found.files] == ["a.txt"]
    assert "does not exist" in found.problems[0].message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert find_files([tmp_path]).files == ()


def test_comparison_sorts_files_by_what_they_need(tmp_path: Path) -> None:
    for name in ("new.txt", "same.txt", "touched.txt"):
        put(tmp_path / name)
    found = find_files([tmp_path])
    new, same, touched = found.files
    folder = found.folders[0]
    known = {
        same.source: KnownFile("h", same.size_bytes, same.modified_ns),
        touched.source: KnownFile("h", touched.size_bytes, touched.modified_ns - 1),
        f"{folder}gone.txt": KnownFile("h", 1, 1),
        "file:///elsewhere/kept.txt": KnownFile("h", 1, 1),
    }
    result = compare(found, known)
    assert result.new == (new,)
    assert result.unchanged == (same,)
    assert result.changed == (touched,)
    assert result.removed == (f"{folder}gone.txt",)


def test_nothing_counts_as_removed_below_a_folder_that_could_not_be_read() -> None:
    from ingest.files import PathProblem

    found = FoundFiles((), (PathProblem(Path("/data/locked"), "it may not be read"),), ("file:///data/",))
    known = {"file:///data/locked/a.txt": KnownFile("h", 1, 1), "file:///data/b.txt": KnownFile("h", 1, 1)}
    assert compare(found, known).removed == ("file:///data/b.txt",)


def test_neighbour_with_a_longer_name_is_not_in_the_walked_folder() -> None:
    file = FoundFile(Path("/data/a.txt"), "a.txt", "file:///data/a.txt", 1, 1)
    known = {"file:///data-old/b.txt": KnownFile("h", 1, 1)}
    assert compare(FoundFiles((file,), (), ("file:///data/",)), known).removed == ()


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/abs/report.pdf", "abs/report.pdf"),
        ("C:\\Users\\me\\a.docx", "Users/me/a.docx"),
        ("new\nline\x00.txt", "new line .txt"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("dots..in...name.txt", "dots..in...name.txt"),
    ],
)
def test_names_are_cleaned(given_name: str, shown: str) -> None:
    assert clean_name(given_name) == shown


def test_long_name_keeps_its_extension() -> None:
    assert clean_name("a" * 400 + ".pdf") == "a" * 251 + ".pdf"


@given(st.text(max_size=400))
def test_clean_names_are_harmless(name: str) -> None:
    shown = clean_name(name)
    assert 0 < len(shown) <= 255
    assert not shown.startswith("/")
    assert not {"..", "."} & set(shown.split("/"))
    assert shown.isprintable() or all(ord(character) >= 0xA0 for character in shown if not character.isprintable())
    assert clean_name(shown) == shown


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("a.txt", "Plain words, and more of them.\n", "text/plain"),
        ("noextension", "The office closes at 17:45.\n", "text/plain"),
        ("a.md", "# Title\n\ntext\n", "text/markdown"),
        ("data.md", json.dumps([{"a": 1}]), "text/markdown"),
        ("wrong.pdf", "<html><body><h1>No PDF</h1></body></html>", "text/html"),
        ("page", "<!DOCTYPE html>\n<p>hello</p>", "text/html"),
        ("wrong.txt", b"%PDF-1.4\n%\xe2\xe3\n", "application/pdf"),
        ("after.bin", b"HTTP 200\r\n%PDF-1.4\r\n1 0 obj\r\n<< >>\r\nendobj\r\n", "application/pdf"),
        ("make.py", "def write() -> bytes:\n    return b'%PDF-1.7\\n1 0 obj'\n", "text/plain"),
        ("about.md", "# PDF\n\nA file begins with its version:\n\n%PDF-1.7\n", "text/markdown"),
        ("talk", "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", "text/vtt"),
        ("box", "From a@b Mon\nFrom: a@b\nSubject: One\n\nText\n", "application/mbox"),
        ("letter", "{\\rtf1 Hello}", "application/rtf"),
        ("article", '<?xml version="1.0"?><article><p>Words</p></article>', "application/xml"),
        ("a.json", '{"a": [1, 2]}', "application/json"),
        ("b", '{"cells": [], "nbformat": 4}', "application/x-ipynb+json"),
        ("a.csv", "name;amount\nA;1\n", "text/csv"),
        ("table", "a,b,c\n1,2,3\n4,5,6\n7,8,9\n", "text/csv"),
        ("a.tsv", "a\tb\n1\t2\n", "text/tab-separated-values"),
        ("prose", "One, two, three.\nFour, five, six.\nSeven, eight, nine.\n", "text/plain"),
        ("mail", "From: a@example.org\nTo: b@example.org\nSubject: Hi\n\nHello.\n", "message/rfc822"),
        ("note.txt", "Note: this is no mail.\n\nReally.\n", "text/plain"),
        ("marks.txt", "[1] The sky is green. [2] So it is.\n", "text/plain"),
        ("wide.txt", "Grüße aus Köln.".encode("utf-16"), "text/plain"),
        ("wide2.txt", "Nothing but plain words".encode("utf-16-le"), "text/plain"),
        ("legacy.txt", "Le café ferme à 18h. Señor Muñoz.".encode("latin-1"), "text/plain"),
        ("feed.xml", '<?xml version="1.0"?><rss><title>News</title></rss>', "application/xml"),
    ],
)
def test_type_is_told_by_content(tmp_path: Path, name: str, data: str | bytes, media_type: str) -> None:
    assert identify(put(tmp_path / name, data)) == media_type


def test_zip_containers_are_looked_into(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "book.zip", "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
    with zipfile.ZipFile(tmp_path / "plain.zip", "w") as archive:
        archive.writestr("a.txt", "hello")
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "hello")
    assert identify(tmp_path / "book.zip") == "application/epub+zip"
    assert identify(tmp_path / "plain.zip") == "application/zip"
    with pytest.raises(ParseError, match="holds a program") as caught:
        identify(tmp_path / "program.zip")
    assert caught.value.code == "unsupported_type"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b" \n\n\t ", "empty"),
        (b"\0\0\0\x20ftypheic" + b"\0" * 50, "unsupported_type"),
        (bytes(range(256)) * 20, "unsupported_type"),
        (b"PK\x03\x04 and then nothing that a zip would have", "corrupt"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_code(tmp_path: Path, data: bytes, code: str) -> None:
    with pytest.raises(ParseError) as caught:
        identify(put(tmp_path / "file.bin", data))
    assert caught.value.code == code
    assert "file.bin" in caught.value.message
