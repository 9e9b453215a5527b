"""The long form: `python -m tests.faults [--kills N] [--persist N] [--commits N] [--seed S]`."""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.faults.harness import TARGETS, run


def main() -> None:
    """Kill a store in a temporary folder and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    for name, count in (("random", 300), ("commit", 100), ("persist", 100)):
        parser.add_argument(
            f"--{name}", type=int, default=count, metavar="N", help=f"kills of this aim (default {count})"
        )
    parser.add_argument("--seed", type=int, default=1, help="seed of moments and documents (default 1)")
    args = parser.parse_args()
    say = partial(print, flush=True)
    targets = itertools.cycle(TARGETS)
    rounds = [(next(targets), aim) for aim in ("random", "commit") for _ in range(getattr(args, aim))]
    rounds += [("server", "persist")] * args.persist
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts = run(Path(folder), rounds, args.seed, say)
    starts = sorted(counts.start_s)
    say(f"{sum(counts.kills.values())} kills in {time.monotonic() - started:.0f} s: {dict(counts.kills)}")
    say(f"{counts.acknowledged} acknowledged uploads, 0 lost, 0 twice; {counts.given_up} failed and came again")
    say(f"starts after a kill: median {statistics.median(starts):.2f} s, longest {starts[-1]:.2f} s")


if __name__ == "__main__":
    main()
