"""The log of a server or worker, on stderr: text for people, or one JSON object a line, for programs that collect logs.

A JSON line has `at` (UTC), `level`, `logger` and `message`; `request_id` where it was written for a request; `trace_id`
and `span_id` where that is traced (`rag/telemetry/traces.py` puts them on the record); the fields that were logged with
it; and `error`, the type of an exception with its places in the code. The message of an exception is left out there,
since it may quote a document. What Footnote logs itself names documents and has none of their words.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["text", "json"]

REQUESTS = "footnote.requests"
"""The logger that has a line for each request, at the level INFO; the log for people has none of them."""
FIELDS = "fields"
"""The name in `extra` of the fields of a JSON line beside the message."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is answered in this context; "" outside of one."""

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_TRACED = ("trace_id", "span_id")
_CAUSES = 8
_NOISY = ("httpx", "httpx2", "chromadb", "sentence_transformers", "mcp")


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry: dict[str, object] = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := request_id.get():
            entry["request_id"] = request
        entry.update({name: found for name in _TRACED if (found := getattr(record, name, ""))})
        fields: Mapping[str, object] = getattr(record, FIELDS, {})
        entry.update({name: value for name, value in fields.items() if name not in entry})
        if record.exc_info and record.exc_info[1] is not None:
            entry["error"] = _described(record.exc_info[1])
        return json.dumps(entry, ensure_ascii=False, default=str)


def _described(error: BaseException, depth: int = 0) -> dict[str, object]:
    """The type of an exception and of those that caused it, at most _CAUSES, and where each was raised, innermost place
    last.
    """
    places = [f"{place.filename}:{place.lineno} {place.name}" for place in traceback.extract_tb(error.__traceback__)]
    described: dict[str, object] = {"type": type(error).__name__, "places": places}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth < _CAUSES:
        described["cause"] = _described(cause, depth + 1)
    return described


def start_logging(log_format: LogFormat) -> None:
    """Write what this process logs to stderr from now on, in this form. It stays as it is where a program that has
    imported Footnote has set its logging up.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(REQUESTS).setLevel(logging.INFO if log_format == "json" else logging.WARNING)


def writes_json() -> bool:
    """Whether this process logs JSON, so that stderr takes no other lines."""
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers)
