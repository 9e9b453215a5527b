"""ingest --watch: mirror folders again and again. Each pass is a run of `ingest --sync` that prints what is new."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from api.commands.context import CommandContext
from api.commands.ingest import Plan, Report, Task, as_json, print_report, run_once
from api.commands.outcomes import Outcome
from ingest.files import FoundFile, FoundFiles
from rag.errors import FootnoteError
from rag.store.collections import collection_name
from rag.store.lock import running_server
from rag.store.metadata import check_metadata

PASS_EVERY_S = 2.0
SETTLED_S = 1.0  # a file that was written within this time may not be complete
_SHARE_OF_TIME = 10  # the wait is at least this many times as long as looking through the folders took


def watch(
    context: CommandContext,
    paths: Sequence[Path],
    *,
    collection: str,
    metadata: Mapping[str, object] | None = None,
    wait: Callable[[float], bool] | None = None,
) -> int:
    """Mirror the folders until Ctrl-C; returns 0. `wait` waits that many seconds and says whether to stop.

    A pass that cannot work (another process owns the data directory, a full disk) is reported once and tried again. A
    removed file's document is deleted by the second pass that misses it, so that programs which replace a file by
    deleting it first change one document. With `--json` each pass prints one line.
    """
    given = None if metadata is None else check_metadata(metadata)
    task = Task(paths, collection_name(collection), sync=True, metadata=given)
    memory = WatchMemory(gives_metadata=given is not None)
    context.find_server()
    said = ""
    try:
        while True:
            started = time.monotonic()
            try:
                report = memory.news(run_once(context, task, running_server(context.data_dir), memory))
                said = ""
            except FootnoteError as error:
                if error.message != said:
                    said = error.message
                    context.say(f"{said} Trying again.")
            else:
                if report.outcomes or memory.is_first_pass():
                    _show(context, report)
            pause = max(PASS_EVERY_S, _SHARE_OF_TIME * (time.monotonic() - started) if not said else PASS_EVERY_S)
            if (wait or _sleep)(min(pause, 60.0)):
                return 0
    except KeyboardInterrupt:
        return 0


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _show(context: CommandContext, report: Report) -> None:
    if context.as_json:
        context.print_json_line(as_json(report))
    else:
        print_report(context, report)


class WatchMemory:
    """What the passes before have seen: files that failed, files that were missing, and what was printed."""

    def __init__(self, *, gives_metadata: bool = False) -> None:
        """With `gives_metadata` every file is work in each plan; those that are done are left out of the next ones."""
        self._ends = ("failed", "ready") if gives_metadata else ("failed",)
        self._tried: set[tuple[str, int, int]] = set()
        self._trying: dict[str, tuple[str, int, int]] = {}
        self._writing: set[str] = set()
        self._missing: set[str] = set()
        self._printed: set[Outcome] = set()
        self._passes = 0

    def is_first_pass(self) -> bool:
        """Whether one pass has ended so far."""
        return self._passes == 1

    def settled(self, found: FoundFiles) -> FoundFiles:
        """The found files without those that are being written; the documents of these are not removed."""
        now_ns = time.time_ns()
        writing = {each for each in found.files if 0 <= now_ns - each.modified_ns < SETTLED_S * 1e9}
        self._writing = {each.source for each in writing}
        return replace(found, files=tuple(each for each in found.files if each not in writing))

    def without_repeats(self, plan: Plan) -> Plan:
        """The plan without files that were tried as they are; files are removed when they were missing before too."""
        work = tuple(item for item in plan.work if _state(item.file) not in self._tried)
        self._trying = {item.file.source: _state(item.file) for item in work}
        missing = {known.source for known in plan.removed} - self._writing
        removed = tuple(known for known in plan.removed if known.source in missing & self._missing)
        self._missing = missing
        return replace(plan, work=work, removed=removed)

    def news(self, report: Report) -> Report:
        """The report without what did not change and what was printed before."""
        self._passes += 1
        told = tuple(each for each in report.outcomes if each.outcome != "unchanged" and each not in self._printed)
        for each in report.outcomes:
            if each.status in self._ends and each.source in self._trying:
                self._tried.add(self._trying[each.source])
        self._printed = {each for each in report.outcomes if each.outcome == "failed"}
        return replace(report, outcomes=told)


def _state(file: FoundFile) -> tuple[str, int, int]:
    return file.source, file.size_bytes, file.modified_ns
