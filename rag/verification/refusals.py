"""The parts of a reply without a claim: small talk, questions, refusals; and the claims beside a refusal."""

from __future__ import annotations

import re

from rag.text import STOP_WORDS, content_words
from rag.verification.negation import AUXILIARY, stems_of
from rag.verification.reading import TOKEN, normalise, read, unlisted

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
    r"|(?:the )?answer (?:to (?:the|your) question )?is(?: as follows)?)\W*$",
    re.IGNORECASE,
)
BARE_YES = re.compile(r"^\W*(?:yes|no)\W*$", re.IGNORECASE)
_A_QUESTION = "it is a question and states nothing"
NO_WORDS = "it has no words"
_MAX_CHARS = 4_000


def explain_talk(text: str) -> str:
    """Why the sentence states nothing; "" if it may state something."""
    plain = unlisted(normalise(text)).strip()
    if not any(sign.isalnum() for sign in plain):
        return NO_WORDS
    if _TALK.match(plain):
        return "it is small talk and states nothing"
    if plain.endswith(("?", "？")):
        return _A_QUESTION
    return ""


_TURN = re.compile(
    r"(?P<strong>\s{0,3}(?:;|:|\s[-–—]\s|—)\s{0,3}(?:and|but|so|yet|however|while)?\b"
    r"|,?\s{1,3}(?:but|however|although|though|while|whereas|yet|because|since|except that|even though)\b)"
    r"|,\s{1,3}(?:(?P<joined>and|so|as|therefore|hence|thus)\b)?|\s(?:and\b|\()",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"^\W*(?:what|when|where|who|whom|whose|which|why|how|whether|if|that|or|nor|any|no|neither|either)\b",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"^\W*(?:who|which|whose|where)\b", re.IGNORECASE)
_SAYS_WHEN = re.compile(r"\b(?:say|state|specify|indicate|explain|tell|know)\b", re.IGNORECASE)
_TOPIC = re.compile(r"^\W*(?:regarding|concerning|about|for|as|in|on|of|with)\b", re.IGNORECASE)
_SUPPOSES = re.compile(r"^\W*(?:since|because|although|though|while|whereas|given that|even though)\b", re.IGNORECASE)
_GOES_ON_REFUSING = re.compile(
    rf"^\W*(?:it|they|these|i|we) (?:do|does|did)(?:n['’]t| not) (?:\w+ )?{_SAY}\b", re.IGNORECASE
)
_DID_YOU_KNOW = re.compile(r"^\W*(?:did|do) you (?:know|realise|realize|remember) (?:that )?", re.IGNORECASE)
_ASSERTS_WORDS = 3


def claims_of(text: str) -> list[str]:
    """The parts of a sentence to be checked: all of it, the clauses beside a refusal, or none (talk, a question)."""
    if len(text) > _MAX_CHARS:
        return [text]
    if EXACT_REFUSAL.match(_after_lead_in(text)):
        return []
    talk = explain_talk(text)
    if talk == _A_QUESTION:
        return [_DID_YOU_KNOW.sub("", text)] if _holds_facts(text) else []
    if not (REFUSAL.search(text) or MAYBE_REFUSAL.search(text)):
        return [] if talk else [text]
    return [clause for clause in _clauses_of(text) if not refuses(clause)]


def refuses(text: str) -> bool:
    """Whether the text says that the passages, or the writer, have no answer."""
    return bool(
        REFUSAL.search(text) or MAYBE_REFUSAL.search(text) or EXACT_REFUSAL.match(text)
        or EXACT_REFUSAL.match(_after_lead_in(text))
    )  # fmt: skip


def _after_lead_in(text: str) -> str:
    """The text after the last colon, "" without one: `Not covered are: Not in the documents.` is only a refusal."""
    return text.rpartition(":")[2].strip() if ":" in text else ""


def _clauses_of(text: str) -> list[str]:
    """The refusals of a sentence, each with its objects, and the clauses beside them that make a statement."""
    clauses: list[str] = []
    turns = list(_TURN.finditer(text))
    starts = [(0, 0, None), *((turn.start(), turn.end(), turn) for turn in turns)]
    for at, (_, begin, turn) in enumerate(starts):
        end = starts[at + 1][0] if at + 1 < len(starts) else len(text)
        part = text[begin:end].strip()
        if turn is None:
            clauses.append(part)
            continue
        alone = refuses(part) or (
            refuses(clauses[-1]) and _states_something(part, turn, text[: turn.start()]) and not explain_talk(part)
        )
        if refuses(clauses[-1]) and _GOES_ON_REFUSING.match(part):
            continue
        if alone or (refuses(part) is not refuses(clauses[-1]) and turn["strong"]):
            clauses.append(part)
        else:
            clauses[-1] = f"{clauses[-1]}{text[turn.start() : begin]}{text[begin:end]}"
    first = clauses[0]
    if (
        len(clauses) > 1
        and not refuses(first)
        and not (_SUPPOSES.match(first) or _states_something(first, None, "") or _holds_verb(first))
    ):
        clauses.pop(0)
    return [clause for clause in clauses if any(sign.isalnum() for sign in clause) and not explain_talk(clause)]


def _holds_verb(text: str) -> bool:
    """Whether a content word comes before an auxiliary: `dogs are`, `all staff may`."""
    tokens = [token.lower() for token in TOKEN.findall(normalise(text))]
    verb = next((i for i, token in enumerate(tokens) if token in AUXILIARY), None)
    return verb is not None and bool(tokens[:verb]) and len(stems_of(tokens)) > 1


def _states_something(part: str, turn: re.Match[str] | None, before: str) -> bool:
    """Whether the words after or before a refusal are a statement, instead of more objects of the refusal."""
    words = content_words(normalise(part))
    if turn is None:
        return len(words) >= _ASSERTS_WORDS and not _TOPIC.match(part)
    if _ASKED.match(part):
        # `do not mention Bob Miller, who is ...` states something about him; `do not say when, where` asks
        tells = _RELATIVE.match(part) and not _SAYS_WHEN.search(before)
        return bool(tells) and any(token.lower() in AUXILIARY for token in TOKEN.findall(part))
    if turn["strong"]:
        return bool(words)
    if turn["joined"]:
        return len(words) >= _ASSERTS_WORDS or _holds_verb(part)
    if turn[0].startswith(","):
        # `while the passages do not say it, staff get lunch`
        return (bool(words) and bool(_SUPPOSES.match(before))) or len(words) > _ASSERTS_WORDS or _holds_verb(part)
    return _holds_verb(part)


def _holds_facts(text: str) -> bool:
    """Whether the text contains a number, a date, or a capitalised word other than its first."""
    reading = read(unlisted(normalise(text)))
    return bool(reading.quantities or reading.dates or reading.capitals - STOP_WORDS)
