"""Reader of ZIP archives of documents: the text is the list of the files, which are taken out (`members.py`).

The bytes that are really unpacked are counted, whatever the archive says of its sizes; nothing is written under a name
that the archive gives.
"""

from __future__ import annotations

import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ingest.files import clean_name
from ingest.parse.build import TextBuilder
from ingest.parse.container import DAMAGED, broken
from ingest.parse.limits import MOST_FILES
from ingest.parse.members import Members, TooMuch
from ingest.parse.plain import decode_text
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_BLOCK = 1 << 20
_MOST_RATIO = 200
"""Text packs to a tenth, tables of zeros to a hundredth; what unpacks to over 200 times its size has no words."""
_FROM_BYTES = 16 << 20  # a smaller file may have any ratio
_UTF8_NAME = 0x800  # of the flags
_NO_DOCUMENTS = ("__MACOSX/", ".git/")
_NO_DOCUMENT = frozenset({".ds_store", "thumbs.db", "desktop.ini"})


def read_archive(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """List the files of an archive and take them out. Raises ParseError `encrypted`, `no_text` where none could be."""
    builder = TextBuilder()
    members = Members(builder, limits, "file")
    names: list[str] = []
    locked, budget = 0, limits.inside
    before = len(budget.taken)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            for entry, stated in zip(entries[:MOST_FILES], _names_of(entries[:MOST_FILES]), strict=True):
                shown = clean_name(stated)
                if shown.startswith(_NO_DOCUMENTS) or shown.rpartition("/")[2].lower() in _NO_DOCUMENT:
                    continue
                if entry.flag_bits & 1:
                    locked += 1
                    builder.add_note("member_not_read", f"The file {shown!r} was not read: it is locked by a password.")
                    continue
                names.append(shown)
                members.add(shown, _unpack(archive, entry))
            if len(entries) > MOST_FILES:
                builder.add_note("member_not_read", f"{len(entries) - MOST_FILES} further files were not read.")
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise broken(name, error) from error
    if locked and not names:
        raise ParseError("encrypted", f"{name}: its files are locked by a password. Unpack it and upload the files.")
    if budget.folder is not None and len(budget.taken) == before and not limits.depth:
        raise ParseError("no_text", f"{name}: it has no file that can be read. Upload one with documents in it.")
    builder.add_paragraph("\n".join(names))
    return builder.to_document(name=name, media_type=media_type, title=PurePath(name).stem)


def _names_of(entries: list[zipfile.ZipInfo]) -> list[str]:
    """The names of entries. Where they are not marked as UTF-8 they are in the encoding of the system that packed them:
    the one that ZIP states (cp437) where all their letters are Latin ones in it, else the one that all tell together.
    """
    unmarked = [entry for entry in entries if not entry.flag_bits & _UTF8_NAME and not entry.filename.isascii()]
    stated = "\n".join(entry.filename for entry in unmarked)
    if all(unicodedata.name(letter, "").startswith("LATIN ") for letter in stated if letter > "\x7f"):
        return [entry.filename for entry in entries]
    try:
        text, _encoding = decode_text(stated.encode("cp437"))
    except UnicodeEncodeError:  # a name in Unicode stands beside the other one
        return [entry.filename for entry in entries]
    names = dict(zip(map(id, unmarked), text.split("\n"), strict=False))
    return [names.get(id(entry), entry.filename) for entry in entries]


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of an entry in blocks. Raises TooMuch for what is damaged, or has the ratio of a bomb."""
    unpacked = 0
    try:
        with archive.open(entry) as source:
            while block := source.read(_BLOCK):
                unpacked += len(block)
                if unpacked > _FROM_BYTES and unpacked > _MOST_RATIO * max(1, entry.compress_size):
                    raise TooMuch(f"it unpacks to more than {_MOST_RATIO} times its size")
                yield block
    except DAMAGED as error:
        raise TooMuch(f"it is damaged ({error})"[:160]) from error
