"""Kinds of files that other programs were reported to misread."""

from __future__ import annotations

from pathlib import Path

from reading import put, read_here

XML = '<?xml version="1.0"?>'


def test_words_in_angle_brackets_are_text_of_xml(tmp_path: Path) -> None:
    page = "<item><name>&lt;p&gt;At &lt;b&gt;7&lt;/b&gt;.&lt;/p&gt;</name></item>"
    source = f"{XML}<r><item><name><![CDATA[Rope & <hook>]]></name></item>{page}</r>"
    document = read_here(put(tmp_path / "a.xml", source))
    assert document.text == "name: Rope & <hook>\n\nname: At 7."


def test_line_breaks_of_xml_part_words(tmp_path: Path) -> None:
    source = f"{XML}<tt><body><p>Hello<br/>there</p><p>Bye <i>now</i></p></body></tt>"
    document = read_here(put(tmp_path / "a.ttml", source))
    assert document.text == "Hello there\n\nBye now"


def test_tables_of_xml_without_other_text(tmp_path: Path) -> None:
    rows = (
        "<row><entry morerows='1'>Bergen</entry><entry>88</entry></row><row><entry>89</entry></row>"
        "<row><entry>Oslo</entry><entry>5</entry></row>"
    )
    head = "<thead><row><entry>City</entry><entry>Rain</entry></row></thead>"
    source = f"{XML}<article><table><tgroup cols='2'>{head}<tbody>{rows}</tbody></tgroup></table></article>"
    document = read_here(put(tmp_path / "a.xml", source))
    assert document.text == "City | Rain\nBergen | 88\nBergen | 89\nOslo | 5"


def test_bytes_in_xml_are_told_and_no_text(tmp_path: Path) -> None:
    packed = "\n".join(["iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4"] * 4)
    body = f"<body><p>It <i>was</i> late.</p></body><binary content-type='image/png'>{packed}</binary>"
    document = read_here(put(tmp_path / "a.fb2", f"{XML}<FictionBook>{body}</FictionBook>"))
    assert document.text == "It was late."
    assert [note.code for note in document.notes] == ["object_not_read"]
