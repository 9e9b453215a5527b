"""Originals in a bucket of S3, or of anything that speaks its protocol: the home of boto3.

    PREFIX/ab/ab12…     the bytes, under the names that they have in a folder, so that a copy of one is the other
    PREFIX/.catalog     whose originals these are

Region, endpoint and credentials are found as every program with boto3 finds them: the environment (AWS_DEFAULT_REGION,
AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID …), a profile, the role of the machine or pod. An original appears whole or not at
all: a small one by one PUT, a larger one in parts, whose upload is completed last. What an upload that was killed left
is listed with the originals and swept like them.

Checksums other than those that S3 requires are not sent, since not every store knows them; the signature covers the
bytes of each request instead. boto3 is imported only where a URL names a bucket.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from rag.errors import ConfigurationError, Conflict, DependencyError, FootnoteError
from rag.store.originals import BLOCK_BYTES, ORIGINAL, OWNER_MARK, Stored, checked, missing

PART_BYTES = 8 << 20
"""Sent, and held in memory, at once. S3 takes 10,000 parts of an original: 80 GB."""

# A call fails after 21 s at the latest, a pause of 1 s included. The database ends a transaction that waits for one
# after 60 s, and those that record originals wait for one that deletes some.
_CONNECT_S, _READ_S, _ATTEMPTS = 5, 10, 2
_CONNECTIONS = 128  # kept open: one for each thread of a server. urllib3 opens more, and drops them with a warning
_FOLDER_PREFIX = "footnote-parse-"  # of a folder that the fence of the readers sweeps once its process is gone
_NO_KEY = ("NoSuchKey", "404", "NotFound")
_NOTED_ALREADY = ("PreconditionFailed", "ConditionalRequestConflict")
_WRONG_KEY = (
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "InvalidToken"),
    *("InvalidClientTokenId", "UnrecognizedClientException", "TokenRefreshRequired"),
)
_FORBIDDEN = ("AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem")
_ELSEWHERE = ("PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")


def open_bucket(url: str) -> BucketOriginals:
    """The originals at `s3://BUCKET/PREFIX`. Nothing is sent yet.

    Raises ConfigurationError for another form, and where boto3 is not installed or its own settings cannot be read.
    """
    parts = urlsplit(url)
    bucket, prefix = parts.netloc, parts.path.strip("/")
    if not bucket or "@" in bucket or ":" in bucket or parts.query or parts.fragment:
        raise ConfigurationError(
            "FOOTNOTE_ORIGINALS_URL is not of the form s3://BUCKET/PREFIX. Endpoint, region and credentials are not "
            "part of it: set AWS_ENDPOINT_URL, AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise ConfigurationError(
            f"FOOTNOTE_ORIGINALS_URL names the bucket {bucket!r}, and boto3 is not installed. Install it: "
            "pip install 'footnote-rag[s3]'."
        ) from error
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=_CONNECTIONS,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": True},
    )
    try:
        client = boto3.session.Session().client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"The bucket {bucket!r} of FOOTNOTE_ORIGINALS_URL cannot be used: {_shown(str(error))}. Correct the AWS_ "
            "variables, or the profile that they name."
        ) from error
    return BucketOriginals(client, bucket, f"{prefix}/" if prefix else "")


class BucketOriginals:
    """Originals below a prefix of a bucket."""

    folder: Path | None = None

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        """`client` is boto3's for S3; `prefix` ends with a slash where it is not empty."""
        self._client, self._bucket, self._prefix = client, bucket, prefix
        self._endpoint = _shown(client.meta.endpoint_url)
        self.name = f"{f's3://{bucket}/{prefix}'.rstrip('/')} at {self._endpoint}"

    def owner(self) -> str | None:
        """What the mark says."""
        with self._translating():
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + OWNER_MARK)
            except self._client.exceptions.NoSuchKey:
                return None
            with closing(found["Body"]) as body:
                return bytes(body.read()).decode().strip()

    def mark(self, identity: str) -> str:
        """Write the mark, unless there is one."""
        from botocore.exceptions import ClientError

        with self._translating("s3:PutObject"):
            try:
                self._put(OWNER_MARK, identity.encode(), IfNoneMatch="*")
            except ClientError as error:
                if _code(error) not in _NOTED_ALREADY:
                    raise
        return self.owner() or identity

    def store(self, stream: IO[bytes]) -> tuple[str, int]:
        """Read the stream twice: for the hash, which is the name, and for the upload."""
        begin = stream.tell()
        digest, size = hashlib.sha256(), 0
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
        stream.seek(begin)
        sha256 = digest.hexdigest()
        with self._translating("s3:PutObject"):
            sent = self._in_parts(sha256, stream) if size > PART_BYTES else self._at_once(sha256, stream)
        if not sent:
            raise Conflict(f"The file {sha256} changed while it was stored. Try again.")
        return sha256, size

    def _at_once(self, sha256: str, stream: IO[bytes]) -> bool:
        body = stream.read(PART_BYTES + 1)
        if hashlib.sha256(body).hexdigest() != sha256:
            return False
        self._put(_name(sha256), body)
        return True

    def _in_parts(self, sha256: str, stream: IO[bytes]) -> bool:
        """Upload in parts; an upload that does not end is aborted, so that nothing of it stays."""
        where: dict[str, Any] = {"Bucket": self._bucket, "Key": self._prefix + _name(sha256)}
        where["UploadId"] = self._client.create_multipart_upload(**where)["UploadId"]
        digest = hashlib.sha256()
        parts: list[dict[str, Any]] = []
        try:
            while block := stream.read(PART_BYTES):
                digest.update(block)
                number = len(parts) + 1
                done = self._client.upload_part(**where, PartNumber=number, Body=block)
                parts.append({"ETag": done["ETag"], "PartNumber": number})
            if digest.hexdigest() == sha256:
                self._client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
                return True
        except BaseException:
            with suppress(Exception):  # the error above is the one to tell; the sweep takes what is left
                self._client.abort_multipart_upload(**where)
            raise
        self._client.abort_multipart_upload(**where)
        return False

    def _put(self, name: str, body: bytes, **options: str) -> None:
        self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=body, **options)

    def holds(self, sha256: str) -> bool:
        """A HEAD."""
        from botocore.exceptions import ClientError

        with self._translating("s3:GetObject"):
            try:
                self._client.head_object(Bucket=self._bucket, Key=self._prefix + _name(sha256))
            except ClientError as error:
                if _code(error) in _NO_KEY:
                    return False
                raise
        return True

    def read(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """One GET, of no more than what is asked for."""
        whole = (start, end) == (0, None)
        if end is not None and end <= start:
            return iter(())
        options = {} if whole else {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        with self._translating("s3:GetObject"):
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + _name(sha256), **options)
            except self._client.exceptions.NoSuchKey as error:
                raise missing(sha256, self.name) from error
        blocks = self._blocks(found["Body"])
        return checked(blocks, sha256, self.name) if whole else blocks

    def _blocks(self, body: Any) -> Iterator[bytes]:
        with self._translating("s3:GetObject"), closing(body):
            yield from body.iter_chunks(BLOCK_BYTES)

    @contextmanager
    def on_disk(self, sha256: str) -> Iterator[Path]:
        """A copy in the folder of temporary files, whose hash was compared."""
        with tempfile.TemporaryDirectory(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-") as folder:
            path = Path(folder) / sha256
            blocks = self.read(sha256)
            try:
                with path.open("wb") as target:
                    target.writelines(blocks)
            except OSError as error:
                raise DependencyError(
                    f"An original of {self.name} could not be written to {folder}: {error}. Free some space, or name "
                    "another folder of temporary files in TMPDIR."
                ) from error
            yield path

    def delete(self, sha256: str) -> None:
        """A DELETE, which S3 answers in the same way where there is nothing."""
        self._delete(self._prefix + _name(sha256))

    def _delete(self, key: str) -> None:
        with self._translating("s3:DeleteObject"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def entries(self, older_than_s: float = 0.0) -> list[Stored]:
        """The keys below the prefix, and the uploads in parts that have no end."""
        before = datetime.now(UTC) - timedelta(seconds=older_than_s) if older_than_s else None
        below = {"Bucket": self._bucket, "Prefix": self._prefix}
        found = []
        with self._translating("s3:ListBucket"):
            for page in self._client.get_paginator("list_objects_v2").paginate(**below):
                for one in page.get("Contents", []):
                    if self._is_original(one["Key"]) and (before is None or one["LastModified"] < before):
                        found.append(Stored(Path(one["Key"]).name, one["Key"]))
        with self._translating("s3:ListBucketMultipartUploads"):
            for page in self._client.get_paginator("list_multipart_uploads").paginate(**below):
                for one in page.get("Uploads", []):
                    if self._is_original(one["Key"]) and (before is None or one["Initiated"] < before):
                        found.append(Stored("", one["Key"], one["UploadId"]))
        return found

    def _is_original(self, key: str) -> bool:
        return ORIGINAL.fullmatch(key.removeprefix(self._prefix)) is not None

    def discard(self, stored: Stored) -> None:
        """Delete the key, or abort the upload."""
        if not stored.upload:
            self._delete(stored.name)
            return
        with self._translating("s3:AbortMultipartUpload"), suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=stored.name, UploadId=stored.upload)

    @contextmanager
    def _translating(self, right: str = "s3:GetObject") -> Iterator[None]:
        """Errors as people can read them; `right` is what the calls in the block need."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise self._translated(error, right) from error

    def _translated(self, error: Exception, right: str) -> FootnoteError:
        from botocore import exceptions

        keys = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile in AWS_PROFILE, or a role of the machine or pod"
        reason = _shown(" ".join(str(error).split()))
        if not isinstance(error, exceptions.ClientError):
            if isinstance(error, _credential_errors()):
                return DependencyError(f"{self.name} needs credentials: {reason}. Give {keys}.")
            return DependencyError(
                f"{self.name} does not answer: {reason}. Check that it runs and that AWS_ENDPOINT_URL and "
                "FOOTNOTE_ORIGINALS_URL are right, then try again."
            )
        code = _code(error)
        if code == "NoSuchBucket":
            return DependencyError(
                f"There is no bucket {self._bucket!r} at {self._endpoint}. Create it, or correct "
                "FOOTNOTE_ORIGINALS_URL or AWS_ENDPOINT_URL."
            )
        if code in _WRONG_KEY:
            return DependencyError(f"{self.name} refuses the credentials ({code}). Give others: {keys}.")
        if code in _FORBIDDEN:
            return DependencyError(
                f"{self.name} does not allow these credentials {right} ({code}). Grant them s3:ListBucket and "
                "s3:ListBucketMultipartUploads on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject and "
                "s3:AbortMultipartUpload below the prefix."
            )
        if code in _ELSEWHERE:
            return DependencyError(
                f"{self.name} is in another region ({code}). Name that of the bucket in AWS_DEFAULT_REGION."
            )
        return DependencyError(f"{self.name} answered {code}: {reason}. Try again; look at its log if that stays so.")


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _shown(text: str) -> str:
    """A text of boto3's without the names and passwords that its URLs may have: AWS_ENDPOINT_URL is one of them."""
    return re.sub(r"//\S*@", "//", text)


def _code(error: Any) -> str:
    """S3's word for the error, or the HTTP status where the answer had no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _credential_errors() -> tuple[type[Exception], ...]:
    from botocore import exceptions

    return (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.SSOError,
        exceptions.TokenRetrievalError,
    )
