"""Small files in the formats that hide words in ways of their own, made in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from html import escape

import docx
from docx.document import Document as WordDocument
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import RGBColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

LINE_CHARS = 84


def html(title: str, paragraphs: Sequence[str], raw: str = "") -> bytes:
    """A page with a heading and paragraphs; `raw` is markup that stands after the first of them."""
    body = [f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs]
    page = "\n".join([*body[:1], raw, *body[1:]])
    return (
        f"<html><head><title>{escape(title)}</title></head><body><h1>{escape(title)}</h1>{page}</body></html>".encode()
    )


def mail(subject: str, paragraphs: Sequence[str]) -> bytes:
    """An e-mail with a plain body."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "office@example.org", "all@example.org", subject
    message["Date"] = "Mon, 02 Mar 2026 09:00:00 +0000"
    message.set_content("\n\n".join(paragraphs) + "\n")
    return message.as_bytes()


def pdf(
    title: str,
    paragraphs: Sequence[str],
    hide: Callable[[Canvas, str], None] | None = None,
    hidden: str = "",
    stated_title: str = "",
) -> bytes:
    """A page with a heading and paragraphs; `hide` draws the `hidden` words in a way that nobody sees."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4, invariant=1)
    canvas.setTitle(stated_title or title)
    canvas.setFont("Helvetica-Bold", 18)
    canvas.drawString(72, 760, title)
    y = 720.0
    for paragraph in paragraphs:
        canvas.setFont("Helvetica", 11)
        line = ""
        for word in [*paragraph.split(), ""]:
            if not word or len(line) + len(word) > LINE_CHARS:
                canvas.drawString(72, y, line.strip())
                y -= 14
                line = ""
            line += f" {word}"
        y -= 12
    if hide:
        hide(canvas, hidden)
    canvas.showPage()
    canvas.save()
    return target.getvalue()


def white_on_white(canvas: Canvas, text: str) -> None:
    """White words on bare paper."""
    canvas.setFillColorRGB(1, 1, 1)
    canvas.drawString(72, 200, text)


def of_no_size(canvas: Canvas, text: str) -> None:
    """Words a tenth of a point high."""
    canvas.setFont("Helvetica", 0.1)
    canvas.drawString(72, 200, text)


def off_the_page(canvas: Canvas, text: str) -> None:
    """Words below the page's lower edge."""
    canvas.drawString(72, -300, text)


def drawn_invisibly(canvas: Canvas, text: str) -> None:
    """Words in text render mode 3, over no picture."""
    words = canvas.beginText(72, 200)
    words.setTextRenderMode(3)
    words.textOut(text)
    canvas.drawText(words)


def word(
    title: str,
    paragraphs: Sequence[str],
    hide: Callable[[WordDocument, str], None] | None = None,
    hidden: str = "",
    stated_title: str = "",
) -> bytes:
    """A Word file with a heading and paragraphs; `hide` adds the `hidden` words in a way that nobody sees."""
    document = docx.Document()
    document.core_properties.title = stated_title or title
    document.add_heading(title, 1)
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if hide:
        hide(document, hidden)
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def vanishing(document: WordDocument, text: str) -> None:
    """A run with Word's own mark for hidden text."""
    document.paragraphs[-1].add_run(f" {text}").font.hidden = True


def white(document: WordDocument, text: str) -> None:
    """A run in white."""
    document.paragraphs[-1].add_run(f" {text}").font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)


def deleted(document: WordDocument, text: str) -> None:
    """A run that a tracked change deletes."""
    deletion = OxmlElement("w:del")
    deletion.set(qn("w:id"), "1")
    deletion.set(qn("w:author"), "someone")
    run, words = OxmlElement("w:r"), OxmlElement("w:delText")
    words.text = f" {text}"
    run.append(words)
    deletion.append(run)
    document.paragraphs[-1]._p.append(deletion)
