"""The report: its curves worked by hand, its page with every text as text, one run or several."""

from __future__ import annotations

import hashlib
import json
import random
import re
from base64 import b64encode
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from conftest import ScriptedGenerator, WordHashEmbedder

from evals.metrics.answers import citation_metrics, contains_answer, exact_match, refusal_metrics, token_f1
from evals.metrics.ranking import Level, Location, measure_ranking
from evals.metrics.scoring import count_outcomes, total_metrics, total_timings
from evals.report.curves import (
    CalibrationBin,
    RiskPoint,
    at_coverage,
    calibration,
    gold_rank,
    risk_coverage,
    success_curve,
)
from evals.report.markup import element, format_ms, write_elements
from evals.report.measures import describe_metric, group_metrics
from evals.report.questions import REASONS, deciding_level, question_states
from evals.report.runs import QuestionRecord, RecordedCitation, RecordedHit, RecordedSentence, name_runs, read_runs
from evals.report.write import main_report
from evals.run.caller import Caller
from evals.run.runner import RunOptions, run_suite
from evals.suites.cases import Case, Evidence, load_suite
from rag.errors import InputError
from rag.library import Library
from rag.settings import Settings
from rag.types import Span

Record = dict[str, Any]

# Result files made here -----------------------------------------------------------------------------------------------

PAGES = {
    "handbook.pdf": [
        ("Office staff may carry over up to 10 unused days of leave to the next year.", "How many unused days of leave "
         "may office staff carry over?", "10 days"),
        ("Workshop staff must take the days they carried over by 31 January.", "By when must carried-over leave be "
         "taken in the workshop?", "31 January"),
        ("A birth parent with less than a year of service gets 10 weeks of full pay.", "How long is full pay for a "
         "birth parent in the first year?", "10 weeks"),
        ("A lost or stolen laptop must be reported to the security desk within 2 hours.", "How quickly must a stolen "
         "laptop be reported?", "within 2 hours"),
        ("Hotels in Norway are paid for up to 210 euros a night.", "What is the hotel limit for a night in Norway?",
         "210 euros"),
    ],
    "pump-manual.docx": [
        ("Drain the pump and wait until it has cooled to 40 °C before the housing is opened.", "How cool must the pump "
         "be before it is opened?", "40 °C"),
        ("The four housing bolts are tightened crosswise to 25 Nm.", "To what torque are the housing bolts tightened?",
         "25 Nm"),
        ("Replace the shaft seal every 4,000 hours of operation, or once a year.", "How often is the shaft seal "
         "replaced?", "every 4,000 hours"),
        ("Error E17 says that the inlet valve is blocked.", "What does error E17 mean?", "the inlet valve is blocked"),
    ],
    "board-minutes.pdf": [
        ("The board approved a budget of 1.2 million euros for the new hall in Bremen.", "How much was approved for "
         "the hall in Bremen?", "1.2 million euros"),
        ("Dr Okafor was elected to the chair with seven votes to two.", "Who was elected to the chair?", "Dr Okafor"),
        ("The next meeting is on 14 May in Leeds.", "Where is the next meeting of the board?", "Leeds"),
        ("The lease of the Leeds warehouse ends on 30 September and will not be renewed.", "When does the lease of the "
         "Leeds warehouse end?", "30 September"),
    ],
    "safety-sheet.pdf": [
        ("Store the solvent below 25 °C, away from light.", "At what temperature is the solvent stored?",
         "below 25 °C"),
        ("After contact with the eyes rinse with water for 15 minutes and see a doctor.", "How long are the eyes "
         "rinsed?", "15 minutes"),
        ("The flash point of the solvent is 61 °C.", "What is the flash point of the solvent?", "61 °C"),
    ],
}  # fmt: skip
UNANSWERABLE = (
    "Who designed the logo of the company?",
    "What does the canteen serve on Fridays?",
    "How many parking spaces are there in Leeds?",
    "Which bank holds the pension fund?",
    "When was the pump patented?",
    "What is the boiling point of the solvent in Kelvin at 2 bar?",
    "How old is Dr Okafor?",
    "Does the hall in Bremen have a library?",
)
NOT_FOUND = "The documents do not answer this."


def make_result(
    seed: int = 1, *, skill: float = 0.6, retrieval_only: bool = False, copies: int = 2, **fields: Any
) -> Record:
    """A result file with 16 answerable questions `copies` times and 8 unanswerable ones, measured as a run does it.

    `skill` is the chance that the gold page takes the next rank, and that an answer is right.
    """
    dice = random.Random(seed)
    facts = [(name, page, *fact) for name, pages in PAGES.items() for page, fact in enumerate(pages, 1)]
    records = []
    for copy in range(copies):
        for number, (name, page, sentence, question, answer) in enumerate(facts):
            start = 400 * (page - 1) + 21
            gold = Evidence(name, page, start, start + len(sentence), sentence)
            asked = question if copy == 0 else f"Please tell me: {question[0].lower()}{question[1:]}"
            case = Case(f"fact-{number:02}-{copy}", asked, (answer, f"about {answer}"), True, (gold,))
            records.append(make_record(case, dice, skill, retrieval_only))
    for number, question in enumerate(UNANSWERABLE):
        records.append(make_record(Case(f"none-{number}", question, (), False, ()), dice, skill, retrieval_only))
    dice.shuffle(records)
    header = {
        "format": 2, "suite": "house papers", "suite_hash": "0123456789ab", "pipeline": "footnote",
        "finished_at": "2026-03-02T09:41:07+00:00", "retrieval_only": retrieval_only, "limit": None, "sample_seed": 7,
        "settings": {"retrieval": {"top_k": 8, "reranker": None}, "chunking": {"tokens": 220}}, "settings_hash": "5e77",
        "code_hash": "c0de", "commit": "abc1234", "embedding_model": "all-MiniLM-L6-v2@8b3219a92973",
        "model": None if retrieval_only else "embedded/qwen2.5-1.5b@cc324af070c2", "judge": None,
        "machine": {"platform": "Linux-6.1-x86_64", "processor": "AMD EPYC 7", "cores": 8, "memory_gb": 31.3,
                    "python": "3.11.7"},
        "documents": 4, "failed_documents": [], "skipped_lines": [], "lost_evidence": [], "ingest_s": 34.0,
        "replayed_replies": 0,
    }  # fmt: skip
    measured = {
        "totals": total_metrics(records), "counts": count_outcomes(records), "timings_ms": total_timings(records)
    }  # fmt: skip
    return header | measured | {"records": records} | fields


def write(folder: Path, result: Record, name: str = "run.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(result), encoding="utf-8")
    return path


def make_record(case: Case, dice: random.Random, skill: float, retrieval_only: bool) -> Record:
    hits = make_hits(case, dice, skill)
    places = [Location(hit["document"], hit["page"], hit["start"], hit["end"]) for hit in hits]
    confidence = dice.uniform(0.35, 0.9 if case.answerable else 0.6)
    record: Record = {
        "id": case.id, "question": case.question, "answerable": case.answerable,
        "gold": [asdict(item) for item in case.evidence], "gold_answers": list(case.answers),
        "tags": {"kind": "fact" if case.answerable else "outside"}, "error": None, "hits": hits,
        "metrics": measure_ranking(case, places), "confidence": round(confidence, 4),
        "timings_ms": {"search": round(dice.lognormvariate(3.2, 0.3), 1)},
    }  # fmt: skip
    if retrieval_only:
        return record
    if dice.random() < 0.03:
        return record | {"error": "dependency_unavailable: the model server closed the connection"}
    answer_record(record, case, dice, skill)
    return record


def make_hits(case: Case, dice: random.Random, skill: float) -> list[Record]:
    pages = [(name, page, fact[0]) for name, facts in PAGES.items() for page, fact in enumerate(facts, 1)]
    dice.shuffle(pages)
    if case.evidence:
        gold = case.evidence[0]
        found = (gold.document, gold.page or 0, gold.quote or "")
        pages.remove(found)
        place = next((rank for rank in range(len(pages)) if dice.random() < skill), None)
        if place is not None:
            pages.insert(place, found)
    hits = []
    for rank, (name, page, sentence) in enumerate(pages, 1):
        start = 400 * (page - 1)
        text = f"On this page, first: {sentence} What follows explains the rule, names who decides and gives examples."
        hits.append({"rank": rank, "score": round(0.95 / (1 + 0.18 * rank), 4), "document": name, "page": page,
                     "start": start, "end": start + 400, "text": text if rank <= 10 else ""})  # fmt: skip
    return hits


def answer_record(record: Record, case: Case, dice: random.Random, skill: float) -> None:
    first = record["hits"][0]
    on_gold = bool(case.evidence) and first["document"] == case.evidence[0].document
    if dice.random() < (0.9 - 0.6 * skill if on_gold else 0.4 + 0.5 * skill) * (0.3 if case.answerable else 1):
        sentences: list[Record] = [{"text": NOT_FOUND, "verdict": "no_claim", "citations": [], "reason": "it refuses"}]
        record |= {"status": "not_found", "citations": [], "reason": "no_match" if on_gold else "not_in_passages"}
    else:
        told = case.answers[0] if case.answerable and dice.random() < skill + 0.25 else "rather more than that"
        sentence = {"text": f"According to the documents it is {told} [1].", "verdict": "supported", "citations": [1],
                    "reason": ""}  # fmt: skip
        sentences = [sentence]
        quote = first["text"][21:].split(" What follows")[0]
        citation = {"number": 1, "document_name": first["document"], "page": first["page"], "quote": quote, "boxes": [],
                    "span": {"document_id": "d", "start": first["start"] + 21, "end": first["start"] + 21 + len(quote)},
                    }  # fmt: skip
        if dice.random() < 0.4:
            weak = {"text": "This also holds for trainees [1].", "verdict": "weak", "citations": [1],
                    "reason": "3 of 5 words are in the passage"}  # fmt: skip
            unsupported = {"text": "It has been so since 1998.", "verdict": "unsupported", "citations": [],
                           "reason": "the number 1998 is not in the passage"}  # fmt: skip
            sentences += [weak, unsupported] if dice.random() < 0.5 else [weak]
        partial = len(sentences) > 2
        record |= {"status": "partial" if partial else "answered", "reason": "unsupported" if partial else None,
                   "citations": [citation]}  # fmt: skip
    at = 0
    for one in sentences:
        one |= {"start": at, "end": at + len(one["text"])}
        at = one["end"] + 1
    answer = " ".join(one["text"] for one in sentences)
    record |= {"answer": answer, "sentences": sentences, "citations_wrong": [],
               "usage": {"prompt_tokens": dice.randint(700, 1900), "completion_tokens": dice.randint(9, 80),
                         "passages_sent": 5, "passages_left_out": 3, "markers_removed": 0}}  # fmt: skip
    steps = {"retrieve": 28, "pack": 5, "first_token": 420, "generate": 1900, "verify": 11}
    record["timings_ms"] |= {name: round(ms * dice.lognormvariate(0, 0.4), 1) for name, ms in steps.items()}
    record["timings_ms"]["total"] = round(
        sum(record["timings_ms"][name] for name in ("retrieve", "generate", "verify")), 1
    )
    said = "" if record["status"] == "not_found" else answer.replace(" [1]", "")
    if case.answerable:
        record["metrics"] |= {"exact_match": exact_match(said, case.answers), "f1": token_f1(said, case.answers),
                              "contains_answer": contains_answer(said, case.answers)}  # fmt: skip
    cited = [
        Location(one["document_name"], one["page"], one["span"]["start"], one["span"]["end"])
        for one in record["citations"]
    ]
    record["metrics"] |= refusal_metrics(case, record["status"]) | citation_metrics(case, cited, record["status"])
    record["metrics"] |= {name: float(record["usage"][name]) for name in ("prompt_tokens", "completion_tokens")}


# Curves ---------------------------------------------------------------------------------------------------------------


def a_record(number: int, **fields: Any) -> QuestionRecord:
    """An answerable question with gold on page 3 of a.pdf, characters 100 to 120, nothing found or answered."""
    told: Record = {
        "id": f"q{number}", "question": "How many?", "answerable": True, "gold": (Evidence("a.pdf", 3, 100, 120),),
        "gold_answers": ("ten",), "error": None, "hits": (), "metrics": {}, "confidence": None, "timings_ms": {},
    }  # fmt: skip
    return QuestionRecord(**told | fields)


def hits_on(*places: tuple[str, int | None, int, int]) -> tuple[RecordedHit, ...]:
    return tuple(RecordedHit(rank, 0.5, *place, text="") for rank, place in enumerate(places, 1))


def answer_of(number: int, confidence: float | None, **metrics: float) -> QuestionRecord:
    return a_record(number, status="answered", confidence=confidence, metrics=metrics)


def unanswerable(number: int, **fields: Any) -> QuestionRecord:
    return a_record(number, **{"answerable": False, "gold": (), "gold_answers": ()} | fields)


def test_success_curve() -> None:
    # gold: a.pdf page 3, characters 100..120
    # q1  hits b, a page 3 beside the words, a page 3 on them   document at 2, page at 2, passage at 3
    # q2  hits a page 9, then nothing more on gold              document at 1, no page, no passage
    # q3  nothing found, no error: counts, at no rank           q4  crashed in the search: left out
    # q5  unanswerable: left out                                so n = 3
    records = [
        a_record(1, hits=hits_on(("b.pdf", 3, 100, 120), ("a.pdf", 3, 0, 100), ("a.pdf", 3, 119, 200))),
        a_record(2, hits=hits_on(("a.pdf", 9, 900, 950), ("c.pdf", None, 100, 120))),
        a_record(3),
        a_record(4, error="ValueError: a library's own"),
        unanswerable(5, hits=hits_on(("a.pdf", 3, 100, 120))),
    ]
    documents, pages = success_curve(records, "document"), success_curve(records, "page")
    passages = success_curve(records, "passage")
    assert documents is not None
    assert pages is not None
    assert passages is not None
    assert (documents.n, pages.n, passages.n) == (3, 3, 3)
    assert documents.shares == pytest.approx([1 / 3] + [2 / 3] * 9)
    assert pages.shares == pytest.approx([0] + [1 / 3] * 9)
    assert passages.shares == pytest.approx([0, 0] + [1 / 3] * 8)


def test_the_first_ten_hits_are_looked_at_and_unknown_levels_have_no_curve() -> None:
    far = a_record(1, hits=hits_on(*[("b.pdf", 1, 0, 9)] * 10, ("a.pdf", 3, 100, 120)))
    found = success_curve([far], "page")
    assert found is not None
    assert (gold_rank(far, "page"), found.shares) == (11, (0.0,) * 10)
    document_only = a_record(2, gold=(Evidence("a.pdf"),))
    assert success_curve([document_only], "page") is None
    assert success_curve([], "document") is None


def test_the_curve_agrees_with_the_totals(tmp_path: Path) -> None:
    result = make_result(4, skill=0.3)
    records = read_runs([write(tmp_path, result)])[0].result.records
    levels: tuple[Level, ...] = ("document", "page", "passage")
    for level in levels:
        curve = success_curve(records, level)
        assert curve is not None
        for k in (1, 5, 10):
            assert curve.shares[k - 1] == pytest.approx(result["totals"][f"{level}_success@{k}"]["value"])


def test_risk_coverage() -> None:
    # eight questions; answered, the surest first:
    #   .9  right                               1 of 8, wrong 0             risk 0
    #   .8  unanswerable: wrong                 the two at .8 fall together
    #   .8  f1 .4, contains 0: .6 wrong         3 of 8, wrong 1.6           risk .5333
    #   .5  f1 .2 but contains: right           4 of 8, wrong 1.6           risk .4
    # refused twice, crashed once, and one without a confidence: right      5 of 8, wrong 1.6, risk .32
    records = [
        answer_of(1, 0.5, f1=0.2, contains_answer=1.0),
        answer_of(2, 0.9, f1=1.0, contains_answer=1.0),
        answer_of(3, 0.8, f1=0.4, contains_answer=0.0),
        unanswerable(4, status="partial", confidence=0.8),
        unanswerable(5, status="not_found", confidence=0.95),
        a_record(6, status="not_found", confidence=0.7, metrics={"f1": 0.0}),
        a_record(7, error="ValueError: x", status="answered", confidence=0.99),
        answer_of(8, None, f1=1.0),
    ]
    points = risk_coverage(records)
    assert [(point.threshold, point.answered) for point in points] == [(0.9, 1), (0.8, 3), (0.5, 4), (None, 5)]
    assert [point.coverage for point in points] == [1 / 8, 3 / 8, 4 / 8, 5 / 8]
    assert [point.risk for point in points] == pytest.approx([0, 1.6 / 3, 0.4, 0.32])
    assert at_coverage(points, 0.45) == points[1]
    assert at_coverage(points, 0.1) is None


def test_a_judge_decides_where_there_is_one() -> None:
    judged = answer_of(1, 0.9, f1=1.0, contains_answer=1.0, judged_correct=0.0)
    assert risk_coverage([judged]) == (RiskPoint(0.9, 1, 1.0, 1.0),)


def test_questions_that_cannot_be_judged_have_no_part_in_the_risk() -> None:
    no_gold_answer = a_record(1, status="answered", confidence=0.9, gold_answers=())
    right = answer_of(2, 0.5, f1=1.0)
    assert risk_coverage([no_gold_answer, right]) == (RiskPoint(0.5, 1, 1.0, 0.0),)
    assert risk_coverage([no_gold_answer, unanswerable(3, status="answered", confidence=0.4)]) == ()
    assert risk_coverage([a_record(4, status="not_found")]) == ()


def says(confidence: float | None, *citations: int) -> RecordedSentence:
    return RecordedSentence("Ten.", 0, 4, "supported", citations, "", confidence)


def test_calibration() -> None:
    # gold: page 3 of a.pdf. Citation 1 is on page 4, beside it: right. Citation 2 is on page 9: wrong.
    #   .82 cites 1, .88 cites 2 and 1, .84 cites 2: of three in .8 .. .9 two are right, mean (.82 + .88 + .84) / 3
    #   1.0 cites 1: right, in the last bin      .05 cites 2: wrong, in the first
    # No part: no citation, no confidence, a refusal, a crash, an unanswerable question, gold without page and words.
    cited = (cite(4, 300), replace(cite(9, 900), number=2))
    told = (says(0.82, 1), says(0.88, 2, 1), says(0.84, 2), says(1.0, 1), says(0.05, 2), says(0.83), says(None, 1))
    given: Record = {"citations": cited, "sentences": told, "status": "answered"}
    records = [
        a_record(1, **given),
        a_record(2, **given | {"status": "not_found"}),
        a_record(3, **given, error="ValueError: x"),
        unanswerable(4, **given),
        a_record(5, **given, gold=(Evidence("a.pdf"),)),
    ]
    first, middle, last = calibration(records)
    assert (first, last) == (CalibrationBin(0.05, 0.0, 1), CalibrationBin(1.0, 1.0, 1))
    assert middle.n == 3
    assert (middle.right, middle.confidence) == pytest.approx((2 / 3, 2.54 / 3))
    passage = a_record(6, gold=(Evidence("a.pdf", None, 302, 310),), **given)
    assert [one.right for one in calibration([passage])] == [one.right for one in (first, middle, last)]
    assert calibration(records[1:]) == ()


# Questions ------------------------------------------------------------------------------------------------------------


def cite(page: int | None, start: int, document: str = "a.pdf") -> RecordedCitation:
    return RecordedCitation(1, document, page, Span("d", start, start + 5), "words")


@pytest.mark.parametrize(
    ("record", "states"),
    [
        (a_record(1, status="answered", hits=hits_on(("a.pdf", 3, 0, 9)), citations=(cite(4, 300),)), ["answered"]),
        (a_record(1, status="partial", hits=hits_on(("a.pdf", 3, 0, 9)), citations=(cite(5, 300),)),
         ["answered", "partial", "off_gold"]),
        (a_record(1, status="not_found"), ["refused", "wrong_refusal", "not_retrieved"]),
        (unanswerable(1, status="not_found"), ["refused"]),
        (unanswerable(1, status="answered", citations=(cite(3, 100),)), ["answered", "wrong_answer"]),
        (a_record(1, error="ValueError: x"), ["crashed"]),
        (a_record(1, error="ValueError: x", hits=hits_on(("b.pdf", 1, 0, 9))), ["crashed", "not_retrieved"]),
        (a_record(1, hits=hits_on(("a.pdf", 3, 0, 9))), ["found"]),
        (a_record(1, gold=(Evidence("a.md", None, 5, 9),), hits=hits_on(("a.md", None, 9, 20))), ["not_retrieved"]),
        (unanswerable(1), ["unanswerable"]),
    ],
)  # fmt: skip
def test_states_of_a_question(record: QuestionRecord, states: list[str]) -> None:
    # gold is page 3 of a.pdf: a citation of page 4 passes as its neighbour, one of page 5 is off
    assert question_states(record) == states


def test_gold_counts_as_retrieved_by_page_then_passage_then_document() -> None:
    assert deciding_level(a_record(1).case) == "page"
    assert deciding_level(a_record(1, gold=(Evidence("a.md", None, 5, 9),)).case) == "passage"
    assert deciding_level(a_record(1, gold=(Evidence("a.md"),)).case) == "document"
    assert deciding_level(unanswerable(1).case) is None


# The page -------------------------------------------------------------------------------------------------------------


HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)><!--<script>",
    '"><svg onload=alert(3)>',
    "javascript:alert(4) ]]> &amp; $data ${title} \u2028 \x00 \ud800 'é' 🦉",
)


def report(folder: Path, *results: Record) -> BeautifulSoup:
    """The page made of these results, as a browser would read it."""
    paths = [write(folder, result, f"{number}.json") for number, result in enumerate(results)]
    assert main_report(paths, folder / "page.html") == 0
    return BeautifulSoup((folder / "page.html").read_text(encoding="utf-8"), "html.parser")


def data_of(page: BeautifulSoup) -> Record:
    loaded: Record = json.loads(str(page.select_one("#data").string))  # type: ignore[union-attr]
    return loaded


def titles(page: BeautifulSoup) -> list[str]:
    return [heading.get_text() for heading in page.select("section h2")]


def test_one_file_that_needs_nothing_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, make_result())
    assert main_report([path], None) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n"
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser")
    assert [link["href"] for link in page.select("[href]") if not str(link["href"]).startswith("#")] == []
    assert page.select("[src], link, iframe, object, base, form, [style]") == []
    assert {"url(", "@import", "fetch(", "XMLHttpRequest"} & set(
        re.findall(r"url\(|@import|fetch\(|XMLHttp\w+", text)
    ) == set()


def test_the_browser_runs_this_script_alone(tmp_path: Path) -> None:
    page = report(tmp_path, make_result())
    policy = str(page.select_one("meta[http-equiv=Content-Security-Policy]")["content"])  # type: ignore[index]
    data, script = page.select("script")
    assert data["type"] == "application/json"
    for kind, source in (("script", script.string), ("style", page.select_one("style").string)):  # type: ignore[union-attr]
        digest = b64encode(hashlib.sha256(str(source).encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")


def test_hostile_text_is_text(tmp_path: Path) -> None:
    script, attribute, odd = HOSTILE
    result = make_result(
        suite=script, commit=attribute, model=odd, failed_documents=[script], settings={attribute: {script: odd}}
    )
    first = next(record for record in result["records"] if record.get("citations"))
    first |= {"question": script, "gold_answers": [attribute], "answer": odd, "sentences": [], "tags": {script: odd}}
    first["citations"][0] |= {"quote": script, "document_name": attribute}
    first["hits"][0] |= {"text": script, "document": odd}
    result["records"][1] |= {"error": script, "id": attribute}
    result["totals"][script] = {"value": 0.5, "low": None, "high": None, "n": 1}
    result["timings_ms"][attribute] = {"p50": 1.0, "p95": 2.0, "n": 1}
    page = report(tmp_path, result, make_result(2, settings_hash=script))
    assert len(page.select("script")) == 2
    assert page.select("img, [onerror], [onload]") == []
    assert page.h1.get_text() == script  # type: ignore[union-attr]
    assert page.select_one(".trouble li").get_text() == script  # type: ignore[union-attr]
    assert "<" not in str(page.select_one("#data").string)  # type: ignore[union-attr]
    data = data_of(page)
    row = next(row for row in data["questions"] if row["question"] == script)
    assert (row["answers"], row["runs"][0]["citations"][0]["quote"]) == ([attribute], script)
    assert row["runs"][0]["pieces"] == [{"text": odd.replace("\ud800", "?")}]
    assert data["texts"][row["runs"][0]["hits"][0]["text"]] == script


def test_a_total_is_shown_with_its_interval_and_its_dot(tmp_path: Path) -> None:
    totals = {"f1": {"value": 0.25, "low": 0.125, "high": 0.75, "n": 1234}}
    page = report(tmp_path, make_result(totals=totals))
    [row] = page.select(".totals tbody tr")
    assert [cell.get_text() for cell in row.select("td.number")] == ["0.250", "0.125 – 0.750", "1,234"]
    # the axis runs from 7 to 143 px, so that a quarter of it is 34 px
    assert row.select_one("circle")["cx"] == str(7 + 34)  # type: ignore[index]
    whisker = row.select_one("line.whisker")
    assert whisker is not None
    assert (whisker["x1"], whisker["x2"]) == (str(7 + 17), str(7 + 3 * 34))
    assert row.svg["aria-label"] == "f1: 0.250, 95 % interval 0.125 to 0.750"  # type: ignore[index]


def test_the_first_figures_are_those_of_the_totals(tmp_path: Path) -> None:
    result = make_result()
    result["totals"]["page_success@5"] = {"value": 0.934, "low": 0.8, "high": None, "n": 1234}
    result["totals"]["refusal_recall"] = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8}
    result["counts"] |= {"citations": 139, "citations_wrong": 2}
    cards = {card.h3.get_text(): card.p.get_text() for card in report(tmp_path, result).select(".card")}  # type: ignore[union-attr]
    assert cards["A gold page in the first 5 hits"] == "93 % n = 1,234"
    assert cards["Unanswerable questions that were refused"] == "50 % 25 to 75 %, n = 8"
    assert cards["Wrong citations: quote or page differs from the document"] == "2 of 139"
    assert "Median time for an answer" in cards


def test_the_curves_numbers_stand_in_tables(tmp_path: Path) -> None:
    result = make_result(4, skill=0.3)
    page = report(tmp_path, result)
    rows = {row.th.get_text().strip(): row for row in page.select("#found .numbers tbody tr")}  # type: ignore[union-attr]
    assert list(rows) == ["Documents", "Pages", "Passages"]
    shown = [cell.get_text() for cell in rows["Pages"].select("td")]
    assert (shown[0], shown[9]) == tuple(f"{result['totals'][f'page_success@{k}']['value']:.1%}" for k in (1, 10))
    answered = sum(record.get("status") in ("answered", "partial") for record in result["records"])
    last = page.select("#refusal .numbers tbody tr")[-1]
    assert [cell.get_text() for cell in last.select("td")][:2] == [f"{answered / 40:.1%}", str(answered)]
    assert last.th.get_text().strip() == "the run itself"  # type: ignore[union-attr]


def test_verdicts_and_outcomes_are_counted(tmp_path: Path) -> None:
    result = make_result()
    page = report(tmp_path, result)
    verdicts = page.select("#outcomes .bars")[-1]
    words = " ".join(verdicts.get_text(" ").split())
    assert f"weakly supported {result['counts']['sentences_weak']} " in words
    refused = sum(not record["answerable"] and record.get("status") == "not_found" for record in result["records"])
    assert f"refused {refused} " in " ".join(page.select("#outcomes .bars")[1].get_text(" ").split())


def test_reasons_are_counted_and_stand_by_their_question(tmp_path: Path) -> None:
    result = make_result()
    page = report(tmp_path, result)
    rows = {
        row.th.get_text(): [cell.get_text() for cell in row.select("td")]  # type: ignore[union-attr]
        for row in page.select(".reasons tbody tr")
    }

    def count(status: str, reason: str, answerable: bool) -> str:
        found = [record for record in result["records"] if record["answerable"] == answerable]
        return str(sum((record.get("status"), record.get("reason")) == (status, reason) for record in found))

    assert list(rows) == [
        "partly answered: the passages do not support all of the reply unsupported",
        "refused: no passage was close enough no_match",
        "refused: the passages do not say it not_in_passages",
    ]
    refused = rows["refused: the passages do not say it not_in_passages"]
    assert refused == [count("not_found", "not_in_passages", answerable) for answerable in (True, False)]
    assert sum(result["counts"][f"reason_{name}"] for name in REASONS) == sum(
        int(n) for row in rows.values() for n in row
    )
    told = {row["id"]: row["runs"][0]["reason"] for row in data_of(page)["questions"]}
    assert told == {record["id"]: REASONS.get(record.get("reason")) for record in result["records"]}
    both = report(tmp_path, result, make_result(2))
    assert [head.get_text() for head in both.select(".reasons thead th")] == [
        "A answerable", "A unanswerable", "B answerable", "B unanswerable"
    ]  # fmt: skip


def test_a_result_without_reasons_and_confidences_is_shown_as_before(tmp_path: Path) -> None:
    result = make_result()
    for record in result["records"]:
        record.pop("reason", None)
    page = report(tmp_path, result)
    assert page.select(".reasons, #calibration") == []
    assert {row["runs"][0]["reason"] for row in data_of(page)["questions"]} == {None}


def test_the_confidence_of_sentences_is_held_against_gold(tmp_path: Path) -> None:
    result = make_result()
    dice = random.Random(5)
    for record in result["records"]:
        for sentence in record.get("sentences", ()):
            sentence["confidence"] = dice.random()
    page = report(tmp_path, result)
    bins = calibration(read_runs([write(tmp_path, result)])[0].result.records)
    rows = [[cell.get_text() for cell in row.select("td")] for row in page.select("#calibration .numbers tbody tr")]
    assert rows == [[f"{one.confidence:.3f}", f"{one.right:.1%}", str(one.n)] for one in bins]
    assert len(rows) > 5
    assert [text.get_text() for text in page.select("#calibration g text")] == [str(one.n) for one in bins]
    # both axes run from 0 to 1 over 328 and 278 px, so that a dot on the diagonal is as far up as it is along
    dot, first = page.select("#calibration circle")[-1], bins[-1]
    assert float(str(dot["cx"])) == pytest.approx(48 + 328 * first.confidence, abs=0.1)
    assert float(str(dot["cy"])) == pytest.approx(12 + 278 * (1 - first.right), abs=0.1)


def test_the_sample_and_its_documents_are_told(tmp_path: Path) -> None:
    drawn: Record = {
        "sample_answerable": 32,
        "sample_unanswerable": 8,
        "questions_hash": "0a1b2c",
        "within_document": True,
    }
    page = report(tmp_path, make_result(**drawn))
    facts = {row.th.get_text(): row.td.get_text() for row in page.select(".facts tr") if row.th and row.td}
    assert facts["Sample"] == "32 answerable, 8 unanswerable, seed 7, questions 0a1b2c"
    assert facts["Asked of"] == "each question's own documents"
    assert facts["Questions"].startswith("a sample of 40 questions")
    assert "Sample" not in {head.get_text() for head in report(tmp_path, make_result()).select(".facts th")}


def test_several_runs_stand_beside_each_other(tmp_path: Path) -> None:
    # the second is so much worse at ranking that chance does not explain it
    better, worse = make_result(1, skill=0.9), make_result(2, skill=0.1, pipeline="textbook", settings={"top_k": 5})
    worse["records"] = worse["records"][1:]
    page = report(tmp_path, better, worse)
    heads = [head.get_text() for head in page.select("header .tables thead th")]
    assert heads == ["A footnote", "B textbook"]
    [head] = [head for head in page.select(".totals tbody th") if head["title"] == "page_ndcg@10"]
    first, second = head.parent.parent.select("tr")  # type: ignore[union-attr]
    assert [row.select_one(".value").get_text() for row in (first, second)] == [
        f"{run['totals']['page_ndcg@10']['value']:.3f}" for run in (better, worse)
    ]
    assert second.select_one("em").get_text() == "worse"
    assert len(head.parent.select("circle")) == 2  # type: ignore[union-attr]
    data = data_of(page)
    parts = [row["runs"] for row in data["questions"]]
    assert (len(parts), {len(runs) for runs in parts}) == (40, {2})
    assert sum(runs[1] is None for runs in parts) == 1


def test_runs_are_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    def names(*results: Record) -> list[str]:
        return name_runs(read_runs([write(tmp_path, result, f"{n}.json") for n, result in enumerate(results)]))

    plain, searched = make_result(copies=1), make_result(copies=1, retrieval_only=True)
    assert names(plain) == ["footnote"]
    assert names(plain, plain | {"pipeline": "textbook"}, searched) == [
        "footnote, embedded/qwen2.5-1.5b", "textbook", "footnote, retrieval only"
    ]  # fmt: skip
    assert names(plain, plain | {"settings_hash": "77aa"}) == ["footnote, settings 5e77", "footnote, settings 77aa"]


def test_a_run_of_retrieval_alone_has_no_empty_parts(tmp_path: Path) -> None:
    page = report(tmp_path, make_result(retrieval_only=True))
    assert titles(page) == [
        "1 At a glance", "2 Totals", "3 Rank of the evidence", "4 Time by step", "5 Questions"
    ]  # fmt: skip
    captions = [caption.strong.get_text() for caption in page.select(".totals caption")]  # type: ignore[union-attr]
    assert captions[-1] == "Characters"
    assert [state["name"] for state in data_of(page)["states"]] == ["found", "unanswerable"]
    asked = report(tmp_path, make_result())
    assert [title[2:] for title in titles(asked)][3:5] == [
        "What a stricter refusal would be worth", "Outcomes and verdicts"
    ]  # fmt: skip


def test_gold_words_are_marked_and_pieces_make_the_answer(tmp_path: Path) -> None:
    result = make_result()
    records = {record["id"]: record for record in result["records"]}
    data = data_of(report(tmp_path, result))
    marked = 0
    for row in data["questions"]:
        record, [part] = records[row["id"]], row["runs"]
        assert "".join(piece["text"] for piece in part["pieces"]) == record.get("answer", "")
        for hit in part["hits"]:
            for start, end in hit["marks"]:
                assert data["texts"][hit["text"]][start:end] == record["gold"][0]["quote"]
                assert hit["gold"] == "passage"
                marked += 1
    assert marked == sum(record["metrics"].get("passage_success@10", 0) for record in records.values())


def test_only_the_first_ten_hits_are_kept_and_each_text_once(tmp_path: Path) -> None:
    data = data_of(report(tmp_path, make_result()))
    assert {len(row["runs"][0]["hits"]) for row in data["questions"]} == {10}
    assert len(data["texts"]) == len(set(data["texts"])) == 16


def test_what_went_wrong_is_said(tmp_path: Path) -> None:
    result = make_result(skipped_lines=["questions.jsonl line 3: not JSON"], lost_evidence=["question q1: lost"])
    crashed = [record for record in result["records"] if record["error"]]
    page = report(tmp_path, result)
    said = [note.summary.get_text() for note in page.select(".trouble")]  # type: ignore[union-attr]
    assert said == [
        "1 line of the suite was skipped", "1 piece of gold evidence was not found", f"{len(crashed)} question crashed"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "is not a result file"),
        (json.dumps({"records": [], "totals": {}}), "of format 1, and a report needs 2"),
        (json.dumps(make_result(copies=1) | {"totals": {"f1": {"value": "much"}}}), "is damaged: totals.f1.value: "),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=f"run.json.*{words}"):
        main_report([path], None)
    assert not (tmp_path / "report.html").exists()


def test_other_files_are_not_touched(tmp_path: Path) -> None:
    path = write(tmp_path, make_result(copies=1))
    before = path.read_bytes()
    with pytest.raises(InputError, match="is one of the result files"):
        main_report([path], path)
    assert path.read_bytes() == before
    with pytest.raises(InputError, match="cannot be written"):
        main_report([path], tmp_path)
    with pytest.raises(InputError, match=r"missing\.json cannot be read"):
        main_report([tmp_path / "missing.json"], None)


def test_runs_that_do_not_match_are_refused(tmp_path: Path) -> None:
    result = make_result(copies=1)
    one, other = write(tmp_path, result), write(tmp_path, result | {"suite_hash": "another"}, "other.json")
    with pytest.raises(InputError, match="two suites"):
        main_report([one, other], None)
    with pytest.raises(InputError, match="shows 1 to 6 runs, and 7 were named"):
        main_report([one] * 7, None)


def test_the_result_file_of_a_run_is_understood(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "normans.md").write_text("Rollo was a Norse leader.", encoding="utf-8")
    asked = {"id": "who", "question": "Who was Rollo?", "answers": ["a Norse leader"], "answerable": True,
             "evidence": [{"document": "normans.md", "quote": "Norse leader"}]}  # fmt: skip
    (folder / "questions.jsonl").write_text(json.dumps(asked), encoding="utf-8")
    generator = ScriptedGenerator("Rollo was a Norse leader [1].")
    caller = Caller(
        open_library=lambda settings, command: Library(
            settings, command, embedder=WordHashEmbedder(), generator=generator
        )
    )
    _, path = run_suite(settings, load_suite(folder), RunOptions(out=tmp_path / "runs"), caller)
    assert main_report([path], tmp_path / "page.html") == 0
    page = BeautifulSoup((tmp_path / "page.html").read_text(encoding="utf-8"), "html.parser")
    [row] = data_of(page)["questions"]
    [part] = row["runs"]
    assert (part["states"], part["gold_rank"], part["citations"][0]["gold"]) == (["answered"], 1, "passage")
    assert part["pieces"][0] == {"text": "Rollo was a Norse leader [1].", "verdict": "supported", "reason": ""}
    assert "scripted/1" in page.select_one(".tables").get_text()  # type: ignore[union-attr]


# Small parts ----------------------------------------------------------------------------------------------------------


def test_elements_escape_what_they_hold() -> None:
    made = element("p", "a < b ", element("b", "&"), ' "c"', None, class_='"><i>', hidden=None)
    assert write_elements([made]) == '<p class="&quot;&gt;<i&gt;">a &lt; b <b>&amp;</b> "c"</p>'


@pytest.mark.parametrize(
    ("value_ms", "words"),
    [(0.42, "0.4 ms"), (9.96, "10 ms"), (84.4, "84 ms"), (999.6, "1.00 s"), (1840, "1.84 s"), (12_340, "12.3 s"),
     (125_000, "2 min 5 s"), (119_700, "2 min 0 s")],
)  # fmt: skip
def test_times_as_one_reads_them(value_ms: float, words: str) -> None:
    assert format_ms(value_ms) == words


def test_every_metric_of_a_run_has_a_group_and_words() -> None:
    names = [*make_result()["totals"], "number_recall", "answer_similarity", "judged_correct"]
    grouped = group_metrics(names)
    assert sorted(name for _, found in grouped for name in found) == sorted(names)
    assert "Other measures" not in [group.title for group, _ in grouped]
    assert [name for name in names if not describe_metric(name)] == []
    assert [group.title for group, _ in group_metrics(["f1", "my_own"])] == ["Answers", "Other measures"]
