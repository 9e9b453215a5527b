"""The words of a text: as written, without stop words, and as stems that can be compared.

Pure, standard library only. The lists are closed classes of English words; each list exists only here. Words of other
languages are kept whole.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rag.text.scripts import MARKS, fold_text, split_unspaced


def word_set(names: str) -> frozenset[str]:
    """The words of `names`, which white space separates."""
    return frozenset(names.split())


STOP_WORDS = word_set(
    """
    a about above after again against all also although am among an and any are aren't as at be because been
    before being below between both but by can can't cannot could couldn't did didn't do does doesn't doing
    don't down during each either etc ever few for from further had hadn't has hasn't have haven't having he her
    here hers herself him himself his how however i if in into is isn't it it's its itself just let may me might
    more moreover most much must mustn't my myself neither no nor not of off on once only or other otherwise our
    ours ourselves out over own per same shall she should shouldn't so some such than that that's the their
    theirs them themselves then there therefore these they this those though through thus to too under until up
    upon us very via was wasn't we were weren't what when where whether which while who whom whose why will with
    within without won't would wouldn't yes yet you your yours yourself yourselves s t ll re ve d
    """
)

_WORD = re.compile(r"[^\W_]+(?:[.'’&-][^\W_]+)*")
MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
BE = word_set("is are was were be been being am")
DO = word_set("do does did")
AUXILIARIES = BE | DO | word_set("has have had can could may might must shall should will would")
NEGATED_AUXILIARIES = word_set(
    """
    cannot isn't aren't wasn't weren't don't doesn't didn't hasn't haven't hadn't can't couldn't mightn't mustn't
    shouldn't won't wouldn't
    """
)
PREPOSITIONS = word_set(
    """
    of in on at by for from to with under after before during since until between among through against into
    over about as near around across within without toward towards upon via per like than throughout along
    beyond despite above below outside inside behind off onto
    """
)
POLARITY = word_set(
    "not no never none neither nor without except unless only if n't nobody nothing nowhere hardly barely scarcely"
)
"""Words that limit or turn round what a sentence says."""
_SHORT = 3  # letters of a word whose last s is no plural: `gas`, `was`
_IRREGULAR_VERBS = {
    "arose": "arise", "ate": "eat", "became": "become", "began": "begin", "begun": "begin", "bore": "bear",
    "bought": "buy", "broke": "break", "broken": "break", "brought": "bring", "built": "build", "came": "come",
    "caught": "catch", "chose": "choose", "chosen": "choose", "did": "do", "done": "do", "drawn": "draw",
    "drew": "draw", "driven": "drive", "drove": "drive", "eaten": "eat", "fallen": "fall", "fell": "fall",
    "felt": "feel", "flew": "fly", "flown": "fly", "fought": "fight", "found": "find", "gave": "give",
    "given": "give", "gone": "go", "grew": "grow", "grown": "grow", "heard": "hear", "held": "hold", "kept": "keep",
    "knew": "know", "known": "know", "laid": "lay", "led": "lead", "left": "leave", "lent": "lend", "lost": "lose",
    "made": "make", "meant": "mean", "met": "meet", "paid": "pay", "ran": "run", "risen": "rise", "rose": "rise",
    "said": "say", "sat": "sit", "saw": "see", "seen": "see", "sent": "send", "shown": "show", "slept": "sleep",
    "sold": "sell", "sought": "seek", "spent": "spend", "spoke": "speak", "spoken": "speak", "stole": "steal",
    "stood": "stand", "struck": "strike", "swept": "sweep", "swore": "swear", "sworn": "swear", "taken": "take",
    "taught": "teach", "thought": "think", "threw": "throw", "thrown": "throw", "told": "tell", "took": "take",
    "understood": "understand", "used": "use", "went": "go", "withdrawn": "withdraw", "withdrew": "withdraw",
    "won": "win", "wore": "wear", "written": "write", "wrote": "write",
}  # fmt: skip
_VERBS = frozenset(_IRREGULAR_VERBS) | word_set(
    """
    got set become begins include includes including make makes use uses contain contains consist consists
    provide provides refer refers mean means remain remains belong occur lie lies lived rode sang swam wove cost
    cut hit hid wins holds leads rang hung dealt sank shot shook forbade forgot
    """
)
"""The base of each irregular form of a verb."""

_IRREGULAR = {
    "children": "child", "people": "person", "men": "man", "women": "woman", "children's": "child", "larger": "large",
    "largest": "large", "higher": "high", "highest": "high", "bigger": "big", "biggest": "big", "lower": "low",
    "lowest": "low", "greater": "great", "greatest": "great", "born": "birth", "died": "death", "die": "death",
    "dead": "death", "better": "good", "best": "good", "worse": "bad", "worst": "bad", "uses": "use", "using": "use",
    **_IRREGULAR_VERBS,
}  # fmt: skip
_SUFFIXES = (
    ("izations", "ize"), ("isations", "ize"), ("ization", "ize"), ("isation", "ize"), ("ations", "ate"),
    ("ation", "ate"),
    ("ements", ""), ("ement", ""), ("ments", ""), ("ment", ""), ("nesses", ""), ("ness", ""), ("ities", "ity"),
    ("ically", "ic"), ("fully", ""), ("ously", ""), ("ively", ""), ("ions", ""), ("ion", ""),
    ("ives", ""), ("ive", ""), ("ances", ""), ("ance", ""), ("ences", ""), ("ence", ""), ("ers", ""), ("ors", ""),
    ("er", ""), ("or", ""), ("ising", "ize"), ("ised", "ize"), ("ise", "ize"), ("ings", ""), ("ing", ""), ("ied", "y"),
    ("ies", "y"), ("ed", ""), ("es", ""), ("ly", ""), ("al", ""), ("s", ""), ("e", ""),
)  # fmt: skip


# (suffix, its replacement, letters that must remain) by the last letter, in the order of the list above
_SUFFIXES_BY_END: dict[str, list[tuple[str, str, int]]] = {}
for _suffix, _ending in _SUFFIXES:
    _left = 3 if len(_suffix) < 3 or _suffix in ("ing", "ies") else 4
    _SUFFIXES_BY_END.setdefault(_suffix[-1], []).append((_suffix, _ending, _left))


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The lower-case word without its ending: `carried`, `carries` and `carry` agree, and so do `located`, `location`.

    A light stemmer for comparison only: the result need not be a word. Words of fewer than four letters are kept.
    """
    word = word.lower().replace("’", "'")
    if word.endswith("'s"):
        word = word[:-2]
    word = _IRREGULAR.get(word, word)
    if len(word) < 4 or not word.isalpha() or not word.isascii() or word.endswith("ss"):
        return word
    for suffix, ending, left in _SUFFIXES_BY_END.get(word[-1], ()):
        if word.endswith(suffix) and len(word) - len(suffix) >= left:
            word = word[: -len(suffix)] + ending
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    if len(word) > 4 and word.endswith("ate"):
        word = word[:-3]
    elif len(word) > 4 and word.endswith("at"):
        word = word[:-2]
    if len(word) > 3 and word[-1] in "ei":
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word[-1] == "y" else word


def without_plural(word: str) -> str:
    """The lower-case word without a plural s."""
    return word[:-1] if len(word) > _SHORT and word.endswith("s") and not word.endswith("ss") else word


def words(text: str) -> list[str]:
    """The words of the text as written, with hyphens, apostrophes and inner dots (`carry-over`, `U.S`, `it's`)."""
    return _WORD.findall(text)


_LETTERS = rf"[^\W\d_]+(?:[{MARKS}]+[^\W\d_]*)*"
_CONTENT = re.compile(rf"(?:\d{{1,3}}(?:,\d{{3}})+(?![\d,])|\d+)(?:\.\d+)?|{_LETTERS}(?:['’.]{_LETTERS})*|[^\W_]+")


def content_words(text: str) -> list[str]:
    """The stems of the content words, in order, repeats kept: no stop words, hyphenated words in parts.

    Numbers are kept as written (`1,500` becomes `1500`, `12,13` stays two); use `quantities` to compare their values.
    """
    return [stem(word) for word in unstemmed_words(text)]


def compared_words(text: str) -> list[str]:
    """The same in one spelling (`fold_text`); where a script has no spaces, pairs of adjacent characters are the words.

    Of ASCII text they are those of `content_words`.
    """
    return content_words(split_unspaced(fold_text(text)))


def unstemmed_words(text: str) -> list[str]:
    """The same words as `content_words`, in lower case and with their endings."""
    found: list[str] = []
    for word in _CONTENT.findall(text if text.isascii() else unicodedata.normalize("NFC", text)):
        lowered = word.lower().replace("’", "'")
        if lowered[0].isdigit():
            found.append(lowered.replace(",", ""))
        elif lowered not in STOP_WORDS:
            found.append(lowered.replace(".", ""))
    return found


_ADDING = "however|moreover|furthermore|additionally|in addition|also|besides|similarly|likewise"
_ADDITION = re.compile(rf"\W*(?:{_ADDING}),\s", re.IGNORECASE)
_LINK = re.compile(
    rf"\W*(?:{_ADDING}|thus|therefore|hence|consequently|accordingly|as a result|on the other hand|in contrast"
    r"|by contrast|in particular|in fact|indeed|finally|overall|for example|for instance|nevertheless|nonetheless"
    r"|in other words|in short|notably|meanwhile),\s",
    re.IGNORECASE,
)


def without_links(claim: str, evidence: str) -> tuple[str, str]:
    """Both sentences without what links them to the one before: `it takes 8 hours` of `However, it takes 8 hours`.

    The evidence may say why or for what it stands (`Therefore,`), and the claim does not; the claim may not add it.
    """
    adds = _ADDITION.match(claim)
    claim = claim[adds.end() :] if adds else claim
    links = None if _LINK.match(claim) else _LINK.match(evidence)
    return claim, evidence[links.end() :] if links else evidence


def is_verb(word: str) -> bool:
    """Whether a lower-case word is a verb: an irregular form, a common verb, or a word that ends in -ed."""
    return word in _VERBS or (len(word) > 4 and word.endswith("ed") and not word.endswith("eed"))
