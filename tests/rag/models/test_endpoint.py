"""Embedding models behind servers: Ollama's protocol and OpenAI's, by a server on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import ollama_stand_in
import pytest
from builders import ingest
from conftest import ScriptedGenerator
from ollama_stand_in import OllamaStandIn, hash_words

from rag.errors import ConfigurationError, DependencyError, IndexMismatch
from rag.library import Library, open_embedder
from rag.models import endpoint
from rag.models.embedding import embed_query, split_to_fit
from rag.models.endpoint import Endpoint, EndpointEmbedder, TokenEstimate
from rag.models.probes import ENGLISH, TRANSLATIONS
from rag.retrieval import search
from rag.retrieval.scope import Scope
from rag.settings import Settings, load_settings

MODEL = "mini:latest"
LONG = "\n".join(f"Part {n} says that the number of days is {n * 7}." for n in range(120))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "BACKOFF_S", (0.0, 0.0))


@pytest.fixture
def server() -> Iterator[OllamaStandIn]:
    with OllamaStandIn(models={MODEL: 512}, embedding_models=(MODEL,)) as running:
        yield running


def endpoint_of(server: OllamaStandIn, kind: str = "ollama", **changes: object) -> Endpoint:
    url = server.url if kind == "ollama" else f"{server.url}/v1"
    return Endpoint(kind, MODEL, **{"base_url": url, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_vectors_are_the_server_s_in_order_and_of_length_1(server: OllamaStandIn, kind: str) -> None:
    embedder = EndpointEmbedder(endpoint_of(server, kind, batch_size=2))
    texts = ["ten unused days", "a red pear", "", "ten unused days carry over", "the reactor"]
    vectors = embedder.embed_passages(texts)
    expected = np.array(hash_words([text or " " for text in texts]), dtype=np.float32)
    assert np.allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
    assert (vectors.shape, vectors.dtype, embedder.dimension) == ((5, 64), np.float32, 64)
    assert embedder.embed_queries([]).shape == (0, 64)
    assert [len(asked["input"]) for asked in server.embeds[-3:]] == [2, 2, 1]
    assert embedder.model.startswith(f"{kind}/{MODEL}@")
    assert server.url in embedder.describe()


def test_ollama_is_told_not_to_cut_and_openai_gets_the_key(server: OllamaStandIn) -> None:
    EndpointEmbedder(endpoint_of(server)).embed_queries(["days"])
    assert server.embeds[-1]["truncate"] is False
    EndpointEmbedder(endpoint_of(server, "openai", api_key="secret")).embed_queries(["days"])
    assert server.keys[-1] == "Bearer secret"
    assert "secret" not in repr(endpoint_of(server, "openai", api_key="secret"))


def test_prefixes_are_those_of_the_family_or_of_the_settings(server: OllamaStandIn) -> None:
    server.models["nomic-embed-text:latest"] = 512
    embedder = EndpointEmbedder(Endpoint("ollama", "nomic-embed-text", server.url))
    embed_query(embedder, "days")
    assert server.embeds[-1]["input"] == ["search_query: days"]
    embedder.embed_passages(["days"])
    assert server.embeds[-1]["input"] == ["search_document: days"]
    assert "'search_query: '" in embedder.describe()
    own = EndpointEmbedder(Endpoint("ollama", "nomic-embed-text", server.url, query_prefix="", passage_prefix="p "))
    own.embed_queries(["days"])
    assert server.embeds[-1]["input"] == ["days"]
    assert own.model != embedder.model


@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_a_busy_server_is_asked_again_and_one_that_stays_so_is_named(server: OllamaStandIn, kind: str) -> None:
    embedder = EndpointEmbedder(endpoint_of(server, kind))
    server.embed_errors = [503, 429]
    assert embedder.embed_queries(["days"]).shape == (1, 64)
    server.embed_errors = [503] * 3
    with pytest.raises(DependencyError, match=rf"{server.url}.*503: the server is not well"):
        embedder.embed_queries(["days"])
    server.embed_errors = [401]
    with pytest.raises(DependencyError, match="answered 401"):
        embedder.embed_queries(["days"])


def test_what_is_not_there_is_named(server: OllamaStandIn) -> None:
    with pytest.raises(DependencyError, match=r"no embedding model 'other'; it has mini:latest.*ollama pull other"):
        EndpointEmbedder(Endpoint("ollama", "other", server.url))
    with pytest.raises(DependencyError, match=r"answered 404: The model `other` does not exist\. Check FOOTNOTE_EMB"):
        EndpointEmbedder(Endpoint("openai", "other", f"{server.url}/v1"))
    with pytest.raises(DependencyError, match=r"127\.0\.0\.1:9.*does not answer.*FOOTNOTE_EMBEDDING__BASE_URL"):
        EndpointEmbedder(Endpoint("openai", MODEL, "http://127.0.0.1:9/v1"))
    with pytest.raises(ConfigurationError, match="is not an http address"):
        EndpointEmbedder(Endpoint("openai", MODEL, ""))
    with pytest.raises(ConfigurationError, match="BACKEND is local"):
        open_embedder(load_settings({}, embedding={"base_url": server.url}))


@pytest.mark.parametrize("cuts", [False, True])
def test_the_length_that_a_server_reads_to_its_end_is_found(
    server: OllamaStandIn, cuts: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert EndpointEmbedder(endpoint_of(server, "openai")).max_tokens == 256
    assert not caplog.messages
    server.models[MODEL], server.cuts = 60, cuts
    assert EndpointEmbedder(endpoint_of(server, "openai")).max_tokens == 64  # of 128, half of which are 55 words
    assert "reads only about 128 tokens" in caplog.messages[0]
    server.models[MODEL] = 20
    with pytest.raises(DependencyError, match="fewer than 64 tokens"):
        EndpointEmbedder(endpoint_of(server, "openai"))


def test_a_text_that_is_refused_is_embedded_in_halves(server: OllamaStandIn, caplog: pytest.LogCaptureFixture) -> None:
    embedder = EndpointEmbedder(endpoint_of(server, max_tokens=256))
    server.models[MODEL] = 8
    text = "one two three four five six seven eight nine ten"
    (vector, short) = embedder.embed_passages([text, "one two"])
    halves = np.array(hash_words(["one two three four five", "six seven eight nine ten"]), dtype=np.float32)
    mean = (halves / np.linalg.norm(halves, axis=1, keepdims=True)).mean(axis=0)
    assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)
    assert np.allclose(short, embedder.embed_passages(["one two"])[0])
    assert "its halves were embedded" in caplog.messages[-1]


@pytest.mark.parametrize(
    ("text", "tokens"),  # by multilingual-e5-small's tokenizer
    [
        ("வேலை நாட்களில் பயன்படுத்தப்படாத விடுமுறைகள் அடுத்த ஆண்டுக்கு எடுத்துச் செல்லப்படும்.", 17),
        ("ประเทศไทยมีประชากรมากกว่ากรุงเทพมหานครและนักท่องเที่ยวต่างประเทศ", 12),
        ("മുഖ്യമന്ത്രി തിരുവനന്തപുരം സര്‍ക്കാര്‍ ഉദ്യോഗസ്ഥര്‍ വിദ്യാര്‍ത്ഥികള്‍ ബന്ധപ്പെട്ട പ്രവര്‍ത്തനങ്ങള്‍", 22),
        ("Total" + " " * 150 + "5,000", 5),
    ],
    ids=["Tamil", "Thai", "Malayalam", "spaces"],
)
def test_a_text_of_few_tokens_is_not_taken_for_one_that_was_cut(
    server: OllamaStandIn, text: str, tokens: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = EndpointEmbedder(endpoint_of(server, "openai"))
    monkeypatch.setattr(ollama_stand_in, "count_tokens", lambda read: tokens if read == " ".join(text.split()) else 2)
    before = len(server.embeds)
    embedder.embed_passages([text])
    assert [asked["input"] for asked in server.embeds[before:]] == [[text]]
    assert not caplog.messages


def test_a_text_that_a_server_cuts_in_silence_is_embedded_in_halves(
    server: OllamaStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = EndpointEmbedder(endpoint_of(server, "openai"))
    server.models[MODEL], server.cuts = 8, True
    embedder.embed_passages(["one two three four five six seven eight nine ten"])
    assert [asked["input"] for asked in server.embeds[-1:]] == [
        ["one two three four five", " six seven eight nine ten"]
    ]
    assert "it read 8 tokens of 1 texts of 10 words" in caplog.messages[-1]


def test_a_question_waits_less_for_a_server_than_a_document(
    server: OllamaStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "BACKOFF_S", (0.0,) * 5)
    embedder = EndpointEmbedder(endpoint_of(server))
    attempts = []
    for embed in (embedder.embed_passages, embedder.embed_queries):
        server.embed_errors, before = [503] * 9, len(server.embeds)
        with pytest.raises(DependencyError, match="answered 503"):
            embed(["days"])
        attempts.append(len(server.embeds) - before)
    assert attempts == [6, 3]
    monkeypatch.setattr(endpoint, "_MOST_QUERY_S", 0.0)  # the first attempt took long
    before = len(server.embeds)
    with pytest.raises(DependencyError, match="answered 503"):
        embedder.embed_queries(["days"])
    assert len(server.embeds) - before == 1
    assert sum((0.0, *endpoint.QUERY_BACKOFF_S)) <= 1


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        (lambda texts: [[1.0] * 32 for _ in texts], "vectors of 32 dimensions, and 64 when it was opened"),
        (lambda texts: [[1e39] * 64 for _ in texts], "that is no number"),  # infinite in 32 bits; JSON has no NaN
        (lambda texts: [[0.0] * 64 for _ in texts], "no number or has no length"),
        (lambda texts: hash_words(texts)[:-1], r"shape \(1, 64\) for 2 texts"),
        (lambda texts: [["x"] * 64 for _ in texts], "sent no vectors"),
    ],
)
def test_vectors_that_are_none_are_refused(
    server: OllamaStandIn, vectors: Callable[[list[str]], list[list[float]]], told: str
) -> None:
    embedder = EndpointEmbedder(endpoint_of(server))
    server.vectors = vectors
    with pytest.raises(DependencyError, match=told):
        embedder.embed_passages(["one", "two"])


def test_tokens_are_estimated_at_places_of_the_text() -> None:
    count = TokenEstimate()
    text = "Überall 2024: unbelievable 東京!"
    places = list(count.offsets(text))
    assert [text[start:end] for start, end in places] == [
        *("Über", "all", "20", "24", ":", "unbeli", "evable", "東", "京", "!")
    ]
    assert count.count(text) == len(places) + 2


def test_a_long_question_is_cut_where_it_fits(server: OllamaStandIn) -> None:
    embedder = EndpointEmbedder(endpoint_of(server))
    pieces = split_to_fit(embedder, LONG)
    assert len(pieces) > 1
    assert all(count <= embedder.max_tokens for count in embedder.count_tokens(pieces))
    assert embed_query(embedder, LONG).shape == (64,)


def in_english(texts: list[str]) -> list[list[float]]:
    """The vectors of a model that knows every language of the probes."""
    meant = {one: ENGLISH[n] for sentences in TRANSLATIONS.values() for n, one in enumerate(sentences)}
    return hash_words([meant.get(text, text) for text in texts])


def test_a_server_is_asked_which_languages_its_model_knows(server: OllamaStandIn) -> None:
    german, russian = "Wie viele Urlaubstage stehen mir zu?", "Сколько дней отпуска у меня есть?"
    embedder = EndpointEmbedder(endpoint_of(server))
    before = len(server.embeds)
    assert embedder.knows_language("How many days of leave do I have?")
    assert embedder.knows_language("kubectl rollout restart statefulset")
    assert embedder.knows_language("does pembrolizumab cause hypothyroidism")
    assert len(server.embeds) == before  # English is not asked about
    assert not embedder.knows_language(german)
    assert not embedder.knows_language(russian)
    server.vectors = in_english
    multilingual = EndpointEmbedder(endpoint_of(server))
    assert multilingual.knows_language(german)
    assert multilingual.knows_language(russian)
    assert not multilingual.knows_language("რამდენი დღე მაქვს შვებულება?")  # Georgian, which nothing tells of
    asked = len(server.embeds)
    assert multilingual.knows_language(german)
    assert len(server.embeds) == asked  # once
    trusted = EndpointEmbedder(endpoint_of(server, any_language=True))
    assert trusted.knows_language("რამდენი დღე მაქვს შვებულება?")


def settings_of(server: OllamaStandIn, tmp_path: Path, backend: str = "openai") -> Settings:
    url = f"{server.url}/v1" if backend == "openai" else server.url
    answers = {"min_evidence": 0, "min_confidence": 0, "judge": "off"}
    embedding = {"backend": backend, "model": MODEL, "base_url": url}
    return load_settings({}, data_dir=tmp_path / "store", embedding=embedding, answers=answers)


@pytest.mark.parametrize("backend", ["ollama", "openai"])
def test_documents_are_indexed_and_found_by_the_server_s_vectors(
    server: OllamaStandIn, tmp_path: Path, backend: str
) -> None:
    settings = settings_of(server, tmp_path, backend)
    opened = open_embedder(settings)
    with Library(settings, "test", embedder=opened, generator=ScriptedGenerator()) as library:
        ingest(library, "Ten unused days carry over.\n\nThe reactor is cooled with water.", "notes.md", embedder=opened)
        hits = library.searcher.search("What cools the reactor with water?", Scope(), 3)
    assert "reactor" in hits[0].chunk.text
    with Library(settings, "test", embedder=open_embedder(settings), generator=ScriptedGenerator()) as library:
        assert library.catalog.documents.totals().chunks


def test_the_words_answer_while_the_server_does_not(
    server: OllamaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened = open_embedder(settings := settings_of(server, tmp_path))
    with Library(settings, "test", embedder=opened, generator=ScriptedGenerator()) as library:
        ingest(library, "Ten unused days carry over.", "leave.md", embedder=opened)
        ingest(library, "The reactor is cooled with water.", "reactor.md", embedder=opened)
        searcher, question = library.searcher, "What cools the reactor with water?"
        server.embed_errors, before = [503] * 9, len(server.embeds)
        hits = searcher.search(question, Scope(), 3)  # the first one, so that the cosines were not measured before
        assert [hit.document_name for hit in hits] == ["reactor.md"]
        assert searcher.compare_sentences(question, hits, [[hits[0].chunk.text]]) == [0.0]
        assert searcher.why_words_alone(question) == "the embedding model does not answer"
        searcher.search("How many unused days carry over?", Scope(), 3)
        assert len(server.embeds) - before == 3  # for all of them: it is not asked again at once
        assert [said for said in caplog.messages if "answer alone" in said] == [
            f"The words answer alone. The embedding server at {server.url}/v1 (model {MODEL}) answered 503: "
            "the server is not well. See the server's log."
        ]
        server.embed_errors = []
        monkeypatch.setattr(search, "_OUTAGE_S", 0.0)
        searcher._outage_until = 0.0  # the ten seconds are over
        assert len(searcher.search(question, Scope(), 3)) == 2
        assert searcher.why_words_alone(question) is None


def test_another_model_behind_the_same_name_is_noticed_at_the_next_start(server: OllamaStandIn, tmp_path: Path) -> None:
    settings = settings_of(server, tmp_path)
    opened = open_embedder(settings)
    with Library(settings, "test", embedder=opened, generator=ScriptedGenerator()) as library:
        ingest(library, "Ten unused days carry over.", "notes.md", embedder=opened)
    server.vectors = lambda texts: [row[::-1] for row in hash_words(texts)]
    with pytest.raises(IndexMismatch, match=r"another model than 'openai/mini:latest@.*footnote rebuild --embed"):
        Library(settings, "test", embedder=open_embedder(settings), generator=ScriptedGenerator())
    noisy = np.random.default_rng(1)
    server.vectors = lambda texts: [
        [value + float(noisy.normal(0, 1e-3)) for value in row] for row in hash_words(texts)
    ]
    with Library(settings, "test", embedder=open_embedder(settings), generator=ScriptedGenerator()) as library:
        assert library.catalog.documents.totals().chunks
