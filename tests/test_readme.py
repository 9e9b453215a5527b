"""The README is true: its commands run and print what it shows, and what it names exists."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.cli import main
from rag.models.weights import DEFAULT_LLM, installed
from rag.settings import NOT_SETTINGS, load_settings, setting_names

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
MEASURED = re.compile(r"\d+(?:\.\d+)?(?= (?:s\b|pages/s))")  # times differ from machine to machine
WAIT_S = 240


def shown_commands() -> list[tuple[str, str]]:
    """The commands of the README that stand with their output: (command, what is printed)."""
    session = next(block for block in BLOCKS if block.startswith("$ "))
    parts = re.split(r"^\$ (.*)\n", session, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def words_of(output: str) -> list[str]:
    """The lines that are printed, without white space that only aligns, rules of tables, and measured times."""
    lines = [" ".join(line.split()) for line in MEASURED.sub("N", output).splitlines()]
    return [line for line in lines if line.strip("─ ")]


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment of a person who has run `make run`: a `footnote` on the path, and a data directory of its own.

    Skips where the default models are not in the model cache; `make test` fetches them.
    """
    models = load_settings(os.environ).resolved_model_dir()
    for name in ("all-MiniLM-L6-v2", DEFAULT_LLM):
        if installed(name, models) is None:
            pytest.skip(f"{name} is not in {models}; fetch it with `footnote models pull {name}`")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "footnote"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m api.cli "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "FOOTNOTE_DATA_DIR": str(tmp_path / "store"),
        "FOOTNOTE_GENERATION__BACKEND": "embedded",  # the README's answers, also where an Ollama runs
        "FOOTNOTE_GENERATION__PROMPT_TOKENS": "800",  # about what is read in time on two cores; elsewhere it is more
    }


def run(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.model
@pytest.mark.timeout(900)
def test_the_commands_print_what_the_readme_shows(shell: dict[str, str]) -> None:
    commands = [(command, output) for command, output in shown_commands() if command.startswith("footnote")]
    assert len(commands) >= 3
    for command, output in commands:
        assert words_of(run(command, shell)) == words_of(output), command


@pytest.mark.model
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("curl") is None, reason="the README asks over HTTP with curl")
def test_the_http_commands_answer(shell: dict[str, str], tmp_path: Path) -> None:
    upload, listing, query = _http_commands()
    with _served(shell, tmp_path / "server.log") as address:
        documents = json.loads(run(upload.replace("http://127.0.0.1:8000", address), shell))["documents"]
        assert [document["name"] for document in documents] == ["handbook.pdf"]
        ready = f"until {listing.replace('http://127.0.0.1:8000', address)} | grep -q '\"ready\"'; do sleep 1; done"
        run(ready, shell)
        answer = json.loads(run(query.replace("http://127.0.0.1:8000", address), shell))
        assert (answer["status"], answer["citations"][0]["page"]) == ("answered", 11)


def _http_commands() -> list[str]:
    block = next(block for block in BLOCKS if block.startswith("curl"))
    joined = re.sub(r"\s*#.*$", "", block.replace("\\\n", " "), flags=re.MULTILINE)
    return [line.strip() for line in joined.splitlines() if line.strip()]


@contextmanager
def _served(environment: dict[str, str], log: Path) -> Iterator[str]:
    """A running server; its address."""
    with log.open("w", encoding="utf-8") as stderr:
        server = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve", "--port", "0"], cwd=ROOT, env=environment, stderr=stderr
        )
        try:
            deadline = time.monotonic() + WAIT_S
            while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text(encoding="utf-8"))):
                assert server.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, "the server did not start"
                threading.Event().wait(0.1)
            yield found[0]
        finally:
            server.terminate()
            server.wait(60)


COMMANDS = (
    *(
        "serve",
        "open",
        "ingest",
        "chat",
        "mcp",
        "completion",
        "ask",
        "search",
        "verify",
        "docs list",
        "docs show",
        "docs rm",
        "eval",
        "eval report",
    ),
    *("eval questions", "models list", "models pull", "doctor", "rebuild", "backup", "restore"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_list_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    block = next(block for block in BLOCKS if block.startswith("footnote serve "))
    name, _, action = command.partition(" ")
    line = next(line for line in block.splitlines() if re.search(rf"\bfootnote {name}\b.*\b{action}", line))
    assert line.startswith("footnote ")
    with pytest.raises(SystemExit) as left:
        main([*command.split(), "--help"])
    assert left.value.code == 0
    assert f"footnote {command}" in capsys.readouterr().out


def test_every_setting_that_the_documents_name_exists() -> None:
    known = set(setting_names()) | NOT_SETTINGS
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        named = set(re.findall(r"\bFOOTNOTE_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
        assert named <= known, page.name


def test_every_link_of_the_documents_leads_to_a_file() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/*.md"), *ROOT.glob("evals/notebook/*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"
