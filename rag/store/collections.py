"""Names of collections in one spelling, so that two ways of typing a name mean the same collection."""

from __future__ import annotations

import re
import unicodedata

from rag.errors import InputError

MAX_COLLECTION_CHARS = 64
# Latin, Greek, Cyrillic, Japanese, Chinese, Korean: written as ranges, since JSON Schema and Python differ on `\w`.
_LETTERS = r"A-Za-z\u00c0-\u024f\u0370-\u04ff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3"
COLLECTION_PATTERN = rf"^[{_LETTERS}0-9._-]([{_LETTERS}0-9._ -]{{0,62}}[{_LETTERS}0-9._-])?$"


def collection_name(text: str) -> str:
    """The name of a collection as it is stored and compared: composed (NFC), whatever keyboard or file system sent it.

    Raises InputError unless it is 1 to 64 letters, digits, `.`, `_`, `-`, and spaces between them.
    """
    name = unicodedata.normalize("NFC", text)
    if re.fullmatch(COLLECTION_PATTERN, name) is None:
        raise InputError(
            f"The collection {name[:80]!r} cannot exist: a name has 1 to {MAX_COLLECTION_CHARS} letters, digits, "
            "`.`, `_`, `-`, and spaces between them. Choose another name."
        )
    return name
