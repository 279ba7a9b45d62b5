"""What sovlab needs to be allowed to do in a cluster, and what is lost without it; asked by access reviews.

The table holds what sovlab does and nothing else: a right that nothing uses would be one too many. The
``edit`` role of a namespace has all that is required.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sovlab.core.finding import Finding, degraded, missing, ok
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import Forbidden, NotFound

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_AT_ONCE = 8
JOBSET = "jobset.x-k8s.io"
KUEUE = "kueue.x-k8s.io"
TRAINER = "trainer.kubeflow.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Something that sovlab does in a cluster.

    Attributes:
        what: what it is good for.
        resource: plural, with a subresource after a slash: ``pods/log``.
        verbs: what is done with it.
        loss: what does not work without it.
        group: API group; empty for the core.
        required: no job runs without it.
        everywhere: it is needed in all namespaces, or for what is in none.
    """

    what: str
    resource: str
    verbs: tuple[str, ...]
    loss: str
    group: str = ""
    required: bool = False
    everywhere: bool = False

    @property
    def title(self) -> str:
        """The resource as rules of RBAC name it: ``jobs.batch``."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


EXEC = Right(
    what="run commands in jobs",
    resource="pods/exec",
    # A WebSocket is a GET, and servers from 1.35 on want the right to create as well.
    verbs=("create", "get"),
    loss="without a store payloads over 1 MB and results over 3 kB do not travel; Cancel loses the log",
)
NEEDED = (
    Right(
        what="submit",
        resource="jobs",
        group="batch",
        verbs=("create", "patch"),
        loss="no job can be submitted and started",
        required=True,
    ),
    Right(
        what="send",
        resource="secrets",
        verbs=("create",),
        loss="code and variables cannot be sent",
        required=True,
    ),
    Right(
        what="find and follow",
        resource="jobs",
        group="batch",
        verbs=("get", "list", "watch"),
        loss="jobs cannot be found again",
        required=True,
    ),
    Right(
        what="see states",
        resource="pods",
        verbs=("list", "watch"),
        loss="the states of jobs cannot be seen",
        required=True,
    ),
    Right(
        what="read logs",
        resource="pods/log",
        verbs=("get",),
        loss="there is no log and no progress, and results over 3 kB are lost",
    ),
    EXEC,
    Right(
        what="delete",
        resource="jobs",
        group="batch",
        verbs=("delete",),
        loss="ended jobs, and what a failed submit created, stay until the cluster deletes them",
    ),
    Right(
        what="run again",
        resource="secrets",
        verbs=("get",),
        loss="Rerun and sovlab manifests cannot read what a job was sent",
    ),
    Right(
        what="several nodes",
        resource="services",
        verbs=("create",),
        loss="a job has one node at most, unless JobSet runs it",
    ),
    Right(what="say why jobs wait", resource="events", verbs=("list",), loss="why a job waits is not shown"),
)
JOBSETS = Right(
    what="JobSet",
    resource="jobsets",
    group=JOBSET,
    verbs=("create", "get", "list", "watch", "patch", "delete"),
    loss="jobs on several nodes run as plain Jobs",
)
TRAINJOBS = Right(
    what="TrainJob",
    resource="trainjobs",
    group=TRAINER,
    verbs=("create", "get", "list", "watch", "patch", "delete"),
    loss="jobs on several nodes run as plain Jobs",
)
QUEUES = Right(
    what="see queues",
    resource="localqueues",
    group=KUEUE,
    verbs=("get", "list"),
    loss="the name of a queue is not checked",
)
WORKLOADS = Right(
    what="say why the queue waits",
    resource="workloads",
    group=KUEUE,
    verbs=("list",),
    loss="position and reason in the queue are not shown",
)
STORE = Right(
    what="read the store",
    resource="pods",
    verbs=("create", "get", "delete"),
    loss="results in the store cannot be fetched from here",
)


class Rights:
    """What the user may do in a namespace, each question asked once.

    Args:
        api: as that user.
        namespace: where jobs run.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._answers: dict[tuple[str, Right], bool | None] = {}

    def ask(self, rights: Iterable[Right]) -> None:
        """Ask for many at once, over several connections."""
        questions = [(v, r) for r in rights for v in r.verbs if (v, r) not in self._answers]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sovlab-rights") as pool:
            self._answers.update(
                zip(questions, pool.map(lambda each: self._review(*each), questions), strict=True)
            )

    def denied(self, right: Right) -> Sequence[str] | None:
        """The verbs that are denied; None where the cluster answers no access reviews."""
        self.ask([right])
        answers = [self._answers[verb, right] for verb in right.verbs]
        if None in answers:
            return None
        return [verb for verb, answer in zip(right.verbs, answers, strict=True) if not answer]

    def lacks(self, right: Right) -> str:
        """What of a right is denied, as *create pods/exec in namespace ml*; empty if nothing is known."""
        denied = self.denied(right)
        return f"{', '.join(denied)} {right.title} {self.where(right)}" if denied else ""

    def has(self, right: Right) -> bool:
        """Whether all verbs are allowed; True, too, where the cluster answers no access reviews."""
        return not self.denied(right)

    def finding(self, right: Right) -> Finding | None:
        """What to say of a right; None where the cluster answers no access reviews."""
        denied = self.denied(right)
        if denied is None:
            return None
        if not denied:
            return ok(right.what, f"may {', '.join(right.verbs)} {right.title}")
        advice = f"Without it {right.loss}. It needs the right to {self.lacks(right)}."
        found = f"may not {', '.join(denied)} {right.title}"
        return missing(right.what, found, advice) if right.required else degraded(right.what, found, advice)

    def where(self, right: Right) -> str:
        """For messages: where the right is needed."""
        return "in all namespaces" if right.everywhere else f"in namespace {self._namespace}"

    def _review(self, verb: str, right: Right) -> bool | None:
        resource, _, sub = right.resource.partition("/")
        attributes = {
            "verb": verb,
            "group": right.group,
            "resource": resource,
            **({"subresource": sub} if sub else {}),
            **({} if right.everywhere else {"namespace": self._namespace}),
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        try:
            return bool((self._api.create(_REVIEWS, body).get("status") or {}).get("allowed"))
        except (Forbidden, NotFound):
            return None
