"""Ranges of an original: downloads that go on where they stopped."""

from __future__ import annotations

import pytest
from conftest import EVERYWHERE
from serving import Served

from api.http.ranges import read_range

TEN = b"0123456789"


@pytest.mark.databases(*EVERYWHERE)
@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-3", b"0123"),
        ("bytes=7-", b"789"),
        ("bytes=-2", b"89"),
        ("bytes=-99", TEN),
        ("bytes=8-99", b"89"),
        ("bytes=0-9", TEN),
    ],
)
def test_a_range_is_sent_with_its_place(served: Served, header: str, part: bytes) -> None:
    path = f"/v1/documents/{served.upload('ten.txt', TEN)['id']}/file"
    answer = served.client.get(path, headers={"Range": header})
    assert (answer.status_code, answer.content) == (206, part)
    start = TEN.index(part)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/10"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "bytes=4-3", "bytes=-", "bytes=x-", "lines=0-3", ""])
def test_other_ranges_are_answered_with_the_whole_file(served: Served, header: str) -> None:
    path = f"/v1/documents/{served.upload('ten.txt', TEN)['id']}/file"
    answer = served.client.get(path, headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, TEN)
    assert answer.headers["accept-ranges"] == "bytes"


def test_a_range_outside_of_the_file_is_refused(served: Served) -> None:
    path = f"/v1/documents/{served.upload('ten.txt', TEN)['id']}/file"
    for header in ("bytes=10-", "bytes=-0", "bytes=99-120"):
        answer = served.client.get(path, headers={"Range": header})
        assert (answer.status_code, answer.json()["error"]["code"]) == (416, "range_not_satisfiable")
        assert answer.headers["content-range"] == "bytes */10"
        assert header in answer.json()["error"]["message"]


def test_a_download_goes_on_only_where_the_file_is_the_same(served: Served) -> None:
    path = f"/v1/documents/{served.upload('ten.txt', TEN)['id']}/file"
    tag = served.client.get(path).headers["etag"]
    for sent, status in ((tag, 206), ('"another"', 200)):
        assert served.client.get(path, headers={"Range": "bytes=5-", "If-Range": sent}).status_code == status


@pytest.mark.databases("s3")
def test_a_range_of_a_bucket_is_all_that_is_fetched(served: Served) -> None:
    path = f"/v1/documents/{served.upload('ten.txt', TEN)['id']}/file"
    asked: list[str | None] = []
    events = served.library.catalog.originals._client.meta.events  # type: ignore[attr-defined]
    events.register("before-send.s3.GetObject", lambda request, **_: asked.append(request.headers.get("Range")))
    assert served.client.get(path, headers={"Range": "bytes=2-4"}).content == b"234"
    assert served.client.get(path).content == TEN
    assert [range and range.decode() for range in asked] == ["bytes=2-4", None]


@pytest.mark.databases(*EVERYWHERE)
def test_head_reads_nothing_of_the_original(served: Served) -> None:
    document = served.upload("ten.txt", TEN)["id"]
    path = f"/v1/documents/{document}/file"
    served.library.catalog.originals.delete(document)  # it would be missed
    for headers in ({}, {"Range": "bytes=2-4"}):
        answer = served.client.head(path, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
        assert (answer.headers["content-length"], answer.headers["etag"]) == ("10", f'"{document}"')
        assert "content-range" not in answer.headers
    assert served.client.head("/v1/documents/none/file").status_code == 404


def test_an_empty_file_has_no_range() -> None:
    assert read_range(None, 0) is None
    with pytest.raises(ValueError, match="0 bytes"):
        read_range("bytes=0-", 0)
