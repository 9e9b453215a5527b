"""The engines of vectors that the tests have, as servers for `evals/scale.py`: `python -m engines NAME FOLDER`.

The first line on stdout is the URL, the folder whose bytes count, and the id of the process. The server ends with its
input. Data stay in the folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import qdrant_server
import sqlalchemy as sa
from postgres_server import own_server
from qdrant_server import QdrantStandIn

_SHARED_BUFFERS = "-c shared_buffers=1GB -c maintenance_work_mem=512MB -c max_wal_size=4GB"
_DATABASE = "vectors"
Running = tuple[str, Path, int]


@contextmanager
def pgvector(folder: Path) -> Iterator[Running]:
    """A Postgres that syncs its files, with memory as for a server of its own."""
    with own_server(folder, _SHARED_BUFFERS) as url:
        place = sa.make_url(url).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(place, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            if not connection.exec_driver_sql(f"SELECT 1 FROM pg_database WHERE datname = '{_DATABASE}'").first():
                connection.exec_driver_sql(f"CREATE DATABASE {_DATABASE}")
        engine.dispose()
        named = place.set(drivername="postgresql", database=_DATABASE).render_as_string(hide_password=False)
        pid = int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        yield named, folder / "data" / "base", pid


class LastingQdrant(QdrantStandIn):
    """The stand-in with Qdrant's own thresholds, and collections that stay.

    As with the real server a write returns before it is in the graph of HNSW. The graph is built with all processors
    when the server ends, where vectors of 20 MB and more have none.
    """

    def open_collections(self) -> None:
        for path in self.folder.iterdir():
            self._shards[path.name] = qdrant_server.edge.EdgeShard.load(str(path))
            self._fields[path.name] = set()

    def drop_collections(self) -> None:
        for shard in self._shards.values():
            shard.optimize()
            shard.flush()
            shard.close()

    def _config(self, body: Any) -> Any:
        edge, hnsw = qdrant_server.edge, body.get("hnsw_config") or {}
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=body["vectors"]["size"], distance=edge.Distance.Cosine),
            hnsw_config=edge.HnswIndexConfig(hnsw["m"], hnsw["ef_construct"], 10_000),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=20_000, default_segment_number=2),
        )

    def _settle(self, name: str) -> None:
        """Nothing: see above."""


@contextmanager
def qdrant(folder: Path) -> Iterator[Running]:
    """Qdrant's engine behind its REST calls."""
    folder.mkdir(parents=True, exist_ok=True)
    with LastingQdrant(folder) as server:
        server.open_collections()
        yield server.url, folder, os.getpid()


ENGINES: Mapping[str, Callable[[Path], AbstractContextManager[Running]]] = {"pgvector": pgvector, "qdrant": qdrant}


def main() -> None:
    """Run one until the end of input."""
    parser = argparse.ArgumentParser(prog="python -m engines", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("engine", choices=list(ENGINES))
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    with ENGINES[options.engine](options.folder.absolute()) as running:
        print(*running, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main()
