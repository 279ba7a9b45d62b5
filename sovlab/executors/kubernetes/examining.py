"""Looking at the cluster of a target: what it says of the jobs that it would get, and of a job on trial."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec

from sovlab import backends
from sovlab.core.finding import Finding, Level, lacking, missing, ok, phrase
from sovlab.core.names import new_job_id
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.errors import SettingsError, UsageError
from sovlab.executors.kubernetes.executor import KubernetesExecutor
from sovlab.executors.kubernetes.target import KubernetesSection
from sovlab.executors.kubernetes.transfers.bucket import Bucket
from sovlab.kube.survey.probing import probe
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.connection import namespace_of
from sovlab.kube.transport.errors import ApiError

_PATIENCE = 5.0
"""Seconds for which a cluster that does not answer is asked again: somebody waits in front of it."""


def examine(name: str, section: KubernetesSection, state: Path) -> list[Finding]:
    """Look at the cluster of a target, and have it check a job.

    Args:
        name: of the target.
        section: what it says.
        state: the user's state directory.

    Raises:
        ClusterError: the cluster does not answer, or not to us.
    """
    findings = look(section)
    return findings if lacking(findings) else [*findings, *try_jobs(name, section, state)]


def look(section: KubernetesSection) -> list[Finding]:
    """What the cluster says of itself and of what the target names. Raises `ClusterError`."""
    login = section.login
    profile = msgspec.structs.replace(section, namespace=section.namespace or namespace_of(login))
    known = {name: provider.backend for name, provider in backends.known().items()}
    return [*probe(Api(login, patience=_PATIENCE), profile, known), *_bucket(section)]


def _bucket(section: KubernetesSection) -> list[Finding]:
    if not section.bucket:
        return []
    try:
        Bucket(section.bucket, section.s3_endpoint)
    except SettingsError as error:
        return [missing("store", phrase(error), error.hint, named=True)]
    return [ok("store", f"{section.store}, which is not checked before a job uses it")]


def try_jobs(name: str, section: KubernetesSection, state: Path) -> list[Finding]:
    """Have the server check jobs on one and on two nodes, without making them."""
    from sovlab.payload.code import Call

    login = section.login
    profile = msgspec.structs.replace(section, namespace=section.namespace or namespace_of(login))
    executor = KubernetesExecutor(name, login, profile, state)
    backend = next((b for b in ("cpu", *backends.known()) if section.image_for(b)), "")
    if not backend:
        return []
    findings = []
    with tempfile.TemporaryDirectory(prefix="sovlab-probe-") as scratch:
        packed = Call(abs, (-41,)).pack(Path(scratch))
        for nodes, what in ((1, "trial"), (2, "trial, 2 nodes")):
            spec = JobSpec(
                name="probe", kind=PayloadKind.CALL, payload=packed.digest, backend=backend, nodes=nodes
            )
            try:
                manifests = executor.manifests(new_job_id("probe"), spec, packed.path, check=True)
            except (ApiError, UsageError) as error:
                finding = missing(what, phrase(error), error.hint)
                # A quota that is used up gives room again, and one may want what a job can say.
                passing = " quota" in str(error.__cause__) and " ever " not in error.message
                degraded = passing or nodes > 1
                findings.append(replace(finding, level=Level.DEGRADED) if degraded else finding)
                break
            kinds = ", ".join(dict.fromkeys(str(obj["kind"]) for obj in manifests.objects))
            accepted = f"the API server would accept a job ({kinds})"
            findings.append(ok(what, accepted, " ".join(manifests.notes)))
    return findings
