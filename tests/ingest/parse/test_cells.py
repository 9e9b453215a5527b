"""Generated tables of each format, with merged and blank cells: every value in its row and column."""

from __future__ import annotations

import pytest

from evals.reading.cells import WRITERS, measure_format


@pytest.mark.parametrize("format", WRITERS)
def test_cells_stand_in_their_row_and_column(format: str) -> None:
    counts = [measure_format(format, kind, 4) for kind in WRITERS[format][1]]
    right, total = (sum(count) for count in zip(*counts, strict=True))
    assert total > 400
    assert right / total >= (0.95 if format == "pdf" else 0.99)
