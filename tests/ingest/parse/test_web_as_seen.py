"""Pages, books, notebooks and texts read as people see them: values in their places, hidden words out and told."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from reading import put, read_here, refusal


def codes(path: Path) -> list[str]:
    return [note.code for note in read_here(path).notes]


@pytest.mark.parametrize(
    "page",
    [
        "<style>.sr{display:none}</style><p>Fee is 10.</p><p class=SR>unseen</p>",
        "<style>div.a > p, #b .c{visibility:hidden}</style><p>Fee is 10.</p><div class=a><p>unseen</div>",
        "<style>@media screen{[data-x=y]{font-size:0}}</style><p>Fee is 10.</p><p data-x=y>unseen</p>",
        "<style>.w{color:#fff}</style><p>Fee is 10.</p><p class=w>unseen</p>",
        "<style>p{display:block} .o{position:absolute;left:-9999px!important}</style><p>Fee is 10.<p class=o>unseen",
        "<style>.t{opacity:0}</style><p>Fee is 10.</p><p class=t>unseen words of an order",
        "<style>p:not(.on){display:none}</style><p class=on>Fee is 10.</p><p>unseen</p>",
        "<style>p:last-child{display:none}</style><p>Fee is 10.</p><p>unseen</p>",
        "<p>Fee is 10.</p><dialog>unseen</dialog><div popover>unseen</div>",
        "<p>Fee is 10.</p><iframe hidden srcdoc='<p>unseen</p>'></iframe>",
    ],
)
def test_what_a_style_sheet_of_the_page_hides_is_left_out_and_told(tmp_path: Path, page: str) -> None:
    path = put(tmp_path / "a.html", f"<html><body>{page}</body></html>")
    assert read_here(path).text == "Fee is 10."
    assert codes(path) == ([] if "iframe" in page else ["hidden_text"])


@pytest.mark.parametrize(
    "page",
    [
        "<style>@media print{p{display:none}} @media (max-width:600px){p{display:none}}</style><p>Seen</p>",
        "<style>.m:hover{display:none} p::before{display:none}</style><p class=m>Seen</p>",
        "<style>p{display:none} p.on{display:block}</style><p class=on>Seen</p>",
        "<style>body{background:#036} p{color:white}</style><p>Seen</p>",
        "<style>body{background-color:hsl(210,100%,20%)} p{color:rgb(1.2.3,0,0);color:#fff}</style><p>Seen</p>",
        "<p style='transform:scale(.9);filter:opacity(.8)'>Seen</p>",
        "<style>td{max-width:0;width:100%;overflow:hidden;text-overflow:ellipsis}</style><table><tr><td>Seen</table>",
        "<div style='flex:1;max-width:1px;min-width:100%;overflow:hidden'>Seen</div>",
        "<style>.p{display:none} input:checked ~ .p{display:block}</style><div class=p>Seen</div>",
        "<style>.r{opacity:0} .r.in{opacity:1}</style><script></script><p class=r>Seen</p>",
        "<dialog open>Seen</dialog>",
    ],
)
def test_what_a_style_sheet_of_the_page_shows_is_read(tmp_path: Path, page: str) -> None:
    assert read_here(put(tmp_path / "a.html", f"<html><body>{page}</body></html>")).text == "Seen"


@pytest.mark.parametrize(
    "page",
    [
        "<div style='color:#fff'>unseen <span style='background-color:#fff'>.</span></div>",
        "<div style='color:#fff'>unseen <font size=2>.</font></div>",
        "<div style='font-size:0'>unseen <span style='font-weight:bold'>.</span></div>",
        "<p style='font:0/0 a'>unseen</p>",
        "<p style='color:hsl(0 0% 100% / 90%)'>unseen</p>",
        "<p style='color:rgb(100%, 100%, 100%)'>unseen</p>",
        "<p style='scale:0'>unseen</p>",
        "<p style='transform:rotate(2deg) scale(.001)'>unseen</p>",
        "<p style='filter:blur(1px) opacity(0%)'>unseen</p>",
        "<p style='height:0;overflow:clip'>unseen</p>",
        "<p style='margin-left:-9999px'>unseen</p>",
        "<p style='transform:translateX(-9999px)'>unseen</p>",
        "<p style='dis/**/play:x;display:/**/none'>unseen</p>",
        "<style>h1 + p, h1 ~ b{display:none}</style><h1></h1><p>unseen</p><i></i><b>unseen</b>",
        "<style>.a > .b .c{display:none}</style><div class=a><div class=b><div class=b><i class=c>unseen",
        "<style>.a{color:red; .b{display:none}}</style><div class=a><p class=b>unseen</p></div>",
        "<style>i:not(:first-child,.on){display:none}</style><i>unseen</i>",
        "<style><!-- i{display:none} --></style><i>unseen</i>",
        "<style>@media (width >= 600px){i{display:none}}</style><i>unseen</i>",
        "<style>i{background:url(data:image/png;base64,x);display:none}</style><i>unseen</i>",
        "<style>i{color:#fff; &.d{background:#000}}</style><i>unseen</i>",
    ],
)
def test_what_a_page_hides_in_other_ways_is_left_out(tmp_path: Path, page: str) -> None:
    path = put(tmp_path / "a.html", f"<html><body><p>Fee is 10.</p>{page}</body></html>")
    assert read_here(path).text.rstrip(" .") == "Fee is 10"
    assert codes(path) == ["hidden_text"]


@pytest.mark.parametrize(
    "page",
    [
        "<style>.h{background-image:url(x)} .h h1{color:#fff}</style><div class=h><h1>Seen</h1></div>",
        "<style>.c{position:relative} h2{position:absolute;color:#fff}</style><div class=c><img src=x><h2>Seen</h2>",
        "<style>.c{position:relative} img{position:absolute} h2{color:#fff}</style><div class=c><img><h2>Seen</h2>",
        "<style>p{color:#fff;margin-top:-80px}</style><div><video src=x></video><p>Seen</p></div>",
        "<style>div:nth-child(odd){background:#333} p{color:#fff}</style><div><p>Seen</p></div>",
        "<style>p:nth-child(odd){color:#000} p{color:#fff}</style><p>Seen</p>",
        "<style>div::before{background:#000} p{color:#fff}</style><div><p>Seen</p></div>",
        "<style>@container (width > 9em){div{background:#000}} p{color:#fff}</style><div><p>Seen</p></div>",
        "<style>p{color:#fff} p.d{background:navy}</style><p class=d>Seen</p>",
        "<style>p{color:#fff; &.d{background:#000}}</style><p class=d>Seen</p>",
        "<style>h1{color:transparent;background:linear-gradient(red,blue);background-clip:text}</style><h1>Seen</h1>",
        "<style>p{color:#fff;text-shadow:0 0 2px #000}</style><p>Seen</p>",
        "<style>@import url(dark.css); p{color:#fff}</style><p>Seen</p>",
        "<style>@supports not (display:grid){p{display:none}}</style><p>Seen</p>",
        "<style>:root{background:#fff} div{background:#000} p{color:#fff}</style><div><p>Seen</p></div>",
        "<style>[hidden]{display:block}</style><p hidden>Seen</p>",
        "<div style='visibility:hidden'><p style='visibility:visible'>Seen</p></div>",
        "<div style='font-size:0'><p style='font:14px/1.5 Arial'>Seen</p></div>",
        "<div style='color:#fff'><p style='color:#000'>Seen</p></div>",
    ],
)
def test_what_is_seen_on_a_ground_that_is_not_known_is_read(tmp_path: Path, page: str) -> None:
    assert read_here(put(tmp_path / "a.html", f"<html><body>{page}</body></html>")).text == "Seen"


def test_selectors_of_many_ancestors_take_few_steps(tmp_path: Path) -> None:
    """Each pair of compound and ancestor was tried along every path between them: 9 s for a page of 1 KiB."""
    style = "<style>.q div div div div p{display:none}</style>"
    path = put(tmp_path / "a.html", f"<html><body>{style}{'<div>' * 22}{'<p>x</p>' * 200}")
    assert read_here(path).text.split() == ["x"] * 200
    assert codes(path) == []


def test_style_sheets_that_take_too_long_are_left_out_and_told(tmp_path: Path) -> None:
    rules = "".join(f"p[a{number}]{{color:red}}" for number in range(15_000))
    path = put(tmp_path / "a.html", f"<html><body><style>{rules}</style>{'<p>x</p>' * 200}")
    assert read_here(path).text.split() == ["x"] * 200
    assert codes(path) == ["styles_not_read"]


@pytest.mark.parametrize("sheet", ["@media screen{" * 1_500 + "p{color:red}" + "}" * 1_500, "&&{" * 3_000, "a,b{" * 99])
def test_a_page_is_read_however_deep_its_style_sheet_is_nested(tmp_path: Path, sheet: str) -> None:
    page = f"<html><body><style>{sheet}</style><style>i{{display:none}}</style><p>Fee is 10.</p><i>unseen</i>"
    assert read_here(put(tmp_path / "a.html", page)).text == "Fee is 10."


def test_hidden_and_struck_words_stay_out_of_pages_nested_deep(tmp_path: Path) -> None:
    hidden = "<p hidden>unseen</p><p>Price <del>100</del> 80 "
    path = put(tmp_path / "a.html", f"<html><body>{hidden}{'<b>' * 300}x")
    assert read_here(path).text == "Price 80 x"
    path = put(tmp_path / "b.html", f"<html><body>{hidden}{'<b>' * 3_000}deep")
    assert read_here(path).text == "Price 80"
    assert codes(path) == ["part_left_out", "hidden_text", "struck_out"]
    style = "<style>.a .b{display:none}</style>"
    inside = "<p class=a><b class=b>unseen</b> <i style='color:#fff'>unseen</i> 80"
    path = put(tmp_path / "c.html", f"<html><body>{style}{'<div>' * 20_000}{hidden}{inside}")
    assert read_here(path).text == "Price 80 80"
    assert codes(path) == ["hidden_text", "struck_out"]


def test_rows_of_long_tables_keep_their_parts(tmp_path: Path) -> None:
    rows = "<tr><td rowspan=0>a<td>b" + "<tr><td>c" * 2
    page = f"<table><tbody>{rows}</tbody><tfoot><tr><td>Sum<td>9</tfoot><tbody>{rows}</tbody></table>"
    assert read_here(put(tmp_path / "a.html", page)).text == "a | b\na | c\na | c\na | b\na | c\na | c\nSum | 9"


def test_one_of_several_tabs_is_shown_at_a_time(tmp_path: Path) -> None:
    tabs = "<div class='tab one'>Seen</div><div class=tab hidden>put away</div>"
    page = f"<html><body><script></script><div>{tabs}</div><p class=tab hidden>unseen</p></body></html>"
    assert read_here(put(tmp_path / "a.html", page)).text == "Seen\n\nput away"


def test_a_page_that_hides_all_its_words_has_none(tmp_path: Path) -> None:
    assert refusal(put(tmp_path / "a.html", "<p hidden>Ignore everything</p>")) == "no_text"


def test_struck_words_are_left_out_and_told(tmp_path: Path) -> None:
    path = put(
        tmp_path / "a.html", "<p>The fee is <del>40</del> 45, <span style='text-decoration:line-through'>9</span>7"
    )
    document = read_here(path)
    assert document.text == "The fee is 45, 7"
    assert [note.message for note in document.notes] == ["3 characters that are struck out were left out of the text."]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<ol start=5><li>a<li>b</ol>", "5. a\n6. b"),
        ("<ol type=a><li>x<li value=4>y</ol>", "a. x\nd. y"),
        ("<ol reversed><li>x<li>y</ol>", "2. x\n1. y"),
        ("<label>Land <select><option>A<option selected>B</select></label><input value=7>", "Land B 7"),
        ("<p>Key <input type=password value=x><input type=hidden value=y></p>", "Key"),
        ("<p>Fee<sup>a</sup> is 1<sup>1</sup>&frasl;<sub>2</sub></p>", "Fee a is 1¹⁄₂"),
        ("<p>A <math><mfrac><mn>1</mn><mn>2</mn></mfrac><msup><mi>r</mi><mn>2</mn></msup></math></p>", "A 1/2 r²"),
        (
            "<p><math><semantics><msqrt><mn>16</mn></msqrt><annotation>16</annotation></semantics></math></p>",
            "√(16)",
        ),
        ("<p>Sales</p><svg><text>North 12</text><text>South 8</text></svg>", "Sales\n\nNorth 12\nSouth 8"),
        ("<p>Before</p><iframe srcdoc='<p>Inner</p>'></iframe><p>After</p>", "Before\n\nInner\n\nAfter"),
        ("<dl><dt>Fee<dd>40</dl>", "Fee\n\n40"),
        (  # libxml2 takes what stands before the first block for a part of the head
            "<style></style><button data-target='#a'>Terms</button><div id=a hidden>They hold.</div>",
            "Terms\n\nThey hold.",
        ),
    ],
)
def test_what_a_browser_draws_is_read(tmp_path: Path, page: str, text: str) -> None:
    assert read_here(put(tmp_path / "a.html", page)).text == text


@pytest.mark.parametrize(
    ("table", "text", "header"),
    [
        (  # a cell covers rows of its own part of the table only
            "<tbody><tr><td rowspan=9>A<td>x<tbody><tr><td>B<td>y",
            "A | x\nB | y",
            "A | x",
        ),
        (  # a foot is shown last, wherever it is written
            "<thead><tr><th>a<th>b<tfoot><tr><td>Sum<td>9<tbody><tr><td>x<td>4<tr><td>y<td>5",
            "a | b\nx | 4\ny | 5\nSum | 9",
            "a | b",
        ),
        ("<tr><th>Name<td>Ann<tr><th>Fee<td>40", "Name | Ann\nFee | 40", ""),
        (  # no bars inside a cell
            "<tr><td>Left<td><table><tr><th>a<th>b<tr><td>1<td>2</table><tr><td>Down<td>x",
            "Left | a: 1, b: 2\nDown | x",
            "Left | a: 1, b: 2",
        ),
        ("<tr><th>Item<th>Count<tr><td>Rope<td><input value=12>", "Item | Count\nRope | 12", "Item | Count"),
        (  # a title over all columns is not their names
            "<tr><td colspan=3>Prices<tr><td>Item<td>Net<td>Gross<tr><td>Rope<td>7<td>9",
            "Prices\nItem | Net | Gross\nRope | 7 | 9",
            "Prices Item | Net | Gross",
        ),
        ("<tr><th colspan=2>Boats<tr><td>Kea<td>Oslo<tr><td>Rui<td>Voss", "Boats\nKea | Oslo\nRui | Voss", "Boats"),
        (  # nor is the name of a group of rows
            "<tr><th>Item<th>Price<tbody><tr><th colspan=2>Ropes<tr><td>Long<td>7",
            "Item | Price\nRopes\nLong | 7",
            "Item | Price",
        ),
    ],
)
def test_cells_are_read_where_a_browser_places_them(tmp_path: Path, table: str, text: str, header: str) -> None:
    document = read_here(put(tmp_path / "a.html", f"<table>{table}</table>"))
    assert document.text == text
    assert document.tables[0].header == header


def test_a_stated_encoding_is_taken_as_browsers_take_it(tmp_path: Path) -> None:
    page = b"<html><head><meta charset=iso-8859-1></head><p>Price \x80 40 \x96 50</p></html>"
    assert read_here(put(tmp_path / "a.html", page)).text == "Price € 40 – 50"


def test_comments_of_markdown_and_org_leave_room_and_are_told(tmp_path: Path) -> None:
    source = "Fee <!-- say\n90 --> is 40.\n\n```\n<!-- code -->\n```\n\n    <!-- shown -->\n\nUse `<!--` here.\n"
    document = read_here(put(tmp_path / "a.md", source))
    assert document.text == source.replace("<!-- say\n90 -->", "        \n      ")
    assert codes(tmp_path / "a.md") == ["hidden_text"]
    document = read_here(
        put(tmp_path / "a.org", "* Fees\n# say 90\n#+begin_comment\nsay 91\n#+end_comment\nIt is 40.\n")
    )
    assert document.text.split() == ["*", "Fees", "It", "is", "40."]


def test_front_matter_names_a_document(tmp_path: Path) -> None:
    document = read_here(put(tmp_path / "a.md", "---\ntitle: 'Harbour rules'\nauthor: Ann\n---\n# One\n"))
    assert (document.title, document.metadata["author"]) == ("Harbour rules", "Ann")


def test_values_of_json_are_read_as_written(tmp_path: Path) -> None:
    source = '{"fee": 40.50, "fee": 45.10, "n": 1e3, "long": 1.000000000000000001}'
    assert (
        read_here(put(tmp_path / "a.json", source)).text == "fee: 40.50\nfee: 45.10\nn: 1e3\nlong: 1.000000000000000001"
    )


def test_attributes_of_records_are_values(tmp_path: Path) -> None:
    source = "<?xml version='1.0'?><list><pack id='a' version='1.2'/><pack id='b' version='1.3'/></list>"
    assert read_here(put(tmp_path / "a.xml", source)).text == "id: a\nversion: 1.2\n\nid: b\nversion: 1.3"


def test_outputs_of_notebooks_are_read_as_shown(tmp_path: Path) -> None:
    outputs = [
        {"output_type": "stream", "text": ["10%\r100%\n"]},
        {"output_type": "display_data", "data": {"text/html": "<b>bold 40</b>", "text/plain": "<HTML object>"}},
        {"output_type": "display_data", "data": {"text/latex": "$x$"}},
    ]
    cells = [{"cell_type": "code", "source": "x", "outputs": outputs}]
    assert read_here(put(tmp_path / "a.ipynb", json.dumps({"cells": cells, "nbformat": 4}))).text == (
        "x\n\n100%\n\nbold 40\n\n$x$"
    )
    sheet = {"cells": [{"cell_type": "heading", "level": 2, "source": "Old"}, {"cell_type": "code", "input": ["x=1"]}]}
    old = read_here(put(tmp_path / "old.ipynb", json.dumps({"nbformat": 3, "worksheets": [sheet]})))
    assert old.text == "Old\n\nx=1"


def test_hidden_words_of_a_book_are_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.epub", "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr("META-INF/container.xml", "<c><rootfile full-path='o.opf'/></c>")
        book.writestr(
            "o.opf",
            "<package><manifest><item id='a' href='a.xhtml'/></manifest><spine><itemref idref='a'/></spine></package>",
        )
        book.writestr("a.xhtml", "<html><body><p>Fee is 10.</p><p hidden=''>unseen</p></body></html>")
    assert read_here(tmp_path / "a.epub").text == "Fee is 10."
    assert codes(tmp_path / "a.epub") == ["hidden_text"]
