"""True statements drawn from documents: sentences as they are, and rewritings that keep their meaning.

Each rewriting is one function from a sentence to its new wording, or None where its pattern does not fit. The patterns
are narrow on purpose: a rewriting that might change the meaning is useless, and one that seldom fits costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from rag.text import STOP_WORDS, content_words, word_set

AUXILIARIES = word_set("is are was were has have had can could may might must shall should will would does do did")
_PRESENT = AUXILIARIES - word_set("was were had did could would might")
_BACK = word_set(
    """
    he she it they this these that those his her its their there such however but and or so also another both here
    then thus therefore instead others some one once when if while as because although though since
    """
)
_DENIES = re.compile(
    r"\b(?:not|no|never|none|nor|neither|without|cannot|nobody|nothing|unable|fail\w*|unless|except\w*|if|whether|only|"
    r"all|every|each|any|most|first|last|least|best|worst|alleged\w*|claim\w*|believ\w*|said|say\w*|argu\w*|"
    r"suppose\w*|hypothe\w*|theor\w*|would|could|might|instead|rather|than|until)\b|n['’]t\b",
    re.IGNORECASE,
)
_IRREGULAR = {
    "become": "became", "begin": "began", "break": "broke", "bring": "brought", "build": "built", "buy": "bought",
    "choose": "chose", "come": "came", "cut": "cut", "die": "died", "do": "did", "draw": "drew", "drive": "drove",
    "fall": "fell", "feel": "felt", "fight": "fought", "find": "found", "flee": "fled", "fly": "flew", "get": "got",
    "give": "gave", "go": "went", "grow": "grew", "have": "had", "hold": "held", "keep": "kept", "know": "knew",
    "lay": "laid", "lead": "led", "leave": "left", "lose": "lost", "make": "made", "mean": "meant", "meet": "met",
    "pay": "paid", "put": "put", "rise": "rose", "run": "ran", "say": "said", "see": "saw", "sell": "sold",
    "send": "sent", "set": "set", "speak": "spoke", "spend": "spent", "spread": "spread", "stand": "stood",
    "swear": "swore", "take": "took", "teach": "taught", "tell": "told", "think": "thought", "win": "won",
    "write": "wrote",
}  # fmt: skip
_REGULAR = word_set(
    """
    accept achieve adopt agree allow appear apply appoint arrive ask assemble attack attempt attend ban base believe
    call cause cede claim complete conquer consider consist contain continue control convert create cross decide declare
    decline decrease defeat define depend describe destroy develop discover divide end engage enter establish exist
    close collapse expand expect explain export extend face feature follow force form found gain happen help hire
    immigrate import improve include increase influence introduce invade invent involve issue join land last launch
    lend live locate
    manage marry migrate move name need negotiate occupy occur offer open oppose order organize originate own pass
    permit plan possess produce prompt propose protect prove provide publish push raise ratify reach receive refer
    refuse reject remain remove replace represent request require resist result retain return reward rule seek serve
    settle share sign sink stop study succeed suffer suggest support surrender survive switch threaten trade travel
    treat try use view visit vote want work
    """
)
_PAST = {base: base + ("d" if base.endswith("e") else "ed") for base in _REGULAR} | _IRREGULAR
_PAST |= {base: base[:-1] + "ied" for base in _REGULAR if base.endswith("y") and base[-2] not in "aeiou"}
PAST_FORMS = frozenset(_PAST.values())
_SAME_MEANING = {
    "approximately": "about", "prior to": "before", "in order to": "to", "assist": "help", "purchase": "buy",
    "purchased": "bought", "obtain": "get", "commence": "begin", "commenced": "began", "utilize": "use",
    "utilized": "used", "numerous": "many", "additional": "further", "sufficient": "enough", "received": "got",
    "attempted": "tried", "assisted": "helped", "ensure": "make sure", "demonstrate": "show", "however": "yet",
    "nearly": "almost", "in addition": "moreover", "for example": "for instance", "a large number of": "many",
    "as well as": "and", "due to": "because of", "in addition to": "besides", "regarding": "about", "began": "started",
    "is able to": "can", "are able to": "can", "such as": "like", "throughout": "all through", "entire": "whole",
    "primarily": "mainly", "beneath": "under", "upon": "on", "require": "need", "requires": "needs",
    "frequently": "often", "often": "frequently", "huge": "very large", "wealthy": "rich",
    "located": "situated", "resides": "lives", "instruct": "tell",
    "remainder": "rest", "annual": "yearly", "annually": "every year", "repair": "fix", "staff": "personnel",
    "at least": "no less than", "may": "can", "whole": "entire",
}  # fmt: skip
_SYNONYM = re.compile(rf"\b(?:{'|'.join(sorted(_SAME_MEANING, key=len, reverse=True))})\b")
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
NUMBER_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]

Rewrite = Callable[[str], str | None]


def is_statement(text: str) -> bool:
    """Whether a sentence is a statement by itself: 6 to 40 words with a verb; no row, question or leading pronoun."""
    found = text.split()
    if not 6 <= len(found) <= 40 or not text.endswith(".") or not text[0].isupper() or re.search(r"[|?•]|\. \.", text):
        return False
    plain = [word.strip("“”\"'(),;:.").lower() for word in found]
    return (
        plain[0] not in _BACK
        and holds_verb(text)
        and text.count("(") == text.count(")")
        and text.count('"') % 2 == 0
        and sum(any(sign.isdigit() for sign in word) for word in found) <= len(found) / 3
    )


def holds_verb(text: str) -> bool:
    """Whether the text has an auxiliary or a past form."""
    return any(word in AUXILIARIES or word in PAST_FORMS for word in re.findall(r"[a-z]+", text.lower()))


def _is_past(text: str) -> bool:
    """Whether the sentence narrates a past event: it stays true without its time or place."""
    found = set(re.findall(r"[a-z]+", text.lower()))
    return holds_verb(text) and not found & _PRESENT and not _DENIES.search(text)


def _sentence(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip(" ,;:")
    text = text.removeprefix(_MOVED)
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


# --- rewritings ---------------------------------------------------------------------------------------------------


def take_clause(text: str) -> str | None:
    """The first of two clauses joined by `, and`, `, but`, `, while` or `;`."""
    found = re.search(r"(?:, (?:and|but|while|whereas) |; )", text)
    if found is None:
        return None
    first, second = text[: found.start()], text[found.end() :]
    if len(first.split()) < 6 or "," in first or not (holds_verb(first) and holds_verb(second)):
        return None
    shares = re.search(
        r"\b(?:either|neither|both|between|if|unless|whether|when|not only|although|while)\b", first, re.I
    )
    return None if shares else _sentence(first)


def drop_opening(text: str) -> str | None:
    """A narrating sentence without its opening time or place."""
    opening = re.match(
        r"(?:In|On|During|After|Before|Following|Despite|Throughout) [^,]{3,60}, (?=(?:the|a|an) |[A-Z])", text
    )
    if opening is None or not _is_past(text):
        return None
    rest = text[opening.end() :]
    return _sentence(rest) if len(rest.split()) >= 5 and holds_verb(rest) else None


def move_opening(text: str) -> str | None:
    """A narrating sentence with its opening time or place moved to the end."""
    opening = re.match(r"((?:In|On|During|After|Before|Following) [^,]{3,60}), (?=(?:the|a|an) |[A-Z])", text)
    if opening is None or not _is_past(text):
        return None
    rest = text[opening.end() :].rstrip(".")
    return _sentence(f"{rest} {opening[1][0].lower()}{opening[1][1:]}") if "," not in rest else None


def drop_aside(text: str) -> str | None:
    """The sentence without brackets and without relative clauses between commas."""
    shorter = re.sub(r" \((?=[^()]*[a-z]{3})[^()]*\)", "", text)
    shorter = re.sub(r", (?:which|who|whose) [^,.]{5,100}, (?!and |or |which |who |but )", " ", shorter)
    shorter = re.sub(r"\b(?:also|furthermore|additionally|subsequently|eventually|formally|officially),? ", "", shorter)
    return _sentence(shorter) if shorter != text and len(shorter.split()) >= 5 and holds_verb(shorter) else None


def reorder_list(text: str) -> str | None:
    """The sentence with two inner items of a list swapped."""
    item = r"((?!and |or |who |which |where |but |as |in |by |with |to |such |includ)[^,;.()\d]{2,40})"
    found = re.search(rf", {item}, {item}(,? (?:and|or) )", text)
    if found is None or "respectively" in text or holds_verb(found[1]) or holds_verb(found[2]):
        return None
    if max(len(found[1].split()), len(found[2].split())) > 4:
        return None
    return f"{text[: found.start()]}, {found[2]}, {found[1]}{found[3]}{text[found.end() :]}"


def lift_relative(text: str) -> str | None:
    """`X, who was ..., ...` as `X was ...`; `X, a ..., ...` as `X was a ...`."""
    name = r"((?:The )?(?!We |You |Our |Under |In |For |By |At |On )[A-Z][\w’'-]+(?: (?!of )[\w’'-]+){0,4}?)"
    found = re.match(rf"{name}, (?:which|who) ((?:was|were|is|are|had|has) [^,.]{{8,90}}),", text)
    if found and not holds_verb(found[1]):
        return _sentence(f"{found[1]} {found[2]}")
    found = re.match(rf"{name}, ((?:a|an|the) [^,.]{{6,70}}), (was|is)\b", text)
    return _sentence(f"{found[1]} {found[3]} {found[2]}") if found else None


def make_active(text: str) -> str | None:
    """`X was conquered by Y` as `Y conquered X`."""
    parts = passive_parts(text)
    return _sentence(f"{parts[2]} {parts[1]} {moved(parts[0])}") if parts else None


def passive_parts(text: str) -> tuple[str, str, str] | None:
    """(patient, past form, agent) of a short passive sentence; None otherwise."""
    found = re.match(
        r"((?:The |A |An )?(?!(?:Long|After|When|In|On|At|By|Before|Since)\b)[^,;()]{2,60}?) (?:was|were) "
        r"(?:\w+ly )?([a-z]{2,}ed) by ((?:the |a |an )?[\w’'\- ]{3,60}?)"
        r"(?=\.$|,(?! and)| (?:in|on|at|after|before|during|between|under|from|as|for|to) )",
        text,
    )
    if found is None or _DENIES.search(found[0]) or holds_verb(found[1]) or " by " in found[1]:
        return None
    if re.search(r"\b(?:and|or|that|who|which|ing)\b|ing\b", f"{found[1]} {found[3]}") or not content_words(found[3]):
        return None
    return found[1], found[2], found[3]


_VERBS_OF_DOING = "|".join(sorted((word for word in PAST_FORMS if word.endswith("ed")), key=len, reverse=True))


def make_passive(text: str) -> str | None:
    """`X conquered Y` as `Y was conquered by X`, where X is short and Y ends the sentence or clause."""
    found = re.match(
        rf"((?:The |A )?[A-Z]?[\w’'-]+(?: [\w’'-]+){{0,3}}) ({_VERBS_OF_DOING}) "
        r"((?:the|a|an) [\w’'-]+(?: of)?(?: [\w’'-]+){0,3}?)"
        r"(?=\.$|, | (?:in|on|at|after|before|during|under|from|as|for|and|to|with|by|into|"
        r"against|between|over|through) )",
        text,
    )
    if (
        found is None
        or _DENIES.search(found[0])
        or holds_verb(f"{found[1]} {found[3]}")
        or re.search(
            r"\b(?:and|or|that|who|which|it|they|he|she)\b|ing\b|\w{3}ed\b|ly\b",
            f"{found[1]} {found[3]}",
            re.IGNORECASE,
        )
    ):
        return None
    verb = "were" if re.search(r"[^s]s$", found[3]) else "was"
    return _sentence(f"{found[3]} {verb} {found[2]} by {moved(found[1])}")


def turn_cause(text: str) -> str | None:
    """`X because Y` as `Because Y, X`; `X due to Y` as `Because of Y, X`."""
    found = re.search(r" (because|because of|due to|as a result of|owing to) (?!of\b)([^,;]+?)\.$", text)
    if found is None:
        return None
    effect = text[: found.start()]
    if re.search(
        r"[,;]|\b(?:not|only|partly|primarily|mainly|in part|and|is|was|are|were)$|\bif\b", effect
    ) or not holds_verb(effect):
        return None
    link = "because" if found[1] == "because" else "because of"
    return _sentence(f"{link} {found[2]}, {moved(effect)}")


def make_possessive(text: str) -> str | None:
    """`the leader of France` as `France's leader`, for names of one word."""
    new = re.sub(
        r"\b[Tt]he ([a-z]{4,}) of ([A-Z][a-z]{3,})(?=[.,]| (?:is|was|are|were|had|has|in|on|to)\b)", r"\2's \1", text
    )
    return new if new != text and not re.search(r"s's ", new) else None


def cleave(text: str) -> str | None:
    """`X conquered ...` as `It was X who conquered ...`, for a short narrating sentence that begins with a name."""
    found = re.match(rf"([A-Z][a-z]+(?: (?:[A-Z][a-z]+|[IVX]+|of [A-Z][a-z]+)){{0,3}}) ({_VERBS_OF_DOING}) ", text)
    if found is None or not _is_past(text) or found[1].split()[0].lower() in STOP_WORDS:
        return None
    return f"It was {moved(found[1])} that {text[found.start(2) :]}"


def combine(text: str, other: str) -> str | None:
    """Two statements of one passage as one sentence."""
    if len(text.split()) + len(other.split()) > 36 or ";" in text or ";" in other:
        return None
    return f"{text[:-1]}, and {moved(other)}"


_MOVED = "\x00"  # before a word that was the first of a sentence and is not any more


def moved(text: str) -> str:
    """The words with a mark for `settle_case`: the first one no longer begins a sentence."""
    return _MOVED + text


def settle_case(text: str, common: frozenset[str]) -> str:
    """The text with marked words in lower case, where the document writes them in lower case inside sentences."""

    def settle(found: re.Match[str]) -> str:
        return found[1].lower() if found[1].lower() in common else found[1]

    return re.sub(rf"{_MOVED}([\w’'-]*)", settle, text)


def spell_numbers(text: str) -> str | None:
    """Numbers in another form: `1.5 million` and `1,500,000`, `5%` and `5 percent`, `ten` and `10`."""

    def scaled(found: re.Match[str]) -> str:
        value = float(found[1].replace(",", "")) * {"thousand": 1e3, "million": 1e6, "billion": 1e9}[found[2]]
        return f"{value:,.0f}"

    def shortened(found: re.Match[str]) -> str:
        value = int(found[0].replace(",", ""))
        rounded = value >= 1_000_000 and value % 10_000 == 0
        return f"{value / 1_000_000:g} million" if rounded else found[0].replace(",", "")

    new = re.sub(r"(?<![\w.,$€£])(\d[\d,]*(?:\.\d+)?) (thousand|million|billion)\b", scaled, text)
    if new == text:
        new = re.sub(r"(?<![\w.,$€£])\d{1,3}(?:,\d{3})+(?![\d,.]\d)", shortened, text)
    new = re.sub(r"(?<=\d)%", " percent", new)
    new = re.sub(
        r"(?<!US)\$(\d+(?:,\d{3})*(?:\.\d+)?)(?! (?:million|billion|thousand)|[,.]?\d|[-–])", r"\1 dollars", new
    )
    small = "|".join(NUMBER_WORDS[2:])
    new = re.sub(
        rf"(?<![\w-])({small})(?= [a-z]{{3,}})(?!-| hundred| thousand| million| billion| or | to | and )",
        lambda found: str(NUMBER_WORDS.index(found[1])),
        new,
    )
    return new if new != text else None


def write_dates(text: str) -> str | None:
    """Full dates in another form."""
    new = re.sub(rf"\b({_MONTHS}) (\d{{1,2}}), (\d{{4}})\b", r"\2 \1 \3", text)
    if new == text:
        new = re.sub(rf"\b(\d{{1,2}}) ({_MONTHS}) (\d{{4}})\b", r"\2 \1, \3", text)
    return new if new != text else None


def change_words(text: str) -> str | None:
    """The sentence with up to three words replaced by synonyms."""
    new = _SYNONYM.sub(lambda found: _SAME_MEANING[found[0]], text, count=3)
    return new if new != text else None


REWRITINGS: dict[str, Rewrite] = {
    "verbatim": lambda text: text,
    "clause": take_clause,
    "opening dropped": drop_opening,
    "opening moved": move_opening,
    "aside dropped": drop_aside,
    "list reordered": reorder_list,
    "relative clause": lift_relative,
    "active": make_active,
    "passive": make_passive,
    "cause turned": turn_cause,
    "possessive": make_possessive,
    "cleft": cleave,
    "number form": spell_numbers,
    "date form": write_dates,
    "other words": change_words,
}


# --- questions with their answers -----------------------------------------------------------------------------------

_DETERMINED = re.compile(r"(?:the|a|an|one|[A-Z])")
_DANGLING = re.compile(
    r"(?:\w+ed|called|known|named|made|for|of|in|to|from|by|with|on|at|as|about|like|born|found|held|built)$"
)
_PREPOSITION = re.compile(
    r"^(?:in|on|at|by|from|to|during|after|before|between|around|about|under|with|for|until|since)\b", re.I
)


def join_answer(question: str, answer: str) -> str | None:
    """A question and its short answer as one declarative sentence; None where no pattern fits.

    `Who was the Norse leader?`, `Rollo`: `The Norse leader was Rollo.`
    """
    asked = re.sub(r"\s+", " ", question).strip().rstrip("?").strip()
    answer = answer.strip().rstrip(".")
    if re.search(r"\b(?:this|that|these|those|he|she|it|they)\b", asked, re.IGNORECASE):
        return None
    joined = next((made for pattern in _JOINERS if (made := pattern(asked, answer))), None)
    if joined is None or len(joined.split()) < 5 or len(answer.split()) > 12:
        return None
    return _sentence(joined)


def _join_be(asked: str, answer: str) -> str | None:
    found = re.match(r"(?:What|Who|Which) (is|was|were|are) (.+)$", asked)
    if found is None or _DANGLING.search(found[2]) or " or " in found[2] or holds_verb(found[2]):
        return None
    if _DETERMINED.match(found[2]):
        return f"{found[2]} {found[1]} {answer}"
    return f"{answer} {found[1]} {found[2]}" if asked.startswith("Who") else None


def _join_subject(asked: str, answer: str) -> str | None:
    found = re.match(r"(?:Who|What) (\w+) (.+)$", asked)
    if found and (
        found[1] in PAST_FORMS - {"did", "had"} or (found[1] in ("had", "can", "has") and asked.startswith("Who"))
    ):
        return f"{answer} {found[1]} {found[2]}"
    found = re.match(r"(?:Which|What) (?:[\w’'-]+ ){1,4}?(\w+) (.+)$", asked)
    if found and found[1] in PAST_FORMS - {"did", "had"}:
        return f"{answer} {found[1]} {found[2]}"
    return None


def _join_did(asked: str, answer: str) -> str | None:
    found = re.match(
        r"(When|Where|What|Who|(?:In|On|By|During) (?:what|which) \w+|What (?:year|country|city|century)) did (.+)$",
        asked,
    )
    if found is None:
        return None
    past = _past_clause(found[2])
    if past is None:
        return None
    subject, verb, rest = past
    opener = found[1].lower()
    if opener in ("what", "who"):
        return f"{subject} {verb} {answer} {rest}".strip() if not rest or _PREPOSITION.match(rest) else None
    if not _PREPOSITION.match(answer):
        answer = f"on {answer}" if re.search(rf"(?:{_MONTHS}) \d{{1,2}}\b", answer) else f"in {answer}"
    return f"{subject} {verb} {rest} {answer}"


def _past_clause(text: str) -> tuple[str, str, str] | None:
    """(subject, verb in the past tense, rest) of the words after `did`."""
    found = text.split()
    for i in range(1, min(len(found), 9)):
        if found[i] in AUXILIARIES or "n't" in found[i]:
            return None
        if found[i] in _PAST and found[i - 1].lower() not in ("the", "a", "an", "of", "to", "for", "in"):
            return " ".join(found[:i]), _PAST[found[i]], " ".join(found[i + 1 :])
    return None


def _join_count(asked: str, answer: str) -> str | None:
    found = re.match(r"How (?:many|much) ([\w’' -]+?) (did|are|were|is|was|have|had|live|can) (.+)$", asked)
    if found is None:
        return None
    counted = answer if set(content_words(found[1])) <= set(content_words(answer)) else f"{answer} {found[1]}"
    if found[2] == "did":
        past = _past_clause(found[3])
        return f"{past[0]} {past[1]} {counted} {past[2]}" if past else None
    if re.match(r"(?:the|a|an|there|in|on) ", found[3]) and found[2] != "live":
        return None
    return f"{counted} {found[2]} {found[3]}"


_JOINERS: tuple[Callable[[str, str], str | None], ...] = (_join_did, _join_count, _join_be, _join_subject)


# --- rows -----------------------------------------------------------------------------------------------------------


def speak_row(header: str, row: str) -> Iterator[tuple[str, str, str, str]]:
    """(sentence, label, column, cell) for each cell of a row after its label whose column has a name.

    The header may omit the name of the first column.
    """
    cells, names = ([cell.strip() for cell in line.split("|")] for line in (row, header))
    if len(names) == len(cells) - 1:
        names = ["", *names]
    if len(names) != len(cells) or len(cells) < 2 or not re.search(r"[A-Za-z]{3}", cells[0]):
        return
    if row == header or len(set(names)) < len(names):
        return
    for i in range(1, len(cells)):
        said = re.sub(r"\s*\([^()]*\)|\s*/\s*", " ", names[i]).strip()
        if not re.search(r"[A-Za-z]{3}", said) or not re.search(r"\w", cells[i]) or len(cells[i].split()) > 8:
            continue
        if set(content_words(said)) <= STOP_WORDS or len(said.split()) > 8 or len(cells[0].split()) > 10:
            continue
        sign = re.sub(r"^([$€£])\s+", r"\1", cells[i])
        period = re.search(r"\d{4}|\b(?:Q[1-4]|Months|Ended)\b", said)
        named = f"figure for {said}" if period else said if said[1:2].isupper() else said[0].lower() + said[1:]
        spoken = (f"For {cells[0]}, the {named} is {sign}.", f"The {named} of {cells[0]} is {sign}.")[i % 2]
        yield spoken, cells[0], names[i], cells[i]
