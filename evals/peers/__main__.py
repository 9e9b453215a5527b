"""Compare the speed of ingest: `python -m evals.peers FOLDER --python PEER_PYTHON [--rounds N]` (`make peer`).

Rounds alternate Footnote, the peer's default, Footnote, and the peer with chunks of 200 tokens, of which the embedding
model reads every one. Each is a process of its own; what is compared is pages a second within the same round, since a
machine's speed changes between rounds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from rag.errors import FootnoteError
from rag.models.embedding import locate_embedder
from rag.settings import load_settings

FULL_COVERAGE_TOKENS = 200
_PEER = Path(__file__).with_name("llama_index_default.py")
_WAYS = (("LlamaIndex, its default", ()), (f"LlamaIndex, {FULL_COVERAGE_TOKENS} tokens", (str(FULL_COVERAGE_TOKENS),)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rounds and print a line for each way; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m evals.peers", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="documents that both ingest")
    parser.add_argument("--python", required=True, help="Python of the environment that has LlamaIndex")
    parser.add_argument("--rounds", type=int, default=2, help="rounds (default 2)")
    options = parser.parse_args(arguments)
    settings = load_settings()
    try:
        model, _ = locate_embedder(settings.embedding.model, settings.resolved_model_dir())
    except FootnoteError as error:
        parser.error(error.message)
    ratios: dict[str, list[float]] = {name: [] for name, _ in _WAYS}
    for _ in range(options.rounds):
        for name, chunking in _WAYS:
            ours = _run([sys.executable, "-m", "evals.peers.footnote", str(options.folder)])
            theirs = _run([options.python, str(_PEER), str(options.folder), str(model), *chunking])
            ratio = theirs["seconds"] / ours["seconds"]
            ratios[name].append(ratio)
            pages = theirs["pages"]  # a file without pages is one there
            sys.stdout.write(f"{_line('Footnote', pages, ours)}\n{_line(name, pages, theirs)}   ratio {ratio:.2f}\n")
            sys.stdout.flush()
    for name, found in ratios.items():
        sys.stdout.write(f"Footnote reads {geometric_mean(found):.2f} times as fast as {name}\n")
    return 0


def _run(command: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _line(name: str, pages: int, found: dict[str, Any]) -> str:
    return (
        f"{name:<26}{pages / found['seconds']:6.1f} pages/s   {pages} pages, {found['chunks']} chunks, "
        f"{found['seconds']:.0f} s, at most {found['peak_mb']:.0f} MiB"
    )


if __name__ == "__main__":
    sys.exit(main())
