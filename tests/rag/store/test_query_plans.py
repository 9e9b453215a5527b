"""Every statement of a document's life finds its rows by an index: a search costs the same in a catalog of any size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from builders import ingest
from conftest import ScriptedGenerator

from rag.library import Library
from rag.retrieval.scope import Scope
from rag.service import Question, Service
from rag.store.catalog import Catalog
from rag.store.databases import Among, among
from rag.store.schema import chunks_table

pytestmark = pytest.mark.databases("sqlite")

GROWING = ("documents", "chunks", "sentences", "pages", "projections")
"""The tables with rows for each document; the first is read whole by lists of documents alone."""
LEAVE = "Ten unused days of leave carry over to the next year. All other days are lost on 31 March."


@contextmanager
def recording(catalog: Catalog) -> Iterator[dict[str, object]]:
    """The statements that the catalog executes meanwhile, each with the parameters of its first execution."""
    said: dict[str, object] = {}

    def note(
        connection: object, cursor: object, statement: str, parameters: object, context: object, many: bool
    ) -> None:
        said.setdefault(statement, parameters[0] if many else parameters)  # type: ignore[index]

    engine = catalog._database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def scans(catalog: Catalog, said: dict[str, object]) -> list[tuple[str, str]]:
    """The tables that statements read from end to end, without an index or along one, each with its statement."""
    found = []
    with catalog._database.engine.connect() as connection:
        for statement, parameters in said.items():
            if not re.match(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b", statement):
                continue
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
            whole = [step[1] for row in plan if (step := re.match(r"SCAN (\w+)", row[3])) and step[1] in GROWING]
            found += [(table, statement) for table in whole]
    return found


async def test_a_documents_life_reads_no_table_from_end_to_end(library: Library) -> None:
    catalog = library.catalog
    with recording(catalog) as said:
        document_id = ingest(library, LEAVE, "leave.md")
        service = Service(library.settings, catalog, library.searcher, ScriptedGenerator("Ten days carry over [1]."))
        answer = await service.ask(Question("How many unused days of leave carry over?"))
        assert answer.citations
        assert library.searcher.search("unused days", Scope(document_ids=(document_id,)), 3)
        assert catalog.chunks.of_document(document_id)
        catalog.removals.delete(document_id)
    assert len(said) > 20
    assert scans(catalog, said) == []


def test_a_condition_on_several_values_is_answered_by_an_index(catalog: Catalog) -> None:
    query = sa.select(chunks_table.c.id).where(Among(chunks_table.c.document_id), chunks_table.c.page == 1)
    with recording(catalog) as said, catalog.transactions.read() as connection:
        assert connection.execute(query, among(["a", "b"])).all() == []
    assert scans(catalog, said) == []
    assert scans(catalog, {"SELECT count(*) FROM chunks WHERE (id = 'a') = 1": ()})
