"""Questions on several corpora: read as one suite a corpus, or laid out as folders with documents/ and questions.jsonl.

    python -m evals.suites.natural QUESTIONS.jsonl --documents contoso=FOLDER mixed=FOLDER --out suites

Each line of the questions names its `corpus`; the suite of a corpus is OUT/natural-CORPUS. `footnote eval natural`
reads the documents of CORPORA where they lie.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from evals.suites.cases import Suite, load_corpus
from rag.errors import InputError

NATURAL = "natural"
CORPORA = {
    "contoso": "eval/contoso/documents",
    "sec10q": "eval/sec10q/documents",
    "mixed": "natural/mixed/documents",
}
"""The documents of each corpus, within the folder of larger suites."""


def load_natural(questions: Path, shared: Path, *, skip_malformed: bool = False) -> list[Suite]:
    """The suites of the corpora, in the order of CORPORA. Raises InputError where the documents of one are missing."""
    suites = []
    for corpus, place in CORPORA.items():
        if not (shared / place).is_dir():
            raise InputError(
                f"The suite {NATURAL} needs the documents of {corpus} in {shared / place}, which is no folder. Add "
                "them, or set FOOTNOTE_SHARED_DIR to a folder that has them."
            )
        name = f"{NATURAL}-{corpus}"
        suites.append(load_corpus(name, questions, corpus, shared / place, skip_malformed=skip_malformed))
    if not any(suite.cases for suite in suites):
        raise InputError(f"{questions} has no question on {', '.join(CORPORA)}. Name one of these as its `corpus`.")
    return [suite for suite in suites if suite.cases]


def join_suites(suites: Sequence[Suite]) -> Suite:
    """The suites as one, for a result that holds the records of all."""
    hashes = [hashlib.sha256("".join(parts).encode()).hexdigest()[:12] for parts in (
        [suite.hash for suite in suites], [suite.documents_hash for suite in suites]
    )]  # fmt: skip
    documents = tuple(document for suite in suites for document in suite.documents)
    cases = tuple(case for suite in suites for case in suite.cases)
    return Suite(NATURAL, suites[0].folder, documents, cases, hashes[0], hashes[1], suites[0].skipped_lines)


def lay_out(questions: Path, folders: Mapping[str, Path], out: Path) -> list[Path]:
    """Write the suites, replacing earlier ones. Returns their folders.

    `folders` maps the name of a corpus to its documents. Questions on a corpus that is not named are left out. Raises
    InputError where a folder or the file cannot be read.
    """
    try:
        rows = [json.loads(line) for line in questions.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"{questions} cannot be read: {error}. Name a file with one JSON object a line.") from error
    written = []
    for corpus, documents in folders.items():
        asked = [row for row in rows if row.get("corpus") == corpus]
        if not asked or not documents.is_dir():
            raise InputError(
                f"{questions} has {len(asked)} questions on {corpus!r}, whose documents should be in {documents}. "
                "Name a corpus of the file and the folder of its documents."
            )
        suite = out / f"natural-{corpus}"
        shutil.rmtree(suite, ignore_errors=True)
        shutil.copytree(documents, suite / "documents")
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in asked)
        (suite / "questions.jsonl").write_text(lines, encoding="utf-8")
        written.append(suite)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the suites and print their folders."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("questions", type=Path, metavar="QUESTIONS.jsonl")
    parser.add_argument("--documents", nargs="+", required=True, metavar="CORPUS=FOLDER")
    parser.add_argument("--out", type=Path, default=Path("suites"), metavar="DIR")
    options = parser.parse_args(arguments)
    folders = {name: Path(folder) for name, _, folder in (one.partition("=") for one in options.documents)}
    try:
        for suite in lay_out(options.questions, folders, options.out):
            print(suite)  # noqa: T201
    except InputError as error:
        parser.error(error.message)
    return 0


if __name__ == "__main__":
    sys.exit(main())
