"""The rectangles of a stretch of text on its page. Pure."""

from __future__ import annotations

from rag.types import Box, Page


def line_boxes(page: Page, start: int, end: int) -> list[Box]:
    """One rectangle for each line of the page's words that overlap characters `start` to `end` of the document.

    Words are in reading order; a new line begins where a word is left of the previous one or does not overlap it in
    height. Coordinates are PDF points from the page's bottom left, inside the page.
    """
    boxes: list[Box] = []
    for word in page.boxes.unpack():
        if word.end <= start or word.start >= end:
            continue
        x0, x1 = max(0.0, word.x0), min(page.width, word.x1)
        y0, y1 = max(0.0, word.y0), min(page.height, word.y1)
        if x1 < x0 or y1 < y0:
            continue
        last = boxes[-1] if boxes else None
        same_line = (
            last is not None and min(last.y1, y1) - max(last.y0, y0) > 0.5 * min(last.y1 - last.y0, y1 - y0)
        ) and x0 >= last.x0
        if same_line and last is not None:
            boxes[-1] = Box(page.number, min(last.x0, x0), min(last.y0, y0), max(last.x1, x1), max(last.y1, y1))
        else:
            boxes.append(Box(page.number, x0, y0, x1, y1))
    return boxes
