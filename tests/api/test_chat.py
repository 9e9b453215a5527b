"""footnote chat: a conversation, in this process and beside a running server, from a script and at a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from builders import ingest
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import Endless, Served, build_app, listening

from api.cli import main
from api.commands.context import Models
from rag.library import Library
from rag.prompting.prompts import REWRITE_INSTRUCTIONS
from rag.settings import Settings
from rag.types import Message

ROOT = Path(__file__).parents[2]
GATE = "The gate code is 4711. The gate opens at seven."
Chat = Callable[..., tuple[int, str, str]]


def reply(messages: Sequence[Message]) -> str:
    if messages[0].content == REWRITE_INSTRUCTIONS:
        return "When does the gate open?"
    if "door code?" in messages[-1].content:
        return "The door code is 4712 [1]."
    return "The gate opens at seven [1]." if "open?" in messages[-1].content else "The gate code is 4711 [1]."


@pytest.fixture(params=["here", "server"])
def chat(
    request: pytest.FixtureRequest,
    settings: Settings,
    pdf: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Chat]:
    """Runs `footnote chat` on lines of input. It has gate.pdf, whose page 2 has the words, and door.txt."""
    monkeypatch.setenv("FOOTNOTE_ANSWERS__MIN_EVIDENCE", "0")
    monkeypatch.setenv("FOOTNOTE_ANSWERS__MIN_CONFIDENCE", "0")
    monkeypatch.setenv("FOOTNOTE_ANSWERS__JUDGE", "off")
    generator, embedder = ScriptedGenerator(reply), WordHashEmbedder()

    def run(*lines: str, words: Sequence[str] = ()) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        models = Models(embedder, generator)
        status = main(["chat", *words, "--data-dir", str(settings.data_dir)], models=models)
        said = capsys.readouterr()
        return status, said.out, said.err

    app = build_app(settings, embedder, generator)
    with listening(app) as url:
        import httpx

        with httpx.Client(base_url=url, trust_env=False) as http:
            served = Served(app, http, settings)  # type: ignore[arg-type]
            served.add("gate.pdf", pdf("Nothing is on this page.", GATE))
            served.add("door.txt", b"The door code is 4712.", collection="doors")
        if request.param == "server":
            app.state.door.runtime().library.announce("serve", url)
            yield run
            return
    yield run


def test_a_conversation_understands_follow_ups_and_opens_citations(chat: Chat) -> None:
    status, out, _ = chat("What is the gate code?", "/open 1", "When does it open?", "/sources", "/open [1]")
    assert status == 0
    shown = [
        "The gate code is 4711 [1].",
        "“The gate code is 4711.”",
        "gate.pdf, page 2\n\n»The gate code is 4711.« The gate opens at seven.",
        "The gate opens at seven [1].",
        "Asked as: When does the gate open?",
        "[1] gate.pdf, page 2\n    “The gate opens at seven.”\ngate.pdf, page 2\n\n",
        "The gate code is 4711. »The gate opens at seven.«",
    ]
    places = [out.find(text) for text in shown]
    assert -1 not in places
    assert places == sorted(places)


def test_a_new_conversation_forgets(chat: Chat) -> None:
    status, out, _ = chat("What is the gate code?", "/new", "When does the gate open?")
    assert status == 0
    assert "A new conversation." in out
    assert "Asked as" not in out


def test_a_quote_without_pages_is_shown_in_its_text(chat: Chat) -> None:
    _, out, _ = chat("What is the door code?", "/open 1", words=["--collection", "doors"])
    assert "door.txt\n\n»The door code is 4712.«" in out


def test_what_cannot_be_done_is_said(chat: Chat) -> None:
    status, out, err = chat("/open 1", "/sources", "/dance", "/help", "", "/quit", "What is the gate code?")
    assert status == 1
    assert "There is no citation '1'. Ask a question first." in err
    assert "There are no citations." in err
    assert "/dance is not a command" in err
    assert "/open N" in out
    assert "4711" not in out
    status, _, err = chat("What is the gate code?", words=["--collection", "nowhere"])
    assert status == 1
    assert "nowhere" in err


def test_names_and_quotes_move_no_cursor(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generator, embedder = ScriptedGenerator("The gate code is 4711 [1]."), WordHashEmbedder()
    with Library(settings, "test", embedder=embedder, generator=generator) as library:
        ingest(library, "The gate code is 4711.\x1b[2J Beep\x07.", "ga\x1b[31mte.txt")
    for name in ("MIN_EVIDENCE", "MIN_CONFIDENCE"):
        monkeypatch.setenv(f"FOOTNOTE_ANSWERS__{name}", "0")
    monkeypatch.setattr("sys.stdin", io.StringIO("What is the gate code?\n/open 1\n"))
    assert main(["chat", "--data-dir", str(settings.data_dir)], models=Models(embedder, generator)) == 0
    out = capsys.readouterr().out
    assert "»The gate code is 4711" in out
    assert "\x1b" not in out
    assert "\x07" not in out


class Terminal:
    """`footnote chat` beside a server, at a terminal of its own."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self._master, side = pty.openpty()
        clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "chat", "--data-dir", str(data_dir)],
            stdin=side, stdout=side, stderr=side, cwd=ROOT, start_new_session=True,
            env={**clean, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
            # a shell ignores Ctrl-C for what it starts in the background, and children inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        os.close(side)
        self.shown = ""
        self._awaited = 0  # characters of `shown` up to the end of the text that was awaited last

    def until(self, text: str) -> None:
        """Read until the text is shown after what was awaited before."""
        deadline = time.monotonic() + 60
        while text not in self.shown[self._awaited :]:
            assert time.monotonic() < deadline, self.shown
            if select.select([self._master], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self._master, 4096).decode(errors="replace")
                except OSError:
                    break
        assert text in self.shown[self._awaited :], self.shown
        self._awaited = self.shown.index(text, self._awaited) + len(text)

    def type(self, line: str) -> None:
        os.write(self._master, line.encode())

    def close(self) -> int:
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            os.close(self._master)


@pytest.fixture
def data_dir(settings: Settings) -> Iterator[Path]:
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator(reply))
    with listening(app) as url:
        library = app.state.door.runtime().library
        ingest(library, GATE, "gate.txt")
        library.announce("serve", url)
        yield Path(settings.data_dir)


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_has_a_prompt_and_colours_unless_no_color(data_dir: Path, no_color: bool) -> None:
    terminal = Terminal(data_dir, **({"NO_COLOR": "1"} if no_color else {}))
    terminal.until("footnote> ")
    terminal.type("What is the gate code?\n")
    terminal.until("footnote> ")
    terminal.type("/open 1\n")
    terminal.until("footnote> ")
    terminal.type("\x04")
    assert terminal.close() == 0
    assert "4711" in terminal.shown
    coloured = re.search(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|9[0-7]|38;[0-9;]+)m", terminal.shown)
    assert bool(coloured) is not no_color


def test_ctrl_c_stops_an_answer_and_then_leaves(settings: Settings) -> None:
    generator = Endless()
    app = build_app(settings, WordHashEmbedder(), generator)
    with listening(app) as url:
        library = app.state.door.runtime().library
        ingest(library, GATE, "gate.txt")
        library.announce("serve", url)
        terminal = Terminal(Path(settings.data_dir))
        terminal.until("footnote> ")
        terminal.type("What is the gate code?\n")
        assert generator.started.wait(30)
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("Stopped.")
        assert generator.stopped.wait(60)
        terminal.until("footnote> ")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.close() == 0
