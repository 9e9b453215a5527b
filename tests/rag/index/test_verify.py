"""Comparing catalog, originals and indexes row by row."""

from __future__ import annotations

import numpy as np
import pytest
from builders import damage_original, ingest, many_paragraphs, run_sql
from conftest import EVERYWHERE

from rag.index.verify import repair_index, verify_index
from rag.library import Library
from rag.store.verify import verify_catalog

DAMAGES = ["a document is missing", "a chunk is missing", "a stray document", "a vector is another's"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_differs_in_an_index_is_found_and_repaired(library: Library, damage: str) -> None:
    first, second = (ingest(library, many_paragraphs(3, name), f"{name}.md") for name in ("one", "two"))
    catalog, index = library.catalog, library.index
    assert verify_index(catalog, index) == []
    rows = catalog.chunks.of_document(first)
    vectors = index.parts()["vectors"]
    if damage == "a document is missing":
        index.parts()["words"].remove([second])
    elif damage == "a chunk is missing":
        vectors.remove([first])
        vectors.put([rows[0], *rows[2:]])
    elif damage == "a stray document":
        index.project(rows)
        run_sql(catalog, "DELETE FROM documents WHERE id = :id", id=second)
    else:
        vectors.put([(stored, np.roll(vector, 7)) for stored, vector in rows])
    assert {one.part for one in verify_index(catalog, index)} <= {"words", "vectors"}
    assert verify_index(catalog, index)
    assert repair_index(catalog, index) == []
    assert verify_index(catalog, index) == []


@pytest.mark.databases(*EVERYWHERE)
def test_what_differs_in_the_catalog_is_named(library: Library) -> None:
    one, two, three = (ingest(library, f"the words of {name}", f"{name}.md") for name in ("one", "two", "three"))
    assert list(verify_catalog(library.catalog)) == []
    damage_original(library.catalog, one)
    library.catalog.originals.delete(two)
    run_sql(library.catalog, "UPDATE chunks SET text = 'other words' WHERE document_id = :id", id=three)
    found = [(each.part, each.document) for each in verify_catalog(library.catalog)]
    assert found == [("originals", "one.md"), ("originals", "two.md"), ("catalog", "three.md")]
