"""Words recognised in pictures of pages, by rapidocr or Tesseract. The only home of rapidocr.

    picture ─ Recogniser.read ─> a page's words with boxes, its tilt and confidence

The models (PP-OCRv6 small, Apache-2.0) lie inside rapidocr's wheel and run under OpenVINO, else under onnxruntime.
Without it, or where the settings name it, Tesseract reads (`tesseract.py`). Measured on 20 generated pages of 150 dpi
with noise and 2 degrees of tilt: see `evals/reading.py`.
"""

from __future__ import annotations

import importlib.resources
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ingest.parse.build import clean_text
from ingest.parse.limits import Limits, extend_limits
from ingest.parse.lines import PageWord, PageWords

if TYPE_CHECKING:
    import numpy as np

LONGEST_SIDE = 2_000  # pixels that the models are given; a page of A4 then has 171 dpi
_SHORTEST_SIDE = 500  # pixels
THREADS = 2
_SURE = 0.8  # a page recognised with less is also tried turned round
_FEWEST_LINES = 3
_FLAT = 6.0  # standard deviation of grey below which a picture is an empty page
BLANK, WORDLESS = "its picture is blank", "it is a picture in which no words were recognised"
"""Troubles of a picture that shows no words."""
_BODY = 0.2  # share by which sizes of lines differ from the usual one by chance
_MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
}
_SHARE_OF_TIME = 0.9


class OcrUnavailable(Exception):
    """Words cannot be recognised here; the message says why, as the end of a sentence."""


class Quad(NamedTuple):
    """Four corners in pixels, from the top left of the writing on; `y` counts downwards."""

    points: tuple[tuple[float, float], ...]

    @classmethod
    def around(cls, quads: Sequence[Quad]) -> Quad:
        """From the left side of the first to the right side of the last one."""
        first, last = quads[0].points, quads[-1].points
        return cls((first[0], last[1], last[2], first[3]))


class Line(NamedTuple):
    """A line of words with their places, and how sure the engine is of it, 0 to 1."""

    words: list[tuple[str, Quad]]
    score: float
    quad: Quad

    @property
    def letters(self) -> int:
        return sum(len(text) for text, _quad in self.words)


class Engine(Protocol):
    """Reads the lines of a picture (uint8, shape (rows, columns, 3), BGR), in any order."""

    def read_lines(self, picture: np.ndarray) -> list[Line]: ...


@dataclass(frozen=True, slots=True)
class Recogniser:
    """An engine and the time at which it must stop; made by `open_recogniser`."""

    engine: Engine
    stop_s: float
    stop_cpu_s: float

    @property
    def is_late(self) -> bool:
        """Whether no time is left."""
        return time.monotonic() > self.stop_s or time.process_time() > self.stop_cpu_s

    def read(self, picture: np.ndarray, number: int, width: float, height: float) -> PageWords:
        """The words of a picture (uint8, shape (rows, columns, 3), BGR) that shows a page of this size in points.

        The page's source is `ocr`, or `unreadable` with the reason as its `trouble`.
        """
        if float(picture.std()) < _FLAT:
            return _unreadable(number, width, height, BLANK)
        if self.is_late:
            return _unreadable(number, width, height, "the time for OCR ran out; raise FOOTNOTE_PARSING__OCR_TIMEOUT_S")
        try:
            turned, lines = self._read_upright(picture)
        # rapidocr raises errors of OpenCV, of its engine and of its own for one picture; the other pages are read.
        except Exception as error:  # noqa: BLE001
            return _unreadable(number, width, height, f"OCR failed ({type(error).__name__}: {error})"[:200])
        if not lines:
            return _unreadable(number, width, height, WORDLESS)
        return _place_lines(lines, turned, picture.shape[1], number, width, height)

    def _read_upright(self, picture: np.ndarray) -> tuple[int, list[Line]]:
        """The lines, and by how many quarters the picture was turned counter-clockwise to read them."""
        lines = self.engine.read_lines(picture)
        upright = sum(1 for line in lines if _is_wide(line.quad)) >= 0.5 * len(lines)
        if not lines or (upright and (_confidence(lines) >= _SURE or len(lines) < _FEWEST_LINES)):
            return 0, lines
        # The engine turns tall lines itself, and so reads one of the two ways without telling their order.
        best, needed = (0, lines), (1.05 if upright else 0.8) * _worth(lines)
        for quarters in (2,) if upright else (1, 3):
            found = self.engine.read_lines(_turned(picture, quarters))
            if _worth(found) > needed:
                best, needed = (quarters, found), _worth(found)
        return best


@dataclass(frozen=True, slots=True)
class _Rapid:
    """rapidocr's engine."""

    engine: Any

    def read_lines(self, picture: np.ndarray) -> list[Line]:
        result = self.engine(_padded(picture), use_cls=False, return_word_box=True)
        if result.boxes is None or result.txts is None:
            return []
        lines = []
        for box, text, score, pieces in zip(
            result.boxes, result.txts, result.scores, result.word_results or [()] * len(result.txts), strict=True
        ):
            quad = Quad(tuple((float(x), float(y)) for x, y in box))
            words = _split_words(clean_text(text), pieces, quad)
            if words:
                lines.append(Line(words, float(score), quad))
        return lines


def _padded(picture: np.ndarray) -> np.ndarray:
    """The picture with its corner's colour added at the right and below, where a side is short.

    The engine enlarges its shorter side to 736 pixels: a strip of 400 by 60 took 4 s, and takes 0.5 s so.
    """
    import numpy as np

    down, across = (max(0, _SHORTEST_SIDE - side) for side in picture.shape[:2])
    if not down and not across:
        return picture
    padded = np.empty((picture.shape[0] + down, picture.shape[1] + across, 3), np.uint8)
    padded[:] = picture[-1, -1]
    padded[: picture.shape[0], : picture.shape[1]] = picture
    return padded


def open_recogniser(limits: Limits) -> Recogniser:
    """The engine, with the limits of the process raised to those of OCR. Raises OcrUnavailable.

    The time for OCR is that of a file with all files inside it.
    """
    if not limits.ocr:
        raise OcrUnavailable("OCR is switched off (FOOTNOTE_PARSING__OCR)")
    extend_limits(limits)
    share = _SHARE_OF_TIME * limits.ocr_timeout_s
    budget = limits.inside
    if budget.ocr_until_s is None:
        budget.ocr_engine = _choose_engine(limits)
        budget.ocr_until_s = time.monotonic() + share
        budget.ocr_until_cpu_s = time.process_time() + share * THREADS
    return Recogniser(budget.ocr_engine, budget.ocr_until_s, budget.ocr_until_cpu_s)


def _choose_engine(limits: Limits) -> Engine:
    """rapidocr, or Tesseract where the settings name it or rapidocr is missing. Raises OcrUnavailable."""
    from ingest.parse.tesseract import find_tesseract

    fenced = limits.began is not None
    if limits.ocr_engine == "tesseract":
        found = find_tesseract(fenced=fenced)
        if found is None:
            raise OcrUnavailable(
                "OCR is not available (FOOTNOTE_PARSING__OCR_ENGINE names Tesseract, which is missing)"
            )
        return found
    try:
        return _Rapid(_load_engine())
    except OcrUnavailable:
        found = find_tesseract(fenced=fenced) if limits.ocr_engine == "auto" else None
        if found is None:
            raise
        return found


def _load_engine() -> Any:
    try:
        from rapidocr import EngineType, RapidOCR
    # A damaged installation raises anything at import, and must not cost the text that was read without it.
    except Exception as error:
        raise OcrUnavailable(f"OCR is not available ({type(error).__name__}: {error})"[:200]) from error
    models = importlib.resources.files("rapidocr") / "models"
    problem: Exception | None = None
    for name in ("openvino", "onnxruntime"):
        parameters: dict[str, Any] = {
            "Global.log_level": "critical",
            "Global.max_side_len": LONGEST_SIDE,
            "EngineConfig.openvino.inference_num_threads": THREADS,
            "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
        }
        for part, file in _MODELS.items():
            parameters[f"{part}.engine_type"] = EngineType(name)
            parameters[f"{part}.model_path"] = str(models / file)  # else a missing one would be fetched
        try:
            return RapidOCR(params=parameters)
        except Exception as error:  # noqa: BLE001  the same
            problem = error
    raise OcrUnavailable(f"OCR is not available ({type(problem).__name__}: {problem})"[:200])


def _unreadable(number: int, width: float, height: float, trouble: str) -> PageWords:
    return PageWords(number, width, height, [], 0, "unreadable", trouble=trouble)


def _turned(picture: np.ndarray, quarters: int) -> np.ndarray:
    import numpy as np

    return np.ascontiguousarray(np.rot90(picture, quarters))


def _confidence(lines: Sequence[Line]) -> float:
    letters = sum(line.letters for line in lines)
    return sum(line.score * line.letters for line in lines) / letters if letters else 0.0


def _worth(lines: Sequence[Line]) -> float:
    return sum(line.score**2 * line.letters for line in lines)


def _sides(quad: Quad) -> tuple[float, float]:
    """Length along the writing and height."""
    first, second, _third, last = quad.points
    return math.dist(first, second), math.dist(first, last)


def _is_wide(quad: Quad) -> bool:
    xs, ys = [x for x, _y in quad.points], [y for _x, y in quad.points]
    return max(xs) - min(xs) >= max(ys) - min(ys)


def _split_words(text: str, pieces: Sequence[Any], quad: Quad) -> list[tuple[str, Quad]]:
    """The words of a line with their places; `pieces` are (text, score, corners) of words or single characters."""
    boxes = [Quad(tuple((float(x), float(y)) for x, y in piece[2])) for piece in pieces]
    texts = ["".join(str(piece[0]).split()) for piece in pieces]
    words: list[tuple[str, Quad]] = []
    at = done = 0
    length = max(1, len(text))
    for token in text.split():
        start = text.index(token, done)
        done = start + len(token)
        collected, taken = 0, []
        while at < len(texts) and collected < len(token):
            collected += len(texts[at])
            taken.append(boxes[at])
            at += 1
        if taken and collected == len(token):
            words.append((token, Quad.around(taken)))
        else:
            words.append((token, _part_of(quad, start / length, done / length)))
    return words


def _part_of(quad: Quad, start: float, end: float) -> Quad:
    """The part of a line between two shares of its length."""
    first, second, third, last = quad.points

    def between(left: tuple[float, float], right: tuple[float, float], share: float) -> tuple[float, float]:
        return left[0] + share * (right[0] - left[0]), left[1] + share * (right[1] - left[1])

    top, bottom = (first, second), (last, third)
    return Quad((between(*top, start), between(*top, end), between(*bottom, end), between(*bottom, start)))


def _place_lines(lines: list[Line], turned: int, columns: int, number: int, width: float, height: float) -> PageWords:
    """The lines as words of a page in points, with the tilt of the writing taken out."""
    # A turned picture has the page's width as its height.
    across = height if turned % 2 else width
    down = width if turned % 2 else height
    scale = width / columns
    tilt = _measure_tilt(lines)
    heights = sorted(height_ for line in lines for height_ in [_sides(line.quad)[1] * scale] * line.letters)
    usual = heights[len(heights) // 2]
    words: list[tuple[float, float, list[PageWord]]] = []
    for line in lines:
        own = _sides(line.quad)[1] * scale
        size = 0.75 * (usual if abs(own - usual) <= _BODY * usual else own)
        placed = []
        for position, (text, quad) in enumerate(line.words):
            u, v = _straighten(quad, scale, tilt, across, down)
            length, _height = _sides(quad)
            half_u, half_v = length * scale / 2, own / 2
            placed.append(
                PageWord(
                    *(text, *_turn_back(u - half_u, v - half_v, u + half_u, v + half_v, turned, width, height)),
                    *(round(size * 2) / 2, False, (0, 270, 180, 90)[turned], position == 0, False),
                )
            )
        u, v = _straighten(line.quad, scale, tilt, across, down)
        words.append((v, u, placed))
    ordered = _order_rows(words, usual)
    return PageWords(
        *(number, width, height, [word for line in ordered for word in line], 0, "ocr", round(_confidence(lines), 4)),
        tilt=0.0 if turned else tilt,
    )


def _measure_tilt(lines: Sequence[Line]) -> float:
    """By how much the lines run downwards, in radians: the median of the long ones, else by their lengths the mean."""
    slopes: list[tuple[float, float, float]] = []
    for line in lines:
        (x0, y0), (x1, y1), *_ = line.quad.points
        length, height = _sides(line.quad)
        if length > 1.5 * height:
            slopes.append((math.atan2(y1 - y0, x1 - x0), length, length / max(height, 1.0)))
    long = [slope for slope, _length, ratio in slopes if ratio > 4]
    if len(long) >= _FEWEST_LINES or len(long) == len(slopes):
        return median(long) if long else 0.0
    return sum(slope * length for slope, length, _ratio in slopes) / sum(length for _slope, length, _ratio in slopes)


def _straighten(quad: Quad, scale: float, tilt: float, across: float, down: float) -> tuple[float, float]:
    """The middle of a quad in points from the bottom left, turned level about the middle of the page."""
    x = sum(point[0] for point in quad.points) / 4 * scale - across / 2
    y = down / 2 - sum(point[1] for point in quad.points) / 4 * scale
    # `tilt` is measured downwards, so that turning by it in a system whose y points upwards levels the line.
    u = x * math.cos(tilt) - y * math.sin(tilt)
    v = x * math.sin(tilt) + y * math.cos(tilt)
    return u + across / 2, v + down / 2


def _turn_back(
    x0: float, y0: float, x1: float, y1: float, turned: int, width: float, height: float
) -> tuple[float, float, float, float]:
    """A rectangle of the picture turned by quarters counter-clockwise, on the page as it is."""
    if turned == 1:
        x0, y0, x1, y1 = y0, height - x1, y1, height - x0
    elif turned == 2:
        x0, y0, x1, y1 = width - x1, height - y1, width - x0, height - y0
    elif turned == 3:
        x0, y0, x1, y1 = width - y1, x0, width - y0, x1
    return max(0.0, x0), max(0.0, y0), min(width, x1), min(height, y1)


def _order_rows(lines: list[tuple[float, float, list[PageWord]]], usual: float) -> list[list[PageWord]]:
    """The lines from the top, those at one height from the left."""
    rows: list[list[tuple[float, float, list[PageWord]]]] = []
    for line in sorted(lines, key=lambda each: -each[0]):
        if rows and rows[-1][0][0] - line[0] < 0.5 * usual:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [words for row in rows for _v, _u, words in sorted(row, key=lambda each: each[1])]
