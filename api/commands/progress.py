"""Progress on stderr: two bars in a terminal, otherwise a line every few seconds, or JSON events."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Protocol

from api.commands.tables import printable

LINE_EVERY_S = 5.0


class Progress(Protocol):
    """Shows progress, as bars or as lines. `done` and `total` share any unit; a total of 0 means unknown."""

    def overall(self, done: float, total: float) -> None:
        """Show the progress of the whole command."""
        ...

    def current(self, name: str, step: str, share: float) -> None:
        """Show the current item, its step, and the share of it that is done (0 to 1)."""
        ...

    def read(self, pages: int) -> None:
        """Count pages that are done, for pages a second."""
        ...

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def show_progress(unit: str) -> Progress:
    """Bars for a person at a terminal, lines for a log."""
    return Bars(unit) if sys.stderr.isatty() else Lines(unit)


class Pace:
    """How fast a command works, and how long it still takes, as words."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._pages = 0

    def read(self, pages: int) -> None:
        """Count pages that are done."""
        self._pages += pages

    def figures(self, done: float, total: float) -> dict[str, float | None]:
        """Pages a second, and the seconds left if the rest goes as the part that is done; None where it is unknown."""
        seconds = max(time.monotonic() - self._started_s, 1e-9)
        left = seconds / done * (total - done) if done > 0 else None
        return {
            "pages_per_second": round(self._pages / seconds, 2),
            "seconds_left": None if left is None else round(left, 1),
        }

    def words(self, done: float, total: float) -> str:
        """The figures as words; empty where nothing is known."""
        figures = self.figures(done, total)
        said = [f"{figures['pages_per_second']:.1f} pages/s"] if self._pages else []
        if figures["seconds_left"]:
            left = round(figures["seconds_left"])
            hours, minutes = left // 3600, left // 60 % 60
            said.append(f"{hours}:{minutes:02}:{left % 60:02} left" if hours else f"{minutes}:{left % 60:02} left")
        return ", ".join(said)


class Lines:
    """Prints at most one line every LINE_EVERY_S seconds, the first after that time: short work prints nothing."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._pace = Pace()
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
            pace = self._pace.words(self._done, self._total)
            line = f"{self._done:g} of {self._total:g} {self._unit}{f', {pace}' if pace else ''}{self._now}"
            print(line, file=sys.stderr, flush=True)  # noqa: T201

    def read(self, pages: int) -> None:
        self._pace.read(pages)

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class Events:
    """Prints a JSON object on a line of its own for each step of an item, and for the whole whenever it advances."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._pace = Pace()
        self._done = -1.0

    def overall(self, done: float, total: float) -> None:
        if done != self._done:
            self._done = done
            self._say(event="progress", unit=self._unit, done=done, total=total, **self._pace.figures(done, total))

    def current(self, name: str, step: str, share: float) -> None:
        self._say(event="step", name=name, step=step, share=round(share, 3))

    @staticmethod
    def _say(**fields: object) -> None:
        print(json.dumps(fields), file=sys.stderr, flush=True)  # noqa: T201

    def read(self, pages: int) -> None:
        self._pace.read(pages)

    def __enter__(self) -> Events:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class Bars:
    """Shows one bar for the whole command and one for the current item; both disappear at the end."""

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
        self._pace = Pace()
        self._whole = self._rich.add_task("All", total=None, note="")
        self._part = self._rich.add_task("", total=1.0, note="", visible=False)

    def overall(self, done: float, total: float) -> None:
        pace = self._pace.words(done, total)
        note = f"{done:g} of {total:g} {self._unit}{f', {pace}' if pace else ''}"
        self._rich.update(self._whole, completed=done, total=total or None, note=note)

    def current(self, name: str, step: str, share: float) -> None:
        shown = printable(name)
        self._rich.update(
            self._part, completed=share, description=shown if len(shown) <= 40 else f"…{shown[-39:]}", note=step,
            visible=True,
        )  # fmt: skip

    def read(self, pages: int) -> None:
        self._pace.read(pages)

    def __enter__(self) -> Bars:
        self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rich.stop()
