"""Checks a reply or any text sentence by sentence, and assembles it again with its citations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rag.prompting.prompts import NOT_FOUND_TEXT, passage_header
from rag.text import split_sentences
from rag.types import AnswerMode, AnswerStatus, Box, Citation, Passage, Sentence, Span
from rag.verification.judging import CheckedSentence, check_sentence
from rag.verification.passages import read_source
from rag.verification.reading import COPIED_MARKER, LIST_MARK, MARKER, ROUND_MARKER, unlisted
from rag.verification.refusals import (
    BARE_YES,
    EXACT_REFUSAL,
    IS_HEADING,
    LEADS,
    MAYBE_REFUSAL,
    NO_WORDS,
    REFUSAL,
    REFUSES,
    WITH_A_CLAIM,
    claims_of,
)
from rag.verification.verdict import Finding

Locate = Callable[[Span], tuple[int | None, tuple[Box, ...]]]
"""The position of a Span: its 1-based page (None where the format has none) and its boxes."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A checked text: `sentences[i].text` is `text[start:end]`, `citations` are numbered 1..n in order of first use.

    `markers_removed` counts the markers of the reply that named no passage. `left_out` are its sentences that the
    passages do not support and that `strict` therefore does not show, with positions in their own text. `judge` names
    the model that was asked about sentences whose words do not settle the verdict, None where none was.
    """

    text: str
    status: AnswerStatus
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    markers_removed: int
    left_out: tuple[Sentence, ...] = ()
    judge: str | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence of the reply without its markers, the passages that these named, and the white space before it."""

    text: str
    gap: str
    marked: tuple[int, ...]


_WHOLE = re.compile(r"[.!?。！？][\"'”’»)*_\s]*\Z")
_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_NAMED_PASSAGE = re.compile(
    r"^(?P<list>\s*(?:[-*+•]\s+|\d{1,2}[.)]\s+)?)(?:"
    r"(?:according to|as (?:stated|mentioned|noted|described) in|based on|in|from|per) (?:the )?"
    r"passages? (?P<a>\d{1,3}(?:(?:, | and |, and )\d{1,3})*),?\s+"
    r"|(?:the )?passage (?P<b>\d{1,3}) (?:states|says|mentions|notes|explains|indicates|shows) (?:that )?)(?=\w)",
    re.IGNORECASE,
)
_BETWEEN_MARKERS = re.compile(r"(?<=[\]】])[ \t]{0,4},(?=[ \t]{0,4}[\[【]\^?\d)")
_SOURCE_LABEL = re.compile(r"\W*(?:sources?|references?|citations?)\W*", re.IGNORECASE)


def _numbers(marker: str) -> list[int]:
    """The passage numbers of a marker, with ranges expanded: `[1-3]` is 1, 2, 3."""
    found: list[int] = []
    for first, last in re.findall(r"(\d+)(?:\s*(?:-|–|to)\s*\^?(\d+))?", marker):
        low, high = int(first), int(last or first)
        found.extend(range(low, high + 1) if low <= high <= low + 20 else [low, high])
    return found


def _pieces(reply: str, known: frozenset[int]) -> tuple[list[_Piece], int]:
    """The sentences of a reply without markers, and the number of markers without a passage."""
    bracketed = any(not found[0].startswith("`") for found in MARKER.finditer(reply))
    pieces: list[_Piece] = []
    removed, end, gap = 0, 0, ""
    for start, stop in split_sentences(reply):
        gap = _wider(gap, reply[end:start])
        end = stop
        numbers: list[int] = []

        def take(found: re.Match[str], numbers: list[int] = numbers) -> str:
            if found[0].startswith("`"):
                return found[0]
            numbers.extend(_numbers(found[0]))
            return ""

        raw = _BETWEEN_MARKERS.sub("", reply[start:stop])
        text = COPIED_MARKER.sub("", MARKER.sub(take, raw))
        if not bracketed and (rounded := ROUND_MARKER.search(text)) and set(_numbers(rounded[1])) <= known:
            text = text[: rounded.start()] + text[rounded.end() :]
            numbers.extend(_numbers(rounded[1]))
        if named := _NAMED_PASSAGE.match(text):
            numbers.extend(_numbers(named["a"] or named["b"]))
            rest = text[named.end() :]
            text = named["list"] + rest[:1].upper() + rest[1:]
        text = re.sub(r"\(\s*\)", "", text)
        text = re.sub(r"[ \t]+(?=[.,;:!?](?:\s|$))", "", text).strip()
        removed += sum(number not in known for number in numbers)
        marked = tuple(dict.fromkeys(number for number in numbers if number in known))
        wordless = not any(sign.isalnum() for sign in text) or _SOURCE_LABEL.fullmatch(text)
        if wordless and (numbers or not text):
            if pieces and marked:
                before = pieces[-1]
                pieces[-1] = _Piece(before.text, before.gap, tuple(dict.fromkeys(before.marked + marked)))
            continue
        if pieces and BARE_YES.match(pieces[-1].text) and "\n" not in gap and not REFUSAL.search(text):
            before = pieces.pop()
            text, gap = f"{before.text}{gap or ' '}{text}", before.gap
            marked = tuple(dict.fromkeys(before.marked + marked))
        pieces.append(_Piece(text, gap, marked))
        gap = ""
    return pieces, removed


def _wider(one: str, other: str) -> str:
    return max(one, other, key=lambda gap: (gap.count("\n"), len(gap)))


@dataclass(frozen=True, slots=True)
class CheckedReply:
    """A reply whose sentences were checked, before it is assembled; `removed` counts markers without a passage.

    `unfinished` says that the reply ended at its length within its last sentence.
    """

    sentences: tuple[CheckedSentence, ...]
    pieces: tuple[_Piece, ...]
    removed: int
    unfinished: bool

    @property
    def holding(self) -> tuple[CheckedSentence, ...]:
        """Its sentences that are supported or weak."""
        return tuple(one for one in self.sentences if one.finding.verdict in ("supported", "weak"))

    @property
    def failed(self) -> bool:
        """Whether it makes claims of which none holds."""
        return not self.holding and any(one.finding.verdict == "unsupported" for one in self.sentences)


def check_reply(
    reply: str, passages: Sequence[Passage], *, min_coverage: float, question: str = "", cut_short: bool = False
) -> CheckedReply:
    """Check each sentence of the reply, which may be `cut_short` at its length, against the passages.

    `min_coverage` is the share, 0 to 1, of a sentence's content words that its quote must contain to be `weak`. Short
    answers are read with the `question`.
    """
    known = {passage.number: passage for passage in passages}
    said = _without_copies(_THINKING.sub("", reply), passages).strip()
    pieces, removed = _pieces(said, frozenset(known))
    sources = [read_source(passage) for passage in passages]
    sentences = tuple(
        check_sentence(piece.text, question, sources, piece.marked, min_coverage, lead)
        for piece, lead in zip(pieces, _leads([one.text for one in pieces], [one.gap for one in pieces]), strict=True)
    )
    return CheckedReply(sentences, tuple(pieces), removed, cut_short and not _WHOLE.search(MARKER.sub("", said)))


def _without_copies(reply: str, passages: Sequence[Passage]) -> str:
    """The reply up to where it goes on with a copy of a passage, below the line above it in the prompt.

    What introduces such a copy, as a quote, keeps it without that line.
    """
    for passage in passages:
        line = passage_header(passage)
        before, found, after = f"\n{reply}".partition(f"\n{line}\n")
        if found:
            quotes = not before.strip() or _introduces(before.strip())
            reply = f"{before}\n{after}".lstrip("\n") if quotes else before.lstrip("\n")
    return reply


def _leads(texts: Sequence[str], gaps: Sequence[str]) -> Iterator[str]:
    """The introductions of the lists that each sentence is an item of, the outer first; "" for others.

    `gaps[i]` is the white space before sentence i: a list in a list is indented, and a second sentence of an item
    stands on its line.
    """
    leads: list[tuple[int, str]] = []  # each with the indentation of its line
    for text, gap in zip(texts, gaps, strict=True):
        is_item = LIST_MARK.match(text) is not None
        indent = len(gap.rpartition("\n")[2])
        if is_item:
            while len(leads) > 1 and indent <= leads[-1][0]:
                leads.pop()
        elif "\n" in gap:
            leads.clear()
        yield " ".join(lead for _, lead in leads) if is_item else ""
        if _introduces(text):
            leads = [*leads, (indent, unlisted(text))] if is_item else [(-1, text)]


def show_reply(checked: CheckedReply, *, mode: AnswerMode, locate: Locate) -> Verified:
    """Assemble the reply with its citations, as `mode` shows it.

    `strict` leaves unsupported sentences out: the status is then `partial`, or, where nothing supported remains,
    `not_found` with a sentence that says so and no citations. `flag` keeps them, marked. `off` keeps the model's text
    as the answer, whatever the verdicts.
    """
    pieces, removed = checked.pieces, checked.removed
    findings = [sentence.finding for sentence in checked.sentences]
    holding = [i for i, finding in enumerate(findings) if finding.verdict in ("supported", "weak")]
    refusing = [i for i, finding in enumerate(findings) if finding.reason == REFUSES]
    stating = [i for i, finding in enumerate(findings) if finding.verdict != "no_claim"]
    status: AnswerStatus = "answered"
    if not holding and (mode == "strict" or not stating):
        if mode == "strict" or not pieces:
            left_out = _left_out(pieces, findings, ())
            reason = f"left out {len(left_out)}: {left_out[0].reason}" if left_out else REFUSES
            said = Sentence(NOT_FOUND_TEXT, 0, len(NOT_FOUND_TEXT), "no_claim", (), reason)
            return Verified(NOT_FOUND_TEXT, "not_found", (said,), (), removed, left_out)
        status = "not_found"
    elif mode != "off" and (len(holding) < len(stating) or (refusing and refusing[0] < holding[0])):
        status = "partial"
    strict = mode == "strict"
    kept = list(range(len(pieces)))
    if strict:
        kept = _kept_in_strict(pieces, findings, holding, refusing)
        if checked.unfinished and len(kept) > 1 and kept[-1] == len(pieces) - 1:
            del kept[-1]
    return _assemble(pieces, findings, kept, status, locate, removed)


def _kept_in_strict(
    pieces: Sequence[_Piece], findings: list[Finding], holding: list[int], refusing: list[int]
) -> list[int]:
    """The indexes of sentences that a strict answer shows: those that hold, and the introductions of their lists.

    A refusal after the answer is left out. A refusal before it says what the rest does not answer and stays, unless it
    is the bare phrase that the model was told to use, or also makes a claim. A sentence that is said again, as small
    models do, is shown once, unless it is an item of a list.
    """
    kept: list[int] = []
    said: set[str] = set()
    for i, finding in enumerate(findings):
        if i in refusing:
            text = pieces[i].text
            keep = i < holding[0] and not EXACT_REFUSAL.match(text) and not WITH_A_CLAIM.search(text)
        elif finding.reason == IS_HEADING or (finding.verdict == "no_claim" and _introduces(pieces[i].text)):
            keep = any(below in holding for below in _below(pieces, i))
        elif finding.verdict == "no_claim":
            keep = finding.reason in (NO_WORDS, LEADS)
        else:
            keep = finding.verdict != "unsupported"
        again = pieces[i].text in said and finding.reason != NO_WORDS and not LIST_MARK.match(pieces[i].text)
        said.add(pieces[i].text)
        if keep and not again:
            kept.append(i)
    return kept


def _introduces(text: str) -> bool:
    return text.rstrip(" *_").endswith(":")


def _below(pieces: Sequence[_Piece], lead: int) -> Iterator[int]:
    """The sentence below an introduction, and with an item of a list the items below it."""
    for i in range(lead + 1, len(pieces)):
        if i > lead + 1 and not LIST_MARK.match(pieces[i].text):
            return
        yield i


_FINAL_STOP = re.compile(r"(?<![A-Z]\.[A-Z])(?<!\.\.)(?:[.!?]|[。！？])$")


def _with_markers(text: str, numbers: Sequence[int]) -> str:
    """The sentence with `[n]` before its final stop, or after it if a quotation mark or bracket follows the stop."""
    if not numbers:
        return text
    marker = "".join(f"[{number}]" for number in numbers)
    stop = _FINAL_STOP.search(text)
    if not stop:
        return f"{text} {marker}"
    return f"{text[: stop.start()]} {marker}{stop[0]}"


class _Numbering:
    """Citation numbers in order of first use, one for each Span."""

    def __init__(self, locate: Locate) -> None:
        self.locate = locate
        self.citations: dict[Span, Citation] = {}

    def numbers(self, finding: Finding) -> tuple[int, ...]:
        numbers = []
        for span, passage in finding.spans:
            if span not in self.citations:
                chunk = passage.hit.chunk
                quote = chunk.text[span.start - chunk.span.start : span.end - chunk.span.start]
                page, boxes = self.locate(span)
                number = len(self.citations) + 1
                self.citations[span] = Citation(number, span, quote, passage.hit.document_name, page, boxes)
            numbers.append(self.citations[span].number)
        return tuple(dict.fromkeys(numbers))


def _assemble(
    pieces: Sequence[_Piece],
    findings: list[Finding],
    kept: list[int],
    status: AnswerStatus,
    locate: Locate,
    removed: int,
) -> Verified:
    """Write the kept sentences with their markers, and record the characters of each."""
    numbering = _Numbering(locate)
    sentences: list[Sentence] = []
    text = ""
    last = -1
    for i in kept:
        if sentences:
            gap = ""
            for piece in pieces[last + 1 : i + 1]:
                gap = _wider(gap, piece.gap)
            text += gap or " "
        finding = findings[i]
        numbers = numbering.numbers(finding)
        said = _with_markers(pieces[i].text, numbers)
        end = len(text) + len(said)
        sentences.append(Sentence(said, len(text), end, finding.verdict, numbers, finding.reason, finding.confidence))
        text += said
        last = i
    citations = tuple(numbering.citations.values())
    return Verified(text, status, tuple(sentences), citations, removed, _left_out(pieces, findings, kept))


def _left_out(pieces: Sequence[_Piece], findings: Sequence[Finding], kept: Sequence[int]) -> tuple[Sentence, ...]:
    """The unsupported sentences that are not among the kept ones."""
    return tuple(
        Sentence(piece.text, 0, len(piece.text), finding.verdict, (), finding.reason, finding.confidence)
        for i, (piece, finding) in enumerate(zip(pieces, findings, strict=True))
        if finding.verdict == "unsupported" and i not in kept
    )


@dataclass(frozen=True, slots=True)
class CheckedText:
    """A text whose sentences were checked; `places[i]` is the position (start, end) of sentence i in it."""

    text: str
    sentences: tuple[CheckedSentence, ...]
    places: tuple[tuple[int, int], ...]


def check_text(
    text: str, passages_for: Callable[[str], Sequence[Passage]], *, min_coverage: float, question: str = ""
) -> CheckedText:
    """Each sentence of any text with what the passages say of it that `passages_for` finds for it.

    Markers that the writer put are ignored, for they number sources that are not ours. `question` is what the text
    answers, where it answers one.
    """
    places = split_sentences(text)
    bare = [
        MARKER.sub(lambda found: found[0] if found[0].startswith("`") else "", text[start:end]).strip()
        for start, end in places
    ]
    sentences: list[CheckedSentence] = []
    ends = [0, *(end for _, end in places)]
    gaps = [text[end:start] for end, (start, _) in zip(ends, places, strict=False)]
    for said, lead in zip(bare, _leads(bare, gaps), strict=True):
        claims = claims_of(said) or (MAYBE_REFUSAL.search(said) and not REFUSAL.search(said))
        sources = [read_source(passage) for passage in passages_for(said)] if claims else []
        sentences.append(check_sentence(said, question, sources, (), min_coverage, lead))
    return CheckedText(text, tuple(sentences), tuple(places))


def show_text(checked: CheckedText, *, locate: Locate) -> Verified:
    """The text with a verdict and citations for each sentence; `sentences[i].text` is `text[start:end]` of it.

    Every sentence is kept. The status is `answered` if every sentence with a claim is supported or weak, `partial` if
    some are, `not_found` if none is.
    """
    numbering = _Numbering(locate)
    sentences: list[Sentence] = []
    for (start, end), one in zip(checked.places, checked.sentences, strict=True):
        finding = one.finding
        said, numbers = checked.text[start:end], numbering.numbers(finding)
        sentences.append(Sentence(said, start, end, finding.verdict, numbers, finding.reason, finding.confidence))
    stating = [sentence for sentence in sentences if sentence.verdict != "no_claim"]
    holding = [sentence for sentence in stating if sentence.verdict != "unsupported"]
    status: AnswerStatus = (
        "answered" if holding and len(holding) == len(stating) else "partial" if holding else "not_found"
    )
    return Verified(checked.text, status, tuple(sentences), tuple(numbering.citations.values()), 0)
