"""Progress on stderr: two bars where it is a terminal, otherwise a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol

from api.commands.tables import printable

LINE_EVERY_S = 5.0


class Progress(Protocol):
    """Both forms of it. Numbers are done and total, in any unit; a total of 0 is unknown."""

    def overall(self, done: float, total: float) -> None:
        """How far the whole of it is."""
        ...

    def current(self, name: str, step: str, share: float) -> None:
        """What is in hand, in which step, and how far it is (0 to 1)."""
        ...

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def show_progress(unit: str) -> Progress:
    """Bars for a person at a terminal, lines for a log."""
    return Bars(unit) if sys.stderr.isatty() else Lines(unit)


class Lines:
    """At most one line every LINE_EVERY_S seconds, the first after that time: quick work says nothing."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._said = time.monotonic()
        self._done, self._total = 0.0, 0.0
        self._now = ""

    def overall(self, done: float, total: float) -> None:
        self._done, self._total = done, total
        self._line()

    def current(self, name: str, step: str, share: float) -> None:
        self._now = f"; {printable(name)}: {step} {share:.0%}"
        self._line()

    def _line(self) -> None:
        if time.monotonic() - self._said >= LINE_EVERY_S:
            self._said = time.monotonic()
            print(f"{self._done:g} of {self._total:g} {self._unit}{self._now}", file=sys.stderr, flush=True)  # noqa: T201

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class Bars:
    """One bar for the whole and one for what is in hand, gone when it is over."""

    def __init__(self, unit: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._rich = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._unit = unit
        self._whole = self._rich.add_task("All", total=None, note="")
        self._part = self._rich.add_task("", total=1.0, note="", visible=False)

    def overall(self, done: float, total: float) -> None:
        self._rich.update(self._whole, completed=done, total=total or None, note=f"{done:g} of {total:g} {self._unit}")

    def current(self, name: str, step: str, share: float) -> None:
        shown = printable(name)
        self._rich.update(
            self._part, completed=share, description=shown if len(shown) <= 40 else f"…{shown[-39:]}", note=step,
            visible=True,
        )  # fmt: skip

    def __enter__(self) -> Bars:
        self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rich.stop()
