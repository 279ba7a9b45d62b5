"""Several nodes as a TrainJob of Kubeflow Trainer, for clusters whose rules ask for one. Pure.

A TrainJob names a training runtime of the cluster, which makes a JobSet of it. What a request needs of its
pods goes into patches of that runtime (``spec.runtimePatches``, from Trainer 2.2 on). Runtimes have failed
containers started anew, so the runner ends with status 0 when it has said how the job ended: Trainer counts
such a TrainJob as complete, and sovlab reads how it ended from what the runner said.

Source: https://trainer.kubeflow.org, API trainer.kubeflow.org/v1alpha1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sovlab.core.spec import JobSpec
from sovlab.errors import SpecError
from sovlab.kube import labels
from sovlab.kube.objects.profile import ClusterProfile

Manifest = dict[str, Any]

STEP = labels.TRAINER
"""What Trainer's runtimes call both the replicated job that trains and its container."""
_NAMESPACED = "TrainingRuntime/"
_MANAGER = f"{labels.PREFIX}/client"
_PATCHED = (
    "serviceAccountName",
    "imagePullSecrets",
    "securityContext",
    "nodeSelector",
    "tolerations",
    "volumes",
    "terminationGracePeriodSeconds",
)
"""Fields of a pod that a patch of the runtime may set."""
_REFUSED = {
    "runtimeClassName": ("a runtime class", "runtime_class"),
    "priorityClassName": ("a priority class without a queue", "priority"),
}


def spec(
    request: JobSpec, profile: ClusterProfile, pod: Mapping[str, Any], pod_labels: Mapping[str, str]
) -> Manifest:
    """The ``spec`` of a TrainJob, without ``suspend``.

    Args:
        request: the job's.
        profile: the target's cluster.
        pod: the spec of its pods, as a Job would have it.
        pod_labels: labels of its pods.

    Raises:
        SpecError: the target sets something for pods that only the training runtime can set.
    """
    for key, (what, setting) in _REFUSED.items():
        if key in pod:
            raise SpecError(
                f"A TrainJob cannot give its pods {what}: its training runtime does.",
                f'Leave {setting} out of the target, or choose workload = "job".',
            )
    (container,) = pod["containers"]
    env = [*container.get("env", ()), {"name": "SOVLAB_RESTARTS", "value": "1"}]
    patch = {
        "metadata": {"labels": dict(pod_labels), "annotations": {labels.DEFAULT_CONTAINER: STEP}},
        "spec": {
            **{key: pod[key] for key in _PATCHED if key in pod},
            "containers": [
                {
                    "name": STEP,
                    "volumeMounts": container["volumeMounts"],
                    "securityContext": container["securityContext"],
                }
            ],
        },
    }
    manifest: Manifest = {
        "runtimeRef": runtime(profile),
        "trainer": {
            "image": container["image"],
            "command": container["command"],
            "env": env,
            "numNodes": request.nodes,
            "numProcPerNode": request.procs,
            "resourcesPerNode": container["resources"],
        },
        "runtimePatches": [
            {
                "manager": _MANAGER,
                "trainingRuntimeSpec": {
                    "template": {
                        "spec": {
                            "replicatedJobs": [{"name": STEP, "template": {"spec": {"template": patch}}}]
                        }
                    }
                },
            }
        ],
    }
    if "activeDeadlineSeconds" in pod:
        manifest["activeDeadlineSeconds"] = pod["activeDeadlineSeconds"]
    return manifest


def runtime(profile: ClusterProfile) -> dict[str, str]:
    """The training runtime of a target: of the cluster, or with ``TrainingRuntime/NAME`` of the namespace."""
    named = profile.training_runtime
    own = named.startswith(_NAMESPACED)
    return {
        "apiGroup": "trainer.kubeflow.org",
        "kind": "TrainingRuntime" if own else "ClusterTrainingRuntime",
        "name": named.removeprefix(_NAMESPACED),
    }
