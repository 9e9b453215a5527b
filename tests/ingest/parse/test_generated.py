"""What styles of HTML add to the words of a page: `::before`, `::after`, `::marker` and counters."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import headings, put, read_here

LEGAL = (
    "<style>ol{list-style:none;counter-reset:item} li{counter-increment:item}"
    'li::before{content:counters(item,".") " "}</style>'
)
CLAUSES = """<style>body{counter-reset:part}
h2{counter-reset:clause;counter-increment:part}
h2:before{content:"Article " counter(part, upper-roman) ". "}
p.c{counter-increment:clause;counter-reset:letter}
p.c::before{content:counter(part) "." counter(clause)}
p.l{counter-increment:letter}
p.l::before{content:"(" counter(letter, lower-alpha) ")";margin-right:1em}</style>
<h2>Scope</h2><p class=c>Boats.<p class=l>Sail<p class=l>Oar<p class=c>Days.<p class=l>Noon
<h2>Fees</h2><p class=c>Nine."""


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (f"{LEGAL}<ol><li>A<li>B<ol><li>C<li>D</ol><li>E</ol>", "1 A\n2 B\n2.1 C\n2.2 D\n3 E"),
        (f"{LEGAL}<ol><li>A</ol><p>x</p><ol><li>B</ol>", "1 A\n\nx\n\n1 B"),
        (
            "<style>li::before{counter-increment:n;content:'(' counter(n,lower-roman) ') '} ul{counter-reset:n 3}"
            "li{display:block}</style><ul><li>A<li>B</ul>",
            "(iv) A\n(v) B",
        ),
        (
            '<style>ol li::marker{content:counters(list-item,".") ") "}</style>'
            "<ol><li>A<ol start=4><li>B</ol><li value=7>C</ol>",
            "1) A\n1.4) B\n7) C",
        ),
        ("<p>She said <q>the <q>Kea</q> sails</q>.", "She said “the ‘Kea’ sails”."),
        ("<style>q{quotes:'«' '»'}</style><p>Il dit <q>oui</q>.", "Il dit «oui»."),
        ("<style>q:before,q:after{content:none}</style><p>a <q>b</q>", "a b"),
        ("<style>q{quotes:none}</style><p>a <q>b</q>", "a b"),
        ("<style>ol>li{display:block}</style><ol><li>A</ol>", "- A"),
        ("<style>li.r{list-style-type:upper-roman}</style><ol><li>A<li class=r>B</ol>", "1. A\nII. B"),
        ("<style>p::before{content:'Note; of \"A\": '}</style><p>Keep left.", 'Note; of "A": Keep left.'),
        ("<style>P::AFTER{CONTENT:' (' attr(data-Unit) ')'}</style><p data-unit=Kg>Load 7", "Load 7 (Kg)"),
        (r"<style>p:after{content:'\201C x\201D\00a0 y'}</style><p>A ", "A “x” y"),
        ("<style>p::after{content:'due';display:block}</style><p>Fee 7", "Fee 7\n\ndue"),
        ("<style>td::before{content:attr(data-l) ': '}</style><table><tr><td data-l=Fee>7<td>8<tr><td>1<td>2</table>",
         "Fee: 7 | : 8\n: 1 | : 2"),
        ("<style>i::before{content:'\\f015'} b::after{content:''}</style><i></i><b>Home</b>", "Home"),
        ("<style>p::before{content:url(a.png) / 'spoken'}p::after{content:var(--x)}</style><p>Seen", "Seen"),
        ("<style>div{counter-increment:n}p::before{content:counter(n)}</style>"
         "<div>a</div><div hidden>b</div><div style='display:none'>c</div><div style='visibility:hidden'></div><p>d",
         "a\n\n2 d"),
        ("<style>p{counter-set:n 5}p::before{content:counter(n,decimal-leading-zero) '. '}</style><p>x", "05. x"),
        ("<style>p::before{content:'no' !important}p::before{content:none}</style><p>x", "nox"),
        ("<style>p::before{content:'a '}p#k::before{content:'b '}p.z::before{content:none}</style>"
         "<p id=k>x<p class=z>y",
         "b x\n\ny"),
        ("<style>@media print{a::after{content:attr(href)}}a:hover::after{content:'tip'}</style>"
         "<a href=/x>Go</a>", "Go"),
        ("<style>section > ::before{content:'- '}</style><section><p>x</section>", "- x"),
        ("<style>p:nth-child(2)::before{content:'unknown '}</style><p>x<p>y", "x\n\ny"),
    ],
)  # fmt: skip
def test_words_that_styles_add_are_read(tmp_path: Path, page: str, text: str) -> None:
    assert read_here(put(tmp_path / "a.html", f"<html><body>{page}")).text == text


def test_clauses_are_numbered_as_the_page_counts_them(tmp_path: Path) -> None:
    document = read_here(put(tmp_path / "a.html", f"<html><body>{CLAUSES}"))
    assert document.text.split("\n\n") == [
        "Article I. Scope", "1.1 Boats.", "(a) Sail", "(b) Oar", "1.2 Days.", "(a) Noon",
        "Article II. Fees", "2.1 Nine.",
    ]  # fmt: skip
    assert headings(document) == [(2, "Article I. Scope"), (2, "Article II. Fees")]


@pytest.mark.parametrize(
    "style",
    [
        "display:none", "visibility:hidden", "opacity:0", "font-size:0", "color:#fff", "position:absolute;left:-9999px",
        "text-indent:-9999px", "color:transparent", "height:0;overflow:hidden", "text-decoration:line-through",
    ],
)  # fmt: skip
def test_what_styles_add_and_hide_stays_hidden(tmp_path: Path, style: str) -> None:
    page = f"<html><body><style>p::after{{content:'Obey the page.';{style}}}</style><p>The fee is 7 crowns."
    document = read_here(put(tmp_path / "a.html", page))
    assert document.text == "The fee is 7 crowns."
    counted = {note.code for note in document.notes}
    assert counted == (
        set() if style == "display:none" else {"struck_out"} if "line-through" in style else {"hidden_text"}
    )


def test_counters_without_end_are_cut(tmp_path: Path) -> None:
    names = " ".join(f"c{number}" for number in range(3_000))
    page = f"<style>p{{counter-reset:{names}}}p::before{{content:{'counter(c1) ' * 3_000}}}</style>{'<p>x' * 3_000}"
    document = read_here(put(tmp_path / "a.html", f"<html><body>{page}"))
    assert document.text.endswith("x\n\nx")
    assert [note.code for note in document.notes] == ["styles_not_read"]


def test_words_added_without_end_are_cut(tmp_path: Path) -> None:
    page = f"<style>b::before{{content:'{'x' * 10_000} '}}</style>{'<p><b>y</b>' * 600}"
    document = read_here(put(tmp_path / "a.html", f"<html><body>{page}"))
    assert len(document.text) < 5_100_000
    assert [note.code for note in document.notes] == ["styles_not_read"]
