"""Fuzz both: `python -m tests.fuzz [readers|replies] [--minutes M] [--seed S] [--corpus FOLDER] [--keep FOLDER]`."""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
import traceback
from collections import Counter
from functools import partial
from pathlib import Path

from . import readers, replies

_SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "documents"
_REPORT_S = 60.0
_say = partial(print, flush=True)


def main() -> int:
    """Run one part or both for some minutes each; returns 1 where something broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("readers", "replies"), help="both where it is left out")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each part (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="seed of all changes (default 1)")
    parser.add_argument("--corpus", type=Path, action="append", default=[], help="more files to damage; repeatable")
    parser.add_argument("--keep", type=Path, help="folder for the files and replies that broke something")
    args = parser.parse_args()
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    broken = 0
    if args.part != "replies":
        broken += _fuzz_readers(args)
    if args.part != "readers":
        broken += _fuzz_replies(args)
    return int(broken > 0)


def _fuzz_readers(args: argparse.Namespace) -> int:
    codes: Counter[str] = Counter()
    unforeseen: Counter[str] = Counter()
    broken, slowest, began, told = 0, 0.0, time.monotonic(), time.monotonic()
    seeds = readers.find_seeds([_SAMPLE, *args.corpus])
    with tempfile.TemporaryDirectory() as folder:
        for outcome in readers.read_damaged(seeds, args.seed, Path(folder)):
            codes[outcome.code or "ready"] += 1
            slowest = max(slowest, outcome.seconds)
            if outcome.is_broken or (outcome.unforeseen and outcome.unforeseen not in unforeseen):
                broken += outcome.is_broken
                kept = _keep(args.keep, f"{outcome.code}-{outcome.unforeseen}", outcome.name, outcome.data)
                _say(f"{outcome.code} after {outcome.seconds:.1f} s: {outcome.said[:300]} {kept}")
            unforeseen.update([outcome.unforeseen] if outcome.unforeseen else [])
            now = time.monotonic()
            if now - told > _REPORT_S:
                told = now
                _say(f"{now - began:.0f} s: {codes.total()} files, {broken} broken")
            if now - began > 60 * args.minutes:
                break
    _say(f"{codes.total()} damaged files of {len(seeds)}: {dict(codes)}; slowest {slowest:.1f} s; {broken} broken")
    _say(f"exceptions that no reader foresaw: {dict(unforeseen) or 'none'}")
    return broken


def _fuzz_replies(args: argparse.Namespace) -> int:
    broken, count, slowest, began = 0, 0, 0.0, time.monotonic()
    held = replies.passages()
    for text in replies.write_replies(args.seed):
        started = time.monotonic()
        try:
            replies.check(text, held)
        except Exception as error:  # noqa: BLE001  whatever a reply raises is what is looked for
            broken += 1
            kept = _keep(args.keep, type(error).__name__, "reply.txt", text.encode("utf-8", "surrogatepass"))
            _say(f"{text!r:.300} {kept}\n{traceback.format_exc(limit=-3)}")
        count, slowest = count + 1, max(slowest, time.monotonic() - started)
        if time.monotonic() - began > 60 * args.minutes:
            break
    _say(f"{count} replies, slowest {slowest:.2f} s, {broken} broke what must hold")
    return broken


def _keep(folder: Path | None, why: str, name: str, data: bytes) -> str:
    if folder is None:
        return ""
    path = folder / f"{why.strip('-')}-{hashlib.sha256(data).hexdigest()[:8]}-{name}"
    path.write_bytes(data)
    return f"({path})"


if __name__ == "__main__":
    raise SystemExit(main())
