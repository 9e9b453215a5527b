"""Suites by name: those in the folder of larger suites, which lies beside the repository.

FOOTNOTE_SHARED_DIR names another folder. It holds `eval/NAME` (a suite each), `natural/dev.jsonl` (questions on several
corpora, `evals.suites.natural`) and `claims/dev.jsonl` (claims for the verifier, `evals.verifier.claims`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from evals.suites.natural import NATURAL
from rag.errors import InputError

CLAIMS = "claims"
_FILES = {NATURAL: "natural/dev.jsonl", CLAIMS: "claims/dev.jsonl"}


def shared_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of larger suites, whether it exists or not."""
    return Path(environ.get("FOOTNOTE_SHARED_DIR") or Path(__file__).parents[3] / "shared")


def find_named(given: Path, shared: Path) -> Path | None:
    """The file or the folder of a suite that is given by its name; None for a path, whose folder is the suite.

    A folder of that name comes first. Raises InputError for a named suite that the folder of larger suites lacks.
    """
    name = str(given)
    if given.exists() or given.name != name:
        return None
    if (shared / "eval" / name).is_dir():
        return shared / "eval" / name
    if name not in _FILES:
        return None
    place = shared / _FILES[name]
    if not place.is_file():
        raise InputError(
            f"The suite {name!r} is not part of the repository, and {place} does not exist. Set FOOTNOTE_SHARED_DIR to "
            "the folder of larger suites, or name a folder with documents/ and questions.jsonl."
        )
    return place
