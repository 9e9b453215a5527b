"""Small SVG charts: lines, whiskers, bars. The page's style sets colours and fonts, by class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from evals.report.markup import element, format_ms
from evals.report.runs import Timing, Total

Point = tuple[float, float]

_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 24, 12, 40  # px around the axes
_LABEL_PX = 10  # the height of a point's label
_LETTER_PX = 13  # what two letters at the ends of lines need between them


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from `low` to `high`, with a label at each tick."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def share(self, value: float) -> float:
        """The position of a value along the axis, 0 to 1; a value outside the axis is drawn at its end."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


@dataclass(frozen=True, slots=True)
class Plane:
    """Two axes and the size of the picture in px. It maps points of the axes to px."""

    x: Axis
    y: Axis
    width: int = 340
    height: int = 250

    @property
    def inner_width(self) -> int:
        return self.width - _LEFT - _RIGHT

    @property
    def inner_height(self) -> int:
        return self.height - _TOP - _BOTTOM

    def place(self, point: Point) -> Point:
        """The px of a point, from the left and from the top."""
        return (
            _LEFT + self.x.share(point[0]) * self.inner_width,
            _TOP + (1 - self.y.share(point[1])) * self.inner_height,
        )


@dataclass(frozen=True, slots=True)
class Series:
    """The line of one run: `points` with the tooltip of each; `marked` is drawn as a ring.

    `labels`, where there are any, are written above the points, or below those at the top.
    """

    letter: str
    points: tuple[tuple[Point, str], ...]
    dots: bool = True
    marked: tuple[Point, str] | None = None
    labels: tuple[str, ...] = ()


# Lines ----------------------------------------------------------------------------------------------------------------


def line_chart(
    description: str,
    plane: Plane,
    series: Sequence[Series],
    *,
    limit: tuple[float, str] | None = None,
    diagonal: bool = False,
) -> Element:
    """Lines over a grid, each with its run's letter at its end. `limit` is a value on x with its label.

    `diagonal` draws a line from the lower left corner to the upper right.
    """
    x, y, place, inner_width = plane.x, plane.y, plane.place, plane.inner_width
    bottom = _TOP + plane.inner_height
    drawn: list[Element] = []
    for value, label in y.ticks:
        _, at = place((x.low, value))
        drawn.append(element("line", class_="grid", x1=_LEFT, x2=_LEFT + inner_width, y1=at, y2=at))
        drawn.append(element("text", label, class_="tick", x=_LEFT - 6, y=at + 4, text_anchor="end"))
    for value, label in x.ticks:
        at, _ = place((value, y.low))
        drawn.append(element("line", class_="axis", x1=at, x2=at, y1=bottom, y2=bottom + 4))
        drawn.append(element("text", label, class_="tick", x=at, y=bottom + 17, text_anchor="middle"))
    drawn.append(element("line", class_="axis", x1=_LEFT, x2=_LEFT + inner_width, y1=bottom, y2=bottom))
    middle = _LEFT + inner_width / 2
    drawn.append(element("text", x.label, class_="label", x=middle, y=plane.height - 6, text_anchor="middle"))
    if limit:
        at, _ = place((limit[0], y.low))
        drawn.append(element("line", class_="limit", x1=at, x2=at, y1=_TOP, y2=bottom))
        drawn.append(element("text", limit[1], class_="tick", x=at - 5, y=_TOP + 10, text_anchor="end"))
    if diagonal:
        (left, low), (right, high) = place((x.low, y.low)), place((x.high, y.high))
        drawn.append(element("line", class_="limit", x1=left, x2=right, y1=low, y2=high))
    for line in series:
        drawn.append(_line(line, place))
    if len(series) > 1:
        drawn += _end_letters([(line.letter, place(line.points[-1][0])) for line in series])
    return _svg(description, plane.width, plane.height, drawn)


def _line(line: Series, place: Callable[[Point], Point]) -> Element:
    placed = [(place(point), words) for point, words in line.points]
    path = "M" + "L".join(f"{at:.1f} {up:.1f}" for (at, up), _ in placed)
    group = element("g", element("path", class_="line", d=path), class_=f"run-{line.letter}")
    for (at, up), words in placed if line.dots else ():
        group.append(element("circle", element("title", words), class_="dot", cx=at, cy=up, r=3))
    for ((at, up), _), label in zip(placed, line.labels, strict=False):
        beside = up - 8 if up - 8 - _LABEL_PX >= 0 else up + 8 + _LABEL_PX
        group.append(element("text", label, class_="tick on-line", x=at, y=beside, text_anchor="middle"))
    if line.marked:
        (at, up), words = place(line.marked[0]), line.marked[1]
        group.append(element("circle", element("title", words), class_="ring", cx=at, cy=up, r=5.5))
    return group


def _end_letters(ends: Sequence[tuple[str, Point]]) -> list[Element]:
    """The letters at the ends of the lines, moved apart where they would overlap."""
    letters = []
    lowest = -math.inf
    for letter, (at, up) in sorted(ends, key=lambda end: end[1][1]):
        lowest = max(up, lowest + _LETTER_PX)
        letters.append(
            element("text", letter, class_=f"letter run-{letter}", x=at + 9, y=lowest + 4, text_anchor="start")
        )
    return letters


# Whiskers -------------------------------------------------------------------------------------------------------------

_QUARTER, _QUARTER_AMONG_SEVERAL = 34, 58  # px from one line of the grid to the next, as in page.css
_WHISKER_ROW, _WHISKER_PAD = 22, 7


def whiskers(name: str, totals: Sequence[tuple[str, Total | None]], highest: float) -> Element:
    """A dot and its 95 % interval for each run, one below the other, from 0 to `highest`.

    The grid is the background of the table cell, so that it continues from one row to the next.
    """
    axis = Axis("", 0.0, highest, ())
    inner = 4 * (_QUARTER if len(totals) == 1 else _QUARTER_AMONG_SEVERAL)
    width, height = inner + 2 * _WHISKER_PAD, _WHISKER_ROW * len(totals)

    def place(value: float) -> float:
        return _WHISKER_PAD + axis.share(value) * inner

    drawn, said = [], []
    for row, (letter, total) in enumerate(totals):
        if total is None:
            continue
        middle = (row + 0.5) * _WHISKER_ROW
        words = describe_total(total)
        said.append(f"{letter} {words}" if len(totals) > 1 else words)
        group = element("g", element("title", words), class_=f"run-{letter}")
        if total.low is not None and total.high is not None:
            group.append(
                element("line", class_="whisker", x1=place(total.low), x2=place(total.high), y1=middle, y2=middle)
            )
        group.append(element("circle", class_="dot", cx=place(total.value), cy=middle, r=4))
        drawn.append(group)
    return _svg(f"{name}: {'; '.join(said)}", width, height, drawn)


def describe_total(total: Total) -> str:
    """A total in words, for readers who cannot see the dot."""
    if total.low is None or total.high is None:
        return f"{total.value:.3f}"
    return f"{total.value:.3f}, 95 % interval {total.low:.3f} to {total.high:.3f}"


# Bars -----------------------------------------------------------------------------------------------------------------

_BAR_WIDTH = 720  # px of a chart of bars
_BAR_LEFT, _BAR_RIGHT, _BAR_ROW, _STEP_GAP, _BAR_AXIS = 116, 130, 17, 9, 28


def latency_chart(description: str, steps: Sequence[tuple[str, Sequence[tuple[str, Timing]]]]) -> Element:
    """One bar a step and run, to the median and on to the 95th percentile, in milliseconds on a log axis."""
    timings = [timing for _, runs in steps for _, timing in runs]
    positive = [timing.p50 for timing in timings if timing.p50 > 0] or [1.0]
    low = math.floor(math.log10(min(positive)))
    high = max(low + 1, math.ceil(math.log10(max([timing.p95 for timing in timings] + positive))))
    axis = Axis("", low, high, tuple((power, format_ms(10.0**power)) for power in range(low, high + 1)))
    inner = _BAR_WIDTH - _BAR_LEFT - _BAR_RIGHT

    def place(value_ms: float) -> float:
        return _BAR_LEFT + axis.share(math.log10(value_ms) if value_ms > 0 else low) * inner

    bottom = sum(len(runs) * _BAR_ROW + _STEP_GAP for _, runs in steps)
    drawn: list[Element] = []
    for power, label in axis.ticks:
        at = place(10.0**power)
        drawn.append(element("line", class_="grid", x1=at, x2=at, y1=0, y2=bottom))
        drawn.append(element("text", _round_time(label), class_="tick", x=at, y=bottom + 16, text_anchor="middle"))
    top = 0.0
    for step, runs in steps:
        center = top + _STEP_GAP / 2 + len(runs) * _BAR_ROW / 2
        drawn.append(
            element("text", step.replace("_", " "), class_="name", x=_BAR_LEFT - 10, y=center + 4, text_anchor="end")
        )
        for row, (letter, timing) in enumerate(runs):
            up = top + _STEP_GAP / 2 + row * _BAR_ROW
            drawn.append(_bar(letter, timing, up, place))
        top += len(runs) * _BAR_ROW + _STEP_GAP
    return _svg(description, _BAR_WIDTH, bottom + _BAR_AXIS, drawn)


def _round_time(label: str) -> str:
    """`1.0 ms` as `1 ms`: ticks are powers of ten."""
    number, _, unit = label.partition(" ")
    return f"{float(number):g} {unit}" if number.replace(".", "").isdigit() else label


def _bar(letter: str, timing: Timing, up: float, place: Callable[[float], float]) -> Element:
    start, middle, end = _BAR_LEFT, place(timing.p50), place(timing.p95)
    height = _BAR_ROW - 5
    return element(
        "g",
        element("title", f"{letter}: median {format_ms(timing.p50)}, 95th percentile {format_ms(timing.p95)}"),
        element("rect", class_="bar", x=start, y=up + 2, width=max(1.0, middle - start), height=height),
        element("rect", class_="bar-more", x=middle, y=up + 2, width=max(0.0, end - middle), height=height),
        element("text", f"{format_ms(timing.p50)} – {format_ms(timing.p95)}", class_="value", x=end + 7, y=up + 12),
        class_=f"run-{letter}",
    )


def stacked_bar(description: str, parts: Sequence[tuple[str, str, int]]) -> Element:
    """The parts of a whole side by side. Each part is (CSS class, name, count)."""
    whole = sum(count for _, _, count in parts)
    at, drawn = 0.0, []
    for kind, name, count in parts:
        wide = count / whole * _BAR_WIDTH if whole else 0.0
        if not wide:
            continue
        group = element("g", element("title", f"{name}: {count:,} of {whole:,}"))
        group.append(element("rect", class_=f"part {kind}", x=at, y=0, width=max(0.5, wide - 1.5), height=22))
        if wide > 34:
            group.append(element("text", f"{count:,}", class_="on-part", x=at + wide / 2, y=15, text_anchor="middle"))
        drawn.append(group)
        at += wide
    return _svg(description, _BAR_WIDTH, 22, drawn)


def _svg(description: str, width: int, height: float, drawn: Sequence[Element]) -> Element:
    return element(
        "svg",
        drawn,
        role="img",
        aria_label=description,
        viewBox=f"0 0 {width} {height:g}",
        width=width,
        height=height,
    )
