"""How much of what files show is read: their words beside expected texts.

FOLDER holds a folder for each format, with `sources/NAME` (at any depth) and `groundtruth/NAME.md`. Words kept is the
share of the expected words that were read, each as often as expected; words in order is the share that stand in the
longest common order. Markup of the expected text (bars, rules, link targets, placeholders of pictures) does not count.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.parse import parse_file
from rag.errors import InputError, ParseError
from rag.settings import Parsing

_WORD = re.compile(r"[^\W_]+")
_MARKUP = re.compile(r"<!--.*?-->|<[^>]{1,200}>|\]\([^)]*\)|^\s*\|?[-:| ]+\|?\s*$", re.MULTILINE | re.DOTALL)
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"), ("\\_", "_"))
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")


@dataclass(frozen=True, slots=True)
class Reading:
    """One file: its format, the shares of its words kept and in order (0 to 1), and the words that are missing."""

    kind: str
    name: str
    words: int
    kept: float
    in_order: float
    missing: tuple[str, ...]


def words_of(text: str, *, markup: bool = False) -> list[str]:
    """The words of a text in lower case; of Markdown without its markup. Raised digits are apart from what they follow,
    as digits."""
    if markup:
        text = _MARKUP.sub(" ", text)
        for entity, sign in _ENTITIES:
            text = text.replace(entity, sign)
    raised = re.sub(r"(?<=\w)(?=[⁰¹²³⁴-⁹₀-₉])", " ", text)
    return _WORD.findall(raised.translate(_RAISED).lower())


def compare(kind: str, name: str, read: Sequence[str], expected: Sequence[str]) -> Reading:
    """Compare the words read with the words expected."""
    lost = Counter(expected) - Counter(read)
    matcher = difflib.SequenceMatcher(None, read, expected, autojunk=False)
    ordered = sum(block.size for block in matcher.get_matching_blocks())
    total = max(1, len(expected))
    return Reading(
        kind, name, len(expected), 1 - sum(lost.values()) / total, ordered / total, tuple(sorted(lost.elements()))
    )


def measure(folder: Path, kinds: Sequence[str] = ()) -> Iterator[Reading]:
    """Read each file that has an expected text; a refused file has lost all of its words."""
    for expected in sorted(folder.glob("*/groundtruth/*.md")):
        kind, name = expected.parent.parent.name, expected.name.removesuffix(".md")
        if kinds and kind not in kinds:
            continue
        source = next((one for one in (folder / kind).rglob(name) if one.parent.name != "groundtruth"), None)
        if source is None:
            continue
        try:
            text = parse_file(source, document_id="x", name=name, limits=Parsing(timeout_s=120)).text
        except ParseError as error:
            text = ""
            print(f"refused: {error.message}", file=sys.stderr)  # noqa: T201
        yield compare(kind, name, words_of(text), words_of(expected.read_text("utf-8"), markup=True))


def print_words(folder: Path, kinds: Sequence[str], each_file: bool) -> None:
    """Print the shares of each format, and those of each file with the words that are missing. Raises InputError."""
    readings = list(measure(folder, kinds))
    if not readings:
        raise InputError(f"{folder} holds no FORMAT/groundtruth/NAME.md beside its FORMAT/sources/NAME.")
    lines = [f"{'format':8} {'files':>5} {'words':>7} {'kept':>6} {'in order':>9}"]
    for kind in (*sorted({one.kind for one in readings}), "all"):
        some = [one for one in readings if kind in (one.kind, "all")]
        kept, ordered = (
            sum(shares) / len(some) for shares in ([one.kept for one in some], [one.in_order for one in some])
        )
        lines.append(f"{kind:8} {len(some):5} {sum(one.words for one in some):7} {kept:6.3f} {ordered:9.3f}")
    if each_file:
        lines += [f"{r.kept:.3f} {r.in_order:.3f} {r.kind}/{r.name}: {' '.join(r.missing[:20])}" for r in readings]
    print("\n".join(lines))  # noqa: T201
