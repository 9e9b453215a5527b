"""Originals in a folder and in a bucket: one suite for both, and what can go wrong with a bucket."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from local_servers import Handler, handling
from s3_server import Bucket

from api.http.app import THREADS
from ingest.parse import fence
from rag.errors import ConfigurationError, Conflict, DependencyError
from rag.store import bucket as bucket_module
from rag.store.bucket import BucketOriginals
from rag.store.originals import (
    OWNER_MARK,
    LostOriginal,
    Originals,
    claim_originals,
    copy_original,
    open_originals,
)

WORDS = b"Ten unused days carry over."
SHA256 = hashlib.sha256(WORDS).hexdigest()
OTHER = "ab" + "0" * 62
MIB = 1 << 20


@dataclass(frozen=True)
class Place:
    """Originals, with ways to look at their place and to change it behind their back."""

    url: str
    put: Callable[[str, bytes], object]
    names: Callable[[], set[str]]

    def open(self) -> Originals:
        return open_originals(Path("nowhere"), self.url)


def folder_place(folder: Path) -> Place:
    def put(name: str, content: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    def names() -> set[str]:
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    return Place(folder.as_uri(), put, names)


def bucket_place(bucket: Bucket) -> Place:
    def names() -> set[str]:
        return {key.removeprefix("papers/") for key in bucket.names()}

    return Place(bucket.url, lambda name, content: bucket.put(f"papers/{name}", content), names)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return folder_place(tmp_path / "shared")
    return bucket_place(request.getfixturevalue("bucket"))


@pytest.fixture
def originals(place: Place) -> Originals:
    return place.open()


def read(originals: Originals, *part: int) -> bytes:
    return b"".join(originals.read(SHA256, *part))


def test_bytes_are_stored_under_their_hash_and_read_as_a_whole_or_in_part(place: Place, originals: Originals) -> None:
    assert not originals.holds(SHA256)
    for _ in range(2):  # a file that is there already is stored again without harm
        assert originals.store(io.BytesIO(WORDS)) == (SHA256, len(WORDS))
    assert place.names() == {f"{SHA256[:2]}/{SHA256}"}
    assert originals.holds(SHA256)
    assert read(originals) == WORDS
    assert [read(originals, *part) for part in ((4, 10), (4,), (0, 3), (3, 3), (20, 99))] == [
        WORDS[4:10],
        WORDS[4:],
        WORDS[:3],
        b"",
        WORDS[20:],
    ]
    with originals.on_disk(SHA256) as path:
        assert (path.name, path.read_bytes()) == (SHA256, WORDS)
    originals.delete(SHA256)
    originals.delete(SHA256)
    assert not originals.holds(SHA256)
    assert place.names() == set()


def test_a_stream_is_stored_from_where_it_is(originals: Originals) -> None:
    stream = io.BytesIO(b"read before" + WORDS)
    stream.seek(len(b"read before"))
    assert originals.store(stream) == (SHA256, len(WORDS))
    assert read(originals) == WORDS


def test_an_empty_file_is_an_original(originals: Originals) -> None:
    sha256, size = originals.store(io.BytesIO(b""))
    assert (size, b"".join(originals.read(sha256))) == (0, b"")


def test_a_lost_original_is_told_at_once(originals: Originals) -> None:
    lost = f"{OTHER} is missing in "
    with pytest.raises(LostOriginal, match=lost):
        originals.read(OTHER)
    with pytest.raises(LostOriginal, match=lost):
        originals.read(OTHER, 1, 3)
    with pytest.raises(LostOriginal, match=lost), originals.on_disk(OTHER):
        pass


def test_other_bytes_are_not_taken_for_the_original(place: Place, originals: Originals) -> None:
    """A reader gets all but the last block of a damaged file at most, and so never a file that seems whole."""
    damaged = os.urandom(2 * MIB + 5)
    place.put(f"{SHA256[:2]}/{SHA256}", damaged)
    got = io.BytesIO()
    with pytest.raises(LostOriginal, match=f"{SHA256} in .* is damaged"):
        got.writelines(originals.read(SHA256))
    assert len(got.getvalue()) < len(damaged)
    place.put(f"{SHA256[:2]}/{SHA256}", WORDS[:-1])
    with pytest.raises(LostOriginal):
        next(originals.read(SHA256))
    originals.store(io.BytesIO(WORDS))  # mends it
    assert read(originals) == WORDS


def test_originals_go_from_one_place_to_the_other_and_back(bucket: Bucket, tmp_path: Path) -> None:
    one, other = folder_place(tmp_path / "shared").open(), bucket_place(bucket).open()
    one.store(io.BytesIO(WORDS))
    copy_original(SHA256, one, other)
    one.delete(SHA256)
    copy_original(SHA256, other, one)
    assert read(one) == read(other) == WORDS
    folder_place(tmp_path / "shared").put(f"{SHA256[:2]}/{SHA256}", b"other bytes")
    other.delete(SHA256)
    with pytest.raises(LostOriginal, match="damaged"):
        copy_original(SHA256, one, other)
    assert other.entries() == []


# Whose they are -------------------------------------------------------------------------------------------------------


def test_the_originals_of_one_catalog_are_refused_by_another(place: Place, originals: Originals) -> None:
    assert originals.owner() is None
    claim_originals(originals, "one", "the database one", [])
    claim_originals(place.open(), "one", "the database one", [OTHER])
    assert originals.owner() == "one"
    with pytest.raises(
        ConfigurationError, match="holds the originals of another catalog than the database two"
    ) as told:
        claim_originals(originals, "two", "the database two", [])
    assert originals.name in told.value.message
    assert originals.entries() == []  # the mark is nobody's stray


def test_a_new_place_is_refused_where_the_originals_are_elsewhere(place: Place, originals: Originals) -> None:
    with pytest.raises(ConfigurationError, match="holds no original of the database one"):
        claim_originals(originals, "one", "the database one", [SHA256])
    originals.store(io.BytesIO(WORDS))
    claim_originals(originals, "one", "the database one", [OTHER, SHA256])
    assert OWNER_MARK in place.names()


def test_of_two_that_claim_a_bucket_at_once_one_has_it(bucket: Bucket) -> None:
    """Both have seen that nobody owns it."""
    one, other = open_originals(Path(), bucket.url), open_originals(Path(), bucket.url)
    assert one.mark("one") == "one"
    assert other.mark("other") == "one"
    assert one.owner() == "one"


# What nobody needs ----------------------------------------------------------------------------------------------------


def test_only_originals_are_listed_and_what_others_keep_stays(place: Place, originals: Originals) -> None:
    kept = {"thesis.pdf", "ab/notes.txt", f"cd/{OTHER}", f"ab/{OTHER}.bak"}
    for name in (*kept, f"ab/{OTHER}"):
        place.put(name, b"the only copy")
    originals.store(io.BytesIO(WORDS))
    assert {one.sha256 for one in originals.entries()} == {OTHER, SHA256}
    assert originals.entries(older_than_s=3_600) == []  # somebody may be about to record them
    for one in originals.entries():
        originals.discard(one)
        originals.discard(one)
    assert place.names() == kept


UPLOADING = """
import io, sys
from pathlib import Path
from rag.store.originals import open_originals

class Waiting(io.BytesIO):
    \"\"\"20 MiB; the last time that they are read, the second half never comes.\"\"\"
    passes = int(sys.argv[2])
    def seek(self, place, whence=0):
        self.passes -= 1
        return super().seek(place, whence)
    def read(self, size=-1):
        if self.passes == 1 and self.tell() >= 10 << 20:
            print("on its way", flush=True)
            sys.stdin.read()
        return super().read(size)

open_originals(Path(), sys.argv[1]).store(Waiting(b"x" * (20 << 20)))
"""


def began_now(parsed: dict[str, Any], **_: object) -> None:
    for upload in parsed.get("Uploads", []):
        upload["Initiated"] = datetime.now(UTC)


def test_an_upload_that_is_killed_leaves_no_original_and_is_swept(place: Place, originals: Originals) -> None:
    passes = "1" if originals.folder else "2"
    command = [sys.executable, "-c", UPLOADING, place.url, passes]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "on its way\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if isinstance(originals, BucketOriginals):  # moto says that every upload began in 2010
        originals._client.meta.events.register("after-call.s3.ListMultipartUploads", began_now)
    (left,) = originals.entries()
    assert left.sha256 == ""
    assert originals.entries(older_than_s=3_600) == []
    for _ in range(2):
        originals.discard(left)
    assert originals.entries() == []
    assert place.names() == set()


# A bucket -------------------------------------------------------------------------------------------------------------


class Made(io.RawIOBase):
    """A stream of `size` bytes that are made when they are read. It ends with an error in the second round from
    `breaks_at`, or changes there.
    """

    def __init__(self, size: int, *, breaks_at: int = 0, changes: bool = False) -> None:
        self.size, self.place, self.rounds = size, 0, 0
        self.breaks_at, self.changes = breaks_at or size, changes

    def tell(self) -> int:
        return self.place

    def seek(self, place: int, whence: int = 0) -> int:
        self.place, self.rounds = place, self.rounds + 1
        return place

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.size - self.place)
        self.place += size
        late = self.rounds and self.place > self.breaks_at
        if late and not self.changes:
            raise OSError("the disk is gone")
        return (b"y" if late else b"x") * size


def test_a_large_file_goes_there_in_parts_and_never_sits_in_memory(bucket: Bucket) -> None:
    originals = open_originals(Path(), bucket.url)
    originals.owner()  # boto3 reads its own descriptions now
    size = 64 * MIB + 5
    tracemalloc.start()
    try:
        sha256, stored = originals.store(Made(size))
        read_back = sum(len(block) for block in originals.read(sha256))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (stored, read_back) == (size, size)
    assert most < 4 * bucket_module.PART_BYTES
    assert b"".join(originals.read(sha256, size - 2)) == b"xx"
    assert bucket.uploads() == []


@pytest.mark.parametrize(("changes", "error"), [(False, OSError), (True, Conflict)])
def test_an_upload_that_ends_early_leaves_nothing(bucket: Bucket, changes: bool, error: type[Exception]) -> None:
    with pytest.raises(error):
        open_originals(Path(), bucket.url).store(Made(24 * MIB, breaks_at=12 * MIB, changes=changes))
    assert bucket.names() == set()
    assert bucket.uploads() == []


def test_a_copy_on_disk_is_removed_with_its_folder(bucket: Bucket) -> None:
    originals = open_originals(Path(), bucket.url)
    originals.store(io.BytesIO(WORDS))
    with originals.on_disk(SHA256) as path:
        assert path.parent.stat().st_mode & 0o077 == 0, "nobody else may read it"
        # what a process that is killed leaves is swept with the folders of its readers
        assert path.parent.name.startswith(f"{fence._PREFIX}{os.getpid()}-")
    assert not path.parent.exists()
    bucket.put(f"papers/{SHA256[:2]}/{SHA256}", b"other bytes")
    with pytest.raises(LostOriginal, match="damaged"), originals.on_disk(SHA256):
        pass


def refusal(url: str) -> DependencyError:
    """The error of every call there, whose message shows no secret."""
    originals = open_originals(Path(), url)
    calls: list[Callable[[], object]] = [
        originals.owner,
        lambda: originals.mark("one"),
        lambda: originals.store(io.BytesIO(WORDS)),
        lambda: originals.store(Made(9 * MIB)),
        lambda: originals.read(SHA256),
        lambda: originals.delete(SHA256),
        originals.entries,
    ]
    for call in calls:
        with pytest.raises(DependencyError) as told:
            call()
        assert told.value.status == 503
        assert os.environ.get("AWS_SECRET_ACCESS_KEY", "secret") not in told.value.message
    return told.value


def test_a_bucket_that_does_not_exist_is_told(bucket: Bucket) -> None:
    message = refusal("s3://no-such-bucket/papers").message
    assert message.startswith(f"There is no bucket 'no-such-bucket' at {bucket.server.endpoint}. Create it")


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_told_and_shown_nowhere(
    bucket: Bucket, variable: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(variable, "AKIAWRONGWRONGWRONG0")
    message = refusal(bucket.url).message
    assert message.startswith(f"{bucket.url} at {bucket.server.endpoint} refuses the credentials (")
    assert "AWS_ACCESS_KEY_ID" in message
    assert "AKIAWRONGWRONGWRONG0" not in message + caplog.text
    assert bucket.server.secret not in caplog.text


def test_missing_credentials_are_told(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "needs credentials: " in refusal(bucket.url).message


def test_credentials_of_a_profile_are_used(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(
        f"[profile papers]\naws_access_key_id = {bucket.server.key}\naws_secret_access_key = {bucket.server.secret}\n"
        f"endpoint_url = {bucket.server.endpoint}\nregion = eu-central-1\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "papers")
    assert open_originals(Path(), bucket.url).store(io.BytesIO(WORDS))[0] == SHA256
    monkeypatch.setenv("AWS_PROFILE", "other")
    with pytest.raises(ConfigurationError, match="profile"):
        open_originals(Path(), bucket.url)


def test_a_right_that_is_missing_is_told(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    iam = bucket.server.client("iam")
    iam.create_user(UserName=bucket.name)
    key = iam.create_access_key(UserName=bucket.name)["AccessKey"]
    reading = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [reading]})
    iam.put_user_policy(UserName=bucket.name, PolicyName="reads", PolicyDocument=policy)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    originals = open_originals(Path(), bucket.url)
    assert originals.owner() is None
    with pytest.raises(DependencyError, match=r"does not allow these credentials s3:PutObject \(AccessDenied\)"):
        originals.store(io.BytesIO(WORDS))


def test_an_endpoint_that_is_not_there_is_told(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setattr(bucket_module, "_ATTEMPTS", 1)
        with pytest.raises(DependencyError) as told:
            open_originals(Path(), bucket.url).owner()
    assert told.value.message.startswith(f"{bucket.url} at {endpoint} does not answer: ")
    assert "AWS_ENDPOINT_URL" in told.value.message


@pytest.mark.parametrize("scheme", ["http", "no"])
def test_credentials_in_the_endpoint_are_shown_nowhere(
    bucket: Bucket, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setattr(bucket_module, "_ATTEMPTS", 1)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"{scheme}://ann:s3cret@{place}")
        originals = open_originals(Path(), bucket.url)
        with pytest.raises(DependencyError) as told:
            originals.owner()
    assert originals.name == f"{bucket.url} at {scheme}://{place}"
    assert "s3cret" not in told.value.message
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://ann:s3cret@a_b c")
    with pytest.raises(ConfigurationError) as refused:
        open_originals(Path(), bucket.url)
    assert "s3cret" not in refused.value.message


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An endpoint that answers each request with 503; the list has what was asked."""
    asked: list[str] = []

    class Busy(Handler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with handling(Busy) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield asked


def test_a_store_that_is_busy_is_asked_twice(bucket: Bucket, failing: list[str]) -> None:
    with pytest.raises(DependencyError, match="answered 503"):
        open_originals(Path(), bucket.url).owner()
    assert failing == [f"/{bucket.name}/papers/{OWNER_MARK}"] * 2


def test_every_thread_of_a_server_has_a_connection(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    together = threading.Barrier(THREADS)

    class Empty(Handler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            together.wait(30)
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with handling(Empty) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        originals = open_originals(Path(), bucket.url)
        with ThreadPoolExecutor(THREADS) as callers:
            assert list(callers.map(originals.holds, [SHA256] * THREADS)) == [False] * THREADS
    assert "Connection pool is full" not in caplog.text


def test_a_store_that_is_silent_is_given_up(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_READ_S", 0.05), ("_ATTEMPTS", 2)):
        monkeypatch.setattr(bucket_module, name, value)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(DependencyError, match=r"does not answer: Read timeout"):
            open_originals(Path(), bucket.url).owner()


@pytest.mark.parametrize(
    "url",
    ["s3:///papers", "s3://key:secret@bucket/papers", "s3://bucket/papers?endpoint=http://x", "s3://bucket/a#b", "s3:"],
)
def test_an_address_of_another_form_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="s3://BUCKET/PREFIX") as told:
        open_originals(Path(), url)
    assert "secret" not in told.value.message


def test_a_prefix_may_be_empty(bucket: Bucket) -> None:
    originals = open_originals(Path(), f"s3://{bucket.name}")
    originals.store(io.BytesIO(WORDS))
    claim_originals(originals, "one", "a database", [SHA256])
    assert bucket.names() == {f"{SHA256[:2]}/{SHA256}", OWNER_MARK}
    assert [one.sha256 for one in originals.entries()] == [SHA256]


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'footnote-rag\[s3\]'"):
        open_originals(Path(), "s3://bucket")
