"""Ticks, crosses and boxes that a page draws with lines, as the signs that people see. Pure.

shapes ─ find_ticks ─> places and signs: `✓`, `✗`, and for boxes `☒` or `☐`

Coordinates are PDF points from the bottom left of the page as displayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Point = tuple[float, float]
Box = tuple[float, float, float, float]

SMALLEST, LARGEST = 4.0, 20.0  # points of a side
_MOST_SHAPES = 400  # of a page: one with more is a drawing
_NEAR = 1.5  # points
_FLAT = 0.1  # points of a side from which on a shape has one


class Shape(NamedTuple):
    """A path of straight lines from point to point; `closed` where it ends at its start, `solid` where it is filled."""

    points: Sequence[Point]
    closed: bool
    solid: bool

    @property
    def box(self) -> Box:
        """Left, bottom, right and top."""
        xs, ys = [x for x, _ in self.points], [y for _, y in self.points]
        return min(xs), min(ys), max(xs), max(ys)


def find_ticks(shapes: Iterable[Shape], words: Sequence[Point]) -> list[tuple[Box, str]]:
    """The signs among the shapes of a page with their boxes; none among words, whose middles are given, or drawings."""
    boxes: list[Box] = []
    signs: list[tuple[Box, str]] = []
    strokes: list[Shape] = []
    for shape in shapes:
        if _is_square(shape):
            boxes.append(shape.box)
        elif _is_tick(shape):
            signs.append((shape.box, "✓"))
        elif _is_cross(shape):
            signs.append((shape.box, "✗"))
        elif _is_diagonal(shape):
            strokes.append(shape)
        if len(boxes) + len(signs) + len(strokes) > _MOST_SHAPES:
            return []
    boxes = _outermost(boxes)
    signs += [(one.box, "✗") for at, one in enumerate(strokes) if any(_cross(one, other) for other in strokes[:at])]
    alone = [
        box for at, box in enumerate(boxes) if not any(_touch(box, other) for other in boxes[:at] + boxes[at + 1 :])
    ]
    found = [(box, "☒" if any(_holds(box, _middle(one)) for one, _ in signs) else "☐") for box in alone]
    found += [(box, sign) for box, sign in signs if not any(_holds(one, _middle(box)) for one in boxes)]
    return [(box, sign) for box, sign in found if not any(_holds(box, word) for word in words)]


def _outermost(boxes: list[Box]) -> list[Box]:
    """The boxes without those inside one with the same middle: its double border."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda one: one[0] - one[2]):
        x, y = _middle(box)
        if not any(abs(_middle(one)[0] - x) < _NEAR and abs(_middle(one)[1] - y) < _NEAR for one in kept):
            kept.append(box)
    return kept


def _is_square(shape: Shape) -> bool:
    x0, y0, x1, y1 = shape.box
    width, height = x1 - x0, y1 - y0
    if shape.solid or not (4 <= len(shape.points) <= 5) or not 0.8 < width / max(height, 0.1) < 1.25:
        return False
    corners = all(min(x - x0, x1 - x) < 0.1 and min(y - y0, y1 - y) < 0.1 for x, y in shape.points)
    return corners and (shape.closed or shape.points[0] == shape.points[-1])


def _is_tick(shape: Shape) -> bool:
    """Whether the lines go down from the left and, longer, up to the right."""
    if not 3 <= len(shape.points) <= 8 or shape.solid == (len(shape.points) == 3) or shape.closed > shape.solid:
        return False
    x0, y0, x1, y1 = shape.box
    width, height = x1 - x0, y1 - y0
    if min(width, height) < _FLAT:
        return False
    lowest = min(shape.points, key=lambda point: point[1])
    left, right = min(shape.points), max(shape.points)
    return (
        0.1 < (lowest[0] - x0) / width < 0.6
        and 0.15 < (left[1] - y0) / height < 0.75
        and (right[1] - y0) / height > 0.75
        and 0.6 < width / height < 2.5
    )


def _is_cross(shape: Shape) -> bool:
    """Whether a filled shape of twelve corners has two in each corner of its box, and four about its middle."""
    x0, y0, x1, y1 = shape.box
    if not shape.solid or len(shape.points) - (shape.points[0] == shape.points[-1]) != 12:
        return False
    width, height = x1 - x0, y1 - y0
    if min(width, height) < _FLAT:
        return False
    middle = sum(abs(x - x0 - width / 2) < width / 4 and abs(y - y0 - height / 2) < height / 4 for x, y in shape.points)
    return 0.8 < width / height < 1.25 and middle >= 4


def _is_diagonal(shape: Shape) -> bool:
    x0, y0, x1, y1 = shape.box
    return len(shape.points) == 2 and 0.5 < (x1 - x0) / max(y1 - y0, 0.1) < 2.0


def _cross(one: Shape, other: Shape) -> bool:
    """Whether two lines stand on the same place and lean to different sides."""
    same = all(abs(a - b) < _NEAR for a, b in zip(one.box, other.box, strict=True))
    return same and _leans(one) != _leans(other)


def _leans(shape: Shape) -> bool:
    (ax, ay), (bx, by) = shape.points
    return (bx - ax) * (by - ay) > 0


def _touch(box: Box, other: Box) -> bool:
    """Whether two boxes overlap or stand side by side: fields for single letters, cells of a grid."""
    return (
        box[0] - _NEAR < other[2]
        and other[0] - _NEAR < box[2]
        and box[1] - _NEAR < other[3]
        and other[1] - _NEAR < box[3]
    )


def _middle(box: Box) -> Point:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _holds(box: Box, point: Point) -> bool:
    return box[0] - _NEAR <= point[0] <= box[2] + _NEAR and box[1] - _NEAR <= point[1] <= box[3] + _NEAR
