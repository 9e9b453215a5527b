"""The Python client, with and without asyncio, of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing, closing
from inspect import signature
from pathlib import Path

import httpx
import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import Cold, Endless, build_app, listening

from api.client import AsyncClient, Client
from api.http.schemas.answers import AnswerBody, Hits, StatusBody, TokenBody
from api.http.schemas.documents import DocumentBody
from api.http.schemas.questions import HistoryTurn
from rag.errors import DependencyError, FootnoteError
from rag.settings import Settings

GATE = "The gate code is 4711. The gate opens at seven."
QUESTION = "What is the gate code?"


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator("The gate code is 4711 [1]."), work=True)
    with listening(app) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gate.txt"
    path.write_text(GATE, encoding="utf-8")
    return path


def test_a_document_is_uploaded_with_progress_read_and_deleted(client: Client, file: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    states: list[DocumentBody] = []
    uploaded = client.upload(file, progress=lambda sent, size: seen.append((sent, size)))
    assert seen[-1] == (len(GATE), len(GATE))
    document = client.wait(uploaded.id, on_change=states.append)
    assert (document.name, document.status, states[-1]) == ("gate.txt", "ready", document)
    assert client.document(uploaded.id) == document
    assert client.documents().documents == client.documents("default").documents == [document]
    assert client.text(uploaded.id).text == GATE
    assert client.text(uploaded.id, 4, 8).text == "gate"
    with pytest.raises(FootnoteError, match="page") as refused:
        client.page(uploaded.id, 1)
    assert (refused.value.code, refused.value.status) == ("not_found", 404)
    client.delete(uploaded.id)
    assert client.documents().total == 0

    big = tmp_path / "big.txt"
    big.write_bytes(b"The pump is blue. " * 60_000)
    seen.clear()
    client.upload(big, name="pumps.txt", collection="pumps", progress=lambda sent, size: seen.append((sent, size)))
    assert len(seen) > 1
    assert [sent for sent, _ in seen] == sorted({sent for sent, _ in seen})
    assert client.documents("pumps").documents[0].name == "pumps.txt"


def test_questions_searches_and_checks(client: Client, file: Path) -> None:
    client.wait(client.upload(file).id)
    answer = client.ask(QUESTION, style="full", mode="strict", top_k=3, collection="default")
    assert (answer.status, answer.citations[0].quote) == ("answered", "The gate code is 4711.")
    assert client.search("gate code", top_k=1).hits[0].document_name == "gate.txt"
    assert client.search("gate code", document_ids=()).hits == []
    assert [one.verdict for one in client.verify(GATE, QUESTION, collection="default").sentences] == ["supported"] * 2
    turn = HistoryTurn(question="Tell me of the gate.", answer="It has a code.")
    assert client.ask("What is it?", history=[turn]).standalone_question is not None


def test_a_stream_yields_typed_events(client: Client, file: Path) -> None:
    client.wait(client.upload(file).id)
    first, *tokens, last = client.stream(QUESTION)
    assert isinstance(first, Hits)
    assert all(isinstance(one, TokenBody) for one in tokens)
    assert isinstance(last, AnswerBody)
    whole = client.ask(QUESTION)
    assert (last.answer, last.citations) == (whole.answer, whole.citations)
    with pytest.raises(FootnoteError, match="nowhere"):
        list(client.stream(QUESTION, collection="nowhere"))


def test_a_stream_tells_that_the_model_is_being_loaded(settings: Settings, file: Path) -> None:
    app = build_app(settings, WordHashEmbedder(), Cold("The gate code is 4711 [1]."), work=True)
    with listening(app) as address, Client(address) as client:
        client.wait(client.upload(file).id)
        hits, status, *_, answer = client.stream(QUESTION)
    assert isinstance(hits, Hits)
    assert status == StatusBody(model="scripted/1")
    assert isinstance(answer, AnswerBody)


def test_both_clients_have_the_same_methods() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        public = {name: value for name, value in vars(client).items() if not name.startswith("_")}
        return {name: [str(one) for one in signature(value).parameters.values()] for name, value in public.items()}

    assert methods(Client) == methods(AsyncClient)
    assert {name: getattr(Client, name).__doc__ for name in methods(Client) if name != "stream"} == {
        name: getattr(AsyncClient, name).__doc__ for name in methods(AsyncClient) if name != "stream"
    }


async def test_the_same_calls_are_awaited(url: str, client: Client, file: Path) -> None:
    sent: list[int] = []
    async with AsyncClient(url) as awaiting:
        uploaded = await awaiting.upload(file, progress=lambda done, _: sent.append(done))
        document = await awaiting.wait(uploaded.id)
        assert sent[-1] == len(GATE)
        assert document == client.document(uploaded.id) == await awaiting.document(uploaded.id)
        answer = await awaiting.ask(QUESTION)
        assert answer.citations == client.ask(QUESTION).citations
        assert await awaiting.search("gate code") == client.search("gate code")
        assert await awaiting.verify(GATE) == client.verify(GATE)
        assert await awaiting.text(uploaded.id) == client.text(uploaded.id)
        events = [event async for event in awaiting.stream(QUESTION)]
        assert isinstance(events[-1], AnswerBody)
        with pytest.raises(FootnoteError, match="nowhere"):
            await awaiting.documents("nowhere")
        with pytest.raises(FootnoteError, match="page"):
            await awaiting.page(uploaded.id, 1)
        await awaiting.delete(uploaded.id)
        assert (await awaiting.documents()).total == 0


def test_closing_a_stream_stops_the_model(settings: Settings, file: Path) -> None:
    generator = Endless()
    with listening(build_app(settings, WordHashEmbedder(), generator, work=True)) as url, Client(url) as client:
        client.wait(client.upload(file).id)
        with closing(client.stream(QUESTION)) as events:
            assert isinstance(next(events), Hits)
            assert isinstance(next(events), TokenBody)
        assert generator.stopped.wait(10)


async def test_closing_an_awaited_stream_stops_the_model(settings: Settings, file: Path) -> None:
    generator = Endless()
    with listening(build_app(settings, WordHashEmbedder(), generator, work=True)) as url:
        async with AsyncClient(url) as client:
            await client.wait((await client.upload(file)).id)
            async with aclosing(client.stream(QUESTION)) as events:
                assert isinstance(await anext(events), Hits)
                assert isinstance(await anext(events), TokenBody)
        assert generator.stopped.wait(10)


async def test_what_is_no_server_is_said(tmp_path: Path) -> None:
    with Client("http://127.0.0.1:9") as client:
        for call in (client.documents, lambda: list(client.stream(QUESTION))):
            with pytest.raises(DependencyError, match="does not answer"):
                call()
    async with AsyncClient("http://127.0.0.1:9") as awaiting:
        with pytest.raises(DependencyError, match="does not answer"):
            await awaiting.documents()
    replies = {
        "/v1/documents": httpx.Response(502, text="Bad gateway"),
        "/v1/search": httpx.Response(200, json={"other": 1}),
        "/v1/query": httpx.Response(200, text='event: retrieval\ndata: {"hits": []}\n\n'),
    }
    transport = httpx.MockTransport(lambda request: replies[request.url.path])
    with Client(http=httpx.Client(transport=transport, base_url="http://127.0.0.1:8000")) as client:
        with pytest.raises(DependencyError, match="502"):
            client.documents()
        with pytest.raises(DependencyError, match="cannot read"):
            client.search("gate")
        with pytest.raises(DependencyError, match="ended the stream"):
            list(client.stream(QUESTION))
