"""Files inside files: archives, mailboxes and attachments, and the limits on what is unpacked and recognised."""

from __future__ import annotations

import importlib.util
import io
import mailbox
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import pytest
from PIL import Image, ImageDraw, ImageFont
from reading import headings, put, read, read_here, refusal

from ingest.parse.child import read_document
from ingest.parse.limits import Budget, Limits

ocr = pytest.mark.skipif(importlib.util.find_spec("rapidocr") is None, reason="rapidocr is not installed")


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


def limits(budget: Budget) -> Limits:
    return Limits(memory_bytes=1 << 32, max_text_bytes=1 << 26, max_pages=100, inside=budget)


def test_an_archive_is_read_file_by_file(tmp_path: Path) -> None:
    inner = archive({"deep.csv": "boat,fee,days\nPetrel,9,1\nTern,8,2\n"})
    files: dict[str, bytes | str] = {
        "2026/terms.docx": word(),
        "../../climbs.txt": "It climbs.",
        "__MACOSX/._terms.docx": b"\0\1",
        "blank.txt": "",
        "inner.zip": inner,
        "keys.bin": b"\0\1\2" * 50,
    }
    document = read(put(tmp_path / "all.zip", archive(files)))
    assert document.media_type == "application/zip"
    assert document.text == (
        "2026/terms.docx\n\nTerms\n\nThe deposit is 950 crowns.\n\nclimbs.txt\n\nIt climbs.\n\n"
        "inner.zip\n\ndeep.csv\n\nboat | fee | days\nPetrel | 9 | 1\nTern | 8 | 2"
    )
    assert headings(document) == [
        *((1, "2026/terms.docx"), (2, "Terms"), (1, "climbs.txt"), (1, "inner.zip"), (2, "deep.csv"))
    ]
    assert [table.header for table in document.tables] == ["boat | fee | days"]
    (note,) = document.notes
    assert note.code == "member_not_read"
    assert "keys.bin" in note.message
    assert not list(tmp_path.parent.rglob("climbs.txt"))


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
    document = read(put(tmp_path / "a.zip", bytes(data)))
    assert document.text == "good.txt\n\nGood words."
    assert [note.code for note in document.notes] == ["member_not_read"]


def test_what_is_really_unpacked_is_limited(tmp_path: Path) -> None:
    bomb = bytearray(archive({"bomb.txt": b"A" * (40 << 20), "good.txt": "Good words."}))
    place = bomb.index(b"PK\x01\x02") + 24
    bomb[place : place + 4] = (1000).to_bytes(4, "little")  # the archive says that it is small
    document = read(put(tmp_path / "bomb.zip", bytes(bomb)))
    assert document.text.endswith("good.txt\n\nGood words.")
    assert len(document.text) < 2_000
    document = read(put(tmp_path / "b.zip", archive({"bomb.txt": b"A" * (40 << 20), "good.txt": "Good words."})))
    assert document.text == "good.txt\n\nGood words."
    assert "200 times its size" in document.notes[0].message


def test_files_bytes_and_depth_are_counted_over_all_levels(tmp_path: Path) -> None:
    nested = b"end"
    for number in range(7):
        nested = archive({f"{number}.txt" if number == 0 else f"{number}.zip": nested})
    path = put(tmp_path / "deep.zip", archive({"deep.zip": nested, "flat.txt": "flat"}))
    document = read_document(path, path.name, limits(Budget()))
    assert "end" not in document.text
    assert [note.code for note in document.notes] == ["member_not_read"] * len(document.notes) != []
    path = put(tmp_path / "many.zip", archive({f"{at}.zip": archive({"a": "x y", "b": "z w"}) for at in range(4)}))
    document = read_document(path, path.name, limits(Budget(files=4)))
    assert [text for _level, text in headings(document)] == ["0.zip", "a", "b"]
    path = put(tmp_path / "large.zip", archive({f"{at}.txt": f"{at} words " * 500 for at in range(4)}))
    document = read_document(path, path.name, limits(Budget(bytes=10_000)))
    assert [text for _level, text in headings(document)] == ["0.txt", "1.txt"]


def mail(subject: str, body: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@example.org", "bob@example.org", subject
    message.set_content(body)
    return message


def test_each_message_of_a_mailbox_is_a_section(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    second = mail("Fees", "From May on the fee is 9 crowns.\n\nFrom here on: old mail.\n")
    second.add_attachment(word(), maintype="application", subtype="octet-stream", filename="terms.docx")
    for message in (mail("Boat", "The boat leaves at seven.\n"), second, mail("", "No subject.\n")):
        box.add(message)
    box.close()
    document = read(tmp_path / "box")
    assert document.media_type == "application/mbox"
    assert headings(document) == [
        *((1, "Boat"), (1, "Fees"), (2, "terms.docx"), (3, "Terms"), (1, "Message 3")),
    ]
    assert "\n\nFrom May on the fee is 9 crowns.\n\nFrom here on: old mail.\n\n" in document.text


@ocr
def test_attached_pictures_are_read_within_limits(tmp_path: Path) -> None:
    message = mail("Signs", "Three signs and a logo.")
    for number in range(3):
        name = f"sign{number}.png"
        message.add_attachment(picture(f"Quay number {number}"), maintype="image", subtype="png", filename=name)
    logo = picture("Logo", (100, 60))
    message.add_attachment(logo, maintype="image", subtype="png", filename="logo.png", disposition="inline")
    path = put(tmp_path / "a.eml", message.as_bytes())
    document = read_document(path, path.name, limits(Budget(pictures=2)))
    assert "Quay number 1" in document.text
    assert "Quay number 2" not in document.text
    (note,) = [note for note in document.notes if note.code == "attachment_not_read"]
    assert "sign2.png" in note.message


def test_a_mailbox_without_end_of_its_last_line(tmp_path: Path) -> None:
    first = "From a@b Mon\nFrom: a@b\nSubject: One\n\nText\n\nFrom nobody knows\n\n"
    source = f"{first}From c@d Tue\nFrom: c@d\nSubject: Two\n\nEnd"
    document = read_here(put(tmp_path / "a.mbox", source))
    assert [text for _level, text in headings(document)] == ["One", "Two"]
    assert "From nobody knows" in document.text
