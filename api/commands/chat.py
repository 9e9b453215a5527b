"""chat: ask as a conversation. Follow-up questions are understood; `/open 1` shows the quote on its page.

The conversation is kept in memory and ends with the command. Lines that begin with `/` are commands.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, aclosing, suppress
from typing import TYPE_CHECKING

from api.commands.context import CommandContext
from api.commands.questions import Step, show_steps
from api.commands.sources import open_source
from api.commands.tables import place, print_answer, printable
from api.http.schemas.answers import AnswerBody, CitationBody, StatusBody, TokenBody
from api.http.schemas.questions import MAX_TURN_CHARS, MAX_TURNS, HistoryTurn
from api.sources import Source
from rag.errors import FootnoteError
from rag.types import AnswerStyle

if TYPE_CHECKING:
    from rich.text import Text

PROMPT = "\nfootnote> "
_AROUND_CHARS = 600  # shown before and after a quote of a format without pages
_COMMANDS = """/open N    show the page of citation N of the last answer, with the quote marked
/sources   show the citations of the last answer again
/new       start a new conversation
/help      show this list
/quit      leave (or Ctrl-D); Ctrl-C stops an answer"""


def chat(context: CommandContext, *, collection: str | None, style: AnswerStyle) -> int:
    """Answer each line of standard input until it ends. Returns 1 where a question of a script failed."""
    with asyncio.Runner() as runner:
        closing = AsyncExitStack()
        try:
            source = runner.run(closing.enter_async_context(open_source(context)))
            return _Conversation(context, runner, source, collection, style).run()
        finally:
            runner.run(closing.aclose())


class _Conversation:
    """The state of one conversation: its turns and the last answer."""

    def __init__(
        self,
        context: CommandContext,
        runner: asyncio.Runner,
        source: Source,
        collection: str | None,
        style: AnswerStyle,
    ) -> None:
        self._console, self._say = context.console(), context.say
        self._runner, self._source = runner, source
        self._collection, self._style = collection, style
        self._turns: list[HistoryTurn] = []
        self._last: AnswerBody | None = None
        self._failed = False
        self._interactive = sys.stdin.isatty()

    def run(self) -> int:
        """Read and answer lines until the input ends."""
        if self._interactive:
            with suppress(ImportError):
                import readline  # noqa: F401  input() then has a history and can be edited
            self._say("Ask a question. /help lists the commands.")
        while (line := self._read()) is not None:
            try:
                if line.startswith("/"):
                    if not self._command(line):
                        break
                elif line:
                    self._ask(line)
            except FootnoteError as error:
                self._complain(error.message)
            except KeyboardInterrupt:
                self._complain("Stopped.")
        return int(self._failed and not self._interactive)

    def _read(self) -> str | None:
        """The next line; None at the end of the input, and after Ctrl-C at the prompt."""
        try:
            line = input(PROMPT if self._interactive else "")
        except (EOFError, KeyboardInterrupt):
            if self._interactive:
                self._console.print()
            return None
        return line.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()

    def _command(self, line: str) -> bool:
        """Run a command. Returns False where it ends the conversation."""
        name, _, argument = line.partition(" ")
        if name in ("/quit", "/exit", "/q"):
            return False
        if name == "/help":
            self._console.print(_COMMANDS)
        elif name == "/new":
            self._turns, self._last = [], None
            self._console.print("A new conversation.")
        elif name == "/sources":
            self._sources()
        elif name == "/open":
            self._open(argument.strip())
        else:
            self._complain(f"{name} is not a command. /help lists them.")
        return True

    def _complain(self, message: str) -> None:
        self._failed = True
        self._say(message)

    def _ask(self, question: str) -> None:
        with show_steps() as step:
            step("searching")
            answer = self._runner.run(self._answer(question, step))
        self._last = answer
        turn = HistoryTurn(question=question[:MAX_TURN_CHARS], answer=answer.answer[:MAX_TURN_CHARS])
        self._turns = [*self._turns, turn][-MAX_TURNS:]
        print_answer(self._console, answer)

    async def _answer(self, question: str, step: Step) -> AnswerBody:
        asking = self._source.stream(question, collection=self._collection, style=self._style, history=self._turns)
        n_tokens, last = 0, None
        async with aclosing(asking) as events:
            async for last in events:
                n_tokens += isinstance(last, TokenBody)
                waits = "the model is being loaded" if isinstance(last, StatusBody) else "the model is reading"
                step(f"the model is writing, {n_tokens} tokens" if n_tokens else waits)
        assert isinstance(last, AnswerBody)  # a Source ends a stream with an answer or an error
        return last

    def _sources(self) -> None:
        if self._last is None or not self._last.citations:
            self._complain("There are no citations. Ask a question first.")
            return
        for one in self._last.citations:
            self._console.print(f"[{one.number}] {printable(place(one.document_name, one.page))}", style="bold")
            self._console.print(f"    “{printable(' '.join(one.quote.split()))}”")

    def _open(self, number: str) -> None:
        citations = {str(one.number): one for one in (self._last.citations if self._last else ())}
        citation = citations.get(number.strip("[]"))
        if citation is None:
            known = f"There are: {', '.join(citations)}." if citations else "Ask a question first."
            self._complain(f"There is no citation {number!r}. {known}")
            return
        text, start = self._runner.run(self._text_around(citation))
        self._console.print(f"{printable(place(citation.document_name, citation.page))}\n", style="bold")
        self._console.print(_marked(text, citation.start - start, citation.end - start))

    async def _text_around(self, citation: CitationBody) -> tuple[str, int]:
        """The text of the quote's page, or what stands around it, and where that begins."""
        if citation.page is not None:
            page = await self._source.page(citation.document_id, citation.page)
            return page.text, page.start
        start = max(0, citation.start - _AROUND_CHARS)
        around = await self._source.text(citation.document_id, start, citation.end + _AROUND_CHARS)
        text, quote_at = around.text, citation.start - around.start
        first = text.find("\n", 0, quote_at) + 1 if around.start else 0  # begin with a whole line
        last = text.rfind("\n", citation.end - around.start) if around.end < around.length else -1
        return text[first : last if last >= 0 else None], around.start + first


def _marked(text: str, start: int, end: int) -> Text:
    """The text with the characters from `start` to `end` between »« and in another colour."""
    from rich.text import Text

    shown = Text(printable(text[:start]))
    shown.append(f"»{printable(text[start:end])}«", style="bold green")
    shown.append(printable(text[end:]))
    return shown
