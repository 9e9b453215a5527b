"""The pipelines that can be measured, behind one Protocol: search and ask."""

from __future__ import annotations

from typing import Literal, Protocol

from evals.run.baselines import LLAMA_INDEX, TEXTBOOK, BaselinePipeline
from evals.run.caller import RunProgress
from evals.run.replies import RecordedGenerator
from rag.library import Library, open_judge
from rag.models.embedding import embed_query
from rag.retrieval.scope import Scope
from rag.service import Question, Service
from rag.types import Answer, AnswerStyle, Hit, Turn

PipelineName = Literal["footnote", "textbook", "llama-index"]


class Pipeline(Protocol):
    """What a run measures. `settings_hash` identifies everything but documents and models that decides its answers."""

    @property
    def settings_hash(self) -> str: ...

    async def search(self, question: str, k: int, scope: Scope) -> list[Hit]:
        """At most `k` hits within the scope, ranks from 1."""
        ...

    def confidence(self, question: str, best: Hit) -> float:
        """The cosine of the question and the best hit."""
        ...

    async def ask(self, question: str, scope: Scope, history: tuple[Turn, ...] = ()) -> Answer:
        """The answer within the scope, as a reader gets it. Raises FootnoteError."""
        ...


class FootnotePipeline:
    """Footnote's own service over a store, with a generator whose replies are recorded."""

    def __init__(self, library: Library, generator: RecordedGenerator, style: AnswerStyle) -> None:
        self._library, self._style = library, style
        judge = library.judge
        if judge is not None and judge.prompt_version:  # it asks the generator, whose replies are recorded
            judge = open_judge(library.settings, generator, library.reader)
        self._service = Service(library.settings, library.catalog, library.searcher, generator, judge, library.reader)
        self._most_hits = library.settings.server.max_top_k

    @property
    def settings_hash(self) -> str:
        return self._service.hash_settings(self._style)

    async def search(self, question: str, k: int, scope: Scope) -> list[Hit]:
        return await self._service.search(question, scope, min(k, self._most_hits))

    def confidence(self, question: str, best: Hit) -> float:
        stored = self._library.catalog.chunks.vectors([best.chunk.id])[best.chunk.id]
        return float(stored @ embed_query(self._library.embedder, question))

    async def ask(self, question: str, scope: Scope, history: tuple[Turn, ...] = ()) -> Answer:
        return await self._service.ask(Question(question, scope, history=history, style=self._style))


def open_pipeline(
    name: PipelineName, library: Library, generator: RecordedGenerator, progress: RunProgress, style: AnswerStyle
) -> Pipeline:
    """The pipeline of this name over an open store; only `footnote` has styles.

    The baselines embed their own chunks at the first run.
    """
    match name:
        case "footnote":
            return FootnotePipeline(library, generator, style)
        case "textbook":
            return BaselinePipeline(TEXTBOOK, library, generator, progress)
        case "llama-index":
            return BaselinePipeline(LLAMA_INDEX, library, generator, progress)
