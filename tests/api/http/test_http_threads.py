"""Threads, feedback and collections over HTTP."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from conftest import ScriptedGenerator
from serving import Served

TEXT = b"# Leave\n\nTen unused vacation days carry over to the next year. The gate code is 4711.\n"


def asked(served: Served, thread_id: str, question: str, **fields: object) -> dict[str, Any]:
    answer = served.client.post("/v1/query", json={"question": question, "thread_id": thread_id, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_thread_from_its_first_question_to_its_deletion(served: Served, generator: ScriptedGenerator) -> None:
    client, document_id = served.client, served.add("handbook.md", TEXT)
    thread = client.post("/v1/threads", json={}).json()
    assert (thread["title"], thread["collection"], thread["turns"]) == ("", None, 0)
    generator.reply = "Ten unused vacation days carry over to the next year [1]."
    first = asked(served, thread["id"], "How many unused vacation days carry over?")
    assert first["thread_id"] == thread["id"]
    assert first["standalone_question"] is None
    second = asked(served, thread["id"], "And to which year do they carry over?")
    assert second["standalone_question"], "the thread is the history of the next question"

    alone = asked(served, thread["id"], "Do ten unused days carry over?", history=[])
    assert alone["standalone_question"] is None, "a history that is sent is used instead of the thread's"

    kept = client.get(f"/v1/threads/{thread['id']}").json()
    assert kept["title"] == "How many unused vacation days carry over?"
    assert [turn["answer"] for turn in kept["messages"]] == [first, second, alone]
    assert kept["messages"][0]["gone"] == []
    listed = client.get("/v1/threads").json()
    assert (listed["total"], listed["threads"][0]["turns"]) == (1, 3)
    assert client.patch(f"/v1/threads/{thread['id']}", json={"title": " Leave "}).json()["title"] == "Leave"

    text = client.get(f"/v1/threads/{thread['id']}", headers={"Accept": "text/markdown"})
    assert text.headers["content-type"].startswith("text/markdown")
    assert text.text.startswith("# Leave\n\n## How many unused vacation days carry over?\n\nTen unused")
    assert "- [1] handbook.md: “Ten unused vacation days carry over to the next year" in text.text

    assert client.delete(f"/v1/documents/{document_id}").status_code == 204
    turn = client.get(f"/v1/threads/{thread['id']}").json()["messages"][0]
    assert turn["gone"] == [{"document_id": document_id, "replaced_by": None}]
    assert {one["quote"] for one in turn["answer"]["citations"]} == {""}, "deleted words are not shown again"

    assert client.delete(f"/v1/threads/{thread['id']}").status_code == 204
    assert client.get(f"/v1/threads/{thread['id']}").status_code == 404
    assert client.get("/v1/threads").json() == {"threads": [], "total": 0}


def test_a_replaced_document_is_told_from_a_deleted_one(served: Served, generator: ScriptedGenerator) -> None:
    old = served.add("handbook.md", TEXT)
    thread_id = served.client.post("/v1/threads", json={}).json()["id"]
    generator.reply = "The gate code is 4711 [1]."
    quote = asked(served, thread_id, "What is the gate code?")["citations"][0]["quote"]
    new = served.add("handbook.md", TEXT.replace(b"4711", b"4712"))
    turn = served.client.get(f"/v1/threads/{thread_id}").json()["messages"][0]
    assert turn["gone"] == [{"document_id": old, "replaced_by": new}]
    assert turn["answer"]["citations"][0]["quote"] == quote
    exported = served.client.get(f"/v1/threads/{thread_id}", headers={"Accept": "text/markdown"}).text
    assert "handbook.md (replaced since)" in exported


def test_a_replaced_attachment_is_told_from_one_that_the_new_version_lacks(
    served: Served, generator: ScriptedGenerator
) -> None:
    def add(**files: str) -> dict[str, str]:
        """The ids of what is there once this archive is, by name."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, text in files.items():
                archive.writestr(f"{name}.txt", text)
        served.add("all.zip", packed.getvalue())
        return {one["name"]: one["id"] for one in served.client.get("/v1/documents").json()["documents"]}

    old = add(gate="The gate code is 4711.", boat="The boat is hired for six days.")
    thread_id = served.client.post("/v1/threads", json={}).json()["id"]
    for generator.reply, question in (
        ("The gate code is 4711 [1].", "What is the gate code?"),
        ("The boat is hired for six days [1].", "For how many days is the boat hired?"),
    ):
        (cited,) = asked(served, thread_id, question)["citations"]
        assert cited["document_id"] in old.values()
    new = add(gate="The gate code is 4712.")
    turns = served.client.get(f"/v1/threads/{thread_id}").json()["messages"]
    assert [turn["gone"] for turn in turns] == [
        [{"document_id": old["all.zip/gate.txt"], "replaced_by": new["all.zip/gate.txt"]}],
        [{"document_id": old["all.zip/boat.txt"], "replaced_by": None}],
    ]


def test_a_streamed_answer_is_in_the_thread_once_it_is_sent(served: Served, generator: ScriptedGenerator) -> None:
    served.add("handbook.md", TEXT)
    thread_id = served.client.post("/v1/threads", json={"title": "Gate"}).json()["id"]
    generator.reply = "The gate code is 4711 [1]."
    stream = served.client.post(
        "/v1/query", json={"question": "What is the gate code?", "thread_id": thread_id, "stream": True}
    )
    kept = served.client.get(f"/v1/threads/{thread_id}").json()
    assert kept["title"] == "Gate"
    assert f'"turn_id":"{kept["messages"][0]["id"]}"' in stream.text


def test_what_a_thread_refuses(served: Served) -> None:
    client = served.client
    for call in (
        client.get("/v1/threads/none"),
        client.patch("/v1/threads/none", json={"title": "x"}),
        client.delete("/v1/threads/none"),
        client.post("/v1/query", json={"question": "Why?", "thread_id": "none"}),
        client.post("/v1/query", json={"question": "Why?", "thread_id": "none", "stream": True}),
        client.post("/v1/threads", json={"collection": "none"}),
        client.post("/v1/feedback", json={"turn_id": "none", "rating": "right"}),
        client.delete("/v1/collections/none"),
    ):
        assert (call.status_code, call.json()["error"]["code"]) == (404, "not_found"), call.request.url
    thread_id = client.post("/v1/threads", json={}).json()["id"]
    assert client.get(f"/v1/threads/{thread_id}", headers={"Accept": "image/png"}).status_code == 406


def test_feedback_replaces_earlier_feedback_and_goes_with_its_thread(
    served: Served, generator: ScriptedGenerator
) -> None:
    served.add("handbook.md", TEXT)
    client, thread_id = served.client, served.client.post("/v1/threads", json={}).json()["id"]
    generator.reply = "The gate code is 4711 [1]."
    turn_id = asked(served, thread_id, "What is the gate code?")["turn_id"]
    for rating, comment in (("right", ""), ("wrong citation", "It is in the table.")):
        given = client.post(
            "/v1/feedback", json={"turn_id": turn_id, "rating": rating, "citation": 1, "comment": comment}
        )
        assert (given.status_code, given.json()["rating"]) == (200, rating)
    feedback = client.get(f"/v1/threads/{thread_id}").json()["messages"][0]["feedback"]
    assert (feedback["rating"], feedback["citation"], feedback["comment"]) == (
        "wrong citation",
        1,
        "It is in the table.",
    )
    assert client.post("/v1/feedback", json={"turn_id": turn_id, "rating": "good"}).status_code == 422
    client.delete(f"/v1/threads/{thread_id}")
    assert served.library.catalog.threads.rated_turns() == []


def test_sentences_that_were_left_out_are_listed_with_the_reason(served: Served, generator: ScriptedGenerator) -> None:
    served.add("handbook.md", TEXT)
    generator.reply = "The gate code is 4711 [1]. The gate was painted green by Otto Zander in 1987 [1]."
    answer = served.client.post("/v1/query", json={"question": "What is the gate code?"}).json()
    assert answer["status"] == "partial"
    assert [one["text"] for one in answer["left_out"]] == ["The gate was painted green by Otto Zander in 1987."]
    assert answer["left_out"][0]["reason"]
    assert "Zander" not in answer["answer"]


def test_collections_are_counted_and_deleted_at_once(served: Served) -> None:
    served.add("a.md", TEXT, collection="one")
    served.add("b.md", TEXT, collection="two")
    served.upload("c.md", b"# Not prepared\n\nThe gate is open.", collection="two")
    listed = served.client.get("/v1/collections").json()["collections"]
    assert listed == [
        {"name": "one", "documents": 1, "ready": 1},
        {"name": "two", "documents": 2, "ready": 1},
    ]
    assert served.client.delete("/v1/collections/two").status_code == 204
    assert served.found("gate code") == ["a.md"]
    assert [one["name"] for one in served.client.get("/v1/collections").json()["collections"]] == ["one"]


def test_words_of_a_page_have_boxes_on_request(served: Served, pdf: Any) -> None:
    document_id = served.add("gate.pdf", pdf("The gate code is 4711.", "Nothing here."))
    page = served.client.get(f"/v1/documents/{document_id}/pages/1").json()
    assert page["boxes"] == []
    start = page["text"].index("4711")
    marked = served.client.get(
        f"/v1/documents/{document_id}/pages/1", params={"start": start, "end": start + 4}
    ).json()["boxes"]
    assert len(marked) == 1
    assert 72 < marked[0]["x0"] < marked[0]["x1"] < 300


def test_the_picture_of_a_page_is_as_sharp_as_asked(served: Served, pdf: Any) -> None:
    document_id = served.add("gate.pdf", pdf("The gate code is 4711."))
    widths = []
    for dpi in (55, 220):
        picture = served.client.get(
            f"/v1/documents/{document_id}/pages/1", params={"dpi": dpi}, headers={"Accept": "image/png"}
        )
        assert picture.headers["content-type"] == "image/png"
        widths.append(int.from_bytes(picture.content[16:20], "big"))
    assert widths[1] == pytest.approx(4 * widths[0], abs=4)
