"""Reader of subtitles (SRT, WebVTT and ASS): what is said, by minutes, with who says it where the file tells.

cues ─ read_cues ─> times and lines ─ sections of about a minute, each under its time ─> paragraphs
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.plain import check_text_size, decode_text
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_TIMES = re.compile(
    r"\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})\s*-->\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
)
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^>]*>|<[\d:.]+>|\{\\[^}]*\}|\{/?[a-z]\}", re.IGNORECASE)
_SECTION_S, _LONGEST_S = 60.0, 120.0
"""A section ends with the first sentence after a minute, or after two minutes at the latest."""
_PAUSE_S = 4.0
_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", ".”", '"')


_DIALOGUE = re.compile(
    r"Dialogue:[^,]*,\s*(\d+):(\d\d):(\d\d)[.:](\d\d),\s*(\d+):(\d\d):(\d\d)[.:](\d\d),[^,]*,([^,]*)(?:,[^,]*){4},(.*)"
)
_DRAWN = re.compile(r"\{[^}]*\\p[1-9]")
_IN_LINE = re.compile(r"\{[^}]*\}|\\[Nnh]")


class Cue(NamedTuple):
    """What is shown at a time, in seconds from the start."""

    start_s: float
    end_s: float
    lines: tuple[tuple[str, str], ...]  # who speaks, empty where the file does not tell, and the words


def read_subtitles(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read what is said; a heading gives the time of every minute or so. Lines that roll on are read once."""
    check_text_size(path, name, limits)
    text, encoding = decode_text(path.read_bytes())
    builder = TextBuilder()
    said: list[str] = []
    speaker, section_s, ended_s, last = "", float("-inf"), 0.0, ""

    def flush() -> None:
        words = " ".join(said)
        builder.add_paragraph(f"{speaker}: {words}" if speaker and words else words)
        said.clear()

    for cue in read_dialogue(text) if media_type == "text/x-ssa" else read_cues(text):
        lasted = cue.start_s - section_s
        if lasted > _LONGEST_S or (lasted > _SECTION_S and last.endswith(_ENDS)):
            flush()
            builder.add_heading(2, _clock(cue.start_s))
            section_s = cue.start_s
        elif cue.start_s - ended_s > _PAUSE_S:
            flush()
        for voice, words in cue.lines:
            if words == last:  # captions that roll show a line again above the next one
                continue
            if voice != speaker or words.startswith(("-", "–", ">>")):
                flush()
                speaker = voice
            said.append(words)
            last = words
        ended_s = cue.end_s
    flush()
    title = PurePath(name).stem
    return builder.to_document(name=name, media_type=media_type, title=title, metadata={"encoding": encoding})


def read_cues(text: str) -> Iterator[Cue]:
    """The cues of a file; notes, styles, numbers and settings of places are passed over.

    A blank line ends a cue of WebVTT; one of SRT lasts until the number or the times of the next one.
    """
    times: re.Match[str] | None = None
    lines: list[tuple[str, str]] = []
    voice = ""
    shown = text.removeprefix("\ufeff").splitlines()
    blank_ends = bool(shown) and shown[0].startswith("WEBVTT")
    for at, line in enumerate([*shown, ""], 1):
        found = _TIMES.match(line)
        is_number = line.strip().isdigit() and at < len(shown) and _TIMES.match(shown[at])
        if found or is_number or at > len(shown) or (blank_ends and not line.strip()):
            if times:
                yield Cue(_seconds(times, 0), _seconds(times, 4), tuple(lines))
            times, lines, voice = found, [], ""
        elif times:
            spoken = _VOICE.search(line)
            voice = clean_line(spoken[1]) if spoken else voice
            words = clean_line(html.unescape(_TAG.sub("", line)))
            if words:
                lines.append((voice, words))


def read_dialogue(text: str) -> list[Cue]:
    """The cues of an ASS or SSA file in the order of their times; comments and drawings are passed over."""
    cues = []
    for line in text.splitlines():
        found = _DIALOGUE.match(line)
        if found and not _DRAWN.search(found[10]):
            words = clean_line(_IN_LINE.sub(lambda one: "" if one[0][0] == "{" else " ", found[10]))
            spoken = ((clean_line(found[9]), words),) if words else ()
            cues.append(Cue(_seconds(found, 0), _seconds(found, 4), spoken))
    return sorted(cues)


def _seconds(times: re.Match[str], at: int) -> float:
    hours, minutes, seconds, parts = times.groups()[at : at + 4]
    return int(hours or 0) * 3_600 + int(minutes) * 60 + int(seconds) + int(parts.ljust(3, "0")) / 1_000


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3_600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
