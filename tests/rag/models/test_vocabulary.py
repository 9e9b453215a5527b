"""Whether a tokenizer's vocabulary was made for the language of a question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from rag.errors import DependencyError
from rag.models.embedding import locate_embedder
from rag.models.languages import is_surely_not
from rag.models.probes import ENGLISH as PLAIN
from rag.models.probes import PAIRS
from rag.models.vocabulary import Vocabulary, script_of
from rag.settings import load_settings

FOREIGN = {
    "German": "Wie viele Urlaubstage stehen mir im Jahr zu, und wann verfallen sie?",
    "French": "Combien de jours de congés payés puis-je reporter sur l'année suivante ?",
    "Spanish": "¿Cuántos días de vacaciones puedo guardar para el próximo año?",
    "Italian": "Quanti giorni di ferie posso riportare nell'anno successivo?",
    "Polish": "Ile dni niewykorzystanego urlopu przechodzi na następny rok?",
    "Finnish": "Kuinka monta lomapäivää voin siirtää seuraavalle vuodelle?",
    "Turkish": "Kullanılmayan kaç izin günü bir sonraki yıla devredilebilir?",
    "Vietnamese": "Tôi được chuyển bao nhiêu ngày nghỉ phép sang năm sau?",
    "Russian": "Сколько дней отпуска переносится на следующий год?",
    "Greek": "Πόσες ημέρες άδειας μεταφέρονται στο επόμενο έτος;",
    "Arabic": "كم عدد أيام الإجازة التي تنتقل إلى السنة القادمة؟",
    "Hebrew": "כמה ימי חופשה עוברים לשנה הבאה?",
    "Hindi": "अगले साल के लिए कितने दिन की छुट्टी बचाई जा सकती है?",
    "Thai": "วันลาพักร้อนที่เหลือยกไปปีหน้าได้กี่วัน",
    "Chinese": "未使用的年假最多可以结转多少天到下一年？",
    "Japanese": "未使用の年次休暇は翌年に何日繰り越せますか。",
    "Korean": "사용하지 않은 연차는 다음 해로 며칠까지 이월됩니까?",
}
ENGLISH = (
    "How many unused days carry over to the next year?",
    "Who is Siobhan O'Shaughnessy's deputy at Hewlett-Packard in Kraków?",
    "What does the acetyltransferase p300 bind?",
    "q3 revenue nvidia",
    "Adobe Systems Inc. net revenues 2022",
    "What is α-synuclein?",
    "What does 年次休暇 mean in the employee handbook?",
    "42?",
    "",
)


QUESTIONS: dict[str, list[str]] = json.loads(
    Path(__file__).with_name("questions_by_language.json").read_text(encoding="utf-8")
)
"""Questions by language; of English technical and keyword queries, and those that were written after the rule."""


@pytest.fixture(scope="module")
def english() -> Vocabulary:
    """The vocabulary of the default embedding model, or a skip where it is absent."""
    try:
        folder, _ = locate_embedder("all-MiniLM-L6-v2", load_settings().resolved_model_dir())
    except DependencyError as error:
        pytest.skip(error.message)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Vocabulary(tokenizer)


@pytest.mark.model
@pytest.mark.parametrize("language", FOREIGN)
def test_questions_in_other_languages_are_not_known_to_an_english_vocabulary(
    english: Vocabulary, language: str
) -> None:
    assert not english.knows_language(FOREIGN[language])


@pytest.mark.model
@pytest.mark.parametrize("question", ENGLISH)
def test_english_questions_with_names_and_terms_are_known_to_it(english: Vocabulary, question: str) -> None:
    assert english.knows_language(question)


@pytest.mark.model
def test_every_question_of_the_sample_is_known_to_it(english: Vocabulary, sample_dir: Path) -> None:
    lines = (sample_dir / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    unknown = [question for line in lines if not english.knows_language(question := json.loads(line)["question"])]
    assert unknown == []


@pytest.mark.model
def test_english_terms_are_known_to_it(english: Vocabulary) -> None:
    assert [one for one in QUESTIONS["English, technical"] if not english.knows_language(one)] == []
    last = QUESTIONS["English, chosen last"]
    assert [one for one in last if not english.knows_language(one)] == ["terra nullius uti possidetis"]


@pytest.mark.model
@pytest.mark.parametrize("language", [one for one in QUESTIONS if not one.startswith("English")])
def test_most_questions_in_other_languages_are_not_known_to_it(english: Vocabulary, language: str) -> None:
    known = [one for one in QUESTIONS[language] if english.knows_language(one)]
    assert len(known) <= len(QUESTIONS[language]) / 10, known


@pytest.mark.model
def test_the_english_vocabulary_has_words_of_one_script(english: Vocabulary) -> None:
    assert english.scripts == {"LATIN"}
    assert english.language == "en"


def vocabulary_of(*words: str) -> Vocabulary:
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate([*words, "[UNK]"])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    return Vocabulary(tokenizer)


def many(*letters: str) -> list[str]:
    """Sixty words of these letters."""
    return [f"{letters[n % len(letters)]}{letters[n // len(letters) % len(letters)]}" * (1 + n // 8) for n in range(60)]


def test_a_vocabulary_of_many_scripts_knows_their_languages_and_no_others() -> None:
    words = many(*"abcdefgh") + many(*"абвгдежз") + many(*"αβγδεζηθ") + many(*"אבגדהוזח")
    mixed = vocabulary_of(*words, *(chr(0x4E00 + n) for n in range(2_500)))
    assert mixed.scripts == {"LATIN", "CYRILLIC", "GREEK", "HEBREW", "CJK"}
    for language in ("German", "Finnish", "Russian", "Greek", "Hebrew", "Chinese"):
        assert mixed.knows_language(FOREIGN[language]), language
    for language in ("Arabic", "Thai", "Hindi", "Korean"):
        assert not mixed.knows_language(FOREIGN[language]), language


def test_some_characters_of_a_script_are_not_its_language() -> None:
    some = vocabulary_of(*many(*"abcdefgh"), *(chr(0x4E00 + n) for n in range(500)))
    assert some.scripts == {"LATIN"}
    assert not some.knows_language("一丁七万丈三上下")


def test_a_vocabulary_of_few_words_says_nothing() -> None:
    assert vocabulary_of("ten", "days").knows_language(FOREIGN["Chinese"])


def test_a_vocabulary_of_two_languages_knows_both() -> None:
    german = FOREIGN["German"].lower()
    plain = sorted({word for text in (*PLAIN, *(part for pair in PAIRS for part in pair)) for word in text.split()})
    one = vocabulary_of(*plain)
    assert one.language == "en"
    assert not one.knows_language(german)
    assert one.knows_language("kubectl rollout restart statefulset")
    both = vocabulary_of(*german.replace(",", "").replace("?", "").split(), *plain)
    assert both.language == "en"
    assert both.knows_language(german)


def test_a_text_of_few_words_is_not_surely_in_another_language() -> None:
    assert is_surely_not("Wie viele Tage Urlaub gibt es?", "en")
    assert not is_surely_not("Wie viele Tage Urlaub gibt es?", "de")
    assert not is_surely_not("Was kostet das?", "en")
    assert not is_surely_not("", "en")


def test_bits_are_those_of_the_ranks() -> None:
    ranked = vocabulary_of("the", "of", "and", "days", *many(*"abcdefgh"))
    assert ranked.bits_per_letter("and the days of the") == pytest.approx(
        (1.585 / 3 + 0 + 2 / 4 + 1 / 2 + 0) / 5, abs=1e-3
    )
    assert ranked.bits_per_letter("the days") is None


def test_scripts_have_unicode_s_names() -> None:
    assert [script_of(letter) for letter in "aжα漢あカ한ักש1"] == [
        *("LATIN", "CYRILLIC", "GREEK", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "THAI", "HEBREW", "DIGIT")
    ]
