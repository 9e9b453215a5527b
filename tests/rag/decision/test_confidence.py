"""The signals of evidence and reply. Their weights are fitted elsewhere: nothing here rests on a coefficient."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.decision.confidence import (
    ANSWER_WEIGHTS,
    EVIDENCE_WEIGHTS,
    LIFTED_READ,
    READ_WEIGHTS,
    BestRead,
    EvidenceSignals,
    answerability,
    lift_read,
    measure_evidence,
    measure_reply,
    share_of_words,
    weigh,
    whole_text,
)
from rag.prompting.prompts import NOT_FOUND_REPLY
from rag.prompting.selection import Selection
from rag.types import Chunk, Draft, Hit, Passage, Span
from rag.verification.reading import read


def hit(text: str, name: str = "notes.md", title: str = "", headings: tuple[str, ...] = (), rank: int = 1) -> Hit:
    chunk = Chunk(f"c{rank}", Span("d", 0, len(text)), text, headings, 10)
    return Hit(chunk, rank, 0.5, "fusion", name, title, None)


def select(one: Hit, cosine: float = 0.5, words: float = 0.5) -> Selection:
    return Selection(one, 0, len(one.chunk.text), 1.0, cosine, words)


def reply(**first_tokens: float) -> Draft:
    return Draft("Ten.", "m", 1, 1, "stop", 1.0, first_tokens)


def test_no_sentence_is_no_evidence() -> None:
    assert measure_evidence("Why?", []) == EvidenceSignals(0, 0, 0, 0)


def test_the_nearest_and_the_fullest_sentence_count() -> None:
    near, full = select(hit("Ten days."), 0.9, 0.1), select(hit("Nine days.", rank=2), 0.2, 0.8)
    found = measure_evidence("Which days?", [near, full])
    assert (found.cosine, found.together) == (0.9, 0.8)
    assert measure_evidence("Which days?", [select(hit("Ten."), -0.3, 0.0)]).cosine == 0


@pytest.mark.parametrize(
    "one",
    [
        hit("The gate opens."),
        hit("It opens.", name="gate_rules.md"),
        hit("It opens.", title="Of the gate"),
        hit("It opens.", headings=("The gate", "Hours")),
    ],
)
def test_words_above_a_hit_count_as_its_own(one: Hit) -> None:
    assert measure_evidence("Who opens the gate?", [select(one)]).words == 1
    assert "gate" in whole_text(one).casefold()


def test_half_of_the_words_in_any_of_the_hits() -> None:
    hits = [select(hit("The gate is green.")), select(hit("The code is secret.", rank=2))]
    assert measure_evidence("gate code colour smell", hits).words == 0.5
    assert share_of_words("What is it?", ["gate"]) == 0
    assert share_of_words("gate gate", []) == 0


@pytest.mark.parametrize(
    ("question", "share"),
    [
        ("Who opens it?", 1),
        ("When did Rollo sign in 911?", 1),
        ("When did Charles sign in 911?", 0.5),
        ("Did Charles the Simple sign in 2015?", 0),
        ("How do I know when I may sign?", 1),
        ("Who pays when I'm ill?", 1),
        ("How Many Unused Days Can Staff Transfer?", 1),
        ("When was the CT signed?", 0),
        ("How do I know when Rollo may sign?", 1),
    ],
)
def test_the_share_of_names_and_numbers_that_were_found(question: str, share: float) -> None:
    text = "In 911 the chieftain Rollo signed a treaty."
    assert measure_evidence(question, [select(hit(text))]).names == pytest.approx(share)


def test_whole_passages_are_not_remembered_in_place_of_sentences() -> None:
    selections = [select(hit(f"In 911 the chieftain Rollo signed treaty {n}.", rank=n)) for n in range(1, 9)]
    before = read.cache_info()
    assert measure_evidence("When did Rollo sign in 911?", selections).names == 1
    assert read.cache_info().misses - before.misses <= 1  # the question itself


def test_cited_is_the_share_of_the_question_in_the_cited_passages() -> None:
    passages = [Passage(1, hit("The gate is green."), "The gate is green.")]
    assert measure_reply("gate code", reply(), passages) == {"cited": 0.5}
    assert measure_reply("gate code", reply(), []) == {"cited": 0.0}


def test_willing_is_what_does_not_begin_as_a_refusal() -> None:
    begins = NOT_FOUND_REPLY.split()[0]
    tokens = {begins: 0.5, f" {begins.lower()}": 0.25, "Zebras": 0.125, " ": 0.0625}
    assert measure_reply("Why?", reply(**tokens), [])["willing"] == pytest.approx(1 - 0.75 ** (1 / 3))
    assert measure_reply("Why?", reply(Zebras=0.9), [])["willing"] == 1
    assert measure_reply("May I?", reply(No=0.9), [])["willing"] == 1
    assert "willing" not in measure_reply("Why?", reply(), [])


def test_weighing_by_hand() -> None:
    weights = {"bias": -1.0, "a": 2.0, "b": 4.0}
    assert weigh({"a": 0.5, "b": 0.0}, weights) == 0.5  # -1 + 1 + 0
    assert weigh({"a": 0.5}, weights) == pytest.approx(0.880797)  # b counts as .5: 1 / (1 + e^-2)
    assert weigh({"a": 0.5, "b": 0.0, "other": 9.0}, weights) == 0.5


@given(st.dictionaries(st.sampled_from(sorted(ANSWER_WEIGHTS)), st.floats(0, 1)))
def test_confidence_is_a_probability(signals: dict[str, float]) -> None:
    for weights in (EVIDENCE_WEIGHTS, READ_WEIGHTS, ANSWER_WEIGHTS):
        assert 0 < weigh(signals, weights) < 1


def test_all_evidence_is_surer_than_none() -> None:
    none, full = asdict(EvidenceSignals(0, 0, 0, 0)), asdict(EvidenceSignals(1, 1, 1, 1))
    assert weigh(full, EVIDENCE_WEIGHTS) > 0.5 > weigh(none, EVIDENCE_WEIGHTS)
    assert set(EVIDENCE_WEIGHTS) - {"bias"} <= set(none)
    assert weigh(full | {"read": 1.0}, READ_WEIGHTS) > 0.5 > weigh(none | {"read": 0.0}, READ_WEIGHTS)
    signals = {"willing": 1.0, "cited": 1.0}
    assert weigh(full | signals, ANSWER_WEIGHTS) > weigh(full | dict.fromkeys(signals, 0.0), ANSWER_WEIGHTS)
    assert set(ANSWER_WEIGHTS) - {"bias"} <= set(none) | set(signals)


CHINESE = "年假：工作满一年的员工每年享有十二天带薪年假。办公室从早上八点半开放到晚上六点。"


def test_chinese_words_are_pairs_of_characters() -> None:
    assert share_of_words("员工年假", [CHINESE]) == pytest.approx(2 / 3)  # 员工, 年假; 工年 is in no word of the text
    assert share_of_words("公司的股票价格是多少？", [CHINESE]) == 0.0
    assert share_of_words("假", ["假"]) == 1.0


@pytest.mark.parametrize(
    ("question", "answered"),
    [
        ("员工每年有多少天年假？", True),
        ("公司的股票价格是多少？", False),
        ("How many days of leave do they have?", False),
        ("And who is it?", True),  # no content word that could be missing
    ],
)
def test_a_question_none_of_whose_words_was_found_is_not_answerable(question: str, answered: bool) -> None:
    evidence = measure_evidence(question, [select(hit(CHINESE), cosine=0.9, words=0.0)])
    assert (answerability(question, evidence) > 0) is answered
    if answered:
        assert answerability(question, evidence) == weigh(evidence.as_dict(), EVIDENCE_WEIGHTS)


def test_what_the_reader_finds_raises_the_answerability_and_no_reader_is_no_signal() -> None:
    selections = [select(hit("Ten days of leave carry over."), cosine=0.5, words=0.8)]
    asked = "How many days carry over?"
    found, missed = (answerability(asked, measure_evidence(asked, selections, read)) for read in (0.9, 0.1))
    assert found > missed
    unread = measure_evidence(asked, selections)
    assert set(unread.as_dict()) == {"cosine", "together", "words", "names"}
    assert answerability(asked, unread) == weigh(unread.as_dict(), EVIDENCE_WEIGHTS)
    assert measure_evidence(asked, [], 0.9).as_dict() == {
        "cosine": 0,
        "together": 0,
        "words": 0,
        "names": 0,
        "read": 0.9,
    }


def test_the_sentence_that_the_reader_found_for_the_question_or_a_part_is_the_first_one_sent() -> None:
    first, second = (replace(select(hit(text, rank=n)), parts=(0.5, 0.5)) for n, text in enumerate(("A.", "B."), 1))
    found = BestRead(LIFTED_READ, ("B.", "C."))
    one, other = lift_read([found, None, found._replace(sentences=("A.",))], [first, second])
    assert other.score > second.score
    assert (one.score, one.parts[0], other.parts) == (first.score, 0.5, (0.5, 0.5))
    assert one.parts[1] > 0.5
    unsure = [found._replace(value=LIFTED_READ - 0.01), None, None]
    assert lift_read(unsure, [first, second]) == [first, second]
    assert lift_read([found._replace(sentences=("C.",)), None, None], [first, second]) == [first, second]
