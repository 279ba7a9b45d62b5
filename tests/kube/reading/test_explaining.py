"""What schedulers, kubelets, runtimes and quotas say, in plain words.

What a real cluster said (Kubernetes 1.36, containerd 1.6) is marked so; other forms are those of the
sources of Kubernetes, containerd, CRI-O and crun.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.kube.reading import explaining

REFUSED = 'Error creating: pods "a-7kv6d" is forbidden: '
CPU = "1 Insufficient cpu"
HELP = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
NO_ROOM = "no node has room for it: "
IMAGE = "registry.example.org/torch:2.9"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        # said by a real cluster
        (
            f"0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, {HELP}",
            NO_ROOM + "1 of 1 node has too little CPU free",
        ),
        (
            f"0/1 nodes are available: {CPU}, 1 Insufficient memory. no new claims to deallocate, {HELP}",
            NO_ROOM + "1 of 1 node has too little CPU free, 1 has too little memory free",
        ),
        (
            f"0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, {HELP}",
            NO_ROOM + "1 of 1 node has too little nvidia.com/gpu free",
        ),
        (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. "
            f"no new claims to deallocate, {HELP}",
            NO_ROOM + "1 of 1 node does not have the labels that the target asks for",
        ),
        (
            '0/1 nodes are available: persistentvolumeclaim "nope" not found. not found',
            "the target's store, volume claim nope, does not exist in the namespace",
        ),
        # of earlier versions, and of larger clusters
        (
            "0/5 nodes are available: 1 node(s) had untolerated taint "
            "{node-role.kubernetes.io/control-plane: }, 3 Insufficient nvidia.com/gpu, "
            "1 node(s) were unschedulable. preemption: 0/5 nodes are available: "
            "2 Preemption is not helpful for scheduling, 3 No preemption victims found for incoming pod.",
            NO_ROOM + "1 of 5 nodes has a taint that the job does not tolerate "
            "(node-role.kubernetes.io/control-plane), "
            "3 have too little nvidia.com/gpu free, 1 is cordoned",
        ),
        (
            "0/4 nodes are available: 2 node(s) had untolerated taint(s), 2 Too many pods.",
            NO_ROOM
            + "2 of 4 nodes have a taint that the job does not tolerate, 2 have reached their limit of pods",
        ),
        (
            "0/3 nodes are available: 3 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.",
            NO_ROOM + "3 of 3 nodes are not healthy (not-ready)",
        ),
        (
            "0/3 nodes are available: 3 node(s) had volume node affinity conflict.",
            NO_ROOM + "3 of 3 nodes cannot reach the volume of the target's store",
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.",
            NO_ROOM + "2 of 2 nodes didn't match pod anti-affinity rules",
        ),
        (
            "0/3 nodes are available: 3 Insufficient ephemeral-storage.",
            NO_ROOM + "3 of 3 nodes have too little disk free",
        ),
        (
            "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: …",
            "the volume claim of the target's store is not bound to a volume yet",
        ),
        (
            '0/3 nodes are available: persistentvolumeclaim "store" is being deleted.',
            "the target's store, volume claim store, is being deleted",
        ),
        ("no nodes available to schedule pods", "no nodes available to schedule pods"),
        ("0/0 nodes are available: .", "the cluster has no node that accepts pods now"),
        ("0/2 nodes are available", "no node has room for it"),
        ("", "no node has room for it"),
        ("running PreBind plugin: timed out.", "running PreBind plugin: timed out"),
    ],
)
def test_why_no_node_takes_a_pod(message: str, told: str) -> None:
    assert explaining.unschedulable(message) == told


@pytest.mark.parametrize(
    ("message", "told"),
    [
        # said by a real cluster
        (
            REFUSED + "exceeded quota: small, requested: requests.cpu=2, "
            "used: requests.cpu=0, limited: requests.cpu=1",
            "it asks for more than quota small of the namespace can ever give "
            "(requests.cpu 2 requested, 0 of 1 in use)",
        ),
        (
            REFUSED + "failed quota: small: must specify limits.memory for: job",
            "quota small of the namespace requires every pod to specify limits.memory: give --memory",
        ),
        (
            REFUSED + "maximum cpu usage per Container is 500m, but limit is 800m",
            "a LimitRange of the namespace forbids it: "
            "maximum cpu usage per Container is 500m, but limit is 800m",
        ),
        (
            REFUSED + 'violates PodSecurity "restricted:latest": host namespaces (hostPID=true)',
            "the namespace's Pod Security level restricted forbids it: host namespaces (hostPID=true)",
        ),
        (
            REFUSED + 'error looking up service account lab/ghost: serviceaccount "ghost" not found',
            "the namespace has no service account ghost: correct service_account in the target",
        ),
        # of the sources
        (
            REFUSED + "exceeded quota: gpus, requested: requests.nvidia.com/gpu=2,"
            "requests.memory=8Gi, used: requests.nvidia.com/gpu=3,requests.memory=0, "
            "limited: requests.nvidia.com/gpu=4,requests.memory=64Gi",
            "quota gpus of the namespace has too little left "
            "(requests.nvidia.com/gpu 2 requested, 3 of 4 in use; "
            "requests.memory 8Gi requested, 0 of 64Gi in use)",
        ),
        (
            'pods "a-b" is forbidden: failed quota: all: '
            "must specify limits.cpu for: job; limits.memory for: job",
            "quota all of the namespace requires every pod to specify limits.cpu and limits.memory: "
            "give --cpu and --memory",
        ),
        (
            "failed quota: disk: must specify limits.ephemeral-storage for: job",
            "quota disk of the namespace requires every pod to specify limits.ephemeral-storage",
        ),
        (
            REFUSED + "minimum memory usage per Pod is 1Gi, but request is 512Mi",
            "a LimitRange of the namespace forbids it: "
            "minimum memory usage per Pod is 1Gi, but request is 512Mi",
        ),
        (
            'Error creating: admission webhook "images.example.org" denied the request: '
            "only registry.example.org",
            'the cluster rejects its pod: admission webhook "images.example.org" denied the request: '
            "only registry.example.org",
        ),
        (
            REFUSED
            + "ValidatingAdmissionPolicy 'region' with binding 'fr' denied request: pods must stay in fr.",
            "the cluster rejects its pod: ValidatingAdmissionPolicy 'region' with binding 'fr' "
            "denied request: pods must stay in fr",
        ),
        # without its begin, as a trial gives it
        (
            'violates PodSecurity "baseline:v1.36": hostPath volumes (volume "dev")',
            'the namespace\'s Pod Security level baseline forbids it: hostPath volumes (volume "dev")',
        ),
    ],
)
def test_why_a_pod_is_refused(message: str, told: str) -> None:
    assert explaining.not_created(message) == told


RESOLVE = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '
BACK_OFF = f'Back-off pulling image "{IMAGE}": ErrImagePull: '
REQUEST = f'{RESOLVE}failed to do request: Head "https://registry.example.org/v2/torch/manifests/2.9": '
NOT_ANSWERING = "the registry does not answer"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        # said by a real cluster
        (f"{REQUEST}dial tcp 127.0.0.1:5999: connect: connection refused", NOT_ANSWERING),
        (f"{REQUEST}dial tcp: lookup registry.example.org on 10.255.255.53:53: no such host", NOT_ANSWERING),
        # of the sources
        (f"{RESOLVE}{IMAGE}: not found", "there is no such image"),
        ("reading manifest 2.9 in registry.example.org/torch: manifest unknown", "there is no such image"),
        (
            f"{RESOLVE}pull access denied, repository does not exist or may require authorization: "
            "server message: insufficient_scope: authorization failed",
            "there is no such image, or the cluster may not pull it; check the target's pull_secrets",
        ),
        (
            f"{RESOLVE}failed to authorize: failed to fetch anonymous token: "
            "unexpected status from GET request to https://registry.example.org/token: 401 Unauthorized",
            "the registry denies access; check the target's pull_secrets",
        ),
        (
            f"{RESOLVE}unexpected status from HEAD request to https://registry.example.org/: 403 Forbidden",
            "the registry denies access; check the target's pull_secrets",
        ),
        (
            f"{REQUEST}tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "the node does not trust the registry's certificate",
        ),
        (
            f"{RESOLVE}failed to copy: httpReadSeeker: failed open: unexpected status code "
            "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.",
            "the registry's rate limit is reached",
        ),
        (
            f'failed to pull and unpack image "{IMAGE}": no match for platform in manifest: not found',
            "it is not built for the node's CPU architecture",
        ),
        (
            "failed to extract layer sha256:1a2b: write /var/lib/tmp: no space left on device: unknown",
            "the node's disk is full",
        ),
        (
            f"{REQUEST}context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            NOT_ANSWERING,
        ),
        ("rpc error: code = Unknown desc = something new", "code = Unknown desc = something new"),
    ],
)
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_why_an_image_cannot_be_pulled(reason: str, message: str, why: str) -> None:
    state = {"reason": reason, "message": BACK_OFF * (reason == "ImagePullBackOff") + message}
    if why.startswith("code"):
        assert explaining.container_waits(state, IMAGE).startswith(
            f"the target's image {IMAGE} cannot be pulled: "
        )
    else:
        assert (
            explaining.container_waits(state, IMAGE) == f"the target's image {IMAGE} cannot be pulled: {why}"
        )


POD = ' (pod: "a-x_research(4ad68db6-bd9c-4a54-ad0c-c4570a877c27)", container: job)'


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        # said by a real cluster
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root" + POD,
            f"the image {IMAGE} runs as root: build it with a numeric USER, or set user in the target",
        ),
        (
            "InvalidImageName",
            'Failed to apply default image tag "Not A Image": couldn\'t parse image name "Not A Image": '
            "invalid reference format: repository name (library/Not A Image) must be lowercase",
            f"the target's image {IMAGE} is not a valid image name: "
            "repository name (library/Not A Image) must be lowercase",
        ),
        # of the sources
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image has non-numeric user (jovyan), "
            "cannot verify user is non-root" + POD,
            f"the image {IMAGE} has no numeric USER: build it with one, or set user in the target",
        ),
        (
            "CreateContainerConfigError",
            "container's runAsUser breaks non-root policy" + POD,
            "the target's user is 0, and root is not allowed: set another",
        ),
        (
            "CreateContainerError",
            'failed to reserve container name "job_a": name is reserved.',
            'its container cannot be created: failed to reserve container name "job_a": name is reserved',
        ),
        ("ErrImageNeverPull", "", f"the target's image {IMAGE} cannot be pulled: ErrImageNeverPull"),
        ("ContainerCreating", "", ""),
        ("PodInitializing", "", ""),
        ("", "", ""),
    ],
)
def test_why_a_container_does_not_start(reason: str, message: str, told: str) -> None:
    assert explaining.container_waits({"reason": reason, "message": message}, IMAGE) == told


RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: "
)
CURE = "choose an image with Python 3.9 or newer, or set python in the target."


@pytest.mark.parametrize(
    ("message", "told"),
    [
        # said by a real cluster
        (
            RUNC + 'exec: "python9": executable file not found in $PATH: unknown',
            f"The image {IMAGE} has no program python9: {CURE}",
        ),
        (
            RUNC
            + 'exec: "/opt/venv/bin/python": stat /opt/venv/bin/python: no such file or directory: unknown',
            f"The image {IMAGE} has no program /opt/venv/bin/python: {CURE}",
        ),
        # of the sources
        (
            "container create failed: executable file `python9` not found in $PATH: "
            "No such file or directory",
            f"The image {IMAGE} has no program python9: {CURE}",
        ),
        (
            RUNC + 'exec: "/usr/lib": permission denied: unknown',
            f"The image {IMAGE} has no program /usr/lib: {CURE}",
        ),
        (
            RUNC + "exec /usr/bin/python3: exec format error",
            f"The image {IMAGE} is built for another CPU architecture than the node's.",
        ),
        (
            RUNC
            + 'error mounting "/var/lib/x" to rootfs at "/sovlab/in": no such file or directory: unknown',
            'Its container could not be started: error mounting "/var/lib/x" to rootfs at "/sovlab/in": '
            "no such file or directory.",
        ),
        ("", "Its container could not be started: the container runtime gives no reason."),
    ],
)
def test_why_a_command_could_not_be_started(message: str, told: str) -> None:
    assert explaining.start_error(message, IMAGE) == told


def event(reason: str, message: str) -> dict[str, Any]:
    return {"reason": reason, "message": message}


def test_the_last_word_on_volumes_is_told() -> None:
    events = [
        event("FailedMount", 'MountVolume.SetUp failed for volume "given" : secret "a" not found'),
        event("FailedAttachVolume", "Multi-Attach error for volume\n  pvc-1. "),
        event("Pulling", "Pulling image"),
    ]
    assert (
        explaining.node_problem(events) == "a volume cannot be mounted: Multi-Attach error for volume pvc-1"
    )
    assert explaining.node_problem(events[:1]).endswith('secret "a" not found')
    assert explaining.node_problem(events[2:]) == explaining.node_problem([]) == ""


def test_a_node_that_cannot_begin_a_pod_is_told_until_it_has() -> None:
    said = (  # by a real cluster
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "
        '"localhost/pause:1": connection refused'
    )
    told = (
        "its node cannot begin a pod, and tries again: failed to get sandbox image "
        '"localhost/pause:1": connection refused'
    )
    assert explaining.node_problem([event("FailedCreatePodSandBox", said)]) == told
    assert explaining.node_problem([event("FailedCreatePodSandBox", said), event("Pulled", "")]) == ""


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (  # said by a real cluster
            'Usage of EmptyDir volume "work" exceeds the limit "1Mi". ',
            "it wrote more to its disk than the cluster allows "
            '(Usage of EmptyDir volume "work" exceeds the limit "1Mi")',
        ),
        (
            'Usage of EmptyDir volume "shm" exceeds the limit "64Mi". ',
            "it wrote more than 64Mi to /dev/shm, which its --memory limits",
        ),
        (
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
            "it wrote more to its disk than the cluster allows "
            "(Pod ephemeral local storage usage exceeds the total limit of containers 1Gi)",
        ),
        (
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80712Ki. ",
            "the node ran low on memory",
        ),
        ("The node was low on resource: pids. ", "the node ran low on process IDs"),
        ("Something new. ", "Something new"),
        ("", "the cluster needed its resources"),
    ],
)
def test_why_a_kubelet_evicted_a_pod(message: str, told: str) -> None:
    assert explaining.evicted(message) == told


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("one\ntwo\n", "two"),
        ("one\n\n \n", "one"),
        ("10 %\r20 %\r30 %", "30 %"),
        ("\x1b[31mred\x1b[0m\n", "red"),
        ('words\x1esovlab:00ff {"t":"at","o":5,"s":1}\n', "words"),
        ('words\n\x1esovlab:00ff {"t":"at","o"', "words"),
        ("a\x00b\x07\n", "ab"),
        ("x" * 400, "x" * 300),
        ("", ""),
        ("\x1e\n", ""),
    ],
)
def test_the_last_line_of_a_log_is_plain(log: str, line: str) -> None:
    assert explaining.last_line(log) == line


@given(st.text(max_size=400))
def test_whatever_a_cluster_says_becomes_one_line(text: str) -> None:
    for told in (
        explaining.unschedulable(text),
        explaining.unschedulable(f"0/3 nodes are available: {text}"),
        explaining.not_created(text),
        explaining.not_created(f"exceeded quota: q, requested: {text}, used: {text}, limited: {text}"),
        explaining.container_waits({"reason": "ErrImagePull", "message": text}, IMAGE),
        explaining.container_waits({"reason": "CreateContainerError", "message": text}, IMAGE),
        explaining.start_error(text, IMAGE),
        explaining.node_problem([event("FailedMount", text)]),
        explaining.evicted(text),
        explaining.last_line(text),
    ):
        assert not set("\n\r\t") & set(told)
        assert told == told.strip() or not text.strip()
