"""Result files to an HTML page.

result files ─ read_runs ─> Runs ─ make_page ─> one HTML file
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evals.report.document import make_page
from evals.report.runs import read_runs
from evals.run.caller import Caller
from rag.errors import InputError

DEFAULT_NAME = "report.html"


def main_report(runs: Sequence[Path], out: Path | None, caller: Caller | None = None) -> int:
    """Write the report on one to six result files of one suite, and print its path.

    The report is one file that needs no other. Without `out` it is written beside the first result file. An existing
    report is replaced. Raises InputError where a result file cannot be used or the report cannot be written.
    """
    caller = caller or Caller()
    read = read_runs(runs)
    path = out or runs[0].parent / DEFAULT_NAME
    if any(path.resolve() == run.path.resolve() for run in read):
        raise InputError(f"{path} is one of the result files. Name another file for the report.")
    questions = max(len(run.result.records) for run in read)
    if len(read) > 1:
        caller.say(f"Comparing {len(read)} runs of {questions:,} questions.")
    page = make_page(read)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(page)
    except OSError as error:
        raise InputError(f"The report cannot be written to {path}: {error}. Name another file with --out.") from error
    if caller.as_json:
        caller.print_json({"report": str(path), "runs": [str(run.path) for run in read], "questions": questions})
    else:
        print(path)  # noqa: T201
    return 0
