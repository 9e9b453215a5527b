"""Charts of Office files: number formats, levels of categories, series over other categories, newer kinds."""

from __future__ import annotations

import pytest
from lxml import etree

from ingest.parse.build import TextBuilder
from ingest.parse.drawings import add_chart

CHART = "http://schemas.openxmlformats.org/drawingml/2006/chart"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"


def points(*values: object) -> str:
    return "".join(f'<c:pt idx="{at}"><c:v>{value}</c:v></c:pt>' for at, value in enumerate(values) if value != "")


def numbers(*values: object, code: str = "General") -> str:
    return f"<c:numRef><c:numCache><c:formatCode>{code}</c:formatCode>{points(*values)}</c:numCache></c:numRef>"


def series(name: str, labels: str, values: str, kinds: tuple[str, str] = ("cat", "val"), more: str = "") -> str:
    named = f"<c:tx><c:strRef><c:strCache>{points(name)}</c:strCache></c:strRef></c:tx>"
    first, second = kinds
    return f"<c:ser>{named}{more}<c:{first}>{labels}</c:{first}><c:{second}>{values}</c:{second}></c:ser>"


def read_chart(*all_series: str) -> str:
    return read_source(f'<c:chartSpace xmlns:c="{CHART}" xmlns:a="{DRAWING}">{"".join(all_series)}</c:chartSpace>')


def read_source(source: str) -> str:
    builder = TextBuilder()
    add_chart(builder, etree.fromstring(source))
    return builder.text


LEVELS = (
    f"<c:multiLvlStrRef><c:multiLvlStrCache><c:lvl>{points('Q1', 'Q2', 'Q1', 'Q2')}</c:lvl>"
    f"<c:lvl>{points('2023', '', '2024', '')}</c:lvl></c:multiLvlStrCache></c:multiLvlStrRef>"
)
LABEL = (
    '<c:dLbls><c:dLbl><c:idx val="1"/><c:tx><c:rich><a:p><a:r><a:t>Record year</a:t></a:r></a:p></c:rich></c:tx>'
    "</c:dLbl></c:dLbls>"
)


@pytest.mark.parametrize(
    ("all_series", "text"),
    [
        ([series("Share", numbers(45292, 45323, code="m/d/yyyy"), numbers(0.25, 0.5, code="0%"))],
         " | Share\n2024-01-01 | 25%\n2024-02-01 | 50%"),
        ([series("Sales", LEVELS, numbers(5, 6, 7, 8))],
         " | Sales\n2023 Q1 | 5\n2023 Q2 | 6\n2024 Q1 | 7\n2024 Q2 | 8"),
        ([series("A", numbers(10, 20), numbers(1, 2), ("xVal", "yVal")),
          series("B", numbers(30, 40), numbers(3, 4), ("xVal", "yVal"))],
         " | A\n10 | 1\n20 | 2\n\n | B\n30 | 3\n40 | 4"),
        ([series("A", numbers(10, 20), numbers(1, 2)), series("B", numbers(10, 20), numbers(3, 4))],
         " | A | B\n10 | 1 | 3\n20 | 2 | 4"),
        ([series("A", numbers(2023, 2024), numbers(1, 2), more=LABEL)], "Record year\n\n | A\n2023 | 1\n2024 | 2"),
    ],
)  # fmt: skip
def test_values_are_read_as_the_chart_shows_them(all_series: list[str], text: str) -> None:
    assert read_chart(*all_series) == text


def test_newer_charts_keep_their_data_apart() -> None:
    data = (
        '<x:data id="0"><x:strDim><x:lvl><x:pt idx="0">Opening</x:pt><x:pt idx="1">Closing</x:pt></x:lvl></x:strDim>'
        '<x:numDim><x:lvl formatCode="General"><x:pt idx="0">120</x:pt><x:pt idx="1">95</x:pt></x:lvl></x:numDim>'
        "</x:data>"
    )
    shown = (
        '<x:series layoutId="waterfall"><x:tx><x:txData><x:v>Cash</x:v></x:txData></x:tx><x:dataId val="0"/></x:series>'
    )
    assert read_source(f'<x:chartSpace xmlns:x="urn:x">{data}{shown}</x:chartSpace>') == (
        " | Cash\nOpening | 120\nClosing | 95"
    )
