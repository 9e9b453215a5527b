"""A real Chromium on the real application, and what a tab did that it must not do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from chromium import launch
from conftest import ScriptedGenerator

from rag.library import Library
from rag.types import Draft, Loading, Message, Token

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

_WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + event.blockedURI));
"""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium. Skips where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    with playwright.sync_playwright() as running:
        try:
            browser = launch(running)
        except playwright.Error as error:
            pytest.skip(f"no Chromium starts here: {str(error).splitlines()[0]}. Debian has it: apt install chromium")
        yield browser
        browser.close()


@dataclass
class SlowGenerator(ScriptedGenerator):
    """A scripted generator that can wait before each word, for a model that it is `loading` too."""

    wait_s: float = 0.0
    loading: bool = False

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Loading | Draft]:
        if self.loading:
            yield Loading(self.model)
        async for piece in super().stream(messages, max_tokens):
            await asyncio.sleep(self.wait_s if isinstance(piece, Token) else 0)
            yield piece


@dataclass
class Visit:
    """One tab on the application, with what it did that it must not do."""

    page: Page
    url: str
    library: Library
    generator: SlowGenerator
    console: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(_WATCH)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.page.on("request", self._see)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.console.append(message.text)

    def _see(self, request: Any) -> None:
        if not request.url.startswith((f"{self.url}/", f"blob:{self.url}/")):
            self.foreign.append(request.url)

    def violations(self) -> list[str]:
        """The violations of the page's policy since it was loaded."""
        return list(self.page.evaluate("window.violations"))

    def open(self, place: str = "") -> None:
        """Load the page anew at a place of it, such as `#/verify`."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/{place}")
        self.page.wait_for_selector("main h1, main .composer")

    def upload(self, name: str, content: bytes, until: str = "ready") -> Locator:
        """Add a file in the Documents view and wait until its row has a status. Returns the row."""
        if "#/documents" not in self.page.url:
            self.open("#/documents")
        with self.page.expect_file_chooser() as choosing:
            self.page.get_by_role("button", name="Choose files").click()
        choosing.value.set_files([{"name": name, "mimeType": "application/octet-stream", "buffer": content}])
        row = self.page.locator(".document").filter(has=self.page.get_by_text(name, exact=True))
        row.and_(self.page.locator(f"[data-status={until}]")).wait_for(timeout=60_000)
        return row

    def ask(self, question: str, reply: str) -> Locator:
        """Ask in the view that is open, or in a new thread. Returns the turn, once it is answered."""
        self.generator.reply = reply
        if not self.page.locator("#question").count():
            self.open("#/ask")
        self.page.fill("#question", question)
        self.page.keyboard.press("Enter")
        turn = self.page.locator(".turn").filter(has=self.page.get_by_role("heading", name=question)).last
        turn.locator(".outcome").wait_for(timeout=30_000)
        return turn

    def marked_words(self, document_id: str, number: int) -> list[str]:
        """The words of a page of the catalog whose middles lie in the boxes that the browser drew."""
        self.page.wait_for_function(
            """() => [...document.querySelectorAll(".sheet.drawn .box")]
            .some((box) => box.getBoundingClientRect().width > 0)"""
        )
        boxes = self.page.evaluate(
            """() => { const sheet = document.querySelector(".sheet").getBoundingClientRect();
            const boxes = [...document.querySelectorAll(".box")].map((box) => box.getBoundingClientRect());
            return boxes.map((at) => [
            (at.left - sheet.left) / sheet.width, (at.top - sheet.top) / sheet.height,
            (at.right - sheet.left) / sheet.width, (at.bottom - sheet.top) / sheet.height]); }"""
        )
        stored = self.library.catalog.documents.page(document_id, number)
        text = self.library.catalog.documents.text(document_id)
        words = []
        for word in stored.boxes.unpack():
            x = (word.x0 + word.x1) / 2 / stored.width
            y = 1 - (word.y0 + word.y1) / 2 / stored.height
            if any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in boxes):
                words.append(text[word.start : word.end])
        return words
