"""The reader of each media type. A reader returns the Document of a file or raises ParseError."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

Reader = Callable[[Path, str, str, "Limits"], Document]


def reader_for(media_type: str, name: str) -> Reader:
    """The reader of this media type. Raises ParseError `unsupported_type`."""
    from ingest.parse import sniff

    match media_type:
        case "application/pdf":
            from ingest.parse.pdf import read_pdf

            return read_pdf
        case "text/plain" | "text/markdown":
            from ingest.parse.plain import read_text

            return read_text
        case "text/html":
            from ingest.parse.html import read_html

            return read_html
        case "text/csv" | "text/tab-separated-values":
            from ingest.parse.delimited import read_csv

            return read_csv
        case "application/json":
            from ingest.parse.structured import read_json

            return read_json
        case "application/x-ipynb+json":
            from ingest.parse.structured import read_notebook

            return read_notebook
        case "application/xml":
            from ingest.parse.markup import read_xml

            return read_xml
        case "text/calendar":
            from ingest.parse.invitations import read_calendar

            return read_calendar
        case "message/rfc822" | "application/ms-tnef":
            from ingest.parse.mail import read_mail

            return read_mail
        case sniff.DOCX:
            from ingest.parse.word import read_docx

            return read_docx
        case sniff.PPTX:
            from ingest.parse.slides import read_pptx

            return read_pptx
        case sniff.XLSX:
            from ingest.parse.sheets import read_xlsx

            return read_xlsx
        case sniff.EPUB:
            from ingest.parse.books import read_epub

            return read_epub
        case sniff.ODT | sniff.ODP | sniff.ODS:
            from ingest.parse.opendocument import read_opendocument

            return read_opendocument
        case "text/vtt" | "application/x-subrip" | "text/x-ssa":
            from ingest.parse.subtitles import read_subtitles

            return read_subtitles
        case "text/x-rst":
            from ingest.parse.outline import read_rst

            return read_rst
        case "text/x-org":
            from ingest.parse.outline import read_org

            return read_org
        case "application/mbox":
            from ingest.parse.mail import read_mailbox

            return read_mailbox
        case "application/vnd.ms-outlook":
            from ingest.parse.outlook import read_msg

            return read_msg
        case "application/msword" | "application/vnd.ms-excel" | "application/vnd.ms-powerpoint" | sniff.XLSB:
            from ingest.parse.legacy import read_legacy

            return read_legacy
        case "application/zip":
            from ingest.parse.archive import read_archive

            return read_archive
        case "application/rtf":
            from ingest.parse.rtf import read_rtf

            return read_rtf
        case _ if media_type in sniff.OLD_OPENOFFICE:
            from ingest.parse.legacy import read_legacy

            return read_legacy
        case _ if media_type.startswith("image/"):
            from ingest.parse.pictures import read_picture

            return read_picture
        case _:
            raise sniff.unsupported(name, media_type)
