"""What the metrics are called on the page: in which group each stands, and what it says in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Metrics that are read together: `begins` are the beginnings of their names."""

    title: str
    text: str
    begins: tuple[str, ...]


COUNTED = ("prompt_tokens", "completion_tokens")
GROUPS = (
    Group("Documents found", "Is the right document among the hits?", ("document_",)),
    Group(
        "Pages found",
        "Is the right page among the hits?",
        ("page_success", "page_all", "page_recall", "page_rr", "page_ndcg"),
    ),
    Group("Pages found, neighbours count", "The gold page or one beside it.", ("page_within_1_",)),
    Group("Passages found", "Does a hit share at least one character with the gold words?", ("passage_",)),
    Group("Characters", "How much of the gold words the first hits hold, and how much else.", ("char_",)),
    Group(
        "Answers",
        "The answer beside the gold answers; a refused question counts as 0.",
        ("judged_correct", "number_recall", "contains_answer", "f1", "exact_match", "answer_similarity"),
    ),
    Group(
        "Citations",
        "Where the citations point, beside the gold evidence.",
        ("cited_gold_", "citation_precision_", "citation_recall_"),
    ),
    Group("Refusal", "Answering what the documents answer, and nothing else.", ("answerable_answered", "refusal_")),
    Group("Cost", "Tokens for each question that was put to the model.", COUNTED),
)
OTHER = Group("Other measures", "", ("",))

_ITEMS = {
    "document": ("document", "documents"),
    "page_within_1": ("page or one beside it", "pages or ones beside them"),
    "page": ("page", "pages"),
    "passage": ("passage", "passages"),
}
_MEASURES = ("success", "all", "recall", "rr", "ndcg")
_RANKING = re.compile(rf"(document|page_within_1|page|passage)_({'|'.join(_MEASURES)})@(\d+)")
_CHARACTERS = re.compile(r"char_(recall|precision|iou)@(\d+)")
_CITED = re.compile(r"(citation_recall|citation_precision|cited_gold)_(page_within_1|page|span)")
_CITED_ITEMS = {"page": "gold page", "page_within_1": "gold page or one beside it", "span": "gold passage"}
_PLAIN = {
    "exact_match": "the answer is a gold answer, word for word",
    "f1": "words shared with the nearest gold answer",
    "contains_answer": "a gold answer stands in the answer",
    "answer_similarity": "cosine of answer and nearest gold answer",
    "number_recall": "the gold answer's numbers that stand in the answer",
    "judged_correct": "a language model finds that the answer agrees with the gold",
    "answerable_answered": "answerable questions that were answered",
    "refusal_recall": "unanswerable questions that were refused",
    "refusal_precision": "refused questions that are truly unanswerable",
    "prompt_tokens": "tokens sent to the model",
    "completion_tokens": "tokens that it wrote",
}


def group_metrics(names: Iterable[str]) -> list[tuple[Group, list[str]]]:
    """The metrics by group, in the groups' order and within each in that of its beginnings; no empty groups."""
    left = list(dict.fromkeys(names))
    grouped = []
    for group in (*GROUPS, OTHER):
        found = [name for begin in group.begins for name in left if name.startswith(begin)]
        found = sorted(dict.fromkeys(found), key=_place)
        left = [name for name in left if name not in found]
        if found:
            grouped.append((group, found))
    return grouped


def _place(name: str) -> tuple[int, int]:
    found = _RANKING.fullmatch(name)
    return (_MEASURES.index(found[2]), int(found[3])) if found else (0, 0)


def short_name(name: str) -> str:
    """A metric's name without what its group's title says already: `page_recall@5` is `recall@5`."""
    found = _RANKING.fullmatch(name)
    return f"{found[2]}@{found[3]}" if found else name.removeprefix("char_")


def describe_metric(name: str) -> str:
    """What a value of 1 means, or what is counted, in a few words; empty for a metric that is not known here."""
    if found := _RANKING.fullmatch(name):
        one, several = _ITEMS[found[1]]
        k = found[3]
        return {
            "success": f"a gold {one} in the first hit" if k == "1" else f"a gold {one} in the first {k} hits",
            "all": f"every gold {one} in the first {k} hits",
            "recall": f"gold {several} among the first {k} different ones",
            "rr": f"1 / rank of the first gold {one}",
            "ndcg": f"nDCG of the first {k} different {several}",
        }[found[2]]
    if found := _CHARACTERS.fullmatch(name):
        hits = f"the first {found[2]} hits"
        return {
            "recall": f"gold characters that {hits} hold",
            "precision": f"characters of {hits} that are gold",
            "iou": f"characters in both, of those in gold or {hits}",
        }[found[1]]
    if found := _CITED.fullmatch(name):
        item = _CITED_ITEMS[found[2]]
        return {
            "citation_recall": f"gold evidence with a citation on its {item.removeprefix('gold ')}",
            "citation_precision": f"citations that are on a {item}",
            "cited_gold": f"answers with a citation on a {item}",
        }[found[1]]
    return _PLAIN.get(name, "")
