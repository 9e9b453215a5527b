"""Write the OpenAPI description as a TypeScript declaration, without npm: `python -m api.http.typescript`.

`api/http/footnote.d.ts` has a type for each JSON body, and `Calls` with the body, the parameters and the answer of each
call. Regenerate it after a change of the API; a test compares it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.http.app import create_app
from ingest.runtime import Runtime
from rag.settings import Settings

DECLARATION = Path(__file__).with_name("footnote.d.ts")
_HEAD = """// Generated from the OpenAPI description by `python -m api.http.typescript`. Do not edit.

"""
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_METHODS = ("get", "post", "put", "patch", "delete")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def published() -> dict[str, Any]:
    """The OpenAPI description with default settings."""
    return create_app(_never_opened, Settings()).openapi()


def _never_opened() -> Runtime:
    raise RuntimeError("this application only publishes its description")


def declare(openapi: dict[str, Any]) -> str:
    """The TypeScript declaration of an OpenAPI 3.1 description."""
    schemas = openapi["components"]["schemas"]
    sent = _reached(schemas, [call["requestBody"] for call in _calls_of(openapi) if "requestBody" in call])
    whole = {name: one | {"required": list(one.get("properties", ()))} for name, one in schemas.items()}
    # a response has all its fields, those with a default too
    blocks = [_declare_schema(name, (schemas if name in sent else whole)[name]) for name in sorted(schemas)]
    calls = [line for path, item in openapi["paths"].items() for line in _declare_calls(path, item)]
    blocks.append(
        "/** Every call of the API by method and path. */\nexport interface Calls {\n" + "".join(calls) + "}\n"
    )
    return _HEAD + "\n".join(blocks)


def _calls_of(openapi: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (item[method] for item in openapi["paths"].values() for method in _METHODS if method in item)


def _reached(schemas: dict[str, Any], start: object) -> set[str]:
    """The names of the schemas that `start` refers to, directly or not."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(waiting.pop()))) - found:
            found.add(name)
            waiting.append(schemas[name])
    return found


def _declare_schema(name: str, schema: dict[str, Any]) -> str:
    comment = _comment(schema.get("description"), "")
    if schema.get("type") == "object" and "properties" in schema:
        return f"{comment}export interface {name} {_object(schema, '')}\n"
    return f"{comment}export type {name} = {type_of(schema)};\n"


def type_of(schema: dict[str, Any], indent: str = "") -> str:
    """The TypeScript type of a JSON Schema, as far as TypeScript can say it."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    for key, join in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
        if key in schema:
            return join.join(dict.fromkeys(type_of(one, indent) for one in schema[key]))
    kind = schema.get("type")
    if kind == "array":
        inner = type_of(schema.get("items", {}), indent)
        return f"({inner})[]" if re.search(r"[ |&]", inner) and not inner.startswith("{") else f"{inner}[]"
    if kind == "object":
        return _object(schema, indent)
    if schema.get("format") == "binary":
        return "Blob"
    return _PLAIN.get(str(kind), "unknown")


def _object(schema: dict[str, Any], indent: str) -> str:
    inner = indent + "  "
    required = schema.get("required", ())
    lines = [
        f"{_comment(field.get('description'), inner)}{inner}{_key(name)}{'' if name in required else '?'}: "
        f"{type_of(field, inner)};\n"
        for name, field in schema.get("properties", {}).items()
    ]
    more = schema.get("additionalProperties", not lines)
    if more:
        value = type_of(more, inner) if isinstance(more, dict) else "unknown"
        lines.append(f"{inner}[field: string]: {value if not schema.get('properties') else 'unknown'};\n")
    return "{\n" + "".join(lines) + indent + "}"


def _declare_calls(path: str, item: dict[str, Any]) -> Iterator[str]:
    for method in _METHODS:
        if method not in item:
            continue
        call = item[method]
        lines = _comment(call.get("summary"), "  ") + f"  {json.dumps(f'{method.upper()} {path}')}: {{\n"
        for place in ("path", "query"):
            fields = [one for one in call.get("parameters", ()) if one["in"] == place]
            if fields:
                schema = {
                    "properties": {one["name"]: one["schema"] | _described(one) for one in fields},
                    "required": [one["name"] for one in fields if one.get("required")],
                }
                optional = "" if schema["required"] else "?"
                lines += f"    {place}{optional}: {_object(schema, '    ')};\n"
        for media, form in call.get("requestBody", {}).get("content", {}).items():
            key = "form" if media == "multipart/form-data" else "body"
            lines += f"    {key}: {type_of(form['schema'], '    ')};\n"
        lines += f"    answer: {_answer(call)};\n  }};\n"
        yield lines


def _described(parameter: dict[str, Any]) -> dict[str, str]:
    return {"description": parameter["description"]} if "description" in parameter else {}


def _answer(call: dict[str, Any]) -> str:
    """The JSON of a successful response, `void` where it has none."""
    for status, response in call["responses"].items():
        content = response.get("content", {})
        if status.startswith("2") and "application/json" in content:
            return type_of(content["application/json"]["schema"], "    ")
        if status.startswith("2") and content:
            return "string" if next(iter(content)).startswith("text/") else "Blob"
    return "void"


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _comment(text: str | None, indent: str) -> str:
    if not text:
        return ""
    lines = text.replace("*/", "* /").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"


def main() -> int:
    """Write the declaration beside this module."""
    DECLARATION.write_text(declare(published()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
