"""The store of a target that is a bucket of an S3 service.

The client alone has credentials; pods get presigned URLs, each for one object and one way (SigV4). What a
user puts there from a namespace lies in folders of their own, so that people who share a bucket delete their
own only. Where the cluster does not say who somebody is, as before Kubernetes 1.28, and with former versions,
there is one folder for all, of which only single jobs are deleted.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from sovlab.errors import ExecutorError, SettingsError

_URL_LIFE = datetime.timedelta(days=7)
"""How long a presigned URL is valid: the longest that S3 allows."""
_FRESH = 12 * 3600.0
"""Seconds after which a payload that is used again is uploaded again."""
_OBJECTS, _RESULTS = "objects", "results"
_AWS = "https://s3.amazonaws.com"


class Bucket:
    """A bucket, and a prefix in it.

    Args:
        url: ``s3://BUCKET/PREFIX``.
        endpoint: URL of the service; None is ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL`` or Amazon's.

    Raises:
        SettingsError: the S3 library is not installed, or there are no credentials.
    """

    def __init__(self, url: str, endpoint: str | None) -> None:
        match = re.fullmatch(r"s3://([^/]+)/?(.*?)/?", url)
        if match is None:
            raise SettingsError(f"The store {url!r} is not a valid S3 URL.", "Write s3://BUCKET/PREFIX.")
        try:
            import minio
            from minio.credentials import providers
        except ImportError:
            raise SettingsError(
                f"The store {url} needs the S3 library.", "Install it: pip install 'sovlab[s3]'."
            ) from None
        self._bucket, prefix = match[1], match[2]
        self._prefix = f"{prefix}/" if prefix else ""
        self.title = url
        sources = [
            providers.EnvAWSProvider(),
            providers.AWSConfigProvider(),
            providers.EnvMinioProvider(),
            providers.MinioClientConfigProvider(),
        ]
        provider = providers.ChainedProvider(sources)
        try:
            provider.retrieve()
        except ValueError:
            raise SettingsError(
                f"There are no credentials for the store {url}.",
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials.",
            ) from None
        configured = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        server = urlsplit(endpoint or configured or _AWS)
        self._client = minio.Minio(
            server.netloc,
            credentials=provider,
            secure=server.scheme != "http",
            # Services of one's own have no regions, but a signature names one.
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        )

    def put_payload(self, digest: str, payload: Path, owner: str = "") -> str:
        """Upload a payload, unless the bucket has it; a presigned URL to get it from.

        One that lies there for long is uploaded again, so that a sweep on another machine leaves it.
        """
        key = f"{self._folder(_OBJECTS, owner)}{digest}.pack"
        with self._translating_errors():
            if not self._has(key, time.time() - _FRESH):
                self._client.fput_object(self._bucket, key, str(payload))
            return self._client.presigned_get_object(self._bucket, key, expires=_URL_LIFE)

    def results_url(self, job_id: str, owner: str = "") -> str:
        """A presigned URL to put the results of a job to."""
        with self._translating_errors():
            key = self._results(job_id, owner)
            return self._client.presigned_put_object(self._bucket, key, expires=_URL_LIFE)

    def fetch(self, job_id: str, target: Path, owner: str = "") -> None:
        """Download the results of a job; the file appears whole, by a rename."""
        with self._translating_errors():
            key = self._results(job_id, owner)
            if owner and not self._has(key):
                key = self._results(job_id, "")  # a former version put them there
            self._client.fget_object(self._bucket, key, str(target))

    def forget(self, job_id: str, owner: str = "") -> None:
        """Delete the results of a job."""
        with self._translating_errors():
            for key in {self._results(job_id, owner), self._results(job_id, "")}:
                self._client.remove_object(self._bucket, key)

    def sweep(
        self,
        owner: str,
        jobs: Collection[str],
        payloads: Collection[str] | None,
        before: float,
        *,
        dry_run: bool,
    ) -> int:
        """Delete what a user's jobs left that are gone; how many bytes that is.

        Args:
            owner: the user's folder; without one there is nothing that is known to be theirs.
            jobs: ids of those whose results stay.
            payloads: digests of those that stay; None keeps all.
            before: what was written later stays, too, in seconds since the epoch.
            dry_run: delete nothing.
        """
        if not owner:
            return 0
        size, used = 0, min(before, time.time() - 2 * _FRESH)
        with self._translating_errors():
            kinds = [(_RESULTS, jobs, before)]
            kinds += [(_OBJECTS, payloads, used)] if payloads is not None else []
            for folder, stays, until in kinds:
                prefix = self._folder(folder, owner)
                for found in self._client.list_objects(self._bucket, prefix=prefix, recursive=True):
                    name, written = str(found.object_name), found.last_modified
                    if PurePosixPath(name).stem in stays or written is None or written.timestamp() >= until:
                        continue
                    size += found.size or 0
                    if not dry_run:
                        self._client.remove_object(self._bucket, name)
        return size

    def _folder(self, name: str, owner: str) -> str:
        return f"{self._prefix}{name}/{owner}/" if owner else f"{self._prefix}{name}/"

    def _results(self, job_id: str, owner: str) -> str:
        return f"{self._folder(_RESULTS, owner)}{job_id}.pack"

    def _has(self, key: str, since: float = 0.0) -> bool:
        """Whether there is an object that was written after a time."""
        from minio.error import S3Error

        try:
            written = self._client.stat_object(self._bucket, key).last_modified
        except S3Error as error:
            if error.code in ("NoSuchKey", "NoSuchObject"):
                return False
            raise
        return written is None or written.timestamp() > since

    @contextlib.contextmanager
    def _translating_errors(self) -> Iterator[None]:
        import urllib3
        from minio.error import MinioException, S3Error

        # Not the library's own words: they hold addresses with signatures.
        try:
            yield
        except S3Error as error:
            raise ExecutorError(
                f"The store {self.title} answered {error.code}.", "Check the bucket and your rights in it."
            ) from None
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise ExecutorError(
                f"The store {self.title} does not answer ({type(error).__name__}).", "Check s3_endpoint."
            ) from None
