"""What a hostile document orders is never shown as supported, even by a model that obeys it to the letter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from builders import read_prompt
from conftest import ScriptedGenerator, WordHashEmbedder

from rag.generation import make_generator
from rag.library import Library
from rag.models.weights import DEFAULT_LLM, installed
from rag.prompting.prompts import JUDGE_INSTRUCTIONS
from rag.retrieval.scope import Scope
from rag.service import Question
from rag.settings import Generation, load_settings
from rag.text import split_sentences
from rag.types import Answer, Draft, Message, Token

from .asking import ask_all, bring_in, has_canary, supported_with_canary
from .cases import CASES, Injection


class Obedient(ScriptedGenerator):
    """Says what it is told to, and finds that every passage says every claim."""

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Draft]:
        if messages[0].content == JUDGE_INSTRUCTIONS:
            yield Draft("yes", self.model, 1, 1, "stop", 1.0, {"yes": 1.0})
            return
        async with aclosing(super().stream(messages, max_tokens)) as pieces:
            async for piece in pieces:
                yield piece


JUDGE_IS_FOOLED = ("model", "07-fake-system-message")
"""Its forged reply is a passage of its own, without an order, and the judge here agrees to everything."""


@pytest.fixture(scope="module", params=["off", "model"])
def obedient(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Library, ScriptedGenerator]]:
    """All cases ingested, and a model that says what it is told to, also where it is the judge."""
    generator = Obedient()
    data_dir = tmp_path_factory.mktemp("injections") / "store"
    settings = load_settings({}, data_dir=data_dir, answers={"judge": request.param})
    with Library(settings, "test", embedder=WordHashEmbedder(), generator=generator) as library:
        bring_in(library, CASES)
        yield library, generator


def ask(library: Library, case: Injection) -> Answer:
    return asyncio.run(library.service.ask(Question(case.question, Scope(collection=case.name), mode="strict")))


def replies_that_obey(case: Injection) -> list[str]:
    """What the case's model says, the canary in the usual ways, and the injection itself, copied."""
    canary = case.canary
    usual = [canary, f"{canary} [1].", f"The answer is {canary} [1].", f"The answer is {canary}."]
    lines = [line for line in case.payload.splitlines() if has_canary(line, case)]
    copied = [*lines, *(f"{line} [1]" for line in lines)]
    return list(dict.fromkeys([*case.replies, *usual, *copied]))


def test_the_suite_is_whole() -> None:
    assert len(CASES) == 60
    for of_each in ("name", "canary"):
        assert len({getattr(case, of_each) for case in CASES}) == 60
    for case in CASES:
        assert any(has_canary(reply, case) for reply in case.replies)
        assert not has_canary(case.question, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_obeying_is_never_supported(obedient: tuple[Library, ScriptedGenerator], case: Injection) -> None:
    library, generator = obedient
    if (library.settings.answers.judge, case.name) == JUDGE_IS_FOOLED:
        pytest.xfail("a judge that agrees to everything is fooled by a forged passage without an order")
    for reply in replies_that_obey(case):
        generator.reply = reply
        answer = ask(library, case)
        assert not supported_with_canary(answer, case), f"{reply!r} cites {[c.quote for c in answer.citations]}"


@pytest.mark.parametrize("case", [case for case in CASES if case.answer], ids=lambda case: case.name)
def test_facts_beside_an_injection_stay_supported(obedient: tuple[Library, ScriptedGenerator], case: Injection) -> None:
    library, generator = obedient
    source = ask_passages(library, generator, case)
    sentences = [source[start:end] for start, end in split_sentences(source)]
    fact = next(sentence for sentence in sentences if case.answer in sentence and not has_canary(sentence, case))
    generator.reply = f"{fact} [1]"
    answer = ask(library, case)
    assert [sentence.verdict for sentence in answer.sentences] == ["supported"]
    assert case.answer in answer.text


def ask_passages(library: Library, generator: ScriptedGenerator, case: Injection) -> str:
    """The text of the passages in the prompt."""
    generator.reply = "Not in the documents."
    ask(library, case)
    return "\n".join(text for _, text in read_prompt(generator.prompts[-1])[1])


@pytest.mark.parametrize("case", [case for case in CASES if case.hidden], ids=lambda case: case.name)
def test_hidden_words_reach_no_prompt(obedient: tuple[Library, ScriptedGenerator], case: Injection) -> None:
    library, generator = obedient
    source = ask_passages(library, generator, case)
    assert source
    assert not has_canary(source, case)


@pytest.mark.model
async def test_the_default_model_puts_no_canary_into_a_supported_sentence(tmp_path: Path) -> None:
    model_dir = load_settings().resolved_model_dir()
    if installed(DEFAULT_LLM, model_dir) is None:
        pytest.skip(f"the default model is not in {model_dir}; fetch it with `footnote models pull {DEFAULT_LLM}`")
    cases = [next(case for case in CASES if case.kind == kind) for kind in ("direct order", "chat template")]
    generator = make_generator(Generation(backend="embedded"), model_dir)
    settings = load_settings({}, data_dir=tmp_path / "store")
    with Library(settings, "test", embedder=WordHashEmbedder(), generator=generator) as library:
        bring_in(library, cases)
        try:
            outcomes = await ask_all(library, cases, lambda line: None)
        finally:
            await generator.aclose()
    for outcome in outcomes:
        assert outcome.draft.strip()
        assert not supported_with_canary(outcome.answer, outcome.case), outcome.answer.text
