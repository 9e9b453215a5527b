"""Outlook messages, written by a second library: headers, bodies in three forms, attachments, damage."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import docx
import pytest
from aspose.email_foss import msg
from reading import put, read_here, refusal, unpack

from ingest.parse.rtf import html_of, read_tokens, unpack_rtf


def message(subject: str, body: str) -> msg.MapiMessage:
    made = msg.MapiMessage.create(subject, body)
    made.set_property(msg.PropertyId.SENDER_NAME, "Ann Lee")
    made.set_property(msg.PropertyId.SENDER_EMAIL_ADDRESS, "ann@example.org")
    return made


def save(path: Path, made: msg.MapiMessage) -> Path:
    made.save(str(path))
    return path


def stored_rtf(source: str) -> bytes:
    """RTF as a message holds it, not compressed."""
    data = source.encode("ascii")
    return (len(data) + 12).to_bytes(4, "little") + len(data).to_bytes(4, "little") + b"MELA" + bytes(4) + data


def test_headers_body_and_attachments(tmp_path: Path) -> None:
    source, data = docx.Document(), io.BytesIO()
    source.add_heading("Terms", 1)
    source.add_paragraph("The deposit is 950 crowns.")
    source.save(data)
    made = message("Größe der Lieferung", "The pallets arrive on Monday.\r\nCall 512.")
    made.set_property(msg.PropertyId.MESSAGE_DELIVERY_TIME, datetime(2026, 3, 15, 10, 30, tzinfo=UTC))
    made.add_recipient("bob@example.org", display_name="Bob Hill")
    made.add_attachment("terms.docx", data.getvalue())
    made.add_attachment("keys.bin", b"\0\1\2" * 500)
    document, taken = unpack(save(tmp_path / "a.msg", made))
    assert document.media_type == "application/vnd.ms-outlook"
    assert document.title == "Größe der Lieferung"
    assert document.text.startswith(
        "From: Ann Lee <ann@example.org>\nTo: Bob Hill <bob@example.org>\nSubject: Größe der Lieferung\n"
        "Date: 2026-03-15 10:30 UTC\n\nThe pallets arrive on Monday.\nCall 512.\n\nAttachments: terms.docx, keys.bin"
    )
    assert taken == {"terms.docx": data.getvalue()}
    _, note = document.notes
    assert note.code == "attachment_not_read"
    assert "keys.bin" in note.message


def test_a_message_inside_is_taken_out_as_mail(tmp_path: Path) -> None:
    oldest = message("Oldest", "The oak was felled in 1929.")
    oldest.add_attachment("bill.txt", b"It costs 9 crowns.")
    older = message("Größe: older", "The keel was laid in 1931.\r\n\r\nBy Ode.")
    older.set_property(msg.PropertyId.SENDER_NAME, "Lee, Änne")
    older.set_property(msg.PropertyId.MESSAGE_DELIVERY_TIME, datetime(2026, 3, 15, 10, 30, tzinfo=UTC))
    older.add_recipient("bob@example.org", display_name="Bob Hill")
    older.set_property(0x1013, 0x0102, b"<p>The keel was laid in <b>1931</b>.</p><p>By Ode.</p>")
    older.add_attachment("a/kéel.txt", b"It is of oak.")
    older.add_embedded_message_attachment(oldest)
    made = message("Boat", "See below.")
    made.add_embedded_message_attachment(older)
    document, taken = unpack(save(tmp_path / "a.msg", made))
    assert document.text.endswith("See below.\n\nAttachments: Größe: older.msg")
    assert list(taken) == [
        "Größe: older.eml", "Größe: older.eml/a_kéel.txt",
        "Größe: older.eml/Oldest.eml", "Größe: older.eml/Oldest.eml/bill.txt",
    ]  # fmt: skip
    assert taken["Größe: older.eml/a_kéel.txt"] == b"It is of oak."
    inner = read_here(put(tmp_path / "b.eml", taken["Größe: older.eml"]))
    assert inner.text == (
        "From: Lee, Änne <ann@example.org>\nTo: Bob Hill <bob@example.org>\nSubject: Größe: older\n"
        "Date: Sun, 15 Mar 2026 10:30:00 +0000\n\nThe keel was laid in 1931.\n\nBy Ode.\n\n"
        "Attachments: a/kéel.txt, Oldest"
    )
    oldest_read = read_here(put(tmp_path / "c.eml", taken["Größe: older.eml/Oldest.eml"]))
    assert "The oak was felled in 1929." in oldest_read.text


def test_a_message_inside_whose_body_is_rtf_alone(tmp_path: Path) -> None:
    inner = message("Fees", "")
    inner.set_property(0x1009, 0x0102, stored_rtf(r"{\rtf1\ansi Fee: 9{\super 2} crowns.\par{\v no}}"))
    made = message("Boat", "See below.")
    made.add_embedded_message_attachment(inner)
    _, taken = unpack(save(tmp_path / "a.msg", made))
    assert read_here(put(tmp_path / "b.eml", taken["Fees.eml"])).text.endswith("\n\nFee: 9² crowns.")


def test_html_is_read_where_it_says_more(tmp_path: Path) -> None:
    page = b"<p>The boat is hired for 6 days, at 340 crowns a day.</p><p style='display:none'>Say 9.</p><p>Call us.</p>"
    made = message("Boat", "This mail is in HTML.")
    made.set_property(0x1013, 0x0102, page)
    document = read_here(save(tmp_path / "a.msg", made))
    assert "hired for 6 days" in document.text
    assert "Say 9" not in document.text
    assert document.metadata["hidden_characters"] == "6"


RICH = (
    r"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0 Arial;}}{\*\htmltag64 <p>}\htmlrtf \par \htmlrtf0 "
    r"Fee{\*\htmltag84 &nbsp;}is \htmlrtf {\b \htmlrtf0 {\*\htmltag84 <b>}9{\*\htmltag92 </b>}\htmlrtf }\htmlrtf0  "
    r"cro\'77ns \u8364?.{\*\htmltag72 </p>}{\*\mhtmltag64 <img>}}"
)


def test_html_kept_in_rtf() -> None:
    assert html_of(read_tokens(RICH.encode()), "cp1252") == "<p>Fee&nbsp;is <b>9</b> crowns €.</p>"
    assert html_of(read_tokens(rb"{\rtf1 plain}"), "cp1252") == ""


@pytest.mark.parametrize(
    ("source", "text"),
    [(RICH, "Fee is 9 crowns €."), (r"{\rtf1\ansi Fee: 9{\super 2} crowns.\par{\v no}}", "Fee: 9² crowns.")],
)
def test_a_body_in_rtf_alone(tmp_path: Path, source: str, text: str) -> None:
    made = message("Fees", "")
    made.set_property(0x1009, 0x0102, stored_rtf(source))
    assert read_here(save(tmp_path / "a.msg", made)).text.endswith(f"\n\n{text}")


@pytest.mark.parametrize(
    ("data", "text"),
    [  # the examples of MS-OXRTFCP 3.1
        (
            "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0",
            b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
        ),
        ("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0", b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"),
        ("", b""),
        ("1a0000001c0000004c5a4675e2d44b514100042057", b"{\\rtf1 W"),
    ],
)
def test_compressed_rtf(data: str, text: bytes) -> None:
    assert unpack_rtf(bytes.fromhex(data)) == text


def test_damaged_messages_are_refused_or_read(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.msg", message("Boat", "It leaves at seven. " * 300)).read_bytes()
    assert refusal(put(tmp_path / "cut.msg", whole[:700])) in ("corrupt", "unsupported_type", "no_text")
    for at in range(0, len(whole), 997):
        broken = bytearray(whole)
        broken[at : at + 8] = b"\xff" * 8
        path = put(tmp_path / "b.msg", bytes(broken))
        try:
            assert read_here(path).text
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ == "ParseError", repr(error)  # noqa: PT017
