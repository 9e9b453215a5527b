"""An embedding model behind a server: Ollama, or anything that speaks OpenAI's protocol (vLLM, TEI, llama.cpp, hosted).

A server shows neither its tokenizer nor, mostly, its weights. What a local folder tells is therefore asked or measured
when the server is opened: the length of a vector, the vector of a probe, how long a text it reads to its end, and, when
the first question in another language comes, which languages the model knows.

Sizes of texts are estimated by `TokenEstimate`, which is about right for the vocabularies that embedding models use and
never three times too low for a language that the model knows; texts get at most half of the tokens that the server
reads. A text that the server still refuses, or cuts and says so, is embedded in two halves, whose mean counts.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from rag.errors import DependencyError
from rag.models.hosts import http_options, json_field, ollama_url, openai_url
from rag.models.languages import ENGLISH as ENGLISH_CODE
from rag.models.languages import is_surely_not
from rag.models.probes import ENGLISH, PROBE, measure_cosines, measure_scripts
from rag.models.recipe import family_prefixes
from rag.models.vocabulary import is_known, script_of
from rag.telemetry import headers_to_pass_on
from rag.types import CosineScale

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
BACKOFF_S = (0.25, 0.5, 1.0, 2.0, 4.0)  # before each further attempt, while a server is busy or out of reach
QUERY_BACKOFF_S = (0.1, 0.3)  # the same while a person waits: the words answer without vectors
_MOST_QUERY_S = 1.0  # after which no further attempt at a question begins
_BUSY = (429, 500, 502, 503, 504)
_MOST_WAIT_S = 30.0  # that a server may ask for before the next attempt
_TOO_LONG = re.compile(
    r"context (length|size|window)|too (long|large|many tokens)|maximum.*(length|tokens)|exceed", re.I
)
_USUAL_TOKENS = 512  # of a text, for a server that does not tell; longer ones are never needed for chunks of usual size
_LEAST_TOKENS = 64
_SHARE_READ = 0.5  # of the tokens that the server reads: an estimate may be half of the truth
_LEAST_CHARACTERS = 32  # of a text that is not halved any further
_SAME = 1e-4  # 1 - cosine, below which two vectors are of the same text: a server computes with 16 bits or fewer
_TAIL_SHARE = 8  # the last eighth of a text, which must change its vector
_LATIN = frozenset({"LATIN"})
_PIECE = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
_LETTERS_A_TOKEN: Mapping[str, int] = {"CJK": 1, "HIRAGANA": 1, "KATAKANA": 1, "HANGUL": 1}
_LATIN_LETTERS, _ACCENTED_LETTERS, _OTHER_LETTERS, _DIGITS = 6, 4, 3, 2


class TokenEstimate:
    """Counts tokens without a tokenizer, and tells their places.

    A token is up to six letters of an ASCII word, four of another Latin one, three of another alphabet, one character
    of Chinese, Japanese or Korean, two digits, or a sign.
    """

    def count(self, text: str) -> int:
        """The tokens of a text, two for the ends of the text included."""
        return 2 + sum(1 for _ in self.offsets(text))

    def offsets(self, text: str) -> Iterator[tuple[int, int]]:
        """The characters (start, end) of each token."""
        for found in _PIECE.finditer(text):
            piece, (start, end) = found.group(), found.span()
            step = _DIGITS if piece[0].isdigit() else _letters_a_token(piece)
            for first in range(start, end, step):
                yield first, min(first + step, end)


def _letters_a_token(piece: str) -> int:
    if piece.isascii():
        return _LATIN_LETTERS
    script = script_of(piece[0])
    return _ACCENTED_LETTERS if script == "LATIN" else _LETTERS_A_TOKEN.get(script, _OTHER_LETTERS)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and how it is asked: the settings of FOOTNOTE_EMBEDDING__*, whose defaults these are.

    `max_tokens` of None is what the server tells, or 512; a prefix of None is that of the model's family. With
    `any_language` the model counts as made for every language.
    """

    kind: Literal["ollama", "openai"]
    model: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    timeout_s: float = 60.0
    batch_size: int = 8
    max_tokens: int | None = None
    query_prefix: str | None = None
    passage_prefix: str | None = None
    any_language: bool = False


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server tells of its model: its full name; if at all, the tokens that it reads and its content's hash."""

    name: str
    reads: int | None = None
    digest: str = ""


class Dialect(Protocol):
    """A server's way to be asked. `url` is its address, `model` the model's name there."""

    kind: str
    url: str
    model: str

    def look(self, client: httpx.Client) -> ServerFacts:
        """What the server tells of the model. Raises httpx.HTTPError, ValueError, DependencyError without the model."""
        ...

    def body(self, texts: Sequence[str]) -> tuple[str, dict[str, object]]:
        """The address and the JSON of a request for the vectors of these texts."""
        ...

    def vectors(self, told: object) -> tuple[list[object], int | None]:
        """The vectors in the order of the texts, and the tokens that were read, from the server's JSON.

        Raises ValueError for another JSON.
        """
        ...

    def advice(self, status: int) -> str:
        """What to do about an answer with this status."""
        ...


class OllamaDialect:
    """Ollama's own address, which can be told not to cut texts. A model's digest names its content."""

    kind = "ollama"

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = ollama_url(endpoint.base_url, os.environ.get("OLLAMA_HOST", ""))
        self.model = endpoint.model

    def look(self, client: httpx.Client) -> ServerFacts:
        listed = json_field(_json(client.get(f"{self.url}/api/tags")), "models")
        known = {str(json_field(one, "name")): one for one in listed} if isinstance(listed, list) else {}
        name = next((name for name in (self.model, f"{self.model}:latest") if name in known), None)
        if name is None:
            there = ", ".join(known) or "no model"
            raise DependencyError(
                f"Ollama at {self.url} has no embedding model {self.model!r}; it has {there}. Get it with `ollama pull "
                f"{self.model}`, or correct FOOTNOTE_EMBEDDING__MODEL."
            )
        told = json_field(_json(client.post(f"{self.url}/api/show", json={"model": name})), "model_info")
        lengths = (
            [value for key, value in told.items() if key.endswith(".context_length")] if isinstance(told, dict) else []
        )
        reads = next((value for value in lengths if isinstance(value, int) and value > 0), None)
        return ServerFacts(name, reads, str(json_field(known[name], "digest") or ""))

    def body(self, texts: Sequence[str]) -> tuple[str, dict[str, object]]:
        return f"{self.url}/api/embed", {"model": self.model, "input": list(texts), "truncate": False}

    def vectors(self, told: object) -> tuple[list[object], int | None]:
        found, read = json_field(told, "embeddings"), json_field(told, "prompt_eval_count")
        if not isinstance(found, list):
            raise ValueError("it has no `embeddings`")
        return found, read if isinstance(read, int) else None

    def advice(self, status: int) -> str:
        return f"Get the model with `ollama pull {self.model}`." if status == 404 else "See Ollama's log."


class OpenAIDialect:
    """OpenAI's `/embeddings`. The weights behind a name are not told."""

    kind = "openai"

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = openai_url(endpoint.base_url, "FOOTNOTE_EMBEDDING__BASE_URL")
        self.model = endpoint.model

    def look(self, client: httpx.Client) -> ServerFacts:
        answer = client.get(f"{self.url}/models")
        if answer.status_code in (404, 405):  # not every server lists its models
            return ServerFacts(self.model)
        listed = json_field(_json(answer), "data")
        known = {str(json_field(one, "id")): one for one in listed} if isinstance(listed, list) else {}
        reads = json_field(known.get(self.model), "max_model_len")
        return ServerFacts(self.model, reads if isinstance(reads, int) and reads > 0 else None)

    def body(self, texts: Sequence[str]) -> tuple[str, dict[str, object]]:
        return f"{self.url}/embeddings", {"model": self.model, "input": list(texts), "encoding_format": "float"}

    def vectors(self, told: object) -> tuple[list[object], int | None]:
        data, read = json_field(told, "data"), json_field(told, "usage", "prompt_tokens")
        if not isinstance(data, list):
            raise ValueError("it has no `data`")
        found: list[object] = [None] * len(data)
        for place, one in enumerate(data):
            index = json_field(one, "index")
            where = index if isinstance(index, int) and 0 <= index < len(data) else place
            found[where] = json_field(one, "embedding")
        return found, read if isinstance(read, int) and read > 0 else None

    def advice(self, status: int) -> str:
        if status in (401, 403):
            return "Set FOOTNOTE_EMBEDDING__API_KEY."
        if status == 404:
            return (
                "Check FOOTNOTE_EMBEDDING__MODEL, and that FOOTNOTE_EMBEDDING__BASE_URL ends as the server documents "
                "it, usually in /v1."
            )
        return "See the server's log."


class _Refused(Exception):
    """The server refuses a text as too long, or has cut it."""


class EndpointEmbedder:
    """An Embedder (rag/types.py) behind a server. Safe to use from several threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Ask the server for its model, and try it. Raises ConfigurationError, and DependencyError with the address."""
        import httpx

        dialect: Dialect = OllamaDialect(endpoint) if endpoint.kind == "ollama" else OpenAIDialect(endpoint)
        self._dialect, self._endpoint, self._tokens = dialect, endpoint, TokenEstimate()
        self._client = httpx.Client(
            timeout=httpx.Timeout(endpoint.timeout_s, connect=CONNECT_TIMEOUT_S),
            **http_options(dialect.url, endpoint.api_key),
        )
        weakref.finalize(self, self._client.close)
        self._prefixes = family_prefixes(dialect.model).changed(endpoint.query_prefix, endpoint.passage_prefix)
        self._dimension = 0  # until the first vector
        facts = self._look()
        self._probe: np.ndarray = np.asarray(self._vectors([PROBE])[0])
        self._dimension = len(self._probe)
        reads = endpoint.max_tokens or min(facts.reads or _USUAL_TOKENS, _USUAL_TOKENS)
        longest = max(self._tokens.count(prefix) for prefix in (self._prefixes.query, self._prefixes.passage)) - 2
        self._max_tokens = int(self._find_length(reads) * _SHARE_READ) - longest
        identity = f"{facts.digest}\0{self._dimension}\0{self._prefixes.query}\0{self._prefixes.passage}"
        stamp = hashlib.sha256(f"{facts.name}\0{identity}".encode()).hexdigest()[:12]
        self._name = f"{dialect.kind}/{facts.name}@{stamp}"

    @property
    def where(self) -> str:
        """The server and model, as error messages name them."""
        return f"The embedding server at {self._dialect.url} (model {self._dialect.model})"

    @property
    def model(self) -> str:
        """The server's kind, the model's name there, and twelve digits of what the server tells and the prefixes."""
        return self._name

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self._dimension

    @property
    def max_tokens(self) -> int:
        """The maximum number of estimated tokens of one text: half of what the server reads, without prefixes."""
        return self._max_tokens

    @cached_property
    def cosines(self) -> CosineScale:
        """Measured at first use. Raises DependencyError where the server does not answer then."""
        return measure_cosines(self.embed_queries, self._embed_soon)

    @property
    def probe(self) -> np.ndarray:
        """The vector of PROBE."""
        return self._probe

    def describe(self) -> str:
        """Address and prefixes."""
        return f"{self._dialect.kind} at {self._dialect.url}, {self._prefixes}"

    @cached_property
    def _languages(self) -> tuple[frozenset[str], bool]:
        """Asked when the first text comes that may be in another language."""
        return measure_scripts(self._embed_soon)

    def knows_language(self, text: str) -> bool:
        """By what the model makes of translated sentences; a text that may be English is not asked about.

        Raises DependencyError where the server does not answer when it is first asked.
        """
        latin = is_known(text, _LATIN)
        if self._endpoint.any_language or (latin and not is_surely_not(text, ENGLISH_CODE)):
            return True
        scripts, beyond_english = self._languages
        return beyond_english if latin else is_known(text, scripts)

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Float32, shape (len(texts), dimension), rows of length 1.

        Raises DependencyError at most a second later than one attempt fails: a person waits for the answer.
        """
        return self._vectors([self._prefixes.query + text for text in texts], patient=False)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """Float32, shape (len(texts), dimension), rows of length 1. Raises DependencyError."""
        return self._vectors([self._prefixes.passage + text for text in texts])

    def _embed_soon(self, texts: Sequence[str]) -> np.ndarray:
        """Passages that a question waits for."""
        return self._vectors([self._prefixes.passage + text for text in texts], patient=False)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The estimated tokens of each text."""
        return [self._tokens.count(text) for text in texts]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """The characters (start, end) of each estimated token."""
        return list(self._tokens.offsets(text))

    # Requests --------------------------------------------------------------------------------------------------------

    def _look(self) -> ServerFacts:
        import httpx

        try:
            return self._dialect.look(self._client)
        except httpx.HTTPStatusError as error:
            raise self._failed(error.response) from error
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        except ValueError as error:
            raise DependencyError(
                f"{self.where} does not answer as {self._dialect.kind}: {error}. Check its address and "
                "FOOTNOTE_EMBEDDING__BACKEND."
            ) from error

    def _vectors(self, texts: Sequence[str], *, patient: bool = True) -> np.ndarray:
        """Unit vectors of texts with their prefixes. `patient` is whether a server in trouble is waited for."""
        rows: list[np.ndarray] = [np.zeros((0, self._dimension), dtype=np.float32)] if not texts else []
        size = self._endpoint.batch_size
        for first in range(0, len(texts), size):
            rows.append(self._whole(texts[first : first + size], patient))
        return np.concatenate(rows)

    def _whole(self, texts: Sequence[str], patient: bool) -> np.ndarray:
        """One request; where the server refuses a text, one for each half of them, and then for each half of it."""
        texts = [text or " " for text in texts]  # a server may refuse nothing at all
        try:
            return self._asked(texts, patient)
        except _Refused as error:
            if len(texts) > 1:
                half = len(texts) // 2
                return np.concatenate([self._whole(texts[:half], patient), self._whole(texts[half:], patient)])
            text = texts[0]
            middle = _middle(text)
            if middle is None or not self._dimension:
                raise DependencyError(
                    f"{self.where} refuses a text of {len(text)} characters: {error}. Use a model that reads more."
                ) from error
            log.warning(
                "%s reads no text of %d characters, so its halves were embedded: %s. Lower "
                "FOOTNOTE_EMBEDDING__MAX_TOKENS.", self.where, len(text), error,
            )  # fmt: skip
            halves = self._whole([text[:middle], text[middle:]], patient)
            return _units(halves.mean(axis=0, keepdims=True))

    def _asked(self, texts: Sequence[str], patient: bool = True) -> np.ndarray:
        url, body = self._dialect.body(texts)
        answer = self._send(url, body, patient)
        try:
            found, read = self._dialect.vectors(answer.json())
            with np.errstate(over="ignore"):  # what is too large for 32 bits is found to be infinite below
                vectors = np.array(found, dtype=np.float32)
        except (ValueError, TypeError) as error:
            raise DependencyError(
                f"{self.where} sent no vectors: {error}. Check its address and FOOTNOTE_EMBEDDING__BACKEND."
            ) from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
            raise DependencyError(f"{self.where} sent vectors of shape {vectors.shape} for {len(texts)} texts.")
        if self._dimension and vectors.shape[1] != self._dimension:
            raise DependencyError(
                f"{self.where} sent vectors of {vectors.shape[1]} dimensions, and {self._dimension} when it was opened:"
                " another model answers under this name. Restart Footnote to compare it with the catalog."
            )
        if not np.isfinite(vectors).all() or not np.linalg.norm(vectors, axis=1).all():
            raise DependencyError(f"{self.where} sent a vector that is no number or has no length. See its log.")
        if read is not None and read < (fewest := sum(map(_fewest_tokens, texts))):
            raise _Refused(f"it read {read} tokens of {len(texts)} texts of {fewest} words, so it has cut some")
        return _units(vectors)

    def _send(self, url: str, body: object, patient: bool) -> httpx.Response:
        """The server's answer, asked for again while it is busy or out of reach; unless `patient`, for a second."""
        import httpx

        began = time.monotonic()
        for wait_s in (*(BACKOFF_S if patient else QUERY_BACKOFF_S), None):
            problem: httpx.HTTPError | None = None
            answer: httpx.Response | None = None
            try:
                answer = self._client.post(url, json=body, headers=headers_to_pass_on())
            except httpx.TransportError as error:
                problem = error
            if answer is not None and answer.is_success:
                return answer
            if answer is not None and answer.status_code in (400, 413, 422, 500) and _TOO_LONG.search(_said(answer)):
                raise _Refused(_said(answer))
            wait_s = None if wait_s is None else max(wait_s, _asked_wait_s(answer))
            if wait_s is not None and not patient and time.monotonic() - began + wait_s > _MOST_QUERY_S:
                wait_s = None
            if wait_s is None or (answer is not None and answer.status_code not in _BUSY):
                if answer is not None:
                    raise self._failed(answer)
                raise self._unreachable(problem) from problem
            time.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _failed(self, answer: httpx.Response) -> DependencyError:
        return DependencyError(
            f"{self.where} answered {answer.status_code}: {_said(answer)}. {self._dialect.advice(answer.status_code)}"
        )

    def _unreachable(self, error: Exception | None) -> DependencyError:
        import httpx

        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            return DependencyError(
                f"{self.where} sent nothing for {self._endpoint.timeout_s:.0f} s. Raise FOOTNOTE_EMBEDDING__TIMEOUT_S "
                "or lower FOOTNOTE_EMBEDDING__BATCH_SIZE."
            )
        return DependencyError(
            f"{self.where} does not answer ({error!r}). Start it, or correct FOOTNOTE_EMBEDDING__BASE_URL."
        )

    def _find_length(self, tokens: int) -> int:
        """The tokens of a text that the server reads to its end: `tokens`, or the half, the quarter ... of it."""
        wanted = tokens
        while tokens >= _LEAST_TOKENS:
            if self._reads_to_the_end(int(tokens * _SHARE_READ)):
                if tokens < wanted:
                    log.warning("%s reads only about %d tokens of a text, not %d.", self.where, tokens, wanted)
                return tokens
            tokens //= 2
        raise DependencyError(
            f"{self.where} reads fewer than {_LEAST_TOKENS} tokens of a text, or gives every text the same vector. Use "
            "another model."
        )

    def _reads_to_the_end(self, tokens: int) -> bool:
        """Whether the last words of a text of so many estimated tokens change its vector."""
        beginning = _repeat(ENGLISH[:3], self._tokens, tokens - tokens // _TAIL_SHARE)
        ends = [_repeat([sentence], self._tokens, tokens // _TAIL_SHARE) for sentence in ENGLISH[3:5]]
        try:
            one, other = self._asked([f"{beginning} {end}" for end in ends])
        except _Refused:
            return False
        return 1 - float(one @ other) > _SAME


def _json(answer: httpx.Response) -> object:
    answer.raise_for_status()
    return answer.json()


def _said(answer: httpx.Response) -> str:
    """The server's own words, on one line."""
    try:
        told = answer.json()
    except ValueError:
        told = None
    said = json_field(told, "error", "message") or json_field(told, "error") or json_field(told, "detail")
    return " ".join(str(said or answer.text or answer.reason_phrase).split())[:300].rstrip(".")


def _fewest_tokens(text: str) -> int:
    """The fewest tokens that any tokenizer reads of a text: one for each word between white space.

    Letters tell less: multilingual tokenizers read 5 letters of Tamil, 15 bytes, as one token, BERT's any word of more
    than a hundred letters, and some a line of dots.
    """
    return sum(any(map(str.isalnum, word)) for word in text.split())


def _asked_wait_s(answer: httpx.Response | None) -> float:
    """The seconds that the server asks to wait, 0 where it does not."""
    told = answer.headers.get("Retry-After", "") if answer is not None else ""
    return min(float(told), _MOST_WAIT_S) if told.isdigit() else 0.0


def _units(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def _middle(text: str) -> int | None:
    """Where to halve a text: at the white space nearest to its middle, else there; None for a short one."""
    if len(text) < _LEAST_CHARACTERS:
        return None
    middle = len(text) // 2
    spaces = (text.rfind(" ", 1, middle), text.find(" ", middle, -1))
    near = [place for place in spaces if place > 0]
    return min(near, key=lambda place: abs(place - middle), default=middle)


def _repeat(sentences: Sequence[str], tokens: TokenEstimate, most: int) -> str:
    """The sentences again and again, up to so many tokens."""
    said: list[str] = []
    left = most
    while left > 0:
        said.append(sentences[len(said) % len(sentences)])
        left -= tokens.count(said[-1]) - 2
    return " ".join(said)
