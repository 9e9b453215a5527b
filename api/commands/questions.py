"""ask, search, verify: through the running server where there is one, otherwise in this process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from api.client import StreamedEvent
from api.commands.context import CommandContext, client_of
from api.commands.tables import print_answer, print_hits, print_verified
from api.http.schemas.answers import AnswerBody, StatusBody, TokenBody, pack_answer, pack_hits, pack_verified
from rag.errors import DependencyError, InputError
from rag.store.metadata import read_filter
from rag.types import Answer, AnswerMode, AnswerStyle, Loading

if TYPE_CHECKING:
    from rag.library import Library
    from rag.service import Question

Step = Callable[[str], None]
Result = TypeVar("Result")


def search(
    context: CommandContext,
    query: str,
    *,
    collection: str | None,
    top_k: int | None,
    conditions: Mapping[str, object] | None = None,
) -> int:
    """Print the passages for a query. Raises InputError for a malformed filter, NotFound without a catalog."""
    query, server, wanted = _readable(query), context.find_server(), read_filter(conditions or {})
    if server is not None:
        with client_of(server) as client:
            hits = client.search(query, collection=collection, top_k=top_k, filter=conditions)
    else:
        from rag.retrieval.scope import Scope

        context.require_catalog()
        with context.open_library() as library:
            scope = Scope(collection, conditions=wanted)
            hits = pack_hits(asyncio.run(library.service.search(query, scope, top_k)))
    if context.as_json:
        context.print_model(hits)
    else:
        print_hits(context.console(), hits)
    return 0


def ask(
    context: CommandContext,
    question: str,
    *,
    collection: str | None,
    top_k: int | None,
    mode: AnswerMode | None,
    style: AnswerStyle,
    conditions: Mapping[str, object] | None = None,
) -> int:
    """Print the checked answer to a question. Returns 0 also where the documents do not answer it."""
    question, server, wanted = _readable(question), context.find_server(), read_filter(conditions or {})
    with show_steps() as step:
        if server is not None:
            step("asking the server")
            with client_of(server) as client:
                asking = client.stream(
                    question, collection=collection, top_k=top_k, mode=mode, style=style, filter=conditions
                )
                answer = _streamed(asking, step)
        else:
            from rag.retrieval.scope import Scope
            from rag.service import Question

            context.require_catalog()
            step("opening the index and the models")
            with context.open_library() as library:
                asked = Question(question, Scope(collection, conditions=wanted), top_k, mode, style=style)
                answer = asyncio.run(_closing(library, _answer(library, asked, step)))
    if context.as_json:
        context.print_model(answer)
    else:
        print_answer(context.console(), answer)
    return 0


def _streamed(events: Generator[StreamedEvent], step: Step) -> AnswerBody:
    """The answer of a running server, with its steps."""
    words = 0
    with closing(events):
        for event in events:
            if isinstance(event, AnswerBody):
                return event
            words += isinstance(event, TokenBody)
            waits = "the server loads its model" if isinstance(event, StatusBody) else "the server is reading"
            step(f"the server is writing, {words} tokens" if words else waits)
    raise DependencyError("The server's reply ended without a result. Ask again.")


async def _answer(library: Library, question: Question, step: Step) -> AnswerBody:
    from rag.service import HitsFound

    step("searching")
    words = 0
    async with aclosing(library.service.stream(question)) as events:
        async for event in events:
            if isinstance(event, Answer):
                return pack_answer(event)
            if isinstance(event, HitsFound):
                step(f"{library.generator.model} is reading")
            elif isinstance(event, Loading):
                step(f"{event.model} is being loaded")
            else:
                words += 1
                step(f"{library.generator.model} is writing, {words} tokens")
    raise DependencyError("The model's reply ended without a result. Ask again.")


async def _closing(library: Library, work: Coroutine[object, object, Result]) -> Result:
    """The result of `work`. The model's process is ended in the event loop that started it."""
    try:
        return await work
    finally:
        await library.generator.aclose()


def verify(context: CommandContext, file: str, *, collection: str | None, question: str | None) -> int:
    """Print each sentence of a text file (or standard input, `-`) with its verdict; findings are no failures."""
    text, server = _read_text(file), context.find_server()
    if server is not None:
        with client_of(server) as client:
            verified = client.verify(text, question, collection=collection)
    else:
        from rag.retrieval.scope import Scope

        context.settings.server.check_text(text)  # before the models are loaded
        context.require_catalog()
        with context.open_library() as library:
            # a judge may have asked the model
            checking = library.service.verify(text, Scope(collection), question or "")
            verified = pack_verified(asyncio.run(_closing(library, checking)))
    if context.as_json:
        context.print_model(verified)
    else:
        print_verified(context.console(), verified)
    return 0


def _read_text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror}. Name a text file, or - for standard input."
        ) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file} is not UTF-8 text: byte {error.object[error.start]:#04x} at {error.start}. Convert it to "
            "UTF-8; for a PDF or office file, use `footnote ingest`."
        ) from error


def _readable(words: str) -> str:
    """Text of the command line; lone surrogates, which stand for bytes that are not UTF-8, become U+FFFD."""
    return words.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@contextmanager
def show_steps() -> Iterator[Step]:
    """Shows the current step as a spinner on stderr; shows nothing where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(Text(text))
