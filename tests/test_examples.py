"""The examples run against a real server and show the answer with its citations."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import build_app, listening
from typescript import is_typescript

from rag.settings import Settings

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
QUESTION = "What is the gate code?"
NEEDS = {"langchain_retriever": "langchain_core", "mcp_client": "mcp", "openai_client": "openai"}


@pytest.fixture
def gate(tmp_path: Path, pdf: Callable[..., bytes]) -> Path:
    path = tmp_path / "gate.pdf"
    path.write_bytes(pdf("The gate code is 4711. The gate opens at seven."))
    return path


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator("The gate code is 4711 [1]."), work=True)
    with listening(app) as address:
        yield address


def run(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "python_client"))
def test_an_example_shows_the_answer_and_its_citations(name: str, url: str, gate: Path) -> None:
    needed = NEEDS.get(name, "api")
    if find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    said = run("python_client", QUESTION, url, str(gate))
    assert "gate.pdf: ready, 1 chunks" in said
    assert "[1] gate.pdf, page 1: The gate code is 4711." in said
    said = run(name, QUESTION, url)
    assert "The gate code is 4711 [1]." in said
    assert "[1]" in said.partition("4711 [1].")[2]


def test_the_typescript_example_is_valid_and_uses_declared_calls() -> None:
    text = (EXAMPLES / "browser.ts").read_text(encoding="utf-8")
    assert is_typescript(text)
    declared = (ROOT / "api" / "http" / "footnote.d.ts").read_text(encoding="utf-8")
    for call in re.findall(r'Calls\["([^"]+)"\]', text):
        assert f'"{call}": {{' in declared


def test_the_page_of_the_examples_lists_every_file() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ts")}
    assert set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)) == files
