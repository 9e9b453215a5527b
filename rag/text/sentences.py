"""The sentences of a text, and the items of a list that a sentence introduces.

Pure, standard library only, linear in the length of the text. The rules are those of written English; the full stops of
other scripts are known too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.text.words import word_set

_LINE = re.compile(r"[^\n\r\f\v\u2028\u2029]+")
_LIST_ITEM = re.compile(
    r"[ \t]{0,40}(?:[-*+•‣◦▪●·–—][ \t]|\(?\d{1,3}[.)][ \t]|\(?[A-Za-z]\)[ \t]|[a-z]\.[ \t]|\(?[ivxlc]{1,6}\)[ \t]|"
    r"\[\^?\d{1,3}\]:?[ \t]|#{1,6}[ \t]|>[ \t])"
)
_TABLE_ROW = re.compile(r"[ \t]*\||[^|\n]*(?: \| |\t[^\t])")
_RULE_SIGNS = frozenset("-=_*~`")
_RULE = re.compile(r"[ \t]*(?:[-=_*~]{3,}|`{3,}.*)[ \t]*$")
_STOP = re.compile(
    # the first character class stands alone, so that a search can skip to the next stop
    r"[.!?…。！？｡](?:(?<=[.!?…])[.!?…]*|[。！？｡]*)[\"'”’»)\]*_]{0,4}"
    r"(?:[ ]?[\[【](?:\^|[Pp]assages?[ ]|[Ss]ource[ ])?\d{1,4}(?:[ ]?[,;–-][ ]?\d{1,4}){0,20}[\]】])*"
)
_OPENING = "\"'“‘«([*_¿¡"
_BEFORE = re.compile(r"[\w.&’'-]+$")

_NEVER_LAST = word_set(
    """
    dr mr mrs ms mx prof rev hon st mt ft messrs gen col lt sgt capt cmdr adm maj sen rep gov pres supt vs v cf
    e.g i.e eg ie viz approx ca resp incl excl al op
    """
)
_BEFORE_NUMBER = word_set(
    """
    no nos p pp fig figs sec secs art arts eq eqs ch chap vol vols ver par para pt tab ref
    """
)
_MAYBE_LAST = word_set(
    """
    inc ltd corp co llc plc u.s u.k u.n e.u d.c a.m p.m etc jr sr ph.d m.d b.a m.a b.sc m.sc b.c a.d c.e dept
    est bros ave blvd rd jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri
    sat sun
    """
)
_STARTERS = word_set(
    """
    a an the this that these those it its he she they we i you his her their our my your in on at by for from to
    with as of and but or if when while where after before since because although though however moreover
    furthermore there here what who which why how some many most all both each every no not one two another
    other such then thus also during under over between among according under until once despite instead finally
    first second
    """
)
_NO_BREAK_AFTER = word_set(
    """
    a an the of and or to in on at by for from with as is are was were that which its
    """
)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of a text, as characters (start, end), in order, without surrounding white space.

    Together the spans contain every character of the text that is not white space. A blank line, a list marker, a
    heading mark and the end of a table row always end a sentence; another newline does so only if the line is much
    shorter than its neighbours (a heading, an address). A citation marker after the stop belongs to the sentence before
    it. Time is linear in the length of the text.
    """
    spans: list[tuple[int, int]] = []
    for start, end, splittable in _blocks(text):
        spans.extend(_split_block(text, start, end) if splittable else [(start, end)])
    return spans


_ANNOUNCES = re.compile(
    r"[:：]\W*$|^\W*(?:here|below) (?:are|is)\b[^\d:]{0,80}$"
    r"|\b(?:includ(?:e|es|ing)|as follows|such as|the following|listed below)\W*$",
    re.IGNORECASE,
)


def announces_list(sentence: str) -> bool:
    """Whether a sentence only introduces a list, such as `Some of the lessons include:`."""
    return _ANNOUNCES.search(sentence) is not None


def is_list_item(sentence: str) -> bool:
    """Whether a sentence begins with the marker of a list item."""
    return _LIST_ITEM.match(sentence) is not None and not sentence.lstrip().startswith("#")


def list_items(text: str, end: int, most: int) -> list[str]:
    """The items of the list that follows character `end` of a text, `most` at most, each on one line with its marker.

    A line directly below that has no marker and no full stop is an item too: many PDFs lose the markers.
    """
    items: list[str] = []
    below, before = text[end:], 0
    for start, stop in split_sentences(below):
        line, gap = below[start:stop], below[before:start]
        unmarked = gap.count("\n") == 1 and not line.endswith((".", "!", "?"))
        if len(items) == most or not (_LIST_ITEM.match(line) or unmarked):
            break
        items.append(" ".join(line.split()))
        before = stop
    return items


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Lines that belong together, as characters (start, end), stripped; the flag is False for table rows and rules."""
    lines: list[tuple[int, int, str]] = []
    for found in _LINE.finditer(text):
        line = found[0]
        if stripped := line.strip():
            start = found.start() + len(line) - len(line.lstrip())
            lines.append((start, start + len(stripped), _line_kind(line)))
    first = 0
    for i, (_, end, kind) in enumerate(lines):
        last = i + 1 == len(lines)
        if last or _breaks(text, lines, i):
            yield lines[first][0], end, kind != "whole"
            first = i + 1


def _line_kind(line: str) -> str:
    head = line[:400]
    if ("|" in head or "\t" in head) and _TABLE_ROW.match(head):
        return "whole"
    if head.lstrip(" \t")[:1] in _RULE_SIGNS and len(line) < 400 and _RULE.match(line):
        return "whole"
    if _LIST_ITEM.match(head):
        return "heading" if head.lstrip().startswith("#") else "item"
    return "text"


def _breaks(text: str, lines: list[tuple[int, int, str]], i: int) -> bool:
    (start, end, kind), (next_start, next_end, next_kind) = lines[i], lines[i + 1]
    gap = text[end:next_start]
    if kind in ("whole", "heading") or next_kind != "text" or gap.count("\n") > 1 or "\f" in gap:
        return True
    tail, head = text[max(start, end - 40) : end], text[next_start : min(next_end, next_start + 40)]
    if not (head[0].isupper() or head[0].isdigit() or head[0] in '"“‘(') or tail[-1] in ",;-–—/&":
        return False
    if tail.rsplit(None, 1)[-1].lower() in _NO_BREAK_AFTER:
        return False
    before = lines[i - 1][1] - lines[i - 1][0] if i and kind == "text" and lines[i - 1][2] == "text" else 0
    width = max(end - start, next_end - next_start, before)
    return (end - start) + 1 + len(head.split(None, 1)[0]) < 0.7 * width


def _split_block(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    begin = start
    for stop in _STOP.finditer(text, start, end):
        if stop.end() < end and _ends_sentence(text, begin, stop, end):
            yield begin, stop.end()
            begin = stop.end()
            while text[begin].isspace():
                begin += 1
    if begin < end:
        yield begin, end


def _ends_sentence(text: str, begin: int, stop: re.Match[str], end: int) -> bool:
    after, mark = stop.end(), stop[0]
    if mark[0] in "。！？｡":
        return True
    following = text[after : min(end, after + 60)]
    marked = mark[-1] in "]】" and mark[-2:-1].isdigit()
    if not following[0].isspace() and not (marked and following[0].isupper()):
        return following[0] > "\u2e7f" and mark[0] in "!?…"
    upcoming = following.lstrip().lstrip(_OPENING)
    word = re.match(r"[\w’']+", upcoming)
    next_word = word[0] if word else ""
    lower = next_word[:1].islower() and next_word.islower()
    dots = mark.rstrip("\"'”’»)]*_") if not marked else mark[: len(mark) - len(mark.lstrip(".!?…"))]
    if dots != ".":
        return not lower or ("." not in dots and "…" not in dots and len(mark) == len(dots))
    before = _BEFORE.search(text, max(begin, stop.start() - 30), stop.start())
    token = before[0].lower().strip("'’-") if before else ""
    if before and before.start() <= begin + 1 and re.fullmatch(r"\(?(\d{1,3}|[a-z]|[ivxlc]{1,6})", token):
        return False
    if lower:
        return False
    if marked or len(mark) > 1:
        return True
    if token in _NEVER_LAST:
        return False
    if token in _BEFORE_NUMBER:
        return not next_word[:1].isdigit()
    if token in _MAYBE_LAST or (len(token) == 1 and token.isalpha()) or re.fullmatch(r"(?:[a-z]\.)+[a-z]", token):
        return next_word.lower() in _STARTERS or not word
    return True
