"""OpenDocument: numbers of lists and headings, raised characters, notes, headers and footers, what is not shown."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from reading import headings, put, read, refusal

URN = "urn:oasis:names:tc:opendocument:xmlns"
NAMES = " ".join(
    f'xmlns:{short}="{URN}:{name}:1.0"'
    for short, name in (
        ("office", "office"), ("text", "text"), ("style", "style"), ("table", "table"), ("draw", "drawing"),
        ("svg", "svg-compatible"), ("meta", "meta"), ("form", "form"), ("presentation", "presentation"),
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


def write_odt(
    path: Path, body: str, common: str = "", master: str = "", kind: str = "text", more: dict[str, str] | None = None
) -> Path:
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
        for part, data in (more or {}).items():
            archive.writestr(part, data)
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


def cell(text: str = "", **stated: str) -> str:
    names = {"repeated": "table:number-columns-repeated", "kind": "office:value-type"}
    more = " ".join(f'{names.get(key, key.replace("__", ":"))}="{value}"' for key, value in stated.items())
    return f"<table:table-cell {more}>{f'<text:p>{text}</text:p>' if text else ''}</table:table-cell>"


def row(*cells: str, more: str = "") -> str:
    written = (one if one.startswith("<") else cell(one) for one in cells)
    return f"<table:table-row {more}>{''.join(written)}</table:table-row>"


def sheet(name: str, *rows: str, columns: str = "", more: str = "") -> str:
    return f'<table:table table:name="{name}" {more}>{columns}{"".join(rows)}</table:table>'


def frame(text: str, more: str = "") -> str:
    return f"<draw:frame {more}><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"


def test_repeated_blank_cells_keep_the_columns(tmp_path: Path) -> None:
    names = row("Town", *(f"H{number}" for number in range(1, 71)))
    body = sheet("S", names, row("Oslo", cell(repeated="60"), "7", cell(repeated="900")))
    text = read(write_odt(tmp_path / "a.ods", body, kind="spreadsheet")).text
    part = next(part for part in text.split("\n\n") if "H61" in part).split("\n")
    assert part[0].split(" | ").index("H61") == part[1].split(" | ").index("7")


def test_repeated_rows_that_are_left_out_are_noted(tmp_path: Path) -> None:
    equal = row("Rope", "7", more='table:number-rows-repeated="5000"')
    body = sheet("S", row("Item", "Price"), equal, row("Oar", "9"))
    document = read(write_odt(tmp_path / "a.ods", body, kind="spreadsheet"))
    assert document.text.count("Rope | 7") == 1_000
    assert [note.code for note in document.notes] == ["repeats_left_out"]


def test_hidden_columns_rows_and_sheets_are_left_out_and_counted(tmp_path: Path) -> None:
    unseen = '<style:table-properties table:display="false"/>'
    unseen = f'<style:style style:name="no" style:family="table">{unseen}</style:style>'
    columns = '<table:table-column/><table:table-column table:visibility="collapse"/><table:table-column/>'
    gone = row("Oar", "in", "9", more='table:visibility="collapse"')
    body = sheet("S", row("Item", "in", "Price"), row("Rope", "in", "7"), gone, columns=columns)
    body += sheet("T", row("secret", "1"), more='table:style-name="no"')
    document = read(write_odt(tmp_path / "a.ods", body, common=unseen, kind="spreadsheet"))
    assert document.text.strip() == "S\n\nItem | Price\nRope | 7"
    assert document.metadata["hidden_characters"] == str(len("inin" + "Oarin9" + "secret1"))


def test_values_without_text_are_read(tmp_path: Path) -> None:
    values = row(
        cell(kind="float", office__value="7.5"),
        cell(kind="percentage", office__value="0.125"),
        cell(kind="currency", office__value="9", office__currency="EUR"),
        cell(kind="date", office__date__value="2024-05-01").replace("date:value", "date-value"),
    )
    body = sheet("S", row("Price", "Share", "Fee", "Day"), values)
    assert read(write_odt(tmp_path / "a.ods", body, kind="spreadsheet")).text.endswith(
        "7.5 | 12.5% | 9 EUR | 2024-05-01"
    )


def test_hidden_sections_and_paragraphs_are_left_out_and_counted(tmp_path: Path) -> None:
    body = '<text:p>Seen.</text:p><text:section text:display="none"><text:p>secret</text:p></text:section>'
    body += '<text:p>unseen<text:hidden-paragraph text:is-hidden="true"/></text:p>'
    document = read(write_odt(tmp_path / "a.odt", body))
    assert document.text == "Seen."
    assert [(note.code, note.message[:3]) for note in document.notes] == [("hidden_text", "12 ")]


def test_controls_formulas_and_struck_out_text(tmp_path: Path) -> None:
    forms = (
        '<office:forms><form:form><form:checkbox form:id="c1" form:label="Insured" form:current-state="checked"/>'
        '<form:text form:id="c2" form:current-value="Greta Holm"/></form:form></office:forms>'
    )
    struck = (
        '<style:style style:name="struck" style:family="text"><style:text-properties '
        'style:text-line-through-style="solid"/></style:style>'
    )
    formula = (
        '<draw:frame><draw:object xlink:href="./Object 1" xmlns:xlink="http://www.w3.org/1999/xlink"/></draw:frame>'
    )
    math = (
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mrow><msup><mn>10</mn><mn>4</mn></msup></mrow>'
        '<annotation encoding="StarMath 5.0">10^4</annotation></semantics></math>'
    )
    body = f'{forms}<text:p><draw:control draw:control="c1"/> <draw:control draw:control="c2"/></text:p>'
    body += f"<text:p>{formula} cells, {span('struck', '100')} 120</text:p>"
    document = read(write_odt(tmp_path / "a.odt", body, common=struck, more={"Object 1/content.xml": math}))
    assert document.text == "☒ Insured Greta Holm\n\n10⁴ cells, 120"
    assert [note.code for note in document.notes] == ["struck_out"]


def test_what_is_struck_out_of_headers_and_footers_is_counted(tmp_path: Path) -> None:
    struck = (
        '<style:style style:name="struck" style:family="text"><style:text-properties '
        'style:text-line-through-style="solid"/></style:style><style:style style:name="away" style:family="text">'
        '<style:text-properties text:display="none"/></style:style>'
    )
    words = f"<text:p>{span('struck', 'old')} firm{span('away', 'secret')}</text:p>"
    master = f"<style:header>{words}</style:header><style:header-left>{words}</style:header-left>"
    master += f"<style:footer><text:p>{span('struck', 'gone')}</text:p></style:footer>"
    document = read(write_odt(tmp_path / "a.odt", "<text:p>Body.</text:p>", common=struck, master=master))
    assert document.text == "firm\n\nBody."
    notes = {note.code: note.message.split()[0] for note in document.notes}
    assert notes == {"struck_out": str(len("oldgone")), "hidden_text": str(len("secret"))}


def test_a_table_in_a_cell_keeps_its_rows(tmp_path: Path) -> None:
    inner = f"<table:table>{row('Item', 'Price')}{row('Rope', '7')}</table:table>"
    outer = f"<table:table-row>{cell('North')}<table:table-cell>{inner}</table:table-cell></table:table-row>"
    body = f"<table:table>{row('Store', 'Goods')}{outer}</table:table>"
    assert read(write_odt(tmp_path / "a.odt", body)).text == "Store | Goods\nNorth | Item, Price; Rope, 7"


def test_hidden_slides_and_words_of_master_pages(tmp_path: Path) -> None:
    hidden = (
        '<style:style style:name="no" style:family="drawing-page"><style:drawing-page-properties '
        'presentation:visibility="hidden"/></style:style>'
    )
    used = 'draw:master-page-name="Standard" presentation:use-footer-name="f"'
    body = '<presentation:footer-decl presentation:name="f">Harbour board</presentation:footer-decl>'
    body += f'<draw:page {used}>{frame("One")}</draw:page><draw:page draw:style-name="no">{frame("secret")}</draw:page>'
    unfilled = frame("Click to add text", 'presentation:placeholder="true"')
    body += f"<draw:page {used}>{frame('Two')}{unfilled}</draw:page>"
    master = frame("Prices until May") + frame("Click to edit", 'presentation:class="title"')
    document = read(write_odt(tmp_path / "a.odp", body, common=hidden, master=master, kind="presentation"))
    assert document.text == "One\n\nPrices until May\n\nHarbour board\n\nTwo"
    assert len(document.pages) == 3
    assert document.metadata["hidden_characters"] == "6"


def test_flat_files_are_read_and_locked_ones_refused(tmp_path: Path) -> None:
    body = f"<table:table>{row('Item', 'Price')}{row('Rope', '7')}</table:table>"
    body = f'<text:h text:outline-level="1">Fees</text:h>{body}'
    flat = put(
        tmp_path / "a.fodt",
        f'<?xml version="1.0"?><office:document {NAMES} office:mimetype="application/vnd.oasis.opendocument.text">'
        f"<office:body><office:text>{body}</office:text></office:body></office:document>",
    )
    assert read(flat).text == "Fees\n\nItem | Price\nRope | 7"
    assert read(flat).media_type == "application/vnd.oasis.opendocument.text"
    locked = write_odt(
        tmp_path / "b.odt", body, more={"META-INF/manifest.xml": "<manifest><encryption-data/></manifest>"}
    )
    assert refusal(locked) == "encrypted"


WHITE = (
    '<style:style style:name="W" style:family="text"><style:text-properties xmlns:fo="urn:oasis:names:tc:opendocument:'
    'xmlns:xsl-fo-compatible:1.0" fo:color="#FFFFFF"/></style:style><style:style style:name="B" style:family="text" '
    'style:parent-style-name="W"><style:text-properties xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-'
    'compatible:1.0" fo:color="#000000"/></style:style>'
)


def test_white_words_are_hidden_where_nothing_has_a_ground(tmp_path: Path) -> None:
    body = f"<text:p>seen {span('W', 'white ' + span('B', 'black'))}</text:p>"
    document = read(write_odt(tmp_path / "a.odt", body, common=WHITE))
    assert document.text == "seen black"
    assert document.metadata["hidden_characters"] == "5"
    dark = WHITE.replace('fo:color="#FFFFFF"', 'fo:color="#FFFFFF" fo:background-color="#000080"')
    assert read(write_odt(tmp_path / "b.odt", body, common=dark)).text == "seen white black"
    graphic = (
        f'{WHITE}<style:default-style style:family="graphic"><style:graphic-properties draw:fill-color="#729fcf"/>'
    )
    document = read(write_odt(tmp_path / "c.odt", body, common=f"{graphic}</style:default-style>"))
    assert document.text == "seen black"  # of shapes, which the file has none of


@pytest.mark.parametrize(
    "shape",
    [
        '<draw:frame text:anchor-type="page"><draw:image/></draw:frame>',
        '<draw:custom-shape><draw:enhanced-geometry draw:type="rectangle"/></draw:custom-shape>',
    ],
)
def test_white_words_are_read_where_shapes_may_lie_behind_them(tmp_path: Path, shape: str) -> None:
    body, header = f"<text:p>seen {span('W', 'white')}</text:p>", f"<text:p>{span('W', 'top')}</text:p>"
    header = f"<style:header>{header}</style:header>"
    document = read(write_odt(tmp_path / "a.odt", f"<text:p>{shape}</text:p>{body}", common=WHITE, master=header))
    assert document.text.split() == ["top", "seen", "white"]
    inside = shape.replace("<draw:enhanced", f"{body}<draw:enhanced").replace("</draw:frame>", f"{body}</draw:frame>")
    assert "white" in read(write_odt(tmp_path / "b.odt", f"<text:p>{inside}</text:p>", common=WHITE)).text


def test_a_sheet_keeps_a_table_over_blank_rows(tmp_path: Path) -> None:
    rows = (("Town", "Rain"), ("Voss", "8"), (), ("Oslo", "5"), (), ("Ship", "Crew"), ("Kea", "7"))
    cells = ["".join(f"<table:table-cell><text:p>{one}</text:p></table:table-cell>" for one in row) for row in rows]
    body = "".join(f"<table:table-row>{one or '<table:table-cell/>'}</table:table-row>" for one in cells)
    sheet = f'<table:table table:name="S">{body}</table:table>'
    document = read(write_odt(tmp_path / "a.ods", sheet, kind="spreadsheet"))
    assert document.text.strip() == "S\n\nTown | Rain\nVoss | 8\nOslo | 5\n\nShip | Crew\nKea | 7"
