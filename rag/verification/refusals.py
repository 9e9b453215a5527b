"""The parts of a reply that state nothing: talk, questions, headings, labels, refusals; and claims beside a refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.text import STOP_WORDS, content_words
from rag.verification.claim import FEW_WORDS, has_verb
from rag.verification.passages import Source
from rag.verification.reading import normalise, read, unlisted, word_run

_OURS = r"(?:passages?|documents?|context|texts?|information|sources?|excerpts?|materials?|articles?)"
_SAY = (
    "(?:mention|contain|provide|specify|state|include|say|give|answer|address|discuss|have|indicate|explain|describe|"
    "cover|offer|reveal|disclose|list|identify|define|refer|detail|note|show|tell)"
)
_SAID = (
    "(?:mentioned|provided|specified|stated|given|answered|addressed|discussed|included|found|available|contained|"
    "described|indicated|listed|disclosed|covered|known|present)"
)
_NOT_US = r"(?:do not|don['’]t|cannot|can['’]t|could not|couldn['’]t|am unable to|was unable to|are unable to)"
# says that the passages, or the writer, have no answer
REFUSAL = re.compile(
    rf"\bnot (?:{_SAID} )?(?:\w+ )?(?:in|by|from|within) (?:any of )?(?:the |these |this )?(?:\w+ )?{_OURS}\b"
    rf"|\b(?:i|we) {_NOT_US} (?:know|find|answer|determine|tell|provide|say|locate|see)\b"
    rf"|\b{_OURS}(?: (?:provided|given|above|supplied))?,? (?:do|does|did)(?:n['’]t| not) (?:\w+ )?{_SAY}\b"
    rf"|\b(?:is|are|was|were)n['’]t (?:\w+ )?{_SAID} (?:\w+ )?(?:in|by|from|within) (?:the |these )?(?:\w+ )?{_OURS}\b",
    re.IGNORECASE,
)
# may be a refusal, or a statement of the document: "There is no information on side effects"
MAYBE_REFUSAL = re.compile(
    r"\b(?:there is|there's|there are|contains?|provides?|gives?|have|has|with) no (?:\w+ )?"
    r"(?:information|mention|answer|details?|data|reference)\b"
    r"|^\W*no (?:\w+ )?(?:information|answer|mention|details?)\b"
    r"|\b(?:not enough|insufficient|no sufficient) (?:information|context|data|details?)\b"
    r"|\b(?:cannot|can['’]t|could not|couldn['’]t) be (?:answered|determined|found|inferred)\b"
    r"|^\W*(?:unknown|unanswerable|n/?a|not (?:mentioned|specified|provided|stated|available|applicable))\W*$",
    re.IGNORECASE,
)
EXACT_REFUSAL = re.compile(
    r"^\W*(?:this is |it is |the answer is )?not in the (?:documents?|passages?)\W*$", re.IGNORECASE
)
REFUSES = "it says that the documents do not answer"
WITH_A_CLAIM = re.compile(r"\d|\b(?:but|however|although|though|while|only)\b", re.IGNORECASE)
_TALK = re.compile(
    r"^\W*(?:(?:hello|hi|hey|greetings|sure|certainly|of course|absolutely|great question|thank you|thanks|okay|ok|"
    r"you['’]re welcome)(?: there)?"
    r"|(?:(?:sure|certainly|of course)\W+)?(?:here|below)(?:['’]s| is| are) (?-i:[a-z ,'’]{0,60}):"
    r"|(?:the )?(?:final |short )?answers?|(?:in )?summary|sources?|references?|citations?|notes?|passages?"
    r"|i hope this helps(?-i:[a-z ,'’]{0,40})|(?:please )?let me know if (?-i:[a-z ,'’]{0,80})"
    r"|i(?:['’]m| am) sorry|sorry|based on the (?:passages?|documents?)"
    r"|(?:the )?answer (?:to (?:the|your) question )?is(?: as follows)?"
    rf"|(?:all )?(?:this|that|it|these|the above)(?: information)? (?:is|are|was|were|can be) "
    rf"(?:stated|mentioned|given|found|described) (?:in|by|from) (?:the |these )?(?:given |provided |above )?"
    rf"{_OURS}(?: \d{{1,3}})?)\W*$",
    re.IGNORECASE,
)
BARE_YES = re.compile(r"^\W*(?:yes|no)\W*$", re.IGNORECASE)
_A_QUESTION = "it is a question and states nothing"
NO_WORDS = "it has no words"
LEADS = "it introduces a list"
IS_HEADING = "it is a heading"
_MAX_CHARS = 4_000


def explain_talk(text: str) -> str:
    """Why the sentence states nothing; "" if it may state something."""
    plain = unlisted(normalise(text)).strip()
    if not any(sign.isalnum() for sign in plain):
        return NO_WORDS
    if _TALK.match(plain):
        return "it is small talk and states nothing"
    return _A_QUESTION if plain.endswith(("?", "？")) else ""


_LEADS_ONLY = re.compile(
    r"^\W*(?:(?:here|below|the following)\b|(?:these|this|they|it) (?:are|is|include|includes)\b)"
    r"[^\d:：\n]{0,160}[:：]\W*$"
    r"|^\W*\w+\W*[:：]\W*$",
    re.IGNORECASE,
)
_LEADS_IN = re.compile(
    r"^\W*(?:here|below|these|the following|other|some)\b|\b(?:following|follows|below)\b"
    r"|\b(?:should|need|must|follow)\b[^:]{0,60}\b(?:these|those)\s(?:\w+\s)?\w+\W*$"
    r"|\b(?:are|is|include|includes|including|may|must|can|should|by|for|to|when|if|of|in|with|on|at|from)\W*$",
    re.IGNORECASE,
)
_HEADING = re.compile(r"\s*#{1,6}\s")
_LABEL_WORDS, _LABEL_CHARS = 3, 120


def explain_silence(text: str) -> str:
    """Why the text is a heading, a label without its value, or the introduction of a list; "" if it is none.

    A heading with a verb, a number or a date states something.
    """
    if _HEADING.match(text):
        said = read(unlisted(normalise(text)))
        return "" if has_verb(said) or said.quantities or said.dates else IS_HEADING
    bare = text.strip(" *_")
    if not bare.endswith((":", "：")):
        return ""
    if _LEADS_ONLY.match(bare):
        return LEADS
    reading = read(unlisted(normalise(bare)))
    if len(bare) > _LABEL_CHARS or reading.capitals - STOP_WORDS or any(sign.isdigit() for sign in bare):
        return ""
    return LEADS if _LEADS_IN.search(bare) or len(reading.stems) <= _LABEL_WORDS else ""


def is_header_row(text: str, sources: Sequence[Source]) -> bool:
    """Whether the text is a row without figures that a passage has as the header of a table, or above its rows."""
    if "|" not in text or any(sign.isdigit() for sign in text):
        return False
    row = word_run(text)
    for source in sources:
        lines = [source.text(p) for p in range(len(source.places))]
        rows = [line for at, line in enumerate(lines) if "|" in line and not (at and "|" in lines[at - 1])]
        if any(word_run(line) == row for line in (*rows, *source.passage.hit.chunk.headings)):
            return True
    return False


_TURN = re.compile(
    r"\s{0,3}(?:[;:(]|\s[-–—]\s|—|,)\s{0,3}(?:(?:and|but|so|yet|however|while)\b)?"
    r"|\s(?:and|but|however|although|though|while|whereas|yet|because|since|except that|even though)\b",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"^\W*(?:what|when|where|whom|whose|which|why|how|whether|if|that|or|nor|any|no|neither|either|regarding|concerning|"
    r"about|for|as|in|on|of|with|e\.?g)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"^\W*(?:it|they|these|i|we|so i) (?:\w+ )?(?:do|does|did|can|could)(?:n['’]t| ?not)\b", re.IGNORECASE
)
_RELATIVE = re.compile(r"^\W*(?:who|which|whose|where)\b", re.IGNORECASE)
_SAYS_WHEN = re.compile(r"\b(?:say|state|specify|indicate|explain|tell|know)\b", re.IGNORECASE)
_DID_YOU_KNOW = re.compile(r"^\W*(?:did|do) you (?:know|realise|realize|remember) (?:that )?", re.IGNORECASE)


def claims_of(text: str) -> list[str]:
    """The parts of a sentence to be checked: all of it, the clauses beside a refusal, or none (talk, a question)."""
    if len(text) > _MAX_CHARS:
        return [text]
    if EXACT_REFUSAL.match(_after_lead_in(text)):
        return []
    if (talk := explain_talk(text)) == _A_QUESTION:
        return [_DID_YOU_KNOW.sub("", text)] if _holds_facts(text) else []
    if not (REFUSAL.search(text) or MAYBE_REFUSAL.search(text)):
        return [] if talk else [text]
    return _claims_beside(text)


def refuses(text: str) -> bool:
    """Whether the text says that the passages, or the writer, have no answer."""
    return bool(
        REFUSAL.search(text) or MAYBE_REFUSAL.search(text) or EXACT_REFUSAL.match(text)
        or EXACT_REFUSAL.match(_after_lead_in(text))
    )  # fmt: skip


def _after_lead_in(text: str) -> str:
    """The text after the last colon, "" without one: `Not covered are: Not in the documents.` is only a refusal."""
    return text.rpartition(":")[2].strip() if ":" in text else ""


def _claims_beside(text: str) -> list[str]:
    """The clauses of a sentence with a refusal that make a statement: with a verb, and not what the refusal is about.

    "The passages do not mention cats, dogs or birds" has none; ", and Bob Miller is the chief executive" is one. What
    follows a clause without another refusal belongs to it.
    """
    claims: list[str] = []
    start, joined, open_ = 0, 0, False
    for found in [*_TURN.finditer(text), None]:
        end = found.start() if found else len(text)
        part = text[start:end].strip()
        if refuses(part) or _GOES_ON.match(part):
            open_ = False
        elif open_:
            claims[-1] = f"{claims[-1]}{text[joined:end]}"
        elif _states(part, text[:start]):
            claims.append(part)
            open_ = True
        joined, start = end, found.end() if found else end
    return [claim for claim in claims if not explain_talk(claim)]


def _states(part: str, before: str) -> bool:
    """Whether a clause states something by itself; not what a refusal names or asks."""
    words = len(content_words(normalise(part)))
    told = words >= FEW_WORDS or (words > 0 and has_verb(read(part)))
    relative = _RELATIVE.match(part) and has_verb(read(part)) and not _SAYS_WHEN.search(before)
    return told and (bool(relative) or not _ASKED.match(part))


def _holds_facts(text: str) -> bool:
    """Whether the text contains a number, a date, or a capitalised word other than its first."""
    reading = read(unlisted(normalise(text)))
    return bool(reading.quantities or reading.dates or reading.capitals - STOP_WORDS)
