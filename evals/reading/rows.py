"""How often the right row of a table is among the first hits, for questions whose answer is a cell."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from evals.run.baselines import LLAMA_INDEX, BaselinePipeline
from evals.run.caller import Quiet
from evals.run.store import ingest_suite, store_folder
from evals.suites.cases import Case, load_corpus
from rag.errors import InputError
from rag.library import Library
from rag.retrieval.scope import Scope
from rag.settings import load_settings
from rag.types import Hit

QUESTIONS = Path(__file__).parents[1] / "suites" / "sec10q_cells" / "questions.jsonl"
_HITS = 5
_WORD = re.compile(r"\w+")


def find_row(case: Case, hits: list[Hit]) -> int:
    """The rank of the first hit of the right document with the row's label and the value on one line; 0 if none."""
    (found,), value = case.evidence, case.answers[0]
    label = set(_WORD.findall((found.quote or "").lower()))
    stands = re.compile(rf"(?<![\w,.]){re.escape(value)}(?![\w,])")
    for hit in hits:
        lines = hit.chunk.text.split("\n") if hit.document_name == found.document else []
        if any(label <= set(_WORD.findall(line.lower())) and stands.search(line) for line in lines):
            return hit.rank
    return 0


def print_rows(questions: Path, documents: Path, stores: Path) -> None:
    """Print the shares of questions whose right row is the first hit and among the first five. Raises InputError."""
    suite = load_corpus("sec10q-cells", questions, "sec10q", documents)
    if not suite.cases:
        raise InputError(f"{questions} holds no questions of the corpus sec10q.")
    settings = load_settings()
    settings = settings.model_copy(update={"data_dir": store_folder(suite, settings, stores)})
    with Library(settings, "evals.reading rows") as library:
        with Quiet() as progress:
            ingest_suite(library, suite, progress)
        peer = BaselinePipeline(LLAMA_INDEX, library, library.generator, Quiet())  # type: ignore[arg-type]  # only searched
        found: dict[str, list[int]] = {"footnote": [], "llama-index": []}
        for case in suite.cases:
            hits = library.searcher.search(case.question, Scope(), _HITS)
            found["footnote"].append(find_row(case, hits))
            found["llama-index"].append(find_row(case, asyncio.run(peer.search(case.question, _HITS, Scope()))))
    for name, ranks in found.items():
        first, among = (sum(0 < rank <= most for rank in ranks) / len(ranks) for most in (1, _HITS))
        print(f"{name:12} {len(ranks)} questions  right row first {first:.3f}  among the first {_HITS} {among:.3f}")  # noqa: T201
    missed = [case.id for case, rank in zip(suite.cases, found["footnote"], strict=True) if not rank]
    print(f"not found: {' '.join(missed) or 'none'}")  # noqa: T201
