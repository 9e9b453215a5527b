"""The child process inside the fence reads one file and writes one result.

It is forked by the launcher (`launcher.py`), or started as `python -m ingest.parse.child ORDER` where a system cannot
fork. The limits and what the kernel keeps from it (`confine.py`) are set before the untrusted file is opened. The child
writes a result file (see `wire.py`) and exits with status 0; if it dies or runs out of memory first, the parent reports
the error.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.parse.confine import confine_files, try_to_escape
from ingest.parse.fence import OUT_OF_MEMORY_STATUS
from ingest.parse.legacy import CONVERTED, find_office
from ingest.parse.limits import Budget, Limits
from rag.errors import NotFound, ParseError
from rag.types import Document, Note

_MIB = 1 << 20
_OPEN_FILES, _OPEN_FILES_OF_PROGRAMS = 64, 512
_OCR_MEMORY_BYTES = 3 << 30  # address space of the models, their engine and a picture, beyond that of the reader
_OCR_THREADS = 2


def carry_out(order: Mapping[str, Any], parent: int) -> int:
    """Execute one order as `fence.py` writes it; returns the exit status. `parent` is the process that this one must
    not outlive.
    """
    memory_bytes = int(order["memory_mb"]) * _MIB
    ocr_s = float(order["ocr_timeout_s"]) if order["ocr"] and order["task"] == "parse" else 0.0
    _limit_process(parent, float(order["timeout_s"]), ocr_s, memory_bytes, int(order["max_result_bytes"]))
    limits = Limits(
        *(memory_bytes, int(order["max_output_mb"]) * _MIB, int(order["max_pages"])),
        ocr=ocr_s > 0,
        ocr_timeout_s=ocr_s,
        began=Path(order["began"]),
        ocr_engine=str(order["ocr_engine"]),
        inside=Budget(folder=Path(order["result"]).parent if order["details"].get("unpack") else None),
    )
    path, name, result = Path(order["path"]), str(order["name"]), Path(order["result"])
    confine_files(path, result.parent, office=order["task"] == "parse" and find_office() is not None)
    try:
        written = _carry_out(order["task"], path, name, limits, order["details"])
    except MemoryError:
        return OUT_OF_MEMORY_STATUS
    result.write_bytes(written)
    return 0


def _carry_out(task: str, path: Path, name: str, limits: Limits, details: Mapping[str, int]) -> bytes:
    from ingest.parse import wire

    try:
        if task == "render":
            return wire.encode_picture(_render(path, name, details["page_number"], details["dpi"]))
        if task == "escape":
            return try_to_escape(path, details["port"])
        document = read_document(path, name, limits)
        if len(document.text) > limits.max_text_bytes:
            raise ParseError(
                "too_large",
                f"{name}: its text is larger than {limits.max_text_bytes >> 20} MiB. "
                "Split the file, or raise FOOTNOTE_PARSING__MAX_OUTPUT_MB.",
            )
        return wire.encode_document(document, limits.inside.taken)
    except (ParseError, NotFound) as error:
        return wire.encode_error(error.code, error.message)
    except RecursionError:
        return wire.encode_error(
            "corrupt",
            f"{name}: it is nested too deeply. Save it again in its program and retry.",
        )
    except OSError as error:
        return wire.encode_error(
            "internal", f"{name}: it could not be opened ({error.strerror}). Check the path and try again."
        )
    except MemoryError:
        raise
    # The child must report an error for any file: libraries do not document everything they raise on damaged input, and
    # without this the parent would report the same failure from a traceback and an exit status.
    except Exception as error:  # noqa: BLE001
        seen = f"{type(error).__name__}: {error}"[:200]
        return wire.encode_error(
            "corrupt", f"{name}: it could not be read ({seen}). Save it again in its program and retry."
        )


def _render(path: Path, name: str, page_number: int, dpi: int) -> bytes:
    from ingest.files import identify

    if identify(path, name=name).startswith("image/"):
        from ingest.parse.pictures import render_picture

        return render_picture(path, name, page_number, dpi)
    from ingest.parse.pdf import render_pdf_page

    return render_pdf_page(path, name, page_number, dpi)


def read_document(path: Path, name: str, limits: Limits) -> Document:
    """Read the file as a Document without id, in this process: call it only inside the fence. Raises ParseError.

    The files inside are taken out where `limits.inside` has a folder for them.
    """
    from ingest.files import identify
    from ingest.parse.readers import reader_for

    media_type = identify(path, name=name)
    if limits.began is not None and media_type not in CONVERTED:
        confine_files(path, limits.began.parent)
    document = reader_for(media_type, name)(path, name, media_type, limits)
    if taken := len(limits.inside.taken):
        one, more = "The file inside it is a document of its own.", "files inside it are documents of their own."
        told = Note("files_inside", one if taken == 1 else f"The {taken} {more}")
        return replace(document, notes=(told, *document.notes))
    return document


def _limit_process(parent: int, timeout_s: float, ocr_s: float, memory_bytes: int, output_bytes: int) -> None:
    """Set the limits of this process; where the system has none, the parent's timeout still applies.

    OCR raises time and memory to the hard limits when it begins (`limits.extend_limits`).
    """
    try:
        import resource
    except ImportError:
        return
    seconds = int(timeout_s) + 2
    for kind, most, extended in (
        (resource.RLIMIT_AS, memory_bytes, memory_bytes + (_OCR_MEMORY_BYTES if ocr_s else 0)),
        (resource.RLIMIT_CPU, seconds, seconds + math.ceil(ocr_s * _OCR_THREADS)),
        (resource.RLIMIT_FSIZE, output_bytes, output_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES_OF_PROGRAMS),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _soft, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        highest = extended if hard == resource.RLIM_INFINITY else min(extended, hard)
        try:
            resource.setrlimit(kind, (allowed, highest))
        except (ValueError, OSError):  # macOS refuses RLIMIT_AS
            continue
    if sys.platform == "linux":
        import ctypes
        import signal

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call above
            sys.exit(1)


def main(order_text: str) -> int:
    """Execute one order, a JSON object; returns the exit status."""
    order = json.loads(order_text)
    return carry_out(order, int(order["parent"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
