"""Models of the hub by name: pinned when they are first used, compared at each later start."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedding_models import save_embedder
from hub_stand_in import Hub, serving_hub

from rag.errors import DependencyError
from rag.generation import EmbeddedGenerator
from rag.models.embedding import load_embedder, locate_embedder
from rag.models.hub import HubName, fetch_hub, hub_name, installed_hub, is_needed, pinned, pinned_models
from rag.models.weights import check_local_weights, pin_local_weights
from rag.settings import Generation

REPO = "someone/e5-tiny"
GGUF = b"GGUF" + bytes(range(256)) * 20


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "no cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serving_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a repository with an embedding model, and others that are never fetched."""
    folder = save_embedder(tmp_path_factory.mktemp("repo") / "model", "cls")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return found | {"pytorch_model.bin": b"pickle", "custom.py": b"code", "onnx/model.onnx": b"x" * 2_000}


def named(text: str) -> HubName:
    name = hub_name(text)
    assert name is not None
    return name


def fetch(text: str, model_dir: Path) -> list[str]:
    said: list[str] = []
    fetch_hub(named(text), model_dir, None, said.append)
    return said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("intfloat/multilingual-e5-small", HubName("intfloat/multilingual-e5-small")),
        ("multilingual", HubName("intfloat/multilingual-e5-small")),
        ("BAAI/bge-m3@v1.0", HubName("BAAI/bge-m3", "v1.0")),
        ("a/b/model.Q4.gguf", HubName("a/b", "main", "model.Q4.gguf")),
        ("a/b@rev/sub/model.gguf", HubName("a/b", "rev", "sub/model.gguf")),
        ("all-MiniLM-L6-v2", None),
        ("folder/model.gguf", None),
        ("/models/bge/m3", None),
        ("./bge/m3", None),
        ("~/bge", None),
        ("../up/there", None),
        ("a/b/c", None),
    ],
)
def test_names_of_the_hub_and_paths_are_told_apart(text: str, expected: HubName | None) -> None:
    assert hub_name(text) == expected


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "someone" / "e5-tiny").mkdir(parents=True)
    assert hub_name(REPO) is None


def test_only_what_is_opened_is_fetched() -> None:
    assert all(map(is_needed, ["config.json", "1_Pooling/config.json", "2_Dense/model.safetensors"]))
    assert is_needed("model-00001-of-00002.safetensors")
    others = ("pytorch_model.bin", "modeling.py", "onnx/model.onnx", "onnx/config.json", "README.md", "a/b/config.json")
    assert not any(map(is_needed, others))


def test_a_model_is_pinned_at_first_use_and_later_starts_ask_nobody(
    hub: Hub, files: dict[str, bytes], tmp_path: Path
) -> None:
    commit = hub.publish(REPO, files)
    with pytest.raises(DependencyError, match=f"footnote models pull {REPO}"):
        locate_embedder(REPO, tmp_path)
    fetch(REPO, tmp_path)
    record = json.loads((tmp_path / REPO / ".pinned-embedding.json").read_text())
    assert record["commit"] == commit
    assert {one["path"]: one["sha256"] for one in record["files"]} == {
        path: hashlib.sha256(body).hexdigest() for path, body in files.items() if is_needed(path)
    }
    assert not (tmp_path / REPO / "pytorch_model.bin").exists()
    assert all(f"/resolve/{commit}/" in path for path in hub.asked if "/resolve/" in path)
    hub.asked.clear()
    embedder = load_embedder(REPO, tmp_path, batch_size=8, threads=1)
    assert embedder.model.startswith(f"{REPO}@")
    assert embedder.describe() == "cls pooling, query prefix 'query: ', passage prefix 'passage: '"
    fetch(REPO, tmp_path)
    assert hub.asked == []


def test_a_new_commit_changes_nothing_until_it_is_asked_for(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    hub.publish(REPO, files)
    fetch(REPO, tmp_path)
    before = locate_embedder(REPO, tmp_path)[1]
    weights = bytearray(files["model.safetensors"])
    weights[-1] ^= 1
    newer = hub.publish(REPO, files | {"model.safetensors": bytes(weights)}, commit="d" * 40)
    fetch(REPO, tmp_path)
    assert locate_embedder(REPO, tmp_path)[1] == before
    fetch(f"{REPO}@{newer}", tmp_path)
    assert locate_embedder(f"{REPO}@{newer}", tmp_path)[1].rpartition("@")[2] != before.rpartition("@")[2]


def test_a_file_that_changed_is_named_and_fetched_again_as_it_was_pinned(
    hub: Hub, files: dict[str, bytes], tmp_path: Path
) -> None:
    hub.publish(REPO, files)
    fetch(REPO, tmp_path)
    (tmp_path / REPO / "tokenizer.json").write_bytes(files["tokenizer.json"] + b" ")
    with pytest.raises(DependencyError, match=r"tokenizer\.json has SHA-256 .*, not .*as pinned"):
        locate_embedder(REPO, tmp_path)
    fetch(REPO, tmp_path)
    assert (tmp_path / REPO / "tokenizer.json").read_bytes() == files["tokenizer.json"]
    (tmp_path / REPO / ".pinned-embedding.json").write_text("{}")
    with pytest.raises(DependencyError, match=r"record of .* cannot be read"):
        locate_embedder(REPO, tmp_path)


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "JSONDecodeError.*begins with '<!DOCTYPE html><title>Sign in"),
        (b'{"siblings": []}', "KeyError.*sha"),
        (b'{"sha": null, "siblings": []}', "TypeError"),
        (b'{"sha": "../..", "siblings": []}', "its `sha` is '../..'"),
        (b'{"siblings": ["config.json"]}', "TypeError"),
        (b"[]", "TypeError"),
        (b"\xff\xfe", "JSONDecodeError"),
    ],
)
def test_what_is_no_list_of_files_is_named_with_its_address(
    hub: Hub, files: dict[str, bytes], tmp_path: Path, body: bytes, seen: str
) -> None:
    hub.publish(REPO, files)
    path = f"/api/models/{REPO}/revision/main?blobs=true"
    hub.files[path] = body
    with pytest.raises(DependencyError, match=rf"{re.escape(hub.url + path)} answered .*{seen}") as raised:
        fetch(REPO, tmp_path)
    assert "login page" in raised.value.message
    assert "HF_ENDPOINT" in raised.value.message
    hub.publish(REPO, files)
    fetch(REPO, tmp_path)


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [("modules.json", b'{"type": 1}', "not a list of modules"), ("config.json", b"7", "not an object")],
)
def test_a_config_of_another_form_is_named(
    hub: Hub, files: dict[str, bytes], tmp_path: Path, path: str, body: bytes, told: str
) -> None:
    hub.publish(REPO, files | {path: body})
    with pytest.raises(DependencyError, match=rf"{path} of {REPO} is {told}"):
        fetch(REPO, tmp_path)


def test_wrong_bytes_are_refused(hub: Hub, files: dict[str, bytes], tmp_path: Path) -> None:
    commit = hub.publish(REPO, files)
    hub.files[f"/{REPO}/resolve/{commit}/modules.json"] = files["modules.json"] + b"\n"
    with pytest.raises(DependencyError, match=r"modules\.json of .* arrived with other bytes"):
        fetch(REPO, tmp_path)
    hub.publish(REPO, files)
    hub.files[f"/{REPO}/resolve/{commit}/model.safetensors"] = files["model.safetensors"][::-1]
    with pytest.raises(DependencyError, match=r"model\.safetensors has SHA-256"):
        fetch(REPO, tmp_path)
    assert pinned(named(REPO), tmp_path) is not None  # the next attempt fetches the same files
    hub.publish(REPO, files)
    fetch(REPO, tmp_path)


def test_models_of_code_and_of_pickles_are_refused_before_their_weights_are_fetched(
    hub: Hub, files: dict[str, bytes], tmp_path: Path
) -> None:
    config = json.loads(files["config.json"])
    own = {**config, "model_type": "own_kind", "auto_map": {"AutoModel": "modeling.OwnModel"}}
    hub.publish(REPO, files | {"config.json": json.dumps(own).encode()})
    with pytest.raises(DependencyError, match=r"needs code of its own \(config\.json\)"):
        fetch(REPO, tmp_path)
    hub.publish(REPO, files | {"config.json": json.dumps({**own, "model_type": "bert"}).encode()})
    fetch(REPO, tmp_path / "known")  # transformers has that kind itself
    modules = [{"idx": 0, "name": "0", "path": "", "type": "own_code.Transformer"}]
    hub.publish("someone/modules", files | {"modules.json": json.dumps(modules).encode()})
    with pytest.raises(DependencyError, match=r"needs code of its own \(modules\.json\)"):
        fetch("someone/modules", tmp_path)
    hub.publish("someone/pickles", {path: body for path, body in files.items() if "safetensors" not in path})
    with pytest.raises(DependencyError, match="has no safetensors weights"):
        fetch("someone/pickles", tmp_path)
    assert not any("model.safetensors" in path for path in hub.asked if "known" not in path and "modules" in path)


def test_what_the_hub_does_not_have_is_named(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=r"answered 404 for someone/nothing\. Check the name"):
        fetch("someone/nothing", tmp_path)


def test_offline_there_is_one_clear_sentence(
    hub: Hub, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DependencyError, match=r"intfloat/multilingual-e5-small is not on this machine.*HF_HUB_OFFLINE"):
        fetch("multilingual", tmp_path)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DependencyError, match=r"no connection to http://127\.0\.0\.1:9.*HF_ENDPOINT.*name that folder"):
        fetch(REPO, tmp_path)
    assert not hub.asked


def test_a_machine_without_a_connection_takes_the_files_of_the_hub_s_cache(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache" / f"models--{REPO.replace('/', '--')}"
    for path, body in files.items():
        place = cache / "snapshots" / ("e" * 40) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("e" * 40)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert f"{REPO} is taken from the hub's local cache." in fetch(REPO, tmp_path / "models")
    assert load_embedder(REPO, tmp_path / "models", batch_size=8, threads=1).dimension == 16
    assert not (tmp_path / "models" / REPO / "pytorch_model.bin").exists()


def test_a_language_model_of_the_hub_is_one_file(hub: Hub, tmp_path: Path) -> None:
    hub.publish("someone/llm", {"small.gguf": GGUF, "large.gguf": GGUF * 2})
    generator = EmbeddedGenerator(Generation(model="someone/llm/small.gguf"), tmp_path)
    assert generator.known
    with pytest.raises(DependencyError, match=r"footnote models pull someone/llm/small\.gguf"):
        generator.weights()
    with pytest.raises(DependencyError, match=r"has no other\.gguf\. It has small\.gguf, large\.gguf"):
        fetch("someone/llm/other.gguf", tmp_path)
    fetch("someone/llm/small.gguf", tmp_path)
    assert generator.weights().read_bytes() == GGUF
    assert not (tmp_path / "someone" / "llm" / "large.gguf").exists()
    assert generator.model == "embedded/someone/llm/small.gguf"
    fetch("someone/llm/large.gguf", tmp_path)
    assert [spec.files[0].path for spec in pinned_models(tmp_path)] == ["large.gguf", "small.gguf"]
    (tmp_path / "someone" / "llm" / "small.gguf").write_bytes(GGUF[::-1])
    with pytest.raises(DependencyError, match="as pinned when"):
        generator.weights()
    assert installed_hub(named("someone/llm/large.gguf"), tmp_path).name == "large.gguf"


def test_a_file_of_one_s_own_is_pinned_and_a_change_is_accepted_by_name_alone(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(GGUF)
    models = tmp_path / "models"
    generator = EmbeddedGenerator(Generation(model=str(own)), models)
    assert generator.weights() == own
    assert pin_local_weights(own, models) == hashlib.sha256(GGUF).hexdigest()
    own.write_bytes(GGUF + b"more")
    with pytest.raises(DependencyError, match=rf"when it was first used.*footnote models pull {own}"):
        generator.weights()
    pin_local_weights(check_local_weights(own), models, accept=True)
    assert generator.weights() == own
