"""Reader of RTF, from its own control words: what a word processor shows of it.

bytes ─ read_tokens ─> control words, groups and text ─ RtfReader ─> headings, paragraphs, lists and tables

Numbers of lists are those that the file prints (`\\listtext`). Text boxes are read, fields by their results, formulas
as those of DOCX are, pictures by their words. Hidden and deleted text, styles and data for other programs are left out.
A table's columns are found by the edges of its cells, since a merged cell is written as a wide one. Outlook keeps HTML
bodies of messages in RTF: see `html_of` and `unpack_rtf`.
"""

from __future__ import annotations

import codecs
import functools
import html
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.embedded import InnerPicture, Pictures, on_one_line
from ingest.parse.fields import compute_field
from ingest.parse.grid import GridCell, write_inner
from ingest.parse.marks import raise_text
from ingest.parse.omml import begin_formula, begin_part, read_omml, write_part
from ingest.parse.symbols import show_symbols
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_SYMBOLIC = 2  # the character set of fonts of symbols
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_MOST_DEPTH = 2_000
_MOST_UNPACKED = 64 << 20
_EDGE_TWIPS = 60  # edges of cells nearer than this (1 mm) are one column's
_MOST_COLUMNS = 500
_TWIPS_PER_INCH = 1_440
_CHARSETS = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_SYMBOLS = {
    "emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”",
    "tab": "\t", "emspace": " ", "enspace": " ", "qmspace": " ", "line": "\n", "softline": "\n",
    "~": "\u00a0", "_": "-", "-": "",
}  # fmt: skip
_SKIPPED = frozenset({
    "fontemb", "fontfile", "filetbl", "listtable", "listoverridetable", "revtbl", "rsidtbl", "generator",
    "nonshppict", "objdata", "objclass", "objname", "datafield", "shprslt", "sp", "bkmkstart",
    "bkmkend", "xe", "tc", "themedata", "colorschememapping", "latentstyles", "datastore", "xmlnstbl", "private",
    "template", "nonesttables", "atnid", "atnauthor", "atnicn", "atndate", "atnref", "atrfstart", "atrfend", "atntime",
    "ftnsep", "ftnsepc", "aftnsep", "aftnsepc", "pgdsctbl", "mmathPict", "userprops", "pnseclvl",
    "passwordhash", "protusertbl", "mhtmltag", "htmltag", "docvar",
})  # fmt: skip
_ASIDE = frozenset({
    "header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf", "footnote", "annotation",
    "shptxt",
})  # fmt: skip
_READ_STARRED = _ASIDE | {
    "shpinst",
    "ud",
    "nesttableprops",
    "moMath",
    "moMathPara",
    "shppict",
    "fldinst",
    "formfield",
    "ffl",
}
_FIELDS = frozenset({"fldinst", "formfield", "ffl"})
"""Destinations of a field's code, of what a form field holds, and of an entry of its list."""
_OF_PARAGRAPHS = frozenset({"cbpat", "shading"})
_GROUNDS = _OF_PARAGRAPHS | {"highlight", "cb", "chcbpat", "chshdng"}
"""What gives words a colour behind them, if its number is not 0."""
_DRAWN = re.compile(rb"\\(?:background|shp|do|pict)(?![a-z])")
_NO_HALF_POINTS = 2  # a size that nobody sees
_NO_RESULT = 25  # of a form field that has its default
_PROPERTIES = {"title": "title", "author": "author", "subject": "subject", "doccomm": "description"}
_CAPTURED = frozenset({"fonttbl", "colortbl", "stylesheet", "upr", "pict", *_PROPERTIES})
"""Destinations whose text is not the document's."""


class Token(NamedTuple):
    """A control word (`word` with its number), a group's brace, or bytes of text; `place` is its end in the file."""

    kind: str
    word: str = ""
    number: int | None = None
    data: bytes = b""
    place: int = 0


def read_tokens(data: bytes) -> Iterator[Token]:
    """The tokens of the file; bytes that `\\bin` announces are passed over."""
    place = 0
    while place < len(data):
        found = _TOKEN.match(data, place)
        if not found:  # a backslash at the end
            place += 1
            continue
        place = found.end()
        word, number, byte, sign, brace, text = found.groups()
        if word is not None:
            name, value = word.decode("ascii"), int(number) if number else None
            if name == "bin":
                place += max(0, value or 0)
            else:
                yield Token("word", name, value, place=place)
        elif byte is not None:
            yield Token("text", data=bytes([int(byte, 16)]), place=place)
        elif sign is not None:
            if sign in b"\\{}":
                yield Token("text", data=sign, place=place)
            else:
                yield Token("word", "par" if sign in b"\r\n" else sign.decode("latin-1"), place=place)
        elif brace is not None:
            yield Token(brace.decode("ascii"), place=place)
        elif text is not None:
            yield Token("text", data=text, place=place)


@dataclass(slots=True)
class _State:
    """The properties that a group inherits and that its end restores."""

    destination: str = ""
    hidden: bool = False
    struck: bool = False
    raised: int = 0  # 1 raised, -1 lowered
    colour: int = 0
    half_points: int = 24
    grounds: frozenset[str] = frozenset()  # what gives the words a colour behind them
    font: str = ""  # of symbols
    encoding: str = "cp1252"
    replaced: int = 1  # bytes after a Unicode character that programs without Unicode show
    style: int = -1
    outline: int = -1
    in_table: bool = False
    formula: Any = None  # the part of a formula that the group is


@dataclass(slots=True)
class RowShape:
    """The right edges of a row's cells in twips, how each is merged, and whether the row names the columns.

    A merge is `begins` or `goes on` (downwards), `across` (with the cell at its left), or empty.
    """

    edges: list[int] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)
    names: bool = False


@dataclass(slots=True)
class _Field:
    """A field: its code, the numbers and the entries of its list that a form field states, and whether it has shown
    what it computes, so that its result is not shown.
    """

    code: str = ""
    stated: dict[str, int] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)
    is_shown: bool = False

    def compute(self) -> str:
        """What a field shows that has no result in the text: a check box, the chosen entry, or what its code says."""
        chosen = self.stated.get("ffres", _NO_RESULT)
        chosen = self.stated.get("ffdefres", 0) if chosen == _NO_RESULT else chosen
        match self.stated.get("fftype"):
            case 1:
                return "☒ " if chosen else "☐ "
            case 2:
                return self.entries[chosen].strip() if 0 <= chosen < len(self.entries) else ""
            case _:
                return compute_field(self.code)


class _Body:
    """The paragraphs and tables of the document, of a header, or of a note, as they are collected in a builder."""

    def __init__(self, builder: TextBuilder) -> None:
        self.builder = builder
        self.notes: list[str] = []  # notes, comments and text boxes that are fixed to the present paragraph
        self.shape = RowShape()
        self._line: list[str] = []
        self._inner: list[list[str]] = [[]]  # rows of a table in the present cell
        self._cells: list[str] = []
        self._rows: list[tuple[RowShape, list[str]]] = []

    def add(self, text: str) -> None:
        """Add text to the present paragraph."""
        self._line.append(text)

    def before(self) -> str:
        """The end of the present paragraph's text."""
        return "".join(self._line[-8:])

    def end_paragraph(self, level: int, *, in_table: bool) -> None:
        """End the paragraph; it is a heading of this level where that is 1 or more."""
        if in_table:
            self._line.append("\n")
            return
        text = self._take()
        lines = [line for line in (clean_line(line) for line in text.split("\n")) if line]
        if lines or self.notes:
            self.end_table()
        if level > 0:
            self.builder.add_heading(level, " ".join(lines))
        elif "\t" in text:
            self.builder.add_tabbed(text)
        else:
            self.builder.add_paragraph("\n".join(lines))
        for one in self.notes:
            self.builder.add_paragraph(one)
        self.notes.clear()

    def end_cell(self) -> None:
        """End a cell; notes in it become part of it."""
        lines = [write_inner(self._inner), *self._take().split("\n"), *map(on_one_line, self.notes)]
        self._cells.append("\n".join(filter(None, map(clean_line, lines))))
        self._inner = [[]]
        self.notes.clear()

    def end_inner_cell(self) -> None:
        """End a cell of a table in a cell, which is read as one line."""
        self._inner[-1].append(clean_line(self._take()))

    def end_inner_row(self) -> None:
        """End a row of a table in a cell."""
        self._inner.append([])

    def end_row(self) -> None:
        """End a row of cells."""
        if clean_line("".join(self._line)):
            self.end_cell()
        self._line.clear()
        if self._cells:
            self._rows.append((self.shape, self._cells))
        self.shape, self._cells = replace(self.shape), []

    def end_table(self) -> None:
        """Add the rows so far as a table."""
        if self._cells:
            self.end_row()
        rows, self._rows = self._rows, []
        if rows:
            named = sum(shape.names for shape, _cells in rows)
            self.builder.add_grid(place_cells(rows), named if named < len(rows) else 0)

    def _take(self) -> str:
        text = "".join(self._line)
        self._line.clear()
        return text


def read_rtf(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read what a word processor shows: headings, paragraphs, lists, tables, notes, comments, headers and footers."""
    data = path.read_bytes()
    if len(data) > limits.memory_bytes // 8:
        raise ParseError("too_large", f"{name}: it has {len(data) >> 20} MiB. Split it, or save it as DOCX.")
    builder = TextBuilder(Pictures(limits))
    reader = RtfReader(builder, name)
    reader.read(data)
    stated = reader.stated
    if reader.hidden:
        stated["hidden_characters"] = str(reader.hidden)
    builder.note_struck(reader.struck)
    return builder.to_document(name=name, media_type=media_type, title=stated.pop("title", ""), metadata=stated)


class RtfReader:
    """Adds what a file shows to a builder.

    `hidden` counts the characters that it hides, `struck` those it strikes out; `stated` are its properties.
    """

    def __init__(self, builder: TextBuilder, name: str) -> None:
        self.hidden = self.struck = 0
        self.stated: dict[str, str] = {}
        self._name = name
        self._body = _Body(builder)
        self._outer: list[tuple[_Body, int]] = []  # and the groups that are open around the present one
        self._notes = 0
        self._footers: dict[str, None] = {}
        self._state = _State()
        self._groups: list[_State] = []
        self._starred = False
        self._bytes = b""  # of characters that may take several
        self._to_replace = 0
        self._half = ""  # of a character that takes two
        self._captured: list[str] = []
        self._fonts: dict[int, str] = {}
        self._symbols: dict[int, str] = {}  # names of the fonts of symbols
        self._font = self._usual_font = -1
        self._usual_encoding = "cp1252"
        self._levels: dict[int, int] = {}  # of headings, by the number of their style
        self._white: list[bool] = []  # the colours of the file, by their number
        self._shares: dict[str, int] = {}  # of red, green and blue in the present colour
        self._has_backdrop = False  # shapes or pictures, that words may stand on
        self._merge = ""
        self._field = _Field()
        self._sizes: dict[str, int] = {}  # of the present picture, in twips

    def read(self, data: bytes) -> None:
        """Read a whole file. Raises ParseError for one whose groups are nested without end."""
        self._has_backdrop = _DRAWN.search(data) is not None
        for token in read_tokens(data):
            if token.kind == "text":
                self._take_bytes(token.data)
                continue
            if token.kind == "word" and token.word not in ("u", "'"):
                self._to_replace = 0
            self._decode()
            if token.kind == "{":
                if len(self._groups) >= _MOST_DEPTH:
                    raise ParseError(
                        "corrupt", f"{self._name}: its groups are nested too deeply. Save it again in its program."
                    )
                self._groups.append(self._state)
                self._state = replace(self._state)
                self._starred = False
            elif token.kind == "}":
                if self._groups:
                    self._end_group(self._groups.pop())
            elif token.word == "*":
                self._starred = True
            elif self._starred and token.word not in _READ_STARRED:
                self._starred = False
                self._state.destination = "skip"
            elif self._state.destination != "skip":
                self._starred = False
                self._obey(token.word, token.number)
        self._decode()
        while self._outer:
            self._end_aside("footnote")
        self._body.end_paragraph(0, in_table=False)
        self._body.end_table()
        for text in self._footers:
            self._body.builder.add_paragraph(text)

    def _take_bytes(self, data: bytes) -> None:
        skipped = min(self._to_replace, len(data))
        self._to_replace -= skipped
        if self._state.destination != "skip":
            self._bytes += data[skipped:]

    def _decode(self) -> None:
        if self._bytes:
            data, self._bytes = self._bytes, b""
            self._show(data.decode(self._state.encoding, "replace"))

    def _show(self, text: str) -> None:
        state = self._state
        if state.destination == "skip":
            return
        if state.destination == "colortbl":
            for _end in range(text.count(";")):
                self._white.append(list(self._shares.values()) == [255, 255, 255])
                self._shares.clear()
        elif state.destination in _CAPTURED:
            self._captured.append(text)
        elif state.hidden or self._is_unseen():
            self.hidden += len(text.strip())
        elif state.struck:
            self.struck += len(text.strip())
        elif state.destination == "fldinst":
            self._field.code += text
        elif state.destination == "ffl":
            self._field.entries[-1] += text
        elif state.formula is not None:
            write_part(state.formula, show_symbols(text, state.font))
        elif state.destination not in ("info", "formfield"):
            text = show_symbols(text, state.font)
            raised = raise_text(text, self._body.before(), lowered=state.raised < 0) if state.raised else text
            self._body.add(raised)

    def _is_unseen(self) -> bool:
        """Whether words are white where nothing can be behind them, or of no size."""
        state = self._state
        white = state.colour < len(self._white) and self._white[state.colour]
        on_paper = not (state.in_table or state.grounds or self._has_backdrop or state.destination == "shptxt")
        return (white and on_paper) or state.half_points <= _NO_HALF_POINTS

    def _obey(self, word: str, number: int | None) -> None:
        state = self._state
        if word in _SKIPPED:
            state.destination = "skip"
        elif state.destination in _FIELDS or word in _FIELDS:
            self._obey_in_field(word, number)
        elif word in _SYMBOLS:
            self._show(_SYMBOLS[word])
        elif word in _ASIDE:
            self._begin_aside(word)
        elif word == "pict":
            state.destination = word
            self._captured.clear()
            self._sizes.clear()
        elif word in _PROPERTIES and state.destination == "info":
            state.destination = word
            self._captured.clear()
        elif word in ("fonttbl", "colortbl", "stylesheet", "info", "upr", "nesttableprops"):
            state.destination = word
        elif word == "ud":  # of a text that is given twice, the form in Unicode
            state.destination = self._groups[-2].destination if len(self._groups) > 1 else ""
        elif state.destination in _CAPTURED or state.destination == "info":
            self._obey_in_table_of(word, number)
        elif state.destination == "nesttableprops":  # they must not take the place of those of the table around
            if word == "nestrow":
                self._body.end_inner_row()
        elif not self._obey_in_table(word, number):
            self._obey_in_text(word, number)

    def _obey_in_field(self, word: str, number: int | None) -> None:
        """Obey a word in the code of a field; a field in that code is a part of it."""
        state = self._state
        match word:
            case "fldinst" if state.destination not in _FIELDS:
                self._field = _Field()
                state.destination = word
            case "formfield":
                state.destination = word
            case "ffl":
                self._field.entries.append("")
                state.destination = word
            case "u":
                self._add_unicode(number or 0)
            case "uc":
                state.replaced = max(0, number or 0)
            case "fftype" | "ffres" | "ffdefres":
                self._field.stated[word] = number or 0
            case _:
                return

    def _obey_in_text(self, word: str, number: int | None) -> None:
        state = self._state
        if state.formula is not None and word[:1] == "m" != word:
            state.formula = begin_part(state.formula, word[1:])
            return
        match word:
            case "moMath":
                state.destination, state.formula = word, begin_formula()
            case "field":
                self._field = _Field()
            case "fldrslt" if self._field.is_shown:
                state.destination = "skip"
            case "par" | "sect" | "page" | "column":
                level = state.outline if state.outline >= 0 else self._levels.get(state.style, -1)
                self._body.end_paragraph(level + 1, in_table=state.in_table)
            case "u":
                self._add_unicode(number or 0)
            case "uc":
                state.replaced = max(0, number or 0)
            case "f":
                self._choose_font(number or 0)
            case "plain":
                state.hidden = state.struck = False
                state.raised = state.colour = 0
                state.half_points, state.grounds = 24, state.grounds & _OF_PARAGRAPHS
                self._choose_font(self._usual_font)
            case "cf":
                state.colour = number or 0
            case "fs":
                state.half_points = 24 if number is None else number
            case _ if word in _GROUNDS:
                state.grounds = state.grounds | {word} if number else state.grounds - {word}
            case "v" | "deleted":
                state.hidden = number != 0
            case "strike" | "striked":
                state.struck = number != 0
            case "super" | "sub":
                state.raised = 0 if number == 0 else 1 if word == "super" else -1
            case "up" | "dn":
                state.raised = 0 if number == 0 else 1 if word == "up" else -1
            case "nosupersub":
                state.raised = 0
            case "pard":
                state.style = state.outline = -1
                state.grounds -= _OF_PARAGRAPHS
                state.in_table = False
            case "s":
                state.style = -1 if number is None else number
            case "outlinelevel":
                state.outline = number if number is not None and number < 9 else -1
            case "chftn":
                inside = state.destination == "footnote"
                apart = "" if inside or not self._body.before()[-1:].isalnum() else " "
                self._show(apart + raise_text(str(self._notes + (not inside)), " "))
            case "deff":
                self._usual_font = number or 0
            case "ansicpg" | "mac":
                self._set_encoding("mac_roman" if word == "mac" else f"cp{number}")
            case _:
                return

    def _choose_font(self, number: int) -> None:
        self._state.encoding = self._fonts.get(number, self._usual_encoding)
        self._state.font = self._symbols.get(number, "")

    def _obey_in_table(self, word: str, number: int | None) -> bool:
        """Obey a word about tables of the text; False for another word."""
        body = self._body
        match word:
            case "intbl":
                self._state.in_table = True
            case "itap":
                self._state.in_table = bool(number)
            case "trowd":
                body.shape, self._merge = RowShape(), ""
            case "trhdr":
                body.shape.names = True
            case "clvmgf" | "clvmrg" | "clmrg":
                self._merge = {"clvmgf": "begins", "clvmrg": "goes on", "clmrg": "across"}[word]
            case "cellx":
                if len(body.shape.edges) < _MOST_COLUMNS:
                    body.shape.edges.append(number or 0)
                    body.shape.merges.append(self._merge)
                self._merge = ""
            case "cell":
                body.end_cell()
            case "row":
                body.end_row()
            case "nestcell":
                body.end_inner_cell()
            case "nestrow":
                body.end_inner_row()
            case _:
                return False
        return True

    def _obey_in_table_of(self, word: str, number: int | None) -> None:
        """Obey a word in the tables of fonts and styles, or in a property."""
        state = self._state
        match word:
            case "u":
                self._add_unicode(number or 0)
            case "f":
                self._end_font()  # of a table that is not written in groups
                self._font = number or 0
            case "fcharset" if number == _SYMBOLIC:
                self._symbols[self._font] = ""
            case "fcharset" if number in _CHARSETS and number != 0:
                self._fonts[self._font] = _CHARSETS[number]
            case "s":
                state.style = number or 0
            case "outlinelevel":
                state.outline = number or 0
            case "red" | "green" | "blue":
                self._shares[word] = number or 0
            case _ if word.startswith("pic"):
                self._sizes[word] = number or 0

    def _set_encoding(self, encoding: str) -> None:
        try:
            codecs.lookup(encoding)
        except LookupError:
            return
        self._usual_encoding = self._state.encoding = encoding

    def _add_unicode(self, number: int) -> None:
        code = number % 65_536
        self._to_replace = self._state.replaced
        if 0xD800 <= code < 0xDC00:
            self._half = chr(code)
            return
        text, self._half = self._half + chr(code), ""
        self._show(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))

    def _begin_aside(self, word: str) -> None:
        """Read a header, a note or a text box apart from the text around it."""
        self._notes += word == "footnote"
        self._outer.append((self._body, len(self._groups)))
        self._body = _Body(TextBuilder())
        self._state = _State(word, encoding=self._state.encoding, replaced=self._state.replaced)

    def _end_aside(self, word: str) -> None:
        self._body.end_paragraph(0, in_table=False)
        self._body.end_table()
        text = self._body.builder.text.strip()
        self._body, _depth = self._outer.pop()
        if word.startswith("footer") and text:
            self._footers[text] = None
        elif word.startswith("header"):
            if text not in self._body.builder.text:
                self._body.builder.add_paragraph(text)
        elif text:
            self._body.notes.append({"annotation": f"Comment: {text}"}.get(word, text))

    def _end_group(self, above: _State) -> None:
        ended, self._state = self._state, above
        self._starred = False
        if ended.destination == above.destination:
            if ended.destination == "fonttbl":
                self._end_font()
            if ended.destination == "stylesheet":
                self._end_style(ended)
            return
        if ended.destination == "fldinst" and above.destination not in _FIELDS:
            shown = self._field.compute()
            self._field.is_shown = bool(shown)
            self._show(shown)
        elif ended.destination == "moMath":
            formula = ended.formula
            while formula.getparent() is not None:
                formula = formula.getparent()
            self._show(f" {read_omml(formula).text} ")
        elif ended.destination in _ASIDE and self._outer and self._outer[-1][1] > len(self._groups):
            self._end_aside(ended.destination)
        elif ended.destination == "pict" and not ended.hidden:
            self._add_picture("".join(self._captured))
        elif ended.destination in _PROPERTIES:
            words = clean_line("".join(self._captured))
            if words:
                self.stated[_PROPERTIES[ended.destination]] = words
        if ended.destination == "fonttbl":
            self._end_font()
        if ended.destination in _CAPTURED:
            self._captured.clear()

    def _add_picture(self, digits: str) -> None:
        """Keep the words of a picture, given in hexadecimal digits, for after the paragraph."""
        goals = [self._sizes.get(word, 0) for word in ("picwgoal", "pichgoal")]
        scales = [self._sizes.get(word, 100) / 100 for word in ("picscalex", "picscaley")]
        width, height = (goal * scale / _TWIPS_PER_INCH for goal, scale in zip(goals, scales, strict=True))
        cut = [
            max(0, self._sizes.get(f"piccrop{side}", 0)) / goal if goal else 0.0
            for side, goal in zip("ltrb", goals * 2, strict=True)
        ]
        picture = InnerPicture(
            functools.partial(bytes.fromhex, digits), (width, height), (cut[0], cut[1], cut[2], cut[3])
        )
        shown = TextBuilder(self._body.builder.pictures)
        shown.add_picture(picture)
        if shown.text:
            self._body.notes.append(shown.text)

    def _end_font(self) -> None:
        """An entry of the table of fonts: its name matters where it is one of symbols."""
        name = "".join(self._captured).strip(" ;")
        if name and self._font in self._symbols:
            self._symbols[self._font] = name
        self._captured.clear()

    def _end_style(self, style: _State) -> None:
        """An entry of the table of styles: its level is stated, or follows from the name of a built-in style."""
        named = re.fullmatch(r"heading (\d)", "".join(self._captured).strip(" ;"), re.IGNORECASE)
        self._captured.clear()
        level = style.outline if style.outline >= 0 else int(named[1]) - 1 if named else -1
        if style.style >= 0 and level >= 0:
            self._levels[style.style] = level


def place_cells(rows: list[tuple[RowShape, list[str]]]) -> list[list[GridCell]]:
    """The cells of a table with the rows and columns that each covers, from the edges that its rows state."""
    edges: list[int] = []
    for edge in sorted({edge for shape, _cells in rows for edge in shape.edges}):
        if not edges or edge - edges[-1] > _EDGE_TWIPS:
            edges.append(edge)

    def column_of(edge: int) -> int:
        return min(range(len(edges)), key=lambda at: abs(edges[at] - edge), default=0)

    placed: list[list[tuple[int, int, str, str]]] = []
    for shape, cells in rows:
        line, left = [], -1
        for number, text in enumerate(cells):
            if number < len(shape.edges):
                right = max(left + 1, column_of(shape.edges[number]))
                line.append((left + 1, right - left, shape.merges[number], text))
            else:
                right = left + 1
                line.append((right, 1, "", text))
            left = right
        placed.append(line)
    grid: list[list[GridCell]] = []
    for number, line in enumerate(placed):
        shown: list[GridCell] = []
        for at, width, flag, text in line:
            if flag == "across" and shown:
                shown[-1] = replace(shown[-1], columns=shown[-1].columns + width)
                continue
            if flag == "goes on" and number:
                continue
            depth = 1
            while flag == "begins" and number + depth < len(placed):
                if not any(one[0] == at and one[2] == "goes on" for one in placed[number + depth]):
                    break
                depth += 1
            shown.append(GridCell(text, depth, width))
        grid.append(shown)
    return grid


def html_of(tokens: Iterator[Token], encoding: str) -> str:
    """The HTML that Outlook keeps in RTF (MS-OXRTFEX): its tags in groups of their own, its text between them.

    What stands between `\\htmlrtf` and `\\htmlrtf0` is for programs without HTML. Empty for RTF that holds no HTML.
    """
    parts: list[str] = []
    pending = b""
    is_html = False
    stack: list[tuple[str, bool]] = []
    destination, shown = "", True  # destination: "tag", "skip" or text
    starred = replaced = False  # replaced: the next byte stands for a Unicode character
    for token in tokens:
        if token.kind == "text":
            if destination == "tag" or (shown and not destination):
                pending += token.data[1:] if replaced else token.data
            replaced = False
            continue
        if pending:
            parts.append(pending.decode(encoding, "replace"))
            pending = b""
        if token.kind == "{":
            stack.append((destination, shown))
            starred = False
        elif token.kind == "}":
            destination, shown = stack.pop() if stack else ("", True)
        elif token.word == "*":
            starred = True
        elif token.word == "fromhtml":
            is_html = True
        elif starred or token.word in _SKIPPED or token.word in ("fonttbl", "stylesheet", "info", "pict"):
            destination = "tag" if token.word == "htmltag" else "skip"
            starred = False
        elif token.word == "htmlrtf":
            shown = token.number == 0
        elif destination != "skip" and (shown or destination == "tag"):
            if token.word == "u":
                parts.append(html.escape(chr((token.number or 0) % 65_536)))
                replaced = True
            elif token.word in ("par", "line"):
                parts.append("\n")
            else:
                parts.append(_SYMBOLS.get(token.word, ""))
    page = "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # halves of pairs joined
    return page if is_html else ""


def add_rtf(builder: TextBuilder, rich: bytes) -> int:
    """Add the text of a body; returns the number of hidden characters."""
    reader = RtfReader(builder, "the message")
    reader.read(rich)
    builder.note_struck(reader.struck)
    return reader.hidden


_FIRST_BYTES = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    rb"MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def unpack_rtf(data: bytes) -> bytes:
    """The RTF in a compressed body (MS-OXRTFCP, sections 2.1 and 2.2); what is damaged ends it early.

    A run of flags, one a byte or pair: 0 is a byte of text, 1 a place and length in the last 4,096 bytes.
    """
    if len(data) < 16:
        return b""
    _size, raw_size, kind, _checksum = struct.unpack_from("<IIII", data)
    if kind == 0x414C454D:  # "MELA": not compressed
        return data[16 : 16 + raw_size]
    window = bytearray(4_096)
    window[: len(_FIRST_BYTES)] = _FIRST_BYTES
    write, at, result = len(_FIRST_BYTES), 16, bytearray()
    while at < len(data) and len(result) < _MOST_UNPACKED:
        flags = data[at]
        at += 1
        for bit in range(8):
            if flags >> bit & 1:
                if at + 1 >= len(data):
                    return bytes(result)
                pair = data[at] << 8 | data[at + 1]
                at += 2
                read, length = pair >> 4, (pair & 15) + 2
                if read == write:
                    return bytes(result)
                for _ in range(length):
                    byte = window[read]
                    result.append(byte)
                    window[write] = byte
                    read, write = (read + 1) % 4_096, (write + 1) % 4_096
            elif at < len(data):
                result.append(data[at])
                window[write] = data[at]
                at, write = at + 1, (write + 1) % 4_096
    return bytes(result)
