"""Reader of CSV and TSV: tables whose first row is the header, the lines above them as paragraphs."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parse.build import TextBuilder, clean_line, write_row
from ingest.parse.grid import LOOKED_AT, count_titles, goes_on, holds_number, names_columns, names_years
from ingest.parse.plain import decode_text
from ingest.parse.sniff import find_delimiter
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits


_STATED = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # the first line of files for Excel
_WHOLE, _DECIMALS = re.compile(r"[+-]?\d+"), re.compile(r"\d{1,3}")
_FIGURE = re.compile(r"[+-]?(?:\d[\d.,]*|\.\d+)(?:e[+-]?\d+)?%?", re.IGNORECASE)
_TEXT_FORMULA = re.compile(r'\A\s*="([^"]*)"\s*\Z')  # how files for Excel keep zeros: `="01307"`
_ESCAPED = re.compile(r"""(?<=[^\\])\\"(?=[^\s,;|]|[ ][\w(])""")  # quotes as databases write them, `\"` for `""`


def read_csv(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the rows as tables, cells separated by ` | `; a header below a blank line begins another one."""
    if path.stat().st_size > limits.max_text_bytes * 2:
        raise ParseError(
            "too_large",
            f"{name}: it is larger than {limits.max_text_bytes >> 20} MiB of text. "
            "Split the file, or raise FOOTNOTE_PARSING__MAX_OUTPUT_MB.",
        )
    text, encoding = decode_text(path.read_bytes())
    text = text.removeprefix("\ufeff").replace("\0", "")
    stated = _STATED.match(text)
    text = text[stated.end() :] if stated else text
    delimiter = (
        stated[1]
        if stated
        else "\t"
        if media_type == "text/tab-separated-values"
        else find_delimiter(text[:65_536], stated=True)
    )
    csv.field_size_limit(limits.max_text_bytes)
    builder = TextBuilder()
    spaced = re.search(rf'{re.escape(delimiter)} +"[^"\n]*" *(?:{re.escape(delimiter)}|\r?\n|\Z)', text[:65_536])
    written = io.StringIO(_close_quotes(_ESCAPED.sub('""', text), delimiter), newline="")
    try:
        for rows in _split_tables(csv.reader(written, delimiter=delimiter, skipinitialspace=bool(spaced))):
            above = count_titles(rows)
            for row in rows[:above]:
                builder.add_paragraph(write_row([cell for cell in row if cell]))
            builder.add_table(_with_corner(rows[above:]))
    except csv.Error as error:
        raise ParseError("corrupt", f"{name}: its rows cannot be separated ({error}). Save it again as CSV.") from error
    return builder.to_document(name=name, media_type=media_type, metadata={"encoding": encoding})


def _close_quotes(text: str, delimiter: str) -> str:
    """The text with a quotation mark that opens a cell and is closed nowhere as a part of that cell.

    It would take all rows below into its cell. Such a mark leaves an odd number of them.
    """
    if text.count('"') % 2 == 0:
        return text
    parts = re.escape(delimiter)
    closed = rf'"(?:[^"]|"")*"(?= *(?:{parts}|\r?$))'
    open_ = rf'"(?P<words>[^"\r\n{parts}]*)(?=[^"\r\n]*\r?$)'
    return re.sub(
        rf"(?P<before>(?:^|{parts}) *)(?:{closed}|{open_})",
        lambda cell: cell[0] if cell["words"] is None else f'{cell["before"]}"""{cell["words"]}"',
        text,
        flags=re.MULTILINE,
    )


def _with_corner(rows: list[list[str]]) -> list[list[str]]:
    """The rows, with a blank name for the column of labels where the names leave it out.

    Each label stands once, and numbers in all other columns. No two columns may be the parts of one number, whose
    decimals a comma sets apart.
    """
    names, below = (rows[0], rows[1:]) if len(rows) > 2 else ([], [])
    named = all(name and not name[0].isdigit() for name in names)
    if not named or any(len(row) != len(names) + 1 for row in below) or not below:
        return rows
    labels, *columns = zip(*below, strict=True)
    labelled = all(labels) and len(set(labels)) == len(labels) and not any(map(holds_number, labels))
    figures = all(2 * sum(map(bool, column)) > len(column) for column in columns)
    figures = figures and all(not cell or _FIGURE.fullmatch(cell) for column in columns for cell in column)
    parted = any(
        all(_WHOLE.fullmatch(one) and _DECIMALS.fullmatch(other) for one, other in zip(*pair, strict=True))
        for pair in itertools.pairwise(columns)
    )
    return [["", *names], *below] if labelled and figures and not parted else rows


def _split_tables(rows: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    """The tables of a file: one that begins below a blank line names its columns, or has others than the one above."""
    table: list[list[str]] = []
    block: list[list[str]] = []
    for row in [*rows, []]:
        cells = [clean_line(_TEXT_FORMULA.sub(r"\1", cell)) for cell in row]
        if any(cells):
            block.append(cells)
            continue
        if table and len(block) > 1 and _is_another(block, table):
            yield table
            table = []
        table += block
        block = []
    if table:
        yield table


def _is_another(block: list[list[str]], table: list[list[str]]) -> bool:
    above = count_titles(block)
    rows, below = ([{at: cell for at, cell in enumerate(row) if cell} for row in part] for part in (table, block))
    if len(block[0]) == len(table[-1]) and goes_on([*rows[:LOOKED_AT], *rows[-1:]], below):
        return False
    return above > 0 or names_years(below) or names_columns(block) or len(block[0]) != len(table[-1])
