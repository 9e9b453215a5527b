"""Qdrant alone: what its URL says, what its server is asked, and what is told where it cannot answer."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from builders import DIMENSION, ingest, many_paragraphs, rows_of, unit
from conftest import ScriptedGenerator, WordHashEmbedder
from qdrant_server import QdrantStandIn

from api.cli import main
from rag.errors import ConfigurationError, DependencyError
from rag.index import qdrant
from rag.index.qdrant import Place, QdrantIndex, read_url
from rag.index.verify import verify_index
from rag.library import Library
from rag.retrieval.scope import Scope
from rag.settings import Settings

pytest.importorskip("qdrant_client", reason="qdrant-client is not installed: pip install 'footnote-rag[qdrant]'")

KEY = "s3cret/of@ours"
IN_A_URL = "s3cret%2Fof%40ours"
Start = Callable[..., QdrantStandIn]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a stand-in server; all are stopped after the test."""
    servers: list[QdrantStandIn] = []

    def start_one(**options: object) -> QdrantStandIn:
        server = QdrantStandIn(tmp_path / f"qdrant-{len(servers)}", **options)  # type: ignore[arg-type]
        servers.append(server.__enter__())
        return server

    yield start_one
    for server in servers:
        server.__exit__()


def opened(url: str, origin: str = "catalog model") -> QdrantIndex:
    return QdrantIndex(url, origin, DIMENSION)


# The URL --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("qdrant://db", Place("Qdrant on db:6333", "http://db:6333")),
        (f"qdrants://:{IN_A_URL}@db:443/at/", Place("Qdrant on db:443", "https://db:443/at", key=KEY)),
        ("qdrant://[::1]:7000", Place("Qdrant on [::1]:7000", "http://[::1]:7000")),
        (
            "qdrant://db?shard_number=3&replication_factor=2",
            Place("Qdrant on db:6333", "http://db:6333", shard_number=3, replication_factor=2),
        ),
        ("qdrant:///a%20folder", Place("the folder /a folder of Qdrant", folder="/a folder")),
    ],
)
def test_a_url_names_a_server_or_a_folder(url: str, place: Place) -> None:
    assert read_url(url) == place
    assert KEY not in repr(read_url(url))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("qdrant://:s3cret/x@db:6333", "is no URL"),  # an unescaped slash: all after it is taken for the path
        ("qdrant://:s3cret?x@db", "is no URL"),
        ("qdrant://[db", "is no URL"),
        ("qdrants:///data", "names no server"),
        ("qdrant://", "names no server"),
        ("qdrant://s3cret@db", "names a user"),
        ("qdrant://:s3cret%0A@db", "no header can send"),
        ("qdrant://db?api_key=s3cret", "has the option api_key"),
        ("qdrant://db?shard_number=0", "has the option shard_number=0"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_without_its_key(url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        read_url(url)
    assert "s3cret" not in caught.value.message
    assert caught.value.__cause__ is None


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(ConfigurationError, match=r"footnote-rag\[qdrant\]"):
        opened("qdrant://db")


# The server -----------------------------------------------------------------------------------------------------------


def test_every_call_has_the_key_and_errors_do_not_show_it(start: Start) -> None:
    server = start(key=KEY)
    url = f"qdrant://:{IN_A_URL}@127.0.0.1:{server.port}"
    part = opened(url)
    part.put(rows_of("a"))
    assert part.search(unit(1), 1, None, None)[0][0] == "a-1"
    assert set(server.keys) == {KEY}
    server.failing = 507
    with pytest.raises(DependencyError, match=rf"Qdrant on 127.0.0.1:{server.port} answers 507: .* no space") as caught:
        part.count()
    assert KEY not in str(caught.value)
    part.close()
    server.failing = 0
    with pytest.raises(DependencyError, match=r"refuses the API key \(401\)") as caught:
        opened(f"qdrant://:wrong-one@127.0.0.1:{server.port}")
    assert "wrong-one" not in str(caught.value)


def test_collections_of_other_models_and_catalogs_are_apart(start: Start) -> None:
    url = start().url
    parts = [opened(url, origin) for origin in ("one", "two")]
    parts[0].put(rows_of("a"))
    assert [part.count() for part in parts] == [3, 0]
    for part in parts:
        part.close()


def test_points_that_are_there_already_are_not_written_again(start: Start) -> None:
    server = start()
    one, other = opened(server.url), opened(server.url)
    one.put([*rows_of("a", 3), *rows_of("b", 300, seed=10)])

    def written() -> list[int]:
        found = [
            len(body["points"]) for method, path, body in server.calls if (method, path[-7:]) == ("PUT", "/points")
        ]
        server.calls.clear()
        return found

    assert sum(written()) == 303
    other.put([*rows_of("a", 3), *rows_of("b", 300, seed=10)])
    assert written() == []
    other.put([(replace(stored, collection="moved"), vector) for stored, vector in rows_of("a", 3)])
    assert written() == [3]
    assert {chunk_id for chunk_id, _ in one.search(unit(0), 9, ["moved"], None)} == {"a-0", "a-1", "a-2"}
    for part in (one, other):
        part.close()


def test_a_collection_is_made_with_the_options_of_the_url(start: Start) -> None:
    server = start()
    opened(f"{server.url}?shard_number=2&replication_factor=3").close()
    created = next(body for method, path, body in server.calls if method == "PUT" and path.count("/") == 2)
    assert (created["shard_number"], created["replication_factor"]) == (2, 3)
    assert {body["field_name"] for _, path, body in server.calls if path.endswith("/index")} == {
        "collection",
        "document_id",
    }


def test_a_collection_that_somebody_dropped_is_made_anew_at_the_next_start(start: Start) -> None:
    server = start()
    part = opened(server.url)
    server.drop_collections()
    with pytest.raises(DependencyError, match=r"answers 404: .* Start Footnote again"):
        part.put(rows_of("a"))
    part.close()
    again = opened(server.url)
    again.put(rows_of("a"))
    assert again.count() == 3
    again.close()


def test_what_the_server_says_is_wrong_with_a_collection_is_told(start: Start) -> None:
    server = start()
    part = opened(server.url)
    server.health = {"status": "red", "optimizer_status": {"error": "no space left"}}
    status, optimizer = part.check_database()
    assert "has the status red" in status
    assert "no space left" in optimizer
    part.close()


def test_a_server_that_cannot_be_used_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"has version 1\.17\.1; 1\.18\.0 is needed"):
        opened(start(version="1.17.1").url)
    with pytest.raises(DependencyError, match=r"Qdrant on 127\.0\.0\.1:9 does not answer.*FOOTNOTE_INDEX_URL is right"):
        opened("qdrant://127.0.0.1:9")
    monkeypatch.setattr(qdrant, "_TIMEOUT_S", 1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # takes connections and says nothing
        pytest.raises(DependencyError, match="does not answer: ReadTimeout"),
    ):
        opened(f"qdrant://127.0.0.1:{silent.getsockname()[1]}")


def test_a_server_of_another_kind_is_told(start: Start) -> None:
    with pytest.raises(DependencyError, match="does not answer as Qdrant does"):
        opened(start(page="<html>").url)


def test_https_needs_a_certificate_that_is_trusted(start: Start, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    server = start(certificate=(certificate, key), key=KEY)
    for scheme, told in (("qdrants", "CERTIFICATE_VERIFY_FAILED"), ("qdrant", "qdrant:// is http")):
        with pytest.raises(DependencyError, match=told):
            opened(f"{scheme}://:{IN_A_URL}@127.0.0.1:{server.port}")
    assert server.keys == []


# Local mode -----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the client leaves its lock file open
def test_a_folder_is_of_one_process_at_a_time(tmp_path: Path) -> None:
    part = opened(f"qdrant://{tmp_path}")
    with pytest.raises(DependencyError, match="one process at a time"):
        opened(f"qdrant://{tmp_path}")
    part.close()
    opened(f"qdrant://{tmp_path}").close()


def test_a_folder_is_searched_while_it_is_written(tmp_path: Path) -> None:
    part = opened(f"qdrant://{tmp_path}")
    part.put(rows_of("kept", 5))
    failed: list[BaseException] = []

    def write() -> None:
        try:
            for n in range(30):
                part.put(rows_of(f"d{n}", 10, seed=10 * n + 100))
                part.remove([f"d{n}"])
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        assert part.search(unit(2), 1, None, ["kept"])[0][0] == "kept-2"
    writer.join()
    assert failed == []
    assert part.documents().keys() == {"kept"}
    part.close()


# The whole index ------------------------------------------------------------------------------------------------------


def test_answers_go_on_while_the_server_is_gone_and_commands_work_on_it(
    settings: Settings, start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start(key=KEY)
    url = f"qdrant://:{IN_A_URL}@127.0.0.1:{server.port}"
    with Library(
        settings.model_copy(update={"index_url": url}),
        "test",
        embedder=WordHashEmbedder(),
        generator=ScriptedGenerator(),
    ) as library:
        ingest(library, many_paragraphs(3, "kept"), "kept.md")
        gone = ingest(library, many_paragraphs(3, "gone"), "gone.md")
        server.failing = 503
        assert [hit.document_name for hit in library.searcher.search("kept1", Scope(), 1)] == ["kept.md"]
        asked = len(server.calls)
        assert [hit.document_name for hit in library.searcher.search("kept2", Scope(), 1)] == ["kept.md"]
        assert len(server.calls) == asked  # it has just failed
        library.catalog.removals.delete(gone)
        assert {hit.document_name for hit in library.searcher.search("gone1", Scope(), 9)} <= {"kept.md"}
        with pytest.raises(DependencyError, match="answers 503"):
            library.index.purge_removed(library.catalog)
        server.failing = 0
        library.index.purge_removed(library.catalog)
        assert library.index.counts() == (3, 3)
        assert verify_index(library.catalog, library.index) == []
    monkeypatch.setenv("FOOTNOTE_INDEX_URL", url)
    monkeypatch.setenv("FOOTNOTE_DATA_DIR", str(settings.data_dir))
    for command in (["rebuild"], ["compact"], ["doctor", "--verify"]):
        main(command)
    printed = capsys.readouterr()
    assert "Indexed 1 documents with 3 chunks" in printed.out
    assert "every chunk is in both indexes once" in printed.out
    assert KEY not in printed.out + printed.err
    assert IN_A_URL not in printed.out + printed.err
