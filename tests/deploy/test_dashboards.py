"""Every query of the dashboard and of the alerts names metrics, labels and values that the real application has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ScriptedGenerator
from prometheus_client.parser import text_string_to_metric_families
from serving import Served

from rag.types import ServerState

FILES = Path(__file__).parents[2] / "deploy" / "helm" / "files"
OF_PROMETHEUS = {"up": {"job", "instance"}}  # what Prometheus itself writes of each target
OPEN_VALUES = {("footnote_requests_total", "status"), ("up", "job")}  # not all of them occur in one session

promql = pytest.importorskip("promql_parser", reason="promql-parser is not installed")
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")


def dashboard_queries() -> Iterator[tuple[str, str, str]]:
    """The panel's title, the query and the legend of each curve."""
    for panel in json.loads((FILES / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m"), target["legendFormat"]


def alert_rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]


QUERIES = [(title, query) for title, query, _ in dashboard_queries()] + [
    (rule["alert"], rule["expr"]) for rule in alert_rules()
]


def parts_of(query: str) -> tuple[list[tuple[str, list[tuple[str, str, str]]]], list[tuple[str, list[str]]]]:
    """The selectors of a query, each with its matchers (label, operator, value), and for each aggregation the metrics
    below it are not needed: its labels are checked against all metrics of the query.
    """
    selectors: list[tuple[str, list[tuple[str, str, str]]]] = []
    groupings: list[tuple[str, list[str]]] = []

    def visit(expression: Any) -> bool:
        if isinstance(expression, promql.VectorSelector):
            matchers = [(one.name, str(one.op), one.value) for one in expression.matchers.matchers]
            selectors.append((expression.name, matchers))
        if isinstance(expression, promql.AggregateExpr) and expression.modifier is not None:
            groupings.append((query, list(expression.modifier.labels)))
        return True

    promql.walk(promql.parse(query), visit)
    return selectors, groupings


@pytest.fixture
def series(served: Served, generator: ScriptedGenerator) -> dict[str, list[dict[str, str]]]:
    """The labels of each series by its name, after an upload, a search and an answer."""
    generator.servers = (ServerState("http://gpu1:8000/v1", "closed", 0, 4, 1, 0, ""),)
    served.add("gate.txt", b"The gate code is 4711.")
    assert served.found("gate code") == ["gate.txt"]
    generator.reply = "The gate code is 4711 [1]."
    assert served.client.post("/v1/query", json={"question": "What is the gate code?"}).json()["status"] == "answered"
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(served.client.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


def faults(query: str, series: dict[str, list[dict[str, str]]]) -> list[str]:
    """What a query names that the application does not have."""
    wrong: list[str] = []
    selectors, groupings = parts_of(query)
    for name, matchers in selectors:
        if name not in series and name not in OF_PROMETHEUS:
            wrong.append(f"there is no metric {name}")
            continue
        rows = series.get(name, [])
        labels = OF_PROMETHEUS.get(name) or {label for row in rows for label in row}
        for label, operator, value in matchers:
            if label not in labels:
                wrong.append(f"{name} has no label {label}")
            elif (name, label) not in OPEN_VALUES and not any(re.fullmatch(value, row[label]) for row in rows):
                wrong.append(f"{name} has no {label} {operator} {value}")
        for _, by in groupings:
            wrong += [f"{name} has no label {label}" for label in by if label not in labels]
    return wrong


def test_every_query_names_what_the_application_has(series: dict[str, list[dict[str, str]]]) -> None:
    assert len(QUERIES) > 30
    assert {title: found for title, query in QUERIES if (found := faults(query, series))} == {}


@pytest.mark.parametrize(
    "query",
    [
        "sum(rate(footnote_request_total[1m]))",
        'footnote_documents{state="failed"}',
        'footnote_documents{status="lost"}',
        "sum by (door) (rate(footnote_requests_total[1m]))",
    ],
)
def test_a_wrong_query_is_noticed(series: dict[str, list[dict[str, str]]], query: str) -> None:
    assert faults(query, series)


def test_every_metric_of_ours_is_shown(series: dict[str, list[dict[str, str]]]) -> None:
    shown = {name for _, query in QUERIES for name, _ in parts_of(query)[0]}
    stems = {re.sub(r"_(?:total|bucket|sum|count)$", "", name) for name in shown}
    ours = {re.sub(r"_(?:total|bucket|sum|count|created)$", "", name) for name in series}
    assert {name for name in ours if name.startswith("footnote_")} - stems == set()


def test_legends_name_labels_of_their_query() -> None:
    for title, query, legend in dashboard_queries():
        kept = {label for _, labels in parts_of(query)[1] for label in labels} - {"le"}
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) == kept, title


def test_alerts_say_what_to_do_and_name_labels_of_their_query() -> None:
    for rule in alert_rules():
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        kept = {label for _, labels in parts_of(rule["expr"])[1] for label in labels} | OF_PROMETHEUS["up"]
        for text in rule["annotations"].values():
            assert set(re.findall(r"\$labels\.(\w+)", text)) <= kept, rule["alert"]


def test_panels_have_numbers_and_places_of_their_own() -> None:
    panels = json.loads((FILES / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
