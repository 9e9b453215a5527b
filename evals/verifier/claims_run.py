"""`footnote eval claims`: the claims that people wrote, judged, with one result file."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from evals.run.caller import Caller
from evals.run.environment import code_hash, describe_commit
from evals.run.replies import REPLIES_FILE
from evals.run.runner import RunOptions
from evals.suites.cases import sample_items
from evals.verifier.claims import as_json, check_claims, format_table, open_judge, read_claims
from rag.errors import InputError
from rag.settings import Settings


def main_claims(settings: Settings, file: Path, options: RunOptions, *, caller: Caller) -> int:
    """Judge the claims of a file, or a sample of `options.limit`, and print the figures by kind.

    With `options.judge` the embedded model judges too; its replies are kept under `options.out` and replayed. Raises
    InputError for a file or a folder that cannot be used.
    """
    claims = sample_items(read_claims(file), options.limit, options.seed)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with ExitStack() as closing:
            judge = open_judge(settings, options.out / REPLIES_FILE, closing) if options.judge else None
            progress = closing.enter_context(caller.show_progress("claims"))

            def told(done: int) -> None:
                progress.overall(done, len(claims))

            checked = asyncio.run(check_claims(claims, settings.answers.min_coverage, judge, told))
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        header = {
            "suite": "claims", "file": str(file), "limit": options.limit, "sample_seed": options.seed,
            "judge": judge.model if judge else None, "settings": settings.answers.model_dump(mode="json"),
            "code_hash": code_hash(), "commit": describe_commit(), "finished_at": finished,
        }  # fmt: skip
        result = header | as_json(checked)
        path = options.out / f"claims-{finished.replace(':', '').replace('+0000', 'Z')}.json"
        path.write_text(json.dumps(result, ensure_ascii=False, indent=1) + os.linesep, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"Results cannot be written to {options.out}: {error.strerror}. Name a writable folder with --out."
        ) from error
    caller.say(f"Result: {path}")
    if caller.as_json:
        caller.print_json({"result": str(path), **{name: value for name, value in result.items() if name != "claims"}})
    else:
        print(format_table(checked))  # noqa: T201
    return 0
