"""What a quote leaves open in a sentence whose words it contains: enough for `weak`, too little for `supported`.

The gates of `facts`, `opposites` and `relations` find contradictions. These find what is missing: a word, a `first` or
`only`, the question's own words beside a short answer. Each returns what is missing, or "".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from itertools import islice, pairwise

from rag.text import BE, STOP_WORDS, content_words, stem, word_set
from rag.verification.negation import AUXILIARY
from rag.verification.reading import NAME_TOKEN, TOKEN, Reading, name_key, normalise
from rag.verification.relations import MOST_JOINTS, VERBS, WordLine, bound_before

_SAME_LETTERS = 5
_OTHER_LETTERS = 3


def holds_word(word: str, stems: Collection[str]) -> bool:
    """Whether the stem, or one that begins as it does and ends otherwise, is among the stems: `influenc`, `influenti`.

    Stems share all but up to three letters then, and at least five.
    """
    if word in stems:
        return True
    if len(word) < _SAME_LETTERS:
        return False
    for other in stems:
        if other[:1] == word[0] and abs(len(other) - len(word)) <= _OTHER_LETTERS:
            same = _common(word, other)
            if same >= _SAME_LETTERS and max(len(word), len(other)) - same <= _OTHER_LETTERS:
                return True
    return False


def _common(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


_EMPTY = frozenset(
    stem(word)
    for word in word_set(
        "include including includes additionally furthermore currently namely specifically according people"
    )
)


_SAME_MEANING = {
    one: group
    for words in (
        "begin start commence", "get receive obtain", "need require", "help assist", "buy purchase", "permit allow",
        "employee staff personnel worker", "next following", "location place", "welcome allowed permitted",
    )
    for group in [frozenset(stem(word) for word in words.split())]
    for one in group
}  # fmt: skip


def find_missing_word(words: Iterable[str], evidence: Sequence[Reading]) -> str:
    """The first of the stems that no text of the evidence holds, or ""."""
    missing = (word for word in words if word not in _EMPTY and not any(_holds(word, one) for one in evidence))
    return next(missing, "")


def _holds(word: str, reading: Reading) -> bool:
    if holds_word(word, reading.stems) or reading.has_key(name_key(word)):
        return True
    if word in _SAME_MEANING and not _SAME_MEANING[word].isdisjoint(reading.stems):
        return True
    return not reading.text.isascii() and holds_word(plain(word), {plain(one) for one in reading.stems})


def plain(word: str) -> str:
    """The word without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", word) if not unicodedata.combining(sign))


_POINTS = word_set("this these those such the")
_OPENING_WORDS = 4


def goes_on(first: Reading, later: Reading) -> bool:
    """Whether a sentence goes on with one before it: a list, the text under a heading, a pronoun, `this` and its noun.

    `the` counts where it opens the sentence: "A fee is due. The fee is 5 euros."
    """
    if later.opens_back or later.is_row or not first.text.rstrip().endswith((".", "!", "?")):
        return True
    words = later.lowered
    return any(
        word in _POINTS and stem(after) in first.stems and (word != "the" or at < _OPENING_WORDS)
        for at, (word, after) in enumerate(pairwise(words))
    )


_SCOPES: dict[str, str] = {
    word: group
    for group, words in (
        ("all", "all every each any entire whole everyone everything"),
        ("only", "only solely exclusively sole just alone"),
        ("first", "first earliest original originally"),
        ("most", "most majority mainly mostly primarily largely"),
        ("always", "always"),
        ("never", "never"),
        ("last", "last latest final finally"),
        ("best", "best finest"),
        ("largest", "largest biggest greatest"),
        ("highest", "highest"),
        ("lowest", "lowest"),
        ("smallest", "smallest least"),
        ("oldest", "oldest"),
        ("longest", "longest"),
        ("key", "key main principal"),
    )
    for word in words.split()
}


_PART_OF = re.compile(r"\b(?:(?:parts?|portions?|pieces?|sections?) of|partly|partial(?:ly)?)\b", re.IGNORECASE)
_COMPOUND = re.compile(r"\b(?:in|out|on|off|over|under)(?:-of|-the)?-[a-z]+")  # out-of-network: `out` is a stop word


def find_missing_scope(claim: Reading, evidence: Sequence[Reading]) -> str:
    """A word of the sentence for how far it reaches (`all`, `only`, `out-of-state`) that is not in the evidence.

    Of words that mean the same, one will do; `at most` and `first` in `at first` bound nothing. A compound that stands
    once does not tell two things apart: "for out-of-network care the fee for in-network care is ...".
    """
    compounds = dict.fromkeys(_COMPOUND.findall(claim.text.lower())) if "-" in claim.text else ()
    for compound in compounds:
        if not any(compound in " ".join(one.text.lower().split()).replace(" ", "-") for one in evidence):
            return str(compound)
        if claim.text.lower().count(compound) > sum(one.text.lower().count(compound) for one in evidence) > 0:
            return f"{compound} … {compound}"
    if _PART_OF.search(claim.text) and not any(_PART_OF.search(one.text) for one in evidence):
        return "part of"
    held = {_SCOPES[token] for reading in evidence for token in reading.lowered if token in _SCOPES}
    before = ("", *claim.lowered)
    for token, ahead in zip(claim.lowered, before, strict=False):
        group = _SCOPES.get(token, "")
        if group and group not in held and ahead != "at":
            return token
    return ""


_HEDGES = word_set(
    """
    tried tries trying attempted planned intended intends proposed allegedly purportedly reportedly supposedly hoped
    wanted failed refused almost nearly rumored rumoured sought might
    """
)
_HEDGED = 2


def find_dropped_hedge(claim: Reading, line: WordLine, evidence: WordLine) -> str:
    """What makes a deed an attempt or a thing of the past in the evidence, where the sentence says it without that.

    `claim` and `line` are the sentence's. "Tried to leave" is not "left", "had been pegged" not "is pegged".
    """
    asked = claim.stems
    if not _HEDGES.isdisjoint(claim.lowered):
        return ""
    lowered = evidence.lowered
    now = {key for word, key in zip(line.lowered, line.keys[1:], strict=False) if word in ("is", "are")}
    for at, key in enumerate(evidence.keys[2:]):
        if key in now and lowered[at : at + 2] in (("had", "been"), ("to", "be")):
            return " ".join(lowered[at : at + 2])
    for at, word in enumerate(lowered):
        if word not in _HEDGES:
            continue
        behind = (one for one in lowered[at + 1 :] if not (one.endswith("ly") and stem(one) not in asked))
        following = [one for one in islice(behind, 1 + _HEDGED) if one not in STOP_WORDS and one[0].isalnum()]
        if following[:1] and stem(following[0]) in asked:
            return word
    return ""


_REPORTS = word_set(
    """
    claimed believed believes believe thought argued argues argue suggested suggests suggest alleged alleges denied
    denies
    """
)
_TOLD = _REPORTS | word_set(
    """
    claim claims think thinks says said say stated states told according reportedly allegedly supposedly view opinion
    may might could perhaps probably possibly
    """
)
_REPORTED = 0.8
_WHO = word_set("he she it they there this these his her its their")
_CLAUSE_OPENS = _WHO | word_set("that the a an")


def find_dropped_report(claim: Reading, asked: Reading, evidence: Reading) -> str:
    """The word that makes the claim's words somebody's belief in the evidence, or "".

    "Smith claimed that Jones left" is not "Jones left", "is thought to have left" not "left". `asked` is the question.
    """
    if not claim.stems or not _TOLD.isdisjoint((*claim.lowered, *asked.lowered)):
        return ""
    words, lowered = evidence.tokens, evidence.lowered
    for at, word in enumerate(lowered[:-1]):
        if word not in _REPORTS:
            continue
        behind = words[at + 1]
        if at and lowered[at - 1] in BE and lowered[at + 1] == "to":
            following = [one for one in lowered[at + 1 :] if one not in STOP_WORDS and one[0].isalnum()]
            if following and stem(following[0]) in claim.stems:
                return word
        gerund = word in ("denied", "denies") and behind.endswith("ing")
        if not (gerund or behind[0].isupper() or behind in _CLAUSE_OPENS):
            continue
        end = next((i for i in range(at, len(words)) if words[i] in ";:"), len(words))
        said = set(content_words(" ".join(words[at + 1 : end])))
        if gerund or not _WHO.isdisjoint(lowered[at + 1 : at + 3]):
            said.update(content_words(" ".join(words[:at])))
        if len(claim.stems & said) >= _REPORTED * len(claim.stems):
            return word
    return ""


# --- conditions and bounds ------------------------------------------------------------------------------------------

_CONDITIONS = word_set("if unless provided until except only")
_CONDITIONAL = _CONDITIONS | word_set(
    "when whenever where once without depending subject excluding apart besides otherwise conditional till"
)
_WHETHER = word_set("ask asks asked see check know determine decide find as even and or wonder tell")
_IDLE = word_set("any necessary applicable possible needed appropriate desired otherwise not so")
_BOUND_TO = word_set("if when with after on for in to by where upon until during under before")
_LASTING = word_set("may can must will shall should is are cannot")
_MEMBER = word_set("while whereas and but")
_QUANTIFIERS = word_set(
    """
    some several many few certain various part partly most majority all every each any both may might can could
    sometimes often other others number selected specific no none not
    """
)
_BOUNDING = word_set(
    """
    maximum max minimum limit limits limited most least within exceed exceeds exceeding cap capped more less fewer
    nearly almost about approximately around longer than
    """
)
_FIGURE_LIMIT = re.compile(
    r"([^\W\d_]{3,})\s(?:with\s|costing\s|lasting\s)?"
    r"(above|over|below|under|exceeding|up to|at least|at most|(?:more|less|fewer|longer|shorter|greater) than)\s"
    r"[$€£]?(\d[\d.,]*)"
)


def find_dropped_limit(claim: Reading, asked: Reading, evidence: Reading, line: WordLine) -> str:
    """What limits the claim in the evidence, where neither the claim nor the question has it, or "".

    That is a condition or exception (`if`, `unless`, `except`), a `some`, a bound on a figure of the claim (`up to 10
    days`) or on what it speaks of (`flights above 800 euros`). `line` holds the evidence's words. A limit in another
    part of the sentence than the claim's counts for nothing.
    """
    lowered = line.lowered
    start, end = _part_of(claim, lowered)
    words = {*claim.lowered, *asked.lowered}
    known = claim.stems | asked.stems
    for at in range(start, end):
        word = lowered[at]
        if word in _CONDITIONS and words.isdisjoint(_CONDITIONAL) and _is_condition(lowered, at, start, end, known):
            return word
        if word == "some" and words.isdisjoint(_QUANTIFIERS):
            behind = [stem(one) for one in lowered[at + 1 : end] if one not in STOP_WORDS and one[0].isalpha()][:2]
            if behind and set(behind) <= claim.stems and not lowered[at + 1][0].isdigit():
                return word
    if not words.isdisjoint(_BOUNDING):
        return ""
    for fact in claim.quantities:
        if bound_before(claim.text, fact.start):
            continue
        before = [evidence.text[: one.start] for one in evidence.quantities if one.value == fact.value]
        # `a maximum of 10` names the figure, `up to 10` bounds it
        if before and all(bound_before(text, len(text)) and not text.rstrip().endswith(" of") for text in before):
            return " ".join(before[0].split()[-2:])
    held = set(lowered[start:end])
    values = {float(fact.value) for fact in (*claim.quantities, *asked.quantities)}
    for found in _FIGURE_LIMIT.finditer(evidence.text):
        noun = found[1].lower()
        verb = noun in VERBS or noun in AUXILIARY or noun.endswith("ed")
        if noun in held and not verb and stem(noun) in claim.stems:
            figure = found[3].rstrip(".,")
            particle = found[2] == "over" and not bound_before(evidence.text, found.start(3))
            if (
                not particle
                and float(figure.replace(",", "").replace(".", "", max(0, figure.count(".") - 1))) not in values
            ):
                return f"{found[2]} {figure}"
    return ""


def _part_of(claim: Reading, lowered: Sequence[str]) -> tuple[int, int]:
    """The part of a sentence that has most of the claim's words: between `;` and `, and`, `, but`, `, while`."""
    cuts = [
        at
        for at, word in enumerate(lowered)
        if word == ";" or (word == "," and at + 1 < len(lowered) and lowered[at + 1] in _MEMBER)
    ]
    bounds = list(pairwise([0, *cuts, len(lowered)]))
    return max(bounds, key=lambda part: len(claim.stems & {stem(word) for word in lowered[slice(*part)]}))


def _is_condition(lowered: Sequence[str], at: int, start: int, end: int, known: Collection[str]) -> bool:
    """Whether a word begins a condition or exception, most of whose own words are not known."""
    word, ahead = lowered[at], lowered[at - 1] if at > start else ""
    behind = lowered[at + 1] if at + 1 < end else ""
    if not behind or behind in _IDLE or (word == "if" and ahead in _WHETHER) or behind[0] in ",;:)":
        return False
    if word == "only" and (behind not in _BOUND_TO or ahead in ("not", "if")):
        return False
    if word == "provided" and behind != "that" and ahead != ",":
        return False
    if word == "until" and _LASTING.isdisjoint(lowered[start:end]):
        return False
    comma = max((i for i in range(start, at) if lowered[i] in ",(:"), default=-1)
    if comma >= start and lowered[comma + 1] in ("which", "who", "where", "whose"):
        return False
    close = next((i for i in range(at, end) if lowered[i] in ",;:)"), end)
    own = [stem(one) for one in lowered[at + 1 : close] if one not in STOP_WORDS and one[0].isalnum()]
    if word == "except":
        own = own[:1]
    return 2 * sum(one in known for one in own) < len(own)


_IS = word_set("is are was were")
_SUBJECT_ENDS = 9
_ONE_STATEMENT = 12
_TOO_FAR = 3


def find_apart_sides(line: WordLine, evidence: WordLine) -> bool:
    """Whether all words before the sentence's `is` stand three words that carry meaning or more from all behind it.

    Only of a sentence of up to twelve such words that says one thing. "The idiom is rounded" is not said by "They
    spread a Romanesque idiom to England and Italy ... Their style was characterised by rounded arches".
    """
    be = next((at for at, word in enumerate(line.words[:_SUBJECT_ENDS]) if word.lower() in _IS), 0)
    ours, theirs = ([_carries(word) for word in one.words] for one in (line, evidence))
    if not be or sum(ours) > _ONE_STATEMENT or not set(line.words[:be]).isdisjoint(",;:"):
        return False
    before, behind = ({key for key, carries in zip(line.keys[part], ours[part], strict=True) if carries}
                      for part in (slice(be), slice(be + 1, None)))  # fmt: skip
    places = [[at for at, key in enumerate(evidence.keys) if key in side] for side in (before, behind)]
    away = [sum(theirs[min(one, other) + 1 : max(one, other)]) for one in places[0] for other in places[1]]
    return bool(away) and min(away) >= _TOO_FAR


def _carries(word: str) -> bool:
    return word[0].isalnum() and word.lower() not in STOP_WORDS


_PART = re.compile(r"[;:]|,\s|\b(?:and|while|whereas|but)\b")


def find_figure_of_another(claim: Reading, figure: str, rivals: Sequence[str], evidence: str) -> str:
    """The figure that stands beside more of the sentence's words than its own does, in one sentence of the evidence.

    "Primary care costs $20, while specialists cost $50" does not say that primary care costs $50.
    """
    parts = [part for part in _PART.split(evidence) if part]
    mine = [part for part in parts if figure in part]
    if len(mine) != 1:
        return ""
    ours, own = _shared(claim, mine[0]), frozenset(content_words(mine[0]))
    after = _shared(claim, mine[0].split(figure, 1)[1])
    for rival in rivals:
        theirs = [part for part in parts if rival in part]
        if len(theirs) != 1 or theirs[0] is mine[0]:
            continue
        shared = _shared(claim, theirs[0])
        # "5 euros for members and 8 for guests": one word tells, where the figure's own word is not the claim's
        if len(shared - ours) > 1 or (shared - ours and not after - shared and own - claim.stems):
            return rival
    return ""


def _shared(claim: Reading, part: str) -> frozenset[str]:
    return claim.stems & frozenset(content_words(part))


# --- short answers --------------------------------------------------------------------------------------------------

_SPEAKERS = word_set("i you we they he she it this these there")
_RELATIVE = re.compile(r",?\s(?:(?:at|in|on|of|to|by|for|from|with)\s)?(?:who|whom|whose|which|where)\b")
_SHORT_PHRASE = 6
_NO_OBJECT = word_set("and or of in on at to from by with for as than , . ; : ( )")


def is_fragment(text: str, *, guess: bool = True) -> bool:
    """Whether the text is an answer without a verb of its own: `Bill Clinton`, `73`, `in the southern parts`.

    A guess by the forms of words: `signed the` and, in more than a few words, `covers all` hold a verb, `parts, about`,
    `signed by` and `systems theory` do not. Without `guess` only words that are surely verbs count.
    """
    main = _RELATIVE.split(normalise(text), maxsplit=1)[0]
    if ": " in main:
        return False
    tokens = [*TOKEN.findall(main), "."]
    for at in range(len(tokens) - 1):
        word, after = tokens[at].lower(), tokens[at + 1].lower()
        if word in AUXILIARY or word in VERBS or word in _SPEAKERS:
            return False
        if not guess or at == 0 or not tokens[at].islower() or len(word) < 4:
            continue
        before = tokens[at - 1].lower()
        if word.endswith("ed") and after not in ("by", "with") and before not in (",", "and", "or"):
            return False
        bears = word.endswith("s") and not word.endswith("ss") and after not in _NO_OBJECT and before.isalpha()
        if bears and len(tokens) > _SHORT_PHRASE:
            return False
    return True


_HALVES = re.compile(r"\s(?:and|but|while|whereas)\s")
_TELLING = re.compile(r"\d|(?<=.)\b[A-Z]")
_OF_WHAT = re.compile(r"\b(for|in|on|at|by|from|to|of|with)\s(?:the\s|a\s|an\s)?([^\W\d_]+)")


def part_clause(clause: str) -> list[tuple[str, str]]:
    """Every way to part a clause at `and`, `but` or `while` so that each half holds a name or a figure."""
    halves = (
        (clause[: found.start()], clause[found.end() :]) for found in islice(_HALVES.finditer(clause), MOST_JOINTS)
    )
    return [(one, other) for one, other in halves if _TELLING.search(one) and _TELLING.search(other)]


def find_elsewhere(asked: Iterable[str], own: str, other: str, answer: Collection[str]) -> str:
    """The first asked stem that is said of the other part of a text, not of the answer's own; "" where none is.

    That is a verb where the own part has another ("founded by Lopez and sold by Baker"), or what follows a preposition
    that has something else behind it in the own part ("45 euros for meals and 140 for hotels").
    """
    here, there = Reading(own), Reading(other)
    bears = any(_is_verb(word) for word in here.tokens)
    for word in asked:
        if _holds(word, here) or not _holds(word, there):
            continue
        if bears and any(_is_verb(token) and stem(token.lower()) == word for token in there.tokens):
            return word
        joints = {found[1] for found in _OF_WHAT.finditer(there.text) if stem(found[2].lower()) == word}
        known = there.stems.union(asked, answer, STOP_WORDS)
        if any(found[1] in joints and stem(found[2].lower()) not in known for found in _OF_WHAT.finditer(here.text)):
            return word
    return ""


def _is_verb(word: str) -> bool:
    return word in VERBS or (word.islower() and len(word) > 4 and word.endswith("ed"))


_WHICH = re.compile(
    r"\b(?:what|which)\s+(?:(?:kind|type|sort|name|form|number|amount|percentage)s?\s+of\s+|other\s+)?", re.IGNORECASE
)
_HOW = re.compile(r"\bhow\s+(?:old|long|far|large|big|tall|often|many|much|high|deep|wide|fast)\b", re.IGNORECASE)
_GROUP_WORDS = 5
_OPENS_OBJECT = word_set("the a an his her its their")
_ASKING = frozenset(
    stem(word)
    for word in word_set(
        """
        percentage percent amount number name names named called call term known year date kind type sort many following
        located situated happen happened
        occur occurred actually really
        """
    )
)


def asked_nouns(question: str) -> list[str]:
    """The nouns that stand for the answer, one for each `what` or `which`: `dynasty` of `Which Chinese dynasty fell?`.

    Where no verb or stop word shows the end of such a group it is the word behind `which`.
    """
    text = normalise(question)
    groups = (_noun_group(NAME_TOKEN.findall(text[opening.end() :])) for opening in _WHICH.finditer(text))
    return [noun for noun in groups if noun]


def _noun_group(words: Sequence[str]) -> str:
    """The noun of the group that the words begin with, "" where they begin with none."""
    group: list[str] = []
    for word, after in zip(words[:_GROUP_WORDS], [*words[1:], ""], strict=False):
        lowered = word.lower()
        takes = lowered.endswith("s") and not lowered.endswith("ss") and after.lower() in _OPENS_OBJECT
        does = lowered.endswith(("n't", "ed")) or lowered in VERBS or lowered in AUXILIARY
        if lowered in STOP_WORDS or does or takes:
            return group[-1] if group else ""
        if not lowered.endswith("ly"):
            group.append(word)
    return (group[-1] if group[-1:] == list(words[-1:]) else group[0]) if group else ""


def question_words(question: str) -> list[str]:
    """The stems that a quote must hold besides the answer: all but those that say what kind of answer is wanted.

    Of `In what year did Rollo swear fealty?` they are those of `Rollo swear fealty`.
    """
    nouns = {stem(noun) for noun in asked_nouns(question)}
    asked = dict.fromkeys(content_words(_HOW.sub(" ", normalise(question))))
    return [word for word in asked if word not in _ASKING and word not in nouns]
