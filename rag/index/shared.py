"""Which engine a URL of vectors names. Engines that replicas share are imported only where a URL names them."""

from __future__ import annotations

from rag.errors import ConfigurationError
from rag.index.parts import VectorPart


def open_shared(url: str, origin: str, dimension: int) -> VectorPart:
    """The vectors of this `origin` and `dimension` at the URL of FOOTNOTE_INDEX_URL.

    Raises ConfigurationError where no engine has such a URL, and what the engine raises.
    """
    scheme, mark, _ = url.partition("://")
    if scheme.startswith("postgres"):
        from rag.index.pgvector import PgVectorIndex

        return PgVectorIndex(url, origin, dimension)
    if scheme in ("qdrant", "qdrants"):
        from rag.index.qdrant import QdrantIndex

        return QdrantIndex(url, origin, dimension)
    raise ConfigurationError(
        f"FOOTNOTE_INDEX_URL {f'begins with {scheme!r}' if mark else 'is no URL'}. Write "
        "postgresql://USER:PASSWORD@HOST:5432/DATABASE for pgvector, qdrant://:KEY@HOST:6333 for Qdrant, or leave it "
        "empty for Chroma in the data directory."
    )
