"""What lines, dots and spaces drawn at words say. Pure.

A line through words: they no longer hold. A line between two: a fraction. A row of dots: what follows it belongs to
what stands before it, in a column of its own. Letters set apart evenly: one word.

Coordinates are PDF points from the bottom left of the page as displayed.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence

from ingest.parse.lines import PageWord, PageWords
from ingest.parse.ruled import Rule

_THROUGH = (0.3, 0.68)  # of a word's height: an underline is lower, an overline higher
Box = tuple[float, float, float, float]
_COVERED = 0.8  # of a word's width
_BEYOND = 4.0  # points by which a line through words may be longer than they are
_LONGEST_BAR = 60.0  # points
_NEAR = 0.75  # sizes of a part of a fraction, from its edge to the bar
_BESIDE = (0.25, 0.75)  # of the height of the word beside a fraction: where its bar is
_MOST_PART = 6  # characters
_MOST_BARS = 400


def read_strokes(page: PageWords) -> PageWords:
    """The page without struck words, counted in `struck`, and rows of dots, with its fractions as `1/4`."""
    page = page._replace(words=_join_spaced(_part_leaders(page.words)))
    level = [rule for rule in page.rules if rule.level]
    if not level or len(level) > _MOST_BARS:
        return page
    struck = {index for rule in level for index in _find_struck(page.words, rule)}
    words = _drop(page.words, struck) if struck else page.words
    for rule in (one for one in level if one.x1 - one.x0 <= _LONGEST_BAR):
        words = _join_fraction(words, rule)
    return page._replace(words=words, struck=sum(len(page.words[index].text) for index in struck))


_TOUCHING = 0.12  # sizes


def insert_signs(words: Sequence[PageWord], signs: Sequence[tuple[str, Box]]) -> list[tuple[int, PageWord]]:
    """The words with signs that they lack (ligatures) joined to those they touch, each with its index before."""
    placed = list(enumerate(words))
    for text, (x0, y0, x1, y1) in signs:
        middle = (y0 + y1) / 2
        line = [at for at, (_, word) in enumerate(placed) if not word.angle and word.y0 < middle < word.y1]
        left = next((at for at in line if abs(placed[at][1].x1 - x0) < _TOUCHING * placed[at][1].size), None)
        right = next((at for at in line if abs(placed[at][1].x0 - x1) < _TOUCHING * placed[at][1].size), None)
        if left is not None:
            index, word = placed[left]
            word = word._replace(text=word.text + text, x1=x1)
            if right == left + 1:
                _, after = placed.pop(right)
                word = word._replace(text=word.text + after.text, x1=after.x1, hyphen=after.hyphen)
            placed[left] = index, word
        elif right is not None:
            index, word = placed[right]
            placed[right] = index, word._replace(text=text + word.text, x0=x0)
    return placed


_LEADER = re.compile(r"(.*?)[.…·]{5,}(.*)", re.DOTALL)
_DOTS = re.compile(r"[.…·]{1,4}")
_FEWEST_DOTS = 5


def _part_leaders(words: list[PageWord]) -> list[PageWord]:
    """The words without rows of dots, which leave a gap between the words beside them."""
    if not any(word.text[-1] in ".…·" or ".." in word.text for word in words):
        return words
    kept: list[PageWord] = []
    run: list[PageWord] = []  # dots that stand one by one
    for word in words:
        if _DOTS.fullmatch(word.text) and not (run and word.broken):
            run.append(word)
            continue
        kept += run if sum(len(dot.text) for dot in run) < _FEWEST_DOTS else []
        run = []
        found = _LEADER.fullmatch(word.text)
        if found is None:
            kept.append(word)
            continue
        width = (word.x1 - word.x0) / len(word.text)
        before, after = found[1], found[2]
        if before:
            kept.append(word._replace(text=before, x1=word.x0 + width * len(before), hyphen=False))
        if after:
            kept.append(word._replace(text=after, x0=word.x1 - width * len(after), broken=word.broken and not before))
    return kept + (run if sum(len(dot.text) for dot in run) < _FEWEST_DOTS else [])


_FEWEST_SPACED = 5
_WIDER = 1.6  # the gap between two words that are set apart, in gaps between their letters


def _join_spaced(words: list[PageWord]) -> list[PageWord]:
    """The words, letters that are set apart evenly (`A N N U A L`) joined to words; figures are left alone."""
    joined: list[PageWord] = []
    run: list[PageWord] = []
    for word in [*words, None]:
        letter = word is not None and len(word.text) == 1 and word.text.isalpha() and word.angle == 0
        if word is not None and letter and (not run or _follows(run[-1], word)):
            run.append(word)
            continue
        joined += _join_run(run) if len(run) >= _FEWEST_SPACED else run
        run = [word] if word is not None and letter else []
        joined += [word] if word is not None and not letter else []
    return joined


def _follows(left: PageWord, right: PageWord) -> bool:
    on_line = abs(left.y0 - right.y0) < 0.1 * left.size and abs(left.size - right.size) < 0.1
    return on_line and not right.broken and 0 < right.x0 - left.x1 < 3 * left.size


def _join_run(run: list[PageWord]) -> list[PageWord]:
    gaps = [right.x0 - left.x1 for left, right in itertools.pairwise(run)]
    usual = sorted(gaps)[len(gaps) // 2]
    if max(gaps) < _WIDER * usual and run[0].text.islower():
        return run  # single letters side by side, such as the names of variables
    words = [run[0]]
    for letter, gap in zip(run[1:], gaps, strict=True):
        if gap > _WIDER * usual:
            words[-1] = words[-1]._replace(x1=letter.x0 - 0.3 * letter.size)  # they are on one line, in no columns
            words.append(letter)
        else:
            words[-1] = words[-1]._replace(
                text=words[-1].text + letter.text, x1=letter.x1, y1=max(words[-1].y1, letter.y1)
            )
    return words


def _drop(words: Sequence[PageWord], struck: set[int]) -> list[PageWord]:
    """The words without the struck ones, whose room belongs to the word before them on their line."""
    kept: list[PageWord] = []
    broken = False
    for index, word in enumerate(words):
        broken = broken or word.broken
        if index not in struck:
            kept.append(word._replace(broken=broken))
            broken = False
        elif kept and not broken:
            kept[-1] = kept[-1]._replace(x1=max(kept[-1].x1, word.x1))
    return kept


def _find_struck(words: Sequence[PageWord], rule: Rule) -> list[int]:
    """The indexes of the words that the line runs through, if it is no longer than they are."""
    found = []
    for index, word in enumerate(words):
        height, width = word.y1 - word.y0, word.x1 - word.x0
        if word.angle or not word.y0 + _THROUGH[0] * height < rule.y0 < word.y0 + _THROUGH[1] * height:
            continue
        if min(rule.x1, word.x1) - max(rule.x0, word.x0) >= _COVERED * width and any(map(str.isalnum, word.text)):
            found.append(index)
    if not found:
        return []
    left, right = min(words[index].x0 for index in found), max(words[index].x1 for index in found)
    return found if rule.x0 >= left - _BEYOND and rule.x1 <= right + _BEYOND else []


def _join_fraction(words: list[PageWord], bar: Rule) -> list[PageWord]:
    """The words with the two at a bar as one; unchanged where no word beside them shows that the bar is one."""
    above, below = _at_bar(words, bar, upper=True), _at_bar(words, bar, upper=False)
    if above is None or below is None or not _stands_in_line(words, bar, {above, below}):
        return words
    upper, lower = words[above], words[below]
    text = "/".join(unicodedata.normalize("NFKC", word.text) for word in (upper, lower))
    box = (min(upper.x0, lower.x0), lower.y0, max(upper.x1, lower.x1), upper.y1)
    beside = [word for word in words if word not in (upper, lower) and _is_beside(word, bar)]
    line = min(beside, key=lambda word: abs(word.x1 - bar.x0))
    x0, _y0, x1, _y1 = box
    joined = PageWord(text, x0, line.y0, x1, line.y1, line.size, line.bold, line.angle, False, False)
    kept = [word for index, word in enumerate(words) if index not in (above, below)]
    at = kept.index(line)
    if line.x1 > bar.x0 + 1:  # the fraction stands before it
        kept[at] = line._replace(broken=False)
        return [*kept[:at], joined._replace(broken=line.broken), *kept[at:]]
    if at + 1 < len(kept) and kept[at + 1].x0 >= bar.x1 - 1 and _is_beside(kept[at + 1], bar):
        kept[at + 1] = kept[at + 1]._replace(broken=False)
    return [*kept[: at + 1], joined, *kept[at + 1 :]]


def _at_bar(words: Sequence[PageWord], bar: Rule, *, upper: bool) -> int | None:
    """The index of the short word right above or below the bar."""
    for index, word in enumerate(words):
        apart = word.y0 - bar.y0 if upper else bar.y0 - word.y1
        inside = word.x0 >= bar.x0 - 2 and word.x1 <= bar.x1 + 2
        if word.angle == 0 and inside and abs(apart) < _NEAR * word.size and len(word.text) <= _MOST_PART:
            middle = (word.y0 + word.y1) / 2
            if (middle > bar.y0) == upper and any(map(str.isalnum, word.text)):
                return index
    return None


def _stands_in_line(words: Sequence[PageWord], bar: Rule, parts: set[int]) -> bool:
    return any(_is_beside(word, bar) for index, word in enumerate(words) if index not in parts)


def _is_beside(word: PageWord, bar: Rule) -> bool:
    """Whether the word is on a line whose middle is at the bar, at most a space away."""
    height = word.y1 - word.y0
    if word.angle or not word.y0 + _BESIDE[0] * height < bar.y0 < word.y0 + _BESIDE[1] * height:
        return False
    return -1 <= max(bar.x0 - word.x1, word.x0 - bar.x1) < word.size
