"""Whether a text is TypeScript, by a parser that needs no npm."""

from __future__ import annotations

import pytest


def is_typescript(text: str) -> bool:
    """Whether the text has no syntax error. Skips the test where the parser is not installed."""
    tree_sitter = pytest.importorskip("tree_sitter", reason="tree-sitter is not installed")
    grammar = pytest.importorskip("tree_sitter_typescript", reason="tree-sitter-typescript is not installed")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language_typescript()))
    return not parser.parse(text.encode()).root_node.has_error
