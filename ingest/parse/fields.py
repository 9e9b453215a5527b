"""What a word processor computes itself from the code of a field: signs (SYMBOL) and formulas (EQ). Pure.

Such fields store no result, or one that is not shown (ECMA-376, part 1, 17.16.5.18 and 17.16.5.61).
"""

from __future__ import annotations

import re

from ingest.parse.formulas import (
    Row,
    Term,
    make_fence,
    make_fraction,
    make_root,
    make_scripts,
    make_sign,
    make_table,
    split_words,
    write_row,
)
from ingest.parse.symbols import show_symbols

_LONGEST = 2_000
_SYMBOL = re.compile(r"\s*SYMBOL\s+(0x[0-9a-f]{1,6}|\d{1,7})(?![0-9a-z])(.*)", re.IGNORECASE | re.DOTALL)
_FONT = re.compile(r"\\f\s*(?:\"([^\"]*)\"|(\S+))", re.IGNORECASE)
_EQUATION = re.compile(r"\s*EQ\s+(.*)", re.IGNORECASE | re.DOTALL)
_PIECE = re.compile(r"\\([a-z])|\\(.)|([(),;])|([^\\(),;]+)", re.IGNORECASE | re.DOTALL)
_OPTION = re.compile(
    r"\\(up|do|ad|ai|di|al|ar|ac|co|hs|vs|fo|ba|to|bo|le|ri|su|pr|in|fc|vc|bc|lc|rc)\s*(\\[^a-z]|\d*)\s*", re.IGNORECASE
)
_GENERAL = re.compile(r"\\\*\s*(?:\"[^\"]*\"|\S+)")  # switches of the field itself
_MOST_NESTED = 50


def compute_field(code: str) -> str:
    """What a field with this code shows; empty for all that store their result."""
    if found := _SYMBOL.match(code):
        return _show_symbol(int(found[1], 0) if found[1][:2].lower() == "0x" else int(found[1]), found[2])
    if len(code) <= _LONGEST and (found := _EQUATION.match(code)):
        row, _at = _read_equation(_GENERAL.sub("", found[1]).strip(), 0, 0)
        return write_row(row[0]) if len(row) == 1 else ", ".join(map(write_row, row))
    return ""


def _show_symbol(number: int, switches: str) -> str:
    if number > 0x10FFFF:
        return ""
    font = _FONT.search(switches)
    wide = number > 255 or re.search(r"\\u\b", switches, re.IGNORECASE)
    character = chr(number) if wide else bytes([number]).decode("cp1252", "ignore")
    return show_symbols(character, (font[1] or font[2]) if font else "")


def _read_equation(code: str, at: int, depth: int) -> tuple[list[Row], int]:
    """The arguments from a place up to the bracket that ends them, and the place behind it."""
    arguments: list[Row] = [[]]
    while at < len(code):
        found = _PIECE.match(code, at)
        if found is None:
            break
        command, escaped, sign, text = found.groups()
        at = found.end()
        if command is not None:
            options = []
            while option := _OPTION.match(code, at):
                options.append((option[1].lower(), option[2]))
                at = option.end()
            inner: list[Row] = [[]]
            if code[at : at + 1] == "(" and depth < _MOST_NESTED:
                inner, at = _read_equation(code, at + 1, depth + 1)
            base = arguments[-1].pop() if command in "sS" and arguments[-1] else Term("")
            arguments[-1] += _write_command(command.lower(), dict(options), inner, base)
        elif sign == ")" and depth:
            return arguments, at
        elif sign in (",", ";") and depth:
            arguments.append([])
        else:
            arguments[-1] += split_words(escaped or sign or text.strip())
    return arguments, at


def _write_command(command: str, options: dict[str, str], parts: list[Row], base: Term) -> Row:
    """What a command writes; `base` stands before the raised or lowered text of `\\s`."""
    first, last = parts[0], parts[-1]
    match command:
        case "f" if len(parts) == 2:
            return [make_fraction(first, last)]
        case "r":
            return [make_root(last, first if len(parts) > 1 else [])]
        case "s":
            return [make_scripts([base], last if "do" in options else [], [] if "do" in options else last)]
        case "i":
            kind = "∑" if "su" in options else "∏" if "pr" in options else "∫"
            parts = [*parts, [], []]
            return [make_scripts(make_sign(kind), parts[0], parts[1]), Term("", "space"), *parts[2]]
        case "b":
            opening, closing = options.get("lc", "\\("), options.get("rc", "\\)")
            both = options.get("bc")
            opening, closing = (both, {"\\[": "\\]", "\\{": "\\}"}.get(both, both)) if both else (opening, closing)
            return [make_fence(parts, opening[1:], closing[1:], ", ")]
        case "o":  # what is drawn over a word is its reading
            return next((part for part in reversed(parts) if any(term.kind != "raised" for term in part)), last)
        case "a":
            width = int(options.get("co") or 1)
            return [make_table([parts[at : at + width] for at in range(0, len(parts), max(1, width))])]
        case "l":
            return [Term(", ".join(map(write_row, parts)))]
        case _:
            return [term for part in parts for term in part]
