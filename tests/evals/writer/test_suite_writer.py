"""The names of documents in a written suite."""

from __future__ import annotations

from builders import ingest
from conftest import ScriptedGenerator
from writing import opener

from evals.writer.suite_writer import suite_names
from rag.settings import Settings


def test_documents_of_one_name_get_names_of_their_own(settings: Settings) -> None:
    with opener(ScriptedGenerator())(settings, "test") as library:
        names = ["a/report.md", "a/Report.md", "a", "a/report.md", "x" * 250 + ".md"]
        for number, name in enumerate(names):
            ingest(library, f"The report number {number} is about Vik.", name, source=f"place {number}")
        given = list(suite_names(library.catalog.documents.list_documents()[0]).values())
    assert given == ["a/report.md", "Report (2).md", "a (2)", "report (2).md".replace("2", "3"), "x" * 237 + ".md"]
