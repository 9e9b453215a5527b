"""The words of drawings in Office files: alternate content, charts and diagrams (SmartArt)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.container import parse_xml, read_part
from ingest.parse.number_format import show_number
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
    """Add a chart's titles and what is written at its points, and its values as tables: a row for each category.

    Series over the same categories are columns of one table; others, such as those of a scatter chart, have their own.
    """
    lines = [
        clean_line("".join(one.text or "" for one in title.iter("{*}t")))
        for title in root.iter("{*}title", "{*}rich")
        if not _in_title(title)
    ]
    builder.add_paragraph("\n".join(line for line in lines if line))
    tables: list[tuple[dict[int, str], list[tuple[str, dict[int, str]]]]] = []
    for name, labels, values in (*_series(root), *_newer_series(root)):
        if tables and (labels == tables[-1][0] or not labels):
            tables[-1][1].append((name, values))
        elif values:
            tables.append((labels, [(name, values)]))
    for labels, series in tables:
        names = [name for name, _values in series]
        table = [["", *names]] if any(names) else []
        places = sorted({at for _name, values in series for at in values})
        table += [[labels.get(at, ""), *(values.get(at, "") for _name, values in series)] for at in places]
        builder.add_table(table)


_Series = tuple[str, dict[int, str], dict[int, str]]


def _in_title(element: Any) -> bool:
    return any(True for _ in element.iterancestors("{*}title"))


def _series(root: Any) -> Iterator[_Series]:
    """The series of a chart: its name, its categories and its values by their place; sizes of bubbles are a series."""
    for series in root.iter("{*}ser"):
        heading = series.find("{*}tx")
        name = "" if heading is None else clean_line(" ".join(one.text or "" for one in heading.iter("{*}v")))
        labels = next((found for tag in ("cat", "xVal") if (found := _points(series.find("{*}" + tag)))), {})
        for tag in ("val", "yVal"):
            if values := _points(series.find("{*}" + tag)):
                yield name, labels, values
        if sizes := _points(series.find("{*}bubbleSize")):
            yield f"{name} (size)".strip(), labels, sizes


def _newer_series(root: Any) -> Iterator[_Series]:
    """The same of the charts that Office 2016 brought (waterfall, funnel, tree map), which keep their data apart."""
    data = {one.get("id"): one for one in root.iter("{*}data")}
    for series in root.iter("{*}series"):
        heading = series.find("{*}tx")
        name = "" if heading is None else clean_line(" ".join(one.text or "" for one in heading.iter("{*}v")))
        key = series.find("{*}dataId")
        held = None if key is None else data.get(key.get("val"))
        if held is not None:
            labels: dict[int, str] = {}
            for part in held.iterfind("{*}strDim"):
                labels = labels or _points(part)
            for part in held.iterfind("{*}numDim"):
                yield name, labels, _points(part)


def _points(data: Any) -> dict[int, str]:
    """The values of a part of a chart by their place, as its number format shows them; outer levels come first."""
    levels: list[dict[int, str]] = []
    if data is None:
        return {}
    held = [one for one in data.iter("{*}lvl") if one.find("{*}pt") is not None] or [data]
    for level in held:
        stated = level.get("formatCode") or level.findtext(".//{*}formatCode") or "General"
        points: dict[int, str] = {}
        for point in level.iter("{*}pt"):
            at = point.get("idx") or ""
            value = " ".join(clean_line(one.text or "") for one in point.iterfind("{*}v")) or clean_line(
                point.text or ""
            )
            if at.isdigit() and int(at) < _MOST_POINTS and value:
                points[int(at)] = show_number(value, point.get("formatCode") or stated)
        levels.append(points)
    inner = levels[0]
    return {at: " ".join((*_outer(levels[1:], at), value)) for at, value in sorted(inner.items())}


def _outer(levels: list[dict[int, str]], at: int) -> list[str]:
    """The labels of the outer levels at a place: each covers the places up to the next one."""
    found = [max((one for one in level if one <= at), default=-1) for level in levels]
    return [level[place] for level, place in reversed(list(zip(levels, found, strict=True))) if place >= 0]
