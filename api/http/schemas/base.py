"""What the requests about several nouns share: their base, and fields of words, titles and names of collections."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from rag.store.collections import COLLECTION_PATTERN, MAX_COLLECTION_CHARS
from rag.store.threads import MAX_TITLE_CHARS

MAX_PAGE = 2**31 - 1


def whole(value: object) -> object:
    """The value, for a field that is a whole number. Raises ValueError for true, false and text."""
    if isinstance(value, bool | str):
        raise ValueError("it must be a whole number, written without quotes")
    return value


# Something to read. White space is written out where Python, Rust and JavaScript do not agree about `\s`.
_NOT_BLANK = r"[^\s\x1c-\x1f\x85\ufeff]"


def not_blank(value: object) -> object:
    """The value, for a field with something to read. Raises ValueError for text of white space only."""
    if isinstance(value, str) and not re.search(_NOT_BLANK, value):
        raise ValueError("it has nothing to read")
    return value


Words = Annotated[str, Field(pattern=_NOT_BLANK), BeforeValidator(not_blank)]
Title = Annotated[str, Field(pattern=_NOT_BLANK, max_length=MAX_TITLE_CHARS), BeforeValidator(not_blank)]
# Only described here: rag.store.collections.collection_name checks the name, after it has normalised the spelling.
CollectionName = Annotated[
    str, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_COLLECTION_CHARS, "pattern": COLLECTION_PATTERN})
]


class Request(BaseModel):
    """What every request is: unknown fields are refused."""

    # python-re: `\S` then agrees with str.strip() on what white space is
    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")
