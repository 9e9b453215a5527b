"""HTML as it is laid out: tables of any elements, raised text, blocks, numbers of lists, shadow roots, readings."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import headings, put, read_here

from rag.types import Document


def page(folder: Path, body: str) -> Document:
    return read_here(put(folder / "a.html", f"<!doctype html><meta charset=utf-8><body>{body}</body>"))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "<style>.fn{vertical-align:super}</style><p>A fleet of 120<span class=fn>2</span>, 10<span style="
            "'vertical-align:super'>4</span> m, H<b style='vertical-align:sub'>2</b>O</p>",
            "A fleet of 120², 10⁴ m, H2O",
        ),
        ("<p>It has 120<a role=doc-noteref href='#n'>3</a> boats</p>", "It has 120³ boats"),
        (
            "<p><span style='display:block'>Quay 5</span><span style='display:block'>Oslo</span></p>",
            "Quay 5\n\nOslo",
        ),
        ("<div style='display:flex'><span>Price</span><span>5</span></div>", "Price 5"),
        (
            "<style>.r{display:flex;flex-flow:row-reverse wrap}.r b+b{color:red}</style>"
            "<div class=r>of <b>three</b><b>two</b> one</div>",
            "one two three of",
        ),
        (
            "<style>.c{display:grid} #b{order:-1}</style><div class=c><p>second</p><p style='order:2'>last</p>"
            "<p id=b>first</p></div>",
            "first\n\nsecond\n\nlast",
        ),
        ("<div style='display:flex;flex-direction:column-reverse'><p>new</p><p>old</p></div>", "old\n\nnew"),
        ("<div style='flex-direction:row-reverse'><b>a</b> <b style='order:-1'>b</b></div>", "a b"),
        (
            "<style>.m{unicode-bidi:bidi-override;direction:rtl}</style><p><span class=m>gro.a@nna</span> or "
            "<bdo dir=rtl>321</bdo>, <bdo dir=rtl>שלום</bdo></p>",
            "ann@a.org or 123, שלום",
        ),
        ("<p><b style='float:left'>A1</b><b style='float:right'>2</b>Tea</p>", "A1 2 Tea"),
        ("<p><b style='float:left;font-size:3em'>T</b>ea of 1</p>", "Tea of 1"),
        ("<p><b style='float:left;padding-right:8px'>T</b>ea of 2</p>", "Tea of 2"),
        (
            "<p style='position:relative'><b style='position:absolute;left:0'>Pump 1</b><b style='left:9em;position:"
            "absolute'>2</b></p>",
            "Pump 1 2",
        ),
        (
            "<style>.n{margin:0 8px}.p{padding-left:1em}</style><p>A1<b class=n>2</b>, B<b class=p>3</b>4</p>",
            "A1 2, B 34",
        ),
        ("<p>1<b style='margin-left:-1px;padding:1px'>2</b></p>", "12"),
        ("<p>299<span style='margin-left:.25em'>792</span><span style='margin-left:.25em'>458</span></p>", "299792458"),
        ("<p><b style='display:inline-block'>A1</b><b style='display:inline-block'>B2</b></p>", "A1 B2"),
        ("<p><b>Ha</b><b>lf</b></p>", "Half"),
        ("<style>.r{list-style:lower-roman inside}</style><ol class=r><li>x<li>y</ol>", "i. x\nii. y"),
        ("<ol style='list-style-type:upper-alpha' start=3><li>c</ol>", "C. c"),
        ("<ol style='list-style:none'><li>n</ol><ul style='list-style-type:decimal'><li>d</ul>", "- n\n\n1. d"),
        ("<p style='white-space:pre-line'>Quay 5\n <b>Oslo</b>\nNorway</p><p>a\nb</p>", "Quay 5\nOslo\nNorway\n\na b"),
        ("<textarea>one\ntwo</textarea>", "one\ntwo"),
        ("<p>7<button>Go</button>8<meter value=2>2 of 3</meter>5<textarea>a</textarea>42</p>", "7 8 5 a 42"),
        ("<h2>Part 3<button>4</button></h2>", "Part 3 4"),
        (
            "<p><ruby>東<rp>(</rp><rt>とう</rt><rp>)</rp>京<rp>(</rp><rt>きょう</rt><rp>)</rp></ruby>へ "
            "<ruby>北<rt>běi</rt></ruby><ruby>京<rt>jīng</rt></ruby>.</p>",
            "東京(とうきょう)へ 北京(běijīng).",
        ),
        (
            "<x-card><template shadowrootmode=open><style>p{display:none}</style><h2><slot name=who>Nobody</slot></h2>"
            "<p>Phone: <slot>none</slot></p></template><span slot=who>Greta</span>555-0134</x-card>",
            "Greta\n\nPhone: 555-0134",
        ),
        (
            "<x-a><template shadowrootmode=closed><p>Only shadow</p></template><p>no slot</p></x-a><p>After</p>",
            "Only shadow\n\nAfter",
        ),
        ("<template><p>Not shown</p></template><p>Shown</p>", "Shown"),
    ],
)
def test_what_is_shown(tmp_path: Path, body: str, text: str) -> None:
    assert page(tmp_path, body).text == text


def test_tables_by_styles_and_roles(tmp_path: Path) -> None:
    styled = (
        "<style>.t{display:table}.r{display:table-row}.c{display:table-cell}</style><div class=t>"
        "<div class=r><div class=c>Name</div><div class=c>Age</div></div>"
        "<div class=r><div class=c>Ann</div><div class=c>30</div></div></div>"
    )
    document = page(tmp_path, styled)
    assert document.text == "Name | Age\nAnn | 30"
    assert document.tables[0].header == "Name | Age"
    roles = (
        "<div role=table><div role=rowgroup><div role=row><span role=columnheader>Boat</span><span role=columnheader>"
        "Crew</span></div></div><div role=row><span role=cell>Tern</span><span role=cell>3</span></div></div>"
    )
    assert page(tmp_path, roles).text == "Boat | Crew\nTern | 3"
    frame = "<div style='display:table'><div style='display:table-cell'><h2>Fees</h2><p>Nine.</p></div></div>"
    assert headings(page(tmp_path, frame)) == [(2, "Fees")]


def test_a_table_that_frames_blocks_is_none(tmp_path: Path) -> None:
    body = (
        "<table><tr><td><h2>Receipt</h2><p>Thanks.</p><table><tr><th>Item<th>Cost</tr><tr><td>Rope<td>7</tr></table>"
        "</td></tr><tr><td></td><td>Bye</td></tr></table>"
    )
    document = page(tmp_path, body)
    assert document.text == "Receipt\n\nThanks.\n\nItem | Cost\nRope | 7\n\nBye"
    assert headings(document) == [(2, "Receipt")]


CELLS = "<b>Item</b><b>Price</b><b>Stock</b><b>Rope</b><b>7</b><b>12</b><b>Pin</b><b></b><b>40</b>"
TABLE = "Item | Price | Stock\nRope | 7 | 12\nPin |  | 40"


@pytest.mark.parametrize("columns", ["1fr 2fr 10px", "repeat(3, minmax(0, 1fr))", "[a] auto repeat(2, 1fr [b]) [c]"])
def test_grids_of_boxes_are_tables(tmp_path: Path, columns: str) -> None:
    document = page(
        tmp_path, f"<style>.g{{display:grid;grid-template-columns:{columns}}}</style><div class=g>{CELLS}</div>"
    )
    assert document.text == TABLE
    assert document.tables[0].header == "Item | Price | Stock"


def test_rows_of_flexible_boxes_are_tables(tmp_path: Path) -> None:
    words = [row.split(" | ") for row in TABLE.split("\n")]
    rows = "".join(f"<div class=r>{''.join(f'<span>{word}</span>' for word in row)}</div>" for row in words)
    assert page(tmp_path, f"<style>.r{{display:flex}}</style><section>{rows}</section>").text == TABLE


@pytest.mark.parametrize("columns", ["repeat(auto-fill, 9em)", "none", "1fr 1fr", "1fr 1fr 1fr 1fr"])
def test_other_boxes_are_no_tables(tmp_path: Path, columns: str) -> None:
    style = f"display:grid;grid-template-columns:{columns}"
    assert not page(tmp_path, f'<div style="{style}">{CELLS}</div>').tables
