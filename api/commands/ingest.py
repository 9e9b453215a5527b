"""ingest: process files and folders and print the outcome of each file. Unchanged files are skipped.

paths ─ find_files ─> found ─ plan_work ─> Plan ─ take_in_here | _on_cluster | _by_server ─> Outcomes ─> table or JSON
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from api.commands.context import CommandContext
from api.commands.documents import forget_removed
from api.commands.outcomes import OUTCOMES, Outcome, Work, outcome_of, with_inside
from api.http.schemas.documents import pack_document
from ingest.files import FoundFile, FoundFiles, KnownFile, PathProblem, compare, find_files
from rag.errors import ConfigurationError
from rag.store.catalog import Catalog
from rag.store.collections import collection_name
from rag.store.lock import RunningServer
from rag.store.metadata import Metadata, check_metadata
from rag.store.records import KnownSource

_NOTES_SHOWN = 3  # of a document, in the table


@dataclass(frozen=True, slots=True)
class Task:
    """What a run is asked for. `prune` deletes documents whose file is gone, `sync` mirrors the folders, `metadata` are
    given to every file, and the Ray cluster at the address `ray` prepares them, where there is one.
    """

    paths: Sequence[Path]
    collection: str
    prune: bool = False
    sync: bool = False
    metadata: Metadata | None = None
    ray: str = ""


class Memory(Protocol):
    """What a repeated run remembers of the ones before (`watching.py`)."""

    def settled(self, found: FoundFiles) -> FoundFiles:
        """The found files, without those that are still being written."""
        ...

    def without_repeats(self, plan: Plan) -> Plan:
        """The plan, without files that failed before as they are, and with files removed only when long gone."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do. `unchanged` holds files with document ids, `removed` known sources whose file is gone."""

    work: tuple[Work, ...]
    unchanged: tuple[tuple[FoundFile, str], ...]
    removed: tuple[KnownSource, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run. `embedded_chunks` is None where the server or a cluster embedded the chunks."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    embedded_chunks: int | None


def ingest(
    context: CommandContext,
    paths: Sequence[Path],
    *,
    collection: str,
    prune: bool = False,
    sync: bool = False,
    metadata: Mapping[str, object] | None = None,
    ray: str = "",
) -> int:
    """Ingest files and folders and print the outcome of each. Returns 1 where a file failed, also one inside another,
    or a path does not exist.

    With `sync`, the collection mirrors the folders: documents follow files that were moved or renamed and are deleted
    with files that were removed, and links out of a folder are not followed. A run that was stopped continues with the
    unfinished files when it is started again. `metadata` are given to every file, also to unchanged ones. `ray` is the
    address of a Ray cluster that prepares the files. Raises InputError for invalid metadata or an invalid name of a
    collection, ConfigurationError where the machines of a cluster could not reach the documents.
    """
    if ray:
        _check_shared(context)
    given = None if metadata is None else check_metadata(metadata)
    task = Task(paths, collection_name(collection), prune=prune, sync=sync, metadata=given, ray=ray)
    report = run_once(context, task, context.find_server())
    if context.as_json:
        context.print_json(as_json(report))
    else:
        print_report(context, report)
    return int(any(outcome.outcome == "failed" for outcome in report.outcomes))


def _check_shared(context: CommandContext) -> None:
    """Raise ConfigurationError where other machines cannot reach the catalog or the originals."""
    for variable, value, needed in (
        (
            "FOOTNOTE_DATABASE_URL",
            context.settings.database_url,
            "the catalog on Postgres: a SQLite catalog has one owner",
        ),
        (
            "FOOTNOTE_ORIGINALS_URL",
            context.settings.originals_url,
            "a folder that all mount, or a bucket, for originals",
        ),
    ):
        if not value:
            raise ConfigurationError(
                f"--ray needs {needed}. Set {variable} (docs/scale.md), or leave out --ray to prepare the files here."
            )


def run_once(context: CommandContext, task: Task, server: RunningServer | None, memory: Memory | None = None) -> Report:
    """Compare the folders with the catalog and ingest what differs. `server` is the running server, if any.

    `memory` is that of `watch`, for a run that repeats an earlier one.
    """
    started = time.perf_counter()
    found = find_files(task.paths, inside_only=task.sync)
    if memory is not None:
        found = memory.settled(found)
    outcomes = [_unreadable(problem) for problem in found.problems]
    embedded: int | None = 0
    if found.files or context.has_catalog():
        with context.open_catalog() as catalog:
            plan = plan_work(catalog, found, task.collection, task.metadata)
        if task.sync and plan.removed:
            removed, away = _really_removed(plan.removed, found, find_files(task.paths, inside_only=True))
            plan = replace(plan, removed=removed)
            outcomes += away
        if memory is not None:
            plan = memory.without_repeats(plan)
        if plan.work and task.ray:
            from api.commands.uploading import take_in_on_cluster

            taken, embedded = take_in_on_cluster(context, plan.work, task.collection, task.ray), None
        elif plan.work and server is not None:
            from api.commands.uploading import take_in_by_server

            taken, embedded = take_in_by_server(context, server, plan.work, task.collection), None
        elif plan.work:
            from api.commands.uploading import take_in_here

            taken, embedded = take_in_here(context, plan.work, task.collection)
        else:
            taken = []
        deletes = task.prune or task.sync
        with context.open_catalog() as catalog:
            outcomes += taken
            outcomes += _unchanged(catalog, plan.unchanged, task.collection)
            left: Sequence[KnownSource] = plan.removed
            if task.sync:
                outcomes, left = _follow_moves(catalog, outcomes, plan.removed, found, task.collection)
            outcomes += _removed(catalog, left, task.collection, deletes)
            ids = [one.id for one in outcomes if one.id is not None]
            inside = catalog.documents.files_inside(ids)
            outcomes = with_inside(outcomes, inside, prepared=bool(task.ray))
        if deletes and plan.removed and server is None:
            forget_removed(context)
    return Report(tuple(outcomes), time.perf_counter() - started, embedded)


def _really_removed(
    removed: Sequence[KnownSource], found: FoundFiles, again: FoundFiles
) -> tuple[tuple[KnownSource, ...], list[Outcome]]:
    """The sources whose documents are to be deleted, and an error for each folder whose documents are kept.

    A folder without any file is more likely a disk that is not mounted than a wish to delete everything. `again` is a
    second look: what is back is not removed.
    """
    present, empty = {file.source for file in again.files}, dict.fromkeys((*found.empty, *again.empty), 0)
    gone = []
    for known in removed:
        folder = next((each for each in empty if known.source.startswith(each)), None)
        if folder is not None:
            empty[folder] += 1
        elif known.source not in present and known.source.startswith(again.folders):
            gone.append(known)
    away = []
    for folder, documents in empty.items():
        if documents:
            path = url2pathname(urlsplit(folder).path)
            message = (
                f"{path} has no files, so the documents of {documents} files are kept. Check that its disk is there; "
                "`footnote ingest --prune` deletes them."
            )
            away.append(Outcome(path, folder, "failed", error=("unreadable", message)))
    return tuple(gone), away


def _follow_moves(
    catalog: Catalog,
    outcomes: Sequence[Outcome],
    removed: Sequence[KnownSource],
    found: FoundFiles,
    collection: str,
) -> tuple[list[Outcome], list[KnownSource]]:
    """Rename the documents of files that were moved: the outcomes, with `moved` for these files, and the other removed
    sources.

    A document has moved if it has the name of a removed file and the bytes of a found one. It keeps its id.
    """
    names = {file.source: file.name for file in found.files}
    places: dict[str, str] = {}
    if removed:
        known_now = catalog.uploads.known_sources(collection)
        places = {known.document_id: source for source, known in known_now.items() if source in names}
    moved, left = {}, []
    for known in removed:
        source = places.get(known.document_id)
        if source is None or not known.source.endswith(quote(catalog.documents.get(known.document_id).name)):
            left.append(known)
            continue
        catalog.uploads.forget_source(collection, known.source)
        catalog.uploads.rename(known.document_id, names[source])
        moved[source] = Outcome(names[source], source, "moved", known.document_id, known.status)
    return [*(one for one in outcomes if one.source not in moved), *moved.values()], left


def plan_work(catalog: Catalog, found: FoundFiles, collection: str, metadata: Metadata | None = None) -> Plan:
    """Compare the files with the catalog. Files that failed before or were left unfinished are processed again, also
    where that is true of a file inside.

    With `metadata` unchanged files are work too: their bytes are known, and their metadata are set.
    """
    known = catalog.uploads.known_sources(collection)
    remembered = {source: KnownFile(one.sha256, one.size_bytes, one.modified_ns) for source, one in known.items()}
    comparison = compare(found, remembered)
    changed = {file.source for file in comparison.changed}
    ready = {file.source for file in comparison.unchanged if _is_done(known[file.source])}
    if metadata is not None:
        ready = set()
    return Plan(
        work=tuple(
            Work(file, "changed" if file.source in changed else "new", metadata)
            for file in found.files
            if file.source not in ready
        ),
        unchanged=tuple((file, known[file.source].document_id) for file in found.files if file.source in ready),
        removed=tuple(known[source] for source in comparison.removed),
    )


def _is_done(known: KnownSource) -> bool:
    return known.status == "ready" and not known.failed_inside


def _unreadable(problem: PathProblem) -> Outcome:
    source = problem.path.absolute().as_uri()
    return Outcome(str(problem.path), source, "failed", error=("unreadable", problem.message))


def _unchanged(catalog: Catalog, files: Iterable[tuple[FoundFile, str]], collection: str) -> list[Outcome]:
    records = {record.id: pack_document(record) for record in catalog.documents.list_documents([collection])[0]}
    return [outcome_of(Work(file, "new"), records.get(document_id), was_ready=True) for file, document_id in files]


def _removed(catalog: Catalog, sources: Iterable[KnownSource], collection: str, prune: bool) -> list[Outcome]:
    """Report documents whose file is gone; with `prune`, forget the file.

    A forgotten file's document is deleted unless another file has the same content.
    """
    outcomes = []
    records = {record.id: record for record in catalog.documents.list_documents([collection])[0]}
    for known in sources:
        record = records.get(known.document_id)
        name = record.name if record else known.source
        status: str | None = record.status if record else None
        if prune:
            gone = catalog.uploads.forget_source(collection, known.source)
            status = "deleted" if known.document_id in gone else status
        outcomes.append(Outcome(name, known.source, "pruned" if prune else "removed", known.document_id, status))
    return outcomes


# Output ---------------------------------------------------------------------------------------------------------------


def as_json(report: Report) -> dict[str, object]:
    """The run as `--json` prints it. Documents, pages and chunks in `totals` count only new and changed files."""
    documents = [
        {
            "name": one.name,
            "source": one.source,
            "id": one.id,
            "outcome": one.outcome,
            "status": one.status,
            "pages": one.pages,
            "chunks": one.chunks,
            "error": None if one.error is None else {"code": one.error[0], "message": one.error[1]},
            "notes": [note.model_dump() for note in one.notes],
        }
        for one in report.outcomes
    ]
    return {"documents": documents, "totals": _totals(report)}


def _totals(report: Report) -> Mapping[str, float | int | None]:
    counts = Counter(one.outcome for one in report.outcomes)
    taken = [one for one in report.outcomes if one.outcome in ("new", "changed")]
    pages = sum(one.pages for one in taken)
    return {
        **{word: counts[word] for word in OUTCOMES},
        "documents": len(taken),
        "pages": pages,
        "chunks": sum(one.chunks for one in taken),
        "embedded_chunks": report.embedded_chunks,
        "seconds": round(report.seconds, 3),
        "pages_per_second": round(pages / report.seconds, 2) if report.seconds else 0.0,
    }


def print_report(context: CommandContext, report: Report) -> None:
    """Print the table of what is not unchanged, then the totals."""
    from api.commands.tables import print_table

    rows = [
        (one.outcome, one.name, str(one.pages or "-"), str(one.chunks or "-"), _note(one))
        for one in report.outcomes
        if one.outcome != "unchanged"
    ]
    console = context.console()
    if rows:
        print_table(console, ("Outcome", "Document", "Pages", "Chunks", "Note"), rows)
    totals = _totals(report)
    console.print(", ".join(f"{totals[word]} {word}" for word in OUTCOMES if totals[word] or word in OUTCOMES[:4]))
    if totals["documents"]:
        embedded = "" if report.embedded_chunks is None else f" ({report.embedded_chunks:,} embedded)"
        console.print(
            f"{totals['documents']:,} documents, {totals['pages']:,} pages, {totals['chunks']:,} chunks{embedded} in "
            f"{report.seconds:.1f} s, {totals['pages_per_second']} pages/s"
        )


def _note(one: Outcome) -> str:
    if one.error is not None:
        return f"{one.error[0]}: {one.error[1]}"
    if one.outcome == "removed":
        return "the file is gone; --prune deletes the document"
    if one.outcome == "pruned":
        return "deleted" if one.status == "deleted" else "kept: another file has the same content"
    more = f"; {len(one.notes) - _NOTES_SHOWN} more: footnote docs show" if len(one.notes) > _NOTES_SHOWN else ""
    return "; ".join(note.message for note in one.notes[:_NOTES_SHOWN]) + more
