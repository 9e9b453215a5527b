"""The pipelines that can be measured, behind one Protocol: search and ask."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

from evals.run.baselines import LLAMA_INDEX, TEXTBOOK, BaselinePipeline
from evals.run.caller import RunProgress
from evals.run.replies import RecordedGenerator
from ingest.runtime import Runtime
from rag.models.embedding import embed_query
from rag.retrieval.search import Scope
from rag.service import Question, Service
from rag.types import Answer, Hit

PipelineName = Literal["footnote", "textbook", "llama-index"]
PIPELINES: tuple[PipelineName, ...] = get_args(PipelineName)


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

    async def ask(self, question: str, scope: Scope) -> Answer:
        """The answer within the scope, as a reader gets it. Raises FootnoteError."""
        ...


class FootnotePipeline:
    """Footnote's own service over a store, with a generator whose replies are recorded."""

    def __init__(self, runtime: Runtime, generator: RecordedGenerator) -> None:
        self._runtime = runtime
        judge = runtime.judge
        if judge is not None:
            from rag.verification.entailment import ModelJudge

            if isinstance(judge, ModelJudge):  # the judge's replies are recorded too
                judge = ModelJudge(generator)
        self._service = Service(
            runtime.settings, runtime.catalog, runtime.index, runtime.embedder, generator, runtime.reranker, judge
        )
        self._most_hits = runtime.settings.server.max_top_k

    @property
    def settings_hash(self) -> str:
        return self._service.settings_hash

    async def search(self, question: str, k: int, scope: Scope) -> list[Hit]:
        return await self._service.search(question, scope, min(k, self._most_hits))

    def confidence(self, question: str, best: Hit) -> float:
        stored = self._runtime.catalog.vectors([best.chunk.id])[best.chunk.id]
        return float(stored @ embed_query(self._runtime.embedder, question))

    async def ask(self, question: str, scope: Scope) -> Answer:
        return await self._service.ask(Question(question, scope))


def open_pipeline(
    name: PipelineName, runtime: Runtime, generator: RecordedGenerator, progress: RunProgress
) -> Pipeline:
    """The pipeline of this name over an open store. The baselines embed their own chunks at the first run."""
    match name:
        case "footnote":
            return FootnotePipeline(runtime, generator)
        case "textbook":
            return BaselinePipeline(TEXTBOOK, runtime, generator, progress)
        case "llama-index":
            return BaselinePipeline(LLAMA_INDEX, runtime, generator, progress)
