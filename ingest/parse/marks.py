"""Raised and lowered characters, kept apart from what they follow: 10⁴ is not 104. Pure."""

from __future__ import annotations

_RAISED = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
_LOWERED = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
_ORDINALS = frozenset({"st", "nd", "rd", "th", "er", "e", "re", "ème", "eme", "o", "º", "ª", "tm", "®", "©", "sm"})
_UNIT_CHARACTERS = 3


def small_characters(text: str, *, lowered: bool = False) -> str:
    """The text in raised (or lowered) characters; empty where one of them has no such form."""
    table = _LOWERED if lowered else _RAISED
    return text.translate(table) if all(ord(sign) in table for sign in text) else ""


def raise_text(text: str, before: str, *, lowered: bool = False) -> str:
    """The raised (or lowered) text as it is written into a line that so far ends with `before`.

    Digits and signs become Unicode superscripts or subscripts. After a word longer than a unit's symbol they are the
    mark of a note and are set apart by a space, so that the word is found. Subscripts of letters (`CO2`) stay plain.
    """
    words = text.strip()
    if not words or not before or before[-1].isspace():
        table = _LOWERED if lowered else _RAISED
        return text.translate(table) if any(sign.isdigit() for sign in words) and len(words) < 8 else text
    if lowered:
        return text.translate(_LOWERED) if before[-1].isdigit() or before[-1] == "⁄" else text
    if words[0].isdigit() or words[0] in "+-−(":
        word = before.split()[-1] if before.split() else ""
        letters = len(word) - len(word.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        raised = text.translate(_RAISED)
        apart = letters > _UNIT_CHARACTERS or (not raised.strip()[0].isnumeric() and raised.strip()[0] == words[0])
        return f" {raised}" if apart else raised
    if before[-1].isdigit() and words[0].isalpha() and words.lower() not in _ORDINALS | {"n", "i"}:
        return f" {text}"
    if before[-1].isdigit() and words in ("n", "i"):
        return text.translate(_RAISED)
    if len(words) == 1 and words.islower() and words.isalpha() and before[-2:].isalpha() and len(before[-2:]) == 2:
        return f" {text}"  # the mark of a note: `Fee` with note a is not `Feea`
    return text
