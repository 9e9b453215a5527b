"""The language of documents: from their words, else from what the file states."""

from __future__ import annotations

import pytest

from ingest.language import find_language, state_language
from rag.types import Document

TEXTS = {
    "en": "Unused days of leave carry over to the next year, but no more than ten of them.",
    "de": "Nicht genommene Urlaubstage werden in das nächste Jahr übertragen, höchstens jedoch zehn.",
    "fr": "Les jours de congé non pris sont reportés à l'année suivante, dans la limite de dix.",
    "es": "Los días de vacaciones no disfrutados pasan al año siguiente, con un máximo de diez.",
    "pl": "Niewykorzystane dni urlopu przechodzą na następny rok, nie więcej jednak niż dziesięć.",
    "el": "Οι άδειες που δεν ελήφθησαν μεταφέρονται στο επόμενο έτος, το πολύ δέκα ημέρες.",
    "ru": "Неиспользованные дни отпуска переносятся на следующий год, но не более десяти.",
    "ar": "تنقل أيام الإجازة غير المستخدمة إلى السنة التالية، على ألا تزيد عن عشرة أيام.",
    "ja": "使わなかった休暇は翌年に繰り越されますが、十日を超えることはできません。",
    "zh": "未使用的假期可以结转到下一年，但不得超过十天。",
    "th": "วันลาที่ไม่ได้ใช้จะยกไปปีถัดไปได้ไม่เกินสิบวัน",
}


def document(text: str, **metadata: str) -> Document:
    return Document(id="x", name="a.txt", media_type="text/plain", text=text, title="a", metadata=metadata)


@pytest.mark.parametrize("code", TEXTS)
def test_the_words_tell_the_language(code: str) -> None:
    assert find_language(TEXTS[code]) == code
    assert state_language(document(TEXTS[code])).metadata == {"language": code}


@pytest.mark.parametrize("text", ["", "12 | 34\n5.6 | 7", "ok", "A-17/b", "<x y='1'/>" * 30])
def test_a_text_without_words_has_none(text: str) -> None:
    assert find_language(text) == ""
    assert "language" not in state_language(document(text)).metadata


def test_the_words_count_before_what_the_file_states() -> None:
    """A German letter written into an English template."""
    stated = document(TEXTS["de"], language="en-US", author="Ann")
    assert dict(state_language(stated).metadata) == {"author": "Ann", "language": "de"}


@pytest.mark.parametrize(("stated", "found"), [("en-GB", "en"), ("DE", "de"), ("pt_BR", "pt"), ("German", "German")])
def test_where_the_words_do_not_tell_it_the_file_does(stated: str, found: str) -> None:
    assert state_language(document("12 | 34", language=stated)).metadata["language"] == found


def test_most_of_a_long_text_decides() -> None:
    text = f"{TEXTS['en']} " * 3 + f"{TEXTS['de']} " * 300
    assert find_language(text) == "de"
