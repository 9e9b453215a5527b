"""Result files to a page that people look at.

    result files ─ read_runs ─> Runs ─ make_page ─> one HTML file

Reading order of what makes the page: `evals.report.runs`, `curves`, `charts`, `measures`, `sections`, `questions`,
`document`, then the page's own style and script.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from evals.report.document import make_page
from evals.report.runs import read_runs
from rag.errors import InputError

DEFAULT_NAME = "report.html"


def main_report(runs: Sequence[Path], out: Path | None) -> int:
    """Write the report on result files, one to six of one suite, and print its path.

    It is one file that needs nothing beside it; without `out` it lies beside the first result file. A report that is
    there already is replaced. Raises InputError where a result file cannot be used or the report cannot be written.
    """
    read = read_runs(runs)
    path = out or runs[0].parent / DEFAULT_NAME
    if any(path.resolve() == run.path.resolve() for run in read):
        raise InputError(f"{path} is one of the result files. Name another file for the report.")
    questions = max(len(run.result.records) for run in read)
    if len(read) > 1:
        print(f"Comparing {len(read)} runs of {questions:,} questions.", file=sys.stderr)  # noqa: T201
    page = make_page(read)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(page)
    except OSError as error:
        raise InputError(f"The report cannot be written to {path}: {error}. Name another file with --out.") from error
    print(path)  # noqa: T201
    return 0
