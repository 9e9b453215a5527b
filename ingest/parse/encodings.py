"""The encoding of bytes that do not state it: the one in which they are words of one alphabet. Pure.

Statistical detectors need some hundred characters; a note or a table cell has ten. Each candidate is an alphabet in an
encoding. What speaks against it is counted over the bytes that are not ASCII: letters of no such alphabet or rare in
it, capitals inside words, signs inside words, two alphabets in one word. The alphabets are closed classes; candidates
stand in the order of their speakers, which decides between equals.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

_MOST_BYTES = 1 << 16
_TRUSTED = 0.34  # of what speaks against a candidate, for each character that is not ASCII
_SIGNS = frozenset("’‘“”„–—…•€£¥§©®°«»¿¡´º½¼¾²³·×÷±™†‰†\u00a0№")
_WORD = re.compile(r"[^\W\d_]+(?:[’'·][^\W\d_]+)*")


class _Alphabet(NamedTuple):
    """Letters of a language beyond ASCII, and the encodings that write them; `rare` ones are half at home."""

    letters: frozenset[str]
    rare: frozenset[str]
    encodings: tuple[str, ...]
    latin: bool


def _latin(letters: str, *encodings: str) -> _Alphabet:
    return _Alphabet(frozenset(letters + letters.upper()), frozenset(), encodings, True)


def _other(common: str, rare: str, *encodings: str) -> _Alphabet:
    letters = common + rare
    return _Alphabet(frozenset(letters + letters.upper()), frozenset(rare + rare.upper()), encodings, False)


_WESTERN = ("cp1252", "mac_roman", "cp850")
_CENTRAL = ("cp1250", "iso8859_2", "cp852")
_ALPHABETS = (
    _latin("äöüß", *_WESTERN),
    _latin("àâæçéèêëîïôœùûü", *_WESTERN),
    _latin("áéíñóúü", *_WESTERN),
    _latin("áàâãçéêíóôõú", *_WESTERN),
    _latin("àèéìòù", *_WESTERN),
    _latin("åäöæøé", *_WESTERN),
    _other("оеаинтсрвлкмдпуя", "гбчйхжюшцщэфёъьыз", "cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic"),
    _latin("ąćęłńóśźż", *_CENTRAL),
    _latin("áčďéěíňóřšťúůýž", *_CENTRAL),
    _latin("áäčďéíĺľňóôŕšťúýž", *_CENTRAL),
    _latin("áéíóöőúüű", *_CENTRAL),
    _latin("ăâîşţ", *_CENTRAL),
    _latin("čćđšž", *_CENTRAL),
    _latin("âçğıîöşüûİ", "cp1254"),
    _other("αοιετνσρπκηυςάίόέ", "λμγδωχθφβξζψήύώϊϋΐΰ", "cp1253", "iso8859_7"),
    _other("оаитнерсвлкмдпуі", "гбчйхжюшцщфьзяєїґы", "cp1251", "koi8_u", "cp1125"),
    _other("יוהלאמרתבש", "נעכםדקחפגצטזסןךףץ", "cp1255", "iso8859_8"),
    _other("اليمونرتبةعدسفهك", "قحجشصطخضذثزظغءئؤأإآىپچژگ", "cp1256", "iso8859_6"),
    _other("กานรอเมงลวยสตทดค่้ัิี", "ขฃคฅฆจฉชซฌญฎฏฐฑฒณถธบปผฝพฟภศษหฬฮะาึืฺุูแโใไๅๆ็๊๋์ํำฯ๐๑๒๓๔๕๖๗๘๙", "cp874"),
    _latin("ąčęėįšųūž", "cp1257", "iso8859_13"),
    _latin("āčēģīķļņšūž", "cp1257", "iso8859_13"),
    _latin("äõöüšž", "cp1257", "iso8859_13"),
    _latin("àçèéíïòóúü", *_WESTERN),
    _latin("áðéíóúýþæö", *_WESTERN),
)
_FINAL = frozenset("ךםןףץς")
_WIDE = ("cp949", "cp932", "euc_jp", "gb18030", "big5")
_KANA = re.compile(r"[\u3041-\u30fe]")


def guess_encoding(data: bytes) -> str:
    """The encoding in which bytes that are not UTF-8 are words; empty where none of the known ones fits."""
    if b"\x1b$" in data[:_MOST_BYTES]:
        return "iso2022_jp_2" if _decode(data[:_MOST_BYTES], "iso2022_jp_2") else ""
    first = max(0, next((at for at, byte in enumerate(data) if byte > 127), 0) - 256)
    sample = data[first : first + _MOST_BYTES]
    found: list[tuple[float, int, str]] = []
    for order, (cost, encoding) in enumerate(_candidates(sample)):
        found.append((cost, order, encoding))
    cost, _order, encoding = min(found, default=(1.0, 0, ""))
    return encoding if cost <= _TRUSTED else ""


def _candidates(sample: bytes) -> Iterator[tuple[float, str]]:
    """Each encoding that can be, with what speaks against it for each byte that is not ASCII."""
    high = sum(byte > 127 for byte in sample)
    texts: dict[str, str] = {}
    for alphabet in _ALPHABETS:
        for place, encoding in enumerate(alphabet.encodings):
            if encoding not in texts:
                texts[encoding] = _decode(sample, encoding)
            if texts[encoding]:
                yield (_strangeness(texts[encoding], alphabet) + 0.01 * place) / high, encoding
    for encoding in _WIDE:
        text = _decode(sample, encoding)
        if text:
            yield 2 * _strangeness_wide(text, encoding) / high, encoding


def _decode(sample: bytes, encoding: str) -> str:
    """The sample, without a character that its end cuts; empty where it is not of this encoding."""
    for cut in range(4):
        try:
            return sample[: len(sample) - cut].decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(sample) - 4 or len(sample) < _MOST_BYTES:
                return ""
    return ""


def _strangeness(text: str, alphabet: _Alphabet) -> float:
    cost = 0.0
    at = 0
    for found in [*_WORD.finditer(text), None]:
        between = text[at : found.start()] if found else text[at:]
        cost += sum(1.0 for sign in between if sign > "\x7f" and sign not in _SIGNS)
        if found is None:
            break
        word, at = found[0], found.end()
        if word.isascii():
            continue
        own = [letter for letter in word if letter > "\x7f"]
        cost += sum(0.5 if letter in alphabet.rare else 0.0 if letter in alphabet.letters else 1.0 for letter in own)
        capitals = sum(map(str.isupper, word[1:]))
        cost += 0.1 * capitals if word.isupper() else float(capitals)
        cost += sum(1.0 for letter in word[:-1] if letter in _FINAL)
        if alphabet.latin:
            pairs = sum(one > "\x7f" and other > "\x7f" for one, other in itertools.pairwise(word))
            cost += 0.5 * pairs + (0.5 * len(own) if len(own) > 2 and len(own) > 0.6 * len(word) else 0.0)
        else:
            cost += float(len(word) - len(own))
    return cost


def _strangeness_wide(text: str, encoding: str) -> float:
    cost = 0.0
    for number, character in enumerate(text):
        if character <= "\x7f":
            continue
        if number and text[number - 1].isascii() and text[number - 1].isalpha():
            cost += 0.5
        kana = _KANA.match(character) is not None
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
