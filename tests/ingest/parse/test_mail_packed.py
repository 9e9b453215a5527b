"""E-mail whose body or attachments are packed: TNEF, uuencode, signed data; and headers that are not encoded."""

from __future__ import annotations

import base64
import binascii
import struct
from pathlib import Path

import pytest
from reading import put, refusal, unpack

from ingest.parse.mail import take_encoded

HEAD = "From: Ann <a@x.org>\nTo: b@x.org\nSubject: Lease\nMIME-Version: 1.0\n"
INNER = b"Content-Type: text/plain\r\n\r\nThe signed fee is 77 crowns.\r\n"
PLAIN_DATA = bytes.fromhex("06092a864886f70d010701")


def attribute(level: int, key: int, data: bytes) -> bytes:
    return struct.pack("<BII", level, key, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def entries(*found: tuple[int, int, bytes]) -> bytes:
    """Properties: one of fixed length, one with a name, then those given by type, id and bytes."""
    first = struct.pack("<HHI", 3, 0x1234, 7)
    named = struct.pack("<HH16sIIHI", 3, 0x8001, b"g" * 16, 1, 6, 0x41, 0x42) + struct.pack("<HI", 0, 7)
    rest = (struct.pack("<HHII", *one[:2], 1, len(one[2])) + one[2] + b"\0" * (-len(one[2]) % 4) for one in found)
    return struct.pack("<I", 2 + len(found)) + first + named + b"".join(rest)


def winmail(*more: bytes) -> bytes:
    rich = rb"{\rtf1\ansi The lease costs 900 crowns.}"
    packed = struct.pack("<IIII", len(rich) + 12, len(rich), 0x414C454D, 0) + rich
    return b"\x78\x9f\x3e\x22\x01\x00" + b"".join((
        attribute(1, 0x00069007, struct.pack("<II", 1252, 0)),
        attribute(1, 0x00069003, entries((0x0102, 0x1009, packed))),
        attribute(2, 0x00069002, bytes(14)),
        attribute(2, 0x00018010, b"RESERV~1.CSV\0"),
        attribute(2, 0x0006800F, b"Item,Qty\nRope,7\n"),
        attribute(2, 0x00069005, entries((0x1F, 0x3707, "Réserves.csv\0".encode("utf-16-le")))),
        *more,
    ))  # fmt: skip


def part(kind: str, data: bytes, name: str) -> str:
    head = f'Content-Type: {kind}; name="{name}"\nContent-Transfer-Encoding: base64\n'
    return f"{head}Content-Disposition: attachment; filename={name}\n\n{base64.encodebytes(data).decode()}"


@pytest.mark.parametrize(("body", "text"), [(" ", "The lease costs 900 crowns."), ("See the lease.", "See the lease.")])
def test_outlooks_winmail_is_the_files_in_it(tmp_path: Path, body: str, text: str) -> None:
    packed = part("application/ms-tnef", winmail(), "winmail.dat")
    mail = f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{body}\n--b\n{packed}\n--b--\n"
    document, files = unpack(put(tmp_path / "a.eml", mail))
    assert document.text.split("\n\n")[1:] == [text, "Attachments: Réserves.csv"]
    assert files == {"Réserves.csv": b"Item,Qty\nRope,7\n"}


def sent_winmail(*more: bytes) -> bytes:
    """One with headers of its own: some as attributes, some as properties, the recipients in a table."""
    people = [("Bo Ray", "bo@x.org", 1), ("Cy", "cy@x.org", 2)]
    rows = [
        struct.pack("<I", 3)
        + b"".join(
            struct.pack("<HHII", 0x1F, key, 1, len(data)) + data + b"\0" * (-len(data) % 4)
            for key, data in ((0x3001, f"{name}\0".encode("utf-16-le")), (0x39FE, f"{place}\0".encode("utf-16-le")))
        )
        + struct.pack("<HHI", 3, 0x0C15, kind)
        for name, place, kind in people
    ]
    name, address = b"Ann Lee\0", b"SMTP:ann@x.org\0"
    sender = struct.pack("<HHHH", 4, 24, len(name), len(address)) + name + address
    return winmail(
        attribute(1, 0x00008000, sender),
        attribute(1, 0x00018004, b"Lease of the quay\0"),
        attribute(1, 0x00038005, struct.pack("<7H", 2026, 3, 9, 14, 5, 0, 1)),
        attribute(1, 0x00069004, struct.pack("<I", len(rows)) + b"".join(rows)),
        *more,
    )


HEADERS = (
    "From: Ann Lee <ann@x.org>\nTo: Bo Ray <bo@x.org>\nCc: Cy <cy@x.org>\nSubject: Lease of the quay\n"
    "Date: Mon, 09 Mar 2026 14:05:00 +0000"
)


def test_a_winmail_alone_is_the_message_that_it_holds(tmp_path: Path) -> None:
    document, files = unpack(put(tmp_path / "winmail.dat", sent_winmail()))
    assert document.text == f"{HEADERS}\n\nThe lease costs 900 crowns.\n\nAttachments: Réserves.csv"
    assert (document.title, document.media_type) == ("Lease of the quay", "application/ms-tnef")
    assert files == {"Réserves.csv": b"Item,Qty\nRope,7\n"}
    assert unpack(put(tmp_path / "bare.dat", winmail()))[0].text.startswith("The lease costs 900 crowns.")


def test_a_message_attached_inside_a_winmail_is_a_document_with_its_files(tmp_path: Path) -> None:
    held = b"\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46" + sent_winmail()  # IID_IMessage
    attached = (
        attribute(2, 0x00069002, bytes(14)),
        attribute(2, 0x00069005, entries((0x1F, 0x3001, "The offer\0".encode("utf-16-le")), (0x0D, 0x3701, held))),
    )
    outer = put(tmp_path / "winmail.dat", winmail(*attached))
    for path in (outer, put(tmp_path / "a.eml", HEAD + part("application/ms-tnef", outer.read_bytes(), "winmail.dat"))):
        document, files = unpack(path)
        assert document.text.endswith("Attachments: Réserves.csv, The offer")
        assert list(files) == ["Réserves.csv", "The offer.eml", "The offer.eml/Réserves.csv"]
        inner = unpack(put(tmp_path / "inner.eml", files["The offer.eml"]))[0]
        assert inner.text == f"{HEADERS}\n\nThe lease costs 900 crowns.\n\nAttachments: Réserves.csv"


def test_headers_of_properties_come_before_those_of_attributes(tmp_path: Path) -> None:
    sent = struct.pack("<HHQ", 0x40, 0x0039, 134_200_000_000_000_000)
    own = entries((0x1F, 0x0037, "Re: Ærø\0".encode("utf-16-le")), (0x1E, 0x0C1A, b"Dee\0"))
    held = struct.pack("<I", int.from_bytes(own[:4], "little") + 1) + own[4:] + sent
    document, _files = unpack(put(tmp_path / "winmail.dat", sent_winmail(attribute(1, 0x00069003, held))))
    lines = document.text.split("\n")
    assert (lines[0], lines[3], lines[4][:22]) == ("From: Dee", "Subject: Re: Ærø", "Date: Tue, 07 Apr 2026")


def test_a_damaged_winmail_alone_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = sent_winmail()
    for end in range(200, len(whole), 31):
        document, _files = unpack(put(tmp_path / "winmail.dat", whole[:end]))
        assert "The lease costs 900 crowns." in document.text
    assert refusal(put(tmp_path / "winmail.dat", whole[:20])) == "no_text"


def test_damaged_tnef_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = winmail()
    for end in range(0, len(whole), 7):
        mail = HEAD + part("application/ms-tnef", whole[:end], "winmail.dat")
        assert "Subject: Lease" in unpack(put(tmp_path / "a.eml", mail))[0].text


def test_a_file_in_the_text_is_taken_out(tmp_path: Path) -> None:
    data = b"Name,Post\nRui,Mate\nAnn,Cook\nSol,Master\nTim,Boy\n"
    lines = "".join(binascii.b2a_uu(data[at : at + 45], backtick=True).decode() for at in range(0, len(data), 45))
    text = f"See the crew.\n\nbegin 644 crew list.csv\n{lines}`\nend\nThat is all."
    document, files = unpack(put(tmp_path / "a.eml", f"{HEAD}\n{text}\n"))
    assert document.text.split("\n\n", 1)[1] == "See the crew.\n\n\nThat is all.\n\nAttachments: crew list.csv"
    assert files == {"crew list.csv": data}
    assert take_encoded("begin 644 of nothing\nand the end\n")[1] == []


@pytest.mark.parametrize("pieces", [False, True])
def test_signed_data_is_the_message_in_it(tmp_path: Path, pieces: bool) -> None:
    held = b"\x04" + bytes([len(INNER)]) + INNER
    if pieces:  # as programs write it that do not know the length before
        held = b"\x24\x80\x04\x05" + INNER[:5] + b"\x04" + bytes([len(INNER) - 5]) + INNER[5:] + bytes(2)
    data = (
        b"\x30\x80"
        + PLAIN_DATA
        + (b"\xa0\x80" + held + bytes(2) if pieces else b"\xa0\x81" + bytes([len(held)]) + held)
    )
    mail = HEAD + part("application/pkcs7-mime", data, "smime.p7m")
    assert unpack(put(tmp_path / "a.eml", mail))[0].text.endswith("\n\nThe signed fee is 77 crowns.")
    secret = HEAD + part("application/pkcs7-mime", b"\x30\x80" + PLAIN_DATA + b"\x30\x00\x80\x05", "smime.p7m")
    document, _files = unpack(put(tmp_path / "b.eml", secret))
    assert [note.code for note in document.notes] == ["attachment_not_read"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_headers_that_are_not_encoded(tmp_path: Path, encoding: str) -> None:
    mail = "From: Jürgen <j@x.org>\nTo: b@x.org\nSubject: Größe der Tür\n\nbody\n"
    document, _files = unpack(put(tmp_path / "a.eml", mail.encode(encoding)))
    assert document.metadata["subject"] == "Größe der Tür"
    assert document.text.startswith("From: Jürgen <j@x.org>\n")
