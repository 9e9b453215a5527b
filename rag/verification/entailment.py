"""Judges: whether a quote entails a sentence, decided by an entailment cross-encoder or by the language model itself.

Optional, imported only if `FOOTNOTE_ANSWERS__JUDGE` names one. `rag.verification.judging` decides what a judge may
change.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence

import numpy as np

from rag.errors import ConfigurationError
from rag.generation import take_draft
from rag.models.cross_encoder import CrossEncoderModel, Located, locate_cross_encoder
from rag.models.tokens import estimate_tokens
from rag.prompting.prompts import JUDGE_PROMPT_VERSION, judge_messages
from rag.types import Draft, Generator, Judge, Judged, Judgement, JudgeVerdict, Statement

log = logging.getLogger(__name__)

JUDGE_SETTING = "FOOTNOTE_ANSWERS__JUDGE"
ASK_THE_MODEL = "model"
"""The value of the setting that selects the language model that answers."""

MOST_TOGETHER = 12  # statements in one prompt
_REPLY_TOKENS, _TOKENS_EACH = 16, 10  # of the reply: for each prompt, and for each of its statements
_N_LABELS = 3
_LABELS: tuple[tuple[str, JudgeVerdict], ...] = (("entail", "entailed"), ("contradict", "contradicted"))


def make_judge(setting: str, generator: Generator) -> Judge | None:
    """The judge that the setting names, loaded; None if the setting is empty.

    Raises ConfigurationError if there is no model to ask, or the folder has no entailment cross-encoder.
    """
    if not setting:
        return None
    if setting != ASK_THE_MODEL:
        located, verdicts = locate_judge(setting)
        return CrossEncoderJudge(CrossEncoderModel(located, JUDGE_SETTING), verdicts)
    check_model_judge(generator)
    return ModelJudge(generator)


def check_model_judge(generator: Generator) -> None:
    """Raise ConfigurationError if the back end has no language model."""
    if not generator.follows_instructions:
        raise ConfigurationError(
            f"{JUDGE_SETTING}={ASK_THE_MODEL} needs a language model, and the {generator.model} back end has none. Set "
            "FOOTNOTE_GENERATION__BACKEND to another, set a cross-encoder as judge, or unset it."
        )


def locate_judge(model: str) -> tuple[Located, tuple[JudgeVerdict, ...]]:
    """Find the cross-encoder, and the meaning of each of its three outputs. Raises ConfigurationError.

    The `id2label` of its config must name one output after entailment and one after contradiction, in any case.
    """
    located = locate_cross_encoder(JUDGE_SETTING, model)
    verdicts: list[JudgeVerdict] = []
    for label in located.labels:
        verdicts.append(next((means for begins, means in _LABELS if label.lower().startswith(begins)), "neutral"))
    if len(verdicts) != _N_LABELS or len(set(verdicts)) != _N_LABELS:
        raise ConfigurationError(
            f"{JUDGE_SETTING}={model!r} cannot judge: its config must name three labels, entailment, neutral and "
            f"contradiction, and names {', '.join(located.labels)}. Use a model for natural language inference, or "
            f"unset it (`{ASK_THE_MODEL}` asks the language model)."
        )
    return located, tuple(verdicts)


class CrossEncoderJudge:
    """A Judge (rag/types.py) that uses a cross-encoder with the labels entailment, neutral and contradiction."""

    def __init__(self, model: CrossEncoderModel, verdicts: Sequence[JudgeVerdict]) -> None:
        """`verdicts` gives the meaning of each output of the model. Raises ConfigurationError if the counts differ."""
        if model.n_labels != len(verdicts):
            raise ConfigurationError(
                f"{JUDGE_SETTING}: the model {model.name} has {model.n_labels} outputs, and its config names "
                f"{len(verdicts)}. Use another, or unset it."
            )
        self._model, self._verdicts = model, tuple(verdicts)

    @property
    def model(self) -> str:
        """The model's name, and twelve hex digits of its weights' sha256."""
        return self._model.name

    @property
    def prompt_version(self) -> str:
        return ""

    async def judge_statements(self, statements: Sequence[Statement]) -> Judged:
        """The most likely label of each; None for a statement that is, with its evidence, too long for the model."""
        return Judged(await asyncio.to_thread(self._judge, statements))

    def _judge(self, statements: Sequence[Statement]) -> tuple[Judgement | None, ...]:
        sizes = self._model.count_tokens([text for one in statements for text in (one.premise, one.hypothesis)])
        # two texts together have no more special tokens than each one has alone
        fitting = [i for i in range(len(statements)) if sum(sizes[2 * i : 2 * i + 2]) <= self._model.max_tokens]
        if len(fitting) < len(statements):
            log.warning(
                "%d of %d sentences are too long with their quotes for %s, which reads %d tokens, and are not judged.",
                len(statements) - len(fitting), len(statements), self.model, self._model.max_tokens,
            )  # fmt: skip
        logits = self._model.read_pairs([(statements[i].premise, statements[i].hypothesis) for i in fitting])
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        found = {
            i: Judgement(self._verdicts[int(row.argmax())], float(row.max()))
            for i, row in zip(fitting, shares, strict=True)
            if np.isfinite(row).all()  # weights in half precision may overflow
        }
        if len(found) < len(fitting):
            log.warning("%s gave no finite numbers for %d sentences.", self.model, len(fitting) - len(found))
        return tuple(found.get(i) for i in range(len(statements)))


class ModelJudge:
    """A Judge (rag/types.py) that asks the language model, with at most MOST_TOGETHER statements in one prompt."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    @property
    def model(self) -> str:
        """The back end and model, as reported with each answer."""
        return self._generator.model

    @property
    def prompt_version(self) -> str:
        return JUDGE_PROMPT_VERSION

    async def judge_statements(self, statements: Sequence[Statement]) -> Judged:
        """A verdict on each, None where the reply has no readable one. Raises DependencyError."""
        judgements: list[Judgement | None] = []
        drafts: list[Draft] = []
        for together in self._prompts(statements):
            if self._room(together) < 0:
                log.warning("A sentence and its quote are too long for a prompt of %s and are not judged.", self.model)
                judgements += [None] * len(together)
                continue
            draft = await take_draft(self._generator, judge_messages(together), _reply_tokens(len(together)))
            found = parse_judgements(draft.text, len(together))
            if None in found:
                log.warning(
                    "%s gave no verdict on %d of %d sentences: %r",
                    self.model, found.count(None), len(found), draft.text[:200],
                )  # fmt: skip
            judgements += found
            drafts.append(draft)
        return Judged(tuple(judgements), tuple(drafts))

    def _prompts(self, statements: Sequence[Statement]) -> list[list[Statement]]:
        """The statements in order, as many in a prompt as fit; one that never fits has a prompt of its own."""
        prompts: list[list[Statement]] = []
        for statement in statements:
            if prompts and len(prompts[-1]) < MOST_TOGETHER and self._room([*prompts[-1], statement]) >= 0:
                prompts[-1].append(statement)
            else:
                prompts.append([statement])
        return prompts

    def _room(self, together: Sequence[Statement]) -> int:
        """The tokens that remain in the model's context, by a cautious estimate."""
        taken = estimate_tokens(judge_messages(together)) + _reply_tokens(len(together))
        return self._generator.context_tokens - taken


def _reply_tokens(n_statements: int) -> int:
    return _REPLY_TOKENS + _TOKENS_EACH * n_statements


_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_WORDS: dict[str, JudgeVerdict] = {"true": "entailed", "unknown": "neutral", "false": "contradicted"}
_WORD = rf"({'|'.join(_WORDS)})\b"
_NUMBERED = re.compile(rf"^\W*(?:pair\s*)?(\d{{1,3}})\W+{_WORD}", re.IGNORECASE | re.MULTILINE)
_ALONE = re.compile(rf"\W*{_WORD}\W*", re.IGNORECASE)


def parse_judgements(reply: str, n_statements: int) -> list[Judgement | None]:
    """The verdicts of a reply by their numbers; None where a number is missing or has two different verdicts.

    The number may be missing if there is only one statement.
    """
    reply = _THINKING.sub("", reply)
    said: dict[int, set[JudgeVerdict]] = {}
    for number, word in _NUMBERED.findall(reply):
        said.setdefault(int(number), set()).add(_WORDS[word.lower()])
    if n_statements == 1 and not said and (alone := _ALONE.fullmatch(reply)):
        said[1] = {_WORDS[alone[1].lower()]}
    return [
        Judgement(next(iter(said[number]))) if len(said.get(number, ())) == 1 else None
        for number in range(1, n_statements + 1)
    ]
