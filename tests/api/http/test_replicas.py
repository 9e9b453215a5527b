"""Two real applications, each with an index of its own, on one Postgres catalog."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from builders import run_sql
from conftest import ScriptedGenerator, WordHashEmbedder
from serving import Served

from ingest.projector import Projector
from rag.errors import ConfigurationError
from rag.index.verify import verify_index
from rag.settings import Settings
from rag.store.replicas import REPLICA_S

PATIENCE_S = 60
LEAVE = "Ten unused vacation days carry over to the next year."

pytestmark = pytest.mark.databases("postgres", "s3")
Two = tuple[Served, Served]


def elsewhere(settings: Settings, **server: object) -> Settings:
    """The settings of a replica with another data directory, and the same database and originals."""
    shared = settings.originals_url or f"file://{settings.data_dir / 'originals'}"
    other = {"data_dir": settings.data_dir.with_name("replica"), "originals_url": shared}
    return settings.model_copy(update=other | {"server": settings.server.model_copy(update=server)})


@pytest.fixture
def two(serve: Callable[..., Served], settings: Settings) -> Two:
    """Two applications, which work in the background."""
    return serve(work=True), serve(elsewhere(settings), work=True)


def joined(served: Served) -> Served:
    """The application, which others wait for although nothing works in its background."""
    served.library.follower.keep_up()
    return served


def wait_until_ready(served: Served, document_id: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (status := served.client.get(f"/v1/documents/{document_id}").json()["status"]) != "ready":
        assert status != "failed"
        assert time.monotonic() < deadline, status
        time.sleep(0.02)


def test_a_document_appears_on_every_replica_at_once_and_disappears_at_once(two: Two) -> None:
    for one, other in (two, two[::-1]):
        document_id = one.upload("leave.md", LEAVE.encode())["id"]
        wait_until_ready(one, document_id)
        assert [replica.found("vacation days") for replica in (one, other)] == [["leave.md"], ["leave.md"]]
        assert other.client.get(f"/v1/documents/{document_id}/file").content == LEAVE.encode()
        asked = other.client.post("/v1/query", json={"question": "How many vacation days carry over?"}).json()
        assert [hit["document_name"] for hit in asked["retrieved"]] == ["leave.md"]
        assert one.client.delete(f"/v1/documents/{document_id}").status_code == 204
        assert [replica.found("vacation days") for replica in (other, one)] == [[], []]
        asked = other.client.post("/v1/query", json={"question": "How many vacation days carry over?"}).json()
        assert (asked["retrieved"], asked["citations"]) == ([], [])
        assert other.client.get(f"/v1/documents/{document_id}").status_code == 404


def test_a_new_version_replaces_the_old_one_without_a_gap_on_any_replica(two: Two) -> None:
    one, other = two
    wait_until_ready(one, one.upload("leave.md", LEAVE.encode())["id"])
    new = one.upload("leave.md", LEAVE.replace("Ten", "Twelve").encode())["id"]
    deadline = time.monotonic() + PATIENCE_S
    seen: list[list[str]] = []
    while one.client.get(f"/v1/documents/{new}").json()["status"] != "ready":
        seen.append([hit["text"][:6] for hit in _hits(other)])
        assert time.monotonic() < deadline
    seen.append([hit["text"][:6] for hit in _hits(other)])
    assert seen[-1] == ["Twelve"]
    assert {tuple(texts) for texts in seen} <= {("Ten un",), ("Twelve",)}


def _hits(served: Served) -> list[dict[str, str]]:
    hits: list[dict[str, str]] = served.client.post("/v1/search", json={"query": "vacation days"}).json()["hits"]
    return hits


def test_a_removed_document_leaves_every_index_and_then_the_originals(two: Two) -> None:
    one, other = two
    document_id = one.upload("leave.md", LEAVE.encode())["id"]
    wait_until_ready(one, document_id)
    originals = one.library.catalog.originals
    assert originals.holds(document_id)
    other.client.delete(f"/v1/documents/{document_id}")
    deadline = time.monotonic() + PATIENCE_S
    while originals.holds(document_id) or any(sum(replica.library.index.counts()) for replica in two):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert run_sql(one.library.catalog, "SELECT count(*) FROM removals") == [(0,)]


def test_a_replica_that_was_away_catches_up_before_it_is_waited_for(
    serve: Callable[..., Served], settings: Settings
) -> None:
    one, other = (joined(serve(used)) for used in (settings, elsewhere(settings)))
    catalog, library = one.library.catalog, other.library
    kept = one.upload("kept.md", b"words that stay")["id"]
    one.prepare()
    assert one.client.get(f"/v1/documents/{kept}").json()["status"] == "indexing"  # the other has not indexed it
    run_sql(catalog, f"UPDATE replicas SET seen_at = seen_at - {REPLICA_S + 1} WHERE id <> :id", id=catalog.replicas.id)
    one.prepare()
    assert one.client.get(f"/v1/documents/{kept}").json()["status"] == "ready"
    assert other.found("words that stay") == []
    assert Projector(library.catalog, library.index, library.follower).project()
    assert other.found("words that stay") == ["kept.md"]
    assert verify_index(library.catalog, library.index) == []
    new = one.upload("new.md", b"newer words that stay")["id"]
    one.prepare()
    assert one.client.get(f"/v1/documents/{new}").json()["status"] == "indexing"  # it is waited for again


def test_a_replica_that_cannot_index_lets_the_others_publish(
    serve: Callable[..., Served], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (joined(serve(used)) for used in (settings, elsewhere(settings)))
    document_id = one.upload("a.md", b"words of a file")["id"]
    one.prepare()

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    library = other.library
    projector = Projector(library.catalog, library.index, library.follower)
    monkeypatch.setattr(library.index, "project", full)
    assert not projector.project()
    monkeypatch.undo()
    one.prepare()
    assert one.client.get(f"/v1/documents/{document_id}").json()["status"] == "ready"
    assert projector.project()
    assert other.found("words of a file") == ["a.md"]


def test_a_key_that_is_revoked_on_one_replica_is_refused_by_the_other(two: Two) -> None:
    one, other = two
    key, secret = one.library.catalog.keys.create("a reader", "read")
    headers = {"Authorization": f"Bearer {secret}"}
    assert other.client.get("/v1/collections", headers=headers).status_code == 200
    one.library.catalog.keys.revoke(key.id)
    assert other.client.get("/v1/collections", headers=headers).status_code == 401


def test_a_server_without_a_worker_publishes_what_others_prepare(
    serve: Callable[..., Served], settings: Settings
) -> None:
    from ingest.worker import work_on

    served = serve(elsewhere(settings, worker=False), work=True)
    document_id = served.upload("leave.md", LEAVE.encode())["id"]
    health = served.client.get("/readyz").json()["worker"]
    assert (health["status"], health["detail"]) == ("off", "this server prepares no documents; 1 wait for others")
    from rag.store.catalog import Catalog

    other = Catalog(*served.settings.store_place)
    try:
        assert work_on(other, WordHashEmbedder(), settings, once=True) == 1
    finally:
        other.close()
    wait_until_ready(served, document_id)
    assert served.found("vacation days") == ["leave.md"]


@pytest.mark.databases("sqlite")
def test_nobody_would_prepare_documents_of_sqlite_without_a_worker(settings: Settings) -> None:
    from serving import open_runtime

    server = settings.server.model_copy(update={"worker": False})
    with pytest.raises(ConfigurationError, match="FOOTNOTE_SERVER__WORKER"):
        open_runtime(settings.model_copy(update={"server": server}), WordHashEmbedder(), ScriptedGenerator())
