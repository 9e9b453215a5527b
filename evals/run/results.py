"""Result files: written at the end of a run, read as a baseline, shown in a terminal."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from evals.metrics.compare import RESULT_FORMAT, Comparison, format_comparison
from evals.suites.cases import Suite
from rag.errors import InputError

Record = dict[str, Any]


def write_result(result: Record, out: Path) -> Path:
    """Write the result file under `out`, named after suite, pipeline, settings and time. Returns its path.

    The file is JSON with one line a record.
    """
    out.mkdir(parents=True, exist_ok=True)
    stamp = str(result["finished_at"]).replace(":", "").replace("+0000", "Z")
    stem = f"{result['suite']}-{result['pipeline']}-{result['settings_hash']}-{stamp}"
    part = out / f".{stem}.{os.getpid()}.part"
    header = json.dumps({**result, "records": []}, ensure_ascii=False, indent=1).removesuffix("[]\n}")
    records = ",\n".join(json.dumps(record, ensure_ascii=False) for record in result["records"])
    part.write_text(f"{header}[\n{records}\n]}}\n", encoding="utf-8")
    for number in range(1, 1_000):
        path = out / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")
        if not path.exists():
            break
    part.replace(path)
    return path


def read_result(path: Path, suite: Suite) -> Record:
    """An earlier result of this suite. Raises InputError where the file cannot be used as a baseline."""
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"The baseline {path} cannot be read: {error}. Name a result file of an earlier run."
        ) from error
    if not isinstance(loaded, dict) or "totals" not in loaded:
        raise InputError(f"{path} is not a result file: it has no totals. Name a result file of an earlier run.")
    if loaded.get("format") != RESULT_FORMAT:
        raise InputError(
            f"The baseline {path} is of format {loaded.get('format')!r}, not {RESULT_FORMAT}: its metrics are computed "
            "differently. Make the baseline again with this version, or leave out --baseline."
        )
    if loaded.get("suite_hash") != suite.hash:
        raise InputError(
            f"The baseline {path} is of the suite {loaded.get('suite')} ({loaded.get('suite_hash')}), this is "
            f"{suite.name} ({suite.hash}). Name a result of this suite; where its files changed, make the baseline "
            "again."
        )
    if not isinstance(loaded.get("records"), list):
        raise InputError(f"{path} is not a result file: it has no records. Name a result file of an earlier run.")
    return loaded


def format_result(result: Record, comparison: Comparison | None = None) -> str:
    """A result for a terminal: counts, metrics with 95 % intervals, timings, and the comparison if there is one."""
    lines = [f"{name:32}{value:>10}" for name, value in result["counts"].items()]
    lines += ["", f"{'metric':32}{'mean':>10}   {'95 % interval':18}{'n':>6}"]
    for name, total in result["totals"].items():
        bounds = "-" if total["low"] is None else f"{total['low']:.3f} .. {total['high']:.3f}"
        lines.append(f"{name:32}{total['value']:>10.3f}   {bounds:18}{total['n']:>6}")
    for kind, totals in result.get("kinds", {}).items():
        if totals:
            shown = "   ".join(f"{name} {total['value']:.2f}" for name, total in totals.items())
            lines.append(f"{kind:20}{max(total['n'] for total in totals.values()):>4}   {shown}")
    lines += ["", f"{'step':32}{'median ms':>10}   {'95th percentile':18}{'n':>6}"]
    for step, timing in result["timings_ms"].items():
        lines.append(f"{step:32}{timing['p50']:>10.1f}   {timing['p95']:<18.1f}{timing['n']:>6}")
    if comparison:
        lines += ["", format_comparison(comparison)]
    return "\n".join(lines)
