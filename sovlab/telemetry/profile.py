"""`PrometheusProfile`: the section ``[targets.NAME.prometheus]``, where a target's Prometheus is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from sovlab.core.units import parse_duration
from sovlab.errors import SpecError

_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
_Unit = Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=300)]
_NameOrNone = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$")]

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_SERVICE = re.compile(
    rf"(?P<namespace>{_LABEL})/(?:(?P<scheme>https?):)?(?P<name>{_LABEL}):(?P<port>[a-z0-9-]+)"
)
_LOCAL = ("localhost", "127.0.0.1", "::1")

TEXTS = {"timeout": parse_duration}
"""Keys that may be text like ``20s``, and what makes their value of it."""


class SiteQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A query of a site's own, e.g. of a rack's power or of its coolant.

    There is no default for unit and scale: PDUs count in watts, tenths or hundredths of a kilowatt, and no
    label says in which.

    Attributes:
        query: PromQL.
        unit: what `scale` makes of its values: ``W``, ``°C``, ``l/min``, ….
        scale: by which its values are multiplied, e.g. 10 for hundredths of a kilowatt.
        of: what it is of, for people: ``rack 7``.
    """

    query: _Word
    unit: _Unit
    scale: float
    of: str = ""


class PrometheusProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a target's Prometheus is reached, and queries that only the site can know.

    Attributes:
        url: where it is, e.g. ``https://thanos-querier.example:9091``; what ``/api/v1`` is appended to.
        token_file: holds a bearer token; read again for each request, as tokens are renewed in place.
        ca_file: certificates that sign the server's; empty for those of the system.
        service: ``NAMESPACE/NAME:PORT`` of a Service that the cluster's API server forwards to, instead of
            ``url``; ``NAMESPACE/https:NAME:PORT`` if it speaks TLS. Only a Prometheus without login can be
            reached so: the API server passes no token on.
        namespace: sent with each query, for a port that shows one namespace only (OpenShift: 9092).
        pdu: power by the site's power distribution units.
        coolant: the site's cooling.
        own: other queries of the site, by name.
        timeout: seconds until an answer must be there.
    """

    url: str = ""
    token_file: str = ""
    ca_file: str = ""
    service: str = ""
    namespace: _NameOrNone = ""
    pdu: list[SiteQuery] = []
    coolant: list[SiteQuery] = []
    own: dict[_Word, SiteQuery] = {}
    timeout: _Seconds = 10.0

    def check(self) -> None:
        """See that the keys go together.

        Raises:
            SpecError: they do not; the message says which, and holds nothing secret.
        """
        for key, query in self._queries():
            if not math.isfinite(query.scale) or query.scale == 0:
                raise SpecError(
                    f"{key} in a [prometheus] section has the scale {query.scale:g}, which makes no number.",
                    "Give what its values are to be multiplied by.",
                )
        if bool(self.url) == bool(self.service):
            raise SpecError(
                "A [prometheus] section has url or service, one of them.",
                'Write url = "https://HOST:PORT" or service = "NAMESPACE/NAME:PORT".',
            )
        if self.service:
            service_parts(self.service)
            if self.token_file or self.ca_file:
                raise SpecError(
                    "token_file and ca_file do not go with service.",
                    "The API server passes no token on: use url for a Prometheus that wants one.",
                )
            return
        check_url(self.url, with_token=bool(self.token_file))

    def _queries(self) -> Iterator[tuple[str, SiteQuery]]:
        yield from (("pdu", query) for query in self.pdu)
        yield from (("coolant", query) for query in self.coolant)
        yield from ((f"own.{name}", query) for name, query in self.own.items())


def service_parts(service: str) -> tuple[str, str]:
    """Namespace, and ``[https:]NAME:PORT`` as the API server's path has it, of a `PrometheusProfile.service`.

    Raises:
        SpecError: it is written otherwise.
    """
    match = _SERVICE.fullmatch(service)
    if match is None:
        raise SpecError(f"{service!r} does not name a Service and its port.", 'Write "NAMESPACE/NAME:PORT".')
    scheme = f"{match['scheme']}:" if match["scheme"] else ""
    return match["namespace"], f"{scheme}{match['name']}:{match['port']}"


def check_url(url: str, *, with_token: bool) -> None:
    """See that a URL can be asked, and that a token sent to it cannot be read on the way.

    Raises:
        SpecError: it cannot. The message does not hold what may be a password in the URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise SpecError("url in a [prometheus] section is not an http:// or https:// address.", "Correct it.")
    if parts.username is not None or parts.password is not None:
        raise SpecError(
            "url in a [prometheus] section holds a user or a password.", "Use token_file instead."
        )
    if parts.query or parts.fragment:
        raise SpecError("url in a [prometheus] section has a query (?…) or a fragment (#…).", "Leave it out.")
    if with_token and parts.scheme == "http" and host not in _LOCAL:
        raise SpecError(
            f"The token would travel to {host} unencrypted.",
            "Use https:// in the url of the [prometheus] section.",
        )
