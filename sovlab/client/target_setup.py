"""Adding a target on a cluster: what was said of it, completed by what suits the cluster."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from sovlab.core.finding import Finding, lacking, ok, settings_of
from sovlab.errors import SpecError, UsageError
from sovlab.executors.kubernetes.examining import look, try_jobs
from sovlab.executors.kubernetes.target import KubernetesSection, read
from sovlab.kube.transport.connection import contexts, namespace_of
from sovlab.options.target import NewTarget
from sovlab.settings import Target
from sovlab.settings.toml import literal

EXECUTOR = "kubernetes"
"""Which executor serves a target that is added."""
_SOURCE = "Command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetProposal:
    """A target that may be written into the settings.

    Attributes:
        values: of its section, ``[targets.NAME.kubernetes]``.
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


def propose(name: str, new: NewTarget, state: Path) -> TargetProposal:
    """Look at a cluster, and complete what was said of a target by what suits the cluster.

    Args:
        name: of the target.
        new: what was said.
        state: the user's state directory.

    Raises:
        UsageError: what was said is wrong: no such context, namespace, queue, priority or claim.
        ClusterError: the cluster does not answer, or not to us.
    """
    values, notes = _values(name, new)
    section = _section(name, values)
    findings = look(section)
    for finding in lacking(findings):
        if finding.named:
            raise SpecError(f"Target {name} was not added: {finding.found}.", finding.advice)
    chosen = settings_of(findings)
    trials = _trials(name, section, chosen, state) if not lacking(findings) else []
    if lacking(trials) and "user" in chosen:
        # What sovlab chose for the pods may be what the namespace forbids.
        without_user = {key: value for key, value in chosen.items() if key not in ("user", "fs_group")}
        others = _trials(name, section, without_user, state)
        if not lacking(others):
            dropped = ok("user", f"pods run as the user of their image: UID {chosen['user']} is not accepted")
            findings = [dropped if finding.what == "user" else finding for finding in findings]
            chosen, trials = without_user, others
    written = [_adopted(finding) if finding.sets else finding for finding in findings]
    return TargetProposal(values={**values, **chosen}, findings=[*written, *trials], notes=notes)


def _section(name: str, values: Mapping[str, Any]) -> KubernetesSection:
    return read(Target(name=name, executor=EXECUTOR, source=_SOURCE, table=values, folder=Path.cwd()))


def _trials(name: str, section: KubernetesSection, chosen: Mapping[str, Any], state: Path) -> list[Finding]:
    return try_jobs(name, msgspec.structs.replace(section, **chosen), state)


def _values(name: str, new: NewTarget) -> tuple[dict[str, Any], list[str]]:
    """The target's section as far as it was said, and what to tell about the choice."""
    notes: list[str] = []
    if new.in_cluster:
        if new.context is not None or new.kubeconfig is not None:
            raise UsageError("--in-cluster and a kubeconfig contradict each other.", "Give one of them.")
        if not os.environ.get("KUBERNETES_SERVICE_HOST"):
            raise SpecError(
                "--in-cluster was given, but this is not a pod of a cluster.", "Give --context instead."
            )
        context = None
    else:
        context = _context(new)
        if new.kubeconfig is None and os.environ.get("KUBECONFIG"):
            notes.append(
                f"Its context is in {os.environ['KUBECONFIG']}, which KUBECONFIG names here; it is not found "
                "where KUBECONFIG is not set. --kubeconfig FILE writes its path into the target."
            )
    draft = _section(name, new.table(context, new.namespace or "default"))
    return new.table(context, new.namespace or namespace_of(draft.login)), notes


def _context(new: NewTarget) -> str:
    file = Path(new.kubeconfig).expanduser() if new.kubeconfig is not None else None
    if file is not None and not file.is_file():
        raise SpecError(f"There is no kubeconfig {file}.", "Give the path of one with --kubeconfig.")
    known = contexts(file)
    what = f"The kubeconfig {file}" if file is not None else "The kubeconfig"
    listed = ", ".join(known)
    if not known:
        advice = "Log in to your cluster the way your site does, or name a file with --kubeconfig."
        raise SpecError(f"{what} has no context." if file else "There is no kubeconfig here.", advice)
    if new.context is None and len(known) > 1:
        raise SpecError(f"{what} has {len(known)} contexts: {listed}.", "Name one with --context.")
    if new.context is not None and new.context not in known:
        raise SpecError(f"{what} has no context {new.context!r}.", f"Contexts: {listed}.")
    return new.context if new.context is not None else known[0]


def _adopted(finding: Finding) -> Finding:
    settings = ", ".join(f"{key} = {literal(value)}" for key, value in finding.sets.items())
    return replace(finding, advice=f"Written: {settings}.")
