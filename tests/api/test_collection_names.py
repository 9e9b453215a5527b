"""A collection may have a name in any script, through every door, however its letters are composed."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import openai
import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import Served, build_app, listening

from api.cli import main
from api.client import Client
from rag.settings import Settings

NAMES = ("คู่มือพนักงาน", "دليل الموظفين", "कर्मचारी पुस्तिका", "Sổ tay nhân viên", "𞤆𞤵𞤤𞤢𞤪", "မှတ်တမ်း ၂၀၂၄")
QUESTION = "What is the gate code?"
REPLY = "The gate code is 4711 [1]."


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(settings: Settings, name: str) -> Iterator[str]:
    """A server with a document in a collection of that name, sent decomposed, and another document elsewhere."""
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator(REPLY))
    with listening(app) as address:
        app.state.door.runtime().library.announce("serve", address)
        with httpx.Client(base_url=address, trust_env=False) as http:
            served = Served(app, http, settings)  # type: ignore[arg-type]
            served.add("gate.txt", b"The gate code is 4711.", collection=unicodedata.normalize("NFD", name))
            served.add("other.txt", b"The gate code is 1234.")
        yield address


def only_gate(answer: dict[str, Any]) -> None:
    assert {one["document_name"] for one in answer["citations"]} == {"gate.txt"}
    assert {one["document_name"] for one in answer["retrieved"]} == {"gate.txt"}


def test_http_and_the_client(url: str, name: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as http:
        listed = http.get("/v1/collections").json()["collections"]
        assert {one["name"] for one in listed} == {unicodedata.normalize("NFC", name), "default"}
        only_gate(http.post("/v1/query", json={"question": QUESTION, "collection": name}).json())
        found = http.get("/v1/documents", params={"collection": name}).json()
        assert [one["name"] for one in found["documents"]] == ["gate.txt"]
    with Client(url) as client:
        only_gate(client.ask(QUESTION, collection=name).model_dump(mode="json"))
    with httpx.Client(base_url=url, trust_env=False) as http:
        assert http.delete(f"/v1/collections/{quote(unicodedata.normalize('NFD', name))}").status_code == 204
        assert [one["name"] for one in http.get("/v1/collections").json()["collections"]] == ["default"]


def test_a_model_of_chat_completions(url: str, name: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    model = f"footnote/{unicodedata.normalize('NFC', name)}"
    assert model in {one.id for one in client.models.list()}
    assert client.models.retrieve(model).id == model
    messages: Any = [{"role": "user", "content": QUESTION}]
    done = client.chat.completions.create(model=f"footnote/{name}", messages=messages)
    only_gate(done.model_extra["footnote"])  # type: ignore[index]
    client.close()


def test_mcp(url: str, name: str) -> None:
    mcp = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

    async def called() -> Any:
        async with mcp.Client(f"{url}/mcp") as client:
            return await client.call_tool("ask", {"question": QUESTION, "collection": name})

    only_gate(asyncio.run(called()).structured_content)


def test_the_command_line(url: str, name: str, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ask", QUESTION, "--json", "--collection", name, "--data-dir", str(settings.data_dir)]
    assert main(words) == 0
    only_gate(json.loads(capsys.readouterr().out))
