"""Judges: whether a quote entails a sentence, decided by an entailment cross-encoder or by the language model itself.

Imported where `FOOTNOTE_ANSWERS__JUDGE` names one, as by default. What a judge is asked, and what it may change, is
decided in `rag.verification.judging`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rag.errors import ConfigurationError, DependencyError
from rag.generation.base import take_draft
from rag.models.cross_encoder import CrossEncoderModel, Located, locate_cross_encoder
from rag.models.judge_probe import JudgeProbe, open_probe
from rag.models.tokens import estimate_tokens
from rag.prompting.prompts import JUDGE_PROMPT_VERSION, judge_messages, state_messages
from rag.text import begins_yes_or_no, words
from rag.types import Draft, Generator, Judge, Judged, Judgement, Reader, Statement, Unjudged

log = logging.getLogger(__name__)

JUDGE_SETTING = "FOOTNOTE_ANSWERS__JUDGE"
ASK_THE_MODEL = "model"
"""The value of the setting that selects the language model that answers."""

WORD_ALONE = {"yes": 0.8, "no": 0.3}
"""The probability that a reply's word stands for where the back end reports none."""

READER_AGREES, READER_MIDDLE = 3.0, 0.25
"""What a reader's agreement adds to the log odds of a short answer, and the agreement that adds nothing.

The language model alone has an area under the ROC curve of .72 on the short answers of claims/dev and of .70 on replies
to 67 questions of squad2, both together .83 and .78; evals/notebook/2026-11-short-answers.md.
"""

_SUREST = 0.01  # what a probability is kept away from 0 and 1
_REPLY_TOKENS = 4  # the word itself, and a line break or a mark before it
_N_LABELS = 3
_LABELS = ("entail", "contradict")


def make_judge(named: str, budget_s: float, generator: Generator, reader: Reader | None = None) -> Judge | None:
    """The judge that the setting names, loaded; None where the language model is to judge and follows no instructions.

    `reader` is asked about short answers too. Raises ConfigurationError where the folder holds no cross-encoder for
    inference.
    """
    if named != ASK_THE_MODEL:
        located, entailment = locate_judge(named)
        return CrossEncoderJudge(CrossEncoderModel(located, JUDGE_SETTING), entailment)
    if not generator.follows_instructions:
        return None
    return ModelJudge(generator, budget_s, open_probe(), reader)


def locate_judge(model: str) -> tuple[Located, int]:
    """Find the cross-encoder, and which of its three outputs is entailment. Raises ConfigurationError.

    The `id2label` of its config must name one output after entailment and one after contradiction, in any case.
    """
    located = locate_cross_encoder(JUDGE_SETTING, model)
    meant = [[label.lower().startswith(begins) for label in located.labels] for begins in _LABELS]
    if len(located.labels) != _N_LABELS or any(sum(which) != 1 for which in meant):
        raise ConfigurationError(
            f"{JUDGE_SETTING}={model!r} cannot judge: its config must name three labels, entailment, neutral and "
            f"contradiction, and names {', '.join(located.labels)}. Name a model for natural language inference, or "
            f"set `{ASK_THE_MODEL}`, which asks the language model."
        )
    return located, meant[0].index(True)


class CrossEncoderJudge:
    """A Judge (rag/types.py) that uses a cross-encoder with the labels entailment, neutral and contradiction."""

    def __init__(self, model: CrossEncoderModel, entailment: int) -> None:
        """`entailment` is the index of that output. Raises ConfigurationError unless the model has three."""
        if model.n_labels != _N_LABELS:
            raise ConfigurationError(
                f"{JUDGE_SETTING}: the model {model.name} has {model.n_labels} outputs, and its config names "
                f"{_N_LABELS}. Use another, or unset it."
            )
        self._model, self._entailment = model, entailment

    @property
    def model(self) -> str:
        """The model's name, and twelve hex digits of its weights' sha256."""
        return self._model.name

    @property
    def prompt_version(self) -> str:
        return ""

    async def judge_statements(self, statements: Sequence[Statement]) -> Judged:
        """The share of entailment of each; none for a statement that with its passage is longer than it reads, nor for
        one without hypothesis: whether a passage answers a question is not what the model has learnt."""
        told = [one for one in statements if one.kind != "question"]
        judged = iter(await asyncio.to_thread(self._judge, told) if told else ())
        return Judged(tuple("gave no verdict" if one.kind == "question" else next(judged) for one in statements))

    def _judge(self, statements: Sequence[Statement]) -> tuple[Judgement | Unjudged, ...]:
        pairs = [(one.premise, f"{one.question} {one.hypothesis}".strip()) for one in statements]
        sizes = self._model.count_tokens([text for pair in pairs for text in pair])
        # two texts together have no more special tokens than each one has alone
        fitting = [i for i in range(len(pairs)) if sum(sizes[2 * i : 2 * i + 2]) <= self._model.max_tokens]
        if len(fitting) < len(pairs):
            log.warning(
                "%d of %d sentences are too long with their quotes for %s, which reads %d tokens, and are not judged.",
                len(pairs) - len(fitting), len(pairs), self.model, self._model.max_tokens,
            )  # fmt: skip
        logits = self._model.read_pairs([pairs[i] for i in fitting])
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        found = {
            i: Judgement(float(row[self._entailment]))
            for i, row in zip(fitting, shares, strict=True)
            if np.isfinite(row).all()  # weights in half precision may overflow
        }
        if len(found) < len(fitting):
            log.warning("%s gave numbers that are none for %d sentences.", self.model, len(fitting) - len(found))
        read = frozenset(fitting)
        return tuple(
            found.get(i, "gave no verdict" if i in read else "cannot read so long a text") for i in range(len(pairs))
        )


class ModelJudge:
    """A Judge (rag/types.py) that has the language model read one statement at a time.

    Where there is a probe of this model, it tells the probability of entailment from the model's state at the
    statement's words. Otherwise it is the probability of `yes` among `yes` and `no` as the reply's first token, in any
    case; where the back end reports no probabilities the reply's word stands for one (WORD_ALONE). A reply on a short
    answer is weighed with what a reader, a model of its own, answers from the same passage (READER_AGREES).
    """

    def __init__(
        self,
        generator: Generator,
        budget_s: float,
        probe: JudgeProbe | None = None,
        reader: Reader | None = None,
    ) -> None:
        """`budget_s` seconds are spent on the statements of one call, as many at once as the generator has slots."""
        self._generator, self._budget_s = generator, budget_s
        self._probe, self._reader = probe, reader
        self._no_state = ""  # why the last state could not be read

    @property
    def model(self) -> str:
        """The back end and model, as reported with each answer."""
        return self._generator.model

    @property
    def prompt_version(self) -> str:
        return JUDGE_PROMPT_VERSION

    async def judge_statements(self, statements: Sequence[Statement]) -> Judged:
        """A judgement for each that there was time for; those on one passage take turns, for the prefix cache."""
        deadline = asyncio.get_running_loop().time() + self._budget_s
        places = asyncio.Semaphore(self._generator.slots)
        groups: dict[str, list[int]] = {}
        for i, statement in enumerate(statements):
            groups.setdefault(statement.premise, []).append(i)
        found: dict[int, tuple[Judgement | Unjudged, Draft | None]] = {}

        async def judge_group(indices: Sequence[int]) -> None:
            async with places:
                for i in indices:
                    found[i] = await self._judge(statements[i], deadline)

        async with asyncio.TaskGroup() as tasks:
            for indices in groups.values():
                tasks.create_task(judge_group(indices))
        answers = [found[i] for i in range(len(statements))]
        return Judged(
            tuple(judgement for judgement, _ in answers), tuple(draft for _, draft in answers if draft is not None)
        )

    async def _judge(self, statement: Statement, deadline: float) -> tuple[Judgement | Unjudged, Draft | None]:
        messages, probe = judge_messages(statement), self._probe
        if estimate_tokens(messages) + _REPLY_TOKENS > self._generator.context_tokens:
            return "cannot read so long a text", None
        try:
            async with asyncio.timeout_at(deadline):
                if probe is not None and probe.fits(self._generator.model, JUDGE_PROMPT_VERSION):
                    state = await self._read_state(statement, probe.layers)
                    read = probe.probability(state, statement.kind)
                    if read is not None:
                        return Judgement(read), None
                draft = await take_draft(self._generator, messages, _REPLY_TOKENS)
        except TimeoutError:
            return "had no time left for it", None
        except DependencyError as error:
            log.warning("%s could not be asked about a sentence: %s", self.model, error)
            return "could not be asked", None
        judgement, reader = read_judgement(draft), self._reader
        in_time = asyncio.get_running_loop().time() < deadline
        if judgement and in_time and reader and is_short_answer(statement, reader):
            judgement = weigh_agreement(judgement, await asyncio.to_thread(measure_agreement, reader, statement))
        return judgement or "gave no verdict", draft

    async def _read_state(self, statement: Statement, layers: int) -> Sequence[float]:
        """The model's state at the statement, empty where the back end fails to tell it: one warning a cause."""
        messages, said = state_messages(statement)
        try:
            state, problem = await self._generator.read_state(messages, said, layers), ""
        except DependencyError as error:
            state, problem = (), error.message
        if problem and problem != self._no_state:
            log.warning("The judge reads the model's first token: %s", problem)
        self._no_state = problem
        return state


def is_short_answer(statement: Statement, reader: Reader) -> bool:
    """Whether the statement answers a question in words that the reader may find in a passage; not with yes or no."""
    asked = statement.kind == "answer" and not begins_yes_or_no(statement.hypothesis)
    return asked and reader.knows_language(statement.question)


def measure_agreement(reader: Reader, statement: Statement) -> float:
    """How far a reader answers the question with the same words from the passage, 0 to 1: the F1 of the words of both
    answers times the reader's probability that the passage answers."""
    (found,) = reader.read(statement.question, [("", statement.premise)])
    theirs, ours = (
        Counter(words(text.casefold())) for text in (statement.premise[found.start : found.end], statement.hypothesis)
    )
    total = theirs.total() + ours.total()
    return 2 * (theirs & ours).total() / total * found.answerable if total else 0.0


def weigh_agreement(judgement: Judgement, agrees: float) -> Judgement:
    """The judgement on a short answer with a reader's agreement, 0 to 1."""
    kept = min(max(judgement.probability, _SUREST), 1 - _SUREST)
    odds = math.log(kept / (1 - kept)) + READER_AGREES * (agrees - READER_MIDDLE)
    return Judgement(1 / (1 + math.exp(-odds)))


_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_WORD = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


def read_judgement(draft: Draft) -> Judgement | None:
    """The probability of yes, of a reply that begins with yes or no; None where it begins with neither."""
    yes, no = (
        sum(share for token, share in draft.first_tokens.items() if token.strip().casefold() == word)
        for word in ("yes", "no")
    )
    if yes + no > 0:
        return Judgement(yes / (yes + no))
    word = _WORD.match(_THINKING.sub("", draft.text))
    return word and Judgement(WORD_ALONE[word[1].casefold()])
