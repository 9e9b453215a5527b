"""Splits a Document into Chunks along headings, paragraphs and sentences, sized by the embedder's own tokenizer.

    text ─ read_units ─> sentences and table rows ─ pack_units ─> runs of units ─ make_chunk ─> Chunks with exact Spans

A section ends where a heading or a page begins. A chunk lies within one section (a heading without text joins the next
section), so that the page of a hit is the page of its words. A chunk ends with a sentence, and with a paragraph if one
ends nearby. Its indexed text, title and headings included, never exceeds the embedding model's limit.

A table whose column names or rows are too long for that is split by columns as well: a chunk then holds some cells of
one row, and its last heading names the row and these columns.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rag.errors import ConfigurationError
from rag.settings import CHUNKING_FORMAT
from rag.text import BAR, announces_list, base_context, index_text, split_sentences
from rag.types import Chunk, Document, Embedder, Heading, Page, Span, Table

_LEAST_ROOM_TOKENS = 24
_HEADER_SHARE = 0.5  # of what the model reads: column names up to this size are kept whole
_NAMES_SHARE = 0.25  # of what the model reads: the most that the names of a chunk's columns take in a wide table
_LABEL_CHARACTERS = 80
_HEADING_SHARE = 0.1  # of the target: a section up to this size is a bare heading and joins the next section


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence or table row, characters into the text; `section` is its 0-based number, `opens` marks a new block.

    `leads` marks a sentence that only introduces what follows, which stays with it. In a table too wide for one chunk a
    unit is some cells of a row, and `names` are the row's label and their columns.
    """

    start: int
    end: int
    tokens: int
    section: int
    opens: bool
    names: str = ""
    leads: bool = False


def chunk_document(
    document: Document, embedder: Embedder, *, target_tokens: int, max_tokens: int, context_tokens: int
) -> list[Chunk]:
    """The document's Chunks in the order of its text; they leave out only white space.

    `target_tokens` and `max_tokens` limit the chunk's own text in tokens of the embedder, `context_tokens` the headings
    before it. If the model reads fewer tokens than all of that, the limits of the text are lowered.
    Raises ConfigurationError when the model reads too few tokens for any chunk.
    """
    special = embedder.count_tokens([""])[0]
    base = embedder.count_tokens([base_context(document.name, document.title)])[0]  # special tokens included
    room = embedder.max_tokens - base - context_tokens
    if room < _LEAST_ROOM_TOKENS:
        context_tokens = max(0, context_tokens - (_LEAST_ROOM_TOKENS - room))
        room = embedder.max_tokens - base - context_tokens
    if room < _LEAST_ROOM_TOKENS:
        raise ConfigurationError(
            f"The embedding model reads {embedder.max_tokens} tokens and the name and title of {document.name!r} take "
            f"{base} of them. Rename the document, or choose a model that reads more."
        )
    most = min(max_tokens, room)
    target = min(target_tokens, most)
    starts = [start for start, _ in embedder.token_offsets(document.text)]
    names_most = int(embedder.max_tokens * _HEADER_SHARE)
    units = list(cut_long_units(read_units(document, starts, most, names_most), starts, most))
    outline = Outline.of(document)
    chunks = []
    for run in pack_units(units, target, most):
        # The names of a table's columns come before the size of its chunks: a row without them cannot be understood.
        names = run[0].names or outline.columns_at(run[0].start)
        named = embedder.count_tokens([names])[0] - special if names else 0
        limit = max(context_tokens, named) if named <= embedder.max_tokens * _HEADER_SHARE else context_tokens
        left = embedder.max_tokens - base - limit
        runs = [run] if _tokens(run) <= left else _split_evenly(run, min(target, left), left)
        for part in runs:
            start, end = part[0].start, part[-1].end
            headings = fit_headings(outline.path_at(start, run[0].names), embedder, limit, special)
            chunks.append(make_chunk(document, embedder, start, end, headings))
    return [piece for chunk in chunks for piece in ensure_fits(chunk, document, embedder, starts)]


def make_chunk(document: Document, embedder: Embedder, start: int, end: int, headings: tuple[str, ...]) -> Chunk:
    """The Chunk of `text[start:end]`; its id is a hash of the document id, the Span and the chunking format."""
    text = document.text[start:end]
    identity = f"{document.id}\0{start}\0{end}\0{CHUNKING_FORMAT}"
    (tokens,) = embedder.count_tokens([index_text(document.name, document.title, headings, text)])
    return Chunk(
        id=hashlib.sha256(identity.encode()).hexdigest()[:32],
        span=Span(document.id, start, end),
        text=text,
        headings=headings,
        n_tokens=tokens,
    )


def ensure_fits(chunk: Chunk, document: Document, embedder: Embedder, starts: Sequence[int]) -> Iterator[Chunk]:
    """The chunk, or its halves when its indexed text still exceeds the model's limit.

    Token counts of parts add up for word-piece tokenizers; others may need one token more where texts are joined.
    """
    if chunk.n_tokens <= embedder.max_tokens:
        yield chunk
        return
    if chunk.headings:
        yield from ensure_fits(
            make_chunk(document, embedder, chunk.span.start, chunk.span.end, ()), document, embedder, starts
        )
        return
    low, high = bisect_left(starts, chunk.span.start), bisect_left(starts, chunk.span.end)
    middle = starts[(low + high) // 2] if high > low else chunk.span.start
    if not chunk.span.start < middle < chunk.span.end:  # byte-level tokenizers make several tokens of one character
        middle = (chunk.span.start + chunk.span.end) // 2
    if middle == chunk.span.start:
        raise ConfigurationError(
            f"The embedding model reads {embedder.max_tokens} tokens, and {chunk.text!r} of {document.name!r} with the "
            f"document's name takes {chunk.n_tokens}. Rename the document, or choose a model that reads more."
        )
    for start, end in ((chunk.span.start, middle), (middle, chunk.span.end)):
        start, end = trim(document.text, start, end)
        if start < end:
            yield from ensure_fits(make_chunk(document, embedder, start, end, ()), document, embedder, starts)


def read_units(document: Document, starts: Sequence[int], most: int, names_most: int) -> Iterator[Unit]:
    """The sentences and table rows of a document in order, each with its size in tokens.

    `starts` are the places of the text's tokens. Headings, pages (for the sentences that begin on them) and tables
    start a new block. A table with a row of more than `most` tokens, or with column names of more than `names_most`, is
    read in groups of cells.
    """
    text = document.text
    page_ends = [page.end for page in document.pages]
    section, place = -1, (-1, -1)
    last: Unit | None = None
    cuts = sorted({0, len(text), *(heading.start for heading in document.headings)})
    for part, (start, end) in enumerate(pairwise(cuts)):
        for block_start, block_end, is_table in _blocks(text, start, end, document.tables):
            spans = _rows(text, block_start, block_end) if is_table else _sentences(text, block_start, block_end)
            rows = list(spans) if is_table else []
            if cells := _wide_rows(text, rows, starts, most, names_most):
                if last is not None:
                    yield last
                    last = None
                for span_start, span_end, names in cells:
                    section += 1
                    tokens = bisect_left(starts, span_end) - bisect_left(starts, span_start)
                    yield Unit(span_start, span_end, tokens, section, True, names)
                place = (-1, -1)
                continue
            previous_end = None
            for span_start, span_end in rows or spans:
                opens = previous_end is None or "\n\n" in text[previous_end:span_start]
                tokens = bisect_left(starts, span_end) - bisect_left(starts, span_start)
                if place != (here := (part, bisect_right(page_ends, span_start))):
                    section += 1
                    if last is not None and last.leads and place[0] == part:
                        last = replace(last, section=section)  # on the page before
                    place = here
                if last is not None:
                    yield last
                leads = not is_table and announces_list(text[span_start:span_end])
                last = Unit(span_start, span_end, tokens, section, opens, leads=leads)
                previous_end = span_end
    if last is not None:
        yield last


def _blocks(text: str, start: int, end: int, tables: Sequence[Table]) -> Iterator[tuple[int, int, bool]]:
    """Divide `text[start:end]` into tables (True) and the text between them (False), in order."""
    position = start
    for number in range(bisect_right(tables, start, key=lambda table: table.end), len(tables)):
        table = tables[number]
        if table.start >= end:
            break
        table_start, table_end = max(table.start, position), min(table.end, end)
        if table_start >= table_end:
            continue
        if position < table_start:
            yield position, table_start, False
        yield table_start, table_end, True
        position = table_end
    if position < end:
        yield position, end, False


def _rows(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    position = start
    while position < end:
        line_end = text.find("\n", position, end)
        line_end = end if line_end < 0 else line_end
        row = trim(text, position, line_end)
        if row[0] < row[1]:
            yield row
        position = line_end + 1


def _wide_rows(
    text: str, rows: list[tuple[int, int]], starts: Sequence[int], most: int, names_most: int
) -> list[tuple[int, int, str]]:
    """The rows of a wide table in groups of cells, each with the row's label and the names of its columns.

    Empty for a table that is not wide, or whose rows have not all as many cells as its first row, which names them.
    """

    def size(start: int, end: int) -> int:
        return bisect_left(starts, end) - bisect_left(starts, start)

    if len(rows) < 2 or (size(*rows[0]) <= names_most and all(size(*row) <= most for row in rows)):
        return []
    cut = [_cells(text, *row, piped=text.startswith("|", rows[0][0])) for row in rows]
    if len(cut[0]) < 3 or any(len(cells) > len(cut[0]) for cells in cut[1:]):
        return []
    edges, held, widest = [1], 0, [0] * len(cut[0])
    for cells in cut:
        for at, cell in enumerate(cells):
            widest[at] = max(widest[at], size(*cell))
    for at in range(1, len(cut[0])):
        name = size(*cut[0][at]) + 1
        room = min(names_most * _NAMES_SHARE / _HEADER_SHARE, most)
        if at > edges[-1] and (held + name > room or sum(widest[edges[-1] : at + 1]) > most):
            edges.append(at)
            held = 0
        held += name
    names = [" ".join(text[start:end].split()) for start, end in cut[0]]
    groups: list[tuple[int, int, str]] = []
    for number, cells in enumerate(cut):
        label = " ".join(text[slice(*cells[0])].split())[:_LABEL_CHARACTERS] if number else ""
        held_in = []
        for first, last in pairwise([*edges, len(names)]):
            shown = [cell for cell in cells[first if first > 1 else 0 : last] if cell[0] < cell[1]]
            if shown:
                named = " | ".join([f"{names[0]} {label}".strip(), *names[first:last]])
                held_in.append((shown[0][0], named if number else ""))
        # The bars between two groups belong to the first one, so that chunks leave out nothing but white space.
        begins = [rows[number][0], *(start for start, _named in held_in[1:]), rows[number][1]]
        for (start, end), named in zip(pairwise(begins), [named for _start, named in held_in] or [""], strict=True):
            groups.append((*trim(text, start, end), named))
    return groups


def _cells(text: str, start: int, end: int, *, piped: bool) -> list[tuple[int, int]]:
    """The places of a row's cells between its bars; `piped` rows also begin and end with a bar, as in Markdown."""
    bars = [found.start() for found in BAR.finditer(text, start, end)]
    if piped:
        start += text.startswith("|", start)
        end -= text.endswith("|", start, end) and end - 1 in bars
        bars = [bar for bar in bars if start <= bar < end]
    return [
        trim(text, left, right) for left, right in zip([start, *(bar + 1 for bar in bars)], [*bars, end], strict=True)
    ]


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for sentence_start, sentence_end in split_sentences(text[start:end]):
        yield start + sentence_start, start + sentence_end


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Narrow `text[start:end]` to exclude white space at both ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def cut_long_units(units: Iterator[Unit], starts: Sequence[int], max_tokens: int) -> Iterator[Unit]:
    """The units, with those over `max_tokens` cut at token boundaries into pieces of about equal size."""
    for unit in units:
        if unit.tokens <= max_tokens:
            yield unit
            continue
        low, high = bisect_left(starts, unit.start), bisect_left(starts, unit.end)
        pieces = -(-unit.tokens // max_tokens)
        edges = [low + (high - low) * piece // pieces for piece in range(pieces + 1)]
        for number, (first, last) in enumerate(pairwise(edges)):
            start = unit.start if first == low else starts[first]
            end = unit.end if last == high else starts[last]
            if start < end:
                yield Unit(start, end, last - first, unit.section, unit.opens and number == 0, unit.names)


def pack_units(units: Sequence[Unit], target_tokens: int, max_tokens: int) -> Iterator[list[Unit]]:
    """Runs of units that become chunks: one for each section, several of about equal size for a long one."""
    group: list[Unit] = []
    for section in _by_section(units):
        apart = bool(group and (group[0].names or section[0].names))  # cells of a wide table
        if apart or _tokens(group) > _HEADING_SHARE * target_tokens:
            yield from _split_evenly(group, target_tokens, max_tokens)
            group = []
        group = group + section
    if group:
        yield from _split_evenly(group, target_tokens, max_tokens)


def _by_section(units: Sequence[Unit]) -> Iterator[list[Unit]]:
    section: list[Unit] = []
    for unit in units:
        if section and unit.section != section[-1].section:
            yield section
            section = []
        section.append(unit)
    if section:
        yield section


def _tokens(units: Sequence[Unit]) -> int:
    return sum(unit.tokens for unit in units)


def _split_evenly(units: list[Unit], target_tokens: int, max_tokens: int) -> Iterator[list[Unit]]:
    """Runs of about equal size, none over `max_tokens`, ending with a block if one ends near that size.

    A sentence that only introduces what follows begins the next run.
    """
    left = _tokens(units)
    parts = 1 if left <= max_tokens else -(-left // target_tokens)
    run: list[Unit] = []
    for unit in units:
        goal = left / parts
        size = _tokens(run)
        full = size + unit.tokens > max_tokens
        reached = parts > 1 and (size + unit.tokens / 2 >= goal or (unit.opens and size >= 0.75 * goal))
        if run and (full or reached):
            leads = len(run) > 1 and run[-1].leads and run[-1].tokens + unit.tokens <= max_tokens
            ahead = [run.pop()] if leads else []
            yield run
            left -= _tokens(run)
            parts = max(1 if left <= max_tokens else 2, parts - 1)
            run = ahead
        run = [*run, unit]
    if run:
        yield run


@dataclass(frozen=True, slots=True)
class Outline:
    """The headings and tables of a document, prepared to look up many places in its text."""

    headings: Sequence[Heading]
    paths: Sequence[tuple[Heading, ...]]
    tables: Sequence[Table]

    @classmethod
    def of(cls, document: Document) -> Outline:
        """Compute the path of every heading: the headings above it, highest first, and itself last."""
        paths: list[tuple[Heading, ...]] = []
        path: tuple[Heading, ...] = ()
        for heading in document.headings:
            path = (*(above for above in path if above.level < heading.level), heading)
            paths.append(path)
        return cls(document.headings, paths, document.tables)

    def path_at(self, position: int, columns: str = "") -> tuple[str, ...]:
        """The headings above a character, highest first, then the column names if the character lies in a table.

        `columns` replaces the names of the table's columns.
        """
        number = bisect_right(self.headings, position, key=lambda heading: heading.start)
        path = self.paths[number - 1] if number else ()
        names = [heading.text for heading in path if heading.end <= position or heading.start == position]
        names.append(columns or self.columns_at(position))
        return tuple(" ".join(name.split()) for name in names if name.strip())

    def columns_at(self, position: int) -> str:
        """The column names of the table that a character lies in, if it does not begin there; else an empty string."""
        number = bisect_left(self.tables, position, key=lambda table: table.start)
        inside = number and position < self.tables[number - 1].end
        return " ".join(self.tables[number - 1].header.split()) if inside else ""


def fit_headings(headings: tuple[str, ...], embedder: Embedder, limit: int, special: int) -> tuple[str, ...]:
    """The lowest headings that fit into `limit` tokens; `special` tokens, which every text has, are not counted."""
    kept: list[str] = []
    left = limit
    for heading in reversed(headings):
        tokens = embedder.count_tokens([heading])[0] - special
        if tokens > left:
            break
        kept.insert(0, heading)
        left -= tokens
    return tuple(kept)


def page_of(pages: Sequence[Page], start: int, end: int) -> int | None:
    """The 1-based page that holds most of `text[start:end]`, or None where the document has no pages."""
    best, most = None, 0
    for number in range(bisect_left(pages, start + 1, key=lambda page: page.end), len(pages)):
        page = pages[number]
        if page.start >= end:
            break
        share = min(end, page.end) - max(start, page.start)
        if share > most:
            best, most = page.number, share
    return best
