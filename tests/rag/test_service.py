"""A question to a checked answer: the steps, and what happens when the documents or the model move meanwhile."""

from __future__ import annotations

import asyncio
import threading
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
from builders import handbook, ingest, many_paragraphs, read_prompt, run_sql, upload
from conftest import ScriptedGenerator, WordHashEmbedder

from ingest.pipeline import prepare_document, publish_prepared
from rag.errors import Conflict, DependencyError, InputError, NotFound
from rag.library import Library
from rag.prompting.prompts import (
    BRIEF_INSTRUCTIONS,
    FULL_INSTRUCTIONS,
    NOT_FOUND_TEXT,
    REWRITE_INSTRUCTIONS,
    answer_messages,
)
from rag.retrieval.scope import Scope
from rag.retrieval.search import Searcher
from rag.service import HitsFound, Question, Service
from rag.settings import Answers, Generation, Retrieval, Settings
from rag.types import Answer, Draft, Embedder, Generator, Message, PromptSpeed, Token, Turn, Usage

LEAVE = "Ten unused days of leave carry over to the next year. All other days are lost on 31 March."
TRUE = "Ten unused days of leave carry over to the next year [1]."
FALSE = "The chairman plays golf on Sundays with seven penguins [1]."


def service(
    library: Library, generator: Generator, settings: Settings | None = None, embedder: Embedder | None = None
) -> Service:
    searcher = Searcher(library.catalog, library.index, embedder) if embedder else library.searcher
    return Service(settings or library.settings, library.catalog, searcher, generator)


async def ask(
    library: Library, reply: str, text: str = "How many unused days of leave carry over?", **more: object
) -> Answer:
    return await service(library, ScriptedGenerator(reply)).ask(Question(text, **more))  # type: ignore[arg-type]


async def test_the_steps(library: Library) -> None:
    document_id = ingest(library, LEAVE, "leave.md")
    generator = ScriptedGenerator(TRUE)
    answer = await service(library, generator).ask(Question("How many unused days of leave carry over?"))
    assert (answer.status, answer.text, answer.model) == ("answered", TRUE, "scripted/1")
    assert [sentence.verdict for sentence in answer.sentences] == ["supported"]
    (citation,) = answer.citations
    assert (citation.number, citation.span.document_id, citation.page, citation.boxes) == (1, document_id, None, ())
    assert library.catalog.documents.text(document_id, citation.span.start, citation.span.end) == citation.quote
    assert [item.used for item in answer.retrieved] == [True]
    assert set(answer.timings_ms) == {"retrieve", "select", "pack", "generate", "first_token", "verify"}
    assert answer.usage == Usage((await generator.count_tokens(generator.prompts[0]))[0], len(TRUE.split()), 1, 0, 0)
    assert (answer.reason, answer.standalone_question) == (None, None)
    assert LEAVE in generator.prompts[0][-1].content


async def test_each_side_of_a_comparison_is_among_the_hits_and_in_the_prompt(library: Library) -> None:
    rules = [f"Rule {n}: the fee of the crane at Northwind, {LEAVE.lower()} It is due on day {n}." for n in range(60)]
    ingest(library, "\n\n".join(rules), "north.md")
    ingest(library, "\n\n".join([*many_paragraphs(30), "The ferry of Southwind costs 70 euros."]), "south.md")
    asked = "How does the fee of Northwind compare with the ferry of Southwind?"
    generator = ScriptedGenerator("The ferry of Southwind costs 70 euros [1].")
    answer = await service(library, generator).ask(Question(asked, top_k=3))
    assert [one.hit.rank for one in answer.retrieved] == [1, 2, 3]
    assert {one.hit.document_name for one in answer.retrieved} == {"north.md", "south.md"}
    assert "The ferry of Southwind costs 70 euros." in generator.prompts[0][-1].content
    assert (answer.status, answer.question) == ("answered", asked)


async def test_a_question_for_a_report_of_a_date_is_answered_from_more_of_it(library: Library) -> None:
    for name, day in (("may.md", "May 31, 2021"), ("august.md", "August 31, 2021")):
        sales = [f"In region {n} the sales of the quarter were {n + 100} crates. " * 12 for n in range(8)]
        ingest(library, "\n\n".join([f"Report of the quarter ended {day}.", *sales]), name)
    generator = ScriptedGenerator("In region 3 the sales of the quarter were 103 crates [1].")
    asked = "What were the sales in the quarter ended August 31, 2021?"
    answer = await service(library, generator).ask(Question(asked, top_k=4))
    assert {one.hit.document_name for one in answer.retrieved} == {"august.md"}
    assert [one.hit.rank for one in answer.retrieved] == [1, 2, 3, 4]
    assert "may.md" not in generator.prompts[0][-1].content


async def test_modes_leave_out_mark_or_keep_what_is_unsupported(library: Library) -> None:
    ingest(library, LEAVE)
    strict, flag, off = [await ask(library, f"{TRUE} {FALSE}", mode=mode) for mode in ("strict", "flag", "off")]
    assert (strict.status, "penguins" in strict.text) == ("partial", False)
    assert "Ten unused days" in strict.text
    assert "penguins" in flag.text
    assert [s.verdict for s in flag.sentences if "penguins" in s.text] == ["unsupported"]
    assert FALSE.removesuffix(" [1].") in off.text
    for answer in (strict, flag, off):
        assert all(answer.text[s.start : s.end] == s.text for s in answer.sentences)


async def test_nothing_found_asks_no_model(library: Library) -> None:
    generator = ScriptedGenerator(TRUE)
    answer = await service(library, generator).ask(Question("Anything?"))
    assert (answer.status, answer.text, answer.citations, answer.retrieved) == ("not_found", NOT_FOUND_TEXT, (), ())
    assert [(one.text, one.start, one.end, one.verdict) for one in answer.sentences] == [
        (NOT_FOUND_TEXT, 0, len(NOT_FOUND_TEXT), "no_claim")
    ]
    assert generator.prompts == []
    assert set(answer.timings_ms) == {"retrieve", "select"}
    assert answer.usage == Usage()


async def test_a_question_none_of_whose_words_was_found_asks_no_model(library: Library) -> None:
    ingest(library, "年假：工作满一年的员工每年享有十二天带薪年假。", "chinese.md")
    lenient = Settings(data_dir=library.settings.data_dir, answers=Answers(min_evidence=0.01))
    generator = ScriptedGenerator("十二天 [1].")
    refused = await service(library, generator, lenient).ask(Question("公司的股票价格是多少？"))
    assert (refused.status, refused.reason, refused.confidence, generator.prompts) == ("not_found", "no_match", 0.0, [])
    await service(library, generator, lenient).ask(Question("员工每年有多少天年假？"))
    assert len(generator.prompts) == 1


async def test_a_reply_that_says_not_found_cites_nothing(library: Library) -> None:
    ingest(library, LEAVE)
    answer = await ask(library, "Not in the documents.")
    assert (answer.status, answer.citations) == ("not_found", ())
    assert len(answer.retrieved) == 1


class Meddles(ScriptedGenerator):
    """Does something to the documents after the first token of each reply."""

    def meddle(self, attempt: int) -> None:
        raise NotImplementedError

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Draft]:
        pieces = super().stream(messages, max_tokens)
        async for piece in pieces:
            yield piece
            if isinstance(piece, Token) and piece.text == "Ten":
                self.meddle(len(self.prompts))


async def test_a_document_deleted_while_the_model_writes_is_not_cited(library: Library) -> None:
    gone = ingest(library, LEAVE, "gone.md")
    kept = ingest(library, f"Another house says so: {LEAVE}", "kept.md")

    class Deletes(Meddles):
        def meddle(self, attempt: int) -> None:
            if attempt == 1:
                library.catalog.removals.delete(gone)

    generator = Deletes(TRUE)
    answer = await service(library, generator).ask(Question("How many unused days of leave carry over?"))
    assert len(generator.prompts) == 2
    assert {item.hit.chunk.span.document_id for item in answer.retrieved} == {kept}
    assert {citation.span.document_id for citation in answer.citations} == {kept}


async def test_a_reply_from_a_deleted_document_is_broken_off_within_16_tokens(library: Library) -> None:
    gone = ingest(library, LEAVE, "gone.md")
    ingest(library, "The gate opens at seven.", "kept.md")

    class Deletes(Meddles):
        def meddle(self, attempt: int) -> None:
            if attempt == 1:
                library.catalog.removals.delete(gone)

    generator = Deletes("Ten " + "more words of the deleted passage " * 50)
    question = Question("How many unused days of leave carry over?")
    async with aclosing(service(library, generator).stream(question)) as events:
        seen = [event async for event in events]
    assert 1 <= sum(isinstance(event, Token) for event in seen) <= 16
    assert (len(generator.prompts), generator.closed) == (2, 2)
    assert isinstance(seen[-1], Answer)
    assert {item.hit.document_name for item in seen[-1].retrieved} == {"kept.md"}


async def test_a_document_deleted_while_the_prompt_was_read_shows_no_token(library: Library) -> None:
    gone = ingest(library, LEAVE, "gone.md")

    class Deletes(ScriptedGenerator):
        async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Draft]:
            library.catalog.removals.delete(gone)
            async for piece in super().stream(messages, max_tokens):
                yield piece

    async with aclosing(service(library, Deletes(TRUE)).stream(Question("How many days?"))) as events:
        seen = [event async for event in events]
    assert [type(event) for event in seen] == [HitsFound, Answer]
    assert isinstance(seen[-1], Answer)
    assert seen[-1].status == "not_found"


class MeddlingEmbedder(WordHashEmbedder):
    """Does something to the documents, or waits, before it embeds a sentence that holds `word`."""

    def __init__(self, word: str, meddle: Callable[[], object]) -> None:
        self.word, self.meddle = word, meddle
        self.embedded: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        if any(self.word in text for text in texts):
            self.meddle()
        return super().embed_passages(texts)


def verifying(library: Library, embedder: MeddlingEmbedder) -> Service:
    return service(library, ScriptedGenerator(), embedder=embedder)


async def test_a_document_deleted_while_a_text_is_checked_is_not_quoted(library: Library) -> None:
    gone = ingest(library, LEAVE, "gone.md")
    ingest(library, "The gate opens at seven.", "kept.md")
    deleted: list[str] = []

    def delete() -> None:
        if not deleted:
            library.catalog.removals.delete(gone)
            deleted.append(gone)

    text = f"{LEAVE} The gate opens at seven."
    checked = await verifying(library, MeddlingEmbedder("gate", delete)).verify(text, Scope())
    assert {citation.document_name for citation in checked.citations} == {"kept.md"}
    assert [one.verdict for one in checked.sentences] == ["unsupported", "unsupported", "supported"]


def forget_sentences(library: Library) -> None:
    """Delete the vectors of sentences, so that sentences are embedded when they are needed."""
    run_sql(library.catalog, "DELETE FROM sentences")


async def test_a_document_deleted_before_the_model_is_not_asked_is_not_shown(library: Library) -> None:
    gone = ingest(library, LEAVE, "gone.md")
    forget_sentences(library)
    embedder = MeddlingEmbedder("carry", lambda: library.catalog.removals.delete(gone))
    closed = library.settings.model_copy(update={"answers": Answers(min_evidence=1)})
    asked = service(library, ScriptedGenerator(TRUE), closed, embedder)
    assert (await asked.ask(Question("How many days?"))).retrieved == ()


async def test_documents_that_change_with_every_check_of_a_text_are_a_conflict(library: Library) -> None:
    ingest(library, LEAVE, source="/leave.md")
    versions = iter(range(9))

    def replace() -> None:
        ingest(library, f"{LEAVE} Version {next(versions)}.", source="/leave.md")

    with pytest.raises(Conflict, match="Send it again"):
        await verifying(library, MeddlingEmbedder("gate", replace)).verify(f"{LEAVE} The gate opens.", Scope())
    assert next(versions) == 3


async def test_a_check_that_nobody_waits_for_stops_at_the_next_sentence(library: Library) -> None:
    ingest(library, LEAVE)
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(30)

    embedder = MeddlingEmbedder("first", wait)
    text = "The first gate opens at seven. The second gate opens at eight. The third gate opens at nine."
    task = asyncio.create_task(verifying(library, embedder).verify(text, Scope()))
    assert await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()  # returns once its threads have ended
    assert [text for text in embedder.embedded if "second" in text or "third" in text] == []


async def test_a_collection_is_meant_however_its_letters_are_composed(library: Library) -> None:
    ingest(library, LEAVE, collection="Bücher")
    decomposed = unicodedata.normalize("NFD", "Bücher")
    asked = service(library, ScriptedGenerator(TRUE))
    assert len(await asked.search("unused days", Scope(decomposed))) == 1
    assert (await asked.verify(TRUE, Scope(decomposed))).sentences[0].verdict == "supported"
    with pytest.raises(InputError, match="'a/b'"):
        await asked.search("unused days", Scope("a/b"))


async def test_a_catalog_that_never_rests_is_a_conflict(library: Library) -> None:
    class Replaces(Meddles):
        def meddle(self, attempt: int) -> None:
            ingest(library, f"{LEAVE} Version {attempt}.", source="/leave.md")

    ingest(library, LEAVE, source="/leave.md")
    generator = Replaces(TRUE)
    with pytest.raises(Conflict):
        await service(library, generator).ask(Question("How many unused days of leave carry over?"))
    assert len(generator.prompts) == 3


async def test_search_works_while_the_model_does_not(library: Library) -> None:
    class Down(ScriptedGenerator):
        async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Draft]:
            raise DependencyError("the model server is away")
            yield Token("")

    ingest(library, LEAVE)
    down = service(library, Down())
    with pytest.raises(DependencyError, match="away"):
        await down.ask(Question("How many days?"))
    assert len(await down.search("unused days", Scope())) == 1
    assert (await down.verify(TRUE, Scope())).sentences[0].verdict == "supported"


async def test_a_model_that_ends_without_a_result_is_a_dependency_error(library: Library) -> None:
    class Silent(ScriptedGenerator):
        async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Draft]:
            yield Token("Ten")

    ingest(library, LEAVE)
    with pytest.raises(DependencyError, match="without a result"):
        await service(library, Silent()).ask(Question("How many days?"))


async def test_the_stream_tells_hits_tokens_answer_in_this_order(library: Library) -> None:
    ingest(library, LEAVE)
    async with aclosing(service(library, ScriptedGenerator(TRUE)).stream(Question("How many days?"))) as events:
        seen = [event async for event in events]
    assert isinstance(seen[0], HitsFound)
    assert isinstance(seen[-1], Answer)
    assert "".join(event.text for event in seen if isinstance(event, Token)) == TRUE


async def test_where_nothing_is_near_the_stream_tells_hits_and_answer_alone(library: Library) -> None:
    ingest(library, LEAVE)
    closed = library.settings.model_copy(update={"answers": Answers(min_evidence=1)})
    generator = ScriptedGenerator(TRUE)
    async with aclosing(service(library, generator, closed).stream(Question("How many days?"))) as events:
        seen = [event async for event in events]
    assert [type(event) for event in seen] == [HitsFound, Answer]
    assert generator.prompts == []


async def test_closing_the_stream_stops_the_model(library: Library) -> None:
    ingest(library, LEAVE)
    generator = ScriptedGenerator(TRUE)
    async with aclosing(service(library, generator).stream(Question("How many days?"))) as events:
        async for event in events:
            if isinstance(event, Token):
                break
    assert generator.closed == 1


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Question("  \n"), "is empty"),
        (Question("", history=(Turn("What is leave?", "Days off."),)), "is empty"),
        (Question("x" * 4001), "has 4001 characters and at most 4000"),
        (Question("days", top_k=0), "`top_k` is 0"),
        (Question("days", top_k=101), "`top_k` is 101; it must be from 1 to 100"),
    ],
)
async def test_a_question_out_of_bounds_is_refused(library: Library, question: Question, words: str) -> None:
    ingest(library, LEAVE)
    with pytest.raises(InputError, match=words):
        await service(library, ScriptedGenerator(TRUE)).ask(question)


async def test_a_scope_that_does_not_exist_is_refused(library: Library) -> None:
    ingest(library, LEAVE)
    for scope in (Scope("nowhere"), Scope(document_ids=("absent",))):
        with pytest.raises(NotFound):
            await service(library, ScriptedGenerator(TRUE)).ask(Question("days", scope))


@pytest.mark.parametrize(
    "refused", [{"scope": Scope("nowhere")}, {"scope": Scope(document_ids=("absent",))}, {"top_k": 101}]
)
async def test_a_follow_up_that_cannot_be_searched_is_not_rewritten(
    library: Library, refused: dict[str, object]
) -> None:
    """The model worked for seconds on a follow-up before the collection was looked for."""
    ingest(library, LEAVE)
    generator = rewriting(STANDALONE)
    with pytest.raises((NotFound, InputError)):
        await service(library, generator).ask(Question("And the rest?", history=HISTORY, **refused))  # type: ignore[arg-type]
    assert generator.prompts == []


async def test_a_follow_up_is_rewritten_once_however_often_it_is_asked(library: Library) -> None:
    gone = ingest(library, LEAVE, "gone.md")
    ingest(library, f"Another house says so: {LEAVE}", "kept.md")

    class Deletes(Meddles):
        def meddle(self, attempt: int) -> None:
            if attempt == 2:
                library.catalog.removals.delete(gone)

    generator = Deletes(rewriting(STANDALONE).reply)
    answer = await service(library, generator).ask(Question("And when is the rest lost?", history=HISTORY))
    assert [prompt[0].content == REWRITE_INSTRUCTIONS for prompt in generator.prompts] == [True, False, False]
    assert answer.standalone_question == STANDALONE
    assert "rewrite" in answer.timings_ms


async def test_usage_counts_the_rewriting_and_every_reply_that_came_to_its_end(library: Library) -> None:
    gone = ingest(library, LEAVE, "gone.md")
    ingest(library, f"Another house says so: {LEAVE}", "kept.md")

    class Deletes(ScriptedGenerator):
        async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncIterator[Token | Draft]:
            pieces = super().stream(messages, max_tokens)
            async for piece in pieces:
                yield piece
                if isinstance(piece, Draft) and len(self.prompts) == 2:
                    library.catalog.removals.delete(gone)

    generator = Deletes(rewriting(STANDALONE).reply)
    answer = await service(library, generator).ask(Question("And when is the rest lost?", history=HISTORY))
    assert len(generator.prompts) == 3
    assert answer.usage.prompt_tokens == sum([(await generator.count_tokens(one))[0] for one in generator.prompts])
    assert answer.usage.completion_tokens == len(STANDALONE.split()) + 2 * len(TRUE.split())


async def test_a_long_question_before_does_not_push_the_present_one_out(library: Library) -> None:
    """Where the model's rewriting is not trusted both are searched; together they may be over the limit of one."""
    ingest(library, LEAVE, "leave.md")
    ingest(library, "Trains leave at noon.", "trains.md")
    long = Turn("trains " * 571, "At noon.")
    answer = await ask(library, TRUE, "How many unused days carry over?", history=(long,))
    assert "leave.md" in {item.hit.document_name for item in answer.retrieved}


HISTORY = (Turn("How many unused days of leave carry over?", "Ten."),)
STANDALONE = "When is the rest of the unused days of leave lost?"


def rewriting(to: str) -> ScriptedGenerator:
    """Rewrites a follow-up `to` this, and answers with TRUE."""
    return ScriptedGenerator(lambda messages: to if messages[0].content == REWRITE_INSTRUCTIONS else TRUE)


async def test_a_follow_up_is_searched_and_asked_as_a_question_of_its_own(library: Library) -> None:
    ingest(library, LEAVE, "leave.md")
    ingest(library, "Trains run at noon.", "trains.md")
    generator = rewriting(STANDALONE)
    answer = await service(library, generator).ask(Question("And when is the rest lost?", history=HISTORY))
    assert (answer.question, answer.standalone_question) == ("And when is the rest lost?", STANDALONE)
    rewrite, prompt = generator.prompts
    assert "And when is the rest lost?" in rewrite[-1].content
    assert read_prompt(prompt)[0] == STANDALONE
    assert "Ten." not in prompt[-1].content
    assert "rewrite" in answer.timings_ms
    searched = await service(library, generator).search(STANDALONE, Scope())
    assert [item.hit for item in answer.retrieved] == searched


async def test_a_model_that_breaks_off_a_rewriting_is_a_dependency_error(library: Library) -> None:
    class Silent(ScriptedGenerator):
        async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Draft]:
            yield Token("Well")

    ingest(library, LEAVE)
    with pytest.raises(DependencyError, match="without a result"):
        await service(library, Silent()).ask(Question("And when is the rest lost?", history=HISTORY))


async def test_a_rewriting_with_words_of_its_own_gives_way_to_the_question_before(library: Library) -> None:
    ingest(library, LEAVE, "leave.md")
    ingest(library, "Trains run at noon.", "trains.md")
    generator = rewriting("Which trains of the Paris railway are lost near London?")
    answer = await service(library, generator).ask(Question("And when is the rest lost?", history=HISTORY))
    assert answer.standalone_question == f"And when is the rest lost?\n{HISTORY[-1].question}"
    assert answer.retrieved[0].hit.document_name == "leave.md"
    assert answer.status == "answered"


async def test_a_back_end_that_only_quotes_is_asked_once(library: Library) -> None:
    ingest(library, LEAVE)
    generator = ScriptedGenerator(TRUE, follows_instructions=False)
    answer = await service(library, generator).ask(Question("And the rest?", history=HISTORY))
    assert answer.standalone_question == f"And the rest?\n{HISTORY[-1].question}"
    assert len(generator.prompts) == 1


async def test_what_was_sent_is_told_from_what_was_only_found(library: Library) -> None:
    for n in range(4):
        ingest(library, f"{LEAVE} Branch {n} keeps a list.", f"{n}.md")
    ingest(library, f"{LEAVE} Branch 0 keeps a list!", "again.md")
    generator = ScriptedGenerator(TRUE)
    settings = library.settings.model_copy(
        update={"answers": library.settings.answers.model_copy(update={"passages": 2})}
    )
    answer = await service(library, generator, settings).ask(Question("How many unused days of leave carry over?"))
    _, passages = read_prompt(generator.prompts[0])
    assert [number for number, _ in passages] == [1, 2]
    used = [item.hit for item in answer.retrieved if item.used]
    assert len(answer.retrieved) == 5
    assert len(used) == 2
    for hit, (_, text) in zip(used, passages, strict=True):
        assert all(line in hit.chunk.text for line in text.split("\n"))
    assert (answer.usage.passages_sent, answer.usage.passages_left_out) == (2, 3)


async def test_the_prompt_keeps_to_its_tokens(library: Library) -> None:
    ingest(library, many_paragraphs(12, "leave"))
    generator = ScriptedGenerator(TRUE)
    alone, _ = await generator.count_tokens(answer_messages("leave1 leave2", ()))
    limits = Generation(prompt_tokens=alone + 250)
    narrow = service(library, generator, library.settings.model_copy(update={"generation": limits}))
    answer = await narrow.ask(Question("leave1 leave2"))
    assert alone < answer.usage.prompt_tokens <= alone + 250
    assert answer.usage.passages_sent + answer.usage.passages_left_out == len(answer.retrieved)


async def test_the_prompt_is_as_long_as_can_be_read_in_time_and_the_instructions_cost_nothing(library: Library) -> None:
    ingest(library, many_paragraphs(12, "leave"))
    asked = Question("leave1 leave2", style="brief")

    async def tokens(per_s: float, context_tokens: int = 16_000, **generation: float) -> tuple[int, int]:
        speed = PromptSpeed(per_s, True)
        generator = ScriptedGenerator(TRUE, context_tokens=context_tokens, prompt_speed=speed)
        settings = library.settings.model_copy(update={"generation": Generation.model_validate(generation)})
        answer = await service(library, generator, settings).ask(asked)
        fixed, _ = await generator.count_tokens((*answer_messages("", (), "brief")[:1], Message("user", "")))
        return answer.usage.prompt_tokens - fixed, fixed

    slow, fixed = await tokens(1)
    middle, _ = await tokens(100)
    assert fixed > 50
    assert slow <= 400 < middle <= 800
    patient, _ = await tokens(100, first_token_s=4)
    assert slow < patient + fixed
    assert patient <= 400
    pinned, _ = await tokens(100, prompt_tokens=250)
    assert pinned + fixed <= 250
    wide, _ = await tokens(10_000)
    narrow, _ = await tokens(10_000, context_tokens=192 + fixed + 500)
    assert narrow <= 500 < wide


async def test_a_back_end_without_a_prompt_to_read_gets_all_that_fits(library: Library) -> None:
    ingest(library, many_paragraphs(12, "leave"))
    generator = ScriptedGenerator(TRUE, prompt_speed=None)
    settings = library.settings.model_copy(update={"generation": Generation(prompt_tokens=250)})
    answer = await service(library, generator, settings).ask(Question("leave1 leave2"))
    assert answer.usage.prompt_tokens > 250


async def test_the_style_decides_the_prompt_and_the_hash(library: Library) -> None:
    ingest(library, LEAVE)
    generator = ScriptedGenerator(TRUE)
    asked = service(library, generator)
    full, brief = [await asked.ask(Question("How many unused days?", style=style)) for style in ("full", "brief")]
    assert [prompt[0].content for prompt in generator.prompts] == [FULL_INSTRUCTIONS, BRIEF_INSTRUCTIONS]
    assert [prompt[-1].content.endswith("alone.)") for prompt in generator.prompts] == [False, True]
    assert (full.settings_hash, brief.settings_hash) == (asked.hash_settings(), asked.hash_settings("brief"))
    assert full.settings_hash != brief.settings_hash


async def test_sentences_are_sized_all_at_once_and_long_ones_cut(library: Library) -> None:
    class Counts(WordHashEmbedder):
        def __init__(self) -> None:
            self.counted: list[int] = []
            self.longest = 0

        def count_tokens(self, texts: Sequence[str]) -> list[int]:
            self.counted.append(len(texts))
            return super().count_tokens(texts)

        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            self.longest = max(self.longest, *super().count_tokens(texts))
            return super().embed_passages(texts)

    embedder = Counts()
    rules = " ".join(f"Rule {n} of leave holds." for n in range(20))
    ingest(library, f"{rules} {'Leave of days and ' * 15}more.")
    forget_sentences(library)
    small = service(library, ScriptedGenerator(TRUE), library.settings, embedder)
    embedder.max_tokens = 40
    await small.ask(Question("Which rules of leave hold?"))
    assert max(embedder.counted) == 21
    assert embedder.counted.count(1) < 8  # the question, and the halves of the long one
    assert 8 < embedder.longest <= 40


async def test_sentences_with_vectors_are_not_embedded_again(library: Library) -> None:
    class Remembers(WordHashEmbedder):
        def __init__(self) -> None:
            self.texts: list[str] = []

        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            self.texts.extend(texts)
            return super().embed_passages(texts)

    ingest(library, f"{LEAVE} The gate opens at seven.")
    embedder = Remembers()
    asked = service(library, ScriptedGenerator(TRUE), library.settings, embedder)
    with_vectors = await asked.ask(Question("How many days carry over?"))
    assert set(embedder.texts) == {"How many days carry over?"}
    forget_sentences(library)
    without = await asked.ask(Question("How many days carry over?"))
    assert any("seven" in text for text in embedder.texts)
    assert without.text == with_vectors.text


async def test_top_k_bounds_what_is_retrieved(library: Library) -> None:
    for n in range(5):
        ingest(library, f"{LEAVE} Branch {n}.", f"{n}.md")
    answer = await ask(library, TRUE, top_k=3)
    assert [item.hit.rank for item in answer.retrieved] == [1, 2, 3]


def test_the_settings_hash_names_what_can_change_an_answer(library: Library) -> None:
    settings = library.settings

    def named(**update: object) -> str:
        return service(library, ScriptedGenerator(), settings.model_copy(update=update)).hash_settings()

    same = named()
    assert named(data_dir=Path("elsewhere"), model_dir=Path("x")) == same
    assert named(generation=Generation(api_key="secret")) == same  # type: ignore[arg-type]
    others = [
        named(retrieval=Retrieval(top_k=9)),
        named(answers=Answers(mode="flag")),
        named(generation=Generation(seed=8)),
    ]
    assert len({same, *others}) == 4


@pytest.mark.parametrize("mode", ["strict", "flag"])
async def test_every_citation_of_a_pdf_is_exact(library: Library, mode: str) -> None:
    """A real PDF through the real reader: quote, page and boxes of what an answer cites."""
    with handbook().open("rb") as stream:
        from ingest.pipeline import accept_file

        accept_file(library.catalog, stream, name="handbook.pdf", source="handbook.pdf", collection="default")
    record = library.catalog.queue.claim_next()
    assert record is not None
    limits = library.settings
    assert prepare_document(library.catalog, record, library.embedder, parsing=limits.parsing, chunking=limits.chunking)
    publish_prepared(library.catalog, library.index)
    document = library.catalog.documents.load(record.id)
    assert len(document.pages) > 1

    def quotes_each(messages: Sequence[Message]) -> str:
        """A sentence out of each passage that was sent, with its marker."""
        from rag.text import split_sentences

        said = []
        for number, text in read_prompt(messages)[1]:
            start, end = max(split_sentences(text), key=lambda span: span[1] - span[0])
            said.append(f"{' '.join(text[start:end].split()).rstrip('.')} [{number}].")
        return " ".join(said)

    generator = ScriptedGenerator(quotes_each)
    asked = Question("How many days of leave and which rules for expenses apply?", mode=mode)  # type: ignore[arg-type]
    answer = await service(library, generator).ask(asked)
    assert len(answer.citations) >= 3
    pages = {page.number: page for page in document.pages}
    for citation in answer.citations:
        assert document.text[citation.span.start : citation.span.end] == citation.quote
        assert citation.page is not None
        page = pages[citation.page]
        assert page.start <= citation.span.start < page.end
        assert citation.boxes
        for box in citation.boxes:
            there = pages[box.page]
            assert 0 <= box.x0 < box.x1 <= there.width
            assert 0 <= box.y0 < box.y1 <= there.height


async def test_text_of_anyone_is_verified_and_a_blank_one_refused(library: Library) -> None:
    ingest(library, LEAVE)
    checked = await service(library, ScriptedGenerator()).verify(f"{LEAVE} Penguins play golf on Sundays.", Scope())
    assert [sentence.verdict for sentence in checked.sentences][-1] == "unsupported"
    assert checked.sentences[0].verdict == "supported"
    with pytest.raises(InputError, match="empty"):
        await service(library, ScriptedGenerator()).verify(" \n", Scope())


async def test_a_dropped_index_is_no_crash(library: Library) -> None:
    ingest(library, LEAVE)
    library.index.rebuild(library.catalog)
    assert (await ask(library, TRUE)).status == "answered"
    assert upload(library.catalog, LEAVE).is_new is False
