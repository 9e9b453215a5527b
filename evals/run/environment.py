"""What a result depends on besides settings: the code, the weights and the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from rag.models.hub import hub_name, pinned
from rag.models.weights import MODELS, hash_file, is_local_weights
from rag.settings import Settings

PACKAGES = Path(__file__).resolve().parents[2]
_DECIDING = ("rag", "ingest", "evals")
_GIT_WITHIN_S = 10.0


def code_hash() -> str:
    """Twelve hex digits that identify the sources of `rag`, `ingest` and `evals`, which decide a result."""
    return hash_sources(path for name in _DECIDING for path in (PACKAGES / name).rglob("*.py"))


def hash_sources(paths: Iterable[Path]) -> str:
    """Twelve hex digits that identify these files of the packages by path and content."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.relative_to(PACKAGES).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def describe_commit() -> str | None:
    """The commit of the code, with `(changed)` where sources differ from it; None outside a git checkout.

    An installed package may lie within the checkout of another project, so git must track this file.
    """
    if _git("ls-files", "--error-unmatch", str(Path(__file__).resolve())) is None:
        return None
    commit = _git("rev-parse", "--short=7", "HEAD")
    changes = _git("status", "--porcelain", "--", *_DECIDING)
    if not commit or changes is None:
        return None
    return f"{commit} (changed)" if changes else commit


def _git(*words: str) -> str | None:
    """The output of git, or None without git, without a checkout, or after an error."""
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGES), *words], capture_output=True, text=True, timeout=_GIT_WITHIN_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def describe_machine() -> dict[str, str | int | float | None]:
    """The machine of the timings; memory in GiB, None where the system does not report it."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": _memory_gb(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def name_weights(model: str, settings: Settings) -> str:
    """A generator's name with twelve digits of its weights' SHA-256: `embedded/qwen2.5-…@cc324af070c2`.

    A server's model keeps the server's name, since its weights are not known here.
    """
    if not model.startswith("embedded/"):
        return model
    named = settings.generation.model
    of_hub = None if named in MODELS else hub_name(named)
    if of_hub is not None and of_hub.file:
        found = pinned(of_hub, settings.resolved_model_dir())
        return f"{model}@{found.files[0].sha256[:12]}" if found else model
    if is_local_weights(named):
        path = Path(named).expanduser()
        return f"{model}@{hash_file(path)[:12]}" if path.is_file() else model
    spec = MODELS.get(model.removeprefix("embedded/"))
    return f"{model}@{spec.files[0].sha256[:12]}" if spec else model
