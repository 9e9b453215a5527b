"""OpenDocument: numbers of lists and headings, raised characters, notes, headers and footers, what is not shown."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from reading import headings, read

URN = "urn:oasis:names:tc:opendocument:xmlns"
NAMES = " ".join(
    f'xmlns:{short}="{URN}:{name}:1.0"'
    for short, name in (
        ("office", "office"), ("text", "text"), ("style", "style"), ("table", "table"), ("draw", "drawing"),
        ("svg", "svg-compatible"), ("meta", "meta"),
    )
)  # fmt: skip
LISTS = (
    '<text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="1" '
    'style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="a" style:num-prefix="(" '
    'style:num-suffix=")" text:display-levels="1"/></text:list-style><text:list-style style:name="L2">'
    '<text:list-level-style-bullet text:level="1" text:bullet-char="•"/></text:list-style>'
    '<style:style style:name="up" style:family="text"><style:text-properties style:text-position="super 58%"/>'
    '</style:style><style:style style:name="up2" style:family="text" style:parent-style-name="up"/>'
    '<style:style style:name="low" style:family="text"><style:text-properties style:text-position="-33% 58%"/>'
    '</style:style><style:style style:name="no" style:family="text"><style:text-properties text:display="none"/>'
    "</style:style>"
)


def write_odt(path: Path, body: str, common: str = "", master: str = "", kind: str = "text") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr(
            "content.xml",
            f"<office:document-content {NAMES}><office:automatic-styles>{LISTS}</office:automatic-styles><office:body>"
            f"<office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
        )
        archive.writestr(
            "styles.xml",
            f"<office:document-styles {NAMES}><office:styles>{common}</office:styles><office:automatic-styles>"
            '<style:style style:name="up" style:family="text"/></office:automatic-styles><office:master-styles>'
            f'<style:master-page style:name="Standard">{master}</style:master-page></office:master-styles>'
            "</office:document-styles>",
        )
    return path


def item(*paragraphs: str, more: str = "", start: str = "") -> str:
    stated = f' text:start-value="{start}"' if start else ""
    return f"<text:list-item{stated}>{''.join(f'<text:p>{one}</text:p>' for one in paragraphs)}{more}</text:list-item>"


def listed(*items: str, style: str = ' text:style-name="L1"', more: str = "") -> str:
    return f"<text:list{style}{more}>{''.join(items)}</text:list>"


def span(style: str, text: str) -> str:
    return f'<text:span text:style-name="{style}">{text}</text:span>'


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            listed(item("First", "again", more=listed(item("in"), item("on"), style="")), item("Second", start="7")),
            "1. First\nagain\n(a) in\n(b) on\n7. Second",
        ),
        (
            listed(item("A"))
            + "<text:p>Between.</text:p>"
            + listed(item("B"), more=' text:continue-numbering="true"')
            + listed(item("C")),
            "1. A\n\nBetween.\n2. B\n1. C",
        ),
        (listed(item("Bullet"), style=' text:style-name="L2"'), "- Bullet"),
        (
            f"<text:p>Area 120{span('up2', '2')}, H{span('low', '2')}O, 10{span('low', '2')}.{span('no', 'x')}"
            "</text:p>",
            "Area 120², H2O, 10₂.",
        ),
        (
            "<text:p>Fees<text:note><text:note-citation>3</text:note-citation><text:note-body>"
            "<text:p>Paid in May.</text:p></text:note-body></text:note> are due"
            "<office:annotation><text:p>Ask.</text:p></office:annotation>.</text:p>",
            "Fees ³ are due.\n\n³ Paid in May.\n\nComment: Ask.",
        ),
        (
            "<text:p>Before<draw:frame><draw:text-box><text:p>In a</text:p><text:p>box</text:p></draw:text-box>"
            "</draw:frame>"
            "<draw:frame><draw:image/><svg:desc>A quay</svg:desc></draw:frame> after</text:p>",
            "Before A quay after\n\nIn a\n\nbox",
        ),
        (
            "<table:table><table:table-row><table:table-cell><text:p>Boat</text:p></table:table-cell><table:table-cell>"
            "<text:p>Rules</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell/>"
            f"<table:table-cell>{listed(item('One'), item('Two'))}</table:table-cell></table:table-row></table:table>",
            "Boat | Rules\n | 1. One 2. Two",
        ),
    ],
)
def test_text_is_read_as_it_is_shown(tmp_path: Path, body: str, text: str) -> None:
    assert read(write_odt(tmp_path / "a.odt", body)).text == text


def test_headings_have_their_numbers_and_pages_their_headers(tmp_path: Path) -> None:
    common = (
        '<text:outline-style><text:outline-level-style text:level="1" style:num-format="1"/>'
        '<text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2" style:num-suffix="."/>'
        "</text:outline-style>"
    )
    master = (
        '<style:header><text:p>Contract <text:span text:style-name="up">KV-7</text:span></text:p></style:header>'
        "<style:footer><text:p>Signed</text:p></style:footer><style:footer-left><text:p>12</text:p></style:footer-left>"
    )
    body = "".join(
        f'<text:h text:outline-level="{level}">{words}</text:h>'
        for level, words in ((1, "Fees"), (2, "Late"), (2, "Early"), (1, "Boats"), (2, "Small"))
    )
    document = read(write_odt(tmp_path / "a.odt", body, common, master))
    assert headings(document) == [
        *((1, "1 Fees"), (2, "1.1. Late"), (2, "1.2. Early"), (1, "2 Boats"), (2, "2.1. Small")),
    ]
    assert document.text.startswith("Contract KV-7\n\n1 Fees")
    assert document.text.endswith("2.1. Small\n\nSigned")


def test_hidden_characters_are_counted_and_noted(tmp_path: Path) -> None:
    body = '<text:p>Seen<text:span text:style-name="no">hidden</text:span></text:p>'
    document = read(write_odt(tmp_path / "a.odt", body))
    assert document.text == "Seen"
    assert document.metadata["hidden_characters"] == "6"
    assert [note.code for note in document.notes] == ["hidden_text"]
