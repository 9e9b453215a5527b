"""Names of collections in one spelling, so that two ways of typing a name mean the same collection."""

from __future__ import annotations

import re
import unicodedata

from rag.errors import InputError

MAX_COLLECTION_CHARS = 64
# Letters, their marks, and digits of every living script. Written as ranges, since JSON Schema and Python differ on
# `\w`, which has no marks in Python. Left out are white space, characters without a shape or that turn the direction of
# a text, punctuation and symbols, and forms of letters that Unicode has for old encodings only.
_RANGES = (
    (0x00C0, 0x00D6), (0x00D8, 0x00F6), (0x00F8, 0x02C1), (0x0300, 0x033F), (0x0345, 0x034E), (0x0350, 0x0373),
    (0x0376, 0x037D), (0x037F, 0x0386), (0x0388, 0x0482), (0x0483, 0x05FF), (0x0620, 0x06D3), (0x06D5, 0x06DC),
    (0x06DF, 0x06FF), (0x0710, 0x088F), (0x0892, 0x08E1), (0x08E3, 0x115E), (0x1161, 0x167F), (0x1681, 0x17B3),
    (0x17B6, 0x17FF), (0x1810, 0x1FBC), (0x1FC2, 0x1FCC), (0x1FD0, 0x1FDC), (0x1FE0, 0x1FEC), (0x1FF2, 0x1FFC),
    (0x2C00, 0x2DFF), (0x3005, 0x3007), (0x3041, 0x3096), (0x3099, 0x309A), (0x309D, 0x309F), (0x30A1, 0x30FF),
    (0x3105, 0x312F), (0x3131, 0x3163), (0x3165, 0x318E), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0xA4CF), (0xA4D0, 0xABFF), (0xAC00, 0xD7FB), (0x10280, 0x110BC), (0x110BE, 0x110CC), (0x110CE, 0x11FFF),
    (0x16800, 0x16FFF), (0x1E000, 0x1E95F), (0x20000, 0x2FA1F), (0x30000, 0x323AF),
)  # fmt: skip
_LETTERS = "A-Za-z0-9" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _RANGES)
COLLECTION_PATTERN = rf"^(?!\.\.?$)[{_LETTERS}._-]([{_LETTERS}._ -]{{0,62}}[{_LETTERS}._-])?$"

_JOINERS = re.compile("[\u200c\u200d]")


def collection_name(text: str) -> str:
    """The name of a collection as it is stored and compared: composed (NFC), whatever keyboard or file system sent it,
    and without the joiners that only shape letters.

    Raises InputError unless it is 1 to 64 letters of any script, their marks, digits, `.`, `_`, `-`, and spaces between
    them. `.` and `..` are none, since an address with them leads elsewhere.
    """
    name = unicodedata.normalize("NFC", _JOINERS.sub("", text))
    if re.fullmatch(COLLECTION_PATTERN, name) is None:
        raise InputError(
            f"The collection {name[:80]!r} cannot exist: a name has 1 to {MAX_COLLECTION_CHARS} letters, digits, "
            "`.`, `_`, `-`, and spaces between them. Choose another name."
        )
    return name
