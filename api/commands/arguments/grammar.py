"""The grammar of the command line: a parser that tells the nearest right word, and what commands are added to."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from api.commands.context import CommandContext

Run = Callable[["CommandContext", argparse.Namespace], int]


class UsageError(Exception):
    """A wrong command line: the message of argparse and the usage line of the command."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """Shows the lines of the epilog as they are: one example a line. A wrong word is told with the nearest right one,
    by the parser of the command that it was written for. Raises UsageError.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **options})

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        stop = "" if message.endswith((".", "?")) else "."
        raise UsageError(f"{message}{stop} See `{self.prog} --help`.", self.format_usage())

    def parse_known_args(self, *words: Any) -> tuple[argparse.Namespace, list[str]]:  # type: ignore[override]
        """As argparse's, and an unknown word is an error."""
        known, unknown = super().parse_known_args(*words)
        if unknown:
            if unknown[0].startswith("-"):
                name = unknown[0].partition("=")[0]
                self.error(f"there is no option {name}{_nearest(name, self._option_string_actions)}")
            self.error(f"{unknown[0]!r} is one word too many; put words that belong together in quotes")
        return known, unknown

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(one) for one in action.choices]
            near = _nearest(str(value), known) or f"; choose from {', '.join(known)}"
            raise argparse.ArgumentError(action, f"{value!r} is not known{near}")


def _nearest(word: str, known: Iterable[str]) -> str:
    """What to say of the known word that is nearest to a wrong one."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f". Did you mean {near[0]}?" if near else ""


class Commands:
    """The commands of `footnote`, or the actions of one of them (`docs list`)."""

    def __init__(self, parser: argparse.ArgumentParser, dest: str = "command", metavar: str = "COMMAND") -> None:
        """The word of the command is parsed into `dest`; `metavar` stands for it in the help."""
        self.parser = parser
        self._words = parser.add_subparsers(dest=dest, required=True, metavar=metavar)

    def add(
        self,
        name: str,
        run: Run,
        text: str,
        examples: Sequence[str],
        *,
        as_json: bool = True,
        uses_data: bool = True,
    ) -> argparse.ArgumentParser:
        """The parser of a new command, which `run` runs and `text` describes. It takes --data-dir, and --json unless it
        talks; `uses_data` is False where the data directory is of no use to it.
        """
        command = self._words.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.set_defaults(run=run, as_json=False)
        command.epilog = "\n  ".join(["examples:", *examples])
        where = "data directory (or FOOTNOTE_DATA_DIR; default data/store)"
        command.add_argument(
            "--data-dir", type=Path, metavar="DIR", help=where if uses_data else "not used by this command"
        )
        if as_json:
            command.add_argument(
                "--json", dest="as_json", action="store_true", help="print one JSON document on stdout"
            )
        return command

    def group(self, name: str, text: str, actions: str) -> Commands:
        """A new command that is followed by one of its actions, which the help lists as `actions`."""
        return Commands(self._words.add_parser(name, help=text), "action", actions)


def program_version() -> str:
    """The version of the installed package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("footnote-rag")
    except PackageNotFoundError:
        return "(not installed)"
