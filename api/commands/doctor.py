"""doctor: check what is installed, reachable and consistent. Each problem is one line that says what to do."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from packaging.requirements import Requirement

from api.commands.context import CommandContext
from api.commands.tables import print_table, size_in_words
from rag.errors import DataDirectoryInUse, FootnoteError
from rag.settings import NO_JUDGE, Settings
from rag.store.catalog import Catalog
from rag.store.lock import RunningServer, claim_directory
from rag.store.stamps import PROBE
from rag.types import UNFINISHED

if TYPE_CHECKING:
    from api.commands.progress import Progress
    from rag.store.verify import Difference
    from rag.types import BackendReport, ServerState

Status = Literal["ok", "warn", "fail"]
DISTRIBUTION = "footnote-rag"
LOW_DISK_BYTES, NO_DISK_BYTES = 2 << 30, 200 << 20


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `detail` says what was seen, and for `warn` and `fail` also what to do."""

    name: str
    status: Status
    detail: str


def doctor(context: CommandContext, *, verify: bool, repair: bool) -> int:
    """Run and print every check. Returns 1 where one failed.

    With `verify`, catalog, originals and indexes are also compared row by row; with `repair`, the indexes are repaired.
    """
    server = context.find_server()
    checks = [*_installed(), _fence(context), *_models(context), *_backend(context), *_data(context, server)]
    if verify and context.has_catalog():
        with context.open_catalog() as catalog, context.progress("documents") as progress:
            checks += _verify(context, catalog, repair, progress)
    worst = max((check.status for check in checks), key=("ok", "warn", "fail").index)
    if context.as_json:
        context.print_json({"status": worst, "checks": [asdict(check) for check in checks]})
    else:
        print_table(
            context.console(),
            ("Check", "Status", "Detail"),
            [(check.name, check.status, check.detail) for check in checks],
        )
    return int(worst == "fail")


def _installed() -> Iterator[Check]:
    running = ".".join(str(part) for part in sys.version_info[:3])
    yield Check("python", "ok", running)
    advice = "Run `make run`, or `pip install -e .` in the checkout."
    for package in (DISTRIBUTION, *needed_packages()):
        try:
            yield Check(package, "ok", version(package))
        except PackageNotFoundError:
            yield Check(package, "fail", f"it is not installed. {advice}")


def needed_packages() -> list[str]:
    """The packages that the installed Footnote requires on this system, in its order, without those of its extras."""
    try:
        wanted = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []
    needed = map(Requirement, wanted)
    return [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]


def _fence(context: CommandContext) -> Check:
    """What a process that reads a file of the data directory could do beyond that, as one of them tries it."""
    from ingest.parse.confine import find_escapes

    try:
        found = find_escapes(context.settings.parsing, context.data_dir)
    except FootnoteError as error:
        return Check("reader fence", "fail", error.message)
    except OSError as error:
        return Check("reader fence", "fail", f"no reader could be started: {error}. Free some space and memory.")
    can = [
        what
        for what, able in (
            ("open other files of this user", found.reads),
            ("write outside its folder", found.writes),
            ("reach other programs by network", found.connects),
        )
        if able
    ]
    if not can:
        kept = "only the file that is read can be opened, the network is out of reach"
        return Check("reader fence", "ok", f"{kept}; memory, time and output are limited")
    advice = "A Linux kernel with Landlock (5.13; 6.7 for the network) keeps it from that; so does a container."
    return Check("reader fence", "warn", f"a hostile file that takes over its reader can {', '.join(can)}. {advice}")


def _models(context: CommandContext) -> Iterator[Check]:
    settings = context.settings
    try:
        yield Check("embedding model", "ok", embedder_in_use(settings)[1])
    except FootnoteError as error:
        yield Check("embedding model", "fail", error.message)
    if settings.retrieval.reranker:
        from rag.models.cross_encoder import locate_reranker

        try:
            found = locate_reranker(settings.retrieval.reranker)
            yield Check("reranker", "ok", f"{found.name} in {found.folder}, reranks {settings.retrieval.rerank} chunks")
        except FootnoteError as error:
            yield Check("reranker", "fail", error.message)


def embedder_in_use(settings: Settings) -> tuple[str, str]:
    """The name of the settings' embedding model, and what is used of it in words. A server is asked for it.

    Raises DependencyError, ConfigurationError.
    """
    embedding = settings.embedding
    if embedding.on_server():
        from rag.library import open_embedder

        opened = open_embedder(settings)
        return opened.model, f"{opened.model}, {opened.dimension} dimensions, {opened.describe()}"
    from rag.models.embedding import locate_embedder
    from rag.models.recipe import read_recipe

    prefixes = embedding.query_prefix, embedding.passage_prefix
    folder, name = locate_embedder(embedding.model, settings.resolved_model_dir(), *prefixes)
    return name, f"{name} in {folder}, hashes match, {read_recipe(folder, name, *prefixes)}"


def _backend(context: CommandContext) -> Iterator[Check]:
    from rag.generation import make_generator
    from rag.generation.judges import ASK_THE_MODEL

    settings = context.settings

    async def describe() -> tuple[BackendReport, Sequence[ServerState], bool]:
        generator = make_generator(settings.generation, settings.resolved_model_dir())
        try:
            return await generator.describe(), generator.servers, generator.follows_instructions
        finally:
            await generator.aclose()

    by_model = settings.answers.judge == ASK_THE_MODEL
    try:
        report, servers, follows = asyncio.run(describe())
        shown = f"{report.model or report.backend}{f' at {report.address}' if report.address else ''}: {report.detail}"
        yield Check("language model", "ok" if report.reachable else "fail", shown)
        for server in servers:
            if server.problem:
                yield Check("language model", "warn", f"{server.address} is left out: {server.problem}")
        if by_model:
            none = f"none: the {report.model} back end has no language model to ask"
            yield _model_judge(report) if follows else Check("judge", "ok", none)
    except FootnoteError as error:
        yield Check("language model", "fail", error.message)
    if not by_model and settings.answers.judge not in NO_JUDGE:
        yield _judge(settings.answers.judge)


def _judge(named: str) -> Check:
    from rag.generation.judges import locate_judge

    try:
        found, _ = locate_judge(named)
    except FootnoteError as error:
        return Check("judge", "fail", error.message)
    return Check("judge", "ok", f"{found.name} in {found.folder}")


def _model_judge(report: BackendReport) -> Check:
    """How the language model judges: by its state, if there is a probe of it and a file of its first layers."""
    from rag.models.gguf import find_first_layers
    from rag.models.judge_probe import ProbeError, read_probe
    from rag.prompting.prompts import JUDGE_PROMPT_VERSION

    replies = "the language model is asked where the words settle no verdict"
    try:
        probe = read_probe()
        if not report.reachable or not probe.fits(report.model, JUDGE_PROMPT_VERSION):
            return Check("judge", "ok", replies)
        model = Path(report.address)
        found = find_first_layers(model, probe.layers)
    except ProbeError as error:
        return Check("judge", "warn", f"{replies}, by its first token, because {error}. Install Footnote again.")
    except FootnoteError as error:
        return Check("judge", "warn", f"{replies}, by its first token: {error.message}")
    reads = f"where the words settle no verdict, the state of {report.model} after {probe.layers} layers is read"
    if found is not None:
        return Check("judge", "ok", f"{reads}, from {found}")
    if os.access(model.parent, os.W_OK):
        return Check("judge", "ok", f"{reads}; they are written to {model.parent} with the first sentence")
    advice = f"Run `footnote models pull {report.model.removeprefix('embedded/')}` as the owner of {model.parent}."
    return Check("judge", "warn", f"{replies}, by its first token: its first layers are not beside it. {advice}")


def _data(context: CommandContext, server: RunningServer | None) -> Iterator[Check]:
    folder, host = context.data_dir, context.settings.server.host
    if context.settings.server.insecure:
        advice = "Unset FOOTNOTE_SERVER__INSECURE, and create keys with `footnote keys create NAME`."
        yield Check("server", "warn", f"everyone who reaches {host} is answered without a key. {advice}")
    if server is not None:
        yield _server(server)
    if not context.has_catalog():
        yield Check("data directory", "ok", f"{folder} holds no catalog yet; `footnote ingest PATH` creates it")
        return
    if context.settings.database_url:
        with suppress(OSError):  # the next line tells
            folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        yield Check("data directory", "fail", f"{folder} is not writable. Correct its permissions.")
        return
    free = shutil.disk_usage(folder).free
    room: Status = "fail" if free < NO_DISK_BYTES else "warn" if free < LOW_DISK_BYTES else "ok"
    advice = "" if room == "ok" else ". Free some disk space."
    yield Check("disk", room, f"{size_in_words(free)} free on the disk of {folder}{advice}")
    try:
        with context.open_catalog() as catalog:
            yield from _catalog(context, catalog, is_served=server is not None)
            yield from _originals(context, catalog)
            if server is None:
                yield from _indexes(context, catalog)
    except FootnoteError as error:
        yield Check("catalog", "fail", error.message)


def _server(server: RunningServer) -> Check:
    import httpx

    from api.client.calls import http_options
    from api.http.schemas.health import Ready

    url = server.url
    try:
        with httpx.Client(**http_options(url, server.key, server.certificate)) as client:
            answer = client.get("/readyz", timeout=5)
    except httpx.TransportError as error:
        return Check("server", "fail", f"{url} does not answer ({error!r}). Stop the server and start it again.")
    if not answer.is_success:
        return Check("server", "fail", f"{url} is not ready: {answer.text}")
    return Check("server", "ok", f"{url} is ready; {Ready.model_validate_json(answer.content).model.detail}")


def _catalog(context: CommandContext, catalog: Catalog, *, is_served: bool) -> Iterator[Check]:
    problems = catalog.check_integrity()
    if problems:
        yield Check("catalog", "fail", f"{catalog.name} is damaged: {problems[0]}. Run `footnote restore FILE`.")
        return
    totals = catalog.documents.totals()
    yield Check(
        "catalog",
        "ok",
        f"{sum(totals.documents.values()):,} documents, {totals.pages:,} pages, {totals.chunks:,} chunks, intact",
    )
    if failures := totals.documents.get("failed", 0):
        yield Check("failed documents", "warn", f"{failures:,} could not be read. `footnote docs list` shows them.")
    unfinished = sum(totals.documents.get(status, 0) for status in UNFINISHED)
    if unfinished and not is_served:
        advice = "Ingest their folder again, or run `footnote serve`."
        yield Check("unfinished documents", "warn", f"{unfinished:,} are not processed yet. {advice}")
    yield from _stamps(context, catalog)


def _stamps(context: CommandContext, catalog: Catalog) -> Iterator[Check]:
    settings, stored = context.settings, catalog.stamps.stored()
    if not stored:
        return
    wanted = {"chunking": settings.chunking.version}
    with suppress(FootnoteError):  # the check of the embedding model reports it
        wanted["embedding_model"] = embedder_in_use(settings)[0]
    differing = [
        f"{name} {stored[name]} (the settings say {value})"
        for name, value in wanted.items()
        if stored.get(name, value) != value
    ]
    if differing:
        advice = "Restore the setting, or run `footnote rebuild --embed`."
        yield Check("stamps", "fail", f"the catalog was built with {', '.join(differing)}. {advice}")
    else:
        shown = sorted((name, value) for name, value in stored.items() if name != PROBE)
        yield Check("stamps", "ok", ", ".join(f"{name} {value}" for name, value in shown))


def _originals(context: CommandContext, catalog: Catalog) -> Iterator[Check]:
    records, _ = catalog.documents.list_documents()
    found = catalog.originals.entries()
    stored = {one.sha256 for one in found}
    missing = [record.name for record in records if record.sha256 not in stored]
    named = {record.sha256 for record in records} | {sha256 for _, _, sha256 in catalog.removals.pending()}
    stray = sum(one.sha256 not in named for one in found)
    place = catalog.originals.name
    if missing:
        shown = ", ".join(missing[:3])
        advice = "Ingest these files again."
        yield Check("originals", "fail", f"{len(missing):,} are missing in {place}, for example {shown}. {advice}")
    elif stray:
        advice = "`footnote compact` deletes them after an hour" if catalog.shared else "the next start deletes them"
        yield Check("originals", "warn", f"{stray:,} files in {place} belong to no document; {advice}")
    else:
        yield Check("originals", "ok", f"{len(named):,} files in {place}, none missing")


def _verify(context: CommandContext, catalog: Catalog, repair: bool, progress: Progress) -> Iterator[Check]:
    """Compare everything row by row; the indexes only while no other process owns the data directory."""
    from rag.index.verify import repair_index, verify_index
    from rag.library import open_own_index
    from rag.store.verify import verify_catalog

    found = list(verify_catalog(catalog, progress.overall))
    advice = "Restore a backup, or upload these documents again."
    yield _compared("catalog, row by row", found, "every document agrees with its rows and its original", advice)
    stamps = catalog.stamps.stored()
    if "dimension" not in stamps:
        return
    try:
        with (
            claim_directory(context.data_dir, context.command),
            closing(open_own_index(catalog, context.settings.index_url)) as index,
        ):
            differing = verify_index(catalog, index, progress.overall)
            seen = "every chunk is in both indexes once, with the catalog's vector"
            if differing and repair:
                seen = f"repaired: {len(differing):,} differences, first {_in_words(differing[0])}"
                differing = repair_index(catalog, index, progress.overall)
    except DataDirectoryInUse as error:
        yield Check("indexes, row by row", "warn", f"not compared. {error.message}")
        return
    yield _compared("indexes, row by row", differing, seen, "Run `footnote doctor --repair`.")


def _compared(name: str, found: Sequence[Difference], agreed: str, advice: str) -> Check:
    if not found:
        return Check(name, "ok", agreed)
    shown = "; ".join(_in_words(one) for one in found[:3])
    return Check(name, "fail", f"{len(found):,} differences, for example {shown}. {advice}")


def _in_words(one: Difference) -> str:
    return f"{one.part}: {f'{one.document}: ' if one.document else ''}{one.detail}"


def _indexes(context: CommandContext, catalog: Catalog) -> Iterator[Check]:
    """Compare the sizes of the indexes with the catalog, unless another process owns the data directory."""
    from rag.library import open_own_index

    stamps = catalog.stamps.stored()
    if "dimension" not in stamps:
        return
    try:
        with claim_directory(context.data_dir, context.command):
            index = open_own_index(catalog, context.settings.index_url)
            try:
                vectors, words = index.counts()
            finally:
                index.close()
    except DataDirectoryInUse as error:
        yield Check("indexes", "warn", f"not checked. {error.message}")
        return
    chunks = catalog.documents.totals().chunks
    seen = f"{vectors:,} vectors and {words:,} keyword rows for {chunks:,} chunks"
    if vectors == words == chunks:
        yield Check("indexes", "ok", seen)
    elif catalog.shared and not words:
        yield Check("indexes", "ok", "none here; a server of this catalog builds one when it starts")
    else:
        yield Check("indexes", "warn", f"{seen}; the next start repairs them, or run `footnote rebuild`")
