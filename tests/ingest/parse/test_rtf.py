"""RTF: text in any encoding, headings, tables by the edges of their cells, notes, and what is not shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import headings, put, read, read_here, refusal

from ingest.parse.build import TextBuilder
from ingest.parse.rtf import RtfReader

HEAD = (
    r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Times;}{\f1\fcharset204 Arial{\*\falt Other};}"
    r"{\f2\fcharset128 Mincho;}{\f3\fcharset2 Symbol;}{\f4\fcharset2 Wingdings;}}"
    r"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 Big;}{\*\cs7 note;}{\s2 heading 2;}}"
    r"{\info{\title Harbour \'96 rules}{\author Ann Lee}{\creatim\yr2026}}"
)


def rtf(body: str) -> str:
    return HEAD + body + "}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"caf\'e9 \'93quoted\'94 a\~b\_c \{x\\y\}\par", "café “quoted” a b-c {x\\y}"),
        (r"{\f1 \'cf\'f0\'e8} \f2 \'93\'fa\'96\'7b\f0 end", "При 日本end"),
        (r"\uc1\u8364?5 \u-10179?\u-8704? {\uc2\u233\'c3\'a9}x {\uc0\u228}y", "€5 😀 éx äy"),
        (r"Area 120{\super 2}, 10{\up6 4}, note{\super 3}.", "Area 120², 10⁴, note ³."),
        (r"Shown {\v hidden words} and {\deleted gone }kept.", "Shown and kept."),
        (r"A{\field{\*\fldinst HYPERLINK 'x'}{\fldrslt  link}} here", "A link here"),
        (r"{\upr{Gr?n}{\*\ud{\uc0 Gr\u252 n}}} hill", "Grün hill"),
        (r"{\pict\pngblip 89504e47}{\*\unknown lost}{\object{\*\objdata 01}{\result seen}}", "seen"),
        (r"a\bin5 {{{{{b", "ab"),
        (r"{\pntext 1.\tab}First\par{\listtext (b)\tab}Second", "1. First\n\n(b) Second"),
        (r"One\line two\par\pard three", "One\ntwo\n\nthree"),
        (r"Open {\b group", "Open group"),
        (r"Dose 250 {\f3 m}g, {\f4\'fe} yes, {\f4\f0 m}", "Dose 250 μg, ☑ yes, m"),
        (r"{\mmath{\*\moMath{\msSup{\me{\mr 10}}{\msup{\mr 4}}}}} cells", "10⁴ cells"),
        (
            r"{\mmath{\*\moMath{\mf{\mfPr{\mctrlPr\f1}}{\mnum{\mr\mscr0 a}}{\mden{\mr 2}}}\m{\mr =c}}} holds",
            "a/2 = c holds",
        ),
        (r"{\mmath{\*\moMathPara{\*\moMath{\mnary{\mnaryPr{\mchr \u8721?}}{\msub{\mr i}}{\me{\mr x}}}}}}", "∑_i x"),
        (r"{\field{\*\fldinst SYMBOL 252 \\f Wingdings}{\fldrslt old}} paid", "✓ paid"),
        (r"{\field{\*\fldinst { EQ \\f(3,4) }}{\fldrslt }} inch", "3/4 inch"),
        (r"{\field{\*\fldinst IF {\field{\*\fldinst A}{\fldrslt 9}}}{\fldrslt large}}", "large"),
        (r"{\field{\*\fldinst { FORMCHECKBOX }{\*\formfield{\fftype1\ffres25\ffdefres1}}}{\fldrslt }}Yes", "☒ Yes"),
        (r"{\field{\*\fldinst { FORMCHECKBOX }{\*\formfield{\fftype1\ffres0}}}{\fldrslt }}No", "☐ No"),
        (
            r"{\field{\*\fldinst {\*\formfield{\fftype2\ffres1{\*\ffl Ely}{\*\ffl Troms\u248?}}}}{\fldrslt }}.",
            "Tromsø.",
        ),
        (r"{\field{\*\fldinst {\*\formfield{\fftype0}}}{\fldrslt Greta}}", "Greta"),
        (r"}}} after", "after"),
    ],
)
def test_text(tmp_path: Path, body: str, text: str) -> None:
    document = read_here(put(tmp_path / "a.rtf", rtf(body)))
    assert document.text == text
    assert document.title == "Harbour – rules"
    assert document.metadata["author"] == "Ann Lee"


def test_headings_notes_headers_and_boxes(tmp_path: Path) -> None:
    body = (
        r"{\header \pard Contract KV-7\par}{\footer \pard Signed in Lessing\par}"
        r"\pard\s1 Fees\par\pard\plain The fee{\super\chftn}{\footnote{\super\chftn} Paid in May.} is due"
        r"{\*\atnid A}{\*\annotation \pard Ask Ann.}."
        r"{\shp{\*\shpinst\shpleft1{\sp{\sn w}{\sv 1}}{\shptxt \pard In a box.\par}}{\shprslt\par In a box.}}\par"
        r"\pard\s2 Late fees\par\pard Nine crowns.\par"
    )
    document = read(put(tmp_path / "a", rtf(body)))
    assert document.media_type == "application/rtf"
    assert headings(document) == [(1, "Fees"), (2, "Late fees")]
    assert document.text == (
        "Contract KV-7\n\nFees\n\nThe fee ¹ is due.\n\n¹ Paid in May.\n\nComment: Ask Ann.\n\nIn a box.\n\n"
        "Late fees\n\nNine crowns.\n\nSigned in Lessing"
    )


def row(*cells: str, edges: str, after: str = "") -> str:
    shown = "".join(rf"\pard\intbl {cell}\cell" for cell in cells)
    return rf"\trowd{after}{edges} {shown}\row "


def test_a_table_keeps_its_columns(tmp_path: Path) -> None:
    three = r"\cellx1000\cellx2000\cellx3000"
    body = (
        r"\pard Before\par"
        + row("Vessel", "Rain", edges=r"\cellx1000\cellx3000")
        + row("", "North", "South", edges=r"\cellx1010\cellx2000\cellx3000")
        + row("Petrel", "", r"4{\super 2}", edges=rf"\clvmgf{three}")
        + row("", "5", "6", edges=rf"\clvmrg{three}")
        + row("Tern", r"7\par 8", "9", edges=three)
        + r"\pard After\par"
    )
    document = read(put(tmp_path / "a.rtf", rtf(body)))
    assert document.text == (
        "Before\n\nVessel | Rain | Rain\n | North | South\nPetrel | | 4²\nPetrel | 5 | 6\nTern | 7 8 | 9\n\nAfter"
    ).replace("Petrel | |", "Petrel |  |")
    assert [table.header for table in document.tables] == ["Vessel | Rain North | Rain South"]


def test_a_table_in_a_cell_is_one_line_of_it(tmp_path: Path) -> None:
    inner = r"\pard\intbl\itap2 a\nestcell b\nestcell{\*\nesttableprops\trowd\cellx500\nestrow}{\nonesttables\par}"
    body = row("Crew", "Post", edges=r"\cellx1000\cellx2000") + row(inner, "Mate", edges=r"\cellx1000\cellx2000")
    assert read(put(tmp_path / "a.rtf", rtf(body))).text == "Crew | Post\na, b | Mate"


def test_nested_without_end_is_refused(tmp_path: Path) -> None:
    assert refusal(put(tmp_path / "a.rtf", r"{\rtf1 " + "{" * 50_000 + "x")) == "corrupt"
    assert refusal(put(tmp_path / "b.rtf", r"{\rtf1 {\pict 00}}")) == "no_text"


WORDS = [
    r"\trowd",
    r"\cellx9",
    r"\cell",
    r"\row",
    r"\par",
    r"{",
    r"}",
    r"\intbl",
    r"{\footnote",
    r"{\header",
    r"\super",
    r"\v",
    r"\u9",
    r"\u55357",
    r"\'9",
    r"\'e9",
    r"\*",
    r"\ud",
    r"{\upr",
    r"\stylesheet",
    r"\s1",
    r"\nestcell",
    r"\nestrow",
    r"\bin3",
    r"\info",
    r"\title",
    r"{\shptxt",
    r"{\annotation",
    r"\clvmrg",
    r"text",
    r"x",
    r"\\",
    r"\uc9",
    r"{\nesttableprops",
    r"\chftn",
]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(WORDS)))
def test_any_sequence_of_words_is_read(words: list[str]) -> None:
    RtfReader(TextBuilder(), "a").read(("{\\rtf1 " + " ".join(words)).encode())


def test_struck_out_text_is_left_out_with_a_note(tmp_path: Path) -> None:
    document = read_here(put(tmp_path / "a.rtf", rtf(r"Price {\strike 100 }120{\strike0 .}\par")))
    assert document.text == "Price 120."
    assert [(note.code, note.message[:2]) for note in document.notes] == [("struck_out", "3 ")]


def test_a_table_in_a_cell_keeps_its_rows(tmp_path: Path) -> None:
    inner = "".join(
        rf"\pard\intbl\itap2 {first}\nestcell {second}\nestcell{{\*\nesttableprops\trowd\cellx40\cellx60\nestrow}}"
        for first, second in (("Item", "Price"), ("", "7"))
    )
    body = rf"\trowd\cellx3000\cellx9000\pard\intbl\itap1 North\cell {inner}\pard\intbl\itap1 \cell\row\pard After\par"
    assert read_here(put(tmp_path / "a.rtf", rtf(body))).text == "North | Item, Price; , 7\n\nAfter"


def test_white_and_tiny_words_are_hidden_where_nothing_is_behind_them(tmp_path: Path) -> None:
    colours = "{\\colortbl;\\red255\\green255\\blue255;\\red0\\green0\\blue128;}"
    words = "seen {\\cf1 white }{\\fs2 tiny }{\\cf2 blue }{\\cf1\\highlight2 marked }{\\cf1 {\\cf0 black}}"
    row = "\\par\\trowd\\cellx900\\cellx1900\\intbl\\cf1 name\\cell 7\\cell\\row"
    document = read_here(put(tmp_path / "a.rtf", f"{{\\rtf1\\ansi{colours}{words}{row}}}"))
    assert document.text == "seen blue marked black\n\nname | 7"
    assert document.metadata["hidden_characters"] == "9"


def test_white_words_are_read_where_something_may_be_behind_them(tmp_path: Path) -> None:
    head = "{\\rtf1\\ansi{\\colortbl;\\red255\\green255\\blue255;\\red0\\green0\\blue128;}"
    words = "\\pard\\plain\\cf1 Report\\par\\pard\\plain next\\par"
    for before in (
        "{\\shp{\\*\\shpinst\\shpleft0{\\sp{\\sn fillColor}{\\sv 8388608}}}}",
        "{\\*\\do\\dprect}",
        "{\\pict 00}",
    ):
        for body in (before + words, words + before):
            assert read_here(put(tmp_path / "a.rtf", f"{head}{body}}}")).text.split() == ["Report", "next"]
    ground = "\\pard\\cbpat2\\plain\\cf1 shown\\par\\pard\\plain\\cf1 gone\\cf0 next\\par"
    assert read_here(put(tmp_path / "b.rtf", f"{head}{ground}}}")).text.split() == ["shown", "next"]
