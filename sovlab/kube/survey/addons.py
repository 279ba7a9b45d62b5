"""What a cluster has beside plain Kubernetes: JobSet, Kueue, Trainer, OpenShift, runtime classes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from sovlab.core.finding import Finding, degraded, missing, ok, phrase
from sovlab.errors import SpecError
from sovlab.kube.objects import trainjob
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.reading import kueue
from sovlab.kube.survey.rights import JOBSET, JOBSETS, KUEUE, TRAINER, TRAINJOBS, WORKLOADS, Rights
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, Forbidden, NotFound

OPENSHIFT = "security.openshift.io"
_USER = 1000
"""UID that pods are given where nothing else does it, so that an image made for root runs as well."""


def groups_of(api: Api) -> Mapping[str, Sequence[str]]:
    """Versions by API group; empty where discovery is not allowed."""
    with contextlib.suppress(Forbidden):
        groups = api.get("/apis").get("groups") or ()
        return {g["name"]: [v.get("version", "") for v in g.get("versions") or ()] for g in groups}
    return {}


def several_nodes(
    groups: Mapping[str, Sequence[str]], rights: Rights, profile: ClusterProfile
) -> Iterator[Finding]:
    """Whether JobSet runs jobs on several nodes."""
    what, required = "several nodes", profile.workload == "jobset"
    if profile.workload == "trainjob":
        return  # see `trainer`
    if "v1alpha2" not in groups.get(JOBSET, ()):
        if required:
            advice = 'Set workload = "job", or have JobSet installed.'
            yield missing(what, "the target asks for JobSet, which is not installed", advice, named=True)
        return
    denied = rights.denied(JOBSETS)
    if not denied:
        advice = "" if required else 'Set workload = "jobset" to run jobs on several nodes with it.'
        yield ok(what, "JobSet is installed and you may use it", advice, sets={"workload": "jobset"})
        return
    right = f"This needs the right to {', '.join(denied)} {JOBSETS.title} {rights.where(JOBSETS)}."
    found = f"JobSet is installed, but you may not {', '.join(denied)} jobsets"
    if required:
        yield missing(what, found, f'{right} Or set workload = "job".')
    else:
        yield ok(what, f"{found}; a plain Job is used instead", right)


def queue(
    api: Api, groups: Mapping[str, Sequence[str]], rights: Rights, profile: ClusterProfile
) -> Iterator[Finding]:
    """Whether Kueue admits jobs, through which queue, and with which priority."""
    if KUEUE not in groups:
        if profile.queue:
            found = f"the target names queue {profile.queue}, but Kueue is not installed"
            yield missing("queue", found, "Leave the queue out.", named=True)
            return
    elif kueue.VERSION not in groups[KUEUE]:
        found = f"Kueue serves {', '.join(groups[KUEUE])}, but sovlab needs {kueue.VERSION}"
        yield degraded(
            "queue", found, "Queues work; the position of a job in its queue needs Kueue 0.14 or newer."
        )
        return
    try:
        kueue.check(api, profile.namespace, profile.queue, profile.priority)
    except SpecError as error:
        yield missing("queue", phrase(error), error.hint, named=True)
        return
    if KUEUE in groups and profile.queue:
        yield _chosen(api, profile)
        right = rights.finding(WORKLOADS)
        if right is not None:
            yield right
    elif KUEUE in groups:
        yield _queues(api, profile.namespace)
    if profile.priority:
        yield ok("priority", f"jobs have priority {profile.priority}")


def _chosen(api: Api, profile: ClusterProfile) -> Finding:
    found = f"jobs are submitted to queue {profile.queue}"
    trouble = kueue.trouble_of(api, profile.namespace, profile.queue)
    if trouble:
        advice = "Jobs wait until it does. Another queue: --queue NAME."
        return degraded("queue", f"{found}, which lets nothing start now: {trouble}", advice)
    return ok("queue", found)


def _queues(api: Api, namespace: str) -> Finding:
    try:
        names = kueue.queues(api, namespace)
    except (Forbidden, NotFound):
        advice = "If jobs must go through a queue, ask for its name and give it with --queue."
        return ok("queue", "Kueue is installed, but you may not list its queues", advice)
    if not names:
        return ok("queue", "Kueue is installed, but there is no queue in the namespace")
    if len(names) == 1:
        return ok("queue", f"there is one: {names[0]}", f"Jobs bypass it unless --queue {names[0]} is given.")
    return ok("queue", f"there are {', '.join(names)}", "Jobs bypass them unless --queue NAME is given.")


def user(groups: Mapping[str, Sequence[str]], profile: ClusterProfile) -> Iterator[Finding]:
    """Which UID pods run as: OpenShift assigns it, elsewhere the target sets it."""
    if OPENSHIFT in groups:
        if profile.user is None and profile.fs_group is None:
            yield ok("user", "OpenShift assigns pods a UID of the namespace's range")
        else:
            advice = "Remove user and fs_group from the target."
            yield degraded("user", "the target sets a user, but OpenShift assigns it", advice)
        return
    sets: dict[str, int] = {}
    if profile.user is None:
        sets["user"] = _USER
    if profile.claim and profile.fs_group is None:
        sets["fs_group"] = profile.user if profile.user is not None else _USER
    if profile.user is not None:
        found = f"pods run as UID {profile.user}"
        advice = f"fs_group = {profile.user} lets them write to the store." if sets else ""
    else:
        found, advice = (
            "images that run as root need a user in the target",
            f"Set user = {_USER}, for example.",
        )
    yield ok("user", found, advice, sets=sets)


def runtime_classes(api: Api, profile: ClusterProfile) -> Iterator[Finding]:
    """Whether there is a runtime class for NVIDIA GPUs, and whether those that the target names exist."""
    try:
        items = api.get("/apis/node.k8s.io/v1/runtimeclasses").get("items") or []
    except ApiError:
        return
    names = [str(item["metadata"]["name"]) for item in items]
    for backend, name in profile.runtime_class.items():
        if name and name not in names:
            hint = f"Runtime classes: {', '.join(sorted(names))}." if names else "The cluster has none."
            what = f"there is no RuntimeClass {name}, which the target names for {backend}"
            yield missing("runtime class", what, hint, named=True)
    if "nvidia" in names and "cuda" not in profile.runtime_class:
        sets = {"runtime_class": {"cuda": "nvidia"}}
        advice = 'Set runtime_class.cuda = "nvidia" to use it.'
        yield ok("runtime class", "there is one for NVIDIA GPUs", advice, sets=sets)


def trainer(
    api: Api, groups: Mapping[str, Sequence[str]], rights: Rights, profile: ClusterProfile
) -> Iterator[Finding]:
    """Whether Kubeflow's Trainer runs jobs on several nodes; those of targets that do not ask do without."""
    required = profile.workload == "trainjob"
    if not required:
        if TRAINER in groups:
            advice = 'Set workload = "trainjob" to run jobs on several nodes with it; they also run without.'
            yield ok("trainer", "Kubeflow Trainer is installed", advice)
        return
    what = "several nodes"
    if TRAINER not in groups:
        advice = 'Set workload = "job", or have Kubeflow Trainer installed.'
        yield missing(
            what, "the target asks for TrainJobs, but Kubeflow Trainer is not installed", advice, named=True
        )
        return
    denied = rights.denied(TRAINJOBS)
    if denied:
        right = f"This needs the right to {', '.join(denied)} {TRAINJOBS.title} {rights.where(TRAINJOBS)}."
        found = f"Kubeflow Trainer is installed, but you may not {', '.join(denied)} trainjobs"
        yield missing(what, found, f'{right} Or set workload = "job".')
        return
    yield _runtime(api, profile)


def _runtime(api: Api, profile: ClusterProfile) -> Finding:
    what, reference = "several nodes", trainjob.runtime(profile)
    title = f"{reference['kind']} {reference['name']}"
    where = f"namespaces/{profile.namespace}/" if reference["kind"] == "TrainingRuntime" else ""
    path = f"/apis/{TRAINER}/v1alpha1/{where}{reference['kind'].lower()}s"
    try:
        api.get(f"{path}/{reference['name']}")
    except NotFound:
        try:
            names = sorted(str(item["metadata"]["name"]) for item in api.get(path).get("items") or ())
        except ApiError:
            names = []
        hint = f"There are {', '.join(names)}. " if names else ""
        advice = f'{hint}Set training_runtime = "NAME", or "TrainingRuntime/NAME" for one of the namespace.'
        return missing(what, f"there is no {title}", advice, named=True)
    except ApiError:
        return degraded(what, f"TrainJobs with {title}", "You may not see whether that runtime exists.")
    return ok(what, f"TrainJobs with {title}")
