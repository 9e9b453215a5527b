"""Lays out questions on several corpora as one suite a corpus: documents/ and questions.jsonl.

    python -m evals.suites.natural QUESTIONS.jsonl --documents contoso=FOLDER mixed=FOLDER --out suites

Each line of the questions names its `corpus`; the suite of a corpus is OUT/natural-CORPUS.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rag.errors import InputError


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
