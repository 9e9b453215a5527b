"""Settings: every one reachable by its variable, misspelt names and values out of bounds refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from annotated_types import Ge, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from rag.errors import ConfigurationError
from rag.settings import Settings, load_settings, setting_names

NUMBERS = (int, float, int | None)


def fields(tree: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], FieldInfo]]:
    """Every setting with its place in the tree."""
    found: list[tuple[tuple[str, ...], FieldInfo]] = []
    for name, field in tree.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += fields(field.annotation, (*path, name))
        else:
            found.append(((*path, name), field))
    return found


def variable(path: tuple[str, ...]) -> str:
    return "FOOTNOTE_" + "__".join(path).upper()


def another_value(field: FieldInfo) -> object:
    """A value within bounds that is not the default."""
    if get_origin(field.annotation) is Literal:
        return next(choice for choice in get_args(field.annotation) if choice != field.default)
    if field.examples:
        return field.examples[0]
    if field.annotation is bool:
        return not field.default
    if field.annotation in NUMBERS:
        low = next(bound.ge for bound in field.metadata if isinstance(bound, Ge))
        value = low if low != field.default else low + 1
        return float(value) if field.annotation is float else value
    return "other"


@pytest.mark.parametrize(("path", "field"), fields(), ids=[variable(path) for path, _ in fields()])
def test_every_setting_is_reached_by_its_variable(path: tuple[str, ...], field: FieldInfo) -> None:
    assert variable(path) in set(setting_names())
    expected = another_value(field)
    value: object = load_settings({variable(path): str(expected)})
    for name in path:
        value = getattr(value, name)
    shown = value.get_secret_value() if isinstance(value, SecretStr) else value
    assert str(shown) == str(expected)
    assert shown != field.default
    assert field.description


@pytest.mark.parametrize(
    ("path", "field"),
    [(path, field) for path, field in fields() if field.annotation in NUMBERS],
    ids=lambda value: variable(value) if isinstance(value, tuple) else "",
)
def test_numbers_have_bounds(path: tuple[str, ...], field: FieldInfo) -> None:
    bounds = [bound.ge - 1 for bound in field.metadata if isinstance(bound, Ge)]
    bounds += [bound.le + 1 for bound in field.metadata if isinstance(bound, Le)]
    assert bounds
    for value in bounds:
        with pytest.raises(ConfigurationError) as caught:
            load_settings({variable(path): str(value)})
        assert caught.value.message.startswith(f"{variable(path)}='{value}' cannot be used")


def test_several_servers_are_separated_by_commas() -> None:
    one = load_settings({"FOOTNOTE_GENERATION__BASE_URL": "http://a:1/"}).generation
    assert [server.base_url for server in one.servers()] == ["http://a:1"]
    assert Settings().generation.servers() == (Settings().generation,)
    several = load_settings({"FOOTNOTE_GENERATION__BASE_URL": "http://a:1/V1, http://b:2#slots=8,"}).generation
    assert [(server.base_url, server.slots) for server in several.servers()] == [
        ("http://a:1/V1", None),
        ("http://b:2", 8),
    ]
    with pytest.raises(ConfigurationError, match=r"__BASE_URL='http://a#n=1' cannot be used: #n=1 is no option"):
        load_settings({"FOOTNOTE_GENERATION__BASE_URL": "http://a#n=1"})


def test_a_time_limit_changes_no_answer() -> None:
    slower = load_settings({"FOOTNOTE_GENERATION__FIRST_TOKEN_TIMEOUT_S": "90"})
    assert slower.generation.first_token_timeout_s == 90
    assert slower.hash() == Settings().hash()


def test_misspelt_names_are_refused_with_a_hint() -> None:
    with pytest.raises(ConfigurationError, match=r"Did you mean FOOTNOTE_RETRIEVAL__TOP_K\?"):
        load_settings({"FOOTNOTE_RETREIVAL__TOP_K": "9"})
    with pytest.raises(ConfigurationError, match=r"FOOTNOTE_XYZZY is not a setting of Footnote\..* Unset it"):
        load_settings({"footnote_data_dir": "x", "FOOTNOTE_XYZZY": "9"})


def test_a_section_is_json_or_refused() -> None:
    assert load_settings({"FOOTNOTE_RETRIEVAL": json.dumps({"top_k": 9})}).retrieval.top_k == 9
    with pytest.raises(ConfigurationError, match="retrieval"):
        load_settings({"FOOTNOTE_RETRIEVAL": "nine"})
    with pytest.raises(ConfigurationError, match="FOOTNOTE_RETRIEVAL__TOPK"):
        load_settings({"FOOTNOTE_RETRIEVAL": json.dumps({"topk": 9})})


def test_the_environment_given_is_the_one_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """`load_settings(mapping)` checked the mapping's names and then read the process's own values."""
    monkeypatch.setenv("FOOTNOTE_RETRIEVAL__TOP_K", "3")
    assert load_settings().retrieval.top_k == 3
    assert load_settings({}).retrieval.top_k == Settings().retrieval.top_k != 3
    assert load_settings({"FOOTNOTE_RETRIEVAL__TOP_K": "9"}).retrieval.top_k == 9


def test_arguments_win_and_none_says_nothing() -> None:
    environ = {"FOOTNOTE_DATA_DIR": "from/environment"}
    assert load_settings(environ, data_dir=None).data_dir == Path("from/environment")
    assert load_settings(environ, data_dir=Path("given")).data_dir == Path("given")


def test_a_worker_reads_the_settings_that_its_parent_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"FOOTNOTE_CHUNKING__TARGET_TOKENS": "99", "FOOTNOTE_EMBEDDING__API_KEY": 'a-"secret"'}
    settings = load_settings(given, data_dir=Path("somewhere"))
    monkeypatch.setenv("FOOTNOTE_CHUNKING__TARGET_TOKENS", "50")
    read = Settings.model_validate_json(settings.dump_with_secrets())
    assert read == settings
    assert read.embedding.api_key.get_secret_value() == 'a-"secret"'


def test_no_key_is_shown() -> None:
    settings = load_settings({"FOOTNOTE_GENERATION__API_KEY": "a-secret"})
    assert "a-secret" not in f"{settings!r} {settings.model_dump_json()}"


def test_the_model_folder_follows_the_cache_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load_settings({}).resolved_model_dir() == tmp_path / "footnote" / "models"
    assert load_settings({"FOOTNOTE_MODEL_DIR": "~/m"}).resolved_model_dir() == Path.home() / "m"
