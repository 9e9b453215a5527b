"""Whether what holds of a reply answers the question and each part of it, and the sentences of the passages that are
quoted where it does not. Pure.

    CheckedReply ─ reply_statements ─> Statements ─ a Judge (rag/types.py) ─> Judgements ─ open_questions ─> questions
    questions, Selections, BestReads ─ quotes_to_judge ─> Quotes ─ a Judge ─> Judgements ─ best_quotes ─> BestQuotes
    CheckedReply, texts to quote ─ add_quote ─> CheckedReply
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from operator import itemgetter
from typing import NamedTuple

from rag.decision.confidence import QUOTED_READ, BestRead, names_lacking, whole_text
from rag.decision.own_words import plain, quotable
from rag.prompting.selection import Selection, sentences_to_quote, text_to_quote
from rag.text import columns_above, expected_type, is_list_item, spell_rows
from rag.types import Context, Hit, Judgement, Passage, Statement, Unjudged
from rag.verification.judging import apply_judgements, statements_of
from rag.verification.passages import Source, read_source, stating_titles
from rag.verification.reading import Reading, read
from rag.verification.reply import CheckedReply, check_reply, show_reply

_MARKER = re.compile(r" ?\[\d+\]")
QUOTES_JUDGED = 3
"""Most quotes that are read for the whole question; a second or two each, on two cores."""
PART_QUOTES = 2
"""Most that are read for each part of a question."""
ANSWERED = 0.5
"""The probability, by the judge, below which a reply is taken not to answer a question."""
ANSWERS = 0.7
"""The least probability, by the judge, that a quote answers the question.

Of 111 sentences with the answer .86 have it, of 111 passages without it .07, all of sources that the judge's probe did
not learn from (evals/notebook/2026-11-what-answers.md).
"""


def reply_statements(questions: Sequence[str], reply: CheckedReply) -> list[Statement]:
    """What the judge is asked of a reply: whether what `strict` shows of it, below the headings of what it cites,
    answers the whole question, the first of `questions`, and each of its parts.

    Empty where nothing holds, and for short answers, which are judged with their question.
    """
    if all(one.finding.features.is_short for one in reply.holding):
        return []
    cited = dict.fromkeys(passage.hit for one in reply.holding for _, passage in one.finding.spans)
    shown = show_reply(reply, mode="strict", locate=lambda span: (None, ())).text
    lines = [_spelt(line.strip(), cited) for line in _MARKER.sub("", shown).splitlines() if line.strip()]
    premise = "\n".join([*_titles(cited), *lines])
    return [Statement(premise, "", question) for question in questions]


def open_questions(questions: Sequence[str], told: Mapping[str, float]) -> list[str]:
    """Those of the questions that the reply does not answer; `told` are the judge's probabilities that it does."""
    return [question for question in questions if told.get(question, 1.0) < ANSWERED]


def probabilities(statements: Sequence[Statement], judgements: Sequence[Judgement | Unjudged]) -> dict[str, float]:
    """The greatest probability, by question, that one of the statements answers it; nothing of those not judged."""
    told: dict[str, float] = {}
    for statement, judgement in zip(statements, judgements, strict=True):
        if isinstance(judgement, Judgement):
            told[statement.question] = max(told.get(statement.question, 0.0), judgement.probability)
    return told


def answer_probability(questions: Sequence[str], told: Mapping[str, float]) -> float | None:
    """The probability that an answer answers the whole question, or that it answers each of its parts; None if nothing
    was judged. `told` are the probabilities by question: without the whole one they are those of the parts quoted."""
    whole, *parts = questions
    judged = [told[part] for part in parts if part in told]
    by_parts = min(judged) if judged and (whole not in told or len(judged) == len(parts)) else 0.0
    return max(told.get(whole, 0.0), by_parts) if told else None


@dataclass(frozen=True, slots=True)
class Quote:
    """What may be quoted, `text`, and what the judge is asked: whether that, below its headings, answers a question."""

    text: str
    statement: Statement


def quotes_to_judge(
    questions: Sequence[str],
    wanted: Collection[str],
    context: Context,
    selections: Sequence[Selection],
    reads: Sequence[BestRead | None],
    openings: Mapping[str, str],
) -> list[Quote]:
    """The quotes that a judge is to read for those of the questions that are `wanted`; the whole one comes first.

    They are the sentences in which a reader finds the answer and those with most of the question's words, in turns. All
    proper names and years of the question, for a part those that no other part has alone, stand in the quote's hit or
    in the opening of its document, `openings` by id: a judge reads one sentence and cannot tell whom it is about.
    """
    sources = {passage.hit.chunk.id: read_source(passage) for passage in context.passages}
    lacking = {passage.hit.chunk.id: _lacking(questions[0], passage.hit, openings) for passage in context.passages}
    quotes: dict[tuple[str, str], Quote] = {}
    for question, found_in in zip(questions, reads, strict=True):
        if question not in wanted:
            continue
        is_whole = question == questions[0]
        others = frozenset[str | int]().union(*(_named(part) for part in questions[1:] if part != question))
        excused = frozenset[str | int]() if is_whole else others - _named(question)
        named = {chunk for chunk, absent in lacking.items() if absent <= excused}
        near = [one for one in selections if one.hit.chunk.id in named]
        by_text = {one.text: one for one in reversed(near)}
        worded = sentences_to_quote(question, context, near) if is_whole else []
        found = [by_text[sentence] for sentence in (found_in.sentences if found_in else ()) if sentence in by_text]
        in_turns = filter(None, chain.from_iterable(zip_longest(found, worded)))
        most = QUOTES_JUDGED if is_whole else PART_QUOTES
        for one in list(dict.fromkeys(in_turns))[:most]:
            if text := _whole(one, sources):
                quotes[question, text] = Quote(text, Statement(_premise(one, text), "", question))
    return list(quotes.values())


def _whole(selection: Selection, sources: Mapping[str, Source]) -> str:
    """The text to quote, an item of a list below the sentence that introduces it; "" for what says nothing alone."""
    if not is_list_item(selection.text):
        return text_to_quote(selection)
    source = sources[selection.hit.chunk.id]
    places = [n for n, place in enumerate(source.places) if place.start <= selection.start < place.end]
    return quotable(source, places[0], selection.end) if places else ""


def _named(question: str) -> frozenset[str | int]:
    """The proper names, in small letters, and the years of a question."""
    return frozenset((*names_lacking(question, []), *_years(read(question))))


def _years(reading: Reading) -> set[int]:
    """The years of its dates, and its bare numbers that may be years."""
    bare = {int(one.value) for one in reading.quantities if one.kind == "number" and one.value in _YEARS}
    return bare | {date.year for date in reading.dates if date.year}


_YEARS = range(1900, 2100)


def _lacking(question: str, hit: Hit, openings: Mapping[str, str]) -> frozenset[str | int]:
    """Those of the names and years of a question that neither the hit nor the opening of its document has."""
    readings = [Reading(text) for text in (whole_text(hit), openings.get(hit.chunk.span.document_id, ""))]
    years = _years(read(question)).difference(*map(_years, readings))
    return frozenset((*names_lacking(question, readings), *years))


def _premise(selection: Selection, text: str) -> str:
    """The quote below its titles and headings, a row with the names of its columns."""
    spelt = _spelt(selection.text.strip(), [selection.hit]) if "|" in text else text
    return "\n".join([*_titles([selection.hit]), spelt])


def _spelt(line: str, hits: Iterable[Hit]) -> str:
    """A row of one of the hits with the names of its columns, any other line as it is."""
    spellings = (
        spell_rows(line, hit.chunk.text, columns_above(hit.chunk.headings, hit.chunk.text))
        for hit in hits
        if "|" in line
    )
    return next((spelt for spelt in spellings if spelt != line), line)


def _titles(hits: Iterable[Hit]) -> list[str]:
    """Each title and heading above the hits once, without instructions and names of columns."""
    lines: dict[str, None] = {}
    for hit in hits:
        columns = columns_above(hit.chunk.headings, hit.chunk.text)
        above = stating_titles((hit.title or hit.document_name, hit.dated, *hit.chunk.headings))
        lines |= dict.fromkeys(line for line in above if line and line != columns)
    return list(lines)


class BestQuote(NamedTuple):
    """What is quoted for a question or a part of it, and the probability that this answers it."""

    text: str
    probability: float


def best_quotes(quotes: Sequence[Quote], judgements: Sequence[Judgement | Unjudged]) -> dict[str, BestQuote]:
    """The best quote for each question that has one with a probability of ANSWERS."""
    best: dict[str, BestQuote] = {}
    for quote, judgement in zip(quotes, judgements, strict=True):
        if isinstance(judgement, Judgement) and judgement.probability >= ANSWERS:
            asked = quote.statement.question
            if asked not in best or best[asked].probability < judgement.probability:
                best[asked] = BestQuote(quote.text, judgement.probability)
    return best


def wants_words(question: str, context: Context) -> bool:
    """Whether a few words answer the question, for a fact in the style `brief`, and no sentence does."""
    return context.style == "brief" and expected_type(question) != "open"


def words_to_judge(
    question: str, context: Context, found: BestRead | None, *, min_coverage: float
) -> list[tuple[CheckedReply, Statement]]:
    """The words in which a reader finds the answer to a question for a fact, in the style `brief`: each checked as a
    reply of its own, with what a judge is asked of it."""
    if found is None or not wants_words(question, context):
        return []
    replies = [
        check_reply(words, context.passages, min_coverage=min_coverage, question=question)
        for words in found.words[:QUOTES_JUDGED]
    ]
    asked = [(reply, statements_of(reply.sentences)) for reply in replies]
    return [(reply, statements[0]) for reply, statements in asked if len(statements) == len(reply.sentences) == 1]


def best_words(
    replies: Sequence[CheckedReply], judgements: Sequence[Judgement | Unjudged], judge: str
) -> tuple[CheckedReply, float] | None:
    """The one of the replies that a judge finds most probable, and that probability; None if it finds none."""
    told = [
        (replace(reply, sentences=apply_judgements(reply.sentences, [one], judge)), one.probability)
        for reply, one in zip(replies, judgements, strict=True)
        if isinstance(one, Judgement)
    ]
    supported = [one for one in told if one[0].sentences[0].finding.verdict == "supported"]
    return max(supported, key=itemgetter(1), default=None)


def quotes_by_reading(
    question: str, context: Context, selections: Sequence[Selection], found: BestRead | None
) -> list[str]:
    """What may be quoted where there is no judge, best first; nothing where a reader finds the answer in no hit."""
    if found is not None and found.value < QUOTED_READ:
        return []
    worded = [text_to_quote(one) for one in sentences_to_quote(question, context, selections)]
    return [*worded, *(found.sentences[:1] if found else ())]


def add_quote(
    text: str, question: str, passages: Sequence[Passage], reply: CheckedReply, *, min_coverage: float, first: bool
) -> CheckedReply | None:
    """The reply with a quote before or after all else, less what it says already; None if the passages lack the quote.

    A quote stands in the place of a last sentence that the reply's length cut off.
    """
    quoted = check_reply(text, passages, min_coverage=min_coverage, question=question)
    verdicts = {one.finding.verdict for one in quoted.sentences}
    said = {plain(one.text) for one in reply.holding}
    fresh = [k for k, one in enumerate(quoted.sentences) if plain(one.text) not in said]
    if "supported" not in verdicts or not verdicts <= {"supported", "no_claim"}:
        return None
    if not fresh:
        return reply
    if reply.unfinished:
        reply = replace(reply, sentences=reply.sentences[:-1], pieces=reply.pieces[:-1], unfinished=False)
    sentences = tuple(quoted.sentences[k] for k in fresh)
    pieces = tuple(quoted.pieces[k] for k in fresh)
    if first:
        return put_first(replace(quoted, sentences=sentences, pieces=pieces), reply)
    pieces = (replace(pieces[0], gap="\n\n"), *pieces[1:])
    return replace(reply, sentences=(*reply.sentences, *sentences), pieces=(*reply.pieces, *pieces))


def put_first(quoted: CheckedReply, reply: CheckedReply) -> CheckedReply:
    """The reply below what is quoted before all else."""
    rest = (replace(reply.pieces[0], gap="\n\n"), *reply.pieces[1:]) if reply.pieces else ()
    return replace(reply, sentences=(*quoted.sentences, *reply.sentences), pieces=(*quoted.pieces, *rest))
