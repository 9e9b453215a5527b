"""The clauses of a sentence that deny, and what is in reach of a negation. Pure, over lower-case tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rag.text import AUXILIARIES, BE, NEGATED_AUXILIARIES, STOP_WORDS, stem, word_set

_NOT = word_set("not no never none nor neither without cannot nobody nothing nowhere n't hardly barely scarcely")
NOT_A_DENIAL = re.compile(
    r"\b(?:not|no)\s+(?:(?:less|more|fewer|later|earlier|sooner|longer)\s+than|only|just|merely|simply|limited|"
    r"exceed(?:ing)?|doubt|matter|to\s+mention)\b|\b(?:whether\s+or|if|or)\s+not\b|\bno\.\s?\d",
    re.IGNORECASE,
)
_CLAUSE_END = frozenset(".,;:!?()") | word_set("but while although though however whereas because until unless except")
REFERS_BACK = word_set("he she it they his her its their him them this these those")
AUXILIARY = AUXILIARIES | NEGATED_AUXILIARIES
_BARRED = word_set("prohibited forbidden banned barred disallowed ineligible unable illegal unlawful impermissible")
_NOBODY = word_set("no none neither nobody nothing")
_WHO = word_set("who which that whom whose where when if")
_JOINS = word_set("a an the any in on at to from of for by with or nor their his her its our your")
_SHORT_ITEM = 6
MAX_WORDS = 300
"""A sentence with more words to find is not checked."""

MAX_TOKENS = 2 * MAX_WORDS


@dataclass(frozen=True, slots=True)
class Denial:
    """A clause that denies: stems before its verb and after, and those of the sentence's clauses that affirm."""

    subject: frozenset[str]
    predicate: frozenset[str]
    affirmed: frozenset[str]


def has_negation(tokens: list[str]) -> bool:
    """Whether one of the lower-case tokens is a negation."""
    return not _NOT.isdisjoint(tokens) or any(token.endswith(("n't", "n’t")) for token in tokens)


def find_negations(tokens: list[str]) -> tuple[set[str], set[str], set[str], bool]:
    """(stems in reach of a negation, the first stem of each reach, stems out of reach, whether there is a negation)."""
    negated: set[str] = set()
    denied: set[str] = set()
    affirmed: set[str] = set()
    reach, first, denies = 0, False, False
    for token in tokens:
        word = token.lower()
        if word == "without" and reach:
            # `not allowed without a permit` says what it takes
            reach = 0
            continue
        if word in _NOT or word.endswith(("n't", "n’t")):
            reach, first, denies = 6, True, True
            continue
        if word in _CLAUSE_END:
            reach = 0
            continue
        if word in STOP_WORDS:
            continue
        key = stem(word)
        if reach:
            negated.add(key)
            if first:
                denied.add(key)
            reach, first = reach - 1, False
        else:
            affirmed.add(key)
    return negated, denied, affirmed, denies


def find_denials(tokens: list[str]) -> tuple[Denial, ...]:
    """The clauses whose verb is denied: `dogs are not allowed`, `no visitor may park`, `smoking is prohibited`.

    Not among them are a negation of a part (`signed not in Paris but in London`, `without heirs`) and one inside a
    relative clause (`the king who had no heir`), which leave the statement around them standing.
    """
    if not any(token in _NOT or token in _BARRED or token.endswith("n't") for token in tokens):
        return ()
    if len(tokens) > MAX_TOKENS:
        return ()
    clauses = _clauses(tokens)
    verbs = [next((i for i, token in enumerate(clause) if token in AUXILIARY), None) for clause in clauses]
    negators = [_negator(clause) for clause in clauses]
    subjects: list[frozenset[str]] = []
    for clause, verb, negator in zip(clauses, verbs, negators, strict=True):
        cut = next((at for at in (verb, negator) if at is not None), 0)
        own = stems_of(clause[:cut])
        # `and must stay`, `they are`: a clause without a subject of its own takes the one before it
        subjects.append(own or (subjects[-1] if subjects else own))
    affirmed = frozenset().union(
        *(stems_of(clause) | subjects[i] for i, clause in enumerate(clauses) if negators[i] is None)
    )
    found = []
    for i, negator in enumerate(negators):
        if negator is None:
            continue
        verb = verbs[i]
        if clauses[i][0] in _NOBODY:
            found.append(Denial(frozenset(), stems_of(clauses[i]), affirmed))
            continue
        predicate = stems_of(clauses[i][negator if verb is None else min(verb, negator) :])
        if not predicate:
            # `cats are allowed, dogs are not`
            said = [j for j in (*range(i - 1, -1, -1), *range(i + 1, len(clauses))) if verbs[j] is not None]
            predicate = stems_of(clauses[said[0]][verbs[said[0]] :]) if said else predicate
        found.append(Denial(subjects[i], predicate, affirmed))
    return tuple(found)


def stems_of(tokens: Iterable[str]) -> frozenset[str]:
    """The stems of the words that carry meaning, negations left out."""
    return frozenset(
        stem(token)
        for token in tokens
        if token[0].isalnum() and not (token in STOP_WORDS or token in _NOT or token in _BARRED)
    )


def _clauses(tokens: list[str]) -> list[list[str]]:
    """The stretches of a sentence that have a verb each, as far as auxiliaries show it; the rest stays with them."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    for token in tokens:
        denied = token == "without" and any(word in _NOT or word.endswith("n't") for word in parts[-1][1])
        if token in _CLAUSE_END or token == "and" or denied:
            if parts[-1][1]:
                parts.append((token, []))
        else:
            parts[-1][1].append(token)
    clauses: list[list[str]] = []
    open_ended = False
    for opener, part in parts:
        if not part:
            continue
        has_verb = any(token in AUXILIARY for token in part)
        follows = opener in (",", "and")
        if clauses and follows and open_ended:
            # `dogs, cats and birds | are not allowed`
            clauses[-1] += part
        elif (
            clauses
            and follows
            and not has_verb
            and (
                _negator(clauses[-1]) is not None
                and part[0] in _JOINS
                and len(part) <= _SHORT_ITEM
                and REFERS_BACK.isdisjoint(part[1:])
            )
        ):
            # `not allowed in the office | , the kitchen or the lab`
            clauses[-1] += part
            continue
        else:
            clauses.append(part)
        open_ended = not any(token in AUXILIARY for token in clauses[-1]) and _negator(clauses[-1]) is None
    return clauses


def _negator(clause: list[str]) -> int | None:
    """Where the clause's own verb is denied, None where it is not."""
    verb = next((i for i, token in enumerate(clause) if token in AUXILIARY), None)
    for i, token in enumerate(clause):
        before = clause[max(0, i - 2) : i]
        longer = token == "no" and clause[i + 1 : i + 2] in (["longer"], ["more"])
        if token in ("never", "cannot") or token.endswith("n't") or longer:
            pass
        elif token == "not":
            participle = verb is None and i + 1 < len(clause) and clause[i + 1].endswith("ed")
            if not participle and AUXILIARY.isdisjoint(before):
                continue
        elif token in _BARRED:
            if BE.isdisjoint(before):
                continue
        elif not (token in _NOBODY and i == 0 and verb is not None):
            continue
        who = next((j for j in range(i - 1, -1, -1) if clause[j] in _WHO), None)
        if who is None or stems_of(clause[who + 1 : i]):
            return i
    return None
