"""The baselines: how they split, what they find, and how a reply is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import CountingEmbedder, ingest
from conftest import ScriptedGenerator

from evals.metrics.scoring import check_citation
from evals.run.baselines import (
    LLAMA_INDEX,
    TEXTBOOK,
    Baseline,
    BaselinePipeline,
    answer_prompt,
    cited_numbers,
    is_refusal,
    split_as_llama_index,
    split_by_characters,
)
from evals.run.caller import Quiet
from evals.run.replies import RecordedGenerator, ReplyStore, Sampling
from rag.library import Library
from rag.retrieval.scope import Scope
from rag.settings import Settings
from rag.types import Document, Page

WORDS = " ".join(f"word{number}." for number in range(600))


def paged(*texts: str) -> Document:
    text = "".join(texts)
    ends = [len("".join(texts[: number + 1])) for number in range(len(texts))]
    pages = tuple(
        Page(number, end - len(own), end) for number, (own, end) in enumerate(zip(texts, ends, strict=True), 1)
    )
    return Document("id", "rules.pdf", "application/pdf", text, pages)


def test_fixed_chunks_are_cut_page_by_page() -> None:
    # A page of 2,100 characters: 0..1000, 800..1800, 1600..2100; a further one from 1,800 on would hold nothing new.
    document = paged("x" * 2_100, " \n", "y" * 150)
    assert [(piece.start, piece.end) for piece in split_by_characters(document)] == [
        (0, 1_000),
        (800, 1_800),
        (1_600, 2_100),
        (2_102, 2_252),
    ]


@pytest.mark.parametrize("length", [1, 200, 201, 999, 1_000, 1_001, 1_800, 1_801, 5_000])
def test_fixed_chunks_cover_the_text(length: int) -> None:
    document = Document("id", "a.md", "text/markdown", "z" * length)
    pieces = list(split_by_characters(document))
    assert {place for piece in pieces for place in range(piece.start, piece.end)} == set(range(length))
    assert all(piece.end - piece.start <= 1_000 for piece in pieces)
    assert len(pieces) == max(1, -(-(length - 200) // 800))


def test_llama_index_splits_each_page_and_puts_its_metadata_before_it() -> None:
    document = paged(f"{WORDS}\n", " \n", "The second page of words.")
    pieces = list(split_as_llama_index(document))
    last = pieces[-1]
    assert len(pieces) > 2  # 600 words of several tokens each are more than 1,024
    assert document.text[last.start : last.end] == "The second page of words."
    assert last.indexed == (
        "page_label: 3\nfile_path: /home/user/project/data/documents/rules.pdf\n\nThe second page of words."
    )
    for piece in pieces:
        assert piece.indexed.endswith(document.text[piece.start : piece.end])
    assert pieces[0].end > pieces[1].start  # they overlap


def test_llama_index_takes_a_document_without_pages_whole() -> None:
    (piece,) = split_as_llama_index(Document("id", "a.md", "text/markdown", "\n\nA few words.\n"))
    assert piece.indexed == "file_path: /home/user/project/data/documents/a.md\n\nA few words."
    assert (piece.start, piece.end) == (2, 14)


@pytest.mark.parametrize(
    ("reply", "refused"),
    [
        ("I don't know.", True),
        ("Sorry. I don’t know.", True),
        ("I do not know the answer.", True),
        ("Ten days [1]. I don't know about part-time staff.", False),
        ("Ten days.", False),
        ("", False),
    ],
)
def test_a_refusal_says_that_it_does_not_know(reply: str, refused: bool) -> None:
    assert is_refusal(reply) is refused


def test_markers_are_read_one_by_one() -> None:
    assert cited_numbers("Ten [2], or nine [1, 3] [2].") == [2, 1, 3, 2]


@pytest.fixture
def replies(tmp_path: Path) -> Iterator[ReplyStore]:
    with ReplyStore(tmp_path / "replies.sqlite3") as store:
        yield store


TEXT = "Leave carries over for ten days. " * 40 + "Bicycles stand behind the north gate. " * 40
PAGES = (Page(1, 0, 1_320), Page(2, 1_320, len(TEXT)))


def pipeline(
    library: Library, replies: ReplyStore, reply: str = "", baseline: Baseline = TEXTBOOK
) -> tuple[BaselinePipeline, ScriptedGenerator]:
    generator = ScriptedGenerator(reply)
    recorded = RecordedGenerator(generator, replies, "scripted/1", Sampling(0.0, 7))
    return BaselinePipeline(baseline, library, recorded, Quiet()), generator


@pytest.mark.parametrize("baseline", [TEXTBOOK, LLAMA_INDEX])
async def test_hits_are_the_nearest_pieces_of_the_stored_text(
    library: Library, replies: ReplyStore, baseline: Baseline
) -> None:
    document_id = ingest(library, TEXT, "rules.pdf", pages=PAGES)
    asked, _ = pipeline(library, replies, baseline=baseline)
    hits = await asked.search("Where do bicycles stand?", 50, Scope())
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert (hits[0].document_name, hits[0].page, hits[0].scorer) == ("rules.pdf", 2, "cosine")
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        span = hit.chunk.span
        assert hit.chunk.text == library.catalog.documents.text(document_id, span.start, span.end)
    assert asked.confidence("Where do bicycles stand?", hits[0]) == hits[0].score
    assert len(await asked.search("Where?", 1, Scope())) == 1


@pytest.mark.parametrize("baseline", [TEXTBOOK, LLAMA_INDEX])
async def test_a_scope_keeps_other_documents_out(library: Library, replies: ReplyStore, baseline: Baseline) -> None:
    ingest(library, TEXT, "rules.pdf", pages=PAGES)
    other = ingest(library, "The canteen opens at noon.", "canteen.md")
    asked, _ = pipeline(library, replies, "Nothing.", baseline)
    question = "Where do bicycles stand?"
    assert (await asked.search(question, 50, Scope()))[0].document_name == "rules.pdf"
    (hit,) = await asked.search(question, 50, Scope(document_ids=(other,)))
    assert (hit.rank, hit.document_name, hit.chunk.text) == (1, "canteen.md", "The canteen opens at noon.")
    answer = await asked.ask(question, Scope(document_ids=(other,)))
    assert [one.hit for one in answer.retrieved] == [hit]


async def test_an_answer_cites_the_whole_pieces_that_it_names(library: Library, replies: ReplyStore) -> None:
    ingest(library, TEXT, "rules.pdf", pages=PAGES)
    asked, generator = pipeline(library, replies, "Behind the north gate [2][2], or so [7].")
    answer = await asked.ask("Where do bicycles stand?", Scope())
    assert (answer.status, answer.text) == ("answered", "Behind the north gate [2][2], or so [7].")
    (citation,) = answer.citations
    assert (citation.number, citation.quote) == (2, answer.retrieved[1].hit.chunk.text)
    assert check_citation(library.catalog, citation) == []
    assert (answer.usage.passages_sent, answer.usage.markers_removed) == (3, 1)
    assert answer.timings_ms.keys() == {"retrieve", "generate", "first_token"}
    hits = [one.hit for one in answer.retrieved]
    assert generator.prompts == [answer_prompt("Where do bicycles stand?", hits)]


async def test_a_refusal_cites_nothing(library: Library, replies: ReplyStore) -> None:
    ingest(library, TEXT, "rules.pdf", pages=PAGES)
    answer = await pipeline(library, replies, "I don't know [1].")[0].ask("Who flew to the moon?", Scope())
    assert (answer.status, answer.citations) == ("not_found", ())


async def test_llama_index_sends_its_two_nearest(library: Library, replies: ReplyStore) -> None:
    ingest(library, TEXT, "rules.pdf", pages=PAGES)
    ingest(library, TEXT.replace("ten", "twelve"), "old.pdf", pages=PAGES)
    answer = await pipeline(library, replies, "Ten.", LLAMA_INDEX)[0].ask("How many days of leave carry over?", Scope())
    assert len(answer.retrieved) == 2


def test_pieces_are_embedded_once(settings: Settings, replies: ReplyStore) -> None:
    embedder = CountingEmbedder()
    with Library(settings, "test", embedder=embedder, generator=ScriptedGenerator()) as library:
        ingest(library, TEXT, "rules.pdf", pages=PAGES)
        for times in (1, 2):
            embedder.embedded.clear()
            pipeline(library, replies)
            assert bool(embedder.embedded) == (times == 1)
        ingest(library, "Another document.", "more.md")  # other documents, another table
        pipeline(library, replies)
        assert "Another document." in embedder.embedded


def test_the_settings_hash_names_what_decides(library: Library, replies: ReplyStore) -> None:
    hashes = {pipeline(library, replies, baseline=one)[0].settings_hash for one in (TEXTBOOK, LLAMA_INDEX)}
    assert len(hashes) == 2
