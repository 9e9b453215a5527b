"""Every setting, with its unit, default and bounds, grouped by the step that reads it.

Each is set by an environment variable named after its path: `FOOTNOTE_RETRIEVAL__TOP_K=8`, `FOOTNOTE_DATA_DIR=...`.
`load_settings` refuses names that do not exist (pydantic-settings alone would ignore them) and values out of bounds.
Functions receive the few values they use as arguments; only the entry points read this tree.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from rag.errors import ConfigurationError, InputError
from rag.types import AnswerMode

ENV_PREFIX = "FOOTNOTE_"
ENV_DELIMITER = "__"
CHUNKING_FORMAT = 4  # to be raised with every change of ingest/chunk.py that cuts documents differently
NOT_SETTINGS = frozenset({"FOOTNOTE_SHARED_DIR", "FOOTNOTE_TEST_DATABASE_URL", "FOOTNOTE_TEST_QDRANT_URL"})
"""Variables with the settings' prefix that are not settings: what the tests read, the folder of larger suites and a
server of Postgres and of Qdrant."""


class Section(BaseModel):
    """A group of settings; unknown names are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Parsing(Section):
    """Limits of the process that parses one untrusted file."""

    timeout_s: float = Field(120.0, ge=1, le=86_400, description="time limit for parsing one file, in seconds")
    memory_mb: int = Field(2_048, ge=256, le=262_144, description="address space for parsing one file, in MiB")
    max_output_mb: int = Field(64, ge=1, le=4_096, description="maximum text from one file, in MiB")
    max_pages: int = Field(20_000, ge=1, le=1_000_000, description="maximum pages of one file")
    processes: int = Field(0, ge=0, le=256, description="files that are parsed at the same time; 0: one a core")
    ocr: bool = Field(True, description="recognise words in pictures and in pages without text")
    ocr_engine: Literal["auto", "rapidocr", "tesseract"] = Field(
        "auto", description="what recognises words; auto is rapidocr, or an installed Tesseract where that is missing"
    )
    ocr_timeout_s: float = Field(
        1_800.0, ge=1, le=86_400, description="further time for recognising words in one file, in seconds"
    )


class Chunking(Section):
    """Sizes of chunks, in tokens of the embedder. They count the chunk's own text, without title and headings."""

    target_tokens: int = Field(
        160, ge=16, le=8_192, description="target size of a chunk, in tokens; a chunk ends with a sentence"
    )
    max_tokens: int = Field(200, ge=24, le=8_192, description="maximum size of a chunk, in tokens")
    context_tokens: int = Field(
        40, ge=0, le=512, description="maximum tokens of title and headings in front of a chunk's text"
    )

    @property
    def version(self) -> str:
        """Identifies how chunks are cut, so that the catalog notices a change."""
        return f"{CHUNKING_FORMAT}/{self.target_tokens}/{self.max_tokens}/{self.context_tokens}"


class Embedding(Section):
    """The embedding model. The catalog records it; another model requires a rebuild."""

    backend: Literal["local", "ollama", "openai"] = Field(
        "local", description="where the model runs: in this process, on an Ollama or on an OpenAI-compatible server"
    )
    model: str = Field(
        "all-MiniLM-L6-v2",
        description="a name that `footnote models list` shows, `multilingual`, a name on the Hugging Face hub "
        "(owner/repository), a local folder, or the model's name at the server",
    )
    base_url: str = Field("", description="address of the server; empty for Ollama's default")
    api_key: SecretStr = Field(SecretStr(""), description="key of an OpenAI-compatible server")
    timeout_s: float = Field(60.0, ge=1, le=3_600, description="time limit for one request to the server, in seconds")
    max_tokens: int | None = Field(
        None, ge=64, le=131_072, description="maximum tokens of a text at the server, instead of what it tells, or 512"
    )
    query_prefix: str | None = Field(None, description="text in front of a question, instead of the model's own")
    passage_prefix: str | None = Field(None, description="text in front of a passage, instead of the model's own")
    languages: Literal["auto", "any"] = Field(
        "auto",
        description="auto searches by words alone where the model does not know the language of a question; any trusts "
        "it with every language",
    )
    batch_size: int = Field(8, ge=1, le=1_024, description="texts in one forward pass or request")
    threads: int = Field(0, ge=0, le=256, description="processor threads; 0 uses all cores")

    def on_server(self) -> bool:
        """Whether a server embeds. Raises ConfigurationError for the address of a server that is not asked."""
        if self.base_url and self.backend == "local":
            raise ConfigurationError(
                f"{ENV_PREFIX}EMBEDDING__BASE_URL={self.base_url!r} names a server, and {ENV_PREFIX}EMBEDDING__BACKEND "
                "is local. Set it to ollama or openai, or unset the address."
            )
        return self.backend != "local"


class Retrieval(Section):
    """Search and reranking."""

    top_k: int = Field(8, ge=1, le=1_000, description="number of hits, unless the request names one")
    reranker: str = Field(
        "",
        description="cross-encoder that scores the best chunks again: a local folder, or a name on the Hugging Face "
        "hub whose files are in the hub's local cache; empty for none",
    )
    rerank: int = Field(30, ge=1, le=1_000, description="number of best chunks that the reranker scores")


_MOST_SLOTS = 256


class Generation(Section):
    """The language model."""

    backend: Literal["auto", "ollama", "openai", "embedded", "extractive"] = Field(
        "auto", description="auto: Ollama if it is reachable and has the model, else the embedded model"
    )
    model: str = Field("", description="the model's name at the back end; empty for the back end's default")
    base_url: str = Field(
        "",
        description="address of an Ollama or OpenAI-compatible server; empty for its default. Several servers of the "
        "same model, between which calls are divided, are separated by commas; `#slots=N` after an address is `slots` "
        "of that one",
        examples=["http://gpu1.example:8000/v1,http://gpu2.example:8000/v1#slots=16"],
    )
    api_key: SecretStr = Field(SecretStr(""), description="key of the OpenAI-compatible servers")
    context_tokens: int = Field(
        4_096, ge=512, le=1_048_576, description="context window: tokens of prompt and reply together (num_ctx)"
    )
    first_token_s: float = Field(
        8.0,
        ge=0.1,
        le=3_600,
        description="time to the first token, in seconds: as many tokens of passages are sent as the back end reads in "
        "it, 400 to 6,000",
    )
    prompt_tokens: int | None = Field(
        None,
        ge=128,
        le=1_048_576,
        description="maximum tokens of the prompt, instructions and passages included, instead of what first_token_s "
        "allows; a long question is added to it",
    )
    reply_tokens: int = Field(192, ge=16, le=65_536, description="maximum tokens of the reply")
    temperature: float = Field(0.0, ge=0, le=2, description="sampling temperature; 0 takes the most likely token")
    seed: int = Field(7, ge=0, description="seed of the sampler, if the back end has one")
    timeout_s: float = Field(
        180.0,
        ge=1,
        le=3_600,
        description="time limit for the whole reply, in seconds; of several servers, from when one is free",
    )
    first_token_timeout_s: float = Field(
        30.0,
        ge=0.1,
        le=3_600,
        description="time limit for the first token, in seconds, after which another server is asked, where there are "
        "several; the loading of a model does not count",
    )
    slots: int | None = Field(
        None,
        ge=1,
        le=_MOST_SLOTS,
        description="replies that each server writes at the same time, and questions that are answered at once; where "
        "not set, 2 of the embedded model, 1 of Ollama (its OLLAMA_NUM_PARALLEL), 4 of an OpenAI-compatible server",
    )
    threads: int = Field(0, ge=0, le=256, description="processor threads of the embedded model; 0 uses all cores")

    @field_validator("base_url")
    @classmethod
    def _check_servers(cls, value: str) -> str:
        addresses = [_address_and_slots(one)[0] for one in _split(value)]
        if len(set(addresses)) < len(addresses):
            raise ValueError("it names an address twice")
        return value

    def servers(self) -> tuple[Generation, ...]:
        """The settings of each server that `base_url` names; these themselves where it is empty."""
        named = [_address_and_slots(one) for one in _split(self.base_url)]
        each = [{"base_url": address, "slots": slots or self.slots} for address, slots in named]
        return tuple(self.model_copy(update=update) for update in each) or (self,)


def _address_and_slots(server: str) -> tuple[str, int | None]:
    """An address, and the slots that are written behind it. Raises ValueError."""
    address, _, option = server.partition("#")
    name, _, number = option.partition("=")
    if option and (name != "slots" or not number.isdecimal() or not 1 <= int(number) <= _MOST_SLOTS):
        raise ValueError(f"#{option} is no option of a server: write #slots=N with N from 1 to {_MOST_SLOTS}")
    return address.rstrip("/"), int(number) if option else None


_OTLP = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.exporter.otlp.proto.http")
NO_JUDGE = ("", "off")
"""What FOOTNOTE_ANSWERS__JUDGE is where nobody judges."""


class Answers(Section):
    """How answers are checked, and when they are withheld."""

    mode: AnswerMode = Field(
        "strict",
        description="strict leaves unsupported sentences out, flag marks them, off keeps the model's text unchanged",
    )
    passages: int = Field(6, ge=1, le=100, description="maximum passages sent to the model")
    min_evidence: float = Field(
        0.1,
        ge=0,
        le=1,
        description="answerability (probability that the hits answer the question) below which no model is asked",
    )
    min_confidence: float = Field(
        0.3,
        ge=0,
        le=1,
        description="probability that this is the answer below which `strict` withholds it; higher refuses more and "
        "errs less",
    )
    min_coverage: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of a sentence's content words that its quote must contain to be 'weak' without a judge",
    )
    judge: str = Field(
        "model",
        description="judge of sentences that no passage has word for word: `model` for the language model, where the "
        "back end has one, or an entailment cross-encoder (a local folder, or a name in the hub's local cache); `off` "
        "for none",
    )
    judge_budget_s: float = Field(
        20.0, ge=0, le=3_600, description="seconds for the judge of one answer or text; the rest stays as it is"
    )


class Server(Section):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="address to listen on")
    insecure: bool = Field(
        False, description="answer everyone without an API key, also beyond this machine and where keys exist"
    )
    allowed_hosts: str = Field(
        "",
        description="names under which a proxy or other machines reach the server, separated by commas; beyond "
        "loopback every name is accepted where this is empty",
    )
    allowed_origins: str = Field(
        "",
        description="origins whose web pages may use the server, separated by commas",
        examples=["https://intranet.example"],
    )
    root_path: str = Field(
        "",
        pattern=r"^(/[^/\s]+)*$",
        description="path under which a proxy serves the server",
        examples=["/footnote"],
    )
    tls_certificate: Path | None = Field(None, description="file of the certificate chain (PEM), for https")
    tls_key: Path | None = Field(None, description="file of the certificate's private key (PEM)")
    requests_per_minute: int = Field(
        0, ge=0, le=1_000_000, description="maximum calls of one API key in a minute; 0 for no limit"
    )
    audit_log: Path | None = Field(
        None, description="file to which every call is appended as a line of JSON: who asked, uploaded, deleted what"
    )
    worker: bool = Field(
        True, description="prepare documents in this server; off where `footnote work` does, on a Postgres catalog"
    )
    port: int = Field(8_000, ge=0, le=65_535, description="TCP port; 0 for a free one")
    max_upload_mb: int = Field(256, ge=1, le=65_536, description="maximum size of an uploaded file, in MiB")
    max_files: int = Field(100, ge=1, le=10_000, description="maximum files in one upload")
    max_question_chars: int = Field(
        4_000, ge=1, le=1_000_000, description="maximum characters of a question or search query"
    )
    max_verify_chars: int = Field(200_000, ge=1, le=10_000_000, description="maximum characters of a text to verify")
    max_top_k: int = Field(100, ge=1, le=1_000, description="maximum hits of one request")
    max_wait_s: float = Field(
        30.0,
        ge=0,
        le=3_600,
        description="time that a question or a text to verify waits for its turn, in seconds; one that would wait "
        "longer is refused at once",
    )
    public_url: str = Field(
        "",
        description="address at which people reach the server; citations of OpenAI's API then link to it",
    )
    openwebui_sources: bool = Field(
        False, description="send each citation of a chat completion's stream as a source event of Open WebUI too"
    )

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        for origin in _listed(value):
            if re.fullmatch(r"https?://[^/\s,]+", origin) is None:
                raise ValueError(f"{origin!r} is no origin: write scheme and host, such as https://intranet.example")
        return value

    @property
    def hosts(self) -> tuple[str, ...]:
        """`allowed_hosts` one by one, in lower case."""
        return _listed(self.allowed_hosts)

    @property
    def origins(self) -> tuple[str, ...]:
        """`allowed_origins` one by one, in lower case."""
        return _listed(self.allowed_origins)

    def check_question(self, text: str, field: str) -> str:
        """The question or query without surrounding white space. Raises InputError, naming the `field`."""
        text = text.strip()
        if not text:
            raise InputError(f"`{field}` is empty. Write at least one word.")
        _check_length(text, field, self.max_question_chars, "MAX_QUESTION_CHARS")
        return text

    def check_text(self, text: str) -> None:
        """Raise InputError for a text that cannot be verified: one without words, or one longer than allowed."""
        if not text.strip():
            raise InputError("`text` is empty. Send at least one sentence.")
        _check_length(text, "text", self.max_verify_chars, "MAX_VERIFY_CHARS")

    def check_top_k(self, top_k: int | None) -> None:
        """Raise InputError for a number of hits outside 1 to `max_top_k`; None is accepted."""
        if top_k is not None and not 1 <= top_k <= self.max_top_k:
            shown = top_k if abs(top_k) < 10**18 else "far too large"
            raise InputError(
                f"`top_k` is {shown}; it must be from 1 to {self.max_top_k}. Ask for fewer hits, or raise "
                "FOOTNOTE_SERVER__MAX_TOP_K."
            )


def _split(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _listed(value: str) -> tuple[str, ...]:
    return _split(value.lower())


def _check_length(text: str, field: str, limit: int, setting: str) -> None:
    if len(text) > limit:
        raise InputError(
            f"`{field}` has {len(text)} characters and at most {limit} are accepted. Shorten it, or raise "
            f"FOOTNOTE_SERVER__{setting}."
        )


class Settings(BaseSettings):
    """All settings, at their defaults where nothing is given; `load_settings` reads the environment.

    Frozen: a change requires a new tree.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter=ENV_DELIMITER, extra="forbid", frozen=True
    )

    data_dir: Path = Field(Path("data/store"), description="folder of the catalog, the originals and the indexes")
    database_url: str = Field(
        "",
        repr=False,
        description="Postgres database of the catalog, which servers and workers share; empty for SQLite in data_dir",
        examples=["postgresql://footnote:secret@db.example:5432/footnote"],
    )
    index_url: str = Field(
        "",
        repr=False,
        description="Postgres database (pgvector) or Qdrant server of the vectors, which servers share; empty for "
        "Chroma in data_dir",
        examples=["postgresql://footnote:secret@db.example:5432/footnote", "qdrants://:secret@qdrant.example:6333"],
    )
    originals_url: str = Field(
        "",
        description="folder or S3 bucket of the originals, which servers and workers of a Postgres catalog share; "
        "empty for `originals` in data_dir",
        examples=["file:///srv/footnote/originals", "s3://papers/footnote"],
    )
    model_dir: Path | None = Field(None, description="folder of model weights; empty for the user's cache folder")
    log_format: Literal["text", "json"] = Field(
        "text",
        description="what a server or worker logs to stderr: text for people, or json, an object a line, with one for "
        "each request",
    )
    traces: Literal["off", "otlp"] = Field(
        "off",
        description="otlp sends traces of servers and workers to the OpenTelemetry collector that "
        "OTEL_EXPORTER_OTLP_ENDPOINT names",
    )
    parsing: Parsing = Parsing()
    chunking: Chunking = Chunking()
    embedding: Embedding = Embedding()
    retrieval: Retrieval = Retrieval()
    generation: Generation = Generation()
    answers: Answers = Answers()
    server: Server = Server()

    @field_validator("traces")
    @classmethod
    def _check_traces(cls, value: str) -> str:
        if value != "off" and any(find_spec(name) is None for name in _OTLP):
            raise ValueError("OpenTelemetry is not installed; `pip install 'footnote-rag[otel]'` installs it")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the given values: a worker has the settings of its parent, whatever its own environment contains."""
        return (init_settings,)

    @property
    def store_place(self) -> tuple[Path, str, str]:
        """What a Catalog is opened with: data directory, URL of the database, URL of the originals."""
        return Path(self.data_dir), self.database_url, self.originals_url

    def alone_in(self, folder: Path) -> Settings:
        """The same settings over a catalog and originals of its own, in a data directory: for measurements that must
        not touch the documents that people ask.

        The vectors are where `index_url` says, apart from those of other catalogs, so that its engine is measured.
        """
        return self.model_copy(update={"data_dir": folder, "database_url": "", "originals_url": ""})

    def resolved_model_dir(self) -> Path:
        """The folder of model weights, shared by all data directories."""
        if self.model_dir is not None:
            return self.model_dir.expanduser()
        cache = os.environ.get("XDG_CACHE_HOME")
        return (Path(cache) if cache else Path.home() / ".cache") / "footnote" / "models"

    def dump_with_secrets(self) -> str:
        """As JSON for a process of our own, keys included, which `model_dump_json` would write as asterisks."""

        def reveal(value: object) -> str:
            return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

        return json.dumps(self.model_dump(), default=reveal)

    def hash(self) -> str:
        """Twelve hex digits that identify all settings that can change an answer (not folders, server and keys)."""
        shown = self.model_dump_json(
            exclude={
                "data_dir": True,
                "database_url": True,
                "index_url": True,
                "originals_url": True,
                "model_dir": True,
                "log_format": True,
                "traces": True,
                "server": True,
                "generation": {"api_key", "first_token_timeout_s"},
                "embedding": {"api_key", "timeout_s"},
                "parsing": {"processes"},
            }
        )
        return hashlib.sha256(shown.encode()).hexdigest()[:12]


def setting_names(tree: type[BaseModel] = Settings, prefix: str = ENV_PREFIX) -> Iterator[str]:
    """The environment variable of every setting; a section's own variable comes before those of its fields."""
    for name, field in tree.model_fields.items():
        variable = f"{prefix}{name}".upper()
        yield variable
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_names(field.annotation, f"{variable}{ENV_DELIMITER}")


def load_settings(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings from the environment; `overrides` (top-level names) win.

    Raises ConfigurationError for a `FOOTNOTE_*` name that is not a setting, and for a value out of bounds.
    """
    environ = os.environ if environ is None else environ
    known = set(setting_names())
    unknown = sorted(
        name for name in environ if name.upper().startswith(ENV_PREFIX) and name.upper() not in known | NOT_SETTINGS
    )
    if unknown:
        import difflib

        near = difflib.get_close_matches(unknown[0].upper(), known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigurationError(f"{unknown[0]} is not a setting of Footnote.{hint} Unset it or correct its name.")
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in environ.items()}
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**{**source(), **given})
    except SettingsError as error:
        raise ConfigurationError(
            f"The settings cannot be read: {error}. A whole section must be JSON; set its fields instead, such as "
            "FOOTNOTE_RETRIEVAL__TOP_K=8."
        ) from error
    except ValidationError as error:
        problem = error.errors()[0]
        reason = str(problem["msg"]).removeprefix("Value error, ")
        place = ENV_DELIMITER.join(str(part) for part in problem["loc"]).upper()
        raise ConfigurationError(
            f"{ENV_PREFIX}{place}={problem.get('input')!r} cannot be used: {reason}. Correct or unset it."
        ) from error
