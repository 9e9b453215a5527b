"""Cross-encoders of the user's own: found, refused in one sentence, and what one does to the order of hits."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from builders import ingest, many_paragraphs
from conftest import ScriptedGenerator, WordHashEmbedder
from cross_encoders import change_config, save_cross_encoder

from rag.errors import ConfigurationError, DependencyError
from rag.library import Library
from rag.models.cross_encoder import CrossEncoderReranker, load_reranker, locate_reranker
from rag.retrieval.ranking import Weights, place_reranked
from rag.retrieval.scope import Scope
from rag.retrieval.search import Searcher
from rag.service import Question
from rag.settings import Retrieval, Settings
from rag.text import index_text


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "golfer")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of the saved model that a test may spoil."""
    return Path(shutil.copytree(saved, tmp_path / "golfer"))


@pytest.fixture(scope="module")
def reranker(saved: Path) -> CrossEncoderReranker:
    return load_reranker(str(saved))


def with_reranker(settings: Settings, folder: Path | str, **retrieval: object) -> Settings:
    return settings.model_copy(update={"retrieval": Retrieval(reranker=str(folder), **retrieval)})  # type: ignore[arg-type]


def open_library(settings: Settings, *, asks: bool = True) -> Library:
    return Library(settings, "test", embedder=WordHashEmbedder(), generator=ScriptedGenerator(), asks=asks)


# What it reads --------------------------------------------------------------------------------------------------------


def test_it_is_named_by_its_weights_and_gives_a_logit_for_each_text(
    saved: Path, reranker: CrossEncoderReranker
) -> None:
    digest = hashlib.sha256((saved / "model.safetensors").read_bytes()).hexdigest()
    assert reranker.model == f"golfer@{hashlib.sha256(digest.encode()).hexdigest()[:12]}"
    scores = reranker.score_texts("who plays", ["golf golf", "chess", "golf and chess"])
    assert scores[0] > scores[2] > scores[1]
    assert reranker.score_texts("who plays", []) == []


def test_what_is_too_long_to_read_at_once_is_read_in_pieces(tmp_path: Path) -> None:
    reranker = load_reranker(str(save_cross_encoder(tmp_path / "short", max_tokens=64)))
    letters = " ".join("x" * 150)
    plain, ends_with_it = reranker.score_texts("who", [letters, f"{letters} golf golf golf golf"])
    assert ends_with_it > plain + 0.5  # the best piece counts, be it the last
    asked, unasked = (reranker.score_texts(f"{letters} {end}", ["chess"])[0] for end in ("golf golf golf", "x"))
    assert asked > unasked + 0.1  # of a question all pieces count


# The order of hits ----------------------------------------------------------------------------------------------------


def test_reranked_scores_worked_by_hand() -> None:
    # a and b were read: logits -2 and 6 become 0 and 1, above .4, the best of the others; 1.4 is the most there can be
    scores, most = place_reranked({"a": 0.9, "b": 0.5, "c": 0.4, "d": 0.1}, {"a": -2.0, "b": 6.0})
    assert scores == pytest.approx({"a": 0.4, "b": 1.4, "c": 0.4, "d": 0.1})
    assert most == pytest.approx(1.4)
    assert place_reranked({"a": 0.9}, {"a": -7.0}) == ({"a": 1.0}, 1.0)


class Remembers:
    """A reranker that says what the one it wraps says, and remembers what it was given."""

    def __init__(self, reranker: CrossEncoderReranker) -> None:
        self.reranker, self.model, self.texts = reranker, reranker.model, list[str]()

    def score_texts(self, question: str, texts: Sequence[str]) -> list[float]:
        self.texts += texts
        return self.reranker.score_texts(question, texts)


def test_the_reranker_orders_what_it_reads_and_the_others_stay_below(
    library: Library, reranker: CrossEncoderReranker
) -> None:
    ingest(library, "The lift stops on floor four.", "lift.md")
    ingest(library, "Golf golf golf near the lift.", "golf.md")
    ingest(library, many_paragraphs(12), "items.md")
    remembers = Remembers(reranker)

    def find(used: Remembers | None, rerank: int = 2) -> list[tuple[str, float, str]]:
        weights = Weights(document_step=0)
        searcher = Searcher(library.catalog, library.index, library.embedder, used, reranked=rerank, weights=weights)
        hits = searcher.search("where does the lift stop", Scope(), 10)
        assert [hit.rank for hit in hits] == list(range(1, 11))
        assert all(0 <= after.score <= before.score <= 1 for before, after in pairwise(hits))
        return [(hit.document_name, hit.score, hit.scorer) for hit in hits]

    before, after = find(None), find(remembers)
    assert [name for name, _, _ in before][:2] == ["lift.md", "golf.md"]
    assert [name for name, _, _ in after][:2] == ["golf.md", "lift.md"]
    assert [name for name, _, _ in after][2:] == [name for name, _, _ in before][2:] == ["items.md"] * 8
    assert {scorer for _, _, scorer in before} == {"fusion"}
    assert {scorer for _, _, scorer in after} == {"reranker"}
    assert sorted(remembers.texts) == sorted(
        index_text(name, "", (), text)
        for name, text in (("lift.md", "The lift stops on floor four."), ("golf.md", "Golf golf golf near the lift."))
    )
    assert find(remembers, rerank=1)[0][0] == "lift.md"  # golf.md is not read


async def test_searches_questions_and_texts_are_reranked(settings: Settings, saved: Path) -> None:
    plain = open_library(settings)
    with plain:
        ingest(plain, "The lift stops on floor four.", "lift.md")
        ingest(plain, "Golf golf golf near the lift.", "golf.md")
        assert plain.reranker is None
        unranked = [hit.document_name for hit in await plain.service.search("where does the lift stop", Scope())]
    with open_library(with_reranker(settings, saved)) as library:
        hits = await library.service.search("where does the lift stop", Scope())
        answer = await library.service.ask(Question("where does the lift stop"))
        verified = await library.service.verify("The lift stops on floor four.", Scope())
        assert library.service.hash_settings() != plain.service.hash_settings()
    assert unranked == ["lift.md", "golf.md"]
    assert [hit.document_name for hit in hits] == ["golf.md", "lift.md"]
    assert [one.hit.document_name for one in answer.retrieved] == ["golf.md", "lift.md"]
    assert {hit.scorer for hit in hits} == {"reranker"}
    assert [one.verdict for one in verified.sentences] == ["supported"]


# Off, and refused -----------------------------------------------------------------------------------------------------


def test_switched_off_nothing_of_it_is_imported(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from conftest import ScriptedGenerator, WordHashEmbedder\n"
        "from builders import ingest\n"
        "from rag.library import Library\n"
        "from rag.retrieval.scope import Scope\n"
        "from rag.settings import load_settings\n"
        f"settings = load_settings({{}}, data_dir={str(tmp_path / 'store')!r}, answers={{'judge': 'off'}})\n"
        "with Library(settings, 'test', embedder=WordHashEmbedder(), generator=ScriptedGenerator()) as r:\n"
        "    ingest(r, 'The lift stops on floor four.')\n"
        "    print(len(asyncio.run(r.service.search('lift', Scope()))))\n"
        "heavy = {'rag.models.cross_encoder', 'rag.generation.judges', 'sentence_transformers', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.split("\n")[:2] == ["1", "[]"]


def test_commands_that_put_no_question_do_not_open_it(settings: Settings) -> None:
    broken = with_reranker(settings, "/nowhere")
    with open_library(broken, asks=False) as library:
        assert library.reranker is None
    with pytest.raises(ConfigurationError, match=r"FOOTNOTE_RETRIEVAL__RERANKER='/nowhere' is not a folder\."):
        open_library(broken)


def spoil_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def spoil_part(folder: Path) -> None:
    (folder / "1_Dense").mkdir()
    (folder / "1_Dense" / "pytorch_model.bin").write_bytes(b"pickled")


def spoil_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def spoil_config(folder: Path) -> None:
    (folder / "config.json").write_text("[]", encoding="utf-8")


def spoil_kind(folder: Path) -> None:
    (folder / "config_sentence_transformers.json").unlink()
    change_config(folder, architectures=["BertModel"])


def spoil_sentence_model(folder: Path) -> None:
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps({"model_type": "SentenceTransformer"}), encoding="utf-8")
    change_config(folder, architectures=["BertModel"])


def spoil_labels(folder: Path) -> None:
    change_config(folder, id2label={"0": "yes", "1": "no"}, label2id={"yes": 0, "no": 1})


def spoil_silent_labels(folder: Path) -> None:
    change_config(folder, id2label=None, label2id=None)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_weights, r"has no \.safetensors weights"),
        (spoil_part, r"has pickled weights in .*1_Dense.*opens only \.safetensors"),
        (spoil_tokenizer, r"has no tokenizer\.json"),
        (spoil_config, r"has no readable config\.json"),
        (spoil_kind, "is not a cross-encoder: its config names BertModel"),
        (spoil_sentence_model, "is not a cross-encoder: its config names SentenceTransformer"),
        (spoil_labels, "gives 2 numbers for a pair"),
        (spoil_silent_labels, "gives 2 numbers for a pair"),
    ],
)
def test_another_sort_of_folder_is_refused_without_loading_it(folder: Path, spoil, told: str) -> None:  # type: ignore[no-untyped-def]
    spoil(folder)
    with pytest.raises(ConfigurationError, match=told) as refused:
        locate_reranker(str(folder))
    assert "FOOTNOTE_RETRIEVAL__RERANKER" in refused.value.message
    assert "golfer" in refused.value.message


@pytest.mark.parametrize("named", ["~no-such-user-at-all/models", "x" * 5_000])
def test_a_name_that_is_no_path_is_refused_in_a_sentence(named: str) -> None:
    with pytest.raises(ConfigurationError, match="FOOTNOTE_RETRIEVAL__RERANKER="):
        locate_reranker(named)


def test_a_config_whose_architectures_are_no_list_is_read_as_without(folder: Path) -> None:
    change_config(folder, architectures=5)
    (folder / "config_sentence_transformers.json").unlink()
    with pytest.raises(ConfigurationError, match="is not a cross-encoder"):
        locate_reranker(str(folder))


def test_a_score_that_is_no_number_is_an_error_and_no_order(tmp_path: Path) -> None:
    broken = save_cross_encoder(tmp_path / "broken", bias=(float("nan"),))
    with pytest.raises(DependencyError, match=r"broken@.* gave a score that is not a number"):
        load_reranker(str(broken)).score_texts("who plays", ["golf"])


def test_damaged_weights_and_too_short_a_model_are_refused_at_start(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x08")
    with pytest.raises(ConfigurationError, match="golfer cannot be loaded: "):
        load_reranker(str(folder))
    short = save_cross_encoder(tmp_path / "short", max_tokens=16)
    with pytest.raises(ConfigurationError, match="reads 16 tokens, and a question with a passage needs at least 64"):
        load_reranker(str(short))


def test_a_name_of_the_hub_is_taken_from_its_cache_and_never_fetched(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"'someone/golfer' is neither a folder nor in the hub's cache"):
        locate_reranker("someone/golfer")
    cached = tmp_path / "models--someone--golfer"
    shutil.copytree(saved, cached / "snapshots" / "abc")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc", encoding="utf-8")
    located = locate_reranker("someone/golfer")
    assert located.name.startswith("someone/golfer@")
    assert located.folder == cached / "snapshots" / "abc"
