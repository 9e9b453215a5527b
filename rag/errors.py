"""Every error a person can meet, sorted by who can act on it.

    FootnoteError
    ├── InputError            the reader: correct the file or the question        HTTP 4xx (its `status`)
    │   ├── NotFound          name something that exists                          404
    │   ├── TooLarge          send less                                           413
    │   └── ParseError        this file cannot be read; `code` says why           recorded with the document
    ├── IndexMismatch         the operator: rebuild, or restore the setting       409
    ├── DataDirectoryInUse    the operator: another process owns the directory    409
    ├── Conflict              the reader: the state changed; try again            409
    ├── ConfigurationError    the operator: a setting is misspelt or out of range exit status 2
    └── DependencyError       wait, or start what is missing, and try again       503

`code` is for programs, the message for people: what happened, the value seen, the next step. "Not in the documents" and
a failed citation are results, not errors, and are returned as values.
"""

from __future__ import annotations

from typing import Literal, get_args

ParseCode = Literal[
    "empty", "encrypted", "unsupported_type", "corrupt", "no_text", "too_large", "timeout", "out_of_memory", "internal"
]
PARSE_CODES: tuple[str, ...] = get_args(ParseCode)


class FootnoteError(Exception):
    """Base of all errors: `code` is a stable word for programs, `status` the HTTP status of the response.

    `retry_after_s` is when to try again, in whole seconds, where that is known.
    """

    code = "internal"
    status = 500
    retry_after_s: int | None = None

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class InputError(FootnoteError):
    """The request or file cannot be processed as it is; the message says what to change."""

    code = "invalid_input"
    status = 422


class NotFound(InputError):
    """Something that the request names does not exist."""

    code = "not_found"
    status = 404


class TooLarge(InputError):
    """The input exceeds a configured limit."""

    code = "too_large"
    status = 413


class ParseError(InputError):
    """A file that cannot be read; `code` is one of PARSE_CODES."""

    code = "corrupt"

    def __init__(self, code: ParseCode, message: str) -> None:
        super().__init__(message, code=code)


class IndexMismatch(FootnoteError):
    """The catalog was built with another embedding model or other chunking settings than the current ones."""

    code = "index_mismatch"
    status = 409


class DataDirectoryInUse(FootnoteError):
    """Another process owns the data directory."""

    code = "data_directory_in_use"
    status = 409


class Conflict(FootnoteError):
    """The state changed during the operation; it can be repeated."""

    code = "conflict"
    status = 409


class ConfigurationError(FootnoteError):
    """A setting that does not exist, or a value outside its bounds."""

    code = "configuration"
    status = 500


class DependencyError(FootnoteError):
    """Something Footnote needs is not available: a model server, a download source, the disk."""

    code = "dependency_unavailable"
    status = 503
