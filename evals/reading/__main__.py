"""Measure reading.

python -m evals.reading words FOLDER     files and their expected texts
python -m evals.reading cells            tables of PDF, DOCX, XLSX, HTML and PPTX files with merged and blank cells
python -m evals.reading rows --documents DIR      questions whose answer is a cell (evals/suites/sec10q_cells)
python -m evals.reading scans            pages of 150 dpi with noise and 2 degrees of tilt
python -m evals.reading screens          screenshots of 10 to 14 points in Word files
python -m evals.reading hostile FOLDER...         what a server makes of hostile files while it answers others
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evals.reading.cells import print_cells
from evals.reading.hostile import print_hostile
from evals.reading.rows import QUESTIONS, print_rows
from evals.reading.scans import print_scans
from evals.reading.screens import print_screens
from evals.reading.words import print_words
from rag.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one measurement; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m evals.reading", description=(__doc__ or "").split("\n")[0])
    tasks = parser.add_subparsers(dest="task", required=True)
    words = tasks.add_parser("words", help="files of FOLDER and their expected texts")
    words.add_argument("folder", type=Path)
    words.add_argument("--kinds", nargs="*", default=[], help="only these formats (names of folders)")
    words.add_argument("--files", action="store_true", help="each file, with the words that are missing")
    cells = tasks.add_parser("cells", help="generated tables of five formats")
    cells.add_argument("--tables", type=int, default=20, help="tables of each format and kind (default 20)")
    scans = tasks.add_parser("scans", help="generated scans")
    scans.add_argument("--pages", type=int, default=20, help="pages (default 20)")
    tasks.add_parser("screens", help="generated screenshots in Word files")
    rows = tasks.add_parser("rows", help="questions whose answer is a cell")
    rows.add_argument("--questions", type=Path, default=QUESTIONS, help="question file (default: the repository's)")
    rows.add_argument("--documents", type=Path, required=True, help="folder of the documents")
    rows.add_argument("--stores", type=Path, default=Path("runs"), help="folder of the stores (default runs)")
    hostile = tasks.add_parser("hostile", help="every file of FOLDER, uploaded to a server that is searched meanwhile")
    hostile.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    options = parser.parse_args(arguments)
    try:
        if options.task == "words":
            print_words(options.folder, options.kinds, options.files)
        elif options.task == "rows":
            print_rows(options.questions, options.documents, options.stores)
        elif options.task == "hostile":
            return int(not print_hostile(options.folders))
        elif options.task == "cells":
            print_cells(options.tables)
        elif options.task == "screens":
            print_screens()
        else:
            print_scans(options.pages)
    except InputError as error:
        parser.error(error.message)
    return 0


if __name__ == "__main__":
    sys.exit(main())
