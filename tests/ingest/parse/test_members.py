"""Files inside files: archives, mailboxes and attachments, and the limits on what is unpacked and recognised."""

from __future__ import annotations

import io
import mailbox
import os
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import IO

import docx
import pytest
from PIL import Image, ImageDraw, ImageFont
from reading import put, read, read_here, refusal, unpack

from ingest.parse import parse_file
from ingest.parse.child import read_document
from ingest.parse.limits import MOST_BYTES, Budget, Limits
from ingest.parse.members import take_inside, taken_file
from rag.errors import ParseError
from rag.settings import Parsing


def archive(files: dict[str, bytes | str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return data.getvalue()


def word() -> bytes:
    source, data = docx.Document(), io.BytesIO()
    source.add_heading("Terms", 1)
    source.add_paragraph("The deposit is 950 crowns.")
    source.save(data)
    return data.getvalue()


def picture(text: str, size: tuple[int, int] = (700, 160)) -> bytes:
    image, data = Image.new("RGB", size, "white"), io.BytesIO()
    ImageDraw.Draw(image).text((30, 50), text, font=ImageFont.load_default(30), fill="black")
    image.save(data, "PNG")
    return data.getvalue()


def limits(budget: Budget, folder: Path) -> Limits:
    """Limits under which the files inside are taken out, to the folder."""
    budget.folder = folder
    return Limits(memory_bytes=1 << 32, max_text_bytes=1 << 26, max_pages=100, inside=budget)


def test_the_files_of_an_archive_are_taken_out(tmp_path: Path) -> None:
    inner = archive({"deep.csv": "boat,fee,days\nPetrel,9,1\nTern,8,2\n"})
    files: dict[str, bytes | str] = {
        "2026/terms.docx": word(),
        "../../climbs.txt": "It climbs.",
        "__MACOSX/._terms.docx": b"\0\1",
        "blank.txt": "",
        "inner.zip": inner,
        "keys.bin": b"\0\1\2" * 50,
    }
    document, taken = unpack(put(tmp_path / "all.zip", archive(files)))
    assert document.media_type == "application/zip"
    assert document.text == "2026/terms.docx\nclimbs.txt\nblank.txt\ninner.zip\nkeys.bin"
    assert taken == {
        "2026/terms.docx": files["2026/terms.docx"],
        "climbs.txt": b"It climbs.",
        "inner.zip/deep.csv": b"boat,fee,days\nPetrel,9,1\nTern,8,2\n",
    }
    inside, note = document.notes
    assert (inside.code, inside.message) == ("files_inside", "The 3 files inside it are documents of their own.")
    assert note.code == "member_not_read"
    assert "keys.bin" in note.message
    assert not list(tmp_path.parent.rglob("climbs.txt"))
    alone = read(tmp_path / "all.zip")  # nobody asks for the files
    assert (alone.text, alone.notes, alone.inside) == (document.text, (), None)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("价格.txt", "gbk"),
        ("見積書.txt", "cp932"),
        ("Übersicht.txt", "cp437"),
        ("Müller.txt", "cp1252"),
        ("été.txt", "utf-8"),
    ],
)
def test_names_in_an_archive_are_read_in_the_encoding_of_its_system(tmp_path: Path, name: str, encoding: str) -> None:
    stated = name.encode(encoding)
    data = archive({"x" * len(stated): "words"}).replace(b"x" * len(stated), stated)
    assert read_here(put(tmp_path / "a.zip", data)).text == name


def test_archives_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    locked = bytearray(archive({"a.txt": "locked"}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + at] |= 1
    assert refusal(put(tmp_path / "locked.zip", bytes(locked))) == "encrypted"
    assert refusal(put(tmp_path / "none.zip", archive({"a.bin": bytes(range(256)) * 20}))) == "no_text"
    assert refusal(put(tmp_path / "empty.zip", archive({}))) == "no_text"


def test_a_damaged_file_of_an_archive_costs_a_note(tmp_path: Path) -> None:
    data = bytearray(archive({"bad.txt": "words " * 500, "good.txt": "Good words."}))
    data[60:64] = b"\xff\xff\xff\xff"
    document, taken = unpack(put(tmp_path / "a.zip", bytes(data)))
    assert taken == {"good.txt": b"Good words."}
    assert [note.code for note in document.notes] == ["files_inside", "member_not_read"]


def test_what_is_really_unpacked_is_limited(tmp_path: Path) -> None:
    bomb = bytearray(archive({"bomb.txt": b"A" * (40 << 20), "good.txt": "Good words."}))
    place = bomb.index(b"PK\x01\x02") + 24
    bomb[place : place + 4] = (1000).to_bytes(4, "little")  # the archive says that it is small
    _, taken = unpack(put(tmp_path / "bomb.zip", bytes(bomb)))
    assert taken["good.txt"] == b"Good words."
    assert sum(map(len, taken.values())) < 2_000
    document, taken = unpack(
        put(tmp_path / "b.zip", archive({"bomb.txt": b"A" * (40 << 20), "good.txt": "Good words."}))
    )
    assert taken == {"good.txt": b"Good words."}
    assert "200 times its size" in document.notes[1].message


def test_a_file_larger_than_a_reader_may_write_costs_a_note(tmp_path: Path) -> None:
    path = put(tmp_path / "all.zip", archive({"noise.bin": os.urandom(20 << 20), "good.txt": "Good words."}))
    kept: list[bytes] = []

    def keep(stream: IO[bytes]) -> tuple[str, int]:
        kept.append(stream.read())
        return "0" * 64, len(kept[-1])

    limits = Parsing(max_output_mb=1)
    document = parse_file(path, document_id="d" * 64, name=path.name, limits=limits, keep=keep)
    assert kept == [b"Good words."]
    assert (
        "'noise.bin' was not read: it is larger than FOOTNOTE_PARSING__MAX_OUTPUT_MB allows"
        in document.notes[1].message
    )


def test_files_bytes_and_depth_are_counted_over_all_levels(tmp_path: Path) -> None:
    nested = b"end"
    for number in range(7):
        nested = archive({f"{number}.txt" if number == 0 else f"{number}.zip": nested})
    path = put(tmp_path / "deep.zip", archive({"deep.zip": nested, "flat.txt": "flat"}))
    budget = Budget()
    document = read_document(path, path.name, limits(budget, tmp_path))
    assert budget.taken == ["flat.txt"]
    assert "it lies too deep" in document.notes[1].message
    path = put(tmp_path / "many.zip", archive({f"{at}.zip": archive({"a": "x y", "b": "z w"}) for at in range(4)}))
    budget = Budget(files=4)
    read_document(path, path.name, limits(budget, tmp_path))
    assert budget.taken == ["0.zip/a", "0.zip/b"]
    path = put(tmp_path / "large.zip", archive({f"{at}.txt": f"{at} words " * 500 for at in range(4)}))
    budget = Budget(bytes=10_000)
    read_document(path, path.name, limits(budget, tmp_path))
    assert budget.taken == ["0.txt", "1.txt"]


def test_what_a_child_says_that_it_took_out_is_checked(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret", "the key")
    folder = tmp_path / "child"
    folder.mkdir()
    kept: list[bytes] = []

    def keep(stream: IO[bytes]) -> tuple[str, int]:
        kept.append(stream.read())
        return "", 0

    place = taken_file(folder, 0)
    for made in (
        lambda: place.symlink_to(secret),
        lambda: place.hardlink_to(secret),
        lambda: os.mkfifo(place),
        lambda: os.truncate(put(place, ""), MOST_BYTES + 1),
    ):
        made()
        with pytest.raises(ParseError) as caught:
            take_inside(["a.txt"], folder, keep)
        assert caught.value.code == "internal"
        place.unlink()
    with pytest.raises(ParseError, match="cannot be opened"):
        take_inside(["a.txt"], folder, keep)
    with pytest.raises(ParseError, match="names 10001 files"):
        take_inside(["a"] * 10_001, folder, keep)
    assert kept == []


def mail(subject: str, body: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@example.org", "bob@example.org", subject
    message.set_content(body)
    return message


def test_each_message_of_a_mailbox_is_taken_out(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    second = mail("Fees", "From May on the fee is 9 crowns.\n\nFrom here on: old mail.\n")
    second.add_attachment(word(), maintype="application", subtype="octet-stream", filename="terms.docx")
    for message in (mail("Boat", "The boat leaves at seven.\n"), second, mail("", "No subject.\n")):
        box.add(message)
    box.close()
    document, taken = unpack(tmp_path / "box")
    assert document.media_type == "application/mbox"
    assert list(taken) == ["1 Boat.eml", "2 Fees.eml", "2 Fees.eml/terms.docx", "3.eml"]
    assert document.text.startswith("Message | From | Date\n1 Boat.eml | ann@example.org\n2 Fees.eml | ann@")
    fees = read_here(put(tmp_path / "fees.eml", taken["2 Fees.eml"]))
    assert fees.metadata["subject"] == "Fees"
    assert "\n\nFrom May on the fee is 9 crowns.\n\nFrom here on: old mail.\n\n" in fees.text


def test_a_mailbox_of_too_many_messages_says_how_many_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parse.mail.MOST_FILES", 2)
    source = "".join(f"From a@b Mon\nFrom: a@b\nSubject: {number}\n\nText\n\n" for number in range(5))
    (tmp_path / "child").mkdir()
    taken: list[str] = []
    document = read_document(
        put(tmp_path / "a.mbox", source), "a.mbox", limits(Budget(taken=taken), tmp_path / "child")
    )
    assert taken == ["1 0.eml", "2 1.eml"]
    assert [(note.code, note.message) for note in document.notes][1:] == [
        ("member_not_read", "3 further messages were not read: there are many.")
    ]


def test_pictures_of_a_message_are_taken_out_unless_they_are_small_and_inline(tmp_path: Path) -> None:
    message = mail("Signs", "A sign and a logo.")
    message.add_attachment(picture("Quay 1"), maintype="image", subtype="png", filename="a/sign.png")
    for size, name in (((100, 60), "logo.png"), ((400, 300), "map.png")):
        shown = picture("Logo", size)
        message.add_attachment(shown, maintype="image", subtype="png", filename=name, disposition="inline")
    _, taken = unpack(put(tmp_path / "a.eml", message.as_bytes()))
    assert list(taken) == ["a_sign.png", "map.png"]


def test_a_mailbox_without_end_of_its_last_line(tmp_path: Path) -> None:
    first = "From a@b Mon\nFrom: a@b\nSubject: One\n\nText\n\nFrom nobody knows\n\n"
    source = f"{first}From c@d Tue\nFrom: c@d\nSubject: Two\n\nEnd"
    document, taken = unpack(put(tmp_path / "a.mbox", source))
    assert list(taken) == ["1 One.eml", "2 Two.eml"]
    assert taken["1 One.eml"].endswith(b"\n\nText\n\nFrom nobody knows\n\n")
    assert document.text == "Message | From | Date\n1 One.eml | a@b\n2 Two.eml | c@d"
