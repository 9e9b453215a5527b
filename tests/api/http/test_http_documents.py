"""Documents over HTTP: upload, list, read, delete, and the limits and errors of each call."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import pytest
from conftest import EVERYWHERE, ScriptedGenerator, WordHashEmbedder
from serving import Served, build_app, listening, wait_for

from api.admission import Admission, Capacity, without_limits
from api.http.routes.documents import attachment, preferred
from rag.settings import Settings, load_settings

LEAVE = (
    "Leave\nUp to 10 unused vacation days carry over to the next calendar year.",
    "Travel\nTrains are booked by Ms Ode.",
)


def test_a_document_from_upload_to_deletion(
    served: Served, generator: ScriptedGenerator, pdf: Callable[..., bytes]
) -> None:
    client, content = served.client, pdf(*LEAVE)
    document = served.upload("handbook.pdf", content)
    assert document == {"id": hashlib.sha256(content).hexdigest(), "name": "handbook.pdf", "status": "queued"}
    where = f"/v1/documents/{document['id']}"
    assert client.get(f"{where}/pages/1").status_code == 404
    served.prepare()

    state = client.get(where).json()
    created_at = state.pop("created_at")
    assert created_at.endswith("Z")
    assert state == {
        "id": document["id"],
        "name": "handbook.pdf",
        "parent_id": None,
        "media_type": "application/pdf",
        "collection": "default",
        "status": "ready",
        "pages": 2,
        "chunks": state["chunks"],
        "size_bytes": len(content),
        "error": None,
        "progress": 1.0,
        "metadata": state["metadata"],
        "notes": [],
    }
    assert state["chunks"] >= 1

    hits = client.post("/v1/search", json={"query": "unused vacation days", "top_k": 1}).json()["hits"]
    assert [(hit["rank"], hit["page"], hit["document_id"]) for hit in hits] == [(1, 1, document["id"])]
    assert set(hits[0]) == {
        "rank", "score", "scorer", "document_id", "document_name", "page", "start", "end", "text", "headings",
    }  # fmt: skip

    generator.reply = "Up to 10 unused vacation days carry over [1]."
    answer = client.post("/v1/query", json={"question": "How many unused vacation days carry over?"}).json()
    assert set(answer) == {
        "question", "answer", "status", "sentences", "citations", "retrieved", "model", "usage", "timings_ms",
        "settings_hash", "reason", "confidence", "standalone_question", "left_out", "thread_id", "turn_id",
    }  # fmt: skip
    assert answer["status"] == "answered"
    assert answer["retrieved"][0]["used"] is True
    (citation,) = answer["citations"]
    assert "10 unused vacation days carry over" in citation["quote"]
    assert citation["boxes"][0]["page"] == citation["page"] == 1

    pages = [client.get(f"{where}/pages/{number}").json() for number in (1, 2)]
    text = "".join(page["text"] for page in pages)
    assert text[citation["start"] : citation["end"]] == citation["quote"]
    assert [(page["page"], page["width"] > 0) for page in pages] == [(1, True), (2, True)]
    assert [(page["source"], page["confidence"]) for page in pages] == [("text", None)] * 2
    assert pages[0]["end"] == pages[1]["start"] == len(pages[0]["text"])

    assert client.delete(where).status_code == 204
    assert served.found("unused vacation days") == []
    assert client.get(where).status_code == 404
    assert client.delete(where).status_code == 404
    assert client.post("/v1/query", json={"question": "How many days carry over?"}).json()["status"] == "not_found"


def test_the_worker_makes_an_upload_ready(serve: Callable[..., Served]) -> None:
    served = serve(work=True)
    ready = threading.Event()
    publish_each = served.library.catalog.prepared.publish_each

    def publish_and_tell(document_ids: Sequence[str]) -> list[str]:
        done = publish_each(document_ids)
        ready.set()
        return done

    served.library.catalog.prepared.publish_each = publish_and_tell  # type: ignore[method-assign]
    served.upload("note.txt", b"The gate code is 4711.")
    assert ready.wait(60)
    assert served.found("gate code") == ["note.txt"]


def test_several_files_are_returned_in_their_order(served: Served) -> None:
    files = [("file", (f"{name}.txt", f"The {name} is here.".encode())) for name in ("pear", "fig", "plum")]
    answer = served.client.post("/v1/documents", files=files, data={"collection": "Früchte 2"})
    assert answer.status_code == 202
    assert [document["name"] for document in answer.json()["documents"]] == ["pear.txt", "fig.txt", "plum.txt"]
    listed = served.client.get("/v1/documents", params={"collection": "Früchte 2", "limit": 1, "offset": 1}).json()
    assert (listed["total"], [document["name"] for document in listed["documents"]]) == (3, ["fig.txt"])
    assert served.client.get("/v1/documents", params={"status": "ready"}).json() == {"documents": [], "total": 0}


def test_files_of_one_name_in_one_upload_do_not_replace_each_other(served: Served) -> None:
    files = [("file", ("readme.txt", b"The first pump is red.")), ("file", ("readme.txt", b"The second pump is blue."))]
    assert served.client.post("/v1/documents", files=files).status_code == 202
    served.prepare()
    assert served.found("pump") == ["readme.txt", "readme.txt"]


def test_the_same_bytes_again_are_the_same_document(served: Served) -> None:
    first = served.add("note.txt", b"The gate code is 4711.")
    again = served.upload("copy.txt", b"The gate code is 4711.")
    assert again == {"id": first, "name": "note.txt", "status": "ready"}
    assert served.client.get("/v1/documents").json()["total"] == 1


def test_the_same_bytes_in_two_collections_are_two_documents(served: Served) -> None:
    one = served.add("note.txt", b"The gate code is 4711.", collection="one")
    two = served.add("note.txt", b"The gate code is 4711.", collection="two")
    assert one != two
    assert served.client.delete(f"/v1/documents/{one}").status_code == 204
    served.runtime.projector.project()
    assert served.found("gate code", collection="two") == ["note.txt"]
    assert served.client.get(f"/v1/documents/{two}/file").content == b"The gate code is 4711."


def test_the_old_version_answers_until_the_new_one_replaces_it(served: Served) -> None:
    old = served.add("note.txt", b"The gate code is 4711.")
    new = served.upload("note.txt", b"The gate code is 4712.")["id"]
    served.prepare(publish=False)
    hits = served.client.post("/v1/search", json={"query": "gate code"}).json()["hits"]
    assert [hit["document_id"] for hit in hits] == [old]
    served.prepare()
    hits = served.client.post("/v1/search", json={"query": "gate code"}).json()["hits"]
    assert [hit["document_id"] for hit in hits] == [new]
    assert served.client.get(f"/v1/documents/{old}").status_code == 404


def test_a_file_replaces_the_document_of_the_same_source(served: Served) -> None:
    old = served.add("a.txt", b"The gate code is 4711.", source="file:///a.txt", modified_ns="1790000000000000000")
    known = served.library.catalog.uploads.known_sources("default")["file:///a.txt"]
    assert (known.document_id, known.modified_ns) == (old, 1_790_000_000_000_000_000)
    served.add("a.txt", b"Another file of this name.", source="file:///b.txt")
    assert served.client.get(f"/v1/documents/{old}").status_code == 200
    served.add("renamed.txt", b"The gate code is 4712.", source="file:///a.txt")
    assert served.client.get(f"/v1/documents/{old}").status_code == 404


@pytest.mark.parametrize(("content", "code"), [(b"", "empty"), (b"\x00\x01\x02\x03" * 99, "unsupported_type")])
def test_an_unreadable_file_is_accepted_and_fails_with_a_reason(served: Served, content: bytes, code: str) -> None:
    document = served.upload("odd.bin", content)
    served.prepare()
    state = served.client.get(f"/v1/documents/{document['id']}").json()
    assert (state["status"], state["error"]["code"]) == ("failed", code)
    assert "odd.bin" in state["error"]["message"]
    assert served.client.post("/v1/search", json={"query": "anything"}).json() == {"hits": []}


def test_a_document_without_pages_has_its_text(served: Served) -> None:
    document_id = served.add("note.md", b"# Gate\n\nThe gate code is 4711.\n")
    where = f"/v1/documents/{document_id}"
    missing = served.client.get(f"{where}/pages/1")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    (hit,) = served.client.post("/v1/search", json={"query": "gate code"}).json()["hits"]
    assert hit["page"] is None
    whole = served.client.get(f"{where}/text").json()
    assert whole["text"][hit["start"] : hit["end"]] == hit["text"]
    part = served.client.get(f"{where}/text", params={"start": hit["start"], "end": hit["end"]}).json()
    assert part == {"text": hit["text"], "start": hit["start"], "end": hit["end"], "length": len(whole["text"])}
    picture = served.client.get(f"{where}/pages/1", headers={"Accept": "image/png"})
    assert (picture.status_code, picture.json()["error"]["code"]) == (406, "not_acceptable")


@pytest.mark.databases(*EVERYWHERE)
def test_a_page_has_an_image(served: Served, pdf: Callable[..., bytes]) -> None:
    where = f"/v1/documents/{served.add('handbook.pdf', pdf(*LEAVE))}/pages"
    picture = served.client.get(f"{where}/2", headers={"Accept": "image/png, */*;q=0.1"})
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert picture.content.startswith(b"\x89PNG\r\n\x1a\n")
    assert served.client.get(f"{where}/3", headers={"Accept": "image/png"}).status_code == 404
    assert served.client.get(f"{where}/0").status_code == 404
    assert served.client.get(f"{where}/two").status_code == 422
    assert served.client.get(f"{where}/1", headers={"Accept": "text/css"}).status_code == 406


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ('a"; filename="evil.exe', 'a"; filename="evil.exe'),
        ("new\r\nline.txt", "new line.txt"),
        ("Größe.txt", "Größe.txt"),
    ],
)
def test_hostile_file_names_are_made_harmless(served: Served, name: str, shown: str) -> None:
    # as raw bytes, because a client library would escape the name
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\r\n", "\x0b")
    body = f'--B\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\nwords\r\n--B--\r\n'
    answer = served.client.post(
        "/v1/documents", content=body.encode(), headers={"Content-Type": "multipart/form-data; boundary=B"}
    )
    assert answer.status_code == 202, answer.text
    document = answer.json()["documents"][0]
    assert document["name"] == shown
    original = served.client.get(f"/v1/documents/{document['id']}/file")
    assert original.content == b"words"
    assert original.headers["x-content-type-options"] == "nosniff"
    assert original.headers["content-type"] == "application/octet-stream"
    disposition = original.headers["content-disposition"]
    assert disposition.startswith("attachment; ")
    assert disposition.count('"') == 2


def test_content_disposition_has_both_forms_of_a_name() -> None:
    both = "attachment; filename=\"Groe 1.pdf\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201.pdf"
    assert attachment("a/Größe 1.pdf") == both


def test_contents_of_a_document_are_not_cached(served: Served, pdf: Callable[..., bytes]) -> None:
    where = f"/v1/documents/{served.add('handbook.pdf', pdf(*LEAVE))}"
    for path, accept in (("text", "*/*"), ("file", "*/*"), ("pages/1", "*/*"), ("pages/1", "image/png")):
        answer = served.client.get(f"{where}/{path}", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), (path, accept)


async def test_waiting_page_images_do_not_block_other_calls(settings: Settings, pdf: Callable[..., bytes]) -> None:
    """Routes share 40 threads. All of them used to wait for page images, and a DELETE waited behind them."""
    app = build_app(settings, WordHashEmbedder(), ScriptedGenerator())
    admission = app.state.door.admission = Admission({**without_limits(), "render": Capacity(lambda: 0, 60, 0)})
    with listening(app) as url:
        with httpx.Client(base_url=url) as client:
            add = Served(app, client, settings).add  # type: ignore[arg-type]
            where = f"/v1/documents/{await asyncio.to_thread(add, 'handbook.pdf', pdf(*LEAVE))}"
        limits = httpx.Limits(max_connections=60)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
            asking = [
                asyncio.create_task(client.get(f"{where}/pages/1", headers={"Accept": "image/png"})) for _ in range(45)
            ]
            await asyncio.to_thread(wait_for, lambda: admission.loads["render"].waiting == 45)
            assert (await client.get("/v1/documents")).json()["total"] == 1
            assert (await client.get(where)).status_code == 200
            assert (await client.delete(where)).status_code == 204
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            await asyncio.to_thread(wait_for, lambda: admission.loads["render"].waiting == 0)


def test_listing_an_unknown_collection_is_not_found(served: Served) -> None:
    served.add("note.txt", b"The gate code is 4711.", collection="Bücher")
    answer = served.client.get("/v1/documents", params={"collection": "nowhere"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert "Bücher, default" in answer.json()["error"]["message"]
    assert served.client.get("/v1/documents", params={"collection": "default"}).json()["total"] == 0
    decomposed = unicodedata.normalize("NFD", "Bücher")
    assert served.client.get("/v1/documents", params={"collection": decomposed}).json()["total"] == 1
    assert served.found("gate code", collection=decomposed) == ["note.txt"]
    assert served.client.get("/v1/documents", params={"collection": "a/b"}).status_code == 422


def test_calls_that_can_conflict_describe_status_409(served: Served) -> None:
    paths = served.client.get("/openapi.json").json()["paths"]
    for path in ("/v1/documents", "/v1/query", "/v1/verify"):
        assert "409" in paths[path]["post"]["responses"], path


def test_the_accept_header_selects_the_media_type() -> None:
    offered = ("application/json", "image/png")
    assert preferred("*/*", offered) == "application/json"
    assert preferred("image/*", offered) == "image/png"
    assert preferred("image/png;q=0.5, application/json;q=0.4", offered) == "image/png"
    assert preferred("image/png;q=0, application/*", offered) == "application/json"
    assert preferred("text/html", offered) is None


def test_limits_of_an_upload(serve: Callable[..., Served], tmp_path: Path) -> None:
    served = serve(load_settings({}, data_dir=tmp_path / "small", server={"max_upload_mb": 1, "max_files": 2}))
    large = served.client.post("/v1/documents", files={"file": ("large.txt", b"a" * (2**20 + 1))})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")
    assert "FOOTNOTE_SERVER__MAX_UPLOAD_MB" in large.json()["error"]["message"]
    fits = served.client.post("/v1/documents", files={"file": ("fits.txt", b"a" * 2**20)})
    assert fits.status_code == 202
    many = served.client.post("/v1/documents", files=[("file", (f"{n}.txt", b"a")) for n in range(3)])
    assert (many.status_code, many.json()["error"]["code"]) == (422, "invalid_input")
    hopeless = served.client.post("/v1/documents", files={"file": ("huge.txt", b"a" * (4 * 2**20))})
    assert (hopeless.status_code, hopeless.headers["connection"]) == (413, "close")
    assert [path.name for path in (tmp_path / "small").iterdir() if path.name.startswith("tmp")] == []


def test_a_file_that_is_too_large_is_refused_while_it_arrives(settings: Settings) -> None:
    limits = settings.model_copy(update={"server": settings.server.model_copy(update={"max_upload_mb": 1})})
    app = build_app(limits, WordHashEmbedder(), ScriptedGenerator())
    with listening(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        for _ in range(3):
            answer = client.post("/v1/documents", files={"file": ("large.bin", b"a" * (12 << 20))})
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
            assert "'large.bin' is larger than 1 MiB" in answer.json()["error"]["message"]
        assert client.get("/v1/documents").json()["total"] == 0


def test_metadata_are_given_shown_and_used_as_a_filter(served: Served) -> None:
    files = [("file", (f"{year}.txt", f"Ten unused days carry over in {year}.".encode())) for year in (2019, 2026)]
    given = {"metadata": ['{"team": "quay", "year": 2019}', '{"team": "quay", "year": 2026}']}
    old, new = (one["id"] for one in served.client.post("/v1/documents", files=files, data=given).json()["documents"])
    served.prepare()
    shown = served.client.get(f"/v1/documents/{new}").json()["metadata"]
    assert (shown["team"], shown["year"]) == ("quay", 2026)
    for wanted, found in (({"year": {"gte": 2020}}, {new}), ({"team": "quay"}, {old, new}), ({"team": "x"}, set())):
        body = {"query": "unused days", "filter": wanted}
        hits = served.client.post("/v1/search", json=body).json()["hits"]
        assert {hit["document_id"] for hit in hits} == found
    for path, text in (("search", "query"), ("query", "question")):
        answer = served.client.post(f"/v1/{path}", json={text: "unused days", "filter": {"year": {"above": 1}}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_input")
        assert "filter.year.above" in answer.json()["error"]["message"]
    asked = {"question": "How many unused days carry over?", "filter": {"year": 1800}}
    assert served.client.post("/v1/query", json=asked).json()["retrieved"] == []
    again = served.client.post("/v1/documents", files=files[:1], data={"metadata": '{"team": "hall"}'})
    assert again.json()["documents"][0] == {"id": old, "name": "2019.txt", "status": "ready"}
    assert served.client.get(f"/v1/documents/{old}").json()["metadata"]["team"] == "hall"


def test_the_language_of_a_document_is_known_and_filters(served: Served) -> None:
    german = served.add("urlaub.txt", "Nicht genommene Urlaubstage werden in das nächste Jahr übertragen.".encode())
    served.add("leave.txt", b"Unused days of leave are carried over into the next calendar year.")
    assert served.client.get(f"/v1/documents/{german}").json()["metadata"]["language"] == "de"
    assert served.found("Urlaubstage leave", filter={"language": "de"}) == ["urlaub.txt"]
    assert served.found("Urlaubstage leave", filter={"language": ["en", "fr"]}) == ["leave.txt"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"collection": "a/b"}, "'a/b'"),
        ({"collection": "x" * 65}, "1 to 64 letters"),
        ({"collection": ""}, "collection '' cannot exist"),
        ({"colection": "x"}, "'colection'"),
        ({"source": "not a uri"}, "'not a uri'"),
        ({"source": ["file:///a", "file:///b"]}, "2 `source`"),
        ({"modified_ns": "yesterday"}, "'yesterday'"),
        ({"modified_ns": str(2**63)}, "`modified_ns`"),
        ({"metadata": "author=Ann"}, "not JSON"),
        ({"metadata": '["Ann"]'}, "a JSON object"),
        ({"metadata": ["{}", "{}"]}, "2 `metadata`"),
    ],
)
def test_an_invalid_form_field_is_named(served: Served, fields: dict[str, str], named: str) -> None:
    answer = served.client.post("/v1/documents", files={"file": ("a.txt", b"words")}, data=fields)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_input")
    assert named in answer.json()["error"]["message"]
    assert served.client.get("/v1/documents").json()["total"] == 0


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "multipart/form-data; boundary=B", 400),
        (b"--B--\r\n", "multipart/form-data; boundary=B", 422),
        (b"nonsense", "multipart/form-data; boundary=B", 400),
        (
            b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nwor',
            "multipart/form-data; boundary=B",
            400,
        ),
        (
            b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\nwords\r\n--B--\r\n',
            "multipart/form-data; boundary=B",
            422,
        ),
        (
            b'--B\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--B--\r\n',
            "multipart/form-data; boundary=B",
            422,
        ),
        (b"--B\r\n\r\nwords\r\n--B--\r\n", "multipart/form-data; boundary=B", 400),
        (b"words", "multipart/form-data", 422),
        (b"{}", "application/json", 422),
    ],
)
def test_a_body_without_a_file_is_refused(served: Served, body: bytes, content_type: str, status: int) -> None:
    answer = served.client.post("/v1/documents", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["code"] == ("invalid_multipart" if status == 400 else "invalid_input")
