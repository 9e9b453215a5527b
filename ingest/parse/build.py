"""Clean text and its offsets: every reader adds blocks to a TextBuilder, which counts characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from ingest.parse.grid import (
    GridCell,
    count_header_rows,
    count_title_rows,
    cut_columns,
    fill_spans,
    group_tabbed,
    join_header,
    split_lines,
    split_tabbed,
)
from rag.errors import ParseError
from rag.text.tables import row_headers
from rag.types import Document, Heading, Note, Page, PageSource, Table, WordBoxes

if TYPE_CHECKING:
    from ingest.parse.embedded import InnerPicture, Pictures

_DROPPED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # control characters
    "\u00ad\u200b\u2060\ufeff"  # soft hyphen, zero-width space, word joiner, byte order mark
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks and overrides of writing direction
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"  # interlinear marks, non-characters, lone surrogates
)
_PRESENTATION = re.compile(
    "[\ufb00-\ufdff\ufe70-\ufefc\U0001d400-\U0001d7ff]"
)  # ligatures, Arabic shapes and letters of formulas, which are written instead of letters
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
MOST_NOTES = 100
MOST_NOTE_CHARS = 500
_SPACES = re.compile(r"[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")


def clean_text(text: str) -> str:
    """Remove invisible characters, expand ligatures, compose accents (NFC) and write line breaks as `\\n`."""
    text = _BREAKS.sub("\n", text)
    text = _DROPPED.sub("", text)
    if not text.isascii():
        text = _PRESENTATION.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
        text = unicodedata.normalize("NFC", text)
    return text


def clean_line(text: str) -> str:
    """Clean the text and join it into one line, runs of white space as one space."""
    return " ".join(_SPACES.sub(" ", clean_text(text)).split())


def clean_verbatim(text: str) -> str:
    """Keep the file's own characters, except that line breaks become `\\n` and control characters become spaces.

    A byte order mark is removed. Every other character stays one character (CR LF becomes one), so that offsets
    counted in the file remain valid.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub("[\x0b\x0c\u2028\u2029\x85]", "\n", text)
    text = re.sub("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]", " ", text)
    return re.sub("[\ud800-\udfff\ufffe\uffff]", "\ufffd", text)


class TextBuilder:
    """Collects a document's text in reading order, with the offsets in characters of headings, tables and pages.

    `pictures` reads the pictures inside the document; without it they are left alone.
    """

    def __init__(self, pictures: Pictures | None = None) -> None:
        self.pictures = pictures
        self._parts: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []
        self._tables: list[Table] = []
        self._pages: list[Page] = []
        self._page_start = 0
        self._notes: dict[Note, None] = {}
        self._struck = 0
        self._tabbed: list[str] = []  # paragraphs with tabs that wait for the end of their table

    @property
    def length(self) -> int:
        """Characters so far."""
        self._end_tabbed()
        return self._length

    @property
    def text(self) -> str:
        """The text so far."""
        self._end_tabbed()
        return "".join(self._parts)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables so far."""
        self._end_tabbed()
        return tuple(self._tables)

    @property
    def notes(self) -> tuple[Note, ...]:
        """The notes so far, at most MOST_NOTES and one that counts the others."""
        return self._kept_notes()

    @property
    def pages(self) -> tuple[Page, ...]:
        """The pages closed so far."""
        self._end_tabbed()
        return tuple(self._pages)

    def append(self, text: str) -> tuple[int, int]:
        """Add text unchanged; returns its start and end."""
        self._end_tabbed()
        start = self._length
        if text:
            self._parts.append(text)
            self._length += len(text)
        return start, self._length

    def separate(self, break_: str) -> None:
        """Add a break before the next block, unless the page is still empty."""
        self._end_tabbed()
        if self._length > self._page_start and not self._parts[-1].endswith(break_):
            self.append(break_)

    def add_paragraph(self, text: str, break_: str = "\n\n") -> tuple[int, int] | None:
        """Add a block after a break; returns its start and end, None for a blank one."""
        self._end_tabbed()
        text = text.strip()
        if not text:
            return None
        self.separate(break_)
        return self.append(text)

    def add_tabbed(self, text: str) -> None:
        """Add a paragraph with tabs in its lines: rows of a table, if those before and behind it make one with it."""
        self._tabbed.append(text)

    def _end_tabbed(self) -> None:
        waiting, self._tabbed = self._tabbed, []
        breaks: list[str] = []
        lines: list[str] = []
        for text in waiting:
            own = [line for line in text.split("\n") if line.strip()]
            breaks += ["\n\n", *["\n"] * len(own)][: len(own)]
            lines += own
        left = iter(breaks)
        for group in group_tabbed(lines):
            rows = split_tabbed(group)
            named = any(row_headers("\n".join(map(write_row, rows))).values())
            is_table = named or bool(rows and len(rows[0]) > 2)
            if is_table:
                self.add_grid([[GridCell(cell) for cell in row] for row in rows], headed=named)
            for line, break_ in zip(group, left, strict=False):
                if not is_table:
                    self.add_paragraph(clean_line(line), "\n\n" if self._ends_table() else break_)

    def _ends_table(self) -> bool:
        return bool(self._tables) and self._tables[-1].end == self._length

    def add_heading(self, level: int, text: str) -> None:
        """Add a heading on a line of its own; a blank one is skipped."""
        line = clean_line(text)
        place = self.add_paragraph(line)
        if place:
            self._headings.append(Heading(max(1, level), line, *place))

    def mark_heading(self, heading: Heading) -> None:
        """Record a heading whose text was added before."""
        self._headings.append(heading)

    def mark_table(self, table: Table) -> None:
        """Record a table whose text was added before."""
        self._tables.append(table)

    def add_grid(self, rows: Sequence[Sequence[GridCell]], header_rows: int = 0, *, headed: bool = True) -> None:
        """Add a table whose cells may cover several rows and columns; the rows at the top that name its columns are
        counted where `header_rows` is 0, unless it is not `headed`."""
        cleaned = [
            [replace(cell, text=clean_line(cell.text)) for cell in row] for row in split_lines(rows, header_rows)
        ]
        levels = header_rows if header_rows > count_title_rows(cleaned) else count_header_rows(cleaned)
        levels = levels if headed else 0
        self.add_table(fill_spans(cleaned), header_rows=levels)

    def add_table(self, rows: Iterable[Sequence[str]], *, header_rows: int = 1) -> None:
        """Add a table, one line for each row, cells separated by ` | `; the first `header_rows` name the columns.

        Blank cells are kept, except at the right and in columns without any text at the left. A table of more columns
        than a chunk can name is added in parts, each with the table's first column.
        """
        cleaned = [[clean_line(cell) for cell in row] for row in rows]
        above = sum(not any(row) for row in cleaned[:header_rows])
        filled = [row for row in cleaned if any(row)]
        left = min((next(at for at, cell in enumerate(row) if cell) for row in filled), default=0)
        levels = max(0, header_rows - above)
        for part in cut_columns([row[left:] for row in filled]):
            self._add_rows(part, levels)

    def _add_rows(self, rows: list[list[str]], header_rows: int) -> None:
        for row in rows:
            while row and not row[-1]:
                row.pop()
        text = "\n".join(write_row(row) for row in rows)
        if not text.strip():
            return
        self.separate("\n\n")
        start, end = self.append(text)  # not as a paragraph, which would lose a blank first cell
        named = header_rows and len(rows) > header_rows
        self._tables.append(Table(start, end, write_row(join_header(rows[:header_rows])) if named else ""))

    def add_note(self, code: str, message: str, page: int | None = None) -> None:
        """Note what the document shows and its text lacks, or has with doubt; a note that was made before is skipped.

        `message` is a sentence for people, `page` is 1-based. See `rag.types.Note`.
        """
        self._notes.setdefault(Note(code, clean_line(message)[:MOST_NOTE_CHARS], page))

    def note_struck(self, characters: int) -> None:
        """Note how many more characters are struck out, which a reader takes for withdrawn: they are no text."""
        self._struck += characters

    def add_picture(self, picture: InnerPicture) -> None:
        """Add the words and tables of a picture as blocks of their own, if it shows any and they are not there yet."""
        found = self.pictures and self.pictures.read(picture)
        if found:
            add_document(self, found)

    def note_pictures(self, number: int, why: str) -> None:
        """Note how many pictures that may show words were not read, and why."""
        if number:
            shown = "A picture was" if number == 1 else f"{number} pictures were"
            self.add_note(
                "picture_not_read", f"{shown} not read: {why}. Upload one that shows words as a file of its own."
            )

    def _note_recognised(self, page: int | None = None) -> float | None:
        """Note the pictures whose words were added since the last such note; returns the confidence, None for none."""
        count, confidence = self.pictures.take_read() if self.pictures else (0, 0.0)
        if not count:
            return None
        whose, them = ("a picture", "it") if count == 1 else (f"{count} pictures", "them")
        self.add_note(
            "picture_ocr",
            f"The words of {whose} were recognised (OCR, confidence {confidence:.2f}). Check figures against {them}.",
            page,
        )
        return round(confidence, 4)

    def end_page(
        self,
        number: int,
        width: float = 0.0,
        height: float = 0.0,
        boxes: WordBoxes | None = None,
        *,
        source: PageSource = "text",
        confidence: float | None = None,
    ) -> None:
        """End a page, which covers everything added since the last one; `number` is 1-based, sizes are PDF points.

        `source` and `confidence` say where its words come from (`rag.types.Page`).
        """
        self._end_tabbed()
        words = WordBoxes() if boxes is None else boxes
        if recognised := self._note_recognised(number):
            source, confidence = "ocr", recognised
        self._pages.append(Page(number, self._page_start, self._length, width, height, words, source, confidence))
        self._page_start = self._length

    def to_document(
        self, *, name: str, media_type: str, title: str = "", metadata: dict[str, str] | None = None
    ) -> Document:
        """Build the document, without its id. Raises ParseError `no_text` when the text is blank."""
        text = self.text
        stated = metadata or {}
        self._note_recognised()
        for why, number in self.pictures.unread.items() if self.pictures else ():
            self.note_pictures(number, why)
        if hidden := stated.get("hidden_characters"):
            self.add_note(
                "hidden_text", f"{hidden} characters that its program does not show were left out of the text."
            )
        if self._struck:
            self.add_note("struck_out", f"{self._struck} characters that are struck out were left out of the text.")
        if lost := text.count("\ufffd"):
            self.add_note(
                "characters_unreadable", f"{lost} characters could not be decoded and are shown as \ufffd in the text."
            )
        if not text.strip():
            raise ParseError(
                "no_text", f"{name}: it was read as {media_type} and has no text. Upload a file with text."
            )
        return Document(
            id="",
            name=name,
            media_type=media_type,
            text=text,
            pages=tuple(self._pages),
            title=choose_title(title, self._headings, name),
            metadata={key: clean_line(value)[:1_000] for key, value in stated.items() if value.strip()},
            headings=tuple(self._headings),
            tables=tuple(self._tables),
            notes=self._kept_notes(),
        )

    def _kept_notes(self) -> tuple[Note, ...]:
        """The first MOST_NOTES notes, and one that counts the others."""
        notes = tuple(self._notes)
        if len(notes) <= MOST_NOTES:
            return notes
        more = len(notes) - MOST_NOTES
        return (*notes[:MOST_NOTES], Note("more_notes", f"{more} further notes are left out."))


def add_document(builder: TextBuilder, document: Document) -> None:
    """Add the text of another document, with its headings, tables and notes."""
    builder.separate("\n\n")
    start, _end = builder.append(document.text.strip("\n"))
    shift = start - (len(document.text) - len(document.text.lstrip("\n")))
    for heading in document.headings:
        builder.mark_heading(replace(heading, start=heading.start + shift, end=heading.end + shift))
    for table in document.tables:
        builder.mark_table(replace(table, start=table.start + shift, end=table.end + shift))
    for note in document.notes:
        where = document.name if note.page is None else f"{document.name}, page {note.page}"
        builder.add_note(note.code, f"{where}: {note.message}")


def write_row(cells: Sequence[str]) -> str:
    """The cells as one line, blank ones kept between their bars; a bar in a cell is `\\|`, as in Markdown."""
    return " | ".join(cell.replace("|", r"\|") for cell in cells)


_NO_TITLE = re.compile(
    r"untitled.*|\(?anonymous\)?|unspecified|document ?\d*|presentation ?\d*|powerpoint[ -]presentation|"
    r"microsoft \w+ - .*|book ?\d*|slide \d+|"
    r"title|none|null|.*\.(docx?|pptx?|xlsx?|pdf|dvi|tex|indd|rtf|od[tps]|html?|qxd|ps|pages)|[\W\d_]*",
    re.IGNORECASE,
)


_GENERIC = re.compile(
    r"[\d.\s]*(?:(?:table of )?contents|introduction|abstract|preface|foreword|overview|sheet ?\d*|"
    r"inhalt(?:sverzeichnis)?|einleitung)",
    re.IGNORECASE,
)


def title_is_sensible(stated: str) -> bool:
    """Whether the title in a file's metadata is a real title, and not a program's default or a file name."""
    line = clean_line(stated)
    return 2 < len(line) <= 300 and not _NO_TITLE.fullmatch(line)


def choose_title(stated: str, headings: Sequence[Heading], name: str) -> str:
    """The title in the file's metadata if it is sensible, else the first heading of level 1, else the name's stem."""
    if title_is_sensible(stated):
        return clean_line(stated)
    first = next(
        (heading.text for heading in headings if heading.level == 1 and not _GENERIC.fullmatch(heading.text)), ""
    )
    return first[:300] or clean_line(PurePath(name).stem) or name
