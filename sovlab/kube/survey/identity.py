"""Who one is to a cluster."""

from __future__ import annotations

from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, Overloaded

_PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def name_of_user(api: Api) -> str:
    """What a cluster calls its user, by a SelfSubjectReview; empty if it keeps that to itself.

    Raises:
        ClusterError: it does not answer.
    """
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        review = api.create(_PATH, body)
    except Overloaded:
        raise
    except ApiError:
        return ""  # a server older than 1.28, or one that denies it
    name = ((review.get("status") or {}).get("userInfo") or {}).get("username")
    return name if isinstance(name, str) else ""
