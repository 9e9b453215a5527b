"""Detects media types by content: magic bytes, the parts of zip containers, and for text its first lines."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from pathlib import PurePosixPath
from typing import BinaryIO

from ingest.parse.compound import outermost_names
from ingest.parse.flat import PACKAGE, SHEETS, WORDML
from ingest.parse.plain import decode_text, guess_wide
from rag.errors import ParseError

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
ODP = "application/vnd.oasis.opendocument.presentation"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
XLSB = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
EPUB = "application/epub+zip"

_PDF_HEADER_WITHIN = 1_024 * 4
_CONTENT_TYPES_BYTES = 1 << 20
_OOXML = (("wordprocessingml", DOCX), ("ms-word", DOCX), ("presentationml", PPTX), ("ms-powerpoint", PPTX))
_OOXML_MAIN = re.compile(
    rb"(wordprocessingml\.(?:document|template)|ms-word\.(?:document|template)|presentationml\.(?:presentation|slideshow|template)"
    rb"|ms-powerpoint\.(?:presentation|slideshow|template)|spreadsheetml\.(?:sheet|template)|ms-excel\.(?:sheet|template))"
    rb"[.\w]*\.?main\+xml",
    re.IGNORECASE,
)
_OOXML_PARTS = {"word/document.xml": DOCX, "ppt/presentation.xml": PPTX, "xl/workbook.xml": XLSX}
OLD_OPENOFFICE = frozenset(f"application/vnd.sun.xml.{kind}" for kind in ("writer", "calc", "impress"))
_OPENDOCUMENT = "application/vnd.oasis.opendocument."
_ODF_KINDS = {
    "text": ODT,
    "spreadsheet": ODS,
    "presentation": ODP,
    "graphics": ODP,
}  # a drawing has pages as slides are
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-executable"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"wOFF", "font/woff"),
)
_OLE: tuple[tuple[set[str], str], ...] = (
    ({"__properties_version1.0"}, "application/vnd.ms-outlook"),
    ({"WordDocument"}, "application/msword"),
    ({"Workbook", "Book"}, "application/vnd.ms-excel"),
    ({"PowerPoint Document"}, "application/vnd.ms-powerpoint"),
)
_NOT_TEXT = "application/octet-stream"
_ADVICE = {
    "image/": "Save the picture as PNG or JPEG.",
    "audio/": "Upload a transcript instead.",
    "video/": "Upload a transcript instead.",
    "application/msword": "Install LibreOffice beside Footnote, or save it as DOCX or PDF.",
    "application/vnd.ms-excel": "Install LibreOffice beside Footnote, or save it as XLSX or CSV.",
    "application/vnd.ms-powerpoint": "Install LibreOffice beside Footnote, or save it as PPTX or PDF.",
    "application/vnd.sun.xml": "Install LibreOffice beside Footnote, or save it as ODT, ODS or ODP.",
    "application/x-opc": "Open it in its program and export it as PDF.",
    "application/java-archive": "It holds a program, not documents.",
    "application/vnd.apple": "Open it in its program and export it as PDF, DOCX or XLSX.",
    "application/gzip": "Unpack it and upload the file inside.",
    "application/x-": "Unpack or convert it, and upload a PDF, DOCX or text file.",
}


def tell_media_type(file: BinaryIO, head: bytes, name: str) -> str:
    """Detect the media type of an open file that begins with `head`.

    Raises ParseError `unsupported_type`, `encrypted` or `corrupt`.
    """
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return _tell_zip(file, name)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _tell_ole(file, name)
    if _is_pdf(head):  # after containers, near whose beginning a PDF may stand
        return "application/pdf"
    if head.startswith(b"\x78\x9f\x3e\x22"):
        return "application/ms-tnef"
    if head.startswith(b"{\\rtf"):
        return "application/rtf"
    for magic, media_type in _MAGIC:
        bitmap = magic == b"BM" and head[6:10] == bytes(4)  # reserved bytes, which text has not
        if head.startswith(magic) and (bitmap or not (magic in (b"BM", b"MZ", b"BZh", b"ID3") and _is_text(head))):
            if media_type.startswith("image/"):
                return media_type
            raise unsupported(name, media_type)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI "):
        raise unsupported(name, {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}[head[8:12]])
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"avif"):
        raise unsupported(name, "image/heif")
    if head[4:8] == b"ftyp":
        raise unsupported(name, "video/mp4")
    if not _is_text(head):
        raise unsupported(name, _NOT_TEXT)
    return _tell_text(_cut_at_line(head), name)


def _is_pdf(head: bytes) -> bool:
    """Whether a PDF begins in the head: at once, or after other bytes, but not where a text speaks of one."""
    start = head[:_PDF_HEADER_WITHIN].find(b"%PDF-")
    if start < 0 or not head[:start].strip(b"\0 \t\r\n\x0c\xef\xbb\xbf"):
        return start >= 0
    if not _is_text(head):
        return True
    return head[start - 1 : start] in (b"\r", b"\n") and b" obj" in head[start:]


def unsupported(name: str, media_type: str) -> ParseError:
    """The ParseError for a type without a reader, with advice."""
    advice = next((text for start, text in _ADVICE.items() if media_type.startswith(start)), None)
    what = "it is of no known type (binary)" if media_type == _NOT_TEXT else f"it is {media_type}"
    return ParseError(
        "unsupported_type", f"{name}: {what}, which cannot be read. {advice or 'Upload a PDF, DOCX or text file.'}"
    )


def _tell_zip(file: BinaryIO, name: str) -> str:
    try:
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            if "mimetype" in names:
                with archive.open("mimetype") as entry:
                    stated = entry.read(256).strip().decode("ascii", "replace")
                if stated == EPUB:
                    return stated
                if stated in OLD_OPENOFFICE:
                    return stated
                kind, _, _variant = stated.removeprefix(_OPENDOCUMENT).partition("-")
                if stated.startswith(_OPENDOCUMENT) and kind in _ODF_KINDS:
                    return _ODF_KINDS[kind]
            if "META-INF/container.xml" in names:
                return EPUB
            if "[Content_Types].xml" in names:
                with archive.open("[Content_Types].xml") as entry:
                    types = entry.read(_CONTENT_TYPES_BYTES)
                if media_type := _office_type(types):
                    return media_type
                if "xl/workbook.bin" in names:
                    return XLSB
                if not names & _OOXML_PARTS.keys():
                    raise unsupported(name, "application/x-opc")
            for part, media_type in _OOXML_PARTS.items():
                if part in names:
                    return media_type
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
        OSError,
        EOFError,
        ValueError,
        RuntimeError,
    ) as error:
        raise ParseError(
            "corrupt",
            f"{name}: it begins like a zip container (DOCX, PPTX, XLSX, EPUB) but cannot be opened ({error}). "
            "It may be truncated: copy or download it again.",
        ) from error
    if any(part.endswith(".iwa") for part in names):
        raise unsupported(name, "application/vnd.apple.iwork")
    if "META-INF/MANIFEST.MF" in names or "AndroidManifest.xml" in names:
        raise unsupported(name, "application/java-archive")
    return "application/zip"


def _office_type(types: bytes) -> str:
    """The media type of an Office file by the content types of its parts; empty for other containers."""
    found = _OOXML_MAIN.search(types)
    kind = found[1].decode("ascii").lower() if found else ""
    return next((media_type for mark, media_type in _OOXML if mark in kind), XLSX if kind else "")


def _tell_ole(file: BinaryIO, name: str) -> str:
    """The type of a compound file of old Office programs, by the streams at its top.

    Raises ParseError: `encrypted`, or `unsupported_type` for another program's.
    """
    names = outermost_names(file)
    if not names:  # damaged: names stand in its directory as UTF-16
        file.seek(0)
        data = file.read(1 << 22)
        known = ("EncryptedPackage", *(name for one in _OLE for name in one[0]))
        names = {name for name in known if name.encode("utf-16-le") in data}
    if "EncryptedPackage" in names:
        raise ParseError(
            "encrypted",
            f"{name}: it is an Office file with a password. Save it without one and upload it again.",
        )
    media_type = next((media_type for streams, media_type in _OLE if names & streams), "")
    if not media_type:
        raise unsupported(name, "application/x-ole-storage")
    return media_type


def _is_text(head: bytes) -> bool:
    """Whether the bytes look like text: few control characters, or UTF-16."""
    if head.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or guess_wide(head):
        return True
    controls = sum(head.count(byte) for byte in (*range(9), 11, *range(14, 27), *range(28, 32), 127))
    if controls > len(head) * 0.1:
        return False
    try:
        _cut_at_line(head).decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return True
    # Not UTF-8: text in a legacy encoding has few control characters and mostly ASCII letters, spaces and lines.
    high = sum(1 for byte in head if byte >= 128)
    return controls <= len(head) * 0.01 or (controls <= len(head) * 0.02 and high < len(head) * 0.3)


def _cut_at_line(head: bytes) -> bytes:
    """The head up to its last line break, so that no character is split."""
    if len(head) < 65_536:
        return head
    cut = head.rfind(b"\n")
    if cut < len(head) // 2:
        cut = len(head) - 4
        while cut > 0 and head[cut] & 0xC0 == 0x80:
            cut -= 1
    return head[:cut]


_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|h[1-6]|div|p|table|meta|script|style|ul|ol|"
    r"article|section|main|header|span|br|a)\b[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_HTML_TAG = re.compile(r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>", re.IGNORECASE)
_MAIL_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60}):[ \t]?(.*)")
_MAIL_NAMES = {
    "from", "to", "subject", "date", "message-id", "mime-version", "received", "return-path", "content-type",
    "delivered-to", "reply-to", "cc", "x-mailer", "dkim-signature",
}  # fmt: skip
_MARKDOWN = (
    re.compile(r"^#{1,6}[ \t]+\S", re.MULTILINE),
    re.compile(r"^(```|~~~)", re.MULTILINE),
    re.compile(r"\[[^\]\n]+\]\([^)\s]+\)"),
    re.compile(r"^\s*\|?\s*:?-{3,}:?\s*(\|\s*:?-{3,}:?\s*)+\|?\s*$", re.MULTILINE),
    re.compile(r"\*\*[^*\n]+\*\*"),
    re.compile(r"^[=-]{3,}\s*$", re.MULTILINE),
)

_FLAT = re.compile(
    r"<office:document\b[^>]*\boffice:mimetype=[\"']application/vnd\.oasis\.opendocument\.(text|spreadsheet|presentation)"
)
_FLAT_OFFICE = (
    (re.compile(rf'<\w+:package\b[^>]*"{re.escape(PACKAGE)}"'), ""),
    (re.compile(rf'<\w+:wordDocument\b[^>]*"{re.escape(WORDML)}"'), DOCX),
    (re.compile(rf'<(?:\w+:)?Workbook\b[^>]*"{re.escape(SHEETS)}"'), XLSX),
)
_SUBTITLE = re.compile(r"\s*(?:\d+[ \t]*\r?\n)?\d{1,2}:\d\d:\d\d[,.]\d{1,3}[ \t]*-->[ \t]*\d{1,2}:\d\d:\d\d[,.]\d{1,3}")
_RST = re.compile(r"^\.\. (?:[\w:-]+::|_[^:\n]+:)", re.MULTILINE)
_UNDERLINED = re.compile(r"^[^\s.*#|>-][^\n]*\n([=~^\"'`*+#-])\1{3,}[ \t]*$", re.MULTILINE)
_MARKED_UP = {".rst": "text/x-rst", ".rest": "text/x-rst", ".org": "text/x-org"}
_MARKDOWN_SUFFIXES = (".md", ".markdown", ".mdown", ".mkd")


def _tell_text(head: bytes, name: str) -> str:
    text = decode_text(head)[0].lstrip("\ufeff")
    suffix = PurePosixPath(name).suffix.lower()
    start = text.lstrip()
    if suffix in _MARKDOWN_SUFFIXES and not re.match(r"\s*<(?:!doctype\s+html|html)\b", text, re.IGNORECASE):
        return "text/markdown"
    if suffix in _MARKED_UP:
        return _MARKED_UP[suffix]
    if start[:15].upper() == "BEGIN:VCALENDAR":
        return "text/calendar"
    if start.startswith("[Script Info]"):
        return "text/x-ssa"
    if text.startswith("WEBVTT"):
        return "text/vtt"
    if _SUBTITLE.match(text):
        return "application/x-subrip"
    declared = start.startswith("<?xml") and not re.search(r"<html\b", text[:4_096], re.IGNORECASE)
    if (_HTML.match(text) and not declared) or (suffix in (".html", ".htm", ".xhtml") and _HTML_TAG.search(text)):
        return "text/html"
    flat = _FLAT.search(text[:8_192]) if start.startswith("<") else None
    if flat:
        return next((kind for kind in (ODS, ODP) if kind.endswith(flat[1])), ODT)
    for mark, media_type in _FLAT_OFFICE if start.startswith("<") else ():
        if mark.search(text[:8_192]):
            return media_type or _office_type(text.encode()) or DOCX
    if start.startswith("<?xml") or (suffix in (".xml", ".rss", ".svg") and start.startswith("<")):
        return "text/html" if re.search(r"<html\b", text[:4_096], re.IGNORECASE) else "application/xml"
    # Markdown and plain text may contain anything, even only JSON, so the file's extension decides.
    if start[:1] in "{[" and suffix != ".txt" and _is_json(start, suffix):
        return "application/x-ipynb+json" if _is_notebook(start) else "application/json"
    if _is_mail(text):
        return "application/mbox" if text.startswith("From ") else "message/rfc822"
    if suffix in (".tsv", ".tab", ".xls") and "\t" in text:
        return "text/tab-separated-values"
    delimiter = find_delimiter(text, stated=suffix == ".csv")
    if delimiter == "\t" and suffix != ".csv":
        return "text/tab-separated-values"
    if suffix == ".txt":
        return "text/plain"
    if delimiter:
        return "text/csv"
    if suffix == "" and _RST.search(text) and _UNDERLINED.search(text):
        return "text/x-rst"
    if suffix == "" and sum(1 for mark in _MARKDOWN if mark.search(text)) >= 2:
        return "text/markdown"
    return "text/plain"


def _is_json(start: str, suffix: str) -> bool:
    """Whether the text parses as JSON, or begins like JSON when the head does not hold all of the file."""
    try:
        json.JSONDecoder().raw_decode(start)
    except RecursionError:
        return True
    except ValueError:
        if len(start) < 30_000:
            return suffix in (".json", ".jsonl", ".ndjson", ".ipynb")
        return suffix in (".json", ".jsonl", ".ndjson", ".ipynb") or bool(
            re.match(r'\{\s*"[^"\n]*"\s*:|\[\s*[\[{"\d]', start)
        )
    return bool(re.match(r"\{\s*[\"}]|\[\s*[\[{\"\d\]tfn-]", start)) and not re.match(r"\[\d+\]\s+\S", start)


def _is_notebook(start: str) -> bool:
    return '"cells"' in start and ('"cell_type"' in start or '"nbformat"' in start)


def _is_mail(text: str) -> bool:
    """Whether the first lines are RFC 822 headers, with enough of the usual names."""
    names = set()
    for number, line in enumerate(text.replace("\r\r\n", "\n").lstrip("\r\n").split("\n")[:200]):
        line = line.rstrip("\r")
        if not line.strip():
            break
        if line[0] in " \t" and number:
            continue
        if number == 0 and (line.startswith("From ") or line.strip().isdigit()):  # the length, in files of Apple Mail
            continue
        header = _MAIL_HEADER.match(line)
        if not header:
            return False
        names.add(header[1].lower())
    return len(names & _MAIL_NAMES) >= 3 or {"from", "subject"} <= names or {"from", "to"} <= names


def find_delimiter(text: str, *, stated: bool = False) -> str:
    """The delimiter of the columns, or an empty string; `stated`: the file name says that it is a table."""
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    if len(text.splitlines()) > 50:
        lines = lines[:50]
    if stated:
        return _likely_delimiter(lines)
    if len(lines) < 3:
        return ""
    best = ("", 0)
    for delimiter in (",", ";", "\t", "|"):
        counts = [_count_outside_quotes(line, delimiter) for line in lines]
        if counts[0] >= 2 and all(count == counts[0] for count in counts) and counts[0] > best[1]:
            # Prose has commas too, but not the same number on every line, and they are followed by spaces.
            spaced = sum(line.count(delimiter + " ") for line in lines)
            if spaced < sum(counts) * 0.5:
                best = (delimiter, counts[0])
    return best[0]


def _likely_delimiter(lines: list[str]) -> str:
    """The delimiter that each line has most often, two or more times, or else the one that most lines have equally
    often; a comma, which numbers have too, only before no other."""
    best, most = ",", (0, 0)
    counted = {delimiter: [_count_outside_quotes(line, delimiter) for line in lines] for delimiter in ";\t|,"}
    for delimiter, counts in counted.items():
        others = zip(*(other for key, other in counted.items() if key != delimiter), strict=True)
        if lines and all(count > max(1, *other) for count, other in zip(counts, others, strict=True)):
            return delimiter
        count, times = max(Counter(filter(None, counts)).items(), key=lambda one: (one[1], one[0]), default=(0, 0))
        if (times, count) > most:
            best, most = delimiter, (times, count)
    return best


def _count_outside_quotes(line: str, delimiter: str) -> int:
    if '"' not in line:
        return line.count(delimiter)
    return sum(part.count(delimiter) for part in line.split('"')[0::2])
