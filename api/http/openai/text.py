"""An answer as the text that a chat client shows: the sentences, what is not supported, the sources.

Clients render the text as Markdown. Quotes and names come from foreign documents, so what Markdown would load or link
on its own (a picture, a link, an HTML tag) is escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import quote

from api.http.schemas.answers import AnswerBody, CitationBody, SentenceBody

_ACTIVE = re.compile(r"(?<=!)\[|(?<=\])\(|<(?=[A-Za-z/!?])")
_MARKER = re.compile(r"\[(\d{1,4})\]")
_MARKED = re.compile(r"\s*\[\d{1,4}\]")
_APPENDIX = re.compile(r"\n\n(?:Checks|Sources):\n\n- .*\Z", re.DOTALL)
_IN_DOUBT = ("weak", "unsupported")


@dataclass(frozen=True, slots=True)
class Mark:
    """A citation's marker: characters `start` to `end` of the text, half-open."""

    citation: CitationBody
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class AnswerText:
    """An answer as text: `pieces` joined are the text, the last one closes it. `marks` are in the order of the text."""

    pieces: tuple[str, ...]
    marks: tuple[Mark, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


def answer_text(answer: AnswerBody) -> AnswerText:
    """The answer's sentences with their markers, then sentences in doubt with the reason, then the sources."""
    body = defuse(answer.answer)
    cuts = [len(defuse(answer.answer[: one.end])) for one in answer.sentences]
    pieces = _cut(body, cuts)
    closing = _checks(answer.sentences) + _sources(answer.citations)
    if closing:
        pieces.append(closing)
    return AnswerText(tuple(pieces), _marks(body, closing, answer.citations))


def without_sources(text: str) -> str:
    """A text of `answer_text` without the sources at its end, as the model reads it in a conversation."""
    return _APPENDIX.sub("", text)


def defuse(text: str) -> str:
    """The text with a backslash before what Markdown would turn into a picture, a link or an HTML tag."""
    return _ACTIVE.sub(r"\\\g<0>", text)


def place(citation: CitationBody) -> str:
    """Where the quote stands, for people: `handbook.pdf, page 12`."""
    name = " ".join(citation.document_name.split())
    return name if citation.page is None else f"{name}, page {citation.page}"


def citation_uri(citation: CitationBody, public_url: str) -> str:
    """An address of the quote, different for each: on the page at `public_url`, otherwise `footnote://documents/...`.

    The default has no host, since some clients send the host of an http address to a favicon service.
    """
    document = quote(citation.document_id, safe="")
    spot = f"start={citation.start}&end={citation.end}"
    if public_url:
        page = "" if citation.page is None else f"page={citation.page}&"
        return f"{public_url.rstrip('/')}/#/documents/{document}?{page}{spot}"
    page = "" if citation.page is None else f"/pages/{citation.page}"
    return f"footnote://documents/{document}{page}?{spot}"


def _cut(text: str, ends: list[int]) -> list[str]:
    """The text in pieces that end at the given positions."""
    bounds = sorted({0, len(text), *ends})
    return [text[start:end] for start, end in pairwise(bounds)]


def _checks(sentences: list[SentenceBody]) -> str:
    lines = [
        f"- {one.verdict}: “{_one_line(_MARKED.sub('', one.text))}”"
        + (f" ({_one_line(one.reason)})" if one.reason else "")
        for one in sentences
        if one.verdict in _IN_DOUBT
    ]
    return "\n\nChecks:\n\n" + "\n".join(lines) if lines else ""


def _sources(citations: list[CitationBody]) -> str:
    lines = [f"- [{one.number}] {defuse(place(one))}: “{_one_line(one.quote)}”" for one in citations]
    return "\n\nSources:\n\n" + "\n".join(lines) if lines else ""


def _one_line(text: str) -> str:
    return defuse(" ".join(text.split()))


def _marks(body: str, closing: str, citations: list[CitationBody]) -> tuple[Mark, ...]:
    """Every marker of the body; a citation without one is marked in the list of sources."""
    known = {one.number: one for one in citations}
    found = [Mark(known[int(match[1])], *match.span()) for match in _MARKER.finditer(body) if int(match[1]) in known]
    marked = {mark.citation.number for mark in found}
    for number, citation in known.items():
        start = len(body) + closing.rfind(f"\n- [{number}] ") + len("\n- ")
        if number not in marked:
            found.append(Mark(citation, start, start + len(f"[{number}]")))
    return tuple(found)
