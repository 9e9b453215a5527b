"""What text is made of, for those who split it, count it and compare it: sentences, words, quantities and dates.

Pure, standard library only, linear in the length of the text. Rules are those of written English first; stops and
numbers of other scripts are understood where that costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache


def word_set(names: str) -> frozenset[str]:
    """The words between the white space."""
    return frozenset(names.split())


def _numbered(names: str, first: int) -> enumerate[str]:
    return enumerate(names.split(), first)


# --- sentences ---------------------------------------------------------------------------------------------------

_LINE = re.compile(r"[^\n\r\f\v\u2028\u2029]+")
_LIST_ITEM = re.compile(
    r"[ \t]{0,40}(?:[-*+•‣◦▪●·–—][ \t]|\(?\d{1,3}[.)][ \t]|\(?[A-Za-z]\)[ \t]|[a-z]\.[ \t]|\(?[ivxlc]{1,6}\)[ \t]|"
    r"\[\^?\d{1,3}\]:?[ \t]|#{1,6}[ \t]|>[ \t])"
)
_TABLE_ROW = re.compile(r"[ \t]*\||[^|\n]*(?: \| |\t[^\t])")
_RULE_SIGNS = frozenset("-=_*~`")
_RULE = re.compile(r"[ \t]*(?:[-=_*~]{3,}|`{3,}.*)[ \t]*$")
_STOP = re.compile(
    # the first sign stands alone so that a search leaps from one to the next
    r"[.!?…。！？｡](?:(?<=[.!?…])[.!?…]*|[。！？｡]*)[\"'”’»)\]*_]{0,4}"
    r"(?:[ ]?[\[【](?:\^|[Pp]assages?[ ]|[Ss]ource[ ])?\d{1,4}(?:[ ]?[,;–-][ ]?\d{1,4}){0,20}[\]】])*"
)
_OPENING = "\"'“‘«([*_¿¡"
_BEFORE = re.compile(r"[\w.&’'-]+$")

_NEVER_LAST = word_set(
    """
    dr mr mrs ms mx prof rev hon st mt ft messrs gen col lt sgt capt cmdr adm maj sen rep gov pres supt vs v cf
    e.g i.e eg ie viz approx ca resp incl excl al op
    """
)
_BEFORE_NUMBER = word_set(
    """
    no nos p pp fig figs sec secs art arts eq eqs ch chap vol vols ver par para pt tab ref
    """
)
_MAYBE_LAST = word_set(
    """
    inc ltd corp co llc plc u.s u.k u.n e.u d.c a.m p.m etc jr sr ph.d m.d b.a m.a b.sc m.sc b.c a.d c.e dept
    est bros ave blvd rd jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri
    sat sun
    """
)
_STARTERS = word_set(
    """
    a an the this that these those it its he she they we i you his her their our my your in on at by for from to
    with as of and but or if when while where after before since because although though however moreover
    furthermore there here what who which why how some many most all both each every no not one two another
    other such then thus also during under over between among according under until once despite instead finally
    first second
    """
)
_NO_BREAK_AFTER = word_set(
    """
    a an the of and or to in on at by for from with as is are was were that which its
    """
)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Where each sentence stands, as characters (start, end), in order, without the white space around it.

    Together the spans hold every character of the text that is not white space. A blank line, a list marker, a heading
    mark and the end of a table's row always end a sentence; another newline does so only where the line stops well
    before the width of its neighbours (a heading, an address). A citation marker after the stop belongs to the
    sentence before it. Time is linear in the length of the text.
    """
    spans: list[tuple[int, int]] = []
    for start, end, splittable in _blocks(text):
        spans.extend(_split_block(text, start, end) if splittable else [(start, end)])
    return spans


_ANNOUNCES = re.compile(
    r"[:：]\W*$|^\W*(?:here|below) (?:are|is)\b[^\d:]{0,80}$"
    r"|\b(?:includ(?:e|es|ing)|as follows|such as|the following|listed below)\W*$",
    re.IGNORECASE,
)


def announces_list(sentence: str) -> bool:
    """Whether a sentence only says that a list follows, as `Some of the lessons include:` does."""
    return _ANNOUNCES.search(sentence) is not None


def list_items(text: str, end: int, most: int) -> list[str]:
    """The first items of the list that follows a place of a text, up to `most`, each on one line with its mark.

    A line right below without a mark or a final stop is one too: marks are lost in many a PDF.
    """
    items: list[str] = []
    below, before = text[end:], 0
    for start, stop in split_sentences(below):
        line, gap = below[start:stop], below[before:start]
        unmarked = gap.count("\n") == 1 and not line.endswith((".", "!", "?"))
        if len(items) == most or not (_LIST_ITEM.match(line) or unmarked):
            break
        items.append(" ".join(line.split()))
        before = stop
    return items


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Stretches of lines that belong together, stripped; the flag is False for table rows and rules."""
    lines: list[tuple[int, int, str]] = []
    for found in _LINE.finditer(text):
        line = found[0]
        if stripped := line.strip():
            start = found.start() + len(line) - len(line.lstrip())
            lines.append((start, start + len(stripped), _line_kind(line)))
    first = 0
    for i, (_, end, kind) in enumerate(lines):
        last = i + 1 == len(lines)
        if last or _breaks(text, lines, i):
            yield lines[first][0], end, kind != "whole"
            first = i + 1


def _line_kind(line: str) -> str:
    head = line[:400]
    if ("|" in head or "\t" in head) and _TABLE_ROW.match(head):
        return "whole"
    if head.lstrip(" \t")[:1] in _RULE_SIGNS and len(line) < 400 and _RULE.match(line):
        return "whole"
    if _LIST_ITEM.match(head):
        return "heading" if head.lstrip().startswith("#") else "item"
    return "text"


def _breaks(text: str, lines: list[tuple[int, int, str]], i: int) -> bool:
    (start, end, kind), (next_start, next_end, next_kind) = lines[i], lines[i + 1]
    gap = text[end:next_start]
    if kind in ("whole", "heading") or next_kind != "text" or gap.count("\n") > 1 or "\f" in gap:
        return True
    tail, head = text[max(start, end - 40) : end], text[next_start : min(next_end, next_start + 40)]
    if not (head[0].isupper() or head[0].isdigit() or head[0] in '"“‘(') or tail[-1] in ",;-–—/&":
        return False
    if tail.rsplit(None, 1)[-1].lower() in _NO_BREAK_AFTER:
        return False
    before = lines[i - 1][1] - lines[i - 1][0] if i and kind == "text" and lines[i - 1][2] == "text" else 0
    width = max(end - start, next_end - next_start, before)
    return (end - start) + 1 + len(head.split(None, 1)[0]) < 0.7 * width


def _split_block(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    begin = start
    for stop in _STOP.finditer(text, start, end):
        if stop.end() < end and _ends_sentence(text, begin, stop, end):
            yield begin, stop.end()
            begin = stop.end()
            while text[begin].isspace():
                begin += 1
    if begin < end:
        yield begin, end


def _ends_sentence(text: str, begin: int, stop: re.Match[str], end: int) -> bool:
    after, mark = stop.end(), stop[0]
    if mark[0] in "。！？｡":
        return True
    following = text[after : min(end, after + 60)]
    marked = mark[-1] in "]】" and mark[-2:-1].isdigit()
    if not following[0].isspace() and not (marked and following[0].isupper()):
        return following[0] > "\u2e7f" and mark[0] in "!?…"
    upcoming = following.lstrip().lstrip(_OPENING)
    word = re.match(r"[\w’']+", upcoming)
    next_word = word[0] if word else ""
    lower = next_word[:1].islower() and next_word.islower()
    dots = mark.rstrip("\"'”’»)]*_") if not marked else mark[: len(mark) - len(mark.lstrip(".!?…"))]
    if dots != ".":
        return not lower or ("." not in dots and "…" not in dots and len(mark) == len(dots))
    before = _BEFORE.search(text, max(begin, stop.start() - 30), stop.start())
    token = before[0].lower().strip("'’-") if before else ""
    if before and before.start() <= begin + 1 and re.fullmatch(r"\(?(\d{1,3}|[a-z]|[ivxlc]{1,6})", token):
        return False
    if lower:
        return False
    if marked or len(mark) > 1:
        return True
    if token in _NEVER_LAST:
        return False
    if token in _BEFORE_NUMBER:
        return not next_word[:1].isdigit()
    if token in _MAYBE_LAST or (len(token) == 1 and token.isalpha()) or re.fullmatch(r"(?:[a-z]\.)+[a-z]", token):
        return next_word.lower() in _STARTERS or not word
    return True


# --- words -------------------------------------------------------------------------------------------------------

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
_IRREGULAR = {
    "swore": "swear", "sworn": "swear", "broke": "break", "broken": "break", "drove": "drive", "driven": "drive",
    "ate": "eat", "eaten": "eat", "flew": "fly", "flown": "fly", "heard": "hear", "laid": "lay", "lent": "lend",
    "meant": "mean", "sought": "seek", "shown": "show", "sat": "sit", "slept": "sleep", "stole": "steal",
    "struck": "strike", "swept": "sweep", "threw": "throw", "thrown": "throw", "understood": "understand",
    "withdrew": "withdraw", "withdrawn": "withdraw", "arose": "arise", "bore": "bear", "caught": "catch",
    "began": "begin", "begun": "begin", "became": "become", "bought": "buy", "brought": "bring", "built": "build",
    "came": "come", "chose": "choose", "chosen": "choose", "children": "child", "did": "do", "done": "do",
    "drew": "draw", "drawn": "draw", "fell": "fall", "fallen": "fall", "felt": "feel", "fought": "fight",
    "found": "find", "gave": "give", "given": "give", "gone": "go", "went": "go", "grew": "grow", "grown": "grow",
    "held": "hold", "kept": "keep", "knew": "know", "known": "know", "led": "lead", "left": "leave", "lost": "lose",
    "made": "make", "men": "man", "met": "meet", "paid": "pay", "people": "person", "ran": "run", "rose": "rise",
    "risen": "rise", "said": "say", "saw": "see", "seen": "see", "sent": "send", "sold": "sell", "spent": "spend",
    "spoke": "speak", "spoken": "speak", "stood": "stand", "taken": "take", "took": "take", "taught": "teach",
    "thought": "think", "told": "tell", "won": "win", "used": "use", "uses": "use", "using": "use", "wore": "wear",
    "women": "woman", "written": "write", "wrote": "write", "children's": "child", "larger": "large",
    "largest": "large", "higher": "high", "highest": "high", "bigger": "big", "biggest": "big", "lower": "low",
    "lowest": "low", "greater": "great", "greatest": "great", "born": "birth", "died": "death", "die": "death",
    "dead": "death", "better": "good", "best": "good", "worse": "bad", "worst": "bad",
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


# (suffix, ending in its place, letters that must be left) by the last letter, in the order of the list above
_SUFFIXES_BY_END: dict[str, list[tuple[str, str, int]]] = {}
for _suffix, _ending in _SUFFIXES:
    _left = 3 if len(_suffix) < 3 or _suffix in ("ing", "ies") else 4
    _SUFFIXES_BY_END.setdefault(_suffix[-1], []).append((_suffix, _ending, _left))


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The lower-case word without its ending: `carried`, `carries` and `carry` agree, and so do `located`, `location`.

    Light and for comparing only; what it returns need not be a word. Words of fewer than four letters stay.
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


def words(text: str) -> list[str]:
    """The words of the text as they stand, hyphens, apostrophes and inner dots kept (`carry-over`, `U.S`, `it's`)."""
    return _WORD.findall(text)


_CONTENT = re.compile(r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?|[^\W\d_]+(?:['’.][^\W\d_]+)*|[^\W_]+")


def content_words(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order, repeats kept: no stop words, hyphenated words in parts.

    Numbers are kept as written (`1,500` becomes `1500`, `12,13` stays two); use `quantities` to compare their values.
    """
    return [stem(word) for word in unstemmed_words(text)]


def unstemmed_words(text: str) -> list[str]:
    """The same words as `content_words`, in small letters and with their endings."""
    found: list[str] = []
    for word in _CONTENT.findall(text):
        lowered = word.lower().replace("’", "'")
        if lowered[0].isdigit():
            found.append(lowered.replace(",", ""))
        elif lowered not in STOP_WORDS:
            found.append(lowered.replace(".", ""))
    return found


# --- quantities and dates ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text: its `value`, the `unit` where one is written (`""` otherwise) and where it stands.

    `kind` is `number`, `ordinal` (third, 21st), `decade` (1990s) or `time` (minutes after midnight). Units are
    canonical: `%`, `usd`, `day`, `km`. `about` says that the text calls the number approximate.
    """

    value: Decimal
    unit: str
    kind: str
    start: int
    end: int
    about: bool = False


@dataclass(frozen=True, slots=True)
class DateMention:
    """A date in a text; parts that are not written are None. `swapped` is True where day and month may be exchanged."""

    year: int | None
    month: int | None
    day: int | None
    start: int
    end: int
    swapped: bool = False


_UNITS = {
    "%": "% percent pct percentage per_cent", "pp": "percentage_points percentage_point",
    "usd": "$ dollar dollars usd us$ bucks", "eur": "€ euro euros eur", "gbp": "£ pound_sterling gbp",
    "pound": "pounds lb lbs", "jpy": "¥ yen jpy", "inr": "₹ rupee rupees inr", "chf": "chf francs franc",
    "cent": "cent cents", "second": "second seconds sec secs s", "minute": "minute minutes min mins",
    "hour": "hour hours hr hrs h", "day": "day days", "week": "week weeks", "month": "month months",
    "year": "year years yr yrs", "decade": "decade decades", "century": "century centuries",
    "quarter": "quarter quarters", "ms": "ms millisecond milliseconds",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "cm": "cm centimeter centimeters centimetre centimetres", "m": "m meter meters metre metres",
    "km": "km kilometer kilometers kilometre kilometres", "inch": "inch inches", "foot": "foot feet ft",
    "yard": "yard yards", "mile": "mile miles mi", "g": "g gram grams", "mg": "mg milligram milligrams",
    "kg": "kg kilogram kilograms kilo kilos", "tonne": "tonne tonnes ton tons", "ounce": "ounce ounces oz",
    "l": "l liter liters litre litres", "ml": "ml milliliter milliliters millilitre millilitres",
    "gallon": "gallon gallons", "kb": "kb kilobyte kilobytes", "mb": "mb megabyte megabytes mib",
    "gb": "gb gigabyte gigabytes gib", "tb": "tb terabyte terabytes", "w": "w watt watts",
    "kw": "kw kilowatt kilowatts", "mw": "mw megawatt megawatts", "kwh": "kwh", "v": "v volt volts", "hz": "hz hertz",
    "mhz": "mhz", "ghz": "ghz", "pa": "pa", "°c": "°c celsius", "°f": "°f fahrenheit", "degree": "° degree degrees",
    "k": "kelvin", "hectare": "hectare hectares ha", "acre": "acre acres", "mph": "mph",
    "barrel": "barrel barrels bbl", "people": "people persons person inhabitants", "bp": "bps",
}  # fmt: skip
_UNIT_OF = {name: unit for unit, names in _UNITS.items() for name in names.split()}
_SCALES = {
    "hundred": 10**2, "thousand": 10**3, "k": 10**3, "million": 10**6, "mn": 10**6, "m": 10**6, "billion": 10**9,
    "bn": 10**9, "b": 10**9, "trillion": 10**12, "tn": 10**12, "dozen": 12,
}  # fmt: skip
SMALL_NUMBERS = {
    name: value
    for value, name in _numbered(
        """
        zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen
        """,
        0,
    )
} | {name: 10 * tens for tens, name in _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 2)}
_ORDINALS = {
    name: value
    for value, name in _numbered(
        """
        first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
        fifteenth sixteenth seventeenth eighteenth nineteenth twentieth
        """,
        1,
    )
} | {"thirtieth": 30, "fortieth": 40, "fiftieth": 50, "hundredth": 100}
_MONTHS = {
    name: number
    for number, names in _numbered(
        """
        january|jan february|feb march|mar april|apr may june|jun july|jul august|aug september|sep|sept october|oct
        november|nov december|dec
        """,
        1,
    )
    for name in names.split("|")
}
_ABOUT = re.compile(
    r"(?:\b(?:about|around|approximately|approx\.?|roughly|nearly|almost|some|circa|ca\.?|close to|up to|over|under|"
    r"more than|less than|at least)|[~≈])[ ]?(?:US)?[$€£¥]?$",
    re.IGNORECASE,
)
_ABOUT_ENDS = (
    *("about", "around", "approximately", "approx", "approx.", "roughly", "nearly", "almost", "some", "circa", "ca"),
    *("ca.", "close to", "up to", "over", "under", "more than", "less than", "at least", "~", "≈"),
)
_MONTH = (
    r"(?P<{0}>Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?\.?|July?\.?|Aug(?:ust|\.)?|"
    r"Sep(?:tember|t\.?|\.)?|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?)"
)
_DATE = re.compile(
    r"(?<![\w.,])(?:"
    r"(?P<iso>(?P<y1>[12]\d{3})[-/.](?P<m1>0?[1-9]|1[0-2])[-/.](?P<d1>0?[1-9]|[12]\d|3[01])(?![\d]))"
    r"|(?P<num>(?P<a>\d{1,2})[/.](?P<b>\d{1,2})[/.](?P<y2>[12]\d{3}|\d{2})(?!\d))"
    r"|(?P<d3>\d{1,2})(?:st|nd|rd|th)?(?:[ ]of)?[ -]" + _MONTH.format("m3") + r"\b(?:,?[ -](?P<y3>[12]\d{3})\b)?"
    r"|" + _MONTH.format("m4") + r"[ -](?P<d4>\d{1,2})(?:st|nd|rd|th)?\b(?!,?\d)(?:,?[ ](?P<y4>[12]\d{3})\b)?"
    r"|" + _MONTH.format("m5") + r",?[ -](?:of[ ])?(?P<y5>[12]\d{3})\b"
    r"|(?P<m6>January|February|April|June|July|August|September|October|November|December)\b"
    r")"
)
_TIME = re.compile(
    r"(?<![\w.:])(?P<h>[01]?\d|2[0-3])(?::(?P<min>[0-5]\d))?(?::[0-5]\d)?[ ]?(?:(?P<ap>[ap])\.?m\b\.?|o['’]clock)"
    r"|(?<![\w.:])(?P<h2>[01]?\d|2[0-3]):(?P<min2>[0-5]\d)(?![\d:])",
    re.IGNORECASE,
)
_TIME_SIGNS = (":", "am", "a.m", "pm", "p.m", "clock")
_LONE_MONTH = re.compile(r"January|February|April|June|July|August|September|October|November|December")
_DATE_START = re.compile(r"[\dADFJMNOS]\w*")
_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(r"\d+")
_FISCAL = re.compile(r"\b(?:FY|CY|fiscal(?: year)?)[ '’-]?(\d{4}|\d{2})\b", re.IGNORECASE)
_YEAR_RANGE = re.compile(r"(?<![\d.,])([12]\d)(\d{2})[-–/](\d{2})(?![\d.,]?\d)")
_QUARTER = re.compile(r"\b(?:Q([1-4])|([1-4])Q)(?=\b|[ '’-]?(?:FY)?\d)", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?<![\w.])(?P<num>\d{1,3}(?:[,\u00a0\u2009\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:(?P<ord>st|nd|rd|th)\b|(?P<dec>['’]?s)\b|(?P<suf>bn|mn|tn|[kKmMbB])(?![\w/])|(?P<unit>[A-Za-z]{1,14})?)"
)
_CURRENCY_SIGNS = "$€£¥₹"
_THOUSANDS_MARK = re.compile(r"[,\u00a0\u2009\u202f]")
_LARGE = ("hundred", "thousand", "million", "billion", "dozen")
NUMBER_WORDS = frozenset([*SMALL_NUMBERS, *_LARGE, *_ORDINALS])
"""A text without digits and without any of these words, in small letters, has no quantities."""

_CARDINAL = "|".join(sorted([*SMALL_NUMBERS, *_LARGE], key=len, reverse=True))
_ORDINAL = "|".join(sorted(_ORDINALS, key=len, reverse=True))
_SPELLED = re.compile(
    rf"\b(?:(?:{_CARDINAL})\b(?:[ -](?:(?<=undred |ousand |illion )and[ ])?(?=(?:{_CARDINAL}|{_ORDINAL})\b))?)+"
    rf"(?:{_ORDINAL})?\b|\b(?:{_ORDINAL})\b",
    re.IGNORECASE,
)
_WORD_RUN = re.compile(r"\w+")
_SCALE = re.compile(r"[ \u00a0-]?(hundred|thousand|million|billion|trillion|bn|mn|dozen)\b", re.IGNORECASE)
_Take = Callable[[int, int, Decimal, str, str], None]
_COUNTED = re.compile(r"(?:[ \u00a0][A-Za-z]+){1,3}")
_NEXT_WORD = re.compile(r"[ \u00a0-]?(US dollars|per cent|percentage points?|%|°[CF]?|[A-Za-z]+)", re.IGNORECASE)


def dates(text: str) -> list[DateMention]:
    """The dates of the text, in order: `March 3, 2022`, `3 March 2022`, `2022-03-03`, `3/3/2022`, `March 2022`.

    A month alone is a date too, but for `March` and `May`, which are words as well; a year alone is a Quantity.
    """
    found: list[DateMention] = []
    if not _DIGIT.search(text) and not _LONE_MONTH.search(text):
        return found
    for match in _matches_at(_DATE, text, (start.start() for start in _DATE_START.finditer(text))):
        swapped = False
        if match["iso"]:
            year, month, day = int(match["y1"]), int(match["m1"]), int(match["d1"])
        elif match["num"]:
            year, month, day = int(match["y2"]), int(match["a"]), int(match["b"])
            year += (2000 if year < 70 else 1900) if year < 100 else 0
            if not (0 < month <= 31 and 0 < day <= 31 and min(month, day) <= 12):
                continue
            swapped = month <= 12 and day <= 12
            if month > 12:
                month, day = day, month
        else:
            name = match["m3"] or match["m4"] or match["m5"] or match["m6"]
            month = _MONTHS[name.lower().rstrip(".")]
            written_day = match["d3"] or match["d4"]
            written_year = match["y3"] or match["y4"] or match["y5"]
            if written_day and not 0 < int(written_day) <= 31:
                continue
            found.append(
                DateMention(
                    int(written_year) if written_year else None,
                    month,
                    int(written_day) if written_day else None,
                    *match.span(),
                )
            )
            continue
        found.append(DateMention(year, month, day, *match.span(), swapped))
    return found


def _matches_at(pattern: re.Pattern[str], text: str, starts: Iterable[int]) -> Iterator[re.Match[str]]:
    """What `pattern.finditer` yields, where each match is known to begin at one of `starts`, ascending characters.

    A pattern that begins with a lookbehind is tried at every character of a text; figures stand at few of them.
    """
    end = 0
    for start in starts:
        if start >= end and (match := pattern.match(text, start)):
            yield match
            end = match.end()


def quantities(text: str, *, spelled: bool = True, known_dates: Sequence[DateMention] | None = None) -> list[Quantity]:
    """The numbers of the text that are no part of a date, in order, spelled ones too (`ten`, `twenty-one`, `third`).

    `1.5 million`, `1,500,000` and `1.5M` have one value; `$45`, `45 dollars` and `45 USD` one value and unit. Left
    alone are the words `one` and `first`, which seldom count, unless a unit follows. `spelled` may be False for a text
    that is known to hold no word of NUMBER_WORDS; `known_dates` are those of the text, where they were looked for.
    """
    taken = bytearray(len(text))  # 1 for each character of what was found
    found: list[Quantity] = []

    def take(start: int, end: int, value: Decimal, unit: str, kind: str) -> None:
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\1" * (end - start)
            about = _is_about(text, start)
            found.append(Quantity(value, unit, kind, start, end, about))

    for date in dates(text) if known_dates is None else known_dates:
        taken[date.start : date.end] = b"\1" * (date.end - date.start)
    if _DIGIT.search(text):
        _take_figures(text, taken, take)
    if spelled:
        starts = (word.start() for word in _WORD_RUN.finditer(text) if word[0].lower() in NUMBER_WORDS)
        for match in _matches_at(_SPELLED, text, starts):
            _take_spelled(text, match, take)
    return sorted(found, key=lambda quantity: quantity.start)


def _is_about(text: str, start: int) -> bool:
    """Whether the text calls the number at `start` approximate."""
    ahead = max(0, start - 24)
    before = text[ahead:start].rstrip("\n $€£¥").lower()
    # a glance at the word rules most numbers out
    return before.removesuffix("us").rstrip(" ").endswith(_ABOUT_ENDS) and bool(_ABOUT.search(text, ahead, start))


def _take_figures(text: str, taken: bytearray, take: _Take) -> None:
    lowered = text.lower()
    starts = [digits.start() for digits in _DIGITS.finditer(text)]
    for match in _FISCAL.finditer(text) if any(name in lowered for name in ("fy", "cy", "fiscal")) else ():
        year = int(match[1]) + (2000 if len(match[1]) == 2 else 0)
        take(*match.span(), Decimal(year), "", "number")
    for match in _matches_at(_TIME, text, starts) if any(sign in lowered for sign in _TIME_SIGNS) else ():
        hour, minute = int(match["h"] or match["h2"]), int(match["min"] or match["min2"] or 0)
        if match["ap"]:
            hour = hour % 12 + (12 if match["ap"].lower() == "p" else 0)
        take(*match.span(), Decimal(60 * hour + minute), "", "time")
    for match in _matches_at(_YEAR_RANGE, text, starts) if any(sign in text for sign in "-–/") else ():
        if int(match[3]) > int(match[2]) and taken.find(1, match.start(), match.end()) < 0:
            take(match.start(), match.start() + 4, Decimal(match[1] + match[2]), "", "number")
            take(match.start() + 5, match.end(), Decimal(match[1] + match[3]), "", "number")
    for match in _QUARTER.finditer(text) if "q" in lowered else ():
        take(*match.span(), Decimal(match[1] or match[2]), "quarter", "ordinal")
    # `.5` begins with its point
    for match in _matches_at(_NUMBER, text, (at - (text[at - 1 : at] == ".") for at in starts)):
        _take_number(text, match, take)


def _take_number(text: str, match: re.Match[str], take: _Take) -> None:
    try:
        value = Decimal(_THOUSANDS_MARK.sub("", match["num"]))
    except InvalidOperation:
        return
    start, end = match.start("num"), match.end("num")
    sign = text[max(0, start - 2) : start].rstrip(" ")[-1:]
    unit = _UNIT_OF[sign] if sign and sign in _CURRENCY_SIGNS else ""
    if match["ord"]:
        take(start, match.end("ord"), value, _unit_after(text, match.end("ord"))[0], "ordinal")
        return
    if match["dec"]:
        take(start, match.end("dec"), value, "", "decade")
        return
    if match["suf"]:
        # 5m is five metres, $5m and 5M five millions
        if unit or match["suf"] not in ("m", "b"):
            value *= _SCALES[match["suf"].lower()]
        else:
            unit = _UNIT_OF.get(match["suf"], "")
        end = match.end("suf")
    elif match["unit"] and match["unit"][0].isalpha() and match["unit"].lower() not in _UNIT_OF:
        return  # an identifier such as 3D or 2b2t, compared as a word
    value, end = _scaled(text, value, end)
    after, unit_end = _unit_after(text, end)
    if after and not unit:
        unit, end = after, unit_end
    take(start, end, value, unit, "number")


def _take_spelled(text: str, match: re.Match[str], take: _Take) -> None:
    total, current, ordinal = 0, 0, False
    for word in re.findall(r"[a-z]+", match[0].lower()):
        if word in SMALL_NUMBERS:
            current += SMALL_NUMBERS[word]
        elif word in _ORDINALS:
            current, ordinal = current + _ORDINALS[word], True
        elif word in ("hundred", "dozen"):
            current = max(current, 1) * _SCALES[word]
        elif word in _SCALES:
            total, current = total + max(current, 1) * _SCALES[word], 0
    value, end = Decimal(total + current), match.end()
    unit, unit_end = _unit_after(text, end)
    lonely = match[0].lower().strip()
    if lonely in ("one", "first", "zero") and not unit:
        return
    before = " " + text[max(0, match.start() - 6) : match.start()].lower()
    if lonely == "second" and not re.search(r"\b(?:the|a|its|his|her|their|every)\s$", before):
        return
    if lonely in _SCALES and not before.endswith(" a "):
        return
    if unit and not ordinal:
        end = unit_end
    take(match.start(), end, value, unit, "ordinal" if ordinal else "number")


def _scaled(text: str, value: Decimal, end: int) -> tuple[Decimal, int]:
    for _ in range(2):
        scale = _SCALE.match(text, end)
        if not scale:
            break
        value, end = value * _SCALES[scale[1].lower()], scale.end()
    return value, end


def _unit_after(text: str, end: int) -> tuple[str, int]:
    """The canonical unit written right after `end`, and where it ends; ("", end) where none is."""
    found = _NEXT_WORD.match(text, end)
    if not found:
        return "", end
    name = found[1].lower().replace(" ", "_")
    if name == "us_dollars":
        return "usd", found.end()
    unit = _UNIT_OF.get(name, "")
    # single letters count as units only where they touch the number: "5 m" and "5m", not "page 5 a"
    if unit and len(name) == 1 and name.isalpha() and name not in "mglswvh":
        return "", end
    return (unit, found.end()) if unit else ("", end)


def counted_unit(text: str, quantity: Quantity) -> str:
    """The canonical unit that the quantity counts, where up to two words may stand before it: `9 unused days`.

    "" where it counts something else. The quantity must come from this text.
    """
    if quantity.unit or quantity.kind != "number":
        return quantity.unit
    found = _COUNTED.match(text, quantity.end)
    if not found:
        return ""
    for word in found[0].lower().split():
        if word in STOP_WORDS:
            return ""
        if len(word) > 1 and word in _UNIT_OF:
            return _UNIT_OF[word]
    return ""


@lru_cache(maxsize=256)
def unit_stems(unit: str) -> frozenset[str]:
    """The stems of every way to write a Quantity's canonical unit."""
    return frozenset(stem(name) for name in _UNITS.get(unit, unit).split())
