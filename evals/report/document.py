"""The whole page: sections and data in one file that needs no network and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from string import Template
from xml.etree.ElementTree import Element

from evals.report.markup import element, write_elements
from evals.report.questions import question_data
from evals.report.runs import Run, name_runs
from evals.report.sections import PageSection, header, make_sections


def make_page(runs: Sequence[Run]) -> bytes:
    """The report on the runs as an HTML file, UTF-8.

    Texts of the result files cannot act as markup or code: they are escaped in the markup, and are JSON without `<` in
    a script element whose type no browser runs. The page's policy allows its own script alone, by its hash.
    """
    style, script = _read("page.css"), _read("page.js")
    sections = make_sections(runs)
    body = [
        element("header", header(runs)),
        _navigation(runs, sections),
        element("main", [_show(number, section) for number, section in enumerate(sections, 1)],
                _questions(len(sections) + 1)),
    ]  # fmt: skip
    title = element("title", f"{runs[0].result.suite}: evaluation report")
    data = json.dumps(question_data(runs), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    page = Template(_read("page.html")).substitute(
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; "
        "form-action 'none'",
        title=write_elements([title]),
        style=style,
        body=write_elements(body),
        data=data.replace("<", "\\u003c"),
        script=script,
    )
    return page.encode("utf-8", "replace")  # a reply may hold half a surrogate pair


def _read(name: str) -> str:
    return files("evals.report").joinpath(name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _navigation(runs: Sequence[Run], sections: Sequence[PageSection]) -> Element:
    links = [element("a", section.label, href=f"#{section.anchor}") for section in sections]
    links.append(element("a", "Questions", href="#questions"))
    legend = [
        element("span", element("b", run.letter, class_=f"chip run-{run.letter}"), f" {name}")
        for run, name in zip(runs, name_runs(runs), strict=True)
    ]
    shown = element("div", legend, class_="legend") if len(runs) > 1 else None
    return element("nav", element("div", element("div", links, class_="links"), shown), aria_label="Sections")


def _show(number: int, section: PageSection) -> Element:
    heading = element("h2", element("span", f"{number}", class_="ordinal"), " ", section.title)
    return element("section", heading, section.content, id=section.anchor)


def _questions(number: int) -> Element:
    heading = element("h2", element("span", f"{number}", class_="ordinal"), " Questions")
    notice = element("p", "The table of questions needs JavaScript.", class_="note")
    return element("section", heading, element("div", notice, id="browser"), id="questions")
