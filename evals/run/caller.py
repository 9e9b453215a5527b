"""What the caller of a command provides: how to open the models, and where to print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rag.settings import Settings

if TYPE_CHECKING:
    from rag.library import Library


class RunProgress(Protocol):
    """The progress of a run, shown while it is entered. `done` and `total` are counts, `share` runs from 0 to 1."""

    def overall(self, done: float, total: float) -> None: ...

    def current(self, name: str, step: str, share: float) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Quiet:
    """A RunProgress that shows nothing."""

    def overall(self, done: float, total: float) -> None:
        return

    def current(self, name: str, step: str, share: float) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


def _open_library(settings: Settings, command: str) -> Library:
    from rag.library import Library

    return Library(settings, command)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2))  # noqa: T201


def _show_nothing(unit: str) -> RunProgress:
    return Quiet()


@dataclass(frozen=True, slots=True)
class Caller:
    """How a command opens a Library and where it prints.

    `open_library` takes the settings and the name of the command. `say` prints one line on stderr, `print_json` one
    document on stdout. `show_progress` takes the unit that is counted. With `as_json` a command prints one JSON
    document on stdout and nothing else.
    """

    as_json: bool = False
    open_library: Callable[[Settings, str], Library] = _open_library
    say: Callable[[str], None] = _say
    print_json: Callable[[object], None] = _print_json
    show_progress: Callable[[str], RunProgress] = _show_nothing
