"""Models of the Hugging Face hub by name, whose files are pinned when they are first used.

    intfloat/multilingual-e5-small            an embedding model; `@REVISION` after it names a branch, tag or commit
    owner/repository/file.gguf                a language model

At first use the hub is asked for the repository's commit and the hash of each file that is needed. They are written
to a record beside the weights before anything else is fetched; from then on the model is a `ModelSpec` like those of
`weights.MODELS`: fetched from that commit, resumed where a download was cut, and checked against its hashes at each
start. A machine without a connection takes the files from the hub's local cache if they are there, and pins those.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag.errors import DependencyError
from rag.models.weights import (
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    HubSource,
    ModelFile,
    ModelSpec,
    Progress,
    Report,
    fetch_spec,
    hash_file,
    hub_address,
    hub_headers,
    hub_is_off,
    unverified,
)

NAMED: Mapping[str, str] = {"multilingual": "intfloat/multilingual-e5-small"}
"""Short names of embedding models of the hub: 118 million parameters, 384 dimensions, 100 languages (MIT)."""

_HUB_NAME = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w.-]+))?(?:/(?P<file>[\w./-]+\.gguf))?"
)
_RECORD = ".pinned-{}.json"
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")  # SHA-1 or SHA-256
_MAX_SMALL_BYTES = 64 << 20  # of a file whose hash the hub does not tell, which is read to learn it
_MODULE_FOLDER = re.compile(r"\d+_[A-Za-z]+")
_TEXT_FILES = frozenset({
    "config.json", "config_sentence_transformers.json", "modules.json", "sentence_bert_config.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "added_tokens.json", "vocab.json", "merges.txt",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository of the hub, its revision, and for a language model the GGUF file in it ("" for an embedding)."""

    repo: str
    revision: str = "main"
    file: str = ""

    @property
    def folder(self) -> str:
        """The name of its folder below the model directory."""
        return self.repo if self.revision == "main" else f"{self.repo}@{self.revision}"

    def __str__(self) -> str:
        return f"{self.folder}/{self.file}" if self.file else self.folder

    def record(self, model_dir: Path) -> Path:
        """Where the hashes of its files are written."""
        return model_dir / self.folder / _RECORD.format(self.file.replace("/", "--") or "embedding")


def hub_name(text: str) -> HubName | None:
    """The name of a hub's model, `NAMED` ones included; None for any other text, and for a path that exists here."""
    text = NAMED.get(text, text)
    match = _HUB_NAME.fullmatch(text)
    if match is None or ".." in text or text.startswith((".", "~")) or Path(text).exists():
        return None
    if match["file"] is None and match["repo"].endswith(".gguf"):
        return None  # folder/file.gguf, a path that does not exist
    return HubName(match["repo"], match["revision"] or "main", match["file"] or "")


def pinned(name: HubName, model_dir: Path) -> ModelSpec | None:
    """The model as it was pinned at first use, None where it was not. Raises DependencyError for a damaged record."""
    path = name.record(model_dir)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(ModelFile(str(one["path"]), int(one["size"]), str(one["sha256"])) for one in told["files"])
        commit = str(told["commit"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DependencyError(
            f"The record of {name}'s hashes, {path}, cannot be read: {error!r}. Delete it, and fetch the model again "
            f"with `footnote models pull {name}`."
        ) from error
    return _spec(name, commit, files)


def pinned_models(model_dir: Path) -> Iterator[ModelSpec]:
    """Every model that was pinned in this folder. Damaged records are left out."""
    for path in sorted(model_dir.glob("*/*/" + _RECORD.format("*"))):
        folder = path.parent.relative_to(model_dir).as_posix()
        repo, _, revision = folder.partition("@")
        try:
            file = str(json.loads(path.read_text(encoding="utf-8")).get("file", ""))
            spec = pinned(HubName(repo, revision or "main", file), model_dir)
        except (OSError, ValueError, AttributeError, DependencyError):
            continue
        if spec is not None:
            yield spec


def installed_hub(name: HubName, model_dir: Path) -> Path:
    """The pinned model's folder, or its GGUF file, each file checked against its hash.

    Raises DependencyError where it was not fetched, or where a file is not the pinned one.
    """
    spec = pinned(name, model_dir)
    if spec is None:
        path = "no file of this machine, and " if name.file else ""
        raise DependencyError(f"The model {name} is {path}not in {model_dir}. Run `footnote models pull {name}`.")
    differing = unverified(spec, model_dir)
    if differing:
        first = model_dir / spec.name / differing[0].path
        seen = "is missing" if not first.exists() else f"has SHA-256 {hash_file(first)}, not {differing[0].sha256}"
        raise DependencyError(
            f"{first} {seen}, as pinned when {name} was first used. Run `footnote models pull {name}` to fetch it "
            f"again, or delete {name.record(model_dir)} to pin what the hub has now."
        )
    return spec.place(model_dir)


def fetch_hub(name: HubName, model_dir: Path, progress: Progress | None, report: Report) -> Path:
    """The model's folder or GGUF file, pinned and downloaded if it is not there.

    Raises DependencyError where the hub does not answer or has no such model, for a model without safetensors weights,
    and for one that needs code of its own.
    """
    spec = pinned(name, model_dir)
    if spec is None:
        spec = _pin(name, model_dir, report)
    return fetch_spec(spec, model_dir, progress, report)


def _spec(name: HubName, commit: str, files: tuple[ModelFile, ...]) -> ModelSpec:
    kind = "llm" if name.file else "embedding"
    about = f"of the hub, pinned at commit {commit[:12]}"
    return ModelSpec(name.folder, kind, files, (HubSource(name.repo, commit),), about)  # type: ignore[arg-type]


# First use ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Listed:
    """A file as the hub lists it: `sha256` of large ones, `blob`, git's hash, of others; "" for what is not told."""

    path: str
    size: int
    sha256: str
    blob: str


class _NoHub(Exception):
    """The hub cannot be asked; the message is the reason in a few words."""


def _pin(name: HubName, model_dir: Path, report: Report) -> ModelSpec:
    try:
        commit, listed = _list_files(name)
        files = tuple(_hashed(name, commit, one) for one in _needed(name, listed))
    except _NoHub as error:
        cached = _from_cache(name, model_dir)
        if cached is None:
            raise DependencyError(
                f"The model {name} is not on this machine, and it cannot be fetched: {error}. Connect this machine to "
                f"the hub, name a mirror with HF_ENDPOINT, or copy the model to a folder and name that folder instead."
            ) from error
        commit, files = cached
        report(f"{name} is taken from the hub's local cache.")
    files = tuple(sorted(files, key=lambda file: file.size))  # small ones first: a wrong one is noticed early
    report(f"{name} is pinned at commit {commit[:12]}: {len(files)} files, {sum(file.size for file in files):,} bytes.")
    _write_record(name, model_dir, commit, files)
    return _spec(name, commit, files)


def _list_files(name: HubName) -> tuple[str, list[_Listed]]:
    """The commit that the revision names, and its files."""
    url = f"{hub_address()}/api/models/{name.repo}/revision/{name.revision}?blobs=true"
    body = _get(url, name)
    try:
        told = json.loads(body)
        listed = [
            _Listed(
                str(one["rfilename"]),
                int(one.get("size") or 0),
                str((one.get("lfs") or {}).get("sha256", "")),
                str(one.get("blobId", "")),
            )
            for one in told["siblings"]
        ]
        commit = told["sha"]
        if not _COMMIT.fullmatch(commit):
            raise ValueError(f"its `sha` is {commit!r}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        begins = " ".join(body[:60].decode(errors="replace").split())
        raise _NoHub(
            f"{url} answered something else than a list of files ({error!r}; it begins with {begins!r}), as the login "
            "page of a network or an incomplete mirror does"
        ) from error
    return commit, listed


def _get(url: str, name: HubName) -> bytes:
    import httpx

    if hub_is_off():
        raise _NoHub("HF_HUB_OFFLINE is set")
    limits = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    try:
        with httpx.Client(follow_redirects=True, timeout=limits, headers=hub_headers()) as client:
            answer = client.get(url)
            if answer.status_code in (401, 403, 404):
                raise DependencyError(
                    f"{hub_address()} answered {answer.status_code} for {name}. Check the name; a repository that is "
                    "private or asks for consent needs HF_TOKEN."
                )
            answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        raise _NoHub(f"{hub_address()} answered {error.response.status_code}") from error
    except httpx.HTTPError as error:
        raise _NoHub(f"no connection to {hub_address()} ({error})") from error
    return answer.content


def _needed(name: HubName, listed: list[_Listed]) -> list[_Listed]:
    """The files that are opened: of an embedding model configs, tokenizer and safetensors, never code or pickles."""
    if name.file:
        found = [one for one in listed if one.path == name.file]
        if not found:
            there = ", ".join(one.path for one in listed if one.path.endswith(".gguf")) or "no GGUF file"
            raise DependencyError(f"{name.repo} has no {name.file}. It has {there}.")
        return found
    needed = [one for one in listed if is_needed(one.path)]
    weights = [one for one in needed if one.path.endswith(".safetensors") and "/" not in one.path]
    if not weights or not any(one.path == "tokenizer.json" for one in needed):
        lacking = "safetensors weights" if not weights else "tokenizer.json"
        raise DependencyError(
            f"{name.repo} has no {lacking}, and Footnote opens no other kind. Use another model, or another revision "
            f"as {name.repo}@REVISION."
        )
    return needed


def is_needed(path: str) -> bool:
    """Whether a repository's file belongs to an embedding model: at its top, or in the folder of one of its modules."""
    folder, _, own = path.rpartition("/")
    if folder and not _MODULE_FOLDER.fullmatch(folder):
        return False
    return own in _TEXT_FILES or own.endswith((".safetensors", ".safetensors.index.json"))


def _hashed(name: HubName, commit: str, listed: _Listed) -> ModelFile:
    """The file with its SHA-256: the hub's for a large one, else that of its bytes, which match git's hash."""
    if listed.sha256:
        return ModelFile(listed.path, listed.size, listed.sha256)
    if listed.size > _MAX_SMALL_BYTES:
        raise DependencyError(f"{hub_address()} tells no SHA-256 of {listed.path} in {name}. Use another mirror.")
    body = _get(f"{hub_address()}/{name.repo}/resolve/{commit}/{listed.path}", name)
    blob = hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
    if listed.blob and blob != listed.blob:
        raise DependencyError(
            f"{listed.path} of {name} arrived with other bytes than {hub_address()} lists. Try again, or name another "
            "mirror with HF_ENDPOINT."
        )
    if listed.path in ("config.json", "modules.json"):
        _refuse_code(name, listed.path, body)
    return ModelFile(listed.path, len(body), hashlib.sha256(body).hexdigest())


def _refuse_code(name: HubName, path: str, body: bytes) -> None:
    """Raise DependencyError for a model that only code of its own can run, before its weights are fetched."""
    try:
        told: Any = json.loads(body)
    except ValueError as error:
        raise DependencyError(f"{path} of {name} is no JSON: {error}. Use another model.") from error
    own, modules = False, path == "modules.json"
    if not (
        isinstance(told, list) and all(isinstance(one, dict) for one in told) if modules else isinstance(told, dict)
    ):
        kind = "a list of modules" if modules else "an object"
        raise DependencyError(f"{path} of {name} is not {kind}. Use another model.")
    if modules:
        own = any(not str(one.get("type", "")).startswith("sentence_transformers.") for one in told)
    elif "auto_map" in told:
        from transformers import CONFIG_MAPPING

        own = told.get("model_type") not in CONFIG_MAPPING
    if own:
        raise DependencyError(
            f"{name} needs code of its own ({path}), and Footnote runs none that comes with a model. Use another model."
        )


def _from_cache(name: HubName, model_dir: Path) -> tuple[str, tuple[ModelFile, ...]] | None:
    """The commit and the files of the hub's local cache, which are placed in the model's folder; None without them."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    try:
        snapshot = Path(snapshot_download(name.repo, revision=name.revision, local_files_only=True, cache_dir=cache))
    except (LocalEntryNotFoundError, HFValidationError, OSError, ValueError):
        return None
    paths = [path for path in snapshot.rglob("*") if path.is_file()]
    listed = [_Listed(path.relative_to(snapshot).as_posix(), path.stat().st_size, "", "") for path in paths]
    needed = _needed(name, listed)
    folder = model_dir / name.folder
    for one in needed:
        if one.path in ("config.json", "modules.json"):
            _refuse_code(name, one.path, (snapshot / one.path).read_bytes())
        place = folder / one.path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(snapshot / one.path, place)
    return snapshot.name, tuple(ModelFile(one.path, one.size, hash_file(folder / one.path)) for one in needed)


def _write_record(name: HubName, model_dir: Path, commit: str, files: tuple[ModelFile, ...]) -> None:
    path = name.record(model_dir)
    told = {"repo": name.repo, "commit": commit, "file": name.file, "files": [asdict(file) for file in files]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=".pinning-", encoding="utf-8", delete=False
        ) as out:
            json.dump(told, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        os.replace(out.name, path)
    except OSError as error:
        raise DependencyError(
            f"The hashes of {name} cannot be recorded in {path.parent}: {error.strerror or error}. Correct the "
            "folder's permissions, or set FOOTNOTE_MODEL_DIR to another folder."
        ) from error
