"""The kinds that the server knows: their names, groups, verbs and subresources, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of object.

    Attributes:
        group: API group, empty for the core.
        version: API version.
        plural: as in paths.
        kind: as in bodies.
        namespaced: whether it lives in a namespace.
        short: names that kubectl takes.
        categories: e.g. `all`.
        has_status: whether `status` is a subresource, so that the main path ignores it.
        has_generation: whether `metadata.generation` counts changes of the spec.
        custom: served from a CustomResourceDefinition; items of its lists carry kind and apiVersion, and
            there are no defaults that a schema does not give.
        subresources: beside status: name → (kind, verbs).
        verbs: what discovery says.
        stored: False for kinds that are only asked, e.g. access reviews.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    has_generation: bool = False
    custom: bool = False
    subresources: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    verbs: tuple[str, ...] = ALL_VERBS
    stored: bool = True

    @property
    def api_version(self) -> str:
        """As in bodies."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As in messages: `pods`, `jobs.batch`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """As in messages about invalid objects: `Pod`, `Job.batch`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def head(self) -> bytes:
        """How each object's JSON begins."""
        return f'{{"kind":"{self.kind}","apiVersion":"{self.api_version}",'.encode()


_POD_SUBS = {
    "log": ("Pod", ("get",)),
    "exec": ("PodExecOptions", ("create", "get")),
    "eviction": ("Eviction", ("create",)),
    "binding": ("Binding", ("create",)),
}

NAMESPACES = Kind(
    "", "v1", "namespaces", "Namespace", False, ("ns",), has_status=True,
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
)  # fmt: skip
NODES = Kind("", "v1", "nodes", "Node", False, ("no",), has_status=True)
PODS = Kind(
    "",
    "v1",
    "pods",
    "Pod",
    True,
    ("po",),
    ("all",),
    has_status=True,
    has_generation=True,
    subresources=_POD_SUBS,
)
SERVICES = Kind("", "v1", "services", "Service", True, ("svc",), ("all",), has_status=True)
SECRETS = Kind("", "v1", "secrets", "Secret")
CONFIGMAPS = Kind("", "v1", "configmaps", "ConfigMap", True, ("cm",))
EVENTS = Kind("", "v1", "events", "Event", True, ("ev",))
CLAIMS = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ("pvc",), has_status=True)
VOLUMES = Kind("", "v1", "persistentvolumes", "PersistentVolume", False, ("pv",), has_status=True)
QUOTAS = Kind("", "v1", "resourcequotas", "ResourceQuota", True, ("quota",), has_status=True)
LIMITRANGES = Kind("", "v1", "limitranges", "LimitRange", True, ("limits",))
SERVICEACCOUNTS = Kind("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",))
JOBS = Kind("batch", "v1", "jobs", "Job", True, (), ("all",), has_status=True, has_generation=True)
PRIORITYCLASSES = Kind("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False, ("pc",))
STORAGECLASSES = Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", False, ("sc",))
ACCESS_REVIEWS = Kind(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False,
    verbs=("create",), stored=False,
)  # fmt: skip
SELF_REVIEWS = Kind(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", False,
    verbs=("create",), stored=False,
)  # fmt: skip
RULES_REVIEWS = Kind(
    "authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False,
    verbs=("create",), stored=False,
)  # fmt: skip

CORE = (
    NAMESPACES, NODES, PODS, SERVICES, SECRETS, CONFIGMAPS, EVENTS, CLAIMS, VOLUMES, QUOTAS, LIMITRANGES,
    SERVICEACCOUNTS, JOBS, PRIORITYCLASSES, STORAGECLASSES, ACCESS_REVIEWS, RULES_REVIEWS, SELF_REVIEWS,
)  # fmt: skip

KUEUE_GROUP = "kueue.x-k8s.io"
WORKLOADS = Kind(
    KUEUE_GROUP, "v1beta2", "workloads", "Workload", True, ("wl",), ("kueue",), True, True, custom=True
)
LOCALQUEUES = Kind(
    KUEUE_GROUP,
    "v1beta2",
    "localqueues",
    "LocalQueue",
    True,
    ("queue", "lq"),
    ("kueue",),
    True,
    True,
    custom=True,
)
CLUSTERQUEUES = Kind(
    KUEUE_GROUP,
    "v1beta2",
    "clusterqueues",
    "ClusterQueue",
    False,
    ("cq",),
    ("kueue",),
    True,
    True,
    custom=True,
)
FLAVORS = Kind(
    KUEUE_GROUP,
    "v1beta2",
    "resourceflavors",
    "ResourceFlavor",
    False,
    ("flavor", "rf"),
    ("kueue",),
    False,
    True,
    custom=True,
)
WORKLOAD_PRIORITIES = Kind(
    KUEUE_GROUP,
    "v1beta2",
    "workloadpriorityclasses",
    "WorkloadPriorityClass",
    False,
    (),
    ("kueue",),
    custom=True,
)
ADMISSION_CHECKS = Kind(
    KUEUE_GROUP,
    "v1beta2",
    "admissionchecks",
    "AdmissionCheck",
    False,
    (),
    ("kueue",),
    True,
    True,
    custom=True,
)
VISIBLE_QUEUES = Kind(
    "visibility.kueue.x-k8s.io",
    "v1beta2",
    "localqueues",
    "LocalQueue",
    True,
    custom=True,
    verbs=(),
    stored=False,
    subresources={"pendingworkloads": ("PendingWorkloadsSummary", ("get",))},
)
VISIBLE_CLUSTERQUEUES = Kind(
    "visibility.kueue.x-k8s.io", "v1beta2", "clusterqueues", "ClusterQueue", False, custom=True, verbs=(),
    stored=False, subresources={"pendingworkloads": ("PendingWorkloadsSummary", ("get",))},
)  # fmt: skip
KUEUE = (
    WORKLOADS,
    LOCALQUEUES,
    CLUSTERQUEUES,
    FLAVORS,
    WORKLOAD_PRIORITIES,
    ADMISSION_CHECKS,
    VISIBLE_QUEUES,
    VISIBLE_CLUSTERQUEUES,
)

JOBSETS = Kind(
    "jobset.x-k8s.io", "v1alpha2", "jobsets", "JobSet", True, (), (), has_status=True, has_generation=True,
    custom=True,
)  # fmt: skip
TRAINJOBS = Kind(
    "trainer.kubeflow.org", "v1alpha1", "trainjobs", "TrainJob", True, (), (), has_status=True,
    has_generation=True, custom=True,
)  # fmt: skip
RUNTIMES = Kind(
    "trainer.kubeflow.org",
    "v1alpha1",
    "clustertrainingruntimes",
    "ClusterTrainingRuntime",
    False,
    custom=True,
    has_generation=True,
)
NAMESPACED_RUNTIMES = Kind(
    "trainer.kubeflow.org",
    "v1alpha1",
    "trainingruntimes",
    "TrainingRuntime",
    custom=True,
    has_generation=True,
)


class Kinds:
    """The kinds of one server, found by path or by body."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._all = tuple(kinds)
        self._by_path = {(kind.group, kind.version, kind.plural): kind for kind in self._all}
        self._by_body = {(kind.api_version, kind.kind): kind for kind in self._all if kind.stored}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._all)

    def at(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind that a path names."""
        return self._by_path.get((group, version, plural))

    def of(self, api_version: str, kind: str) -> Kind | None:
        """The kind that a body, or an owner reference, names."""
        return self._by_body.get((api_version, kind))

    def called(self, name: str) -> Kind:
        """The kind that a person names: `pods`, `Job`, `jobs.batch`; a KeyError if there is none."""
        for kind in self._all:
            if kind.stored and name in (kind.plural, kind.kind, kind.resource, *kind.short):
                return kind
        raise KeyError(name)
