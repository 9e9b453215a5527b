"""The folders of rag: imports point one way, and there are few of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import rag

PACKAGE = Path(rag.__file__).parent
ORDER = (
    *(
        "types",
        "errors",
        "text",
        "telemetry",
        "logs",
        "settings",
        "models",
        "store",
        "index",
        "retrieval",
        "prompting",
        "generation",
    ),
    *("verification", "decision", "service", "library"),
)
MOST_ROOMS, MOST_ARROWS = 16, 57


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """The rooms of rag that a module imports from, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            top, _, rest = name.partition(".")
            if top == "rag" and rest:
                yield rest.partition(".")[0]


def test_no_folder_imports_one_below_it() -> None:
    modules = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]
    rooms = {room_of(path) for path in modules}
    assert rooms == set(ORDER)
    assert len(rooms) <= MOST_ROOMS
    arrows = {(room_of(path), found) for path in modules for found in imports_of(path) if found != room_of(path)}
    against = {(room, found) for room, found in arrows if ORDER.index(found) > ORDER.index(room)}
    assert against == set()
    assert len(arrows) <= MOST_ARROWS
