"""Make `ingest/parse/vocabulary.txt.gz`, the words by which hyphens at line ends are judged.

    python -m evals.training.vocabulary [VOCAB]

VOCAB is the `vocab.txt` of the default embedding model (BERT's English vocabulary), by default the fetched one.
"""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

TARGET = Path(__file__).parents[2] / "ingest" / "parse" / "vocabulary.txt.gz"


def choose_words(vocabulary: str) -> list[str]:
    """The whole words of at least two letters a to z, sorted."""
    return sorted({word for word in vocabulary.split() if re.fullmatch(r"[a-z]{2,}", word)})


def main(arguments: list[str]) -> int:
    """Write the file; returns the exit status."""
    source = (
        Path(arguments[0])
        if arguments
        else Path.home() / ".cache" / "footnote" / "models" / "all-MiniLM-L6-v2" / "vocab.txt"
    )
    words = choose_words(source.read_text(encoding="utf-8"))
    TARGET.write_bytes(gzip.compress("\n".join(words).encode("ascii"), 9, mtime=0))
    print(f"{len(words):,} words, {TARGET.stat().st_size:,} bytes: {TARGET}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
