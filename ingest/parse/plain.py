"""Reader of plain text and Markdown; the text is the file's own characters, so that offsets in the file stay valid."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parse.build import TextBuilder, clean_line, clean_verbatim
from ingest.parse.encodings import guess_encoding
from rag.errors import ParseError
from rag.types import Document, Heading, Table

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_EASTERN = re.compile("[\t\n\r -~\u2014-\u2026\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff5e]")
_HZ = re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e])+~\}")
_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[()*+][0-9A-Za-z]|[^\n]\x08")
"""What steers a terminal: colours and titles, and letters that are overstruck to be bold or underlined."""
_GUESSED_BYTES = 1 << 16
_FRONT_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\n(.*?)\n\1[ \t]*(?:\n|$)", re.DOTALL)
_COMMENTS = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)[^\n]*$|\Z)|(?:^|(?<=\n\n))(?: {4}|\t)[^\n]*|`[^`\n]+`"
    r"|(?P<comment><!--.*?(?:-->|\Z)|^\[//\]: #[^\n]*)",
    re.DOTALL | re.MULTILINE,
)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_BAR = re.compile(r"(?<!\\)\|")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_RULE = re.compile(r"\s*\|?\s*:?-{1,}:?\s*(\|\s*:?-{1,}:?\s*)+\|?\s*$")


def read_text(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the file's own characters with line breaks as `\\n`, without those that steer a terminal.

    Headings and tables of Markdown are marked.
    """
    check_text_size(path, name, limits, most=4)
    data = path.read_bytes()
    text, encoding = decode_text(data)
    text = clean_verbatim(_TERMINAL.sub("", text) if "\x1b" in text or "\b" in text else text)
    builder = TextBuilder()
    stated = {"encoding": encoding}
    if media_type == "text/markdown":
        stated |= read_front_matter(text)
        text, hidden = blank_comments(text)
        stated |= {"hidden_characters": str(hidden)} if hidden else {}
    builder.append(text)
    if media_type == "text/markdown":
        mark_structure(builder, text)
    return builder.to_document(name=name, media_type=media_type, title=stated.pop("title", ""), metadata=stated)


def read_front_matter(text: str) -> dict[str, str]:
    """The title, author and date that stand above a Markdown text between lines of `---` (YAML) or `+++` (TOML)."""
    found = _FRONT_MATTER.match(text)
    lines = found[2].split("\n") if found else []
    stated = {}
    for line in lines:
        entry = re.fullmatch(r"(title|author|date)[ \t]*[:=][ \t]*(.+)", line)
        if entry and entry[2][:1] not in "[{|>":
            stated[entry[1]] = entry[2].strip().strip("\"'")
    return stated


def blank_comments(text: str) -> tuple[str, int]:
    """The text with spaces in the place of its comments, which are not shown, and the number of their characters.

    Every other character keeps its place. Comments in code are shown.
    """
    if "<!--" not in text and "[//]:" not in text:
        return text, 0
    hidden = 0

    def blank(found: re.Match[str]) -> str:
        nonlocal hidden
        if found["comment"] is None:
            return found[0]
        hidden += len(found["comment"].removeprefix("<!--").removesuffix("-->").strip())
        return re.sub(r"[^\n]", " ", found[0])

    return _COMMENTS.sub(blank, text), hidden


def check_text_size(path: Path, name: str, limits: Limits, most: int = 1) -> None:
    """Raise ParseError `too_large` for a file of more than `most` times the text that is allowed."""
    if path.stat().st_size > limits.max_text_bytes * most:
        raise ParseError(
            "too_large",
            f"{name}: it is larger than {limits.max_text_bytes >> 20} MiB of text. "
            "Split the file, or raise FOOTNOTE_PARSING__MAX_OUTPUT_MB.",
        )


def decode_text(data: bytes) -> tuple[str, str]:
    """Decode bytes; returns the text and its encoding. Invalid bytes become U+FFFD."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding
    if b"\0" in data[:4_096] and (wide := guess_wide(data)):
        return data.decode(wide, "replace"), wide
    if b"\x1b$" in data[:_GUESSED_BYTES] and (escaped := guess_encoding(data)):
        return data.decode(escaped, "replace"), escaped
    if b"~{" in data and _HZ.search(data) and data.isascii():
        return data.decode("hz", "replace"), "hz"
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        bad = error.start
    text = data.decode("utf-8", "replace")
    # More valid multi-byte characters than invalid bytes: the file is damaged UTF-8, not another encoding.
    foreign = sum(1 for character in text if ord(character) > 127 and character != "\ufffd")
    if foreign > text.count("\ufffd"):
        return text, "utf-8"
    encoding = guess_encoding(data)
    if not encoding:
        from charset_normalizer import from_bytes

        # Detection takes time by length, so it reads only the part around the first byte that is not ASCII.
        first = max(0, bad - _GUESSED_BYTES // 4)
        best = from_bytes(data[first : first + _GUESSED_BYTES]).best()
        encoding = best.encoding if best is not None else "cp1252"
    text = data.decode(encoding, "replace")
    return unicodedata.normalize("NFC", text) if encoding == "cp1258" else text, encoding


_WIDER = {
    "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874", "gb2312": "gb18030",
    "gbk": "gb18030", "euc_kr": "cp949", "shift_jis": "cp932", "big5": "big5hkscs",
}  # fmt: skip
"""Encodings that programs write in place of those that they name (WHATWG Encoding, 4.2)."""
_ALIASES = {
    "iso-8859-8-i": "iso-8859-8", "iso-8859-8-e": "iso-8859-8", "windows-874": "cp874", "x-sjis": "cp932",
    "x-gbk": "gb18030", "x-euc-jp": "euc_jp", "unicode-1-1-utf-7": "utf-7", "x-mac-roman": "mac_roman",
    "ansi": "cp1252", "cp-850": "cp850", "utf8mb4": "utf-8",
}  # fmt: skip


def decode_stated(data: bytes, charset: str) -> str:
    """Decode by the charset that a file names, as browsers do: invalid bytes become U+FFFD.

    By `decode_text` where the charset is unknown, or wrong for most characters that are not ASCII.
    """
    name = charset.strip().lower()
    try:
        found = codecs.lookup(_ALIASES.get(name, name)).name
        text = data.decode(_WIDER.get(found, found), "replace")
    except (LookupError, ValueError):
        return decode_text(data)[0]
    wrong = text.count("\ufffd")
    return decode_text(data)[0] if wrong and wrong > sum(character > "\x7f" for character in text) / 2 else text


def guess_wide(data: bytes) -> str:
    """`utf-16-le` or `utf-16-be` for text whose every second byte is NUL or names one other alphabet, or which is
    Chinese, Japanese or Korean with spaces or lines in it; else empty.
    """
    sample = data[: 4_096 if len(data) % 2 == 0 else min(4_096, len(data) - 1)]
    if len(sample) < 8:
        return ""
    for encoding, high, low in (("utf-16-le", sample[1::2], sample[0::2]), ("utf-16-be", sample[0::2], sample[1::2])):
        blocks = Counter(high)
        upper = [value for value, _times in blocks.most_common(2) if value != 0]
        if blocks[0] > 0.6 * len(high) and low.count(0) < 0.1 * len(low):
            return encoding
        # spaces, digits and signs have NUL where the letters name their alphabet, from Greek (3) to Thai (14)
        alphabet = upper and 3 <= upper[0] <= 14 and blocks[0] + blocks[upper[0]] > 0.9 * len(high)
        if alphabet and blocks[0] and low.count(0) < 0.1 * len(low):
            return encoding
        if (
            blocks[0]
            and not low.count(0)
            and len(_EASTERN.findall(sample.decode(encoding, "replace"))) > 0.47 * len(sample)
        ):
            return encoding
    return ""


def mark_structure(builder: TextBuilder, text: str) -> None:
    """Mark the headings and tables of Markdown in `text`; code blocks are skipped."""
    fence = ""
    at = 0
    lines = text.split("\n")
    places = []
    for line in lines:
        places.append(at)
        at += len(line) + 1
    number = 0
    while number < len(lines):
        line, start = lines[number], places[number]
        opened = _FENCE.match(line)
        if fence:
            if opened and opened[1].startswith(fence) and not line[opened.end() :].strip():
                fence = ""
        elif opened:
            fence = opened[1]
        elif heading := _ATX.match(line):
            if heading[2]:
                words = clean_line(_plain(heading[2]))
                builder.mark_heading(Heading(len(heading[1]), words, start + heading.start(2), start + heading.end(2)))
        elif number and _SETEXT.match(line) and _is_setext_text(lines, number):
            above = lines[number - 1]
            left = places[number - 1] + len(above) - len(above.lstrip())
            words = clean_line(_plain(above))
            builder.mark_heading(
                Heading(1 if "=" in line else 2, words, left, places[number - 1] + len(above.rstrip()))
            )
        elif number and _RULE.match(line) and "|" in lines[number - 1]:
            last = number
            while last + 1 < len(lines) and "|" in lines[last + 1]:
                last += 1
            header = " | ".join(cell.strip() for cell in _BAR.split(lines[number - 1].strip().strip("|")))
            builder.mark_table(Table(places[number - 1], places[last] + len(lines[last]), clean_line(header)))
            number = last
        number += 1


def _is_setext_text(lines: list[str], number: int) -> bool:
    above = lines[number - 1].strip()
    alone = number < 2 or not lines[number - 2].strip()
    return bool(above) and alone and above[0] not in "#>|-*+=`" and len(above) <= 200


def _plain(text: str) -> str:
    """The text of a heading without Markdown emphasis and links."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"(\*\*|__|`)", "", text)
