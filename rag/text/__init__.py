"""The sentences, words, numbers and dates of a text, in a form that can be compared. Pure, standard library only.

Reading order: `scripts` (one spelling, and words of scripts without spaces), `words` (stems and the lists of closed
classes), `quantities` (numbers, units, dates), `sentences`, `tables` (rows and the names of their columns), `cells`
(which cell some words mean), `questions` (the type of answer that a question asks for), `parts` (what to find for it
separately), `orders` (which sentences order instead of state), `indexed` (what is embedded and searched for a chunk).
The lists and rules are English only; in other languages sentences, words and figures are still separated.
"""

from rag.text.indexed import base_context, index_text
from rag.text.parts import question_parts
from rag.text.quantities import (
    NUMBER_WORDS,
    DateMention,
    Quantity,
    counted_unit,
    dates,
    quantities,
    unit_stems,
)
from rag.text.questions import AnswerType, QuestionKind, begins_yes_or_no, expected_type, question_kind
from rag.text.scripts import MARKS, fold_text, single_characters, split_unspaced
from rag.text.sentences import announces_list, is_list_item, list_items, split_sentences
from rag.text.tables import (
    BAR,
    columns_above,
    header_notes,
    is_row,
    name_cells,
    outline_row,
    row_headers,
    spell_row,
    spell_rows,
    split_row,
)
from rag.text.words import (
    AUXILIARIES,
    MONTH_NAMES,
    NEGATED_AUXILIARIES,
    POLARITY,
    PREPOSITIONS,
    STOP_WORDS,
    compared_words,
    content_words,
    is_verb,
    stem,
    unstemmed_words,
    without_plural,
    word_set,
    words,
)

__all__ = [
    "AUXILIARIES",
    "BAR",
    "MARKS",
    "MONTH_NAMES",
    "NEGATED_AUXILIARIES",
    "NUMBER_WORDS",
    "POLARITY",
    "PREPOSITIONS",
    "STOP_WORDS",
    "AnswerType",
    "DateMention",
    "Quantity",
    "QuestionKind",
    "announces_list",
    "base_context",
    "begins_yes_or_no",
    "columns_above",
    "compared_words",
    "content_words",
    "counted_unit",
    "dates",
    "expected_type",
    "fold_text",
    "header_notes",
    "index_text",
    "is_list_item",
    "is_row",
    "is_verb",
    "list_items",
    "name_cells",
    "outline_row",
    "quantities",
    "question_kind",
    "question_parts",
    "row_headers",
    "single_characters",
    "spell_row",
    "spell_rows",
    "split_row",
    "split_sentences",
    "split_unspaced",
    "stem",
    "unit_stems",
    "unstemmed_words",
    "without_plural",
    "word_set",
    "words",
]
