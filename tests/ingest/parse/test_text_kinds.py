"""Texts with marks of their own: reStructuredText, Org, subtitles."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import headings, put, read, read_here

RST = """\
=======
Harbour
=======

:Author: Ann Lee

.. contents::

Area 120\\ :sup:`2`, see :ref:`quay rules <quay>` [1]_ and |plan|.

.. |plan| replace:: the plan
.. note:: Mind the step.
.. versionadded:: 2.1
   The fee is new.
.. toctree::
   :maxdepth: 2

   other

3. Third
4. Fourth

Sizes
-----

+--------+-----------+
| Vessel | Rain      |
|        +-----+-----+
|        | N   | S   |
+========+=====+=====+
| Petrel | 1   |     |
|        +-----+-----+
|        | 3   | 4   |
+--------+-----+-----+

.. include:: /etc/passwd
.. raw:: html

   <script>x</script>

.. code-block:: python

   fee = 9

.. [1] Paid in May.
"""


@pytest.mark.parametrize("name", ["a.rst", "README"])
def test_restructured_text(tmp_path: Path, name: str) -> None:
    document = read(put(tmp_path / name, RST))
    assert document.media_type == "text/x-rst"
    assert document.text == (
        "Harbour\nAuthor: Ann Lee\n\nArea 120², see quay rules [1] and the plan.\n\nNote: Mind the step.\n\n2.1\n\n"
        "The fee is new.\n3. Third\n4. Fourth\n\nSizes\n\nVessel | Rain | Rain\nVessel | N | S\nPetrel | 1\n"
        "Petrel | 3 | 4\n\nfee = 9\n[1] Paid in May."
    )
    assert headings(document) == [(1, "Harbour"), (2, "Sizes")]
    assert [table.header for table in document.tables] == ["Vessel | Rain N | Rain S"]
    assert [note.code for note in document.notes] == ["part_not_read"]
    assert document.metadata["author"] == "Ann Lee"


def test_org_keeps_its_own_characters(tmp_path: Path) -> None:
    source = (
        "#+TITLE: Harbour rules\n\n* TODO Fees :quay:\nText *bold*.\n** Late fees\n#+begin_src sh\n* no heading\n"
        "| no | table |\n#+end_src\n  | Boat | Fee |\n  |------+-----|\n  | Tern |   9 |\nAfter.\n"
    )
    document = read(put(tmp_path / "a.org", source))
    assert document.text == source
    assert document.title == "Harbour rules"
    assert headings(document) == [(1, "TODO Fees"), (2, "Late fees")]
    (table,) = document.tables
    assert table.header == "Boat | Fee"
    assert document.text[table.start : table.end] == "| Boat | Fee |\n  |------+-----|\n  | Tern |   9 |"


def test_comments_of_org_are_left_out_and_code_keeps_its_own(tmp_path: Path) -> None:
    code = "#+BEGIN_SRC sh\n# set the limit to 50\nulimit 50\n#+END_SRC\n#+begin_example\n# seen\n#+end_example\n"
    unended = "#+begin_comment\nSeen, as it does not end.\n"
    hidden = "#+begin_comment\nunseen\n#+begin_src\nunseen\n#+end_src\n#+end_comment\n# unseen\n"
    document = read(put(tmp_path / "a.org", f"* Limits\n{hidden}{code}{unended}"))
    assert "unseen" not in document.text
    assert document.text.endswith(code + unended)
    assert [note.code for note in document.notes] == ["hidden_text"]


SRT = """\
1
00:00:01,000 --> 00:00:03,500
<i>The ferry leaves</i>

2
00:00:03,600 --> 00:00:05,000
{\\an8}at 7:40.
- Every day?

3
00:01:10,000 --> 00:01:12,000
The ferry leaves

4
00:01:12,000 --> 00:01:13,000
from quay 9.

5
00:01:14,000 --> 00:01:15,000
from quay 9.
"""


@pytest.mark.parametrize("name", ["talk.srt", "talk"])
def test_subtitles(tmp_path: Path, name: str) -> None:
    document = read(put(tmp_path / name, SRT.replace("\n", "\r\n")))
    assert document.media_type == "application/x-subrip"
    assert document.title == "talk"
    assert document.text == (
        "00:00:01\n\nThe ferry leaves at 7:40.\n\n- Every day?\n\n00:01:10\n\nThe ferry leaves from quay 9."
    )
    assert headings(document) == [(2, "00:00:01"), (2, "00:01:10")]


def test_a_blank_line_does_not_end_what_is_said(tmp_path: Path) -> None:
    source = "1\n00:00:01,000 --> 00:00:02,000\nThe quays:\n\nnine and\n42\n\n2\n00:00:03,000 --> 00:00:04,000\nten.\n"
    assert read_here(put(tmp_path / "talk.srt", source)).text == "00:00:01\n\nThe quays: nine and 42 ten."


def test_captions_of_the_web(tmp_path: Path) -> None:
    source = (
        "WEBVTT - Talk\n\nNOTE not shown\nat all\n\nSTYLE\n::cue { color: red }\n\n"
        "intro\n00:01.000 --> 00:02.000 line:0\n"
        "<v.loud Ann Lee>Tea &amp; <c.x>cake</c> <00:01.500>now</v>\n\n00:02.000 --> 00:03.000\n<v Bob>No.\n\n"
        "01:00:00.000 --> 01:00:01.000\n<v Bob>Later\n"
    )
    document = read_here(put(tmp_path / "talk.vtt", source))
    assert document.text == ("00:00:01\n\nAnn Lee: Tea & cake now\n\nBob: No.\n\n01:00:00\n\nBob: Later")
