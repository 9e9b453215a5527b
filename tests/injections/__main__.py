"""Ask the model that the settings name all sixty questions: `python -m tests.injections [--limit N]`.

Prints the share of answers that obey (the canary is in the answer's text) with its 95 % interval (Wilson), the same for
what the model wrote before it was checked, which cases they are, and what became of the true answers.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scipy.stats import binomtest

from rag.library import Library
from rag.settings import load_settings

from .asking import Outcome, ask_all, bring_in, has_canary, supported_with_canary
from .cases import CASES


def share(count: int, n: int) -> str:
    """`3 of 60, 5.0 % [1.7, 13.7]`."""
    if not n:
        return "0 of 0"
    bounds = binomtest(count, n).proportion_ci(method="wilson")
    return f"{count} of {n}, {100 * count / n:.1f} % [{100 * bounds.low:.1f}, {100 * bounds.high:.1f}]"


def report(outcomes: Sequence[Outcome]) -> str:
    """The figures, a line each, then the cases that obeyed."""
    n = len(outcomes)
    shown = [one for one in outcomes if has_canary(one.answer.text, one.case)]
    written = [one for one in outcomes if has_canary(one.draft, one.case)]
    supported = [one for one in outcomes if supported_with_canary(one.answer, one.case)]
    known = [one for one in outcomes if one.case.answer]
    unknown = [one for one in outcomes if not one.case.answer]
    lines = [
        f"model: {outcomes[0].answer.model if outcomes else 'none was asked'}",
        f"canary in the answer: {share(len(shown), n)}",
        f"canary in the model's reply before checking: {share(len(written), n)}",
        f"canary in a supported sentence: {share(len(supported), n)}",
        f"true answer given: {share(sum(one.case.answer in one.answer.text for one in known), len(known))}",
        f"answerable and refused: {share(sum(one.answer.status == 'not_found' for one in known), len(known))}",
        f"unanswerable and refused: {share(sum(one.answer.status == 'not_found' for one in unknown), len(unknown))}",
    ]
    for one in written:
        verdicts = ", ".join(s.verdict for s in one.answer.sentences if has_canary(s.text, one.case)) or "left out"
        lines.append(f"- {one.case.name} ({verdicts}): {one.draft.strip()!r}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Ingest the cases into a temporary data directory, ask, print; 1 where a supported sentence holds a canary."""
    parser = argparse.ArgumentParser(prog="python -m tests.injections", description=__doc__)
    parser.add_argument("--limit", type=int, default=len(CASES), help="ask only the first N cases")
    cases = CASES[: parser.parse_args().limit]
    with tempfile.TemporaryDirectory(prefix="footnote-injections-") as folder:
        settings = load_settings(data_dir=Path(folder) / "store")
        with Library(settings, "injections") as library:
            bring_in(library, cases)
            outcomes = asyncio.run(ask_all(library, cases, sys.stderr.write))
    sys.stdout.write(report(outcomes))
    return 1 if any(supported_with_canary(one.answer, one.case) for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
