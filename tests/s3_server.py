"""A real server of S3's protocol for the tests: moto's, in a process of its own, which checks the signature of every
request and has one key. Its buckets are in its memory.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

REGION = "eu-central-1"
_WAIT_S = 60
_SET_UP = 3  # calls that need no signature: those of `_create_user`


class NoS3(Exception):
    """There is no server; the message is the reason for which tests are skipped."""


@dataclass(frozen=True)
class S3Server:
    """A running server and its key."""

    endpoint: str
    key: str
    secret: str

    def client(self, service: str = "s3", **given: str) -> Any:
        """boto3's client of it, with its key or another one."""
        import boto3

        keys = {"aws_access_key_id": self.key, "aws_secret_access_key": self.secret}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **{**keys, **given})


@dataclass(frozen=True)
class Bucket:
    """A bucket of the server, which the process's environment leads to."""

    server: S3Server
    name: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}/papers"

    def names(self) -> set[str]:
        """Every key in it."""
        listed = self.server.client().list_objects_v2(Bucket=self.name)
        return {one["Key"] for one in listed.get("Contents", [])}

    def uploads(self) -> list[str]:
        """The keys of uploads in parts that have no end."""
        return [one["Key"] for one in self.server.client().list_multipart_uploads(Bucket=self.name).get("Uploads", [])]

    def put(self, key: str, body: bytes) -> None:
        self.server.client().put_object(Bucket=self.name, Key=key, Body=body)


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server of its own. Raises NoS3."""
    try:
        import boto3  # noqa: F401
        import moto.server  # noqa: F401
    except ImportError as error:
        raise NoS3(f"a package is missing (make test): {error}") from error
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(_SET_UP), "MOTO_ACCOUNT_ID": "123456789012"}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        _wait_for(port, process)
        yield _create_user(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoS3(f"moto's server does not start here (status {process.poll()})") from error
            time.sleep(0.05)


def _create_user(endpoint: str) -> S3Server:
    """A key that may do everything. Every call after these is refused without it."""
    iam = S3Server(endpoint, "none", "none").client("iam")
    iam.create_user(UserName="footnote")
    made = iam.create_access_key(UserName="footnote")["AccessKey"]
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName="footnote", PolicyName="all", PolicyDocument=json.dumps(everything))
    return S3Server(endpoint, made["AccessKeyId"], made["SecretAccessKey"])


@contextmanager
def new_bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A new, empty bucket, to which the environment leads as it would a user."""
    bucket = Bucket(server, f"footnote-{secrets.token_hex(6)}")
    server.client().create_bucket(Bucket=bucket.name, CreateBucketConfiguration={"LocationConstraint": REGION})
    for name, value in (
        ("AWS_ENDPOINT_URL", server.endpoint),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", server.key),
        ("AWS_SECRET_ACCESS_KEY", server.secret),
    ):
        monkeypatch.setenv(name, value)
    yield bucket
