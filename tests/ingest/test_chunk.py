"""Chunking: the properties that every document must have, with a word tokenizer, a byte tokenizer and the real one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from conftest import WordHashEmbedder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.chunk import chunk_document, page_of
from rag.errors import ConfigurationError, DependencyError
from rag.models.embedding import SentenceTransformerEmbedder, locate_embedder
from rag.settings import Chunking, load_settings
from rag.text import index_text
from rag.types import Chunk, Document, Embedder, Heading, Page, Table


class ByteEmbedder(WordHashEmbedder):
    """Makes a token of every byte that is not white space, as byte-level tokenizers do: several of one character."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(re.sub(r"\s", "", text).encode()) + 2 for text in texts]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [(n, n + 1) for n, sign in enumerate(text) if not sign.isspace() for _ in sign.encode()]


@dataclass
class CallCounter(WordHashEmbedder):
    """Counts calls and characters that the tokenizer was asked for."""

    calls: int = 0
    characters: int = 0
    pieces: list[int] = field(default_factory=list)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        self.calls += 1
        self.characters += sum(map(len, texts))
        return super().count_tokens(texts)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        self.calls += 1
        self.characters += len(text)
        return super().token_offsets(text)


def chunks_of(
    document: Document, embedder: Embedder, target: int = 160, most: int = 200, context: int = 40
) -> list[Chunk]:
    return chunk_document(document, embedder, target_tokens=target, max_tokens=most, context_tokens=context)


def check(document: Document, chunks: Sequence[Chunk], embedder: Embedder) -> None:
    """What must hold for every document."""
    text = document.text
    for chunk in chunks:
        assert chunk.span.document_id == document.id
        assert text[chunk.span.start : chunk.span.end] == chunk.text
        assert chunk.text.strip()
        (counted,) = embedder.count_tokens([index_text(document.name, document.title, chunk.headings, chunk.text)])
        assert chunk.n_tokens == counted <= embedder.max_tokens
    assert all(before.span.end <= after.span.start for before, after in pairwise(chunks))
    edges = [0, *(edge for chunk in chunks for edge in (chunk.span.start, chunk.span.end)), len(text)]
    between = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    assert "".join(between).strip() == ""
    assert len({chunk.id for chunk in chunks}) == len(chunks)


WORDS = st.text(
    st.sampled_from("abcdefgABC0123456789.,;!?'-|東京の会議각나é😀👩‍💻٣ंﷺ\u0301\u3000"), min_size=1, max_size=40
)
SENTENCES = st.lists(WORDS, min_size=1, max_size=30).map(lambda words: " ".join(words) + ".")
GIANT = st.builds(lambda sign, count: sign * count, st.sampled_from("xé東각😀#1"), st.integers(200, 1500))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Texts of headings, paragraphs, giant words and tables, with pages that cover them, and names of any length."""
    text, headings, tables = draw(st.sampled_from(["", "\n\n"])), [], []
    for _ in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["heading", "paragraph", "paragraph", "table", "giant"]))
        start = len(text)
        if kind == "heading":
            text += draw(WORDS | GIANT).strip() or "H"
            headings.append(Heading(draw(st.integers(1, 4)), text[start:], start, len(text)))
        elif kind == "table":
            rows = draw(st.lists(st.lists(WORDS, min_size=1, max_size=4).map(" | ".join), min_size=1, max_size=40))
            text += "\n".join(rows)
            tables.append(Table(start, len(text), draw(st.sampled_from(["", rows[0]]))))
        else:
            text += draw(GIANT if kind == "giant" else SENTENCES)
        text += draw(st.sampled_from(["\n\n", "\n", " ", "\n \n\n"]))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4))) if draw(st.booleans()) else None
    edges = [] if cuts is None else [0, *cuts, len(text)]
    return Document(
        id="ab" * 32,
        name=draw(
            st.sampled_from(
                ["a.md", "각" * 300 + ".pdf", "漢字 " * 99, "x_y-" * 90 + ".txt", "😀" * 300, ".", "각 나 " * 80]
            )
        ),
        media_type="text/plain",
        text=text,
        pages=tuple(Page(number, start, end) for number, (start, end) in enumerate(pairwise(edges), 1)),
        title=draw(st.sampled_from(["", "A title", "각나 " * 200, "漢" * 500, "word " * 300, "1.2.3-" * 100])),
        headings=tuple(headings),
        tables=tuple(tables),
    )


@pytest.mark.parametrize("embedder", [WordHashEmbedder(), ByteEmbedder()], ids=["words", "bytes"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(document=documents())
def test_chunks_cover_the_text_and_fit_the_model(embedder: WordHashEmbedder, document: Document) -> None:
    try:
        chunks = chunks_of(document, embedder)
    except ConfigurationError:  # 140 characters of three bytes are more than 256 bytes
        assert isinstance(embedder, ByteEmbedder)
        return
    check(document, chunks, embedder)
    assert chunks == chunks_of(document, embedder)
    for chunk in chunks:
        page = page_of(document.pages, chunk.span.start, chunk.span.end)
        shares = {p.number: min(p.end, chunk.span.end) - max(p.start, chunk.span.start) for p in document.pages}
        assert page == (max(shares, key=lambda number: shares[number]) if shares else None)


@pytest.fixture(scope="module")
def real_tokenizer() -> SentenceTransformerEmbedder:
    """The default embedder, or a skip where its weights are absent."""
    chosen = load_settings()
    try:
        folder, name = locate_embedder(chosen.embedding.model, chosen.resolved_model_dir())
    except DependencyError as error:
        pytest.skip(error.message)
    return SentenceTransformerEmbedder(folder, name)


@pytest.mark.model
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=documents())
def test_the_same_with_the_real_tokenizer(real_tokenizer: SentenceTransformerEmbedder, document: Document) -> None:
    check(document, chunks_of(document, real_tokenizer), real_tokenizer)


@pytest.mark.model
@pytest.mark.parametrize("name", ["각 나 " * 80 + ".pdf", "1-2" * 100, "漢字" * 100, "ấ ế " * 99, "😀" * 300])
def test_no_name_or_title_is_too_long_for_the_real_model(
    real_tokenizer: SentenceTransformerEmbedder, name: str
) -> None:
    """Korean syllables become three tokens each: a name and title of 140 of them were more than the model reads."""
    document = Document("d", name, "text/plain", "Words. " * 500, title=name[::-1] + " and more")
    check(document, chunks_of(document, real_tokenizer), real_tokenizer)


# Where chunks end -----------------------------------------------------------------------------------------------------


def sections(*parts: tuple[int, str, str]) -> Document:
    """A document of (level, heading, body)."""
    text, headings = "", []
    for level, heading, body in parts:
        headings.append(Heading(level, heading, len(text), len(text) + len(heading)))
        text += f"{heading}\n\n{body}\n\n"
    return Document("d", "a.md", "text/markdown", text, headings=tuple(headings))


def body(word: str, count: int = 60) -> str:
    return " ".join(f"{word}{n}" for n in range(count)) + "."


def test_a_chunk_does_not_cross_a_heading_and_knows_its_path() -> None:
    document = sections((1, "Top", body("a")), (2, "Left", body("b")), (2, "Right", body("c")), (1, "Next", body("d")))
    chunks = chunks_of(document, WordHashEmbedder())
    assert [chunk.headings for chunk in chunks] == [("Top",), ("Top", "Left"), ("Top", "Right"), ("Next",)]
    assert [re.findall(r"\b([a-d])0\b", chunk.text) for chunk in chunks] == [["a"], ["b"], ["c"], ["d"]]


def test_a_heading_alone_goes_with_what_follows() -> None:
    chunks = chunks_of(sections((1, "Top", ""), (2, "Left", body("b"))), WordHashEmbedder())
    assert len(chunks) == 1
    assert chunks[0].text.startswith("Top\n\n")


def test_a_chunk_does_not_cross_a_page() -> None:
    text = body("One") + "\n" + body("Two")
    cut = text.index("Two0")
    document = Document("d", "a.pdf", "application/pdf", text, (Page(1, 0, cut), Page(2, cut, len(text))))
    chunks = chunks_of(document, WordHashEmbedder())
    assert [page_of(document.pages, chunk.span.start, chunk.span.end) for chunk in chunks] == [1, 2]


ITEMS = "\n\n".join(f"• {body('Item')[:80].rsplit(' ', 1)[0]}" for _ in range(4))


def test_what_introduces_a_list_stays_with_it_over_a_page() -> None:
    text = f"{body('One')} You will need the following:\n\n{ITEMS}\n\n{body('Two')}"
    cut = text.index("• Item")
    document = Document("d", "a.pdf", "application/pdf", text, (Page(1, 0, cut), Page(2, cut, len(text))))
    first, second, *_ = chunks_of(document, WordHashEmbedder())
    assert first.text == body("One")
    assert second.text.startswith("You will need the following:\n\n• Item")


def test_what_introduces_a_list_stays_with_it_where_a_section_is_cut() -> None:
    for words in range(60, 160):  # so that the cut falls before, at and after the sentence
        text = " ".join(f"w{number}." for number in range(words)) + f"\n\nYou will need the following:\n\n{ITEMS}"
        chunks = chunks_of(Document("d", "a.md", "text/markdown", text, ()), WordHashEmbedder(), 80, 100)
        assert not any(chunk.text.endswith(":") for chunk in chunks), words


def test_page_of_takes_the_page_with_the_larger_share() -> None:
    pages = (Page(1, 0, 10), Page(2, 10, 10), Page(3, 10, 30))
    assert [page_of(pages, *span) for span in ((0, 5), (4, 14), (4, 16), (3, 17), (10, 12), (29, 30))] == [
        1,
        1,
        1,
        1,
        3,
        3,
    ]
    assert page_of(pages, 8, 16) == 3
    assert page_of((), 0, 5) is None


def test_rows_of_a_long_table_keep_the_names_of_their_columns() -> None:
    rows = ["Name | Price", *(f"part {n} | {n}.50 EUR" for n in range(200))]
    text = "The prices.\n\n" + "\n".join(rows) + "\n\nThe end of it."
    start = text.index("Name")
    document = Document("d", "a.md", "text/plain", text, tables=(Table(start, start + len("\n".join(rows)), rows[0]),))
    chunks = chunks_of(document, WordHashEmbedder())
    inner = [chunk for chunk in chunks if "part" in chunk.text]
    assert len(inner) > 3
    assert all(chunk.headings[-1:] == ("Name | Price",) or "Name | Price" in chunk.text for chunk in inner)
    assert all(row in "\n".join(chunk.text for chunk in inner) for row in rows)
    assert all(re.fullmatch(r"part \d+ \| \d+\.50 EUR", line) for c in inner[1:-1] for line in c.text.splitlines())


def test_column_names_longer_than_the_headings_allowance_stay_with_every_row() -> None:
    """Names of more than `context_tokens` tokens were dropped, with the headings above them: a value had no column."""
    names = " | ".join(["Station", *(f"Reading at hour {n} (millibar)" for n in range(11))])
    rows = [" | ".join([f"S{n}", *(str(n * 100 + k) for k in range(11))]) for n in range(60)]
    text = "\n".join([names, *rows])
    document = Document("d", "a.xlsx", "x", text, tables=(Table(0, len(text), names),))
    embedder = WordHashEmbedder()
    chunks = chunks_of(document, embedder)
    assert len(chunks) > 2
    assert all(chunk.headings[-1] == names for chunk in chunks[1:])
    assert all(chunk.n_tokens <= embedder.max_tokens for chunk in chunks)


@pytest.mark.parametrize("markdown", [True, False])
def test_a_table_wider_than_a_chunk_is_split_by_columns(markdown: bool) -> None:
    """Rows of a Markdown table were cut anywhere, and the names of its columns dropped."""
    names = ["Station", *(f"Reading at hour {n} in millibar" for n in range(40))]
    values = [[f"S{n}", *("" if k % 7 == 3 else str(n * 100 + k) for k in range(40))] for n in range(1, 6)]
    values[2][0] = ""
    lines = [names, ["---"] * 41, *values] if markdown else [names, *values]
    text = "\n".join(f"| {' | '.join(row)} |" if markdown else " | ".join(row) for row in lines)
    document = Document("d", "a.md", "x", f"Before.\n\n{text}\n\nAfter.", tables=(Table(9, 9 + len(text), "x"),))
    chunks = chunks_of(document, WordHashEmbedder())
    check(document, chunks, WordHashEmbedder())
    for row in values:
        for column, value in enumerate(row[1:], 1):
            if value:
                (held,) = [chunk for chunk in chunks if value in re.split(r"[\s|]+", chunk.text)]
                shown = held.headings[-1].split(" | ")
                assert names[column] in shown
                assert shown[0] == f"Station {row[0]}".strip()
                assert len(shown) < 30


def test_a_giant_word_is_cut_into_pieces() -> None:
    document = Document("d", "a.md", "text/plain", "😀" * 1000 + " end.")
    chunks = chunks_of(document, ByteEmbedder())
    check(document, chunks, ByteEmbedder())
    assert len(chunks) >= 4 * 1000 // 200


def test_sizes_are_kept_and_even() -> None:
    document = Document(
        "d", "a.md", "text/plain", " ".join(f"This is sentence number {n} of the text." for n in range(200))
    )
    sizes = [
        chunk.n_tokens - 2 - 1 for chunk in chunks_of(document, WordHashEmbedder())
    ]  # special tokens, and the name
    assert max(sizes) <= 200
    assert min(sizes) >= 80


def test_a_model_that_reads_too_little_is_refused() -> None:
    class Tiny(WordHashEmbedder):
        max_tokens = 24

    with pytest.raises(ConfigurationError, match="reads 24 tokens"):
        chunks_of(Document("d", "a.md", "text/plain", "Some words."), Tiny())


def test_ids_depend_on_document_and_place() -> None:
    one, two = (chunks_of(Document(d, "a.md", "text/plain", body("w", 400)), WordHashEmbedder()) for d in "de")
    assert len(one) > 1
    assert len({chunk.id for chunk in (*one, *two)}) == 2 * len(one)
    assert len({Chunking().version, Chunking(target_tokens=161).version, Chunking(context_tokens=41).version}) == 3


def test_a_megabyte_with_thousands_of_headings_pages_and_tables_is_read_once() -> None:
    """Work is counted, not time: characters that the tokenizer sees, and looks at headings, pages and tables."""
    looks = 0

    class Counted(tuple):  # type: ignore[type-arg]
        """A tuple that counts how often one of its members is looked at."""

        def __getitem__(self, key):  # type: ignore[no-untyped-def]
            nonlocal looks
            looks += 1
            return super().__getitem__(key)

        def __iter__(self):  # type: ignore[no-untyped-def]
            nonlocal looks
            looks += len(self)
            return super().__iter__()

    text, headings, tables = "", [], []
    parts = []
    position = 0
    for n in range(4_000):
        heading, table = f"Heading {n}", f"a{n} | b\n{n} | 2"
        paragraph = body(f"w{n}x", 30)
        headings.append(Heading(1 + n % 3, heading, position, position + len(heading)))
        tables.append(Table(position + len(heading) + 2, position + len(heading) + 2 + len(table), f"a{n} | b"))
        parts.append(f"{heading}\n\n{table}\n\n{paragraph}\n\n")
        position += len(parts[-1])
    text = "".join(parts)
    assert len(text) > 1_000_000
    pages = Counted(Page(n + 1, n * 500, min((n + 1) * 500, len(text))) for n in range(-(-len(text) // 500)))
    document = Document("d", "a.md", "text/plain", text, pages, headings=Counted(headings), tables=Counted(tables))
    embedder = CallCounter()
    chunks = chunks_of(document, embedder)
    for chunk in chunks:
        page_of(document.pages, chunk.span.start, chunk.span.end)
    assert len(chunks) >= 4_000
    assert embedder.characters < 5 * len(text)
    assert embedder.calls < 8 * len(chunks)
    assert looks < 100 * len(chunks)  # quadratic would be 4,000 for each
