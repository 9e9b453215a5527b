"""How often the right row of a table is among the first hits, and its column has the name that a question gives it."""

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
from rag.text import columns_above, name_cells, row_headers
from rag.types import Hit

QUESTIONS = Path(__file__).parents[1] / "suites" / "sec10q_cells" / "questions.jsonl"
_HITS = 5
_WORD = re.compile(r"\w+")


_PERIOD = re.compile(
    r"\b(?:three|six|nine|twelve|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|\b\d{1,2}(?=,)|\b20\d\d\b",
    re.IGNORECASE,
)


def find_row(case: Case, hits: list[Hit]) -> tuple[int, str]:
    """The rank of the first hit of the right document with the row's label and the value on one line, and the name of
    the value's column; 0 and "" if there is none."""
    (found,), value = case.evidence, case.answers[0]
    label = set(_WORD.findall((found.quote or "").lower()))
    stands = re.compile(rf"(?<![\w,.]){re.escape(value)}(?![\w,])")
    for hit in hits:
        if hit.document_name != found.document:
            continue
        text = hit.chunk.text
        headers = row_headers(text, columns_above(hit.chunk.headings, text))
        for line in re.finditer(r"[^\n]+", text):
            if label <= set(_WORD.findall(line[0].lower())) and stands.search(line[0]):
                named = name_cells(line[0], headers.get(line.start(), "")) or []
                return hit.rank, next((name for name, cell in named if stands.search(cell)), "")
    return 0, ""


def names_period(name: str, question: str) -> bool:
    """Whether a column's name has the months, days, years and lengths of time of a question."""
    asked, named = ({part.lower() for part in _PERIOD.findall(text)} for text in (question, name))
    return asked <= named


def print_rows(questions: Path, documents: Path, stores: Path) -> None:
    """Print the shares of questions whose right row is the first hit and among the first five, and of these rows the
    share whose column is named as in the question. Raises InputError."""
    suite = load_corpus("sec10q-cells", questions, "sec10q", documents)
    if not suite.cases:
        raise InputError(f"{questions} holds no questions of the corpus sec10q.")
    settings = load_settings()
    settings = settings.alone_in(store_folder(suite, settings, stores))
    with Library(settings, "evals.reading rows") as library:
        with Quiet() as progress:
            ingest_suite(library, suite, progress)
        peer = BaselinePipeline(LLAMA_INDEX, library, library.generator, Quiet())  # type: ignore[arg-type]  # only searched
        found: dict[str, list[tuple[int, str]]] = {"footnote": [], "llama-index": []}
        for case in suite.cases:
            hits = library.searcher.search(case.question, Scope(), _HITS)
            found["footnote"].append(find_row(case, hits))
            found["llama-index"].append(find_row(case, asyncio.run(peer.search(case.question, _HITS, Scope()))))
    for pipeline, rows in found.items():
        first, among = (sum(0 < rank <= most for rank, _ in rows) / len(rows) for most in (1, _HITS))
        print(f"{pipeline:12} {len(rows)} questions  right row first {first:.3f}  among the first {_HITS} {among:.3f}")  # noqa: T201
    asked = [(case.question, name) for case, (rank, name) in zip(suite.cases, found["footnote"], strict=True) if rank]
    named = sum(names_period(name, question) for question, name in asked)
    print(f"column named as in the question: {named} of these {len(asked)}")  # noqa: T201
    missed = [case.id for case, (rank, _) in zip(suite.cases, found["footnote"], strict=True) if not rank]
    print(f"not found: {' '.join(missed) or 'none'}")  # noqa: T201
