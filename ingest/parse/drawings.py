"""The words of drawings in Office files: alternate content, charts and diagrams (SmartArt)."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.container import parse_xml, read_part
from ingest.parse.number_format import plain_number
from ingest.parse.office import relations

_COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MOST_POINTS = 100_000


def is_alternate(element: Any) -> bool:
    """Whether the element offers the same content in several forms."""
    return bool(element.tag == f"{_COMPATIBLE}AlternateContent")


def preferred_branch(element: Any) -> Any:
    """The branch of alternate content to read: the first with text, else the first with anything; never two."""
    branches = [one for one in element if one.tag in (f"{_COMPATIBLE}Choice", f"{_COMPATIBLE}Fallback")]
    worded = [one for one in branches if any((text or "").strip() for text in one.itertext())]
    return next(iter(worded or branches), ())


def add_drawn(builder: TextBuilder, archive: zipfile.ZipFile, part: str, drawing: Any, name: str) -> None:
    """Add the words of the charts and diagrams that a drawing of this part refers to; a chart's values are a table."""
    parts = relations(archive, part, name)
    present = set(archive.namelist())
    for element in drawing.iter():
        if not isinstance(element.tag, str):
            continue
        tag = element.tag.rpartition("}")[2]
        wanted = {"chart": "id", "relIds": "dm"}.get(tag)
        key = next((value for at, value in element.attrib.items() if wanted and at.endswith("}" + wanted)), None)
        place = parts.get(key or "", ("", ""))[1]
        if place not in present:
            continue
        root = parse_xml(read_part(archive, place, name), name)
        if tag == "chart":
            add_chart(builder, root)
        else:
            builder.add_paragraph(diagram_text(root))


def diagram_text(root: Any) -> str:
    """The text of a diagram's nodes, one a line, in the order of its data."""
    lines = []
    for point in root.iter("{*}pt"):
        if point.get("type") in (None, "node", "asst"):
            lines += [
                clean_line("".join(one.text or "" for one in paragraph.iter("{*}t")))
                for paragraph in point.iterfind("{*}t/{*}p")
            ]
    return "\n".join(line for line in lines if line)


def add_chart(builder: TextBuilder, root: Any) -> None:
    """Add a chart's titles, and its values as a table: a row for each category, a column for each series."""
    titles = [clean_line("".join(one.text or "" for one in title.iter("{*}t"))) for title in root.iter("{*}title")]
    builder.add_paragraph("\n".join(title for title in titles if title))
    rows: dict[int, dict[int, str]] = {}
    names: list[str] = []
    labels: dict[int, str] = {}
    for number, series in enumerate(root.iter("{*}ser")):
        heading = series.find("{*}tx")
        names.append("" if heading is None else clean_line(" ".join(one.text or "" for one in heading.iter("{*}v"))))
        for tag in ("cat", "xVal"):
            for at, value in _points(series.find("{*}" + tag)):
                labels.setdefault(at, value)
        for tag in ("val", "yVal"):
            for at, value in _points(series.find("{*}" + tag)):
                rows.setdefault(at, {})[number] = value
    if rows:
        table = [["", *names]] if any(names) else []
        table += [[labels.get(at, ""), *(rows[at].get(one, "") for one in range(len(names)))] for at in sorted(rows)]
        builder.add_table(table)


def _points(data: Any) -> Iterator[tuple[int, str]]:
    if data is None:
        return
    for point in data.iter("{*}pt"):
        at = point.get("idx") or ""
        value = " ".join(clean_line(one.text or "") for one in point.iterfind("{*}v"))
        if at.isdigit() and int(at) < _MOST_POINTS and value:
            is_number = re.fullmatch(r"-?\d+(\.\d+)?(E[+-]?\d+)?", value, re.IGNORECASE)
            yield int(at), plain_number(Decimal(value)) if is_number else value
