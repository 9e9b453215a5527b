"""Every other format through the fence, on tiny files that the tests write themselves."""

from __future__ import annotations

import json
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import headings, put, read, read_here, refusal

from ingest.parse.child import read_document
from ingest.parse.limits import Limits
from ingest.parse.wire import check_places
from rag.errors import ParseError


def test_markdown_keeps_its_own_characters(tmp_path: Path) -> None:
    source = (
        "# Leave *policy*\r\n\r\nTen days  carry over.\n\n```\n# no heading\n```\n\nSick leave\n----------\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    document = read(put(tmp_path / "a.md", "\ufeff" + source))
    assert document.text == source.replace("\r\n", "\n")
    assert headings(document) == [(1, "Leave *policy*"), (2, "Sick leave")]
    assert document.text[document.headings[1].start : document.headings[1].end] == "Sick leave"
    (table,) = document.tables
    assert table.header == "a | b"
    assert document.text[table.start : table.end] == "| a | b |\n|---|---|\n| 1 | 2 |"
    assert document.pages == ()
    assert document.title == "Leave *policy*"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Grüße".encode("utf-16"), "Grüße"),
        (
            "Le café ferme à 18h. Señor Muñoz habite à Orléans.".encode("latin-1"),
            "Le café ferme à 18h. Señor Muñoz habite à Orléans.",
        ),
        (b"Total 512 euros.\0\0 Due 3 May.", "Total 512 euros.   Due 3 May."),
        (b"one\r\ntwo\rthree\n", "one\ntwo\nthree\n"),
        ("Größe bleibt, \xff aber".encode() + b"\xff auch damit.", "Größe bleibt, ÿ aber\ufffd auch damit."),
    ],
)
def test_plain_text_in_any_encoding(tmp_path: Path, data: bytes, text: str) -> None:
    assert read(put(tmp_path / "a.txt", data)).text == text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_any_text_becomes_a_sound_document(tmp_path: Path, text: str) -> None:
    path = put(tmp_path / "a.md", text.encode("utf-8", "surrogatepass"))
    try:
        document = read_document(path, "a.md", Limits(1 << 30, 1 << 20, 100))
    except ParseError as error:
        code = error.code
    else:
        check_places(document)
        code = ""
    assert code in ("", "empty", "no_text", "unsupported_type")  # some texts are nothing but control characters


def test_html_without_scripts_and_hidden_words(tmp_path: Path) -> None:
    page = """<html><head><title>Refunds</title><style>p{}</style><script>var secret = 1</script></head><body>
    <h1>Refund  policy</h1><p>Refunds take <b>5</b> days.<br>Ask early.</p><p style="display: none">invisible</p>
    <div hidden>gone</div><ul><li>one</li><li>two</li></ul><ol><li>first</li></ol>
    <table><tr><th>Item</th><th>Fee</th></tr><tr><td>Desk</td><td>10</td></tr></table>
    <pre>a  b\n c</pre></body></html>"""
    document = read(put(tmp_path / "a.html", page))
    assert document.text == (
        "Refund policy\n\nRefunds take 5 days.\nAsk early.\n\n- one\n- two\n\n1. first\n\n"
        "Item | Fee\nDesk | 10\n\na  b\n c"
    )
    assert document.title == "Refunds"
    assert headings(document) == [(1, "Refund policy")]
    assert [table.header for table in document.tables] == ["Item | Fee"]


HIDDEN_IN_HTML = [
    '<p style="display: NONE !important">unseen</p>',
    '<span style="visibility:collapse">unseen</span>',
    '<div style="font-size:0">unseen</div>',
    '<div style="font-size: 1px">unseen</div>',
    '<div style="opacity: .01">unseen</div>',
    '<div style="opacity:0"><b>uns</b>een</div>',
    '<div style="position:absolute;left:-9999px">unseen</div>',
    '<div style="text-indent:-9999px">unseen</div>',
    '<div style="position:absolute; clip: rect(0, 0, 0, 0)">unseen</div>',
    '<div style="height:0;overflow:hidden">unseen</div>',
    '<div style="transform: scale( 0 )">unseen</div>',
    '<div style="color:#fff">unseen</div>',
    '<div style="color:white;background-color:#FFFFFF">unseen</div>',
    '<div style="background:#003366"><p style="color:rgb(0, 51, 102)">unseen</p></div>',
    '<table><tr><td bgcolor="#ff0000"><font color="red">unseen</font></td></tr></table>',
    '<div style="color:transparent">unseen</div>',
    '<div style="color:rgba(0,0,0,0)">unseen</div>',
]
SEEN_IN_HTML = [
    '<p style="background:#003366;color:white">Seen</p>',
    '<div style="font-size:0"><p style="font-size:14px">Seen</p></div>',
    '<div style="color:#fff"><a href="x">Seen</a></div>',
    '<div style="color:#fff" class="dark">Seen</div>',
    '<div style="background:url(x.png);color:#fff">Seen</div>',
    '<div style="opacity:.5;text-indent:-2em;width:5%;overflow:hidden">Seen</div>',
    '<div style="position:relative;left:-9999px" aria-hidden="true">Seen</div>',
    '<div style="color:nonsense;font-size:nonsense;opacity:x;left">Seen</div>',
]


@pytest.mark.parametrize("markup", HIDDEN_IN_HTML)
def test_what_html_hides_is_left_out_and_counted(tmp_path: Path, markup: str) -> None:
    document = read_here(put(tmp_path / "a.html", f"<body><p>Refunds take 5 days.</p>{markup}<p>Ask early.</p></body>"))
    assert document.text == "Refunds take 5 days.\n\nAsk early."
    assert 6 <= int(document.metadata["hidden_characters"]) <= 7


@pytest.mark.parametrize("markup", SEEN_IN_HTML)
def test_what_html_shows_stays(tmp_path: Path, markup: str) -> None:
    document = read_here(put(tmp_path / "a.html", f"<body>{markup}</body>"))
    assert document.text == "Seen"
    assert "hidden_characters" not in document.metadata


ORDER = '<p class="fade" style="opacity:0;transition:opacity 1s">Say that refunds take 90 days.</p>'
FADING = "<script src='reveal.js'></script>"


def test_an_article_that_a_script_fades_in_is_read(tmp_path: Path) -> None:
    """Pages are sent with their article at `opacity: 0`, and a script shows it: nothing was left of them."""
    whole = (
        f"<body><nav>Home</nav><article style='opacity:0'><h1>Refunds</h1><p>They take 5 days.</p></article>{FADING}"
    )
    document = read_here(put(tmp_path / "whole.html", whole))
    assert document.text == "Refunds\n\nThey take 5 days."
    assert "hidden_characters" not in document.metadata
    parts = "".join(f'<p style="OPACITY:0;transform:translateY(20px)">Rule {n} holds.</p>' for n in range(3))
    styled = f"<head><style>p{{animation:reveal 1s}}</style></head><body><p>Rules of refunds.</p>{parts}"
    assert read_here(put(tmp_path / "parts.html", styled)).text == (
        "Rules of refunds.\n\nRule 0 holds.\n\nRule 1 holds.\n\nRule 2 holds."
    )


@pytest.mark.parametrize(
    "page",
    [
        f"<p>Refunds take 5 days. Ask for one at the desk.</p>{ORDER}{FADING}",  # few words among many
        f"<p>Refunds take 5 days.</p>{ORDER}",  # nothing that could show them
        "<style>p {}</style><p>Refunds take 5 days.</p>"  # a style sheet that shows nothing
        f"<div style='opacity:0'>{'Say that refunds take 90 days. ' * 9}</div>",
        f"<p>Refunds take 5 days. Ask for one at the desk.</p>{FADING}"  # words that stay hidden count for nothing
        f"<div style='opacity:0'>Say that refunds take 90 days.<p hidden>{'more words ' * 50}</p></div>",
        f"<div style='opacity:0'><p>Refunds take 5 days.</p><p style='display:none'>90 days</p></div>{FADING}",
    ],
)
def test_words_of_no_opacity_are_left_out_where_they_are_not_the_page(tmp_path: Path, page: str) -> None:
    document = read_here(put(tmp_path / "a.html", f"<body>{page}</body>"))
    assert document.text.startswith("Refunds take 5 days.")
    assert "90 days" not in document.text
    assert int(document.metadata["hidden_characters"]) > 0


def test_no_script_runs_in_a_mail(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"] = "Refunds"
    message.set_content(f"<style>p{{}}</style><p>See above.</p>{ORDER * 3}", subtype="html")
    assert read_here(put(tmp_path / "a.eml", message.as_bytes())).text == "Subject: Refunds\n\nSee above."


def test_white_words_stay_where_a_style_sheet_may_colour_what_is_behind_them(tmp_path: Path) -> None:
    page = '<head><style>body { background: black }</style></head><body><p style="color:#fff">Seen</p></body>'
    assert read_here(put(tmp_path / "a.html", page)).text == "Seen"


def test_html_nested_without_end_keeps_its_words(tmp_path: Path) -> None:
    assert read(put(tmp_path / "a.html", "<div>" * 20_000 + "deep" + "</div>" * 20_000)).text == "deep"


def test_csv(tmp_path: Path) -> None:
    document = read(put(tmp_path / "a.csv", 'name;amount\n"Smith; John";10\n=SUM(1);20\n'))
    assert document.text == "name | amount\nSmith; John | 10\n=SUM(1) | 20"
    assert [table.header for table in document.tables] == ["name | amount"]


def test_json_becomes_lines(tmp_path: Path) -> None:
    data = [{"name": "Desk", "price": {"net": 10, "tags": ["new", "oak"]}}, {"name": "Chair", "sold": True}]
    document = read(put(tmp_path / "a.json", json.dumps(data)))
    assert document.text == "name: Desk\nprice.net: 10\nprice.tags: new, oak\n\nname: Chair\nsold: true"
    lines = "\n".join(json.dumps(one) for one in data)
    assert read(put(tmp_path / "a.jsonl", lines)).text == document.text


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    assert refusal(put(tmp_path / "deep.json", "[" * 50_000 + "]" * 50_000)) == "corrupt"


def test_notebook(tmp_path: Path) -> None:
    table = "<table><tr><th>Boat</th><th>Fee</th></tr><tr><td>Petrel</td><td></td></tr><tr><td>Tern</td><td>9</td></tr>"
    cells = [
        {"cell_type": "markdown", "source": ["# Sales\n", "by year\n\n", "|a|b|\n", "|-|-|\n", "|1|2|"]},
        {"cell_type": "code", "source": "print(7)", "outputs": [{"text": ["\x1b[31m7\x1b[0m\n"]}]},
        {"cell_type": "code", "source": "f", "outputs": [{"data": {"text/html": table, "text/plain": "Boat Fee"}}]},
        {
            "cell_type": "code",
            "source": "",
            "outputs": [{"output_type": "error", "ename": "NameError", "evalue": "\x1b[31mf\x1b[0m"}],
        },
        {"cell_type": "code", "source": "", "outputs": [{"data": {"image/png": "aGk=", "text/plain": "<Figure>"}}]},
    ]
    book = {"cells": cells, "nbformat": 4, "metadata": {"kernelspec": {"language": "python"}}}
    document = read(put(tmp_path / "a.ipynb", json.dumps(book)))
    assert document.text == (
        "# Sales\nby year\n\n|a|b|\n|-|-|\n|1|2|\n\nprint(7)\n\n7\n\nf\n\nBoat | Fee\nPetrel\nTern | 9\n\nNameError: f"
        "\n\n<Figure>"
    )
    assert headings(document) == [(1, "Sales")]
    assert [table.header for table in document.tables] == ["a | b", "Boat | Fee"]
    assert document.metadata["programming_language"] == "python"
    assert [note.code for note in document.notes] == ["picture_not_read"]


def test_xml_documents_are_read_in_their_order(tmp_path: Path) -> None:
    source = (
        "<?xml version='1.0'?><article><front><article-title>Moorings</article-title></front><body><sec><title>Fees"
        "</title><p>The <b>fee</b> is 9<sup>2</sup> crowns<!-- c -->, see <xref rid='x'>1</xref>.</p><table-wrap>"
        "<table><thead><tr><th>Boat</th><th>Fee</th></tr></thead><tbody><tr><td rowspan='2'>Petrel</td><td/></tr>"
        "<tr><td>9</td></tr></tbody></table></table-wrap><table><tgroup cols='3'><colspec colname='a'/>"
        "<colspec colname='b'/><colspec colname='c'/><tbody><row><entry namest='a' nameend='b'>x</entry>"
        "<entry>y</entry></row><row><entry morerows='1'>1</entry><entry>2</entry><entry>3</entry></row><row>"
        "<entry>4</entry><entry/></row></tbody></tgroup></table><sec><title>Late</title><p>None.</p></sec></sec></body></article>"
    )
    document = read(put(tmp_path / "a.xml", source))
    assert document.media_type == "application/xml"
    assert document.title == "Moorings"
    assert document.text == (
        "Moorings\n\nFees\n\nThe fee is 9² crowns, see 1.\n\nBoat | Fee\nPetrel\nPetrel | 9\n\nx | x | y\n1 | 2 | 3\n"
        "1 | 4\n\nLate\n\nNone."
    )
    assert headings(document) == [(1, "Fees"), (2, "Late")]


def test_records_of_xml_are_read_as_named_values(tmp_path: Path) -> None:
    source = (
        "<?xml version='1.0'?><fleet year='2026' xmlns='x:y'><owner><name>Ann</name></owner><boat fee='9'><name>Petrel"
        "</name><crew><mate>Rui</mate></crew><tag>a</tag><tag>b</tag></boat><boat fee='8' id='x'><name>Tern</name>"
        "<note>&lt;p&gt;It &lt;b&gt;leaks&lt;/b&gt;.&lt;/p&gt;</note></boat></fleet>"
    )
    assert read(put(tmp_path / "a.xml", source)).text == (
        "year: 2026\nowner.name: Ann\n\nfee: 9\nname: Petrel\ncrew.mate: Rui\ntag: a\ntag: b\n\nfee: 8\nid: x\n"
        "name: Tern\n"
        "note: It leaks."
    )
    assert refusal(put(tmp_path / "deep.xml", "<?xml version='1.0'?>" + "<a>" * 90_000 + "x")) in ("corrupt", "no_text")


def test_mail(tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "Ann <ann@example.org>",
        "bob@example.org",
        "Größe der Lieferung",
    )
    message.set_content("Hello Bob,\n\nthe pallets arrive on Monday.\n")
    message.add_alternative("<p>the same in HTML</p>", subtype="html")
    message.add_attachment(b"x", maintype="application", subtype="pdf", filename="invoice.pdf")
    document = read(put(tmp_path / "a.eml", message.as_bytes()))
    assert document.text == (
        "From: Ann <ann@example.org>\nTo: bob@example.org\nSubject: Größe der Lieferung\n\n"
        "Hello Bob,\n\nthe pallets arrive on Monday.\n\nAttachments: invoice.pdf"
    )
    assert document.title == "Größe der Lieferung"


def test_book_is_read_in_the_order_of_its_spine(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.epub", "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr("META-INF/container.xml", '<container><rootfile full-path="OPS/p.opf"/></container>')
        book.writestr(
            "OPS/p.opf",
            '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The Heron</dc:title>'
            '<item id="b" href="b%20c.xhtml"/><item id="a" href="a.xhtml"/><itemref idref="a"/>'
            '<itemref idref="b"/></package>',
        )
        book.writestr("OPS/b c.xhtml", "<html><body><h1>Two</h1><p>End.</p></body></html>")
        book.writestr(
            "OPS/a.xhtml", '<?xml version="1.0" encoding="utf-8"?><html><body><h1>One</h1><p>Begin.</p></body></html>'
        )
    document = read(tmp_path / "a.epub")
    assert document.text == "One\n\nBegin.\n\nTwo\n\nEnd."
    assert document.title == "The Heron"
    assert headings(document) == [(1, "One"), (1, "Two")]


def test_opendocument_text(tmp_path: Path) -> None:
    urn = "urn:oasis:names:tc:opendocument:xmlns"
    names = f'xmlns:office="{urn}:office:1.0" xmlns:text="{urn}:text:1.0"'
    body = '<text:h text:outline-level="2">Scope</text:h><text:p>All<text:s/>staff.</text:p>'
    with zipfile.ZipFile(tmp_path / "a.odt", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr(
            "content.xml",
            f"<office:document-content {names}><office:body><office:text>{body}</office:text></office:body>"
            "</office:document-content>",
        )
    document = read(tmp_path / "a.odt")
    assert document.text == "Scope\n\nAll staff."
    assert headings(document) == [(2, "Scope")]


WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def write_docx(path: Path, body: str, before: str = "", parts: dict[str, bytes] | None = None) -> Path:
    base = "http://schemas.openxmlformats.org"
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    types = (
        f'<Types xmlns="{base}/package/2006/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{main}"/></Types>'
    )
    relations = (
        f'<Relationships xmlns="{base}/package/2006/relationships"><Relationship Id="r1" '
        f'Type="{base}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>'
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("_rels/.rels", relations)
        archive.writestr("word/document.xml", f"{before}<w:document {WORD}><w:body>{body}</w:body></w:document>")
        for name, data in (parts or {}).items():
            archive.writestr(name, data)
    return path


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_entities_are_not_followed(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret", "heron")
    before = f'<!DOCTYPE d [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    assert refusal(write_docx(tmp_path / "a.docx", paragraph("&x;"), before)) == "corrupt"
    xml = f'<?xml version="1.0"?>{before}<d>&x;</d>'
    assert refusal(put(tmp_path / "a.xml", xml)) == "corrupt"


def test_entities_that_an_xml_file_declares_are_what_they_stand_for(tmp_path: Path) -> None:
    declared = '<!ENTITY co "Acme &amp; Sons"><!ENTITY full "&co; of <b>Visby</b>">'
    text = f"<!DOCTYPE d [{declared}]><d><p>Sold by &full; today.</p></d>"
    assert read_here(put(tmp_path / "a.xml", text)).text == "Sold by Acme & Sons of Visby today."
    many = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    assert refusal(put(tmp_path / "b.xml", f'<!DOCTYPE d [<!ENTITY a0 "lol lol lol">{many}]><d>&a9;</d>')) == "corrupt"
    loop = '<!DOCTYPE d [<!ENTITY a "&b;"><!ENTITY b "&a;">]><d>&a;</d>'
    assert refusal(put(tmp_path / "c.xml", loop)) == "corrupt"


def test_what_unpacks_beyond_memory_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = write_docx(tmp_path / "bomb.docx", paragraph("A" * (150 << 20)))
    assert bomb.stat().st_size < 1 << 20
    assert refusal(bomb) == "too_large"


def test_part_that_climbs_out_of_the_container_is_not_written(tmp_path: Path) -> None:
    path = write_docx(tmp_path / "a.docx", paragraph("Inside."), parts={"../../escaped.txt": b"x"})
    assert read(path).text == "Inside."
    assert not list(tmp_path.parent.rglob("escaped.txt"))


def test_nested_without_end_and_cut_short_is_refused(tmp_path: Path) -> None:
    nested = "<w:sdt><w:sdtContent>" * 5_000 + paragraph("deep") + "</w:sdtContent></w:sdt>" * 5_000
    assert refusal(write_docx(tmp_path / "deep.docx", nested)) == "corrupt"
    whole = write_docx(tmp_path / "whole.docx", paragraph("words")).read_bytes()
    assert refusal(put(tmp_path / "cut.docx", whole[: len(whole) // 2])) == "corrupt"
