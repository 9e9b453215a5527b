"""The words of drawings in Office files: alternate content, charts, diagrams (SmartArt) and pictures."""

from __future__ import annotations

import functools
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from ingest.parse.build import TextBuilder, clean_line
from ingest.parse.container import parse_xml, read_part
from ingest.parse.embedded import InnerPicture
from ingest.parse.number_format import show_number
from ingest.parse.office import relations

_COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MOST_POINTS = 100_000
_EMU_PER_INCH = 914_400
_SEEN = 0.05  # share of its strength below which a picture is not seen
_REFERENCES = {"chart": "id", "relIds": "dm", "blip": "embed", "imagedata": "id"}
"""The attribute by which a chart, a diagram and a picture (that of VML is `imagedata`) name their part."""


def is_alternate(element: Any) -> bool:
    """Whether the element offers the same content in several forms."""
    return bool(element.tag == f"{_COMPATIBLE}AlternateContent")


def preferred_branch(element: Any) -> Any:
    """The branch of alternate content to read: the first with text, else the first with anything; never two."""
    branches = [one for one in element if one.tag in (f"{_COMPATIBLE}Choice", f"{_COMPATIBLE}Fallback")]
    worded = [one for one in branches if any((text or "").strip() for text in one.itertext())]
    return next(iter(worded or branches), ())


def add_drawn(builder: TextBuilder, archive: zipfile.ZipFile, part: str, drawing: Any, name: str) -> None:
    """Add the words of the charts, diagrams and pictures that a drawing of this part refers to.

    A chart's values are a table. Hidden pictures are passed over, and text boxes with what is drawn in them.
    """
    parts = relations(archive, part, name)
    present = set(archive.namelist())
    for element in drawing.iter():
        if not isinstance(element.tag, str):
            continue
        tag = element.tag.rpartition("}")[2]
        wanted = _REFERENCES.get(tag)
        key = next((value for at, value in element.attrib.items() if wanted and at.endswith("}" + wanted)), None)
        place = parts.get(key or "", ("", ""))[1]
        if wanted and is_in_box(element, drawing):
            continue
        if tag in ("blip", "imagedata"):
            if not _is_unseen(element, drawing):
                load = functools.partial(archive.read, place)
                builder.add_picture(InnerPicture(load, _size_of(element), _cut_of(element)))
            continue
        if place not in present:
            continue
        root = parse_xml(read_part(archive, place, name), name)
        if tag == "chart":
            add_chart(builder, root)
        else:
            builder.add_paragraph(diagram_text(root))


def note_objects(builder: TextBuilder, drawing: Any) -> None:
    """Note the files of other programs that a drawing shows as an icon or a picture."""
    for one in drawing.iter("{*}OLEObject", "{*}oleObj"):
        note_object(builder, one.get("ProgID") or one.get("progId") or "of no stated kind")


def note_object(builder: TextBuilder, kind: str) -> None:
    """Note a file of another program inside a file."""
    builder.add_note(
        "object_not_read",
        f"An embedded object ({kind}) was not read. Open it, and upload it as a file of its own.",
    )


def is_in_box(element: Any, top: Any) -> bool:
    """Whether an element below `top` lies in a text box, whose blocks it belongs to."""
    above = element.getparent()
    while above is not None and element is not top and above is not top:
        if str(above.tag).endswith("}txbxContent"):
            return True
        above = above.getparent()
    return False


def is_other_branch(element: Any, top: Any) -> bool:
    """Whether an element below `top` lies in a branch of alternate content that is not the preferred one."""
    while element is not None and element is not top:
        above = element.getparent()
        if above is not None and is_alternate(above) and preferred_branch(above) is not element:
            return True
        element = above
    return False


def _is_unseen(picture: Any, top: Any) -> bool:
    """Whether a picture, or a group that it is in, is hidden, or it is transparent, a bullet or an object's icon."""
    faded = picture.find("{*}alphaModFix")
    if faded is not None and _share(faded.get("amt") or "100%") < _SEEN:
        return True
    for above in picture.iterancestors():
        named = (above.find("{*}docPr"), above.find("{*}cNvPr"), above[0].find("{*}cNvPr"))
        if any(one is not None and one.get("hidden") in ("1", "true") for one in named):
            return True
        style = (above.get("style") or "").replace(" ", "")
        if "visibility:hidden" in style or str(above.tag).endswith(("}buBlip", "}object")):
            return True
    return is_other_branch(picture, top)


def _size_of(picture: Any) -> tuple[float, float]:
    """The width and height in inches at which a picture is shown; 0.0 inside a group, which has its own scale."""
    if any(True for _ in picture.iterancestors("{*}grpSp", "{*}wgp", "{*}group")):
        return 0.0, 0.0
    for above in picture.iterancestors():
        extent = next((one for path in _EXTENTS for one in above.iterfind(path) if one.get("cx")), None)
        if extent is not None:
            sides = [extent.get(side) or "" for side in ("cx", "cy")]
            across, down = (float(side) / _EMU_PER_INCH if side.isdigit() else 0.0 for side in sides)
            return across, down
    return 0.0, 0.0


_EXTENTS = "{*}spPr/{*}xfrm/{*}ext", "{*}xfrm/{*}ext", "{*}extent"


def _cut_of(picture: Any) -> tuple[float, float, float, float]:
    """The shares of a picture that are cut off at the left, top, right and bottom."""
    cut = picture.getparent().find("{*}srcRect")
    if cut is None:
        return 0.0, 0.0, 0.0, 0.0
    left, top, right, bottom = (max(0.0, _share(cut.get(side) or "0")) for side in "ltrb")
    return left, top, right, bottom


def _share(stated: str) -> float:
    """A percentage of DrawingML: thousandths of a percent, or, in the strict form, a number with its sign."""
    found = re.fullmatch(r"(-?\d{1,9}(?:\.\d{1,9})?)(%?)", stated)
    return float(found[1]) / (100 if found[2] else 100_000) if found else 0.0


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
