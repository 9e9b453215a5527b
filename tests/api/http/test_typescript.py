"""The TypeScript declaration: current, valid, and true to the OpenAPI description."""

from __future__ import annotations

import re

import pytest
from typescript import is_typescript

from api.http.typescript import DECLARATION, declare, published, type_of


def test_the_declaration_is_current() -> None:
    current = DECLARATION.read_text(encoding="utf-8")
    assert current == declare(published()), "run `python -m api.http.typescript` and commit the file"


def test_the_declaration_is_typescript_and_names_only_what_it_declares() -> None:
    text = DECLARATION.read_text(encoding="utf-8")
    assert is_typescript(text)
    assert not is_typescript(text.replace("{", "(", 1))
    declared = set(re.findall(r"^export (?:interface|type) (\w+)", text, re.MULTILINE))
    code = re.sub(r'/\*.*?\*/|"[^"]*"|//[^\n]*', "", text, flags=re.DOTALL)
    assert set(re.findall(r"\b[A-Z]\w+", code)) - declared == {"Blob"}


def test_every_call_is_declared() -> None:
    text = DECLARATION.read_text(encoding="utf-8")
    for path, item in published()["paths"].items():
        for method in item:
            assert f'"{method.upper()} {path}": {{' in text


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "(string | null)[]"),
        ({"enum": ["a", 1]}, '"a" | 1'),
        ({"const": False}, "false"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "{\n  [field: string]: number;\n}"),
        ({"type": "object", "properties": {"a-b": {"type": "integer"}}, "required": ["a-b"]}, '{\n  "a-b": number;\n}'),
        ({}, "unknown"),
    ],
)
def test_types_say_what_the_schema_says(schema: dict[str, object], shown: str) -> None:
    assert type_of(schema) == shown
