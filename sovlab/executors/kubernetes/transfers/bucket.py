"""The store of a target that is a bucket of an S3 service.

The client alone has credentials; pods get presigned URLs, each for one object and one way (SigV4).
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from sovlab.errors import ExecutorError, SettingsError

_URL_LIFE = datetime.timedelta(days=7)
"""How long a presigned URL is valid: the longest that S3 allows."""
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

    def put_payload(self, digest: str, payload: Path) -> str:
        """Upload a payload, unless the bucket has it; a presigned URL to get it from."""
        key = f"{self._prefix}objects/{digest}.pack"
        with self._translating_errors():
            if not self._has(key):
                self._client.fput_object(self._bucket, key, str(payload))
            return self._client.presigned_get_object(self._bucket, key, expires=_URL_LIFE)

    def results_url(self, job_id: str) -> str:
        """A presigned URL to put the results of a job to."""
        with self._translating_errors():
            return self._client.presigned_put_object(self._bucket, self._results(job_id), expires=_URL_LIFE)

    def fetch(self, job_id: str, target: Path) -> None:
        """Download the results of a job; the file appears whole, by a rename."""
        with self._translating_errors():
            self._client.fget_object(self._bucket, self._results(job_id), str(target))

    def forget(self, job_id: str) -> None:
        """Delete the results of a job."""
        with self._translating_errors():
            self._client.remove_object(self._bucket, self._results(job_id))

    def _results(self, job_id: str) -> str:
        return f"{self._prefix}results/{job_id}.pack"

    def _has(self, key: str) -> bool:
        from minio.error import S3Error

        try:
            self._client.stat_object(self._bucket, key)
        except S3Error as error:
            if error.code in ("NoSuchKey", "NoSuchObject"):
                return False
            raise
        return True

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
