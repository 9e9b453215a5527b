"""How texts are given to an embedding model, and what is made of its output: prefixes, pooling, further modules.

Some models were trained with words in front of a text that say whether it is a question or a passage. They stand in the
`prompts` of the model's `config_sentence_transformers.json`; models that lack them there are in `_FAMILIES`. Without
their prefixes such models still give vectors, but worse ones.

A recipe is part of a model's identity: other prefixes or another pooling make other vectors of the same weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import DependencyError

_OWN_MODULES = "sentence_transformers."
_NAMES_OF_QUERY = ("query", "search_query")
_NAMES_OF_PASSAGE = ("document", "passage", "corpus", "search_document")
_POOLING_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What is put in front of a question and of a passage; either may be empty."""

    query: str = ""
    passage: str = ""

    def __str__(self) -> str:
        if not self.query and not self.passage:
            return "no prefixes"
        return f"query prefix {self.query!r}, passage prefix {self.passage!r}"

    def changed(self, query: str | None, passage: str | None) -> Prefixes:
        """These prefixes with those that are given (the settings'); None keeps one."""
        return Prefixes(self.query if query is None else query, self.passage if passage is None else passage)


_SEARCH_QUERY = "Represent this sentence for searching relevant passages: "
_INSTRUCT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"

# By the model's own name, without owner and tag: the first that matches. Sources: the models' cards on the hub.
_FAMILIES: tuple[tuple[re.Pattern[str], Prefixes], ...] = tuple(
    (re.compile(pattern), prefixes)
    for pattern, prefixes in (
        (r"e5-mistral.*|(multilingual-)?e5-.*instruct.*", Prefixes(f"{_INSTRUCT} ")),
        (r"(multilingual-)?e5-.*", Prefixes("query: ", "passage: ")),
        (r"bge-(small|base|large)-en.*", Prefixes(_SEARCH_QUERY)),
        (r"bge-(small|base|large)-zh.*", Prefixes("为这个句子生成表示以用于检索相关文章：")),
        (r"mxbai-embed-.*", Prefixes(_SEARCH_QUERY)),
        (r"snowflake-arctic-embed2.*|snowflake-arctic-embed-.*-v2.*", Prefixes("query: ")),
        (r"snowflake-arctic-embed.*", Prefixes(_SEARCH_QUERY)),
        (r"nomic-embed-text.*", Prefixes("search_query: ", "search_document: ")),
        (r"qwen3-embedding.*", Prefixes(_INSTRUCT)),
        (r"embeddinggemma.*", Prefixes("task: search result | query: ", "title: none | text: ")),
    )
)


def family_prefixes(name: str) -> Prefixes:
    """The prefixes of a model that is known by its name, such as `intfloat/e5-small` or `nomic-embed-text:latest`."""
    own = name.rstrip("/").rpartition("/")[2].partition("@")[0].partition(":")[0].lower()
    return next((prefixes for pattern, prefixes in _FAMILIES if pattern.fullmatch(own)), Prefixes())


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a folder's model makes a vector of a text.

    `pooling` names how token vectors become one vector; several are concatenated. `pools_prefix` is False for a model
    whose prefix is read but not pooled. `modules` are the modules after the pooling, by their short names; the vector
    is brought to length 1 after all of them, so that a module which does that changes nothing.
    """

    prefixes: Prefixes = Prefixes()
    pooling: tuple[str, ...] = ("mean",)
    pools_prefix: bool = True
    modules: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """What tells it from other recipes; empty for the mean of all tokens without a prefix."""
        if self == Recipe():
            return ""
        return json.dumps(
            [self.prefixes.query, self.prefixes.passage, self.pooling, self.pools_prefix, self.modules],
            ensure_ascii=False,
        )

    def __str__(self) -> str:
        return f"{'+'.join(self.pooling)} pooling, {self.prefixes}"


def read_recipe(folder: Path, name: str, query_prefix: str | None = None, passage_prefix: str | None = None) -> Recipe:
    """The recipe of a sentence-transformers folder; prefixes that are given (not None) replace the model's own.

    A folder without `modules.json` is a bare transformer, of which sentence-transformers takes the mean of all tokens.
    `name` tells the model's family where the folder has no prompts. Raises DependencyError for a model that needs code
    of its own, which is never run, and for a config that cannot be read.
    """
    steps = _read_json(folder / "modules.json", [])
    pooling: tuple[str, ...] = ("mean",)
    pools_prefix, modules = True, list[str]()
    for step in steps if isinstance(steps, list) else []:
        kind = str(step.get("type", "")) if isinstance(step, dict) else ""
        if not kind.startswith(_OWN_MODULES):
            raise DependencyError(
                f"The embedding model in {folder} has a module {kind!r}, which is code of its own, and Footnote runs "
                "none that comes with a model. Use another model."
            )
        place = folder / str(step.get("path", ""))
        match kind.rpartition(".")[2]:
            case "Transformer" | "Normalize":
                continue
            case "Pooling":
                pooling, pools_prefix = _read_pooling(place / "config.json")
            case other:
                modules.append(other)
        if list(place.glob("*.bin")) and not list(place.glob("*.safetensors")):
            raise DependencyError(
                f"The embedding model in {folder} has pickled weights in {place}, and Footnote opens only "
                ".safetensors. Convert them, or use another model."
            )
    prefixes = _read_prompts(folder) or family_prefixes(name)
    return Recipe(prefixes.changed(query_prefix, passage_prefix), pooling, pools_prefix, tuple(modules))


def _read_pooling(path: Path) -> tuple[tuple[str, ...], bool]:
    told = _read_json(path, {})
    if not isinstance(told, Mapping):
        return ("mean",), True
    mode = told.get("pooling_mode")
    if mode is None:
        modes = tuple(short for name, short in _POOLING_MODES.items() if told.get(name))
    else:
        modes = (mode,) if isinstance(mode, str) else tuple(str(one) for one in mode)
    return modes or ("mean",), bool(told.get("include_prompt", True))


def _read_prompts(folder: Path) -> Prefixes | None:
    """The prefixes that the folder states; None where it states none, as sentence-transformers saves empty ones."""
    told = _read_json(folder / "config_sentence_transformers.json", {})
    prompts = told.get("prompts") if isinstance(told, Mapping) else None
    if not isinstance(prompts, Mapping):
        return None
    by_default = str(prompts.get(told.get("default_prompt_name") or "", "") or "")
    query, passage = (
        next((str(prompts[name]) for name in names if prompts.get(name)), by_default)
        for names in (_NAMES_OF_QUERY, _NAMES_OF_PASSAGE)
    )
    return Prefixes(query, passage) if query or passage else None


def _read_json(path: Path, absent: object) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return absent
    except (OSError, ValueError) as error:
        raise DependencyError(
            f"{path}, a part of the embedding model, cannot be read: {error}. Fetch the model again."
        ) from error
