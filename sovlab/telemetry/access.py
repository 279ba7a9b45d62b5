"""Ways to a Prometheus: by its URL, through a cluster's API server, and as a tenant of one namespace.

Each has one method, `Access.get`. It raises `PrometheusError` where no answer comes, and returns what comes
with its HTTP status; what that means is for `sovlab.telemetry.client` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from sovlab.errors import SovlabError, SpecError
from sovlab.telemetry.profile import PrometheusProfile, service_parts
from sovlab.telemetry.transport import failures
from sovlab.telemetry.transport.answer import MAX_BYTES, Answer
from sovlab.telemetry.transport.failures import PrometheusError
from sovlab.telemetry.transport.url_access import UrlAccess

__all__ = ["Access", "ClusterGet", "ServiceProxyAccess", "TenantAccess", "UrlAccess", "access_of"]

ClusterGet = Callable[[str, Mapping[str, str], float], bytes]
"""An authenticated GET on a cluster's API: path, parameters, seconds; raises a `SovlabError`, which may have
the HTTP status as ``status``, and what the server said as ``detail``."""


class Access(Protocol):
    """A way to one Prometheus."""

    @property
    def where(self) -> str:
        """How messages call it; holds nothing secret."""

    def get(self, path: str, params: Mapping[str, str], timeout: float) -> Answer:
        """Ask.

        Args:
            path: below ``/api/v1/``, e.g. ``query``.
            params: of the query.
            timeout: seconds until the whole answer must be there.

        Raises:
            PrometheusError: no answer came.
        """


class ServiceProxyAccess:
    """A Prometheus in a cluster, through the API server's proxy to its Service (right ``services/proxy``).

    Args:
        get: an authenticated GET on the cluster's API.
        service: ``NAMESPACE/NAME:PORT``, see `PrometheusProfile.service`.

    Raises:
        SpecError: ``service`` is written otherwise.
    """

    def __init__(self, get: ClusterGet, service: str) -> None:
        self._get = get
        self._namespace, self._name = service_parts(service)

    @property
    def where(self) -> str:
        """The Service."""
        return f"service {self._namespace}/{self._name}"

    def get(self, path: str, params: Mapping[str, str], timeout: float) -> Answer:
        """See `Access.get`."""
        whole = f"/api/v1/namespaces/{self._namespace}/services/{self._name}/proxy/api/v1/{path}"
        try:
            body = self._get(whole, params, timeout)
        except PrometheusError:
            raise
        except SovlabError as error:
            status = getattr(error, "status", 0)
            if not isinstance(status, int) or status < 400:
                raise failures.down(self.where, failures.one_line(error.message)) from error
            said = str(getattr(error, "detail", "") or error.message)
            raise failures.from_status(self.where, status, failures.one_line(said)) from error
        if len(body) > MAX_BYTES:
            raise failures.too_much(self.where, f"{MAX_BYTES >> 20} MiB")
        return Answer(200, body)


class TenantAccess:
    """Another access whose server shows one namespace only: each request says which (OpenShift's port 9092).

    Args:
        access: the way there.
        namespace: that is asked for.
    """

    def __init__(self, access: Access, namespace: str) -> None:
        self._access = access
        self._namespace = namespace

    @property
    def where(self) -> str:
        """As that of the access, with the namespace."""
        return f"{self._access.where} (namespace {self._namespace})"

    def get(self, path: str, params: Mapping[str, str], timeout: float) -> Answer:
        """See `Access.get`."""
        return self._access.get(path, {**params, "namespace": self._namespace}, timeout)


def access_of(profile: PrometheusProfile, cluster: ClusterGet | None = None, folder: Path = Path()) -> Access:
    """The way to a target's Prometheus.

    Args:
        profile: its section.
        cluster: an authenticated GET on the target's cluster, if it has one.
        folder: of the settings file, where relative paths begin.

    Raises:
        SpecError: the section's keys do not go together, or it names a service and there is no cluster.
    """
    profile.check()
    access: Access
    if profile.service:
        if cluster is None:
            raise SpecError(
                "service in a [prometheus] section needs a target on a cluster.", "Use url for this target."
            )
        access = ServiceProxyAccess(cluster, profile.service)
    else:
        token, certificates = (
            folder / Path(name).expanduser() if name else None
            for name in (profile.token_file, profile.ca_file)
        )
        access = UrlAccess(profile.url, token, certificates)
    return TenantAccess(access, profile.namespace) if profile.namespace else access
