"""Terminal output: the JSON of `api/http/schemas/` as tables and paragraphs.

Names and quotes come from untrusted files. They are never read as markup, and control characters, which could move the
cursor or change the title of a terminal, are shown as `�`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from api.http.schemas.answers import AnswerBody, CitationBody, Hits, RetrievedBody, SentenceBody, VerifiedBody
    from api.http.schemas.documents import DocumentBody, NoteBody
    from rag.types import AnswerReason

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKS = {"weak": "yellow", "unsupported": "red"}
_STATUS_STYLES = {"ready": "green", "failed": "red", "ok": "green", "warn": "yellow", "fail": "red"}
SHORT_ID = 12
_NEAREST = 5


def printable(text: str) -> str:
    """The text with `�` in place of control characters and overrides of the writing direction."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def print_table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: int = 0) -> None:
    """Print a table. The last `right` columns are right-aligned; a cell that is a status is coloured."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(
            column, justify="right" if number >= len(columns) - right else "left", overflow="fold", ratio=None
        )
    for row in rows:
        table.add_row(*(Text(printable(cell), style=_STATUS_STYLES.get(cell, "")) for cell in row))
    console.print(table)


def place(name: str, page: int | None) -> str:
    """The location of a passage for people: `handbook.pdf, page 12`."""
    return name if page is None else f"{name}, page {page}"


def size_in_words(size_bytes: int) -> str:
    """A size for people, in the unit that keeps it short; 1 kB is 1000 bytes."""
    value, units = float(size_bytes), ("B", "kB", "MB", "GB", "TB")
    for unit in units:
        if value < 1000 or unit == units[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


# Documents ------------------------------------------------------------------------------------------------------------


def print_documents(console: Console, documents: Sequence[DocumentBody]) -> None:
    """Print one line for each document."""
    if not documents:
        console.print("There are no documents. Add some with `footnote ingest PATH`.")
        return
    rows = [
        (
            one.id[:SHORT_ID],
            one.name,
            one.collection,
            one.status,
            f"{one.pages:,}" if one.pages else "-",
            f"{one.chunks:,}",
            size_in_words(one.size_bytes),
        )
        for one in documents
    ]
    print_table(console, ("Id", "Name", "Collection", "Status", "Pages", "Chunks", "Size"), rows, right=3)


def print_document(console: Console, document: DocumentBody) -> None:
    """Print all fields of one document."""
    rows = [
        ("id", document.id),
        ("name", document.name),
        *([("inside", document.parent_id)] if document.parent_id else []),
        ("media type", document.media_type or "not read yet"),
        ("collection", document.collection),
        ("status", document.status),
        ("pages", f"{document.pages:,}" if document.pages else "none"),
        ("chunks", f"{document.chunks:,}"),
        ("size", f"{size_in_words(document.size_bytes)} ({document.size_bytes:,} bytes)"),
        ("created at", document.created_at),
    ]
    if document.error is not None:
        rows.append(("error", f"{document.error.code}: {document.error.message}"))
    for key, value in document.metadata.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        rows.append(("metadata", f"{key}: {shown}"))
    rows += [("note", note_in_words(note)) for note in document.notes]
    for name, value in rows:
        console.print(f"{name:<11} {printable(value)}")


def note_in_words(note: NoteBody) -> str:
    """A note for people: `page_unreadable, page 3: Page 3 shows ...`."""
    return f"{place(note.code, note.page)}: {note.message}"


# Answers --------------------------------------------------------------------------------------------------------------


def print_hits(console: Console, hits: Hits) -> None:
    """Print each passage with its location and score, best first."""
    if not hits.hits:
        console.print("No passages were found.")
    for hit in hits.hits:
        headings = f"  ({' > '.join(hit.headings)})" if hit.headings else ""
        console.print(f"{hit.rank}. {printable(place(hit.document_name, hit.page) + headings)}", style="bold")
        console.print(f"   {hit.scorer} {hit.score:.3f}   document {hit.document_id[:SHORT_ID]}", style="dim")
        console.print(_indented(hit.text))
        console.print()


_REASONS: dict[AnswerReason, str] = {
    "no_match": "no_match: no passage near the question was found, so the model was not asked.",
    "not_in_passages": "not_in_passages: the passages that were found do not clearly answer the question.",
    "unsupported": "unsupported: the documents do not support everything that the model wrote.",
    "conflict": "conflict: the documents contradict each other; both are quoted.",
    "unreadable_source": "unreadable_source: a searched document was not read, or not in full; see `footnote docs`.",
}


def print_answer(console: Console, answer: AnswerBody) -> None:
    """Print the answer with verdicts, its citations (or the nearest passages), and one line on its cost."""
    console.print(_marked(answer.answer, answer.sentences))
    console.print()
    if answer.standalone_question:
        console.print(f"Asked as: {printable(answer.standalone_question)}", style="dim")
    if answer.reason:
        console.print(_REASONS[answer.reason], style="dim")
    if answer.reason == "unreadable_source" and answer.sentences and answer.sentences[0].reason:
        console.print(printable(answer.sentences[0].reason), style="dim")
    if answer.reason == "unsupported" and all(one.verdict != "unsupported" for one in answer.sentences):
        console.print("Unsupported sentences are left out; --mode flag shows them.", style="dim")
    if answer.status == "not_found":
        _print_nearest(console, answer.retrieved)
    else:
        _print_citations(console, answer.citations)
    seconds = sum(spent for step, spent in answer.timings_ms.items() if step != "first_token") / 1000
    usage = answer.usage
    console.print(
        f"{printable(answer.model)}, {seconds:.1f} s, {usage.prompt_tokens} + {usage.completion_tokens} tokens, "
        f"{usage.passages_sent} passages sent, {usage.passages_left_out} left out",
        style="dim",
    )


def print_verified(console: Console, verified: VerifiedBody) -> None:
    """Print each sentence with its verdict, then the citations."""
    for sentence in verified.sentences:
        console.print(f"{sentence.verdict:<12}", style=_MARKS.get(sentence.verdict, ""), end="")
        marks = "".join(f" [{number}]" for number in sentence.citations)
        console.print(f"{printable(' '.join(sentence.text.split()))}{marks}")
        if sentence.verdict in _MARKS and sentence.reason:
            console.print(f"{'':<12}{printable(sentence.reason)}", style="dim")
    console.print()
    _print_citations(console, verified.citations)
    counts = dict.fromkeys(("supported", "weak", "unsupported", "no_claim"), 0)
    for sentence in verified.sentences:
        counts[sentence.verdict] += 1
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    console.print(f"{told}; judged by {printable(verified.judge)}" if verified.judge else told, style="dim")


def _marked(text: str, sentences: Sequence[SentenceBody]) -> Text:
    """The text with the verdict and its reason after each sentence that is weak or unsupported."""
    from rich.text import Text

    shown, done = Text(), 0
    for sentence in sentences:
        shown.append(printable(text[done : sentence.end]))
        done = sentence.end
        if sentence.verdict in _MARKS:
            why = f": {printable(sentence.reason)}" if sentence.reason else ""
            shown.append(f" ({sentence.verdict}{why})", style=_MARKS[sentence.verdict])
    shown.append(printable(text[done:]))
    return shown


def _print_citations(console: Console, citations: Sequence[CitationBody]) -> None:
    for citation in citations:
        console.print(f"[{citation.number}] {printable(place(citation.document_name, citation.page))}", style="bold")
        console.print(_indented(f"“{citation.quote}”"))
    if citations:
        console.print()


def _print_nearest(console: Console, retrieved: Sequence[RetrievedBody]) -> None:
    if retrieved:
        console.print("The nearest passages (`footnote search` shows their text):")
    for one in retrieved[:_NEAREST]:
        console.print(f"  {one.rank}. {printable(place(one.document_name, one.page))}  score {one.score:.3f}")
    console.print()


def _indented(text: str) -> Padding:
    from rich.padding import Padding
    from rich.text import Text

    return Padding(Text(printable(" ".join(text.split()))), (0, 0, 0, 4))
