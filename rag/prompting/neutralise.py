"""Makes a document's text harmless in a prompt: text in a document is never an instruction. Pure.

The model reads the neutralised text; the Chunk, its Span and the quotes of an answer keep the original. Nothing visible
is removed: a sign that could be read as part of the prompt is replaced by one that looks similar.

| In the document | Could be read as | Becomes |
|---|---|---|
| `[1]`, `【doc: 2】`, `[①]`, `(3)` after a sentence | a citation marker | `［1］`, `（3）` |
| `</passages>`, `<|im_start|>`, `＜｜User｜＞`, `[/INST]` | a fence of the prompt or a chat template | `‹/passages>` |
| `Question:`, `### Response:` that begin a line | a turn of the conversation | `Question：`, `＃＃＃ Response：` |
| control, direction, zero-width, tag characters | invisible words | nothing |
"""

from __future__ import annotations

import re

# C0 and C1 controls except tab and newline; soft hyphens, fillers, zero-width, direction and tag characters, and
# variation selectors, which hide text from people. For U+200C and U+200D see _JOINERS.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# Indian scripts, Persian and emoji need a single joiner between two of their characters; elsewhere a joiner only splits
# a word that would be recognised.
_JOINERS = re.compile("[\u200c\u200d]{2,}|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])")

_DIGIT = r"[\d¹²³⁰⁴-⁹₀-₉①-⒛⓪-⓿❶-➓㉈-㉟㊱-㊿Ⅰ-ↂ🄀-🄌]"
_OPENERS, _CLOSERS = r"\[【〔〖〘〚⁅⟦❲⦋⦍⦏﹇﹝", r"\]【】〕〗〙〛⁆⟧❳⦌⦎⦐﹈﹞"
_LABEL = r"(?:passages?|sources?|docs?|documents?|refs?|references?|citations?|cite|notes?|quelle|id)"
# quantifiers are possessive and groups atomic, so that the time is linear in the length of the text
_NUMBERS = (
    rf"(?>[\s^*#]{{0,4}})(?>{_LABEL}[\s:#.=_-]{{0,4}})?\^?{_DIGIT}++"
    rf"(?>\s{{0,4}}(?:[,;&+/–—-]|and\b|to\b)?\s{{0,4}}(?:{_LABEL}\s{{0,3}})?\^?{_DIGIT}++){{0,60}}+(?>[\s^*†]{{0,4}})"
)
_MARKER = re.compile(rf"[{_OPENERS}]({_NUMBERS})[{_CLOSERS}]", re.IGNORECASE)
_ROUND_NUMBERS = r"\d{1,3}(?:\s{0,3}(?:,|;|&|-|–|and\b)\s{0,3}\d{1,3}){0,30}"
_ROUND_MARKER = re.compile(
    rf"\(((?:passage|source)s?\s{_ROUND_NUMBERS})\)"
    # `(1)` counts only where a reply would have it: at the end of a sentence
    rf"|(?<=\S[ \t])\(({_ROUND_NUMBERS})\)(?=[ \t]{{0,4}}(?:[.!?]|\n|\Z))",
    re.IGNORECASE,
)

_ANGLES = "<＜﹤〈〈⟨˂ᐸ❮❬≺"
_BARS = "|｜│❘ǀ∣¦"
_FENCE_WORD = (
    r"(?:passages?|context|documents?|sources?|system|user|assistant|human|model|developer|instructions?|inst|prompt|"
    r"question|answer|query|response|message|turn|role|channel|(?:im|start|end|begin|fim|bos|eos|tool|function)_\w{1,40}|"
    r"bos|eos|s|sys|sop|eop|gmask|unk|pad|think(?:ing)?|tools?|reserved\w{0,20}|unused\d{0,5})\b"
)
_BRACKET_WORD = (
    r"/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_\w{1,20}|THINK|gMASK|PREFIX|SUFFIX|MIDDLE|IMG|BOS|EOS|"
    r"(?:end of |new )?(?:system|assistant|user|developer|instructions?|passages?|context)(?: \w{1,20})?)\s{0,2}\]"
)
_FENCE = re.compile(
    rf"[{_ANGLES}](?="
    rf"\s{{0,4}}[/\\／⁄∕]?\s{{0,4}}{_FENCE_WORD}"  # </passages>, <start_of_turn>, <s>
    rf"|/?[{_BARS}]"  # <|im_end|>, <｜User｜>
    rf"|/?\s{{0,4}}[{_ANGLES}]\s{{0,4}}/?\s{{0,4}}SYS"  # <<SYS>>
    rf"|/?[\w ▁.:-]{{1,40}}[{_BARS}]\s?[>＞]"  # <turn|>
    r")"
    r"|[<＜](?=\s{0,4}[/／]?\s{0,4}[\w-]{0,40}[^\W\x00-\x7f][\w-]{0,40}\s{0,4}[>＞])"  # the same in other letters
    rf"|\[(?={_BRACKET_WORD}|[{_BARS}]|e~\[)|\](?=~!?b[\[\]])",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"^(?P<label>(?:[^\w\n]|_){0,12}+(?:(?:earlier|previous|next|new|final)[ ])?"
    r"(?:questions?|answer|user|assistant|system|human|ai|chatbot|developer|instructions?|passages?|claim)"
    r"(?:[ ](?:\d{1,3}|message|prompt|turn|instructions?))?[ \t*_]{0,4}):",
    re.IGNORECASE | re.MULTILINE,
)
_TURN_HEADING = re.compile(
    r"^([ \t]{0,3})(#{1,9})(?=[ \t]{0,4}(?:(?:end of|new)[ ])?(?:instructions?|response|input|output|system|user|"
    r"assistant|human|question|answer|prompt|passages?)(?:[ ](?:message|prompt))?[ \t:：]{0,4}$)",
    re.IGNORECASE | re.MULTILINE,
)


def without_markers(text: str) -> str:
    """The text without citation markers, for earlier answers, whose markers named other passages."""
    return _MARKER.sub("", text)


def neutralise(text: str) -> str:
    """The text as a prompt may contain it: no controls, and nothing that reads as a marker, a fence or a turn.

    Signs are replaced by similar ones, so that the words stay readable; everything else stays. Applying it twice
    changes nothing more. A bare superscript (`m²`) cannot be read as a marker and stays.
    """
    text = _JOINERS.sub("", _CONTROLS.sub("", _LINE_BREAKS.sub("\n", text)))
    text = _MARKER.sub(r"［\1］", text)
    text = _ROUND_MARKER.sub(lambda found: f"（{found[1] or found[2]}）", text)
    text = _FENCE.sub(lambda found: {"[": "［", "]": "］"}.get(found[0], "‹"), text)
    text = _TURN.sub(r"\g<label>：", text)
    return _TURN_HEADING.sub(lambda found: found[1] + "＃" * len(found[2]), text)


def one_line(text: str, limit: int) -> str:
    """The neutralised text on one line, cut at a word to at most `limit` characters with an ellipsis."""
    line = " ".join(neutralise(" ".join(text.split())).split())
    return line if len(line) <= limit else line[: limit - 1].rsplit(" ", 1)[0] + "…"
