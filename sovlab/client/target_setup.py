"""Adding a target on a cluster, and looking at one: what the cluster says of the jobs that it would get."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from sovlab import backends
from sovlab.client.connecting import executor_for, login_of, profile_of
from sovlab.core.finding import Finding, Level, lacking, missing, ok, phrase, settings_of
from sovlab.core.names import new_job_id
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.errors import SettingsError, SpecError, UsageError
from sovlab.kube.survey.probing import probe
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.connection import contexts, namespace_of
from sovlab.kube.transport.errors import ApiError
from sovlab.options.target import NewTarget
from sovlab.settings import Cluster, read_cluster
from sovlab.settings.toml import literal

_PATIENCE = 5.0
"""Seconds for which a cluster that does not answer is asked again: somebody waits in front of it."""
_PLACE = "Command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProposal:
    """A target that may be written into the settings.

    Attributes:
        values: of its table, without ``executor``.
        findings: what the cluster says of it.
        notes: sentences about what was chosen.
    """

    values: Mapping[str, Any]
    findings: Sequence[Finding]
    notes: Sequence[str] = ()

    @property
    def usable(self) -> bool:
        """Whether jobs can run there as things are."""
        return not lacking(self.findings)


def propose(name: str, wanted: NewTarget, state: Path) -> TargetProposal:
    """Look at a cluster, and complete what was said of a target by what suits the cluster.

    Args:
        name: of the target.
        wanted: what was said.
        state: the user's state directory.

    Raises:
        UsageError: what was said is wrong: no such context, namespace, queue, priority or claim.
        ClusterError: the cluster does not answer, or not to us.
    """
    values, notes = _said(name, wanted)
    cluster = read_cluster(name, values, _PLACE, Path.cwd())
    found = [*_look(cluster), *_bucket(name, cluster, state)]
    for finding in lacking(found):
        if finding.named:
            raise SpecError(f"Target {name} was not added: {finding.found}.", finding.advice)
    sets = settings_of(found)
    chosen = _with(cluster, sets)
    trials = _trials(name, chosen, state) if not lacking(found) else []
    if lacking(trials) and "user" in sets:
        # What sovlab chose for the pods may be what the namespace forbids.
        plain = {key: value for key, value in sets.items() if key not in ("user", "fs_group")}
        others = _trials(name, _with(cluster, plain), state)
        if not lacking(others):
            dropped = ok("user", f"pods run as their image says: UID {sets['user']} is not accepted")
            found = [dropped if finding.what == "user" else finding for finding in found]
            sets, trials = plain, others
    written = [_adopted(finding) if finding.sets else finding for finding in found]
    return TargetProposal(values={**values, **sets}, findings=[*written, *trials], notes=notes)


def examine(name: str, cluster: Cluster, state: Path) -> list[Finding]:
    """Look at the cluster of a target, and have it check a job.

    Raises:
        ClusterError: the cluster does not answer, or not to us.
    """
    found = [*_look(cluster), *_bucket(name, cluster, state)]
    return found if lacking(found) else [*found, *_trials(name, cluster, state)]


def _said(name: str, wanted: NewTarget) -> tuple[dict[str, Any], list[str]]:
    """The target's table as far as it was said, and what to tell about the choice."""
    notes: list[str] = []
    if wanted.in_cluster:
        if wanted.context is not None or wanted.kubeconfig is not None:
            raise UsageError("--in-cluster and a kubeconfig contradict each other.", "Give one of them.")
        if not os.environ.get("KUBERNETES_SERVICE_HOST"):
            raise SpecError(
                "--in-cluster was given, and this is no pod of a cluster.", "Give --context instead."
            )
        context = None
    else:
        context = _context(wanted)
        if wanted.kubeconfig is None and os.environ.get("KUBECONFIG"):
            notes.append(
                f"Its context is in {os.environ['KUBECONFIG']}, which KUBECONFIG names here; it is not found "
                "where that is not set. --kubeconfig FILE writes it into the target."
            )
    draft = read_cluster(name, wanted.table(context, wanted.namespace or "default"), _PLACE, Path.cwd())
    return wanted.table(context, wanted.namespace or namespace_of(login_of(draft))), notes


def _context(wanted: NewTarget) -> str:
    file = Path(wanted.kubeconfig).expanduser() if wanted.kubeconfig is not None else None
    if file is not None and not file.is_file():
        raise SpecError(f"There is no kubeconfig {file}.", "Give the path of one with --kubeconfig.")
    found = contexts(file)
    what = f"The kubeconfig {file}" if file is not None else "The kubeconfig"
    told = ", ".join(found)
    if not found:
        advice = "Log in to your cluster the way your site does, or name a file with --kubeconfig."
        raise SpecError(f"{what} has no context." if file else "There is no kubeconfig here.", advice)
    if wanted.context is None and len(found) > 1:
        raise SpecError(f"{what} has {len(found)} contexts: {told}.", "Name one with --context.")
    if wanted.context is not None and wanted.context not in found:
        raise SpecError(f"{what} has no context {wanted.context!r}.", f"Contexts: {told}.")
    return wanted.context if wanted.context is not None else found[0]


def _look(cluster: Cluster) -> list[Finding]:
    api = Api(login_of(cluster), patience=_PATIENCE)
    profile = profile_of(cluster, cluster.namespace or namespace_of(login_of(cluster)))
    return probe(api, profile, {name: provider.backend for name, provider in backends.known().items()})


def _bucket(name: str, cluster: Cluster, state: Path) -> list[Finding]:
    if not cluster.store.startswith("s3://"):
        return []
    try:
        executor_for(name, cluster, state)
    except SettingsError as error:
        return [missing("store", phrase(error), error.hint, named=True)]
    return [ok("store", f"{cluster.store}, which is not looked at before a job uses it")]


def _with(cluster: Cluster, sets: Mapping[str, Any]) -> Cluster:
    return msgspec.structs.replace(cluster, **sets)


def _adopted(finding: Finding) -> Finding:
    told = ", ".join(f"{key} = {literal(value)}" for key, value in finding.sets.items())
    return replace(finding, advice=f"Written: {told}.")


def _trials(name: str, cluster: Cluster, state: Path) -> list[Finding]:
    """Have the server check jobs on one and on two nodes, without making them."""
    from sovlab.payload.pack import build_call

    executor = executor_for(name, cluster, state)
    profile = profile_of(cluster, "")
    backend = next((b for b in ("cpu", *backends.known()) if profile.image(b)), "")
    if not backend:
        return []
    found = []
    with tempfile.TemporaryDirectory(prefix="sovlab-probe-") as scratch:
        packed = build_call(abs, (-41,), store=Path(scratch))
        for nodes, what in ((1, "trial"), (2, "trial, 2 nodes")):
            spec = JobSpec(
                name="probe", kind=PayloadKind.CALL, payload=packed.digest, backend=backend, nodes=nodes
            )
            try:
                made = executor.manifests(new_job_id("probe"), spec, packed.path, check=True)
            except (ApiError, UsageError) as error:
                finding = missing(what, phrase(error), error.hint)
                # A quota that is used up gives room again, and one may want what a job can say.
                passing = " quota" in str(error.__cause__) and " ever " not in error.message
                found.append(replace(finding, level=Level.DEGRADED) if passing or nodes > 1 else finding)
                break
            kinds = ", ".join(dict.fromkeys(str(obj["kind"]) for obj in made.objects))
            found.append(ok(what, f"the API server would accept a job ({kinds})", " ".join(made.notes)))
    return found
