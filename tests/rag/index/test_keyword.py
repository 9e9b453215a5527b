"""The keyword index by itself: BM25 by hand, filters that leave scores alone, writes that are whole or not at all."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import DependencyError
from rag.index.keyword import FIELD_WEIGHTS, MAX_QUERY_TERMS, KeywordIndex, KeywordRow, Words, read_words
from rag.store.records import Held


def row(number: int, text: str, document_id: str = "d", collection: str = "default") -> KeywordRow:
    return KeywordRow(f"{document_id}-{number}", document_id, 1, collection, read_words(text))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[KeywordIndex]:
    opened = KeywordIndex(tmp_path / "keyword-1")
    yield opened
    opened.close()


def found(index: KeywordIndex, question: str, k: int = 10) -> list[str]:
    return [chunk_id for chunk_id, _ in index.search(read_words(question), k, None, None)]


def test_scores_are_bm25(index: KeywordIndex) -> None:
    # Three chunks of 2, 2 and 4 terms: mean length 8/3. "apple" is in two of three: idf = ln(1 + 1.5 / 2.5) = 0.470.
    # A chunk of length l with the term f times scores idf * 2.2 f / (f + 1.2 (0.25 + 0.75 l / (8/3))):
    # d-0 (f 1, l 2): 0.470 * 2.2 / (1 + 0.975) = 0.5235; d-2 (f 3, l 4): 0.470 * 6.6 / (3 + 1.65) = 0.6671.
    texts = ["red appl", "red pear", "appl appl appl pie"]
    idf = math.log(1 + 1.5 / 2.5)
    for field, weight in FIELD_WEIGHTS.items():
        asked = Words(**({name: [] for name in FIELD_WEIGHTS} | {field: ["appl"]}))
        put = [Words(**({name: [] for name in FIELD_WEIGHTS} | {field: stems.split()})) for stems in texts]
        index.put(KeywordRow(f"d-{n}", "d", 1, "default", words) for n, words in enumerate(put))
        assert index.search(asked, 10, None, None) == [
            ("d-2", pytest.approx(weight * idf * 6.6 / 4.65)),
            ("d-0", pytest.approx(weight * idf * 2.2 / 1.975)),
        ]


def test_words_are_read_in_each_way() -> None:
    words = read_words("The generously priced Q3 plans.")
    assert words == Words(
        terms=["gener", "pric", "q", "3", "plan", "q3"],
        stems=["generous", "price", "q", "3", "plan", "q3"],
        pairs=["gener_pric", "pric_q", "q_3", "3_plan"],
        around=["generous", "price", "q", "3", "plan", "q3"],
    )


def test_scores_of_the_fields_are_added_up(index: KeywordIndex) -> None:
    index.put([row(0, "annual leave of managers"), row(1, "managers leave early"), row(2, "leave, then annual dues")])
    asked = read_words("annual leave")
    empty: dict[str, list[str]] = {name: [] for name in FIELD_WEIGHTS}
    apart = [
        dict(index.search(Words(**(empty | {name: list(getattr(asked, name))})), 10, None, None))
        for name in FIELD_WEIGHTS
    ]
    assert [sorted(part) for part in apart] == [
        ["d-0", "d-1", "d-2"],
        ["d-0", "d-1", "d-2"],
        ["d-0"],
        ["d-0", "d-1", "d-2"],
    ]
    for chunk_id, score in index.search(asked, 10, None, None):
        assert score == pytest.approx(sum(part.get(chunk_id, 0.0) for part in apart), rel=1e-5)


@pytest.mark.parametrize(
    ("question", "text"),
    [("what was bought", "We buy it."), ("reimbursable", "The reimbursement."), ("eligible", "Your eligibility.")],
)
def test_either_stemmer_finds_a_word(index: KeywordIndex, question: str, text: str) -> None:
    index.put([row(0, text), row(1, "something else")])
    assert found(index, question) == ["d-0"]


def test_a_word_that_one_stemmer_mistakes_comes_second(index: KeywordIndex) -> None:
    assert read_words("general").terms == read_words("generously").terms
    index.put([row(0, "a general plan"), row(1, "a generously paid post")])
    assert found(index, "Who pays generously?") == ["d-1", "d-0"]


def test_filters_leave_the_scores_as_they_are(index: KeywordIndex) -> None:
    index.put(
        row(n, f"red apples {'pie ' * (n % 7)} w{n % 5}", document_id, collection)
        for document_id, collection in (("a", "one"), ("b", "one"), ("c", "two"))
        for n in range(40)
    )
    terms = read_words("red pie 3")
    everything = dict(index.search(terms, 500, None, None))
    for collections, document_ids, expected in (
        (["one"], None, {"a", "b"}),
        (None, ["b", "c", "unknown"], {"b", "c"}),
        (["two"], ["b", "c"], {"c"}),
        (["three"], None, set()),
        (None, [], set()),
    ):
        narrowed = index.search(terms, 500, collections, document_ids)
        assert {chunk_id.split("-")[0] for chunk_id, _ in narrowed} == expected
        assert narrowed == [(chunk_id, pytest.approx(everything[chunk_id])) for chunk_id, _ in narrowed]
        assert len(narrowed) == 40 * len(expected)
        best = index.search(terms, 5, collections, document_ids)
        assert [score for _, score in best] == pytest.approx([score for _, score in narrowed[:5]])


def test_rows_of_the_same_id_are_replaced_in_one_commit(index: KeywordIndex) -> None:
    index.put([row(0, "red apples"), row(1, "green pears")])
    index.put([row(0, "blue plums"), row(0, "black figs")])
    assert (index.count(), index.documents()) == (2, {"d": Held(2, 1)})
    assert found(index, "red apples blue plums") == []
    assert found(index, "figs") == ["d-0"]
    index.put([row(0, "a zebra", "e")])
    index.remove(["d"])
    assert (index.count(), index.documents()) == (1, {"e": Held(1, 1)})


def test_of_too_many_words_the_rarest_are_asked_for(index: KeywordIndex) -> None:
    common = [f"common{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(MAX_QUERY_TERMS + 6)]
    index.put([row(n, " ".join(common)) for n in range(3)] + [row(9, "zebra")])
    assert "d-9" in found(index, " ".join([*common, "zebra"]))


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Part 7F3A9C2B", "Order the part 7f3a9c2b today."),
        ("parts of FY 2018", "the parts, FY2018"),
        ("Müller", "Herr Muller"),
        ("cafes", "two cafe\u0301s"),
        ("1500 people", "some 1,500 of them"),
        ("x" * 70_000 + " zebra", "a zebra " + "y" * 70_000),
        ("𝒳 😀 ﷺ zebra \ud800", "a zebra \u200b\x00 𝒳 😀 ﷺ"),
    ],
)
def test_words_meet_however_they_are_written(index: KeywordIndex, question: str, text: str) -> None:
    index.put([row(0, text), row(1, "7 f 3 a 9 c 2 b of another kind")])
    assert found(index, question)[0] == "d-0"


@pytest.mark.parametrize(
    ("question", "text", "other"),
    [
        ("年假有几天", "员工每年有二十八天年假。", "公司的大门七点打开。"),
        ("年次休暇は何日ですか", "年次休暇は二十八日です。", "正門は七時に開きます。"),
        ("연차가 며칠입니까", "직원의 연차는 28일입니다.", "정문은 7시에 열립니다."),
        ("ลาพักร้อนกี่วัน", "พนักงานมีวันลาพักร้อน 28 วัน", "ประตูเปิดเวลาเจ็ดโมง"),
        ("ວັນພັກກີ່ມື້", "ພະນັກງານມີວັນພັກ 28 ມື້", "ປະຕູເປີດເວລາເຈັດໂມງ"),
        ("ថ្ងៃឈប់សម្រាកប៉ុន្មាន", "បុគ្គលិកមានថ្ងៃឈប់សម្រាក ២៨", "ទ្វារបើកនៅម៉ោងប្រាំពីរ"),
        ("ခွင့်ရက်ဘယ်နှစ်ရက်", "ဝန်ထမ်းများ ခွင့်ရက် ၂၈ ရက်ရသည်", "တံခါးကို ခုနစ်နာရီဖွင့်သည်"),
        ("كم يوم إجازة", "يحصل الموظفون على الإجازة ٢٨ يوماً", "يفتح الباب في السابعة"),
        ("كتاب", "الكِتَابُ على الطاولة", "يفتح البـاب في السابعة"),
        ("כמה ימי חופשה", "לעובדים יש ימי חֻפְשָׁה וחופשה", "השער נפתח בשבע"),
        ("so ngay nghi phep", "Số ngày nghỉ phép là 28", "Cổng mở lúc bảy giờ"),
        ("Đà Nẵng", "Da Nang o mien trung", "Cổng mở lúc bảy giờ"),
        ("छुट्टी के दिन", "कर्मचारियों को छुट्टी के 28 दिन मिलते हैं", "फाटक सात बजे खुलता है"),
        ("ημερες αδειας", "Οι ημέρες άδειας είναι 28", "Η πύλη ανοίγει στις επτά"),
        ("самолет", "Самолёт летит", "Ворота открываются в семь"),
        ("2024 الميزانية", "ميزانية عام ٢٠٢٤", "يفتح الباب في السابعة"),
        ("ABC123", "Ｔｈｅ ＡＢＣ１２３ ｐａｒｔ", "Ｔｈｅ ｏｔｈｅｒ ｐａｒｔ"),
    ],
)
def test_words_of_other_scripts_are_found(index: KeywordIndex, question: str, text: str, other: str) -> None:
    index.put([row(0, other), row(1, text)])
    assert found(index, question)[0] == "d-1"


def test_a_word_of_any_length_does_no_harm(index: KeywordIndex) -> None:
    index.put([row(0, "x" * 70_000), row(1, "y" * 60_000)])
    assert index.count() == 2
    assert found(index, "x" * 70_000) in ([], ["d-0"])
    assert found(index, "y" * 60_000) == ["d-1"]
    assert index.search(read_words("zebra"), 0, None, None) == []


def test_searches_run_while_another_thread_writes(index: KeywordIndex) -> None:
    index.put(row(n, "the lasting words", "kept") for n in range(5))
    done, seen, errors = threading.Event(), [], []

    def search() -> None:
        try:
            while not done.is_set():
                seen.append(len(index.search(read_words("last"), 50, None, ["kept"])))
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(12):
            index.put(row(n, f"passing words {turn}", "passing") for n in range(5))
            assert len(found(index, "passing")) == 5
            index.remove(["passing"])
            assert found(index, "passing") == []
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not errors
    assert set(seen) == {5}


def test_a_write_that_fails_leaves_what_was(index: KeywordIndex) -> None:
    index.put([row(0, "red apples")])

    def breaking() -> Iterator[KeywordRow]:
        yield row(1, "green pears")
        raise OSError("the catalog is gone")

    with pytest.raises(DependencyError, match=r"cannot be written: the catalog is gone.*footnote rebuild") as caught:
        index.put(breaking())
    index.put([row(2, "blue plums")])  # also while the error is still at hand
    assert caught.value is not None
    assert (index.count(), found(index, "pears"), found(index, "plums")) == (2, [], ["d-2"])


FULL_DISK = """
import resource, sys
from pathlib import Path
from rag.errors import DependencyError
from rag.store.records import Held
from rag.index.keyword import KeywordIndex, KeywordRow, Words

index = KeywordIndex(Path(sys.argv[1]))
index.put([KeywordRow("a-0", "a", 1, "default", Words(["apple"], ["apple"], [], ["apple"]))])
words = [Words([f"word{n}x{m}" for m in range(50)], [], [], []) for n in range(500)]
many = [KeywordRow(f"b-{n}", "b", 1, "default", each) for n, each in enumerate(words)]
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
for _ in range(2):
    try:
        index.put(many)
    except DependencyError as error:
        print(error.message)
assert index.documents() == {"a": Held(1, 1)}
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
index.put(many)
assert index.documents() == {"a": Held(1, 1), "b": Held(500, 1)}
index.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file sizes are limited with POSIX's setrlimit")
def test_a_full_disk_is_a_dependency_error_and_passes(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path / "keyword-1")], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.count("Free some space")) == (0, 2), ran.stderr


def test_a_folder_that_goes_away_is_a_dependency_error(index: KeywordIndex, tmp_path: Path) -> None:
    index.put([row(0, "red apples")])
    shutil.rmtree(tmp_path / "keyword-1")
    with pytest.raises(DependencyError, match="cannot be written"):
        index.put([row(1, "green pears")])


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "keyword-1").write_text("in the way")
    with pytest.raises(DependencyError, match="keyword-1"):
        KeywordIndex(tmp_path / "keyword-1")
