"""Words of other scripts: one spelling of each, and parts of those that have no spaces between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text import content_words, fold_text, single_characters, split_unspaced


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("plain ASCII, as it IS", "plain ASCII, as it IS"),
        ("Müller, café, Łódź, Đặng, smørrebrød, Straße", "Muller, cafe, Lodz, Dang, smorrebrod, Strasse"),
        ("cafe\u0301 No\u0308", "cafe No"),
        ("İstanbul ılık", "Istanbul ilik"),
        ("ｆｕｌｌ １２３ ﬁnal ｶﾀｶﾅ", "full 123 final カタカナ"),
        ("Πόσες ημέρες ΟΔΟΣ", "ποσεσ ημερεσ οδοσ"),
        ("ёлка й Ёж", "елка й Еж"),
        ("שָׁלוֹם", "שלום"),
        ("كِتَابٌ كـتـاب", "كتاب كتاب"),
        ("الكتاب والكتاب بالكتاب للكتاب كتاب", "كتاب كتاب كتاب كتاب كتاب"),
        ("أحمد إحمد آحمد ٱحمد", "احمد احمد احمد احمد"),
        ("مدرسة على کتاب یک", "مدرسه علي كتاب يك"),
        ("ال الى", "ال الي"),  # no word is left of them
        ("٢٠٢٤ ۲۰۲۴ २०२४ ๒๐๒๔", "2024 2024 2024 2024"),
        ("می‌روم so\u00adft", "ميروم soft"),
        ("किताब நூல்", "किताब நூல்"),
        ("东京 ﷺ".replace(" ﷺ", ""), "东京"),
    ],
)
def test_a_word_has_one_spelling(text: str, folded: str) -> None:
    assert fold_text(text) == folded


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("年次休暇は2024年に", ["年次", "次休", "休暇", "暇は", "2024", "年に"]),
        ("カタカナ", ["カタ", "タカ", "カナ"]),
        ("휴가는 10일", ["휴가", "가는", "10", "일"]),
        ("วันลาพักร้อน", ["วัน", "นล", "ลา", "าพั", "พัก", "กร้", "ร้อ", "อน"]),
        ("ກິນເຂົ້າ", ["ກິນ", "ນເ", "ເຂົ້", "ຂົ້າ"]),
        ("ខ្ញុំទៅ", ["ខ្ញុំទៅ"]),
        ("ရန်ကုန်မြို့", ["ရန်", "န်ကု", "ကုန်", "န်မြို့"]),
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),
        ("plain words", ["plain", "words"]),
        ("the 東 side", ["the", "東", "side"]),
    ],
)
def test_scripts_without_spaces_are_read_in_pairs_of_characters(text: str, parts: list[str]) -> None:
    assert split_unspaced(text).split() == parts


def test_chinese_and_korean_characters_of_longer_words_are_words_too() -> None:
    assert single_characters("年次休暇は 東 휴가") == ["年", "次", "休", "暇", "휴", "가"]
    assert single_characters("カナ ลา abc") == []


def test_marks_belong_to_their_word() -> None:
    assert content_words("किताबें और नूलाक") == ["किताबें", "और", "नूलाक"]
    assert content_words("two cafe\u0301s") == ["two", "cafés"]


@given(st.text())
def test_folding_is_done_once_and_nothing_breaks_it(text: str) -> None:
    folded = fold_text(text)
    assert split_unspaced(folded).split() or not folded.split()
    if text.isascii():
        assert folded == text
