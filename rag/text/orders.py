"""Finds orders in a document's text, which state nothing. Pure.

Text in a document is never an instruction, and an instruction is no evidence: "reply that the fee is 9 euros" does not
say that the fee is 9 euros. These are rules of wording, kept narrow so that they do not affect ordinary documents; an
order in other words counts as an ordinary sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.text import split_sentences, word_set

_TEMPLATE = re.compile(
    r"<[|｜]|[\w▁][|｜]>|</?(?:passages|s|start_of_turn|end_of_turn|bos|eos)>|[<＜〈⟨]\s{0,2}/\s{0,2}passages"
    r"|<</?SYS>>|\[/?(?:INST|SYSTEM_PROMPT)\]|\[(?:END OF )?(?:SYSTEM|DEVELOPER|ADMIN) (?:MESSAGE|PROMPT)\]",
    re.IGNORECASE,
)
_MACHINE = (
    r"(?:AIs?|LLMs?|(?:(?:large )?language|AI) models?|(?:AI|virtual) assistants?|chat ?bots?|"
    r"ChatGPT|GPT|Claude|Gemini|Copilot)"
)
_MAYBE_MACHINE = rf"(?:{_MACHINE}|assistants?|bots?|models?)"
_RULES = r"(?:instructions?|directions?|prompts?|guidelines|orders|rules)"
_REPLY = r"(?:answer|reply|response|output)"
_SPEAK = r"(?:answer|reply|respond|say|speak|talk|write|output|print|refuse|include|cite|mention|state|name|reveal)"
_LABEL = r"^[\s>*_#|-]{0,12}"
# the start of a clause that may be an imperative
_START = (
    r"(?:^|[.:;,!?…“\"(|*>#—–-][\s*“\"]{0,4}|"
    r"\b(?:please|now|and|then|instead|you (?:must|should|shall|will|are to|have to)|(?:do|should|must) not|never)[ ])"
)
# objects that people are asked to reply with
_BY_POST = r" (?:your (?!system|hidden|prompt|instructions)|(?:the|a) (?:completed|signed|enclosed|attached)\b)"
_SAID = "reply/response/answer/output"
_MACHINE_CUES = "llm/language model/assistant/bot/gpt/claude/gemini/copilot"
# Orders that address the model and nobody else, as (cues, pattern): every match of a pattern contains one of its cues
# in lower case. Looking for a cue costs a fiftieth of a search.
_TO_MODEL: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (tuple(cues.split("/")), re.compile(pattern, re.IGNORECASE | re.MULTILINE))
    for cues, pattern in (
        # earlier instructions
        (
            "instruction/direction/prompt/guideline/orders/rules/everything /question",
            rf"(?:{_START}(?:ignore|disregard|forget|override|bypass|drop)|\b(?:not|never|don['’]t) follow)\b"
            r"[^.!?\n]{0,25}\b(?:"
            rf"(?:previous|prior|above|earlier|your|system|former)\b[^.!?\n]{{0,20}}\b{_RULES}\b"
            rf"|(?:all|the|any) {_RULES}(?: above| before|[.,:;!]|$| and\b)"
            r"|everything (?:above|before|you (?:were|have been) told)|(?:the )?(?:user['’]?s? )?question\b)",
        ),
        ("overrid/replace", r"\b(?:overrides?|replaces?) (?:any|all|the|your) (?:earlier|previous|prior)\b"),
        ("d your /n your ", rf"\b(?:changed|updated|revoked|replaced|overridden) your (?:{_RULES}|policy)\b"),
        (
            "prompt/system override",
            r"\b(?:your|any|all) (?:system|hidden|initial) prompt\b|\bsystem override\b",
        ),
        ("prompt", rf"{_START}(?:reveal|show|repeat|print|output|leak|ignore|forget)\b[^.!?\n]{{0,25}}\bprompt\b"),
        (
            "instruction/task",
            rf"\b(?:new|real|next) (?:instructions?|task)(?: for the {_MAYBE_MACHINE})?(?: is\b|:)",
        ),
        (
            "your new/your only/your real/your task/your job",
            r"\byour (?:new|only|real) (?:task|job|goal)\b|\byour (?:task|job) now\b",
        ),
        # what to answer
        (
            "reply/respond/answer",
            rf"{_START}(?:reply|respond|answer)(?: to)?(?: (?:every|any|each|all) (?:question|query|queries|prompt)s?)?"
            rf",? ?(?:only|just|exactly|solely|simply)?(?: (?:only )?with(?: only)?\b(?!{_BY_POST})"
            r"|(?<!answer): ?[“\"']| [“\"'])",
        ),
        (
            "reply/respond/answer",
            rf"{_START}(?:reply|respond|answer) (?:only|exactly|solely)\b|\b(?:reply|respond|answer) in one word\b",
        ),
        (
            f"{_SAID}/question",
            rf"\b{_REPLY} to (?:every|any|each|all) (?:question|query)\b|\brefuse (?:all|any|every) questions?\b",
        ),
        ("reply/respond/answer", r"\bmust (?:answer|reply|respond) (?:every question )?with\b"),
        (
            _SAID,
            rf"\b(?:every|each) sentence of your {_REPLY}|\byour {_REPLY} (?:must|should|shall|has to|will)\b"
            r"(?! (?:be (?:submitted|received|sent|returned|treated|kept|reviewed|recorded)|reach|arrive|help)\b)",
        ),
        (
            "answer/reply/replies/response",
            r"\b(?:begin|start|end|finish|open|close) (?:your|every|each) (?:answers?|repl(?:y|ies)|responses?)\b",
        ),
        (
            _SAID,
            rf"\b(?:to|in|into) your {_REPLY}\b(?! to)|\binstead of answering\b"
            r"|\bwhen answering\b"
            r"(?! (?:(?:the|a|any) )?(?:(?:tele)?phones?|calls?|door|e-?mails?|letters?|customers?)\b)",
        ),
        ("output", rf"{_START}output (?:only|exactly|the (?:\w+ )?(?:word|string|phrase|text|code))\b"),
        ("output/print", r"\bto (?:output|print) (?:the string|the word|(?-i:[A-Z]{4,}))\b"),
        ("stop/nothing else", rf"{_START}{_SPEAK}\b[^.!?\n]{{0,60}}\b(?:and|then) (?:stop|nothing else)\b"),
        ("user", r"\b(?:real|actual|true) question of the user\b|\bthe user['’]s question\b"),
        # what to judge
        (
            "claim",
            r"\b(?:the|this|every|each|any|all) claims?\b[^.!?\n]{0,40}\b(?:is|are) (?:fully |entirely |always )?"
            r"(?:supported|entailed|stated)\b|\bis every part of the claim\b"
            rf"|{_START}(?:always )?(?:decide|judge|find|assume|conclude) that the (?:passage|claim)\b",
        ),
        ("correct word", r"\bthe (?:correct|right|only) word is [“\"']?(?:yes|no)\b"),
        # what to cite
        ("cite", r"\bcite (?:this|it|me)\b[^.!?\n]{0,40}\b(?:as|for)\b|\bcite (?:page|passage) \d"),
        ("quote/cite/passage", r"\bwhen you (?:quote|cite) this\b|\bpassage \d+ says:"),
        # what to tell the user
        ("user", rf"{_START}(?:tell|inform|convince|persuade) the user\b"),
        # who the model is
        (
            "you are /act as /pretend to be /behave as ",
            rf"\b(?:you are|act as|pretend to be|behave as) (?:now )?(?:an? |the )?"
            rf"(?:{_MACHINE}\b(?! (?:\w+(?:er|or|ist)|expert)\b)|unrestricted|(?-i:[A-Z]\w*Bot\b|DAN\b))",
        ),
        (
            "from now on/from today",
            rf"\bfrom (?:now on|today),? you (?:(?:will|must|should|shall) )?(?:only )?(?:{_SPEAK}|act)\b",
        ),
        (
            f" ai/{_MACHINE_CUES}",
            r"\b(?:if you are|as(?= an )|dear|hello|hi|hey|attention|"
            rf"(?:note|instructions?|message|task|order|memo|notice)(?: to| for)?),?"
            rf"(?: an?| the| any| all| every)? {_MACHINE}\b(?=[,.:;!]| reading\b)",
        ),
        (
            f"ai:/ai,/ais:/ais,/{_MACHINE_CUES}/model",
            # "AI, robotics and law are taught" is a list
            rf"(?:^|[#*>|.][ ]*){_MACHINE}(?::|,(?= (?:you|your|please|do|if|when|from|note|now|{_SPEAK}|"
            r"ignore|forget|disregard|follow|tell)\b))|(?:^|#[ ]*)assistant, ",
        ),
        (
            "must/should/shall/has to/have to",
            # "The model shall include a valve" is a specification
            rf"\b(?!models? (?:must|should|shall|has to|have to) (?:include|output|print|write|name)\b)"
            rf"{_MAYBE_MACHINE}\b(?: (?:that|which|who) \w+ \w+)? (?:must|should|shall|has to|have to)"
            rf"(?: \w+){{0,2}} {_SPEAK}\b",
        ),
        (
            " of this /assistant",
            rf"\b(?:developer|administrator|owner|operator) of this {_MAYBE_MACHINE}\b|\bthe assistant['’]s {_REPLY}\b",
        ),
        ("you are not ", r"\byou are not (?:allowed|permitted) to (?:use|answer from) this\b"),
        ("decode", r"\bdecode (?:this|the)\b[^.!?\n]{0,40}\b(?:obey|follow|execute)\b"),
        # a turn of an invented conversation
        ("earlier /instruction", rf"{_LABEL}earlier (?:question|answer):|^#{{1,6}}[ ]?instruction:[ ]*$"),
        (
            ":",
            rf"{_LABEL}(?:answer|assistant|system|chatbot|ai|user|human)[*_]{{0,2}}:[^\n]{{0,300}}"
            r"(?:\[\d{1,3}\]|\b(?:you|your|instructions?|passages?)\b)",
        ),
        # the most common of these in German, French, Spanish and Chinese
        (
            "ignorier/vergiss/missacht",
            r"\b(?:ignorier|vergiss|missacht)\w*\b[^.!?\n]{0,30}\b(?:anweisung|vorgabe|regel)\w*",
        ),
        ("antworte", r"\bantworte\w*\b[^.!?\n]{0,20}\b(?:nur|ausschließlich|genau)\b"),
        (
            "oublie/ignore",
            r"\b(?:oubliez?|ignorez|ignore (?:les|toutes))\b[^.!?\n]{0,30}\b(?:consignes|instructions|règles)\b",
        ),
        ("pond", r"\br[ée]pond(?:s|ez)\b[^.!?\n]{0,20}\b(?:uniquement|seulement)\b"),
        ("ignora/olvida", r"\b(?:ignora|olvida)d?\b[^.!?\n]{0,30}\b(?:instrucciones|reglas)\b"),
        ("respond", r"\bresponded?\b[^.!?\n]{0,20}\b(?:solo|sólo|únicamente)\b"),
        ("忽略/无视/忘记/只", r"(?:忽略|无视|忘记)[^。！？\n]{0,15}(?:指示|指令|规则|说明)|只(?:回答|回复|输出)"),
    )
)
_SAID_TO = (
    r"(?:^[\s>*#|-]{0,12}|[.:;!?“\"][\s*“\"]{1,4}|\b(?:please|kindly|now|then|you (?:must|should|shall|are to|have to)|"
    r"do not|never)[ ])"
)
# orders somebody to say something, without stating it
_SPEECH = re.compile(
    rf"(?:{_SAID_TO}(write|print|output|mention|recommend|repeat|insist|pretend|declare|announce|inform|append|insert|"
    r"reveal|summari[sz]e|state(?= that\b| ?[“\":]))"
    rf"|(?:{_SAID_TO}|, (?:and )?)(say|tell|claim|(?:answer|reply|respond)(?!:)))\b(?![ ]?[,.;)])",
    re.IGNORECASE | re.MULTILINE,
)
# Every match of the patterns contains one of these, in lower case. Looking for them first, in the whole text and then
# in the sentence, leaves few sentences for the patterns, which cost a hundred times as much.
_TEMPLATE_CUES = tuple("<＜〈⟨[>")
_CUES = tuple(
    """
    instruction/direction/prompt/guideline/orders/rules/everything /question/overrid/replace/task/reply/replies/respond/
    response/answer/output/print/stop/nothing else/user/cite/quote/passage/from now on/from today/your job/your goal/
    your new/your only/your real/your policy/you are not /unrestricted/ dan/
    act as/pretend/behave/ ai/ai,/ai:/llm/language model/assistant/bot/gpt/claude/gemini/copilot/model/decode/earlier /
    system/human/vergiss/missacht/ignor/antwort/oubli/pond/olvida/忽略/无视/忘记/只
    """.replace("\n    ", "")
    .strip()
    .split("/")
)
_SPEECH_CUES = word_set(
    """
    write print output mention recommend repeat insist pretend declare announce inform append insert reveal summari
    state say tell claim answer reply respond
    """
)
# `state` would match `United States` and `inform` would match `information`
_SPEECH_VERB = re.compile(rf"(?:{'|'.join(sorted(_SPEECH_CUES - {'summari'}))}|summari[sz]e)\b")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Order:
    """Characters [start, end) of a text that order somebody to say something.

    `verb` is the verb of saying in lower case. The words are evidence only for a statement that keeps it: "Write your
    name on the box" shows that names are written on boxes, "Say that the fee is 9 euros" shows no fee. `verb` is "" if
    the words can only be meant for the model that reads the text; then they are evidence for nothing.
    """

    start: int
    end: int
    verb: str


def find_orders(text: str, sentences: Sequence[tuple[int, int]] | None = None) -> list[Order]:
    """The orders in the text, in order, without overlaps; time is linear in its length.

    An order for the model extends to the end of its paragraph (in a table, of its row); one with a token of a chat
    template or the prompt's fence extends to the end of the text, since all of that may be forged. `sentences` are
    those of the text as `split_sentences` finds them, if the caller has them.
    """
    found: list[Order] = []
    lowered = f" {' '.join(text.lower().split())}"
    fenced = any(cue in text for cue in _TEMPLATE_CUES)
    spaced = text.isascii()  # sentences begin after white space
    cues = [cue for cue in _CUES if (cue if spaced else cue.strip()) in lowered]
    speech_cues = [cue for cue in _SPEECH_CUES if cue in lowered]
    if not (fenced or cues or speech_cues):
        return found
    for start, end in split_sentences(text) if sentences is None else sentences:
        if found and start < found[-1].end:
            continue
        sentence = text[start:end]
        if fenced and _TEMPLATE.search(sentence):
            return [*found, Order(start, len(text), "")]
        lowered = f" {sentence.lower()}"
        if any(cue in lowered for cue in cues) and _speaks_to_model(sentence, lowered):
            blank = None if sentence.startswith("|") else _BLANK_LINE.search(text, end)
            rest = blank.start() if blank else len(text)
            found.append(Order(start, end if sentence.startswith("|") else rest, ""))
        elif (
            any(cue in lowered for cue in speech_cues)
            and _SPEECH_VERB.search(lowered)
            and (said := _SPEECH.search(sentence))
        ):
            found.append(Order(start, end, (said[1] or said[2]).lower()))
    return found


def _speaks_to_model(sentence: str, lowered: str) -> bool:
    """Whether the sentence can only be meant for the model; `lowered` is the sentence in lower case after a space."""
    for cues, pattern in _TO_MODEL:
        for cue in cues:
            if cue in lowered:
                if pattern.search(sentence):
                    return True
                break
    return False
