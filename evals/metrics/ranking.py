"""Ranking metrics of one question: hits are matched to gold items, and items are scored. Pure.

    hits ─ gold items of each hit ─────> success, all                (hits in rank order)
                                        ─> distinct items ─ trec_eval ─> recall, rr, ndcg
         ─ characters of the first 5 ─> recall, precision, IoU

An item is what the gold evidence names at a level: a document, a page, or the characters of a passage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from evals.suites.cases import Case

if TYPE_CHECKING:
    from ir_measures.measures import Measure

Level = Literal["document", "page", "page_within_1", "passage"]
LEVELS: tuple[Level, ...] = get_args(Level)
SUCCESS_CUTOFFS = (1, 5, 10)
DEPTH = 10  # how far all, recall, rr and ndcg look
CHARACTER_HITS = 5  # about what fits a prompt


@dataclass(frozen=True, slots=True)
class Location:
    """The location of a hit or a citation: a document by file name, a 1-based page or None, half-open characters."""

    document: str
    page: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class GoldItem:
    """One item to find: a document, a page of it, or its characters `start` to `end`, half-open.

    `grade` is the relevance, from 1 upward; equality ignores it.
    """

    document: str
    page: int | None = None
    start: int | None = None
    end: int | None = None
    grade: int = field(default=1, compare=False)


def measure_ranking(case: Case, hits: Sequence[Location]) -> dict[str, float]:
    """Every ranking and character metric of one question by name, each from 0 to 1.

    `hits` are in rank order. Levels without gold evidence have no metrics: `page` needs a page number, `passage` and
    the character metrics need a start and an end, and evidence without them is left out at that level. A question that
    is unanswerable or has no evidence gives {}. Grades are the gains of nDCG; every other metric treats them alike.
    """
    metrics: dict[str, float] = {}
    judgements: dict[str, dict[str, int]] = {}
    rankings: dict[str, dict[str, float]] = {}
    for level in LEVELS:
        gold = gold_items(case, level)
        if not gold:
            continue
        found = [found_items(hit, level, gold) for hit in hits]
        metrics |= _measure_hits(level, gold, found)
        judgements[level] = {_gold_name(item): item.grade for item in gold}
        # trec_eval sorts by score and breaks ties by name, so every rank has its own score
        ranking = _distinct_items(level, hits, found)
        rankings[level] = {name: float(-place) for place, name in enumerate(ranking)}
    if not judgements:
        return {}
    metrics |= _measure_items(judgements, rankings if hits else {})
    return metrics | _measure_characters(case, hits[:CHARACTER_HITS])


def gold_items(case: Case, level: Level) -> tuple[GoldItem, ...]:
    """The gold items of a level, each once, in the order of the evidence; empty without evidence at this level."""
    if not case.answerable:
        return ()
    items: list[GoldItem] = []
    for evidence in case.evidence:
        if level == "document":
            items.append(GoldItem(evidence.document, grade=evidence.grade))
        elif level != "passage":
            if evidence.page is not None:
                items.append(GoldItem(evidence.document, page=evidence.page, grade=evidence.grade))
        elif evidence.start is not None and evidence.end is not None:
            items.append(GoldItem(evidence.document, start=evidence.start, end=evidence.end, grade=evidence.grade))
    return tuple(dict.fromkeys(items))


def found_items(location: Location, level: Level, gold: Sequence[GoldItem]) -> tuple[GoldItem, ...]:
    """The gold items of a level that a location is on, in their order: none, one or several.

    A location is on the same document, on the same page (`page_within_1`: or on a neighbouring page), and on a passage
    with which it shares at least one character.
    """
    return tuple(item for item in gold if item.document == location.document and _is_on(location, level, item))


def _is_on(location: Location, level: Level, item: GoldItem) -> bool:
    if item.page is not None:
        return location.page is not None and abs(location.page - item.page) <= (1 if level == "page_within_1" else 0)
    if item.start is not None and item.end is not None:
        return location.start < item.end and item.start < location.end
    return True


def _measure_hits(level: Level, gold: Sequence[GoldItem], found: Sequence[Sequence[GoldItem]]) -> dict[str, float]:
    """`success@k`: whether one of the first k hits is on gold. `all@10`: whether the first 10 hits cover all of it."""
    first = next((rank for rank, items in enumerate(found, 1) if items), None)
    metrics = {f"{level}_success@{k}": float(first is not None and first <= k) for k in SUCCESS_CUTOFFS}
    seen = {item for items in found[:DEPTH] for item in items}
    return metrics | {f"{level}_all@{DEPTH}": float(seen.issuperset(gold))}


def _distinct_items(level: Level, hits: Sequence[Location], found: Sequence[Sequence[GoldItem]]) -> list[str]:
    """The ranking of distinct items, as names: each item has the rank of its first hit.

    A hit on items that are ranked already adds nothing. A hit off gold is an item of its own: its document, page or
    characters. A hit on several new gold items adds them at consecutive ranks. If they shared one rank, the gains could
    exceed those of the ideal ranking.
    """
    names: dict[str, None] = {}
    for hit, items in zip(hits, found, strict=True):
        for name in [_gold_name(item) for item in items] or [_other_name(level, hit)]:
            names[name] = None
        if len(names) >= DEPTH:
            break
    return list(names)[:DEPTH]


def _gold_name(item: GoldItem) -> str:
    return f"gold {(item.document, item.page, item.start, item.end)!a}"


def _other_name(level: Level, hit: Location) -> str:
    if level == "document":
        return f"other {hit.document!a}"
    if level == "passage":
        return f"other {(hit.document, hit.start, hit.end)!a}"
    return f"other {(hit.document, hit.page)!a}"


@cache
def _item_measures() -> dict[Measure, str]:
    from ir_measures import RR, R, nDCG

    return {R @ 5: "recall@5", R @ 10: "recall@10", RR @ 10: "rr@10", nDCG @ 10: "ndcg@10"}


def _measure_items(judgements: dict[str, dict[str, int]], rankings: dict[str, dict[str, float]]) -> dict[str, float]:
    """Recall, reciprocal rank and nDCG as trec_eval computes them, the levels as its topics; 0 without a ranking.

    In nDCG@k the gain of an item is its grade g (Järvelin and Kekäläinen, 2002): with the grades of the first k items,
    DCG = Σ g_i / log2(i + 1), divided by that of the ideal ranking.
    """
    import ir_measures

    names = _item_measures()
    return {
        f"{result.query_id}_{names[result.measure]}": float(result.value)
        for result in ir_measures.iter_calc(list(names), judgements, rankings)
    }


def _measure_characters(case: Case, hits: Sequence[Location]) -> dict[str, float]:
    """Recall, precision and IoU of the gold characters; {} where no gold characters are known.

    G is the set of characters in any gold span, H the set of characters in any hit, over all documents:
    recall |G ∩ H| / |G|, precision |G ∩ H| / |H| (0 where H is empty), IoU |G ∩ H| / |G ∪ H|. Smith and Troynikov
    (Evaluating Chunking Strategies for Retrieval, 2024) measure tokens, and count a token of overlapping chunks in H
    once for each chunk; here overlap costs nothing.
    """
    gold = [(item.document, item.start or 0, item.end or 0) for item in gold_items(case, "passage")]
    held = [(hit.document, hit.start, hit.end) for hit in hits]
    n_gold, n_held, n_either = _count_characters(gold), _count_characters(held), _count_characters([*gold, *held])
    if not n_gold:
        return {}
    n_both = n_gold + n_held - n_either
    return {
        f"char_recall@{CHARACTER_HITS}": n_both / n_gold,
        f"char_precision@{CHARACTER_HITS}": n_both / n_held if n_held else 0.0,
        f"char_iou@{CHARACTER_HITS}": n_both / n_either,
    }


def _count_characters(spans: Iterable[tuple[str, int, int]]) -> int:
    """The number of characters in any of the spans (document, start, end)."""
    total, current, reached = 0, None, 0
    for document, start, end in sorted(spans):
        if document != current:
            current, reached = document, start
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
