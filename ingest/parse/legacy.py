"""Reader of DOC, XLS, XLSB, PPT and OpenOffice 1: LibreOffice, where installed, makes DOCX, XLSX or PPTX of them.

It runs as a child of the fenced process, within its limits of memory, time and output, and is ended with it. Its
profile is made anew for each file and forbids macros and links to other places.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parse.limits import extend_open_files
from ingest.parse.sniff import DOCX, PPTX, XLSB, XLSX, unsupported
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_TARGETS = {
    "application/msword": ("doc", "docx", DOCX),
    "application/vnd.ms-excel": ("xls", "xlsx", XLSX),
    XLSB: ("xlsb", "xlsx", XLSX),
    "application/vnd.ms-powerpoint": ("ppt", "pptx", PPTX),
    "application/vnd.sun.xml.writer": ("sxw", "docx", DOCX),
    "application/vnd.sun.xml.calc": ("sxc", "xlsx", XLSX),
    "application/vnd.sun.xml.impress": ("sxi", "pptx", PPTX),
}
_COMMANDS = (
    "soffice",
    "libreoffice",
    "/usr/lib/libreoffice/program/soffice",
    "/opt/libreoffice/program/soffice",
    "/Applications/LibreOffice.app/Contents/MacOS/soffice",
)
_SECURITY = "/org.openoffice.Office.Common/Security/Scripting"
_RULES = {"DisableMacrosExecution": "true", "MacroSecurityLevel": "3", "BlockUntrustedRefererLinks": "true"}
_SAID_CHARACTERS = 160


CONVERTED = frozenset(_TARGETS)
"""Media types that LibreOffice is started for."""


def find_office() -> str | None:
    """The program of LibreOffice; None where it is not installed."""
    return next((found for command in _COMMANDS if (found := shutil.which(command))), None)


def read_legacy(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read the file as LibreOffice converts it. Raises ParseError `unsupported_type` where it is not installed."""
    from ingest.parse.readers import reader_for

    program = find_office()
    if program is None:
        raise unsupported(name, media_type)
    old, new, converted = _TARGETS[media_type]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"source.{old}"
        shutil.copyfile(path, source)
        _write_profile(Path(folder) / "profile")
        said = _convert(program, source, new, limits)
        target = source.with_suffix(f".{new}")
        if not target.is_file():
            raise ParseError(
                "corrupt",
                f"{name}: LibreOffice could not open it ({said or 'it gave no reason'}). "
                "Open it in its program, save it anew and retry.",
            )
        document = reader_for(converted, name)(target, name, converted, limits)
    return replace(document, media_type=media_type, metadata={**document.metadata, "reader": "libreoffice"})


def _convert(program: str, source: Path, kind: str, limits: Limits) -> str:
    """Write the converted file beside the source; returns what the program said of a failure."""
    if limits.began is not None:  # inside the fence, whose limit of open files is for one reader
        extend_open_files()
    profile = (source.parent / "profile").as_uri()
    options = ("--headless", "--norestore", "--nologo", "--nolockcheck", f"-env:UserInstallation={profile}")
    command = [program, *options, "--convert-to", kind, "--outdir", str(source.parent), str(source)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        return str(error)
    said = (done.stderr or done.stdout).decode("utf-8", "replace").split()
    return " ".join(said)[:_SAID_CHARACTERS] or (f"exit status {done.returncode}" if done.returncode else "")


def _write_profile(folder: Path) -> None:
    items = "".join(
        f'<item oor:path="{_SECURITY}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>'
        for name, value in _RULES.items()
    )
    place = folder / "user" / "registrymodifications.xcu"
    place.parent.mkdir(parents=True)
    place.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry" '
        f'xmlns:xs="http://www.w3.org/2001/XMLSchema">{items}</oor:items>',
        "utf-8",
    )
