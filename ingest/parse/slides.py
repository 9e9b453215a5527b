"""Reader of PPTX, with python-pptx. The only home of python-pptx."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.parse.build import TextBuilder, clean_line, clean_text
from ingest.parse.container import broken, open_container
from ingest.parse.office import cell_text, core_properties
from rag.errors import ParseError
from rag.types import Document

if TYPE_CHECKING:
    from ingest.parse.limits import Limits

_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SHOW = "{http://schemas.openxmlformats.org/presentationml/2006/main}"


def read_pptx(path: Path, name: str, media_type: str, limits: Limits) -> Document:
    """Read slides as pages: titles as headings, text from top to bottom, tables, charts and the speaker's notes."""
    from pptx import Presentation
    from pptx.exc import PythonPptxError

    with open_container(path, name, limits) as archive:
        metadata, title = core_properties(archive, name)
    builder = TextBuilder()
    try:
        show = Presentation(str(path))
        slides = show.slides
        count, hidden = len(slides), 0
        if count > limits.max_pages:
            raise ParseError("too_large", f"{name}: it has {count} slides, more than {limits.max_pages}. Split it.")
        for number, slide in enumerate(slides, 1):
            if slide._element.get("show") in ("0", "false"):
                hidden += sum(len(clean_line(text.text or "")) for text in slide._element.iter(f"{_DRAWING}t"))
            else:
                hidden += _add_slide(builder, slide, show.slide_width or 0, show.slide_height or 0)
            if number < count:
                builder.separate("\n\n")
            builder.end_page(number)
    except (PythonPptxError, KeyError, ValueError, AttributeError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise broken(name, error) from error
    metadata["slides"] = str(count)
    if hidden:
        metadata["hidden_characters"] = str(hidden)
    return builder.to_document(name=name, media_type=media_type, title=title, metadata=metadata)


def _add_slide(builder: TextBuilder, slide: Any, width: int, height: int) -> int:
    """Add the visible text of the slide; returns the number of characters in hidden or off-slide shapes."""
    hidden = 0
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        builder.add_heading(1, title.text_frame.text)
    number = None if title is None else title.shape_id
    seen = []
    for shape in slide.shapes:
        if _is_hidden_shape(shape, width, height):
            hidden += sum(len(clean_line(text.text or "")) for text in shape._element.iter(f"{_DRAWING}t"))
        else:
            seen.append(shape)
    for shape in _shapes(seen, 0):
        if number is not None and shape.shape_id == number:
            continue
        if getattr(shape, "has_table", False) and shape.has_table:
            builder.add_table([cell.text for cell in row.cells] for row in shape.table.rows)
        elif getattr(shape, "has_chart", False) and shape.has_chart:
            _add_chart(builder, shape.chart)
        elif shape.has_text_frame:
            lines = [clean_line(paragraph.text) for paragraph in shape.text_frame.paragraphs]
            builder.add_paragraph("\n".join(line for line in lines if line))
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = clean_text(slide.notes_slide.notes_text_frame.text).strip()
        if notes:
            builder.add_paragraph(f"Notes: {notes}")
    return hidden


def _is_hidden_shape(shape: Any, width: int, height: int) -> bool:
    """Whether the shape is marked as hidden or lies entirely off the slide (lengths in EMU)."""
    mark = next(shape._element.iter(f"{_SHOW}cNvPr"), None)  # the first is its own, before those of a group's members
    if mark is not None and mark.get("hidden") in ("1", "true"):
        return True
    if None in (shape.left, shape.top, shape.width, shape.height) or not (width and height):
        return False
    across = shape.left + shape.width > 0 and shape.left < width
    down = shape.top + shape.height > 0 and shape.top < height
    return not (across and down)


def _shapes(shapes: Any, depth: int) -> Iterator[Any]:
    """The shapes in reading order, from top to bottom, then from left to right; groups are expanded."""
    placed = sorted(shapes, key=lambda shape: ((shape.top or 0) // 100_000, shape.left or 0))
    for shape in placed:
        if hasattr(shape, "shapes") and depth < 20:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _add_chart(builder: TextBuilder, chart: Any) -> None:
    from pptx.exc import PythonPptxError

    if chart.has_title and chart.chart_title.has_text_frame:
        builder.add_paragraph(clean_line(chart.chart_title.text_frame.text))
    try:
        plots = list(chart.plots)
        if not plots:
            return
        categories = [str(category) for category in plots[0].categories]
        series = [(str(one.name), list(one.values)) for one in plots[0].series]
    except (
        PythonPptxError,
        ValueError,
        KeyError,
        AttributeError,
        NotImplementedError,
    ):  # kinds of chart that python-pptx does not support
        return
    rows = [["", *(label for label, _values in series)]]
    for index, category in enumerate(categories):
        rows.append(
            [category, *(cell_text(values[index], "") if index < len(values) else "" for _label, values in series)]
        )
    builder.add_table(rows)
