"""How texts are given to an embedding model: prefixes and pooling, of real tiny models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from embedding_models import save_embedder

from rag.errors import DependencyError
from rag.models.embedding import embed_query, load_embedder, locate_embedder
from rag.models.recipe import Prefixes, Recipe, family_prefixes, read_recipe

TEXTS = ["How many unused days carry over?", "ten days", "the " * 60, ""]


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("e5-base-v2@0123456789ab", "query: ", "passage: "),
        ("nomic-embed-text:latest", "search_query: ", "search_document: "),
        ("BAAI/bge-small-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("snowflake-arctic-embed2", "query: ", ""),
        ("BAAI/bge-m3", "", ""),
        ("all-MiniLM-L6-v2", "", ""),
    ],
)
def test_a_family_is_known_by_its_name(name: str, query: str, passage: str) -> None:
    assert family_prefixes(name) == Prefixes(query, passage)


def test_instructions_come_before_the_plain_names_of_a_family() -> None:
    assert family_prefixes("intfloat/multilingual-e5-large-instruct").query.startswith("Instruct: ")
    assert family_prefixes("qwen3-embedding:0.6b").query.endswith("\nQuery:")


def test_the_folder_s_prompts_come_before_the_family_s_and_the_settings_before_both(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path / "e5-tiny", prompts={"query": "ask: ", "document": "told: "})
    assert read_recipe(folder, "e5-tiny").prefixes == Prefixes("ask: ", "told: ")
    assert read_recipe(folder, "e5-tiny", passage_prefix="").prefixes == Prefixes("ask: ", "")
    unsaid = save_embedder(tmp_path / "e5-other")  # the library saves empty prompts where there are none
    assert read_recipe(unsaid, "e5-other").prefixes == Prefixes("query: ", "passage: ")
    assert read_recipe(unsaid, "plain").prefixes == Prefixes()
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps({"prompts": {"web": "find: "}, "default_prompt_name": "web"}))
    assert read_recipe(folder, "e5-tiny").prefixes == Prefixes("find: ", "find: ")


def test_a_question_is_read_with_its_prefix_and_a_passage_with_its_own(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path / "tiny", prompts={"query": "query: ", "document": "passage: "})
    prefixed = load_embedder(str(folder), tmp_path, batch_size=8, threads=1)
    plain = load_embedder(str(folder), tmp_path, batch_size=8, threads=1, query_prefix="", passage_prefix="")
    said = ["unused days", "ten"]
    for prefix, embed in (("query: ", prefixed.embed_queries), ("passage: ", prefixed.embed_passages)):
        expected = plain.embed_passages([prefix + text for text in said])
        assert np.allclose(embed(said), expected, atol=2e-2)
        assert (embed(said) * plain.embed_passages(said)).sum(axis=1).max() < 0.99
    assert np.allclose(embed_query(prefixed, "ten"), prefixed.embed_queries(["ten"])[0])


def test_prefixes_take_their_room_from_a_text(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path / "tiny", max_tokens=128)
    plain, prefixed = (
        load_embedder(str(folder), tmp_path, batch_size=8, threads=1, query_prefix=prefix) for prefix in ("", "how: ")
    )
    assert plain.max_tokens == 128
    assert prefixed.max_tokens == 128 - len(["how", ":"]) - 1
    with pytest.raises(DependencyError, match="prefixes fill"):
        load_embedder(str(folder), tmp_path, batch_size=8, threads=1, query_prefix="days " * 120)


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken", "max", "weightedmean"])
def test_the_compiled_model_pools_as_the_folder_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pooling: str
) -> None:
    folder = save_embedder(tmp_path / "tiny", pooling)
    assert read_recipe(folder, "tiny").pooling == (pooling,)
    compiled = load_embedder(str(folder), tmp_path, batch_size=3, threads=1)
    assert list(folder.glob("openvino-*"))  # it was compiled, and its vectors were found to be torch's
    monkeypatch.setattr("rag.models.embedding.convert_model", lambda *_: None)
    monkeypatch.setattr("rag.models.embedding.read_compiled", lambda *_: None)
    by_torch = load_embedder(str(folder), tmp_path, batch_size=3, threads=1)
    assert (compiled.embed_passages(TEXTS) * by_torch.embed_passages(TEXTS)).sum(axis=1).min() > 0.998  # 16 bits


def test_a_prefix_that_is_read_and_not_pooled_is_left_to_torch(tmp_path: Path) -> None:
    prompts = {"query": "how many: ", "document": ""}
    pooled, unpooled = (
        load_embedder(str(folder), tmp_path, batch_size=8, threads=1)
        for folder in (
            save_embedder(tmp_path / "pooled", prompts=prompts),
            save_embedder(tmp_path / "unpooled", prompts=prompts, includes_prompt=False),
        )
    )
    assert list((tmp_path / "pooled").glob("openvino-*"))
    assert not list((tmp_path / "unpooled").glob("openvino-*"))
    assert float(pooled.embed_queries(["ten"])[0] @ unpooled.embed_queries(["ten"])[0]) < 0.99
    assert float(pooled.embed_passages(["ten"])[0] @ unpooled.embed_passages(["ten"])[0]) > 0.99


def test_the_identity_changes_with_prefixes_and_pooling_and_the_plain_one_is_of_the_weights_alone(
    tmp_path: Path,
) -> None:
    folders = [save_embedder(tmp_path / pooling / "tiny", pooling) for pooling in ("mean", "cls", "lasttoken")]
    names = [locate_embedder(str(folder), tmp_path)[1] for folder in folders]
    names.append(locate_embedder(str(folders[0]), tmp_path, "query: ")[1])
    names.append(locate_embedder(str(folders[0]), tmp_path, None, "passage: ")[1])
    assert len(set(names)) == 5
    assert locate_embedder(str(folders[0]), tmp_path, "", "")[1] == names[0]
    assert Recipe().identity == ""


def test_code_and_pickles_of_a_folder_are_refused(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path / "tiny")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([*modules, {"path": "", "type": "own_code.Module"}]))
    with pytest.raises(DependencyError, match=r"own_code\.Module.*runs none"):
        load_embedder(str(folder), tmp_path, batch_size=8, threads=1)
    dense = {"path": "3_Dense", "type": "sentence_transformers.models.Dense"}
    (folder / "modules.json").write_text(json.dumps([*modules, dense]))
    (folder / "3_Dense").mkdir()
    (folder / "3_Dense" / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(DependencyError, match=r"pickled weights in .*3_Dense"):
        load_embedder(str(folder), tmp_path, batch_size=8, threads=1)
