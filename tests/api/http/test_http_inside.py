"""Files inside an uploaded file over HTTP: each has its name, type, pages and state, and is cited like an upload."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from email.message import EmailMessage

from conftest import ScriptedGenerator
from serving import Served, wait_for

PAGES = ("Leave\nTen unused days carry over.", "Travel\nTrains are booked by Ms Ode, who also keeps the tickets.")


def zipped(**files: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return data.getvalue()


def test_a_pdf_in_an_archive_is_cited_by_its_own_page(
    served: Served, generator: ScriptedGenerator, pdf: Callable[..., bytes]
) -> None:
    client, content = served.client, pdf(*PAGES)
    parent = served.add("minutes.zip", zipped(**{"2024/report.pdf": content}), metadata='{"board": "north"}')
    listed = client.get("/v1/documents").json()
    assert listed["total"] == 2
    report = listed["documents"][1]
    assert {key: report[key] for key in ("name", "parent_id", "media_type", "pages", "status", "notes", "error")} == {
        "name": "minutes.zip/2024/report.pdf",
        "parent_id": parent,
        "media_type": "application/pdf",
        "pages": 2,
        "status": "ready",
        "notes": [],
        "error": None,
    }
    assert report["metadata"]["board"] == "north"
    generator.reply = "Trains are booked by Ms Ode [1]."
    for scope in ({}, {"document_ids": [parent]}, {"filter": {"name": "minutes.zip"}}):
        answer = client.post("/v1/query", json={"question": "Who books the trains?", **scope}).json()
        (citation,) = answer["citations"]
        assert (citation["document_id"], citation["document_name"]) == (report["id"], "minutes.zip/2024/report.pdf")
        assert citation["page"] == citation["boxes"][0]["page"] == 2
    where = f"/v1/documents/{report['id']}"
    page = client.get(f"{where}/pages/2", params={"start": citation["start"], "end": citation["end"]}).json()
    assert page["boxes"] == citation["boxes"]
    picture = client.get(f"{where}/pages/2", headers={"Accept": "image/png"})
    assert picture.content.startswith(b"\x89PNG")
    file = client.get(f"{where}/file")
    assert file.content == content
    assert 'filename="report.pdf"' in file.headers["content-disposition"]


def test_a_file_inside_is_deleted_with_the_one_around_it(served: Served) -> None:
    client = served.client
    parent = served.add("all.zip", zipped(**{"dog.txt": b"The dog sleeps."}))
    inside = client.get("/v1/documents").json()["documents"][1]["id"]
    refused = client.delete(f"/v1/documents/{inside}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert "all.zip/dog.txt is inside all.zip" in refused.json()["error"]["message"]
    assert served.found("the dog sleeps")
    assert client.delete(f"/v1/documents/{parent}").status_code == 204
    assert served.found("the dog sleeps") == []
    assert client.get(f"/v1/documents/{inside}").status_code == 404


def test_the_worker_reads_a_message_and_what_is_attached(
    serve: Callable[..., Served], pdf: Callable[..., bytes]
) -> None:
    served = serve(work=True)
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ann@example.org", "bob@example.org", "Offer"
    mail.set_content("The offer is attached.")
    mail.add_attachment(pdf(*PAGES), maintype="application", subtype="pdf", filename="offer.pdf")
    mail.add_attachment(b"%PDF-1.7\nno more", maintype="application", subtype="pdf", filename="broken.pdf")
    parent = served.upload("mail.eml", mail.as_bytes())["id"]
    wait_for(lambda: served.client.get(f"/v1/documents/{parent}").json()["status"] == "ready", within_s=60)
    states = {
        one["name"]: (one["status"], one["pages"]) for one in served.client.get("/v1/documents").json()["documents"]
    }
    assert states == {
        "mail.eml": ("ready", 0),
        "mail.eml/offer.pdf": ("ready", 2),
        "mail.eml/broken.pdf": ("failed", 0),
    }
    notes = [note["code"] for note in served.client.get(f"/v1/documents/{parent}").json()["notes"]]
    assert notes == ["files_inside", "files_not_read"]
