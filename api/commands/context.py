"""What every command is given: the settings, the ways to open the parts, and where to print."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rag.errors import NotFound
from rag.logs import writes_json
from rag.settings import Settings
from rag.store.catalog import CATALOG_FILE, REPLACED, Catalog
from rag.store.lock import RunningServer, running_server
from rag.types import Embedder, Generator

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

    from api.client import Client
    from api.commands.progress import Progress
    from ingest.runtime import Runtime
    from rag.library import Library

log = logging.getLogger(__name__)


def dump_json(document: object) -> str:
    """JSON that stdout can print: escaped where the encoding of stdout lacks a character."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return json.dumps(document, indent=2)
    return text


def client_of(server: RunningServer) -> Client:
    """A client of the running server, with the key that it left for this machine's commands."""
    from api.client import Client

    return Client(server.url, server.key, certificate=server.certificate)


@dataclass(frozen=True, slots=True)
class Models:
    """The models that a command uses. None stands for the model that the settings name."""

    embedder: Embedder | None = None
    generator: Generator | None = None


@dataclass(frozen=True, slots=True)
class CommandContext:
    """One call of the command line. Results go to stdout, everything else to stderr."""

    settings: Settings
    command: str
    as_json: bool = False
    models: Models = Models()

    @property
    def data_dir(self) -> Path:
        """The absolute path of the data directory."""
        return Path(self.settings.data_dir).expanduser().absolute()

    def open_library(self, *, asks: bool = True, heals: bool = True) -> Library:
        """The Library, opened in this process; use it in a `with`.

        With `asks` False, the models that only questions need are not opened; with `heals` False, damaged indexes are
        left to `Index.heal`. Raises DataDirectoryInUse, IndexMismatch, DependencyError, ConfigurationError.
        """
        from rag.library import Library

        return Library(
            self.settings.model_copy(update={"data_dir": self.data_dir}),
            self.command,
            embedder=self.models.embedder,
            generator=self.models.generator,
            asks=asks,
            heals=heals,
        )

    def open_runtime(self) -> Runtime:
        """The Library with the worker that processes documents in the background."""
        from ingest.runtime import Runtime

        return Runtime(self.open_library(heals=False), own_process=self.models.embedder is None)

    def load_embedder(self) -> Embedder:
        """The embedding model, without the Library. Raises DependencyError."""
        from rag.library import open_embedder

        return self.models.embedder or open_embedder(self.settings)

    def with_settings(self, settings: Settings) -> CommandContext:
        """The same call with other settings."""
        return replace(self, settings=settings)

    def find_server(self) -> RunningServer | None:
        """The server that owns the data directory, or None. Prints the directory on stderr."""
        server = running_server(self.data_dir)
        self.say(f"Data directory: {self.data_dir}{f' (served at {server.url})' if server else ''}")
        return server

    @contextmanager
    def open_catalog(self) -> Iterator[Catalog]:
        """The catalog alone. Several processes may read and write it at the same time."""
        catalog = Catalog(self.data_dir, *self.settings.store_place[1:])
        try:
            yield catalog
        finally:
            catalog.close()

    def has_catalog(self) -> bool:
        """Whether there is a catalog: on Postgres, where opening creates it, or in the data directory, even one that
        cannot be opened after an interrupted restore.
        """
        return bool(self.settings.database_url) or any(
            (self.data_dir / name).exists() for name in (CATALOG_FILE, REPLACED)
        )

    def require_catalog(self) -> None:
        """Raise NotFound where nothing was ever ingested, before the directory is created and models are loaded."""
        if not self.has_catalog():
            raise NotFound(
                f"There are no documents in {self.data_dir}. Add some with `footnote ingest PATH`, or name the data "
                "directory that holds yours: --data-dir DIR."
            )

    def say(self, line: str) -> None:
        """Print one line on stderr; where that takes JSON only, log it."""
        from api.commands.tables import printable

        if writes_json():
            log.info("%s", line)
            return
        print(printable(line), file=sys.stderr, flush=True)  # noqa: T201

    def print_json(self, document: object) -> None:
        """Print the JSON document of `--json` on stdout."""
        print(dump_json(document))  # noqa: T201

    def print_json_line(self, document: object) -> None:
        """Print a JSON document on one line of stdout, at once: for commands that print one after another."""
        print(json.dumps(document), flush=True)  # noqa: T201

    def print_model(self, model: BaseModel) -> None:
        """Print a response body of the HTTP API as JSON, exactly as the server sends it."""
        self.print_json(model.model_dump(mode="json"))

    def console(self) -> Console:
        """The console for tables: stdout, as wide as the terminal, or 160 columns where stdout is not a terminal."""
        from rich.console import Console

        width = None if sys.stdout.isatty() else 160
        return Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)

    def progress(self, unit: str, *, events: bool = False) -> Progress:
        """Progress on stderr: bars in a terminal, otherwise a line every few seconds; with `events` a JSON object for
        each step. Use it in a `with`.
        """
        from api.commands.progress import Events, show_progress

        return Events(unit) if events else show_progress(unit)
