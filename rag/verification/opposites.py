"""Whether a passage says the opposite of a sentence."""

from __future__ import annotations

from rag.text import stem, word_set
from rag.verification.claim import Claim
from rag.verification.negation import Denial
from rag.verification.reading import TOKEN, Reading

SOFT_NOT = frozenset(
    stem(word)
    for word in word_set(
        """
        prohibit forbid forbidden ban deny denied lack fail failure refuse refusal reject exclude except exempt
        unable absent avoid prevent instead rather only unless few little impossible illegal ineligible unlawful
        void invalid waive cease stop end oppose false decline restrict limit rarely seldom abolish outlaw disallow
        """
    )
)
FIRM_NOT = SOFT_NOT - frozenset(
    stem(word)
    for word in word_set(
        """
        instead rather only unless except few little limit restrict rarely seldom end stop failure oppose false prevent
        """
    )
)
"""Words that may stand for a denial; SOFT_NOT has those too that only limit."""

_PERIODS = {stem(word): word for word in ("minute", "hour", "day", "week", "month", "quarter")}
_OPPOSITES = [
    tuple(stem(word) for word in pair.split("/"))
    for pair in sorted(
        word_set(
            """
        increase/decrease increase/decline increase/reduce increase/fall rise/fall rise/decline rise/drop
        rise/decrease grow/shrink grow/decline gain/loss profit/loss gain/lose high/low highest/lowest
        maximum/minimum above/below before/after allow/prohibit allow/forbid permit/prohibit permit/forbid
        include/exclude accept/reject accept/refuse accept/decline approve/reject win/lose north/south east/west
        northern/southern eastern/western early/late earlier/later begin/end open/close buy/sell import/export
        legal/illegal possible/impossible eligible/ineligible able/unable mandatory/optional mandatory/voluntary
        required/optional required/voluntary positive/negative agree/disagree support/oppose large/small
        larger/smaller largest/smallest long/short longer/shorter longest/shortest old/young older/younger
        hot/cold upper/lower inside/outside internal/external succeed/fail success/failure strong/weak
        majority/minority more/less more/fewer always/never male/female expand/contract raise/lower raise/reduce
        arrive/depart appear/vanish success/defeat victory/defeat visible/invisible regular/irregular
        active/inactive complete/incomplete formal/informal direct/indirect capable/incapable
        dependent/independent adequate/inadequate
        """
        )
    )
]
# opposite where one stands in the other's place, too common to be so wherever both occur
_OPPOSITES_IN_PLACE = [
    tuple(stem(word) for word in pair.split("/"))
    for pair in sorted(
        word_set(
            """
        first/last foreign/domestic public/private full/empty rich/poor easy/difficult easy/hard safe/dangerous
        near/far heavy/light wide/narrow deep/shallow encourage/discourage cover/exclude covered/excluded
        covers/excludes favorable/unfavorable
        favourable/unfavourable add/remove enter/leave create/destroy connect/disconnect same/different
        similar/different former/latter best/worst better/worse often/rarely often/seldom frequent/rare
        frequently/rarely common/rare inner/outer interior/exterior urban/rural civil/military primary/secondary
        senior/junior temporary/permanent simple/complex cheap/expensive clean/dirty dry/wet fast/slow quick/slow
        modern/ancient new/old light/dark left/right top/bottom front/back single/multiple partial/full
        partly/fully unite/divide love/hate friend/enemy ally/enemy peace/war life/death teacher/student
        employer/employee lend/borrow send/receive ask/answer push/pull lead/follow save/spend remember/forget
        attack/defend surplus/deficit debit/credit asset/liability lender/borrower upward/downward
        optional/compulsory voluntary/compulsory onshore/offshore online/offline indoor/outdoor buyer/seller
        winner/loser morning/evening summer/winter day/night young/old present/absent hire/dismiss
        """
        )
    )
]


def _both_ways(pairs: list[tuple[str, ...]]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for left, right in pairs:
        if left != right:
            found[left] = found.get(left, frozenset()) | {right}
            found[right] = found.get(right, frozenset()) | {left}
    return found


_OPPOSITES_OF = _both_ways(_OPPOSITES)
_OPPOSITES_IN_PLACE_OF = _both_ways(_OPPOSITES + _OPPOSITES_IN_PLACE)
_LEAST_SHARED = 2


_OPPOSED_HEADS = frozenset(
    frozenset(pair.split("/")) for pair in ("in/out", "on/off", "pre/post", "short/long", "full/part", "high/low")
)


def are_opposite(one: str, other: str) -> bool:
    """Whether two stems mean the opposite of each other where they stand in the same place."""
    if "-" in one and "-" in other:
        (head, _, rest), (other_head, _, other_rest) = one.partition("-"), other.partition("-")
        other_rest, rest = other_rest.removeprefix("of-"), rest.removeprefix("of-")
        if rest == other_rest and frozenset((head, other_head)) in _OPPOSED_HEADS:
            return True
    return other in _OPPOSITES_IN_PLACE_OF.get(one, ()) or _negates(one, other) or _negates(other, one)


def _negates(longer: str, shorter: str) -> bool:
    return len(shorter) > 3 and longer in (f"un{shorter}", f"in{shorter}", f"im{shorter}", f"non{shorter}")


def written(key: str, text: str) -> str:
    """The word of the text that has this stem."""
    return next((word for word in TOKEN.findall(text) if stem(word) == key), key)


_AFFIRMS_DENIED = "it affirms what the passage denies"


def _denied_by(denial: Denial, claimed: frozenset[str]) -> bool:
    """Whether the clause denies what the claim's words affirm, and no other clause of its sentence affirms it."""
    subject, predicate = denial.subject & claimed, denial.predicate & claimed
    if denial.subject and predicate:
        matter = bool(subject - denial.affirmed)
    else:
        matter = not denial.subject and len(predicate) >= _LEAST_SHARED
    shared = subject | predicate
    affirmed = denial.affirmed & claimed
    return matter and len(shared - affirmed) >= len(affirmed - shared)


def find_contradiction(asked: Claim, evidence: list[Reading]) -> str:
    """In what the evidence says the opposite, or ""."""
    claim = asked.reading
    terms = frozenset().union(*(reading.terms for reading in evidence))
    if claim.denies:
        negated = frozenset().union(*(reading.negated for reading in evidence))
        denies = any(reading.denies for reading in evidence)
        heads = claim.denied or claim.negated
        same = denies if not heads else all(head in negated or (denies and head not in terms) for head in heads)
        # a word such as "prohibited" may stand for the denial, unless the sentence says that word as well
        if not same and SOFT_NOT.isdisjoint(terms - claim.terms):
            return "it denies what the passage affirms"
    elif SOFT_NOT.isdisjoint(claim.terms):
        affirmed = frozenset().union(*(reading.stems - reading.negated for reading in evidence))
        denied = frozenset().union(*(reading.denied for reading in evidence)) - affirmed
        if not denied.isdisjoint(claim.stems):
            return _AFFIRMS_DENIED
        if any(_denied_by(denial, claim.stems) for reading in evidence for denial in reading.denials):
            return _AFFIRMS_DENIED
    if any(fact.kind == "number" and not fact.unit for fact in claim.quantities):
        ours, theirs = _PERIODS.keys() & claim.terms, _PERIODS.keys() & terms
        if ours and theirs and not ours & theirs:
            return f"the passage counts in {_PERIODS[min(theirs)]}s, not in {_PERIODS[min(ours)]}s"
    if not claim.denies and not any(reading.denies for reading in evidence):
        for word in claim.terms:
            if word in terms:
                continue
            opposites = _OPPOSITES_OF.get(word, frozenset())
            against = opposites & terms - claim.terms
            if (
                against
                or (len(word) > 3 and f"un{word}" in terms)
                or (word[:2] == "un" and word[2:] in terms and len(word) > 5)
            ):
                return f"the passage says the opposite of “{written(word, asked.text)}”"
    return ""
