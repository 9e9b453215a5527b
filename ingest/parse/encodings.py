"""The encoding of bytes that do not state it: the one in which they are words of one alphabet. Pure.

Statistical detectors need some hundred characters; a note or a table cell has ten. Each candidate is an alphabet in an
encoding. What speaks against it is counted over the characters that are not ASCII: letters of no such alphabet or rare
in it, capitals inside words, signs where words have none, two alphabets in one word. The alphabets are closed classes.
Western languages in cp1252, which Windows writes, are by far the most frequent: every other candidate has to fit better
by a margin.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_WINDOW_BYTES = 1 << 18
_SAMPLE_BYTES = 1 << 11
_FEW_BYTES = 100  # with fewer that are not ASCII, no statistics tell more than the best candidate
_TRUSTED = 0.45  # of what speaks against a candidate, for each byte that is not ASCII
_MARGIN = 0.1
_MOSTLY_ASCII = 0.15  # the share of other bytes below which a text that fits no candidate is cp1252

_LETTER = r"[^\W\d_ªºµ¹²³¼½¾]|[\u0591-\u05c7\u064b-\u0652\u0e31\u0e34-\u0e4e]"
_PIECES = re.compile(rf"((?:{_LETTER})+)|[^\x00-\x7f]")
_INSIDE = frozenset("’‘·–—…\u00a0\u00ad")
_OPENING = _INSIDE | frozenset("“”„‚«»‹›¿¡©•†‡µ°")
_CLOSING = _INSIDE | frozenset("“”«»‹›®™©€ºª°¹²³†‡")
_SIGNS = _OPENING | _CLOSING | frozenset("£¥¢§¶´½¼¾×÷±‰№¬¦")

_WESTERN = ("cp1252", "cp850", "mac_roman")
_CENTRAL = ("cp1250", "iso8859_2", "cp852")
_MISSPELT = {
    **dict.fromkeys(
        _WESTERN,
        re.compile(
            "ç(?=[b-df-hj-np-tv-zei])|õ(?!e)|ñ(?=[b-df-hj-np-tv-z])|è(?=[aeiouy])|[ìù](?=[a-z])|[âî](?![a-zßà-ÿ])",
            re.IGNORECASE,
        ),
    ),
    **dict.fromkeys(_CENTRAL, re.compile("[ŕĺ](?![b-df-hj-np-tv-zčďňšťž])", re.IGNORECASE)),
    "cp1258": re.compile(r"\w{8,}|[bdfjklqrsvwxz]\b", re.IGNORECASE),  # words are syllables
}
"""What the spelling of all languages of an encoding does not have, and bytes of another encoding do."""


class _Alphabet(NamedTuple):
    """What speaks against each letter beyond ASCII (1 if it is not in it), and the encodings that write it."""

    letters: dict[str, float]
    encodings: tuple[str, ...]
    doubt: float


def _alphabet(common: str, rare: str, *encodings: str, doubt: float = 0.0) -> _Alphabet:
    letters = dict.fromkeys(rare + rare.upper(), 0.5) | dict.fromkeys(common + common.upper(), 0.0)
    return _Alphabet(letters, encodings, doubt)


def _western(letters: str, doubt: float = 0.0) -> _Alphabet:
    """The letters of a language, and as rare ones those of its neighbours, which its names have."""
    return _alphabet(letters, "äöüßàâæçéèêëîïôœùûáíñóúãõìòåøðþšýž", *_WESTERN, doubt=doubt)


def _central(letters: str) -> _Alphabet:
    return _alphabet(letters, "", *_CENTRAL)


_ALPHABETS = (
    _western("äöüß"),
    _western("àâæçéèêëîïôœùûü"),
    _western("áéíñóúü"),
    _western("áàâãçéêíóôõú"),
    _western("àèéìòù"),
    _western("åäöæøé"),
    _alphabet("оеаинтсрвлкмдпуя", "гбчйхжюшцщэфёъьыз", "cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic"),
    _central("ąćęłńóśźż"),
    _central("áčďéěíňóřšťúůýž"),
    _central("áäčďéíĺľňóôŕšťúýž"),
    _central("áéíóöőúüű"),
    _alphabet("çğıöşüİ", "âîû", "cp1254"),
    _central("ăâîşţ"),
    _central("čćđšž"),
    _alphabet("αοιετνσρπκηυςάίόέ", "λμγδωχθφβξζψήύώϊϋΐΰ", "cp1253", "iso8859_7"),
    _alphabet("оаитнерсвлкмдпуі", "гбчйхжюшцщфьзяєїґы", "cp1251", "koi8_u", "cp1125"),
    _alphabet("יוהלאמרתבש", "נעכםדקחפגצטזסןךףץ", "cp1255", "iso8859_8"),
    _alphabet("اليمونرتبةعدسفهك", "قحجشصطخضذثزظغءئؤأإآىپچژگ", "cp1256", "iso8859_6"),
    _alphabet("กานรอเมงลวยสตทดค่้ัิี", "ขฃคฅฆจฉชซฌญฎฏฐฑฒณถธบปผฝพฟภศษหฬฮะาึืฺุูแโใไๅๆ็๊๋์ํำฯ๐๑๒๓๔๕๖๗๘๙", "cp874"),
    _alphabet("ąčęėįšųūž", "", "cp1257", "iso8859_13"),
    _alphabet("āčēģīķļņšūž", "", "cp1257", "iso8859_13"),
    _alphabet("äõöüšž", "", "cp1257", "iso8859_13"),
    _western("àçèéíïòóúü", doubt=0.05),
    _western("áðéíóúýþæö", doubt=0.15),
    _alphabet("àáâãèéêìíòóôõùúýăđĩũơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ", "", "cp1258"),
)
_LATIN = (*_WESTERN, *_CENTRAL, "cp1254", "cp1257", "cp1258", "iso8859_13")
_FINAL = frozenset("ךםןףץς")
_WIDE = ("cp949", "cp932", "euc_jp", "gb18030", "big5")
_FREQUENTLY = 0.05  # what speaks for a frequent character
_KANA = re.compile(r"[\u3041-\u30fe]")


def guess_encoding(data: bytes) -> str:
    """The encoding in which bytes that are not UTF-8 are words; empty where many bytes fit none of the known ones.

    Mostly ASCII bytes that fit none are cp1252. It reads up to 2 KiB of words that are not ASCII.
    """
    if b"\x1b$" in data[:_WINDOW_BYTES]:
        return "" if "\ufffd" in data[:_WINDOW_BYTES].decode("iso2022_jp_2", "replace")[:-1] else "iso2022_jp_2"
    found = re.search(rb"[\x80-\xff]", data)
    start = max(0, found.start() - 64) if found else 0
    window = data[start : start + _WINDOW_BYTES]
    sample = _sample(window)
    high = _count_high(sample)
    if not high:
        return ""
    cost, _order, encoding = min((cost / high, order, name) for order, (cost, name) in enumerate(_candidates(sample)))
    if cost > _TRUSTED and _count_high(window) < _MOSTLY_ASCII * len(window):
        return "cp1252"
    return encoding if cost <= _TRUSTED or high < _FEW_BYTES else ""


def _count_high(data: bytes) -> int:
    return len(data.translate(None, bytes(range(128))))


def _sample(window: bytes) -> bytes:
    """The different words of the window that are not ASCII, up to 2 KiB; no encoding has white space in a character."""
    words: dict[bytes, None] = {}
    left = _SAMPLE_BYTES
    for word in window.split():
        if not word.isascii() and word not in words:
            words[word[:left]] = None
            left -= len(word)
            if left <= 0:
                break
    return b" ".join(words)


def _candidates(sample: bytes) -> Iterator[tuple[float, str]]:
    """Each encoding with what speaks against it, in the order of speakers."""
    high = _count_high(sample)
    traits: dict[str, tuple[float, Counter[str]]] = {}
    for alphabet in _ALPHABETS:
        for place, encoding in enumerate(alphabet.encodings):
            if encoding not in traits:
                text = unicodedata.normalize("NFC", sample.decode(encoding, "replace"))  # cp1258 has marks apart
                traits[encoding] = _weigh_text(text, encoding)
            cost, letters = traits[encoding]
            cost += sum(times * alphabet.letters.get(letter, 1.0) for letter, times in letters.items())
            doubt = alphabet.doubt + 0.01 * place + (0.0 if encoding == "cp1252" else _MARGIN)
            yield cost + high * doubt, encoding
    for encoding in _WIDE:
        yield 2 * _weigh_wide(sample.decode(encoding, "replace"), encoding) + high * 1.5 * _MARGIN, encoding


def _weigh_text(text: str, encoding: str) -> tuple[float, Counter[str]]:
    """What speaks against a text in any language of its encoding, and how often it has each letter beyond ASCII."""
    misspelt = _MISSPELT.get(encoding)
    cost = float(len(misspelt.findall(text))) if misspelt else 0.0
    letters: Counter[str] = Counter()
    pieces = list(_PIECES.finditer(text))
    starts = {piece.start() for piece in pieces if piece[1]}
    ends = {piece.end() for piece in pieces if piece[1]}
    for piece in pieces:
        word = piece[1]
        if word is None:
            cost += _weigh_sign(piece[0], follows=piece.start() in ends, precedes=piece.end() in starts)
        elif not word.isascii():
            own = [letter for letter in word if letter > "\x7f"]
            letters.update(own)
            cost += _weigh_word(word, own, latin=encoding in _LATIN)
    return cost, letters


def _weigh_sign(sign: str, *, follows: bool, precedes: bool) -> float:
    """What speaks against a sign that follows a letter, precedes one, or both."""
    if sign not in _SIGNS:
        return 1.0
    if follows and precedes:
        return 0.0 if sign in _INSIDE else 1.0
    return 0.5 if (follows and sign not in _CLOSING) or (precedes and sign not in _OPENING) else 0.0


def _weigh_word(word: str, own: list[str], *, latin: bool) -> float:
    capitals = sum(letter.isupper() for letter in word[1:] if letter > "\x7f")
    if all(letter.isupper() or letter == "ß" for letter in word):
        cost = 0.0 if latin else 0.1 * capitals
    else:
        cost = float(capitals)
    if latin:
        pairs = sum(one > "\x7f" and other > "\x7f" for one, other in itertools.pairwise(word))
        return cost + 0.15 * pairs + (0.3 * len(own) if len(own) > 3 and len(own) > 0.6 * len(word) else 0.0)
    return cost + sum(letter in _FINAL for letter in word[:-1]) + len(word) - len(own)


def _weigh_wide(text: str, encoding: str) -> float:
    cost = 0.0
    for number, character in enumerate(text):
        if character <= "\x7f":
            continue
        if number and text[number - 1].isascii() and text[number - 1].isalpha():
            cost += 0.5
        kana = _KANA.match(character) is not None
        if character in _FREQUENT[encoding] or (kana and encoding in ("cp932", "euc_jp")):
            cost -= _FREQUENTLY
        if "\uff61" <= character <= "\uff9f" or "\ue000" <= character <= "\uf8ff":
            cost += 1.0
        elif kana:
            cost += 0.0 if encoding in ("cp932", "euc_jp") else 1.0
        elif "\uac00" <= character <= "\ud7a3":
            cost += 0.0 if _is_common(character, encoding) else 1.0
        elif "\u4e00" <= character <= "\u9fff":
            cost += 0.0 if _is_common(character, encoding) else 0.6
        elif not ("\u3000" <= character <= "\u303f" or "\uff01" <= character <= "\uff5e" or character in _SIGNS):
            cost += 1.0
    return cost


_CHINESE = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然"
    "家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把"
    "机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果"
    "加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔"
    "更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展"
    "马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共"
    "确传师观清今切院让识候带导争运城京温价请项称县省這個們來為國說時會對後種過發經麼現當沒動還進樣開從實軍無與長機"
    "關點業將兩間問並應戰頭體見產話內給門東聲員論處義幾認條氣題別變總電數報結務場計資許統區隊決馬書則聽達強難權設記"
    "類據邊張該規萬覺術領確傳師觀讓識帶導爭運溫價請項稱縣兒"
)
_JAPANESE = frozenset(
    "日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方四定今回新場金員九"
    "入選立開手米力学問高代明実円関決子動京全目表戦経通外最言氏現理調体化田当八六約主題下首意法不来作性的要用制治度"
    "務強気小七成期公野協取都和統以機平総加山思家話世受区領多県続進正安設保改数記院女初北午指権心界支第産結百派点教"
    "報済書府活原先共得解名交資予川向際査勝面委告軍文反元重近千考判認画海参売利組知案道信策集在件団別物側任引使求所"
    "次水半品昨論計死官増係感特情投示変打男基私各始島直両朝革価式確村提運終挙果西勢減台広容必応演電歳住争談能無再位"
    "置企真流格有疑口過局少放税検藤町常校料沢裁状工建語球営空職証土与急止送援供可役構木割聞身費付施切由説転食比難防"
    "補車優夫研収断井何南石足違消境神番規術護展態導備配副算視条号様込"
)
_KOREAN = frozenset(
    "이다는의에고하은을로지가한사기를시리서도인자어아대나일해정있수그라원과스부요으전만장주제들게보면상구공성니여동"
    "안국비적오신거관위무우조화소유마경선회세진중트방미문것연계물생발학저민개실드용반명금년체력산내분모습행업월단차"
    "치건강할된당재식결설품통음양번호불입후외간출름없던까했됩십백천"
)
_FREQUENT = {
    "cp949": _KOREAN,
    "cp932": _JAPANESE,
    "euc_jp": _JAPANESE,
    "gb18030": _CHINESE,
    "big5": _CHINESE,
}
"""The characters that half of a text consists of: the same bytes are common ones of several encodings."""
_COMMON = {
    "cp949": (0xB0A1, 0xC8FE),
    "cp932": (0x889F, 0x9872),
    "euc_jp": (0xB0A1, 0xCFD3),
    "gb18030": (0xB0A1, 0xD7F9),
    "big5": (0xA440, 0xC67E),
}


def _is_common(character: str, encoding: str) -> bool:
    """Whether the character is of the first level of its encoding, that of frequent characters."""
    code = character.encode(encoding)
    low, high = _COMMON[encoding]
    frequent = len(code) == 2 and low <= int.from_bytes(code, "big") <= high
    return frequent and (encoding in ("cp932", "big5") or code[1] >= 0xA1)
