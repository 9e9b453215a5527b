"""Formulas read the same from a page, a text document and a slide; what they hide is left out and told."""

from __future__ import annotations

from pathlib import Path

import pptx
import pytest
from lxml import etree
from pptx.util import Inches
from reading import put, read_here
from test_opendocument import write_odt
from test_word_visible import write_word

from ingest.parse.mathml import read_mathml
from ingest.parse.omml import read_omml

MATHML = "http://www.w3.org/1998/Math/MathML"
OMML = "http://schemas.openxmlformats.org/officeDocument/2006/math"


def r(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


def m(tag: str, properties: str = "", **parts: str) -> str:
    inner = "".join(f"<m:{name}>{part}</m:{name}>" for name, part in parts.items())
    return f"<m:{tag}>{properties and f'<m:{tag}Pr>{properties}</m:{tag}Pr>'}{inner}</m:{tag}>"


def half(properties: str = "") -> str:
    return m("f", properties, num=r("1"), den=r("2"))


HALF = "<mfrac><mn>1</mn><mn>2</mn></mfrac>"
CUBE = "<mroot><mn>8</mn><mn>3</mn></mroot>"
SUM = "<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>"
BARS = '<m:begChr m:val="|"/><m:endChr m:val="|"/>'

CASES = [
    (f"<mn>1</mn>{HALF}", r("1") + half(), "1 1/2"),
    (f"{HALF}<mn>3</mn>", half() + r("3"), "(1/2)·3"),
    (f"{HALF}<mo>·</mo><mn>3</mn>", half() + r("·3"), "(1/2) · 3"),
    (f"{HALF}<msup><mi>r</mi><mn>2</mn></msup>", half() + m("sSup", e=r("r"), sup=r("2")), "1/2 r²"),
    (
        "<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mrow><mn>2</mn><mi>x</mi></mrow></mfrac>",
        m("f", num=r("a+b"), den=r("2x")),
        "(a + b)/(2x)",
    ),
    (f"<msup>{HALF}<mn>2</mn></msup>", m("sSup", e=half(), sup=r("2")), "(1/2)²"),
    (CUBE, m("rad", deg=r("3"), e=r("8")), "³√(8)"),
    (f"<mn>5</mn>{CUBE}", r("5") + m("rad", deg=r("3"), e=r("8")), "5·³√(8)"),
    ("<mn>5</mn><msqrt><mn>8</mn></msqrt>", r("5") + m("rad", deg="", e=r("8")), "5√(8)"),
    ("<mo>|</mo><mo>−</mo><mi>x</mi><mo>|</mo>", m("d", BARS, e=r("−x")), "|−x|"),
    (
        '<mo>(</mo><mfrac linethickness="0pt"><mn>5</mn><mn>2</mn></mfrac><mo>)</mo>',
        m("d", e=m("f", '<m:type m:val="noBar"/>', num=r("5"), den=r("2"))),
        "(5 choose 2)",
    ),
    (
        "<msup><mn>10</mn><mrow><mo>−</mo><mn>4</mn></mrow></msup><mi>m</mi>",
        m("sSup", e=r("10"), sup=r("−4")) + r("m"),
        "10⁻⁴m",
    ),
    (
        "<msup><mi>x</mi><mrow><mn>2</mn><mi>k</mi></mrow></msup><mi>y</mi>",
        m("sSup", e=r("x"), sup=r("2k")) + r("y"),
        "x^2k y",
    ),
    (
        "<msub><mi>a</mi><mn>1</mn></msub><mo>=</mo><mo>−</mo><mn>3</mn>",
        m("sSub", e=r("a"), sub=r("1")) + r("=−3"),
        "a₁ = −3",
    ),
    (
        f"{SUM}<msup><mi>i</mi><mn>2</mn></msup>",
        m("nary", '<m:chr m:val="∑"/>', sub=r("i=1"), sup=r("n"), e=m("sSup", e=r("i"), sup=r("2"))),
        "∑_(i = 1)ⁿ i²",
    ),
    ("<mi>sin</mi><mo>\u2061</mo><mi>x</mi>", m("func", fName=r("sin"), e=r("x")), "sin x"),
    ("<mi>sin</mi><mi>x</mi>", r("sin\u2061") + r("x"), "sin x"),
    (f"{HALF}<mo>!</mo>", half() + r("!"), "(1/2)!"),
    ("<mi>f</mi><mo>(</mo><mi>a</mi><mo>,</mo><mo>−</mo><mi>b</mi><mo>)</mo>", r("f(a, −b)"), "f(a, −b)"),
    ("<mn>1E-3</mn><mo>-</mo><mn>2</mn>", r("1E-3-2"), "1E-3 - 2"),
    (
        "<munder><mi>lim</mi><mrow><mi>n</mi><mo>→</mo><mn>0</mn></mrow></munder><mi>x</mi>",
        m("func", fName=m("limLow", e=r("lim"), lim=r("n→0")), e=r("x")),
        "lim_(n → 0) x",
    ),
    (
        "<mover><mi>x</mi><mo>¯</mo></mover><mo>=</mo><mo>{</mo><mtable><mtr><mtd><mn>1</mn></mtd></mtr>"
        "<mtr><mtd><mn>0</mn></mtd></mtr></mtable>",
        m("bar", '<m:pos m:val="top"/>', e=r("x"))
        + r("=")
        + m(
            "d",
            '<m:begChr m:val="{"/><m:endChr m:val=""/>',
            e=f"<m:eqArr><m:e>{r('&amp;1')}</m:e><m:e>{r('0')}</m:e></m:eqArr>",
        ),
        "x¯ = {1; 0",
    ),
    ("<mn>3</mn><mo>\u2062</mo>" + HALF, None, "3·1/2"),
    (
        "<mmultiscripts><mi>U</mi><mprescripts/><mn>92</mn><mn>235</mn></mmultiscripts>",
        m("sPre", sub=r("92"), sup=r("235"), e=r("U")),
        "₉₂²³⁵U",
    ),
    (
        "<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr><mtr><mtd><mn>3</mn></mtd></mtr></mtable>",
        f"<m:m><m:mr><m:e>{r('1')}</m:e><m:e>{r('2')}</m:e></m:mr><m:mr><m:e>{r('3')}</m:e></m:mr></m:m>",
        "1, 2; 3",
    ),
    ("<maction><mn>7</mn><mtext>a tip</mtext></maction>", None, "7"),
    ("<mtext>if <i>x</i> holds<!-- not --></mtext>", None, "if x holds"),
]


@pytest.mark.parametrize(("mathml", "omml", "text"), CASES)
def test_formulas_of_mathml_and_of_office_are_written_alike(mathml: str, omml: str | None, text: str) -> None:
    assert read_mathml(etree.fromstring(f'<math xmlns="{MATHML}">{mathml}</math>')).text == text
    if omml is not None:
        assert read_omml(etree.fromstring(f'<m:oMath xmlns:m="{OMML}">{omml}</m:oMath>')).text == text


def test_every_reader_writes_a_mixed_number_alike(tmp_path: Path) -> None:
    mathml, omml, text = CASES[0]
    assert read_here(put(tmp_path / "a.html", f"<p>Add <math>{mathml}</math> cups</p>")).text == f"Add {text} cups"
    xml = f'<doc><p>Add <math xmlns="{MATHML}">{mathml}</math> cups</p></doc>'
    assert read_here(put(tmp_path / "a.xml", xml)).text == f"Add {text} cups"
    frame = '<draw:frame><draw:object xlink:href="./Object 1" xmlns:xlink="http://www.w3.org/1999/xlink"/></draw:frame>'
    math = f'<math xmlns="{MATHML}">{mathml}</math>'
    written = write_odt(tmp_path / "a.odt", f"<text:p>Add {frame} cups</text:p>", more={"Object 1/content.xml": math})
    assert read_here(written).text == f"Add {text} cups"
    body = f"<w:p><w:r><w:t>Add</w:t></w:r><m:oMath>{omml}</m:oMath><w:r><w:t>cups</w:t></w:r></w:p>"
    assert write_word(tmp_path / "a.docx", body).text == f"Add {text} cups"
    slide = write_slide(tmp_path / "a.pptx", f'<m:oMath xmlns:m="{OMML}">{omml}</m:oMath>')
    assert read_here(slide).text == f"Add {text}"


def write_slide(path: Path, formula: str) -> Path:
    show = pptx.Presentation()
    box = show.slides.add_slide(show.slide_layouts[6]).shapes.add_textbox(0, 0, Inches(4), Inches(1))
    box.text_frame.text = "Add"
    box.text_frame.paragraphs[0]._p.append(etree.fromstring(formula))
    show.save(str(path))
    return path


def test_hidden_parts_of_formulas_are_left_out_and_told(tmp_path: Path) -> None:
    hidden = "<mphantom><mtext>unseen</mtext></mphantom>"
    by_page = f"<mtext style='display:none'>unseen</mtext><mtext class=n>unseen</mtext>{hidden}"
    page = f"<style>.n{{visibility:hidden}}</style><p>Fee <math><mn>10</mn>{by_page}</math></p>"
    document = read_here(put(tmp_path / "a.html", page))
    assert document.text == "Fee 10"
    assert [note.message[:3] for note in document.notes if note.code == "hidden_text"] == ["18 "]
    drawn = "<mtext><svg hidden><text>unseen</text></svg><del>9</del>10</mtext>"
    nested = "<math>" * 150 + drawn + "</math>" * 150
    assert read_here(put(tmp_path / "b.html", f"<p>Fee {nested}</p>")).text == "Fee 10"
    phantom = m("phant", '<m:show m:val="0"/>', e=r("unseen"))
    vanished = "<m:r><w:rPr><w:vanish/></w:rPr><m:t>unseen</m:t></m:r>"
    struck = "<m:r><w:rPr><w:strike/></w:rPr><m:t>12</m:t></m:r>"
    deleted = f"<w:del>{r('13')}</w:del>"
    word = write_word(
        tmp_path / "a.docx", f"<w:p><m:oMath>{r('10')}{phantom}{vanished}{struck}{deleted}</m:oMath></w:p>"
    )
    assert word.text == "10"
    assert sorted((note.code, note.message[:2]) for note in word.notes) == [("hidden_text", "12"), ("struck_out", "2 ")]
    slide = read_here(write_slide(tmp_path / "a.pptx", f'<m:oMath xmlns:m="{OMML}">{phantom}</m:oMath>'))
    assert (slide.text, [note.code for note in slide.notes]) == ("Add", ["hidden_text"])


def test_formulas_nested_to_any_depth_keep_their_words() -> None:
    deep = etree.fromstring(f"<math>{'<mrow>' * 250}<mn>7</mn>{'</mrow>' * 250}</math>")
    assert read_mathml(deep).text == "7"
    inner = etree.SubElement(deep, "mrow")
    for _ in range(5_000):
        inner = etree.SubElement(inner, "msqrt")
    inner.text = "8"
    assert read_mathml(deep).text == f"7{'√(' * 5_000}8{')' * 5_000}"
