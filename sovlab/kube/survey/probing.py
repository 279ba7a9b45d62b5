"""A look at a cluster through the eyes of somebody who wants to run jobs there: facts, and what is lacking.

Nothing is made: there are reads, reviews of access, and no more. Each fact is a `Finding` with the right or
the object that would bring what is not there; whoever asks decides what follows from it.
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
from sovlab.kube.survey.capacity import Counting, nodes_of
from sovlab.kube.survey.rights import NEEDED, STORE, Right, Rights
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, Forbidden, NotFound

_OLDEST = (1, 29)
"""Of Kubernetes, with which jobs are known to run."""
_MIG = "nvidia.com/mig-"
_SHOWN = 20


def probe(api: Api, profile: ClusterProfile, backends: Mapping[str, Backend]) -> list[Finding]:
    """What a cluster is like for the jobs of a target.

    Args:
        api: of the cluster, as the user who will submit.
        profile: what the target says of it so far.
        backends: that jobs may run on, by name.

    Raises:
        Unreachable: the cluster does not answer.
        CredentialsError: it does not accept who we say we are.
    """
    rights = Rights(api, profile.namespace)
    found = [*_server(api), *_identity(api), *_namespace(api, rights, profile.namespace)]
    if any(finding.named for finding in found):
        return found  # without its namespace there is nothing more to see
    groups = addons.groups_of(api)
    needed = [*NEEDED, *([STORE] if profile.claim else [])]
    rights.ask(needed)
    found += _rights(rights, needed)
    found += addons.several_nodes(groups, rights, profile)
    found += addons.queue(api, groups, rights, profile)
    found += addons.trainer(api, groups, rights, profile)
    found += addons.user(groups, profile)
    found += _store(api, profile)
    found += _hardware(api, profile, backends)
    found += addons.runtime_classes(api, profile)
    found += _image(profile, backends)
    return found


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
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        told = api.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    except ApiError:
        return  # an older server, or one that keeps it to itself: nothing depends on it
    name = str(((told.get("status") or {}).get("userInfo") or {}).get("username") or "")
    if name == "system:anonymous":
        yield missing("you", "the cluster treats you as anonymous", "Log in the way your site does.")
    elif name:
        yield ok("you", name)


def _namespace(api: Api, rights: Rights, name: str) -> Iterator[Finding]:
    try:
        there = api.get(f"/api/v1/namespaces/{name}")
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
    if there["metadata"].get("deletionTimestamp"):
        advice = "Choose another with --namespace."
        yield missing("namespace", f"namespace {name} is being deleted", advice, named=True)
        return
    level = (there["metadata"].get("labels") or {}).get("pod-security.kubernetes.io/enforce")
    yield ok("namespace", f"{name}, Pod Security level {level}" if level else name)


def _other_namespaces(api: Api) -> str:
    try:
        items = api.get("/api/v1/namespaces", limit=_SHOWN + 1).get("items") or []
    except ApiError:
        return "Give yours with --namespace, or ask your administrators for one."
    names = [n for item in items if not (n := str(item["metadata"]["name"])).startswith("kube-")]
    return f"Namespaces: {', '.join(sorted(names)[:_SHOWN])}{', …' if len(items) > _SHOWN else ''}."


def _rights(rights: Rights, needed: Sequence[Right]) -> Iterator[Finding]:
    found = [rights.finding(right) for right in needed]
    if None in found:
        advice = "The checks below show what they can; ask for the role edit in the namespace if one fails."
        yield degraded("rights", "the cluster does not answer access reviews", advice)
    yield from (finding for finding in found if finding is not None)


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
    capacityed = {r for n in nodes for r in n.status.allocatable if n.amount(r) > 0}
    slices = sorted(r for r in capacityed if r.startswith(_MIG))
    whole = "nvidia.com/gpu" in capacityed
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
    told = ", ".join([*models, *([format_bytes(memory)] if memory else [])])
    free = (
        f"{capacity.free:g} of {capacity.total:g} free"
        if capacity.free is not None
        else f"{capacity.total:g}"
    )
    return f"{capacity.detection.backend} {free}" + (f" ({told})" if told else "")


def _image(profile: ClusterProfile, backends: Mapping[str, Backend]) -> Iterator[Finding]:
    named = {**({"all others": profile.image} if profile.image else {}), **profile.images}
    if not named:
        advice = 'Give one with --image, or set image = "…" in the target; it needs Python 3.9 or newer.'
        yield missing("image", "none is set, and jobs need one", advice)
        return
    without = [name for name in backends if not profile.image_for(name)]
    told = ", ".join(f"{image} for {name}" if len(named) > 1 else image for name, image in named.items())
    if without:
        advice = f"Jobs cannot run on {', '.join(without)}: set images.{without[0]}, or image for all."
        yield degraded("image", told, advice)
    else:
        yield ok("image", told)
