"""The rooms of evals: imports point one way, and importing a room loads nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import evals

PACKAGE = Path(evals.__file__).parent
ROOMS = ("suites", "metrics", "run", "report", "verifier", "writer", "training")


def imported_rooms(path: Path) -> Iterator[str]:
    """The rooms of evals that a module imports from, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "evals" and len(parts) > 1 and parts[1] in ROOMS:
                yield parts[1]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_before_it(room: str) -> None:
    known = ROOMS[: ROOMS.index(room) + 1]
    found = {name for path in (PACKAGE / room).rglob("*.py") for name in imported_rooms(path)}
    assert found <= set(known)


def test_the_doors_of_the_rooms_say_what_they_are_for_and_import_nothing() -> None:
    for room in ("", *ROOMS):
        module = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(module), room
        assert len(module.body) == 1, room
