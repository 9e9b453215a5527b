"""`.footnoteignore`: which files of a folder are left out, with the patterns of `.gitignore`. Pure but for reading it.

A file `.footnoteignore` holds for its own folder and those below. One pattern a line: `*` and `?` match within a name,
`**` any folders, `[a-z]` a character; a pattern with `/` before its end starts at the folder, any other matches at
every depth; a final `/` means folders only, `!` takes a file back in, `#` begins a comment. The last matching line
decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

IGNORE_FILE = ".footnoteignore"
_TOKEN = re.compile(r"\*\*/|/\*\*$|\*+|\?|\[[!^]?\]?[^\]/]*\]|\\.|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """One line: `pattern` matches whole paths below the walked folder, with `/` between names."""

    pattern: re.Pattern[str]
    takes_back: bool
    folders_only: bool


def read_ignore_rules(folder: Path, inside: str) -> tuple[IgnoreRule, ...]:
    """The rules of a folder's `.footnoteignore`; none where it has no such file.

    `inside` is the folder's own path below the walked one, ending in `/` unless it is empty. Raises OSError if the file
    cannot be read.
    """
    try:
        text = (folder / IGNORE_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ()
    return tuple(rule for line in text.splitlines() if (rule := parse_ignore_rule(line, inside)) is not None)


def parse_ignore_rule(line: str, inside: str = "") -> IgnoreRule | None:
    """The rule of one line; None for a blank line, a comment, and a pattern that cannot be read."""
    line = line.rstrip()
    if not line or line.startswith("#"):
        return None
    takes_back, line = line.startswith("!"), line.removeprefix("!")
    folders_only, line = line.endswith("/"), line.rstrip("/")
    if not line:
        return None
    anywhere = "" if "/" in line else "(?:.*/)?"
    try:
        found = re.compile(re.escape(inside) + anywhere + _translate(line.removeprefix("/")), re.DOTALL)
    except re.error:
        return None
    return IgnoreRule(found, takes_back, folders_only)


def _translate(pattern: str) -> str:
    parts = []
    for token in _TOKEN.findall(pattern):
        if token == "**/":
            parts.append("(?:.*/)?")
        elif token == "/**":
            parts.append("/.*")
        elif token.startswith("*"):
            parts.append("[^/]*")
        elif token == "?":
            parts.append("[^/]")
        elif token.startswith("[") and len(token) > 2:
            inner = token[1:-1].replace("\\", "\\\\")
            parts.append(f"[^{inner[1:]}]" if inner[0] in "!^" else f"[{inner}]")
        elif token.startswith("\\") and len(token) == 2:
            parts.append(re.escape(token[1]))
        else:
            parts.append(re.escape(token))
    return "".join(parts)


def is_ignored(rules: Sequence[IgnoreRule], path: str, *, is_folder: bool) -> bool:
    """Whether the last rule that matches this path leaves it out."""
    for rule in reversed(rules):
        if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(path):
            return not rule.takes_back
    return False
