"""Readers of reStructuredText, by docutils, and of Org, whose characters are kept. The only home of docutils.

docutils 0.23 (May 2026) resolves substitutions, footnotes and tables as its own writers do. It may not include files or
raw output. What other programs add to the language (Sphinx's directives and roles) is read by its words.
"""

from __future__ import annotations

import io
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text, clean_verbatim
from ingest.parse.grid import GridCell
from ingest.parse.html import add_html
from ingest.parse.marks import raise_text
from ingest.parse.plain import check_text_size, decode_text, read_text
from rag.types import Document, Heading, Table

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_ROLE = re.compile(r":[\w:.+-]+:`([^`<]*?)\s*(?:<([^`>]*)>)?`")
_DIRECTIVE = re.compile(r"\.\.[ \t]+([\w:.+-]+)::[ \t]*(.*)")
_OPTION = re.compile(r"\s*:[\w-]+:(?:\s|$)")
_ONLY_THERE = re.compile(
    r"Malformed table\.|overline & underline mismatch|[Ii]nconsistent|Missing matching underline|"
    r"Incomplete section title|Unexpected section title"
)
"""Errors about a source that stands nowhere else in the tree."""
_NO_WORDS = frozenset(
    {
        "toctree",
        "image",
        "index",
        "highlight",
        "include",
        "literalinclude",
        "csv-table",
        "automodule",
        "autoclass",
        "autofunction",
    }
)
_VERBATIM = frozenset({"code-block", "sourcecode", "prompt", "doctest", "testcode", "graphviz", "mermaid", "math"})
_MOST_NESTED = 8


def read_rst(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read what docutils makes of the file; as plain text where it fails."""
    check_text_size(path, name, limits)
    text, encoding = decode_text(path.read_bytes())
    builder = TextBuilder()
    reader = _RstReader(builder)
    try:
        reader.read(clean_text(text), 0)
    except RecursionError:
        raise
    # docutils raises errors of many kinds for sources that it cannot bring into order, and the text can still be read.
    except Exception:  # noqa: BLE001
        return read_text(path, name, "text/plain", limits)
    metadata = {"encoding": encoding, **reader.stated}
    return builder.to_document(name=name, media_type=media_type, title=reader.title, metadata=metadata)


class _RstReader:
    """Adds the nodes of a parsed source to a builder."""

    def __init__(self, builder: TextBuilder) -> None:
        self.title = ""
        self.stated: dict[str, str] = {}
        self._builder = builder
        self._nested = 0

    def read(self, source: str, level: int) -> None:
        """Add a source, its sections below a heading of this level."""
        from docutils.core import publish_doctree

        settings = {
            "file_insertion_enabled": False,
            "raw_enabled": False,
            "report_level": 3,  # errors stay in the tree, with the source of what was not understood
            "halt_level": 6,
            "warning_stream": io.StringIO(),
            "syntax_highlight": "none",
            "doctitle_xform": False,
            "docinfo_xform": False,
            "line_length_limit": 1_000_000,
            "_disable_config": True,
        }
        tree = publish_doctree(source, settings_overrides=settings)
        self._add_children(tree, level, "")

    def _add_children(self, node: Any, level: int, mark: str) -> None:
        for number, child in enumerate(node.children):
            self._add(child, level, mark if not number else "")

    def _add(self, node: Any, level: int, mark: str) -> None:
        """Add a block; `mark` is what is printed before its first words: a bullet, a number, the name of a note."""
        builder, kind = self._builder, type(node).__name__
        if kind == "topic" and "contents" in node.get("classes", ()):  # made from the headings
            return
        if kind in ("section", "topic", "sidebar"):
            self._add_children(node, level + 1, "")
        elif kind in ("title", "rubric", "subtitle"):
            words = self._words(node)
            if level <= 1 and not self.title:
                self.title = words
            builder.add_heading(max(1, level), words)
        elif kind in ("paragraph", "term", "caption", "attribution", "line", "legend", "Text", "compound"):
            words = self._words(node)
            listed = kind == "line" or (mark and mark.rstrip(": ") not in _ADMONITIONS.values())
            builder.add_paragraph(f"{mark}{words}" if words else "", "\n" if listed else "\n\n")
        elif kind in ("bullet_list", "enumerated_list"):
            first = int(node.get("start", 1))
            for number, item in enumerate(node.children, first):
                shown = f"{_number(number, node.get('enumtype', ''))}{node.get('suffix', '.')}"
                bullet = "-" if kind == "bullet_list" else f"{node.get('prefix', '')}{shown}"
                self._add_children(item, level, f"{mark}{bullet} ")
        elif kind in ("field", "option_list_item"):
            name = self._words(node.children[0])
            value = clean_line(" ".join(self._words(one) for one in node.children[1:]))
            if kind == "field" and name.lower() in ("author", "date", "version") and level <= 1:
                self.stated[name.lower()] = value
            builder.add_paragraph(f"{name}: {value}" if kind == "field" else f"{name}  {value}", "\n")
        elif kind == "table":
            self._add_table(node)
        elif kind in ("literal_block", "doctest_block", "math_block", "address"):
            builder.add_paragraph(clean_verbatim(node.astext()).strip("\n"))
        elif kind in ("footnote", "citation"):
            label = self._words(node.children[0]) if node.children else ""
            for number, child in enumerate(node.children[1:]):
                self._add(child, level, f"[{label}] " if not number else "")
        elif kind == "image":
            builder.add_paragraph(clean_line(str(node.get("alt", ""))))
        elif kind == "system_message":
            self._add_unknown(node, level)
        elif kind in ("comment", "substitution_definition", "target", "pending", "raw", "label", "decoration", "meta"):
            return
        elif kind in _ADMONITIONS:
            self._add_children(node, level, f"{_ADMONITIONS[kind]}: ")
        else:
            self._add_children(node, level, mark)

    def _add_unknown(self, node: Any, level: int) -> None:
        """Add the words of a directive that docutils does not know, and of tables and titles that it cannot make out.

        Other errors repeat words that stand elsewhere.
        """
        source = next((one.astext() for one in node.children if type(one).__name__ == "literal_block"), "")
        found = _DIRECTIVE.match(source)
        if not found and _ONLY_THERE.search(node.astext()):
            self._builder.add_paragraph(clean_verbatim(source).strip("\n"))
        if found and found[1] in ("include", "literalinclude", "csv-table"):
            self._builder.add_note("part_not_read", "It includes other files, which were not read.")
        if not found or found[1] in _NO_WORDS or self._nested >= _MOST_NESTED:
            return
        lines = source.split("\n")[1:]
        while lines and (_OPTION.match(lines[0])):
            lines.pop(0)
        content = textwrap.dedent("\n".join(lines)).strip("\n")
        if found[1] == "raw":
            if "html" in found[2].split():
                add_html(self._builder, content)
            return
        if found[1] in _VERBATIM:
            self._builder.add_paragraph(clean_verbatim(content))
            return
        self._nested += 1
        self.read(f"{found[2]}\n\n{content}", level)
        self._nested -= 1

    def _add_table(self, node: Any) -> None:
        for part in node.children:
            if type(part).__name__ in ("title", "caption"):
                self._builder.add_paragraph(self._words(part))
            if type(part).__name__ != "tgroup":
                continue
            rows, named = [], 0
            for body in part.children:
                if type(body).__name__ not in ("thead", "tbody"):
                    continue
                for row in body.children:
                    rows.append(
                        [
                            GridCell(
                                clean_line(" ".join(self._words(block) for block in entry.children)),
                                int(entry.get("morerows", 0)) + 1,
                                int(entry.get("morecols", 0)) + 1,
                            )
                            for entry in row.children
                        ]
                    )
                    named += type(body).__name__ == "thead"
            self._builder.add_grid(rows, named)

    def _words(self, node: Any) -> str:
        """The words of a node on one line, raised and lowered ones apart."""
        parts: list[str] = []
        pending = [node]
        while pending:
            one = pending.pop()
            kind = type(one).__name__
            if kind == "Text":
                parts.append(one.astext())
            elif kind in ("superscript", "subscript"):
                parts.append(raise_text(one.astext(), "".join(parts[-4:]), lowered=kind == "subscript"))
            elif kind in ("footnote_reference", "citation_reference"):
                parts.append(f"[{one.astext()}]")
            elif kind == "problematic":
                parts.append(_ROLE.sub(lambda found: found[1] or found[2] or "", one.astext()))
            elif kind == "image":
                parts.append(str(one.get("alt", "")))
            elif kind not in ("target", "comment", "system_message", "raw"):
                pending.extend(reversed(one.children))
        return clean_line("".join(parts))


_ADMONITIONS = {
    "note": "Note", "warning": "Warning", "hint": "Hint", "tip": "Tip", "important": "Important", "caution": "Caution",
    "danger": "Danger", "attention": "Attention", "error": "Error",
}  # fmt: skip


def _number(number: int, kind: str) -> str:
    from ingest.parse.numbering import roman

    match kind:
        case "loweralpha" | "upperalpha":
            letter = chr(ord("a") + (number - 1) % 26)
            return letter if kind == "loweralpha" else letter.upper()
        case "lowerroman":
            return roman(number).lower()
        case "upperroman":
            return roman(number).upper()
        case _:
            return str(number)


_STARS = re.compile(r"(\*+)[ \t]+(.*?)[ \t]*(?::[\w@:]+:)?[ \t]*$")
_KEYWORD = re.compile(r"#\+(title|author|date):[ \t]*(.*)", re.IGNORECASE)
_BEGIN = re.compile(r"[ \t]*#\+begin_(\w+)", re.IGNORECASE)
_END = re.compile(r"[ \t]*#\+end_(\w+)", re.IGNORECASE)
_ORG_COMMENT = re.compile(r"[ \t]*#(?:[ \t].*)?$")
_ORG_CODE = frozenset({"src", "example", "export"})  # in these `#` begins a comment of the code, which is seen
_ORG_RULE = re.compile(r"[ \t]*\|-[-+|]*[ \t]*$")


def read_org(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the file's own characters; headings and tables are marked; its keywords give title, author and date."""
    check_text_size(path, name, limits)
    text, encoding = decode_text(path.read_bytes())
    text = clean_verbatim(text)
    shown = _blank_comments(text)
    builder = TextBuilder()
    builder.append(shown)
    stated = {"encoding": encoding}
    if hidden := sum(one != other for one, other in zip(text, shown, strict=True)):
        stated["hidden_characters"] = str(hidden)
    block = ""
    rows: list[tuple[int, str]] = []
    at = 0
    for line in [*shown.split("\n"), ""]:
        is_row = line.lstrip(" \t").startswith("|") and not block
        if rows and not is_row:
            _mark_rows(builder, rows)
            rows = []
        if block:
            block = "" if line.strip().lower() == f"#+end_{block}" else block
        elif is_row:
            rows.append((at, line))
        elif begun := _BEGIN.match(line):
            block = begun[1].lower()
        elif keyword := _KEYWORD.match(line):
            stated.setdefault(keyword[1].lower(), keyword[2])
        elif (heading := _STARS.match(line)) and heading[2]:
            words = clean_line(heading[2])
            builder.mark_heading(Heading(len(heading[1]), words, at + heading.start(2), at + heading.end(2)))
        at += len(line) + 1
    return builder.to_document(name=name, media_type=media_type, title=stated.pop("title", ""), metadata=stated)


def _blank_comments(text: str) -> str:
    """The text with spaces in place of comments, which are lines (`# …`) outside of code, and blocks that end."""
    lines = text.split("\n")
    last = {found[1].lower(): number for number, line in enumerate(lines) if (found := _END.match(line))}
    block = ""
    for number, line in enumerate(lines):
        begun = "" if block else next((found[1].lower() for found in [_BEGIN.match(line)] if found), "")
        if begun in _ORG_CODE | {"comment"} and last.get(begun, -1) > number:
            block = begun
        if block == "comment" or (not block and _ORG_COMMENT.match(line)):
            lines[number] = " " * len(line)
        if block and (ended := _END.match(line)) and ended[1].lower() == block:
            block = ""
    return "\n".join(lines)


def _mark_rows(builder: TextBuilder, rows: list[tuple[int, str]]) -> None:
    """Mark a table; its first row names the columns if a rule follows it."""
    written = [line for _at, line in rows]
    names = ""
    if len(rows) > 2 and _ORG_RULE.match(written[1]):
        names = clean_line(" | ".join(cell.strip() for cell in written[0].strip().strip("|").split("|")))
    start = rows[0][0] + len(written[0]) - len(written[0].lstrip())
    builder.mark_table(Table(start, rows[-1][0] + len(written[-1].rstrip()), names))
