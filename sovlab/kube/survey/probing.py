"""What a cluster offers a user who wants to run jobs there: facts, and what is missing.

Nothing is created: there are only reads and access reviews. Each fact is a `Finding` with the right or the
object that would bring what is missing; the caller decides what follows from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from sovlab.core.backend import Backend
from sovlab.core.capacity import Capacity
from sovlab.core.finding import Finding, degraded, missing, ok
from sovlab.core.units import format_bytes
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.survey import addons
from sovlab.kube.survey.capacity import Counting
from sovlab.kube.survey.identity import name_of_user
from sovlab.kube.survey.nodes import nodes_of
from sovlab.kube.survey.rights import NEEDED, STORE, Right, Rights
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, Forbidden, NotFound

_OLDEST = (1, 29)
"""Oldest version of Kubernetes on which jobs are known to run."""
_MIG = "nvidia.com/mig-"
_SHOWN = 20


def probe(api: Api, profile: ClusterProfile, backends: Mapping[str, Backend]) -> list[Finding]:
    """What a cluster is like for the jobs of a target.

    Args:
        api: as the user who will submit.
        profile: what the target says of the cluster so far.
        backends: those on which jobs may run, by name.

    Raises:
        Unreachable: the cluster does not answer.
        CredentialsError: it does not accept who we say we are.
    """
    rights = Rights(api, profile.namespace)
    findings = [*_server(api), *_identity(api), *_namespace(api, rights, profile.namespace)]
    if any(finding.named for finding in findings):
        return findings  # without its namespace there is nothing more to see
    groups = addons.groups_of(api)
    needed = [*NEEDED, *([STORE] if profile.claim else [])]
    rights.ask(needed)
    findings += _rights(rights, needed)
    findings += addons.several_nodes(groups, rights, profile)
    findings += addons.queue(api, groups, rights, profile)
    findings += addons.trainer(api, groups, rights, profile)
    findings += addons.user(groups, profile)
    findings += _store(api, profile)
    findings += _hardware(api, profile, backends)
    findings += addons.runtime_classes(api, profile)
    findings += _image(profile, backends)
    return findings


def _server(api: Api) -> Iterator[Finding]:
    try:
        version = str(api.get("/version").get("gitVersion") or "of an unknown version")
    except Forbidden:
        yield ok("server", f"{api.server}, whose version you may not see")
        return
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    found = f"Kubernetes {version} at {api.server}"
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST:
        yield degraded("server", found, f"sovlab supports Kubernetes {_OLDEST[0]}.{_OLDEST[1]} and newer.")
    else:
        yield ok("server", found)


def _identity(api: Api) -> Iterator[Finding]:
    name = name_of_user(api)
    if name == "system:anonymous":
        yield missing("you", "the cluster treats you as anonymous", "Log in the way your site does.")
    elif name:
        yield ok("you", name)


def _namespace(api: Api, rights: Rights, name: str) -> Iterator[Finding]:
    try:
        obj = api.get(f"/api/v1/namespaces/{name}")
    except NotFound:
        yield missing("namespace", f"there is no namespace {name}", _other_namespaces(api), named=True)
        return
    except Forbidden:
        if any(not rights.denied(right) for right in NEEDED if right.required):
            yield ok("namespace", name)
        else:
            what = f"there is no namespace {name}, or you have no rights in it"
            advice = f"Give yours with --namespace, or ask for the role edit in {name}."
            yield missing("namespace", what, advice, named=True)
        return
    if obj["metadata"].get("deletionTimestamp"):
        advice = "Choose another with --namespace."
        yield missing("namespace", f"namespace {name} is being deleted", advice, named=True)
        return
    level = (obj["metadata"].get("labels") or {}).get("pod-security.kubernetes.io/enforce")
    yield ok("namespace", f"{name}, Pod Security level {level}" if level else name)


def _other_namespaces(api: Api) -> str:
    try:
        items = api.get("/api/v1/namespaces", limit=_SHOWN + 1).get("items") or []
    except ApiError:
        return "Give yours with --namespace, or ask your administrators for one."
    names = [n for item in items if not (n := str(item["metadata"]["name"])).startswith("kube-")]
    return f"Namespaces: {', '.join(sorted(names)[:_SHOWN])}{', …' if len(items) > _SHOWN else ''}."


def _rights(rights: Rights, needed: Sequence[Right]) -> Iterator[Finding]:
    findings = [rights.finding(right) for right in needed]
    if None in findings:
        advice = "The checks below show what they can; ask for the role edit in the namespace if one fails."
        yield degraded("rights", "the cluster does not answer access reviews", advice)
    yield from (finding for finding in findings if finding is not None)


def _store(api: Api, profile: ClusterProfile) -> Iterator[Finding]:
    if not profile.claim:
        return
    path = f"/api/v1/namespaces/{profile.namespace}/persistentvolumeclaims"
    try:
        claim = api.get(f"{path}/{profile.claim}")
    except NotFound:
        try:
            names = sorted(str(item["metadata"]["name"]) for item in api.get(path).get("items") or ())
        except ApiError:
            names = []
        hint = f"Claims: {', '.join(names)}." if names else "Create one, or leave out --store."
        found = f"there is no PersistentVolumeClaim {profile.claim} in namespace {profile.namespace}"
        yield missing("store", found, hint, named=True)
        return
    except Forbidden:
        advice = f"This needs the right to get persistentvolumeclaims in namespace {profile.namespace}."
        yield degraded("store", f"you may not see whether claim {profile.claim} exists", advice)
        return
    state = claim.get("status") or {}
    modes = state.get("accessModes") or (claim.get("spec") or {}).get("accessModes") or []
    what = f"claim {profile.claim}, {', '.join(modes) or 'without an access mode'}"
    if claim["metadata"].get("deletionTimestamp") or state.get("phase") == "Lost":
        how = "lost" if state.get("phase") == "Lost" else "being deleted"
        found, advice = f"claim {profile.claim} is {how}", "Choose another with --store."
        yield missing("store", found, advice, named=True)
    elif not {"ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"} & set(modes):
        advice = "A store needs ReadWriteMany."
        yield missing("store", f"{what}, which is read-only", advice, named=True)
    elif "ReadWriteMany" not in modes:
        advice = "All pods that use it must be on one node; ReadWriteMany allows jobs on several nodes."
        yield degraded("store", what, advice)
    else:
        yield ok("store", what)


def _hardware(api: Api, profile: ClusterProfile, backends: Mapping[str, Backend]) -> Iterator[Finding]:
    nodes = nodes_of(api)
    capacities = Counting(api, profile).capacities(backends)
    found = ", ".join(filter(None, map(_amount, capacities))) or "not known"
    if nodes is None:
        by_quota = any(capacity.total is not None for capacity in capacities)
        found = (
            f"{found}, by the quota of the namespace"
            if by_quota
            else "the hardware of the cluster is not known"
        )
        advice = "The rights to list nodes, and pods in all namespaces, show what there is and what is free."
        yield degraded("hardware", found, advice)
        return
    if any(capacity.total and capacity.free is None for capacity in capacities):
        advice = "The right to list pods in all namespaces shows how much of it is free."
        yield degraded("hardware", found, advice)
    else:
        yield ok("hardware", found)
    allocatable = {r for n in nodes for r in n.status.allocatable if n.amount(r) > 0}
    slices = sorted(r for r in allocatable if r.startswith(_MIG))
    whole = "nvidia.com/gpu" in allocatable
    if not slices or "cuda" in profile.resources:
        return
    if len(slices) == 1 and not whole:
        advice = f'Set resources.cuda = "{slices[0]}" to ask for one.'
        yield ok("MIG", f"GPUs are MIG slices: {slices[0]}", advice, sets={"resources": {"cuda": slices[0]}})
    else:
        kinds = ", ".join([*(["nvidia.com/gpu"] if whole else []), *slices])
        advice = 'Choose one: resources.cuda = "…" in the target.'
        yield (ok if whole else degraded)("MIG", f"GPUs are of several kinds: {kinds}", advice)


def _amount(capacity: Capacity) -> str:
    """Hardware in a few words: ``cuda 3 of 8 free (NVIDIA-H100)``; empty if there is none."""
    if not capacity.total:
        return ""
    devices = capacity.detection.devices
    models = sorted({d.model for d in devices if d.model})
    memory = max((d.memory for d in devices if d.memory), default=None)
    details = ", ".join([*models, *([format_bytes(memory)] if memory else [])])
    free = (
        f"{capacity.free:g} of {capacity.total:g} free"
        if capacity.free is not None
        else f"{capacity.total:g}"
    )
    return f"{capacity.detection.backend} {free}" + (f" ({details})" if details else "")


def _image(profile: ClusterProfile, backends: Mapping[str, Backend]) -> Iterator[Finding]:
    images = {**({"all others": profile.image} if profile.image else {}), **profile.images}
    if not images:
        advice = 'Give one with --image, or set image = "…" in the target; it needs Python 3.9 or newer.'
        yield missing("image", "none is set, and jobs need one", advice)
        return
    without = [name for name in backends if not profile.image_for(name)]
    summary = ", ".join(f"{image} for {name}" if len(images) > 1 else image for name, image in images.items())
    if without:
        advice = f"Jobs cannot run on {', '.join(without)}: set images.{without[0]}, or image for all."
        yield degraded("image", summary, advice)
    else:
        yield ok("image", summary)
