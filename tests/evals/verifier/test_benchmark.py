"""The benchmark of the verifier: what it calls true is so, what it calls false is not, and the same every time."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from evals.training.verdicts import read_features
from evals.verifier.benchmark import SAMPLE, JudgedCase, calibrate, judge_cases, main, tabulate
from evals.verifier.cases import FACTS, FALSE_KINDS, TRUE_KINDS, VerifierCase, build_cases
from evals.verifier.corruptions import CORRUPTIONS, Surroundings, find_names, known_names
from evals.verifier.shares import wilson
from evals.verifier.statements import REWRITINGS, combine, is_statement, join_answer, settle_case, speak_row


@pytest.fixture(scope="module")
def cases() -> list[VerifierCase]:
    return build_cases([SAMPLE], 40)


@pytest.fixture(scope="module")
def judged(cases: list[VerifierCase]) -> list[JudgedCase]:
    return judge_cases(cases)


@pytest.mark.parametrize(
    ("form", "sentence", "expected"),
    [
        ("clause", "The roof had collapsed in May, and the office was closed then.", "The roof had collapsed in May."),
        ("opening dropped", "In 1380, the king left the town.", "The king left the town."),
        ("opening moved", "In 1380, the king left the town.", "The king left the town in 1380."),
        ("aside dropped", "The king (a Dane by birth) left the town.", "The king left the town."),
        ("list reordered", "We buy apples, pears, plums and figs.", "We buy apples, plums, pears and figs."),
        ("relative clause", "Bergen, which was the largest town, lost its port.", "Bergen was the largest town."),
        ("active", "Norway was conquered by Denmark in 1380.", "Denmark conquered Norway."),
        ("passive", "Denmark conquered the north in 1380.", "The north was conquered by Denmark."),
        ("cause turned", "It closed because the roof had collapsed.", "Because the roof had collapsed, it closed."),
        ("possessive", "She met the king of Denmark.", "She met Denmark's king."),
        ("number form", "It cost $1.5 million in five years.", "It cost $1.5 million in 5 years."),
        ("number form", "It had 1,500,000 readers.", "It had 1.5 million readers."),
        ("date form", "It closed on March 3, 2022.", "It closed on 3 March 2022."),
        ("other words", "They began prior to noon.", "They started before noon."),
    ],
)  # fmt: skip
def test_a_rewriting_says_the_same(form: str, sentence: str, expected: str) -> None:
    made = REWRITINGS[form](sentence)
    assert made is not None
    assert settle_case(made, frozenset(["the", "it"])) == expected


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ("opening dropped", "In 1380, no king left the town."),
        ("opening dropped", "After 12 months, staff may take 10 days."),
        ("clause", "Either the roof had collapsed in May, and the office was closed."),
        ("active", "Norway was conquered by Denmark and Sweden."),
        ("date form", "It closed in March."),
    ],
)
def test_a_rewriting_that_might_change_the_sense_is_not_made(form: str, sentence: str) -> None:
    assert REWRITINGS[form](sentence) is None


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Who was the Norse leader?", "Rollo", "The Norse leader was Rollo."),
        ("When did the Normans conquer England?", "1066", "The Normans conquered England in 1066."),
        ("Who founded the Ming dynasty?", "Zhu Yuanzhang", "Zhu Yuanzhang founded the Ming dynasty."),
        ("How many seats did the SNP take?", "eight", "The SNP took eight seats."),
        ("In what year did the war begin?", "1754", "The war began in 1754."),
        ("Why did they leave?", "hunger", None),
        ("What is the dog afraid of?", "thunder", None),
    ],
)
def test_a_question_and_its_answer_become_a_statement(question: str, answer: str, expected: str | None) -> None:
    assert join_answer(question, answer) == expected


def test_a_row_is_spoken_with_its_columns() -> None:
    said = [text for text, *_ in speak_row("Country | Full day (EUR) | Hotel limit (EUR)", "Norway | 79 | 210")]
    assert said == ["The full day of Norway is 79.", "For Norway, the hotel limit is 210."]
    assert list(speak_row("Country | Full day", "Norway | 79 | 210 | 40")) == []


def test_pronouns_questions_and_rows_are_no_statements() -> None:
    assert is_statement("The office in Bergen was closed in May.")
    for text in (
        "He was closed in the month of May.",
        "Was the office in Bergen closed?",
        "Norway | 79 | was | 210 | 3 | 4.",
    ):
        assert not is_statement(text)
    assert combine("The roof fell.", "The office was closed.") == "The roof fell, and \x00The office was closed."


def _corrupted(kind: str, text: str, names: tuple[str, ...] = ()) -> list[str]:
    around = Surroundings(text, f"{text} It had 47 rooms in 1999 and belonged to Oslo.", names, frozenset(["the"]))
    return [made.text for made in CORRUPTIONS[kind](text, around, random.Random(1))]


@pytest.mark.parametrize(
    ("kind", "text", "changed"),
    [
        ("number", "The office has 12 rooms.", r"The office has (?!12 )\d+ rooms\."),
        ("unit", "It closes for 5 days.", r"It closes for 5 (?!days)\w+\."),
        ("date", "It closed on March 3, 2022.", r"It closed on (?!March 3, 2022).+\."),
    ],
)  # fmt: skip
def test_a_corruption_changes_one_thing(kind: str, text: str, changed: str) -> None:
    made = _corrupted(kind, text)
    assert made
    assert all(re.fullmatch(changed, one, re.IGNORECASE) for one in made), made


def test_numbers_that_are_left_open_stay() -> None:
    assert _corrupted("number", "It has more than 12 rooms.") == []


def test_names_are_told_from_words_that_begin_a_sentence() -> None:
    text = "Visitors came to Bergen with Edvard Grieg. Bergen was full of visitors."
    assert known_names(text) == ["Bergen", "Edvard Grieg"]
    assert [found[0] for found in find_names("Visitors like Bergen.", frozenset(["bergen"]))] == ["Bergen"]


def test_the_same_documents_give_the_same_cases(cases: list[VerifierCase]) -> None:
    assert build_cases([SAMPLE], 40) == cases


def test_every_case_shows_what_it_needs(cases: list[VerifierCase]) -> None:
    kinds = {case.kind for case in cases}
    assert kinds <= {*TRUE_KINDS, *FALSE_KINDS}
    assert {"verbatim", "table row", "number", "unit", "name", "cell", "passage"} <= kinds
    for case in cases:
        assert case.is_true is (case.kind in TRUE_KINDS)
        assert [passage.number for passage in case.passages] == list(range(1, len(case.passages) + 1))
        assert 1 <= case.marked <= len(case.passages) <= 5
        assert case.reply.endswith(f" [{case.marked}].")
        if case.gold is not None:
            spans = [passage.hit.chunk.span for passage in case.passages]
            assert any(span.start <= case.gold.start and case.gold.end <= span.end for span in spans)


def test_false_statements_are_no_sentences_of_their_passages(cases: list[VerifierCase]) -> None:
    for case in cases:
        if not case.is_true:
            shown = " ".join(" ".join(passage.text.split()) for passage in case.passages)
            assert case.statement[:-1] not in shown, case


def test_both_parts_are_filled_and_keep_their_sentences_apart(cases: list[VerifierCase]) -> None:
    parts = {
        part: {case.statement for case in cases if case.part == part and case.kind == "verbatim"}
        for part in ("dev", "test")
    }
    assert parts["dev"]
    assert parts["test"]
    assert parts["dev"].isdisjoint(parts["test"])


def test_the_table_counts_what_was_judged(judged: list[JudgedCase]) -> None:
    rows = {row.kind: row for row in tabulate(judged)}
    for name, kinds in (("all true", TRUE_KINDS), ("all numbers, units, dates, names", FACTS)):
        assert rows[name].n == sum(rows[kind].n for kind in kinds if kind in rows)
        assert rows[name].right == sum(rows[kind].right for kind in kinds if kind in rows)
    assert all(row.low <= row.share <= row.high for row in rows.values())
    assert all(row.supported + row.weak == row.right for kind, row in rows.items() if kind in (*TRUE_KINDS, "all true"))


def test_the_sample_documents_are_judged_as_promised(judged: list[JudgedCase]) -> None:
    rows = {row.kind: row for row in tabulate(judged)}
    assert rows["all true"].share >= 0.95
    assert rows["all numbers, units, dates, names"].share >= 0.95
    assert rows["all false"].supported == 0
    assert rows["verbatim"].supported >= 0.9 * rows["verbatim"].n


def test_calibration_is_the_gap_between_confidence_and_truth(judged: list[JudgedCase]) -> None:
    """Two of .9 of which one is true, two of .1 of which none is: (2 * |.9 - .5| + 2 * |.1 - 0|) / 4 = .25."""
    true = next(one for one in judged if one.case.is_true)
    false = next(one for one in judged if not one.case.is_true)
    found = [replace(true, confidence=0.9), *(replace(false, confidence=sure) for sure in (0.9, 0.1, 0.1))]
    bins, error = calibrate(found)
    assert [(one.low, one.n, one.true) for one in bins] == [(0.1, 2, 0.0), (0.9, 2, 0.5)]
    assert error == pytest.approx(0.25)


def test_confidence_on_the_held_out_part_means_what_it_says(judged: list[JudgedCase]) -> None:
    _, error = calibrate([one for one in judged if one.case.part == "test"])
    assert error < 0.1


def test_what_was_measured_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "features.jsonl"
    assert main(["-n", "2", "--features", str(file)]) == 0
    lines = file.read_text("utf-8").splitlines()
    measured = read_features(lines)
    assert 0 < len(measured) < len(lines)  # the very words need no table
    assert {one.is_true for one in measured} == {True, False}
    assert not any(one.features.verbatim for one in measured)


def test_wilson_interval() -> None:
    # 8 of 10: (0.8 + 3.8415/20) / 1.38415 = 0.7168, half 1.96/1.38415 * sqrt(0.016 + 0.0096) = 0.2266
    low, high = wilson(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.49, 0.943)
    assert wilson(0, 0) == (0.0, 1.0)


def test_json_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-n", "4", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["parts"]) == {"dev", "test"}
    assert all(row["n"] <= 4 for row in result["parts"]["dev"]["rows"] if not row["kind"].startswith("all "))


def test_a_folder_that_is_no_suite_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "is not a suite" in capsys.readouterr().err
