"""What Footnote brings along: pinned releases with hashes, and no code or pickles of a model."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINNED = re.compile(r"^([a-z0-9.-]+)(?:\[[^\]]*\])?==(\S+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def test_the_lock_has_an_allowed_release_of_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    pinned = {canonicalize_name(name): version for name, version, _ in PINNED.findall(LOCK)}
    optional = [line for name, lines in extras.items() if name != "dev" for line in lines]
    for line in (*project["dependencies"], *optional):
        wanted = Requirement(line)
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), line


def test_every_file_of_the_lock_has_a_hash() -> None:
    found = PINNED.findall(LOCK)
    assert len(found) > 100
    assert [name for name, _, rest in found if "--hash=sha256:" not in rest] == []


FORBIDDEN = [
    r"trust_remote_code=True",
    r"\b(?:import|from) (?:pickle|joblib|dill)\b",
    r"\btorch\.load\((?![^\n]*weights_only=True)",
]


@pytest.mark.parametrize("forbidden", FORBIDDEN)
def test_no_code_or_pickle_of_a_model_is_opened(forbidden: str) -> None:
    sources = [path for folder in ("rag", "ingest", "api", "evals") for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 200
    assert [str(path) for path in sources if re.search(forbidden, path.read_text(encoding="utf-8"))] == []
