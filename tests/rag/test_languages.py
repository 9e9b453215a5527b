"""Questions in a language that the embedding model does not know: their words alone are searched, chance never."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from builders import ingest, many_paragraphs
from conftest import ScriptedGenerator, WordHashEmbedder

from rag.decision.confidence import measure_reading
from rag.errors import DependencyError
from rag.generation import ExtractiveGenerator
from rag.library import Library
from rag.retrieval.scope import Scope
from rag.retrieval.search import Searcher
from rag.service import Question, Service
from rag.settings import Answers
from rag.types import DEFAULT_COSINES, Chunk, CosineScale, Hit, ReaderResult, Span

GERMAN = "Wie lange hat Henriksen im Lager gearbeitet?"
NO_WORD = "Wie viele Tage Urlaub gibt es?"
ENGLISH = "How long did Henriksen work in the warehouse?"


class EnglishEmbedder(WordHashEmbedder):
    """Hashed words of a model that knows English; every other text is near to the chunk about golf, by chance."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def knows_language(self, text: str) -> bool:
        return text.startswith(("How", "What", "Henriksen"))

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return self.embed_passages([text if self.knows_language(text) else "golf" for text in texts])


class EnglishReader:
    """A Reader that finds the first word of every passage to be the answer."""

    model = "reader@1"

    def knows_language(self, text: str) -> bool:
        return text.startswith("How")

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[ReaderResult]:
        return [ReaderResult(1.0, 0, 4, 9.0) for _ in passages]


@pytest.fixture
def documents(library: Library) -> Library:
    ingest(library, "Golf is played on Sundays.", "golf.md")
    ingest(library, "Henriksen worked in the warehouse for nine years. She left in May.", "staff.md")
    ingest(library, "\n\n".join(many_paragraphs(5).split("\n\n")), "other.md")
    return library


def test_a_question_in_an_unknown_language_is_searched_by_its_words(documents: Library) -> None:
    embedder = EnglishEmbedder()
    searcher = Searcher(documents.catalog, documents.index, embedder)
    hits = searcher.search(GERMAN, Scope(), 5)
    assert [hit.document_name for hit in hits] == ["staff.md"]
    assert embedder.asked == []
    assert searcher.compare_sentences(GERMAN, hits, [["one", "two"]]) == [0.0, 0.0]
    assert searcher.search(NO_WORD, Scope(), 5) == []
    assert len(searcher.search(ENGLISH, Scope(), 5)) == 5
    assert embedder.asked == [ENGLISH]


async def test_without_a_word_in_the_documents_it_is_refused_with_the_reason(documents: Library) -> None:
    searcher = Searcher(documents.catalog, documents.index, EnglishEmbedder())
    generator = ScriptedGenerator("Golf [1].")
    service = Service(documents.settings, documents.catalog, searcher, generator)
    answer = await service.ask(Question(NO_WORD))
    assert (answer.status, answer.reason, answer.retrieved) == ("not_found", "no_match", ())
    assert answer.sentences[0].reason == (
        "the embedding model does not know the language of the question, and the documents have too few of its words"
    )
    assert generator.prompts == []


async def test_while_the_model_does_not_answer_the_refusal_says_so(documents: Library) -> None:
    class Silent(WordHashEmbedder):
        def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
            raise DependencyError("The server is down.")

    searcher = Searcher(documents.catalog, documents.index, Silent())
    service = Service(documents.settings, documents.catalog, searcher, ScriptedGenerator("Golf [1]."))
    answer = await service.ask(Question(NO_WORD))
    assert (answer.status, answer.reason) == ("not_found", "no_match")
    assert answer.sentences[0].reason == (
        "the embedding model does not answer, and the documents have too few of its words"
    )
    hits = searcher.search(ENGLISH, Scope(), 5)
    assert [hit.document_name for hit in hits] == ["staff.md"]


async def test_its_words_count_where_cosines_would_be_chance(documents: Library) -> None:
    settings = documents.settings.model_copy(update={"answers": Answers(judge="off", min_confidence=0)})
    searcher = Searcher(documents.catalog, documents.index, EnglishEmbedder())
    generator = ScriptedGenerator("Henriksen worked in the warehouse for nine years [1].")
    service = Service(settings, documents.catalog, searcher, generator)
    few = await service.ask(Question(f"{GERMAN} Und was tat man dort sonst noch den ganzen lieben langen Tag?"))
    assert (few.status, generator.prompts) == ("not_found", [])
    assert few.signals["cosine"] == few.signals["together"]
    assert [one.hit.document_name for one in few.retrieved] == ["staff.md"]  # it is found, and shown
    answered = await service.ask(Question("Warehouse Henriksen?"))
    assert answered.status == "answered"


def test_a_reader_of_another_language_is_not_asked() -> None:
    hit = Hit(Chunk("c", Span("d", 0, 9), "Golf is played.", (), 5), 1, 1.0, "fusion", "d.md", "", None)
    assert measure_reading(NO_WORD, [hit], EnglishReader()) is None
    assert measure_reading(ENGLISH, [hit], EnglishReader()) is not None


def test_cosines_of_another_model_are_brought_to_the_default_model_s_scale(documents: Library) -> None:
    narrow = CosineScale(0.7, 0.8)
    assert narrow.rescale(0.7) == pytest.approx(DEFAULT_COSINES.unrelated)
    assert narrow.rescale(0.8) == pytest.approx(DEFAULT_COSINES.related)
    assert narrow.rescale(2) == 1
    assert DEFAULT_COSINES.rescale(0.123) == 0.123

    class Narrow(WordHashEmbedder):
        """Has a large part in common in all vectors, so that no cosine is below .5."""

        cosines = CosineScale(0.5 + DEFAULT_COSINES.unrelated / 2, 0.5 + DEFAULT_COSINES.related / 2)

        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            own = super().embed_passages(texts)
            return np.hstack([own, np.ones((len(own), 1), np.float32)]) / np.sqrt(2)

    wide, found = WordHashEmbedder(), Narrow()
    one, other = "red pears", "red apples"
    cosine = float(found.embed_passages([one])[0] @ found.embed_passages([other])[0])
    expected = float(wide.embed_passages([one])[0] @ wide.embed_passages([other])[0])
    assert found.cosines.rescale(cosine) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("未使用的年假可以结转几天？", "未使用的年假最多可以结转十天到下一年。", "北京的天气怎么样？"),
        ("ลาพักร้อนที่เหลือยกไปได้กี่วัน", "วันลาพักร้อนที่เหลือยกไปปีหน้าได้สิบวัน", "อากาศที่เชียงใหม่เป็นอย่างไร"),
        ("كم يوما من الإجازة ينتقل؟", "ينتقل عشرة أيام من إجازة الموظف إلى السنة القادمة.", "كيف الطقس في القاهرة؟"),
    ],
)
async def test_documents_in_the_question_s_language_answer_by_their_words(
    documents: Library, question: str, answer: str, other: str
) -> None:
    ingest(documents, answer, "leave.md")
    settings = documents.settings.model_copy(update={"answers": Answers(judge="off", min_confidence=0)})
    searcher = Searcher(documents.catalog, documents.index, EnglishEmbedder())
    service = Service(settings, documents.catalog, searcher, ExtractiveGenerator(4096))
    found = await service.ask(Question(question))
    assert found.status == "answered"
    assert {one.document_name for one in found.citations} == {"leave.md"}
    refused = await service.ask(Question(other))
    assert (refused.status, refused.reason) == ("not_found", "no_match")
