"""The same question has the same answer and the same citations through every door."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from browsing import open_browser
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import Served, build_app, listening

from api.cli import main
from api.client import AsyncClient, Client
from api.plugs.llama_index import FootnoteQueryEngine
from rag.settings import Settings

QUESTION = "What is the gate code, and when does the gate open?"
REPLY = "The gate code is 4711 [1]. The gate opens at seven [1]."


@pytest.fixture
def url(settings: Settings, pdf: Callable[..., bytes]) -> Iterator[str]:
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator(REPLY))
    with listening(app) as address:
        app.state.door.runtime().library.announce("serve", address)
        with httpx.Client(base_url=address, trust_env=False) as http:
            served = Served(app, http, settings)  # type: ignore[arg-type]
            served.add("gate.pdf", pdf("Nothing is on this page.", "The gate code is 4711. The gate opens at seven."))
        yield address


@pytest.fixture
def expected(url: str) -> dict[str, Any]:
    """The answer of /v1/query."""
    answer = httpx.post(f"{url}/v1/query", json={"question": QUESTION}, trust_env=False).json()
    assert [one["quote"] for one in answer["citations"]] == ["The gate code is 4711.", "The gate opens at seven."]
    assert all(one["boxes"] and one["page"] == 2 for one in answer["citations"])
    return told(answer)


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """What must be the same: everything but the times."""
    return {name: value for name, value in answer.items() if name != "timings_ms"}


def of_text(text: str, expected: dict[str, Any]) -> None:
    """The text of a chat is the answer and the list of its citations."""
    answer, _, sources = text.partition("\n\nSources:\n\n")
    assert answer == expected["answer"]
    assert sources.splitlines() == [
        f"- [{one['number']}] {one['document_name']}, page {one['page']}: “{one['quote']}”"
        for one in expected["citations"]
    ]


def test_the_clients(url: str, expected: dict[str, Any]) -> None:
    with Client(url) as client:
        assert told(client.ask(QUESTION).model_dump(mode="json")) == expected
        assert told(list(client.stream(QUESTION))[-1].model_dump(mode="json")) == expected

    async def awaited() -> dict[str, Any]:
        async with AsyncClient(url) as client:
            return (await client.ask(QUESTION)).model_dump(mode="json")

    assert told(asyncio.run(awaited())) == expected


@pytest.mark.parametrize("stream", [False, True])
def test_openai(url: str, expected: dict[str, Any], stream: bool) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    asked: Any = {"model": "footnote", "messages": [{"role": "user", "content": QUESTION}], "stream": stream}
    if stream:
        chunks = list(client.chat.completions.create(**asked))
        of_text("".join(one.choices[0].delta.content or "" for one in chunks), expected)
        assert told(chunks[-1].model_extra["footnote"]) == expected
        response = list(client.responses.create(model="footnote", input=QUESTION, stream=True))[-1].response
    else:
        done = client.chat.completions.create(**asked)
        of_text(done.choices[0].message.content, expected)
        assert told(done.model_extra["footnote"]) == expected
        response = client.responses.create(model="footnote", input=QUESTION)
    of_text(response.output_text, expected)
    assert told(response.model_extra["footnote"]) == expected
    client.close()


def test_mcp(url: str, expected: dict[str, Any]) -> None:
    mcp = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

    async def called() -> Any:
        async with mcp.Client(f"{url}/mcp") as client:
            return await client.call_tool("ask", {"question": QUESTION})

    result = asyncio.run(called())
    assert told(result.structured_content) == expected
    of_text(result.content[0].text, expected)


def test_llama_index(url: str, expected: dict[str, Any]) -> None:
    response = FootnoteQueryEngine(url).query(QUESTION)
    assert str(response) == expected["answer"]
    assert told(response.metadata or {}) == expected  # type: ignore[arg-type]
    assert [(one.text, one.metadata["page"], one.metadata["start"]) for one in response.source_nodes] == [
        (one["quote"], one["page"], one["start"]) for one in expected["citations"]
    ]


def test_langchain(url: str, expected: dict[str, Any]) -> None:
    pytest.importorskip("langchain_core", reason="the extra `langchain` is not installed")
    from api.plugs.langchain import FootnoteAnswers, FootnoteRetriever

    assert told(FootnoteAnswers(url=url).invoke(QUESTION).model_dump(mode="json")) == expected
    passages = FootnoteRetriever(url=url).invoke(QUESTION)
    for citation in expected["citations"]:
        assert any(citation["quote"] in one.page_content for one in passages)


def test_the_command_line(
    url: str, expected: dict[str, Any], settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", QUESTION, "--json", "--data-dir", str(settings.data_dir)]) == 0
    assert told(json.loads(capsys.readouterr().out)) == expected


def test_the_page(url: str, expected: dict[str, Any]) -> None:
    with open_browser() as browser:
        page = browser.new_page(reduced_motion="reduce")
        page.goto(url)
        page.fill("#question", QUESTION)
        page.keyboard.press("Enter")
        page.locator(".outcome").wait_for()
        thread_id = page.url.rpartition("/")[2]
        (turn,) = httpx.get(f"{url}/v1/threads/{thread_id}", trust_env=False).json()["messages"]
        assert told(turn["answer"]) == expected | {"thread_id": thread_id, "turn_id": turn["id"]}

        def shown(place: str) -> list[str]:
            return [one.inner_text() for one in page.locator(place).all()]

        assert " ".join(shown(".sentences p")) == re.sub(r" \[(\d+)\]", r"\1", expected["answer"])
        assert [one.lower().replace(" ", "_") for one in shown(".sentences .verdict")] == [
            one["verdict"] for one in expected["sentences"]
        ]
        assert list(
            zip(shown(".sources .number"), shown(".sources .quote"), shown(".sources .where"), strict=True)
        ) == [
            (str(one["number"]), one["quote"], f"{one['document_name']}\npage {one['page']}")
            for one in expected["citations"]
        ]
