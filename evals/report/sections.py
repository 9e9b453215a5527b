"""The page's sections, top to bottom: settings, totals, curves, outcomes, times. A section without data is None."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args
from xml.etree.ElementTree import Element

from pydantic import JsonValue

from evals.metrics.compare import Comparison, MetricChange, compare_results
from evals.metrics.ranking import Level
from evals.report.charts import Axis, Plane, Series, latency_chart, line_chart, stacked_bar, whiskers
from evals.report.curves import DEPTH, CalibrationBin, RiskPoint, at_coverage, calibration, risk_coverage, success_curve
from evals.report.markup import element, format_count, format_ms, format_share
from evals.report.measures import COUNTED, describe_metric, group_metrics, short_name
from evals.report.questions import REASONS
from evals.report.runs import Run, Total, name_runs
from rag.types import AnswerStatus, Verdict

PERCENT = tuple((share / 4, f"{25 * share} %") for share in range(5))
_CURVE_LEVELS: tuple[tuple[Level, str], ...] = (("document", "Documents"), ("page", "Pages"), ("passage", "Passages"))


@dataclass(frozen=True, slots=True)
class PageSection:
    """A part of the page under a heading; `anchor` is its URL fragment, `label` its name in the navigation."""

    anchor: str
    label: str
    title: str
    content: tuple[Element, ...]


def make_sections(runs: Sequence[Run]) -> list[PageSection]:
    """All sections that have data, except the questions."""
    made = (
        _headlines(runs), _totals(runs), _success(runs), _risk(runs), _calibration(runs), _outcomes(runs), _time(runs)
    )  # fmt: skip
    return [section for section in made if section is not None]


# What was run ---------------------------------------------------------------------------------------------------------


def header(runs: Sequence[Run]) -> list[Element]:
    """The suite's name, and tables of each run's settings and machine."""
    first = runs[0].result
    asked = {_asked(run) for run in runs}
    kind = "retrieval only" if all(run.result.retrieval_only for run in runs) else "retrieval and answers"
    lead = f"{kind[0].upper()}{kind[1:]}, {' or '.join(sorted(asked))}, {first.documents:,} documents."
    made = [
        element("p", "Footnote evaluation report", class_="kicker"),
        element("h1", first.suite),
        element("p", lead, class_="lead"),
        _run_tables(runs),
        _settings(runs),
    ]
    return [*made, *(note for run in runs for note in _troubles(run, len(runs) > 1))]


def _asked(run: Run) -> str:
    questions = run.result.counts.get("questions", len(run.result.records))
    return f"{questions:,} questions" if not run.result.is_sample else f"a sample of {questions:,} questions"


_Fact = tuple[str, Callable[[Run], str | None]]
_RAN_WITH: tuple[_Fact, ...] = (
    ("Pipeline", lambda run: run.result.pipeline),
    ("Model", lambda run: run.result.model or "none, retrieval only"),
    ("Embedding model", lambda run: run.result.embedding_model),
    ("Reranker", lambda run: run.result.reranker),
    ("Verified with", lambda run: run.result.verification_judge),
    ("Judge", lambda run: run.result.judge),
    ("Settings", lambda run: run.result.settings_hash),
    ("Commit", lambda run: run.result.commit),
    ("Code", lambda run: run.result.code_hash),
)
_ASKED: tuple[_Fact, ...] = (
    ("Questions", lambda run: _asked_in_full(run)),
    ("Sample", lambda run: _sample(run)),
    ("Asked of", lambda run: "each question's own documents" if run.result.within_document else None),
    ("Suite", lambda run: run.result.suite_hash),
    ("Finished", lambda run: _date(run.result.finished_at)),
    ("Machine", lambda run: _machine(run.result.machine)),
    ("Ingestion", lambda run: format_ms(run.result.ingest_s * 1000)),
    ("Replayed replies", lambda run: str(run.result.replayed_replies) if run.result.replayed_replies else None),
    ("File", lambda run: run.path.name),
)


def _run_tables(runs: Sequence[Run]) -> Element:
    """The facts of one run in two short tables side by side, or those of several runs as columns of one table."""
    if len(runs) == 1:
        tables = [_fact_table("What it ran with", _RAN_WITH, runs), _fact_table("What was asked", _ASKED, runs)]
    else:
        tables = [_fact_table("What was run", (*_RAN_WITH, *_ASKED), runs)]
    return element("div", tables, class_="tables scroll")


def _fact_table(title: str, facts: Sequence[_Fact], runs: Sequence[Run]) -> Element:
    rows = []
    for label, fact in facts:
        values = [fact(run) for run in runs]
        if any(values):
            cells = [element("td", value or "–") for value in values]
            rows.append(element("tr", element("th", label, scope="row"), cells))
    head = None
    if len(runs) > 1:
        named = [element("th", _chip(run.letter), " ", name, scope="col") for run, name in _named(runs)]
        head = element("thead", element("tr", element("td"), named))
    return element("table", element("caption", title, class_="hidden"), head, element("tbody", rows), class_="facts")


def _named(runs: Sequence[Run]) -> list[tuple[Run, str]]:
    return list(zip(runs, name_runs(runs), strict=True))


def _asked_in_full(run: Run) -> str:
    counts = run.result.counts
    answerable = counts.get("answerable", sum(record.answerable for record in run.result.records))
    words = f"{_asked(run)}, {answerable:,} answerable"
    return f"{words}, {counts['errors']:,} crashed" if counts.get("errors") else words


def _sample(run: Run) -> str | None:
    """The size and the seed of the sample, and the hash of its questions' ids."""
    result = run.result
    if not result.is_sample or result.sample_seed is None:
        return None
    size = f"limit {result.limit}"
    if result.limit is None:
        size = f"{result.sample_answerable or 0:,} answerable, {result.sample_unanswerable or 0:,} unanswerable"
    named = f", questions {result.questions_hash}" if result.questions_hash else ""
    return f"{size}, seed {result.sample_seed}{named}"


def _date(stamp: str) -> str:
    try:
        finished = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return f"{finished.day} {finished:%B %Y, %H:%M %Z}".strip()


def _machine(machine: Mapping[str, JsonValue]) -> str:
    parts = [
        machine.get("processor"),
        f"{machine['cores']} cores" if machine.get("cores") else None,
        f"{machine['memory_gb']} GB" if machine.get("memory_gb") else None,
        machine.get("platform"),
        f"Python {machine['python']}" if machine.get("python") else None,
    ]
    return ", ".join(str(part) for part in parts if part)


def _settings(runs: Sequence[Run]) -> Element:
    """All settings of one run, or those in which several differ."""
    flat = [dict(_flatten(run.result.settings)) for run in runs]
    names = list(dict.fromkeys(name for settings in flat for name in settings))
    if len(runs) > 1:
        names = [name for name in names if len({settings.get(name) for settings in flat}) > 1]
        if not names:
            return element("p", "The runs have the same settings.", class_="note")
    rows = [
        element("tr", element("th", name, scope="row"), [element("td", settings.get(name, "–")) for settings in flat])
        for name in names
    ]
    letters = [element("th", _chip(run.letter), scope="col") for run in runs] if len(runs) > 1 else None
    head = element("thead", element("tr", element("td"), letters)) if letters else None
    title = f"Settings in which the runs differ ({len(names)})" if letters else f"All settings ({len(names)})"
    table = element("table", element("caption", title, class_="hidden"), head, element("tbody", rows), class_="facts")
    return element("details", element("summary", title), element("div", table, class_="scroll"))


def _flatten(settings: Mapping[str, JsonValue], before: str = "") -> Iterable[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _troubles(run: Run, several: bool) -> Iterable[Element]:
    """Lists of what went wrong, above the figures."""
    found = (
        ("document could not be read", "documents could not be read", run.result.failed_documents),
        ("line of the suite was skipped", "lines of the suite were skipped", run.result.skipped_lines),
        ("piece of gold evidence was not found", "pieces of gold evidence were not found", run.result.lost_evidence),
        ("quote stands on another page than given", "quotes stand on another page than given",
         run.result.misplaced_evidence),
        ("question crashed", "questions crashed",
         [f"{record.id}: {record.error}" for record in run.result.records if record.error]),
    )  # fmt: skip
    for one, many, lines in found:
        if lines:
            title = f"{len(lines):,} {one if len(lines) == 1 else many}"
            summary = element("summary", _chip(run.letter) if several else None, " " if several else None, title)
            items = element("ul", [element("li", line) for line in lines])
            yield element("details", summary, items, class_="trouble")


def _chip(letter: str) -> Element:
    return element("span", letter, class_=f"chip run-{letter}")


# Totals ---------------------------------------------------------------------------------------------------------------

_HEADLINES: tuple[tuple[str, ...], ...] = (
    ("page_success@5", "passage_success@5", "document_success@5"),
    ("judged_correct", "number_recall", "contains_answer", "f1"),
    ("cited_gold_page_within_1", "citation_precision_span", "citation_precision_page"),
    ("answerable_answered",),
    ("refusal_recall",),
)
_RETRIEVAL_HEADLINES: tuple[tuple[str, ...], ...] = (
    ("document_success@5",),
    ("page_success@5",),
    ("passage_success@5",),
    ("page_success@1", "passage_success@1", "document_success@1"),
    ("char_recall@5",),
)


def _headlines(runs: Sequence[Run]) -> PageSection | None:
    wanted = _RETRIEVAL_HEADLINES if all(run.result.retrieval_only for run in runs) else _HEADLINES
    names = [
        next((name for name in choice if any(name in run.result.totals for run in runs)), None) for choice in wanted
    ]
    cards = [_headline(name, runs) for name in names if name is not None]
    cards += [card for card in (_citation_card(runs), _time_card(runs)) if card is not None]
    return PageSection("glance", "Glance", "At a glance", (element("div", cards, class_="cards"),)) if cards else None


def _headline(name: str, runs: Sequence[Run]) -> Element:
    lines = []
    for run in runs:
        total = run.result.totals.get(name)
        if total is not None:
            lines.append(_figure(run, runs, f"{100 * total.value:.0f} %", _share_interval(total)))
    words = describe_metric(name)
    return element("div", element("h3", words[:1].upper() + words[1:] or name), lines, class_="card")


def _share_interval(total: Total) -> str:
    n = f"n = {total.n:,}"
    if total.low is None or total.high is None:
        return n
    return f"{100 * total.low:.0f} to {100 * total.high:.0f} %, {n}"


def _figure(run: Run, runs: Sequence[Run], value: str, detail: str) -> Element:
    chip = _chip(run.letter) if len(runs) > 1 else None
    return element("p", chip, element("strong", value), " ", element("span", detail), class_="figure")


def _citation_card(runs: Sequence[Run]) -> Element | None:
    lines = [
        _figure(run, runs, f"{wrong:,}", f"of {citations:,}")
        for run in runs
        for citations, wrong in [(run.result.counts.get("citations", 0), run.result.counts.get("citations_wrong", 0))]
        if citations
    ]
    title = "Wrong citations: quote or page differs from the document"
    return element("div", element("h3", title), lines, class_="card") if lines else None


def _time_card(runs: Sequence[Run]) -> Element | None:
    for step, words in (("total", "an answer"), ("search", "a search")):
        lines = [
            _figure(run, runs, format_ms(timing.p50), f"95 % within {format_ms(timing.p95)}")
            for run in runs
            if (timing := run.result.timings_ms.get(step))
        ]
        if lines:
            return element("div", element("h3", f"Median time for {words}"), lines, class_="card")
    return None


def _totals(runs: Sequence[Run]) -> PageSection | None:
    names = [name for run in runs for name in run.result.totals]
    if not names:
        return None
    changes = _changes(runs)
    groups = [
        _group_table(group.title, group.text, found, runs, changes) for group, found in group_metrics(names)
    ]  # fmt: skip
    words = (
        "Each value is a mean over n questions; the line through its dot is the 95 % interval (bootstrap). "
        "All but the token counts run from 0 to 1, and higher is better."
    )
    content = [element("p", words, class_="note")]
    if len(runs) > 1:
        words = (
            f"Differences from {runs[0].letter} are paired by question, over the questions measured in both runs, so "
            "they can be significant although the two intervals overlap. A question that crashed only in the later "
            "run counts as 0 there. Only a fixed list of metrics is marked “better” or “worse”, where p is below 0.05 "
            "after Holm's correction."
        )
        content.append(element("p", words, class_="note"))
    content.append(element("div", groups, class_="groups several" if len(runs) > 1 else "groups"))
    return PageSection("totals", "Totals", "Totals", tuple(content))


def _changes(runs: Sequence[Run]) -> dict[str, dict[str, MetricChange]]:
    """The difference of each later run from the first, by letter and metric."""
    comparisons: dict[str, Comparison] = {run.letter: compare_results(runs[0].raw, run.raw) for run in runs[1:]}
    return {letter: {metric.name: metric for metric in found.metrics} for letter, found in comparisons.items()}


def _group_table(
    title: str,
    text: str,
    names: Sequence[str],
    runs: Sequence[Run],
    changes: Mapping[str, Mapping[str, MetricChange]],
) -> Element:
    several = len(runs) > 1
    counted = names[0] in COUNTED
    found = [total for name in names for run in runs if (total := run.result.totals.get(name))]
    highest = 1.0
    if counted or any(total.value > 1 for total in found):
        highest = _round_up(max(total.value if total.high is None else total.high for total in found))
    show = format_count if counted else format_share
    bodies = [_metric_rows(name, runs, changes, highest, show) for name in names]
    axis = element(
        "th",
        element("span", "0"),
        element("span", format_count(highest) if highest > 1 else "1"),
        class_="axis",
        scope="col",
        aria_label=f"Chart from 0 to {highest:g}",
    )
    columns = ["Metric", "Run", "Value", "95 % interval", "n"] if several else ["Metric", "Value", "95 % interval", "n"]
    heads = [element("th", name, scope="col", class_="number" if place else None) for place, name in enumerate(columns)]
    if several:
        heads[1].set("class", "")
    last = element("th", f"Difference from {runs[0].letter}", scope="col", class_="number") if several else None
    head = element("thead", element("tr", heads, axis, last))
    caption = element("caption", element("strong", title), " ", element("span", text))
    table = element("table", caption, head, bodies, class_="totals")
    return element("div", table, class_="group scroll")


def _round_up(value: float) -> float:
    """The next larger of 1, 2, 2.5, 5 times a power of ten, so that an axis ends on a round number."""
    power = 1.0
    while power * 10 < value:
        power *= 10
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)


def _metric_rows(
    name: str,
    runs: Sequence[Run],
    changes: Mapping[str, Mapping[str, MetricChange]],
    highest: float,
    show: Callable[[float], str],
) -> Element:
    span = len(runs) if len(runs) > 1 else None
    totals = [(run.letter, run.result.totals.get(name)) for run in runs]
    rows = []
    for place, (letter, total) in enumerate(totals):
        cells: list[Element | None] = []
        if place == 0:
            label = element("th", element("code", short_name(name)), element("small", describe_metric(name)),
                            scope="rowgroup" if span else "row", rowspan=span, title=name)  # fmt: skip
            cells.append(label)
        cells.append(element("td", _chip(letter)) if span else None)
        if total is None:
            cells += [element("td", "–", class_="number"), element("td"), element("td", "0", class_="number")]
        else:
            bounds = "–" if total.low is None or total.high is None else f"{show(total.low)} – {show(total.high)}"
            cells.append(element("td", show(total.value), class_="number value"))
            cells.append(element("td", bounds, class_="number"))
            cells.append(element("td", f"{total.n:,}", class_="number"))
        if place == 0:
            cells.append(element("td", whiskers(name, totals, highest), class_="plot", rowspan=span))
        if span:
            cells.append(
                _difference(changes.get(letter, {}).get(name), total.n if total else 0, show)
                if place
                else element("td")
            )
        rows.append(element("tr", cells))
    return element("tbody", rows)


def _difference(change: MetricChange | None, n: int, show: Callable[[float], str]) -> Element:
    """The difference of a metric from the first run; its n is shown where it differs from the run's n."""
    if change is None:
        return element("td", "–", class_="number")
    found = change.difference
    words = _signed(found.difference, show)
    bounds = None
    if found.low is not None and found.high is not None:
        shared = "" if found.n == n else f", n = {found.n:,}"
        bounds = element("small", f"{_signed(found.low, show)} to {_signed(found.high, show)}{shared}")
    verdict = element("em", change.verdict, class_=change.verdict) if change.verdict in ("better", "worse") else None
    return element("td", verdict, " ", words, bounds, class_="number difference")


def _signed(value: float, show: Callable[[float], str]) -> str:
    written = show(abs(value))
    return written if not float(written.replace(",", "")) else f"{'+' if value > 0 else '−'}{written}"


# Curves ---------------------------------------------------------------------------------------------------------------


def _success(runs: Sequence[Run]) -> PageSection | None:
    figures, rows = [], []
    for level, title in _CURVE_LEVELS:
        curves = [(run.letter, curve) for run in runs if (curve := success_curve(run.result.records, level))]
        if not curves:
            continue
        series = [
            Series(letter, tuple(((k, share), f"{letter}: {share:.1%} in the first {k}")
                                 for k, share in enumerate(curve.shares, 1)))
            for letter, curve in curves
        ]  # fmt: skip
        x = Axis("first k hits", 1, DEPTH, tuple((k, str(k)) for k in range(1, DEPTH + 1)))
        words = f"{title}: share of questions with a gold {level} among the first k hits"
        said = "; ".join(f"{letter} from {curve.shares[0]:.1%} to {curve.shares[-1]:.1%}" for letter, curve in curves)
        chart = line_chart(f"{words}. {said}.", Plane(x, Axis("", 0.0, 1.0, PERCENT)), series)
        n = " / ".join(dict.fromkeys(f"{curve.n:,}" for _, curve in curves))
        caption = element("figcaption", element("strong", title), f" n = {n}")
        figures.append(element("figure", caption, chart))
        for letter, curve in curves:
            head = element("th", title, " ", _chip(letter) if len(runs) > 1 else None, scope="row")
            shares = [element("td", f"{share:.1%}", class_="number") for share in curve.shares]
            rows.append(element("tr", head, shares))
    if not figures:
        return None
    text = (
        "The share of answerable questions with a gold item among the first k hits. A curve that still rises on the "
        "right means that evidence is found but ranked too low; a low and flat curve means that it is not found."
    )
    heads = [element("th", f"k = {k}", scope="col", class_="number") for k in range(1, DEPTH + 1)]
    numbers = _numbers("The numbers of these curves", element("tr", element("td"), heads), rows)
    row = element("div", figures, class_="figures")
    return PageSection("found", "Evidence", "Rank of the evidence", (element("p", text, class_="note"), row, numbers))


def _risk(runs: Sequence[Run]) -> PageSection | None:
    curves = [
        (run, points) for run in runs if not run.result.retrieval_only and (points := risk_coverage(run.result.records))
    ]
    if not curves:
        return None
    series = [_risk_series(run, points) for run, points in curves]
    highest = max(point.risk for _, points in curves for point in points)
    top = 1.0 if highest > 0.5 else 0.5 if highest > 0.25 else 0.25
    y = Axis("", 0.0, top, tuple((top * share / 5, f"{100 * top * share / 5:g} %") for share in range(6)))
    x = Axis("coverage: share of the questions that are answered", 0.0, 1.0, PERCENT)
    answerable = _answerable_share(curves[0][0])
    limit = (answerable, "answerable") if 0.0 < answerable < 1.0 else None
    said = "; ".join(
        f"{run.letter} answers {points[-1].coverage:.1%} at a risk of {points[-1].risk:.1%}" for run, points in curves
    )
    chart = line_chart(f"Risk over coverage. {said}.", Plane(x, y, 560, 330), series, limit=limit)
    caption = element("figcaption", element("strong", "Risk: wrong among those answered"))
    text = element("div", [element("p", words) for words in _risk_words(curves)], class_="words")
    figure = element("div", element("figure", caption, chart), text, class_="figures beside")
    heads = [element("th", words, scope="col", class_="number") for words in
             ("Coverage", "Answered", "Risk", "Confidence from")]  # fmt: skip
    head = element("tr", element("td"), heads)
    rows = [row for run, points in curves for row in _risk_rows(run, points, len(runs) > 1)]
    return PageSection("refusal", "Refusal", "What a stricter refusal would be worth",
                   (figure, _numbers("The numbers of this curve", head, rows)))  # fmt: skip


def _risk_series(run: Run, points: Sequence[RiskPoint]) -> Series:
    placed = tuple(
        ((point.coverage, point.risk), f"{run.letter}: {point.coverage:.1%} answered, {point.risk:.1%} wrong")
        for point in points
    )
    return Series(run.letter, placed, dots=False, marked=placed[-1])


def _answerable_share(run: Run) -> float:
    judged = [record for record in run.result.records if not record.answerable or record.gold_answers]
    return sum(record.answerable for record in judged) / len(judged)


def _risk_words(curves: Sequence[tuple[Run, tuple[RiskPoint, ...]]]) -> Iterable[str]:
    yield (
        "The given answers, the most confident first. The confidence is the pipeline's own where it has one, else the "
        "cosine of the question and the best hit. Further left on the line, fewer questions are answered, those with "
        "the highest confidence."
    )
    for run, points in curves:
        own = points[-1]
        name = run.letter if len(curves) > 1 else "The run"
        said = (
            f"{name} answered {own.coverage:.1%} of the questions (the ring); {own.risk:.1%} of those answers "
            "are wrong."
        )
        half = at_coverage(points, own.coverage / 2)
        if half is not None:
            said += f" Of the more confident half, {half.risk:.1%} are wrong."
        yield said
    yield (
        "A line that falls to the left means that confidence separates right answers from wrong ones, so a higher "
        "threshold would help. With a flat line it would only cost answers. Lower is better at the same coverage."
    )
    judged = any("judged_correct" in record.metrics for run, _ in curves for record in run.result.records)
    measure = "the judge" if judged else "the better of containment and F1"
    yield (
        f"The answer to an answerable question is graded by {measure}; an answer to an unanswerable question is "
        "wrong. No question to the right of the ring was answered."
    )


def _risk_rows(run: Run, points: Sequence[RiskPoint], several: bool) -> Iterable[Element]:
    chosen = [at_coverage(points, points[-1].coverage * share / 10) for share in range(1, 11)]
    for point in dict.fromkeys(point for point in chosen if point is not None):
        own = "the run itself" if point == points[-1] else ""
        values = (f"{point.coverage:.1%}", f"{point.answered:,}", f"{point.risk:.1%}",
                  "–" if point.threshold is None else f"{point.threshold:.3f}")  # fmt: skip
        head = element("th", _chip(run.letter) if several else None, " ", own, scope="row")
        yield element("tr", head, [element("td", value, class_="number") for value in values])


def _calibration(runs: Sequence[Run]) -> PageSection | None:
    """The calibration of cited sentences, for runs with confidences and gold evidence in pages or passages."""
    curves = [(run, bins) for run in runs if (bins := calibration(run.result.records))]
    if not curves:
        return None
    series = [_calibration_series(run, bins, len(curves) > 1) for run, bins in curves]
    x, y = Axis("confidence of the sentence", 0.0, 1.0, PERCENT), Axis("", 0.0, 1.0, PERCENT)
    said = "; ".join(
        f"{run.letter if len(curves) > 1 else 'The run'} has {sum(one.n for one in bins):,} cited sentences, "
        f"{_share_right(bins):.1%} of them on gold"
        for run, bins in curves
    )
    chart = line_chart(f"Share on gold over confidence. {said}.", Plane(x, y, 400, 330), series, diagonal=True)
    caption = element("figcaption", element("strong", "Cited sentences on gold, by confidence"))
    words = (
        "Each point is a tenth of the scale: the mean confidence of its cited sentences, the share of them with a "
        "citation on gold, and their number. On gold means on a gold page or one beside it; where the evidence has no "
        "pages, on a gold passage. On the dotted line, 8 of 10 sentences with a confidence of 0.8 are right.",
        "The documents may state a fact in more places than the gold evidence names. A true sentence from such a "
        "place counts as wrong here, so the points are too low rather than too high.",
        f"{said}. Answers to unanswerable questions have no gold and are left out."
    )  # fmt: skip
    text = element("div", [element("p", line) for line in words], class_="words")
    heads = [element("th", name, scope="col", class_="number") for name in ("Confidence", "On gold", "Sentences")]
    rows = [
        element("tr", element("th", _chip(run.letter) if len(runs) > 1 else None, scope="row"),
                [element("td", value, class_="number") for value in
                 (f"{one.confidence:.3f}", f"{one.right:.1%}", f"{one.n:,}")])
        for run, bins in curves
        for one in bins
    ]  # fmt: skip
    figure = element("div", element("figure", caption, chart), text, class_="figures beside")
    numbers = _numbers("The numbers of this plot", element("tr", element("td"), heads), rows)
    return PageSection("calibration", "Calibration", "What a sentence's confidence means", (figure, numbers))


def _calibration_series(run: Run, bins: Sequence[CalibrationBin], several: bool) -> Series:
    """The line of a run. The numbers of sentences are written at the points where there is only one run."""
    points = tuple(
        ((one.confidence, one.right),
         f"{run.letter}: {one.n:,} sentences, confidence {one.confidence:.2f}, {one.right:.1%} on gold")
        for one in bins
    )  # fmt: skip
    return Series(run.letter, points, labels=() if several else tuple(f"{one.n:,}" for one in bins))


def _share_right(bins: Sequence[CalibrationBin]) -> float:
    return sum(one.right * one.n for one in bins) / sum(one.n for one in bins)


def _numbers(title: str, head: Element, rows: Sequence[Element]) -> Element:
    table = element("table", element("caption", title, class_="hidden"), element("thead", head), element("tbody", rows),
                    class_="numbers")  # fmt: skip
    return element("details", element("summary", title), element("div", table, class_="scroll"))


# Outcomes and time ----------------------------------------------------------------------------------------------------

_OUTCOMES = (("answered", "answered"), ("partial", "partly answered"), ("not_found", "refused"), ("crashed", "crashed"))
_STATUS_WORDS = dict(_OUTCOMES)
_VERDICT_WORDS: dict[Verdict, str] = {
    "supported": "supported",
    "weak": "weakly supported",
    "unsupported": "unsupported",
    "no_claim": "no claim",
}


def _outcomes(runs: Sequence[Run]) -> PageSection | None:
    """The outcomes of the questions, and the verdicts on the sentences of the answers."""
    asked = [run for run in runs if not run.result.retrieval_only]
    if not asked:
        return None
    questions = [
        figure
        for answerable, title in ((True, "Answerable questions"), (False, "Unanswerable questions"))
        for figure in _bars(title, runs, [(run, _count_outcomes(run, answerable)) for run in asked])
    ]
    verdicts = [
        (run, [(f"verdict-{name}", _VERDICT_WORDS[name], run.result.counts.get(f"sentences_{name}", 0))
               for name in get_args(Verdict)])
        for run in asked
    ]  # fmt: skip
    sentences = list(_bars("Verdicts on the answers' sentences", runs, verdicts))
    content = [*questions, *_reasons(asked, len(runs) > 1), *sentences]
    return PageSection("outcomes", "Outcomes", "Outcomes and verdicts", tuple(content)) if content else None


def _reasons(runs: Sequence[Run], several: bool) -> Iterable[Element]:
    """The count of each reason for a refusal or a partial answer, where reasons were recorded."""
    counted = Counter(
        (record.status, record.reason, run.letter, record.answerable)
        for run in runs
        for record in run.result.records
        if record.error is None and record.reason is not None
    )
    rows = []
    for status in get_args(AnswerStatus):
        for reason, words in REASONS.items():
            counts = [counted[status, reason, run.letter, answerable] for run in runs for answerable in (True, False)]
            if any(counts):
                head = element("th", f"{_STATUS_WORDS[status]}: {words} ", element("code", reason), scope="row")
                rows.append(element("tr", head, [element("td", f"{count:,}", class_="number") for count in counts]))
    if not rows:
        return
    heads = [
        element("th", [_chip(run.letter), " "] if several else None, words, scope="col", class_="number")
        for run in runs
        for words in ("answerable", "unanswerable")
    ]
    head = element("thead", element("tr", element("td"), heads))
    table = element("table", element("caption", "Reasons", class_="hidden"), head, element("tbody", rows),
                    class_="numbers reasons")  # fmt: skip
    caption = element("figcaption", element("strong", "Reasons for partial answers and refusals"))
    yield element("figure", caption, element("div", table, class_="scroll"), class_="bars")


def _count_outcomes(run: Run, answerable: bool) -> list[tuple[str, str, int]]:
    states = [
        "crashed" if record.error is not None else record.status
        for record in run.result.records
        if record.answerable == answerable
    ]
    kinds = {"answered": "good", "partial": "fair", "not_found": "bad", "crashed": "crash"}
    if not answerable:
        kinds |= {"answered": "bad", "partial": "poor", "not_found": "good"}
    return [(f"is-{kinds[state]}", words, states.count(state)) for state, words in _OUTCOMES]


def _bars(
    title: str, runs: Sequence[Run], counted: Sequence[tuple[Run, Sequence[tuple[str, str, int]]]]
) -> Iterable[Element]:
    rows = []
    for run, parts in counted:
        whole = sum(count for _, _, count in parts)
        if not whole:
            continue
        said = ", ".join(f"{count:,} {words}" for _, words, count in parts if count)
        chip = _chip(run.letter) if len(runs) > 1 else None
        bar = stacked_bar(f"{title}, {run.letter}: {said}", parts)
        key = [
            element("li", element("i", class_=kind), f" {words} ", element("b", f"{count:,}"), f" {count / whole:.1%}")
            for kind, words, count in parts
            if count
        ]
        rows.append(element("div", chip, element("div", bar, element("ul", key, class_="key")), class_="bar-row"))
    if rows:
        yield element("figure", element("figcaption", element("strong", title)), rows, class_="bars")


def _time(runs: Sequence[Run]) -> PageSection | None:
    names = list(dict.fromkeys(step for run in runs for step in run.result.timings_ms))
    steps = [
        (step, [(run.letter, run.result.timings_ms[step]) for run in runs if step in run.result.timings_ms])
        for step in names
    ]
    if not steps:
        return None
    said = "; ".join(
        f"{step} {letter} {format_ms(timing.p50)} to {format_ms(timing.p95)}"
        for step, found in steps
        for letter, timing in found
    )
    chart = latency_chart(f"Median and 95th percentile of each step. {said}.", steps)
    text = (
        "Each bar ends at the median of all questions; its paler part ends at the 95th percentile. The axis is "
        "logarithmic: each grid line is ten times the one before."
    )
    rows = [
        element("tr", element("th", step.replace("_", " "), " ", _chip(letter) if len(runs) > 1 else None, scope="row"),
                [element("td", value, class_="number") for value in
                 (format_ms(timing.p50), format_ms(timing.p95), f"{timing.n:,}")])
        for step, found in steps
        for letter, timing in found
    ]  # fmt: skip
    heads = [element("th", words, scope="col", class_="number") for words in ("Median", "95th percentile", "n")]
    numbers = _numbers("The numbers of this chart", element("tr", element("td"), heads), rows)
    return PageSection(
        "time", "Time", "Time by step", (element("p", text, class_="note"), element("figure", chart), numbers)
    )
