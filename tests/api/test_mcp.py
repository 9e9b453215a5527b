"""The Model Context Protocol with the official client: over HTTP, and on stdin and stdout."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import ingest
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import Endless, Served, Unreachable, build_app, listening

from api.commands.context import CommandContext, Models
from api.commands.mcp import OpenedLater
from api.http.schemas.answers import AnswerBody, Hits, VerifiedBody
from api.http.schemas.documents import Documents, PageBody
from rag.errors import DataDirectoryInUse
from rag.library import Library
from rag.settings import Settings
from rag.store.lock import claim_directory

mcp = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
from mcp import Client, MCPError, StdioServerParameters  # noqa: E402

from api.mcp.server import make_server  # noqa: E402

ROOT = Path(__file__).parents[2]
GATE = "The gate code is 4711. The gate opens at seven."
QUESTION = "What is the gate code?"
TOOLS = {"search", "ask", "verify", "list_documents", "get_page"}


@pytest.fixture
def generator() -> ScriptedGenerator:
    return ScriptedGenerator("The gate code is 4711 [1].")


@pytest.fixture
def app(settings: Settings, generator: ScriptedGenerator) -> Any:
    return build_app(settings, WordHashEmbedder(), generator)


@pytest.fixture
def url(app: Any, settings: Settings, pdf: Callable[..., bytes]) -> Iterator[str]:
    with listening(app) as address:
        app.state.door.runtime().library.announce("serve", address)
        with httpx.Client(base_url=address, trust_env=False) as http:
            served = Served(app, http, settings)  # type: ignore[arg-type]
            served.add("gate.pdf", pdf("The first page is empty.", GATE))
            served.add("door.txt", b"The door code is 4712.", collection="doors")
        yield address


def _stdio(settings: Settings) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "api.cli", "mcp", "--data-dir", str(settings.data_dir)],
        env={"PYTHONPATH": str(ROOT)},
        cwd=str(ROOT),
    )


@asynccontextmanager
async def opened(way: str, url: str, settings: Settings, mode: Any) -> AsyncIterator[Client]:
    """The official client, over HTTP or of `footnote mcp` beside the running server."""
    async with Client(f"{url}/mcp" if way == "http" else _stdio(settings), mode=mode) as client:
        yield client


WAYS = pytest.mark.parametrize(("way", "mode"), [("http", "auto"), ("http", "legacy"), ("stdio", "auto")])


@WAYS
async def test_the_tools_answer_with_structured_output(url: str, settings: Settings, way: str, mode: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        listed = (await http.get("/v1/documents")).json()
        asked = (await http.post("/v1/query", json={"question": QUESTION, "collection": "default"})).json()
        found = (await http.post("/v1/search", json={"query": "gate code", "top_k": 1})).json()
        checked = (await http.post("/v1/verify", json={"text": GATE})).json()
        document = listed["documents"][0]["id"]
        page = (await http.get(f"/v1/documents/{document}/pages/2")).json()
    async with opened(way, url, settings, mode) as client:
        tools = {one.name: one for one in (await client.list_tools()).tools}
        assert set(tools) == TOOLS
        for tool in tools.values():
            assert tool.description
            assert tool.output_schema is not None
            assert tool.annotations is not None
            assert (tool.annotations.read_only_hint, tool.annotations.open_world_hint) == (True, False)
        answer = await client.call_tool("ask", {"question": QUESTION, "collection": "default"})
        told = AnswerBody.model_validate(answer.structured_content).model_dump(mode="json")
        assert told | {"timings_ms": 0} == asked | {"timings_ms": 0}
        assert answer.content[0].text.endswith("- [1] gate.pdf, page 2: “The gate code is 4711.”")
        hits = await client.call_tool("search", {"query": "gate code", "top_k": 1})
        assert Hits.model_validate(hits.structured_content).model_dump(mode="json") == found
        verified = await client.call_tool("verify", {"text": GATE})
        assert VerifiedBody.model_validate(verified.structured_content).model_dump(mode="json") == checked
        documents = await client.call_tool("list_documents", {})
        assert Documents.model_validate(documents.structured_content).model_dump(mode="json") == listed
        few = await client.call_tool("list_documents", {"collection": "doors", "limit": 1, "status": "ready"})
        assert [one["name"] for one in few.structured_content["documents"]] == ["door.txt"]
        read = await client.call_tool("get_page", {"document_id": document, "page": 2})
        assert PageBody.model_validate(read.structured_content).model_dump(mode="json") == page
        templates = (await client.list_resource_templates()).resource_templates
        assert [one.uri_template for one in templates] == ["footnote://documents/{id}/pages/{n}"]
        resource = await client.read_resource(f"footnote://documents/{document}/pages/2")
        assert [(one.text, one.mime_type) for one in resource.contents] == [(page["text"], "text/plain")]


@WAYS
async def test_failures_are_errors(url: str, settings: Settings, way: str, mode: str) -> None:
    calls: list[tuple[str, dict[str, Any], str]] = [
        ("search", {"query": "gate", "collection": "nowhere"}, "not_found: There is no collection 'nowhere'"),
        ("search", {"query": " "}, "`query`"),
        ("search", {"query": "gate", "top_k": 5_000}, "`top_k` is 5000"),
        ("ask", {"question": QUESTION, "document_ids": ["f00"]}, "not_found"),
        ("ask", {"question": QUESTION, "style": "long"}, "style"),
        ("verify", {"text": ""}, "`text`"),
        ("list_documents", {"collection": "nowhere"}, "not_found"),
        ("get_page", {"document_id": "f00", "page": 1}, "There is no document 'f00'"),
    ]
    async with opened(way, url, settings, mode) as client:
        for name, arguments, said in calls:
            result = await client.call_tool(name, arguments)
            assert result.is_error, name
            assert result.structured_content is None
            assert said in result.content[0].text, (name, result.content[0].text)
        for uri in ("footnote://documents/f00/pages/1", "footnote://documents/f00/pages/x"):
            with pytest.raises(MCPError, match=r"f00|no page number"):
                await client.read_resource(uri)


async def test_a_refusal_is_a_result(url: str, settings: Settings, generator: ScriptedGenerator) -> None:
    generator.reply = "Penguins live at the south pole [1]."
    async with opened("http", url, settings, "auto") as client:
        result = await client.call_tool("ask", {"question": "Where do penguins live?"})
    assert not result.is_error
    assert (result.structured_content["status"], result.structured_content["citations"]) == ("not_found", [])


async def test_a_model_that_is_down_is_an_error(settings: Settings) -> None:
    app = build_app(settings, WordHashEmbedder(), Unreachable())
    with listening(app) as url:
        with httpx.Client(base_url=url, trust_env=False) as http:
            await asyncio.to_thread(Served(app, http, settings).add, "gate.txt", GATE.encode())  # type: ignore[arg-type]
        async with Client(f"{url}/mcp") as client:
            result = await client.call_tool("ask", {"question": QUESTION})
    assert result.is_error
    assert "Start the model server" in result.content[0].text


async def test_the_model_stops_when_the_client_leaves(settings: Settings) -> None:
    generator = Endless()
    app = build_app(settings, WordHashEmbedder(), generator)
    with listening(app) as url:
        with httpx.Client(base_url=url, trust_env=False) as http:
            await asyncio.to_thread(Served(app, http, settings).add, "gate.txt", GATE.encode())  # type: ignore[arg-type]

        async def ask() -> None:
            async with Client(f"{url}/mcp") as client:
                await client.call_tool("ask", {"question": QUESTION})

        asking = asyncio.create_task(ask())
        assert await asyncio.to_thread(generator.started.wait, 10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await asyncio.to_thread(generator.stopped.wait, 10), "the model was not stopped"


async def test_without_a_server_the_first_call_opens_the_data_directory(
    settings: Settings, generator: ScriptedGenerator
) -> None:
    models = Models(WordHashEmbedder(), generator)
    with Library(settings, "test", embedder=models.embedder, generator=generator) as library:
        document = ingest(library, GATE, "gate.txt")
    context = CommandContext(settings, "mcp", models=models)
    async with AsyncExitStack() as closing, Client(make_server(OpenedLater(context, closing))) as client:
        assert {one.name for one in (await client.list_tools()).tools} == TOOLS
        claim_directory(context.data_dir, "test").release()  # not owned yet
        first, second = await asyncio.gather(
            client.call_tool("ask", {"question": QUESTION}), client.call_tool("list_documents", {})
        )
        assert first.structured_content["citations"][0]["quote"] == "The gate code is 4711."
        assert [one["id"] for one in second.structured_content["documents"]] == [document]
        with pytest.raises(DataDirectoryInUse):
            claim_directory(context.data_dir, "test")
    claim_directory(context.data_dir, "test").release()


async def test_a_data_directory_in_use_is_an_error(settings: Settings, library: Library) -> None:
    context = CommandContext(settings, "mcp", models=Models(library.embedder, library.generator))
    async with AsyncExitStack() as closing, Client(make_server(OpenedLater(context, closing))) as client:
        result = await client.call_tool("search", {"query": "gate"})
    assert result.is_error
    assert "data_directory_in_use" in result.content[0].text


def test_the_command_ends_with_its_input(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", "mcp", "--data-dir", str(settings.data_dir)],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
