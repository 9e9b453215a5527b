"""Shared fixtures and stand-ins: an embedder that ranks without weights, and a generator with scripted replies."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest
from postgres_server import GIVEN, NoPostgres, new_database, postgres_server
from qdrant_server import qdrant_server
from s3_server import Bucket, NoS3, S3Server, new_bucket, s3_server

from rag.errors import DependencyError
from rag.library import Library
from rag.settings import Settings, load_settings
from rag.store.catalog import Catalog
from rag.types import (
    DEFAULT_COSINES,
    BackendReport,
    Context,
    Draft,
    Embedder,
    Generator,
    Message,
    PromptSpeed,
    ServerState,
    Token,
)

if TYPE_CHECKING:
    from serving import Served

# A busy machine is slow, and no property depends on that.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

SHARED = Path(os.environ.get("FOOTNOTE_SHARED_DIR", Path(__file__).parents[2] / "shared"))

_WORD = re.compile(r"\w+|[^\w\s]")


class WordHashEmbedder:
    """Embeds a text as a bag of hashed words, so that texts that share words are near. Reads 256 tokens, one a word."""

    model = "word-hash@1"
    dimension = 256
    max_tokens = 256
    cosines = DEFAULT_COSINES
    probe = None

    def describe(self) -> str:
        return "hashed words"

    def knows_language(self, text: str) -> bool:
        return True

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self.embed_passages(texts)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in _WORD.findall(text.lower()):
                digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
                row[int.from_bytes(digest, "little") % self.dimension] += 1.0
            row += 1e-3
            row /= np.linalg.norm(row)
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_WORD.findall(text)) + 2 for text in texts]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _WORD.finditer(text)]


ASSUMED = PromptSpeed(60, False)


@dataclass
class ScriptedGenerator:
    """Replies with `reply` (or with its result for the prompt), word by word, and records the prompts."""

    reply: str | Callable[[Sequence[Message]], str] = "Not in the documents."
    model: str = "scripted/1"
    context_tokens: int = 4096
    prompts: list[tuple[Message, ...]] = field(default_factory=list)
    closed: int = 0
    first_tokens: Mapping[str, float] = field(default_factory=dict)
    finish_reason: str = "stop"
    follows_instructions: bool = True
    prompt_speed: PromptSpeed | None = ASSUMED
    slots: int = 2
    servers: Sequence[ServerState] = ()

    async def count_tokens(self, messages: Sequence[Message]) -> tuple[int, bool]:
        return sum(len(_WORD.findall(message.content)) + 4 for message in messages), True

    async def read_state(self, messages: Sequence[Message], said: str, layers: int) -> Sequence[float]:
        return ()

    def answer(self, context: Context, max_tokens: int) -> AsyncGenerator[Token | Draft]:
        return self.stream(context.messages, max_tokens)

    async def prepare(self) -> None:
        return

    async def describe(self) -> BackendReport:
        backend, _, model = self.model.partition("/")
        return BackendReport(backend, model, "", True, "replies as scripted")

    async def aclose(self) -> None:
        return

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[Token | Draft]:
        self.prompts.append(tuple(messages))
        text = self.reply(messages) if callable(self.reply) else self.reply
        try:
            for piece in re.findall(r"\s*\S+", text):
                yield Token(piece)
            tokens, _ = await self.count_tokens(messages)
            yield Draft(text, self.model, tokens, len(text.split()), self.finish_reason, 1.0, self.first_tokens)
        finally:
            self.closed += 1


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the developer's FOOTNOTE_ settings from the tests, except the directory of model weights, and every way to
    credentials of S3.
    """
    for name in list(os.environ):
        if name.startswith(("FOOTNOTE_", "AWS_")) and name != "FOOTNOTE_MODEL_DIR":
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


EVERYWHERE = ("sqlite", "postgres", "s3")
"""Where tests of originals run: with `s3`, on Postgres with the originals in a bucket."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests marked `databases` on SQLite and on Postgres, or on those that the mark names, of EVERYWHERE."""
    marked = metafunc.definition.get_closest_marker("databases")
    if marked is not None and "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", marked.args or ["sqlite", "postgres"], indirect=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a Postgres server. Skips with the reason where there is none."""
    try:
        with postgres_server() as url:
            yield url
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The URL of a new database."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture
def qdrant_url(tmp_path: Path) -> Iterator[str]:
    """The URL of a Qdrant server."""
    with qdrant_server(tmp_path / "qdrant") as url:
        yield url


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """The catalog's database: "" for SQLite, else the URL of a new one. FOOTNOTE_TEST_DATABASE_URL makes it Postgres
    for every test that does not choose.
    """
    chosen = getattr(request, "param", "postgres" if GIVEN else "sqlite")
    return "" if chosen == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A server of S3's protocol. Skips with the reason where there is none."""
    try:
        with s3_server() as server:
            yield server
    except NoS3 as error:
        pytest.skip(str(error))


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A new bucket."""
    with new_bucket(s3, monkeypatch) as made:
        yield made


@pytest.fixture
def originals_url(request: pytest.FixtureRequest) -> str:
    """ "" for those in the data directory, else the URL of a new bucket."""
    call = getattr(request.node, "callspec", None)
    on_s3 = call is not None and call.params.get("database_url") == "s3"
    return request.getfixturevalue("bucket").url if on_s3 else ""


@pytest.fixture
def settings(tmp_path: Path, database_url: str, originals_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Default settings over an own data directory, but for the gates of evidence and confidence, which stand open, and
    the judge, which is off.

    The cosines of hashed words say too little for the gates; the tests of refusals close them. A scripted generator is
    no judge.
    """
    answers = {"min_evidence": 0, "min_confidence": 0, "judge": "off"}
    places = {"database_url": database_url, "originals_url": originals_url}
    for name, url in places.items():
        if url:
            monkeypatch.setenv(f"FOOTNOTE_{name.upper()}", url)  # commands are to find the same catalog
    return load_settings({}, data_dir=tmp_path / "store", answers=answers, **places)


@pytest.fixture
def open_catalog(tmp_path: Path, database_url: str, originals_url: str) -> Iterator[Callable[..., Catalog]]:
    """Opens the catalog of the test's database, again for each call, as another process would; by default in `store`
    below the test's folder. All are closed after the test.
    """
    with ExitStack() as stack:

        def open_one(folder: Path | None = None, **options: str) -> Catalog:
            opened = Catalog(folder or tmp_path / "store", database_url, originals_url, **options)
            stack.callback(opened.close)
            return opened

        yield open_one


@pytest.fixture
def catalog(open_catalog: Callable[..., Catalog]) -> Catalog:
    """An open catalog without documents."""
    return open_catalog()


@pytest.fixture
def embedder() -> WordHashEmbedder:
    return WordHashEmbedder()


@pytest.fixture
def generator() -> ScriptedGenerator:
    return ScriptedGenerator()


@pytest.fixture
def library(settings: Settings, embedder: WordHashEmbedder, generator: ScriptedGenerator) -> Iterator[Library]:
    """An open Library with the two stand-ins, without a worker in the background."""
    with Library(settings, "test", embedder=embedder, generator=generator) as opened:
        yield opened


@pytest.fixture
def shared_dir() -> Path:
    """The folder of the larger suites. Skips the test where it is absent."""
    if not (SHARED / "eval").is_dir():
        pytest.skip(f"the larger suites are not in {SHARED}; set FOOTNOTE_SHARED_DIR to their folder")
    return SHARED


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """The folder of model weights, with the tiny language model in it. Skips where that cannot be had."""
    from rag.models.weights import TINY_LLM, fetch

    folder = load_settings().resolved_model_dir()
    try:
        fetch(TINY_LLM, folder, None, lambda line: None)
    except DependencyError as error:
        pytest.skip(f"the tiny model cannot be had: {error.message}")
    return folder


@pytest.fixture
def own_dir(model_dir: Path, tmp_path: Path) -> Path:
    """A folder of models with a link to the tiny one: what is written beside it goes with the test."""
    from rag.models.weights import MODELS, TINY_LLM

    place = MODELS[TINY_LLM].place(tmp_path / "models")
    place.parent.mkdir(parents=True)
    place.symlink_to(MODELS[TINY_LLM].place(model_dir))
    return tmp_path / "models"


SAMPLE = Path(__file__).parents[1] / "data" / "sample"


@pytest.fixture
def sample_dir() -> Path:
    """The sample suite that ships with the project."""
    return SAMPLE


@pytest.fixture
def serve(settings: Settings, embedder: Embedder, generator: Generator) -> Iterator[Callable[..., Served]]:
    """Opens the application, with the settings, generator or worker that a test gives; closes it after the test."""
    from serving import BASE_URL, Served, build_app, wait_until_open
    from starlette.testclient import TestClient

    with ExitStack() as stack:

        def open_app(
            own_settings: Settings | None = None, own_generator: Generator | None = None, work: bool = False
        ) -> Served:
            used = own_settings or settings
            app = build_app(used, embedder, own_generator or generator, work)
            client = stack.enter_context(TestClient(app, base_url=BASE_URL, raise_server_exceptions=False))
            wait_until_open(app)
            return Served(app, client, used)

        yield open_app


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    """The application with default settings."""
    return serve()


@pytest.fixture
def pdf() -> Callable[..., bytes]:
    """Builds a PDF with one page for each text."""
    from io import BytesIO

    from reportlab.pdfgen.canvas import Canvas

    def build(*pages: str) -> bytes:
        target = BytesIO()
        canvas = Canvas(target, invariant=1)
        for page in pages:
            for line, words in enumerate(page.split("\n")):
                canvas.drawString(72, 720 - 16 * line, words)
            canvas.showPage()
        canvas.save()
        return target.getvalue()

    return build
